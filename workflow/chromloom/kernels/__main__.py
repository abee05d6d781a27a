"""Compile the CPU code before its first use, for numba's cache: `python -m chromloom.kernels`."""

import numpy as np
import torch

from chromloom.kernels import Edits, Spec, Weights, counts, lanes_forward, lanes_of_bins, tile_loss


def compile_recurrence() -> None:
    """One tile forward and backward, and one knockout, in float32."""
    hidden, n, steps = 4, 8, 8
    spec = Spec(hidden, norm_input=True, norm_recurrent=True, norm_cell=True)
    of_gates, of_cell = torch.ones(4 * hidden), torch.ones(hidden)
    weights = Weights._make(
        (torch.ones(4 * hidden, hidden), *[of_gates] * 5, *[of_cell] * 3, torch.zeros(()))
    )
    P, Q, ok = torch.ones(n, 4 * hidden), torch.ones(n + steps - 1, 4 * hidden), torch.ones
    read = ok(n, dtype=torch.bool), ok(n + steps - 1, dtype=torch.bool)
    for dtype in (torch.float16, torch.uint16):
        target = torch.zeros(steps, n).to(dtype)
        tile_loss(P, Q, weights, spec, *read, target, torch.ones(steps), backend="cpu")
    bins = torch.tensor([3])
    lanes = lanes_of_bins(bins, n, reach=steps, frame=steps)
    edits = Edits(bins, P[:1], P[:1], None, None)
    lanes_forward(P, P, weights, spec, lanes, read[0], read[0], edits=edits, backend="cpu")


def compile_counts() -> None:
    """One step of the count model."""
    n, d, knots = 4, 2, 2
    R, numbers = np.ones((n, d), np.float32), np.ones(n, np.float32)
    rows, knot = np.arange(n), np.zeros(n, np.int64)
    indptr, indices = np.arange(n + 1, dtype=np.int32), np.arange(n, dtype=np.int32)
    model = (
        R, np.ones((2, knots, d, n), np.float32),
        np.zeros(knots, np.float32), np.zeros(knots, np.float32),
        np.zeros(n + 1, np.float32), knot, numbers, rows, indptr, indices, numbers, numbers,
        np.ones((1, 1, n), np.float32), knot, np.float32(0.01),
    )  # fmt: skip
    square, near = np.zeros((n, n), np.float32), np.zeros((n, 3), np.float32)
    counts.newton_rows(
        rows, *model, np.zeros((n, d, d), np.float32), np.zeros((n, d), np.float32), square
    )
    counts.near_pairs(*model, near, near.copy())
    counts.sum_across(near, np.zeros(n))
    counts.apply_information(np.ones(n), near, np.zeros(n))
    counts.fill_symmetric(indices[:0], indices[:0], indices[:0], rows, indices, numbers)
    counts.counts_of(rows, rows, indptr, indices, numbers, numbers.copy())
    out = np.zeros((counts.n_products(d, True), n), np.float32)
    root, noise = np.ones((n, d, d), np.float32), np.ones((n, 2, d), np.float32)
    counts.drawn_products(rows, rows, R, root, noise, numbers, out)


if __name__ == "__main__":
    compile_recurrence()
    compile_counts()
