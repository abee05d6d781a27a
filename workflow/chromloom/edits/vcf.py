"""Structural variants of VCF files: the records, and the edit that each of their alleles makes.

`read_records` says what a file holds, whatever becomes of it; `edit_of` makes an edit of one
allele, in bp, or says why it cannot. Whether bins of some size can show the edit is asked later
(`bins.unfit`).
"""

import gzip
import itertools
import re
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chromloom.edits.edit import Edit, NotAnEdit, join, kind_of
from chromloom.errors import InputError
from chromloom.tables import open_text

BASES = re.compile("[ACGTUNRYSWKMBDHV]+", re.IGNORECASE)
BREAKEND = re.compile(r"(?P<before>[^\[\]]*)(?P<bracket>[\[\]])(?P<mate>.+)[\[\]](?P<after>.*)")
# Delly's tag CT: which ends of the two sides are connected, the 3' end of what is kept to the left.
CONNECTIONS = {"3to5": "+-", "5to3": "-+", "3to3": "++", "5to5": "--"}
_LEADING_PHASE = re.compile(r"(^|\t)[|/](?=[\d.])")
SMALL = 50  # bases of a variant that is not called structural
_COMPLEMENT = str.maketrans("ACGTUNRYSWKMBDHV", "TGCAANYRSWMKVHDB")


@dataclass(frozen=True)
class Record:
    """A line of a VCF file.

    Attributes
    ----------
    line : int
        Its number in the file, from 1.
    chrom, position : str, int
        As in the file: 1-based; of a structural variant, the base before it.
    id : str
        "" where there is none.
    ref : str
    alts : tuple of str
        Alleles other than the reference's.
    filters : tuple of str
        Filters that it failed; empty where it passed or none was applied.
    info : dict of str to str
        As text; "" for flags.
    genotypes : tuple of tuple of int or None
        By sample; 0 is the reference, None is unknown. Empty where genotypes were not called.
    """

    line: int
    chrom: str
    position: int
    id: str
    ref: str
    alts: tuple[str, ...]
    filters: tuple[str, ...]
    info: dict[str, str]
    genotypes: tuple[tuple[int | None, ...], ...]

    def carries(self, allele: int) -> bool:
        """Whether some sample may have an allele: unless those called all have others."""
        called = [a for genotype in self.genotypes for a in genotype if a is not None]
        return not called or allele in called


@dataclass(frozen=True)
class Fault:
    """A line of a VCF file that is no record."""

    line: int
    text: str
    detail: str


def read_records(path: str | Path) -> Iterator[Record | Fault]:
    """Read a VCF file (4.0 to 4.4, plain or compressed) or a BCF file, line by line.

    Parameters
    ----------
    path : str or Path

    Yields
    ------
    Record or Fault
        One for every line below the header.

    Raises
    ------
    InputError
        The file is missing, damaged or not text, or has a header that cannot be read; pysam is not
        installed.
    """
    try:
        import pysam
    except ModuleNotFoundError:
        raise InputError(
            f"{path}: reading a VCF needs pysam in the environment that runs Snakemake; install it "
            "there (pip or conda install pysam), or convert the file to BEDPE"
        ) from None
    with tempfile.TemporaryDirectory() as folder:
        # htslib is given tidy text: it refuses a whole file for a byte-order mark or a missing
        # header, and takes no gzip that is not bgzip.
        tidy = Path(folder) / "records.vcf"
        verbosity = pysam.set_verbosity(0)
        try:
            if is_bcf(path):
                text = Path(folder) / "of_bcf.vcf"
                with pysam.VariantFile(str(path)) as reader, text.open("w") as out:
                    out.writelines(map(str, (reader.header, *reader)))
                numbers = _tidy(text, tidy)
            else:
                numbers = _tidy(path, tidy)
            with pysam.VariantFile(str(tidy)) as reader, tidy.open(encoding="utf-8") as lines:
                records = iter(reader)
                data = (line.rstrip("\n") for line in lines if not line.startswith("#"))
                for number, line in zip(numbers, data):
                    yield _record(records, number, line)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{path}: this VCF cannot be read ({error}); repair it, for example with bcftools"
            ) from error
        finally:
            pysam.set_verbosity(verbosity)


def is_bcf(path: str | Path) -> bool:
    """Whether a file is a BCF, told by its content."""
    try:
        with gzip.open(path) as file:
            return file.read(4) == b"BCF\2"
    except (OSError, EOFError, zlib.error):
        return False


def contig_lengths(path: str | Path) -> dict[str, int]:
    """Lengths (bp) that the header of a VCF file gives its chromosomes."""
    if is_bcf(path):
        import pysam

        with pysam.VariantFile(str(path)) as reader:
            contigs = reader.header.contigs.values()
            return {contig.name: contig.length for contig in contigs if contig.length}
    lengths = {}
    with open_text(path, what="VCF file") as handle:
        for line in itertools.takewhile(lambda line: line.startswith("#"), handle):
            name = re.match(r"##contig=<.*?\bID=([^,>]+)", line)
            length = re.search(r"\blength=(\d+)", line)
            if name and length:
                lengths[name[1]] = int(length[1])
    return lengths


def edit_of(record: Record, allele: int) -> Edit:
    """The edit that an allele of a record makes, in bp and without a name.

    Parameters
    ----------
    record : Record
    allele : int
        Number of the allele, from 1.

    Returns
    -------
    Edit
        Names of chromosomes are those of the file.

    Raises
    ------
    NotAnEdit
    """
    alt = record.alts[allele - 1]
    svtype = record.info.get("SVTYPE", "")
    if "[" in alt or "]" in alt:
        return _breakend(record, alt)
    if alt in ("*", "<*>", "<NON_REF>"):
        raise NotAnEdit("type", f"ALT {alt} stands for no variant of its own")
    if len(alt) > 1 and (alt.startswith(".") or alt.endswith(".")):
        raise NotAnEdit("place", "a single breakend: the other end is not known")
    if alt.startswith("<"):
        return _symbolic(record, allele, alt.strip("<>"), svtype)
    bare = alt.upper() in (".", "N") or not BASES.fullmatch(alt)
    resolved = not bare and BASES.fullmatch(record.ref)
    if resolved and len(alt) >= SMALL and _reverse_complement(record.ref) == alt.upper():
        start = record.position - 1
        return Edit("", "inversion", record.chrom, start, start + len(alt))
    if svtype and (bare or not re.match("INS|DEL|SNP|SNV|INDEL|MNP|MNV|SUB", svtype.upper())):
        return _symbolic(record, allele, svtype, "")
    if alt == ".":
        raise NotAnEdit("type", "no allele but the reference's")
    if not resolved:
        raise NotAnEdit("type", f"ALT '{alt[:40]}' is neither bases, a breakend nor a type")
    return _sequence(record, alt)


def _tidy(path, tidy: Path) -> list[int]:
    """Write a VCF file as htslib takes it; returns the numbers of its lines of data."""
    header: list[str] = []
    numbers: list[int] = []
    titles = ""
    with open_text(path, what="VCF file") as handle, tidy.open("w", encoding="utf-8") as out:
        for number, line in enumerate(handle, start=1):
            if not line.strip() or (numbers and line.startswith("#")):
                continue
            if line.startswith("##"):
                header.append(line)
            elif line.startswith("#"):
                titles = line
            else:
                if not numbers:
                    out.writelines(_header(header, titles or line))
                numbers.append(number)
                cells = line.split("\t", 9)
                if len(cells) == 10:  # VCF 4.4 may lead a genotype with a phase, htslib does not
                    cells[9] = _LEADING_PHASE.sub(r"\1", cells[9])
                    line = "\t".join(cells)
                out.write(line if line.endswith("\n") else line + "\n")
        if not numbers:
            out.writelines(_header(header, titles))
    return numbers


def _header(meta: list[str], titles: str) -> Iterator[str]:
    """Lines of a header; samples are numbered, since theirs may be missing or there twice."""
    if not (meta and meta[0].startswith("##fileformat=VCF")):
        yield "##fileformat=VCFv4.3\n"
    yield from meta
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
    n_samples = max(len(titles.rstrip("\n").split("\t")) - 9, 0)
    if n_samples:
        columns += ["FORMAT", *(f"sample{number}" for number in range(1, n_samples + 1))]
    yield "\t".join(columns) + "\n"


def _record(records, number: int, line: str) -> Record | Fault:
    """The next record, whose text is `line`."""
    try:
        found = next(records)
        info = line.split("\t")[7]
        return Record(
            line=number,
            chrom=found.chrom,
            position=found.pos,
            id=found.id or "",
            ref=found.ref or "",
            alts=tuple(found.alts or (".",)),
            filters=tuple(name for name in found.filter if name != "PASS"),
            # From the text: pysam hides END, which is of another chromosome in many a file, and
            # gives values by types that headers often lack.
            info=dict(tag.partition("=")[::2] for tag in info.split(";")),
            genotypes=tuple(
                tuple(sample["GT"]) for sample in found.samples.values() if "GT" in sample
            ),
        )
    except (OSError, ValueError, StopIteration, IndexError):
        n_columns = len(line.split("\t"))
        detail = (
            "not separated by tabs"
            if n_columns == 1
            else f"no VCF record ({n_columns} columns; is POS a number, are there alleles, and as "
            "many samples as in the header?)"
        )
        return Fault(number, line, detail)


def _breakend(record: Record, alt: str) -> Edit:
    """A junction with another place: t[chrom:pos[, t]chrom:pos], ]chrom:pos]t, [chrom:pos[t."""
    made = junction_of(record, alt)
    return join(made.chrom, made.start, made.strand, made.chrom2, made.start2, made.strand2)


def junction_of(record: Record, alt: str) -> Edit:
    """The junction of a breakend as a translocation, also within one chromosome, without a name.

    Raises
    ------
    NotAnEdit
        `alt` is no breakend.
    """
    found = BREAKEND.fullmatch(alt)
    before, bracket, mate, after = found.groups() if found else ("", "", "", "")
    chrom2, _, position2 = mate.rpartition(":")
    if not chrom2 or not position2.isdigit() or bool(before) == bool(after):
        raise NotAnEdit(
            "type",
            f"ALT '{alt[:40]}' is no breakend; expected t[chrom:pos[, t]chrom:pos], "
            "]chrom:pos]t or [chrom:pos[t",
        )
    strand = "+" if before else "-"  # the bases come first: what lies left is kept
    strand2 = "-" if bracket == "[" else "+"
    at, at2 = _border(record.position, strand), _border(int(position2), strand2)
    return Edit("", "translocation", record.chrom, at, at, chrom2, at2, at2, strand, strand2)


def _border(base: int, strand: str) -> int:
    """1-based base -> 0-based border: after the base where its left is kept, before it else."""
    return base - (strand == "-")


def _symbolic(record: Record, allele: int, text: str, svtype: str) -> Edit:
    """The edit of a type such as DEL, DUP:TANDEM or INS:ME:ALU; `svtype` may say more of it."""
    kind = kind_of(text, svtype)
    if kind == "translocation":
        return _joined(record)
    if kind == "insertion":
        return _inserted(record)
    return Edit("", kind, record.chrom, record.position, _end(record, allele))


def _end(record: Record, allele: int) -> int:
    """Last base of the region of a symbolic allele: END, or as far as SVLEN."""
    lengths = [_integer(length) for length in record.info.get("SVLEN", "").split(",")]
    own = lengths[allele - 1] if len(lengths) == len(record.alts) else None
    reach = record.position + abs(own) if own else None
    end = _integer(record.info.get("END", ""))
    if end is not None and end <= record.position:
        end = None
    if len(record.alts) > 1 and reach:  # one END for all of them is that of the longest
        return reach
    found = end or reach
    if found is None:
        said = [f"{tag}={record.info[tag]}" for tag in ("END", "SVLEN") if tag in record.info]
        raise NotAnEdit("place", f"{' and '.join(said) or 'no END, no SVLEN'}: no end is known")
    return found


def _inserted(record: Record) -> Edit:
    source = re.fullmatch(r"(.+):(\d+)-(\d+)", record.info.get("SOURCE", ""))
    if source is None:
        raise NotAnEdit(
            "sequence",
            "inserts a sequence that is not in the map; a locus that is inserted is named in INFO "
            "as SOURCE=chrom:first-last",
        )
    at, first, last = record.position, int(source[2]), int(source[3])
    return Edit("", "insertion", record.chrom, at, at, source[1], first - 1, last)


def _joined(record: Record) -> Edit:
    """A translocation by INFO: CHR2, POS2 or END, and CT or STRANDS."""
    info = record.info
    position2 = _integer(info.get("POS2", info.get("END", "")))
    if "CHR2" not in info or position2 is None:
        raise NotAnEdit("place", "the other end is not known (CHR2 with POS2 or END, in INFO)")
    strands = CONNECTIONS.get(info.get("CT", ""), info.get("STRANDS", "")[:2])
    if len(strands) < 2:
        raise NotAnEdit("type", "which sides are joined is not known (CT or STRANDS, in INFO)")
    at, at2 = _border(record.position, strands[0]), _border(position2, strands[1])
    return join(record.chrom, at, strands[0], info["CHR2"], at2, strands[1])


def _sequence(record: Record, alt: str) -> Edit:
    """The edit of an allele that is given by its bases."""
    ref, alt, start = record.ref.upper(), alt.upper(), record.position - 1
    same = len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], zip(ref, alt))))
    ref, alt, start = ref[same:], alt[same:], start + same
    back = zip(reversed(ref), reversed(alt))
    same = len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], back)))
    ref, alt = ref[: len(ref) - same], alt[: len(alt) - same]
    if not ref and not alt:
        raise NotAnEdit("type", "no allele but the reference's")
    if not ref and start >= record.position:  # the base before stays, so that it can be checked
        start -= 1
        ref = record.ref[start - record.position + 1].upper()
        alt = ref + alt
    end = start + len(ref)
    if ref and (not alt or len(alt) < SMALL <= len(ref)):
        return Edit("", "deletion", record.chrom, start, end, ref=ref)
    return Edit("", "substitution", record.chrom, start, end, ref=ref, alt=alt)


def _reverse_complement(bases: str) -> str:
    return bases.upper().translate(_COMPLEMENT)[::-1]


def _integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?\d+", text) else None
