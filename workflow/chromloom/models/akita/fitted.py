"""A trained Akita as a predictor: maps of overlapping windows, averaged along a chromosome.

Of the tower, which takes most of the time, what a window has in common with the one before it is
kept: bins that neither window's ends reach.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping

import numpy as np
import torch
from torch import Tensor

from chromloom.models.akita.module import Akita, reverse_complement
from chromloom.models.akita.settings import AkitaSettings

KEPT = 64
"""Maps of windows that are kept: neighbouring blocks of rows need the same."""


class FittedAkita:
    """A network that predicts chromosomes.

    Parameters
    ----------
    network : Akita
    """

    stride = 1

    def __init__(self, network: Akita) -> None:
        self.network, self.settings = network.eval(), network.settings
        self._maps: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._towers: dict[bool, tuple[np.ndarray, Tensor]] = {}  # of the last window, by strand

    @classmethod
    def of_tensors(
        cls,
        settings: AkitaSettings,
        tensors: Mapping[str, Tensor],
        *,
        mirrored: np.ndarray,
        n_distances: int,
        device: str = "cpu",
    ) -> "FittedAkita":
        """The network whose weights `tensors` holds, with its `bin_size`."""
        own = dict(tensors)
        bin_size = int(own.pop("bin_size"))
        network = Akita(settings, bin_size, len(own["head.weight"]))
        network.load_state_dict(own)
        return cls(network.to(device))

    @property
    def context(self) -> int:
        """Bins beyond both ends of a pair that its prediction depends on."""
        return self.settings.window

    def log_ratio_rows(
        self,
        read: Callable[[int], np.ndarray],
        n: int,
        lo: int,
        hi: int,
        n_dist: int,
        *,
        targets: list[int] | None = None,
        strand: str = "",
        key: Hashable = None,
    ) -> np.ndarray:
        """Log of contact over expected of rows [lo, hi) of a chromosome of n bins.

        Parameters
        ----------
        read : callable
            (bin) -> codes (window * bin_size,), uint8, of the window that begins there; the bin may
            be negative, and bases beyond the chromosome are N.
        n, lo, hi, n_dist : int
            n_dist is at most `settings.n_distances`.
        targets : list of int, optional
            Heads whose mean is taken; all by default.
        strand : {"", "+", "-"}
            Strand that is read; "" is all that the network was trained on.
        key : hashable
            What tells the chromosome and the strand from others, for the windows that are kept.

        Returns
        -------
        ndarray, (n_dist, hi - lo), float32
            Band layout; the mean over the windows that hold a pair. NaN beyond the chromosome.
        """
        size, step = self.settings.size, self.settings.step
        total = np.zeros((n_dist, hi - lo), np.float32)
        count = np.zeros((n_dist, hi - lo), np.float32)
        # Windows begin at multiples of the step, whatever rows are asked.
        for first in range((lo - size) // step * step + step, hi, step):
            if first + size <= 0 or first >= n:
                continue
            values = self._map(read, first, key, strand)
            values = values if targets is None else values[targets]
            values = values.mean(axis=0)
            a, b = max(lo, first), min(hi, first + size)
            for row in range(a, b):
                own = values[row - first, row - first :][:n_dist]
                total[: len(own), row - lo] += own
                count[: len(own), row - lo] += 1
        total[np.arange(n_dist)[:, None] + np.arange(lo, hi) >= n] = np.nan
        return total / np.maximum(count, 1)

    @torch.no_grad()
    def _map(
        self, read: Callable[[int], np.ndarray], first: int, key: Hashable, strand: str
    ) -> np.ndarray:
        """Map of the window whose first predicted bin is `first`, (n_targets, size, size)."""
        place = (key, first)
        if place not in self._maps:
            codes = read(first - self.settings.crop)
            values = self._read(codes, strand == "-")
            if not strand and self.settings.windows.mirror:
                values = (values + self._read(codes, True)) / 2
            self._maps[place] = values[0].float().cpu().numpy()
            if len(self._maps) > KEPT:
                self._maps.popitem(last=False)
        return self._maps[place]

    def _read(self, codes: np.ndarray, turned: bool) -> Tensor:
        """Map (1, n_targets, size, size) of a window, read as either strand."""
        network, n = self.network, self.settings.window
        step, size = self.settings.step, network.bin_size
        around = -(-network.tower_reach // size)
        before, tower = self._towers.get(turned), None
        if before is not None and n > step + 2 * around:
            own, kept = before
            if np.array_equal(own[step * size :], codes[: -step * size]):
                ends = codes[: 2 * around * size], codes[(n - step - 2 * around) * size :]
                left, right = (self._pool(part, turned) for part in ends)
                middle = kept[..., step + around : n - around]
                tower = torch.cat([left[..., :around], middle, right[..., around:]], dim=-1)
        if tower is None:
            tower = self._pool(codes, turned)
        self._towers[turned] = codes, tower
        if not turned:
            return network.fold(network.mix(tower))
        strand = torch.ones(1, dtype=torch.bool, device=tower.device)
        return network.fold(network.mix(tower.flip(-1)), strand)

    def _pool(self, codes: np.ndarray, turned: bool) -> Tensor:
        """The tower of whole bins (1, filters, bins), in the order of the first strand."""
        own = torch.as_tensor(codes, device=self.network.head.weight.device)[None]
        if turned:
            return self.network.pool(reverse_complement(own)).flip(-1)
        return self.network.pool(own)
