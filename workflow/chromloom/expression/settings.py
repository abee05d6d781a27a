"""Settings of the models on mean marks; a study is planned with them alone."""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from chromloom.errors import InputError
from chromloom.models.settings import Settings

EDGES = (-20_000, -10_000, -5_000, -2_000, -1_000, -300, 300, 1_000, 2_000, 5_000, 10_000, 20_000)
"""bp; borders of the windows around the TSS that simple models see, beside the gene's body."""


@dataclass(frozen=True)
class WindowSettings(Settings):
    """Which means of marks a model sees.

    Attributes
    ----------
    preset : str
    edges : tuple of int
        bp from the TSS; borders of the windows.
    parts : {"promoter", "all", "elements", "added"}
        Features of the promoter (and body) alone, with those of the elements, of these alone, or
        those of `added` alone.
    body : bool
        Whether the mean over the gene's body is a feature; False is the promoter alone.
    added : tuple of str
        Names of features that are read beside these (`expression.added`).
    """

    edges: tuple[int, ...] = EDGES
    parts: str = "promoter"
    body: bool = True
    added: tuple[str, ...] = ()

    CHOICES: ClassVar = {"parts": ("promoter", "all", "elements", "added")}

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.edges) < 2 or any(a >= b for a, b in pairwise(self.edges)):
            raise InputError(
                f"edges {list(self.edges)} of model '{self.preset}'; expected rising numbers"
            )
        if self.parts == "added" and not self.added:
            raise InputError(
                f"model '{self.preset}' reads added features alone (parts: added) and names none; "
                "name some in its setting added"
            )


@dataclass(frozen=True)
class SimpleSettings(WindowSettings):
    """Settings of the simple models.

    Attributes
    ----------
    depth : int
        Of the trees.
    learning_rate : float
        Of the trees.
    """

    depth: int = 4
    learning_rate: float = 0.05

    RANGES: ClassVar = {"depth": (1, 30)}
    POSITIVE = ("learning_rate",)


@dataclass(frozen=True)
class EncodedSettings(WindowSettings):
    """Settings of the network.

    Attributes
    ----------
    pieces : int
        Of each feature, between quantiles of its values above 0.
    hidden : int
        Of both hidden layers.
    dropout, weight_decay, learning_rate : float
        The rate rises to `learning_rate` and falls to nothing (one-cycle, AdamW).
    steps, passes : int
        At most so many steps, and so many passes over the genes.
    batch_size : int
    members : int
        Trainings that are averaged.
    """

    pieces: int = 8
    hidden: int = 256
    dropout: float = 0.5
    weight_decay: float = 0.2
    learning_rate: float = 3e-3
    steps: int = 700
    passes: int = 10
    batch_size: int = 128
    members: int = 3

    RANGES: ClassVar = {
        "pieces": (1, 1_000),
        "hidden": (1, 65_536),
        "dropout": (0, 0.999),
        "weight_decay": (0, 1e6),
        "steps": (2, 10_000_000),
        "passes": (1, 1_000_000),
        "batch_size": (1, 1_000_000),
        "members": (1, 1_000),
    }
    POSITIVE = ("learning_rate",)
