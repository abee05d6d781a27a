"""Predictors of maps compared on what none of them has seen: scores, differences, controls.

All predictions are scored on the same pairs: unmasked, both bins held out from every predictor, and
predicted by all. Intervals are from resampling blocks of `BLOCK` of rows, the same for all models,
so that differences are paired. The other cell type's signals (`signals`) are a control: what a
predictor scores with them is what it knows of the region and not of the cell.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import poisson, rankdata

from chromloom.analysis.insulation import find_minima, score_diamonds
from chromloom.errors import InputError
from chromloom.evaluation.by_distance import FIRST, mean_correlation, nats_per_contact
from chromloom.evaluation.maps import rows_in
from chromloom.evaluation.statistics import PSEUDOCOUNT, interval, pearson, resample_blocks
from chromloom.genome.assembly import Assembly
from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.applied import Folds
from chromloom.prediction.observed import ObservedMap
from chromloom.prediction.open import open_source
from chromloom.prediction.predicted import apply_predictor
from chromloom.prediction.source import MapSource, distance_bins

BLOCK = 2_000_000
"""bp of rows that are resampled together, and side of the submatrices."""
WINDOW = 250_000
"""Side of the insulation's diamond, bp; at least `FEWEST` bins."""
FEWEST = 10
WINDOWS = (10, 20, 30, 40, 50)
"""Sides of the diamonds of the table of insulation, bins, as the article has them."""
PROMINENCE, NEAR = 0.1, 2
"""Of an observed boundary, log2 of insulation; bins within which a predicted one is the same."""
SIGNIFICANT = {"p01": 0.01, "z2": 0.02275, "z3": 0.00135}
"""Largest Poisson p, above the expected, of a significant pair: 0.01; Z above 2; Z above 3."""
LEVELS = 100
"""Steps of ROC and precision-recall curves."""
OWN = "own"
COLUMNS = ["model", "signals", "chrom", "metric", "value", "low", "high", "against"]
COLUMNS += ["difference", "difference_low", "difference_high", "n", "n_unpredicted"]


@dataclass(frozen=True)
class PredictorScores:
    """Tables of scores.

    Attributes
    ----------
    scores : DataFrame
        Of each model, each cell's signals and chromosome (or `all`) by metric, with 95 % intervals
        and the paired difference to the first model.
    distances : DataFrame
        model, signals, chrom, distance (bins), r, r_denoised, spearman, n.
    submatrices : DataFrame
        model, signals, chrom, start, end (bp), mse (of log O/E), insulation_r (NaN where it does
        not vary), n (pairs).
    curves : DataFrame
        model, signals, significant (of `SIGNIFICANT`), false_positive_rate, true_positive_rate,
        precision: a row per level of the prediction, all chromosomes together.
    insulation : DataFrame
        model, signals, chrom, window (bins), r, n (bins); n_boundaries (observed minima of at
        least `PROMINENCE`), found (share of them within `NEAR` bins of one of as many strongest
        minima of the prediction), by_chance (share of all bins that are so near one).
    """

    scores: pd.DataFrame
    distances: pd.DataFrame
    submatrices: pd.DataFrame
    curves: pd.DataFrame
    insulation: pd.DataFrame


def score_predictors(
    observed: NormalizedMap,
    sources: Mapping[tuple[str, str], MapSource],
    *,
    denoised: MapSource | None = None,
    n_boot: int = 1000,
    seed: int = 0,
    block: int = BLOCK,
) -> PredictorScores:
    """Score predicted maps on an observed one.

    Parameters
    ----------
    observed : NormalizedMap
    sources : mapping
        (model, cell type whose signals were read, or `OWN`) -> prediction; differences are to the
        first.
    denoised : MapSource, optional
        The observed map as a model of this map sees it, with less noise.
    n_boot, seed : int
    block : int
        bp of rows that are resampled together, and side of the submatrices.

    Returns
    -------
    PredictorScores
        Metrics: `r` (mean over distances from 2 bins of Pearson's correlation of log O/E at one
        distance), `r_denoised`, `spearman` (ranks within a chromosome and distance),
        `nats_per_contact` (as `evaluation.by_distance`), `auc_X` and `ap_X` (areas under the ROC
        and the precision-recall curve of significant pairs, X of `SIGNIFICANT`; pairs are ordered
        by the quantile of the prediction at their distance), `insulation_r`. r_denoised is NaN
        without `denoised`.

    Raises
    ------
    InputError
        No pair is held out from all predictors and predicted by all.
    """
    resolution = observed.resolution
    limits = [s.max_distance for s in sources.values() if s.max_distance is not None]
    n_distances = distance_bins(min(limits), resolution) if limits else 101
    window = max(WINDOW // resolution, FEWEST)
    parts: dict[tuple[str, str], list[_Sums]] = {key: [] for key in sources}
    submatrices, agreements, has_data, n_pairs, n_unpredicted = [], [], [], [], []
    scored_chroms = []
    for chrom in observed.chromnames:
        rows = np.all([rows_in(observed, chrom, s.held_out) for s in sources.values()], axis=0)
        if not rows.any():
            continue
        n, depth = len(rows), min(n_distances, len(rows))
        seen = read_band(ObservedMap(observed, observed.sample), chrom, n, depth)
        bands = {key: read_band(source, chrom, n, depth) for key, source in sources.items()}
        clean = None if denoised is None else read_band(denoised, chrom, n, depth)
        j = np.minimum(np.arange(depth)[:, None] + np.arange(n), n - 1)
        wanted = np.isfinite(seen) & rows & rows[j]
        wanted[:FIRST] = False
        scored = wanted & np.all(
            [np.isfinite(band) & (band > 0) for band in bands.values()], axis=0
        )
        if not scored.any():
            continue
        scored_chroms.append(chrom)
        n_pairs.append(int(scored.sum()))
        n_unpredicted.append(int((wanted & ~scored).sum()))
        weight = observed.bins["weight"].to_numpy()[slice(*observed.extent(chrom))]
        truth = _Truth.of(seen, clean, scored, weight * weight[j], window)
        size = max(block // resolution, 1)
        starts = np.arange(0, n, size)
        has_data.append(np.add.reduceat(scored.any(axis=0), starts) > 0)
        windows = [w for w in WINDOWS if 2 * w - 1 <= depth]
        observed_insulation = {w: _insulation(seen, scored, w) for w in windows}
        for (model, signals), band in bands.items():
            scaled = _scaled(band, scored, truth.expected)
            log = _log_ratio(scaled, scored, truth.expected)
            insulation = _insulation(scaled, scored, window)
            parts[model, signals].append(
                _Sums.of(truth, scaled, log, insulation, starts, n_distances)
            )
            table = _submatrices(truth, log, insulation, starts)
            table.insert(0, "chrom", chrom)
            table = table.assign(start=table["start"] * resolution, end=table["end"] * resolution)
            submatrices.append(table.assign(model=model, signals=signals))
            agreements += [
                {"model": model, "signals": signals, "chrom": chrom, "window": w}
                | _agreement(own, _insulation(scaled, scored, w))
                for w, own in observed_insulation.items()
            ]
    if not scored_chroms:
        raise InputError(
            f"{observed.path}: no pair is held out from all of {', '.join(k[0] for k in sources)} "
            "and predicted by all; give predictors of the same test chromosomes"
        )
    first, scores, distances, curves = next(iter(sources)), [], [], []
    groups = {"all": range(len(scored_chroms))} | {c: [k] for k, c in enumerate(scored_chroms)}
    for chrom, own in groups.items():
        multiplicity = resample_blocks(np.concatenate([has_data[k] for k in own]), n_boot, seed)
        joined = {key: _Sums.joined([part[k] for k in own]) for key, part in parts.items()}
        samples = {key: sums.metrics(multiplicity) for key, sums in joined.items()}
        for key, values in samples.items():
            labels = dict(zip(("model", "signals", "chrom"), (*key, chrom)))
            scores.append(_compare(values, samples[first]).assign(**labels, against=first[0]))
            scores[-1]["n"] = sum(n_pairs[k] for k in own)
            scores[-1]["n_unpredicted"] = sum(n_unpredicted[k] for k in own)
            distances.append(joined[key].by_distance().assign(**labels))
            if chrom == "all":
                curves.append(joined[key].curves().assign(model=key[0], signals=key[1]))
    columns = ["model", "signals", "chrom", "start", "end", "mse", "insulation_r", "n"]
    return PredictorScores(
        pd.concat(scores, ignore_index=True)[COLUMNS],
        pd.concat(distances, ignore_index=True)[
            ["model", "signals", "chrom", "distance", "r", "r_denoised", "spearman", "n"]
        ],
        pd.concat(submatrices, ignore_index=True)[columns],
        pd.concat(curves, ignore_index=True)[
            [
                "model",
                "signals",
                "significant",
                "false_positive_rate",
                "true_positive_rate",
                "precision",
            ]
        ],
        _by_window(agreements),
    )


def evaluate_predictors(
    map_path: str | Path,
    runs: Mapping[str, str | Path],
    *,
    folds: Mapping[str, Sequence[str | Path]],
    others: Mapping[str, Mapping[str, str | Path]],
    assembly: Assembly,
    genome: str | Path | None = None,
    denoised: str | Path | None = None,
    n_boot: int = 1000,
    seed: int = 0,
) -> PredictorScores:
    """Score the runs of predictors on a sample, each with other cell types' signals beside it.

    Parameters
    ----------
    map_path : path
        Normalised map of the sample.
    runs : mapping
        Predictor -> folder written by `apply_predictor` for the sample.
    folds : mapping
        Predictor -> folder of each fold.
    others : mapping
        Predictor -> other cell type -> store of its signals.
    assembly : Assembly
    genome : path, optional
        Sequence of the assembly, for predictors that read features of it, too.
    denoised : path, optional
        Folder of a model that was trained on the map.
    n_boot, seed : int

    Returns
    -------
    PredictorScores
    """
    observed = NormalizedMap(map_path)
    sources = {(name, OWN): open_source(path, map_path, name=name) for name, path in runs.items()}
    clean = None if denoised is None else open_source(denoised, map_path)
    with tempfile.TemporaryDirectory() as folder:
        for name, stores in others.items():
            trained_on = Folds.read(folds[name]).first.inputs["assembly"]
            for cell_type, store in stores.items():
                out = Path(folder) / f"{name}.{cell_type}"
                apply_predictor(
                    folds[name], store, assembly, out, sample=observed.sample, norm=observed.norm,
                    predictor=name, chroms=observed.chromnames,
                    genome_path=genome,
                    other_assembly=trained_on != assembly.name,
                )  # fmt: skip
                sources[name, cell_type] = open_source(out, map_path, name=name)
        return score_predictors(observed, sources, denoised=clean, n_boot=n_boot, seed=seed)


@dataclass(frozen=True)
class _Truth:
    """An observed chromosome, (D, n) each, and the pairs that are scored."""

    scored: np.ndarray
    log: np.ndarray
    log_denoised: np.ndarray | None
    ranks: np.ndarray
    counts: np.ndarray
    weights: np.ndarray
    expected: np.ndarray  # (D,), contact strength
    significant: dict[str, np.ndarray]
    insulation: np.ndarray  # (n,)

    @classmethod
    def of(cls, seen, clean, scored, weights, window) -> "_Truth":
        weights = np.where(scored, weights, 1)
        counts = np.where(scored, seen / weights, 0)
        n = np.maximum(scored.sum(axis=1), 1)
        expected = np.where(scored, seen, 0).sum(axis=1) / n
        mean = expected[:, None] / weights
        tail = np.where(scored, poisson.sf(np.rint(counts) - 1, mean), 1.0)
        return cls(
            scored,
            _log_ratio(seen, scored, expected),
            None if clean is None else _log_ratio(clean, scored, expected),
            _ranks(seen, scored),
            counts,
            weights,
            expected,
            {name: tail < p for name, p in SIGNIFICANT.items()},
            _insulation(seen, scored, window),
        )


@dataclass(frozen=True)
class _Sums:
    """Sums of one prediction by block of rows.

    Attributes
    ----------
    pairs : ndarray, (n_blocks, n_distances, 3, 6)
        n, x, y, xx, yy, xy of log O/E, of that with the denoised map, of ranks.
    counts : ndarray, (n_blocks, n_distances, 4)
        Contacts, contacts times log ratio, predicted and expected contacts.
    levels : ndarray, (n_blocks, n_significant, LEVELS, 2)
        Significant pairs and others by the level of the prediction.
    insulation : ndarray, (n_blocks, 6)
    """

    pairs: np.ndarray
    counts: np.ndarray
    levels: np.ndarray
    insulation: np.ndarray

    @classmethod
    def of(cls, truth: _Truth, band, log, insulation, starts, n_distances) -> "_Sums":
        ok, ranks = truth.scored, _ranks(band, truth.scored)
        clean = np.full_like(log, np.nan) if truth.log_denoised is None else truth.log_denoised

        def blocks(values):
            return np.add.reduceat(values, starts, axis=1).T  # (n_blocks, D)

        def moments(a, b):
            terms = (ok, a, b, a * a, b * b, a * b)
            return np.stack([blocks(term.astype(float)) for term in terms], axis=-1)

        kinds = [moments(log, truth.log), moments(log, clean), moments(ranks, truth.ranks)]
        pairs = np.stack(kinds, axis=2)
        ratio = np.where(ok, np.where(ok, band, 1) / truth.expected[:, None].clip(min=1e-12), 1)
        base = np.where(ok, truth.expected[:, None] / truth.weights, 0)
        terms = (truth.counts, truth.counts * np.log(ratio), base * ratio, base)
        counts = np.stack([blocks(term) for term in terms], axis=-1)
        level = np.minimum((ranks * LEVELS).astype(int), LEVELS - 1)
        block = np.searchsorted(starts, np.arange(band.shape[1]), side="right") - 1
        place = (block * LEVELS + level)[ok]
        size = len(starts) * LEVELS
        levels = []
        for positive in truth.significant.values():
            both = [np.bincount(place[positive[ok] == s], minlength=size) for s in (True, False)]
            levels.append(np.stack(both, axis=-1).reshape(len(starts), LEVELS, 2))
        known = np.isfinite(insulation) & np.isfinite(truth.insulation)
        a, b = (np.where(known, values, 0) for values in (insulation, truth.insulation))
        moved = np.stack([known, a, b, a * a, b * b, a * b], axis=-1)
        missing = [(0, 0), (0, n_distances - len(band))]
        return cls(
            np.pad(pairs, [*missing, (0, 0), (0, 0)]),
            np.pad(counts, [*missing, (0, 0)]),
            np.stack(levels, axis=1),
            np.add.reduceat(moved, starts, axis=0),
        )

    @classmethod
    def joined(cls, parts: Sequence["_Sums"]) -> "_Sums":
        """The blocks of several chromosomes."""
        names = ("pairs", "counts", "levels", "insulation")
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))

    def metrics(self, multiplicity: np.ndarray) -> dict[str, np.ndarray]:
        """Every metric, (n_samples,), of resampled blocks, (n_samples, n_blocks)."""

        def resampled(values):
            return np.tensordot(multiplicity, values, axes=1)

        kinds = ("r", "r_denoised", "spearman")
        values = {
            kind: mean_correlation(resampled(self.pairs[:, :, k])) for k, kind in enumerate(kinds)
        }
        values["nats_per_contact"] = nats_per_contact(resampled(self.counts))
        levels = resampled(self.levels)
        for k, name in enumerate(SIGNIFICANT):
            values[f"auc_{name}"], values[f"ap_{name}"] = _areas(levels[:, k])
        values["insulation_r"] = pearson(resampled(self.insulation))
        return values

    def curves(self) -> pd.DataFrame:
        """significant, false_positive_rate, true_positive_rate, precision, from highest level."""
        rows = []
        for k, name in enumerate(SIGNIFICANT):
            found = np.cumsum(self.levels.sum(axis=0)[k, ::-1], axis=0)
            with np.errstate(invalid="ignore", divide="ignore"):
                table = {
                    "false_positive_rate": found[:, 1] / found[-1, 1],
                    "true_positive_rate": found[:, 0] / found[-1, 0],
                    "precision": found[:, 0] / found.sum(axis=1),
                }
            rows.append(pd.DataFrame(table).assign(significant=name))
        return pd.concat(rows, ignore_index=True)

    def by_distance(self) -> pd.DataFrame:
        """distance (bins), r, r_denoised, spearman, n."""
        sums = self.pairs.sum(axis=0)[FIRST:]
        r, r_denoised, spearman = pearson(sums).T
        return pd.DataFrame(
            {
                "distance": FIRST + np.arange(len(sums)),
                "r": r,
                "r_denoised": r_denoised,
                "spearman": spearman,
                "n": sums[:, 0, 0].astype(int),
            }
        )


def _compare(samples: dict[str, np.ndarray], first: dict[str, np.ndarray]) -> pd.DataFrame:
    """metric, value, low, high, difference, difference_low, difference_high."""
    own = np.stack(list(samples.values()), axis=1)
    difference = own - np.stack(list(first.values()), axis=1)
    (low, high), (d_low, d_high) = interval(own), interval(difference)
    return pd.DataFrame(
        {"metric": list(samples), "value": own[0], "low": low, "high": high}
        | {"difference": difference[0], "difference_low": d_low, "difference_high": d_high}
    )


def _areas(levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Areas under ROC and precision-recall curve, (n_samples,); levels (n_samples, LEVELS, 2)."""
    found = np.cumsum(levels[:, ::-1], axis=1)  # from the highest level
    before = np.concatenate([np.zeros_like(found[:, :1]), found[:, :-1]], axis=1)
    total = found[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (found[..., 0] + before[..., 0]) / 2
        area = (mean * (found[..., 1] - before[..., 1])).sum(axis=1) / total.prod(axis=1)
        precision = found[..., 0] / found.sum(axis=-1)
        gained = found[..., 0] - before[..., 0]
        average = np.where(gained > 0, precision * gained, 0).sum(axis=1) / total[:, 0]
    return np.where(total.prod(axis=1) > 0, area, np.nan), average


def _scaled(band: np.ndarray, scored: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """A prediction with the observed mean at each distance of a chromosome, which is not scored.

    It was learnt on maps of another depth, and each chromosome may have its own.
    """
    mean = np.where(scored, band, 0).sum(axis=1) / np.maximum(scored.sum(axis=1), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return band * np.where(mean > 0, expected / mean, 1)[:, None]


def _log_ratio(band: np.ndarray, scored: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """log O/E; 0 where not scored."""
    ratio = (np.where(scored, band, 0) + PSEUDOCOUNT) / (expected[:, None] + PSEUDOCOUNT)
    return np.where(scored, np.log(ratio), 0)


def _ranks(band: np.ndarray, scored: np.ndarray) -> np.ndarray:
    """Ranks within each distance, in (0, 1); 0 where not scored."""
    ranks = np.zeros(band.shape)
    for d in np.flatnonzero(scored.any(axis=1)):
        own = scored[d]
        ranks[d, own] = (rankdata(band[d, own]) - 0.5) / own.sum()
    return ranks


def _insulation(band: np.ndarray, scored: np.ndarray, window: int) -> np.ndarray:
    """Insulation of the pairs that are scored, of a whole chromosome, (n,)."""
    return score_diamonds(np.where(scored, band, np.nan), window, ignore_diags=FIRST)


MOMENTS = ["n", "x", "y", "xx", "yy", "xy"]


def _agreement(observed: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Sums of two insulation scores (n,) of one chromosome, and of their boundaries."""
    known = np.isfinite(observed) & np.isfinite(predicted)
    a, b = predicted[known], observed[known]
    sums = dict(zip(MOMENTS, (known.sum(), a.sum(), b.sum(), a @ a, b @ b, a @ b)))
    own, _ = find_minima(np.where(known, observed, np.nan), PROMINENCE)
    other, strength = find_minima(np.where(known, predicted, np.nan), 0)
    other = other[np.argsort(-strength, kind="stable")[: len(own)]]
    bins = np.flatnonzero(known)

    def near(places):
        if not len(other):
            return 0
        return int((np.abs(places[:, None] - other).min(axis=1) <= NEAR).sum())

    return sums | {"n_boundaries": len(own), "n_found": near(own), "n_near": near(bins)}


def _by_window(agreements: list[dict]) -> pd.DataFrame:
    """The table of insulation: chromosomes, and all together, from their sums."""
    columns = [
        "model",
        "signals",
        "chrom",
        "window",
        "r",
        "n",
        "n_boundaries",
        "found",
        "by_chance",
    ]
    if not agreements:
        return pd.DataFrame(columns=columns)
    table = pd.DataFrame(agreements)
    keys = ["model", "signals", "chrom", "window"]
    both = pd.concat([table.assign(chrom="all"), table])
    summed = both.groupby(keys, sort=False).sum().reset_index()
    with np.errstate(invalid="ignore", divide="ignore"):
        summed["r"] = pearson(summed[MOMENTS].to_numpy(float))
        summed["found"] = summed["n_found"] / summed["n_boundaries"].where(lambda n: n > 0)
        summed["by_chance"] = summed["n_near"] / summed["n"].where(lambda n: n > 0)
    return summed[columns]


def _submatrices(truth: _Truth, log, insulation, starts) -> pd.DataFrame:
    """Squared error of log O/E and agreement of insulation within `BLOCK`, in bins.

    Insulation is that of the whole chromosome: at the edges of a square, it follows from the
    square.
    """
    depth, n = log.shape
    error, rows = (log - truth.log) ** 2, []
    for lo, hi in zip(starts, [*starts[1:], n]):
        own = truth.scored[:, lo:hi] & (np.arange(depth)[:, None] < hi - np.arange(lo, hi))
        if not own.any():
            continue
        a, b = insulation[lo:hi], truth.insulation[lo:hi]
        known = np.isfinite(a) & np.isfinite(b)
        a, b = a[known], b[known]
        varies = len(a) > 2 and np.ptp(a) > 1e-6 and np.ptp(b) > 1e-6
        r = np.corrcoef(a, b)[0, 1] if varies else np.nan
        rows.append((lo, hi, np.mean(error[:, lo:hi][own]), r, own.sum()))
    return pd.DataFrame(rows, columns=["start", "end", "mse", "insulation_r", "n"])


def read_band(source, chrom: str, n: int, depth: int) -> np.ndarray:
    """Contact strength of a chromosome, (depth, n), float64; NaN where there is none."""
    band = np.full((depth, n), np.nan)
    known = source.band(chrom, 0, n, max_dist=depth)
    band[: len(known)] = known
    return band
