"""Writing a sample's `.mcool`: raw counts at every resolution, the whole assembly's bins."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import cooler
import h5py
import numpy as np
import pandas as pd

from chromloom.contacts.pixels import CHUNK, n_bins, pool
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
        Whether the chunks are sorted and each pair comes up once; they are pooled otherwise.
    dtype : numpy dtype
        Of `count`.
    assembly, metadata
        Stored with each resolution.
    check : callable, optional
        Called with every map that was read from the source, to refuse it.
    """
    plan = plan_resolutions(resolutions, stored, source=source)
    with atomic_path(path) as temporary:
        options = {"h5opts": H5OPTS, "assembly": assembly, "metadata": metadata or {}}
        for resolution, (kind, base) in plan.items():
            uri = f"{temporary}::/resolutions/{resolution}"
            started = time.perf_counter()
            base_uri = f"{temporary}::/resolutions/{base}"
            if kind == "read":
                if base != resolution:
                    base_uri = str(temporary.with_suffix(".base.cool"))
                _create(base_uri, read(base), chromsizes, base, ordered, dtype, options)
                if check is not None:
                    check(cooler.Cooler(base_uri))
            if base != resolution:
                cooler.coarsen_cooler(
                    base_uri,
                    uri,
                    resolution // base,
                    chunksize=CHUNK,
                    mode="a",
                    dtypes={"count": dtype},
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
    stored = None if stored is None else sorted(stored)
    for resolution in sorted({int(r) for r in resolutions}):
        if resolution <= 0:
            raise InputError(f"{source}: resolution {resolution} is not a positive number of bp")
        written = [r for r in plan if resolution % r == 0]
        kept = [resolution] if stored is None else [r for r in stored if resolution % r == 0]
        if written:
            plan[resolution] = ("coarsen", max(written))
        elif kept:
            plan[resolution] = ("read", max(kept))
        else:
            raise InputError(
                f"{source} holds {', '.join(f'{r:,}' for r in stored)} bp, none of which divides "
                f"the resolution asked for, {resolution:,} bp; ask for a multiple of a stored one"
            )
    if not plan:
        raise InputError(f"{source}: no resolution is asked for; expected at least one, in bp")
    return plan


def _create(
    uri: str,
    chunks: Iterable[pd.DataFrame],
    chromsizes: pd.Series,
    resolution: int,
    ordered: bool,
    dtype: Any,
    options: dict[str, Any],
) -> None:
    total_bins = int(n_bins(chromsizes, resolution).sum())
    if not ordered:
        chunks = pool(chunks, total_bins)
    chunks = iter(chunks)
    head = list(islice(chunks, 2))
    # one pooled chunk is sorted as a whole; more are merged on disk by cooler
    ordered = ordered or len(head) < 2
    cooler.create_cooler(
        uri,
        make_bins(chromsizes, resolution),
        _nonempty(chain(head, chunks)),
        dtypes={"count": dtype},
        ordered=ordered,
        mode="a",
        temp_dir=str(Path(uri.partition("::")[0]).parent),
        **options,
    )


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
