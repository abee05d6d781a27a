"""Variants of a window against windows read whole."""

import numpy as np
import pytest
import torch

from chromloom.models.akita.module import reverse_complement
from chromloom.models.akita.variants import Window, score_variants

BIN = 20
LENGTH = 40 * BIN
# Short convolutions, so that a base reaches 2 bins of 40.
OPTIONS = {"window": 40, "kernel": 3, "tower_kernel": 3}


def change(codes: np.ndarray, *starts: int, n: int = 3) -> np.ndarray:
    changed = codes.copy()
    for start in starts:
        changed[start : start + n] = (changed[start : start + n] + 1) % 4
    return changed


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_maps_of_variants_are_those_of_whole_windows(make, draw, turned, ordered, monkeypatch):
    network, codes = make(**OPTIONS, ordered=ordered), draw(LENGTH)
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


def test_scores_of_variants_are_means_over_shifts_and_strands(make, draw):
    network, margin = make(**OPTIONS).double(), 4
    codes = draw(LENGTH + 2 * margin)
    variants = [codes, change(codes, 300)]
    table = score_variants(network, codes, variants, shifts=(-4, 0, 4))
    assert table["variant"].tolist() == [0, 0, 1, 1]
    assert table["target"].tolist() == [0, 1, 0, 1]
    unchanged, changed = table[:2], table[2:]
    assert (unchanged["disruption"] < 1e-6 * changed["disruption"].min()).all()
    assert (unchanged["signal_change"].abs() < 1e-3 * changed["signal_change"].abs().min()).all()
    i, j = np.triu_indices(36, 2)
    disruption, change_ = [], []
    for shift in (-4, 0, 4):
        own = [torch.as_tensor(v[margin + shift :][:LENGTH].copy())[None] for v in variants]
        for turned in (False, True):
            with torch.no_grad():
                a, b = (network(c, torch.tensor([turned]))[0].numpy()[:, i, j] for c in own)
            disruption.append(((a - b) ** 2).mean(1))
            change_.append((a**2).mean(1) - (b**2).mean(1))
    np.testing.assert_allclose(table["disruption"][2:], np.mean(disruption, 0), rtol=1e-3)
    np.testing.assert_allclose(table["signal_change"][2:], np.mean(change_, 0), rtol=2e-3)
    spread = np.std(disruption, axis=0, ddof=1)
    np.testing.assert_allclose(table["disruption_sd"][2:], spread, rtol=1e-2)
    one = score_variants(network, codes, variants, shifts=(0,), both_strands=False)
    assert one["disruption_sd"].isna().all()


def test_reverse_complement_of_a_variant_is_read_in_place(make, draw):
    network, codes = make(**OPTIONS), draw(LENGTH)
    window = Window(network, codes, turned=True)
    with torch.no_grad():
        tower = network.pool(reverse_complement(torch.as_tensor(codes))[None])
    assert torch.equal(window.tower, tower)
