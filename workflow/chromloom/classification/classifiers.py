"""The two classifiers of the article, fitted on one fold: XGBoost and a linear model.

The article's linear model is one linear layer with a sigmoid a task, trained on all tasks at once
by the sum of their cross-entropies. No parameter is shared between tasks, so that sum is least
where each task's own is: one logistic regression a task, on standardised features, is that model,
fitted to convergence.
"""

from dataclasses import dataclass

import numpy as np

CLASSIFIERS = ("xgboost", "linear")


@dataclass(frozen=True)
class ClassifierSettings:
    """Settings of the classifiers (article, Methods: "Element identification").

    Attributes
    ----------
    max_depth, max_rounds, early_stopping : int
        Of XGBoost; the rest is its default.
    penalty : float
        C of the logistic regression: inverse strength of the quadratic penalty.
    nthread : int
        Threads of XGBoost.
    seed : int
    """

    max_depth: int = 6
    max_rounds: int = 5000
    early_stopping: int = 20
    penalty: float = 1.0
    nthread: int = 1
    seed: int = 0


def fit_predict(
    classifier: str,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    test: np.ndarray,
    n_classes: int,
    settings: ClassifierSettings,
) -> np.ndarray:
    """Fit on one part of the rows and predict another.

    Parameters
    ----------
    classifier : {"xgboost", "linear"}
    train, validation : (X (n, d) float32, y (n,) int64)
        XGBoost stops when the loss on `validation` no longer falls; the linear model, which has no
        use for it, is fitted on both together.
    test : ndarray, (m, d)
    n_classes : int
    settings : ClassifierSettings

    Returns
    -------
    ndarray, (m, n_classes), float64
        Probabilities. Where the training rows are of one class, the shares of the classes in them.
    """
    fitted_on = np.concatenate([train[1], validation[1]]) if classifier == "linear" else train[1]
    if len(np.unique(fitted_on)) < 2:
        shares = np.bincount(fitted_on, minlength=n_classes) / max(len(fitted_on), 1)
        return np.repeat(shares[None], len(test), axis=0)
    fit = _fit_xgboost if classifier == "xgboost" else _fit_linear
    return fit(train, validation, test, n_classes, settings)


def _fit_xgboost(train, validation, test, n_classes, settings) -> np.ndarray:
    import xgboost

    binary = n_classes == 2
    parameters = {
        "max_depth": settings.max_depth,
        "tree_method": "hist",
        "nthread": settings.nthread,
        "seed": settings.seed,
        "objective": "binary:logistic" if binary else "multi:softprob",
        "eval_metric": "logloss" if binary else "mlogloss",
        "verbosity": 0,
    } | ({} if binary else {"num_class": n_classes})
    data = xgboost.DMatrix(train[0], train[1], nthread=settings.nthread)
    watched = xgboost.DMatrix(validation[0], validation[1], nthread=settings.nthread)
    booster = xgboost.train(
        parameters, data, settings.max_rounds, evals=[(watched, "validation")],
        early_stopping_rounds=settings.early_stopping, verbose_eval=False,
    )  # fmt: skip
    found = booster.inplace_predict(test, iteration_range=(0, booster.best_iteration + 1))
    return np.stack([1 - found, found], axis=1) if binary else found.astype(np.float64)


def _fit_linear(train, validation, test, n_classes, settings) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression

    X, y = (np.concatenate(parts) for parts in zip(train, validation))
    mean, std = X.mean(axis=0), X.std(axis=0)
    std = np.where(std > 0, std, 1)
    model = LogisticRegression(C=settings.penalty, solver="newton-cholesky", max_iter=1000)
    model.fit((X - mean) / std, y)
    found = np.zeros((len(test), n_classes))
    found[:, model.classes_] = model.predict_proba((test - mean) / std)
    return found
