"""Maps from sequence alone: yeast in G1 at 2 kb, chromosomes that were not seen."""

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from chromloom.contacts.extract import extract_contacts
from chromloom.genome.assembly import load_assembly
from chromloom.models.pairs.settings import PairSettings
from chromloom.models.registry import model_settings
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.normalized import normalize_contacts
from chromloom.sequence.fasta import Genome, write_genome
from chromloom.sequence.features import SequenceFeatures
from chromloom.signals.features import BinInputs
from chromloom.training.pairs import fit_pairs
from chromloom.training.splits import split_chromosomes
from chromloom.training.stretches import read_stretches

STRATA = [(2, 5), (5, 10), (10, 25), (25, 50), (50, 128)]
"""Distances in bins, half-open."""


@pytest.fixture(scope="module")
def yeast(real_data, repo_root, tmp_path_factory):
    """The normalised map and the sequence."""
    folder = tmp_path_factory.mktemp("yeast")
    assembly = load_assembly(repo_root / "config" / "yeast" / "R64.chrom.sizes")
    raw = real_data / "contacts" / "yeast_G1_2kb.cool"
    named = {"sample": "G1", "assembly": assembly}
    extract_contacts(raw, folder / "m.mcool", resolutions=[2000], length_tolerance=10_000, **named)
    path = folder / "G1.2000.ICE.cool"
    normalize_contacts(folder / "m.mcool", path, resolution=2000, norm="ICE", **named)
    fasta = real_data / "sequence" / "sacCer3_R64-1-1.fa.gz"
    write_genome(fasta, folder / "R64.fa.gz", assembly.chromsizes)
    return NormalizedMap(path), Genome(folder / "R64.fa.gz")


def smoothed(observed, chrom, expected):
    """log O/E of raw counts over 3 x 3 bins as a band, (128, n), NaN where masked."""
    mask = observed.mask(chrom)
    first, last = observed.extent(chrom)
    n, weight = last - first, observed.bins["weight"].to_numpy(float)[first:last]
    pixels, counts = observed.pixels(chrom), np.zeros((last - first,) * 2)
    counts[pixels["i"], pixels["j"]] = counts[pixels["j"], pixels["i"]] = pixels["count"]
    dist = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    pairs = ~mask & ~mask[:, None] & (dist >= 2) & (dist < len(expected))
    mean = expected[dist.clip(max=len(expected) - 1)] / np.multiply.outer(weight, weight)
    seen, mean = (9 * uniform_filter(np.where(pairs, x, 0.0), 3) for x in (counts, mean))
    ratio = np.where(pairs, np.log((seen + 0.5) / (mean + 0.5)), np.nan)
    band = np.full((len(expected), n), np.nan)
    for d in range(min(len(band), n)):
        band[d, : n - d] = np.diagonal(ratio, d)
    return band


def test_chromosomes_are_predicted_from_sequence_alone(yeast):
    observed, genome = yeast
    assert genome.read("I", 0, 5).tolist() == [1, 1, 0, 1, 0]  # CCACA
    sizes = observed.bins.chromsizes[observed.chromnames]
    split = split_chromosomes(sizes, test=["VII", "XVI"], validation=["I", "V", "XII"])
    read = BinInputs(2000, genome=genome, sequence=SequenceFeatures(kmers=2, orfs=300))
    stretches, constants = read_stretches({"G1": observed}, {"G1": read}, split, 128)
    settings: PairSettings = model_settings("pairs-ridge", n_pairs=20_000)
    tensors, _ = fit_pairs(stretches, settings, mirrored=read.mirrored, seed=1)
    from chromloom.models.pairs.fitted import Ridge

    fitted = Ridge(tensors, 128)
    scores = []
    for chrom in ("VII", "XVI"):
        target = smoothed(observed, chrom, constants.expected)
        inputs = constants.prepare(read.read(chrom, target.shape[1]))
        pairs = list(zip(fitted.log_ratio(inputs), target))
        both = [np.concatenate(pairs[lo:hi], axis=1) for lo, hi in STRATA]
        both = [x[:, np.isfinite(x).all(axis=0)] for x in both]
        scores.append([np.corrcoef(x)[0, 1] for x in both])
    mean = np.mean(scores, axis=0)
    assert (mean > [0.35, 0.30, 0.25, 0.15, 0.10]).all(), mean.round(3)
