"""Pictures of classification: what is drawn is what was given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from chromloom.plotting import classification


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_tasks_are_rows_and_circular_ones_starred():
    metrics = pd.DataFrame(
        {
            "task": ["CTCF", "TAD_boundaries"] * 2,
            "model": ["eig", "eig", "pca", "pca"],
            "circular": ["no", "yes"] * 2,
            "few": ["yes", "no"] * 2,
            "metric": "mAP",
            "value": [0.7, 0.6, 0.65, 0.55],
            "ci_low": [0.6, 0.5, 0.6, 0.5],
            "ci_high": [0.8, 0.7, 0.7, np.nan],
        }
    )
    control = metrics.assign(value=0.5)
    ax = classification.plot_tasks(metrics, control=control)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["CTCF †", "TAD boundaries *"]
    np.testing.assert_array_equal(ax.containers[0].lines[0].get_xdata(), [0.7, 0.6])
    np.testing.assert_allclose(
        np.asarray(ax.containers[1].lines[0].get_ydata(), dtype=float), [0.125, 1.125]
    )
    np.testing.assert_array_equal(ax.collections[-1].get_offsets()[:, 0], [0.5, 0.5])
    assert ax.get_xlabel() == ("Mean average precision (* circular, † few positives: not in means)")


def test_curves_are_lines():
    models = ["eig", "eig", "pca", "pca"]
    curves = pd.DataFrame(
        {"model": models, "recall": [0, 1, 0, 1], "precision": [1, 0.5, 0.8, 0.4]}
    )
    ax = classification.plot_precision_recall(curves, title="CTCF")
    assert [line.get_label() for line in ax.lines] == ["eig", "pca"]
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [0.8, 0.4])


def test_confusion_shows_shares_of_the_true_class():
    confusion = pd.DataFrame(
        {"true": ["A", "A", "B", "B"], "called": ["A", "B", "A", "B"], "n": [3, 1, 0, 0]}
    )
    ax = classification.plot_confusion(confusion)
    shares = np.ma.filled(ax.images[0].get_array(), np.nan)
    np.testing.assert_array_equal(shares, [[0.75, 0.25], [np.nan, np.nan]])
    assert ax.texts[0].get_text() == "0.75\n3"
    assert [t.get_text() for t in ax.get_xticklabels()] == ["A", "B"]


def test_the_grid_has_one_panel_a_classifier_and_model_and_all_tasks_in_each():
    metrics = pd.DataFrame(
        [
            ("linear", "eig", "a", 0.7), ("linear", "eig", "b", 0.8), ("linear", "pca", "b", 0.6),
            ("xgboost", "eig", "a", 0.5),
        ],
        columns=["classifier", "model", "task", "value"],
    ).assign(metric="mAP", circular="no", ci_low=0.4, ci_high=0.9, protocol="honest")  # fmt: skip
    figure = classification.plot_task_grid(metrics, columns="model", by="protocol")
    panels = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_title(loc="left") for ax in panels] == [
        "eig, linear", "pca, linear", "eig, xgboost",
    ]  # fmt: skip
    line = panels[1].containers[0].lines[0]
    assert (line.get_xdata()[0], line.get_ydata()[0]) == (0.6, 1)


def test_many_tasks_are_a_heat_map_with_a_column_of_the_control():
    tasks = [f"t{k}" for k in range(classification.MANY_TASKS + 1)]
    metrics = pd.DataFrame(
        [
            (m, t, k / 20 + n / 10)
            for n, m in enumerate(("eig", "pca"))
            for k, t in enumerate(tasks)
        ],
        columns=["model", "task", "value"],
    ).assign(metric="mAP", classifier="linear", circular="no", few="no", ci_low=0.4, ci_high=0.9)
    metrics.loc[metrics["task"] == "t1", "few"] = "yes"
    shown = metrics.drop(index=3)
    figure = classification.plot_task_grid(
        shown, columns="metric", control=metrics.assign(value=0.5)
    )
    ax = figure.axes[0]
    cells = np.ma.filled(ax.images[0].get_array(), np.nan)
    assert cells.shape == (16, 3)
    np.testing.assert_allclose(cells[2], [0.1, 0.2, 0.5])
    assert np.isnan(cells[-1, 0])  # t3, which comes with the second model
    assert ax.get_yticklabels()[1].get_text() == "t1 †"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["eig", "pca", "shuffled"]


def test_differences_are_filled_where_significant():
    table = pd.DataFrame(
        {
            "task": ["a", "b"], "model_a": "eig", "model_b": "pca", "metric": "mAP",
            "difference": [0.1, 0.01], "ci_low": [0.05, -0.1], "ci_high": [0.2, 0.1],
            "circular": ["no", "yes"], "p_adjusted": [0.01, 0.6], "mean_difference": 0.055,
            "mean_p": 0.25,
        }
    )  # fmt: skip
    ax = classification.plot_differences(table)
    assert ax.get_legend().get_texts()[0].get_text() == "eig - pca: +0.055, p = 0.25"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b *"]
    assert ax.get_xlabel().endswith("\n* circular: in means, too")
    filled, empty = ax.collections[1].get_facecolors()
    assert not np.allclose(filled, 1)
    np.testing.assert_allclose(empty, 1)


def test_the_search_is_a_square_of_its_values():
    table = pd.DataFrame(
        {"max_depth": [2, 2, 6, 6], "n_trees": [5, 50] * 2, "value": [0.5, 0.6, 0.7, 0.8]}
    )
    ax = classification.plot_grid(table)
    np.testing.assert_array_equal(ax.images[0].get_array(), [[0.5, 0.6], [0.7, 0.8]])


def test_panels_without_tasks_say_so():
    metrics = pd.DataFrame(columns=["task", "classifier", "metric", "model", "value"])
    curves = pd.DataFrame(columns=["task", "model", "recall", "precision"])
    confusion = pd.DataFrame(columns=["task", "model", "true", "called", "n"])
    for figure in (
        classification.plot_task_grid(metrics, columns="metric"),
        classification.plot_curves(curves),
        classification.plot_confusions(confusion),
    ):
        (ax,) = figure.axes
        assert ax.texts[0].get_text().startswith("No task")
