"""Random variants keep what the variant is, and lie where the map is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from chromloom.edits.edit import Edit, put_together
from chromloom.genome.bins import Bins, make_bins
from chromloom.sequence.fasta import Genome, write_genome
from chromloom.variants.controls import draw_controls, size_class

SIZES = pd.Series({"chr1": 3_000_000, "chr2": 2_000_000, "short": 150_000})
BINS = Bins(make_bins(SIZES, 10_000).assign(masked=False), 10_000)
MASKED = np.zeros(len(BINS), bool)
MASKED[:150] = MASKED[400:480] = True  # half of chr1, most of what is behind the middle of chr2
MASKED[160:250:25] = True  # single bins do not matter


@pytest.mark.parametrize(
    ("edit", "name"),
    [
        (Edit("e", "deletion", "chr1", 0, 1_000), "deletion 1-2 kb"),
        (Edit("e", "inversion", "chr1", 0, 63_999), "inversion 32-64 kb"),
        (Edit("e", "duplication", "chr1", 0, 700), "duplication 500-1000 bp"),
        (Edit("e", "insertion", "chr1", 9, 9, "chr2", 0, 48_000), "insertion 32-64 kb"),
        (Edit("e", "translocation", "chr1", 9, 9, "chr2", 5, 5), "translocation"),
        (Edit("e", "substitution", "chr1", 9, 10, ref="A", alt="T"), "substitution 1-2 bp"),
        (Edit("e", "substitution", "chr1", 9, 9, alt="ACGTA"), "substitution 4-8 bp"),
    ],
)
def test_variants_are_compared_with_those_of_their_kind_and_size(edit, name):
    assert size_class(edit) == name


STEPS = [Edit("", "deletion", "chr1", 300_000, 350_000),
         Edit("", "insertion", "chr1", 500_000, 500_000, "chr2", 100_000, 140_000),
         Edit("", "inversion", "chr2", 160_000, 180_000)]  # fmt: skip
VARIANTS = [
    Edit("a", "deletion", "chr1", 100_000, 150_000, id="rs1"),
    Edit("b", "deletion", "chr2", 100_000, 140_000),
    Edit("i", "insertion", "chr1", 500_000, 500_000, "chr2", 100_000, 140_000),
    Edit("t", "translocation", "chr1", 500_000, 500_000, "chr2", 400_000, 400_000, strand="-"),
    put_together("c", STEPS),
]


def test_controls_are_moved_to_where_most_bins_are_known():
    bins = BINS.with_mask(MASKED)
    drawn = draw_controls(VARIANTS, bins, number=20, seed=0)
    assert drawn == draw_controls(VARIANTS, bins, number=20, seed=0)
    assert drawn != draw_controls(VARIANTS, bins, number=20, seed=1)
    for name, controls in drawn.items():
        assert [(c.edit, c.id) for c in controls] == [(f"control{k}", "") for k in range(20)]
        of_class, shifts = [v for v in VARIANTS if size_class(v) == name], []
        for k, control in enumerate(controls):
            variant, moves = of_class[k % len(of_class)], {}
            pairs = zip(variant.steps or (variant,), control.steps or (control,), strict=True)
            for old, new in pairs:
                sides = [("chrom", "start", "end")]
                if old.kind in ("insertion", "translocation"):
                    sides.append(("chrom2", "start2", "end2"))
                kept = {name: getattr(old, name) for side in sides for name in side}
                assert replace(new, **kept, edit=old.edit, id=old.id) == old
                for chrom, start, end in sides:
                    ends = [getattr(new, start), getattr(new, end)]
                    by = ends[0] - getattr(old, start)
                    assert ends[1] - getattr(old, end) == by
                    moves.setdefault(getattr(new, chrom), set()).add(by)
                    for at in np.array(ends) // 10_000:
                        around = bins.mask(getattr(new, chrom))[max(at - 20, 0) : at + 21]
                        assert len(around) > 20
                        assert around.mean() <= 0.1
            assert all(len(own) == 1 for own in moves.values())  # steps keep their distances
            shifts.append(str(moves))
        assert len(set(shifts)) > 10


def test_variants_without_a_place_have_no_controls():
    elsewhere = Edit("e", "deletion", "chr9", 0, 30_000)
    nowhere = Edit("s", "duplication", "short", 20_000, 40_000)  # too few bins beside it
    drawn = draw_controls([elsewhere, nowhere], BINS, number=3, seed=0)
    assert drawn == {"duplication 16-32 kb": []}


def test_bases_that_come_nowhere_do_not_move_a_control(tmp_path):
    (tmp_path / "a.fa").write_text(">chr1\n" + "A" * SIZES["chr1"] + "\n")
    write_genome(tmp_path / "a.fa", tmp_path / "a.fa.gz", SIZES[["chr1"]])
    changed = [Edit("s", "substitution", "chr1", 500_000, 500_001, ref="C", alt="T")]
    with Genome(tmp_path / "a.fa.gz") as genome:
        drawn = draw_controls(changed, BINS, number=5, seed=1, genome=genome)
    assert drawn == draw_controls(changed, BINS, number=5, seed=1)
