"""Chromosomes from windows of which the tower is kept, against windows read whole."""

import numpy as np
import pytest
import torch

from chromloom.models.akita.fitted import FittedAkita

BIN = 20
# Short convolutions, so that a base reaches 2 bins of 40; windows are 9 bins apart.
OPTIONS = {"window": 40, "kernel": 3, "tower_kernel": 3}
BINS = 100


def rows(fitted, codes, strand="", **options):
    window, size = fitted.settings.window, fitted.network.bin_size
    padded = np.pad(codes, window * size, constant_values=4)

    def read(first):
        return padded[(first + window) * size :][: window * size]

    return fitted.log_ratio_rows(read, BINS, 0, BINS, 20, strand=strand, key=strand, **options)


@pytest.mark.parametrize("strand", ["", "+", "-"])
def test_what_windows_share_is_read_once(make, draw, strand, inlet, monkeypatch):
    network, codes = make(**OPTIONS, **inlet), draw(BINS * BIN)
    read, pool = [], network.pool
    monkeypatch.setattr(network, "pool", lambda c: read.append(c.numel()) or pool(c))
    found = rows(FittedAkita(network), codes, strand)
    shared = sum(read)
    read.clear()

    def afresh(self, codes, turned):
        with torch.no_grad():
            return network(torch.as_tensor(codes)[None], torch.tensor([turned]))

    monkeypatch.setattr(FittedAkita, "_read", afresh)
    whole = rows(FittedAkita(network), codes, strand)
    np.testing.assert_allclose(found, whole, rtol=1e-5, atol=1e-5 * np.nanmax(abs(whole)))
    assert shared < 0.55 * sum(read)


def test_a_tower_is_kept_for_the_same_bases_alone(make, draw):
    network, codes = make(**OPTIONS), draw(BINS * BIN)
    changed = codes.copy()
    changed[50 * BIN : 51 * BIN] = (changed[50 * BIN : 51 * BIN] + 1) % 4
    fitted = FittedAkita(network)
    rows(fitted, codes, "+")
    fitted._maps.clear()
    again = rows(fitted, changed, "+")
    np.testing.assert_allclose(again, rows(FittedAkita(network), changed, "+"), rtol=1e-6)
    assert not np.allclose(again, rows(FittedAkita(network), codes, "+"), equal_nan=True)
