"""The one evaluator of reconstruction: strata, metrics, ceilings, baselines, intervals.

Rules, report, benchmarks and tests all score predicted maps here. Maps are read by blocks of rows
in band layout and only sums are kept (`chromloom.evaluation.statistics`). Article: Results,
"Hi-C reproduction"; exact meanings of strata and metrics in the documentation of methods.

Metrics by stratum of distance (`2-10` … `1000-` bins, half-open, and `all`):

========================  =========================================================================
`pearson_cp`              Pearson correlation of contact probability
`spearman_cp`             Spearman correlation of the same (ranks of contact strength, which it
                          rises with), strengths told apart in steps of 1/1024 octave
`pearson_logoe`           Pearson correlation of log((value + 0.5) / (expected + 0.5)), each map
                          with its own expected
`r2_cp`                   1 - residual / total sum of squares around the stratum's mean
`r2_distance`             the same around the mean at each distance of the chromosome
`r2_cp_depth`             `r2_cp` of the prediction brought to the depth of the map scored on (other
                          maps than that trained on): strengths times `depth_ratio`
`scc`                     HiCRep, distances up to 5 Mb and 500 bins (`all` rows of `pairs` only)
`insulation_r`            Pearson correlation of insulation (stratum `all`, `pairs` all)
`pearson_logoe_by_distance`, `nats_per_contact`: `evaluation.by_distance`, up to the distance that a
predictor reaches, in tables with one (stratum `all`, `pairs` all; no interval)
`r2_published`            the released code's R2, seeded (observed pairs; no interval)
========================  =========================================================================

Intervals are bootstraps over 5-Mb blocks; a pair belongs to the block of its row.

What is scored is a map source (`chromloom.prediction.source`), whatever is behind it; log O/E of a
prediction is taken over the expected of the map that it predicts. An unmasked pair without
prediction is left out and counted: `n_unpredicted`, of the row's pairs and stratum.

Every prediction is scored with both read-outs of its contact strength v, `strength`, exp(-a / v),
and `counts`, its mean over counts; which is better depends on the model, on depth and on distance.
`value` is that of the better one, for every model alike; `readout` says which it is, and
`value_other` has the score with the other. The better one is chosen on the pairs that are scored:
where the two are close, the larger of two nearly equal numbers is taken, of every model.

Contact probability is defined on the scale of counts, so that a prediction of a map of another
depth is off even where it is perfect. It is scored as it is; `depth_ratio` says how deep the map
scored on is against the one trained on, a ratio beyond `SAME_DEPTH` is logged, and `r2_cp_depth` is
the score that does not suffer from it.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.analysis.insulation import WINDOW_BINS, score_diamonds
from chromloom.errors import InputError
from chromloom.evaluation import scc
from chromloom.evaluation.by_distance import DistanceSums
from chromloom.evaluation.scores import CEILING, DISTANCE_MEAN, KEYS
from chromloom.evaluation.statistics import (
    PAIRS,
    STRATA,
    PairSums,
    interval,
    pearson,
    resample_blocks,
    stratum_of,
)
from chromloom.files import write_tsv
from chromloom.genome.bins import BLOCK
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.probability import (
    READOUTS,
    contact_probability,
    mean_contact_probability,
)
from chromloom.prediction.exported import ExportedMap
from chromloom.prediction.observed import DistanceMean, ObservedMap
from chromloom.prediction.open import open_source
from chromloom.prediction.source import MapSource, distance_bins

logger = logging.getLogger(__name__)

SAME_DEPTH = (0.8, 1.25)  # contacts of the map scored on over those of the map trained on
COLUMNS = [*KEYS, "value", "ci_low", "ci_high", "n", "n_unpredicted", "seed", "depth_ratio"]
COLUMNS += ["readout", "value_other"]
# Metrics that depend on what a contact strength says of contact probability.
BY_READOUT = ("pearson_cp", "r2_cp", "r2_cp_depth", "r2_distance", "r2_published")


@dataclass(frozen=True)
class EvaluationSettings:
    """How maps are compared.

    Attributes
    ----------
    n_boot : int
        Resamplings of 5-Mb blocks for the intervals.
    seed : int
        Of the resamplings and of `r2_published`.
    insulation_window_bins : int
        Side of the insulation diamond.
    rows : int
        Rows read at once.
    max_distance : int, optional
        bp; farther pairs are not scored.
    keep_pairs : int
        Pairs a comparison keeps in memory for ranks (6 bytes each); beyond it they are read twice.
    """

    n_boot: int = 200
    seed: int = 0
    insulation_window_bins: int = WINDOW_BINS
    rows: int = 128
    max_distance: int | None = None
    keep_pairs: int = 20_000_000

    def max_dist(self, resolution: int) -> int | None:
        """Distances below this many bins are scored."""
        return None if self.max_distance is None else distance_bins(self.max_distance, resolution)


def evaluate_model(
    model_dir: str | Path,
    map_path: str | Path,
    out: str | Path | None = None,
    *,
    against: Sequence[str | Path] = (),
    model: str | None = None,
    chroms: Sequence[str] | None = None,
    regions: Sequence[tuple[str, int, int]] | None = None,
    distances_out: str | Path | None = None,
    settings: EvaluationSettings | None = None,
) -> pd.DataFrame:
    """Score a trained model on the map it was trained on, and on others.

    Beside the model stand the mean contact probability at each distance of the map trained on
    (model `distance-mean`) and, for the other maps, the map trained on itself (model `ceiling`).

    Parameters
    ----------
    model_dir : str or Path
        Folder of a trained model.
    map_path : str or Path
        Normalised map that it was trained on.
    out : str or Path, optional
        TSV to write.
    against : sequence of path
        Normalised maps, of the same resolution and bins, to score on too.
    model : str, optional
        Its name in the table; by default see `prediction.open.open_source`.
    chroms : sequence of str, optional
        By default those with unmasked bins in every map.
    regions : sequence of (chrom, start, end), optional
        bp; score the pairs whose row begins in one of them. By default what a decoder's training
        held out; all of the map for other models.
    distances_out : str or Path, optional
        TSV of the sums by single distance, see `evaluate_maps`.
    settings : EvaluationSettings, optional

    Returns
    -------
    DataFrame
        Columns of `COLUMNS`: one row per model, map scored on (`against`), pairs, metric, stratum.
        `n` is the number of pairs (bins for `insulation_r`), `n_unpredicted` that of unmasked pairs
        left out because they have no prediction, `seed` the training's, `depth_ratio` the contacts
        of `against` over those of `sample` on the chromosomes scored.
    """
    source = open_source(model_dir, map_path, name=model)
    trained_on = NormalizedMap(map_path)
    table, distances = evaluate_sources(
        trained_on, [source], against=[NormalizedMap(path) for path in against],
        chroms=chroms,
        regions=source.held_out if regions is None else regions,
        settings=settings,
    )  # fmt: skip
    if out is not None:
        write_tsv(table, out)
    if distances_out is not None:
        write_tsv(distances, distances_out)
    return table


def evaluate_maps(
    map_path: str | Path,
    predicted: Mapping[str, str | Path],
    *,
    against: Sequence[str | Path] = (),
    chroms: Sequence[str] | None = None,
    settings: EvaluationSettings | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score predicted maps that lie in files, whatever made them.

    Parameters
    ----------
    map_path : str or Path
        Normalised map that the predictions were made from.
    predicted : mapping str -> path
        Model name -> cooler (or .mcool) of contact strengths in the pixel column `count`; which
        pairs an absent pixel makes a predicted 0 is said by `prediction.exported.ExportedMap`.
    against, chroms, settings
        As in `evaluate_model`.

    Returns
    -------
    table, distances : DataFrame
        As `evaluate_sources`.
    """
    trained_on = NormalizedMap(map_path)
    return evaluate_sources(
        trained_on,
        [ExportedMap(str(path), trained_on, name) for name, path in predicted.items()],
        against=[NormalizedMap(path) for path in against],
        chroms=chroms,
        settings=settings,
    )


def evaluate_sources(
    trained_on: NormalizedMap,
    sources: Sequence[MapSource],
    *,
    against: Sequence[NormalizedMap] = (),
    chroms: Sequence[str] | None = None,
    regions: Sequence[tuple[str, int, int]] | None = None,
    settings: EvaluationSettings | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score map sources, with the mean at each distance and the ceiling beside them.

    Parameters
    ----------
    trained_on : NormalizedMap
        The map that the sources predict; its expected is theirs.
    sources : sequence of MapSource
    against : sequence of NormalizedMap
        Maps of the same bins to score on too.
    chroms, regions, settings
        As in `evaluate_model`; `regions` None is all of the map.

    Returns
    -------
    table : DataFrame
        As `evaluate_model`.
    distances : DataFrame
        sample, resolution, model, decoder, against, pairs, distance (bins), n, n_unpredicted,
        mean_observed, mean_predicted, mse, pearson_cp, r2_cp, readout: contact probability by
        single distance, with the read-out of the smaller error, without intervals.
    """
    predictions = [*sources, DistanceMean(trained_on, DISTANCE_MEAN)]
    if against:
        predictions.append(ObservedMap(trained_on, CEILING))
    return _evaluate(
        trained_on, predictions, against, chroms=chroms, regions=regions,
        settings=settings or EvaluationSettings(),
    )  # fmt: skip


def summarise_seeds(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Mean and spread over trainings that differ in nothing but their seed.

    Parameters
    ----------
    tables : sequence of DataFrame
        Tables of `evaluate_model`, one a seed.

    Returns
    -------
    DataFrame
        Key columns, then value (mean), seed_spread (largest minus smallest), n_seeds. Rows without
        a seed (ceiling, baseline) have spread 0 of 1 seed.
    """
    table = pd.concat(tables, ignore_index=True).drop_duplicates([*KEYS, "seed"])
    groups = table.groupby(KEYS, sort=False)["value"]
    return groups.agg(
        value="mean", seed_spread=lambda v: v.max() - v.min(), n_seeds="size"
    ).reset_index()


def error_by_frame_position(distances: pd.DataFrame, frame: int) -> pd.DataFrame:
    """Squared error by position in the frame (Supplementary Fig. 14).

    Frame k holds distances [frame * k, frame * (k + 1)), so the position is the distance modulo
    the frame.

    Parameters
    ----------
    distances : DataFrame
        By-distance table of `evaluate_maps`.
    frame : int
        Bins.

    Returns
    -------
    DataFrame
        sample, model, decoder, against, pairs, position, mse, mse_ratio (mse over that of
        distance-mean at the distances that the model predicts: error that does not follow from
        contact decay alone), n.
    """
    keys = ["sample", "model", "decoder", "against", "pairs", "position"]
    place = ["against", "pairs", "distance"]
    squared = distances["mse"] * distances["n"]
    # Runs that predict different pairs of a distance have a distance mean each.
    means = distances.assign(squared=squared)[distances["model"] == DISTANCE_MEAN].groupby(place)
    base = means["squared"].sum() / means["n"].sum()
    base = base.reindex(pd.MultiIndex.from_frame(distances[place])).to_numpy()
    table = distances.assign(
        position=distances["distance"] % frame, squared=squared, base=base * distances["n"]
    )
    table = table.groupby(keys, sort=False)[["squared", "base", "n"]].sum().reset_index()
    table["mse"] = table["squared"] / table["n"]
    table["mse_ratio"] = table["squared"] / table["base"]
    return table[[*keys, "mse", "mse_ratio", "n"]]


def row_blocks(n: int, resolution: int, rows: int) -> Iterator[tuple[int, int, int]]:
    """Blocks of rows that do not cross a border of 5 Mb: block number, first row, last + 1."""
    size = max(BLOCK // resolution, 1)
    for block, start in enumerate(range(0, n, size)):
        stop = min(start + size, n)
        for lo in range(start, stop, rows):
            yield block, lo, min(lo + rows, stop)


def rows_in(normalized: NormalizedMap, chrom: str, regions) -> np.ndarray:
    """Rows of a chromosome that begin in one of the regions (all for None), (n,), bool."""
    first, last = normalized.extent(chrom)
    if regions is None:
        return np.ones(last - first, dtype=bool)
    start = normalized.bins["start"].to_numpy()[first:last]
    inside = [(start >= a) & (start < b) for name, a, b in regions if name == chrom]
    return np.any([np.zeros(last - first, dtype=bool), *inside], axis=0)


@dataclass
class _Comparison:
    """What is gathered of one prediction scored on one observed map."""

    prediction: MapSource
    observed: NormalizedMap
    depth_ratio: float
    sums: PairSums
    multiplicity: np.ndarray
    near: DistanceSums | None = None
    scc: np.ndarray = field(init=False)  # (2 numerator/denominator, samples, strata)
    scc_n: np.ndarray = field(init=False)
    insulation: np.ndarray = field(init=False)  # (blocks, 6)

    def __post_init__(self):
        self.scc = np.zeros((2, len(self.multiplicity), len(STRATA)))
        self.scc_n = np.zeros(len(STRATA), dtype=np.int64)
        self.insulation = np.zeros((self.multiplicity.shape[1], 6))


def _evaluate(trained_on, predictions, others, *, chroms, settings, regions=None):
    scored = [trained_on, *others]
    chroms = _common_chromosomes(scored, chroms)
    rows = {chrom: rows_in(trained_on, chrom, regions) for chrom in chroms}
    chroms = [chrom for chrom in chroms if rows[chrom].any()]
    if not chroms:
        raise InputError(
            f"{trained_on.path}: no row lies in the regions to score {list(regions)} on the "
            "chromosomes that all maps have; give others"
        )
    extents = {chrom: trained_on.extent(chrom) for chrom in chroms}
    lengths = {chrom: last - first for chrom, (first, last) in extents.items()}
    size = max(BLOCK // trained_on.resolution, 1)
    first_block = dict(
        zip(chroms, np.cumsum([0, *(-(-lengths[chrom] // size) for chrom in chroms)]))
    )
    n_blocks = sum(-(-n // size) for n in lengths.values())
    depths = {id(m): _depth(m, chroms) / _depth(trained_on, chroms) for m in scored}
    limits = [p.max_distance for p in predictions if p.max_distance is not None]
    n_near = distance_bins(max(limits), trained_on.resolution) if limits else 0
    comparisons = []
    for observed in scored:
        has_data = np.concatenate(
            [
                np.add.reduceat(
                    ~observed.mask(chrom) & rows[chrom], np.arange(0, lengths[chrom], size)
                )
                > 0
                for chrom in chroms
            ]
        )
        multiplicity = resample_blocks(has_data, settings.n_boot, settings.seed)
        for prediction in predictions:
            if prediction.name == CEILING and observed is trained_on:
                continue
            sums = PairSums(
                n_blocks, max(lengths.values()), trained_on.cp_a, trained_on.ignore_diags,
                settings.keep_pairs,
            )  # fmt: skip
            ratio = depths[id(observed)]
            near = DistanceSums(n_near) if limits else None
            comparisons.append(_Comparison(prediction, observed, ratio, sums, multiplicity, near))
    for chrom in chroms:
        _score_chromosome(chrom, comparisons, trained_on, first_block[chrom], settings, rows[chrom])
        logger.info("%s: %s scored (%d comparisons)", trained_on.sample, chrom, len(comparisons))
    second = [c for c in comparisons if c.sums.needs_second_pass]
    for chrom in chroms if second else ():
        blocks = row_blocks(lengths[chrom], trained_on.resolution, settings.rows)
        for block, lo, hi in blocks:
            bands = _Bands(chrom, lo, hi, settings.max_dist(trained_on.resolution), rows[chrom])
            for c in second:
                c.sums.add_ranks(
                    first_block[chrom] + block, bands.of(c.prediction), bands.of(c.observed),
                    bands.of(trained_on),
                )  # fmt: skip
    for observed in others:
        _warn_of_depth(trained_on, observed, depths[id(observed)])
    tables, distances = [], []
    for c in comparisons:
        c.sums.finish()
        labels = {
            "sample": trained_on.sample,
            "resolution": trained_on.resolution,
            "norm": trained_on.norm,
            "model": c.prediction.name,
            "decoder": c.prediction.decoder,
            "against": c.observed.sample,
        }
        _tell_unpredicted(c)
        table, by_distance = _better_readout(c, settings.seed), _distance_table(c)
        labels |= {"seed": c.prediction.seed, "depth_ratio": c.depth_ratio}
        tables.append(table.assign(**labels))
        distances.append(by_distance.assign(**labels))
    distances = pd.concat(distances, ignore_index=True)
    columns = ["n", "n_unpredicted", "mean_observed", "mean_predicted", "mse", "pearson_cp"]
    columns += ["r2_cp", "readout"]
    keys = ["sample", "resolution", "model", "decoder", "against", "pairs", "distance"]
    distances = distances[[*keys, *columns]]
    return pd.concat(tables, ignore_index=True)[COLUMNS], distances


class _Bands:
    """Bands of one block of rows, each read or predicted once.

    All have the same distances, those below `max_dist` bins; NaN in rows that are not to be scored
    and where a source has no prediction.
    """

    def __init__(self, chrom: str, lo: int, hi: int, max_dist: int | None, rows: np.ndarray):
        n_dist = len(rows) - lo
        self.where, self._known = (chrom, lo, hi), dict[int, np.ndarray]()
        self.n_dist = n_dist if max_dist is None else min(n_dist, max_dist)
        self._unscored = ~rows[lo:hi]

    def of(self, source: MapSource | NormalizedMap) -> np.ndarray:
        """Contact strength, (n_dist, hi - lo), float32."""
        chrom, lo, hi = self.where
        return self._once(source, lambda: source.band(chrom, lo, hi, max_dist=self.n_dist))

    def expected_of(self, observed: NormalizedMap) -> np.ndarray:
        """Expected of an observed map, (n_dist, hi - lo), float32."""
        chrom, lo, hi = self.where
        expected = observed.expected(chrom)
        return self._once(expected, lambda: expected.band(lo, hi, self.n_dist))

    def counts_of(self, observed: NormalizedMap) -> tuple[np.ndarray, np.ndarray]:
        """Raw counts of an observed map, and the products of its weights, (n_dist, hi - lo)."""
        chrom, lo, hi = self.where
        weight = observed.bins["weight"].to_numpy()[slice(*observed.extent(chrom))]
        j = np.arange(lo, hi) + np.arange(self.n_dist)[:, None]
        products = weight[lo:hi] * weight[np.minimum(j, len(weight) - 1)]
        return observed.band(chrom, lo, hi, "count", max_dist=self.n_dist), products

    def _once(self, key, read) -> np.ndarray:
        if id(key) not in self._known:
            band = np.asarray(read(), dtype=np.float32)
            if len(band) < self.n_dist:
                beyond = np.full((self.n_dist - len(band), band.shape[1]), np.nan, np.float32)
                band = np.concatenate([band, beyond])
            if self._unscored.any():
                band = np.where(self._unscored, np.float32(np.nan), band)
            self._known[id(key)] = band
        return self._known[id(key)]


def _score_chromosome(chrom, comparisons, trained_on, first_block, settings, rows):
    resolution, n = trained_on.resolution, len(trained_on.mask(chrom))
    h = scc.smoothing_half_width(resolution)
    n_scc = min(scc.max_distance_bins(resolution), n)
    n_near = min(max(n_scc + 2 * h, 2 * settings.insulation_window_bins), n)
    sources = {id(s): s for c in comparisons for s in (c.prediction, c.observed)}
    near = {key: np.full((n_near, n), np.nan, dtype=np.float32) for key in sources}
    n_blocks = -(-n // max(BLOCK // resolution, 1))
    for c in comparisons:
        c.sums.start_chromosome(first_block, n_blocks, n)
    for block, lo, hi in row_blocks(n, resolution, settings.rows):
        bands = _Bands(chrom, lo, hi, settings.max_dist(resolution), rows)
        for key, source in sources.items():
            band = bands.of(source)[:n_near]
            near[key][: len(band), lo:hi] = band
        for c in comparisons:
            c.sums.add(
                first_block + block, bands.of(c.prediction), bands.of(c.observed),
                bands.of(trained_on), bands.expected_of(trained_on),
                bands.expected_of(c.observed),
                **_probabilities(c, trained_on, bands),
            )  # fmt: skip
            if c.near is not None:
                c.near.add(
                    bands.of(c.prediction), bands.of(c.observed), bands.expected_of(trained_on),
                    bands.expected_of(c.observed), *bands.counts_of(c.observed),
                )  # fmt: skip
    absent = np.isnan(near[id(trained_on)])
    for band in near.values():
        band[absent] = np.nan
    blocks = np.arange(n) // max(BLOCK // resolution, 1)

    def neighbourhoods(band):
        diamonds = score_diamonds(
            band, settings.insulation_window_bins, ignore_diags=trained_on.ignore_diags
        )
        return _padded_smooth(band, h, n_scc), diamonds

    local = {key: neighbourhoods(band) for key, band in near.items()}
    window = slice(first_block, first_block + n_blocks)
    strata = stratum_of(np.arange(n_scc))
    for c in comparisons:
        c.sums.finish_chromosome()
        predicted, observed = (near[id(part)] for part in (c.prediction, c.observed))
        both = [local[id(part)] for part in (c.prediction, c.observed)]
        if (unpredicted := np.isnan(predicted) & ~np.isnan(observed)).any():
            both[1] = neighbourhoods(np.where(unpredicted, np.float32(np.nan), observed))
        (x, diamonds_x), (y, diamonds_y) = both
        *terms, pairs = scc.scc_terms(x, y, blocks, c.multiplicity[:, window])
        for k, stratum in enumerate(STRATA):
            chosen = strata >= 0 if stratum == "all" else strata == k
            c.scc[:, :, k] += [term[:, chosen].sum(axis=1) for term in terms]
            c.scc_n[k] += pairs[chosen].sum()
        x, y = diamonds_x, diamonds_y
        good = np.isfinite(x) & np.isfinite(y)
        x, y = x[good], y[good]
        for k, weights in enumerate([np.ones(len(x)), x, y, x * x, y * y, x * y]):
            c.insulation[window, k] += np.bincount(blocks[good], weights, minlength=n_blocks)


def _probabilities(
    c: _Comparison, trained_on: NormalizedMap, bands: _Bands
) -> dict[str, np.ndarray]:
    """Predicted contact probabilities that the strength alone does not give; see `PairSums.add`."""
    a, strength = trained_on.cp_a, bands.of(c.prediction)
    deeper = strength * np.float32(c.depth_ratio)
    other_map, counts = c.observed is not trained_on, "counts" in c.prediction.readouts
    given = {}
    if counts:
        given["by_counts"] = mean_contact_probability(strength, a)
    if other_map:
        given["at_depth"] = contact_probability(deeper, a)
    if other_map and counts:
        given["by_counts_at_depth"] = mean_contact_probability(deeper, a)
    return given


def _padded_smooth(near: np.ndarray, h: int, n_scc: int) -> np.ndarray:
    """Smoothed distances below `n_scc`; beyond a short chromosome's end there are no pairs."""
    missing = max(n_scc + 2 * h - len(near), 0)
    padding = np.full((missing, near.shape[1]), np.nan, dtype=near.dtype)
    return scc.smooth(np.concatenate([near, padding])[: n_scc + 2 * h], h)


def _table(c: _Comparison, readout: str, seed: int) -> pd.DataFrame:
    """Rows pairs, metric, stratum, value, ci_low, ci_high, n, n_unpredicted, with one read-out."""
    metrics = c.sums.metrics(c.multiplicity, readout)
    rows = []
    for (pairs, metric), samples in metrics.items():
        n = metrics[pairs, "n"][0]
        if metric != "n":
            rows += _rows(pairs, metric, samples, n)
    with np.errstate(invalid="ignore", divide="ignore"):
        rows += _rows("all", "scc", c.scc[0] / c.scc[1], c.scc_n)
    insulation = pearson(c.multiplicity @ c.insulation)[:, None]
    rows += _rows("all", "insulation_r", insulation, [c.insulation[:, 0].sum()], strata=("all",))
    if c.near is not None:
        rows += [
            ("all", metric, "all", value, np.nan, np.nan, n) for metric, value, n in c.near.scores()
        ]
    published = c.sums.r2_published(seed, readout)[None]
    rows += _rows("observed", "r2_published", published, metrics["observed", "n"][0])
    columns = ["pairs", "metric", "stratum", "value", "ci_low", "ci_high", "n"]
    table = pd.DataFrame(rows, columns=columns)
    unpredicted = pd.DataFrame(c.sums.n_unpredicted(), index=PAIRS, columns=STRATA)
    counts = [unpredicted.loc[place] for place in zip(table["pairs"], table["stratum"])]
    return table.assign(n_unpredicted=counts)


def _better_readout(c: _Comparison, seed: int) -> pd.DataFrame:
    """`_table` with the read-out of the higher value in each row; `readout` and `value_other`."""
    tables = {readout: _table(c, readout, seed) for readout in c.sums.readouts}
    first, *others = tables.values()
    table = first.assign(readout=READOUTS[0], value_other=np.nan)
    for other in others:
        better = (other["value"] > first["value"]) | (
            first["value"].isna() & other["value"].notna()
        )
        table["value_other"] = first["value"].where(better, other["value"])
        table.loc[better, other.columns] = other[better]
        table.loc[better, "readout"] = READOUTS[1]
    depends = table["metric"].isin(BY_READOUT)
    return table.assign(
        readout=table["readout"].where(depends, ""), value_other=table["value_other"].where(depends)
    )


def _rows(pairs, metric, samples, n, strata=STRATA):
    low, high = interval(samples)
    return [
        (pairs, metric, stratum, samples[0, k], low[k], high[k], int(n[k]))
        for k, stratum in enumerate(strata)
        if n[k] > 0
    ]


def _distance_table(c: _Comparison) -> pd.DataFrame:
    """Scores by single distance, each with the read-out of the smaller error."""
    tables = []
    for k, pairs in enumerate(PAIRS):
        both = {readout: c.sums.distance_sums(readout)[k] for readout in c.sums.readouts}
        seen = np.flatnonzero(both[READOUTS[0]][:, 0] > 0)
        choices = np.stack([sums[seen] for sums in both.values()])  # (readouts, distances, 6)
        n, x, y, xx, yy, xy = np.moveaxis(choices, -1, 0)
        best = np.argmin((xx - 2 * xy + yy) / n, axis=0)
        sums = choices[best, np.arange(len(seen))]
        n, x, y, xx, yy, xy = sums.T
        mse = np.maximum(xx - 2 * xy + yy, 0) / n
        variance = yy / n - (y / n) ** 2
        r2 = 1 - np.divide(mse, variance, out=np.full(len(n), np.nan), where=variance > 1e-12)
        tables.append(
            pd.DataFrame(
                {
                    "pairs": pairs,
                    "distance": seen,
                    "n": n.astype(np.int64),
                    "n_unpredicted": c.sums.unpredicted[k, seen],
                    "mean_observed": y / n,
                    "mean_predicted": x / n,
                    "mse": mse,
                    "pearson_cp": pearson(sums),
                    "r2_cp": r2,
                    "readout": np.array(READOUTS)[best],
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def _depth(observed: NormalizedMap, chroms: Sequence[str]) -> float:
    """Contacts within some chromosomes, on the scale of counts."""
    table, view = observed.expected_table, observed.view_df.set_index("name")["chrom"]
    return table.loc[table["region1"].map(view).isin(chroms), "value_sum"].sum()


def _warn_of_depth(trained_on: NormalizedMap, observed: NormalizedMap, ratio: float) -> None:
    if not SAME_DEPTH[0] <= ratio <= SAME_DEPTH[1]:
        logger.warning(
            "%s has %.3g times the contacts of %s: R2 between them is affected by depth "
            "(r2_cp_depth is not), correlations are less affected",
            observed.sample,
            ratio,
            trained_on.sample,
        )


def _tell_unpredicted(c: _Comparison) -> None:
    if n := c.sums.n_unpredicted()[0, -1]:
        logger.warning(
            "%s on %s: no prediction for %d unmasked pairs, which are left out (n_unpredicted)",
            c.prediction.name,
            c.observed.sample,
            n,
        )


def _common_chromosomes(maps, chroms) -> list[str]:
    first = maps[0]
    for other in maps[1:]:
        same = other.resolution == first.resolution and other.clr.chromsizes.equals(
            first.clr.chromsizes
        )
        if not same:
            raise InputError(
                f"{other.path} ({other.resolution} bp) and {first.path} ({first.resolution} bp) "
                "differ in resolution or chromosomes; score a model on maps with its own bins"
            )
    common = [c for c in first.chromnames if all(c in m.chromnames for m in maps)]
    missing = [chrom for chrom in chroms or () if chrom not in common]
    if missing or not common:
        raise InputError(
            f"chromosomes {missing or first.chromnames} have no unmasked bins in all of "
            f"{', '.join(str(m.path) for m in maps)}; these have: {', '.join(common) or 'none'}"
        )
    return [chrom for chrom in common if chroms is None or chrom in chroms]
