"""The edited chromosome in bp: pieces of the reference, cut and joined."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from chromloom.edits.edit import Edit, check_edit
from chromloom.errors import InputError


@dataclass(frozen=True)
class Piece:
    """A stretch of the reference in an edited chromosome; strand `-` means reversed."""

    chrom: str
    start: int
    end: int
    strand: str = "+"


def edited_pieces(edit: Edit, chromsizes: Mapping[str, int]) -> list[Piece]:
    """The edited chromosome as pieces of the reference.

    Parameters
    ----------
    edit : Edit
    chromsizes : mapping or Series
        Chromosome name -> length, in the unit of the edit (bp; bins do as well).

    Returns
    -------
    list of Piece
        In order, without empty ones. Of a translocation the derivative chromosome that has the
        junction; `reciprocal` gives the edit whose pieces are the other one. A knockout or an
        orientation edit replaces what lies in its bins and leaves the chromosome in one piece;
        a knockout by `shift` takes the region out.

    Raises
    ------
    InputError
        See `edit.check_edit`; an edit that leaves nothing of the chromosome.
    """
    check_edit(edit, chromsizes)
    length = int(chromsizes[edit.chrom])
    left, middle = Piece(edit.chrom, 0, edit.start), Piece(edit.chrom, edit.start, edit.end)
    right = Piece(edit.chrom, edit.end, length)
    if edit.kind == "deletion" or (edit.kind, edit.method) == ("knockout", "shift"):
        pieces = [left, right]
    elif edit.kind == "duplication":
        pieces = [left, middle, middle, right]
    elif edit.kind == "inversion":
        pieces = [left, _reverse(middle), right]
    elif edit.kind == "insertion":
        segment = Piece(edit.chrom2, edit.start2, edit.end2, edit.strand2)
        pieces = [left, segment, Piece(edit.chrom, edit.start, length)]
    elif edit.kind == "translocation":
        left2 = Piece(edit.chrom2, 0, edit.start2)
        right2 = Piece(edit.chrom2, edit.start2, int(chromsizes[edit.chrom2]))
        if edit.strand == "+":
            pieces = [left, right2 if edit.strand2 == "-" else _reverse(left2)]
        else:
            right = Piece(edit.chrom, edit.start, length)
            pieces = [left2 if edit.strand2 == "+" else _reverse(right2), right]
    else:
        pieces = [Piece(edit.chrom, 0, length)]
    pieces = [piece for piece in pieces if piece.end > piece.start]
    if not pieces:
        raise InputError(f"edit '{edit.edit}': it leaves nothing of {edit.chrom}; make it smaller")
    return pieces


def reciprocal(edit: Edit) -> Edit:
    """The translocation whose derivative chromosome holds what that of `edit` leaves out."""
    other = {"+": "-", "-": "+"}
    return replace(edit, strand=other[edit.strand], strand2=other[edit.strand2])


def lift_pieces(pieces: Iterable[Piece], chrom: str, resolution: int) -> pd.DataFrame:
    """Where each bin of an edited chromosome comes from, by the middle of the bin.

    Returns
    -------
    DataFrame
        One row per bin of the edited chromosome: chrom, start, end (edited coordinates), ref_chrom,
        ref_start (start of the reference bin that holds the middle), strand. The columns mean what
        they do in `bins.lift_table`, which speaks of whole bins; the pieces may cut them anywhere.
    """
    pieces = list(pieces)
    ends = np.cumsum([piece.end - piece.start for piece in pieces])
    start = np.arange(0, ends[-1], resolution)
    end = np.minimum(start + resolution, ends[-1])
    middle = (start + end) // 2
    which = np.searchsorted(ends, middle, side="right")
    within = middle - np.concatenate([[0], ends])[which]
    reference = np.array(
        [
            pieces[k].start + w if pieces[k].strand == "+" else pieces[k].end - 1 - w
            for k, w in zip(which, within)
        ]
    )
    return pd.DataFrame(
        {
            "chrom": chrom,
            "start": start,
            "end": end,
            "ref_chrom": [pieces[k].chrom for k in which],
            "ref_start": reference // resolution * resolution,
            "strand": [pieces[k].strand for k in which],
        }
    )


def _reverse(piece):
    return replace(piece, strand="-")
