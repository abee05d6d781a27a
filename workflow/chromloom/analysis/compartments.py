"""Compartments: phased eigenvectors of the cis map, and the saddle."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import cooler
import cooltools
import numpy as np
import pandas as pd
from cooltools.api.saddle import saddle_strength
from scipy import sparse
from scipy.linalg import toeplitz
from scipy.sparse.linalg import eigsh
from scipy.stats import spearmanr

from chromloom.normalize.expected import (
    MIN_REGION_BINS,
    align_view,
    compute_expected,
    quiet_cooltools,
)
from chromloom.normalize.maps import PIXEL_CHUNK, Expected, read_cis_pixels

logger = logging.getLogger(__name__)

COMPARTMENT_RESOLUTION = 100_000
SHORT_RANGE = 200_000
IGNORE_DIAGS = 2
EIGS = ["E1", "E2", "E3"]
SADDLE_GROUPS = 20
SADDLE_COLUMNS = ["group1", "group2", "oe_sum", "n_pairs", "oe"]


@contextmanager
def coarsen_for_compartments(clr: cooler.Cooler, ignore_diags: int) -> Iterator[cooler.Cooler]:
    """Yield a map fit for compartments: at 100 kb, or as it is when that has too few bins.

    cooltools decomposes dense matrices, and shallow maps show compartments at 100 kb only. A map
    finer than that is summed over blocks of pixels in a temporary file, unless its longest
    chromosome has fewer than 100 bins there (yeast). Coarse bins of which more than half is masked
    are masked; the others' `weight` makes up for the masked part and for a chromosome's cut end, so
    that a balanced coarse pixel is the mean strength of its unmasked pixels times factor^2.
    """
    factor = COMPARTMENT_RESOLUTION // clr.binsize
    if factor < 2 or clr.chromsizes.max() < 100 * factor * clr.binsize:
        yield clr
        return
    fine = clr.bins()[["chrom", "start", "end", "weight"]][:]
    coarse_bins = cooler.util.binnify(clr.chromsizes, clr.binsize * factor)
    weights, pixels = [], []
    first_coarse = 0
    for chrom in clr.chromnames:
        first, last = clr.extent((chrom, None, None))
        n, weight = last - first, fine["weight"].to_numpy()[first:last]
        n_coarse = -(-n // factor)
        unmasked = np.bincount(np.arange(n) // factor, ~np.isnan(weight), n_coarse)
        size = np.bincount(np.arange(n) // factor, minlength=n_coarse)
        good = (unmasked > 0) & (unmasked >= size / 2)
        weights.append(np.divide(factor, unmasked, out=np.full(n_coarse, np.nan), where=good))
        for lo, hi in _row_blocks(clr, chrom, factor):
            table = read_cis_pixels(
                clr, chrom, lo, hi, columns=["count"], keep=lambda i, j: j - i >= ignore_diags
            )
            i, j = table["i"].to_numpy(), table["j"].to_numpy()
            value = np.nan_to_num(table["count"].to_numpy() * weight[i] * weight[j])
            summed = sparse.coo_matrix(
                (value, (i // factor, j // factor)), shape=(n_coarse, n_coarse)
            ).tocsr().tocoo()  # fmt: skip
            order = np.lexsort([summed.col, summed.row])
            pixels.append(
                pd.DataFrame(
                    {
                        "bin1_id": summed.row[order] + first_coarse,
                        "bin2_id": summed.col[order] + first_coarse,
                        "count": summed.data[order],
                    }
                )
            )
        first_coarse += n_coarse
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coarse.cool"
        cooler.create_cooler(
            str(path),
            coarse_bins.assign(weight=np.concatenate(weights)),
            pd.concat(pixels),
            dtypes={"count": np.float64},
        )
        yield cooler.Cooler(str(path))


def _row_blocks(clr: cooler.Cooler, chrom: str, factor: int) -> Iterator[tuple[int, int]]:
    """Blocks of rows of whole coarse bins with some `PIXEL_CHUNK` pixels each."""
    first, last = clr.extent((chrom, None, None))
    with clr.open("r") as group:
        offsets = group["indexes/bin1_offset"][first : last + 1]
    n, lo = last - first, 0
    for hi in [*range(factor, n, factor), n]:
        if hi == n or offsets[hi] - offsets[lo] >= PIXEL_CHUNK:
            yield lo, hi
            lo = hi


def short_range_strength(
    clr: cooler.Cooler,
    coarse: cooler.Cooler,
    expected: pd.DataFrame,
    view_df: pd.DataFrame,
    ignore_diags: int,
) -> np.ndarray:
    """Mean obs/exp of each coarse bin's pairs within 200 kb: the sign of E1 without a track.

    In GM12878 (chr21 at 10 kb, chr22 at 50 kb) its Spearman correlation with the E1 that agrees
    with the published compartments is 0.75 and 0.66; it needs neither raw coverage nor sequence,
    so that observed and predicted maps are phased alike.

    Returns
    -------
    ndarray, (n_coarse_bins,), float64
        NaN where a bin has no unmasked pair.
    """
    reach = max(SHORT_RANGE // clr.binsize, ignore_diags + 1)
    factor = coarse.binsize // clr.binsize
    weight = clr.bins()["weight"][:].to_numpy()
    starts = clr.bins()["start"][:].to_numpy()
    strength = np.full(coarse.info["nbins"], np.nan)
    for chrom in view_df["chrom"].unique():
        first, last = clr.extent((chrom, None, None))
        n, w = last - first, weight[first:last]
        mask = np.isnan(w)
        curve = Expected(expected, view_df, chrom, starts[first:last], mask, ignore_diags)
        table = read_cis_pixels(
            clr, chrom, 0, n, columns=["count"],
            keep=partial(_is_near, mask=mask, nearest=ignore_diags, farthest=reach),
        )  # fmt: skip
        i, j = table["i"].to_numpy(), table["j"].to_numpy()
        oe = table["count"].to_numpy() * w[i] * w[j] / curve.at(i, j)
        total = np.bincount(i, oe, n) + np.bincount(j, oe, n)
        pairs = np.zeros(n)
        for dist in range(ignore_diags, min(reach, n - 1) + 1):
            valid = ~mask[: n - dist] & ~mask[dist:]
            pairs[: n - dist] += valid
            pairs[dist:] += valid
        coarse_first, coarse_last = coarse.extent((chrom, None, None))
        to_coarse = np.arange(n) // factor
        total = np.bincount(to_coarse, total, coarse_last - coarse_first)
        pairs = np.bincount(to_coarse, pairs, coarse_last - coarse_first)
        strength[coarse_first:coarse_last] = np.divide(
            total, pairs, out=np.full(len(total), np.nan), where=pairs > 0
        )
    return strength


def _is_near(
    i: np.ndarray, j: np.ndarray, *, mask: np.ndarray, nearest: int, farthest: int
) -> np.ndarray:
    """Pairs of unmasked bins from `nearest` to `farthest` bins apart."""
    return (j - i >= nearest) & (j - i <= farthest) & ~mask[i] & ~mask[j]


def compute_compartments(
    clr: cooler.Cooler, view_df: pd.DataFrame | None, phasing: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame, float]:
    """Phased eigenvectors of the cis map, region by region, and the saddle they give.

    Parameters
    ----------
    clr : cooler.Cooler
        Balanced map (see `coarsen_for_compartments`).
    view_df : DataFrame or None
        chrom, start, end, name.
    phasing : ndarray, (n_bins,), float64
        Each eigenvector is flipped, in each region, to correlate positively (Spearman) with it.
        Where fewer than three bins have both, or one is constant, it is flipped to a positive sum.

    Returns
    -------
    eigs : DataFrame
        chrom, start, end, weight, E1, E2, E3 (float64) for every bin; NaN at masked bins and in
        regions with fewer than 20 unmasked bins.
    saddle : DataFrame
        group1, group2 (1 … 20, quantiles of E1 between 2 and 98 %, B to A; fewer groups when there
        are fewer than 100 bins), oe_sum, n_pairs, oe (mean); no rows without compartments.
    strength : float
        (AA + BB) / (AB + BA) between the outer fifths of the groups; NaN without compartments.
    """
    bins = clr.bins()[["chrom", "start", "end", "weight"]][:]
    eigs = bins.assign(**dict.fromkeys(EIGS, np.nan))
    view_df = _large_regions(view_df, bins)
    if view_df.empty:
        logger.warning("no region has %d unmasked bins: no compartments", MIN_REGION_BINS)
        return eigs, pd.DataFrame(columns=SADDLE_COLUMNS), float("nan")
    expected = compute_expected(clr, view_df, ignore_diags=IGNORE_DIAGS)
    expected = expected[expected["region1"] == expected["region2"]]
    curves = expected.set_index("dist").groupby("region1")["expected"]
    for region in view_df.itertuples(index=False):
        coordinates = (region.chrom, region.start, region.end)
        value = clr.matrix(balance=True).fetch(coordinates)
        curve = curves.get_group(region.name).reindex(range(len(value))).to_numpy()
        rows = np.arange(*clr.extent(coordinates))
        with np.errstate(invalid="ignore"):  # 0 / 0 at distances without any contact
            vectors = cis_eigenvectors(value / toeplitz(curve))
        for name, vector in zip(EIGS, vectors):
            eigs.loc[rows, name] = vector * _sign(vector, phasing[rows])
    return eigs, *_saddle(clr, view_df, expected, eigs)


def cis_eigenvectors(oe: np.ndarray) -> np.ndarray:
    """Leading eigenvectors of a cis map: `cooltools.api.eigdecomp.cis_eig`, given obs/exp.

    Like there, obs/exp is clipped at its 99.9th percentile and 1 is taken off, and vectors are
    scaled by the root of their eigenvalue. Unlike there, the expected is the smoothed one of this
    package, which saves numba's compilation, longer than the rest of the analysis, in every job.

    Parameters
    ----------
    oe : ndarray, (n, n), float64
        Symmetric obs/exp; NaN where masked (whole rows) or too near.

    Returns
    -------
    ndarray, (3, n), float64
        In the order of falling absolute eigenvalue; NaN at masked bins. Signs are arbitrary.
    """
    good = np.isfinite(oe).any(axis=0)
    matrix = oe[good][:, good]
    matrix[~np.isfinite(matrix)] = 1
    matrix = np.minimum(matrix, np.percentile(matrix, 99.9)) - 1
    start = np.random.default_rng(0).normal(size=len(matrix))  # the same vectors in every run
    values, found = eigsh(matrix, k=len(EIGS), which="LM", v0=start)
    order = np.argsort(-np.abs(values))
    vectors = np.full((len(EIGS), len(oe)), np.nan)
    vectors[:, good] = (found[:, order] * np.sqrt(np.abs(values[order]))).T
    return vectors


def _saddle(
    clr: cooler.Cooler, view_df: pd.DataFrame, expected: pd.DataFrame, eigs: pd.DataFrame
) -> tuple[pd.DataFrame, float]:
    """`cooltools.saddle` in cis between groups of bins of like E1, and its strength."""
    n_groups = min(SADDLE_GROUPS, int(eigs["E1"].notna().sum()) // 5)
    near = pd.MultiIndex.from_product(
        [view_df["name"], range(IGNORE_DIAGS)], names=["region1", "dist"]
    ).to_frame(index=False)  # cooltools takes the expected by position, from distance 0 on
    near = near.assign(region2=near["region1"], n_valid=0)
    with quiet_cooltools(), np.errstate(all="ignore"):
        oe_sum, n_pairs = cooltools.saddle(
            clr,
            pd.concat([near, expected]).sort_values(["region1", "dist"]),
            eigs[["chrom", "start", "end", "E1"]],
            "cis",
            n_bins=n_groups,
            qrange=(0.02, 0.98),
            view_df=view_df,
            expected_value_col="expected",
            min_diag=IGNORE_DIAGS,
            trim_outliers=True,
        )
        strength = float(saddle_strength(oe_sum, n_pairs)[max(n_groups // 5, 1)])
    group1, group2 = np.indices(oe_sum.shape) + 1
    arrays = [group1, group2, oe_sum, n_pairs]
    saddle = pd.DataFrame({name: array.ravel() for name, array in zip(SADDLE_COLUMNS, arrays)})
    return saddle.assign(oe=saddle["oe_sum"] / saddle["n_pairs"]), strength


def _large_regions(view_df: pd.DataFrame | None, bins: pd.DataFrame) -> pd.DataFrame:
    """Regions of a view with at least 20 unmasked bins; a smaller arm makes its chromosome one."""
    aligned = align_view(view_df, bins)
    chrom, start = bins["chrom"].astype(str), bins["start"]
    good = bins["weight"].notna()
    kept = [
        (good & (chrom == region.chrom) & start.between(region.start, region.end - 1)).sum()
        for region in aligned.itertuples(index=False)
    ]
    return aligned[np.array(kept, dtype=int) >= MIN_REGION_BINS].reset_index(drop=True)


def _sign(vector: np.ndarray, phasing: np.ndarray) -> float:
    both = np.isfinite(vector) & np.isfinite(phasing)
    if both.sum() >= 3 and np.ptp(vector[both]) > 0 and np.ptp(phasing[both]) > 0:
        sign = np.sign(spearmanr(vector[both], phasing[both])[0])
        if sign:
            return float(sign)
    return -1.0 if np.nansum(vector) < 0 else 1.0
