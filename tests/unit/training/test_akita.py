"""Training of Akita: what windows hold, and that nothing of a test chromosome is learnt."""

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from chromloom.errors import InputError
from chromloom.models.akita.module import Akita
from chromloom.models.akita.settings import AkitaSettings
from chromloom.models.predictor import Predictor
from chromloom.models.registry import model_settings
from chromloom.normalize.maps import NormalizedMap
from chromloom.sequence.ctcf import CTCF_COUNTS
from chromloom.sequence.fasta import Genome
from chromloom.training.akita import (
    AROUND,
    REACH,
    Learning,
    Windows,
    contacts_across,
    start_from_motif,
    train_akita,
)
from chromloom.training.base_targets import BaseTargets, write_base_targets
from chromloom.training.splits import split_chromosomes


@pytest.fixture(scope="module")
def split(tiny_map_path):
    sizes = NormalizedMap(tiny_map_path).bins.chromsizes
    return split_chromosomes(sizes, test=["chr2"], validation=["chr3"])


@pytest.fixture(scope="module")
def observed(tiny_map_path):
    return NormalizedMap(tiny_map_path)


@pytest.fixture
def windows(tiny_map_path, tiny_genome_path, split, tiny_akita, tmp_path):
    def make(*, validation=False, **options):
        own = {**tiny_akita, **options}
        path = tmp_path / "targets.h5"
        write_base_targets(
            "akita-small", [tiny_map_path], split, path, genome_path=tiny_genome_path, options=own
        )
        settings = model_settings("akita-small", **own)
        return Windows(
            Genome(tiny_genome_path), BaseTargets(path), settings, seed=1, validation=validation
        )

    return make


def test_a_window_holds_its_sequence_and_its_counts(windows, observed, tiny_genome_path):
    own = windows(shift=0, mirror=False, wander=False, stride=12)
    for number in (0, 3, len(own) - 1):
        chrom, first, _ = own.places[number]
        codes, turned, values, log_mean = own[number]
        assert not turned
        start = (first - 2) * 10_000
        np.testing.assert_array_equal(
            codes, Genome(tiny_genome_path).read(chrom, start, start + 160_000)
        )
        matrix = observed.clr.matrix(balance=False).fetch(chrom)
        masked = observed.mask(chrom)
        weight = observed.bins["weight"].to_numpy()[slice(*observed.extent(chrom))]
        for pair in range(0, values.shape[1], 7):
            i = first + own.i[pair]
            j = i + own.dist[pair]
            if masked[i] or masked[j]:
                assert values[0, pair].isnan()
                continue
            assert values[0, pair] == matrix[i, j]
            expected = np.log(own.store.expected[0, j - i]) - np.log(weight[i] * weight[j])
            assert log_mean[0, pair] == pytest.approx(expected, rel=1e-5)


def test_epochs_draw_strands_shifts_and_places_anew_and_validation_does_not(windows):
    own = windows()
    first, again = own[1], own[1]
    assert all(torch.equal(a, b) for a, b in zip(first, again) if not a.isnan().any())
    seen = set()
    for epoch in range(8):
        own.set_epoch(epoch)
        codes, turned, _, _ = own[1]
        seen.add((bytes(codes[:50].numpy()), bool(turned)))
    assert len(seen) == 8
    assert {turned for _, turned in seen} == {True, False}
    still = windows(validation=True)
    before = still[0]
    still.set_epoch(5)
    assert torch.equal(still[0][0], before[0])
    assert {chrom for chrom, _, _ in own.places} == {"chr1"}
    assert {chrom for chrom, _, _ in still.places} == {"chr3"}


@pytest.mark.parametrize("loss", ["mse", "poisson"])
def test_training_writes_a_predictor_and_gains_on_validation(
    tiny_map_path, tiny_genome_path, tiny_akita, split, tmp_path, loss
):
    train_akita(
        "akita-small", [tiny_map_path, tiny_map_path], [], split, tmp_path / "out",
        genome_path=tiny_genome_path, max_distance=90_000, seed=2,
        options={**tiny_akita, "loss": loss, "epochs": 12},
    )  # fmt: skip
    history = pd.read_csv(tmp_path / "out" / "history.tsv", sep="\t")
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    own = Predictor.load(tmp_path / "out")
    assert own.config["n_distances"] == 10 == len(own.constants.expected)
    assert own.inputs["samples"] == ["tiny", "tiny"]
    assert len(own.tensors["head.weight"]) == 2
    assert own.fitted().network.bin_size == 10_000


def test_published_weights_take_the_place_of_training(
    tiny_map_path, tiny_genome_path, tiny_akita, split, tmp_path, write_keras
):
    options = {**tiny_akita, "heads": [1]}
    published = Akita(model_settings("akita-small", **options), 10_000, 2)
    write_keras(tmp_path / "model.h5", published)
    train_akita(
        "akita-small", [tiny_map_path], [], split, tmp_path / "out", genome_path=tiny_genome_path,
        max_distance=90_000, options=options, weights=tmp_path / "model.h5",
    )  # fmt: skip
    own = Predictor.load(tmp_path / "out").fitted().network
    codes = torch.randint(0, 4, (1, 160_000), dtype=torch.uint8)
    turned = torch.zeros(1, dtype=torch.bool)
    with torch.no_grad():
        torch.testing.assert_close(own(codes, turned), published.eval()(codes, turned)[:, [1]])
    assert pd.read_csv(tmp_path / "out" / "history.tsv", sep="\t").empty


def test_pairs_that_no_window_holds_whole_are_not_predicted(
    tiny_map_path, tiny_genome_path, tiny_akita, split, tmp_path
):
    train_akita(
        "akita-small", [tiny_map_path], [], split, tmp_path, genome_path=tiny_genome_path,
        max_distance=5_000_000, options={**tiny_akita, "epochs": 1},
    )  # fmt: skip
    settings = model_settings("akita-small", **tiny_akita)
    assert Predictor.load(tmp_path).config["n_distances"] == settings.n_distances == 10


def test_contacts_of_the_test_chromosome_change_no_bit(
    tiny_map_path, tiny_genome_path, tiny_akita, split, tmp_path, altered_map
):
    states = []
    for name, path in (
        ("plain", tiny_map_path),
        ("test", altered_map("chr2")),
        ("train", altered_map("chr1")),
    ):
        train_akita(
            "akita-small", [path], [], split, tmp_path / name, genome_path=tiny_genome_path,
            max_distance=90_000, options={**tiny_akita, "epochs": 1},
        )  # fmt: skip
        states.append(load_file(tmp_path / name / "model.safetensors"))
    plain, other, trained = states
    assert all(torch.equal(plain[name], other[name]) for name in plain)
    assert not all(torch.equal(plain[name], trained[name]) for name in plain)


def test_first_filters_begin_as_a_motif_on_both_strands(tiny_akita):
    settings = AkitaSettings.of("akita-small", **{**tiny_akita, "kernel": 21})
    network = Akita(settings, 10_000, 1)
    start_from_motif(network, CTCF_COUNTS)
    forward, reverse = network.tower[0].conv.weight[:2]
    torch.testing.assert_close(reverse, forward.flip(0, 1))
    assert (forward[:, 1:20].argmax(0).numpy() == CTCF_COUNTS.argmax(0)).mean() == 1
    torch.testing.assert_close(network.tower[1].conv.weight[0, 0], torch.tensor([0.0, 1.0, 0.0]))
    assert network.tower[1].conv.weight[:2].count_nonzero() == 2
    with pytest.raises(InputError, match="needs kernel=19 or more"):
        start_from_motif(Akita(AkitaSettings.of("x", **tiny_akita), 10_000, 1), CTCF_COUNTS)


@pytest.mark.parametrize("loss", ["mse", "poisson"])
def test_a_window_without_a_known_pair_costs_nothing_and_changes_nothing(
    tiny_akita, loss, tiny_genome_path
):
    settings = model_settings("akita-small", **{**tiny_akita, "loss": loss})
    network = Learning(settings, 10_000, 1, 2)
    codes = torch.as_tensor(Genome(tiny_genome_path).read("chr1", 0, 160_000))[None]
    pairs = torch.full((1, 1, len(network.i)), torch.nan)
    cost = network.loss((codes, torch.tensor([False]), pairs, pairs.nan_to_num()))
    cost.backward()
    assert cost.item() == 0
    assert all(p.grad is None or not p.grad.any() for p in network.parameters())


def test_windows_wander_within_their_chromosome(windows):
    own = windows(wander=True, mirror=False, shift=0, stride=12)
    last = max(number for number, (chrom, _, _) in enumerate(own.places) if chrom == "chr1")
    still = windows(wander=False, mirror=False, shift=0, stride=12)[last]
    for epoch in range(3):
        own.set_epoch(epoch)
        assert torch.equal(own[last][0], still[0])


def test_a_frozen_first_convolution_keeps_its_values_and_the_others_learn(
    tiny_map_path, tiny_genome_path, tiny_akita, split, tmp_path
):
    options = {**tiny_akita, "kernel": 19, "start": "ctcf", "frozen": True, "epochs": 1}
    train_akita(
        "akita-small", [tiny_map_path], [], split, tmp_path, genome_path=tiny_genome_path,
        max_distance=90_000, options=options, seed=4,
    )  # fmt: skip
    torch.manual_seed(4)
    begun = Akita(model_settings("akita-small", **options), 10_000, 1)
    start_from_motif(begun, CTCF_COUNTS)
    trained = Predictor.load(tmp_path).tensors
    assert torch.equal(trained["tower.0.conv.weight"], begun.tower[0].conv.weight)
    assert not torch.equal(trained["tower.1.conv.weight"], begun.tower[1].conv.weight)


def test_contacts_across_a_bin_are_those_that_train(
    observed, tiny_map_path, tiny_genome_path, tiny_akita, tmp_path
):
    split = split_chromosomes(observed.bins.chromsizes, test=["chr2"])  # the end of chr1 validates
    write_base_targets("akita-small", [tiny_map_path], split, tmp_path / "t.h5",
                       genome_path=tiny_genome_path, options=tiny_akita)  # fmt: skip
    with BaseTargets(tmp_path / "t.h5") as store:
        across, counts = contacts_across(store, "chr1"), store.counts("chr1", 0, 10_000)
        weight, validates = store.log_weight["chr1"][0], store.validates["chr1"]
        n, looked, raw = len(across), [], np.zeros(len(across))
        for b in range(n):
            total = mean = 0.0
            for i in range(max(b - REACH, 0), b):
                for j in range(max(b + 1, i + store.ignore_diags), min(b + REACH + 1, n)):
                    known = j - i < counts.shape[1] and np.isfinite(counts[0, j - i, i])
                    if known and not validates[i] and not validates[j]:
                        total += counts[0, j - i, i]
                        mean += store.expected[0, j - i] * np.exp(-weight[i] - weight[j])
            looked.append(mean >= 10 and not validates[b])
            raw[b] = np.log((total + 0.5) / (mean + 0.5))
    assert 0 < sum(looked) < n
    assert validates.any()
    np.testing.assert_array_equal(np.isfinite(across), looked)
    b = int(np.flatnonzero(looked)[sum(looked) // 2])
    near = np.arange(b - AROUND // 2, b + AROUND // 2 + 1)
    near = np.where(near < 0, -near - 1, np.where(near >= n, 2 * n - 1 - near, near))
    near = near[np.array(looked)[near]]
    assert across[b] == pytest.approx(raw[b] - raw[near].mean(), abs=1e-5)


def test_first_filters_begin_as_the_motif_that_contacts_tell(
    tiny_map_path, tiny_genome_path, tiny_akita, split, tmp_path, monkeypatch
):
    asked = []
    monkeypatch.setattr(
        "chromloom.training.akita.discover_motif",
        lambda bases, size, *, width: asked.append((len(bases), size, width)) or CTCF_COUNTS,
    )
    options = {**tiny_akita, "kernel": 19, "frozen": True, "epochs": 1}
    for start in ("contacts", "ctcf"):
        train_akita(
            "akita-small", [tiny_map_path], [], split, tmp_path / start, seed=4,
            genome_path=tiny_genome_path, max_distance=90_000, options={**options, "start": start},
        )  # fmt: skip
    own, given = (Predictor.load(tmp_path / start).tensors for start in ("contacts", "ctcf"))
    assert torch.equal(own["tower.0.conv.weight"], given["tower.0.conv.weight"])
    assert asked == [(len(set(split["chrom"][split["role"] != "test"])), 10_000, 19)]
    with pytest.raises(InputError, match="start=contacts reads counts; expected loss=poisson"):
        model_settings("akita-small", start="contacts", loss="mse")


def test_what_other_predictors_read_is_refused(
    tiny_map_path, tiny_genome_path, tiny_akita, split, tmp_path
):
    with pytest.raises(InputError, match="reads the bases of the sequence alone"):
        train_akita("akita-small", [tiny_map_path], [], split, tmp_path, sequence={"kmers": 2},
                    genome_path=tiny_genome_path, max_distance=90_000)  # fmt: skip


def test_a_sequence_of_another_assembly_is_refused(
    tiny_map_path, tiny_akita, split, tmp_path, write_tiny_genome
):
    path = write_tiny_genome({"chr1": 1_195_000, "chr2": 800_000, "chr3": 250_000})
    with pytest.raises(InputError, match=r"chr3 has 250,000 bp, in .* 300,000"):
        train_akita("akita-small", [tiny_map_path], [], split, tmp_path, genome_path=path,
                    max_distance=90_000, options=tiny_akita)  # fmt: skip
