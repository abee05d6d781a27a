"""Analyses of a map: simulated compartments and boundaries come back, small chromosomes pass."""

import json

import cooler
import numpy as np
import pandas as pd
import pyBigWig
import pytest

from chromloom.analysis.analyse import analyse_map
from chromloom.analysis.compartments import (
    cis_eigenvectors,
    coarsen_for_compartments,
    compute_compartments,
    short_range_strength,
)
from chromloom.analysis.distance import contacts_by_distance
from chromloom.analysis.insulation import boundaries_bed, compute_insulation
from chromloom.analysis.loops import call_loops
from chromloom.errors import InputError
from chromloom.files import read_tsv
from chromloom.normalize.expected import align_view, compute_expected
from chromloom.signals.tracks import write_bigwig

FILES = {
    "expected.tsv", "ps.tsv", "eigs.tsv", "E1.bw", "saddle.tsv", "insulation.tsv", "insulation.bw",
    "boundaries.bed", "summary.tsv",
}  # fmt: skip


def simulated(path, sizes, *, resolution=10_000, seed=0, compartments=0.5, domains=2.0):
    """A balanced map: compartments of 15 bins, domains with borders every 20, masked bins 3, 50.

    Compartment A is simulated with more short-range contacts, as it has.
    """
    rng = np.random.default_rng(seed)
    bins = cooler.util.binnify(pd.Series(sizes), resolution)
    weight, parts, first = [], [], 0
    for size in bins.groupby("chrom", sort=False, observed=True).size():
        i, j = np.triu_indices(size)
        side = np.where(np.arange(size) // 15 % 2 == 0, 1, -1)
        mean = 300 / (1 + j - i) * np.exp(compartments * side[i] * side[j])
        mean *= np.where((j - i < 20) & (side[i] + side[j] == 2), 1 + 0.6 * compartments, 1)
        mean *= np.where(i // 20 == j // 20, domains, 1)
        parts.append(
            pd.DataFrame({"bin1_id": i + first, "bin2_id": j + first, "count": rng.poisson(mean)})
        )
        masked = np.isin(np.arange(size), [3, 50])
        weight.append(np.where(masked, np.nan, 1.0))
        first += size
    pixels = pd.concat(parts)
    bins = bins.assign(weight=np.concatenate(weight))
    cooler.create_cooler(str(path), bins, pixels[pixels["count"] > 0], dtypes={"count": float})
    return cooler.Cooler(str(path))


def side_of(clr):
    """+1 in compartment A, -1 in B, of every bin."""
    bins = clr.bins()[:]
    number = bins.groupby("chrom", sort=False, observed=True).cumcount().to_numpy()
    return np.where(number // 15 % 2 == 0, 1, -1)


@pytest.fixture(scope="module")
def clr(tmp_path_factory):
    sizes = {"chr1": 1_200_000, "chr2": 900_000}
    return simulated(tmp_path_factory.mktemp("simulated") / "x.cool", sizes)


@pytest.fixture(scope="module")
def view_df(clr):
    rows = [["chr1", 0, 600_000, "p"], ["chr1", 600_000, 1_200_000, "q"], ["chr2", 0, 900_000, "c"]]
    return pd.DataFrame(rows, columns=["chrom", "start", "end", "name"])


@pytest.fixture(scope="module")
def folder(clr, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "analysis"
    analyse_map(clr.uri, out, windows_bins=(5, 10))
    return out


def test_all_files_are_written_and_open(folder, clr):
    assert {path.name for path in folder.iterdir()} == FILES
    for name in ("E1.bw", "insulation.bw"):
        with pyBigWig.open(str(folder / name)) as handle:
            assert handle.chroms() == clr.chromsizes.to_dict()
            assert handle.header()["nBasesCovered"] > 1_000_000
    bed = pd.read_csv(folder / "boundaries.bed", sep="\t", header=None)
    assert bed[4].between(0, 1000).all()
    summary = pd.read_csv(folder / "summary.tsv", sep="\t").set_index("metric")["value"]
    assert summary["saddle_strength"] > 1.5
    assert summary["boundaries"] == len(bed)


def test_compartments_come_back_with_their_sign(folder, clr):
    eigs = pd.read_csv(folder / "eigs.tsv", sep="\t")
    assert eigs["E1"].isna().tolist() == clr.bins()[:]["weight"].isna().tolist()
    good = eigs["E1"].notna()
    assert (np.sign(eigs["E1"][good]) == side_of(clr)[good]).mean() > 0.95


def test_a_track_decides_the_sign_in_each_region(clr, view_df, tmp_path):
    side = side_of(clr)
    track = np.where(np.arange(len(side)) < 60, -side, side)  # upside down in chr1_p
    bins = clr.bins()[:]
    write_bigwig(bins.assign(gc=track), "gc", tmp_path / "gc.bw", clr.chromsizes)
    analyse_map(clr.uri, tmp_path / "out", view_df=view_df, phasing_track=tmp_path / "gc.bw")
    e1 = pd.read_csv(tmp_path / "out" / "eigs.tsv", sep="\t")["E1"]
    good = e1.notna()
    assert (np.sign(e1[good]) == track[good]).mean() > 0.95


def test_saddle_is_the_mean_of_obs_over_exp(clr, view_df):
    side = side_of(clr)
    eigs, saddle, strength = compute_compartments(clr, view_df, side.astype(float))
    ends = saddle.set_index(["group1", "group2"])["oe"]
    assert ends[20, 20] > 1 > ends[1, 20]
    np.testing.assert_allclose(ends[1, 20], ends[20, 1])
    assert strength > 1.5
    # two groups by hand, in one region
    expected = (
        compute_expected(clr, view_df)
        .set_index(["region1", "region2", "dist"])["expected"]
        .sort_index()
    )
    values = clr.matrix(balance=True).fetch(("chr2", 0, 900_000))
    curve = expected["c", "c"].reindex(range(90)).to_numpy()
    i, j = np.indices(values.shape)
    oe = np.where(abs(i - j) >= 2, values / curve[abs(i - j)], np.nan)
    top = (eigs["E1"] >= eigs["E1"].quantile(0.5)).to_numpy()[120:]
    by_hand = np.nanmean(oe[np.ix_(top, ~top)])
    halves = saddle[(saddle["group1"] > 10) & (saddle["group2"] <= 10)]
    pooled = halves["oe_sum"].sum() / halves["n_pairs"].sum()
    assert pooled == pytest.approx(by_hand, abs=0.1)


def test_boundaries_are_at_the_borders_of_domains(tmp_path):
    sizes = {"chr1": 1_200_000, "chr2": 900_000}
    clr = simulated(tmp_path / "x.cool", sizes, compartments=0, domains=4)
    table = compute_insulation(clr, [50_000])
    bed = boundaries_bed(table, 50_000)
    found = bed["start"][bed["chrom"] == "chr1"].to_numpy() // 10_000
    borders = np.arange(20, 120, 20)
    assert len(found) == len(borders)
    assert (np.abs(found - borders) <= 1).all()
    assert bed["score"].max() == 1000


def test_ps_pools_all_unmasked_pairs(clr, view_df):
    expected = compute_expected(clr, view_df)
    table = contacts_by_distance(expected, view_df, 10_000)
    matrix = clr.matrix(balance=True).fetch(("chr1", 0, 600_000))
    other = clr.matrix(balance=True).fetch(("chr1", 600_000, 1_200_000))
    diagonals = np.concatenate([np.diag(matrix, 2), np.diag(other, 2)])
    row = table[(table["region"] == "chr1") & (table["dist_bp"] == 20_000)]
    assert row["value"].item() == pytest.approx(np.nanmean(diagonals))
    assert row["n_valid"].item() == np.isfinite(diagonals).sum()
    of_power_law = expected.assign(value_sum=expected["n_valid"] * expected["dist"] ** -1.0)
    slope = contacts_by_distance(of_power_law, view_df, 10_000)["slope"]
    np.testing.assert_allclose(slope, -1, atol=0.02)


def test_coarse_pixels_are_means_over_unmasked_pairs(tmp_path):
    clr = simulated(tmp_path / "x.cool", {"chr1": 10_050_000, "chr2": 300_000}, resolution=50_000)
    fine = clr.matrix(balance=True).fetch("chr1")
    i, j = np.indices(fine.shape)
    unmasked = ~np.isnan(fine)
    with coarsen_for_compartments(clr, 2) as coarse:
        assert coarse.binsize == 100_000
        matrix = coarse.matrix(balance=True).fetch("chr1")
        assert len(matrix) == 101
        for a, b in [(0, 5), (1, 30), (25, 60), (98, 100)]:  # 1 and 25 hold a masked bin
            block = np.ix_(range(2 * a, 2 * a + 2), range(2 * b, min(2 * b + 2, 201)))
            mean = fine[block][unmasked[block]].mean()
            np.testing.assert_allclose(matrix[a, b], mean * 4, rtol=1e-9)
        expected = compute_expected(clr, align_view(None, clr.bins()[:]))
        view_df = align_view(None, clr.bins()[:])
        strength = short_range_strength(clr, coarse, expected, view_df, 2)
        assert len(strength) == 104
        oe = (
            fine
            / expected[expected["region1"] == "chr1"]
            .set_index("dist")["expected"]
            .reindex(range(201))
            .to_numpy()[abs(i - j)]
        )
        near = (abs(i - j) >= 2) & (abs(i - j) <= 4) & unmasked
        rows = oe[80:82][near[80:82]]
        np.testing.assert_allclose(strength[40], rows.mean())


def test_eigenvectors_of_a_matrix_with_known_ones():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(60, 3)))[0]
    oe = 1 + (basis * [6.0, -4.0, 2.0]) @ basis.T
    oe[[5, 40]] = oe[:, [5, 40]] = np.nan
    kept = np.delete(np.arange(60), [5, 40])
    vectors = cis_eigenvectors(oe)
    assert np.isnan(vectors[:, [5, 40]]).all()
    # rank three: the vectors and the signs of their eigenvalues give the matrix back
    again = (vectors[:, kept].T * [1, -1, 1]) @ vectors[:, kept]
    np.testing.assert_allclose(again, oe[np.ix_(kept, kept)] - 1, atol=0.15)


@pytest.mark.parametrize("size", [30_000, 200_000, 260_000])
def test_small_chromosomes_do_not_crash(tmp_path, size):
    clr = simulated(tmp_path / "x.cool", {"chr1": 900_000, "small": size})
    analyse_map(clr.uri, tmp_path / "out")
    eigs = pd.read_csv(tmp_path / "out" / "eigs.tsv", sep="\t")
    small = eigs[eigs["chrom"] == "small"]["E1"]
    assert small.notna().any() == (size > 200_000)  # one bin is masked
    assert eigs[eigs["chrom"] == "chr1"]["E1"].notna().any()


def test_masked_share_leaves_out_chromosomes_that_the_map_lacks(tmp_path):
    clr = simulated(tmp_path / "x.cool", {"chr1": 600_000, "chr2": 900_000})
    with clr.open("r+") as group:
        weight = group["bins/weight"][:]
        weight[60:] = np.nan
        group["bins/weight"][:] = weight
    analyse_map(clr.uri, tmp_path / "out")
    summary = pd.read_csv(tmp_path / "out" / "summary.tsv", sep="\t").set_index("metric")["value"]
    assert summary["masked_share"] == pytest.approx(2 / 60)


def test_a_genome_too_small_for_compartments(tmp_path):
    clr = simulated(tmp_path / "x.cool", {"chr1": 180_000})
    analyse_map(clr.uri, tmp_path / "out", windows_bins=(3,))
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert pd.read_csv(tmp_path / "out" / "saddle.tsv", sep="\t").empty


def test_finest_resolution_of_an_mcool_is_taken(clr, tmp_path):
    mcool = tmp_path / "x.mcool"
    cooler.zoomify_cooler([clr.uri], str(mcool), [10_000, 20_000], chunksize=10**6)
    for resolution in (10_000, 20_000):
        part = cooler.Cooler(f"{mcool}::resolutions/{resolution}")
        with part.open("r+") as group:
            if "weight" in group["bins"]:
                del group["bins/weight"]
            group["bins"]["weight"] = np.ones(len(part.bins()))
    analyse_map(mcool, tmp_path / "out")
    assert len(pd.read_csv(tmp_path / "out" / "insulation.tsv", sep="\t")) == 210


def test_maps_that_cannot_be_analysed(make_counts, tmp_path):
    raw = make_counts(tmp_path / "raw.cool", chromsizes={"chr1": 300_000})
    with pytest.raises(InputError, match="has no bin column 'weight'"):
        analyse_map(raw.uri, tmp_path / "out")
    with raw.open("r+") as group:
        group["bins"]["weight"] = np.full(30, np.nan)
    with pytest.raises(InputError, match="every bin is masked"):
        analyse_map(tmp_path / "raw.cool", tmp_path / "out")
    whole = (tmp_path / "raw.cool").read_bytes()
    for damage in (b"x", b"", whole[: len(whole) // 2]):
        (tmp_path / "bad.cool").write_bytes(damage)
        with pytest.raises(InputError, match=r"bad.cool cannot be opened as a map"):
            analyse_map(tmp_path / "bad.cool", tmp_path / "out")


def test_insulation_without_any_boundary(tmp_path):
    clr = simulated(tmp_path / "x.cool", {"chr1": 60_000})
    table = compute_insulation(clr, [50_000])
    assert len(table) == 6
    assert boundaries_bed(table, 50_000).columns.tolist()[:4] == ["chrom", "start", "end", "name"]


def test_a_name_is_a_name(tmp_path):
    """Colons, pipes, even what reads as a region of another chromosome: same numbers."""
    plain = {"a": 2_500_000, "b": 2_300_000, "c": 2_200_000}
    odd = dict(zip(["HLA-DRB1*15:01:01:01", "gi|69|gb|J1.1|", "HLA-DRB1*15:5-9"], plain.values()))
    for folder, sizes in (("plain", plain), ("odd", odd)):
        clr = simulated(tmp_path / f"{folder}.cool", sizes)
        with clr.open("r+") as group:
            view = [[chrom, 0, size, chrom] for chrom, size in sizes.items()]
            group.attrs["metadata"] = json.dumps({"ignore_diags": 2, "view": view})
        analyse_map(tmp_path / f"{folder}.cool", tmp_path / folder)
        call_loops(tmp_path / f"{folder}.cool", tmp_path / folder / "loops.bedpe")
    back = dict(zip(odd, plain))
    for name in (
        "expected.tsv",
        "ps.tsv",
        "eigs.tsv",
        "saddle.tsv",
        "insulation.tsv",
        "summary.tsv",
    ):
        tables = [read_tsv(tmp_path / folder / name) for folder in ("plain", "odd")]
        pd.testing.assert_frame_equal(tables[0], tables[1].replace(back))
