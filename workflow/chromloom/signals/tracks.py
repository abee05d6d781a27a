"""Genomic tracks as files: one value per bin, read from and written to bigWig or bedGraph."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.files import atomic_path
from chromloom.genome.intervals import read_intervals
from chromloom.genome.names import harmonise_names

BLOCK = 1 << 22  # bp of a bigWig held at a time
_BIGWIG = (b"\x26\xfc\x8f\x88", b"\x88\x8f\xfc\x26")


def write_steps(
    tracks: Mapping[str, np.ndarray], step: int, path: str | Path, chromsizes: pd.Series
) -> None:
    """Write values of consecutive bins of `step` bp, by chromosome, as `write_bigwig` does."""
    tables = []
    for chrom, values in tracks.items():
        start = np.arange(len(values)) * step
        end = np.minimum(start + step, chromsizes[chrom])
        tables.append(pd.DataFrame({"chrom": chrom, "start": start, "end": end, "value": values}))
    write_bigwig(pd.concat(tables), "value", path, chromsizes)


def write_bigwig(table: pd.DataFrame, column: str, path: str | Path, chromsizes: pd.Series) -> None:
    """Write one column of a table of bins as bigWig, atomically.

    Parameters
    ----------
    table : DataFrame
        chrom, start, end, sorted in the order of `chromsizes`, and `column`; rows with NaN are
        left out.
    column : str
        Column of numbers.
    path : str or Path
        File to write.
    chromsizes : Series
        Chromosome name -> bp.
    """
    import pyBigWig

    kept = table[np.isfinite(table[column].to_numpy(float))]
    with atomic_path(path) as temporary:
        handle = pyBigWig.open(str(temporary), "w")
        handle.addHeader([(str(name), int(size)) for name, size in chromsizes.items()])
        for chrom, part in kept.groupby(kept["chrom"].astype(str), sort=False):
            handle.addEntries(
                [chrom] * len(part),
                part["start"].to_numpy(),
                ends=part["end"].to_numpy(),
                values=part[column].to_numpy(float),
            )
        handle.close()


def read_track(path: str | Path, bins: pd.DataFrame, chromsizes: pd.Series) -> np.ndarray:
    """Mean of a bigWig or bedGraph in each bin.

    Parameters
    ----------
    path : str or Path
        bigWig, or bedGraph text (chrom, start, end, value) as `read_intervals` reads it; told by
        content.
    bins : DataFrame
        chrom, start, end.
    chromsizes : Series
        Chromosome name -> bp; the file's names are matched to these (`harmonise_names`), and so
        are the lengths of a bigWig's chromosomes.

    Returns
    -------
    ndarray, (n_bins,), float64
        Mean over the bases that have a finite value (bedGraph: of the intervals' values, weighted
        by their overlap); NaN where no base has one.

    Raises
    ------
    InputError
        The file cannot be read, none of its chromosomes is in the map, or it is of another
        assembly: a chromosome has another length, an interval lies beyond its end.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"track {path} does not exist; give a bigWig or bedGraph file")
    with path.open("rb") as file:
        magic = file.read(4)
    if magic in _BIGWIG:
        return _read_bigwig(path, bins, chromsizes)
    if path.suffix.lower() in (".bw", ".bigwig"):
        raise InputError(
            f"track {path} is not a bigWig file (it starts with {magic!r}); fetch or write it "
            "again, or give bedGraph text"
        )
    return _read_bedgraph(path, bins, chromsizes)


@contextmanager
def open_bigwig(path: str | Path, *, what: str | None = None) -> Iterator:
    """Open a bigWig by pyBigWig; errors while it is read within the block are ours.

    Parameters
    ----------
    path : str or Path
    what : str, optional
        The file as the user knows it, with its path, for messages; `track PATH` by default.

    Raises
    ------
    InputError
        It is not a bigWig, cannot be read, or was cut off: its last bytes are not its first ones,
        by which the format ends a file.
    """
    import pyBigWig

    what = what or f"track {path}"
    with Path(path).open("rb") as file:
        start = file.read(4)
        if start not in _BIGWIG:
            raise InputError(
                f"{what} is not a bigWig file (it starts with {start!r}); fetch or write it again"
            )
        file.seek(-4, 2)
        whole = file.read(4) == start
    try:
        with pyBigWig.open(str(path)) as handle:
            if not whole and handle.header()["version"] >= 4:
                raise InputError(f"{what} is cut off at its end; fetch or write the bigWig again")
            yield handle
    except RuntimeError as error:
        reason = str(error).strip().rstrip("!")
        raise InputError(
            f"{what} cannot be read as bigWig ({reason}); fetch or write it again"
        ) from error


def _read_bigwig(path: Path, bins: pd.DataFrame, chromsizes: pd.Series) -> np.ndarray:
    means = np.full(len(bins), np.nan)
    starts, ends = bins["start"].to_numpy(np.int64), bins["end"].to_numpy(np.int64)
    with open_bigwig(path) as handle:
        names = harmonise_names(handle.chroms(), chromsizes, source=f"track {path}")
        in_file = {chrom: name for name, chrom in names.items()}
        for chrom, rows in bins.groupby(bins["chrom"].astype(str), sort=False).indices.items():
            if chrom not in in_file:
                continue
            rows = rows[np.argsort(starts[rows], kind="stable")]
            block = starts[rows] // BLOCK  # bins that start within a few Mb are read at once
            for part in np.split(rows, np.flatnonzero(np.diff(block)) + 1):
                first, last = int(starts[part[0]]), int(ends[part].max())
                values = handle.values(in_file[chrom], first, last, numpy=True)
                if len(values) == 0:  # a file without a single value
                    continue
                means[part] = _means(values, starts[part] - first, ends[part] - first)
    return means


def _means(values: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Mean of the finite ones of values[start:end] for each pair, NaN where there is none."""
    known = np.isfinite(values)
    # reduceat sums from each index to the next: every second one is a bin, the zero ends the last.
    edges = np.column_stack([starts, ends]).ravel()
    total = np.add.reduceat(np.append(np.where(known, values, 0), 0), edges, dtype=float)[::2]
    count = np.add.reduceat(np.append(known, False), edges, dtype=np.int64)[::2]
    return np.divide(total, count, out=np.full(len(starts), np.nan), where=count > 0)


def _read_bedgraph(path: Path, bins: pd.DataFrame, chromsizes: pd.Series) -> np.ndarray:
    import bioframe

    table = read_intervals(path, "bedgraph", chromsizes, what="track")
    table = table.loc[np.isfinite(table["score"]), ["chrom", "start", "end", "score"]]
    numbered = bins[["chrom", "start", "end"]].astype({"chrom": str}).reset_index(drop=True)
    overlap = bioframe.overlap(numbered, table, how="inner", return_index=True, return_overlap=True)
    weight = (overlap["overlap_end"] - overlap["overlap_start"]).to_numpy(float)
    row = overlap["index"].to_numpy(int)
    total = np.bincount(row, weight * overlap["score_"].to_numpy(float), len(bins))
    covered = np.bincount(row, weight, len(bins))
    return np.divide(total, covered, out=np.full(len(bins), np.nan), where=covered > 0)
