"""Edits files, and edited chromosomes laid out in bins."""

import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromloom.edits.edit import Edit, knockouts, lay_out, lift_table, read_edits
from chromloom.errors import InputError
from chromloom.genome.bins import make_bins

BINS = make_bins(pd.Series({"chr1": 995, "chr2": 500}), 10)


def edit(kind, start, end, chrom="chr1", **more):
    return Edit("e", kind, chrom, start, end, **more)


def source(kind, start, end, **more):
    return lay_out(edit(kind, start, end, **more), BINS).source.tolist()


def test_every_kind_lays_out_its_bins():
    assert source("deletion", 100, 300) == [*range(10), *range(30, 100)]
    assert source("duplication", 100, 120) == [*range(12), 10, 11, *range(12, 100)]
    assert source("inversion", 100, 130) == [*range(10), 12, 11, 10, *range(13, 100)]
    inserted = {"chrom2": "chr2", "start2": 0, "end2": 20}
    assert source("insertion", 50, 50, **inserted)[4:8] == [4, 100, 101, 5]
    assert source("insertion", 50, 50, strand2="-", **inserted)[4:8] == [4, 101, 100, 5]
    assert source("knockout", 100, 110) == list(range(100))
    assert source("knockout", 100, 110, method="shift") == source("deletion", 100, 110)


@pytest.mark.parametrize(
    ("strands", "expected"),
    [
        ("+-", [*range(3), *range(110, 150)]),
        ("++", [*range(3), *range(109, 99, -1)]),
        ("-+", [*range(100, 110), *range(3, 100)]),
        ("--", [*range(149, 109, -1), *range(3, 100)]),
    ],
)
def test_translocations_keep_the_side_that_the_strand_says(strands, expected):
    second = {"chrom2": "chr2", "start2": 100, "end2": 100}
    second |= {"strand": strands[0], "strand2": strands[1]}
    assert source("translocation", 30, 30, **second) == expected


def test_edits_take_the_bins_they_touch():
    assert source("deletion", 101, 119) == source("deletion", 100, 120)
    article = make_bins(pd.Series({"chr17": 81_195_210}), 10_000)
    duplication = edit("duplication", 67_958_880, 70_085_143, chrom="chr17")
    assert len(lay_out(duplication, article).source) - len(article) == 214


regions = (
    st.tuples(st.integers(0, 98), st.integers(1, 99))
    .map(lambda x: (10 * min(x), 10 * max(x)))
    .filter(lambda x: 0 < x[1] - x[0] < 900)
)


@given(regions, st.sampled_from(["deletion", "duplication", "inversion", "knockout"]))
def test_lift_tables_hold_every_bin_as_often_as_the_edit_says(region, kind):
    edited = lay_out(edit(kind, *region), BINS)
    lift = lift_table(edited, BINS)
    copies = np.bincount(edited.source, minlength=100)[:100]
    inside = np.zeros(100, bool)
    inside[region[0] // 10 : region[1] // 10] = True
    assert (copies[~inside] == 1).all()
    assert (copies[inside] == {"deletion": 0, "duplication": 2}.get(kind, 1)).all()
    assert (lift["ref_start"] == BINS["start"].to_numpy()[edited.source]).all()
    assert (lift["start"] == np.arange(len(lift)) * 10).all()
    assert lift["copy"].max() == copies.max()
    assert (lift["strand"] == "-").sum() == (inside.sum() if kind == "inversion" else 0)
    assert lift["replaced"].sum() == (inside.sum() if kind == "knockout" else 0)


@given(regions)
def test_an_inversion_twice_is_the_reference(region):
    once = lay_out(edit("inversion", *region), BINS)
    assert (once.source[once.source[:100]] == np.arange(100)).all()


@given(regions, st.sampled_from(["deletion", "duplication", "inversion", "knockout"]))
def test_runs_end_where_the_next_bin_is_not_the_next(region, kind):
    edited = lay_out(edit(kind, *region), BINS)
    for a in range(0, len(edited.source), 7):
        b = a
        if not edited.replaced[a] and edited.strand[a] == 1:
            b = a + 1
            while (
                b < len(edited.source)
                and edited.source[b] == edited.source[b - 1] + 1
                and edited.strand[b] == 1
                and not edited.replaced[b]
            ):
                b += 1
        assert edited.run_end[a] == b


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (edit("deletion", 900, 1000), "does not lie inside chr1"),
        (edit("deletion", -10, 100), "does not lie inside"),
        (edit("deletion", 100, 100), "start < end"),
        (edit("deletion", 100, 105), "less than one bin"),
        (edit("deletion", 0, 995), "leaves 0 bins"),
        (edit("deletion", 0, 20, chrom="21"), "chromosome '21' is not in the model"),
        (edit("insertion", 2000, 2000, chrom2="chr2", start2=0, end2=20), "breakpoint"),
        (edit("insertion", 20, 20, chrom2="chr2", start2=400, end2=600), "inside chr2"),
        (edit("melting", 20, 40), "kind 'melting'"),
    ],
)
def test_edits_that_cannot_be_laid_out(bad, message):
    with pytest.raises(InputError, match=message):
        lay_out(bad, BINS)


def write(folder, name, text):
    path = folder / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def test_bed_of_edits(tmp_path):
    text = "#c\nchr1\t100\t300\tDEL:mine\nchr1\t0\t50\tDUP\nchr2\t10\t20\n"
    for name in ("e.bed", "e.bed.gz"):
        edits = read_edits(write(tmp_path, name, text), method="zero")
        assert [e.kind for e in edits] == ["deletion", "duplication", "knockout"]
        assert [e.edit for e in edits] == ["mine", "duplication_chr1_0_50", "knockout_chr2_10_20"]
        assert edits[2].method == "zero"


def test_bedpe_of_edits(tmp_path):
    rows = [
        "chr1 90 110 chr1 290 310 del . + -",
        "chr1 90 110 chr1 290 310 dup . - +",
        "chr1 90 110 chr1 290 310 inv . + +",
        "chr1 90 110 chr2 290 310 tra . - -",
        "chr1 100 100 chr2 200 300 ins . + - INS",
    ]
    text = "\n".join(row.replace(" ", "\t") for row in rows)
    edits = read_edits(write(tmp_path, "e.bedpe", text))
    assert [e.kind for e in edits] == [
        "deletion",
        "duplication",
        "inversion",
        "translocation",
        "insertion",
    ]
    assert (edits[0].start, edits[0].end) == (100, 300)
    assert (edits[3].start, edits[3].start2, edits[3].strand, edits[3].strand2) == (
        100,
        300,
        "-",
        "-",
    )
    assert (edits[4].start2, edits[4].end2, edits[4].strand2) == (200, 300, "-")


def test_vcf_of_edits(tmp_path):
    """Coordinates by the VCF specification: POS is the base before, breakends are 1-based."""
    rows = [
        ("1", "100", "d", "N", "<DEL>", "SVTYPE=DEL;END=300"),
        ("1", "100", "b1", "N", "N[chr2:201[", "SVTYPE=BND"),
        ("1", "100", "b2", "N", "N]chr2:200]", "SVTYPE=BND"),
        ("1", "101", "b3", "N", "]chr2:200]N", "SVTYPE=BND"),
        ("1", "101", "b4", "N", "[chr2:201[N", "SVTYPE=BND"),
        ("1", "100", "i", "N", "<INS>", "SVTYPE=INS;SOURCE=chr2:11-30"),
    ]
    lines = ["##fileformat=VCFv4.3"]
    lines += [f"chr{c}\t{p}\t{i}\t{r}\t{a}\t.\tPASS\t{info}" for c, p, i, r, a, info in rows]
    edits = read_edits(write(tmp_path, "e.vcf", "\n".join(lines)))
    assert (edits[0].start, edits[0].end) == (100, 300)
    assert [(e.start, e.start2, e.strand + e.strand2) for e in edits[1:5]] == [
        (100, 200, "+-"),
        (100, 200, "++"),
        (100, 200, "-+"),
        (100, 200, "--"),
    ]
    assert (edits[5].start, edits[5].start2, edits[5].end2) == (100, 10, 30)


def test_tsv_of_edits(tmp_path):
    text = "edit\tkind\tchrom\tstart\tend\tmethod\n"
    text += "a\tKO\tchr1\t10\t20\tzero\nb\tdeletion\tchr1\t0\t50\t\n"
    edits = read_edits(write(tmp_path, "e.tsv", text))
    assert [(e.edit, e.kind, e.method) for e in edits] == [
        ("a", "knockout", "zero"),
        ("b", "deletion", "average"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("e.txt", "chr1\t0\t50\n", "edits are read from"),
        ("e.bed", "", "holds no edits"),
        ("e.bed", "chr1\t0\tfifty\tDEL\n", "cannot be read"),
        ("e.bed", "chr1\t0\n", "cannot be read"),
        ("e.bed", "chr1\t0\t50\tMELT\n", "kind 'MELT' is unknown"),
        ("e.bed", "chr1\t0\t50\tDEL:a\nchr1\t60\t90\tDUP:a\n", "occurs twice"),
        ("e.bed", "chr1\t0\t50\tDEL:../a\n", "becomes a folder"),
        ("e.bedpe", "chr1\t0\t5\tchr2\t0\t5\tx\t.\t+\t-\tDEL\n", "both ends on one chromosome"),
        ("e.vcf", "chr1\t5\tx\tN\tNNN\t.\t.\tSVTYPE=BND\n", "no breakend"),
        ("e.vcf", "chr1\t5\tx\tN\t<INS>\t.\t.\tSVTYPE=INS\n", "names no locus"),
        ("e.vcf", "chr1\t5\tx\tN\t<DEL>\t.\t.\tSVTYPE=DEL\n", "no END"),
        ("e.tsv", "edit\tkind\tchrom\tstart\nx\tDEL\tchr1\t4\n", "missing"),
        ("e.tsv", "edit\tkind\tchrom\tstart\tend\tcolour\n", "unknown"),
        ("e.tsv", "edit\tkind\tchrom\tstart\tend\na\tDEL\tchr1\t\t\n", "lacks"),
        (
            "e.tsv",
            "edit\tkind\tchrom\tstart\tend\tmethod\na\tKO\tchr1\t0\t9\tburn\n",
            "method 'burn'",
        ),
    ],
)
def test_edits_files_that_cannot_be_read(tmp_path, name, text, message):
    with pytest.raises(InputError, match=message):
        read_edits(write(tmp_path, name, text))


def test_knockouts_of_sites():
    sites = pd.DataFrame({"chrom": ["chr1", "chr2"], "start": [3, 10], "end": [9, 20]})
    edits = knockouts(sites, method="zero")
    assert [e.edit for e in edits] == ["KO_chr1_3_9", "KO_chr2_10_20"]
    assert lay_out(edits[0], BINS).span == (0, 1)
