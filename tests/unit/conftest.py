"""Tiny maps that several rooms test on."""

from collections.abc import Callable
from pathlib import Path

import cooler
import h5py
import numpy as np
import pandas as pd
import pytest
import torch

CHROMSIZES = {"chr1": 1_195_000, "chr2": 800_000, "chr3": 300_000}


@pytest.fixture(scope="session")
def make_counts() -> Callable[..., cooler.Cooler]:
    """Write a raw .cool of Poisson counts: P(s) of a polymer, two compartments, bin biases."""

    def make(
        path: Path,
        *,
        chromsizes: dict[str, int] = CHROMSIZES,
        resolution: int = 10_000,
        depth: float = 40.0,
        empty: tuple[int, ...] = (5, 6, 30),
        seed: int = 0,
    ) -> cooler.Cooler:
        """`depth`: mean count of neighbours; `empty`: bins of each chromosome without contacts."""
        rng = np.random.default_rng(seed)
        bins = cooler.util.binnify(pd.Series(chromsizes), resolution)
        pixels, first = [], 0
        for size in bins.groupby("chrom", sort=False, observed=True).size():
            i, j = np.triu_indices(size)
            side = np.sign(np.sin(2 * np.pi * np.arange(size) / 24) + 0.01)
            bias = rng.uniform(0.6, 1.6, size)
            bias[[b for b in empty if b < size]] = 0
            mean = depth / (1 + j - i) * np.exp(0.4 * side[i] * side[j]) * bias[i] * bias[j]
            pixels.append(pd.DataFrame({"bin1_id": i + first, "bin2_id": j + first, "mean": mean}))
            first += size
        pixels = pd.concat(pixels)
        a, b = np.triu_indices(first)
        chrom = pd.Categorical(bins["chrom"]).codes
        trans = chrom[a] != chrom[b]
        pixels = pd.concat(
            [pixels, pd.DataFrame({"bin1_id": a[trans], "bin2_id": b[trans], "mean": 0.02})]
        )
        pixels["count"] = rng.poisson(pixels.pop("mean"))
        pixels = pixels[pixels["count"] > 0].sort_values(["bin1_id", "bin2_id"])
        cooler.create_cooler(str(path), bins, pixels, dtypes={"count": np.int32})
        return cooler.Cooler(str(path))

    return make


@pytest.fixture(scope="session")
def tiny_map_path(make_counts, tmp_path_factory) -> Path:
    """A normalised map (weights are random, not balanced) of 120 + 80 + 30 bins of 10 kb.

    chr1 has two arms; bins 5, 6 and 30 of each chromosome are masked.
    """
    from chromloom.normalize.normalized import write_normalized

    folder = tmp_path_factory.mktemp("tiny")
    clr = make_counts(folder / "counts.cool")
    bins = clr.bins()[:]
    number = bins.groupby("chrom", sort=False, observed=True).cumcount()
    weights = np.random.default_rng(1).uniform(0.8, 1.2, len(bins))
    weights[number.isin([5, 6, 30])] = np.nan
    arms = [["chr1", 0, 500_000, "chr1_p"], ["chr1", 500_000, 1_195_000, "chr1_q"]]
    view_df = pd.DataFrame(arms, columns=["chrom", "start", "end", "name"])
    path = folder / "tiny.10000.ICE.cool"
    write_normalized(
        clr, weights, path, sample="tiny", norm="ICE", assembly="tiny", view_df=view_df
    )
    return path


@pytest.fixture(scope="session")
def tiny_model_dir(tiny_map_path, tmp_path_factory) -> Callable[..., Path]:
    """Write a model of the tiny map with random weights and representations, untrained."""
    from chromloom.models.hiclstm.module import HiCLSTM
    from chromloom.models.hiclstm.settings import HiCLSTMSettings
    from chromloom.models.registry import model_named
    from chromloom.models.trained import write_model
    from chromloom.normalize.maps import NormalizedMap

    def make(preset: str = "refined", seed: int = 0, **overrides) -> Path:
        import torch

        torch.set_num_threads(1)  # threads only cost where everything is tiny
        observed = NormalizedMap(tiny_map_path)
        defaults = {"embedding_dim": 4, "hidden_size": 4, "frame": 20}
        settings = HiCLSTMSettings.from_preset(preset, **{**defaults, **overrides})
        module = HiCLSTM(settings, len(observed.bins), len(observed.clr.chromnames))
        module.reset(seed)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for direction in module.directions:
                direction.w.normal_(generator=generator)
            if module.S is not None:
                module.S.normal_(generator=generator).mul_(0.1)
            if module.barrier is not None:
                module.barrier.normal_(generator=generator).mul_(0.1)
        folder = tmp_path_factory.mktemp("model") / "model"
        config = {
            "model": model_named(preset),
            "settings": settings.to_dict(),
            "sample": "tiny",
            "assembly": "tiny",
            "norm": "ICE",
            "resolution": observed.resolution,
            "ignore_diags": observed.ignore_diags,
            "seed": seed,
            "device": "cpu",
        }
        recalibration = torch.linspace(1.0, 1.2, 120)
        write_model(
            folder,
            {**module.state_dict(), "recalibration": recalibration},
            config,
            bins=observed.bins,
            expected=observed.expected_table,
            history=pd.DataFrame(),
        )
        return folder

    return make


@pytest.fixture(scope="session")
def tiny_released_dir(tiny_map_path, tmp_path_factory) -> Path:
    """A model of preset `released` of the tiny map, untrained: it knows which pairs were read."""
    from chromloom.models.hiclstm.settings import HiCLSTMSettings
    from chromloom.training.fit import train

    folder = tmp_path_factory.mktemp("released") / "model"
    settings = HiCLSTMSettings.from_preset("released", frame=20, embedding_dim=3, epochs=1)
    train(tiny_map_path, folder, settings, seed=2, device="cpu")
    return folder


@pytest.fixture(scope="session")
def tiny_signals_path(tmp_path_factory) -> Path:
    """Signals of the tiny map in bins of 1 kb: its compartments with noise, and stranded motifs."""
    from chromloom.genome.assembly import Assembly
    from chromloom.signals.sheet import SignalSource
    from chromloom.signals.write import bin_signals

    folder = tmp_path_factory.mktemp("signals")
    rng = np.random.default_rng(0)
    marks, motifs = [], []
    for chrom, size in CHROMSIZES.items():
        for start in range(0, size, 10_000):
            end = min(start + 10_000, size)
            high = np.sin(2 * np.pi * (start // 10_000) / 24) + 0.01 > 0
            marks.append((chrom, start, end, round(rng.gamma(2) + 3 * high, 3)))
            if end - start == 10_000 and rng.random() < 0.2:
                motifs.append((chrom, start + 500, start + 519, "CTCF", 7, rng.choice(["+", "-"])))
    for name, rows in {"mark.bedGraph": marks, "motifs.bed": motifs}.items():
        pd.DataFrame(rows).to_csv(folder / name, sep="\t", header=False, index=False)
    sources = [
        SignalSource("mark", "A", str(folder / "mark.bedGraph"), format="bedgraph"),
        SignalSource("CTCF", "A", str(folder / "motifs.bed"), format="motifs"),
    ]
    none = pd.DataFrame(columns=["chrom", "start", "end"]).astype({"start": int, "end": int})
    assembly = Assembly("tiny", pd.Series(CHROMSIZES), none, none)
    bin_signals(sources, assembly, folder / "A.1000.h5", bin_size=1000)
    return folder / "A.1000.h5"


@pytest.fixture(scope="session")
def write_tiny_genome(tmp_path_factory) -> Callable[..., Path]:
    """Write random bases, a tenth of them N, as `sequence.fasta.write_genome` does."""
    from chromloom.sequence.fasta import write_genome

    def make(chromsizes: dict[str, int] = CHROMSIZES) -> Path:
        folder = tmp_path_factory.mktemp("sequence")
        rng = np.random.default_rng(0)
        letters = np.frombuffer(b"ACGTACGTACGTN", np.uint8)
        with (folder / "tiny.fa").open("wb") as file:
            for chrom, size in chromsizes.items():
                bases = letters[rng.integers(0, len(letters), size)]
                file.write(f">{chrom}\n".encode() + bases.tobytes() + b"\n")
        write_genome(folder / "tiny.fa", folder / "tiny.fa.gz", pd.Series(chromsizes))
        return folder / "tiny.fa.gz"

    return make


@pytest.fixture(scope="session")
def tiny_genome_path(write_tiny_genome) -> Path:
    """Sequence of the tiny map."""
    return write_tiny_genome()


@pytest.fixture(scope="session")
def tiny_assembly():
    """Assembly of the tiny map, without centromeres."""
    from chromloom.genome.assembly import Assembly

    none = pd.DataFrame(columns=["chrom", "start", "end"]).astype({"start": int, "end": int})
    return Assembly("tiny", pd.Series(CHROMSIZES), none, none)


@pytest.fixture(scope="session")
def tiny_akita() -> dict:
    """Options of `akita-small` for bins of 10 kb that train in a second."""
    return {
        "window": 16,
        "crop": 2,
        "filters": 3,
        "kernel": 3,
        "tower_kernel": 3,
        "widest_pool": 100,
        "residual_filters": 3,
        "residual_blocks": 1,
        "bottleneck": 3,
        "pair_filters": 3,
        "pair_residual_filters": 3,
        "pair_blocks": 1,
        "start": "random",
        "frozen": False,
        "stride": 12,
        "epochs": 2,
        "batch_size": 4,
    }


@pytest.fixture(scope="session")
def write_keras():
    """Write weights of Akita as Keras does."""

    def write(path, network: torch.nn.Module, *, first=0, drop=(), group="") -> None:
        """A file as Keras writes it: `{layer}/{layer}/{weight}:0`, layers numbered from `first`."""
        counts: dict[str, int] = {}
        with h5py.File(path, "w") as file:
            for name, module in network.named_modules():
                if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                    kind, weights = (
                        "batch_normalization",
                        {
                            "gamma": module.weight,
                            "beta": module.bias,
                            "moving_mean": module.running_mean,
                            "moving_variance": module.running_var,
                        },
                    )
                elif name == "head":
                    kind = "dense"
                    weights = {"kernel": module.weight[:, :, 0, 0].T, "bias": module.bias}
                elif isinstance(module, torch.nn.Conv1d):
                    kind, weights = "conv1d", {"kernel": module.weight.permute(2, 1, 0)}
                elif isinstance(module, torch.nn.Conv2d):
                    kind, weights = "conv2d", {"kernel": module.weight.permute(2, 3, 1, 0)}
                else:
                    continue
                number = counts.get(kind, first)
                counts[kind] = number + 1
                layer = kind if number == 0 else f"{kind}_{number}"
                if layer in drop:
                    continue
                for weight, tensor in weights.items():
                    file[f"{group}{layer}/{layer}/{weight}:0"] = tensor.detach().numpy()
            file["optimizer_weights/SGD/conv1d/kernel:0"] = np.zeros(3)

    return write


@pytest.fixture(scope="session")
def tiny_akita_run(
    tiny_map_path, tiny_genome_path, tiny_akita, tiny_assembly, tmp_path_factory
) -> Path:
    """Run of a network of bases on the tiny map, which held chr3 out."""
    from chromloom.prediction.akita import apply_akita
    from chromloom.training.akita import train_akita
    from chromloom.training.splits import split_chromosomes

    folder = tmp_path_factory.mktemp("akita")
    split = split_chromosomes(tiny_assembly.chromsizes, test=["chr3"])
    train_akita(
        "akita-small", [tiny_map_path], [], split, folder / "0", genome_path=tiny_genome_path,
        max_distance=80_000, options={**tiny_akita, "epochs": 1},
    )  # fmt: skip
    apply_akita(
        [folder / "0"], None, tiny_assembly, folder / "run", genome_path=tiny_genome_path,
        sample="tiny", norm="ICE", predictor="mine",
    )  # fmt: skip
    return folder / "run"


@pytest.fixture(scope="session")
def tiny_akita_source(tiny_akita_run, tiny_map_path):
    """The same, opened."""
    from chromloom.prediction.open import open_source

    return open_source(tiny_akita_run, tiny_map_path, name="mine")
