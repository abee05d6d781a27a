"""Pictures of predictors."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from chromloom.plotting.predictors import (
    plot_by_distance,
    plot_difference,
    plot_difference_scores,
    plot_found,
    plot_insulation,
    plot_perception,
    plot_predictors,
    plot_region,
    plot_submatrices,
)

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
    table = pd.DataFrame(
        {"chrom": "chr1", "mse": [1.0, 2, 3, 4], "insulation_r": [0.6, 0.7, 0.1, np.nan]}
    )
    assert plot_submatrices(table, ax).get_title() == "2 of 3 with r above 0.5"


def test_panels_without_anything_say_why(ax):
    nothing = SCORES.assign(value=np.nan)
    assert "not defined" in plot_predictors(nothing, "r", ax).texts[0].get_text().replace("\n", " ")


def test_submatrices_have_the_colour_of_their_chromosome(ax):
    table = pd.DataFrame({"chrom": ["chr3", "chr11"], "mse": [1.0, 2], "insulation_r": [0.6, 0.1]})
    plot_submatrices(table, ax)
    assert [t.get_text() for t in ax.get_legend().texts] == ["chr3", "chr11"]
    colours = [tuple(points.get_facecolor()[0]) for points in ax.collections]
    assert colours[0] != colours[1]


def test_agreement_of_insulation_is_by_the_side_in_kb_with_what_chance_finds(ax):
    table = pd.DataFrame(
        {"model": "weave", "signals": ["own", "own", "K562"], "window": [10, 20, 10],
         "r": [0.5, 0.6, 0.1], "found": [0.4, 0.5, 0.1], "by_chance": [0.1, 0.2, 0.3]}
    )  # fmt: skip
    plot_insulation(table, 10_000, ax, "found")
    told, chance = ax.lines
    np.testing.assert_allclose(told.get_xdata(), [100, 200])
    np.testing.assert_allclose(told.get_ydata(), [0.4, 0.5])
    np.testing.assert_allclose(chance.get_ydata(), [0.1, 0.2])


@pytest.mark.parametrize("precision", [True, False])
def test_curves_of_significant_pairs_are_those_of_own_signals(ax, precision):
    table = pd.DataFrame(
        {"model": "weave", "signals": ["own", "own", "K562"], "significant": ["z2", "z2", "z2"],
         "false_positive_rate": [0.1, 1, 0.5], "true_positive_rate": [0.6, 1, 0.5],
         "precision": [0.8, 0.2, 0.5]}
    )  # fmt: skip
    plot_found(table, "z2", ax, precision=precision)
    x, y = ([0.6, 1], [0.8, 0.2]) if precision else ([0.1, 1], [0.6, 1])
    np.testing.assert_allclose(ax.lines[0].get_xdata(), x)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), y)
    plt.close("all")
    text = plot_found(table, "z3", plt.subplots()[1], precision=precision).texts[0].get_text()
    assert "no pair is significant" in text


DIFFERENCES = pd.DataFrame(
    [("weave", "pairs", np.nan, np.nan, 0.4), ("weave", "regions", np.nan, np.nan, 0.6),
     ("weave", "region", 0.1, 0.2, 0.3), ("weave", "region", -0.1, 0.0, 0.3),
     ("distance", "pairs", np.nan, np.nan, 0.0), ("distance", "regions", np.nan, np.nan, np.nan)],
    columns=["model", "over", "observed", "predicted", "r"],
).assign(low=lambda t: t["r"] - 0.1, high=lambda t: t["r"] + 0.1)  # fmt: skip


def test_scores_of_differences_are_filled_over_pairs_and_hollow_over_regions(ax):
    plot_difference_scores(DIFFERENCES, ax)
    points = [line for line in ax.lines if line.get_marker() == "o"]
    assert [float(line.get_xdata()[0]) for line in points] == [0.4, 0.6, 0.0]
    assert [line.get_mfc() == "white" for line in points] == [False, True, False]


def test_differences_of_regions_are_dots_and_their_correlation_the_title(ax):
    plot_difference(DIFFERENCES[DIFFERENCES["model"] == "weave"], ax)
    np.testing.assert_allclose(ax.collections[0].get_offsets(), [[0.1, 0.2], [-0.1, 0.0]])
    assert ax.get_title() == "weave: r 0.60"
    plt.close("all")
    none = DIFFERENCES[DIFFERENCES["model"] == "distance"]
    assert plot_difference(none, plt.subplots()[1]).get_title() == "distance: no difference"


def test_perceptual_scores_are_along_the_first_chromosome_or_against_the_error_of_all(ax):
    table = pd.DataFrame(
        {"model": ["observed", "weave", "weave"], "chrom": ["chr3", "chr3", "chr11"],
         "start": [0, 2_000_000, 0], "score": [0.9, 0.2, 0.1], "mse": [0.0, 1.0, 2.0]}
    )  # fmt: skip
    plot_perception(table, ax)
    assert [len(points.get_offsets()) for points in ax.collections] == [1, 1]
    np.testing.assert_allclose(ax.collections[1].get_offsets(), [[2.0, 0.2]])
    plt.close("all")
    against = plot_perception(table, plt.subplots()[1], against="mse")
    np.testing.assert_allclose(against.collections[1].get_offsets(), [[1.0, 0.2], [2.0, 0.1]])


def test_a_region_is_drawn_up_to_the_reach_with_boundaries_in_mb(ax):
    ratio = np.ones((20, 20))
    plot_region(ratio, 1_000_000, 10_000, ax, reach=100_000, boundaries=[[3], [5]])
    assert ax.get_ylim() == (0, pytest.approx(0.1))
    lines = [float(line.get_xdata()[0]) for line in ax.lines]
    np.testing.assert_allclose(lines, [1.035, 1.055])
