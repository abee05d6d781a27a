"""Pictures of attributions: domain profile, violins by element, ranked factors, a locus."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chromloom.plotting.locus import plot_track
from chromloom.plotting.style import PALETTE, say_empty

SCORE_NAMES = {
    "z": "importance, z score",
    "normalised": "importance, scaled to ±1",
    "score": "importance",
    "row": "importance as upstream bin",
    "column": "importance as downstream bin",
    "between": "importance for pairs that span the bin",
    "contrast": "contrast of importance across the bin",
}


def plot_domain_profile(profile: pd.DataFrame, axes: Axes, *, column: str = "z") -> Axes:
    """Mean score over domains of varying size (article, Fig. 6a).

    Parameters
    ----------
    profile : DataFrame
        position, part, mean, sem (of `attribution.aggregate.profile_domains`).
    axes : Axes
    column : str
        Of the table of attributions, which was averaged.
    """
    if profile["mean"].isna().all():
        return say_empty(axes, "No domain lies on the map.")
    x = np.arange(len(profile))
    axes.plot(x, profile["mean"], color=PALETTE[0])
    axes.fill_between(
        x,
        profile["mean"] - profile["sem"],
        profile["mean"] + profile["sem"],
        color=PALETTE[0],
        alpha=0.2,
        lw=0,
    )
    inside = np.flatnonzero(profile["part"] == "inside")
    for edge in (inside[0] - 0.5, inside[-1] + 0.5):
        axes.axvline(edge, color=PALETTE[7], lw=0.8, ls="--")
    axes.set_xticks(
        [0, inside[0] - 0.5, inside[-1] + 0.5, len(profile) - 1],
        [f"{profile['position'].iloc[0]} kb", "start", "end", f"{profile['position'].iloc[-1]} kb"],
    )
    axes.set_xlabel("position relative to the domain")
    axes.set_ylabel(f"mean {SCORE_NAMES[column]}")
    return axes


def plot_violins(values: pd.DataFrame, axes: Axes, *, column: str = "z") -> Axes:
    """Distribution of a score by class of element, with median and quartiles (Fig. 6c, d).

    Parameters
    ----------
    values : DataFrame
        name (of a class), value of each of its unmasked bins; classes with fewer than 2 are left
        out.
    axes : Axes
    column : str
    """
    drawn = {name: part.to_numpy() for name, part in values.groupby("name", sort=False)["value"]}
    drawn = {name: values for name, values in drawn.items() if len(values) > 1}
    if not drawn:
        return say_empty(axes, "No class of elements has two bins or more.")
    x = np.arange(1, len(drawn) + 1)
    spread = [len(np.unique(values)) > 1 for values in drawn.values()]
    if any(spread):
        kept = [v for v, good in zip(drawn.values(), spread) if good]
        violins: dict[str, Any] = axes.violinplot(kept, x[spread], showextrema=False, widths=0.8)
        for body in violins["bodies"]:
            body.set(facecolor=PALETTE[5], alpha=0.6)
    quartiles = np.array([np.percentile(v, [25, 50, 75]) for v in drawn.values()])
    axes.vlines(x, quartiles[:, 0], quartiles[:, 2], color="#444444", lw=3)
    axes.plot(x, quartiles[:, 1], "o", color="white", ms=3)
    axes.axhline(0, color=PALETTE[7], lw=0.6)
    names = [f"{name} ({len(values)})" for name, values in drawn.items()]
    axes.set_xticks(x, names, rotation=40, ha="right")
    axes.set_ylabel(SCORE_NAMES[column])
    return axes


def summarise_values(values: pd.DataFrame) -> pd.DataFrame:
    """What `plot_violins` draws in numbers: name, n_bins, q25, median, q75 of each class."""
    grouped = values.groupby("name", sort=False)["value"]
    quartiles = {
        name: grouped.quantile(q) for name, q in {"q25": 0.25, "median": 0.5, "q75": 0.75}.items()
    }
    return pd.DataFrame({"n_bins": grouped.size(), **quartiles}).reset_index()


def plot_ranking(table: pd.DataFrame, axes: Axes, *, n: int = 25, column: str = "z") -> Axes:
    """Mean score of sets against their random mean, highest on top, significant ones filled.

    Parameters
    ----------
    table : DataFrame
        name, mean, random_mean, random_sd, effect, q_value (of `attribution.aggregate.rank_sets`).
    axes : Axes
    n : int
        Sets shown: those whose effect is largest, of either sign.
    column : str
    """
    known = table.dropna(subset=["mean"])
    if known.empty:
        return say_empty(axes, "No set of elements has an unmasked bin.")
    strongest = known["effect"].abs().nlargest(n).index
    top = known.loc[strongest].sort_values("mean")
    y = np.arange(len(top))
    axes.errorbar(
        top["random_mean"],
        y,
        xerr=2 * top["random_sd"],
        fmt="none",
        color=PALETTE[7],
        lw=1,
        label="random bins, 2 s.d.",
    )
    for chosen, face, text in (
        (top["q_value"] < 0.05, PALETTE[0], "q < 0.05"),
        (~(top["q_value"] < 0.05), "white", "q >= 0.05"),
    ):
        axes.plot(
            top["mean"][chosen],
            y[chosen],
            "o",
            mec=PALETTE[0],
            mfc=face,
            ms=4,
            ls="none",
            label=text,
        )
    axes.set_yticks(y, top["name"])
    axes.set_xlabel(f"mean {SCORE_NAMES[column]}")
    if len(top) < len(known):
        axes.set_title(f"{len(top)} of {len(known)} sets, largest difference from random bins")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return axes


def plot_locus(
    scores: pd.DataFrame,
    *,
    column: str = "normalised",
    tracks: Sequence[str] = (),
    elements: Mapping[str, pd.DataFrame] | None = None,
) -> Figure:
    """Attribution along a region above signal tracks and elements (article, Fig. 6b).

    Parameters
    ----------
    scores : DataFrame
        chrom, start, end, `column` and `tracks` of the region's bins.
    column : str
    tracks : sequence of str
        Further columns to draw.
    elements : mapping of str to DataFrame, optional
        Name -> start, end in the region (genes, motifs, peaks) and, where they are of several
        classes, `class` (categorical), which are drawn in colours.

    Returns
    -------
    Figure
    """
    elements = elements or {}
    heights = [2.0] + [1.0] * len(tracks) + [0.4] * len(elements)
    figure, axes = plt.subplots(
        len(heights),
        1,
        figsize=(8, 0.75 * sum(heights) + 0.6),
        sharex=True,
        squeeze=False,
        height_ratios=heights,
        layout="constrained",
    )
    axes, start, size = axes[:, 0], scores["start"], scores["end"] - scores["start"]
    value = scores[column]
    colours = np.where(value >= 0, PALETTE[0], PALETTE[1])
    axes[0].bar(start / 1e6, value, size / 1e6, align="edge", color=colours)
    axes[0].set_ylabel(SCORE_NAMES[column].replace(", ", ",\n"))
    for ax, name in zip(axes[1:], tracks):
        plot_track(scores[name].to_numpy(float), start.to_numpy(), int(size.max()), ax, name)
    for ax, (name, table) in zip(axes[1 + len(tracks) :], elements.items()):
        parts = {"": table}
        if "class" in table:
            parts = dict(list(table.groupby("class", observed=True)))
        for label, part in parts.items():
            colour = "#444444"
            if label:
                number = table["class"].cat.categories.get_loc(label)
                colour = PALETTE[number % len(PALETTE)]
            spans = zip(part["start"] / 1e6, (part["end"] - part["start"]) / 1e6)
            ax.broken_barh(list(spans), (0, 1), color=colour, lw=0, label=label)
        if "class" in table:
            ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), ncols=3, handlelength=1)
        ax.set_yticks([])
        ax.set_ylabel(name, rotation=0, ha="right", va="center")
    axes[-1].set_xlabel(f"{scores['chrom'].iloc[0]} (Mb)")
    axes[0].set_xlim(scores["start"].iloc[0] / 1e6, scores["end"].iloc[-1] / 1e6)
    return figure
