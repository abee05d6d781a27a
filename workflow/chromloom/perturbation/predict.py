"""What a trained model predicts of an edited chromosome, and the same mapped back to the reference.

Three maps follow from an edit: *wild type* and *edited on the reference* are in reference
coordinates and can be subtracted; *edited* is in the coordinates of the edited chromosome. Reads of
an edited genome are mapped to the reference, where copies of a locus cannot be told apart, so that
the contact strengths of all copies are summed (article, Methods, In-silico perturbation). Dense
arrays are windows around the edit, never a genome.
"""

import logging
from dataclasses import dataclass

import numpy as np

from chromloom.edits.bins import EditedChromosome
from chromloom.errors import InputError
from chromloom.models.trained import TrainedModel
from chromloom.normalize.maps import Expected, NormalizedMap
from chromloom.representations.neutral import AVERAGE_BINS

logger = logging.getLogger(__name__)

FLANK = 2_000_000
MODES = ("lifted", "affinity", "released")
ROWS = 256


@dataclass(frozen=True)
class Prediction:
    """Predicted contact strength around an edit.

    Attributes
    ----------
    edited : EditedChromosome
    bins : ndarray, (k,), int64
        Reference bins (genome-wide numbers, ascending) of `wild_type` and `on_reference`.
    wild_type : ndarray, (k, k), float64
        Upper triangle, scale of counts. NaN: masked, below `ignore_diags`, on two chromosomes.
    on_reference : ndarray, (k, k), float64
        Edited chromosome mapped back, summed over copies. NaN: masked, deleted, or a copy of the
        pair lies below `ignore_diags` in the edited chromosome.
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
    model: TrainedModel,
    observed: NormalizedMap,
    edited: EditedChromosome,
    *,
    flank: int = FLANK,
    mode: str = "lifted",
    replacement: np.ndarray | None = None,
) -> Prediction:
    """Predict the wild type and the edited chromosome around an edit.

    Parameters
    ----------
    model : TrainedModel
    observed : NormalizedMap
        The map trained on; its expected goes with the predictions.
    edited : EditedChromosome
        From `edits.bins.lay_out`.
    flank : int
        bp each side of the edit that are predicted.
    mode : {"lifted", "affinity", "released"}
        `lifted`: pairs move with their bins, and the model reads the edited chromosome. `affinity`:
        a pair of untouched bins takes its predicted observed/expected of the wild type along to its
        new distance; the model is asked for what had none (copies of one bin, replaced bins, bins
        of two chromosomes). `released`, as in the published code: representations move, the pairs
        stay those of the reference; the chromosome keeps its length (cut, or filled with zero
        vectors), and position i is compared with position i.
    replacement : ndarray, (d,), optional
        Vector of the replaced bins; needed for an orientation edit, otherwise made by
        `edited.edit.method`.

    Returns
    -------
    Prediction

    Notes
    -----
    A pair of which no bin in between was touched is not computed again where the model reads only
    from the row to the column (one direction): it is the wild type's, exactly.
    """
    if mode not in MODES:
        raise InputError(f"perturbation mode '{mode}' is unknown; use one of {', '.join(MODES)}")
    edit, resolution = edited.edit, model.resolution
    first, last = model.extent(edit.chrom)
    masked = model.bins["masked"].to_numpy(bool)[edited.source]
    vectors = _vectors(model, edited)
    if edited.replaced.any():
        vectors[edited.replaced] = (
            _replacement(model, edited) if replacement is None else replacement
        )
    if mode == "released":
        vectors, masked = _released(vectors, model.mask(edit.chrom))
        edited = _in_place(edited, np.arange(first, last))
    vectors = np.where(masked[:, None], 0, vectors).astype(np.float32)

    reach = flank // resolution
    lo, hi = max(edited.span[0] - reach, 0), min(edited.span[1] + reach, len(edited.source))
    positions = np.arange(lo, hi)
    removed = _removed(edited, first, last)
    if edit.kind == "insertion":  # the segment's original copy stays where it was
        origin = np.flatnonzero(np.isin(edited.source, edited.source[slice(*edited.span)]))
        positions = np.union1d(positions, origin)
    bins = np.union1d(edited.source[positions], removed)

    wild_type = np.full((len(bins), len(bins)), np.nan)
    for chrom in model.bins["chrom"].iloc[bins].unique():
        begin, end = model.extent(chrom)
        own = np.flatnonzero((bins >= begin) & (bins < end))
        wild_type[np.ix_(own, own)] = predict_pairs(
            model, observed.expected(chrom), chrom, bins[own] - begin
        )
    anew = _rows_to_compute(model, edited, positions)
    home = _home(edited, first, last)
    in_edited = predict_pairs(
        model,
        observed.expected(edit.chrom),
        edit.chrom,
        positions,
        vectors=vectors,
        masked=masked,
        strand=edited.strand,
        home=home,
        rows=anew,
    )
    same = _same_as_reference(model, edited, positions)
    index = np.searchsorted(bins, edited.source[positions])
    in_edited[same] = wild_type[index[:, None], index[None, :]][same]
    if mode == "affinity":
        moved = _moved_affinity(observed, edited, positions, wild_type, index, first, home)
        in_edited = np.where(np.isfinite(in_edited) & np.isfinite(moved) & ~same, moved, in_edited)

    on_reference = map_back(in_edited, index, len(bins))
    others = _untouched_copies(edited, positions, bins, first, last)
    on_reference = _add_untouched(on_reference, wild_type, others)
    n_predicted = int((np.isfinite(in_edited) & ~same).sum())
    return Prediction(edited, bins, wild_type, on_reference, positions, in_edited, n_predicted)


def predict_pairs(
    model: TrainedModel,
    expected: Expected,
    chrom: str,
    positions: np.ndarray,
    *,
    vectors: np.ndarray | None = None,
    masked: np.ndarray | None = None,
    strand: np.ndarray | None = None,
    home: np.ndarray | None = None,
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """Predicted contact strength of all pairs among some positions of one chromosome.

    Parameters
    ----------
    model : TrainedModel
    expected : Expected
        Of `chrom`.
    chrom : str
    positions : ndarray, (p,), int
        Ascending, counted from the chromosome's start.
    vectors, masked : ndarray, (m, d) and (m,), optional
        Representations and mask of an edited chromosome of m bins; the model's own by default.
    strand : ndarray, (m,), int, optional
        Of its bins, 1 or -1 = turned round.
    home : ndarray, (m,), int, optional
        Bin of the reference chromosome whose region gives the expected; by default the position.
    rows : ndarray, (p,), bool, optional
        Rows to compute; the others stay NaN. All by default.

    Returns
    -------
    ndarray, (p, p), float64
        Upper triangle, scale of counts; NaN elsewhere and where a bin is masked or the distance
        is below `ignore_diags`.
    """
    values = np.full((len(positions), len(positions)), np.nan)
    rows = np.ones(len(positions), bool) if rows is None else rows
    n = len(model.mask(chrom)) if vectors is None else len(vectors)
    home = np.arange(n) if home is None else home
    wanted = np.flatnonzero(rows)
    for block in np.split(wanted, np.flatnonzero(np.diff(positions[wanted]) != 1) + 1):
        for part in np.array_split(block, max(1, -(-len(block) // ROWS))):
            if not len(part):
                continue
            lo, hi = int(positions[part[0]]), int(positions[part[-1]]) + 1
            band = model.predict_band(
                chrom,
                lo,
                hi,
                representation=vectors,
                mask=masked,
                strand=strand,
                max_dist=int(positions[-1]) - lo + 1,
            )  # (n_dist, hi - lo)
            i, dist = np.arange(lo, hi), np.arange(len(band))[:, None]
            j = np.minimum(i + dist, n - 1)
            band = model.to_value(band, expected.at_distance(home[i], home[j], dist))
            for k in part:
                right = positions[k + 1 :] - positions[k]
                values[k, k + 1 :] = band[right, positions[k] - lo]
    return values


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


def _moved_affinity(observed, edited, positions, wild_type, index, first, home):
    """O/E of the wild type's pairs at the expected of their new distance, (p, p); NaN elsewhere."""
    expected = observed.expected(edited.edit.chrom)
    n, source = expected.n, edited.source[positions] - first
    own = (source >= 0) & (source < n) & ~edited.replaced[positions]
    at = np.clip(source, 0, n - 1)
    before = expected.at(at[:, None], at[None, :])
    dist = np.abs(positions[:, None] - positions[None, :])
    after = expected.at_distance(home[positions][:, None], home[positions][None, :], dist)
    values = np.where(np.isnan(wild_type), wild_type.T, wild_type)[np.ix_(index, index)]
    moved = np.triu(values / before * after, 1)
    return np.where(
        own[:, None] & own[None, :] & np.triu(np.ones_like(moved, bool), 1), moved, np.nan
    )


def _vectors(model, edited):
    """Representation at every position, (m, d) float32; NaN at masked bins."""
    table = np.full((len(model.bins), model.settings.embedding_dim), np.nan, np.float32)
    chroms = model.bins["chrom"].iloc[np.unique(edited.source)].unique()
    for chrom in chroms:
        table[slice(*model.extent(chrom))] = model.representation(chrom)
    if len(chroms) > 1:
        logger.warning(
            "%s: joins %s; a model predicts this only as far as the axes of its representations "
            "mean the same on both",
            edited.edit.edit,
            " and ".join(map(str, chroms)),
        )
    return table[edited.source]


def _replacement(model, edited):
    """Vector of knocked-out bins by the edit's method, (d,) float32."""
    edit = edited.edit
    if edit.kind == "orientation":
        raise InputError(
            f"edit '{edit.edit}': orientation replacement needs the motifs; give "
            "perturb a BED of stranded CTCF motifs"
        )
    d = model.settings.embedding_dim
    if edit.method == "zero":
        return np.zeros(d, np.float32)
    if edit.method == "padding":
        if model.settings.preset != "released":
            raise InputError(
                f"edit '{edit.edit}': only the released preset has a padding vector; "
                "use average, shift or zero"
            )
        return model.module.embedding[0].cpu().numpy()
    lo, hi = edited.span
    around = np.r_[max(lo - AVERAGE_BINS, 0) : lo, hi : min(hi + AVERAGE_BINS, len(edited.source))]
    vectors = model.representation(edit.chrom)[around]
    vectors = vectors[np.isfinite(vectors).all(axis=1)]
    return vectors.mean(axis=0) if len(vectors) else np.zeros(d, np.float32)


def _released(vectors, mask):
    """Cut or fill with zero vectors to the reference's length; the pairs are the reference's."""
    n = len(mask)
    filled = np.zeros((n, vectors.shape[1]), np.float32)
    filled[: min(n, len(vectors))] = np.nan_to_num(vectors[:n])
    return filled, mask


def _in_place(edited, reference):
    """The edited chromosome as if every position were the reference's, all of it replaced."""
    span = min(edited.span[0], len(reference)), min(max(edited.span), len(reference))
    replaced = np.arange(len(reference)) >= span[0]
    forward = np.ones(len(reference), np.int8)
    return EditedChromosome(edited.edit, reference, forward, replaced, span)


def _removed(edited, first, last):
    """Reference bins of the edit's region that the edited chromosome lacks."""
    if edited.edit.kind == "translocation":
        return np.empty(0, np.int64)
    return np.setdiff1d(np.arange(first, last), edited.source)


def _home(edited, first, last):
    """Bin of the edit's chromosome, from 0, whose region gives each position its expected."""
    home = edited.source - first
    foreign = (home < 0) | (edited.source >= last)
    if edited.edit.kind == "insertion":
        foreign[slice(*edited.span)] = True
    known = np.flatnonzero(~foreign)
    before = np.searchsorted(known, np.arange(len(home)), side="right") - 1
    return home[known[np.maximum(before, 0)]]


def _rows_to_compute(model, edited, positions):
    """Rows with a pair that is not the wild type's, (p,), bool."""
    if model.settings.directions == 2:
        return np.ones(len(positions), bool)
    return edited.run_end[positions] <= positions[-1]


def _same_as_reference(model, edited, positions):
    """Pairs that the edit leaves as they are, (p, p), bool."""
    if model.settings.directions == 2:
        return np.zeros((len(positions),) * 2, bool)
    right, left = positions[None, :], positions[:, None]
    return (right >= left) & (right < edited.run_end[positions][:, None])


def _untouched_copies(edited, positions, bins, first, last):
    """Reference bins with a copy outside `positions`: a segment inserted from elsewhere."""
    if edited.edit.kind != "insertion":
        return np.zeros(len(bins), bool)
    return (bins < first) | (bins >= last)


def _add_untouched(on_reference, wild_type, others):
    """Add the wild type's contacts among bins whose original copy is on another chromosome."""
    among = others[:, None] & others[None, :]
    total = np.where(np.isnan(on_reference), 0, on_reference) + wild_type
    return np.where(among, total, on_reference)
