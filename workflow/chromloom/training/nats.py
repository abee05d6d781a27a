"""By how much a prediction explains counts better than distance alone."""

from collections.abc import Sequence

import numpy as np

from chromloom.training.stretches import Stretch


def nats_per_contact(
    stretches: Sequence[Stretch], ratios: Sequence[np.ndarray | None], *, validation: bool = True
) -> float:
    """Log likelihood gained per contact, totals by distance being equal.

    Parameters
    ----------
    stretches : sequence of Stretch
    ratios : sequence of ndarray or None
        Predicted log of contact over expected of each, (n_distances, n); None leaves it out.
    validation : bool
        Pairs that validate, or those that train.

    Returns
    -------
    float
        NaN without a contact.
    """
    gained = contacts = 0.0
    for stretch, ratio in zip(stretches, ratios):
        if ratio is None:
            continue
        pairs = stretch.pairs(validation=validation)
        seen = np.where(pairs, stretch.counts, 0)
        base = np.where(pairs, np.exp(stretch.log_mean()), 0)
        ratio = np.where(pairs, ratio, 0)
        total, predicted = base.sum(axis=1), (base * np.exp(ratio)).sum(axis=1)
        n, known = seen.sum(axis=1), total > 0
        shift = np.log(predicted[known] / total[known])  # brings the totals by distance together
        gained += (seen * ratio).sum() - (n[known] * shift).sum()
        contacts += n.sum()
    return float(gained / contacts) if contacts else float("nan")
