"""A trained model compared with the truth of a simulated genome: its map, attribution and edits.

What is asked, and against what: the map without noise, against the counts; loop anchors found by
attribution, against degree, insulation and
the leading eigenvector; completeness of integrated gradients; predicted against simulated change
of edits, against rules that need no model (`perturbation.simple`); knockouts of single bins,
against the same genome simulated without the CTCF sites of the bin. `plotting.judge` shows
several genomes side by side.
"""

import itertools
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse.linalg import eigsh
from scipy.stats import mannwhitneyu, pearsonr, wilcoxon
from sklearn.metrics import roc_auc_score

from chromloom.analysis.insulation import WINDOW_BINS, score_diamonds
from chromloom.attribution.aggregate import bins_overlapping
from chromloom.attribution.attribute import attribute_chromosome
from chromloom.attribution.scores import contrast_directions
from chromloom.edits.edit import knockouts
from chromloom.evaluation.by_distance import DistanceSums, mean_correlation
from chromloom.evaluation.maps import rows_in
from chromloom.evaluation.predictors import read_band
from chromloom.evaluation.statistics import STRATA, STRATUM_EDGES
from chromloom.files import write_tsv
from chromloom.genome.bins import Bins
from chromloom.normalize.maps import NormalizedMap
from chromloom.perturbation.predict import predict_edit
from chromloom.prediction.hiclstm import MODES, HiCLSTMMap
from chromloom.prediction.observed import ObservedMap
from chromloom.prediction.open import open_source
from chromloom.prediction.source import MapSource, distance_bins, lay_out_for
from chromloom.simulate.contacts import expected_contacts
from chromloom.simulate.edits import remove_sites
from chromloom.simulate.elements import find_loops
from chromloom.simulate.plan import Plan, read_plan
from chromloom.simulate.truth import draw_edits, intensities, score_changes, simulate_change

logger = logging.getLogger(__name__)

ROW = ["measure", "item", "method", "value", "p_value", "n"]
COLUMNS = ["sample", "resolution", "norm", "model", *ROW]
ANCHOR_DISTANCE = 400_000  # pairs that attribution of anchors explains, bp
STRONG = 0.6  # CTCF strength of a strong anchor
KNOCKOUT_REACH = 200_000
KNOCKOUT_METHODS = ("average", "zero", "shift")
N_STRATA = 4
"""Strata of distance in which maps are judged: up to 200 bins."""


def judge_model(
    model_dir: str | Path,
    map_path: str | Path,
    truth_dir: str | Path,
    out: str | Path,
    *,
    n_edits: int = 8,
    max_sites: int = 60,
    modes: Iterable[str] = MODES,
    seed: int = 0,
    name: str | None = None,
    device: str = "cpu",
) -> pd.DataFrame:
    """Hold a model to the plan of its genome.

    Parameters
    ----------
    model_dir, map_path : str or Path
        Trained model and its map, of a simulated genome.
    truth_dir : str or Path
        Its plan (`truth/{cell_type}`).
    out : str or Path
        TSV, see Returns.
    n_edits : int
        Edits of each kind.
    max_sites : int
        Bins knocked out of each group.
    modes : iterable of {"lifted", "affinity", "released"}
        How edits are predicted, see `prediction.hiclstm.HiCLSTMMap`; others than `lifted` are of
        such models alone.
    seed : int
        Of the edits and of the bins drawn.
    name : str, optional
        Of the model in the table; by default its own in the registry.
    device : str

    Returns
    -------
    DataFrame
        Columns of `COLUMNS`; of predictors, which have no vectors of bins, the rows of the map and
        of edits alone.
        `map_pearson`: see `judge_map`.
        `anchor_auroc`: area under the ROC curve of bins with a simulated loop
        anchor among unmasked bins, n anchors (degree and eigenvector: the better sign).
        `completeness_error`: one row per chromosome, n bins. `edit_pearson`: median over n edits of
        a kind of Pearson's r between predicted and simulated log2 change of pairs within 2 Mb of
        the edit; p_value that of the model (lifted) above the method, an undefined r taken as 0
        (Wilcoxon signed rank, one-sided); NaN where a method predicts one change for all pairs.
        `knockout_change`: mean over n bins of the relative change of contact strength nearer than
        200 kb (see `knock_out_and_simulate`); p_value that of lower values than at random bins
        (Mann-Whitney, one-sided), and for `random` that of values below 0 (Wilcoxon); of higher
        values for pairs that span the bin, since they rise where a boundary opens.
        `knockout_pearson`: r of predicted and simulated change over n strong anchors.
    """
    observed, plan, modes = NormalizedMap(map_path), read_plan(truth_dir), tuple(modes)
    rng = np.random.default_rng(seed)
    sources = {"lifted": open_source(model_dir, map_path, name=name, device=device)}
    if isinstance(sources["lifted"], HiCLSTMMap):
        sources |= {
            mode: open_source(model_dir, map_path, name=name, device=device, mode=mode)
            for mode in modes
            if mode != "lifted"
        }
    source = sources["lifted"]
    asked = {mode: sources[mode] for mode in modes if mode in sources}
    tables = [
        judge_map(source, observed, plan),
        *_judge_edits(asked, observed, plan, n_edits, seed),
    ]
    if isinstance(source, HiCLSTMMap):  # others have no vectors of bins to attribute to
        anchors = anchor_bins(plan, source.bins)
        tables = [
            _judge_attribution(source.model, observed, anchors),
            *tables,
            _judge_knockouts(source, observed, plan, anchors, max_sites, rng),
        ]
    table = pd.concat(tables, ignore_index=True).assign(
        sample=source.sample,
        resolution=source.bins.resolution,
        norm=source.norm,
        model=source.name,
    )[COLUMNS]
    write_tsv(table, out)
    return table


def judge_map(source: MapSource, observed: NormalizedMap, plan: Plan) -> pd.DataFrame:
    """Hold a predicted map to the simulated one without noise, beside what was counted.

    Parameters
    ----------
    source : MapSource
        Of predictors, what they held out from training is judged.
    observed : NormalizedMap
    plan : Plan
        Of the map's genome.

    Returns
    -------
    DataFrame
        Columns of `ROW`: `map_pearson`, the mean over the distances of a stratum (item) of
        Pearson's r of log O/E at one distance, of the prediction (method `model`) and of the map
        itself (`counts`) with the simulated map, over the same n pairs: both predicted and covered.
        All are brought to the counts of the map at each distance. Strata that a model does not
        predict to their end, and chromosomes without what was held out, are left out.
    """
    limit = int(STRATUM_EDGES[N_STRATA])
    if source.max_distance is not None:
        limit = min(limit, distance_bins(source.max_distance, observed.resolution))
    counted = ObservedMap(observed, observed.sample)
    sums = {"model": DistanceSums(limit), "counts": DistanceSums(limit)}
    for chrom in observed.chromnames:
        inside = rows_in(observed, chrom, source.held_out)
        if not inside.any():
            continue
        n, depth = len(inside), min(limit, len(inside))
        j = np.minimum(np.arange(depth)[:, None] + np.arange(n), n - 1)
        bands = {
            "model": read_band(source, chrom, n, depth),
            "counts": read_band(counted, chrom, n, depth),
            "truth": expected_contacts(plan, chrom, observed.resolution, visible=False)[:depth],
        }
        known = np.logical_and.reduce([np.isfinite(band) for band in bands.values()])
        known &= inside & inside[j]
        means = {name: _means(band, known) for name, band in bands.items()}
        expected = np.broadcast_to(means["counts"], known.shape)
        scaled = {
            name: np.where(known, band * expected / np.maximum(means[name], 1e-300), np.nan)
            for name, band in bands.items()
        }
        for name, own in sums.items():
            own.add(scaled[name], scaled["truth"], expected, expected, expected, expected)
    strata = list(zip(STRATA, itertools.pairwise(STRATUM_EDGES)))[:N_STRATA]
    rows = []
    for stratum, (lo, hi) in strata:
        for name, own in sums.items() if hi <= limit else []:
            part = own.sums[lo:hi]
            r = float(mean_correlation(part[None])[0])
            rows.append(("map_pearson", stratum, name, r, np.nan, int(part[:, 0].sum())))
    return pd.DataFrame(rows, columns=ROW)


def anchor_bins(plan: Plan, bins: Bins) -> np.ndarray:
    """Unmasked bins that hold an end of a simulated loop, (n_bins,), bool."""
    loops = find_loops(plan)
    ends = pd.concat(
        loops[[f"chrom{k}", f"start{k}", f"end{k}"]].set_axis(["chrom", "start", "end"], axis=1)
        for k in (1, 2)
    )
    return bins_overlapping(ends, bins.table) & ~bins.masked


def area_under_curve(score: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve; NaN scores are left out, ties count half; NaN for one class."""
    known = np.isfinite(score)
    positive = positive[known]
    if positive.all() or not positive.any():
        return float("nan")
    return float(roc_auc_score(positive, score[known]))


def knock_out_and_simulate(
    source: MapSource,
    observed: NormalizedMap,
    plan: Plan,
    bins: np.ndarray,
    *,
    reach: int = KNOCKOUT_REACH,
) -> pd.DataFrame:
    """Knock out single bins by every method; simulate the genome without their CTCF sites.

    Parameters
    ----------
    source : MapSource
        An editable one.
    observed : NormalizedMap
    plan : Plan
        Of the map's genome.
    bins : ndarray, int
        Genome-wide bin numbers.
    reach : int
        Pairs nearer than this, bp.

    Returns
    -------
    DataFrame
        One row per bin, one column per method (and `simulated`) and kind of pairs, such as
        `average, own`: relative change of summed contact strength of the pairs across the bin
        (`all`), of its own pairs (`own`), of those that only span it (`spanning`). NaN without
        pairs: `shift` removes the bin's own.
    """
    rows, table, resolution = [], source.bins.table, source.bins.resolution
    for site in bins:
        row = {}
        for method in KNOCKOUT_METHODS:
            (edit,) = knockouts(table.iloc[[site]], method=method)
            prediction = predict_edit(source, lay_out_for(source, edit), flank=reach)
            maps = {method: (prediction.wild_type, prediction.on_reference)}
            if method == "average":
                positions = prediction.bins - source.bins.extent(edit.chrom)[0]
                without = remove_sites(plan, edit.chrom, edit.start, edit.end)
                options = edit.chrom, resolution, positions, observed.ignore_diags
                maps["simulated"] = intensities(plan, *options), intensities(without, *options)
            known = np.logical_and.reduce([np.isfinite(m) for pair in maps.values() for m in pair])
            left, right = prediction.bins[:, None], prediction.bins[None, :]
            across = known & (left <= site) & (right >= site)
            across &= (right - left) * resolution < reach
            own = across & ((left == site) | (right == site))
            for name, (wild_type, edited) in maps.items():
                for part, pairs in (("all", across), ("own", own), ("spanning", across & ~own)):
                    total = wild_type[pairs].sum()
                    change = edited[pairs].sum() / total - 1 if total > 0 else np.nan
                    row[f"{name}, {part}"] = change
        rows.append(row)
    return pd.DataFrame(rows)


def _means(band: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Mean of the known pairs of each distance, (D, 1); 0 where there are none."""
    return np.where(known, band, 0).sum(axis=1, keepdims=True) / np.maximum(
        known.sum(axis=1, keepdims=True), 1
    )


def _judge_attribution(model, observed, anchors):
    scores = {
        name: np.full(len(model.bins), np.nan)
        for name in ("between", "contrast", "score", "degree", "insulation", "eigenvector")
    }
    rows = []
    for chrom in model.chromnames:
        at = slice(*model.extent(chrom))
        near = attribute_chromosome(model, chrom, max_distance=ANCHOR_DISTANCE)
        scores["between"][at] = -near.between  # a barrier takes from the pairs that span it
        scores["contrast"][at] = contrast_directions(near.row, near.column)
        scores["score"][at] = near.score
        pixels, n = observed.pixels(chrom), len(model.mask(chrom))
        degree = sum(np.bincount(pixels[end], pixels["count"], minlength=n) for end in "ij")
        scores["degree"][at] = np.where(model.mask(chrom), np.nan, degree)
        band = observed.band(chrom, 0, n, max_dist=2 * WINDOW_BINS + 1)
        scores["insulation"][at] = -score_diamonds(band, ignore_diags=observed.ignore_diags)
        scores["eigenvector"][at] = _leading_eigenvector(pixels, model.mask(chrom))
        whole = attribute_chromosome(model, chrom)
        rows.append(("completeness_error", chrom, "model", whole.completeness_error, np.nan, n))
    for name, score in scores.items():
        area = area_under_curve(score, anchors)
        if name in ("degree", "eigenvector"):
            area = max(area, 1 - area)
        rows.append(("anchor_auroc", "all", name, area, np.nan, anchors.sum()))
    return pd.DataFrame(rows, columns=ROW)


def _leading_eigenvector(pixels, mask):
    """Leading eigenvector of observed/expected - 1 among unmasked bins, (n,); NaN = masked."""
    n, open_bins = len(mask), np.flatnonzero(~mask)
    matrix = np.zeros((n, n))
    matrix[pixels["i"], pixels["j"]] = pixels["oe"]
    matrix = (matrix + matrix.T)[np.ix_(open_bins, open_bins)] - 1
    vector = np.full(n, np.nan)
    vector[open_bins] = eigsh(matrix, k=1, which="LA", v0=np.ones(len(open_bins)))[1][:, 0]
    return vector


def _judge_edits(sources, observed, plan, n_edits, seed):
    """Rows of each mode; an edit is simulated once for all modes that predict the same bins."""
    tables: dict[str, list[pd.DataFrame]] = {mode: [] for mode in sources}
    for edit in draw_edits(plan, observed.bins, n_edits=n_edits, seed=seed):
        truths: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}
        for mode, source in sources.items():
            prediction = predict_edit(source, lay_out_for(source, edit))
            window = prediction.bins.tobytes()
            if window not in truths:
                truths[window] = simulate_change(prediction, observed, plan)
            scored = score_changes(prediction, observed, truths[window])
            tables[mode].append(scored[scored["scale"] == "log2"])
    return [summarise_edits(pd.concat(own), mode) for mode, own in tables.items()]


def summarise_edits(scored: pd.DataFrame, mode: str) -> pd.DataFrame:
    """Rows `edit_pearson` of one mode, see `judge_model`.

    Parameters
    ----------
    scored : DataFrame
        edit, kind, method, pearson (NaN = undefined): `score_changes` of all edits at one scale.
    mode : str
        Mode of the predictions; the rules that need no model are held against `lifted` alone.

    Returns
    -------
    DataFrame
        Columns of `ROW`.
    """
    rows = []
    for kind, table in scored.groupby("kind", sort=False):
        pearson = {m: own.set_index("edit")["pearson"] for m, own in table.groupby("method")}
        own = pearson.pop("model")
        rows.append(("edit_pearson", kind, f"model, {mode}", own.median(), np.nan, len(own)))
        for method, others in pearson.items() if mode == "lifted" else []:
            known, gain = others.dropna(), own - others.fillna(0)
            p = wilcoxon(gain, alternative="greater").pvalue if gain.any() else np.nan
            value = known.median() if len(known) else np.nan
            rows.append(("edit_pearson", kind, method, value, p, len(own)))
    return pd.DataFrame(rows, columns=ROW)


def _judge_knockouts(source, observed, plan, anchors, max_sites, rng):
    strong = plan.sites[plan.sites["strength"] > STRONG]
    groups = {
        "random": ~source.bins.masked,
        "anchors": anchors,
        "strong anchors": anchors & bins_overlapping(strong, source.bins),
    }
    effects = {}
    for name, members in groups.items():
        bins = np.sort(rng.permutation(np.flatnonzero(members))[:max_sites])
        effects[name] = knock_out_and_simulate(source, observed, plan, bins)
    return summarise_knockouts(effects)


def summarise_knockouts(effects: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Rows `knockout_change` and `knockout_pearson`, see `judge_model`.

    Parameters
    ----------
    effects : mapping of str to DataFrame
        `knock_out_and_simulate` of the groups `random`, `anchors` and `strong anchors`.

    Returns
    -------
    DataFrame
        Columns of `ROW`.
    """
    rows = []
    for name, table in effects.items():
        for column in table:
            own, null = table[column].dropna(), effects["random"][column].dropna()
            if not len(own):
                continue
            method, part = column.split(", ")
            p, side = np.nan, "greater" if part == "spanning" else "less"
            if name != "random":
                p = mannwhitneyu(own, null, alternative=side).pvalue
            elif own.any():
                p = wilcoxon(own, alternative=side).pvalue
            rows.append(("knockout_change", f"{name}, {part}", method, own.mean(), p, len(own)))
    table = effects["strong anchors"]
    for method in KNOCKOUT_METHODS:
        for part in ("all", "own", "spanning"):
            pair = table[[f"{method}, {part}", f"simulated, {part}"]].dropna()
            if len(pair) > 2 and (pair.std() > 0).all():
                r = pearsonr(pair.iloc[:, 0], pair.iloc[:, 1])
                item = f"strong anchors, {part}"
                rows.append(("knockout_pearson", item, method, r.statistic, r.pvalue, len(pair)))
    return pd.DataFrame(rows, columns=ROW)
