"""Writing files so that a half-written one is never taken for a finished one."""

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from chromloom.errors import InputError

# Columns of tables that hold names of the user's choice.
TEXT = ("sample", "against", "cell_type", "model", "task", "edit", "name", "group", "chrom",
        "region", "region1", "region2")  # fmt: skip


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its place when the block succeeds.

    The temporary file (or folder) lives in a folder of its own next to `path`, keeps the file
    name (so that writers which look at the suffix work) and is removed when the block raises.
    What a writer of `path` left that was killed on this machine goes first.

    Parameters
    ----------
    path : str or Path
        Final path; its parent folder is made.

    Yields
    ------
    Path
        Path to write to; nothing exists there yet.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path)
    prefix = f".{path.name}.{platform.node()}-{os.getpid()}-"
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=path.parent))
    try:
        yield folder / path.name
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(folder / path.name, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(path: Path) -> None:
    """Remove temporary folders of `path` whose process, on this machine, is no more."""
    start = f".{path.name}.{platform.node()}-"
    for folder in path.parent.iterdir():
        if not folder.name.startswith(start):
            continue
        process = folder.name.removeprefix(start).split("-")[0]
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except (PermissionError, ValueError):  # somebody else's, or not ours at all
            continue


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


def read_tsv(path: str | Path) -> pd.DataFrame:
    """Read a table that `write_tsv` wrote; text that users choose stays what it is.

    Only `NaN` and an empty cell are missing, and columns of names (`TEXT`) are text: a sample may
    be called NA or 007.
    """
    return pd.read_csv(
        path,
        sep="\t",
        dtype=dict.fromkeys(TEXT, str),
        keep_default_na=False,
        na_values=["NaN", ""],
    )


def write_json(value: Any, path: str | Path) -> None:
    """Write `value` as indented JSON, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, default=str) + "\n")
