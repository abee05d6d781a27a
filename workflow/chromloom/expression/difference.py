"""The change of expression between two cell types: networks that read both, and what levels give.

Genes are those of both cell types; the change is the level in the second minus that in the first.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from torch import Tensor, nn

from chromloom.errors import InputError
from chromloom.expression.baselines import ridge_weights, spread
from chromloom.expression.features import Marks
from chromloom.expression.fit import read_config, read_features
from chromloom.expression.network import (
    Inputs,
    Settings,
    apply_network,
    fit_network,
    load_network,
    save_network,
)
from chromloom.expression.settings import SimpleSettings
from chromloom.expression.table import inner_groups
from chromloom.files import atomic_path, write_json, write_tsv
from chromloom.models.registry import find_model, load, model_settings, models
from chromloom.models.trained import resolve_device

logger = logging.getLogger(__name__)

CHANGE_COLUMNS = ["gene", "name", "chrom", "tss", "fold", "level_first", "level_second", "change",
                  "predicted_change"]  # fmt: skip


def pair_genes(
    first: tuple[pd.DataFrame, Marks], second: tuple[pd.DataFrame, Marks]
) -> tuple[pd.DataFrame, Marks, Marks]:
    """Genes that two cell types share, with their change, and the marks of both.

    Parameters
    ----------
    first, second : (DataFrame, Marks)
        As of `fit.read_features`.

    Returns
    -------
    genes : DataFrame
        Of the first, with change, level_first and level_second.
    marks, marks : Marks
        Row by row the same genes, signals of the second in the order of the first.

    Raises
    ------
    InputError
        They share no gene, or lack a signal.
    """
    (genes, marks), (others, other_marks) = first, second
    place = pd.Index(others["gene"]).get_indexer(genes["gene"])
    rows = np.flatnonzero(place >= 0)
    if not len(rows):
        raise InputError(
            f"the two cell types have no gene in common (like {genes['gene'].iloc[0]} and "
            f"{others['gene'].iloc[0]}); give both from one annotation"
        )
    table = genes.iloc[rows].reset_index(drop=True)
    level = others["level"].to_numpy()[place[rows]]
    table = table.assign(level_first=table["level"], level_second=level)
    table["change"] = table["level_second"] - table["level_first"]
    other_marks = other_marks.of(place[rows]).select(
        marks.signals, marks.transforms, marks.bin_size
    )
    return table, marks.of(rows), other_marks


@dataclass
class DifferenceModel:
    """A network that reads two cell types, `task` diff.

    Attributes
    ----------
    settings : Settings
    network : Module
    history : DataFrame
        As of `train.train_network`.
    """

    settings: Settings
    network: nn.Module
    history: pd.DataFrame
    device: str = "cpu"

    @classmethod
    def fit(
        cls, first: Marks, second: Marks, genes: pd.DataFrame, settings: Settings, *, seed: int,
        device: str = "cpu",
    ) -> "DifferenceModel":  # fmt: skip
        """Train on genes: chrom, change, level_first, level_second; rows as of the marks."""
        device = str(resolve_device(device))
        network, history = fit_network(
            "diff", _Pair(first, second, settings),
            genes[["change", "level_first", "level_second"]].to_numpy(np.float32), genes, settings,
            len(first.signals), seed=seed, device=device,
        )  # fmt: skip
        return cls(settings, network, pd.DataFrame(history), device)

    def predict(self, first: Marks, second: Marks) -> np.ndarray:
        """Change of genes, (n_genes,)."""
        inputs = _Pair(first, second, self.settings)
        return apply_network(self.network, inputs, len(first), self.device)[:, 0].numpy()

    def save(self, folder: str | Path) -> None:
        """Write weights and history to a folder that exists."""
        save_network(self.network, Path(folder) / "diff.safetensors")
        self.history.to_csv(Path(folder) / "history.tsv", sep="\t", index=False)

    @classmethod
    def load(cls, folder: str | Path, settings: Settings, *, n_signals: int) -> "DifferenceModel":
        """Read from a folder; see `network.load_network`."""
        path = Path(folder) / "diff.safetensors"
        return cls(settings, load_network(path, settings, n_signals, "diff"), pd.DataFrame())


class _Pair:
    """Inputs of both cell types, batch by batch."""

    def __init__(self, first: Marks, second: Marks, settings: Settings) -> None:
        self.parts = [Inputs(marks, settings) for marks in (first, second)]

    def batch(self, rows: Tensor, device: str = "cpu") -> tuple[Any, Any]:
        """Arguments of the trunk for the first and for the second cell type."""
        one, other = (part.batch(rows, device) for part in self.parts)
        return one, other


@dataclass
class DifferenceRidge:
    """Ridge regression of the change on the windows of both cell types and their difference.

    Attributes
    ----------
    settings : SimpleSettings
    mean, scale : ndarray, (n_features,)
    weights : ndarray, (n_features + 1,)
        The intercept last.
    """

    settings: SimpleSettings
    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray

    @classmethod
    def fit(
        cls, first: Marks, second: Marks, genes: pd.DataFrame, settings: SimpleSettings, *,
        seed: int, device: str = "cpu",
    ) -> "DifferenceRidge":  # fmt: skip
        """Fit to training genes; the penalty by chromosomes among them."""
        values = _both(first, second, settings)
        mean, scale = spread(values)
        change = genes["change"].to_numpy()
        weights = ridge_weights((values - mean) / scale, change, inner_groups(genes))
        return cls(settings, mean, scale, weights)

    def predict(self, first: Marks, second: Marks) -> np.ndarray:
        """Change of genes, (n_genes,)."""
        standard = (_both(first, second, self.settings) - self.mean) / self.scale
        return standard @ self.weights[:-1] + self.weights[-1]

    def save(self, folder: str | Path) -> None:
        """Write to a folder that exists."""
        path = Path(folder) / "ridge.npz"
        np.savez(path, mean=self.mean, scale=self.scale, weights=self.weights)

    @classmethod
    def load(
        cls, folder: str | Path, settings: SimpleSettings, *, n_signals: int
    ) -> "DifferenceRidge":
        """Read from a folder."""
        with np.load(Path(folder) / "ridge.npz", allow_pickle=False) as file:
            return cls(settings, file["mean"], file["scale"], file["weights"])


def _both(first: Marks, second: Marks, settings: SimpleSettings) -> np.ndarray:
    one, other = first.seen_by(settings), second.seen_by(settings)
    return np.hstack([one, other, other - one])


def predict_difference(
    first: tuple[str | Path, str | Path],
    second: tuple[str | Path, str | Path],
    path: str | Path,
    out_dir: str | Path,
    *,
    model: str,
    options: Mapping[str, Any] | None = None,
    seed: int = 1,
    device: str = "cpu",
) -> None:
    """Train on all folds but one, predict that one, and so each fold in turn.

    Parameters
    ----------
    first, second : (str or Path, str or Path)
        Table of genes and marks of the two cell types, as `build_genes` wrote them. Folds are those
        of the first.
    path : str or Path
        Table to write, `CHANGE_COLUMNS`.
    out_dir : str or Path
        Folder to write: a folder for each fold, 0, 1, …, with the files of the trained model and
        `config.json`.
    model : str
        That gives "difference".
    options : mapping, optional
        Settings that differ from the model's own.
    seed, device
        Of the training.

    Raises
    ------
    InputError
        The model does not predict a change, or the cell types share no gene or lack a signal.
    """
    line = find_model(model)
    if "difference" not in line.gives:
        can = [name for name, other in models().items() if "difference" in other.gives]
        raise InputError(
            f"model '{model}' does not predict the change between two cell types; expected one of "
            f"{', '.join(can)}"
        )
    genes, one, two = pair_genes(read_features(*first), read_features(*second))
    settings = model_settings(model, **dict(options or {}))
    predicted = np.full(len(genes), np.nan)
    about = {"model": model, "options": dict(options or {}), "seed": seed, "signals": one.signals,
             "transforms": one.transforms, "bin_size": one.bin_size}  # fmt: skip
    with atomic_path(out_dir) as folder:
        for fold in sorted(set(genes["fold"])):
            test = (genes["fold"] == fold).to_numpy()
            train = (one.of(~test), two.of(~test), genes[~test].reset_index(drop=True))
            fitted = load(line.trained).fit(*train, settings, seed=seed, device=device)
            predicted[test] = fitted.predict(one.of(test), two.of(test))
            own = folder / str(fold)
            own.mkdir(parents=True)
            fitted.save(own)
            chroms = sorted(set(genes["chrom"][test]))
            write_json({**about, "fold": int(fold), "held_out": chroms}, own / "config.json")
            logger.info("%s: fold %d of %d genes predicted", model, fold, test.sum())
    write_tsv(genes.assign(predicted_change=predicted)[CHANGE_COLUMNS], path)


def open_difference(folder: str | Path) -> tuple[Any, dict[str, Any]]:
    """The trained model of one fold that `predict_difference` kept, and its `config.json`.

    Raises
    ------
    CheckpointError
        The folder is not one.
    """
    config = read_config(folder)
    settings = model_settings(config["model"], **config["options"])
    kind = load(find_model(config["model"]).trained)
    return kind.load(folder, settings, n_signals=len(config["signals"])), config


def as_levels(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Tables of changes as `evaluation.expression.evaluate_expression` takes them, by model.

    `level` is the change and `high` says that it is above 0.
    """
    return {
        model: table.assign(
            level=table["change"],
            high=table["change"] > 0,
            predicted_level=table["predicted_change"],
            predicted_high=expit(table["predicted_change"]),
        )
        for model, table in tables.items()
    }
