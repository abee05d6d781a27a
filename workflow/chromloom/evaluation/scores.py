"""Tables of scores of several runs, chosen for one picture.

Importing this is light: pictures are drawn where no map can be read.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from chromloom.errors import InputError
from chromloom.files import read_tsv

# Models of a table that stand beside the trained one.
CEILING, DISTANCE_MEAN = "ceiling", "distance-mean"
# What tells the rows of a table apart.
KEYS = ["sample", "resolution", "norm", "model", "decoder", "against", "pairs", "metric", "stratum"]


def read_scores(paths: Iterable[str | Path], scored: Sequence[Sequence[str]]) -> pd.DataFrame:
    """Scores of some samples on some maps, over one kind of pairs.

    Parameters
    ----------
    paths : iterable of path
        Tables or tables by distance of `evaluate_model`.
    scored : sequence of (sample, against)
        What was trained on and scored on; other rows are left out.

    Returns
    -------
    DataFrame
        Rows of the tables without the references' repetitions, over all unmasked pairs that have a
        prediction (`n_unpredicted` of them have none).

    Raises
    ------
    InputError
        No such row.
    """
    table = pd.concat(map(read_tsv, paths), ignore_index=True)
    table = table.drop_duplicates([key for key in [*KEYS, "distance"] if key in table])
    wanted = {tuple(pair) for pair in scored}
    table = table[[pair in wanted for pair in zip(table["sample"], table["against"])]]
    if table.empty:
        raise InputError(f"none of {len(wanted)} pairs of maps is in the tables: {sorted(wanted)}")
    return table[table["pairs"] == "all"]


def plotted_agreement(metrics: pd.DataFrame, distances: pd.DataFrame) -> pd.DataFrame:
    """What a picture of agreement shows as one table: strata, then single distances (bins)."""
    keys = [key for key in [*KEYS, "distance"] if key in distances]
    single = distances[[*keys, "n", "pearson_cp", "r2_cp"]].melt(
        [*keys, "n"], var_name="metric", value_name="value"
    )
    return pd.concat([metrics, single], ignore_index=True)
