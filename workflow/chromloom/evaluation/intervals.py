"""Intervals of predicted contact strength, calibrated on what a model has not seen.

Split-conformal: on pairs that were not trained on, the log ratio of observed to predicted,
r = log((observed + 0.5) / (k predicted + 0.5)), has quantiles by distance; an interval of another
part of the genome reaches from the lower to the upper of these around its prediction. k brings the
prediction to the depth of the map compared with. The interval holds the observed count of a pair
with the stated probability, noise of counting included, whatever the model is worth, as far as the
parts are alike (Vovk et al. 2005; Lei et al. 2018, doi:10.1080/01621459.2017.1307116).
"""

import itertools
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.analysis.insulation import WINDOW_BINS, depths, is_boundary, score_diamonds
from chromloom.errors import InputError
from chromloom.files import write_tsv
from chromloom.genome.bins import BLOCK
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.probability import PSEUDOCOUNT
from chromloom.prediction.export import write_map
from chromloom.prediction.open import open_source
from chromloom.prediction.source import ROWS, MapSource, distance_bins, n_distances

logger = logging.getLogger(__name__)

LEVELS = (0.8, 0.95)
WIDTH_LEVEL = LEVELS[-1]
MAX_DISTANCE = 2_000_000  # bp
BLOCKS = 20  # parts of blocks of 5 Mb at most, where there are fewer than three chromosomes
PAIRS = 200_000  # of a part and a group of distances, drawn where there are more
COLUMNS = ["sample", "resolution", "norm", "model", "against", "part", "dist_from", "dist_to",
           "level", "low", "high", "scale", "coverage", "width", "n_pairs"]  # fmt: skip
SCORE_COLUMNS = ["sample", "resolution", "norm", "model", "against", "score", "part", "level",
                 "low", "high", "coverage", "width", "n_bins"]  # fmt: skip


def calibrate_run(
    model_dir: str | Path,
    map_path: str | Path,
    out: str | Path,
    out_scores: str | Path,
    out_mcool: str | Path,
    *,
    against: str | Path | None = None,
    seed: int = 1,
    name: str | None = None,
) -> pd.DataFrame:
    """Calibrate a model's intervals, measure their coverage and write their width as a map.

    Parameters
    ----------
    model_dir, map_path : str or Path
        A trained model, or a predictor applied to a sample, and the sample's map.
    out : str or Path
        TSV, see `calibrate`.
    out_scores : str or Path
        TSV, see `calibrate_scores`.
    out_mcool : str or Path
        Width of the intervals of `WIDTH_LEVEL`, contact strength on the scale of the map compared
        with.
    against : str or Path, optional
        Another map of the cell type, which the model has not seen; needed, and compared with, where
        the model was fitted to the sample's whole map.
    seed : int
        Of the pairs that are drawn.
    name : str, optional
        Of the model.

    Raises
    ------
    InputError
        Everything of the map was trained on, and there is no other.
    """
    source = open_source(model_dir, map_path, name=name)
    if against is None and source.held_out is None:
        raise InputError(
            f"'{source.name}' was fitted to the whole map {map_path}: its intervals are calibrated "
            "on another map of the cell type; name it in the column against of the sample sheet"
        )
    other = against if source.held_out is None else None
    observed = NormalizedMap(other or map_path)
    table = calibrate(source, observed, held_out=source.held_out, seed=seed)
    write_tsv(table, out)
    write_tsv(calibrate_scores(source, observed, held_out=source.held_out), out_scores)
    chosen = table[(table["part"] == "all") & (table["level"] == WIDTH_LEVEL)]
    covered = ", ".join(
        f"{own['coverage'].iloc[0]:.3f} at {share}"
        for share, own in table[table["dist_from"] == 0].groupby("level")
    )
    logger.info("%s against %s: coverage %s", source.name, observed.sample, covered)
    write_map(WidthMap(source, chosen), out_mcool, max_distance=MAX_DISTANCE)
    return table


def calibrate(
    source: MapSource,
    observed: NormalizedMap,
    *,
    held_out: Sequence[tuple[str, int, int]] | None = None,
    seed: int = 1,
) -> pd.DataFrame:
    """Quantiles of log ratios by distance, and the coverage of the intervals that they give.

    Parameters
    ----------
    source : MapSource
    observed : NormalizedMap
        What is covered.
    held_out : sequence of (chrom, start, end), optional
        Regions whose pairs take part (both bins inside); all by default.
    seed : int

    Returns
    -------
    DataFrame
        Columns of `COLUMNS`. Parts are chromosomes, or blocks of 5 Mb where there are fewer than
        three (every 20th block in one part). A row per part, group of distances (bins [dist_from,
        dist_to) times the bin size, in bp) and level: low, high (quantiles of r over the other
        parts), scale (k, of the other parts) and the coverage of n_pairs of this part, with the
        mean width (contact strength). Part `all` has the quantiles of all parts and the coverage
        over all, each part by the quantiles of the others; its row of dist_from 0 is over all
        distances (low, high and scale NaN).

    Raises
    ------
    InputError
        Fewer than two parts have pairs.
    """
    values = _collect(source, observed, held_out, seed)
    parts = list(dict.fromkeys(part for part, _ in values))
    if len(parts) < 2:
        raise InputError(
            f"'{source.name}': intervals are calibrated on one part of the genome and tested on "
            f"another; {len(parts)} has pairs that were not trained on"
        )
    resolution = source.bins.resolution
    groups = sorted({group for _, group in values})
    rows = []
    for level in LEVELS:
        total = {group: np.zeros(3) for group in groups}
        for part in [*parts, "all"]:
            others = {key: value for key, value in values.items() if key[0] != part}
            scale = _scale(others)
            for group in groups:
                fitted = [value for (_, g), value in others.items() if g == group]
                if not fitted:
                    continue
                low, high = _quantiles(_ratio(np.concatenate(fitted, axis=1), scale), level)
                covered = np.zeros(3)
                if (part, group) in values:
                    covered = _cover(values[part, group], scale, low, high)
                    total[group] += covered
                elif part == "all":
                    covered = total[group]
                if covered[2]:
                    dist = group[0] * resolution, group[1] * resolution
                    rows.append((part, *dist, level, low, high, scale, *_means(covered)))
        everything = np.sum(list(total.values()), axis=0)
        farthest = groups[-1][1] * resolution
        rows.append(("all", 0, farthest, level, *[np.nan] * 3, *_means(everything)))
    table = pd.DataFrame(rows, columns=COLUMNS[5:]).assign(
        sample=source.sample, resolution=resolution, norm=source.norm, model=source.name,
        against=observed.sample,
    )  # fmt: skip
    return table[COLUMNS].astype({"n_pairs": int})


def calibrate_scores(
    source: MapSource,
    observed: NormalizedMap,
    *,
    held_out: Sequence[tuple[str, int, int]] | None = None,
) -> pd.DataFrame:
    """Intervals of scores of bins that are told from predicted maps, and their coverage.

    Parameters
    ----------
    source, observed, held_out
        As for `calibrate`.

    Returns
    -------
    DataFrame
        Columns of `SCORE_COLUMNS`. score: `insulation` (log2 of the diamond of ten bins over the
        chromosome's median) of every bin, and `boundary`, the depth (`analysis.insulation.depths`)
        of the local minima of the predicted map. An interval is the predicted score plus low to
        plus high, quantiles of observed minus predicted over the other parts, of insulation at the
        level of `calibrated_level`; parts and coverage as of `calibrate`, n_bins in place of pairs.
        Scores of which fewer than two parts have any have no rows.
    """
    values = _collect_scores(source, observed, held_out)
    rows: list[tuple] = []
    for score, level in itertools.product(("insulation", "boundary"), LEVELS):
        own = {part: differ for (of, part), differ in values.items() if of == score}
        if len(own) < 2:
            continue
        total = np.zeros(2, int)
        for part in [*own, "all"]:
            fitted = [differ for name, differ in own.items() if name != part]
            at = calibrated_level(fitted, level) if score == "insulation" else level
            low, high = _quantiles(np.concatenate(fitted), at)
            if part in own:
                held = (own[part] >= low) & (own[part] <= high)
                covered = np.array([held.sum(), len(held)])
                total += covered
            else:
                covered = total
            rows.append((score, part, level, low, high, covered[0] / covered[1], high - low,
                         covered[1]))  # fmt: skip
    table = pd.DataFrame(rows, columns=SCORE_COLUMNS[5:]).assign(
        sample=source.sample, resolution=source.bins.resolution, norm=source.norm,
        model=source.name, against=observed.sample,
    )  # fmt: skip
    return table[SCORE_COLUMNS].astype({"n_bins": int})


def calibrated_level(parts: Sequence[np.ndarray], level: float) -> float:
    """Level at which quantiles of all parts but one hold the share `level` of that one.

    Neighbouring bins share most of their diamonds, and what a model gets wrong in one place it gets
    wrong around it. Parts then differ by more than as many independent values would, and quantiles
    of some hold less of another than they state (of Dunn, Wasserman and Ramdas 2023,
    doi:10.1080/01621459.2022.2060112, the case of many values in few groups).

    Parameters
    ----------
    parts : sequence of array (n,)
    level : float

    Returns
    -------
    float
        The stated level if there is a single part.
    """
    if len(parts) < 2:
        return level
    central = []
    for k, part in enumerate(parts):
        others = np.sort(np.concatenate([*parts[:k], *parts[k + 1 :]]))
        sides = (np.searchsorted(others, part, side) for side in ("left", "right"))
        central.append(np.abs(sum(sides) / len(others) - 1))
    return float(np.quantile(np.concatenate(central), level, method="higher"))


class WidthMap(MapSource):
    """Width of the intervals of a source's predictions, as a map.

    Parameters
    ----------
    source : MapSource
    quantiles : DataFrame
        Rows of `calibrate` of part `all` and one level.
    """

    def __init__(self, source: MapSource, quantiles: pd.DataFrame) -> None:
        self.source, self.bins, self.name = source, source.bins, source.name
        self.sample, self.norm, self.assembly = source.sample, source.norm, source.assembly
        self.ignore_diags, self.seed = source.ignore_diags, source.seed
        self.quantiles = quantiles[quantiles["low"].notna()]
        farthest = int(self.quantiles["dist_to"].max()) - self.bins.resolution
        self.max_distance = min(farthest, source.max_distance or farthest)

    def band(self, chrom, lo, hi, *, max_dist=None, edited=None):
        """Upper less lower end of the interval of each pair; see `MapSource.band`."""
        n_dist = n_distances(self, len(self.bins.mask(chrom)), lo, max_dist)
        band = self.source.band(chrom, lo, hi, max_dist=n_dist, edited=edited)
        width = np.full(band.shape, np.nan)
        for row in self.quantiles.itertuples():
            dist = slice(row.dist_from // self.bins.resolution, row.dist_to // self.bins.resolution)
            ends = interval(band[dist], row.low, row.high, row.scale)
            width[dist] = ends[1] - ends[0]
        return width


def interval(
    predicted: np.ndarray, low: float, high: float, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the intervals of predicted contact strengths, not below 0."""
    middle = scale * predicted + PSEUDOCOUNT
    ends = (np.maximum(middle * np.exp(r) - PSEUDOCOUNT, 0) for r in (low, high))
    lower, upper = ends
    return lower, upper


def _collect(source, observed, held_out, seed) -> dict[tuple, np.ndarray]:
    """Observed and predicted values (2, n) of pairs, by part and group of distances."""
    rng = np.random.default_rng(seed)
    found: dict[tuple, list[np.ndarray]] = {}
    chroms = [c for c in source.bins.chromnames if c in observed.chromnames]
    resolution = source.bins.resolution
    limit = distance_bins(min(MAX_DISTANCE, source.max_distance or MAX_DISTANCE), resolution)
    groups = _groups(source.ignore_diags, limit)
    for chrom in chroms:
        n = len(source.bins.mask(chrom))
        inside = _region_of(chrom, n, resolution, held_out)
        parts = _parts(chrom, chroms, n, resolution)
        for lo in range(0, n, ROWS):
            hi = min(lo + ROWS, n)
            predicted = source.band(chrom, lo, hi, max_dist=limit)
            truth = observed.band(chrom, lo, hi, max_dist=len(predicted))
            known = np.isfinite(predicted) & np.isfinite(truth)
            i = np.arange(lo, hi)
            j = np.minimum(i + np.arange(len(predicted))[:, None], n - 1)
            known &= (inside[i] >= 0) & (inside[i] == inside[j])
            for group in groups:
                rows = slice(group[0], min(group[1], len(predicted)))
                for label, there in parts.items():
                    own = known[rows] & there[lo:hi]
                    pairs = np.stack([truth[rows][own], predicted[rows][own]]).astype(float)
                    if pairs.shape[1]:
                        found.setdefault((label, group), []).append(pairs)
    joined = {key: np.concatenate(pairs, axis=1) for key, pairs in found.items()}
    for key, pairs in joined.items():
        if pairs.shape[1] > PAIRS:
            joined[key] = pairs[:, rng.choice(pairs.shape[1], PAIRS, replace=False)]
    return joined


def _collect_scores(source, observed, held_out) -> dict[tuple[str, str], np.ndarray]:
    """Observed minus predicted scores (n,) of bins, by score and part."""
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    chroms = [c for c in source.bins.chromnames if c in observed.chromnames]
    resolution, limit = source.bins.resolution, 2 * WINDOW_BINS + 1
    for chrom in chroms:
        n = len(source.bins.mask(chrom))
        if n < limit or n_distances(source, n, 0) < limit:
            continue
        predicted = np.concatenate(
            [_rows(source, chrom, lo, min(lo + ROWS, n), limit) for lo in range(0, n, ROWS)], axis=1
        )
        bands = predicted, observed.band(chrom, 0, n, max_dist=limit)
        scores = [score_diamonds(band, ignore_diags=source.ignore_diags) for band in bands]
        # Diamonds lie within what was held out.
        inside = _region_of(chrom, n, resolution, held_out)
        padded = np.pad(inside, WINDOW_BINS, constant_values=-1)
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * WINDOW_BINS + 1)
        own = (inside >= 0) & (windows == inside[:, None]).all(axis=1)
        deep = [depths(score) for score in scores]
        changed = np.where(is_boundary(scores[0]), deep[1] - deep[0], np.nan)
        differ = {"insulation": scores[1] - scores[0], "boundary": changed}
        for label, there in _parts(chrom, chroms, n, resolution).items():
            for name, values in differ.items():
                known = own & there & np.isfinite(values)
                if known.any():
                    found.setdefault((name, label), []).append(values[known])
    return {key: np.concatenate(values) for key, values in found.items()}


def _parts(chrom: str, chroms: Sequence[str], n: int, resolution: int) -> dict[str, np.ndarray]:
    """Bins of a chromosome, (n,) bool, by part: the chromosome, or blocks where there are few."""
    if len(chroms) >= 3:
        return {chrom: np.ones(n, bool)}
    block = np.arange(n) * resolution // BLOCK % BLOCKS
    return {f"blocks {k + 1} of {BLOCKS}": block == k for k in np.unique(block)}


def _rows(source: MapSource, chrom: str, lo: int, hi: int, limit: int) -> np.ndarray:
    """Rows [lo, hi) of the nearest `limit` distances, filled up with NaN beyond the end."""
    band = source.band(chrom, lo, hi, max_dist=limit)
    return np.pad(band.astype(float), ((0, limit - len(band)), (0, 0)), constant_values=np.nan)


def _groups(first: int, limit: int) -> list[tuple[int, int]]:
    """Distances in bins, [from, to), by steps of a third or so, from the nearest pairs on."""
    edges = [max(first, 1)]
    while edges[-1] < limit:
        edges.append(min(max(edges[-1] + 1, round(edges[-1] * 4 / 3)), limit))
    return list(itertools.pairwise(edges))


def _region_of(chrom, n, resolution, held_out) -> np.ndarray:
    """Number of the region that each bin lies in, -1 for none, (n,), int."""
    if held_out is None:
        return np.zeros(n, int)
    inside = np.full(n, -1)
    for number, (name, start, end) in enumerate(held_out):
        if name == chrom:
            inside[-(-start // resolution) : -(-end // resolution)] = number
    return inside


def _scale(values: dict[tuple, np.ndarray]) -> float:
    observed, predicted = sum(pairs.sum(axis=1) for pairs in values.values())
    return float(observed / predicted)


def _ratio(pairs: np.ndarray, scale: float) -> np.ndarray:
    return np.log((pairs[0] + PSEUDOCOUNT) / (scale * pairs[1] + PSEUDOCOUNT))


def _quantiles(ratio: np.ndarray, level: float) -> Iterator[float]:
    """Lower and upper quantile that hold `level` of a further value, each outwards."""
    n = len(ratio)
    tail = np.floor((n + 1) * (1 - level) / 2) / n
    yield float(np.quantile(ratio, max(tail, 0), method="lower"))
    yield float(np.quantile(ratio, min(1 - tail, 1), method="higher"))


def _cover(pairs: np.ndarray, scale: float, low: float, high: float) -> np.ndarray:
    """Pairs that lie in their interval, sum of the widths, pairs."""
    ratio = _ratio(pairs, scale)
    lower, upper = interval(pairs[1], low, high, scale)
    covered = (ratio >= low) & (ratio <= high)
    return np.array([covered.sum(), (upper - lower).sum(), len(ratio)], float)


def _means(covered: np.ndarray) -> tuple[float, float, int]:
    return covered[0] / covered[2], covered[1] / covered[2], int(covered[2])
