"""The genes of a cell type with what they express: the table that models learn from.

Written by the rule `build_genes`; its columns are `COLUMNS`.
"""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.genome.genes import COLUMNS as GENE_COLUMNS
from chromloom.genome.genes import match_genes
from chromloom.genome.names import match_names
from chromloom.tables import NUMBER, Column, read_table

logger = logging.getLogger(__name__)

COLUMNS = [*GENE_COLUMNS, "value", "level", "high", "fold"]
UNITS = ("rpkm", "tpm", "counts")
PUBLISHED_FOLDS = (
    ("1", "5", "6", "8", "14", "Y"),
    ("7", "10", "11", "12", "15", "21"),
    ("2", "3", "4", "16", "18", "20"),
    ("9", "13", "17", "19", "22", "X"),
)
"""Chromosomes of Chromoformer's four folds, of the human genome."""


def read_expression(
    path: str | Path, genes: pd.DataFrame, *, column: str = "", unit: str = "rpkm"
) -> pd.DataFrame:
    """Read what genes express in one cell type.

    Parameters
    ----------
    path : str or Path
        Table with a header: ids of genes in the first column, one column per cell type (Roadmap's
        tables as they are), or one column of numbers alone.
    genes : DataFrame
        As of `read_genes`.
    column : str
        Column of the cell type; may be "" where the table has one.
    unit : {"rpkm", "tpm", "counts"}
        Of the numbers. Counts become counts per million of the column.

    Returns
    -------
    DataFrame
        The genes that the table has a value of, in their order, with value (float, RPKM, TPM or
        CPM), level (log2(value + 1)) and high (bool, value at or above the median of these genes).

    Raises
    ------
    InputError
        The file, its header or the column is missing, a value is negative or infinite, ids are not
        those of the genes, or all genes are on one side of the median.
    """
    if unit not in UNITS:
        raise InputError(f"unit '{unit}' is unknown; expected one of {', '.join(UNITS)}")
    header = list(read_table(path, None, what="expression table").columns)
    if len(header) < 2:
        raise InputError(
            f"expression table {path} has one column, {header[0][:60]!r}; expected ids of genes "
            "and a column per cell type, separated by tabs"
        )
    if not column and len(header) == 2:
        column = header[1]
        if NUMBER.fullmatch(column):
            raise InputError(
                f"expression table {path} starts with the row {' '.join(header)}; expected a line "
                "with the names of its columns above: add one"
            )
    if column not in header[1:]:
        raise InputError(
            f"expression table {path} has no column '{column}'; it has "
            f"{', '.join(header[1:9])}{', …' if len(header) > 9 else ''}: name that of the cell "
            "type in expression.columns"
        )
    contract = {header[0]: Column(), column: Column(float, required=False, low=0)}
    table = read_table(path, contract, what="expression table", spreadsheet=True)
    for line, value in table[column][np.isinf(table[column])].items():
        raise InputError(
            f"expression table {path}, line {line}: {column} is {value}; expected numbers, or NA"
        )
    table = table.dropna(subset=column)
    if table.empty:
        raise InputError(
            f"expression table {path} has no number in column '{column}'; give one that has"
        )
    values = table[column].to_numpy()
    rows = match_genes(list(table[header[0]]), genes, source=f"expression table {path}")
    if (rows < 0).any():
        logger.warning(
            "%s: %d of %d ids are not genes of the gene table and are left out",
            path, (rows < 0).sum(), len(rows),
        )  # fmt: skip
    if unit == "counts":
        values = values * 1e6 / max(values.sum(), 1)
    kept = np.flatnonzero(rows >= 0)
    kept = kept[np.argsort(rows[kept])]
    result = genes.iloc[rows[kept]].reset_index(drop=True).assign(value=values[kept])
    result["level"] = np.log2(result["value"] + 1)
    result["high"] = result["value"] >= result["value"].median()
    if result["high"].all():
        raise InputError(
            f"expression table {path}: at least half of the {len(result):,} genes have the lowest "
            f"value, {result['value'].min():g}, in '{column}'; no median divides them: give a "
            "table of expressed genes, or of another unit"
        )
    return result


def add_folds(
    genes: pd.DataFrame, folds: Sequence[Sequence[str]] | str = "published"
) -> pd.DataFrame:
    """Put genes into folds by their chromosomes.

    Parameters
    ----------
    genes : DataFrame
        With chrom.
    folds : sequence of sequence of str, or {"published", "chromosome"}
        Chromosomes of each fold, in any spelling; the four of Chromoformer's article; or one fold
        per chromosome.

    Returns
    -------
    DataFrame
        With fold (int64); genes on chromosomes of no fold are left out. Folds without genes are
        left out and the others numbered anew, in their order.

    Raises
    ------
    InputError
        A chromosome is in two folds, or fewer than two folds have genes.
    """
    fold = genes["chrom"].map(deal_chromosomes(dict.fromkeys(genes["chrom"]), folds))
    left_out = genes.loc[fold.isna(), "chrom"].unique()
    if len(left_out):
        logger.warning("in no fold and left out: genes of %s", ", ".join(left_out))
    return genes.assign(fold=fold).dropna(subset="fold").astype({"fold": "int64"})


def deal_chromosomes(
    chroms: Iterable[str], folds: Sequence[Sequence[str]] | str = "published"
) -> dict[str, int]:
    """Fold of each chromosome that has one; `folds` and errors as of `add_folds`."""
    present = pd.Series(0, index=list(chroms))
    if isinstance(folds, str):
        one_each = [(chrom,) for chrom in present.index]
        folds = one_each if folds == "chromosome" else PUBLISHED_FOLDS
    fold_of: dict[str, int] = {}
    number = 0
    for names in folds:
        found = [chrom for chrom in match_names(names, present).values() if chrom]
        for chrom in found:
            if fold_of.setdefault(chrom, number) != number:
                raise InputError(f"expression.folds: {chrom} is in two folds; keep one")
        number += bool(found)
    if number < 2:
        shown = [*present.index[:9], *["…"] * (len(present) > 9)]
        raise InputError(
            f"expression.folds: fewer than two have any of the chromosomes {', '.join(shown)}; "
            "name some of these in two folds at least, or write chromosome"
        )
    return fold_of


def check_two_classes(genes: pd.DataFrame, what: str) -> None:
    """Refuse genes that are all high or all low.

    Raises
    ------
    InputError
        They are, or there are fewer than ten.
    """
    n, high = len(genes), int(genes["high"].sum())
    if n < 10 or high in (0, n):
        raise InputError(
            f"{what}: {n} genes, {high} of them above the median; expected 10 or more and both "
            "kinds: put more chromosomes in its folds"
        )


def inner_groups(genes: pd.DataFrame, *, most: int = 4) -> np.ndarray:
    """Groups of whole chromosomes among training genes, to choose settings by.

    Returns
    -------
    ndarray, (n_genes,), int64
        Chromosomes are dealt to at most `most` groups so that their numbers of genes are even;
        genes of a single chromosome are divided into runs of neighbours.
    """
    sizes = genes["chrom"].value_counts()
    if len(sizes) == 1:
        return np.arange(len(genes)) * most // len(genes)
    held = np.zeros(min(most, len(sizes)))
    group_of = {}
    for chrom, n in sizes.items():
        group_of[chrom] = int(np.argmin(held))
        held[group_of[chrom]] += n
    return genes["chrom"].map(group_of).to_numpy(dtype=np.int64)
