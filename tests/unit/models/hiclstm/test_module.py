"""Settings of the presets, and the module against a literal re-implementation."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chromloom.errors import InputError
from chromloom.models.hiclstm.module import HiCLSTM, band_product
from chromloom.models.hiclstm.settings import PRESETS, HiCLSTMSettings


def test_presets_are_those_of_the_definitions():
    paper, released, refined = (
        SimpleNamespace(**HiCLSTMSettings.from_preset(name).to_dict())
        for name in ("paper", "released", "refined")
    )
    assert (paper.hidden_size, released.hidden_size, refined.hidden_size) == (8, 8, 16)
    assert (paper.target, released.target, refined.target) == ("cp", "cp", "log_oe")
    assert paper.norm_input
    assert paper.norm_cell
    assert not (released.norm_input)
    assert not (released.norm_recurrent)
    assert not (released.norm_cell)
    # where float32 gradients are not sound, and `paper` learns far less
    assert not paper.norm_recurrent
    assert not refined.norm_recurrent
    assert (paper.start, released.start, refined.start) == ("normal", "normal", "likelihood")
    assert refined.bilinear
    assert (paper.loss, released.loss, refined.loss) == ("mse", "mse", "poisson")
    assert (refined.knots, refined.lstm_frames) == (7, 1)
    objectives = [HiCLSTMSettings.from_preset(name).objective for name in ("refined", "eig")]
    assert [objective.pseudocount for objective in objectives] == [0.0, 0.5]
    assert {s.embedding_dim for s in (paper, released, refined)} == {16}
    assert {s.frame for s in (paper, released, refined)} == {150}
    assert (paper.learning_rate, paper.epochs, paper.schedule) == (0.01, 10, "steps")


def test_passes_are_made_until_there_are_enough_steps():
    paper = HiCLSTMSettings.from_preset("paper").fit
    assert [paper.passes(n) for n in (50, 10_000, 0)] == [300, 10, 15_000]
    assert HiCLSTMSettings.from_preset("paper", epochs=3).fit.passes(50) == 3
    assert HiCLSTMSettings.from_preset("paper", epochs=3, min_steps=400).fit.passes(50) == 8
    assert HiCLSTMSettings.from_preset("paper", epochs=0, min_steps=400).fit.passes(50) == 0


def test_overrides_keep_the_rest_of_the_preset():
    changed = HiCLSTMSettings.from_preset("paper", hidden_size=32, cp_a=12)
    assert changed.architecture.hidden_size == 32
    assert changed.objective.cp_a == 12.0
    assert isinstance(changed.objective.cp_a, float)
    assert changed.architecture.norm_input
    assert HiCLSTMSettings.of(**changed.to_dict()) == changed


@pytest.mark.parametrize(
    ("preset", "overrides", "message"),
    [
        ("papre", {}, "'papre' is unknown; expected one of paper"),
        ("paper", {"hiden": 8}, "'hiden' is unknown"),
        ("paper", {"hidden_size": "8"}, "hidden_size='8' is of the wrong type; expected int"),
        ("paper", {"hidden_size": 9999}, "hidden_size=9999 is out of range"),
        ("paper", {"target": "counts"}, "target='counts' is unknown"),
        ("refined", {"k": 0.0}, "k=0.0 must be above 0"),
        ("paper", {"hidden_size": 0}, "set bilinear=true"),
        ("paper", {"bilinear": True}, "bilinear=true needs target=log_oe"),
        ("paper", {"start": "eig"}, "start=eig needs target=log_oe"),
        ("refined", {"carry_state": True, "directions": 2}, "carry_state=true needs directions=1"),
        ("refined", {"carry_state": True, "layers": 2}, "carry_state=true needs layers=1"),
        ("released", {"layers": 2}, "preset=released has layers=1"),
        ("paper", {"dropout": 1.0}, "dropout=1.0; expected 0 to below 1"),
        ("refined", {"loss": "mse"}, "start=likelihood needs loss=poisson"),
        ("paper", {"loss": "poisson"}, "loss=poisson needs target=log_oe"),
        ("paper", {"knots": 2}, "knots above 1 need bilinear=true"),
        ("refined", {"knots": 1, "barrier": True}, "set barrier=false"),
        ("refined", {"knots": 2, "barrier": True}, "needs 3 knots or more"),
        ("paper", {"oriented": True}, "set oriented=false"),
        ("refined", {"embedding_dim": 1}, "embedding_dim above 1"),
        ("paper", {"lstm_frames": 1}, "lstm_frames above 0 needs bilinear=true"),
        ("paper", {"head": "frame"}, "head=frame belongs to preset=released"),
    ],
)
def test_bad_settings_are_named(preset, overrides, message):
    with pytest.raises(InputError, match=message):
        HiCLSTMSettings.from_preset(preset, **overrides)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 4), st.integers(0, 99))
def test_band_product_is_the_inner_product_of_each_pair(n_rows, length, d, seed):
    generator = torch.Generator().manual_seed(seed)
    A = torch.randn(n_rows, d, generator=generator, dtype=torch.float64)
    C = torch.randn(n_rows + length - 1, d, generator=generator, dtype=torch.float64)
    expected = [[float(A[b] @ C[b + t]) for b in range(n_rows)] for t in range(length)]
    np.testing.assert_allclose(band_product(A, C), expected, atol=1e-12)


def literal(model, rows, cols, row_ok, col_ok, d0, *, between, strand=None, carry=False):
    """The model pair by pair, from [R_i; R_j] and whole weight matrices, without kernels."""
    s = model.architecture
    length = len(cols) - len(rows) + 1
    out = torch.zeros(length, len(rows), dtype=rows.dtype)

    def norm(x, direction, place):
        if not getattr(s, f"norm_{place}"):
            return x
        x = (x - x.mean()) / torch.sqrt(x.var(unbiased=False) + s.norm_eps)
        return x * getattr(direction, f"gain_{place}") + getattr(direction, f"shift_{place}")

    for direction in model.directions if model.reads(d0) else ():
        W = torch.cat([direction.W_row, direction.W_col], dim=1)
        for b in range(len(rows)):
            if not row_ok[b]:
                continue
            layers = [direction, *filter(None, [direction.upper])]
            states = [torch.zeros(2, s.hidden_size, dtype=rows.dtype)] * len(layers)
            steps = range(length)
            for t in reversed(steps) if direction.spec.reverse else steps:
                if carry and t % s.frame == 0 and t:
                    frame_start = t
                elif t == 0 or not carry:
                    frame_start = d0
                if not col_ok[b + t]:
                    continue
                x = W @ torch.cat([rows[b], cols[b + t]])
                if s.distance_input:
                    x = x + direction.W_distance * np.log1p(frame_start / s.frame)
                for k, layer in enumerate(layers):
                    h, c = states[k]
                    z = norm(x, layer, "input") + norm(layer.U @ h, layer, "recurrent")
                    i, f, g, o = (z + layer.b).chunk(4)
                    c = f.sigmoid() * c + i.sigmoid() * g / (1 + g.abs())
                    n = norm(c, layer, "cell")
                    h = o.sigmoid() * n / (1 + n.abs())
                    states[k] = torch.stack([h, c])
                    if k + 1 < len(layers):
                        x = layers[k + 1].W_in @ h
                out[t, b] += layer.w @ h + layer.bias
    if model.S is not None:
        for b in range(len(rows)):
            for t in range(length):
                where = np.clip(np.log2(max(d0 + t, 1)), 1, s.knots) - 1  # among the knots
                below, share = int(where), where % 1
                for knot, part in ((below, 1 - share), (below + 1, share)):
                    if part:
                        S = model.S[1, knot]
                        if strand is not None and strand[0][b] != strand[1][b + t]:
                            S = (S + S.T) / 2
                        elif strand is not None and strand[0][b] < 0:
                            S = S.T
                        out[t, b] += part * (rows[b] @ S @ cols[b + t])
                        if model.barrier is not None and d0 + t < 2**s.knots:
                            met = between[b + 1 : b + d0 + t].sum()
                            out[t, b] -= part * model.barrier[1, knot] * met
                        if model.offset is not None:
                            out[t, b] += part * model.offset[1, knot]
    return out


@pytest.mark.parametrize(
    "overrides",
    [
        {"preset": "paper"},
        {"preset": "paper", "layers": 2, "directions": 2},
        {"preset": "refined", "knots": 1, "lstm_frames": 0, "layers": 2},
        {"preset": "refined"},  # its LSTM does not read so far
        {"preset": "refined", "lstm_frames": 0, "directions": 2},
        {"preset": "refined", "lstm_frames": 0, "distance_input": True, "norm_input": True},
        {"preset": "refined", "carry_state": True, "frame": 4, "distance_input": True},
        {"preset": "refined", "lstm_frames": 2},
        {"preset": "refined", "knots": 4},
        {"preset": "refined", "knots": 4, "barrier": False},
        {"preset": "refined", "knots": 5, "oriented": False},
        {"preset": "eig"},
        {"preset": "eig", "knots": 3},
    ],
    ids=lambda o: "-".join(map(str, o.values())),
)
def test_tile_equals_a_literal_reimplementation(overrides):
    overrides = {"embedding_dim": 3, "hidden_size": 4, "frame": 9} | overrides
    preset = overrides.pop("preset")
    if preset == "eig":
        overrides["hidden_size"] = 0
    model = HiCLSTM(HiCLSTMSettings.from_preset(preset, **overrides), 30, 2).double()
    generator = torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        parameter.data.normal_(generator=generator)
    rows, cols = model.embedding[:5], model.embedding[12:25]  # L = 9
    row_ok = torch.tensor([True, True, False, True, True])
    col_ok = torch.ones(13, dtype=torch.bool)
    col_ok[[0, 4, 12]] = False
    carry = model.settings.architecture.carry_state
    d0 = 0 if carry else 12
    between = model.embedding[:25, -1] * (torch.arange(25) % 4 > 0)
    strand = (torch.tensor([1.0, -1, 1, -1, -1]), 1 - 2 * (torch.arange(13) % 3 % 2))
    pairs = row_ok & col_ok.unfold(0, 5, 1)
    pairs[0] &= d0 > 0  # no bin is a pair with itself
    options = {"between": between}
    for more in ({}, {"strand": strand}) if model.settings.architecture.oriented else ({},):
        y = model.tile(rows, cols, row_ok, col_ok, 1, d0, backend="reference", **options, **more)
        expected = literal(model, rows, cols, row_ok, col_ok, d0, carry=carry, **options, **more)
        torch.testing.assert_close(y[pairs], expected[pairs], rtol=0, atol=1e-12)


def test_barriers_of_the_nearest_tile_are_its_columns():
    model = HiCLSTM(HiCLSTMSettings.from_preset("refined", embedding_dim=3), 30, 1)
    generator = torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        parameter.data.normal_(generator=generator)
    ok = torch.arange(30) % 5 > 0
    R = torch.where(ok[:, None], model.embedding, torch.nan)  # nothing is read of masked bins
    between = torch.where(ok, R[:, -1], 0.0)
    clean = torch.nan_to_num(R)
    own = model.tile(clean[:10], clean, ok[:10], ok, 0, 0)
    given = model.tile(clean[:10], clean, ok[:10], ok, 0, 0, between=between)
    assert torch.equal(own, given)


def test_oriented_affinities_and_barriers_follow_what_fits_them():
    refined = HiCLSTMSettings.from_preset("refined")
    made = refined.architecture
    assert (made.oriented, made.barrier, made.barrier_reach) == (True, True, 128)
    for overrides in ({"knots": 1}, {"start": "eig", "loss": "mse"}):
        other = HiCLSTMSettings.from_preset("refined", **overrides).architecture
        assert (other.oriented, other.barrier, other.barrier_reach) == (False, False, 0)
    two = HiCLSTMSettings.from_preset("refined", knots=2).architecture
    assert (two.oriented, two.barrier) == (True, False)


@pytest.mark.parametrize("layers", [1, 2])
def test_reset_depends_on_the_seed_alone_and_refined_starts_at_the_bilinear_term(layers):
    model = HiCLSTM(HiCLSTMSettings.from_preset("refined"), 40, 1)
    model.reset(1)
    first = {name: p.detach().clone() for name, p in model.named_parameters()}
    model.reset(1)
    assert all(torch.equal(first[name], p) for name, p in model.named_parameters())
    model.reset(2)
    assert not torch.equal(first["embedding"], model.embedding)
    model = HiCLSTM(HiCLSTMSettings.from_preset("refined", layers=layers), 40, 1)
    model.reset(1)
    ok = torch.ones(10, dtype=torch.bool)
    between = model.embedding[:14, -1]
    y = model.tile(model.embedding[:4], model.embedding[4:14], ok[:4], ok, 0, 4, between=between)
    assert y.abs().max() == 0  # S is 0 and the LSTM's output starts quiet


def test_every_preset_can_be_built():
    for name in PRESETS:
        assert HiCLSTMSettings.from_preset(name).preset == name
