"""The edited chromosomes in bp: pieces of the reference, cut and joined.

Every edit is made on chromosomes that are lists of pieces, so that the steps of a compound edit,
and the junctions of a chain of breakends, are made on what the steps before left. Their coordinates
stay those of the reference: a step acts where its region lies now, and where that was turned round
the step is, too. A region that was cut apart, or is gone, is refused.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from chromloom.edits.edit import BY_STRANDS, COMPOUND, Edit, check_edit
from chromloom.errors import InputError

OTHER = {"+": "-", "-": "+"}
Chromosomes = dict[str, list["Piece"]]
"""Chromosomes by the one of the reference that each is named after."""


@dataclass(frozen=True)
class Piece:
    """A stretch of the reference in an edited chromosome; strand `-` means reversed.

    Where `bases` are given it is these, and no stretch: chrom is "", start 0 and end their number.
    """

    chrom: str
    start: int
    end: int
    strand: str = "+"
    bases: str = ""


def edited_chromosomes(edit: Edit, chromsizes: Mapping[str, int]) -> Chromosomes:
    """The chromosomes that an edit changes, as pieces of the reference.

    Parameters
    ----------
    edit : Edit
    chromsizes : mapping or Series
        Chromosome name -> length, in the unit of the edit (bp; bins do as well).

    Returns
    -------
    dict of str to list of Piece
        That of the edit's own chromosome first; pieces in order, without empty ones. A
        translocation gives both derivative chromosomes, named after the side that each keeps of
        `edit.chrom` and of the other. A knockout or an orientation edit replaces what lies in its
        bins and leaves the chromosome in one piece; a knockout by `shift` takes the region out.

    Raises
    ------
    InputError
        See `edit.check_edit`; an edit that leaves nothing of its chromosome; a step of a compound
        edit whose region an earlier step removed or cut apart.
    """
    check_edit(edit, chromsizes)
    steps = edit.steps if edit.kind == COMPOUND else (edit,)
    made: Chromosomes = {edit.chrom: [Piece(edit.chrom, 0, int(chromsizes[edit.chrom]))]}
    for number, step in enumerate(steps, start=1):
        joined = step.chrom2 if step.kind == "translocation" else ""
        for chrom in filter(None, (step.chrom, joined)):
            made.setdefault(chrom, [Piece(chrom, 0, int(chromsizes[chrom]))])
        try:
            _make(step, made, chromsizes)
        except InputError as error:
            of = f", step {number}" if edit.kind == COMPOUND else ""
            raise InputError(f"edit '{edit.edit}'{of}: {error}") from None
    made = {chrom: [p for p in own if p.end > p.start] for chrom, own in made.items()}
    if not made[edit.chrom]:
        raise InputError(f"edit '{edit.edit}': it leaves nothing of {edit.chrom}; make it smaller")
    return {chrom: pieces for chrom, pieces in made.items() if pieces}


def length(pieces: Iterable[Piece]) -> int:
    """Length of pieces in a row."""
    return sum(piece.end - piece.start for piece in pieces)


def take(pieces: Iterable[Piece], lo: int, hi: int) -> list[Piece]:
    """The pieces of [lo, hi) of pieces in a row."""
    taken, offset = [], 0
    for piece in pieces:
        size = piece.end - piece.start
        a, b = max(lo - offset, 0), min(hi - offset, size)
        offset += size
        if a >= b:
            continue
        if piece.strand == "-":
            a, b = size - b, size - a
        if piece.bases:
            taken.append(replace(piece, end=b - a, bases=piece.bases[a:b]))
        else:
            taken.append(replace(piece, start=piece.start + a, end=piece.start + b))
    return taken


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


def _make(step: Edit, made: Chromosomes, chromsizes: Mapping[str, int]) -> None:
    """Make one edit on chromosomes as they are."""
    if step.kind == "translocation":
        sides = (
            (step.chrom, step.start, step.strand),
            (step.chrom2, step.start2, step.strand2),
        )
        first, second = (_side(made, *side, int(chromsizes[side[0]])) for side in sides)
        _join(first, second, made)
        return
    if step.kind == "orientation" or (step.kind == "knockout" and step.method != "shift"):
        return
    bare = step.kind == "insertion" or step.start == step.end
    if bare:
        name, lo, strand = _border(made, step, int(chromsizes[step.chrom]))
        hi = lo
    else:
        name, lo, hi, strand = _region(made, step)
    own = made[name]
    left, middle, right = take(own, 0, lo), take(own, lo, hi), take(own, hi, length(own))
    if step.kind == "duplication":
        middle = middle + middle
    elif step.kind == "inversion":
        middle = _turn(middle)
    else:
        middle = []
        if step.kind == "insertion":
            middle = [Piece(step.chrom2, step.start2, step.end2, step.strand2)]
        elif step.kind == "substitution" and step.alt:
            middle = [Piece("", 0, len(step.alt), bases=step.alt)]
        middle = _turn(middle) if strand == "-" else middle
    made[name] = left + middle + right


def _join(first: tuple[str, int, str], second: tuple[str, int, str], made: Chromosomes) -> None:
    """Join two sides (chromosome, border, side that is kept) of chromosomes as they are."""
    (name, at, side), (name2, at2, side2) = first, second
    own, other = made[name], made[name2]
    if name == name2:
        (lo, low), (hi, high) = sorted([(at, side), (at2, side2)])
        if lo == hi and low == high:
            raise InputError("both sides of the junction are one; correct the coordinates")
        if lo == hi:  # they are joined already
            return
        left, middle, right = take(own, 0, lo), take(own, lo, hi), take(own, hi, length(own))
        kind = BY_STRANDS[low + high]
        middle = {"deletion": [], "duplication": middle + middle, "inversion": _turn(middle)}[kind]
        made[name] = left + middle + right
        return
    left, right = take(own, 0, at), take(own, at, length(own))
    left2, right2 = take(other, 0, at2), take(other, at2, length(other))
    if side == side2 == "+":
        made[name], made[name2] = left + _turn(left2), _turn(right2) + right
    elif side == side2:
        made[name], made[name2] = _turn(right2) + right, left + _turn(left2)
    elif side == "+":
        made[name], made[name2] = left + right2, left2 + right
    else:
        made[name], made[name2] = left2 + right, left + right2


def _turn(pieces: Sequence[Piece]) -> list[Piece]:
    return [replace(piece, strand=OTHER[piece.strand]) for piece in reversed(pieces)]


def _places(made: Chromosomes, chrom: str, base: int) -> list[tuple[str, int, str]]:
    """Where a base of the reference lies now: chromosome, position, strand; its own comes first."""
    found = []
    for name in sorted(made, key=lambda name: name != chrom):
        offset = 0
        for piece in made[name]:
            if piece.chrom == chrom and piece.start <= base < piece.end:
                within = base - piece.start if piece.strand == "+" else piece.end - 1 - base
                found.append((name, offset + within, piece.strand))
            offset += piece.end - piece.start
    return found


def _place(made: Chromosomes, chrom: str, base: int, copy: int = 1) -> tuple[str, int, str]:
    found = _places(made, chrom, base)
    if len(found) < copy:
        there = f"there are {len(found)} copies of it" if found else "an earlier step removed it"
        raise InputError(f"{chrom}:{base:,} is not there ({there}); correct the steps")
    return found[copy - 1]


def _region(made: Chromosomes, step: Edit) -> tuple[str, int, int, str]:
    """Where the region of a step lies now: chromosome, first and last position + 1, strand."""
    name, at, strand = _place(made, step.chrom, step.start, step.copy)
    ends = [
        there
        for of, there, turned in _places(made, step.chrom, step.end - 1)
        if (of, turned) == (name, strand) and (there >= at if strand == "+" else there <= at)
    ]
    if ends:
        far = min(ends, key=lambda there: abs(there - at))
        lo, hi = min(at, far), max(at, far) + 1
        inside = take(made[name], lo, hi)
        if all(
            piece.bases or (piece.chrom == step.chrom and piece.start >= step.start
                            and piece.end <= step.end)
            for piece in inside
        ):  # fmt: skip
            return name, lo, hi, strand
    raise InputError(
        f"{step.chrom}:{step.start:,}-{step.end:,} is no longer in one piece; correct the steps, "
        "or name the parts one by one"
    )


def _border(made: Chromosomes, step: Edit, size: int) -> tuple[str, int, str]:
    """Where the border before a base lies now: chromosome, position, strand."""
    if step.start < size and _places(made, step.chrom, step.start):
        name, at, strand = _place(made, step.chrom, step.start, step.copy)
        return name, at + (strand == "-"), strand
    name, at, strand = _place(made, step.chrom, step.start - 1, step.copy)
    return name, at + (strand == "+"), strand


def _side(made: Chromosomes, chrom: str, border: int, side: str, size: int) -> tuple[str, int, str]:
    """The side of a border that is kept, on chromosomes as they are."""
    kept = border - 1 if side == "+" else border
    found = _places(made, chrom, kept)
    if not found:  # at the end of a chromosome there is no base to keep
        if border == (0 if side == "+" else size):
            at = 0 if side == "+" else length(made[chrom])
            last = border - (side == "-")
            if (chrom, at - (side == "-"), "+") in _places(made, chrom, last):
                return chrom, at, side
            raise InputError(
                f"an earlier step moved the end of {chrom} at {border:,}; correct the steps"
            )
        _place(made, chrom, kept)
    name, at, strand = found[0]
    if strand == "-":
        side = OTHER[side]
    return name, at + (side == "+"), side
