"""One step: its gradients, and Adam on what it touched."""

import math
from itertools import islice

import numpy as np
import pytest
import torch

from chromloom.models.hiclstm.module import HiCLSTM
from chromloom.models.hiclstm.settings import HiCLSTMSettings
from chromloom.normalize.maps import NormalizedMap
from chromloom.training.learner import (
    LazyAdam,
    TileLearner,
    clip_gradients,
    learning_rate_factor,
)
from chromloom.training.targets import MapTargets
from chromloom.training.tiles import TileLoader

# `refined` as plain least squares on log O/E
SQUARES = {"start": "eig", "knots": 1, "lstm_frames": 0, "loss": "mse", "loss_weight": "variance"}
NUMBERS = {"chr1": 0, "chr2": 1, "chr3": 2}


def test_adam_over_all_rows_is_torchs():
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(6, 3, generator=generator)
    parameter = torch.nn.Parameter(start.clone())
    reference = torch.optim.Adam([parameter], lr=0.02)
    adam = LazyAdam(start.clone())
    for _ in range(20):
        gradient = torch.randn(6, 3, generator=generator)
        parameter.grad = gradient.clone()
        reference.step()
        adam.step(slice(None), gradient, 0.02)
    torch.testing.assert_close(adam.values, parameter.detach(), rtol=0, atol=2e-6)


def test_adam_of_a_slice_moves_nothing_else_and_counts_its_own_steps():
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(6, 3, generator=generator)
    lazy, alone = LazyAdam(start.clone()), LazyAdam(start[2:4].clone())
    for k in range(10):
        gradient = torch.randn(2, 3, generator=generator)
        if k % 2:
            lazy.step(slice(0, 2), gradient, 0.1)
        else:
            lazy.step(slice(2, 4), gradient, 0.1)
            alone.step(slice(None), gradient, 0.1)
    assert torch.equal(lazy.values[2:4], alone.values)
    assert torch.equal(lazy.values[4:], start[4:])
    assert lazy.steps.flatten().tolist() == [5, 5, 5, 5, 0, 0]


def test_clipping_is_torchs():
    generator = torch.Generator().manual_seed(0)
    for scale in (0.01, 10.0):
        gradients = [scale * torch.randn(n, 2, generator=generator) for n in (3, 5)]
        parameters = [torch.nn.Parameter(torch.zeros_like(g)) for g in gradients]
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient.clone()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        clip_gradients(gradients, 1.0)
        for parameter, gradient in zip(parameters, gradients):
            torch.testing.assert_close(gradient, parameter.grad)


def test_one_cycle_is_torchs_and_steps_drop_once():
    settings = HiCLSTMSettings.from_preset("refined")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    total = 200
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=total + 1)
    for k in range(total):
        factor = learning_rate_factor(settings.fit, k / total)
        assert factor == pytest.approx(schedule.get_last_lr()[0], abs=0.02)
        optimizer.step()
        schedule.step()
    paper = HiCLSTMSettings.from_preset("paper")
    factors = [learning_rate_factor(paper.fit, epoch / 10) for epoch in range(10)]
    assert factors == [1.0] * 5 + [0.1] * 5


@pytest.fixture(
    params=[
        ("paper", {}),
        ("paper", {"layers": 2, "norm_input": False, "norm_recurrent": False}),
        ("refined", {}),
        ("refined", {"lstm_frames": 0, "knots": 1}),
        ("refined", SQUARES),
        ("refined", SQUARES | {"knots": 4}),
        ("refined", SQUARES | {"directions": 2}),
        ("refined", SQUARES | {"carry_state": True}),
        ("refined", SQUARES | {"distance_input": True, "norm_input": True}),
    ],
    ids=lambda p: "-".join([p[0], *(name for name in p[1] if p[1][name] != SQUARES.get(name))]),
)
def case(request, tiny_map_path):
    preset, changes = request.param
    settings = HiCLSTMSettings.from_preset(
        preset,
        embedding_dim=4,
        hidden_size=5,
        tile_rows=40,
        frame=30,
        clip_norm=math.inf,
        schedule="constant",
        learning_rate=1e-3,
        embedding_learning_rate=1e-3,
        **changes,
    )
    source = MapTargets(NormalizedMap(tiny_map_path), settings)
    loader = TileLoader(source, settings, NUMBERS, seed=0)
    model = HiCLSTM(settings, 230, 3)
    model.reset(0)
    generator = torch.Generator().manual_seed(4)
    for name, parameter in model.named_parameters():
        if name == "embedding":
            continue
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    return model, loader


def dense_loss(model, loader, tile):
    """Loss of one tile from the whole embedding table, by plain autograd in float64."""
    settings, block = model.settings, tile.block
    n = block.n
    R = model.embedding[block.offset : block.offset + n]
    length, n_rows = tile.d1 - tile.d0, block.hi - block.lo
    index = torch.arange(block.lo + tile.d0, block.hi + tile.d1 - 1)
    cols = R[index.clamp(max=n - 1)]
    ok = torch.from_numpy(~loader.source.mask(loader.source.chromnames[block.chrom]))
    col_ok = ok[index.clamp(max=n - 1)] & (index < n)
    y = model.tile(
        R[block.lo : block.hi],
        cols,
        ok[block.lo : block.hi],
        col_ok,
        block.chrom,
        tile.d0,
        backend="reference",
    )
    if settings.objective.target == "cp":
        y = torch.sigmoid(y)
    chrom = loader.source.chromnames[block.chrom]
    target = torch.from_numpy(loader.source.block(chrom, block.lo, block.hi)).double()
    target = target[tile.d0 : tile.d1]
    weight = torch.from_numpy(loader.distance_weights()).double()[tile.d0 : tile.d1, None]
    known = ~torch.isnan(target)
    assert y.shape == (length, n_rows)
    if settings.objective.loss == "poisson":
        exposure = loader.source.exposure(chrom, block.lo, block.hi)[tile.d0 : tile.d1]
        exposure, ratio = torch.from_numpy(exposure).double(), torch.nan_to_num(target)
        return (exposure * torch.exp(y) - exposure * ratio * y)[known].sum()
    return (weight * torch.where(known, y - target, 0.0) ** 2).sum()


def test_gradients_of_a_step_are_those_of_the_dense_loss(case, monkeypatch):
    model, loader = case
    tiles = list(loader)
    near = next(t for t in tiles if t.d0 == 0 and t.block.lo == 40)
    far = max(tiles, key=lambda t: (t.block.chrom == 0, t.d0 - t.block.lo))
    weights = torch.from_numpy(loader.distance_weights())
    for tile in {id(t): t for t in (near, far)}.values():
        double = HiCLSTM(model.settings, 230, 3).double()
        double.load_state_dict({k: v.double() for k, v in model.state_dict().items()})
        loss = dense_loss(double, loader, tile)
        (loss / (40 * 30)).backward()
        learner = TileLearner(model, weights)
        moved = {}
        monkeypatch.setattr(
            LazyAdam,
            "step",
            lambda self, rows, g, rate, moved=moved: moved.update(
                {(id(self), rows.start, rows.stop): g.clone()}
            ),
        )
        got = learner.step(tile, 0.0)
        assert float(got) == pytest.approx(float(loss.detach()), rel=2e-3)  # 16-bit targets
        embedding = torch.zeros(230, 4)
        for (owner, start, stop), gradient in moved.items():
            if owner == id(learner.embedding_adam):
                embedding[start:stop] = gradient
            else:
                decoder = gradient.flatten()
        wanted = torch.cat([p.grad.flatten() for p in double.decoder_parameters()])
        for ours, theirs in ((embedding, double.embedding.grad), (decoder, wanted)):
            error = torch.linalg.vector_norm(ours - theirs) / torch.linalg.vector_norm(theirs)
            assert error < 5e-3  # 16-bit targets


def test_a_step_moves_only_what_the_tile_read(case):
    model, loader = case
    before = model.embedding.detach().clone()
    tile = max(loader, key=lambda t: t.block.chrom == 1)
    learner = TileLearner(model, torch.from_numpy(loader.distance_weights()))
    learner.step(tile, 0.0)
    moved = (model.embedding.detach() != before).any(1).numpy()
    block = tile.block
    read = np.zeros(230, dtype=bool)
    read[block.offset + block.lo : block.offset + block.hi] = True
    read[block.offset + block.lo + tile.d0 : block.offset + min(block.hi + tile.d1, block.n)] = True
    assert moved.any()
    assert not (moved & ~read).any()
    masked = loader.source.normalized.bins["masked"].to_numpy()
    assert not (moved & masked).any()


def test_frozen_decoder_does_not_move(case):
    model, loader = case
    before = [p.detach().clone() for p in model.decoder_parameters()]
    learner = TileLearner(model, torch.from_numpy(loader.distance_weights()), freeze_decoder=True)
    start = model.embedding.detach().clone()
    for tile in islice(loader, 3):
        learner.step(tile, 0.0)
    assert all(torch.equal(a, b) for a, b in zip(before, model.decoder_parameters()))
    assert not torch.equal(start, model.embedding)


def test_dropout_hides_its_share_and_depends_on_the_place_in_the_run_alone():
    settings = HiCLSTMSettings.from_preset("paper", embedding_dim=4, dropout=0.25)
    learner = TileLearner(HiCLSTM(settings, 20, 1), torch.ones(150))
    tables = torch.ones(3000, 4), torch.full((2000, 4), 2.0)
    rows, cols = learner._drop_out(0.3, *tables)
    assert float((rows == 0).float().mean()) == pytest.approx(0.25, abs=0.02)
    assert rows.unique().tolist() == pytest.approx([0, 1 / 0.75])
    assert float(cols.mean()) == pytest.approx(2, abs=0.1)  # unbiased
    assert not torch.equal(rows[:2000] == 0, cols == 0)
    again, later = learner._drop_out(0.3, *tables)[0], learner._drop_out(0.31, *tables)[0]
    assert torch.equal(rows, again)
    assert not torch.equal(rows, later)


def test_what_the_lstm_reads_is_drawn_from_the_spread(tiny_map_path):
    settings = HiCLSTMSettings.from_preset("refined", embedding_dim=4, hidden_size=5, tile_rows=90)
    source = MapTargets(NormalizedMap(tiny_map_path), settings)
    losses = []
    for factor in (None, 0.0, 0.5):
        model = HiCLSTM(settings, 230, 3)
        model.reset(0)
        for direction in model.directions:
            direction.w.data.fill_(1.0)
        if factor is not None:
            model.spread = factor * (1 + torch.arange(230.0)[:, None].expand(230, 4))
        learner = TileLearner(model, torch.ones(120))
        tiles = TileLoader(source, settings, NUMBERS, seed=0)
        losses.append([float(learner.step(tile, 0.5)) for tile in tiles])
    assert losses[0] == losses[1] != losses[2]
    tables, spans = (torch.zeros(40, 4), torch.zeros(60, 4)), (slice(0, 40), slice(180, 230))
    rows, cols = learner._blur(0.25, tables, spans)
    assert (cols[50:] == 0).all()  # beyond the chromosome
    for drawn, span in ((rows, spans[0]), (cols[:50], spans[1])):
        share = drawn / model.spread[span]
        assert share.std() == pytest.approx(1, abs=0.15)
    again, elsewhere = (learner._blur(at, tables, spans)[0] for at in (0.25, 0.26))
    assert torch.equal(rows, again)
    assert not torch.equal(rows, elsewhere)
