"""The library's shape: which file may import which, what stays light, what must exist."""

import ast
import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

import networkx
import pytest

import chromloom

LIBRARY = Path(chromloom.__file__).parent
# What every room may import.
GROUND = {"errors", "files", "logs", "tables"}
# What each room may import besides itself and GROUND, from the ground up: a room only knows rooms
# that stand above its line. A room is a folder or a file at the top of the library.
ROOMS = {
    "errors": set(),
    "files": set(),
    "logs": set(),
    "tables": set(),
    "versions": set(),
    "download": set(),
    "sheets": set(),
    "runtime": set(),
    "kernels": set(),
    "genome": set(),
    "sequence": {"genome"},
    "signals": {"genome", "sequence"},
    "contacts": {"genome"},
    "edits": {"genome", "sequence", "signals"},
    "normalize": {"genome"},
    "analysis": {"normalize", "signals"},
    "structure": {"normalize"},
    "models": {"genome", "kernels", "normalize"},
    "plotting": {"models"},
    "training": {"genome", "kernels", "models", "normalize", "sequence", "signals"},
    "representations": {"models", "signals"},
    "prediction": {
        *("edits", "genome", "models", "normalize", "representations", "sequence", "signals"),
    },
    "expression": {"edits", "genome", "models", "normalize", "representations", "signals"},
    "evaluation": {
        *("analysis", "expression", "genome", "normalize", "prediction", "sequence", "signals"),
    },
    "classification": {"genome", "normalize", "representations", "training"},
    "attribution": {"genome", "kernels", "models", "prediction", "representations", "signals"},
    "perturbation": {
        *("analysis", "edits", "evaluation", "genome", "kernels", "models", "normalize"),
        *("prediction", "representations", "sequence", "signals"),
    },
    "variants": {
        *("analysis", "edits", "evaluation", "expression", "genome", "models", "normalize"),
        *("perturbation", "prediction", "sequence", "signals"),
    },
    "simulate": {
        *("analysis", "attribution", "edits", "evaluation", "genome", "normalize"),
        *("perturbation", "prediction", "sequence", "signals"),
    },
    "study": {
        *("attribution", "classification", "contacts", "edits", "expression", "genome", "models"),
        *("sheets", "signals", "training"),
    },
    "viewer": {"genome", "normalize", "signals"},
    "cli": {
        *(
            "attribution",
            "evaluation",
            "genome",
            "models",
            "normalize",
            "perturbation",
            "plotting",
            "prediction",
            "sequence",
            "training",
            "viewer",
        ),
    },
}
# What a bare GPU machine has, on which the kernels and the module of Hi-C-LSTM must run.
BARE = {"torch", "numpy", "numba", "triton", "llvmlite"}
ON_A_BARE_MACHINE = ("kernels", "models.hiclstm.module")


def read_library() -> tuple[networkx.DiGraph, dict[str, set[str]]]:
    """The library's files and their imports of one another, and the other packages each imports.

    Imports at any depth of a file's code count, also those inside functions.
    """
    paths = {}
    for path in LIBRARY.rglob("*.py"):
        parts = path.relative_to(LIBRARY.parent).with_suffix("").parts
        paths[".".join(parts).removesuffix(".__init__")] = path
    graph, packages = networkx.DiGraph(), {}
    for name, path in paths.items():
        graph.add_node(name)
        packages[name] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{name}: relative import"
                found = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for target in found:
                if target.split(".")[0] != "chromloom":
                    packages[name].add(target.split(".")[0])
                    continue
                while target not in paths:  # a name inside a file
                    target = target.rpartition(".")[0]
                if target not in (name, "chromloom"):
                    graph.add_edge(name, target)
    return graph, packages


GRAPH, PACKAGES = read_library()


def room_of(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def test_no_files_import_one_another_in_a_circle():
    circles = [sorted(part) for part in networkx.strongly_connected_components(GRAPH)]
    circles = [part for part in circles if len(part) > 1]
    assert not circles, circles


def test_every_room_is_known():
    found = {room_of(name) for name in GRAPH} - {""}
    assert found - set(ROOMS) - GROUND == set()
    assert set(ROOMS) - found == set()


def test_rooms_are_permitted_only_rooms_below_them():
    below = set()
    for room, permitted in ROOMS.items():
        assert permitted <= below, f"{room}: {sorted(permitted - below)}"
        below.add(room)


def test_files_import_only_what_their_room_is_permitted():
    broken = [
        f"{name} imports {target}"
        for name, target in GRAPH.edges
        if (room := room_of(name)) and room_of(target) not in ROOMS[room] | GROUND | {room}
    ]
    assert not broken, broken


def test_every_permission_is_used():
    used = {(room_of(name), room_of(target)) for name, target in GRAPH.edges}
    declared = {(room, below) for room, permitted in ROOMS.items() for below in permitted}
    assert declared - used == set()
    assert {target for _, target in used} >= GROUND


def test_the_ground_knows_only_itself():
    for name, target in GRAPH.edges:
        assert room_of(name) not in GROUND or room_of(target) in GROUND, f"{name}: {target}"


def test_the_library_does_not_know_snakemake():
    assert [name for name, packages in PACKAGES.items() if "snakemake" in packages] == []


def test_scripts_hand_the_device_on():
    """What can use another device is told which by every script that calls it."""
    silent = []
    for path in sorted((LIBRARY.parent / "scripts").glob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        own = {
            alias.name: getattr(importlib.import_module(node.module), alias.name)
            for node in nodes
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("chromloom")
            for alias in node.names
        }
        for node in nodes:
            called = own.get(getattr(getattr(node, "func", None), "id", ""))
            if not inspect.isfunction(called):
                continue
            if "device" in inspect.signature(called).parameters and not any(
                keyword.arg in ("device", None) for keyword in node.keywords
            ):
                silent.append(f"{path.stem}: {called.__name__}")
    assert not silent


def test_figures_are_drawn_from_what_they_are_given():
    """No file is read: neither by another room, nor by a package that reads formats of ours."""
    readers = {"h5py", "cooler", "cooltools", "bioframe", "pyBigWig", "pyarrow", "pysam"}
    for name in GRAPH:
        if room_of(name) != "plotting":
            continue
        assert not PACKAGES[name] & readers, name
        others = {n for n in GRAPH[name] if room_of(n) not in {"plotting", *GROUND}}
        assert others <= {"chromloom.models.registry"}, f"{name} imports {others}"
        path = LIBRARY.joinpath(*name.split(".")[1:])
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                assert called not in {"open", "load", "loadtxt"}, f"{name}:{node.lineno}"
                assert not called.startswith("read_"), f"{name}:{node.lineno}"


@pytest.mark.parametrize("part", ON_A_BARE_MACHINE)
def test_what_runs_on_a_bare_gpu_machine_needs_little(part):
    """Neither a file of it, nor any file of ours that it imports, needs another package."""
    start = {name for name in GRAPH if f"{name}.".startswith(f"chromloom.{part}.")}
    assert start
    for name in set().union(start, *(networkx.descendants(GRAPH, name) for name in start)):
        needs = PACKAGES[name] - set(sys.stdlib_module_names)
        assert needs <= BARE, f"{name} imports {sorted(needs - BARE)}"


def test_importing_the_package_is_light():
    code = "import sys, chromloom; sys.exit(len({'numpy', 'pandas', 'torch'} & set(sys.modules)))"
    environment = os.environ | {"PYTHONPATH": str(LIBRARY.parent)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
