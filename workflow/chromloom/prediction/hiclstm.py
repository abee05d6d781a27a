"""Trained models of one map, the Hi-C-LSTM family, as map sources.

A model predicts its target from representations of bins; with the expected of the map that it was
trained on this is a contact strength. An edit moves representations with their bins; what this
means is the source's mode. Everything that knows of representations in an edit is here.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chromloom.edits.bins import EditedChromosome
from chromloom.errors import InputError
from chromloom.models.trained import TrainedModel
from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.source import EditableMap, predict_pairs
from chromloom.representations.neutral import AVERAGE_BINS

logger = logging.getLogger(__name__)

MODES = ("lifted", "affinity", "released")


@dataclass(frozen=True)
class _Rendered:
    """An edited chromosome as the model reads it."""

    edited: EditedChromosome
    layout: EditedChromosome
    vectors: np.ndarray  # (m, d), float32
    masked: np.ndarray  # (m,), bool
    origin: np.ndarray | None  # (m,): bin of the chromosome, -1 elsewhere; None: pairs stay
    home: np.ndarray  # (m,): bin of the reference chromosome whose region gives the expected


class HiCLSTMMap(EditableMap):
    """A trained model with the map that it was trained on.

    Parameters
    ----------
    model : TrainedModel
    observed : NormalizedMap
        The map trained on; its expected goes with the predictions.
    name : str
    mode : {"lifted", "affinity", "released"}
        How edits are predicted. `lifted`: representations and pairs move with their bins, and the
        model reads the edited chromosome. `affinity`: a pair of untouched bins takes its predicted
        observed/expected of the wild type along to its new distance; the model is asked for what
        had none (copies of one bin, replaced bins, bins of two chromosomes). `released`, as in the
        published code: representations move, the pairs stay those of the reference; the chromosome
        keeps its length (cut, or filled with zero vectors), and position i is compared with
        position i.
    motifs : DataFrame, optional
        chrom, start, end, strand of CTCF motifs; needed for edits of kind orientation.

    Raises
    ------
    InputError
        Unknown mode, or a map with other bins than the model's.
    """

    def __init__(
        self,
        model: TrainedModel,
        observed: NormalizedMap,
        *,
        name: str,
        mode: str = "lifted",
        motifs: pd.DataFrame | None = None,
    ):
        if mode not in MODES:
            raise InputError(
                f"perturbation mode '{mode}' is unknown; use one of {', '.join(MODES)}"
            )
        if not model.bins.match(observed.bins):
            raise InputError(
                f"{observed.path} has bins of {observed.resolution} bp ({observed.assembly}), "
                f"{model.bins.source} of {model.resolution} bp ({model.config['assembly']}); "
                "give the map that the model was trained on"
            )
        self.model, self.observed, self.name, self.mode = model, observed, name, mode
        self.bins, self.ignore_diags = model.bins, model.ignore_diags
        self.sample, self.norm, self.assembly = observed.sample, observed.norm, observed.assembly
        self.seed = model.config.get("seed", np.nan)
        held_out = model.config.get("held_out")
        self.held_out = None if held_out is None else tuple(map(tuple, held_out))
        self.decoder = model.config.get("decoder", "own")
        self.context = 0 if model.reads_between else None
        self._motifs = motifs
        self._orientations: dict[str, np.ndarray] | None = None
        self._joined: set[tuple[str, ...]] = set()
        self._rendered: _Rendered | None = None
        self._moved: tuple[str, np.ndarray, np.ndarray] | None = None

    def band(self, chrom, lo, hi, *, max_dist=None, edited=None):
        """Predicted contact strength; see `MapSource.band`."""
        model, expected = self.model, self.observed.expected(chrom)
        if edited is None:
            target = model.predict_band(chrom, lo, hi, max_dist=max_dist)
            return model.to_value(target, expected.band(lo, hi, len(target)))
        rendered = self._render(edited)
        home, strand = rendered.home, rendered.layout.strand
        target = model.predict_band(
            chrom, lo, hi, representation=rendered.vectors, mask=rendered.masked, strand=strand,
            origin=rendered.origin, max_dist=max_dist,
        )  # fmt: skip
        i, dist = np.arange(lo, hi), np.arange(len(target))[:, None]
        j = np.minimum(i + dist, len(home) - 1)
        moved_expected = expected.at_distance(home[i], home[j], dist)
        band = model.to_value(target, moved_expected)
        if self.mode != "affinity":
            return band
        moved = self._moved_affinity(rendered.layout, i, j, moved_expected)
        return np.where(np.isfinite(band) & np.isfinite(moved), moved, band)

    def layout(self, edited):
        """In mode `released` every position is the reference's; see `EditableMap.layout`."""
        return self._render(edited).layout

    def _render(self, edited: EditedChromosome) -> _Rendered:
        """Representations at every position; those of the last edited chromosome are kept."""
        if self._rendered is not None and self._rendered.edited is edited:
            return self._rendered
        first, last = self.bins.extent(edited.chrom)
        layout, masked = edited, self.bins.masked[edited.source]
        own = (edited.source >= first) & (edited.source < last)
        origin: np.ndarray | None = np.where(own, edited.source - first, -1)
        vectors = self._vectors(edited)
        for lo, hi in _runs(edited.replaced):
            vectors[lo:hi] = self._replacement(edited, lo, hi)
        if self.mode == "released":
            masked = self.bins.mask(edited.chrom)
            vectors = _in_place(vectors, len(masked))
            layout, origin = _reference_layout(edited, np.arange(first, last)), None
        vectors = np.where(masked[:, None], 0, vectors).astype(np.float32)
        home = _home(layout, first, last)
        self._moved = None
        self._rendered = _Rendered(edited, layout, vectors, masked, origin, home)
        return self._rendered

    def _vectors(self, edited: EditedChromosome) -> np.ndarray:
        """Representation at every position, (m, d) float32; NaN at masked bins."""
        vectors = np.full((len(edited.source), self.model.embedding_dim), np.nan)
        vectors = vectors.astype(np.float32)
        chroms = []
        for chrom, (first, last) in self.bins.extents.items():
            own = (edited.source >= first) & (edited.source < last)
            if own.any():
                chroms.append(chrom)
                vectors[own] = self.model.representation(chrom)[edited.source[own] - first]
        if len(chroms) > 1 and tuple(chroms) not in self._joined:  # once, not for every control
            self._joined.add(tuple(chroms))
            logger.warning(
                "%s joins %s; a model predicts this only as far as the axes of its "
                "representations mean the same on both",
                edited.edit.edit,
                " and ".join(chroms),
            )
        return vectors

    def _replacement(self, edited: EditedChromosome, lo: int, hi: int) -> np.ndarray:
        """Vector of the replaced bins [lo, hi) by the edit's method, (d,) float32."""
        edit, model = edited.edit, self.model
        d = model.embedding_dim
        if edit.kind == "orientation":
            return self._orientation(edit)
        if edit.method == "zero":
            return np.zeros(d, np.float32)
        if edit.method == "padding":
            if model.padding is None:
                raise InputError(
                    f"edit '{edit.edit}': only the released preset has a padding vector; "
                    "use average, shift or zero"
                )
            return model.padding
        n = len(edited.source)
        around = np.r_[max(lo - AVERAGE_BINS, 0) : lo, hi : min(hi + AVERAGE_BINS, n)]
        vectors = model.representation(edit.chrom)[around]
        vectors = vectors[np.isfinite(vectors).all(axis=1)]
        return vectors.mean(axis=0) if len(vectors) else np.zeros(d, np.float32)

    def _orientation(self, edit) -> np.ndarray:
        if self._motifs is None:
            raise InputError(
                f"edit '{edit.edit}': an edit of kind orientation needs the motifs; give a BED6 "
                "file of stranded CTCF motifs (`chromloom motifs` writes one)"
            )
        if self._orientations is None:
            self._orientations = orientation_means(self.model, self._motifs)
        return self._orientations[edit.strand]

    def _moved_affinity(self, layout, i, j, moved_expected) -> np.ndarray:
        """O/E of the wild type's pairs (i, j) at the expected of their new distance; else NaN."""
        chrom = layout.chrom
        expected, (first, last) = self.observed.expected(chrom), self.bins.extent(chrom)
        own = (layout.source >= first) & (layout.source < last) & ~layout.replaced
        at = np.clip(layout.source - first, 0, last - first - 1)
        needed = np.unique(at[i[0] : int(j.max()) + 1])
        if self._moved is None or not np.isin(needed, self._moved[1]).all():
            self._moved = chrom, needed, predict_pairs(self, chrom, needed)
        _, bins, wild_type = self._moved
        a, b = np.minimum(at[i], at[j]), np.maximum(at[i], at[j])
        values = wild_type[np.searchsorted(bins, a), np.searchsorted(bins, b)]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(own[i] & own[j], values / expected.at(a, b) * moved_expected, np.nan)


def open_hiclstm(
    model_dir: str | Path, map_path: str | Path, *, name: str, device: str = "cpu", **options: Any
) -> HiCLSTMMap:
    """Open a folder of a trained model with its map; parameters as for `open.open_source`."""
    model, observed = TrainedModel.load(model_dir, device), NormalizedMap(map_path)
    return HiCLSTMMap(model, observed, name=name, **options)


def orientation_means(model: TrainedModel, motifs: pd.DataFrame) -> dict[str, np.ndarray]:
    """Vector that replaces bins of one motif orientation: the mean vector of the other's bins.

    Parameters
    ----------
    model : TrainedModel
    motifs : DataFrame
        chrom, start, end, strand.

    Returns
    -------
    dict
        Present orientation ("+", "-") -> replacement, ndarray (d,), float32. Bins that hold both
        orientations count for neither.

    Raises
    ------
    InputError
        No unmasked bin holds motifs of one orientation alone.
    """
    vectors: dict[str, list] = {"+": [], "-": []}
    for chrom in model.chromnames:
        R = model.representation(chrom)
        holds = {}
        for strand in "+-":
            own = motifs[(motifs["chrom"] == chrom) & (motifs["strand"] == strand)]
            holds[strand] = np.zeros(len(R), bool)
            middle = (own["start"] + own["end"]) // 2 // model.resolution
            holds[strand][middle[middle < len(R)]] = True
        unmasked = ~model.mask(chrom)
        vectors["+"].append(R[holds["+"] & ~holds["-"] & unmasked])
        vectors["-"].append(R[holds["-"] & ~holds["+"] & unmasked])
    means = {}
    for strand, other in (("+", "-"), ("-", "+")):
        own = np.concatenate(vectors[other])
        if not len(own):
            raise InputError(
                f"no unmasked bin of the model holds a '{other}' motif alone; are the "
                "motifs of another assembly?"
            )
        means[strand] = own.mean(axis=0)
    return means


def _runs(chosen: np.ndarray) -> np.ndarray:
    """Starts and ends of the runs of True, (n_runs, 2)."""
    padded = np.concatenate([[False], chosen, [False]])
    return np.flatnonzero(padded[1:] != padded[:-1]).reshape(-1, 2)


def _in_place(vectors: np.ndarray, n: int) -> np.ndarray:
    """Cut to n positions, or filled with zero vectors."""
    filled = np.zeros((n, vectors.shape[1]), np.float32)
    filled[: min(n, len(vectors))] = np.nan_to_num(vectors[:n])
    return filled


def _reference_layout(edited: EditedChromosome, reference: np.ndarray) -> EditedChromosome:
    """The edited chromosome as if every position were the reference's, all of it replaced."""
    span = min(edited.span[0], len(reference)), min(max(edited.span), len(reference))
    replaced = np.arange(len(reference)) >= span[0]
    forward = np.ones(len(reference), np.int8)
    return EditedChromosome(
        edited.edit, reference, forward, replaced, span, edited.pieces, chrom=edited.chrom
    )


def _home(layout: EditedChromosome, first: int, last: int) -> np.ndarray:
    """Bin of the edit's chromosome, from 0, whose region gives each position its expected."""
    home = layout.source - first
    foreign = (home < 0) | (layout.source >= last)
    if layout.edit.kind == "insertion":
        foreign[slice(*layout.span)] = True
    known = np.flatnonzero(~foreign)
    if not len(known):
        return np.zeros(len(home), int)
    before = np.searchsorted(known, np.arange(len(home)), side="right") - 1
    return home[known[np.maximum(before, 0)]]
