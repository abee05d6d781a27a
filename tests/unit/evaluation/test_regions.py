"""Scores of the maps of single windows."""

import copy

import numpy as np
import pandas as pd
import pytest

from chromloom.errors import InputError
from chromloom.evaluation.regions import measure_seams, score_regions
from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.akita import SequenceWindow
from chromloom.signals.tracks import write_steps


@pytest.fixture(scope="module")
def observed(tiny_map_path):
    return NormalizedMap(tiny_map_path)


def test_regions_are_scored_on_pairs_that_both_maps_know(tiny_akita_source, observed, tmp_path):
    values = np.arange(30.0)
    write_steps({"chr3": values}, 10_000, tmp_path / "t.bw", observed.bins.chromsizes)
    table = score_regions(tiny_akita_source, observed, tracks={"CTCF": tmp_path / "t.bw"})
    assert table[["chrom", "start", "end"]].to_numpy().tolist() == [
        ["chr3", 0, 120_000],
        ["chr3", 120_000, 240_000],
    ]
    assert table["n"].tolist() == [55 - 9 - 9, 55]  # bins 5 and 6 are masked
    assert table["mean_CTCF"].tolist() == [5.5, 17.5]
    window = SequenceWindow.at(tiny_akita_source, "chr3", 12)
    weight = observed.bins["weight"].to_numpy()[slice(*observed.extent("chr3"))][12:24]
    counts = observed.clr.matrix(balance=False).fetch("chr3")[12:24, 12:24].astype(float)
    strength = counts * np.multiply.outer(weight, weight)
    for d in (0, 1):  # as the map leaves them out
        strength[np.abs(np.subtract.outer(np.arange(12), np.arange(12))) == d] = 0
    dist = np.abs(np.subtract.outer(np.arange(12), np.arange(12)))
    expected = np.array([strength[dist == d].mean() for d in range(12)])[dist]
    from scipy.ndimage import gaussian_filter

    upper = np.triu(counts, 2)
    floor = 0.5 * np.triu(strength, 2).sum() / upper.sum() / 25
    smooth, mean = (gaussian_filter(x, 1, radius=2) for x in (strength, expected))
    target = window.pairs(np.log((smooth + floor) / (mean + floor)))
    own = window.pairs(window.unchanged)
    assert table["pearson"].iloc[1] == pytest.approx(np.corrcoef(own, target)[0, 1], rel=1e-3)
    assert table["mse"].iloc[1] == pytest.approx(((own - target) ** 2).mean(), rel=1e-4)
    assert table["signal_predicted"].iloc[1] == pytest.approx((own**2).mean())


def test_elements_are_masked_before_predicting(tiny_akita_source, observed):
    masked = pd.DataFrame({"chrom": ["chr3"], "start": [5_000], "end": [90_000]})
    table = score_regions(tiny_akita_source, observed, masked=masked, draws=2)
    assert table["n_masked"].tolist() == [1, 0]
    assert table["pearson_masked"].iloc[0] != table["pearson"].iloc[0]
    assert table["pearson_masked"].iloc[1] == table["pearson"].iloc[1]


def test_a_source_that_is_masked_throughout_has_no_region(tiny_akita_source, observed):
    masked = copy.copy(tiny_akita_source)
    masked.bins = masked.bins.with_mask(np.ones(len(masked.bins), bool))
    with pytest.raises(InputError, match="chr3 have no window of 12 bins of which 50% are known"):
        score_regions(masked, observed)


def test_seams_are_compared_with_other_rows(tiny_akita_source):
    table = measure_seams(tiny_akita_source)
    band = np.log(tiny_akita_source.band("chr3", 0, 30))
    jumps = np.abs(np.diff(band, axis=1))[2:]
    seam = np.arange(1, 30) % 3 == 0
    row = table.iloc[0]
    assert (row["chrom"], row["n_seams"]) == ("chr3", seam.sum())
    at = np.nanmean(jumps[:, seam])
    assert row["at_seams"] == pytest.approx(at)
    assert row["ratio"] == pytest.approx(row["at_seams"] / row["elsewhere"])
