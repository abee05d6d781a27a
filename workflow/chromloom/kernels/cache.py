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
from numba.core.caching import FunctionCache, IndexDataCacheFile


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


class FilesBySignature(IndexDataCacheFile):
    """Numba's files of compiled code, with names that follow from the types of the arguments.

    Numba numbers them: two processes that compile a function for different types at once may take
    the same number, and the code for one of the types is then run on the other, here and in all
    later processes.
    """

    def save(self, key, data):
        """Keep the code that was compiled for `key`: types, processor and source."""
        digest = hashlib.sha256(repr(key).encode()).digest()
        name = self._data_name(int.from_bytes(digest[:8]))
        self._save_data(name, data)
        self._save_index({**self._load_index(), key: name})


class _Cache(FunctionCache):
    def __init__(self, function):
        super().__init__(function)
        locator = self._impl.locator
        self._cache_file = FilesBySignature(
            locator.get_cache_path(), self._impl.filename_base, locator.get_source_stamp()
        )


def compiled(**options):
    """`numba.njit` with these options, whose compiled code is kept in `FOLDER`."""

    def compile_later(function):
        dispatcher = njit(**options)(function)
        if FOLDER:
            before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, FOLDER
            try:
                dispatcher._cache = _Cache(function)  # as numba's own `cache=True` does
            finally:
                numba.config.CACHE_DIR = before
        return dispatcher

    return compile_later
