"""Gradients of a predicted scalar: how much of it each number that a network reads accounts for."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from chromloom.files import write_tsv

logger = logging.getLogger(__name__)


def attribute_score(
    score: Callable[[Tensor], Tensor],
    given: Tensor,
    without: Tensor,
    path: str | Path,
    *,
    method: str,
    steps: int,
    n_pairs: int,
    weight: Tensor | float = 1.0,
) -> np.ndarray:
    """Attribute the mean of some pairs to what it is computed from, and write how complete that is.

    Parameters
    ----------
    score : callable
        (B, rows, length) -> the mean, (B,).
    given, without : Tensor, (1, rows, length)
        What is read, and where the integral starts.
    path : path
        Table of one row: method, n_pairs, score, score_without, sum (of what is attributed), error
        (of sum against the difference of the scores, relative; NaN of saliency).
    method : {"integrated", "saliency"}
        Integrated gradients, or the gradient at what is read.
    steps : int
        Points of the integral.
    n_pairs : int
    weight : Tensor or float
        What the gradients of saliency are multiplied by.

    Returns
    -------
    ndarray, (rows, length), float64
    """
    from captum.attr import IntegratedGradients, Saliency

    if method == "saliency":
        values = Saliency(score).attribute(given.requires_grad_(), abs=False) * weight
    else:
        values = IntegratedGradients(score).attribute(
            given, baselines=without, n_steps=steps, internal_batch_size=1
        )
    attributed = values[0].detach().cpu().numpy().astype(float)
    with torch.no_grad():
        full, empty = float(score(given)), float(score(without))
    total, change = float(attributed.sum()), full - empty
    row = {
        "method": method,
        "n_pairs": n_pairs,
        "score": full,
        "score_without": empty,
        "sum": total,
        "error": np.nan if method == "saliency" else abs(total - change) / max(abs(change), 1e-12),
    }
    logger.info("attribution: %s", row)
    write_tsv(pd.DataFrame([row]), path)
    return attributed
