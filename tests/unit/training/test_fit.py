"""Whole runs: learning, repeatability, resume after a kill, fine-tuning, bad input."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cooler
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from chromloom.errors import ChromloomError, InputError
from chromloom.files import lock_file
from chromloom.models.hiclstm.settings import HiCLSTMSettings
from chromloom.models.trained import TrainedModel
from chromloom.normalize.maps import NormalizedMap
from chromloom.training.fit import fine_tune, train
from chromloom.training.learner import TileLearner
from chromloom.training.loop import Loop
from chromloom.training.released import FrameLearner
from chromloom.training.resume import TerminatedError

SMALL = {"embedding_dim": 4, "hidden_size": 4, "frame": 30, "tile_rows": 32, "epochs": 3}


def small(preset, **changes):
    extra = {"frame": 20} if preset == "released" else {}
    return HiCLSTMSettings.from_preset(preset, **(SMALL | extra | changes))


def weights(folder):
    return load_file(folder / "model.safetensors")


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_loss_that_is_no_number_ends_training(tiny_map_path, tmp_path):
    settings = small("paper", epochs=3, learning_rate=1e30, embedding_learning_rate=1e30)
    with pytest.raises(
        InputError, match=r"loss of epoch \d is no number; take a lower learning_rate"
    ):
        train(tiny_map_path, tmp_path / "m", settings, seed=0, device="cpu")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("preset", ["paper", "refined", "released"])
def test_loss_falls_and_is_told(tiny_map_path, tmp_path, caplog, preset):
    with caplog.at_level(logging.INFO, logger="chromloom"):
        train(
            tiny_map_path,
            tmp_path / "m",
            small(preset, epochs=6),
            seed=0,
            device="cpu",
            resume_dir=tmp_path / "resume",
        )
    history = pd.read_csv(tmp_path / "m" / "history.tsv", sep="\t")
    assert history.columns.tolist() == [
        "epoch",
        "loss",
        "pairs",
        "seconds",
        "pairs_per_s",
        "learning_rate",
    ]
    assert history["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    assert len(set(history["pairs"])) == 1
    assert "epoch 6/6: loss" in caplog.text
    assert not (tmp_path / "resume").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_refined_beats_the_eigenvectors_it_starts_from(tiny_map_path, tmp_path):
    normalized = NormalizedMap(tiny_map_path)
    value, expected = normalized.band("chr1", 0, 120), normalized.expected("chr1").band(0, 120)
    target = np.log((value + 0.5) / (expected + 0.5))
    start = small("eig", hidden_size=0, epochs=0)
    on = small(
        "refined",
        hidden_size=8,
        epochs=40,
        start="eig",
        knots=1,
        lstm_frames=0,
        norm_eps=1e-5,
        loss="mse",
        embedding_learning_rate=0.003,
    )
    errors = []
    for name, settings in (("eig", start), ("refined", on)):
        train(tiny_map_path, tmp_path / name, settings, seed=0, device="cpu")
        band = TrainedModel.load(tmp_path / name).predict_band("chr1", 0, 120)
        errors.append(np.nanmean((band - target) ** 2))
    assert errors[1] < 0.97 * errors[0]


@pytest.mark.parametrize("preset", ["paper", "refined", "released", "eig"])
def test_same_seed_gives_the_same_bits(tiny_map_path, tmp_path, preset):
    changes = {"hidden_size": 0, "epochs": 0} if preset == "eig" else {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(tiny_map_path, tmp_path / name, small(preset, **changes), seed=seed, device="cpu")
    assert equal(weights(tmp_path / "a"), weights(tmp_path / "b"))
    if preset != "eig":
        assert not equal(weights(tmp_path / "a"), weights(tmp_path / "c"))


@pytest.mark.parametrize(
    ("preset", "changes", "rtol"),
    [
        ("refined", {}, 1e-4),
        ("paper", {}, 1e-4),
        # through a recurrent layer norm float32 gradients are noisy, the oracle's as much
        ("paper", {"norm_recurrent": True}, 0.2),
    ],
)
def test_loss_curve_of_the_fast_kernel_is_the_oracles(
    tiny_map_path, tmp_path, preset, changes, rtol
):
    curves = []
    for backend in ("reference", "auto"):
        folder = tmp_path / backend
        train(
            tiny_map_path,
            folder,
            small(preset, epochs=4, **changes),
            seed=0,
            device="cpu",
            backend=backend,
        )
        curves.append(pd.read_csv(folder / "history.tsv", sep="\t")["loss"])
    np.testing.assert_allclose(*curves, rtol=rtol)


class Killed(Exception):
    """Stands for the kill in tests that stay in one process."""


def _interrupt(monkeypatch, learner, after):
    """Make the learner raise at its step number `after`; returns what undoes it."""
    real, count = learner.step, [0]

    def step(self, item, progress):
        count[0] += 1
        if count[0] > after:
            raise Killed
        return real(self, item, progress)

    monkeypatch.setattr(learner, "step", step)
    return lambda: monkeypatch.setattr(learner, "step", real)


@pytest.mark.parametrize("preset", ["paper", "refined", "released"])
@pytest.mark.parametrize("after", [0, 8])
def test_interrupted_run_ends_as_an_undisturbed_one(
    tiny_map_path, tmp_path, monkeypatch, preset, after
):
    monkeypatch.setattr(
        Loop.__init__, "__kwdefaults__", Loop.__init__.__kwdefaults__ | {"save_seconds": 0.0}
    )
    settings = small(preset)
    resume = tmp_path / "resume"
    train(tiny_map_path, tmp_path / "whole", settings, seed=3, device="cpu")
    learner = FrameLearner if preset == "released" else TileLearner
    undo = _interrupt(monkeypatch, learner, after)
    with pytest.raises(Killed):
        train(tiny_map_path, tmp_path / "cut", settings, seed=3, device="cpu", resume_dir=resume)
    assert not (tmp_path / "cut").exists()
    assert (resume / "state.safetensors").exists() == (after > 0)
    undo()
    train(tiny_map_path, tmp_path / "cut", settings, seed=3, device="cpu", resume_dir=resume)
    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "cut"))
    losses = [pd.read_csv(tmp_path / n / "history.tsv", sep="\t")["loss"] for n in ("whole", "cut")]
    pd.testing.assert_series_equal(*losses)
    assert not resume.exists()


def test_sigterm_ends_training_after_the_step_and_keeps_its_state(
    tiny_map_path, tmp_path, monkeypatch
):
    settings, resume = small("paper"), tmp_path / "resume"
    train(tiny_map_path, tmp_path / "whole", settings, seed=3, device="cpu")
    real, steps = TileLearner.step, []

    def step(self, item, progress):
        steps.append(1)
        if len(steps) == 9:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, item, progress)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(TileLearner, "step", step)
    with pytest.raises(TerminatedError, match="run again to go on"):
        train(tiny_map_path, tmp_path / "cut", settings, seed=3, device="cpu", resume_dir=resume)
    assert len(steps) == 9
    assert signal.getsignal(signal.SIGTERM) == before
    train(tiny_map_path, tmp_path / "cut", settings, seed=3, device="cpu", resume_dir=resume)
    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "cut"))


def test_two_trainings_do_not_share_a_state(tiny_map_path, tmp_path):
    resume = tmp_path / "resume"
    resume.mkdir()
    with lock_file(resume / ".lock") as other:
        other.write("process 17 of node")
        other.flush()
        with pytest.raises(ChromloomError, match="in use by process 17 of node: a training"):
            train(tiny_map_path, tmp_path / "m", small("paper"), device="cpu", resume_dir=resume)
    assert not (tmp_path / "m").exists()
    train(tiny_map_path, tmp_path / "m", small("paper"), device="cpu", resume_dir=resume)
    assert not resume.exists()


@pytest.mark.parametrize("what", ["seed", "settings", "data", "damaged"])
def test_state_of_another_run_is_not_taken_up(
    tiny_map_path, make_counts, tmp_path, monkeypatch, caplog, what
):
    monkeypatch.setattr(
        Loop.__init__, "__kwdefaults__", Loop.__init__.__kwdefaults__ | {"save_seconds": 0.0}
    )
    resume = tmp_path / "resume"
    undo = _interrupt(monkeypatch, TileLearner, 9)
    with pytest.raises(Killed):
        train(
            tiny_map_path, tmp_path / "m", small("paper"), seed=3, device="cpu", resume_dir=resume
        )
    undo()
    seed, settings, map_path = 3, small("paper"), tiny_map_path
    if what == "seed":
        seed = 4
    elif what == "settings":
        settings = small("paper", learning_rate=0.02)
    elif what == "data":
        map_path = tmp_path / "other.cool"
        _other_map(make_counts, tmp_path, map_path)
    else:
        state = resume / "state.safetensors"
        state.write_bytes(state.read_bytes()[:-50])
    train(map_path, tmp_path / "fresh", settings, seed=seed, device="cpu")
    with caplog.at_level(logging.WARNING, logger="chromloom"):
        train(map_path, tmp_path / "m", settings, seed=seed, device="cpu", resume_dir=resume)
    assert "training starts from the beginning" in caplog.text
    assert equal(weights(tmp_path / "m"), weights(tmp_path / "fresh"))


def _other_map(make_counts, tmp_path, path, **options):
    from chromloom.normalize.normalized import write_normalized

    clr = make_counts(tmp_path / "other_counts.cool", seed=9, **options)
    bins = clr.bins()[:]
    w = np.ones(len(bins))
    w[bins.groupby("chrom", sort=False, observed=True).cumcount().isin([5, 6, 30])] = np.nan
    ends = bins.groupby("chrom", sort=False, observed=True)["end"].max()
    view_df = pd.DataFrame(
        [[c, 0, e, c] for c, e in ends.items()], columns=["chrom", "start", "end", "name"]
    )
    write_normalized(clr, w, path, sample="other", norm="ICE", assembly="tiny", view_df=view_df)


@pytest.mark.slow
def test_killed_process_goes_on_to_the_same_weights(tiny_map_path, tmp_path, repo_root):
    """SIGKILL in the middle of an epoch, once the first state is on disk."""
    script = tmp_path / "run.py"
    script.write_text(
        "import sys, time\n"
        "from chromloom.models.hiclstm.settings import HiCLSTMSettings\n"
        "from chromloom.training import fit, loop\n"
        "from chromloom.training.learner import TileLearner\n"
        "loop.Loop.__init__.__kwdefaults__['save_seconds'] = 0.0\n"
        "if sys.argv[2] == 'slow':\n"
        "    real = TileLearner.step\n"
        "    def step(self, tile, progress):\n"
        "        time.sleep(0.05)\n"
        "        return real(self, tile, progress)\n"
        "    TileLearner.step = step\n"
        f"settings = HiCLSTMSettings.from_preset('refined', **{SMALL!r})\n"
        f"fit.train({str(tiny_map_path)!r}, sys.argv[1], settings, seed=3, device='cpu',\n"
        f"          resume_dir={str(tmp_path / 'resume')!r})\n"
    )
    environment = os.environ | {"PYTHONPATH": str(repo_root / "workflow"), "OMP_NUM_THREADS": "1"}

    def run(out, speed):
        command = [sys.executable, str(script), str(out), speed]
        return subprocess.Popen(command, env=environment)

    state = tmp_path / "resume" / "state.safetensors"
    process = run(tmp_path / "cut", "slow")
    deadline = time.monotonic() + 120
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert state.exists()
    assert not (tmp_path / "cut").exists()
    assert run(tmp_path / "cut", "fast").wait() == 0
    assert not state.parent.exists()
    assert run(tmp_path / "whole", "fast").wait() == 0
    assert equal(weights(tmp_path / "cut"), weights(tmp_path / "whole"))


@pytest.fixture(scope="module")
def trained_dir(tiny_map_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "m"
    train(tiny_map_path, folder, small("refined"), seed=0, device="cpu")
    return folder


def test_fine_tuning_on_a_region_moves_its_bins_only(trained_dir, tiny_map_path, tmp_path):
    fine_tune(
        trained_dir,
        tiny_map_path,
        tmp_path / "m",
        region=("chr2", 200_000, 600_000),
        freeze_lstm=True,
        epochs=2,
        learning_rate=0.01,
        device="cpu",
    )
    before, after = weights(trained_dir), weights(tmp_path / "m")
    moved = (before["embedding"] != after["embedding"]).any(1).numpy()
    masked = NormalizedMap(tiny_map_path).bins["masked"].to_numpy()
    wanted = np.zeros(230, dtype=bool)
    wanted[120 + 20 : 120 + 60] = True
    np.testing.assert_array_equal(moved, wanted & ~masked)
    decoder = [name for name in before if name not in ("embedding", "recalibration")]
    assert all(torch.equal(before[name], after[name]) for name in decoder)
    tuned = TrainedModel.load(tmp_path / "m")
    assert tuned.config["fine_tuned_from"] == str(trained_dir)
    assert tuned.settings.fit.epochs == 2
    assert len(pd.read_csv(tmp_path / "m" / "history.tsv", sep="\t")) == 2


def test_fine_tuning_on_another_map_fits_it_better(trained_dir, make_counts, tmp_path):
    path = tmp_path / "other.cool"
    _other_map(make_counts, tmp_path, path, depth=20.0)
    fine_tune(trained_dir, path, tmp_path / "m", epochs=5, device="cpu")
    normalized = NormalizedMap(path)
    value, expected = normalized.band("chr1", 0, 120), normalized.expected("chr1").band(0, 120)
    target = np.log((value + 0.5) / (expected + 0.5))
    errors = [
        np.nanmean((TrainedModel.load(f).predict_band("chr1", 0, 120) - target) ** 2)
        for f in (trained_dir, tmp_path / "m")
    ]
    assert errors[1] < errors[0]
    assert TrainedModel.load(tmp_path / "m").config["sample"] == "other"


def test_fine_tuning_on_other_bins_is_refused(trained_dir, make_counts, tmp_path):
    path = tmp_path / "coarse.cool"
    _other_map(make_counts, tmp_path, path, resolution=5_000)
    with pytest.raises(InputError, match="trained on 230 bins of 10000 bp"):
        fine_tune(trained_dir, path, tmp_path / "m", device="cpu")
    assert not (tmp_path / "m").exists()


def test_region_without_pairs_is_refused(trained_dir, tiny_map_path, tmp_path):
    with pytest.raises(InputError, match="no unmasked pair in chr2:0-15000; widen the region"):
        fine_tune(
            trained_dir, tiny_map_path, tmp_path / "m", region=("chr2", 0, 15_000), device="cpu"
        )


def test_region_on_an_unknown_chromosome_is_refused(trained_dir, tiny_map_path, tmp_path):
    with pytest.raises(InputError, match="no chromosome 'chr9'"):
        fine_tune(
            trained_dir, tiny_map_path, tmp_path / "m", region=("chr9", 0, 15_000), device="cpu"
        )


def test_map_without_unmasked_bins_is_refused(make_counts, tmp_path):
    from chromloom.normalize.normalized import write_normalized

    clr = make_counts(tmp_path / "counts.cool", chromsizes={"chrA": 300_000})
    view_df = pd.DataFrame(
        [["chrA", 0, 300_000, "chrA"]], columns=["chrom", "start", "end", "name"]
    )
    path = tmp_path / "empty.cool"
    write_normalized(clr, np.ones(30), path, sample="s", norm="ICE", assembly="a", view_df=view_df)
    with cooler.Cooler(str(path)).open("r+") as group:
        group["bins/weight"][:] = np.nan
    with pytest.raises(InputError, match="has no unmasked bin"):
        train(path, tmp_path / "m", small("paper"), device="cpu")


def test_little_memory_trains_the_same_pairs(tiny_map_path, tmp_path):
    train(tiny_map_path, tmp_path / "m", small("paper"), seed=0, device="cpu", max_target_gb=1e-9)
    train(tiny_map_path, tmp_path / "w", small("paper"), seed=0, device="cpu")
    read = [pd.read_csv(tmp_path / n / "history.tsv", sep="\t") for n in "mw"]
    assert read[0]["pairs"].equals(read[1]["pairs"])
    assert read[0]["loss"].iloc[-1] == pytest.approx(read[1]["loss"].iloc[-1], rel=0.2)


def test_carried_state_and_two_directions_train(tiny_map_path, tmp_path):
    for name, changes in {
        "carried": {"carry_state": True, "tile_rows": 16},
        "both": {"directions": 2},
    }.items():
        train(tiny_map_path, tmp_path / name, small("refined", epochs=4, **changes), device="cpu")
        history = pd.read_csv(tmp_path / name / "history.tsv", sep="\t")
        assert history["loss"].iloc[-1] < history["loss"].iloc[0]
        assert Path(tmp_path / name / "config.json").exists()


def test_training_finds_its_kernels_compiled(repo_root, tiny_map_path, tmp_path):
    script = tmp_path / "compiled.py"
    script.write_text(
        "from chromloom.kernels import __main__ as ahead, counts, cpu\n"
        "from chromloom.training.models import train_model\n"
        "def compiled():\n"
        "    names = ['some_rows', 'near_pairs', 'counts_of', 'some_products']\n"
        "    functions = [getattr(counts, name) for name in names]\n"
        "    return [f.signatures for f in (*functions, cpu.backward_blocks, cpu.forward_blocks)]\n"
        "ahead.compile_recurrence(), ahead.compile_counts()\n"
        "before = compiled()\n"
        "for model in ('hiclstm-paper', 'hiclstm-refined'):\n"
        f"    train_model(model, {str(tiny_map_path)!r}, {str(tmp_path)!r} + '/' + model,\n"
        "                options={'epochs': 1}, seed=0, device='cpu')\n"
        "assert all(before) and compiled() == before, (before, compiled())\n"
    )
    environment = os.environ | {"PYTHONPATH": str(repo_root / "workflow")}
    subprocess.run([sys.executable, str(script)], env=environment, check=True)
