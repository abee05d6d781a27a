"""What a variant does to the expression of genes, by the edited map and the edited signals."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chromloom.expression.edited import contact_interactions, predict_edited
from chromloom.expression.fit import Fold, fold_dirs, open_fold
from chromloom.files import read_tsv
from chromloom.models.registry import reads_elements
from chromloom.perturbation.predict import InEdited, Prediction
from chromloom.prediction.source import MapSource
from chromloom.signals.store import SignalStore

SCORE = "expression"
IN_PLACE = {
    "substitution": "changes bases, which the signals of genes do not show",
    "knockout": "replaces bins where they are, and the signals of genes stay",
    "orientation": "replaces bins where they are, and the signals of genes stay",
}


class ExpressionModel:
    """A trained model of expression that is asked about variants.

    Parameters
    ----------
    folds : sequence of Fold
        All folds of one training.
    genes : DataFrame
        As `expression.build.build_genes` writes them.
    store : SignalStore
        Of the cell type.
    min_frequency, max_elements
        As for `expression.interactions.find_elements`.
    """

    def __init__(
        self,
        folds: Sequence[Fold],
        genes: pd.DataFrame,
        store: SignalStore,
        *,
        min_frequency: float = 1.5,
        max_elements: int = 8,
    ) -> None:
        self.folds, self.genes, self.store = folds, genes, store
        self.options: dict[str, Any] = {
            "min_frequency": min_frequency,
            "max_elements": max_elements,
        }

    def score(
        self, prediction: Prediction, source: MapSource, *, flank: int, zygosity: str
    ) -> pd.DataFrame:
        """Predicted change of genes whose TSS lies within `flank` of the ends of a variant.

        Parameters
        ----------
        prediction : Prediction
            Of the variant on all its copies, not of one homologue.
        source : MapSource
            What predicted it.
        flank : int
            bp.
        zygosity : {"homozygous", "heterozygous"}

        Returns
        -------
        DataFrame
            Columns of `scores.COLUMNS`: one row per gene, named in `item`; value, change of its
            level (log2), copies added up. A variant that no signal shows has one row, and why.

        Notes
        -----
        Signals go with the pieces of the edited chromosomes. Elements of genes, for models that
        read them, are those of the predicted map, before and after.
        """
        edit = prediction.edited.edit
        if edit.kind in IN_PLACE and (edit.kind, edit.method) != ("knockout", "shift"):
            row = {"score": SCORE, "item": "", "value": np.nan, "reason": IN_PLACE[edit.kind]}
            return pd.DataFrame([row])
        tables = [self._levels(prediction, one, source, flank) for one in prediction.chromosomes]
        table = pd.concat(tables, ignore_index=True)
        before = table.groupby("gene", sort=False).agg(
            name=("name", "first"), level=("level_before", "first"), copies=("copies", "sum")
        )
        gained = 2 ** np.maximum(table["level_after"], 0) - 1
        total = gained.groupby(table["gene"], sort=False).sum()
        after = np.log2(1 + total)
        own = table[table["copies"] > 0].groupby("gene")["level_after"].agg(["first", "size"])
        alone = own.index[own["size"] == 1]
        after[alone] = own.loc[alone, "first"]  # which may be below 0
        level = before["level"]
        if zygosity == "heterozygous":
            after = np.log2((2**level + 2**after) / 2)
        return pd.DataFrame(
            {"score": SCORE, "item": before["name"], "value": after - level, "reason": ""}
        ).reset_index(drop=True)

    def _levels(
        self, prediction: Prediction, one: InEdited, source: MapSource, flank: int
    ) -> pd.DataFrame:
        """Levels of genes before, and on one edited chromosome."""
        chrom = one.edited.chrom
        return predict_edited(
            self.folds,
            self.genes,
            self.store,
            one.edited.pieces,
            chrom=chrom,
            flank=flank,
            interactions=self._interactions(prediction, one, source) if self._asks else None,
            **self.options,
        )

    @property
    def _asks(self) -> bool:
        """Whether the model reads elements."""
        config = self.folds[0].config
        return reads_elements(config["model"], config["options"])

    def _interactions(
        self, prediction: Prediction, one: InEdited, source: MapSource
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Those of the predicted map, before and after, over its mean at each distance before."""
        resolution, wild_type = source.bins.resolution, prediction.wild_type
        bins = source.bins.table.iloc[prediction.bins].reset_index(drop=True)
        start = bins["start"].to_numpy()
        i, j = np.nonzero(np.isfinite(wild_type))  # of one chromosome each
        dist = (start[j] - start[i]) // resolution
        total, n = np.bincount(dist, wild_type[i, j]), np.bincount(dist)
        expected = np.divide(total, n, out=np.full(len(total), np.nan), where=total > 0)
        before = [
            contact_interactions(
                wild_type[np.ix_(own, own)], expected, str(chrom), start[own], resolution
            )
            for chrom, own in bins.groupby("chrom", sort=False).indices.items()
        ]
        starts = one.positions * resolution
        after = contact_interactions(one.values, expected, one.edited.chrom, starts, resolution)
        return pd.concat(before, ignore_index=True), after


@contextmanager
def open_expression(
    model_dir: str | Path, genes_path: str | Path, store_path: str | Path, **options: Any
) -> Iterator[ExpressionModel]:
    """Open what `train_folds` and `build_genes` wrote; options as of `ExpressionModel`."""
    with SignalStore(store_path) as store:
        folds = [open_fold(folder) for folder in fold_dirs(model_dir)]
        yield ExpressionModel(folds, read_tsv(genes_path), store, **options)
