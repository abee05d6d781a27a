"""Real tracks of every format as values of bins, each against another reader of the same file."""

import bioframe
import numpy as np
import pandas as pd
import pyBigWig
import pytest

from chromloom.errors import InputError
from chromloom.genome.assembly import Assembly, load_assembly
from chromloom.genome.bins import make_bins
from chromloom.signals.sheet import SignalSource
from chromloom.signals.store import SignalStore
from chromloom.signals.write import bin_signals


@pytest.fixture
def store(tmp_path):
    def make(*sources, assembly="hg19"):
        if isinstance(assembly, str):
            assembly = load_assembly(assembly)
        sources = [SignalSource(f"s{k}", "cell", str(path), **options)
                   for k, (path, options) in enumerate(sources)]  # fmt: skip
        bin_signals(sources, assembly, tmp_path / "cell.100.h5")
        return SignalStore(tmp_path / "cell.100.h5")

    return make


def coverage(rows, chrom, size):
    """Share of each bin of 100 bp that rows cover, by bioframe."""
    bins = make_bins(pd.Series({chrom: size}), 100)
    rows = bioframe.merge(rows)[["chrom", "start", "end"]]
    return (bioframe.coverage(bins, rows)["coverage"] / (bins["end"] - bins["start"])).to_numpy()


@pytest.mark.parametrize("name", ["GM12878_CTCF.narrowPeak.gz", "GM12878_H2AZ.broadPeak.gz"])
def test_peaks_cover_what_bioframe_says(real_data, store, name):
    path = real_data / "labels" / name
    shares = store((path, {"column": "presence"}))
    assert shares.chroms() == ["chr21", "chr22"]
    rows = pd.read_csv(path, sep="\t", header=None).iloc[:, :3]
    rows = rows.set_axis(["chrom", "start", "end"], axis=1)
    for chrom in shares.chroms():
        values = shares.read_chrom(chrom)[0]
        known = np.isfinite(values)
        expected = coverage(rows[rows["chrom"] == chrom], chrom, int(shares.chromsizes[chrom]))
        whole = known & (np.roll(known, 1) & np.roll(known, -1))  # away from the blacklist
        np.testing.assert_allclose(values[whole], expected[whole], atol=5e-4)
        assert 0.6 < known.mean() < 0.95  # gaps and what is blacklisted


def test_states_of_a_segmentation_are_the_whole_of_a_bin(real_data, store):
    path = real_data / "tracks" / "K562_ChromHMM18.bed.gz"
    states = store((path, {"format": "segmentation", "column": "5"}))
    assert len(states.signals) == 14
    assert states.chroms() == ["chr19", "chr21", "chr22"]
    total = states.read_chrom("chr21").sum(0)
    known = np.isfinite(total)
    np.testing.assert_allclose(total[known], 1, atol=2e-3)
    assert known.sum() > 300_000


def test_a_bigwig_is_what_ucsc_statistics_say(real_data, store):
    path = real_data / "tracks" / "GM12878_Stat1.chr22_1-30000000.bigWig"
    values = store((path, {"transform": "log1p"})).read("chr22", 200_000, 200_500)[0]
    with pyBigWig.open(str(path)) as handle:
        expected = handle.stats("chr22", 20_000_000, 20_050_000, nBins=500, exact=True)
    known = np.isfinite(values)
    np.testing.assert_allclose(
        np.expm1(values[known]), np.array(expected, float)[known], rtol=3e-3, atol=1e-3
    )
    assert known.mean() > 0.5


def test_two_cell_types_of_one_region(real_data, store):
    folder = real_data / "contrast"
    marks = ["GM12878_ChIP_CTCF", "IMR90_ChIP_CTCF"]
    tracks = store(*((folder / f"{m}_signal_chr21_28-30.3Mb.bedgraph.gz", {}) for m in marks))
    values = tracks.read("chr21", 280_000, 303_000)
    assert np.isfinite(values).mean() > 0.9
    both = np.isfinite(values).all(0)
    assert 0.3 < np.corrcoef(values[:, both])[0, 1] < 0.99
    assert np.isnan(tracks.read("chr21", 0, 279_990)).all()


def test_yeast_tracks_under_names_of_another_style(real_data, store):
    sizes = {"chrII": 813_184, "chrIV": 1_531_933, "chrXVI": 948_066}
    none = pd.DataFrame({"chrom": [], "start": [], "end": []})
    yeast = Assembly("sacCer3", pd.Series(sizes), none, none)
    folder = real_data / "yeast"
    tracks = store((folder / "Scc1.bw", {}), (folder / "RNA.fwd.bw", {}), assembly=yeast)
    assert tracks.chroms() == list(sizes)
    assert np.isfinite(tracks.read_chrom("chrII")).mean() > 0.9


def test_a_track_of_another_assembly_is_refused(real_data, store):
    folder = real_data / "tracks" / "other_assembly_headers"
    with pytest.raises(InputError, match=r"H3K4me3.*chr9 has 138,394,717 bp.*141,213,431 bp"):
        store((folder / "K562_H3K4me3.chr9_4-6Mb.bw", {}))
    assert store((folder / "K562_H3K27ac.chr9_4-6Mb.bw", {})).chroms() == ["chr9"]


def test_a_track_that_is_cut_off_is_named(real_data, store, tmp_path):
    whole = (real_data / "yeast" / "Scc1.bw").read_bytes()
    for share in (0.01, 0.5, 0.99):
        (tmp_path / "Scc1.bw").write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(InputError, match=r"Scc1\.bw (cannot be read as bigWig|is cut off)"):
            store((tmp_path / "Scc1.bw", {}))
