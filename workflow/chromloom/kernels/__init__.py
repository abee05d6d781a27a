"""The layer-norm LSTM over pairs of bins, fused: forward, backward and loss of tiles of a map.

A *tile* is rows [i0, i0 + B) x distances [d0, d0 + L) of one chromosome. Row i (a *lane*) runs one
LSTM over the columns i + d0 … i + d0 + L - 1; `Q[r]` is the column i0 + d0 + r, so lane b at step t
reads `Q[b + t]`. Outputs are in band layout: `y[t, b]` is the pair (i0 + b, i0 + b + d0 + t).

    z = LN_in(P_i + Q_j) + LN_rec(U h) + b        gate order i, f, g, o
    c = sigmoid(f) c + sigmoid(i) softsign(g)
    h = sigmoid(o) softsign(LN_cell(c))
    y = w . h + bias + A_i . C_j                  raw output

A column with `col_ok` False (masked, or beyond the chromosome) is not read: the state is held,
the output is 0 and no loss or gradient comes from it. A row with `row_ok` False reads nothing.
What masked rows and columns of P, Q, A and C hold is never looked at, but they must be finite.

A row that starts from a given state carries it across frames; two directions are two tiles, one
with `reverse`, whose outputs are added; another head takes the hidden states of every step.
`lanes_forward` computes any set of lanes, each with its own point edit.

`spec.py` says what the settings and weights are, `reference.py` is the same in plain torch: the
oracle of the tests; `cpu.py` is the numba code, of the parts `forward.py`, `backward.py` and
`loss.py` over `simd.py` and `layout.py`; `gpu.py` is the Triton code, `autograd.py` makes torch
functions of both, and `api.py` chooses. `threads.py` says how many threads there are, `cache.py`
where compiled code is kept. `counts.py` has the inner loops of the count model.
"""

from chromloom.kernels.api import (
    lanes_forward,
    lanes_of_bins,
    tile_forward,
    tile_gradients,
    tile_loss,
)
from chromloom.kernels.spec import LARGEST_LOG_RATE, UINT16_SCALE, Edits, Lanes, Spec, Weights
from chromloom.kernels.threads import kernel_threads_only

__all__ = [
    "LARGEST_LOG_RATE",
    "UINT16_SCALE",
    "Edits",
    "Lanes",
    "Spec",
    "Weights",
    "kernel_threads_only",
    "lanes_forward",
    "lanes_of_bins",
    "tile_forward",
    "tile_gradients",
    "tile_loss",
]
