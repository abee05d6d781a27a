"""Assemblies, names, bins and views."""

import logging

import bioframe
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromloom.errors import InputError
from chromloom.genome.assembly import Assembly, assembly_name, load_assembly, read_chromsizes
from chromloom.genome.bins import make_bins, make_view
from chromloom.genome.names import harmonise_names, match_names, select_chromosomes
from chromloom.genome.regions import parse_region

HG19 = pd.Series({"chr1": 249_250_621, "chr2": 243_199_373, "chrX": 155_270_560, "chrM": 16_571})


@pytest.mark.parametrize("name", ["hg19", "hg38", "mm10"])
def test_shipped_assemblies_equal_bioframe(name):
    assembly = load_assembly(name)
    reference = bioframe.assembly_info(name, roles=("assembled",))
    assert assembly.name == name
    assert assembly.chromsizes.to_dict() == reference.chromsizes.to_dict()
    assert list(assembly.chromsizes.index) == list(reference.chromsizes.index)
    for regions in (assembly.centromeres, assembly.blacklist):
        assert list(regions.columns) == ["chrom", "start", "end"]
        assert not regions.duplicated().any()
        assert regions.empty or len(bioframe.merge(regions)) == len(regions)
    if name == "mm10":
        assert assembly.centromeres.empty
    else:
        assert len(assembly.centromeres) == 24
        acen = reference.cytobands[reference.cytobands["stain"] == "acen"]
        for chrom, start, end in assembly.centromeres.itertuples(index=False):
            bands = acen[acen["chrom"] == chrom]
            assert (start, end) == (bands["start"].min(), bands["end"].max())
    assert len(assembly.blacklist) == {"hg19": 834, "hg38": 636, "mm10": 3435}[name]


def write(path, text):
    path.write_text(text)
    return path


def test_any_assembly_by_its_chromsizes_file(tmp_path):
    path = write(tmp_path / "yeast.chrom.sizes", "# R64\nI\t230218\nII\t813184\n\n")
    assembly = load_assembly(path)
    assert assembly.name == "yeast"
    assert assembly.chromsizes.to_dict() == {"I": 230_218, "II": 813_184}
    assert assembly.centromeres.empty
    assert assembly.blacklist.empty
    blacklist = write(tmp_path / "b.bed", "chrII\t100\t200\tname\nchrZ\t5\t9\tx\n")
    assembly = load_assembly(path, blacklist=blacklist)
    assert assembly.blacklist.to_numpy().tolist() == [["II", 100, 200]]


def test_an_assembly_may_be_a_folder(tmp_path):
    folder = tmp_path / "simulated"
    folder.mkdir()
    write(folder / "chrom.sizes", "chr1\t1000\n")
    write(folder / "centromeres.bed", "chr1\t400\t600\n")
    assembly = load_assembly(folder)
    assert assembly.name == "simulated"
    assert assembly.blacklist.empty
    assert make_view(assembly)["name"].tolist() == ["chr1_p", "chr1_q"]


def test_an_fai_is_a_chromsizes_file(tmp_path):
    path = write(tmp_path / "x.fa.fai", "chr1\t100\t6\t60\t61\nchr2\t50\t110\t60\t61\n")
    assert read_chromsizes(path).to_dict() == {"chr1": 100, "chr2": 50}


@pytest.mark.parametrize(
    "text",
    [
        *("chr1\n", "chr1\tx\n", "chr1\t0\n", "chr1\t5\nchr1\t6\n", "\n"),
        *("chr1\t99999999999999999999\n", "chr1\t1e30\n", "chr1\t3000000000\n"),
    ],
)
def test_malformed_chromsizes_are_refused(tmp_path, text):
    with pytest.raises(InputError, match=r"s\.sizes"):
        load_assembly(write(tmp_path / "s.sizes", text))


def test_an_unknown_assembly_names_the_known_ones():
    with pytest.raises(InputError, match=r"'hg17' is neither shipped \(hg19, hg38, mm10\)"):
        load_assembly("hg17")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr1\t5\t2000\n", "not a region of the 1,000 bp"),
        ("chr1\t50\t40\n", "not a region"),
        ("chr1\t5\n", "line 1: 'chr1\t5' has 2 columns; expected chrom, start, end"),
        ("chr1\t5\t9\nchr1\tx\t9\n", "line 2: start 'x' is not a whole number"),
        ("chrQ\t5\t9\n", "none of its chromosome names"),
    ],
)
def test_malformed_blacklists_are_refused(tmp_path, text, message):
    sizes = write(tmp_path / "s.sizes", "chr1\t1000\n")
    with pytest.raises(InputError, match=message):
        load_assembly(sizes, blacklist=write(tmp_path / "b.bed", text))


@pytest.mark.parametrize(
    "text",
    [
        "chr1 5 9\nchr1 20 30\n",
        'chrom\tstart\tend\tname\nchr1\t5\t9\t#1\nchr1\t20\t30\ta "b\n',
        "\ufefftrack name=x\r\n1\t5\t9\r\n1\t20\t30\r\n",
    ],
)
def test_blacklists_are_read_as_other_bed_files(tmp_path, text):
    sizes = write(tmp_path / "s.sizes", "chr1\t1000\n")
    table = load_assembly(sizes, blacklist=write(tmp_path / "b.bed", text)).blacklist
    assert table.to_numpy().tolist() == [["chr1", 5, 9], ["chr1", 20, 30]]


def test_a_file_without_regions_is_an_empty_blacklist(tmp_path):
    sizes = write(tmp_path / "s.sizes", "chr1\t1000\n")
    for text in ("", "# none\n"):
        assert load_assembly(sizes, blacklist=write(tmp_path / "b.bed", text)).blacklist.empty


@pytest.mark.parametrize(
    "text", ["\ufeffchr1\t100\r\nchr2\t50\r\n", "chr1 100\nchr2 50\n", "chr1\t100\t\nchr2\t50\t\n"]
)
def test_chromsizes_of_windows_and_of_hand(tmp_path, text):
    sizes = read_chromsizes(write(tmp_path / "s.sizes", text))
    assert sizes.to_dict() == {"chr1": 100, "chr2": 50}
    assert sizes.dtype == "int64"


def test_a_name_that_no_contact_map_can_hold_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"line 2: chromosome name 'chrä' has letters beyond ASCII"
    ):
        read_chromsizes(write(tmp_path / "s.sizes", "chr1\t100\nchrä\t50\n"))


def test_an_absent_blacklist_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_assembly("hg19", blacklist=tmp_path / "no.bed")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["1", "2", "X", "MT"], ["chr1", "chr2", "chrX", "chrM"]),
        (["chr1", "chrM"], ["chr1", "chrM"]),
        (["CHR1", "Chrx", "chromosome2", "chr_M"], ["chr1", "chrX", "chr2", "chrM"]),
        (["01", "chr02"], ["chr1", "chr2"]),
    ],
)
def test_names_of_one_assembly_are_matched(names, expected):
    assert harmonise_names(names, HG19, source="f") == dict(zip(names, expected))


def test_names_of_other_species():
    yeast = pd.Series({"I": 1, "IX": 2, "X": 3, "Mito": 4})
    assert harmonise_names(["chrI", "chrIX", "chrX", "chrMito"], yeast, source="f") == {
        "chrI": "I",
        "chrIX": "IX",
        "chrX": "X",
        "chrMito": "Mito",
    }
    assert match_names(["1", "9"], yeast) == {"1": None, "9": None}
    fly = pd.Series({"chr2L": 1, "chr2R": 2, "chrX": 3, "chr4": 4})
    assert harmonise_names(["2L", "2R", "X", "2LHet"], fly, source="f") == {
        "2L": "chr2L",
        "2R": "chr2R",
        "X": "chrX",
    }


def test_unknown_sequences_are_left_out(caplog):
    with caplog.at_level(logging.INFO, "chromloom.genome"):
        names = harmonise_names(["chr1", "chrUn_1", "ALL"], HG19, source="f")
    assert names == {"chr1": "chr1"}
    assert "2 sequences not in the assembly are left out: 'chrUn_1', 'ALL'" in caplog.text


def test_names_of_another_assembly_are_refused():
    with pytest.raises(InputError, match=r"f\.cool: none of its chromosome names \('2L', '2R'\)"):
        harmonise_names(["2L", "2R"], HG19, source="f.cool")
    with pytest.raises(InputError, match="'1' and 'chr1' are both chr1"):
        harmonise_names(["1", "chr1"], HG19, source="f.cool")


def test_lengths_of_another_assembly_are_refused():
    with pytest.raises(InputError, match="chromosome 1 has 248,956,422 bp, chr1 of the assembly"):
        harmonise_names({"1": 248_956_422}, HG19, source="f.cool")
    sizes = pd.Series({"1": 249_250_610, "X": 155_270_560})
    with pytest.raises(InputError, match="length_tolerance is 10 bp"):
        harmonise_names(sizes, HG19, source="f.cool", length_tolerance=10)
    assert harmonise_names(sizes, HG19, source="f.cool", length_tolerance=11) == {
        "1": "chr1",
        "X": "chrX",
    }


def test_another_mitochondrion_is_left_out_with_a_warning(caplog):
    names = harmonise_names({"1": 249_250_621, "MT": 16_569}, HG19, source="f.hic")
    assert names == {"1": "chr1"}
    assert "f.hic: MT left out" in caplog.text


def test_chromosomes_are_selected_in_any_spelling():
    assert select_chromosomes(None, HG19, source="config") == list(HG19.index)
    assert select_chromosomes(["X", "chr1", "1"], HG19, source="config") == ["chrX", "chr1"]
    with pytest.raises(InputError, match="config: chromosomes '9'"):
        select_chromosomes(["1", "9"], HG19, source="config")
    with pytest.raises(InputError, match=r"\(none\)"):
        select_chromosomes([], HG19, source="config")


@given(st.lists(st.integers(1, 500), min_size=1, max_size=6), st.integers(1, 120))
def test_bins_cover_each_chromosome_once(lengths, resolution):
    sizes = pd.Series({f"chr{k}": length for k, length in enumerate(lengths)})
    bins = make_bins(sizes, resolution)
    expected = [
        (chrom, start, min(start + resolution, length))
        for chrom, length in sizes.items()
        for start in range(0, length, resolution)
    ]
    assert list(bins.itertuples(index=False, name=None)) == expected
    assert bins.dtypes.to_dict() == {"chrom": object, "start": np.int64, "end": np.int64}


def test_view_of_arms_covers_the_genome_and_splits_no_bin():
    assembly = load_assembly("hg19")
    view = make_view(assembly, resolution=100_000)
    assert view["name"].is_unique
    assert bioframe.is_viewframe(view)
    for chrom, rows in view.groupby("chrom", sort=False):
        assert rows["start"].iloc[0] == 0
        assert rows["end"].iloc[-1] == assembly.chromsizes[chrom]
        assert (rows["end"].to_numpy()[:-1] == rows["start"].to_numpy()[1:]).all()
    assert (view["start"] % 100_000 == 0).all()
    arms = view[view["chrom"] == "chr1"]
    assert arms["name"].tolist() == ["chr1_p", "chr1_q"]
    assert arms["end"].iloc[0] == 125_200_000
    whole = make_view(assembly, chroms=["22", "chr1"], arms=False)
    assert whole.to_numpy().tolist() == [
        ["chr22", 0, 51_304_566, "chr22"],
        ["chr1", 0, 249_250_621, "chr1"],
    ]
    assert make_view(assembly, chroms=["M"])["name"].tolist() == ["chrM"]


def test_view_of_telocentric_chromosomes_is_whole():
    view = make_view(load_assembly("mm10"))
    assert (view["name"] == view["chrom"]).all()


def test_a_split_at_the_first_border_leaves_the_chromosome_whole():
    regions = pd.DataFrame({"chrom": ["chr1"], "start": [10], "end": [20]})
    assembly = Assembly("a", pd.Series({"chr1": 1000}), regions, regions.iloc[:0])
    assert make_view(assembly)["end"].tolist() == [15, 1000]
    assert make_view(assembly, resolution=100)["name"].tolist() == ["chr1"]


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("chr1", ("chr1", 0, 1000)),
        ("chr1:10-20", ("chr1", 10, 20)),
        ("chr1:0-1,000", ("chr1", 0, 1000)),
    ],
)
def test_a_region_is_read(text, region):
    assert parse_region(text, {"chr1": 1000}) == region


@pytest.mark.parametrize("text", ["chr2", "chr1:5", "chr1:20-10", "chr1:0-1001", "chr1:a-b"])
def test_a_region_that_is_none_is_refused(text):
    with pytest.raises(InputError, match="region '"):
        parse_region(text, {"chr1": 1000})


def test_a_name_with_colons_is_a_name_and_may_have_a_span():
    sizes = {"HLA-DRB1*15:01:01:01": 400, "HLA-DRB1*15:01": 90, "chr1": 100}
    assert parse_region("HLA-DRB1*15:01:01:01", sizes) == ("HLA-DRB1*15:01:01:01", 0, 400)
    assert parse_region("HLA-DRB1*15:01:01:01:5-70", sizes) == ("HLA-DRB1*15:01:01:01", 5, 70)
    assert parse_region("HLA-DRB1*15:01", sizes) == ("HLA-DRB1*15:01", 0, 90)
    with pytest.raises(InputError, match="no chromosome 'HLA-A'"):
        parse_region("HLA-A:1-2", sizes)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("hg38", "hg38"),
        ("dm6.chrom.sizes", "dm6"),
        ("a/chm13v2.0.chrom.sizes", "chm13v2.0"),
        ("GRCh38.p14.fa.fai", "GRCh38.p14"),
        ("mm39.chrom.sizes.txt", "mm39"),
        ("GCF_000001405.40/chrom.sizes", "GCF_000001405.40"),
        ("chrom.sizes", "chrom"),
    ],
)
def test_an_assembly_has_the_name_of_its_file(path, name):
    assert assembly_name(path) == name


def test_an_assembly_has_the_name_of_its_folder_dots_and_all(tmp_path):
    folder = tmp_path / "GCF_000001405.40"
    folder.mkdir()
    (folder / "chrom.sizes").write_text("chr1\t1000\n")
    assert load_assembly(folder).name == assembly_name(folder) == "GCF_000001405.40"


def test_roman_numerals_are_numbers_where_the_other_side_counts():
    yeast = pd.Series({"chrI": 230, "chrII": 813, "chrIII": 316, "chrX": 745, "chrM": 85})
    numbers = harmonise_names(["chr1", "2", "3", "10", "mt"], yeast, source="map")
    assert numbers == {
        "chr1": "chrI",
        "2": "chrII",
        "3": "chrIII",
        "mt": "chrM",
    }  # IV .. are absent
    whole = pd.Series(1, [f"chr{k}" for k in range(1, 11)])
    romans = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "Mito"]
    assert harmonise_names(romans, whole, source="fa")["X"] == "chr10"
    assert harmonise_names(romans, whole, source="fa")["IX"] == "chr9"
    worm = pd.Series(1, ["chr1", "chr2", "chrX"])
    assert match_names(["I", "II", "X"], worm) == {"I": "chr1", "II": "chr2", "X": "chrX"}
    assert match_names(["I", "X"], HG19) == {"I": "chr1", "X": "chrX"}
    autosomes = pd.Series(1, [f"chr{k}" for k in range(1, 20)])
    assert match_names(["1", "X"], autosomes) == {"1": "chr1", "X": None}


@pytest.mark.parametrize(
    ("name", "hint"),
    [("GRCh38", "did you mean hg38"), ("HG19", "did you mean hg19"), ("dm6", "name one of these")],
)
def test_other_names_of_shipped_assemblies_are_told(name, hint):
    with pytest.raises(InputError, match=f"'{name}' is neither shipped.*{hint}"):
        load_assembly(name)
