"""The files that models of expression learn from: genes with expression and fold, their marks."""

import logging
from collections.abc import Sequence
from pathlib import Path

from chromloom.expression.features import gather_marks
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
    *,
    column: str = "",
    unit: str = "rpkm",
    transcript: str = "outermost",
    signals: Sequence[str] = (),
    folds: Sequence[Sequence[str]] | str = "published",
) -> None:
    """Write the genes of a cell type with their expression and fold, and the marks around them.

    Parameters
    ----------
    genes_path, expression_path : str or Path
        As `read_genes` and `read_expression` take them.
    store_path : str or Path
        Binned signals of the cell type.
    table_path, marks_path : str or Path
        Files to write: the table (`expression.table.COLUMNS`) and HDF5 (`Marks.save`).
    column, unit, transcript
        As for `read_expression` and `read_genes`.
    signals : sequence of str
        Names; all of the store where empty.
    folds
        As for `add_folds`.
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
    marks.save(marks_path)
    write_tsv(table[COLUMNS].astype({"high": int}), table_path)
    logger.info("%d genes in %d folds, %d signals", len(table), table["fold"].nunique(), len(names))
