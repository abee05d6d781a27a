"""A trained Hi-C-LSTM, or a decoder like it, in use: its tiles are frames.

That of the published code, which reads other pairs, is in `released`.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from chromloom.kernels import kernel_threads_only
from chromloom.models.trained import TrainedModel, cut_columns


class HiCLSTMTrained(TrainedModel):
    """A trained model that reads frame by frame; see `TrainedModel`."""

    @property
    def reads_between(self) -> bool:
        """False where a frame is read backwards or decoded as a whole."""
        return (
            self.settings.architecture.directions == 1 and self.settings.architecture.head == "step"
        )

    @property
    def frame(self) -> int | None:
        """Bins of a frame; None where the state is carried along or rows are read in one go."""
        made = self.settings.architecture
        return None if made.carry_state or made.head == "frame" else made.frame

    @kernel_threads_only()
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
        """Predicted target (d1 - d0, hi - lo), anything where there is no pair."""
        made = self.settings.architecture
        n = len(R)
        ok = torch.from_numpy(~masked).to(R.device)
        barriers = torch.where(ok, (R if between is None else between)[:, -1], 0.0)
        columns = torch.where(ok[:, None], R if columns is None else columns, 0.0)
        R = torch.where(ok[:, None], R, 0.0)
        if made.carry_state or not made.hidden_size:
            first, step = 0, d1  # in one go
        else:
            first, step = d0 // made.frame * made.frame, made.frame
        whole = made.directions == 2  # a frame read backwards starts at its own end
        parts = []
        reach = made.lstm_reach
        starts = [s for s in range(first, d1, step) if not reach or s <= reach] or [d0]
        for start, end in zip(starts, [*starts[1:], d1]):
            cut = whole and self.module.reads(start)
            length = min(step, n - lo - start) if cut else end - start
            a, b = lo + start, hi + start + length - 1
            beyond = max(b - n, 0)
            cols, col_ok = cut_columns(columns, ok, a, b)
            options: dict[str, Any] = {}
            if start < made.barrier_reach:
                options["between"] = torch.cat([barriers[lo:b], R.new_zeros(beyond)])
            if strand is not None and made.oriented:
                turned = torch.from_numpy(strand).to(R)
                options["strand"] = turned[lo:hi], torch.cat([turned[a:b], R.new_ones(beyond)])
            y = self.module.tile(
                R[lo:hi], cols, ok[lo:hi], col_ok, self._numbers[chrom], start, **options
            )
            parts.append(y[max(d0 - start, 0) : d1 - start])
        y = torch.cat(parts)
        return torch.sigmoid(y) if self.settings.objective.target == "cp" else y
