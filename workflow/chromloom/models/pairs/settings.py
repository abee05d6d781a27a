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
        XGBoost: most trees, which validation stops, and their depth.
    learning_rate : float
        XGBoost's.
    """

    n_pairs: int = 300_000
    trees: int = 400
    depth: int = 6
    learning_rate: float = 0.05

    RANGES: ClassVar = {
        "n_pairs": (10, 1_000_000_000),
        "trees": (1, 100_000),
        "depth": (1, 30),
    }
    POSITIVE: ClassVar = ("learning_rate",)
