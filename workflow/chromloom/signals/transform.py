"""What is done to the values of bins: a function of each value, and quantiles of a reference.

Constants of a transform are never taken from the chromosomes that a predictor is tested on: who
asks for quantiles says which chromosomes they are of.
"""

from collections.abc import Callable

import numpy as np

from chromloom.errors import InputError

N_QUANTILES = 1001
_FUNCTIONS: dict[str, Callable] = {"none": lambda x: x, "log1p": np.log1p, "arcsinh": np.arcsinh}
_INVERSES: dict[str, Callable] = {"none": lambda x: x, "log1p": np.expm1, "arcsinh": np.sinh}


def transform_values(values: np.ndarray, transform: str, *, source: str) -> np.ndarray:
    """Transform the values of bins.

    Parameters
    ----------
    values : ndarray, float
        NaN = missing, stays NaN.
    transform : str
        none, log1p (ln(1 + x)) or arcsinh.
    source : str
        Whose values these are, for messages.

    Returns
    -------
    ndarray, the same shape

    Raises
    ------
    InputError
        Negative values under log1p.
    """
    if transform == "log1p" and (values < 0).any():
        raise InputError(
            f"{source} has negative values (lowest {np.nanmin(values):.4g}), of which log1p is not "
            "taken; choose transform arcsinh or none"
        )
    return _FUNCTIONS[transform](values)


def restore_values(values: np.ndarray, transform: str) -> np.ndarray:
    """The values before `transform_values`."""
    return _INVERSES[transform](values)


def find_quantiles(values: np.ndarray) -> np.ndarray:
    """Quantiles 0, 0.001, ..., 1 of the values that are there, (1001,), float64.

    Raises
    ------
    InputError
        There is none.
    """
    values = values[np.isfinite(values)]
    if not len(values):
        raise InputError(
            "no bin has a value on the chromosomes whose quantiles are matched; name others"
        )
    return np.quantile(values, np.linspace(0, 1, N_QUANTILES))


def match_quantiles(values: np.ndarray, own: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Values of one distribution as the values at the same quantiles of another.

    Parameters
    ----------
    values : ndarray, float
        NaN stays NaN.
    own, reference : ndarray, (1001,)
        `find_quantiles` of the distribution of `values` and of the one to match.

    Returns
    -------
    ndarray, the same shape
        What is equal stays equal: a value that stands at many quantiles (zero) becomes the mean of
        the reference over these. Values beyond the quantiles become the lowest and highest.
    """
    unique, where = np.unique(own, return_inverse=True)
    matched = np.bincount(where, reference) / np.bincount(where)
    return np.interp(values, unique, matched)
