"""Training of `weave`: steps over windows of chromosomes, the best validation epoch kept."""

import copy
import logging
import math
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from chromloom.errors import InputError
from chromloom.files import atomic_path
from chromloom.models.weave.fitted import FittedWeave
from chromloom.models.weave.module import Weave
from chromloom.models.weave.settings import WeaveSettings
from chromloom.training.nats import nats_per_contact
from chromloom.training.resume import asked_to_end, read_state, terminated
from chromloom.training.stretches import Stretch

logger = logging.getLogger(__name__)

SAVE_SECONDS = 60.0
TINY = 1e-6
"""Contacts; less of them are taken for so many, that a logarithm is finite."""


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
        State of network k under `k.`: the epoch with the most nats per contact in validation, or,
        where `settings.refit`, the last of so many epochs on all that trains and validates.
    history : DataFrame
        member, refit, epoch, loss (Poisson deviance a contact, without what the counts alone give),
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
    with asked_to_end() as must_end:
        for number in range(state["number"], settings.members + settings.refit):
            refit = settings.refit and number > 0
            member = number - refit
            epochs = state["epochs"] if refit else settings.epochs
            run = _Run(
                stretches, settings, mirrored, seed + member, device, must_end, epochs, refit
            )
            if number == state["number"] and state["run"]:
                run.load(state["run"])
            state |= {"number": number, "run": copy.deepcopy(run.state())}
            saved = time.monotonic()
            while run.epoch < epochs:
                started = time.monotonic()
                loss = run.train_epoch()
                if must_end():
                    if state_path is not None:
                        _save(state_path, state)
                    raise terminated(state_path)
                score = run.validate()
                seconds = time.monotonic() - started
                state["history"].append((member, refit, run.epoch, loss, score, seconds))
                gained = "" if np.isnan(score) else f", validation {score:.5f} nats per contact"
                logger.info("network %d%s, epoch %d: loss %.5f%s",
                            member, " anew" if refit else "", run.epoch, loss, gained)  # fmt: skip
                state["run"] = copy.deepcopy(run.state())
                if state_path is not None and time.monotonic() - saved >= SAVE_SECONDS:
                    saved = time.monotonic()
                    _save(state_path, state)
            if settings.refit and not refit:
                state["epochs"] = run.best_epoch
            else:
                best = run.best.items()
                state["tensors"] |= {f"{member}.{name}": tensor.cpu() for name, tensor in best}
    columns = ["member", "refit", "epoch", "loss", "validation", "seconds"]
    return state["tensors"], pd.DataFrame(state["history"], columns=columns)


class _Run:
    """Training of one network.

    Where it is trained anew (`refit`), it learns from all pairs, nothing validates, and the last
    epoch is kept.
    """

    def __init__(self, stretches, settings, mirrored, seed, device, must_end, epochs, refit):
        self.stretches, self.settings, self.mirrored = stretches, settings, mirrored
        self.seed, self.device, self.epoch = seed, device, 0
        self.must_end, self.epochs, self.refit = must_end, epochs, refit
        n_features, n_distances = len(mirrored), len(stretches[0].counts)
        torch.manual_seed(seed)
        self.network = Weave(settings, n_features, n_distances).to(device)
        self.average = copy.deepcopy(self.network).eval()
        self.steps = 0
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.best: dict[str, Tensor] = {}
        self.best_score, self.best_epoch = -math.inf, 0
        reads = [np.isfinite(s.counts).any(axis=0) & (refit | ~s.validates) for s in stretches]
        self.trains = [np.flatnonzero(own) for own in reads]

    def train_epoch(self) -> float:
        """Read the rows of all training chromosomes once; mean loss per contact expected."""
        rng = np.random.default_rng([self.seed, self.epoch])
        torch.manual_seed(int(rng.integers(2**62)))
        width = self.settings.window
        windows = [
            (k, lo)
            for k, own in enumerate(self.trains)
            if len(own)
            for lo in range(own[0] - rng.integers(width), own[-1] + 1, width)
        ]
        total = contacts = 0.0
        self.network.train()
        for number, chosen in enumerate(rng.permutation(len(windows))):
            if self.must_end():
                break
            k, lo = windows[chosen]
            batch = self._read(self.stretches[k], lo, turned=self._turns(rng))
            if batch is None:
                continue
            progress = (self.epoch + number / len(windows)) / self.epochs
            rate = self.settings.learning_rate * (1 + math.cos(math.pi * progress)) / 2
            spares = progress < self.settings.feature_dropout_end
            self.network.spared.p = self.settings.feature_dropout if spares else 0.0
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            loss, n = self._step(*batch)
            total, contacts = total + loss, contacts + n
        self.epoch += 1
        return total / max(contacts, 1)

    def _turns(self, rng) -> bool:
        return self.settings.mirror and rng.random() < 0.5

    def _read(self, stretch: Stretch, lo: int, *, turned: bool):
        """Features that rows lo, lo + 1, ... depend on, their counts and mean by distance alone.

        Of the chromosome read backwards where it is turned: the pair (i, i + d) is then that of
        bins n - 1 - i - d and n - 1 - i.
        """
        n, n_distances, reach = len(stretch.log_weight), len(stretch.counts), self.network.reach
        width = self.settings.window
        if turned:
            lo = n - lo - width
        d, i = np.arange(n_distances)[:, None], np.arange(lo, lo + width)
        row = n - 1 - i - d if turned else i + 0 * d
        inside = (row >= 0) & (row + d < n)
        row = np.where(inside, row, 0)
        counts = stretch.counts[d, row]  # NaN where the roles of two bins differ
        counts[~inside | (stretch.validates[row] & (not self.refit))] = np.nan
        if not np.isfinite(counts).any():
            return None
        other = np.minimum(row + d, n - 1)
        log_mean = stretch.log_expected[:, None] - stretch.log_weight[row]
        log_mean = log_mean - stretch.log_weight[other]
        bins = np.arange(lo - reach, lo + width + n_distances - 1 + reach)
        bins = n - 1 - bins if turned else bins
        known = (bins >= 0) & (bins < n)
        features = stretch.features[:, np.where(known, bins, 0)] * known
        features = features[self.mirrored] if turned else features
        weight = np.exp(-self.settings.distance_weight * stretch.log_expected)[:, None]
        arrays = features, counts, log_mean, weight
        return [torch.as_tensor(a, device=self.device) for a in arrays]

    def _step(self, features, counts, log_mean, weight) -> tuple[float, float]:
        reach = self.network.reach
        numbers, barriers = self.network.encode(features)
        inside = slice(reach, len(numbers) - reach)
        ratio = self.network.log_ratio(numbers[inside], barriers[inside], counts.shape[1])
        pairs = torch.isfinite(counts)
        seen = weight * torch.where(pairs, counts, 0.0)
        mean = weight * torch.where(pairs, torch.exp((log_mean + ratio).clamp(max=30)), 0.0)
        base = (weight * torch.where(pairs, torch.exp(log_mean), 0.0)).sum(1)  # (n_distances,)
        gained = (seen * torch.where(pairs, ratio, 0.0)).sum()
        # The total at each distance is right (Poisson), or whatever it is (contrast).
        share = self.settings.contrast
        level = seen.sum(1) * (mean.sum(1).clamp(min=TINY) / base.clamp(min=TINY)).log()
        deviance = (1 - share) * mean.sum() + share * level.sum() - gained
        # Divided by what is expected and not by what was seen, which would weigh windows by noise.
        n = base.sum()
        loss = deviance / n
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.steps += 1
        memory = min(self.settings.average, self.steps / (self.steps + 10))
        with torch.no_grad():
            for kept, new in zip(self.average.parameters(), self.network.parameters()):
                kept.lerp_(new, 1 - memory)
        return deviance.item(), n.item()

    def validate(self) -> float:
        """Nats per contact in validation, NaN where nothing validates; what is best is kept."""
        score = math.nan
        if not self.refit:
            fitted = FittedWeave(self.settings, [self.average], self.mirrored)
            ratios = [
                fitted.log_ratio(s.features) if s.validates.any() else None for s in self.stretches
            ]
            score = nats_per_contact(self.stretches, ratios)
        if self.refit or score > self.best_score:
            self.best_score, self.best_epoch = score, self.epoch
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
            "best_epoch": self.best_epoch,
        }

    def load(self, state: dict) -> None:
        """Go on from a state."""
        self.epoch, self.steps = state["epoch"], state["steps"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.best = state["best"]
        self.best_score, self.best_epoch = state["best_score"], state["best_epoch"]


def _save(path: Path, state: dict) -> None:
    with atomic_path(path) as temporary:
        torch.save(state, temporary)


def _resume(path: Path | None, fingerprint: str) -> dict:
    """State of a killed run, or that of a run that has not begun."""
    fresh: dict = {
        "fingerprint": fingerprint,
        "tensors": {},
        "history": [],
        "number": 0,
        "epochs": 0,
        "run": None,
    }
    return read_state(path, fingerprint, partial(torch.load, weights_only=True)) or fresh
