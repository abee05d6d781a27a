"""The look that all figures share: fonts, colours, colour maps and how a figure is saved."""

import itertools
import textwrap
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler
from matplotlib.ticker import LogFormatter

from chromloom.files import atomic_path, write_tsv
from chromloom.models.registry import models

# Okabe & Ito (2008), readable with every common colour blindness.
PALETTE = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999",
)  # fmt: skip
CONTACT_MAP = "Reds"
DIFFERENCE_MAP = "RdBu_r"


def apply_style() -> None:
    """Set matplotlib's defaults; called once by a script before it draws."""
    mpl.rcParams.update(
        {
            "font.size": 8,
            "axes.titlesize": 9,
            "axes.labelsize": 8,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
            "legend.fontsize": 7,
            "figure.dpi": 150,
            "savefig.dpi": 200,
            "text.parse_math": False,  # names of the user's choice may hold `$`
            "pdf.fonttype": 42,
            "axes.prop_cycle": cycler(color=PALETTE),
        }
    )


def model_colours(names: Iterable[str]) -> dict[str, str]:
    """Colour of each model of a figure: its own; variants get those that no other model has."""
    names = list(dict.fromkeys(names))
    table = {name: model.colour for name, model in models().items()}
    own = {name: table[name] for name in names if name in table}
    colours = dict.fromkeys((*PALETTE, *table.values()))
    free = itertools.cycle([colour for colour in colours if colour not in own.values()])
    return {name: own.get(name) or next(free) for name in names}


def say_empty(axes: Axes, reason: str) -> Axes:
    """Say in a panel why it shows nothing."""
    axes.set_axis_off()
    text = textwrap.fill(reason, 40)
    axes.text(0.5, 0.5, text, ha="center", va="center", color="0.35", transform=axes.transAxes)
    return axes


def add_strength_bar(mesh: ScalarMappable, axes: Axes, *, shrink: float = 0.8) -> Colorbar:
    """Colour bar of contact strength, whose colours are logarithmic."""
    bar = axes.figure.colorbar(mesh, ax=axes, label="contact strength", shrink=shrink)
    ticks = _few_ticks(*mesh.get_clim())
    bar.minorticks_off()
    bar.set_ticks(ticks, labels=[f"{Decimal(f'{tick:.3g}'):,f}" for tick in ticks])
    return bar


def _few_ticks(low: float, high: float) -> list[float]:
    """Round numbers of a logarithmic axis, about three to six whatever it spans."""
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)):
        ticks = np.outer(decades, steps).ravel()
        inside = [*ticks[(ticks >= low) & (ticks <= high)].tolist()]
        if len(inside) >= 3:
            return inside
    return inside if len(inside) == 2 else [low, high]


def save_figure(figure: Figure, table: pd.DataFrame | None, stem: str | Path) -> None:
    """Write `{stem}.pdf`, `{stem}.png` and the plotted numbers as `{stem}.tsv`.

    Parameters
    ----------
    figure : Figure
        What to save; it is closed afterwards.
    table : DataFrame, optional
        The numbers in the picture; None where they are a table of an earlier step.
    stem : str or Path
        Path without suffix.
    """
    stem = Path(stem)
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if isinstance(axis.get_major_formatter(), LogFormatter):  # its powers of ten are formulas
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                tick.label1.set_parse_math(True)
                tick.label2.set_parse_math(True)
    for suffix in (".pdf", ".png"):
        with atomic_path(stem.with_name(stem.name + suffix)) as path:
            figure.savefig(path, bbox_inches="tight")
    plt.close(figure)
    if table is not None:
        write_tsv(table, stem.with_name(stem.name + ".tsv"))
