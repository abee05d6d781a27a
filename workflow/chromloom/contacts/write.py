"""Writing a sample's `.mcool`: raw counts at every resolution, the whole assembly's bins."""

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import cooler
import h5py
import numpy as np
import pandas as pd

from chromloom.contacts.pixels import CHUNK, describe_notes, pool
from chromloom.errors import InputError
from chromloom.files import atomic_path
from chromloom.genome.bins import make_bins

logger = logging.getLogger(__name__)

# a quarter of the time of cooler's level 6, a tenth more space
H5OPTS = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


def write_mcool(
    path: str | Path,
    read: Callable[[int], Iterable[pd.DataFrame]],
    *,
    chromsizes: pd.Series,
    resolutions: Iterable[int],
    stored: Iterable[int] | None,
    source: str,
    ordered: bool = True,
    unique: bool = True,
    notes: Counter | None = None,
    dtype: Any = np.int32,
    assembly: str = "unknown",
    metadata: dict[str, Any] | None = None,
    check: Callable[[cooler.Cooler], None] | None = None,
) -> None:
    """Write one map at several resolutions, atomically.

    A resolution is coarsened from the coarsest one already written that divides it, else read
    from the coarsest stored one that does.

    Parameters
    ----------
    path : str or Path
        The `.mcool`.
    read : callable
        Resolution -> chunks of pixels in bins of the assembly.
    chromsizes : pandas.Series
    resolutions : iterable of int
        In bp.
    stored : iterable of int, optional
        Resolutions that `read` can give; None when it can give any.
    source : str
        For messages.
    ordered : bool
        Whether the chunks should be sorted, each pair once. It is checked: chunks that are not are
        read again and pooled.
    unique : bool
        Whether each pair should come up once; those that do not are counted in `notes`.
    notes : Counter, optional
        What `read` did to the contacts; kept as `reading` in the metadata.
    dtype : numpy dtype
        Of `count`; int64 in place of int32 where a count, or a sum of it, might not fit.
    assembly, metadata
        Stored with each resolution.
    check : callable, optional
        Called with every map that was read from the source, to refuse it.
    """
    plan = plan_resolutions(resolutions, stored, source=source)
    notes = Counter() if notes is None else notes
    dtypes: dict[int, Any] = {}
    readings: dict[int, str] = {}
    with atomic_path(path) as temporary:
        options = {"h5opts": H5OPTS, "assembly": assembly, "metadata": metadata or {}}
        for resolution, (kind, base) in plan.items():
            uri = f"{temporary}::/resolutions/{resolution}"
            started = time.perf_counter()
            base_uri = f"{temporary}::/resolutions/{base}"
            if kind == "read":
                if base != resolution:
                    base_uri = str(temporary.with_suffix(".base.cool"))
                dtypes[resolution] = _create(
                    base_uri,
                    partial(read, base),
                    make_bins(chromsizes, base),
                    ordered=ordered,
                    dtype=dtype,
                    factor=max(plan) // base,
                    notes=notes if unique else None,
                    options=options,
                )
                readings[resolution] = describe_notes(notes)
                if readings[resolution]:
                    logger.warning("%s, %s bp: %s", source, f"{base:,}", readings[resolution])
                if check is not None:
                    check(cooler.Cooler(base_uri))
            else:
                dtypes[resolution], readings[resolution] = dtypes[base], readings[base]
            if base != resolution:
                cooler.coarsen_cooler(
                    base_uri,
                    uri,
                    resolution // base,
                    chunksize=CHUNK,
                    mode="a",
                    dtypes={"count": dtypes[resolution]},
                    **options,
                )
            logger.info(
                "%s: %s bp written in %.1f s",
                source,
                f"{resolution:,}",
                time.perf_counter() - started,
            )
        with h5py.File(temporary, "r+") as h5:
            h5.attrs.update({"format": "HDF5::MCOOL", "format-version": 2})
            for resolution, reading in readings.items():
                attributes = h5[f"resolutions/{resolution}"].attrs
                attributes["metadata"] = json.dumps((metadata or {}) | {"reading": reading})


def plan_resolutions(
    resolutions: Iterable[int], stored: Iterable[int] | None, *, source: str
) -> dict[int, tuple[str, int]]:
    """Where each resolution comes from: ("read" | "coarsen", resolution in bp), ascending.

    Raises
    ------
    InputError
        No stored resolution divides one that is asked for.
    """
    plan: dict[int, tuple[str, int]] = {}
    held = [] if stored is None else sorted(stored)
    for resolution in sorted({int(r) for r in resolutions}):
        if resolution <= 0:
            raise InputError(f"{source}: resolution {resolution} is not a positive number of bp")
        written = [r for r in plan if resolution % r == 0]
        kept = [resolution] if stored is None else [r for r in held if resolution % r == 0]
        if written:
            plan[resolution] = ("coarsen", max(written))
        elif kept:
            plan[resolution] = ("read", max(kept))
        else:
            raise InputError(
                f"{source} holds {', '.join(f'{r:,}' for r in held)} bp, none of which divides "
                f"the resolution asked for, {resolution:,} bp; ask for multiples of a stored one "
                f"(contacts.resolutions: [{held[0]}], or the column resolutions of the sample)"
            )
    if not plan:
        raise InputError(f"{source}: no resolution is asked for; expected at least one, in bp")
    return plan


class _Unordered(Exception):
    """A pair of bins comes up out of order, or twice."""


class _TooWide(Exception):
    """A count, or a sum of counts at a coarser resolution, may not fit in 32 bits."""


def _create(
    uri: str,
    read: Callable[[], Iterable[pd.DataFrame]],
    bins: pd.DataFrame,
    *,
    ordered: bool,
    dtype: Any,
    factor: int,
    notes: Counter | None,
    options: dict[str, Any],
) -> Any:
    """Write one map; read it again, otherwise, where it is not what it was taken for.

    `factor` is how many times coarser the coarsest map is that is summed from this one. Returns
    the type of the counts.
    """
    path = Path(uri.partition("::")[0])
    while True:
        fresh = not path.exists()
        try:
            rows = _write_pixels(uri, read, bins, ordered, dtype, factor, options)
            break
        except _Unordered:
            ordered = False
        except _TooWide:
            dtype = np.int64
        if fresh:
            path.unlink(missing_ok=True)
    if notes is not None:
        notes["equal pixels summed"] += rows - int(cooler.Cooler(uri).info["nnz"])
    return dtype


def _write_pixels(
    uri: str,
    read: Callable[[], Iterable[pd.DataFrame]],
    bins: pd.DataFrame,
    ordered: bool,
    dtype: Any,
    factor: int,
    options: dict[str, Any],
) -> int:
    """Write one map and return the number of pixels that were read for it."""
    rows = 0

    def counted() -> Iterator[pd.DataFrame]:
        nonlocal rows
        for chunk in read():
            rows += len(chunk)
            yield chunk

    chunks = _in_order(counted(), len(bins)) if ordered else pool(counted(), len(bins))
    head = list(islice(chunks, 2))
    # one pooled chunk is sorted as a whole; more are merged on disk by cooler, which may sum them
    merged = not ordered and len(head) == 2
    chunks = chain(head, chunks)
    if dtype == np.int32:
        chunks = _narrow(chunks, factor, merged)
    cooler.create_cooler(
        uri,
        bins,
        _nonempty(chunks),
        dtypes={"count": dtype},
        ordered=not merged,
        mode="a",
        temp_dir=str(Path(uri.partition("::")[0]).parent),
        **options,
    )
    return rows


def _in_order(chunks: Iterable[pd.DataFrame], total_bins: int) -> Iterator[pd.DataFrame]:
    last = -1
    for chunk in chunks:
        key = chunk["bin1_id"].to_numpy() * total_bins + chunk["bin2_id"].to_numpy()
        if len(key):
            if key[0] <= last or (key[1:] <= key[:-1]).any():
                raise _Unordered
            last = key[-1]
        yield chunk


def _narrow(chunks: Iterable[pd.DataFrame], factor: int, merged: bool) -> Iterator[pd.DataFrame]:
    """Raise where int32 may not hold every count of this map and of those summed from it."""
    limit, total, largest = np.iinfo(np.int32).max, 0, 0
    for chunk in chunks:
        count = chunk["count"].to_numpy()
        if len(count):
            total += int(count.sum(dtype=np.int64))
            here = int(count.max())
            largest = largest + here if merged else max(largest, here)
            if largest > limit:
                raise _TooWide
        yield chunk
    if min(largest * factor**2, total) > limit:
        raise _TooWide


def _nonempty(chunks: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """cooler wants at least one chunk, and an empty one only where there is no other."""
    empty = None
    any_rows = False
    for chunk in chunks:
        if len(chunk):
            any_rows = True
            yield chunk
        else:
            empty = chunk
    if not any_rows:
        yield (
            empty
            if empty is not None
            else pd.DataFrame(
                {
                    "bin1_id": np.zeros(0, np.int64),
                    "bin2_id": np.zeros(0, np.int64),
                    "count": np.zeros(0, np.int32),
                }
            )
        )
