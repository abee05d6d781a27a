"""Elements and marks taken away: the change is that of the prediction, and has the right sign."""

from dataclasses import replace

import numpy as np
import pytest

from chromloom.errors import InputError
from chromloom.expression.baselines import SimpleModel
from chromloom.expression.effects import (
    MARK_COLUMNS,
    SCREEN_COLUMNS,
    remove_elements,
    screen_elements,
)
from chromloom.expression.fit import fold_dirs, train_folds
from chromloom.expression.network import NetworkModel
from chromloom.files import read_tsv, write_tsv
from chromloom.models.registry import model_settings

EDGES = [-10_000, -1_000, 0, 1_000, 10_000]
TINY = {
    "bin_sizes": [2000], "reach": 10_000, "size": 8, "feedforward": 8, "hidden": 8,
    "pair_feedforward": 8, "regulation_layers": 1, "regulation_heads": 2,
    "regulation_head_size": 4, "regulation_feedforward": 8, "epochs": 1,
}  # fmt: skip


def test_removal_is_the_prediction_without_the_element(driven):
    genes, marks, high = driven
    model = SimpleModel.fit(
        marks, genes, model_settings("marks-elements", edges=EDGES, parts="elements"), seed=1
    )
    change = remove_elements(model, marks)
    e = int(np.flatnonzero(marks.elements.gene == 13)[1])
    kept = np.setdiff1d(np.arange(len(marks.elements)), e)
    others = marks.elements.take(kept, marks.elements.gene[kept], marks.elements.rank[kept])
    after = np.array(model.predict(replace(marks, elements=others)))[:, 13]
    np.testing.assert_allclose(change[e], after - np.array(model.predict(marks))[:, 13], atol=1e-6)
    assert (change[high, 0] < 0).mean() > 0.9
    assert change[high, 0].mean() < change[~high, 0].mean() - 0.5


def test_a_screen_ranks_elements_with_their_spread_over_seeds(driven, element_table, tmp_path):
    genes, marks, high = driven
    marks.save(tmp_path / "marks.h5")
    write_tsv(genes.astype({"high": int}), tmp_path / "genes.tsv")
    write_tsv(element_table, tmp_path / "elements.tsv")
    dirs = {}
    for seed in (1, 2):
        train_folds(tmp_path / "genes.tsv", tmp_path / "marks.h5", tmp_path / f"m{seed}",
                    model="marks-elements", options={"edges": EDGES}, seed=seed)  # fmt: skip
        dirs[f"m{seed}"] = fold_dirs(tmp_path / f"m{seed}")
    train_folds(tmp_path / "genes.tsv", tmp_path / "marks.h5", tmp_path / "net",
                model="chromoformer", options=TINY)  # fmt: skip
    paths = [tmp_path / name for name in ("screen.tsv", "signals.tsv", "impact.tsv")]
    files = [tmp_path / name for name in ("genes.tsv", "marks.h5", "elements.tsv")]
    screen_elements(*files, dirs, *paths)
    screen = read_tsv(paths[0])
    assert list(screen.columns) == SCREEN_COLUMNS
    assert screen["change_level"].is_monotonic_increasing
    assert (screen["spread_level"] > 0).any()
    key = list(zip(element_table["gene"], element_table["rank"]))
    true = dict(zip(key, high))
    first = [true[pair] for pair in zip(screen["gene"], screen["rank"])][: high.sum() // 2]
    assert np.mean(first) > 0.9
    signals = read_tsv(paths[1])
    assert list(signals.columns) == MARK_COLUMNS
    loss = signals.groupby("signal")["change_level"].apply(lambda x: x.abs().mean())
    assert loss.idxmax() == "active"
    assert read_tsv(paths[2])["clf"].isna().all()
    screen_elements(*files, {"net": fold_dirs(tmp_path / "net")}, *paths)
    impact = read_tsv(paths[2])
    assert (impact[["clf", "reg"]] > 0).all(axis=None)
    counts = element_table.groupby("gene").size().reindex(impact["gene"]).fillna(0)
    assert (impact["n_elements"] == counts.to_numpy()).all()
    worst = (
        read_tsv(paths[0]).groupby("gene")["change_level"].min().reindex(impact["gene"]).fillna(0)
    )
    np.testing.assert_allclose(impact["largest_loss"], -worst)


def test_what_has_no_elements_or_embeddings_is_said(driven, marks):
    genes, with_elements, _ = driven
    settings = model_settings("marks-ridge", edges=EDGES)
    model = SimpleModel.fit(marks, genes, settings, seed=1)
    with pytest.raises(InputError, match="the genes have none; give interactions"):
        remove_elements(model, marks)
    options = {"bin_sizes": [2000], "reach": 10_000, "size": 8, "feedforward": 8, "hidden": 8}
    for name, own in {"gc-merge": {}, "chromoformer-embedding": options}.items():
        settings = model_settings(name, epochs=1, **own)
        network = NetworkModel.fit(with_elements, genes, settings, seed=1)
        assert not network.has_impact  # and a screen leaves it out
        with pytest.raises(InputError, match=f"model '{name}' has no promoter and regulatory"):
            network.impact(with_elements)
