"""The network of Epiphany, and its discriminator.

Stripe m of a map is the pairs that lie across the diagonal at bin m, in a zigzag: element k is the
pair (i, i + k) with i = m - floor((k + 1) / 2) (Fig. 1B of the article; the order of the elements
is that of its code). A stripe is read from the window of signals around it. Four convolutions, each
with a maximum over fours (the last: over 45 parts of the window), make 900 numbers of a window;
LSTMs in both directions read those of consecutive stripes.

Windows of neighbours overlap, and so do their convolutions: `encode` computes each position once. A
window's maxima are over fours counted from its own start, so that there are up to four versions of
each layer's maxima, by where a window starts in them, and windows share those of their version.
`encode_windows` computes the same window by window.

Names of weights are those of the published files.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from chromloom.errors import InputError
from chromloom.models.epiphany.settings import EpiphanySettings

CHANNELS, KERNELS = (70, 90, 70, 20), (17, 7, 5, 5)
POOL, PARTS = 4, 45
DISCRIMINATOR = (15, 25, 25, 10)
LEAST = 68
"""Stripes, and distances, that the discriminator needs."""


class Epiphany(nn.Module):
    """The generator, with its discriminator where the settings ask for one.

    Parameters
    ----------
    settings : EpiphanySettings
    n_signals : int
    n_distances : int
        Elements of a stripe, bins from 0.
    step : int
        Bins of the signals within a bin of the map.

    Raises
    ------
    InputError
        The window is too short for the convolutions, or the map for the discriminator.
    """

    step: Tensor

    def __init__(
        self, settings: EpiphanySettings, n_signals: int, n_distances: int, step: int
    ) -> None:
        super().__init__()
        self.settings, self.n_distances = settings, n_distances
        self.window = 2 * round(settings.window * n_distances / 2) * step
        length = self.window
        for kernel in KERNELS[:-1]:
            length = (length - kernel + 1) // POOL
        if length < KERNELS[-1]:
            raise InputError(
                f"a stripe is read from {self.window} bins of signals, {step} for each bin of the "
                "map, which the convolutions cannot shorten; take smaller bins of signals, a "
                "larger window, or a larger max_distance"
            )
        self.register_buffer("step", torch.tensor(step))
        channels = [n_signals, *(max(1, round(settings.width * c)) for c in CHANNELS)]
        for k, kernel in enumerate(KERNELS):
            convolution = nn.Conv1d(channels[k], channels[k + 1], kernel)
            self.add_module(f"conv{k + 1}", nn.ModuleDict({"conv": convolution}))
        self.dropout = nn.Dropout(settings.dropout)
        size = channels[-1] * PARTS
        for k in range(settings.layers):
            lstm = nn.LSTM(size, settings.hidden_size, batch_first=True, bidirectional=True)
            self.add_module(f"rnn{k + 1}", lstm)
            size = 2 * settings.hidden_size
        if settings.head_size:
            self.fc = nn.Linear(size, settings.head_size)
            self.fc2 = nn.Linear(settings.head_size, n_distances)
        else:
            self.fc = nn.Linear(size, n_distances)
        if settings.adversarial:
            self.discriminator = Discriminator(settings.stripes, n_distances)

    def forward(self, signals: Tensor) -> Tensor:
        """Stripes of a map.

        Parameters
        ----------
        signals : Tensor, (B, n_signals, length)
            From half a window before the first stripe to half a window after the last.

        Returns
        -------
        Tensor, (B, n_stripes, n_distances)
        """
        encode = self.encode if self.settings.shared else self.encode_windows
        return self.decode(encode(signals))

    def n_stripes(self, length: int) -> int:
        """Stripes that so many bins of signals hold."""
        return (length - self.window) // int(self.step) + 1

    def encode_windows(self, signals: Tensor) -> Tensor:
        """Numbers of each window, (B, n_stripes, 900), window by window."""
        x = signals.unfold(2, self.window, int(self.step)).transpose(
            1, 2
        )  # (B, S, signals, window)
        batch, stripes = x.shape[:2]
        x = x.flatten(0, 1)
        for k in range(len(KERNELS) - 1):
            x = self.dropout(nn.functional.max_pool1d(self._convolve(k, x), POOL))
        x = nn.functional.adaptive_max_pool1d(self._convolve(len(KERNELS) - 1, x), PARTS)
        return self.dropout(x).flatten(1).reshape(batch, stripes, -1)

    def encode(self, signals: Tensor) -> Tensor:
        """The same, (B, n_stripes, 900), with each position convolved once."""
        starts = np.arange(self.n_stripes(signals.shape[2])) * int(self.step)
        return self.dropout(self._shared(signals, starts, self.window, 0)).flatten(2)

    def _convolve(self, k: int, x: Tensor) -> Tensor:
        layer: Any = self.get_submodule(f"conv{k + 1}.conv")
        return torch.relu(layer(x))

    def _shared(self, x: Tensor, starts: np.ndarray, length: int, k: int) -> Tensor:
        """Maxima of the last layer of windows that start there and are so long, (B, S, 20, 45)."""
        x, length = self._convolve(k, x), length - KERNELS[k] + 1
        if k == len(KERNELS) - 1:
            place = torch.as_tensor(starts[:, None] + np.arange(length), device=x.device)
            windows = x[:, :, place].transpose(1, 2)  # (B, S, 20, length)
            maxima = nn.functional.adaptive_max_pool1d(windows.flatten(0, 1), PARTS)
            return maxima.unflatten(0, windows.shape[:2])
        parts, places = [], []
        for version in np.unique(starts % POOL):
            own = np.flatnonzero(starts % POOL == version)
            maxima = self.dropout(nn.functional.max_pool1d(x[:, :, version:], POOL))
            inside = starts[own] // POOL
            parts.append(self._shared(maxima, inside, length // POOL, k + 1))
            places.append(own)
        order = torch.as_tensor(np.argsort(np.concatenate(places)), device=x.device)
        return torch.cat(parts, dim=1)[:, order]

    def decode(self, numbers: Tensor) -> Tensor:
        """Stripes (B, S, n_distances) from the numbers (B, S, 900) of their windows."""
        lstms: Any = [self.get_submodule(f"rnn{k + 1}") for k in range(self.settings.layers)]
        x, _ = lstms[0](numbers)  # (B, S, 2 hidden)
        for lstm in lstms[1:]:
            x = x + lstm(x)[0]
        x = self.fc(x)
        return self.fc2(torch.relu(x)) if self.settings.head_size else x

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Squared error of the pairs that are known (the others are NaN)."""
        signals, target = batch
        return self.squared_error(self(signals), target)

    def squared_error(self, stripes: Tensor, target: Tensor) -> Tensor:
        """Mean over known pairs of the batch, or the mean over examples of their sum."""
        known = torch.isfinite(target)
        total = (torch.where(known, stripes - target, 0.0) ** 2).sum()
        return total / (len(target) if self.settings.mse_sum else known.sum().clamp(min=1))


class Discriminator(nn.Module):
    """Four convolutions over a map of stripes, the first three with maxima over 2 x 2.

    Parameters
    ----------
    stripes, n_distances : int

    Raises
    ------
    InputError
        The map is smaller than what the convolutions need.
    """

    def __init__(self, stripes: int, n_distances: int) -> None:
        super().__init__()
        if min(stripes, n_distances) < LEAST:
            raise InputError(
                f"adversarial: the discriminator reads maps of {LEAST} x {LEAST} bins and more, "
                f"and is given {stripes} stripes of {n_distances} bins; raise stripes or "
                "max_distance, or train with adversarial: false"
            )
        sizes = (1, *DISCRIMINATOR)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 5) for a, b in pairwise(sizes))
        rows, cols = stripes, n_distances
        for _ in range(3):
            rows, cols = (rows - 4) // 2, (cols - 4) // 2
        self.fc1 = nn.Linear(DISCRIMINATOR[-1] * (rows - 4) * (cols - 4), 1)

    def forward(self, stripes: Tensor) -> Tensor:
        """Logit of being observed, (B,), of maps (B, stripes, n_distances)."""
        x = stripes[:, None]
        for layer in self.layers[:-1]:
            x = nn.functional.max_pool2d(torch.relu(layer(x)), 2)
        return self.fc1(torch.relu(self.layers[-1](x)).flatten(1))[:, 0]


def stripes_of(band: np.ndarray) -> np.ndarray:
    """Stripes (n, n_distances) of a band (n_distances, n); NaN where a pair is outside.

    The last stripes of a chromosome reach beyond its end, the first ones before its start.
    """
    n_distances, n = band.shape
    k = np.arange(n_distances)
    i = np.arange(n)[:, None] - (k + 1) // 2
    inside = (i >= 0) & (i + k < n)
    return np.where(inside, band[k, np.clip(i, 0, n - 1)], np.nan)


def band_of(stripes: Tensor) -> Tensor:
    """The band (n_distances, n) of stripes (n, n_distances); NaN where a pair is outside."""
    n, n_distances = stripes.shape
    k = torch.arange(n_distances, device=stripes.device)[:, None]
    i = torch.arange(n, device=stripes.device)
    m = (i + (k + 1) // 2).clamp(max=n - 1)
    return torch.where(i + k < n, stripes[m, k], torch.nan)
