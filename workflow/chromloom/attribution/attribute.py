"""From a trained model to importance tracks: what the rule `attribute` calls."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.attribution.integrated import Attribution, integrate_gradients
from chromloom.attribution.scores import contrast_directions, min_max_signed, z_score
from chromloom.errors import InputError
from chromloom.files import atomic_path
from chromloom.models.trained import TrainedModel
from chromloom.representations.neutral import average_neighbours
from chromloom.signals.tracks import write_bigwig

logger = logging.getLogger(__name__)

BASELINES = ("mean", "local", "zero", "padding")


def attribute(
    model_dir: str | Path,
    out_bw: str | Path,
    out_parquet: str | Path,
    *,
    out_normalised_bw: str | Path | None = None,
    out_raw_bw: str | Path | None = None,
    chroms: list[str] | None = None,
    baseline: str = "mean",
    min_distance: int = 0,
    max_distance: int = 0,
    squared: bool = False,
    tolerance: float = 0.01,
    device: str = "cpu",
) -> pd.DataFrame:
    """Attribute a trained model's predicted map to its bins and write the tracks.

    Parameters
    ----------
    model_dir : str or Path
        Trained model.
    out_bw : str or Path
        bigWig of the part that tells boundaries and anchors best: `between`, low at them, where the
        model has barriers, else `normalised`. Which it is, is logged.
    out_parquet : str or Path
        One row per bin of the genome: chrom, start, end, masked, row, column, between, score (the
        sum of the three), normalised (article, eq. 5, over the genome), z (over the genome),
        contrast (see `contrast_directions`); float32, NaN = masked or chromosome not asked for.
    out_normalised_bw : str or Path, optional
        bigWig of `normalised`, which goes from -1 to 1.
    out_raw_bw : str or Path, optional
        bigWig of `score`.
    chroms : list of str, optional
        Chromosomes; all by default.
    baseline : {"mean", "local", "zero", "padding"}
        Where the path starts: the chromosome's mean representation, the mean of the 10 bins each
        side of every bin (what an average knockout puts there: compartments drop out), zeros, or
        (`released`) the padding vector.
    min_distance, max_distance : int
        Only pairs within this distance window count, bp, half-open; `max_distance` 0 is no limit.
    squared : bool
        Sum the square of the predicted target ("signal strength").
    tolerance : float
        Completeness error to reach, relative.
    device : str
        auto, cpu or cuda.

    Returns
    -------
    DataFrame
        chrom, total, baseline_total, completeness_error, n_steps; one row per chromosome. Also
        logged.

    Raises
    ------
    InputError
        Unknown baseline, a chromosome the model lacks, an empty distance window.
    """
    model = TrainedModel.load(model_dir, device)
    chroms = model.chromnames if chroms is None else chroms
    if max_distance and max_distance <= min_distance:
        raise InputError(
            f"distance window {min_distance}-{max_distance} bp is empty; max_distance "
            "must be above min_distance, or 0 for no limit"
        )
    tracks = model.bins[["chrom", "start", "end", "masked"]].copy()
    for column in ("row", "column", "between", "score", "contrast"):
        tracks[column] = np.nan
    rows = []
    for chrom in chroms:
        result = attribute_chromosome(
            model,
            chrom,
            baseline=baseline,
            min_distance=min_distance,
            max_distance=max_distance,
            squared=squared,
            tolerance=tolerance,
        )
        at = tracks.index[slice(*model.extent(chrom))]
        for column in ("row", "column", "between", "score"):
            tracks.loc[at, column] = getattr(result, column)
        tracks.loc[at, "contrast"] = contrast_directions(result.row, result.column)
        error = result.completeness_error
        logger.log(
            logging.INFO if error <= tolerance else logging.WARNING,
            "%s: completeness error of integrated gradients %.2g (%d steps; scalar %.6g, at the "
            "baseline %.6g)",
            chrom,
            error,
            result.n_steps,
            result.total,
            result.baseline_total,
        )
        rows.append((chrom, result.total, result.baseline_total, error, result.n_steps))
    tracks["normalised"] = min_max_signed(tracks["score"])
    tracks["z"] = z_score(tracks["score"])
    values = ["row", "column", "between", "score", "normalised", "z", "contrast"]
    tracks[values] = tracks[values].astype(np.float32)
    chromsizes = tracks.groupby("chrom", sort=False)["end"].max()
    with atomic_path(out_parquet) as temporary:
        tracks.to_parquet(temporary, index=False)
    # A model without barriers attributes nothing to the bins between those of a pair.
    shown = "between" if tracks["between"].fillna(0).any() else "normalised"
    logger.info("%s has the column %s", out_bw, shown)
    for column, path in (
        (shown, out_bw), ("normalised", out_normalised_bw), ("score", out_raw_bw),
    ):  # fmt: skip
        if path is not None:
            write_bigwig(tracks, column, path, chromsizes)
    return pd.DataFrame(
        rows, columns=["chrom", "total", "baseline_total", "completeness_error", "n_steps"]
    )


def attribute_chromosome(
    model: TrainedModel,
    chrom: str,
    *,
    baseline: str = "mean",
    min_distance: int = 0,
    max_distance: int = 0,
    squared: bool = False,
    tolerance: float = 0.01,
    n_steps: int = 16,
) -> Attribution:
    """Integrated gradients of one chromosome of a trained model; parameters as for `attribute`."""
    R, mask = model.representation(chrom), model.mask(chrom)

    def block(rows, columns, between, lo, hi, d0, d1):
        return model.predict_torch(chrom, rows, lo, hi, d0, d1, columns=columns, between=between)

    resolution = model.resolution
    return integrate_gradients(
        block,
        R,
        mask,
        baseline=_baseline(model, R, baseline),
        min_dist=max(model.ignore_diags, -(-min_distance // resolution)),
        max_dist=-(-max_distance // resolution) if max_distance else None,
        squared=squared,
        tolerance=tolerance,
        n_steps=n_steps,
        frame=model.frame or len(mask),
    )


def _baseline(model, R, name):
    if name == "mean":
        return np.nanmean(R, axis=0)
    if name == "local":
        return average_neighbours(R, np.isnan(R).any(axis=1))
    if name == "zero":
        return np.zeros(R.shape[1], np.float32)
    if name not in BASELINES:
        raise InputError(f"baseline '{name}' is unknown; use one of {', '.join(BASELINES)}")
    if model.padding is None:
        raise InputError(
            f"model '{model.name}' has no padding vector, only hiclstm-released has; use baseline "
            "mean or zero"
        )
    return model.padding
