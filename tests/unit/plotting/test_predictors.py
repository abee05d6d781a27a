"""Pictures of predictors."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from chromloom.plotting.predictors import plot_by_distance, plot_predictors, plot_submatrices

SCORES = pd.DataFrame(
    [("weave", "own", 0.3), ("weave", "K562", 0.2), ("distance", "own", 0.0)],
    columns=["model", "signals", "value"],
).assign(metric="r", low=lambda t: t["value"] - 0.05, high=lambda t: t["value"] + 0.05)


@pytest.fixture
def ax():
    yield plt.subplots()[1]
    plt.close("all")


def test_another_cells_signals_are_a_hollow_mark_beside_the_predictors_own(ax):
    plot_predictors(SCORES, "r", ax)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["weave", "distance"]
    points = [line for line in ax.lines if line.get_marker() == "o"]
    assert [float(line.get_xdata()[0]) for line in points] == [0.3, 0.2, 0.0]
    assert [line.get_mfc() == "white" for line in points] == [False, True, False]
    assert [t.get_text() for t in ax.get_legend().texts] == ["own signals", "those of K562"]


def test_lines_are_the_predictors_with_their_own_signals_by_distance_in_mb(ax):
    table = pd.DataFrame(
        {"model": ["weave"] * 2 + ["other"], "signals": ["own", "own", "K562"],
         "distance": [2, 3, 2], "r": [0.5, 0.4, 0.1]}
    )  # fmt: skip
    plot_by_distance(table, 10_000, ax)
    np.testing.assert_allclose(ax.lines[0].get_xdata(), [0.02, 0.03])
    assert [t.get_text() for t in ax.get_legend().texts] == ["weave"]


def test_the_share_of_submatrices_above_a_half_is_of_those_that_have_a_correlation(ax):
    table = pd.DataFrame({"mse": [1.0, 2, 3, 4], "insulation_r": [0.6, 0.7, 0.1, np.nan]})
    assert plot_submatrices(table, ax).get_title() == "2 of 3 with r above 0.5"


def test_panels_without_anything_say_why(ax):
    nothing = SCORES.assign(value=np.nan)
    assert "not defined" in plot_predictors(nothing, "r", ax).texts[0].get_text().replace("\n", " ")
