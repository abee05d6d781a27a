"""Ridge and gradient boosting on the mean marks around a gene: what a network has to beat.

Each gives two numbers of a gene: the level, log2(value + 1), and the probability that the value is
at or above the median of the cell type. Settings are chosen on chromosomes within the training
genes; nothing of a test gene enters.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from chromloom.expression.features import Marks
from chromloom.expression.settings import SimpleSettings
from chromloom.expression.table import inner_groups

PENALTIES = (1.0, 10.0, 100.0, 1_000.0, 10_000.0)
"""Ridge penalties to choose from, of standardised features."""
INVERSE_PENALTIES = (0.001, 0.01, 0.1, 1.0)
"""The same of the logistic regression."""
ROUNDS, PATIENCE = 600, 30


class Ridge:
    """Ridge regression of the level, logistic regression of the class, of standardised features.

    Attributes
    ----------
    arrays : dict of ndarray
        mean, scale (n_features,); level, high (n_features + 1,), the intercept last.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.arrays = dict(arrays)

    @classmethod
    def fit(
        cls, values: np.ndarray, genes: pd.DataFrame, settings: SimpleSettings, *, seed: int
    ) -> "Ridge":
        """Fit to training genes, (n_genes, n_features); penalties by chromosomes among them."""
        from sklearn.linear_model import LogisticRegression

        mean, scale = spread(values)
        standard = (values - mean) / scale
        groups = inner_groups(genes)
        high = genes["high"].to_numpy()

        def surprise(inverse: float, fit: np.ndarray, held: np.ndarray) -> float:
            if len(set(high[fit])) < 2:
                return 0.0
            model = LogisticRegression(C=inverse, max_iter=200, tol=1e-3)
            odds = model.fit(standard[fit], high[fit]).decision_function(standard[held])
            return float(np.logaddexp(0, np.where(high[held], -odds, odds)).mean())

        inverse = best_setting(INVERSE_PENALTIES, surprise, groups)
        of_high = LogisticRegression(C=inverse, max_iter=500, tol=1e-3).fit(standard, high)
        return cls(
            {
                "mean": mean,
                "scale": scale,
                "level": ridge_weights(standard, genes["level"].to_numpy(), groups),
                "high": np.append(of_high.coef_[0], of_high.intercept_),
            }
        )

    def predict(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Level and probability, (n_genes,) each."""
        standard = (values - self.arrays["mean"]) / self.arrays["scale"]
        level, high = self.arrays["level"], self.arrays["high"]
        return standard @ level[:-1] + level[-1], expit(standard @ high[:-1] + high[-1])

    def save(self, folder: Path) -> None:
        """Write to a folder."""
        np.savez(folder / "ridge.npz", **self.arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, folder: Path) -> "Ridge":
        """Read from a folder."""
        with np.load(folder / "ridge.npz", allow_pickle=False) as file:
            return cls({name: file[name] for name in file.files})


class Boosted:
    """Gradient-boosted trees (XGBoost) of the level and of the class."""

    def __init__(self, level: Any, high: Any) -> None:
        self.level, self.high = level, high

    @classmethod
    def fit(
        cls, values: np.ndarray, genes: pd.DataFrame, settings: SimpleSettings, *, seed: int
    ) -> "Boosted":
        """Fit to training genes; the number of trees by chromosomes that are held out of them."""
        import xgboost

        held = inner_groups(genes) == 0
        models = []
        for target, objective in (("level", "reg:squarederror"), ("high", "binary:logistic")):
            truth = genes[target].to_numpy(dtype=float)
            if target == "high" and len(set(truth[~held])) < 2:
                held = np.arange(len(genes)) % 4 == 0
            settings_ = {
                "objective": objective,
                "max_depth": settings.depth,
                "learning_rate": settings.learning_rate,
                "subsample": 0.7,
                "colsample_bytree": 0.5,
                "min_child_weight": 5,
                "tree_method": "hist",
                "seed": seed,
            }
            fit = xgboost.DMatrix(values[~held], truth[~held])
            other = xgboost.DMatrix(values[held], truth[held])
            found = xgboost.train(
                settings_,
                fit,
                ROUNDS,
                evals=[(other, "held")],
                early_stopping_rounds=PATIENCE,
                verbose_eval=False,
            )
            rounds = found.best_iteration + 1
            models.append(xgboost.train(settings_, xgboost.DMatrix(values, truth), rounds))
        return cls(*models)

    def predict(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Level and probability, (n_genes,) each."""
        import xgboost

        table = xgboost.DMatrix(values)
        return self.level.predict(table), self.high.predict(table)

    def save(self, folder: Path) -> None:
        """Write to a folder."""
        self.level.save_model(folder / "level.ubj")
        self.high.save_model(folder / "high.ubj")

    @classmethod
    def load(cls, folder: Path) -> "Boosted":
        """Read from a folder."""
        import xgboost

        return cls(*(xgboost.Booster(model_file=folder / f"{n}.ubj") for n in ("level", "high")))


PARTS: dict[str, tuple] = {
    "marks-ridge": (Ridge,),
    "marks-xgboost": (Boosted,),
    "marks-mean": (Ridge, Boosted),
    "marks-elements": (Ridge, Boosted),
}


class SimpleModel:
    """One or both of the simple models; of both, levels and log odds are averaged."""

    def __init__(self, settings: SimpleSettings, parts: list) -> None:
        self.settings, self.parts = settings, parts

    @classmethod
    def fit(
        cls,
        marks: Marks,
        genes: pd.DataFrame,
        settings: SimpleSettings,
        *,
        seed: int,
        device: str = "cpu",
    ) -> "SimpleModel":
        """Fit to training genes: one row of `marks` per row of `genes` (chrom, level, high)."""
        values = marks.seen_by(settings)
        kinds = PARTS[settings.preset]
        return cls(settings, [kind.fit(values, genes, settings, seed=seed) for kind in kinds])

    def predict(self, marks: Marks) -> tuple[np.ndarray, np.ndarray]:
        """Level, log2(value + 1), and probability of being high, (n_genes,) each."""
        values = marks.seen_by(self.settings)
        return average([part.predict(values) for part in self.parts])

    def save(self, folder: str | Path) -> None:
        """Write to a folder that exists."""
        for part in self.parts:
            part.save(Path(folder))

    @classmethod
    def load(cls, folder: str | Path, settings: SimpleSettings, *, n_signals: int) -> "SimpleModel":
        """Read from a folder."""
        return cls(settings, [kind.load(Path(folder)) for kind in PARTS[settings.preset]])


def average(told: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Means of the levels and of the log odds that several models tell of genes."""
    levels, probabilities = zip(*told)
    odds = np.mean([logit(np.clip(p, 1e-6, 1 - 1e-6)) for p in probabilities], axis=0)
    return np.mean(levels, axis=0), expit(odds)


def spread(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of features, (n_features,) each; 1 of one that does not vary."""
    scale = values.std(axis=0)
    return values.mean(axis=0), np.where(scale > 1e-6, scale, 1)


def ridge_weights(standard: np.ndarray, truth: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Ridge regression by the best of `PENALTIES` over held-out groups.

    Parameters
    ----------
    standard : ndarray, (n_genes, n_features)
    truth, groups : ndarray, (n_genes,)

    Returns
    -------
    ndarray, (n_features + 1,)
        The intercept last.
    """
    from sklearn.linear_model import Ridge as RidgeRegression

    def squared(penalty: float, fit: np.ndarray, held: np.ndarray) -> float:
        model = RidgeRegression(penalty).fit(standard[fit], truth[fit])
        return float(((model.predict(standard[held]) - truth[held]) ** 2).mean())

    model = RidgeRegression(best_setting(PENALTIES, squared, groups)).fit(standard, truth)
    return np.append(model.coef_, model.intercept_)


def best_setting(choices: tuple, loss: Callable, groups: np.ndarray) -> float:
    """The choice with the least loss, weighted by genes, over held-out groups."""
    losses = [
        sum(loss(choice, groups != g, groups == g) * (groups == g).sum() for g in set(groups))
        for choice in choices
    ]
    return choices[int(np.argmin(losses))]
