"""The store of binned signals: what is written is read, by name."""

import pickle

import numpy as np
import pandas as pd
import pytest

from chromloom.errors import InputError
from chromloom.genome.assembly import Assembly
from chromloom.genome.bins import make_bins
from chromloom.signals.sheet import SignalSource
from chromloom.signals.store import SignalStore
from chromloom.signals.tracks import write_bigwig
from chromloom.signals.transform import find_quantiles, match_quantiles, transform_values
from chromloom.signals.write import bin_signals

SIZES = pd.Series({"chr1": 50_030, "chr2": 20_000, "chr3": 1_000})
REGIONS = pd.DataFrame({"chrom": ["chr1"], "start": [1_000], "end": [1_500]})
ASSEMBLY = Assembly("toy", SIZES, REGIONS.iloc[:0], REGIONS)


@pytest.fixture
def track(tmp_path):
    """Write a bigWig of 100-bp steps on chr1 and chr2; returns its source and its values."""

    def make(name, cell_type="A", seed=0, scale=1.0, shift=0.0, **options):
        rng = np.random.default_rng(seed)
        bins = make_bins(SIZES, 100)
        bins["x"] = scale * rng.gamma(0.5, 1, len(bins)).astype(np.float32) + shift
        bins.loc[bins["chrom"] == "chr3", "x"] = np.nan
        path = tmp_path / f"{cell_type}_{name}.bw"
        write_bigwig(bins, "x", path, SIZES)
        source = SignalSource(name, cell_type, str(path), **options)
        return source, {chrom: rows["x"].to_numpy() for chrom, rows in bins.groupby("chrom")}

    return make


def test_what_is_written_is_read_by_name(tmp_path, track):
    (one, x), (two, y) = track("one"), track("two", seed=1, transform="log1p")
    bin_signals([one, two], ASSEMBLY, tmp_path / "A.100.h5")
    store = SignalStore(tmp_path / "A.100.h5")
    assert store.signals == ["one", "two"]
    assert store.transforms == {"one": "none", "two": "log1p"}
    assert (store.cell_type, store.assembly, store.bin_size) == ("A", "toy", 100)
    pd.testing.assert_series_equal(store.chromsizes, SIZES, check_names=False)
    values = store.read("chr1", 20, 120, ["two", "one"])
    assert values.shape == (2, 100)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values[1], x["chr1"][20:120], rtol=6e-4, atol=1e-4)
    np.testing.assert_allclose(values[0], np.log1p(y["chr1"][20:120]), rtol=6e-4, atol=1e-4)
    assert np.isnan(store.read("chr1", 10, 15)).all()  # the blacklist
    assert np.isfinite(store.read_chrom("chr1")).sum() == 2 * (501 - 5)
    assert np.isnan(store.read("chr3", 0, 10)).all()  # in the file's header, without a value
    assert len(store.sources["one"]["sha256"]) == 64
    assert store.chroms() == ["chr1", "chr2", "chr3"]


def test_beyond_the_ends_is_missing(tmp_path, track):
    bin_signals([track("one")[0]], ASSEMBLY, tmp_path / "A.h5")
    with SignalStore(tmp_path / "A.h5") as store:
        values = store.read("chr2", -3, 205)
        assert np.flatnonzero(np.isnan(values[0])).tolist() == [0, 1, 2, 203, 204, 205, 206, 207]
        assert store.read("chr2", 300, 304).shape == (1, 4)


def test_a_store_is_sent_to_other_processes(tmp_path, track):
    bin_signals([track("one")[0]], ASSEMBLY, tmp_path / "A.h5")
    store = SignalStore(tmp_path / "A.h5")
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(store)).read("chr2", 0, 50), store.read("chr2", 0, 50)
    )


@pytest.mark.parametrize(("scale", "kind"), [(1, "f2"), (1e-7, "f4"), (1e6, "f4")])
def test_half_precision_only_where_exact_enough(tmp_path, track, scale, kind):
    import h5py

    source, x = track("one", scale=scale)
    bin_signals([source], ASSEMBLY, tmp_path / "A.h5")
    with h5py.File(tmp_path / "A.h5") as file:
        assert file["signals/0/chr2"].dtype == np.dtype(kind)
    found = SignalStore(tmp_path / "A.h5").read_chrom("chr2")[0]
    allowed = 2.0**-11 * x["chr2"] + 1e-4 * x["chr2"].mean()
    assert (np.abs(found - x["chr2"]) <= allowed).all()


def test_half_a_store_is_none(tmp_path, track):
    good, bad = track("one")[0], SignalSource("two", "A", str(tmp_path / "none.bw"))
    with pytest.raises(InputError, match="does not exist"):
        bin_signals([good, bad], ASSEMBLY, tmp_path / "out" / "A.h5")
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_not_there_is_named(tmp_path, track):
    bin_signals([track("one")[0]], ASSEMBLY, tmp_path / "A.h5")
    store = SignalStore(tmp_path / "A.h5")
    with pytest.raises(InputError, match=r"'A' has no signal 'CTCF'; it has one"):
        store.read("chr1", 0, 5, ["CTCF"])
    with pytest.raises(InputError, match=r"no chromosome '1'"):
        store.read("1", 0, 5)
    with pytest.raises(InputError, match=r"on assembly 'toy'; expected 'hg38'"):
        store.check(["one"], assembly="hg38")
    with pytest.raises(InputError, match=r"bins of 100 bp; expected 50 bp"):
        store.check(["one"], bin_size=50)
    with pytest.raises(InputError, match=r"'one' has transform 'none'; expected 'log1p'"):
        store.check(["one"], transforms={"one": "log1p"})
    store.check(["one"], assembly="toy", bin_size=100, transforms={"one": "none"})
    with pytest.raises(InputError, match=r"B.h5 does not exist"):
        SignalStore(tmp_path / "B.h5")
    (tmp_path / "B.h5").write_text("text")
    with pytest.raises(InputError, match=r"B.h5 cannot be read as HDF5"):
        SignalStore(tmp_path / "B.h5")


def test_one_name_one_file(tmp_path, track):
    one = track("one")[0]
    with pytest.raises(InputError, match="'one' of 'A' has chr1 from two files"):
        bin_signals([one, one], ASSEMBLY, tmp_path / "A.h5")
    with pytest.raises(InputError, match="expected the files of one"):
        bin_signals([one, track("one", "B")[0]], ASSEMBLY, tmp_path / "A.h5")


def test_chromosomes_of_one_signal_may_be_in_files_of_their_own(tmp_path):
    bins, paths = make_bins(SIZES, 100).assign(x=np.nan), []
    for number, chrom in enumerate(("chr1", "chr2")):
        paths.append(str(tmp_path / f"{chrom}.bw"))
        rows = bins.assign(x=bins["x"].mask(bins["chrom"] == chrom, number + 1.0))
        write_bigwig(rows, "x", paths[-1], SIZES)  # each names all chromosomes
    bin_signals([SignalSource("one", "A", ", ".join(paths))], ASSEMBLY, tmp_path / "A.h5")
    store = SignalStore(tmp_path / "A.h5")
    assert store.chroms() == ["chr1", "chr2"]
    assert [np.nanmean(store.read_chrom(chrom)) for chrom in store.chroms()] == [1, 2]
    assert store.sources["one"]["source"] == "chr1.bw,chr2.bw"


def test_negative_values_have_no_logarithm(tmp_path, track):
    source = track("one", shift=-2, transform="log1p")[0]
    with pytest.raises(InputError, match=r"'one' of 'A': .*A_one.bw, chr1 has negative values"):
        bin_signals([source], ASSEMBLY, tmp_path / "A.h5")
    values = transform_values(np.array([-2.0, np.nan, 3.0]), "arcsinh", source="x")
    np.testing.assert_allclose(values, np.arcsinh([-2.0, np.nan, 3.0]))


def test_quantiles_are_those_of_the_reference_and_of_no_other_chromosome(tmp_path, track):
    theirs, reference = track("one", "A")
    ours, own = track("one", "B", seed=1, scale=20, reference="A")
    bin_signals([theirs], ASSEMBLY, tmp_path / "A.h5")
    stores = {"A": tmp_path / "A.h5"}
    with pytest.raises(InputError, match="no chromosomes are named whose quantiles are"):
        bin_signals([ours], ASSEMBLY, tmp_path / "B.h5", references=stores)
    options = {"references": stores, "quantile_chroms": ["chr1"]}
    bin_signals([ours], ASSEMBLY, tmp_path / "B.h5", **options)
    store = SignalStore(tmp_path / "B.h5")
    assert store.references == {"one": "A"}
    assert store.quantile_chroms == ["chr1"]
    assert store.transforms == {"one": "none"}
    matched = store.read_chrom("chr1")[0]
    known = np.isfinite(matched)
    there = SignalStore(tmp_path / "A.h5").read_chrom("chr1")[0]
    levels = np.linspace(0, 1, 21)
    quantiles = [np.quantile(values[known], levels) for values in (matched, there)]
    np.testing.assert_allclose(*quantiles, rtol=0.01, atol=1e-3)
    order = np.argsort(own["chr1"][known])
    assert (np.diff(matched[known][order]) >= 0).all()
    # A changed test chromosome, in either cell type, moves nothing on the others.
    before = matched.copy()
    for values, source in ((reference, theirs), (own, ours)):
        bins = make_bins(SIZES, 100)
        bins["x"] = np.concatenate([values["chr1"], 100 * values["chr2"], values["chr3"]])
        write_bigwig(bins, "x", source.path, SIZES)
    bin_signals([theirs], ASSEMBLY, tmp_path / "A.h5")
    bin_signals([ours], ASSEMBLY, tmp_path / "B.h5", **options)
    np.testing.assert_array_equal(SignalStore(tmp_path / "B.h5").read_chrom("chr1")[0], before)


def test_what_is_equal_stays_equal_when_quantiles_are_matched():
    own = find_quantiles(np.repeat([0.0, 1.0, 2.0], [600, 300, 101]))
    reference = find_quantiles(np.linspace(0, 10, 1001))
    zero, one, two, above, missing = match_quantiles(
        np.array([0.0, 1.0, 2.0, 9.0, np.nan]), own, reference
    )
    assert zero == pytest.approx(3.0, abs=0.02)
    assert one == pytest.approx(7.5, abs=0.02)
    assert two == above > one
    assert np.isnan(missing)
    with pytest.raises(InputError, match="no bin has a value"):
        find_quantiles(np.array([np.nan]))
