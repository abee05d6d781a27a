"""Blocks, folds and the samples drawn from them."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromloom.classification.labels import BinLabels, PairLabels
from chromloom.classification.negatives import sample_bins, sample_pairs
from chromloom.classification.splits import assign_bins, make_splits, read_splits, write_splits
from chromloom.errors import InputError
from chromloom.genome.bins import make_bins


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 60_000_000), min_size=2, max_size=4),
    n_folds=st.integers(2, 6),
    seed=st.integers(0, 5),
)
def test_blocks_are_long_and_whole_and_every_bin_has_a_fold(lengths, n_folds, seed):
    chromsizes = pd.Series({f"chr{k}": length for k, length in enumerate(lengths)})
    bins = make_bins(chromsizes, 500_000).assign(masked=False)
    splits = make_splits(bins, n_folds=n_folds, seed=seed)
    for chrom, part in splits.groupby("chrom"):
        assert part["start"].iloc[0] == 0
        assert part["end"].iloc[-1] == chromsizes[chrom]
        assert (part["start"].to_numpy()[1:] == part["end"].to_numpy()[:-1]).all()
        if len(part) > 1:
            assert (part["end"] - part["start"]).min() >= 5_000_000 - 500_000  # whole bins
    block, fold = assign_bins(bins, splits)
    assert (block >= 0).all()
    assert set(fold) == set(range(min(n_folds, len(splits))))


def test_folds_are_even_in_unmasked_bins(bins):
    splits = make_splits(bins, n_folds=2)
    _, fold = assign_bins(bins, splits)
    sizes = np.bincount(fold[~bins["masked"].to_numpy()])
    assert sizes.max() - sizes.min() <= 120


def test_by_chromosomes_each_is_one_fold(bins):
    splits = make_splits(bins, by="chromosomes")
    assert splits.groupby("chrom")["fold"].nunique().max() == 1
    assert splits["fold"].nunique() == 2


def test_masked_blocks_have_no_fold(bins):
    masked = bins["masked"] | (bins["chrom"] == "chr2")
    splits = make_splits(bins.assign(masked=masked))
    assert set(splits["chrom"]) == {"chr1"}
    block, fold = assign_bins(bins, splits)
    assert (fold[bins["chrom"] == "chr2"] == -1).all()
    assert (block[bins["chrom"] == "chr2"] == -1).all()


def test_splits_are_repeatable_and_listed_in_a_file(bins, tmp_path):
    splits = make_splits(bins, seed=3)
    pd.testing.assert_frame_equal(splits, make_splits(bins, seed=3))
    assert any(
        not make_splits(bins, seed=a)["fold"].equals(make_splits(bins, seed=b)["fold"])
        for a, b in itertools.pairwise(range(4))
    )
    write_splits(splits, tmp_path / "splits.tsv")
    pd.testing.assert_frame_equal(read_splits(tmp_path / "splits.tsv"), splits)


def test_what_cannot_be_split_is_an_error(bins, tmp_path):
    with pytest.raises(InputError, match="by 'arms'"):
        make_splits(bins, by="arms")
    with pytest.raises(InputError, match="two or more"):
        make_splits(bins[bins["chrom"] == "chr1"], by="chromosomes")
    (tmp_path / "splits.tsv").write_text("chrom\tstart\tend\tfold\nchr1\t0\t1\t0\n")
    with pytest.raises(InputError, match="column 'block' is missing"):
        read_splits(tmp_path / "splits.tsv")
    (tmp_path / "splits.tsv").write_text("chrom\tstart\tend\tblock\tfold\nchr1\t0\t1\t0\t0\n")
    with pytest.raises(InputError, match="has 1 fold"):
        read_splits(tmp_path / "splits.tsv")
    with pytest.raises(InputError, match="does not exist"):
        read_splits(tmp_path / "absent.tsv")


def bin_labels(y, candidates, n_intervals=3):
    return BinLabels(
        "t", "binary", np.array(y), np.array(candidates, dtype=bool), ("n", "p"), n_intervals, False
    )


def test_honest_negatives_are_random_and_as_many():
    y = np.full(500, -1)
    y[100:140] = 1
    labels = bin_labels(y, y < 0)
    draws = [
        sample_bins(labels, protocol="honest", rng=np.random.default_rng(seed)) for seed in (0, 1)
    ]
    for rows in draws:
        assert rows["y"].sum() == 40
        assert len(rows) == 80
        assert set(rows.loc[rows["y"] == 1, "bin1"]) == set(range(100, 140))
        assert rows.loc[rows["y"] == 0, "bin1"].max() > 300
    assert not draws[0].equals(draws[1])


def test_where_positives_abound_both_sides_are_cut_to_the_lesser():
    y = np.ones(100, dtype=int)
    y[90:] = -1
    rows = sample_bins(bin_labels(y, y < 0), protocol="honest", rng=np.random.default_rng(0))
    assert rows["y"].value_counts().to_dict() == {0: 10, 1: 10}


def test_published_negatives_are_the_first_unlabelled_bins():
    y = np.full(50, -1)
    y[[2, 30, 40]] = 1
    candidates = y < 0
    candidates[0] = False
    rows = sample_bins(bin_labels(y, candidates, 4), protocol="published", rng=None)
    assert rows["bin1"].tolist() == [1, 2, 3, 4, 5, 30, 40]


def test_given_negatives_are_used_as_they_are():
    y = np.array([1, 0, -1, 0, 0])
    for protocol in ("honest", "published"):
        rows = sample_bins(
            bin_labels(y, np.zeros(5)), protocol=protocol, rng=np.random.default_rng(0)
        )
        assert rows["bin1"].tolist() == [0, 1, 3, 4]


def pair_labels(bins, pairs):
    allowed = ~bins["masked"].to_numpy()
    return PairLabels("t", pd.DataFrame(pairs, columns=["bin1", "bin2", "y"]), allowed, False)


def test_negative_pairs_are_matched_in_distance(bins):
    negatives = [(20 + k, 20 + k + d, 0) for k, d in enumerate([1, 4, 9, 30, 100, 200])]
    far_chromosome = [(700, 709, 0)]
    labels = pair_labels(bins, [(50, 60, 1), (300, 399, 1), *negatives, *far_chromosome])
    rows = sample_pairs(labels, bins, protocol="honest", rng=np.random.default_rng(0))
    drawn = rows[rows["y"] == 0]
    assert sorted(drawn["bin2"] - drawn["bin1"]) == [9, 100]
    assert (drawn["bin1"] < 600).all()
    assert len(sample_pairs(labels, bins, protocol="published", rng=None)) == 9


def test_without_given_negatives_pairs_are_drawn_at_the_same_distance(bins):
    labels = pair_labels(bins, [(50, 60, 1), (610, 650, 1), (100, 110, 1)])
    rows = sample_pairs(labels, bins, protocol="honest", rng=np.random.default_rng(0))
    drawn = rows[rows["y"] == 0]
    assert sorted(drawn["bin2"] - drawn["bin1"]) == [10, 10, 40]
    chrom = bins["chrom"].to_numpy()
    assert (chrom[drawn["bin1"]] == chrom[drawn["bin2"]]).all()
    assert labels.allowed[drawn[["bin1", "bin2"]].to_numpy()].all()
