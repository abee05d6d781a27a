"""Writing normalised maps: counts, contact strength, observed/expected and the expected table."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import cooler
import h5py
import numpy as np
import pandas as pd

from chromloom.files import atomic_path, write_tsv
from chromloom.normalize.expected import compute_expected, view_of
from chromloom.normalize.maps import PIXEL_CHUNK, Expected, expected_path

logger = logging.getLogger(__name__)


def write_normalized(
    clr: cooler.Cooler,
    weights: np.ndarray,
    out_cool: str | Path,
    *,
    sample: str,
    norm: str,
    assembly: str,
    view_df: pd.DataFrame | None = None,
    ignore_diags: int = 2,
    cp_a: float = 8.0,
    nproc: int = 1,
) -> None:
    """Write a normalised map and, beside it, its expected table, given the balancing weights.

    Parameters
    ----------
    clr : cooler.Cooler
        Raw counts.
    weights : ndarray, (n_bins,), float64
        Multiplicative; NaN = masked.
    out_cool : str or Path
        `….cool`; the table goes to `….expected.tsv`.
    sample, norm, assembly : str
        Kept in the metadata.
    view_df : DataFrame or None
        chrom, start, end, name; regions of the expected (see `align_view`).
    ignore_diags : int
        Nearer cis pairs keep `count` and `value`, and have no `oe`.
    cp_a : float
        Coefficient of the contact probability, kept in the metadata.
    nproc : int
        Processes for the expected.

    Notes
    -----
    Pixels: `count` int32, `value` float32 (count * w_i * w_j; NaN with a masked bin), `oe` float32
    (value / expected of the pair's regions and distance; NaN with a masked bin, at distance <
    `ignore_diags`, and in trans, where `value` is comparable only up to one factor a pair of
    chromosomes, because weights are scaled within each).
    """
    out_cool = Path(out_cool)
    bins = clr.bins()[["chrom", "start", "end"]][:].assign(weight=weights)
    bins["chrom"] = bins["chrom"].astype(str)
    metadata = {
        "sample": sample,
        "norm": norm,
        "assembly": assembly,
        "ignore_diags": ignore_diags,
        "cp_a": float(cp_a),
    }
    with atomic_path(out_cool) as path:
        cooler.create_cooler(
            str(path),
            bins,
            _valued_pixels(clr, weights),
            columns=["count", "value"],
            dtypes={"count": np.int32, "value": np.float32},
            ordered=True,
            triucheck=False,
            dupcheck=False,
            boundscheck=False,
            assembly=assembly,
        )
        normalized = cooler.Cooler(str(path))
        view_df = view_of(view_df, normalized)
        table = compute_expected(normalized, view_df, ignore_diags=ignore_diags, nproc=nproc)
        write_tsv(table, expected_path(out_cool))
        _append_oe(path, bins, table, view_df, ignore_diags)
        with h5py.File(path, "r+") as file:
            view = view_df.to_numpy(dtype=object).tolist()
            file.attrs["metadata"] = json.dumps({**metadata, "view": view})
    logger.info("%s: %d bins, %d masked", out_cool.name, len(bins), bins["weight"].isna().sum())


def _valued_pixels(clr: cooler.Cooler, weights: np.ndarray) -> Iterator[pd.DataFrame]:
    """Pixels of a raw map chunk by chunk, with `value` = count * w_i * w_j."""
    for lo in range(0, int(clr.info["nnz"]), PIXEL_CHUNK):
        pixels = clr.pixels()[lo : lo + PIXEL_CHUNK]
        i, j = pixels["bin1_id"].to_numpy(), pixels["bin2_id"].to_numpy()
        yield pixels.assign(value=pixels["count"].to_numpy() * weights[i] * weights[j])


def _append_oe(
    path: Path, bins: pd.DataFrame, table: pd.DataFrame, view_df: pd.DataFrame, ignore_diags: int
) -> None:
    """Add the pixel column `oe` in place, chromosome by chromosome in chunks."""
    mask = bins["weight"].isna().to_numpy()
    starts = bins["start"].to_numpy()
    clr = cooler.Cooler(str(path))
    with h5py.File(path, "r+") as file:
        pixels = file["pixels"]
        oe = pixels.create_dataset_like("oe", pixels["value"], fillvalue=np.nan)
        offsets = file["indexes/bin1_offset"][:]
        for chrom in view_df["chrom"].unique():
            first, last = clr.extent(chrom)
            expected = Expected(
                table, view_df, chrom, starts[first:last], mask[first:last], ignore_diags
            )
            for lo in range(offsets[first], offsets[last], PIXEL_CHUNK):
                hi = min(lo + PIXEL_CHUNK, offsets[last])
                i, j = pixels["bin1_id"][lo:hi] - first, pixels["bin2_id"][lo:hi] - first
                ratio = np.full(hi - lo, np.nan, dtype=np.float32)
                cis = np.flatnonzero(j < last - first)
                value = pixels["value"][lo:hi][cis]
                ratio[cis] = value / expected.at(i[cis], j[cis])
                oe[lo:hi] = ratio
