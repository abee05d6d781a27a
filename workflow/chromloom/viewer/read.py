"""A stretch of a map, a track or features, as much of it as a screen shows."""

from functools import lru_cache

import cooler
import numpy as np
import pandas as pd
import pyBigWig

from chromloom.files import read_tsv
from chromloom.genome.genes import read_genes
from chromloom.signals.store import SignalStore
from chromloom.viewer.catalogue import Layer, covered, resolutions

PIXELS = 2_000_000  # read at once: 40 MB
MOST = 5_000  # features sent at once


def read_square(
    layer: Layer, chrom: str, start: int, end: int, max_bins: int
) -> tuple[np.ndarray, int, int]:
    """Mean contact strength of the pairs of bins in a square on the diagonal of a map.

    Parameters
    ----------
    layer : Layer
        A map.
    chrom : str
    start, end : int
        bp; widened to whole bins.
    max_bins : int
        At most so many, and one, fit into the stretch: bins are doubled until they do.

    Returns
    -------
    values : ndarray, (n, n), float32
        Symmetric. Contact strength of a pair of the map's own bins; in larger bins the mean over
        their pairs, in which pairs closer than the map's `ignore_diags` count as 0. 0 where no
        pixel is stored, NaN where a bin is masked.
    start : int
        bp, of the first bin.
    resolution : int
        bp, of the bins.
    """
    stored = resolutions(layer.path)
    base = min(stored)
    resolution = base
    while (end - start) / resolution > max_bins:
        resolution *= 2
    own = max(size for size in stored if resolution % size == 0)
    length = covered(layer.path)[chrom]
    lo, hi = max(start, 0) // resolution, -(-min(end, length) // resolution)
    values = _square(
        *(stored[own], layer.part, chrom, lo, hi, resolution // own, own == base),
        layer.path.stat().st_mtime_ns,  # a study that is run again has other files
    )
    return values / np.float32((resolution // base) ** 2), lo * resolution, resolution


@lru_cache(maxsize=64)  # a screen's worth each, a few MB
def _square(
    uri: str, column: str, chrom: str, lo: int, hi: int, factor: int, is_base: bool, _: int
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
        masked = np.zeros(n * factor, dtype=bool)
        if "bins/weight" in group:
            masked[: stop - begin] = np.isnan(group["bins/weight"][begin:stop])
            masked[stop - begin :] = True
    values = total.reshape(n, n)
    values = values + values.T
    unknown = masked.reshape(n, factor).all(axis=1)
    values[unknown], values[:, unknown] = np.nan, np.nan
    return values.astype(np.float32)


def read_track(layer: Layer, chrom: str, start: int, end: int, n: int) -> list[float | None]:
    """Means of a track over `n` equal parts of a stretch; None = no value, also off its ends."""
    edges = np.linspace(start, end, n + 1)
    if layer.path.suffix == ".bw":
        bigwig = pyBigWig.open(str(layer.path))
        length = bigwig.chroms().get(chrom, 0)
        inside = np.clip(edges, 0, length).astype(int)
        stretches = zip(inside, np.maximum(inside[1:], inside[:-1] + 1))
        values = [
            bigwig.stats(chrom, int(low), int(high))[0] if high <= length else None
            for low, high in stretches
        ]
        bigwig.close()
        return values
    with SignalStore(layer.path) as store:
        if chrom not in store.chromsizes.index:
            return [None] * n
        size = store.bin_size
        lo, hi = int(start // size), int(-(-end // size))
        values = store.read(chrom, lo, hi, [layer.part])[0].astype(float)
    part = np.clip(((np.arange(lo, hi) + 0.5) * size - start) * n / (end - start), 0, n - 1)
    known = np.isfinite(values)
    total = np.bincount(part[known].astype(int), values[known], n)
    count = np.bincount(part[known].astype(int), minlength=n)
    # Parts smaller than a bin have that bin's value.
    filled = pd.Series(np.divide(total, count, out=np.full(n, np.nan), where=count > 0))
    filled = filled.ffill(limit=max(int(size * n / (end - start)), 1)) if n > hi - lo else filled
    return [None if np.isnan(value) else value for value in filled]


def read_features(layer: Layer, chrom: str, start: int, end: int) -> list[dict]:
    """Features that touch a stretch: start, end, name and, where they have them, strand and
    the second place (`chrom2`, `start2`, `end2`); the largest `MOST` of them.
    """
    table = _features(layer, layer.path.stat().st_mtime_ns)
    table = table[(table["chrom"] == chrom) & (table["start"] < end) & (table["end"] > start)]
    if len(table) > MOST:
        length = table["end"] - table["start"]
        table = table[length.rank(method="first", ascending=False) <= MOST]
    return table.to_dict("records")


def list_variants(layer: Layer) -> list[dict]:
    """All variants of a layer, in its order."""
    return _features(layer, layer.path.stat().st_mtime_ns).to_dict("records")


@lru_cache(maxsize=32)
def _features(layer: Layer, _: int) -> pd.DataFrame:
    if layer.part:
        table = read_genes(layer.path, cooler.Cooler(layer.part).chromsizes)
    elif layer.path.suffix == ".tsv":
        table = read_tsv(layer.path).rename(columns={"edit": "name"})
    else:
        names = ["chrom", "start", "end", "name"]
        if layer.path.suffix == ".bedpe":
            names = ["chrom", "start", "end", "chrom2", "start2", "end2", "name"]
        table = pd.read_csv(layer.path, sep="\t", header=None, usecols=range(len(names)))
        table.columns = names
    order = ["chrom", "start", "end", "name", "kind", "strand", "chrom2", "start2", "end2"]
    return table[[name for name in order if name in table]].fillna("")
