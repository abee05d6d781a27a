"""Random variants of the same kind and size, which the effect of a variant is compared with."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from chromloom.edits.edit import JOINED, Edit
from chromloom.genome.bins import Bins

BESIDE = 20  # bins on either side that are mostly unmasked
TRIES = 200


def size_class(edit: Edit) -> str:
    """Variants that are compared with each other: `deletion 64-128 kb`, sizes by factors of 2."""
    size = edit.end2 - edit.start2 if edit.kind == "insertion" else edit.end - edit.start
    if edit.kind == "translocation" or size <= 0:
        return edit.kind
    low = 2.0 ** np.floor(np.log2(size / 1000))
    return f"{edit.kind} {low:g}-{2 * low:g} kb"


def draw_controls(
    edits: Iterable[Edit], bins: Bins, *, number: int, seed: int
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

    Returns
    -------
    dict
        size class -> list of Edit. Each is a variant of the class, in turn, moved to a random place
        of its own chromosomes where at least 90 % of the bins beside its ends are unmasked. Classes
        whose variants find no such place have fewer, or none.
    """
    classes: dict[str, list[Edit]] = {}
    for edit in edits:
        if not {edit.chrom, edit.chrom2 or edit.chrom} <= set(bins.chromnames):
            continue
        classes.setdefault(size_class(edit), []).append(edit)
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[Edit]] = {}
    for name, own in sorted(classes.items()):
        moved = (_move(own[k % len(own)], bins, rng) for k in range(number))
        found = [edit for edit in moved if edit is not None]
        drawn[name] = [replace(e, edit=f"control{k}", id="") for k, e in enumerate(found)]
    return drawn


def _move(edit: Edit, bins: Bins, rng: np.random.Generator) -> Edit | None:
    size = edit.end - edit.start
    for _ in range(TRIES):
        start = _place(edit.chrom, size, bins, rng)
        moved = replace(edit, start=start, end=start + size)
        if edit.kind in JOINED:
            size2 = edit.end2 - edit.start2
            start2 = _place(edit.chrom2, size2, bins, rng)
            moved = replace(moved, start2=start2, end2=start2 + size2)
        places = [(moved.chrom, moved.start), (moved.chrom, moved.end)]
        if edit.kind in JOINED:
            places += [(moved.chrom2, moved.start2), (moved.chrom2, moved.end2)]
        if all(_is_covered(chrom, at, bins) for chrom, at in places):
            return moved
    return None


def _place(chrom: str, size: int, bins: Bins, rng: np.random.Generator) -> int:
    return int(rng.integers(0, max(int(bins.chromsizes[chrom]) - size, 1)))


def _is_covered(chrom: str, at: int, bins: Bins) -> bool:
    mask, middle = bins.mask(chrom), at // bins.resolution
    around = mask[max(middle - BESIDE, 0) : middle + BESIDE + 1]
    return len(around) > BESIDE and float(np.mean(around)) <= 0.1
