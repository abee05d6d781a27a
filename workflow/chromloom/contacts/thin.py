"""Shallower maps by binomial thinning, and two independent halves of one map."""

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
    _write_drawn(mcool, out, fraction, seed, complement=complement, sample=sample)


def split_contacts(
    mcool: str | Path,
    out_a: str | Path,
    out_b: str | Path,
    seed: int,
    *,
    samples: tuple[str, str] | None = None,
) -> None:
    """Split the contacts of a map at random into two halves that sum to it.

    Parameters
    ----------
    mcool, seed
        As for `thin_contacts`, which with fraction 0.5 and the same seed draws the first half.
    out_a, out_b : str or Path
        The two `.mcool`.
    samples : tuple of str, optional
        Names of the halves.
    """
    names = samples or (None, None)
    _write_drawn(mcool, out_a, 0.5, seed, complement=False, sample=names[0])
    _write_drawn(mcool, out_b, 0.5, seed, complement=True, sample=names[1])


def _write_drawn(
    mcool: str | Path,
    out: str | Path,
    fraction: float,
    seed: int,
    *,
    complement: bool,
    sample: str | None,
) -> None:
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
