"""Pictures of loci and variants: what is drawn where."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from chromloom.plotting.locus import (
    change_limits,
    plot_genes,
    plot_observed_and_predicted,
    plot_triangle,
    plot_variant,
    strength_limits,
)
from chromloom.plotting.style import add_strength_bar

START = np.arange(20) * 10_000
BINS = pd.DataFrame({"chrom": "chr1", "start": START, "end": START + 10_000,
                     "E1": np.linspace(-1, 1, 20)})  # fmt: skip
GENES = pd.DataFrame({"name": ["A", "B"], "start": [10_000, 15_000], "end": [30_000, 90_000],
                      "strand": ["+", "-"]})  # fmt: skip


def some_map(seed=0):
    values = np.random.default_rng(seed).uniform(1, 9, (20, 20))
    values[3] = values[:, 3] = np.nan
    return np.where(np.triu(np.ones((20, 20), bool), 2), values, np.nan)


def test_a_triangle_has_the_pair_of_two_bins_above_their_middle():
    figure, ax = plt.subplots()
    values = some_map()
    mesh = plot_triangle(values, START, 10_000, ax)
    drawn = np.ma.array(mesh.get_array()).reshape(20, 20)
    assert drawn.count() == np.isfinite(values).sum()
    assert drawn[2, 9] == values[2, 9]
    corner = mesh.get_coordinates()[2, 9]
    np.testing.assert_allclose(corner, [(0.02 + 0.09) / 2, 0.07])
    assert ax.get_ylim() == (0, 0.2)
    plot_triangle(values, START, 10_000, ax, down=True)
    assert ax.get_ylim() == (-0.2, 0)
    plt.close(figure)


def test_limits_hold_most_of_what_is_known():
    low, high = strength_limits([some_map()])
    assert 1 < low < high < 9
    assert strength_limits([np.full((2, 2), np.nan)]) == (0.1, 1.0)
    assert change_limits([np.array([[np.nan, -3.0]])]) == (-3.0, 3.0)


def test_a_locus_has_a_row_for_everything():
    loops = {"loops": pd.DataFrame({"start": [0], "end": [10_000], "start2": [90_000],
                                    "end2": [100_000]})}  # fmt: skip
    maps = some_map(), some_map(1)
    figure = plot_observed_and_predicted(
        *maps, BINS, title="t", tracks=["E1"], genes=GENES, loops=loops
    )
    names = [ax.get_ylabel() for ax in figure.axes]
    assert [n for n in names if n != "contact strength"] == [
        "observed", "predicted", "E1", "loops", "genes"
    ]  # fmt: skip
    arc = next(ax for ax in figure.axes if ax.get_ylabel() == "loops").patches[0]
    assert arc.center == (0.05, 0)
    plt.close(figure)


def test_models_stand_side_by_side_and_one_that_cannot_say_says_why():
    maps = {"a": (some_map(), some_map(1)), "b": "smaller than a bin"}
    figure = plot_variant(
        maps, BINS, title="t", region=(50_000, 60_000),
        pieces=[[(50_000, "x"), (19_000, "y -")], [(50_000, "z")]], tracks=["E1"], genes=GENES,
    )  # fmt: skip
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert "smaller than a bin" in texts
    assert {"y -", "z"} <= set(texts)
    assert [ax.get_title() for ax in figure.axes if ax.get_title()] == ["a", "b"]
    plt.close(figure)


def test_a_variant_is_marked_without_a_change_of_the_colours_of_maps():
    figure = plot_variant({"a": (some_map(), some_map(1))}, BINS, title="t",
                          region=(50_000, 300_000), tracks=["E1"])  # fmt: skip
    panels = {ax.get_ylabel(): ax for ax in figure.axes}
    for name in ("wild type", "edited,\non reference", "change"):
        (mark,) = panels[name].patches
        assert mark.get_y() + mark.get_height() <= 0  # below the base
        assert (mark.get_x(), mark.get_width()) == pytest.approx((0.05, 0.15))  # up to the last bin
    mark = next(patch for patch in panels["E1"].patches if patch.get_alpha() == 0.25)
    track = next(patch for patch in panels["E1"].patches if patch is not mark)
    assert mark.get_zorder() < track.get_zorder()
    plt.close(figure)


def test_a_variant_that_no_model_predicts_has_the_reasons():
    reasons = {"a": "smaller than a bin", "b": "no signals"}
    figure = plot_variant(reasons, BINS.iloc[:0], title="t", region=(5, 6))
    drawn = {ax.get_title(): [text.get_text() for text in ax.texts] for ax in figure.axes}
    assert drawn == {model: [reason] for model, reason in reasons.items()}
    plt.close(figure)


def test_labels_that_find_no_room_are_left_out():
    pieces = [[(50_000, "chr1\n0.00-\n0.05"), *[(8_000, "chr1\n0.05-\n0.06")] * 3]]
    figure = plot_variant({"a": (some_map(), some_map(1))}, BINS, title="t",
                          region=(50_000, 60_000), pieces=pieces)  # fmt: skip
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert "chr1\n0.00-\n0.05" in texts
    assert "chr1\n0.05-\n0.06" in texts
    narrow = [[(50_000, "chr1\n0.00-\n0.05"), *[(2_000, "chr1\n0.05-\n0.06")] * 3]]
    figure = plot_variant({"a": (some_map(), some_map(1))}, BINS, title="t",
                          region=(50_000, 60_000), pieces=narrow)  # fmt: skip
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert "chr1\n0.05-\n0.06" not in texts
    plt.close("all")


def test_names_of_genes_do_not_lie_on_each_other():
    figure, ax = plt.subplots(figsize=(3, 1))
    start = np.arange(-3_000, 17_000, 1_000)
    genes = pd.DataFrame({"name": [f"GENE{k}" for k in range(20)], "start": start,
                          "end": start + 4_000, "strand": "+"})  # fmt: skip
    plot_genes(genes, ax, (0.0, 0.1))
    ax.set_xlim(0.0, 0.1)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert 4 <= len(boxes) < 20
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])
    plt.close(figure)


@pytest.mark.parametrize("limits", [(2.0, 60.0), (0.2, 40.0), (1.1, 4.0), (7.1, 7.2)])
def test_labels_of_contact_strength_do_not_lie_on_each_other(limits):
    figure, ax = plt.subplots(figsize=(2.5, 1.4), layout="constrained")
    values, start = some_map(), BINS["start"].to_numpy()
    bar = add_strength_bar(plot_triangle(values, start, 10_000, ax, limits=limits), ax)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in bar.ax.get_yticklabels() if text.get_text()]
    assert len(boxes) >= 2
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])
    plt.close(figure)


@pytest.mark.parametrize(
    ("limits", "labels"),
    [((20, 4000), ["100", "1,000"]), ((50, 2000), ["100", "300", "1,000"]), ((2e-5, 9e-5), None)],
)
def test_numbers_of_contact_strength_have_one_form(limits, labels):
    figure, ax = plt.subplots()
    mesh = plot_triangle(some_map(), START, 10_000, ax, limits=limits)
    found = [text.get_text() for text in add_strength_bar(mesh, ax).ax.get_yticklabels()]
    assert not any("e" in text for text in found)
    if labels:
        assert [text for text in found if text in labels] == labels
    plt.close(figure)
