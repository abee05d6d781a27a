"""Tracks as bigWig and bedGraph."""

import numpy as np
import pandas as pd
import pyBigWig
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
    (tmp_path / "x.bw").write_bytes(b"\x26\xfc\x8f\x88" + b"\0" * 20)
    with pytest.raises(InputError, match=r"x.bw cannot be read as bigWig"):
        read_track(tmp_path / "x.bw", bins, SIZES)
    (tmp_path / "x.bed").write_text("chr1\t0\tx\n")
    with pytest.raises(InputError, match=r"x.bed, line 1: .* has 3 columns; expected chrom, start"):
        read_track(tmp_path / "x.bed", bins, SIZES)
    (tmp_path / "y.bed").write_text("chr9\t0\t10\t1\n")
    with pytest.raises(InputError, match=r"y.bed: none of its chromosome names"):
        read_track(tmp_path / "y.bed", bins, SIZES)


@pytest.mark.parametrize(
    "above",
    ["", "chrom\tstart\tend\tGC\n", 'track type=bedGraph name="GC x"\n', "\ufeff#chrom\tGC\n"],
)
def test_lines_above_a_bedgraph_are_no_rows(tmp_path, above):
    path = tmp_path / "gc.bedGraph"
    path.write_text(above + "chr1\t0\t10\t0.4\nchr1\t10\t20\tNaN\nchr1\t20\t30\t0.6\n")
    value = read_track(path, make_bins(SIZES, 10), SIZES)
    np.testing.assert_array_equal(value[:4], [0.4, np.nan, 0.6, np.nan])


def write_entries(path, sizes, entries):
    handle = pyBigWig.open(str(path), "w")
    handle.addHeader(list(sizes.items()))
    chroms, starts, ends, values = zip(*entries)
    handle.addEntries(list(chroms), list(starts), ends=list(ends), values=list(values))
    handle.close()


def test_a_base_without_value_does_not_take_its_bin_along(tmp_path):
    path = tmp_path / "gc"  # told by content
    spans = [(0, 5, 1), (5, 6, np.nan), (6, 10, 3), (10, 20, np.nan), (20, 25, np.inf), (25, 26, 7)]
    entries = [("chr1", start, end, float(value)) for start, end, value in spans]
    write_entries(path, SIZES, entries)
    value = read_track(path, make_bins(SIZES, 10), SIZES)
    np.testing.assert_allclose(value[:4], [(5 * 1 + 4 * 3) / 9, np.nan, 7, np.nan])


def test_means_are_those_of_pybigwig(tmp_path, monkeypatch):
    monkeypatch.setattr("chromloom.signals.tracks.BLOCK", 64)
    rng = np.random.default_rng(1)
    sizes = pd.Series({"chr1": 5000, "chr2": 333})
    edges = np.sort(rng.choice(5000, 600, replace=False)).tolist()
    entries = [("chr1", a, b, v) for a, b, v in zip(edges[::2], edges[1::2], rng.normal(size=300))]
    write_entries(tmp_path / "x.bw", sizes, [*entries, ("chr2", 300, 333, 2.0)])
    for bins in (
        make_bins(sizes, 10),
        make_bins(sizes, 7).sample(frac=0.5, random_state=0),  # with holes, in any order
        pd.DataFrame({"chrom": "chr1", "start": [100, 0, 90], "end": [900, 1000, 95]}),
    ):
        with pyBigWig.open(str(tmp_path / "x.bw")) as handle:
            expected = [
                handle.stats(chrom, start, end, exact=True)[0]
                for chrom, start, end in bins.itertuples(index=False)
            ]
        value = read_track(tmp_path / "x.bw", bins, sizes)
        np.testing.assert_allclose(value, np.array(expected, float), rtol=1e-6, atol=1e-9)


def test_many_bins_cost_little_more_than_few(tmp_path):
    """One query per block, not per bin: counted, not timed."""
    sizes = pd.Series({"chr1": 400_000})
    write_entries(tmp_path / "x.bw", sizes, [("chr1", 0, 400_000, 1.0)])
    queries = []
    opened = pyBigWig.open

    class Counted:
        def __init__(self, path):
            self.handle = opened(path)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.handle.close()

        def chroms(self):
            return self.handle.chroms()

        def values(self, *args, **options):
            queries.append(args)
            return self.handle.values(*args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pyBigWig, "open", Counted)
        for size in (100_000, 100):
            assert (read_track(tmp_path / "x.bw", make_bins(sizes, size), sizes) == 1).all()
    assert len(queries) == 2


def test_a_track_of_another_assembly_is_refused(tmp_path):
    bins = make_bins(SIZES, 10)
    longer = SIZES + 1000
    write_bigwig(make_bins(longer, 10).assign(x=1.0), "x", tmp_path / "x.bw", longer)
    with pytest.raises(InputError, match=r"x.bw: chromosome chr1 has 1,095 bp, chr1 of the assem"):
        read_track(tmp_path / "x.bw", bins, SIZES)
    (tmp_path / "x.bedGraph").write_text("chr1\t0\t10\t1\nchr1\t90\t99\t1\n")
    with pytest.raises(InputError, match=r"x.bedGraph, line 2: chr1:90-99 lies beyond"):
        read_track(tmp_path / "x.bedGraph", bins, SIZES)
    (tmp_path / "x.bedGraph").write_text("chr1\t0\t10\t1\nscaffold\t90\t99\t1\n")
    assert read_track(tmp_path / "x.bedGraph", bins, SIZES)[0] == 1
