"""What a contact map is, told by its first bytes and its first row, never by its name alone.

Of a compressed file no more than `LIMIT` bytes are unpacked per line.
"""

import lzma
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from chromloom.errors import InputError
from chromloom.tables import open_text, opener_of

LIMIT = 1 << 20
EXPECTED = (
    "expected .hic, .cool, .mcool or .scool; read pairs (4DN .pairs, allValidPairs of HiC-Pro, "
    "merged_nodups.txt of juicer), plain or compressed by gzip, bgzip, bzip2 or xz; or juicer dump "
    "text (bp, bp, value; one chromosome per file)"
)
_PAIRS_OF_READS = (
    "make read pairs of it: pairtools parse -c chrom.sizes x.bam | pairtools sort | pairtools "
    "dedup -o x.pairs.gz"
)
_FOREIGN = {
    b"BAM\1": f"a BAM file of alignments; {_PAIRS_OF_READS}",
    b"CRAM": f"a CRAM file of alignments; {_PAIRS_OF_READS}",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; decompress it (zstd -d) or write it as .gz",
    b"\x04\x22\x4d\x18": "compressed by lz4; decompress it (lz4 -d) or write it as .gz",
    b"PK\x03\x04": "a zip archive; unpack it and give what is in it",
    b"PAR1": "a parquet file; write its read pairs as .pairs",
    b"SRA": "reads of the SRA; take the map that its study deposited, or align them",
    b"%PDF": "a PDF; fetch the map itself",
    b"<!DOCTYPE": "a web page, which a download left; fetch the file again",
    b"<html": "a web page, which a download left; fetch the file again",
    b"version https://git-lfs": "a pointer of git LFS; fetch the file that it names (git lfs pull)",
}
HIC = b"HIC\0"
_WHOLE = {b"\x89HDF\r\n\x1a\n": "an HDF5 file", HIC: "a .hic file"}

_PAIRS = ("readID", "chr1", "pos1", "chr2", "pos2", "strand1", "strand2")
_HICPRO = ("readID", "chr1", "pos1", "strand1", "chr2", "pos2", "strand2")
_JUICER = ("strand1", "chr1", "pos1", "frag1", "strand2", "chr2", "pos2", "frag2")


@dataclass(frozen=True)
class Text:
    """What a text of contacts is.

    Attributes
    ----------
    kind : str
        pairs, hicpro, juicer (lists of read pairs) or dump.
    columns : tuple of str
        Names of its columns, up to the last that matters.
    sep : str
        A tab or a blank.
    assembly : str
        As its header states it, or unknown.
    sizes : dict
        Chromosome -> length in bp, as its header states it; may be empty.
    """

    kind: str
    columns: tuple[str, ...]
    sep: str
    assembly: str = "unknown"
    sizes: dict[str, int] = field(default_factory=dict)


def is_hic(path: str | Path) -> bool:
    """Whether a contact map is a .hic; a file that is yet to be made is what its name says."""
    if not Path(path).is_file():
        return Path(path).suffix == ".hic"
    with Path(path).open("rb") as handle:
        return handle.read(4) == HIC


def magic_of(path: Path) -> bytes:
    """The first bytes of a file, unpacked.

    Raises
    ------
    InputError
        Empty, damaged, or of a kind that is not read; says which, and how to convert it.
    """
    with path.open("rb") as handle:
        raw = handle.read(32)
    if not raw:
        raise InputError(f"contact map {path} is empty (0 bytes); fetch or write it again")
    opener = opener_of(raw)
    magic = raw
    if opener is not None:
        try:
            with opener(path, "rb") as handle:
                magic = handle.read(32)
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise InputError(
                f"{path} cannot be read ({error}); expected a complete contact map: the file is "
                "damaged or truncated, fetch or write it again"
            ) from error
        for start, what in _WHOLE.items():
            if magic.startswith(start):
                raise InputError(f"{path} is {what} within gzip or the like; unpack it (gunzip)")
    for start, what in _FOREIGN.items():
        if magic.lower().startswith(start.lower()):
            raise InputError(f"{path} is {what}; {EXPECTED}")
    return magic


def sniff_text(path: str | Path) -> Text:
    """Tell what a text of contacts is by its header and first row.

    Raises
    ------
    InputError
        No contacts, or none that are read; says what it is where that can be told.
    """
    header: dict[str, str] = {}
    sizes: dict[str, int] = {}
    with open_text(path, what="contact map") as handle:
        while line := handle.readline(LIMIT):
            if len(line) == LIMIT:
                raise InputError(f"{path} has a line of more than {LIMIT:,} characters; {EXPECTED}")
            if not line.startswith("#"):
                if line.strip():
                    break
                continue
            key, _, value = line.lstrip("#").partition(":")
            if key == "chromsize":
                name, length = _chromsize(value, path)
                sizes[name] = length
            else:
                header[key.strip().split(" ")[0]] = value
        else:
            what = "read pairs" if header or sizes else "contacts"
            raise InputError(f"{path} holds no {what}; expected rows below its header")
    line = line.rstrip("\r\n")
    sep = "\t" if "\t" in line else " "
    cells = [cell.strip() for cell in line.split("\t")] if sep == "\t" else line.split()
    if "columns" in header or "pairs" in header or sizes:
        columns = [_plain(name) for name in header.get("columns", "").split()] or list(_PAIRS)
        missing = {"chr1", "pos1", "chr2", "pos2"} - set(columns)
        if missing or len(cells) < max(columns.index(c) for c in ("chr1", "pos1", "chr2", "pos2")):
            raise InputError(
                f"{path} is not in pairs format: its first row is '{line[:80]}'; expected "
                "tab-separated readID, chr1, pos1, chr2, pos2, or a #columns line that names them"
            )
        assembly = (header.get("genome_assembly", "").split() or ["unknown"])[0]
        return Text("pairs", tuple(columns), sep, assembly, sizes)
    return _by_row(path, line, cells, sep)


def _by_row(path: str | Path, line: str, cells: list[str], sep: str) -> Text:
    n = len(cells)

    def whole(*places: int) -> bool:
        return all(k < n and re.fullmatch(r"-?\d+", cells[k]) for k in places)

    def strands(*places: int) -> bool:
        return all(k < n and cells[k] in {"+", "-", "."} for k in places)

    numbers = all(re.fullmatch(r"[-+]?\d*\.?\d+([eE][-+]?\d+)?|nan|NaN|NA", cell) for cell in cells)
    if n == 3 and whole(0, 1) and numbers:
        return Text("dump", ("i", "j", "value"), sep)
    if whole(2, 5) and strands(3, 6):
        return Text("hicpro", _HICPRO, sep)
    if n == 11 and whole(1, 3, 4, 5, 7, 8) and not strands(5):
        return Text("juicer", ("readID", *_JUICER), sep)
    if n > 5 and numbers and n not in (8, 9, 11, 16):
        found = (
            f"a dense matrix ({n} columns of numbers); write it as .cool, or as juicer dump text"
        )
    elif n >= 8 and whole(0, 2, 3, 4, 6, 7):
        return Text("juicer", (*_JUICER, "count") if n == 9 else _JUICER, sep)
    elif n == 4 and whole(1, 3):
        return Text("juicer", ("chr1", "pos1", "chr2", "pos2"), sep)
    elif n >= 7 and whole(1, 2, 4, 5):
        found = (
            "a list of pixels (BEDPE or bedGraph2: chrom, start, end, chrom, start, end, count); "
            "convert it: cooler load -f bg2 chrom.sizes:BINSIZE x.bg2 x.cool"
        )
    elif n >= 5 and whole(2, 4):
        return Text("pairs", _PAIRS, sep)
    elif line.startswith("@") and sep == "\t":
        found = f"a SAM file of alignments; {_PAIRS_OF_READS}"
    elif line.startswith((">", "@")):
        found = "a file of sequences (FASTA, FASTQ); align the reads and make read pairs of them"
    else:
        raise InputError(
            f"{path} is neither a list of read pairs nor juicer dump text: its first row is "
            f"'{line[:80]}'; {EXPECTED}"
        )
    raise InputError(f"{path} is {found}; {EXPECTED}")


def _chromsize(value: str, path: str | Path) -> tuple[str, int]:
    cells = value.split()
    if len(cells) < 2 or not cells[1].isdigit():
        raise InputError(
            f"{path}: its header says '#chromsize:{value.rstrip()}'; expected a name and a length"
        )
    return cells[0], int(cells[1])


def _plain(column: str) -> str:
    """pairtools writes chrom1, the specification chr1."""
    return column.replace("chrom", "chr")
