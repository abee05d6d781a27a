"""Expected contact strength by distance, for every pair of regions of a view, by cooltools."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import cooler
import numpy as np
import pandas as pd

from chromloom.normalize.maps import PIXEL_CHUNK, bin_regions

logger = logging.getLogger(__name__)

MIN_REGION_BINS = 20
SMOOTH_SIGMA = float(np.log10(1.05))


def align_view(view_df: pd.DataFrame | None, bins: pd.DataFrame) -> pd.DataFrame:
    """Fit a view to the bins of a map, so that each bin lies in one region.

    Borders move to bin edges and gaps go with the region on their left (see `bin_regions`). A
    chromosome of which a region keeps fewer than 20 unmasked bins (an acrocentric arm, a tiny
    chromosome) becomes one region, named as the chromosome, as does one that the view lacks.
    Chromosomes without unmasked bins are left out.

    Parameters
    ----------
    view_df : DataFrame or None
        chrom, start, end, name; None is one region a chromosome.
    bins : DataFrame
        chrom, start, end, weight (NaN = masked), in the order of the map.

    Returns
    -------
    DataFrame
        chrom (str), start, end, name, in the order of the map.
    """
    rows = []
    for chrom, chrom_bins in bins.groupby("chrom", sort=False, observed=True):
        good = chrom_bins["weight"].notna().to_numpy()
        if not good.any():
            continue
        starts, ends = chrom_bins["start"].to_numpy(), chrom_bins["end"].to_numpy()
        whole = [(chrom, 0, int(ends[-1]), chrom)]
        regions = None if view_df is None else view_df[view_df["chrom"] == chrom]
        if regions is None or len(regions) < 2:
            rows += whole
            continue
        regions = regions.sort_values("start")
        number = bin_regions(starts, regions["start"].to_numpy())
        kept = np.bincount(number[good], minlength=len(regions))
        if kept.min() < MIN_REGION_BINS:
            logger.info(
                "%s: a region of the view has only %d unmasked bins (%d needed); its expected is "
                "taken over the whole chromosome",
                chrom,
                kept.min(),
                MIN_REGION_BINS,
            )
            rows += whole
            continue
        first = np.searchsorted(number, np.arange(len(regions)))
        last = np.append(first[1:], len(starts)) - 1
        rows += zip([chrom] * len(first), starts[first], ends[last], regions["name"])
    return pd.DataFrame(rows, columns=["chrom", "start", "end", "name"]).astype(
        {"chrom": str, "start": int, "end": int, "name": str}
    )


def compute_expected(
    clr: cooler.Cooler,
    view_df: pd.DataFrame,
    *,
    ignore_diags: int = 2,
    smooth_sigma: float = SMOOTH_SIGMA,
    nproc: int = 1,
) -> pd.DataFrame:
    """Mean contact strength by distance over all unmasked pairs, zeros included, and smoothed.

    Parameters
    ----------
    clr : cooler.Cooler
        Map with bins' `weight`.
    view_df : DataFrame
        chrom, start, end, name, aligned to the bins (`align_view`). Pairs across two regions of
        a chromosome have their own expected.
    ignore_diags : int
        Distances below take no part, in the smoothing neither (cooltools' own would count their
        pairs as zeros).
    smooth_sigma : float
        Standard deviation of the smoothing, in log10 of the distance: 5 % of it by default.
        cooltools' own default (0.1, 26 %) lowers the first distances by several percent, because
        P(s) bends too much there.
    nproc : int
        Processes.

    Returns
    -------
    DataFrame
        region1, region2 (str), dist (int64, bins), n_valid (int64, unmasked pairs), value_sum,
        value_mean (float64; NaN where n_valid is 0), expected (float64, smoothed; never NaN: where
        n_valid is 0 it is interpolated over distance, and a pair of regions without any unmasked
        pair has the expected of the chromosome). One row for each dist >= `ignore_diags`.
    """
    import cooltools  # a second of start-up that extraction, which needs none of it, is spared

    with quiet_cooltools():
        table = cooltools.expected_cis(
            CoolerByName(clr.uri),
            view_df,
            intra_only=False,
            smooth=False,
            ignore_diags=ignore_diags,
            chunksize=PIXEL_CHUNK,
            nproc=nproc,
        )
    table = table.rename(columns={"balanced.sum": "value_sum", "balanced.avg": "value_mean"})
    columns = ["region1", "region2", "dist", "n_valid", "value_sum", "value_mean"]
    table = table.loc[table["dist"] >= ignore_diags, columns]
    chrom = table["region1"].map(view_df.set_index("name")["chrom"])
    curves = [
        part.assign(expected=_smoothed_mean(part, smooth_sigma))
        for _, part in table.groupby(["region1", "region2"], sort=False)
    ]
    filled = [_fill(part) for _, part in pd.concat(curves).groupby(chrom, sort=False)]
    return pd.concat(filled, ignore_index=True)


class CoolerByName(cooler.Cooler):
    """A cooler for which a chromosome's name is no region: `HLA-A*01:01` is cut at no colon.

    cooltools asks `expected_cis` for chromosomes by name.
    """

    def offset(self, region):
        return super().offset(self._region(region))

    def extent(self, region):
        return super().extent(self._region(region))

    def _region(self, region):
        known = isinstance(region, str) and region in self.chromnames
        return (region, None, None) if known else region


def smooth_by_distance(dist: np.ndarray, y: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth curves over the logarithm of the distance by a Gaussian, cut at 5 sigma.

    Parameters
    ----------
    dist : ndarray, (n,), int
        Distances > 0, ascending.
    y : ndarray, (k, n), float
        Curves.
    sigma : float
        Standard deviation in log10 of the distance.

    Returns
    -------
    ndarray, (k, n), float64

    Notes
    -----
    `cooltools.sandbox.expected_smoothing.log_smooth`, without the 2 s that numba takes to compile
    it in every process, and with linear interpolation between the points (10 a sigma) at which
    the window is evaluated: its logarithmic one is NaN beside a stretch without contacts.
    """
    x = np.log10(dist)
    points = [0]
    while points[-1] < len(x) - 1:
        following = np.searchsorted(x, x[points[-1]] + sigma / 10, side="right")
        points.append(min(max(following, points[-1] + 1), len(x) - 1))
    lo, hi = (np.searchsorted(x, x[points] + shift * sigma) for shift in (-5, 5))
    smooth = np.empty((len(y), len(points)))
    for k, (point, a, b) in enumerate(zip(points, lo, hi)):
        kernel = np.exp(-((x[a:b] - x[point]) ** 2) / (2 * sigma**2))
        smooth[:, k] = y[:, a:b] @ kernel / kernel.sum()
    return np.array([np.interp(dist, dist[points], row) for row in smooth])


def _smoothed_mean(table: pd.DataFrame, sigma: float) -> np.ndarray:
    """Ratio of the smoothed sums and pair numbers; NaN where there is no unmasked pair."""
    n_valid = table["n_valid"].to_numpy(float)
    curves = np.stack([table["value_sum"].to_numpy(float), n_valid])
    value_sum, n_smooth = smooth_by_distance(table["dist"].to_numpy(), curves, sigma)
    return np.divide(value_sum, n_smooth, out=np.full_like(n_smooth, np.nan), where=n_valid > 0)


def _fill(table: pd.DataFrame) -> pd.DataFrame:
    """Give distances without unmasked pairs an expected: neighbours', else the chromosome's."""
    valid = table.dropna(subset="expected")
    weighted = (valid["expected"] * valid["n_valid"]).groupby(valid["dist"]).sum()
    whole = weighted / valid.groupby("dist")["n_valid"].sum()
    filled = []
    for _, part in table.groupby(["region1", "region2"], sort=False):
        own = part.dropna(subset="expected").set_index("dist")["expected"]
        curve = own if len(own) else whole
        known = part["expected"].to_numpy()
        interpolated = np.interp(part["dist"], curve.index, curve)
        filled.append(part.assign(expected=np.where(np.isnan(known), interpolated, known)))
    return pd.concat(filled)


@contextmanager
def quiet_cooltools() -> Iterator[None]:
    """Hold back the FutureWarnings that cooltools 0.7 causes in pandas."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)
        yield


def view_of(assembly_view: pd.DataFrame | None, clr: cooler.Cooler) -> pd.DataFrame:
    """Align a view to a cooler's bins; see `align_view`."""
    import bioframe

    bins = clr.bins()[["chrom", "start", "end", "weight"]][:]
    view_df = align_view(assembly_view, bins.assign(chrom=bins["chrom"].astype(str)))
    return bioframe.make_viewframe(view_df)
