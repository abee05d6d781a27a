"""Pairs of bins that an attribution is of, by the regions that a user names."""

from collections.abc import Sequence

import numpy as np

from chromloom.errors import InputError
from chromloom.genome.regions import parse_region
from chromloom.prediction.source import MapSource


def chosen_pairs(source: MapSource, regions: Sequence[str]) -> tuple[str, np.ndarray, np.ndarray]:
    """Predicted pairs within one region, or of a bin of one and a bin of another.

    Parameters
    ----------
    source : MapSource
    regions : sequence of str
        One or two, `chrom:start-end`; of a single bin its stripe, the pairs that lie across the
        diagonal there.

    Returns
    -------
    chrom : str
    i, d : ndarray, (n_pairs,), int64
        First bin of the chromosome, and distance in bins.

    Raises
    ------
    InputError
        Regions that are none or of two chromosomes, or no predicted pair in them.
    """
    resolution, sizes = source.bins.resolution, source.bins.chromsizes.to_dict()
    spans = [parse_region(region, sizes) for region in regions]
    if len(spans) not in (1, 2) or len({chrom for chrom, *_ in spans}) != 1:
        raise InputError(
            f"regions {', '.join(regions)}; expected one or two on one chromosome, "
            "chrom:start-end each"
        )
    chrom = spans[0][0]
    bins = [np.arange(start // resolution, -(-end // resolution)) for _, start, end in spans]
    furthest = int(source.max_distance or 0) // resolution
    if len(bins) == 1 and len(bins[0]) == 1:
        d = np.arange(furthest + 1)
        i = bins[0][0] - (d + 1) // 2
    else:
        a, b = (each.ravel() for each in np.meshgrid(bins[0], bins[-1], indexing="ij"))
        i, d = np.minimum(a, b), np.abs(a - b)
        i, d = np.unique(np.stack([i, d]), axis=1)
    mask = source.bins.mask(chrom)
    kept = (i >= 0) & (i + d < len(mask)) & (d >= source.ignore_diags) & (d <= furthest)
    i, d = i[kept], d[kept]
    kept = ~mask[i] & ~mask[i + d]
    if not kept.any():
        raise InputError(
            f"regions {', '.join(regions)}: no predicted pair lies there; name bins with signals, "
            f"at most {source.max_distance:,} bp apart"
        )
    return chrom, i[kept], d[kept]
