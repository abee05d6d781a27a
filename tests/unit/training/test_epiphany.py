"""Training of Epiphany: frames and their roles, the discriminator, resumption."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from chromloom.errors import CheckpointError, InputError
from chromloom.models.epiphany.fitted import FittedEpiphany
from chromloom.models.epiphany.module import Epiphany, stripes_of
from chromloom.models.registry import model_settings
from chromloom.training import networks
from chromloom.training.epiphany import Frames, _fit_background, _spread, fit_epiphany
from chromloom.training.stretches import Stretch

TINY = {
    **{"width": 0.1, "hidden_size": 8, "layers": 1, "head_size": 0, "stripes": 20, "epochs": 3},
    **{"adversarial": False, "learning_rate": 0.01, "renew_optimizer": False, "dropout": 0.0},
}
N, STEP, N_DISTANCES = 100, 25, 20


def settings(**options):
    return model_settings("epiphany-released", **{**TINY, **options})


def stretch(chrom="chr1", seed=0, n_distances=N_DISTANCES, n=N):
    """Counts that follow from one signal: bins that both have it, or lack it, meet more often."""
    rng = np.random.default_rng(seed)
    signal = np.repeat(rng.random(n // 10 + 1) < 0.5, 10)[:n]
    features = np.repeat(signal, STEP).astype(np.float32)[None] * 3
    d, i = np.arange(n_distances)[:, None], np.arange(n)
    j = np.minimum(i + d, n - 1)
    mean = 20 * np.where(signal[i] == signal[j], 2.0, 0.5)
    counts = np.where((i + d < n) & (d >= 2), rng.poisson(mean), np.nan).astype(np.float32)
    validates = np.zeros(n, bool)
    validates[70:] = True
    counts[(i < 70) & (i + d >= 70)] = np.nan
    weight = np.zeros(n, np.float32)
    expected = np.full(n_distances, np.log(20), np.float32)
    return Stretch("a", chrom, features, counts, weight, expected, validates)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def network(**options):
    return Epiphany(settings(**options), 1, N_DISTANCES, STEP)


def test_frames_hold_the_signals_and_the_pairs_of_their_role():
    own = stretch()
    made = network(log2=False)
    train = Frames([own], made, np.ones(N_DISTANCES), validation=False)
    held = Frames([own], made, np.ones(N_DISTANCES), validation=True)
    assert train.frames == [(0, 0), (0, 20), (0, 40), (0, 60)]
    assert held.frames == [(0, 60), (0, 80)]
    signals, target = train[1]
    assert signals.shape == (1, made.window + 19 * STEP)
    half = made.window // 2
    np.testing.assert_array_equal(
        signals[0, half - 5 * STEP : half + 19 * STEP], own.features[0, 15 * STEP : 39 * STEP]
    )
    whole = stripes_of(own.counts / 20)
    np.testing.assert_allclose(target, whole[20:40], rtol=1e-5)
    assert np.isnan(held[0][1][0]).all()
    # Beyond the end of the chromosome there is no signal and no pair.
    signals, target = held[1]
    assert (signals[0, half + 20 * STEP :] == 0).all()


def test_random_frames_are_others_in_every_epoch_and_validation_is_not():
    own, made = stretch(), network(frames="random")
    train = Frames([own], made, np.ones(N_DISTANCES), validation=False, seed=1)
    seen = []
    for epoch in (0, 1, 0):
        train.set_epoch(epoch)
        seen.append(train[2][0])
    assert not np.array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[0], seen[2])
    held = Frames([own], made, np.ones(N_DISTANCES), validation=True, seed=1)
    held.set_epoch(1)
    assert not held.shifts.any()


@pytest.mark.slow
def test_what_follows_from_signals_is_learnt():
    options = settings(epochs=10, schedule="one-cycle", width=0.3, hidden_size=16)
    stretches = [stretch(), stretch("chr2", seed=1)]
    tensors, history = fit_epiphany(stretches, options, mirrored=[0], seed=1)
    assert history["validation"].min() < history["validation"].iloc[0] / 3
    other = stretch("chr3", seed=2)
    fitted = FittedEpiphany.of_tensors(options, tensors, mirrored=[0], n_distances=N_DISTANCES)
    ratio = fitted.log_ratio(other.features)
    known = np.isfinite(other.counts)
    seen = np.log((other.counts[known] + 0.5) / 20.5)
    assert np.corrcoef(ratio[known], seen)[0, 1] > 0.25


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({"log2": False}, lambda oe: oe),
        ({"log2": True}, lambda oe: np.log2(oe + 1)),
        ({"target": "value", "log2": False}, lambda oe: 3 * oe),
    ],
)
def test_targets(options, value):
    own = stretch()
    frames = Frames([own], network(**options), np.full(N_DISTANCES, 3.0), validation=False)
    np.testing.assert_allclose(frames[1][1], value(stripes_of(own.counts / 20)[20:40]), rtol=1e-5)


@pytest.mark.parametrize("target", ["nb_oe", "nb_z"])
def test_targets_of_the_regression_of_counts(target):
    """Of counts that follow from distance and weights alone, but for one enriched pair."""
    rng, own = np.random.default_rng(0), stretch()
    weight = rng.normal(0, 0.3, N).astype(np.float32)
    d, i = np.arange(N_DISTANCES)[:, None], np.arange(N)
    mean = 200 / np.maximum(d, 1) * np.exp(-weight - weight[np.minimum(i + d, N - 1)])
    counts = np.where(np.isfinite(own.counts), rng.poisson(mean), np.nan).astype(np.float32)
    counts[5, 20] = 4 * mean[5, 20]
    own = replace(own, counts=counts, log_weight=weight)
    background = _fit_background([own], seed=0)
    assert background.coefficients[-1] == pytest.approx(-1, abs=0.1)
    made = network(target=target, log2=False)
    frames = Frames([own], made, np.ones(N_DISTANCES), background, validation=False)
    values = frames.targets[0]
    peak = values[20 + 3, 5]
    others = values[np.isfinite(values) & (values != peak)]
    if target == "nb_oe":
        assert peak == pytest.approx(4, rel=0.1)
        assert np.median(others) == pytest.approx(1, abs=0.1)
    else:
        assert peak > 10
        assert abs(others.mean()) < 0.1
        assert others.std() == pytest.approx(0.9, abs=0.1)  # the peak counts in the dispersion


@pytest.mark.parametrize("target", ["nb_oe", "nb_z"])
def test_the_regression_takes_covariates_in_place_of_weights(target):
    """GC of a bin, say: what it explains of the counts is not in the target, weights are."""
    rng, own = np.random.default_rng(0), stretch()
    gc, weight = rng.normal(0, 0.3, (2, N))
    d, i = np.arange(N_DISTANCES)[:, None], np.arange(N)
    both = gc + gc[np.minimum(i + d, N - 1)]
    counts = np.where(np.isfinite(own.counts), rng.poisson(300 * np.exp(2 * both)), np.nan)
    own = replace(
        own, counts=counts.astype(np.float32), log_weight=weight.astype(np.float32),
        covariates=np.array([gc, rng.normal(size=N)]),
    )  # fmt: skip
    background = _fit_background([own], seed=0)
    assert background.coefficients[-2:] == pytest.approx([2, 0], abs=0.05)
    made = network(target=target, log2=False)
    values = Frames([own], made, np.ones(N_DISTANCES), background, validation=False).targets[0]
    stripes = stripes_of(np.where(own.pairs(validation=False), both, np.nan))
    known = np.isfinite(values)
    assert abs(np.corrcoef(values[known], stripes[known])[0, 1]) < 0.1
    assert _spread([own], background).shape == (N_DISTANCES,)


def test_covariates_are_of_regressions_alone():
    with pytest.raises(InputError, match="targets nb_oe and nb_z"):
        settings(covariates=["GC"])


def test_a_score_is_brought_over_the_expected_by_the_spread():
    made = network(target="nb_z", log2=False)
    with torch.no_grad():
        made.fc.weight.zero_()
        made.fc.bias.fill_(2.0)
    ratio = FittedEpiphany(made, np.full(N_DISTANCES, 0.5)).log_ratio(stretch().features)
    np.testing.assert_allclose(ratio[np.isfinite(ratio)], np.log(2), rtol=1e-5)
    with pytest.raises(InputError, match="target=nb_z is below 0"):
        settings(target="nb_z")


ADVERSARIES = {"adversarial": True, "stripes": 68, "epochs": 2}


@pytest.fixture(scope="module")
def wide():
    return stretch(n_distances=68, n=160)


def test_the_discriminator_is_trained_and_moves_the_generator(wide):
    kept = {}
    for weight in (0.5, 1.0):
        options = settings(**ADVERSARIES, mse_weight=weight)
        kept[weight], _ = fit_epiphany([wide], options, mirrored=[0], seed=1)
    torch.manual_seed(1)
    first = Epiphany(options, 1, 68, STEP).state_dict()
    name = "discriminator.layers.0.weight"
    assert not torch.equal(kept[0.5][name], first[name])
    assert not torch.equal(kept[0.5]["fc.weight"], kept[1.0]["fc.weight"])
    # Without a share in the loss the discriminator leaves the generator as it is.
    alone, _ = fit_epiphany([wide], replace(options, adversarial=False), mirrored=[0], seed=1)
    torch.testing.assert_close(alone["fc.weight"], kept[1.0]["fc.weight"], rtol=0.3, atol=0.02)


def test_a_killed_run_with_a_discriminator_goes_on_to_the_same_weights(wide, tmp_path, monkeypatch):
    monkeypatch.setattr(networks, "SAVE_SECONDS", 0)
    options, more = settings(**ADVERSARIES), {"mirrored": [0], "seed": 1}
    whole, _ = fit_epiphany([wide], options, **more)
    ends = networks._Keeper.on_train_epoch_end

    def killed(keeper, *arguments):
        ends(keeper, *arguments)
        raise RuntimeError("killed")

    monkeypatch.setattr(networks._Keeper, "on_train_epoch_end", killed)
    with pytest.raises(RuntimeError, match="killed"):
        fit_epiphany([wide], options, **more, resume_dir=tmp_path)
    monkeypatch.setattr(networks._Keeper, "on_train_epoch_end", ends)
    resumed, history = fit_epiphany([wide], options, **more, resume_dir=tmp_path)
    assert history["epoch"].tolist() == [0, 1]
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_several_processes_for_two_networks_are_refused(wide):
    options = settings(**ADVERSARIES, devices=2, batch_size=2)
    with pytest.raises(InputError, match="trained by one process"):
        fit_epiphany([wide], options, mirrored=[0])


def test_published_weights_take_the_place_of_training(tmp_path):
    torch.manual_seed(5)
    published = network().state_dict()
    own = {k: t for k, t in published.items() if k != "step" and "discriminator" not in k}
    torch.save(own, tmp_path / "weights.pt_model")
    path = tmp_path / "weights.pt_model"
    tensors, history = fit_epiphany([stretch()], settings(), mirrored=[0], weights=path)
    for name, tensor in own.items():
        torch.testing.assert_close(tensors[name], tensor, rtol=0, atol=0)
    assert history.empty
    np.testing.assert_allclose(tensors["scale"], 20, rtol=1e-5)
    with pytest.raises(CheckpointError, match="weight conv1"):
        fit_epiphany([stretch()], settings(width=0.2), mirrored=[0], weights=path)


def test_a_discriminator_scores_whole_frames_and_a_network_without_has_none():
    sizes = {"adversarial": True, "stripes": 68}
    torch.manual_seed(0)
    made = Epiphany(settings(**sizes), 1, 68, STEP)
    fitted = FittedEpiphany(made, np.ones(68))
    ratio = np.random.default_rng(0).random((68, 150)) + 0.5
    scores = fitted.perceive(ratio)
    assert scores.shape == (2,)
    frame = torch.as_tensor(
        np.nan_to_num(np.log2(stripes_of(ratio)[68:136] + 1)), dtype=torch.float32
    )
    with torch.no_grad():
        expected = torch.sigmoid(made.discriminator(frame[None]))[0]
    assert scores[1] == pytest.approx(float(expected), rel=1e-5)
    assert len(fitted.perceive(ratio[:, :50])) == 0
    with pytest.raises(InputError, match="needs a predictor with a discriminator"):
        FittedEpiphany(network(), np.ones(N_DISTANCES)).perceive(ratio)
