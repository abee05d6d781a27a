"""Fitting SNIPER, SCI, PCA and subcompartments to a map: a map in, a model folder out."""

import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from chromloom.errors import InputError
from chromloom.models.baselines.vectors import Fitted, VectorSettings, vector_settings
from chromloom.models.trained import describe, resolve_device, write_model
from chromloom.normalize.maps import NormalizedMap

logger = logging.getLogger(__name__)


def train_vectors(
    model: str,
    map_path: str | Path,
    out_dir: str | Path,
    *,
    options: dict[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    input_path: str | Path | None = None,
) -> None:
    """Fit a model of `chromloom.models.baselines.vectors` and write its folder.

    Parameters
    ----------
    model : str
        Name.
    map_path, out_dir, options, seed, device, input_path
        As in `chromloom.training.models.train_model`. A device matters to SNIPER only.

    Raises
    ------
    InputError
        An unknown option, a map without unmasked bins, or one without contacts between
        chromosomes for a model that reads them.
    """
    settings, place = vector_settings(model, **(options or {})), resolve_device(device)
    normalized = NormalizedMap(map_path)
    if not normalized.chromnames:
        raise InputError(
            f"{map_path} has no unmasked bin; lower mad_max or min_nnz, or take a coarser map"
        )
    start = time.monotonic()
    fitted = _fit(settings, normalized, seed, place, input_path)
    logger.info("%s: %.1f s", model, time.monotonic() - start)
    settings = replace(settings, embedding_dim=fitted.embedding.shape[1])
    config = (
        describe(settings, seed=seed, device=str(place))
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
        config["input_sample"] = NormalizedMap(input_path).sample
    fitted.embedding[normalized.bins.masked] = 0
    tensors = {"embedding": torch.from_numpy(fitted.embedding), "recalibration": torch.ones(1)}
    write_model(
        out_dir, tensors | fitted.tensors, config, bins=normalized.bins,
        expected=normalized.expected_table, history=fitted.history,
    )  # fmt: skip


def _fit(
    settings: VectorSettings,
    normalized: NormalizedMap,
    seed: int,
    device: torch.device,
    input_path: str | Path | None,
) -> Fitted:
    name = settings.preset
    if name == "pca":
        from chromloom.models.baselines.pca import fit_pca

        return fit_pca(normalized, settings, seed=seed)
    if name.startswith("sniper"):
        from chromloom.models.baselines.sniper import fit_sniper

        low = None if input_path is None else NormalizedMap(input_path)
        return fit_sniper(normalized, settings, seed=seed, device=device, input_map=low)
    if name.startswith("sci"):
        from chromloom.models.baselines.sci import fit_sci

        return fit_sci(normalized, settings, seed=seed)
    from chromloom.models.baselines.sbcid import fit_sbcid

    return fit_sbcid(normalized, settings, seed=seed)
