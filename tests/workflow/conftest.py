"""Running Snakemake as a user does: in a process of its own, in a folder of its own."""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from study import TARGETS, write_study


@pytest.fixture(scope="session")
def snakemake_command(repo_root) -> Callable[..., tuple[list[str], dict]]:
    """Command line of Snakemake in a folder, and the options of subprocess that go with it."""

    def command(folder: Path, *arguments: str) -> tuple[list[str], dict]:
        words = [
            sys.executable, "-m", "snakemake", "--snakefile", str(repo_root / "Snakefile"),
            "--directory", str(folder), *arguments,
        ]  # fmt: skip
        # `conda`, `bedtools` and friends of the same environment as the interpreter.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        data = os.environ.get("CHROMLOOM_REAL_DATA", str(repo_root.parent / "shared" / "data"))
        environment = {**os.environ, "PATH": path, "CHROMLOOM_REAL_DATA": data}
        # Where it is set, every one of hundreds of jobs parses the library anew.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        return words, {"cwd": repo_root, "env": environment}

    return command


@pytest.fixture(scope="session")
def snakemake(snakemake_command) -> Callable[..., subprocess.CompletedProcess]:
    """Run `snakemake ARGUMENTS` with `--directory` `folder`; returns the finished process."""

    def run(folder: Path, *arguments: str, check: bool = True, **options):
        command, defaults = snakemake_command(folder, *arguments)
        done = subprocess.run(command, **{**defaults, **options}, capture_output=True, text=True)
        if check and done.returncode:
            pytest.fail(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
        return done

    return run


@pytest.fixture(scope="session")
def plan(repo_root, tmp_path_factory):
    """Rules and jobs of a study."""

    def make(folder: Path, config: Path, *targets: str) -> dict[str, list[dict]]:
        out = tmp_path_factory.mktemp("plan") / "plan.json"
        script = str(Path(__file__).with_name("jobs.py"))
        command = [sys.executable, script, str(out), str(repo_root / "Snakefile"), str(folder)]
        done = subprocess.run([*command, str(config), *targets], capture_output=True, text=True)
        assert out.exists(), done.stdout + done.stderr
        return json.loads(out.read_text())

    return make


@pytest.fixture(scope="session")
def undisturbed(snakemake, tmp_path_factory) -> Path:
    """Folder of the small study, run to its end on this machine; not to be changed.

    It is that of all workers: the first that asks for it makes it, and the others wait.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "undisturbed"
    with (shared / "undisturbed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "seconds.txt").exists():
            write_study(folder)
            started = time.monotonic()
            snakemake(folder, "--configfile", str(folder / "config.yaml"), "--cores", "2", *TARGETS)
            (folder / "seconds.txt").write_text(str(time.monotonic() - started))
    return folder
