"""Tracks as bigWig and bedGraph."""

import numpy as np
import pandas as pd
import pytest

from chromloom.errors import InputError
from chromloom.genome.bins import make_bins
from chromloom.signals.tracks import read_track, write_bigwig

SIZES = pd.Series({"chr1": 95, "chr2": 50})


def test_bigwig_round_trip(tmp_path):
    bins = make_bins(SIZES, 10)
    value = np.linspace(-1, 1, len(bins))
    value[[0, 7, 12]] = np.nan
    write_bigwig(bins.assign(x=value), "x", tmp_path / "x.bw", SIZES)
    np.testing.assert_allclose(read_track(tmp_path / "x.bw", bins, SIZES), value, atol=1e-6)
    coarse = read_track(tmp_path / "x.bw", make_bins(SIZES, 20), SIZES)
    np.testing.assert_allclose(coarse[[0, 1]], [value[1], (value[2] + value[3]) / 2], atol=1e-6)


def test_bigwig_of_nothing_known_opens(tmp_path):
    bins = make_bins(SIZES, 10)
    write_bigwig(bins.assign(x=np.nan), "x", tmp_path / "x.bw", SIZES)
    assert np.isnan(read_track(tmp_path / "x.bw", bins, SIZES)).all()


def test_bedgraph_is_averaged_over_overlaps(tmp_path):
    path = tmp_path / "x.bedGraph.gz"
    rows = pd.DataFrame([["1", 0, 4, 1.0], ["1", 4, 10, 6.0], ["1", 15, 25, 2.0]])
    rows.to_csv(path, sep="\t", header=False, index=False)
    value = read_track(path, make_bins(SIZES, 10), SIZES)
    np.testing.assert_allclose(value[:3], [4.0, 2.0, 2.0])
    assert np.isnan(value[3:]).all()


def test_what_is_no_track(tmp_path):
    bins = make_bins(SIZES, 10)
    with pytest.raises(InputError, match=r"x.bw does not exist"):
        read_track(tmp_path / "x.bw", bins, SIZES)
    (tmp_path / "x.bw").write_text("text")
    with pytest.raises(InputError, match=r"x.bw is not a bigWig file"):
        read_track(tmp_path / "x.bw", bins, SIZES)
    (tmp_path / "x.bed").write_text("chr1\t0\tx\n")
    with pytest.raises(InputError, match=r"x.bed cannot be read"):
        read_track(tmp_path / "x.bed", bins, SIZES)
    (tmp_path / "y.bed").write_text("chr9\t0\t10\t1\n")
    with pytest.raises(InputError, match=r"y.bed: none of its chromosome names"):
        read_track(tmp_path / "y.bed", bins, SIZES)
