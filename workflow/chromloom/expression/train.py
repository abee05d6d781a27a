"""Training of a network of expression: batches, schedule, the epoch that is kept, collapse."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from chromloom.expression.table import inner_groups

logger = logging.getLogger(__name__)

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": partial(torch.optim.AdamW, fused=True),
}
_SPREAD = 1e-3  # predictions of a batch that differ less are all the same


class Batches(Protocol):
    """What a network reads of genes."""

    def batch(self, rows: Tensor, device: str = "cpu") -> tuple[Any, ...]:
        """Arguments of the network for genes of these numbers."""


def train_network(
    network: nn.Module,
    inputs: Batches,
    target: Tensor,
    genes: pd.DataFrame,
    settings: Any,
    *,
    seed: int,
    device: str = "cpu",
) -> list[dict]:
    """Fit a network in place.

    Parameters
    ----------
    network : Module
        With task "clf" (cross-entropy), "reg" (mean squared error) or "diff" (its own `loss`).
    inputs : Batches
    target : Tensor, (n_genes,), or (n_genes, 3) of "diff": change, level in either cell type
    genes : DataFrame
        chrom; where the best epoch is kept, a group of these chromosomes is held out to tell it.
    settings : ChromoformerSettings or RivalSettings
    seed : int
        Of the order of genes.
    device : str

    Returns
    -------
    list of dict
        One row per epoch: task, epoch, loss (mean over the genes trained on), held_out_loss (NaN
        where none are held out), n_steps, constant (bool, whether predictions of the last batch are
        all the same).
    """
    held = np.zeros(len(genes), dtype=bool)
    if settings.keep == "best":
        held = inner_groups(genes) == 0
    rows, other = (torch.from_numpy(np.flatnonzero(part)) for part in (~held, held))
    batch_size = settings.batch_size or len(rows)
    steps = -(-len(rows) // batch_size)
    generator = torch.Generator().manual_seed(seed)
    optimizer = OPTIMIZERS[settings.optimizer](network.parameters(), lr=settings.learning_rate)
    schedule = _schedule(optimizer, settings, steps)
    best, kept = np.inf, None
    history: list[dict] = []
    for epoch in range(settings.epochs):
        network.train()
        total, predicted = 0.0, torch.zeros(0)
        for part in rows[torch.randperm(len(rows), generator=generator)].split(batch_size):
            predicted = network(*inputs.batch(part, device))
            loss = _loss(network, predicted, target[part].to(device))
            optimizer.zero_grad()
            loss.backward()
            if settings.clip:
                nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
            optimizer.step()
            if settings.schedule == "one-cycle":
                schedule.step()
            total += float(loss.detach()) * len(part)
        if settings.schedule != "one-cycle":
            schedule.step()
        held_out = _held_out_loss(network, inputs, target, other, device)
        if held_out < best:
            best = held_out
            kept = {name: x.detach().clone() for name, x in network.state_dict().items()}
        history.append(
            {
                "task": network.task,
                "epoch": epoch + 1,
                "loss": total / len(rows),
                "held_out_loss": held_out,
                "n_steps": (epoch + 1) * steps,
                "constant": _is_constant(network, predicted.detach()),
            }
        )
        logger.info("%s epoch %d: loss %.4f", network.task, epoch + 1, total / len(rows))
    if kept is not None:
        network.load_state_dict(kept)
    if history and history[-1]["constant"]:
        logger.warning(
            "%s predicts the same for all genes; train longer, or with a higher learning_rate",
            network.task,
        )
    return history


def _schedule(optimizer: torch.optim.Optimizer, settings: Any, steps: int) -> Any:
    if settings.schedule == "one-cycle":
        return torch.optim.lr_scheduler.OneCycleLR(
            optimizer, settings.learning_rate, total_steps=steps * settings.epochs
        )
    return torch.optim.lr_scheduler.ExponentialLR(optimizer, settings.decay)


def _loss(network: nn.Module, predicted: Tensor, truth: Tensor) -> Tensor:
    if network.task == "diff":
        return network.loss(predicted, truth)  # type: ignore[operator]
    if network.task == "clf":
        return nn.functional.cross_entropy(predicted, truth)
    return nn.functional.mse_loss(predicted[:, 0], truth)


@torch.no_grad()
def _held_out_loss(
    network: nn.Module, inputs: Batches, target: Tensor, rows: Tensor, device: str
) -> float:
    if not len(rows):
        return np.nan
    network.eval()
    total = 0.0
    for part in rows.split(512):
        predicted = network(*inputs.batch(part, device))
        total += len(part) * float(_loss(network, predicted, target[part].to(device)))
    return total / len(rows)


def _is_constant(network: nn.Module, predicted: Tensor) -> bool:
    """Whether the outputs that tell genes apart, (B, 2) or (B, 1), are all the same."""
    told = predicted[:, 1] - predicted[:, 0] if network.task == "clf" else predicted[:, 0]
    return len(told) > 1 and float(told.std(unbiased=False)) < _SPREAD
