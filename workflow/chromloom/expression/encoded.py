"""A network on the mean marks around a gene that ties gradient-boosted trees: `marks-network`.

Each mean is encoded piece by piece between its quantiles (`expression.encoding`). Level and class
have one network with two outputs; several trainings are averaged.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import expit
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from chromloom.expression.encoding import Encoding
from chromloom.expression.features import Marks
from chromloom.expression.network import load_weights, save_network
from chromloom.expression.settings import EncodedSettings


class EncodedModel:
    """Networks of several trainings, of one fold."""

    def __init__(
        self, settings: EncodedSettings, encoding: Encoding, networks: list[nn.Module],
        target: tuple[float, float],
    ) -> None:  # fmt: skip
        self.settings, self.encoding, self.networks = settings, encoding, networks
        self.target = target

    @classmethod
    def fit(
        cls,
        marks: Marks,
        genes: pd.DataFrame,
        settings: EncodedSettings,
        *,
        seed: int,
        device: str = "cpu",
    ) -> "EncodedModel":
        """Fit to training genes: one row of `marks` per row of `genes` (level, high)."""
        values = marks.seen_by(settings)
        encoding = Encoding.fit(values, settings.pieces)
        inputs = encoding.apply(values)
        level = genes["level"].to_numpy(dtype=np.float32)
        mean, scale = float(level.mean()), float(level.std()) or 1.0
        truth = torch.from_numpy(
            np.column_stack([(level - mean) / scale, genes["high"]]).astype(np.float32)
        )
        networks = []
        for member in range(settings.members):
            torch.manual_seed(seed * 1_000 + member)
            networks.append(_train(inputs, truth, settings))
        return cls(settings, encoding, networks, (mean, scale))

    @torch.no_grad()
    def predict(self, marks: Marks) -> tuple[np.ndarray, np.ndarray]:
        """Level, log2(value + 1), and probability of being high, (n_genes,) each."""
        inputs = self.encoding.apply(marks.seen_by(self.settings))
        told = torch.stack([net.eval()(inputs) for net in self.networks]).double().mean(dim=0)
        mean, scale = self.target
        return told[:, 0].numpy() * scale + mean, expit(told[:, 1].numpy())

    def save(self, folder: str | Path) -> None:
        """Write to a folder that exists."""
        self.encoding.save(folder, target=np.array(self.target))
        for k, network in enumerate(self.networks):
            save_network(network, Path(folder) / f"member{k}.safetensors")

    @classmethod
    def load(
        cls, folder: str | Path, settings: EncodedSettings, *, n_signals: int
    ) -> "EncodedModel":
        """Read from a folder.

        Raises
        ------
        CheckpointError
            Weights are missing, damaged or of other shapes.
        """
        encoding, beside = Encoding.load(folder, ["target"])
        mean, scale = beside["target"]
        networks = [_new_network(encoding.size, settings) for _ in range(settings.members)]
        for k, network in enumerate(networks):
            load_weights(
                network, Path(folder) / f"member{k}.safetensors", "the settings beside them"
            )
        return cls(settings, encoding, networks, (float(mean), float(scale)))


def _new_network(n: int, settings: EncodedSettings) -> nn.Module:
    size = settings.hidden
    return nn.Sequential(
        nn.Linear(n, size), nn.GELU(), nn.Dropout(settings.dropout),
        nn.Linear(size, size), nn.GELU(), nn.Dropout(settings.dropout),
        nn.Linear(size, 2),
    )  # fmt: skip


def _train(inputs: Tensor, truth: Tensor, settings: EncodedSettings) -> nn.Module:
    """One training, by squared error of the standardised level plus cross-entropy of the class."""
    network = _new_network(inputs.shape[1], settings)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    per_pass = -(-len(inputs) // settings.batch_size)
    steps = max(min(settings.steps, settings.passes * per_pass), 2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=steps
    )
    network.train()
    order = torch.empty(0, dtype=torch.int64)
    with threadpool_limits(1):  # the products of a batch are too small to share
        for _ in range(steps):
            if not len(order):
                order = torch.randperm(len(inputs))
            rows, order = order[: settings.batch_size], order[settings.batch_size :]
            told = network(inputs[rows])
            loss = nn.functional.mse_loss(told[:, 0], truth[rows, 0])
            loss = loss + nn.functional.binary_cross_entropy_with_logits(told[:, 1], truth[rows, 1])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network
