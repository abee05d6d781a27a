"""The door between what predicts maps and what uses predicted maps.

A *map source* gives the contact strength of blocks of rows, whatever it is made of: an observed
map, the mean at each distance, a trained model, a file. The evaluator, the export of maps, edits,
comparisons with measured edits and the judge on simulated genomes take sources; none of them asks
for representations, an expected or a kind of model. Each family has a file of its own here;
`chromloom.prediction.open` opens a model folder as the source that it is.
"""

import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from chromloom.edits.bins import EditedChromosome, lay_out
from chromloom.edits.edit import Edit
from chromloom.errors import InputError
from chromloom.genome.bins import Bins
from chromloom.normalize.probability import READOUTS

ROWS = 256
"""Rows asked for at once."""


class MapSource(Protocol):
    """A map that can be asked for blocks of rows.

    Attributes
    ----------
    bins : Bins
        Masked bins have no prediction.
    name : str
        Of the model, as in tables.
    sample, norm, assembly : str
        The map that it predicts.
    ignore_diags : int
        Nearer pairs, in bins, are no pairs.
    decoder : str
        What predicts contacts of its representations: `own`, or a decoder that was trained on them.
    seed : float
        Of the training; NaN where nothing was drawn.
    max_distance : int or None
        bp; farther pairs have no prediction. None for no limit.
    held_out : tuple of (chrom, start, end), or None
        bp; regions of which nothing entered training. None where the source was fitted to the
        whole map, or to nothing.
    readouts : tuple of str
        What contact strengths may say of contact probability, of `normalize.probability.READOUTS`:
        of a prediction both, of an observed map its own.
    """

    bins: Bins
    name: str
    sample: str
    norm: str
    assembly: str
    ignore_diags: int
    decoder: str = "own"
    seed: float = math.nan
    max_distance: int | None = None
    held_out: tuple[tuple[str, int, int], ...] | None = None
    readouts: tuple[str, ...] = READOUTS

    def band(
        self,
        chrom: str,
        lo: int,
        hi: int,
        *,
        max_dist: int | None = None,
        edited: EditedChromosome | None = None,
    ) -> np.ndarray:
        """Contact strength of the rows [lo, hi) of a chromosome of n bins, in band layout.

        Parameters
        ----------
        chrom : str
        lo, hi : int
            Rows, 0 <= lo < hi <= n.
        max_dist : int, optional
            Distances below this only (bins).
        edited : EditedChromosome, optional
            Predict this edited form of the chromosome; rows are positions of `layout(edited)`.
            Editable sources only.

        Returns
        -------
        ndarray, (n_dist, hi - lo), float32 or float64
            Scale of counts, n_dist = `n_distances(self, n, lo, max_dist)`. NaN where there is no
            prediction: a masked bin, d < `ignore_diags`, beyond the chromosome's end, or a pair
            that the source does not know. 0 is a prediction.
        """
        ...


@runtime_checkable
class EditableMap(MapSource, Protocol):
    """A map source that predicts edited chromosomes, too.

    Attributes
    ----------
    context : int or None
        A pair depends only on what lies from its first bin to its second and this many bp beyond
        each of them, so that pairs which an edit leaves alone that far are the wild type's. None
        where it may depend on anything, so that every pair is predicted anew.
    cuts_bins : bool
        It reads what lies inside bins, so that edits need not be rounded to whole bins.
    genome_path : str
        Sequence that it reads, or "".
    """

    context: int | None
    cuts_bins: bool = False
    genome_path: str = ""

    def layout(self, edited: EditedChromosome) -> EditedChromosome:
        """What `band` predicts of an edited chromosome: which reference bin each position is.

        `edited` itself, where the source reads the edited chromosome as it is.

        Raises
        ------
        InputError
            The source cannot predict this edit.
        """
        ...

    def readings(self, shifts: Sequence[int] = (0,)) -> Sequence["EditableMap"]:
        """Itself once for each way in which it can read the same.

        Parameters
        ----------
        shifts : sequence of int
            bp by which windows of sequence are moved: what reads these gives every shift on every
            strand that it was trained on.
        """
        return [self]


def n_distances(source: MapSource, n: int, lo: int, max_dist: int | None = None) -> int:
    """Distances (bins, from 0) of a source's band that starts at row `lo` of n bins."""
    limits = [n - lo]
    if max_dist is not None:
        limits.append(max_dist)
    if source.max_distance is not None:
        limits.append(distance_bins(source.max_distance, source.bins.resolution))
    return max(min(limits), 0)


def distance_bins(max_distance: int, resolution: int) -> int:
    """Distances below this many bins are those up to `max_distance` bp."""
    return max(max_distance, 0) // resolution + 1


def predict_pairs(
    source: MapSource,
    chrom: str,
    positions: np.ndarray,
    *,
    edited: EditedChromosome | None = None,
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """Predicted contact strength of all pairs among some positions of one chromosome.

    Parameters
    ----------
    source : MapSource
    chrom : str
    positions : ndarray, (p,), int
        Ascending, counted from the chromosome's start.
    edited : EditedChromosome, optional
        Positions are those of this edited form of the chromosome.
    rows : ndarray, (p,), bool, optional
        Rows to compute; the others stay NaN. All by default.

    Returns
    -------
    ndarray, (p, p), float64
        Upper triangle, scale of counts; NaN elsewhere and where there is no prediction.
    """
    values = np.full((len(positions), len(positions)), np.nan)
    wanted = np.arange(len(positions)) if rows is None else np.flatnonzero(rows)
    for block in np.split(wanted, np.flatnonzero(np.diff(positions[wanted]) != 1) + 1):
        for part in np.array_split(block, max(1, -(-len(block) // ROWS))):
            if not len(part):
                continue
            lo, hi = int(positions[part[0]]), int(positions[part[-1]]) + 1
            max_dist = int(positions[-1]) - lo + 1
            band = source.band(chrom, lo, hi, max_dist=max_dist, edited=edited)  # (n_dist, hi - lo)
            for k in part:
                right = positions[k + 1 :] - positions[k]
                right = right[right < len(band)]
                values[k, k + 1 : k + 1 + len(right)] = band[right, positions[k] - lo]
    return values


def lay_out_for(source: MapSource, edit: Edit) -> EditedChromosome:
    """An edited chromosome in the bins of a source, cut if the source can read parts of bins.

    Raises
    ------
    InputError
        See `edits.bins.lay_out`; the source cannot predict edited chromosomes.
    """
    source = require_editable(source)
    return lay_out(edit, source.bins, parts=source.cuts_bins)


def require_editable(source: MapSource) -> EditableMap:
    """The source, which must predict edited chromosomes.

    Raises
    ------
    InputError
        It does not.
    """
    if not isinstance(source, EditableMap):
        raise InputError(
            f"'{source.name}' cannot predict edited chromosomes; use a model that reads "
            "representations, signals or sequence of the edited chromosome"
        )
    return source
