"""What the settings of all models share: parts, flat options, checks, objective and network fit.

Settings are frozen dataclasses made of parts (`Objective` and `NetworkFit` here, others beside a
model), while users write options by one flat list of names (`training.options`), as does
`config.json`.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import Any, ClassVar, Self, get_args, get_origin

from chromloom.errors import InputError, nearest


@dataclass(frozen=True)
class Part:
    """Some settings that belong together. Types, choices and ranges are checked.

    Attributes
    ----------
    CHOICES : mapping
        Name -> the values that it may have.
    RANGES : mapping
        Name -> smallest and largest value, inclusive.
    POSITIVE : sequence of str
        Names whose value must be above 0.
    """

    CHOICES: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    RANGES: ClassVar[Mapping[str, tuple[float, float]]] = {}
    POSITIVE: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for field in fields(self):
            value, kind = getattr(self, field.name), field.type
            if kind is float and type(value) is int:
                object.__setattr__(self, field.name, float(value))
            elif get_origin(kind) is tuple and isinstance(value, list):
                object.__setattr__(self, field.name, tuple(value))
            if not _is_of(getattr(self, field.name), kind):
                raise InputError(
                    f"model setting {field.name}={value!r} is of the wrong type; expected "
                    f"{kind if get_origin(kind) else getattr(kind, '__name__', kind)}"
                )
        for name, choices in self.CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(
                    f"model setting {name}={getattr(self, name)!r} is unknown; "
                    f"expected one of {', '.join(choices)}"
                )
        for name, (low, high) in self.RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise InputError(
                    f"model setting {name}={getattr(self, name)} is out of range; "
                    f"expected {low} to {high}"
                )
        for name in self.POSITIVE:
            if not getattr(self, name) > 0:
                raise InputError(f"model setting {name}={getattr(self, name)} must be above 0")


def _is_of(value: Any, kind: Any) -> bool:
    """Whether a value is of a type, or a tuple of values of the type of `tuple[type, ...]`."""
    if get_origin(kind) is tuple:
        return type(value) is tuple and all(type(item) is get_args(kind)[0] for item in value)
    return type(value) is kind


@dataclass(frozen=True)
class Settings(Part):
    """Settings of a model; their parts are fields that are dataclasses themselves.

    Attributes
    ----------
    preset : str
        What `chromloom.models.registry` calls the model's preset.
    """

    preset: str

    @classmethod
    def option_names(cls) -> list[str]:
        """Names of all options, those of the parts among them."""
        return [n for f in fields(cls) if f.name != "preset" for n in _names(f)]

    @classmethod
    def of(cls, preset: str, **options: Any) -> Self:
        """Settings with some of them replaced.

        Parameters
        ----------
        preset : str
        **options
            By name, whichever part they belong to.

        Raises
        ------
        InputError
            An unknown setting, or values that do not fit.
        """
        known = cls.option_names()
        if unknown := sorted(set(options) - set(known)):
            near = nearest(unknown[0], known)
            raise InputError(
                f"model setting {unknown[0]!r} is unknown; "
                + (f"did you mean {near!r}? Expected" if near else "expected")
                + f" some of {', '.join(sorted(known))}"
            )
        values = {}
        for field in fields(cls):
            own = {name: options[name] for name in _names(field) if name in options}
            part: Any = field.default
            if is_dataclass(field.type) and own:
                values[field.name] = replace(part, **own)
            else:
                values |= own
        return cls(preset, **values)

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain values under their flat names."""
        values: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            values |= asdict(value) if isinstance(value, Part) else {field.name: value}
        return values


def _names(field) -> list[str]:
    """Options that a field of settings holds: its own name, or those of a part."""
    return [f.name for f in fields(field.type)] if is_dataclass(field.type) else [field.name]


@dataclass(frozen=True)
class Objective(Part):
    """What a model predicts of a pair, and how a prediction is held to the map.

    Attributes
    ----------
    target : {"cp", "log_oe"}
        Quantity that is predicted: contact probability (cp), or log((value + k) / (expected + k))
        (log_oe). With loss poisson, log_oe is the log of mean contact strength over expected,
        without k.
    loss : {"mse", "poisson"}
        Mean squared error of the target, or Poisson deviance of the counts.
    loss_weight : {"none", "variance"}
        Weight of squared errors: 1, or 1 / variance of the target at the same distance.
    cp_a, cp_delta : float
        Coefficients of the contact probability.
    k : float
        Pseudocount of log_oe, on the scale of counts.
    """

    target: str = "log_oe"
    loss: str = "poisson"
    loss_weight: str = "none"
    cp_a: float = 8.0
    cp_delta: float = 1e-10
    k: float = 0.5

    CHOICES: ClassVar = {
        "target": ("cp", "log_oe"),
        "loss": ("mse", "poisson"),
        "loss_weight": ("none", "variance"),
    }
    POSITIVE = ("cp_a", "cp_delta", "k")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss == "poisson" and self.target == "cp":
            raise InputError("loss=poisson needs target=log_oe: the log of a count's mean")

    @property
    def coefficients(self) -> tuple[float, float]:
        """Those of the contact probability, a and delta."""
        return self.cp_a, self.cp_delta

    @property
    def pseudocount(self) -> float:
        """What log O/E adds to strength and expected: k, or nothing where counts are modelled."""
        return 0.0 if self.loss == "poisson" else self.k


@dataclass(frozen=True)
class NetworkFit(Part):
    """How `chromloom.training.networks` fits a network to windows.

    Attributes
    ----------
    optimizer : {"adam", "adamw", "sgd"}
    learning_rate, weight_decay, momentum : float
        Momentum is of sgd alone.
    renew_optimizer : bool
        The moments of the optimizer are lost at the start of every epoch.
    schedule : {"constant", "cosine", "one-cycle", "halving"}
        Learning rate over training: `learning_rate` throughout; falling to 0 along a cosine; rising
        to it in the first 30 % from a 25th and falling to 0, both along cosines; halved every
        `halve_every` epochs, though not below 1e-6.
    halve_every : int
    epochs, patience : int
        Most times that the training examples are read; epochs without a better validation after
        which training ends, 0 to read on to the last epoch.
    batch_size, accumulate : int
        Examples of a batch over all processes together, and batches of a step.
    clip_norm : float
        Largest norm of the gradient; 0 for no clipping.
    precision : {"32-true", "bf16-mixed", "16-mixed", "64-true"}
        Of the arithmetic.
    devices, nodes : int
        Processes on a machine, one for each GPU, and machines; several machines need a scheduler
        that starts the processes (srun).
    """

    optimizer: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.0
    renew_optimizer: bool = False
    schedule: str = "constant"
    halve_every: int = 16
    epochs: int = 50
    patience: int = 0
    batch_size: int = 1
    accumulate: int = 1
    clip_norm: float = 0.0
    precision: str = "32-true"
    devices: int = 1
    nodes: int = 1

    CHOICES: ClassVar = {
        "optimizer": ("adam", "adamw", "sgd"),
        "schedule": ("constant", "cosine", "one-cycle", "halving"),
        "precision": ("32-true", "bf16-mixed", "16-mixed", "64-true"),
    }
    RANGES: ClassVar = {
        "weight_decay": (0, 1e6),
        "momentum": (0, 0.999999),
        "halve_every": (1, 1_000_000),
        "epochs": (1, 1_000_000),
        "patience": (0, 1_000_000),
        "batch_size": (1, 1_000_000),
        "accumulate": (1, 1_000_000),
        "clip_norm": (0, 1e9),
        "devices": (1, 1024),
        "nodes": (1, 1024),
    }
    POSITIVE = ("learning_rate",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_size % (self.devices * self.nodes):
            raise InputError(
                f"batch_size={self.batch_size} cannot be dealt to {self.devices * self.nodes} "
                "processes (devices x nodes); give a multiple of it"
            )

    def rate(self, epoch: float) -> float:
        """Learning rate after so many epochs, from 0 to below `epochs`."""
        progress = epoch / self.epochs
        factor = 1.0
        if self.schedule == "cosine":
            factor = (1 + math.cos(math.pi * progress)) / 2
        elif self.schedule == "one-cycle" and progress < 0.3:
            factor = 1 - 0.96 * (1 + math.cos(math.pi * progress / 0.3)) / 2
        elif self.schedule == "one-cycle":
            factor = (1 + math.cos(math.pi * (progress - 0.3) / 0.7)) / 2
        elif self.schedule == "halving":
            floor = min(1e-6 / self.learning_rate, 1.0)
            factor = max(0.5 ** int(epoch // self.halve_every), floor)
        return self.learning_rate * factor
