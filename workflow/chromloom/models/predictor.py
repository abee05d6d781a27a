"""Predictors on disk: learnt on some samples and chromosomes, applied to others.

A folder `{predictor}/{fold}` holds `model.safetensors`; `config.json` (the model, its settings,
seed, resolution, distances); `inputs.json` (signals by name with transforms, assembly, bin size,
training samples); `splits.tsv` (`training.splits`); `history.tsv`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from safetensors.torch import load_file, save_file
from torch import Tensor, as_tensor

from chromloom.errors import CheckpointError
from chromloom.files import atomic_path, write_json
from chromloom.models.registry import find_model, load, model_settings
from chromloom.models.trained import resolve_device

FILES = ("model.safetensors", "config.json", "inputs.json")
KEPT = ("mean", "scale", "centre", "expected")
"""Of `Constants`, beside the weights."""
BACKGROUND = 0.1
"""Share of the training bins in which a signal is at its background or lower."""


class Fitted(Protocol):
    """What a model of scope `study` makes of what it reads.

    Attributes
    ----------
    stride : int
        Bins by which a window may begin later and the prediction of what lies farther than
        `context` from its ends stays the same: 1 for most models.
    """

    stride: int

    @classmethod
    def of_tensors(
        cls,
        settings: Any,
        tensors: Mapping[str, Tensor],
        *,
        mirrored: np.ndarray,
        n_distances: int,
        device: str = "cpu",
    ) -> Self:
        """The model whose state `tensors` holds."""

    @property
    def context(self) -> int:
        """Bins beyond both ends of a pair that its prediction depends on."""

    def log_ratio(self, features: np.ndarray) -> np.ndarray:
        """Log of contact over expected, (n_distances, n), of inputs (n_rows, n * step)."""


@dataclass(frozen=True)
class Constants:
    """What is taken from the training bins beside the weights.

    Attributes
    ----------
    names : tuple of str
        Rows of what is read.
    mean, scale, centre : ndarray, (n_rows,), float64
        0, 1 and 0 where it is read as it is. The centre is taken off: the background of signals
        (quantile `BACKGROUND` of the training bins, 0 of peaks), the mean of other features.
    standardised : bool
    expected : ndarray, (n_distances,), float64
        Contact strength by distance.
    """

    names: tuple[str, ...]
    mean: np.ndarray
    scale: np.ndarray
    centre: np.ndarray
    expected: np.ndarray
    standardised: bool = True

    @classmethod
    def as_it_is(cls, names: Sequence[str], expected: np.ndarray) -> Self:
        """Constants that leave what is read as it is, a missing value being 0."""
        one = np.ones(len(names))
        return cls(
            tuple(names), 0 * one, one, 0 * one, np.asarray(expected, float), standardised=False
        )

    @classmethod
    def of(
        cls, names: Sequence[str], features: np.ndarray, expected: np.ndarray, *, n_signals: int
    ) -> Self:
        """Constants of the features (n_features, n) of training bins.

        The first `n_signals` are of signals, of which the background is taken off, so that 0 is no
        signal, also of read depth, which is nowhere 0.
        """
        known = np.isfinite(features)
        n = np.maximum(known.sum(axis=1), 1)
        mean = np.where(known, features, 0).sum(axis=1, dtype=float) / n
        centred = np.where(known, features - mean[:, None], 0)
        scale = np.sqrt((centred**2).sum(axis=1, dtype=float) / n)
        scale, centre = np.where(scale > 0, scale, 1), mean.copy()
        seen = known[:n_signals].any(axis=1)
        background = np.nanquantile(features[:n_signals][seen], BACKGROUND, axis=1)
        centre[:n_signals] = 0
        centre[:n_signals][seen] = background
        return cls(tuple(names), mean, scale, centre, np.asarray(expected, float))

    def tensors(self) -> dict[str, Tensor]:
        """The numbers, as they are kept among the tensors of a model."""
        return {f"constants.{name}": as_tensor(getattr(self, name)) for name in KEPT}

    @classmethod
    def take(cls, tensors: dict[str, Tensor], names: Sequence[str], *, standardised: bool) -> Self:
        """Take the numbers out of the tensors of a model.

        Raises
        ------
        KeyError
            One is not there.
        """
        values = {name: tensors.pop(f"constants.{name}").numpy() for name in KEPT}
        return cls(tuple(names), **values, standardised=standardised)

    def prepare(self, features: np.ndarray) -> np.ndarray:
        """What the model is given: features of standard deviation 1, and one more.

        The last feature says that a bin has none of the others. What is not standardised is not
        changed, but where it is missing.

        Parameters
        ----------
        features : ndarray, (n_features, n)
            NaN = missing, which becomes the mean.

        Returns
        -------
        ndarray, (n_features + 1, n), float32
            Without NaN; (n_features, n) where it is not standardised.
        """
        if not self.standardised:
            return np.nan_to_num(features).astype(np.float32)
        known = np.isfinite(features)
        filled = np.where(known, features, self.mean[:, None])
        scaled = (filled - self.centre[:, None]) / self.scale[:, None]
        return np.vstack([scaled, ~known.any(axis=0)]).astype(np.float32)


@dataclass(frozen=True)
class Predictor:
    """A trained predictor of one fold.

    Attributes
    ----------
    config, inputs : dict
        As in `config.json` and `inputs.json`.
    constants : Constants
    tensors : dict
        State of the model.
    """

    config: dict[str, Any]
    inputs: dict[str, Any]
    constants: Constants
    tensors: dict[str, Tensor]

    def fitted(self, device: str = "cpu") -> Fitted:
        """The model, ready to predict."""
        line = find_model(self.config["model"])
        settings = model_settings(self.config["model"], **_options(self.config["settings"]))
        return load(line.trained).of_tensors(
            settings,
            self.tensors,
            mirrored=np.array(self.config["mirrored"]),
            n_distances=self.config["n_distances"],
            device=str(resolve_device(device)),
        )

    @property
    def written(self) -> dict[str, Any]:
        """What is kept of the configuration."""
        return self.config | {"features": list(self.constants.names)}

    @property
    def state(self) -> dict[str, Tensor]:
        """What is kept of the numbers."""
        tensors = self.tensors | self.constants.tensors()
        return {name: tensor.contiguous() for name, tensor in tensors.items()}

    @classmethod
    def of(
        cls, written: Mapping[str, Any], inputs: Mapping[str, Any], state: Mapping[str, Tensor]
    ) -> Self:
        """The predictor of which `written`, `inputs` and `state` were kept.

        Raises
        ------
        KeyError
            Something is not there.
        """
        config, tensors = dict(written), dict(state)
        standardised = find_model(config["model"]).inputs == "features"
        constants = Constants.take(tensors, config.pop("features"), standardised=standardised)
        return cls(config, dict(inputs), constants, tensors)

    def write(self, folder: str | Path) -> None:
        """Write `FILES` into a folder."""
        folder = Path(folder)
        with atomic_path(folder / FILES[0]) as path:
            save_file(self.state, path)
        write_json(self.written, folder / FILES[1])
        write_json(self.inputs, folder / FILES[2])

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a folder.

        Raises
        ------
        CheckpointError
            A file is missing or damaged.
        """
        folder = Path(folder)
        try:
            config = json.loads((folder / FILES[1]).read_text())
            inputs = json.loads((folder / FILES[2]).read_text())
            return cls.of(config, inputs, load_file(folder / FILES[0]))
        except (OSError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"{folder} is no predictor ({error!r}); expected {', '.join(FILES)}, as training "
                "writes them: train it again"
            ) from error


def _options(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "preset"}
