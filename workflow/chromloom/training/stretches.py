"""What predictors learn from: chromosomes of maps with the features of their bins.

Nothing here is computed from bins whose role is `test`: neither the constants that features are
standardised by nor the expected.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.models.predictor import Constants
from chromloom.normalize.maps import NormalizedMap
from chromloom.signals.features import BinInputs, read_features
from chromloom.signals.store import SignalStore
from chromloom.training.splits import bins_of_role


@dataclass(frozen=True)
class Stretch:
    """A chromosome of a map, of n bins, in band layout.

    Attributes
    ----------
    sample, chrom : str
    features : ndarray, (n_rows, n * step), float32
        What is read, as `Constants.prepare` gives it; see `signals.features.BinInputs`.
    counts : ndarray, (n_distances, n), float32
        Raw counts; NaN where there is no pair, and outside of the roles train and validation.
    log_weight : ndarray, (n,), float32
        Log of the balancing weights; 0 at masked bins.
    log_expected : ndarray, (n_distances,), float32
        Log of the expected contact strength of the map by distance.
    validates : ndarray, (n,), bool
        Bins of the role validation; the others with counts train.
    covariates : ndarray, (n_covariates, n), optional
        Of bins, for a regression of counts; in place of `log_weight`.
    """

    sample: str
    chrom: str
    features: np.ndarray
    counts: np.ndarray
    log_weight: np.ndarray
    log_expected: np.ndarray
    validates: np.ndarray
    covariates: np.ndarray | None = None

    def log_mean(self) -> np.ndarray:
        """Log of the count that distance alone makes expected, (n_distances, n), float32."""
        n = len(self.log_weight)
        j = np.minimum(np.arange(len(self.counts))[:, None] + np.arange(n), n - 1)
        return self.log_expected[:, None] - self.log_weight - self.log_weight[j]

    def pairs(self, *, validation: bool) -> np.ndarray:
        """Pairs of a role, (n_distances, n), bool."""
        n = len(self.validates)
        j = np.minimum(np.arange(len(self.counts))[:, None] + np.arange(n), n - 1)
        own = self.validates == validation
        return np.isfinite(self.counts) & own & own[j]


def read_stretches(
    maps: Mapping[str, NormalizedMap],
    inputs: Mapping[str, BinInputs],
    split: pd.DataFrame,
    n_distances: int,
) -> tuple[list[Stretch], Constants]:
    """Read what a fold trains and validates on.

    Parameters
    ----------
    maps, inputs : mapping
        Sample -> its normalised map; -> what is read of it, the same rows for all.
    split : DataFrame
        Rows of one fold, see `training.splits`.
    n_distances : int
        Distances from 0, bins.

    Returns
    -------
    stretches : list of Stretch
    constants : Constants
        What features are standardised by, and the expected: the mean of the maps'.

    Raises
    ------
    InputError
        A signal is not there, or no sample has the chromosomes.
    """
    learnt = set(split["chrom"][split["role"] != "test"])
    stretches, curves = [], []
    for sample, observed in maps.items():
        read = {
            c: read_counts(observed, c, split, n_distances)
            for c in observed.chromnames
            if c in learnt
        }
        if not read:
            continue
        curve = expected_strength(read.values())
        curves.append(curve)
        for chrom, (counts, _, weight, validates) in read.items():
            stretches.append(
                Stretch(
                    sample,
                    chrom,
                    inputs[sample].read(chrom, len(weight)),
                    counts,
                    np.log(np.where(np.isfinite(weight), weight, 1)).astype(np.float32),
                    np.log(curve).astype(np.float32),
                    validates,
                )
            )
    if not stretches:
        raise InputError(
            f"predictors: none of the samples {', '.join(maps)} has contacts on "
            f"{', '.join(sorted(learnt))}; name chromosomes that they have, or other samples"
        )
    mean = np.mean(curves, axis=0)
    first = inputs[stretches[0].sample]
    if first.inputs.own_bins:
        constants = Constants.as_it_is(first.names, mean)
    else:
        train = [s.features[:, ~s.validates & np.isfinite(s.counts).any(axis=0)] for s in stretches]
        constants = Constants.of(
            first.names,
            np.concatenate(train, axis=1),
            mean,
            n_signals=len(first.inputs.names(first.signals)),
        )
    return [replace(s, features=constants.prepare(s.features)) for s in stretches], constants


def read_covariates(
    store: SignalStore, chrom: str, names: Sequence[str], resolution: int
) -> np.ndarray:
    """Logs of the means of signals over the bins of a chromosome, (n_names, n), float64.

    Where a signal is missing or not above 0, its mean log over the chromosome.
    """
    values = read_features(store, chrom, names, resolution)[: len(names)].astype(float)
    known = values > 0  # NaN is not
    logs = np.log(np.where(known, values, 1))
    mean = logs.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.where(known, logs, mean[:, None])


def read_counts(observed: NormalizedMap, chrom: str, split: pd.DataFrame, n_distances: int):
    """Counts by pair, strengths of training pairs, weights, and the bins that validate."""
    first, last = observed.extent(chrom)
    n = last - first
    starts = observed.bins["start"].to_numpy()[first:last]
    weight = observed.bins["weight"].to_numpy(float)[first:last]
    trains, validates = (bins_of_role(split, r, chrom, starts) for r in ("train", "validation"))
    usable = (trains | validates) & ~observed.mask(chrom)
    j = np.arange(n_distances)[:, None] + np.arange(n)
    inside = j < n
    j = np.minimum(j, n - 1)
    role = np.where(validates, 2, 1) * usable
    pairs = inside & (role > 0) & (role == role[j])
    pairs[: observed.ignore_diags] = False
    counts = np.where(pairs, np.float32(0), np.float32(np.nan))
    values = np.where(pairs & (role == 1), np.float32(0), np.float32(np.nan))
    pixels = observed.pixels(chrom)
    dist = pixels["j"] - pixels["i"]
    near = (dist < n_distances).to_numpy()
    place = dist[near].to_numpy(), pixels["i"][near].to_numpy()
    kept = pairs[place]
    counts[place] = np.where(kept, pixels["count"][near].to_numpy(np.float32), np.nan)
    values[place] = np.where(
        np.isfinite(values[place]), pixels["value"][near].to_numpy(np.float32), np.nan
    )
    return counts, values, weight, validates


def expected_strength(read: Iterable[tuple]) -> np.ndarray:
    """Mean contact strength of training pairs by distance, (n_distances,), above 0.

    Half a contact stands where there is none.
    """
    total, known, contacts = 0.0, 0, 0.0
    for counts, values, _, _ in read:
        trains = np.isfinite(values)
        total = total + np.where(trains, values, 0).sum(axis=1, dtype=float)
        known = known + trains.sum(axis=1)
        contacts += np.where(trains, counts, 0).sum(dtype=float)
    scale = np.sum(total) / max(contacts, 1)
    curve = np.maximum(total, 0.5 * scale) / np.maximum(known, 1)
    return np.where(known > 0, curve, curve.max()).clip(min=1e-12)
