"""Barriers between bins: the part of the count model in which a bin speaks for pairs across it.

Two bins meet less often the more boundaries lie between them, whatever they are themselves. So the
log rate of the pair (i, j) has, up to the last knot's distance, the term

    - h(d) (b_(i+1) + … + b_(j-1)),    d = j - i,

with one number b a bin and heights h given at the knots, 0 at the last. It is what loop extrusion
expects of a site that stops an extruder with some probability (Fudenberg et al. 2016): on the way
from i to j the chances of passing multiply. All pairs that span a bin pull at its b at once, hence
Newton's system by conjugate gradients, each product one pass over the pairs near the diagonal.
"""

from collections.abc import Callable

import numpy as np

from chromloom.kernels.counts import apply_information, sum_across

CG_STEPS, CG_TOLERANCE = 25, 1e-10
FIRST_VARIANCE = 1e-2
SMALLEST_VARIANCE = 1e-8
HEIGHT_PRECISION = 1.0
"""Of a height around the last one: where barriers say nothing, their heights stay."""


class Barriers:
    """Barriers of the unmasked bins of one chromosome.

    Parameters
    ----------
    position : ndarray, (n,), int64
        Bin number of each row, ascending.
    knot, between : ndarray, (span,)
        At each distance, the knot below and the share of the next one.
    n_knots : int

    Attributes
    ----------
    b : ndarray, (n,), float64
    height : ndarray, (n_knots,), float64
        h at the knots. The largest is 1: scale and sign are with b, positive = insulating.
    variance : ndarray, (n,), float64
        Of b a posteriori, all others held.
    reach : int
        Largest distance of a pair that barriers act on, bins.
    """

    def __init__(self, position: np.ndarray, knot: np.ndarray, between: np.ndarray, n_knots: int):
        n = len(position)
        self.b, self.height = np.zeros(n), np.linspace(1, 0, n_knots)
        self.reach = min(2**n_knots - 1, len(knot) - 1) if n_knots > 1 else 0
        self.variance, self._prior = np.zeros(n), FIRST_VARIANCE
        # distances of the rows i and i + 1 + t; where there is no such pair its weight is 0
        ahead = np.arange(n)[:, None] + 1 + np.arange(self.reach)
        dist = position[np.minimum(ahead, n - 1)] - position[:, None]
        self._dist = np.clip(dist, 0, self.reach)  # (n, reach)
        at = np.arange(self.reach + 1)
        self._share = np.zeros((len(at), n_knots))  # of each knot at each distance
        self._share[at, knot[at]] = 1 - between[at]
        self._share[at, np.minimum(knot[at] + 1, n_knots - 1)] += between[at]

    @property
    def passed(self) -> np.ndarray:
        """Sum of the barriers before each row, (n + 1,), float64."""
        return np.concatenate([[0.0], np.cumsum(self.b)])

    def update_barriers(self, score: np.ndarray, weight: np.ndarray, damping: float) -> None:
        """One Newton step of b.

        Parameters
        ----------
        score, weight : ndarray, (n, reach), float32
            From `chromloom.kernels.counts.near_pairs`.
        damping : float
            Share of the step that is made.
        """
        gradient, diagonal, product = self.system(score, weight)
        gradient -= self.b / self._prior
        diagonal += 1 / self._prior
        step = solve(gradient, diagonal, lambda v: product(v) + v / self._prior)
        self.b += damping * step
        self.variance = 1 / diagonal
        self._prior = max((self.b**2 + self.variance).mean(), SMALLEST_VARIANCE)

    def system(self, score: np.ndarray, weight: np.ndarray) -> tuple:
        """Newton's system of b without its prior; parameters as for `update_barriers`.

        Returns
        -------
        gradient, diagonal : ndarray, (n,), float64
        product : function
            Of a vector (n,): the Fisher information times it.
        """
        n = len(self.b)
        height = (self._share @ self.height).astype(np.float32)[self._dist]  # (n, reach)
        information = height**2 * weight
        gradient, diagonal = np.empty(n), np.empty(n)
        sum_across(-height * score, gradient)
        sum_across(information, diagonal)

        def product(v: np.ndarray) -> np.ndarray:
            out = np.empty(n)
            apply_information(v, information, out)
            return out

        return gradient, diagonal, product

    def update_height(self, score: np.ndarray, weight: np.ndarray, damping: float) -> None:
        """One Newton step of the heights; parameters as for `update_barriers`."""
        gradient, information = self.height_system(score, weight)
        self.rescale(self.move_height(damping * height_step(gradient, information)))

    def height_system(self, score: np.ndarray, weight: np.ndarray) -> tuple:
        """Gradient (K - 2,) and information (K - 2, K - 2) of the heights but the last."""
        across = self._across()
        slope, curve = (
            np.bincount(self._dist.ravel(), x.ravel(), self.reach + 1)
            for x in (-score * across, weight * across**2)
        )
        share = self._share[:, 1:-1].copy()
        share[:, 0] += self._share[:, 0]  # the first two knots have one height
        return slope @ share, (share * curve[:, None]).T @ share

    def move_height(self, step: np.ndarray) -> float:
        """Add to the heights and bring the largest back to 1; what barriers are multiplied by."""
        self.height[1:-1] += step
        self.height[0] = self.height[1]
        largest = self.height[np.argmax(np.abs(self.height))] or 1.0
        self.height /= largest
        return largest

    def rescale(self, factor: float) -> None:
        """Multiply the barriers."""
        self.b *= factor
        self.variance *= factor**2
        self._prior = max(self._prior * factor**2, SMALLEST_VARIANCE)

    def _across(self) -> np.ndarray:
        """Sum of b over the rows between i and i + 1 + t, (n, reach)."""
        n, passed = len(self.b), self.passed
        ahead = np.arange(n)[:, None] + 1 + np.arange(self.reach)
        return passed[np.minimum(ahead, n)] - passed[1:, None]


def height_step(gradient: np.ndarray, information: np.ndarray) -> np.ndarray:
    """Newton step of the heights but the first and the last, (K - 2,)."""
    return np.linalg.solve(information + HEIGHT_PRECISION * np.eye(len(gradient)), gradient)


def solve(gradient: np.ndarray, diagonal: np.ndarray, product: Callable) -> np.ndarray:
    """Newton step by conjugate gradients.

    Parameters
    ----------
    gradient, diagonal : ndarray, (n,), float64
        The diagonal of the system preconditions it.
    product : function
        Of a vector (n,): the system times it.
    """
    step, rest = np.zeros(len(gradient)), gradient.copy()
    scaled = rest / diagonal
    direction, size = scaled.copy(), rest @ scaled
    first = size
    for _ in range(CG_STEPS):
        if size <= CG_TOLERANCE * first:
            break
        applied = product(direction)
        length = size / (direction @ applied)
        step += length * direction
        rest -= length * applied
        scaled = rest / diagonal
        size, before = rest @ scaled, size
        direction = scaled + size / before * direction
    return step
