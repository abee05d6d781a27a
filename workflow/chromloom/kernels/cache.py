"""Where this room's compiled code is kept on disk, so that it is compiled once.

A folder for every state of the room's files: numba itself looks only at the date of the file that
a function stands in, not at those of the functions that it calls. Compiled code is loaded as it
lies there, so that a folder that others could write to is never used.
"""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

import numba
from numba import njit


def _is_own(folder: Path) -> bool:
    """Whether a folder, made if absent, is this user's and no other's to write to."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return False
    others = stat.S_IWGRP | stat.S_IWOTH
    own = found.st_uid == os.getuid() and not found.st_mode & others
    return stat.S_ISDIR(found.st_mode) and own and os.access(folder, os.W_OK)


def find_cache() -> str:
    """The first folder that can be used; empty = none, and code is compiled in each process.

    `NUMBA_CACHE_DIR` where it is set; else beside the library, in the user's cache, or in a folder
    of the user's own among the temporary ones.
    """
    here = Path(__file__).parent
    state = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(here.glob("*.py"))))
    name = f"numba-{state.hexdigest()[:16]}"
    if numba.config.CACHE_DIR:
        return os.path.join(numba.config.CACHE_DIR, name)
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    own = Path(tempfile.gettempdir()) / f"chromloom-{os.getuid()}"
    for folder in (here / "__pycache__", Path(cache) / "chromloom", own):
        if _is_own(folder) and _is_own(folder / name):
            return str(folder / name)
    return ""


FOLDER = find_cache()


def compiled(**options):
    """`numba.njit` with these options, whose compiled code is kept in `FOLDER`."""

    def compile_later(function):
        before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, FOLDER
        try:
            return njit(cache=bool(FOLDER), **options)(function)
        finally:
            numba.config.CACHE_DIR = before

    return compile_later
