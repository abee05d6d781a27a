"""Training of a decoder on a frozen representation: a model folder and a map in, a folder out.

The decoder sees a part of the map and is scored on the rest: chromosomes are held out, or, where
the map has one only, blocks of 5 Mb of rows (a pair belongs to its row). What was held out is in
the folder's config, and the evaluator scores these rows alone.
"""

import logging
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chromloom.errors import InputError
from chromloom.genome.bins import BLOCK, find_runs
from chromloom.kernels import kernel_threads_only
from chromloom.models.decoders import DecoderSettings, decoder_settings, new_decoder
from chromloom.models.registry import DECODER_VARIANTS, load
from chromloom.models.trained import ROWS, TrainedModel, describe, resolve_device, write_model
from chromloom.normalize.maps import NormalizedMap
from chromloom.training.learner import LazyAdam, TileLearner, clip_gradients, flatten
from chromloom.training.learner import learning_rate_factor as rate_factor
from chromloom.training.loop import Loop
from chromloom.training.released import FrameLearner, FrameLoader, write_pairs
from chromloom.training.resume import owns_resume_dir
from chromloom.training.targets import MapTargets, smooth_by_distance
from chromloom.training.tiles import TileLoader

logger = logging.getLogger(__name__)

HELD_OUT = 3
"""One chromosome (or block) in this many is held out."""


class TrainingRows(NormalizedMap):
    """A normalised map of which some rows are known: all that a decoder is trained on.

    Parameters
    ----------
    path : path
    rows : dict
        Chromosome -> rows that are known, (n,), bool. Their pairs with any column are.
    """

    def __init__(self, path: str | Path, rows: dict[str, np.ndarray]):
        super().__init__(path)
        self.rows = rows

    @cached_property
    def chromnames(self) -> list[str]:
        """Chromosomes with unmasked rows that are known."""
        names = self.bins.chromnames
        return [chrom for chrom in names if (self.rows[chrom] & ~self.mask(chrom)).any()]

    def pixels(self, chrom, lo=0, hi=None):
        """As of the whole map, known rows only."""
        pixels = super().pixels(chrom, lo, hi)
        return pixels[self.rows[chrom][pixels["i"]]]

    def band(self, chrom, lo, hi, field="value", *, max_dist=None):
        """As of the whole map, NaN in rows that are not known."""
        band = super().band(chrom, lo, hi, field, max_dist=max_dist)
        band[:, ~self.rows[chrom][lo:hi]] = np.nan
        return band


@owns_resume_dir
def train_decoder(
    model_dir: str | Path,
    map_path: str | Path,
    out_dir: str | Path,
    *,
    decoder: str = "lstm",
    variant: str = "dense",
    held_out: list[str] | None = None,
    options: dict[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    resume_dir: str | Path | None = None,
) -> None:
    """Train a decoder on the representations of a model, which stay as they are.

    Parameters
    ----------
    model_dir : path
        Folder of any trained model.
    map_path : path
        Normalised map to decode, with the bins of the model's: its own, or another's (the article's
        second experiment takes the replicate).
    out_dir : path
        Model folder of the decoder. `dense` decoders read representations standardised by
        dimension over the unmasked bins, and these are what the folder holds.
    decoder : {"lstm", "cnn", "fc"}
    variant : {"dense", "published"}
        See `chromloom.models.decoders`. `published` pads frames with the genome's first bin, which
        is the mean representation where that bin is masked, and shuffles frames.
    held_out : list of str, optional
        Chromosomes to hold out; by default every third, and on a map of one chromosome every third
        5-Mb block of rows.
    options : dict, optional
        Settings that differ from the decoder's own.
    seed, device, resume_dir
        As in `chromloom.training.fit.train`.

    Raises
    ------
    InputError
        Bins that are not the model's, an unknown chromosome, or nothing left to train on.
    """
    whole, trained = NormalizedMap(map_path), TrainedModel.load(model_dir)
    if not trained.bins.match(whole.bins):
        raise InputError(
            f"{model_dir} has {len(trained.bins)} bins of {trained.resolution} bp, {map_path} has "
            f"{len(whole.bins)} of {whole.resolution} bp; normalise the map as the model's was"
        )
    settings = decoder_settings(decoder, trained.embedding_dim, variant, **(options or {}))
    rows, regions = split_rows(whole, held_out)
    rows = {chrom: known & ~trained.mask(chrom) for chrom, known in rows.items()}
    known, place = TrainingRows(map_path, rows), resolve_device(device)
    bins = whole.bins.with_mask(whole.bins.masked | trained.bins.masked)
    embedding = torch.from_numpy(_representation(trained, settings, bins.masked))
    module = new_decoder(settings, bins.lengths)
    module.reset(seed)
    with torch.no_grad():
        module.embedding.copy_(embedding)
    module.embedding.requires_grad_(False)
    module.to(place)
    config = describe(settings, trained.name, seed=seed, device=str(place)) | {
        "sample": whole.sample,
        "assembly": whole.assembly,
        "resolution": whole.resolution,
        "norm": whole.norm,
        "ignore_diags": whole.ignore_diags,
        "decoder": decoder,
        "variant": variant,
        "representation": {key: trained.config[key] for key in ("sample", "norm", "seed")},
        "held_out": [list(region) for region in regions],
    }
    learner, loader = _learner(module, known, seed, place)
    loop = Loop(
        learner, loader, epochs=settings.fit.epochs, resume_dir=resume_dir,
        fingerprint=f"{config} {whole.clr.info['nnz']} {float(embedding.double().sum())}",
    )  # fmt: skip
    with kernel_threads_only():
        history = loop.run()
    module.requires_grad_(False)
    released = settings.preset == "released"
    decoded = load(DECODER_VARIANTS[variant].trained)(
        module, config, bins=bins, expected_table=whole.expected_table,
        recalibration=np.ones(1, dtype=np.float32),
    )  # fmt: skip
    factors = (
        np.ones(1, np.float32)
        if settings.objective.target == "cp"
        else _recalibration(decoded, known)
    )
    write_model(
        out_dir, {**module.state_dict(), "recalibration": torch.from_numpy(factors)}, config,
        bins=bins, expected=whole.expected_table, history=history,
        write_more=(lambda f: write_pairs(whole, f / "pairs.safetensors")) if released else None,
    )  # fmt: skip


def split_rows(
    normalized: NormalizedMap, held_out: list[str] | None = None
) -> tuple[dict[str, np.ndarray], list[tuple[str, int, int]]]:
    """Which rows a decoder is trained on.

    Parameters
    ----------
    normalized : NormalizedMap
    held_out : list of str, optional
        Chromosomes to hold out; by default every third of those with unmasked bins (of two, the
        second), and of a single one every third block of 5 Mb, or of a sixth of its length where it
        is shorter than six of those.

    Returns
    -------
    rows : dict
        Chromosome -> rows to train on, (n,), bool.
    held_out : list of (chrom, start, end)
        bp; what is left for testing.

    Raises
    ------
    InputError
        A chromosome to hold out that the map lacks, or none left to train on.
    """
    names, resolution = normalized.chromnames, normalized.resolution
    lengths = {c: len(normalized.mask(c)) for c in names}
    if held_out is None and len(names) == 1:
        (chrom,) = names
        size = max(min(BLOCK // resolution, lengths[chrom] // (2 * HELD_OUT)), 1)
        number = np.arange(lengths[chrom]) // size
        rows = {chrom: number % HELD_OUT != HELD_OUT - 1}
    else:
        if held_out is None:
            held_out = names[HELD_OUT - 1 :: HELD_OUT] or names[1:]
        missing = [chrom for chrom in held_out if chrom not in names]
        if missing or not set(names) - set(held_out):
            raise InputError(
                f"{normalized.path}: chromosomes {', '.join(missing or held_out)} cannot be held "
                f"out; it has {', '.join(names)}, of which one at least must be left to train on"
            )
        rows = {c: np.full(lengths[c], c not in held_out) for c in names}
    regions = []
    for chrom, known in rows.items():
        end = int(normalized.clr.chromsizes[chrom])
        regions += [
            (chrom, int(a) * resolution, min(int(b) * resolution, end))
            for a, b in find_runs(~known)
        ]
    return rows, regions


def _representation(
    trained: TrainedModel, settings: DecoderSettings, masked: np.ndarray
) -> np.ndarray:
    """Representations of all bins, (n_bins, d), float32, standardised for `dense`.

    Masked bins hold the mean.
    """
    values = trained.module.embedding.cpu().numpy().copy()
    mean = values[~masked].mean(axis=0)
    if settings.preset != "released":
        values = (values - mean) / np.maximum(values[~masked].std(axis=0), 1e-6)
        mean = np.zeros_like(mean)
    values[masked] = mean
    return values


def _learner(module, known: TrainingRows, seed: int, device: torch.device):
    settings = module.settings
    if settings.preset == "released":
        return FrozenFrameLearner(module), FrameLoader(known, settings, seed=seed)
    numbers = {name: k for k, name in enumerate(known.clr.chromnames)}
    source = MapTargets(known, settings)
    loader = TileLoader(source, settings, numbers, seed=seed, device=device)
    weights = torch.from_numpy(loader.distance_weights())
    return FrozenTileLearner(module, weights), loader


class FrozenTileLearner(TileLearner):
    """Trains what decodes the representations tile by tile, and leaves these as they are."""

    def step(self, tile, progress: float) -> Tensor:
        """Learn from one tile; returns its weighted sum of squared errors, ()."""
        block, d0, d1, _ = tile
        embedding = self.model.embedding[block.offset : block.offset + block.n]
        end = block.hi + d1 - 1
        cols = embedding[block.lo + d0 : end]
        cols = torch.cat([cols, cols.new_zeros(max(end - block.n, 0), cols.shape[1])])
        self._gradient.zero_()
        loss = self.backward(block, embedding[block.lo : block.hi], cols, d0, d1)
        clip_gradients([self._gradient], self.settings.fit.clip_norm)
        fit = self.settings.fit
        rate = rate_factor(fit, progress) * fit.learning_rate
        self.decoder_adam.step(slice(None), self._gradient, rate)
        return loss * self._scale


class FrozenFrameLearner(FrameLearner):
    """The same for frames of observed contacts."""

    def __init__(self, model):
        self.model, self.settings = model, model.settings
        parameters = [p for name, p in model.named_parameters() if name != "embedding"]
        values, gradient = flatten(parameters)
        self._parts = {"decoder": (LazyAdam(values), gradient)}


def _recalibration(decoded: TrainedModel, known: TrainingRows) -> np.ndarray:
    """Factor of strength plus k at each distance over the rows trained on, (n_dist,)."""
    n_dist = max(b - a for a, b in map(known.extent, known.chromnames))
    sums, k = np.zeros((2, n_dist)), decoded.settings.objective.k
    for chrom in known.chromnames:
        expected, n = known.expected(chrom), len(known.mask(chrom))
        for lo in range(0, n, ROWS):
            hi = min(lo + ROWS, n)
            predicted = np.exp(decoded.predict_band(chrom, lo, hi)) * (expected.band(lo, hi) + k)
            observed = known.band(chrom, lo, hi) + k
            both = np.isfinite(predicted) & np.isfinite(observed)
            for total, band in zip(sums, (observed, predicted)):
                total[: n - lo] += np.where(both, band, 0).sum(axis=1, dtype=float)
    return smooth_by_distance(*sums).astype(np.float32)
