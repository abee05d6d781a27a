"""From a file of variants to what one model says of each of them: the rule `score_variants`."""

import logging
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chromloom.edits.edit import Edit
from chromloom.edits.read import read_edits
from chromloom.errors import InputError
from chromloom.files import write_tsv
from chromloom.genome.intervals import read_intervals
from chromloom.normalize.maps import NormalizedMap
from chromloom.perturbation.predict import Prediction, heterozygous, predict_edit
from chromloom.prediction.open import open_source
from chromloom.prediction.source import (
    EditableMap,
    MapSource,
    lay_out_for,
    require_editable,
)
from chromloom.sequence.fasta import Genome
from chromloom.variants.controls import draw_controls, size_class
from chromloom.variants.expression import SCORE as EXPRESSION
from chromloom.variants.expression import ExpressionModel
from chromloom.variants.scores import NO_CHANGE, score_prediction

logger = logging.getLogger(__name__)

TABLE = ["sample", "resolution", "norm", "model", "edit", "kind", "chrom", "start", "end",
         "chrom2", "start2", "end2", "size_class", "control", "score", "item", "value",
         "sd_readings", "n_readings", "reason"]  # fmt: skip
PROGRESS = 50


def score_variants(
    model_dir: str | Path,
    map_path: str | Path,
    variants_path: str | Path,
    out: str | Path,
    *,
    flank: int = 1_000_000,
    controls: int = 50,
    seed: int = 1,
    genes: pd.DataFrame | None = None,
    motifs_path: str | Path | None = None,
    expression: ExpressionModel | None = None,
    shifts: Sequence[int] = (0,),
    zygosity: str = "homozygous",
    mode: str = "lifted",
    name: str | None = None,
    device: str = "cpu",
) -> pd.DataFrame:
    """Score variants, and random ones of their kinds and sizes, by one model.

    Parameters
    ----------
    model_dir, map_path : str or Path
        A trained model, or a predictor applied to a sample, and the sample's map.
    variants_path : str or Path
        Edits in bp, see `edits.read.read_rows`.
    out : str or Path
        TSV, see Returns.
    flank : int
        bp around the ends and junctions of a variant that are predicted.
    controls : int
        Random variants of each kind and size.
    seed : int
        Of the random variants.
    genes : DataFrame, optional
        name, chrom, tss.
    motifs_path : str or Path, optional
        BED6 of CTCF motifs; needed for variants of kind orientation.
    expression : ExpressionModel, optional
        Tells the change of expression of genes, of variants alone.
    shifts : sequence of int
        bp by which what reads sequence in windows moves them, see `EditableMap.readings`.
    zygosity : {"homozygous", "heterozygous"}
        Variants and controls are on both homologues, or on one, see `predict.heterozygous`.
    mode, name, device
        See `prediction.open.open_source`.

    Returns
    -------
    DataFrame
        Columns of `TABLE`, a row per variant (or control) and score; `size_class` tells which
        controls a variant is compared with. value is NaN, with the reason, where the model cannot
        say. sd_readings is its standard deviation over n_readings (shifts and strands), NaN for one
        and of controls. Controls that cannot be predicted are left out.
    """
    chromsizes = NormalizedMap(map_path).bins.chromsizes
    edits = read_edits(variants_path, chromsizes=chromsizes)
    motifs = None
    if motifs_path is not None:
        motifs = read_intervals(motifs_path, "bed", chromsizes, what="file of motifs")
    source = require_editable(
        open_source(model_dir, map_path, name=name, device=device, mode=mode, motifs=motifs)
    )
    with ExitStack() as stack:
        path = source.genome_path
        genome = stack.enter_context(Genome(path)) if path else None
        drawn = draw_controls(edits, source.bins, number=controls, seed=seed, genome=genome)
    tasks = [(edit, False) for edit in edits]
    tasks += [(edit, True) for own in drawn.values() for edit in own]
    # Sources keep what they know of the last chromosome.
    tasks.sort(key=lambda task: source.bins.chromnames.index(task[0].chrom)
               if task[0].chrom in source.bins.chromnames else -1)  # fmt: skip
    tables = []
    for number, (edit, control) in enumerate(tasks, start=1):
        table = score_variant(
            source,
            edit,
            flank=flank,
            zygosity=zygosity,
            shifts=shifts,
            spread=not control,
            genes=None if control else genes,
            expression=None if control else expression,
        )
        if not control or table["reason"].eq("").any():
            tables.append(_described(table, edit).assign(control=control))
        if number % PROGRESS == 0 or number == len(tasks):
            logger.info("%d of %d variants and controls scored", number, len(tasks))
    about = {"sample": source.sample, "resolution": source.bins.resolution, "norm": source.norm,
             "model": source.name}  # fmt: skip
    scores = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=TABLE)
    scores = scores.assign(**about)[TABLE]
    order = {edit.edit: k for k, edit in enumerate(edits)}
    scores = scores.sort_values(
        by=["control", "edit"],
        key=lambda column: column.map(order) if column.name == "edit" else column,
        kind="stable",
        ignore_index=True,
    )
    write_tsv(scores, out)
    return scores


def score_variant(
    source: EditableMap,
    edit: Edit,
    *,
    flank: int,
    zygosity: str = "homozygous",
    shifts: Sequence[int] = (0,),
    spread: bool = True,
    genes: pd.DataFrame | None = None,
    expression: ExpressionModel | None = None,
) -> pd.DataFrame:
    """Score one variant; see `scores.score_prediction` and `score_variants`.

    Scores are those of the mean of all readings (of logarithms), their spread is over single ones.
    Where the source cannot predict the variant, all values are NaN and the reason says why.
    """
    found = [predict_variant(one, edit, flank=flank) for one in source.readings(shifts)]
    predictions = [one for one in found if isinstance(one, Prediction)]
    if not predictions:
        names = [name for name in NO_CHANGE if name != EXPRESSION or expression]
        nothing = {"score": names, "item": "", "value": np.nan, "sd_readings": np.nan,
                   "n_readings": 0, "reason": found[0]}  # fmt: skip
        return pd.DataFrame(nothing)
    mean = mean_prediction(predictions)

    def scores(prediction: Prediction) -> pd.DataFrame:
        own = heterozygous(prediction) if zygosity == "heterozygous" else prediction
        return score_prediction(own, source, genes)

    table = scores(mean).assign(sd_readings=np.nan, n_readings=len(predictions))
    if spread and len(predictions) > 1:
        values = np.array([scores(one)["value"] for one in predictions])
        table["sd_readings"] = values.std(axis=0, ddof=1)
    if expression is None:
        return table
    own = expression.score(mean, source, flank=flank, zygosity=zygosity)
    return pd.concat([table, own.assign(sd_readings=np.nan, n_readings=1)], ignore_index=True)


def mean_prediction(predictions: Sequence[Prediction]) -> Prediction:
    """The mean of predictions of one edit by one source: of the logarithms of contact strength."""
    first = predictions[0]
    if len(predictions) == 1:
        return first

    def mean(maps: Iterable[np.ndarray]) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.exp(np.mean([np.log(values) for values in maps], axis=0))

    others = tuple(
        replace(same[0], values=mean(one.values for one in same))
        for same in zip(*(prediction.others for prediction in predictions))
    )
    names = ("wild_type", "on_reference", "in_edited")
    maps: dict[str, Any] = {name: mean(getattr(one, name) for one in predictions) for name in names}
    return replace(first, others=others, **maps)


def predict_variant(
    source: MapSource, edit: Edit, *, flank: int, zygosity: str = "homozygous"
) -> Prediction | str:
    """Predict a variant around its ends and junctions, or say why the source cannot."""
    try:
        if edit.chrom not in source.bins.chromnames:
            raise InputError(f"edit '{edit.edit}': {edit.chrom} is masked or has no signals")
        edited = lay_out_for(source, edit)
        prediction = predict_edit(source, edited, flank=flank, inside=flank)
    except InputError as error:
        return str(error).removeprefix(f"edit '{edit.edit}': ")
    return heterozygous(prediction) if zygosity == "heterozygous" else prediction


def _described(table: pd.DataFrame, edit: Edit) -> pd.DataFrame:
    return table.assign(
        edit=edit.edit, kind=edit.kind, chrom=edit.chrom, start=edit.start, end=edit.end,
        chrom2=edit.chrom2, start2=edit.start2, end2=edit.end2, size_class=size_class(edit),
    )  # fmt: skip
