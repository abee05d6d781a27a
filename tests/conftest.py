"""Fixtures that every test folder shares."""

import os
from pathlib import Path

import matplotlib as mpl
import pytest

mpl.use("Agg")
# Threads of torch's own, beside those of the kernels, make small tests several times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
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
