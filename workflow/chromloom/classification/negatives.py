"""The samples a task is trained and tested on, by protocol.

`honest`: positives and as many negatives, drawn at random among the unlabelled bins of the labelled
chromosomes; for pairs, as many negatives at the distances of the positives. `published`: as the
released code does it, the first N unlabelled bins from the start of the genome, N the number of
positive intervals; pairs as they stand in their file. Where a file gives negatives they are used
(all of them for bins).
"""

import numpy as np
import pandas as pd

from chromloom.classification.labels import BinLabels, PairLabels

PROTOCOLS = ("honest", "published")


def sample_bins(labels: BinLabels, *, protocol: str, rng: np.random.Generator) -> pd.DataFrame:
    """Labelled bins of a task.

    Parameters
    ----------
    labels : BinLabels
    protocol : {"honest", "published"}
    rng : numpy Generator
        For the draw of `honest`.

    Returns
    -------
    DataFrame
        bin1, bin2 (equal), y, sorted by bin.
    """
    chosen = np.flatnonzero(labels.y >= 0)
    candidates = np.flatnonzero(labels.candidates)
    if len(candidates):
        positives = chosen[labels.y[chosen] == 1]
        if protocol == "published":
            negatives = candidates[: labels.n_intervals]
        else:
            n = min(len(positives), len(candidates))
            negatives = rng.choice(candidates, n, replace=False)
            positives = rng.choice(positives, n, replace=False)
        chosen = np.sort(np.concatenate([positives, negatives]))
    y = np.maximum(labels.y[chosen], 0)
    return pd.DataFrame({"bin1": chosen, "bin2": chosen, "y": y})


def sample_pairs(
    labels: PairLabels, bins: pd.DataFrame, *, protocol: str, rng: np.random.Generator
) -> pd.DataFrame:
    """Labelled pairs of bins of a task.

    Parameters
    ----------
    labels : PairLabels
    bins : DataFrame
        chrom, start, end, masked.
    protocol : {"honest", "published"}
    rng : numpy Generator

    Returns
    -------
    DataFrame
        bin1, bin2, y, sorted. `honest`: each positive has a negative on its chromosome, of the
        file's negatives the nearest in distance, or (without such) a random pair of the same
        distance.
    """
    pairs = labels.pairs
    positives, negatives = pairs[pairs["y"] == 1], pairs[pairs["y"] == 0]
    if len(negatives) and protocol == "published":
        return pairs.reset_index(drop=True)
    if len(negatives):
        drawn = _nearest_in_distance(positives, negatives, bins["chrom"].to_numpy(), rng)
    else:
        drawn = _random_at_distance(positives, labels.allowed, bins["chrom"].to_numpy(), rng)
    return pd.concat([positives, drawn]).sort_values(["bin1", "bin2"], ignore_index=True)


def _nearest_in_distance(positives, negatives, chrom, rng) -> pd.DataFrame:
    """One negative a positive, each used once, nearest in log distance on its chromosome."""
    free = np.ones(len(negatives), dtype=bool)
    negative_chrom = chrom[negatives["bin1"]]
    distance = np.log1p((negatives["bin2"] - negatives["bin1"]).to_numpy())
    chosen = []
    for row in positives.sample(frac=1, random_state=rng).itertuples(index=False):
        usable = np.flatnonzero(free & (negative_chrom == chrom[row.bin1]))
        if len(usable):
            off = np.abs(distance[usable] - np.log1p(row.bin2 - row.bin1))
            best = rng.choice(usable[off == off.min()])
            free[best] = False
            chosen.append(best)
    return negatives.iloc[chosen]


def _random_at_distance(positives, allowed, chrom, rng, attempts: int = 200) -> pd.DataFrame:
    """One pair a positive at the same distance on the same chromosome, that is no positive."""
    taken = set(zip(positives["bin1"], positives["bin2"]))
    rows = []
    for row in positives.itertuples(index=False):
        on_chrom = np.flatnonzero(chrom == chrom[row.bin1])
        distance = row.bin2 - row.bin1
        starts = rng.integers(on_chrom[0], max(on_chrom[-1] - distance, on_chrom[0]) + 1, attempts)
        for start in starts:
            pair = (start, start + distance)
            if pair not in taken and allowed[pair[0]] and allowed[pair[1]]:
                taken.add(pair)
                rows.append((*pair, 0))
                break
    return pd.DataFrame(rows, columns=["bin1", "bin2", "y"], dtype=np.int64)
