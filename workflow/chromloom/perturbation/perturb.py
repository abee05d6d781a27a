"""From an edits file to folders of maps and tables: what the rule `perturb_map` calls."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cooler
import numpy as np
import pandas as pd

from chromloom.analysis.insulation import log2_over_median, mean_diamonds
from chromloom.edits.bins import lift_table
from chromloom.edits.read import fit_bins, read_rows, skipped_table, summary
from chromloom.errors import InputError
from chromloom.evaluation import scc
from chromloom.files import atomic_path, read_tsv, write_tsv
from chromloom.genome.intervals import read_intervals
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.probability import PSEUDOCOUNT
from chromloom.perturbation.predict import FLANK, InEdited, Prediction, predict_edit
from chromloom.prediction.open import open_source
from chromloom.prediction.source import MapSource, lay_out_for, require_editable

logger = logging.getLogger(__name__)

CHANGES = ("mean_abs_difference", "mean_log2_change")
WINDOWS = {"200kb": 200_000, "1Mb": 1_000_000, "2Mb": 2_000_000}
TABLE_COLUMNS = [
    "sample",
    "resolution",
    "norm",
    "model",
    "edit",
    "kind",
    "region",
    "metric",
    "value",
    "ci_low",
    "ci_high",
]


def perturb(
    model_dir: str | Path,
    map_path: str | Path,
    edits_path: str | Path,
    out_dir: str | Path,
    *,
    edit: str | None = None,
    flank: int = FLANK,
    mode: str = "lifted",
    motifs_path: str | Path | None = None,
    loops: pd.DataFrame | None = None,
    name: str | None = None,
    device: str = "cpu",
) -> None:
    """Predict every edit of a file and write what came out.

    Parameters
    ----------
    model_dir : str or Path
        Trained model.
    map_path : str or Path
        Normalised map that it was trained on.
    edits_path : str or Path
        See `edits.read.read_rows`.
    out_dir : str or Path
        Gets one folder per edit (an older one of that name is replaced):
        `wild_type.mcool` and `difference.mcool` (reference coordinates; edited minus wild type),
        `edited.mcool` (coordinates of the edited chromosome, `{chrom}_{kind}`),
        `edited_on_reference.mcool` (mapped back, summed over copies), all with contact strength in
        the pixel column `count` (float32) for the region within `flank` of the edit and the
        coordinate system in the metadata; `lift.tsv`; `summary.tsv`; `virtual_4c.tsv`;
        `insulation.tsv`; `loops.tsv`; `maps.tsv` (see `map_table`). And `perturbation.tsv`, the
        summaries of all edits, and `skipped.tsv`, what was left out of the file (both not
        written when one is picked).
    edit : str, optional
        Only the edit of this name.
    flank : int
        bp each side of an edit.
    mode : {"lifted", "affinity", "released"}
        See `prediction.hiclstm.HiCLSTMMap`.
    motifs_path : str or Path, optional
        BED6 of CTCF motifs; needed for orientation edits.
    loops : DataFrame, optional
        chrom, start, end, start2, end2 of loops whose change is written.
    name : str, optional
        Of the model in the tables; by default see `prediction.open.open_source`.
    device : str
        auto, cpu or cuda.

    Raises
    ------
    InputError
        An edit that cannot be read or laid out; nothing is written then.
    """
    bins = NormalizedMap(map_path).bins
    rows = read_rows(edits_path, chromsizes=bins.chromsizes)
    rows = fit_bins(rows, bins.chromsizes, bins.resolution)
    edits = [row.edit for row in rows if row.edit and edit in (None, row.edit.edit)]
    if edit is None:
        logger.info("%s: %s", edits_path, summary(rows))
        if not edits:
            raise InputError(
                f"{edits_path}: none of its records is an edit that bins of {bins.resolution} bp "
                f"can show ({summary(rows)}); take a finer map or other edits"
            )
    elif not edits:
        raise InputError(f"{edits_path} has no edit '{edit}'; correct the name")
    motifs = None
    if motifs_path is not None and any(one.kind == "orientation" for one in edits):
        sizes = bins.chromsizes
        motifs = read_intervals(motifs_path, "bed", sizes, what="file of motifs")
    source = require_editable(
        open_source(model_dir, map_path, name=name, device=device, mode=mode, motifs=motifs)
    )
    layouts = [lay_out_for(source, one) for one in edits]
    for layout in layouts:  # what cannot be predicted is told before anything is written
        for chromosome in layout.chromosomes:
            source.layout(chromosome)
    tables = []
    for one, layout in zip(edits, layouts):
        prediction = predict_edit(source, layout, flank=flank)
        table = summarise(prediction, source)
        write_prediction(
            prediction, source, Path(out_dir) / one.edit, table, mode=mode, loops=loops
        )
        tables.append(table)
        logger.info(
            "%s: %d of %d pairs predicted anew, mean |change| within 2 Mb %.3g",
            one.edit,
            prediction.n_predicted,
            sum(np.isfinite(own.values).sum() for own in prediction.chromosomes),
            table.set_index("metric")["value"]["mean_abs_difference_2Mb"],
        )
    if edit is None:
        write_tsv(pd.concat(tables), Path(out_dir) / "perturbation.tsv")
        write_tsv(skipped_table(rows), Path(out_dir) / "skipped.tsv")


def summarise(prediction: Prediction, source: MapSource) -> pd.DataFrame:
    """Effect of an edit in numbers.

    Parameters
    ----------
    prediction : Prediction
    source : MapSource
        What predicted it.

    Returns
    -------
    DataFrame
        Columns of `TABLE_COLUMNS`; ci_low and ci_high are NaN until seeds are joined
        (`rank_edits`). Metrics, over pairs known in both maps: `n_pairs`;
        `mean_abs_difference_{window}` (contact strength) and `mean_log2_change_{window}`
        (log2((edited + 0.5) / (wild type + 0.5))) over pairs nearer than the window;
        `insulation_change` (mean |change| of the log2 insulation score within 200 kb of the edit)
        and `scc` (HiCRep's, edited against wild type). NaN where no pair is known.
    """
    edit, resolution = prediction.edited.edit, source.bins.resolution
    wild_type, edited = prediction.wild_type, prediction.on_reference
    known = np.isfinite(wild_type) & np.isfinite(edited)
    dist = prediction.bins[None, :] - prediction.bins[:, None]
    metrics: dict[str, float] = {"n_pairs": float(known.sum())}
    for label, window in WINDOWS.items():
        near = known & (dist * resolution < window)
        if not near.any():
            metrics |= {f"{name}_{label}": np.nan for name in CHANGES}
            continue
        change = edited[near] - wild_type[near]
        ratio = (edited[near] + PSEUDOCOUNT) / (wild_type[near] + PSEUDOCOUNT)
        metrics[f"mean_abs_difference_{label}"] = float(np.abs(change).mean())
        metrics[f"mean_log2_change_{label}"] = float(np.log2(ratio).mean())
    scores = insulation(prediction, source)
    beside = (scores["end"] > edit.start - WINDOWS["200kb"]) & (
        scores["start"] < edit.end + WINDOWS["200kb"]
    )
    metrics["insulation_change"] = float(
        (scores["edited"] - scores["wild_type"])[beside].abs().mean()
    )
    metrics["scc"] = _scc(contiguous_bands(prediction, source)[1], resolution)
    table = pd.DataFrame(
        {
            "sample": source.sample,
            "resolution": resolution,
            "norm": source.norm,
            "model": source.name,
            "edit": edit.edit,
            "kind": edit.kind,
            "region": f"{edit.chrom}:{edit.start}-{edit.end}",
            "metric": list(metrics),
            "value": list(metrics.values()),
            "ci_low": np.nan,
            "ci_high": np.nan,
        }
    )
    return table[TABLE_COLUMNS]


def rank_edits(
    summaries: list[str | Path], out: str | Path, *, by: str = "mean_abs_difference_2Mb"
) -> None:
    """Join the summaries of models of several seeds into one table, strongest edit first.

    Parameters
    ----------
    summaries : list of path
        `perturbation.tsv` or `summary.tsv` files of any number of edits and seeds; the table has
        the model's name of the first.
    out : path
        Columns of `TABLE_COLUMNS`: value is the mean over seeds, ci_low and ci_high its 95 % t
        interval (NaN for one seed).
    by : str
        Metric that edits are ranked by, highest first.
    """
    from scipy.stats import t

    table = pd.concat([read_tsv(path) for path in summaries])
    if by not in set(table["metric"]):
        raise InputError(
            f"metric '{by}' is not in {summaries[0]}; it has {', '.join(table['metric'].unique())}"
        )
    table["model"] = table["model"].iloc[0]
    keys = [column for column in TABLE_COLUMNS if column not in ("value", "ci_low", "ci_high")]
    seeds = table.groupby(keys, sort=False)["value"]
    joined = seeds.mean().reset_index()
    n = seeds.count().to_numpy()
    half = t.ppf(0.975, np.maximum(n - 1, 1)) * seeds.std().to_numpy() / np.sqrt(np.maximum(n, 1))
    joined["ci_low"], joined["ci_high"] = joined["value"] - half, joined["value"] + half
    effect = joined[joined["metric"] == by].groupby("edit")["value"].max()
    order = (-joined["edit"].map(effect)).argsort(kind="stable")
    write_tsv(joined.iloc[order][TABLE_COLUMNS], out)


def write_prediction(
    prediction: Prediction,
    source: MapSource,
    folder: str | Path,
    summary: pd.DataFrame,
    *,
    mode: str = "lifted",
    loops: pd.DataFrame | None = None,
) -> None:
    """Write one edit's folder; see `perturb`."""
    edit, resolution = prediction.edited.edit, source.bins.resolution
    lift, shown = _one_below_another(prediction.chromosomes, source)
    about = {
        "edit": edit.edit,
        "kind": edit.kind,
        "mode": mode,
        "sample": source.sample,
        "pixels": "contact strength, scale of counts; pairs that are absent are unknown or 0",
    }
    reference = {**about, "coordinates": f"reference ({source.assembly})"}
    names = " and ".join(lift["chrom"].unique())
    changed = {**about, "coordinates": f"edited chromosome {names}, see lift.tsv"}
    reference_bins = source.bins[["chrom", "start", "end"]]
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        maps = {
            "wild_type": (prediction.wild_type, reference_bins, prediction.bins, reference),
            "edited_on_reference": (
                prediction.on_reference,
                reference_bins,
                prediction.bins,
                reference,
            ),
            "difference": (prediction.difference, reference_bins, prediction.bins, reference),
            "edited": (
                shown.values,
                lift[["chrom", "start", "end"]],
                shown.positions,
                changed,
            ),
        }
        for name, (values, bins, index, metadata) in maps.items():
            write_window(values, bins, index, temporary / f"{name}.mcool", resolution, metadata)
        write_tsv(lift, temporary / "lift.tsv")
        write_tsv(summary, temporary / "summary.tsv")
        write_tsv(virtual_4c(prediction, source), temporary / "virtual_4c.tsv")
        write_tsv(insulation(prediction, source), temporary / "insulation.tsv")
        write_tsv(loop_changes(prediction, source, loops), temporary / "loops.tsv")
        write_tsv(
            map_table(
                replace(prediction, positions=shown.positions, in_edited=shown.values),
                reference_bins.iloc[prediction.bins],
                lift.iloc[shown.positions],
            ),
            temporary / "maps.tsv",
        )


def _one_below_another(
    chromosomes: Sequence[InEdited], source: MapSource
) -> tuple[pd.DataFrame, InEdited]:
    """The lift table of several edited chromosomes, and one map of them in its rows."""
    tables = [lift_table(one.edited, source.bins) for one in chromosomes]
    starts = np.cumsum([0, *map(len, tables)])
    positions = np.concatenate([one.positions + lo for one, lo in zip(chromosomes, starts)])
    ends = np.cumsum([0, *(len(one.positions) for one in chromosomes)])
    values = np.full((ends[-1], ends[-1]), np.nan)
    for one, lo, hi in zip(chromosomes, ends, ends[1:]):
        values[lo:hi, lo:hi] = one.values
    lift = pd.concat(tables, ignore_index=True)
    copies = lift.groupby(["ref_chrom", "ref_start"], sort=False).cumcount() + 1
    return lift.assign(copy=copies), InEdited(chromosomes[0].edited, positions, values)


def map_table(prediction: Prediction, bins: pd.DataFrame, lift: pd.DataFrame) -> pd.DataFrame:
    """The three maps of an edit that a picture shows, one row per pair of bins of the window.

    Parameters
    ----------
    prediction : Prediction
    bins : DataFrame
        chrom, start of the window's reference bins.
    lift : DataFrame
        chrom, start of its positions on the edited chromosome.

    Returns
    -------
    DataFrame
        map (`wild type`, `edited`, on the edited chromosome, and `difference`, on the reference),
        chrom1, start1, chrom2, start2, value, float32 (contact strength; of `difference`
        log2((edited + 0.5) / (wild type + 0.5)); NaN = unknown). Each map has every pair of its
        bins once, the diagonal too, row by row.
    """
    wild_type, on_reference = prediction.wild_type, prediction.on_reference
    change = np.log2((on_reference + PSEUDOCOUNT) / (wild_type + PSEUDOCOUNT))
    tables = []
    for name, values, rows in (
        ("wild type", wild_type, bins),
        ("edited", prediction.in_edited, lift),
        ("difference", change, bins),
    ):
        i, j = np.triu_indices(len(rows))
        chrom, start = rows["chrom"].astype(str).to_numpy(), rows["start"].to_numpy()
        columns = {"chrom1": chrom[i], "start1": start[i], "chrom2": chrom[j], "start2": start[j]}
        tables.append(
            pd.DataFrame({"map": name, **columns, "value": values[i, j].astype(np.float32)})
        )
    return pd.concat(tables, ignore_index=True)


def virtual_4c(prediction: Prediction, source: MapSource) -> pd.DataFrame:
    """Contacts of the bins beside the edit with all bins of the window.

    Returns
    -------
    DataFrame
        viewpoint ("chrom:start-end", the last unmasked bin left of the edit and the first right of
        it), chrom, start, end, wild_type, edited (contact strength, reference coordinates).
    """
    edit, resolution = prediction.edited.edit, source.bins.resolution
    first, _ = source.bins.extent(edit.chrom)
    bins = source.bins.table.iloc[prediction.bins].reset_index(drop=True)
    lo, hi = first + edit.start // resolution, first - (-edit.end // resolution)
    open_bins = prediction.bins[~bins["masked"].to_numpy()]
    tables = []
    for viewpoint in [*open_bins[open_bins < lo][-1:], *open_bins[open_bins >= hi][:1]]:
        k = int(np.searchsorted(prediction.bins, viewpoint))
        profiles = [np.fmax(m[k], m[:, k]) for m in (prediction.wild_type, prediction.on_reference)]
        name = f"{bins['chrom'][k]}:{bins['start'][k]}-{bins['end'][k]}"
        tables.append(
            bins[["chrom", "start", "end"]].assign(
                viewpoint=name, wild_type=profiles[0], edited=profiles[1]
            )
        )
    columns = ["viewpoint", "chrom", "start", "end", "wild_type", "edited"]
    return pd.concat(tables)[columns] if tables else pd.DataFrame(columns=columns)


def insulation(prediction: Prediction, source: MapSource) -> pd.DataFrame:
    """Insulation along the reference before and after.

    Returns
    -------
    DataFrame
        chrom, start, end of the run of bins around the edit; wild_type, edited (log2 diamond score
        of 10 bins, both over the median of the unedited window; NaN where there are too few pairs).
    """
    run, bands = contiguous_bands(prediction, source)
    wild_type, edited = (mean_diamonds(band, ignore_diags=source.ignore_diags) for band in bands)
    bins = source.bins[["chrom", "start", "end"]].iloc[run].reset_index(drop=True)
    return bins.assign(
        wild_type=log2_over_median(wild_type, wild_type), edited=log2_over_median(edited, wild_type)
    )


def loop_changes(
    prediction: Prediction, source: MapSource, loops: pd.DataFrame | None
) -> pd.DataFrame:
    """Contact strength of loops before and after.

    Parameters
    ----------
    prediction : Prediction
    source : MapSource
    loops : DataFrame or None
        chrom, start, end, start2, end2; those whose ends lie in the window are kept.

    Returns
    -------
    DataFrame
        chrom, start, end, start2, end2, wild_type, edited (mean contact strength of the pairs of
        both ends' bins, reference coordinates; NaN where none is known, as in a deletion),
        log2_change. Strongest loss first, unknown last.
    """
    columns = ["chrom", "start", "end", "start2", "end2"]
    rows = []
    for loop in [] if loops is None else loops[columns].itertuples(index=False):
        if loop.chrom not in source.bins.chromnames or loop.start2 < 0:
            continue
        first, _ = source.bins.extent(loop.chrom)
        ends = [
            np.flatnonzero(
                (prediction.bins >= first + start // source.bins.resolution)
                & (prediction.bins < first - (-end // source.bins.resolution))
            )
            for start, end in ((loop.start, loop.end), (loop.start2, loop.end2))
        ]
        if not all(map(len, ends)):
            continue
        values = [m[np.ix_(*ends)] for m in (prediction.wild_type, prediction.on_reference)]
        known = np.isfinite(values[0])
        after = known & np.isfinite(values[1])
        rows.append(
            (
                *loop,
                values[0][known].mean() if known.any() else np.nan,
                values[1][after].mean() if after.any() else np.nan,
            )
        )
    table = pd.DataFrame(rows, columns=[*columns, "wild_type", "edited"])
    table["log2_change"] = np.log2(
        (table["edited"].astype(float) + PSEUDOCOUNT)
        / (table["wild_type"].astype(float) + PSEUDOCOUNT)
    )
    return table.sort_values("log2_change", ignore_index=True)


def write_window(
    values: np.ndarray,
    bins: pd.DataFrame,
    index: np.ndarray,
    path: str | Path,
    resolution: int,
    metadata: dict,
) -> None:
    """Write a dense window as a multi-resolution cooler.

    Parameters
    ----------
    values : ndarray, (k, k), float
        Upper triangle; NaN and 0 are not stored.
    bins : DataFrame
        chrom, start, end of all bins of the file.
    index : ndarray, (k,), int
        Bin of every row and column, ascending.
    path : str or Path
        `.mcool`.
    resolution : int
    metadata : dict
        Goes into the file.
    """
    i, j = np.nonzero(np.nan_to_num(values))
    pixels = pd.DataFrame(
        {"bin1_id": index[i], "bin2_id": index[j], "count": values[i, j].astype(np.float32)}
    )
    with atomic_path(path) as temporary:
        base = temporary.with_suffix(".cool")
        cooler.create_cooler(
            str(base), bins, pixels, dtypes={"count": np.float32}, ordered=True, metadata=metadata
        )
        cooler.zoomify_cooler(
            str(base),
            str(temporary),
            [resolution * f for f in (1, 2, 5, 10)],
            chunksize=10_000_000,
            dtypes={"count": np.float32},
        )
        base.unlink()


def contiguous_bands(
    prediction: Prediction, source: MapSource
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The run of reference bins around an edit, and both maps on it in band layout.

    As `contiguous_maps`, but for the layout.
    """
    bins, maps = contiguous_maps(prediction, source)
    return bins, [_band(square) for square in maps]


def contiguous_maps(
    prediction: Prediction, source: MapSource
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The run of reference bins around an edit, and both maps on it.

    Returns
    -------
    bins : ndarray, (n,), int64
        Genome-wide numbers.
    maps : list of ndarray, (n, n), float64
        Wild type, edited on the reference; upper triangle.
    """
    first, last = source.bins.extent(prediction.edited.edit.chrom)
    bins = prediction.bins
    near = int(
        np.clip(
            np.searchsorted(bins, first + prediction.edited.edit.start // source.bins.resolution),
            0,
            len(bins) - 1,
        )
    )
    breaks = np.flatnonzero((np.diff(bins) != 1) | (bins[1:] == first) | (bins[1:] == last)) + 1
    edges = np.concatenate([[0], breaks, [len(bins)]])
    k = np.searchsorted(edges, near, side="right") - 1
    run = slice(edges[k], edges[k + 1])
    return bins[run], [m[run, run] for m in (prediction.wild_type, prediction.on_reference)]


def _band(square):
    """(n_dist, n): [d, i] is the pair (i, i + d); NaN beyond the end."""
    n = len(square)
    band = np.full((n, n), np.nan)
    for d in range(n):
        band[d, : n - d] = np.diagonal(square, d)
    return band


def _scc(bands, resolution):
    n_dist, n = bands[0].shape
    h = min(scc.smoothing_half_width(resolution), (n_dist - 1) // 4)
    known = np.isfinite(bands[0]) & np.isfinite(bands[1])
    x, y = (scc.smooth(np.where(known, band, np.nan), h) for band in bands)
    numerator, denominator, _ = scc.scc_terms(x, y, np.zeros(n, int), np.ones((1, 1)))
    return float(numerator.sum() / denominator.sum()) if denominator.sum() else np.nan
