"""Controls of a model that reads elements: what it sees is changed, in training and in prediction.

A model that gains by elements has to lose without them, and with those of other genes. Held-out
genes are changed among themselves, training genes among themselves.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from chromloom.errors import InputError
from chromloom.expression.features import Marks

logger = logging.getLogger(__name__)

PROMOTER = 1_000
"""bp on both sides of the TSS that `promoter-only` leaves."""
APART = (2_000_000, 500_000, 100_000, 0)
"""bp; elements of another gene are farther away than the first of these that any gene allows."""
ALIKE = 10
"""Genes, the most alike in number and distance of elements, that they are drawn from."""


def apply_control(marks: Marks, control: str, *, seed: int) -> Marks:
    """What a model sees under a control.

    Parameters
    ----------
    marks : Marks
        Of training genes, or of held-out genes.
    control : str
        A key of `CONTROLS`; "" for the marks as they are.
    seed : int

    Returns
    -------
    Marks

    Raises
    ------
    InputError
        The control is unknown, or one of elements and there are none.
    """
    if not control:
        return marks
    if control not in CONTROLS:
        raise InputError(f"control '{control}' is unknown; expected one of {', '.join(CONTROLS)}")
    return CONTROLS[control](marks, np.random.default_rng(seed))


def _no_elements(marks: Marks, rng: np.random.Generator) -> Marks:
    return marks.without_elements()


def _shuffled_elements(marks: Marks, rng: np.random.Generator) -> Marks:
    """Each gene has as many elements as it has, of another gene: their marks and frequencies.

    The other gene is one of the `ALIKE` nearest in the order of number of elements and their mean
    distance (of logarithms), with at least as many elements and none of them within `APART`.
    """
    own = marks.known_elements()
    n = np.bincount(own.gene, minlength=len(marks))
    first = np.cumsum(n) - n
    with_some = np.flatnonzero(n)
    logs = np.bincount(own.gene, np.log(np.abs(own.distance) + 1.0), minlength=len(marks))
    order = with_some[np.lexsort([logs[with_some] / n[with_some], n[with_some]])]
    lowest, highest = np.full(len(marks), np.inf), np.full(len(marks), -np.inf)
    np.minimum.at(lowest, own.gene, own.place)
    np.maximum.at(highest, own.gene, own.place)
    taken, nearer = [], 0
    for rank, gene in enumerate(order):
        gaps = np.maximum(lowest[order] - highest[gene], lowest[gene] - highest[order])
        enough = n[order] >= n[gene]
        for apart in APART:
            fits = np.flatnonzero(enough & (gaps > apart))
            if len(fits):
                break
        else:
            raise InputError(
                f"no other gene has {n[gene]} elements beside those of gene {marks.genes[gene]}, "
                "to shuffle them with; leave the control out, or give genes of more chromosomes"
            )
        nearer += apart < APART[0]
        alike = fits[np.argsort(np.abs(fits - rank), kind="stable")[:ALIKE]]
        taken.append((gene, first[order[rng.choice(alike)]] + np.arange(n[gene])))
    if nearer:
        logger.warning(
            "%d of %d genes have elements of genes less than %d bp away: there are no others",
            nearer, len(order), APART[0],
        )  # fmt: skip
    taken.sort(key=lambda pair: pair[0])
    elements = np.concatenate([np.empty(0, np.int64), *(part for _, part in taken)])
    shuffled = own.take(elements, own.gene, own.rank)
    return replace(marks, elements=replace(shuffled, distance=own.distance))


def _elements_only(marks: Marks, rng: np.random.Generator) -> Marks:
    marks.known_elements()
    around, body = np.full_like(marks.around, np.nan), np.full_like(marks.body, np.nan)
    return replace(marks, around=around, body=body)


def _promoter_only(marks: Marks, rng: np.random.Generator) -> Marks:
    around, middle = marks.around.copy(), marks.around.shape[2] // 2
    side = PROMOTER // marks.bin_size
    around[:, :, : middle - side] = around[:, :, middle + side :] = np.nan
    alone = replace(marks, around=around, body=np.full_like(marks.body, np.nan))
    return alone if marks.elements is None else alone.without_elements()


def _permuted_marks(marks: Marks, rng: np.random.Generator) -> Marks:
    return marks.permuted(marks.signals, seed=int(rng.integers(2**31)))


CONTROLS: dict[str, Callable[[Marks, np.random.Generator], Marks]] = {
    "no-elements": _no_elements,
    "shuffled-elements": _shuffled_elements,
    "elements-only": _elements_only,
    "promoter-only": _promoter_only,
    "permuted-marks": _permuted_marks,
}
