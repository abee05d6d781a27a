"""Readers of label files: intervals and pairs of intervals, 0-based half-open, names harmonised.

Files may be gzipped, with or without header and comment lines, with chromosome names in any
spelling that the assembly's can be told from. What is 1-based (the `tss` column of expression
tables) is converted here.
"""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.genome.names import harmonise_names

# An interval may overshoot its chromosome when its end is rounded up to a grid of bins.
GRID, MAX_OVERSHOOT = 1_000, 100_000
_TARGETFINDER_NAME = re.compile(r"^(?:[^|]*\|)?([^:|]+):(\d+)-(\d+)$")


def read_intervals(path: str | Path, format: str, chromsizes: pd.Series) -> pd.DataFrame:
    """Read a label file.

    Parameters
    ----------
    path : str or Path
        Text, gzipped or not.
    format : str
        One of `FORMATS`.
    chromsizes : Series
        Chromosome -> length in bp; rows on other sequences are left out.

    Returns
    -------
    DataFrame
        chrom, start, end, start2, end2 (int64; the second element of a pair, -1 where there is
        none), name (str), score (float64, NaN where there is none), line (int64). Elements on two
        chromosomes are left out. Intervals without length become one base.

    Raises
    ------
    InputError
        The file is missing or damaged, a row is malformed or beyond its chromosome, or no name
        matches the assembly.
    """
    path = Path(path)
    if format not in FORMATS:
        raise InputError(f"{path}: format '{format}' is unknown; known are {', '.join(FORMATS)}")
    lines = _read_lines(path)
    if not lines:
        raise InputError(f"{path} holds no rows; expected a {format} file")
    table = FORMATS[format](lines, path)
    table = table.reindex(columns=["chrom", "start", "end", "chrom2", "start2", "end2", "name",
                                   "score", "line"])  # fmt: skip
    table["chrom2"] = table["chrom2"].astype(object).where(table["chrom2"].notna(), table["chrom"])
    table[["start2", "end2"]] = table[["start2", "end2"]].fillna(-1).astype(np.int64)
    table["name"] = table["name"].fillna("").astype(str)
    table["score"] = table["score"].astype(float)
    names = harmonise_names(
        pd.unique(pd.concat([table["chrom"], table["chrom2"]])), chromsizes, source=str(path)
    )
    table["chrom"], table["chrom2"] = table["chrom"].map(names), table["chrom2"].map(names)
    table = table[table["chrom"].notna() & (table["chrom"] == table["chrom2"])]
    table = table.drop(columns="chrom2").reset_index(drop=True)
    for start, end in (("start", "end"), ("start2", "end2")):
        _check_coordinates(table, start, end, chromsizes, path)
    return table


def _check_coordinates(table, start, end, chromsizes, path) -> None:
    """Cut grid-rounded ends in place; raise for what lies outside its chromosome."""
    lengths = table["chrom"].map(chromsizes).to_numpy(dtype=np.int64)
    first, last = table[start].to_numpy().copy(), table[end].to_numpy().copy()
    present = last >= 0
    last = np.where(present & (last == first), first + 1, last)
    rounded = (last > lengths) & (last % GRID == 0) & (last - lengths < MAX_OVERSHOOT)
    last = np.where(rounded & (last - first > last - lengths), lengths, last)
    wrong = np.flatnonzero(present & ((first < 0) | (last <= first) | (last > lengths)))
    if len(wrong):
        row = table.iloc[wrong[0]]
        raise InputError(
            f"{path}, line {row['line']}: {row['chrom']}:{row[start]}-{row[end]} lies beyond the "
            f"chromosome's {lengths[wrong[0]]:,} bp or has no length; is it of another assembly?"
        )
    table[end] = last


def _read_lines(path: Path) -> list[tuple[int, str]]:
    """Numbered lines of a text file without comments, track lines and blanks."""
    try:
        with open(path, "rb") as file:
            opener = gzip.open if file.read(2) == b"\x1f\x8b" else open
        with opener(path, "rt", encoding="utf-8") as file:
            text = file.read().splitlines()
    except FileNotFoundError as error:
        raise InputError(f"label file {path} does not exist; mend the path in the sheet") from error
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(
            f"label file {path} cannot be read ({error}); expected text or gzipped text, whole"
        ) from error
    return [
        (number, line)
        for number, line in enumerate(text, start=1)
        if line.strip() and not line.startswith(("#", "track", "browser"))
    ]


def _split(lines, path, sep, n_least, what) -> tuple[list[int], list[list[str]]]:
    rows = [line.split(sep) for _, line in lines]
    for (number, line), row in zip(lines, rows):
        if len(row) < n_least:
            raise InputError(
                f"{path}, line {number}: '{line[:60]}' has {len(row)} columns; expected {what}"
            )
    return [number for number, _ in lines], rows


def _integers(values: list[str], numbers: list[int], path: Path, what: str) -> np.ndarray:
    found = pd.to_numeric(pd.Series(values), errors="coerce")
    bad = np.flatnonzero(found.isna())
    if len(bad):
        raise InputError(
            f"{path}, line {numbers[bad[0]]}: {what} '{values[bad[0]]}' is no number of bp; is the "
            "format in the sheet right?"
        )
    return found.astype(np.int64).to_numpy()


def _floats(values) -> np.ndarray:
    return pd.to_numeric(pd.Series(values), errors="coerce").to_numpy(dtype=float)


def _bed(lines, path) -> pd.DataFrame:
    """BED3 and more, narrowPeak, broadPeak: name is column 4, score column 5."""
    if len(lines) > 1 and not re.match(r"\S+\s+\d", lines[0][1]):
        lines = lines[1:]
    numbers, rows = _split(lines, path, None, 3, "chrom, start, end")
    return pd.DataFrame(
        {
            "chrom": [row[0] for row in rows],
            "start": _integers([row[1] for row in rows], numbers, path, "start"),
            "end": _integers([row[2] for row in rows], numbers, path, "end"),
            "name": [row[3] if len(row) > 3 else "" for row in rows],
            "score": _floats([row[4] if len(row) > 4 else "" for row in rows]),
            "line": numbers,
        }
    )


def _bedgraph(lines, path) -> pd.DataFrame:
    """chrom, start, end, value (also replication timing as BED with the value as column 4)."""
    table = _bed(lines, path)
    score = pd.to_numeric(table["name"], errors="coerce")
    bad = np.flatnonzero(score.isna() & ~table["name"].str.lower().isin(["nan", "na", "."]))
    if len(bad):
        row = table.iloc[bad[0]]
        raise InputError(f"{path}, line {row['line']}: value '{row['name']}' is no number")
    return table.assign(score=score, name="")


def _header(lines, path, sep, wanted) -> tuple[list[int], pd.DataFrame]:
    header = [name.strip() for name in lines[0][1].split(sep)]
    missing = [name for name in wanted if name not in header]
    if missing:
        raise InputError(
            f"{path}, line {lines[0][0]}: column '{missing[0]}' is missing (found "
            f"{', '.join(header[:8])}); is the format in the sheet right?"
        )
    if len(lines) == 1:
        raise InputError(f"{path} holds a header and no rows")
    width = max(header.index(name) for name in wanted) + 1
    numbers, rows = _split(lines[1:], path, sep, width, f"{len(header)} as in the header")
    return numbers, pd.DataFrame([row[:width] for row in rows], columns=header[:width])


def _juicer(lines, path) -> pd.DataFrame:
    """Arrowhead's domain list and HiCCUPS' loop list: chr1 x1 x2 chr2 y1 y2 …"""
    wanted = ["chr1", "x1", "x2", "chr2", "y1", "y2"]
    numbers, table = _header(lines, path, None, wanted)
    ends = {
        name: _integers(table[name].tolist(), numbers, path, name)
        for name in ("x1", "x2", "y1", "y2")
    }
    return pd.DataFrame(
        {"chrom": table["chr1"], "start": ends["x1"], "end": ends["x2"], "chrom2": table["chr2"],
         "start2": ends["y1"], "end2": ends["y2"], "line": numbers}
    )  # fmt: skip


def _arrowhead(lines, path) -> pd.DataFrame:
    """Domain list: both sides are the domain, which is kept once."""
    return _juicer(lines, path).drop(columns=["chrom2", "start2", "end2"])


def _bedpe(lines, path) -> pd.DataFrame:
    """chrom1 start1 end1 chrom2 start2 end2 [name score], or [score] as the 7th and last column."""
    if len(lines) > 1 and not re.match(r"\S+\s+\d", lines[0][1]):
        lines = lines[1:]
    numbers, rows = _split(lines, path, None, 6, "two intervals")
    last = [row[7] if len(row) > 7 else row[6] if len(row) == 7 else "" for row in rows]
    starts = {
        name: _integers([row[k] for row in rows], numbers, path, name)
        for k, name in ((1, "start"), (2, "end"), (4, "start2"), (5, "end2"))
    }
    return pd.DataFrame(
        {"chrom": [row[0] for row in rows], "chrom2": [row[3] for row in rows], **starts,
         "score": _floats(last), "line": numbers}
    )  # fmt: skip


def _targetfinder(lines, path) -> pd.DataFrame:
    """Enhancer-promoter pairs, coordinates inside the names; `label` is the truth (score)."""
    numbers, table = _header(lines, path, ",", ["enhancer_name", "promoter_name", "label"])
    parts = {}
    for side, suffix in (("enhancer_name", ""), ("promoter_name", "2")):
        found = [_TARGETFINDER_NAME.match(name) for name in table[side]]
        for number, name, match in zip(numbers, table[side], found):
            if match is None:
                raise InputError(
                    f"{path}, line {number}: '{name}' holds no coordinates; expected a name as "
                    "GM12878|chr21:26798000-26799544"
                )
        parts["chrom" + suffix] = [match[1] for match in found]
        parts["start" + suffix] = [int(match[2]) for match in found]
        parts["end" + suffix] = [int(match[3]) for match in found]
    label = _integers(table["label"].tolist(), numbers, path, "label")
    return pd.DataFrame({**parts, "score": label.astype(float), "line": numbers})


def _expression(lines, path) -> pd.DataFrame:
    """Table with header chrom, tss (1-based) and one of cpm, rpkm, tpm, fpkm, expression."""
    header = [name.strip() for name in lines[0][1].split("\t")]
    units = ["cpm", "rpkm", "tpm", "fpkm", "expression"]
    unit = next((name for name in units if name in header), "cpm")
    numbers, table = _header(lines, path, "\t", ["chrom", "tss", unit])
    tss = _integers(table["tss"].tolist(), numbers, path, "tss")
    return pd.DataFrame(
        {"chrom": table["chrom"], "start": tss - 1, "end": tss, "score": _floats(table[unit]),
         "line": numbers}
    )  # fmt: skip


FORMATS: dict[str, Callable] = {
    "bed": _bed,
    "narrowPeak": _bed,
    "broadPeak": _bed,
    "bedgraph": _bedgraph,
    "arrowhead": _arrowhead,
    "hiccups": _juicer,
    "bedpe": _bedpe,
    "targetfinder": _targetfinder,
    "expression": _expression,
}
