"""Signals at the elements of genes, as long as each element is.

Elements are few bins long and differ in length, so that their bins lie behind one another
(`ElementMarks.values`) and no padding is stored. They run with the genome, as in the article and
its code; `binned` can turn them with their genes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd

BETWEEN = 10_000_000
"""bp between chromosomes where places are counted along all of them."""


class Signals(Protocol):
    """What is asked of a store of signals (`chromloom.signals.store.SignalStore`)."""

    signals: list[str]
    transforms: dict[str, str]
    bin_size: int
    chromsizes: pd.Series

    def read(
        self, chrom: str, lo: int, hi: int, signals: Sequence[str] | None = None
    ) -> np.ndarray:
        """Values of bins, (n_signals, hi - lo), float32, NaN = missing."""


@dataclass(frozen=True, eq=False)
class ElementMarks:
    """Signals of E elements, sorted by gene and rank.

    Attributes
    ----------
    gene : ndarray, (E,), int64
        Row of the gene among the genes that they belong to.
    rank : ndarray, (E,), int64
        0 … among the gene's elements.
    frequency : ndarray, (E,), float32
    distance : ndarray, (E,), int64
        bp from the TSS to the element's middle, positive downstream.
    place : ndarray, (E,), int64
        bp; position of the element's middle along all chromosomes, `BETWEEN` between them.
    turned : ndarray, (E,), bool
        Whether the gene is on the reverse strand.
    first : ndarray, (E + 1,), int64
        Element e has the bins first[e] … first[e + 1] - 1.
    values : ndarray, (n_signals, n_bins), float32
        NaN = missing.
    """

    gene: np.ndarray
    rank: np.ndarray
    frequency: np.ndarray
    distance: np.ndarray
    place: np.ndarray
    turned: np.ndarray
    first: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.gene)

    def take(self, elements: np.ndarray, gene: np.ndarray, rank: np.ndarray) -> "ElementMarks":
        """Some elements, any number of times each, as those of other genes.

        Parameters
        ----------
        elements : ndarray, (F,), int64
            Their numbers.
        gene, rank : ndarray, (F,), int64
            What they are to be.
        """
        n = np.diff(self.first)[elements]
        first = np.concatenate([[0], np.cumsum(n)])
        bins = np.arange(first[-1]) - np.repeat(first[:-1] - self.first[elements], n)
        return ElementMarks(
            gene, rank, self.frequency[elements], self.distance[elements], self.place[elements],
            self.turned[elements], first, self.values[:, bins],
        )  # fmt: skip

    def of(self, genes: np.ndarray) -> "ElementMarks":
        """The elements of some genes, by the rows of these, in their order."""
        elements, place = self.find(genes)
        return self.take(elements, place, self.rank[elements])

    def find(self, genes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the elements of some genes, and the place of each one's gene among these."""
        lo = np.searchsorted(self.gene, genes)
        n = np.searchsorted(self.gene, genes, side="right") - lo
        elements = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n - lo, n)
        return elements, np.repeat(np.arange(len(genes)), n)

    @classmethod
    def join(cls, parts: Sequence["ElementMarks"], n_genes: Sequence[int]) -> "ElementMarks":
        """The elements of sets of so many genes each, as of one set after another."""
        rows = np.cumsum([0, *n_genes])
        bins = np.cumsum([0, *(part.first[-1] for part in parts)])
        starts = [part.first[:-1] + start for part, start in zip(parts, bins)]
        same = ("rank", "frequency", "distance", "place", "turned")
        return cls(
            gene=np.concatenate([part.gene + row for part, row in zip(parts, rows)]),
            first=np.concatenate([*starts, bins[-1:]]),
            values=np.hstack([part.values for part in parts]),
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in same},
        )

    def select(self, signals: Sequence[int]) -> "ElementMarks":
        """The elements with some signals, by number."""
        return replace(self, values=self.values[list(signals)])

    def binned(
        self, step: int, linear: Sequence[int], *, turn: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bins `step` times as long, from each element's start, on the scale that models see.

        Parameters
        ----------
        step : int
            Bins of the store to a bin; an element's last one may be shorter.
        linear : sequence of int
            Signals that have to be put on a scale of logarithms.
        turn : bool
            Elements of genes on the reverse strand run with the gene.

        Returns
        -------
        values : ndarray, (n_signals, n), float32
            0 where nothing is known.
        first : ndarray, (E + 1,), int64
        """
        values = self.values
        if turn:
            values = values[:, self._turned_bins()]
        n = -(-np.diff(self.first) // step)
        first = np.concatenate([[0], np.cumsum(n)])
        starts = np.repeat(self.first[:-1] - first[:-1] * step, n) + step * np.arange(first[-1])
        known = np.isfinite(values)
        if not len(starts):
            return np.zeros((len(values), 0), np.float32), first
        total = np.add.reduceat(np.where(known, values, 0), starts, axis=1, dtype=np.float64)
        count = np.add.reduceat(known, starts, axis=1, dtype=np.int64)
        mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
        return scale_marks(mean, linear), first

    def means(self, linear: Sequence[int]) -> np.ndarray:
        """Mean of each element, (n_signals, E), float32, as of `binned`."""
        longest = int(np.diff(self.first).max(initial=1))
        return self.binned(longest, linear)[0]

    def _turned_bins(self) -> np.ndarray:
        """Numbers of the bins, those of turned elements in reverse."""
        n = np.diff(self.first)
        bins = np.arange(self.first[-1])
        mirrored = np.repeat(self.first[:-1] + self.first[1:] - 1, n) - bins
        return np.where(np.repeat(self.turned, n), mirrored, bins)


def gather_elements(
    store: Signals, genes: pd.DataFrame, elements: pd.DataFrame, *, signals: Sequence[str],
    longest: int,
) -> ElementMarks:  # fmt: skip
    """Read the signals at elements, one chromosome after another.

    Parameters
    ----------
    store : Signals
        Of the cell type.
    genes : DataFrame
        gene, strand; elements are of these.
    elements : DataFrame
        `interactions.ELEMENT_COLUMNS`.
    signals : sequence of str
        Names, in order.
    longest : int
        bp; of longer elements the middle is read.

    Returns
    -------
    ElementMarks
    """
    size, n_bins = store.bin_size, longest // store.bin_size
    lo = elements["start"].to_numpy() // size
    hi = -(-elements["end"].to_numpy() // size)
    middle = (lo + hi) // 2
    lo = np.maximum(lo, middle - n_bins // 2)
    hi = np.minimum(hi, lo + n_bins)
    first = np.concatenate([[0], np.cumsum(hi - lo)])
    values = np.full((len(signals), first[-1]), np.nan, np.float32)
    for chrom, rows in elements.groupby("chrom", sort=False).indices.items():
        n = -(-int(store.chromsizes[chrom]) // size)
        start, stop = lo[rows].min(), min(hi[rows].max(), n)
        own = store.read(str(chrom), start, stop, signals)  # (n_signals, stop - start)
        for row in rows:
            end = min(hi[row], stop)
            there = own[:, lo[row] - start : end - start]
            values[:, first[row] : first[row] + end - lo[row]] = there
    row_of = pd.Series(np.arange(len(genes)), index=genes["gene"].to_numpy())
    offset = dict(zip(store.chromsizes.index, np.cumsum([0, *(store.chromsizes[:-1] + BETWEEN)])))
    place = (elements["start"] + elements["end"]).to_numpy() // 2
    gene = row_of[elements["gene"]].to_numpy(dtype=np.int64)
    return ElementMarks(
        gene=gene,
        rank=elements["rank"].to_numpy(dtype=np.int64),
        frequency=elements["frequency"].to_numpy(dtype=np.float32),
        distance=elements["distance"].to_numpy(dtype=np.int64),
        place=place + elements["chrom"].map(offset).to_numpy(dtype=np.int64),
        turned=(genes["strand"].to_numpy()[gene] == "-"),
        first=first,
        values=values,
    )


def scale_marks(values: np.ndarray, linear: Sequence[int], *, axis: int = 0) -> np.ndarray:
    """log2(1 + x) of linear signals (odd about 0), others as they are; missing is 0; float32."""
    values = np.nan_to_num(values, nan=0.0).astype(np.float32)
    part = np.moveaxis(values, axis, 0)  # a view
    own = part[list(linear)]
    part[list(linear)] = np.sign(own) * np.log2(1 + np.abs(own))
    return values
