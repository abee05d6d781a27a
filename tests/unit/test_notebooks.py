"""The notebooks of the documentation run from top to bottom."""

import os

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = ("own_map", "edit")


def test_every_notebook_is_tested(repo_root):
    found = {path.stem for path in (repo_root / "docs" / "notebooks").glob("*.ipynb")}
    assert found == set(NOTEBOOKS)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs(repo_root, tmp_path, monkeypatch, name):
    monkeypatch.setenv("PYTHONPATH", str(repo_root / "workflow"), prepend=os.pathsep)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    path = repo_root / "docs" / "notebooks" / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    assert any(cell.get("outputs") for cell in notebook.cells), "commit it executed"
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
