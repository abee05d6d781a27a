"""What a trained model makes of a gene's elements and marks: each taken away, and the change.

Every gene is predicted by the folds that held its chromosome out, with and without. A model without
use for elements gives changes of 0. Several trainings (seeds) give the spread of a change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.expression.features import Marks
from chromloom.expression.fit import Fitted, open_folds, read_features
from chromloom.expression.interactions import ELEMENT_COLUMNS
from chromloom.expression.network import NetworkModel
from chromloom.files import read_tsv, write_tsv

IMPACTS = ["clf", "reg", "elements_clf", "elements_reg", "elements_level"]
SCREEN_COLUMNS = [*ELEMENT_COLUMNS, "change_level", "spread_level", "change_high", "spread_high",
                  "n_models"]  # fmt: skip
MARK_COLUMNS = ["gene", "signal", "change_level", "spread_level", "change_high", "spread_high",
                "n_models"]  # fmt: skip


def remove_elements(model: Fitted, marks: Marks) -> np.ndarray:
    """Change of the prediction when each element is taken away.

    Parameters
    ----------
    model : Fitted
    marks : Marks
        With elements.

    Returns
    -------
    ndarray, (E, 2), float64
        Level and probability of being high of the element's gene, without the element minus with
        it.
    """
    elements = marks.known_elements()
    before = np.column_stack(model.predict(marks))
    change = np.zeros((len(elements), 2))
    for rank in range(int(elements.rank.max(initial=-1)) + 1):
        own = np.flatnonzero(elements.rank == rank)
        genes = elements.gene[own]
        some = marks.of(genes)
        others = some.known_elements()
        kept = np.flatnonzero(others.rank != rank)
        without = others.take(kept, others.gene[kept], others.rank[kept])
        after = np.column_stack(model.predict(replace(some, elements=without)))
        change[own] = after - before[genes]
    return change


def remove_signals(model: Fitted, marks: Marks) -> np.ndarray:
    """Change of the prediction when each mark is as in the median gene.

    Around the TSS each bin and the body have their median over genes, at elements all bins that
    over bins.

    Returns
    -------
    ndarray, (n_genes, n_signals, 2), float64
        Of level and probability of being high, as of `remove_elements`.
    """
    before = np.column_stack(model.predict(marks))
    change = np.empty((len(marks), len(marks.signals), 2))
    for k in range(len(marks.signals)):
        around, body, elements = marks.around.copy(), marks.body.copy(), marks.elements
        around[:, k] = np.median(np.nan_to_num(around[:, k]), axis=0)
        body[:, k] = np.median(np.nan_to_num(body[:, k]))
        if elements is not None and len(elements):
            values = elements.values.copy()
            values[k] = np.median(np.nan_to_num(values[k]))
            elements = replace(elements, values=values)
        masked = replace(marks, around=around, body=body, elements=elements)
        change[:, k] = np.column_stack(model.predict(masked)) - before
    return change


def screen_elements(
    table_path: str | Path,
    marks_path: str | Path,
    elements_path: str | Path,
    model_dirs: Mapping[str, Sequence[str | Path]],
    screen_path: str | Path,
    signals_path: str | Path,
    impact_path: str | Path,
) -> None:
    """Take every element and every mark from every gene, by every model, and write the changes.

    Parameters
    ----------
    table_path, marks_path, elements_path : str or Path
        As `build_genes` wrote them.
    model_dirs : mapping of str to sequence of str or Path
        Model -> folders of its folds; trainings of one model by several seeds give the spread.
    screen_path : str or Path
        Table to write, `SCREEN_COLUMNS`, largest loss of level first.
    signals_path : str or Path
        Table to write, `MARK_COLUMNS`.
    impact_path : str or Path
        Table to write: gene, n_elements, level, and `IMPACTS`, means over the models that have
        them: predicted cis-regulatory impact by the class and by the level (clf, reg); distance of
        the regulatory embedding from that without elements (elements_clf, elements_reg); predicted
        level with elements minus that without (elements_level). Then largest_loss, what the level
        loses by the element whose removal lowers it most (0 of a gene without elements).

    Raises
    ------
    InputError
        The genes have no elements.
    """
    genes, marks = read_features(table_path, marks_path)
    elements = read_tsv(elements_path)
    owner = marks.known_elements().gene
    of_elements, of_signals, impacts = [], [], []
    for folders in model_dirs.values():
        change = np.full((len(elements), 2), np.nan)
        by_signal = np.full((len(genes), len(marks.signals), 2), np.nan)
        impact = np.full((len(genes), len(IMPACTS)), np.nan)
        for held, own, model in open_folds(genes, marks, folders):
            change[np.isin(owner, held)] = remove_elements(model, own)
            places = [marks.signals.index(signal) for signal in own.signals]
            by_signal[held[:, None], places] = remove_signals(model, own)
            alone = own.without_elements()
            impact[held, 4] = model.predict(own)[0] - model.predict(alone)[0]
            if isinstance(model, NetworkModel) and model.has_impact:
                for k, task in enumerate(("clf", "reg")):
                    impact[held, k] = model.impact(own, task)
                    impact[held, 2 + k] = model.impact(own, task, against=alone)
        of_elements.append(change)
        of_signals.append(by_signal)
        impacts.append(impact)
    table = pd.concat([elements, _spread(np.array(of_elements))], axis=1)
    losses = (-table["change_level"]).groupby(owner).max()
    largest = losses.reindex(np.arange(len(genes)), fill_value=0.0).to_numpy()
    write_tsv(table[SCREEN_COLUMNS].sort_values("change_level", kind="stable"), screen_path)
    flat = np.array(of_signals).reshape(len(model_dirs), -1, 2)
    names = pd.DataFrame(
        {
            "gene": np.repeat(genes["gene"].to_numpy(), len(marks.signals)),
            "signal": np.tile(marks.signals, len(genes)),
        }
    )
    write_tsv(pd.concat([names, _spread(flat)], axis=1)[MARK_COLUMNS], signals_path)
    told = np.array(impacts)
    n_told = np.isfinite(told).sum(axis=0)
    mean = np.where(n_told > 0, np.nansum(told, axis=0) / np.maximum(n_told, 1), np.nan)
    table = genes[["gene", "level"]].assign(**dict(zip(IMPACTS, mean.T)), largest_loss=largest)
    table.insert(1, "n_elements", np.bincount(owner, minlength=len(genes)))
    write_tsv(table, impact_path)


def _spread(changes: np.ndarray) -> pd.DataFrame:
    """Mean and standard deviation over models of changes (n_models, n, 2)."""
    n_models = len(changes)
    spread = changes.std(axis=0, ddof=1) if n_models > 1 else np.full(changes.shape[1:], np.nan)
    mean = changes.mean(axis=0)
    return pd.DataFrame(
        {
            "change_level": mean[:, 0],
            "spread_level": spread[:, 0],
            "change_high": mean[:, 1],
            "spread_high": spread[:, 1],
            "n_models": n_models,
        }
    )
