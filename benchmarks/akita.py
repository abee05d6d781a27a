"""Akita's published size: a window whole, and variants of it by the tower that is kept.

Single-base variants in the middle of a window of 2^20 bp, on one thread of the CPU. Writes
akita.json (name, value, unit): seconds of the tower, of the dilated blocks and of the head; seconds
of a variant read whole and by `models.akita.variants.Window`, their ratio, the largest difference
of the maps, and GFLOP and the share of this machine's peak that each part reaches.

    python benchmarks/akita.py --out results/bench
"""

import argparse
import logging
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import numpy as np  # noqa: E402
import torch  # noqa: E402

from chromloom.files import write_json  # noqa: E402
from chromloom.models.akita.module import Akita  # noqa: E402
from chromloom.models.akita.settings import AkitaSettings  # noqa: E402
from chromloom.models.akita.variants import Window  # noqa: E402

logger = logging.getLogger("akita")


def gflop(network: Akita) -> dict[str, float]:
    """Multiplications and additions of a window's convolutions, in GFLOP, by part."""
    window, length = network.settings.window, network.settings.window * network.bin_size
    tower = 0.0
    for block in network.tower:
        tower += 2 * block.conv.weight.numel() * length
        length //= block.pool
    mix = sum(
        2 * m.weight.numel() * window
        for part in (network.dilated, network.bottleneck)
        for m in part.modules()
        if isinstance(m, torch.nn.Conv1d)
    )
    pairs = sum(
        2 * m.weight.numel() * window**2
        for m in network.pairs.modules()
        if isinstance(m, torch.nn.Conv2d)
    )
    inlet = 2 * network.inlet.conv.weight.numel() * window**2
    return {k: v / 1e9 for k, v in (("tower", tower), ("mix", mix), ("inlet", inlet),
                                    ("head", pairs))}  # fmt: skip


def seconds(function, repeats: int) -> float:
    """Median wall time of calls after a first one."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return median(times)


def peak_gflops(repeats: int) -> float:
    """What a product of large matrices reaches."""
    a = torch.rand(1024, 1024)
    return 2 * 1024**3 / seconds(lambda: a @ a, 5 * repeats) / 1e9


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--variants", type=int, default=4)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = Akita(AkitaSettings.of("akita-paper"), 2048, 5).eval()
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, 2**20, dtype=np.uint8)
    variants = []
    for place in rng.integers(2**18, 3 * 2**18, arguments.variants):
        changed = codes.copy()
        changed[place] = (changed[place] + 1) % 4
        variants.append(changed)
    whole = torch.as_tensor(codes)[None]
    tower, work = network.pool(whole), gflop(network)
    bins = network.mix(tower)
    own = Window(network, codes)
    found = list(own.maps(variants, batch_size=1))
    read = [network(torch.as_tensor(v)[None])[0].numpy() for v in variants[:2]]
    times = {
        "tower": seconds(lambda: network.pool(whole), arguments.repeats),
        "mix": seconds(lambda: network.mix(tower), arguments.repeats),
        "head": seconds(lambda: network.fold(bins), arguments.repeats),
    }
    kept = seconds(lambda: list(own.maps(variants, batch_size=1)), arguments.repeats)
    kept /= len(variants)
    peak = peak_gflops(arguments.repeats)
    entire = sum(times.values())
    rows = [(f"{name}_s", value, "s") for name, value in times.items()]
    rows += [(f"{name}_gflop", value, "GFLOP") for name, value in work.items()]
    rows += [(f"{name}_share_of_peak", work[name] / times[name] / peak, "") for name in times]
    rows += [
        ("peak", peak, "GFLOP/s"),
        ("variant_whole_s", entire, "s"),
        ("variant_kept_s", kept, "s"),
        ("variant_ratio", entire / kept, ""),
        ("largest_difference", max(float(abs(a - b).max()) for a, b in zip(found, read)), ""),
        ("largest_value", max(float(abs(b).max()) for b in read), ""),
    ]
    for name, value, unit in rows:
        logger.info("%-24s %10.4g %s", name, value, unit)
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_json([dict(zip(("name", "value", "unit"), row)) for row in rows],
               arguments.out / "akita.json")  # fmt: skip


if __name__ == "__main__":
    main()
