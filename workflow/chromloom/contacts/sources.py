"""Recognising the format of a contact map and opening it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from chromloom.contacts.coolers import CoolerReader
from chromloom.contacts.pixels import Target
from chromloom.contacts.sniff import HIC, magic_of, sniff_text
from chromloom.contacts.text import DumpReader, PairsReader
from chromloom.errors import InputError

if TYPE_CHECKING:
    from chromloom.contacts.hic import HicReader

    Reader = CoolerReader | HicReader | PairsReader | DumpReader

_HDF5 = b"\x89HDF\r\n\x1a\n"
_HDF5_SUFFIXES = (".cool", ".mcool", ".scool")


def open_source(
    source: str | Path,
    *,
    cell_labels: str | Path | None = None,
    cell_type: str | None = None,
    source_resolution: int | None = None,
) -> "Reader":
    """Open a contact map by what is in it, not by its name.

    Parameters
    ----------
    source : str or Path
        `.hic`, `.cool`, `.mcool` (or `file::/group`), `.scool`; a list of read pairs (4DN
        `.pairs`, `allValidPairs` of HiC-Pro, `merged_nodups.txt` of juicer), compressed or not; or
        juicer `dump` text as a file, a folder of files, a glob, or a path with `{chrom}` in it.
    cell_labels, cell_type
        See `CoolerReader`.
    source_resolution : int, optional
        Bin size of `dump` text in bp; read from its coordinates by default.

    Raises
    ------
    InputError
        Absent, empty, damaged, or of another format than its suffix says.
    """
    source = str(source)
    path = Path(source.partition("::")[0])
    cells: dict[str, Any] = {"cell_labels": cell_labels, "cell_type": cell_type}
    given = [name for name, value in cells.items() if value is not None]
    one = path.is_file()
    several = not one and (path.is_dir() or "{chrom}" in source or bool(set("*?[") & set(source)))
    if not one and not several:
        raise InputError(f"contact map {path} does not exist; give the path of an existing file")
    magic = magic_of(path) if one else b""
    if magic.startswith(_HDF5):
        return CoolerReader(source, **cells)
    if given:
        raise InputError(f"{source}: {', '.join(given)} is given; expected a .scool file")
    if magic.startswith(HIC):
        return _open_hic(source, magic)
    if path.suffix == ".hic" or path.suffix in _HDF5_SUFFIXES:
        expected = "'HIC'" if path.suffix == ".hic" else "the HDF5 signature"
        raise InputError(
            f"{path} is not a {path.suffix} file: it starts with {magic[:8]!r}, expected "
            f"{expected}; fetch it again, or give text as .pairs or as juicer dump (.txt)"
        )
    if one and sniff_text(path).kind != "dump":
        return PairsReader(source)
    return DumpReader(source, resolution=source_resolution)


def _open_hic(source: str, magic: bytes) -> "HicReader":
    version = int.from_bytes(magic[4:8], "little")
    if not 6 <= version <= 9:
        raise InputError(
            f"{source} is a .hic of version {version}; expected 6 to 9: write it again with "
            "juicer tools pre, or convert its read pairs"
        )
    from chromloom.contacts.hic import HicReader  # hictkpy takes a while to load

    return HicReader(source)


def stored_weights(
    source: str | Path,
    resolution: int,
    norm: str,
    *,
    chromsizes: pd.Series,
    length_tolerance: int = 0,
) -> np.ndarray | None:
    """A `.hic`'s stored KR, VC, VC_SQRT or SCALE vector as multiplicative weights.

    juicer stores divisive vectors, value = count / (v_i v_j), scaled so that the sum of values is
    about the sum of counts; here w = 1 / v, hence value = count * w_i * w_j.

    Parameters
    ----------
    source : str or Path
        Contact map; only `.hic` files store such vectors.
    resolution : int
        In bp; it has to be stored, vectors cannot be coarsened.
    norm : str
    chromsizes : pandas.Series
        The assembly's, as in `make_bins(chromsizes, resolution)`.
    length_tolerance : int
        As for `chromloom.genome.harmonise_names`.

    Returns
    -------
    ndarray, (n_bins,), float64, or None
        NaN where the file has no vector or masks the bin; None where nothing is stored.
    """
    if not Path(source).is_file():
        return None
    with Path(source).open("rb") as handle:
        magic = handle.read(8)
    if not magic.startswith(HIC):
        return None
    reader = _open_hic(str(source), magic)
    target = Target(chromsizes, tuple(chromsizes.index), length_tolerance)
    return reader.weights(target, resolution, norm)
