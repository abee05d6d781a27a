"""From the published code of Hi-C-LSTM to the preset `paper`, one change at a time.

Trained on one measurement, scored on the other, as in `accuracy`, whose maps these are. The first
steps change the published code (which pairs are read, the state that a frame starts from, the
output), the others are settings of `paper`. Writes ablation.tsv, a row per map, step and seed with
the scores by distance and R2, and logs means and spreads over seeds.
"""

import argparse
import logging
import tempfile
import time
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import accuracy  # first: it makes the library known
import numpy as np
import pandas as pd
import torch
from torch import nn

from chromloom.evaluation.maps import EvaluationSettings, evaluate_sources
from chromloom.files import write_tsv
from chromloom.models.hiclstm.released import ReleasedHiCLSTM, ReleasedTrainedModel
from chromloom.models.hiclstm.settings import HiCLSTMSettings
from chromloom.models.trained import describe
from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.hiclstm import HiCLSTMMap
from chromloom.prediction.open import open_source
from chromloom.training.fit import train
from chromloom.training.loop import Loop
from chromloom.training.released import FrameLearner, FrameLoader, write_pairs

logger = logging.getLogger("ablation")
MAPS = ["GM12878 chr22 50 kb, replicate", "hg38 chr21 50 kb, halves", "dm6 chr2L 40 kb, halves"]
PASSES = 100

PUBLISHED: dict[str, dict[str, bool]] = {  # name -> what is changed of the published code
    "published code": {},
    "+ all pairs": {"all_pairs": True},
    "+ start from zero": {"all_pairs": True, "zero_start": True},
    "+ output at each step": {"all_pairs": True, "zero_start": True, "steps": True},
}
_BARE: dict[str, Any] = {
    "norm_input": False,
    "norm_cell": False,
    "schedule": "constant",
    "embedding_learning_rate": 0.01,
    "epochs": PASSES,
}
_STEPS = {**_BARE, "schedule": "steps"}
_CELL = {**_STEPS, "norm_cell": True}
_INPUT = {**_CELL, "norm_input": True}
_LONG: dict[str, Any] = {"embedding_learning_rate": 0.01}
PAPER: dict[str, dict[str, Any]] = {  # name -> what is changed of `paper`
    "+ tiles of 64 rows": _BARE,
    "+ a tenth of the rate in the second half": _STEPS,
    "+ norm of the cell": _CELL,
    "+ norm of the input": _INPUT,
    "(with norm of the recurrence, too)": {**_INPUT, "norm_recurrent": True},
    "+ 15,000 steps": _LONG,
    "+ rate of representations 0.05 = paper": {},
    "(with norm of the recurrence, too) ": {"norm_recurrent": True},
    "(without norms)": {"norm_input": False, "norm_cell": False},
}


class StepOutput(nn.Linear):
    """The same linear output at every step of a frame, from the states put end to end."""

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """(N, frame * H) -> (N, frame)."""
        steps = states.unflatten(1, (-1, self.in_features))  # (N, frame, H)
        return super().forward(steps).squeeze(-1)


class FromZero(ReleasedHiCLSTM):
    """Frames start from a state of zeros."""

    def forward(self, embedding, rows, cols, state, columns=None):
        """See `ReleasedHiCLSTM.forward`."""
        return super().forward(embedding, rows, cols, torch.zeros_like(state), columns)


def with_zeros(normalized: NormalizedMap) -> Any:
    """What `FrameLoader` reads of a map, with the unmasked pairs that have no contact, too."""

    def pixels(chrom: str) -> pd.DataFrame:
        n = len(normalized.mask(chrom))
        band = normalized.band(chrom, 0, n)  # (distance, row)
        row, dist = np.nonzero(np.isfinite(band.T))
        return pd.DataFrame({"i": row, "j": row + dist, "value": band.T[row, dist]})

    return SimpleNamespace(
        chromnames=normalized.chromnames, extent=normalized.extent, pixels=pixels
    )


def train_published(
    normalized: NormalizedMap,
    folder: Path,
    seed: int,
    *,
    all_pairs: bool = False,
    zero_start: bool = False,
    steps: bool = False,
) -> HiCLSTMMap:
    """The published code, changed, trained on a map; returns its prediction."""
    settings = HiCLSTMSettings.from_preset("released", epochs=PASSES)
    made = FromZero if zero_start else ReleasedHiCLSTM
    module = made(settings, sum(normalized.bins.lengths))
    if steps:
        module.out = StepOutput(settings.architecture.hidden_size, 1)
    module.reset(seed)
    read = with_zeros(normalized) if all_pairs else normalized
    loader = FrameLoader(read, settings, seed=seed)
    Loop(FrameLearner(module), loader, epochs=PASSES).run()
    module.requires_grad_(False)
    config = describe(settings, "hiclstm-released", seed=seed, device="cpu") | {
        "ignore_diags": normalized.ignore_diags
    }
    trained = ReleasedTrainedModel(
        module,
        config,
        bins=normalized.bins,
        expected_table=normalized.expected_table,
        recalibration=np.ones(1, dtype=np.float32),
    )
    if not all_pairs:
        trained.pairs_path = folder / "pairs.safetensors"
        write_pairs(normalized, trained.pairs_path)
    return HiCLSTMMap(trained, normalized, name="model")


def measure(data: Path, name: str, step: str, seed: int) -> dict[str, Any]:
    """Scores of one step of the way on one map."""
    pairs = "observed" if accuracy.MAPS[name][2] else "all"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        paths = accuracy.two_measurements(data, name, folder)
        read, held = (NormalizedMap(path) for path in paths)
        start = time.perf_counter()
        if step in PUBLISHED:
            source = train_published(read, folder, seed, **PUBLISHED[step])
        else:
            settings = HiCLSTMSettings.from_preset("paper", **PAPER[step])
            train(paths[0], folder / "model", settings, seed=seed, device="cpu")
            source = open_source(folder / "model", paths[0], name="model")
        seconds = time.perf_counter() - start
        table, _ = evaluate_sources(
            read, [source], against=[held], settings=EvaluationSettings(n_boot=2)
        )
    table = table[
        (table["model"] == "model") & (table["against"] == "test") & (table["pairs"] == pairs)
    ].set_index(["metric", "stratum"])["value"]
    scores = {stratum: table.get(("pearson_cp", stratum), np.nan) for stratum in accuracy.STRATA}
    row = {"map": name, "step": step, "seed": seed, **scores, "R2": table["r2_cp", "all"]}
    logger.info("%s, %s, seed %d, %.1f s: %s", name, step, seed, seconds, row)
    return row | {"train_s": seconds}


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over seeds, as text."""
    columns = [*accuracy.STRATA, "R2"]
    groups = table.groupby(["map", "step"], sort=False)[columns]
    mean, spread = groups.mean(), groups.std()
    return mean.map("{:.3f}".format) + spread.map(" ± {:.3f}".format)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=accuracy.DATA)
    parser.add_argument("--out", type=Path, default=Path("results/bench/ablation.tsv"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--maps", nargs="*", default=MAPS, choices=list(accuracy.MAPS))
    parser.add_argument("--steps", nargs="*", default=[*PUBLISHED, *PAPER])
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    logger.setLevel(logging.INFO)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for seed, name, step in product(options.seeds, options.maps, options.steps):
        rows.append(measure(Path(options.data) / "contacts", name, step, seed))
        write_tsv(pd.DataFrame(rows), options.out)  # hours: what is measured is kept
    logger.info("\n%s", summarise(pd.DataFrame(rows)).to_string())


if __name__ == "__main__":
    main()
