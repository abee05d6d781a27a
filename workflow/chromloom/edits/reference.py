"""Whether the bases that a file of variants says it changes are those of the reference."""

import logging
from collections.abc import Sequence

import numpy as np

from chromloom.edits.edit import Edit
from chromloom.edits.read import Row
from chromloom.errors import InputError
from chromloom.sequence.fasta import Genome, N, encode

logger = logging.getLogger(__name__)


def check_reference(rows: Sequence[Row], genome: Genome, *, on_mismatch: str) -> list[Row]:
    """Rows whose bases are those of the reference; the others are left out, or all are refused.

    Parameters
    ----------
    rows : sequence of Row
        With the assembly's names of chromosomes. Those whose file tells no bases are kept.
    genome : Genome
        Of the assembly.
    on_mismatch : {"refuse", "skip"}
        What becomes of bases that the reference does not have there. An unknown base, on either
        side, agrees with every other.

    Returns
    -------
    list of Row

    Raises
    ------
    InputError
        Bases differ, and they are to be refused: how many, and which come first.
    """
    told, checked, wrong = 0, [], []
    for row in rows:
        steps = [e for e in row.edit.steps or (row.edit,) if e.ref] if row.edit else []
        told += bool(steps)
        differ = next(filter(None, (_difference(step, genome) for step in steps)), "")
        checked.append(row.left_out("reference", differ) if differ else row)
        wrong += [f"line {row.line}: {differ}"] if differ else []
    if not wrong:
        return checked
    text = f"{len(wrong):,} of {told:,} variants with bases do not match the reference; {wrong[0]}"
    if on_mismatch == "refuse":
        raise InputError(
            f"{text}; use the sequence that they were called on, or leave them out "
            "(variants.reference: skip)"
        )
    logger.warning("%s; they are left out", text)
    return checked


def leave_out_bases(rows: Sequence[Row]) -> list[Row]:
    """Rows of a study of which no model reads sequence: changes of bases are left out."""
    kept = []
    for row in rows:
        steps = (row.edit.steps or (row.edit,)) if row.edit else ()
        changed = next((step for step in steps if step.kind == "substitution"), None)
        if changed is not None:
            row = row.left_out(
                "sequence",
                f"replaces {changed.end - changed.start:,} bp by {len(changed.alt):,} bp, "
                "and no model of this study reads sequence",
            )
        kept.append(row)
    return kept


def _difference(edit: Edit, genome: Genome) -> str:
    """In what the bases of a variant differ from the reference; "" where they do not."""
    if edit.chrom not in genome.chromsizes.index:
        return f"{edit.chrom} has no sequence"
    own = encode(edit.ref.encode())
    there = genome.read(edit.chrom, edit.start, edit.end)
    if len(own) == len(there) and bool(np.all((own == there) | (own == N) | (there == N))):
        return ""
    letters = "".join("ACGTN"[code] for code in there[:20])
    return f"{edit.chrom}:{edit.start + 1:,} is {letters} in the reference, REF is {edit.ref[:20]}"
