"""Settings of predictors that regress on features of pairs of bins."""

from dataclasses import dataclass
from typing import ClassVar

from chromloom.models.settings import Settings


@dataclass(frozen=True)
class PairSettings(Settings):
    """How regressions on pairs are fitted.

    Attributes
    ----------
    n_pairs : int
        Training pairs that are drawn.
    trees, depth : int
        XGBoost: number of trees, and their depth.
    learning_rate : float
        XGBoost's.
    """

    n_pairs: int = 150_000
    trees: int = 400
    depth: int = 4
    learning_rate: float = 0.03

    RANGES: ClassVar = {
        "n_pairs": (10, 1_000_000_000),
        "trees": (1, 100_000),
        "depth": (1, 30),
    }
    POSITIVE: ClassVar = ("learning_rate",)
