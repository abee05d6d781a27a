"""All analyses of one map, written into one folder."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.analysis.compartments import (
    coarsen_for_compartments,
    compute_compartments,
    short_range_strength,
)
from chromloom.analysis.distance import contacts_by_distance
from chromloom.analysis.insulation import boundaries_bed, compute_insulation
from chromloom.errors import InputError
from chromloom.files import atomic_path, write_tsv
from chromloom.normalize.expected import align_view, compute_expected
from chromloom.normalize.maps import open_finest
from chromloom.signals.tracks import read_track, write_bigwig

logger = logging.getLogger(__name__)


def analyse_map(
    cool_uri: str | Path,
    out_dir: str | Path,
    *,
    view_df: pd.DataFrame | None = None,
    phasing_track: str | Path | None = None,
    windows_bins: Sequence[int] = (10, 25),
    nproc: int = 1,
) -> None:
    """Expected, P(s), compartments, saddle, insulation and boundaries of a map, by cooltools.

    Parameters
    ----------
    cool_uri : str or Path
        Observed or predicted map, bins with `weight` (NaN = masked; 1 where the pixels are
        balanced already): `.cool`, a cooler URI, or an `.mcool`, of which the finest resolution
        is taken.
    out_dir : str or Path
        Folder for the files below; made if need be.
    view_df : DataFrame, optional
        chrom, start, end, name: regions of expected and compartments; by default those that the
        map's metadata names (`view`), else whole chromosomes. Fitted to the map by `align_view`.
    phasing_track : str or Path, optional
        bigWig or bedGraph that is high in active chromatin (GC content, gene density, the E1 of
        another map); gives the eigenvectors their sign. Without it they are positive where
        contacts within 200 kb are stronger, which holds for the A compartment.
    windows_bins : sequence of int
        Widths of the insulation diamond in bins; boundaries and bigWig are of the first.
    nproc : int
        Processes for the expected.

    Notes
    -----
    Files: `expected.tsv` (as for normalised maps), `ps.tsv`, `eigs.tsv`, `E1.bw`, `saddle.tsv`,
    `insulation.tsv`, `insulation.bw`, `boundaries.bed`, `summary.tsv` (metric, value). Columns are
    those that `contacts_by_distance`, `compute_compartments`, `compute_insulation` and
    `boundaries_bed` return. Chromosomes or arms that are too small for an analysis have NaN there.
    """
    out_dir = Path(out_dir)
    clr = open_finest(cool_uri)
    metadata = clr.info.get("metadata") or {}
    ignore_diags = int(metadata.get("ignore_diags", 2))
    if view_df is None and "view" in metadata:
        view_df = pd.DataFrame(metadata["view"], columns=["chrom", "start", "end", "name"])
    bins = clr.bins()[["chrom", "start", "end", "weight"]][:]
    bins["chrom"] = bins["chrom"].astype(str)
    if bins["weight"].isna().all():
        raise InputError(f"{cool_uri}: every bin is masked, so that there is nothing to analyse")
    view = align_view(view_df, bins)

    expected = compute_expected(clr, view, ignore_diags=ignore_diags, nproc=nproc)
    write_tsv(expected, out_dir / "expected.tsv")
    write_tsv(contacts_by_distance(expected, view, clr.binsize), out_dir / "ps.tsv")

    with coarsen_for_compartments(clr, ignore_diags) as coarse:
        if phasing_track is None:
            phasing = short_range_strength(clr, coarse, expected, view, ignore_diags)
        else:
            phasing = read_track(phasing_track, coarse.bins()[:], clr.chromsizes)
        compartment_resolution = int(coarse.binsize)
        eigs, saddle, strength = compute_compartments(coarse, view_df, phasing)
    write_tsv(eigs, out_dir / "eigs.tsv")
    write_bigwig(eigs, "E1", out_dir / "E1.bw", clr.chromsizes)
    write_tsv(saddle, out_dir / "saddle.tsv")

    windows_bp = [int(window) * clr.binsize for window in windows_bins]
    insulation = compute_insulation(clr, windows_bp, ignore_diags=ignore_diags)
    write_tsv(insulation, out_dir / "insulation.tsv")
    score = f"log2_insulation_score_{windows_bp[0]}"
    write_bigwig(insulation, score, out_dir / "insulation.bw", clr.chromsizes)
    boundaries = boundaries_bed(insulation, windows_bp[0])
    with atomic_path(out_dir / "boundaries.bed") as path:
        boundaries.to_csv(path, sep="\t", header=False, index=False)

    masked = bins["weight"].isna()
    # chromosomes that are masked whole (the map does not hold them) say nothing of its quality
    held = ~masked.groupby(bins["chrom"]).transform("all")
    summary = {
        "masked_share": masked[held].mean(),
        "E1_resolution": compartment_resolution,
        "E1_bins": int(eigs["E1"].notna().sum()),
        "saddle_strength": strength,
        "boundaries": len(boundaries),
        "insulation_sd": np.nan if insulation[score].isna().all() else insulation[score].std(),
    }
    write_tsv(pd.DataFrame(summary.items(), columns=["metric", "value"]), out_dir / "summary.tsv")
    logger.info(
        "%s: saddle strength %.3g at %d bp, %d boundaries",
        cool_uri, strength, compartment_resolution, len(boundaries),
    )  # fmt: skip
