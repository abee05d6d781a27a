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
from chromloom.models.pairs.features import BinFeatures, pair_features, with_distance
from chromloom.models.pairs.fitted import Distance, Ridge
from chromloom.models.pairs.settings import PairSettings
from chromloom.training.nats import nats_per_contact
from chromloom.training.stretches import Stretch

logger = logging.getLogger(__name__)

PENALTIES = 10.0 ** np.arange(3, -4, -1)
"""Of ridge regression, for features of standard deviation 1; validation chooses."""
WORSE = 2
"""Penalties in a row with a lower validation after which smaller ones are not tried."""
EXACT = 1000
"""Features, at most, for which Newton's steps are taken: their cost grows with the square."""


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
    fit = _fit_ridge if settings.preset == "pairs-ridge" else _fit_boosted
    tensors, rows = fit(stretches, settings, rng, seed)
    return tensors, pd.DataFrame(rows, columns=columns)


def _draw(stretches, settings, rng, roles) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, counts and log of the count expected of pairs drawn from all that have a role."""
    pairs = [np.argwhere(np.any([s.pairs(validation=r) for r in roles], axis=0)) for s in stretches]
    total = sum(map(len, pairs))
    if not total:
        role = "validate" if True in roles else "train"
        raise InputError(f"predictors: no pair is left to {role}; give other regions")
    share = min(1, settings.n_pairs / total)
    parts, products = [], settings.preset == "pairs-xgboost"
    for stretch, own in zip(stretches, pairs):
        own = own[np.sort(rng.choice(len(own), round(share * len(own)), replace=False))]
        dist, i = own.T
        values = pair_features(BinFeatures.of(stretch.features), i, dist, products=products)
        parts.append((values, stretch.counts[dist, i], stretch.log_mean()[dist, i]))
    features, counts, means = (np.concatenate(arrays) for arrays in zip(*parts))
    return features, counts, means


TRAIN, EVERY = (False,), (False, True)
"""Pairs that train; those that validate, too, when the penalty or number of trees is known."""


def _fit_ridge(stretches, settings, rng, seed):
    """Poisson regression with a ridge penalty; validation chooses it, and all pairs are fitted."""
    pairs = _draw(stretches, settings, rng, TRAIN)
    best, rows, worse = (-np.inf, PENALTIES[0]), [], 0
    for penalty in PENALTIES:
        started = time.monotonic()
        fitted = Ridge(_regress(*pairs, penalty), len(stretches[0].counts))
        score = _validate(fitted, stretches)
        rows.append((f"penalty {penalty:g}", score, time.monotonic() - started))
        logger.info("penalty %g: validation %.5f", penalty, score)
        worse = worse + 1 if score < best[0] else 0
        best = max(best, (score, penalty))
        if worse == WORSE:
            break
    return _regress(*_draw(stretches, settings, rng, EVERY), best[1]), rows


def _regress(features, counts, log_mean, penalty: float) -> dict[str, Tensor]:
    from sklearn.linear_model import PoissonRegressor

    x = with_distance(features)
    scale = x.std(axis=0, dtype=float)
    scale[scale == 0] = 1
    mean = np.exp(log_mean.astype(float))
    solver = "newton-cholesky" if x.shape[1] <= EXACT else "lbfgs"
    model = PoissonRegressor(alpha=penalty, solver=solver, max_iter=1000, tol=1e-3)
    # A rate with the expected count as weight has the likelihood of the count.
    model.fit(x / scale, counts / mean, sample_weight=mean)
    return {
        "coefficients": torch.as_tensor(model.coef_ / scale, dtype=torch.float32),
        "intercept": torch.tensor(model.intercept_, dtype=torch.float32),
    }


def _fit_boosted(stretches, settings, rng, seed):
    """Boosted trees of counts, the log of the expected being given.

    Their number is fixed, and all pairs are fitted: a block that validates stops them too early.
    """
    import xgboost

    started = time.monotonic()
    train = _draw(stretches, settings, rng, EVERY)
    booster = xgboost.train(
        {
            "objective": "count:poisson",
            "max_depth": settings.depth,
            "learning_rate": settings.learning_rate,
            "subsample": 0.5,
            "colsample_bytree": 0.3,
            "min_child_weight": 50,
            "seed": seed,
        },
        xgboost.DMatrix(train[0], train[1], base_margin=train[2].astype(np.float32)),
        settings.trees,
    )
    raw = np.frombuffer(bytes(booster.save_raw("ubj")), np.uint8).copy()
    tensors = {"booster": torch.as_tensor(raw)}
    return tensors, [(f"{settings.trees} trees", np.nan, time.monotonic() - started)]


def _validate(fitted: Distance, stretches) -> float:
    ratios = [fitted.log_ratio(s.features) if s.validates.any() else None for s in stretches]
    return nats_per_contact(stretches, ratios)
