"""The mean of several predictors as a predictor of its own: settings, and what was trained."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from chromloom.errors import InputError
from chromloom.models.registry import find_model, load, model_settings
from chromloom.models.settings import Settings

if TYPE_CHECKING:  # a study is planned with the settings and without torch
    from torch import Tensor

    from chromloom.models.predictor import Fitted


@dataclass(frozen=True)
class MeanSettings(Settings):
    """Of which predictors the mean is taken.

    Attributes
    ----------
    models : tuple of str
        Models of the table that read features of bins.
    options : dict
        Model -> its settings that differ from its own defaults.
    """

    models: tuple[str, ...] = ("weave", "pairs-xgboost")
    options: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.models:
            line = find_model(name)
            if name == self.preset or line.inputs != "features" or "map" not in line.gives:
                raise InputError(
                    f"models: no mean can be taken of {name!r}; expected predictors of maps that "
                    "read features of bins, such as weave and pairs-xgboost"
                )
        if not self.models or len(set(self.models)) < len(self.models):
            raise InputError("models: expected some predictors, each once")
        if unknown := sorted(set(self.options) - set(self.models)):
            raise InputError(
                f"options of {unknown[0]!r}, which is not among models: {', '.join(self.models)}"
            )
        self.members()

    def members(self) -> list[tuple[str, Any]]:
        """Name and settings of each."""
        return [(name, model_settings(name, **self.options.get(name, {}))) for name in self.models]


class FittedMean:
    """Trained models whose mean log ratio is the prediction.

    Parameters
    ----------
    fitted : sequence of Fitted
    """

    def __init__(self, fitted: "Sequence[Fitted]") -> None:
        self.fitted = fitted
        self.stride = math.lcm(*(each.stride for each in fitted))

    @classmethod
    def of_tensors(
        cls,
        settings: MeanSettings,
        tensors: "Mapping[str, Tensor]",
        *,
        mirrored: np.ndarray,
        n_distances: int,
        device: str = "cpu",
    ) -> Self:
        """The models whose states `tensors` holds, each under its name."""
        return cls(
            [
                load(find_model(name).trained).of_tensors(
                    own,
                    {
                        key.removeprefix(f"{name}."): tensor
                        for key, tensor in tensors.items()
                        if key.startswith(f"{name}.")
                    },
                    mirrored=mirrored,
                    n_distances=n_distances,
                    device=device,
                )
                for name, own in settings.members()
            ]
        )

    @property
    def context(self) -> int:
        """Bins beyond both ends of a pair that its prediction depends on."""
        return max(each.context for each in self.fitted)

    def log_ratio(self, features: np.ndarray) -> np.ndarray:
        """Mean of what the models say, (n_distances, n), float32; NaN beyond the end."""
        first, *others = (each.log_ratio(features) for each in self.fitted)
        return sum(others, first) / np.float32(len(self.fitted))
