"""Kill a study at random moments, and compare its end with that of an undisturbed one.

The small study of the workflow tests (simulated map, extraction, normalisation, training, export,
analysis) is started over and over in one folder. At a random moment all of it is killed, or
Snakemake alone, whose jobs go on, or one job. When the study has come to its end, its results are
compared, and another one begins in a new folder, until there were as many kills as asked for.
Another study is killed if its configuration and targets are given.

    python benchmarks/kills.py FOLDER --kills 100
    python benchmarks/kills.py FOLDER --kills 20 --longest 60 --study config/demo/config.yaml
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "tests" / "workflow")]

from study import TARGETS, differences, write_study  # noqa: E402

WHOLE, SNAKEMAKE, JOB = "all of it", "Snakemake alone", "one job"
WAITING_SECONDS = 2.0
"""Before another start where a job that was left alone holds the training."""


def start(folder: Path, study: list[str]) -> subprocess.Popen:
    """Start the study as the leader of a process group of its own."""
    config, *targets = study or [str(folder / "config.yaml"), *TARGETS]
    command = [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
        *("--directory", str(folder), "--configfile", str(Path(config).resolve())),
        *("--cores", "2", "--nolock", "--", *targets),
    ]
    with (folder / "run.log").open("a") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, start_new_session=True)


def jobs_of(group: int) -> list[int]:
    """Processes of a group but its leader: what Snakemake has started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(entry.name)) == group and int(entry.name) != group:
                found.append(int(entry.name))
        except ProcessLookupError:
            continue
    return found


def kill(process: subprocess.Popen, rng: random.Random) -> str:
    """Send SIGKILL, and say to what; a job is killed only where there is one."""
    jobs = jobs_of(process.pid)
    how = rng.choice([WHOLE, SNAKEMAKE, JOB] if jobs else [WHOLE, SNAKEMAKE])
    with contextlib.suppress(ProcessLookupError):  # it has just come to its end
        if how == WHOLE:
            os.killpg(process.pid, signal.SIGKILL)
        elif how == SNAKEMAKE:
            process.kill()
        else:
            os.kill(rng.choice(jobs), signal.SIGKILL)
    process.wait()
    return how


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, help="seconds to a kill; 0.7 of a run by default")
    parser.add_argument("--study", nargs="+", default=[], help="a configuration, and targets")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    undisturbed = write_study(options.folder / "undisturbed")
    started = time.monotonic()
    if start(undisturbed, options.study).wait():
        sys.exit((undisturbed / "run.log").read_text()[-3000:])
    longest = options.longest or 0.7 * (time.monotonic() - started)
    kills: Counter = Counter()
    n_ends, unequal = 0, []
    while kills.total() < options.kills:
        folder, groups = write_study(options.folder / f"study{n_ends}"), []
        while True:
            process = start(folder, options.study)
            groups.append(process.pid)
            last = kills.total() >= options.kills
            try:
                code = process.wait(timeout=None if last else rng.uniform(0.07, 1) * longest)
            except subprocess.TimeoutExpired:
                kills[kill(process, rng)] += 1
                continue
            if code == 0:
                break
            time.sleep(WAITING_SECONDS)
        while any(jobs_of(group) for group in groups):  # left alone, and not at their end
            time.sleep(WAITING_SECONDS)
        n_ends += 1
        unequal += differences(folder, undisturbed)
        print(json.dumps({"ends": n_ends, "kills": dict(kills), "unequal": unequal}), flush=True)
        if not unequal:
            shutil.rmtree(folder)
    sys.exit(bool(unequal))


if __name__ == "__main__":
    main()
