"""Whether a small training gives the same bits in every process, on an overloaded machine.

One map, one seed: `hiclstm-refined`, its start and its network, is trained by many new
interpreters, some of them at once, with the threads of numba limited and not. The bits of every
tensor are compared, with those of earlier calls for the same folder, too.

    python benchmarks/starts.py FOLDER --starts 300 --at-once 8 [--repeats 6]

A process may train more than once, which is cheaper: memory and threads differ each time, but not
where the libraries were loaded.
"""

import argparse
import hashlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

MAP = "small.10000.ICE.cool"
OPTIONS = {"embedding_dim": 4, "hidden_size": 4, "frame": 30, "epochs": 1}
ENVIRONMENTS: dict[str, dict[str, str]] = {
    "NUMBA_NUM_THREADS not set": {},
    "NUMBA_NUM_THREADS=1": {"NUMBA_NUM_THREADS": "1"},
}


def make_map(folder: Path) -> None:
    """Write a normalised map of 400 bins."""
    from scaling import draw

    from chromloom.genome.assembly import load_assembly
    from chromloom.normalize.normalized import normalize_contacts

    folder.mkdir(parents=True, exist_ok=True)
    draw(folder / "counts.cool", 400, 30_000)
    sizes = folder / "small.chrom.sizes"
    sizes.write_text("chr1\t4000000\n")
    normalize_contacts(
        folder / "counts.cool", folder / MAP, sample="small", resolution=10_000, norm="ICE",
        assembly=load_assembly(sizes),
    )  # fmt: skip


def train_once(folder: Path) -> dict[str, str]:
    """A digest of every tensor of a model that is trained in this process."""
    from safetensors.numpy import load_file

    from chromloom.training.models import train_model

    with tempfile.TemporaryDirectory(dir=folder) as out:
        train_model("hiclstm-refined", folder / MAP, Path(out) / "m", device="cpu", options=OPTIONS)
        tensors = load_file(Path(out) / "m" / "model.safetensors")
    return {name: hashlib.sha256(t.tobytes()).hexdigest()[:16] for name, t in tensors.items()}


def start_many(
    folder: Path, n_starts: int, n_repeats: int, at_once: int, limits: dict[str, str]
) -> list[dict]:
    """Train in new processes, some times in each; the digests of every training."""
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_NUM_THREADS"} | limits
    environment["OMP_NUM_THREADS"] = "2"  # as Snakemake sets it for a rule of two threads
    command = [sys.executable, __file__, str(folder), "--repeats", str(n_repeats), "--here"]

    def start(_: int) -> list[dict[str, str]]:
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr[-3000:])
        return [json.loads(line) for line in done.stdout.splitlines()]

    with ThreadPoolExecutor(at_once) as pool:
        return list(itertools.chain.from_iterable(pool.map(start, range(n_starts))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--starts", type=int, default=300, help="in each environment")
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=1, help="trainings in each process")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        for _ in range(options.repeats):
            print(json.dumps(train_once(options.folder)))
        return
    if not (options.folder / MAP).exists():
        make_map(options.folder)
    log = options.folder / "starts.jsonl"
    for name, limits in ENVIRONMENTS.items():
        found = start_many(options.folder, options.starts, options.repeats, options.at_once, limits)
        with log.open("a") as out:
            out.writelines(json.dumps([name, digests]) + "\n" for digests in found)
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    kinds: dict[str, Counter] = defaultdict(Counter)
    for _, digests in rows:
        for tensor, digest in digests.items():
            kinds[tensor][digest] += 1
    odd = {tensor: dict(counter) for tensor, counter in kinds.items() if len(counter) > 1}
    print(dict(Counter(name for name, _ in rows)))
    print("the same bits in all" if not odd else f"other bits: {json.dumps(odd)}")
    sys.exit(bool(odd))


if __name__ == "__main__":
    main()
