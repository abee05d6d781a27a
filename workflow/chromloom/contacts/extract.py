"""Extraction: one contact map of any format to one `.mcool` of raw counts."""

import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import cooler
import numpy as np
import pandas as pd

from chromloom import __version__
from chromloom.contacts.pixels import CHUNK, Target
from chromloom.contacts.sources import open_source
from chromloom.contacts.write import write_mcool
from chromloom.errors import InputError
from chromloom.genome.assembly import Assembly, load_assembly
from chromloom.genome.names import select_chromosomes

logger = logging.getLogger(__name__)


def extract_contacts(
    source: str | Path,
    out: str | Path,
    *,
    assembly: Assembly | str | Path,
    resolutions: Iterable[int],
    sample: str,
    chroms: Iterable[str] | None = None,
    cell_labels: str | Path | None = None,
    cell_type: str | None = None,
    source_resolution: int | None = None,
    length_tolerance: int = 0,
    float_counts: bool = False,
) -> None:
    """Write a sample's contacts as one `.mcool`, streamed, with the assembly's bins and names.

    Contacts between chromosomes are kept. Counts of a resolution the source lacks are sums of a
    finer one. Nothing is left behind when it fails.

    Parameters
    ----------
    source : str or Path
        `.hic`, `.cool`, `.mcool`, `.scool`, list of read pairs or juicer dump; see `open_source`.
    out : str or Path
        The `.mcool`: groups `resolutions/{bp}`, pixels `count` (int32, int64 where that might not
        hold them, or float64 with `float_counts`), no `weight`; assembly, sample, provenance and
        what reading did (`reading`: equal pixels summed, contacts left out) in each one's metadata.
    assembly : Assembly, or what `load_assembly` takes
    resolutions : iterable of int
        In bp.
    sample : str
        Name in the sample sheet.
    chroms : iterable of str, optional
        Keep contacts of these chromosomes alone, and fail where one has none. The bins are always
        those of the whole assembly.
    cell_labels : str or Path, optional
        `.scool`: TSV with columns cell and cell_type.
    cell_type : str, optional
        `.scool`: the type to pool; all labelled cells by default.
    source_resolution : int, optional
        juicer dump: bin size in bp.
    length_tolerance : int
        Difference of chromosome lengths in bp that is accepted; see `harmonise_names`.
    float_counts : bool
        Accept values that are not whole numbers (a matrix that is normalised already, such as
        `dump observed KR`) and store them as they are.

    Raises
    ------
    InputError
        Unreadable or damaged source; another assembly; a resolution that cannot be had; no
        contacts, or none on a chromosome of `chroms`; values that are not counts.
    """
    started = time.perf_counter()
    if not isinstance(assembly, Assembly):
        assembly = load_assembly(assembly)
    chroms = None if chroms is None else list(chroms)
    kept = select_chromosomes(chroms, assembly.chromsizes, source=f"sample '{sample}'")
    target = Target(assembly.chromsizes, tuple(kept), length_tolerance)
    try:
        reader = open_source(
            source,
            cell_labels=cell_labels,
            cell_type=cell_type,
            source_resolution=source_resolution,
        )
        stated = reader.names(target)
        if chroms is not None and stated is not None:
            _require(kept, set(stated.values()), reader.path)
        names = stated or {}
        write_mcool(
            out,
            lambda resolution: _counts(
                reader.pixels(target, names, resolution), reader.path, float_counts, reader.notes
            ),
            chromsizes=assembly.chromsizes,
            resolutions=resolutions,
            stored=reader.resolutions,
            source=reader.path,
            ordered=reader.is_ordered(target, names),
            unique=reader.unique,
            notes=reader.notes,
            dtype=np.float64 if float_counts else np.int32,
            assembly=assembly.name,
            metadata={
                "assembly": assembly.name,
                "sample": sample,
                "counts": "float" if float_counts else "raw",
                "source": Path(reader.path).name,
                "source_format": reader.format,
                "source_assembly": reader.assembly,
                "source_resolutions": list(reader.resolutions or ()),
                "source_names": {chrom: Path(name).name for name, chrom in names.items()},
                "cell_type": cell_type,
                "chroms": kept if chroms is not None else None,
                "generated_by": f"chromloom {__version__}",
            },
            check=lambda clr: _check_contacts(clr, chroms and kept, reader.path),
        )
    except InputError as error:
        raise InputError(f"sample '{sample}': {error}") from error
    logger.info("sample '%s': %s extracted in %.1f s", sample, out, time.perf_counter() - started)


def _counts(
    chunks: Iterable[pd.DataFrame], path: str, float_counts: bool, notes: Counter
) -> Iterator[pd.DataFrame]:
    """Chunks with whole, positive counts as int32 (float64 with `float_counts`), zeros dropped."""
    for chunk in chunks:
        count = chunk["count"].to_numpy()
        usable = np.isfinite(count) & (count != 0)
        if not usable.all():
            notes["pixels without a number left out"] += int((~np.isfinite(count)).sum())
            chunk, count = chunk[usable], count[usable]
        wrong = count < 0 if float_counts else (count < 0) | (count != np.floor(count))
        if wrong.any():
            raise InputError(
                f"{path} holds {count[wrong][0]} as the count of a pair; expected whole numbers "
                "of reads: give the raw matrix (juicer: observed NONE), or float_counts to keep "
                "values that are normalised already"
            )
        yield chunk.assign(count=count.astype(np.float64 if float_counts else np.int64))


def _require(chroms: Iterable[str], present: set[str], path: str) -> None:
    absent = [chrom for chrom in chroms if chrom not in present]
    if absent:
        raise InputError(
            f"{path} has no contacts within {', '.join(absent)}, which the config names; take it "
            "out of the chromosomes, or give a map that covers it"
        )


def _check_contacts(clr: cooler.Cooler, chroms: list[str] | None, path: str) -> None:
    """Refuse an empty map, and one without contacts on a chromosome that was asked for."""
    if clr.info["nnz"] == 0:
        raise InputError(
            f"{path} holds no contacts on the assembly's chromosomes; expected a map with counts"
        )
    if chroms:
        _require(chroms, {chrom for chrom in chroms if _has_cis(clr, chrom)}, path)


def _has_cis(clr: cooler.Cooler, chrom: str) -> bool:
    first, last = clr.extent((chrom, None, None))
    with clr.open("r") as h5:
        start, stop = h5["indexes"]["bin1_offset"][first], h5["indexes"]["bin1_offset"][last]
        return any(
            (h5["pixels"]["bin2_id"][at : min(at + CHUNK, stop)] < last).any()
            for at in range(start, stop, CHUNK)
        )
