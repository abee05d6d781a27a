"""Training of Akita: windows of sequence in, maps of one or more samples out, one head for each."""

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import uniform_filter1d
from torch import Tensor
from torch.utils.data import Dataset

from chromloom.errors import InputError
from chromloom.models.akita.module import Akita, upper_triangle
from chromloom.models.akita.published import read_published
from chromloom.models.akita.settings import AkitaSettings
from chromloom.models.predictor import Constants, Predictor
from chromloom.models.registry import model_settings
from chromloom.models.trained import resolve_device
from chromloom.sequence.ctcf import CTCF_COUNTS
from chromloom.sequence.discover import discover_motif
from chromloom.sequence.fasta import Genome
from chromloom.training.base_targets import (
    COLUMNS,
    BaseTargets,
    window_starts,
    window_stride,
    write_base_targets,
)
from chromloom.training.fold import fingerprint, fold_config, open_maps, write_fold
from chromloom.training.networks import HISTORY, fit_network
from chromloom.training.resume import owns_resume_dir

logger = logging.getLogger(__name__)

LEAST = 0.02
"""Share of a window's pairs that has to have counts for the window to be learnt from."""
REACH, AROUND = 8, 41
"""Of `contacts_across`, bins: on either side of a bin; of the running mean that is taken off."""
EXPECTED = 10.0
"""Of `contacts_across`: counts that have to be expected across a bin."""


@owns_resume_dir
def train_akita(
    model: str,
    maps: Sequence[str | Path],
    stores: Sequence[str | Path],
    split: pd.DataFrame,
    out_dir: str | Path,
    *,
    genome_path: str | Path,
    targets_path: str | Path | None = None,
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
    targets_path : path, optional
        What is learnt from, as `training.base_targets.write_base_targets` writes it with the same
        arguments; by default it is written for the time of training.
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
    if weights:  # the expected alone is read, which counts have without windows that can be learnt
        options = {**(options or {}), "loss": "poisson"}
    with _targets(targets_path, model, maps, split, genome_path, options) as store:
        return _train(
            model, settings, maps, store, split, out_dir, genome_path=genome_path,
            max_distance=max_distance, seed=seed, device=device, resume_dir=resume_dir,
            weights=weights,
        )  # fmt: skip


@contextmanager
def _targets(path, model, maps, split, genome_path, options) -> Iterator[BaseTargets]:
    """The store that is given, or one for the time of training."""
    with ExitStack() as stack:
        if path is None:
            path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "targets.h5"
            write_base_targets(model, maps, split, path, genome_path=genome_path, options=options)
        yield stack.enter_context(BaseTargets(path))


def _train(
    model, settings, maps, store, split, out_dir, *, genome_path, max_distance, seed, device,
    resume_dir, weights,
) -> None:  # fmt: skip
    opened, genome = open_maps(maps), Genome(genome_path)
    first, expected = opened[0], store.expected.mean(axis=0)
    torch.manual_seed(seed)
    network = Learning(settings, first.resolution, len(opened), first.ignore_diags)
    if settings.windows.start == "ctcf":
        start_from_motif(network, CTCF_COUNTS)
    elif settings.windows.start == "contacts":
        bases = [(genome.read(c, 0, int(genome.chromsizes[c])), contacts_across(store, c))
                 for c in store.chroms]  # fmt: skip
        start_from_motif(network, discover_motif(bases, first.resolution, width=settings.kernel))
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
            Windows(genome, store, settings, seed=seed, validation=False),
            Windows(genome, store, settings, seed=seed, validation=True),
            settings.fit,
            seed=seed,
            device=str(resolve_device(device)),
            resume_dir=resume_dir,
            fingerprint=fingerprint(config, inputs, store.arrays()),
        )
    tensors["bin_size"] = torch.tensor(first.resolution)
    constants = Constants.as_it_is([], expected[:n_distances])
    write_fold(out_dir, split, history, Predictor(config, inputs, constants, tensors))


class Windows(Dataset):
    """Windows of sequence with what is learnt of their pairs.

    An example is (codes, turned, values, log_mean): codes (window * bin_size,), uint8, and, for the
    pairs of `upper_triangle`, values and log_mean (n_maps, n_pairs), float32. Values are counts,
    and log_mean the log of what distance makes expected, for loss poisson; log observed/expected
    and nothing for mse. NaN = not learnt.

    Parameters
    ----------
    genome : Genome
    store : BaseTargets
    settings : AkitaSettings
    seed : int
    validation : bool
        Windows of the pairs that validate, always the same, in place of those that train.

    Attributes
    ----------
    places : list of (str, int, int)
        Chromosome, first predicted bin, and number in the store (of mse; 0 of poisson).
    """

    def __init__(
        self,
        genome: Genome,
        store: BaseTargets,
        settings: AkitaSettings,
        *,
        seed: int,
        validation: bool,
    ) -> None:
        self.genome, self.store, self.settings = genome, store, settings
        self.seed, self.validation, self.epoch = seed, validation, 0
        i, j = upper_triangle(settings.size, store.ignore_diags)
        self.i, self.dist = i.numpy(), (j - i).numpy()
        self.stride = window_stride(settings, validation=validation)
        self.places: list[tuple[str, int, int]] = []
        if store.loss == "mse":
            own = store.windows[store.windows["validates"] == validation]
            self.places = list(zip(own["chrom"], own["first"].tolist(), own.index.tolist()))
        else:
            for chrom in store.chroms:
                n = len(store.validates[chrom])
                for first in window_starts(n, settings.size, self.stride):
                    if np.isfinite(self._counts(chrom, first)[0]).mean() >= LEAST:
                        self.places.append((chrom, first, 0))

    def set_epoch(self, epoch: int) -> None:
        """Draw strands, shifts and places anew."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        chrom, first, target = self.places[number]
        own, shift, turned = self.settings.windows, 0, False
        if not self.validation:
            rng = np.random.default_rng([self.seed, self.epoch, number])
            turned = own.mirror and rng.random() < 0.5
            shift = int(rng.integers(-own.shift, own.shift + 1))
            if own.wander and self.store.loss == "poisson":
                last = len(self.store.validates[chrom]) - self.settings.size
                first = min(first + int(rng.integers(self.stride)), max(last, first))
        start = (first - self.settings.crop) * self.store.resolution + shift
        length = self.settings.window * self.store.resolution
        codes = self.genome.read(chrom, start, start + length)
        if self.store.loss == "mse":
            values = self.store.target(target)
            log_mean = values[:, :0]
        else:
            values, log_mean = self._counts(chrom, first)
        return tuple(map(torch.as_tensor, (codes, turned, values, log_mean)))  # type: ignore[return-value]

    def _counts(self, chrom: str, first: int) -> tuple[np.ndarray, np.ndarray]:
        """Counts and log of their expected, (n_maps, n_pairs), of a window's pairs."""
        store, size = self.store, self.settings.size
        validates, weight = store.validates[chrom], store.log_weight[chrom]
        n, i = len(validates), self.i + first
        j = i + self.dist
        inside = (i >= 0) & (j < n)
        i, j = np.clip(i, 0, n - 1), np.clip(j, 0, n - 1)
        lo = max(first, 0)
        read = store.counts(chrom, lo, min(first + size, n))
        known = inside & (validates[i] == self.validation) & (validates[j] == self.validation)
        column = np.clip(i - lo, 0, read.shape[2] - 1)
        counts = np.where(known, read[:, self.dist, column], np.float32(np.nan))
        log_expected = np.log(store.expected).astype(np.float32)
        return counts, log_expected[:, self.dist] - weight[:, i] - weight[:, j]


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


def contacts_across(store: BaseTargets, chrom: str) -> np.ndarray:
    """How many of the contacts that train cross each bin, beside its neighbourhood.

    Parameters
    ----------
    store : BaseTargets
        Of loss poisson.
    chrom : str

    Returns
    -------
    ndarray, (n,), float64
        Log of the counts over the expected ones of pairs with one end up to `REACH` bins before and
        the other as far behind a bin, all maps together, less its mean over `AROUND` bins. NaN
        where fewer than `EXPECTED` counts are expected, and in bins of validation.
    """
    validates, n = store.validates[chrom], len(store.validates[chrom])
    total, mean = np.zeros(n), np.zeros(n)
    counts = np.concatenate(
        [
            store.counts(chrom, lo, min(lo + COLUMNS, n))[:, : 2 * REACH + 1]
            for lo in range(0, n, COLUMNS)
        ],
        axis=2,
    )  # (n_maps, n_distances, n)
    for d in range(store.ignore_diags, counts.shape[1]):
        j = np.minimum(np.arange(n) + d, n - 1)
        weights = store.log_weight[chrom] + store.log_weight[chrom][:, j]
        known = np.isfinite(counts[:, d]) & ~validates & ~validates[j]
        # Pairs (i, i + d) with b - REACH <= i < b < i + d <= b + REACH.
        first = np.clip(np.arange(n) + max(-REACH, 1 - d), 0, n)
        last = np.clip(np.arange(n) + min(0, REACH - d + 1), 0, n)
        expected = store.expected[:, d, None] * np.exp(-weights)
        for sums, values in ((total, counts[:, d]), (mean, expected)):
            own = np.concatenate([[0.0], np.where(known, values, 0.0).sum(axis=0).cumsum()])
            sums += own[last] - own[first]
    looked = (mean >= EXPECTED) & ~validates
    across = np.log((total + 0.5) / (mean + 0.5))
    share = uniform_filter1d(looked.astype(float), AROUND)
    around = uniform_filter1d(np.where(looked, across, 0.0), AROUND)
    return np.where(looked, across - around / np.maximum(share, 1e-9), np.nan)
