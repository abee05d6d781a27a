"""Predictors that read features of bins, or signals in their own bins, as map sources.

The folder of a run (`prediction.applied`) has the features of bins; signals in their own bins,
which some predictors read, are read from the store.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chromloom.edits.bins import EditedChromosome
from chromloom.edits.signals import part_inputs
from chromloom.genome.assembly import Assembly
from chromloom.genome.bins import blank_band, make_bins
from chromloom.models.predictor import Constants
from chromloom.models.registry import find_model
from chromloom.prediction.applied import AppliedMap, Folds, write_applied
from chromloom.prediction.source import n_distances
from chromloom.representations.neutral import AVERAGE_BINS
from chromloom.sequence.fasta import Genome
from chromloom.sequence.features import SequenceFeatures
from chromloom.signals.features import INPUTS, BinInputs, Inputs
from chromloom.signals.store import SignalStore


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
    other_assembly: bool = False,
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
    other_assembly : bool
        The signals are of another assembly than that of training, such as another species'. Its
        chromosomes are all unseen, and predicted by the first fold.

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
    folds = Folds.read(folders)
    if other_assembly:
        folds = folds.on_another(assembly)
    inputs, config = folds.first.inputs, folds.first.config
    resolution = config["resolution"]
    table = make_bins(assembly.chromsizes, resolution).astype({"chrom": str})
    # Bins are masked by features, also where signals are read in their own bins.
    with _open_inputs(inputs, INPUTS["features"], resolution, store_path, genome_path) as source:
        features = np.full((len(source.names), len(table)), np.nan, np.float32)
        own = [c for c in source.chroms() if chroms is None or c in chroms]
        for chrom in own:
            rows = np.flatnonzero((table["chrom"] == chrom).to_numpy())
            features[:, rows] = source.read(chrom, len(rows))
        names = source.names
    masked = ~np.isfinite(features).all(axis=0)
    bins = table.assign(masked=masked)
    own_bins = INPUTS[find_model(config["model"]).inputs].own_bins
    if not own_bins:
        bins = pd.concat([bins, pd.DataFrame(features.T, columns=names)], axis=1)
    write_applied(
        out_dir,
        folds,
        bins,
        own,
        assembly,
        sample=sample,
        norm=norm,
        predictor=predictor,
        more={
            "features": [] if own_bins else names,
            "signals": str(store_path or ""),
            "genome": str(genome_path or ""),
        },
    )


class PredictedMap(AppliedMap):
    """A predictor applied to a sample.

    A pair is its expected, of the training maps at its distance, times what the predictor makes of
    the features of bins, or of the signals in their own bins within each bin, both of which are
    called features here. An edited chromosome is predicted from the features of its bins: they move
    with the bins, and stranded signals change places where a bin is turned round. Bins that an edit
    cuts have the features of what is left of them, read from the store and the sequence. Where an
    edit replaces bins, they become no signal and no known base (`zero`) or the mean of the bins
    around (`average`); an edit of kind orientation turns the stranded signals of its bins round and
    leaves the bins.

    Attributes
    ----------
    step : int
        Columns of features of a bin.
    """

    def _set_up(self, device: str) -> None:
        super()._set_up(device)
        config = self.config
        self._inputs = INPUTS[find_model(config["model"]).inputs]
        self._features = self.table[config["features"]].to_numpy(np.float32).T
        self._open = partial(
            _open_inputs,
            config["inputs"],
            self._inputs,
            config["resolution"],
            config["signals"],
            config["genome"],
        )
        self.step = self._inputs.step(config["inputs"]["bin_size"], config["resolution"])
        self._of_signals = len(self._inputs.names(config["inputs"]["signals"]))
        mirrored = self.predictors[0].config["mirrored"]
        self._mirrored = np.array(mirrored if self._inputs.own_bins else mirrored[:-1])
        self._known: dict[str, Any] = {}
        self.reads_sequence = bool(SequenceFeatures(**config["inputs"]["sequence"]).names)

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
        fitted, constants = self._of(chrom)
        reach, (start, end) = self.context // self.bins.resolution, self.bins.extent(chrom)
        first = max(lo - reach, 0)
        first -= first % fitted.stride
        features = self._read(np.arange(start + first, min(start + hi + reach, end)))
        return first, features.reshape(len(features), -1), fitted, constants

    def _of(self, chrom: str) -> tuple[Any, Constants]:
        """What a chromosome is predicted by."""
        fold = self.fold_of.get(chrom, 0)
        return self._fitted[fold], self.predictors[fold].constants

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
        first -= first % self._of(chrom)[0].stride
        last = hi + n_distances(self, len(mask), lo, max_dist) + reach
        strength = None
        for name, rows in self.by_fold(chrom, edited).items():
            own = rows is None or rows[first:last]
            if np.any(own):
                found = self._strength(name, features[:, first:last])
                strength = found if strength is None else np.where(own, found, strength)
        return strength, mask, first

    def _strength(self, chrom: str, features: np.ndarray) -> np.ndarray:
        """Contact strength, (n_distances, n), of consecutive bins by their features."""
        fitted, constants = self._of(chrom)
        ratio = fitted.log_ratio(constants.prepare(features.reshape(len(features), -1)))
        return constants.expected[:, None].astype(np.float32) * np.exp(ratio)

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
            raise self.no_vector(edit)
        return features


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
