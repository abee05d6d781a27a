"""The harness of networks: the best epoch is kept, a killed run goes on, processes add up."""

import logging
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from chromloom.errors import InputError
from chromloom.models.settings import NetworkFit
from chromloom.training import networks
from chromloom.training.networks import fit_network
from chromloom.training.resume import TerminatedError

FIT = NetworkFit(learning_rate=0.05, schedule="cosine", epochs=5, batch_size=4)


class Line(nn.Module):
    """A linear form with dropout; its loss is the mean squared error."""

    def __init__(self, dropout=0.3):
        super().__init__()
        torch.manual_seed(1)
        self.linear, self.dropout = nn.Linear(3, 1), nn.Dropout(dropout)

    def loss(self, batch):
        x, y = batch
        return ((self.linear(self.dropout(x))[:, 0] - y) ** 2).mean()


class Points(Dataset):
    def __init__(self, n=16, seed=0, noise=0.1):
        rng = np.random.default_rng(seed)
        self.x = rng.normal(size=(n, 3)).astype(np.float32)
        self.y = (self.x @ [1, -2, 0.5] + noise * rng.normal(size=n)).astype(np.float32)
        self.read = []

    def __len__(self):
        return len(self.x)

    def __getitem__(self, k):
        self.read.append(k)
        return self.x[k], self.y[k]


def run(fit=FIT, *, network=None, train=None, validation=None, **more):
    torch.set_num_threads(1)
    sets = [
        Points() if train is None else train,
        Points(8, seed=1) if validation is None else validation,
    ]
    return fit_network(network or Line(), *sets, fit, **more)


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", [1, 1, 1]),
        ("cosine", [1, 0.5, 0]),
        ("one-cycle", [0.04, 0.81, 0]),
        ("halving", [1, 0.5, 0.25]),
    ],
)
def test_schedules(schedule, rates):
    fit = NetworkFit(schedule=schedule, learning_rate=1.0, halve_every=5, epochs=10)
    found = [fit.rate(epoch) for epoch in (0, 5, 10)]
    np.testing.assert_allclose(found, rates, atol=0.02)
    assert replace(fit, epochs=1000, schedule="halving").rate(999) == 1e-6


def test_the_loss_falls_and_the_epoch_of_the_best_validation_is_kept():
    network = Line(dropout=0.0)
    tensors, history = run(replace(FIT, epochs=20), network=network)
    assert list(history) == ["epoch", "loss", "validation", "learning_rate", "seconds"]
    assert history["loss"].iloc[-1] < history["loss"].iloc[0] / 3
    again, validation = Line(dropout=0.0), Points(8, seed=1)
    again.load_state_dict(tensors)
    batch = torch.tensor(validation.x), torch.tensor(validation.y)
    assert again.loss(batch).item() == pytest.approx(history["validation"].min(), rel=1e-5)


def test_what_is_kept_is_not_the_last_epoch_where_validation_grew():
    upside_down = Points(8, seed=1)
    upside_down.y *= -1
    tensors, history = run(validation=upside_down, network=Line(dropout=0.0))
    assert history["validation"].idxmin() == 0
    first, _ = run(replace(FIT, epochs=1, schedule="constant"), network=Line(dropout=0.0))
    assert tensors["linear.weight"].shape == first["linear.weight"].shape
    last, _ = run(network=Line(dropout=0.0))
    assert not same(tensors, last)


def test_patience_ends_training():
    upside_down = Points(8, seed=1)
    upside_down.y *= -1
    _, history = run(replace(FIT, patience=2), validation=upside_down)
    assert len(history) == 3


def test_seeds_decide_the_order_and_the_dropout():
    assert same(run(seed=3)[0], run(seed=3)[0])
    assert not same(run(seed=3)[0], run(seed=4)[0])
    train = Points()
    run(replace(FIT, epochs=2), train=train)
    assert sorted(train.read[:16]) == sorted(train.read[16:]) == list(range(16))
    assert train.read[:16] != train.read[16:]


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_killed_run_goes_on_to_the_same_weights(epochs, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(networks, "SAVE_SECONDS", 0)
    caplog.set_level(logging.INFO, "chromloom")
    whole, history = run(seed=2, fingerprint="a")
    starts = networks._Keeper.on_train_batch_start

    def killed(keeper, trainer, *more):
        if trainer.current_epoch == epochs:
            raise RuntimeError("killed")
        starts(keeper, trainer, *more)

    monkeypatch.setattr(networks._Keeper, "on_train_batch_start", killed)
    with pytest.raises(RuntimeError, match="killed"):
        run(seed=2, fingerprint="a", resume_dir=tmp_path)
    monkeypatch.setattr(networks._Keeper, "on_train_batch_start", starts)
    resumed, again = run(seed=2, fingerprint="a", resume_dir=tmp_path)
    assert "going on from" in caplog.text
    assert same(whole, resumed)
    columns = ["epoch", "loss", "validation", "learning_rate"]
    np.testing.assert_array_equal(history[columns], again[columns])
    # What has ended stays as it is, and what another run left is not taken up.
    ended, _ = run(seed=2, fingerprint="a", resume_dir=tmp_path)
    assert same(whole, ended)
    other, _ = run(seed=5, fingerprint="b", resume_dir=tmp_path)
    assert "other settings, seed or data" in caplog.text
    assert same(other, run(seed=5)[0])


def test_sigterm_ends_training_and_keeps_its_state(tmp_path, monkeypatch):
    monkeypatch.setattr(networks, "SAVE_SECONDS", 0)
    train = Points()
    read = Points.__getitem__

    def asked(dataset, k):
        if len(dataset.read) == 40:
            os.kill(os.getpid(), signal.SIGTERM)
        return read(dataset, k)

    monkeypatch.setattr(Points, "__getitem__", asked)
    with pytest.raises(TerminatedError, match="run again to go on"):
        run(seed=2, train=train, resume_dir=tmp_path)
    assert len(train.read) < 80
    monkeypatch.setattr(Points, "__getitem__", read)
    assert same(run(seed=2, resume_dir=tmp_path)[0], run(seed=2)[0])


def test_a_damaged_state_is_not_taken_up(tmp_path, caplog):
    (tmp_path / networks.STATE).write_bytes(b"PK half a file")
    run(replace(FIT, epochs=1), resume_dir=tmp_path)
    assert "training starts from the beginning" in caplog.text


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_moments_are_lost_where_the_optimizer_is_renewed(optimizer):
    fit = replace(FIT, optimizer=optimizer, momentum=0.9, learning_rate=0.01)
    plain, renewed = run(fit)[0], run(replace(fit, renew_optimizer=True))[0]
    assert not same(plain, renewed)
    once = replace(fit, epochs=1)
    assert same(run(once)[0], run(replace(once, renew_optimizer=True))[0])


def test_batches_of_accumulated_steps_are_one_batch():
    """Means of equal batches, so that the step is the same up to rounding."""
    network = {"network": Line(dropout=0.0)}
    one, _ = run(replace(FIT, batch_size=8), network=Line(dropout=0.0))
    two, _ = run(replace(FIT, batch_size=4, accumulate=2), **network)
    torch.testing.assert_close(one["linear.weight"], two["linear.weight"], rtol=0.2, atol=0.02)


PROCESSES = """\
import numpy as np, torch
from toy import Line, Points, fit_network, NetworkFit

torch.set_num_threads(1)
found = []
for devices in (1, 2):
    fit = NetworkFit(learning_rate=0.05, epochs=3, batch_size=4, devices=devices)
    network = Line(dropout=0.0)
    found.append(fit_network(network, Points(), Points(8, seed=1), fit))
torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-4, atol=1e-6)
np.testing.assert_allclose(found[0][1]["validation"], found[1][1]["validation"], rtol=1e-4)
print("the same")
"""


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_same_batches(tmp_path):
    """Called from a script without a guard, as those of the workflow are."""
    (tmp_path / "toy.py").write_text(Path(__file__).read_text())
    (tmp_path / "script.py").write_text(PROCESSES)
    command = [sys.executable, "-W", "ignore", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "the same\n", done.stderr


def test_nothing_is_left_beside_the_resume_folder(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    run(replace(FIT, epochs=1))
    assert not list(tmp_path.iterdir())
    out, err = capfd.readouterr()
    assert out == ""
    assert "GPU" not in err


def test_what_cannot_be_learnt_from_is_refused():
    with pytest.raises(InputError, match="no example is left to validate"):
        run(validation=Points(0))
    with pytest.raises(InputError, match="batch_size=3 cannot be dealt to 2 processes"):
        NetworkFit(batch_size=3, devices=2)
    wrong = Points()
    wrong.y[:] = np.nan
    with pytest.raises(InputError, match="the validation loss is no number"):
        run(train=wrong)
