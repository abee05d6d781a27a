"""Training of Chromoformer and prediction by it: a network of the class, one of the level."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from threadpoolctl import threadpool_limits
from torch import Tensor

from chromloom.errors import CheckpointError
from chromloom.expression.features import Marks
from chromloom.models.chromoformer import OUTPUTS, Chromoformer, ChromoformerSettings
from chromloom.models.trained import resolve_device

logger = logging.getLogger(__name__)

_BATCH = 512  # genes predicted at a time


@dataclass
class NetworkModel:
    """Chromoformer-clf and -reg of one fold.

    Attributes
    ----------
    settings : ChromoformerSettings
    networks : dict of Chromoformer
        By task, clf and reg.
    history : DataFrame
        task, epoch, loss (mean over the training genes), n_steps, constant (bool, whether
        predictions of the last batch are all the same).
    """

    settings: ChromoformerSettings
    networks: dict[str, Chromoformer]
    history: pd.DataFrame
    device: str = "cpu"

    @classmethod
    def fit(
        cls,
        marks: Marks,
        genes: pd.DataFrame,
        settings: ChromoformerSettings,
        *,
        seed: int,
        device: str = "cpu",
    ) -> "NetworkModel":
        """Train on genes: one row of `marks` per row of `genes` (level, high).

        No gene but these is looked at; the last epoch is kept, as in the article.
        """
        device = str(resolve_device(device))
        inputs = [torch.from_numpy(marks.binned(size)) for size in settings.bin_sizes]
        targets = {
            "clf": torch.from_numpy(genes["high"].to_numpy(dtype=np.int64)),
            "reg": torch.from_numpy(genes["level"].to_numpy(dtype=np.float32)),
        }
        networks, history = {}, []
        for task in OUTPUTS:
            torch.manual_seed(seed)
            network = Chromoformer(settings, len(marks.signals), task).to(device)
            with threadpool_limits(1):  # the products of a batch are too small to share
                history += _train(network, inputs, targets[task], seed=seed, device=device)
            networks[task] = network
        return cls(settings, networks, pd.DataFrame(history), device)

    def predict(self, marks: Marks) -> tuple[np.ndarray, np.ndarray]:
        """Level, log2(value + 1), and probability of being high, (n_genes,) each."""
        inputs = [torch.from_numpy(marks.binned(size)) for size in self.settings.bin_sizes]
        found: dict[str, list[Tensor]] = {task: [] for task in OUTPUTS}
        with torch.no_grad():
            for task, network in self.networks.items():
                network.eval()
                for first in range(0, len(marks), _BATCH):
                    part = [x[first : first + _BATCH].to(self.device) for x in inputs]
                    found[task].append(network(part).cpu())
        level = torch.cat(found["reg"])[:, 0].double().numpy()
        return level, torch.cat(found["clf"]).double().softmax(dim=1)[:, 1].numpy()

    def save(self, folder: str | Path) -> None:
        """Write weights and history to a folder that exists."""
        for task, network in self.networks.items():
            weights = {name: x.cpu().contiguous() for name, x in network.state_dict().items()}
            save_file(weights, Path(folder) / f"{task}.safetensors")
        self.history.to_csv(Path(folder) / "history.tsv", sep="\t", index=False)

    @classmethod
    def load(
        cls, folder: str | Path, settings: ChromoformerSettings, *, n_signals: int
    ) -> "NetworkModel":
        """Read from a folder.

        Raises
        ------
        CheckpointError
            Weights are missing, damaged or of other shapes.
        """
        networks = {}
        for task in OUTPUTS:
            path = Path(folder) / f"{task}.safetensors"
            network = Chromoformer(settings, n_signals, task)
            try:
                network.load_state_dict(load_file(path))
            except (OSError, SafetensorError, RuntimeError) as error:
                first = str(error).splitlines()
                raise CheckpointError(
                    f"{path}: weights do not fit {n_signals} signals and the settings beside them "
                    f"({' '.join(first[:2]).strip()}); train the model again"
                ) from error
            networks[task] = network
        return cls(settings, networks, pd.DataFrame())


def _train(
    network: Chromoformer, inputs: list[Tensor], target: Tensor, *, seed: int, device: str
) -> list[dict]:
    """Fit in place; one row of the history per epoch."""
    settings, n = network.settings, len(target)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate)
    steps = -(-n // settings.batch_size)
    one_cycle = settings.schedule == "one-cycle"
    schedule = (
        torch.optim.lr_scheduler.OneCycleLR(
            optimizer, settings.learning_rate, total_steps=steps * settings.epochs
        )
        if one_cycle
        else torch.optim.lr_scheduler.ExponentialLR(optimizer, settings.decay)
    )
    network.train()
    history: list[dict] = []
    for epoch in range(settings.epochs):
        order = torch.randperm(n, generator=generator)
        total, predicted = 0.0, torch.zeros(0)
        for rows in order.split(settings.batch_size):
            predicted = network([x[rows].to(device) for x in inputs])
            truth = target[rows].to(device)
            loss = (
                torch.nn.functional.cross_entropy(predicted, truth)
                if network.task == "clf"
                else torch.nn.functional.mse_loss(predicted[:, 0], truth)
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if one_cycle:
                schedule.step()
            total += float(loss.detach()) * len(rows)
        if not one_cycle:
            schedule.step()
        spread = float((predicted.detach()[:, -1] - predicted.detach()[:, 0]).std(unbiased=False))
        if network.task == "reg":
            spread = float(predicted.detach()[:, 0].std(unbiased=False))
        constant = len(predicted) > 1 and spread < 1e-3
        history.append(
            {
                "task": network.task,
                "epoch": epoch + 1,
                "loss": total / n,
                "n_steps": (epoch + 1) * steps,
                "constant": constant,
            }
        )
        logger.info("%s epoch %d: loss %.4f", network.task, epoch + 1, total / n)
    if history and history[-1]["constant"]:
        logger.warning(
            "%s predicts the same for all genes; train longer, or with a higher learning_rate",
            network.task,
        )
    return history
