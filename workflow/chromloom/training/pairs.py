"""Training of regressions on features of pairs: ridge, XGBoost, and distance alone."""

import logging
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from chromloom.errors import InputError
from chromloom.models.pairs.features import pair_features, with_distance
from chromloom.models.pairs.fitted import Boosted, Distance, Ridge
from chromloom.models.pairs.settings import PairSettings
from chromloom.training.nats import nats_per_contact
from chromloom.training.stretches import Stretch

logger = logging.getLogger(__name__)

PENALTIES = 10.0 ** np.arange(0, 7)
"""Of ridge regression; validation chooses."""


def fit_pairs(
    stretches: Sequence[Stretch],
    settings: PairSettings,
    *,
    mirrored: Sequence[int],
    seed: int = 0,
    device: str = "cpu",
    resume_dir: Any = None,
    fingerprint: str = "",
) -> tuple[dict[str, Tensor], pd.DataFrame]:
    """Fit the regression that the settings' preset names.

    Parameters
    ----------
    stretches : sequence of Stretch
    settings : PairSettings
    seed : int
        Of the pairs drawn and of the trees.
    mirrored, device, resume_dir, fingerprint
        Not used: no network, and soon done.

    Returns
    -------
    tensors : dict
    history : DataFrame
        name, validation (nats per contact gained over the expected), seconds: one row per fit.

    Raises
    ------
    InputError
        No pair trains.
    """
    columns = ["name", "validation", "seconds"]
    if settings.preset == "distance":
        return {}, pd.DataFrame(columns=columns)
    rng = np.random.default_rng(seed)
    train = _draw(stretches, settings.n_pairs, rng, validation=False)
    if not len(train[1]):
        raise InputError("predictors: no pair is left to train; give other regions")
    fit = _fit_ridge if settings.preset == "pairs-ridge" else _fit_boosted
    tensors, rows = fit(stretches, settings, train, rng, seed)
    return tensors, pd.DataFrame(rows, columns=columns)


def _draw(stretches, n_pairs, rng, *, validation) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, counts and log of the count expected of pairs drawn from all that have a role."""
    pairs = [np.argwhere(s.pairs(validation=validation)) for s in stretches]
    total = sum(map(len, pairs))
    share = min(1, n_pairs / max(total, 1))
    parts = []
    for stretch, own in zip(stretches, pairs):
        own = own[np.sort(rng.choice(len(own), round(share * len(own)), replace=False))]
        dist, i = own.T
        log_mean = stretch.log_mean()[dist, i]
        parts.append((pair_features(stretch.features, i, dist), stretch.counts[dist, i], log_mean))
    features, counts, means = (np.concatenate(arrays) for arrays in zip(*parts))
    return features, counts, means


def _fit_ridge(stretches, settings, train, rng, seed):
    """Least squares of log((count + 0.5) / (expected + 0.5)); validation chooses the penalty."""
    features, counts, log_mean = train
    target = np.log((counts + 0.5) / (np.exp(log_mean) + 0.5))
    x = with_distance(features).astype(float)
    centre, middle = x.mean(axis=0), target.mean()
    x -= centre
    square, product = x.T @ x, x.T @ (target - middle)
    best, rows = None, []
    for penalty in PENALTIES:
        started = time.monotonic()
        weights = np.linalg.solve(square + penalty * np.eye(len(square)), product)
        tensors = {
            "coefficients": torch.as_tensor(weights, dtype=torch.float32),
            "intercept": torch.as_tensor(middle - centre @ weights, dtype=torch.float32),
        }
        score = _validate(Ridge(tensors, len(stretches[0].counts)), stretches)
        rows.append((f"penalty {penalty:g}", score, time.monotonic() - started))
        if best is None or score > best[0]:
            best = score, tensors
    assert best is not None  # there are penalties
    return best[1], rows


def _fit_boosted(stretches, settings, train, rng, seed):
    """Boosted trees of counts, the log of the expected being given; validation stops them."""
    import xgboost

    started = time.monotonic()
    held = _draw(stretches, settings.n_pairs // 4, rng, validation=True)
    matrices = [
        xgboost.DMatrix(features, counts, base_margin=log_mean.astype(np.float32))
        for features, counts, log_mean in (train, held)
    ]
    booster = xgboost.train(
        {
            "objective": "count:poisson",
            "max_depth": settings.depth,
            "learning_rate": settings.learning_rate,
            "subsample": 0.5,
            "colsample_bytree": 0.5,
            "min_child_weight": 20,
            "seed": seed,
        },
        matrices[0],
        settings.trees,
        evals=[(matrices[1], "validation")],
        early_stopping_rounds=30,
        verbose_eval=False,
    )
    booster = booster[: booster.best_iteration + 1]
    raw = np.frombuffer(bytes(booster.save_raw("ubj")), np.uint8).copy()
    tensors = {"booster": torch.as_tensor(raw)}
    score = _validate(Boosted(tensors, len(stretches[0].counts)), stretches)
    return tensors, [(f"{booster.num_boosted_rounds()} trees", score, time.monotonic() - started)]


def _validate(fitted: Distance, stretches) -> float:
    ratios = [fitted.log_ratio(s.features) if s.validates.any() else None for s in stretches]
    return nats_per_contact(stretches, ratios)
