"""Pictures of attributions: what is drawn is what was given, and what is left out is said."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from chromloom.plotting.attribution import (
    plot_domain_profile,
    plot_locus,
    plot_ranking,
    plot_violins,
    summarise_values,
)
from chromloom.plotting.style import PALETTE


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture
def axes():
    return plt.subplots()[1]


def ranking(effects):
    table = pd.DataFrame({"name": [f"set{k}" for k in range(len(effects))], "effect": effects})
    table["random_mean"], table["random_sd"], table["q_value"] = 0.1, 0.02, 0.01
    table["mean"] = table["effect"] + table["random_mean"]
    return table.sort_values("mean", ascending=False, ignore_index=True)


def test_the_sets_shown_are_those_that_differ_most_of_either_sign(axes):
    plot_ranking(ranking([*np.linspace(0.01, 0.3, 29), -1.0]), axes, n=25)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[0] == "set29"  # the lowest mean, at the bottom
    assert names[-1] == "set28"
    assert "set0" not in names
    assert axes.get_title() == "25 of 30 sets, largest difference from random bins"
    points = np.concatenate([line.get_xdata() for line in axes.lines if line.get_marker() == "o"])
    assert points.min() == -0.9


def test_all_sets_are_shown_where_they_fit(axes):
    plot_ranking(ranking([0.1, -0.2]), axes)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["set1", "set0"]
    assert axes.get_title() == ""


def test_quartiles_are_those_of_the_values(axes):
    values = pd.DataFrame({"name": ["a"] * 5 + ["b"], "value": [0, 1, 2, 3, 4, 9.0]})
    plot_violins(values, axes)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a (5)"]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [2])
    table = summarise_values(values).set_index("name")
    assert table.loc["a"].tolist() == [5, 1, 2, 3]
    assert table.loc["b", "n_bins"] == 1


def test_a_locus_has_a_row_a_track_and_a_set_of_elements():
    scores = pd.DataFrame({"chrom": "chr1", "start": [0, 10], "end": [10, 20]})
    scores["normalised"], scores["E1"] = [0.5, -0.5], [np.nan, 2.0]
    elements = {"CTCF": pd.DataFrame({"start": [2], "end": [4], "score": [1]})}
    figure = plot_locus(scores, tracks=["E1"], elements=elements)
    assert [ax.get_ylabel() for ax in figure.axes] == ["importance,\nscaled to ±1", "E1", "CTCF"]
    assert [bar.get_height() for bar in figure.axes[0].patches] == [0.5, -0.5]
    (track,) = figure.axes[1].patches
    values, edges, _ = track.get_data()
    np.testing.assert_array_equal(values, [np.nan, 2])
    np.testing.assert_allclose(edges, [0, 1e-5, 2e-5])  # up to the ends, as the bars are


def test_elements_of_several_classes_are_in_colours_with_a_legend():
    scores = pd.DataFrame({"chrom": "chr1", "start": [0, 10], "end": [10, 20], "normalised": 0.5})
    classes = pd.Categorical(["B1", "A1"], categories=["A1", "A2", "B1"])
    elements = scores[["start", "end"]].assign(**{"class": classes})
    ax = plot_locus(scores, elements={"subcompartments": elements}).axes[1]
    drawn = {bar.get_label(): bar for bar in ax.collections}
    assert list(drawn) == [text.get_text() for text in ax.get_legend().get_texts()] == ["A1", "B1"]
    for name, number, start in (("A1", 0, 1e-5), ("B1", 2, 0)):
        assert to_hex(drawn[name].get_facecolor()[0]).upper() == PALETTE[number]
        (box,) = drawn[name].get_paths()
        assert box.get_extents().x0 == pytest.approx(start)


@pytest.mark.parametrize(
    ("plot", "table"),
    [
        (plot_ranking, ranking([]).astype({"mean": float, "effect": float})),
        (plot_violins, pd.DataFrame({"name": ["a"], "value": [1.0]})),
        (plot_domain_profile, pd.DataFrame(columns=["position", "part", "mean", "sem"])),
    ],
)
def test_a_panel_without_data_says_so(axes, plot, table):
    plot(table, axes)
    assert axes.texts[0].get_text().startswith("No ")
    assert not axes.axison
