"""GC-MERGE (Bigness et al., J. Computational Biology 2022): graph convolutions over contacts.

Nodes are the promoters of genes (the mean of each mark over the window around the TSS, 10 kb) and
the elements that touch them; edges are interactions, of whatever file or map the elements come
from. The published graph has one node per 10-kb bin and labels bins; here a gene is a node of its
own, so that genes within a bin stay apart. Two layers of SAGE (Hamilton et al. 2017: a node's
numbers beside the mean of its neighbours'), then three linear layers.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from chromloom.models.expression.settings import OUTPUTS, RivalSettings

if TYPE_CHECKING:
    from chromloom.models.chromoformer import Elements

SIZE, HIDDEN = 256, (256, 256)


class GCMerge(nn.Module):
    """The network of its article, section 2.3.

    Parameters
    ----------
    settings : RivalSettings
    n_marks : int
    task : {"clf", "reg"}
    """

    def __init__(self, settings: RivalSettings, n_marks: int, task: str = "clf") -> None:
        super().__init__()
        self.settings, self.task = settings, task
        self.first = nn.Linear(2 * n_marks, SIZE)
        self.second = nn.Linear(2 * SIZE, SIZE)
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Sequential(
            nn.Linear(SIZE, HIDDEN[0]),
            nn.ReLU(),
            nn.Linear(HIDDEN[0], HIDDEN[1]),
            nn.ReLU(),
            nn.Linear(HIDDEN[1], OUTPUTS[task]),
        )

    def forward(self, marks: list[Tensor], elements: "list[Elements] | None" = None) -> Tensor:
        """Logits or level, (B, 2) or (B, 1), of marks [(B, n_marks, n_bins)] and elements.

        An element that touches several genes of the batch is a node of each.
        """
        promoters = marks[0].mean(dim=2)  # (B, n_marks)
        if elements is None or not len(elements[0].gene):
            nothing = promoters.new_zeros(len(promoters), SIZE)
            alone = torch.relu(self.first(torch.cat([promoters, 0 * promoters], dim=1)))
            return self._head(alone, nothing)
        gene = elements[0].gene
        known = elements[0].known.sum(dim=1, keepdim=True).clamp(min=1)
        others = elements[0].marks.sum(dim=2) / known  # (E, n_marks)
        mean = _mean_over(others, gene, len(promoters))
        genes = torch.relu(self.first(torch.cat([promoters, mean], dim=1)))  # (B, SIZE)
        touching = torch.relu(self.first(torch.cat([others, promoters[gene]], dim=1)))  # (E, SIZE)
        return self._head(genes, _mean_over(touching, gene, len(promoters)))

    def _head(self, genes: Tensor, neighbours: Tensor) -> Tensor:
        x = self.dropout(torch.cat([genes, neighbours], dim=1))
        return self.head(torch.relu(self.second(x)))


def _mean_over(rows: Tensor, gene: Tensor, n: int) -> Tensor:
    """Mean of the rows of each gene, (n, d); 0 of a gene without."""
    total = rows.new_zeros(n, rows.shape[1]).index_add(0, gene, rows)
    count = torch.bincount(gene, minlength=n).clamp(min=1)
    return total / count[:, None]
