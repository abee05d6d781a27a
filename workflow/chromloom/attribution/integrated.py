"""Integrated gradients of a predicted map with respect to the representations (captum).

The scalar is the sum of the predicted target (or of its square) over the unmasked pairs of one
chromosome; all bins move together from a baseline to R. Every bin enters as the row of its own
pairs, as the column of others' and, where the model has barriers, between the two bins of pairs
that span it; the three parts are kept apart. Source: Sundararajan et al. 2017; article, Methods,
Sequence attribution. The released code deviates (random bins as baseline, one arbitrary output per
sample, row half only); we follow the article.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import IntegratedGradients
from torch import Tensor

from chromloom.kernels import kernel_threads_only

logger = logging.getLogger(__name__)

STALL_STEPS = 32  # from here on, doubling that does not halve the error is given up
TELL_SECONDS = 20  # between two lines of the log

# (rows, columns, between (each (n, d)), lo, hi, d0, d1) -> (d1 - d0, hi - lo) predicted target
Block = Callable[[Tensor, Tensor, Tensor, int, int, int, int], Tensor]


@dataclass(frozen=True)
class Attribution:
    """Integrated gradients of one chromosome.

    Attributes
    ----------
    row, column, between : ndarray, (n,), float64
        Attribution of a bin as row and as column of the map and as a bin between others, in units
        of the scalar, summed over features; NaN = masked.
    total, baseline_total : float
        Scalar at R and at the baseline.
    n_steps : int
        Points of the Gauss-Legendre rule on the path.
    """

    row: np.ndarray
    column: np.ndarray
    between: np.ndarray
    total: float
    baseline_total: float
    n_steps: int

    @property
    def score(self) -> np.ndarray:
        """Attribution of a bin, (n,), float64: all its parts together."""
        return self.row + self.column + self.between

    @property
    def completeness_error(self) -> float:
        """Relative difference of the attributions' sum and F(R) - F(baseline)."""
        change = self.total - self.baseline_total
        return abs(float(np.nansum(self.score)) - change) / max(abs(change), 1e-12)


@kernel_threads_only()
def integrate_gradients(
    block: Block,
    representation: np.ndarray,
    mask: np.ndarray,
    *,
    baseline: np.ndarray,
    min_dist: int = 2,
    max_dist: int | None = None,
    squared: bool = False,
    tolerance: float = 0.01,
    n_steps: int = 16,
    max_steps: int = 128,
    row_block: int = 512,
    frame: int = 150,
) -> Attribution:
    """Attribute the predicted map of one chromosome to its bins.

    Parameters
    ----------
    block : callable
        (rows, columns, between, lo, hi, d0, d1) -> (d1 - d0, hi - lo) predicted target of the
        pairs (i, i + d), differentiable; representations (n, d) in each of the three roles, d0 is a
        frame's start. Values of pairs that do not exist are ignored.
    representation : ndarray, (n, d), float32
        Masked bins are not read.
    mask : ndarray, (n,), bool
        True = masked.
    baseline : ndarray, (d,) or (n, d), float32
        Where the path starts.
    min_dist, max_dist : int
        Distance window in bins, half-open; `max_dist` None is the whole chromosome.
    squared : bool
        Take the square of the target ("signal strength").
    tolerance : float
        Completeness error to reach; the number of steps is doubled until it is, or `max_steps`, or
        doubling no longer helps.
    n_steps, max_steps : int
        Gauss-Legendre points.
    row_block, frame : int
        Pairs are visited in tiles of `row_block` rows and `frame` distances, so that memory does
        not grow with the chromosome.

    Returns
    -------
    Attribution

    Notes
    -----
    Gradients are taken tile by tile inside one autograd function, so that captum sees a function of
    n x d numbers and its graph stays that small. Its internal batching is off. No random numbers.
    """
    mask = np.asarray(mask, bool)
    clean = np.where(mask[:, None], 0, representation).astype(np.float32)
    start = np.where(mask[:, None], 0, np.broadcast_to(baseline, clean.shape)).astype(np.float32)
    tiles = _tiles(mask, min_dist, max_dist, row_block, frame)
    started = told = time.monotonic()
    n_passes = 0

    def scalar(*roles: Tensor) -> Tensor:  # (steps, n, d) for each role -> (steps,)
        nonlocal told, n_passes
        sums = []
        for R in zip(*roles):
            sums.append(_MapScalar.apply(*R, block, mask, min_dist, tiles, squared))
            n_passes += 1
            if (now := time.monotonic()) - told > TELL_SECONDS:
                told = now
                logger.info("%d passes over the map in %.0f s", n_passes, now - started)
        return torch.stack(sums)

    method = IntegratedGradients(scalar)
    end, begin = torch.from_numpy(clean)[None], torch.from_numpy(start)[None]  # (1, n, d)
    with torch.no_grad():
        total, baseline_total = (float(scalar(x, x, x)) for x in (end, begin))
    previous = np.inf
    while True:
        parts = method.attribute((end,) * 3, (begin,) * 3, n_steps=n_steps, method="gausslegendre")
        row, column, between = (part[0].double().sum(dim=1).numpy() for part in parts)  # (n,)
        for values in (row, column, between):
            values[mask] = np.nan
        result = Attribution(row, column, between, total, baseline_total, n_steps)
        error = result.completeness_error
        # Through a recurrent layer norm more points do not help: the gradient itself is noisy.
        stalled = n_steps >= STALL_STEPS and error > previous / 2
        if error <= tolerance or 2 * n_steps > max_steps or stalled:
            return result
        previous = error
        logger.info("completeness error %.2g with %d steps, doubling", error, n_steps)
        n_steps *= 2


class _MapScalar(torch.autograd.Function):
    """Sum of the predicted target over the pairs of a chromosome; its gradient is made at once."""

    @staticmethod
    def forward(ctx, rows, columns, between, block, mask, min_dist, tiles, squared):
        roles = rows, columns, between
        wanted = ctx.needs_input_grad[0]
        total = torch.zeros((), dtype=torch.float64)
        gradients = [torch.zeros_like(x, dtype=torch.float64) for x in roles]
        unmasked = torch.from_numpy(~mask)
        with torch.set_grad_enabled(wanted):
            for lo, hi, d0, d1 in tiles:
                own = [x.detach().requires_grad_(wanted) for x in roles]
                y = block(*own, lo, hi, d0, d1)  # (d1 - d0, hi - lo)
                y = torch.where(_pairs(unmasked, min_dist, lo, hi, d0, d1), y, 0)
                part = (y.square() if squared else y).sum(dtype=torch.float64)
                total += part.detach()
                if wanted and part.requires_grad:
                    found = torch.autograd.grad(part, own, allow_unused=True)
                    for gradient, new in zip(gradients, found):
                        if new is not None:  # not every tile has bins in between
                            gradient += new
        ctx.save_for_backward(*(g.to(rows.dtype) for g in gradients))
        return total

    @staticmethod
    def backward(ctx, upstream):
        return *(upstream.to(g.dtype) * g for g in ctx.saved_tensors), *[None] * 5


def _tiles(mask, min_dist, max_dist, row_block, frame):
    """(lo, hi, d0, d1) of the tiles that hold pairs of the window; d0 is a frame's start.

    Tiles whose rows or columns are all masked hold none: a map of a part costs its part.
    """
    n = len(mask)
    stop = n if max_dist is None else min(max_dist, n)
    before = np.concatenate([[0], np.cumsum(~mask)])  # unmasked bins before each bin
    tiles = []
    for lo in range(0, n, row_block):
        hi = min(lo + row_block, n)
        for d0 in range(min_dist // frame * frame, min(stop, n - lo), frame):
            d1 = min(d0 + frame, stop, n - lo)
            first, last = lo + d0, min(hi + d1 - 1, n)
            if before[hi] > before[lo] and before[last] > before[first]:
                tiles.append((lo, hi, d0, d1))
    return tiles


def _pairs(unmasked, min_dist, lo, hi, d0, d1):
    """(d1 - d0, hi - lo) bool: the pair (i, i + d) exists, is wanted, and neither is masked."""
    columns = torch.zeros(hi - lo + d1 - d0 - 1, dtype=torch.bool)
    own = unmasked[lo + d0 : hi + d1 - 1]  # shorter at the chromosome's end
    columns[: len(own)] = own
    wanted = torch.arange(d0, d1)[:, None] >= min_dist
    return columns.unfold(0, hi - lo, 1) & unmasked[lo:hi] & wanted
