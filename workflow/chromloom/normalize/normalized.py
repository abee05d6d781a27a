"""Writing normalised maps: counts, contact strength, observed/expected and the expected table."""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import cooler
import h5py
import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.files import atomic_path, write_tsv
from chromloom.genome.assembly import Assembly
from chromloom.genome.bins import make_view
from chromloom.normalize.balance import DEFAULT_SETTINGS, BalanceSettings, balance
from chromloom.normalize.expected import compute_expected, view_of
from chromloom.normalize.maps import PIXEL_CHUNK, Expected, expected_path
from chromloom.normalize.probability import auto_coefficient

logger = logging.getLogger(__name__)


def normalize_contacts(
    contacts: str | Path,
    out_cool: str | Path,
    *,
    sample: str,
    resolution: int,
    norm: str,
    assembly: Assembly,
    chroms: Iterable[str] | None = None,
    settings: BalanceSettings = DEFAULT_SETTINGS,
    stored: np.ndarray | None = None,
    cp_a: float | Literal["auto"] = 8.0,
    nproc: int = 1,
) -> pd.DataFrame:
    """Balance a map, and write contact strength, observed/expected and the expected table.

    Parameters
    ----------
    contacts : str or Path
        Raw counts: `.mcool` (the group of `resolution` is taken) or `.cool`, or a cooler URI.
    out_cool : str or Path
        `….cool`; `….expected.tsv` and `….balancing.tsv` (the stats of `balance`) go beside it.
    sample : str
        Name for the metadata and for messages.
    resolution : int
        bp.
    norm : {"ICE", "KR", "VC", "VC_SQRT"}
        Method.
    assembly : Assembly
        Centromeres split the expected into arms; bins on the blacklist are masked.
    chroms : iterable of str, optional
        Chromosomes the user named (see `balance`).
    settings : BalanceSettings
        Filters and limits of the balancing.
    stored : ndarray, (n_bins,), float64, optional
        Ready multiplicative weights of this norm, NaN = masked (see `balance`).
    cp_a : float or "auto"
        Coefficient of the contact probability.
    nproc : int
        Processes for the expected.

    Returns
    -------
    DataFrame
        The stats of `balance`.
    """
    clr = open_resolution(contacts, resolution, sample=sample)
    weights, stats = balance(
        clr,
        norm,
        settings,
        sample=sample,
        chroms=chroms,
        blacklist=assembly.blacklist,
        stored=stored,
    )
    write_normalized(
        clr,
        weights,
        out_cool,
        sample=sample,
        norm=norm,
        assembly=assembly.name,
        view_df=make_view(assembly, resolution=resolution),
        ignore_diags=settings.ignore_diags,
        cp_a=cp_a,
        nproc=nproc,
    )
    write_tsv(stats, balancing_path(out_cool))
    return stats


def write_default_weights(
    mcool: str | Path,
    norm: str,
    *,
    sample: str,
    assembly: Assembly,
    chroms: Iterable[str] | None = None,
    settings: BalanceSettings = DEFAULT_SETTINGS,
    stored: Mapping[int, np.ndarray] | None = None,
) -> pd.DataFrame:
    """Give every resolution of an .mcool a `weight`, so that HiGlass and cooltools see it balanced.

    At each resolution by itself, as `normalize_contacts` would, except that nothing raises: a
    chromosome that cannot be balanced (too few bins at a coarse resolution) gets NaN and a warning.

    Parameters
    ----------
    mcool : str or Path
        Changed in place.
    stored : mapping, optional
        Resolution -> ready weights (see `balance`).
    norm, sample, assembly, chroms, settings
        As for `normalize_contacts`.

    Returns
    -------
    DataFrame
        The stats of `balance` with a leading column `resolution`.
    """
    tables = []
    for uri in cooler.fileops.list_coolers(str(mcool)):
        clr = cooler.Cooler(f"{mcool}::{uri}")
        resolution = int(clr.binsize)
        weights, stats = balance(
            clr,
            norm,
            settings,
            sample=f"{sample}, {resolution} bp",
            chroms=chroms,
            blacklist=assembly.blacklist,
            stored=(stored or {}).get(resolution),
            required=False,
        )
        with clr.open("r+") as group:
            if "weight" in group["bins"]:
                del group["bins/weight"]
            column = group["bins"].create_dataset("weight", data=weights, compression="gzip")
            column.attrs.update(
                norm=norm,
                ignore_diags=settings.ignore_diags,
                mad_max=settings.mad_max,
                min_nnz=settings.min_nnz,
                cis_only=True,
                divisive_weights=False,
            )
        stats.insert(0, "resolution", resolution)
        tables.append(stats)
    return pd.concat(tables, ignore_index=True)


def open_resolution(contacts: str | Path, resolution: int, *, sample: str = "") -> cooler.Cooler:
    """Open one resolution of an .mcool in the usual layout, or a .cool that has it.

    Raises
    ------
    InputError
        Not a cooler, or it lacks the resolution.
    """
    uris = [str(contacts), f"{contacts}::resolutions/{resolution}"]
    for uri in uris if "::" not in str(contacts) else uris[:1]:
        try:
            clr = cooler.Cooler(uri)
        except (OSError, KeyError):
            continue
        if clr.binsize == resolution:
            return clr
    try:
        found = cooler.fileops.list_coolers(str(contacts).split("::")[0])
    except OSError as error:
        raise InputError(
            f"sample '{sample}': {contacts} cannot be opened as a .cool or .mcool ({error}); "
            "give the file that the rule extract_contacts wrote"
        ) from error
    raise InputError(
        f"sample '{sample}': {contacts} has no map at {resolution} bp; it has "
        f"{', '.join(found) or 'none'}. Add {resolution} to contacts.resolutions in the config"
    )


def balancing_path(out_cool: str | Path) -> Path:
    """Path of the balancing stats that lie beside a normalised map."""
    return Path(out_cool).with_suffix(".balancing.tsv")


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
    cp_a: float | Literal["auto"] = 8.0,
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
    cp_a : float or "auto"
        Coefficient of the contact probability, kept in the metadata; "auto" derives it from the
        expected (`auto_coefficient`).
    nproc : int
        Processes for the expected.

    Notes
    -----
    Pixels: `count` int32 (int64 where the source has it, float32 where it has fractions), `value`
    float32 (count * w_i * w_j; NaN with a masked bin), `oe` float32 (value / expected of the
    pair's regions and distance; NaN with a masked bin, at distance < `ignore_diags`, and in trans,
    where `value` is comparable only up to one factor per pair of chromosomes, because weights are
    scaled within each).
    """
    out_cool = Path(out_cool)
    bins = clr.bins()[["chrom", "start", "end"]][:].assign(weight=weights)
    bins["chrom"] = bins["chrom"].astype(str)
    metadata = {
        "sample": sample,
        "norm": norm,
        "assembly": assembly,
        "ignore_diags": ignore_diags,
    }
    with atomic_path(out_cool) as path:
        cooler.create_cooler(
            str(path),
            bins,
            _valued_pixels(clr, weights),
            columns=["count", "value"],
            dtypes={"count": _count_dtype(clr), "value": np.float32},
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
        metadata["cp_a"] = auto_coefficient(table) if cp_a == "auto" else float(cp_a)
        metadata["expected_rows"] = len(table)
        metadata["view"] = view_df.to_numpy(dtype=object).tolist()
        with h5py.File(path, "r+") as file:
            file.attrs["metadata"] = json.dumps(metadata)
            # Where cooltools looks for it.
            file["bins/weight"].attrs.update(ignore_diags=ignore_diags, divisive_weights=False)
    masked = int(np.isnan(weights).sum())
    logger.info(
        "%s: %d bins, %d masked, a = %.3g", out_cool.name, len(bins), masked, metadata["cp_a"]
    )


def _count_dtype(clr: cooler.Cooler) -> type:
    """Integers stay as they are; a source that had fractions keeps them as float32."""
    dtype = clr.pixels().dtypes["count"]
    if not np.issubdtype(dtype, np.integer):
        return np.float32
    return np.int64 if np.dtype(dtype).itemsize > 4 else np.int32


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
            first, last = clr.extent((chrom, None, None))
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
