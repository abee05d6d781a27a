"""The network of weave against sums over pairs written out."""

import numpy as np
import pytest
import torch

from chromloom.models.registry import model_settings
from chromloom.models.weave.fitted import FittedWeave, turn_band
from chromloom.models.weave.module import Weave

torch.set_num_threads(1)
N_DISTANCES, N_FEATURES, N = 9, 3, 40


def make(seed=0, **options) -> Weave:
    torch.manual_seed(seed)
    settings = model_settings(
        "weave", **{"embedding_dim": 3, "channels": 4, "blocks": 2, **options}
    )
    network = Weave(settings, N_FEATURES, N_DISTANCES).eval()
    with torch.no_grad():
        for parameter in (network.S, network.u, network.v, network.c, network.h):
            parameter.normal_()
    return network


@pytest.mark.parametrize("options", [{}, {"oriented": False}, {"barriers": False}])
@torch.no_grad()
def test_log_ratios_are_what_the_formula_says(options):
    network = make(**options)
    R, barriers = network.encode(torch.randn(N_FEATURES, N))
    band = network.log_ratio(R, barriers, N)
    a, b = barriers.T
    for d in (2, 3, 5, 8):
        place = np.log2(d) - 1
        weights = np.maximum(0, 1 - np.abs(place - np.arange(len(network.c))))
        weights = torch.as_tensor(weights, dtype=torch.float32)
        S = torch.einsum("k,kab->ab", weights, network.S)
        u, v = weights @ network.u, weights @ network.v
        if not options.get("oriented", True):
            S, u, v = (S + S.T) / 2, (u + v) / 2, (u + v) / 2
        for i in (0, 7, N - 1 - d):
            j = i + d
            between = sum(a[k] * (k - i) / d + b[k] * (j - k) / d for k in range(i + 1, j))
            barrier = weights @ network.h * between if options.get("barriers", True) else 0
            wanted = R[i] @ S @ R[j] + u @ R[i] + v @ R[j] + weights @ network.c - barrier
            assert float(band[d, i]) == pytest.approx(float(wanted), abs=1e-4)


@torch.no_grad()
def test_without_signals_contacts_are_those_of_their_distance():
    network = make()
    R, barriers = network.encode(torch.zeros(N_FEATURES, N))
    assert not R.any()
    assert not barriers.any()
    band = network.log_ratio(R, barriers, 20)
    torch.testing.assert_close(band, (network.knots @ network.c)[:, None].expand(-1, 20))


def test_a_bin_is_read_from_within_the_reach_and_no_farther():
    network = make()
    features = torch.randn(N_FEATURES, N, requires_grad=True)
    network.encode(features)[0][20].sum().backward()
    touched = torch.nonzero(features.grad.abs().sum(0))[:, 0]
    assert (int(touched.min()), int(touched.max())) == (20 - network.reach, 20 + network.reach)


def test_a_mirrored_chromosome_is_predicted_as_the_mirror_image():
    mirrored = np.array([1, 0, 2])
    fitted = FittedWeave(make().settings, [make(), make(1)], mirrored)
    features = np.random.default_rng(0).normal(size=(N_FEATURES, N)).astype(np.float32)
    band = fitted.log_ratio(features)
    turned = fitted.log_ratio(features[mirrored, ::-1])
    np.testing.assert_allclose(turn_band(turned), band, atol=1e-5)
    assert np.isnan(band[3, N - 3 :]).all()
    assert np.isfinite(band[3, : N - 3]).all()


def test_blocks_of_rows_give_what_all_rows_do(monkeypatch):
    fitted = FittedWeave(make().settings, [make()], np.arange(N_FEATURES))
    features = np.random.default_rng(0).normal(size=(N_FEATURES, N)).astype(np.float32)
    whole = fitted.log_ratio(features)
    monkeypatch.setattr("chromloom.models.weave.fitted.ROWS", 7)
    np.testing.assert_allclose(fitted.log_ratio(features), whole, atol=1e-5)


def test_networks_go_through_their_tensors():
    settings = model_settings("weave", embedding_dim=3, channels=4, blocks=2, members=2)
    networks = [make(0), make(1)]
    tensors = {f"{k}.{n}": t for k, net in enumerate(networks) for n, t in net.state_dict().items()}
    again = FittedWeave.of_tensors(
        settings, tensors, mirrored=np.arange(N_FEATURES), n_distances=N_DISTANCES
    )
    features = np.random.default_rng(0).normal(size=(N_FEATURES, N)).astype(np.float32)
    own = FittedWeave(settings, networks, np.arange(N_FEATURES))
    np.testing.assert_array_equal(again.log_ratio(features), own.log_ratio(features))
    assert again.embedding(features).shape == (N, 3)
