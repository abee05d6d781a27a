"""The representation table as parquet, h5ad (bins as observations) and bigWigs."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.files import atomic_path
from chromloom.models.trained import TrainedModel
from chromloom.representations.parquet import (
    BIN_COLUMNS,
    check_representations,
    representation_columns,
    write_representations,
)
from chromloom.signals.tracks import write_bigwig

logger = logging.getLogger(__name__)


def export_representations(
    model_dir: str | Path,
    parquet: str | Path,
    h5ad: str | Path | None = None,
    bigwig_dir: str | Path | None = None,
) -> None:
    """Write the representations of a trained model in each form that is asked for.

    Parameters
    ----------
    model_dir : path
        Model folder.
    parquet : path
        Table chrom, start, end, masked, r0 … r{d-1}.
    h5ad : path, optional
        AnnData with bins as observations.
    bigwig_dir : path, optional
        Folder for one bigWig a dimension, r0.bw …, and norm.bw, the length of the vector.
    """
    model = TrainedModel.load(model_dir)
    table = representation_table(model)
    write_representations(table, parquet)
    if h5ad is not None:
        write_h5ad(table, h5ad, metadata=model.config)
    if bigwig_dir is not None:
        write_bigwigs(table, bigwig_dir)


def representation_table(model: TrainedModel) -> pd.DataFrame:
    """Representations of all bins.

    Returns
    -------
    DataFrame
        chrom (str), start, end, masked (bool), r0 … r{d-1} (float32; NaN at masked bins).
    """
    values = np.concatenate([model.representation(c) for c in model.bins.extents])  # (n_bins, d)
    columns = [f"r{k}" for k in range(values.shape[1])]
    return pd.concat(
        [
            model.bins[BIN_COLUMNS],
            pd.DataFrame(values, columns=columns, index=model.bins.table.index),
        ],
        axis=1,
    )


def write_h5ad(table: pd.DataFrame, path: str | Path, *, metadata: dict | None = None) -> None:
    """Write the table as AnnData: bins are observations, dimensions variables.

    Observations are named chrom:start-end and carry chrom, start, end, masked; X is (n_bins, d)
    float32 with NaN at masked bins; `metadata` goes to uns["model"] as JSON.
    """
    import json

    import anndata

    check_representations(table, "the table")
    columns = representation_columns(table)
    obs = table[BIN_COLUMNS].copy()
    obs.index = [f"{c}:{s}-{e}" for c, s, e in zip(table["chrom"], table["start"], table["end"])]
    obs["chrom"] = pd.Categorical(obs["chrom"], categories=table["chrom"].unique())
    data = anndata.AnnData(
        X=table[columns].to_numpy(dtype=np.float32), obs=obs, var=pd.DataFrame(index=columns)
    )
    data.uns["model"] = json.dumps(metadata or {}, default=str)
    with atomic_path(path) as temporary:
        data.write_h5ad(temporary)


def write_bigwigs(table: pd.DataFrame, folder: str | Path) -> list[Path]:
    """Write one bigWig a dimension, r0.bw …, and norm.bw, the length of the vector.

    Masked bins are left out.

    Returns
    -------
    list of Path
    """
    columns = representation_columns(table)
    table = table.assign(norm=np.linalg.norm(table[columns], axis=1))
    chromsizes = table.groupby("chrom", sort=False)["end"].max()
    paths = []
    for name in [*columns, "norm"]:
        paths.append(Path(folder) / f"{name}.bw")
        write_bigwig(table, name, paths[-1], chromsizes)
    return paths
