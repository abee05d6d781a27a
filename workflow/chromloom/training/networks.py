"""Training of networks that learn from windows, by Lightning: one harness for all of them.

A network is a torch module with `loss(batch)`, the mean loss over the examples of a batch. What
else a step does (two optimizers, say) is a subclass of `Learner`. A dataset whose examples change
from epoch to epoch has `set_epoch(epoch)`.

Everything random follows from the seed, the epoch and the process, so that a run that was killed
goes on from its last saved epoch to the same weights, and data are dealt to several processes as to
one with the same batches.
"""

import logging
import math
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import pandas as pd
import torch
from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from chromloom.errors import InputError
from chromloom.files import atomic_path
from chromloom.models.settings import NetworkFit
from chromloom.training.resume import read_state, terminated

logger = logging.getLogger(__name__)

SAVE_SECONDS = 60.0
"""Age of the saved state after which it is saved anew."""
STATE, BEST = "state.ckpt", "best.pt"
HISTORY = ["epoch", "loss", "validation", "learning_rate", "seconds"]
"""Columns of the history."""


class Learner(lightning.LightningModule):
    """A network with what a training step does.

    Parameters
    ----------
    network : Module
        With `loss(batch)`, the mean over examples.
    fit : NetworkFit
    """

    def __init__(self, network: nn.Module, fit: NetworkFit) -> None:
        super().__init__()
        self.network: Any = network
        self.fit = fit

    def configure_optimizers(self) -> Any:
        """The optimizers; see Lightning."""
        return make_optimizer(self.network.parameters(), self.fit)

    def training_step(self, batch: Any, index: int) -> Tensor:
        """Loss of a batch; see Lightning."""
        loss = self.network.loss(batch)
        self.report("loss", loss, batch)
        return loss

    def validation_step(self, batch: Any, index: int) -> None:
        """Score a batch by the loss, lower is better; see Lightning."""
        self.report("validation", self.network.loss(batch), batch)

    def report(self, name: str, value: Tensor, batch: Any) -> None:
        """Put a number of a batch into the mean of the epoch: `loss` and `validation` are asked."""
        n = len(batch if isinstance(batch, Tensor) else batch[0])
        self.log(name, value.detach(), on_step=False, on_epoch=True, batch_size=n, sync_dist=True)

    def on_train_batch_start(self, batch: Any, index: int) -> None:
        """Seed an epoch, and set the learning rate, which follows from the place in training."""
        epoch = self.trainer.current_epoch
        if index == 0:  # the hook of the epoch's start is not called where a run is resumed
            sequence = np.random.SeedSequence([self._seed, epoch, self.global_rank])
            torch.manual_seed(int(sequence.generate_state(1)[0]))
            if self.fit.renew_optimizer:
                for optimizer in self._all_optimizers():
                    optimizer.state.clear()
        rate = self.fit.rate(epoch + index / self.trainer.num_training_batches)
        for optimizer in self._all_optimizers():
            for group in optimizer.param_groups:
                group["lr"] = rate

    def _all_optimizers(self) -> list[torch.optim.Optimizer]:
        return self.trainer.strategy.optimizers

    _seed = 0


def make_optimizer(parameters: Iterable[Tensor], fit: NetworkFit) -> torch.optim.Optimizer:
    """Optimizer of parameters, as the settings say."""
    more: dict[str, Any] = {"lr": fit.learning_rate, "weight_decay": fit.weight_decay}
    if fit.optimizer == "sgd":
        return torch.optim.SGD(parameters, momentum=fit.momentum, **more)
    kind = torch.optim.Adam if fit.optimizer == "adam" else torch.optim.AdamW
    return kind(parameters, **more)


def fit_network(
    network: nn.Module,
    train: Dataset,
    validation: Dataset,
    fit: NetworkFit,
    *,
    seed: int = 0,
    device: str = "cpu",
    resume_dir: str | Path | None = None,
    fingerprint: str = "",
    learner: Callable[[nn.Module, NetworkFit], Learner] = Learner,
) -> tuple[dict[str, Tensor], pd.DataFrame]:
    """Fit a network and return the state of its best epoch.

    Parameters
    ----------
    network : Module
        With its first weights; it is not what is returned, and may be changed.
    train, validation : Dataset
        Examples, whose tensors are stacked to batches. Read in the training process itself.
    fit : NetworkFit
    seed : int
        Of the order of examples and of dropout.
    device : str
    resume_dir : path, optional
        Where the state is kept; a killed run that is started again ends with the same weights.
    fingerprint : str
        Of data and settings: a state of another one is not taken up.
    learner : callable
        (network, fit) -> what a step does.

    Returns
    -------
    tensors : dict
        State of the network at the epoch of the lowest validation loss, on the CPU.
    history : DataFrame
        epoch (from 0), loss, validation (means over examples), learning_rate, seconds.

    Raises
    ------
    InputError
        No example trains or validates, or the loss of every epoch is no number.
    TerminatedError
        The process was sent SIGTERM; the state after the last saved epoch is kept.
    """
    for name, dataset in (("train", train), ("validate", validation)):
        if not len(dataset):  # type: ignore[arg-type]
            raise InputError(f"predictors: no example is left to {name}; give other regions")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(resume_dir or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        state: Path | None = folder / STATE
        if read_state(state, fingerprint, _kept) is None:
            state = None
            (folder / BEST).unlink(missing_ok=True)  # of another run
        keeper = _Keeper(folder, fingerprint, fit.patience)
        module = learner(network, fit)
        module._seed = seed
        processes = fit.devices * fit.nodes
        with _quiet(), _spawnable():
            trainer = lightning.Trainer(
                accelerator=torch.device(device).type,
                devices=fit.devices,
                num_nodes=fit.nodes,
                # On one machine processes are ours to start, also inside a job of a cluster.
                plugins=[LightningEnvironment()] if fit.nodes == 1 else None,
                strategy="auto" if processes == 1 else "ddp" if fit.nodes > 1 else "ddp_spawn",
                precision=fit.precision,  # type: ignore[arg-type]
                max_epochs=fit.epochs,
                accumulate_grad_batches=fit.accumulate if module.automatic_optimization else 1,
                gradient_clip_val=(fit.clip_norm or None)
                if module.automatic_optimization
                else None,
                callbacks=[keeper],
                logger=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                use_distributed_sampler=False,
                default_root_dir=folder,
            )
            batches = _Batches(train, validation, fit.batch_size // processes, processes, seed)
            try:
                trainer.fit(module, datamodule=batches, ckpt_path=state, weights_only=True)
            except SIGTERMException:
                raise terminated(folder / STATE if resume_dir else None) from None
        if trainer.global_rank:  # on another machine: the first process writes the results
            raise SystemExit(0)
        if not (folder / BEST).exists():
            raise InputError(
                "training: the validation loss is no number from the first epoch on; take a lower "
                "learning_rate, or clip_norm"
            )
        kept = torch.load(folder / BEST, weights_only=True, map_location="cpu")
    history = pd.DataFrame(kept["history"], columns=HISTORY)
    return kept["network"], history


class _Batches(lightning.LightningDataModule):
    """Both datasets in batches; the training examples in an order of the seed and the epoch."""

    def __init__(self, train, validation, batch_size: int, processes: int, seed: int) -> None:
        super().__init__()
        self.train, self.validation = train, validation
        self.batch_size, self.processes, self.seed = batch_size, processes, seed

    def _loader(self, dataset, *, shuffle: bool) -> DataLoader:
        rank = self.trainer.global_rank  # type: ignore[union-attr]
        sampler: Any = _Sampler(dataset, self.processes, rank, shuffle=shuffle, seed=self.seed)
        # A generator of its own: reading draws nothing from what dropout draws from.
        return DataLoader(dataset, self.batch_size, sampler=sampler, generator=torch.Generator())

    def train_dataloader(self) -> DataLoader:
        return self._loader(self.train, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return self._loader(self.validation, shuffle=False)


class _Sampler(DistributedSampler):
    """Deals examples to processes, and tells the dataset the epoch before any is read."""

    def set_epoch(self, epoch: int) -> None:
        super().set_epoch(epoch)
        if hasattr(self.dataset, "set_epoch"):
            self.dataset.set_epoch(epoch)


class _Keeper(Checkpoint):
    """Keeps the best network, the history and the state to go on from; ends training in time."""

    def __init__(self, folder: Path, fingerprint: str, patience: int) -> None:
        self.folder, self.fingerprint, self.patience = folder, fingerprint, patience
        self.history: list[list] = []
        self.best, self.best_epoch = math.inf, -1
        self.started = self.saved = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs; see Lightning."""
        names = ("fingerprint", "history", "best", "best_epoch")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on; see Lightning."""
        self.__dict__.update(state_dict)

    def on_train_start(self, trainer, pl_module) -> None:
        self._end_in_time(trainer)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        if batch_idx == 0:
            self.started = time.monotonic()

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        epoch, metrics = trainer.current_epoch, trainer.callback_metrics
        loss, validation = (float(metrics[name]) for name in ("loss", "validation"))
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        self.history.append([epoch, loss, validation, rate, time.monotonic() - self.started])
        better = validation < self.best
        if better:
            self.best, self.best_epoch = validation, epoch
        if trainer.is_global_zero:
            logger.info("epoch %d: loss %.6g, validation %.6g%s", epoch, loss, validation,
                        ", the best so far" if better else "")  # fmt: skip
        self._end_in_time(trainer)
        last = trainer.should_stop or epoch + 1 == trainer.max_epochs
        old = time.monotonic() - self.saved >= SAVE_SECONDS
        if trainer.is_global_zero and better:
            network = {k: t.cpu() for k, t in pl_module.network.state_dict().items()}
            self._write_best(network)
        elif trainer.is_global_zero and last and math.isfinite(self.best):
            path = self.folder / BEST
            self._write_best(torch.load(path, weights_only=True, map_location="cpu")["network"])
        if trainer.strategy.broadcast(last or old):
            trainer.save_checkpoint(self.folder / STATE)
            self.saved = time.monotonic()

    def _write_best(self, network: dict[str, Tensor]) -> None:
        with atomic_path(self.folder / BEST) as path:
            torch.save({"network": network, "history": self.history}, path)

    def _end_in_time(self, trainer) -> None:
        waited = len(self.history) - 1 - self.best_epoch
        if self.patience and self.history and waited >= self.patience:
            trainer.should_stop = True


def _kept(path: Path) -> dict[str, Any]:
    """What the keeper of a killed run wrote into its state."""
    state = torch.load(path, weights_only=True, map_location="cpu", mmap=True)
    return next(own for own in state["callbacks"].values() if "fingerprint" in own)


@contextmanager
def _quiet() -> Iterator[None]:
    """No word of Lightning's about devices, clusters, tips and loaders without processes."""
    own = logging.getLogger("lightning.pytorch"), logging.getLogger("lightning.fabric")
    levels = [each.level for each in own]
    for each in own:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PossibleUserWarning)
            # Lightning 2.6 asks torch 2.13 in a way of older releases.
            warnings.filterwarnings("ignore", ".*LeafSpec.*", FutureWarning)
            yield
    finally:
        for each, level in zip(own, levels):
            each.setLevel(level)


@contextmanager
def _spawnable() -> Iterator[None]:
    """Let processes be started without running the calling script again, which has no guard."""
    main = sys.modules["__main__"]
    path = main.__dict__.pop("__file__", None)
    spec, main.__spec__ = main.__spec__, None
    try:
        yield
    finally:
        main.__spec__ = spec
        if path is not None:
            main.__dict__["__file__"] = path
