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
            "metric": "mAP",
            "value": [0.7, 0.6, 0.65, 0.55],
            "ci_low": [0.6, 0.5, 0.6, 0.5],
            "ci_high": [0.8, 0.7, 0.7, np.nan],
        }
    )
    control = metrics.assign(value=0.5)
    ax = classification.plot_tasks(metrics, control=control)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["CTCF", "TAD boundaries *"]
    np.testing.assert_array_equal(ax.containers[0].lines[0].get_xdata(), [0.7, 0.6])
    np.testing.assert_allclose(
        np.asarray(ax.containers[1].lines[0].get_ydata(), dtype=float), [0.125, 1.125]
    )
    np.testing.assert_array_equal(ax.collections[-1].get_offsets()[:, 0], [0.5, 0.5])
    assert ax.get_xlabel() == "Mean average precision (* circular)"


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
