"""Metrics of classification with weighted samples, so that a bootstrap over blocks is a matrix.

Average precision, area under the ROC curve, accuracy and F1, of one positive class or as the mean
over the classes of a multi-class task (one against the rest); and mAP and F-score as the article's
code has them.
"""

import numpy as np

METRICS = ("mAP", "AuROC", "accuracy", "F1")
_CHUNK = 4_000_000  # weights held at once


def score_binary(
    y: np.ndarray, score: np.ndarray, weights: np.ndarray, *, published: bool = False
) -> np.ndarray:
    """Metrics of one positive class.

    Parameters
    ----------
    y : ndarray, (n,), bool or int
        1 positive.
    score : ndarray, (n,)
        Probability of being positive; 0.5 and above is called positive.
    weights : ndarray, (n_samples, n)
        How often each row counts.
    published : bool
        mAP as the mean of the largest precision at recall >= 0, 0.1, … 1; F as the mean over the
        points of the precision-recall curve (released code, `published` protocol).

    Returns
    -------
    ndarray, (n_samples, 4)
        mAP, AuROC, accuracy, F1; NaN where only one class has weight.
    """
    order = np.argsort(-score, kind="stable")
    y, score = np.asarray(y, dtype=bool)[order], score[order]
    ends = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)  # last of equal scores
    called = score >= 0.5
    result = np.empty((len(weights), 4))
    step = max(_CHUNK // max(len(y), 1), 1)
    for lo in range(0, len(weights), step):
        w = weights[lo : lo + step][:, order].astype(float)
        tp, fp = np.cumsum(w * y, axis=1)[:, ends], np.cumsum(w * ~y, axis=1)[:, ends]
        n_positive, n_negative = tp[:, -1:], fp[:, -1:]
        with np.errstate(invalid="ignore", divide="ignore"):
            recall, fpr = tp / n_positive, fp / n_negative
            precision = np.where(tp + fp > 0, tp / (tp + fp), 1.0)
            gain = np.diff(recall, axis=1, prepend=0)
            area = np.sum(
                np.diff(fpr, axis=1, prepend=0)
                * (recall - gain / 2), axis=1
            )  # fmt: skip
            hits = (w * (y & called)).sum(axis=1)
            right = hits + (w * (~y & ~called)).sum(axis=1)
            f1 = 2 * hits / (n_positive[:, 0] + (w * called).sum(axis=1))
            if published:
                best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
                grid = np.linspace(0, 1, 11)
                average = np.mean(
                    [_first_at(recall, best, level - 1e-12) for level in grid], axis=0
                )
                total = precision + recall
                f1 = np.mean(np.where(total > 0, 2 * precision * recall / total, 0), axis=1)
            else:
                average = np.sum(gain * precision, axis=1)
            values = np.stack([average, area, right / w.sum(axis=1), f1], axis=1)
        values[(n_positive[:, 0] == 0) | (n_negative[:, 0] == 0)] = np.nan
        result[lo : lo + step] = values
    return result


def _first_at(recall: np.ndarray, values: np.ndarray, level: float) -> np.ndarray:
    """Value at the first point of each row whose recall reaches the level."""
    return np.take_along_axis(values, np.argmax(recall >= level, axis=1)[:, None], axis=1)[:, 0]


def score_multiclass(
    y: np.ndarray, probabilities: np.ndarray, weights: np.ndarray, *, published: bool = False
) -> np.ndarray:
    """Metrics of a multi-class task.

    Parameters
    ----------
    y : ndarray, (n,), int
        Class number.
    probabilities : ndarray, (n, n_classes)
    weights : ndarray, (n_samples, n)
    published : bool
        As in `score_binary`.

    Returns
    -------
    ndarray, (n_samples, 4)
        Means over the classes that have weight; accuracy is the share of rows whose most probable
        class is theirs, F1 the mean over classes of that call (or of the curves).
    """
    called = probabilities.argmax(axis=1)
    weights = weights.astype(float)
    per_class = []
    with np.errstate(invalid="ignore", divide="ignore"):
        for k in range(probabilities.shape[1]):
            values = score_binary(y == k, probabilities[:, k], weights, published=published)
            if not published:
                hits = weights @ ((y == k) & (called == k))
                total = weights @ (y == k) + weights @ (called == k)
                values[:, 3] = np.where(np.isnan(values[:, 0]), np.nan, 2 * hits / total)
            per_class.append(values)
        per_class = np.array(per_class)
        count = np.isfinite(per_class).sum(axis=0)
        result = np.nansum(per_class, axis=0) / count
        result[:, 2] = weights @ (called == y) / weights.sum(axis=1)
    return np.where(np.isfinite(result), result, np.nan)


def precision_recall_curve(
    y: np.ndarray, score: np.ndarray, n_points: int = 101
) -> tuple[np.ndarray, np.ndarray]:
    """Precision at evenly spaced recalls, the largest at that recall or above.

    Returns
    -------
    recall, precision : ndarray, (n_points,)
    """
    order = np.argsort(-score, kind="stable")
    y, score = np.asarray(y, dtype=bool)[order], score[order]
    ends = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    tp = np.cumsum(y)[ends]
    precision, recall = tp / (ends + 1), tp / max(y.sum(), 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    grid = np.linspace(0, 1, n_points)
    first = np.minimum(np.searchsorted(recall, grid - 1e-12), len(best) - 1)
    return grid, best[first]


def confusion_matrix(y: np.ndarray, called: np.ndarray, n_classes: int) -> np.ndarray:
    """Rows of class [k] called class [l], (n_classes, n_classes) int64."""
    return np.bincount(y * n_classes + called, minlength=n_classes**2).reshape(n_classes, n_classes)
