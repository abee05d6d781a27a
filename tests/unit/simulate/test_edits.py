"""Edited genomes: what an edit leaves alone stays, what it joins follows from the model."""

import numpy as np
import pandas as pd
import pytest

from chromloom.edits.edit import Edit
from chromloom.edits.pieces import Piece
from chromloom.errors import InputError
from chromloom.simulate.contacts import (
    bin_features,
    expected_contacts,
    reads_per_intensity,
    sample_pixels,
)
from chromloom.simulate.edits import (
    apply_edit,
    edited_genome,
    flip_sites,
    rearrange,
    remove_sites,
)
from chromloom.simulate.elements import find_loops
from chromloom.simulate.plan import COVERS, POINTS
from chromloom.simulate.sequence import edited_sequence, sequence
from chromloom.simulate.write import edited_pixels

BIN = 20_000


def edit(kind, chrom, start, end, **second):
    return Edit("e", kind, chrom, start, end, **second)


def assert_same_plans(one, other):
    pd.testing.assert_series_equal(one.chromsizes, other.chromsizes)
    for name in (*COVERS, *POINTS):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))


def joined_rows(table):
    """Rows of a cover that touch and say the same are one row."""
    values = table.drop(columns=["start", "end"])
    same = (values == values.shift()).all(axis=1) & (table["start"] == table["end"].shift())
    grouped = table.groupby((~same).cumsum())
    return grouped.first().assign(end=grouped["end"].last()).reset_index(drop=True)


def test_deletion_equals_planning_without_the_segment(simulated):
    start, end = 100 * BIN, 130 * BIN
    edited = apply_edit(simulated, edit("deletion", "chr1", start, end))
    assert edited.chromsizes["chr1"] == simulated.chromsizes["chr1"] - (end - start)
    for name in POINTS:  # by hand: rows of the segment dropped, later ones moved
        rows = simulated.rows(name, "chr1").copy()
        rows = rows[(rows["end"] <= start) | (rows["start"] >= end)]
        late = rows["start"] >= end
        rows.loc[late, ["start", "end"]] -= end - start
        got = edited.rows(name, "chr1").reset_index(drop=True)
        pd.testing.assert_frame_equal(got, rows.reset_index(drop=True))
    wild, cut = bin_features(simulated, "chr1"), bin_features(edited, "chr1")
    kept = np.r_[0:100, 130 : len(wild.mask)]
    for field in ("mask", "visibility", "plus", "minus", "enhancer"):
        np.testing.assert_allclose(getattr(cut, field), getattr(wild, field)[kept], rtol=1e-6)
    np.testing.assert_allclose(cut.loading, wild.loading[:, kept], atol=1e-6)


def test_deletion_changes_only_pairs_that_span_it(simulated):
    start, end = 100 * BIN, 130 * BIN
    edited = apply_edit(simulated, edit("deletion", "chr1", start, end))
    wild = expected_contacts(simulated, "chr1", BIN)
    after = expected_contacts(edited, "chr1", BIN)
    # anchors reach one bin beyond their own, so the bins at the joint may change
    np.testing.assert_allclose(after[:98, 0], wild[:98, 0], rtol=1e-5)
    n = after.shape[1]
    np.testing.assert_allclose(
        after[: n - 102, 102:], wild[: n - 102, 132:], rtol=1e-5, equal_nan=True
    )
    across = after[12:62, 90]  # bins 90 and 102 … 151: nearer now than in the wild type
    assert np.nanmedian(across / wild[42:92, 90]) > 1.2


def test_duplication_has_both_copies(simulated):
    start, end = 60 * BIN, 80 * BIN
    edited = apply_edit(simulated, edit("duplication", "chr1", start, end))
    wild, twice = bin_features(simulated, "chr1"), bin_features(edited, "chr1")
    order = np.r_[0:80, 60 : len(wild.mask)]
    np.testing.assert_allclose(twice.plus, wild.plus[order], rtol=1e-6)
    np.testing.assert_allclose(twice.visibility, wild.visibility[order], rtol=1e-6)


def test_inversion_turns_sites_and_undoes_itself(simulated):
    start, end = 60 * BIN, 80 * BIN
    once = apply_edit(simulated, edit("inversion", "chr1", start, end))
    wild, turned = bin_features(simulated, "chr1"), bin_features(once, "chr1")
    np.testing.assert_allclose(turned.enhancer.sum(), wild.enhancer.sum(), rtol=0.05)
    inside = simulated.rows("sites", "chr1").query("start >= @start and end <= @end")
    back = once.rows("sites", "chr1").query("start >= @start and end <= @end")
    assert (inside["strand"] == "+").sum() == (back["strand"] == "-").sum() > 0
    np.testing.assert_array_equal(
        (start + end - back["end"]).to_numpy()[::-1], inside["start"].to_numpy()
    )
    twice = apply_edit(once, edit("inversion", "chr1", start, end))
    for name in POINTS:
        broken = getattr(simulated, name)
        whole = ~(
            (broken["chrom"] == "chr1")
            & (
                ((broken["start"] < start) & (broken["end"] > start))
                | ((broken["start"] < end) & (broken["end"] > end))
            )
        )
        want = broken[whole].reset_index(drop=True)
        pd.testing.assert_frame_equal(
            getattr(twice, name).sort_values(["chrom", "start", "name"], ignore_index=True),
            want.sort_values(["chrom", "start", "name"], ignore_index=True),
        )
    for name in COVERS:
        pd.testing.assert_frame_equal(
            joined_rows(getattr(twice, name)), joined_rows(getattr(simulated, name))
        )


def test_insertion_and_translocation_move_material_between_chromosomes(simulated):
    second = {"chrom2": "chr2", "start2": 20 * BIN, "end2": 30 * BIN, "strand2": "-"}
    put = apply_edit(simulated, edit("insertion", "chr1", 60 * BIN, 60 * BIN, **second))
    one, two = bin_features(simulated, "chr1"), bin_features(simulated, "chr2")
    got = bin_features(put, "chr1")
    np.testing.assert_allclose(got.minus[60:70], two.plus[20:30][::-1], rtol=1e-6)
    np.testing.assert_allclose(got.visibility[70:], one.visibility[60:], rtol=1e-6)
    swapped = apply_edit(simulated, edit("translocation", "chr1", 60 * BIN, -1, **second))
    assert swapped.chromsizes.sum() == simulated.chromsizes.sum()
    got = bin_features(swapped, "chr1").visibility
    np.testing.assert_allclose(
        got, np.concatenate([one.visibility[:60], two.visibility[20:]]), rtol=1e-6
    )


def test_editing_nothing_changes_nothing(simulated):
    whole = {"chr1": [Piece("chr1", 0, int(simulated.chromsizes["chr1"]))]}
    assert_same_plans(rearrange(simulated, whole), simulated)


def test_removing_or_flipping_an_anchor_loses_its_loops(simulated):
    loop = find_loops(simulated).query("chrom1 == 'chr1'").sort_values("score").iloc[-1]
    region = ("chr1", int(loop["motif1"]), int(loop["motif1"]) + 19)
    for plan in (remove_sites(simulated, *region), flip_sites(simulated, *region)):
        left = find_loops(plan)
        assert not ((left["motif1"] == loop["motif1"]) & (left["start2"] == loop["start2"])).any()
    assert len(simulated.sites) == len(remove_sites(simulated, *region).sites) + 1


def test_edited_sequence_is_cut_and_joined(simulated):
    old = sequence(simulated, "chr1")
    new = edited_sequence(
        simulated, edited_genome(simulated, edit("inversion", "chr1", 500_000, 500_008))["chr1"]
    )
    turned = old[500_000:500_008].translate(bytes.maketrans(b"ACGT", b"TGCA"))[::-1]
    assert new == old[:500_000] + turned + old[500_008:]


def test_bad_edits_are_errors(simulated):
    with pytest.raises(InputError, match=r"'swap' cannot be simulated; expected one of deletion"):
        apply_edit(simulated, edit("swap", "chr1", 0, 10))
    with pytest.raises(InputError, match=r"chromosome 'chr7' is not known \(chr1, chr2"):
        apply_edit(simulated, edit("deletion", "chr7", 0, 10))
    with pytest.raises(InputError, match=r"chr1:10-9000000 does not lie inside chr1 \(0-8000000\)"):
        apply_edit(simulated, edit("deletion", "chr1", 10, 9_000_000))
    with pytest.raises(InputError, match="within one chromosome"):
        apply_edit(simulated, edit("translocation", "chr1", 10, -1, chrom2="chr1", start2=50))


def test_reads_of_an_edited_genome_are_mapped_to_the_reference(simulated):
    region = {"chrom": "chr1", "start": 100 * BIN, "end": 130 * BIN}
    options = {"scale": reads_per_intensity(simulated, 300_000), "seed": 1}
    counts = {
        kind: edited_pixels(simulated, edit(kind, **region), **options)
        for kind in ("deletion", "duplication")
    }
    wild_type = pd.concat(sample_pixels(simulated, **options))
    n_bins = sum(map(simulated.n_bins, simulated.chromsizes.index))

    def inside(pixels):
        """Reads with both ends in the region, and with one end on chr2."""
        ends = pixels[["bin1_id", "bin2_id"]]
        assert ((ends >= 0) & (ends < n_bins)).all(axis=None)
        assert (ends["bin1_id"] <= ends["bin2_id"]).all()
        within = ends.isin(range(100, 130)).all(axis=1)
        other = ends["bin1_id"] >= simulated.n_bins("chr1")
        return pixels["count"][within].sum(), pixels["count"][other].sum()

    own, other = inside(wild_type)
    assert inside(counts["deletion"])[0] == 0
    twice, same = inside(counts["duplication"])
    assert twice > 2 * own  # both copies, and contacts between them
    assert abs(same - other) < 6 * other**0.5
