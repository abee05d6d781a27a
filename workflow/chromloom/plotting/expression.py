"""Pictures of predicted expression (Chromoformer, Figs 2 to 7)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from chromloom.plotting.style import model_colours, say_empty

METRIC_NAMES = {
    "auc": "Area under the ROC curve",
    "average_precision": "Average precision",
    "r": "Pearson correlation of levels",
    "spearman": "Spearman correlation of levels",
    "r2": "R² of levels",
}


def plot_scores(scores: pd.DataFrame, metric: str = "auc", ax: Axes | None = None) -> Axes:
    """One score of every model of a cell type, with its 95 % interval.

    Parameters
    ----------
    scores : DataFrame
        model, metric, value, low, high; one row per model and metric.
    metric : str
        A key of `METRIC_NAMES`.
    ax : Axes, optional

    Returns
    -------
    Axes
        Models from above in the order of the table; a model without a value says undefined.
    """
    table = scores[scores["metric"] == metric]
    if ax is None:
        ax = plt.subplots(figsize=(3.2, 0.9 + 0.22 * len(table)))[1]
    if table["value"].isna().all():
        return say_empty(ax, f"{METRIC_NAMES[metric]} is not defined for any model")
    colours = model_colours(table["model"])
    for place, row in enumerate(table.itertuples()):
        if np.isnan(row.value):
            left = table["value"].min()
            ax.text(left, place, "undefined", va="center", color="0.5", fontsize="small")
            continue
        errors = np.nan_to_num([[row.value - row.low], [row.high - row.value]])
        ax.errorbar(row.value, place, xerr=errors, fmt="o", ms=4, lw=1, color=colours[row.model])
    ax.set_yticks(range(len(table)), table["model"])
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.set_xlabel(METRIC_NAMES[metric])
    ax.grid(axis="x", color="0.9", lw=0.5)
    return ax


def plot_levels(predictions: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Predicted levels of genes against measured ones.

    Parameters
    ----------
    predictions : DataFrame
        level, predicted_level: log2(value + 1), of one row per gene; genes that are not predicted
        (NaN) are left out.
    ax : Axes, optional

    Returns
    -------
    Axes
        A point per gene, and the line on which a perfect prediction lies.
    """
    ax = ax or plt.subplots(figsize=(2.8, 2.6))[1]
    known = predictions.dropna(subset=["level", "predicted_level"])
    if known.empty:
        return say_empty(ax, "no gene has a predicted level")
    ends = known[["level", "predicted_level"]].to_numpy()
    ends = [ends.min(), ends.max()]
    ax.plot(ends, ends, color="0.8", lw=0.8)
    ax.scatter(known["level"], known["predicted_level"], s=3, alpha=0.4, lw=0, rasterized=True)
    ax.set_xlabel("Measured level, log2(value + 1)")
    ax.set_ylabel("Predicted level")
    return ax


def plot_impact(
    impact: pd.DataFrame, task: str = "reg", ax: Axes | None = None, *, kind: str = ""
) -> Axes:
    """Predicted cis-regulatory impact of genes by how many elements they have.

    Parameters
    ----------
    impact : DataFrame
        n_elements, and the impact in a column named as the task.
    task : {"reg", "clf", "elements_level"}
        The last is the predicted level with elements minus without.
    ax : Axes, optional
    kind : str
        What the counted elements are, if not all.

    Returns
    -------
    Axes
        Medians, quartiles and 1.5 interquartile ranges; the number of genes above.
    """
    ax = ax or plt.subplots(figsize=(2.6, 2.6))[1]
    known = impact.dropna(subset=task)
    if known.empty:
        return say_empty(ax, "no model of expression.screen has embeddings to tell an impact from")
    groups = [(n, part[task].to_numpy()) for n, part in known.groupby("n_elements")]
    ax.boxplot(
        [values for _, values in groups],
        positions=[n for n, _ in groups],
        widths=0.7,
        showfliers=False,
        manage_ticks=False,
        medianprops={"color": "#D55E00"},
    )
    top = ax.get_ylim()[1]
    for n, values in groups:
        ax.text(n, top, f"{len(values)}", ha="center", va="bottom", fontsize=5, color="0.4")
    ax.set_xticks([n for n, _ in groups])
    ax.set_xlabel(f"Elements of the gene: {kind}" if kind else "Elements of the gene")
    of_level = task == "elements_level"
    ax.set_ylabel(
        "Level with elements - without" if of_level else "Predicted cis-regulatory impact"
    )
    return ax


def plot_levels_by_impact(impact: pd.DataFrame, task: str = "reg", ax: Axes | None = None) -> Axes:
    """Measured level of genes with elements by their impact, with Spearman's correlation.

    Parameters
    ----------
    impact : DataFrame
        n_elements, level and the impact, as for `plot_impact`.
    task : {"reg", "clf"}
    ax : Axes, optional

    Returns
    -------
    Axes
        Genes above and below the median level apart, as in the article's Fig. 5.
    """
    ax = ax or plt.subplots(figsize=(2.6, 2.6))[1]
    known = impact[(impact["n_elements"] > 0) & impact[task].notna()]
    if len(known) < 10:
        return say_empty(ax, "fewer than ten genes with elements and an impact")
    median = impact["level"].median()
    for high, colour, name in ((True, "#D55E00", "above median"), (False, "#0072B2", "below")):
        part = known[(known["level"] >= median) == high]
        rho = part["level"].corr(part[task], method="spearman") if len(part) > 2 else np.nan
        label = f"{name}: ρ = {rho:.2f}, {len(part)} genes"
        ax.scatter(part[task], part["level"], s=3, lw=0, alpha=0.4, color=colour, label=label)
    ax.set_xlabel("Predicted cis-regulatory impact")
    ax.set_ylabel("log2(value + 1)")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.22), markerscale=2, handletextpad=0.2)
    return ax


def plot_removals(screen: pd.DataFrame, signals: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Change of the predicted level when an element or a signal is taken from a gene.

    Parameters
    ----------
    screen, signals : DataFrame
        change_level; the latter with signal.
    ax : Axes, optional

    Returns
    -------
    Axes
        From above: elements, then signals by their mean absolute change; medians, quartiles and
        1.5 interquartile ranges.
    """
    ax = ax or plt.subplots(figsize=(2.6, 2.6))[1]
    signals = signals.dropna(subset="change_level")  # others are not read by all models
    changes = {"element": screen["change_level"].to_numpy()}
    order = signals["change_level"].abs().groupby(signals["signal"]).mean()
    for name in order.sort_values(ascending=False).index:
        changes[name] = signals.loc[signals["signal"] == name, "change_level"].to_numpy()
    ax.axvline(0, color="0.8", lw=0.8)
    ax.boxplot(
        list(changes.values()),
        orientation="horizontal",
        showfliers=False,
        widths=0.6,
        medianprops={"color": "#D55E00"},
    )
    ax.set_yticks(range(1, len(changes) + 1), list(changes))
    ax.set_ylim(len(changes) + 0.6, 0.4)
    ax.set_xlabel("Change of predicted log2(value + 1)")
    return ax


def plot_windows(scores: pd.DataFrame, metric: str = "auc", ax: Axes | None = None) -> Axes:
    """A score by the length of the window around the TSS, one line per model.

    Parameters
    ----------
    scores : DataFrame
        model, window (bp), metric, value, low, high.
    metric, ax
        As for `plot_scores`.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(2.8, 2.6))[1]
    table = scores[scores["metric"] == metric].sort_values("window")
    if table.empty:
        return say_empty(ax, "no model of expression.models has a setting reach")
    colours = model_colours(table["model"].drop_duplicates())
    for model, own in table.groupby("model", sort=False):
        kb = own["window"] / 1000
        ax.plot(kb, own["value"], marker="o", ms=3, lw=1, color=colours[model], label=model)
        ax.vlines(kb, own["low"], own["high"], color=colours[model], lw=1)
    ax.set_xscale("log")
    ax.set_xticks(sorted(set(table["window"] / 1000)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    ax.set_xlabel("Window around the TSS (kb)")
    ax.set_ylabel(METRIC_NAMES[metric])
    ax.legend(fontsize="x-small", loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    return ax


def plot_strata(scores: pd.DataFrame, metric: str = "auc", ax: Axes | None = None) -> Axes:
    """Difference of models from the one they are compared with, by set of genes.

    Parameters
    ----------
    scores : DataFrame
        stratum, model, n_genes, metric, against, difference, difference_low, difference_high.
    metric, ax
        As for `plot_scores`.

    Returns
    -------
    Axes
        Sets from above, models beside one another, 95 % intervals.
    """
    table = scores[(scores["metric"] == metric) & (scores["model"] != scores["against"])]
    ax = ax or plt.subplots(figsize=(3.2, 2.6))[1]
    if table.empty:
        return say_empty(ax, "there is no second model to compare, or no set of ten genes")
    strata, models = (table[name].drop_duplicates().tolist() for name in ("stratum", "model"))
    colours, height = model_colours(models), 0.8 / len(models)
    ax.axvline(0, color="0.8", lw=0.8)
    for row in table.itertuples():
        place = strata.index(row.stratum) - 0.4 + height * (models.index(row.model) + 0.5)
        errors = [[row.difference - row.difference_low], [row.difference_high - row.difference]]
        label = row.model if row.stratum == strata[0] else None
        ax.errorbar(
            row.difference, place, xerr=np.nan_to_num(errors), fmt="o", ms=3, lw=1,
            color=colours[row.model], label=label,
        )  # fmt: skip
    numbers = table.drop_duplicates("stratum")["n_genes"]
    ax.set_yticks(range(len(strata)), [f"{s} ({n:,})" for s, n in zip(strata, numbers)])
    ax.set_ylim(len(strata) - 0.5, -0.5)
    ax.set_xlabel(f"{METRIC_NAMES[metric]},\ndifference from {table['against'].iloc[0]}")
    ax.legend(fontsize="x-small", loc="upper left", bbox_to_anchor=(1, 1))
    return ax


def plot_classes(
    table: pd.DataFrame, ax: Axes | None = None, *, label: str = "Attention of the TSS"
) -> Axes:
    """A number along the window around the TSS, of genes above and below the median.

    Parameters
    ----------
    table : DataFrame
        position (bp), high, low.
    ax : Axes, optional
    label : str
        Of the vertical axis.

    Returns
    -------
    Axes
        Without a legend, which is the same for all of a figure.
    """
    ax = ax or plt.subplots(figsize=(2.6, 2))[1]
    for column, colour, name in (("high", "#D55E00", "above median"), ("low", "0.5", "below")):
        ax.plot(table["position"] / 1000, table[column], lw=1, color=colour, label=name)
    ax.axvline(0, color="0.8", lw=0.8, zorder=0)
    ax.set_xlabel("From the TSS (kb)")
    ax.set_ylabel(label)
    return ax


def plot_transfer(scores: pd.DataFrame, metric: str = "auc", ax: Axes | None = None) -> Axes:
    """A score by the cell type that was trained on (rows) and the one predicted (columns).

    Parameters
    ----------
    scores : DataFrame
        trained_on, cell_type, metric, value.
    metric, ax
        As for `plot_scores`.

    Returns
    -------
    Axes
    """
    table = scores[scores["metric"] == metric]
    order = table["trained_on"].drop_duplicates().tolist()
    matrix = table.pivot_table(
        index="trained_on", columns="cell_type", values="value", dropna=False
    )
    matrix = matrix.reindex(index=order, columns=order).astype(float)
    ax = ax or plt.subplots(figsize=(2.6, 2.4))[1]
    image = ax.imshow(matrix, cmap="viridis")
    for (row, column), value in np.ndenumerate(matrix.to_numpy()):
        if np.isfinite(value):
            dark = value < np.nanmean(matrix.to_numpy())
            ax.text(column, row, f"{value:.3f}", ha="center", va="center", fontsize="x-small",
                    color="w" if dark else "k")  # fmt: skip
    ax.set_xticks(range(len(order)), order, rotation=45, ha="right")
    ax.set_yticks(range(len(order)), order)
    ax.set_xlabel("Predicted")
    ax.set_ylabel("Trained on")
    ax.figure.colorbar(image, ax=ax, label=METRIC_NAMES[metric])
    return ax


def plot_impact_change(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Change of the level by change of the impact, with Spearman's correlation.

    Parameters
    ----------
    table : DataFrame
        change_impact, change_level, as of `evaluation.regulation.compare_impact`.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(2.6, 2.6))[1]
    if len(table) < 10:
        return say_empty(ax, "fewer than ten genes with elements in both cell types")
    rho = table["change_impact"].corr(table["change_level"], method="spearman")
    ax.scatter(table["change_impact"], table["change_level"], s=3, lw=0, alpha=0.4)
    ax.set_title(f"ρ = {rho:.2f}, {len(table):,} genes")
    ax.set_xlabel("Change of standardised impact")
    ax.set_ylabel("Change of log2(value + 1)")
    return ax


def plot_element_marks(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Mean marks at the elements of groups of genes.

    Parameters
    ----------
    table : DataFrame
        group, n_genes, signal, mean, as of `evaluation.regulation.mean_marks`.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(3, 2.6))[1]
    if table["mean"].isna().all():
        return say_empty(ax, "no gene with elements has an impact")
    signals, width = table["signal"].drop_duplicates(), 0.8 / table["group"].nunique()
    for k, (group, own) in enumerate(table.groupby("group", sort=False)):
        place = np.arange(len(signals)) - 0.4 + width * (k + 0.5)
        label = f"{group} ({own['n_genes'].iloc[0]:,})"
        ax.bar(place, own.set_index("signal")["mean"][signals], width, label=label)
    ax.set_xticks(range(len(signals)), signals, rotation=45, ha="right")
    ax.set_ylabel("Mean over elements, log scale")
    ax.legend(fontsize="x-small", loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    return ax


def plot_attention_map(values: np.ndarray, size: int, ax: Axes | None = None) -> Axes:
    """Attention of every bin around a TSS to every other one.

    Parameters
    ----------
    values : ndarray, (n, n), float
        Rows attend to columns; the TSS in bin n // 2.
    size : int
        bp of a bin.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(2.2, 2.2))[1]
    side = len(values) // 2 * size / 1000
    ax.imshow(values, cmap="magma_r", extent=(-side, side, side, -side), interpolation="nearest")
    ax.set_xlabel("Attended to (kb)")
    ax.set_ylabel("From (kb)")
    return ax
