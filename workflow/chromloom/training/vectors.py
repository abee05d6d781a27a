"""Fitting a model of vectors to a map: a map in, a model folder out."""

import logging
import time
from dataclasses import replace
from pathlib import Path

import torch

from chromloom.errors import InputError
from chromloom.models.baselines.settings import VectorSettings
from chromloom.models.registry import find_model, load, model_named
from chromloom.models.trained import describe, resolve_device, write_model
from chromloom.normalize.maps import NormalizedMap

logger = logging.getLogger(__name__)


def train(
    map_path: str | Path,
    out_dir: str | Path,
    settings: VectorSettings,
    *,
    seed: int = 0,
    device: str = "auto",
    resume_dir: str | Path | None = None,
    input_path: str | Path | None = None,
) -> None:
    """Fit a model of vectors by its `fit` in the registry, and write its folder.

    Parameters
    ----------
    map_path, out_dir, seed, device, input_path
        As in `chromloom.training.models.train_model`. A device matters to SNIPER only.
    settings : VectorSettings
    resume_dir : path, optional
        Not used: a killed run starts anew.

    Raises
    ------
    InputError
        A map without unmasked bins, or one without contacts between chromosomes for a model that
        reads them.
    """
    place = resolve_device(device)
    normalized = NormalizedMap(map_path)
    if not normalized.chromnames:
        raise InputError(
            f"{map_path} has no unmasked bin; lower mad_max or min_nnz, or take a coarser map"
        )
    start = time.monotonic()
    more = {} if input_path is None else {"input_map": NormalizedMap(input_path)}
    name = model_named(settings.preset)
    fitted = load(find_model(name).fit)(normalized, settings, seed=seed, device=place, **more)
    logger.info("%s: %.1f s", name, time.monotonic() - start)
    settings = replace(settings, embedding_dim=fitted.embedding.shape[1])
    config = (
        describe(settings, name, seed=seed, device=str(place))
        | fitted.config
        | {
            "sample": normalized.sample,
            "assembly": normalized.assembly,
            "resolution": normalized.resolution,
            "norm": normalized.norm,
            "ignore_diags": normalized.ignore_diags,
        }
    )
    if input_path is not None:
        config["input_sample"] = more["input_map"].sample
    fitted.embedding[normalized.bins.masked] = 0
    tensors = {"embedding": torch.from_numpy(fitted.embedding), "recalibration": torch.ones(1)}
    write_model(
        out_dir, tensors | fitted.tensors, config, bins=normalized.bins,
        expected=normalized.expected_table, history=fitted.history,
    )  # fmt: skip
