"""A genome of 10-kb bins whose representation knows a signal, and label files of that signal."""

import numpy as np
import pandas as pd
import pytest

from chromloom.genome.bins import make_bins

RESOLUTION = 50_000
CHROMSIZES = pd.Series({"chr1": 30_010_000, "chr2": 20_000_000})


@pytest.fixture(scope="session")
def bins():
    """1,001 bins of 50 kb on two chromosomes; 5 and 6 of each are masked."""
    table = make_bins(CHROMSIZES, RESOLUTION)
    number = table.groupby("chrom", sort=False).cumcount()
    return table.assign(masked=number.isin([5, 6]))


@pytest.fixture(scope="session")
def signal(bins):
    """(n_bins,) bool: what the representation's first dimension tells, in runs of a few bins."""
    rng = np.random.default_rng(0)
    runs = rng.random(len(bins) // 3 + 1) < 0.5
    return np.repeat(runs, 3)[: len(bins)]


@pytest.fixture(scope="session")
def parquet(bins, signal, tmp_path_factory):
    """Representations of 4 dimensions: the first follows the signal, the others are noise."""
    rng = np.random.default_rng(1)
    R = rng.normal(size=(len(bins), 4)).astype(np.float32)
    R[:, 0] += 3 * signal
    R[bins["masked"].to_numpy()] = np.nan
    path = tmp_path_factory.mktemp("representations") / "tiny.50000.ICE.good.parquet"
    table = pd.concat([bins, pd.DataFrame(R, columns=[f"r{k}" for k in range(4)])], axis=1)
    table.to_parquet(path, index=False)
    return path


@pytest.fixture
def write_sheet(tmp_path):
    """Write a sheet of labels from dictionaries; absent columns get usual values."""

    def write(*rows, name="labels.tsv"):
        usual = {
            "task": "task", "format": "bed", "kind": "binary", "cell_type": "A", "assembly": "tiny",
            "circular": "no",
        }  # fmt: skip
        path = tmp_path / name
        pd.DataFrame([usual | row for row in rows]).to_csv(path, sep="\t", index=False)
        return path

    return write


@pytest.fixture
def signal_bed(bins, signal, tmp_path):
    """BED of the bins that carry the signal, names without chr."""
    path = tmp_path / "signal.bed"
    table = bins[signal].assign(chrom=bins["chrom"].str.removeprefix("chr"))
    table[["chrom", "start", "end"]].to_csv(path, sep="\t", index=False, header=False)
    return path
