"""Balancing, normalised maps and analyses on real maps."""

import gzip

import cooler
import cooltools
import hictkpy
import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from chromloom.analysis.analyse import analyse_map
from chromloom.analysis.compartments import coarsen_for_compartments
from chromloom.genome.assembly import Assembly, load_assembly
from chromloom.normalize.balance import BalanceSettings, balance
from chromloom.normalize.expected import quiet_cooltools
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.normalized import normalize_contacts


@pytest.fixture(scope="module")
def hg19():
    """hg19 with the names of these files, '21' for chr21."""
    assembly = load_assembly("hg19")
    sizes = assembly.chromsizes.rename(lambda name: name.removeprefix("chr"))
    tables = [
        table.assign(chrom=table["chrom"].str.removeprefix("chr"))
        for table in (assembly.centromeres, assembly.blacklist)
    ]
    return Assembly("hg19", sizes, *tables)


def bare(clr):
    """An assembly without centromeres and blacklist."""
    empty = pd.DataFrame(columns=["chrom", "start", "end"])
    return Assembly("bare", clr.chromsizes, empty, empty)


def sides(real_data, chrom, resolution, n):
    """+1 for subcompartments A, -1 for B, NaN otherwise, of each bin."""
    with gzip.open(real_data / "labels" / "GM12878_subcompartments.bed.gz", "rt") as lines:
        rows = [line.split("\t")[:4] for line in lines]
    side = np.full(n, np.nan)
    for name, start, end, label in rows:
        if name == f"chr{chrom}" and label[:1] in "AB":
            side[int(start) // resolution : int(end) // resolution] = 1 if label[0] == "A" else -1
    return side


MAPS = {"21": ("GM12878_chr21_10kb.cool", 10_000), "22": ("GM12878_prim_chr22_50kb.cool", 50_000)}


@pytest.fixture(scope="module", params=["21", "22"])
def observed(request, real_data, hg19, tmp_path_factory):
    file, resolution = MAPS[request.param]
    out = tmp_path_factory.mktemp("normalized") / f"GM12878.{resolution}.KR.cool"
    sizes = hg19.chromsizes[[request.param]]
    assembly = Assembly("hg19", sizes, hg19.centromeres, hg19.blacklist)
    normalize_contacts(
        real_data / "contacts" / file, out, sample="GM12878", resolution=resolution, norm="KR",
        assembly=assembly, cp_a="auto",
    )  # fmt: skip
    return NormalizedMap(out)


def test_gm12878_is_flat_and_on_the_scale_of_counts(observed):
    chrom = observed.chromnames[0]
    pixels = observed.pixels(chrom)
    n = len(observed.mask(chrom))
    value = pixels["value"].to_numpy(float)
    marginals = np.bincount(pixels["i"], value, n) + np.bincount(pixels["j"], value, n)
    flat = marginals[~observed.mask(chrom)]
    np.testing.assert_allclose(flat / flat.mean(), 1, atol=1e-4)
    np.testing.assert_allclose(value.sum(), pixels["count"].sum(), rtol=1e-5)
    assert observed.expected_table["expected"].notna().all()
    assert np.isfinite(pixels["oe"]).all()
    # every distance over, obs/exp averages to 1
    pairs = observed.expected_table["n_valid"].sum()
    assert pixels["oe"].sum() / pairs == pytest.approx(1, abs=0.02)


def test_auto_coefficient_follows_depth_and_resolution(observed):
    """A fifth to an eighth of the primary's depth at 10 kb; full depth, 25 times the area."""
    low, high = (0.8, 1.6) if observed.resolution == 10_000 else (40, 110)
    assert low < observed.cp_a < high


def test_compartments_of_gm12878_are_the_published_ones(observed, real_data, tmp_path):
    analyse_map(observed.path, tmp_path)
    eigs = pd.read_csv(tmp_path / "eigs.tsv", sep="\t")
    side = sides(real_data, observed.chromnames[0], 100_000, len(eigs))
    both = eigs["E1"].notna() & ~np.isnan(side)
    ranks = rankdata(eigs["E1"][both])
    n_a = (side[both] > 0).sum()
    auroc = (ranks[side[both] > 0].mean() - (n_a + 1) / 2) / (both.sum() - n_a)
    assert auroc > 0.95  # 0.98 and 0.995
    with coarsen_for_compartments(observed.clr, 2) as coarse, quiet_cooltools():
        regions = [[observed.chromnames[0], 0, coarse.chromsizes.iloc[0], "all"]]
        view_df = pd.DataFrame(regions, columns=["chrom", "start", "end", "name"])
        _, theirs = cooltools.eigs_cis(coarse, view_df=view_df, ignore_diags=2)
    agree = eigs["E1"].notna().to_numpy() & theirs["E1"].notna().to_numpy()
    assert abs(np.corrcoef(eigs["E1"][agree], theirs["E1"][agree])[0, 1]) > 0.99


@pytest.mark.parametrize("norm", ["ICE", "KR", "VC", "VC_SQRT"])
@pytest.mark.parametrize("file", ["yeast_genomewide_10kb.cool", "dm6_40-640kb.mcool::/1"])
def test_small_genomes(real_data, tmp_path, file, norm, caplog):
    uri = f"{real_data}/contacts/{file}"
    clr = cooler.Cooler(uri)
    out = tmp_path / f"x.{norm}.cool"
    stats = normalize_contacts(
        uri, out, sample="x", resolution=clr.binsize, norm=norm, assembly=bare(clr)
    )
    kept = stats[stats["masked_share"] < 1]
    assert kept["converged"].all()
    assert (kept["masked_share"] < 0.2).all()
    if "yeast" in file:
        lost = stats[stats["masked_share"] == 1]["chrom"]
        assert lost.tolist() == ["chrMito", "chr2-micron"]
        assert "chrMito" in caplog.text
    for chrom in NormalizedMap(out).chromnames[:3]:
        band = NormalizedMap(out).band(chrom, 0, 20)
        assert np.nanmax(band) > 0
    if norm == "KR":
        analyse_map(out, tmp_path / "analysis")
        assert pd.read_csv(tmp_path / "analysis" / "eigs.tsv", sep="\t")["E1"].notna().mean() > 0.8


@pytest.mark.parametrize(
    ("file", "resolution", "chroms"),
    [
        ("hg19_genome_2500kb_v8.hic", 2_500_000, [*map(str, range(1, 19)), "X"]),
        ("hg19_chr21_22_50kb_v8.hic", 50_000, ["22"]),
    ],
)
def test_kr_is_the_stored_one(real_data, tmp_path, file, resolution, chroms):
    """juicer balances with the diagonals in: so does this, asked to, to 1e-4 of each weight."""
    hic = hictkpy.File(str(real_data / "contacts" / file), resolution)
    bins = hic.bins().to_df()[["chrom", "start", "end"]].astype({"chrom": str})
    pixels = hic.fetch().to_df().sort_values(["bin1_id", "bin2_id"])
    cooler.create_cooler(str(tmp_path / "x.cool"), bins, pixels)
    clr = cooler.Cooler(str(tmp_path / "x.cool"))
    stored = np.asarray(hic.weights("KR", divisive=False), dtype=float)
    stored[~np.isfinite(stored)] = np.nan
    settings = BalanceSettings(ignore_diags=0, min_nnz=1, mad_max=0)
    computed, _ = balance(clr, "KR", settings)
    for chrom in chroms:
        square = slice(*clr.extent(chrom))
        np.testing.assert_array_equal(np.isnan(computed[square]), np.isnan(stored[square]))
        ratio = computed[square] / stored[square]
        assert np.nanmean(ratio) == pytest.approx(1, abs=0.005)  # the scale, juicer's is rounded
        np.testing.assert_allclose(ratio[~np.isnan(ratio)], np.nanmean(ratio), rtol=1e-4)
    weights, stats = balance(clr, "KR", stored=stored, chroms=chroms)
    assert (stats["source"] == "stored").all()
    ratio = weights[square] / stored[square]
    np.testing.assert_allclose(ratio[~np.isnan(ratio)], np.nanmean(ratio))
