"""Loops called on the simulated genome against those that were simulated."""

import cooler
import numpy as np
import pandas as pd
import pytest

from chromloom.analysis.loops import COLUMNS, call_loops
from chromloom.errors import InputError
from chromloom.genome.bins import make_bins
from chromloom.simulate import elements
from chromloom.simulate.contacts import (
    bin_features,
    expected_contacts,
    reads_per_intensity,
    sample_pixels,
)
from chromloom.simulate.plan import make_plan

RESOLUTION, REACH = 10_000, 200


@pytest.fixture(scope="module")
def plan():
    return make_plan(3, chromsizes={"chr1": 12_000_000}, resolution=RESOLUTION)


@pytest.fixture(scope="module")
def small_plan():
    return make_plan(3, chromsizes={"chr1": 5_000_000}, resolution=RESOLUTION)


def write_cool(plan, pixels, path, weight, **metadata):
    metadata |= {"ignore_diags": 2, "view": [["chr1", 0, int(plan.chromsizes["chr1"]), "chr1"]]}
    bins = make_bins(plan.chromsizes, RESOLUTION).assign(weight=weight)
    dtypes = {"count": pixels["count"].dtype}
    cooler.create_cooler(str(path), bins, pixels, dtypes=dtypes, metadata=metadata)
    return path


def agreement(calls, loops, tolerance=2):
    """Share of simulated loops that are called, and of calls that were simulated, within 2 bins."""
    near = np.ones((len(loops), len(calls)), dtype=bool)
    for start in ("start1", "start2"):
        gap = np.abs(np.subtract.outer(loops[start].to_numpy(), calls[start].to_numpy()))
        near &= gap <= tolerance * RESOLUTION
    return near.any(axis=1).mean(), near.any(axis=0).mean()


def test_simulated_loops_are_called(plan, tmp_path):
    features = bin_features(plan, "chr1")
    scale = reads_per_intensity(plan, 3e6)
    with np.errstate(divide="ignore"):
        weight = np.where(features.mask, np.nan, 1 / features.visibility)
    pixels = pd.concat(sample_pixels(plan, scale=scale, seed=1))
    path = write_cool(plan, pixels, tmp_path / "x.cool", weight)
    calls = call_loops(path, tmp_path / "x.bedpe")
    loops = elements.find_loops(plan)
    _, precision = agreement(calls, loops)
    recall, _ = agreement(calls, loops[loops["score"] >= 3])
    assert precision >= 0.8  # 0.93
    assert recall >= 0.7  # 0.78
    moved = calls.assign(start1=calls["start1"] + 70_000)
    assert agreement(moved, loops)[1] <= 0.1  # nothing by chance

    written = pd.read_csv(tmp_path / "x.bedpe", sep="\t", header=None, names=COLUMNS)
    pd.testing.assert_frame_equal(written, calls, rtol=1e-3, check_dtype=False)
    assert (calls["end1"] - calls["start1"]).eq(RESOLUTION).all()
    assert (calls["start2"] - calls["start1"]).max() <= 2_000_000
    assert (calls["score"] > 1.75).all()
    assert (calls["q_value"] <= 0.1).all()


def write_predicted(plan, band, path):
    """A map as a model predicts it: float strength in band layout, its metadata names a model."""
    d, i = np.nonzero(np.nan_to_num(band))
    pixels = pd.DataFrame({"bin1_id": i, "bin2_id": i + d, "count": band[d, i]})
    pixels = pixels.sort_values(["bin1_id", "bin2_id"]).astype({"count": np.float32})
    weight = np.where(bin_features(plan, "chr1").mask, np.nan, 1.0)
    return write_cool(plan, pixels, path, weight, model="hiclstm-refined")


def test_a_predicted_map_is_read_as_a_deeper_one(small_plan, tmp_path):
    scale = reads_per_intensity(small_plan, 1e5)
    band = expected_contacts(small_plan, "chr1", RESOLUTION, scale=scale, visible=False)[:REACH]
    path = write_predicted(small_plan, band, tmp_path / "x.cool")
    few = call_loops(path, tmp_path / "few.bedpe", depth=1)
    many = call_loops(path, tmp_path / "many.bedpe")
    assert len(few) < len(many)
    loops = elements.find_loops(small_plan)
    recall, _ = agreement(many, loops[loops["score"] >= 3])
    _, precision = agreement(many, loops)
    assert recall >= 0.4
    assert precision >= 0.9


def test_a_map_without_loops_gives_an_empty_file(small_plan, tmp_path):
    n = int(small_plan.chromsizes["chr1"]) // RESOLUTION
    d, i = np.mgrid[:REACH, :n]
    band = np.where(i + d < n, 100 / (1 + d), 0)
    path = write_predicted(small_plan, band, tmp_path / "x.cool")
    calls = call_loops(path, tmp_path / "x.bedpe")
    assert list(calls) == COLUMNS
    assert len(calls) == 0
    assert (tmp_path / "x.bedpe").read_text() == ""


def test_another_resolution_is_refused(make_counts, tmp_path):
    clr = make_counts(tmp_path / "x.cool", resolution=50_000, empty=())
    with clr.open("r+") as group:
        group["bins"]["weight"] = np.ones(len(clr.bins()))
    with pytest.raises(InputError, match="has bins of 50000 bp"):
        call_loops(tmp_path / "x.cool", tmp_path / "x.bedpe")
