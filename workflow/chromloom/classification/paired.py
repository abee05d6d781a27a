"""Paired tests between representations on the same held-out rows.

Two models are scored on the same bins of the same folds; blocks are resampled for both at once, so
that the interval is one of their difference. P values are corrected for the number of tests by
Benjamini and Hochberg. Over tasks, models are compared by Wilcoxon's signed ranks.

Protocols are compared by what they say of the same representations.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from chromloom.classification.metrics import METRICS, resample, score_binary
from chromloom.errors import InputError

KEYS = ["sample", "resolution", "norm", "classifier", "task", "protocol"]
ROW = ["bin1", "bin2"]


def compare_models(
    predictions: Sequence[pd.DataFrame] | pd.DataFrame,
    *,
    metric: str = "mAP",
    n_boot: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Difference of every two models on every binary task, by paired bootstrap over blocks.

    Parameters
    ----------
    predictions : DataFrame or sequence of DataFrame
        `ClassificationTables.predictions` of the models.
    metric : {"mAP", "AuROC", "accuracy", "F1"}
    n_boot, seed : int

    Returns
    -------
    DataFrame
        sample, resolution, norm, classifier, task, protocol, model_a, model_b, metric, difference
        (a minus b), ci_low, ci_high, p (two-sided, NaN with one block), p_adjusted (within
        classifier and protocol), n (rows, those that all models predicted).
    """
    if metric not in METRICS:
        raise InputError(f"metric '{metric}' is unknown; known are {', '.join(METRICS)}")
    table = predictions if isinstance(predictions, pd.DataFrame) else pd.concat(predictions)
    rows = []
    for key, task in table.groupby(KEYS, sort=False):
        models = pd.unique(task["model"])
        wide = task.pivot_table(index=[*ROW, "block", "y"], columns="model", values="score")
        wide = wide.dropna().reset_index()
        if len(models) < 2 or wide["y"].nunique() < 2:
            continue
        values = _resampled(wide, models, key[-1] == "published", metric, n_boot, seed)
        for a, b in itertools.combinations(models, 2):
            rows.append((*key, a, b, metric, *_difference(values[a], values[b]), len(wide)))
    columns = ["difference", "ci_low", "ci_high", "p", "n"]
    result = pd.DataFrame(rows, columns=[*KEYS, "model_a", "model_b", "metric", *columns])
    result.insert(len(result.columns) - 1, "p_adjusted", np.nan)
    for _, group in result.dropna(subset="p").groupby(["classifier", "protocol"]):
        result.loc[group.index, "p_adjusted"] = adjust(group["p"].to_numpy())
    return result


def rank_models(metrics: pd.DataFrame, *, metric: str = "mAP") -> pd.DataFrame:
    """Wilcoxon signed-rank test over tasks between every two models.

    Parameters
    ----------
    metrics : DataFrame
        `ClassificationTables.metrics` of several models; tasks with few rows take no part.
    metric : str

    Returns
    -------
    DataFrame
        classifier, protocol, model_a, model_b, metric, mean_difference, n_tasks, p, p_adjusted
        (over all pairs of models); NaN where no task has enough rows.
    """
    from scipy.stats import wilcoxon

    table = metrics[metrics["metric"] == metric]
    rows = []
    for key, part in table.groupby(["classifier", "protocol"], sort=False):
        models = pd.unique(part["model"])
        wide = part[part["few"] == "no"].pivot_table(
            index=["sample", "resolution", "norm", "task"], columns="model", values="value"
        )
        wide = wide.reindex(columns=models)
        for a, b in itertools.combinations(models, 2):
            difference = (wide[a] - wide[b]).dropna()
            p = wilcoxon(difference).pvalue if (difference != 0).sum() > 0 else np.nan
            rows.append((*key, a, b, metric, difference.mean(), len(difference), p))
    columns = ["model_a", "model_b", "metric", "mean_difference", "n_tasks", "p"]
    result = pd.DataFrame(rows, columns=["classifier", "protocol", *columns])
    valid = result["p"].notna()
    result["p_adjusted"] = np.nan
    result.loc[valid, "p_adjusted"] = adjust(result.loc[valid, "p"].to_numpy())
    return result


def compare_protocols(metrics: pd.DataFrame, *, metric: str = "mAP") -> pd.DataFrame:
    """The `published` protocol beside the `honest` one and its control.

    Parameters
    ----------
    metrics : DataFrame
        `ClassificationTables.metrics` of one or more models.
    metric : str

    Returns
    -------
    DataFrame
        sample, resolution, norm, model, classifier, task, circular, metric, honest, ci_low,
        ci_high, few (of honest), shuffled, published, difference (published minus honest),
        at_control (yes where the interval of honest reaches the shuffled control). NaN where a
        protocol was not run.
    """
    keys = ["sample", "resolution", "norm", "model", "classifier", "task", "circular", "metric"]
    table = metrics[metrics["metric"] == metric]
    wide = table.pivot_table(index=keys, columns="protocol", values="value")
    wide = wide.reindex(columns=["honest", "shuffled", "published"]).reset_index()
    honest = table.loc[table["protocol"] == "honest", [*keys, "ci_low", "ci_high", "few"]]
    columns = [*keys, "honest", "ci_low", "ci_high", "few", "shuffled", "published"]
    wide = honest.merge(wide, on=keys, how="left")[columns]  # in the order of the honest rows
    wide["difference"] = wide["published"] - wide["honest"]
    wide["at_control"] = np.where(wide["ci_low"] <= wide["shuffled"], "yes", "no")
    return wide


def describe_protocols(table: pd.DataFrame) -> str:
    """One sentence a classifier on what the difference between the protocols is worth.

    Tasks with few rows take no part; "" where there are no others.

    Parameters
    ----------
    table : DataFrame
        From `compare_protocols`.
    """
    sentences = []
    for classifier, part in table[table["few"] == "no"].groupby("classifier", sort=False):
        difference = part["difference"].dropna()
        sentences.append(
            f"With {classifier}, the published protocol gives {part['metric'].iloc[0]} "
            f"{abs(difference.mean()):.3f} {'above' if difference.mean() > 0 else 'below'} the "
            f"honest one (mean over {len(difference)} pairs of a task and a model; higher in "
            f"{(difference > 0).sum()}), and in "
            f"{(part['at_control'] == 'yes').sum()} of {len(part)} the honest interval reaches the "
            f"control with shuffled labels (mean {part['shuffled'].mean():.3f}; honest "
            f"{part['honest'].mean():.3f}; published {part['published'].mean():.3f})."
        )
    return " ".join(sentences)


def adjust(p: np.ndarray) -> np.ndarray:
    """Benjamini-Hochberg adjusted p values, (n,)."""
    from statsmodels.stats.multitest import multipletests

    return multipletests(p, method="fdr_bh")[1] if len(p) else p


def _resampled(wide, models, published, metric, n_boot, seed) -> dict[str, np.ndarray]:
    """Metric of each model on the rows, then on resamplings of their blocks, (1 + n_boot,)."""
    blocks = resample(wide["block"].to_numpy(), n_boot, np.random.default_rng(seed))
    y, column = wide["y"].to_numpy(), METRICS.index(metric)
    return {
        model: score_binary(y, wide[model].to_numpy(), *blocks, published=published)[:, column]
        for model in models
    }


def _difference(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float, float]:
    """Difference, interval and two-sided p of the resampled metrics of two models."""
    samples = (a - b)[1:]
    samples = samples[np.isfinite(samples)]
    if len(samples) < 2:
        return a[0] - b[0], np.nan, np.nan, np.nan
    low, high = np.percentile(samples, [2.5, 97.5])
    tail = min((samples <= 0).sum(), (samples >= 0).sum())
    return a[0] - b[0], low, high, min(1.0, 2 * (tail + 1) / (len(samples) + 1))
