"""Small networks of Akita with random weights, and random bases."""

import numpy as np
import pytest
import torch

from chromloom.models.akita.module import Akita
from chromloom.models.akita.settings import AkitaSettings

SMALL = {
    "window": 12,
    "crop": 2,
    "filters": 6,
    "residual_filters": 3,
    "residual_blocks": 3,
    "bottleneck": 5,
    "pair_filters": 4,
    "pair_residual_filters": 3,
    "pair_blocks": 2,
}
BIN = 20


def make_akita(seed=0, n_targets=2, bin_size=BIN, **options) -> Akita:
    """A small network of random weights, in evaluation mode."""
    torch.manual_seed(seed)
    network = Akita(AkitaSettings.of("akita-paper", **{**SMALL, **options}), bin_size, n_targets)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var") or (".norm." in name and name.endswith("weight")):
                tensor.uniform_(0.5, 1.5)
            elif (".norm." in name and tensor.is_floating_point()) or name == "head.bias":
                tensor.normal_(std=0.3)
    return network.eval()


def draw_bases(*shape, seed=0) -> np.ndarray:
    """Codes, N among them."""
    return np.random.default_rng(seed).integers(0, 5, shape, dtype=np.uint8)


@pytest.fixture(params=["mean", "ordered", "between"])
def inlet(request) -> dict[str, bool]:
    """Options of a network: what its head is told of two bins."""
    between = {"ordered": True, "between": True, "composition": True}
    return {"mean": {}, "ordered": {"ordered": True}, "between": between}[request.param]


@pytest.fixture
def make():
    return make_akita


@pytest.fixture
def draw():
    return draw_bases
