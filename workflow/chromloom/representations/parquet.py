"""The representation table on disk: parquet, without what it takes to open a model."""

from pathlib import Path

import pandas as pd

from chromloom.errors import InputError
from chromloom.files import atomic_path, read_parquet

BIN_COLUMNS = ["chrom", "start", "end", "masked"]


def write_representations(table: pd.DataFrame, path: str | Path) -> None:
    """Write the table as parquet.

    Parameters
    ----------
    table : DataFrame
        chrom, start, end, masked, r0 … r{d-1}.
    """
    check_representations(table, "the table")
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False)


def read_representations(path: str | Path) -> pd.DataFrame:
    """Read the table.

    Returns
    -------
    DataFrame
        chrom (str), start, end, masked (bool), r0 … r{d-1} (float32; NaN at masked bins).

    Raises
    ------
    InputError
        The file is missing, damaged or another table.
    """
    table = read_parquet(path)
    check_representations(table, path)
    return table.astype({"chrom": str})


def representation_columns(table: pd.DataFrame) -> list[str]:
    """Names of the dimensions, r0 … r{d-1}, in their order."""
    columns: list[str] = []
    while f"r{len(columns)}" in table:
        columns.append(f"r{len(columns)}")
    return columns


def check_representations(table: pd.DataFrame, source: object) -> None:
    """Raise InputError, naming `source`, when the table lacks a column."""
    missing = [name for name in [*BIN_COLUMNS, "r0"] if name not in table]
    if missing:
        raise InputError(
            f"{source} lacks the columns {', '.join(missing)}; expected chrom, start, end, "
            "masked, r0, r1, …"
        )
