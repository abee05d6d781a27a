"""Models that are a table of vectors: SNIPER, SCI, PCA and subcompartments.

Here lives what they have in common: torch module and how a trained one is used. PCA and
SNIPER-INTRA bring a decoder of their own, which turns the vector of a bin into its whole row; the
others predict nothing until a decoder is trained on them (`chromloom.training.decode`). The rest of
each is in `pca`, `sniper`, `sci` and `sbcid`; settings of all are in `settings`.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from chromloom.errors import ChromloomError, InputError
from chromloom.models.baselines.settings import VectorSettings
from chromloom.models.registry import find_model, load, model_named
from chromloom.models.trained import TrainedModel


@dataclass(frozen=True)
class Fitted:
    """What fitting a model gives."""

    embedding: np.ndarray  # (n_bins, d), float32; anything at masked bins
    history: pd.DataFrame  # one row per epoch
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
        self.embedding = nn.Parameter(torch.zeros(sum(lengths), settings.embedding_dim))
        decoder = find_model(model_named(settings.preset)).decoder
        self.rows: nn.Module | None = load(decoder)(settings, lengths) if decoder else None


class VectorModel(TrainedModel):
    """A trained model of this family; predicts contact probability if it has its own decoder."""

    @property
    def reads_between(self) -> bool:
        """False: the decoder predicts a whole row."""
        return False

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
        origin: np.ndarray | None = None,
    ) -> Tensor:
        """Contact probability (d1 - d0, hi - lo) of the rows' own prediction."""
        name, rows = self.name, self.module.rows
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
