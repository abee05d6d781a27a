"""Predictors applied to a sample, as map sources that can be edited."""

import json
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest

from chromloom.edits.bins import lay_out
from chromloom.edits.edit import Edit
from chromloom.errors import CheckpointError, InputError
from chromloom.genome.assembly import Assembly
from chromloom.normalize.maps import NormalizedMap
from chromloom.perturbation.predict import predict_edit
from chromloom.prediction.open import open_source
from chromloom.prediction.predicted import PredictedMap, apply_predictor
from chromloom.prediction.source import lay_out_for
from chromloom.sequence.fasta import Genome, reverse_complement, write_genome
from chromloom.sequence.kmers import kmer_frequencies
from chromloom.signals.store import SignalStore
from chromloom.training.predictor import train_predictor
from chromloom.training.splits import split_chromosomes

SIGNALS = ["mark", "CTCF+", "CTCF-"]
OPTIONS = {"embedding_dim": 4, "channels": 8, "blocks": 2, "window": 40, "epochs": 2}
NONE = pd.DataFrame(columns=["chrom", "start", "end"]).astype({"start": int, "end": int})


@pytest.fixture(scope="module")
def assembly(tiny_map_path):
    return Assembly("tiny", NormalizedMap(tiny_map_path).bins.chromsizes, NONE, NONE)


@pytest.fixture(scope="module")
def folders(tiny_map_path, tiny_signals_path, assembly, tmp_path_factory):
    """A predictor of three folds."""
    folder = tmp_path_factory.mktemp("predictor")
    splits = split_chromosomes(assembly.chromsizes, folds=3)
    folders = []
    for fold, split in splits.groupby("fold"):
        folders.append(folder / str(fold))
        train_predictor(
            "weave", [tiny_map_path], [tiny_signals_path], split, folders[fold],
            signals=SIGNALS, max_distance=200_000, options=OPTIONS, seed=int(fold),
        )  # fmt: skip
    return folders


@pytest.fixture(scope="module")
def run_dir(folders, tiny_signals_path, assembly, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "tiny.10000.ICE.mine"
    named = {"sample": "tiny", "norm": "ICE", "predictor": "mine"}
    apply_predictor(folders, tiny_signals_path, assembly, out, **named)
    return out


@pytest.fixture(scope="module")
def source(run_dir, tiny_map_path):
    return open_source(run_dir, tiny_map_path)


def test_a_run_is_opened_as_what_it_is(source, run_dir):
    assert isinstance(source, PredictedMap)
    assert (source.name, source.sample, source.norm, source.seed) == ("mine", "tiny", "ICE", 0)
    assert source.max_distance == 200_000
    lengths = [("chr1", 0, 1195000), ("chr2", 0, 800000), ("chr3", 0, 300000)]
    assert sorted(source.held_out) == lengths


def test_a_run_is_opened_on_the_device_that_auto_stands_for(run_dir, tiny_map_path, source):
    opened = open_source(run_dir, tiny_map_path, device="auto")
    np.testing.assert_allclose(opened.band("chr3", 0, 9), source.band("chr3", 0, 9), rtol=1e-4)


def test_every_chromosome_is_predicted_by_the_fold_that_was_tested_on_it(source, folders):
    tables = {k: pd.read_csv(folder / "splits.tsv", sep="\t") for k, folder in enumerate(folders)}
    for chrom, fold in source.fold_of.items():
        tested = tables[fold][tables[fold]["role"] == "test"]
        assert chrom in set(tested["chrom"])
    assert len(set(source.fold_of.values())) == 3


def test_bands_are_pieces_of_one_map_and_empty_where_nothing_is_predicted(source):
    n = len(source.bins.mask("chr1"))
    whole = source.band("chr1", 0, n)
    assert whole.shape == (21, n)
    part = source.band("chr1", 20, 40, max_dist=10)
    np.testing.assert_array_equal(part, whole[:10, 20:40])
    assert np.isnan(whole[:2]).all()
    assert np.isnan(whole[:, source.bins.mask("chr1")]).all()
    assert (whole[np.isfinite(whole)] > 0).all()
    assert np.isnan(source.band("chr3", 25, 30)[4, 4])


def test_bins_without_signals_and_chromosomes_left_out_are_masked(
    folders, tiny_signals_path, assembly, tmp_path
):
    named = {"sample": "other", "norm": "ICE", "predictor": "mine"}
    apply_predictor(
        folders, tiny_signals_path, assembly, tmp_path / "run", **named, chroms=["chr2"]
    )
    source = PredictedMap(tmp_path / "run", None, name="mine")
    assert source.bins.chromnames == ["chr2"]
    assert np.isfinite(source.band("chr2", 0, 10)).any()


def test_a_long_deletion_changes_pairs_within_the_context_and_no_others(source):
    edit = Edit("del", "deletion", "chr1", 600_000, 700_000)
    edited = lay_out(edit, source.bins)
    prediction = predict_edit(source, edited, flank=500_000)
    assert source.context == 30_000
    n = len(edited.source)
    band, plain = source.band("chr1", 0, n, edited=edited), source.band("chr1", 0, n + 10)
    reach = source.context // source.bins.resolution
    d, i = np.nonzero(np.isfinite(band) & np.isfinite(plain[:, :n]))
    left = i + d + reach < 60
    np.testing.assert_allclose(band[d[left], i[left]], plain[d[left], i[left]], rtol=1e-5)
    right = i - reach >= 60
    moved = plain[d[right], i[right] + 10]
    known = np.isfinite(moved)
    np.testing.assert_allclose(band[d[right], i[right]][known], moved[known], rtol=1e-5)
    assert 0 < prediction.n_predicted < len(prediction.positions) ** 2 / 2
    assert (np.abs(prediction.difference[np.isfinite(prediction.difference)]) > 0).any()


def test_an_inversion_turns_stranded_signals_round(source):
    edited = lay_out(Edit("inv", "inversion", "chr1", 600_000, 700_000), source.bins)
    names = [f"{signal} {kind}" for kind in ("mean", "maximum") for signal in SIGNALS]
    plain = dict(zip(names, source._features[:, :120]))
    moved = dict(zip(names, source._edited(source._read(edited.source), edited)[:, :, 0]))
    np.testing.assert_array_equal(moved["mark mean"][60:70], plain["mark mean"][60:70][::-1])
    np.testing.assert_array_equal(moved["CTCF+ mean"][60:70], plain["CTCF- mean"][60:70][::-1])
    np.testing.assert_array_equal(moved["CTCF+ mean"][:60], plain["CTCF+ mean"][:60])


@pytest.mark.parametrize(
    ("kind", "method"), [("knockout", "zero"), ("knockout", "average"), ("orientation", "average")]
)
def test_replaced_bins_change_what_is_predicted_around_them(source, kind, method):
    strand = "+" if kind == "orientation" else ""
    edit = Edit("ko", kind, "chr1", 600_000, 640_000, method=method, strand=strand)
    edited = lay_out(edit, source.bins)
    band, plain = source.band("chr1", 0, 120, edited=edited), source.band("chr1", 0, 120)
    np.testing.assert_allclose(band[:10, 80:], plain[:10, 80:], rtol=1e-5)
    assert not np.allclose(np.nan_to_num(band[:, 55:65]), np.nan_to_num(plain[:, 55:65]))
    again = source.band("chr1", 0, 120)
    np.testing.assert_array_equal(again, plain)


def test_other_signals_than_those_of_training_are_refused(
    folders, tiny_map_path, tiny_signals_path, assembly, tmp_path
):
    hg19 = tmp_path / "0"
    for name in ("model.safetensors", "config.json", "splits.tsv"):
        (tmp_path / "0").mkdir(exist_ok=True)
        (hg19 / name).write_bytes((folders[0] / name).read_bytes())
    inputs = json.loads((folders[0] / "inputs.json").read_text())
    named = {"sample": "tiny", "norm": "ICE", "predictor": "mine"}
    for change, message in {
        ("assembly", "hg19"): "assembly 'tiny'; expected 'hg19'",
        ("bin_size", 100): "bins of 1000 bp; expected 100 bp",
        ("signals", ("mark", "H3K9me3")): "no signal 'H3K9me3'",
    }.items():
        key, value = change
        (hg19 / "inputs.json").write_text(json.dumps(inputs | {key: value}))
        with pytest.raises(InputError, match=message):
            apply_predictor([hg19], tiny_signals_path, assembly, tmp_path / "x", **named)


def test_another_species_is_predicted_where_that_is_asked_for_and_is_all_held_out(
    folders, tiny_signals_path, assembly, tiny_map_path, tmp_path
):
    mouse = Assembly("mouse", assembly.chromsizes, NONE, NONE)
    store = tmp_path / "mouse.h5"
    shutil.copy(tiny_signals_path, store)
    with h5py.File(store, "r+") as file:
        file.attrs["assembly"] = "mouse"
    named = {"sample": "limb", "norm": "ICE", "predictor": "mine"}
    with pytest.raises(InputError, match="on assembly 'mouse'; expected 'tiny'"):
        apply_predictor(folders, store, mouse, tmp_path / "refused", **named)
    out = tmp_path / "limb"
    apply_predictor(folders, store, mouse, out, **named, other_assembly=True)
    limb = open_source(out, None)
    assert (limb.assembly, set(limb.fold_of.values())) == ("mouse", {0})
    assert {chrom for chrom, _, _ in limb.held_out} == set(assembly.chromsizes.index)
    alone = tmp_path / "first"
    apply_predictor(folders[:1], tiny_signals_path, assembly, alone, **named)
    for chrom in ("chr1", "chr2"):
        bands = [s.band(chrom, 0, 60) for s in (limb, open_source(alone, None))]
        np.testing.assert_array_equal(*bands)
    with pytest.raises(InputError, match="trained on tiny is applied to tiny as to another"):
        apply_predictor(folders, tiny_signals_path, assembly, out, **named, other_assembly=True)


def test_a_split_that_was_cut_at_the_end_of_a_line_is_refused(
    folders, tiny_signals_path, assembly, tmp_path
):
    shutil.copytree(folders[0], tmp_path / "0")
    path = tmp_path / "0" / "splits.tsv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    named = {"sample": "tiny", "norm": "ICE", "predictor": "mine"}
    with pytest.raises(InputError, match=r"splits\.tsv has .* it was cut or changed"):
        apply_predictor([tmp_path / "0"], tiny_signals_path, assembly, tmp_path / "x", **named)


def test_a_folder_that_is_not_whole_is_refused(run_dir, tmp_path):
    with pytest.raises(CheckpointError, match="is no predictor applied to a sample"):
        PredictedMap(tmp_path, None, name="mine")


def test_a_window_of_an_edited_chromosome_is_that_of_the_whole(source):
    edited = lay_out(Edit("dup", "duplication", "chr1", 600_000, 660_000), source.bins)
    n = len(edited.source)
    whole = source.band("chr1", 0, n, edited=edited)
    for lo, hi, max_dist in ((0, 10, None), (50, 70, None), (55, 60, 8), (n - 5, n, None)):
        band = source.band("chr1", lo, hi, max_dist=max_dist, edited=edited)
        np.testing.assert_allclose(band, whole[: len(band), lo:hi], rtol=1e-5)


def test_a_deletion_within_a_bin_takes_its_signal_and_leaves_the_rest(source, tiny_signals_path):
    with SignalStore(tiny_signals_path) as store:
        fine = store.read_chrom("chr1", SIGNALS)
    edit = Edit("small", "deletion", "chr1", 602_500, 604_000)
    edited = lay_out_for(source, edit)
    assert len(edited.source) == len(fine[0]) // 10 + 1
    assert list(edited.parts) == [60]
    features = source._edited(source._read(edited.source), edited)[:, :, 0]
    kept, weight = fine[:, [600, 601, 602, 604, 605, 606, 607, 608, 609]], [1] * 9
    weight[2] = 0.5
    np.testing.assert_allclose(features[:3, 60], np.average(kept, axis=1, weights=weight), 1e-5)
    np.testing.assert_allclose(features[3:, 60], kept.max(axis=1), rtol=1e-6)
    others = np.arange(120) != 60
    np.testing.assert_array_equal(features[:, others], source._features[:, :120][:, others])
    prediction = predict_edit(source, edited, flank=300_000)
    change = np.abs(prediction.difference)
    at = np.searchsorted(prediction.bins, 60)
    reach = source.context // source.bins.resolution
    assert np.nanmax(change[at]) > 0
    assert np.nanmax(change[: at - reach, : at - reach]) == 0


@pytest.fixture(scope="module")
def from_sequence(tiny_map_path, tiny_signals_path, assembly, tmp_path_factory):
    """A predictor that reads signals and sequence, and the sequence."""
    folder = tmp_path_factory.mktemp("sequence")
    rng = np.random.default_rng(0)
    lines = []
    for chrom, length in assembly.chromsizes.items():
        letters = rng.choice(list(b"ACGT"), length).astype(np.uint8)
        letters[50_000:58_000] = ord("N")
        lines.append(f">{chrom}\n{letters.tobytes().decode()}\n")
    (folder / "g.fa").write_text("".join(lines))
    write_genome(folder / "g.fa", folder / "tiny.fa.gz", assembly.chromsizes)
    split = split_chromosomes(assembly.chromsizes, test=["chr1"], validation=["chr3"])
    more = {"signals": SIGNALS, "genome_path": folder / "tiny.fa.gz", "sequence": {"kmers": 2}}
    train_predictor(
        "weave", [tiny_map_path], [tiny_signals_path], split, folder / "0",
        max_distance=200_000, options=OPTIONS, **more,
    )  # fmt: skip
    apply_predictor(
        [folder / "0"], tiny_signals_path, assembly, folder / "run", sample="tiny", norm="ICE",
        predictor="mine", genome_path=folder / "tiny.fa.gz",
    )  # fmt: skip
    return open_source(folder / "run", tiny_map_path), Genome(folder / "tiny.fa.gz")


def test_bins_whose_sequence_is_not_known_are_masked(from_sequence):
    source, _ = from_sequence
    assert source.bins.mask("chr1")[5]
    assert np.isnan(source.band("chr1", 4, 8)[:, 1]).all()


def test_bins_that_an_edit_cuts_have_the_sequence_of_what_is_joined(from_sequence):
    source, genome = from_sequence
    edit = Edit("inv", "inversion", "chr1", 603_000, 697_000)
    edited = lay_out_for(source, edit)
    features = source._edited(source._read(edited.source), edited)[6:, :, 0]
    turned = reverse_complement(genome.read("chr1", 603_000, 697_000))
    spelled = np.r_[
        genome.read("chr1", 0, 603_000), turned, genome.read("chr1", 697_000, 1_195_000)
    ]
    expected = kmer_frequencies(spelled, 2, 10_000)
    np.testing.assert_allclose(features[:, 60], expected[:, 60], atol=2e-4)
    np.testing.assert_allclose(features[:, 69], expected[:, 69], atol=2e-4)
    edit = Edit("ko", "knockout", "chr1", 600_000, 640_000, method="zero")
    band = source.band("chr1", 0, 120, edited=lay_out_for(source, edit))
    assert np.isfinite(band[5, 61])
