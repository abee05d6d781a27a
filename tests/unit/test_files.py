"""Files that are written whole or not at all."""

import errno
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from chromloom import files
from chromloom.errors import InputError
from chromloom.files import atomic_path, link_folders, lock_file, read_tsv, write_tsv

WRITER = """
import os, sys
import numpy as np
import pandas as pd

from chromloom.files import atomic_path, read_tsv, write_tsv
with atomic_path(sys.argv[1]) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path, repo_root):
    path = tmp_path / "table.tsv"
    environment = os.environ | {"PYTHONPATH": str(repo_root / "workflow")}
    subprocess.run([sys.executable, "-c", WRITER, str(path)], env=environment, check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".table.tsv.")
    with atomic_path(path) as outer:
        assert not left.exists()
        outer.write_text("outer")
        with atomic_path(path) as inner:  # a living writer's is left alone
            inner.write_text("inner")
        assert path.read_text() == "inner"
        assert outer.exists()
    assert path.read_text() == "outer"
    assert list(tmp_path.iterdir()) == [path]


def test_a_living_writer_is_left_alone_wherever_its_process_is_known(tmp_path, monkeypatch):
    """In another container of the machine its number names no process."""
    monkeypatch.setattr(os, "getpid", lambda: 2**22 - 1)
    with atomic_path(tmp_path / "table.tsv") as outer:
        outer.write_text("outer")
        with atomic_path(tmp_path / "table.tsv") as inner:
            inner.write_text("inner")
        assert outer.exists()
    assert (tmp_path / "table.tsv").read_text() == "outer"


def test_a_writer_whose_folder_went_before_it_was_locked_takes_another(tmp_path, monkeypatch):
    lost = []

    def lose_the_first(path):
        if not lost:
            lost.append(path.parent)
            return None
        return lock_file(path)

    monkeypatch.setattr(files, "lock_file", lose_the_first)
    with atomic_path(tmp_path / "table.tsv") as temporary:
        assert temporary.parent != lost[0]
        temporary.write_text("whole")
    assert (tmp_path / "table.tsv").read_text() == "whole"


def test_nothing_is_removed_where_there_are_no_locks(tmp_path, monkeypatch, caplog):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files.fcntl, "flock", no_locks)
    with atomic_path(tmp_path / "table.tsv") as outer:
        outer.write_text("outer")
        with atomic_path(tmp_path / "table.tsv") as inner:
            inner.write_text("inner")
        assert outer.exists()
    assert "No locks available" in caplog.text


def test_a_lock_has_one_holder_and_a_removed_file_none(tmp_path):
    path = tmp_path / "lock"
    with lock_file(path) as file:
        assert file
        assert lock_file(path) is None
    with lock_file(path) as again:
        assert again


def test_content_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    order = []
    sync, replace = files._sync, os.replace
    monkeypatch.setattr(files, "_sync", lambda path: (order.append(path.name), sync(path)))
    monkeypatch.setattr(os, "replace", lambda *a: (order.append("renamed"), replace(*a)))
    with atomic_path(tmp_path / "model") as folder:
        folder.mkdir()
        (folder / "weights").write_text("1")
    assert order == ["model", "weights", "renamed", tmp_path.name]


def test_what_a_link_points_to_is_written(tmp_path):
    (tmp_path / "disk" / "model").mkdir(parents=True)
    (tmp_path / "model").symlink_to("disk/model")
    with atomic_path(tmp_path / "model") as folder:
        folder.mkdir()
        (folder / "weights").write_text("new")
    assert (tmp_path / "model").is_symlink()
    assert (tmp_path / "disk" / "model" / "weights").read_text() == "new"


def test_names_of_any_length_are_written(tmp_path):
    path = tmp_path / ("a" * 251 + ".tsv")
    with atomic_path(path) as temporary:
        temporary.write_text("whole")
    assert path.read_text() == "whole"


@pytest.fixture
def workflows(tmp_path):
    """Two workflows, with folders `config` that differ."""
    for name in ("one", "two"):
        (tmp_path / name / "config").mkdir(parents=True)
        (tmp_path / name / "config" / "a.yaml").write_text(name)
    return tmp_path / "one", tmp_path / "two"


def test_links_to_folders_are_made_and_mended(workflows):
    one, two = workflows
    study = one / "runs" / "demo"
    study.mkdir(parents=True)
    folder = study / ".workflow"
    for root in (one, one, two):
        assert link_folders(root, ["config"], folder) == folder
        assert os.readlink(folder / "config") == str(root / "config")
        assert [path.name for path in folder.iterdir()] == ["config"]
    assert link_folders(one, ["config"], one / ".workflow") == one
    assert not (one / ".workflow").exists()


def test_a_link_to_the_whole_workflow_is_replaced(workflows):
    """Tools that follow links went round in a circle in a study that lies in the workflow."""
    one, _ = workflows
    study = one / "runs" / "demo"
    study.mkdir(parents=True)
    (study / ".workflow").symlink_to(one)
    link_folders(one, ["config"], study / ".workflow")
    assert not (study / ".workflow").is_symlink()
    copy = shutil.copytree(study, one.parent / "copy")
    assert (copy / ".workflow" / "config" / "a.yaml").read_text() == "one"
    assert (one / "config" / "a.yaml").exists()


def test_copies_in_the_places_of_links_are_replaced_and_no_other_file_is_lost(workflows, caplog):
    one, two = workflows
    folder = one.parent / ".workflow"
    shutil.copytree(one / "config", folder / "config")
    (folder / "Snakefile").touch()
    link_folders(one, ["config"], folder)
    assert sorted(path.name for path in folder.iterdir()) == ["Snakefile", "config"]
    (folder / "config").unlink()
    shutil.copytree(one / "config", folder / "config")
    (folder / "config" / "mine").mkdir()
    (folder / "config" / "mine" / "b.yaml").write_text("mine")
    link_folders(two, ["config"], folder)
    assert (folder / "config").resolve() == two / "config"
    (kept,) = folder.glob("config-*/config")
    assert (kept / "a.yaml").read_text() == "one"
    assert (kept / "mine" / "b.yaml").read_text() == "mine"
    assert f"kept in {kept.parent}" in caplog.text


def test_links_that_cannot_be_made_are_told_of(workflows):
    (workflows[0].parent / ".workflow").touch()
    with pytest.raises(InputError, match="cannot hold links"):
        link_folders(workflows[0], ["config"], workflows[0].parent / ".workflow")


def test_names_of_the_users_choice_are_read_as_they_were_written(tmp_path):
    table = pd.DataFrame(
        {"sample": ["NA", "007", "null"], "chrom": ["1", "2", "NA"], "value": [0.1, np.nan, 3e-9]}
    )
    write_tsv(table, tmp_path / "t.tsv")
    pd.testing.assert_frame_equal(read_tsv(tmp_path / "t.tsv"), table)
