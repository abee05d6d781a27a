"""What a picture of a variant shows beside what is scored."""

import numpy as np
import pandas as pd
import pytest

from chromloom.edits.edit import Edit
from chromloom.edits.pieces import Piece
from chromloom.perturbation.perturb import contiguous_bands
from chromloom.prediction.open import open_source
from chromloom.variants.picture import shown_pieces, variant_maps, variant_table, variant_title
from chromloom.variants.score import predict_variant


@pytest.mark.parametrize("zygosity", ["homozygous", "heterozygous"])
def test_a_picture_shows_the_maps_that_are_scored(tiny_model_dir, tiny_map_path, zygosity):
    folder = tiny_model_dir()
    edit = Edit("dup", "duplication", "chr1", 500_000, 560_000)
    maps, bins, pieces = variant_maps(
        {"mine": (folder, tiny_map_path)}, edit, flank=300_000, zygosity=zygosity
    )
    source = open_source(folder, tiny_map_path)
    run, bands = contiguous_bands(
        predict_variant(source, edit, flank=300_000, zygosity=zygosity), source
    )
    assert bins["start"].tolist() == source.bins.table["start"].iloc[run].tolist()
    for values, band in zip(maps["mine"], bands):
        assert np.isnan(values[np.tril_indices(len(values), -1)]).all()
        for d in range(len(values)):
            np.testing.assert_array_equal(np.diagonal(values, d), band[d, : len(values) - d])
    assert len(variant_table(maps, bins)) == np.isfinite(maps["mine"][0]).sum()
    shown = shown_pieces(pieces[0], bins)
    assert shown[1][0] == 60_000
    for length, label in shown:
        start, end = (float(x) for x in label.split("\n", 1)[1].split("-")[:2])
        assert length / 1e6 == pytest.approx(end - start, abs=0.011)  # of two decimals each
    assert shown[0][1].endswith("-\n0.50")


def test_a_picture_says_why_there_is_no_map_as_the_table_does(tiny_model_dir, tiny_map_path):
    models = {"mine": (tiny_model_dir(), tiny_map_path)}
    small = Edit("a: b", "deletion", "chr1", 300_000, 301_000)
    maps, bins, pieces = variant_maps(models, small, flank=300_000)
    assert maps["mine"].startswith("1,000 bp are less than one bin of 10,000 bp")
    assert bins.empty
    assert not pieces
    unknown = Edit("e", "deletion", "chr9", 300_000, 400_000)
    assert variant_maps(models, unknown, flank=300_000)[0] == {
        "mine": "chr9 is masked or has no signals"
    }


def test_labels_of_pieces_say_what_is_shown_of_them():
    bins = pd.DataFrame({"chrom": "chr1", "start": np.arange(10, 40) * 100_000})
    bins["end"] = bins["start"] + 100_000
    whole = [Piece("chr1", 0, 2_000_000), Piece("chr1", 2_000_000, 2_500_000, "-"),
             Piece("chr1", 2_500_000, 9_000_000)]  # fmt: skip
    assert shown_pieces(whole, bins) == [
        (1_000_000, "chr1\n1.00-\n2.00"),
        (500_000, "chr1\n2.00-\n2.50 -"),
        (1_000_000, "chr1\n2.50-\n3.50"),
    ]
    turned = [Piece("chr2", 0, 5_000_000, "-"), Piece("chr1", 2_000_000, 2_300_000)]
    assert shown_pieces(turned, bins) == [
        (1_000_000, "chr2\n0.00-\n1.00 -"),  # what is next to the junction
        (300_000, "chr1\n2.00-\n2.30"),
    ]
    one = [Piece("chr1", 0, 9_000_000)]
    assert shown_pieces(one, bins) == [(3_000_000, "chr1\n1.00-\n4.00")]
    short = [Piece("chr2", 0, 500_000)]
    assert shown_pieces(short, bins) == [(500_000, "chr2\n0.00-\n0.50")]
    bases = [*whole[:1], Piece("", 0, 12, bases="ACGTACGTACGT"), *whole[2:]]
    assert shown_pieces(bases, bins)[1] == (12, "ACGTACGTA…")


@pytest.mark.parametrize(
    ("edit", "title"),
    [
        (Edit("d", "deletion", "chr1", 1_000, 2_000), "d: homozygous deletion chr1:1,000-2,000"),
        (
            Edit("t", "translocation", "chr1", 1_000, 1_000, "chr2", 3_000, 3_000),
            "t: homozygous translocation chr1:1,000 and chr2:3,000",
        ),
        (
            Edit("i", "insertion", "chr1", 1_000, 1_000, "chr2", 3_000, 4_000),
            "i: homozygous insertion of chr2:3,000-4,000 at chr1:1,000",
        ),
        (
            Edit("s", "substitution", "chr1", 9, 10, ref="A", alt="CT"),
            "s: homozygous substitution chr1:9-10, A to CT",
        ),
    ],
)
def test_titles_name_all_places_of_a_variant_and_its_bases(edit, title):
    assert variant_title(edit, "homozygous") == title
