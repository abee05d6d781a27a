"""One line for what the user or the machine does, a traceback for what the program does wrong."""

import errno
import logging
import os
import re

import h5py
import numpy as np
import pandas as pd
import pytest

from chromloom.errors import InputError, explain, nearest
from chromloom.logs import job_log


def full_disk():
    """The error of HDF5 on a full disk; Linux has one of no size."""
    with h5py.File("/dev/full", "w") as file:
        file["x"] = np.zeros(10**6)


def too_much_memory():
    np.zeros((10**6, 10**7))


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("x.bed: no such file"), "^x.bed: no such file$"),
        (OSError(errno.ENOSPC, "No space left on device", "a.tsv"), "'a.tsv'; the disk is full"),
        (OSError(errno.EROFS, "Read-only file system", "r"), "run in a folder that can be written"),
        (OSError(errno.EACCES, "Permission denied", "r"), "change its permissions"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "r"), "shorter names"),
        (OSError("write failed (errno = 28, error message = 'No space')"), "the disk is full"),
        (OSError("[Errno 28] Error writing bytes to file"), "the disk is full"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "ulimit -v"),
        (pd.errors.ParserError("C error: out of memory"), r"memory ran out \(C error"),
        (OSError(errno.ENOMEM, "Cannot allocate memory", "a.cool"), "memory ran out"),
        (ImportError("libx.so: failed to map segment from shared object"), "memory ran out"),
        (RuntimeError("can't start new thread"), "memory ran out"),
        (MemoryError(), r"memory ran out \(MemoryError\); give the job more"),
    ],
)
def test_what_the_machine_refuses_is_one_line_with_its_remedy(error, line):
    said = explain(error)
    assert re.search(line, said)
    assert "\n" not in said


@pytest.mark.parametrize(
    "error", [KeyError("x"), ValueError("wrong 28"), OSError(errno.ENOENT, "No such file", "x")]
)
def test_other_errors_are_the_programs(error):
    assert explain(error) is None


@pytest.fixture
def logger():
    """The library's logger, given back as it was."""
    logger = logging.getLogger("chromloom")
    before = logger.propagate, logger.level
    yield logger
    for handler in logger.handlers[:]:
        logger.removeHandler(handler)
        handler.close()
    logger.propagate = before[0]
    logger.setLevel(before[1])


@pytest.mark.usefixtures("logger")
def test_a_job_ends_with_one_line(tmp_path):
    with pytest.raises(SystemExit), job_log(tmp_path / "job.log"):
        too_much_memory()
    text = (tmp_path / "job.log").read_text()
    assert "memory ran out (Unable to allocate" in text
    assert "Traceback" not in text


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux only")
def test_hdf5_on_a_full_disk_is_one_line():
    with pytest.raises(OSError, match="errno = 28") as caught:
        full_disk()
    assert "the disk is full" in explain(caught.value)


def test_the_nearest_name_is_that_whatever_its_case():
    assert nearest("EIG", ["pca", "eig"]) == "eig"
    assert nearest("againstt", ["Against", "sample"]) == "Against"
    assert nearest("xyz", ["pca", "eig"]) == ""
