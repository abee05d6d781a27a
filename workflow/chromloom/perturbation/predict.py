"""What a map source predicts of an edited chromosome, and the same mapped back to the reference.

Three maps follow from an edit: *wild type* and *edited on the reference* are in reference
coordinates and can be subtracted; *edited* is in the coordinates of the edited chromosome. Reads of
an edited genome are mapped to the reference, where copies of a locus cannot be told apart, so that
the contact strengths of all copies are summed (article, Methods, In-silico perturbation). Dense
arrays are windows around the edit, never a genome.
"""

from dataclasses import dataclass, replace

import numpy as np

from chromloom.edits.bins import EditedChromosome
from chromloom.prediction.source import MapSource, predict_pairs, require_editable

FLANK = 2_000_000


@dataclass(frozen=True)
class Prediction:
    """Predicted contact strength around an edit.

    Attributes
    ----------
    edited : EditedChromosome
        As the source lays it out.
    bins : ndarray, (k,), int64
        Reference bins (genome-wide numbers, ascending) of `wild_type` and `on_reference`.
    wild_type : ndarray, (k, k), float64
        Upper triangle, scale of counts. NaN: no prediction (masked, below `ignore_diags`, on two
        chromosomes, beyond the source's distance).
    on_reference : ndarray, (k, k), float64
        Edited chromosome mapped back, summed over copies. NaN: masked, deleted, or a copy of the
        pair has no prediction in the edited chromosome.
    positions : ndarray, (p,), int64
        Positions (ascending) of `in_edited`.
    in_edited : ndarray, (p, p), float64
        In edited coordinates. NaN as in `wild_type`.
    n_predicted : int
        Pairs that had to be computed anew for `in_edited`; the others are the wild type's.
    """

    edited: EditedChromosome
    bins: np.ndarray
    wild_type: np.ndarray
    on_reference: np.ndarray
    positions: np.ndarray
    in_edited: np.ndarray
    n_predicted: int

    @property
    def difference(self) -> np.ndarray:
        """Edited minus wild type in reference coordinates, (k, k), float64."""
        return self.on_reference - self.wild_type


def predict_edit(
    source: MapSource,
    edited: EditedChromosome,
    *,
    flank: int = FLANK,
    inside: int | None = None,
) -> Prediction:
    """Predict the wild type and the edited chromosome around an edit.

    Parameters
    ----------
    source : MapSource
        An editable one.
    edited : EditedChromosome
        From `edits.bins.lay_out`.
    flank : int
        bp each side of the edit that are predicted.
    inside : int, optional
        bp within what the edit alters, from its ends and junctions, that are predicted; all of it
        by default. Long events are then as cheap as short ones.

    Returns
    -------
    Prediction

    Raises
    ------
    InputError
        The source cannot predict this edit, or none.

    Notes
    -----
    A pair that the edit leaves alone, its bins, what lies between them and as much beyond them as
    the source reads (`context`), is not computed again: it is the wild type's, exactly.
    """
    source = require_editable(source)
    edit, bins = edited.edit, source.bins
    layout = source.layout(edited)
    first, last = bins.extent(edit.chrom)
    reach = flank // bins.resolution
    lo, hi = max(layout.span[0] - reach, 0), min(layout.span[1] + reach, len(layout.source))
    positions = np.arange(lo, hi)
    removed = _removed(layout, first, last)
    if inside is not None:
        kept = inside // bins.resolution
        near = np.concatenate([_junctions(layout), layout.span])
        positions = positions[_within(positions, near, max(kept, 1)) | (positions < layout.span[0])
                              | (positions >= layout.span[1])]  # fmt: skip
        removed = removed[_within(removed, _edges(removed), max(kept, 1))]
    if edit.kind == "insertion":  # the segment's original copy stays where it was
        origin = np.flatnonzero(np.isin(layout.source, layout.source[slice(*layout.span)]))
        positions = np.union1d(positions, origin)
    window = np.union1d(layout.source[positions], removed)

    wild_type = np.full((len(window), len(window)), np.nan)
    for chrom, (begin, end) in bins.extents.items():
        own = np.flatnonzero((window >= begin) & (window < end))
        if len(own):
            pairs = predict_pairs(source, chrom, window[own] - begin)
            wild_type[np.ix_(own, own)] = pairs
    same = _same_as_reference(source, layout, positions, (first, last))
    anew = (~same & np.triu(np.ones_like(same), 1)).any(axis=1)
    in_edited = predict_pairs(source, edit.chrom, positions, edited=edited, rows=anew)
    index = np.searchsorted(window, layout.source[positions])
    in_edited[same] = wild_type[index[:, None], index[None, :]][same]

    on_reference = map_back(in_edited, index, len(window))
    others = _untouched_copies(layout, window, first, last)
    on_reference = _add_untouched(on_reference, wild_type, others)
    n_predicted = int((np.isfinite(in_edited) & ~same).sum())
    return Prediction(layout, window, wild_type, on_reference, positions, in_edited, n_predicted)


def heterozygous(prediction: Prediction) -> Prediction:
    """A prediction with the edit on one of two homologues.

    Reads of both are mapped to the reference and cannot be told apart: contact strength there is
    the mean of the unedited and the edited chromosome. Bins that the edit removes keep half.
    """
    kept = np.isin(prediction.bins, prediction.edited.source)
    removed = ~(kept[:, None] & kept[None, :])
    edited = np.where(removed, 0, prediction.on_reference)
    return replace(prediction, on_reference=(prediction.wild_type + edited) / 2)


def map_back(values: np.ndarray, index: np.ndarray, n_bins: int) -> np.ndarray:
    """Map an edited chromosome's contacts to the reference, summing over copies.

    Parameters
    ----------
    values : ndarray, (p, p), float
        Contact strength in edited coordinates, upper triangle; NaN = unknown.
    index : ndarray, (p,), int
        Reference bin of every position, in [0, n_bins).
    n_bins : int

    Returns
    -------
    ndarray, (n_bins, n_bins), float64
        Upper triangle. NaN where no pair of positions maps, or one that maps is unknown; contacts
        between two copies of one bin fall on the diagonal, which is NaN.
    """
    a, b = np.triu_indices(len(index), 1)
    i, j = np.minimum(index[a], index[b]), np.maximum(index[a], index[b])
    flat = i * n_bins + j
    total = np.bincount(flat, values[a, b], minlength=n_bins**2).reshape(n_bins, n_bins)
    mapped = np.bincount(flat, minlength=n_bins**2).reshape(n_bins, n_bins) > 0
    total[~mapped | np.eye(n_bins, dtype=bool)] = np.nan
    return total


def _removed(layout, first, last):
    """Reference bins of the edit's region that the edited chromosome lacks."""
    if layout.edit.kind == "translocation":
        return np.empty(0, np.int64)
    return np.setdiff1d(np.arange(first, last), layout.source)


def _junctions(layout):
    """Positions whose bin does not follow that of the position before."""
    follows = (np.diff(layout.source) == layout.strand[1:]) & (np.diff(layout.strand) == 0)
    return np.flatnonzero(~follows) + 1


def _edges(bins):
    """Starts and ends, half-open, of the runs of ascending bins."""
    breaks = np.flatnonzero(np.diff(bins) != 1)
    return np.concatenate([bins[:1], bins[breaks] + 1, bins[breaks + 1], bins[-1:] + 1])


def _within(values, borders, reach):
    """Which values are among the `reach` on either side of a border (before its value)."""
    if not len(borders):
        return np.zeros(len(values), bool)
    borders = np.sort(borders)
    at = np.searchsorted(borders, values, side="right")  # borders up to the value
    after = values - borders[np.maximum(at - 1, 0)]
    before = borders[np.minimum(at, len(borders) - 1)] - values
    return ((at > 0) & (after < reach)) | ((at < len(borders)) & (before <= reach))


def _same_as_reference(source, layout, positions, extent):
    """Pairs that are predicted as in the reference, (p, p), bool.

    Their bins, what lies between and the source's context on both sides form one unaltered run; a
    context that the chromosome's end cuts must be cut there in the reference, too.
    """
    if source.context is None:
        return np.zeros((len(positions),) * 2, bool)
    context = -(-source.context // source.bins.resolution)
    m, (first, last) = len(layout.source), extent
    left, right = positions - context, positions + context
    run_end = layout.run_end[np.maximum(left, 0)]
    right_most = np.minimum(right, m - 1)
    same = positions[None, :] >= positions[:, None]
    same &= right_most[None, :] < run_end[:, None]
    same &= ((left >= 0) | (layout.source[0] == first))[:, None]
    return same & ((right < m) | (layout.source[-1] == last - 1))[None, :]


def _untouched_copies(layout, window, first, last):
    """Reference bins of the window with a copy outside it: a segment inserted from elsewhere."""
    if layout.edit.kind != "insertion":
        return np.zeros(len(window), bool)
    return (window < first) | (window >= last)


def _add_untouched(on_reference, wild_type, others):
    """Add the wild type's contacts among bins whose original copy is on another chromosome."""
    among = others[:, None] & others[None, :]
    total = np.where(np.isnan(on_reference), 0, on_reference) + wild_type
    return np.where(among, total, on_reference)
