"""The files that models of expression learn from: genes, their elements and marks."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from chromloom.expression.added import read_added
from chromloom.expression.elements import gather_elements
from chromloom.expression.features import REACH, gather_marks
from chromloom.expression.interactions import (
    ELEMENT_COLUMNS,
    find_elements,
    map_interactions,
    read_interactions,
)
from chromloom.expression.table import COLUMNS, add_folds, read_expression
from chromloom.files import write_tsv
from chromloom.genome.genes import read_genes
from chromloom.signals.store import SignalStore

logger = logging.getLogger(__name__)


def build_genes(
    genes_path: str | Path,
    expression_path: str | Path,
    store_path: str | Path,
    table_path: str | Path,
    marks_path: str | Path,
    elements_path: str | Path,
    *,
    column: str = "",
    unit: str = "rpkm",
    transcript: str = "outermost",
    signals: Sequence[str] = (),
    folds: Sequence[Sequence[str]] | str = "published",
    interactions_path: str | Path = "",
    strength: str = "",
    min_frequency: float = 1.5,
    max_elements: int = 8,
    max_distance: int = 2_000_000,
    added: Mapping[str, str | Path] | None = None,
) -> None:
    """Write the genes of a cell type with expression and fold, their elements, and their marks.

    Parameters
    ----------
    genes_path, expression_path : str or Path
        As `read_genes` and `read_expression` take them.
    store_path : str or Path
        Binned signals of the cell type.
    table_path, marks_path, elements_path : str or Path
        Files to write: the table (`expression.table.COLUMNS`), HDF5 (`Marks.save`), and the table
        of elements (`expression.interactions.ELEMENT_COLUMNS`).
    column, unit, transcript
        As for `read_expression` and `read_genes`.
    signals : sequence of str
        Names; all of the store where empty.
    folds
        As for `add_folds`.
    interactions_path : str or Path
        File or map; "" for none.
    strength : str
        Column of the map's pixels; "" where the path is a file of interactions.
    min_frequency, max_elements
        As for `find_elements`.
    max_distance : int
        bp; pairs of a map that are farther apart are not read. Nearer ones than `features.REACH`
        are not either, since the promoter's own bins show them.
    added : mapping, optional
        Files of features beside the marks, by name; see `added.read_added`.
    """
    with SignalStore(store_path) as store:
        genes = read_genes(genes_path, store.chromsizes, transcript=transcript)
        table = read_expression(expression_path, genes, column=column, unit=unit)
        names = list(signals) or store.signals
        covered = store.chroms(names)
        lost = ~table["chrom"].isin(covered)
        if lost.any():
            logger.warning(
                "%d genes are left out: not all signals have their chromosomes (%s)",
                lost.sum(), ", ".join(table.loc[lost, "chrom"].unique()),
            )  # fmt: skip
        table = add_folds(table[~lost], folds).reset_index(drop=True)
        marks = gather_marks(store, table, signals=names)
        elements = pd.DataFrame(columns=ELEMENT_COLUMNS)
        if interactions_path:
            found = (
                map_interactions(
                    str(interactions_path), table, column=strength,
                    max_distance=max_distance, min_distance=REACH,
                )
                if strength
                else read_interactions(interactions_path, store.chromsizes)
            )  # fmt: skip
            elements = find_elements(
                table, found, min_frequency=min_frequency, max_elements=max_elements,
                source=str(interactions_path),
            )  # fmt: skip
            own = gather_elements(store, table, elements, signals=names, longest=2 * REACH)
            marks = replace(marks, elements=own)
        marks = replace(marks, added=read_added(added or {}, table, store.chromsizes))
    marks.save(marks_path)
    write_tsv(elements, elements_path)
    write_tsv(table[COLUMNS].astype({"high": int}), table_path)
    logger.info("%d genes in %d folds, %d signals", len(table), table["fold"].nunique(), len(names))
