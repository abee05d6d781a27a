import numpy as np
import pandas as pd
import pytest

from chromloom.errors import InputError
from chromloom.training.splits import bins_of_role, split_chromosomes

SIZES = pd.Series({"chr1": 1000, "chr2": 800, "chr3": 500, "chr4": 400})


def regions(split, role, fold=0):
    own = split[(split["role"] == role) & (split["fold"] == fold)]
    return list(zip(own["chrom"], own["start"], own["end"]))


def test_what_is_neither_tested_nor_validates_trains():
    split = split_chromosomes(SIZES, test=["chr3"], validation=["chr2:100-300"], gap=50)
    assert regions(split, "test") == [("chr3", 0, 500)]
    assert regions(split, "validation") == [("chr2", 100, 300)]
    expected = [("chr1", 0, 1000), ("chr2", 0, 50), ("chr2", 350, 800), ("chr4", 0, 400)]
    assert regions(split, "train") == expected


def test_the_end_of_the_longest_training_chromosome_validates_where_nothing_else_does():
    split = split_chromosomes(SIZES, test=["chr1"], gap=20)
    assert regions(split, "validation") == [("chr2", 640, 800)]
    assert ("chr2", 0, 620) in regions(split, "train")


def test_every_chromosome_is_tested_once_by_folds_and_trains_in_no_fold_that_tests_it():
    split = split_chromosomes(SIZES, folds=3)
    tested = split[split["role"] == "test"]
    assert sorted(tested["chrom"]) == list(SIZES.index)
    assert sorted(tested["fold"].unique()) == [0, 1, 2]
    for _, fold in split.groupby("fold"):
        roles = fold.groupby("chrom")["role"].nunique()
        assert (roles == 1).all()
        assert set(fold["role"]) == {"train", "validation", "test"}
    sizes = tested.groupby("fold")["end"].sum()
    assert sizes.max() <= 1000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either test or folds"),
        ({"test": ["chr1"], "folds": 2}, "either test or folds"),
        ({"folds": 5}, "folds=5; expected 2 to 4"),
        ({"test": ["chr9"]}, "chr9"),
        ({"test": ["chr1"], "validation": ["chr1:5-10"]}, "overlap; a region has one role"),
        ({"test": list(SIZES.index)}, "nothing is left to train on"),
    ],
)
def test_splits_that_cannot_be_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        split_chromosomes(SIZES, **options)


def test_bins_have_the_role_of_the_region_that_they_begin_in():
    split = split_chromosomes(SIZES, test=["chr3"], validation=["chr2:100-300"])
    starts = np.arange(0, 800, 100)
    validates, trains = (bins_of_role(split, r, "chr2", starts) for r in ("validation", "train"))
    assert np.flatnonzero(validates).tolist() == [1, 2]
    assert np.flatnonzero(trains).tolist() == [0, 3, 4, 5, 6, 7]
    assert not bins_of_role(split, "train", "chr3", starts).any()
