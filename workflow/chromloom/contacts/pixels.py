"""Tables of pixels: bin arithmetic, sums over equal pairs, pooling of unordered streams.

A chunk of pixels is a DataFrame of bin1_id, bin2_id (int64, bin1_id <= bin2_id, bins of the
assembly) and count.
"""

import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from chromloom.errors import InputError

CHUNK = 1 << 22
POOL = 5 * CHUNK
#: Marks in a lookup of bins: the sequence is not kept; the bin lies beyond its chromosome's end.
NOT_KEPT, BEYOND = -1, -2

Lengths = TypeVar("Lengths", int, np.ndarray, pd.Series)


@dataclass(frozen=True)
class Target:
    """The assembly that contacts are written in, and the chromosomes that are kept."""

    chromsizes: pd.Series
    chroms: tuple[str, ...]
    length_tolerance: int = 0

    def offsets(self, resolution: int) -> pd.Series:
        """First bin_id of each chromosome."""
        return bin_offsets(self.chromsizes, resolution)


def n_bins(lengths: Lengths, resolution: int) -> Lengths:
    """Number of bins that cover `lengths` bp."""
    return -(-lengths // resolution)


def bin_offsets(chromsizes: pd.Series, resolution: int) -> pd.Series:
    """First bin_id of each chromosome, int64."""
    counts = n_bins(chromsizes, resolution)
    return counts.cumsum() - counts


def bin_lookup(
    sizes: dict[str, int], names: dict[str, str], target: Target, resolution: int
) -> np.ndarray:
    """The assembly's bin_id of every bin of a file that has all bins of its chromosomes.

    `NOT_KEPT` where the chromosome is left out, `BEYOND` in a file's last bin that lies beyond the
    assembly's chromosome (lengths that differ by less than the tolerance).

    Returns
    -------
    ndarray, (n_bins of the file,), int64
    """
    offsets = target.offsets(resolution)
    parts = []
    for name, length in sizes.items():
        part = np.full(n_bins(int(length), resolution), NOT_KEPT, dtype=np.int64)
        chrom = names.get(name)
        if chrom is not None:
            part[:] = BEYOND
            n = min(len(part), n_bins(int(target.chromsizes[chrom]), resolution))
            part[:n] = offsets[chrom] + np.arange(n)
        parts.append(part)
    return np.concatenate(parts)


def translate(
    bin1: np.ndarray, bin2: np.ndarray, count: np.ndarray, lookup: np.ndarray, notes: Counter
) -> pd.DataFrame:
    """A chunk of the file's bins as a chunk of the assembly's.

    Bins that are left out are dropped, and their contacts counted in `notes`.
    """
    bin1, bin2 = lookup[bin1], lookup[bin2]
    for mark, reason in (
        (NOT_KEPT, "contacts left out: their sequence is not in the assembly, or not kept"),
        (BEYOND, "contacts left out: beyond the end of their chromosome"),
    ):
        lost = np.minimum(bin1, bin2) == mark
        if lost.any():
            notes[reason] += int(np.nansum(count[lost]))
    return upper(bin1, bin2, count)


def upper(bin1: np.ndarray, bin2: np.ndarray, count: np.ndarray) -> pd.DataFrame:
    """Pixels with bin1_id <= bin2_id; those with a negative bin are dropped."""
    keep = (bin1 >= 0) & (bin2 >= 0)
    if not keep.all():
        bin1, bin2, count = bin1[keep], bin2[keep], count[keep]
    return pd.DataFrame(
        {"bin1_id": np.minimum(bin1, bin2), "bin2_id": np.maximum(bin1, bin2), "count": count}
    )


def aggregate(pixels: pd.DataFrame, total_bins: int) -> pd.DataFrame:
    """Sum the counts of equal pairs; the result is sorted by bin1_id, bin2_id."""
    if pixels.empty:
        return pixels
    key = pixels["bin1_id"].to_numpy() * total_bins + pixels["bin2_id"].to_numpy()
    order = np.argsort(key, kind="stable")
    key = key[order]
    first = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    count = np.add.reduceat(pixels["count"].to_numpy()[order], first)
    bin1, bin2 = np.divmod(key[first], total_bins)
    return pd.DataFrame({"bin1_id": bin1, "bin2_id": bin2, "count": count})


def describe_notes(notes: Counter) -> str:
    """What reading did beyond copying, for the quality table; "" when it did nothing else."""
    return "; ".join(f"{n:,} {what}" for what, n in notes.items() if n)


def pool(
    chunks: Iterable[pd.DataFrame], total_bins: int, *, limit: int = POOL
) -> Iterator[pd.DataFrame]:
    """Sum unordered chunks into as few sorted ones as `limit` pixels in memory allow."""
    held: list[pd.DataFrame] = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size > limit:
            held = [aggregate(pd.concat(held, ignore_index=True), total_bins)]
            size = len(held[0])
            if size > limit // 2:
                yield held.pop()
                size = 0
    if size:
        yield aggregate(pd.concat(held, ignore_index=True), total_bins)


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turn the low-level errors of a damaged file into one that names it."""
    try:
        yield
    except (OSError, EOFError, RuntimeError, KeyError, ValueError, struct.error) as error:
        raise InputError(
            f"{path} cannot be read ({' '.join(str(error).split())}); expected a complete contact "
            "map: the file is damaged or truncated, fetch or write it again"
        ) from error
