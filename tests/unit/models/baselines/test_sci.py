"""SCI: draws by alias table, gradients of LINE, communities of a graph."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromloom.errors import InputError
from chromloom.models.baselines.sci import alias_table, embed_graph, fit_sci
from chromloom.models.registry import model_settings
from chromloom.normalize.maps import NormalizedMap


@pytest.fixture(scope="module")
def tiny_map(tiny_map_path):
    return NormalizedMap(tiny_map_path)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=40))
@settings(deadline=None)
def test_alias_table_gives_each_weight_its_share(weights):
    accept, alias = alias_table(np.array(weights))
    share = accept.astype(float).copy()
    np.add.at(share, alias, 1 - accept.astype(float))
    np.testing.assert_allclose(share / len(weights), np.array(weights) / sum(weights), atol=1e-5)


def block_graph(rng):
    """Two groups of 20 vertices, dense within and sparse between."""
    i, j = np.triu_indices(40, 1)
    same = (i < 20) == (j < 20)
    kept = rng.random(len(i)) < np.where(same, 0.8, 0.05)
    return i[kept], j[kept]


@pytest.mark.parametrize("order", [1, 2])
def test_vertices_of_a_group_come_together(order):
    i, j = block_graph(np.random.default_rng(0))
    vectors, losses = embed_graph(
        i, j, np.ones(len(i)), 40, d=8, order=order, samples=100_000, learning_rate=0.05
    )
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit.T
    pairs = np.triu_indices(20, 1)
    within = [cosine[:20, :20][pairs].mean(), cosine[20:, 20:][pairs].mean()]
    assert min(within) > cosine[:20, 20:].mean() + 0.3
    assert losses[-1] < losses[0]


def test_first_order_finds_the_optimum_of_an_edge():
    """Without negatives the loss of one edge falls towards 0: u_i . u_j grows."""
    one = np.array([0]), np.array([1])
    vectors, losses = embed_graph(
        *one, np.ones(1), 2, d=4, order=1, samples=20_000, negatives=0, learning_rate=0.2
    )
    assert vectors[0] @ vectors[1] > 3
    assert losses[-1] < 0.05


def test_intra_embeds_each_chromosome_alone(tiny_map):
    options = model_settings("sci-intra", embedding_dim=6, samples=6_000)
    fitted = fit_sci(tiny_map, options, seed=1)
    kept = ~tiny_map.bins["masked"].to_numpy()
    np.testing.assert_allclose(np.linalg.norm(fitted.embedding[kept], axis=1), 1, rtol=1e-5)
    assert set(fitted.history["graph"]) == set(tiny_map.chromnames)
    assert set(fitted.history["order"]) == {1, 2}
    np.testing.assert_array_equal(fitted.embedding, fit_sci(tiny_map, options, seed=1).embedding)


def test_whole_genome_is_one_graph(tiny_map):
    options = model_settings("sci", embedding_dim=4, samples=3_000, order="second")
    fitted = fit_sci(tiny_map, options)
    assert fitted.embedding.shape == (len(tiny_map.bins), 4)
    assert set(fitted.history["graph"]) == {"genome"}


def test_published_sizes():
    assert model_settings("sci").embedding_dim == 200
    assert model_settings("sci").samples == 25_000_000


@pytest.mark.parametrize(
    ("options", "message"),
    [({"order": "third"}, "order='third'"), ({"embedding_dim": 5}, "is odd")],
)
def test_settings_are_checked(options, message):
    with pytest.raises(InputError, match=message):
        model_settings("sci", **options)
