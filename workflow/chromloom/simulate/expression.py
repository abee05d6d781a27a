"""Expression in which enhancers act through contacts, and the marks that tell of it.

The level of a gene is log2(1 + its promoter's activity) plus what enhancers in contact add:

    level_g = log2(1 + p_g) + GAIN * sum_e activity_e * min(c_eg, MOST) / MOST,   c_eg > CONTACT,

where c_eg is the noise-free contact intensity of the bins of enhancer and TSS over the mean at this
distance on the chromosome, beyond `NEAREST` bp. Marks around the TSS and in the body follow the
promoter's own activity p_g alone, those of enhancers their activity: only who reads the elements
that touch a gene can know the second term. (`elements.gene_expression` has a rule of its own, in
which the marks of a promoter follow the whole.)
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from chromloom.genome.bins import make_bins
from chromloom.simulate.contacts import (
    bin_features,
    bin_mean,
    expected_contacts,
    promoter_activity,
    tss,
)
from chromloom.simulate.plan import Plan, once_per_plan

MARKS = ("H3K4me1", "H3K4me3", "H3K9me3", "H3K27me3", "H3K36me3", "H3K27ac", "H3K9ac")
"""The seven marks of Chromoformer's article."""
STEP = 500
"""bp; bins of the tracks of marks."""
CONTACT, MOST, GAIN = 1.6, 3.0, 1.5
NEAREST, FARTHEST = 20_000, 300_000
NOISE = 0.3
"""Standard deviation of levels that follows from nothing."""
CAPTURE = 200.0
"""Reads of a pair of average intensity at its distance, in the simulated promoter capture."""
_AT_TSS = {"H3K4me3": (1_000, 6.0), "H3K27ac": (1_000, 4.0), "H3K9ac": (1_000, 4.0)}
_AT_ENHANCER = {"H3K4me1": (1_000, 6.0), "H3K27ac": (500, 8.0), "H3K9ac": (500, 2.0)}
_OF_COMPARTMENT = {"H3K9me3": "B3", "H3K27me3": "B1"}


@dataclass(frozen=True, eq=False)
class Contacts:
    """Noise-free contacts of the bins of TSSs with all bins of their chromosome.

    Attributes
    ----------
    bins : ndarray, (n_promoters,), int64
        Bins that hold a TSS, ascending.
    oe : ndarray, (n_promoters, n_bins), float32
        Intensity over the mean of its distance; NaN where masked.
    """

    bins: np.ndarray
    oe: np.ndarray


@once_per_plan
def promoter_contacts(plan: Plan, chrom: str) -> Contacts:
    """Contacts of the promoters of a chromosome."""
    n, reach = plan.n_bins(chrom), FARTHEST // plan.resolution
    band = expected_contacts(plan, chrom, plan.resolution, visible=False)[: reach + 1]
    mean = np.nanmean(np.where(np.isfinite(band), band, np.nan), axis=1)
    oe = band / mean[:, None]  # (reach + 1, n)
    bins = np.unique(tss(plan.rows("genes", chrom)) // plan.resolution)
    rows = np.full((len(bins), n), np.nan, np.float32)
    for row, promoter in zip(rows, bins):
        right = np.arange(min(reach, n - 1 - promoter) + 1)
        row[promoter + right] = oe[right, promoter]
        left = np.arange(1, min(reach, promoter) + 1)
        row[promoter - left] = oe[left, promoter - left]
    return Contacts(bins, rows)


@once_per_plan
def enhancer_effects(plan: Plan) -> pd.DataFrame:
    """What each enhancer adds to each gene that it touches.

    Returns
    -------
    DataFrame
        gene, enhancer (names), chrom, start, end (of the enhancer), distance (bp from the TSS),
        contact (over the mean at its distance), effect (log2 units).
    """
    parts = []
    for chrom in plan.chromsizes.index:
        contacts = promoter_contacts(plan, chrom)
        genes, enhancers = plan.rows("genes", chrom), plan.rows("enhancers", chrom)
        starts = tss(genes)
        middle = ((enhancers["start"] + enhancers["end"]) // 2).to_numpy()
        rows = np.searchsorted(contacts.bins, starts // plan.resolution)
        contact = contacts.oe[rows][:, middle // plan.resolution]  # (genes, enhancers)
        distance = middle - starts[:, None]
        acting = (contact > CONTACT) & (np.abs(distance) > NEAREST)
        acting &= np.abs(distance) <= FARTHEST
        g, e = np.nonzero(acting)
        own = enhancers.iloc[e]
        strength = np.minimum(contact[g, e], MOST) / MOST
        parts.append(
            pd.DataFrame(
                {
                    "gene": genes["name"].to_numpy()[g],
                    "enhancer": own["name"].to_numpy(),
                    "chrom": chrom,
                    "start": own["start"].to_numpy(),
                    "end": own["end"].to_numpy(),
                    "distance": distance[g, e],
                    "contact": contact[g, e],
                    "effect": GAIN * own["activity"].to_numpy() * strength,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def tested_pairs(plan: Plan) -> pd.DataFrame:
    """Every enhancer with every gene that it could act on, as a screen that misses nothing.

    Returns
    -------
    DataFrame
        chrom, start, end (of the enhancer), gene, regulated (0 or 1), of enhancers `NEAREST` to
        `FARTHEST` bp from the TSS.
    """
    genes = expressed_genes(plan)[["gene", "chrom", "tss"]]
    enhancers = plan.enhancers[["name", "chrom", "start", "end"]]
    pairs = genes.merge(enhancers, on="chrom")
    distance = ((pairs["start"] + pairs["end"]) // 2 - pairs["tss"]).abs()
    pairs = pairs[(distance > NEAREST) & (distance <= FARTHEST)].reset_index(drop=True)
    acting = pd.MultiIndex.from_frame(enhancer_effects(plan)[["gene", "enhancer"]])
    regulated = pd.MultiIndex.from_frame(pairs[["gene", "name"]]).isin(acting)
    return pairs[["chrom", "start", "end", "gene"]].assign(regulated=regulated.astype(int))


@once_per_plan
def expressed_genes(plan: Plan) -> pd.DataFrame:
    """Genes with their level.

    Returns
    -------
    DataFrame
        gene, chrom, start, end, tss, strand, own (log2 units, of the promoter), effect (of
        enhancers), level (their sum with noise, at least 0), value (2**level - 1).
    """
    effect = enhancer_effects(plan).groupby("gene")["effect"].sum()
    parts = []
    for number, chrom in enumerate(plan.chromsizes.index):
        rng = np.random.default_rng([plan.seed, number, 5])
        genes = plan.rows("genes", chrom)
        own = np.log2(1 + promoter_activity(plan, chrom))
        added = genes["name"].map(effect).fillna(0.0).to_numpy()
        level = np.maximum(own + added + rng.normal(0, NOISE, len(genes)), 0)
        table = genes[["chrom", "start", "end", "strand"]].assign(tss=tss(genes))
        parts.append(table.assign(gene=genes["name"], own=own, effect=added, level=level))
    table = pd.concat(parts, ignore_index=True)
    table["value"] = 2 ** table["level"] - 1
    columns = ["gene", "chrom", "start", "end", "tss", "strand", "own", "effect", "level", "value"]
    return table[columns]


def mark_track(plan: Plan, mark: str) -> dict[str, np.ndarray]:
    """One of `MARKS` in bins of `STEP` bp.

    Returns
    -------
    dict
        Chromosome -> ndarray, (ceil(length / STEP),), float32; a floor of noise, 1 on average, and
        peaks on it; NaN in gaps.
    """
    genes, tracks = expressed_genes(plan), {}
    for number, chrom in enumerate(plan.chromsizes.index):
        rng = np.random.default_rng([plan.seed, number, *f"{mark} {plan.cell_type}".encode(), 6])
        n = -(-int(plan.chromsizes[chrom]) // STEP)
        edges = np.arange(n + 1) * STEP
        track = rng.gamma(4, 0.25, n)
        own = genes[genes["chrom"] == chrom]
        enhancers = plan.rows("enhancers", chrom)
        if mark in _AT_TSS:
            side, height = _AT_TSS[mark]
            _raise(track, own["tss"] - side, own["tss"] + side, height * own["own"])
        if mark in _AT_ENHANCER:
            side, height = _AT_ENHANCER[mark]
            middle = (enhancers["start"] + enhancers["end"]) // 2
            _raise(track, middle - side, middle + side, height * enhancers["activity"])
        if mark == "H3K36me3":
            _raise(track, own["start"], own["end"], 2 * own["own"])
        if mark in _OF_COMPARTMENT:
            rows = plan.rows("compartments", chrom)
            rows = rows[rows["name"] == _OF_COMPARTMENT[mark]]
            track *= 1 + 4 * bin_mean(rows, np.ones(len(rows)), edges)
        gaps = plan.rows("gaps", chrom)
        track[bin_mean(gaps, np.ones(len(gaps)), edges) >= 0.5] = np.nan
        tracks[chrom] = track.astype(np.float32)
    return tracks


def _raise(track: np.ndarray, starts: pd.Series, ends: pd.Series, heights: pd.Series) -> None:
    """Add to the bins of intervals, in place."""
    for start, end, height in zip(starts, ends, heights):
        track[max(start, 0) // STEP : -(-end // STEP)] += height


def capture(plan: Plan) -> pd.DataFrame:
    """Simulated promoter capture: reads of every pair of a TSS's bin with another, over the mean.

    Returns
    -------
    DataFrame
        chrom1, start1, end1 (bin of the TSS), chrom2, start2, end2, name, score (reads over those
        of an average pair at this distance; pairs above 1 alone).
    """
    bins, parts = make_bins(plan.chromsizes, plan.resolution), []
    for number, chrom in enumerate(plan.chromsizes.index):
        rng = np.random.default_rng([plan.seed, number, *plan.cell_type.encode(), 7])
        contacts, mask = promoter_contacts(plan, chrom), bin_features(plan, chrom).mask
        known = np.isfinite(contacts.oe) & ~mask
        reads = rng.poisson(CAPTURE * np.where(known, contacts.oe, 0)) / CAPTURE
        apart = np.abs(np.arange(len(mask)) - contacts.bins[:, None]) * plan.resolution
        i, j = np.nonzero((reads > 1) & (apart > NEAREST))
        own = bins[bins["chrom"] == chrom]
        start, end = own["start"].to_numpy(), own["end"].to_numpy()
        near = contacts.bins[i]
        table = {"chrom1": chrom, "start1": start[near], "end1": end[near]}
        table |= {"chrom2": chrom, "start2": start[j], "end2": end[j], "name": "."}
        parts.append(pd.DataFrame(table | {"score": reads[i, j].round(4)}))
    return pd.concat(parts, ignore_index=True)
