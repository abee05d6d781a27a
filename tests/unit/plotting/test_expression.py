"""Scores of expression by model, drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from chromloom.plotting.expression import plot_scores

SCORES = pd.DataFrame(
    {
        "model": ["marks-mean", "chromoformer-embedding", "flat"],
        "metric": "auc",
        "value": [0.95, 0.94, np.nan],
        "low": [0.94, 0.93, np.nan],
        "high": [0.96, 0.95, np.nan],
    }
)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def test_every_model_has_its_value_and_interval():
    ax = plot_scores(SCORES, "auc")
    assert [text.get_text() for text in ax.get_yticklabels()] == list(SCORES["model"])
    points = [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 1]
    assert points == [0.95, 0.94]
    spans = [part.get_segments()[0][:, 0].tolist() for part in ax.collections]
    assert spans == [pytest.approx([0.94, 0.96]), pytest.approx([0.93, 0.95])]
    assert [text.get_text() for text in ax.texts] == ["undefined"]
    assert ax.yaxis_inverted()


def test_a_panel_without_values_says_so():
    ax = plot_scores(SCORES.assign(value=np.nan), "auc")
    assert "not defined for any model" in ax.texts[0].get_text().replace("\n", " ")
