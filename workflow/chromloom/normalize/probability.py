"""Contact probability and its inverse: the transform that Hi-C-LSTM is trained on.

Article: Methods, Eq. (1). Values are normalised contact strengths on the scale of counts.
"""

import numpy as np

CP_MIN, CP_MAX = 1e-12, 1 - 1e-7
REFERENCE_COEFFICIENT = 8.0


def contact_probability(value, a: float = 8.0, delta: float = 1e-10):
    """Turn contact strength into contact probability, CP = exp(-a / (v + delta)).

    Parameters
    ----------
    value : ndarray, Series or torch.Tensor, any shape
        Normalised contact strength, >= 0; NaN stays NaN.
    a : float
        Coefficient: the strength at which CP is 1/e.
    delta : float
        Keeps the division finite at 0, where CP is 0.

    Returns
    -------
    same type and shape as `value`
        Contact probability in [0, 1).

    References
    ----------
    Hi-C-LSTM, Methods, Eq. (1), with a = 8 and delta = 1e-10.
    """
    return _apply("exp", -a / (value + delta))


def contact_strength(cp, a: float = 8.0, delta: float = 1e-10):
    """Turn contact probability back into contact strength, v = a / (-ln CP) - delta.

    Parameters
    ----------
    cp : ndarray, Series or torch.Tensor, any shape
        Contact probability; clipped to [1e-12, 1 - 1e-7], so that 0 comes back as a / 27.6
        (0.29 at a = 8) and 1 as a / 1e-7. NaN stays NaN.
    a, delta : float
        As they were given to `contact_probability`.

    Returns
    -------
    same type and shape as `cp`
        Contact strength on the scale of counts.
    """
    return a / -_apply("log", cp.clip(CP_MIN, CP_MAX)) - delta


def _apply(function: str, x):
    """Apply "exp" or "log"; a tensor carries its own, so that gradients pass without torch here."""
    return getattr(x, function)() if hasattr(x, function) else getattr(np, function)(x)
