"""Predictions of an edit beside a map that was measured after it (article, Figs. 7c, d and 9).

The edited map is seen on the reference, with the dosage that the edit gave it: its counts take the
weights of the map *before* the edit, since balancing it by itself would divide copies away, and one
factor that gives the pairs which the edit leaves alone the same sum in both maps.
"""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.edits.read import read_edits
from chromloom.errors import InputError
from chromloom.files import write_tsv
from chromloom.genome.intervals import read_intervals
from chromloom.normalize.maps import NormalizedMap, read_cis_pixels
from chromloom.normalize.probability import PSEUDOCOUNT, contact_probability
from chromloom.perturbation.predict import FLANK, Prediction, predict_edit
from chromloom.perturbation.simple import baselines
from chromloom.prediction.open import open_source
from chromloom.prediction.source import lay_out_for

logger = logging.getLogger(__name__)

PARTS = ("upstream", "edit", "downstream")
COARSE_BINS = 5
SCORES = [
    "method",
    "part",
    "n_pairs",
    "pearson_change",
    "pearson_change_coarse",
    "pearson_after",
    "mse_cp",
]


def compare_with_observed(
    model_dir: str | Path,
    map_path: str | Path,
    edited_map_path: str | Path,
    edits_path: str | Path,
    out: str | Path,
    *,
    edit: str,
    flank: int = FLANK,
    mode: str = "lifted",
    motifs_path: str | Path | None = None,
    device: str = "cpu",
) -> pd.DataFrame:
    """Score the prediction of an edit, and rules that need no model, on an observed edited map.

    Parameters
    ----------
    model_dir, map_path : str or Path
        Trained model and the map before the edit.
    edited_map_path : str or Path
        Normalised map of the edited genome, read on the reference.
    edits_path, edit : str or Path, str
        File of edits and the name of the one that was made.
    out : str or Path
        Stem: gets `.scores.tsv` (see `score_parts`) and `.tsv` (see `pair_table`).
    flank, mode, motifs_path, device
        As for `perturb`.

    Returns
    -------
    DataFrame
        The scores.

    Raises
    ------
    InputError
        No such edit; maps of other bins; no pair that both maps know.
    """
    before, after = NormalizedMap(map_path), NormalizedMap(edited_map_path)
    if not before.bins.match(after.bins):
        raise InputError(
            f"{edited_map_path} has other bins than {map_path} ({before.resolution} bp); extract "
            "it at the same resolution and assembly"
        )
    motifs = None
    if motifs_path is not None:
        sizes = before.bins.chromsizes
        motifs = read_intervals(motifs_path, "bed", sizes, what="file of motifs")
    source = open_source(model_dir, map_path, device=device, mode=mode, motifs=motifs)
    edits = read_edits(edits_path, chromsizes=before.bins.chromsizes)
    chosen = next((one for one in edits if one.edit == edit), None)
    if chosen is None:
        raise InputError(f"{edits_path} has no edit '{edit}'; correct the name")
    prediction = predict_edit(source, lay_out_for(source, chosen), flank=flank)
    table = pair_table(prediction, before, after)
    if not len(table):
        raise InputError(
            f"edit '{edit}': {map_path} and {edited_map_path} have no unmasked pair in common "
            f"within {flank} bp of it; is the experiment's region another one?"
        )
    scores = score_parts(table, before.resolution, before.cp_a)
    names = {"edit": edit, "kind": chosen.kind, "sample": before.sample, "against": after.sample}
    write_tsv(scores.assign(**names), Path(f"{out}.scores.tsv"))
    write_tsv(table, Path(f"{out}.tsv"))
    return scores


def pair_table(prediction: Prediction, before: NormalizedMap, after: NormalizedMap) -> pd.DataFrame:
    """Pairs around an edit, before and after it, observed and predicted.

    Returns
    -------
    DataFrame
        start1, start2 (bp), part1, part2 (upstream, edit, downstream), contact strength on the
        reference, scale of counts of `before`: observed_before, observed_after, and for `model`
        and every rule of `baselines.baselines` `{method}_before`, `{method}_after`. Pairs that all
        of them know.
    """
    edit, resolution = prediction.edited.edit, before.resolution
    positions = prediction.bins - before.extent(edit.chrom)[0]
    maps = {"model": (prediction.wild_type, prediction.on_reference)}
    maps |= baselines(prediction, before)
    parts = (positions >= edit.start // resolution).astype(int) + (
        positions >= -(-edit.end // resolution)
    )
    wild_type = maps["no change"][0]
    weights = before.bins["weight"].to_numpy(float)[prediction.bins]
    edited = _counts(after, edit.chrom, positions) * weights[:, None] * weights[None, :]
    # No contact outside of the edit says that the experiment, such as 5C, does not cover the bin.
    unseen = ~((edited > 0).any(axis=0) | (edited > 0).any(axis=1)) & (parts != 1)
    edited[unseen], edited[:, unseen] = np.nan, np.nan
    alone = (parts[:, None] == parts[None, :]) & (parts[:, None] != 1)
    alone &= np.isfinite(wild_type) & np.isfinite(edited)
    if not edited[alone].sum() > 0:
        return pd.DataFrame()
    edited = edited * (wild_type[alone].sum() / edited[alone].sum())
    maps = {"observed": (wild_type, edited), **maps}
    known = np.logical_and.reduce([np.isfinite(m) for pair in maps.values() for m in pair])
    i, j = np.nonzero(known)
    names = np.array(PARTS)
    columns = {
        f"{name}_{when}".replace(" ", "_"): m[i, j]
        for name, pair in maps.items()
        for when, m in zip(("before", "after"), pair)
    }
    return pd.DataFrame(
        {
            "start1": positions[i] * resolution,
            "start2": positions[j] * resolution,
            "part1": names[parts[i]],
            "part2": names[parts[j]],
            **columns,
        }
    )


def score_parts(table: pd.DataFrame, resolution: int, cp_a: float) -> pd.DataFrame:
    """Agreement with the edited map, of all pairs and by the parts that their ends lie in.

    Parameters
    ----------
    table : DataFrame
        See `pair_table`.
    resolution : int
    cp_a : float
        Coefficient of contact probability.

    Returns
    -------
    DataFrame
        method, part (`all`, `changed`: pairs that the edit lies in or between, or `part1-part2`),
        n_pairs, pearson_change (of log2((after + 0.5) / (before + 0.5))), pearson_change_coarse
        (the same of sums over squares of 5 bins, which have less of the noise of single pairs),
        pearson_after (of the edited map's log2(value + 0.5)), mse_cp (of the edited map's
        contact probability; article, Fig. 7d). NaN where a correlation is not defined.
    """
    methods = [c.removesuffix("_after") for c in table if c.endswith("_after")]
    methods.remove("observed")
    name = table["part1"] + "-" + table["part2"]
    alone = (table["part1"] == table["part2"]) & (table["part1"] != "edit")
    groups = {"all": slice(None), "changed": ~alone}
    groups |= {part: name == part for part in name.unique()}
    size = COARSE_BINS * resolution
    rows = []
    for part, members in groups.items():
        own = table[members]
        squares = [own["start1"] // size, own["start2"] // size]
        coarse = own.groupby(squares).sum(numeric_only=True)
        for method in methods:
            predicted, observed = (
                contact_probability(own[f"{m}_after"].to_numpy(), cp_a)
                for m in (method, "observed")
            )
            rows.append(
                (
                    method.replace("_", " "),
                    part,
                    len(own),
                    _pearson(_change(own, "observed"), _change(own, method)),
                    _pearson(_change(coarse, "observed"), _change(coarse, method)),
                    _pearson(_log2(own["observed_after"]), _log2(own[f"{method}_after"])),
                    ((predicted - observed) ** 2).mean(),
                )
            )
    return pd.DataFrame(rows, columns=SCORES)


def _counts(observed, chrom, positions):
    """Counts among some bins, those of masked bins too, (k, k) float64."""
    lo, hi = int(positions[0]), int(positions[-1]) + 1
    pixels = read_cis_pixels(
        observed.clr, chrom, lo, hi, columns=["count"], keep=lambda i, j: j < hi
    )
    square = np.zeros((hi - lo, hi - lo))
    square[pixels["i"] - lo, pixels["j"] - lo] = pixels["count"]
    return square[np.ix_(positions - lo, positions - lo)]


def _change(table, method):
    return _log2(table[f"{method}_after"]) - _log2(table[f"{method}_before"])


def _log2(values):
    return np.log2(values.to_numpy(float) + PSEUDOCOUNT)


def _pearson(x, y):
    return np.corrcoef(x, y)[0, 1] if len(x) > 2 and x.std() > 0 and y.std() > 0 else np.nan
