"""Bins of equal size over an assembly, and views of it."""

import logging
from collections.abc import Iterable

import numpy as np
import pandas as pd

from chromloom.genome.assembly import Assembly
from chromloom.genome.names import select_chromosomes

logger = logging.getLogger(__name__)


def make_bins(chromsizes: pd.Series, resolution: int) -> pd.DataFrame:
    """Fixed-size bins of a genome; the last of each chromosome is cut at its end.

    Returns
    -------
    pandas.DataFrame
        chrom (str), start, end (int64); row number is `bin_id`, as in cooler.
    """
    chromsizes = pd.Series(chromsizes)
    counts = -(-chromsizes.to_numpy(dtype=np.int64) // resolution)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    start = (np.arange(counts.sum()) - first) * resolution
    end = np.minimum(start + resolution, np.repeat(chromsizes.to_numpy(), counts))
    chrom = np.repeat(chromsizes.index.to_numpy(dtype=object), counts)
    return pd.DataFrame({"chrom": chrom, "start": start, "end": end.astype(np.int64)})


def make_view(
    assembly: Assembly,
    *,
    chroms: Iterable[str] | None = None,
    arms: bool = True,
    resolution: int = 1,
) -> pd.DataFrame:
    """Regions over which an expected is computed: chromosome arms, or whole chromosomes.

    Parameters
    ----------
    assembly : Assembly
    chroms : iterable of str, optional
        Chromosomes in the view, in any spelling; all of them by default.
    arms : bool
        Split where the assembly has a centromere, at its midpoint.
    resolution : int
        The split is rounded down to a border of bins of this size, so that no bin is in two arms.

    Returns
    -------
    pandas.DataFrame
        chrom, start, end, name; names are unique (`chr1_p`, `chr1_q`, or `chrM` unsplit).
    """
    middle = assembly.centromeres.set_index("chrom")
    middle = ((middle["start"] + middle["end"]) // 2).to_dict() if arms else {}
    rows = []
    for chrom in select_chromosomes(chroms, assembly.chromsizes, source="view"):
        length = int(assembly.chromsizes[chrom])
        split = int(middle.get(chrom, 0)) // resolution * resolution
        if 0 < split < length:
            rows += [(chrom, 0, split, f"{chrom}_p"), (chrom, split, length, f"{chrom}_q")]
        else:
            rows.append((chrom, 0, length, chrom))
    return pd.DataFrame(rows, columns=["chrom", "start", "end", "name"])
