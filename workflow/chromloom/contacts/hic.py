"""Reading juicer's `.hic`, versions 6 to 9, through hictkpy (imported here alone)."""

import os
import struct
from collections import Counter
from collections.abc import Iterator

import hictkpy
import numpy as np
import pandas as pd

from chromloom.contacts.pixels import CHUNK, Target, bin_lookup, n_bins, reading, translate
from chromloom.errors import InputError
from chromloom.genome.bins import make_bins
from chromloom.genome.names import harmonise_names

FIRST_ROWS = 256


class HicReader:
    """All the maps of one `.hic` file, one a resolution."""

    format = "hic"
    cells: tuple[str, ...] = ()
    unique = True

    def __init__(self, path: str) -> None:
        self.path = str(path)
        self.notes: Counter = Counter()
        with reading(path):
            _check_length(self.path)
            hic = hictkpy.MultiResFile(self.path)
            resolutions = tuple(sorted(int(r) for r in hic.resolutions()))
            if not resolutions:
                raise InputError(f"{path} holds no map in bins of bp; expected at least one")
            self.resolutions: tuple[int, ...] = resolutions
            self.sizes: dict[str, int] = dict(hic.chromosomes())
            self.assembly = str(hic.attributes().get("assembly", "unknown"))
            norms = {n for r in resolutions for n in self._open(r).avail_normalizations()}
        self.norms = tuple(sorted(norm for norm in norms if not norm.startswith(("GW", "INTER"))))

    def _open(self, resolution: int) -> hictkpy.File:
        return hictkpy.File(self.path, resolution)

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
        """True: `pixels` come out sorted, each pair once."""
        return True

    def pixels(
        self, target: Target, names: dict[str, str], resolution: int
    ) -> Iterator[pd.DataFrame]:
        """Stream the pixels in bins of the assembly, by blocks of rows of its chromosomes."""
        lookup = bin_lookup(self.sizes, names, target, resolution)
        self.notes.clear()
        rank = {chrom: k for k, chrom in enumerate(target.chromsizes.index)}
        position = {name: k for k, name in enumerate(self.sizes)}
        order = sorted(names, key=lambda name: rank[names[name]])
        with reading(self.path):
            hic = self._open(resolution)
            # the vectors close the file: reading them finds one cut off after its counts
            for norm in hic.avail_normalizations():
                hic.weights(norm)
            for k, name in enumerate(order):
                length = self.sizes[name]
                rows, row = FIRST_ROWS, 0
                while row < n_bins(length, resolution):
                    start, end = row * resolution, min((row + rows) * resolution, length)
                    parts = []
                    for other in order[k:]:
                        columns = (start if other == name else 0, self.sizes[other])
                        query = _fetch(hic, position, name, (start, end), other, columns)
                        table = query.to_df()
                        parts.append(
                            translate(
                                table["bin1_id"].to_numpy(),
                                table["bin2_id"].to_numpy(),
                                table["count"].to_numpy(),
                                lookup,
                                self.notes,
                            )
                        )
                    chunk = pd.concat(parts, ignore_index=True)
                    row += rows
                    # hundreds of rows of a deep map, whole chromosomes of a shallow one
                    rows = int(
                        np.clip(rows * (CHUNK // 2) / max(len(chunk), 1), rows / 4 + 1, rows * 8)
                    )
                    yield chunk.sort_values(["bin1_id", "bin2_id"], ignore_index=True)

    def weights(self, target: Target, resolution: int, norm: str) -> np.ndarray | None:
        """A stored vector as multiplicative weights; see `sources.stored_weights`."""
        if resolution not in self.resolutions or norm not in self.norms:
            return None
        lookup = bin_lookup(self.sizes, self.names(target), target, resolution)
        with reading(self.path):
            hic = self._open(resolution)
            if norm not in hic.avail_normalizations():
                return None
            divisive = np.asarray(hic.weights(norm, divisive=True))
        weight = np.full(len(make_bins(target.chromsizes, resolution)), np.nan)
        usable = (lookup >= 0) & np.isfinite(divisive) & (divisive > 0)
        weight[lookup[usable]] = 1 / divisive[usable]
        return weight if usable.any() else None


def _check_length(path: str) -> None:
    """The header states where the index of the maps starts, the index how long it is."""
    with open(path, "rb") as handle:
        version, start = struct.unpack("<4xiq", handle.read(16))
        handle.seek(start)
        size_format = "<q" if version > 8 else "<i"
        width = struct.calcsize(size_format)
        (length,) = struct.unpack(size_format, handle.read(width))
        size = handle.seek(0, os.SEEK_END)
    if start + width + length > size:
        raise EOFError(f"it has {size:,} bytes, its index alone ends at {start + width + length:,}")


def _fetch(
    hic: hictkpy.File,
    position: dict[str, int],
    name: str,
    rows: tuple[int, int],
    other: str,
    columns: tuple[int, int],
) -> hictkpy.PixelSelector:
    """Pixels of a rectangle; hictkpy wants the file's earlier chromosome first.

    Regions are given as BED, in which a name may hold any character but a tab.
    """
    first, second = [
        f"{chrom}\t{start}\t{end}" for chrom, (start, end) in ((name, rows), (other, columns))
    ]
    if position[other] < position[name]:
        first, second = second, first
    return hic.fetch(first, second, count_type="float64", query_type="BED")
