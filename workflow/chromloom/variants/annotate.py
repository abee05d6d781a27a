"""Variants with their scores as VCF, which genome browsers and bcftools read."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from chromloom.edits.read import Row
from chromloom.errors import InputError
from chromloom.files import atomic_path
from chromloom.tables import open_text

SCORES = {"mean_square_change": "MS", "mean_abs_change": "MA", "scc": "SCC", "insulation": "INS"}
SYMBOLS = {"deletion": "DEL", "duplication": "DUP", "inversion": "INV", "insertion": "INS",
           "translocation": "BND", "substitution": "SUB", "compound": "CPX", "knockout": "KO",
           "orientation": "ORI"}  # fmt: skip
MODELS = "CL_MODELS"


def annotate_vcf(
    rows: Sequence[Row],
    scores: pd.DataFrame,
    chromsizes: pd.Series,
    out: str | Path,
    *,
    vcf: str | Path | None = None,
) -> None:
    """Write variants with their scores as a sorted, bgzipped and indexed VCF.

    Parameters
    ----------
    rows : sequence of Row
        Records of the file of variants.
    scores : DataFrame
        Of one sample, as `join.join_scores` gives them.
    chromsizes : Series
        Of the assembly.
    out : str or Path
        `.vcf.gz`; the index lies beside it (`.tbi`).
    vcf : str or Path, optional
        The file of variants where it is a VCF: its records are kept as they are, with tags more in
        INFO. Else each variant becomes a record with a symbolic allele.

    Notes
    -----
    Tags, each with a value per model in the order of CL_MODELS, `.` where there is none: CL_MS and
    CL_MA (mean square and mean absolute change), CL_SCC, CL_INS (insulation), CL_P (p-value of
    CL_MS), CL_RANK (by CL_MS).

    Raises
    ------
    InputError
        htslib cannot sort or index what was written.
    """
    import pysam.bcftools

    tags = _tags(scores)
    lines = _kept(vcf, rows, tags) if vcf else _symbolic(rows, tags, chromsizes)
    with tempfile.TemporaryDirectory() as folder, atomic_path(out) as path:
        plain = Path(folder) / "variants.vcf"
        plain.write_text("\n".join(lines) + "\n", encoding="utf-8")
        try:
            pysam.bcftools.sort("-Oz", "-o", str(path), str(plain), catch_stdout=False)
            pysam.tabix_index(str(path), preset="vcf", force=True)
        except (pysam.SamtoolsError, OSError) as error:
            raise InputError(
                f"{vcf or out}: the VCF cannot be sorted ({error}); repair it"
            ) from error
        Path(f"{path}.tbi").replace(f"{out}.tbi")


def _tags(scores: pd.DataFrame) -> dict[str, str]:
    """INFO text of every variant."""
    models = sorted(set(scores["model"]))
    columns = {f"CL_{tag}": ("value", score) for score, tag in SCORES.items()}
    columns |= {
        "CL_P": ("p_value", "mean_square_change"),
        "CL_RANK": ("rank", "mean_square_change"),
    }
    texts: dict[str, str] = {}
    known = scores[scores["item"] == ""]
    known = known.set_index(["edit", "model", "score"])
    known = known[~known.index.duplicated()]  # of several bin sizes the first
    for edit in dict.fromkeys(scores["edit"]):
        parts = [f"{MODELS}={','.join(models)}"]
        for tag, (column, score) in columns.items():
            values = [known[column].get((edit, model, score)) for model in models]
            parts.append(f"{tag}={','.join('.' if pd.isna(v) else f'{v:.4g}' for v in values)}")
        texts[edit] = ";".join(parts)
    return texts


def _header() -> list[str]:
    what = {
        "CL_MS": "Mean square of the log2 change of contact strength",
        "CL_MA": "Mean absolute log2 change of contact strength",
        "CL_SCC": "Stratum-adjusted correlation of edited and unedited map",
        "CL_INS": "Mean absolute change of log2 insulation within 200 kb",
        "CL_P": "Share of random variants of the kind and size with a CL_MS as high",
        "CL_RANK": "Rank by CL_MS, 1 = strongest",
    }
    lines = [f'##INFO=<ID={MODELS},Number=.,Type=String,Description="Models of the other CL tags">']
    for tag, text in what.items():
        kind = "Integer" if tag == "CL_RANK" else "Float"
        lines.append(f'##INFO=<ID={tag},Number=.,Type={kind},Description="{text}, per model">')
    return lines


def _kept(vcf, rows, tags) -> list[str]:
    """Lines of a VCF with tags more; of several alleles of a record the first that is scored."""
    names: dict[int, str] = {}
    for row in rows:
        if row.edit is not None:
            names.setdefault(row.line, row.edit.edit)
    lines = []
    with open_text(vcf, what="VCF file") as handle:
        for number, line in enumerate(handle, start=1):
            text = line.rstrip("\n")
            if text.startswith("#CHROM"):
                lines += _header()
            name = names.get(number)
            if name in tags:
                cells = text.split("\t")
                cells[7] = tags[name] if cells[7] in (".", "") else f"{cells[7]};{tags[name]}"
                text = "\t".join(cells)
            if text:
                lines.append(text)
    return lines


def _symbolic(rows, tags, chromsizes) -> list[str]:
    lines = ["##fileformat=VCFv4.3"]
    lines += [f"##contig=<ID={chrom},length={size}>" for chrom, size in chromsizes.items()]
    lines += [
        '##INFO=<ID=END,Number=1,Type=Integer,Description="Last base of the variant">',
        '##INFO=<ID=SVTYPE,Number=1,Type=String,Description="Kind of variant">',
        '##INFO=<ID=CHR2,Number=1,Type=String,Description="Chromosome of the other place">',
        '##INFO=<ID=POS2,Number=1,Type=Integer,Description="Other place">',
    ]
    lines += [
        f'##ALT=<ID={symbol},Description="{kind}">'
        for kind, symbol in SYMBOLS.items()
        if symbol != "BND"
    ]
    lines += [*_header(), "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    for row in rows:
        edit = row.edit
        if edit is None:
            continue
        symbol = SYMBOLS[edit.kind]
        info = f"SVTYPE={symbol}"
        if edit.chrom2:
            info += f";CHR2={edit.chrom2};POS2={edit.start2}"
        else:
            info += f";END={edit.end}"
        if edit.edit in tags:
            info += f";{tags[edit.edit]}"
        alt = f"<{symbol}>"
        if symbol == "BND":
            alt = _breakend(edit)
        position = max(edit.start, 1)  # the base before, as symbolic alleles have it
        lines.append("\t".join([edit.chrom, str(position), edit.edit, "N", alt, ".", ".", info]))
    return lines


def _breakend(edit) -> str:
    """ALT of a translocation: the base that is kept, and where the other side goes on."""
    bracket = "[" if edit.strand2 == "-" else "]"
    mate = f"{bracket}{edit.chrom2}:{max(edit.start2, 1)}{bracket}"
    return f"N{mate}" if edit.strand == "+" else f"{mate}N"
