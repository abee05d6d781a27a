"""Akita's network: the published layers, and every layer written out in numpy."""

import h5py
import numpy as np
import pytest
import torch

from chromloom.errors import CheckpointError, InputError
from chromloom.models.akita.module import (
    Akita,
    OrderedInlet,
    PairInlet,
    composition,
    one_hot,
    pool_sizes,
    reverse_complement,
    spanned,
    upper_triangle,
)
from chromloom.models.akita.published import read_published
from chromloom.models.akita.settings import AkitaSettings

BIN = 20
# Parameters of the published layers, in order, from the print-out of the public code.
CONV1D = [4224, *[46080] * 10, *[13824, 4608] * 8, 30720]
CONV2D = [28080, *[10368, 1152] * 6]
NORMS = [*[384] * 11, *[192, 384] * 8, 256, 192, *[96, 192] * 6]
DENSE = 245


@pytest.fixture
def draw(draw):
    """Windows as tensors."""
    return lambda n=2, length=12 * BIN: torch.as_tensor(draw(n, length))


@pytest.fixture(scope="module")
def published() -> Akita:
    return Akita(AkitaSettings.of("akita-paper"), 2048, 5)


def test_the_published_layers_have_the_published_parameters(published):
    convs = [m for m in published.modules() if isinstance(m, torch.nn.Conv1d)]
    pairs = [m for m in published.modules() if isinstance(m, torch.nn.Conv2d)]
    norms = [m for m in published.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    assert [m.weight.numel() for m in convs] == CONV1D
    assert [m.weight.numel() for m in pairs[:-1]] == CONV2D
    assert [4 * m.num_features for m in norms] == NORMS
    assert sum(p.numel() for p in pairs[-1].parameters()) == DENSE
    trained = sum(p.numel() for p in published.parameters())
    running = sum(2 * m.num_features for m in norms)
    assert (trained + running, trained, running) == (751_653, 746_149, 5_504)
    assert all(m.eps == 1e-3 and m.momentum == pytest.approx(0.0735) for m in norms)


def test_the_published_dilations_dropouts_and_reach(published):
    assert published.rates == [1, 2, 3, 5, 9, 16, 29, 50]
    assert [b.narrow.conv.dilation for b in published.pairs] == [
        (r, r) for r in (1, 2, 3, 5, 9, 16)
    ]
    drops = {m.p for b in published.dilated for m in b.modules() if isinstance(m, torch.nn.Dropout)}
    assert drops == {0.0, 0.4}
    assert all(block.narrow.dropout.p == 0 for block in [*published.dilated, *published.pairs])
    assert {block.widen.dropout.p for block in published.pairs} == {0.1}
    assert 2 * published.trunk_reach + 2048 == 489_474
    assert published.pools == [2] * 11


def test_pairs_of_a_published_map():
    i, j = upper_triangle(448)
    assert len(i) == 99_681
    assert (i[0], j[0], i[1], j[1]) == (0, 2, 0, 3)
    assert (j - i >= 2).all()


def test_initial_values_are_he_normal_and_residual_blocks_do_nothing():
    torch.manual_seed(0)
    network = Akita(AkitaSettings.of("akita-paper", window=12, crop=2), 20, 1)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv1d | torch.nn.Conv2d) and module.weight.numel() > 9000:
            std = np.sqrt(2 / module.weight[0].numel())
            assert module.weight.std().item() == pytest.approx(std, rel=0.03)
            assert module.weight.abs().max() <= 2 * std / 0.8796 + 1e-6
    x = torch.randn(1, 96, 12)
    assert torch.equal(network.eval().dilated(x), x)
    assert network.dilated[0].narrow.norm.weight.eq(1).all()


def test_poolings_are_the_factors_of_the_bin_size():
    assert pool_sizes(2000) == [5, 5, 5, 2, 2, 2, 2]
    assert pool_sizes(1000) == [5, 5, 5, 2, 2, 2]
    assert pool_sizes(2000, 20) == [20, 20, 5]
    assert pool_sizes(2048, 32) == [32, 32, 2]
    with pytest.raises(InputError, match="bins of 34 bp cannot be made"):
        pool_sizes(34)


def convolve(x: np.ndarray, weight: np.ndarray, rate: int = 1) -> np.ndarray:
    """Convolution (in, *shape) -> (out, *shape) of the same shape, zeros beyond, term by term."""
    dims, half = weight.ndim - 2, weight.shape[-1] // 2
    padded = np.pad(x, [(0, 0)] + [(rate * half, rate * half)] * dims)
    out = np.zeros((len(weight), *x.shape[1:]))
    for offset in np.ndindex(*weight.shape[2:]):
        place = tuple(slice(o * rate, o * rate + n) for o, n in zip(offset, x.shape[1:]))
        out += np.tensordot(weight[(slice(None), slice(None), *offset)], padded[:, *place], 1)
    return out


def predict_by_hand(network: Akita, codes: np.ndarray) -> np.ndarray:
    """Every layer in numpy, in the order of the published print-out: (n_targets, size, size)."""
    state = {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}

    def block(x, name, rate=1):
        x = convolve(np.maximum(x, 0), state[f"{name}.conv.weight"], rate)
        mean, var, gamma, beta = (
            state[f"{name}.norm.{own}"].reshape(-1, *[1] * (x.ndim - 1))
            for own in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / np.sqrt(var + 1e-3) * gamma + beta

    def residual(x, name, rate):
        return x + block(block(x, f"{name}.narrow", rate), f"{name}.widen")

    x = np.array([codes == base for base in range(4)], float)
    for k, pool in enumerate(network.pools):
        x = block(x, f"tower.{k}")
        x = x.reshape(len(x), -1, pool).max(axis=-1)
    for k, rate in enumerate([1, 2, 3]):
        x = residual(x, f"dilated.{k}", rate)
    x = np.maximum(block(x, "bottleneck"), 0)
    distance = np.abs(np.subtract.outer(np.arange(12.0), np.arange(12)))
    distance = np.log1p(distance) if network.settings.distance == "log" else distance
    x = np.concatenate([(x[:, :, None] + x[:, None]) / 2, distance[None]])
    x = block(x, "inlet")
    x = (x + x.transpose(0, 2, 1)) / 2
    for k, rate in enumerate([1, 2]):
        x = residual(x, f"pairs.{k}", rate)
        x = (x + x.transpose(0, 2, 1)) / 2
    x = x[:, 2:-2, 2:-2]
    return np.tensordot(state["head.weight"][:, :, 0, 0], x, 1) + state["head.bias"][:, None, None]


@pytest.mark.parametrize("distance", ["bins", "log"])
@torch.no_grad()
def test_predictions_are_those_of_the_layers_written_out(distance, make, draw):
    network, codes = make(distance=distance).double(), draw()
    maps = network(codes)
    assert maps.shape == (2, 2, 8, 8)
    for found, own in zip(maps, codes.numpy()):
        np.testing.assert_allclose(found, predict_by_hand(network, own), rtol=1e-5)
    torch.testing.assert_close(maps, maps.transpose(-1, -2))


@torch.no_grad()
def test_the_first_layer_over_pairs_is_a_plain_convolution():
    torch.manual_seed(0)
    inlet = PairInlet(5, 4, 0.9).eval()
    bins, distances = torch.randn(2, 5, 9), torch.rand(1, 9, 9)
    pairs = (bins[..., None] + bins[:, :, None]) / 2
    pairs = torch.cat([pairs, distances.expand(2, 1, 9, 9)], 1)
    torch.testing.assert_close(inlet(bins, distances), inlet.norm(inlet.conv(pairs)))


@torch.no_grad()
def test_windows_read_as_the_other_strand_keep_their_place(make, draw):
    """Turning the input and the trunk's bins back: the head sees bins in the order of the map."""
    network, codes = make(), draw(3)
    turned = torch.tensor([True, False, True])
    maps = network(codes, turned)
    torch.testing.assert_close(maps[1:2], network(codes[1:2]))
    bins = network.mix(network.pool(reverse_complement(codes[:1]))).flip(-1)
    torch.testing.assert_close(maps[:1], network.fold(bins))
    assert not torch.allclose(maps[0], network(codes[:1])[0], atol=1e-3)


@pytest.mark.parametrize("between", [False, True])
@torch.no_grad()
def test_maps_of_the_other_strand_are_turned_where_pairs_are_ordered(make, draw, between):
    network, codes = make(ordered=True, between=between, composition=between), draw(2)
    maps = network(codes, torch.tensor([True, False]))
    torch.testing.assert_close(maps, maps.transpose(-1, -2))
    torch.testing.assert_close(maps[1:], network(codes[1:]))
    other = network(reverse_complement(codes[:1]))
    torch.testing.assert_close(maps[:1], other.flip(-1, -2))


@torch.no_grad()
def test_ordered_pairs_tell_left_from_right(make):
    network = make(ordered=True)
    bins = torch.zeros(1, 5, 12)
    bins[0, 0, 3], bins[0, 1, 8] = 1, 1
    swapped = torch.zeros(1, 5, 12)
    swapped[0, 1, 3], swapped[0, 0, 8] = 1, 1
    a, b = (network.inlet(x, network.distances)[0] for x in (bins, swapped))
    assert not torch.allclose(a[:, 3, 8], b[:, 3, 8], atol=1e-3)
    torch.testing.assert_close(a, a.transpose(-1, -2))
    i, j = np.triu_indices(12)
    left, right = network.inlet.left.weight, network.inlet.right.weight
    x = torch.randn(1, 5, 12)
    by_hand = (
        convolve(x[0].numpy(), left.numpy())[:, i]
        + convolve(x[0].numpy(), right.numpy())[:, j]
        + network.inlet.far.weight.numpy().reshape(-1, 1) * (j - i)
    )
    found = network.inlet(x, network.distances)
    expected = network.inlet.norm(torch.as_tensor(by_hand, dtype=torch.float32)[None, :, :, None])
    torch.testing.assert_close(found[0][:, i, j], expected[0, :, :, 0], atol=1e-4, rtol=1e-4)


def test_what_lies_between_two_bins_is_summed():
    a, b = torch.randn(2, 2, 3, 11)
    found = spanned(a, b)
    for i, j in np.ndindex(11, 11):
        own = sum((a[..., k] * (k - i) + b[..., k] * (j - k)) / (j - i) for k in range(i + 1, j))
        own = torch.zeros(2, 3) if isinstance(own, int) else own
        torch.testing.assert_close(found[..., i, j], own, atol=1e-5, rtol=1e-5)
    bins = torch.randn(1, 5, 11, requires_grad=True)
    without, inlet = OrderedInlet(5, 4, 0.9), OrderedInlet(5, 4, 0.9, between=True)
    state = {k: v for k, v in inlet.state_dict().items() if not k.startswith("between")}
    without.load_state_dict(state)
    inlet.norm, without.norm = torch.nn.Identity(), torch.nn.Identity()
    distances = torch.rand(1, 11, 11)
    told = (inlet(bins, distances) - without(bins, distances))[0, :, 2, 9]
    by_hand = spanned(*inlet.between(bins).chunk(2, dim=1))[0, :, 2, 9] / 11**0.5
    torch.testing.assert_close(told, by_hand)
    inlet(bins, distances).square().sum().backward()
    assert bins.grad.isfinite().all()


def test_shares_of_bases_are_told_beside_the_tower(make, draw):
    codes = torch.tensor([[0, 0, 1, 4, 4, 4, 3, 3, 4, 4, 4, 4]], dtype=torch.uint8)
    shares = composition(one_hot(codes), 4) / 10
    expected = [[5 / 16, 1 / 16, -3 / 16, -3 / 16], [-1 / 8, -1 / 8, -1 / 8, 3 / 8], [0] * 4]
    torch.testing.assert_close(shares[0].T, torch.tensor(expected))
    network, codes = make(composition=True), draw()
    assert network.pool(codes).shape == (2, 10, 12)
    torch.testing.assert_close(network.pool(codes)[:, 6:], composition(one_hot(codes), BIN))


def test_the_other_strand_and_unknown_bases():
    codes = torch.tensor([[0, 1, 2, 3, 4, 4, 0]], dtype=torch.uint8)
    assert reverse_complement(codes).tolist() == [[3, 4, 4, 0, 1, 2, 3]]
    assert one_hot(codes)[0, :, 4:6].eq(0).all()
    assert one_hot(codes).sum(1).tolist() == [[1, 1, 1, 1, 0, 0, 1]]


def test_a_base_changes_the_tower_within_its_reach_and_no_farther(make, draw):
    network, codes = make(residual_blocks=0), draw(1)
    changed = codes.clone()
    changed[0, 6 * BIN] = (changed[0, 6 * BIN] + 1) % 4
    with torch.no_grad():
        differs = (network.pool(codes) != network.pool(changed)).any(dim=1)[0].nonzero()[:, 0]
    reach = -(-network.tower_reach // BIN)
    assert differs.min() >= 6 - reach
    assert differs.max() <= 6 + reach
    assert len(differs)


def test_computing_activations_anew_gives_the_same_gradients(make, draw):
    grads = []
    for checkpointing in (False, True):
        network = make(checkpointing=checkpointing)
        network(draw())[:, 0].square().sum().backward()
        grads.append([p.grad for p in network.parameters()])
    for a, b in zip(*grads):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": 10}, "kernel=10; expected an odd one"),
        ({"crop": 5}, "leave 2 bins"),
        ({"distance": "bp"}, "distance='bp' is unknown"),
        ({"between": True}, "between=True needs ordered=True"),
    ],
)
def test_settings_that_make_no_network(options, message):
    with pytest.raises(InputError, match=message):
        AkitaSettings.of("akita-paper", **{"window": 12, "crop": 2, **options})


@pytest.mark.parametrize(("first", "group"), [(0, ""), (12, "model_weights/")])
@torch.no_grad()
def test_weights_of_keras_are_read_by_name_and_shape(
    write_keras, tmp_path, first, group, make, draw
):
    network, other = make(), make(seed=1)
    write_keras(tmp_path / "model.h5", network, first=first, group=group)
    assert not torch.allclose(other(draw()), network(draw()), atol=1e-3)
    other.load_state_dict(read_published(tmp_path / "model.h5", other))
    torch.testing.assert_close(other(draw()), network(draw()))


@torch.no_grad()
def test_some_outputs_of_published_weights_are_taken(write_keras, tmp_path, make, draw):
    path = tmp_path / "model.h5"
    network = make(n_targets=5)
    write_keras(path, network)
    one = make(n_targets=2, heads=[3, 0])
    one.load_state_dict(read_published(path, one))
    torch.testing.assert_close(one(draw()), network(draw())[:, [3, 0]])
    with pytest.raises(CheckpointError, match="has 5 outputs; heads 3, 5 were asked for"):
        read_published(path, make(n_targets=2, heads=[3, 5]))


def test_weights_that_do_not_fit_are_refused(write_keras, tmp_path, make):
    path = tmp_path / "model.h5"
    write_keras(path, make(filters=7))
    with pytest.raises(CheckpointError, match=r"layer conv1d has shape \(11, 4, 7\).*\(11, 4, 6\)"):
        read_published(path, make())
    write_keras(path, make(), drop=["conv1d_4"])
    with pytest.raises(CheckpointError, match=r"\d+ layers conv1d; expected \d+"):
        read_published(path, make())
    write_keras(path, make(n_targets=5))
    with pytest.raises(CheckpointError, match=r"layer dense has shape \(4, 5\), expected \(4, 2\)"):
        read_published(path, make())
    broken = make()
    with torch.no_grad():
        broken.head.bias[0] = torch.nan
    write_keras(path, broken)
    with pytest.raises(CheckpointError, match="bias of layer dense is not finite"):
        read_published(path, make())
    with h5py.File(path, "a") as file:
        del file["dense/dense/bias:0"]
    with pytest.raises(CheckpointError, match="layer dense has no bias"):
        read_published(path, make())
    path.write_text("no HDF5")
    with pytest.raises(CheckpointError, match="cannot be read as HDF5"):
        read_published(path, make())
