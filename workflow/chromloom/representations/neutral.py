"""Vectors that stand for "nothing here": ends of attribution paths, and knockouts' replacements."""

import numpy as np

AVERAGE_BINS = 10


def average_neighbours(R: np.ndarray, mask: np.ndarray, *, reach: int = AVERAGE_BINS) -> np.ndarray:
    """Mean representation of the unmasked bins around every bin, itself left out.

    Parameters
    ----------
    R : ndarray, (n, d)
        Masked bins hold anything.
    mask : ndarray, (n,), bool
        True = masked.
    reach : int
        Bins each side.

    Returns
    -------
    ndarray, (n, d), float32
        0 where there is no unmasked bin within reach.
    """
    padded = np.pad(np.where(mask[:, None], 0, R).astype(float), ((reach + 1, reach), (0, 0)))
    counted = np.pad((~mask).astype(float), (reach + 1, reach))
    width = 2 * reach + 1
    sums, counts = padded.cumsum(axis=0), counted.cumsum()
    total = sums[width:] - sums[:-width] - padded[reach + 1 : -reach]
    number = counts[width:] - counts[:-width] - counted[reach + 1 : -reach]
    return (total / np.maximum(number, 1)[:, None]).astype(np.float32)
