"""Trained networks of `weave` as what a predictor asks for log ratios."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from chromloom.models.weave.module import Weave
from chromloom.models.weave.settings import WeaveSettings

ROWS = 512


class FittedWeave:
    """Networks whose mean is the prediction.

    Parameters
    ----------
    settings : WeaveSettings
    networks : sequence of Weave
        Of the same settings.
    mirrored : ndarray, (n_features,), int64
        Which feature each becomes where the chromosome is read backwards.
    """

    stride = 1

    def __init__(self, settings: WeaveSettings, networks: Sequence[Weave], mirrored: np.ndarray):
        self.settings, self.networks = settings, [network.eval() for network in networks]
        self.mirrored = np.asarray(mirrored)

    @classmethod
    def of_tensors(
        cls,
        settings: WeaveSettings,
        tensors: Mapping[str, Tensor],
        *,
        mirrored: np.ndarray,
        n_distances: int,
        device: str = "cpu",
    ) -> "FittedWeave":
        """The networks whose weights `tensors` holds, by the number of the network."""
        networks = []
        for k in range(settings.members):
            network = Weave(settings, len(mirrored), n_distances)
            own = {n.removeprefix(f"{k}."): t for n, t in tensors.items() if n.startswith(f"{k}.")}
            network.load_state_dict(own)
            networks.append(network.to(device))
        return cls(settings, networks, mirrored)

    @property
    def context(self) -> int:
        """Bins beyond both ends of a pair that its prediction depends on."""
        return self.networks[0].reach

    @torch.no_grad()
    def log_ratio(self, features: np.ndarray) -> np.ndarray:
        """Log of contact over expected of a chromosome.

        Parameters
        ----------
        features : ndarray, (n_features, n), float32
            Without NaN.

        Returns
        -------
        ndarray, (n_distances, n), float32
            Band layout; NaN beyond the end of the chromosome.
        """
        total = self._sum(features)
        if self.settings.mirror:
            turned = np.ascontiguousarray(features[self.mirrored, ::-1])
            total = (total + turn_band(self._sum(turned))) / 2
        return total / np.float32(len(self.networks))

    def _sum(self, features: np.ndarray) -> np.ndarray:
        first, *others = (self._ratio(network, features) for network in self.networks)
        return sum(others, first)

    def ratio(self, features: Tensor) -> Tensor:
        """`log_ratio` as a tensor with gradients; without meaning beyond the chromosome's end."""
        n = features.shape[1]

        def mean(rows: Tensor) -> Tensor:
            return torch.stack([w.log_ratio(*w.encode(rows), n) for w in self.networks]).mean(0)

        ratio = mean(features)
        if not self.settings.mirror:
            return ratio
        d = torch.arange(len(ratio), device=ratio.device)[:, None]
        row = n - 1 - d - torch.arange(n, device=ratio.device)
        return (ratio + mean(features[self.mirrored].flip(1)).gather(1, row.clamp(min=0))) / 2

    @torch.no_grad()
    def embedding(self, features: np.ndarray) -> np.ndarray:
        """Numbers of each bin by the first network, (n, embedding_dim), float32."""
        return self.networks[0].encode(self._tensor(features))[0].cpu().numpy()

    def _tensor(self, features: np.ndarray) -> Tensor:
        device = self.networks[0].c.device
        return torch.as_tensor(np.asarray(features, np.float32), device=device)

    def _ratio(self, network: Weave, features: np.ndarray) -> np.ndarray:
        numbers, barriers = network.encode(self._tensor(features))
        n = len(numbers)
        band = np.full((network.n_distances, n), np.nan, np.float32)
        for lo in range(0, n, ROWS):
            own = slice(lo, min(lo + ROWS + network.n_distances, n))
            rows = min(ROWS, n - lo)
            ratio = network.log_ratio(numbers[own], barriers[own], rows)
            band[:, lo : lo + rows] = ratio.cpu().numpy()
        band[np.arange(network.n_distances)[:, None] + np.arange(n) >= n] = np.nan
        return band


def turn_band(band: np.ndarray) -> np.ndarray:
    """The band of a chromosome from that of the chromosome read backwards, or the other way."""
    n = band.shape[1]
    row = n - 1 - np.arange(len(band))[:, None] - np.arange(n)
    return np.where(row >= 0, np.take_along_axis(band, np.maximum(row, 0), axis=1), np.nan)
