"""Writing normalised maps from end to end."""

import cooler
import cooltools
import numpy as np
import pandas as pd
import pytest

from chromloom.errors import InputError
from chromloom.genome.assembly import Assembly
from chromloom.normalize import maps, normalized
from chromloom.normalize.balance import BalanceSettings, balance
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.normalized import (
    normalize_contacts,
    open_resolution,
    write_default_weights,
)
from chromloom.normalize.probability import auto_coefficient

SIZES = {"chr1": 900_000, "chr2": 500_000}


@pytest.fixture(scope="module")
def mcool(make_counts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mcool")
    make_counts(folder / "x.cool", chromsizes=SIZES)
    cooler.zoomify_cooler(
        [str(folder / "x.cool")], str(folder / "x.mcool"), [10_000, 50_000], chunksize=10**6
    )
    return folder / "x.mcool"


@pytest.fixture(scope="module")
def assembly():
    centromeres = pd.DataFrame([["chr1", 390_000, 420_000]], columns=["chrom", "start", "end"])
    blacklist = pd.DataFrame([["chr2", 200_000, 205_000]], columns=["chrom", "start", "end"])
    return Assembly("simulated", pd.Series(SIZES), centromeres, blacklist)


def normalize(mcool, out, assembly, **options):
    return normalize_contacts(
        mcool, out, sample="s", resolution=10_000, norm="KR", assembly=assembly, **options
    )


@pytest.fixture(scope="module")
def observed(mcool, assembly, tmp_path_factory):
    out = tmp_path_factory.mktemp("normalized") / "s.10000.KR.cool"
    normalize(mcool, out, assembly, cp_a="auto")
    return NormalizedMap(out)


def test_what_is_written(observed, mcool):
    assert (observed.sample, observed.norm, observed.assembly) == ("s", "KR", "simulated")
    assert observed.ignore_diags == 2
    assert observed.cp_a == pytest.approx(auto_coefficient(observed.expected_table))
    assert observed.view_df["name"].tolist() == ["chr1_p", "chr1_q", "chr2"]
    assert observed.mask("chr2")[20]
    raw = cooler.Cooler(f"{mcool}::resolutions/10000")
    assert len(observed.clr.pixels()) == len(raw.pixels())
    dtypes = observed.clr.pixels().dtypes
    assert [str(dtypes[name]) for name in ("count", "value", "oe")] == [
        "int32", "float32", "float32",
    ]  # fmt: skip
    stats = pd.read_csv(observed.path.with_suffix(".balancing.tsv"), sep="\t")
    assert stats["converged"].all()


def test_counts_above_32_bits_keep_their_value(mcool, assembly, tmp_path):
    clr = cooler.Cooler(f"{mcool}::resolutions/10000")
    pixels = clr.pixels()[:]
    pixels["count"] = pixels["count"].astype(np.int64) * 1_000_000_000
    cooler.create_cooler(
        str(tmp_path / "deep.cool"),
        clr.bins()[["chrom", "start", "end"]][:],
        pixels,
        dtypes={"count": np.int64},
        ordered=True,
    )
    normalize(tmp_path / "deep.cool", tmp_path / "s.cool", assembly)
    written = NormalizedMap(tmp_path / "s.cool").clr.pixels()[:]
    assert written["count"].tolist() == pixels["count"].tolist()


def test_obs_over_exp_averages_to_one_at_each_distance(observed):
    band = observed.band("chr1", 0, 90, "oe")
    mean = np.nanmean(band[2:30], axis=1)
    np.testing.assert_allclose(mean, 1, atol=0.2)  # one distance against its smoothed mean
    assert np.nanmean(band[2:60]) == pytest.approx(1, abs=0.02)


def test_trans_pixels_have_a_value_and_no_oe(observed):
    pixels = cooler.annotate(observed.clr.pixels()[:], observed.bins.table)
    trans = pixels[pixels["chrom1"] != pixels["chrom2"]]
    assert len(trans) > 20
    assert trans["oe"].isna().all()
    value = trans["count"] * trans["weight1"] * trans["weight2"]
    np.testing.assert_allclose(trans["value"], value, rtol=1e-6)
    near = pixels[(pixels["bin2_id"] - pixels["bin1_id"] < 2) & pixels["value"].notna()]
    assert near["oe"].isna().all()


def test_cooltools_finds_the_diagonals_to_ignore(observed):
    own, told = (cooltools.coverage(observed.clr, ignore_diags=k)[0] for k in (None, 2))
    np.testing.assert_array_equal(own, told)


def test_chunks_make_no_difference(observed, mcool, assembly, tmp_path, monkeypatch):
    monkeypatch.setattr(normalized, "PIXEL_CHUNK", 501)
    monkeypatch.setattr(maps, "PIXEL_CHUNK", 333)
    normalize(mcool, tmp_path / "s.cool", assembly)
    chunked = NormalizedMap(tmp_path / "s.cool")
    pd.testing.assert_frame_equal(chunked.clr.pixels()[:], observed.clr.pixels()[:])
    pd.testing.assert_frame_equal(chunked.pixels("chr2", 5, 31), observed.pixels("chr2", 5, 31))


def test_a_failed_run_leaves_nothing(mcool, assembly, tmp_path):
    with pytest.raises(InputError, match="'chr7' are not in the assembly"):
        normalize(mcool, tmp_path / "s.cool", assembly, chroms=["chr7"])
    assert not list(tmp_path.iterdir())


def test_default_weights_at_every_resolution(mcool, assembly, tmp_path, caplog):
    copy = tmp_path / "copy.mcool"
    copy.write_bytes(mcool.read_bytes())
    settings = BalanceSettings(min_nnz=5)
    for _ in range(2):  # a second time replaces the first
        stats = write_default_weights(copy, "ICE", sample="s", assembly=assembly, settings=settings)
    assert stats["resolution"].unique().tolist() == [10_000, 50_000]
    fine = cooler.Cooler(f"{copy}::resolutions/10000")
    weights, _ = balance(fine, "ICE", settings, blacklist=assembly.blacklist)
    np.testing.assert_array_equal(fine.bins()["weight"][:], weights)
    coarse = cooler.Cooler(f"{copy}::resolutions/50000").bins()["weight"][:]
    assert coarse.isna().all()  # 18 and 10 bins
    assert "s, 50000 bp', masked whole" in caplog.text


def test_opening_what_is_not_there(mcool, tmp_path):
    assert open_resolution(f"{mcool}::resolutions/50000", 50_000).binsize == 50_000
    with pytest.raises(InputError, match=r"sample 's': .* no map at 20000 bp; it has /resolutions"):
        open_resolution(mcool, 20_000, sample="s")
    (tmp_path / "text.mcool").write_text("no map")
    with pytest.raises(InputError, match=r"text.mcool cannot be opened as a .cool or .mcool"):
        open_resolution(tmp_path / "text.mcool", 10_000)
    with pytest.raises(InputError, match="cannot be opened"):
        open_resolution(tmp_path / "absent.mcool", 10_000)
