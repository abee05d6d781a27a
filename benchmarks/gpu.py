"""Checks, times and tunes the Triton kernels on the GPU at hand; needs torch, triton and numpy.

    python benchmarks/gpu.py [--out gpu.json]

Correctness comes first (values and gradients against the float64 oracle), then the best rows and
warps of a program for each hidden size, then training of a dense genome at 10 kb: 2.24 G pairs, 10
epochs, all of it on the device, Adam on the rows read included. `benchmarks/kernels.py` takes
these figures in where there is a GPU. Targets are one stock of random numbers: their values do not
change the work.
"""

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

import torch

from chromloom.kernels import Spec, Weights, reference, tile_forward, tile_loss

FRAME, DEPTH, GENOME_EPOCHS = 150, 16, 10
# bins of the human autosomes at 10 kb (hg19)
GENOME = (
    *(24926, 24320, 19803, 19116, 18092, 17112, 15914, 14637, 14122, 13554, 13501, 13386),
    *(11517, 10735, 10254, 9036, 8120, 7808, 5913, 6303, 4813, 5131),
)
CANDIDATES = [(rows, warps) for rows in (16, 32, 64, 128) for warps in (1, 2, 4, 8)]
LIMIT_WITH_RECURRENT_NORM, LIMIT = 1e-4, 1e-5


def draw(hidden, n_rows, n_steps, device, dtype=torch.float32, norms=(True, True, True)):
    """Random inputs of one tile: leaves by name, spec, masks, target."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape, scale=1.0):
        return (scale * torch.randn(*shape, generator=generator)).to(device, dtype)

    def norm(on, size):
        return (1 + normal(size, scale=0.1), normal(size, scale=0.1)) if on else (None, None)

    H, n_columns = hidden, n_rows + n_steps - 1
    weights = Weights(
        normal(4 * H, H, scale=H**-0.5),
        normal(4 * H, scale=0.1),
        *norm(norms[0], 4 * H),
        *norm(norms[1], 4 * H),
        *norm(norms[2], H),
        normal(H),
        normal(1)[0],
    )
    leaves = {"P": normal(n_rows, 4 * H), "Q": normal(n_columns, 4 * H)}
    leaves |= {name: value for name, value in weights._asdict().items() if value is not None}
    row_ok = (torch.rand(n_rows, generator=generator) > 0.05).to(device)
    col_ok = (torch.rand(n_columns, generator=generator) > 0.05).to(device)
    target = torch.rand(n_steps, n_rows, generator=generator).half().to(device)
    return leaves, Spec(hidden, *norms), (row_ok, col_ok), target


def loss_and_gradients(function, case, device, dtype):
    """Loss and gradients by name of one implementation."""
    leaves, spec, ok, target = case
    leaves = {k: v.to(device, dtype).requires_grad_() for k, v in leaves.items()}
    weights = Weights(**{name: leaves.get(name) for name in Weights._fields})
    ones = torch.ones(len(target), device=device, dtype=dtype)
    ok = [mask.to(device) for mask in ok]
    loss = function(
        *(leaves["P"], leaves["Q"], weights, spec, *ok, target.to(device), ones), sigmoid=True
    )
    gradients = torch.autograd.grad(loss, list(leaves.values()))
    return {"loss": loss.detach()} | dict(zip(leaves, gradients))


def check(device):
    """Largest relative error over sizes and norms; raises where it is above the limit."""
    worst = {}
    for hidden in (4, 8, 16, 32, 64, 128):
        for norms in ((True, True, True), (True, False, True), (False, False, False)):
            case = draw(hidden, 300, 40, device, norms=norms)
            exact = loss_and_gradients(reference.tile_loss, case, "cpu", torch.float64)
            fused = loss_and_gradients(tile_loss, case, device, torch.float32)
            for name, value in exact.items():
                error = float((fused[name].cpu().double() - value).norm() / value.norm())
                limit = LIMIT_WITH_RECURRENT_NORM if norms[1] else LIMIT
                if not error <= limit:
                    raise AssertionError(f"hidden {hidden}, norms {norms}, {name}: {error:.1e}")
                worst[hidden] = max(worst.get(hidden, 0.0), error)
    return worst


def seconds(function, repeats=5):
    """Median time of a call on the device, after one before."""
    times = []
    for _ in range(repeats + 1):
        torch.cuda.synchronize()
        start = time.perf_counter()
        function()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return sorted(times[1:])[repeats // 2]


def peaks(device):
    """FLOP/s in float32 outside of tensor cores, by specification, and measured bytes/s."""
    properties = torch.cuda.get_device_properties(device)
    clock = getattr(properties, "clock_rate", 1_755_000) * 1e3  # Hz
    flops = properties.multi_processor_count * 128 * 2 * clock
    source = torch.ones(1 << 28, device=device)
    target = torch.empty_like(source)
    return flops, 2 * source.nbytes / seconds(lambda: target.copy_(source))


def tune(device, hidden, n_rows=16384):
    """Time all (rows, warps) of a program; keep the best. pairs/s of training by candidate."""
    from chromloom.kernels import gpu

    padded = max(4, 1 << (hidden - 1).bit_length())
    case = draw(hidden, n_rows, FRAME, device)
    rates = {}
    for candidate in CANDIDATES:
        gpu.TUNING[padded] = candidate
        try:
            used = seconds(lambda: loss_and_gradients(tile_loss, case, device, torch.float32), 3)
        except Exception as error:  # a candidate that does not fit the device is reported as such
            print(f"hidden {hidden}, {candidate}: {type(error).__name__}", file=sys.stderr)
            continue
        rates[candidate] = n_rows * FRAME / used
    gpu.TUNING[padded] = max(rates, key=rates.get)
    return {f"{rows} rows, {warps} warps": rate for (rows, warps), rate in rates.items()}


class Adam:
    """Adam over slices of rows, each with its own step count."""

    def __init__(self, values):
        self.values, self.mean, self.square = values, *(torch.zeros_like(values) for _ in range(2))
        self.steps = torch.zeros(len(values), 1, device=values.device)

    def step(self, rows, gradient, rate=0.01):
        """Move the rows against their gradient."""
        steps = self.steps[rows].add_(1)
        mean = self.mean[rows].lerp_(gradient, 0.1)
        square = self.square[rows].lerp_(gradient * gradient, 0.001)
        root = (square / (1 - 0.999**steps)).sqrt_().add_(1e-8)
        self.values[rows].addcdiv_(mean / (1 - 0.9**steps), root, value=-rate)


def train_genome(device, hidden=8, epochs=GENOME_EPOCHS):
    """Seconds and pairs of training a dense genome, chromosome by chromosome, frame by frame."""
    leaves, spec, _, _ = draw(hidden, 1, 1, device)
    names = [name for name in Weights._fields if name in leaves]
    shapes = [(DEPTH, 4 * hidden)] * 2 + [leaves[name].shape for name in names]
    start = torch.randn(2, DEPTH, 4 * hidden, device=device) * 0.1
    flat = torch.cat([start.flatten(), *(leaves[name].flatten() for name in names)])[None]
    adam, parts = Adam(flat), [torch.Size(shape).numel() for shape in shapes]
    embeddings = [Adam(torch.randn(n, DEPTH, device=device)) for n in GENOME]
    stock = torch.rand(FRAME * max(GENOME), device=device).half()
    ok = torch.ones(max(GENOME) + FRAME, dtype=torch.bool, device=device)
    ones = torch.ones(FRAME, device=device)
    pairs = 0

    def learn(embedding, d0):
        """One tile: all rows of a chromosome that have pairs at the frame's distances."""
        n = len(embedding.values)
        n_rows, n_steps = n - d0, min(FRAME, n - d0)
        R = embedding.values.detach().requires_grad_()
        leaf = flat.detach().requires_grad_()
        W_row, W_col, *rest = (
            part.view(shape) for part, shape in zip(leaf[0].split(parts), shapes)
        )
        weights = Weights(**dict.fromkeys(Weights._fields) | dict(zip(names, rest)))
        columns = torch.nn.functional.pad(R[d0:], (0, 0, 0, n_steps - 1))
        col_ok = ok[: len(columns)].clone()
        col_ok[n_rows:] = False
        target = stock[: n_steps * n_rows].view(n_steps, n_rows)
        loss = tile_loss(
            *(R[:n_rows] @ W_row, columns @ W_col, weights, spec, ok[:n_rows], col_ok, target),
            ones[:n_steps] / target.numel(),
            sigmoid=True,
        )
        loss.backward()
        embedding.step(slice(None), R.grad)
        adam.step(slice(None), leaf.grad)
        return n_steps * n_rows - n_steps * (n_steps - 1) // 2

    learn(embeddings[0], 0)
    torch.cuda.synchronize()
    begin = time.perf_counter()
    for _ in range(epochs):
        for embedding in embeddings:
            for d0 in range(0, len(embedding.values), FRAME):
                pairs += learn(embedding, d0)
    torch.cuda.synchronize()
    return time.perf_counter() - begin, pairs


def measure(report=None):
    """Rows for kernels.json; details go into `report`."""
    device = torch.device("cuda")
    report = {} if report is None else report
    report["device"] = torch.cuda.get_device_name(device)
    report["largest_relative_error"] = check(device)
    report["tuning"] = {hidden: tune(device, hidden) for hidden in (8, 16)}
    flops, bandwidth = peaks(device)
    case = draw(8, 65536, FRAME, device)
    leaves, spec, ok, target = case
    weights = Weights(**{name: leaves.get(name) for name in Weights._fields})
    train = seconds(lambda: loss_and_gradients(tile_loss, case, device, torch.float32))
    with torch.no_grad():
        predict = seconds(lambda: tile_forward(leaves["P"], leaves["Q"], weights, spec, *ok))
    used, pairs = train_genome(device)
    # as `work_of_a_pair` in kernels.py, and the forward once more; bytes: states kept and read,
    # gradients of both projections written and read
    flop_of_a_pair = 24 * 8**2 + 272 * 8 + 8 * 8**2 + 132 * 8
    bytes_of_a_pair = 4 * (2 * 2 * 8 + 2 * 2 * 4 * 8)
    report |= {
        "peak_flops": flops,
        "peak_bandwidth": bandwidth,
        "flop_of_a_pair": flop_of_a_pair,
        "bytes_of_a_pair": bytes_of_a_pair,
        "share_of_bandwidth": pairs / used * bytes_of_a_pair / bandwidth,
        "predict_pairs_per_s": target.numel() / predict,
        "genome_pairs": pairs,
    }

    def row(name, value, unit):
        return {"name": name, "value": value, "unit": unit, "baseline": None, "ratio": None}

    return [
        row("gpu_train_pairs_per_s", target.numel() / train, "pairs/s"),
        row("gpu_genome_10_epochs_s", used, "s"),
        row("gpu_peak_fraction", pairs / used * flop_of_a_pair / flops, "1"),
    ]


def main():
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("no CUDA device here: nothing to measure")
    report = {}
    report["figures"] = measure(report)
    text = json.dumps(report, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
