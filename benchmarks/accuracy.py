"""Accuracy of `refined`, of its parts and of the eigenvectors, on maps it was not trained on.

For each map: trained on one measurement, scored on the other by `chromloom.evaluation.maps`
(Pearson correlation of contact probability by distance, one R2 over all pairs). The second
measurement is the replicate (chr22, pairs observed in both) or the other binomial half of the same
map (all unmasked pairs, zeros included), never seen in training. Writes accuracy.json, a list of
{map, model, pairs, stratum, metric, value, seed_spread, train_s}, and accuracy.tsv, a table to
read.

The maps lie in CHROMLOOM_REAL_DATA; those that are absent are skipped, with a line in the log.
"""

import argparse
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import cooler  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from chromloom.evaluation.maps import EvaluationSettings, evaluate_model  # noqa: E402
from chromloom.files import write_json, write_tsv  # noqa: E402
from chromloom.genome.assembly import Assembly  # noqa: E402
from chromloom.models.hiclstm.settings import HiCLSTMSettings  # noqa: E402
from chromloom.normalize.normalized import normalize_contacts  # noqa: E402
from chromloom.training.fit import train  # noqa: E402

logger = logging.getLogger("accuracy")
DATA = os.environ.get("CHROMLOOM_REAL_DATA", ROOT.parent / "shared" / "data")
STRATA = ["2-10", "10-40", "40-100", "100-200", "200-400", "400-1000"]
MODELS = {  # name -> (preset, changes, whether the seed matters)
    "eig": ("eig", {}, False),
    "refined": ("refined", {}, True),
    "refined without LSTM": ("refined", {"epochs": 0}, True),
    "refined without barriers": ("refined", {"barrier": False}, True),
    "refined without barriers, S symmetric": (
        "refined",
        {"barrier": False, "oriented": False},
        True,
    ),
    "refined, one S": ("refined", {"knots": 1}, True),
}
# name -> (file, chromosome, replicate or None for binomial halves, resolution)
MAPS = {
    "GM12878 chr22 50 kb, replicate": (
        "GM12878_prim_chr22_50kb.cool",
        None,
        "GM12878_rep_chr22_50kb.cool",
        50_000,
    ),
    "GM12878 chr21 10 kb, halves": ("GM12878_chr21_10kb.cool", None, None, 10_000),
    "dm6 chr2L 40 kb, halves": ("dm6_40-640kb.mcool::/4", "chr2L", None, 40_000),
    "hg38 chr21 50 kb, halves": (
        "hg38_chr21_22_50-250kb.mcool::/resolutions/50000",
        "chr21",
        None,
        50_000,
    ),
    "yeast chrIV 10 kb, halves": ("yeast_genomewide_10kb.cool", "chrIV", None, 10_000),
}


def counts(uri: str, chrom: str | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bins and cis pixels of one chromosome."""
    clr = cooler.Cooler(uri)
    first, last = clr.extent(chrom or clr.chromnames[0])
    bins = clr.bins()[["chrom", "start", "end"]][first:last].assign(chrom="chr1")
    pixels = clr.pixels()[:][["bin1_id", "bin2_id", "count"]]
    inside = pixels["bin1_id"].between(first, last - 1) & pixels["bin2_id"].between(first, last - 1)
    pixels = pixels[inside].astype({"count": int})
    return bins.reset_index(drop=True), pixels.assign(
        bin1_id=pixels["bin1_id"] - first, bin2_id=pixels["bin2_id"] - first
    )


def two_measurements(data: Path, name: str, folder: Path) -> tuple[Path, Path]:
    """Normalised maps to train on and to score on."""
    file, chrom, replicate, resolution = MAPS[name]
    bins, pixels = counts(str(data / file), chrom)
    if replicate is None:
        drawn = np.random.default_rng(0).binomial(pixels["count"], 0.5)
        parts = [pixels.assign(count=drawn), pixels.assign(count=pixels["count"] - drawn)]
    else:
        parts = [pixels, counts(str(data / replicate), None)[1]]
    sizes = bins.groupby("chrom")["end"].max()
    empty = pd.DataFrame(columns=["chrom", "start", "end"])
    paths = []
    for sample, part in zip(("train", "test"), parts):
        raw = folder / f"{sample}.cool"
        cooler.create_cooler(str(raw), bins, part[part["count"] > 0], ordered=True)
        paths.append(folder / f"{sample}.{resolution}.ICE.cool")
        normalize_contacts(
            raw,
            paths[-1],
            sample=sample,
            resolution=resolution,
            norm="ICE",
            assembly=Assembly("bench", sizes, empty, empty),
        )
    return paths[0], paths[1]


def score(model_dir: Path, maps: tuple[Path, Path], pairs: str) -> pd.DataFrame:
    """Rows model, stratum, metric, value of one trained model and of the ceiling."""
    settings = EvaluationSettings(n_boot=2)
    table = evaluate_model(model_dir, maps[0], against=[maps[1]], settings=settings)
    table = table[(table["against"] == "test") & (table["pairs"] == pairs)]
    wanted = (table["metric"] == "pearson_cp") & table["stratum"].isin(STRATA)
    wanted |= table["metric"].isin(["r2_cp", "r2_cp_depth"]) & (table["stratum"] == "all")
    return table.loc[wanted, ["model", "stratum", "metric", "value"]]


def measure(data: Path, name: str, seeds: int, models: list[str]) -> pd.DataFrame:
    """Mean and spread over seeds of every model on one map."""
    rows = []
    pairs = "observed" if MAPS[name][2] else "all"
    with tempfile.TemporaryDirectory() as folder:
        maps = two_measurements(data, name, Path(folder))
        for model in models:
            preset, changes, seeded = MODELS[model]
            settings = HiCLSTMSettings.from_preset(preset, **changes)
            for seed in range(seeds if seeded else 1):
                start = time.perf_counter()
                train(maps[0], Path(folder) / "model", settings, seed=seed, device="cpu")
                seconds = time.perf_counter() - start
                table = score(Path(folder) / "model", maps, pairs)
                table = table[table["model"].isin(["model", "ceiling"])]
                table["model"] = table["model"].replace("model", model)
                table["train_s"] = np.where(table["model"] == model, seconds, np.nan)
                rows.append(table)
                line = table[(table["model"] == model)]["value"].round(4).tolist()
                logger.info("%s, %s, seed %d, %.1f s: %s", name, model, seed, seconds, line)
    groups = pd.concat(rows).groupby(["model", "stratum", "metric"], sort=False)
    table = groups.agg(
        value=("value", "mean"),
        seed_spread=("value", lambda v: v.max() - v.min()),
        train_s=("train_s", "median"),
    )
    return table.reset_index().assign(map=name, pairs=pairs)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--maps", nargs="*", default=list(MAPS), choices=list(MAPS))
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    logger.setLevel(logging.INFO)
    tables = []
    for name in options.maps:
        file = Path(options.data) / "contacts" / MAPS[name][0].split("::")[0]
        if not file.exists():
            logger.warning("%s skipped: %s is absent", name, file)
            continue
        tables.append(measure(file.parent, name, options.seeds, options.models))
    if not tables:
        logger.warning("nothing measured")
        return
    table = pd.concat(tables)
    options.out.mkdir(parents=True, exist_ok=True)
    columns = ["map", "model", "pairs", "stratum", "metric", "value", "seed_spread", "train_s"]
    records = table[columns].astype(object).where(table[columns].notna(), None)
    write_json(records.to_dict("records"), options.out / "accuracy.json")
    names = {"r2_cp": "R2", "r2_cp_depth": "R2 at its depth"}
    table["column"] = table["metric"].map(names).fillna(table["stratum"])
    wide = table.pivot_table(
        index=["map", "model"], columns="column", values="value", sort=False
    ).round(4)
    seconds = table.groupby(["map", "model"], sort=False)["train_s"].median().round(1)
    wide = wide.join(seconds).reset_index()
    write_tsv(wide, options.out / "accuracy.tsv")
    logger.info("\n%s", wide.to_string(index=False))


if __name__ == "__main__":
    main()
