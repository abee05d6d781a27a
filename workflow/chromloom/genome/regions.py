"""Regions written as text."""

import logging
from collections.abc import Mapping

from chromloom.errors import InputError
from chromloom.genome.names import some_names

logger = logging.getLogger(__name__)


def parse_region(text: str, chromsizes: Mapping[str, int]) -> tuple[str, int, int]:
    """Read `chrom` or `chrom:start-end` (bp, 0-based half-open; thousands separators allowed).

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
    chrom, colon, span = text.partition(":")
    if chrom not in chromsizes:
        raise InputError(
            f"region {text!r}: no chromosome {chrom!r}; known are {some_names(chromsizes)}"
        )
    length = int(chromsizes[chrom])
    if not colon:
        return chrom, 0, length
    start, dash, end = span.replace(",", "").partition("-")
    if not (dash and start.isdigit() and end.isdigit() and int(start) < int(end) <= length):
        raise InputError(
            f"region {text!r}: expected {chrom}:start-end with 0 <= start < end <= {length:,}"
        )
    return chrom, int(start), int(end)
