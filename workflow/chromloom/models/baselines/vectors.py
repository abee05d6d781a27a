"""Models that are a table of vectors: SNIPER, SCI, PCA and subcompartments.

Here live their settings, their torch module and how a trained one is used. PCA and SNIPER-INTRA
bring a decoder of their own, which turns the vector of a bin into its whole row; the others predict
nothing until a decoder is trained on them (`chromloom.training.decode`). How each is fitted is in
`pca`, `sniper`, `sci` and `sbcid`.
"""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from chromloom.errors import ChromloomError, InputError
from chromloom.models.trained import TrainedModel


@dataclass(frozen=True)
class VectorSettings:
    """What all of these models have in common.

    Attributes
    ----------
    preset : str
        The model's name.
    embedding_dim : int
        Numbers a bin (d).
    cp_a, cp_delta : float
        Coefficients of the contact probability that is read and, by a model's own decoder,
        predicted.
    """

    preset: str
    embedding_dim: int
    cp_a: float
    cp_delta: float = 1e-10

    target: ClassVar[str] = "cp"
    head: ClassVar[str] = "step"
    decoder: ClassVar[str] = "own"
    frame: ClassVar[int] = 150
    hidden_size: ClassVar[int] = 0
    directions: ClassVar[int] = 1
    carry_state: ClassVar[bool] = False
    bilinear: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for known in fields(self):
            name, value, kind = known.name, getattr(self, known.name), known.type
            if kind is float and type(value) is int:
                object.__setattr__(self, name, float(value))
            elif type(value) is not kind:
                raise InputError(
                    f"{self.preset}: setting {name}={value!r} is of the wrong type; "
                    f"expected {kind.__name__}"
                )
            elif kind in (int, float) and value < 0:
                raise InputError(f"{self.preset}: setting {name}={value} is below 0")
        if not 1 <= self.embedding_dim <= 4096:
            raise InputError(
                f"{self.preset}: embedding_dim={self.embedding_dim} is out of range; "
                "expected 1 to 4096"
            )

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class PCASettings(VectorSettings):
    """Principal components of each chromosome's contact probability."""

    embedding_dim: int = 16
    cp_a: float = 8.0


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
    cp_a: float = 1.0
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
        return self.preset.startswith("sniper-inter")


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
    cp_a: float = 8.0
    order: str = "both"
    samples: int = 25_000_000
    negatives: int = 5
    learning_rate: float = 0.025

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.order not in ("both", "first", "second"):
            raise InputError(
                f"{self.preset}: order='{self.order}' is unknown; expected both, first or second"
            )
        if self.order == "both" and self.embedding_dim % 2:
            raise InputError(
                f"{self.preset}: embedding_dim={self.embedding_dim} is odd; order=both halves it"
            )


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
    cp_a: float = 8.0
    subcompartments: str = ""
    features: int = 6


@dataclass(frozen=True)
class Fitted:
    """What fitting a model gives."""

    embedding: np.ndarray  # (n_bins, d), float32; anything at masked bins
    history: pd.DataFrame  # one row an epoch
    tensors: dict[str, Tensor] = field(default_factory=dict)  # of the model's own decoder
    config: dict[str, Any] = field(default_factory=dict)  # more for config.json


class VectorModule(nn.Module):
    """Representations, and the model's own decoder where there is one.

    Parameters
    ----------
    settings : VectorSettings
    lengths : sequence of int
        Bins of each chromosome, in the genome's order.
    """

    def __init__(self, settings: VectorSettings, lengths: list[int]):
        super().__init__()
        self.settings = settings
        d = settings.embedding_dim
        self.embedding = nn.Parameter(torch.zeros(sum(lengths), d))
        self.rows: nn.Module | None = None
        if isinstance(settings, PCASettings):
            self.rows = ComponentRows(lengths, d)
        elif isinstance(settings, SniperSettings) and not settings.inter:
            from chromloom.models.baselines.sniper import DecoderRows

            self.rows = DecoderRows(settings, lengths)


class ComponentRows(nn.Module):
    """Row of a bin from its principal components: mean_j + R_i . V_j."""

    def __init__(self, lengths: list[int], d: int):
        super().__init__()
        self.edges = np.append(0, np.cumsum(lengths))
        self.components = nn.Parameter(torch.zeros(sum(lengths), d))
        self.mean = nn.Parameter(torch.zeros(sum(lengths)))

    def forward(self, R: Tensor, chrom: int) -> Tensor:
        """Rows (B, n) of the bins with representations R (B, d)."""
        own = slice(int(self.edges[chrom]), int(self.edges[chrom + 1]))
        return self.mean[own] + R @ self.components[own].T


class VectorModel(TrainedModel):
    """A trained model of this family; predicts contact probability if it has its own decoder."""

    def _target(
        self,
        chrom: str,
        R: Tensor,
        masked: np.ndarray,
        lo: int,
        hi: int,
        d0: int,
        d1: int,
        columns: Tensor | None = None,
        between: Tensor | None = None,
        strand: np.ndarray | None = None,
    ) -> Tensor:
        """Contact probability (d1 - d0, hi - lo) of the rows' own prediction."""
        name, rows = self.settings.preset, self.module.rows
        if rows is None:
            raise ChromloomError(
                f"model '{name}' of sample '{self.config['sample']}' has representations and no "
                "decoder, so it predicts no contacts; train a decoder (lstm, cnn or fc) on it and "
                "use that one's folder"
            )
        if len(R) != len(self.mask(chrom)):
            raise InputError(
                f"the own decoder of model '{name}' predicts rows of {len(self.mask(chrom))} bins, "
                f"the edited {chrom} has {len(R)}; train a decoder (lstm, cnn or fc) on it"
            )
        whole = rows(R[lo:hi], self._numbers[chrom]).clamp(0, 1)  # (B, n)
        i = torch.arange(lo, hi, device=R.device)
        j = i + torch.arange(d0, d1, device=R.device)[:, None]  # (L, B)
        return whole[i - lo, j.clamp(max=len(R) - 1)]


MODELS: dict[str, tuple[type[VectorSettings], dict[str, Any]]] = {
    "pca": (PCASettings, {}),
    "sniper-intra": (SniperSettings, {}),
    "sniper-inter": (SniperSettings, {}),
    "sniper-intra-fc": (SniperSettings, {"input_fraction": 1.0}),
    "sniper-inter-fc": (SniperSettings, {"input_fraction": 1.0}),
    "sci": (SCISettings, {}),
    "sci-intra": (SCISettings, {}),
    "sbcid": (SBCIDSettings, {}),
}


def vector_settings(name: str, **options: Any) -> VectorSettings:
    """Settings of a model of this family, some of them replaced.

    Raises
    ------
    InputError
        Unknown model or setting, or a value that does not fit.
    """
    if name not in MODELS:
        raise InputError(f"model '{name}' is unknown; expected one of {', '.join(MODELS)}")
    kind, own = MODELS[name]
    known = {setting.name for setting in fields(kind)} - {"preset"}
    unknown = set(options) - known
    if unknown:
        raise InputError(
            f"model '{name}' has no settings {', '.join(sorted(unknown))}; expected some of "
            f"{', '.join(sorted(known))}"
        )
    return kind(**{"preset": name, **own, **options})
