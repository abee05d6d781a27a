"""The library's shape: who may import whom, what stays light, what must exist."""

import ast
import subprocess
import sys

import pytest

# Everything that a room may import from the library besides itself and BASE.
BASE = {"errors", "files", "logs", "genome", "signals", "__version__"}
ROOMS = {
    "simulate": {
        "contacts", "perturbation", "attribution", "evaluation", "edits", "models", "normalize",
        "analysis",
    },
    "contacts": set(),
    "normalize": {"contacts"},
    "signals": set(),
    "sequence": set(),
    "edits": set(),
    "prediction": {"models", "normalize"},
    "evaluation": {"models", "normalize"},
    "genome": set(),
    "analysis": {"normalize"},
    "kernels": set(),
    "models": {"kernels", "normalize"},
    "training": {"kernels", "models", "normalize"},
    "representations": {"models", "training"},

    "classification": {"normalize", "representations", "training"},
    "attribution": {
        "classification", "kernels", "models", "normalize", "plotting", "representations",
    },
    "perturbation": {
        "analysis", "attribution", "classification", "kernels", "models", "normalize", "plotting",
        "representations", "edits", "evaluation",
    },
    "plotting": set(),
}  # fmt: skip
# Third-party packages of the parts that must run on a bare GPU machine.
BARE = {"torch", "numpy", "numba", "triton", "llvmlite"}


def imported(path) -> set[str]:
    """Full names of all modules that a file imports, at any depth of its code."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def rooms_of(names) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("chromloom.")}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_below_it(repo_root, room):
    files = sorted((repo_root / "workflow" / "chromloom" / room).glob("**/*.py"))
    assert files
    allowed = BASE | ROOMS[room] | {room}
    for path in files:
        found = rooms_of(imported(path))
        assert found <= allowed, f"{path} imports {sorted(found - allowed)}"


def test_the_graph_of_rooms_has_no_cycle():
    done: set[str] = set()
    while len(done) < len(ROOMS):
        free = {room for room, below in ROOMS.items() if room not in done and below <= done}
        assert free, f"a cycle among {sorted(set(ROOMS) - done)}"
        done |= free


def test_every_room_is_known(repo_root):
    folders = (repo_root / "workflow" / "chromloom").iterdir()
    assert {f.name for f in folders if f.is_dir() and f.name != "__pycache__"} == set(ROOMS)


def test_the_library_does_not_know_snakemake(repo_root):
    for path in (repo_root / "workflow" / "chromloom").glob("**/*.py"):
        assert not any(name.split(".")[0] == "snakemake" for name in imported(path)), path


def test_kernels_need_nothing_that_a_bare_gpu_machine_lacks(repo_root):
    room = repo_root / "workflow" / "chromloom" / "kernels"
    for path in [*room.glob("*.py"), room.parent / "models" / "hiclstm" / "module.py"]:
        packages = {name.split(".")[0] for name in imported(path)} - {"chromloom"}
        assert packages - set(sys.stdlib_module_names) <= BARE, path


def test_importing_the_package_is_light():
    code = "import sys, chromloom; sys.exit(len({'numpy', 'pandas', 'torch'} & set(sys.modules)))"
    path = str(__import__("pathlib").Path(__import__("chromloom").__file__).parents[1])
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": path})
