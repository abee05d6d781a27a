"""A stretch of a map, a track or features, as much of it as a screen shows."""

from functools import lru_cache

import cooler
import numpy as np
import pandas as pd
import pyBigWig

from chromloom.files import read_tsv
from chromloom.genome.genes import read_genes
from chromloom.normalize.square import read_square
from chromloom.signals.store import SignalStore
from chromloom.tables import BED, BEDPE, read_table
from chromloom.viewer.catalogue import Layer

MOST = 5_000  # features sent at once


def read_layer(
    layer: Layer, chrom: str, start: int, end: int, max_bins: int
) -> tuple[np.ndarray, int, int]:
    """A square of a map, as `normalize.square.read_square` says; kept for the next who asks."""
    return _square(layer, chrom, start, end, max_bins, layer.path.stat().st_mtime_ns)


@lru_cache(maxsize=64)  # a screen's worth each, a few MB; a study that is run again is read again
def _square(layer: Layer, chrom: str, start: int, end: int, max_bins: int, _: int) -> tuple:
    return read_square(layer.path, chrom, start, end, column=layer.part, max_bins=max_bins)


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
        contract = BEDPE if layer.path.suffix == ".bedpe" else BED
        names = list(contract)[: list(contract).index("name") + 1]
        wanted = {name: contract[name] for name in names}
        table = read_table(layer.path, wanted, names=names, sep=None, may_be_empty=True)
        table = table.rename(columns=lambda name: name.removesuffix("1"))
    order = ["chrom", "start", "end", "name", "kind", "strand", "chrom2", "start2", "end2"]
    return table[[name for name in order if name in table]].fillna("")
