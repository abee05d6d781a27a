"""Readers on every real map: numbers as its README states them, matrices as hictk reads them."""

import gzip
import shutil
from types import SimpleNamespace

import cooler
import numpy as np
import pandas as pd
import pytest

from chromloom.contacts.extract import extract_contacts
from chromloom.contacts.qc import contacts_qc
from chromloom.contacts.sources import open_source, stored_weights
from chromloom.contacts.thin import thin_contacts
from chromloom.errors import InputError
from chromloom.genome.assembly import load_assembly
from chromloom.genome.bins import make_bins


@pytest.fixture
def extract(real_data, tmp_path):
    def call(name, resolutions, *, assembly="hg19", **options):
        out = tmp_path / "s.mcool"
        extract_contacts(
            real_data / "contacts" / name,
            out,
            assembly=assembly,
            resolutions=resolutions,
            sample="s",
            **options,
        )
        return SimpleNamespace(
            path=out, clr=lambda resolution: cooler.Cooler(f"{out}::/resolutions/{resolution}")
        )

    return call


def cis(clr, chrom):
    return clr.matrix(balance=False).fetch(chrom)


def sparse(clr, chrom):
    return clr.matrix(balance=False, sparse=True).fetch(chrom).tocsr()


@pytest.mark.parametrize(
    ("name", "chrom", "resolution", "contacts", "covered"),
    [
        ("GM12878_chr21_10kb.cool", "chr21", 10_000, 2_433_581, 3_473),
        ("GM12878_prim_chr22_50kb.cool", "chr22", 50_000, 22_457_052, 701),
        ("GM12878_rep_chr22_50kb.cool", "chr22", 50_000, 16_975_714, None),
    ],
)
def test_gm12878(real_data, extract, name, chrom, resolution, contacts, covered):
    result = extract(name, [resolution, 100_000], chroms=[chrom])
    source = cooler.Cooler(str(real_data / "contacts" / name))
    difference = sparse(result.clr(resolution), chrom) - sparse(source, source.chromnames[0])
    assert abs(difference).sum() == 0
    table = contacts_qc(str(result.path)).set_index(["resolution", "chrom"])
    for at in (resolution, 100_000):
        assert result.clr(at).info["sum"] == contacts
        assert table.loc[(at, chrom), "cis_contacts"] == contacts
    if covered is not None:
        assert table.loc[(resolution, chrom), "covered_bins"] == covered
    assert (table.loc[(resolution, "chr1"), "status"]) == "empty"


def test_hic_v8_and_its_vectors(real_data, extract):
    import hictkpy

    path = real_data / "contacts" / "hg19_chr21_22_50kb_v8.hic"
    info = open_source(path)
    assert (info.format, info.resolutions) == ("hic", (50_000,))
    assert {"KR", "SCALE", "VC", "VC_SQRT"} <= set(info.norms)
    result = extract(path.name, [50_000, 250_000], chroms=["21", "22"])
    for chrom in ("21", "22"):
        matrix = cis(result.clr(50_000), f"chr{chrom}")
        hic = hictkpy.File(path, 50_000)
        np.testing.assert_array_equal(matrix, hic.fetch(chrom).to_numpy())
    assert result.clr(250_000).info["sum"] == result.clr(50_000).info["sum"] == 5_629_898
    sizes = load_assembly("hg19").chromsizes
    for norm in ("KR", "SCALE", "VC", "VC_SQRT"):
        weight = stored_weights(path, 50_000, norm, chromsizes=sizes)
        assert weight.shape == (len(make_bins(sizes, 50_000)),)
        for chrom in ("21", "22"):
            start, end = result.clr(50_000).extent(f"chr{chrom}")
            value = cis(result.clr(50_000), f"chr{chrom}") * np.outer(*[weight[start:end]] * 2)
            stored = (
                hictkpy.File(path, 50_000)
                .fetch(chrom, normalization=norm, count_type="float64")
                .to_numpy()
            )
            np.testing.assert_allclose(np.nan_to_num(value), np.nan_to_num(stored), rtol=2e-5)
    kr = stored_weights(path, 50_000, "KR", chromsizes=sizes)
    start, end = result.clr(50_000).extent("chr22")
    count = cis(result.clr(50_000), "chr22")
    ok = ~np.isnan(kr[start:end])
    value = np.nan_to_num(count * np.outer(*[kr[start:end]] * 2))
    assert np.triu(value).sum() == pytest.approx(np.triu(count[np.ix_(ok, ok)]).sum(), rel=0.02)
    assert stored_weights(path, 100_000, "KR", chromsizes=sizes) is None


def test_hic_v8_shallow(extract):
    result = extract("hg19_chr21_22_50kb_v8_shallow.hic", [50_000])
    assert 0.8e6 < result.clr(50_000).info["sum"] < 1.0e6


def test_hic_v8_of_a_genome_keeps_trans(real_data, extract):
    import hictkpy

    result = extract("hg19_genome_2500kb_v8.hic", [2_500_000, 5_000_000])
    clr = result.clr(2_500_000)
    assert np.triu(cis(clr, "chr1")).sum() == 160_390
    assert (np.triu(cis(clr, "chr1")) > 0).sum() == 3_957
    hic = hictkpy.File(real_data / "contacts" / "hg19_genome_2500kb_v8.hic", 2_500_000)
    for pair in (("1", "2"), ("9", "X"), ("21", "Y")):
        block = clr.matrix(balance=False).fetch(*[f"chr{chrom}" for chrom in pair])
        np.testing.assert_array_equal(block, hic.fetch(*pair).to_numpy())
        assert block.sum() > 0
    assert "chrM" in clr.chromnames
    assert cis(clr, "chrM").sum() == 0
    weight = stored_weights(
        real_data / "contacts" / "hg19_genome_2500kb_v8.hic",
        2_500_000,
        "KR",
        chromsizes=load_assembly("hg19").chromsizes,
    )
    row_sums = np.nansum(cis(clr, "chr1") * np.outer(*[weight[:100]] * 2), axis=1)
    row_sums = row_sums[~np.isnan(weight[:100])]
    np.testing.assert_allclose(row_sums, row_sums.mean(), rtol=0.01)


def test_hic_v9_without_vectors(real_data, extract):
    result = extract("hg19_chr22_250kb_v9.hic", [250_000, 500_000])
    assert result.clr(250_000).info["nnz"] == 1_233
    path = real_data / "contacts" / "hg19_chr22_250kb_v9.hic"
    sizes = load_assembly("hg19").chromsizes
    assert stored_weights(path, 250_000, "KR", chromsizes=sizes) is None
    assert open_source(path).norms == ()


def test_hg38(real_data, extract):
    result = extract("hg38_chr21_22_50-250kb.mcool", [50_000, 100_000, 250_000], assembly="hg38")
    for resolution in (50_000, 100_000, 250_000):
        source = cooler.Cooler(
            f"{real_data / 'contacts' / 'hg38_chr21_22_50-250kb.mcool'}::/resolutions/{resolution}"
        )
        for pair in (("chr21",), ("chr22",), ("chr21", "chr22")):
            np.testing.assert_array_equal(
                result.clr(resolution).matrix(balance=False).fetch(*pair),
                source.matrix(balance=False).fetch(*pair),
            )
    with pytest.raises(InputError, match="chr21 has 46,709,983 bp, chr21 of the assembly 48,129,8"):
        extract("hg38_chr21_22_50-250kb.mcool", [50_000], assembly="hg19")


def test_fly_in_numbered_groups(real_data, extract, tmp_path):
    path = real_data / "contacts" / "dm6_40-640kb.mcool"
    info = open_source(path)
    assert info.resolutions == (40_000, 80_000, 160_000, 320_000, 640_000)
    sizes = tmp_path / "dm6.chrom.sizes"
    sizes.write_text(
        "".join(f"{chrom.removeprefix('chr')}\t{length}\n" for chrom, length in info.sizes.items())
    )
    result = extract(path.name, [40_000, 120_000], assembly=sizes)
    source = cooler.Cooler(f"{path}::/4")
    assert result.clr(40_000).chromnames == ["2L", "2R", "3L", "3R", "X"]
    np.testing.assert_array_equal(
        result.clr(40_000).matrix(balance=False)[:], source.matrix(balance=False)[:]
    )
    assert result.clr(120_000).info["sum"] == result.clr(40_000).info["sum"]


def test_yeast_by_its_genome_of_other_lengths(real_data, extract, tmp_path):
    lengths = {}
    with gzip.open(real_data / "sequence" / "sacCer3_R64-1-1.fa.gz", "rt") as handle:
        for line in handle:
            if line.startswith(">"):
                name = line[1:].split()[0]
                lengths[name] = 0
            else:
                lengths[name] += len(line.strip())
    sizes = tmp_path / "sacCer3.chrom.sizes"
    pd.Series(lengths).to_csv(sizes, sep="\t", header=False)
    with pytest.raises(InputError, match=r"length_tolerance is 0 bp"):
        extract("yeast_genomewide_10kb.cool", [10_000], assembly=sizes)
    result = extract(
        "yeast_genomewide_10kb.cool", [10_000, 50_000], assembly=sizes, length_tolerance=11
    )
    source = cooler.Cooler(str(real_data / "contacts" / "yeast_genomewide_10kb.cool"))
    for chrom in ("IV", "XVI"):
        np.testing.assert_array_equal(
            cis(result.clr(10_000), chrom), source.matrix(balance=False).fetch(f"chr{chrom}")
        )
    block = result.clr(10_000).matrix(balance=False).fetch("II", "XII")
    np.testing.assert_array_equal(block, source.matrix(balance=False).fetch("chrII", "chrXII"))


def test_yeast_by_its_own_lengths(real_data, extract, tmp_path):
    path = real_data / "contacts" / "yeast_genomewide_10kb.cool"
    sizes = tmp_path / "yeast.chrom.sizes"
    pd.Series(open_source(path).sizes).to_csv(sizes, sep="\t", header=False)
    table = contacts_qc(str(extract(path.name, [10_000], assembly=sizes).path)).set_index("chrom")
    assert table.loc["all", "contacts"] == 115_245_764
    assert table.loc["all", "cis_contacts"] / 1e6 == pytest.approx(82.3, abs=0.05)
    assert table.loc["all", "n_bins"] == 1_226


def test_normalised_windows_of_the_contrast(real_data, tmp_path):
    path = real_data / "contrast" / "IMR90_chr21_28-30.3Mb_10kb_KRclipped.cool"
    options = {"assembly": "hg19", "resolutions": [10_000], "sample": "IMR90"}
    out = tmp_path / "s.mcool"
    extract_contacts(path, out, float_counts=True, **options)
    source = cooler.Cooler(str(path))
    assert cooler.Cooler(f"{out}::/resolutions/10000").info["sum"] == pytest.approx(
        source.pixels()["count"][:].sum()
    )


def test_halves_of_chr21(extract, tmp_path):
    result = extract("GM12878_chr21_10kb.cool", [10_000])
    for half, rest in (("a", False), ("b", True)):
        thin_contacts(result.path, tmp_path / f"{half}.mcool", 0.5, 0, complement=rest)
    a, b = (cooler.Cooler(f"{tmp_path / half}.mcool::/resolutions/10000") for half in "ab")
    assert a.info["sum"] + b.info["sum"] == 2_433_581
    whole, halves = sparse(result.clr(10_000), "chr21"), sparse(a, "chr21") + sparse(b, "chr21")
    assert abs(whole - halves).sum() == 0


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("GM12878_chr21_10kb.cool", 0.9),
        ("hg38_chr21_22_50-250kb.mcool", 0.5),
        ("hg19_chr21_22_50kb_v8.hic", 0.1),
        ("hg19_chr21_22_50kb_v8.hic", 0.8),
        ("hg19_chr22_250kb_v9.hic", 0.8),
        ("hg19_chr22_250kb_v9.hic", 0.99),
        ("hg19_genome_2500kb_v8.hic", 0.97),
    ],
)
def test_truncated_files_leave_nothing(real_data, tmp_path, name, share):
    source = tmp_path / name
    shutil.copy(real_data / "contacts" / name, source)
    with source.open("r+b") as handle:
        handle.truncate(int(source.stat().st_size * share))
    out = tmp_path / "out" / "s.mcool"
    with pytest.raises(InputError, match="damaged or truncated"):
        extract_contacts(
            source,
            out,
            assembly="hg38" if "hg38" in name else "hg19",
            resolutions=[2_500_000],
            sample="s",
        )
    assert not out.parent.exists() or not list(out.parent.iterdir())
