"""Training of predictors: nothing of a test chromosome enters, the best epoch is kept."""

import json
import os
import signal

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file

from chromloom.errors import InputError
from chromloom.models.predictor import Constants, Predictor
from chromloom.models.registry import model_settings
from chromloom.normalize.maps import NormalizedMap
from chromloom.sequence.fasta import write_genome
from chromloom.signals.features import BinInputs, read_features
from chromloom.signals.store import SignalStore
from chromloom.training import weave
from chromloom.training.nats import nats_per_contact
from chromloom.training.predictor import train_predictor
from chromloom.training.resume import TerminatedError
from chromloom.training.splits import split_chromosomes
from chromloom.training.stretches import read_covariates, read_stretches

SIGNALS = ["mark", "CTCF+", "CTCF-"]
SMALL = {"embedding_dim": 4, "channels": 8, "blocks": 2, "window": 40, "refit": False}
MODELS = {
    "weave": {**SMALL, "epochs": 4},
    "epiphany-released": {
        **{"width": 0.05, "hidden_size": 4, "layers": 2, "head_size": 4, "window": 2.5},
        **{"stripes": 20, "adversarial": False, "epochs": 2, "learning_rate": 0.01},
    },
    "distance": {},
    "pairs-ridge": {},
    "pairs-xgboost": {"trees": 60, "learning_rate": 0.1},
    "mean": {"models": ["weave", "distance"], "options": {"weave": {**SMALL, "epochs": 2}}},
}
# Nats per contact that are gained at least on a chromosome that was not seen.
WORTH = {"weave": 0.01, "pairs-xgboost": 0.002}


@pytest.fixture(scope="module")
def split(tiny_map_path):
    sizes = NormalizedMap(tiny_map_path).bins.chromsizes
    return split_chromosomes(sizes, test=["chr2"], validation=["chr3"])


@pytest.fixture
def learn(tiny_map_path, tiny_signals_path, split, tmp_path):
    """Train on the tiny map; returns the folder."""

    def make(name="out", model="weave", map_path=tiny_map_path, split=split, **more):
        arguments = {"signals": SIGNALS, "max_distance": 200_000, "seed": 3, **more}
        arguments.setdefault("options", MODELS.get(model))
        out = tmp_path / name
        stores = [tiny_signals_path] if arguments["signals"] else []
        train_predictor(model, [map_path], stores, split, out, **arguments)
        return out

    return make


@pytest.fixture(scope="module")
def tiny_genome(tiny_map_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("genome")
    sizes = NormalizedMap(tiny_map_path).bins.chromsizes
    rng = np.random.default_rng(0)
    text = [f">{c}\n{rng.choice(list(b'ACGT'), n).astype(np.uint8).tobytes().decode()}\n"
            for c, n in sizes.items()]  # fmt: skip
    (folder / "g.fa").write_text("".join(text))
    write_genome(folder / "g.fa", folder / "tiny.fa.gz", sizes)
    return folder / "tiny.fa.gz"


@pytest.mark.parametrize("model", ["weave", "pairs-ridge"])
def test_a_predictor_may_read_sequence_beside_or_in_place_of_signals(model, learn, tiny_genome):
    both = learn("both", model, genome_path=tiny_genome, sequence={"kmers": 2})
    names = Predictor.load(both).constants.names
    assert names[-10:] == ("AA", "AC", "AG", "AT", "CA", "CC", "CG", "GA", "GC", "TA")
    assert len(names) == 16
    alone = Predictor.load(
        learn(
            "alone", model, genome_path=tiny_genome, sequence={"kmers": 2, "orfs": 30}, signals=[]
        )
    )
    assert alone.constants.names == (*names[-10:], "ORF+", "ORF-", "ORF end+", "ORF end-")
    assert alone.config["mirrored"] == [*range(10), 11, 10, 13, 12, 14]
    assert (alone.inputs["signals"], alone.inputs["sequence"]) == ([], {"kmers": 2, "orfs": 30})


def test_signals_lose_their_background_and_sequence_its_mean(learn, tiny_genome):
    folder = learn("both", "distance", genome_path=tiny_genome, sequence={"kmers": 1})
    constants = Predictor.load(folder).constants
    assert (constants.centre[:6] < constants.mean[:6]).all()
    np.testing.assert_array_equal(constants.centre[6:], constants.mean[6:])
    given = constants.centre[:, None]
    np.testing.assert_array_equal(constants.prepare(given), 0)
    np.testing.assert_allclose(constants.prepare(given * np.nan)[6:, 0], [0, 0, 1])


def test_the_background_of_read_depth_is_no_signal():
    peaks = np.zeros((2, 50))
    peaks[:, ::7] = np.random.default_rng(0).random((2, 8))
    peaks[1, 3:9], depth = np.nan, np.array([[3.0], [0.5]])
    one, other = (Constants.of("ab", x, [1.0], n_signals=2) for x in (peaks, peaks + depth))
    np.testing.assert_allclose(one.prepare(peaks), other.prepare(peaks + depth), atol=1e-6)
    assert (one.prepare(peaks)[0, 1:7] == 0).all()
    assert Constants.of("a", np.full((1, 3), np.nan), [1.0], n_signals=1).centre == 0


def weights(folder):
    return {
        name: tensor.numpy() for name, tensor in load_file(folder / "model.safetensors").items()
    }


def same(a, b) -> bool:
    one, two = weights(a), weights(b)
    return one.keys() == two.keys() and all(np.array_equal(one[k], two[k]) for k in one)


@pytest.mark.parametrize("model", MODELS)
def test_what_was_seen_on_the_test_chromosome_changes_no_bit(model, learn, altered_map):
    plain = learn("plain", model)
    assert same(plain, learn("other", model, altered_map("chr2")))
    assert not same(plain, learn("trained", model, altered_map("chr1")))


def test_a_planted_leak_is_found(learn, altered_map, monkeypatch):
    """The check above fails where constants are taken from all chromosomes."""
    from chromloom.training import stretches

    roles = stretches.bins_of_role

    def leaky(split, role, chrom, starts):
        return roles(split, role, chrom, starts) | (chrom == "chr2" and role == "train")

    monkeypatch.setattr(stretches, "bins_of_role", leaky)
    every = split_chromosomes(pd.Series({"chr1": 1_195_000, "chr2": 800_000, "chr3": 300_000}),
                              test=["chr2:0-10"], validation=["chr3"])  # fmt: skip
    plain = learn("plain", split=every)
    assert not same(plain, learn("other", "weave", altered_map("chr2"), split=every))


def test_validation_chooses_the_epoch_and_trains_nothing(learn, altered_map, monkeypatch):
    plain, other = learn("plain"), learn("other", "weave", altered_map("chr3"))
    one, two = (pd.read_csv(folder / "history.tsv", sep="\t") for folder in (plain, other))
    np.testing.assert_array_equal(one["loss"], two["loss"])
    assert (one["validation"] != two["validation"]).all()
    epochs, scores, networks = weave._Run.train_epoch, iter([0.1, 0.9, 0.2, 0.3]), []

    def train_epoch(run):
        loss = epochs(run)
        networks.append({k: t.numpy().copy() for k, t in run.average.state_dict().items()})
        return loss

    monkeypatch.setattr(weave, "nats_per_contact", lambda *_: next(scores))
    monkeypatch.setattr(weave._Run, "train_epoch", train_epoch)
    kept = weights(learn("chosen"))
    for name, tensor in networks[1].items():
        np.testing.assert_array_equal(kept[f"0.{name}"], tensor)
    assert not np.array_equal(networks[1]["c"], networks[3]["c"])


def test_networks_are_trained_anew_on_all_for_as_many_epochs_as_validation_chose(
    learn, altered_map, monkeypatch
):
    options = {**SMALL, "epochs": 4, "members": 2, "refit": True}
    folder = learn("anew", options=options)
    history = pd.read_csv(folder / "history.tsv", sep="\t")
    chosen = history[~history["refit"]]
    best = int(chosen.loc[chosen["validation"].idxmax(), "epoch"])
    again = history[history["refit"]]
    assert again.groupby("member")["epoch"].max().to_dict() == {0: best, 1: best}
    assert again["validation"].isna().all()
    scores = iter([0.1, 0.9, 0.2, 0.3] * 2)
    monkeypatch.setattr(weave, "nats_per_contact", lambda *_: next(scores))
    kept = [
        learn(f"{k}", options=options, map_path=altered_map(c))
        for k, c in enumerate(["chr3", "chr2"])
    ]
    assert not same(*kept), "what validates trains at last"


@pytest.mark.parametrize(("end", "left_out"), [(0.5, 2), (1.0, 4), (0.0, 0)])
def test_features_are_left_out_in_the_first_part_of_training(learn, monkeypatch, end, left_out):
    step, seen = weave._Run._step, []

    def record(run, *batch):
        seen.append((run.epoch, run.network.spared.p))
        return step(run, *batch)

    monkeypatch.setattr(weave._Run, "_step", record)
    learn(options=MODELS["weave"] | {"feature_dropout": 0.3, "feature_dropout_end": end})
    assert set(seen) == {(epoch, 0.3 if epoch < left_out else 0.0) for epoch in range(4)}


def test_a_folder_says_what_the_predictor_reads_and_was_split_by(learn, split):
    folder = learn()
    inputs = json.loads((folder / "inputs.json").read_text())
    assert inputs["signals"] == SIGNALS
    assert inputs["assembly"] == "tiny"
    assert inputs["samples"] == ["tiny"]
    pd.testing.assert_frame_equal(pd.read_csv(folder / "splits.tsv", sep="\t"), split)
    predictor = Predictor.load(folder)
    assert predictor.constants.names == tuple(
        f"{signal} {kind}" for kind in ("mean", "maximum") for signal in SIGNALS
    )
    assert predictor.config["mirrored"] == [0, 2, 1, 3, 5, 4, 6]


def test_training_goes_on_from_a_kill_with_the_same_weights(learn, monkeypatch, tmp_path):
    options = {**SMALL, "epochs": 3, "members": 2}
    undisturbed = learn("undisturbed", options=options)
    monkeypatch.setattr(weave, "SAVE_SECONDS", 0)
    epochs = weave._Run.train_epoch
    calls = []

    def killed(run):
        calls.append(1)
        if len(calls) == 5:  # in the second network
            raise KeyboardInterrupt
        return epochs(run)

    monkeypatch.setattr(weave._Run, "train_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        learn("resumed", options=options, resume_dir=tmp_path / "state")
    monkeypatch.setattr(weave._Run, "train_epoch", epochs)
    resumed = learn("resumed", options=options, resume_dir=tmp_path / "state")
    assert same(undisturbed, resumed)
    assert not (tmp_path / "state").exists()


def test_sigterm_ends_training_within_the_epoch_and_keeps_the_one_before(
    learn, monkeypatch, tmp_path
):
    options = {**SMALL, "epochs": 3, "members": 1}
    undisturbed = learn("undisturbed", options=options)
    step, steps = weave._Run._step, []

    def terminated(run, *batch):
        steps.append(run.epoch)
        if run.epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(run, *batch)

    monkeypatch.setattr(weave._Run, "_step", terminated)
    with pytest.raises(TerminatedError, match="run again to go on"):
        learn("resumed", options=options, resume_dir=tmp_path / "state")
    assert steps.count(1) == 1
    monkeypatch.setattr(weave._Run, "_step", step)
    assert same(undisturbed, learn("resumed", options=options, resume_dir=tmp_path / "state"))


@pytest.mark.parametrize("model", ["weave", "pairs-xgboost"])
def test_what_follows_from_signals_is_learnt(model, learn, tiny_map_path, tiny_signals_path):
    longer = {"epochs": 40, "learning_rate": 0.01, "feature_dropout": 0.0}
    options = MODELS[model] | (longer if model == "weave" else {})
    sizes = pd.Series({"chr1": 1_195_000, "chr2": 800_000, "chr3": 300_000})
    split = split_chromosomes(sizes, test=["chr2"], validation=["chr3"])
    fitted = Predictor.load(learn(model=model, options=options, split=split)).fitted()
    seen = split.assign(role=split["role"].replace({"test": "validation", "validation": "test"}))
    maps, signals = NormalizedMap(tiny_map_path), SignalStore(tiny_signals_path)
    read = BinInputs(10_000, store=signals, signals=SIGNALS)
    stretches, _ = read_stretches({"tiny": maps}, {"tiny": read}, seen, 21)
    unseen = [fitted.log_ratio(s.features) if s.chrom == "chr2" else None for s in stretches]
    assert nats_per_contact(stretches, unseen) > WORTH[model]


def test_a_mean_is_that_of_models_trained_by_themselves(learn):
    options = {name: MODELS[name] for name in ("weave", "pairs-xgboost")}
    mean = Predictor.load(learn("mean", "mean", options={"options": options})).fitted()
    alone = [Predictor.load(learn(name, name)).fitted() for name in options]
    features = np.random.default_rng(0).normal(size=(7, 50)).astype(np.float32)
    own = [each.log_ratio(features) for each in alone]
    np.testing.assert_allclose(mean.log_ratio(features), np.mean(own, axis=0), rtol=1e-5)
    assert mean.context == max(each.context for each in alone)
    history = pd.read_csv(
        learn("again", "mean", options={"options": options}) / "history.tsv", sep="\t"
    )
    assert list(history["model"].unique()) == list(options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"models": ["weave", "epiphany-paper"]}, "no mean can be taken of 'epiphany-paper'"),
        ({"models": ["mean"]}, "no mean can be taken of 'mean'"),
        ({"models": ["weave", "weave"]}, "expected some predictors, each once"),
        ({"options": {"pairs-ridge": {}}}, "options of 'pairs-ridge', which is not among models"),
        ({"options": {"weave": {"epocs": 3}}}, "epocs"),
    ],
)
def test_a_mean_of_what_cannot_be_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        model_settings("mean", **options)


def test_a_signal_that_is_not_there_is_refused(learn):
    with pytest.raises(InputError, match=r"no signal 'H3K27ac'; it has mark, CTCF\+, CTCF-"):
        learn(signals=["mark", "H3K27ac"])


def test_signals_are_covariates_of_the_regression_and_have_to_be_there(learn, tiny_signals_path):
    options = MODELS["epiphany-released"] | {"target": "nb_oe"}
    first, other = (
        load_file(learn(name, "epiphany-released", options=options | more) / "model.safetensors")
        for name, more in (("plain", {}), ("mark", {"covariates": ["mark"]}))
    )
    assert any((first[key] != other[key]).any() for key in first)
    with pytest.raises(InputError, match="GC"):
        learn("none", "epiphany-released", options=options | {"covariates": ["GC"]})
    store = SignalStore(tiny_signals_path)
    logs = read_covariates(store, "chr1", ["mark", "CTCF+"], 10_000)
    means = read_features(store, "chr1", ["mark"], 10_000)[0]
    np.testing.assert_allclose(logs[0], np.log(means), rtol=1e-5)
    assert np.isfinite(logs).all()


def test_a_model_of_one_map_is_refused(learn):
    with pytest.raises(InputError, match="model 'eig' is fitted to one map"):
        learn(model="eig")


def test_chromosomes_that_no_sample_has_are_refused(learn):
    split = pd.DataFrame(
        [(0, "train", "chr9", 0, 10)], columns=["fold", "role", "chrom", "start", "end"]
    )
    with pytest.raises(InputError, match="none of the samples tiny has contacts on chr9"):
        learn(split=split)
