"""Akita applied to a sample, as a map source that can be edited."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch

from chromloom.edits.bins import lay_out
from chromloom.edits.edit import Edit
from chromloom.errors import CheckpointError, InputError
from chromloom.genome.assembly import Assembly
from chromloom.models.akita.fitted import FittedAkita
from chromloom.normalize.maps import NormalizedMap
from chromloom.perturbation.predict import predict_edit
from chromloom.prediction.akita import AkitaMap, apply_akita
from chromloom.prediction.open import open_source
from chromloom.prediction.source import lay_out_for
from chromloom.sequence.fasta import Genome, N, reverse_complement
from chromloom.training.akita import train_akita
from chromloom.training.splits import split_chromosomes
from chromloom.variants.score import predict_variant, score_variant
from chromloom.variants.scores import score_prediction

NONE = pd.DataFrame(columns=["chrom", "start", "end"]).astype({"start": int, "end": int})
NAMED = {"sample": "tiny", "norm": "ICE", "predictor": "mine"}


@pytest.fixture(scope="module")
def assembly(tiny_map_path):
    return Assembly("tiny", NormalizedMap(tiny_map_path).bins.chromsizes, NONE, NONE)


@pytest.fixture(scope="module")
def folders(tiny_map_path, tiny_genome_path, tiny_akita, assembly, tmp_path_factory):
    folder = tmp_path_factory.mktemp("predictor")
    folders = []
    for fold, split in split_chromosomes(assembly.chromsizes, folds=2).groupby("fold"):
        folders.append(folder / str(fold))
        train_akita(
            "akita-small", [tiny_map_path], [], split, folders[fold], genome_path=tiny_genome_path,
            max_distance=80_000, options=tiny_akita, seed=int(fold),
        )  # fmt: skip
    return folders


@pytest.fixture(scope="module")
def source(folders, tiny_genome_path, tiny_map_path, assembly, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "tiny.10000.ICE.mine"
    apply_akita(folders, None, assembly, out, genome_path=tiny_genome_path, **NAMED)
    return open_source(out, tiny_map_path)


def test_a_run_is_opened_as_what_it_is(source):
    assert isinstance(source, AkitaMap)
    assert (source.name, source.sample, source.norm, source.seed) == ("mine", "tiny", "ICE", 0)
    assert source.max_distance == 80_000
    assert {chrom for chrom, _, _ in source.held_out} == {"chr1", "chr2", "chr3"}


def test_a_device_may_be_chosen_by_itself(folders, tiny_genome_path, assembly, tmp_path):
    """`auto` is what configs say where they say nothing."""
    out = tmp_path / "tiny.10000.ICE.mine"
    apply_akita(folders, None, assembly, out, genome_path=tiny_genome_path, **NAMED)
    source = open_source(out, None, device="auto")
    assert np.isfinite(source.band("chr3", 0, 20)).any()
    with pytest.raises(InputError, match="device 'tpu' is unknown"):
        open_source(out, None, device="tpu")


def test_a_pair_is_the_mean_over_the_windows_that_hold_it(source):
    """Against windows read whole, both strands, averaged pair by pair."""
    n, chrom = 80, "chr2"
    fitted = source.fitted(chrom)
    size, step, crop = fitted.settings.size, fitted.settings.step, fitted.settings.crop
    total, count = np.zeros((9, n)), np.zeros((9, n))
    for first in range(-size + step, n, step):
        start = (first - crop) * 10_000
        codes = torch.as_tensor(source._genome.read(chrom, start, start + 160_000))[None]
        with torch.no_grad():
            both = fitted.network(codes), fitted.network(codes, torch.tensor([True]))
        ratio = ((both[0] + both[1]) / 2)[0, 0].numpy()
        for a in range(size):
            for d in range(min(9, size - a)):
                if first + a >= 0 and first + a + d < n:
                    total[d, first + a] += ratio[a, a + d]
                    count[d, first + a] += 1
    band = source.band(chrom, 0, n)
    expected = source.predictors[source.fold_of[chrom]].constants.expected[:9, None]
    mean = expected * np.exp(total / np.maximum(count, 1))
    known = np.isfinite(band)
    assert known.sum() > 400
    assert (count[known] > 0).all()
    np.testing.assert_allclose(band[known], mean[known], rtol=1e-4)


def test_bands_are_pieces_of_one_map_and_empty_where_nothing_is_predicted(source):
    n = len(source.bins.mask("chr1"))
    whole = source.band("chr1", 0, n)
    assert whole.shape == (9, n)
    np.testing.assert_array_equal(source.band("chr1", 20, 40, max_dist=6), whole[:6, 20:40])
    assert np.isnan(whole[:2]).all()
    assert np.isnan(whole[:, source.bins.mask("chr1")]).all()
    assert np.isnan(source.band("chr3", 25, 30)[4, 4])


def test_an_edit_that_changes_nothing_and_one_that_does(source):
    n = len(source.bins.mask("chr1"))
    whole = source.band("chr1", 0, n)
    edited = lay_out_for(source, Edit("i", "inversion", "chr1", 500_000, 600_000))
    band = source.band("chr1", 0, n, edited=edited)
    reach = source.context // 10_000
    np.testing.assert_allclose(band[:, : 50 - reach - 9], whole[:, : 50 - reach - 9], rtol=1e-4)
    assert not np.allclose(band[:, 45:60], whole[:, 45:60], rtol=1e-3, equal_nan=True)


@pytest.mark.parametrize("length", [3_000, 20_000])
def test_a_deletion_is_predicted_from_the_joined_sequence(source, length):
    edit = Edit("d", "deletion", "chr2", 304_000, 304_000 + length)
    edited = lay_out_for(source, edit)
    codes = source.read("chr2", 250_000, 160_000, edited)
    genome = Genome(source._genome.path)
    joined = np.concatenate(
        [genome.read("chr2", 250_000, 304_000), genome.read("chr2", 304_000 + length, 800_000)]
    )
    np.testing.assert_array_equal(codes, joined[:160_000])
    beyond = source.read("chr2", 800_000 - length - 5, 20, edited)
    assert (beyond[5:] == N).all()
    assert (beyond[:5] < N).all()


def test_bases_that_a_variant_changes_are_read(source):
    """An SNV and an insertion of bases, against the sequence spelled by hand."""
    reference = source.read("chr2", 250_000, 160_000)
    letter = "ACGT"[(reference[54_000] + 1) % 4]
    snv = Edit("s", "substitution", "chr2", 304_000, 304_001, alt=letter)
    edited = lay_out_for(source, snv)
    codes = source.read("chr2", 250_000, 160_000, edited)
    assert np.flatnonzero(codes != reference).tolist() == [54_000]
    assert "ACGT"[codes[54_000]] == letter
    # One base in bins of 10 kb is lost in the largest values of their stretches: change many.
    many = Edit("m", "substitution", "chr2", 304_000, 307_000, alt="ACGGT" * 600)
    prediction = predict_edit(source, lay_out_for(source, many), flank=200_000)
    changed = prediction.on_reference != prediction.wild_type
    changed &= np.isfinite(prediction.on_reference) & np.isfinite(prediction.wild_type)
    i, j = np.nonzero(changed)
    at = source.bins.extent("chr2")[0] + 30
    reach = source.context // 10_000
    assert 0 < len(i) < np.isfinite(prediction.wild_type).sum()
    assert (prediction.bins[i] >= at - reach).all()
    assert (prediction.bins[j] <= at + reach).all()
    longer = Edit("i", "substitution", "chr2", 304_000, 304_000, alt="ACGTT")
    codes = source.read("chr2", 250_000, 160_000, lay_out_for(source, longer))
    spelled = [*reference[:54_000], 0, 1, 2, 3, 3, *reference[54_000:-5]]
    np.testing.assert_array_equal(codes, spelled)


def test_each_side_of_a_junction_is_predicted_by_the_fold_of_its_chromosome(source):
    """What a translocation leaves alone is predicted as before, wherever it has come to."""
    folds = {source.fold_of["chr1"], source.fold_of["chr2"]}
    assert len(folds) == 2
    edit = Edit("t", "translocation", "chr1", 600_000, 600_000, "chr2", 300_000, 300_000, "+", "-")
    edited = lay_out_for(source, edit)
    n = len(edited.source)
    band = source.band("chr1", 0, n, edited=edited)
    alone = {}
    for fold in folds:
        one = copy.copy(source)
        one.fold_of = dict.fromkeys(source.fold_of, fold)
        one._fitted = {fold: FittedAkita(source._fitted[fold].network)}
        alone[fold] = one.band("chr1", 0, n, edited=edited)
    left = slice(0, 60)
    np.testing.assert_array_equal(band[:, left], alone[source.fold_of["chr1"]][:, left])
    np.testing.assert_array_equal(band[:, 60:], alone[source.fold_of["chr2"]][:, 60:])
    assert not np.allclose(*(own[:, 60:] for own in alone.values()), rtol=0.01, equal_nan=True)


def test_readings_are_shifts_and_strands_and_their_mean_is_the_source(source):
    one = source.readings([0])
    assert len(one) == 2
    n = len(source.bins.mask("chr2"))
    bands = [reading.band("chr2", 0, n) for reading in one]
    assert not np.allclose(bands[0], bands[1], rtol=1e-3, equal_nan=True)
    mean = np.exp(np.mean(np.log(bands), axis=0))
    np.testing.assert_allclose(mean, source.band("chr2", 0, n), rtol=1e-4)
    moved = source.readings([-700, 0])
    assert len(moved) == 4
    assert not np.allclose(moved[0].band("chr2", 0, n), bands[0], rtol=1e-3, equal_nan=True)
    np.testing.assert_array_equal(moved[2].band("chr2", 0, n), bands[0])
    np.testing.assert_array_equal(source.band("chr2", 0, n), source.band("chr2", 0, n))


def test_variants_are_scored_with_their_spread_over_readings(source, tmp_path):
    edit = Edit("d", "deletion", "chr2", 304_000, 334_000)
    table = score_variant(source, edit, flank=200_000, shifts=[-700, 0]).set_index("score")
    assert (table["n_readings"] == 4).all()
    scores = [
        score_prediction(predict_variant(one, edit, flank=200_000), source)
        for one in source.readings([-700, 0])
    ]
    own = [one.set_index("score")["value"]["mean_square_change"] for one in scores]
    assert table["sd_readings"]["mean_square_change"] == pytest.approx(np.std(own, ddof=1))
    whole = score_variant(source, edit, flank=200_000).set_index("score")
    single = score_prediction(predict_variant(source, edit, flank=200_000), source)
    np.testing.assert_allclose(whole["value"], single["value"], rtol=1e-3, atol=1e-6)


def test_replaced_bins_become_what_the_edit_says(source):
    genome, own = Genome(source._genome.path), slice(20_000, 40_000)
    around = {"start": 280_000, "length": 100_000}
    plain = genome.read("chr1", 280_000, 380_000)

    def read(edit):
        return source.read("chr1", *around.values(), lay_out(edit, source.bins))

    zero = read(Edit("k", "knockout", "chr1", 300_000, 320_000, method="zero"))
    assert (zero[own] == N).all()
    drawn = read(Edit("k", "knockout", "chr1", 300_000, 320_000))
    assert (drawn[own] < N).all()
    assert 0.6 < (drawn[own] != plain[own]).mean() < 0.9
    turned = read(Edit("o", "orientation", "chr1", 300_000, 320_000))
    np.testing.assert_array_equal(turned[own], reverse_complement(plain[own]))
    for codes in (zero, drawn, turned):
        np.testing.assert_array_equal(np.delete(codes, own), np.delete(plain, own))
    with pytest.raises(InputError, match="method padding replaces a vector"):
        read(Edit("k", "knockout", "chr1", 300_000, 320_000, method="padding"))


def test_edits_are_predicted_as_those_of_any_source(source):
    edited = lay_out_for(source, Edit("d", "deletion", "chr1", 500_000, 540_000))
    prediction = predict_edit(source, edited)
    assert np.isfinite(prediction.difference).any()


def test_what_cannot_be_applied_or_opened_is_refused(
    folders, tiny_genome_path, assembly, tmp_path, source
):
    other = Assembly("other", assembly.chromsizes, NONE, NONE)
    with pytest.raises(InputError, match="trained on the assembly tiny"):
        apply_akita(folders, None, other, tmp_path, genome_path=tiny_genome_path, **NAMED)
    with pytest.raises(CheckpointError, match="no predictor applied to a sample"):
        AkitaMap(tmp_path, name="x")


def test_windows_that_are_kept_are_those_of_the_edit(source):
    """Edits come and go, and Python gives a new one the number that an old one had."""
    edits = [Edit("d", "deletion", "chr2", a, a + 50_000) for a in range(200_000, 500_000, 30_000)]

    def predict(edit):
        return source.band("chr2", 20, 22, edited=lay_out_for(source, edit))

    in_turn = [predict(edit) for edit in edits]
    for edit, band in zip(edits, in_turn):
        source.fitted("chr2")._maps.clear()
        np.testing.assert_array_equal(predict(edit), band)
