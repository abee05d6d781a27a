"""The change between two cell types: genes by id, and what changed with the marks is told."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from chromloom.errors import CheckpointError, InputError
from chromloom.expression.difference import (
    CHANGE_COLUMNS,
    DifferenceModel,
    DifferenceRidge,
    open_difference,
    pair_genes,
    predict_difference,
)
from chromloom.files import read_tsv, write_tsv
from chromloom.models.registry import model_settings

EDGES = (-10_000, -1_000, 0, 1_000, 10_000)
SMALL = {"parts": "embedding", "bin_sizes": [2000], "reach": 10_000, "size": 16,
         "feedforward": 16, "hidden": 16}  # fmt: skip


@pytest.fixture(scope="module")
def cells(genes, marks):
    """The genes, and those of another cell type in another order, whose promoters changed."""
    rng = np.random.default_rng(1)
    change = rng.normal(0, 2, len(genes))
    around = marks.around.copy()
    around[:, 0, 90:110] *= 2 ** change[:, None].astype("f4")
    order = rng.permutation(len(genes))[:-20]
    other = genes.assign(level=genes["level"] + change).iloc[order].reset_index(drop=True)
    return (genes, marks), (other, replace(marks, around=around).of(order)), change


def test_genes_are_paired_by_id(cells):
    first, second, change = cells
    genes, one, two = pair_genes(first, second)
    assert len(genes) == len(second[0]) == len(one) == len(two)
    assert list(one.genes) == list(two.genes) == list(genes["gene"])
    row = first[0].index[first[0]["gene"] == genes["gene"].iloc[7]][0]
    assert genes["change"].iloc[7] == pytest.approx(change[row])
    with pytest.raises(InputError, match="the two cell types have no gene in common"):
        pair_genes(first, (second[0].assign(gene="x" + second[0]["gene"]), second[1]))


@pytest.mark.parametrize("model", ["ridge", "chromoformer-diff", "deepdiff"])
def test_change_of_held_out_chromosomes_is_told(cells, model):
    genes, one, two = pair_genes(*cells[:2])
    test = (genes["fold"] == 0).to_numpy()
    train = [one.of(~test), two.of(~test), genes[~test].reset_index(drop=True)]
    if model == "ridge":
        settings = model_settings("difference-ridge", edges=EDGES)
        fitted = DifferenceRidge.fit(*train, settings, seed=1)
    else:
        options = {"epochs": 20, "batch_size": 32, "learning_rate": 0.01, "schedule": "one-cycle"}
        if model == "chromoformer-diff":
            options |= SMALL
        else:
            options |= {"reach": 4_000, "bin_size": 400, "variant": "raw_d", "epochs": 12}
        settings = model_settings(model, **options)
        fitted = DifferenceModel.fit(*train, settings, seed=1)
        assert set(fitted.history["task"]) == {"diff"}
    found = fitted.predict(one.of(test), two.of(test))
    assert np.corrcoef(found, genes["change"][test])[0, 1] > 0.5


def test_every_gene_is_predicted_by_the_fold_that_held_it_out(cells, tmp_path):
    paths = []
    for name, (genes, marks) in zip("ab", cells[:2]):
        write_tsv(genes.astype({"high": int}), tmp_path / f"{name}.tsv")
        marks.save(tmp_path / f"{name}.h5")
        paths.append((tmp_path / f"{name}.tsv", tmp_path / f"{name}.h5"))
    options = {"edges": EDGES}
    predict_difference(
        *paths, tmp_path / "x.tsv", tmp_path / "x", model="difference-ridge", options=options
    )
    table = read_tsv(tmp_path / "x.tsv")
    assert list(table.columns) == CHANGE_COLUMNS
    assert np.corrcoef(table["change"], table["predicted_change"])[0, 1] > 0.5
    genes = cells[1][0].copy()  # values of held-out genes do not enter what predicts them
    genes.loc[genes["fold"] == 0, "level"] += 5
    write_tsv(genes.astype({"high": int}), paths[1][0])
    predict_difference(
        *paths, tmp_path / "y.tsv", tmp_path / "y", model="difference-ridge", options=options
    )
    other = read_tsv(tmp_path / "y.tsv")
    same = table["predicted_change"] == other["predicted_change"]
    assert same[table["fold"] == 0].all()
    assert not same[table["fold"] == 1].any()
    with pytest.raises(InputError, match="'marks-ridge' does not predict the change between two"):
        predict_difference(*paths, tmp_path / "z.tsv", tmp_path / "z", model="marks-ridge")
    with pytest.raises(CheckpointError, match="z is not a trained model"):
        open_difference(tmp_path / "z")


@pytest.mark.parametrize("model", ["difference-ridge", "chromoformer-diff", "deepdiff"])
def test_what_is_kept_of_a_fold_predicts_as_it_did(cells, tmp_path, model):
    paths = []
    for name, (genes, marks) in zip("ab", cells[:2]):
        write_tsv(genes.astype({"high": int}), tmp_path / f"{name}.tsv")
        marks.save(tmp_path / f"{name}.h5")
        paths.append((tmp_path / f"{name}.tsv", tmp_path / f"{name}.h5"))
    options = {
        "difference-ridge": {"edges": EDGES},
        "chromoformer-diff": SMALL | {"epochs": 1},
        "deepdiff": {"reach": 4_000, "bin_size": 400, "variant": "raw_d", "epochs": 1},
    }[model]
    predict_difference(*paths, tmp_path / "x.tsv", tmp_path / "x", model=model, options=options)
    table = read_tsv(tmp_path / "x.tsv")
    genes, one, two = pair_genes(*cells[:2])
    for fold in (0, 1, 2):
        fitted, config = open_difference(tmp_path / "x" / str(fold))
        held = genes["chrom"].isin(config["held_out"]).to_numpy()
        assert (genes["fold"] == fold).equals(pd.Series(held, name="fold"))
        found = fitted.predict(one.of(held), two.of(held))
        np.testing.assert_allclose(found, table["predicted_change"][held], rtol=1e-5, atol=1e-6)
