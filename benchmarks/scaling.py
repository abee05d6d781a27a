"""What the rules of the default chain cost on one large chromosome: seconds and peak memory.

A chromosome of any number of bins is drawn block by block: mean contact strength falls with the
distance, bins differ in coverage, and there are compartments. Every rule runs in a process of its
own, as in the workflow, by what its script calls. docs/scaling.md has the numbers.

    python benchmarks/scaling.py FOLDER --bins 25000 --pixels 20e6 [--only normalize_contacts …]
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import cooler  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

RESOLUTION = 10_000
ROWS = 250
NAME = "large.10000.ICE"
RUN = f"{NAME}.hiclstm-refined"


def draw(path: Path, n_bins: int, n_pixels: float, seed: int = 1) -> None:
    """Write raw counts of a chromosome with about `n_pixels` pixels."""
    rng = np.random.default_rng(seed)
    dist = np.arange(n_bins)
    shape = (dist + 1.0) ** -0.9
    pairs = n_bins - dist
    lowest, highest = 1e-6, 1e6
    for _ in range(60):  # the scale at which as many pairs have a contact
        scale = np.sqrt(lowest * highest)
        more = (pairs * -np.expm1(-scale * shape)).sum() > n_pixels
        lowest, highest = (lowest, scale) if more else (scale, highest)
    coverage = rng.lognormal(0, 0.3, n_bins)
    coverage[rng.random(n_bins) < 0.05] = 0
    compartment = np.sin(np.cumsum(rng.normal(0, 0.1, n_bins))) * 0.5

    def chunks():
        for lo in range(0, n_bins, ROWS):
            i = np.arange(lo, min(lo + ROWS, n_bins))
            j = np.arange(lo, n_bins)
            d = j - i[:, None]
            rate = scale * shape[np.abs(d)] * coverage[i, None] * coverage[j]
            rate *= np.exp(compartment[i, None] * compartment[j])
            counts = rng.poisson(np.where(d >= 0, rate, 0)).astype(np.int32)
            row, column = np.nonzero(counts)
            yield pd.DataFrame(
                {"bin1_id": lo + row, "bin2_id": lo + column, "count": counts[row, column]}
            )

    starts = np.arange(n_bins) * RESOLUTION
    bins = pd.DataFrame({"chrom": "chr1", "start": starts, "end": starts + RESOLUTION})
    compression = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
    cooler.create_cooler(
        str(path), bins, chunks(), ordered=True, dtypes={"count": np.int32}, h5opts=compression
    )


def extract_contacts(folder: Path) -> None:
    from chromloom.contacts.extract import extract_contacts
    from chromloom.contacts.qc import add_balancing, contacts_qc
    from chromloom.files import write_tsv
    from chromloom.genome.assembly import load_assembly
    from chromloom.normalize.normalized import write_default_weights

    assembly = load_assembly(folder / "large.chrom.sizes")
    mcool = folder / "large.mcool"
    extract_contacts(folder / "counts.cool", mcool, sample="large", assembly=assembly,
                     resolutions=[RESOLUTION, 5 * RESOLUTION])  # fmt: skip
    balancing = write_default_weights(mcool, "ICE", sample="large", assembly=assembly)
    write_tsv(add_balancing(contacts_qc(str(mcool), ignore_diags=2), balancing), folder / "qc.tsv")


def normalize_contacts(folder: Path) -> None:
    from chromloom.genome.assembly import load_assembly
    from chromloom.normalize.normalized import normalize_contacts

    source = folder / "large.mcool"
    normalize_contacts(
        source if source.exists() else folder / "counts.cool", folder / f"{NAME}.cool",
        sample="large", resolution=RESOLUTION, norm="ICE",
        assembly=load_assembly(folder / "large.chrom.sizes"),
    )  # fmt: skip


def analyse_map(folder: Path) -> None:
    from chromloom.analysis.analyse import analyse_map

    analyse_map(folder / f"{NAME}.cool", folder / "analysis")


def train(folder: Path, model: str) -> None:
    from chromloom.training.models import train_model

    out = folder / f"{NAME}.{model}"
    train_model(model, folder / f"{NAME}.cool", out, device="cpu", resume_dir=folder / "resume")


def export_representations(folder: Path) -> None:
    from chromloom.representations.table import export_representations

    out = folder / "representations"
    out.mkdir(exist_ok=True)
    export_representations(folder / RUN, *(out / f"x.{s}" for s in ("parquet", "h5ad", "bigwig")))


def predict_map(folder: Path, max_distance: int) -> None:
    from chromloom.prediction.export import predict_map

    predict_map(folder / RUN, folder / f"{NAME}.cool", folder / f"predicted{max_distance}.mcool",
                max_distance=max_distance)  # fmt: skip


def analyse_predicted(folder: Path, max_distance: int) -> None:
    from chromloom.analysis.analyse import analyse_map

    analyse_map(folder / f"predicted{max_distance}.mcool", folder / f"analysis{max_distance}")


def evaluate_reconstruction(folder: Path, max_distance: int) -> None:
    from chromloom.evaluation.maps import EvaluationSettings, evaluate_model

    evaluate_model(folder / RUN, folder / f"{NAME}.cool", folder / "scores.tsv",
                   model="hiclstm-refined", distances_out=folder / "distances.tsv",
                   settings=EvaluationSettings(max_distance=max_distance))  # fmt: skip


def attribute_bins(folder: Path) -> None:
    from chromloom.attribution.attribute import attribute

    attribute(folder / RUN, folder / "attribution.bw", folder / "attribution.parquet", device="cpu")


def screen_bins(folder: Path) -> None:
    from chromloom.perturbation.screen import screen

    screen(folder / RUN, folder / "screen.bw", folder / "screen.tsv", device="cpu")


STAGES = {
    "extract_contacts": extract_contacts,
    "normalize_contacts": normalize_contacts,
    "analyse_map": analyse_map,
    "train_model eig": lambda folder: train(folder, "eig"),
    "train_model refined": lambda folder: train(folder, "hiclstm-refined"),
    "train_model paper": lambda folder: train(folder, "hiclstm-paper"),
    "export_representations": export_representations,
    "predict_map 2 Mb": lambda folder: predict_map(folder, 2_000_000),
    "predict_map 20 Mb": lambda folder: predict_map(folder, 20_000_000),
    "predict_map all": lambda folder: predict_map(folder, 0),
    "analyse_map predicted 2 Mb": lambda folder: analyse_predicted(folder, 2_000_000),
    "analyse_map predicted 20 Mb": lambda folder: analyse_predicted(folder, 20_000_000),
    "analyse_map predicted all": lambda folder: analyse_predicted(folder, 0),
    "evaluate_reconstruction 2 Mb": lambda folder: evaluate_reconstruction(folder, 2_000_000),
    "evaluate_reconstruction 20 Mb": lambda folder: evaluate_reconstruction(folder, 20_000_000),
    "evaluate_reconstruction all": lambda folder: evaluate_reconstruction(folder, 0),
    "attribute_bins": attribute_bins,
    "screen_bins": screen_bins,
}


def run_stage(folder: Path, stage: str) -> None:
    """Run one stage in this process and print what it took."""
    started = time.perf_counter()
    STAGES[stage](folder)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    took = {
        "stage": stage,
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mb": round(usage.ru_maxrss / 1024),
    }
    print(json.dumps(took))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bins", type=int, default=25_000)
    parser.add_argument("--pixels", type=float, default=20e6)
    parser.add_argument("--only", nargs="+", choices=list(STAGES), default=list(STAGES))
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = options.folder
    if options.stage:
        run_stage(folder, options.stage)
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "large.chrom.sizes").write_text(f"chr1\t{options.bins * RESOLUTION}\n")
    if not (folder / "counts.cool").exists():
        draw(folder / "counts.cool", options.bins, options.pixels)
    n_pixels = cooler.Cooler(str(folder / "counts.cool")).info["nnz"]
    for stage in options.only:
        command = [sys.executable, __file__, str(folder), "--stage", stage]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{stage}: {done.stderr[-3000:]}")
        row = json.loads(done.stdout.splitlines()[-1])
        row |= {"bins": options.bins, "pixels": int(n_pixels)}
        with (folder / "costs.jsonl").open("a") as out:
            out.write(json.dumps(row) + "\n")
        print(row, flush=True)


if __name__ == "__main__":
    main()
