"""Genes, elements and boundaries that variants lie on, or lie next to."""

from collections.abc import Mapping, Sequence

import bioframe
import pandas as pd

from chromloom.edits.edit import JOINED, Edit

COLUMNS = ["edit", "kind", "chrom", "start", "end", "set", "name", "hit_start", "hit_end",
           "distance"]  # fmt: skip
PLACE = ["chrom", "start", "end"]


def find_hits(edits: Sequence[Edit], elements: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """What lies in the regions of variants, and the nearest element where nothing does.

    Parameters
    ----------
    edits : sequence of Edit
    elements : mapping of str to DataFrame
        Name of the set (genes, boundaries, a task of the label sheet) -> chrom, start, end, name.

    Returns
    -------
    DataFrame
        edit, kind; chrom, start, end (the region of the variant, or one bp at a breakpoint);
        set, name, hit_start, hit_end (the element's); distance (bp; 0 where they overlap). One row
        per element that a region overlaps, else one of the nearest of the set, if its chromosome
        has any.
    """
    places = _places_of(edits)
    tables = []
    for name, table in elements.items():
        own = table[[*PLACE, "name"]].reset_index(drop=True).astype({"chrom": str})
        if not len(own) or not len(places):
            continue
        over = bioframe.overlap(places, own, how="inner", suffixes=("", "_"))
        alone = places[~places["place"].isin(over["place"])]
        parts = [over.assign(distance=0)]
        if len(alone):
            near = bioframe.closest(alone, own, suffixes=("", "_"))
            parts.append(near[near["start_"].notna()])
        tables += [part.assign(set=name) for part in parts]
    if not tables:
        return pd.DataFrame(columns=COLUMNS)
    found = pd.concat(tables, ignore_index=True)
    found = found.rename(columns={"start_": "hit_start", "end_": "hit_end", "name_": "name"})
    found = found.sort_values(["place", "set", "distance", "hit_start"], kind="stable")
    integer = ["start", "end", "hit_start", "hit_end", "distance"]
    return found.astype(dict.fromkeys(integer, "int64"))[COLUMNS].reset_index(drop=True)


def both_ends(table: pd.DataFrame, *, paired: bool) -> pd.DataFrame:
    """The ends of intervals as elements: those of domains, one bp each, or both anchors of loops.

    Parameters
    ----------
    table : DataFrame
        chrom, start, end, start2, end2, name, as `genome.intervals.read_intervals` gives them.
    paired : bool
        Whether the ends are the intervals start-end and start2-end2.

    Returns
    -------
    DataFrame
        chrom, start, end, name.
    """
    if paired:
        second = table[table["start2"] >= 0]
        ends = [(table, table["start"], table["end"]), (second, second["start2"], second["end2"])]
    else:
        ends = [
            (table, table["start"], table["start"] + 1),
            (table, table["end"] - 1, table["end"]),
        ]
    parts = [own[["chrom", "name"]].assign(start=start, end=end) for own, start, end in ends]
    return pd.concat(parts, ignore_index=True)[[*PLACE, "name"]]


def _places_of(edits: Sequence[Edit]) -> pd.DataFrame:
    """Where variants lie, a row per region or end: place (number), edit, kind and coordinates."""
    rows = []
    for edit in edits:
        for step in edit.steps or (edit,):
            ends = [(step.chrom, step.start, max(step.end, step.start + 1))]
            if step.kind in JOINED:
                ends.append((step.chrom2, step.start2, max(step.end2, step.start2 + 1)))
            rows += [(edit.edit, edit.kind, *end) for end in ends]
    table = pd.DataFrame(rows, columns=["edit", "kind", *PLACE])
    return table.rename_axis("place").reset_index()
