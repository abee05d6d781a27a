"""Motifs: matrices from files, instances in sequences, with strand, by FIMO (memelite)."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.files import atomic_path
from chromloom.sequence.ctcf import CTCF_COUNTS
from chromloom.sequence.fasta import Genome, N, encode, read_sequences
from chromloom.tables import NUMBER, open_text

CHUNK = 5_000_000
PSEUDOCOUNT = 0.1
"""Added to each count of a matrix of JASPAR, as its own tools do at the least."""
ROUNDING = 0.05
"""Largest deviation from 1 of the sum of the probabilities of a position."""
COLUMNS = ["chrom", "start", "end", "name", "score", "strand", "p_value"]


def find_motifs(
    fasta: str | Path,
    out_bed: str | Path,
    *,
    matrices: str | Path | None = None,
    threshold: float = 1e-4,
) -> pd.DataFrame:
    """Scan a FASTA file for motif instances and write them as BED6.

    Parameters
    ----------
    fasta : str or Path
        FASTA, plain or gzipped, or 2bit.
    out_bed : str or Path
        chrom, start, end, name, score, strand, p_value; sorted.
    matrices : str or Path, optional
        As for `read_matrices`; CTCF (JASPAR MA0139.1) by default.
    threshold : float
        Largest p-value.

    Returns
    -------
    DataFrame
        What was written.
    """
    motifs = read_matrices(matrices)
    tables = [scan(chrom, encode(letters), motifs, threshold) for chrom, letters in
              read_sequences(fasta)]  # fmt: skip
    table = _sorted(tables)
    with atomic_path(out_bed) as temporary:
        table.to_csv(temporary, sep="\t", header=False, index=False, float_format="%.6g")
    return table


def find_sites(
    genome: Genome,
    chroms: Iterable[str],
    motifs: Mapping[str, np.ndarray],
    *,
    threshold: float = 1e-4,
) -> pd.DataFrame:
    """Instances of motifs on some chromosomes of a genome.

    Returns
    -------
    DataFrame
        As `find_motifs` writes it.
    """
    sizes = genome.chromsizes
    return _sorted(
        scan(chrom, genome.read(chrom, 0, int(sizes[chrom])), motifs, threshold) for chrom in chroms
    )


def scan(
    chrom: str, codes: np.ndarray, motifs: Mapping[str, np.ndarray], threshold: float = 1e-4
) -> pd.DataFrame:
    """Instances of motifs in codes (length,), uint8; columns as `find_motifs` writes them.

    None holds an unknown base: to score 0, as N does, is rare enough for a long sharp matrix.
    """
    from memelite import fimo

    # As far as the widest motif reaches, so that narrower ones are found there by both parts.
    overlap = max(matrix.shape[1] for matrix in motifs.values()) - 1
    tables = [pd.DataFrame(columns=COLUMNS)]
    for start in range(0, max(len(codes) - overlap, 1), CHUNK):
        part = codes[start : start + CHUNK + overlap]
        one_hot = (part == np.arange(4)[:, None]).astype(np.int8)[None]
        unknown = np.append(0, np.cumsum(part == N))
        for hits in fimo(dict(motifs), one_hot, threshold=threshold):  # (1, 4, length)
            hits = hits.rename(columns={"motif_name": "name", "p-value": "p_value"})
            hits = hits[unknown[hits["end"]] == unknown[hits["start"]]].copy()
            hits[["start", "end"]] += start
            if len(hits):
                tables.append(hits.assign(chrom=chrom)[COLUMNS])
    return pd.concat(tables[1:] or tables).drop_duplicates(["start", "end", "name", "strand"])


def read_matrices(path: str | Path | None = None) -> dict[str, np.ndarray]:
    """Matrices of motifs, by name.

    Parameters
    ----------
    path : str or Path, optional
        MEME, JASPAR or HOMER text (of one or more matrices), compressed or not, told by content, or
        a folder of such files; CTCF (MA0139.1) by default.

    Returns
    -------
    dict
        Name -> (4, width), float64: probabilities of A, C, G, T at each position. A matrix is
        called as the second word of its name says (`>MA0139.1 CTCF`), with its number where two
        have that name. Rows of JASPAR are those of the letters that they start with, else A, C, G,
        T.

    Raises
    ------
    InputError
        The file or the folder does not exist or has no matrix, a matrix is there twice, or its
        numbers are not four rows of counts or of probabilities.
    """
    if not path:
        return {"CTCF": CTCF_COUNTS / CTCF_COUNTS.sum(axis=0)}
    path = Path(path)
    files = [path]
    if path.is_dir():
        files = sorted(f for f in path.iterdir() if f.is_file() and not f.name.startswith("."))
    found: list[tuple[str, str, np.ndarray]] = []
    for file in files:
        with open_text(file, what="file of motifs") as handle:
            text = handle.read()
        read = _read_meme if "letter-probability matrix" in text else _read_jaspar
        found += read(f"motifs, {file}", text)
    if not found:
        raise InputError(
            f"{path} holds no motif; expected MEME (letter-probability matrix) or JASPAR text "
            "(>name, four rows of counts)"
        )
    names = Counter(name for _, name, _ in found)
    matrices: dict[str, np.ndarray] = {}
    for number, name, matrix in found:
        name = name if names[name] == 1 else f"{name} {number}"
        if name in matrices:
            raise InputError(f"{path}: motif {name!r} is there twice; keep one, or rename it")
        matrices[name] = matrix
    return matrices


def randomise_sites(
    codes: np.ndarray, sites: Iterable[tuple[int, int]], rng: np.random.Generator
) -> np.ndarray:
    """Codes (length,), uint8, with random bases at the sites [start, end), as far as they reach."""
    changed = codes.copy()
    for start, end in sites:
        inside = slice(max(start, 0), min(end, len(codes)))
        changed[inside] = rng.integers(0, N, inside.stop - inside.start)
    return changed


def _read_meme(place: str, text: str) -> list[tuple[str, str, np.ndarray]]:
    """Matrices of MEME: a row of probabilities for each position."""
    found = []
    for record in re.split(r"^MOTIF\b", text, flags=re.M)[1:]:
        head, _, rest = record.partition("\n")
        width = re.search(r"^\s*letter-probability matrix:.*?\bw=\s*(\d+).*$", rest, flags=re.M)
        if width is None:
            raise InputError(
                f"{place}: motif {head.strip()!r} has no letter-probability matrix with a width; "
                "expected 'letter-probability matrix: alength= 4 w= …' and its rows"
            )
        lines = [line for line in rest[width.end() :].splitlines() if line.strip()]
        rows = _rows(lines[: int(width[1])], place, head)
        found.append(_probabilities(rows, int(width[1]), place, head))
    return found


def _read_jaspar(place: str, text: str) -> list[tuple[str, str, np.ndarray]]:
    """Matrices of JASPAR: a row of counts for each base, with or without its letter and brackets.

    HOMER's have a row of probabilities for each position, and a threshold in the third column of
    their name.
    """
    found = []
    for record in re.split(r"^>", text, flags=re.M)[1:]:
        head, *lines = record.rstrip().split("\n")
        lines = [line for line in lines if line.strip()]
        columns = head.split("\t")
        if len(columns) > 2 and NUMBER.fullmatch(columns[2].strip()):
            found.append(_probabilities(_rows(lines, place, head), len(lines), place, head))
            continue
        letters = [line.strip()[0].upper() for line in lines]
        if sorted(letters) == ["A", "C", "G", "T"]:
            lines = [line for _, line in sorted(zip(letters, lines))]
        lines = [re.sub(r"^\s*[A-Za-z]?[\s|:\[]*|[\s\]]*$", "", line) for line in lines]
        rows = _rows(lines, place, head)
        if len(rows) != 4 or len({len(row) for row in rows}) != 1 or not rows[0]:
            lengths = ", ".join(str(len(row)) for row in rows)
            raise InputError(
                f"{place}: matrix {head!r} has rows of {lengths} numbers; expected four of one "
                "length, for A, C, G, T"
            )
        counts = np.array(rows)
        if not ((counts >= 0) & np.isfinite(counts)).all():
            raise InputError(
                f"{place}: matrix {head!r} has {rows}; expected counts, none of them negative"
            )
        counts += PSEUDOCOUNT
        found.append((*_named(head, place), counts / counts.sum(axis=0)))
    return found


def _named(head: str, place: str) -> tuple[str, str]:
    """Number and name of a matrix; one word is both."""
    words = head.split()
    if not words:
        raise InputError(f"{place}: a matrix has no name; expected '>MA0139.1 CTCF'")
    return words[0], words[:2][-1]


def _rows(lines: list[str], place: str, head: str) -> list[list[float]]:
    try:
        return [[float(word) for word in line.split()] for line in lines]
    except ValueError as error:
        raise InputError(f"{place}: matrix {head.strip()!r}: {error}; expected numbers") from error


def _probabilities(
    rows: list[list[float]], width: int, place: str, head: str
) -> tuple[str, str, np.ndarray]:
    """Number, name and matrix (4, width) of rows of positions."""
    if len(rows) != width or any(len(row) != 4 for row in rows) or not rows:
        raise InputError(
            f"{place}: matrix {head.strip()!r} has rows of "
            f"{', '.join(str(len(row)) for row in rows)} numbers; expected {width} of four, for A, "
            "C, G, T"
        )
    matrix = np.array(rows).T
    wrong = np.flatnonzero((matrix.min(0) < 0) | (abs(matrix.sum(0) - 1) > ROUNDING))
    if len(wrong):
        raise InputError(
            f"{place}: matrix {head.strip()!r} has {rows[wrong[0]]} at position {wrong[0] + 1}; "
            "expected probabilities, which add up to 1"
        )
    return (*_named(head, place), matrix)


def _sorted(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    own = [table for table in tables if len(table)] or [pd.DataFrame(columns=COLUMNS)]
    table = pd.concat(own).astype({"start": np.int64, "end": np.int64})
    return table.sort_values(["chrom", "start", "strand"], ignore_index=True)
