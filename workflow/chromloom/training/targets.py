"""Targets of a normalised map by block of rows, and what is known of them by distance."""

import numpy as np

from chromloom.kernels import UINT16_SCALE
from chromloom.models.hiclstm.settings import HiCLSTMSettings
from chromloom.models.settings import Objective
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.probability import contact_probability

SMOOTH = 0.05
"""Half-width of windows over distance, as a share of the distance."""


def transform(value: np.ndarray, expected: np.ndarray, objective: Objective) -> np.ndarray:
    """Target of contact strengths: contact probability or log((value + k) / (expected + k)).

    For loss poisson the ratio itself, value / expected: zeros have no log. NaN, no target, at
    distances at which no pair of the map has a contact.
    """
    if objective.target == "cp":
        return contact_probability(value, *objective.coefficients)
    if objective.loss == "poisson":
        with np.errstate(invalid="ignore"):
            return value / expected
    return np.log((value + objective.k) / (expected + objective.k))


def encode(target: np.ndarray, objective: Objective) -> np.ndarray:
    """Targets in 16 bits: float16 for log O/E, for contact probability uint16 of t * 65534.

    What has no target (NaN) is NaN, and 0xFFFF in uint16.
    """
    if objective.target == "log_oe":
        return target.astype(np.float16)
    code = np.where(np.isnan(target), 0xFFFF, np.rint(target * UINT16_SCALE))
    return code.astype(np.uint16)


class MapTargets:
    """Targets of a normalised map; the source that training reads from.

    Any object with these attributes and methods can take its place (a simulated genome, say).

    Parameters
    ----------
    normalized : NormalizedMap
    settings : HiCLSTMSettings
    region : (chrom, start, end), optional
        bp; only pairs of bins that lie wholly inside are trained on, all other bins count as
        masked.

    Attributes
    ----------
    chromnames : list of str
        Chromosomes to train on.
    ignore_diags : int
    """

    def __init__(
        self,
        normalized: NormalizedMap,
        settings: HiCLSTMSettings,
        *,
        region: tuple[str, int, int] | None = None,
    ):
        self.normalized, self.settings, self.region = normalized, settings, region
        self.ignore_diags = normalized.ignore_diags
        self.chromnames = normalized.chromnames if region is None else [region[0]]

    def extent(self, chrom: str) -> tuple[int, int]:
        """First and one past the last genome-wide bin number of a chromosome."""
        return self.normalized.extent(chrom)

    def mask(self, chrom: str) -> np.ndarray:
        """Bins without targets, (n,), bool."""
        mask = self.normalized.mask(chrom)
        if self.region is None:
            return mask
        first, last = self.extent(chrom)
        bins = self.normalized.bins.table.iloc[first:last]
        inside = (bins["start"] >= self.region[1]) & (bins["end"] <= self.region[2])
        return mask | ~inside.to_numpy()

    def block(self, chrom: str, lo: int, hi: int) -> np.ndarray:
        """Targets of the rows [lo, hi) in band layout, (n - lo, hi - lo), float32."""
        value = self.normalized.band(chrom, lo, hi)
        expected = value
        if self.settings.objective.target == "log_oe":
            expected = self.normalized.expected(chrom).band(lo, hi)
        target = transform(value, expected, self.settings.objective)
        if self.region is not None:
            mask = self.mask(chrom)
            i, d = np.arange(lo, hi), np.arange(len(target))[:, None]
            target[mask[np.minimum(i + d, len(mask) - 1)] | mask[i]] = np.nan
        return target

    def exposure(self, chrom: str, lo: int, hi: int) -> np.ndarray:
        """Count expected of each pair, expected / (w_i w_j), (n - lo, hi - lo), float32.

        0 where there is no pair.
        """
        first, last = self.extent(chrom)
        inverse = 1 / self.normalized.bins["weight"].to_numpy()[first:last]
        inverse = np.nan_to_num(inverse).astype(np.float32)
        i, d = np.arange(lo, hi), np.arange(last - first - lo)[:, None]
        columns = inverse[np.minimum(i + d, last - first - 1)]
        return np.nan_to_num(self.normalized.expected(chrom).band(lo, hi)) * inverse[i] * columns


def smooth_by_distance(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Ratio of two sums over windows of distance, d - 5 % … d + 5 % (at least d itself).

    Windows without any pair take the value of the nearest distance that has one.
    """
    n = len(numerator)
    dist = np.arange(n)
    width = (SMOOTH * dist).astype(int)
    first, last = np.maximum(dist - width, 0), np.minimum(dist + width + 1, n)
    sums = [np.append(0.0, np.cumsum(x)) for x in (numerator, denominator)]
    numerator, denominator = (s[last] - s[first] for s in sums)
    known = np.flatnonzero(denominator > 0)
    if not len(known):
        return np.ones(n)
    return np.interp(dist, known, numerator[known] / denominator[known])
