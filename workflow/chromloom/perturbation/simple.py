"""What an edit would do by simple rules that need no model; predictions are held against them."""

import numpy as np

from chromloom.edits.bins import lay_out
from chromloom.errors import InputError
from chromloom.genome.bins import Bins
from chromloom.normalize.maps import NormalizedMap
from chromloom.perturbation.predict import Prediction, map_back, sum_copies


def baselines(
    prediction: Prediction, observed: NormalizedMap
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What an edit would do by simple rules: method -> (wild type, edited on the reference).

    `no change`: the observed map stays. `article`: the observed map, and the genomic average at
    their distance for pairs inside the edited segment (Methods; nothing is left inside a deletion,
    so that it is `no change` there). `shifted expected`: every pair has the expected of its
    distance, before and after; copies are summed. `shifted observed`: the observed O/E moves with
    its pair and takes the expected of the new distance.
    """
    edit, resolution = prediction.edited.edit, observed.resolution
    first, last = observed.extent(edit.chrom)
    if ((prediction.bins < first) | (prediction.bins >= last)).any():
        raise InputError(f"edit '{edit.edit}' joins two chromosomes; baselines support only one")
    positions = prediction.bins - first
    expected = observed.expected(edit.chrom)
    values = observed_window(observed, edit.chrom, positions)
    masked = observed.mask(edit.chrom)[positions]
    i, j = np.meshgrid(positions, positions, indexing="ij")
    before = _upper(expected.at(i, j), masked, j - i >= observed.ignore_diags)
    segment = (positions >= edit.start // resolution) & (positions < -(-edit.end // resolution))
    average = np.where(segment[:, None] & segment[None, :], before, values)

    at, index = edited_positions(prediction, observed.bins)
    source = positions[index]
    a, b = np.meshgrid(at, at, indexing="ij")
    moved = expected.at_distance(source[:, None], source[None, :], np.abs(b - a))
    moved = _upper(moved, masked[index], b - a >= observed.ignore_diags)
    symmetric = np.where(np.isnan(values), values.T, values)
    base = np.where(np.isnan(before), before.T, before)
    with np.errstate(invalid="ignore", divide="ignore"):
        enrichment = (symmetric / base)[np.ix_(index, index)]
    # two copies of one bin, or of neighbours: no O/E was observed
    enrichment = np.where(np.isfinite(enrichment), enrichment, 1.0)
    k = len(positions)
    return {
        "no change": (values, values),
        "article": (values, average),
        "shifted expected": (before, map_back(moved, index, k)),
        "shifted observed": (values, map_back(enrichment * moved, index, k)),
    }


def shifted_expected(
    prediction: Prediction, observed: NormalizedMap
) -> tuple[np.ndarray, np.ndarray]:
    """`shifted expected` of `baselines`, also of edits that join chromosomes.

    Bins of another chromosome have the expected of the nearest bins of the one that the edited
    chromosome is named after.
    """
    bins, window = observed.bins, prediction.bins
    before = np.full((len(window),) * 2, np.nan)
    for chrom, (first, last) in bins.extents.items():
        own = np.flatnonzero((window >= first) & (window < last))
        if not len(own):
            continue
        i, j = np.meshgrid(*(window[own] - first,) * 2, indexing="ij")
        values = observed.expected(chrom).at(i, j)
        masked = bins.masked[window[own]]
        before[np.ix_(own, own)] = _upper(values, masked, j - i >= observed.ignore_diags)
    maps, indices = [], []
    for one in lay_out(prediction.edited.edit, bins).chromosomes:
        at = np.flatnonzero(np.isin(one.source, window))
        first, last = bins.extent(one.chrom)
        known = np.flatnonzero((one.source >= first) & (one.source < last))
        nearest = known[np.clip(np.searchsorted(known, at, side="right") - 1, 0, None)]
        home = one.source[nearest] - first
        a, b = np.meshgrid(at, at, indexing="ij")
        moved = observed.expected(one.chrom).at_distance(
            home[:, None], home[None, :], np.abs(b - a)
        )
        masked = bins.masked[one.source[at]]
        maps.append(_upper(moved, masked, b - a >= observed.ignore_diags))
        indices.append(np.searchsorted(window, one.source[at]))
    return before, sum_copies(maps, indices, len(window))


def observed_window(observed: NormalizedMap, chrom: str, positions: np.ndarray) -> np.ndarray:
    """Observed contact strength among some bins of a chromosome, (k, k) float64, upper triangle.

    0 where an unmasked pair has no contact, NaN as everywhere.
    """
    mask = observed.mask(chrom)[positions]
    dist = positions[None, :] - positions[:, None]
    values = _upper(np.zeros(dist.shape), mask, dist >= observed.ignore_diags)
    pixels = observed.pixels(chrom, int(positions[0]), int(positions[-1]) + 1)
    place = np.full(len(observed.mask(chrom)), -1)
    place[positions] = np.arange(len(positions))
    i, j = place[pixels["i"]], place[pixels["j"]]
    inside = (i >= 0) & (j >= 0)
    values[i[inside], j[inside]] = pixels["value"].to_numpy()[inside]
    return values


def edited_positions(prediction: Prediction, bins: Bins) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the edited chromosome in the window, and the window's bin that each holds.

    From the edit itself, so that a prediction in `released` mode meets the same truth.
    """
    source = lay_out(prediction.edited.edit, bins).source
    at = np.flatnonzero(np.isin(source, prediction.bins))
    return at, np.searchsorted(prediction.bins, source[at])


def _upper(values, masked, wanted):
    return np.where(wanted & ~masked[:, None] & ~masked[None, :], values, np.nan).astype(float)
