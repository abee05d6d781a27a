"""Tab-separated text as people write it: the one reader of sheets, BED-like files and lists.

What holds for every such file:

* compression is told by content, not by suffix (gzip, bgzip, bzip2, xz); UTF-8 with or without a
  byte-order mark, or UTF-16; line ends of any system;
* there are no quotes: a quotation mark is a letter as any other;
* a line that starts with `#` is a comment, a `#` further on is not; `track` and `browser` lines of
  the UCSC browser and blank lines are skipped;
* columns are separated by tabs. Only BED-like files (`sep=None`) without a single tab are split on
  blanks, so that names with blanks and empty names stay what they are;
* what a file has to hold is said by a contract: column name -> `Column`.

Every message names the file, the line and the value. What a table means (intervals, contacts,
edits) is the business of the part of the library that asks for it.
"""

import bz2
import csv
import gzip
import io
import lzma
import math
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TextIO

import numpy as np
import pandas as pd

from chromloom.errors import InputError, nearest

BLOCK = 1 << 25  # characters parsed at a time
FREE_BYTES, LARGEST_RATIO = 1 << 28, 200  # of what compressed text unpacks to
MISSING = ("", ".", "-", "NA", "na", "N/A", "n/a", "NaN", "nan", "NAN", "NULL", "null", "None")
_OPENERS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}
_NOT_TEXT = {
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"\xd0\xcf\x11\xe0": "a spreadsheet",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"\x04\x22\x4d\x18": "compressed by lz4",
    b"\x89HDF": "an HDF5 file",
    b"HIC\0": "a .hic file",
    b"PAR1": "a parquet file",
    b"BAM\1": "a BAM file",
    b"\x26\xfc\x8f\x88": "a bigWig",
    b"\xeb\xf2\x89\x87": "a bigBed",
}
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_SKIPPED = re.compile(r"#|\s*$|(track|browser)( |\t\D|$)")


@dataclass(frozen=True)
class Column:
    """What a column of a table has to hold.

    Attributes
    ----------
    kind : type or "category"
        str, int (int64; `1e5` and `100.0` are whole numbers too), float (float64; `NA`, `nan`, `.`
        and the like are NaN), or "category" for text with few values in large files.
    required : bool
        The column exists and none of its cells is empty. Otherwise absent and empty cells are ""
        (text), NaN (float) or -1 (int).
    low, high : float
        Smallest and largest value of a number.
    among : tuple of str
        The values that a text may have; any if empty.
    """

    kind: type | str = str
    required: bool = True
    low: float = -math.inf
    high: float = math.inf
    among: tuple[str, ...] = ()

    @property
    def default(self) -> Any:
        """Value of an absent or empty cell."""
        return -1 if self.kind is int else math.nan if self.kind is float else ""


Contract = Mapping[str, Column]

_CHROM, _PLACE = Column(), Column(int, low=0)
BED: Contract = {
    "chrom": _CHROM,
    "start": _PLACE,
    "end": _PLACE,
    "name": Column(required=False),
    "score": Column(required=False),  # a number in BED proper, other text in many a file
    "strand": Column(required=False),
}
BEDGRAPH: Contract = {"chrom": _CHROM, "start": _PLACE, "end": _PLACE, "value": Column(float)}
BEDPE: Contract = {
    "chrom1": _CHROM,
    "start1": Column(int, low=-1),  # -1 is an unknown end
    "end1": Column(int, low=-1),
    "chrom2": _CHROM,
    "start2": Column(int, low=-1),
    "end2": Column(int, low=-1),
    "name": Column(required=False),
    "score": Column(required=False),
    "strand1": Column(required=False),
    "strand2": Column(required=False),
}


@contextmanager
def open_text(path: str | Path, *, what: str = "file") -> Iterator[TextIO]:
    """Open text, compressed or not, as its content says.

    Parameters
    ----------
    path : str or Path
    what : str
        What the file is to the user ("cell table"), for messages.

    Yields
    ------
    TextIO
        Line ends are `\\n`, a byte-order mark is gone.

    Raises
    ------
    InputError
        The file is missing, damaged, or not text; also while it is read within the block.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            opener = _opener(file.read(8), path, what)
        with opener(path, "rb") as file:
            start = file.read(8)
            _opener(start, path, what)
            utf16 = start.startswith((b"\xff\xfe", b"\xfe\xff"))
            file.seek(0)
            if opener is not open:
                file = io.BufferedReader(_Unpacked(file, path, what))
            with io.TextIOWrapper(file, encoding="utf-16" if utf16 else "utf-8-sig") as text:
                yield text
    except FileNotFoundError:
        raise InputError(f"{what} {path} does not exist; correct its path") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{what} {path} is not UTF-8 text (byte {error.object[error.start]:#04x}); save it as "
            "UTF-8"
        ) from error
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise InputError(
            f"{what} {path} cannot be read ({error}); expected text, plain or compressed by gzip, "
            "bgzip, bzip2 or xz, whole: fetch or write it again"
        ) from error


class _Unpacked(io.RawIOBase):
    """What compressed text unpacks to, refused where no text would be packed so well.

    Some thousand bytes may unpack to more than the memory holds, as one line or as many.
    """

    def __init__(self, file: IO[bytes], path: Path, what: str) -> None:
        self._file, self._place = file, f"{what} {path}"
        self._left = max(FREE_BYTES, LARGEST_RATIO * path.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        n_bytes = self._file.readinto(buffer)  # type: ignore[attr-defined]
        self._left -= n_bytes
        if self._left < 0:
            raise InputError(
                f"{self._place} unpacks to over {LARGEST_RATIO} times its size, as no table does; "
                "look at what it holds, and unpack it if that is what is meant"
            )
        return n_bytes


def _opener(magic: bytes, path: Path, what: str):
    for start, kind in _NOT_TEXT.items():
        if magic.startswith(start):
            raise InputError(
                f"{what} {path} is {kind}; expected tab-separated text, plain or compressed by "
                "gzip, bgzip, bzip2 or xz"
            )
    return opener_of(magic) or open


def opener_of(start: bytes) -> Callable[..., Any] | None:
    """What opens a compressed file that starts so (gzip, bgzip, bzip2, xz); None for others."""
    return next((opener for magic, opener in _OPENERS.items() if start.startswith(magic)), None)


def read_table(
    path: str | Path,
    columns: Contract | None,
    *,
    what: str = "table",
    names: Sequence[str] | None = None,
    sep: str | None = "\t",
    strict: bool = False,
    spreadsheet: bool = False,
    may_be_empty: bool = False,
) -> pd.DataFrame:
    """Read a whole table.

    Parameters
    ----------
    path : str or Path
    columns : mapping of str to Column, or None
        The columns to read and what they have to hold; None is all columns of the header, as text.
    what : str
        What the file is to the user ("cell table"), for messages.
    names : sequence of str, optional
        Names of a file's columns, from the first to the last that is wanted, where it has no
        header; a line of names above the rows is skipped all the same. By default the first line
        (or a comment before it that holds the required names) is the header.
    sep : str or None
        Separator; None is tabs where the file has tabs, else blanks.
    strict : bool
        Refuse a column of the header that is not in `columns`.
    spreadsheet : bool
        Take off the quotation marks that spreadsheets put around cells with commas.
    may_be_empty : bool
        Whether a file without rows is allowed.

    Returns
    -------
    DataFrame
        `columns` in their order, text without blanks at its ends; the index `line` is the number
        of the row's line in the file, from 1.

    Raises
    ------
    InputError
        The file is missing, damaged or not text, a column is missing, a row has too few cells (or
        more than the header), a value is not what its column asks for, or there are no rows.
    """
    parts = list(read_chunks(path, columns, what=what, names=names, sep=sep, strict=strict))
    table = pd.concat(parts)
    if spreadsheet:
        text = [name for name in table if table[name].dtype.kind == "O"]
        table[text] = table[text].replace({r'^"(.*)"$': r"\1"}, regex=True)
    if table.empty and not may_be_empty:
        raise InputError(f"{what} {path} holds no rows; expected {', '.join(table.columns)}")
    return table


def read_chunks(
    path: str | Path,
    columns: Contract | None,
    *,
    what: str = "table",
    names: Sequence[str] | None = None,
    sep: str | None = "\t",
    strict: bool = False,
    block: int = BLOCK,
) -> Iterator[pd.DataFrame]:
    """`read_table` in parts, for files that do not fit in memory.

    Parameters
    ----------
    path, columns, what, names, sep, strict
        As for `read_table`.
    block : int
        Characters read at a time.

    Yields
    ------
    DataFrame
        As of `read_table`, without the check that there are rows; at least one.
    """
    place = f"{what} {path}"
    header = list(names) if names is not None else None
    first = True
    for number, text in _blocks(path, what, block):
        text, numbers, comments = _without_comments(text, number)
        if not text:
            continue
        if first:
            if sep is None:
                sep = "\t" if "\t" in text else " "
            if header is None:
                header, text, numbers = _take_header(text, numbers, comments, columns, sep)
                if columns is None:
                    columns = {name: Column(required=False) for name in header}
                _check_header(header, columns, place, strict)
            elif columns and _is_header(text.partition("\n")[0], columns, header, sep):
                text, numbers = text.partition("\n")[2], numbers[1:]
        table = None
        if names is not None:
            table = _parse_fast(text, numbers, columns, header, sep)
        if table is None:
            ragged = names is not None
            table = _parse(text, numbers, columns, header, sep, place, ragged=ragged)
        if first or len(table):
            yield table
        first = False
    if first:
        if names is None:
            raise InputError(f"{place} is empty; expected a header" + _listed(columns))
        yield _parse("", np.zeros(0, np.int64), columns, header, "\t", place, ragged=True)


def _blocks(path: str | Path, what: str, block: int) -> Iterator[tuple[int, str]]:
    """Whole lines of a file, about `block` characters at a time, and the number of the first."""
    number = 1
    with open_text(path, what=what) as handle:
        while text := handle.read(block):
            if not text.endswith("\n"):
                text += handle.readline(block)
            if not text.endswith("\n") and len(text) >= 2 * block:
                raise InputError(f"{what} {path} has a line of over {block:,} characters")
            if "\0" in text:
                raise InputError(f"{what} {path} is not text (it holds zero bytes)")
            yield number, text
            number += text.count("\n")


def _without_comments(text: str, number: int) -> tuple[str, np.ndarray, list[str]]:
    """Lines of data, their numbers, and the comments among the others."""
    if not text.endswith("\n"):
        text += "\n"
    marks = ("#", "track", "browser", "\n", " ", "\t")
    if not (text.startswith(marks) or any(f"\n{mark}" in text for mark in marks)):
        return text, np.arange(number, number + text.count("\n")), []
    kept, numbers, comments = [], [], []
    for line in text.split("\n")[:-1]:
        if not _SKIPPED.match(line):
            kept.append(line)
            numbers.append(number)
        elif line.startswith("#"):
            comments.append(line.lstrip("#"))
        number += 1
    return "".join(f"{line}\n" for line in kept), np.array(numbers, dtype=np.int64), comments


def _split(line: str, sep: str) -> list[str]:
    return line.split() if sep == " " else [cell.strip() for cell in line.split(sep)]


def _required(columns: Contract) -> list[str]:
    return [name for name, column in columns.items() if column.required]


def _listed(columns: Contract | None) -> str:
    return f" with {', '.join(_required(columns) or columns)}" if columns else ""


def _take_header(text, numbers, comments, columns, sep):
    """Names of the columns, and the rows below them.

    They stand in the first line; or in a comment, where the first line lacks a required one or,
    where any will do, is a row of as many cells that has numbers.
    """
    line, _, rest = text.partition("\n")
    names = _header_names(line, sep)
    above = [_header_names(comment.strip(), sep) for comment in reversed(comments)]
    if columns is not None:
        required = set(_required(columns))
        above = [] if required <= set(names) else [own for own in above if required <= set(own)]
    else:
        is_row = any(map(NUMBER.fullmatch, names))
        above = [own for own in above if is_row and len(own) == len(names)]
        above = [own for own in above if not any(map(NUMBER.fullmatch, own))]
    return (above[0], text, numbers) if above else (names, rest, numbers[1:])


def _header_names(line: str, sep: str) -> list[str]:
    """Cells of a header without the quotation marks that R writes, and without empty last ones."""
    names = [re.sub(r'^"(.*)"$', r"\1", name) for name in _split(line, sep)]
    while names and not names[-1]:
        names.pop()
    return names


def _check_header(header, columns, place, strict) -> None:
    missing = [name for name in _required(columns) if name not in header]
    if missing:
        found = ", ".join(header[:8])
        raise InputError(
            f"{place}: column '{missing[0]}' is missing (found {found}); expected a header with "
            f"{', '.join(_required(columns))}, separated by tabs"
        )
    for name in header:
        if header.count(name) > 1:
            raise InputError(f"{place}: the header names column '{name}' twice; keep one")
        if strict and name not in columns:
            near = nearest(name, columns)
            hint = f"did you mean '{near}'?" if near else f"known are {', '.join(columns)}"
            raise InputError(f"{place}: unknown column '{name}'; {hint}")


def _is_header(line: str, columns: Contract, names: list[str], sep: str) -> bool:
    """Whether the first line of a file that need not have names is one: words where numbers are."""
    cells = dict(zip(names, _split(line, sep)))
    numbers = [
        cells[name]
        for name, column in columns.items()
        if column.kind in (int, float) and column.required and name in cells
    ]
    return bool(numbers) and all(re.match("[A-Za-z_]", cell) for cell in numbers)


def _parse_fast(text, numbers, columns, names, sep) -> pd.DataFrame | None:
    """Rows by pandas' own parser; None where something is not as it should be."""
    if not text:
        return None
    n_cells = max(names.index(name) for name in columns) + 1
    width = len(_split(text[: text.index("\n")], sep))
    if width < n_cells:
        width = max(len(line.split(None if sep == " " else sep)) for line in text.split("\n"))
    present = {n: column for n, column in columns.items() if names.index(n) < width}
    if not set(_required(columns)) <= set(present):
        return None
    wanted = sorted(present, key=names.index)
    missing = {
        name: MISSING[1:] if column.required else MISSING
        for name, column in present.items()
        if column.kind is float
    }
    types = {int: "int64", float: "float64"}
    try:
        with np.errstate(invalid="raise"):  # 1e30 is no whole number
            table = pd.read_csv(
                io.StringIO(text),
                sep=r"\s+" if sep == " " else sep,
                header=None,
                names=wanted,
                usecols=[names.index(name) for name in wanted],
                dtype={
                    name: types.get(column.kind, column.kind) for name, column in present.items()
                },
                quoting=csv.QUOTE_NONE,
                keep_default_na=False,
                na_values=missing,
                low_memory=False,
            )
    except (ValueError, OverflowError, FloatingPointError):
        return None
    if len(table) != len(numbers):
        return None
    for name, column in columns.items():
        if name not in table:
            table[name] = column.default
            continue
        values = table[name]
        if column.kind in (int, float):
            if (values < column.low).any() or (values > column.high).any():
                return None
            if column.kind is int and (values >= 2**62).any():  # pandas clips what is wider
                return None
            continue
        unique = values.cat.categories if column.kind == "category" else pd.unique(values)
        cells = set(unique)
        if any(cell != cell.strip() for cell in cells):
            return None
        if (column.required and "" in cells) or (column.among and not cells <= set(column.among)):
            return None
    return table[list(columns)].set_axis(pd.Index(numbers, name="line"))


def _parse(text, numbers, columns, names, sep, place, *, ragged) -> pd.DataFrame:
    """Rows one by one, with a message for what is wrong; `ragged`: further cells are allowed."""
    rows = [_split(line, sep) for line in text.split("\n")[:-1]]
    n_least = max((names.index(name) for name in _required(columns)), default=-1) + 1
    for number, row in zip(numbers, rows):
        if len(row) < n_least:
            raise InputError(
                f"{place}, line {number}: '{sep.join(row)[:60]}' has {len(row)} columns; expected "
                f"{', '.join(names[:n_least])}" + (", separated by tabs" if sep == "\t" else "")
            )
        if not ragged and any(row[len(names) :]):
            raise InputError(
                f"{place}, line {number}: '{next(filter(None, row[len(names) :]))}' stands beyond "
                f"the {len(names)} columns of the header; take it out, or name its column"
            )
    table = {}
    for name, column in columns.items():
        k = names.index(name) if name in names else -1
        cells = [row[k] if 0 <= k < len(row) else "" for row in rows]
        table[name] = _convert(cells, name, column, numbers, place)
    return pd.DataFrame(table, index=pd.Index(numbers, name="line", dtype="int64"))


def _convert(cells: list[str], name: str, column: Column, numbers, place) -> pd.Series | np.ndarray:
    text = pd.Series(cells, dtype=object)
    empty = (text == "").to_numpy(bool)
    if column.kind in (int, float):
        values = pd.to_numeric(text, errors="coerce").to_numpy()
        missing = text.isin(MISSING).to_numpy() & (column.kind is float) | empty
        bad = np.isnan(values.astype(float)) & ~missing
        if column.kind is int:
            bad |= ~missing & (values.astype(float) % 1 != 0)
            bad |= ~missing & (np.abs(values.astype(float)) >= 2.0**63)
            values = np.where(missing | bad, -1, values).astype(np.int64)
        expected = "a whole number" if column.kind is int else "a number"
        outside = ~missing & ~bad & ((values < column.low) | (values > column.high))
        if outside.any() and not bad.any():
            low, high = (f"{bound:g}" for bound in (column.low, column.high))
            expected += f" from {low}" if math.isinf(column.high) else f" from {low} to {high}"
        bad |= outside
    else:
        values, expected = text.to_numpy(), f"one of {', '.join(column.among)}"
        known = text.isin(column.among) if column.among else np.ones(len(text), dtype=bool)
        bad = ~np.asarray(known, dtype=bool) & ~empty
    if column.required and empty.any():
        first = numbers[np.flatnonzero(empty)[0]]
        raise InputError(f"{place}, line {first}: column '{name}' is empty; fill it in")
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"{place}, line {numbers[first]}: {name} '{cells[first]}' is not {expected}"
        )
    return pd.Categorical(values) if column.kind == "category" else values
