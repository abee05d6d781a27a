"""Readers of edits: BED, BEDPE, VCF (structural variants) and a TSV with the fields of `Edit`.

Every record of a file becomes a row: an edit, or the reason why it is none. Two kinds of file are
told apart. BED and TSV are written for the purpose: a row that cannot be made is an error. BEDPE
and VCF come from callers of structural variants: a record that cannot be made is left out, and the
file is read on. All coordinates are 0-based half-open inside; VCF is converted at the reader.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import pandas as pd

from chromloom.edits import vcf
from chromloom.edits.bins import unfit
from chromloom.edits.edit import (
    EDIT_COLUMNS,
    JOINED,
    METHODS,
    Edit,
    NotAnEdit,
    join,
    kind_of,
    problem,
    put_together,
)
from chromloom.edits.pieces import edited_chromosomes
from chromloom.errors import InputError
from chromloom.genome.names import match_names, some_names
from chromloom.tables import BED, BEDPE, Column, read_table

SUFFIXES = (".bed", ".bedpe", ".vcf", ".bcf", ".tsv")
COMPRESSED = (".gz", ".bgz", ".bgzf", ".bz2", ".xz")
NAME_LENGTH = 80
SNAPPED = 1000
"""bp; ends of junctions of one event that are nearer are one break."""


@dataclass(frozen=True)
class Row:
    """A record of a file of edits, or one of its alleles.

    Attributes
    ----------
    line : int
        Its number in the file, from 1.
    id : str
        As the file names it; "" where it does not.
    chrom, position : str, int
        As in the file (VCF: POS, 1-based; else start, 0-based).
    type : str
        As in the file: kind or allele.
    edit : Edit or None
    reason, detail : str
        Why there is no edit, see `NotAnEdit`; else "".
    """

    line: int
    id: str
    chrom: str
    position: int
    type: str
    edit: Edit | None
    reason: str = ""
    detail: str = ""

    def left_out(self, reason: str, detail: str) -> "Row":
        """The same record without an edit."""
        return replace(self, edit=None, reason=reason, detail=detail)


SKIPPED_COLUMNS = [field.name for field in fields(Row) if field.name != "edit"]


def read_edits(path: str | Path, **options) -> list[Edit]:
    """The edits of a file; see `read_rows` for what they are and for what is left out."""
    return [row.edit for row in read_rows(path, **options) if row.edit]


def read_rows(
    path: str | Path,
    *,
    chromsizes: pd.Series | None = None,
    chromosomes: Sequence[str] | None = None,
    method: str = "average",
    vcf_filter: str = "pass",
    vcf_genotype: str = "carried",
) -> list[Row]:
    """Read edits from a BED, BEDPE, VCF or TSV file, plain or compressed, by the file's suffix.

    Parameters
    ----------
    path : str or Path
        `.bed`: column 4 is `KIND` or `KIND:name` (DEL, DUP, INV, KO; KO where there is none).
        `.bedpe`: two breakpoints in either order (their midpoints count), name in column 7,
        strands in 9 and 10, type in 11 (else from the strands); INS inserts region 2 at region 1.
        `.vcf`, `.bcf`: see `vcf.edit_of`; INS names its locus in INFO as `SOURCE=chrom:first-last`
        (1-based). `.tsv`: columns kind, chrom, start and any other field of `Edit`; rows with one
        name in the column compound are the steps of one edit, in their order.
    chromsizes : Series, optional
        Name -> length (bp) of the assembly's chromosomes: edits get its names and are checked.
    chromosomes : sequence of str, optional
        Names of the chromosomes that a sample keeps; edits of others are left out.
    method : str
        Knockout method where the file does not say.
    vcf_filter : {"pass", "all"}
        Records of a VCF that are taken: those that failed no filter, or all.
    vcf_genotype : {"carried", "any"}
        Alleles of a VCF that are taken: not those that no sample carries, or any.

    Returns
    -------
    list of Row
        In the order of the file. Names of edits are made of the names in the file, so that they
        are unique and can name a folder. A breakend and its mate are one edit, and so are all
        junctions of a VCF with one EVENT: they are made one after another.

    Raises
    ------
    InputError
        The file cannot be read or is of another assembly; in BED and TSV, a row that is no edit of
        the assembly, two edits of one name, no edits at all.
    """
    path = Path(path)
    suffix = suffix_of(path)
    if suffix not in SUFFIXES:
        raise InputError(
            f"{path}: edits are read from {', '.join(SUFFIXES)} (or compressed, such as .vcf.gz); "
            "rename or convert it"
        )
    written = suffix in (".bed", ".tsv")
    if suffix in (".vcf", ".bcf"):
        rows = _read_vcf(path, vcf_filter, vcf_genotype)
        if chromsizes is not None:
            _check_assembly(path, chromsizes)
    else:
        reader = {".bed": _read_bed, ".bedpe": _read_bedpe, ".tsv": _read_tsv}[suffix]
        rows = reader(path)
    if written and not rows:
        raise InputError(f"{path}: holds no edits; give at least one")
    rows = [_with_method(row, method, path) for row in rows]
    steps_of = [row.edit.compound if row.edit else "" for row in rows]
    if chromsizes is not None:
        rows = _on_assembly(rows, chromsizes, chromosomes)
    if written:
        _refuse(rows, path)
    rows = _compounds(rows, steps_of, chromsizes, path if written else None)
    return _named(rows)


def suffix_of(path: str | Path) -> str:
    """Suffix of a file of edits, which says what it is, without that of its compression."""
    suffixes = [suffix for suffix in Path(path).suffixes if suffix not in COMPRESSED]
    return suffixes[-1] if suffixes else ""


def fit_bins(rows: Iterable[Row], chromsizes: pd.Series, resolution: int) -> list[Row]:
    """Leave out the edits that bins of a size cannot show, see `bins.unfit`."""
    fitted = []
    for row in rows:
        detail = row.edit and unfit(row.edit, chromsizes, resolution)
        bases = row.edit is not None and row.edit.kind == "substitution"
        fitted.append(row.left_out("sequence" if bases else "size", detail) if detail else row)
    return fitted


def edit_table(rows: Iterable[Row]) -> pd.DataFrame:
    """The edits of rows, columns of `EDIT_COLUMNS`: one row per edit, or step of a compound one.

    A TSV of it is read again.
    """
    edits = (row.edit for row in rows if row.edit)
    written = [
        replace(step, compound=edit.edit) if edit.steps else step
        for edit in edits
        for step in edit.steps or (edit,)
    ]
    return pd.DataFrame([asdict(edit) for edit in written], columns=EDIT_COLUMNS)


def skipped_table(rows: Iterable[Row]) -> pd.DataFrame:
    """What was left out: one row per record, or allele, columns of `SKIPPED_COLUMNS`."""
    left_out = [vars(row) for row in rows if row.edit is None]
    return pd.DataFrame(left_out, columns=SKIPPED_COLUMNS)


def summary(rows: Sequence[Row]) -> str:
    """What became of a file in one line: `12 edits; 7 records left out (filter 4, size 3)`."""
    reasons = Counter(row.reason for row in rows if row.edit is None)
    text = f"{len(rows) - reasons.total():,} edits"
    if reasons:
        counts = ", ".join(f"{reason} {n:,}" for reason, n in reasons.most_common())
        text += f"; {reasons.total():,} records left out ({counts})"
    return text


# Forms of file


def _read_bed(path: Path) -> list[Row]:
    contract = {name: BED[name] for name in ("chrom", "start", "end", "name")}
    table = read_table(
        path, contract, what="file of edits", names=list(contract), sep=None, may_be_empty=True
    )
    rows = []
    for line, chrom, start, end, text in table.itertuples(name=None):
        kind, _, name = (text or "KO").partition(":")
        edit = Edit("", _kind(kind, path, line), chrom, start, end, method="")
        rows.append(_row(line, name, chrom, start, kind, edit))
    return rows


def _read_bedpe(path: Path) -> list[Row]:
    contract = {**BEDPE, "kind": Column(required=False)}
    table = read_table(
        path, contract, what="file of edits", names=list(contract), sep=None, may_be_empty=True
    )
    rows = []
    for cells in table.itertuples():
        kind = re.split("[;,|]", cells.kind)[0]
        row = _row(cells.Index, cells.name, cells.chrom1, cells.start1, kind, None)
        try:
            edit = _bedpe_edit(cells, kind)
        except NotAnEdit as error:
            rows.append(row.left_out(error.reason, error.detail))
        else:
            rows.append(replace(row, edit=replace(edit, edit=row.id, method="")))
    return rows


def _bedpe_edit(cells, text: str) -> Edit:
    """Strands say what is joined where column 11 is of no known form, and for a type that joins."""
    if text.upper() in ("H2HINV", "T2TINV"):  # ICGC's, by the side that is kept
        text = "INV"
    kind = "" if re.fullmatch(r"\.?|[-+\d.eE]+", text) else kind_of(text)
    if min(cells.start1, cells.end1, cells.start2, cells.end2) < 0:
        raise NotAnEdit("place", "one of the ends is not known")
    at, at2 = (cells.start1 + cells.end1) // 2, (cells.start2 + cells.end2) // 2
    if kind == "insertion":
        lo, hi = sorted([cells.start2, cells.end2])
        strand2 = "-" if cells.strand2 == "-" else "+"
        return Edit("", kind, cells.chrom1, at, at, cells.chrom2, lo, hi, strand2=strand2)
    if kind in ("", "translocation"):
        if not {cells.strand1, cells.strand2} <= {"+", "-"}:
            raise NotAnEdit("type", f"neither a type ('{text}') nor strands say what is joined")
        return join(cells.chrom1, at, cells.strand1, cells.chrom2, at2, cells.strand2)
    if cells.chrom1 != cells.chrom2:
        raise NotAnEdit("type", f"a {kind} has both ends on one chromosome; BND joins two")
    return Edit("", kind, cells.chrom1, min(at, at2), max(at, at2))


def _read_tsv(path: Path) -> list[Row]:
    contract = {name: Column(required=name in ("kind", "chrom", "start")) for name in EDIT_COLUMNS}
    table = read_table(path, contract, what="sheet of edits", strict=True, may_be_empty=True)
    rows = []
    for line, *cells in table.itertuples(name=None):
        values = {name: cell for name, cell in zip(table, cells) if cell not in ("", ".")}
        for name in ("start", "end", "start2", "end2", "copy"):
            text = values.get(name, "0")
            if not re.fullmatch(r"-?\d+", text):
                raise InputError(f"{path}, line {line}: {name} '{text}' is not a whole number")
            if name in values:
                values[name] = int(text)
        for name in {"kind", "chrom", "start"} - set(values):  # a dot
            raise InputError(f"{path}, line {line}: '{name}' is empty; fill it in")
        for name in ("strand", "strand2"):
            if values.get(name, "+") not in ("+", "-"):
                raise InputError(f"{path}, line {line}: {name} '{values[name]}' is neither + nor -")
        for name in ("ref", "alt"):
            if name in values and not vcf.BASES.fullmatch(values[name]):
                raise InputError(f"{path}, line {line}: {name} '{values[name]}' is no row of bases")
        if values.get("copy", 1) < 1:
            raise InputError(f"{path}, line {line}: copy {values['copy']}; expected 1 or more")
        kind = _kind(values["kind"], path, line)
        if kind not in JOINED and "end" not in values:
            raise InputError(f"{path}, line {line}: a {kind} needs an end; fill it in")
        if kind == "translocation" and not {"strand", "strand2"} <= set(values):
            raise InputError(
                f"{path}, line {line}: a translocation needs strand and strand2, + or -, which say "
                "what is joined; fill them in"
            )
        values = {"edit": "", "end": values["start"], "method": "", **values}
        edit = Edit(**{**values, "kind": kind})
        row = _row(line, edit.id or edit.edit, edit.chrom, edit.start, values["kind"], edit)
        rows.append(row)
    return rows


def _read_vcf(path: Path, vcf_filter: str, vcf_genotype: str) -> list[Row]:
    rows: list[Row] = []
    junctions: dict[object, tuple[vcf.Record, Edit]] = {}
    chains: dict[str, dict[int, Edit]] = {}  # event -> row -> junction
    for record in vcf.read_records(path):
        if isinstance(record, vcf.Fault):
            text = record.text.replace("\t", " ")
            rows.append(Row(record.line, "", "", -1, text[:40], None, "format", record.detail))
            continue
        for number, alt in enumerate(record.alts, start=1):
            row = _row(record.line, record.id, record.chrom, record.position, alt, None)
            try:
                _check_wanted(record, number, vcf_filter, vcf_genotype)
                edit = vcf.edit_of(record, number)
                if "[" in alt or "]" in alt:
                    _check_mate(record, edit, junctions)
                    if event := record.info.get("EVENT", ""):
                        chains.setdefault(event, {})[len(rows)] = vcf.junction_of(record, alt)
            except NotAnEdit as error:
                rows.append(row.left_out(error.reason, error.detail))
                continue
            several = record.id and len(record.alts) > 1
            name = f"{record.id}-{number}" if several else record.id
            rows.append(replace(row, edit=replace(edit, edit=name, method="")))
    for event, chain in chains.items():
        if len(chain) < 2:
            continue
        for number, step in zip(chain, _snapped(list(chain.values()))):
            step = replace(step, edit=rows[number].id, compound=event, method="")
            rows[number] = replace(rows[number], edit=step)
    return rows


def _snapped(junctions: list[Edit]) -> list[Edit]:
    """Junctions whose ends nearer than `SNAPPED` to that of one before are moved to it.

    Both junctions of one balanced event lie at the same two breaks but for homology and for what
    the caller does not know; bases between them would else be a third event.
    """
    ends: list[tuple[str, int]] = []

    def snap(chrom: str, at: int) -> int:
        near = [there for of, there in ends if of == chrom and abs(there - at) < SNAPPED]
        ends.append((chrom, near[0] if near else at))
        return ends[-1][1]

    return [
        replace(one, start=(a := snap(one.chrom, one.start)), end=a,
                start2=(b := snap(one.chrom2, one.start2)), end2=b)
        for one in junctions
    ]  # fmt: skip


def _check_wanted(record: vcf.Record, number: int, vcf_filter: str, vcf_genotype: str) -> None:
    if vcf_filter == "pass" and record.filters:
        failed = ";".join(record.filters)
        raise NotAnEdit("filter", f"FILTER is {failed} (vcf_filter: all takes it)")
    if vcf_genotype == "carried" and record.alts[0] != "." and not record.carries(number):
        raise NotAnEdit(
            "genotype", f"no sample carries allele {number} (vcf_genotype: any takes it)"
        )


def _check_mate(
    record: vcf.Record, edit: Edit, junctions: dict[object, tuple[vcf.Record, Edit]]
) -> None:
    """Raise NotAnEdit for the second of the two records that a junction has."""
    keys: list[object] = [(edit.kind, *_ends(edit))]
    keys += [record.id] if record.id else []
    mates = record.info.get("MATEID", "").split(",")
    for key in [keys[0], *mates]:
        if key in junctions:
            first, other = junctions[key]
            detail = f"the other end of the junction of line {first.line} ({first.id or '.'})"
            if edit.kind != other.kind or not all(map(_is_near, _ends(edit), _ends(other))):
                detail = f"mate of line {first.line} ({first.id}), whose junction is another; that "
                detail += "of the first line is taken"
            raise NotAnEdit("mate", detail)
    junctions.update(dict.fromkeys(keys, (record, edit)))


def _ends(edit: Edit) -> list[tuple[str, int, str]]:
    """Chromosome, place and strand of both ends of a junction, in an order of their own."""
    if edit.kind != "translocation":
        return [(edit.chrom, edit.start, "+"), (edit.chrom, edit.end, "+")]
    ends = [(edit.chrom, edit.start, edit.strand), (edit.chrom2, edit.start2, edit.strand2)]
    return sorted(ends)


def _is_near(one: tuple[str, int, str], other: tuple[str, int, str]) -> bool:
    return one[::2] == other[::2] and abs(one[1] - other[1]) < SNAPPED


def _row(line, id, chrom, position, type, edit) -> Row:
    id = "" if id == "." else id
    if edit is not None and not edit.edit:
        edit = replace(edit, edit=id)
    return Row(int(line), id, str(chrom), int(position), type[:40], edit)


def _kind(text: str, path: Path, line: int) -> str:
    try:
        return kind_of(text)
    except NotAnEdit as error:
        raise InputError(
            f"{path}, line {line}: {error}; write it in column "
            + ("4, as KIND or KIND:name" if suffix_of(path) == ".bed" else "'kind'")
        ) from None


def _with_method(row: Row, method: str, path: Path) -> Row:
    """Knockouts have the method of their row (TSV) or the one of the whole file."""
    if row.edit is None:
        return row
    edit = replace(row.edit, method=row.edit.method or method)
    if edit.kind == "knockout" and edit.method not in METHODS:
        raise InputError(
            f"{path}, line {row.line}: knockout method '{edit.method}' is none of "
            f"{', '.join(METHODS)}"
        )
    return replace(row, edit=edit)


# Compound edits


def _compounds(
    rows: list[Row], names: Sequence[str], chromsizes: pd.Series | None, path: Path | None
) -> list[Row]:
    """Rows of which the first step of a compound edit has all of it; the others have none.

    `names` are those of the compound edits that rows are steps of, or "". Of a file that is written
    for the purpose (`path`) the other steps are no rows of their own, and an edit of which one step
    is left out is left out; an event of a caller is what is left of it.
    """
    steps: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        if name and (rows[number].edit or path):
            steps.setdefault(name, []).append(number)
    made, merged = list(rows), set()
    for name, own in steps.items():
        first = rows[own[0]]
        edits = [row.edit for row in (rows[number] for number in own) if row.edit]
        merged |= set(own[1:]) if path else set()
        alone = (row for row, of in zip(rows, names) if not of)
        if path and any(row.edit and row.edit.edit == name for row in alone):
            raise InputError(
                f"{path}, line {first.line}: an edit and a compound edit are both called '{name}'; "
                "give one another name"
            )
        for number in own[1:]:
            detail = f"part of the event {name} of line {first.line}"
            made[number] = rows[number].left_out("event", detail)
        if len(edits) < len(own):
            made[own[0]] = next(rows[number] for number in own if not rows[number].edit)
            continue
        edit = put_together(name, edits)
        made[own[0]] = replace(first, id=name if path else first.id, edit=edit)
        try:
            if chromsizes is not None:
                edited_chromosomes(edit, chromsizes)
        except InputError as error:
            if path is not None:
                raise InputError(f"{path}, line {first.line}: {error}") from None
            made[own[0]] = first.left_out("place", str(error))
    return [row for number, row in enumerate(made) if number not in merged]


# The assembly


def _check_assembly(path: Path, chromsizes: pd.Series) -> None:
    """Refuse a VCF whose header gives the assembly's chromosomes other lengths."""
    lengths = vcf.contig_lengths(path)
    for name, chrom in match_names(lengths, chromsizes).items():
        if chrom is None or chrom.lower().removeprefix("chr") in ("m", "mt"):
            continue  # several sequences of the mitochondrion are in use
        if lengths[name] != chromsizes[chrom]:
            raise InputError(
                f"{path}: chromosome {name} has {lengths[name]:,} bp in its header, {chrom} of the "
                f"assembly {chromsizes[chrom]:,} bp; lift it over to the assembly of the maps"
            )


def _on_assembly(
    rows: list[Row], chromsizes: pd.Series, chromosomes: Sequence[str] | None
) -> list[Row]:
    """Edits with the assembly's names of chromosomes, if they can be made there."""
    used = {c for row in rows if row.edit for c in (row.edit.chrom, row.edit.chrom2) if c}
    names = match_names(used, chromsizes)
    kept = None if chromosomes is None else set(match_names(chromosomes, chromsizes).values())
    return [
        row if row.edit is None else _placed(row, row.edit, names, chromsizes, kept) for row in rows
    ]


def _placed(row: Row, edit: Edit, names: dict, chromsizes: pd.Series, kept: set | None) -> Row:
    chroms = [c for c in (edit.chrom, edit.chrom2) if c]
    for chrom in chroms:
        if names[chrom] is None:
            known = some_names(chromsizes.index)
            return row.left_out(
                "place", f"chromosome '{chrom}' is not in the assembly; it has {known}"
            )
    chrom2 = names[edit.chrom2] if edit.chrom2 else ""
    edit = replace(edit, chrom=names[edit.chrom], chrom2=chrom2)
    if (wrong := problem(edit, chromsizes)) is not None:
        return row.left_out("place", wrong)
    if kept is not None and not {names[chrom] for chrom in chroms} <= kept:
        return row.left_out("chromosome", f"{' or '.join(chroms)} is not kept in this sample")
    return replace(row, edit=edit)


def _refuse(rows: list[Row], path: Path) -> None:
    """Raise InputError for what is wrong in a file that is written for the purpose."""
    first: dict[str, int] = {}
    for row in rows:
        if row.edit is None and row.reason != "chromosome":
            raise InputError(f"{path}, line {row.line}: {row.detail}")
        name = row.edit.edit if row.edit else ""
        if name and first.setdefault(name, row.line) != row.line:
            raise InputError(
                f"{path}, line {row.line}: edit '{name}' occurs twice (first in line "
                f"{first[name]}); give every edit its own name"
            )


# Names


def _named(rows: list[Row]) -> list[Row]:
    """Edits with names that are unique and can name a folder."""
    wanted = [_wanted(row) for row in rows]
    own = [row.edit is not None and row.edit.edit == name for row, name in zip(rows, wanted)]
    taken = {name for name, as_is in zip(wanted, own) if as_is}
    used: set[str] = set()
    named = []
    for row, name, as_is in zip(rows, wanted, own):
        if row.edit is None:
            named.append(row)
            continue
        unique, number = name, 1
        while unique in used or (unique in taken and not (as_is and number == 1)):
            number += 1
            unique = f"{name}-{number}"
        used.add(unique)
        named.append(replace(row, edit=replace(row.edit, edit=unique, id=row.id)))
    return named


def _wanted(row: Row) -> str:
    if row.edit is None:
        return ""
    text = row.edit.edit or "_".join(
        map(str, (row.edit.kind, row.edit.chrom, row.edit.start, row.edit.end))
    )
    name = re.sub("[^A-Za-z0-9_-]+", "-", text).strip("-_")[:NAME_LENGTH]
    return name or row.edit.kind
