"""The conda environments of the rules hold what their scripts import, in the versions of the lock.

Conda itself cannot be run in the tests. The import closure of every script is read from the source
(imports within functions included), and a stand-in `conda` builds each environment of links to the
packages of the interpreter that the tests run in, which are those of the lock.
"""

import ast
import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from functools import cache
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from study import TARGETS, differences, write_study

from chromloom.models.registry import DECODER_VARIANTS, MODELS

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "workflow"

IMPORTED_AS = {
    "matplotlib-base": "matplotlib",
    "py-xgboost-cpu": "xgboost",
    "pybigwig": "pyBigWig",
    "pytorch": "torch",
    "pyyaml": "yaml",
    "scikit-image": "skimage",
    "scikit-learn": "sklearn",
}
"""Conda package -> what it is imported as, where the two differ."""

STAND_IN = Path(__file__).parent / "conda_stand_in"
ON_PYPI = json.loads((STAND_IN / "on_pypi.json").read_text())
"""Conda package -> name on PyPI, where the two differ by more than case."""

PACKAGES = {"PACKAGES": sysconfig.get_path("purelib")}
"""What the stand-in makes environments of."""

NOT_PYTHON = {"python", "pip"}

LOADS_MODELS = "chromloom.models.registry.load"
"""A function whose use is to import what the table of models names."""

OPTIONAL = {"triton"}
"""Looked for before it is imported; comes with conda's CUDA build of pytorch."""

GPU_ONLY = {"chromloom/kernels/gpu.py"}
"""Modules that import it."""


@cache
def imports_of(path: Path) -> frozenset[str]:
    """Dotted names that a file imports anywhere; `from a import b` counts as a and a.b.

    A file that loads what the table of models names may load all of it.
    """
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    if LOADS_MODELS in found:
        lines = [*MODELS.values(), *DECODER_VARIANTS.values()]
        texts = {text for line in lines for text in vars(line).values() if isinstance(text, str)}
        found |= {text.partition(":")[0] for text in texts if text.startswith("chromloom.")}
    return frozenset(found)


def with_rooms(names: Iterable[str]) -> set[str]:
    """Modules and the rooms that they lie in, whose `__init__.py` runs first."""
    parts = [name.split(".") for name in names]
    return {".".join(p[:n]) for p in parts for n in range(1, len(p) + 1)}


def module_file(name: str) -> Path | None:
    """Source of a module of the library; None for anything else."""
    path = LIBRARY / name.replace(".", "/")
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def closure(path: Path) -> tuple[set[str], set[str]]:
    """Modules of the library and third-party packages that a file needs, transitively."""
    modules, packages, todo = set(), set(), [path]
    while todo:
        for name in with_rooms(imports_of(todo.pop())):
            root = name.partition(".")[0]
            if root == "chromloom":
                source = module_file(name)
                if source and name not in modules:
                    modules.add(name)
                    todo.append(source)
            elif root not in sys.stdlib_module_names:
                packages.add(root)
    text = "".join(module_file(name).read_text() for name in modules) + path.read_text()
    if "hictkpy" in packages or re.search(r"\.to_parquet\(|read_parquet\(", text):
        packages.add("pyarrow")  # hictkpy and pandas ask for it by name, when it is needed
    return modules, packages


def rules_of_envs() -> dict[str, list[str]]:
    """Env file -> rules that name it."""
    users: dict[str, list[str]] = {}
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for rule in re.split(r"\n *rule ", path.read_text())[1:]:
            name = rule.split(":")[0]
            users.setdefault(re.search(r'"\.\./(envs/\w+\.yaml)"', rule)[1], []).append(name)
    return users


def pinned(env: str) -> dict[str, str]:
    """Conda package -> version of an env file, its `pip:` part included."""
    versions = {}
    for item in yaml.safe_load((ROOT / env).read_text())["dependencies"]:
        for entry in item["pip"] if isinstance(item, dict) else [item]:
            name, version = re.fullmatch(r"([A-Za-z0-9_.-]+?)={1,2}([0-9][0-9.]*)", entry).groups()
            versions[name] = version
    return versions


def locked() -> dict[str, str]:
    """PyPI name in lower case -> version of requirements.txt."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {name.lower(): version for name, version in pairs}


ENVS = rules_of_envs()


def test_every_env_file_is_used_and_every_used_one_exists():
    assert {f"envs/{path.name}" for path in (ROOT / "envs").glob("*.yaml")} == set(ENVS)


@pytest.mark.parametrize("env", sorted(ENVS))
def test_an_env_holds_what_its_scripts_import_and_no_more(env):
    provided = {IMPORTED_AS.get(name, name) for name in set(pinned(env)) - NOT_PYTHON}
    needed = {
        rule: closure(ROOT / "workflow" / "scripts" / f"{rule}.py")[1] - OPTIONAL
        for rule in ENVS[env]
    }
    missing = {rule: packages - provided for rule, packages in needed.items()}
    assert not any(missing.values()), f"{env} lacks {missing}"
    assert not provided - set().union(*needed.values()), f"{env} holds more than its scripts import"


@pytest.mark.parametrize("env", sorted(ENVS))
def test_versions_of_an_env_are_those_of_the_lock(env):
    lock = locked()
    for name, version in pinned(env).items():
        if name not in NOT_PYTHON:
            assert lock[ON_PYPI.get(name, name).lower()] == version, name


def test_the_lock_pins_what_its_packages_need():
    """Also what none of the library's own imports would show, as the FASTA reader of cooler."""
    lock = {canonicalize_name(name) for name in locked()}
    unpinned = ("setuptools", "nvidia-", "cuda-")  # `make lock` leaves them out
    for name in lock:
        for line in requires(name) or []:
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                needed = canonicalize_name(need.name)
                assert needed in lock or needed.startswith(unpinned), (name, needed)


def test_planning_needs_no_more_than_snakemake_has():
    """rules/common.smk runs in Snakemake's own environment, and so do the settings of models."""
    lines = (ROOT / "rules" / "common.smk").read_text().splitlines()
    imports = [line for line in lines if line.startswith(("import ", "from "))]
    settings = [model.settings.partition(":")[0] for model in MODELS.values()]
    needed = set()
    for module in with_rooms([*(line.split()[1] for line in imports), *settings]):
        if source := module_file(module):
            needed |= eager(source, set())
    assert needed <= {"jsonschema", "numpy", "pandas", "yaml"}


def eager(path: Path, seen: set[Path]) -> set[str]:
    """Third-party packages that are imported when a module of the library is."""
    seen.add(path)
    packages = set()
    for node in ast.parse(path.read_text()).body:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in with_rooms(names):
            source, root = module_file(name), name.partition(".")[0]
            if source and source not in seen:
                packages |= eager(source, seen)
            elif root != "chromloom" and root not in sys.stdlib_module_names:
                packages.add(root)
    return packages


@pytest.fixture(scope="module")
def planner(tmp_path_factory) -> Path:
    """A virtual environment of Snakemake and pandas alone, as a user of conda has it."""
    folder = tmp_path_factory.mktemp("planner")
    (folder / "planner.yaml").write_text("dependencies:\n  - snakemake\n  - pandas\n")
    create_env(folder / "planner.yaml", folder / "env")
    return folder / "env"


def create_env(file: Path, prefix: Path) -> None:
    """What `conda env create` does."""
    command = [sys.executable, str(STAND_IN / "bin" / "conda"), "env", "create"]
    command += ["--file", str(file), "--prefix", str(prefix)]
    subprocess.run(command, env=os.environ | PACKAGES, check=True)


def python_of_environments() -> str:
    return re.search(r"- python=([\d.]+)", (ROOT / "envs" / "hic.yaml").read_text())[1]


@pytest.mark.slow
@pytest.mark.skipif(
    python_of_environments() != "{}.{}".format(*sys.version_info),
    reason="the stand-in has no other Python than the one that runs the tests",
)
def test_every_script_runs_or_imports_in_its_env_alone(planner, undisturbed, tmp_path):
    """The chain up to representations by `--sdm conda`; all other scripts' imports, env by env."""
    folder = write_study(tmp_path / "study")
    path = f"{STAND_IN / 'bin'}{os.pathsep}{planner / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin"
    environment = {**os.environ, **PACKAGES, "PATH": path}
    command = [str(planner / "bin" / "python"), "-m", "snakemake", "--sdm", "conda"]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--configfile", str(folder / "config.yaml"), "--cores", "2", *TARGETS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert differences(folder, undisturbed) == []

    made = {p.read_text(): p.with_suffix("") for p in folder.glob(".snakemake/conda/*.yaml")}
    assert len(made) == 2
    for env, rules in ENVS.items():
        prefix = made.get((ROOT / env).read_text())
        if prefix is None:
            prefix = tmp_path / Path(env).stem
            create_env(ROOT / env, prefix)
        scripts = [ROOT / "workflow" / "scripts" / f"{rule}.py" for rule in rules]
        modules = set().union(*(closure(script)[0] for script in scripts))
        names = sorted({str(module_file(n).relative_to(LIBRARY)) for n in modules} - GPU_ONLY)
        imports = [name.removesuffix(".py").removesuffix("/__init__") for name in names]
        program = f"import sys; sys.path.insert(0, {str(LIBRARY)!r})\n" + "\n".join(
            f"import {name.replace('/', '.')}" for name in imports
        )
        tried = subprocess.run(
            [str(prefix / "bin" / "python"), "-I", "-c", program], capture_output=True, text=True
        )
        assert tried.returncode == 0, f"{env}: {tried.stderr}"
