"""Variants of a window against windows read whole."""

import numpy as np
import pytest
import torch

from chromloom.models.akita.module import reverse_complement
from chromloom.models.akita.variants import Window

BIN = 20
LENGTH = 40 * BIN
# Short convolutions, so that a base reaches 2 bins of 40.
OPTIONS = {"window": 40, "kernel": 3, "tower_kernel": 3}


def change(codes: np.ndarray, *starts: int, n: int = 3) -> np.ndarray:
    changed = codes.copy()
    for start in starts:
        changed[start : start + n] = (changed[start : start + n] + 1) % 4
    return changed


@pytest.mark.parametrize("turned", [False, True])
def test_maps_of_variants_are_those_of_whole_windows(make, draw, turned, inlet, monkeypatch):
    network, codes = make(**OPTIONS, **inlet), draw(LENGTH)
    variants = [
        codes,
        change(codes, 0),
        change(codes, LENGTH - 3),
        change(codes, 17 * BIN),
        change(codes, 5 * BIN - 1, 20 * BIN, 33 * BIN + 7),
        change(codes, 10 * BIN, n=12 * BIN),
        draw(LENGTH, seed=1),
    ]
    window = Window(network, codes, turned=turned)
    read = []
    pool = network.pool
    monkeypatch.setattr(network, "pool", lambda c: read.append(c.numel()) or pool(c))
    found = list(window.maps(variants[:5], batch_size=2))
    assert 0 < sum(read) < 2 * LENGTH  # of four variants that change something
    found += list(window.maps(variants[5:]))
    for own, codes_ in zip(found, variants):
        with torch.no_grad():
            whole = network(torch.as_tensor(codes_)[None], torch.tensor([turned]))[0]
        np.testing.assert_allclose(own, whole, rtol=1e-5, atol=1e-5 * whole.abs().max())
    assert not np.allclose(found[0], found[3], rtol=1e-4)


def test_reverse_complement_of_a_variant_is_read_in_place(make, draw):
    network, codes = make(**OPTIONS), draw(LENGTH)
    window = Window(network, codes, turned=True)
    with torch.no_grad():
        tower = network.pool(reverse_complement(torch.as_tensor(codes))[None])
    assert torch.equal(window.tower, tower)
