"""Whole classifications of simulated labels."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from chromloom.classification import classify
from chromloom.classification.classifiers import ClassifierSettings, fit_predict
from chromloom.classification.classify import (
    ClassificationSettings,
    classify_representations,
    classify_transfer,
)
from chromloom.classification.paired import (
    adjust,
    compare_models,
    compare_protocols,
    describe_protocols,
    rank_models,
)
from chromloom.classification.search import search_xgboost
from chromloom.classification.splits import assign_bins
from chromloom.errors import InputError

FAST = ClassificationSettings(
    n_boot=20, n_folds=3, classifier=ClassifierSettings(max_rounds=20, early_stopping=5)
)


@pytest.fixture(scope="module")
def tables(parquet, bins, signal, tmp_path_factory):
    """All tasks of the simulated signal with both classifiers and protocols."""
    folder = tmp_path_factory.mktemp("labels")
    bed = bins[signal].assign(name="on")
    both = pd.concat([bed, bins[~signal].assign(name="off")]).sort_values(["chrom", "start"])
    bed[["chrom", "start", "end"]].to_csv(folder / "on.bed", sep="\t", index=False, header=False)
    both[["chrom", "start", "end", "name"]].to_csv(
        folder / "both.bed", sep="\t", index=False, header=False
    )
    a, b = bed.iloc[:-4:3], bed.iloc[4::3]
    n = min(len(a), len(b))
    a, b = a.iloc[:n].reset_index(), b.iloc[:n].reset_index()
    pairs = pd.concat([a[["chrom", "start", "end"]], b[["chrom", "start", "end"]]], axis=1)
    pairs.to_csv(folder / "pairs.bedpe", sep="\t", index=False, header=False)
    sheet = folder / "labels.tsv"
    rows = [
        ("signal", "on.bed", "bed", "binary", "no"),
        ("classes", "both.bed", "bed", "multiclass", "yes"),
        ("pairs", "pairs.bedpe", "bedpe", "pairs", "no"),
    ]
    pd.DataFrame(
        [(*row[:4], "A", "tiny", row[4]) for row in rows],
        columns=["task", "path", "format", "kind", "cell_type", "assembly", "circular"],
    ).to_csv(sheet, sep="\t", index=False)
    details = folder / "details"
    result = classify_representations(
        parquet, sheet, folder / "table.tsv", details, cell_type="A", assembly="tiny",
        settings=FAST,
    )  # fmt: skip
    return result, sheet, folder


def value(metrics, **keys):
    for column, wanted in keys.items():
        metrics = metrics[metrics[column] == wanted]
    assert len(metrics) == 1, keys
    return metrics["value"].iloc[0]


def test_the_table_has_the_columns_of_the_contract(tables):
    result, _, folder = tables
    written = pd.read_csv(folder / "table.tsv", sep="\t")
    assert list(written.columns) == classify.COLUMNS
    assert set(written["protocol"]) == {"honest", "shuffled", "chromosome", "published"}
    assert set(written["circular"]) == {"yes", "no"}
    assert written["sample"].unique().tolist() == ["tiny"]
    assert written["model"].unique().tolist() == ["good"]
    assert len(written) == len(result.metrics)
    assert sorted(p.name for p in (folder / "details").iterdir()) == [
        "confusion.tsv", "curves.tsv", "predictions.parquet", "splits.tsv",
    ]  # fmt: skip


@pytest.mark.parametrize("classifier", ["xgboost", "linear"])
def test_a_simulated_signal_is_found_and_its_shuffle_is_not(tables, classifier):
    metrics = tables[0].metrics
    keys = {"classifier": classifier, "task": "signal", "metric": "AuROC"}
    assert value(metrics, protocol="honest", **keys) > 0.95
    assert value(metrics, protocol="chromosome", **keys) > 0.95
    assert 0.35 < value(metrics, protocol="shuffled", **keys) < 0.65
    keys["task"] = "classes"
    assert value(metrics, protocol="honest", **keys) > 0.95
    row = metrics.query("task == 'signal' and protocol == 'honest' and metric == 'mAP'")
    assert (row["ci_low"] <= row["value"]).all()
    assert (row["ci_high"] >= row["value"]).all()
    assert (row["n_positive"] == row["n_negative"]).all()


@pytest.fixture
def seen(monkeypatch):
    """Numbers of the rows that each classifier trains, stops and tests on: their first feature."""
    rows = []

    def record(classifier, train, validation, test, n_classes, settings):
        rows.append([set(X[:, 0].astype(int)) for X in (train[0], validation[0], test)])
        return np.full((len(test), n_classes), 0.5)

    monkeypatch.setattr(classify, "fit_predict", record)
    return rows


def assert_no_block_is_shared(seen, block):
    for train, validation, test in seen:
        assert train
        assert test
        assert not {block[k] for k in test} & {block[k] for k in train | validation}


def test_no_row_is_predicted_by_a_model_that_saw_its_block(tables, bins, seen, parquet):
    """Features that name their row show which rows trained and which were tested."""
    numbered = pd.read_parquet(parquet)
    numbered["r0"] = np.arange(len(numbered), dtype=np.float32)
    numbered.loc[numbered["masked"], "r0"] = np.nan
    path = tables[2] / "tiny.50000.ICE.numbered.parquet"
    numbered.to_parquet(path)
    classify_representations(
        path, tables[1], settings=ClassificationSettings(protocols=("honest",), n_boot=2)
    )
    block, _ = assign_bins(bins, tables[0].splits)
    assert len(seen) > 20
    assert_no_block_is_shared(seen, block)


def test_pairs_are_tested_only_where_both_ends_are_held_out(tables, bins):
    predictions = tables[0].predictions.query("task == 'pairs' and protocol == 'honest'")
    _, fold = assign_bins(bins, tables[0].splits)
    assert len(predictions) > 50
    assert (fold[predictions["bin1"]] == fold[predictions["bin2"]]).all()
    assert (predictions["bin1"] < predictions["bin2"]).all()


def test_confusion_counts_every_row(tables, bins):
    confusion = tables[0].confusion.query("protocol == 'honest' and classifier == 'linear'")
    assert confusion["n"].sum() == (~bins["masked"]).sum()
    right = confusion.loc[confusion["true"] == confusion["called"], "n"].sum()
    assert right / confusion["n"].sum() > 0.85


def test_results_repeat_with_the_seed_and_with_listed_splits(tables, parquet):
    result, sheet, folder = tables
    again = classify_representations(
        parquet, sheet, splits=folder / "details" / "splits.tsv", settings=FAST
    )
    pd.testing.assert_frame_equal(again.metrics, result.metrics)


def test_circular_tasks_are_repeated_with_retrained_representations(tables, parquet):
    _, sheet, folder = tables
    table = pd.read_parquet(parquet)
    table["r0"] = np.where(table["masked"], np.nan, 0)  # retrained: knows nothing
    path = folder / "tiny.50000.ICE.blind.parquet"
    table.to_parquet(path)
    settings = ClassificationSettings(
        protocols=("honest",), classifiers=("linear",), n_boot=2, n_folds=3
    )
    found = classify_representations(
        parquet, sheet, retrained={0: path, 1: path, 2: path}, settings=settings
    ).metrics
    keys = {"task": "classes", "metric": "AuROC"}
    assert value(found, protocol="retrained", **keys) < 0.7
    assert value(found, protocol="honest", **keys) > 0.95
    assert set(found.loc[found["protocol"] == "retrained", "task"]) == {"classes"}
    short = folder / "tiny.50000.ICE.short.parquet"
    table.iloc[:-1].to_parquet(short)
    with pytest.raises(InputError, match="other bins"):
        classify_representations(parquet, sheet, retrained={0: short}, settings=settings)


def test_transfer_from_another_map(tables, parquet):
    _, sheet, folder = tables
    table = pd.read_parquet(parquet)
    other = folder / "second.50000.ICE.good.parquet"
    table.to_parquet(other)
    result = classify_transfer(parquet, other, sheet, settings=FAST)
    assert set(result.metrics["protocol"]) == {"from-tiny"}
    assert set(result.metrics["sample"]) == {"second"}
    keys = {"classifier": "linear", "metric": "AuROC"}
    assert value(result.metrics, task="signal", **keys) > 0.95
    assert value(result.metrics, task="classes", **keys) > 0.95
    narrow = folder / "third.50000.ICE.good.parquet"
    table.drop(columns="r3").to_parquet(narrow)
    with pytest.raises(InputError, match="4 dimensions"):
        classify_transfer(parquet, narrow, sheet, settings=FAST)


@pytest.mark.parametrize("shared", [True, False])
def test_transfer_holds_out_the_blocks_of_chromosomes_that_both_maps_have(
    tables, bins, seen, parquet, shared
):
    """The tested map has the same bins, or other chromosomes."""
    numbered = pd.read_parquet(parquet)
    numbered["r0"] = np.where(numbered["masked"], np.nan, np.arange(len(numbered)))
    paths = [tables[2] / f"{name}{shared}.50000.ICE.numbered.parquet" for name in ("one", "two")]
    at = slice(None)
    if not shared:
        first = numbered["chrom"] == numbered["chrom"].iloc[0]
        at, numbered = numbered[~first].index, numbered[first]
    numbered.to_parquet(paths[0])
    pd.read_parquet(parquet).loc[at].assign(r0=numbered["r0"] if shared else 0.0).to_parquet(
        paths[1]
    )
    settings = replace(FAST, classifiers=("linear",), n_boot=2)
    classify_transfer(*paths, tables[1], settings=settings)
    if not shared:
        assert len(seen) == 3, "one classifier a task"
        return
    block, _ = assign_bins(bins, tables[0].splits)
    assert len(seen) == 3 * 3
    assert_no_block_is_shared(seen, block)


def test_a_file_without_names_is_an_error(tables, tmp_path):
    with pytest.raises(InputError, match="expected a file"):
        classify_representations(tmp_path / "table.parquet", tables[1])


@pytest.mark.parametrize("classifier", ["xgboost", "linear"])
def test_training_rows_of_one_class_give_their_share(classifier):
    X, y = np.zeros((5, 2), dtype=np.float32), np.ones(5, dtype=int)
    found = fit_predict(classifier, (X, y), (X, y), X[:3], 2, ClassifierSettings())
    assert found.tolist() == [[0, 1]] * 3


@pytest.mark.parametrize("classifier", ["xgboost", "linear"])
def test_probabilities_of_three_classes_sum_to_one(classifier):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 30)
    X = (np.eye(3)[y] * 3 + rng.normal(size=(90, 3))).astype(np.float32)
    found = fit_predict(classifier, (X, y), (X, y), X, 3, ClassifierSettings(max_rounds=10))
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert (found.argmax(axis=1) == y).mean() > 0.9


def test_a_better_model_is_told_from_a_worse_one(tables):
    good = tables[0].predictions.query(
        "protocol == 'honest' and task != 'pairs' and classifier == 'linear'"
    )
    rng = np.random.default_rng(0)
    noisy = good.assign(model="noisy", score=0.1 * good["score"] + rng.random(len(good)))
    copy = good.assign(model="copy")
    found = compare_models([good, noisy, copy], n_boot=200)
    found = found.set_index(["model_a", "model_b"])
    better = found.loc[("good", "noisy")]
    assert better["difference"] > 0.2
    assert better["ci_low"] > 0
    assert better["p"] < better["p_adjusted"] < 0.05
    same = found.loc[("good", "copy")]
    assert same["difference"] == 0
    assert same["p"] == 1
    with pytest.raises(InputError, match="'kappa'"):
        compare_models(good, metric="kappa")


def test_models_are_ranked_over_tasks():
    tasks = [f"t{k}" for k in range(8)]
    table = pd.concat(
        pd.DataFrame({"task": tasks, "model": model, "value": np.linspace(0.5, 0.9, 8) + shift})
        for model, shift in (("a", 0.0), ("b", 0.05), ("c", 0.0))
    ).assign(
        sample="s", resolution=1, norm="ICE", classifier="linear", protocol="honest", metric="mAP",
        few="no",
    )  # fmt: skip
    odd = table[table["task"] == "t0"].assign(task="rare", few="yes", value=[0.9, 0.1, 0.9])
    table = pd.concat([table, odd])
    found = rank_models(table).set_index(["model_a", "model_b"])
    assert found.loc[("a", "b"), "mean_difference"] == pytest.approx(-0.05)
    assert found.loc[("a", "b"), "p"] < 0.05
    assert np.isnan(found.loc[("a", "c"), "p"])
    assert found.loc[("a", "b"), "n_tasks"] == 8
    nothing = rank_models(odd)
    assert (len(nothing), nothing["n_tasks"].sum()) == (3, 0)
    assert nothing[["mean_difference", "p", "p_adjusted"]].isna().all(axis=None)


def test_protocols_are_set_side_by_side():
    rows = [
        ("a", "honest", 0.7, 0.6),
        ("a", "published", 0.9, 0.8),
        ("a", "shuffled", 0.5, 0.4),
        ("b", "honest", 0.55, 0.45),
        ("b", "published", 0.6, 0.5),
        ("b", "shuffled", 0.5, 0.4),
    ]
    metrics = pd.DataFrame(rows, columns=["task", "protocol", "value", "ci_low"]).assign(
        sample="s", resolution=1, norm="ICE", model="m", classifier="linear", circular="no",
        metric="mAP", ci_high=1.0, few="no",
    )  # fmt: skip
    odd = metrics[metrics["task"] == "a"].assign(task="rare", few="yes", value=[0.1, 0.9, 0.5])
    found = compare_protocols(metrics).set_index("task")
    np.testing.assert_allclose(found["difference"], [0.2, 0.05])
    assert list(found["at_control"]) == ["no", "yes"]
    with_rare = compare_protocols(pd.concat([metrics, odd]))
    assert list(with_rare["few"]) == ["no", "no", "yes"]
    sentence = describe_protocols(with_rare)
    assert sentence == describe_protocols(found.reset_index())
    assert (
        "mAP 0.125 above the honest one (mean over 2 pairs of a task and a model; higher in 2)"
        in sentence
    )
    assert "in 1 of 2 the honest interval reaches" in sentence


def test_tasks_with_few_rows_of_a_class_are_scored_and_marked(tables, parquet):
    found, sheet, _ = tables
    honest = found.metrics.query("protocol == 'honest'").drop_duplicates("task").set_index("task")
    rarer = honest[["n_positive", "n_negative"]].min(axis=1)
    rarer = rarer.where(honest["n_negative"] > 0, honest["n_positive"])
    least = int(rarer.median())
    assert rarer.min() < least
    settings = replace(FAST, min_positives=least, protocols=("honest",), classifiers=("linear",))
    again = classify_representations(parquet, sheet, settings=settings).metrics
    again = again.query("protocol == 'honest'").drop_duplicates("task").set_index("task")
    assert again["value"].notna().all()
    assert ((again["few"] == "yes") == (rarer < least).reindex(again.index)).all()


def test_depth_and_trees_are_searched_on_held_out_blocks(tables, parquet):
    _, sheet, _ = tables
    found = search_xgboost(parquet, sheet, depths=(2, 4), trees=(1, 20), settings=FAST)
    assert len(found) == 3 * 4
    signal = found[found["task"] == "signal"].set_index(["max_depth", "n_trees"])["value"]
    assert signal[2, 20] > 0.9
    assert signal[2, 1] < signal[2, 20]


def test_adjusted_p_values_are_benjamini_and_hochbergs():
    np.testing.assert_allclose(adjust(np.array([0.01, 0.04, 0.03])), [0.03, 0.04, 0.04])
