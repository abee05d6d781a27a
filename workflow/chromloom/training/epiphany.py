"""Training of Epiphany: frames of stripes, by squared error or with a discriminator beside it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from chromloom.errors import InputError
from chromloom.models.epiphany.module import Epiphany, stripes_of
from chromloom.models.epiphany.published import read_published
from chromloom.models.epiphany.settings import EpiphanySettings
from chromloom.normalize.counts import CountModel, fit_counts
from chromloom.training.networks import HISTORY, Learner, fit_network, make_optimizer
from chromloom.training.stretches import Stretch


def fit_epiphany(
    stretches: Sequence[Stretch],
    settings: EpiphanySettings,
    *,
    mirrored: Sequence[int],
    seed: int = 0,
    device: str = "cpu",
    resume_dir: str | Path | None = None,
    fingerprint: str = "",
    weights: str | Path | None = None,
) -> tuple[dict[str, Tensor], pd.DataFrame]:
    """Train a network, or take up its published weights.

    Parameters
    ----------
    stretches : sequence of Stretch
        With signals in their own bins.
    settings : EpiphanySettings
    mirrored : sequence of int
        Which signal each becomes where the chromosome is read backwards; only their number counts.
    seed, device, resume_dir, fingerprint
        As for `training.networks.fit_network`.
    weights : path, optional
        File of published weights (`models.epiphany.published`), taken in place of training.

    Returns
    -------
    tensors : dict
        The best epoch by the squared error of validation, and `scale` (see `FittedEpiphany`).
    history : DataFrame
        See `training.networks.fit_network`.

    Raises
    ------
    InputError
        No pair validates, or none trains; several processes with a discriminator.
    CheckpointError
        The published weights are of other layers.
    """
    if settings.adversarial and settings.fit.devices * settings.fit.nodes > 1:
        raise InputError(
            "adversarial: two networks in turn are trained by one process; set devices and nodes "
            "to 1, or adversarial to false"
        )
    n_distances = len(stretches[0].counts)
    step = stretches[0].features.shape[1] // stretches[0].counts.shape[1]
    torch.manual_seed(seed)
    network = Epiphany(settings, len(mirrored), n_distances, step)
    scale = np.exp(np.mean([s.log_expected for s in stretches], axis=0))
    background = None
    if settings.target.startswith("nb_"):
        background = _fit_background(stretches, seed)
    if background is not None and settings.target == "nb_z":
        scale = _spread(stretches, background)
    of_targets = {"scale": torch.as_tensor(scale)}
    if weights:
        state = read_published(weights, network)
        return state | of_targets, pd.DataFrame(columns=HISTORY)
    train, validation = (
        Frames(stretches, network, scale, background, validation=role, seed=seed)
        for role in (False, True)
    )
    tensors, history = fit_network(
        network,
        train,
        validation,
        settings.fit,
        seed=seed,
        device=device,
        resume_dir=resume_dir,
        fingerprint=fingerprint,
        learner=Adversaries if settings.adversarial else Learner,
    )
    return tensors | of_targets, history


def _pairs_of(stretch: Stretch, *, validation: bool) -> tuple[np.ndarray, np.ndarray]:
    """Distances and covariates, (n_covariates, n), of the pairs of a role: of both bins, summed.

    The logs of weights where the stretch has no other covariates.
    """
    dist, i = np.nonzero(stretch.pairs(validation=validation))
    own = stretch.log_weight[None] if stretch.covariates is None else stretch.covariates
    return dist, (own[:, i] + own[:, i + dist]).astype(float)


def _fit_background(stretches: Sequence[Stretch], seed: int) -> CountModel:
    """Regression of the counts of training pairs, all samples and chromosomes together."""
    pairs = [_pairs_of(stretch, validation=False) for stretch in stretches]
    counts = [stretch.counts[stretch.pairs(validation=False)] for stretch in stretches]
    return fit_counts(
        np.concatenate(counts),
        np.concatenate([dist for dist, _ in pairs]),
        np.concatenate([covariates for _, covariates in pairs], axis=1),
        seed=seed,
    )


def _spread(stretches: Sequence[Stretch], background: CountModel) -> np.ndarray:
    """Standard deviation over mean of counts by distance, (n_distances,), at mean covariates."""
    own = np.concatenate([_pairs_of(s, validation=False)[1] for s in stretches], axis=1)
    dist = np.maximum(np.arange(len(stretches[0].counts)), 1)
    mean = background.mean(dist, np.repeat(own.mean(axis=1)[:, None], len(dist), axis=1))
    return background.deviation(mean) / mean


class Frames(Dataset):
    """Signals and stripes of one role, in frames of consecutive stripes.

    Parameters
    ----------
    stretches : sequence of Stretch
    network : Epiphany
        Whose sizes and settings are taken.
    scale : ndarray, (n_distances,)
        Contact strength by distance, of target value.
    background : CountModel, optional
        Of targets nb_oe and nb_z.
    validation : bool
        The role. Frames of validation are fixed.
    seed : int
        Of random frames.
    """

    def __init__(
        self,
        stretches: Sequence[Stretch],
        network: Epiphany,
        scale: np.ndarray,
        background: CountModel | None = None,
        *,
        validation: bool,
        seed: int = 0,
    ) -> None:
        self.settings, self.step = network.settings, int(network.step)
        self.window, self.seed = network.window, seed
        self.signals = [s.features for s in stretches]
        self.targets = [
            _target(s, self.settings, scale, background, validation=validation) for s in stretches
        ]
        size = self.settings.stripes
        self.frames = [
            (k, lo)
            for k, target in enumerate(self.targets)
            for lo in range(0, len(target), size)
            if np.isfinite(target[lo : lo + size]).any()
        ]
        self.shifts = np.zeros(len(self.frames), int)
        self.random = self.settings.frames == "random" and not validation

    def set_epoch(self, epoch: int) -> None:
        """Draw where random frames lie in an epoch: up to half a frame from the fixed ones."""
        if self.random:
            rng, half = np.random.default_rng([self.seed, epoch]), self.settings.stripes // 2
            self.shifts = rng.integers(-half, half + 1, len(self.frames))

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Signals (n_signals, window + (stripes - 1) step), stripes (stripes, n_distances)."""
        k, lo = self.frames[number]
        size, lo = self.settings.stripes, lo + int(self.shifts[number])
        first = lo * self.step - self.window // 2
        signals = _cut(self.signals[k].T, first, self.window + (size - 1) * self.step, 0.0).T
        return np.ascontiguousarray(signals), _cut(self.targets[k], lo, size, np.nan)


def _cut(array: np.ndarray, first: int, n: int, fill: float) -> np.ndarray:
    """Rows [first, first + n), of which those beyond the ends are `fill`; float32."""
    out = np.full((n, array.shape[1]), fill, np.float32)
    a, b = max(first, 0), min(first + n, len(array))
    if a < b:
        out[a - first : b - first] = array[a:b]
    return out


def _target(stretch: Stretch, settings, scale, background, *, validation: bool) -> np.ndarray:
    """Stripes (n, n_distances) of what is predicted, NaN where a pair is not of the role."""
    pairs = stretch.pairs(validation=validation)
    target = np.full(pairs.shape, np.nan)
    counts = stretch.counts[pairs].astype(float)
    if background is None:
        target[pairs] = counts / np.exp(stretch.log_mean()[pairs])
    else:
        mean = background.mean(*_pairs_of(stretch, validation=validation))
        z = settings.target == "nb_z"
        target[pairs] = (counts - mean) / background.deviation(mean) if z else counts / mean
    if settings.target == "value":
        target *= np.asarray(scale)[:, None]
    return stripes_of(np.log2(target + 1) if settings.log2 else target).astype(np.float32)


class Adversaries(Learner):
    """The generator and its discriminator, in turn (Algorithm 1 of the article).

    The generator's loss is w mse + (1 - w) bce(D(G(x)), observed), with w the setting
    `mse_weight` and the labels flipped as the article does, in place of the negative of the
    discriminator's loss. Pairs that are not known are 0 in both maps.
    """

    def __init__(self, network: nn.Module, fit) -> None:
        super().__init__(network, fit)
        self.automatic_optimization = False

    def configure_optimizers(self):
        """One for each of the two."""
        own = self.network.discriminator.parameters()
        others = [p for n, p in self.network.named_parameters() if "discriminator." not in n]
        return [make_optimizer(others, self.fit), make_optimizer(own, self.fit)]

    def training_step(self, batch, index):
        """A step of the generator, then one of the discriminator."""
        network, judge = self.network, self.network.discriminator
        generator, discriminator = self.optimizers()  # type: ignore[attr-defined]
        signals, target = batch
        known = torch.isfinite(target)
        stripes = network(signals)
        error = network.squared_error(stripes, target)
        weight = network.settings.mse_weight
        made = torch.where(known, stripes, 0.0)
        fooled = _cross_entropy(judge(made), 1.0)
        generator.zero_grad()
        self.manual_backward(weight * error + (1 - weight) * fooled)
        self._clip(generator)
        generator.step()
        discriminator.zero_grad()
        seen = judge(torch.where(known, target, 0.0))
        told = (_cross_entropy(seen, 1.0) + _cross_entropy(judge(made.detach()), 0.0)) / 2
        self.manual_backward(told)
        discriminator.step()
        self.report("loss", error, batch)

    def _clip(self, optimizer) -> None:
        if self.fit.clip_norm:
            self.clip_gradients(optimizer, self.fit.clip_norm, "norm")


def _cross_entropy(logits: Tensor, label: float) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))
