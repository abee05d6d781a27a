"""The table of quality of a store, its warnings, and the region of its picture."""

import numpy as np
import pandas as pd
import pytest

from chromloom.genome.assembly import Assembly
from chromloom.genome.bins import make_bins
from chromloom.plotting.signals import plot_signals
from chromloom.signals.qc import region_values, shown_region, signals_qc
from chromloom.signals.sheet import SignalSource
from chromloom.signals.store import SignalStore
from chromloom.signals.tracks import write_bigwig
from chromloom.signals.write import bin_signals

SIZES = pd.Series({"chr1": 50_000, "chr2": 20_000, "chr3": 10_000})
NONE = pd.DataFrame({"chrom": [], "start": [], "end": []})
ASSEMBLY = Assembly("toy", SIZES, NONE, NONE)


@pytest.fixture
def store(tmp_path):
    """A store of tracks given as functions of the table of bins."""

    def make(cell_type, /, transform="none", **tracks) -> SignalStore:
        sources = []
        for name, values in tracks.items():
            bins = make_bins(SIZES, 100)
            path = tmp_path / f"{cell_type}_{name}.bw"
            write_bigwig(bins.assign(x=values), "x", path, SIZES)
            sources.append(SignalSource(name, cell_type, str(path), transform=transform))
        bin_signals(sources, ASSEMBLY, tmp_path / f"{cell_type}.h5")
        return SignalStore(tmp_path / f"{cell_type}.h5")

    return make


@pytest.fixture
def x():
    return np.random.default_rng(1).gamma(2, 1, 800).astype(np.float16)


def test_numbers_are_those_of_the_values(store, x):
    y = (2 * x + np.random.default_rng(2).normal(size=800)).astype(np.float16)
    y[:100], y[550] = np.nan, 0
    table = signals_qc(store("A", one=x, two=y), [])
    assert list(table["chrom"]) == ["chr1", "chr2", "chr3", "all"] * 2
    two = table[table["signal"] == "two"].set_index("chrom")
    assert two.loc["chr1", "coverage"] == pytest.approx(0.8)
    assert two.loc["all", "n_bins"] == 800
    known = y[100:].astype(float)
    assert two.loc["all", "mean"] == pytest.approx(known.mean(), rel=1e-4)
    assert two.loc["all", "sd"] == pytest.approx(known.std(), rel=1e-4)
    assert two.loc["all", "q75"] == pytest.approx(np.quantile(known, 0.75), rel=1e-3)
    assert two.loc["chr2", "zeros"] == pytest.approx(1 / 200)
    r = np.corrcoef(x[100:].astype(float), known)[0, 1]
    assert two.loc["all", "r_one"] == pytest.approx(r, abs=1e-3)
    assert two.loc["all", "r_two"] == pytest.approx(1)
    assert np.isnan(two.loc["chr1", "r_one"])
    assert (table["warning"] == "").all()


def test_a_chromosome_of_zeros_is_told(store, x):
    zero, none = x.copy(), x.copy()
    zero[500:700], none[700:] = 0, np.nan
    table = signals_qc(store("A", zero=zero, none=none), []).set_index(["signal", "chrom"])
    warnings = table["warning"][table["warning"] != ""]
    assert warnings.to_dict() == {
        ("zero", "chr2"): "zero in every bin of this chromosome",
        ("none", "chr3"): "no value on this chromosome",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x * 3.8, ""),
        (lambda x: x * 4.5, "mean 0.222 times that of B: normalized alike?"),
        (lambda x: x / 8, "mean 8 times that of B: normalized alike?"),
        (lambda x: x - 1, "negative values in B alone: normalized alike?"),
    ],
)
def test_a_track_unlike_its_sister_is_told(store, x, change, message):
    own, sister = store("A", one=x, two=x), store("B", one=change(x))
    table = signals_qc(own, [sister]).query("chrom == 'all'").set_index("signal")
    assert table.loc["one", "warning"] == message
    assert table.loc["two", "warning"] == ""


def test_shares_of_states_differ_between_cells_and_are_no_warning(tmp_path):
    stores = []
    for cell_type, end in (("A", 30_000), ("B", 500)):
        path = tmp_path / f"{cell_type}.bed"
        path.write_text(f"chr1\t0\t{end}\tTssA\nchr1\t{end}\t50000\tQuies\n")
        source = SignalSource("states", cell_type, str(path), format="segmentation")
        bin_signals([source], ASSEMBLY, tmp_path / f"{cell_type}.h5")
        stores.append(SignalStore(tmp_path / f"{cell_type}.h5"))
    table = signals_qc(stores[0], stores[1:])
    assert (table["warning"] == "").all()
    assert table.query("chrom == 'all'").set_index("signal").loc["states:TssA", "mean"] == 0.6


def test_sisters_are_compared_before_their_transforms(store, x):
    own, sister = store("A", one=x), store("B", "log1p", one=x)
    warning = signals_qc(own, [sister])["warning"].iloc[-1]
    assert warning == "transform none, B log1p"


def test_the_picture_shows_where_signals_are(store, x):
    x[:100], x[420:425] = np.nan, 30
    shown = store("A", one=x)
    assert shown_region(shown, length=5_000) == ("chr1", 40_000, 45_000)
    assert shown_region(shown, "chr2:150-1,010") == ("chr2", 100, 1_100)
    tracks = region_values(shown, ("chr1", 41_900, 42_200))
    assert tracks["one"].tolist() == [float(x[419]), 30, 30]
    figure = plot_signals(tracks, signals_qc(shown, []), title="A")
    assert figure.axes[0].get_ylabel() == "one"
