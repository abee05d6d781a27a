"""Scores of expression: those of scikit-learn and scipy, with intervals over blocks of genes."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import average_precision_score, r2_score, roc_auc_score

from chromloom.errors import InputError
from chromloom.evaluation.expression import (
    COLUMNS,
    METRICS,
    evaluate_expression,
    evaluate_screen,
    evaluate_strata,
    gene_strata,
    two_sided,
)


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
    together["tss"] = np.repeat(np.arange(10), 40) * 10_000_000 + np.arange(400)
    widths = []
    for table in (apart, together):
        row = (
            evaluate_expression({"a": table}, n_boot=200)
            .set_index(["chrom", "metric"])
            .loc[("all", "r")]
        )
        widths.append(row["high"] - row["low"])
    assert widths[1] > 2 * widths[0]


def test_resamplings_without_a_number_are_no_evidence():
    assert two_sided(np.r_[np.ones(9), np.full(90, np.nan)]) == pytest.approx(0.2)
    assert np.isnan(two_sided(np.full(5, np.nan)))


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


def test_genes_are_divided_by_elements_and_domains():
    genes = pd.DataFrame(
        {"gene": list("abcd"), "chrom": "chr1", "tss": [100, 200, 900, 5000],
         "value": [0, 1, 2, 0.5]}
    )  # fmt: skip
    rows = [("b", "chr1", 300, 320), ("c", "chr1", 100, 120), ("c", "chr1", 2000, 2100)]
    elements = pd.DataFrame(rows, columns=["gene", "chrom", "start", "end"])
    domains = pd.DataFrame({"chrom": ["chr1"], "start": [0], "end": [850]})
    found = {name: list(ids) for name, ids in gene_strata(genes, elements, domains).items()}
    assert found == {
        "expressed": ["b", "c"], "without elements": ["a", "d"], "with elements": ["b", "c"],
        "many elements": ["c"], "within domain": ["b"], "beyond domain": ["c"],
    }  # fmt: skip
    assert set(gene_strata(genes, elements.head(0), domains)) == {"expressed"}
    alike = gene_strata(genes, elements.head(2))
    assert list(alike["many elements"]) == ["b", "c"]  # none has more than another


def test_strata_are_scored_by_themselves(caplog):
    tables = {"a": new_predictions(1.0), "b": new_predictions(3.0)}
    ids = tables["a"]["gene"].to_numpy()
    scores = evaluate_strata(tables, {"some": ids[:80], "few": ids[:5]}, n_boot=20)
    own = {name: table[table["gene"].isin(ids[:80])] for name, table in tables.items()}
    alone = evaluate_expression(own, n_boot=20)
    alone = alone[alone["chrom"] == "all"].reset_index(drop=True)
    pd.testing.assert_frame_equal(scores.drop(columns="stratum"), alone)
    assert set(scores["stratum"]) == {"some"}
    assert "few: fewer than ten genes" in caplog.text


def test_a_screen_is_held_to_pairs_that_were_tested():
    screen = pd.DataFrame(
        {"gene": list("aaab"), "chrom": "chr1", "start": [0, 100, 300, 0],
         "end": [50, 200, 400, 50], "distance": [-900, 500, 100, 50],
         "frequency": [1.0, 2.0, 3.0, 9.0], "change_level": [-2.0, -0.1, 0.0, 0.5]}
    )  # fmt: skip
    rows = [(40, 60, "a", True), (120, 130, "a", False), (350, 360, "a", False),
            (700, 710, "a", True), (0, 50, "b", False)]  # fmt: skip
    tested = pd.DataFrame(rows, columns=["start", "end", "gene", "regulated"]).assign(chrom="chr1")
    table = evaluate_screen(screen, tested).set_index("ranking")
    assert (table["n_pairs"] == 4).all()
    assert (table["n_regulated"] == 1).all()
    assert table.loc["screen", "auc"] == 1
    assert table.loc["frequency", "auc"] == 0
    assert table.loc["distance", "auc"] == 0
    assert table.loc["screen", "precision_at_chance"] == 0.25
    assert evaluate_screen(screen, tested[~tested["regulated"]])["auc"].isna().all()
