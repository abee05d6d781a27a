"""A fold of a predictor: the maps that it learns from, and what is written of it."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.files import write_tsv
from chromloom.models.predictor import Predictor
from chromloom.models.settings import Settings
from chromloom.normalize.maps import NormalizedMap


def open_maps(paths: Sequence[str | Path]) -> list[NormalizedMap]:
    """Open the normalised maps of training samples.

    Raises
    ------
    InputError
        They are of two bin sizes or assemblies.
    """
    opened = [NormalizedMap(path) for path in paths]
    first = opened[0]
    for observed in opened[1:]:
        if observed.resolution != first.resolution or observed.assembly != first.assembly:
            raise InputError(
                f"{observed.path} ({observed.assembly}, {observed.resolution} bp) and {first.path} "
                f"({first.assembly}, {first.resolution} bp) differ in assembly or bin size; "
                "give maps of one"
            )
    return opened


def fold_config(
    model: str,
    settings: Settings,
    observed: NormalizedMap,
    split: pd.DataFrame,
    *,
    seed: int,
    n_distances: int,
    max_distance: int,
    mirrored: Sequence[int],
) -> dict[str, Any]:
    """What `models.predictor` keeps of the configuration; `observed` is one of the maps."""
    return {
        "model": model,
        "settings": settings.to_dict(),
        "seed": seed,
        "resolution": observed.resolution,
        "norm": observed.norm,
        "ignore_diags": observed.ignore_diags,
        "n_distances": n_distances,
        "rows": {"splits.tsv": len(split)},
        "max_distance": max_distance,
        "mirrored": list(mirrored),
    }


def fingerprint(
    config: Mapping[str, Any], inputs: Mapping[str, Any], arrays: Iterable[np.ndarray]
) -> str:
    """Digest of settings and data: a state of training of another one is not taken up."""
    digest = hashlib.sha256(json.dumps([config, inputs], sort_keys=True).encode())
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()


def write_fold(
    out_dir: str | Path, split: pd.DataFrame, history: pd.DataFrame, predictor: Predictor
) -> None:
    """Write the folder of a fold, see `models.predictor`."""
    write_tsv(split, Path(out_dir) / "splits.tsv")
    write_tsv(history, Path(out_dir) / "history.tsv")
    predictor.write(out_dir)
