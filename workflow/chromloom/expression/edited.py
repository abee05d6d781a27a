"""Expression after an edit: edited signals and edited contacts give an edited prediction.

An edited chromosome is pieces of the reference, cut and joined (`edits.pieces`). Its genes, the
signals around them and the elements that touch them are laid out on it and given to the same
trained folds. Nothing that an edit does to the signals themselves is known: pieces carry theirs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
import pandas as pd

from chromloom.edits.pieces import Piece, length
from chromloom.edits.signals import signals_at
from chromloom.expression.elements import gather_elements
from chromloom.expression.features import REACH, gather_marks
from chromloom.expression.fit import Fold
from chromloom.expression.interactions import COLUMNS as INTERACTION_COLUMNS
from chromloom.expression.interactions import find_elements
from chromloom.genome.genes import COLUMNS as GENE_COLUMNS
from chromloom.signals.store import SignalStore

COLUMNS = ["gene", "name", "chrom", "tss", "copies", "level_before", "level_after", "change"]
_SIGN = {"+": 1, "-": -1}


class EditedSignals:
    """Signals of an edited chromosome, asked as a `SignalStore` is.

    Parameters
    ----------
    store : SignalStore
        Of the reference.
    pieces : sequence of Piece
        The edited chromosome.
    chrom : str
        What it is called.

    Notes
    -----
    A bin has the value of the reference bin that its middle comes from.
    """

    def __init__(self, store: SignalStore, pieces: Sequence[Piece], chrom: str) -> None:
        self.store, self.pieces = store, pieces
        self.signals, self.transforms = store.signals, store.transforms
        self.bin_size = store.bin_size
        self.length = length(pieces)
        self.chromsizes = pd.Series({chrom: self.length})

    def read(
        self, chrom: str, lo: int, hi: int, signals: Sequence[str] | None = None
    ) -> np.ndarray:
        """Values of bins, (n_signals, hi - lo), float32, NaN = missing."""
        start = np.arange(lo, hi) * self.bin_size
        middles = (start + np.minimum(start + self.bin_size, self.length)) // 2
        places = np.where((start >= 0) & (start < self.length), middles, -1)
        names = self.signals if signals is None else signals
        return signals_at(self.store, self.pieces, places, names)


def lift_genes(genes: pd.DataFrame, pieces: Sequence[Piece], chrom: str) -> pd.DataFrame:
    """Genes of an edited chromosome.

    Parameters
    ----------
    genes : DataFrame
        `genome.genes.COLUMNS`, of the reference.
    pieces : sequence of Piece
    chrom : str
        Name of the edited chromosome.

    Returns
    -------
    DataFrame
        One row per copy of a TSS: columns of `genes` in edited coordinates, and row (int64, number
        of the gene). A gene's body goes on from its TSS through the pieces that hold the next part
        of it, in its direction, and ends where other DNA follows.
    """
    rows = []
    ends = list(accumulate(piece.end - piece.start for piece in pieces))
    tss, chroms = genes["tss"].to_numpy(), genes["chrom"].to_numpy()
    for k, piece in enumerate(pieces):
        own = (chroms == piece.chrom) & (piece.start <= tss) & (tss < piece.end)
        for row in np.flatnonzero(own):
            gene = genes.iloc[row]
            strand = "+" if gene["strand"] == piece.strand else "-"
            place = _place(piece, ends[k], gene["tss"])
            far = _end_of_body(gene, pieces, ends, k)
            start, end = (place, far + 1) if strand == "+" else (far, place + 1)
            rows.append((gene["gene"], gene["name"], chrom, start, end, place, strand, row))
    table = pd.DataFrame(rows, columns=[*GENE_COLUMNS, "row"])
    integers = ["start", "end", "tss", "row"]
    return table.astype(dict.fromkeys(integers, "int64")).sort_values("tss", ignore_index=True)


def _place(piece: Piece, end: int, position: int) -> int:
    """Edited coordinate of a base of a piece that ends at `end`."""
    start = end - (piece.end - piece.start)
    inside = position - piece.start if piece.strand == "+" else piece.end - 1 - position
    return start + inside


def _end_of_body(gene: pd.Series, pieces: Sequence[Piece], ends: Sequence[int], k: int) -> int:
    """Edited coordinate of the last base of a gene whose TSS is in piece k."""
    downstream = _SIGN[gene["strand"]]
    step = downstream * _SIGN[pieces[k].strand]
    last = gene["end"] - 1 if downstream > 0 else gene["start"]

    def reached(piece: Piece) -> int:
        return min(last, piece.end - 1) if downstream > 0 else max(last, piece.start)

    at, place = reached(pieces[k]), k
    while at != last:
        n = place + step
        if not 0 <= n < len(pieces):
            break
        following = pieces[n]
        if (following.chrom, following.strand) != (gene["chrom"], pieces[k].strand):
            break
        first = following.start if downstream > 0 else following.end - 1
        if not 0 < (first - at) * downstream <= (last - at) * downstream:
            break
        at, place = reached(following), n
    return _place(pieces[place], ends[place], at)


def lift_interactions(
    interactions: pd.DataFrame, pieces: Sequence[Piece], chrom: str
) -> pd.DataFrame:
    """Interactions of a file on an edited chromosome.

    Parameters
    ----------
    interactions : DataFrame
        As of `interactions.read_interactions`, of the reference.
    pieces, chrom
        As for `lift_genes`.

    Returns
    -------
    DataFrame
        The same columns in edited coordinates, with their frequencies: every copy of one interval
        with the nearest copy of the other. Intervals lie where their middles do. A file knows of
        no new contacts; a predicted map does.
    """
    ends = list(accumulate(piece.end - piece.start for piece in pieces))
    sides = []
    for side in (1, 2):
        start, end = (interactions[f"{name}{side}"].to_numpy() for name in ("start", "end"))
        middle, parts = (start + end) // 2, []
        for piece, stop in zip(pieces, ends):
            own = (interactions["chrom"] == piece.chrom).to_numpy()
            own &= (piece.start <= middle) & (middle < piece.end)
            place = _place(piece, stop, middle[own])
            left = (middle - start)[own] if piece.strand == "+" else (end - 1 - middle)[own]
            parts.append(
                pd.DataFrame(
                    {
                        "row": np.flatnonzero(own),
                        f"start{side}": np.maximum(place - left, 0),
                        f"end{side}": np.minimum(place - left + (end - start)[own], ends[-1]),
                    }
                )
            )
        sides.append(pd.concat(parts, ignore_index=True))
    pairs = sides[0].merge(sides[1], on="row")
    apart = (pairs["start1"] - pairs["start2"]).abs()
    pairs = pairs.loc[apart.groupby([pairs["row"], pairs["start1"]]).idxmin()]
    frequency = interactions["frequency"].to_numpy()[pairs["row"]]
    return pairs.assign(chrom=chrom, frequency=frequency)[INTERACTION_COLUMNS].reset_index(
        drop=True
    )


def contact_interactions(
    values: np.ndarray, expected: np.ndarray, chrom: str, starts: np.ndarray, resolution: int
) -> pd.DataFrame:
    """Interactions of a window of a predicted map, of the reference or of an edited chromosome.

    Parameters
    ----------
    values : ndarray, (k, k), float
        Contact strength, upper triangle; NaN = no prediction.
    expected : ndarray, (n,), float
        Mean contact strength of the unedited map by distance in bins.
    chrom : str
    starts : ndarray, (k,), int64
        bp; starts of the bins, ascending.
    resolution : int
        bp.

    Returns
    -------
    DataFrame
        As of `interactions.read_interactions`: pairs with a prediction, frequency = strength over
        the mean at its distance.
    """
    i, j = np.nonzero(np.triu(np.isfinite(values), 1))
    distance = (starts[j] - starts[i]) // resolution
    known = distance < len(expected)
    i, j, distance = i[known], j[known], distance[known]
    frequency = values[i, j] / expected[distance]
    table = {"chrom": chrom, "start1": starts[i], "end1": starts[i] + resolution}
    table |= {"start2": starts[j], "end2": starts[j] + resolution, "frequency": frequency}
    return pd.DataFrame(table)[np.isfinite(frequency)].reset_index(drop=True)


def predict_edited(
    folds: Sequence[Fold],
    genes: pd.DataFrame,
    store: SignalStore,
    pieces: Sequence[Piece],
    *,
    chrom: str,
    flank: int = 1_000_000,
    interactions: tuple[pd.DataFrame, pd.DataFrame] | None = None,
    min_frequency: float = 1.5,
    max_elements: int = 8,
    zygosity: str = "homozygous",
) -> pd.DataFrame:
    """Levels of genes before and after an edit, each gene by the fold that held it out.

    Parameters
    ----------
    folds : sequence of Fold
        All folds of one training (`fit.open_fold`).
    genes : DataFrame
        Of the reference, as `build_genes` wrote them.
    store : SignalStore
        Of the cell type.
    pieces : sequence of Piece
        The edited chromosome (`edits.pieces.edited_chromosomes`).
    chrom : str
        Chromosome that is edited: its genes that are not in the edited one have lost their copies.
    flank : int
        bp from a border of the pieces, in the reference, within which genes are told of.
    interactions : (DataFrame, DataFrame), optional
        Interactions of the reference and of the edited chromosome, named `chrom`, each in its own
        coordinates (`lift_interactions`, `contact_interactions`); for models that read elements.
    min_frequency, max_elements
        As for `interactions.find_elements`.
    zygosity : {"homozygous", "heterozygous"}
        The edit is on both homologues, or on one.

    Returns
    -------
    DataFrame
        gene, name, chrom, tss (of the reference); copies (int64, on the edited chromosome);
        level_before, level_after, change (log2 units). Copies add up: the level of n of them is
        log2(1 + sum(2^level - 1)), 0 of none.

    Raises
    ------
    InputError
        A fold does not fit the signals.
    """
    borders = pd.DataFrame(
        [
            (piece.chrom, place)
            for piece in pieces
            for place in (piece.start, piece.end)
            if not piece.bases
        ],
        columns=["chrom", "place"],
    )
    near = np.zeros(len(genes), dtype=bool)
    for name, own in borders.groupby("chrom"):
        gaps = np.abs(genes["tss"].to_numpy()[:, None] - own["place"].to_numpy())
        inner = own["place"].between(1, store.chromsizes[name] - 1).to_numpy()
        near |= (genes["chrom"] == name).to_numpy() & (gaps[:, inner] <= flank).any(axis=1)
    found = genes[near].reset_index(drop=True)
    before, after = interactions or (None, None)
    options = {"min_frequency": min_frequency, "max_elements": max_elements}
    here = (found["chrom"] == chrom).to_numpy()
    plain = found.assign(row=np.arange(len(found)))
    level = np.full(len(found), np.nan)
    for name, own in plain.groupby("chrom", sort=False):
        whole = [Piece(str(name), 0, int(store.chromsizes[name]))]
        reference = EditedSignals(store, whole, str(name))
        level[own["row"]] = _levels(folds, found, own, reference, before, options)
    edited = EditedSignals(store, pieces, chrom)
    lifted = lift_genes(found, pieces, chrom)
    levels = _levels(folds, found, lifted, edited, after, options)
    copies = np.bincount(lifted["row"], minlength=len(found))
    values = np.bincount(lifted["row"], 2 ** np.maximum(levels, 0) - 1, minlength=len(found))
    level_after = np.log2(1 + values)
    alone = copies[lifted["row"]] == 1
    level_after[lifted["row"][alone]] = levels[alone]  # which may be below 0
    if zygosity == "heterozygous":
        level_after = np.log2((2**level + 2**level_after) / 2)
    table = found[["gene", "name", "chrom", "tss"]].assign(
        copies=copies, level_before=level, level_after=level_after, change=level_after - level
    )
    return table[here | (copies > 0)].reset_index(drop=True)[COLUMNS]


def _levels(
    folds: Sequence[Fold],
    genes: pd.DataFrame,
    placed: pd.DataFrame,
    signals: EditedSignals,
    interactions: pd.DataFrame | None,
    options: Mapping[str, Any],
) -> np.ndarray:
    """Levels of genes on a chromosome, (n_placed,); `placed` has their rows among `genes`."""
    level = np.full(len(placed), np.nan)
    if not len(placed):
        return level
    names = folds[0].config["signals"]
    placed = placed.reset_index(drop=True)
    copies = placed.assign(gene=placed.index.astype(str))  # whose ids are the same
    marks = gather_marks(signals, copies, signals=names, check=False)
    if interactions is not None:
        elements = find_elements(copies, interactions, required=False, **options)
        own = gather_elements(signals, copies, elements, signals=names, longest=2 * REACH)
        marks = replace(marks, elements=own)
    origin = genes.iloc[placed["row"]].reset_index(drop=True)
    for fold in folds:
        held = fold.held_out(origin)
        if len(held):
            level[held] = fold.model.predict(fold.seen(marks.of(held)))[0]
    return level
