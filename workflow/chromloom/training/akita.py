"""Training of Akita: windows of sequence in, maps of one or more samples out, one head for each."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.utils.data import Dataset

from chromloom.errors import InputError
from chromloom.models.akita.module import Akita, upper_triangle
from chromloom.models.akita.published import read_published
from chromloom.models.akita.settings import AkitaSettings
from chromloom.models.predictor import Constants, Predictor
from chromloom.models.registry import model_settings
from chromloom.models.trained import resolve_device
from chromloom.normalize.maps import NormalizedMap
from chromloom.sequence.ctcf import CTCF_COUNTS
from chromloom.sequence.fasta import Genome
from chromloom.training.fold import fingerprint, fold_config, open_maps, write_fold
from chromloom.training.networks import HISTORY, fit_network
from chromloom.training.resume import owns_resume_dir
from chromloom.training.stretches import expected_strength, read_counts

logger = logging.getLogger(__name__)

LEAST = 0.02
"""Share of a window's pairs that has to have counts for the window to be learnt from."""


@owns_resume_dir
def train_akita(
    model: str,
    maps: Sequence[str | Path],
    stores: Sequence[str | Path],
    split: pd.DataFrame,
    out_dir: str | Path,
    *,
    genome_path: str | Path,
    max_distance: int,
    signals: Sequence[str] = (),
    sequence: Mapping[str, int] | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    resume_dir: str | Path | None = None,
    weights: str | Path | None = None,
) -> None:
    """Train a network on one fold and write its folder.

    Parameters
    ----------
    model : str
        A line of `chromloom.models.registry`.
    maps : sequence of path
        Normalised maps of the training samples, of one bin size and assembly: a head for each.
    stores, signals, sequence : sequence of path, sequence of str, mapping
        Nothing: what other predictors read.
    split : DataFrame
        Rows of one fold, see `training.splits`. No contact of its test regions is read; windows
        that train may reach into their sequence.
    out_dir : path
        Folder, see `models.predictor`.
    genome_path : path
        Sequence, as `sequence.fasta.write_genome` writes it.
    max_distance : int
        bp; farther pairs are not predicted. What windows cannot hold is cut off, see
        `AkitaSettings.n_distances`.
    options : mapping, optional
        Settings that differ from the model's own.
    seed, device, resume_dir
        As in `training.networks.fit_network`.
    weights : path, optional
        File of published weights (`models.akita.published`), which are taken in place of training:
        the maps give the expected at each distance alone.

    Raises
    ------
    InputError
        Signals or features of sequence, maps of two bin sizes or assemblies, a bin size that
        poolings do not make, a chromosome without a sequence, or nothing to learn from.
    """
    if stores or signals or sequence:
        raise InputError(
            f"model '{model}' reads the bases of the sequence alone; leave signals and features of "
            "the sequence out"
        )
    settings: AkitaSettings = model_settings(model, **(options or {}))
    opened, genome = open_maps(maps), Genome(genome_path)
    first = opened[0]
    targets, expected = read_targets(opened, split, settings.size)
    for target in targets:
        _check_sequence(genome, target, first)
    torch.manual_seed(seed)
    network = Learning(settings, first.resolution, len(opened), first.ignore_diags)
    if settings.windows.start == "ctcf":
        start_from_motif(network, CTCF_COUNTS)
    n_distances = min(max_distance // first.resolution + 1, settings.n_distances)
    config = fold_config(
        model,
        settings,
        first,
        split,
        seed=seed,
        n_distances=n_distances,
        max_distance=(n_distances - 1) * first.resolution,
        mirrored=[],
    )
    inputs = {
        "signals": [],
        "assembly": first.assembly,
        "bin_size": 1,
        "samples": [observed.sample for observed in opened],
    }
    if weights:
        tensors, history = read_published(weights, network), pd.DataFrame(columns=HISTORY)
    else:
        tensors, history = fit_network(
            network,
            Windows(genome, targets, settings, first, seed=seed, validation=False),
            Windows(genome, targets, settings, first, seed=seed, validation=True),
            settings.fit,
            seed=seed,
            device=str(resolve_device(device)),
            resume_dir=resume_dir,
            fingerprint=fingerprint(config, inputs, (a for t in targets for a in t.arrays)),
        )
    tensors["bin_size"] = torch.tensor(first.resolution)
    constants = Constants.as_it_is([], expected[:n_distances])
    write_fold(out_dir, split, history, Predictor(config, inputs, constants, tensors))


@dataclass(frozen=True)
class Target:
    """A chromosome of n bins in all maps that are learnt from.

    Attributes
    ----------
    chrom : str
    counts : ndarray, (n_maps, size, n), float32
        Band layout; NaN where there is no pair, and outside of the roles train and validation.
    log_weight : ndarray, (n_maps, n), float32
        Log of the balancing weights; 0 at masked bins.
    log_expected : ndarray, (n_maps, size), float32
        Log of the expected contact strength by distance.
    validates : ndarray, (n,), bool
        Bins of the role validation; the others with counts train.
    """

    chrom: str
    counts: np.ndarray
    log_weight: np.ndarray
    log_expected: np.ndarray
    validates: np.ndarray

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All numbers of it."""
        return self.counts, self.log_weight, self.log_expected, self.validates


def read_targets(
    maps: Sequence[NormalizedMap], split: pd.DataFrame, size: int
) -> tuple[list[Target], np.ndarray]:
    """Counts of the chromosomes that a fold trains and validates on.

    Parameters
    ----------
    maps : sequence of NormalizedMap
    split : DataFrame
        Rows of one fold.
    size : int
        Distances from 0, bins.

    Returns
    -------
    targets : list of Target
    expected : ndarray, (size,), float64
        Contact strength by distance of training pairs, the mean over maps.

    Raises
    ------
    InputError
        A map has none of the chromosomes.
    """
    learnt = set(split["chrom"][split["role"] != "test"])
    read, curves = [], []
    for observed in maps:
        own = {c: read_counts(observed, c, split, size) for c in observed.chromnames if c in learnt}
        if not own:
            raise InputError(
                f"predictors: sample {observed.sample} has no contacts on "
                f"{', '.join(sorted(learnt))}; name chromosomes that it has, or another sample"
            )
        read.append(own)
        curves.append(expected_strength(own.values()))
    targets = []
    for chrom in dict.fromkeys(c for own in read for c in own):
        known = [own.get(chrom) for own in read]
        (shape,) = {own[0].shape for own in known if own is not None}
        counts = [np.full(shape, np.nan, np.float32) if o is None else o[0] for o in known]
        weights = [np.ones(shape[1]) if o is None else o[2] for o in known]
        logs = [np.log(np.where(np.isfinite(w), w, 1)).astype(np.float32) for w in weights]
        targets.append(
            Target(
                chrom,
                np.stack(counts),
                np.stack(logs),
                np.log(np.array(curves)).astype(np.float32),
                next(own[3] for own in known if own is not None),
            )
        )
    return targets, np.mean(curves, axis=0)


class Windows(Dataset):
    """Windows of sequence with what is learnt of their pairs.

    An example is (codes, turned, values, log_mean): codes (window * bin_size,), uint8, and, for the
    pairs of `upper_triangle`, values and log_mean (n_maps, n_pairs), float32. Values are counts,
    and log_mean the log of what distance makes expected, for loss poisson; log observed/expected
    and nothing for mse. NaN = not learnt.

    Parameters
    ----------
    genome : Genome
    targets : sequence of Target
    settings : AkitaSettings
    observed : NormalizedMap
        One of the maps.
    seed : int
    validation : bool
        Windows of the pairs that validate, always the same, in place of those that train.
    """

    def __init__(
        self,
        genome: Genome,
        targets: Sequence[Target],
        settings: AkitaSettings,
        observed: NormalizedMap,
        *,
        seed: int,
        validation: bool,
    ) -> None:
        self.genome, self.targets, self.settings = genome, targets, settings
        self.resolution, self.seed, self.validation = observed.resolution, seed, validation
        self.epoch = 0
        i, j = upper_triangle(settings.size, observed.ignore_diags)
        self.i, self.dist = i.numpy(), (j - i).numpy()
        stride = settings.windows.stride or max(settings.size // 4, 1)
        self.stride = settings.size if validation else stride
        self.places = [
            (k, first)
            for k, target in enumerate(targets)
            for first in self._starts(len(target.validates))
            if self._is_known(target, first)
        ]

    def set_epoch(self, epoch: int) -> None:
        """Draw strands, shifts and places anew."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        k, first = self.places[number]
        shift, turned = 0, False
        if not self.validation:
            rng = np.random.default_rng([self.seed, self.epoch, number])
            own = self.settings.windows
            turned = own.mirror and rng.random() < 0.5
            shift = int(rng.integers(-own.shift, own.shift + 1))
            if own.wander:
                first += int(rng.integers(self.stride))
        target = self.targets[k]
        first = min(first, max(len(target.validates) - self.settings.size, self.places[number][1]))
        start = (first - self.settings.crop) * self.resolution + shift
        length = self.settings.window * self.resolution
        codes = self.genome.read(target.chrom, start, start + length)
        values, log_mean = self._pairs(target, first)
        if self.settings.windows.loss == "mse":
            values, log_mean = self._log_ratio(values, log_mean), log_mean[:, :0]
        return tuple(map(torch.as_tensor, (codes, turned, values, log_mean)))  # type: ignore[return-value]

    def _starts(self, n: int) -> list[int]:
        """First bins of windows that cover a chromosome of n bins."""
        last = n - self.settings.size
        if last <= 0:
            return [last // 2]
        return [*range(0, last, self.stride), last]

    def _is_known(self, target: Target, first: int) -> bool:
        return bool(np.isfinite(self._pairs(target, first)[0]).mean() >= LEAST)

    def _pairs(self, target: Target, first: int) -> tuple[np.ndarray, np.ndarray]:
        """Counts and log of their expected, (n_maps, n_pairs), of a window's pairs."""
        n, i = len(target.validates), self.i + first
        j = i + self.dist
        inside = (i >= 0) & (j < n)
        i, j = np.clip(i, 0, n - 1), np.clip(j, 0, n - 1)
        own = target.validates == self.validation
        known = inside & own[i] & own[j]
        counts = np.where(known, target.counts[:, self.dist, i], np.float32(np.nan))
        weight = target.log_weight
        return counts, target.log_expected[:, self.dist] - weight[:, i] - weight[:, j]

    def _log_ratio(self, counts: np.ndarray, log_mean: np.ndarray) -> np.ndarray:
        """Log of smoothed counts over smoothed expected; NaN where the pair has no count."""
        own, size = self.settings.windows, self.settings.size
        ratio = np.full(counts.shape, np.nan, np.float32)
        i, j = self.i, self.i + self.dist
        for row, (seen, mean) in enumerate(zip(counts, np.exp(log_mean))):
            known = np.isfinite(seen)
            square = np.zeros((2, size, size), np.float32)
            square[:, i, j] = square[:, j, i] = np.where(known, np.stack([seen, mean]), 0)
            if own.sigma:
                square = gaussian_filter(square, own.sigma, axes=(1, 2), radius=2)
            smooth, expected = square[:, i, j] + np.float32(own.k)
            ratio[row] = np.where(
                known, np.log(smooth / expected).clip(-own.clip, own.clip), np.nan
            )
        return ratio


class Learning(Akita):
    """The network with its loss."""

    i: Tensor
    j: Tensor

    def __init__(
        self, settings: AkitaSettings, bin_size: int, n_targets: int, ignore_diags: int
    ) -> None:
        super().__init__(settings, bin_size, n_targets)
        i, j = upper_triangle(settings.size, ignore_diags)
        self.register_buffer("i", i, persistent=False)
        self.register_buffer("j", j, persistent=False)

    def loss(self, batch: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
        """Mean loss of a batch of `Windows`; 0 where nothing of it is known."""
        codes, turned, values, log_mean = batch
        ratio = self(codes, turned)[:, :, self.i, self.j].float()
        known = torch.isfinite(values)
        ratio = torch.where(known, ratio, 0.0)
        seen = torch.where(known, values, 0.0)
        if self.settings.windows.loss == "mse":
            return (ratio - seen).square().sum() / known.sum().clamp(min=1)
        expected = torch.where(known, torch.exp(log_mean), 0.0)
        mean = torch.where(known, torch.exp((log_mean + ratio).clamp(max=30)), 0.0)
        # Divided by what is expected and not by what was seen, which would weigh windows by noise.
        return (mean - seen * ratio).sum() / expected.sum().clamp(min=1e-6)


def start_from_motif(network: Akita, counts: np.ndarray) -> None:
    """Let the first two filters begin as a motif and its reverse complement.

    The first two channels of the later convolutions of the tower begin as those of the one before.

    Parameters
    ----------
    network : Akita
        Its first convolution is as wide as the motif, or wider.
    counts : ndarray, (4, width)
        Of the bases A, C, G, T at each position.

    Raises
    ------
    InputError
        The convolution is narrower, or has one filter.
    """
    weight: Tensor = network.tower[0].conv.weight  # type: ignore[union-attr, assignment]
    width = counts.shape[1]
    if weight.shape[-1] < width or len(weight) < 2:
        raise InputError(
            f"model setting start=ctcf needs kernel={width} or more and two filters; they are "
            f"{weight.shape[-1]} and {len(weight)}"
        )
    frequencies = (counts + 1) / (counts + 1).sum(axis=0)
    odds = np.log(4 * frequencies)
    odds -= odds.mean(axis=0)
    first = (weight.shape[-1] - width) // 2
    with torch.no_grad():
        scale = weight[0].norm() / float(np.linalg.norm(odds))
        for own, values in zip(weight, (odds, odds[::-1, ::-1])):
            own.zero_()
            own[:, first : first + width] = scale * torch.as_tensor(values.copy(), dtype=own.dtype)
        for block in list(network.tower)[1:]:
            later: Tensor = block.conv.weight  # type: ignore[union-attr, assignment]
            later[:2] = 0
            later[[0, 1], [0, 1], later.shape[-1] // 2] = 1


def _check_sequence(genome: Genome, target: Target, observed: NormalizedMap) -> None:
    """The chromosome has a sequence, as long as in the map's assembly."""
    genome.read(target.chrom, 0, 1)
    size = int(observed.bins.chromsizes[target.chrom])
    if abs(int(genome.chromsizes[target.chrom]) - size) >= observed.resolution:
        raise InputError(
            f"{genome.path}: {target.chrom} has {int(genome.chromsizes[target.chrom]):,} bp, in "
            f"{observed.path} {size:,}; give the sequence of the map's assembly"
        )
