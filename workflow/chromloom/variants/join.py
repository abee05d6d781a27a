"""One table of all models' scores: mean over seeds, spread, chance and rank."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.edits.read import SKIPPED_COLUMNS
from chromloom.files import read_tsv, write_tsv
from chromloom.variants.scores import NO_CHANGE

KEYS = ["sample", "resolution", "norm", "model", "edit", "kind", "chrom", "start", "end",
        "chrom2", "start2", "end2", "score", "item"]  # fmt: skip
COLUMNS = [
    *KEYS,
    "value",
    "sd",
    "n_seeds",
    "sd_readings",
    "n_readings",
    "p_value",
    "n_controls",
    "rank",
    "reason",
]


def join_scores(tables: Mapping[str | Path, str], out: str | Path) -> pd.DataFrame:
    """Join what `score.score_variants` wrote for every model.

    Parameters
    ----------
    tables : mapping
        File -> name of the model; files of one model's seeds have one name.
    out : str or Path
        TSV, see Returns.

    Returns
    -------
    DataFrame
        Columns of `COLUMNS`. value, float64: mean over seeds; sd over them (NaN for one);
        sd_readings: standard deviation over shifts and strands, mean over seeds; p_value:
        share of random variants of the same kind and size whose score is as far from that of no
        change as this one's or farther, the variant itself counted among them (so that n controls
        give at least 1 / (n + 1)); NaN without controls, and of virtual 4C and expression, whose
        genes random variants do not share. rank: 1 for the variant with the strongest effect by
        this score and model. NaN values have a reason.
    """
    parts = [_read(path).assign(model=model) for path, model in tables.items()]
    scores = pd.concat(parts, ignore_index=True)
    keys = [*KEYS, "size_class", "control"]
    seeds = scores.groupby(keys, sort=False, dropna=False)
    joined = seeds.agg(
        value=("value", "mean"), sd=("value", "std"), n_seeds=("value", "count"),
        sd_readings=("sd_readings", "mean"), n_readings=("n_readings", "max"),
        reason=("reason", "first"),
    ).reset_index()  # fmt: skip
    joined["effect"] = (joined["value"] - joined["score"].map(NO_CHANGE)).abs()
    own = joined[~joined["control"]].reset_index(drop=True)
    of_class = ["sample", "resolution", "norm", "model", "size_class", "score"]
    drawn = joined[joined["control"] & joined["effect"].notna()].groupby(of_class)["effect"]
    controls = {key: np.sort(values.to_numpy()) for key, values in drawn}
    chances = [
        _chance(controls.get(tuple(key), np.empty(0)), effect)
        for *key, effect in own[[*of_class, "effect"]].itertuples(index=False, name=None)
    ]
    own[["p_value", "n_controls"]] = pd.DataFrame(chances, index=own.index, dtype=float)
    own["n_controls"] = own["n_controls"].astype(int)
    ranked = own.groupby(["sample", "resolution", "norm", "model", "score"])["effect"]
    own["rank"] = ranked.rank(ascending=False, method="min").astype("Int64")
    write_tsv(own[COLUMNS], out)
    return own[COLUMNS]


def _read(path: str | Path) -> pd.DataFrame:
    table = read_tsv(path)
    text = ["chrom2", "item", "reason"]
    table[text] = table[text].fillna("")
    return table.astype({"value": float, "control": bool})


def _chance(controls: np.ndarray, effect: float) -> tuple[float, int]:
    """p-value of an effect among the sorted ones of controls, and their number."""
    n = len(controls)
    if not n or not np.isfinite(effect):
        return np.nan, n
    # Rounding must not make a variant without any effect stronger than controls without one.
    stronger = n - np.searchsorted(controls, effect * (1 - 1e-9), side="left")
    return (1 + stronger) / (1 + n), n


def join_skipped(tables: Mapping[str, str | Path], out: str | Path) -> pd.DataFrame:
    """Records that no variant is made of: sample, and the columns of `edits.read.SKIPPED_COLUMNS`.

    Parameters
    ----------
    tables : mapping
        Sample -> file of what was left out of its variants.
    out : str or Path
        TSV.
    """
    parts = [read_tsv(path).assign(sample=sample) for sample, path in tables.items()]
    joined = pd.concat(parts, ignore_index=True)[["sample", *SKIPPED_COLUMNS]]
    write_tsv(joined, out)
    return joined
