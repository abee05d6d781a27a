"""HM-CRNN (Kang et al., Frontiers in Genetics 2020): convolution, LSTM and attention over bins.

The part of their network that reads histone marks; those for methylation and transcription factors
are left out, as in Chromoformer's article.
"""

from typing import Any

import torch
from torch import Tensor, nn

from chromloom.models.expression.settings import OUTPUTS, RivalSettings

FILTERS, WIDTH, POOL, SIZE, ATTENTION, HIDDEN = 20, 7, 3, 40, 16, 32


class HMCRNN(nn.Module):
    """The network of histone marks.

    Parameters
    ----------
    settings : RivalSettings
    n_marks : int
        The kernel spans all marks (seven in the article).
    task : {"clf", "reg"}
    """

    def __init__(self, settings: RivalSettings, n_marks: int, task: str = "clf") -> None:
        super().__init__()
        self.settings, self.task = settings, task
        self.convolution = nn.Sequential(
            nn.Conv1d(n_marks, FILTERS, WIDTH),
            nn.BatchNorm1d(FILTERS),
            nn.ReLU(),
            nn.MaxPool1d(POOL, padding=1),
        )
        self.lstm = nn.LSTM(FILTERS, SIZE, batch_first=True, bidirectional=True)
        self.attention = nn.Sequential(
            nn.Linear(2 * SIZE, ATTENTION), nn.Tanh(), nn.Linear(ATTENTION, 1, bias=False)
        )
        self.head = nn.Sequential(
            nn.Linear(2 * SIZE, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, OUTPUTS[task])
        )

    def forward(self, marks: list[Tensor], elements: Any = None) -> Tensor:
        """Logits or level, (B, 2) or (B, 1), of marks [(B, n_marks, n_bins)]."""
        steps = self.convolution(marks[0]).transpose(1, 2)  # (B, n, FILTERS)
        states, _ = self.lstm(steps)  # (B, n, 2 SIZE)
        attention = self.attention(states)[:, :, 0].softmax(dim=1)
        return self.head(torch.einsum("bn,bnd->bd", attention, states))
