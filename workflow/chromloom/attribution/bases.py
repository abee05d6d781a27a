"""Which bases a predicted pair, stripe or region hangs on: gradients of a network of sequence.

The scalar is the mean over the pairs of the predicted log of observed over expected. Integrated
gradients start from N everywhere, so that the attribution of a position is that of the base that is
there; they add up to the difference from there, which is written beside them.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from chromloom.attribution.pairs import chosen_pairs
from chromloom.errors import InputError
from chromloom.files import write_tsv
from chromloom.models.akita.module import one_hot
from chromloom.prediction.akita import AkitaMap
from chromloom.signals.tracks import write_bigwig

logger = logging.getLogger(__name__)


def attribute_bases(
    source: AkitaMap,
    regions: Sequence[str],
    out_dir: str | Path,
    *,
    method: str = "integrated",
    steps: int = 50,
) -> None:
    """Attribute predicted contacts to bases and write them as a bigWig.

    Parameters
    ----------
    source : AkitaMap
    regions : sequence of str
        One or two, as for `attribution.signals.attribute_signals`; one window has to hold them.
    out_dir : path
        Gets `bases.bw`, one value per base of the window (0 where the base is not known), and
        `completeness.tsv`, as of signals.
    method : {"integrated", "saliency"}
        Integrated gradients, or the gradient at the base that is there.
    steps : int
        Points of the integral.

    Raises
    ------
    InputError
        Regions that are none or of two chromosomes, that one window does not hold, or without a
        predicted pair.
    """
    from captum.attr import IntegratedGradients, Saliency

    chrom, i, d = chosen_pairs(source, regions)
    fitted, resolution = source.fitted(chrom), source.bins.resolution
    settings, network = fitted.settings, fitted.network
    lo, hi = int(i.min()), int((i + d).max()) + 1
    if hi - lo > settings.size:
        raise InputError(
            f"regions {', '.join(regions)} span {hi - lo} bins; a window of '{source.name}' "
            f"predicts {settings.size}: name regions within one"
        )
    first = (lo + hi) // 2 - settings.size // 2
    start = (first - settings.crop) * resolution
    codes = source.read(chrom, start, settings.window * resolution)
    bases = one_hot(torch.as_tensor(codes, device=network.head.weight.device)[None])
    rows, columns = (torch.as_tensor(each) for each in (i - first, i + d - first))

    def score(read: torch.Tensor) -> torch.Tensor:
        maps = network.fold(network.mix(network.tower(read)))[:, source.config["targets"]]
        values = maps.mean(dim=1)[:, rows, columns].mean(dim=1)
        if not settings.windows.mirror:
            return values
        turned = torch.ones(len(read), dtype=torch.bool, device=read.device)
        other = network.fold(network.mix(network.tower(read.flip(1, 2))), turned)
        return (
            values + other[:, source.config["targets"]].mean(dim=1)[:, rows, columns].mean(1)
        ) / 2

    nothing = torch.zeros_like(bases)
    if method == "saliency":
        values = Saliency(score).attribute(bases.requires_grad_(), abs=False) * bases
    else:
        values = IntegratedGradients(score).attribute(
            bases, baselines=nothing, n_steps=steps, internal_batch_size=1
        )
    per_base = values[0].sum(dim=0).detach().cpu().numpy().astype(float)
    with torch.no_grad():
        full, empty = float(score(bases)), float(score(nothing))
    error = abs(per_base.sum() - (full - empty)) / max(abs(full - empty), 1e-12)
    row = {
        "method": method,
        "n_pairs": len(i),
        "score": full,
        "score_without": empty,
        "sum": float(per_base.sum()),
        "error": float(error) if method == "integrated" else np.nan,
    }
    logger.info("%s of %s: %s", method, " x ".join(regions), row)
    out_dir = Path(out_dir)
    a, b = max(start, 0), min(start + len(codes), int(source.bins.chromsizes[chrom]))
    table = pd.DataFrame({"chrom": chrom, "start": np.arange(a, b), "end": np.arange(a + 1, b + 1)})
    table["value"] = per_base[a - start : b - start]
    write_bigwig(table, "value", out_dir / "bases.bw", source.bins.chromsizes)
    write_tsv(pd.DataFrame([row]), out_dir / "completeness.tsv")
