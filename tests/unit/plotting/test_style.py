"""Colours that tell models apart, and names as they are."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest

from chromloom.models.registry import MODELS
from chromloom.plotting import classification, reconstruction
from chromloom.plotting.style import apply_style, model_colours, save_figure


def test_every_model_has_a_colour_of_its_own():
    colours = model_colours(MODELS)
    assert colours == {name: model.colour for name, model in MODELS.items()}
    assert len(set(colours.values())) == len(MODELS)


def test_variants_take_colours_that_no_other_model_has():
    models = ["eig", "wide", "pca", "narrow", "sci-intra", "wide", "hiclstm-refined"]
    colours = model_colours(models)
    assert list(colours) == list(dict.fromkeys(models))
    assert len(set(colours.values())) == 6
    assert all(colours[name] == MODELS[name].colour for name in colours if name in MODELS)


@pytest.mark.parametrize("models", [["eig", "sci-intra", "pca"], ["seed2", "eig", "seed3"]])
def test_figures_draw_each_model_in_another_colour(models):
    rows = [
        {"model": model, "task": "CTCF", "circular": "no", "metric": "mAP", "value": 0.5}
        | {"ci_low": 0.4, "ci_high": 0.6, "position": x, "mse": 1.0, "mse_ratio": 1.0}
        for model in models
        for x in (0, 1)
    ]
    table = pd.DataFrame(rows)
    for ax in (classification.plot_tasks(table), reconstruction.plot_frame_error(table)):
        handles, labels = ax.get_legend_handles_labels()
        lines = [getattr(handle, "lines", [handle])[0] for handle in handles]
        assert len({line.get_color() for line in lines}) == len(labels) == len(models)


def test_names_with_dollars_are_drawn_and_powers_of_ten_are_formulas(tmp_path):
    with mpl.rc_context():
        apply_style()
        figure, axes = plt.subplots()
        axes.bar([r"$\nonsense$", "a$b$c"], [10, 1000])
        axes.set(title=r"$_{$", yscale="log")
        save_figure(figure, None, tmp_path / "figure")
        names = [tick.label1 for tick in axes.xaxis.get_major_ticks()]
        powers = [tick.label1 for tick in axes.yaxis.get_major_ticks() if tick.label1.get_text()]
    assert [label.get_text() for label in names] == [r"$\nonsense$", "a$b$c"]
    assert not any(label.get_parse_math() for label in names)
    assert powers
    assert all(label.get_parse_math() for label in powers)
