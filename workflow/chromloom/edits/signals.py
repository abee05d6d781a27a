"""Signals of an edited chromosome: of bins that an edit has cut, from the bins of the signals."""

from collections.abc import Sequence

import numpy as np

from chromloom.edits.pieces import Piece
from chromloom.signals.features import feature_names, mirrored_features
from chromloom.signals.store import SignalStore


def part_features(
    store: SignalStore, pieces: Sequence[Piece], signals: Sequence[str]
) -> np.ndarray:
    """Features of one bin that holds pieces of the reference.

    Parameters
    ----------
    store : SignalStore
    pieces : sequence of Piece
        At least one bp in all.
    signals : sequence of str

    Returns
    -------
    ndarray, (2 * n_signals,), float32
        As `signals.features.read_features`: means, then maxima. A bin of the signals that is cut
        counts in the mean by the share that is left. Stranded signals change places in a piece that
        is turned round. NaN where more than half is missing.
    """
    turned = mirrored_features(feature_names(signals))[: len(signals)]
    values, weights = [], []
    for piece in pieces:
        lo, hi = piece.start // store.bin_size, -(-piece.end // store.bin_size)
        own = store.read(piece.chrom, lo, hi, signals).astype(float)
        values.append(own[turned] if piece.strand == "-" else own)
        start = np.arange(lo, hi) * store.bin_size
        weights.append(
            np.minimum(start + store.bin_size, piece.end) - np.maximum(start, piece.start)
        )
    value, weight = np.concatenate(values, axis=1), np.concatenate(weights)
    known = np.isfinite(value)
    total = np.where(known, weight, 0).sum(axis=1)
    mean = np.where(known, value * weight, 0).sum(axis=1) / np.maximum(total, 1)
    largest = np.where(known, value, -np.inf).max(axis=1)
    missing = 2 * total < weight.sum()
    features = np.concatenate([mean, largest])
    features[np.tile(missing, 2)] = np.nan
    return features.astype(np.float32)
