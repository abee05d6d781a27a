"""A small genome whose genes express what their marks say."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from chromloom.expression.elements import gather_elements
from chromloom.expression.features import gather_marks

NAMES = ("active", "body", "noise")
SIZES = pd.Series({f"chr{k}": 2_000_000 for k in (1, 2, 3, 4, 7, 9)})


class Store:
    """Signals in memory, asked as `signals.store.SignalStore` is."""

    def __init__(self, values, transform="none", bin_size=100):
        self.values, self.bin_size, self.chromsizes = values, bin_size, SIZES
        self.signals = list(next(iter(values.values())))
        self.transforms = dict.fromkeys(self.signals, transform)

    def read(self, chrom, lo, hi, signals=None):
        names = self.signals if signals is None else signals
        return np.stack([self.values[chrom][name][lo:hi] for name in names])


def new_genes(n=40):
    """n genes on each chromosome, on both strands."""
    rng = np.random.default_rng(1)
    parts = []
    for chrom, size in SIZES.items():
        start = np.sort(rng.integers(0, size - 30_000, n))
        part = pd.DataFrame({"chrom": chrom, "start": start})
        part["end"] = start + rng.integers(500, 25_000, n)
        part["strand"] = rng.choice(["+", "-"], n)
        parts.append(part)
    genes = pd.concat(parts, ignore_index=True)
    genes["gene"] = genes["name"] = [f"ENSG{k}" for k in range(len(genes))]
    genes["tss"] = np.where(genes["strand"] == "+", genes["start"], genes["end"] - 1)
    return genes


@pytest.fixture(scope="session", name="new_genes")
def _new_genes():
    return new_genes


@pytest.fixture(scope="session")
def new_store():
    """Store of one signal with this value in every bin, or of {chromosome: {signal: values}}."""

    def build(values, transform="none"):
        if not isinstance(values, dict):
            values = {chrom: {"x": np.full(20_000, values, "f4")} for chrom in SIZES.index}
        return Store(values, transform)

    return build


@pytest.fixture(scope="session")
def genes():
    """Genes with value, level, high and fold; marks at the TSS and in the body follow them."""
    genes = new_genes()
    rng = np.random.default_rng(2)
    genes["level"] = rng.gamma(1.5, 2, len(genes)) * (rng.random(len(genes)) > 0.3)
    genes["value"] = 2 ** genes["level"] - 1
    genes["high"] = genes["value"] >= genes["value"].median()
    genes["fold"] = genes["chrom"].map({c: k // 2 for k, c in enumerate(SIZES.index)})
    return genes


@pytest.fixture(scope="session")
def store(genes):
    rng = np.random.default_rng(3)
    values = {
        chrom: {
            name: rng.gamma(1, 0.5, 20_000).astype("f4") for name in ("active", "body", "noise")
        }
        for chrom in SIZES.index
    }
    for row in genes.itertuples():
        tss, sign = row.tss // 100, 1 if row.strand == "+" else -1
        values[row.chrom]["active"][
            max(min(tss, tss + 8 * sign), 0) : max(tss, tss + 8 * sign) + 1
        ] += row.level * 2
        values[row.chrom]["body"][row.start // 100 : row.end // 100 + 1] += row.level
    return Store(values)


@pytest.fixture(scope="session")
def marks(store, genes):
    return gather_marks(store, genes, reach=10_000)


@pytest.fixture(scope="session")
def element_table(genes):
    """0 to 4 elements per gene, of 0.8 to 13 kb, in the order of genes and ranks."""
    rng = np.random.default_rng(4)
    rows = []
    for k, row in enumerate(genes.itertuples()):
        for rank in range(k % 5):
            start = int(rng.integers(0, SIZES[row.chrom] - 20_000))
            end = start + int(rng.integers(800, 13_000))
            sign = 1 if row.strand == "+" else -1
            distance = sign * ((start + end) // 2 - row.tss)
            rows.append((row.gene, rank, row.chrom, start, end, distance, 5.0 - rank))
    names = ["gene", "rank", "chrom", "start", "end", "distance", "frequency"]
    return pd.DataFrame(rows, columns=names)


@pytest.fixture(scope="session")
def driven(genes, marks, store, element_table):
    """Genes raised by those of their elements whose first signal is high; which elements are."""
    elements = gather_elements(store, genes, element_table, signals=store.signals, longest=4_000)
    rng = np.random.default_rng(5)
    high = rng.random(len(elements)) < 0.5
    values = rng.gamma(1, 0.2, elements.values.shape).astype("f4")
    values[0] += 8 * np.repeat(high, np.diff(elements.first))
    n_high = np.bincount(elements.gene, high, minlength=len(genes))
    level = 2 + 2 * n_high + rng.normal(0, 0.3, len(genes))
    told = genes.assign(level=level, value=2**level - 1, high=n_high > 0)
    return told, replace(marks, elements=replace(elements, values=values)), high
