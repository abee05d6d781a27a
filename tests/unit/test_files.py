"""Files that are written whole or not at all."""

import os
import subprocess
import sys

from chromloom.files import atomic_path

WRITER = """
import os, sys
from chromloom.files import atomic_path
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
