"""Open reading frames: where genes lie and how they are turned, in genomes almost without introns.

A frame opens at the first ATG after a stop codon and ends with the next stop codon.
"""

import numpy as np
import pandas as pd

from chromloom.sequence.fasta import N, encode, reverse_complement

ORF_NAMES = ["ORF+", "ORF-", "ORF end+", "ORF end-"]
"""Rows of `orf_features`."""
ORF_MIRRORED = [1, 0, 3, 2]
"""Which row each becomes where the chromosome is read backwards."""
START = encode(b"ATG")
STOPS = encode(b"TAATAGTGA").reshape(3, 3)


def find_orfs(codes: np.ndarray, shortest: int) -> pd.DataFrame:
    """Open reading frames of both strands.

    Parameters
    ----------
    codes : ndarray, (length,), uint8
        Bases, see `sequence.fasta`.
    shortest : int
        bp from the start to the end of the stop codon.

    Returns
    -------
    DataFrame
        start, end (bp on the forward strand), strand; sorted.
    """
    tables = []
    for strand, read in (("+", codes), ("-", reverse_complement(codes))):
        starts = _codons(read, START[None])
        stops = _codons(read, STOPS)
        for frame in range(3):
            stop = stops[stops % 3 == frame]
            start = np.append(starts[starts % 3 == frame], len(codes))
            after = np.append(-1, stop[:-1])
            opens = start[np.searchsorted(start, after, side="right").clip(max=len(start) - 1)]
            ends = stop + 3
            long = ends - opens >= shortest
            table = pd.DataFrame({"start": opens[long], "end": ends[long], "strand": strand})
            if strand == "-":
                table["start"], table["end"] = (
                    len(codes) - ends[long],
                    len(codes) - opens[long],
                )
            tables.append(table)
    table = pd.concat(tables).astype({"start": np.int64, "end": np.int64})
    return table.sort_values(["start", "end", "strand"], ignore_index=True)


def orf_features(codes: np.ndarray, shortest: int, bin_size: int) -> np.ndarray:
    """Bases of a bin in open reading frames, and ends of these, by strand.

    Parameters
    ----------
    codes, shortest
        As for `find_orfs`.
    bin_size : int
        bp.

    Returns
    -------
    ndarray, (4, n_bins), float32
        Rows are `ORF_NAMES`: share of the bin that frames of a strand cover (those that overlap
        count twice), and frames of a strand that end in the bin. NaN where less than half of a bin
        is known.
    """
    n = -(-len(codes) // bin_size)
    table, features = find_orfs(codes, shortest), np.zeros((4, n))
    edges = np.minimum(np.arange(n + 1) * bin_size, len(codes))
    for row, (strand, end) in enumerate({"+": "end", "-": "start"}.items()):
        own = table[table["strand"] == strand]
        begun, ended = (_bases_before(edges, own[side].to_numpy()) for side in ("start", "end"))
        features[row] = np.diff(begun - ended) / np.maximum(np.diff(edges), 1)
        last = own[end].to_numpy() - (strand == "+")
        features[2 + row] = np.bincount(last // bin_size, minlength=n)
    unknown = np.add.reduceat(codes == N, edges[:-1]) if n else np.zeros(0)
    features[:, 2 * unknown > np.diff(edges)] = np.nan
    return features.astype(np.float32)


def _bases_before(edges: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Sum over the positions before each edge of the bases from there to the edge."""
    positions = np.sort(positions)
    sums = np.append(0, np.cumsum(positions))
    number = np.searchsorted(positions, edges)
    return number * edges - sums[number]


def _codons(codes: np.ndarray, codons: np.ndarray) -> np.ndarray:
    """Starts of any of some codons, (n,), ascending."""
    found = np.zeros(max(len(codes) - 2, 0), bool)
    for codon in codons:
        found |= np.all([codes[k : k + len(found)] == codon[k] for k in range(3)], axis=0)
    return np.flatnonzero(found)
