"""Choosing scores for a picture."""

import pandas as pd
import pytest

from chromloom.errors import InputError
from chromloom.evaluation.scores import plotted_agreement, read_scores


def write(folder, name, rows):
    columns = ["sample", "model", "decoder", "against", "pairs", "metric", "stratum", "value"]
    path = folder / f"{name}.tsv"
    pd.DataFrame(rows, columns=columns).to_csv(path, sep="\t", index=False)
    return path


def rows(model, pairs, value, *, against="A"):
    return [("A", model, "own", against, kind, "r2_cp", "2-10", value) for kind in pairs]


@pytest.fixture
def tables(tmp_path):
    both = ["all", "observed"]
    reference = rows("distance-mean", both, 0.1)
    eig = rows("eig", both, 0.5) + rows("eig", both, 0.4, against="A_rep2") + reference
    pca = rows("pca", both, 0.3) + reference
    named = {"eig": eig, "pca": pca}
    return {name: write(tmp_path, name, table) for name, table in named.items()}


def test_a_reference_stands_once_and_other_maps_are_left_out(tables):
    table = read_scores([tables["eig"], tables["pca"]], [["A", "A"]])
    assert table["model"].tolist() == ["eig", "distance-mean", "pca"]
    assert set(table["pairs"]) == {"all"}
    replicate = read_scores([tables["eig"]], [["A", "A_rep2"]])
    assert replicate["value"].tolist() == [0.4]


def test_pairs_of_maps_that_nothing_was_scored_on_are_an_error(tables):
    with pytest.raises(InputError, match="A_rep3"):
        read_scores([tables["eig"]], [["A", "A_rep3"]])


def test_what_is_plotted_is_one_table():
    metrics = pd.DataFrame({"model": ["eig"], "metric": ["pearson_cp"], "stratum": ["2-10"]})
    single = pd.DataFrame(
        {"model": ["eig"], "distance": [7], "n": [5], "pearson_cp": [0.2], "r2_cp": [0.1]}
    )
    table = plotted_agreement(metrics, single)
    assert table["metric"].tolist() == ["pearson_cp", "pearson_cp", "r2_cp"]
    assert table["value"].tolist()[1:] == [0.2, 0.1]
    assert table["distance"].tolist()[1:] == [7, 7]
