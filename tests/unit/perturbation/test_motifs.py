"""Motifs mutated and turned round in the sequence that Akita reads."""

import numpy as np
import pandas as pd
import pytest
import torch

from chromloom.cli import main
from chromloom.errors import InputError
from chromloom.normalize.maps import NormalizedMap
from chromloom.perturbation.motifs import (
    invert_sites,
    mutate_motifs,
    randomise_sites,
    rank_motifs,
)
from chromloom.prediction.akita import apply_akita
from chromloom.prediction.observed import DistanceMean
from chromloom.prediction.open import open_source
from chromloom.sequence.fasta import reverse_complement
from chromloom.training.akita import train_akita
from chromloom.training.splits import split_chromosomes


@pytest.fixture(scope="module")
def run_dir(tiny_map_path, tiny_genome_path, tiny_akita, tiny_assembly, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mutated")
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


@pytest.fixture(scope="module")
def source(run_dir, tiny_map_path):
    return open_source(run_dir, tiny_map_path, name="mine")


def test_sites_are_drawn_anew_and_the_rest_is_kept():
    codes = np.tile(np.arange(5, dtype=np.uint8), 40)
    changed = randomise_sites(codes, [(20, 40), (100, 119)], np.random.default_rng(0))
    inside = np.zeros(200, bool)
    inside[20:40] = inside[100:119] = True
    np.testing.assert_array_equal(changed[~inside], codes[~inside])
    assert (changed[inside] < 4).all()
    assert (changed[inside] != codes[inside]).sum() > 15


def test_overlapping_sites_are_turned_round_as_one():
    codes = np.random.default_rng(0).integers(0, 4, 60, dtype=np.uint8)
    changed = invert_sites(codes, [(30, 40), (5, 15), (10, 20)])
    np.testing.assert_array_equal(changed[5:20], reverse_complement(codes[5:20]))
    np.testing.assert_array_equal(changed[30:40], reverse_complement(codes[30:40]))
    np.testing.assert_array_equal(changed[20:30], codes[20:30])
    np.testing.assert_array_equal(invert_sites(changed, [(5, 20), (30, 40)]), codes)


def test_motifs_are_ranked_by_what_their_loss_disrupts(source):
    sites = pd.DataFrame(
        [("chr3", start, start + 500, "long") for start in range(20_000, 280_000, 1_000)]
        + [("chr3", 41_000, 41_004, "short"), ("chr1", 1_000, 1_010, "elsewhere")],
        columns=["chrom", "start", "end", "name"],
    )
    table = mutate_motifs(source, sites, draws=2)
    size = source.fitted("chr3").settings.size
    assert set(table["chrom"]) == {"chr3"}
    assert (table["end"] - table["start"]).eq(size * 10_000).all()
    ranked = rank_motifs(table).set_index("name")
    assert ranked.index[0] == "long"
    assert ranked.loc["long", "disruption"] > ranked.loc["short", "disruption"] >= 0
    assert ranked.loc["elsewhere", "n_sites"] == 0
    assert ranked.loc["elsewhere", "disruption"] == 0
    first = table[(table["start"] == 0) & (table["name"] == "long")].iloc[0]
    codes = source.read("chr3", -20_000, 160_000)
    inside = sites[(sites["name"] == "long") & (sites["end"] <= 140_000)]
    places = (inside[["start", "end"]].to_numpy() + 20_000).tolist()
    i, j = np.triu_indices(size, 2)
    with torch.no_grad():
        a, b = (
            source.fitted("chr3").network(torch.as_tensor(c)[None])[0, 0].numpy()[i, j]
            for c in (codes, invert_sites(codes, places))
        )
    assert first["n_sites"] == len(places)
    assert first["signal"] == pytest.approx((a**2).mean(), rel=1e-3)
    assert first["inverted_disruption"] == pytest.approx(((a - b) ** 2).mean(), rel=1e-2)


def test_the_command_writes_windows_and_ranks(source, run_dir, tmp_path):
    (tmp_path / "sites.bed").write_text(
        "chr3\t50000\t50019\tCTCF\t9\t+\nchr3\t60000\t60400\tother\t9\t-\n"
    )
    out = tmp_path / "motifs.tsv"
    assert (
        main(["mutate", str(run_dir), str(tmp_path / "sites.bed"), str(out), "--draws", "1"]) == 0
    )
    assert set(pd.read_table(out)["chrom"]) == {"chr3"}
    ranked = pd.read_table(out.with_suffix(".ranked.tsv"))
    assert sorted(ranked["name"]) == ["CTCF", "other"]
    assert ranked["disruption"].is_monotonic_decreasing


def test_what_is_not_predicted_from_sequence_is_refused(source, tiny_map_path):
    sites = pd.DataFrame({"chrom": ["chr3"], "start": [5], "end": [9], "name": ["x"]})
    with pytest.raises(InputError, match="does not predict chr9"):
        mutate_motifs(source, sites, chroms=["chr9"])
    with pytest.raises(InputError, match="reads no sequence"):
        mutate_motifs(DistanceMean(NormalizedMap(tiny_map_path)), sites)
