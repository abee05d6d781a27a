"""Changes of single windows of sequence against windows that are read whole."""

import numpy as np
import pytest
import torch

from chromloom.errors import InputError
from chromloom.perturbation.sequence import (
    crossing,
    delete_combinations,
    insert_segments,
    saturate,
)
from chromloom.sequence.fasta import reverse_complement

RESOLUTION, SIZE, CROP, WINDOW = 10_000, 12, 2, 16
PAIRS = np.triu_indices(SIZE, 2)


def predict(source, chrom, codes):
    """Map of a window, both strands, read whole."""
    both = torch.as_tensor(np.stack([codes, codes]))
    with torch.no_grad():
        return source.fitted(chrom).network(both, torch.tensor([False, True])).mean(0)[0].numpy()


def test_every_base_is_changed_to_every_other(tiny_akita_source):
    source, start = tiny_akita_source, 150_000
    table = saturate(source, "chr3", start, start + 20)
    codes = source.read("chr3", start, 20)
    assert len(table) == 3 * (codes < 4).sum()
    spelled = table.drop_duplicates("start").set_index("start")["reference"]
    assert "".join(spelled) == "".join("ACGTN"[c] for c in codes if c < 4)
    assert (table["reference"] != table["alternative"]).all()
    row = table.loc[table["disruption"].idxmax()]
    begin = (start // RESOLUTION - SIZE // 2 - CROP) * RESOLUTION
    own = source.read("chr3", begin, WINDOW * RESOLUTION)
    changed = own.copy()
    changed[row["start"] - begin] = "ACGT".index(row["alternative"])
    a, b = (predict(source, "chr3", c)[PAIRS].astype(float) for c in (own, changed))
    assert row["disruption"] == pytest.approx(((a - b) ** 2).mean(), rel=2e-2, abs=1e-10)
    assert row["signal_change"] == pytest.approx((a**2).mean() - (b**2).mean(), rel=2e-2, abs=1e-6)


def test_all_sets_of_regions_are_deleted_and_sequence_comes_in_from_both_sides(tiny_akita_source):
    source, regions = (
        tiny_akita_source,
        [(160_000, 162_000), (120_000, 123_001), (140_000, 140_500)],
    )
    table, maps = delete_combinations(source, "chr3", regions)
    assert table["deleted"].tolist() == ["none", "1", "2", "3", "1+2", "1+3", "2+3", "1+2+3"]
    assert table["bp"].tolist() == [0, 3001, 500, 2000, 3501, 5001, 2500, 5501]
    assert table["crossing_change"].iloc[0] == 0
    middle, length = 141_000, WINDOW * RESOLUTION
    start = middle - length // 2 - 5001 // 2
    codes = np.concatenate(
        [
            source.read("chr3", start, 120_000 - start),
            source.read("chr3", 123_001, 160_000 - 123_001),
            source.read("chr3", 162_000, start + length + 5001 - 162_000),
        ]
    )
    expected = predict(source, "chr3", codes)
    expected[np.abs(np.subtract.outer(np.arange(SIZE), np.arange(SIZE))) < 2] = 0  # not learnt
    np.testing.assert_allclose(maps["1+3"], expected, rtol=1e-4, atol=1e-5)
    place = (middle - 3001 - start) // RESOLUTION - CROP
    row = table.set_index("deleted").loc["1+3"]
    assert row["crossing"] == pytest.approx(crossing(maps["1+3"], place))


def test_crossing_is_the_mean_over_pairs_across_a_bin():
    values = np.zeros((12, 12))
    values[3:6, 6:9] = 2.0
    assert crossing(values, 6) == 2.0
    assert crossing(values, 7) == pytest.approx(2 * 4 / 9)


def test_segments_are_inserted_into_backgrounds(tiny_akita_source):
    source = tiny_akita_source
    segment = np.tile(np.array([0, 1, 2, 3, 3], np.uint8), 200)
    table = insert_segments(
        source, "chr3", segment, copies=(1, 2), spacing=300, backgrounds=2, seed=3
    )
    assert len(table) == 2 * (2 + 4)
    assert set(table["orientation"]) == {"forward", "reverse", "convergent", "divergent"}
    assert (table["disruption"] > 0).all()
    known = source.read("chr3", 0, 300_000)
    share = np.bincount(known[known < 4], minlength=4) + 1.0
    rng = np.random.default_rng([3, 1])
    codes = rng.choice(4, 160_000, p=share / share.sum()).astype(np.uint8)
    changed = codes.copy()
    first = (160_000 - 2 * 1300 + 300) // 2
    changed[first : first + 1000] = segment
    changed[first + 1300 : first + 2300] = reverse_complement(segment)
    a, b = (predict(source, "chr3", c)[PAIRS].astype(float) for c in (codes, changed))
    row = table[(table["background"] == 1) & (table["orientation"] == "convergent")].iloc[0]
    assert row["disruption"] == pytest.approx(((a - b) ** 2).mean(), rel=1e-3)


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ([], "0 regions; expected 1 to 8"),
        ([(10, 20)] * 9, "9 regions; expected 1 to 8"),
        ([(10, 30), (20, 40)], "regions overlap at chr3:20"),
        ([(0, 10), (200_000, 200_010)], "spans 200,010 bp; expected at most half of a window"),
    ],
)
def test_deletions_that_cannot_be_are_refused(tiny_akita_source, regions, message):
    with pytest.raises(InputError, match=message):
        delete_combinations(tiny_akita_source, "chr3", regions)


def test_regions_and_segments_that_do_not_fit_are_refused(tiny_akita_source, write_tiny_genome):
    with pytest.raises(InputError, match="region of 1 to 60,000 bp, half of what a window"):
        saturate(tiny_akita_source, "chr3", 0, 100_000)
    with pytest.raises(InputError, match="does not predict chr7"):
        saturate(tiny_akita_source, "chr7", 0, 10)
    with pytest.raises(InputError, match="does not predict chr7"):
        delete_combinations(tiny_akita_source, "chr7", [(10, 20)])
    with pytest.raises(InputError, match="at most 80,000 bp in all"):
        insert_segments(tiny_akita_source, "chr3", np.zeros(50_000, np.uint8), copies=(2,))
    known = tiny_akita_source.read("chr3", 0, 300_000)
    n = int(np.flatnonzero(known == 4)[0])
    with pytest.raises(InputError, match="no base is known"):
        saturate(tiny_akita_source, "chr3", n, n + 1)
