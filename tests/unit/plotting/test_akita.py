"""Pictures of single windows of sequence."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from chromloom.plotting.akita import (
    plot_distribution,
    plot_insertions,
    plot_logo,
    plot_motifs,
    plot_pairs,
    plot_square,
)


@pytest.fixture
def ax():
    yield plt.subplots()[1]
    plt.close("all")


def test_regions_are_counted_by_correlation_and_set_against_their_signal(ax):
    table = pd.DataFrame({"pearson": [0.1, 0.5, np.nan], "spearman": [0.2, 0.4, np.nan]})
    plot_distribution(table, ax)
    labels = [text.get_text() for text in ax.get_legend().texts]
    assert labels == ["pearson, median 0.30", "spearman, median 0.30"]
    pairs = plot_pairs(pd.DataFrame({"x": [1, 2, 3.0], "y": [3, 2, 1.0]}), "x", "y", ax)
    assert pairs.get_title() == "rank correlation -1.00, n 3"
    empty = plot_pairs(pd.DataFrame({"x": [1.0], "y": [np.nan]}), "x", "y", plt.subplots()[1])
    assert "less than three" in empty.texts[0].get_text()


def test_maps_are_symmetric_and_in_mb_where_their_place_is_known(ax):
    i, j = np.triu_indices(3)
    table = pd.DataFrame({"size": 3, "i": i, "j": j, "value": np.arange(6.0)})
    shown = plot_square(table, ax).images[0].get_array()
    np.testing.assert_array_equal(shown, [[0, 1, 2], [1, 3, 4], [2, 4, 5]])
    plot_square(table.assign(start=2_000_000, resolution=500_000), ax)
    assert tuple(ax.images[1].get_extent()) == (2.0, 3.5, 3.5, 2.0)


def test_motifs_and_insertions_are_drawn_with_their_names(ax):
    ranked = pd.DataFrame({"name": ["a", "b"], "disruption": [2.0, 1], "signal_change": [1.0, 0]})
    plot_motifs(ranked, ax, named=1)
    assert [text.get_text() for text in ax.texts] == ["a"]
    table = pd.DataFrame(
        {"orientation": ["forward"] * 4, "copies": [1, 1, 2, 2], "disruption": [1.0, 3, 5, 7]}
    )
    axes = plot_insertions(table, plt.subplots()[1])
    assert axes.lines[0].get_ydata().tolist() == [2.0, 6.0]


def test_letters_are_as_high_as_changes_disrupt_on_the_mean(ax):
    table = pd.DataFrame(
        {"start": [7, 7, 8, 8], "reference": list("AAGG"), "disruption": [1.0, 3, 0, 0.5]}
    )
    plot_logo(table, ax)
    tops = [
        patch.get_transform().transform_path(patch.get_path()).get_extents() for patch in ax.patches
    ]
    tops = [box.transformed(ax.transData.inverted()) for box in tops]
    assert [round(box.y1, 3) for box in tops] == [2.0, 0.25]
    assert [round(box.x0) for box in tops] == [7, 8]
