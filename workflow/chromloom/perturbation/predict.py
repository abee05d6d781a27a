"""What a map source predicts of an edited chromosome, and the same mapped back to the reference.

Three maps follow from an edit: *wild type* and *edited on the reference* are in reference
coordinates and can be subtracted; *edited* is in the coordinates of the edited chromosome, one for
each chromosome that the edit changes (both derivative chromosomes of a translocation). Reads of
an edited genome are mapped to the reference, where copies of a locus cannot be told apart, so that
the contact strengths of all copies are summed (article, Methods, In-silico perturbation). Dense
arrays are windows around the edit, never a genome.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from chromloom.edits.bins import EditedChromosome
from chromloom.edits.edit import COMPOUND
from chromloom.prediction.source import MapSource, predict_pairs, require_editable

FLANK = 2_000_000


@dataclass(frozen=True)
class InEdited:
    """Predicted contact strength in coordinates of one edited chromosome.

    Attributes
    ----------
    edited : EditedChromosome
        As the source lays it out.
    positions : ndarray, (p,), int64
        Ascending.
    values : ndarray, (p, p), float64
        Upper triangle. NaN as in `Prediction.wild_type`.
    """

    edited: EditedChromosome
    positions: np.ndarray
    values: np.ndarray


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
        Edited chromosomes mapped back, summed over copies. NaN: masked, deleted, on two
        chromosomes, or a copy of the pair has no prediction in its edited chromosome.
    positions : ndarray, (p,), int64
        Positions (ascending) of `in_edited`.
    in_edited : ndarray, (p, p), float64
        In edited coordinates. NaN as in `wild_type`.
    n_predicted : int
        Pairs of all edited chromosomes that had to be computed anew; the others are the wild
        type's.
    others : tuple of InEdited
        Further chromosomes that the edit changes, see `EditedChromosome.others`.
    """

    edited: EditedChromosome
    bins: np.ndarray
    wild_type: np.ndarray
    on_reference: np.ndarray
    positions: np.ndarray
    in_edited: np.ndarray
    n_predicted: int
    others: tuple[InEdited, ...] = ()

    @property
    def chromosomes(self) -> tuple[InEdited, ...]:
        """All edited chromosomes, that of the edit first."""
        return (InEdited(self.edited, self.positions, self.in_edited), *self.others)

    @property
    def together(self) -> np.ndarray:
        """Pairs of `bins` that one edited chromosome has both of, (k, k), bool."""
        found = np.zeros(self.wild_type.shape, bool)
        for one in self.chromosomes:
            kept = np.isin(self.bins, one.edited.source)
            found |= kept[:, None] & kept[None, :]
        return found

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
    layouts = [source.layout(one) for one in edited.chromosomes]
    reach = flank // bins.resolution
    kept = None if inside is None else max(inside // bins.resolution, 1)
    near = [_near(layout, reach, kept) for layout in layouts]
    window = np.union1d(
        np.concatenate([layout.source[at] for layout, at in zip(layouts, near)]),
        _removed(layouts, bins, reach, kept),
    )
    if len(layouts) > 1 or edit.kind == COMPOUND:
        # Copies that lie elsewhere count, too.
        near = [np.union1d(at, np.flatnonzero(np.isin(layout.source, window)))
                for layout, at in zip(layouts, near)]  # fmt: skip

    wild_type = np.full((len(window), len(window)), np.nan)
    for chrom, (begin, end) in bins.extents.items():
        own = np.flatnonzero((window >= begin) & (window < end))
        if len(own):
            pairs = predict_pairs(source, chrom, window[own] - begin)
            wild_type[np.ix_(own, own)] = pairs
    predicted, indices, n_predicted = [], [], 0
    for one, layout, positions in zip(edited.chromosomes, layouts, near):
        same = _same_as_reference(source, layout, positions)
        anew = (~same & np.triu(np.ones_like(same), 1)).any(axis=1)
        values = predict_pairs(source, layout.chrom, positions, edited=one, rows=anew)
        index = np.searchsorted(window, layout.source[positions])
        values[same] = wild_type[index[:, None], index[None, :]][same]
        predicted.append(InEdited(layout, positions, values))
        indices.append(index)
        n_predicted += int((np.isfinite(values) & ~same).sum())

    on_reference = sum_copies([one.values for one in predicted], indices, len(window))
    on_reference = _add_untouched(on_reference, wild_type, _untouched(layouts, window, bins))
    first, *others = predicted
    return Prediction(first.edited, window, wild_type, on_reference, first.positions, first.values,
                      n_predicted, tuple(others))  # fmt: skip


def heterozygous(prediction: Prediction) -> Prediction:
    """A prediction with the edit on one of two homologues.

    Reads of both are mapped to the reference and cannot be told apart: contact strength there is
    the mean of the unedited and the edited chromosome. Pairs of bins that the edit removes, or puts
    on two chromosomes, keep half.
    """
    edited = np.where(prediction.together, prediction.on_reference, 0.0)
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
    return sum_copies([values], [index], n_bins)


def sum_copies(
    maps: Iterable[np.ndarray], indices: Iterable[np.ndarray], n_bins: int
) -> np.ndarray:
    """`map_back` of several edited chromosomes, each with its own index."""
    total, mapped = np.zeros(n_bins**2), np.zeros(n_bins**2, bool)
    for values, index in zip(maps, indices):
        a, b = np.triu_indices(len(index), 1)
        i, j = np.minimum(index[a], index[b]), np.maximum(index[a], index[b])
        flat = i * n_bins + j
        total += np.bincount(flat, values[a, b], minlength=n_bins**2)
        mapped |= np.bincount(flat, minlength=n_bins**2) > 0
    total[~mapped] = np.nan
    summed = total.reshape(n_bins, n_bins)
    np.fill_diagonal(summed, np.nan)
    return summed


def _near(layout, reach, kept):
    """Positions within `reach` of what the edit altered, and inside it within `kept` of its ends.

    With the original copies of an inserted segment, which stay where they were.
    """
    lo, hi = max(layout.span[0] - reach, 0), min(layout.span[1] + reach, len(layout.source))
    positions = np.arange(lo, hi)
    if kept is not None:
        ends = np.concatenate([_junctions(layout), layout.span])
        positions = positions[_within(positions, ends, kept) | (positions < layout.span[0])
                              | (positions >= layout.span[1])]  # fmt: skip
    if layout.edit.kind == "insertion":
        origin = np.flatnonzero(np.isin(layout.source, layout.source[slice(*layout.span)]))
        positions = np.union1d(positions, origin)
    return positions


def _removed(layouts, bins, reach, kept):
    """Reference bins of the edit's chromosomes that the edited ones lack."""
    there = np.concatenate([layout.source for layout in layouts])
    own = [np.arange(*bins.extent(layout.chrom)) for layout in layouts]
    removed = np.setdiff1d(np.concatenate(own), there)
    if layouts[0].edit.kind in ("translocation", COMPOUND):  # whole arms may be lost
        kept = reach if kept is None else kept
    return removed if kept is None else removed[_within(removed, _edges(removed), kept)]


def _junctions(layout):
    """Positions whose bin does not follow that of the position before."""
    follows = (np.diff(layout.source) == layout.strand[1:]) & (np.diff(layout.strand) == 0)
    follows &= ~np.isin(np.maximum(layout.source[1:], layout.source[:-1]), layout.begins)
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


def _same_as_reference(source, layout, positions):
    """Pairs that are predicted as in the reference, (p, p), bool.

    Their bins, what lies between and the source's context on both sides form one unaltered run; a
    context that the chromosome's end cuts must be cut there in the reference, too.
    """
    if source.context is None:
        return np.zeros((len(positions),) * 2, bool)
    context = -(-source.context // source.bins.resolution)
    m = len(layout.source)
    begins, ends = zip(*source.bins.extents.values())
    left, right = positions - context, positions + context
    run_end = layout.run_end[np.maximum(left, 0)]
    right_most = np.minimum(right, m - 1)
    same = positions[None, :] >= positions[:, None]
    same &= right_most[None, :] < run_end[:, None]
    same &= ((left >= 0) | (layout.source[0] in begins))[:, None]
    return same & ((right < m) | (layout.source[-1] + 1 in ends))[None, :]


def _untouched(layouts, window, bins):
    """Reference bins of the window on chromosomes that the edit leaves as they are."""
    changed = np.zeros(len(window), bool)
    for first, last in (bins.extent(layout.chrom) for layout in layouts):
        changed |= (window >= first) & (window < last)
    return ~changed


def _add_untouched(on_reference, wild_type, others):
    """Add the wild type's contacts among bins whose original copy is on another chromosome."""
    among = others[:, None] & others[None, :]
    total = np.where(np.isnan(on_reference), 0, on_reference) + wild_type
    return np.where(among, total, on_reference)
