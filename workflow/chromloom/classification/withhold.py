"""Representations that have not seen the contacts inside held-out blocks.

Labels of domains, boundaries, loops and subcompartments are computed from a contact map. A vector
trained on the same contacts tells them by construction, also in blocks that were held out from the
classifier. A model has a vector for a bin only if it reads contacts of that bin, so the bins cannot
be left out. What is taken away is what such labels are mostly called from: the pairs with both ends
inside one held-out block. Their counts are replaced by Poisson draws from what is expected at their
distance and coverage, so that depth and balancing stay and structure goes. Pairs of a held-out
block with the rest of its chromosome are still read: a subcompartment can be told from those alone.
"""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cooler
import numpy as np
import pandas as pd

from chromloom.classification.splits import assign_bins, read_splits
from chromloom.errors import InputError
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.normalized import write_normalized

logger = logging.getLogger(__name__)


def train_withheld(
    map_path: str | Path,
    splits: str | Path,
    out: str | Path,
    *,
    fold: int,
    model: str,
    options: dict[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
) -> None:
    """Train a model without the contacts inside the blocks of one fold; write its vectors.

    Parameters
    ----------
    map_path : str or Path
        Normalised map.
    splits : str or Path
        Table of blocks and folds (`chromloom.classification.splits`).
    out : str or Path
        Parquet of the representations.
    fold : int
    model, options, seed, device
        As in `chromloom.training.models.train_model`.
    """
    from chromloom.representations.table import export_representations
    from chromloom.training.models import train_model

    with tempfile.TemporaryDirectory(dir=Path(out).parent) as folder:
        cool, trained = Path(folder) / "withheld.cool", Path(folder) / "model"
        withhold_blocks(map_path, read_splits(splits), cool, fold=fold, seed=seed)
        train_model(model, cool, trained, options=options, seed=seed, device=device)
        export_representations(trained, out)


def withhold_blocks(
    map_path: str | Path, splits: pd.DataFrame, out_cool: str | Path, *, fold: int, seed: int = 0
) -> None:
    """Copy a normalised map with the contacts inside a fold's blocks drawn from their expected.

    Parameters
    ----------
    map_path : str or Path
        Normalised map.
    splits : DataFrame
        chrom, start, end, block, fold.
    out_cool : str or Path
        Normalised map, with its expected table beside it. Weights are those of the original, the
        expected is computed anew.
    fold : int
    seed : int

    Raises
    ------
    InputError
        No block is in the fold.
    """
    normalized = NormalizedMap(map_path)
    bins = normalized.bins.table
    block, fold_of = assign_bins(bins, splits)
    block = np.where(fold_of == fold, block, -1)
    if (block < 0).all():
        raise InputError(
            f"no block of fold {fold} is on {map_path}; folds are "
            f"{', '.join(map(str, sorted(set(splits['fold']))))}"
        )
    rng = np.random.default_rng([seed, 4, fold])
    with tempfile.TemporaryDirectory(dir=Path(out_cool).parent) as folder:
        raw = Path(folder) / "raw.cool"
        cooler.create_cooler(
            str(raw),
            bins[["chrom", "start", "end"]],
            _replaced_pixels(normalized, block, rng),
            dtypes={"count": normalized.clr.pixels().dtypes["count"]},
            ordered=True,
        )
        write_normalized(
            cooler.Cooler(str(raw)),
            bins["weight"].to_numpy(),
            out_cool,
            sample=normalized.sample,
            norm=normalized.norm,
            assembly=normalized.assembly,
            view_df=normalized.view_df,
            ignore_diags=normalized.ignore_diags,
            cp_a=normalized.cp_a,
        )
    logger.info("fold %d: contacts of %d bins withheld", fold, (block >= 0).sum())


def _replaced_pixels(normalized, block, rng) -> Iterator[pd.DataFrame]:
    """Raw pixels, chromosome by chromosome, with those inside blocks replaced."""
    for chrom in normalized.clr.chromnames:
        pixels = normalized.clr.pixels().fetch((chrom, None, None))[["bin1_id", "bin2_id", "count"]]
        i, j = block[pixels["bin1_id"]], block[pixels["bin2_id"]]
        parts = [pixels[(i < 0) | (i != j)]]
        if chrom in normalized.chromnames:
            inside = block[slice(*normalized.extent(chrom))]
            for number in np.unique(inside[inside >= 0]):
                bins = np.flatnonzero((inside == number) & ~normalized.mask(chrom))
                parts.append(_draw(normalized, chrom, bins, rng))
        yield pd.concat(parts).sort_values(["bin1_id", "bin2_id"], ignore_index=True)


def _draw(normalized, chrom, bins, rng) -> pd.DataFrame:
    """Contacts of all pairs of some bins of a chromosome, drawn from their expected."""
    a, b = np.triu_indices(len(bins), 1)
    i, j = bins[a], bins[b]
    read = j - i >= normalized.ignore_diags
    i, j = i[read], j[read]
    weight = normalized.bins["weight"].to_numpy()[slice(*normalized.extent(chrom))]
    count = rng.poisson(normalized.expected(chrom).at(i, j) / (weight[i] * weight[j]))
    first, _ = normalized.extent(chrom)
    drawn = pd.DataFrame({"bin1_id": first + i, "bin2_id": first + j, "count": count})
    return drawn[drawn["count"] > 0]
