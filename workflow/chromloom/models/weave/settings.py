"""Settings of `weave`."""

from dataclasses import dataclass
from typing import ClassVar

from chromloom.models.settings import Settings


@dataclass(frozen=True)
class WeaveSettings(Settings):
    """Architecture and fit of `weave`.

    Attributes
    ----------
    embedding_dim : int
        Numbers of a bin, R_i.
    channels, blocks : int
        Width of the encoder, and its dilated convolutions: block k reaches 2^k bins each side, so
        that a bin's numbers follow from the signals within 2^blocks - 1 bins of it.
    barriers, oriented : bool
        Barriers between two bins; a matrix S(d) that need not be symmetric, and
        u(d), v(d) that may differ.
    mirror : bool
        Learn from mirrored chromosomes, too, and predict the mean of both directions.
    dropout, feature_dropout : float
        Share of the encoder's channels, and of the features, left out in a step.
    feature_dropout_end : float
        Part of the epochs after which no feature is left out. A network that does without any one
        signal to the end has learnt to read it from the others, CTCF from its motifs, say: what the
        loss of a peak changes is then told too small. Below 1 for clean signals (simulated).
    distance_weight : float
        The loss of a distance is weighted by its expected contacts to the power of minus this, so
        that far pairs, whose contacts are few, are learnt as well as near ones.
    members : int
        Networks, of consecutive seeds, whose mean is the prediction.
    epochs, window : int
        Times that the training chromosomes are read; rows of the map read in one step.
    refit : bool
        Validation only says, by the first network, after how many epochs to stop; the networks are
        then trained anew on what trained and what validated.
    contrast : float
        Share of the loss that only asks how the contacts of one step are shared among the pairs of
        each distance, and not how many they are. The level of a region depends on what else is on
        its chromosome, which a network cannot learn from one or two.
    learning_rate, weight_decay : float
        Of AdamW; the rate falls to 0 along a cosine.
    average : float
        The network that is kept is a mean over steps with this memory of the last one, 0 for none.
    """

    embedding_dim: int = 16
    channels: int = 48
    blocks: int = 5
    barriers: bool = True
    oriented: bool = True
    mirror: bool = True
    dropout: float = 0.1
    feature_dropout: float = 0.15
    feature_dropout_end: float = 1.0
    distance_weight: float = 0.5
    members: int = 1
    epochs: int = 40
    window: int = 200
    refit: bool = True
    contrast: float = 0.5
    learning_rate: float = 5e-3
    weight_decay: float = 0.01
    average: float = 0.98

    RANGES: ClassVar = {
        "embedding_dim": (1, 1024),
        "channels": (1, 4096),
        "blocks": (1, 12),
        "dropout": (0, 0.95),
        "feature_dropout": (0, 0.95),
        "feature_dropout_end": (0, 1),
        "distance_weight": (0, 1),
        "members": (1, 100),
        "epochs": (1, 1_000_000),
        "window": (3, 1_000_000),
        "weight_decay": (0, 1e6),
        "contrast": (0, 1),
        "average": (0, 0.99999),
    }
    POSITIVE: ClassVar = ("learning_rate",)
