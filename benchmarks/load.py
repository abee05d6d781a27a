"""What jobs cost in processor time when the machine is overloaded.

Each of training, prediction, attribution and a screen is run alone with one thread, when nothing
waits for anything, and then as several jobs at once of two threads each, as Snakemake starts them
on more cores than there are. The quotient of their processor times is what waiting costs.

    python benchmarks/load.py FOLDER --bins 1500 --pixels 400e3 --jobs 4
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import scaling

MAP_STAGE = "normalize_contacts"
STAGES = ["train_model refined", "predict_map all", "attribute_bins", "screen_bins"]


def run(folder: Path, stage: str, n_threads: int, n_jobs: int) -> list[dict]:
    """Run a stage in `n_jobs` processes at once, each in a copy of the folder."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(n_threads)}
    environment.pop("NUMBA_NUM_THREADS", None)
    copies = [folder.with_name(f"{folder.name}-{k}") for k in range(n_jobs)]
    for copy in copies:
        shutil.copytree(folder, copy, dirs_exist_ok=True)
    words = [sys.executable, scaling.__file__]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    jobs = [
        subprocess.Popen([*words, str(copy), "--stage", stage], env=environment, **pipes)
        for copy in copies
    ]
    found = []
    for job, copy in zip(jobs, copies, strict=True):
        out, error = job.communicate()
        if job.returncode:
            raise RuntimeError(f"{stage}: {error[-3000:]}")
        found.append(json.loads(out.splitlines()[-1]))
        if stage == STAGES[0] and not (folder / scaling.RUN).exists():
            shutil.copytree(copy / scaling.RUN, folder / scaling.RUN)
        shutil.rmtree(copy)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bins", type=int, default=1_500)
    parser.add_argument("--pixels", type=float, default=400e3)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--only", nargs="+", choices=STAGES, default=STAGES)
    options = parser.parse_args()
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "large.chrom.sizes").write_text(f"chr1\t{options.bins * scaling.RESOLUTION}\n")
    if not (folder / f"{scaling.NAME}.cool").exists():
        scaling.draw(folder / "counts.cool", options.bins, options.pixels)
        scaling.normalize_contacts(folder)
    for stage in options.only:
        (alone,) = run(folder, stage, 1, 1)
        together = run(folder, stage, 2, options.jobs)
        row = {
            "stage": stage,
            "cpu_seconds_alone": alone["cpu_seconds"],
            "cpu_seconds_together": [job["cpu_seconds"] for job in together],
            "seconds_together": max(job["seconds"] for job in together),
        }
        row["ratio"] = max(row["cpu_seconds_together"]) / row["cpu_seconds_alone"]
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
