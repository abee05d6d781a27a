"""What the kernels are given: settings, weights, lanes and edits. No computation lives here."""

from dataclasses import dataclass
from typing import NamedTuple

import torch

UINT16_SCALE = 65534.0
"""A uint16 target t means t / 65534; 0xFFFF means "not in the loss"."""
LARGEST_LOG_RATE = 15.0
"""A Poisson rate is cut at exp(15) times its exposure, so that a wild step cannot overflow."""


@dataclass(frozen=True)
class Spec:
    """Settings of the recurrence.

    Parameters
    ----------
    hidden
        Number of hidden units H.
    norm_input, norm_recurrent, norm_cell
        Layer norm (Ba et al. 2016) on P_i + Q_j (over all 4H jointly), on U h (likewise), on the
        cell before its softsign (over H).
    eps
        Added to the variance inside every layer norm.
    reverse
        Read the columns of a frame from its last to its first.
    """

    hidden: int
    norm_input: bool = False
    norm_recurrent: bool = False
    norm_cell: bool = False
    eps: float = 1e-5
    reverse: bool = False


class Weights(NamedTuple):
    """Weights of the recurrence; gate order i, f, g, o along every axis of 4H.

    `U` (4H, H), `b` (4H,), `w` (H,), `bias` (); gains and shifts of a layer norm that is off are
    None: input and recurrent (4H,), cell (H,).
    """

    U: torch.Tensor
    b: torch.Tensor
    gain_input: torch.Tensor | None
    shift_input: torch.Tensor | None
    gain_recurrent: torch.Tensor | None
    shift_recurrent: torch.Tensor | None
    gain_cell: torch.Tensor | None
    shift_cell: torch.Tensor | None
    w: torch.Tensor
    bias: torch.Tensor


class Loss(NamedTuple):
    """What the outputs of a tile are compared with; see `chromloom.kernels.tile_loss`.

    `target`, `exposure` and `offset` (L, B), `dist_weight` (L,).
    """

    target: torch.Tensor
    dist_weight: torch.Tensor
    sigmoid: bool = False
    exposure: torch.Tensor | None = None
    offset: torch.Tensor | None = None


class Inputs(NamedTuple):
    """Inputs of a tile that a loss has gradients by, or those gradients; None where absent."""

    P: torch.Tensor
    Q: torch.Tensor
    A: torch.Tensor | None = None
    C: torch.Tensor | None = None
    offset: torch.Tensor | None = None


class Lanes(NamedTuple):
    """Single runs of the recurrence, all int64 (N,).

    `rows`: bin of the row; `starts`: first column; `lengths`: steps; `edits`: number of the edit in
    `Edits` that the lane sees, -1 for none. Runs of lanes whose row and start grow by one, with the
    same length and edit, are computed side by side: keep them together.
    """

    rows: torch.Tensor
    starts: torch.Tensor
    lengths: torch.Tensor
    edits: torch.Tensor


class Edits(NamedTuple):
    """Point edits: E bins, each with what replaces its vectors as a row and as a column.

    `bins` (E,) int64, `P` and `Q` (E, 4H), `A` and `C` (E, D) or None.
    """

    bins: torch.Tensor
    P: torch.Tensor
    Q: torch.Tensor
    A: torch.Tensor | None = None
    C: torch.Tensor | None = None
