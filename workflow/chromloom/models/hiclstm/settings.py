"""Settings of Hi-C-LSTM: architecture, objective and fit, and the presets.

Users write them as one flat list of names (`training.options`); docs/configuration.md is written
from the docstrings here.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from chromloom.errors import InputError
from chromloom.models.settings import Objective, Part, Settings

_FITTED = {"oriented": 2, "barrier": 3}
"""What start likelihood alone fits -> the fewest knots: S is fixed at the last, h at the last and
the same at the first two."""


@dataclass(frozen=True)
class Architecture(Part):
    """What the module of a model is made of.

    Attributes
    ----------
    embedding_dim : int
        Size of the representation of a bin (d).
    hidden_size : int
        Size of the LSTM state (H); 0 for a model without LSTM (bilinear term only).
    frame : int
        Number of consecutive pairs that the LSTM reads before its state is reset.
    norm_input, norm_recurrent, norm_cell : bool
        Layer norm on the input projection, on the recurrent projection (each over all 4H
        numbers jointly) and on the cell.
    norm_eps : float
        Constant added to the variance in every layer norm.
    head : {"step", "frame"}
        A linear output at each step, or (`released`) one linear layer over the whole frame.
    bilinear : bool
        Add R_i S(d) R_j + c(d), with a matrix S and an offset c for each chromosome.
    knots : int
        Number of distances (2, 4, 8, … bins) at which S and c are fitted. They are interpolated
        in log d and constant beyond the last knot. 1: the same at every distance.
    oriented : bool
        Whether S(d) may be asymmetric, so that the upstream and the downstream neighbours of a bin
        are treated differently. If false, start likelihood fits symmetric matrices.
    barrier : bool
        Use the last number of a bin as a barrier, which reduces the contacts of pairs that span the
        bin: subtract h(d) (b_(i+1) + … + b_(j-1)). Heights h are fitted at the knots and are 0 from
        the last knot on. Barriers are not part of the bilinear term.
    lstm_frames : int
        Number of frames, counted from the diagonal, that the LSTM reads; farther pairs have the
        bilinear term only. 0: all frames, as required by `carry_state`.
    directions : int
        1, or 2 for a second LSTM that reads each frame backwards; its output is added.
    layers : int
        1, or 2 for a second LSTM of the same size and norms that reads the states of the first and
        gives the output. Two layers run in plain torch, some 15 times slower.
    carry_state : bool
        Start a frame from the last state of the previous frame of the row, instead of zero.
    distance_input : bool
        Give the LSTM the first distance of the frame, as log(1 + d0 / frame), as additional input.
    """

    embedding_dim: int = 16
    hidden_size: int = 16
    frame: int = 150
    norm_input: bool = False
    norm_recurrent: bool = False
    norm_cell: bool = True
    norm_eps: float = 1e-5
    head: str = "step"
    bilinear: bool = True
    knots: int = 7
    oriented: bool = False
    barrier: bool = False
    lstm_frames: int = 1
    directions: int = 1
    layers: int = 1
    carry_state: bool = False
    distance_input: bool = False

    CHOICES: ClassVar = {"head": ("step", "frame")}
    RANGES: ClassVar = {
        "embedding_dim": (1, 512),
        "hidden_size": (0, 512),
        "frame": (2, 100_000),
        "directions": (1, 2),
        "layers": (1, 2),
        "knots": (1, 16),
        "lstm_frames": (0, 1_000_000),
    }
    POSITIVE = ("norm_eps",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hidden_size == 0 and not self.bilinear:
            raise InputError(
                "hidden_size=0 without the bilinear term cannot predict; set bilinear=true"
            )
        if self.knots > 1 and not self.bilinear:
            raise InputError("knots above 1 need bilinear=true: they belong to the bilinear term")
        if self.barrier and self.embedding_dim < 2:
            raise InputError(
                "barrier=true needs embedding_dim above 1: one of the numbers is the barrier"
            )
        if self.lstm_frames and not self.bilinear:
            raise InputError(
                "lstm_frames above 0 needs bilinear=true, which predicts the farther pairs"
            )
        if self.carry_state and self.directions == 2:
            raise InputError("carry_state=true needs directions=1: no state is carried backwards")
        if self.carry_state and self.layers == 2:
            raise InputError("carry_state=true needs layers=1: only one layer's state is carried")

    @property
    def lstm_reach(self) -> int:
        """Distances below this are read by the LSTM, bins; 0 = all."""
        return 0 if self.carry_state else self.lstm_frames * self.frame

    @property
    def barrier_reach(self) -> int:
        """Pairs at distances below this have barriers between them, bins; 0 = none have."""
        return 2**self.knots if self.barrier else 0


@dataclass(frozen=True)
class Fit(Part):
    """How a model is trained.

    Attributes
    ----------
    start : {"normal", "eig", "likelihood"}
        Initial representations: drawn from N(0, 1) (normal), the leading eigenvectors of the target
        matrix (eig), or those of the count model fitted to the map (likelihood, see
        `chromloom.training.likelihood`). The count model also gives S and c; representations, S
        and c are then fixed, and only the LSTM is trained.
    sweeps : int
        Number of Newton sweeps of start likelihood.
    coarse_below : int
        Contacts per unmasked bin of a chromosome below which start likelihood fits the same counts
        in bins 4, 16, … times as large first, as long as there are 128 of them or more: without,
        little is left of a shallow map. 0: never. In a joint fit larger bins are fitted first if
        any map is that shallow.
    dispersion : float
        Overdispersion phi of counts, whose variance is mu + phi mu^2, in start likelihood.
    dropout : float
        Fraction of the numbers of a bin that are set to 0 in a training step (the others are scaled
        up), drawn separately for rows and columns of every step.
    epochs : int
        Number of passes over the pairs.
    min_steps : int
        More passes are made until there are so many training steps: those of a whole genome are
        many, of a chromosome few. Not of `released`; 0 where `epochs` is given and this is not.
    schedule : {"steps", "one_cycle", "constant"}
        Learning rate schedule. steps: `learning_rate` in the first half and a tenth of it in the
        second; one_cycle: one cycle with maximum `learning_rate`; constant.
    learning_rate, embedding_learning_rate : float
        Learning rate of Adam for the weights and for the representations.
    clip_norm : float
        Largest norm of the gradient over all parameters; inf for no clipping.
    tile_rows : int
        Rows per training step, which reads tile_rows * frame pairs. `released`: frames per batch.
    """

    start: str = "likelihood"
    sweeps: int = 20
    coarse_below: int = 500
    dispersion: float = 0.01
    epochs: int = 10
    min_steps: int = 0
    schedule: str = "one_cycle"
    learning_rate: float = 0.01
    embedding_learning_rate: float = 0.0
    clip_norm: float = 1.0
    tile_rows: int = 512
    dropout: float = 0.0

    CHOICES: ClassVar = {
        "start": ("normal", "eig", "likelihood"),
        "schedule": ("steps", "one_cycle", "constant"),
    }
    RANGES: ClassVar = {
        "sweeps": (0, 1_000),
        "coarse_below": (0, 1_000_000_000),
        "epochs": (0, 1_000_000),
        "min_steps": (0, 1_000_000_000),
        "tile_rows": (1, 1_000_000),
    }
    POSITIVE = ("dispersion", "learning_rate", "clip_norm")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.dropout < 1:
            raise InputError(f"model setting dropout={self.dropout}; expected 0 to below 1")

    def passes(self, n_steps: int) -> int:
        """Passes over the pairs, of so many steps each, to be made."""
        return max(self.epochs, -(-self.min_steps // max(n_steps, 1))) if self.epochs else 0


@dataclass(frozen=True)
class HiCLSTMSettings(Settings):
    """Everything that defines a model and its training, apart from the data and the seed.

    Attributes
    ----------
    preset : str
        Where values come from that are not given: paper, released, refined or eig.
    architecture : Architecture
    objective : Objective
    fit : Fit
    """

    architecture: Architecture = Architecture()
    objective: Objective = Objective()  # noqa: RUF009 - frozen
    fit: Fit = Fit()

    def __post_init__(self) -> None:
        super().__post_init__()
        made, aim, fit = self.architecture, self.objective, self.fit
        if made.bilinear and aim.target == "cp":
            raise InputError("bilinear=true needs target=log_oe: the term is a part of log O/E")
        if fit.start == "eig" and aim.target == "cp":
            raise InputError("start=eig needs target=log_oe: eigenvectors of log O/E are taken")
        if fit.start == "likelihood" and aim.loss != "poisson":
            raise InputError("start=likelihood needs loss=poisson: it fits the counts themselves")
        for name, knots in _FITTED.items():
            if getattr(made, name) and (made.knots < knots or fit.start != "likelihood"):
                raise InputError(
                    f"{name}=true needs {knots} knots or more and start=likelihood, which fits "
                    f"it; set {name}=false"
                )
        if self.preset == "released" and (made.layers == 2 or fit.dropout):
            raise InputError("preset=released has layers=1 and dropout=0; take another preset")
        if made.head == "frame" and self.preset != "released":
            raise InputError("head=frame belongs to preset=released; set head=step")

    @classmethod
    def from_preset(cls, name: str, **overrides: Any) -> Self:
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
        values = {**PRESETS[name], **overrides}
        if "epochs" in overrides:
            values["min_steps"] = overrides.get("min_steps", 0)
        fits = values.get("start", "likelihood") == "likelihood"
        for key, knots in _FITTED.items():
            if not fits or values.get("knots", knots) < knots:
                values[key] = overrides.get(key, False)
        return cls.of(name, **values)


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {
        "hidden_size": 8,
        # Not on the recurrent projection: with it the model learns far less (docs/limitations.md).
        "norm_input": True,
        "norm_cell": True,
        "target": "cp",
        "bilinear": False,
        "knots": 1,
        "lstm_frames": 0,
        "start": "normal",
        "loss": "mse",
        "epochs": 10,
        "min_steps": 15_000,
        "schedule": "steps",
        "learning_rate": 0.01,
        # A bin is read in few of the steps; on whole genomes all move in all of them.
        "embedding_learning_rate": 0.05,
        "clip_norm": 10.0,
        "tile_rows": 64,
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
