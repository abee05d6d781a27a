"""Trained regressions on pairs as what a predictor asks for log ratios."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from torch import Tensor

from chromloom.models.pairs.features import CONTEXTS, BinFeatures, pair_features, with_distance

ROWS = 256


class Distance:
    """Nothing but distance: the expected of the training maps.

    Parameters
    ----------
    tensors : mapping
        State.
    n_distances : int
    """

    context = 0
    stride = 1

    def __init__(self, tensors: Mapping[str, Tensor], n_distances: int) -> None:
        self.tensors, self.n_distances = tensors, n_distances

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
        """The regression whose state `tensors` holds."""
        return cls(tensors, n_distances)

    def log_ratio(self, features: np.ndarray) -> np.ndarray:
        """Log of contact over expected of a chromosome.

        Parameters
        ----------
        features : ndarray, (n_features, n), float32

        Returns
        -------
        ndarray, (n_distances, n), float32
            Band layout; NaN beyond the end of the chromosome.
        """
        n, bins = features.shape[1], BinFeatures.of(features)
        band = np.full((self.n_distances, n), np.nan, np.float32)
        for lo in range(0, n, ROWS):
            dist, row = np.nonzero(
                np.arange(self.n_distances)[:, None] + np.arange(lo, min(lo + ROWS, n)) < n
            )
            band[dist, lo + row] = self._predict(bins, lo + row, dist)
        return band

    def _predict(self, bins: BinFeatures, i: np.ndarray, dist: np.ndarray) -> np.ndarray:
        return np.zeros(len(i), np.float32)


class Ridge(Distance):
    """A linear form of the features of a pair, which changes with log distance."""

    context = max(CONTEXTS)

    def _predict(self, bins, i, dist):
        values = with_distance(pair_features(bins, i, dist))
        return values @ self.tensors["coefficients"].numpy() + self.tensors["intercept"].numpy()


class Boosted(Distance):
    """Boosted trees on the features of a pair."""

    context = max(CONTEXTS)

    def __init__(self, tensors, n_distances):
        super().__init__(tensors, n_distances)
        import xgboost

        self.booster = xgboost.Booster()
        self.booster.load_model(bytearray(tensors["booster"].numpy().tobytes()))

    def _predict(self, bins, i, dist):
        import xgboost

        values = pair_features(bins, i, dist, products=True)
        matrix = xgboost.DMatrix(values, base_margin=np.zeros(len(i), np.float32))
        return self.booster.predict(matrix, output_margin=True)
