"""Maps of variants of one window, of which only what a variant changes is computed anew.

A base reaches the tower's values within `Akita.tower_reach` of it. The tower of the unchanged
window is kept; for a variant, runs of bins that a changed base reaches are read again, with as many
bins around them as the reach needs, and put in place. The result is that of the whole window but
for rounding. The trunk's dilated blocks reach nearly everywhere, so that they and the head are
computed for every variant: with published sizes the head is what a variant costs.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from chromloom.models.akita.module import Akita, reverse_complement, upper_triangle

SHIFTS = (-11, 0, 11)
"""bp by which windows are moved for an ensemble; training moves them as far."""


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

    def _changed(self, codes: np.ndarray) -> list[tuple[int, int]]:
        """Runs [first, last) of bins that the changed bases reach."""
        size, reach = self.network.bin_size, self.network.tower_reach
        at = np.flatnonzero(codes != self.codes)
        n = self.tower.shape[-1]
        edges = np.zeros(n + 1, np.int64)
        np.add.at(edges, np.maximum((at - reach) // size, 0), 1)
        np.add.at(edges, np.minimum((at + reach) // size + 1, n), -1)
        inside = np.r_[False, np.cumsum(edges[:-1]) > 0, False]
        borders = np.flatnonzero(inside[1:] != inside[:-1])
        return list(zip(borders[::2].tolist(), borders[1::2].tolist()))

    def _tensor(self, codes: np.ndarray) -> Tensor:
        tensor = torch.as_tensor(codes, device=self.network.head.weight.device)
        return reverse_complement(tensor) if self.turned else tensor


def score_variants(
    network: Akita,
    codes: np.ndarray,
    variants: Sequence[np.ndarray],
    *,
    shifts: Sequence[int] = SHIFTS,
    both_strands: bool = True,
    ignore_diags: int = 2,
    batch_size: int = 4,
) -> pd.DataFrame:
    """How far variants change the map of a window, by the article's two measures.

    Parameters
    ----------
    network : Akita
        In evaluation mode.
    codes : ndarray, (window * bin_size + 2 * margin,), uint8
        The window with a margin on either side that is at least the largest shift.
    variants : sequence of ndarray, shape of `codes`
    shifts : sequence of int
        bp by which the window is moved; scores are means over them.
    both_strands : bool
        Read both strands and take the mean.
    ignore_diags : int
        Nearer pairs do not count.
    batch_size : int

    Returns
    -------
    DataFrame
        One row per variant and target: variant, target (numbers from 0), disruption (mean squared
        difference from the unchanged map; Methods, "In silico motif mutagenesis"), signal_change
        (mean square of the unchanged map less that of the changed one), disruption_sd and
        signal_change_sd (standard deviation over shifts and strands; NaN for one reading).
    """
    length = network.settings.window * network.bin_size
    margin = (len(codes) - length) // 2
    i, j = upper_triangle(network.settings.size, ignore_diags)
    scores = []
    for shift in shifts:
        own = slice(margin + shift, margin + shift + length)
        for turned in (False, True) if both_strands else (False,):
            window = Window(network, codes[own], turned=turned)
            reference = next(window.maps([codes[own]]))[:, i, j].astype(float)
            maps = window.maps([variant[own] for variant in variants], batch_size=batch_size)
            changed = (own_map[:, i, j].astype(float) for own_map in maps)
            scores.append(
                [
                    (
                        ((own_map - reference) ** 2).mean(axis=1),
                        (reference**2).mean(axis=1) - (own_map**2).mean(axis=1),
                    )
                    for own_map in changed
                ]
            )
    values = np.array(scores, float)  # (readings, variants, 2, n_targets)
    n, targets = len(variants), network.n_targets
    mean = values.mean(axis=0).reshape(n, 2, targets)
    spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(mean.shape, np.nan)
    return pd.DataFrame(
        {
            "variant": np.repeat(np.arange(n), targets),
            "target": np.tile(np.arange(targets), n),
            "disruption": mean[:, 0].ravel(),
            "signal_change": mean[:, 1].ravel(),
            "disruption_sd": spread[:, 0].ravel(),
            "signal_change_sd": spread[:, 1].ravel(),
        }
    )
