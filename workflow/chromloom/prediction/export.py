"""Predicted maps as files.

A predicted .mcool holds contact strength, on the scale of counts, in the float pixel column
`count`. It is balanced already: the bin column `weight` is 1, or NaN where the model has no
prediction, so that cooler, cooltools and HiGlass show the same map with and without balancing. The
metadata says which pairs the file speaks of: `max_distance` (bp, null for no limit), `support` and
`region`.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import cooler
import h5py
import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.files import atomic_path
from chromloom.genome.bins import Bins
from chromloom.genome.regions import parse_region
from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.open import open_source
from chromloom.prediction.source import ROWS, MapSource, distance_bins

logger = logging.getLogger(__name__)


def predict_map(
    model_dir: str | Path, map_path: str | Path | None, out_mcool: str | Path, **options
) -> None:
    """Write a model's prediction of contact strength as an .mcool.

    Parameters
    ----------
    model_dir : str or Path
        Folder of a trained model.
    map_path : str or Path, optional
        Normalised map that it was trained on; of a predictor's run that of the sample, if any.
    out_mcool : str or Path
        File to write.
    **options
        Of `write_map`.
    """
    source = open_source(model_dir, map_path)
    observed = NormalizedMap(map_path) if map_path else None
    write_map(source, out_mcool, observed=observed, **options)


def write_map(
    source: MapSource,
    out_mcool: str | Path,
    *,
    observed: NormalizedMap | None = None,
    max_distance: int | None = None,
    support: str = "all",
    min_value: float = 0.0,
    zoomify: bool | Sequence[int] = True,
    region: str | None = None,
) -> None:
    """Write the contact strengths of a map source as an .mcool.

    Parameters
    ----------
    source : MapSource
    out_mcool : str or Path
        File to write.
    observed : NormalizedMap, optional
        The map that is predicted: gives the regions of the expected to the metadata, and the pairs
        of support `observed`.
    max_distance : int, optional
        bp; farther pairs are left out. The file grows linearly with it.
    support : {"all", "observed"}
        Every unmasked pair, or those with a contact in the map: as large as the map's own file.
    min_value : float
        Smaller predictions are left out, as are zeros.
    zoomify : bool or sequence of int
        Coarser resolutions in bp to add: multiples of the source's. True doubles it while the
        longest chromosome has more than 256 bins.
    region : str, optional
        `chrom` or `chrom:start-end`: pairs of bins that overlap it, instead of all. The bins of the
        file are those of the genome all the same.

    Raises
    ------
    InputError
        `support` is unknown or `observed` without a map, a resolution no multiple of the source's,
        or `region` not in its bins.
    """
    if support not in ("all", "observed") or (support == "observed" and observed is None):
        raise InputError(
            f"support '{support}' is unknown; expected all, or observed with an observed map"
        )
    bins, max_distance = source.bins, _nearer(max_distance, source.max_distance)
    resolutions = _resolutions(bins, zoomify)
    spans, part = _spans(bins, region)
    pixels = _pixels(source, observed, spans, max_distance, support, min_value)
    metadata = {
        "sample": source.sample,
        "assembly": source.assembly,
        "norm": source.norm,
        "ignore_diags": source.ignore_diags,
        "model": source.name,
        "content": "predicted contact strength, balanced; weight is 1, NaN where masked",
        "max_distance": max_distance,
        "support": support,
        "region": part,
    }
    if folds := getattr(source, "fold_of", None):
        metadata["fold_of"] = folds  # which fold of a predictor made each chromosome
    if observed is not None:
        metadata["view"] = observed.view_df.to_numpy(dtype=object).tolist()
    with atomic_path(out_mcool) as path:
        base = path.with_name("base.cool")
        cooler.create_cooler(
            str(base), bins[["chrom", "start", "end"]], pixels,
            columns=["count"], dtypes={"count": np.float32}, ordered=True,
            symmetric_upper=True, assembly=source.assembly, metadata=metadata,
        )  # fmt: skip
        cooler.zoomify_cooler(
            [str(base)], str(path), [bins.resolution, *resolutions], 10_000_000,
            columns=["count"], dtypes={"count": np.float32},
        )  # fmt: skip
        base.unlink()
        _write_weights(path, bins, source.ignore_diags)
    logger.info("%s: predicted map written", out_mcool)


def _nearer(*distances: int | None) -> int | None:
    """The smallest of some distances; None is no limit."""
    return min((d for d in distances if d is not None), default=None)


def _resolutions(bins: Bins, zoomify) -> list[int]:
    base = bins.resolution
    if zoomify is True:
        longest, factors = int(bins.chromsizes.max()), [2]
        while longest / (base * factors[-1]) > 256:
            factors.append(2 * factors[-1])
        return [base * factor for factor in factors]
    resolutions = sorted(set(zoomify or ()) - {base})
    wrong = [r for r in resolutions if r % base or r < base]
    if wrong:
        raise InputError(f"resolution {wrong[0]} is not a multiple of the map's {base} bp")
    return resolutions


def _spans(bins: Bins, region: str | None) -> tuple[dict[str, tuple[int, int]], list | None]:
    """Bins to predict of each chromosome: first, last + 1; and the region."""
    if region is None:
        return {chrom: (0, len(bins.mask(chrom))) for chrom in bins.chromnames}, None
    sizes = bins.chromsizes[bins.chromnames]
    chrom, start, end = parse_region(region, sizes.to_dict())
    return {chrom: (start // bins.resolution, -(-end // bins.resolution))}, [chrom, start, end]


def _pixels(source, observed, spans, max_distance, support, min_value) -> Iterator[pd.DataFrame]:
    bins = source.bins
    for chrom, (begin, stop) in spans.items():
        first, _ = bins.extent(chrom)
        for lo in range(begin, stop, ROWS):
            hi, max_dist = min(lo + ROWS, stop), stop - lo
            if max_distance is not None:
                max_dist = min(max_dist, distance_bins(max_distance, bins.resolution))
            band = source.band(chrom, lo, hi, max_dist=max_dist)
            if support == "observed":
                band[~(observed.band(chrom, lo, hi, max_dist=len(band)) > 0)] = np.nan
            row, dist = np.nonzero((band > max(min_value, 0)).T)  # sorted by row, then distance
            inside = lo + row + dist < stop
            row, dist = row[inside], dist[inside]
            yield pd.DataFrame(
                {
                    "bin1_id": first + lo + row,
                    "bin2_id": first + lo + row + dist,
                    "count": band[dist, row],
                }
            )


def _write_weights(mcool: Path, bins: Bins, ignore_diags: int) -> None:
    """Weight 1 for bins that hold an unmasked bin of the map, NaN for the others."""
    good = bins.table.loc[~bins.masked, ["chrom", "start"]]
    for group in cooler.fileops.list_coolers(str(mcool)):
        clr = cooler.Cooler(f"{mcool}::{group}")
        number = (
            good["chrom"]
            .map({chrom: clr.offset((chrom, None, None)) for chrom in clr.chromnames})
            .to_numpy()
            + good["start"].to_numpy() // clr.binsize
        )
        weight = np.full(clr.info["nbins"], np.nan)
        weight[number] = 1.0
        with h5py.File(mcool, "r+") as file:
            dataset = file[group]["bins"].create_dataset("weight", data=weight)
            dataset.attrs["ignore_diags"] = ignore_diags
