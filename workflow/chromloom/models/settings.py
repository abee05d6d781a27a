"""What the settings of all models share: parts, flat options, checks, and the objective.

Settings are frozen dataclasses made of parts (`Objective` here, further ones beside a model), while
users write options by one flat list of names (`training.options`), as does `config.json`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import Any, ClassVar, Self

from chromloom.errors import InputError


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
            elif type(value) is not kind:
                raise InputError(
                    f"model setting {field.name}={value!r} is of the wrong type; "
                    f"expected {getattr(kind, '__name__', kind)}"
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
            raise InputError(
                f"model settings {', '.join(unknown)} are unknown; expected some of "
                f"{', '.join(sorted(known))}"
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
