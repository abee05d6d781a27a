"""The edited genome: a plan cut and joined into another plan, and the lift between the two.

An edited chromosome is a list of pieces of the old genome. Every table of the plan is carried over
piece by piece; consequences (contacts, loops, domains, expression) follow, since a plan holds
causes only. Scale and physics stay, so intensities of both plans compare.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.simulate.plan import COVERS, POINTS, Plan

KINDS = ("deletion", "duplication", "inversion", "insertion", "translocation")


@dataclass(frozen=True)
class Piece:
    """A stretch of the old genome in an edited chromosome; strand `-` means reversed."""

    chrom: str
    start: int
    end: int
    strand: str = "+"


def edit_pieces(
    plan: Plan,
    kind: str,
    chrom: str,
    start: int,
    end: int,
    *,
    chrom2: str = "",
    start2: int = -1,
    end2: int = -1,
    strand2: str = "+",
) -> dict[str, list[Piece]]:
    """The edited chromosomes as pieces of the old ones.

    Parameters
    ----------
    plan : Plan
    kind : str
        deletion, duplication (tandem), inversion of chrom:start-end; insertion of
        chrom2:start2-end2 at `start` (reversed where `strand2` is `-`); translocation, which
        exchanges what lies right of chrom:start with what lies right of chrom2:start2.
    chrom, start, end, chrom2, start2, end2, strand2
        bp, 0-based half-open. Bins of the model's grain need not be respected.

    Returns
    -------
    dict
        Chromosome name -> list of Piece in order; only chromosomes that change.

    Raises
    ------
    InputError
        Unknown kind, a region outside its chromosome, a translocation within one chromosome.
    """
    if kind not in KINDS:
        raise InputError(f"edit kind '{kind}' is not known; expected one of {', '.join(KINDS)}")
    _check_region(plan, chrom, start, start + 1 if kind in KINDS[3:] else end)
    length = int(plan.chromsizes[chrom])
    before, middle, after = (
        Piece(chrom, 0, start),
        Piece(chrom, start, end),
        Piece(chrom, end, length),
    )
    if kind == "deletion":
        pieces = {chrom: [before, after]}
    elif kind == "duplication":
        pieces = {chrom: [before, middle, middle, after]}
    elif kind == "inversion":
        pieces = {chrom: [before, replace(middle, strand="-"), after]}
    elif kind == "insertion":
        _check_region(plan, chrom2, start2, end2)
        inserted = Piece(chrom2, start2, end2, strand2)
        pieces = {chrom: [before, inserted, Piece(chrom, start, length)]}
    else:
        _check_region(plan, chrom2, start2, start2 + 1)
        if chrom2 == chrom:
            raise InputError(
                f"translocation of {chrom}:{start:,} with {chrom2}:{start2:,} is within one "
                "chromosome; expected two (use a deletion, inversion or insertion)"
            )
        left2, right2 = (
            Piece(chrom2, 0, start2),
            Piece(chrom2, start2, int(plan.chromsizes[chrom2])),
        )
        pieces = {chrom: [before, right2], chrom2: [left2, Piece(chrom, start, length)]}
    return {name: [p for p in parts if p.end > p.start] for name, parts in pieces.items()}


def apply_edit(plan: Plan, kind: str, chrom: str, start: int, end: int, **second: object) -> Plan:
    """The plan of the edited genome, in its own coordinates; arguments as in `edit_pieces`."""
    return rearrange(plan, edit_pieces(plan, kind, chrom, start, end, **second))


def remove_sites(plan: Plan, chrom: str, start: int, end: int) -> Plan:
    """The plan without the CTCF sites that lie in chrom:start-end; coordinates stay."""
    _check_region(plan, chrom, start, end)
    sites = plan.sites
    gone = (sites["chrom"] == chrom) & (sites["start"] >= start) & (sites["end"] <= end)
    return replace(plan, sites=sites[~gone].reset_index(drop=True))


def flip_sites(plan: Plan, chrom: str, start: int, end: int) -> Plan:
    """The plan with the CTCF sites that lie in chrom:start-end turned around in place."""
    _check_region(plan, chrom, start, end)
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
        sizes[chrom] = sum(part.end - part.start for part in parts)
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


def lift_table(
    plan: Plan, pieces: Mapping[str, Sequence[Piece]], chrom: str, resolution: int
) -> pd.DataFrame:
    """Where each bin of an edited chromosome comes from.

    Returns
    -------
    DataFrame
        One row a bin of the edited chromosome: chrom, start, end (edited coordinates), old_chrom,
        old_start (start of the old bin that holds the bin's middle), strand.
    """
    parts = pieces.get(chrom) or [Piece(chrom, 0, int(plan.chromsizes[chrom]))]
    ends = np.cumsum([part.end - part.start for part in parts])
    start = np.arange(0, ends[-1], resolution)
    end = np.minimum(start + resolution, ends[-1])
    middle = (start + end) // 2
    which = np.searchsorted(ends, middle, side="right")
    within = middle - np.concatenate([[0], ends])[which]
    old = np.array(
        [
            parts[k].start + w if parts[k].strand == "+" else parts[k].end - 1 - w
            for k, w in zip(which, within)
        ]
    )
    return pd.DataFrame(
        {
            "chrom": chrom,
            "start": start,
            "end": end,
            "old_chrom": [parts[k].chrom for k in which],
            "old_start": old // resolution * resolution,
            "strand": [parts[k].strand for k in which],
        }
    )


def _carry(
    table: pd.DataFrame, part: Piece, chrom: str, offset: int, *, whole: bool
) -> pd.DataFrame:
    """Rows of one piece in the coordinates of the edited chromosome, sorted."""
    rows = table[table["chrom"] == part.chrom]
    if whole:
        rows = rows[(rows["start"] >= part.start) & (rows["end"] <= part.end)].copy()
    else:
        rows = rows[(rows["start"] < part.end) & (rows["end"] > part.start)].copy()
    start = rows["start"].clip(lower=part.start) - part.start
    end = rows["end"].clip(upper=part.end) - part.start
    if part.strand == "-":
        start, end = part.end - part.start - end, part.end - part.start - start
        if "strand" in rows:
            rows["strand"] = rows["strand"].map({"+": "-", "-": "+"})
        rows, start, end = rows[::-1], start[::-1], end[::-1]
    rows["chrom"], rows["start"], rows["end"] = chrom, start + offset, end + offset
    return rows


def _check_region(plan: Plan, chrom: str, start: int, end: int) -> None:
    if chrom not in plan.chromsizes.index:
        raise InputError(
            f"edit names chromosome '{chrom}'; expected one of {', '.join(plan.chromsizes.index)}"
        )
    if not 0 <= start < end <= plan.chromsizes[chrom]:
        raise InputError(
            f"edit region {chrom}:{start:,}-{end:,} does not lie on the chromosome; expected "
            f"0 <= start < end <= {plan.chromsizes[chrom]:,}"
        )
