"""Quality of a sample's contacts, by resolution and chromosome."""

from pathlib import Path

import cooler
import numpy as np
import pandas as pd

from chromloom.contacts.coolers import CoolerReader, stream_pixels
from chromloom.contacts.pixels import bin_offsets, n_bins, reading
from chromloom.contacts.reliability import CountSums
from chromloom.errors import InputError
from chromloom.files import read_tsv, write_tsv

BALANCING = ["norm", "source", "converged", "iterations", "residual", "note"]
#: A chromosome with fewer unmasked bins is masked whole by the normalization.
MIN_BINS = 20


def contacts_qc(mcool: str, *, ignore_diags: int = 2) -> pd.DataFrame:
    """Tabulate a `.mcool` (or one map of it, `file::/group`); streamed.

    Parameters
    ----------
    mcool : str
        As `extract_contacts` writes it.
    ignore_diags : int
        Pairs nearer than this many bins do not count in `sparsity` and `depth`.

    Returns
    -------
    pandas.DataFrame
        One row per resolution and chromosome of the assembly, and one with chrom `all`:

        sample (str), resolution (bp), chrom (str), n_bins,
        contacts (with an end on the chromosome), cis_contacts, trans_contacts,
        cis_share (cis_contacts / contacts; NaN without contacts),
        covered_bins (with a contact), masked_bins (NaN `weight`; NaN where not yet balanced),
        sparsity (share of cis pairs of covered bins with no contact; NaN without pairs),
        depth (contacts a covered bin; NaN without any),
        reliable_distance (bp): up to here, from the nearest pairs on, a perfect prediction would
        correlate with single pairs by at least `reliability.LIMIT`; beyond it, single pairs are
        mostly noise; NaN where not balanced, not ok, or where counts are no integers,
        status (str): ok; empty (no cis contact); masked (fewer than 20 bins that are covered and,
        where balanced, unmasked),
        reading (str, in the row `all`): what `extract_contacts` did beyond copying: equal pixels
        summed, pixels folded onto the other side of the diagonal, contacts left out and why.
    """
    reader = CoolerReader(str(mcool))
    tables = [
        _qc_one(reader.uri(resolution), resolution, ignore_diags)
        for resolution in reader.resolutions
    ]
    return pd.concat(tables, ignore_index=True)


def _qc_one(uri: str, resolution: int, ignore_diags: int) -> pd.DataFrame:
    with reading(uri):
        clr = cooler.Cooler(uri)
        chromsizes = pd.Series(clr.chromsizes, dtype="int64")
        metadata = clr.info.get("metadata") or {}
        columns = clr.bins().columns
        weight = clr.bins()["weight"][:].to_numpy() if "weight" in columns else None
    counts = n_bins(chromsizes, resolution)
    n, total_bins = len(counts), int(counts.sum())
    chrom_of = np.repeat(np.arange(n), counts)
    cis, trans = np.zeros(n), np.zeros(n)
    filled = np.zeros(n, dtype=np.int64)
    covered = np.zeros(total_bins, dtype=bool)
    trans_total = 0.0
    offsets, reliability = bin_offsets(chromsizes, resolution).to_numpy(), None
    if weight is not None and np.issubdtype(clr.pixels().dtypes["count"], np.integer):
        reliability = CountSums(weight, offsets, ignore_diags)
    for bin1, bin2, count in stream_pixels(uri):
        chrom1, chrom2 = chrom_of[bin1], chrom_of[bin2]
        same = chrom1 == chrom2
        cis += np.bincount(chrom1[same], count[same], minlength=n)
        for chrom in (chrom1, chrom2):
            trans += np.bincount(chrom[~same], count[~same], minlength=n)
        trans_total += count[~same].sum()
        if reliability is not None:
            reliability.add(chrom1[same], bin1[same], bin2[same], count[same])
        filled += np.bincount(chrom1[same & (bin2 - bin1 >= ignore_diags)], minlength=n)
        covered[bin1] = covered[bin2] = True
    usable = covered if weight is None else covered & ~np.isnan(weight)

    def by_chrom(flags: np.ndarray) -> np.ndarray:
        return np.bincount(chrom_of, flags, minlength=n).astype(np.int64)

    pairs = np.array(
        [
            _pairs(covered[start : start + size], ignore_diags)
            for start, size in zip(offsets, counts)
        ]
    )
    table = pd.DataFrame(
        {
            "chrom": chromsizes.index,
            "n_bins": counts.to_numpy(),
            "contacts": cis + trans,
            "cis_contacts": cis,
            "trans_contacts": trans,
            "covered_bins": by_chrom(covered),
            "masked_bins": np.nan if weight is None else by_chrom(np.isnan(weight)),
            "filled": filled,
            "pairs": pairs,
            "status": np.select([cis == 0, by_chrom(usable) < MIN_BINS], ["empty", "masked"], "ok"),
        }
    )
    genome = table.drop(columns=["chrom", "status"]).sum(min_count=1)
    genome["trans_contacts"] = trans_total
    genome["contacts"] = genome["cis_contacts"] + trans_total
    status = "ok" if (table["status"] == "ok").any() else "masked" if cis.any() else "empty"
    genome = genome.to_frame().T.assign(chrom="all", status=status)
    table = pd.concat([table, genome[table.columns]], ignore_index=True)
    parts = [[k] for k in range(n)] + [list(range(n))]
    reach = np.nan if reliability is None else [reliability.reliable_distance(p) for p in parts]
    distance = np.multiply(reach, resolution)
    table["reliable_distance"] = np.where(table["status"] == "ok", distance, np.nan)
    table["sparsity"] = 1 - table["filled"] / table["pairs"].where(table["pairs"] > 0)
    table["cis_share"] = table["cis_contacts"] / table["contacts"].where(table["contacts"] > 0)
    table["depth"] = table["contacts"] / table["covered_bins"].where(table["covered_bins"] > 0)
    table = table.astype({"n_bins": "int64", "covered_bins": "int64"}).assign(
        sample=metadata.get("sample", ""),
        resolution=resolution,
        reading=np.where(table["chrom"] == "all", metadata.get("reading", ""), ""),
    )
    return table[
        [
            "sample",
            "resolution",
            "chrom",
            "n_bins",
            "contacts",
            "cis_contacts",
            "trans_contacts",
            "cis_share",
            "covered_bins",
            "masked_bins",
            "sparsity",
            "depth",
            "reliable_distance",
            "status",
            "reading",
        ]
    ]


def _pairs(covered: np.ndarray, ignore_diags: int) -> int:
    """Number of pairs of covered bins at a distance of at least `ignore_diags`."""
    n = int(covered.sum())
    near = sum(
        int((covered[d:] & covered[: len(covered) - d]).sum())
        for d in range(min(ignore_diags, len(covered)))
    )
    return n * (n + 1) // 2 - near


def add_balancing(qc: pd.DataFrame, balancing: pd.DataFrame) -> pd.DataFrame:
    """Put the outcome of balancing beside the quality of each chromosome.

    Parameters
    ----------
    qc : DataFrame
        Of `contacts_qc`.
    balancing : DataFrame
        resolution, chrom and the columns of `BALANCING`, one row per resolution and chromosome.

    Returns
    -------
    DataFrame
        `qc` with the columns of `BALANCING`, NaN where a chromosome was not balanced.
    """
    keys = ["resolution", "chrom"]
    return qc.merge(balancing[keys + BALANCING], on=keys, how="left")


def require_trans(qc_path: str | Path, out: str | Path) -> None:
    """Refuse a sample without contacts between chromosomes; write how many it has.

    Some models (SNIPER-INTER, SCI) read nothing else. This is asked of the quality table, before
    anything is normalised or trained.

    Parameters
    ----------
    qc_path : path
        Table of `contacts_qc`.
    out : path
        TSV: sample, resolution, trans_contacts.

    Raises
    ------
    InputError
        A resolution has none.
    """
    qc = read_tsv(qc_path).query("chrom == 'all'")[["sample", "resolution", "trans_contacts"]]
    if not (qc["trans_contacts"] > 0).all():
        raise InputError(
            f"sample '{qc['sample'].iloc[0]}' has no contacts between chromosomes, which models "
            "sniper-inter, sniper-inter-fc and sci read; give a map that holds them, or name this "
            "sample's models without those in the column models of the sample sheet (sniper-intra "
            "and sci-intra read contacts within chromosomes)"
        )
    write_tsv(qc, out)
