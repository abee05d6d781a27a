"""Motifs: matrices from files, instances in sequences, with strand, by FIMO (memelite)."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.files import atomic_path
from chromloom.sequence.ctcf import CTCF_COUNTS
from chromloom.sequence.fasta import Genome, N, encode, read_sequences

CHUNK = 5_000_000
PSEUDOCOUNT = 0.1
"""Added to each count of a matrix of JASPAR, as its own tools do at the least."""
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
    """Instances of motifs in codes (length,), uint8; columns as `find_motifs` writes them."""
    from memelite import fimo

    overlap = max(matrix.shape[1] for matrix in motifs.values()) - 1
    tables = [pd.DataFrame(columns=COLUMNS)]
    for start in range(0, max(len(codes) - overlap, 1), CHUNK):
        part = codes[start : start + CHUNK + overlap]
        one_hot = (part == np.arange(4)[:, None]).astype(np.int8)[None]
        for hits in fimo(dict(motifs), one_hot, threshold=threshold):  # (1, 4, length)
            hits = hits.rename(columns={"motif_name": "name", "p-value": "p_value"})
            hits[["start", "end"]] += start
            if len(hits):
                tables.append(hits.assign(chrom=chrom)[COLUMNS])
    return pd.concat(tables[1:] or tables)


def read_matrices(path: str | Path | None = None) -> dict[str, np.ndarray]:
    """Matrices of motifs, by name.

    Parameters
    ----------
    path : str or Path, optional
        MEME or JASPAR text (of one or more matrices), told by content, or a folder of such files;
        CTCF (MA0139.1) by default.

    Returns
    -------
    dict
        Name -> (4, width), float64: probabilities of A, C, G, T at each position. A matrix of
        JASPAR is called as its second word says (`>MA0139.1 CTCF`), with its number where two have
        that name.

    Raises
    ------
    InputError
        The file or the folder does not exist or has no matrix, or rows are of different lengths.
    """
    if not path:
        return {"CTCF": CTCF_COUNTS / CTCF_COUNTS.sum(axis=0)}
    path = Path(path)
    files = sorted(f for f in path.iterdir() if f.is_file()) if path.is_dir() else [path]
    found: list[tuple[str, str, np.ndarray]] = []
    for file in files:
        try:
            text = file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"motifs, {file} cannot be read as text: {error}") from error
        found += (
            _read_meme(file) if "letter-probability matrix" in text else _read_jaspar(file, text)
        )
    if not found:
        raise InputError(
            f"{path} holds no motif; expected MEME (letter-probability matrix) or JASPAR text "
            "(>name, four rows of counts)"
        )
    names = [name for _, name, _ in found]
    return {
        name if names.count(name) == 1 else f"{name} {number}": matrix
        for number, name, matrix in found
    }


def randomise_sites(
    codes: np.ndarray, sites: Iterable[tuple[int, int]], rng: np.random.Generator
) -> np.ndarray:
    """Codes (length,), uint8, with random bases at the sites [start, end), as far as they reach."""
    changed = codes.copy()
    for start, end in sites:
        inside = slice(max(start, 0), min(end, len(codes)))
        changed[inside] = rng.integers(0, N, inside.stop - inside.start)
    return changed


def _read_meme(path: Path) -> list[tuple[str, str, np.ndarray]]:
    from memelite.io import read_meme

    return [
        (name.split()[0], name.split()[-1], np.asarray(matrix, float))
        for name, matrix in read_meme(str(path)).items()
    ]


def _read_jaspar(path: Path, text: str) -> list[tuple[str, str, np.ndarray]]:
    """Matrices of JASPAR: rows of counts, with or without their letter and brackets."""
    found = []
    for record in re.split(r"^>", text, flags=re.M)[1:]:
        head, *lines = record.strip().splitlines()
        words = head.split()
        if not words:
            raise InputError(f"motifs, {path}: a matrix has no name; expected '>MA0139.1 CTCF'")
        rows = [re.findall(r"-?[0-9.]+(?:e-?[0-9]+)?", line) for line in lines if line.strip()]
        if len(rows) != 4 or len({len(row) for row in rows}) != 1 or not rows[0]:
            lengths = ", ".join(str(len(row)) for row in rows)
            raise InputError(
                f"motifs, {path}: matrix {head!r} has rows of {lengths} numbers; expected "
                "four of one length, for A, C, G, T"
            )
        counts = np.array(rows, float) + PSEUDOCOUNT
        found.append((words[0], words[-1], counts / counts.sum(axis=0)))
    return found


def _sorted(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    own = [table for table in tables if len(table)] or [pd.DataFrame(columns=COLUMNS)]
    table = pd.concat(own).astype({"start": np.int64, "end": np.int64})
    return table.sort_values(["chrom", "start", "strand"], ignore_index=True)
