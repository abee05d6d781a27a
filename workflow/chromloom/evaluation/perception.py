"""How much a predicted map looks like Hi-C: the score of Epiphany's discriminator (Figs. S1, S3).

Beside predictions stand three maps made of the observed one that no one would take for Hi-C,
although their squared error is low.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import uniform_filter

from chromloom.errors import InputError
from chromloom.evaluation.maps import rows_in
from chromloom.evaluation.predictors import FIRST, read_band
from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.observed import ObservedMap
from chromloom.prediction.open import open_source
from chromloom.prediction.predicted import PredictedMap
from chromloom.prediction.source import MapSource

LOCAL = 11
"""Side of a local mean, bins; the article does not say."""
LEAST = 0.5
"""Share of the pairs of a frame that have to be known."""
COLUMNS = ["model", "chrom", "start", "end", "score", "mse", "n"]


def score_perception(
    observed: NormalizedMap, judge: PredictedMap, sources: Mapping[str, MapSource]
) -> pd.DataFrame:
    """Score of every frame of an observed map, of predictions, and of maps made of it.

    Parameters
    ----------
    observed : NormalizedMap
    judge : PredictedMap
        A predictor that was trained with a discriminator.
    sources : mapping
        Model -> prediction, `judge` among them or not.

    Returns
    -------
    DataFrame
        model (a predictor, `observed`, `local mean`, `local mean by distance`, `mean by distance`),
        chrom, start, end (bp), score (0 to 1: the discriminator's probability of an observed map),
        mse (of O/E; 0 of the observed one), n (pairs). Frames whose rows were held out from the
        judge and all predictors and of which half or more of the pairs are known in all.

    Raises
    ------
    InputError
        There is no such frame, or the judge has no discriminator.
    """
    tables = []
    for chrom in observed.chromnames:
        every = [judge, *sources.values()]
        rows = np.all([rows_in(observed, chrom, s.held_out) for s in every], axis=0)
        if not rows.any() or chrom not in judge.fold_of:
            continue
        fold = judge.predictors[judge.fold_of[chrom]]
        fitted: Any = fold.fitted()
        depth, size = fold.config["n_distances"], fitted.settings.stripes
        n = len(rows)
        bands = {"observed": read_band(ObservedMap(observed, observed.sample), chrom, n, depth)}
        bands |= {name: read_band(source, chrom, n, depth) for name, source in sources.items()}
        known = np.all([np.isfinite(band) for band in bands.values()], axis=0) & rows
        known[:FIRST] = False
        if not known.any():
            continue
        ratios = {name: _over_mean(band, known) for name, band in bands.items()}
        seen = ratios["observed"]
        ratios |= {
            "local mean": _local_mean(seen, (LOCAL, LOCAL)),
            "local mean by distance": _local_mean(seen, (1, LOCAL)),
            "mean by distance": np.where(known, 1.0, np.nan),
        }
        counts = known[:, : n // size * size].reshape(depth, -1, size).sum(axis=(0, 2))
        shown = counts >= LEAST * depth * size
        starts = np.arange(len(counts)) * size * observed.resolution
        for name, ratio in ratios.items():
            error = np.where(known, (ratio - seen) ** 2, 0)[:, : n // size * size]
            table = {
                "model": name,
                "chrom": chrom,
                "start": starts,
                "end": starts + size * observed.resolution,
                "score": fitted.perceive(ratio),
                "mse": error.reshape(depth, -1, size).sum(axis=(0, 2)) / np.maximum(counts, 1),
                "n": counts,
            }
            tables.append(pd.DataFrame(table)[shown])
    if not sum(map(len, tables)):
        raise InputError(
            f"{observed.path}: no frame of {judge.name} is held out from all predictors and known "
            "in half of its pairs; test it on a whole chromosome"
        )
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def evaluate_perception(
    map_path: str | Path, judge: str, runs: Mapping[str, str | Path]
) -> pd.DataFrame:
    """`score_perception` of the runs of predictors on a map, by the one of them that is named."""
    observed = NormalizedMap(map_path)
    sources = {name: open_source(path, map_path, name=name) for name, path in runs.items()}
    return score_perception(observed, PredictedMap(runs[judge], observed, name=judge), sources)


def _over_mean(band: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Contact strength over its mean of known pairs at each distance; NaN where not known."""
    mean = np.where(known, band, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, band / mean[:, None], np.nan)


def _local_mean(ratio: np.ndarray, sides: tuple[int, int]) -> np.ndarray:
    """Mean of the known pairs within so many distances and rows; NaN where not known."""
    known = np.isfinite(ratio)
    share = uniform_filter(known.astype(float), sides, mode="constant")
    total = uniform_filter(np.where(known, ratio, 0), sides, mode="constant")
    return np.where(known, total / np.maximum(share, 1e-9), np.nan)
