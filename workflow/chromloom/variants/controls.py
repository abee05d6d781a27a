"""Random variants of the same kind and size, which the effect of a variant is compared with."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from chromloom.edits.edit import COMPOUND, JOINED, Edit, chroms_of, put_together
from chromloom.genome.bins import Bins
from chromloom.sequence.fasta import Genome, encode

BESIDE = 20  # bins on either side that are mostly unmasked
TRIES = 200
SEARCHED = 10_000  # bp from a random place on, in which the bases of a variant are looked for


def size_class(edit: Edit) -> str:
    """Variants that are compared with each other: `deletion 64-128 kb`, sizes by factors of 2.

    The larger number is not of the class. Below 1 kb sizes are in bp, as all are of substitutions.
    """
    size = edit.end2 - edit.start2 if edit.kind == "insertion" else edit.end - edit.start
    if edit.kind == "translocation":
        return edit.kind
    if edit.kind == "substitution":
        size = max(size, len(edit.alt))
        low = 2 ** int(np.log2(size))
        return f"{edit.kind} {low}-{2 * low} bp"
    if edit.kind == COMPOUND:
        kinds = "+".join(sorted({step.kind for step in edit.steps}))
        return f"{edit.kind} {kinds} of {', '.join(chroms_of(edit))}"
    if size <= 0:
        return edit.kind
    low = 2.0 ** np.floor(np.log2(size / 1000))
    if low < 1:
        return f"{edit.kind} {np.ceil(1000 * low):.0f}-{np.ceil(2000 * low):.0f} bp"
    return f"{edit.kind} {low:g}-{2 * low:g} kb"


def draw_controls(
    edits: Iterable[Edit], bins: Bins, *, number: int, seed: int, genome: Genome | None = None
) -> dict[str, list[Edit]]:
    """Draw random variants for each size class of some variants.

    Parameters
    ----------
    edits : iterable of Edit
    bins : Bins
    number : int
        Controls of a class.
    seed : int
        The same seed, variants and bins give the same controls, whatever the model.
    genome : Genome, optional
        Bases are changed where it has those that the variant changes, the next such place within
        10 kb of a random one.

    Returns
    -------
    dict
        size class -> list of Edit. Each is a variant of the class, in turn, moved to a random place
        of its own chromosomes where at least 90 % of the bins beside its ends are unmasked. Classes
        whose variants find no such place have fewer, or none. Steps of a compound variant keep
        their distances on each chromosome.
    """
    classes: dict[str, list[Edit]] = {}
    for edit in edits:
        if not set(chroms_of(edit)) <= set(bins.chromnames):
            continue
        classes.setdefault(size_class(edit), []).append(edit)
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[Edit]] = {}
    for name, own in sorted(classes.items()):
        moved = (_move(own[k % len(own)], bins, rng, genome) for k in range(number))
        found = [edit for edit in moved if edit is not None]
        drawn[name] = [replace(e, edit=f"control{k}", id="") for k, e in enumerate(found)]
    return drawn


def _move(edit: Edit, bins: Bins, rng: np.random.Generator, genome: Genome | None) -> Edit | None:
    size = edit.end - edit.start
    if edit.kind == COMPOUND:
        return _move_steps(edit, bins, rng)
    for _ in range(TRIES):
        start = _place(edit.chrom, size, bins, rng)
        if genome is not None and edit.ref:
            start = _next(edit, start, genome)
        moved = replace(edit, start=start, end=start + size)
        if edit.kind in JOINED:
            size2 = edit.end2 - edit.start2
            start2 = _place(edit.chrom2, size2, bins, rng)
            moved = replace(moved, start2=start2, end2=start2 + size2)
        if all(_is_covered(chrom, at, bins) for chrom, at in _ends(moved)):
            return moved
    return None


def _move_steps(edit: Edit, bins: Bins, rng: np.random.Generator) -> Edit | None:
    """A compound variant, what lies on each chromosome moved by one distance."""
    ends = [end for step in edit.steps for end in _ends(step)]
    for _ in range(TRIES):
        by = {}
        for chrom in chroms_of(edit):
            own = [at for of, at in ends if of == chrom]
            by[chrom] = _place(chrom, max(own) - min(own), bins, rng) - min(own)
        if all(_is_covered(chrom, at + by[chrom], bins) for chrom, at in ends):
            steps = [
                replace(step, start=step.start + by[step.chrom], end=step.end + by[step.chrom],
                        start2=step.start2 + by.get(step.chrom2, 0),
                        end2=step.end2 + by.get(step.chrom2, 0))
                for step in edit.steps
            ]  # fmt: skip
            return put_together(edit.edit, steps)
    return None


def _ends(edit: Edit) -> list[tuple[str, int]]:
    ends = [(edit.chrom, edit.start), (edit.chrom, edit.end)]
    if edit.kind in JOINED:
        ends += [(edit.chrom2, edit.start2), (edit.chrom2, edit.end2)]
    return ends


def _next(edit: Edit, start: int, genome: Genome) -> int:
    """Where the bases that a variant changes come next, or the start where they do not."""
    codes = genome.read(edit.chrom, start, start + SEARCHED).tobytes()
    at = codes.find(encode(edit.ref.encode()).tobytes())
    return start + max(at, 0)


def _place(chrom: str, size: int, bins: Bins, rng: np.random.Generator) -> int:
    return int(rng.integers(0, max(int(bins.chromsizes[chrom]) - size, 1)))


def _is_covered(chrom: str, at: int, bins: Bins) -> bool:
    mask, middle = bins.mask(chrom), at // bins.resolution
    around = mask[max(middle - BESIDE, 0) : middle + BESIDE + 1]
    return len(around) > BESIDE and float(np.mean(around)) <= 0.1
