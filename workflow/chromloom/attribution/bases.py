"""Which bases a predicted pair, stripe or region hangs on: gradients of a network of sequence.

The scalar is the mean over the pairs of the predicted log of observed over expected. Integrated
gradients start from N everywhere, so that the attribution of a position is that of the base that is
there; they add up to the difference from there, which is written beside them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from chromloom.attribution.gradients import attribute_score
from chromloom.attribution.pairs import chosen_pairs
from chromloom.errors import InputError
from chromloom.models.akita.module import one_hot
from chromloom.prediction.akita import AkitaMap
from chromloom.signals.tracks import write_bigwig


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
        strands = [network.fold(network.mix(network.pool_bases(read)))]
        if settings.windows.mirror:
            turned = torch.ones(len(read), dtype=torch.bool, device=read.device)
            strands.append(network.fold(network.mix(network.pool_bases(read.flip(1, 2))), turned))
        maps = torch.stack(strands).mean(dim=0)[:, source.config["targets"]].mean(dim=1)
        return maps[:, rows, columns].mean(dim=1)

    values = attribute_score(
        score, bases, torch.zeros_like(bases), Path(out_dir) / "completeness.tsv",
        method=method, steps=steps, n_pairs=len(i), weight=bases,
    )  # fmt: skip
    per_base = values.sum(axis=0)
    a, b = max(start, 0), min(start + len(codes), int(source.bins.chromsizes[chrom]))
    table = pd.DataFrame({"chrom": chrom, "start": np.arange(a, b), "end": np.arange(a + 1, b + 1)})
    table["value"] = per_base[a - start : b - start]
    write_bigwig(table, "value", Path(out_dir) / "bases.bw", source.bins.chromsizes)
