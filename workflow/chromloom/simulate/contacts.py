"""The contact model of the simulated genome: expected intensities, and reads drawn from them.

For bins i <= j of one chromosome at distance s (bp), with every symbol defined by the plan,

    lambda_ij = v_i v_j  P(s)  exp[ a(s) u_i.u_j ]  exp[ l(s) (f_i + f_j) ]
                (1 + x E_ij exp[ g (f_i q_j + q_i f_j) ])

* v visibility; P(s) = (1 + s/s0)^-alpha the polymer; on the diagonal half of it.
* u the subcompartment loading, a(s) = affinity * s / (s + affinity_bp): the checkerboard.
* f activity of enhancers, q activity of promoters (both saturating sums over the bin);
  l(s) = local * exp(-s / local_bp): FIREs; g = pairing: enhancer-promoter contacts.
* E_ij the density of loop extruders whose legs stand on i and j. An extruder loads uniformly; its
  left leg passes a `+` site of strength p with probability 1 - p, its right leg a `-` site, so

      E_ij = exp(-s / processivity) (1 + r p+_i) (1 + r p-_j)
             mean over loading bins l in [i, j] of
             prod_{i < k <= l} (1 - p+_k)  prod_{l <= k < j} (1 - p-_k)

  where p+_k, p-_k are the chances that bin k stops a leg, and in the first two factors the same
  blurred over the neighbouring bins, since a loop's anchors contact beyond their own bins. The mean
  gives insulation across boundaries, the factors give stripes, and dots where both anchors are
  convergent (mean-field, one extruder a pair: no collisions between extruders).
* Two chromosomes: lambda_ij = v_i v_j * trans * exp[affinity u_i.u_j].

Bins half or more in a gap are masked: lambda = 0. Reads are Poisson. Nothing here is ever dense
for a genome: blocks of rows only.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.simulate.plan import SUBCOMPARTMENTS, Plan, once_per_plan

BLOCK = 256
"""Rows of the grain computed at a time; part of what a seed means (the order of the draws)."""


@dataclass(frozen=True)
class BinFeatures:
    """What the contact model knows of a chromosome's n bins at the grain.

    Attributes
    ----------
    mask : ndarray, (n,), bool
        True where masked (half or more in a gap).
    visibility : ndarray, (n,), float32
        0 where masked.
    loading : ndarray, (3, n), float32
        Subcompartment loading, overlap-weighted.
    plus, minus : ndarray, (n,), float64
        Probability that the bin stops a leg moving to lower (plus) or higher coordinates.
    enhancer, promoter : ndarray, (n,), float32
        Activity, 0 … 1.
    """

    mask: np.ndarray
    visibility: np.ndarray
    loading: np.ndarray
    plus: np.ndarray
    minus: np.ndarray
    enhancer: np.ndarray
    promoter: np.ndarray


def bin_mean(table: pd.DataFrame, values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Overlap-weighted mean of `values` in each bin; where no row lies counts as 0.

    Parameters
    ----------
    table : DataFrame
        start, end of non-overlapping rows of one chromosome, sorted.
    values : ndarray, (rows,)
    edges : ndarray, (n + 1,)
        Edges of the bins (bp).

    Returns
    -------
    ndarray, (n,), float64
    """
    if len(table) == 0:
        return np.zeros(len(edges) - 1)
    start, end = table["start"].to_numpy(), table["end"].to_numpy()
    total = np.concatenate([[0.0], np.cumsum(values * (end - start))])
    knots = np.column_stack([start, end]).ravel()
    integral = np.interp(edges, knots, np.column_stack([total[:-1], total[1:]]).ravel())
    return np.diff(integral) / np.diff(edges)


def bin_edges(plan: Plan, chrom: str) -> np.ndarray:
    """Edges (bp) of a chromosome's bins at the grain, (n + 1,), int64."""
    edges = np.arange(plan.n_bins(chrom) + 1, dtype=np.int64) * plan.resolution
    edges[-1] = plan.chromsizes[chrom]
    return edges


def tss(genes: pd.DataFrame) -> np.ndarray:
    """Transcription start of each gene: the base at `start` on `+`, at `end - 1` on `-`."""
    return np.where(genes["strand"] == "+", genes["start"], genes["end"] - 1)


def compartment_property(plan: Plan, chrom: str, which: int) -> np.ndarray:
    """One column of `SUBCOMPARTMENTS` averaged over each bin, (n,); 0 where none is planned."""
    rows = plan.rows("compartments", chrom)
    values = np.array([SUBCOMPARTMENTS[name][which] for name in rows["name"]], dtype=float)
    return bin_mean(rows, values, bin_edges(plan, chrom))


def promoter_activity(plan: Plan, chrom: str) -> np.ndarray:
    """Activity of each gene's promoter before enhancers: propensity x transcription of its bin."""
    genes = plan.rows("genes", chrom)
    transcription = compartment_property(plan, chrom, 1)
    return genes["propensity"].to_numpy() * transcription[tss(genes) // plan.resolution]


@once_per_plan
def bin_features(plan: Plan, chrom: str) -> BinFeatures:
    """Project a plan onto the bins of one chromosome at the grain."""
    n, grain, edges = plan.n_bins(chrom), plan.resolution, bin_edges(plan, chrom)
    gaps = plan.rows("gaps", chrom)
    mask = bin_mean(gaps, np.ones(len(gaps)), edges) >= 0.5
    landscape = plan.rows("landscape", chrom)
    visibility = bin_mean(landscape, landscape["visibility"].to_numpy(), edges)
    artefacts = plan.rows("blacklist", chrom)
    visibility *= 1 + 2 * bin_mean(artefacts, np.ones(len(artefacts)), edges)
    visibility[mask] = 0
    rows = plan.rows("compartments", chrom)
    loading = np.array([SUBCOMPARTMENTS[name][0] for name in rows["name"]]).reshape(len(rows), 3)
    loading = loading.T * rows["strength"].to_numpy()
    sites = plan.rows("sites", chrom)
    where = sites["start"].to_numpy() // grain
    stopped = {}
    for strand in "+-":
        at = (sites["strand"] == strand).to_numpy()
        passed = np.log1p(-sites["strength"].to_numpy()[at])
        stopped[strand] = -np.expm1(np.bincount(where[at], weights=passed, minlength=n))
    enhancers = plan.rows("enhancers", chrom)
    active = np.bincount(
        enhancers["start"].to_numpy() // grain, weights=enhancers["activity"], minlength=n
    )
    genes = plan.rows("genes", chrom)
    promoters = np.bincount(tss(genes) // grain, promoter_activity(plan, chrom), minlength=n)
    return BinFeatures(
        mask=mask,
        visibility=visibility.astype(np.float32),
        loading=np.array([bin_mean(rows, axis, edges) for axis in loading], dtype=np.float32),
        plus=stopped["+"],
        minus=stopped["-"],
        enhancer=(-np.expm1(-active)).astype(np.float32),
        promoter=(-np.expm1(-promoters / 5)).astype(np.float32),
    )


def passage_band(
    plan: Plan, features: BinFeatures, lo: int, hi: int, n_dist: int | None = None
) -> np.ndarray:
    """The mean over loading bins in E_ij: how freely an extruder spans a pair, 0 … 1.

    Returns
    -------
    ndarray, (D, hi - lo), float64
        Band layout without NaN: [d, i - lo] is the pair (i, i + d), 0 beyond the chromosome. D is
        `n_dist`, or where the processivity has fallen to exp(-7); never beyond the chromosome.
    """
    n = len(features.mask)
    if n_dist is None:
        n_dist = int(7 * plan.physics.processivity_bp / plan.resolution)
    n_dist = min(n_dist, n - lo)
    rows = np.arange(lo, hi)
    plus = np.pad(features.plus, (0, n_dist))
    minus = np.pad(features.minus, (0, n_dist))
    band = np.zeros((n_dist, hi - lo))
    loaded = np.ones(hi - lo)  # sum over l in [i, i + d] of the product of both legs
    passed = np.ones(hi - lo)  # product over k in (i, i + d] of 1 - p+
    for d in range(n_dist):
        if d:
            passed *= 1 - plus[rows + d]
            loaded *= 1 - minus[rows + d - 1]
            loaded += passed
        band[d] = loaded / (d + 1)
        band[d, max(n - d - lo, 0) :] = 0
    return band


def extrusion_band(
    plan: Plan, features: BinFeatures, lo: int, hi: int, n_dist: int | None = None
) -> np.ndarray:
    """E_ij of the module's docstring for rows [lo, hi), laid out as by `passage_band`."""
    physics = plan.physics
    band = passage_band(plan, features, lo, hi, n_dist)
    distance = np.arange(len(band))[:, None] * plan.resolution
    band *= np.exp(-distance / physics.processivity_bp)
    band *= 1 + physics.residence * _blur(features.plus)[lo:hi]
    band *= 1 + physics.residence * _shifted(_blur(features.minus), len(band), lo, hi)
    return band


def _blur(values: np.ndarray) -> np.ndarray:
    """Add two fifths of each neighbour's value: an anchor contacts beyond its own bin."""
    return np.convolve(values, [0.4, 1.0, 0.4], "same")


def _shifted(values: np.ndarray, n_dist: int, lo: int, hi: int) -> np.ndarray:
    """View (n_dist, hi - lo): [d, i - lo] is values[i + d], 0 beyond the end."""
    padded = np.pad(values[lo:], (0, hi - lo))
    return np.lib.stride_tricks.sliding_window_view(padded, hi - lo)[:n_dist]


def _cis_band(
    plan: Plan, features: BinFeatures, lo: int, hi: int, *, visible: bool = True
) -> np.ndarray:
    """lambda for rows [lo, hi) of the grain, band layout, 0 where masked; float32."""
    physics, n = plan.physics, len(features.mask)
    s = np.arange(n - lo, dtype=np.float32) * plan.resolution
    polymer = (1 + s / physics.polymer_bp) ** -physics.exponent
    polymer[0] /= 2
    energy = np.zeros((n - lo, hi - lo), dtype=np.float32)
    for axis in features.loading:
        energy += axis[lo:hi] * _shifted(axis, n - lo, lo, hi)
    energy *= (physics.affinity * s / (s + physics.affinity_bp))[:, None]
    enhancer, promoter = features.enhancer, features.promoter
    near = min(n - lo, int(5 * physics.local_bp / plan.resolution) + 1)
    local = (physics.local * np.exp(-s[:near] / physics.local_bp))[:, None]
    energy[:near] += local * (enhancer[lo:hi] + _shifted(enhancer, near, lo, hi))
    band = np.exp(energy, out=energy)
    extruded = extrusion_band(plan, features, lo, hi)
    reach = len(extruded)
    pairing = enhancer[lo:hi] * _shifted(promoter, reach, lo, hi)
    pairing += promoter[lo:hi] * _shifted(enhancer, reach, lo, hi)
    extruded *= physics.extrusion * np.exp(physics.pairing * pairing)
    band[:reach] *= 1 + extruded
    seen = features.visibility if visible else (~features.mask).astype(np.float32)
    band *= polymer[:, None]
    band *= seen[lo:hi]
    band *= _shifted(seen, n - lo, lo, hi)
    return band


def expected_contacts(
    plan: Plan,
    chrom: str,
    resolution: int,
    lo: int = 0,
    hi: int | None = None,
    *,
    scale: float = 1.0,
    visible: bool = True,
) -> np.ndarray:
    """Noise-free contacts of rows [lo, hi) of a chromosome, in band layout.

    Parameters
    ----------
    plan : Plan
        Wild type or edited.
    chrom : str
    resolution : int
        A multiple of `plan.resolution`; intensities are summed over the finer bins.
    lo, hi : int
        Rows, in bins of `resolution`; to the chromosome's end by default.
    scale : float
        Expected reads per unit of intensity; see `reads_per_intensity`. Use the wild type's for
        an edited plan.
    visible : bool
        With the visibility of the bins (what is sequenced), or without (what a perfect balancing
        would show).

    Returns
    -------
    ndarray, (n - lo, hi - lo), float32
        [d, i - lo] is the pair (i, i + d) of the n bins. NaN for masked bins (all their finer bins
        masked) and i + d >= n. Diagonals are there: whoever ignores them drops them.

    Raises
    ------
    InputError
        Unknown chromosome, or a resolution that is not a multiple of the plan's.
    """
    if chrom not in plan.chromsizes.index:
        raise InputError(
            f"chromosome '{chrom}' is not in the plan; expected one of "
            f"{', '.join(plan.chromsizes.index)}"
        )
    if resolution % plan.resolution:
        raise InputError(
            f"resolution {resolution} is not a multiple of the plan's {plan.resolution} bp; plan "
            "the genome at a finer resolution"
        )
    factor = resolution // plan.resolution
    features = bin_features(plan, chrom)
    n_fine = len(features.mask)
    n = -(-n_fine // factor)
    hi = n if hi is None else min(hi, n)
    masked = np.logical_and.reduceat(features.mask, np.arange(0, n_fine, factor))
    band = np.zeros((n - lo, hi - lo), dtype=np.float32)
    for row in range(lo * factor, min(hi * factor, n_fine), BLOCK):
        end = min(row + BLOCK, hi * factor, n_fine)
        fine = _cis_band(plan, features, row, end, visible=visible)
        if factor == 1:
            band[: len(fine), row - lo : end - lo] = fine
            continue
        i = np.arange(row, end)
        j = i + np.arange(len(fine))[:, None]
        inside = j < n_fine
        flat = (j // factor - i // factor) * (hi - lo) + (i // factor - lo)
        summed = np.bincount(flat[inside], weights=fine[inside], minlength=band.size)
        band += summed.reshape(band.shape).astype(np.float32)
    band *= np.float32(scale)
    band[:, masked[lo:hi]] = np.nan
    beyond_or_masked = _shifted(np.append(~masked, False).astype(np.int8), n - lo, lo, hi) == 0
    band[beyond_or_masked] = np.nan
    return band


def expected_trans(
    plan: Plan, chrom1: str, chrom2: str, *, scale: float = 1.0, visible: bool = True
) -> np.ndarray:
    """Noise-free contacts of two chromosomes at the grain, (n1, n2), float32; NaN where masked.

    Dense: for tests and small genomes.
    """
    one, other = bin_features(plan, chrom1), bin_features(plan, chrom2)
    rows = plan.physics.trans * np.exp(plan.physics.affinity * one.loading.T @ other.loading)
    if visible:
        rows *= one.visibility[:, None] * other.visibility
    rows *= scale
    rows[one.mask] = np.nan
    rows[:, other.mask] = np.nan
    return rows


@once_per_plan
def total_intensity(plan: Plan) -> float:
    """Sum of lambda over all pairs i <= j of the genome, cis and trans."""
    chroms, total = list(plan.chromsizes.index), 0.0
    for a, chrom in enumerate(chroms):
        features = bin_features(plan, chrom)
        n = len(features.mask)
        for lo in range(0, n, BLOCK):
            band = _cis_band(plan, features, lo, min(lo + BLOCK, n))
            total += float(band.sum(dtype=np.float64))
        for other in chroms[a + 1 :]:
            total += float(_trans_groups(plan, chrom, other)[0].sum())
    return total


def reads_per_intensity(plan: Plan, contacts: float) -> float:
    """The `scale` at which a plan yields `contacts` reads on average."""
    return contacts / total_intensity(plan)


def sample_pixels(
    plan: Plan, *, scale: float, seed: int, replicate: int = 0
) -> Iterator[pd.DataFrame]:
    """Draw reads: Poisson counts of every pair, cis and trans, at the plan's grain.

    Parameters
    ----------
    plan : Plan
    scale : float
        Expected reads per unit of intensity (`reads_per_intensity`).
    seed, replicate : int
        The same pair gives the same reads, bit for bit; another replicate, or another cell type,
        independent ones.

    Yields
    ------
    DataFrame
        bin1_id, bin2_id (int64, ids of the whole genome at `plan.resolution`, bin1_id <= bin2_id),
        count (int32); sorted within and between chunks, no zeros. A chunk is a block of rows.
    """
    chroms = list(plan.chromsizes.index)
    offsets = np.cumsum([0, *(plan.n_bins(chrom) for chrom in chroms)])
    n_genome = int(offsets[-1])
    for a, chrom in enumerate(chroms):
        rng = np.random.default_rng([seed, replicate, a, *plan.cell_type.encode()])
        keys = [np.empty(0, dtype=np.int64)]
        for b in range(a + 1, len(chroms)):
            i, j = _trans_reads(rng, plan, chrom, chroms[b], scale)
            keys.append((offsets[a] + i) * n_genome + offsets[b] + j)
        trans, trans_count = np.unique(np.concatenate(keys), return_counts=True)
        features = bin_features(plan, chrom)
        for lo in range(0, len(features.mask), BLOCK):
            hi = min(lo + BLOCK, len(features.mask))
            band = _cis_band(plan, features, lo, hi)
            d, column, count = _poisson_band(rng, band, scale)
            row = offsets[a] + lo + column
            own = slice(*np.searchsorted(trans, (offsets[a] + np.array([lo, hi])) * n_genome))
            key = np.concatenate([row * n_genome + row + d, trans[own]])
            count = np.concatenate([count, trans_count[own]])
            order = np.argsort(key)
            bin1, bin2 = np.divmod(key[order], n_genome)
            yield pd.DataFrame(
                {"bin1_id": bin1, "bin2_id": bin2, "count": count[order].astype(np.int32)}
            )


def _poisson_band(
    rng: np.random.Generator, band: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Poisson counts of a band as (d, column, count): cell by cell near the diagonal; beyond, where
    reads are few, their number and then the place of each.
    """
    near = rng.poisson(band[:BLOCK] * scale)
    d, column = np.nonzero(near)
    if len(band) <= BLOCK:
        return d, column, near[d, column]
    cumulative = np.cumsum(band[BLOCK:], dtype=np.float64)
    draws = rng.random(rng.poisson(cumulative[-1] * scale)) * cumulative[-1]
    place, far = np.unique(
        np.searchsorted(cumulative, np.sort(draws), side="right"), return_counts=True
    )
    far_d, far_column = np.divmod(place, band.shape[1])
    return (
        np.concatenate([d, far_d + BLOCK]),
        np.concatenate([column, far_column]),
        np.concatenate([near[d, column], far]),
    )


def _trans_groups(
    plan: Plan, chrom1: str, chrom2: str
) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """Intensity between groups of bins of one loading, and the groups of each chromosome.

    Bins of one loading share all but visibility, so that a read between two groups falls on each
    bin in proportion to it. The second item holds, for either chromosome, the bins in order of
    group, their visibility accumulated in that order from 0, and where each group starts.
    """
    groups, weights, loadings = [], [], []
    for chrom in (chrom1, chrom2):
        features = bin_features(plan, chrom)
        loading, group = np.unique(features.loading, axis=1, return_inverse=True)
        order = np.argsort(group, kind="stable")
        cumulative = np.concatenate([[0.0], np.cumsum(features.visibility[order], dtype=float)])
        first = np.searchsorted(group[order], np.arange(loading.shape[1] + 1))
        groups.append((order, cumulative, first))
        weights.append(np.diff(cumulative[first]))
        loadings.append(loading.astype(float))
    energy = plan.physics.affinity * loadings[0].T @ loadings[1]
    return plan.physics.trans * np.outer(*weights) * np.exp(energy), groups


def _trans_reads(
    rng: np.random.Generator, plan: Plan, chrom1: str, chrom2: str, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Reads between two chromosomes, as their bins on either, unsorted."""
    intensity, groups = _trans_groups(plan, chrom1, chrom2)
    n_reads = rng.poisson(intensity * scale)
    which = np.repeat(np.indices(n_reads.shape).reshape(2, -1), n_reads.ravel(), axis=1)
    bins = []
    for group, (order, cumulative, first) in zip(which, groups):
        low, high = cumulative[first[group]], cumulative[first[group + 1]]
        place = np.searchsorted(
            cumulative, low + rng.random(len(group)) * (high - low), side="right"
        )
        bins.append(order[np.clip(place - 1, first[group], first[group + 1] - 1)])
    return bins[0], bins[1]
