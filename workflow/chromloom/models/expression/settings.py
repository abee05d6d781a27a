"""Settings of Chromoformer and its rivals: what they read, and how they are trained."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from chromloom.errors import InputError
from chromloom.models.settings import Settings

OUTPUTS = {"clf": 2, "reg": 1}
"""Numbers that a network of each task gives: two logits (low, high), or the level."""
TRAINING_OPTIONS: dict[str, Any] = {
    "split": "chromosome", "without": [], "permute": [], "control": "", "cell_types": [],
}  # fmt: skip
"""Options of every model of expression that say what it is trained on, and their defaults."""
COMMON: dict[str, Any] = {
    "epochs": 25, "batch_size": 64, "optimizer": "adamw", "learning_rate": 1e-3,
    "schedule": "one-cycle", "keep": "last", "clip": 0.0,
}  # fmt: skip
"""The schedule that all networks can be trained by, to compare what they are and not how."""
PUBLISHED: dict[str, dict[str, Any]] = {
    "deepchrome": {"reach": 5_000, "epochs": 100, "batch_size": 1, "optimizer": "sgd",
                   "learning_rate": 1e-3, "keep": "best", "dropout": 0.5},
    "attentivechrome": {"reach": 5_000, "epochs": 30, "batch_size": 16, "optimizer": "adam",
                        "learning_rate": 2e-4, "clip": 1.0, "keep": "best", "spread": 0.1},
    "hm-crnn": {"reach": 2_000, "epochs": 20, "batch_size": 64, "optimizer": "adam",
                "learning_rate": 1e-3},
    "deepdiff": {"reach": 10_000, "epochs": 120, "batch_size": 10, "optimizer": "adam",
                 "learning_rate": 1e-4, "variant": "raw_aux"},
    "gc-merge": {"reach": 5_000, "epochs": 1000, "batch_size": 0, "optimizer": "adam",
                 "learning_rate": 1e-4, "dropout": 0.5},
}  # fmt: skip
"""Windows and schedules of the published code; those of HM-CRNN beyond its epochs are ours."""


@dataclass(frozen=True)
class RivalSettings(Settings):
    """What a rival reads and how it is trained.

    Attributes
    ----------
    preset : str
    bin_size : int
        bp.
    reach : int
        bp on both sides of the TSS.
    training : {"published", "common"}
        Its own schedule, or `COMMON`.
    epochs, batch_size : int
        A batch of 0 is all genes.
    optimizer : {"sgd", "adam", "adamw"}
    learning_rate : float
    schedule : {"constant", "one-cycle"}
    keep : {"last", "best"}
        Epoch that is kept: the last one, or the one with the least loss on chromosomes that are
        held out of the training genes.
    clip : float
        Largest norm of gradients; 0 for any.
    dropout : float
    spread : float
        Parameters start uniform in [-spread, spread]; 0 for torch's own start.
    variant : str
        Of DeepDiff (`deepdiff.VARIANTS`).
    """

    bin_size: int = 100
    reach: int = 5_000
    training: str = "published"
    epochs: int = 25
    batch_size: int = 64
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    schedule: str = "constant"
    keep: str = "last"
    clip: float = 0.0
    dropout: float = 0.0
    spread: float = 0.0
    variant: str = ""

    CHOICES: ClassVar = {
        "training": ("published", "common"),
        "optimizer": ("sgd", "adam", "adamw"),
        "schedule": ("constant", "one-cycle"),
        "keep": ("last", "best"),
    }
    RANGES: ClassVar = {
        "bin_size": (1, 10_000_000),
        "reach": (1, 100_000_000),
        "epochs": (1, 1_000_000),
        "batch_size": (0, 1_000_000),
        "clip": (0, 1e9),
        "dropout": (0, 0.999),
        "spread": (0, 1e3),
    }
    POSITIVE = ("learning_rate",)
    turn_elements: ClassVar[bool] = False
    windows: ClassVar[int] = 0
    decay: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reach % self.bin_size or self.n_bins < 20:
            raise InputError(
                f"reach {self.reach} of '{self.preset}' with bins of {self.bin_size} bp; "
                "expected a multiple of them, and 20 bins or more in all"
            )

    @property
    def bin_sizes(self) -> tuple[int, ...]:
        """Sizes of bins that are read, in bp."""
        return (self.bin_size,)

    @property
    def n_bins(self) -> int:
        """Bins around the TSS."""
        return 2 * self.reach // self.bin_size

    @property
    def parts(self) -> str:
        """What is read of a gene: its promoter alone, or with elements."""
        return "all" if self.preset == "gc-merge" else "embedding"

    @classmethod
    def of(cls, preset: str, **options: Any) -> Self:
        """The published settings of a rival, some of them replaced; see `Settings.of`."""
        common = COMMON if options.get("training") == "common" else {}
        return super().of(preset, **{**PUBLISHED.get(preset, {}), **common, **options})


@dataclass(frozen=True)
class ChromoformerSettings(Settings):
    """Architecture and schedule; defaults are the article's.

    Attributes
    ----------
    preset : str
    bin_sizes : tuple of int
        bp; one set of transformers each.
    reach : int
        bp on both sides of the TSS.
    parts : {"embedding", "all"}
        Embedding transformers alone (no elements), or all three.
    size, heads, feedforward : int
        Embedding: vector, heads, hidden size of the feed-forward layer.
    pair_layers, pair_heads, pair_feedforward : int
    regulation_layers, regulation_heads, regulation_head_size, regulation_feedforward : int
    hidden : int
        Of the head.
    windows : int
        Pieces that each mean in windows around the TSS is encoded in (`expression.encoding`), to be
        read beside the bins by a hidden layer of its own; 0, as in the article, for none.
    dropout : float
        In the head, and of the windows.
    add_promoter, frequency_per_head : bool
        What the public code does and the article does not say.
    turn_elements : bool
        Elements of genes on the reverse strand run with the gene, as promoters do. Neither the
        article nor its code turns them.
    epochs, batch_size : int
    learning_rate, decay : float
        AdamW; the rate is multiplied by `decay` after every epoch.
    optimizer : {"adamw", "adam", "sgd"}
    clip : float
        Largest norm of gradients; 0 for any.
    keep : {"last", "best"}
        Epoch that is kept: the last one, as in the article, or the one with the least loss on
        chromosomes held out of the training genes.
    schedule : {"decay", "one-cycle"}
        The article's, or a rate that rises to `learning_rate` and falls to nothing by the step.
    """

    bin_sizes: tuple[int, ...] = (100, 500, 2000)
    reach: int = 20_000
    parts: str = "all"
    size: int = 128
    heads: int = 2
    feedforward: int = 128
    pair_layers: int = 2
    pair_heads: int = 2
    pair_feedforward: int = 256
    regulation_layers: int = 6
    regulation_heads: int = 8
    regulation_head_size: int = 32
    regulation_feedforward: int = 256
    hidden: int = 128
    windows: int = 0
    dropout: float = 0.0
    add_promoter: bool = False
    frequency_per_head: bool = False
    turn_elements: bool = False
    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 3e-5
    decay: float = 0.87
    schedule: str = "decay"
    optimizer: str = "adamw"
    clip: float = 0.0
    keep: str = "last"

    CHOICES: ClassVar = {
        "parts": ("embedding", "all"),
        "schedule": ("decay", "one-cycle"),
        "optimizer": ("adamw", "adam", "sgd"),
        "keep": ("last", "best"),
    }
    RANGES: ClassVar = {
        "reach": (1, 100_000_000),
        "size": (2, 65_536),
        "heads": (1, 1_024),
        "feedforward": (1, 65_536),
        "pair_layers": (1, 100),
        "pair_heads": (1, 1_024),
        "pair_feedforward": (1, 65_536),
        "regulation_layers": (1, 100),
        "regulation_heads": (1, 1_024),
        "regulation_head_size": (1, 65_536),
        "regulation_feedforward": (1, 65_536),
        "hidden": (1, 65_536),
        "windows": (0, 1_000),
        "dropout": (0, 0.999),
        "epochs": (1, 1_000_000),
        "batch_size": (1, 1_000_000),
        "clip": (0, 1e9),
    }
    POSITIVE = ("learning_rate", "decay")

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.bin_sizes, default=1) < 1:
            raise InputError(f"bin_sizes {self.bin_sizes} of '{self.preset}'; expected bp above 0")
        if not self.bin_sizes or len(set(self.bin_sizes)) < len(self.bin_sizes):
            raise InputError(f"bin_sizes {self.bin_sizes} of '{self.preset}'; expected some, once")
        if self.size % (2 * self.heads) or self.size % self.pair_heads:
            raise InputError(
                f"size {self.size} of '{self.preset}' is not a multiple of its heads and of 2"
            )
