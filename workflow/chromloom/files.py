"""Writing files so that a half-written one is never taken for a finished one."""

import contextlib
import errno
import fcntl
import filecmp
import json
import logging
import os
import platform
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Self

import pandas as pd

from chromloom.errors import InputError

logger = logging.getLogger(__name__)

LOCK = ".lock"
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
# Columns of tables that hold names of the user's choice.
TEXT = ("sample", "against", "cell_type", "model", "task", "edit", "name", "group", "chrom",
        "chrom2", "region", "region1", "region2", "item", "set", "id", "reason",
        "detail")  # fmt: skip


class OpenedFile(ABC):
    """A file that is opened when first read, and anew in every process that it is sent to.

    A context manager closes it; it is opened again when it is read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @abstractmethod
    def _open(self) -> Any:
        """Open the file."""

    @cached_property
    def _file(self) -> Any:
        return self._open()

    def close(self) -> None:
        """Close the file; it is opened again when it is read."""
        file = self.__dict__.pop("_file", None)
        if file is not None:
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __getstate__(self) -> dict:
        return {name: value for name, value in self.__dict__.items() if name != "_file"}


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its place when the block succeeds.

    The temporary file (or folder) lives in a folder of its own next to `path`, keeps the file
    name (so that writers which look at the suffix work) and is removed when the block raises.
    What killed writers left beside `path` goes first. What was written is on the disk before it
    gets its name, so that a loss of power leaves the old content or the new one.

    Parameters
    ----------
    path : str or Path
        Final path; its parent folder is made. The target is written where it is a link.

    Yields
    ------
    Path
        Path to write to; nothing exists there yet.
    """
    path = Path(os.path.realpath(path) if os.path.islink(path) else path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path)
    with _locked_folder(path) as folder:
        yield folder / path.name
        for written in [folder / path.name, *(folder / path.name).rglob("*")]:
            _sync(written)
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(folder / path.name, path)
        _sync(path.parent)


def lock_file(path: Path) -> IO[str] | None:
    """Lock a file, which is made, until it is closed; None where another process holds it.

    The lock is the kernel's and ends with its process, however that ends. Unlike the number of a
    process, it means the same in all containers of a machine. On a file system without locks the
    file is open and not locked, and the log says so.
    """
    file = path.open("a+")
    try:
        locked = _lock(file)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            file.close()
            raise
        logger.warning("%s cannot be locked: %s", path, error.strerror)
        return file
    # Whoever held the lock before may have removed the file.
    if locked and path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno())):
        return file
    file.close()
    return None


def _lock(file: IO) -> bool:
    """Lock an open file; False where another process holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _temporary_prefix(path: Path) -> str:
    """Start of the names of temporary folders of `path`: they are shorter than names may be."""
    return f".{path.name[:100]}.{platform.node()[:40]}-"


@contextmanager
def _locked_folder(path: Path) -> Iterator[Path]:
    """A temporary folder for `path` that is seen to be in use, and is removed in the end."""
    lock = None
    while lock is None:  # None: it was taken for an abandoned one before it was locked
        folder = Path(tempfile.mkdtemp(prefix=_temporary_prefix(path), dir=path.parent))
        lock = lock_file(folder / LOCK)
    try:
        yield folder
    finally:
        lock.close()  # first: NFS keeps files that are open when they are removed
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(path: Path) -> None:
    """Remove temporary folders of `path` that were made on this machine and nobody holds."""
    start = _temporary_prefix(path)
    for folder in path.parent.iterdir():
        if not folder.name.startswith(start):
            continue
        with contextlib.suppress(OSError), (folder / LOCK).open("r+") as file:
            if _lock(file):
                shutil.rmtree(folder, ignore_errors=True)


def _sync(path: Path) -> None:
    """Have the disk hold a file or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that know no sync
            raise
    finally:
        os.close(handle)


def link_folders(root: str | Path, names: Iterable[str], folder: str | Path) -> Path:
    """Make `folder` hold links to the folders `names` of `root`, and nothing to the root itself.

    A link to the root would be a circle in a study that lies in it. A link in the place of `folder`
    is replaced, and so are copies in the places of links, which a copy with links followed has. A
    copy with files of its own is kept under another name.

    Returns
    -------
    Path
        `folder`; `root` itself where `folder` would lie in it.

    Raises
    ------
    InputError
        A link cannot be made.
    """
    root, folder = Path(root).resolve(), Path(folder)
    if folder.parent.resolve() == root:
        return root
    try:
        if folder.is_symlink():
            folder.unlink()
        folder.mkdir(exist_ok=True)
        for name in names:
            _link(root / name, folder / name)
    except OSError as error:
        raise InputError(
            f"{folder.absolute()} cannot hold links to {root} ({error}); run in a folder that can "
            "be written to"
        ) from error
    return folder


def _link(target: Path, link: Path) -> None:
    """Make `link` point to `target`, whatever is there."""
    if link.is_symlink():
        if os.readlink(link) == str(target):
            return
    elif _is_copy(link, target):
        shutil.rmtree(link)
    elif link.exists():
        kept = Path(tempfile.mkdtemp(prefix=f"{link.name}-", dir=link.parent))
        os.replace(link, kept / link.name)
        logger.warning("%s is other than %s: it is kept in %s", link, target, kept)
    with tempfile.TemporaryDirectory(prefix=f"{link.name}.", dir=link.parent) as temporary:
        new = Path(temporary) / link.name
        new.symlink_to(target)
        os.replace(new, link)


def _is_copy(folder: Path, original: Path) -> bool:
    """Whether `folder` has no file that `original` does not have, too, with the same content."""
    return folder.is_dir() and all(
        _is_copy(path, original / path.name)
        if path.is_dir()
        else (original / path.name).is_file()
        and filecmp.cmp(path, original / path.name, shallow=False)
        for path in folder.iterdir()
    )


def read_parquet(path: str | Path) -> pd.DataFrame:
    """Read a table that an earlier step wrote.

    Raises
    ------
    InputError
        The file is missing or damaged.
    """
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); expected a parquet file: write it again"
        ) from error


def write_tsv(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table as tab-separated text with a header, atomically; NaN is `NaN`."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False, na_rep="NaN")


def read_tsv(path: str | Path, *, rows: int | None = None) -> pd.DataFrame:
    """Read a table that `write_tsv` wrote; text that users choose stays what it is.

    Only `NaN` and an empty cell are missing, and columns of names (`TEXT`) are text: a sample may
    be called NA or 007.

    Parameters
    ----------
    path : path
    rows : int, optional
        How many it was written with, where that is kept: a table that was cut at the end of a line
        looks whole.

    Raises
    ------
    InputError
        The table has another number of rows.
    """
    table = pd.read_csv(
        path,
        sep="\t",
        dtype=dict.fromkeys(TEXT, str),
        keep_default_na=False,
        na_values=["NaN", ""],
    )
    if rows is not None and len(table) != rows:
        raise InputError(
            f"{path} has {len(table)} rows and was written with {rows}: it was cut or changed; "
            "delete it and what was written with it, and run again"
        )
    return table


def write_json(value: Any, path: str | Path) -> None:
    """Write `value` as indented JSON, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, default=str) + "\n")
