"""The edited chromosome in bins, and which reference bin lies at each of its positions.

Bins are whole: an edit takes every bin that it touches, as the article does (its 2.1-Mb duplication
is bins 6795 to 7008, both included); the breakpoint of an insertion or a translocation goes to the
nearest bin border. A layout is the pieces of the edit so rounded.

What reads signals or sequence need not round: `lay_out(..., parts=True)` cuts where the edit says.
Bins that no cut touches stay whole, so that they are predicted as in the reference; what is left of
cut bins between them is put together into bins of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from chromloom.edits.edit import COMPOUND, JOINED, METHODS, Edit, chroms_of, edited_name
from chromloom.edits.pieces import Piece, edited_chromosomes, length, take
from chromloom.errors import InputError
from chromloom.genome.bins import Bins

IN_PLACE = {("knockout", method) for method in METHODS if method != "shift"}


@dataclass(frozen=True, eq=False)
class EditedChromosome:
    """The bins of an edited chromosome, in order; equal to nothing but itself.

    Attributes
    ----------
    edit : Edit
    source : ndarray, (m,), int64
        Reference bin (genome-wide number) at every position; reads from the position map there.
    strand : ndarray, (m,), int8
        1 as in the reference, -1 inverted.
    replaced : ndarray, (m,), bool
        The bin stays, its representation does not (knockout in place, orientation).
    span : tuple of int
        Positions [lo, hi) of the altered segment; lo == hi for a bare junction.
    pieces : tuple of Piece
        The same chromosome in bp, cut where the edit says and not at the borders of bins: what a
        predictor that reads signals or sequence renders. Empty where a layout was made by hand.
    parts : dict
        Position -> pieces (tuple of Piece) that lie there, of bins that were cut; `source` and
        `strand` are then those of the largest. Empty where bins are whole.
    chrom : str
        Chromosome of the reference that it is named after; that of the edit by default.
    begins : ndarray, int64
        Reference bins that chromosomes begin with: the bins before them are no neighbours.
    others : tuple of EditedChromosome
        Further chromosomes that the edit changes, such as the other derivative chromosome.
    """

    edit: Edit
    source: np.ndarray
    strand: np.ndarray
    replaced: np.ndarray
    span: tuple[int, int]
    pieces: tuple[Piece, ...] = ()
    parts: Mapping[int, tuple[Piece, ...]] = field(default_factory=dict)
    chrom: str = ""
    begins: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    others: tuple["EditedChromosome", ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "chrom", self.chrom or self.edit.chrom)

    @property
    def chromosomes(self) -> tuple["EditedChromosome", ...]:
        """All chromosomes that the edit changes, this one first."""
        return (self, *self.others)

    @property
    def run_end(self) -> np.ndarray:
        """End of the unaltered run from every position, ndarray, (m,), int64.

        Positions a <= b < run_end[a] hold consecutive reference bins, forward and untouched; so a
        model that reads from a to b sees there what it sees in the reference.
        """
        plain = (self.strand == 1) & ~self.replaced
        plain[list(self.parts)] = False
        joined = (np.diff(self.source) == 1) & plain[1:] & plain[:-1]
        joined &= ~np.isin(self.source[1:], self.begins)
        ends = np.arange(1, len(self.source) + 1)
        breaks = np.append(np.flatnonzero(~joined) + 1, len(self.source))
        run_end = breaks[np.searchsorted(breaks, ends)]
        return np.where(plain, run_end, ends - 1)


def lay_out(edit: Edit, bins: Bins, *, parts: bool = False) -> EditedChromosome:
    """Lay an edited chromosome out in bins.

    Parameters
    ----------
    edit : Edit
    bins : Bins
        The model's.
    parts : bool
        Cut bins where the edit says, so that an edit may be smaller than a bin; see the module.
        What is left of cut bins, l bp in a row, makes one bin, or l / resolution where that rounds
        to more, so that distances are true to half a bin. Knockouts and edits of orientation
        replace whole bins all the same.

    Returns
    -------
    EditedChromosome
        With `others` where the edit changes several; those of less than two bins are left out.

    Raises
    ------
    InputError
        Chromosome unknown, region outside it or empty, a structural edit smaller than a bin (if
        bins are whole), an edit that leaves nothing of the chromosome.
    """
    in_bp = edited_chromosomes(edit, bins.chromsizes)
    cut = parts and edit.kind not in ("knockout", "orientation")
    if cut:
        laid = [_cut(edit, chrom, pieces, bins) for chrom, pieces in in_bp.items()]
    else:
        n_bins = {chrom: last - first for chrom, (first, last) in bins.extents.items()}
        rounded, in_bins = _round(edit, bins.resolution, n_bins)
        laid = [_whole(rounded, chrom, pieces, bins) for chrom, pieces in in_bins.items()]
    begins = np.array([first for first, _ in bins.extents.values()])
    main, *others = (replace(one, edit=edit, begins=begins,
                             pieces=tuple(in_bp.get(one.chrom, ()))) for one in laid)  # fmt: skip
    if len(main.source) < 2:
        raise InputError(
            f"edit '{edit.edit}': it leaves {len(main.source)} bins of {edit.chrom}; make it "
            "smaller"
        )
    return replace(main, others=tuple(one for one in others if len(one.source) > 1))


def unfit(edit: Edit, chromsizes: Mapping[str, int], resolution: int) -> str | None:
    """Why bins of a size cannot show an edit that can be made; None where they can.

    An edit that moves DNA is at least one bin long. A knockout or an orientation edit replaces the
    bins that it lies in, whatever its length; a translocation has none. At least two bins are left.
    """
    n_bins = {c: -(-int(chromsizes[c]) // resolution) for c in chroms_of(edit)}
    try:
        left = length(_round(edit, resolution, n_bins)[1][edit.chrom])
    except InputError as error:
        return str(error).partition(": ")[2]
    return None if left > 1 else f"it leaves {left} bins of {edit.chrom}; make it smaller"


def lift_table(edited: EditedChromosome, bins: Bins) -> pd.DataFrame:
    """Say for every position of an edited chromosome which reference bin lies there.

    Returns
    -------
    DataFrame
        chrom (that of the edited coordinate system, see `edited_name`), start, end; ref_chrom,
        ref_start, ref_end, strand ('+', '-'); copy (1 for the first occurrence of a reference bin,
        2 for the second…); replaced (bool). All bins but the last have the full size, also where
        a chromosome's short last bin came to lie inside.
    """
    reference = bins.table.iloc[edited.source].reset_index(drop=True)
    start = np.arange(len(reference)) * bins.resolution
    end = start + bins.resolution
    end[-1] = start[-1] + (reference["end"] - reference["start"]).iloc[-1]
    return pd.DataFrame(
        {
            "chrom": edited_name(edited.edit, edited.chrom),
            "start": start,
            "end": end,
            "ref_chrom": reference["chrom"].astype(str),
            "ref_start": reference["start"],
            "ref_end": reference["end"],
            "strand": np.where(edited.strand == 1, "+", "-"),
            "copy": pd.Series(edited.source).groupby(edited.source).cumcount() + 1,
            "replaced": edited.replaced,
        }
    )


def _round(
    edit: Edit, resolution: int, n_bins: Mapping[str, int]
) -> tuple[Edit, dict[str, list[Piece]]]:
    """An edit and the pieces of its chromosomes in units of bins."""
    if edit.kind == COMPOUND:
        steps = tuple(_rounded(step, resolution, n_bins) for step in edit.steps)
        start, end = edit.start // resolution, -(-edit.end // resolution)
        rounded = replace(edit, start=start, end=end, steps=steps)
    else:
        rounded = _rounded(edit, resolution, n_bins)
    return rounded, edited_chromosomes(rounded, n_bins)


def _rounded(edit: Edit, resolution: int, n_bins: Mapping[str, int]) -> Edit:
    """An edit in units of bins.

    Regions reach outwards to whole bins, breakpoints go to the nearest border.
    """
    if edit.kind == "substitution":
        raise InputError(
            f"edit '{edit.edit}': it replaces {edit.end - edit.start:,} bp by "
            f"{len(edit.alt):,} bp; use a model that reads sequence"
        )
    moved = edit.end2 - edit.start2 if edit.kind == "insertion" else edit.end - edit.start
    if edit.kind in ("insertion", "deletion", "duplication", "inversion") and moved < resolution:
        raise InputError(
            f"edit '{edit.edit}': {moved:,} bp are less than one bin of {resolution:,} bp; use a "
            "finer model, or a knockout (KO) of the bin"
        )
    if edit.kind in JOINED:
        start = end = min(round(edit.start / resolution), n_bins[edit.chrom])
    else:
        start, end = edit.start // resolution, -(-edit.end // resolution)
    start2, end2 = edit.start2, edit.end2
    if edit.kind == "translocation":
        start2 = end2 = min(round(edit.start2 / resolution), n_bins[edit.chrom2])
    elif edit.kind == "insertion":
        start2, end2 = edit.start2 // resolution, -(-edit.end2 // resolution)
    return replace(edit, start=start, end=end, start2=start2, end2=end2)


def _whole(rounded: Edit, chrom: str, pieces: list[Piece], bins: Bins) -> EditedChromosome:
    """An edited chromosome of whole bins, from an edit and pieces in units of bins."""
    source = np.concatenate([_bins_of(piece, bins) for piece in pieces])
    strand = np.concatenate(
        [np.full(p.end - p.start, 1 if p.strand == "+" else -1, np.int8) for p in pieces]
    )
    first, last = bins.extent(chrom)
    span = _span(rounded, chrom, pieces, last - first)
    replaced = np.zeros(len(source), bool)
    if rounded.kind == "orientation" or (rounded.kind, rounded.method) in IN_PLACE:
        replaced[slice(*span)] = True
    return EditedChromosome(rounded, source, strand, replaced, span, chrom=chrom)


def _cut(edit: Edit, chrom: str, pieces: list[Piece], bins: Bins) -> EditedChromosome:
    """The edited chromosome with bins cut where the edit says."""
    resolution, sizes = bins.resolution, bins.chromsizes
    sources: list[np.ndarray] = []
    strands: list[int] = []
    parts: dict[int, tuple[Piece, ...]] = {}
    ends = [0]  # of positions, in bp of the edited chromosome
    left: list[Piece] = []  # of cut bins

    def put_together() -> None:
        total = length(left)
        n = max(1, round(total / resolution)) if total else 0
        for k in range(n):
            here = take(left, total * k // n, total * (k + 1) // n)
            of_reference = [piece for piece in here if not piece.bases]
            if not of_reference:
                raise InputError(
                    f"edit '{edit.edit}': a bin of {resolution:,} bp would hold nothing but "
                    "inserted bases; use a coarser model"
                )
            largest = max(of_reference, key=lambda piece: piece.end - piece.start)
            middle = (largest.start + largest.end - 1) // 2
            parts[len(ends) - 1] = tuple(here)
            sources.append(np.array([bins.extent(largest.chrom)[0] + middle // resolution]))
            strands.append(1 if largest.strand == "+" else -1)
            ends.append(ends[-1] + length(here))
        left.clear()

    for piece in pieces:
        if piece.bases:
            left.append(piece)
            continue
        first, last = -(-piece.start // resolution), piece.end // resolution
        if piece.end == sizes[piece.chrom]:
            last = -(-piece.end // resolution)
        if last <= first:
            left.append(piece)
            continue
        before = replace(piece, end=first * resolution)
        after = replace(piece, start=min(last * resolution, piece.end))
        if piece.strand == "-":
            before, after = after, before
        left += [before] * (before.end > before.start)
        put_together()
        whole = _bins_of(replace(piece, start=first, end=last), bins)
        sources.append(whole)
        strands += [1 if piece.strand == "+" else -1] * len(whole)
        sizes_of = (bins["end"] - bins["start"]).to_numpy()[whole]
        ends += (ends[-1] + np.cumsum(sizes_of)).tolist()
        left += [after] * (after.end > after.start)
    put_together()
    source = np.concatenate(sources)
    lo, hi = _span(edit, chrom, pieces, int(sizes[chrom]))
    inside = np.searchsorted(ends, lo, side="right") - 1, np.searchsorted(ends, hi, side="left")
    return EditedChromosome(
        edit,
        source,
        np.array(strands, np.int8),
        np.zeros(len(source), bool),
        (int(inside[0]), max(int(inside[1]), int(inside[0]))),
        parts=parts,
        chrom=chrom,
    )


def _bins_of(piece: Piece, bins: Bins) -> np.ndarray:
    own = np.arange(*bins.extent(piece.chrom))[piece.start : piece.end]
    return own if piece.strand == "+" else own[::-1]


def _span(edit: Edit, chrom: str, pieces: list[Piece], size: int) -> tuple[int, int]:
    """Positions [lo, hi) of what an edit altered in a chromosome, all in the unit of the edit.

    `size` is the chromosome's before the edit.
    """
    if edit.kind == COMPOUND or chrom != edit.chrom:
        # What lies between the first end and the last start of pieces, or the end that is gone.
        total, (first, *_, last) = length(pieces), (pieces[0], *pieces)
        if len(pieces) == 1:
            whole = first.start == 0 and first.strand == "+"
            return (total if whole else 0,) * 2
        return first.end - first.start, total - (last.end - last.start)
    if edit.kind == "insertion":
        return edit.start, edit.start + edit.end2 - edit.start2
    if edit.kind == "substitution":
        return edit.start, edit.start + len(edit.alt)
    if edit.kind == "translocation":  # where the strand is -, what lies right of it comes last
        at = edit.start if edit.strand == "+" else length(pieces) - size + edit.start
        return at, at
    if edit.kind == "duplication":
        return edit.start, 2 * edit.end - edit.start
    if edit.kind == "deletion" or (edit.kind, edit.method) == ("knockout", "shift"):
        return edit.start, edit.start
    return edit.start, edit.end
