"""What predictors cost: `weave` per Mb trained and predicted, at two sizes, and a human genome.

`epiphany-paper` at its published size beside it (a frame of 2 Mb trained, two of them predicted),
and the longest chromosome as a whole, with the memory that the process has held at most. Processor
time of one thread, so that a busy machine says the same. Signals and contacts are drawn at random,
since the cost does not depend on them. A genome is only extrapolated where cost is linear: the
larger size may cost at most `LINEAR` times per Mb what the smaller one does.
"""

import argparse
import resource
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import torch  # noqa: E402

from chromloom.files import write_tsv  # noqa: E402
from chromloom.models.epiphany.fitted import FittedEpiphany  # noqa: E402
from chromloom.models.epiphany.module import Epiphany  # noqa: E402
from chromloom.models.registry import find_model, load, model_settings  # noqa: E402
from chromloom.training.stretches import Stretch  # noqa: E402
from chromloom.training.weave import fit_weave  # noqa: E402

RESOLUTION, N_DISTANCES, SIGNALS, EPOCHS = 10_000, 101, 7, 2
SIZES = (1_000, 4_000)
"""Bins."""
GENOME_MB, LINEAR = 3_100, 1.25
LONGEST = 24_926
"""Bins of chr1 of hg19."""
STEP, FIVE = 100, 5
"""Bins of signals in a bin, and signals, of Epiphany."""


def stretch(n: int) -> Stretch:
    """A chromosome of n bins; the last fifth validates."""
    rng = np.random.default_rng(n)
    expected = 50 / np.arange(1, N_DISTANCES + 1)
    counts = rng.poisson(expected[:, None], (N_DISTANCES, n)).astype(np.float32)
    validates = np.arange(n) >= 0.8 * n
    j = np.arange(N_DISTANCES)[:, None] + np.arange(n)
    counts[(j >= n) | (validates != validates[np.minimum(j, n - 1)])] = np.nan
    features = np.vstack([rng.exponential(size=(2 * SIGNALS, n)), np.zeros(n)]).astype(np.float32)
    log_expected = np.log(expected).astype(np.float32)
    weights = np.zeros(n, np.float32)
    return Stretch("A", "chr1", features, counts, weights, log_expected, validates)


def measure(n: int) -> tuple[float, float]:
    """Processor seconds per Mb and epoch of training, and per Mb of prediction."""
    own, mirrored = stretch(n), np.arange(2 * SIGNALS + 1)
    settings = model_settings("weave", epochs=EPOCHS, refit=False)
    started = time.process_time()
    tensors, _ = fit_weave([own], settings, mirrored=mirrored)
    trained = time.process_time() - started
    fitted = load(find_model("weave").trained).of_tensors(
        settings, tensors, mirrored=mirrored, n_distances=N_DISTANCES
    )
    started = time.process_time()
    fitted.log_ratio(own.features)
    predicted = time.process_time() - started
    megabases = n * RESOLUTION / 1e6
    return trained / EPOCHS / megabases, predicted / megabases


def measure_longest() -> tuple[float, float]:
    """Processor seconds of predicting the longest chromosome, and the most memory so far, GB."""
    settings = model_settings("weave", epochs=1, refit=False)
    tensors, _ = fit_weave([stretch(500)], settings, mirrored=(mirrored := range(2 * SIGNALS + 1)))
    fitted = load(find_model("weave").trained).of_tensors(
        settings, tensors, mirrored=np.array(mirrored), n_distances=N_DISTANCES
    )
    features = np.random.default_rng(0).exponential(size=(len(mirrored), LONGEST))
    started = time.process_time()
    fitted.log_ratio(features.astype(np.float32))
    seconds = time.process_time() - started
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def measure_epiphany() -> tuple[float, float]:
    """The costs of `measure` of `epiphany-paper`: one step on one frame, two frames predicted."""
    settings = model_settings("epiphany-paper", adversarial=False)
    network = Epiphany(settings, FIVE, N_DISTANCES - 1, STEP)
    size = settings.stripes
    signals = torch.rand(1, FIVE, network.window + (size - 1) * STEP)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.fit.learning_rate)
    started = time.process_time()
    network.squared_error(network(signals), torch.rand(1, size, N_DISTANCES - 1)).backward()
    optimizer.step()
    trained = time.process_time() - started
    fitted = FittedEpiphany(network, np.ones(N_DISTANCES - 1))
    started = time.process_time()
    fitted.log_ratio(np.random.default_rng(0).random((FIVE, 2 * size * STEP), np.float32))
    predicted = time.process_time() - started
    return trained / (size * RESOLUTION / 1e6), predicted / (2 * size * RESOLUTION / 1e6)


def main() -> None:
    """Measure and write `predictors.tsv`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    torch.set_num_threads(1)
    measure(SIZES[0])  # warm
    costs = {n: measure(n) for n in SIZES}
    epochs = model_settings("weave").epochs
    rows = []
    for k, what in enumerate(("epoch of training", "prediction")):
        rows += [(f"{what}, {n // 100} Mb", costs[n][k], "s per Mb") for n in SIZES]
    small, large = (costs[n][0] for n in SIZES)
    hours = large * GENOME_MB * epochs / 3600 if large <= LINEAR * small else np.nan
    rows.append((f"{epochs} epochs of a human genome, one network", hours, "h of one core"))
    chromosome, memory = measure_longest()
    rows += [("prediction of chr1", chromosome, "s"), ("most memory by then", memory, "GB")]
    genome = chromosome * GENOME_MB / (LONGEST * RESOLUTION / 1e6)
    rows.append(("prediction of a human genome, from chr1, one network", genome, "s"))
    for what, cost, own in zip(("epoch of training", "prediction"), measure_epiphany(), (0, 1)):
        rows += [
            (f"{what} by epiphany-paper", cost, "s per Mb"),
            (f"{what}: epiphany-paper over weave", cost / costs[SIZES[1]][own], "times"),
        ]
    table = pd.DataFrame(rows, columns=["name", "value", "unit"])
    write_tsv(table, out / "predictors.tsv")
    sys.stdout.write(table.to_string(index=False) + "\n")


if __name__ == "__main__":
    main()
