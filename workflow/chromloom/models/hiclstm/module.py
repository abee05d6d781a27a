"""Hi-C-LSTM: settings of the presets, and the torch module of `paper`, `refined` and `eig`.

One vector R_i a bin; an LSTM reads the pairs (i, i + d0), (i, i + d0 + 1), … of one frame and puts
out the target of each. Since the input is a pair, the input projection is P_i + Q_j with
P = R W_row', Q = R W_col', computed once a tile; the recurrence itself lives in
`chromloom.kernels`. The published code's model, which reads pairs differently, is in `released`.
"""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from chromloom.errors import InputError
from chromloom.kernels import Spec, Weights, tile_forward
from chromloom.kernels.reference import read_mask, step

_CHOICES = {
    "head": ("step", "frame"),
    "target": ("cp", "log_oe"),
    "start": ("normal", "eig", "likelihood"),
    "loss": ("mse", "poisson"),
    "loss_weight": ("none", "variance"),
    "schedule": ("steps", "one_cycle", "constant"),
}
_RANGES = {  # inclusive
    "embedding_dim": (1, 512),
    "hidden_size": (0, 512),
    "frame": (2, 100_000),
    "directions": (1, 2),
    "layers": (1, 2),
    "knots": (1, 16),
    "lstm_frames": (0, 1_000_000),
    "sweeps": (0, 1_000),
    "epochs": (0, 1_000_000),
    "tile_rows": (1, 1_000_000),
}
_FITTED = {"oriented": 2, "barrier": 3}
"""What start likelihood alone fits -> the fewest knots: S is fixed at the last, h at the last and
the same at the first two."""


@dataclass(frozen=True)
class HiCLSTMSettings:
    """Everything that defines a model and its training, apart from the data and the seed.

    Attributes
    ----------
    preset : str
        Where the other values come from: paper, released, refined or eig.
    embedding_dim : int
        Numbers a bin (d).
    hidden_size : int
        Size of the LSTM state (H); 0 leaves the LSTM out (only the bilinear term).
    frame : int
        Pairs that one LSTM run reads, bins.
    norm_input, norm_recurrent, norm_cell : bool
        Layer norm on the input projection, on the recurrent projection (each over all 4H
        numbers jointly) and on the cell.
    norm_eps : float
        Added to the variance in every layer norm.
    head : {"step", "frame"}
        A linear output at each step, or (`released`) one linear layer over the whole frame.
    target : {"cp", "log_oe"}
        Contact probability, or log((value + k) / (expected + k)); with loss poisson the log of the
        mean strength over the expected, without k.
    bilinear : bool
        Add R_i S(d) R_j + c(d), S (d, d) and c of each chromosome.
    knots : int
        Distances 2, 4, 8, … bins at which S and c are given; between them they are interpolated
        in log d, beyond the last they stay. 1 = the same at every distance.
    oriented : bool
        S(d) need not be symmetric: what a bin is to the bins downstream of it may differ from what
        it is to those upstream. Without it start likelihood fits symmetric ones.
    barrier : bool
        The last number of a bin is a barrier: what it takes from the pairs that span it. Subtract
        h(d) (b_(i+1) + … + b_(j-1)), with heights h at the knots, 0 from the last one on. It is not
        in the bilinear term.
    lstm_frames : int
        Frames that the LSTM reads, from the diagonal; beyond them the bilinear term stands
        alone. 0 = all, as with `carry_state`.
    start : {"normal", "eig", "likelihood"}
        Representations start from N(0, 1), from the leading eigenvectors of the target matrix, or
        from the count model fitted to the map (`chromloom.training.likelihood`), which also gives
        S and c; those are then kept and training is the LSTM's.
    sweeps : int
        Newton sweeps of start likelihood.
    dispersion : float
        Variance of a count beyond Poisson, phi in mu + phi mu^2, in start likelihood.
    loss : {"mse", "poisson"}
        Squared error of the target, or the Poisson deviance of counts.
    loss_weight : {"none", "variance"}
        Weight of a squared error: 1, or 1 / variance of the target at its distance.
    directions : int
        1, or 2: a second LSTM reads each frame backwards and its output is added.
    layers : int
        1, or 2: a second LSTM reads the states of the first, of its size and with the same norms,
        and its output takes the place of the first's. It runs in plain torch, some 15 times slower.
    dropout : float
        Share of the numbers of a bin that a training step does not see (set to 0, the others
        scaled up), drawn anew for rows and columns of every step.
    carry_state : bool
        The state at a frame's end starts the row's next frame, instead of zero.
    distance_input : bool
        The frame's first distance, log(1 + d0 / frame), is a further input of the LSTM.
    cp_a, cp_delta : float
        Coefficients of the contact probability.
    k : float
        Pseudocount of log_oe, on the scale of counts.
    epochs : int
        Passes over the pairs.
    schedule : {"steps", "one_cycle", "constant"}
        Learning rate over the run: `learning_rate` for the first half and a tenth of it for the
        second; one cycle with its maximum at `learning_rate`; or constant.
    learning_rate, embedding_learning_rate : float
        Adam's step for the weights and for the representations.
    clip_norm : float
        Longest gradient, all parameters together; inf for none.
    tile_rows : int
        Rows of a tile: tile_rows * frame pairs make one step. `released`: frames of a batch.
    """

    preset: str = "refined"
    embedding_dim: int = 16
    hidden_size: int = 16
    frame: int = 150
    norm_input: bool = False
    norm_recurrent: bool = False
    norm_cell: bool = True
    norm_eps: float = 1e-5
    head: str = "step"
    target: str = "log_oe"
    bilinear: bool = True
    knots: int = 7
    oriented: bool = False
    barrier: bool = False
    lstm_frames: int = 1
    start: str = "likelihood"
    sweeps: int = 20
    dispersion: float = 0.01
    loss: str = "poisson"
    loss_weight: str = "none"
    directions: int = 1
    layers: int = 1
    dropout: float = 0.0
    carry_state: bool = False
    distance_input: bool = False
    cp_a: float = 8.0
    cp_delta: float = 1e-10
    k: float = 0.5
    epochs: int = 10
    schedule: str = "one_cycle"
    learning_rate: float = 0.01
    embedding_learning_rate: float = 0.0
    clip_norm: float = 1.0
    tile_rows: int = 512

    def __post_init__(self) -> None:
        for field in fields(self):
            value, kind = getattr(self, field.name), field.type
            if kind is float and type(value) is int:
                object.__setattr__(self, field.name, float(value))
            elif type(value) is not kind:
                raise InputError(
                    f"model setting {field.name}={value!r} is of the wrong type; "
                    f"expected {kind.__name__}"
                )
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(
                    f"model setting {name}={getattr(self, name)!r} is unknown; "
                    f"expected one of {', '.join(choices)}"
                )
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise InputError(
                    f"model setting {name}={getattr(self, name)} is out of range; "
                    f"expected {low} to {high}"
                )
        positive = ("norm_eps", "cp_a", "cp_delta", "k", "dispersion", "learning_rate", "clip_norm")
        for name in positive:
            if not getattr(self, name) > 0:
                raise InputError(f"model setting {name}={getattr(self, name)} must be above 0")
        if not 0 <= self.dropout < 1:
            raise InputError(f"model setting dropout={self.dropout}; expected 0 to below 1")
        if self.hidden_size == 0 and not self.bilinear:
            raise InputError("hidden_size=0 leaves nothing to predict with; set bilinear=true")
        if self.bilinear and self.target == "cp":
            raise InputError("bilinear=true needs target=log_oe: the term is a part of log O/E")
        if self.start == "eig" and self.target == "cp":
            raise InputError("start=eig needs target=log_oe: eigenvectors of log O/E are taken")
        if self.start == "likelihood" and self.loss != "poisson":
            raise InputError("start=likelihood needs loss=poisson: it fits the counts themselves")
        if self.loss == "poisson" and self.target == "cp":
            raise InputError("loss=poisson needs target=log_oe: the log of a count's mean")
        if self.knots > 1 and not self.bilinear:
            raise InputError("knots above 1 need bilinear=true: they are its term's")
        for name, knots in _FITTED.items():
            if getattr(self, name) and (self.knots < knots or self.start != "likelihood"):
                raise InputError(
                    f"{name}=true needs {knots} knots or more and start=likelihood, which fits "
                    f"it; set {name}=false"
                )
        if self.barrier and self.embedding_dim < 2:
            raise InputError("barrier=true needs embedding_dim above 1: it takes one of them")
        if self.lstm_frames and not self.bilinear:
            raise InputError("lstm_frames above 0 needs bilinear=true: it stands alone beyond")
        if self.carry_state and self.directions == 2:
            raise InputError("carry_state=true needs directions=1: backwards nothing is carried")
        if self.carry_state and self.layers == 2:
            raise InputError("carry_state=true needs layers=1: only one layer's state is carried")
        if self.preset == "released" and (self.layers == 2 or self.dropout):
            raise InputError("preset=released has layers=1 and dropout=0; take another preset")
        if self.head == "frame" and self.preset != "released":
            raise InputError("head=frame belongs to preset=released; set head=step")

    @classmethod
    def from_preset(cls, name: str, **overrides: Any) -> "HiCLSTMSettings":
        """Settings of a preset with some of them replaced.

        Parameters
        ----------
        name : {"paper", "released", "refined", "eig"}
            Preset.
        **overrides
            Settings by name. Oriented affinities and barriers are left out, unless named, where
            others than the preset's knots or start cannot fit them.

        Raises
        ------
        InputError
            Unknown preset or setting, or values that do not go together.
        """
        if name not in PRESETS:
            raise InputError(f"preset '{name}' is unknown; expected one of {', '.join(PRESETS)}")
        known = {field.name for field in fields(cls)} - {"preset"}
        unknown = set(overrides) - known
        if unknown:
            raise InputError(
                f"model settings {', '.join(sorted(unknown))} are unknown; expected some of "
                f"{', '.join(sorted(known))}"
            )
        values = {"preset": name, **PRESETS[name], **overrides}
        fits = values.get("start", "likelihood") == "likelihood"
        for key, knots in _FITTED.items():
            if not fits or values.get("knots", knots) < knots:
                values[key] = overrides.get(key, False)
        return cls(**values)

    @property
    def lstm_reach(self) -> int:
        """Distances below this are read by the LSTM, bins; 0 = all."""
        return 0 if self.carry_state else self.lstm_frames * self.frame

    @property
    def barrier_reach(self) -> int:
        """Pairs at distances below this have barriers between them, bins; 0 = none have."""
        return 2**self.knots if self.barrier else 0

    @property
    def pseudocount(self) -> float:
        """What log O/E adds to strength and expected: k, or nothing where counts are modelled."""
        return 0.0 if self.loss == "poisson" else self.k

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain values."""
        return asdict(self)


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {
        "hidden_size": 8,
        "norm_input": True,
        "norm_recurrent": True,
        "norm_cell": True,
        "target": "cp",
        "bilinear": False,
        "knots": 1,
        "lstm_frames": 0,
        "start": "normal",
        "loss": "mse",
        "epochs": 10,
        "schedule": "steps",
        "learning_rate": 0.01,
        "embedding_learning_rate": 0.01,
        "clip_norm": 10.0,
    },
    "released": {
        "hidden_size": 8,
        "norm_cell": False,
        "head": "frame",
        "target": "cp",
        "bilinear": False,
        "knots": 1,
        "lstm_frames": 0,
        "start": "normal",
        "loss": "mse",
        "epochs": 1,
        "schedule": "constant",
        "learning_rate": 0.01,
        "embedding_learning_rate": 0.01,
        "clip_norm": 10.0,
        "tile_rows": 210,
    },
    # With 1e-5 the norm turns within 0.003 of a zero cell; no path integral follows that.
    "refined": {"norm_eps": 0.1, "oriented": True, "barrier": True},
    "eig": {
        "hidden_size": 0,
        "norm_cell": False,
        "knots": 1,
        "lstm_frames": 0,
        "start": "eig",
        "loss": "mse",
        "epochs": 0,
    },
}


class Direction(nn.Module):
    """LSTM that reads a frame forwards, or (`reverse`) backwards, with its linear output.

    Parameters W_row, W_col (4H, d), U (4H, H), b (4H,), gains and shifts of the layer norms that
    are on, w (H,), bias (), W_distance (4H,) with `distance_input`. Gates in the order i, f, g, o.
    With two layers the second is `upper`, with W_in (4H, H) in place of W_row and W_col, and only
    it has w and bias.
    """

    def __init__(self, settings: HiCLSTMSettings, *, reverse: bool = False, upper: bool = False):
        super().__init__()
        d, hidden = settings.embedding_dim, settings.hidden_size
        self.spec = Spec(
            hidden=hidden,
            norm_input=settings.norm_input,
            norm_recurrent=settings.norm_recurrent,
            norm_cell=settings.norm_cell,
            eps=settings.norm_eps,
            reverse=reverse,
        )
        shapes = {"W_row": (4 * hidden, d), "W_col": (4 * hidden, d)}
        if settings.distance_input:
            shapes["W_distance"] = (4 * hidden,)
        if upper:
            shapes = {"W_in": (4 * hidden, hidden)}
        shapes |= {"U": (4 * hidden, hidden), "b": (4 * hidden,)}
        self.upper = None
        if settings.layers == 2 and not upper:
            self.upper = Direction(settings, reverse=reverse, upper=True)
        else:
            shapes |= {"w": (hidden,), "bias": ()}
        for place, size in (("input", 4 * hidden), ("recurrent", 4 * hidden), ("cell", hidden)):
            if getattr(settings, f"norm_{place}"):
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
        values = {name: getattr(self, name, None) for name in Weights._fields}
        if self.upper is not None:
            values |= {"w": torch.zeros_like(self.U[0]), "bias": torch.zeros_like(self.b[0])}
        return Weights(**values)

    def read_states(self, hidden: Tensor, row_ok: Tensor, col_ok: Tensor) -> Tensor:
        """Output (L, B) of an upper layer that reads the states (L, H, B) of the one below."""
        weights, ok = self.weights(), read_mask(row_ok, col_ok, len(hidden))  # (L, B)
        x = (hidden.transpose(1, 2) @ self.W_in.T).unbind()  # L times (B, 4H)
        h = c = hidden.new_zeros(hidden.shape[:0:-1])  # (B, H)
        steps, states = range(len(hidden)), [None] * len(hidden)
        for t in reversed(steps) if self.spec.reverse else steps:
            h_new, c_new = step(x[t], h, c, weights, self.spec)
            h = states[t] = torch.where(ok[t, :, None], h_new, h)
            c = torch.where(ok[t, :, None], c_new, c)
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

    def __init__(self, settings: HiCLSTMSettings, n_bins: int, n_chroms: int):
        super().__init__()
        self.settings = settings
        self.embedding = nn.Parameter(torch.zeros(n_bins, settings.embedding_dim))
        self.directions = nn.ModuleList(
            Direction(settings, reverse=reverse)
            for reverse in (False, True)[: settings.directions if settings.hidden_size else 0]
        )
        d = settings.embedding_dim
        self.S = self.offset = self.barrier = None
        self.register_buffer("spread", None, persistent=False)
        if settings.bilinear:
            self.S = nn.Parameter(torch.zeros(n_chroms, settings.knots, d, d))
        if settings.knots > 1:
            self.offset = nn.Parameter(torch.zeros(n_chroms, settings.knots))
        if settings.barrier:
            self.barrier = nn.Parameter(torch.zeros(n_chroms, settings.knots))

    def reset(self, seed: int) -> None:
        """Draw all parameters but S from `seed` (representations from N(0, 1))."""
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.embedding.normal_(generator=generator)
        for direction in self.directions:
            direction.reset(generator, quiet=self.settings.bilinear)

    def decoder_parameters(self) -> list[nn.Parameter]:
        """Parameters that training moves, apart from the representations.

        All others; after start likelihood those of the LSTM alone.
        """
        kept = {"embedding"}
        if self.settings.start == "likelihood":
            kept |= {"S", "offset", "barrier"}
        return [p for name, p in self.named_parameters() if name not in kept]

    def project(
        self, direction: Direction, rows: Tensor, cols: Tensor, d0: int
    ) -> tuple[Tensor, Tensor]:
        """Input projections P (B, 4H) of the rows and Q (B + L - 1, 4H) of the columns."""
        P = rows @ direction.W_row.T  # (B, 4H)
        if self.settings.distance_input:
            P = P + direction.W_distance * math.log1p(d0 / self.settings.frame)
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
            below, to_next = torch.from_numpy(below - first).to(at), torch.from_numpy(to_next)
            to_next = to_next.to(rows)
            share[below, at] = 1 - to_next
            share[(below + 1).clamp(max=len(share) - 1), at] += to_next
            A = torch.einsum("ba,kac->bkc", rows, S[first:last])  # (B, knots, d)
            windows = cols[: len(rows) + n_near - 1].unfold(0, n_near, 1)  # (B, d, n_near)
            product = torch.bmm(A, windows) + offset[first:last, None]  # (B, knots, n_near)
            near = torch.einsum("bkt,kt->tb", product, share)
            if self.barrier is not None:
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
        if self.settings.carry_state:
            y = self._carried(rows, cols, A, C, row_ok, col_ok, options)
        else:
            y = self._read(rows, cols, A, C, row_ok, col_ok, d0, options)
        if self.offset is None:
            return y
        return y + self.bilinear(rows, cols, chrom, d0, between=between, strand=strand)

    def reads(self, d0: int) -> bool:
        """Whether the LSTM reads the frame that starts at distance d0."""
        reach = self.settings.lstm_reach
        return bool(self.directions) and (not reach or d0 < reach)

    def _read(self, rows, cols, A, C, row_ok, col_ok, d0, options) -> Tensor:
        """One frame, each direction from a zero state."""
        outputs = []
        for direction in self.directions:
            P, Q = self.project(direction, rows, cols, d0)
            ok = (direction.weights(), direction.spec, row_ok, col_ok)
            factors = {} if outputs else {"A": A, "C": C}  # the bilinear term once
            if direction.upper is None:
                outputs.append(tile_forward(P, Q, *ok, **factors, **options))
            else:
                y, hidden = tile_forward(P, Q, *ok, **factors, return_hidden=True, **options)
                outputs.append(y + direction.upper.read_states(hidden, row_ok, col_ok))
        return sum(outputs[1:], outputs[0])

    def _carried(self, rows, cols, A, C, row_ok, col_ok, options) -> Tensor:
        """Frame after frame of a tile that starts at distance 0, the state carried along."""
        (direction,) = self.directions
        n_rows, frame, state, parts = len(rows), self.settings.frame, None, []
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
