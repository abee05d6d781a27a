"""Assemblies, chromosome names, bins and views: the coordinates that every room shares.

Coordinates are 0-based and half-open. hg19, hg38 and mm10 are shipped in `resources/`; any other
assembly is a chromsizes file. Reading contacts is not done here (`chromloom.contacts`).
"""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.errors import InputError

logger = logging.getLogger(__name__)

RESOURCES = Path(__file__).resolve().parents[2] / "resources"
_MITOCHONDRIA = {"m", "mt", "mito", "mitochondrion", "dmel_mitochondrion_genome"}


@dataclass(frozen=True)
class Assembly:
    """A reference assembly.

    Attributes
    ----------
    name : str
        hg19, hg38, mm10, or the first part of the chromsizes file's name.
    chromsizes : pandas.Series
        Chromosome name -> length in bp (int64), in the assembly's order.
    centromeres : pandas.DataFrame
        chrom, start, end; at most one row a chromosome, empty where unknown or telocentric.
    blacklist : pandas.DataFrame
        chrom, start, end of regions to mask; empty where unknown.
    """

    name: str
    chromsizes: pd.Series
    centromeres: pd.DataFrame
    blacklist: pd.DataFrame


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
    resources = Path(resources or RESOURCES)
    folders = (resources / str(name_or_path), Path(name_or_path))
    folder = next((f for f in folders if (f / "chrom.sizes").is_file()), None)
    if folder is not None:
        name, sizes_path = folder.name, folder / "chrom.sizes"
        centromeres = centromeres or _existing(folder / "centromeres.bed")
        blacklist = blacklist or _existing(folder / "blacklist.bed")
    else:
        sizes_path = Path(name_or_path)
        name = sizes_path.name.split(".")[0]
        if not sizes_path.is_file():
            known = ", ".join(sorted(p.parent.name for p in resources.glob("*/chrom.sizes")))
            raise InputError(
                f"assembly '{name_or_path}' is neither shipped ({known}) nor a file; name one of "
                "these, or give the path of a chromsizes file (chromosome, length; tab-separated)"
            )
    chromsizes = read_chromsizes(sizes_path)
    return Assembly(
        name=name,
        chromsizes=chromsizes,
        centromeres=_read_regions(centromeres, chromsizes),
        blacklist=_read_regions(blacklist, chromsizes),
    )


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None


def read_chromsizes(path: str | Path) -> pd.Series:
    """Read the first two columns (name, length) of a tab-separated file, keeping its order.

    Returns
    -------
    pandas.Series, int64
        Chromosome name -> length in bp.
    """
    rows: dict[str, int] = {}
    for number, line in enumerate(Path(path).read_text().splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split()
        if len(fields) < 2 or not fields[1].isdigit() or int(fields[1]) == 0 or fields[0] in rows:
            raise InputError(
                f"chromsizes file {path}, line {number}: '{line.strip()}' is not a new chromosome "
                "name and a positive length in bp, separated by a tab"
            )
        rows[fields[0]] = int(fields[1])
    if not rows:
        raise InputError(f"chromsizes file {path} is empty; expected name and length per line")
    return pd.Series(rows, name="length", dtype="int64")


def _read_regions(path: str | Path | None, chromsizes: pd.Series) -> pd.DataFrame:
    """chrom, start, end of a BED file's rows on `chromsizes`, names harmonised."""
    empty = pd.DataFrame({"chrom": [], "start": [], "end": []}).astype(
        {"chrom": object, "start": "int64", "end": "int64"}
    )
    if path is None:
        return empty
    try:
        table = pd.read_csv(
            path,
            sep="\t",
            comment="#",
            header=None,
            usecols=[0, 1, 2],
            names=["chrom", "start", "end"],
            dtype={"chrom": str},
        )
        table = table.astype({"start": "int64", "end": "int64"})
    except FileNotFoundError:
        raise InputError(f"BED file {path} does not exist") from None
    except ValueError as error:
        if not any(_data_lines(path)):
            return empty
        raise InputError(
            f"BED file {path} cannot be read: {error}; expected chrom, start, end without a header"
        ) from error
    if table.empty:
        return empty
    names = harmonise_names(table["chrom"].unique(), chromsizes, source=str(path))
    table["chrom"] = table["chrom"].map(names)
    table = table.dropna(subset="chrom").reset_index(drop=True)
    beyond = table[
        (table["start"] < 0)
        | (table["end"] <= table["start"])
        | (table["end"] > table["chrom"].map(chromsizes))
    ]
    if len(beyond):
        chrom, start, end = beyond.iloc[0]
        raise InputError(
            f"BED file {path}: {chrom}:{start}-{end} is not a region of the {chromsizes[chrom]:,} "
            f"bp of {chrom}; is the file for another assembly?"
        )
    return table


def _data_lines(path: str | Path) -> Iterable[str]:
    return (s for s in Path(path).read_text().splitlines() if s.strip() and s[0] != "#")


def harmonise_names(
    names: Iterable[str] | Mapping[str, int] | pd.Series,
    chromsizes: pd.Series,
    *,
    source: str,
    length_tolerance: int = 0,
) -> dict[str, str]:
    """Match a file's chromosome names with the assembly's.

    A `chr` prefix, case, leading zeros and the spellings of the mitochondrion are no difference;
    everything else is (roman numerals stay roman, chr2L stays an arm).

    Parameters
    ----------
    names : iterable of str, or mapping or Series name -> length
        Names in the file. Lengths in bp are compared with the assembly's when they are given.
    chromsizes : pandas.Series
        The assembly's names and lengths.
    source : str
        File or sample, for the message.
    length_tolerance : int
        Largest difference of lengths in bp that is taken for the same chromosome (another patch of
        the assembly). A mitochondrion of another length is left out with a warning: several
        sequences are in use (hg19: 16,571 bp at UCSC, 16,569 in juicer).

    Returns
    -------
    dict
        Name in the file -> name in the assembly; sequences the assembly lacks are left out.

    Raises
    ------
    InputError
        No name matches, two names are the same chromosome, or lengths disagree.
    """
    lengths = dict(names) if isinstance(names, Mapping | pd.Series) else None
    names = [str(name) for name in (lengths if lengths is not None else names)]
    by_key = {_name_key(chrom): chrom for chrom in chromsizes.index}
    matched = {
        name: name if name in chromsizes.index else by_key.get(_name_key(name)) for name in names
    }
    taken: dict[str, str] = {}
    for name, chrom in matched.items():
        if chrom is not None and taken.setdefault(chrom, name) != name:
            raise InputError(
                f"{source}: chromosomes '{taken[chrom]}' and '{name}' are both {chrom}; keep one"
            )
    if not taken:
        raise InputError(
            f"{source}: none of its chromosome names ({_some(names)}) is one of the assembly's "
            f"({_some(chromsizes.index)}); name the assembly that the file was made with, or give "
            "its chromsizes file"
        )
    if lengths is not None:
        for chrom, name in list(taken.items()):
            length, expected = int(lengths[name]), int(chromsizes[chrom])
            if abs(length - expected) <= length_tolerance:
                continue
            if _name_key(chrom) == "m":
                logger.warning(
                    "%s: %s left out, its %d bp are another sequence than the assembly's %d bp",
                    source,
                    name,
                    length,
                    expected,
                )
                del taken[chrom]
                continue
            raise InputError(
                f"{source}: chromosome {name} has {length:,} bp, {chrom} of the assembly "
                f"{expected:,} bp; name the assembly that the file was made with, or give its "
                f"chromsizes file (length_tolerance is {length_tolerance} bp: raise it only for "
                "another patch of the same assembly)"
            )
    left_out = [name for name in names if name not in taken.values()]
    if left_out:
        logger.info(
            "%s: %d sequences not in the assembly are left out: %s",
            source,
            len(left_out),
            _some(left_out),
        )
    return {name: chrom for chrom, name in taken.items()}


def match_names(names: Iterable[str], chromsizes: pd.Series) -> dict[str, str | None]:
    """The assembly's name of each name by the rules of `harmonise_names`, None where it has none.

    A name equal to the assembly's wins over one that has to be translated.
    """
    by_key = {_name_key(chrom): chrom for chrom in chromsizes.index}
    return {
        name: name if name in chromsizes.index else by_key.get(_name_key(name))
        for name in map(str, names)
    }


def _name_key(name: str) -> str:
    key = re.sub(r"^(chromosome|chrom|chr)[_.]?", "", str(name).strip().lower()) or name.lower()
    key = re.sub(r"^0+(?=\d)", "", key)
    return "m" if key in _MITOCHONDRIA else key


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(f"'{name}'" for name in names[:4]) + (", …" if len(names) > 4 else "")


def select_chromosomes(
    chroms: Iterable[str] | None, chromsizes: pd.Series, *, source: str
) -> list[str]:
    """Names of the assembly for the chromosomes that a user asked for; None is all of them.

    Raises
    ------
    InputError
        A name is not in the assembly (`source` says where it was asked for).
    """
    if chroms is None:
        return list(chromsizes.index)
    chroms = [str(chrom) for chrom in chroms]
    matched = match_names(chroms, chromsizes)
    unknown = [chrom for chrom, match in matched.items() if match is None]
    if unknown or not chroms:
        raise InputError(
            f"{source}: chromosomes {_some(unknown) or '(none)'} are not in the assembly; it has "
            f"{_some(chromsizes.index)}"
        )
    return list(dict.fromkeys(matched.values()))


def make_bins(chromsizes: pd.Series, resolution: int) -> pd.DataFrame:
    """Fixed-size bins of a genome; the last of each chromosome is cut at its end.

    Returns
    -------
    pandas.DataFrame
        chrom (str), start, end (int64); row number is `bin_id`, as in cooler.
    """
    chromsizes = pd.Series(chromsizes)
    counts = -(-chromsizes.to_numpy(dtype=np.int64) // resolution)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    start = (np.arange(counts.sum()) - first) * resolution
    end = np.minimum(start + resolution, np.repeat(chromsizes.to_numpy(), counts))
    chrom = np.repeat(chromsizes.index.to_numpy(dtype=object), counts)
    return pd.DataFrame({"chrom": chrom, "start": start, "end": end.astype(np.int64)})


def make_view(
    assembly: Assembly,
    *,
    chroms: Iterable[str] | None = None,
    arms: bool = True,
    resolution: int = 1,
) -> pd.DataFrame:
    """Regions over which an expected is computed: chromosome arms, or whole chromosomes.

    Parameters
    ----------
    assembly : Assembly
    chroms : iterable of str, optional
        Chromosomes in the view, in any spelling; all of them by default.
    arms : bool
        Split where the assembly has a centromere, at its midpoint.
    resolution : int
        The split is rounded down to a border of bins of this size, so that no bin is in two arms.

    Returns
    -------
    pandas.DataFrame
        chrom, start, end, name; names are unique (`chr1_p`, `chr1_q`, or `chrM` unsplit).
    """
    middle = assembly.centromeres.set_index("chrom")
    middle = ((middle["start"] + middle["end"]) // 2).to_dict() if arms else {}
    rows = []
    for chrom in select_chromosomes(chroms, assembly.chromsizes, source="view"):
        length = int(assembly.chromsizes[chrom])
        split = int(middle.get(chrom, 0)) // resolution * resolution
        if 0 < split < length:
            rows += [(chrom, 0, split, f"{chrom}_p"), (chrom, split, length, f"{chrom}_q")]
        else:
            rows.append((chrom, 0, length, chrom))
    return pd.DataFrame(rows, columns=["chrom", "start", "end", "name"])


def parse_region(text: str, chromsizes: Mapping[str, int]) -> tuple[str, int, int]:
    """Read `chrom` or `chrom:start-end` (bp, 0-based half-open; thousands separators allowed).

    Parameters
    ----------
    text : str
        What the user wrote.
    chromsizes : mapping
        Chromosome name -> length, bp.

    Raises
    ------
    InputError
        Neither form, an unknown chromosome, or a span outside of it.
    """
    chrom, colon, span = text.partition(":")
    if chrom not in chromsizes:
        raise InputError(f"region {text!r}: no chromosome {chrom!r}; known are {_some(chromsizes)}")
    length = int(chromsizes[chrom])
    if not colon:
        return chrom, 0, length
    start, dash, end = span.replace(",", "").partition("-")
    if not (dash and start.isdigit() and end.isdigit() and int(start) < int(end) <= length):
        raise InputError(
            f"region {text!r}: expected {chrom}:start-end with 0 <= start < end <= {length:,}"
        )
    return chrom, int(start), int(end)
