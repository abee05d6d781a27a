"""The training loop, with a state on disk from which a killed run goes on.

The state (one safetensors file in `resume_dir`) holds all that the next step depends on, with the
epoch and the place in it; since the order of steps depends on (seed, epoch) alone, a run that was
killed and started again ends with the weights of an undisturbed one, bit for bit on the CPU.
"""

import json
import logging
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from chromloom.errors import InputError
from chromloom.files import atomic_path
from chromloom.training.learner import learning_rate_factor
from chromloom.training.resume import asked_to_end, read_state, terminated

logger = logging.getLogger(__name__)

SAVE_SECONDS = 60.0
SHOW_SECONDS = 20.0
HISTORY = ["epoch", "loss", "pairs", "seconds", "pairs_per_s", "learning_rate"]


class Learner(Protocol):
    """What makes one step; see `learner.TileLearner`."""

    settings: Any

    def step(self, item: Any, progress: float) -> Tensor:
        """Learn from one item; returns its summed loss."""

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on."""

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""


class Loader(Protocol):
    """What hands out the items (with `n_pairs`) of an epoch; see `tiles.TileLoader`."""

    epoch: int
    position: int
    n_tiles: int
    n_pairs: int

    def __iter__(self) -> Iterator[Any]:
        """Items of the epoch, from the position on."""


class Loop:
    """Runs a learner over a loader; epochs go to the log and to `history`.

    Parameters
    ----------
    learner : Learner
    loader : Loader
    epochs : int
    resume_dir : Path, optional
        Where the state lies; nothing is kept without it.
    fingerprint : str
        Of settings, seed and data: a state of another one is not taken up.
    save_seconds : float
        Time between states; what a kill costs at most.
    """

    def __init__(
        self,
        learner: Learner,
        loader: Loader,
        *,
        epochs: int,
        resume_dir: str | Path | None = None,
        fingerprint: str = "",
        save_seconds: float = SAVE_SECONDS,
    ):
        self.learner, self.loader, self.epochs = learner, loader, epochs
        self.fingerprint, self.save_seconds = fingerprint, save_seconds
        self.state_path = None if resume_dir is None else Path(resume_dir) / "state.safetensors"
        self.history: list[dict[str, float]] = []
        self._loss = torch.zeros((), dtype=torch.float64)  # wherever the learner computes
        self._pairs, self._seconds = 0, 0.0
        self._saved = time.monotonic()

    def run(self) -> pd.DataFrame:
        """Train to the end, from the state if there is one.

        Returns
        -------
        DataFrame
            epoch, loss (weighted mean squared error), pairs, seconds, pairs_per_s, learning_rate.

        Raises
        ------
        InputError
            The loss of an epoch is no number.
        TerminatedError
            The process was sent SIGTERM; the state after the last step is kept.
        """
        self._resume()
        with asked_to_end() as must_end:
            while self.loader.epoch < self.epochs:
                self._clock = self._shown = time.monotonic()
                for item in self.loader:
                    self._step(item)
                    if must_end():
                        self._save()
                        raise terminated(self.state_path)
                self._end_epoch()
        return pd.DataFrame(self.history, columns=HISTORY)

    def _step(self, item: Any) -> None:
        """Make one step, log now and then, and keep the state now and then."""
        loader, n = self.loader, self.loader.n_tiles
        loss = self.learner.step(item, (loader.epoch + loader.position / n) / self.epochs)
        self._loss = self._loss.to(loss.device) + loss
        loader.position += 1
        self._pairs += item.n_pairs
        now = time.monotonic()
        if now - self._shown > SHOW_SECONDS:
            self._shown = now
            logger.info(
                "epoch %d/%d: %.0f %%, %s",
                loader.epoch + 1,
                self.epochs,
                100 * loader.position / n,
                self._rate(now),
            )
        self._save_now_and_then()

    def _end_epoch(self) -> None:
        """Log the epoch and keep the state."""
        loader, seconds = self.loader, self._seconds + time.monotonic() - self._clock
        loss = float(self._loss) / max(self._pairs, 1)
        logger.info("epoch %d/%d: %s", loader.epoch + 1, self.epochs, self._rate(time.monotonic()))
        if not math.isfinite(loss):
            raise InputError(
                f"training: the loss of epoch {loader.epoch + 1} is no number; take a lower "
                "learning_rate and embedding_learning_rate, or a lower clip_norm"
            )
        factor = learning_rate_factor(self.learner.settings.fit, loader.epoch / self.epochs)
        row = (
            loader.epoch + 1,
            loss,
            self._pairs,
            seconds,
            self._pairs / seconds,
            factor * self.learner.settings.fit.learning_rate,
        )
        self.history.append(dict(zip(HISTORY, row)))
        loader.epoch, loader.position = loader.epoch + 1, 0
        self._loss = torch.zeros_like(self._loss)
        self._pairs, self._seconds = 0, 0.0
        self._clock = time.monotonic()
        self._save_now_and_then()

    def _rate(self, now: float) -> str:
        seconds = self._seconds + now - self._clock
        return (
            f"loss {float(self._loss) / max(self._pairs, 1):.6g}, {self._pairs:,} pairs in "
            f"{seconds:.1f} s, {self._pairs / seconds / 1e6:.2f} M pairs/s"
        )

    def _save_now_and_then(self) -> None:
        """Write the state when the last one is old enough."""
        if time.monotonic() - self._saved >= self.save_seconds:
            self._save()

    def _save(self) -> None:
        """Write the state, whole or not at all."""
        if self.state_path is None:
            return
        self._saved = time.monotonic()
        progress = {
            "fingerprint": self.fingerprint,
            "epoch": self.loader.epoch,
            "position": self.loader.position,
            "loss": float(self._loss),
            "pairs": self._pairs,
            "seconds": self._seconds + self._saved - self._clock,
            "history": self.history,
        }
        state = {name: t.detach().cpu().contiguous() for name, t in self.learner.state().items()}
        with atomic_path(self.state_path) as path:
            save_file(state, path, metadata={"progress": json.dumps(progress)})

    def _resume(self) -> None:
        """Take up the state of a killed run, if it is of the same settings, seed and data."""
        progress = read_state(self.state_path, self.fingerprint, _read)
        if progress is None:
            return
        self.learner.load_state(progress["tensors"])
        self.loader.epoch, self.loader.position = progress["epoch"], progress["position"]
        self._loss = torch.full_like(self._loss, progress["loss"])
        self._pairs, self._seconds = progress["pairs"], progress["seconds"]
        self.history = progress["history"]
        place = self.loader.epoch + 1, self.loader.position, self.loader.n_tiles
        logger.info("epoch %d, step %d of %d", *place)


def _read(path: Path) -> dict[str, Any]:
    """Progress of a state, and its `tensors`."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return json.loads(file.metadata()["progress"]) | {"tensors": tensors}
