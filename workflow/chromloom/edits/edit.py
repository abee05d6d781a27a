"""Edits: reading them from files, checking them, and laying the edited chromosome out in bins.

An edit turns one chromosome into an *edited chromosome*: a list of positions, each with the
reference bin that lies there (the lift table). Bins are whole: an edit takes every bin that it
touches, as the article does (its 2.1-Mb duplication is bins 6795 to 7008, both included); the
breakpoint of an insertion or a translocation goes to the nearest bin border. What a model predicts
of the edited chromosome is in `perturbation.predict`.

Files: BED, BEDPE, VCF (structural variants) and a TSV with the columns of `EDIT_COLUMNS`; all are
0-based half-open inside (VCF is converted at the reader).
"""

import gzip
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.errors import InputError

logger = logging.getLogger(__name__)

KINDS = {
    "DEL": "deletion",
    "DUP": "duplication",
    "INV": "inversion",
    "INS": "insertion",
    "BND": "translocation",
    "TRA": "translocation",
    "KO": "knockout",
    "ORI": "orientation",
}
METHODS = ("average", "shift", "zero", "padding")


@dataclass(frozen=True)
class Edit:
    """One edit of one chromosome.

    Attributes
    ----------
    edit : str
        Name, unique in its sheet; the output folder has it.
    kind : str
        deletion, duplication (tandem), inversion, insertion (of the segment chrom2:start2-end2 at
        `start`), translocation (join at chrom:start and chrom2:start2), knockout, orientation
        (vectors of the bins replaced by the mean vector of CTCF bins of the other orientation).
    chrom, start, end : str, int, int
        Region, bp, 0-based half-open.
    chrom2, start2, end2 : str, int, int
        Second region (insertion, translocation), else "" and -1.
    strand, strand2 : str
        Translocation, as in BEDPE: "+" keeps what lies left of the breakpoint, "-" what lies right.
        Insertion: strand2 "-" inserts the segment reversed. Orientation: `strand` is the
        orientation that the bins' motifs have now.
    method : str
        Knockout: average (of 10 bins each side), shift (the bins are removed), zero, padding.
    """

    edit: str
    kind: str
    chrom: str
    start: int
    end: int
    chrom2: str = ""
    start2: int = -1
    end2: int = -1
    strand: str = "+"
    strand2: str = "+"
    method: str = "average"


EDIT_COLUMNS = [field.name for field in fields(Edit)]


@dataclass(frozen=True)
class EditedChromosome:
    """The bins of an edited chromosome, in order.

    Attributes
    ----------
    edit : Edit
    source : ndarray, (m,), int64
        Reference bin (genome-wide number) at every position; reads from the position map there.
    strand : ndarray, (m,), int8
        1 as in the reference, -1 inverted.
    replaced : ndarray, (m,), bool
        The bin stays, its representation does not (knockout in place, orientation).
    span : tuple of int
        Positions [lo, hi) of the altered segment; lo == hi for a bare junction.
    """

    edit: Edit
    source: np.ndarray
    strand: np.ndarray
    replaced: np.ndarray
    span: tuple[int, int]

    @property
    def run_end(self) -> np.ndarray:
        """End of the unaltered run from every position, ndarray, (m,), int64.

        Positions a <= b < run_end[a] hold consecutive reference bins, forward and untouched; so a
        model that reads from a to b sees there what it sees in the reference.
        """
        plain = (self.strand == 1) & ~self.replaced
        joined = (np.diff(self.source) == 1) & plain[1:] & plain[:-1]
        ends = np.arange(1, len(self.source) + 1)
        breaks = np.append(np.flatnonzero(~joined) + 1, len(self.source))
        run_end = breaks[np.searchsorted(breaks, ends)]
        return np.where(plain, run_end, ends - 1)


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


def lay_out(edit: Edit, bins: pd.DataFrame) -> EditedChromosome:
    """Lay an edited chromosome out in bins.

    Parameters
    ----------
    edit : Edit
    bins : DataFrame
        The model's bins, whole genome: chrom, start, end.

    Returns
    -------
    EditedChromosome

    Raises
    ------
    InputError
        Chromosome unknown, region outside it or empty, a structural edit smaller than a bin, an
        edit that leaves nothing of the chromosome.
    """
    reference = _bin_ids(bins, edit.chrom, edit)
    resolution = int(bins["end"].iloc[0] - bins["start"].iloc[0])
    plain = reference, np.ones(len(reference), np.int8)
    if edit.kind in ("insertion", "translocation"):
        partner = _bin_ids(bins, edit.chrom2, edit)
        cut = _border(edit, edit.chrom, edit.start, bins, reference, resolution)
        if edit.kind == "insertion":
            lo, hi = _region(edit, edit.chrom2, edit.start2, edit.end2, bins, partner, resolution)
            segment = partner[lo:hi], np.ones(hi - lo, np.int8)
            if edit.strand2 == "-":
                segment = _reverse(segment)
            parts, span = [_cut(plain, 0, cut), segment, _cut(plain, cut)], (cut, cut + hi - lo)
        else:
            cut2 = _border(edit, edit.chrom2, edit.start2, bins, partner, resolution)
            other = partner, np.ones(len(partner), np.int8)
            left2, right2 = _cut(other, 0, cut2), _cut(other, cut2)
            if edit.strand == "+":
                parts = [_cut(plain, 0, cut), right2 if edit.strand2 == "-" else _reverse(left2)]
            else:
                parts = [left2 if edit.strand2 == "+" else _reverse(right2), _cut(plain, cut)]
            span = (len(parts[0][0]),) * 2
    else:
        lo, hi = _region(edit, edit.chrom, edit.start, edit.end, bins, reference, resolution)
        left, middle, right = _cut(plain, 0, lo), _cut(plain, lo, hi), _cut(plain, hi)
        if edit.kind == "deletion" or (edit.kind, edit.method) == ("knockout", "shift"):
            parts, span = [left, right], (lo, lo)
        elif edit.kind == "duplication":
            parts, span = [left, middle, middle, right], (lo, 2 * hi - lo)
        elif edit.kind == "inversion":
            parts, span = [left, _reverse(middle), right], (lo, hi)
        elif edit.kind in ("knockout", "orientation"):
            parts, span = [plain], (lo, hi)
        else:
            raise InputError(
                f"edit '{edit.edit}': kind '{edit.kind}' is none of "
                f"{', '.join(dict.fromkeys(KINDS.values()))}"
            )
    source = np.concatenate([part[0] for part in parts])
    strand = np.concatenate([part[1] for part in parts])
    if len(source) < 2:
        raise InputError(
            f"edit '{edit.edit}' leaves {len(source)} bins of {edit.chrom}; make it smaller"
        )
    replaced = np.zeros(len(source), bool)
    if edit.kind == "orientation" or (edit.kind == "knockout" and edit.method != "shift"):
        replaced[slice(*span)] = True
    return EditedChromosome(edit, source, strand, replaced, span)


def lift_table(edited: EditedChromosome, bins: pd.DataFrame) -> pd.DataFrame:
    """Say for every position of an edited chromosome which reference bin lies there.

    Returns
    -------
    DataFrame
        chrom (that of the edited coordinate system, see `edited_name`), start, end; ref_chrom,
        ref_start, ref_end, strand ('+', '-'); copy (1 for the first occurrence of a reference bin,
        2 for the second…); replaced (bool). All bins but the last have the full size, also where
        a chromosome's short last bin came to lie inside.
    """
    reference = bins.iloc[edited.source].reset_index(drop=True)
    resolution = int(bins["end"].iloc[0] - bins["start"].iloc[0])
    start = np.arange(len(reference)) * resolution
    end = start + resolution
    end[-1] = start[-1] + (reference["end"] - reference["start"]).iloc[-1]
    return pd.DataFrame(
        {
            "chrom": edited_name(edited.edit),
            "start": start,
            "end": end,
            "ref_chrom": reference["chrom"].astype(str),
            "ref_start": reference["start"],
            "ref_end": reference["end"],
            "strand": np.where(edited.strand == 1, "+", "-"),
            "copy": pd.Series(edited.source).groupby(edited.source).cumcount() + 1,
            "replaced": edited.replaced,
        }
    )


def edited_name(edit: Edit) -> str:
    """Name of the edited chromosome: `chr21_deletion`, so that it is not taken for chr21."""
    return f"{edit.chrom}_{edit.kind}"


def knockouts(sites: pd.DataFrame, *, method: str = "average") -> list[Edit]:
    """Turn a table of sites (chrom, start, end) into one knockout each."""
    return [
        Edit(
            f"KO_{row.chrom}_{row.start}_{row.end}",
            "knockout",
            str(row.chrom),
            int(row.start),
            int(row.end),
            method=method,
        )
        for row in sites.itertuples()
    ]


def _bin_ids(bins, chrom, edit):
    found = np.flatnonzero((bins["chrom"] == chrom).to_numpy())
    if not len(found):
        known = ", ".join(map(str, bins["chrom"].unique()[:5]))
        raise InputError(
            f"edit '{edit.edit}': chromosome '{chrom}' is not in the model "
            f"({known}, …); use its names"
        )
    return found


def _region(edit, chrom, start, end, bins, ids, resolution):
    """Bins [lo, hi) of the chromosome that a region touches."""
    size = int(bins["end"].iloc[ids[-1]])
    if not 0 <= start < end <= size:
        raise InputError(
            f"edit '{edit.edit}': {chrom}:{start}-{end} does not lie inside {chrom} "
            f"(0-{size}) with start < end; correct the coordinates"
        )
    if edit.kind not in ("knockout", "orientation") and end - start < resolution:
        raise InputError(
            f"edit '{edit.edit}': {end - start} bp are less than one bin of "
            f"{resolution} bp; use a finer model, or a knockout (KO) of the bin"
        )
    return start // resolution, -(-end // resolution)


def _border(edit, chrom, position, bins, ids, resolution):
    """Bin border nearest to a breakpoint."""
    size = int(bins["end"].iloc[ids[-1]])
    if not 0 <= position <= size:
        raise InputError(
            f"edit '{edit.edit}': breakpoint {chrom}:{position} does not lie inside "
            f"{chrom} (0-{size}); correct the coordinates"
        )
    return min(round(position / resolution), len(ids))


def _cut(part, lo=0, hi=None):
    return part[0][lo:hi], part[1][lo:hi]


def _reverse(part):
    return part[0][::-1], -part[1][::-1]


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
