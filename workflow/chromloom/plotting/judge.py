"""Figures that compare models with simulated genomes (docs/simulated.md), one point per genome."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from chromloom.plotting.style import PALETTE

GROUP = ["model", "measure", "item", "method"]
SCORES = {
    "between": "barrier, by attribution",
    "contrast": "contrast of attribution",
    "score": "sum of attribution, high first",
    "insulation": "insulation score",
    "degree": "degree",
    "eigenvector": "leading eigenvector",
}
EDITS = {
    "model, lifted": "model, lifted",
    "model, affinity": "model, affinity",
    "model, released": "model, released",
    "no change": "no change",
    "article": "article's baseline",
    "shifted observed": "shifted observed",
    "shifted expected": "shifted expected",
}
KINDS = ("deletion", "duplication", "inversion")
PARTS = ("own", "spanning", "all")
KNOCKOUTS = ("simulated", "average", "zero", "shift")
BASELINES = (
    "insulation",
    "degree",
    "eigenvector",
    "no change",
    "article",
    "shifted observed",
    "shifted expected",
)
WITHOUT_MODEL = {**dict.fromkeys(BASELINES, PALETTE[7]), "simulated": PALETTE[6]}
"""Method -> colour."""
LINES = {"anchor_auroc": 0.9, "completeness_error": 1.0, "edit_pearson": 0.7}
"""What a model is asked to reach; completeness in %."""


def summarise_genomes(table: pd.DataFrame) -> pd.DataFrame:
    """Median, lowest and highest value over genomes.

    Parameters
    ----------
    table : DataFrame
        Columns of `perturbation.judge`: sample, model, measure, item, method, value, p_value, n.

    Returns
    -------
    DataFrame
        model, measure, item, method, value (median), lowest, highest, highest_p (the least
        significant genome), n (sum), genomes (with a value that is defined).
    """
    summary = table.groupby(GROUP, sort=False).agg(
        value=("value", "median"),
        lowest=("value", "min"),
        highest=("value", "max"),
        highest_p=("p_value", "max"),
        n=("n", "sum"),
    )
    defined = table.dropna(subset="value").groupby(GROUP)["sample"].nunique()
    genomes = defined.reindex(summary.index, fill_value=0)
    return summary.assign(genomes=genomes).reset_index()


def plot_rows(
    table: pd.DataFrame, models: Sequence[str], axes: Axes, *, line: float | None = None
) -> Axes:
    """One row per method, one point per genome, a tick at their median.

    What needs no model is drawn once; the p-values at the right are of the first model, the highest
    of its genomes.

    Parameters
    ----------
    table : DataFrame
        row (name on the axis), sample, model, method, value, p_value. Rows stand from the top as
        they come. A value that is not defined (NaN) is an open point at 0.
    models : sequence of str
        In the order of their colours.
    axes : Axes
    line : float, optional
        Where to draw a dashed line.
    """
    rows = {name: float(y) for y, name in enumerate(pd.unique(table["row"]))}
    first = table["model"] == models[0]
    shown = table[first | ~table["method"].isin(WITHOUT_MODEL)]
    for (row, method, model), part in shown.groupby(["row", "method", "model"], sort=False):
        colour, y = WITHOUT_MODEL.get(method), rows[row]
        if not colour:
            k = models.index(model)
            colour, y = PALETTE[k % 6], y + 0.6 * ((k + 0.5) / len(models) - 0.5)
        style: dict[str, Any] = {"ls": "none", "marker": "o", "ms": 4, "mec": colour, "alpha": 0.75}
        known = part["value"].dropna()
        if len(known):
            axes.plot(known, np.full(len(known), y), mfc=colour, **style)
            axes.plot(known.median(), y, "|", color=colour, ms=11, mew=1.5)
        if len(known) < len(part):
            axes.plot(0, y, mfc="white", **style)
    small: dict[str, Any] = {"fontsize": 6.5, "va": "center"}
    highest = table[first].groupby("row")["p_value"].max().dropna()
    for row, p in highest.items():
        axes.text(1.02, rows[row], f"{p:.2g}", transform=axes.get_yaxis_transform(), **small)
    if len(highest):
        axes.text(1.02, 1.02, "p ≤", transform=axes.transAxes, **small)
    if line is not None:
        axes.axvline(line, color="0.3", lw=0.8, ls="--", zorder=0)
    axes.set_yticks(list(rows.values()), list(rows))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", color="0.93", lw=0.6)
    axes.set_axisbelow(True)
    return axes


def plot_simulated(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """All questions put to models that have vectors of bins, one panel each.

    Parameters
    ----------
    table : DataFrame
        As for `summarise_genomes`, the rows of all genomes and models. Of predictors, which have
        no vectors, only maps and edits are judged: they are left out, unless there are no others,
        where these alone are drawn (`plot_edits`).

    Returns
    -------
    Figure, DataFrame
        And the numbers, see `summarise_genomes`.
    """
    with_vectors = table.loc[table["measure"] == "anchor_auroc", "model"].unique()
    if not len(with_vectors):
        return plot_edits(table)
    table = table[table["model"].isin(with_vectors)]
    figure, axes = plt.subplots(
        2, 4, figsize=(13.5, 6.2), layout="constrained", height_ratios=[1, 1.4]
    )
    models = list(pd.unique(table["model"]))
    by_measure = dict(list(table.groupby("measure", sort=False)))
    _plot_scores(by_measure["anchor_auroc"], models, axes[0, 0])
    for kind, ax in zip(KINDS, axes[0, 1:]):
        _plot_edits(by_measure["edit_pearson"], kind, models, ax)
        ax.tick_params(labelleft=kind == KINDS[0])
    _plot_completeness(by_measure["completeness_error"], models, axes[1, 0])
    groups = {"strong anchors": "Strong anchors", "random": "Random bins"}
    changes = by_measure["knockout_change"]
    changes = changes.assign(value=100 * changes["value"])
    for (group, name), ax in zip(groups.items(), axes[1, 1:]):
        _plot_knockouts(changes, group, models, ax)
        ax.set(xlabel="change of contact strength (%)", title=f"{name} knocked out")
    axes[1, 2].sharex(axes[1, 1])
    axes[1, 2].tick_params(labelleft=False)
    _plot_knockouts(by_measure["knockout_pearson"], "strong anchors", models, axes[1, 3])
    axes[1, 3].set(xlabel="Pearson r with simulated change", title="Strong anchors knocked out")
    for letter, ax in zip("abcdefgh", axes.flat):
        ax.set_title(f"{letter}   {ax.get_title()}", loc="left")
        ax.set_title("")
    _add_legend(figure, models)
    return figure, summarise_genomes(table)


def plot_edits(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """How well each model predicts the map and each kind of edit, beside what needs no model.

    Parameters
    ----------
    table : DataFrame
        As for `plot_simulated`.

    Returns
    -------
    Figure, DataFrame
        And the numbers: method, then a column per stratum of the map (`map, 2-10 bins`) and kind of
        edit: median over genomes of Pearson's r between the predicted and the simulated map, and
        log2 change (itself a median over edits), NaN where it is not defined.
    """
    own = table[table["measure"].isin(["map_pearson", "edit_pearson"])]
    of_models = own["method"].str.startswith("model")
    mode = own["method"].str.removeprefix("model").str.removeprefix(", ").replace("lifted", "")
    name = own["model"] + np.where(mode == "", "", ", " + mode)
    maps = own["measure"] == "map_pearson"
    own = own.assign(
        row=np.where(of_models, name, own["method"]),
        item=np.where(maps, "map, " + own["item"] + " bins", own["item"]),
    )
    rows = [*pd.unique(own.loc[of_models, "row"]), *pd.unique(own.loc[~of_models, "row"])]
    kinds = list(pd.unique(own["item"]))
    medians = own.pivot_table(index="row", columns="item", values="value", aggfunc="median")
    medians = medians.reindex(index=rows, columns=kinds)
    figure, ax = plt.subplots(
        figsize=(2.6 + 0.95 * len(kinds), 1.2 + 0.3 * len(rows)), layout="constrained"
    )
    values = medians.to_numpy(float)
    ax.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    for (k, n), value in np.ndenumerate(values):
        text, dark = ("–", False) if np.isnan(value) else (f"{value:.2f}", abs(value) > 0.6)
        ax.text(n, k, text, ha="center", va="center", color="w" if dark else "k", fontsize=8)
    ax.axhline(len(pd.unique(own.loc[of_models, "row"])) - 0.5, color="k", lw=0.8)
    ax.set_xticks(range(len(kinds)), [kind.replace(", ", ",\n") for kind in kinds])
    ax.set_yticks(range(len(rows)), rows)
    ax.tick_params(length=0)
    ax.set_title("Pearson r of prediction and simulation", loc="left")
    return figure, medians.rename_axis("method").reset_index()


def _in_order(table, column, names):
    """Rows whose `column` is among `names`, in their order, with what they are called as `row`."""
    order = {name: k for k, name in enumerate(names)}
    part = table[table[column].isin(order)]
    part = part.sort_values(column, key=lambda values: values.map(order), kind="stable")
    return part.assign(row=part[column].map(names))


def _plot_scores(table, models, ax):
    plot_rows(_in_order(table, "method", SCORES), models, ax, line=LINES["anchor_auroc"])
    ax.axvline(0.5, color="0.85", lw=0.8, zorder=0)
    ax.set(
        xlim=(min(0.35, table["value"].min()) - 0.02, 1.02),
        xlabel="AuROC",
        title="Loop anchors by their score",
    )


def _plot_edits(table, kind, models, ax):
    part = _in_order(table[table["item"] == kind], "method", EDITS)
    plot_rows(part, models, ax, line=LINES["edit_pearson"])
    ax.axvline(0, color="0.85", lw=0.8, zorder=0)
    ax.set(
        xlim=(min(-0.1, part["value"].min()) - 0.05, 1.05),
        xlabel="Pearson r with simulated change",
        title=kind.capitalize(),
    )


def _plot_completeness(table, models, ax):
    part = table.assign(row=table["sample"], value=100 * table["value"])
    plot_rows(part, models, ax, line=LINES["completeness_error"])
    ax.set_xscale("log")
    ax.set(xlabel="completeness error (%) of a chromosome", title="Completeness of attributions")


def _plot_knockouts(table, group, models, ax):
    names = {f"{group}, {part}": part for part in PARTS}
    part = _in_order(_in_order(table, "method", {k: k for k in KNOCKOUTS}), "item", names)
    plot_rows(part.assign(row=part["row"] + ", " + part["method"]), models, ax)
    ax.axvline(0, color="0.85", lw=0.8, zorder=0)


def _add_legend(figure, models):
    point: dict[str, Any] = {"ls": "none", "marker": "o", "ms": 4}
    handles = [
        Line2D([], [], color=PALETTE[k % 6], label=model, **point) for k, model in enumerate(models)
    ]
    handles += [
        Line2D([], [], color=PALETTE[7], label="no model", **point),
        Line2D([], [], color=PALETTE[6], label="simulated", **point),
        Line2D([], [], color="0.3", mfc="white", label="not defined", **point),
        Line2D([], [], color="0.3", ls="none", marker="|", ms=9, label="median of genomes"),
        Line2D([], [], color="0.3", ls="--", lw=0.8, label="asked for"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
