"""Scores of the maps of single windows, and of the seams where windows are put together.

After Akita's article (Fudenberg et al. 2020, Fig. 1 and Supplemental Figs. 2 and 8): regions of
held-out chromosomes by their agreement, by how strong their patterns are, and by what is known of
them in one dimension.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.akita import (
    SequenceWindow,
    held_out_chromosomes,
    held_out_windows,
    require_bases,
)
from chromloom.prediction.source import MapSource
from chromloom.sequence.motifs import randomise_sites
from chromloom.signals.tracks import read_track

SIGMA = 1.0
"""Bins, of the Gaussian that observed counts and their expected are smoothed by, cut at two."""


class ObservedWindows:
    """Log of observed over expected of windows of a chromosome."""

    def __init__(self, observed: NormalizedMap, chrom: str) -> None:
        self._observed, self._chrom = observed, chrom
        self._mask = observed.mask(chrom)

    def window(self, first: int, size: int) -> np.ndarray:
        """Bins [first, first + size): (size, size), float64; NaN where a bin is masked or none."""
        n = len(self._mask)
        lo, hi = min(max(first, 0), n), max(min(first + size, n), 0)
        pixels = self._observed.pixels(self._chrom, lo, hi)
        own = pixels[pixels["j"] < hi]
        i, j = own["i"].to_numpy() - first, own["j"].to_numpy() - first
        values = np.zeros((size, size))
        values[i, j] = values[j, i] = own["value"]
        known = np.zeros(size, bool)
        known[lo - first : hi - first] = ~self._mask[lo:hi]
        pairs = known & known[:, None]
        dist = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
        total, count = (
            np.bincount(dist[pairs], each, minlength=size)
            for each in (values[pairs], np.ones(pairs.sum()))
        )
        expected = (total / np.maximum(count, 1))[dist]
        smooth, mean = (
            gaussian_filter(np.where(pairs, each, 0.0), SIGMA, radius=2)
            for each in (values, expected)
        )
        # Half a contact of the mean strength of one stands where there is none.
        floor = 0.5 * own["value"].sum() / max(own["count"].sum(), 1) / 25
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(pairs, np.log((smooth + floor) / (mean + floor)), np.nan)


def score_regions(
    source: MapSource,
    observed: NormalizedMap,
    *,
    tracks: Mapping[str, str | Path] | None = None,
    masked: pd.DataFrame | None = None,
    chroms: Sequence[str] | None = None,
    draws: int = 3,
    seed: int = 0,
) -> pd.DataFrame:
    """Agreement of predicted and observed windows, side by side along held-out chromosomes.

    Parameters
    ----------
    source : MapSource
        Of Akita.
    observed : NormalizedMap
        Of the same bins.
    tracks : mapping, optional
        Name -> bigWig or bedGraph, whose mean over each region is given (CTCF, accessibility).
    masked : DataFrame, optional
        chrom, start, end: elements whose bases are drawn anew before predicting, as the article
        does with B2 SINE elements of the mouse. Scores after that are in columns of their own.
    chroms : sequence of str, optional
        By default those of which something was held out.
    draws, seed : int
        Random sequences of the elements, whose maps are averaged.

    Returns
    -------
    DataFrame
        One row per region: chrom, start, end, n (pairs), mse, pearson, spearman (of log O/E;
        the predicted map is smoothed no further, the observed one by a Gaussian of one bin),
        signal_predicted, signal_observed (mean square over the same pairs), `mean_{track}`, and
        with `masked` n_masked (elements), pearson_masked, spearman_masked, mse_masked. NaN where
        less than two pairs are known or nothing varies.

    Raises
    ------
    InputError
        The source reads no sequence, no chromosome was held out, one has no prediction, or there is
        no window.
    """
    source = require_bases(source)
    rows = []
    for chrom, windows in groupby(held_out_windows(source, chroms), lambda own: own.chrom):
        seen = ObservedWindows(observed, chrom)
        elements = None if masked is None else masked[masked["chrom"] == chrom]
        for window in windows:
            lo, hi = window.predicted
            target = window.pairs(seen.window(lo // observed.resolution, len(window.unchanged)))
            row = {"chrom": chrom, "start": lo, "end": hi}
            row |= _agreement(window.pairs(window.unchanged), target)
            if elements is not None:
                row |= _without(window, elements, target, draws, seed)
            rows.append(row)
    table = pd.DataFrame(rows)
    for name, path in (tracks or {}).items():
        values = read_track(path, table[["chrom", "start", "end"]], observed.bins.chromsizes)
        table[f"mean_{name}"] = values
    return table


def measure_seams(source: MapSource, chroms: Sequence[str] | None = None) -> pd.DataFrame:
    """How much more neighbouring pairs differ where a predicted window begins than elsewhere.

    What is predicted of a chromosome is the mean over overlapping windows; a seam lies between two
    rows of which only the second is in a further window.

    Returns
    -------
    DataFrame
        chrom, n_seams, at_seams, elsewhere (mean absolute difference of the predicted log O/E of
        (i, i + d) and (i + 1, i + 1 + d)), ratio.

    Raises
    ------
    InputError
        The source reads no sequence, no chromosome was held out, or one has no prediction.
    """
    source = require_bases(source)
    table = []
    for chrom in held_out_chromosomes(source, chroms):
        n, step = len(source.bins.mask(chrom)), source.fitted(chrom).settings.step
        with np.errstate(divide="ignore", invalid="ignore"):
            change = np.abs(np.diff(np.log(source.band(chrom, 0, n)), axis=1))
        change = change[source.ignore_diags :]  # of rows i and i + 1
        seam = (np.arange(1, n) % step) == 0
        at, elsewhere = (np.nanmean(change[:, rows]) for rows in (seam, ~seam))
        table.append((chrom, int(seam.sum()), at, elsewhere, at / elsewhere))
    return pd.DataFrame(table, columns=["chrom", "n_seams", "at_seams", "elsewhere", "ratio"])


def _agreement(predicted: np.ndarray, target: np.ndarray) -> dict[str, float]:
    known = np.isfinite(target)
    a, b = predicted[known], target[known]
    if len(a) < 2:
        a, b = np.full((2, 2), np.nan)
    return {
        "n": int(known.sum()),
        "mse": float(((a - b) ** 2).mean()),
        "pearson": _pearson(a, b),
        "spearman": _pearson(rankdata(a), rankdata(b)),
        "signal_predicted": float((a**2).mean()),
        "signal_observed": float((b**2).mean()),
    }


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    if not (a.std() > 0 and b.std() > 0):
        return np.nan
    return float(np.corrcoef(a, b)[0, 1])


def _without(
    window: SequenceWindow, elements: pd.DataFrame, target: np.ndarray, draws: int, seed: int
) -> dict[str, float]:
    """Scores with the bases of elements drawn anew."""
    start, end = window.start, window.start + len(window.codes)
    inside = elements[(elements["end"] > start) & (elements["start"] < end)]
    values = window.unchanged
    if len(inside):
        rng = np.random.default_rng([seed, max(start, 0)])
        places = list(zip(inside["start"] - start, inside["end"] - start))
        variants = [randomise_sites(window.codes, places, rng) for _ in range(draws)]
        values = np.mean(list(window.maps(variants)), axis=0)
    scores = _agreement(window.pairs(values), target)
    return {"n_masked": len(inside)} | {
        f"{name}_masked": scores[name] for name in ("mse", "pearson", "spearman")
    }
