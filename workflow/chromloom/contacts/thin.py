"""Shallower maps by binomial thinning, and what the draw leaves."""

from collections.abc import Iterator
from pathlib import Path

import cooler
import numpy as np
import pandas as pd

from chromloom.contacts.coolers import CoolerReader, stream_pixels
from chromloom.contacts.pixels import reading
from chromloom.contacts.sources import open_source
from chromloom.contacts.write import write_mcool
from chromloom.errors import InputError


def thin_contacts(
    mcool: str | Path,
    out: str | Path,
    fraction: float,
    seed: int,
    *,
    complement: bool = False,
    sample: str | None = None,
) -> None:
    """Keep each contact with probability `fraction`, at every resolution of a `.mcool`.

    The finest resolution is drawn and the others are sums of it (one that no finer one divides is
    drawn on its own). Weights are not carried over: the map is to be balanced anew.

    Parameters
    ----------
    mcool : str or Path
        Raw counts, `.mcool` or `.cool`.
    out : str or Path
        The `.mcool` written.
    fraction : float
        Between 0 and 1.
    seed : int
    complement : bool
        Keep the reads that the same call without it leaves: the two maps share no read and sum to
        the whole one.
    sample : str, optional
        Name of the new map; the old one's by default.
    """
    if not 0 < fraction <= 1:
        raise InputError(f"fraction of contacts to keep is {fraction}; expected one in (0, 1]")
    reader = open_source(mcool)
    if not isinstance(reader, CoolerReader) or reader.cells:
        raise InputError(f"{mcool} is {reader.format}; expected a .mcool of raw counts")
    with reading(reader.path):
        clr = cooler.Cooler(reader.uri(reader.resolutions[0]))
        metadata = dict(clr.info.get("metadata") or {})
    metadata |= {"thinned": {"fraction": fraction, "seed": seed, "complement": complement}}
    if sample is not None:
        metadata["sample"] = sample

    def read(resolution: int) -> Iterator[pd.DataFrame]:
        return _draw(reader.uri(resolution), fraction, seed, complement)

    write_mcool(
        out,
        read,
        chromsizes=pd.Series(clr.chromsizes, dtype="int64"),
        resolutions=reader.resolutions,
        stored=reader.resolutions,
        source=reader.path,
        assembly=reader.assembly,
        metadata=metadata,
    )


def _draw(uri: str, fraction: float, seed: int, complement: bool) -> Iterator[pd.DataFrame]:
    """Chunks of drawn counts; the draws depend on the order of the pixels, not on the chunks."""
    generator = np.random.default_rng(seed)
    for bin1, bin2, count in stream_pixels(uri):
        if not np.issubdtype(count.dtype, np.integer):
            raise InputError(f"{uri} holds {count.dtype} values; raw counts can be thinned")
        drawn = generator.binomial(count, fraction)
        drawn = count - drawn if complement else drawn
        kept = drawn > 0
        yield pd.DataFrame(
            {"bin1_id": bin1[kept], "bin2_id": bin2[kept], "count": drawn[kept].astype(np.int64)}
        )
