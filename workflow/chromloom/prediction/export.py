"""Predicted maps as files.

A predicted .mcool holds contact strength, on the scale of counts, in the float pixel column
`count`. It is balanced already: the bin column `weight` is 1, or NaN where the model has no
prediction, so that cooler, cooltools and HiGlass show the same map with and without balancing.
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
from chromloom.genome.regions import parse_region
from chromloom.models.trained import TrainedModel
from chromloom.normalize.maps import NormalizedMap

logger = logging.getLogger(__name__)

ROWS = 256


def predict_map(
    model_dir: str | Path,
    map_path: str | Path,
    out_mcool: str | Path,
    *,
    max_distance: int | None = None,
    support: str = "all",
    min_value: float = 0.0,
    zoomify: bool | Sequence[int] = True,
    region: str | None = None,
) -> None:
    """Write a model's prediction of contact strength as an .mcool.

    Parameters
    ----------
    model_dir : str or Path
        Folder of a trained model.
    map_path : str or Path
        Normalised map that it was trained on: its bins, mask and expected are used.
    out_mcool : str or Path
        File to write.
    max_distance : int, optional
        bp; farther pairs are left out. The file grows linearly with it.
    support : {"all", "observed"}
        Every unmasked pair, or those with a contact in the map: as large as the map's own file.
    min_value : float
        Smaller predictions are left out, as are zeros.
    zoomify : bool or sequence of int
        Coarser resolutions in bp to add: multiples of the map's. True doubles it while the longest
        chromosome has more than 256 bins.
    region : str, optional
        `chrom` or `chrom:start-end`: pairs of bins that overlap it, instead of all. The bins of the
        file are those of the genome all the same.

    Raises
    ------
    InputError
        `support` is unknown, a resolution no multiple of the map's, or `region` not in the map.
    """
    if support not in ("all", "observed"):
        raise InputError(f"support '{support}' is unknown; expected all or observed")
    observed = NormalizedMap(map_path)
    trained = TrainedModel.load(model_dir)
    resolutions = _resolutions(observed, zoomify)
    max_dist = None if max_distance is None else max(max_distance // observed.resolution, 0) + 1
    spans = _spans(observed, region)
    pixels = _pixels(trained, observed, spans, max_dist, support, min_value)
    metadata = {
        "sample": observed.sample,
        "assembly": observed.assembly,
        "norm": observed.norm,
        "ignore_diags": observed.ignore_diags,
        "view": observed.view_df.to_numpy(dtype=object).tolist(),
        "model": Path(model_dir).name.rsplit(".", 1)[-1],
        "content": "predicted contact strength, balanced; weight is 1, NaN where masked",
    }
    with atomic_path(out_mcool) as path:
        base = path.with_name("base.cool")
        cooler.create_cooler(
            str(base), observed.bins[["chrom", "start", "end"]], pixels,
            columns=["count"], dtypes={"count": np.float32}, ordered=True,
            symmetric_upper=True, assembly=observed.assembly, metadata=metadata,
        )  # fmt: skip
        cooler.zoomify_cooler(
            [str(base)], str(path), [observed.resolution, *resolutions], 10_000_000,
            columns=["count"], dtypes={"count": np.float32},
        )  # fmt: skip
        base.unlink()
        _write_weights(path, observed)
    logger.info("%s: predicted map written", out_mcool)


def _predict(trained, observed, chrom, lo, hi, max_dist) -> np.ndarray:
    target = trained.predict_band(chrom, lo, hi, max_dist=max_dist)
    expected = observed.expected(chrom).band(lo, hi)[: len(target)]
    return trained.to_value(target, expected)


def _resolutions(observed: NormalizedMap, zoomify) -> list[int]:
    base = observed.resolution
    if zoomify is True:
        longest, factors = int(observed.clr.chromsizes.max()), [2]
        while longest / (base * factors[-1]) > 256:
            factors.append(2 * factors[-1])
        return [base * factor for factor in factors]
    resolutions = sorted(set(zoomify or ()) - {base})
    wrong = [r for r in resolutions if r % base or r < base]
    if wrong:
        raise InputError(f"resolution {wrong[0]} is no multiple of the map's {base} bp")
    return resolutions


def _spans(observed, region: str | None) -> dict[str, tuple[int, int]]:
    """Bins to predict of each chromosome: first, last + 1."""
    if region is None:
        return {chrom: (0, len(observed.mask(chrom))) for chrom in observed.chromnames}
    sizes = observed.clr.chromsizes[observed.chromnames]
    chrom, start, end = parse_region(region, sizes.to_dict())
    return {chrom: (start // observed.resolution, -(-end // observed.resolution))}


def _pixels(trained, observed, spans, max_dist, support, min_value) -> Iterator[pd.DataFrame]:
    for chrom, (begin, stop) in spans.items():
        first, _ = observed.extent(chrom)
        for lo in range(begin, stop, ROWS):
            hi = min(lo + ROWS, stop)
            n_dist = stop - lo if max_dist is None else min(stop - lo, max_dist)
            band = _predict(trained, observed, chrom, lo, hi, n_dist)
            if support == "observed":
                band[~(observed.band(chrom, lo, hi)[: len(band)] > 0)] = np.nan
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


def _write_weights(mcool: Path, observed: NormalizedMap) -> None:
    """Weight 1 for bins that hold an unmasked bin of the map, NaN for the others."""
    good = observed.bins.table.loc[~observed.bins.masked, ["chrom", "start"]]
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
            dataset.attrs["ignore_diags"] = observed.ignore_diags
