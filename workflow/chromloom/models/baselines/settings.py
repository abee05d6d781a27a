"""Settings of the models that are a table of vectors; a study is planned with them alone."""

from dataclasses import dataclass
from typing import ClassVar

from chromloom.errors import InputError
from chromloom.models.registry import find_model
from chromloom.models.settings import Objective, Settings


@dataclass(frozen=True)
class VectorSettings(Settings):
    """What all of these models have in common.

    Attributes
    ----------
    preset : str
        The model's name.
    embedding_dim : int
        Numbers a bin (d).
    objective : Objective
        Contact probability is read and, by a model's own decoder, predicted.
    """

    embedding_dim: int = 16
    objective: Objective = Objective(target="cp", loss="mse")  # noqa: RUF009 - frozen

    RANGES: ClassVar = {"embedding_dim": (1, 4096)}

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in vars(self).items():
            if isinstance(value, int | float) and value < 0:
                raise InputError(f"{self.preset}: setting {name}={value} is below 0")


@dataclass(frozen=True)
class PCASettings(VectorSettings):
    """Principal components of each chromosome's contact probability."""


@dataclass(frozen=True)
class SBCIDSettings(VectorSettings):
    """One-hot subcompartment of each bin.

    Attributes
    ----------
    embedding_dim : int
        States of the hidden Markov model; with an annotation, as many classes as it has.
    subcompartments : str
        BED file (chrom, start, end, name) of subcompartments; "" infers them from the map.
    features : int
        Singular vectors that the hidden Markov model observes.
    """

    embedding_dim: int = 5
    subcompartments: str = ""
    features: int = 6


@dataclass(frozen=True)
class SCISettings(VectorSettings):
    """Embedding of the contact graph by LINE (Tang et al. 2015; Ashoor et al. 2020).

    Attributes
    ----------
    order : {"both", "first", "second"}
        Proximity that is kept; "both" puts two embeddings of half the size side by side.
    samples : int
        Edges drawn for each order, over all graphs together.
    negatives : int
        Negative vertices an edge.
    learning_rate : float
        At the start; falls linearly to a ten-thousandth.
    """

    embedding_dim: int = 200
    order: str = "both"
    samples: int = 25_000_000
    negatives: int = 5
    learning_rate: float = 0.025

    CHOICES: ClassVar = {"order": ("both", "first", "second")}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.order == "both" and self.embedding_dim % 2:
            raise InputError(
                f"{self.preset}: embedding_dim={self.embedding_dim} is odd; order=both halves it"
            )


@dataclass(frozen=True)
class SniperSettings(VectorSettings):
    """Autoencoder of the inter- or intra-chromosomal row (Xiong & Ma 2019).

    Attributes
    ----------
    input_fraction : float
        Share of the contacts that the autoencoder's input keeps (binomial thinning), where no map
        of low coverage is given; 1 reproduces its input (the `-fc` models).
    dropout : float
        In the decoder's hidden layers. The released code drops the latent vector instead.
    epochs, batch_size, learning_rate
        Of RMSprop.
    """

    embedding_dim: int = 128
    objective: Objective = Objective(target="cp", loss="mse", cp_a=1.0)  # noqa: RUF009 - frozen
    input_fraction: float = 0.1
    dropout: float = 0.25
    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.input_fraction <= 1 or self.dropout >= 1 or self.batch_size < 1:
            raise InputError(
                f"{self.preset}: input_fraction={self.input_fraction}, dropout={self.dropout}, "
                f"batch_size={self.batch_size}; expected a fraction above 0 and up to 1, a dropout "
                "below 1 and a batch of at least 1"
            )

    @property
    def inter(self) -> bool:
        """Whether rows run over other chromosomes."""
        return find_model(self.preset).needs_trans
