"""Readers of edits: BED, BEDPE, VCF (structural variants) and a TSV with the fields of `Edit`.

All are 0-based half-open inside; VCF is converted at the reader.
"""

import gzip
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from chromloom.edits.edit import EDIT_COLUMNS, KINDS, METHODS, Edit
from chromloom.errors import InputError


def read_edits(path: str | Path, *, method: str = "average") -> list[Edit]:
    """Read edits from a BED, BEDPE, VCF or TSV file (gzip too), by the file's suffix.

    Parameters
    ----------
    path : str or Path
        `.bed`: column 4 is `KIND` or `KIND:name` (DEL, DUP, INV, KO; KO where there is none).
        `.bedpe`: two breakpoints (their midpoints count), name in column 7, strands in 9 and 10,
        type in 11 (else from the strands); INS inserts region 2 at region 1.
        `.vcf`: SVTYPE and END in INFO; BND from the ALT field; INS names its locus in INFO as
        `SOURCE=chrom:first-last` (1-based).
        `.tsv`: columns edit, kind, chrom, start, end and any other field of `Edit`.
    method : str
        Knockout method where the file does not say.

    Returns
    -------
    list of Edit

    Raises
    ------
    InputError
        Unknown suffix, kind or method; a missing column; a coordinate that is no number; two edits
        of one name; no edits at all.
    """
    path = Path(path)
    suffix = "".join(path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:])
    readers = {".bed": _read_bed, ".bedpe": _read_bedpe, ".vcf": _read_vcf, ".tsv": _read_tsv}
    reader = readers.get(suffix.removesuffix(".gz"))
    if reader is None:
        raise InputError(f"{path}: edits are read from {', '.join(readers)}; rename or convert it")
    try:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt") as handle:
            lines = [line.rstrip("\r\n") for line in handle]
        edits = reader([line for line in lines if line.strip()], method)
    except (ValueError, IndexError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path}: cannot be read as {suffix[1:]} of edits: {error}") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if not edits:
        raise InputError(f"{path}: holds no edits; give at least one")
    names = pd.Series([edit.edit for edit in edits])
    if names.duplicated().any():
        raise InputError(
            f"{path}: edit '{names[names.duplicated()].iloc[0]}' occurs twice; "
            "give every edit a name of its own"
        )
    for edit in edits:
        if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]*", edit.edit):
            raise InputError(
                f"{path}: edit name '{edit.edit}' becomes a folder; use letters, "
                "digits, '_' and '-', starting with a letter or digit"
            )
        if edit.kind == "knockout" and edit.method not in METHODS:
            raise InputError(
                f"{path}: edit '{edit.edit}': knockout method '{edit.method}' is "
                f"none of {', '.join(METHODS)}"
            )
    return edits


def _kind(text):
    kind = KINDS.get(text.strip("<>").split(":")[0].upper(), text.lower())
    if kind not in KINDS.values():
        raise InputError(f"kind '{text}' is unknown; use one of {', '.join(KINDS)}")
    return kind


def _named(edit: Edit, name: str | None) -> Edit:
    default = f"{edit.kind}_{edit.chrom}_{edit.start}_{edit.end}"
    return replace(edit, edit=name if name and name != "." else default)


def _is_comment(line):
    return line.startswith(("#", "track", "browser"))


def _read_bed(lines: Iterable[str], method) -> list[Edit]:
    edits = []
    for line in lines:
        if _is_comment(line):
            continue
        chrom, start, end, *rest = line.split("\t")
        kind, _, name = (rest[0] if rest else "KO").partition(":")
        edits.append(
            _named(Edit("", _kind(kind), chrom, int(start), int(end), method=method), name)
        )
    return edits


def _read_bedpe(lines, method) -> list[Edit]:
    by_strand = {"+-": "DEL", "-+": "DUP", "++": "INV", "--": "INV"}
    edits = []
    for line in lines:
        if _is_comment(line):
            continue
        cells = line.split("\t") + ["."] * 11
        chrom, chrom2 = cells[0], cells[3]
        region, region2 = sorted(map(int, cells[1:3])), sorted(map(int, cells[4:6]))
        name, strand, strand2, kind = cells[6], cells[8], cells[9], cells[10]
        if kind == ".":
            kind = "BND" if chrom != chrom2 else by_strand.get(strand + strand2, strand + strand2)
        kind = _kind(kind)
        at, at2 = sum(region) // 2, sum(region2) // 2
        if kind == "insertion":
            edit = Edit("", kind, chrom, at, at, chrom2, *region2, strand2=strand2)
        elif kind == "translocation":
            edit = Edit("", kind, chrom, at, at, chrom2, at2, at2, strand, strand2)
        elif chrom != chrom2:
            raise InputError(
                f"'{line}': a {kind} has both ends on one chromosome; type BND joins two"
            )
        else:
            edit = Edit("", kind, chrom, min(at, at2), max(at, at2), method=method)
        edits.append(_named(edit, name))
    return edits


def _read_vcf(lines, method) -> list[Edit]:
    edits = []
    for line in lines:
        if line.startswith("#"):
            continue
        chrom, position, name, _, alt, _, _, info = line.split("\t")[:8]
        tags = dict(tag.partition("=")[::2] for tag in info.split(";"))
        kind, at = _kind(tags.get("SVTYPE", alt)), int(position)
        if kind == "translocation":
            mate = re.search(r"([\[\]])([^\[\]]+):(\d+)[\[\]]", alt)
            if mate is None:
                raise InputError(
                    f"ALT '{alt}' at {chrom}:{at} is no breakend; write t[chrom:pos[, "
                    "t]chrom:pos], ]chrom:pos]t or [chrom:pos[t"
                )
            bracket, chrom2, position2 = mate.groups()
            left = alt[0] not in "[]"  # the base comes first: what lies left of it is kept
            right2 = bracket == "["
            # 1-based base -> 0-based border: after the base where its left is kept, before it else
            at, at2 = at - (not left), int(position2) - right2
            edit = Edit(
                "",
                kind,
                chrom,
                at,
                at,
                chrom2,
                at2,
                at2,
                "+" if left else "-",
                "-" if right2 else "+",
            )
        elif kind == "insertion":
            source = re.fullmatch(r"(.+):(\d+)-(\d+)", tags.get("SOURCE", ""))
            if source is None:
                raise InputError(
                    f"INS at {chrom}:{at} names no locus; add SOURCE=chrom:first-last "
                    "to INFO (a sequence that is not in the map cannot be predicted)"
                )
            edit = Edit("", kind, chrom, at, at, source[1], int(source[2]) - 1, int(source[3]))
        else:
            if "END" not in tags:
                raise InputError(f"{kind} at {chrom}:{at} has no END in INFO; add it")
            edit = Edit("", kind, chrom, at, int(tags["END"]), method=method)
        edits.append(_named(edit, name))
    return edits


def _read_tsv(lines, method) -> list[Edit]:
    if not lines:
        return []
    header = lines[0].lstrip("#").split("\t")
    missing = [column for column in EDIT_COLUMNS[:5] if column not in header]
    unknown = [column for column in header if column not in EDIT_COLUMNS]
    if missing or unknown:
        raise InputError(
            f"columns {header}: missing {missing}, unknown {unknown}; a sheet of "
            f"edits has {EDIT_COLUMNS[:5]} and, where needed, {EDIT_COLUMNS[5:]}"
        )
    edits = []
    for line in lines[1:]:
        row = {key: cell for key, cell in zip(header, line.split("\t")) if cell not in ("", ".")}
        numbers = {key: int(row[key]) for key in ("start", "end", "start2", "end2") if key in row}
        values = {"method": method, "edit": "", **row, **numbers}
        if "kind" not in row or "chrom" not in row or "start" not in numbers:
            raise InputError(f"row '{line}' lacks kind, chrom or start; fill them in")
        values.setdefault("end", numbers["start"])
        edits.append(_named(Edit(**{**values, "kind": _kind(row["kind"])}), row.get("edit")))
    return edits
