"""What a predictor learns from, is chosen by and is tested on, by fold.

A fold is a table of regions (chrom, start, end in bp) with a role each: `train`, `validation` or
`test`. A pair belongs to a role where both of its bins do; what is in no role is not looked at.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.genome.regions import parse_region

ROLES = ("train", "validation", "test")
BLOCK = 0.2
"""Share of the longest training chromosome that validates where no chromosome is left to."""


def split_chromosomes(
    chromsizes: pd.Series,
    *,
    test: Sequence[str] = (),
    validation: Sequence[str] = (),
    folds: int = 0,
    gap: int = 0,
) -> pd.DataFrame:
    """Regions of a study by fold and role.

    Parameters
    ----------
    chromsizes : Series
        Chromosome name -> bp, of those that may be used.
    test, validation : sequence of str
        `chrom` or `chrom:start-end`, as in the config. What is in neither trains.
    folds : int
        In place of `test`: deal the chromosomes into so many folds, as equally long as can be, each
        of which is tested by a predictor that is trained on the others. The chromosomes of the next
        fold validate, where there are more than two folds and `validation` is empty.
    gap : int
        bp on each side of a region of validation or test that do not train.

    Returns
    -------
    DataFrame
        fold (int, from 0), role, chrom, start, end. Without a chromosome to validate, the last part
        (`BLOCK`) of the longest training chromosome does.

    Raises
    ------
    InputError
        A region is not in the assembly or has two roles, test and folds are both given or neither
        is, there are more folds than chromosomes, or nothing is left to train on.
    """
    sizes = {str(chrom): int(size) for chrom, size in chromsizes.items()}
    if bool(test) == bool(folds):
        raise InputError("predictors: give either test or folds, regions or a number of folds")
    named = [parse_region(region, sizes) for region in validation]
    if not folds:
        own = [parse_region(region, sizes) for region in test]
        return _fold(0, sizes, own, named, gap)
    if not 2 <= folds <= len(sizes):
        raise InputError(
            f"predictors: folds={folds}; expected 2 to {len(sizes)}, the number of chromosomes"
        )
    dealt: list[list[str]] = [[] for _ in range(folds)]
    for chrom in sorted(sizes, key=lambda chrom: -sizes[chrom]):
        min(dealt, key=lambda chroms: sum(sizes[c] for c in chroms)).append(chrom)
    tables = []
    for k, chroms in enumerate(dealt):
        own = [(chrom, 0, sizes[chrom]) for chrom in chroms]
        held = [region for region in named if region[0] not in chroms]
        if not named and folds > 2:
            held = [(chrom, 0, sizes[chrom]) for chrom in dealt[(k + 1) % folds]]
        tables.append(_fold(k, sizes, own, held, gap))
    return pd.concat(tables, ignore_index=True)


def _fold(number, sizes, test, validation, gap) -> pd.DataFrame:
    rows = [("test", *region) for region in test]
    rows += [("validation", *region) for region in validation]
    for a, (role, chrom, start, end) in enumerate(rows):
        for other, name, first, last in rows[a + 1 :]:
            if name == chrom and start < last and first < end:
                raise InputError(
                    f"predictors: {chrom}:{start}-{end} ({role}) and {name}:{first}-{last} "
                    f"({other}) overlap; a region has one role"
                )
    free = [(chrom, *part) for chrom in sizes for part in _left(chrom, sizes[chrom], rows, gap)]
    if free and not validation:
        chrom, start, end = max(free, key=lambda region: region[2] - region[1])
        border = end - int(BLOCK * (end - start))
        free.remove((chrom, start, end))
        free.append((chrom, start, max(border - gap, start)))
        rows.append(("validation", chrom, border, end))
    rows += [("train", *region) for region in free if region[2] > region[1]]
    if not any(role == "train" for role, *_ in rows):
        raise InputError("predictors: nothing is left to train on; name fewer regions")
    order = {chrom: k for k, chrom in enumerate(sizes)}
    rows.sort(key=lambda row: (ROLES.index(row[0]), order[row[1]], row[2]))
    table = pd.DataFrame(rows, columns=["role", "chrom", "start", "end"])
    table.insert(0, "fold", number)
    return table


def _left(chrom, size, rows, gap) -> list[tuple[int, int]]:
    """What regions leave of a chromosome."""
    parts, start = [], 0
    for first, last in sorted((a, b) for _, name, a, b in rows if name == chrom):
        parts.append((start, first - gap))
        start = last + gap
    return [(a, b) for a, b in [*parts, (start, size)] if b > a]


def bins_of_role(split: pd.DataFrame, role: str, chrom: str, starts: np.ndarray) -> np.ndarray:
    """Bins of a chromosome that begin in a region of a role, (n,), bool.

    Parameters
    ----------
    split : DataFrame
        Rows of one fold.
    role, chrom : str
    starts : ndarray, (n,), int
        bp.
    """
    own = split[(split["role"] == role) & (split["chrom"] == chrom)]
    inside = np.zeros(len(starts), bool)
    for start, end in zip(own["start"], own["end"]):
        inside |= (starts >= start) & (starts < end)
    return inside
