"""CTCF motif instances in a genome sequence, with strand, by FIMO (memelite)."""

from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.files import atomic_path
from chromloom.sequence.ctcf import CTCF_COUNTS
from chromloom.sequence.fasta import encode, read_sequences

CHUNK = 5_000_000


def find_motifs(
    fasta: str | Path,
    out_bed: str | Path,
    *,
    meme: str | Path | None = None,
    threshold: float = 1e-4,
) -> pd.DataFrame:
    """Scan a FASTA file for motif instances and write them as BED6.

    Parameters
    ----------
    fasta : str or Path
        FASTA, plain or gzipped, or 2bit.
    out_bed : str or Path
        chrom, start, end, name, score, strand, p_value; sorted.
    meme : str or Path, optional
        Motifs in MEME format; CTCF (JASPAR MA0139.1) by default.
    threshold : float
        Largest p-value.

    Returns
    -------
    DataFrame
        What was written.
    """
    from memelite import fimo
    from memelite.io import read_meme

    motifs = read_meme(str(meme)) if meme else {"CTCF": CTCF_COUNTS / CTCF_COUNTS.sum(axis=0)}
    if not motifs:
        raise InputError(f"{meme} holds no motif; expected MEME format (letter-probability matrix)")
    overlap = max(pwm.shape[1] for pwm in motifs.values()) - 1
    columns = ["chrom", "start", "end", "name", "score", "strand", "p_value"]
    tables = [pd.DataFrame(columns=columns)]
    for chrom, letters in read_sequences(fasta):
        codes = encode(letters)
        for start in range(0, max(len(codes) - overlap, 1), CHUNK):
            part = codes[start : start + CHUNK + overlap]
            one_hot = (part == np.arange(4)[:, None]).astype(np.int8)[None]
            for hits in fimo(motifs, one_hot, threshold=threshold):  # (1, 4, length)
                hits = hits.rename(columns={"motif_name": "name", "p-value": "p_value"})
                hits[["start", "end"]] += start
                if len(hits):
                    tables.append(hits.assign(chrom=chrom)[columns])
    table = pd.concat(tables[1:] or tables).astype({"start": np.int64, "end": np.int64})
    table = table.sort_values(["chrom", "start", "strand"], ignore_index=True)
    with atomic_path(out_bed) as temporary:
        table.to_csv(temporary, sep="\t", header=False, index=False, float_format="%.6g")
    return table
