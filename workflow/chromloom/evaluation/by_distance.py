"""Scores that are taken at each distance first: of predictors, which end at a distance.

`pearson_logoe_by_distance` is the mean over distances from `FIRST` bins of Pearson's correlation of
log O/E at one distance, so that near pairs count no more than far ones and no correlation follows
from distance. `nats_per_contact` is the Poisson log likelihood of the raw counts that a prediction
gains over the expected of the same total at each distance, divided by the contacts.
"""

from dataclasses import dataclass, field

import numpy as np

from chromloom.evaluation.statistics import PSEUDOCOUNT, pearson

FIRST = 2
"""Distance from which pairs are scored, bins."""
METRICS = ("pearson_logoe_by_distance", "nats_per_contact")


@dataclass
class DistanceSums:
    """Sums over the pairs of each distance, filled block by block.

    Parameters
    ----------
    n_distances : int
        Distances from 0, bins.
    """

    n_distances: int
    sums: np.ndarray = field(init=False)  # (n_distances, 6): n, u, v, uu, vv, uv
    counts: np.ndarray = field(init=False)  # (n_distances, 4): contacts, gain, means of both

    def __post_init__(self) -> None:
        self.sums = np.zeros((self.n_distances, 6))
        self.counts = np.zeros((self.n_distances, 4))

    def add(
        self,
        predicted: np.ndarray,
        observed: np.ndarray,
        predicted_expected: np.ndarray,
        observed_expected: np.ndarray,
        counts: np.ndarray,
        weights: np.ndarray,
    ) -> None:
        """Add rows.

        Parameters
        ----------
        predicted, observed, predicted_expected, observed_expected : ndarray, (n_dist, rows)
            Contact strengths and the expected of each, in band layout. Pairs with NaN in any, or
            without an expected, are left out.
        counts : ndarray, (n_dist, rows)
            Raw counts of `observed`.
        weights : ndarray, (n_dist, rows)
            Product of the balancing weights of both bins.
        """
        n = min(self.n_distances, len(observed))
        x, y, e, f, counts, weights = (
            band[:n].astype(np.float64)
            for band in (
                predicted, observed, predicted_expected, observed_expected, counts, weights,
            )
        )  # fmt: skip
        good = np.isfinite(x) & np.isfinite(y) & (e > 0) & (f > 0)
        x, e, f = (np.where(good, band, 1.0) for band in (x, e, f))
        u = np.where(good, np.log((x + PSEUDOCOUNT) / (e + PSEUDOCOUNT)), 0)
        v = np.where(good, np.log((np.where(good, y, 0) + PSEUDOCOUNT) / (f + PSEUDOCOUNT)), 0)
        for k, term in enumerate((good, u, v, u * u, v * v, u * v)):
            self.sums[:n, k] += term.sum(axis=1)
        good &= (x > 0) & (weights > 0)
        seen, w = np.where(good, counts, 0), np.where(good, weights, 1)
        gain = seen * np.log(np.where(good, x / f, 1))
        for k, term in enumerate((seen, gain, np.where(good, x / w, 0), np.where(good, f / w, 0))):
            self.counts[:n, k] += term.sum(axis=1)

    def scores(self) -> list[tuple[str, float, int]]:
        """Metric, value and number of pairs; NaN where there is nothing to score."""
        sums, counts = self.sums[FIRST:], self.counts[FIRST:]
        used = sums[:, 0] > 1
        values = mean_correlation(sums[None])[0], nats_per_contact(counts[None, used])[0]
        n = int(sums[used, 0].sum())
        return [(metric, float(value), n) for metric, value in zip(METRICS, values)]


def mean_correlation(sums: np.ndarray) -> np.ndarray:
    """Mean over distances of the correlation at one distance.

    A prediction that is the same for all pairs of a distance tells nothing of them: 0. A distance
    at which the observed map does not vary is left out.

    Parameters
    ----------
    sums : ndarray, (n_samples, n_distances, 6)
        n, x, y, xx, yy, xy; y is observed.

    Returns
    -------
    ndarray, (n_samples,)
        NaN where no distance is left.
    """
    count, _, y, _, yy, _ = np.moveaxis(sums, -1, 0)
    varies = (count > 1) & (count * yy - y**2 > 1e-9 * count**2)
    r = np.where(varies, np.nan_to_num(pearson(sums)), 0).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return r / varies.sum(axis=1)


def nats_per_contact(counts: np.ndarray) -> np.ndarray:
    """Log likelihood gained per contact, with the prediction scaled at each distance.

    Parameters
    ----------
    counts : ndarray, (n_samples, n_distances, 4)
        Contacts, contacts times log ratio of prediction to expected, predicted and expected counts.

    Returns
    -------
    ndarray, (n_samples,)
        NaN without contacts.
    """
    contacts, gain, mean, base = np.moveaxis(counts, -1, 0)
    known = (mean > 0) & (base > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = np.where(known, np.log(mean / base), 0)
        return (gain - contacts * shift).sum(axis=1) / contacts.sum(axis=1)
