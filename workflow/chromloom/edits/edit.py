"""What an edit of the genome is, in bp, and the rules that every edit keeps.

Coordinates are 0-based half-open. The other files of this room read edits (`read`), cut and join
the chromosome in bp (`pieces`) and lay it out in bins (`bins`); what a model predicts of it is in
`perturbation.predict`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import pandas as pd

from chromloom.errors import InputError

KINDS = {
    "DEL": "deletion",
    "DUP": "duplication",
    "INV": "inversion",
    "INS": "insertion",
    "BND": "translocation",
    "TRA": "translocation",
    "KO": "knockout",
    "ORI": "orientation",
}
JOINED = ("insertion", "translocation")
"""Kinds that join a second locus, chrom2, at the breakpoint `start`."""
METHODS = ("average", "shift", "zero", "padding")


@dataclass(frozen=True)
class Edit:
    """One edit of one chromosome.

    Attributes
    ----------
    edit : str
        Name, unique in its sheet; the output folder has it.
    kind : str
        deletion, duplication (tandem), inversion, insertion (of the segment chrom2:start2-end2 at
        `start`), translocation (join at chrom:start and chrom2:start2), knockout, orientation
        (vectors of the bins replaced by the mean vector of CTCF bins of the other orientation).
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


EDIT_COLUMNS = [field.name for field in fields(Edit)]


def edited_name(edit: Edit) -> str:
    """Name of the edited chromosome: `chr21_deletion`, so that it is not taken for chr21."""
    return f"{edit.chrom}_{edit.kind}"


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


def check_edit(edit: Edit, chromsizes: Mapping[str, int]) -> None:
    """Raise InputError where an edit cannot be made in a genome.

    Parameters
    ----------
    edit : Edit
    chromsizes : mapping or Series
        Chromosome name -> length (bp, or any other unit that the edit is in).

    Raises
    ------
    InputError
        Unknown kind or chromosome; a region or a breakpoint that does not lie on its chromosome.
    """
    if edit.kind not in KINDS.values():
        raise InputError(
            f"edit '{edit.edit}': kind '{edit.kind}' is none of "
            f"{', '.join(dict.fromkeys(KINDS.values()))}"
        )
    if edit.kind in JOINED:
        _check_breakpoint(edit, edit.chrom, edit.start, chromsizes)
    else:
        _check_region(edit, edit.chrom, edit.start, edit.end, chromsizes)
    if edit.kind == "insertion":
        _check_region(edit, edit.chrom2, edit.start2, edit.end2, chromsizes)
    if edit.kind == "translocation":
        _check_breakpoint(edit, edit.chrom2, edit.start2, chromsizes)


def _check_region(edit, chrom, start, end, chromsizes):
    size = _size(edit, chrom, chromsizes)
    if not 0 <= start < end <= size:
        raise InputError(
            f"edit '{edit.edit}': {chrom}:{start}-{end} does not lie inside {chrom} "
            f"(0-{size}) with start < end; correct the coordinates"
        )


def _check_breakpoint(edit, chrom, position, chromsizes):
    size = _size(edit, chrom, chromsizes)
    if not 0 <= position <= size:
        raise InputError(
            f"edit '{edit.edit}': breakpoint {chrom}:{position} does not lie inside "
            f"{chrom} (0-{size}); correct the coordinates"
        )


def _size(edit, chrom, chromsizes):
    if chrom not in chromsizes:
        known = ", ".join(list(map(str, chromsizes.keys()))[:5])
        raise InputError(
            f"edit '{edit.edit}': chromosome '{chrom}' is not known ({known}, …); use these names"
        )
    return int(chromsizes[chrom])
