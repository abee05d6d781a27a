"""The joint fit of several maps on disk: fitted once for all of them, then taken up map by map.

The model is `hierarchy.JointModel`, chromosome by chromosome. Its file holds what a Hi-C-LSTM of
each map starts from (`….safetensors`): `S` and `barrier` (heights) of all, and of each sample
`{sample}/embedding`, `{sample}/spread` and `{sample}/offset`, as `HiCLSTM` names them, and
`shared/embedding`. Beside it lies the table of the differences between the maps, bin by bin.
"""

import hashlib
import logging
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file
from scipy.stats import false_discovery_control

from chromloom.errors import InputError
from chromloom.files import atomic_path, write_tsv
from chromloom.models.baselines.eig import coverage, eigen_representation, orient
from chromloom.models.hiclstm.settings import HiCLSTMSettings
from chromloom.models.registry import model_settings
from chromloom.normalize.maps import NormalizedMap
from chromloom.training.chromosome import ChromosomeCounts
from chromloom.training.hierarchy import JointModel
from chromloom.training.likelihood import (
    CountModel,
    fit_within_bounds,
    principal_axes,
    turned_spread,
)

logger = logging.getLogger(__name__)

COLUMNS = ["chrom", "start", "end", "sample", "other", "change", "barrier_change", "statistic"]
COLUMNS += ["p_value", "q_value"]


def fit_joint(
    maps: Mapping[str, str | Path],
    out: str | Path,
    differences: str | Path,
    *,
    model: str = "hiclstm-refined",
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> None:
    """Fit one representation to several maps, and write it and how the maps differ.

    Parameters
    ----------
    maps : mapping
        Sample -> normalised map; two or more, of the same bins.
    out : path
        `….safetensors`, see the module.
    differences : path
        `….tsv`: one row per bin and pair of samples, for bins unmasked in both: chrom, start, end,
        sample, other, `change` (root mean square over the other bins of the difference in log
        contact strength that their vectors make at large distance), `barrier_change` (sample minus
        other, in units of the shared barriers' root mean square), `statistic`, `p_value`
        (`hierarchy.Contrast`) and `q_value` (Benjamini and Hochberg, over the bins of the pair).
    model, options
        A Hi-C-LSTM that starts from the likelihood of counts, and its settings.
    seed : int

    Raises
    ------
    InputError
        One map only, maps of different bins, a model that has no such fit, or a fit that diverged.
    """
    settings = model_settings(model, **(options or {}))
    if not isinstance(settings, HiCLSTMSettings) or settings.fit.start != "likelihood":
        raise InputError(
            f"joint fit: model '{model}' is not fitted to counts; expected hiclstm-refined with "
            "start=likelihood"
        )
    opened = {sample: NormalizedMap(path) for sample, path in maps.items()}
    if len(opened) < 2:
        raise InputError(f"joint fit of {', '.join(opened) or 'no map'}; expected two or more maps")
    first, *others = opened
    for sample in others:
        if not opened[first].bins.match(opened[sample].bins):
            raise InputError(
                f"joint fit: the maps of {first!r} and {sample!r} have different bins "
                f"({opened[first].assembly}, {opened[first].resolution} bp and "
                f"{opened[sample].assembly}, {opened[sample].resolution} bp); extract both at one "
                "resolution and assembly"
            )
    tensors = _empty(opened, settings)
    tables = []
    for number, chrom in enumerate(opened[first].clr.chromnames):
        present = {s: m for s, m in opened.items() if chrom in m.chromnames}
        if present:
            tables += _fit_chromosome(present, chrom, number, settings, seed, tensors)
    table = pd.concat(tables) if tables else pd.DataFrame(columns=COLUMNS)
    table["q_value"] = table.groupby(["sample", "other"])["p_value"].transform(
        false_discovery_control
    )
    with atomic_path(out) as path:
        save_file(tensors, path)
    write_tsv(table[COLUMNS], differences)


def read_joint(path: str | Path, sample: str) -> tuple[dict[str, np.ndarray], str]:
    """What a joint fit says of one map, by the names of `HiCLSTM`'s parameters, and its digest.

    Raises
    ------
    InputError
        The sample took no part in it.
    """
    tensors = load_file(path)
    samples = [name.split("/")[0] for name in tensors if name.endswith("/offset")]
    if sample not in samples:
        raise InputError(f"{path} is a joint fit of {', '.join(samples)}, without {sample!r}")
    own = {name: tensors[f"{sample}/{name}"] for name in ("embedding", "spread", "offset")}
    shared = {name: tensors[name] for name in ("S", "barrier") if name in tensors}
    return own | shared, hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _empty(opened: Mapping[str, NormalizedMap], settings: HiCLSTMSettings) -> dict[str, np.ndarray]:
    """Tensors of zeros."""
    made, first = settings.architecture, next(iter(opened.values()))
    n_bins, n_chroms, d = len(first.bins), len(first.clr.chromnames), made.embedding_dim
    shapes: dict[str, tuple[int, ...]] = {"S": (n_chroms, made.knots, d, d)}
    if made.barrier:
        shapes["barrier"] = (n_chroms, made.knots)
    shapes["shared/embedding"] = (n_bins, d)
    for sample in opened:
        shapes |= {f"{sample}/{name}": (n_bins, d) for name in ("embedding", "spread")}
        shapes[f"{sample}/offset"] = (n_chroms, made.knots)
    return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}


def _fit_chromosome(
    maps: Mapping[str, NormalizedMap],
    chrom: str,
    number: int,
    settings: HiCLSTMSettings,
    seed: int,
    tensors: dict[str, np.ndarray],
) -> list[pd.DataFrame]:
    """Fit one chromosome, enter what is found, and return the tables of the differences."""
    made, fit = settings.architecture, settings.fit
    d = made.embedding_dim - made.barrier
    covered = {sample: coverage(normalized, chrom) for sample, normalized in maps.items()}
    deepest = max(maps, key=lambda sample: np.nansum(covered[sample]))
    R, S = eigen_representation(maps[deepest], chrom, d, k=settings.objective.k, seed=seed)
    observed = [ChromosomeCounts.read(normalized, chrom) for normalized in maps.values()]
    models = [
        CountModel(
            counts,
            R[counts.position],
            S,
            n_knots=made.knots,
            dispersion=fit.dispersion,
            oriented=made.oriented,
            barrier=made.barrier,
            seed=seed,
        )
        for counts in observed
    ]
    joint = JointModel(models)
    paths = ", ".join(str(normalized.path) for normalized in maps.values())
    shallow = [counts.depth < fit.coarse_below for counts in observed]
    fit_within_bounds(joint, fit.sweeps, where=f"{paths}, {chrom}", shallow=shallow)
    shared, turn = principal_axes(joint.R, models[0].S[-1])
    r, n = len(turn), len(R)
    whole = np.zeros((n, r))
    whole[joint.position] = shared
    signs = np.where((orient(whole, covered[deepest]) * whole).sum(axis=0) < 0, -1.0, 1.0)
    turn = signs[:, None] * turn
    back, barriers = np.linalg.pinv(turn), [model.barriers for model in models]
    scale = np.sqrt((joint.b**2).mean()) or 1.0
    at = slice(*next(iter(maps.values())).extent(chrom))
    S = np.einsum("ab,kbc,dc->kad", turn, models[0].S, turn)
    tensors["S"][number, :, :r, :r] = S
    if made.barrier:
        tensors["barrier"][number] = barriers[0].height * scale
    position = at.start + joint.position
    tensors["shared/embedding"][position, :r] = shared * signs
    if made.barrier:
        tensors["shared/embedding"][position, -1] = joint.b / scale
    for sample, model in zip(maps, models):
        position = at.start + model.position
        tensors[f"{sample}/embedding"][position, :r] = model.R @ back
        tensors[f"{sample}/spread"][position, :r] = turned_spread(model.covariance, back)
        tensors[f"{sample}/offset"][number] = model.offset
        if made.barrier:
            tensors[f"{sample}/embedding"][position, -1] = model.barriers.b / scale
            tensors[f"{sample}/spread"][position, -1] = np.sqrt(model.barriers.variance) / scale
    logger.info(
        "%s: %s, %d sweeps; variance of differences over that of vectors: %s",
        chrom,
        ", ".join(maps),
        fit.sweeps,
        (joint.difference.sum(axis=1) / joint.prior.sum()).round(3).tolist(),
    )
    bins = next(iter(maps.values())).bins.table.iloc[at]
    tables = []
    for (a, sample), (b, other) in combinations(enumerate(maps), 2):
        found = joint.contrast(a, b)
        where = bins.iloc[joint.position[found.rows]][["chrom", "start", "end"]]
        change = np.sqrt((found.vectors @ back) ** 2 @ np.diag(S[-1]) ** 2)
        tables.append(
            where.assign(
                sample=sample,
                other=other,
                change=change,
                barrier_change=found.barriers / scale,
                statistic=found.statistic,
                p_value=found.p_value,
            )
        )
    return tables
