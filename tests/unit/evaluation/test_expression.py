"""Scores of expression: those of scikit-learn and scipy, with intervals over blocks of genes."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import average_precision_score, r2_score, roc_auc_score

from chromloom.errors import InputError
from chromloom.evaluation.expression import COLUMNS, METRICS, evaluate_expression


def new_predictions(noise, seed=1, n=400):
    rng = np.random.default_rng(0)
    level = rng.gamma(1, 2, n) * (rng.random(n) > 0.3)
    table = pd.DataFrame({"gene": [f"G{k}" for k in range(n)], "level": level})
    table["chrom"] = np.where(np.arange(n) < n // 2, "chr1", "chr2")
    table["tss"] = (np.arange(n) % (n // 2)) * 1_000_000
    table["high"] = table["level"] >= table["level"].median()
    rng = np.random.default_rng(seed)
    table["predicted_level"] = (level + rng.normal(0, noise, n)).round(1)
    table["predicted_high"] = 1 / (1 + np.exp(-table["predicted_level"]))
    return table


def test_values_are_those_of_the_libraries():
    table = new_predictions(2.0)
    scores = evaluate_expression({"a": table}, n_boot=20)
    assert list(scores.columns) == COLUMNS
    expected = {
        "auc": roc_auc_score(table["high"], table["predicted_high"]),
        "average_precision": average_precision_score(table["high"], table["predicted_high"]),
        "r": pearsonr(table["predicted_level"], table["level"])[0],
        "spearman": spearmanr(table["predicted_level"], table["level"])[0],
        "r2": r2_score(table["level"], table["predicted_level"]),
    }
    found = scores[scores["chrom"] == "all"].set_index("metric")["value"]
    assert found.to_dict() == pytest.approx(expected, abs=1e-9)
    part = table[table["chrom"] == "chr2"]
    chr2 = scores[(scores["chrom"] == "chr2") & (scores["metric"] == "auc")].iloc[0]
    assert chr2["value"] == pytest.approx(roc_auc_score(part["high"], part["predicted_high"]))
    assert chr2["n_genes"] == 200
    assert np.isnan(chr2["low"])


def test_differences_are_paired():
    """A twin differs by nothing; a worse model by something certain, its interval not over 0."""
    good, bad = new_predictions(1.0), new_predictions(4.0, seed=2)
    shuffled = good.sample(frac=1, random_state=1)
    scores = evaluate_expression({"good": good, "twin": shuffled, "bad": bad}, n_boot=200)
    scores = scores[scores["chrom"] == "all"].set_index(["model", "metric"])
    for metric in METRICS:
        assert scores.loc[("twin", metric), "difference_low"] == 0
        assert scores.loc[("twin", metric), "difference_high"] == 0
        worse = scores.loc[("bad", metric)]
        assert worse["difference_low"] <= worse["difference"] <= worse["difference_high"] < 0
        assert worse["p"] == pytest.approx(2 / 201)
        assert worse["p_corrected"] == pytest.approx(4 / 201)  # of two models
        assert scores.loc[("twin", metric), "p"] == 1
        row = scores.loc[("good", metric)]
        assert np.isnan(row["p"])
        assert row["low"] < row["value"] < row["high"]
        assert row["high"] - row["low"] < 0.2


def test_genes_of_one_block_are_drawn_together():
    """Forty copies of ten genes in ten blocks are as sure as the ten, not as four hundred."""
    apart = new_predictions(2.0)
    together = apart.iloc[np.repeat(np.arange(10), 40)].reset_index(drop=True)
    together["gene"] = [f"G{k}" for k in range(400)]
    together["tss"] = np.repeat(np.arange(10), 40) * 10_000_000
    widths = []
    for table in (apart, together):
        row = (
            evaluate_expression({"a": table}, n_boot=200)
            .set_index(["chrom", "metric"])
            .loc[("all", "r")]
        )
        widths.append(row["high"] - row["low"])
    assert widths[1] > 2 * widths[0]


def test_only_genes_of_all_models_count():
    table = new_predictions(1.0)
    scores = evaluate_expression({"a": table, "b": table.iloc[:100]}, n_boot=10)
    assert set(scores.loc[scores["chrom"] == "all", "n_genes"]) == {100}
    with pytest.raises(InputError, match="no gene in common"):
        evaluate_expression({"a": table.iloc[:9], "b": table.iloc[9:]})
    with pytest.raises(InputError, match="no predictions of 'c'; there are a"):
        evaluate_expression({"a": table}, against="c")


def test_a_constant_prediction_is_said_and_has_no_rank(caplog):
    table = new_predictions(1.0).assign(predicted_level=2.5)
    scores = evaluate_expression({"flat": table}, n_boot=10).set_index(["chrom", "metric"])
    assert scores.loc[("all", "r"), "note"] == "predicted_level is the same for all genes"
    assert scores.loc[("all", ["r", "spearman"]), "value"].isna().all()
    assert scores.loc[("all", "auc"), "value"] > 0.9
    assert "flat: predicted_level is the same for all genes" in caplog.text
    one_class = evaluate_expression({"a": new_predictions(1.0).assign(high=True)}, n_boot=10)
    assert one_class.loc[0, "note"] == "all genes are on one side of the median"
    assert np.isnan(one_class.loc[0, "value"])
