"""What a genome costs, from the `benchmark:` files of a study of its largest chromosome.

Every rule works on one chromosome at a time. Its memory is that of the largest one, and its time
the sum over all: by bins, or by pairs of bins for a training that visits all of them. A smaller
chromosome has fewer pixels for each bin than the largest, since its distances end sooner, so that
a sum by bins is no less than what pixels would give.

    python benchmarks/genome.py STUDY_FOLDER --bins 25000 [--assembly hg38] [--resolution 10000]
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from chromloom.genome.assembly import load_assembly  # noqa: E402
from chromloom.runtime import read_benchmarks  # noqa: E402

BY_PAIRS = ("train_model",)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bins", type=int, required=True, help="of the chromosome in the study")
    parser.add_argument("--assembly", default="hg38")
    parser.add_argument("--resolution", type=int, default=10_000)
    options = parser.parse_args()
    sizes = load_assembly(options.assembly).chromsizes
    n_bins = np.ceil(sizes.to_numpy() / options.resolution)
    by_bins = n_bins.sum() / options.bins
    by_pairs = (n_bins**2).sum() / options.bins**2
    jobs = read_benchmarks(sorted((options.folder / "benchmarks").rglob("*.tsv")))
    factor = np.where(jobs["rule"].isin(BY_PAIRS), by_pairs, by_bins)
    table = pd.DataFrame(
        {
            "rule": jobs["rule"],
            "job": jobs["job"],
            "memory_mb": jobs["max_rss"].round(),
            "chromosome_cpu_s": jobs["cpu_time"].round(1),
            "genome_cpu_h": (jobs["cpu_time"] * factor / 3600).round(3),
        }
    )
    print(f"{len(sizes)} chromosomes: {by_bins:.2f} times the bins, {by_pairs:.2f} times the pairs")
    print(table.to_string(index=False))
    print(f"in all {table['genome_cpu_h'].sum():.1f} h, {table['memory_mb'].max():.0f} MB at most")


if __name__ == "__main__":
    main()
