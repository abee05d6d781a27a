"""The sheet of labels, and labels on bins.

The sheet is tab-separated, with one row per task:

=============  ===================================================================================
`task`         name of the task (letters, digits, `_`, `-`)
`path`         label file, or several separated by commas (such as one per chromosome); may hold
               environment variables; relative to the working directory, else to the sheet
`format`       bed, narrowPeak, broadPeak (name in column 4, score in 5), bedgraph (value in 4),
               arrowhead (domain list), hiccups (loop list), bedpe, ibed (CHiCAGO), targetfinder
               (csv of enhancer-promoter pairs), expression (table with columns chrom, tss, cpm)
`kind`         how bins are labelled, see below
`cell_type`    cell type of the samples that the row applies to; `*` for all
`assembly`     assembly of the coordinates; must be that of the sample, given by name (`hg38`;
               `dm6` if the sample sheet has `dm6.chrom.sizes`) or as in the sample sheet
`circular`     yes if the labels were computed from a contact map, else no
`select`       optional: names (column 4) to use, separated by commas; by default all, without NA
               and `.` for multiclass
`threshold`    optional: a row is positive if its score is above (signal), or at least (other
               kinds), this value
`with`         optional: another task; keep positives that have one of its positives within 1 bin
`without`      optional: another task; keep positives that have none of its positives within 1 bin
=============  ===================================================================================

Kinds:

=============  ===================================================================================
`binary`       positive: bins that overlap an interval (for pairs of intervals, such as loop
               domains: from the first to the second). Negatives are drawn from the other bins
`boundaries`   positive: bins in which an interval starts or ends (one domain may end where the
               next starts)
`anchors`      positive: bins that overlap either interval of a pair (loop anchors)
`signal`       positive: bins with a mean score above the threshold (0), else negative; bins
               without score have no label (replication timing)
`expression`   positive: bins with the start of a gene whose score is at least the threshold
               (0.5); negative: bins with starts of other genes only
`multiclass`   name of the interval that covers most of the bin (subcompartments)
`pairs`        pairs of bins; positive if the score (`label`) is above 0, negative if it is 0.
               Without scores all are positive, and negatives are drawn at the same distances
=============  ===================================================================================

Bins are labelled on the chromosomes that occur in the label file; masked bins have no label.
Positives that `with` or `without` removes are neither positive nor negative.
"""

import logging
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.genome.assembly import assembly_name
from chromloom.genome.intervals import FORMATS, read_intervals
from chromloom.tables import NUMBER, Column, read_table

logger = logging.getLogger(__name__)

REQUIRED = ["task", "path", "format", "kind", "cell_type", "assembly", "circular"]
OPTIONAL = ["select", "threshold", "with", "without"]
KINDS = ["binary", "boundaries", "anchors", "signal", "expression", "multiclass", "pairs"]
ELEMENTS = ("binary", "boundaries", "anchors")
"""Kinds of tasks that single bins have or lack: those whose attributions are compared."""
_PAIRED = {"hiccups", "bedpe", "ibed", "targetfinder"}
_NO_POSITIVES = {"multiclass", "pairs"}
NEIGHBOURS = 1  # bins looked at on each side by with/without


@dataclass(frozen=True)
class BinLabels:
    """Labels of single bins.

    Attributes
    ----------
    task, kind : str
    y : ndarray, (n_bins,), int64
        Class number; -1 = no label. Binary tasks: 1 positive, 0 negative.
    candidates : ndarray, (n_bins,), bool
        Bins without label that negatives may be drawn from; none where the file gives negatives.
    classes : tuple of str
        Names of the classes by number.
    n_intervals : int
        Positive intervals in the file (the `published` protocol draws as many negatives).
    circular : bool
    """

    task: str
    kind: str
    y: np.ndarray
    candidates: np.ndarray
    classes: tuple[str, ...]
    n_intervals: int
    circular: bool


@dataclass(frozen=True)
class PairLabels:
    """Labels of pairs of bins.

    Attributes
    ----------
    task : str
    pairs : DataFrame
        bin1, bin2 (int64, bin1 <= bin2), y (1 positive, 0 negative): unmasked, without repeats.
    allowed : ndarray, (n_bins,), bool
        Bins of which negatives may be made, where the file has none.
    circular : bool
    """

    task: str
    pairs: pd.DataFrame
    allowed: np.ndarray
    circular: bool


def read_label_sheet(
    path: str | Path,
    *,
    cell_type: str | None = None,
    assembly: str | None = None,
    must_exist: bool = True,
) -> pd.DataFrame:
    """Read and check the sheet of labels.

    Parameters
    ----------
    path : str or Path
        Tab-separated, columns as in the module's description.
    cell_type : str, optional
        Keep the rows of this cell type and of `*`.
    assembly : str, optional
        That of the map; a kept row of another one is an error.
    must_exist : bool
        Whether a label file that is not there is an error; while a workflow is planned, files may
        still have to be made.

    Returns
    -------
    DataFrame
        All columns (str, absent ones empty; `threshold` float, `circular` bool, `path` list of
        Path), indexed by task.

    Raises
    ------
    InputError
        A column is missing or unknown, a value is not one of the known, a task is repeated.
    """
    path = Path(path)
    contract = {name: Column() for name in REQUIRED}
    contract |= {name: Column(required=False) for name in OPTIONAL}
    table = read_table(path, contract, what="sheet of labels", strict=True, spreadsheet=True)
    if cell_type is not None:
        table = table[table["cell_type"].isin([cell_type, "*"])]
        if table.empty:
            raise InputError(f"{path} has no row for cell type '{cell_type}'")
    for row in table.to_dict("records"):
        _check_row(row, path, assembly)
    same = ["task"] if cell_type is not None else ["task", "cell_type"]
    repeated = table["task"][table.duplicated(same)]
    if len(repeated):
        raise InputError(
            f"{path}: task '{repeated.iloc[0]}' occurs in more than one row of a cell type"
        )
    kinds = dict(zip(table["task"], table["kind"]))
    for column in ("with", "without"):
        for task, other in zip(table["task"], table[column]):
            if other and any(kinds.get(t, "pairs") in _NO_POSITIVES for t in (task, other)):
                raise InputError(
                    f"{path}, task '{task}': {column} '{other}' must name a task of single bins "
                    "of this sheet and cell type, for a task of single bins"
                )
    return table.assign(
        threshold=pd.to_numeric(table["threshold"], errors="coerce"),
        circular=table["circular"] == "yes",
        path=[_find_files(row, path, must_exist) for row in table.to_dict("records")],
    ).set_index("task", drop=False)


def read_task(
    path: str | Path, task: str, chromsizes: pd.Series, *, cell_type: str
) -> pd.DataFrame:
    """Intervals of one task of a sheet, its `select` applied; columns as of `read_intervals`.

    Raises
    ------
    InputError
        The sheet has no such task for the cell type.
    """
    sheet = read_label_sheet(path, cell_type=cell_type)
    if task not in sheet.index:
        raise InputError(
            f"{path} has no task '{task}' for cell type '{cell_type}'; it has "
            f"{', '.join(sheet.index)}"
        )
    row = sheet.loc[task]
    tables = [read_intervals(file, row["format"], chromsizes) for file in row["path"]]
    table = pd.concat(tables, ignore_index=True)
    names = [name.strip() for name in row["select"].split(",") if name.strip()]
    return table[table["name"].isin(names)].reset_index(drop=True) if names else table


def _check_row(row: dict[str, str], path: Path, assembly: str | None) -> None:
    where = f"{path}, task '{row['task']}'"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}", row["task"]):
        raise InputError(f"{where}: use at most 80 letters, digits, '_' and '-'")
    known = {"format": list(FORMATS), "kind": KINDS, "circular": ["yes", "no"]}
    for column, values in known.items():
        if row[column] not in values:
            raise InputError(
                f"{where}: {column} '{row[column]}' is unknown; expected {', '.join(values)}"
            )
    if row["kind"] in ("anchors", "pairs") and row["format"] not in _PAIRED:
        raise InputError(
            f"{where}: kind {row['kind']} needs pairs of intervals (format "
            f"{', '.join(sorted(_PAIRED))}), not {row['format']}"
        )
    if row["threshold"] and not NUMBER.fullmatch(row["threshold"]):
        raise InputError(f"{where}: threshold '{row['threshold']}' is not a number")
    if assembly not in (None, row["assembly"], assembly_name(row["assembly"])):
        raise InputError(
            f"{where}: its coordinates are of {row['assembly']}, the map's of {assembly}; lift "
            f"them over, or give a file of the same assembly (written {assembly} in the sheet)"
        )


def _find_files(row: dict[str, str], sheet: Path, must_exist: bool) -> list[Path]:
    files = []
    for part in os.path.expandvars(row["path"]).split(","):
        path = Path(part.strip()).expanduser()
        beside = sheet.parent / path
        if must_exist and not path.is_file() and not beside.is_file():
            raise InputError(
                f"{sheet}, task '{row['task']}': no file {path} (nor {beside}); correct the path"
            )
        files.append(beside if beside.is_file() and not path.is_file() else path)
    return files


def load_labels(sheet: pd.DataFrame, bins: pd.DataFrame) -> dict[str, BinLabels | PairLabels]:
    """Labels of every task of a sheet.

    Parameters
    ----------
    sheet : DataFrame
        From `read_label_sheet`.
    bins : DataFrame
        chrom, start, end, masked; whole chromosomes of equal bins, in order.

    Returns
    -------
    dict
        task -> labels, in the sheet's order. A task that labels no unmasked bin or gives one class
        only (its file is of other chromosomes, say), and one of which with/without leaves no
        positive bin (at a coarse resolution every boundary has its CTCF), are left out with a
        warning.

    Raises
    ------
    InputError
        A file is malformed, or no task is left.
    """
    labels: dict[str, Any] = {}  # the sheet was checked: `with` and `without` name single bins
    unusable: list[_Unusable] = []
    for task, row in sheet.iterrows():
        try:
            labels[task] = _load_task(row, bins)
        except _Unusable as reason:
            logger.warning("task %s is left out: %s", task, reason)
            unusable.append(reason)
    if unusable and not labels:
        raise unusable[0]
    restricted = dict(labels)
    for task, row in sheet.loc[list(labels)].iterrows():
        for column in ("with", "without"):
            if row[column]:
                other = labels.get(row[column])  # left out: without positives
                near = np.zeros(len(bins), bool) if other is None else _near_positive(other, bins)
                keep = near if column == "with" else ~near
                restricted[task] = _restrict(restricted[task], keep)
        if row["kind"] not in _NO_POSITIVES and not (restricted[task].y == 1).any():
            logger.warning(
                "task %s is left out: no positive bin with '%s' and without '%s' is left",
                task, row["with"], row["without"],
            )  # fmt: skip
            del restricted[task]
    return restricted


class _Unusable(InputError):
    """A task from whose labels nothing can be learnt on the map."""


def _load_task(row: pd.Series, bins: pd.DataFrame) -> BinLabels | PairLabels:
    chromsizes = bins.groupby("chrom", sort=False)["end"].max()
    table = pd.concat(
        [read_intervals(path, row["format"], chromsizes) for path in row["path"]], ignore_index=True
    )
    source = ", ".join(str(path) for path in row["path"])
    chroms = set(table["chrom"])
    if row["select"]:
        names = [name.strip() for name in row["select"].split(",")]
        absent = [name for name in names if not (table["name"] == name).any()]
        if absent:
            known = ", ".join(f"'{name}'" for name in table["name"].unique()[:8])
            raise InputError(f"{source}: no row is named '{absent[0]}' (select); names are {known}")
        table = table[table["name"].isin(names)]
    elif row["kind"] == "multiclass":
        table = table[~table["name"].isin(["", ".", "NA", "na", "NaN"])]
    scored = row["kind"] in ("signal", "expression", "pairs")
    if not np.isnan(row["threshold"]) and not scored:
        if table["score"].isna().all():
            raise InputError(
                f"{source}: task '{row['task']}' has threshold {row['threshold']:g}, but no row of "
                "the file has a score (BED: column 5); leave the threshold out, or give scores"
            )
        table = table[table["score"] >= row["threshold"]]
    allowed = bins["chrom"].isin(chroms).to_numpy() & ~bins["masked"].to_numpy(dtype=bool)
    labels: BinLabels | PairLabels
    if row["kind"] == "pairs":
        labels = _label_pairs(row, table, bins, allowed)
        found = labels.pairs["y"].to_numpy()
    else:
        labels = _label_bins(row, table, bins, allowed)
        found = labels.y
    classes = set(found[found >= 0])
    if not classes:
        raise _Unusable(
            f"{source}: task '{row['task']}' labels no unmasked bin of the map's chromosomes "
            f"({', '.join(dict.fromkeys(bins.loc[~bins['masked'].astype(bool), 'chrom']))}); give "
            "labels of these, or leave the task out"
        )
    drawn = labels.candidates.any() if isinstance(labels, BinLabels) else classes == {1}
    if len(classes) == 1 and not (drawn and classes == {1}):
        raise _Unusable(
            f"{source}: task '{row['task']}' has one class only on the map's unmasked bins; a "
            "classifier needs two: check threshold, select and the chromosomes of the file"
        )
    n_positive = int((found == 1).sum()) if row["kind"] != "multiclass" else int((found >= 0).sum())
    logger.info("task %s: %d labelled, %d positive", row["task"], (found >= 0).sum(), n_positive)
    return labels


def _label_bins(row, table, bins, allowed) -> BinLabels:
    first = bins.reset_index(drop=True).groupby("chrom", sort=False)["start"].idxmin()
    resolution = int((bins["end"] - bins["start"]).max())
    n_bins, kind = len(bins), row["kind"]
    offset = table["chrom"].map(first).to_numpy(dtype=np.int64)
    start, end = table["start"].to_numpy(), table["end"].to_numpy()
    paired = table["end2"].to_numpy() >= 0
    y = np.full(n_bins, -1, dtype=np.int64)
    classes = ("negative", "positive")
    if kind == "binary":
        end = np.where(paired, np.maximum(end, table["end2"]), end)
        start = np.where(paired, np.minimum(start, table["start2"]), start)
        y[_expand(offset, start, end, resolution)[0]] = 1
    elif kind == "anchors":
        for a, b in ((start, end), (table["start2"].to_numpy(), table["end2"].to_numpy())):
            y[_expand(offset, a, b, resolution)[0]] = 1
    elif kind == "boundaries":
        end = np.where(paired, np.maximum(end, table["end2"]), end)
        start = np.where(paired, np.minimum(start, table["start2"]), start)
        last = table["chrom"].map(bins.groupby("chrom", sort=False).size()).to_numpy() - 1
        for edge in (start, end):
            y[offset + np.minimum(edge // resolution, last)] = 1
    elif kind == "multiclass":
        names = pd.Categorical(table["name"])
        classes = tuple(names.categories)
        y = _majority(offset, start, end, names.codes, resolution, n_bins)
    else:
        valid = table["score"].notna().to_numpy()
        number, interval = _expand(offset[valid], start[valid], end[valid], resolution)
        score = table["score"].to_numpy()[valid][interval]
        threshold = row["threshold"]
        seen = np.bincount(number, minlength=n_bins) > 0
        if kind == "signal":
            total = np.bincount(number, score, minlength=n_bins)
            count = np.maximum(np.bincount(number, minlength=n_bins), 1)
            positive = total / count > (0 if np.isnan(threshold) else threshold)
        else:
            reached = score >= (0.5 if np.isnan(threshold) else threshold)
            positive = np.bincount(number, reached, minlength=n_bins) > 0
        y[seen] = positive[seen]
    y[~allowed] = -1
    drawn = kind in ("binary", "boundaries", "anchors")
    candidates = allowed & (y < 0) if drawn else np.zeros(n_bins, dtype=bool)
    if kind == "multiclass":
        present = np.unique(y[y >= 0])
        classes = tuple(np.array(classes, dtype=object)[present])
        y = np.where(y >= 0, np.searchsorted(present, y), -1)
    return BinLabels(row["task"], kind, y, candidates, classes, len(table), bool(row["circular"]))


def _label_pairs(row, table, bins, allowed) -> PairLabels:
    first = bins.reset_index(drop=True).groupby("chrom", sort=False)["start"].idxmin()
    resolution = int((bins["end"] - bins["start"]).max())
    offset = table["chrom"].map(first).to_numpy(dtype=np.int64)
    middles = [
        offset + (table[a].to_numpy() + table[b].to_numpy()) // 2 // resolution
        for a, b in (("start", "end"), ("start2", "end2"))
    ]
    threshold = 0 if np.isnan(row["threshold"]) else row["threshold"]
    y = np.where(table["score"].isna(), 1, table["score"] > threshold).astype(np.int64)
    pairs = pd.DataFrame({"bin1": np.minimum(*middles), "bin2": np.maximum(*middles), "y": y})
    pairs = pairs[allowed[pairs["bin1"]] & allowed[pairs["bin2"]]]
    # Several elements may fall on one pair of bins: it is positive if any of them is.
    pairs = pairs.groupby(["bin1", "bin2"], as_index=False)["y"].max()
    return PairLabels(row["task"], pairs, allowed, bool(row["circular"]))


def _expand(offset, start, end, resolution) -> tuple[np.ndarray, np.ndarray]:
    """Bins that intervals overlap, and the number of the interval of each."""
    lo, hi = start // resolution, (end - 1) // resolution + 1
    size = hi - lo
    interval = np.repeat(np.arange(len(size)), size)
    within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    return (offset + lo)[interval] + within, interval


def _majority(offset, start, end, code, resolution, n_bins) -> np.ndarray:
    """Class with the largest overlap of each bin, -1 where there is none."""
    number, interval = _expand(offset, start, end, resolution)
    bin_start = (number - offset[interval]) * resolution
    overlap = np.minimum(end[interval], bin_start + resolution) - np.maximum(
        start[interval], bin_start
    )
    table = pd.DataFrame({"bin": number, "code": code[interval], "overlap": overlap})
    table = table.groupby(["bin", "code"], as_index=False)["overlap"].sum()
    table = table.sort_values(["bin", "overlap"], kind="stable").drop_duplicates("bin", keep="last")
    y = np.full(n_bins, -1, dtype=np.int64)
    y[table["bin"]] = table["code"]
    return y


def _near_positive(labels: BinLabels, bins: pd.DataFrame) -> np.ndarray:
    positive = pd.Series(labels.y == 1).groupby(bins["chrom"].to_numpy(), sort=False)
    shifts = range(-NEIGHBOURS, NEIGHBOURS + 1)
    return np.any([positive.shift(k, fill_value=False).to_numpy() for k in shifts], axis=0)


def _restrict(labels: BinLabels, keep: np.ndarray) -> BinLabels:
    return replace(labels, y=np.where((labels.y == 1) & ~keep, -1, labels.y))
