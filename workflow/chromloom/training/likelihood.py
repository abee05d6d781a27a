"""Representations by likelihood: the low-rank model of counts that `refined` starts from.

A count is taken to have mean mu_ij = E(d) / (w_i w_j) * exp(L_ij) and variance mu + phi mu^2, with

    L_ij = R_i' S(d) R_j + c(d) - h(d) (b_(i+1) + … + b_(j-1)),    d = j - i > 0,

where E is the expected of the map, w the balancing weights (value = count w_i w_j), and S, c and h
are interpolated in log d between octaves 2, 4, 8, … bins. So zeros at low depth weigh what they
are worth, and the form of the affinity may change with distance, which is what the band near the
diagonal needs. S need not be symmetric (`oriented`): what a bin is to its downstream neighbours
may differ from what it is to the upstream ones, as at a domain's end. The last term, barriers
between the two bins, is told in `barriers`.

The posterior is approximated by mean-field variational Bayes (one Gaussian a bin; Bishop 2006,
ch. 10): a row's Newton system (Fisher scoring) takes the uncertainty of all other rows into
account, so that a shallow map's noise is not mistaken for structure, and S likewise, by drawing
R from its posterior. Priors are Gaussian, and their scales are estimated with everything else: one
variance a component of R, so that what a map cannot carry fades out (MacKay 1992), and one a step
of S from octave to octave. The sweeps visit each pair twice.

From coarse to fine: where bins have few contacts (`coarse_below`), structure that larger bins show
well is lost in the noise of small ones, and all components fade out. The same counts are then
fitted in bins 4, 16, … times as large first, coarsest first. What a level finds is where the next
one starts, and the mean of its prior: only what sets a bin apart from its larger bin has a variance
to estimate.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import inv
from threadpoolctl import threadpool_limits

from chromloom.errors import InputError
from chromloom.kernels.counts import (
    counts_of,
    drawn_products,
    n_products,
    near_pairs,
    newton_rows,
)
from chromloom.kernels.spec import LARGEST_LOG_RATE
from chromloom.models.baselines.eig import coverage, orient
from chromloom.models.hiclstm.module import knot_positions
from chromloom.normalize.maps import NormalizedMap
from chromloom.training.barriers import Barriers
from chromloom.training.chromosome import NO_PAIR, ChromosomeCounts

logger = logging.getLogger(__name__)

ROWS_AT_ONCE = 64
"""Rows moved together, far apart from each other, while all others are held."""
PAIRS_OF_A_KNOT = 3_072
"""Pairs taken for the update of S at one knot."""
DRAWS_OF_A_KNOT = 2 * PAIRS_OF_A_KNOT
"""Draws of the two rows of its pairs, together: two a pair, more if pairs are few."""
DAMPED_SWEEPS, DAMPING = 2, 0.7
LARGEST_MOVE = 1.0
"""Of any pair's log rate in a step of S or of a row: beyond it the likelihood is not quadratic."""
OFFSET_PRECISION = 1e-3
SLACK = 1e-6
"""Added to the diagonal of a float32 product, relative to it, so that it is positive definite."""
SMALLEST_PRIOR = 1e-6
"""Smallest variance of a component of R, relative to the largest."""
LARGEST_STEP = 1.0
"""Variance of S from octave to octave at most: S itself is 1 or -1 at the last knot."""
OCTAVES_OF_A_LEVEL, FEWEST_BINS, FEWEST_KNOTS = 2, 128, 3
"""Octaves by which bins become larger from level to level; the least that a coarser level has."""
COARSENING = 2**OCTAVES_OF_A_LEVEL
FIRST_OWN = 0.1
"""Variance of what a bin has beyond its larger bin, at first, relative to their mean square."""
NOTHING = 1e-12
"""Size in log rate, and below it, of an axis that has faded out."""


class CountModel:
    """The model of one chromosome, and its fit.

    Parameters
    ----------
    observed : ChromosomeCounts
    R : ndarray, (m, d)
        Where to start, with S: R S R' about log observed/expected. Of the unmasked bins.
    S : ndarray, (d, d)
        Diagonal.
    n_knots : int
        Octaves.
    dispersion : float
        phi.
    oriented : bool
        Let S differ from its transpose, but at the last knot.
    barrier : bool
        Fit barriers.
    seed : int
        Of the order of rows and the pairs drawn.

    Attributes
    ----------
    R : ndarray, (m, d), float32
    mean : ndarray, (m, d), float32
        Of the prior of R.
    S, offset : ndarray, (n_knots, d, d) and (n_knots,), float32
    barriers : Barriers
        0 throughout where they are not fitted.
    """

    def __init__(
        self,
        observed: ChromosomeCounts,
        R: np.ndarray,
        S: np.ndarray,
        *,
        n_knots: int,
        dispersion: float,
        oriented: bool,
        barrier: bool,
        seed: int | np.random.Generator,
    ):
        self.observed = observed
        self.position, self.counts = observed.position, observed.counts
        self.log_exposure, self.log_expected = observed.log_exposure, observed.log_expected
        self.region, span = observed.region, observed.span
        axes, n = np.diag(S), len(self.position)
        self.R = (R * np.sqrt(np.abs(axes))).astype(np.float32)
        self.mean = np.zeros_like(self.R)
        last = np.diag(np.where(axes < 0, -1.0, 1.0)).astype(np.float32)
        self.S = np.repeat(last[None], n_knots, axis=0)  # the last one stays: it fixes the scale
        self.offset = np.zeros(n_knots, dtype=np.float32)
        self.knot, between = knot_positions(np.arange(span), n_knots)
        self.between = between.astype(np.float32)
        self.dispersion, self.oriented = np.float32(dispersion), oriented
        self.barriers = Barriers(self.position, self.knot, self.between, n_knots)
        self.has_barriers = barrier and n_knots > 1
        self.rng = np.random.default_rng(seed)

        self.prior = (self.R**2).mean(axis=0)  # variance of each component
        self.prior = np.maximum(self.prior, SMALLEST_PRIOR * max(self.prior.max(), 1e-6))
        self.covariance = np.zeros((n, *S.shape), dtype=np.float32)  # of each row of R
        self.root = np.zeros_like(self.covariance)  # root root' = covariance
        # of S from one knot to the next: symmetric part, antisymmetric part
        self.step_variance = np.full((n_knots, 2), 0.25)
        d = S.shape[0]
        self.part = np.zeros(n_products(d, oriented) - 1, dtype=int)  # of each entry of theta
        self.part[d * (d + 1) // 2 :] = 1

    def coarser(self) -> tuple["CountModel", np.ndarray]:
        """The model of the same counts in larger bins, not fitted, and the row of each bin there.

        Its knots lie at the same distances in bp, as far as it has such pairs. The coarsest starts
        from eigenvectors, others from 0.
        """
        observed, row = self.observed.coarser(COARSENING)
        d, n_knots = self.R.shape[1], len(self.S)
        R, S = np.zeros((len(observed.position), d)), np.eye(d)
        if is_coarsest(observed):
            R, S = _eigenvectors(observed, d)
        model = CountModel(
            observed,
            R,
            S,
            n_knots=min(n_knots, max(n_knots - OCTAVES_OF_A_LEVEL, FEWEST_KNOTS)),
            dispersion=float(self.dispersion),
            oriented=self.oriented,
            barrier=self.has_barriers,
            seed=self.rng.spawn(1)[0],
        )
        return model, row

    def start_from(self, coarse: "CountModel", row: np.ndarray) -> None:
        """Start at what a coarser model has found, which is also the mean of the prior of R."""
        self.R = coarse.R[row]
        self.mean = self.R.copy()
        self.prior = np.maximum(FIRST_OWN * (self.R**2).mean(axis=0), SMALLEST_PRIOR)
        self.S = coarse.finer_S(len(self.S))

    def finer_S(self, n_knots: int) -> np.ndarray:
        """S at the knots of smaller bins, which lie at the same distances in bp."""
        above = np.arange(n_knots) - OCTAVES_OF_A_LEVEL
        return self.S[np.clip(above, 0, len(self.S) - 1)]

    def fit(self, sweeps: int, *, coarse_to_fine: bool = False) -> None:
        """Move everything to the posterior mode, sweep by sweep, in larger bins first if asked to.

        A chromosome of few bins has no larger ones.
        """
        if coarse_to_fine and not is_coarsest(self.observed):
            coarse, row = self.coarser()
            coarse.fit(sweeps, coarse_to_fine=True)
            self.start_from(coarse, row)
        d = self.R.shape[1]
        for sweep in range(sweeps):
            damping = DAMPING if sweep < DAMPED_SWEEPS else 1.0
            if self.has_barriers:
                self._update_barriers(damping)
            step = self._sweep_rows(damping)
            noise = self.rng.standard_normal((2 * DRAWS_OF_A_KNOT, 2, d), dtype=np.float32)
            for k in reversed(range(len(self.S))):
                update_knot([self], k, sweep, noise)
            logger.debug("sweep %d: mean step of R %.3g", sweep + 1, step)

    def affinities(self, rows=slice(None)) -> np.ndarray:
        """S_k R_j and S_k' R_j of some rows, (2, n_knots, d, rows)."""
        R = self.R[rows].T
        return np.stack([self.S @ R, self.S.swapaxes(1, 2) @ R])

    def _model(self, SR: np.ndarray) -> tuple:
        """What the numba code is told of the model and the counts."""
        height, passed = self.barriers.height, self.barriers.passed
        return (
            SR, self.offset, height.astype(np.float32), passed.astype(np.float32),
            self.knot, self.between, self.position,
            self.counts.indptr, self.counts.indices, self.counts.data,
            self.log_exposure, self.log_expected, self.region, self.dispersion,
        )  # fmt: skip

    def _update_barriers(self, damping: float) -> None:
        for update in (self.barriers.update_barriers, self.barriers.update_height):
            update(*self.near_pairs(), damping)

    def near_pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Score and weight of the pairs that barriers act on, (n, reach), float32 each."""
        score = np.empty((len(self.R), self.barriers.reach), dtype=np.float32)
        weight = np.empty_like(score)
        near_pairs(self.R, *self._model(self.affinities()), score, weight)
        return score, weight

    def _sweep_rows(self, damping: float) -> float:
        n, d = self.R.shape
        SR = self.affinities()
        n_groups, moved = max(1, n // ROWS_AT_ONCE), 0.0
        uncertainty = self.uncertainty()
        for group in self.rng.permutation(n_groups):
            rows = np.arange(group, n, n_groups)
            hessian, gradient, penalty = self.row_systems(rows, SR, uncertainty)
            penalty += np.diag(1 / self.prior)
            inverse = np.linalg.inv(np.linalg.cholesky(hessian + penalty))
            covariance = inverse.swapaxes(1, 2) @ inverse
            gradient -= np.einsum("rab,rb->ra", penalty, self.R[rows])
            gradient += self.mean[rows] / self.prior
            step = np.einsum("rab,rb->ra", covariance, gradient)
            self.R[rows] += self.bounded(damping * step)
            self.root[rows], self.covariance[rows] = inverse.swapaxes(1, 2), covariance
            SR[..., rows] = self.affinities(rows)
            uncertainty[rows] = self.uncertainty(rows)
            moved += np.abs(step).sum()
        own = self.R - self.mean
        self.prior = (own**2).mean(axis=0) + np.einsum("raa->a", self.covariance) / n
        self.prior = np.maximum(self.prior, SMALLEST_PRIOR * self.prior.max())
        return moved / (n * d)

    def bounded(self, move: np.ndarray) -> np.ndarray:
        """Steps of some rows, (rows, d), shortened where a log rate would move too far."""
        change = np.abs(move.astype(np.float32) @ self.S[-1] @ self.R.T)
        change = change.max(axis=1, initial=LARGEST_MOVE)
        return (move * (LARGEST_MOVE / change)[:, None]).astype(np.float32)

    def uncertainty(self, rows=slice(None)) -> np.ndarray:
        """S V S' of some rows at the last knot, upper triangles, (rows, d (d + 1) / 2)."""
        signs = np.diag(self.S[-1])
        upper = np.triu_indices(len(signs))
        return np.ascontiguousarray((self.covariance[rows] * signs[:, None] * signs)[:, *upper])

    def row_systems(self, rows: np.ndarray, SR: np.ndarray, uncertainty: np.ndarray) -> tuple:
        """Newton's systems of some rows, without their prior.

        Returns
        -------
        hessian, gradient : ndarray, (rows, d, d) and (rows, d), float32
            Of the likelihood, the other rows as they are.
        penalty : ndarray, (rows, d, d), float64
            What the uncertainty of the other rows adds to the Hessian; it pulls a row to 0.
        """
        n, d = self.R.shape
        hessian = np.zeros((len(rows), d, d), dtype=np.float32)
        gradient = np.zeros((len(rows), d), dtype=np.float32)
        weights = np.empty((len(rows), n), dtype=np.float32)
        newton_rows(*(rows, self.R, *self._model(SR), hessian, gradient, weights))
        penalty, upper = np.zeros(hessian.shape), np.triu_indices(d)  # scales lie far apart
        penalty[:, *upper] = penalty.swapaxes(1, 2)[:, *upper] = weights @ uncertainty
        return hessian, gradient, penalty

    def knot_terms(self, k: int, noise: np.ndarray) -> "KnotTerms | None":
        """What the pairs that a knot takes part in say of S and c; None without any."""
        n_knots = len(self.S)
        i, j, scale = self._pairs_of(k)
        if not len(i):
            return None
        dist = self.position[j] - self.position[i]
        below, between = self.knot[dist], self.between[dist]
        above = np.minimum(below + 1, n_knots - 1)
        R_i, R_j = self.R[i], self.R[j]

        def share_of(m):
            """Of a knot in what the pairs get, (pairs,)."""
            return np.where(below == m, 1 - between, np.where(above == m, between, 0))

        def change(S, offset):
            """What S and c add to the log rates of the pairs, (pairs,)."""
            return np.einsum("pa,pa->p", R_i @ S, R_j) + offset

        log_rate = (
            self.log_exposure[i] + self.log_exposure[j]
            + self.log_expected[self.region[i], self.region[j], dist]
        )  # fmt: skip
        for m in range(max(k - 1, 0), min(k + 2, n_knots)):
            log_rate += share_of(m) * change(self.S[m], self.offset[m])
        if self.has_barriers:
            height, passed = self.barriers.height, self.barriers.passed
            height = height[below] * (1 - between) + height[above] * between
            log_rate -= height * (passed[j] - passed[i + 1])
        rate = np.exp(np.minimum(log_rate, LARGEST_LOG_RATE))
        damping = 1 / (1 + self.dispersion * rate)
        seen = np.empty(len(i), dtype=np.float32)
        counts_of(i, j, self.counts.indptr, self.counts.indices, self.counts.data, seen)
        share = share_of(k)
        score = share * (seen - rate) * damping
        information = share**2 * rate * damping

        def added(S, offset):
            """The same by what S and c at this knot have in it."""
            return share * change(S, offset)

        if k == n_knots - 1:  # of c alone
            total = score.sum(keepdims=True), information.sum(keepdims=True)
            return KnotTerms(*total, total[1] * self.offset[k], added, scale)

        def gathered(values):
            """Sum over the pairs of values times features, in the order of theta."""
            outer = ((R_i * values[:, None]).T @ R_j)[None]
            times = 2 - self.entries(np.eye(R_i.shape[1])[None])  # off the diagonal S has it twice
            return np.append(times * self.entries(outer), values.sum())

        # rows drawn anew for each pair: one draw a bin would be fitted by S
        draws = -(-DRAWS_OF_A_KNOT // len(i))
        root_weight = np.sqrt(scale / draws * information).astype(np.float32)
        features = np.empty((len(self.part) + 1, draws * len(i)), dtype=np.float32)
        drawn_products(
            np.tile(i, draws), np.tile(j, draws), self.R, self.root, noise,
            np.tile(root_weight, draws), features,
        )  # fmt: skip
        return KnotTerms(
            gathered(scale * score),
            (features @ features.T).astype(float),
            gathered(scale * information * change(self.S[k], self.offset[k])),
            added,
            scale,
        )

    def _pairs_of(self, k: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Rows i < j of the pairs of a knot, all or drawn, and how many each of them stands for."""
        n, span, last = len(self.R), len(self.knot), len(self.S) - 1
        lo, hi = 2 if k == 0 else 2**k + 1, span if k == last else min(2 ** (k + 2), span)
        hi = max(hi, lo)
        n_all = n * (hi - lo)
        if n_all <= PAIRS_OF_A_KNOT:
            i, dist = np.repeat(np.arange(n), hi - lo), np.tile(np.arange(lo, hi), n)
        else:  # twice as many, since some have a masked bin
            i = self.rng.integers(0, n, 2 * PAIRS_OF_A_KNOT)
            dist = self.rng.integers(lo, hi, 2 * PAIRS_OF_A_KNOT)
        compact = np.full(2 * span, -1)
        compact[self.position] = np.arange(n)
        j = compact[self.position[i] + dist]
        taken = np.flatnonzero(j >= 0)[:PAIRS_OF_A_KNOT]
        n_looked = taken[-1] + 1 if len(taken) == PAIRS_OF_A_KNOT else max(len(i), 1)
        return i[taken], j[taken], max(n_all / n_looked, 1.0)

    def entries(self, S: np.ndarray) -> np.ndarray:
        """Entries of S in the order of `drawn_products`, (n_knots, …)."""
        d = S.shape[-1]
        symmetric = ((S + S.swapaxes(1, 2)) / 2)[:, *np.triu_indices(d)]
        if not self.oriented:
            return symmetric
        return np.hstack([symmetric, ((S - S.swapaxes(1, 2)) / 2)[:, *np.triu_indices(d, 1)]])

    def matrix(self, entries: np.ndarray) -> np.ndarray:
        """S (d, d) of its entries."""
        d = self.R.shape[1]
        upper, above = np.triu_indices(d), np.triu_indices(d, 1)
        S = np.empty((d, d))
        S[upper] = S.T[upper] = entries[self.part == 0]
        if self.oriented:
            S[above] += entries[self.part == 1]
            S.T[above] -= entries[self.part == 1]
        return S

    def canonical(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """R and S in axes that the fit defines: principal axes of R S R' at the last knot.

        Returns
        -------
        R : ndarray, (m, d), float64
            Orthogonal columns of mean square 1, by decreasing |S|; 0 beyond the number of bins and
            where nothing is left of an axis.
        S : ndarray, (n_knots, d, d), float64
            The last one is diagonal. R S R' is what it was.
        spread : ndarray, (m, d), float64
            Standard deviation of R a posteriori.
        """
        R, turn = principal_axes(self.R.astype(float), self.S[-1])
        S = np.einsum("ab,kbc,dc->kad", turn, self.S, turn)
        spare = [(0, 0), (0, self.R.shape[1] - R.shape[1])]
        spread = turned_spread(self.covariance, np.linalg.pinv(turn))
        left = np.abs(np.diagonal(S[-1])) > NOTHING
        R, S, spread = R * left, S * left[:, None] * left, np.where(left, spread, 0.0)
        return np.pad(R, spare), np.pad(S, [*spare, spare[1]]), np.pad(spread, spare)


class KnotTerms(NamedTuple):
    """What the counts of one map say of S and c at a knot, theta = (entries of S, c).

    Attributes
    ----------
    score : ndarray, (p,)
        Gradient of the log likelihood.
    hessian : ndarray, (p, p)
        Fisher information, with the rows of R drawn from their posterior.
    told : ndarray, (p,)
        The information of the posterior means times theta; what the uncertainty of R adds to the
        product of hessian and theta pulls S to 0.
    change : function
        Of S and c at the knot: what they add to the log rates of the pairs, (pairs,).
    scale : float
        Pairs of the map that each of those stands for.
    """

    score: np.ndarray
    hessian: np.ndarray
    told: np.ndarray
    change: Callable
    scale: float


def update_knot(models: Sequence[CountModel], k: int, sweep: int, noise: np.ndarray) -> None:
    """One Newton step of S and c at a knot, on pairs that it takes part in.

    Parameters
    ----------
    models : sequence of CountModel
        Of maps that share S; each has its own c.
    k : int
    sweep : int
        Those done.
    noise : ndarray, (2 DRAWS_OF_A_KNOT, 2, d), float32
        Standard normal.
    """
    first = models[0]
    each = {m: model.knot_terms(k, noise) for m, model in enumerate(models)}
    terms = {m: told for m, told in each.items() if told is not None}
    if k == len(first.S) - 1:
        for m, told in terms.items():
            models[m].offset[k] += told.score[0] / told.hessian[0] if told.hessian[0] > 0 else 0.0
        return
    if not terms:
        return
    # prior: a walk from knot to knot
    part, p = first.part, len(first.part)
    theta = np.column_stack([first.entries(first.S), *(model.offset for model in models)])
    rest = np.full(len(models), OFFSET_PRECISION)
    up = np.append(1 / first.step_variance[k, part], rest)
    pull, precision = up * (theta[k] - theta[k + 1]), up
    if k:
        down = np.append(1 / first.step_variance[k - 1, part], rest)
        pull, precision = pull + down * (theta[k] - theta[k - 1]), up + down
    size, scale = theta.shape[1], max(told.scale for told in terms.values())
    hessian, score, told_before = np.zeros((size, size)), np.zeros(size), np.zeros(size)
    for m, told in terms.items():
        own = np.append(np.arange(p), p + m)
        hessian[np.ix_(own, own)] += told.hessian
        score[own] += told.score
        told_before[own] += told.told
    pull = pull + hessian @ theta[k] - told_before
    precision = precision + SLACK * np.diag(hessian)
    covariance = inv(hessian + np.diag(precision), assume_a="pos")
    # a step towards what a sample says ends, over the sweeps, at the mean of the samples
    length = 1 / scale + (1 - 1 / scale) / (sweep + 1)
    move = covariance @ (score - pull)
    moved = max(
        np.abs(told.change(first.matrix(move[:p]), move[p + m])).max(initial=0)
        for m, told in terms.items()
    )
    theta[k] += min(length, LARGEST_MOVE / max(moved, 1e-9)) * move
    spread = ((theta[k] - theta[k + 1]) ** 2 + np.diag(covariance))[:p]
    for half in range(2 if first.oriented else 1):
        variance = spread[part == half].mean()
        first.step_variance[k, half] = np.clip(variance, 1e-6, LARGEST_STEP)
    first.S[k] = first.matrix(theta[k, :p])
    for m, model in enumerate(models):
        model.offset[k] = theta[k, p + m]


def principal_axes(R: np.ndarray, S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors in the principal axes of R S R'.

    Parameters
    ----------
    R : ndarray, (m, d), float64
    S : ndarray, (d, d)

    Returns
    -------
    turned : ndarray, (m, r), float64
        Orthogonal columns of mean square 1, by decreasing size in R S R'; r is at most d and m.
    turn : ndarray, (r, d), float64
        R = turned @ turn.
    """
    U, size, Vt = np.linalg.svd(R, full_matrices=False)
    inner = size[:, None] * Vt  # R = U inner
    values, Q = np.linalg.eigh(inner @ S @ inner.T)
    Q = Q[:, np.argsort(-np.abs(values), kind="stable")]
    return U @ Q * np.sqrt(len(U)), Q.T @ inner / np.sqrt(len(U))


def turned_spread(covariance: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Standard deviations of rows R @ back, (m, r), of the covariances (m, d, d) of R."""
    return np.sqrt(np.einsum("ak,nab,bk->nk", back, covariance, back, optimize=True))


def is_coarsest(observed: ChromosomeCounts) -> bool:
    """Whether larger bins would be too few."""
    return observed.span < COARSENING * FEWEST_BINS


def _eigenvectors(observed: ChromosomeCounts, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Leading eigenvectors of log O/E, without its mean at each distance, (m, d) and (d, d).

    In shallow maps, that mean is not 0, and would have the largest eigenvalues.
    """
    position, region = observed.position, observed.region
    dist = np.abs(position[:, None] - position)
    log_expected = observed.log_expected[region[:, None], region, dist]
    used = log_expected > NO_PAIR / 2
    log_mean = log_expected + observed.log_exposure[:, None] + observed.log_exposure
    mean = np.exp(np.where(used, log_mean, 0.0))
    matrix = np.where(used, np.log1p(observed.counts.toarray()) - np.log1p(mean), 0.0)
    total, n = np.bincount(dist.ravel(), matrix.ravel()), np.bincount(dist.ravel(), used.ravel())
    centred = np.where(used, matrix - (total / np.maximum(n, 1))[dist], 0.0)
    values, vectors = np.linalg.eigh(centred)
    first = np.argsort(-np.abs(values), kind="stable")[:d]
    spare = (0, d - len(first))
    return np.pad(vectors[:, first], [(0, 0), spare]), np.diag(np.pad(values[first], spare))


def fit_within_bounds(
    model: Any, sweeps: int, *, where: str, otherwise: str = "", **options: Any
) -> None:
    """Fit a `CountModel`, or the `JointModel` of several maps, with the options of its `fit`.

    Raises
    ------
    InputError
        The fit diverged.
    """
    with threadpool_limits(1, user_api="blas"):  # its products are too small to share
        try:
            model.fit(sweeps, **options)
        except np.linalg.LinAlgError:
            model.R[:] = np.nan
    if not np.isfinite(model.R).all():
        raise InputError(
            f"{where}: the fit of counts ran out of bounds; check that the map holds counts and "
            f"not normalised values{otherwise}"
        )


def likelihood_representation(
    normalized: NormalizedMap,
    chrom: str,
    R: np.ndarray,
    S: np.ndarray,
    *,
    n_knots: int,
    sweeps: int,
    dispersion: float,
    oriented: bool = True,
    barrier: bool = True,
    coarse_below: float = 0,
    seed: int = 0,
    track: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Representations of a chromosome by likelihood, from its eigenvectors.

    Parameters
    ----------
    normalized : NormalizedMap
    chrom : str
    R, S : ndarray, (n, d) and (d, d)
        As `chromloom.models.baselines.eig.eigen_representation` gives them.
    n_knots, sweeps, dispersion, oriented, barrier, seed
        See `CountModel`.
    coarse_below : float
        Contacts per bin below which larger bins are fitted first.
    track : ndarray, (n,), optional
        What signs follow; coverage by raw contacts by default.

    Returns
    -------
    dict of ndarray, float32
        By the names of `HiCLSTM`'s parameters: `embedding` (n, d), mean square 1 over the unmasked
        bins and 0 at masked ones, `spread` (n, d), its standard deviation a posteriori, `S`
        (n_knots, d, d), `offset` (n_knots,) and, with `barrier`, `barrier` (n_knots,), the heights;
        the barriers of the bins are then the last column of an embedding of d + 1, and S's last row
        and column are 0.

    Raises
    ------
    InputError
        The fit diverged.
    """
    observed = ChromosomeCounts.read(normalized, chrom)
    shallow = observed.depth < coarse_below
    logger.info(
        "%s: %.0f contacts per bin%s",
        chrom,
        observed.depth,
        ", larger bins are fitted first" if shallow and not is_coarsest(observed) else "",
    )
    model = CountModel(
        observed,
        R[observed.position],
        S,
        n_knots=n_knots,
        dispersion=dispersion,
        oriented=oriented,
        barrier=barrier,
        seed=seed,
    )
    fit_within_bounds(
        model,
        sweeps,
        where=f"{normalized.path}, {chrom}",
        otherwise=", or fit it together with another map of the assembly (key joint)",
        coarse_to_fine=shallow,
    )
    axes, S, spread = model.canonical()
    out = np.zeros_like(R, dtype=np.float64)
    out[model.position] = axes
    oriented_axes = orient(out, coverage(normalized, chrom) if track is None else track)
    signs = np.where((oriented_axes * out).sum(axis=0) < 0, -1.0, 1.0)
    logger.info("%s: %d sweeps, last S %.3g … %.3g", chrom, sweeps, S[-1, 0, 0], S[-1, -1, -1])
    found = {"embedding": oriented_axes, "S": S * signs[:, None] * signs, "offset": model.offset}
    found["spread"] = np.zeros_like(out)
    found["spread"][model.position] = spread
    if barrier:
        b, height = model.barriers.b, model.barriers.height
        scale = np.sqrt((b**2).mean()) or 1.0
        column = np.zeros((len(out), 1))
        column[model.position, 0] = b / scale
        found["embedding"] = np.hstack([oriented_axes, column])
        column[model.position, 0] = np.sqrt(model.barriers.variance) / scale
        found["spread"] = np.hstack([found["spread"], column])
        found["S"] = np.pad(found["S"], [(0, 0), (0, 1), (0, 1)])
        found["barrier"] = height * scale
        logger.info("%s: barriers of size %.3g, heights %s", chrom, scale, height.round(2))
    return {name: value.astype(np.float32) for name, value in found.items()}
