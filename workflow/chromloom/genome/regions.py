"""Regions written as text."""

import logging
from collections.abc import Mapping

from chromloom.errors import InputError
from chromloom.genome.names import some_names

logger = logging.getLogger(__name__)


def parse_region(text: str, chromsizes: Mapping[str, int]) -> tuple[str, int, int]:
    """Read `chrom` or `chrom:start-end` (bp, 0-based half-open; thousands separators allowed).

    A name may hold colons, as the HLA contigs of hg38 do: what is a chromosome as it stands is one.

    Parameters
    ----------
    text : str
        What the user wrote.
    chromsizes : mapping
        Chromosome name -> length, bp.

    Raises
    ------
    InputError
        Neither form, an unknown chromosome, or a span outside of it.
    """
    if text in chromsizes:
        return text, 0, int(chromsizes[text])
    chrom, _, span = text.rpartition(":")
    chrom = chrom or text
    if chrom not in chromsizes:
        raise InputError(
            f"region {text!r}: no chromosome {chrom!r}; known are {some_names(chromsizes)}"
        )
    length = int(chromsizes[chrom])
    start, dash, end = span.replace(",", "").partition("-")
    if not (dash and start.isdigit() and end.isdigit() and int(start) < int(end) <= length):
        raise InputError(
            f"region {text!r}: expected {chrom}:start-end with 0 <= start < end <= {length:,}"
        )
    return chrom, int(start), int(end)
