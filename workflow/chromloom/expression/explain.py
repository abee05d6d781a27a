"""What a trained Chromoformer looks at: attention of the TSS, and attribution to marks by bin.

Every gene is told by the fold that held it out.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from chromloom.errors import InputError
from chromloom.expression.features import Marks
from chromloom.expression.fit import open_folds, read_features
from chromloom.expression.network import Inputs, NetworkModel
from chromloom.files import atomic_path, write_tsv
from chromloom.models.chromoformer import Chromoformer
from chromloom.models.expression.settings import ChromoformerSettings
from chromloom.signals.tracks import write_bigwig

logger = logging.getLogger(__name__)

ATTENTION_COLUMNS = ["task", "bin_size", "head", "position", "all", "high", "low"]
PROFILE_COLUMNS = ["signal", "position", "all", "high", "low"]
_BATCH = 64


def attend_genes(
    table_path: str | Path,
    marks_path: str | Path,
    model_dirs: Sequence[str | Path],
    attention_path: str | Path,
    profile_path: str | Path,
) -> None:
    """Write the mean attention of the bin of the TSS, and the mean marks, by class of genes.

    Parameters
    ----------
    table_path, marks_path : str or Path
        As `build_genes` wrote them.
    model_dirs : sequence of str or Path
        Folds of a Chromoformer.
    attention_path : str or Path
        Table to write, `ATTENTION_COLUMNS`: position (bp from the TSS of the start of the bin
        attended to), means over all genes, those above the median, and the others.
    profile_path : str or Path
        Table to write, `PROFILE_COLUMNS`: the same of each signal, in the smallest bins.

    Raises
    ------
    InputError
        The model has no attention.
    """
    genes, marks = read_features(table_path, marks_path)
    high = genes["high"].to_numpy()
    totals: dict[tuple[str, int], np.ndarray] = {}
    for held, own, model in open_folds(genes, marks, model_dirs):
        settings, networks = _chromoformer(model)
        inputs = Inputs(own, settings)
        for task, network in networks.items():
            for rows in torch.arange(len(own)).split(_BATCH):
                promoters, _ = inputs.batch(rows)
                with torch.no_grad():
                    maps = network.attention(promoters, tss=True)
                kind = high[held[rows.numpy()]]
                for size, one in zip(settings.bin_sizes, maps):
                    both = one[:, :, 0].double().numpy()  # (B, heads, n)
                    sums = np.stack([both[kind].sum(axis=0), both[~kind].sum(axis=0)])
                    totals[task, size] = totals.get((task, size), 0) + sums
    parts = []
    for (task, size), (above, below) in totals.items():
        n_heads, n = above.shape
        parts.append(
            pd.DataFrame(
                {
                    "task": task,
                    "bin_size": size,
                    "head": np.repeat(np.arange(n_heads), n),
                    "position": np.tile((np.arange(n) - n // 2) * size, n_heads),
                    "all": ((above + below) / len(high)).ravel(),
                    "high": (above / high.sum()).ravel(),
                    "low": (below / (~high).sum()).ravel(),
                }
            )
        )
    write_tsv(pd.concat(parts, ignore_index=True)[ATTENTION_COLUMNS], attention_path)
    write_tsv(_profiles(marks, high), profile_path)


@dataclass(frozen=True)
class GeneAttention:
    """What networks of the class look at in one gene.

    Attributes
    ----------
    maps : dict of ndarray, (n_heads, n, n), float64
        By bin size: attention of every bin (rows) to every bin around the TSS.
    tracks : ndarray, (n_signals, n), float32
        Signals in the smallest bins, upstream first, on the scale that models see.
    signals : list of str
    bin_size : int
        bp, of the tracks.
    gene : Series
        Its row of the table of genes.
    """

    maps: dict[int, np.ndarray]
    tracks: np.ndarray
    signals: list[str]
    bin_size: int
    gene: pd.Series


def attend_gene(
    table_path: str | Path, marks_path: str | Path, model_dirs: Sequence[str | Path], gene: str
) -> GeneAttention:
    """Whole attention maps of one gene, by the fold that held it out.

    Parameters
    ----------
    table_path, marks_path, model_dirs
        As for `attend_genes`.
    gene : str
        Id or name.

    Raises
    ------
    InputError
        There is no such gene, or the model has no attention.
    """
    genes, marks = read_features(table_path, marks_path)
    rows = np.flatnonzero((genes["gene"] == gene) | (genes["name"] == gene))
    if not len(rows):
        raise InputError(
            f"{table_path} has no gene {gene!r} (they are like {genes['gene'].iloc[0]}, "
            f"{genes['name'].iloc[0]}); give an id or a name of the table"
        )
    rows = rows[:1]
    one = genes.iloc[rows].reset_index(drop=True)
    for _, own, model in open_folds(one, marks.of(rows), model_dirs):
        settings, networks = _chromoformer(model)
        promoters, _ = Inputs(own, settings).batch(torch.arange(1))
        with torch.no_grad():
            maps = networks["clf"].attention(promoters)
        return GeneAttention(
            {size: x[0].double().numpy() for size, x in zip(settings.bin_sizes, maps)},
            own.binned(own.bin_size)[0], own.signals, own.bin_size, one.iloc[0],
        )  # fmt: skip
    raise InputError(f"gene {gene!r} was held out by none of the trained folds")


def _chromoformer(model: object) -> tuple[ChromoformerSettings, dict[str, Chromoformer]]:
    """Settings of a Chromoformer, and its networks by task."""
    networks = model.networks if isinstance(model, NetworkModel) else {}
    settings = model.settings if isinstance(model, NetworkModel) else None
    found = {task: net for task, net in networks.items() if isinstance(net, Chromoformer)}
    if not found or not isinstance(settings, ChromoformerSettings):
        raise InputError(
            "the model has no attention and no gradients by bin; name chromoformer or "
            "chromoformer-embedding"
        )
    for network in found.values():
        network.eval()
    return settings, found


def _profiles(marks: Marks, high: np.ndarray) -> pd.DataFrame:
    """Mean signals around the TSS by class."""
    values = marks.binned(marks.bin_size)  # (n_genes, n_signals, n)
    n = values.shape[2]
    position = (np.arange(n) - n // 2) * marks.bin_size
    parts = [
        pd.DataFrame(
            {
                "signal": name,
                "position": position,
                "all": values[:, k].mean(axis=0),
                "high": values[high, k].mean(axis=0),
                "low": values[~high, k].mean(axis=0),
            }
        )
        for k, name in enumerate(marks.signals)
    ]
    return pd.concat(parts, ignore_index=True)[PROFILE_COLUMNS]


def attribute_genes(
    table_path: str | Path,
    marks_path: str | Path,
    model_dirs: Sequence[str | Path],
    out_dir: str | Path,
    chromsizes: pd.Series,
    *,
    task: str = "reg",
    steps: int = 16,
) -> None:
    """Attribute predictions to the marks in the bins around each TSS, by integrated gradients.

    Parameters
    ----------
    table_path, marks_path, model_dirs
        As for `attend_genes`.
    out_dir : str or Path
        Gets `{signal}.bw`, in the bins of the features: attribution of the marks around the TSS
        (of coarser bins in equal parts), summed over bin sizes and over genes that share a bin;
        and `completeness.tsv`, by gene: gene, with_marks and without_marks (the prediction, the
        latter of none around the TSS), sum (of the attributions), error (of sum against the
        difference).
    chromsizes : Series
        Chromosome -> bp.
    task : {"reg", "clf"}
        The level, or the difference of the logits.
    steps : int
        Points of the integral (Gauss-Legendre).

    Raises
    ------
    InputError
        The model has no gradients by bin.
    """
    from captum.attr import IntegratedGradients

    genes, marks = read_features(table_path, marks_path)
    size = marks.bin_size
    found = {
        signal: {str(chrom): np.zeros(-(-int(n) // size)) for chrom, n in chromsizes.items()}
        for signal in marks.signals
    }
    touched = {str(chrom): np.zeros(-(-int(n) // size), bool) for chrom, n in chromsizes.items()}
    rows_of = []
    for held, own, model in open_folds(genes, marks, model_dirs):
        settings, networks = _chromoformer(model)
        if settings.windows:
            raise InputError(
                f"model '{settings.preset}' reads means in windows beside its bins (windows="
                f"{settings.windows}), which attributions to bins leave out; name one without"
            )
        network, inputs = networks[task], Inputs(own, settings)
        for rows in torch.arange(len(own)).split(_BATCH):
            promoters, elements = inputs.batch(rows)
            score = _score(network, elements)
            attributed = IntegratedGradients(score).attribute(
                tuple(promoters), n_steps=steps, internal_batch_size=len(rows)
            )  # all genes of the batch at one point of the integral after another
            with torch.no_grad():
                given = score(*promoters)
                nothing = score(*(torch.zeros_like(x) for x in promoters))
            fine = np.sum(
                [
                    (x.repeat_interleave(step // size, dim=2) / (step // size)).numpy()
                    for step, x in zip(settings.bin_sizes, attributed)
                ],
                axis=0,
            )  # (B, n_signals, n)
            part = genes.iloc[held[rows.numpy()]]
            for gene, values in zip(part.itertuples(), fine):
                _add(gene, dict(zip(own.signals, values)), found, touched, size)
            rows_of.append(
                pd.DataFrame(
                    {
                        "gene": part["gene"].to_numpy(),
                        "with_marks": given.numpy(),
                        "without_marks": nothing.numpy(),
                        "sum": fine.sum(axis=(1, 2)),
                    }
                )
            )
    told = pd.concat(rows_of, ignore_index=True)
    told["error"] = (told["sum"] - (told["with_marks"] - told["without_marks"])).abs()
    logger.info("largest error of completeness %.3g, median %.3g",
                told["error"].max(), told["error"].median())  # fmt: skip
    with atomic_path(out_dir) as folder:
        folder.mkdir()
        for signal, chroms in found.items():
            tables = []
            for chrom, values in chroms.items():
                kept = np.flatnonzero(touched[chrom])
                start = kept * size
                end = np.minimum(start + size, int(chromsizes[chrom]))
                table = {"chrom": chrom, "start": start, "end": end, "value": values[kept]}
                tables.append(pd.DataFrame(table))
            write_bigwig(
                pd.concat(tables, ignore_index=True), "value", folder / f"{signal}.bw", chromsizes
            )
        write_tsv(told, folder / "completeness.tsv")


def _score(network: Chromoformer, elements: list | None) -> Callable[..., Tensor]:
    """The level, or the difference of the logits, of the promoters of some genes, (B,)."""

    def score(*promoters: Tensor) -> Tensor:
        told = network(list(promoters), elements)
        return told[:, 1] - told[:, 0] if network.task == "clf" else told[:, 0]

    return score


def _add(
    gene: Any,
    attributed: Mapping[str, np.ndarray],
    found: dict[str, dict[str, np.ndarray]],
    touched: dict[str, np.ndarray],
    size: int,
) -> None:
    """Add a gene's attributions to the tracks, in the direction of the genome."""
    for signal, values in attributed.items():
        side = len(values) // 2
        steps = np.arange(-side, side) * (1 if gene.strand == "+" else -1)
        bins = gene.tss // size + steps
        track = found[signal][gene.chrom]
        there = (bins >= 0) & (bins < len(track))
        track[bins[there]] += values[there]
        touched[gene.chrom][bins[there]] = True
