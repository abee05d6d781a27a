"""What an edit of the genome is, in bp, and the rules that every edit keeps.

Coordinates are 0-based half-open. The other files of this room read edits (`read`), cut and join
the chromosome in bp (`pieces`) and lay it out in bins (`bins`); what a model predicts of it is in
`perturbation.predict`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import pandas as pd

from chromloom.errors import ChromloomError, InputError

KINDS = {
    "DEL": "deletion",
    "DUP": "duplication",
    "INV": "inversion",
    "INS": "insertion",
    "BND": "translocation",
    "TRA": "translocation",
    "CTX": "translocation",
    "ITX": "translocation",
    "KO": "knockout",
    "ORI": "orientation",
    "SUB": "substitution",
}
"""Type of a structural variant, as files name it -> kind of edit."""
COMPOUND = "compound"
"""Kind of several edits of one haplotype, made one after another."""
JOINED = ("insertion", "translocation")
"""Kinds that join a second locus, chrom2, at the breakpoint `start`."""
# What a subtype may say without making another event of it; graphtyper's are its models of reads.
CALLING = {"AGGREGATED", "BREAKPOINT", "BREAKPOINT1", "BREAKPOINT2", "COVERAGE"}
TANDEM = {"TANDEM", "TAN"}
COMPLEX = {"INV", "INS", "DUP"}  # beside DEL; its other subtypes (ME, ALU) say what is lost
# The edit that joins two places of one chromosome makes, by what is kept at the lower and at the
# higher of them (strands as in BEDPE).
BY_STRANDS = {"+-": "deletion", "-+": "duplication", "++": "inversion", "--": "inversion"}
METHODS = ("average", "shift", "zero", "padding")


class NotAnEdit(ChromloomError):
    """A record of a file that no edit is made of.

    Attributes
    ----------
    reason : str
        One word: format (not a record), filter, genotype (not carried), type (an event that cannot
        be expressed), sequence (inserts what is not told, or changes bases, which bins cannot
        show), reference (its REF is not what the sequence has), place (not known, or not in the
        assembly), chromosome (not kept), mate (of a breakend that was read before), event (of a
        junction that is part of one that was read before), size (less than a bin).
    detail : str
        One sentence.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class Edit:
    """One edit of one chromosome.

    Attributes
    ----------
    edit : str
        Name, unique in its file, of letters, digits, `_` and `-`; the output folder has it.
    kind : str
        deletion, duplication (tandem), inversion, insertion (of the segment chrom2:start2-end2 at
        `start`), translocation (join at chrom:start and chrom2:start2), substitution (of the bases
        of the region, which may be empty, by `alt`), knockout, orientation (vectors of the bins
        replaced by the mean vector of CTCF bins of the other orientation), or `COMPOUND`.
    chrom, start, end : str, int, int
        Region, bp, 0-based half-open.
    chrom2, start2, end2 : str, int, int
        Second region (insertion, translocation), else "" and -1.
    strand, strand2 : str
        Translocation, as in BEDPE: "+" keeps what lies left of the breakpoint, "-" what lies right.
        Insertion: strand2 "-" inserts the segment reversed. Orientation: `strand` is the
        orientation that the bins' motifs have now.
    method : str
        Knockout: average (of 10 bins each side), shift (the bins are removed), zero, padding.
    id : str
        What its file calls it, where the name was made from that or the file names none: "".
    ref, alt : str
        Bases of the region, where the file tells them, and of a substitution those in their place.
    compound : str
        Name of the compound edit that it is a step of, or "".
    copy : int
        Step of a compound edit: which copy of its region is meant, 1 for the first along the
        edited chromosomes.
    steps : tuple of Edit
        Of a compound edit, in order, each in coordinates of the reference; see `edits.pieces`.
        Its own region is that of the steps on the chromosome of the first.
    """

    edit: str
    kind: str
    chrom: str
    start: int
    end: int
    chrom2: str = ""
    start2: int = -1
    end2: int = -1
    strand: str = "+"
    strand2: str = "+"
    method: str = "average"
    id: str = ""
    ref: str = ""
    alt: str = ""
    compound: str = ""
    copy: int = 1
    steps: tuple["Edit", ...] = ()


EDIT_COLUMNS = [field.name for field in fields(Edit) if field.name != "steps"]


def edited_name(edit: Edit, chrom: str = "") -> str:
    """Name of an edited chromosome: `chr21_deletion`, so that it is not taken for chr21."""
    return f"{chrom or edit.chrom}_{edit.kind}"


def chroms_of(edit: Edit) -> list[str]:
    """Chromosomes that an edit names."""
    named = [c for step in edit.steps or (edit,) for c in (step.chrom, step.chrom2) if c]
    return list(dict.fromkeys(named))


def put_together(name: str, steps: Sequence[Edit]) -> Edit:
    """The compound edit of some steps, in their order."""
    own = [step for step in steps if step.chrom == steps[0].chrom]
    start, end = min(step.start for step in own), max(step.end for step in own)
    return Edit(name, COMPOUND, steps[0].chrom, start, end, steps=tuple(steps))


def knockouts(sites: pd.DataFrame, *, method: str = "average") -> list[Edit]:
    """Turn a table of sites (chrom, start, end) into one knockout each."""
    return [
        Edit(
            f"KO_{row.chrom}_{row.start}_{row.end}",
            "knockout",
            str(row.chrom),
            int(row.start),
            int(row.end),
            method=method,
        )
        for row in sites.itertuples()
    ]


def kind_of(text: str, more: str = "") -> str:
    """The kind of edit that a type of structural variant makes.

    Parameters
    ----------
    text : str
        A key of `KINDS`, with subtypes (DUP:TANDEM, DEL:ME:ALU) or without; a kind of edit as it
        is. A duplication is tandem unless its subtype says otherwise.
    more : str
        The same type once more, where it may have further subtypes (SVTYPE beside ALT).

    Raises
    ------
    NotAnEdit
        Unknown types, and those that do not say where a copy lies: copy numbers, dispersed and
        inverted duplications.
    """
    if text.lower() in KINDS.values():
        return text.lower()
    head, *subtypes = re.split("[:_/]", text.strip("<>").upper())
    other, *others = re.split("[:_/]", more.upper())
    said = {word for word in subtypes + others * (other == head) if "=" not in word} - CALLING
    if head == "CN0":
        return "deletion"
    if re.fullmatch(r"CNV|CN\d+", head):
        raise NotAnEdit("type", f"{text}: a copy number does not say where the copies lie")
    if head == "DUP" and said - TANDEM:
        raise NotAnEdit(
            "type",
            f"{text}: the copy lies elsewhere or is turned, and it is not said where; write an "
            "insertion of the segment (BEDPE or TSV)",
        )
    if head not in KINDS or (head == "DEL" and said & COMPLEX) or (head == "INV" and said):
        known = ", ".join([*KINDS, *dict.fromkeys(KINDS.values())])
        raise NotAnEdit("type", f"type '{text[:40]}' is none of {known}")
    return KINDS[head]


def join(chrom: str, position: int, strand: str, chrom2: str, position2: int, strand2: str) -> Edit:
    """The edit that joins two places, nameless.

    Parameters
    ----------
    chrom, chrom2 : str
    position, position2 : int
        Borders between bases, 0-based.
    strand, strand2 : str
        `+` keeps what lies left of the border, `-` what lies right of it.

    Returns
    -------
    Edit
        A translocation; within one chromosome the deletion, the tandem duplication or the inversion
        that the strands mean (of an inversion they are one of its two junctions).

    Raises
    ------
    NotAnEdit
        Unknown strands; both ends at one place.
    """
    if {strand, strand2} - {"+", "-"}:
        raise NotAnEdit("type", f"strands '{strand}' and '{strand2}' do not say what is joined")
    if chrom != chrom2:
        return Edit(
            "", "translocation", chrom, position, position, chrom2, position2, position2,
            strand, strand2,
        )  # fmt: skip
    (start, first), (end, second) = sorted([(position, strand), (position2, strand2)])
    if start == end:
        raise NotAnEdit("place", f"both ends are at {chrom}:{start:,}")
    return Edit("", BY_STRANDS[first + second], chrom, start, end)


def problem(edit: Edit, chromsizes: Mapping[str, int]) -> str | None:
    """Why an edit cannot be made in a genome; None where it can.

    Parameters
    ----------
    edit : Edit
    chromsizes : mapping or Series
        Chromosome name -> length (bp, or any other unit that the edit is in).
    """
    if edit.kind == COMPOUND:
        for number, step in enumerate(edit.steps, start=1):
            wrong = problem(step, chromsizes)
            if step.kind in ("knockout", "orientation", COMPOUND) and wrong is None:
                wrong = f"a step of kind {step.kind} moves no DNA; make it an edit of its own"
            if wrong is not None:
                return f"step {number}: {wrong}"
        return None
    if edit.kind not in KINDS.values():
        known = ", ".join(dict.fromkeys(KINDS.values()))
        return f"kind '{edit.kind}' is none of {known}"
    if edit.kind == "substitution" and not (edit.end > edit.start or edit.alt):
        return "a substitution needs bases (alt) or a region to take out; give them"
    if edit.kind in JOINED and not edit.chrom2:
        return f"kind {edit.kind} needs a second place (chrom2, start2, end2); write TSV or BEDPE"
    bare = edit.kind in JOINED or (edit.kind == "substitution" and edit.start == edit.end)
    places = [_breakpoint if bare else _region]
    ends = [(edit.chrom, edit.start, edit.end)]
    if edit.kind in JOINED:
        places.append(_region if edit.kind == "insertion" else _breakpoint)
        ends.append((edit.chrom2, edit.start2, edit.end2))
    for (chrom, start, end), place in zip(ends, places):
        if chrom not in chromsizes:
            known = ", ".join(list(map(str, chromsizes.keys()))[:5])
            return f"chromosome '{chrom}' is not known ({known}, …); use these names"
        if (wrong := place(chrom, start, end, int(chromsizes[chrom]))) is not None:
            return f"{wrong}; correct the coordinates"
    return None


def check_edit(edit: Edit, chromsizes: Mapping[str, int]) -> None:
    """Raise InputError where an edit cannot be made in a genome; see `problem`."""
    if (wrong := problem(edit, chromsizes)) is not None:
        raise InputError(f"edit '{edit.edit}': {wrong}")


def _region(chrom: str, start: int, end: int, size: int) -> str | None:
    if 0 <= start < end <= size:
        return None
    return f"{chrom}:{start}-{end} does not lie inside {chrom} (0-{size}) with start < end"


def _breakpoint(chrom: str, start: int, _: int, size: int) -> str | None:
    if 0 <= start <= size:
        return None
    return f"breakpoint {chrom}:{start} does not lie inside {chrom} (0-{size})"
