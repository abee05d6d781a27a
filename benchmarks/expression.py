"""Speed and memory of Chromoformer's fast path beside the network computed in full.

A batch of 64 genes with 8 elements each (4,800 bp, the median HindIII fragment), seven marks, the
three bin sizes and all settings of the article, both paths with the same weights, in processes of
their own, so that memory is theirs alone; CPU time per step (forward; forward, backward and
AdamW), median of repeats. Writes expression.json (name, value, unit, baseline, ratio) and a table
to the terminal. The time of a training of 18,955 genes x 10 epochs is that of its steps.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import torch  # noqa: E402

from chromloom.expression.train import OPTIMIZERS  # noqa: E402
from chromloom.models.chromoformer import Chromoformer, Elements  # noqa: E402
from chromloom.models.expression.settings import ChromoformerSettings  # noqa: E402

BATCH, N_ELEMENTS, LENGTH, N_MARKS = 64, 8, 4_800, 7
GENES, EPOCHS = 18_955, 10


def draw(settings):
    """Promoters and elements of a batch."""
    generator = torch.Generator().manual_seed(1)
    marks, elements = [], []
    gene = torch.arange(BATCH).repeat_interleave(N_ELEMENTS)
    rank = torch.arange(N_ELEMENTS).repeat(BATCH)
    frequency = 1.5 + torch.rand(len(gene), generator=generator)
    for size in settings.bin_sizes:
        n, own = 2 * settings.reach // size, max(LENGTH // size, 1)
        marks.append(torch.rand(BATCH, N_MARKS, n, generator=generator))
        known = torch.zeros(len(gene), n, dtype=torch.bool)
        known[:, (n - own) // 2 : (n - own) // 2 + own] = True
        values = torch.rand(len(gene), N_MARKS, n, generator=generator) * known[:, None]
        elements.append(Elements(gene, rank, frequency, values, known, most=N_ELEMENTS))
    return marks, elements


def measure(path, repeats):
    """Seconds of a forward pass and of a step, and the peak of memory (GiB) of this process."""
    settings = ChromoformerSettings.of("chromoformer")
    torch.manual_seed(1)
    network = Chromoformer(settings, N_MARKS)
    marks, elements = draw(settings)
    run = network.forward if path == "fast" else network.forward_full
    optimizer = OPTIMIZERS[settings.optimizer](network.parameters(), lr=settings.learning_rate)
    truth = torch.arange(BATCH) % 2
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    forward, step = [], []
    for _ in range(repeats):
        start = time.process_time()
        with torch.no_grad():
            run(marks, elements)
        forward.append(time.process_time() - start)
        start = time.process_time()
        loss = torch.nn.functional.cross_entropy(run(marks, elements), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step.append(time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"forward": median(forward), "step": median(step), "memory": (peak - before) / 2**20}


def main():
    """Measure both paths and write what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default="results/bench")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--one", choices=["fast", "full"])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.one:
        print(json.dumps(measure(options.one, 10 if options.one == "fast" else 1)))
        return
    found = {}
    for path in ("fast", "full"):
        command = [sys.executable, __file__, "--one", path, "--threads", str(options.threads)]
        found[path] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    rows = [
        {
            "name": f"chromoformer {name}",
            "value": found["fast"][name],
            "unit": unit,
            "baseline": found["full"][name],
            "ratio": found["full"][name] / found["fast"][name],
        }
        for name, unit in (("forward", "CPU s"), ("step", "CPU s"), ("memory", "GiB"))
    ]
    steps = -(-GENES // BATCH) * EPOCHS
    rows.append(
        {
            "name": f"chromoformer, {GENES:,} genes x {EPOCHS} epochs",
            "value": steps * found["fast"]["step"] / 60,
            "unit": "CPU min",
            "baseline": steps * found["full"]["step"] / 60,
            "ratio": found["full"]["step"] / found["fast"]["step"],
        }
    )
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "expression.json").write_text(json.dumps(rows, indent=1) + "\n")
    for row in rows:
        full = f"in full {row['baseline']:9.2f}, {row['ratio']:.1f} times"
        print(f"{row['name']:45s} {row['value']:9.3f} {row['unit']:8s} {full}")


if __name__ == "__main__":
    main()
