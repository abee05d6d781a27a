"""Contact probability and its inverse: the transform that Hi-C-LSTM is trained on.

Article: Methods, Eq. (1). Values are normalised contact strengths on the scale of counts.
"""

import functools

import numpy as np
import pandas as pd

from chromloom.errors import InputError

CP_MIN, CP_MAX = 1e-12, 1 - 1e-7
REFERENCE_COEFFICIENT = 8.0
# Mean contact strength 2 to 9 bins apart in the GM12878 primary map at 10 kb; see auto_coefficient.
REFERENCE_STRENGTH = 121.0
NEAR_BINS = 10
PSEUDOCOUNT = 0.5
"""What ratios of contact strengths add above and below, on the scale of counts."""
READOUTS = ("strength", "counts")
"""What a predicted contact strength says of contact probability: `contact_probability` of it, or
its mean over counts, `mean_contact_probability`."""


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


def mean_contact_probability(value, a: float = 8.0):
    """Mean contact probability of a pair whose count is Poisson with mean `value`.

    E[exp(-a / k)] over k ~ Poisson(value). Contact probability is so curved that at low depth the
    mean of it has little to do with the contact probability of the mean: at a mean of 0.1 and
    a = 8 it is 1e-4, not e^-80.

    Parameters
    ----------
    value : ndarray, any shape
        Mean contact strength, on the scale of counts (balancing weights near 1); NaN stays NaN.
    a : float
        Coefficient of the contact probability.

    Returns
    -------
    ndarray, same shape, float32
        Interpolated in log value, to about 1e-5; 0 at 0.
    """
    log_mean, mean_cp = _mean_cp_table(float(a))
    with np.errstate(divide="ignore"):
        return np.interp(np.log(value), log_mean, mean_cp).astype(np.float32)


@functools.cache
def _mean_cp_table(a: float) -> tuple[np.ndarray, np.ndarray]:
    """log mean and mean CP, in steps of 1 %; above a mean of 1000 by the delta method."""
    log_mean = np.linspace(np.log(1e-6), np.log(1e3), 1000)
    k = np.arange(1, 1400)
    log_factorial = np.cumsum(np.log(k))
    cp = np.exp(-a / k)
    mean_cp = [np.exp(k * m - np.exp(m) - log_factorial) @ cp for m in log_mean]
    beyond = np.linspace(np.log(1e3), np.log(1e9), 500)[1:]
    v = np.exp(beyond)
    curved = np.exp(-a / v) * (1 + (a**2 / v**4 - 2 * a / v**3) * v / 2)
    return (
        np.concatenate([[-100.0], log_mean, beyond]),
        np.concatenate([[0.0], mean_cp, curved]),
    )


def auto_coefficient(expected: pd.DataFrame) -> float:
    """Coefficient `a` that puts pairs near the diagonal where a = 8 put them in the article's map.

    CP depends on v / a alone, and v grows with the depth of the map and with the area of a pixel:
    at a = 8 a map ten times shallower has contact probabilities near 0 everywhere, and one at
    50 kb near 1 for the first tens of bins. So a = 8 * m / m_ref, where m is the mean contact
    strength at distances below 10 bins, and m_ref = 121 the same for GM12878 primary at 10 kb, the
    map for which the article chose 8: a pair of mean strength there has CP = exp(-8 / 121) = 0.94.

    Parameters
    ----------
    expected : DataFrame
        Expected table: dist (bins), n_valid, value_sum; distances >= `ignore_diags`.

    Returns
    -------
    float
        `a` > 0, on the scale of counts.

    Raises
    ------
    InputError
        No contacts at distances below 10 bins.

    Notes
    -----
    m_ref is derived, as the primary map itself was not at hand: 14.86 on chr21 of a shallow
    GM12878 map (2.43 M contacts, KR), times 14.3 (KR of the combined map over the shallow one,
    chr21:28-30.3 Mb, 5 to 10 bins), times 0.57 (primary over combined contacts of chr22).
    """
    near = expected[expected["dist"] < NEAR_BINS]
    strength = near["value_sum"].sum() / max(near["n_valid"].sum(), 1)
    if not strength > 0:
        raise InputError(
            f"cp_a 'auto': the map has no contacts at distances below {NEAR_BINS} bins to derive "
            "the coefficient from; set cp_a to a number (the article's is 8)"
        )
    return float(REFERENCE_COEFFICIENT * strength / REFERENCE_STRENGTH)


def _apply(function: str, x):
    """Apply "exp" or "log"; a tensor carries its own, so that gradients pass without torch here."""
    return getattr(x, function)() if hasattr(x, function) else getattr(np, function)(x)
