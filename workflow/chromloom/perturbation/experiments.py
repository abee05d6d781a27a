"""Genome-wide knockouts, averaged: by distance, as pile-up, over domains (article, Fig. 8).

The pairs across a site are told apart: its own, of which it is one end, lose what the site makes;
those that span it, with an end on either side, gain where a boundary opens. Summed, they cancel.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import bioframe
import numpy as np
import pandas as pd

from chromloom.edits.bins import lay_out
from chromloom.edits.edit import Edit, knockouts
from chromloom.files import write_tsv
from chromloom.genome.bins import Bins
from chromloom.genome.intervals import read_intervals
from chromloom.normalize.probability import PSEUDOCOUNT
from chromloom.perturbation.predict import predict_edit
from chromloom.prediction.open import open_source
from chromloom.prediction.source import MapSource

logger = logging.getLogger(__name__)

REACH = 1_000_000
STEP = 100_000
INSIDE = 10  # parts that the inside of a domain is averaged in
FLANK_BINS = 10


def knock_out_groups(
    model_dir: str | Path,
    map_path: str | Path,
    groups: Mapping[str, str | Path],
    out_dir: str | Path,
    *,
    method: str = "average",
    mode: str = "lifted",
    reach: int = REACH,
    max_sites: int = 200,
    n_random: int = 200,
    seed: int = 0,
    device: str = "cpu",
) -> None:
    """Knock out every site of some BED files, one at a time, and average what changes.

    Parameters
    ----------
    model_dir, map_path : str or Path
        Trained model and its map.
    groups : mapping of str to path
        Name -> BED of sites (CTCF+cohesin at loops, other factors, …).
    out_dir : str or Path
        Gets `comparison.tsv` (see `compare_with_random`), `distance.tsv` (see `effect_by_distance`,
        groups in the same order) and `pileups.tsv` (see `pileup_table`).
    method : {"average", "zero", "shift"}
        See `Edit`. `shift` with mode `released` is the article's: position is compared with
        position.
    mode : {"lifted", "affinity", "released"}
    reach : int
        bp each side of a site.
    max_sites, n_random, seed : int
        Sites drawn from each group that has more, and random unmasked bins as the control `random`.
    device : str

    Notes
    -----
    A group without a site on an unmasked bin is named in the log; it has `n_sites` 0 in
    `comparison.tsv`, NaN in `pileups.tsv` and no rows in `distance.tsv`.
    """
    source = open_source(model_dir, map_path, device=device, mode=mode)
    rng = np.random.default_rng(seed)
    chromsizes = source.bins.chromsizes
    sites = {name: read_intervals(path, "bed", chromsizes) for name, path in groups.items()}
    sites = {name: site_bins(table, source.bins, name) for name, table in sites.items()}
    unmasked = np.flatnonzero(~source.bins.masked)
    sites["random"] = rng.permutation(unmasked)[:n_random]
    effects, pileups = [], {}
    for name, bins in sites.items():
        bins = np.sort(rng.permutation(bins)[:max_sites])
        table, pileups[name] = knock_out_bins(source, bins, method=method, reach=reach)
        if len(bins):
            effects.append(table.assign(group=name))
        logger.info("%s: %d sites knocked out", name, len(bins))
    effects = pd.concat(effects, ignore_index=True)
    comparison = compare_with_random(effects)
    distance = effect_by_distance(effects).set_index("group")
    distance = distance.loc[comparison["group"].unique()].reset_index()
    own = comparison[comparison["group"] == "random"].assign(n_sites=0)
    own[["change", "sem", "p_zero", "p_random"]] = np.nan
    empty = [own.assign(group=name) for name, bins in sites.items() if not len(bins)]
    comparison = pd.concat([comparison, *empty], ignore_index=True)
    out_dir = Path(out_dir)
    write_tsv(comparison, out_dir / "comparison.tsv")
    write_tsv(distance, out_dir / "distance.tsv")
    write_tsv(pileup_table(pileups, source.bins.resolution), out_dir / "pileups.tsv")


def pileup_table(pileups: Mapping[str, np.ndarray], resolution: int) -> pd.DataFrame:
    """Pile-ups under one another, one row per pair of offsets.

    Parameters
    ----------
    pileups : mapping of str to ndarray, (2 r + 1, 2 r + 1), float64
        Group -> mean log2 change, see `knock_out_bins`.
    resolution : int

    Returns
    -------
    DataFrame
        group, offset1, offset2 (bp from the site's bin, offset1 <= offset2, row by row),
        log2_change, float32 (NaN where no site has a pair).
    """
    tables = []
    for group, values in pileups.items():
        i, j = np.triu_indices(len(values))
        offsets = (np.arange(len(values)) - len(values) // 2) * resolution
        columns = {"group": group, "offset1": offsets[i], "offset2": offsets[j]}
        tables.append(pd.DataFrame({**columns, "log2_change": values[i, j].astype(np.float32)}))
    return pd.concat(tables, ignore_index=True)


def knock_out_bins(
    source: MapSource,
    bins: np.ndarray,
    *,
    method: str = "average",
    reach: int = REACH,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Knock out single bins in turn.

    Parameters
    ----------
    source : MapSource
        An editable one.
    bins : ndarray, int
        Genome-wide bin numbers.
    method, reach
        See `knock_out_groups`.

    Returns
    -------
    effects : DataFrame
        site (bin number), pairs (`own`: the site is one end; `spanning`: an end on either side),
        dist_kb (upper end of a step of 100 kb), wild_type, edited: summed contact strength of the
        pairs nearer than `reach` at those distances. 0 where there are none: method `shift` takes
        the site's own away.
    pileup : ndarray, (2 r + 1, 2 r + 1), float64
        log2((edited + 0.5) / (wild type + 0.5)), averaged over sites, symmetric; the site is in the
        middle. NaN where no site has a pair.
    """
    resolution = source.bins.resolution
    r = reach // resolution
    n_steps = -(-reach // STEP)
    total, count = np.zeros((2 * r + 1,) * 2), np.zeros((2 * r + 1,) * 2)
    rows = []
    for edit in knockouts(source.bins.table.iloc[bins], method=method):
        prediction = predict_edit(source, lay_out(edit, source.bins), flank=reach)
        site = source.bins.extent(edit.chrom)[0] + edit.start // resolution
        offset = prediction.bins - site
        near = np.abs(offset) <= r
        offset = offset[near]
        wild_type, edited = (
            m[np.ix_(near, near)] for m in (prediction.wild_type, prediction.on_reference)
        )
        known = np.isfinite(wild_type) & np.isfinite(edited)
        i, j = np.nonzero(known)
        change = np.log2((edited[i, j] + PSEUDOCOUNT) / (wild_type[i, j] + PSEUDOCOUNT))
        np.add.at(total, (offset[i] + r, offset[j] + r), change)
        np.add.at(count, (offset[i] + r, offset[j] + r), 1)
        # farther pairs that span the site do not all lie in the window
        across = (offset[i] <= 0) & (offset[j] >= 0) & (offset[j] - offset[i] < r)
        own = across & ((offset[i] == 0) | (offset[j] == 0))
        step = (offset[j] - offset[i]) * resolution // STEP
        for pairs, chosen in (("own", own), ("spanning", across & ~own)):
            sums = [
                np.bincount(step[chosen], m[i, j][chosen], minlength=n_steps)
                for m in (wild_type, edited)
            ]
            rows.append(
                pd.DataFrame(
                    {
                        "site": site,
                        "pairs": pairs,
                        "dist_kb": (np.arange(n_steps) + 1) * STEP // 1000,
                        "wild_type": sums[0],
                        "edited": sums[1],
                    }
                )
            )
    with np.errstate(invalid="ignore"):
        pileup = total / count
    pileup = np.where(np.isnan(pileup), pileup.T, pileup)
    columns = ["site", "pairs", "dist_kb", "wild_type", "edited"]
    effects = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=columns)
    return effects, pileup


def effect_by_distance(effects: pd.DataFrame) -> pd.DataFrame:
    """Average relative change over the sites of every group.

    Parameters
    ----------
    effects : DataFrame
        group, and the columns of `knock_out_bins`.

    Returns
    -------
    DataFrame
        group, pairs (`all`: own and spanning ones; `own`; `spanning`), dist_kb, change (mean over
        sites of edited / wild_type - 1; NaN without such pairs), sem, n_sites.
    """
    change = _relative_change(effects, ["group", "pairs", "dist_kb", "site"])
    grouped = change.groupby(level=["group", "pairs", "dist_kb"])
    return pd.DataFrame(
        {"change": grouped.mean(), "sem": grouped.sem(), "n_sites": grouped.count()}
    ).reset_index()


def compare_with_random(effects: pd.DataFrame, *, within_kb: int = 200) -> pd.DataFrame:
    """Change of contacts inside a distance, every group against the random bins.

    Parameters
    ----------
    effects : DataFrame
        group (one of them `random`), and the columns of `knock_out_bins`.
    within_kb : int

    Returns
    -------
    DataFrame
        group, pairs (as in `effect_by_distance`), within_kb, n_sites, change (mean over sites; NaN
        without such pairs), sem, p_zero (change is 0: Wilcoxon signed rank), p_random (change is
        that of `random`: Mann-Whitney; NaN for `random`), both two-sided: own pairs may lose while
        spanning ones gain. Groups by their own pairs, strongest loss first.
    """
    from scipy.stats import mannwhitneyu, wilcoxon

    near = effects[effects["dist_kb"] <= within_kb]
    changes = _relative_change(near, ["group", "pairs", "site"])
    rows = []
    for (group, pairs), change in changes.groupby(level=["group", "pairs"]):
        change, random = change.dropna(), changes["random", pairs].dropna()
        compared = group != "random" and len(change) and len(random)
        p_zero = wilcoxon(change).pvalue if change.any() else np.nan
        p_random = mannwhitneyu(change, random).pvalue if compared else np.nan
        numbers = len(change), change.mean(), change.sem(), p_zero, p_random
        rows.append((group, pairs, within_kb, *numbers))
    columns = ["group", "pairs", "within_kb", "n_sites", "change", "sem", "p_zero", "p_random"]
    table = pd.DataFrame(rows, columns=columns)
    own = table[table["pairs"] == "own"].set_index("group")["change"]
    return table.sort_values(
        "group", key=lambda group: group.map(own), kind="stable", ignore_index=True
    )


def knock_out_domains(
    model_dir: str | Path,
    map_path: str | Path,
    domains: pd.DataFrame,
    sites: pd.DataFrame,
    out: str | Path,
    *,
    max_domains: int = 200,
    seed: int = 0,
    device: str = "cpu",
) -> None:
    """Knock out boundaries of domains with and without a factor (article, Fig. 8c).

    Parameters
    ----------
    model_dir, map_path : str or Path
        Trained model and its map.
    domains : DataFrame
        chrom, start, end.
    sites : DataFrame
        chrom, start, end of the factor's sites, such as CTCF peaks. A domain is `with` it when
        both its boundary bins or their neighbours have a site, `without` when none has; the others
        are left out.
    out : str or Path
        Stem: gets `.comparison.tsv` (see `compare_domains`) and `.tsv` (group, row, column,
        log2_change: the mean over domains, see `knock_out_boundaries`; NaN = unknown).
    max_domains, seed : int
        Domains drawn from each group that has more.
    device : str

    Notes
    -----
    A group without a domain that can be knocked out is named in the log; it has `n_domains` 0 and
    NaN in the tables.
    """
    source = open_source(model_dir, map_path, device=device)
    rng, resolution = np.random.default_rng(seed), source.bins.resolution
    held = np.zeros((len(domains), 2), bool)
    for k, edge in enumerate(("start", "end")):
        at = domains[edge] // resolution * resolution - (resolution if edge == "end" else 0)
        window = pd.DataFrame(
            {"chrom": domains["chrom"], "start": at - resolution, "end": at + 2 * resolution}
        )
        held[:, k] = bioframe.count_overlaps(window, sites)["count"] > 0
    groups = {"with": domains[held.all(axis=1)], "without": domains[~held.any(axis=1)]}
    changes = {}
    for name, own in groups.items():
        own = own.iloc[np.sort(rng.permutation(len(own))[:max_domains])]
        changes[name] = knock_out_boundaries(source, own)
        logger.info("%s: boundaries of %d domains knocked out", name, len(changes[name]))
        if not len(changes[name]):
            logger.warning(
                "none of %d domains %s the factor spans %d bins with unmasked boundaries; "
                "use a finer map or larger domains",
                len(own),
                name,
                INSIDE,
            )
    write_tsv(compare_domains(changes), Path(f"{out}.comparison.tsv"))
    means = {name: _mean(values) for name, values in changes.items()}
    table = []
    for name, values in means.items():
        row, column = np.triu_indices(len(values))
        columns = {"row": row, "column": column, "log2_change": values[row, column]}
        table.append(pd.DataFrame({"group": name, **columns}))
    write_tsv(pd.concat(table), Path(f"{out}.tsv"))


def knock_out_boundaries(
    source: MapSource,
    domains: pd.DataFrame,
    *,
    inside: int = INSIDE,
    flank_bins: int = FLANK_BINS,
) -> np.ndarray:
    """Knock out both boundary bins of every domain; change on domains scaled to one size (Fig. 8c).

    Parameters
    ----------
    source : MapSource
        An editable one.
    domains : DataFrame
        chrom, start, end; those smaller than `inside` bins, or nearer to the chromosome's end than
        the flank, are left out.
    inside, flank_bins : int
        Equal parts of a domain's inside, and bins each side.

    Returns
    -------
    ndarray, (n_domains, inside + 2 flank_bins, inside + 2 flank_bins), float64
        log2 change of the mean contact strength of every domain that was kept, upper triangle; NaN
        where nothing is known.
    """
    bins, changes = source.bins, []
    resolution = bins.resolution
    for chrom, own in domains.groupby("chrom", sort=False):
        if chrom not in bins.chromnames:
            continue
        (first, last), mask = bins.extent(chrom), bins.mask(chrom)
        lows = own["start"].to_numpy() // resolution
        highs = -(-own["end"].to_numpy() // resolution)
        for lo, hi in zip(lows, highs):
            ends = np.array([lo, hi - 1])
            if (
                hi - lo < inside
                or lo < flank_bins
                or hi + flank_bins > last - first
                or mask[ends].any()
            ):
                continue
            start, end = int(lo) * resolution, int(hi) * resolution
            edit = Edit("boundaries", "knockout", str(chrom), start, end)
            replaced = np.zeros(last - first, bool)
            replaced[ends] = True
            layout = replace(lay_out(edit, bins), replaced=replaced)
            prediction = predict_edit(source, layout, flank=flank_bins * resolution)
            edges = np.r_[
                np.arange(flank_bins),
                np.linspace(0, hi - lo, inside + 1) + flank_bins,
                np.arange(flank_bins + hi - lo + 1, 2 * flank_bins + hi - lo + 1),
            ]
            wild_type, edited = (
                _cell_means(m, edges.astype(int))
                for m in (prediction.wild_type, prediction.on_reference)
            )
            changes.append(np.log2((edited + PSEUDOCOUNT) / (wild_type + PSEUDOCOUNT)))
    cells = inside + 2 * flank_bins
    return np.stack(changes) if changes else np.empty((0, cells, cells))


def compare_domains(changes: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Mean change inside domains and across their boundaries, with against without a factor.

    Parameters
    ----------
    changes : mapping of str to ndarray
        `with` and `without` -> (n_domains, cells, cells) of `knock_out_boundaries`.

    Returns
    -------
    DataFrame
        group, pairs (`inside`: both ends in the domain, `across`: one outside), n_domains,
        log2_change (mean over domains of the mean over cells), sem, p_below_zero (Wilcoxon signed
        rank, one-sided), p_difference (Mann-Whitney, with against without, two-sided).
    """
    from scipy.stats import mannwhitneyu, wilcoxon

    cells = changes["with"].shape[1]
    within = (np.arange(cells) >= FLANK_BINS) & (np.arange(cells) < cells - FLANK_BINS)
    pairs = {"inside": within[:, None] & within, "across": within[:, None] ^ within}
    means = {
        (name, part): _mean(np.where(members, values, np.nan).reshape(len(values), cells * cells).T)
        for part, members in pairs.items()
        for name, values in changes.items()
    }
    rows = []
    for (name, part), own in means.items():
        both = [v[np.isfinite(v)] for v in (means["with", part], means["without", part])]
        own = own[np.isfinite(own)]
        mean = own.mean() if len(own) else np.nan
        below = wilcoxon(own, alternative="less").pvalue if own.any() else np.nan
        difference = mannwhitneyu(*both).pvalue if all(map(len, both)) else np.nan
        sem = own.std(ddof=1) / len(own) ** 0.5 if len(own) > 1 else np.nan
        rows.append((name, part, len(own), mean, sem, below, difference))
    columns = ["group", "pairs", "n_domains", "log2_change", "sem", "p_below_zero"]
    return pd.DataFrame(rows, columns=[*columns, "p_difference"])


def site_bins(sites: pd.DataFrame, bins: Bins, name: str) -> np.ndarray:
    """Genome-wide numbers of the unmasked bins that hold the middle of a site, (n,), sorted."""
    parts = []
    for chrom in bins.chromnames:
        own = sites[sites["chrom"] == chrom]
        middle = (own["start"] + own["end"]).to_numpy() // 2 // bins.resolution
        parts.append(np.unique(middle[~bins.mask(chrom)[middle]]) + bins.extent(chrom)[0])
    found = np.concatenate(parts)
    if not len(found):
        logger.warning(
            "sites '%s': none lies on an unmasked bin; are they of another assembly?", name
        )
    return found


def _relative_change(effects, by):
    """edited / wild_type - 1 of contacts summed by some columns, NaN without; adds `all` pairs."""
    parts = pd.concat([effects.assign(pairs="all"), effects])
    sums = parts.groupby(by)[["wild_type", "edited"]].sum()
    return (sums["edited"] / sums["wild_type"] - 1).where(sums["wild_type"] > 0)


def _mean(values):
    """Mean over the first axis of what is known; NaN where nothing is."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0).sum(axis=0) / known.sum(axis=0)


def _cell_means(values, edges):
    """Mean of the known values in every cell of a grid, (k, k); NaN where none is known."""
    known = np.isfinite(values)
    sums = [
        np.add.reduceat(np.add.reduceat(m, edges[:-1], axis=0), edges[:-1], axis=1)
        for m in (np.where(known, values, 0), known.astype(float))
    ]
    with np.errstate(invalid="ignore"):
        return sums[0] / sums[1]
