"""What `make bench` runs: the speed of the kernels, of training, knockouts and the eigen-start.

Everything in one run on the machine at hand, median of repeats, the plain-torch oracle timed in
turn with the fused code (with torch's threads and without: the faster counts). Writes kernels.json
(name, value, unit, baseline, ratio: the oracle's figure and how much better ours is), curves.tsv
and kernels.png, and a table to the terminal. The genome epoch, the eigen-start and training on
chr21 run as processes of their own, so that time includes starting up and memory is theirs alone.
"""

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import numba  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import torch  # noqa: E402

from chromloom.files import atomic_path, write_json, write_tsv  # noqa: E402
from chromloom.kernels import Edits, kernel_threads_only, lanes_forward, lanes_of_bins, simd  # noqa: E402
from chromloom.kernels.threads import share  # noqa: E402
from chromloom.models.hiclstm.module import HiCLSTM  # noqa: E402
from chromloom.models.hiclstm.settings import HiCLSTMSettings  # noqa: E402
from chromloom.training.learner import TileLearner  # noqa: E402
from chromloom.training.tiles import Block, Tile, TileLoader  # noqa: E402

FRAME, RESOLUTION = 150, 10_000
GENOME_PAIRS, CHR21_BINS, LARGEST_BINS = 2.24e9, 4813, 25_000
TARGETS = {  # what the project set out to reach
    "train_pairs_per_s": "≥ 10 M, ≥ 25x the oracle",
    "predict_pairs_per_s": "≥ 30 M",
    "chr21_10_epochs_s": "≤ 10",
    "genome_epoch_s": "≤ 240",
    "genome_peak_gb": "≤ 8",
    "eigen_start_s": "≤ 60",
    "eigen_start_peak_gb": "≤ 4",
    "knockouts_per_min": "≥ 10,000",
}


def peak_gb():
    """Largest resident memory of this process, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def seconds(function, least=0.1):
    """Wall time of one call; of a short one the mean of calls in a row, `least` seconds together.

    As in training, where a step finds threads awake and caches filled by the step before.
    """
    start, calls = time.perf_counter(), 0
    while (used := time.perf_counter() - start) < least:
        function()
        calls += 1
    return used / calls


def in_turn(functions, repeats):
    """Median seconds of each function, timed in turn; one call of each before."""
    for function in functions:
        function()
    times = [[seconds(function) for function in functions] for _ in range(repeats)]
    return [median(column) for column in zip(*times)]


def paper(**changes):
    """Settings of the published article: hidden 8, 16 numbers a bin, frame 150, all layer norms."""
    changes = {"norm_recurrent": True, "tile_rows": 512} | changes
    return HiCLSTMSettings.from_preset("paper", **changes)


class GeneratedTargets:
    """A genome of contact probabilities made up by block, in place of a map."""

    ignore_diags = 2

    def __init__(self, sizes, masked=0.02):
        edges = np.append(0, np.cumsum(list(sizes.values())))
        self._extents = dict(zip(sizes, zip(edges[:-1].tolist(), edges[1:].tolist())))
        self.chromnames = list(sizes)
        rng = np.random.default_rng(0)
        self._mask = rng.random(edges[-1]) < masked
        self._values = rng.random(16 * max(sizes.values()), dtype=np.float32)

    def extent(self, chrom):
        """First and one past the last bin."""
        return self._extents[chrom]

    def mask(self, chrom):
        """Bins without targets."""
        return self._mask[slice(*self.extent(chrom))]

    def block(self, chrom, lo, hi):
        """Targets of the rows [lo, hi): numbers from a fixed stock."""
        n_dist = np.diff(self.extent(chrom))[0] - lo
        stock = self._values[lo % 1000 :]
        band = np.lib.stride_tricks.as_strided(stock, (n_dist, hi - lo), (4 * 13, 4)).copy()
        band[: self.ignore_diags] = np.nan
        return band


def make_tile(settings, n_rows):
    """A model and one tile of n_rows rows and a frame, all pairs known."""
    n = n_rows + settings.architecture.frame
    model = HiCLSTM(settings, n, 1)
    model.reset(0)
    ok = torch.ones(n + settings.architecture.frame + n_rows, dtype=torch.bool)
    if settings.objective.loss == "poisson":
        exposure = torch.full((n, n_rows), 2.0)
        target = (torch.poisson(exposure) / exposure).half()
    else:
        exposure, target = None, (torch.rand(n, n_rows) * 65534).to(torch.int32).to(torch.uint16)
    block = Block(0, 0, n, 0, n_rows, ok[:n_rows], ok, target, exposure)
    return model, Tile(block, 0, settings.architecture.frame, n_rows * settings.architecture.frame)


def contenders(settings, n_rows, backends=("cpu", "reference")):
    """Calls of one training step and one prediction of a tile for each backend.

    The oracle comes twice, with torch's threads and without.
    """
    train, predict = [], []
    for backend in backends:
        model, tile = make_tile(settings, n_rows)
        learner = TileLearner(model, torch.ones(tile.block.n), backend=backend)

        @torch.no_grad()
        def call(model=model, tile=tile, backend=backend):
            R, ok = model.embedding, tile.block.col_ok[: len(model.embedding) - 1]
            model.tile(R[:n_rows], R[:-1], tile.block.row_ok, ok, 0, 0, backend=backend)

        step = TileLearner.step.__wrapped__  # without `kernel_threads_only`
        if backend == "reference":
            train.append(partial(step, learner, tile, 0.0))
            predict.append(call)
        train.append(kernel_threads_only()(partial(step, learner, tile, 0.0)))
        predict.append(kernel_threads_only()(call))
    return train, predict


@numba.njit(nogil=True, error_model="numpy")
def _multiply_add(values, n):
    """10 chains of fused multiply-adds on vectors; n rounds."""
    a = simd.vload(values, 0)
    b, c, d, e, f = a, a, a, a, a
    g, h, i, j = a, a, a, a
    x, y = simd.vload(values, simd.LANES), simd.vload(values, 2 * simd.LANES)
    for _ in range(n):
        a, b, c, d, e = a * x + y, b * x + y, c * x + y, d * x + y, e * x + y
        f, g, h, i, j = f * x + y, g * x + y, h * x + y, i * x + y, j * x + y
    simd.vstore(values, 0, ((a + b) + (c + d)) + ((e + f) + (g + h)) + (i + j))


def machine_peak(n_threads):
    """Measured peak: FLOP/s in float32 and bytes/s of reading and writing memory."""
    rounds = 20_000_000

    def multiply_add(lo, hi):
        _multiply_add(np.full(3 * simd.LANES, 0.5, np.float32), rounds)

    source, target = (np.ones((n_threads, 25_000_000), np.float32) for _ in range(2))

    def copy(lo, hi):
        for k in range(lo, hi):
            np.copyto(target[k], source[k])

    times = in_turn(
        [
            lambda: share(multiply_add, n_threads, n_threads, pieces=1),
            lambda: share(copy, n_threads, n_threads, pieces=1),
        ],
        3,
    )
    return n_threads * rounds * 20 * simd.LANES / times[0], 2 * source.nbytes / times[1]


def work_of_a_pair(hidden, frame=FRAME, n_rows=512):
    """FLOP of a pair forward and in training with all layer norms, and bytes that must move.

    Counted from the code: 8 H^2 for U h and 132 H for norms, gates (an exponential is 18), cell
    and output; training adds 20 H^2 for the products of the backward and 110 H. Bytes: the 16-bit
    target or the float32 output, and P and Q of the tile once each way.
    """
    forward = 8 * hidden**2 + 132 * hidden
    shared = 16 * hidden * (2 * n_rows + frame) / (n_rows * frame)
    return (forward, 4 + shared), (forward + 20 * hidden**2 + 110 * hidden, 2 + 2 * shared)


def time_knockouts(n_bins=CHR21_BINS, reach=200, n_sites=1024, batch=64):
    """Sites a second: knock single bins out and sum what changes within `reach` bins."""
    settings = paper(tile_rows=1024)
    model = HiCLSTM(settings, n_bins, 1)
    model.reset(0)
    direction, R = model.directions[0], model.embedding.detach()
    spec, weights = direction.spec, direction.weights()
    ok = torch.ones(n_bins, dtype=torch.bool)
    sites = torch.arange(reach, n_bins - reach)[:n_sites]

    @torch.no_grad()
    @kernel_threads_only()
    def knock_out(sites, backend):
        P, Q = R @ direction.W_row.T, R @ direction.W_col.T
        effects = torch.zeros(len(sites))
        for first in range(0, len(sites), batch):
            some = sites[first : first + batch]
            lanes = lanes_of_bins(some, n_bins, reach=reach, frame=settings.architecture.frame)
            around = R.unfold(0, 21, 1).mean(2)[some - 10]  # the mean of 10 bins each side
            edits = Edits(some, around @ direction.W_row.T, around @ direction.W_col.T)
            y = lanes_forward(P, Q, weights, spec, lanes, ok, ok, edits=edits, backend=backend)
            change = (torch.sigmoid(y) - wild_type(lanes, len(y))).abs_().sum(0)
            effects[first : first + batch].index_add_(0, lanes.edits, change)
        return effects

    with torch.no_grad():
        zeros = torch.zeros(reach, R.shape[1])
        columns, column_ok = torch.cat([R, zeros]), torch.cat([ok, ok.new_zeros(reach)])
        band = torch.zeros(reach, n_bins)
        for d0 in range(0, reach, settings.architecture.frame):
            length = min(settings.architecture.frame, reach - d0)
            cut = slice(d0, d0 + n_bins + length - 1)
            y = model.tile(R, columns[cut], ok, column_ok[cut], 0, d0)
            band[d0 : d0 + length] = torch.sigmoid(y)
    flat, step = band.flatten(), torch.arange(settings.architecture.frame)[:, None]

    def wild_type(lanes, n_steps):
        distance = (lanes.starts - lanes.rows + step[:n_steps]).clamp(max=reach - 1)
        return flat[distance * n_bins + lanes.rows]

    fused, plain = in_turn(
        [lambda: knock_out(sites, "cpu"), lambda: knock_out(sites[:batch], "reference")], 3
    )
    return n_sites / fused, batch / plain


def curves(repeats=3):
    """Rates over numbers of pairs, hidden sizes and threads: a table of points."""
    rows = []

    def measure(curve, x, settings, n_rows):
        train, predict = contenders(settings, n_rows, backends=("cpu",))
        pairs = n_rows * settings.architecture.frame
        for task, time_of in zip(("train", "predict"), in_turn([*train, *predict], repeats)):
            rows.append({"curve": curve, "x": x, "task": task, "pairs": pairs, "seconds": time_of})

    for n_rows in (400, 1_300, 4_000, 13_000, 40_000):
        measure("pairs", n_rows * FRAME, paper(tile_rows=n_rows), n_rows)
    for hidden in (4, 8, 16, 32, 64, 128):
        n_rows = 2048 if hidden < 64 else 512
        measure("hidden", hidden, paper(hidden_size=hidden, tile_rows=n_rows), n_rows)
    before = torch.get_num_threads()
    for n_threads in sorted({1, 2, *(2**k for k in range(2, 8) if 2**k <= before), before}):
        if n_threads <= before:
            torch.set_num_threads(n_threads)
            measure("threads", n_threads, paper(tile_rows=4096), 4096)
    torch.set_num_threads(before)
    table = pd.DataFrame(rows)
    return table.assign(pairs_per_s=table["pairs"] / table["seconds"])


# --- parts that run as processes of their own -----------------------------------------------------


def part_genome_epoch():
    """One epoch over all pairs of 22 chromosomes at 10 kb, targets generated by block."""
    sizes = pd.read_csv(
        ROOT / "resources" / "hg19" / "chrom.sizes", sep="\t", names=["chrom", "size"]
    )
    autosomes = sizes[sizes["chrom"].str.fullmatch(r"chr\d+")]
    bins = dict(zip(autosomes["chrom"], -(-autosomes["size"] // RESOLUTION)))
    source, settings = GeneratedTargets(bins), paper()
    model = HiCLSTM(settings, sum(bins.values()), len(bins))
    model.reset(0)
    start = time.perf_counter()
    numbers = {chrom: k for k, chrom in enumerate(bins)}
    loader = TileLoader(source, settings, numbers, seed=0, max_target_gb=1.0)
    learner = TileLearner(model, torch.from_numpy(loader.distance_weights()))
    loss = sum(float(learner.step(tile, 0.0)) for tile in loader)
    used = time.perf_counter() - start
    return {"seconds": used, "peak_gb": peak_gb(), "pairs": loader.n_pairs, "loss": loss}


def part_chr21(map_path):
    """Ten epochs of the paper's model on a normalised map, from reading it to the model folder."""
    from chromloom.training.fit import train

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        train(map_path, Path(folder) / "model", paper(epochs=10))
        return {"seconds": time.perf_counter() - start}


def part_eigen_start(n_bins=LARGEST_BINS, observed=0.27):
    """Eigen-start of a chromosome with the observed share of pairs of GM12878 at 10 kb."""
    from chromloom.models.baselines.eig import eigen_representation

    source = GeneratedMap(n_bins, observed)
    before = peak_gb()
    start = time.perf_counter()
    eigen_representation(source, "chr1", 16)
    used = time.perf_counter() - start
    return {"seconds": used, "peak_gb": peak_gb(), "before_gb": before, "pixels": len(source._j)}


class GeneratedMap:
    """A chromosome of two arms with checkered compartments, sparse at far distances."""

    ignore_diags = 2

    def __init__(self, n_bins, observed):
        rng = np.random.default_rng(0)
        self.n = n_bins
        dist = np.arange(n_bins)
        curve = 1 / np.maximum(dist, 1)
        low, high = 0.0, 1e6
        for _ in range(60):  # depth at which the wanted share of pairs has a contact
            scale = (low + high) / 2
            share = ((n_bins - dist) * -np.expm1(-scale * curve)).sum() / (n_bins**2 / 2)
            low, high = (scale, high) if share < observed else (low, scale)
        self._curve = (scale * curve).astype(np.float32)
        side = np.sign(np.sin(2 * np.pi * np.arange(n_bins) / 400) + 0.01).astype(np.float32)
        parts = []
        for i in range(n_bins):
            rate = self._curve[2 : n_bins - i] * np.exp(0.3 * side[i] * side[i + 2 :])
            j = np.flatnonzero(rng.random(len(rate), dtype=np.float32) < -np.expm1(-rate))
            parts.append((j + i + 2).astype(np.int32))
        self._first = np.append(0, np.cumsum([len(part) for part in parts]))
        self._j = np.concatenate(parts)

    def mask(self, chrom):
        """No bin is masked."""
        return np.zeros(self.n, dtype=bool)

    def pixels(self, chrom, lo=0, hi=None):
        """i, j, count, value of the rows [lo, hi)."""
        first = self._first[lo : (self.n if hi is None else hi) + 1]
        j = self._j[first[0] : first[-1]]
        i = np.repeat(np.arange(lo, lo + len(first) - 1, dtype=np.int32), np.diff(first))
        value = np.maximum(self._curve[j - i], 1)
        return pd.DataFrame({"i": i, "j": j, "count": value.astype(np.int32), "value": value})

    def expected(self, chrom):
        """The curve, on both arms and between them."""
        from chromloom.normalize.maps import Expected

        middle, last = self.n // 2 * RESOLUTION, self.n * RESOLUTION
        view = {"chrom": "chr1", "start": [0, middle], "end": [middle, last], "name": ["p", "q"]}
        dist = np.arange(self.n)
        tables = [
            pd.DataFrame({"region1": a, "region2": b, "dist": dist, "expected": self._curve})
            for a, b in ("pp", "pq", "qq")
        ]
        starts = np.arange(self.n) * RESOLUTION
        return Expected(pd.concat(tables), pd.DataFrame(view), chrom, starts, self.mask(chrom), 2)


def run_part(*arguments):
    """Result of a part in a process of its own, with its wall time as `wall`."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, "--part", *arguments], stdout=subprocess.PIPE, check=True
    )
    wall = time.perf_counter() - start
    return json.loads(done.stdout.splitlines()[-1]) | {"wall": wall}


def prepare_chr21(folder):
    """Normalised map of chr21 at 10 kb, from the real map where there is one; None otherwise."""
    data = Path(os.environ.get("CHROMLOOM_REAL_DATA", ROOT.parent / "shared" / "data"))
    source = data / "contacts" / "GM12878_chr21_10kb.cool"
    if not source.exists():
        return None
    from chromloom.contacts.extract import extract_contacts
    from chromloom.genome.assembly import load_assembly
    from chromloom.normalize.normalized import normalize_contacts

    assembly = load_assembly("hg19")
    extract_contacts(
        source, folder / "chr21.mcool", assembly=assembly, resolutions=[RESOLUTION], sample="chr21"
    )
    normalize_contacts(
        folder / "chr21.mcool",
        folder / "chr21.cool",
        sample="chr21",
        resolution=RESOLUTION,
        norm="ICE",
        assembly=assembly,
    )
    return folder / "chr21.cool"


def figures(repeats):
    """All figures, as rows of kernels.json."""
    rows = []

    def add(name, value, unit, baseline=None, *, less_is_better=False):
        ratio = None
        if baseline is not None:
            ratio = baseline / value if less_is_better else value / baseline
        row = {"name": name, "value": value, "unit": unit, "baseline": baseline, "ratio": ratio}
        rows.append(row)
        log(f"{name}: {value:.4g} {unit}" + (f", {ratio:.1f}x the oracle" if ratio else ""))

    n_threads = torch.get_num_threads()
    flops, bandwidth = machine_peak(n_threads)
    add("peak_flops", flops, "FLOP/s")
    add("peak_bandwidth", bandwidth, "B/s")
    train, predict = contenders(paper(), 512)
    wide = contenders(paper(tile_rows=4096), 4096, backends=("cpu",))[1]
    pairs = 512 * FRAME
    fused, fused_predict, *plain = in_turn([train[0], wide[0], *train[1:], *predict[1:]], repeats)
    plain, plain_predict = min(plain[:2]), min(plain[2:])
    rates = pairs / fused, 8 * pairs / fused_predict
    for name, rate, slow, work in zip(
        ("predict", "train"), rates[::-1], (plain_predict, plain), work_of_a_pair(8)
    ):
        add(f"{name}_pairs_per_s", rate, "pairs/s", pairs / slow)
        floor = min(flops / work[0], bandwidth / work[1])
        add(f"{name}_floor", floor, "pairs/s")
        add(f"{name}_share_of_floor", rate / floor, "1")
    oracle = pairs / plain  # pairs/s that the following baselines are computed from
    fused, *plain = in_turn(contenders(HiCLSTMSettings.from_preset("refined"), 512)[0], repeats)
    add("refined_train_pairs_per_s", pairs / fused, "pairs/s", pairs / min(plain))

    fused, plain = time_knockouts()
    add("knockouts_per_min", 60 * fused, "sites/min", 60 * plain)
    with tempfile.TemporaryDirectory() as folder:
        chr21 = prepare_chr21(Path(folder))
        if chr21 is None:
            log("chr21_10_epochs_s: left out, there is no real map")
        else:
            run_part("chr21", str(chr21))  # compiles what is not yet compiled
            result = [run_part("chr21", str(chr21)) for _ in range(3)]
            wall = median(part["wall"] for part in result)
            add("chr21_10_epochs_s", wall, "s", 10 * 6.03e6 / oracle, less_is_better=True)
            add("chr21_10_epochs_training_s", median(p["seconds"] for p in result), "s")
    result = run_part("eigen_start")
    add("eigen_start_s", result["seconds"], "s")
    add("eigen_start_peak_gb", result["peak_gb"], "GB")
    result = run_part("genome_epoch")
    add(
        "genome_epoch_s",
        result["seconds"],
        "s",
        result["pairs"] / oracle,
        less_is_better=True,
    )
    add("genome_peak_gb", result["peak_gb"], "GB")
    add("genome_pairs", result["pairs"], "pairs")
    if torch.cuda.is_available():
        from gpu import measure

        rows.extend(measure())
    return rows


def draw(table, rows, path):
    """Three panels: time against pairs, rate against hidden size, rate against threads."""
    import matplotlib.pyplot as plt

    from chromloom.plotting.style import apply_style

    apply_style()
    figure, axes = plt.subplots(1, 3, figsize=(9, 2.8), layout="constrained")
    labels = {
        "pairs": ("pairs", "seconds"),
        "hidden": ("hidden size", "million pairs/s"),
        "threads": ("threads", "million pairs/s"),
    }
    for ax, (curve, (x_label, y_label)) in zip(axes, labels.items()):
        for task, part in table[table["curve"] == curve].groupby("task", sort=False):
            y = part["seconds"] if curve == "pairs" else part["pairs_per_s"] / 1e6
            ax.plot(part["x"], y, "o-", label=task)
        ax.set(xlabel=x_label, ylabel=y_label)
        if curve != "threads":
            ax.set(xscale="log", yscale="log")
    by_name = {row["name"]: row["value"] for row in rows}
    axes[0].legend()
    axes[0].set_title("cost against pairs")
    axes[1].set_title("hidden 8: " + ", ".join(
        f"{by_name[f'{task}_pairs_per_s'] / 1e6:.0f} M {task}" for task in ("train", "predict")
    ))  # fmt: skip
    axes[2].set_ylim(bottom=0)
    with atomic_path(path) as temporary:
        figure.savefig(temporary)


def log(text):
    """Progress, to the terminal."""
    print(text, file=sys.stderr, flush=True)


def main():
    """Run all, or one part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "bench")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--part", nargs="+", help="one part: its result as JSON")
    arguments = parser.parse_args()
    if arguments.part:
        name, *rest = arguments.part
        print(json.dumps(globals()[f"part_{name}"](*rest)))
        return
    logging.getLogger("numba").setLevel(logging.WARNING)
    start = time.perf_counter()
    rows = figures(arguments.repeats)
    table = curves()
    write_json(rows, arguments.out / "kernels.json")
    write_tsv(table, arguments.out / "curves.tsv")
    draw(table, rows, arguments.out / "kernels.png")
    shown = pd.DataFrame(rows)
    shown["to reach"] = shown["name"].map(TARGETS).fillna("")
    print(shown.to_string(index=False, float_format="{:,.4g}".format, na_rep=""))
    print(table.to_string(index=False, float_format="{:,.4g}".format))
    log(f"{torch.get_num_threads()} threads, {time.perf_counter() - start:.0f} s in all")


if __name__ == "__main__":
    main()
