"""Genomic tracks as files: one value a bin, read from and written to bigWig or bedGraph."""

from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.files import atomic_path
from chromloom.genome.names import harmonise_names


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
        bigWig (`.bw`, `.bigWig`), or bedGraph text, gzipped or not (chrom, start, end, value).
    bins : DataFrame
        chrom, start, end.
    chromsizes : Series
        Chromosome name -> bp; the file's names are matched to these (`harmonise_names`).

    Returns
    -------
    ndarray, (n_bins,), float64
        Mean over the bases that have a value (bedGraph: of the intervals' values, weighted by
        their overlap); NaN where there is none.

    Raises
    ------
    InputError
        The file cannot be read, or none of its chromosomes is in the map.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"track {path} does not exist; give a bigWig or bedGraph file")
    if path.suffix.lower() in (".bw", ".bigwig"):
        return _read_bigwig(path, bins, chromsizes)
    return _read_bedgraph(path, bins, chromsizes)


def _read_bigwig(path: Path, bins: pd.DataFrame, chromsizes: pd.Series) -> np.ndarray:
    import pyBigWig

    values = np.full(len(bins), np.nan)
    try:
        handle = pyBigWig.open(str(path))
    except RuntimeError as error:
        raise InputError(f"track {path} is not a bigWig file ({error}); check the file") from error
    with handle:
        names = harmonise_names(list(handle.chroms()), chromsizes, source=str(path))
        in_file = {chrom: name for name, chrom in names.items()}
        for chrom, rows in bins.groupby(bins["chrom"].astype(str), sort=False).indices.items():
            if chrom not in in_file:
                continue
            name = in_file[chrom]
            starts = bins["start"].to_numpy()[rows]
            ends = np.minimum(bins["end"].to_numpy()[rows], handle.chroms()[name])
            for row, start, end in zip(rows, starts.tolist(), ends.tolist()):
                if start < end:
                    mean = handle.stats(name, start, end, type="mean", exact=True)[0]
                    values[row] = np.nan if mean is None else mean
    return values


def _read_bedgraph(path: Path, bins: pd.DataFrame, chromsizes: pd.Series) -> np.ndarray:
    import bioframe

    names = ["chrom", "start", "end", "value"]
    try:
        table = pd.read_csv(
            path, sep="\t", header=None, usecols=range(4), names=names, comment="#",
            dtype={"chrom": str},
        ).astype({"start": int, "end": int, "value": float})  # fmt: skip
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(
            f"track {path} cannot be read ({error}); expected a bigWig, or bedGraph text of chrom, "
            "start, end, value without a header"
        ) from error
    matched = harmonise_names(table["chrom"].unique(), chromsizes, source=str(path))
    table = table.assign(chrom=table["chrom"].map(matched)).dropna(subset=["chrom", "value"])
    numbered = bins[["chrom", "start", "end"]].astype({"chrom": str}).reset_index(drop=True)
    overlap = bioframe.overlap(numbered, table, how="inner", return_index=True, return_overlap=True)
    weight = (overlap["overlap_end"] - overlap["overlap_start"]).to_numpy(float)
    row = overlap["index"].to_numpy(int)
    total = np.bincount(row, weight * overlap["value_"].to_numpy(float), len(bins))
    covered = np.bincount(row, weight, len(bins))
    return np.divide(total, covered, out=np.full(len(bins), np.nan), where=covered > 0)
