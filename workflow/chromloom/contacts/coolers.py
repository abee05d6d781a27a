"""Reading `.cool`, `.mcool` in any group layout, and `.scool` pooled into pseudo-bulk."""

import logging
from collections.abc import Iterator
from pathlib import Path

import cooler
import h5py
import numpy as np
import pandas as pd

from chromloom.contacts.pixels import CHUNK, Target, bin_lookup, reading, translate
from chromloom.errors import InputError
from chromloom.genome.names import harmonise_names

logger = logging.getLogger(__name__)


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
        self.format = "scool" if self.cells else "cool" if groups in ([], ["/"]) else "mcool"
        if not groups:
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
        self._groups = self._by_resolution(groups)
        self.resolutions: tuple[int, ...] | None = tuple(sorted(self._groups))
        with reading(self.path):
            clr = cooler.Cooler(self.uri(self.resolutions[0]))
            self.sizes: dict[str, int] | None = {
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
        # the cells of a .scool share one table of bins
        for group in groups[:1] if self.cells else groups:
            with reading(self.path):
                clr = cooler.Cooler(self._uri(group))
                resolution, mode = clr.binsize, clr.storage_mode
            if resolution is None or mode != "symmetric-upper":
                what = "bins of different sizes" if resolution is None else "an asymmetric matrix"
                raise InputError(
                    f"{self.path}::{group} has {what}; expected a symmetric map of bins of one size"
                )
            found.setdefault(int(resolution), []).append(group)
            if len(found[int(resolution)]) > 1:
                raise InputError(
                    f"{self.path} holds more than one map at {resolution:,} bp "
                    f"({', '.join(found[int(resolution)])}); name one as {self.path}::{group}"
                )
        return dict.fromkeys(found, groups) if self.cells else found

    def names(self, target: Target) -> dict[str, str]:
        """Name in the file -> name in the assembly, for the chromosomes that are kept."""
        names = harmonise_names(
            self.sizes,
            target.chromsizes,
            source=self.path,
            length_tolerance=target.length_tolerance,
        )
        return {name: chrom for name, chrom in names.items() if chrom in target.chroms}

    def is_ordered(self, target: Target, names: dict[str, str]) -> bool:
        """True when `pixels` come out sorted, each pair once."""
        resolution = self.resolutions[-1]
        lookup = bin_lookup(self.sizes, names, target, resolution)
        kept = lookup[lookup >= 0]
        return len(self._groups[resolution]) == 1 and bool((np.diff(kept) > 0).all())

    def pixels(
        self, target: Target, names: dict[str, str], resolution: int
    ) -> Iterator[pd.DataFrame]:
        """Stream the pixels in bins of the assembly."""
        lookup = bin_lookup(self.sizes, names, target, resolution)
        for group in self._groups[resolution]:
            for bin1, bin2, count in stream_pixels(self._uri(group)):
                yield translate(bin1, bin2, count, lookup)


def stream_pixels(uri: str) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """bin1_id, bin2_id and count of a cooler's pixels, `CHUNK` rows at a time."""
    path, _, group = uri.partition("::")
    with reading(path), h5py.File(path, "r") as h5:
        table = h5[group or "/"]["pixels"]
        for start in range(0, len(table["bin1_id"]), CHUNK):
            rows = slice(start, start + CHUNK)
            yield table["bin1_id"][rows], table["bin2_id"][rows], table["count"][rows]


def _cooler_groups(h5: h5py.File, only: str) -> Iterator[str]:
    """Paths of the groups that are coolers; versions before 3 carry no format attribute."""
    if only:
        if only not in h5:
            raise InputError(f"{h5.filename} has no group {only}; it has {', '.join(h5)}")
        stack = [h5[only]]
    else:
        stack = [h5]
    while stack:
        group = stack.pop()
        if {"bins", "chroms", "pixels"} <= set(group):
            yield group.name
        else:
            stack += [item for item in group.values() if isinstance(item, h5py.Group)]


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
    try:
        table = pd.read_csv(labels, sep="\t", dtype=str, comment="#")
    except (OSError, ValueError) as error:
        raise InputError(f"cell table {labels} cannot be read: {error}") from error
    missing = {"cell", "cell_type"} - set(table.columns)
    if missing:
        raise InputError(
            f"cell table {labels} has columns {', '.join(table.columns)}; expected cell and "
            "cell_type, separated by tabs"
        )
    repeated = table["cell"][table["cell"].duplicated()]
    if len(repeated):
        raise InputError(f"cell table {labels} names cell '{repeated.iloc[0]}' twice; keep one row")
    if cell_type is not None:
        types = sorted(table["cell_type"].dropna().unique())
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
