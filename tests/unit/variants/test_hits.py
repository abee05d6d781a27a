"""What variants hit, against every pair of a variant and an element."""

import numpy as np
import pandas as pd

from chromloom.edits.edit import Edit, put_together
from chromloom.variants.hits import COLUMNS, both_ends, find_hits


def draw_elements(rng, prefix, n):
    start = rng.integers(0, 3_000, n)
    return pd.DataFrame({"chrom": rng.choice(["chr1", "chr2"], n), "start": start,
                         "end": start + rng.integers(1, 60, n),
                         "name": [f"{prefix}{k}" for k in range(n)]})  # fmt: skip


def test_hits_are_all_overlaps_or_a_nearest_element():
    rng = np.random.default_rng(0)
    elements = {name: draw_elements(rng, name, n) for name, n in (("genes", 40), ("peaks", 15))}
    elements["peaks"]["chrom"] = "chr1"  # none on chr2
    elements["none"] = elements["genes"].iloc[:0]
    edits = []
    for k, at in enumerate(rng.integers(0, 3_000, (30, 2)).tolist()):
        kind = ["deletion", "insertion", "translocation"][k % 3]
        region = ("chr2", at[1], at[1] + 25 * (kind == "insertion"))
        if kind == "deletion":
            edits.append(Edit(f"e{k}", kind, "chr1", at[0], at[0] + 100))
        else:
            edits.append(Edit(f"e{k}", kind, "chr1", at[0], at[0], *region))
    edits.append(put_together("both", [edits[0], edits[1]]))
    hits = find_hits(edits, elements)
    assert hits.columns.tolist() == COLUMNS
    at = 0
    for edit in edits:
        for step in edit.steps or (edit,):
            ends = [(step.chrom, step.start, max(step.end, step.start + 1))]
            if step.kind != "deletion":
                ends.append((step.chrom2, step.start2, max(step.end2, step.start2 + 1)))
            for chrom, start, end in ends:
                for name in ("genes", "peaks"):
                    own = elements[name][elements[name]["chrom"] == chrom]
                    if not len(own):
                        continue
                    away = np.maximum(own["start"] - end, start - own["end"]).clip(-1) + 1
                    over = own[away == 0].sort_values("start", kind="stable")
                    found = hits.iloc[at : at + max(len(over), 1)]
                    at += len(found)
                    assert (
                        found[["edit", "kind", "chrom", "set"]]
                        == [edit.edit, edit.kind, chrom, name]
                    ).all(axis=None)
                    assert (found[["start", "end"]] == [start, end]).all(axis=None)
                    if len(over):
                        assert found["hit_start"].tolist() == over["start"].tolist()
                        assert set(found["name"]) == set(over["name"])
                        assert (found["distance"] == 0).all()
                    else:  # bases between them: 0 for neighbours
                        row = own.set_index("name").loc[found["name"].iloc[0]]
                        assert (row["start"], row["end"]) == tuple(
                            found[["hit_start", "hit_end"]].iloc[0]
                        )
                        assert found["distance"].iloc[0] == (away - 1).min()
    assert at == len(hits)
    assert find_hits([], elements).empty


def test_ends_of_domains_and_loops_are_the_elements():
    table = pd.DataFrame({"chrom": "chr1", "start": [10, 50], "end": [90, 60], "start2": [200, -1],
                          "end2": [210, -1], "name": ["x", "y"]})  # fmt: skip
    ends = both_ends(table, paired=False)
    assert ends[["start", "end", "name"]].to_numpy().tolist() == [
        [10, 11, "x"], [50, 51, "y"], [89, 90, "x"], [59, 60, "y"]
    ]  # fmt: skip
    ends = both_ends(table, paired=True)  # an anchor that is not known is none
    assert ends[["start", "end"]].to_numpy().tolist() == [[10, 90], [50, 60], [200, 210]]
