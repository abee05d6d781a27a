"""Predictors applied to a sample: the folder of a run, and what map sources of one have in common.

All that a prediction needs is put into one folder, as training does for a model of one map:
`model.safetensors` (the weights of all folds, under `{fold}.`), `config.json` and `bins.parquet`
(bins of the assembly; masked where nothing is predicted, with the features that are read).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from safetensors.torch import load_file, save_file

from chromloom.edits.bins import EditedChromosome
from chromloom.errors import CheckpointError, InputError
from chromloom.files import atomic_path, read_parquet, read_tsv, write_json
from chromloom.genome.assembly import Assembly
from chromloom.genome.bins import Bins
from chromloom.models.predictor import Predictor
from chromloom.models.trained import resolve_device
from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.source import EditableMap

FOLDER = ("model.safetensors", "config.json", "bins.parquet")


@dataclass(frozen=True)
class Folds:
    """The folds of a predictor, as trained.

    Attributes
    ----------
    predictors : dict of int to Predictor
    splits : dict of int to DataFrame
        See `training.splits`.
    """

    predictors: dict[int, Predictor]
    splits: dict[int, pd.DataFrame]

    @classmethod
    def read(cls, folders: Sequence[str | Path]) -> Self:
        """Read the folder of each fold, see `models.predictor`.

        Raises
        ------
        CheckpointError
            One is not whole.
        """
        predictors = dict(enumerate(map(Predictor.load, folders)))
        splits = {
            fold: read_tsv(
                Path(folder) / "splits.tsv",
                rows=predictors[fold].config.get("rows", {}).get("splits.tsv"),
            )
            for fold, folder in enumerate(folders)
        }
        return cls(predictors, splits)

    @property
    def first(self) -> Predictor:
        """What all folds have in common is that of the first."""
        return self.predictors[0]

    def on_another(self, assembly: Assembly) -> Self:
        """The first fold, as one that was tested on every chromosome of another assembly.

        Raises
        ------
        InputError
            The predictor reads the sequence, or the assembly is that of training.
        """
        first = self.first
        trained = first.inputs["assembly"]
        if any(first.inputs["sequence"].values()) or trained == assembly.name:
            raise InputError(
                f"a predictor trained on {trained} is applied to {assembly.name} as to another "
                "assembly; expected one that reads signals alone, and another assembly"
            )
        sizes = assembly.chromsizes
        tested = pd.DataFrame(
            {"fold": 0, "role": "test", "chrom": sizes.index, "start": 0, "end": sizes.to_numpy()}
        )
        moved = replace(first, inputs=first.inputs | {"assembly": assembly.name})
        return type(self)({0: moved}, {0: tested})

    def deal(self, chroms: Iterable[str]) -> tuple[dict[str, int], list[tuple[str, int, int]]]:
        """Which fold predicts a chromosome: the last one tested on it, else the first.

        Returns
        -------
        fold_of : dict of str to int
        held_out : list of (chrom, start, end)
            bp.
        """
        fold_of: dict[str, int] = {}
        held_out: list[tuple[str, int, int]] = []
        for chrom in chroms:
            fold_of[chrom] = 0
            for fold, split in self.splits.items():
                own = split[(split["role"] == "test") & (split["chrom"] == chrom)]
                if len(own):
                    fold_of[chrom] = fold
                    held_out += [(chrom, int(a), int(b)) for a, b in zip(own["start"], own["end"])]
        return fold_of, held_out


def write_applied(
    out_dir: str | Path,
    folds: Folds,
    bins: pd.DataFrame,
    chroms: Iterable[str],
    assembly: Assembly,
    *,
    sample: str,
    norm: str,
    predictor: str,
    more: Mapping[str, Any],
) -> None:
    """Write the folder of a run.

    Parameters
    ----------
    out_dir : path
    folds : Folds
    bins : DataFrame
        chrom, start, end, masked, and features.
    chroms : iterable of str
        Chromosomes that are predicted.
    assembly : Assembly
    sample, norm, predictor : str
        Of the run.
    more : mapping
        What else the map source reads of `config.json`.
    """
    config = folds.first.config
    fold_of, held_out = folds.deal(chroms)
    written = {
        "model": config["model"],
        "predictor": predictor,
        "sample": sample,
        "assembly": assembly.name,
        "norm": norm,
        "resolution": config["resolution"],
        "ignore_diags": config["ignore_diags"],
        "seed": config["seed"],
        "max_distance": config["max_distance"],
        "held_out": held_out,
        "fold_of": fold_of,
        "folds": {str(fold): own.written for fold, own in folds.predictors.items()},
        "inputs": folds.first.inputs,
    }
    tensors = {
        f"{fold}.{name}": tensor
        for fold, own in folds.predictors.items()
        for name, tensor in own.state.items()
    }
    out_dir = Path(out_dir)
    with atomic_path(out_dir / FOLDER[0]) as path:
        save_file(tensors, path)
    with atomic_path(out_dir / FOLDER[2]) as path:
        bins.to_parquet(path, index=False)
    write_json(written | dict(more), out_dir / FOLDER[1])


class AppliedMap(EditableMap):
    """A predictor applied to a sample.

    Parameters
    ----------
    folder : path
        Written by `write_applied`.
    observed : NormalizedMap, optional
        The sample's own map: its masked bins are masked, and its coefficient gives probabilities.
    name : str
    device : {"auto", "cpu", "cuda"}

    Attributes
    ----------
    config : dict
        As in `config.json`.
    table : DataFrame
        As in `bins.parquet`.
    predictors : dict of int to Predictor
        By fold.
    fold_of : dict of str to int
    genome_path : str
        Sequence that it reads, or "".

    Raises
    ------
    CheckpointError
        The folder is not whole.
    InputError
        The map has other bins.
    """

    cuts_bins = True
    reads_sequence = True

    def __init__(
        self,
        folder: str | Path,
        observed: NormalizedMap | None = None,
        *,
        name: str,
        device: str = "cpu",
    ) -> None:
        folder, own_device = Path(folder), str(resolve_device(device))
        try:
            config = json.loads((folder / FOLDER[1]).read_text())
            tensors = load_file(folder / FOLDER[0])
            self.config, self.table = config, read_parquet(folder / FOLDER[2])
            self.predictors = {
                int(fold): Predictor.of(
                    own,
                    config["inputs"],
                    {
                        key.partition(".")[2]: tensor
                        for key, tensor in tensors.items()
                        if key.startswith(f"{fold}.")
                    },
                )
                for fold, own in config["folds"].items()
            }
            self._set_up(own_device)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise CheckpointError(
                f"{folder} is no predictor applied to a sample ({error!r}); expected "
                f"{', '.join(FOLDER)}: apply it again"
            ) from error
        self.bins = Bins(
            self.table[["chrom", "start", "end", "masked"]],
            int(config["resolution"]),
            source=str(folder),
        )
        self.observed = observed
        if observed is not None:
            if not self.bins.match(observed.bins):
                raise InputError(
                    f"{observed.path} has bins of {observed.resolution} bp ({observed.assembly}), "
                    f"{folder} of {self.bins.resolution} bp ({config['assembly']}); a predictor "
                    "is applied at the resolution and on the assembly that it was trained at"
                )
            self.bins = self.bins.with_mask(self.bins.masked | observed.bins.masked)
        self.genome_path = str(config.get("genome") or "")
        self.name, self.sample, self.norm = name, config["sample"], config["norm"]
        self.assembly, self.ignore_diags = config["assembly"], int(config["ignore_diags"])
        self.seed, self.max_distance = float(config["seed"]), int(config["max_distance"])
        self.held_out = tuple(map(tuple, config["held_out"])) or None
        self.fold_of: dict[str, int] = config["fold_of"]
        self.context = max(f.context for f in self._fitted.values()) * self.bins.resolution

    @classmethod
    def open(
        cls,
        model_dir: str | Path,
        map_path: str | Path | None,
        *,
        name: str,
        device: str = "cpu",
        mode: str = "lifted",
        motifs: pd.DataFrame | None = None,
    ) -> Self:
        """Open the folder of a run; parameters as for `open.open_source`.

        Signals and sequence move with their bins in every mode; `motifs` are not read.

        Raises
        ------
        InputError
            A mode of representations.
        """
        if mode != "lifted":
            raise InputError(
                f"perturbation mode '{mode}' is of representations; '{name}' takes lifted"
            )
        observed = NormalizedMap(map_path) if map_path else None
        return cls(model_dir, observed, name=name, device=device)

    def _set_up(self, device: str) -> None:
        """Make of the folder what predictions are made from; here the models, by fold."""
        self._fitted: dict[int, Any] = {
            fold: own.fitted(device) for fold, own in self.predictors.items()
        }

    def by_fold(self, chrom: str, edited: EditedChromosome | None) -> dict[str, np.ndarray | None]:
        """What predicts the rows of a chromosome, or of its edited form.

        Returns
        -------
        dict
            A chromosome of each fold -> positions whose rows it predicts, (m,), bool: those of bins
            of chromosomes that the fold predicts, so that what an edit leaves alone is predicted
            as before. None for all.
        """
        if edited is None or len(set(self.fold_of.values())) < 2:
            return {chrom: None}
        own: dict[int, tuple[str, np.ndarray]] = {}
        for name, (first, last) in self.bins.extents.items():
            here = (first <= edited.source) & (edited.source < last)
            if here.any():
                fold = self.fold_of.get(name, 0)
                other, rows = own.get(fold, (name, np.zeros(len(here), bool)))
                own[fold] = other, rows | here
        return dict(own.values())

    def layout(self, edited):
        """The edited chromosome itself; see `EditableMap.layout`.

        Raises
        ------
        InputError
            Bases are changed, and the predictor does not read sequence.
        """
        if not self.reads_sequence and any(piece.bases for piece in edited.pieces):
            edit = edited.edit
            raise InputError(
                f"edit '{edit.edit}': it changes bases, and '{self.name}' reads signals alone; use "
                "a model that reads sequence"
            )
        return edited

    def no_vector(self, edit) -> InputError:
        """The error of an edit that replaces what a predictor does not have."""
        return InputError(
            f"edit '{edit.edit}': method {edit.method} replaces a vector that the predictor "
            f"'{self.name}' does not have; use average, zero or shift"
        )
