"""Fixtures that every test folder shares."""

import os
from pathlib import Path

import matplotlib as mpl
import pytest
from hypothesis import settings

mpl.use("Agg")
# Threads of torch's own, beside those of the kernels, make small tests several times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# The same examples in every run; `pytest --hypothesis-profile search` looks for new ones.
settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
settings.register_profile("search", max_examples=3000, deadline=None, print_blob=True)
settings.load_profile("fixed")
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """Root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real maps; tests that ask for it are skipped where it is absent."""
    folder = Path(os.environ.get("CHROMLOOM_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real maps at {folder}; set CHROMLOOM_REAL_DATA")
    return folder
