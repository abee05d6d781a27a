"""The DNA of a simulated genome: GC content by compartment, CTCF motifs where the plan has them.

The sequence belongs to the genome, not to a cell type: motifs that are silent in one cell are
spelled all the same. Motifs are drawn from the CTCF matrix MA0139.1 of JASPAR (Fornes et al. 2020),
stronger sites nearer to the consensus.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from chromloom.edits.pieces import Piece
from chromloom.files import atomic_path
from chromloom.sequence.ctcf import CTCF_COUNTS
from chromloom.simulate.plan import Plan

BASES = np.frombuffer(b"ACGT", dtype=np.uint8)
COMPLEMENT = bytes.maketrans(b"ACGTN", b"TGCAN")
LINE = 60


def sequence(plan: Plan, chrom: str) -> bytes:
    """The sequence of a chromosome of a plan as drawn (not edited), N in gaps.

    Depends on the plan's seed, landscape, gaps and the places of sites only, so that all cell
    types share it when the plan of the first is given.
    """
    number = list(plan.chromsizes.index).index(chrom)
    rng = np.random.default_rng([plan.seed, number, 2])
    length = int(plan.chromsizes[chrom])
    bases = np.empty(length, dtype=np.uint8)
    for row in plan.rows("landscape", chrom).itertuples():
        draw = rng.integers(0, 256, row.end - row.start, dtype=np.uint8)
        strong = draw < round(256 * row.gc)
        bases[row.start : row.end] = BASES[np.where(strong, 1 + (draw & 1), 3 * (draw & 1))]
    for site in plan.rows("sites", chrom).itertuples():
        motif = draw_motif(rng, site.strength)
        spelled = motif if site.strand == "+" else reverse_complement(motif)
        bases[site.start : site.end] = np.frombuffer(spelled, dtype=np.uint8)
    for row in plan.rows("gaps", chrom).itertuples():
        bases[row.start : row.end] = ord("N")
    return bases.tobytes()


def draw_motif(rng: np.random.Generator, strength: float) -> bytes:
    """A 19-bp CTCF motif; frequencies are sharpened from the matrix (0) towards consensus (1)."""
    sharp = CTCF_COUNTS ** (1 + 2 * strength)
    cumulative = np.cumsum(sharp / sharp.sum(axis=0), axis=0)
    return BASES[(rng.random(19) > cumulative[:3]).sum(axis=0)].tobytes()


def reverse_complement(bases: bytes) -> bytes:
    """The other strand, read in its own direction."""
    return bases.translate(COMPLEMENT)[::-1]


def edited_sequence(plan: Plan, pieces: Iterable[Piece]) -> bytes:
    """The sequence of an edited chromosome: pieces of the original plan's, joined."""
    spelled = []
    for piece in pieces:
        part = sequence(plan, piece.chrom)[piece.start : piece.end]
        spelled.append(part if piece.strand == "+" else reverse_complement(part))
    return b"".join(spelled)


def write_fasta(plan: Plan, path: str | Path, *, chroms: Iterable[str] | None = None) -> None:
    """Write chromosomes (all by default) as plain FASTA, 60 bases a line."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        for chrom in chroms or plan.chromsizes.index:
            bases = sequence(plan, chrom)
            file.write(f">{chrom}\n".encode())
            whole = len(bases) // LINE * LINE
            lines = np.frombuffer(bases[:whole], dtype=np.uint8).reshape(-1, LINE)
            ended = np.full((len(lines), LINE + 1), ord("\n"), dtype=np.uint8)
            ended[:, :LINE] = lines
            file.write(ended.tobytes())
            if whole < len(bases):
                file.write(bases[whole:] + b"\n")
