"""Negative binomial regression of counts on distance and covariates of bins, after HiC-DC+.

The mean of a count follows from a spline of log distance and from covariates of both bins (GC,
mappability, effective length, log of balancing weights), its variance is mu + alpha mu^2. Counts
over the mean, and their distance from it in standard deviations, are what HiC-DC+ (Sahin et al.,
Nat Commun 2021;12:3366) calls observed/expected and Z-scores. Mappable pairs without a contact
count; single counts far above the mean are not left out of the fit.
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import BSpline
from scipy.optimize import brentq

from chromloom.errors import InputError

DEGREE = 3
ROUNDS = 10
"""Of the regression and the dispersion in turn."""


@dataclass(frozen=True)
class CountModel:
    """A fitted regression.

    Attributes
    ----------
    knots : ndarray
        Of the spline, log distance in bins; pairs outside of them are treated as at their ends.
    coefficients : ndarray
        Of the spline, then of the covariates.
    alpha : float
        Dispersion.
    """

    knots: np.ndarray
    coefficients: np.ndarray
    alpha: float

    def mean(self, dist: np.ndarray, covariates: np.ndarray | None = None) -> np.ndarray:
        """Mean counts of pairs.

        Parameters
        ----------
        dist : ndarray, (n,)
            Bins, above 0.
        covariates : ndarray, (n_covariates, n), optional
            As in the fit.

        Returns
        -------
        ndarray, (n,), float64
        """
        if not len(dist):  # of which scipy makes no splines
            return np.zeros(0)
        return np.exp(_design(dist, covariates, self.knots) @ self.coefficients)

    def deviation(self, mean: np.ndarray) -> np.ndarray:
        """Standard deviation of counts of these means."""
        return np.sqrt(mean + self.alpha * mean**2)


def fit_counts(
    counts: np.ndarray,
    dist: np.ndarray,
    covariates: np.ndarray | None = None,
    *,
    n_knots: int = 6,
    n_pairs: int = 200_000,
    seed: int = 0,
) -> CountModel:
    """Fit the regression to pairs.

    Parameters
    ----------
    counts, dist : ndarray, (n,)
        Of unmasked pairs, zeros included; distances in bins, above 0.
    covariates : ndarray, (n_covariates, n), optional
        Without NaN; of both bins together (the sum of their logs, say).
    n_knots : int
        Pieces of the spline, at quantiles of the distances that occur.
    n_pairs : int
        Pairs that are drawn for the fit, as many of each distance as there are in proportion.
    seed : int

    Raises
    ------
    InputError
        Too few pairs or contacts for the coefficients.
    """
    import statsmodels.api as sm

    counts, dist = np.asarray(counts, float), np.asarray(dist, float)
    if len(counts) > n_pairs:
        drawn = np.sort(np.random.default_rng(seed).choice(len(counts), n_pairs, replace=False))
        counts, dist = counts[drawn], dist[drawn]
        covariates = None if covariates is None else covariates[:, drawn]
    logs = np.log(dist)
    inner = np.unique(np.quantile(np.unique(logs), np.linspace(0, 1, n_knots + 1))[1:-1])
    ends = [logs.min()] * (DEGREE + 1), [logs.max()] * (DEGREE + 1)
    knots = np.concatenate([ends[0], inner, ends[1]]) if len(logs) else np.zeros(0)
    design = _design(dist, covariates, knots) if len(np.unique(logs)) > n_knots else None
    if design is None or (counts > 0).sum() < 10 * design.shape[1]:
        raise InputError(
            f"negative binomial regression: {len(counts)} pairs with {int(counts.sum())} contacts "
            "are too few; give more training regions or a larger max_distance"
        )
    alpha, start = 0.0, None
    for _ in range(ROUNDS):
        family = sm.families.NegativeBinomial(alpha=alpha) if alpha else sm.families.Poisson()
        fitted = sm.GLM(counts, design, family=family).fit(start_params=start)
        start = fitted.params
        before, alpha = alpha, _dispersion(counts, fitted.fittedvalues, design.shape[1])
        if abs(alpha - before) <= 1e-4 * max(alpha, 1e-6):
            break
    return CountModel(knots, np.asarray(fitted.params), alpha)


def _dispersion(counts: np.ndarray, mean: np.ndarray, n_coefficients: int) -> float:
    """The alpha by which squared residuals are on average as large as the variance; at least 0."""
    squares, free = (counts - mean) ** 2, len(counts) - n_coefficients

    def excess(alpha: float) -> float:
        return float((squares / (mean + alpha * mean**2)).sum() - free)

    if excess(0.0) <= 0:
        return 0.0
    return float(brentq(excess, 0.0, 1e4)) if excess(1e4) < 0 else 1e4


def _design(dist: np.ndarray, covariates: np.ndarray | None, knots: np.ndarray) -> np.ndarray:
    logs = np.clip(np.log(np.asarray(dist, float)), knots[0], knots[-1])
    spline = BSpline.design_matrix(logs, knots, DEGREE).toarray()
    return spline if covariates is None else np.hstack([spline, np.asarray(covariates, float).T])
