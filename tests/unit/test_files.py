"""Files that are written whole or not at all."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd

from chromloom.files import atomic_path, read_tsv, write_tsv

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


def test_names_of_the_users_choice_are_read_as_they_were_written(tmp_path):
    table = pd.DataFrame(
        {"sample": ["NA", "007", "null"], "chrom": ["1", "2", "NA"], "value": [0.1, np.nan, 3e-9]}
    )
    write_tsv(table, tmp_path / "t.tsv")
    pd.testing.assert_frame_equal(read_tsv(tmp_path / "t.tsv"), table)
