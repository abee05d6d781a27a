"""What predictors of maps read of signals: the mean and the maximum in each bin of a map."""

import warnings
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from chromloom.errors import InputError


class Signals(Protocol):
    """Signals of one cell type by name, in bins of `bin_size` bp; see `store.SignalStore`."""

    signals: list[str]
    bin_size: int

    def read_chrom(self, chrom: str, signals: Sequence[str] | None = None) -> np.ndarray:
        """Values of a chromosome, (n_signals, n_bins), float32; NaN = missing."""


def feature_names(signals: Sequence[str]) -> list[str]:
    """Names of the rows of `read_features`."""
    return [f"{signal} {kind}" for kind in ("mean", "maximum") for signal in signals]


def mirrored_features(names: Sequence[str]) -> np.ndarray:
    """Which feature each becomes where the chromosome is read backwards, (n_features,), int64.

    Those of stranded signals, `NAME+` and `NAME-`, change places.
    """
    other = {"+": "-", "-": "+"}
    at = {name: k for k, name in enumerate(names)}
    turned = []
    for name in names:
        signal, _, kind = name.rpartition(" ")
        swapped = f"{signal[:-1]}{other.get(signal[-1], '')} {kind}"
        turned.append(at.get(swapped, at[name]) if signal[-1] in other else at[name])
    return np.array(turned, dtype=np.int64)


def read_features(
    store: Signals, chrom: str, signals: Sequence[str], resolution: int
) -> np.ndarray:
    """Features of the bins of a chromosome.

    Parameters
    ----------
    store : Signals
    chrom : str
    signals : sequence of str
    resolution : int
        bp of a bin of the map.

    Returns
    -------
    ndarray, (2 * n_signals, n), float32
        Means, then maxima; NaN where more than half of a bin is missing.

    Raises
    ------
    InputError
        The bins of the signals do not fill those of the map, or a signal is not there.
    """
    if resolution % store.bin_size:
        raise InputError(
            f"signals have bins of {store.bin_size} bp, which do not fill bins of {resolution} bp; "
            "bin them at a size that divides it"
        )
    step = resolution // store.bin_size
    values = store.read_chrom(chrom, signals)
    n = -(-values.shape[1] // step)
    padded = np.full((len(values), n * step), np.nan, np.float32)
    padded[:, : values.shape[1]] = values
    fine = padded.reshape(len(values), n, step)
    inside = np.full(n, step)
    inside[-1] -= n * step - values.shape[1]
    known = np.isfinite(fine).sum(axis=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # bins without a value
        mean, largest = np.nanmean(fine, axis=2), np.nanmax(fine, axis=2)
    features = np.concatenate([mean, largest])
    features[np.tile(2 * known < inside, (2, 1))] = np.nan
    return features
