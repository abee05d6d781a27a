"""Training of `weave`: steps over windows of chromosomes, the best validation epoch kept."""

import copy
import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from chromloom.errors import InputError
from chromloom.files import atomic_path
from chromloom.models.weave.fitted import FittedWeave, turn_band
from chromloom.models.weave.module import Weave
from chromloom.models.weave.settings import WeaveSettings
from chromloom.training.nats import nats_per_contact
from chromloom.training.resume import asked_to_end, terminated
from chromloom.training.stretches import Stretch

logger = logging.getLogger(__name__)

SAVE_SECONDS = 60.0


def fit_weave(
    stretches: Sequence[Stretch],
    settings: WeaveSettings,
    *,
    mirrored: np.ndarray,
    seed: int = 0,
    device: str = "cpu",
    resume_dir: str | Path | None = None,
    fingerprint: str = "",
) -> tuple[dict[str, Tensor], pd.DataFrame]:
    """Train the networks.

    Parameters
    ----------
    stretches : sequence of Stretch
    settings : WeaveSettings
    mirrored : ndarray, (n_features,), int64
        Which feature each becomes where the chromosome is read backwards.
    seed : int
        Of the first network; the others have the next ones.
    device : str
    resume_dir : path, optional
        Where the state is kept after an epoch, when the last one is `SAVE_SECONDS` old; a killed
        run that is started again ends with the same weights.
    fingerprint : str
        Of data and settings: a state of another one is not taken up.

    Returns
    -------
    tensors : dict
        State of network k under `k.`: the epoch with the most nats per contact in validation.
    history : DataFrame
        member, epoch, loss (Poisson deviance a contact, without what the counts alone give),
        validation (nats per contact gained over the expected), seconds.

    Raises
    ------
    InputError
        No pair validates, or none trains.
    TerminatedError
        The process was sent SIGTERM; the state after the last epoch is kept.
    """
    for validation, role in ((False, "train"), (True, "validate")):
        if not any(s.pairs(validation=validation).any() for s in stretches):
            raise InputError(f"predictors: no pair is left to {role}; give other regions")
    state_path = None if resume_dir is None else Path(resume_dir) / "state.pt"
    state = _resume(state_path, fingerprint)
    tensors, history, first = state["tensors"], state["history"], state["member"]
    with asked_to_end() as must_end:
        for member in range(first, settings.members):
            run = _Run(stretches, settings, mirrored, seed + member, device, must_end)
            if member == first and state["run"]:
                run.load(state["run"])
            saved, kept = time.monotonic(), copy.deepcopy(run.state())
            while run.epoch < settings.epochs:
                started = time.monotonic()
                loss = run.train_epoch()
                if must_end():
                    if state_path is not None:
                        _save(state_path, fingerprint, tensors, history, member, kept)
                    raise terminated(state_path)
                score = run.validate()
                history.append((member, run.epoch, loss, score, time.monotonic() - started))
                logger.info("network %d, epoch %d: loss %.5f, validation %.5f nats per contact",
                            member, run.epoch, loss, score)  # fmt: skip
                kept = copy.deepcopy(run.state())
                if state_path is not None and time.monotonic() - saved >= SAVE_SECONDS:
                    saved = time.monotonic()
                    _save(state_path, fingerprint, tensors, history, member, kept)
            tensors |= {f"{member}.{name}": tensor.cpu() for name, tensor in run.best.items()}
    columns = ["member", "epoch", "loss", "validation", "seconds"]
    return tensors, pd.DataFrame(history, columns=columns)


class _Run:
    """Training of one network."""

    def __init__(self, stretches, settings, mirrored, seed, device, must_end):
        self.stretches, self.settings, self.mirrored = stretches, settings, mirrored
        self.seed, self.device, self.epoch = seed, device, 0
        self.must_end = must_end
        n_features, n_distances = len(mirrored), len(stretches[0].counts)
        torch.manual_seed(seed)
        self.network = Weave(settings, n_features, n_distances).to(device)
        self.average = copy.deepcopy(self.network).eval()
        self.steps = 0
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.best: dict[str, Tensor] = {}
        self.best_score = -math.inf
        trains = [~s.validates & np.isfinite(s.counts).any(axis=0) for s in stretches]
        self.trains = [np.flatnonzero(own) for own in trains]

    def train_epoch(self) -> float:
        """Read windows of all training chromosomes, once in the mean; mean loss per contact."""
        rng = np.random.default_rng([self.seed, self.epoch])
        torch.manual_seed(int(rng.integers(2**62)))
        windows = [
            (k, own[0] + offset - rng.integers(self.settings.window))
            for k, own in enumerate(self.trains)
            if len(own)
            for offset in range(0, own[-1] + self.settings.window - own[0], self.settings.window)
        ]
        total = contacts = 0.0
        self.network.train()
        for number in rng.permutation(len(windows)):
            if self.must_end():
                break
            k, lo = windows[number]
            batch = self._read(self.stretches[k], lo, turned=self._turns(rng))
            if batch is None:
                continue
            progress = (self.epoch + number / len(windows)) / self.settings.epochs
            rate = self.settings.learning_rate * (1 + math.cos(math.pi * progress)) / 2
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            loss, n = self._step(*batch)
            total, contacts = total + loss, contacts + n
        self.epoch += 1
        return total / max(contacts, 1)

    def _turns(self, rng) -> bool:
        return self.settings.mirror and rng.random() < 0.5

    def _read(self, stretch: Stretch, lo: int, *, turned: bool):
        """Features with what the encoder reaches, counts and their mean by distance alone."""
        n, reach = len(stretch.log_weight), self.network.reach
        hi, lo = min(lo + self.settings.window, n), max(lo, 0)
        if hi - lo < 3:
            return None
        counts = stretch.counts[:, lo:hi].copy()
        d, i = np.arange(len(counts))[:, None], np.arange(hi - lo)
        own = stretch.validates[lo:hi]
        counts[(i + d >= hi - lo) | own] = np.nan
        if not np.isfinite(counts).any():
            return None
        weight = stretch.log_weight[lo:hi]
        features = np.zeros((len(stretch.features), hi - lo + 2 * reach), np.float32)
        a, b = max(lo - reach, 0), min(hi + reach, n)
        features[:, a - lo + reach : b - lo + reach] = stretch.features[:, a:b]
        if turned:
            counts, weight = turn_band(counts), weight[::-1]
            features = features[self.mirrored, ::-1]
        j = np.minimum(i + d, hi - lo - 1)
        log_mean = stretch.log_expected[:, None] - weight - weight[j]
        arrays = features, counts, log_mean
        return [torch.as_tensor(np.ascontiguousarray(a), device=self.device) for a in arrays]

    def _step(self, features, counts, log_mean) -> tuple[float, float]:
        reach = self.network.reach
        numbers, barriers = self.network.encode(features)
        inside = slice(reach, len(numbers) - reach)
        ratio = self.network.log_ratio(numbers[inside], barriers[inside], counts.shape[1])
        pairs = torch.isfinite(counts)
        seen = torch.where(pairs, counts, 0.0)
        mean = torch.where(pairs, torch.exp((log_mean + ratio).clamp(max=30)), 0.0)
        deviance = mean - seen * torch.where(pairs, ratio, 0.0)
        # Divided by what is expected and not by what was seen, which would weigh windows by noise.
        n = torch.where(pairs, torch.exp(log_mean), 0.0).sum()
        loss = deviance.sum() / n
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.steps += 1
        memory = min(self.settings.average, self.steps / (self.steps + 10))
        with torch.no_grad():
            for kept, new in zip(self.average.parameters(), self.network.parameters()):
                kept.lerp_(new, 1 - memory)
        return deviance.detach().sum().item(), n.item()

    def validate(self) -> float:
        """Nats per contact in validation; the network of the best epoch is kept."""
        fitted = FittedWeave(self.settings, [self.average], self.mirrored)
        ratios = [
            fitted.log_ratio(s.features) if s.validates.any() else None for s in self.stretches
        ]
        score = nats_per_contact(self.stretches, ratios)
        if score > self.best_score:
            self.best_score = score
            self.best = {k: t.detach().clone() for k, t in self.average.state_dict().items()}
        return score

    def state(self) -> dict:
        """All that the next epoch depends on."""
        return {
            "epoch": self.epoch,
            "steps": self.steps,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "best_score": self.best_score,
        }

    def load(self, state: dict) -> None:
        """Go on from a state."""
        self.epoch, self.steps = state["epoch"], state["steps"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.best, self.best_score = state["best"], state["best_score"]


def _save(path, fingerprint, tensors, history, member, run) -> None:
    state = {
        "fingerprint": fingerprint,
        "tensors": tensors,
        "history": history,
        "member": member,
        "run": run,
    }
    with atomic_path(path) as temporary:
        torch.save(state, temporary)


def _resume(path: Path | None, fingerprint: str) -> dict:
    """State of a killed run, or that of a run that has not begun."""
    fresh: dict = {"tensors": {}, "history": [], "member": 0, "run": None}
    if path is None or not path.exists():
        return fresh
    try:
        state = torch.load(path, weights_only=True)
    except Exception as error:  # torch raises RuntimeError, UnpicklingError, EOFError, …
        logger.warning("%s cannot be read (%s): training starts afresh", path, error)
        return fresh
    if state["fingerprint"] != fingerprint:
        logger.warning(
            "%s was left by a run of other data or settings: training starts afresh", path
        )
        return fresh
    logger.info("going on from %s", path)
    return state
