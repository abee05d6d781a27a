"""Loops of a map as BEDPE: HiCCUPS (Rao et al. 2014), by cooltools."""

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cooler
import cooltools
import numpy as np
import pandas as pd
from cooltools.api.dotfinder import recommend_kernels

from chromloom.errors import InputError
from chromloom.files import atomic_path
from chromloom.normalize.expected import CoolerByName, align_view, quiet_cooltools
from chromloom.normalize.maps import open_finest, read_cis_pixels

logger = logging.getLogger(__name__)

RESOLUTIONS = (4_000, 28_000)  # bp; between them cooltools knows the widths of HiCCUPS' donut
COLUMNS = [
    "chrom1", "start1", "end1", "chrom2", "start2", "end2", "name", "score", "strand1", "strand2",
    "count", "expected", "q_value",
]  # fmt: skip


def call_loops(
    cool_uri: str | Path,
    out_bedpe: str | Path,
    *,
    max_distance: int = 2_000_000,
    fdr: float = 0.1,
    depth: float = 10.0,
    nproc: int = 1,
) -> pd.DataFrame:
    """Find pairs of bins with more contacts than their surroundings, and write them as BEDPE.

    `cooltools.dots` with the thresholds and filters of HiCCUPS: a pair must exceed its donut,
    lower left corner, row and column, by a Poisson test at `fdr` and by HiCCUPS' factors (1.5 to
    2). Neighbours are clustered, the brightest is kept. Row and column are one pixel wide here,
    three in HiCCUPS, which takes the brightest pixel of a narrow stripe for a loop.

    Parameters
    ----------
    cool_uri : str or Path
        Observed or predicted map of 4 to 28 kb, bins with `weight`; of an `.mcool` the finest
        resolution.
    out_bedpe : str or Path
        BEDPE without header, columns `COLUMNS`.
    max_distance : int
        Loops up to this length, bp.
    fdr : float
        False discovery rate in each class of expected counts.
    depth : float
        Predicted maps (whose metadata names a model): contact strength times this is taken for
        the number of reads. A predicted value rests on many pairs and does not scatter as reads
        do: at 1 the test would ask for a certainty that only a deeper map could give.
    nproc : int
        Processes.

    Returns
    -------
    DataFrame
        What is written: chrom1 … end2 (bins), name, score (count over the donut's expected),
        strand1, strand2 ("."), count (reads; predicted maps: strength times `depth`, rounded),
        expected (of the donut, in the same unit), q_value (of the donut). Sorted; no rows where
        nothing stands out.

    Raises
    ------
    InputError
        The map cannot be opened, has no weights, or another resolution.
    """
    clr = open_finest(cool_uri)
    if not RESOLUTIONS[0] <= clr.binsize <= RESOLUTIONS[1]:
        raise InputError(
            f"{cool_uri} has bins of {clr.binsize} bp; loops are called at 4,000 to 28,000 bp: "
            "extract and normalise the sample at 10,000, say"
        )
    metadata = clr.info.get("metadata") or {}
    view_df = pd.DataFrame(metadata["view"], columns=["chrom", "start", "end", "name"])
    bins = clr.bins()[["chrom", "start", "end", "weight"]][:]
    view_df = align_view(view_df, bins.assign(chrom=bins["chrom"].astype(str)))
    scale = depth if "model" in metadata else 1.0
    with _as_reads(clr, scale, max_distance) as reads, quiet_cooltools(), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # donuts without a pair
        warnings.filterwarnings("ignore", "Compatibility checks for 'kernels'")
        expected = cooltools.expected_cis(
            CoolerByName(clr.uri),
            view_df,
            smooth=False,
            ignore_diags=int(metadata["ignore_diags"]),
            nproc=nproc,
        )
        table = cooltools.dots(
            reads,
            expected.assign(expected=expected["balanced.avg"] * scale),
            expected_value_col="expected",
            view_df=view_df,
            kernels=_kernels(clr.binsize),
            max_loci_separation=max_distance,
            lambda_bin_fdr=fdr,
            clustering_radius=max(20_000, 2 * clr.binsize),
            nproc=nproc,
        )
    loops = _bedpe(table)
    with atomic_path(out_bedpe) as path:
        loops.to_csv(path, sep="\t", header=False, index=False, float_format="%.4g")
    logger.info("%s: %d loops up to %d bp", cool_uri, len(loops), max_distance)
    return loops


def _kernels(resolution: int) -> dict[str, np.ndarray]:
    """HiCCUPS' surroundings of a pair, (w, w) 0 or 1, its row and column narrowed to one pixel."""
    kernels = recommend_kernels(resolution)
    centre = np.arange(len(kernels["donut"])) == len(kernels["donut"]) // 2
    narrow = {"vertical": centre[None, :], "horizontal": centre[:, None]}
    return {name: kernel * narrow.get(name, 1) for name, kernel in kernels.items()}


@contextmanager
def _as_reads(clr: cooler.Cooler, scale: float, max_distance: int) -> Iterator[cooler.Cooler]:
    """The map itself where it counts reads, else a copy with `count` times `scale`, rounded."""
    if scale == 1 and np.issubdtype(clr.pixels().dtypes["count"], np.integer):
        yield clr
        return
    reach = max_distance // clr.binsize + 20  # the donut's width and more

    def pixels() -> Iterator[pd.DataFrame]:
        for chrom in clr.chromnames:
            first, last = clr.extent((chrom, None, None))
            part = read_cis_pixels(
                clr, chrom, 0, last - first, columns=["count"],
                keep=lambda i, j: j - i <= reach,
            )  # fmt: skip
            count = np.rint(part["count"] * scale).astype(np.int64)
            table = pd.DataFrame(
                {"bin1_id": first + part["i"], "bin2_id": first + part["j"], "count": count}
            )
            yield table[count > 0]

    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/reads.cool"
        bins = clr.bins()[["chrom", "start", "end", "weight"]][:]
        cooler.create_cooler(path, bins, pixels(), dtypes={"count": np.int64}, ordered=True)
        yield cooler.Cooler(path)


def _bedpe(table: pd.DataFrame) -> pd.DataFrame:
    table = table.sort_values(["chrom1", "start1", "start2"]).reset_index(drop=True)
    count, expected = table["count"], table["la_exp.donut.value"]
    table = table.astype({"chrom1": str, "chrom2": str}).assign(
        name=[f"loop_{k + 1}" for k in range(len(table))],
        score=count / expected,
        strand1=".",
        strand2=".",
        expected=expected,
        q_value=table["la_exp.donut.qval"],
    )
    return table[COLUMNS]
