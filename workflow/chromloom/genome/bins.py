"""Bins over an assembly: their table, what is asked of it, and views.

*Band layout*, in which every room exchanges dense values of a block of rows: for rows i in
[lo, hi) of a chromosome of n bins, `band[d, i - lo]` is the pair (i, i + d), d = 0 … n - 1 - lo (or
fewer distances, where a reader asked for fewer); NaN where a bin is masked, d < `ignore_diags` or
i + d >= n.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.genome.assembly import Assembly
from chromloom.genome.names import select_chromosomes

logger = logging.getLogger(__name__)

BLOCK = 5_000_000
"""bp; neighbouring bins that are resampled, held out or put in a fold together."""


@dataclass(frozen=True, eq=False)
class Bins:
    """The bins of a genome: what maps, models and predictions have in common.

    `bins["start"]` is a column of the table, `len(bins)` the number of bins.

    Attributes
    ----------
    table : DataFrame
        chrom (str), start, end (bp), masked (bool), whole chromosomes in order; further columns are
        kept. The row number is `bin_id`.
    resolution : int
        bp.
    source : str
        Whose bins they are, for messages.
    """

    table: pd.DataFrame
    resolution: int
    source: str = "the map"

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, columns):
        return self.table[columns]

    @cached_property
    def extents(self) -> dict[str, tuple[int, int]]:
        """First and one past the last bin_id of each chromosome, in the genome's order."""
        names = self.table["chrom"].to_numpy()
        first = np.flatnonzero(np.append(True, names[1:] != names[:-1]))
        return dict(zip(names[first].tolist(), pairwise([*first.tolist(), len(names)])))

    @property
    def lengths(self) -> list[int]:
        """Bins of each chromosome, in the genome's order."""
        return [last - first for first, last in self.extents.values()]

    @cached_property
    def masked(self) -> np.ndarray:
        """Masked bins of the genome, (n_bins,), bool, True = masked."""
        return self.table["masked"].to_numpy(dtype=bool)

    @cached_property
    def chromnames(self) -> list[str]:
        """Chromosomes with unmasked bins, in the genome's order."""
        return [chrom for chrom, (a, b) in self.extents.items() if not self.masked[a:b].all()]

    @cached_property
    def chromsizes(self) -> pd.Series:
        """Length of each chromosome, bp."""
        ends = self.table["end"].to_numpy()
        return pd.Series({chrom: int(ends[b - 1]) for chrom, (_, b) in self.extents.items()})

    def extent(self, chrom: str) -> tuple[int, int]:
        """First and one past the last bin_id of a chromosome.

        Raises
        ------
        InputError
            There is no such chromosome.
        """
        if chrom not in self.extents:
            raise InputError(
                f"{self.source} has no chromosome '{chrom}'; it has {', '.join(self.extents)}"
            )
        return self.extents[chrom]

    def mask(self, chrom: str) -> np.ndarray:
        """Masked bins of a chromosome, (n,), bool, True = masked."""
        return self.masked[slice(*self.extent(chrom))]

    def with_mask(self, masked: np.ndarray) -> "Bins":
        """The same bins with another mask, (n_bins,), bool, True = masked."""
        return replace(self, table=self.table.assign(masked=masked))

    def match(self, other: "Bins") -> bool:
        """Whether another table has the same chromosomes, starts and ends; masks may differ."""
        return len(self) == len(other) and all(
            np.array_equal(self[name].to_numpy(), other[name].to_numpy())
            for name in ("chrom", "start", "end")
        )


class OnBins:
    """What lies on bins: short ways to what is asked of them most."""

    bins: Bins

    @property
    def resolution(self) -> int:
        """Size of a bin, bp."""
        return self.bins.resolution

    @cached_property
    def chromnames(self) -> list[str]:
        """Chromosomes with unmasked bins, in the genome's order."""
        return self.bins.chromnames

    def extent(self, chrom: str) -> tuple[int, int]:
        """First and one past the last bin_id of a chromosome; see `Bins.extent`."""
        return self.bins.extent(chrom)

    def mask(self, chrom: str) -> np.ndarray:
        """Masked bins of a chromosome, (n,), bool, True = masked."""
        return self.bins.mask(chrom)


def find_runs(flags: np.ndarray) -> np.ndarray:
    """First and one past the last bin of each run of set flags; (n,) bool in, (n_runs, 2) out."""
    return np.flatnonzero(np.diff(np.r_[False, flags, False])).reshape(-1, 2)


def blank_band(band: np.ndarray, mask: np.ndarray, lo: int, hi: int, ignore_diags: int) -> None:
    """Set NaN in place where a band has no pair: masked bins, near diagonals, beyond the end.

    Parameters
    ----------
    band : ndarray, (n_dist, hi - lo), float
        Band layout, n_dist <= n - lo.
    mask : ndarray, (n,), bool
        True = masked.
    lo, hi, ignore_diags : int
    """
    columns = np.concatenate([mask[lo:], np.ones(hi - lo - 1, dtype=bool)])
    masked = np.lib.stride_tricks.sliding_window_view(columns, hi - lo)  # (n - lo, hi - lo)
    band[masked[: len(band)] | mask[lo:hi]] = np.nan
    band[:ignore_diags] = np.nan


def pairs_by_distance(
    unmasked: np.ndarray, lo: int = 0, hi: int | None = None, *, ignore_diags: int = 0
) -> np.ndarray:
    """Unmasked pairs of a chromosome at each distance, their rows in [lo, hi).

    Parameters
    ----------
    unmasked : ndarray, (n,), bool
    lo, hi : int
        Rows; `hi` None means to the end.
    ignore_diags : int
        Distances below this have none.

    Returns
    -------
    ndarray, (n - lo,), int64
    """
    n_dist = len(unmasked) - lo
    size = 2 * n_dist
    columns = np.fft.rfft(unmasked[lo:].astype(float), size)
    rows = np.fft.rfft(unmasked[lo:hi].astype(float), size)
    counts = np.rint(np.fft.irfft(columns * rows.conj(), size)[:n_dist]).astype(np.int64)
    counts[:ignore_diags] = 0
    return counts


def make_bins(chromsizes: pd.Series, resolution: int) -> pd.DataFrame:
    """Fixed-size bins of a genome; the last of each chromosome is cut at its end.

    Returns
    -------
    pandas.DataFrame
        chrom (str), start, end (int64); row number is `bin_id`, as in cooler.
    """
    import bioframe  # here, since a study is planned with Snakemake's own packages alone

    return bioframe.binnify(pd.Series(chromsizes), resolution)


def make_view(
    assembly: Assembly,
    *,
    chroms: Iterable[str] | None = None,
    arms: bool = True,
    resolution: int = 1,
) -> pd.DataFrame:
    """Regions over which an expected is computed: chromosome arms, or whole chromosomes.

    Parameters
    ----------
    assembly : Assembly
    chroms : iterable of str, optional
        Chromosomes in the view, in any spelling; all of them by default.
    arms : bool
        Split where the assembly has a centromere, at its midpoint.
    resolution : int
        The split is rounded down to a border of bins of this size, so that no bin is in two arms.

    Returns
    -------
    pandas.DataFrame
        chrom, start, end, name; names are unique (`chr1_p`, `chr1_q`, or `chrM` unsplit).
    """
    middle = assembly.centromeres.set_index("chrom")
    middle = ((middle["start"] + middle["end"]) // 2).to_dict() if arms else {}
    rows = []
    for chrom in select_chromosomes(chroms, assembly.chromsizes, source="view"):
        length = int(assembly.chromsizes[chrom])
        split = int(middle.get(chrom, 0)) // resolution * resolution
        if 0 < split < length:
            rows += [(chrom, 0, split, f"{chrom}_p"), (chrom, split, length, f"{chrom}_q")]
        else:
            rows.append((chrom, 0, length, chrom))
    return pd.DataFrame(rows, columns=["chrom", "start", "end", "name"])
