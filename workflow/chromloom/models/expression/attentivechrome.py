"""AttentiveChrome (Singh et al., NeurIPS 2017): attention over bins, then over marks."""

from typing import Any

import torch
from torch import Tensor, nn

from chromloom.models.expression.settings import OUTPUTS, RivalSettings

BIN_SIZE, MARK_SIZE = 32, 16
"""Hidden numbers of the LSTMs over bins and over marks, in each direction."""


class Attended(nn.Module):
    """A bidirectional LSTM whose states are averaged by attention (equations 1 to 4).

    Parameters
    ----------
    n_inputs, size : int
        Numbers at each step, and of each direction's state.
    """

    def __init__(self, n_inputs: int, size: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(n_inputs, size, batch_first=True, bidirectional=True)
        self.score = nn.Linear(2 * size, 1, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Of steps (B, n, n_inputs): the average state (B, 2 size), and attention (B, n)."""
        states, _ = self.lstm(x)  # (B, n, 2 size)
        attention = self.score(states)[:, :, 0].softmax(dim=1)
        return torch.einsum("bn,bnd->bd", attention, states), attention


class MarkAttention(nn.Module):
    """Attention over the bins of each mark, then over marks.

    Parameters
    ----------
    n_marks : int
    """

    def __init__(self, n_marks: int) -> None:
        super().__init__()
        self.bins = nn.ModuleList(Attended(1, BIN_SIZE) for _ in range(n_marks))
        self.marks = Attended(2 * BIN_SIZE, MARK_SIZE)

    def read(self, marks: Tensor) -> Tensor:
        """The averaged state, (B, 2 MARK_SIZE), of marks (B, n_marks, n_bins)."""
        rows = [part(x[:, :, None])[0] for part, x in zip(self.bins, marks.unbind(dim=1))]
        return self.marks(torch.stack(rows, dim=1))[0]


class AttentiveChrome(MarkAttention):
    """The network of its article, section 3.

    Parameters
    ----------
    settings : RivalSettings
    n_marks : int
    task : {"clf", "reg"}
    """

    def __init__(self, settings: RivalSettings, n_marks: int, task: str = "clf") -> None:
        super().__init__(n_marks)
        self.settings, self.task = settings, task
        self.head = nn.Linear(2 * MARK_SIZE, OUTPUTS[task])
        if settings.spread:
            for parameter in self.parameters():
                nn.init.uniform_(parameter, -settings.spread, settings.spread)

    def forward(self, marks: list[Tensor], elements: Any = None) -> Tensor:
        """Logits or level, (B, 2) or (B, 1), of marks [(B, n_marks, n_bins)]."""
        return self.head(self.read(marks[0]))
