"""Genes with their transcription start site and strand, read from the files that people have.

GTF and GFF3 (1-based, closed, converted here), BED with names and strands (RefSeq, Gencode), and
tables with a header. A gene has one row and one TSS; which of its transcripts gives it is a choice
(`TRANSCRIPTS`).
"""

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.genome.names import harmonise_names
from chromloom.tables import Column, open_text, read_table

logger = logging.getLogger(__name__)

COLUMNS = ["gene", "name", "chrom", "start", "end", "tss", "strand"]
TRANSCRIPTS = ("outermost", "longest")
"""Whose TSS a gene has: its outermost transcript (the 5' end of the gene) or its longest one."""
_GTF = ("chrom", "source", "feature", "start", "end", "score", "strand", "phase", "attributes")
_HEADER = {
    "gene": ("gene", "gene_id", "ensg", "ensembl_gene_id", "gene_name", "symbol", "name2", "name"),
    "name": ("name2", "name", "gene_name", "symbol"),
    "chrom": ("chrom", "chr", "chromosome", "seqname", "seqnames"),
    "start": ("start", "txStart", "gene_start"),
    "end": ("end", "txEnd", "gene_end"),
    "tss": ("tss",),
    "strand": ("strand",),
}
_STRANDS = {"+": "+", "-": "-", "1": "+", "-1": "-", "+1": "+"}


def read_genes(
    path: str | Path, chromsizes: pd.Series, *, transcript: str = "outermost"
) -> pd.DataFrame:
    """Read genes; the format is told by the file's content.

    Parameters
    ----------
    path : str or Path
        GTF, GFF3; BED without a header (chrom, start, end, then the gene's id, a symbol and the
        strand among the further columns, in any order); or a table with a header that has gene,
        chrom, strand and start with end (0-based, half-open) or tss (1-based), under these or usual
        other names. Text, compressed or not.
    chromsizes : Series
        Chromosome -> length in bp; genes on other sequences are left out.
    transcript : {"outermost", "longest"}
        Where a gene has several rows: its span is that of all of them, and its TSS the outermost
        one; or both are those of the longest row. In GTF and GFF the rows are transcripts (genes
        where the file has no transcripts).

    Returns
    -------
    DataFrame
        One row per gene, sorted by chromosome and start: gene (str, the id), name (str, the symbol,
        else the id), chrom, start, end (int64, bp), tss (int64; start of a gene on "+", end - 1 on
        "-"), strand ("+" or "-"). Rows of a gene on a second chromosome (the pseudoautosomal
        regions), or further than 2 Mb from its first, are left out.

    Raises
    ------
    InputError
        The file is missing or malformed, holds no gene, or one without strand or beyond its
        chromosome.
    """
    if transcript not in TRANSCRIPTS:
        raise InputError(
            f"transcript '{transcript}' is unknown; expected one of {', '.join(TRANSCRIPTS)}"
        )
    cells = _first_row(path)
    if len(cells) >= 9 and _are_numbers(cells[3:5]):
        rows = _read_gtf(path)
    elif len(cells) >= 3 and _are_numbers(cells[1:3]):
        rows = _read_bed(path)
    else:
        rows = _read_header(path)
    names = harmonise_names(rows["chrom"].unique(), chromsizes, source=f"genes {path}")
    rows["chrom"] = rows["chrom"].map(names)
    rows = rows.dropna(subset="chrom")
    _check(rows, chromsizes, path)
    return _one_each(rows, chromsizes, transcript)


def match_genes(ids: Sequence[str], genes: pd.DataFrame, *, source: str) -> np.ndarray:
    """Find the gene of each id.

    Ids are compared as they stand, else without the version of Ensembl (`ENSG00000141510.11`), and
    with the genes' names where they match better.

    Parameters
    ----------
    ids : sequence of str
    genes : DataFrame
        As of `read_genes`.
    source : str
        Where the ids stand, for the message.

    Returns
    -------
    ndarray, (n_ids,), int64
        Row of `genes`; -1 where there is none.

    Raises
    ------
    InputError
        Fewer than half of the ids are genes, or two ids are the same gene.
    """
    found = [
        pd.Index(known).get_indexer(wanted)
        for column in ("gene", "name")
        for known, wanted in (
            (genes[column], pd.Index(ids)),
            (genes[column].map(_without_version), pd.Index(ids).map(_without_version)),
        )
        if pd.Index(known).is_unique
    ]
    rows = max(found, key=lambda rows: (rows >= 0).sum())
    lost = [id for id, row in zip(ids, rows) if row < 0]
    if 2 * len(lost) > len(rows):
        raise InputError(
            f"{source}: {len(lost):,} of {len(rows):,} ids are not genes of the gene table "
            f"({_three(lost)}; there they are like {_three(genes['gene'])}); give genes of the "
            "same annotation"
        )
    known = rows[rows >= 0]
    if len(np.unique(known)) < len(known):
        twice = genes["gene"].iloc[np.flatnonzero(np.bincount(known) > 1)]
        raise InputError(f"{source}: rows of the same gene ({_three(twice)}); keep one each")
    return rows


def _first_row(path) -> list[str]:
    with open_text(path, what="gene table") as handle:
        for line in handle:
            if line.strip() and not re.match("#|track|browser", line):
                return line.rstrip("\n").split("\t" if "\t" in line else None)
    raise InputError(f"gene table {path} is empty; expected GTF, GFF, BED or a table with a header")


def _are_numbers(cells: Sequence[str]) -> bool:
    return all(re.fullmatch(r"\s*\d+\s*", cell) for cell in cells)


def _read_gtf(path) -> pd.DataFrame:
    """Transcripts, and genes of which the file has none of these kinds; else exons."""
    contract = {name: Column(required=name in ("chrom", "feature", "attributes")) for name in _GTF}
    contract |= {"start": Column(int, low=1), "end": Column(int, low=1)}
    rows = read_table(path, contract, what="gene table", names=_GTF)
    chosen = _of_features(rows, ("transcript", "mRNA"), "Parent")
    genes = _of_features(rows, ("gene", "ncRNA_gene"), "ID")
    chosen = pd.concat([chosen, genes[~genes["gene"].isin(chosen["gene"])]])
    if chosen.empty:
        chosen = _of_features(rows, ("exon",), "Parent")
    if chosen.empty:
        raise InputError(
            f"gene table {path} has rows of {_three(rows['feature'].unique())}; expected "
            "transcript, mRNA, gene or exon in column 3"
        )
    return chosen


def _of_features(rows: pd.DataFrame, features: Sequence[str], key: str) -> pd.DataFrame:
    """Rows of some features; the gene's id is its `gene_id`, else the value of `key` (GFF3)."""
    rows = rows[rows["feature"].isin(features)]
    attributes = rows["attributes"]
    own = "gene_id" if attributes.str.contains("gene_id", regex=False).any() else key
    ids = _attribute(attributes, own).str.removeprefix("gene:").str.removeprefix("gene-")
    names = _attribute(attributes, "gene_name")
    names = names.where(names.notna(), _attribute(attributes, "gene"))
    return rows[["chrom", "end", "strand"]].assign(
        gene=ids, name=names.where(names.notna(), ids), start=rows["start"] - 1
    )


def _attribute(attributes: pd.Series, key: str) -> pd.Series:
    """`key "value";` of GTF, in which quoted values may hold `;`, or `key=value;` of GFF3."""
    before = r'^(?:(?:[^";]++|"[^"]*+")*+;)*?'
    found = attributes.str.extract(rf'{before}\s*{key}(?:\s+|=)(?:"([^"]*)"|([^";]+))')
    return found[0].where(found[0].notna(), found[1].str.strip().map(unquote, na_action="ignore"))


def _read_bed(path) -> pd.DataFrame:
    names = ["chrom", "start", "end", "4", "5", "6", "7"]
    contract = {name: Column(required=False) for name in names}
    contract |= {"start": Column(int, low=0), "end": Column(int, low=0)}
    rows = read_table(path, contract, what="gene table", names=names, sep=None)
    further = names[3:]
    strand = next((c for c in further if rows[c].isin(["+", "-"]).any()), None)
    words = [
        c for c in further if c != strand and not rows[c].str.fullmatch(r"[\d.,eE+-]*").mean() > 0.5
    ]
    if not words:
        raise InputError(
            f"gene table {path}: no column with the ids of genes among columns 4 to 7; expected "
            "BED with a name and a strand, GTF, GFF, or a table with a header"
        )
    return rows[["chrom", "start", "end"]].assign(
        gene=rows[words[0]],
        name=rows[words[-1]] if len(words) > 1 else rows[words[0]],
        strand=rows[strand] if strand else "",
    )


def _read_header(path) -> pd.DataFrame:
    header = read_table(path, None, what="gene table")
    found = {
        column: next((name for name in names if name in header), None)
        for column, names in _HEADER.items()
    }
    spans = found["start"] and found["end"]
    for column in ("gene", "chrom", "strand", *(() if spans else ("tss",))):
        if found[column] is None:
            raise InputError(
                f"gene table {path}: column '{column}' is missing (found "
                f"{', '.join(header.columns[:8])}); expected gene, chrom, strand, and start with "
                "end (0-based) or tss (1-based)"
            )
    places = ("start", "end") if spans else ("tss",)
    text = {name: Column(required=False) for name in found.values() if name}
    numbers = {name: Column(int, low=0) for c in places if (name := found[c])}
    rows = read_table(path, text | numbers, what="gene table")
    table = pd.DataFrame(
        {c: rows[found[c] or found["gene"]] for c in ("gene", "name", "chrom")}
        | {"strand": rows[found["strand"]]}
    )
    if spans:
        return table.assign(start=rows[found["start"]], end=rows[found["end"]])
    return table.assign(start=rows[found["tss"]] - 1, end=rows[found["tss"]])


def _check(rows: pd.DataFrame, chromsizes: pd.Series, path) -> None:
    """Refuse rows without id or strand, and beyond their chromosomes; strands in place."""
    nameless = rows.index[rows["gene"].isna() | (rows["gene"] == "")]
    if len(nameless):
        raise InputError(
            f"gene table {path}, line {nameless[0]}: the row has no gene id; fill it in"
        )
    rows["strand"] = rows["strand"].map(_STRANDS)
    lost = rows.loc[rows["strand"].isna(), "gene"]
    if len(lost):
        raise InputError(
            f"gene table {path}: {len(lost):,} of {len(rows):,} rows have no strand, + or - "
            f"({_three(lost)}); features run with the gene: take the strands from an annotation "
            "(GTF, Gencode), or leave these genes out"
        )
    lengths = rows["chrom"].map(chromsizes)
    beyond = rows[(rows["end"] > lengths) | (rows["end"] <= rows["start"])]
    for line, row in beyond.iterrows():
        raise InputError(
            f"gene table {path}, line {line}: {row['gene']} at {row['chrom']}:{row['start']:,}-"
            f"{row['end']:,} lies beyond the chromosome's {chromsizes[row['chrom']]:,} bp or has "
            "no length; name the assembly of the annotation"
        )


def _one_each(rows: pd.DataFrame, chromsizes: pd.Series, transcript: str) -> pd.DataFrame:
    """One row per gene, in the order of the genome."""
    order = {chrom: k for k, chrom in enumerate(chromsizes.index)}
    first = rows.drop_duplicates("gene").set_index("gene")
    own = rows["gene"].map(first["chrom"]) == rows["chrom"]
    own &= rows["gene"].map(first["strand"]) == rows["strand"]
    own &= (rows["start"] - rows["gene"].map(first["start"])).abs() <= 2_000_000
    if not own.all():
        logger.info(
            "%d rows on a second chromosome or strand of their gene, or far from its first, are "
            "left out (%s)",
            (~own).sum(),
            _three(rows.loc[~own, "gene"].unique()),
        )
    rows = rows[own]
    if transcript == "longest":
        shorter = (rows["start"] - rows["end"]).sort_values(kind="stable").index
        rows = rows.loc[shorter].drop_duplicates("gene")
    genes = rows.groupby("gene", sort=False).agg(
        {"name": "first", "chrom": "first", "start": "min", "end": "max", "strand": "first"}
    )
    genes = genes.reset_index()
    genes["tss"] = np.where(genes["strand"] == "+", genes["start"], genes["end"] - 1)
    genes = genes.assign(order=genes["chrom"].map(order)).sort_values(["order", "start", "end"])
    return genes[COLUMNS].reset_index(drop=True)


def _without_version(id: str) -> str:
    return re.sub(r"(?<=\d)\.\d+$", "", id) if id.startswith("ENS") else id


def _three(names: Sequence[str]) -> str:
    names = list(names)
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
