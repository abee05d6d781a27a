"""DeepDiff (Sekhon et al., Bioinformatics 2018): differential expression, in its seven variants.

Every variant reads marks by the two levels of attention of AttentiveChrome. `raw_d` reads the
difference of the cell types, `raw_c` both as twice as many marks, `raw` difference and both; `aux`
reads each cell type by itself, with a head for the level in it; `siamese` adds a contrastive loss
on the two embeddings. What a variant reads is concatenated before its head.
"""

from typing import Any

import torch
from torch import Tensor, nn

from chromloom.errors import InputError
from chromloom.models.expression.attentivechrome import MARK_SIZE, MarkAttention
from chromloom.models.expression.settings import RivalSettings

VARIANTS: dict[str, tuple[str, ...]] = {
    "raw_d": ("difference",),
    "raw_c": ("both",),
    "raw": ("difference", "both"),
    "aux": ("aux",),
    "raw_aux": ("difference", "both", "aux"),
    "aux_siamese": ("aux", "siamese"),
    "raw_aux_siamese": ("difference", "both", "aux", "siamese"),
}
MARGIN, DIFFERENT, WEIGHT = 2.0, 2.0, 4.0
"""Of the contrastive loss: margin, log2 fold change from which genes differ, their weight."""


class DeepDiff(nn.Module):
    """A variant of the network.

    Parameters
    ----------
    settings : RivalSettings
        `variant` is a key of `VARIANTS`.
    n_marks : int
    task : {"diff"}

    Raises
    ------
    InputError
        There is no such variant.
    """

    def __init__(self, settings: RivalSettings, n_marks: int, task: str = "diff") -> None:
        super().__init__()
        if settings.variant not in VARIANTS:
            raise InputError(
                f"variant '{settings.variant}' of '{settings.preset}'; expected one of "
                f"{', '.join(VARIANTS)}"
            )
        self.settings, self.task = settings, task
        parts = VARIANTS[settings.variant]
        self.siamese = "siamese" in parts
        self.difference = MarkAttention(n_marks) if "difference" in parts else None
        self.both = MarkAttention(2 * n_marks) if "both" in parts else None
        self.cell = MarkAttention(n_marks) if "aux" in parts else None
        size = 2 * MARK_SIZE
        self.levels = nn.ModuleList(nn.Linear(size, 1) for _ in range(2 * ("aux" in parts)))
        n = ("difference" in parts) + ("both" in parts) + 2 * ("aux" in parts)
        self.head = nn.Linear(n * size, 1)
        self._apart = torch.zeros(0)  # distance of the embeddings of the last batch

    def forward(self, first: tuple[Any, Any], second: tuple[Any, Any]) -> Tensor:
        """Change and both levels of genes, (B, 3); levels NaN of a variant that has none."""
        a, b = first[0][0], second[0][0]
        read = []
        if self.difference is not None:
            read.append(self.difference.read(b - a))
        if self.both is not None:
            read.append(self.both.read(torch.cat([a, b], dim=1)))
        levels = torch.full((len(a), 2), torch.nan, device=a.device)
        if self.cell is not None:
            cells = [self.cell.read(x) for x in (a, b)]
            read += cells
            levels = torch.cat([head(x) for head, x in zip(self.levels, cells)], dim=1)
            self._apart = (cells[0] - cells[1]).norm(dim=1)
        return torch.cat([self.head(torch.cat(read, dim=1)), levels], dim=1)

    def loss(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """Mean squared errors of what the variant predicts, and the contrastive loss."""
        loss = nn.functional.mse_loss(predicted[:, 0], truth[:, 0])
        if self.cell is not None:
            loss = loss + 2 * nn.functional.mse_loss(predicted[:, 1:], truth[:, 1:])
        if self.siamese:
            differ = truth[:, 0].abs() >= DIFFERENT
            far = torch.relu(MARGIN - self._apart) ** 2
            loss = loss + torch.where(differ, WEIGHT * far, self._apart**2).mean()
        return loss
