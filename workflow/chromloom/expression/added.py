"""Features of genes beside their marks: what a track, or a table of vectors, has at the TSS."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.representations.parquet import read_representations, representation_columns
from chromloom.signals.tracks import read_track


def read_added(
    paths: Mapping[str, str | Path], genes: pd.DataFrame, chromsizes: pd.Series
) -> dict[str, np.ndarray]:
    """Read features at the TSS of genes.

    Parameters
    ----------
    paths : mapping
        Name -> bigWig or bedGraph (such as `E1.bw` of a map), or the parquet table of
        representations of a model.
    genes : DataFrame
        chrom, tss.
    chromsizes : Series
        Chromosome -> bp.

    Returns
    -------
    dict of ndarray, (n_genes, n_numbers), float32
        By name; one number of a track, the vector of its bin of a table; NaN where the file has
        nothing at the TSS.

    Raises
    ------
    InputError
        A file cannot be read, or has nothing at any TSS.
    """
    found = {}
    for name, path in paths.items():
        if Path(path).suffix == ".parquet":
            values = _vectors(read_representations(path), genes)
        else:
            sites = genes[["chrom"]].assign(start=genes["tss"], end=genes["tss"] + 1)
            values = read_track(path, sites, chromsizes)[:, None]
        if not np.isfinite(values).any():
            raise InputError(
                f"added feature {name!r}: {path} has nothing at the TSS of any of the "
                f"{len(genes):,} genes; give a file of their chromosomes"
            )
        found[name] = values.astype(np.float32)
    return found


def _vectors(table: pd.DataFrame, genes: pd.DataFrame) -> np.ndarray:
    """Vectors of the bins that hold the TSS, (n_genes, d)."""
    columns = representation_columns(table)
    values = np.full((len(genes), len(columns)), np.nan)
    tss = genes["tss"].to_numpy()
    for chrom, rows in genes.groupby("chrom", sort=False).indices.items():
        bins = table[table["chrom"] == chrom].sort_values("start")
        place = np.searchsorted(bins["start"], tss[rows], side="right") - 1
        there = place >= 0
        there[there] = tss[rows[there]] < bins["end"].to_numpy()[place[there]]
        values[rows[there]] = bins[columns].to_numpy()[place[there]]
    return values
