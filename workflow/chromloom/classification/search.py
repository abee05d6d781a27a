"""Depth and number of trees of XGBoost (Fig. S15).

The article chose both on odd against even chromosomes; here every combination is scored on the
held-out blocks of the `honest` protocol. Without early stopping: one fit with the most trees gives
the predictions of the fewer.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.classification.classify import ClassificationSettings, open_tasks, sample_task
from chromloom.classification.metrics import score_binary, score_multiclass
from chromloom.files import write_tsv

logger = logging.getLogger(__name__)

DEPTHS = (1, 2, 4, 6, 8, 12)
TREES = (1, 5, 20, 50, 100, 200)


def search_xgboost(
    parquet: str | Path,
    label_sheet: str | Path,
    out: str | Path | None = None,
    *,
    cell_type: str | None = None,
    assembly: str | None = None,
    depths: Sequence[int] = DEPTHS,
    trees: Sequence[int] = TREES,
    settings: ClassificationSettings | None = None,
) -> pd.DataFrame:
    """mAP of every task at every depth and number of trees.

    Parameters
    ----------
    parquet, label_sheet, out, cell_type, assembly
        As in `chromloom.classification.classify.classify_representations`.
    depths, trees : sequence of int
    settings : ClassificationSettings, optional
        Folds, seed, threads and fewest positives.

    Returns
    -------
    DataFrame
        sample, resolution, norm, model, task, circular, few, max_depth, n_trees, metric, value.
    """
    settings = settings or ClassificationSettings()
    tasks = open_tasks(
        parquet, label_sheet, cell_type=cell_type, assembly=assembly, settings=settings
    )
    rows = []
    for labels in tasks.labels.values():
        samples, X = sample_task(tasks, labels, seed=settings.seed)
        several = getattr(labels, "kind", "pairs") == "multiclass"
        rarer = len(samples) if several else samples["y"].value_counts().min()
        classes = getattr(labels, "classes", ("negative", "positive"))
        for depth in depths:
            found = _predict(X, samples, len(classes), depth, trees, settings)
            for n_trees, scores in zip(trees, found):
                value = _average_precision(samples, scores, labels)
                rows.append(
                    tasks.names
                    | {
                        "task": labels.task,
                        "circular": "yes" if labels.circular else "no",
                        "few": "yes" if rarer < settings.min_positives else "no",
                        "max_depth": depth,
                        "n_trees": n_trees,
                        "metric": "mAP",
                        "value": value,
                    }
                )
        logger.info("task %s: %d rows", labels.task, len(samples))
    table = pd.DataFrame(rows)
    if out is not None:
        write_tsv(table, out)
    return table


def _predict(X, samples, n_classes, depth, trees, settings) -> np.ndarray:
    """Held-out probabilities at each number of trees, (n_trees, n, n_classes); NaN = not tested."""
    import xgboost

    y = samples["y"].to_numpy()
    found = np.full((len(trees), len(y), n_classes), np.nan)
    for fold in np.unique(samples["fold1"]):
        test = (samples["fold1"] == fold).to_numpy() & (samples["fold2"] == fold).to_numpy()
        train = (samples["fold1"] != fold).to_numpy() & (samples["fold2"] != fold).to_numpy()
        if not test.any() or len(np.unique(y[train])) < 2:
            continue
        parameters = {
            "max_depth": depth, "tree_method": "hist", "nthread": settings.classifier.nthread,
            "seed": settings.seed, "verbosity": 0, "objective": "binary:logistic",
        }  # fmt: skip
        if n_classes > 2:
            parameters |= {"objective": "multi:softprob", "num_class": n_classes}
        data = xgboost.DMatrix(X[train], y[train], nthread=settings.classifier.nthread)
        booster = xgboost.train(parameters, data, max(trees))
        for k, n_trees in enumerate(trees):
            scores = booster.inplace_predict(X[test], iteration_range=(0, n_trees))
            if n_classes == 2:
                scores = np.stack([1 - scores, scores], axis=1)
            found[k, test] = scores
    return found


def _average_precision(samples, found, labels) -> float:
    scored = np.isfinite(found).all(axis=1)
    y, one = samples["y"].to_numpy()[scored], np.ones((1, 1))
    if len(np.unique(y)) < 2:
        return np.nan
    block = np.zeros(len(y), dtype=np.int64)
    if getattr(labels, "kind", "pairs") == "multiclass":
        return float(score_multiclass(y, found[scored], block, one)[0, 0])
    return float(score_binary(y, found[scored, 1], block, one)[0, 0])
