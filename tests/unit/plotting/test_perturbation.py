"""Pictures of knockouts: own and spanning pairs a panel each, the legend once."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from chromloom.plotting.perturbation import (
    plot_boundary_pileup,
    plot_distance_effect,
    plot_edit,
    plot_knockout_ranking,
    plot_pileups,
)
from chromloom.plotting.style import PALETTE

CHANGES = {"anchors": (-0.2, 0.3), "enhancers": (-0.05, 0.01), "random": (-0.01, 0.0)}


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def averaged(changes, dist_kb=(100, 200)):
    """Both tables at once; `changes`: of own and of spanning pairs by group."""
    rows = [
        (group, pairs, kb, change, 0.001 if group == "anchors" else 0.2)
        for group, values in changes.items()
        for pairs, change in zip(("all", "own", "spanning"), (sum(values), *values))
        for kb in dist_kb
    ]
    table = pd.DataFrame(rows, columns=["group", "pairs", "dist_kb", "change", "p_random"])
    table.loc[table["group"] == "random", "p_random"] = np.nan
    return table.assign(sem=0.01, n_sites=8, within_kb=200)


def labels_of_the_legend(figure):
    (legend,) = figure.legends
    assert not any(ax.get_legend() for ax in figure.axes)
    return [text.get_text() for text in legend.get_texts()]


def test_a_line_a_group_in_each_panel():
    figure = plot_distance_effect(averaged(CHANGES))
    assert [ax.get_title() for ax in figure.axes] == ["own pairs", "spanning pairs"]
    for k, ax in enumerate(figure.axes):
        drawn = {line.get_label(): line.get_ydata() for line in ax.lines}
        for group, values in CHANGES.items():
            np.testing.assert_allclose(drawn[group], 100 * values[k])
    assert labels_of_the_legend(figure) == list(CHANGES)


def test_random_bins_are_drawn_beside_however_many_groups():
    many = {f"set{k}": (-0.1, 0.1) for k in range(9)}
    figure = plot_distance_effect(averaged({"random": (0.0, 0.0), **many}))
    assert labels_of_the_legend(figure) == [f"set{k}" for k in range(7)] + ["random"]
    colours = [to_hex(line.get_color()).upper() for line in figure.axes[0].lines[:8]]
    assert colours == list(PALETTE)


def test_groups_are_ranked_in_the_order_of_the_table():
    figure = plot_knockout_ranking(averaged(CHANGES, dist_kb=(200,)))
    own, spanning = figure.axes
    rows = [label.get_text() for label in own.get_yticklabels()]
    assert rows == ["anchors (8)", "enhancers (8)", "random (8)"]
    assert own.get_ylim()[0] > own.get_ylim()[1]  # the first on top
    for k, ax in enumerate((own, spanning)):
        points = [c.lines[0] for c in ax.containers]  # differs, does not, random
        for row, (point, values) in enumerate(zip(points, CHANGES.values())):
            np.testing.assert_allclose(point.get_xydata(), [(100 * values[k], row)])
        assert [point.get_markerfacecolor() for point in points] == [PALETTE[0], "white", "#999999"]
    assert len(labels_of_the_legend(figure)) == 3


def test_an_edit_is_drawn_from_its_table_unknown_pairs_grey():
    i, j = np.triu_indices(3)
    table = pd.DataFrame(
        {"map": "wild type", "chrom1": "chr1", "start1": 10 * i, "chrom2": "chr1", "start2": 10 * j}
    ).assign(value=[np.nan, 2.0, 1.0, np.nan, np.nan, np.nan])
    figure = plot_edit(pd.concat([table, table.assign(map="difference")]), title="del")
    first, second = [ax for ax in figure.axes if ax.images]
    assert [first.get_title(), second.get_title()] == ["wild type", "difference"]
    drawn = np.ma.filled(first.images[0].get_array().astype(float), np.nan)
    np.testing.assert_array_equal(drawn, [[np.nan, 2, 1], [2, np.nan, np.nan], [1, np.nan, np.nan]])
    assert first.get_xticklabels()[0].get_text() == "0.00000"


def test_boundaries_with_a_factor_are_above_the_diagonal_and_without_below():
    row, column = np.triu_indices(3)
    table = pd.DataFrame({"group": "with", "row": row, "column": column, "log2_change": 1.0})
    table.loc[1, "log2_change"] = np.nan
    below = table.assign(group="without", log2_change=-2.0)
    ax = plot_boundary_pileup(pd.concat([table, below]), plt.subplots()[1])
    drawn = np.ma.filled(ax.images[0].get_array().astype(float), np.nan)
    np.testing.assert_array_equal(drawn, [[1, np.nan, 1], [-2, 1, 1], [-2, -2, 1]])


def test_a_pileup_a_group_with_the_site_in_the_middle():
    i, j = np.triu_indices(3)
    offsets = np.array([-10_000, 0, 10_000])
    table = pd.DataFrame({"group": "a", "offset1": offsets[i], "offset2": offsets[j]})
    table["log2_change"] = np.arange(6.0)
    figure = plot_pileups(pd.concat([table, table.assign(group="b")]))
    panels = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title() for ax in panels] == ["a", "b"]
    np.testing.assert_array_equal(
        panels[0].images[0].get_array(), [[0, 1, 2], [1, 3, 4], [2, 4, 5]]
    )
    assert panels[0].images[0].get_extent()[0] == -0.01


def test_sets_and_domains_that_are_too_few_are_said():
    i, j = np.triu_indices(3)
    pileup = pd.DataFrame({"group": "a", "offset1": i, "offset2": j, "log2_change": np.nan})
    (ax,) = plot_pileups(pileup).axes
    assert ax.texts[0].get_text() == "No site lies on an unmasked bin."
    table = pd.DataFrame({"group": "with", "row": i, "column": j, "log2_change": np.nan})
    below = table.assign(group="without", log2_change=1.0)
    half = plot_boundary_pileup(pd.concat([table, below]), plt.subplots()[1])
    assert half.get_xlabel().startswith("no domain with")
    none = plot_boundary_pileup(table, plt.subplots()[1])
    assert none.texts[0].get_text().startswith("No domain")


@pytest.mark.parametrize("reach", [5, 15])
def test_a_map_that_ends_at_a_distance_is_drawn_as_its_band(reach):
    n, i = 20, np.arange(20)
    near = np.abs(i[:, None] - i) < reach
    values = np.where(near, 1.0 + i[:, None] + i, np.nan)
    first, second = np.triu_indices(n)
    table = pd.DataFrame(
        {"map": "wild type", "chrom1": "chr1", "start1": first * 10_000, "chrom2": "chr1"}
        | {"start2": second * 10_000, "value": values[first, second]}
    )
    ax = plot_edit(table, title="cut").axes[0]
    if reach == 15:
        assert ax.images[0].get_array().shape == (n, n)
        return
    (band,) = ax.collections
    assert not ax.images
    assert band.get_array().shape == (reach, n)
    for d in range(reach):
        np.testing.assert_allclose(band.get_array()[d, : n - d], np.diagonal(values, d))
    middles = band.get_coordinates().mean(axis=(0,))  # of all distances' edges, by column
    np.testing.assert_allclose(np.diff(middles[:, 0]), 1)
    assert ax.get_ylabel() == "distance (Mb)"


@pytest.mark.parametrize("reach", [4, 15])
def test_two_chromosomes_are_divided_by_one_line_wherever_the_second_begins(reach):
    """The second may lie at lower coordinates than the first."""
    start = np.r_[np.arange(50, 60), np.arange(20, 30)] * 10_000
    chrom = np.repeat(["chr1", "chr2"], 10)
    first, second = np.triu_indices(20)
    near = second - first < reach
    table = pd.DataFrame(
        {"map": "wild type", "chrom1": chrom[first], "start1": start[first]}
        | {"chrom2": chrom[second], "start2": start[second], "value": np.where(near, 2.0, np.nan)}
    )
    ax = plot_edit(table, title="t").axes[0]
    assert len(ax.lines) == (1 if reach == 4 else 2)  # of a square, one along each axis
    assert ax.get_xlabel() == "chr1 and chr2 (Mb)"
    assert [text.get_text() for text in ax.get_xticklabels()] == [
        "0.50", "0.55", "0.20", "0.25", "0.30"
    ]  # fmt: skip
    np.testing.assert_allclose(ax.get_xticks(), [-0.5, 4.5, 9.5, 14.5, 19.5])
    if reach == 4:
        assert float(ax.get_yticklabels()[-1].get_text()) == 0.04


def test_ticks_of_a_window_are_round_and_evenly_spaced():
    """Every panel has its own vertical axis, so that a bar's label does not read as one."""
    start = np.arange(33_000_000, 37_500_000, 50_000)
    i, j = np.triu_indices(len(start))
    table = pd.DataFrame({"chrom1": "chr1", "start1": start[i], "chrom2": "chr1"})
    table = table.assign(start2=start[j], value=1.0)
    figure = plot_edit(
        pd.concat([table.assign(map="wild type"), table.assign(map="edited")]), title="t"
    )
    panels = [ax for ax in figure.axes if ax.images]
    assert [ax.get_ylabel() for ax in panels] == ["chr1 (Mb)", "chr1\n(Mb, edited coordinates)"]
    for axis in (panels[0].xaxis, panels[0].yaxis):
        labels = [text.get_text() for text in axis.get_ticklabels()]
        assert labels == ["33", "34", "35", "36", "37"]
        np.testing.assert_allclose(axis.get_ticklocs(), [-0.5, 19.5, 39.5, 59.5, 79.5])
