"""Chromoformer-diff: the change of expression between two cell types, told from both at once.

Written from the article (Methods, "Chromoformer model architecture", and Supplementary Fig. 5a as
the text tells of it): one trunk reads either cell type (Siamese), a head of one hidden layer reads
both regulatory embeddings and gives log2 of the fold change, and two further heads give the level
in each cell type, as auxiliary tasks. The public code has no such model. The article does not say
how the three losses are weighted: they count alike.
"""

from typing import Any

import torch
from torch import Tensor, nn

from chromloom.errors import InputError
from chromloom.models.chromoformer import Chromoformer
from chromloom.models.expression.settings import ChromoformerSettings


class ChromoformerDiff(nn.Module):
    """The Siamese network.

    Parameters
    ----------
    settings : ChromoformerSettings
    n_marks : int
    task : {"diff"}

    Raises
    ------
    InputError
        Windows are asked for, which its heads do not read.
    """

    def __init__(self, settings: ChromoformerSettings, n_marks: int, task: str = "diff") -> None:
        super().__init__()
        if settings.windows:
            raise InputError(
                f"model '{settings.preset}' reads no windows beside its bins; leave out windows="
                f"{settings.windows}"
            )
        self.settings, self.task = settings, task
        self.trunk = Chromoformer(settings, n_marks, "reg")
        self.trunk.head = nn.Sequential()
        size = settings.size * len(settings.bin_sizes)
        self.change = _head(2 * size, settings.hidden)
        self.levels = nn.ModuleList(_head(size, settings.hidden) for _ in range(2))

    def forward(self, first: tuple[Any, Any], second: tuple[Any, Any]) -> Tensor:
        """Change and both levels of genes, (B, 3), of the arguments of a Chromoformer for each."""
        vectors = [self.trunk(*inputs) for inputs in (first, second)]
        levels = [head(x) for head, x in zip(self.levels, vectors)]
        return torch.cat([self.change(torch.cat(vectors, dim=1)), *levels], dim=1)

    def loss(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """Sum of the three mean squared errors; (B, 3) each."""
        return 3 * nn.functional.mse_loss(predicted, truth)


def _head(n_inputs: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_inputs, hidden), nn.ReLU(), nn.Linear(hidden, 1))
