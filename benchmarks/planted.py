"""Attribution, edits and knockouts of `refined` held to planted genomes, several of them.

Every genome is simulated from its seed, a model is trained on its map, and
`chromloom.perturbation.judge` compares what the model says with what was planted. Writes
planted.tsv (median, lowest and highest over genomes) and planted.json (every genome). Which genomes
are asked is fixed here, and none of them was looked at while the models were made.
"""

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import pandas as pd  # noqa: E402

from chromloom.files import write_json, write_tsv  # noqa: E402
from chromloom.genome import load_assembly  # noqa: E402
from chromloom.models.hiclstm import HiCLSTMSettings  # noqa: E402
from chromloom.normalize.normalized import normalize_contacts  # noqa: E402
from chromloom.perturbation.judge import judge  # noqa: E402
from chromloom.simulate.write import Sample, simulate_genome  # noqa: E402
from chromloom.training.fit import train  # noqa: E402

logger = logging.getLogger("planted")
GENOMES = (11, 12, 13)
CHROMSIZES = {"chr1": 18_000_000, "chr2": 14_000_000}
CONTACTS = 2_600_000
RESOLUTION = 10_000
MODELS = {  # name -> what differs from the preset
    "refined": {},
    "refined, LSTM over whole rows": {"knots": 1, "lstm_frames": 0},
    "refined, LSTM over whole rows, two directions": {
        "knots": 1,
        "lstm_frames": 0,
        "directions": 2,
    },
}


def plant(seed: int, folder: Path) -> Path:
    """Simulate a genome, balance its map; returns the normalised map."""
    sample = Sample("A", "A", CONTACTS, "cool")
    simulate_genome(folder, seed=seed, chromsizes=CHROMSIZES, samples=[sample])
    path = folder / f"A.{RESOLUTION}.ICE.cool"
    normalize_contacts(
        folder / "contacts" / "A.cool",
        path,
        sample="A",
        resolution=RESOLUTION,
        norm="ICE",
        assembly=load_assembly(folder / "planted"),
    )
    return path


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    parser.add_argument("--genomes", nargs="*", type=int, default=list(GENOMES))
    parser.add_argument("--models", nargs="*", default=["refined"], choices=list(MODELS))
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    logger.setLevel(logging.INFO)
    tables = []
    for genome in options.genomes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            path = plant(genome, folder)
            for model in options.models:
                start = time.perf_counter()
                settings = HiCLSTMSettings.from_preset("refined", **MODELS[model])
                train(path, folder / "model", settings, seed=genome, device="cpu")
                seconds = time.perf_counter() - start
                table = judge(
                    folder / "model", path, folder / "truth" / "A", folder / "t.tsv", seed=genome
                )
                tables.append(table.assign(genome=genome, model=model))
                logger.info(
                    "genome %d, %s: trained in %.0f s, judged in %.0f s",
                    genome,
                    model,
                    seconds,
                    time.perf_counter() - start - seconds,
                )
    table = pd.concat(tables)
    records = table.astype(object).where(table.notna(), None).to_dict("records")
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(records, options.out / "planted.json")
    groups = table.groupby(["model", "measure", "item", "method"], sort=False)
    summary = groups.agg(
        value=("value", "median"),
        lowest=("value", "min"),
        highest=("value", "max"),
        highest_p=("p_value", "max"),
        n=("n", "sum"),
        genomes=("genome", "nunique"),
    ).reset_index()
    write_tsv(summary, options.out / "planted.tsv")
    logger.info("\n%s", summary.round(4).to_string(index=False))


if __name__ == "__main__":
    main()
