"""Tiles: each pair once, the same order from the same seed, bounded memory."""

import numpy as np
import pytest

from chromloom.models.hiclstm.settings import HiCLSTMSettings
from chromloom.normalize.maps import NormalizedMap
from chromloom.training.targets import MapTargets, encode
from chromloom.training.tiles import TileLoader

# `refined` as plain least squares on log O/E
SQUARES = {"start": "eig", "knots": 1, "lstm_frames": 0, "loss": "mse", "loss_weight": "variance"}
NUMBERS = {"chr1": 0, "chr2": 1, "chr3": 2}


@pytest.fixture
def make_loader(tiny_map_path):
    def make(preset="refined", *, seed=0, max_target_gb=5.0, region=None, **changes):
        squares = SQUARES if preset == "refined" else {}
        changes = {"tile_rows": 32, "frame": 25} | squares | changes
        settings = HiCLSTMSettings.from_preset(preset, **changes)
        source = MapTargets(NormalizedMap(tiny_map_path), settings, region=region)
        return TileLoader(source, settings, NUMBERS, seed=seed, max_target_gb=max_target_gb)

    return make


def key(tile):
    return tile.block.chrom, tile.block.lo, tile.d0


def order(loader):
    return [key(tile) for tile in loader]


@pytest.mark.parametrize("preset", ["paper", "refined"])
def test_tiles_hold_each_pair_once_with_its_target(make_loader, preset):
    loader = make_loader(preset)
    seen = {}
    for tile in loader:
        block = tile.block
        target = block.target[tile.d0 : tile.d1].numpy()
        known = target != 0xFFFF if preset == "paper" else ~np.isnan(target)
        assert known.sum() == tile.n_pairs
        for t, b in zip(*np.nonzero(known)):
            pair = (block.chrom, block.lo + b, block.lo + b + tile.d0 + t)
            assert pair not in seen
            seen[pair] = target[t, b]
            assert block.row_ok[b]
            assert block.col_ok[b + tile.d0 + t]
    assert len(seen) == loader.n_pairs
    normalized = loader.source.normalized
    for chrom, number in NUMBERS.items():
        whole = loader.source.block(chrom, 0, len(normalized.mask(chrom)))
        code = encode(whole, loader.settings.objective)
        d, i = np.nonzero(~np.isnan(whole))
        assert len(d) == sum(pair[0] == number for pair in seen)
        assert all(seen[number, a, a + b] == code[b, a] for b, a in zip(d, i))


def test_rows_of_a_tile_may_exceed_those_of_a_chunk(make_loader, monkeypatch):
    wanted = {key(t): t.block.target.numpy() for t in make_loader()}
    monkeypatch.setattr("chromloom.training.tiles.CHUNK_ROWS", 7)
    for tile in make_loader():
        np.testing.assert_array_equal(tile.block.target.numpy(), wanted[key(tile)])


def test_order_depends_on_seed_and_epoch_alone(make_loader):
    loader = make_loader(seed=1)
    first = order(loader)
    assert first == order(loader) == order(make_loader(seed=1))
    loader.epoch = 1
    assert order(loader) != first
    assert sorted(order(loader)) == sorted(first)
    assert order(make_loader(seed=2)) != first
    assert len(first) == loader.n_tiles


def test_little_memory_means_groups_of_chromosomes_and_the_same_tiles(make_loader):
    whole, small = make_loader(seed=3), make_loader(seed=3, max_target_gb=1e-9)
    assert whole.groups == [["chr1", "chr2", "chr3"]]
    assert small.groups == [["chr1"], ["chr2"], ["chr3"]]
    assert sorted(order(whole)) == sorted(order(small))
    np.testing.assert_allclose(small.moments, whole.moments)
    np.testing.assert_array_equal(small.distance_weights(), whole.distance_weights())


@pytest.mark.parametrize("max_target_gb", [5.0, 1e-9])
@pytest.mark.parametrize("position", [1, 13, 20, 30])
def test_an_epoch_can_be_entered_anywhere(make_loader, max_target_gb, position):
    loader = make_loader(max_target_gb=max_target_gb)
    whole = order(loader)
    loader.position = position
    assert order(loader) == whole[position:]


def test_moments_are_those_of_the_targets(make_loader):
    loader = make_loader()
    values = [[] for _ in range(120)]
    for chrom in NUMBERS:
        n = len(loader.source.mask(chrom))
        for d, row in enumerate(loader.source.block(chrom, 0, n)):
            values[d] += row[~np.isnan(row)].tolist()
    count, total, squares = loader.moments
    np.testing.assert_array_equal(count, [len(v) for v in values])
    np.testing.assert_allclose(total, [sum(v) for v in values], rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(squares, [np.square(v).sum() for v in values], rtol=1e-5)


def test_weights_are_inverse_variances_with_mean_one(make_loader):
    loader = make_loader()
    weights, count = loader.distance_weights(), loader.moments[0]
    assert (weights * count).sum() / count.sum() == pytest.approx(1, rel=1e-5)
    variance = (
        loader.moments[2] / np.maximum(count, 1) - (loader.moments[1] / np.maximum(count, 1)) ** 2
    )
    product = (weights * variance)[2:15]  # windows of one distance
    np.testing.assert_allclose(product, product[0], rtol=1e-4)
    assert (make_loader(loss_weight="none").distance_weights() == 1).all()


def test_carried_state_takes_all_frames_of_a_block_at_once(make_loader):
    loader = make_loader(carry_state=True)
    tiles = list(loader)
    assert all(tile.d0 == 0 for tile in tiles)
    assert sum(tile.n_pairs for tile in tiles) == make_loader().n_pairs


def test_tiles_of_counts_stop_where_the_lstm_does(make_loader):
    counts = {"start": "likelihood", "loss": "poisson", "loss_weight": "none"}
    loader = make_loader(lstm_frames=2, **counts)
    tiles = list(loader)
    assert {tile.d0 for tile in tiles} == {0, 25}
    assert max(tile.d1 for tile in tiles) == 50
    for tile in tiles:
        assert len(tile.block.target) == len(tile.block.exposure) <= 50
        known = ~np.isnan(tile.block.target.numpy())
        assert (tile.block.exposure.numpy()[known] > 0).all()
    paper_pairs = make_loader("paper").n_pairs
    assert loader.n_pairs < paper_pairs == make_loader(**counts).n_pairs


def test_region_without_pairs_has_no_tiles(make_loader):
    assert make_loader(region=("chr1", 0, 15_000)).n_tiles == 0
