"""The published code's model against a literal re-implementation; its checkpoints."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chromloom.errors import CheckpointError
from chromloom.models.hiclstm.released import (
    PUBLISHED_NAMES,
    ReleasedHiCLSTM,
    cut_frames,
    import_published,
    read_published,
)
from chromloom.models.hiclstm.settings import HiCLSTMSettings
from chromloom.models.trained import TrainedModel
from chromloom.normalize.maps import NormalizedMap
from chromloom.training.fit import train

SMALL = {"embedding_dim": 3, "hidden_size": 4, "frame": 6}


def literal(model, rows, cols, state):
    """One frame at a time: the cell of the published code, then one linear layer over the frame."""
    hidden, outputs = model.settings.architecture.hidden_size, []
    for n in range(len(rows)):
        h, c = state[0, n], state[1, n]
        seen = []
        for i, j in zip(rows[n], cols[n]):
            x = torch.cat([model.embedding[i], model.embedding[j]])
            z = model.i2h.weight @ x + model.i2h.bias + model.h2h.weight @ h + model.h2h.bias
            i_gate, f_gate = torch.sigmoid(z[:hidden]), torch.sigmoid(z[hidden : 2 * hidden])
            o_gate, g = torch.sigmoid(z[2 * hidden : 3 * hidden]), z[3 * hidden :]
            c = f_gate * c + i_gate * g / (1 + g.abs())
            h = o_gate * c / (1 + c.abs())
            seen.append(h)
        outputs.append(torch.sigmoid(model.out.weight @ torch.cat(seen) + model.out.bias))
    return torch.stack(outputs)


def small_model(n_bins=20, **changes):
    model = ReleasedHiCLSTM(HiCLSTMSettings.from_preset("released", **(SMALL | changes)), n_bins)
    model.reset(0)
    return model


def test_forward_is_that_of_the_published_cell():
    model = small_model().double()
    generator = torch.Generator().manual_seed(1)
    rows = torch.randint(0, 20, (5, 6), generator=generator)
    cols = torch.randint(0, 20, (5, 6), generator=generator)
    state = torch.randn(2, 5, 4, generator=generator, dtype=torch.float64)
    y = model(model.embedding, rows, cols, state)
    torch.testing.assert_close(y, literal(model, rows, cols, state), rtol=0, atol=1e-12)
    assert not torch.allclose(y, model(model.embedding, rows, cols, state * 2))


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), min_size=0, max_size=12), st.integers(1, 9))
def test_frames_are_consecutive_contacts_of_rows_with_more_than_ten(counts, frame):
    rows = np.repeat(np.arange(len(counts)), counts)
    cols = np.arange(len(rows))
    pairs, frames, places = cut_frames(rows, cols, frame)
    expected, number = [], 0
    for row, count in enumerate(counts):
        if count <= 10:
            continue
        own = np.flatnonzero(rows == row)
        for start in range(0, count, frame):
            expected += [(p, number, k) for k, p in enumerate(own[start : start + frame])]
            number += 1
    assert list(zip(pairs, frames, places)) == expected


@pytest.fixture(scope="module")
def trained(tiny_map_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("released") / "model"
    settings = HiCLSTMSettings.from_preset("released", frame=20, embedding_dim=3, epochs=2)
    train(tiny_map_path, folder, settings, seed=2, device="cpu")
    return TrainedModel.load(folder)


def test_only_observed_pairs_are_read(trained, tiny_map_path):
    normalized = NormalizedMap(tiny_map_path)
    band = trained.predict_band("chr1", 0, 120)
    observed = normalized.band("chr1", 0, 120)
    contacts = (observed > 0).sum(0)
    read = (observed > 0) & (contacts > 10)
    assert (band[read] > 0).all()
    assert (band[~read & ~np.isnan(observed)] == 0).all()


def test_prediction_of_a_row_is_its_frames_one_by_one(trained, tiny_map_path):
    row = 70
    pixels = NormalizedMap(tiny_map_path).pixels("chr2", row, row + 1)
    if len(pixels) <= 10:
        row = 20
        pixels = NormalizedMap(tiny_map_path).pixels("chr2", row, row + 1)
    first, _ = trained.extent("chr2")
    j = pixels["j"].to_numpy() + first
    n_frames = -(-len(j) // 20)
    cols = np.zeros((n_frames, 20), dtype=int)
    rows = np.zeros((n_frames, 20), dtype=int)
    cols.flat[: len(j)], rows.flat[: len(j)] = j, row + first
    generator = torch.Generator().manual_seed(2 * 2**32 + row + first)
    noise = torch.randn(2, n_frames, 8, generator=generator)
    wanted = literal(trained.module, rows, cols, noise).flatten()[: len(j)]
    band = trained.predict_band("chr2", row, row + 1)
    np.testing.assert_allclose(band[pixels["j"] - row, 0], wanted, atol=1e-6)


def published(tmp_path, n_bins=40):
    """A checkpoint file as published, unused layer-norm parameters included."""
    model = small_model(n_bins)
    own = model.state_dict()
    state = {key: own[name] for key, name in PUBLISHED_NAMES.items()}
    state["lstm.params.0.ln_cell.alpha"] = torch.ones(1, 4)
    torch.save(state, tmp_path / "published.pth")
    return tmp_path / "published.pth", own


def test_published_checkpoint_becomes_a_model_folder(tmp_path, monkeypatch):
    path, own = published(tmp_path)
    tensors = read_published(path)
    assert set(tensors) == set(own)
    assert all(torch.equal(tensors[name], own[name]) for name in own)
    real = HiCLSTMSettings.from_preset
    monkeypatch.setattr(
        HiCLSTMSettings, "from_preset", classmethod(lambda cls, n, **k: real(n, **(SMALL | k)))
    )
    sizes = pd.Series({"chrA": 1_950_000, "chrB": 2_000_000})
    starts = {"chrA": 1, "chrB": 23}
    import_published(path, tmp_path / "model", chromsizes=sizes, chrom_starts=starts)
    model = TrainedModel.load(tmp_path / "model")
    np.testing.assert_array_equal(model.representation("chrA"), own["embedding"][1:21])
    assert model.mask("chrB").tolist() == [False] * 17 + [True] * 3  # beyond the checkpoint
    assert np.isfinite(model.predict_band("chrA", 0, 5)[2:15]).all()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "is missing; give the path"),
        (lambda path: path.write_bytes(path.read_bytes()[:-500]), "cannot be read as a torch"),
        (lambda path: path.write_text("weights"), "cannot be read as a torch"),
        (lambda path: torch.save({"out.bias": torch.ones(1)}, path), "lacks pos_embed.weight"),
    ],
)
def test_bad_published_checkpoints_are_named(tmp_path, damage, message):
    path, _ = published(tmp_path)
    damage(path)
    with pytest.raises(CheckpointError, match=message):
        read_published(path)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    class Harm:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    torch.save({"pos_embed.weight": Harm()}, tmp_path / "harmful.pth")
    with pytest.raises(CheckpointError, match="cannot be read as a torch state dict"):
        read_published(tmp_path / "harmful.pth")
    assert not (tmp_path / "harm").exists()
