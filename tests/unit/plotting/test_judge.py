"""Pictures of simulated genomes: what is drawn is what was given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from chromloom.plotting import judge as simulated


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def judged(models=("hiclstm-refined",), samples=("genome11", "genome12", "genome13")):
    """Every measure of `perturbation.judge`, values drawn at random."""
    asked = [("anchor_auroc", "all", method) for method in simulated.SCORES]
    asked += [("completeness_error", chrom, "model") for chrom in ("chr1", "chr2")]
    asked += [
        ("edit_pearson", kind, method) for kind in simulated.KINDS for method in simulated.EDITS
    ]
    asked += [
        (measure, f"{group}, {part}", method)
        for measure, groups in {
            "knockout_change": ["random", "anchors", "strong anchors"],
            "knockout_pearson": ["strong anchors"],
        }.items()
        for group in groups
        for part in simulated.PARTS
        for method in simulated.KNOCKOUTS[measure == "knockout_pearson" :]
    ]
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        [(s, m, *row) for m in models for s in samples for row in asked],
        columns=["sample", "model", "measure", "item", "method"],
    ).assign(n=8)
    table["value"], table["p_value"] = rng.uniform(0.01, 0.9, (2, len(table)))
    table.loc[table["method"] == "no change", "value"] = np.nan
    return table


def test_rows_are_methods_and_points_are_genomes():
    table = pd.DataFrame(
        {
            "row": ["one"] * 3 + ["two"] * 3,
            "sample": ["g1", "g2", "g3"] * 2,
            "model": "eig",
            "method": ["contrast"] * 3 + ["degree"] * 3,
            "value": [0.9, 0.5, 0.7, np.nan, np.nan, np.nan],
            "p_value": [0.01, 0.2, np.nan, *[np.nan] * 3],
        }
    )
    ax = simulated.plot_rows(table, ["eig"], plt.subplots()[1], line=0.9)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one", "two"]
    points = [line for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata())]
    np.testing.assert_array_equal(points[0].get_xdata(), [0.9, 0.5, 0.7])
    np.testing.assert_array_equal(points[1].get_xdata(), [0])
    assert points[1].get_markerfacecolor() == "white"
    (median,) = [line for line in ax.lines if line.get_marker() == "|"]
    assert median.get_xdata()[0] == 0.7
    assert [text.get_text() for text in ax.texts] == ["0.2", "p ≤"]
    assert [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "--"] == [0.9]


@pytest.mark.parametrize("models", [["hiclstm-refined"], ["hiclstm-refined", "whole-rows"]])
def test_no_panel_is_empty_and_points_of_models_stand_apart(models):
    figure, summary = simulated.plot_simulated(judged(models))
    assert len(figure.axes) == 8
    for ax in figure.axes:
        points = [line for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata())]
        assert len(points) >= 3 * len(models)
        rows = len(ax.get_yticks())
        assert len(points) <= rows * len(models)
        assert ax.get_xlabel()
        assert ax.get_title(loc="left")
    contrast = [line for line in figure.axes[0].lines if line.get_marker() == "|"][: len(models)]
    assert len({line.get_color() for line in contrast}) == len(models)
    assert list(pd.unique(summary["model"])) == models


def test_a_model_keeps_its_colour_where_another_has_nothing_to_show():
    table = judged(["hiclstm-refined", "whole-rows"])
    gone = (table["model"] == "hiclstm-refined") & (table["measure"] == "knockout_pearson")
    figure, _ = simulated.plot_simulated(table[~gone])
    medians = [line for line in figure.axes[-1].lines if line.get_marker() == "|"]
    assert {line.get_color() for line in medians} == {simulated.PALETTE[1]}


def test_numbers_are_over_genomes():
    table = judged()
    summary = simulated.summarise_genomes(table).set_index(["measure", "item", "method"])
    own = table[(table["measure"] == "anchor_auroc") & (table["method"] == "contrast")]
    row = summary.loc[("anchor_auroc", "all", "contrast")]
    assert row["value"] == own["value"].median()
    assert (row["lowest"], row["highest"]) == (own["value"].min(), own["value"].max())
    assert row["highest_p"] == own["p_value"].max()
    assert (row["n"], row["genomes"]) == (24, 3)
    undefined = summary.loc[("edit_pearson", "deletion", "no change")]
    assert np.isnan(undefined["value"])
    assert undefined["genomes"] == 0


def test_edits_are_shown_by_model_and_kind():
    models = judged(["hiclstm-refined", "weave"])
    models = models[(models["model"] != "weave") | (models["measure"] == "edit_pearson")]
    figure, medians = simulated.plot_edits(models)
    medians = medians.set_index("method")
    assert list(medians.columns) == list(simulated.KINDS)
    own = models[(models["model"] == "weave") & (models["method"] == "model, lifted")]
    expected = own[own["item"] == "inversion"]["value"].median()
    assert medians.loc["weave", "inversion"] == expected
    assert medians.loc["no change"].isna().all()
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts.count("–") == 3
    assert f"{expected:.2f}" in texts
    assert list(medians.index[:2]) == ["hiclstm-refined", "hiclstm-refined, affinity"]
    figure, _ = simulated.plot_simulated(models[models["model"] == "weave"])
    assert len(figure.axes) == 1


def test_maps_are_shown_beside_edits():
    models = judged(["weave", "akita"])
    models = models[models["measure"] == "edit_pearson"]
    maps = pd.DataFrame(
        {
            **{"sample": "genome1", "measure": "map_pearson", "item": "2-10", "p_value": np.nan},
            "model": ["weave", "weave", "akita", "akita"],
            "method": ["model", "counts"] * 2,
            "value": [0.8, 0.9, 0.7, 0.9],
            "n": 5,
        }
    )
    figure, medians = simulated.plot_edits(pd.concat([maps, models], ignore_index=True))
    medians = medians.set_index("method")
    assert list(medians.columns) == ["map, 2-10 bins", *simulated.KINDS]
    found = medians["map, 2-10 bins"].dropna().to_dict()
    assert found == {"weave": 0.8, "akita": 0.7, "counts": 0.9}
    assert {"0.80", "0.70", "0.90"} <= {text.get_text() for text in figure.axes[0].texts}


def test_predictors_are_left_out_of_what_asks_for_vectors():
    both = judged(["weave", "hiclstm-refined"])
    both = both[(both["model"] != "weave") | (both["measure"] == "edit_pearson")]
    figure, summary = simulated.plot_simulated(both)
    assert len(figure.axes) == 8
    assert set(summary["model"]) == {"hiclstm-refined"}
