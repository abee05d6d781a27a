"""A square of a map on its diagonal, in bins as large as it takes to have few of them.

For what shows or fits a whole chromosome at once; everything else reads maps in band layout, by
`maps.NormalizedMap`. Reads a normalised map as well as a predicted one, which may hold larger bins.
"""

from pathlib import Path

import cooler
import h5py
import numpy as np

PIXELS = 2_000_000  # read at once: 40 MB


def resolutions(path: str | Path) -> dict[int, str]:
    """Bin sizes (bp) of a map, `.cool` or `.mcool`, from the finest -> URI."""
    with h5py.File(path) as file:
        sizes = sorted(map(int, file.get("resolutions", {})))
    if sizes:
        return {size: f"{path}::resolutions/{size}" for size in sizes}
    return {int(cooler.Cooler(str(path)).binsize): str(path)}


def covered(path: str | Path) -> dict[str, int]:
    """Length (bp) of the chromosomes on which a map has pixels."""
    clr = cooler.Cooler(next(reversed(resolutions(path).values())))
    with clr.open("r") as group:
        pixels = group["indexes/bin1_offset"][:][group["indexes/chrom_offset"][:]]
    sizes = clr.chromsizes[(pixels[1:] > pixels[:-1]).tolist()]
    return {str(chrom): int(size) for chrom, size in sizes.items()}


def read_square(
    path: str | Path, chrom: str, start: int, end: int, *, column: str, max_bins: int
) -> tuple[np.ndarray, int, int]:
    """Mean contact strength of the pairs of bins of a stretch of a chromosome.

    Parameters
    ----------
    path : str or Path
        `.cool` or `.mcool`.
    chrom : str
    start, end : int
        bp; widened to whole bins, and cut off at the ends of the chromosome.
    column : str
        Pixel column.
    max_bins : int
        At most so many, and one, fit into the stretch: bins are doubled until they do.

    Returns
    -------
    values : ndarray, (n, n), float32
        Symmetric. Contact strength of a pair of the map's own bins; in larger bins the mean over
        their pairs. A pair without a pixel is 0, and so is one closer than the map's
        `ignore_diags`, or of a masked bin, beside others in a larger bin. NaN: all pairs are
        closer than that, all bins are masked, or some pairs are farther than the map predicts
        (`max_distance`).
    start : int
        bp, of the first bin.
    resolution : int
        bp, of the bins.

    Raises
    ------
    KeyError
        The map has no such chromosome.
    """
    stored = resolutions(path)
    base = min(stored)
    clr = cooler.Cooler(stored[base])
    length = int(clr.chromsizes[chrom])
    resolution = base
    while (end - start) / resolution > max_bins:
        resolution *= 2
    own = max(size for size in stored if resolution % size == 0)
    lo, hi = max(start, 0) // resolution, -(-min(end, length) // resolution)
    values = _sums(stored[own], chrom, lo, hi, resolution // own, column, is_base=own == base)
    step = resolution // base
    values /= step**2
    about = clr.info.get("metadata", {})
    distance = np.abs(np.subtract(*np.indices(values.shape)))
    values[(distance + 1) * step <= about.get("ignore_diags", 0)] = np.nan
    if farthest := about.get("max_distance"):
        values[((distance + 1) * step - 1) * base > farthest] = np.nan
    return values.astype(np.float32), lo * resolution, resolution


def _sums(
    uri: str, chrom: str, lo: int, hi: int, factor: int, column: str, *, is_base: bool
) -> np.ndarray:
    """Sums over the pairs of two bins, each of `factor` bins of the file."""
    clr = cooler.Cooler(uri)
    first, last = clr.extent(chrom)
    begin, stop, n = first + lo * factor, min(first + hi * factor, last), hi - lo
    ignored = clr.info.get("metadata", {}).get("ignore_diags", 0)
    total = np.zeros(n * n)
    with clr.open("r") as group:
        offsets = group["indexes/bin1_offset"][begin : stop + 1]
        for low in range(int(offsets[0]), int(offsets[-1]), PIXELS):
            part = slice(low, min(low + PIXELS, int(offsets[-1])))
            row, col = group["pixels/bin1_id"][part], group["pixels/bin2_id"][part]
            kept = (col < stop) & (col - row >= ignored)
            row, col = row[kept], col[kept]
            value = np.nan_to_num(group[f"pixels/{column}"][part][kept].astype(float))
            # The two triangles are added below. Larger bins of the file hold one of them already.
            value[(row == col) & is_base] /= 2
            pair = (row - begin) // factor * n + (col - begin) // factor
            total += np.bincount(pair, value, n * n)
        masked = np.ones(n * factor, dtype=bool)
        masked[: stop - begin] = (
            np.isnan(group["bins/weight"][begin:stop]) if "weight" in group["bins"] else False
        )
    values = total.reshape(n, n)
    values = values + values.T
    unknown = masked.reshape(n, factor).all(axis=1)
    values[unknown], values[:, unknown] = np.nan, np.nan
    return values
