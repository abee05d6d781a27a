"""Signals and sequence of an edited chromosome, of bins that an edit has cut."""

from collections.abc import Iterable, Sequence

import numpy as np

from chromloom.edits.pieces import Piece, length
from chromloom.sequence.fasta import Genome, encode, reverse_complement
from chromloom.signals.features import BinInputs, mirrored_signals
from chromloom.signals.store import SignalStore


def part_inputs(source: BinInputs, pieces: Sequence[Piece]) -> np.ndarray:
    """What a predictor reads of one bin that holds pieces of the reference, (n_rows, step)."""
    if source.inputs.own_bins:
        assert source.store is not None  # own bins are those of a store
        return part_signals(source.store, pieces, source.signals, source.step)
    parts = []
    if source.store is not None:
        parts.append(part_features(source.store, pieces, source.signals))
    if source.genome is not None:
        codes = edited_codes(source.genome, pieces)
        parts.append(source.sequence.read(codes, len(codes))[:, 0])
    return np.concatenate(parts)[:, None]


def edited_codes(genome: Genome, pieces: Iterable[Piece]) -> np.ndarray:
    """Sequence of joined pieces of the reference, (length,), uint8; see `sequence.fasta`."""
    spelled = [np.zeros(0, np.uint8)]
    for piece in pieces:
        if piece.bases:
            codes = encode(piece.bases.encode())
        else:
            codes = genome.read(piece.chrom, piece.start, piece.end)
        spelled.append(codes if piece.strand == "+" else reverse_complement(codes))
    return np.concatenate(spelled)


def part_features(
    store: SignalStore, pieces: Sequence[Piece], signals: Sequence[str]
) -> np.ndarray:
    """Features of the signals of one bin that holds pieces of the reference.

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
        counts in the mean by the share that is left; of inserted bases nothing is known. Stranded
        signals change places in a piece that is turned round. NaN where more than half is missing.
    """
    turned = mirrored_signals(signals)
    values, weights = [], []
    for piece in pieces:
        if piece.bases:
            values.append(np.full((len(signals), 1), np.nan))
            weights.append(np.array([len(piece.bases)]))
            continue
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


def part_signals(
    store: SignalStore, pieces: Sequence[Piece], signals: Sequence[str], step: int
) -> np.ndarray:
    """Signals in their own bins of one bin of the map that holds pieces of the reference.

    Parameters
    ----------
    store, pieces, signals
        As for `part_features`.
    step : int
        Bins that the pieces are spread over evenly.

    Returns
    -------
    ndarray, (n_signals, step), float32
        Each the value at its middle; NaN in inserted bases. Stranded signals change places in a
        piece that is turned round.
    """
    middles = ((np.arange(step) + 0.5) * length(pieces) / step).astype(int)
    return signals_at(store, pieces, middles, signals)


def signals_at(
    store: SignalStore, pieces: Sequence[Piece], places: np.ndarray, signals: Sequence[str]
) -> np.ndarray:
    """Signals at places of joined pieces of the reference.

    Parameters
    ----------
    store, pieces, signals
        As for `part_features`.
    places : ndarray, (n,), int64
        bp from the start of the first piece.

    Returns
    -------
    ndarray, (n_signals, n), float32
        NaN beyond the last piece and in inserted bases. Stranded signals change places in a piece
        that is turned round.
    """
    turned = mirrored_signals(signals)
    values = np.full((len(signals), len(places)), np.nan, np.float32)
    end = 0
    for piece in pieces:
        offset, end = end, end + piece.end - piece.start
        own = (offset <= places) & (places < end)
        if piece.bases or not own.any():
            continue
        inside = places[own] - offset
        bp = piece.start + inside if piece.strand == "+" else piece.end - 1 - inside
        lo, hi = bp.min() // store.bin_size, bp.max() // store.bin_size + 1
        read = store.read(piece.chrom, lo, hi, signals)[:, bp // store.bin_size - lo]
        values[:, own] = read[turned] if piece.strand == "-" else read
    return values
