"""Contacts of a normalised map as sparse matrices: what SNIPER, PCA and SCI read.

Contact probability of 0 is 0, so that the matrices that these models are defined on as dense ones
are sparse as they stand; dense rows are made a batch at a time, by whoever needs them.
"""

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from chromloom.errors import InputError
from chromloom.normalize.maps import PIXEL_CHUNK, NormalizedMap


def cis_pixels(normalized: NormalizedMap, chrom: str) -> pd.DataFrame:
    """Observed pairs of a chromosome: i, j (counted from its start, i < j), count, value."""
    pixels = normalized.pixels(chrom)[["i", "j", "count", "value"]]
    return pixels[pixels["i"] < pixels["j"]]


def has_trans(normalized: NormalizedMap) -> bool:
    """Whether a map holds contacts between chromosomes, of unmasked bins."""
    return next(_trans_chunks(normalized), None) is not None


def trans_pixels(normalized: NormalizedMap) -> pd.DataFrame:
    """Contacts between chromosomes, of unmasked bins.

    Balancing weights are scaled within each chromosome, so that `value` in trans is known up to one
    factor a pair of chromosomes; it is set here so that the sum of `value` over the pair is the sum
    of `count`.

    Returns
    -------
    DataFrame
        i, j (int32, genome-wide bin numbers, i < j), count, value (float32).

    Raises
    ------
    InputError
        The map has none.
    """
    chunks = list(_trans_chunks(normalized))
    if not chunks:
        raise InputError(
            f"{normalized.path} has no contacts between chromosomes, which this model reads; take "
            "a map with trans contacts, or an intra-chromosomal model (sniper-intra, sci-intra)"
        )
    pixels = pd.concat(chunks, ignore_index=True)
    number = pd.factorize(normalized.bins["chrom"])[0]
    pair = number[pixels["i"]] * (number.max() + 1) + number[pixels["j"]]
    counts, values = (np.bincount(pair, pixels[name]) for name in ("count", "value"))
    factor = np.divide(counts, values, out=np.ones_like(counts), where=values > 0)
    return pixels.assign(value=(pixels["value"] * factor[pair]).astype(np.float32))


def symmetric_matrix(i: np.ndarray, j: np.ndarray, data: np.ndarray, n: int) -> csr_matrix:
    """The symmetric (n, n) matrix of pairs given once, float32."""
    both = (np.concatenate([i, j]), np.concatenate([j, i]))
    return csr_matrix((np.concatenate([data, data]).astype(np.float32), both), shape=(n, n))


def _trans_chunks(normalized: NormalizedMap):
    """Trans pixels of unmasked bins, chunk by chunk of the file; no empty ones."""
    number = pd.factorize(normalized.bins["chrom"])[0]
    masked = normalized.bins["masked"].to_numpy()
    with normalized.clr.open("r") as group:
        pixels = group["pixels"]
        for a in range(0, len(pixels["bin1_id"]), PIXEL_CHUNK):
            i, j = (pixels[f"bin{k}_id"][a : a + PIXEL_CHUNK] for k in (1, 2))
            kept = np.flatnonzero((number[i] != number[j]) & ~masked[i] & ~masked[j])
            if len(kept):
                columns = {k: pixels[k][a : a + PIXEL_CHUNK][kept] for k in ("count", "value")}
                table = {"i": i[kept].astype(np.int32), "j": j[kept].astype(np.int32), **columns}
                yield pd.DataFrame(table)
