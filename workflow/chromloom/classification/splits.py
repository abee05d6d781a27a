"""Hold-out: contiguous blocks of at least 5 Mb, or whole chromosomes, as groups of folds.

Neighbouring bins share domains and reads, so that rows drawn at random leak from training to test.
"""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.files import write_tsv
from chromloom.genome.bins import BLOCK
from chromloom.tables import Column, read_table

CONTRACT = {
    "chrom": Column(),
    "start": Column(int, low=0),
    "end": Column(int, low=1),
    "block": Column(int, low=0),
    "fold": Column(int, low=0),
}
COLUMNS = list(CONTRACT)


def make_splits(
    bins: pd.DataFrame, *, n_folds: int = 5, block: int = BLOCK, by: str = "blocks", seed: int = 0
) -> pd.DataFrame:
    """Cut the genome into blocks and deal them out to folds.

    Parameters
    ----------
    bins : DataFrame
        chrom, start, end, masked.
    n_folds : int
        Folds; fewer when there are fewer groups.
    block : int
        Least length of a block in bp. A chromosome is cut into equal blocks of at least this; a
        shorter one is a single block.
    by : {"blocks", "chromosomes"}
        What stays together in one fold. With "chromosomes" and no more of them than folds, each
        is a fold.
    seed : int
        Groups are dealt in an order drawn with it, each to the fold with fewest unmasked bins.

    Returns
    -------
    DataFrame
        chrom, start, end, block (number), fold (0 … n_folds - 1), of blocks with unmasked bins.

    Raises
    ------
    InputError
        Fewer than two groups have unmasked bins.
    """
    if by not in ("blocks", "chromosomes"):
        raise InputError(f"splits by '{by}' are unknown; expected blocks or chromosomes")
    rows = []
    for chrom, part in bins.groupby("chrom", sort=False):
        edges = np.linspace(0, len(part), max(int(part["end"].max()) // block, 1) + 1).astype(int)
        for lo, hi in itertools.pairwise(edges):
            piece = part.iloc[lo:hi]
            n_unmasked = int((~piece["masked"].astype(bool)).sum())
            if n_unmasked:
                rows.append((chrom, piece["start"].iloc[0], piece["end"].iloc[-1], n_unmasked))
    table = pd.DataFrame(rows, columns=["chrom", "start", "end", "n"])
    table["block"] = np.arange(len(table))
    group = table["block"] if by == "blocks" else pd.factorize(table["chrom"])[0]
    sizes = table.groupby(group)["n"].sum()
    if len(sizes) < 2:
        raise InputError(
            f"hold-out by {by} needs two or more with unmasked bins, found {len(sizes)}; take "
            "smaller blocks or more chromosomes"
        )
    load = np.zeros(min(n_folds, len(sizes)))
    folds = {}
    for key in np.random.default_rng(seed).permutation(sizes.index):
        folds[key] = int(np.argmin(load))
        load[folds[key]] += sizes[key]
    table["fold"] = pd.Series(group).map(folds).to_numpy()
    return table[COLUMNS]


def write_splits(splits: pd.DataFrame, path: str | Path) -> None:
    """Write the blocks and their folds as TSV."""
    write_tsv(splits[COLUMNS], path)


def read_splits(path: str | Path) -> pd.DataFrame:
    """Read blocks and folds, as written by `write_splits` or by hand.

    Raises
    ------
    InputError
        A column is missing, or there are fewer than two folds.
    """
    table = read_table(path, CONTRACT, what="table of splits").reset_index(drop=True)
    if table["fold"].nunique() < 2:
        raise InputError(f"{path} has {table['fold'].nunique()} fold; expected two or more")
    return table


def assign_bins(bins: pd.DataFrame, splits: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Block and fold of each bin, -1 outside all blocks.

    Returns
    -------
    block, fold : ndarray, (n_bins,), int64
        A bin belongs to the block in which it starts.
    """
    block, fold = (np.full(len(bins), -1, dtype=np.int64) for _ in range(2))
    chrom, start = bins["chrom"].to_numpy(), bins["start"].to_numpy()
    for row in splits.itertuples(index=False):
        inside = (chrom == row.chrom) & (start >= row.start) & (start < row.end)
        block[inside], fold[inside] = row.block, row.fold
    return block, fold
