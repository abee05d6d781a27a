"""What predictors of maps read: features of each bin of a map, or the signals' own bins.

`INPUTS` has both, by the name that the table of models calls them by. Features are of signals (mean
and maximum), of sequence (k-mers, open reading frames), or of both.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from chromloom.errors import InputError
from chromloom.sequence.fasta import Genome
from chromloom.sequence.features import SequenceFeatures
from chromloom.signals.store import SignalStore


def feature_names(signals: Sequence[str]) -> list[str]:
    """Names of the rows of `read_features`."""
    return [f"{signal} {kind}" for kind in ("mean", "maximum") for signal in signals]


def mirrored_signals(signals: Sequence[str]) -> np.ndarray:
    """Which signal each becomes where the chromosome is read backwards, (n_signals,), int64.

    Stranded ones, `NAME+` and `NAME-`, change places.
    """
    other, at = {"+": "-", "-": "+"}, {name: k for k, name in enumerate(signals)}
    turned = [name[:-1] + other.get(name[-1], name[-1]) for name in signals]
    return np.array([at.get(new, k) for k, new in enumerate(turned)], dtype=np.int64)


def read_features(
    store: SignalStore, chrom: str, signals: Sequence[str], resolution: int
) -> np.ndarray:
    """Features of the bins of a chromosome.

    Parameters
    ----------
    store : SignalStore
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
    step = bins_within(store.bin_size, resolution)
    padded = read_own_bins(store, chrom, signals, resolution)
    n = padded.shape[1] // step
    fine = padded.reshape(len(padded), n, step)
    inside = np.full(n, step)
    inside[-1] -= n * step - store.n_bins(chrom)
    known = np.isfinite(fine).sum(axis=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # bins without a value
        mean, largest = np.nanmean(fine, axis=2), np.nanmax(fine, axis=2)
    features = np.concatenate([mean, largest])
    features[np.tile(2 * known < inside, (2, 1))] = np.nan
    return features


def bins_within(bin_size: int, resolution: int) -> int:
    """Bins of signals within a bin of a map.

    Raises
    ------
    InputError
        They do not fill it.
    """
    if resolution % bin_size:
        raise InputError(
            f"signals have bins of {bin_size} bp, which do not fill bins of {resolution} bp; "
            "bin them at a size that divides it"
        )
    return resolution // bin_size


def read_own_bins(
    store: SignalStore, chrom: str, signals: Sequence[str], resolution: int
) -> np.ndarray:
    """Signals of a chromosome in their own bins, up to the end of its last bin of the map.

    Parameters
    ----------
    store, chrom, signals, resolution
        As for `read_features`.

    Returns
    -------
    ndarray, (n_signals, n * bins_within), float32
        NaN = missing, or beyond the chromosome.
    """
    step = bins_within(store.bin_size, resolution)
    values = store.read_chrom(chrom, signals)
    n = -(-values.shape[1] // step)
    padded = np.full((len(values), n * step), np.nan, np.float32)
    padded[:, : values.shape[1]] = values
    return padded


@dataclass(frozen=True)
class Inputs:
    """What a predictor reads of signals.

    Attributes
    ----------
    names : callable
        (signals) -> names of the rows.
    read : callable
        (store, chrom, signals, resolution) -> ndarray, (n_rows, n * step), NaN = missing.
    own_bins : bool
        Whether they are the signals in their own bins, `bins_within` of them (the step) for each
        of the map's; the step is 1 otherwise.
    """

    names: Callable[[Sequence[str]], list[str]]
    read: Callable[[SignalStore, str, Sequence[str], int], np.ndarray]
    own_bins: bool

    def step(self, bin_size: int, resolution: int) -> int:
        """Columns of a bin of the map."""
        return bins_within(bin_size, resolution) if self.own_bins else 1

    def mirrored(self, signals: Sequence[str]) -> np.ndarray:
        """Which row each becomes where the chromosome is read backwards, (n_rows,), int64."""
        turned = mirrored_signals(signals)
        kinds = np.arange(len(self.names(signals)) // max(len(signals), 1))
        return (len(signals) * kinds[:, None] + turned).ravel()


INPUTS = {
    "features": Inputs(feature_names, read_features, own_bins=False),
    "signals": Inputs(list, read_own_bins, own_bins=True),
}
"""By the name in the table of models: features are standardised, signals are read as they are."""


NOTHING = SequenceFeatures()


class BinInputs:
    """What a predictor reads of a sample, for the bins of a map.

    Parameters
    ----------
    resolution : int
        bp of a bin of the map.
    inputs : Inputs
    store : SignalStore, optional
        Signals of the cell type.
    signals : sequence of str
        Names of what is read of `store`.
    genome : Genome, optional
        Sequence of the assembly.
    sequence : SequenceFeatures
        What is read of `genome`; nothing where signals are read in their own bins.

    Attributes
    ----------
    names : list of str
        Of the rows.
    mirrored : ndarray, (n_rows,), int64
        Which row each becomes where the chromosome is read backwards.
    step : int
        Columns of a bin of the map.
    """

    def __init__(
        self,
        resolution: int,
        inputs: Inputs = INPUTS["features"],
        *,
        store: SignalStore | None = None,
        signals: Sequence[str] = (),
        genome: Genome | None = None,
        sequence: SequenceFeatures = NOTHING,
    ) -> None:
        self.resolution, self.inputs = resolution, inputs
        self.store, self.signals = store, list(signals)
        self.genome, self.sequence = (genome if sequence.names else None), sequence
        self.names = [*inputs.names(signals), *sequence.names]
        of_signals = inputs.mirrored(signals)
        self.mirrored = np.r_[of_signals, len(of_signals) + sequence.mirrored]
        self.step = 1 if store is None else inputs.step(store.bin_size, resolution)

    def chroms(self) -> list[str]:
        """Chromosomes that all signals, and the sequence, have."""
        chroms = None if self.store is None else self.store.chroms(self.signals)
        if self.genome is None:
            return chroms or []
        spelled = list(self.genome.chromsizes.index)
        return spelled if chroms is None else [chrom for chrom in chroms if chrom in spelled]

    def read(self, chrom: str, n: int) -> np.ndarray:
        """What is read of the n bins of a chromosome of a map, (n_rows, n * step), float32.

        NaN where it is missing (features: more than half of the bin), and beyond the chromosome.

        Raises
        ------
        InputError
            A signal is not there, or the bins of the signals do not fill the map's.
        """
        parts = []
        if self.store is not None:
            parts.append(self.inputs.read(self.store, chrom, self.signals, self.resolution))
        if self.genome is not None:
            codes = self.genome.read(chrom, 0, int(self.genome.chromsizes.get(chrom, 0)))
            parts.append(self.sequence.read(codes, self.resolution))
        values = np.full((len(self.names), n * self.step), np.nan, np.float32)
        first = 0
        for part in parts:
            known = min(part.shape[1], values.shape[1])
            values[first : first + len(part), :known] = part[:, :known]
            first += len(part)
        return values
