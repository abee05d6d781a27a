"""Maps without the contacts inside held-out blocks, and models trained on them."""

import numpy as np
import pandas as pd
import pytest

from chromloom.classification.splits import write_splits
from chromloom.classification.withhold import train_withheld, withhold_blocks
from chromloom.errors import InputError
from chromloom.normalize.maps import NormalizedMap
from chromloom.representations.parquet import read_representations

SPLITS = pd.DataFrame(
    {
        "chrom": ["chr1", "chr1", "chr2"],
        "start": [0, 600_000, 0],
        "end": [600_000, 1_195_000, 800_000],
        "block": [0, 1, 2],
        "fold": [0, 1, 0],
    }
)


@pytest.fixture(scope="module")
def maps(tiny_map_path, tmp_path_factory):
    """The tiny map, and the same without the blocks of fold 0."""
    path = tmp_path_factory.mktemp("withheld") / "withheld.cool"
    withhold_blocks(tiny_map_path, SPLITS, path, fold=0)
    return NormalizedMap(tiny_map_path), NormalizedMap(path)


def test_only_contacts_inside_the_blocks_change(maps):
    before, after = (m.clr.matrix(balance=False)[:] for m in maps)
    bins = maps[0].bins.table
    inside = np.zeros(before.shape, dtype=bool)
    for row in SPLITS[SPLITS["fold"] == 0].itertuples():
        held = (bins["chrom"] == row.chrom) & bins["start"].between(row.start, row.end - 1)
        inside |= np.outer(held, held)
    np.testing.assert_array_equal(before[~inside], after[~inside])
    assert (before[inside] != after[inside]).mean() > 0.1
    pd.testing.assert_series_equal(maps[0].bins["weight"], maps[1].bins["weight"])


def test_what_is_drawn_has_the_expected_and_no_compartments(maps):
    """Observed over expected inside the block: mean 1, and the same for both kinds of pairs."""
    ratios = []
    for normalized in maps:
        band = normalized.band("chr1", 0, 60) / maps[0].expected("chr1").band(0, 60)
        d, i = np.indices(band.shape)
        inside = np.isfinite(band) & (i + d < 60)
        side = np.sign(np.sin(2 * np.pi * np.arange(200) / 24) + 0.01)
        same = side[i] == side[i + d]
        ratios.append(
            [band[inside].mean(), band[inside & same].mean(), band[inside & ~same].mean()]
        )
    (_, same, other), (mean, drawn_same, drawn_other) = ratios
    assert same / other > 1.5  # exp(0.8) in the mean
    assert mean == pytest.approx(1, abs=0.05)
    assert drawn_same / drawn_other == pytest.approx(1, abs=0.08)


def test_vectors_are_those_of_the_map_without_the_blocks(tiny_map_path, tmp_path):
    splits, out = tmp_path / "splits.tsv", tmp_path / "tiny.parquet"
    write_splits(SPLITS, splits)
    train_withheld(tiny_map_path, splits, out, fold=0, model="pca", options={"embedding_dim": 4})
    table = read_representations(out)
    np.testing.assert_array_equal(table["masked"], NormalizedMap(tiny_map_path).bins["masked"])
    assert {path.name for path in tmp_path.iterdir()} == {"splits.tsv", "tiny.parquet"}


def test_a_fold_without_blocks_is_an_error(tiny_map_path, tmp_path):
    with pytest.raises(InputError, match="no block of fold 7"):
        withhold_blocks(tiny_map_path, SPLITS, tmp_path / "x.cool", fold=7)
