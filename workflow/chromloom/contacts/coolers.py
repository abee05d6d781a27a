"""Reading `.cool`, `.mcool` in any group layout, and `.scool` pooled into pseudo-bulk."""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cooler
import h5py
import numpy as np
import pandas as pd

from chromloom.contacts.pixels import BEYOND, CHUNK, NOT_KEPT, Target, n_bins, reading, translate
from chromloom.errors import InputError
from chromloom.genome.names import harmonise_names, match_names
from chromloom.tables import Column, read_table

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BinTable:
    """The bins of one map as its file lists them; they need not be all bins of the chromosomes.

    Attributes
    ----------
    names : tuple of str
        Chromosomes of the file.
    lengths : ndarray, (n_chroms,), int64
        bp, as the file states them.
    chrom : ndarray, (n_bins,), int64
        Number of the bin's chromosome.
    start, end : ndarray, (n_bins,), int64
        bp.
    """

    names: tuple[str, ...]
    lengths: np.ndarray
    chrom: np.ndarray
    start: np.ndarray
    end: np.ndarray

    @classmethod
    def read(cls, group: h5py.Group) -> "BinTable":
        """Of an open cooler."""
        names = tuple(
            name.decode() if isinstance(name, bytes) else str(name) for name in group["chroms/name"]
        )
        columns = [group["chroms/length"], *(group["bins"][c] for c in ("chrom", "start", "end"))]
        values = [np.asarray(column[:]) for column in columns]
        table = cls(names, *(column.astype(np.int64) for column in values))
        if any((column % 1 != 0).any() for column in values if column.dtype.kind == "f"):
            raise InputError(
                f"{group.file.filename} has bins that do not lie at whole numbers of bp; bin the "
                "read pairs again (.pairs can be given as they are)"
            )
        known = (table.chrom >= 0) & (table.chrom < len(names))
        if not len(table.chrom) == len(table.start) == len(table.end) or not known.all():
            raise ValueError("its table of bins is inconsistent")
        return table

    def ends(self) -> np.ndarray:
        """Where the last bin of each chromosome ends, in bp, 0 where it has none; (n_chroms,)."""
        ends = np.zeros(len(self.names), dtype=np.int64)
        np.maximum.at(ends, self.chrom, self.end)
        return ends

    def resolution(self, stated: int | None, source: str) -> int:
        """Bin size in bp, on the borders of which all bins lie.

        Raises
        ------
        InputError
            Bins of different sizes, or that do not start at multiples of their size.
        """
        size = self.end - self.start
        if not len(size):
            raise InputError(f"{source} has no bins; expected a contact map: write it again")
        resolution = int(stated or size.max())
        last = self.end == self.ends()[self.chrom]
        odd = np.flatnonzero((size != resolution) & ~(last & (size < resolution) & (size > 0)))
        if len(odd):
            raise InputError(
                f"{source} has bins of different sizes ({self._name(odd[0])} beside "
                f"{resolution:,} bp), such as restriction fragments; expected bins of one size: "
                "bin the read pairs (.pairs can be given as they are)"
            )
        off = np.flatnonzero(self.start % resolution)
        if len(off):
            raise InputError(
                f"{source} has a bin {self._name(off[0])}, which does not start at a multiple of "
                f"the bin size {resolution:,} bp and cannot be placed among the bins of a genome; "
                "bin the read pairs again (.pairs can be given as they are), or give a finer map"
            )
        order = np.lexsort((self.start, self.chrom))
        same = (np.diff(self.chrom[order]) == 0) & (np.diff(self.start[order]) == 0)
        if same.any():
            raise InputError(
                f"{source} lists the bin {self._name(order[np.flatnonzero(same)[0]])} twice; "
                "expected each once: write the map again"
            )
        return resolution

    def lookup(self, names: dict[str, str], target: Target, resolution: int) -> np.ndarray:
        """The assembly's bin_id of every bin, by where the table says it lies; see `bin_lookup`."""
        offsets = target.offsets(resolution)
        kept = [names.get(name) for name in self.names]
        first = np.array([NOT_KEPT if c is None else offsets[c] for c in kept])
        n = np.array(
            [0 if c is None else n_bins(int(target.chromsizes[c]), resolution) for c in kept]
        )
        bin_id, row = first[self.chrom], self.start // resolution
        bin_id = np.where(row < n[self.chrom], bin_id + row, BEYOND)
        return np.where(first[self.chrom] == NOT_KEPT, NOT_KEPT, bin_id)

    def _name(self, row: int) -> str:
        return f"{self.names[self.chrom[row]]}:{self.start[row]:,}-{self.end[row]:,}"


class CoolerReader:
    """All the maps of one HDF5 file, one a resolution.

    Parameters
    ----------
    path : str
        File, or `file::/group` for one map of it.
    cell_labels : str or Path, optional
        `.scool` only: TSV with columns cell and cell_type.
    cell_type : str, optional
        Pool the cells of this type; all cells of the table (or file) by default.
    """

    norms: tuple[str, ...] = ()

    def __init__(
        self,
        path: str,
        *,
        cell_labels: str | Path | None = None,
        cell_type: str | None = None,
    ) -> None:
        self.path, _, group = str(path).partition("::")
        with reading(self.path), h5py.File(self.path, "r") as h5:
            self.cells = tuple(h5["cells"]) if "cells" in h5 and not group else ()
            groups = [f"/cells/{cell}" for cell in self.cells] or list(_cooler_groups(h5, group))
            foreign = _foreign_hdf5(h5)
        self.format = "scool" if self.cells else "cool" if groups in ([], ["/"]) else "mcool"
        if not groups:
            if foreign:
                raise InputError(f"{path} is {foreign}")
            raise InputError(
                f"{path} holds no contact map: no group with bins, chroms and pixels; expected a "
                ".cool, .mcool or .scool file"
            )
        if self.cells:
            groups = [
                f"/cells/{cell}"
                for cell in _select_cells(self.path, self.cells, cell_labels, cell_type)
            ]
        elif cell_labels is not None or cell_type is not None:
            raise InputError(
                f"{path}: cell_labels and cell_type are given, but this is a bulk map; expected "
                "a .scool file"
            )
        self.notes: Counter = Counter()
        self._tables: dict[int, BinTable] = {}
        self._groups = self._by_resolution(groups)
        # pooled cells are summed on purpose
        self.unique = len(groups) == 1 or not self.cells
        self.resolutions: tuple[int, ...] = tuple(sorted(self._groups))
        with reading(self.path):
            clr = cooler.Cooler(self.uri(self.resolutions[0]))
            self.sizes: dict[str, int] = {
                str(name): int(length) for name, length in clr.chromsizes.items()
            }
            self.assembly = str(clr.info.get("genome-assembly", "unknown"))

    def uri(self, resolution: int) -> str:
        """URI of the (first) map at a resolution."""
        return self._uri(self._groups[resolution][0])

    def _uri(self, group: str) -> str:
        return f"{self.path}::{group}" if group != "/" else self.path

    def _by_resolution(self, groups: list[str]) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        refused: list[InputError] = []
        # the cells of a .scool share one table of bins
        for group in groups[:1] if self.cells else groups:
            with reading(self.path):
                clr = cooler.Cooler(self._uri(group))
                stated, mode = clr.binsize, clr.storage_mode
                with clr.open("r") as h5:
                    table = BinTable.read(h5)
            if mode != "symmetric-upper":
                raise InputError(
                    f"{self._uri(group)} has an asymmetric matrix; expected a symmetric map"
                )
            try:
                resolution = table.resolution(stated, self._uri(group))
            except InputError as error:  # a coarser map of a region may be off the grid: not needed
                refused.append(error)
                continue
            self._tables.setdefault(resolution, table)
            found.setdefault(int(resolution), []).append(group)
            if len(found[int(resolution)]) > 1:
                raise InputError(
                    f"{self.path} holds more than one map at {resolution:,} bp "
                    f"({', '.join(found[int(resolution)])}); name one as {self.path}::{group}"
                )
        if refused and not found:
            raise refused[0]
        for refusal in refused:
            logger.warning("skipped: %s", refusal)
        return dict.fromkeys(found, groups) if self.cells else found

    def names(self, target: Target) -> dict[str, str]:
        """Name in the file -> name in the assembly, for the chromosomes that are kept."""
        sizes = dict(self.sizes)
        table = self._tables[self.resolutions[0]]
        matches = match_names(sizes, target.chromsizes)
        cut: list[str] = []
        for name, length, end in zip(table.names, table.lengths, table.ends()):
            whole = int(target.chromsizes.get(matches[name], 0))
            # of whole bins, and no more than the bins: not a length, but where they stop
            if length == end < whole - target.length_tolerance and not end % self.resolutions[0]:
                sizes[name] = whole
                cut.append(f"{name} at {end:,} of {whole:,} bp")
        names = harmonise_names(
            sizes,
            target.chromsizes,
            source=self.path,
            length_tolerance=target.length_tolerance,
        )
        if cut:
            logger.warning(
                "%s: its bins end before the assembly's chromosomes do (%s%s); read at the places "
                "that its table of bins states",
                self.path,
                ", ".join(cut[:3]),
                ", …" if len(cut) > 3 else "",
            )
        self._cut = len(cut)
        return {name: chrom for name, chrom in names.items() if chrom in target.chroms}

    def is_ordered(self, target: Target, names: dict[str, str]) -> bool:
        """True when `pixels` should come out sorted, each pair once."""
        resolution = self.resolutions[-1]
        lookup = self._tables[resolution].lookup(names, target, resolution)
        kept = lookup[lookup >= 0]
        return len(self._groups[resolution]) == 1 and bool((np.diff(kept) > 0).all())

    def pixels(
        self, target: Target, names: dict[str, str], resolution: int
    ) -> Iterator[pd.DataFrame]:
        """Stream the pixels in bins of the assembly, at the places that the file's bins state.

        Pixels below the diagonal are folded onto those above, or left out where they repeat them.
        """
        table = self._tables[resolution]
        lookup = table.lookup(names, target, resolution)
        groups = self._groups[resolution]
        self.notes.clear()
        self.notes["cells pooled"] = len(groups) if self.cells else 0
        self.notes["chromosomes whose bins end before the assembly's"] = self._cut
        absent = sum(
            n_bins(int(target.chromsizes[chrom]), resolution) for chrom in names.values()
        ) - len(np.unique(lookup[lookup >= 0]))
        self.notes["bins of these chromosomes that the map does not have"] = absent
        for group in groups:
            repeats = None
            for bin1, bin2, count in stream_pixels(self._uri(group)):
                below = bin1 > bin2
                if below.any():
                    if repeats is None:
                        repeats = _is_mirrored(self._uri(group))
                    what = "left out, they repeat those above" if repeats else "folded onto it"
                    self.notes[f"pixels below the diagonal {what}"] += int(below.sum())
                    if repeats:
                        bin1, bin2, count = (column[~below] for column in (bin1, bin2, count))
                yield translate(bin1, bin2, count, lookup, self.notes)


def _is_mirrored(uri: str) -> bool:
    """True when the pixels below the diagonal are the same in number and sum as those above."""
    n, total = [0, 0], [0.0, 0.0]
    for bin1, bin2, count in stream_pixels(uri):
        for side, rows in enumerate((bin1 < bin2, bin1 > bin2)):
            n[side] += int(rows.sum())
            total[side] += float(np.nansum(count[rows], dtype=np.float64))
    return n[0] == n[1] and total[0] == total[1]


def stream_pixels(uri: str) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """bin1_id, bin2_id and count of a cooler's pixels, `CHUNK` rows at a time.

    Raises
    ------
    InputError
        A damaged file, or a pixel of a bin that the table of bins does not have.
    """
    path, _, group = uri.partition("::")
    with reading(path), h5py.File(path, "r") as h5:
        n = len(h5[group or "/"]["bins/start"])
        table = h5[group or "/"]["pixels"]
        if "count" not in table:
            raise InputError(
                f"{uri} has no counts (its pixels have {', '.join(table)}); give the raw matrix"
            )
        columns = [table[name] for name in ("bin1_id", "bin2_id", "count")]
        if len({len(column) for column in columns}) > 1:
            raise ValueError("the columns of its pixels differ in length")
        for start in range(0, len(columns[0]), CHUNK):
            bin1, bin2, count = (column[start : start + CHUNK] for column in columns)
            for bins in (bin1, bin2):
                if bins.min() < 0 or bins.max() >= n:
                    bad = bins[(bins < 0) | (bins >= n)][0]
                    raise ValueError(f"a pixel names bin {bad}, its table has {n:,} bins")
            yield bin1, bin2, count


def _cooler_groups(h5: h5py.File, only: str) -> Iterator[str]:
    """Paths of the groups that are coolers; versions before 3 carry no format attribute.

    Links that lead nowhere are passed by, and a group that several lead to is visited once.
    """
    if only:
        if only not in h5:
            raise InputError(f"{h5.filename} has no group {only}; it has {', '.join(h5)}")
        stack = [h5[only]]
    else:
        stack = [h5]
    seen = set()
    while stack:
        group = stack.pop()
        info = h5py.h5o.get_info(group.id)
        if not isinstance(group, h5py.Group) or (info.fileno, info.addr) in seen:
            continue
        seen.add((info.fileno, info.addr))
        if {"bins", "chroms", "pixels"} <= set(group):
            yield group.name
        else:
            items = (group.get(name) for name in group)
            stack += [item for item in items if isinstance(item, h5py.Group)]


def _foreign_hdf5(h5: h5py.File) -> str:
    """What another program's HDF5 file is, with the way to a cooler; "" where it is unknown."""
    if {"intervals", "matrix"} <= set(h5):
        return (
            "a matrix of HiCExplorer (.h5), which is not read; convert it: hicConvertFormat -m "
            "x.h5 --inputFormat h5 --outputFormat cool -o x.cool"
        )
    if {"regions", "edges"} <= set(h5):
        return "a matrix of FAN-C, which is not read; convert it: fanc to-cooler x.hic x.mcool"
    return ""


def _select_cells(
    path: str, cells: tuple[str, ...], labels: str | Path | None, cell_type: str | None
) -> list[str]:
    if labels is None:
        if cell_type is not None:
            raise InputError(
                f"{path}: cell_type '{cell_type}' is given without cell_labels; give the table of "
                "cells (columns cell, cell_type)"
            )
        return list(cells)
    columns = {"cell": Column(), "cell_type": Column(required=False)}
    table = read_table(labels, columns, what="cell table")
    repeated = table["cell"][table["cell"].duplicated()]
    if len(repeated):
        raise InputError(f"cell table {labels} names cell '{repeated.iloc[0]}' twice; keep one row")
    if cell_type is not None:
        types = sorted(set(table["cell_type"]) - {""})
        table = table[table["cell_type"] == cell_type]
        if table.empty:
            raise InputError(
                f"cell table {labels} has no cell of type '{cell_type}'; it has {', '.join(types)}"
            )
    unknown = table["cell"][~table["cell"].isin(cells)]
    if len(unknown):
        raise InputError(
            f"cell table {labels}: {len(unknown)} cells, '{unknown.iloc[0]}' the first, are not in "
            f"{path} ('{cells[0]}', … are); use the names of its /cells groups"
        )
    logger.info("%s: %d of %d cells pooled", path, len(table), len(cells))
    return list(table["cell"])
