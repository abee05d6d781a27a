"""Which signals a predicted pair, stripe or region hangs on: gradients of a predictor.

The scalar is the mean over the pairs of the predicted log of contact over expected. Integrated
gradients start from no signal at all (the article of Epiphany sets its baseline to zero, too); they
add up to the difference from there, which is written beside them. Missing signals are constant.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from chromloom.attribution.gradients import attribute_score
from chromloom.attribution.pairs import chosen_pairs
from chromloom.errors import InputError
from chromloom.models.predictor import Constants
from chromloom.prediction.predicted import PredictedMap
from chromloom.signals.tracks import write_bigwig


def attribute_signals(
    source: PredictedMap,
    regions: Sequence[str],
    out_dir: str | Path,
    *,
    method: str = "integrated",
    steps: int = 50,
) -> None:
    """Attribute predicted contacts to signals and write one bigWig per signal.

    Parameters
    ----------
    source : PredictedMap
        A predictor applied to a sample.
    regions : sequence of str
        One region (`chrom:start-end`): the pairs within it, or of a single bin its stripe, the
        pairs that lie across the diagonal there. Two: the pairs of a bin of the one and a bin of
        the other.
    out_dir : path
        Gets `{signal}.bw`, in bins of what the predictor reads (those of the map, or of the
        signals), and `completeness.tsv`, see `attribution.gradients.attribute_score`.
    method : {"integrated", "saliency"}
        Integrated gradients, or the gradient at the signals as they are.
    steps : int
        Points of the integral.

    Raises
    ------
    InputError
        No predictor with gradients, regions that are none or of two chromosomes, or no predicted
        pair in them.
    """
    chrom, i, d = chosen_pairs(source, regions)
    first, features, fitted, constants = source.around(chrom, int(i.min()), int((i + d).max()) + 1)
    if not hasattr(fitted, "ratio"):
        raise InputError(f"'{source.name}' has no gradients; attribute weave or epiphany")
    known = np.isfinite(features)
    missing = constants.mean[:, None] * np.ones_like(features)
    given = torch.as_tensor(np.where(known, features, missing).astype(np.float32))[None]
    nothing = constants.centre[:, None] * np.ones_like(features)
    without = torch.as_tensor(np.where(known, nothing, missing).astype(np.float32))[None]
    score = _scorer(fitted, constants, known.any(axis=0), (d, i - first))
    values = attribute_score(
        score, given, without, Path(out_dir) / "completeness.tsv",
        method=method, steps=steps, n_pairs=len(i),
    )  # fmt: skip
    for signal, table in _tables(source, constants, chrom, first, values).items():
        write_bigwig(table, "value", Path(out_dir) / f"{signal}.bw", source.bins.chromsizes)


def _scorer(fitted, constants: Constants, known: np.ndarray, pairs) -> Callable[[Tensor], Tensor]:
    """The scalar of features (B, n_rows, L) as read, (B,)."""
    d, i = (torch.as_tensor(each) for each in pairs)
    centre, scale = (
        torch.as_tensor(each, dtype=torch.float32)[:, None]
        for each in (constants.centre, constants.scale)
    )
    row = torch.as_tensor(~known, dtype=torch.float32)[None]

    def prepare(features: Tensor) -> Tensor:
        scaled = (features - centre) / scale
        return torch.cat([scaled, row]) if constants.standardised else scaled

    def score(features: Tensor) -> Tensor:
        return torch.stack([fitted.ratio(prepare(each))[d, i].mean() for each in features])

    return score


def _tables(source, constants, chrom, first, values) -> dict[str, pd.DataFrame]:
    """Attribution of each signal in its bins; its mean and maximum are added up."""
    length, step = int(source.bins.chromsizes[chrom]), source.step
    size = source.bins.resolution // step
    start = first * source.bins.resolution + size * np.arange(values.shape[1])
    end = np.minimum(start + size, length)
    tables: dict[str, pd.DataFrame] = {}
    for name, own in zip(constants.names, values):
        signal = name.removesuffix(" mean").removesuffix(" maximum")
        if signal in tables:
            own = own + tables[signal]["value"].to_numpy()
        tables[signal] = pd.DataFrame({"chrom": chrom, "start": start, "end": end, "value": own})
    return {signal: table[start < length] for signal, table in tables.items()}
