"""Maps of variants of one window, of which only what a variant changes is computed anew.

A base reaches the tower's values within `Akita.tower_reach` of it. The tower of the unchanged
window is kept; for a variant, runs of bins that a changed base reaches are read again, with as many
bins around them as the reach needs, and put in place. The result is that of the whole window but
for rounding. The trunk's dilated blocks reach nearly everywhere, so that they and the head are
computed for every variant: with published sizes the head is what a variant costs.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from chromloom.genome.bins import find_runs
from chromloom.models.akita.module import Akita, reverse_complement


class Window:
    """A window of the reference, whose tower is kept.

    Parameters
    ----------
    network : Akita
        In evaluation mode.
    codes : ndarray, (window * bin_size,), uint8
        Bases, 0 to 3 for A C G T, 4 for N.
    turned : bool
        Read the other strand; maps are those of the first.
    """

    def __init__(self, network: Akita, codes: np.ndarray, *, turned: bool = False) -> None:
        self.network, self.codes, self.turned = network, np.asarray(codes), turned
        with torch.no_grad():
            self.tower = network.pool(self._tensor(self.codes[None]))  # (1, filters, window)

    @torch.no_grad()
    def maps(self, variants: Sequence[np.ndarray], *, batch_size: int = 4) -> Iterator[np.ndarray]:
        """Maps of variants of the window, in order.

        Parameters
        ----------
        variants : sequence of ndarray, (window * bin_size,), uint8
        batch_size : int
            Variants that the head reads at once.

        Yields
        ------
        ndarray, (n_targets, size, size), float32
        """
        for lo in range(0, len(variants), batch_size):
            own = [np.asarray(codes) for codes in variants[lo : lo + batch_size]]
            bins = self.network.mix(self._towers(own))
            turned = torch.full((len(own),), self.turned, device=bins.device)
            yield from self.network.fold(bins, turned).cpu().numpy()

    def _towers(self, variants: Sequence[np.ndarray]) -> Tensor:
        """The towers of variants, (n, filters, window)."""
        size, n = self.network.bin_size, self.tower.shape[-1]
        around = -(-self.network.tower_reach // size)
        towers = self.tower.repeat(len(variants), 1, 1)
        runs: dict[int, list] = {}  # by length in bins: runs of one length are read together
        for k, codes in enumerate(variants):
            for first, last in self._changed(codes):
                lo, hi = max(first - around, 0), min(last + around, n)
                place = (k, first, last, lo)
                runs.setdefault(hi - lo, []).append((place, codes[lo * size : hi * size]))
        for own in runs.values():
            read = self.network.pool(self._tensor(np.stack([codes for _, codes in own])))
            for ((k, first, last, lo), _), values in zip(own, read):
                # Turned, bins of the tower count from the other end.
                a, b = first - lo, last - lo
                if self.turned:
                    a, b, first, last = read.shape[-1] - b, read.shape[-1] - a, n - last, n - first
                towers[k, :, first:last] = values[:, a:b]
        return towers

    def _changed(self, codes: np.ndarray) -> list[list[int]]:
        """Runs [first, last) of bins that the changed bases reach."""
        size, reach = self.network.bin_size, self.network.tower_reach
        at = np.flatnonzero(codes != self.codes)
        n = self.tower.shape[-1]
        edges = np.zeros(n + 1, np.int64)
        np.add.at(edges, np.maximum((at - reach) // size, 0), 1)
        np.add.at(edges, np.minimum((at + reach) // size + 1, n), -1)
        return find_runs(np.cumsum(edges[:-1]) > 0).tolist()

    def _tensor(self, codes: np.ndarray) -> Tensor:
        tensor = torch.as_tensor(codes, device=self.network.head.weight.device)
        return reverse_complement(tensor) if self.turned else tensor
