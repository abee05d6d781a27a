"""DeepChrome (Singh et al., Bioinformatics 2016): one convolution over the bins of all marks."""

from typing import Any

from torch import Tensor, nn

from chromloom.models.expression.settings import OUTPUTS, RivalSettings

FILTERS, WIDTH, POOL, HIDDEN = 50, 10, 5, (625, 125)


class DeepChrome(nn.Module):
    """The network of its article, section 2.3, with the sizes of its code.

    Parameters
    ----------
    settings : RivalSettings
    n_marks : int
    task : {"clf", "reg"}
    """

    def __init__(self, settings: RivalSettings, n_marks: int, task: str = "clf") -> None:
        super().__init__()
        self.settings, self.task = settings, task
        length = (settings.n_bins - WIDTH + 1) // POOL
        self.layers = nn.Sequential(
            nn.Conv1d(n_marks, FILTERS, WIDTH),
            nn.ReLU(),
            nn.MaxPool1d(POOL),
            nn.Flatten(),
            nn.Dropout(settings.dropout),
            nn.Linear(FILTERS * length, HIDDEN[0]),
            nn.ReLU(),
            nn.Linear(HIDDEN[0], HIDDEN[1]),
            nn.ReLU(),
            nn.Linear(HIDDEN[1], OUTPUTS[task]),
        )

    def forward(self, marks: list[Tensor], elements: Any = None) -> Tensor:
        """Logits or level, (B, 2) or (B, 1), of marks [(B, n_marks, n_bins)]."""
        return self.layers(marks[0])
