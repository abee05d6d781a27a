"""Assemblies: their chromosomes, centromeres and blacklist.

Coordinates are 0-based and half-open. hg19, hg38 and mm10 are shipped in `resources/`; any other
assembly is a chromsizes file, or a folder that holds one.
"""

import logging
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from chromloom.errors import InputError, nearest
from chromloom.genome.names import harmonise_names
from chromloom.tables import BED, Column, read_table

logger = logging.getLogger(__name__)


#: Coolers, in which every map is kept, hold positions in 32 bits.
LONGEST = 2**31 - 1
#: Names that the file of an assembly's sequence may have in its folder.
SEQUENCES = ("genome.fa.gz", "genome.fa", "genome.2bit")
#: Names of the shipped assemblies elsewhere, in lower case.
OTHER_NAMES = {"grch37": "hg19", "b37": "hg19", "grch38": "hg38", "grcm38": "mm10"}
RESOURCES = Path(__file__).resolve().parents[3] / "resources"


# What names of files of chromosome lengths end in.
_SUFFIXES = re.compile(r"(\.(chrom|chromsizes|sizes|fa|fasta|fna|fai|gz|txt|tsv))+$", re.IGNORECASE)


@dataclass(frozen=True)
class Assembly:
    """A reference assembly.

    Attributes
    ----------
    name : str
        As of `assembly_name`.
    chromsizes : pandas.Series
        Chromosome name -> length in bp (int64), in the assembly's order.
    centromeres : pandas.DataFrame
        chrom, start, end; at most one row per chromosome, empty where unknown or telocentric.
    blacklist : pandas.DataFrame
        chrom, start, end of regions to mask; empty where unknown.
    """

    name: str
    chromsizes: pd.Series
    centromeres: pd.DataFrame
    blacklist: pd.DataFrame


def assembly_name(name_or_path: str | Path) -> str:
    """Name of an assembly: that of its folder, or of its file without `.chrom.sizes` or the like.

    `chm13v2.0.chrom.sizes` is chm13v2.0; the folder `GCF_000001405.40` is GCF_000001405.40, and so
    is the file `chrom.sizes` in it.
    """
    path = Path(name_or_path)
    if path.name == "chrom.sizes" and path.parent.name:
        path = path.parent
    return path.name if path.is_dir() else _SUFFIXES.sub("", path.name)


def assembly_files(
    name_or_path: str | Path, resources: str | Path | None = None
) -> dict[str, Path]:
    """Files of an assembly: `chromsizes` and, where there are any, `centromeres` and `blacklist`.

    Parameters
    ----------
    name_or_path, resources
        As for `load_assembly`.

    Raises
    ------
    InputError
        Neither a known name nor a file.
    """
    resources = Path(resources or RESOURCES)
    for folder in (resources / str(name_or_path), Path(name_or_path)):
        if (folder / "chrom.sizes").is_file():
            files = {
                "chromsizes": folder / "chrom.sizes",
                "centromeres": folder / "centromeres.bed",
                "blacklist": folder / "blacklist.bed",
            }
            return {kind: path for kind, path in files.items() if path.is_file()}
    if Path(name_or_path).is_file():
        return {"chromsizes": Path(name_or_path)}
    known = sorted(p.parent.name for p in resources.glob("*/chrom.sizes"))
    asked = str(name_or_path).lower()
    near = OTHER_NAMES.get(asked) or nearest(asked, known)
    hint = f"did you mean {near}? Else" if near else "name one of these, or"
    raise InputError(
        f"assembly '{name_or_path}' is neither shipped ({', '.join(known)}) nor a file; {hint} "
        "give the path of a chromsizes file (chromosome, length; tab-separated) or of a folder "
        "with chrom.sizes"
    )


def sequence_file(name_or_path: str | Path, resources: str | Path | None = None) -> Path | None:
    """Sequence in the folder of an assembly (`SEQUENCES`); None where there is none."""
    for folder in (Path(resources or RESOURCES) / str(name_or_path), Path(name_or_path)):
        for name in SEQUENCES:
            if (folder / name).is_file():
                return folder / name
    return None


def load_assembly(
    name_or_path: str | Path,
    resources: str | Path | None = None,
    *,
    centromeres: str | Path | None = None,
    blacklist: str | Path | None = None,
) -> Assembly:
    """Load a shipped assembly by name, or any other by its chromsizes file.

    Parameters
    ----------
    name_or_path : str or Path
        A folder of `resources` (hg19, hg38, mm10), any other folder with `chrom.sizes` and, where
        known, `centromeres.bed` and `blacklist.bed`, or a tab-separated file whose first two
        columns are name and length (`chrom.sizes`, `.fai`).
    resources : str or Path, optional
        Folder of assemblies; by default the one at the root of the repository.
    centromeres, blacklist : str or Path, optional
        BED files that take the place of the shipped ones, or complete a chromsizes file.

    Raises
    ------
    InputError
        Neither a known name nor a file; or a malformed table.
    """
    files = assembly_files(name_or_path, resources)
    sizes_path = files["chromsizes"]
    chromsizes = read_chromsizes(sizes_path)
    for chrom, length in chromsizes[chromsizes > LONGEST].items():
        raise InputError(
            f"assembly {sizes_path}: {chrom} has {length:,} bp; expected at most {LONGEST:,} bp, "
            "which is what the .cool format holds: split the chromosome in the assembly, and the "
            "contacts with it"
        )
    return Assembly(
        name=assembly_name(name_or_path),
        chromsizes=chromsizes,
        centromeres=_read_regions(centromeres or files.get("centromeres"), chromsizes),
        blacklist=_read_regions(blacklist or files.get("blacklist"), chromsizes),
    )


def read_chromsizes(path: str | Path) -> pd.Series:
    """Read the first two columns (name, length) of a tab-separated file, keeping its order.

    Returns
    -------
    pandas.Series, int64
        Chromosome name -> length in bp.

    Raises
    ------
    InputError
        The file is missing or not such a table, a name stands there twice or is not ASCII.
    """
    contract = {"chrom": Column(), "length": Column(int, low=1)}
    table = read_table(path, contract, what="chromsizes file", names=list(contract), sep=None)
    place = f"chromsizes file {path}, line"
    for line, chrom in table["chrom"][table["chrom"].duplicated()].items():
        raise InputError(f"{place} {line}: chromosome '{chrom}' occurs twice; keep one")
    for line, chrom in table["chrom"].items():
        if not chrom.isascii():
            raise InputError(
                f"{place} {line}: chromosome name '{chrom}' has letters beyond ASCII, which "
                "contact maps and bigWigs cannot hold; rename it here and in all files"
            )
    return pd.Series(table["length"].to_numpy(), table["chrom"].to_numpy(), name="length")


def _read_regions(path: str | Path | None, chromsizes: pd.Series) -> pd.DataFrame:
    """chrom, start, end of a BED file's rows on `chromsizes`, names harmonised."""
    contract = {name: BED[name] for name in ("chrom", "start", "end")}
    if path is None:
        return pd.DataFrame(columns=list(contract)).astype({"start": "int64", "end": "int64"})
    table = read_table(
        path, contract, what="BED file", names=list(contract), sep=None, may_be_empty=True
    )
    if table.empty:
        return table.reset_index(drop=True)
    names = harmonise_names(table["chrom"].unique(), chromsizes, source=str(path))
    table["chrom"] = table["chrom"].map(names)
    table = table.dropna(subset="chrom")
    beyond = table[
        (table["end"] <= table["start"]) | (table["end"] > table["chrom"].map(chromsizes))
    ]
    for line, chrom, start, end in beyond.itertuples():
        raise InputError(
            f"BED file {path}, line {line}: {chrom}:{start}-{end} is not a region of the "
            f"{chromsizes[chrom]:,} bp of {chrom}; is the file for another assembly?"
        )
    return table.reset_index(drop=True)
