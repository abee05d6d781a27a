"""Convolutions of Epiphany at its published size: shared between windows against window by window.

200 stripes at 10 kb from five signals in 100-bp bins, one thread, both in turn, median of repeats,
in seconds of the processor, which other work on the machine does not lengthen much.
Writes epiphany.json (name, value, unit, baseline, ratio) and a table to the terminal; ends with an
error where the two differ in a bit.
"""

import argparse
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import pandas as pd  # noqa: E402
import torch  # noqa: E402

from chromloom.files import write_json  # noqa: E402
from chromloom.models.epiphany.module import Epiphany  # noqa: E402
from chromloom.models.registry import model_settings  # noqa: E402

STRIPES, TO_REACH = 200, {"convolutions_s": 40}


def main():
    """Run all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "bench")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    settings = model_settings("epiphany-released", adversarial=False)
    network = Epiphany(settings, 5, 100, 100).eval()
    signals = torch.rand(1, 5, network.window + (STRIPES - 1) * 100) * 3

    def convolutions(encode):
        with torch.no_grad():
            encode(signals)

    def and_backward(encode):
        network.zero_grad()
        encode(signals).square().sum().backward()

    def whole(encode):
        with torch.no_grad():
            network.decode(encode(signals))

    def trained(encode):
        network.zero_grad()
        network.decode(encode(signals)).square().sum().backward()

    ways = network.encode, network.encode_windows
    with torch.no_grad():
        shared, naive = (encode(signals) for encode in ways)
        if not torch.equal(shared, naive):
            sys.exit(f"shared and naive differ by up to {(shared - naive).abs().max():.3g}")
    rows = []
    for name, task in {
        "convolutions_s": convolutions,
        "convolutions_and_backward_s": and_backward,
        "network_s": whole,
        "network_and_backward_s": trained,
    }.items():
        times = {encode: [] for encode in ways}
        for _ in range(arguments.repeats):
            for encode in ways:
                start = time.process_time()
                task(encode)
                times[encode].append(time.process_time() - start)
        value, baseline = (median(times[encode]) for encode in ways)
        rows.append(
            {"name": name, "value": value, "unit": "s", "baseline": baseline,
             "ratio": baseline / value}
        )  # fmt: skip
    write_json(rows, arguments.out / "epiphany.json")
    shown = pd.DataFrame(rows)
    shown["ratio to reach"] = shown["name"].map(TO_REACH)
    print(shown.to_string(index=False, float_format="{:,.4g}".format, na_rep=""))


if __name__ == "__main__":
    main()
