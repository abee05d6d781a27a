"""Pictures of reconstruction: what is drawn is what was given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from chromloom.plotting import reconstruction


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_strata_are_lines_with_intervals():
    table = pd.DataFrame(
        {
            "model": ["eig"] * 3 + ["ceiling"] * 2,
            "metric": "pearson_cp",
            "stratum": ["2-10", "10-40", "all", "2-10", "10-40"],
            "value": [0.9, 0.5, 0.7, 0.95, np.nan],
            "ci_low": [0.85, 0.4, 0.6, 0.9, np.nan],
            "ci_high": [0.92, 0.6, 0.8, 0.99, np.nan],
        }
    )
    ax = reconstruction.plot_strata(table, "pearson_cp")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2-10", "10-40"]
    first, second = (container.lines[0].get_ydata() for container in ax.containers)
    np.testing.assert_array_equal(first, [0.9, 0.5])
    np.testing.assert_array_equal(second, [0.95, np.nan])
    bars = ax.containers[0].lines[2][0].get_segments()
    np.testing.assert_allclose(bars[0][:, 1], [0.85, 0.92])
    assert ax.get_ylabel() == "Pearson r, contact probability"
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["eig", "ceiling"]


def test_distances_are_averaged_by_their_pairs():
    table = pd.DataFrame(
        {"model": "eig", "resolution": 100_000, "distance": [2, 3, 14], "n": [1, 3, 5],
         "r2_cp": [0.0, 0.8, 0.5]}
    )  # fmt: skip
    line = reconstruction.plot_by_distance(table, "r2_cp").lines[0]
    np.testing.assert_allclose(line.get_ydata(), [0.6, 0.5])
    np.testing.assert_allclose(line.get_xdata(), [0.5, 1.5])  # Mb


def test_split_map_has_observed_above_and_predicted_below():
    observed, predicted = np.full((6, 6), 2.0), np.full((6, 6), 5.0)
    observed[0, 3] = np.nan
    ax = reconstruction.plot_split_map(observed, predicted, 10_000_000, 1_000_000, frame=2)
    drawn = np.ma.filled(ax.images[0].get_array().astype(float), np.nan)
    upper = np.triu_indices(6, 1)
    assert np.isnan(drawn[0, 3])
    assert set(drawn[upper][~np.isnan(drawn[upper])]) == {2.0}
    assert (drawn[np.tril_indices(6)] == 5).all()
    assert ax.get_xlim() == (10, 16)
    assert ax.get_ylim() == (16, 10)
    borders = [line.get_xydata().tolist() for line in ax.lines[:-1]]
    assert [[12.0, 10.0], [16.0, 14.0]] in borders  # distance 2 above the diagonal
    assert [[10.0, 12.0], [14.0, 16.0]] in borders
    assert len(borders) == 4


def test_a_map_without_contacts_can_be_drawn():
    empty = np.zeros((4, 4))
    assert reconstruction.plot_split_map(empty, empty, 0, 1000).images


def test_frame_error_leaves_out_its_own_reference():
    table = pd.DataFrame(
        {"model": ["eig"] * 2 + ["distance-mean"] * 2, "position": [1, 0, 0, 1],
         "mse": [0.2, 0.1, 0.4, 0.4], "mse_ratio": [0.5, 0.25, 1, 1]}
    )  # fmt: skip
    ax = reconstruction.plot_frame_error(table)
    assert len(ax.lines) == 1
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [0.25, 0.5])
    assert len(reconstruction.plot_frame_error(table, column="mse").lines) == 2


def _scores(samples, decoders=("own",)):
    """Tables of two strata and two distances: every sample, decoder and reference."""
    rows = [
        (sample, "eig" if number < len(decoders) else "distance-mean", decoder, number)
        for sample in samples
        for number, decoder in enumerate((*decoders, "own"))
    ]
    metrics = pd.DataFrame(
        [
            (sample, 10_000, "A2", model, decoder, metric, stratum, 0.1 * number, 0.0, 0.5)
            for sample, model, decoder, number in rows
            for metric in ("pearson_cp", "r2_distance")
            for stratum in ("2-10", "10-40")
        ],
        columns=[
            "sample", "resolution", "against", "model", "decoder", "metric", "stratum", "value",
            "ci_low", "ci_high",
        ],
    )  # fmt: skip
    distances = pd.DataFrame(
        [
            (sample, 10_000, model, decoder, distance, 5, 0.1 * number, 0.2 * number)
            for sample, model, decoder, number in rows
            for distance in (2, 30)
        ],
        columns=[
            "sample", "resolution", "model", "decoder", "distance", "n", "pearson_cp", "r2_cp",
        ],
    )  # fmt: skip
    return metrics, distances


def test_agreement_has_a_line_a_representation_and_decoder():
    scores = _scores(["A"], ["lstm", "fc"])
    shown = [
        reconstruction.plot_agreement(*scores, reliable_distance=distance)
        for distance in (2e5, 2e9, np.nan)
    ]
    assert set(shown[0].axes[2].lines[-1].get_xdata()) == {0.2}
    named = [any("noise" in t.get_text() for t in f.legends[0].get_texts()) for f in shown]
    assert named == [True, False, False]  # a line that is not drawn is not in the legend
    figure = reconstruction.plot_agreement(*scores)
    assert figure.get_suptitle() == "A at 10 kb, scored on A2"
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["eig-lstm", "eig-fc", "distance-mean"]
    below = figure.axes[3]  # R2 at single distances
    np.testing.assert_allclose(below.lines[1].get_ydata(), [0.2, 0.2])
    assert [line.get_linestyle() for line in below.lines] == ["-", ":", ":"]
    assert len({line.get_color() for line in below.lines[:2]}) == 1
    far, plain = (
        reconstruction.plot_agreement(*scores, reliable_distance=d).axes[2].get_xlim()
        for d in (2e9, np.nan)
    )
    assert far == plain


def test_agreement_of_samples_has_each_samples_reference_in_its_colour():
    metrics, distances = _scores(["deep", "shallow"])
    metrics["depth_ratio"] = np.where(metrics["sample"] == "deep", 1.1, 10.0)
    figure = reconstruction.plot_agreement(metrics, distances, by="sample")
    assert not figure.get_suptitle()
    labels = [t.get_text() for t in figure.legends[0].get_texts()]
    assert labels == ["deep", "shallow\n(scored map 10 times as deep)"]
    colours = [line.get_color() for line in figure.axes[2].lines]
    assert colours[0] == colours[1] != colours[2] == colours[3]


def test_resolutions_stand_side_by_side_in_order():
    scores = pd.DataFrame(
        {"resolution": [500_000, 10_000, 10_000], "task": ["TSS", "TSS", "FIRE"],
         "value": [0.2, 0.4, 0.6], "ci_low": 0.1, "ci_high": 0.7}
    )  # fmt: skip
    ax = reconstruction.plot_resolutions(scores, "mAP")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["10", "500"]
    lines = [container.lines[0].get_ydata().astype(float) for container in ax.containers]
    np.testing.assert_array_equal(lines, [[0.4, 0.2], [0.6, np.nan]])


def test_sizes_are_in_order_whatever_that_of_the_table():
    table = pd.DataFrame({"variant": "base", "size": [16, 4, 8], "value": [0.3, 0.1, 0.2]})
    (line,) = reconstruction.plot_sizes(table).lines
    np.testing.assert_array_equal(line.get_xydata(), [[4, 0.1], [8, 0.2], [16, 0.3]])


def test_costs_have_a_row_a_method_and_step():
    table = pd.DataFrame(
        {"method": ["eig", "sci"], "step": ["training", "training"], "run_s": [2.0, 3.0],
         "cpu_s": [1.5, 4.0], "memory_mb": [300, 700]}
    )  # fmt: skip
    time, memory = reconstruction.plot_costs(table)
    cpu = time.collections[0].get_offsets()
    np.testing.assert_array_equal(cpu, [[1.5, 1], [4.0, 0]])  # read from the top
    np.testing.assert_array_equal(time.lines[0].get_xdata(), [2, 3])
    assert [bar.get_width() for bar in memory.patches] == [300, 700]
    assert [label.get_text() for label in time.get_yticklabels()] == [
        "eig, training", "sci, training",
    ]  # fmt: skip


def test_strata_without_values_have_no_tick_and_the_last_is_open():
    table = pd.DataFrame(
        {
            "model": "eig", "metric": "r2_distance", "stratum": ["2-10", "10-40", "400-"],
            "value": [0.5, np.nan, 0], "ci_low": [0.4, np.nan, 0], "ci_high": [0.6, np.nan, 1],
        }
    )  # fmt: skip
    ax = reconstruction.plot_strata(table, "r2_distance")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2-10", "≥ 400"]
    empty = reconstruction.plot_strata(table.assign(value=np.nan), "r2_distance")
    assert empty.texts[0].get_text().startswith("No pairs")


def test_values_below_the_axis_are_marked():
    distances = pd.DataFrame(
        {"model": "eig", "resolution": 10_000, "distance": [5, 15, 25], "n": 10}
    ).assign(r2_cp=[0.8, -3.0, 0.1])
    ax = reconstruction.plot_by_distance(distances, "r2_cp")
    assert ax.get_ylim()[0] == -0.5
    (marks,) = [line for line in ax.lines if line.get_marker() == "v"]
    np.testing.assert_allclose(marks.get_xydata(), [(0.15, -0.5)])
