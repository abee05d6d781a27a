"""Which elements touch a gene in 3D: interactions of a file or of a map of contacts.

An *interaction* joins two intervals of a chromosome and has a frequency. An *element* of a gene is
the other interval of an interaction that has the gene's TSS in one of its two. Files (promoter
capture Hi-C, loops) are read as they come; of a map, the pairs of bins are taken, and a pair's
frequency is its contact strength over the mean at its distance, so that observed, denoised and
predicted maps are read alike.
"""

import logging
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.genome.bins import Bins, pairs_by_distance
from chromloom.genome.intervals import read_intervals
from chromloom.genome.names import harmonise_names
from chromloom.normalize.maps import open_finest, read_cis_pixels
from chromloom.tables import MISSING, Column, open_text, read_table

logger = logging.getLogger(__name__)

COLUMNS = ["chrom", "start1", "end1", "start2", "end2", "frequency"]
ELEMENT_COLUMNS = ["gene", "rank", "chrom", "start", "end", "distance", "frequency"]
_LOCUS = re.compile(r"(\S+?)[:.](\d{1,3}(?:,\d{3})+|\d+)[-.](\d{1,3}(?:,\d{3})+|\d+)")
_FREQUENCIES = (
    "frequency", "freq", "normalized_freq", "norm_freq", "dist_res", "score", "oe", "value",
)  # fmt: skip
"""Names that a column of frequencies may have; else it is the last column of numbers."""


def read_interactions(path: str | Path, chromsizes: pd.Series) -> pd.DataFrame:
    """Read interactions of a file; the format is told by its content.

    Parameters
    ----------
    path : str or Path
        BEDPE, with or without a header (frequency: the score in column 8, else column 7); loops of
        HiCCUPS (frequency: observed over the expected of the donut); `.ibed` of CHiCAGO (frequency:
        its score, of which 5 is the usual limit); or a table with two columns of loci,
        `chrom:start-end` or `chrom.start.end`, as 3DIV has them (frequency: a column of a usual
        name, else the last one of numbers).
    chromsizes : Series
        Chromosome -> length in bp; rows on other sequences or on two of them are left out.

    Returns
    -------
    DataFrame
        chrom, start1, end1, start2, end2 (int64, bp), frequency (float64, NaN where the file has
        none).

    Raises
    ------
    InputError
        The file is missing or malformed, an interval lies beyond its chromosome, or some of the
        frequencies are no numbers.
    """
    cells = _first_row(path)
    loci = [k for k, cell in enumerate(cells) if _LOCUS.fullmatch(cell)]
    if len(loci) >= 2 and not all(cell.isdigit() for cell in cells[1:3]):
        return _read_loci(path, loci[:2], chromsizes)
    header = {cell.lower() for cell in _first_row(path, header=True)}
    if {"bait_chr", "otherend_chr"} <= header:
        rows = read_intervals(path, "ibed", chromsizes, what="interaction table")
    elif {"chr1", "x1", "y2"} <= header:
        rows = read_intervals(path, "hiccups", chromsizes, what="interaction table")
        rows["score"] = _donut(path, rows["line"])
    else:
        rows = read_intervals(path, "bedpe", chromsizes, what="interaction table")
    names = {"start": "start1", "end": "end1", "score": "frequency"}
    return rows.rename(columns=names)[COLUMNS].reset_index(drop=True)


def map_interactions(
    cool_uri: str, genes: pd.DataFrame, *, column: str, max_distance: int, min_distance: int
) -> pd.DataFrame:
    """Pairs of bins of a map that have the TSS of a gene in one of them.

    Parameters
    ----------
    cool_uri : str
        Map of contact strengths, the finest of an `.mcool`; bins whose `weight` is NaN are masked.
    genes : DataFrame
        chrom, tss.
    column : str
        Column of the pixels with the contact strength.
    max_distance, min_distance : int
        bp between the starts of the bins, both allowed.

    Returns
    -------
    DataFrame
        As of `read_interactions`; bins (start1 < start2), frequency = strength over the mean of
        unmasked pairs at this distance on the chromosome, pairs without contacts among them.

    Raises
    ------
    InputError
        The map is missing, or has none of the genes' chromosomes.
    """
    clr = open_finest(cool_uri)
    table = clr.bins()[:]
    table = table.assign(chrom=table["chrom"].astype(str), masked=table["weight"].isna())
    size = int(clr.binsize)
    bins = Bins(table, size, source=cool_uri)
    parts, absent = [], []
    for chrom, own in genes.groupby("chrom", sort=False):
        if chrom not in bins.chromnames:
            absent.append(str(chrom))
            continue
        mask = bins.mask(str(chrom))
        promoters = np.zeros(len(mask), dtype=bool)
        promoters[own["tss"].to_numpy() // size] = True
        most, least = max_distance // size, -(-min_distance // size)
        pixels = read_cis_pixels(
            clr, str(chrom), 0, len(mask), columns=[column], keep=partial(_within, most)
        )
        i, j, strength = (pixels[name].to_numpy() for name in ("i", "j", column))
        known = np.isfinite(strength) & ~mask[i] & ~mask[j]
        i, j, strength = i[known], j[known], strength[known].astype(float)
        expected = _mean_by_distance(j - i, strength, ~mask, most)
        kept = (promoters[i] | promoters[j]) & (j - i >= max(least, 1))
        i, j = i[kept].astype(np.int64), j[kept].astype(np.int64)
        frequency = strength[kept] / expected[j - i]
        end = int(bins.chromsizes[chrom])
        values = (chrom, i * size, (i + 1) * size, j * size, np.minimum((j + 1) * size, end))
        parts.append(pd.DataFrame(dict(zip(COLUMNS, (*values, frequency)))))
    if not parts:
        raise InputError(
            f"{cool_uri} has none of the chromosomes of the genes ("
            f"{', '.join(absent[:4])}); name a map of the same assembly"
        )
    if absent:
        logger.warning(
            "%s has no contacts of %s: genes there have no elements", cool_uri, ", ".join(absent)
        )
    return pd.concat(parts, ignore_index=True)


def _within(most: int, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    return j - i <= most


def _mean_by_distance(
    distance: np.ndarray, strength: np.ndarray, unmasked: np.ndarray, most: int
) -> np.ndarray:
    """Mean strength of unmasked pairs at distances 0 … most (bins); NaN where there is none."""
    total = np.bincount(distance, strength, minlength=most + 1)[: most + 1]
    pairs = pairs_by_distance(unmasked)[: most + 1]
    pairs = np.pad(pairs, (0, most + 1 - len(pairs)))
    mean = np.full(most + 1, np.nan)
    return np.divide(total, pairs, out=mean, where=(pairs > 0) & (total > 0))


def find_elements(
    genes: pd.DataFrame,
    interactions: pd.DataFrame,
    *,
    min_frequency: float = 1.5,
    max_elements: int = 8,
    source: str = "interactions",
    required: bool = True,
) -> pd.DataFrame:
    """Elements of genes, the most frequent ones first.

    Parameters
    ----------
    genes : DataFrame
        gene, chrom, tss, strand.
    interactions : DataFrame
        As of `read_interactions`.
    min_frequency : float
        Interactions must exceed it, as in the article; those without a frequency are taken, and
        have frequency 1.
    max_elements : int
        At most so many elements of a gene (the article's i_max).
    source : str
        Where interactions come from, for messages.
    required : bool
        Refuse genes of which none has an element; a few genes may have none.

    Returns
    -------
    DataFrame
        `ELEMENT_COLUMNS`: rank (int64, from 0, by frequency), distance (int64, bp from the TSS to
        the element's middle, positive downstream). Sorted by the order of genes, then by rank.

    Raises
    ------
    InputError
        No interaction has the TSS of a gene in it, or none is frequent enough.
    """
    both = []
    for near, far in ((1, 2), (2, 1)):
        names = {f"start{near}": "from", f"end{near}": "to", f"start{far}": "start",
                 f"end{far}": "end"}  # fmt: skip
        both.append(interactions.rename(columns=names))
    sides = pd.concat(both, ignore_index=True)
    rows, ends = _overlaps(genes, sides)
    if required and not len(rows):
        raise InputError(
            f"{source}: none of {len(interactions):,} interactions has the TSS of one of the "
            f"{len(genes):,} genes in it; give interactions of the same assembly as the genes"
        )
    found = sides.iloc[ends].reset_index(drop=True).assign(row=rows)
    frequent = found["frequency"].isna() | (found["frequency"] > min_frequency)
    if required and not frequent.any():
        raise InputError(
            f"{source}: no interaction of a gene is above {min_frequency:g} (highest "
            f"{found['frequency'].max():g}); lower expression.min_frequency"
        )
    found = found[frequent].fillna({"frequency": 1.0})
    gene = genes.iloc[found["row"]].reset_index(drop=True)
    found = found.reset_index(drop=True).assign(gene=gene["gene"])
    sign = np.where(gene["strand"] == "+", 1, -1)
    found["distance"] = sign * ((found["start"] + found["end"]) // 2 - gene["tss"])
    found = found.sort_values(
        ["row", "frequency", "start"], ascending=[True, False, True], kind="stable"
    ).drop_duplicates(["row", "start", "end"])
    found["rank"] = found.groupby("row").cumcount()
    found = found[found["rank"] < max_elements]
    logger.info(
        "%s: %d elements of %d of %d genes", source, len(found), found["row"].nunique(), len(genes)
    )
    return found[ELEMENT_COLUMNS].reset_index(drop=True)


def _overlaps(genes: pd.DataFrame, sides: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Rows of genes and of sides whose interval [from, to) holds the gene's TSS."""
    rows, ends = [], []
    genes_of = genes.groupby("chrom", sort=False).indices
    for chrom, own in sides.groupby("chrom", sort=False).indices.items():
        if chrom not in genes_of:
            continue
        order = genes_of[chrom][np.argsort(genes["tss"].to_numpy()[genes_of[chrom]])]
        tss = genes["tss"].to_numpy()[order]
        first = np.searchsorted(tss, sides["from"].to_numpy()[own])
        last = np.searchsorted(tss, sides["to"].to_numpy()[own])
        n = last - first
        place = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n) + np.repeat(first, n)
        rows.append(order[place])
        ends.append(np.repeat(own, n))
    return np.concatenate([np.empty(0, int), *rows]), np.concatenate([np.empty(0, int), *ends])


def _first_row(path: str | Path, *, header: bool = False) -> list[str]:
    """Cells of the first line, or of the first one after it."""
    with open_text(path, what="interaction table") as handle:
        lines = (line.strip("\r\n") for line in handle if line.strip())
        first = next((line for line in lines if header or not line.startswith("#")), "")
        row = first if header else next(lines, first)
    return row.lstrip("#").split("\t" if "\t" in row else None)


def _read_loci(path: str | Path, places: Sequence[int], chromsizes: pd.Series) -> pd.DataFrame:
    header: list[str] = []
    above = 0  # lines above the first row
    with open_text(path, what="interaction table") as handle:
        for line in handle:
            cells = [cell.strip() for cell in line.rstrip("\r\n").split("\t")]
            if any(map(_LOCUS.fullmatch, cells)):
                break
            header = [cell.lower().lstrip("#") for cell in cells] if line.strip() else header
            above += 1
    header = header if len(header) == len(cells) else [""] * len(cells)
    names = [name or f"column {k}" for k, name in enumerate(header, start=1)]
    rows = read_table(path, {name: Column(required=False) for name in names},
                      what="interaction table", names=names).loc[above + 1:]  # fmt: skip
    table = pd.DataFrame(index=rows.index)
    for side, place in enumerate(places, start=1):
        parts = rows[names[place]].str.extract(f"^{_LOCUS.pattern}$")
        for line in parts.index[parts[0].isna()]:
            raise InputError(
                f"interaction table {path}, line {line}: {rows.loc[line, names[place]]!r} is no "
                "locus; expected chrom:start-end or chrom.start.end"
            )
        table[f"chrom{side}"] = parts[0]
        for column, part in ((f"start{side}", parts[1]), (f"end{side}", parts[2])):
            table[column] = part.str.replace(",", "").astype(np.int64)
    names_of = harmonise_names(
        pd.unique(table[["chrom1", "chrom2"]].to_numpy().ravel()), chromsizes, source=str(path)
    )
    table["frequency"] = _frequency(rows.drop(columns=[names[place] for place in places]), path)
    table["chrom"] = table["chrom1"].map(names_of)
    table = table[table["chrom"].notna() & (table["chrom"] == table["chrom2"].map(names_of))]
    for side in (1, 2):
        start, end = table[f"start{side}"], table[f"end{side}"]
        for line in table.index[(end <= start) | (end > table["chrom"].map(chromsizes) + 1)]:
            chrom = table.loc[line, "chrom"]
            raise InputError(
                f"interaction table {path}, line {line}: {chrom}:{start[line]:,}-{end[line]:,} "
                f"lies beyond the chromosome's {chromsizes[chrom]:,} bp or has no length; is it of "
                "another assembly?"
            )
    return table[COLUMNS].reset_index(drop=True)


def _frequency(cells: pd.DataFrame, path: str | Path) -> pd.Series:
    """The column of a usual name, else the last one of numbers; NaN where there is none."""
    usual = [name for name in _FREQUENCIES if name in cells]
    for name in usual or reversed(cells.columns):
        numbers = pd.to_numeric(cells[name], errors="coerce")
        bad = cells.index[~np.isfinite(numbers) & ~cells[name].isin(MISSING)]
        if usual and len(bad):
            raise InputError(
                f"interaction table {path}, line {bad[0]}: {name} '{cells[name][bad[0]]}' is not a "
                "number"
            )
        if not len(bad) and numbers.notna().any():
            return numbers
    return pd.Series(np.nan, cells.index)


def _donut(path: str | Path, lines: pd.Series) -> np.ndarray:
    """Observed over expected of HiCCUPS' loops on these lines, NaN where the file has none.

    Its columns are called `o` and `e_donut`, and `observed` and `expectedDonut` since juicer 1.6.
    """
    numbers = ("o", "e_donut", "observed", "expectedDonut")
    columns = {"x1": Column()} | {name: Column(float, required=False, low=0) for name in numbers}
    rows = read_table(path, columns, what="interaction table", sep=None).loc[lines]
    expected = rows["e_donut"].fillna(rows["expectedDonut"])
    return (rows["o"].fillna(rows["observed"]) / expected.where(expected > 0)).to_numpy()
