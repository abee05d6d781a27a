"""The sheet of signals: one row per file, checked; what a row asks for.

Paths are not opened here: while a study is planned, files may still have to be made.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from chromloom.errors import InputError

# Columns of peaks by the names that the formats give them, as numbers of columns from 1.
PEAK_COLUMNS = {"score": 5, "signalValue": 7, "pValue": 8, "qValue": 9}
PRESENCE = "presence"
# format -> what the column is by default, and whether a base that the file does not name is zero.
FORMATS: dict[str, tuple[str, str]] = {
    "bigwig": ("", "missing"),
    "bedgraph": ("", "missing"),
    "narrowPeak": ("signalValue", "zero"),
    "broadPeak": ("signalValue", "zero"),
    "bed": (PRESENCE, "zero"),
    "segmentation": ("4", "missing"),
    "motifs": ("score", "zero"),
    "bam": ("CPM", "zero"),
    "tagAlign": ("CPM", "zero"),
}
DEPTHS = ("CPM", "RPGC")


@dataclass(frozen=True)
class SignalSource:
    """One signal of a cell type and how its file is read.

    Attributes
    ----------
    signal : str
        Name; a segmentation gives the signals `NAME:STATE`, motifs give `NAME+` and `NAME-`.
    cell_type : str
    path : str
        A file, or several joined by commas that hold different chromosomes.
    format : str
        One of `FORMATS`; "" = told by content when the file is read.
    column : str
        Of peaks and motifs: `presence` (1 where there is one), a name of `PEAK_COLUMNS` or a number
        of a column from 1; of a segmentation: the number of the column of states (or `name`,
        `color`); of reads: CPM or RPGC; "" = the format's own (`FORMATS`).
    transform : str
        Of the values of bins: none, log1p or arcsinh.
    absent : str
        What a base is that the file does not name: zero or missing; "" = the format's own.
    reference : str
        Cell type whose distribution of values is matched after the transform; "" = none.
    effective_genome_size : int
        Of RPGC, bp; 0 = the assembly without its blacklist and centromeres.
    """

    signal: str
    cell_type: str
    path: str
    format: str = ""
    column: str = ""
    transform: str = "none"
    absent: str = ""
    reference: str = ""
    effective_genome_size: int = 0

    @property
    def paths(self) -> list[str]:
        """Its files."""
        return [path.strip() for path in self.path.split(",")]


def signal_sources(
    sheet: pd.DataFrame, *, path: str, find: Callable[[str], str] = str
) -> list[SignalSource]:
    """The rows of a checked sheet.

    Parameters
    ----------
    sheet : DataFrame
        signal, cell_type, path and any other column of `signals.schema.yaml`; text, "" = empty.
    path : str
        Of the sheet, for messages.
    find : callable
        Path of the sheet -> path to open.

    Raises
    ------
    InputError
        A cell type has a signal twice, a column does not fit the format, or a cell type whose
        distribution is to be matched has no such signal, or is itself matched.
    """
    sources = [_source(row, find) for row in sheet.to_dict("records")]
    known: dict[tuple[str, str], SignalSource] = {}
    for source in sources:
        if (source.cell_type, source.signal) in known:
            raise InputError(
                f"{path}: cell type {source.cell_type!r} has the signal {source.signal!r} twice; "
                "give each file its own name, or join replicates first"
            )
        known[source.cell_type, source.signal] = source
    for source in sources:
        _check(source, known, f"{path}, {source.signal!r} of {source.cell_type!r}")
    return sources


def _source(row: Mapping[str, str], find: Callable[[str], str]) -> SignalSource:
    def cell(name: str, default: str = "") -> str:
        return str(row.get(name) or default)

    return SignalSource(
        signal=row["signal"],
        cell_type=row["cell_type"],
        path=",".join(find(path.strip()) for path in row["path"].split(",")),
        format=cell("format"),
        column=cell("column"),
        transform=cell("transform", "none"),
        absent=cell("absent"),
        reference=cell("reference"),
        effective_genome_size=int(cell("effective_genome_size", "0")),
    )


def _check(source: SignalSource, known: Mapping[tuple[str, str], SignalSource], place: str) -> None:
    if source.format:
        check_column(source, source.format, place)
    if not source.reference:
        return
    other = known.get((source.reference, source.signal))
    if other is None:
        raise InputError(
            f"{place}: reference {source.reference!r} has no signal {source.signal!r}; add its row "
            "or leave the column reference empty"
        )
    if other is source or other.reference or other.transform != source.transform:
        raise InputError(
            f"{place}: reference {source.reference!r} has to be another cell type with the same "
            f"transform ({source.transform}) and no reference of its own; it has transform "
            f"{other.transform}, reference {other.reference or 'none'}"
        )


def check_column(source: SignalSource, format: str, place: str) -> None:
    """Refuse a column that a format does not have.

    Raises
    ------
    InputError
        As said.
    """
    column, kinds = source.column, {"peaks": [PRESENCE, *PEAK_COLUMNS], "reads": list(DEPTHS)}
    if not column:
        return
    numbered = column.isdigit() and int(column) > 3
    expected = {
        "bigwig": (False, "an empty cell"),
        "bedgraph": (False, "an empty cell"),
        "segmentation": (
            numbered or column in ("name", "color"),
            "name, color or the number of a column from 4 on",
        ),
        "bam": (column in DEPTHS, " or ".join(kinds["reads"])),
        "tagAlign": (column in DEPTHS, " or ".join(kinds["reads"])),
    }.get(
        format,
        (
            numbered or column in kinds["peaks"],
            f"{', '.join(kinds['peaks'])} or the number of a column from 4 on",
        ),
    )
    if not expected[0]:
        raise InputError(f"{place}: column {column!r} of a {format} file; expected {expected[1]}")
