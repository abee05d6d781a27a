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
        {"model": "eig", "distance": [2, 3, 14], "n": [1, 3, 5], "r2_cp": [0.0, 0.8, 0.5]}
    )
    line = reconstruction.plot_by_distance(table, "r2_cp", 100_000).lines[0]
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
