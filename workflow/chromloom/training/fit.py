"""The entry points of training: a map in, a model folder out."""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from chromloom.errors import InputError
from chromloom.genome.bins import Bins
from chromloom.models.hiclstm.module import HiCLSTM
from chromloom.models.hiclstm.settings import HiCLSTMSettings
from chromloom.models.registry import find_model, load, model_named
from chromloom.models.trained import ROWS, TrainedModel, describe, resolve_device, write_model
from chromloom.normalize.maps import NormalizedMap
from chromloom.training.resume import owns_resume_dir
from chromloom.training.targets import MapTargets, smooth_by_distance

logger = logging.getLogger(__name__)


@owns_resume_dir
def train(
    map_path: str | Path,
    out_dir: str | Path,
    settings: HiCLSTMSettings,
    *,
    seed: int = 0,
    device: str = "auto",
    resume_dir: str | Path | None = None,
    max_target_gb: float = 5.0,
    backend: str = "auto",
    joint_path: str | Path | None = None,
) -> None:
    """Train a model on a normalised map and write its folder.

    Parameters
    ----------
    map_path : path
        Normalised map (`….cool` with its expected table).
    out_dir : path
        Model folder, see `chromloom.models.trained`; replaced when training has ended.
    settings : HiCLSTMSettings
        Preset `eig` is not trained: its start is the model.
    seed : int
        Of initial values and the order of steps. On the CPU the same seed gives the same bits.
    device : {"auto", "cpu", "cuda"}
    resume_dir : path, optional
        Where the state of the run lies meanwhile, outside `out_dir`. A killed run goes on from
        it; it is removed in the end. A state of other settings, seed or data is not taken up.
    max_target_gb : float
        Memory for targets; chromosomes beyond it are read again in each epoch.
    backend : str
        Of `chromloom.kernels`.
    joint_path : path, optional
        Joint fit of this map and others (`chromloom.training.joint`), of the same settings and
        seed, which gives representations, S, c and barriers.

    Raises
    ------
    InputError
        The map cannot be read, has no unmasked bins, or took no part in the joint fit.
    """
    normalized = _open(map_path)
    line = find_model(model_named(settings.preset))
    lengths = normalized.bins.lengths
    model = load(line.module)(settings, lengths)
    model.reset(seed)
    more = {}
    if joint_path is not None:
        more["joint_fit"] = set_joint_start(model, normalized, joint_path)
    elif settings.fit.start != "normal":
        set_eigen_start(model, normalized, seed=seed)
    _fit_and_write(
        model,
        normalized,
        out_dir,
        seed=seed,
        device=device,
        resume_dir=resume_dir,
        max_target_gb=max_target_gb,
        backend=backend,
        more=more,
    )


@owns_resume_dir
def fine_tune(
    model_dir: str | Path,
    map_path: str | Path,
    out_dir: str | Path,
    *,
    region: tuple[str, int, int] | None = None,
    freeze_lstm: bool = False,
    epochs: int | None = None,
    learning_rate: float | None = None,
    seed: int = 0,
    device: str = "auto",
    resume_dir: str | Path | None = None,
    max_target_gb: float = 5.0,
    backend: str = "auto",
) -> None:
    """Train a trained model further, on another map or a part of one.

    Parameters
    ----------
    model_dir : path
        Folder of the trained model; its bins must be those of the map.
    map_path, out_dir, seed, device, resume_dir, max_target_gb, backend
        As in `train`.
    region : (chrom, start, end), optional
        bp; only pairs within it are trained on (the article's 5C case).
    freeze_lstm : bool
        Move representations only.
    epochs, learning_rate : optional
        Instead of the model's own; the learning rate is for weights and representations. Those
        move here even where the preset takes them from a fit and only trains the LSTM.

    Raises
    ------
    CheckpointError
        The model folder is damaged.
    InputError
        Other bins than the model's, or a region without unmasked pairs.
    """
    normalized = _open(map_path)
    trained = TrainedModel.load(model_dir)
    if not trained.bins.match(normalized.bins):
        raise InputError(
            f"{model_dir} was trained on {len(trained.bins)} bins of {trained.resolution} bp "
            f"({trained.config['assembly']}), {map_path} has {len(normalized.bins)} bins of "
            f"{normalized.resolution} bp ({normalized.assembly}); normalise the map at the "
            "model's resolution and assembly"
        )
    settings = trained.settings
    if epochs is not None:
        settings = replace(settings, fit=replace(settings.fit, epochs=epochs))
    settings = replace(settings, fit=replace(settings.fit, min_steps=0))
    if learning_rate is not None or not settings.fit.embedding_learning_rate:
        rate = settings.fit.learning_rate if learning_rate is None else learning_rate
        fit = replace(settings.fit, learning_rate=rate, embedding_learning_rate=rate)
        settings = replace(settings, fit=fit)
    model = trained.module
    model.settings = settings
    model.requires_grad_(True)
    _fit_and_write(
        model,
        normalized,
        out_dir,
        seed=seed,
        device=device,
        resume_dir=resume_dir,
        max_target_gb=max_target_gb,
        backend=backend,
        region=region,
        freeze_decoder=freeze_lstm,
        origin=str(model_dir),
        trained_bins=trained.bins,
    )


def set_eigen_start(
    model: HiCLSTM, normalized: NormalizedMap, *, seed: int, tracks: dict | None = None
) -> None:
    """Set representations and S to the leading eigenvectors of each chromosome's log O/E.

    With start likelihood they are moved on to the fit of the count model, whose uncertainty the
    model keeps while it is trained.

    Parameters
    ----------
    tracks : dict, optional
        Per chromosome what signs follow (`chromloom.models.baselines.eig.orient`).
    """
    from chromloom.models.baselines.eig import eigen_representation

    settings = model.settings
    numbers = _chrom_numbers(normalized)
    with torch.no_grad():
        model.embedding.zero_()
        for chrom in normalized.chromnames:
            track = (tracks or {}).get(chrom)
            R, S = eigen_representation(
                normalized,
                chrom,
                settings.architecture.embedding_dim - settings.architecture.barrier,
                k=settings.objective.k,
                seed=seed,
                track=track,
            )
            found = {"embedding": R, "S": S}
            if settings.fit.start == "likelihood":
                from chromloom.training.likelihood import likelihood_representation

                found = likelihood_representation(
                    normalized,
                    chrom,
                    R,
                    S,
                    n_knots=settings.architecture.knots,
                    sweeps=settings.fit.sweeps,
                    dispersion=settings.fit.dispersion,
                    oriented=settings.architecture.oriented,
                    barrier=settings.architecture.barrier,
                    coarse_below=settings.fit.coarse_below,
                    seed=seed,
                    track=track,
                )
            at = slice(*normalized.extent(chrom))
            model.embedding[at] = torch.from_numpy(found.pop("embedding"))
            if "spread" in found:
                if model.spread is None:
                    model.spread = torch.zeros_like(model.embedding)
                model.spread[at] = torch.from_numpy(found.pop("spread"))
            for name, value in found.items():
                parameter = getattr(model, name)
                if parameter is not None:
                    parameter[numbers[chrom]] = torch.from_numpy(value)


def set_joint_start(model: HiCLSTM, normalized: NormalizedMap, path: str | Path) -> str:
    """Set representations, their uncertainty, S, c and barriers to those of a joint fit.

    Returns
    -------
    str
        Digest of the fit.
    """
    from chromloom.training.joint import read_joint

    found, digest = read_joint(path, normalized.sample)
    with torch.no_grad():
        model.spread = torch.from_numpy(found.pop("spread"))
        for name, value in found.items():
            if (parameter := getattr(model, name)) is not None:
                parameter.copy_(torch.from_numpy(value))
    return digest


def recalibration(trained: TrainedModel, normalized: NormalizedMap) -> np.ndarray:
    """Factor of contact strength plus k at each distance: observed over predicted, (n_dist,).

    Sums run over all unmasked pairs of the map, smoothed over 5 % of the distance; ones for target
    cp, which is inverted by its formula.
    """
    n_dist = max(b - a for a, b in map(normalized.extent, normalized.chromnames))
    sums = np.zeros((2, n_dist))
    if trained.settings.objective.target == "cp":
        return np.ones(n_dist, dtype=np.float32)
    for chrom in normalized.chromnames:
        first, last = normalized.extent(chrom)
        expected = normalized.expected(chrom)
        for lo in range(0, last - first, ROWS):
            hi = min(lo + ROWS, last - first)
            if normalized.mask(chrom)[lo:hi].all():
                continue
            target, base = trained.predict_band(chrom, lo, hi), expected.band(lo, hi)
            pixels = normalized.pixels(chrom, lo, hi)
            observed = np.bincount(pixels["j"] - pixels["i"], pixels["value"], len(target))
            k = trained.settings.objective.pseudocount
            sums[0, : len(target)] += observed + k * np.isfinite(target).sum(axis=1)
            sums[1, : len(target)] += np.nansum(np.exp(target) * (base + k), axis=1, dtype=float)
    return smooth_by_distance(*sums).astype(np.float32)


def _open(map_path: str | Path) -> NormalizedMap:
    normalized = NormalizedMap(map_path)
    if not normalized.chromnames:
        raise InputError(
            f"{map_path} has no unmasked bin; lower mad_max or min_nnz, or take a coarser map"
        )
    return normalized


def _chrom_numbers(normalized: NormalizedMap) -> dict[str, int]:
    return {name: k for k, name in enumerate(normalized.clr.chromnames)}


def _fit_and_write(
    model,
    normalized: NormalizedMap,
    out_dir: str | Path,
    *,
    seed: int,
    device: str,
    resume_dir: str | Path | None,
    max_target_gb: float,
    backend: str,
    region: tuple[str, int, int] | None = None,
    freeze_decoder: bool = False,
    origin: str | None = None,
    trained_bins: Bins | None = None,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Run the loop, recalibrate and write the folder; `more` goes into its config."""
    settings, place = model.settings, resolve_device(device)
    name = model_named(settings.preset)
    config = describe(settings, name, seed=seed, device=str(place)) | {
        "sample": normalized.sample,
        "assembly": normalized.assembly,
        "resolution": normalized.resolution,
        "norm": normalized.norm,
        "ignore_diags": normalized.ignore_diags,
        **(more or {}),
    }
    if origin is not None:
        config["fine_tuned_from"] = origin
    history = pd.DataFrame()
    if settings.fit.epochs:
        from chromloom.training.loop import Loop

        model.to(place)
        learner, loader = _learner(
            model,
            normalized,
            place,
            seed=seed,
            max_target_gb=max_target_gb,
            backend=backend,
            region=region,
            freeze_decoder=freeze_decoder,
        )
        loop = Loop(
            learner,
            loader,
            epochs=settings.fit.passes(loader.n_tiles),
            resume_dir=resume_dir,
            fingerprint=_fingerprint(config, normalized, region, freeze_decoder),
        )
        history = loop.run()
    bins = normalized.bins
    if trained_bins is not None:  # what was learnt elsewhere in the genome stays
        bins = bins.with_mask(bins.masked & trained_bins.masked)
    trained = _as_trained(model, config, bins, normalized)
    factors = recalibration(trained, normalized)
    write_model(
        out_dir,
        {**model.state_dict(), "recalibration": torch.from_numpy(factors)},
        config,
        bins=bins,
        expected=normalized.expected_table,
        history=history,
        write_more=_pair_writer(settings, normalized),
    )


def _pair_writer(settings: HiCLSTMSettings, normalized: NormalizedMap):
    """What writes the observed pairs into the model folder; None but for `released`."""
    if settings.preset != "released":
        return None
    from chromloom.training.released import write_pairs

    return lambda folder: write_pairs(normalized, folder / "pairs.safetensors")


def _learner(
    model, normalized, device, *, seed, max_target_gb, backend, region, freeze_decoder
) -> tuple[Any, Any]:
    """Learner and loader of the preset."""
    if model.settings.preset == "released":
        from chromloom.training.released import FrameLearner, FrameLoader

        frames = FrameLoader(normalized, model.settings, seed=seed, region=region)
        _check_pairs(frames, normalized, region)
        return FrameLearner(model, freeze_decoder=freeze_decoder), frames
    from chromloom.training.learner import TileLearner
    from chromloom.training.tiles import TileLoader

    source = MapTargets(normalized, model.settings, region=region)
    loader = TileLoader(
        source,
        model.settings,
        _chrom_numbers(normalized),
        seed=seed,
        max_target_gb=max_target_gb,
        device=device,
    )
    _check_pairs(loader, normalized, region)
    weights = torch.from_numpy(loader.distance_weights())
    learner = TileLearner(model, weights, freeze_decoder=freeze_decoder, backend=backend)
    return learner, loader


def _check_pairs(loader, normalized: NormalizedMap, region: tuple[str, int, int] | None) -> None:
    if not loader.n_tiles:
        raise InputError(
            f"{normalized.path} has no unmasked pair"
            + (f" in {region[0]}:{region[1]}-{region[2]}; widen the region" if region else "")
        )


def _as_trained(model, config, bins, normalized) -> TrainedModel:
    """The model as later rooms see it, not yet recalibrated."""
    model.requires_grad_(False)
    return load(find_model(config["model"]).trained)(
        model,
        config,
        bins=bins,
        expected_table=normalized.expected_table,
        recalibration=np.ones(1, dtype=np.float32),
    )


def _fingerprint(config, normalized, region, freeze_decoder) -> str:
    """Digest of all that decides the outcome of a run."""
    digest = hashlib.sha256(
        json.dumps([config, region, freeze_decoder], sort_keys=True, default=str).encode()
    )
    digest.update(normalized.bins["weight"].to_numpy().tobytes())
    digest.update(normalized.expected_table.to_csv().encode())
    digest.update(str(normalized.clr.info["nnz"]).encode())
    return digest.hexdigest()
