"""Edited chromosomes in bp and laid out in bins."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from chromloom.edits.bins import lay_out, lift_table, unfit
from chromloom.edits.edit import KINDS, Edit, knockouts
from chromloom.edits.pieces import Piece, edited_chromosomes, lift_pieces
from chromloom.errors import InputError
from chromloom.genome.bins import Bins, make_bins

BINS = Bins(make_bins(pd.Series({"chr1": 995, "chr2": 500}), 10), 10)


def edit(kind, start, end, chrom="chr1", **more):
    return Edit("e", kind, chrom, start, end, **more)


def source(kind, start, end, **more):
    return lay_out(edit(kind, start, end, **more), BINS).source.tolist()


def test_every_kind_lays_out_its_bins():
    assert source("deletion", 100, 300) == [*range(10), *range(30, 100)]
    assert source("duplication", 100, 120) == [*range(12), 10, 11, *range(12, 100)]
    assert source("inversion", 100, 130) == [*range(10), 12, 11, 10, *range(13, 100)]
    inserted = {"chrom2": "chr2", "start2": 0, "end2": 20}
    assert source("insertion", 50, 50, **inserted)[4:8] == [4, 100, 101, 5]
    assert source("insertion", 50, 50, strand2="-", **inserted)[4:8] == [4, 101, 100, 5]
    assert source("knockout", 100, 110) == list(range(100))
    assert source("knockout", 100, 110, method="shift") == source("deletion", 100, 110)


@pytest.mark.parametrize(
    ("strands", "expected"),
    [
        ("+-", [*range(3), *range(110, 150)]),
        ("++", [*range(3), *range(109, 99, -1)]),
        ("-+", [*range(100, 110), *range(3, 100)]),
        ("--", [*range(149, 109, -1), *range(3, 100)]),
    ],
)
def test_translocations_keep_the_side_that_the_strand_says(strands, expected):
    second = {"chrom2": "chr2", "start2": 100, "end2": 100}
    second |= {"strand": strands[0], "strand2": strands[1]}
    assert source("translocation", 30, 30, **second) == expected


def test_edits_take_the_bins_they_touch():
    assert source("deletion", 101, 119) == source("deletion", 100, 120)
    article = Bins(make_bins(pd.Series({"chr17": 81_195_210}), 10_000), 10_000)
    duplication = edit("duplication", 67_958_880, 70_085_143, chrom="chr17")
    assert len(lay_out(duplication, article).source) - len(article) == 214


regions = (
    st.tuples(st.integers(0, 98), st.integers(1, 99))
    .map(lambda x: (10 * min(x), 10 * max(x)))
    .filter(lambda x: 0 < x[1] - x[0] < 900)
)


@given(regions, st.sampled_from(["deletion", "duplication", "inversion", "knockout"]))
def test_lift_tables_hold_every_bin_as_often_as_the_edit_says(region, kind):
    edited = lay_out(edit(kind, *region), BINS)
    lift = lift_table(edited, BINS)
    copies = np.bincount(edited.source, minlength=100)[:100]
    inside = np.zeros(100, bool)
    inside[region[0] // 10 : region[1] // 10] = True
    assert (copies[~inside] == 1).all()
    assert (copies[inside] == {"deletion": 0, "duplication": 2}.get(kind, 1)).all()
    assert (lift["ref_start"] == BINS["start"].to_numpy()[edited.source]).all()
    assert (lift["start"] == np.arange(len(lift)) * 10).all()
    assert lift["copy"].max() == copies.max()
    assert (lift["strand"] == "-").sum() == (inside.sum() if kind == "inversion" else 0)
    assert lift["replaced"].sum() == (inside.sum() if kind == "knockout" else 0)


@given(regions)
def test_an_inversion_twice_is_the_reference(region):
    once = lay_out(edit("inversion", *region), BINS)
    assert (once.source[once.source[:100]] == np.arange(100)).all()


@given(regions, st.sampled_from(["deletion", "duplication", "inversion", "knockout"]))
def test_runs_end_where_the_next_bin_is_not_the_next(region, kind):
    edited = lay_out(edit(kind, *region), BINS)
    for a in range(0, len(edited.source), 7):
        b = a
        if not edited.replaced[a] and edited.strand[a] == 1:
            b = a + 1
            while (
                b < len(edited.source)
                and edited.source[b] == edited.source[b - 1] + 1
                and edited.strand[b] == 1
                and not edited.replaced[b]
            ):
                b += 1
        assert edited.run_end[a] == b


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (edit("deletion", 900, 1000), "does not lie inside chr1"),
        (edit("deletion", -10, 100), "does not lie inside"),
        (edit("deletion", 100, 100), "start < end"),
        (edit("deletion", 100, 105), "less than one bin"),
        (edit("deletion", 0, 995), "leaves nothing"),
        (edit("deletion", 0, 20, chrom="21"), "chromosome '21' is not known \\(chr1, chr2"),
        (edit("insertion", 2000, 2000, chrom2="chr2", start2=0, end2=20), "breakpoint"),
        (edit("insertion", 20, 20, chrom2="chr2", start2=400, end2=600), "inside chr2"),
        (edit("melting", 20, 40), "kind 'melting'"),
    ],
)
def test_edits_that_cannot_be_laid_out(bad, message):
    with pytest.raises(InputError, match=message):
        lay_out(bad, BINS)


def test_knockouts_of_sites():
    sites = pd.DataFrame({"chrom": ["chr1", "chr2"], "start": [3, 10], "end": [9, 20]})
    edits = knockouts(sites, method="zero")
    assert [e.edit for e in edits] == ["KO_chr1_3_9", "KO_chr2_10_20"]
    assert lay_out(edits[0], BINS).span == (0, 1)


sizes = {"chr1": 1000, "chr2": 500}
borders = st.integers(0, 50).map(lambda i: 10 * i)


@st.composite
def whole_bin_edits(draw):
    """Edits of every kind whose ends are borders of bins."""
    kind = draw(st.sampled_from(sorted(set(KINDS.values()) - {"substitution"})))
    start, end = sorted(draw(st.tuples(borders, borders).filter(lambda x: x[0] != x[1])))
    second = {}
    if kind in ("insertion", "translocation"):
        start2, end2 = sorted(draw(st.tuples(borders, borders).filter(lambda x: x[0] != x[1])))
        second = {"chrom2": draw(st.sampled_from(["chr1", "chr2"])), "start2": start2, "end2": end2}
        second |= {"strand": draw(st.sampled_from("+-")), "strand2": draw(st.sampled_from("+-"))}
    method = draw(st.sampled_from(["average", "shift", "zero"]))
    return Edit("e", kind, "chr1", start, end, **second, method=method)


@given(whole_bin_edits())
def test_pieces_and_layout_are_the_same_chromosome(edit):
    bins = Bins(make_bins(pd.Series(sizes), 10), 10)
    try:
        edited = lay_out(edit, bins)
    except InputError:  # nothing, or one bin, is left of the chromosome
        reject()
    assert list(edited.pieces) == edited_chromosomes(edit, sizes)[edit.chrom]
    lift, rendered = lift_table(edited, bins), lift_pieces(edited.pieces, "chr1_" + edit.kind, 10)
    pd.testing.assert_frame_equal(lift[rendered.columns], rendered)


def test_pieces_cut_where_the_edit_says_and_layouts_at_bins():
    edited = lay_out(edit("inversion", 101, 119), BINS)
    assert [(p.start, p.end, p.strand) for p in edited.pieces] == [
        (0, 101, "+"),
        (101, 119, "-"),
        (119, 995, "+"),
    ]
    assert edited.span == (10, 12)


@pytest.mark.parametrize("strands", ["+-", "-+", "++", "--"])
def test_both_derivatives_of_a_translocation_hold_all_of_both_chromosomes(strands):
    second = {"chrom2": "chr2", "start2": 123, "end2": 123}
    second |= {"strand": strands[0], "strand2": strands[1]}
    one = edit("translocation", 456, 456, **second)
    pieces = [piece for own in edited_chromosomes(one, sizes).values() for piece in own]
    for chrom, cut in (("chr1", 456), ("chr2", 123)):
        parts = sorted((p.start, p.end) for p in pieces if p.chrom == chrom)
        assert parts == [(0, cut), (cut, sizes[chrom])]


def test_bins_of_an_edited_chromosome_are_those_of_their_middles():
    pieces = [Piece("chr1", 0, 26), Piece("chr2", 100, 130, "-")]
    lift = lift_pieces(pieces, "new", 10)
    assert lift["end"].tolist() == [10, 20, 30, 40, 50, 56]
    assert list(zip(lift["ref_chrom"], lift["ref_start"], lift["strand"])) == [
        ("chr1", 0, "+"),
        ("chr1", 10, "+"),
        ("chr1", 20, "+"),
        ("chr2", 120, "-"),
        ("chr2", 110, "-"),
        ("chr2", 100, "-"),
    ]


def test_the_middle_of_a_short_bin_is_its_middle_base():
    lift = lift_pieces([Piece("chr1", 0, 53), Piece("chr2", 100, 102)], "new", 10)
    assert lift["ref_chrom"].tolist() == ["chr1"] * 6  # the last bin is 50 … 54


def test_an_edit_is_too_small_for_bins_that_it_cannot_fill():
    inserted = {"chrom2": "chr2", "start2": 0, "end2": 9}
    assert "9 bp are less than one bin of 10 bp" in unfit(edit("deletion", 0, 9), sizes, 10)
    assert "less than one bin" in unfit(edit("insertion", 50, 50, **inserted), sizes, 10)
    assert unfit(edit("insertion", 50, 50, **{**inserted, "end2": 10}), sizes, 10) is None
    assert unfit(edit("knockout", 0, 1), sizes, 10) is None
    assert unfit(edit("translocation", 505, 505, **inserted), sizes, 10) is None
    assert "leaves 1 bins of chr1" in unfit(edit("deletion", 10, 1000), sizes, 10)
    assert "leaves nothing" in unfit(edit("deletion", 0, 1000), sizes, 10)


# Bins that are cut


def test_aligned_edits_are_the_same_with_and_without_parts():
    for kind, start, end in [("deletion", 100, 300), ("duplication", 100, 120),
                             ("inversion", 100, 130), ("knockout", 101, 109)]:  # fmt: skip
        whole, cut = (lay_out(edit(kind, start, end), BINS, parts=p) for p in (False, True))
        assert cut.source.tolist() == whole.source.tolist()
        assert cut.strand.tolist() == whole.strand.tolist()
        assert (cut.span, cut.parts) == (whole.span, {})


def test_a_deletion_within_a_bin_leaves_what_is_left_of_it():
    cut = lay_out(edit("deletion", 203, 207), BINS, parts=True)
    assert cut.source.tolist() == list(range(100))
    assert cut.parts == {20: (Piece("chr1", 200, 203), Piece("chr1", 207, 210))}
    assert cut.span == (20, 21)
    assert cut.run_end[[19, 20, 21]].tolist() == [20, 20, 100]


def test_what_is_left_of_two_cut_bins_is_put_together():
    cut = lay_out(edit("deletion", 206, 235), BINS, parts=True)
    assert cut.source[18:23].tolist() == [18, 19, 20, 24, 25]
    assert cut.parts == {20: (Piece("chr1", 200, 206), Piece("chr1", 235, 240))}


def test_an_inversion_turns_its_whole_bins_and_mixes_those_at_its_ends():
    cut = lay_out(edit("inversion", 204, 236), BINS, parts=True)
    assert cut.source[19:25].tolist() == [19, 23, 22, 21, 20, 24]
    assert cut.strand[19:25].tolist() == [1, -1, -1, -1, -1, 1]
    assert cut.parts == {
        20: (Piece("chr1", 200, 204), Piece("chr1", 230, 236, "-")),
        23: (Piece("chr1", 204, 210, "-"), Piece("chr1", 236, 240)),
    }
    assert cut.span == (20, 24)


@given(
    st.integers(1, 480), st.integers(1, 480), st.sampled_from(["deletion", "duplication",
    "inversion", "insertion", "translocation"]), st.sampled_from("+-"), st.sampled_from("+-"),
)  # fmt: skip
def test_cut_bins_hold_every_bp_of_the_edited_chromosome_once(a, b, kind, strand, strand2):
    lo, hi = min(a, b), max(a, b) + 1
    more = {"chrom2": "chr2", "start2": lo, "end2": hi, "strand": strand, "strand2": strand2}
    joins = kind in ("insertion", "translocation")
    try:
        cut = lay_out(edit(kind, lo, hi, **(more if joins else {})), BINS, parts=True)
    except InputError:
        reject()
    held = []
    for position, source in enumerate(cut.source):
        row = BINS.table.iloc[source]
        own = Piece(row["chrom"], row["start"], row["end"], "+-"[int(cut.strand[position] < 0)])
        held += cut.parts.get(position, [own])

    def bases(pieces):
        for piece in pieces:
            own = range(piece.start, piece.end)
            yield from ((piece.chrom, at) for at in (own if piece.strand == "+" else own[::-1]))

    assert list(bases(held)) == list(bases(cut.pieces))
    for pieces in cut.parts.values():  # at most a short one where little is left
        assert 0 < sum(piece.end - piece.start for piece in pieces) <= 1.5 * BINS.resolution
    assert 0 <= cut.span[0] <= cut.span[1] <= len(cut.source)
