"""Readers of label files: intervals and pairs of intervals, 0-based half-open, names harmonised.

Files are text as `chromloom.tables` reads it, with chromosome names in any spelling that the
assembly's can be told from. What is 1-based (the `tss` column of expression tables) is converted
here.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.genome.names import harmonise_names
from chromloom.tables import BED, BEDGRAPH, BEDPE, MISSING, Column, read_table

# An interval may overshoot its chromosome when its end is rounded up to a grid of bins.
GRID, MAX_OVERSHOOT = 1_000, 100_000
COLUMNS = ["chrom", "start", "end", "start2", "end2", "name", "score", "strand", "line"]
UNITS = ("cpm", "rpkm", "tpm", "fpkm", "expression")
_TARGETFINDER_NAME = re.compile(r"^(?:[^|]*\|)?(.+):(\d+)-(\d+)$")


def read_intervals(
    path: str | Path,
    format: str,
    chromsizes: pd.Series,
    *,
    what: str = "label file",
    may_be_empty: bool = False,
) -> pd.DataFrame:
    """Read a label file.

    Parameters
    ----------
    path : str or Path
        Text, gzipped or not.
    format : str
        One of `FORMATS`.
    chromsizes : Series
        Chromosome -> length in bp; rows on other sequences are left out.
    what : str
        What the file is to the user, for messages.
    may_be_empty : bool
        Whether a file of 0 bytes is allowed: an analysis that found nothing wrote it.

    Returns
    -------
    DataFrame
        chrom, start, end, start2, end2 (int64; the second element of a pair, -1 where there is
        none), name (str), score (float64, NaN where there is none), strand (str), line (int64).
        Elements on two chromosomes are left out. Intervals without length become one base.

    Raises
    ------
    InputError
        The file is missing or damaged, a row is malformed or beyond its chromosome, or no name
        matches the assembly.
    """
    path = Path(path)
    if format not in FORMATS:
        raise InputError(f"{path}: format '{format}' is unknown; known are {', '.join(FORMATS)}")
    if may_be_empty and path.is_file() and not path.stat().st_size:
        return pd.DataFrame(columns=COLUMNS)
    table = FORMATS[format](path, what)
    table = table.rename_axis("line").reset_index()
    table = table.reindex(columns=["chrom", "start", "end", "chrom2", "start2", "end2", "name",
                                   "score", "strand", "line"])  # fmt: skip
    table["chrom2"] = table["chrom2"].astype(object).where(table["chrom2"].notna(), table["chrom"])
    table[["start2", "end2"]] = table[["start2", "end2"]].fillna(-1).astype(np.int64)
    table[["name", "strand"]] = table[["name", "strand"]].fillna("").astype(str)
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


def _floats(values: pd.Series) -> pd.Series:
    return pd.to_numeric(values, errors="coerce").astype(float)


def _bed(path, what) -> pd.DataFrame:
    """BED3 and more, narrowPeak, broadPeak: name is column 4, score column 5."""
    table = read_table(path, BED, what=what, names=list(BED), sep=None)
    return table.assign(score=_floats(table["score"]))


def _bedgraph(path, what) -> pd.DataFrame:
    """chrom, start, end, value (also replication timing as BED with the value as column 4)."""
    table = read_table(path, BEDGRAPH, what=what, names=list(BEDGRAPH), sep=None)
    return table.rename(columns={"value": "score"})


def _juicer(path, what) -> pd.DataFrame:
    """Arrowhead's domain list and HiCCUPS' loop list: chr1 x1 x2 chr2 y1 y2 …"""
    place = Column(int, low=0)
    contract = {"chr1": Column(), "x1": place, "x2": place, "chr2": Column(), "y1": place,
                "y2": place}  # fmt: skip
    table = read_table(path, contract, what=what, sep=None)
    return table.set_axis(["chrom", "start", "end", "chrom2", "start2", "end2"], axis=1)


def _arrowhead(path, what) -> pd.DataFrame:
    """Domain list: both sides are the domain, which is kept once."""
    return _juicer(path, what).drop(columns=["chrom2", "start2", "end2"])


def _bedpe(path, what) -> pd.DataFrame:
    """chrom1 start1 end1 chrom2 start2 end2 [name score], or [score] as the 7th and last column.

    Rows with an unknown end (-1) are left out.
    """
    contract = {name: column for name, column in BEDPE.items() if not name.startswith("strand")}
    table = read_table(path, contract, what=what, names=list(contract), sep=None)
    score = table["name"] if (table["score"] == "").all() else table["score"]
    words = score.index[_floats(score).isna() & ~score.isin(MISSING)]
    if score.name == "score" and 0 < len(words) < len(score):
        raise InputError(
            f"{what} {path}, line {words[0]}: score '{score[words[0]]}' is not a number, and "
            "others are; write numbers in column 8, or leave it empty"
        )
    known = (table[["start1", "end1", "start2", "end2"]] >= 0).all(axis=1)
    table, score = table[known], score[known]
    columns = {"chrom1": "chrom", "start1": "start", "end1": "end"}
    return table.rename(columns=columns).assign(score=_floats(score), name="")


def _ibed(path, what) -> pd.DataFrame:
    """Interactions of CHiCAGO (Cairns et al. 2016): bait, other end, and the score."""
    place, columns = Column(int, low=0), {"chrom": "chr", "start": "start", "end": "end"}
    names = {f"bait_{name}": column for column, name in columns.items()}
    names |= {f"otherEnd_{name}": f"{column}2" for column, name in columns.items()}
    contract = {name: Column() if name.endswith("chr") else place for name in names}
    table = read_table(path, contract | {"score": Column(float)}, what=what)
    return table.rename(columns=names)


def _targetfinder(path, what) -> pd.DataFrame:
    """Enhancer-promoter pairs, coordinates inside the names; `label` is the truth (score)."""
    contract = {"enhancer_name": Column(), "promoter_name": Column(), "label": Column(int)}
    table = read_table(path, contract, what=what, sep=",")
    parts = {}
    for side, suffix in (("enhancer_name", ""), ("promoter_name", "2")):
        found = table[side].str.extract(_TARGETFINDER_NAME)
        for line, name in table[side][found[0].isna()].items():
            raise InputError(
                f"{what} {path}, line {line}: '{name}' holds no coordinates; expected a name as "
                "GM12878|chr21:26798000-26799544"
            )
        parts["chrom" + suffix] = found[0]
        parts["start" + suffix] = found[1].astype(np.int64)
        parts["end" + suffix] = found[2].astype(np.int64)
    return pd.DataFrame({**parts, "score": table["label"].astype(float)})


def _expression(path, what) -> pd.DataFrame:
    """Table with header chrom, tss (1-based) and one of cpm, rpkm, tpm, fpkm, expression."""
    contract = {"chrom": Column(), "tss": Column(int, low=1)}
    units = {unit: Column(float, required=False) for unit in UNITS}
    table = read_table(path, contract | units, what=what)
    unit = next((name for name in UNITS if table[name].notna().any()), None)
    if unit is None:
        raise InputError(
            f"{what} {path} has no number in a column of expression; expected one of "
            f"{', '.join(UNITS)}"
        )
    tss = table["tss"]
    return pd.DataFrame(
        {"chrom": table["chrom"], "start": tss - 1, "end": tss, "score": table[unit]}
    )


FORMATS: dict[str, Callable] = {
    "bed": _bed,
    "narrowPeak": _bed,
    "broadPeak": _bed,
    "bedgraph": _bedgraph,
    "arrowhead": _arrowhead,
    "hiccups": _juicer,
    "bedpe": _bedpe,
    "ibed": _ibed,
    "targetfinder": _targetfinder,
    "expression": _expression,
}
