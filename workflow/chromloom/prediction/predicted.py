"""Predictors applied to a sample, as map sources.

`apply_predictor` puts all that a prediction needs into one folder of a run, as training does for a
model of one map: `model.safetensors` (the weights of all folds, under `{fold}.`), `config.json` and
`bins.parquet` (bins of the assembly; masked where signals are missing), with the features of bins.
Signals in their own bins, which some predictors read, are read from the store.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from chromloom.edits.bins import EditedChromosome
from chromloom.edits.signals import part_inputs
from chromloom.errors import CheckpointError, InputError
from chromloom.files import atomic_path, read_parquet, read_tsv, write_json
from chromloom.genome.assembly import Assembly
from chromloom.genome.bins import Bins, blank_band, make_bins
from chromloom.models.predictor import Constants, Predictor
from chromloom.models.registry import find_model
from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.source import EditableMap, n_distances
from chromloom.representations.neutral import AVERAGE_BINS
from chromloom.sequence.fasta import Genome
from chromloom.sequence.features import SequenceFeatures
from chromloom.signals.features import INPUTS, BinInputs, Inputs
from chromloom.signals.store import SignalStore

FOLDER = ("model.safetensors", "config.json", "bins.parquet")


@dataclass(frozen=True)
class _Fold:
    """A predictor of one fold, ready to predict."""

    fitted: Any
    constants: Constants


def apply_predictor(
    folders: Sequence[str | Path],
    store_path: str | Path | None,
    assembly: Assembly,
    out_dir: str | Path,
    *,
    genome_path: str | Path | None = None,
    sample: str,
    norm: str,
    predictor: str,
    chroms: Sequence[str] | None = None,
) -> None:
    """Apply a predictor to the signals or the sequence of a sample and write the folder of the run.

    Parameters
    ----------
    folders : sequence of path
        Folder of each fold, see `models.predictor`.
    store_path : path or None
        Signals of the sample's cell type; None for a predictor that reads none.
    assembly : Assembly
        Of the sample.
    out_dir : path
        Folder to write.
    genome_path : path, optional
        Sequence of the assembly, for a predictor that reads it.
    sample, norm, predictor : str
        Of the run.
    chroms : sequence of str, optional
        Chromosomes to predict; by default those that all signals and the sequence have.

    Raises
    ------
    InputError
        The signals are not those of training: one is missing, transformed in another way, or of
        another assembly or bin size.
    CheckpointError
        A fold's folder is not whole.

    Notes
    -----
    A chromosome is predicted by the fold that was tested on it, else by the first.
    """
    folds = dict(enumerate(map(Predictor.load, folders)))
    splits = {
        fold: read_tsv(
            Path(folder) / "splits.tsv",
            rows=folds[fold].config.get("rows", {}).get("splits.tsv"),
        )
        for fold, folder in enumerate(folders)
    }
    first = folds[0]
    inputs, config = first.inputs, first.config
    resolution = config["resolution"]
    table = make_bins(assembly.chromsizes, resolution).astype({"chrom": str})
    held_out, fold_of = [], {}
    # Bins are masked by features, also where signals are read in their own bins.
    with _open_inputs(inputs, INPUTS["features"], resolution, store_path, genome_path) as source:
        features = np.full((len(source.names), len(table)), np.nan, np.float32)
        known = source.chroms()
        for chrom in known if chroms is None else [c for c in known if c in chroms]:
            rows = np.flatnonzero((table["chrom"] == chrom).to_numpy())
            features[:, rows] = source.read(chrom, len(rows))
            fold_of[chrom] = 0
            for fold, split in splits.items():
                own = split[(split["role"] == "test") & (split["chrom"] == chrom)]
                if len(own):
                    fold_of[chrom] = fold
                    held_out += [(chrom, int(a), int(b)) for a, b in zip(own["start"], own["end"])]
        names = source.names
    masked = ~np.isfinite(features).all(axis=0)
    bins = table.assign(masked=masked)
    own_bins = INPUTS[find_model(config["model"]).inputs].own_bins
    if not own_bins:
        bins = pd.concat([bins, pd.DataFrame(features.T, columns=names)], axis=1)
    written = {
        "model": config["model"],
        "predictor": predictor,
        "sample": sample,
        "assembly": assembly.name,
        "norm": norm,
        "resolution": resolution,
        "ignore_diags": config["ignore_diags"],
        "seed": config["seed"],
        "max_distance": config["max_distance"],
        "held_out": held_out,
        "fold_of": fold_of,
        "features": [] if own_bins else names,
        "signals": str(store_path or ""),
        "genome": str(genome_path or ""),
        "folds": {str(fold): own.config for fold, own in folds.items()},
        "inputs": inputs,
    }
    tensors: dict[str, torch.Tensor] = {}
    for fold, own in folds.items():
        kept = own.tensors | own.constants.tensors()
        tensors |= {f"{fold}.{name}": tensor.contiguous() for name, tensor in kept.items()}
    out_dir = Path(out_dir)
    with atomic_path(out_dir / FOLDER[0]) as path:
        save_file(tensors, path)
    with atomic_path(out_dir / FOLDER[2]) as path:
        bins.to_parquet(path, index=False)
    write_json(written, out_dir / FOLDER[1])


class PredictedMap(EditableMap):
    """A predictor applied to a sample.

    A pair is its expected, of the training maps at its distance, times what the predictor makes of
    the features of bins, or of the signals in their own bins within each bin, both of which are
    called features here. An edited chromosome is predicted from the features of its bins: they move
    with the bins, and stranded signals change places where a bin is turned round. Bins that an edit
    cuts have the features of what is left of them, read from the store and the sequence. Where an
    edit replaces bins, they become no signal and no known base (`zero`) or the mean of the bins
    around (`average`); an edit of kind orientation turns the stranded signals of its bins round and
    leaves the bins.

    Parameters
    ----------
    folder : path
        Written by `apply_predictor`.
    observed : NormalizedMap, optional
        The sample's own map: its masked bins are masked, and its coefficient gives probabilities.
    name : str
    device : str

    Attributes
    ----------
    step : int
        Columns of features of a bin.

    Raises
    ------
    CheckpointError
        The folder is not whole.
    InputError
        The map has other bins.
    """

    cuts_bins = True

    def __init__(
        self,
        folder: str | Path,
        observed: NormalizedMap | None = None,
        *,
        name: str,
        device: str = "cpu",
    ) -> None:
        folder = Path(folder)
        try:
            config = json.loads((folder / FOLDER[1]).read_text())
            tensors = load_file(folder / FOLDER[0])
            table = read_parquet(folder / FOLDER[2])
            self._inputs = INPUTS[find_model(config["model"]).inputs]
            self._features = table[config["features"]].to_numpy(np.float32).T
            self._open = partial(
                _open_inputs,
                config["inputs"],
                self._inputs,
                config["resolution"],
                config["signals"],
                config["genome"],
            )
            self.step = self._inputs.step(config["inputs"]["bin_size"], config["resolution"])
            self._folds = {
                int(fold): _open_fold(int(fold), config, tensors, device)
                for fold in config["folds"]
            }
            self._of_signals = len(self._inputs.names(config["inputs"]["signals"]))
            mirrored = next(iter(config["folds"].values()))["mirrored"]
            self._mirrored = np.array(mirrored if self._inputs.own_bins else mirrored[:-1])
        except (OSError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"{folder} is no predictor applied to a sample ({error!r}); expected "
                f"{', '.join(FOLDER)}: apply it again"
            ) from error
        table = table.drop(columns=config["features"])
        self.bins = Bins(table, int(config["resolution"]), source=str(folder))
        self.observed = observed
        if observed is not None:
            if not self.bins.match(observed.bins):
                raise InputError(
                    f"{observed.path} has bins of {observed.resolution} bp ({observed.assembly}), "
                    f"{folder} of {self.bins.resolution} bp ({config['assembly']}); a predictor "
                    "is applied at the resolution and on the assembly that it was trained at"
                )
            self.bins = self.bins.with_mask(self.bins.masked | observed.bins.masked)
        self.name, self.sample, self.norm = name, config["sample"], config["norm"]
        self.assembly, self.ignore_diags = config["assembly"], int(config["ignore_diags"])
        self.seed, self.max_distance = float(config["seed"]), int(config["max_distance"])
        self.held_out = tuple(map(tuple, config["held_out"])) or None
        self.fold_of: dict[str, int] = config["fold_of"]
        reach = max(fold.fitted.context for fold in self._folds.values())
        self.context = reach * self.bins.resolution
        self._known: dict[str, Any] = {}

    def band(self, chrom, lo, hi, *, max_dist=None, edited=None):
        """Predicted contact strength; see `MapSource.band`."""
        if edited is None:
            strength, mask = self._chromosome(chrom)
            first = 0
        else:
            strength, mask, first = self._window(chrom, lo, hi, max_dist, edited)
        n_dist = n_distances(self, len(mask), lo, max_dist)
        band = np.full((n_dist, hi - lo), np.nan, np.float32)
        known = strength[:n_dist, lo - first : hi - first]
        band[: len(known)] = known
        blank_band(band, mask, lo, hi, self.ignore_diags)
        return band

    def around(self, chrom: str, lo: int, hi: int) -> tuple[int, np.ndarray, Any, Constants]:
        """What the pairs of the bins [lo, hi) of a chromosome are predicted from.

        Returns
        -------
        first : int
            Bin of the chromosome where it begins.
        features : ndarray, (n_rows, m * step), float32
            As read; NaN = missing.
        fitted, constants
            Of the chromosome's fold.
        """
        fold = self._folds[self.fold_of.get(chrom, 0)]
        reach, (start, end) = self.context // self.bins.resolution, self.bins.extent(chrom)
        first = max(lo - reach, 0)
        first -= first % fold.fitted.stride
        features = self._read(np.arange(start + first, min(start + hi + reach, end)))
        return first, features.reshape(len(features), -1), fold.fitted, fold.constants

    def layout(self, edited):
        """The edited chromosome itself; see `EditableMap.layout`."""
        return edited

    def _chromosome(self, chrom: str):
        """Contact strength of a whole chromosome, kept for the last one, and its mask."""
        own = np.arange(*self.bins.extent(chrom))
        if self._known.get("chrom") != chrom:
            self._known |= {"chrom": chrom, "strength": self._strength(chrom, self._read(own))}
        return self._known["strength"], self.bins.masked[own]

    def _window(self, chrom: str, lo: int, hi: int, max_dist: int | None, edited: EditedChromosome):
        """The same of the rows [lo, hi) of an edited chromosome, and the first row of what it is.

        Only what these rows depend on is predicted. The features of the last edited chromosome are
        kept.
        """
        if self._known.get("edited") is not edited:
            features = self._edited(self._read(edited.source), edited)
            self._known |= {"edited": edited, "features": features}
        features, mask = self._known["features"], self.bins.masked[edited.source]
        reach = self.context // self.bins.resolution
        first = max(lo - reach, 0)
        first -= first % self._folds[self.fold_of.get(chrom, 0)].fitted.stride
        last = hi + n_distances(self, len(mask), lo, max_dist) + reach
        return self._strength(chrom, features[:, first:last]), mask, first

    def _strength(self, chrom: str, features: np.ndarray) -> np.ndarray:
        """Contact strength, (n_distances, n), of consecutive bins by their features."""
        fold = self._folds[self.fold_of.get(chrom, 0)]
        rows = features.reshape(len(features), -1)
        ratio = fold.fitted.log_ratio(fold.constants.prepare(rows))
        return fold.constants.expected[:, None].astype(np.float32) * np.exp(ratio)

    def _read(self, source: np.ndarray) -> np.ndarray:
        """Features (n_rows, m, step) of bins by their numbers."""
        if not self._inputs.own_bins:
            return self._features[:, source, None]
        with self._open() as inputs:
            features = np.empty((len(inputs.names), len(source), self.step), np.float32)
            for chrom in self.bins.chromnames:
                first, last = self.bins.extent(chrom)
                own = (first <= source) & (source < last)
                if own.any():
                    values = inputs.read(chrom, last - first)
                    values = values.reshape(len(values), -1, self.step)
                    features[:, own] = values[:, source[own] - first]
        return features

    def _edited(self, features: np.ndarray, edited: EditedChromosome) -> np.ndarray:
        """Features (n_rows, m, step) of an edited chromosome, whose bins have been moved."""
        turned = (edited.strand == -1)[:, None]
        features = np.where(turned, features[self._mirrored][:, :, ::-1], features)
        if edited.parts:
            with self._open() as inputs:
                for position, pieces in edited.parts.items():
                    features[:, position] = part_inputs(inputs, pieces)
        edit, (lo, hi) = edited.edit, edited.span
        if not edited.replaced.any():
            return features
        if edit.kind == "orientation":
            features[:, lo:hi] = features[self._mirrored, lo:hi]
            return features
        if edit.method == "zero":
            features[: self._of_signals, lo:hi] = 0
            features[self._of_signals :, lo:hi] = np.nan
        elif edit.method == "average":
            around = np.r_[max(lo - AVERAGE_BINS, 0) : lo, hi : hi + AVERAGE_BINS]
            known = features[:, around[around < features.shape[1]]].reshape(len(features), -1)
            known = known[:, np.isfinite(known).all(axis=0)]
            mean = known.mean(axis=1) if known.size else np.zeros(len(features))
            features[:, lo:hi] = mean[:, None, None]
        else:
            raise InputError(
                f"edit '{edit.edit}': method {edit.method} replaces a vector that the predictor "
                f"'{self.name}' does not have; use average, zero or shift"
            )
        return features


def open_predicted(
    model_dir: str | Path,
    map_path: str | Path | None,
    *,
    name: str,
    device: str = "cpu",
    mode: str = "lifted",
    motifs: pd.DataFrame | None = None,
) -> PredictedMap:
    """Open the folder of a run of a predictor; parameters as for `open.open_source`.

    Signals move with their bins in every mode; `motifs` are signals, and not read.

    Raises
    ------
    InputError
        A mode of representations.
    """
    if mode != "lifted":
        raise InputError(f"perturbation mode '{mode}' is of representations; '{name}' takes lifted")
    observed = NormalizedMap(map_path) if map_path else None
    return PredictedMap(model_dir, observed, name=name, device=device)


@contextmanager
def _open_inputs(
    inputs: Mapping[str, Any],
    kind: Inputs,
    resolution: int,
    store_path: str | Path | None,
    genome_path: str | Path | None,
) -> Iterator[BinInputs]:
    """What a predictor reads, checked against what it was trained on."""
    with ExitStack() as stack:
        store = genome = None
        if inputs["signals"]:
            store = stack.enter_context(SignalStore(store_path or ""))
            asked = {key: inputs[key] for key in ("assembly", "bin_size", "transforms")}
            store.check(inputs["signals"], **asked)
        sequence, signals = SequenceFeatures(**inputs["sequence"]), inputs["signals"]
        if sequence.names:
            genome = stack.enter_context(Genome(genome_path or ""))
        yield BinInputs(
            resolution, kind, store=store, signals=signals, genome=genome, sequence=sequence
        )


def _open_fold(fold: int, config, tensors, device: str) -> _Fold:
    own = {k.partition(".")[2]: t for k, t in tensors.items() if k.startswith(f"{fold}.")}
    standardised = not INPUTS[find_model(config["model"]).inputs].own_bins
    names = config["features"] or config["inputs"]["signals"]
    constants = Constants.take(own, names, standardised=standardised)
    predictor = Predictor(config["folds"][str(fold)], config["inputs"], constants, own)
    return _Fold(predictor.fitted(device), constants)
