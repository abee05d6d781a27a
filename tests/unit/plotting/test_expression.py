"""Scores of expression by model, drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from chromloom.plotting.expression import (
    plot_classes,
    plot_element_marks,
    plot_impact,
    plot_impact_change,
    plot_levels,
    plot_levels_by_impact,
    plot_removals,
    plot_scores,
    plot_strata,
    plot_transfer,
    plot_windows,
)

SCORES = pd.DataFrame(
    {
        "model": ["marks-mean", "chromoformer-embedding", "flat"],
        "metric": "auc",
        "value": [0.95, 0.94, np.nan],
        "low": [0.94, 0.93, np.nan],
        "high": [0.96, 0.95, np.nan],
    }
)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def test_every_model_has_its_value_and_interval():
    ax = plot_scores(SCORES, "auc")
    assert [text.get_text() for text in ax.get_yticklabels()] == list(SCORES["model"])
    points = [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 1]
    assert points == [0.95, 0.94]
    spans = [part.get_segments()[0][:, 0].tolist() for part in ax.collections]
    assert spans == [pytest.approx([0.94, 0.96]), pytest.approx([0.93, 0.95])]
    assert [text.get_text() for text in ax.texts] == ["undefined"]
    assert ax.yaxis_inverted()


def test_a_panel_without_values_says_so():
    ax = plot_scores(SCORES.assign(value=np.nan), "auc")
    assert "not defined for any model" in ax.texts[0].get_text().replace("\n", " ")


def test_levels_are_points_about_the_line_of_a_perfect_prediction():
    genes = pd.DataFrame({"level": [1.0, 2, 5, np.nan], "predicted_level": [1.5, np.nan, 4, 3]})
    ax = plot_levels(genes)
    assert ax.collections[0].get_offsets().tolist() == [[1, 1.5], [5, 4]]
    assert ax.lines[0].get_xydata().tolist() == [[1, 1], [5, 5]]
    assert "no gene" in plot_levels(genes[3:]).texts[0].get_text()


@pytest.fixture
def impact():
    rng = np.random.default_rng(1)
    n = rng.integers(0, 5, 200)
    table = pd.DataFrame({"gene": [f"g{k}" for k in range(200)], "n_elements": n})
    return table.assign(level=rng.gamma(2, 1, 200) + n, clf=np.nan, reg=n + rng.random(200))


def test_impact_is_drawn_by_number_of_elements(impact):
    ax = plot_impact(impact)
    assert [text.get_text() for text in ax.texts] == [
        str(n) for n in impact["n_elements"].value_counts().sort_index()
    ]
    medians = {line.get_ydata()[0] for line in ax.lines}
    assert impact.loc[impact["n_elements"] == 3, "reg"].median() in medians
    change = plot_impact(impact.assign(elements_level=impact["n_elements"]), "elements_level")
    assert change.get_ylabel() == "Level with elements - without"
    assert "no model" in plot_impact(impact, "clf").texts[0].get_text().replace("\n", " ")
    plt.close("all")


def test_levels_are_drawn_with_the_correlation_of_either_half(impact):
    ax = plot_levels_by_impact(impact)
    part = impact[(impact["n_elements"] > 0) & (impact["level"] >= impact["level"].median())]
    rho = part["level"].corr(part["reg"], method="spearman")
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[0] == f"above median: ρ = {rho:.2f}, {len(part)} genes"
    assert "fewer than ten" in plot_levels_by_impact(impact.head(3)).texts[0].get_text()
    plt.close("all")


def test_removals_are_drawn_from_the_largest_change():
    screen = pd.DataFrame({"change_level": [-1.0, -0.5, 0.1]})
    signals = pd.DataFrame({"signal": ["a", "b"] * 3, "change_level": [0.1, -2, 0.2, -1, 0.1, -3]})
    signals.loc[6] = ["c", np.nan]  # a signal that the model does not read
    ax = plot_removals(screen, signals)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["element", "b", "a"]
    plt.close("all")


def test_scores_are_drawn_by_window_and_by_set_of_genes():
    windows = pd.DataFrame(
        {"model": list("aab"), "window": [40_000, 4_000, 4_000], "metric": "auc",
         "value": [0.9, 0.8, 0.7], "low": 0.6, "high": 0.95}
    )  # fmt: skip
    ax = plot_windows(windows)
    assert ax.lines[0].get_xydata().tolist() == [[4, 0.8], [40, 0.9]]
    spans = [span[:, 1].tolist() for part in ax.collections for span in part.get_segments()]
    assert spans == [[0.6, 0.95]] * 3  # that of a single point, too
    assert "no model" in plot_windows(windows.head(0)).texts[0].get_text()
    strata = pd.DataFrame(
        {"stratum": ["some", "some", "all", "all"], "model": list("abab"), "n_genes": 20,
         "metric": "auc", "against": "a", "difference": [0, 0.1, 0, -0.2],
         "difference_low": -0.3, "difference_high": 0.3}
    )  # fmt: skip
    ax = plot_strata(strata)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["some (20)", "all (20)"]
    assert "no second model" in plot_strata(strata[strata["model"] == "a"]).texts[0].get_text()
    plt.close("all")


def test_cell_types_are_drawn_as_a_matrix_and_changes_with_their_correlation():
    scores = pd.DataFrame(
        {"trained_on": list("AABB"), "cell_type": list("ABAB"), "metric": "auc",
         "value": [0.9, 0.7, np.nan, 0.8]}
    )  # fmt: skip
    ax = plot_transfer(scores)
    assert [text.get_text() for text in ax.texts] == ["0.900", "0.700", "0.800"]
    rng = np.random.default_rng(1)
    change = pd.DataFrame({"change_impact": rng.normal(size=30)})
    change["change_level"] = change["change_impact"] ** 3
    assert plot_impact_change(change).get_title() == "ρ = 1.00, 30 genes"
    assert "fewer than ten" in plot_impact_change(change.head(3)).texts[0].get_text()
    plt.close("all")


def test_classes_and_marks_at_elements_are_drawn():
    table = pd.DataFrame({"position": [-500, 0, 500], "high": [1, 2, 3], "low": [0, 1, 1]})
    assert plot_classes(table).lines[0].get_xydata().tolist() == [[-0.5, 1], [0, 2], [0.5, 3]]
    marks = pd.DataFrame(
        {"group": ["x", "x", "all", "all"], "n_genes": 5, "signal": ["m", "k"] * 2,
         "mean": [1.0, 2, 3, 4]}
    )  # fmt: skip
    ax = plot_element_marks(marks)
    assert [bar.get_height() for bar in ax.patches] == [1, 2, 3, 4]
    few = marks.assign(mean=[np.nan, np.nan, 3, 4])  # a group without genes
    assert [bar.get_height() for bar in plot_element_marks(few).patches][2:] == [3, 4]
    none = plot_element_marks(marks.assign(mean=np.nan))
    assert "no gene with elements" in none.texts[0].get_text().replace("\n", " ")
    plt.close("all")
