"""Edits of signals: what a cell type's tracks are with some peaks masked, deleted or moved.

A BED file whose names say what is done to which signal: `mask:CTCF`, `delete:CTCF`,
`insert:CTCF:chr1:1,000-2,000` or `move:CTCF:chr1:1,000-2,000`; `*` for the signal is all of them.
Edits of the chromosome itself (deletions, inversions) are not here but in `edits`.
"""

import logging
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.files import atomic_path
from chromloom.genome.intervals import read_intervals
from chromloom.genome.regions import parse_region
from chromloom.signals.store import SignalStore

logger = logging.getLogger(__name__)

KINDS = ("mask", "delete", "insert", "move")
FROM = ("insert", "move")
"""Kinds that name a second region, which the signal is taken from."""


@dataclass(frozen=True)
class SignalEdit:
    """One edit.

    Attributes
    ----------
    kind : {"mask", "delete", "insert", "move"}
        mask: the region gets the mean of the chromosome, as the article of Epiphany masks peaks
        with the background; delete: it gets 0; insert: it gets the signal of the other region where
        that is higher; move: the same, and the other region is masked.
    signals : tuple of str
    chrom : str
    start, end : int
        bp of the region that is changed (of move: that gets the peak).
    source : (str, int, int) or None
        The other region.
    """

    kind: str
    signals: tuple[str, ...]
    chrom: str
    start: int
    end: int
    source: tuple[str, int, int] | None = None


def read_signal_edits(path: str | Path, store: SignalStore) -> list[SignalEdit]:
    """Read edits and hold them to a store.

    Raises
    ------
    InputError
        The file is no BED of such names, an unknown kind, signal or chromosome, or two regions of
        different length.
    """
    table = read_intervals(path, "bed", store.chromsizes, what="file of signal edits")
    edits = []
    for row in table.itertuples():
        place = f"{path}, line {row.line}: {row.name!r}"
        kind, _, rest = str(row.name).partition(":")
        if kind not in KINDS or not rest:
            raise InputError(
                f"{place}; expected KIND:SIGNAL with a kind of {', '.join(KINDS)} (insert and "
                "move: KIND:SIGNAL:chrom:start-end)"
            )
        source = None
        if kind in FROM:
            found = re.fullmatch(r"(.+?):([^:]+:[\d,]+-[\d,]+)", rest)
            if not found:
                raise InputError(
                    f"{place}; expected {kind}:SIGNAL:chrom:start-end, where it is from"
                )
            rest = found[1]
            try:
                source = parse_region(found[2], store.chromsizes.to_dict())
            except InputError as error:
                raise InputError(f"{place}; {error}") from None
        edit = SignalEdit(kind, _named(rest, store, place), row.chrom, row.start, row.end, source)
        if source and _n_bins(edit.start, edit.end, store) != _n_bins(*source[1:], store):
            raise InputError(
                f"{place}: it is from {source[0]}:{source[1]}-{source[2]}, of other length than "
                f"{row.chrom}:{row.start}-{row.end}; give two regions of as many bins"
            )
        edits.append(edit)
    if not edits:
        raise InputError(f"{path}: no edit of a signal; expected rows of BED named KIND:SIGNAL")
    return edits


def edit_signals(
    store_path: str | Path, edits_path: str | Path, out_path: str | Path, *, cell_type: str
) -> pd.DataFrame:
    """Write a store with edited signals.

    Parameters
    ----------
    store_path : path
        Of the cell type as it is.
    edits_path : path
        See the module. Edits are made in their order.
    out_path : path
        Store to write: all that is not edited is the same.
    cell_type : str
        Name of the edited cell type.

    Returns
    -------
    DataFrame
        kind, signal, chrom, start, end (whole bins), before, after (means over known bins).

    Raises
    ------
    InputError
        See `read_signal_edits`.
    """
    rows = []
    with SignalStore(store_path) as store, atomic_path(out_path) as temporary:
        edits = read_signal_edits(edits_path, store)
        shutil.copyfile(store_path, temporary)
        with h5py.File(temporary, "r+") as file:
            file.attrs["cell_type"] = cell_type
            groups = {group.attrs["name"]: group for group in file["signals"].values()}
            for edit in edits:
                for signal in edit.signals:
                    rows.append(_edit(groups[signal], signal, edit, store))
    table = pd.DataFrame(
        rows, columns=["kind", "signal", "chrom", "start", "end", "before", "after"]
    )
    for row in table.itertuples():
        logger.info("%s of %s at %s:%d-%d: mean %.4g, was %.4g", row.kind, row.signal, row.chrom,
                    row.start, row.end, row.after, row.before)  # fmt: skip
    return table


def _edit(group: h5py.Group, signal: str, edit: SignalEdit, store: SignalStore) -> tuple:
    lo, hi = _bins(edit.start, edit.end, store)
    values = _array(group, edit.chrom, signal, store)
    before = values[lo:hi].copy()
    if edit.kind == "mask":
        values[lo:hi] = _mean(values)
    elif edit.kind == "delete":
        values[lo:hi] = 0
    else:
        assert edit.source is not None  # read_signal_edits
        chrom, start, end = edit.source
        first, last = _bins(start, end, store)
        there = values if chrom == edit.chrom else _array(group, chrom, signal, store)
        taken = there[first:last].copy()
        if edit.kind == "move":
            there[first:last] = _mean(there)
            if there is not values:
                _replace(group, chrom, there)
        # A missing value is lower than any: where neither is known, nothing is.
        values[lo:hi] = np.fmax(values[lo:hi], taken)
    _replace(group, edit.chrom, values)
    mean = [_mean(part) for part in (before, values[lo:hi])]
    return edit.kind, signal, edit.chrom, lo * store.bin_size, hi * store.bin_size, *mean


def _mean(values: np.ndarray) -> float:
    """Mean of what is known; NaN of nothing."""
    known = values[np.isfinite(values)]
    return float(known.mean(dtype=float)) if len(known) else np.nan


def _array(group: h5py.Group, chrom: str, signal: str, store: SignalStore) -> np.ndarray:
    if chrom not in group:
        raise InputError(
            f"{store.path}: signal {signal!r} has no values on {chrom}; take the edit out, or name "
            "the signals that have"
        )
    return group[chrom][:].astype(np.float32)


def _replace(group: h5py.Group, chrom: str, values: np.ndarray) -> None:
    options = {"chunks": group[chrom].chunks, "shuffle": True, "compression": "lzf"}
    del group[chrom]
    group.create_dataset(chrom, data=values, **options)


def _bins(start: int, end: int, store: SignalStore) -> tuple[int, int]:
    """First and one past the last bin that a region touches."""
    return start // store.bin_size, -(-end // store.bin_size)


def _n_bins(start: int, end: int, store: SignalStore) -> int:
    first, last = _bins(start, end, store)
    return last - first


def _named(signal: str, store: SignalStore, place: str) -> tuple[str, ...]:
    if signal == "*":
        return tuple(store.signals)
    if signal not in store.signals:
        raise InputError(
            f"{place}: no signal {signal!r} in {store.path}; it has {', '.join(store.signals)}, or "
            "* for all"
        )
    return (signal,)
