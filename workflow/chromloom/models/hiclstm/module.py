"""Hi-C-LSTM: the torch module of `paper`, `refined` and `eig`.

One vector R_i a bin; an LSTM reads the pairs (i, i + d0), (i, i + d0 + 1), … of one frame and puts
out the target of each. Since the input is a pair, the input projection is P_i + Q_j with
P = R W_row', Q = R W_col', computed once a tile; the recurrence itself lives in
`chromloom.kernels`. The published code's model, which reads pairs differently, is in `released`.
"""

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from chromloom.kernels import Spec, Weights, tile_forward
from chromloom.kernels.reference import read_mask, step
from chromloom.models.hiclstm.settings import Architecture, HiCLSTMSettings


class Direction(nn.Module):
    """LSTM that reads a frame forwards, or (`reverse`) backwards, with its linear output.

    Parameters W_row, W_col (4H, d), U (4H, H), b (4H,), gains and shifts of the layer norms that
    are on, w (H,), bias (), W_distance (4H,) with `distance_input`. Gates in the order i, f, g, o.
    With two layers the second is `upper`, with W_in (4H, H) in place of W_row and W_col, and only
    it has w and bias.
    """

    W_row: Tensor
    W_col: Tensor
    W_in: Tensor
    W_distance: Tensor
    U: Tensor
    b: Tensor

    def __init__(self, made: Architecture, *, reverse: bool = False, upper: bool = False):
        super().__init__()
        d, hidden = made.embedding_dim, made.hidden_size
        self.spec = Spec(
            hidden=hidden,
            norm_input=made.norm_input,
            norm_recurrent=made.norm_recurrent,
            norm_cell=made.norm_cell,
            eps=made.norm_eps,
            reverse=reverse,
        )
        shapes: dict[str, tuple[int, ...]] = {"W_row": (4 * hidden, d), "W_col": (4 * hidden, d)}
        if made.distance_input:
            shapes["W_distance"] = (4 * hidden,)
        if upper:
            shapes = {"W_in": (4 * hidden, hidden)}
        shapes |= {"U": (4 * hidden, hidden), "b": (4 * hidden,)}
        self.upper: Direction | None = None
        if made.layers == 2 and not upper:
            self.upper = Direction(made, reverse=reverse, upper=True)
        else:
            shapes |= {"w": (hidden,), "bias": ()}
        for place, size in (("input", 4 * hidden), ("recurrent", 4 * hidden), ("cell", hidden)):
            if getattr(made, f"norm_{place}"):
                shapes |= {f"gain_{place}": (size,), f"shift_{place}": (size,)}
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.zeros(shape)))

    def reset(self, generator: torch.Generator, *, quiet: bool) -> None:
        """Draw weights from U(-1/sqrt(H), 1/sqrt(H)); norms start as the identity.

        `quiet` starts the output at 0, so that the bilinear term is met as it is.
        """
        bound = self.spec.hidden**-0.5
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                name = name.removeprefix("upper.")
                if name.startswith("gain"):
                    parameter.fill_(1.0)
                elif name.startswith("shift") or (quiet and name in ("w", "bias")):
                    parameter.zero_()
                else:
                    parameter.uniform_(-bound, bound, generator=generator)

    def weights(self) -> Weights:
        """The kernels' view of the parameters; None for a layer norm that is off.

        The output of a layer with another above it is 0.
        """
        values: dict[str, Any] = {name: getattr(self, name, None) for name in Weights._fields}
        if self.upper is not None:
            values |= {"w": torch.zeros_like(self.U[0]), "bias": torch.zeros_like(self.b[0])}
        return Weights(**values)

    def read_states(self, hidden: Tensor, row_ok: Tensor, col_ok: Tensor) -> Tensor:
        """Output (L, B) of an upper layer that reads the states (L, H, B) of the one below."""
        weights, ok = self.weights(), read_mask(row_ok, col_ok, len(hidden))  # (L, B)
        x = (hidden.transpose(1, 2) @ self.W_in.T).unbind()  # L times (B, 4H)
        h = c = hidden.new_zeros(hidden.shape[:0:-1])  # (B, H)
        steps = range(len(hidden))
        states: list[Tensor] = []
        for t in reversed(steps) if self.spec.reverse else steps:
            h_new, c_new = step(x[t], h, c, weights, self.spec)
            h = torch.where(ok[t, :, None], h_new, h)
            c = torch.where(ok[t, :, None], c_new, c)
            states.append(h)
        if self.spec.reverse:
            states.reverse()
        return torch.where(ok, torch.stack(states) @ weights.w + weights.bias, 0.0)


def new_module(settings: HiCLSTMSettings, lengths: list[int]) -> "HiCLSTM":
    """Module of a genome with chromosomes of so many bins."""
    return HiCLSTM(settings, sum(lengths), len(lengths))


class HiCLSTM(nn.Module):
    """Representations and decoder of `paper`, `refined` and (without an LSTM) `eig`.

    Parameters
    ----------
    settings : HiCLSTMSettings
    n_bins : int
        Bins of the genome; `embedding` is (n_bins, d).
    n_chroms : int
        Chromosomes of the genome; `S` is (n_chroms, knots, d, d) when `bilinear`, `offset`
        (n_chroms, knots) with more than one knot, `barrier` (n_chroms, knots) when barriers are on.

    Attributes
    ----------
    spread : Tensor, (n_bins, d), or None
        How uncertain the representations are (standard deviations a posteriori), while the LSTM is
        trained after start likelihood; not kept.
    """

    S: nn.Parameter | None
    offset: nn.Parameter | None
    barrier: nn.Parameter | None
    spread: Tensor | None

    def __init__(self, settings: HiCLSTMSettings, n_bins: int, n_chroms: int):
        super().__init__()
        self.settings = settings
        made = self.architecture = settings.architecture
        self.embedding = nn.Parameter(torch.zeros(n_bins, made.embedding_dim))
        directions = nn.ModuleList(
            Direction(made, reverse=reverse)
            for reverse in (False, True)[: made.directions if made.hidden_size else 0]
        )
        self.directions = cast("Sequence[Direction]", directions)
        d = made.embedding_dim
        self.S = self.offset = self.barrier = None
        self.register_buffer("spread", None, persistent=False)
        if made.bilinear:
            self.S = nn.Parameter(torch.zeros(n_chroms, made.knots, d, d))
        if made.knots > 1:
            self.offset = nn.Parameter(torch.zeros(n_chroms, made.knots))
        if made.barrier:
            self.barrier = nn.Parameter(torch.zeros(n_chroms, made.knots))

    def reset(self, seed: int) -> None:
        """Draw all parameters but S from `seed` (representations from N(0, 1))."""
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.embedding.normal_(generator=generator)
        for direction in self.directions:
            direction.reset(generator, quiet=self.architecture.bilinear)

    def decoder_parameters(self) -> list[nn.Parameter]:
        """Parameters that training moves, apart from the representations.

        All others; after start likelihood those of the LSTM alone.
        """
        kept = {"embedding"}
        if self.settings.fit.start == "likelihood":
            kept |= {"S", "offset", "barrier"}
        return [p for name, p in self.named_parameters() if name not in kept]

    def project(
        self, direction: Direction, rows: Tensor, cols: Tensor, d0: int
    ) -> tuple[Tensor, Tensor]:
        """Input projections P (B, 4H) of the rows and Q (B + L - 1, 4H) of the columns."""
        P = rows @ direction.W_row.T  # (B, 4H)
        if self.architecture.distance_input:
            P = P + direction.W_distance * math.log1p(d0 / self.architecture.frame)
        return P, cols @ direction.W_col.T

    def bilinear_factors(
        self, rows: Tensor, cols: Tensor, chrom: int
    ) -> tuple[Tensor | None, Tensor | None]:
        """A (B, d) = R_i S and C (B + L - 1, d) = R_j where S is the same at every distance.

        None twice where there is no bilinear term or it changes with distance (`bilinear`).
        """
        if self.S is None or self.offset is not None:
            return None, None
        return rows @ self.S[chrom, 0], cols

    def bilinear(
        self,
        rows: Tensor,
        cols: Tensor,
        chrom: int,
        d0: int,
        *,
        between: Tensor | None = None,
        strand: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """What needs no LSTM of a tile whose first distance is d0, (L, B).

        R_i S(d) R_j + c(d), less the barriers between i and j. `between` and `strand` as in `tile`.
        """
        assert self.S is not None
        S = self.S[chrom]
        if strand is not None:
            S, rows, cols = _oriented(S, rows, cols, strand)
        if self.offset is None:
            return band_product(rows @ S[0], cols)
        offset, n_knots, length = self.offset[chrom], len(S), len(cols) - len(rows) + 1
        n_near = min(max(2**n_knots - d0, 0), length)  # beyond the last knot S stays
        parts = []
        if n_near:
            below, to_next = knot_positions(np.arange(d0, d0 + n_near), n_knots)
            first, last = below[0], min(below[-1] + 2, n_knots)
            share = rows.new_zeros(last - first, n_near)
            at = torch.arange(n_near, device=rows.device)
            knot, of_next = torch.from_numpy(below - first).to(at), torch.from_numpy(to_next)
            of_next = of_next.to(rows)
            share[knot, at] = 1 - of_next
            share[(knot + 1).clamp(max=len(share) - 1), at] += of_next
            A = torch.einsum("ba,kac->bkc", rows, S[first:last])  # (B, knots, d)
            windows = cols[: len(rows) + n_near - 1].unfold(0, n_near, 1)  # (B, d, n_near)
            product = torch.bmm(A, windows) + offset[first:last, None]  # (B, knots, n_near)
            near = torch.einsum("bkt,kt->tb", product, share)
            if self.barrier is not None:
                assert between is not None
                height = self.barrier[chrom, first:last] @ share  # (n_near,)
                near = near - height[:, None] * passed_barriers(between, len(rows), d0, n_near)
            parts.append(near)
        if n_near < length:
            parts.append(band_product(rows @ S[-1], cols[n_near:]) + offset[-1])
        return torch.cat(parts)

    def tile(
        self,
        rows: Tensor,
        cols: Tensor,
        row_ok: Tensor,
        col_ok: Tensor,
        chrom: int,
        d0: int,
        *,
        between: Tensor | None = None,
        strand: tuple[Tensor, Tensor] | None = None,
        backend: str = "auto",
    ) -> Tensor:
        """Raw output (before the sigmoid of target cp) of one tile, differentiable.

        Parameters
        ----------
        rows : Tensor, (B, d)
            Representations of the rows i0 … i0 + B - 1.
        cols : Tensor, (B + L - 1, d)
            Representations of the columns i0 + d0 …; anything where `col_ok` is False.
        row_ok, col_ok : Tensor, (B,) and (B + L - 1,), bool
            False for masked bins and beyond the chromosome's end.
        chrom : int
            Number of the chromosome, which selects S.
        d0 : int
            First distance, bins; the start of a frame. One frame is read, L <= frame; with
            `carry_state` d0 is 0 and any number of frames are, one after the other.
        between : Tensor, (B + d0 + L - 1,), optional
            Barriers of the bins i0 … i0 + B + d0 + L - 2, 0 at masked ones; needed with d0 between
            0 and `HiCLSTMSettings.barrier_reach`. At d0 = 0 those of the columns by default.
        strand : two Tensors, (B,) and (B + L - 1,), optional
            1 or -1 = the bin lies turned round, of rows and of columns. What two bins are to each
            other turns with them; of one that is turned and one that is not, the symmetric part of
            S is taken.
        backend : str
            Of `chromloom.kernels`.

        Returns
        -------
        Tensor, (L, B)
            Band layout; meaningless where row or column is not ok.
        """
        if self.barrier is not None and between is None and not d0:
            between = torch.where(col_ok, cols[:, -1], 0.0)
        if not self.reads(d0):
            return self.bilinear(rows, cols, chrom, d0, between=between, strand=strand)
        A, C = self.bilinear_factors(rows, cols, chrom)
        options = {"backend": backend}
        if self.architecture.carry_state:
            y = self._carried(rows, cols, A, C, row_ok, col_ok, options)
        else:
            y = self._read(rows, cols, A, C, row_ok, col_ok, d0, options)
        if self.offset is None:
            return y
        return y + self.bilinear(rows, cols, chrom, d0, between=between, strand=strand)

    def reads(self, d0: int) -> bool:
        """Whether the LSTM reads the frame that starts at distance d0."""
        reach = self.architecture.lstm_reach
        return bool(self.directions) and (not reach or d0 < reach)

    def _read(self, rows, cols, A, C, row_ok, col_ok, d0, options) -> Tensor:
        """One frame, each direction from a zero state."""
        outputs: list[Tensor] = []
        for direction in self.directions:
            P, Q = self.project(direction, rows, cols, d0)
            weights, spec = direction.weights(), direction.spec
            if direction.upper is None:
                outputs.append(
                    tile_forward(P, Q, weights, spec, row_ok, col_ok, A=A, C=C, **options)
                )
            else:
                y, hidden = tile_forward(
                    P, Q, weights, spec, row_ok, col_ok, A=A, C=C, return_hidden=True, **options
                )
                outputs.append(y + direction.upper.read_states(hidden, row_ok, col_ok))
            A = C = None  # the bilinear term once
        return sum(outputs[1:], outputs[0])

    def _carried(self, rows, cols, A, C, row_ok, col_ok, options) -> Tensor:
        """Frame after frame of a tile that starts at distance 0, the state carried along."""
        (direction,) = self.directions
        n_rows, frame, state, parts = len(rows), self.architecture.frame, None, []
        for start in range(0, len(cols) - n_rows + 1, frame):
            read = slice(start, start + frame + n_rows - 1)
            P, Q = self.project(direction, rows, cols[read], start)
            y, state = tile_forward(
                P,
                Q,
                direction.weights(),
                direction.spec,
                row_ok,
                col_ok[read],
                A=A,
                C=None if C is None else C[read],
                state=state,
                return_state=True,
                **options,
            )
            parts.append(y)
        return torch.cat(parts)


def knot_positions(dist: np.ndarray, n_knots: int) -> tuple[np.ndarray, np.ndarray]:
    """Where distances lie among the knots 2, 4, 8, … bins, in log distance.

    Parameters
    ----------
    dist : ndarray, (m,), int
        Distances, bins.
    n_knots : int

    Returns
    -------
    below : ndarray, (m,), int64
        Number of the knot at or below; the first one for nearer distances.
    between : ndarray, (m,), float64
        Weight of the next knot, 0 at the last one and beyond.
    """
    position = np.clip(np.log2(np.maximum(dist, 2)) - 1, 0, n_knots - 1)
    below = position.astype(np.int64)
    return below, position - below


def passed_barriers(between: Tensor, n_rows: int, d0: int, n_dist: int) -> Tensor:
    """Sum of the barriers that lie between the two bins of each pair.

    Parameters
    ----------
    between : Tensor, (at least n_rows + d0 + n_dist - 1,)
        Barriers of the bins from the first row on.
    n_rows, d0, n_dist : int
        Rows, first distance and number of distances.

    Returns
    -------
    Tensor, (n_dist, n_rows)
        Band layout; 0 at distance 1, without meaning at 0.
    """
    passed = nn.functional.pad(between.double().cumsum(0), (1, 0))  # before each bin
    ends = passed[d0 : d0 + n_rows + n_dist - 1].unfold(0, n_rows, 1)  # (n_dist, n_rows)
    return (ends - passed[1 : n_rows + 1]).to(between.dtype)


def _oriented(
    S: Tensor, rows: Tensor, cols: Tensor, strand: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """S, rows and columns of twice the width, in which turned bins have their turned affinity.

    With S = M + K, M symmetric: R_i M R_j + (s_i + s_j) / 2 R_i K R_j.
    """
    turned = S.transpose(-1, -2)
    even, odd = (S + turned) / 2, (S - turned) / 4
    S = torch.cat([torch.cat([even, odd], -1), torch.cat([odd, 0 * odd], -1)], -2)
    rows, cols = (torch.cat([x, s[:, None] * x], 1) for x, s in zip((rows, cols), strand))
    return S, rows, cols


def band_product(A: Tensor, C: Tensor) -> Tensor:
    """A_i . C_j of a tile in band layout: y[t, b] = A[b] . C[b + t], (L, B)."""
    return _BandProduct.apply(A, C)


class _BandProduct(torch.autograd.Function):
    """The band is a strided view of a matrix product; torch's own gradient of a view is slow."""

    @staticmethod
    def forward(ctx, A, C):
        ctx.save_for_backward(A, C)
        return _band_view(A @ C.T, len(C) - len(A) + 1)

    @staticmethod
    def backward(ctx, grad):
        A, C = ctx.saved_tensors
        product = grad.new_zeros(len(A), len(C))
        _band_view(product, len(grad)).copy_(grad)
        return product @ C, product.T @ A


def _band_view(product: Tensor, n_dist: int) -> Tensor:
    """(B, B + L - 1) -> (L, B), the diagonals that start in the first row."""
    n_rows, n_cols = product.shape
    return product.as_strided((n_dist, n_rows), (1, n_cols + 1))
