"""Features of genes piece by piece, so that a network finds thresholds as trees do.

Gorishniy et al., NeurIPS 2022, "On embeddings for numerical features in tabular deep learning",
Section 3.2 (piecewise linear encoding between quantiles).
"""

from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from chromloom.errors import CheckpointError
from chromloom.expression.baselines import spread

FILE = "encoding.npz"
ARRAYS = ("mean", "scale", "feature", "low", "high")
_FEWEST = 100  # genes with a value above 0 that quantiles are told from


class Encoding:
    """Features piece by piece, beside themselves standardised.

    Attributes
    ----------
    arrays : dict of ndarray
        mean, scale (n_features,); feature, low, high (n_pieces,): borders of the pieces.
    """

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.arrays = arrays

    @classmethod
    def fit(cls, values: np.ndarray, pieces: int) -> "Encoding":
        """Borders of the pieces of training genes, (n_genes, n_features)."""
        feature, low, high = [], [], []
        for k, column in enumerate(values.T):
            positive = column[column > 0]
            borders = np.array([0.0, 1.0])
            if len(positive) >= _FEWEST:
                quantiles = np.quantile(positive, np.linspace(0, 1, pieces + 1))
                borders = np.unique(np.append(0, quantiles))
            feature += [k] * (len(borders) - 1)
            low += list(borders[:-1])
            high += list(borders[1:])
        mean, scale = spread(values)
        return cls(
            {
                "mean": mean,
                "scale": scale,
                "feature": np.array(feature),
                "low": np.array(low),
                "high": np.array(high),
            }
        )

    def apply(self, values: np.ndarray) -> Tensor:
        """Encoded features, (n_genes, n_pieces + n_features), float32.

        Each piece is 0 below it, 1 above it and linear within, less a half.
        """
        a = self.arrays
        share = (values[:, a["feature"]] - a["low"]) / (a["high"] - a["low"])
        standard = (values - a["mean"]) / a["scale"]
        parts = [np.clip(share, 0, 1) - 0.5, standard / 2]
        return torch.from_numpy(np.hstack(parts).astype(np.float32))

    @property
    def size(self) -> int:
        """Numbers that the features of a gene become."""
        return len(self.arrays["feature"]) + len(self.arrays["mean"])

    def save(self, folder: str | Path, **beside: np.ndarray) -> None:
        """Write encoding.npz to a folder that exists, with further arrays."""
        np.savez(Path(folder) / FILE, **self.arrays, **beside)  # type: ignore[arg-type]

    @classmethod
    def load(
        cls, folder: str | Path, beside: Sequence[str] = ()
    ) -> tuple["Encoding", dict[str, np.ndarray]]:
        """Read what `save` wrote, and further arrays by name.

        Raises
        ------
        CheckpointError
            The file is missing or damaged.
        """
        path = Path(folder) / FILE
        try:
            with open(path, "rb") as handle, np.load(handle) as file:
                arrays = dict(file)
            own = {name: arrays[name] for name in ARRAYS}
            others = {name: arrays[name] for name in beside}
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise CheckpointError(
                f"{path} cannot be read ({error}); train the model again"
            ) from error
        return cls(own), others
