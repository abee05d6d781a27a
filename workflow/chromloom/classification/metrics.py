"""Metrics of classification from sums by block, so that a bootstrap is a matrix product.

Average precision, area under the ROC curve, accuracy and F1, of one positive class or as the mean
over the classes of a multi-class task (one against the rest); and mAP and F-score as the article's
code has them.
"""

import numpy as np

METRICS = ("mAP", "AuROC", "accuracy", "F1")


def resample(
    block: np.ndarray, n_boot: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Blocks of rows, as they are and resampled.

    Parameters
    ----------
    block : ndarray, (n,)
        Block of each row.
    n_boot : int
        Resamplings; none of a single block.

    Returns
    -------
    index : ndarray, (n,), int64
        Blocks counted from 0.
    multiplicity : ndarray, (1 + n_boot, n_blocks), float64
        How often each block counts: once, then in each resampling.
    """
    present, index = np.unique(block, return_inverse=True)
    k = len(present)
    drawn = rng.multinomial(k, np.full(k, 1 / k), n_boot if k > 1 else 0)
    return index, np.concatenate([np.ones((1, k)), drawn])


def score_binary(
    y: np.ndarray,
    score: np.ndarray,
    block: np.ndarray,
    multiplicity: np.ndarray,
    *,
    published: bool = False,
) -> np.ndarray:
    """Metrics of one positive class.

    Parameters
    ----------
    y : ndarray, (n,), bool or int
        1 positive.
    score : ndarray, (n,)
        Probability of being positive; 0.5 and above is called positive.
    block : ndarray, (n,), int
        Block of each row, in [0, n_blocks).
    multiplicity : ndarray, (n_samples, n_blocks)
        How often each block counts.
    published : bool
        mAP as the mean of the largest precision at recall >= 0, 0.1, … 1; F as the mean over the
        points of the precision-recall curve (released code, `published` protocol).

    Returns
    -------
    ndarray, (n_samples, 4)
        mAP, AuROC, accuracy, F1; NaN where only one class has weight.
    """
    order = np.argsort(-score, kind="stable")
    y, score, block = np.asarray(y, dtype=bool)[order], score[order], block[order]
    ends = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)  # last of equal scores
    called = score >= 0.5
    in_block = block == np.arange(multiplicity.shape[1])[:, None]  # (n_blocks, n)
    tp, fp = (
        multiplicity @ np.cumsum(in_block & side, axis=1)[:, ends].astype(float) for side in (y, ~y)
    )  # (n_samples, n_ends)
    hits, n_called, right = (
        multiplicity @ np.bincount(block, side, minlength=multiplicity.shape[1])
        for side in (y & called, called, y == called)
    )
    n_positive, n_negative = tp[:, -1:], fp[:, -1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = tp / n_positive
        precision = np.where(tp + fp > 0, tp / (tp + fp), 1.0)
        gain = np.diff(recall, axis=1, prepend=0)
        area = np.sum(np.diff(fp / n_negative, axis=1, prepend=0) * (recall - gain / 2), axis=1)
        f1 = 2 * hits / (n_positive[:, 0] + n_called)
        if published:
            best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
            grid = np.linspace(0, 1, 11)
            average = np.mean([_first_at(recall, best, level - 1e-12) for level in grid], axis=0)
            total = precision + recall
            f1 = np.mean(np.where(total > 0, 2 * precision * recall / total, 0), axis=1)
        else:
            average = np.sum(gain * precision, axis=1)
        accuracy = right / (n_positive + n_negative)[:, 0]
    values = np.stack([average, area, accuracy, f1], axis=1)
    values[(n_positive[:, 0] == 0) | (n_negative[:, 0] == 0)] = np.nan
    return values


def _first_at(recall: np.ndarray, values: np.ndarray, level: float) -> np.ndarray:
    """Value at the first point of each row whose recall reaches the level."""
    return np.take_along_axis(values, np.argmax(recall >= level, axis=1)[:, None], axis=1)[:, 0]


def score_multiclass(
    y: np.ndarray,
    probabilities: np.ndarray,
    block: np.ndarray,
    multiplicity: np.ndarray,
    *,
    published: bool = False,
) -> np.ndarray:
    """Metrics of a multi-class task.

    Parameters
    ----------
    y : ndarray, (n,), int
        Class number.
    probabilities : ndarray, (n, n_classes)
    block, multiplicity, published
        As in `score_binary`.

    Returns
    -------
    ndarray, (n_samples, 4)
        Means over the classes that have weight; accuracy is the share of rows whose most probable
        class is theirs, F1 the mean over classes of that call (or of the curves).
    """
    called = probabilities.argmax(axis=1)
    per_class = []

    def total(rows: np.ndarray) -> np.ndarray:
        return multiplicity @ np.bincount(block, rows, minlength=multiplicity.shape[1])

    with np.errstate(invalid="ignore", divide="ignore"):
        for k in range(probabilities.shape[1]):
            values = score_binary(
                y == k, probabilities[:, k], block, multiplicity, published=published
            )
            if not published:
                f1 = 2 * total((y == k) & (called == k)) / (total(y == k) + total(called == k))
                values[:, 3] = np.where(np.isnan(values[:, 0]), np.nan, f1)
            per_class.append(values)
        count = np.isfinite(per_class).sum(axis=0)
        result = np.nansum(per_class, axis=0) / count
        result[:, 2] = total(called == y) / total(np.ones(len(y)))
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
