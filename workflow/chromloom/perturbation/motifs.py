"""What motifs mean to a model of sequence: all instances in a window mutated, or turned round.

As in Akita's article (Methods, "In silico motif mutagenesis" and "In silico CTCF motif
inversions"): bases of the instances are drawn anew, on the mean over several draws, or instances,
merged where they overlap, are replaced by their reverse complement. Disruption is the mean squared
difference from the unchanged map, and the change of signal the mean square of the unchanged map
less that of the changed one.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.evaluation.regions import ObservedWindows
from chromloom.genome.intervals import read_intervals
from chromloom.genome.regions import parse_region
from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.akita import (
    SequenceWindow,
    held_out_chromosomes,
    held_out_windows,
    require_bases,
)
from chromloom.prediction.source import MapSource
from chromloom.sequence.fasta import Genome, reverse_complement
from chromloom.sequence.motifs import find_sites, randomise_sites, read_matrices


def invert_sites(codes: np.ndarray, sites: Iterable[tuple[int, int]]) -> np.ndarray:
    """Codes (length,), uint8, with the reverse complement at the sites, overlapping ones merged."""
    changed = codes.copy()
    merged: list[list[int]] = []
    for start, end in sorted(sites):
        if merged and start < merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    for start, end in merged:
        changed[start:end] = reverse_complement(codes[start:end])
    return changed


def mutate_motifs(
    source: MapSource,
    sites: pd.DataFrame,
    *,
    chroms: Sequence[str] | None = None,
    draws: int = 3,
    seed: int = 0,
) -> pd.DataFrame:
    """How the instances of motifs matter to the maps of windows, side by side along chromosomes.

    Parameters
    ----------
    source : MapSource
        Of Akita. Each chromosome is predicted by the fold that held it out.
    sites : DataFrame
        chrom, start, end (bp), name: instances of motifs.
    chroms : sequence of str, optional
        By default those of which something was held out.
    draws : int
        Random sequences of a motif and window.
    seed : int

    Returns
    -------
    DataFrame
        chrom, start, end (bp, of the predicted part of a window), name, n_sites (that lie in the
        window's sequence), disruption, signal_change (means over draws), signal (mean square of the
        unchanged map), and for all instances turned round inverted_disruption, inverted_signal and
        inverted_pearson (correlation with the unchanged map). Windows without an instance have a
        row with 0 changes; windows of which less than half of the bins are known have none.

    Raises
    ------
    InputError
        The source reads no sequence, no chromosome was held out, one has no prediction, there is no
        window, or no instance of a motif.
    """
    source = require_bases(source)
    names, rows = sorted(set(sites["name"])), []
    if not names:
        raise InputError("motifs: there is no instance; give other motifs, or a larger threshold")
    for chrom, windows in groupby(held_out_windows(source, chroms), lambda own: own.chrom):
        here = sites[sites["chrom"] == chrom]
        rows += [row for own in windows for row in _mutate_window(own, here, names, draws, seed)]
    return pd.DataFrame(rows)


def _mutate_window(
    window: SequenceWindow, sites: pd.DataFrame, names: Sequence[str], draws: int, seed: int
) -> Iterator[dict]:
    start, codes = window.start, window.codes
    inside = sites[(sites["start"] >= start) & (sites["end"] <= start + len(codes))]
    before = window.pairs(window.unchanged)
    lo, hi = window.predicted
    found: dict[str, list[tuple[int, int]]] = {name: [] for name in names}
    for name, a, b in zip(inside["name"], inside["start"] - start, inside["end"] - start):
        found[name].append((a, b))
    for name, places in found.items():
        drawn, turned = [window.unchanged] * draws, window.unchanged
        if places:
            rng = np.random.default_rng([seed, lo, draws])
            variants = [randomise_sites(codes, places, rng) for _ in range(draws)]
            *drawn, turned = window.maps([*variants, invert_sites(codes, places)])
        after = window.pairs(turned)
        constant = after.std() == 0 or before.std() == 0
        yield {
            "chrom": window.chrom,
            "start": lo,
            "end": hi,
            "name": name,
            "n_sites": len(places),
            **pd.DataFrame([window.scores(values) for values in drawn]).mean().to_dict(),
            "signal": (before**2).mean(),
            "inverted_disruption": window.scores(turned)["disruption"],
            "inverted_signal": (after**2).mean(),
            "inverted_pearson": np.nan if constant else np.corrcoef(after, before)[0, 1],
        }


def read_sites(
    source: MapSource,
    motifs: str | Path | None = None,
    *,
    chroms: Sequence[str] | None = None,
    threshold: float = 1e-4,
) -> pd.DataFrame:
    """Instances of motifs on the chromosomes of which something was held out.

    Parameters
    ----------
    source : MapSource
        Of Akita.
    motifs : path, optional
        BED of instances with names (.bed, .bed.gz), or matrices as `sequence.motifs.read_matrices`
        takes them, which are looked for.
    chroms : sequence of str, optional
        By default those of which something was held out.
    threshold : float
        Largest p-value of an instance of a matrix.

    Returns
    -------
    DataFrame
        chrom, start, end (bp), name, and more.

    Raises
    ------
    InputError
        The source reads no sequence, or the motifs cannot be read.
    """
    source = require_bases(source)
    if motifs and re.search(r"\.bed(\.gz)?$", str(motifs)):
        return read_intervals(motifs, "bed", source.bins.chromsizes, what="motif file")
    with Genome(source.config["genome"]) as genome:
        own = held_out_chromosomes(source, chroms)
        return find_sites(genome, own, read_matrices(motifs), threshold=threshold)


def rank_motifs(table: pd.DataFrame, sites: pd.DataFrame | None = None) -> pd.DataFrame:
    """Motifs by their mean disruption over windows, strongest first.

    Parameters
    ----------
    table : DataFrame
        As `mutate_motifs` gives it.
    sites : DataFrame, optional
        chrom, start, end, name: what was mutated.

    Returns
    -------
    DataFrame
        name, windows, n_sites (sums), disruption, signal_change, inverted_disruption,
        inverted_pearson (means over windows), and, of `sites`, overlapping_first: how many of its
        instances share a base with one of the first motif, by which the article explains what other
        motifs do (Supplemental Fig. 5).
    """
    grouped = table.groupby("name", sort=False)
    ranked = grouped[
        ["disruption", "signal_change", "inverted_disruption", "inverted_pearson"]
    ].mean()
    ranked.insert(0, "windows", grouped.size())
    ranked.insert(1, "n_sites", grouped["n_sites"].sum())
    ranked = ranked.sort_values("disruption", ascending=False).reset_index()
    if sites is not None:
        first = _intervals(sites[sites["name"] == ranked["name"].iloc[0]])
        ranked["overlapping_first"] = [
            _n_overlapping(_intervals(sites[sites["name"] == name]), first)
            for name in ranked["name"]
        ]
    return ranked


def _intervals(sites: pd.DataFrame) -> dict[str, np.ndarray]:
    """Chromosome -> (n, 2): start, end, sorted."""
    return {
        chrom: own[["start", "end"]].sort_values("start").to_numpy(np.int64)
        for chrom, own in sites.groupby("chrom", sort=False, observed=True)
    }


def _n_overlapping(sites: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> int:
    """How many of some intervals share a base with one of others."""
    n = 0
    for chrom, own in sites.items():
        if chrom in others:
            start, end = others[chrom].T
            begun = np.searchsorted(start, own[:, 1])  # those that begin before the end
            furthest = np.maximum.accumulate(end)
            reached = (begun > 0) & (furthest[np.maximum(begun - 1, 0)] > own[:, 0])
            n += int(np.count_nonzero(reached))
    return n


def map_loci(
    source: MapSource,
    observed: NormalizedMap,
    sites: pd.DataFrame,
    loci: Mapping[str, str],
    *,
    draws: int = 10,
    seed: int = 0,
) -> pd.DataFrame:
    """Maps of windows around some regions, as they are and without or with turned motifs.

    As Fig. 2 of the article, whose maps are means over ten draws.

    Parameters
    ----------
    source : MapSource
        Of Akita.
    observed : NormalizedMap
    sites : DataFrame
        chrom, start, end: instances of one motif.
    loci : mapping
        Name -> region (`chrom:start-end`); the window has its middle in the middle.
    draws, seed : int

    Returns
    -------
    DataFrame
        locus, kind (observed, predicted, mutated, inverted), chrom, start (bp of the first bin),
        resolution, size (bins), i, j (from 0, i <= j), value (log O/E; NaN where not known).

    Raises
    ------
    InputError
        The source reads no sequence, or a region is not of a chromosome that is predicted.
    """
    source = require_bases(source)
    resolution, tables = source.bins.resolution, []
    for name, region in loci.items():
        chrom, start, end = parse_region(region, source.bins.chromsizes.to_dict())
        held_out_chromosomes(source, [chrom])
        size = source.fitted(chrom).settings.size
        first = (start + end) // 2 // resolution - size // 2
        window = SequenceWindow.at(source, chrom, first)
        own = sites[
            (sites["chrom"] == chrom)
            & (sites["start"] >= window.start)
            & (sites["end"] <= window.start + len(window.codes))
        ]
        places = list(zip(own["start"] - window.start, own["end"] - window.start))
        rng = np.random.default_rng([seed, draws])
        drawn = [randomise_sites(window.codes, places, rng) for _ in range(draws)]
        *mutated, inverted = window.maps([*drawn, invert_sites(window.codes, places)])
        maps = {
            "observed": ObservedWindows(observed, chrom).window(first, size),
            "predicted": window.unchanged,
            "mutated": np.mean(mutated, axis=0),
            "inverted": inverted,
        }
        i, j = np.triu_indices(size)
        place = {"chrom": chrom, "start": first * resolution, "resolution": resolution}
        for kind, values in maps.items():
            own = {"locus": name, "kind": kind, **place, "size": size, "i": i, "j": j}
            tables.append(pd.DataFrame(own | {"value": values[i, j]}))
    columns = ["locus", "kind", "chrom", "start", "resolution", "size", "i", "j", "value"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
