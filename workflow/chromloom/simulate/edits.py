"""The edited genome: a plan cut and joined into another plan.

An edited chromosome is a list of pieces of the old genome. Every table of the plan is carried over
piece by piece; consequences (contacts, loops, domains, expression) follow, since a plan holds
causes only. Scale and physics stay, so intensities of both plans compare.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from chromloom.edits.edit import COMPOUND, Edit, check_edit
from chromloom.edits.pieces import Piece, edited_chromosomes, length
from chromloom.errors import InputError
from chromloom.simulate.plan import COVERS, POINTS, Plan

KINDS = ("deletion", "duplication", "inversion", "insertion", "translocation", COMPOUND)


def edited_genome(plan: Plan, edit: Edit) -> dict[str, list[Piece]]:
    """The chromosomes that an edit changes, as pieces of the old ones.

    Parameters
    ----------
    plan : Plan
    edit : Edit
        Of `KINDS`; in bp, bins of the model's grain need not be respected. A translocation gives
        both derivative chromosomes.

    Returns
    -------
    dict
        Chromosome name -> list of Piece in order; only chromosomes that change.

    Raises
    ------
    InputError
        Another kind, a region outside its chromosome, a translocation within one chromosome.
    """
    if edit.kind not in KINDS:
        raise InputError(
            f"edit kind '{edit.kind}' cannot be simulated; expected one of {', '.join(KINDS)}"
        )
    if edit.kind == "translocation" and edit.chrom2 == edit.chrom:
        raise InputError(
            f"translocation of {edit.chrom}:{edit.start:,} with {edit.chrom2}:{edit.start2:,} is "
            "within one chromosome; expected two (use a deletion, inversion or insertion)"
        )
    return edited_chromosomes(edit, plan.chromsizes)


def apply_edit(plan: Plan, edit: Edit) -> Plan:
    """The plan of the edited genome, in its own coordinates; see `edited_genome`."""
    return rearrange(plan, edited_genome(plan, edit))


def remove_sites(plan: Plan, chrom: str, start: int, end: int) -> Plan:
    """The plan without the CTCF sites that lie in chrom:start-end; coordinates stay."""
    check_edit(Edit("sites", "knockout", chrom, start, end), plan.chromsizes)
    sites = plan.sites
    gone = (sites["chrom"] == chrom) & (sites["start"] >= start) & (sites["end"] <= end)
    return replace(plan, sites=sites[~gone].reset_index(drop=True))


def flip_sites(plan: Plan, chrom: str, start: int, end: int) -> Plan:
    """The plan with the CTCF sites that lie in chrom:start-end turned around in place."""
    check_edit(Edit("sites", "knockout", chrom, start, end), plan.chromsizes)
    sites = plan.sites.copy()
    turned = (sites["chrom"] == chrom) & (sites["start"] >= start) & (sites["end"] <= end)
    sites.loc[turned, "strand"] = sites.loc[turned, "strand"].map({"+": "-", "-": "+"})
    return replace(plan, sites=sites)


def rearrange(plan: Plan, pieces: Mapping[str, Sequence[Piece]]) -> Plan:
    """Build the plan whose chromosomes named in `pieces` are joined from these.

    Elements (sites, genes, enhancers) that a cut breaks are lost; compartments, gaps, blacklist
    and landscape are cut. Copies keep their names.
    """
    sizes = plan.chromsizes.copy()
    for chrom, parts in pieces.items():
        sizes[chrom] = length(parts)
    tables = {}
    for name in (*COVERS, *POINTS):
        old = getattr(plan, name)
        joined = []
        for chrom in sizes.index:
            if chrom not in pieces:
                joined.append(old[old["chrom"] == chrom])
                continue
            offset = 0
            for part in pieces[chrom]:
                joined.append(_carry(old, part, chrom, offset, whole=name in POINTS))
                offset += part.end - part.start
        tables[name] = pd.concat(joined, ignore_index=True)
    return replace(plan, chromsizes=sizes, **tables)


def _carry(
    table: pd.DataFrame, part: Piece, chrom: str, offset: int, *, whole: bool
) -> pd.DataFrame:
    """Rows of one piece in the coordinates of the edited chromosome, sorted."""
    rows = table[table["chrom"] == part.chrom]
    if whole:
        rows = rows[(rows["start"] >= part.start) & (rows["end"] <= part.end)].copy()
    else:
        rows = rows[(rows["start"] < part.end) & (rows["end"] > part.start)].copy()
    start = np.maximum(rows["start"].to_numpy(), part.start) - part.start
    end = np.minimum(rows["end"].to_numpy(), part.end) - part.start
    if part.strand == "-":
        start, end = part.end - part.start - end, part.end - part.start - start
        if "strand" in rows:
            rows["strand"] = rows["strand"].map({"+": "-", "-": "+"})
        rows, start, end = rows[::-1], start[::-1], end[::-1]
    rows["chrom"], rows["start"], rows["end"] = chrom, start + offset, end + offset
    return rows
