"""Metrics against scikit-learn, with blocks counted several times."""

import numpy as np
import pytest
from sklearn import metrics as sk

from chromloom.classification.metrics import (
    confusion_matrix,
    precision_recall_curve,
    score_binary,
    score_multiclass,
)

MULTIPLICITY = np.array([[1.0, 1, 1, 1], [2, 0, 1, 3], [0, 0, 4, 1]])


@pytest.fixture(params=[False, True], ids=["distinct", "ties"])
def rows(request):
    rng = np.random.default_rng(0)
    y = rng.random(200) < 0.3
    score = np.clip(0.3 * y + rng.random(200) * 0.7, 0, 1)
    return y, np.round(score, 1) if request.param else score, rng.integers(0, 4, 200)


def test_binary_metrics_are_those_of_scikit_learn(rows):
    y, score, block = rows
    found = score_binary(y, score, block, MULTIPLICITY)
    for values, times in zip(found, MULTIPLICITY, strict=True):
        w = times[block]
        called = score >= 0.5
        expected = [
            sk.average_precision_score(y, score, sample_weight=w),
            sk.roc_auc_score(y, score, sample_weight=w),
            sk.accuracy_score(y, called, sample_weight=w),
            sk.f1_score(y, called, sample_weight=w),
        ]
        np.testing.assert_allclose(values, expected, atol=1e-12)


def test_published_map_is_the_11_point_interpolation(rows):
    y, score, block = rows
    found = score_binary(y, score, block, np.ones((1, 4)), published=True)[0]
    precision, recall, _ = sk.precision_recall_curve(y, score)
    points = [precision[recall >= level - 1e-12].max() for level in np.linspace(0, 1, 11)]
    assert found[0] == pytest.approx(np.mean(points))
    precision, recall = precision[:-1], recall[:-1]  # without the point that no row makes
    f = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    assert found[3] == pytest.approx(f.mean())
    assert found[1] == pytest.approx(sk.roc_auc_score(y, score))


def test_multiclass_metrics_are_means_over_classes():
    rng = np.random.default_rng(1)
    y, block = rng.integers(0, 3, 150), rng.integers(0, 4, 150)
    P = rng.random((150, 3)) + np.eye(3)[y]
    P /= P.sum(axis=1, keepdims=True)
    found = score_multiclass(y, P, block, MULTIPLICITY)
    for values, times in zip(found, MULTIPLICITY, strict=True):
        w = times[block]
        called = P.argmax(axis=1)
        per_class = [
            [f(y == k, P[:, k], sample_weight=w) for k in range(3)]
            for f in (sk.average_precision_score, sk.roc_auc_score)
        ]
        expected = [
            *np.mean(per_class, axis=1),
            sk.accuracy_score(y, called, sample_weight=w),
            sk.f1_score(y, called, sample_weight=w, average="macro"),
        ]
        np.testing.assert_allclose(values, expected, atol=1e-12)


def test_a_resampling_without_one_class_is_nan():
    y, block = np.array([1, 1, 0, 0]), np.array([0, 0, 1, 1])
    found = score_binary(y, np.array([0.9, 0.8, 0.2, 0.1]), block, np.array([[1.0, 1], [2, 0]]))
    assert (found[0] == 1).all()
    assert np.isnan(found[1]).all()


def test_a_class_without_rows_is_left_out_of_the_mean():
    y, P = np.array([0, 1, 0, 1]), np.array([[0.8, 0.2, 0], [0.1, 0.9, 0]] * 2)
    found = score_multiclass(y, P, np.zeros(4, dtype=int), np.ones((1, 1)))
    assert (found == 1).all()


def test_the_curve_is_the_envelope(rows):
    y, score, _ = rows
    recall, precision = precision_recall_curve(y, score, 11)
    theirs, their_recall, _ = sk.precision_recall_curve(y, score)
    for level, value in zip(recall, precision):
        assert value == pytest.approx(theirs[:-1][their_recall[:-1] >= level - 1e-12].max())
    assert (np.diff(precision) <= 0).all()


def test_confusion_has_true_classes_in_rows():
    found = confusion_matrix(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), 3)
    assert found.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
