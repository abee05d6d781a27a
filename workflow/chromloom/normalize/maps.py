"""The one reader of normalised maps: what every room from training on opens.

Dense things exist here only for a block of rows, in band layout (`chromloom.genome.bins`): 0 where
an unmasked pair has no contact, NaN where there is no pair.
"""

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import cooler
import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.files import read_tsv
from chromloom.genome.bins import Bins, OnBins, blank_band

PIXEL_CHUNK = 2_000_000


def expected_path(path: str | Path) -> Path:
    """Path of the expected table that lies beside a normalised map."""
    return Path(path).with_suffix(".expected.tsv")


def open_finest(cool_uri: str | Path) -> cooler.Cooler:
    """Open a cooler, or the finest resolution of an .mcool; check that it is balanced."""
    try:
        uri = str(cool_uri)
        if "::" not in uri and not cooler.fileops.is_cooler(uri):
            coolers = [
                cooler.Cooler(f"{uri}::{group}") for group in cooler.fileops.list_coolers(uri)
            ]
            uri = min(coolers, key=lambda clr: clr.binsize).uri if coolers else uri
        clr = cooler.Cooler(uri)
    except (OSError, KeyError, AttributeError) as error:  # the last where a group's header is lost
        raise InputError(
            f"{cool_uri} cannot be opened as a map ({error!r}); expected a .cool or .mcool"
        ) from error
    if "weight" not in clr.bins().columns:
        raise InputError(
            f"{cool_uri} has no bin column 'weight'; expected a normalised map (rule "
            "normalize_contacts) or a predicted one"
        )
    return clr


def bin_regions(starts: np.ndarray, region_starts: np.ndarray) -> np.ndarray:
    """Number of the region of a view that each bin of one chromosome belongs to.

    A bin belongs to the last region that starts at or before it, so that gaps between regions
    go with the region on their left and every bin has one.

    Parameters
    ----------
    starts : ndarray, (n,), int
        Starts of the bins, bp.
    region_starts : ndarray, (n_regions,), int
        Starts of the chromosome's regions, ascending, bp.

    Returns
    -------
    ndarray, (n,), int64
        Region number in [0, n_regions).
    """
    return np.maximum(np.searchsorted(region_starts, starts, side="right") - 1, 0)


def read_cis_pixels(
    clr: cooler.Cooler,
    chrom: str,
    lo: int,
    hi: int,
    *,
    columns: list[str],
    keep: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> pd.DataFrame:
    """Read the pixels of rows [lo, hi) of a chromosome's own square, in chunks.

    Parameters
    ----------
    clr : cooler.Cooler
    chrom : str
        Chromosome.
    lo, hi : int
        Rows, counted from the chromosome's start.
    columns : list of str
        Pixel columns to read.
    keep : callable
        Given i and j (int32 arrays), which pixels to keep (bool array).

    Returns
    -------
    DataFrame
        i, j (int32, counted from the chromosome's start, i <= j) and `columns`, sorted by i, j.
    """
    parts = list(iterate_cis_pixels(clr, chrom, lo, hi, columns=columns, keep=keep))
    table = {}
    for name in ("i", "j", *columns):  # column by column, so that pixels are not held twice
        table[name] = np.concatenate([part.pop(0) for part in parts])
    return pd.DataFrame(table, copy=False)


def iterate_cis_pixels(
    clr: cooler.Cooler,
    chrom: str,
    lo: int,
    hi: int,
    *,
    columns: list[str],
    keep: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Iterator[list[np.ndarray]]:
    """Yield i, j and `columns` of the pixels of `read_cis_pixels` in order, in chunks.

    The first chunk is empty and has the types of all.

    Raises
    ------
    InputError
        The file is damaged.
    """
    first, last = clr.extent((chrom, None, None))
    try:
        with clr.open("r") as group:
            offsets, pixels = group["indexes/bin1_offset"], group["pixels"]
            start, stop = int(offsets[first + lo]), int(offsets[first + hi])
            yield [np.empty(0, np.int32)] * 2 + [pixels[name][:0] for name in columns]
            for a in range(start, stop, PIXEL_CHUNK):
                b = min(a + PIXEL_CHUNK, stop)
                i = (pixels["bin1_id"][a:b] - first).astype(np.int32)
                j = (pixels["bin2_id"][a:b] - first).astype(np.int32)
                cis = np.flatnonzero(j < last - first)
                kept = cis[keep(i[cis], j[cis])]
                yield [i[kept], j[kept], *(pixels[name][a:b][kept] for name in columns)]
    except OSError as error:  # a block that cannot be decompressed
        raise InputError(
            f"{clr.filename} cannot be read on chromosome '{chrom}' ({error}); "
            "the file is damaged: write it again"
        ) from error


class Expected:
    """Expected contact strength of the pairs of one chromosome.

    Parameters
    ----------
    table : DataFrame
        Rows of the expected table: region1, region2, dist (bins), expected; others are ignored.
    view_df : DataFrame
        chrom, start, end, name: the regions the table speaks of.
    chrom : str
        Chromosome.
    starts : ndarray, (n,), int
        Starts of its bins, bp.
    mask : ndarray, (n,), bool
        True = masked.
    ignore_diags : int
        Distances below have no expected.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        view_df: pd.DataFrame,
        chrom: str,
        starts: np.ndarray,
        mask: np.ndarray,
        ignore_diags: int,
    ):
        regions = view_df[view_df["chrom"] == chrom].sort_values("start")
        if regions.empty:
            raise InputError(f"chromosome '{chrom}' has no expected: no region of the view has it")
        self.n, self.mask, self.ignore_diags = len(starts), mask, ignore_diags
        self.region = bin_regions(starts, regions["start"].to_numpy())
        self._n_regions = len(regions)
        number = {name: k for k, name in enumerate(regions["name"])}
        table = table[table["region1"].isin(number) & table["region2"].isin(number)]
        pair = table["region1"].map(number) * self._n_regions + table["region2"].map(number)
        self._curves = np.full((self._n_regions**2, self.n), np.nan, dtype=np.float32)
        inside = table["dist"].between(ignore_diags, self.n - 1)
        self._curves[pair[inside], table["dist"][inside]] = table["expected"][inside]

    def at(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Expected of the pairs (i, j), bins counted from the chromosome's start.

        Parameters
        ----------
        i, j : array_like, int
            Bin numbers in [0, n), in either order; shapes broadcast.

        Returns
        -------
        ndarray, float32
            Scale of counts; NaN where |i - j| < `ignore_diags`. Masked bins get a value too.
        """
        i, j = np.minimum(i, j), np.maximum(i, j)
        return self._curves[self.region[i] * self._n_regions + self.region[j], j - i]

    def at_distance(self, i: np.ndarray, j: np.ndarray, dist: np.ndarray) -> np.ndarray:
        """Expected at another distance than their own, of pairs in the regions of i and j.

        What bins that an edit brought to a new distance would be expected to show there.

        Parameters
        ----------
        i, j : array_like, int
            Bin numbers in [0, n), which name the regions.
        dist : array_like, int
            Distance, bins; shapes broadcast.

        Returns
        -------
        ndarray, float32
            NaN where `dist` < `ignore_diags`. A distance that the regions do not have gets the
            value of the nearest one that they have.
        """
        i, j = np.minimum(i, j), np.maximum(i, j)
        curve = self.region[i] * self._n_regions + self.region[j]
        value = self._extended[curve, np.minimum(dist, self.n - 1)]
        return np.where(np.asarray(dist) < self.ignore_diags, np.float32(np.nan), value)

    @cached_property
    def _extended(self) -> np.ndarray:
        """The curves, their ends held where a distance is unknown."""
        return pd.DataFrame(self._curves).ffill(axis=1).bfill(axis=1).to_numpy()

    def band(self, lo: int, hi: int, max_dist: int | None = None) -> np.ndarray:
        """Expected of the rows [lo, hi) in band layout.

        Parameters
        ----------
        lo, hi : int
        max_dist : int, optional
            Distances below this only (bins).

        Returns
        -------
        ndarray, (n_dist, hi - lo), float32
            n_dist = min(n - lo, max_dist); NaN for masked bins, d < `ignore_diags`, i + d >= n.
        """
        i = np.arange(lo, hi)
        n_dist = self.n - lo if max_dist is None else min(self.n - lo, max_dist)
        j = i + np.arange(n_dist)[:, None]  # (n_dist, hi - lo)
        band = self.at(i, np.minimum(j, self.n - 1))
        blank_band(band, self.mask, lo, hi, self.ignore_diags)
        return band


class NormalizedMap(OnBins):
    """A normalised map of one sample at one resolution, read by chromosome and block of rows.

    Parameters
    ----------
    path : str or Path
        `….cool` written by `normalize_contacts`, with its `….expected.tsv` beside it.

    Attributes
    ----------
    clr : cooler.Cooler
    bins : Bins
        With a column weight (float64, NaN = masked).
    sample, norm, assembly : str
    ignore_diags : int
        Pairs nearer than this many bins take no part.
    cp_a : float
        Coefficient `a` of the contact probability.
    view_df : DataFrame
        chrom, start, end, name: regions of the expected.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._expected: dict[str, Expected] = {}
        if not self.path.is_file():
            raise InputError(f"map {path} does not exist; expected a normalised map (.cool)")
        try:
            self.clr = cooler.Cooler(str(path))
            metadata = self.clr.info["metadata"]
            self.sample, self.norm = metadata["sample"], metadata["norm"]
            self.assembly = metadata["assembly"]
            self.ignore_diags, self.cp_a = int(metadata["ignore_diags"]), float(metadata["cp_a"])
            self.view_df = pd.DataFrame(metadata["view"], columns=["chrom", "start", "end", "name"])
        except (OSError, KeyError) as error:
            raise InputError(
                f"{path} is not a normalised map ({error!r}); expected a .cool written by the rule "
                "normalize_contacts (pixels count, value, oe; metadata sample, norm, view, …)"
            ) from error
        table = self.clr.bins()[["chrom", "start", "end", "weight"]][:]
        table = table.assign(chrom=table["chrom"].astype(str), masked=table["weight"].isna())
        self.bins = Bins(table, int(self.clr.binsize), source=str(path))

    @cached_property
    def expected_table(self) -> pd.DataFrame:
        """region1, region2, dist (bins), n_valid, value_sum, value_mean, expected."""
        path = expected_path(self.path)
        if not path.is_file():
            raise InputError(f"{path} is missing; it is written with {self.path}: normalise again")
        cause = None
        try:
            table = read_tsv(path)
            regions = self.view_df[self.view_df["chrom"].isin(self.chromnames)]
            absent = set(regions["chrom"]) - set(
                regions["chrom"][regions["name"].isin(table["region1"])]
            )
            damage = f"chromosome '{min(absent)}' is not in it" if absent else ""
            if not absent and table[["dist", "expected"]].isna().to_numpy().any():
                damage = "a line is not whole"
            # A table that was cut at the end of a line looks whole.
            rows = self.clr.info["metadata"].get("expected_rows", len(table))
            if not damage and len(table) != rows:
                damage = f"it has {len(table)} rows of {rows}"
        except (OSError, KeyError, ValueError) as error:
            damage, cause = repr(error), error
        if damage:
            raise InputError(
                f"{path} is damaged ({damage}); normalise {self.path} again"
            ) from cause
        return table

    def pixels(self, chrom: str, lo: int = 0, hi: int | None = None) -> pd.DataFrame:
        """Observed cis pairs of the rows [lo, hi): unmasked, at distance >= `ignore_diags`.

        Parameters
        ----------
        chrom : str
            Chromosome.
        lo, hi : int
            Rows, counted from the chromosome's start; `hi` None means to its end.

        Returns
        -------
        DataFrame
            i, j (int32, counted from the chromosome's start, i <= j), count (int32),
            value (float32), oe (float32), sorted by i, j.
        """
        first, last = self.extent(chrom)
        hi = last - first if hi is None else min(hi, last - first)
        columns = ["count", "value", "oe"]
        return read_cis_pixels(self.clr, chrom, lo, hi, columns=columns, keep=self._keep(chrom))

    def iterate_pixels(self, chrom: str, *columns: str) -> Iterator[list[np.ndarray]]:
        """Yield i, j and the given columns of all `pixels` of a chromosome, in chunks."""
        n = len(self.mask(chrom))
        return iterate_cis_pixels(
            self.clr, chrom, 0, n, columns=list(columns), keep=self._keep(chrom)
        )

    def _keep(self, chrom: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        mask, ignore_diags = self.mask(chrom), self.ignore_diags
        return lambda i, j: ~mask[i] & ~mask[j] & (j - i >= ignore_diags)

    def expected(self, chrom: str) -> Expected:
        """Expected contact strength of a chromosome's pairs; read once."""
        if chrom not in self._expected:
            first, last = self.extent(chrom)
            starts = self.bins["start"].to_numpy()[first:last]
            self._expected[chrom] = Expected(
                self.expected_table,
                self.view_df,
                chrom,
                starts,
                self.mask(chrom),
                self.ignore_diags,
            )
        return self._expected[chrom]

    def band(
        self,
        chrom: str,
        lo: int,
        hi: int,
        field: str = "value",
        *,
        max_dist: int | None = None,
    ) -> np.ndarray:
        """Dense rows [lo, hi) of a chromosome in band layout.

        Parameters
        ----------
        chrom : str
            Chromosome, of n bins.
        lo, hi : int
            Rows, 0 <= lo < hi <= n.
        field : {"value", "oe", "count"}
            Pixel column.
        max_dist : int, optional
            Distances below this only (bins).

        Returns
        -------
        ndarray, (n_dist, hi - lo), float32
            n_dist = min(n - lo, max_dist); 0 where an unmasked pair has no contact, NaN as in band
            layout.
        """
        mask, known = self.mask(chrom), self._keep(chrom)
        n_dist = len(mask) - lo if max_dist is None else min(len(mask) - lo, max_dist)
        band = np.zeros((n_dist, hi - lo), dtype=np.float32)
        near = read_cis_pixels(
            self.clr, chrom, lo, hi, columns=[field],
            keep=lambda i, j: known(i, j) & (j - i < n_dist),
        )  # fmt: skip
        band[near["j"] - near["i"], near["i"] - lo] = near[field]
        blank_band(band, mask, lo, hi, self.ignore_diags)
        return band
