"""Running Snakemake as a user does: in a process of its own, in a folder of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from study import TARGETS, write_study


@pytest.fixture(scope="session")
def snakemake(repo_root) -> Callable[..., subprocess.CompletedProcess]:
    """Run `snakemake ARGUMENTS` with `--directory` `folder`; returns the finished process."""

    def run(folder: Path, *arguments: str, check: bool = True, **options):
        command = [
            sys.executable, "-m", "snakemake", "--snakefile", str(repo_root / "Snakefile"),
            "--directory", str(folder), *arguments,
        ]  # fmt: skip
        # `conda`, `bedtools` and friends of the same environment as the interpreter.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        data = os.environ.get("CHROMLOOM_REAL_DATA", str(repo_root.parent / "shared" / "data"))
        environment = {**os.environ, "PATH": path, "CHROMLOOM_REAL_DATA": data}
        done = subprocess.run(
            command, cwd=repo_root, env=environment, capture_output=True, text=True, **options
        )
        if check and done.returncode:
            pytest.fail(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
        return done

    return run


@pytest.fixture(scope="session")
def undisturbed(snakemake, tmp_path_factory) -> Path:
    """Folder of the small study, run to its end on this machine; not to be changed."""
    folder = write_study(tmp_path_factory.mktemp("undisturbed"))
    snakemake(folder, "--configfile", str(folder / "config.yaml"), "--cores", "2", *TARGETS)
    return folder
