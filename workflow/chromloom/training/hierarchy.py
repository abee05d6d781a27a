"""One representation of several maps of one assembly: what they share, and how each differs.

The count model (`likelihood`) of every map m has its own vectors and barriers around shared ones,

    R^m_i = R_i + D^m_i,    b^m_i = b_i + e^m_i,

and S(d) and h(d) that all maps share; the expected, the weights and c(d) stay each map's own. D and
e are Gaussian with one variance a map and component, R and b as in the model of one map, and all
variances are estimated with everything else. So a difference is kept where the counts of a map bear
it out, components in which a map does not differ fade out of D (its rank is low), and where a map
is too shallow to say anything it takes what the others share.

For a row, everything but its vectors held, the posterior of R_i and all R^m_i is Gaussian. With the
Hessian H_m and the vector g_m that map m's counts would put the row at (H_m^-1 g_m), T_m the
precision of D^m, P that of R, and A_m = (H_m + T_m)^-1,

    cov(R_i) = C = (P + sum over m of T_m A_m H_m)^-1,    R_i = C sum over m of T_m A_m g_m,
    R^m_i = A_m (g_m + T_m R_i),    cov(R^m_i) = A_m + A_m T_m C T_m A_m.

Where a map is shallow, all are fitted in larger bins first, as `likelihood` does with one map. D of
the larger bin is then the mean of the prior of D in a shallow map; R of the larger bin is that of R
only if all maps are shallow. With these means N_m and M,

    R_i = C (P M + sum over m of T_m A_m (g_m - H_m N_m)),    R^m_i = A_m (g_m + T_m (R_i + N_m)).
"""

import logging
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.stats import chi2

from chromloom.training.barriers import FIRST_VARIANCE, SMALLEST_VARIANCE, height_step, solve
from chromloom.training.likelihood import (
    COARSENING,
    DAMPED_SWEEPS,
    DAMPING,
    DRAWS_OF_A_KNOT,
    FIRST_OWN,
    ROWS_AT_ONCE,
    SMALLEST_PRIOR,
    CountModel,
    is_coarsest,
    update_knot,
)

logger = logging.getLogger(__name__)

FIRST_DIFFERENCE = 0.25
"""Variance of D at first, relative to that of R."""
SMALLEST_DIFFERENCE = 1e-4
"""The same at least."""
TINY = 1e-9


class Contrast(NamedTuple):
    """Two maps against each other, bin by bin.

    Attributes
    ----------
    rows : ndarray, (m,), int64
        Of the joint model: bins unmasked in both.
    vectors : ndarray, (m, d), float64
        R^a - R^b.
    barriers : ndarray, (m,), float64
        b^a - b^b.
    statistic : ndarray, (m,), float64
    weights : ndarray, (m, d + 1), float64
        Of the chi-square variables that sum to it where nothing differs.
    """

    rows: np.ndarray
    vectors: np.ndarray
    barriers: np.ndarray
    statistic: np.ndarray
    weights: np.ndarray

    @property
    def p_value(self) -> np.ndarray:
        """Tail of a scaled chi-square variable of that mean and variance (Satterthwaite 1946)."""
        total, squares = self.weights.sum(axis=1), (self.weights**2).sum(axis=1)
        return chi2.sf(self.statistic * total / squares, total**2 / squares)


class JointModel:
    """The models of one chromosome in several maps, and their fit.

    Parameters
    ----------
    models : sequence of CountModel
        One a map, of the same bins, settings and start; they are moved in place.

    Attributes
    ----------
    position : ndarray, (n,), int64
        Bins that are unmasked in some map.
    R : ndarray, (n, d), float64
        Shared.
    b : ndarray, (n,), float64
        Shared barriers.
    mean : ndarray, (n, d), float64
        Of the prior of R.
    difference : ndarray, (M, d), float64
        Variance of D.
    difference_mean : ndarray, (M, n, d), float64
        Of the prior of D; 0 where a bin is masked.
    A : ndarray, (M, n, d, d), float64
        Covariance of each map's vectors, the shared ones given.
    C : ndarray, (n, d, d), float64
        Covariance of the shared vectors.
    """

    def __init__(self, models: Sequence[CountModel]):
        self.models = list(models)
        first = models[0]
        for model in models[1:]:
            model.S, model.step_variance = first.S, first.step_variance
            model.barriers.height = first.barriers.height
        self.position = np.unique(np.concatenate([model.position for model in models]))
        n, d = len(self.position), first.R.shape[1]
        # of each map's rows, in the rows of all
        self.places = [np.searchsorted(self.position, model.position) for model in models]
        self.row = []  # of each bin in the model of each map, -1 where it is masked there
        for model, at in zip(models, self.places):
            row = np.full(n, -1)
            row[at] = np.arange(len(model.position))
            self.row.append(row)
        self.R = np.zeros((n, d))
        for model, at in zip(models, self.places):
            self.R[at] = model.R
        self.prior = np.mean([model.prior for model in models], axis=0)
        self.difference = np.tile(FIRST_DIFFERENCE * self.prior, (len(models), 1))
        self.mean, self.difference_mean = np.zeros((n, d)), np.zeros((len(models), n, d))
        self.coarse: JointModel | None = None
        self.A, self.C = np.zeros((len(models), n, d, d)), np.zeros((n, d, d))
        self.b, self._b_prior = np.zeros(n), FIRST_VARIANCE
        self._e_prior = np.full(len(models), FIRST_DIFFERENCE * FIRST_VARIANCE)
        self.rng = first.rng

    def coarser(self) -> "JointModel":
        """The model of the same counts in larger bins, not fitted.

        The coarsest starts from eigenvectors of the deepest map.
        """
        models = [model.coarser()[0] for model in self.models]
        deepest = max(models, key=lambda model: model.observed.depth)
        start = np.zeros((deepest.observed.span, deepest.R.shape[1]), np.float32)
        start[deepest.position] = deepest.R
        for model in models:
            model.R, model.S = start[model.position], deepest.S
            model.prior = deepest.prior
        return JointModel(models)

    def start_from(self, coarse: "JointModel", shallow: Sequence[bool]) -> None:
        """Start at what a coarser model has found, and take means of priors from it."""
        self.coarse, row = coarse, np.searchsorted(coarse.position, self.position // COARSENING)
        self.R, own = coarse.R[row], 1.0
        if all(shallow):
            self.mean, own = self.R.copy(), FIRST_OWN
        smallest = SMALLEST_PRIOR * (self.R**2).mean(axis=0).max()
        self.prior = np.maximum(own * (self.R**2).mean(axis=0), smallest)
        S = coarse.models[0].finer_S(len(self.models[0].S))
        for m, (model, at) in enumerate(zip(self.models, self.places)):
            model.S, above = S, coarse.models[m]
            model.R = above.R[np.searchsorted(above.position, model.position // COARSENING)]
            self.difference[m] = FIRST_DIFFERENCE * self.prior
            if shallow[m]:
                told = model.R - self.R[at]
                self.difference_mean[m, at] = told
                found = FIRST_OWN * (told**2).mean(axis=0)
                self.difference[m] = np.maximum(found, SMALLEST_DIFFERENCE * self.prior)

    def fit(self, sweeps: int, *, shallow: Sequence[bool] = ()) -> None:
        """Move everything to the posterior mode, sweep by sweep.

        Where any map is `shallow` (one bool a map; none by default), larger bins are fitted first.
        """
        d, first = self.R.shape[1], self.models[0]
        if any(shallow) and not is_coarsest(first.observed):
            coarse = self.coarser()
            coarse.fit(sweeps, shallow=shallow)
            self.start_from(coarse, shallow)
        for sweep in range(sweeps):
            damping = DAMPING if sweep < DAMPED_SWEEPS else 1.0
            if first.has_barriers:
                self._update_barriers(damping)
                self._update_height(damping)
            if sweep:
                self._update_priors()
            step = self._sweep_rows(damping)
            noise = self.rng.standard_normal((2 * DRAWS_OF_A_KNOT, 2, d), dtype=np.float32)
            for k in reversed(range(len(first.S))):
                update_knot(self.models, k, sweep, noise)
            logger.debug("sweep %d: mean step of R %.3g", sweep + 1, step)

    def _sweep_rows(self, damping: float) -> float:
        n, d = self.R.shape
        n_groups, moved = max(1, n // ROWS_AT_ONCE), 0.0
        SR = [model.affinities() for model in self.models]
        uncertainty = [model.uncertainty() for model in self.models]
        self._used, T = self.difference.copy(), 1 / self.difference
        for group in self.rng.permutation(n_groups):
            rows = np.arange(group, n, n_groups)
            H, g = np.zeros((len(T), len(rows), d, d)), np.zeros((len(T), len(rows), d))
            for m in range(len(T)):
                self._tell(m, rows, SR[m], uncertainty[m], H[m], g[m])
            A = np.linalg.inv(H + T[:, None, :, None] * np.eye(d))
            gain = T[:, None, :, None] * A
            told = (gain @ H).sum(axis=0)
            C = np.linalg.inv((told + told.swapaxes(1, 2)) / 2 + np.diag(1 / self.prior))
            N = self.difference_mean[:, rows]
            pull = (gain @ (g[..., None] - H @ N[..., None]))[..., 0].sum(axis=0)
            pull += self.mean[rows] / self.prior
            shared = np.einsum("rab,rb->ra", C, pull)
            moved += np.abs(shared - self.R[rows]).sum()
            self.R[rows] += damping * (shared - self.R[rows])
            self.A[:, rows], self.C[rows] = A, C
            target = np.einsum("mrab,mrb->mra", A, g + T[:, None] * (shared + N))
            covariance = A + gain.swapaxes(2, 3) @ C @ gain
            for m, model in enumerate(self.models):
                here = self.row[m][rows] >= 0
                own = self.row[m][rows[here]]
                model.R[own] += model.bounded(damping * (target[m, here] - model.R[own]))
                model.covariance[own] = covariance[m, here]
                model.root[own] = _upper_root(covariance[m, here])
                SR[m][..., own] = model.affinities(own)
                uncertainty[m][own] = model.uncertainty(own)
        return moved / (n * d)

    def _tell(self, m: int, rows: np.ndarray, SR, uncertainty, H, g) -> None:
        """Write H and g of some rows in one map; 0 where a bin is masked there."""
        model, here = self.models[m], self.row[m][rows] >= 0
        own = self.row[m][rows[here]]
        if len(own):
            hessian, gradient, penalty = model.row_systems(own, SR, uncertainty)
            H[here] = hessian + penalty
            g[here] = gradient + np.einsum("rab,rb->ra", hessian.astype(float), model.R[own])

    def _update_priors(self) -> None:
        """Variances of R and of each map's D, as the last sweep leaves them."""
        spread = np.einsum("raa->a", self.C) / len(self.R)
        self.prior = ((self.R - self.mean) ** 2).mean(axis=0) + spread
        self.prior = np.maximum(self.prior, SMALLEST_PRIOR * self.prior.max())
        for m, (model, at) in enumerate(zip(self.models, self.places)):
            A, gain = self.A[m, at], self.A[m, at] / self.difference[m] - np.eye(len(self.prior))
            spread = A + gain @ self.C[at] @ gain.swapaxes(1, 2)
            own = model.R - self.R[at] - self.difference_mean[m, at]
            moments = own**2 + np.einsum("raa->ra", spread)
            smallest = SMALLEST_DIFFERENCE * self.prior
            self.difference[m] = np.maximum(moments.mean(axis=0), smallest)

    def contrast(self, a: int, b: int) -> "Contrast":
        """How two maps differ in each bin that is unmasked in both, and how sure that is.

        Under the posterior N(delta, V) of R^a - R^b, whose prior is N(0, V_0), the statistic is
        delta' V^-1 delta: up to a constant that does not depend on delta, twice the log Bayes
        factor for a difference. Without a difference delta has the covariance V - V V_0^-1 V, and
        the statistic is a sum of chi-square variables whose weights are the eigenvalues of that
        covariance over V: a direction that the counts do not inform has none. The barriers'
        difference is one more direction. Other rows and barriers count as known.
        """
        rows = np.flatnonzero((self.row[a] >= 0) & (self.row[b] >= 0))
        own = [self.row[m][rows] for m in (a, b)]
        first, second = self.models[a], self.models[b]
        delta = (first.R[own[0]] - second.R[own[1]]).astype(float)
        V, by_chance = self._spread_of_difference(a, b, rows)
        root = np.linalg.cholesky(V)
        statistic = (np.linalg.solve(root, delta[..., None])[..., 0] ** 2).sum(axis=1)
        half = np.linalg.solve(root, by_chance)
        known = np.linalg.eigvalsh(np.linalg.solve(root, half.swapaxes(1, 2)))
        barrier = np.zeros(len(rows))
        if first.has_barriers:
            barrier = first.barriers.b[own[0]] - second.barriers.b[own[1]]
            curve = [self._curves[m][i] for m, i in zip((a, b), own)]
            told = curve[0] * curve[1] / np.maximum(curve[0] + curve[1], TINY)
            prior = 1 / (self._e_prior[a] + self._e_prior[b])
            statistic += barrier**2 * (told + prior)
            known = np.column_stack([known, told / (told + prior)])
        return Contrast(rows, delta, barrier, statistic, np.clip(known, TINY, 1))

    def _spread_of_difference(self, a: int, b: int, rows: np.ndarray) -> tuple:
        """Covariance of R^a - R^b a posteriori, and that of its mean where nothing differs.

        Both are (rows, d, d). A mean of the prior that comes from larger bins adds theirs as far
        as it is felt: the posterior mean moves by V V_0^-1 times it.
        """
        A, T = (self.A[a, rows], self.A[b, rows]), (1 / self._used[a], 1 / self._used[b])
        gain = A[0] * T[0] - A[1] * T[1]
        V = A[0] + A[1] + gain @ self.C[rows] @ gain.swapaxes(1, 2)
        felt = V / (self._used[a] + self._used[b])
        by_chance = V - felt @ V
        if self.coarse is not None and self.difference_mean[[a, b]].any():
            row = np.searchsorted(self.coarse.position, self.position[rows] // COARSENING)
            above = self.coarse._spread_of_difference(a, b, row)
            V, by_chance = (
                own + felt @ spread @ felt.swapaxes(1, 2)
                for own, spread in zip((V, by_chance), above)
            )
        return V, by_chance

    def _update_barriers(self, damping: float) -> None:
        """One Newton step of the shared barriers and of all differences from them."""
        n, sizes = len(self.b), [len(at) for at in self.places]
        ends = np.cumsum([n, *sizes])
        parts = [slice(a, b) for a, b in pairwise(ends)]
        e = [model.barriers.b - self.b[at] for model, at in zip(self.models, self.places)]
        x = np.concatenate([self.b, *e])
        precision = np.concatenate(
            [np.full(n, 1 / self._b_prior)]
            + [np.full(size, 1 / v) for size, v in zip(sizes, self._e_prior)]
        )
        systems = [model.barriers.system(*model.near_pairs()) for model in self.models]
        gradient, diagonal = -precision * x, precision.copy()
        for at, part, (slope, curve, _) in zip(self.places, parts, systems):
            gradient[at] += slope
            gradient[part] += slope
            diagonal[at] += curve
            diagonal[part] += curve

        def product(v: np.ndarray) -> np.ndarray:
            out = precision * v
            for at, part, (_, _, information) in zip(self.places, parts, systems):
                told = information(v[at] + v[part])
                out[at] += told
                out[part] += told
            return out

        x += damping * solve(gradient, diagonal, product)
        self.b = x[:n]
        # a posteriori, each bin by itself
        self._curves = curves = [curve for _, curve, _ in systems]
        told = [curve / (1 + curve * v) for curve, v in zip(curves, self._e_prior)]
        total = np.full(n, 1 / self._b_prior)
        for at, own in zip(self.places, told):
            total[at] += own
        self._b_prior = max((self.b**2 + 1 / total).mean(), SMALLEST_VARIANCE)
        for m, (model, at, part) in enumerate(zip(self.models, self.places, parts)):
            others, v = 1 / (total[at] - told[m]), self._e_prior[m]
            model.barriers.b = self.b[at] + x[part]
            model.barriers.variance = 1 / (curves[m] + 1 / (others + v))
            spread = v * (1 + curves[m] * others) / (1 + curves[m] * (others + v))
            self._e_prior[m] = max((x[part] ** 2 + spread).mean(), SMALLEST_VARIANCE)

    def _update_height(self, damping: float) -> None:
        systems = [model.barriers.height_system(*model.near_pairs()) for model in self.models]
        step = height_step(sum(s[0] for s in systems), sum(s[1] for s in systems))
        factor = self.models[0].barriers.move_height(damping * step)
        self.b *= factor
        self._b_prior *= factor**2
        self._e_prior *= factor**2
        for model in self.models:
            model.barriers.rescale(factor)


def _upper_root(covariance: np.ndarray) -> np.ndarray:
    """U, upper triangular, U U' = covariance, (…, d, d)."""
    return np.linalg.cholesky(covariance[..., ::-1, ::-1])[..., ::-1, ::-1]
