"""Readers of edits: what each form of file means."""

import gzip
import re

import pandas as pd
import pytest

from chromloom.edits.bins import lay_out
from chromloom.edits.read import (
    edit_table,
    fit_bins,
    read_edits,
    read_rows,
    skipped_table,
    summary,
)
from chromloom.errors import InputError
from chromloom.files import write_tsv
from chromloom.genome.bins import Bins, make_bins

SIZES = pd.Series({"chr1": 995, "chr2": 500})


def rows_of(rows):
    return "".join(row.replace(" ", "\t") + "\n" for row in rows)


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
        ("e.txt", "chr1\t0\t50\n", "edits are read from .bed, .bedpe, .vcf, .bcf, .tsv"),
        ("e.bed", "", "holds no edits"),
        ("e.bed", "chr1\t0\tfifty\tDEL\n", "line 1: end 'fifty' is not a whole number"),
        ("e.bed", "chr1\t0\n", "line 1: 'chr1\t0' has 2 columns"),
        ("e.bed", "chr1\t0\t50\tMELT\n", "line 1: type 'MELT' is none of DEL, DUP"),
        ("e.bed", "chr1\t0\t9\tDEL:a\n#\nchr1\t6\t9\tDUP:a\n", "line 3: edit 'a' occurs twice"),
        ("e.bed", "chr3\t0\t50\tDEL\n", "line 1: chromosome 'chr3' is not in the assembly"),
        ("e.bed", "chr1\t0\t5000\tDEL\n", "line 1: chr1:0-5000 does not lie inside chr1"),
        ("e.bed", "chr1\t50\t20\tDEL\n", "chr1:50-20 does not lie .* with start < end"),
        ("e.vcf", "##fileformat=VCFv4.3\n##contig=<ID=1,length=99>\n", "chromosome 1 has 99 bp in"),
        ("e.tsv", "edit\tkind\tchrom\tend\nx\tDEL\tchr1\t4\n", "'start' is missing"),
        ("e.tsv", "edit\tkind\tchrom\tstart\tend\tcolour\n", "unknown column 'colour'"),
        ("e.tsv", "edit\tkind\tchrom\tstart\tend\na\tDEL\tchr1\t\t\n", "'start' is empty"),
        ("e.tsv", "edit\tkind\tchrom\tstart\tend\na\tDEL\tchr1\t.\t9\n", "'start' is empty"),
        ("e.tsv", "edit\tkind\tchrom\tstart\tend\na\tDEL\tchr1\t4\t\n", "deletion needs an end"),
        ("e.tsv", "kind\tchrom\tstart\tend\nDEL\tchr1\t4.5\t9\n", "start '4.5' is not a whole"),
        ("e.tsv", "kind\tchrom\tstart\tend\tstrand\nDEL\tchr1\t4\t9\tx\n", "strand 'x' is neither"),
        ("e.tsv", "kind\tchrom\tstart\tend\nDUP:INT\tchr1\t4\t9\n", "the copy lies elsewhere"),
        ("e.tsv", "kind\tchrom\tstart\tend\tmethod\nKO\tchr1\t0\t9\tburn\n", "method 'burn'"),
    ],
)
def test_edits_files_that_cannot_be_read(tmp_path, name, text, message):
    with pytest.raises(InputError, match=message):
        read_edits(write(tmp_path, name, text), chromsizes=SIZES)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("e.bed", "chr1\t10\t20\tINS:a\n", "line 1: kind insertion needs a second place"),
        ("e.bed", "chr1\t10\t20\tmine\n", "line 1: type 'mine' is none of .* KIND or KIND:name"),
        ("e.tsv", "kind\tchrom\tstart\ninsertion\tchr1\t5\n", "line 2: kind insertion needs a"),
        (
            "e.tsv",
            "kind\tchrom\tstart\tchrom2\tstart2\ntranslocation\tchr1\t5\tchr2\t9\n",
            "line 2: a translocation needs strand and strand2",
        ),
        (
            "e.tsv",
            "edit\tcompound\tkind\tchrom\tstart\tend\na\t\tDEL\tchr1\t5\t9\n\ta\tDEL\tchr1\t15\t19\n",
            "line 3: an edit and a compound edit are both called 'a'",
        ),
    ],
)
def test_what_an_edit_lacks_is_said(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_edits(tmp_path / name, chromsizes=pd.Series({"chr1": 100, "chr2": 100}))


def test_bedpe_ends_come_in_either_order_and_strands_move_with_them(tmp_path):
    rows = [
        "chr1 500 501 chr1 700 701 one . + -",
        "chr1 700 701 chr1 500 501 two . - +",
        "chr1 700 701 chr1 500 501 three . + -",
        "chr1 700 701 chr1 500 501 four . . . DEL",
    ]
    edits = read_edits(write(tmp_path, "e.bedpe", rows_of(rows)))
    assert [(e.edit, e.kind, e.start, e.end) for e in edits] == [
        ("one", "deletion", 500, 700),
        ("two", "deletion", 500, 700),
        ("three", "duplication", 500, 700),
        ("four", "deletion", 500, 700),
    ]


def test_bedpe_columns_eleven_and_headers_of_many_tools(tmp_path):
    rows = [
        "chrom1 start1 end1 chrom2 start2 end2 sv_id pe_support strand1 strand2 svclass svmethod",
        "1 500 501 1 700 701 SVMERGE1 35 + - DEL SNOWMAN",
        "1 500 501 1 700 701 SVMERGE2 35 + + h2hINV SNOWMAN",
        "1 500 501 2 100 101 SVMERGE3 35 - - TRA SNOWMAN",
        "1 500 501 1 700 701 x 35 - + 17.5",
        "1 500 501 1 700 701 y 35 + - DEL;PASS",
        "1 500 501 1 700 701 z 35 - + BND",
    ]
    edits = read_edits(write(tmp_path, "e.bedpe", rows_of(rows)), chromsizes=SIZES)
    assert [e.kind for e in edits] == [
        "deletion", "inversion", "translocation", "duplication", "deletion", "duplication",
    ]  # fmt: skip
    assert (edits[2].chrom2, edits[2].strand, edits[2].strand2) == ("chr2", "-", "-")


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        ("chr1 500 501 chr1 700 701", "type", "neither a type"),
        ("chr1 500 501 chr2 100 101 a . . .", "type", "neither a type"),
        ("chr1 500 501 chr1 700 701 a . + - DUP:INT", "type", "the copy lies elsewhere"),
        ("chr1 500 501 chr1 700 701 a . + - CPX", "type", "type 'CPX' is none of"),
        ("chr1 500 501 chr2 100 101 a . + - DEL", "type", "both ends on one chromosome"),
        ("chr1 500 501 . -1 -1 a . + -", "place", "one of the ends is not known"),
        ("chr1 500 501 chr1 500 501 a . + -", "place", "both ends are at chr1:500"),
        ("chr1 500 501 chr9 1 2 a . + -", "place", "chromosome 'chr9' is not in the assembly"),
        ("chr1 500 501 chr2 900 901 a . + -", "place", "breakpoint chr2:900 does not lie inside"),
    ],
)
def test_rows_of_a_caller_that_are_no_edit_are_left_out(tmp_path, row, reason, detail):
    good = "chr1 500 501 chr1 700 701 good . + -"
    rows = read_rows(write(tmp_path, "e.bedpe", rows_of([row, good])), chromsizes=SIZES)
    assert [r.edit and r.edit.edit for r in rows] == [None, "good"]
    assert rows[0].reason == reason
    assert detail in rows[0].detail
    (skipped,) = skipped_table(rows).to_dict("records")
    assert (skipped["line"], skipped["chrom"], skipped["position"]) == (1, "chr1", 500)


def test_chromosomes_get_the_names_of_the_assembly(tmp_path):
    for name, text in {
        "e.bed": "1\t0\t50\tDEL\n",
        "e.bedpe": "1\t0\t1\tCHR2\t9\t10\ta\t.\t+\t-\n",
        "e.tsv": "kind\tchrom\tstart\tchrom2\tstart2\tend2\nINS\t01\t5\tchrom2\t0\t9\n",
    }.items():
        (edit,) = read_edits(write(tmp_path, name, text), chromsizes=SIZES)
        assert edit.chrom == "chr1"
        assert edit.chrom2 in ("", "chr2")


def test_edits_of_chromosomes_that_a_sample_does_not_keep_are_left_out(tmp_path):
    text = "chr1\t0\t50\tDEL:a\nchr2\t0\t50\tDEL:b\n"
    rows = read_rows(write(tmp_path, "e.bed", text), chromsizes=SIZES, chromosomes=["2"])
    assert [r.edit and r.edit.edit for r in rows] == [None, "b"]
    assert rows[0].reason == "chromosome"


def test_names_are_those_of_contigs_too(tmp_path):
    sizes = pd.Series({"gi|696447993|gb|JRIU01000414.1|": 900, "HLA-DRB1*15:01:01:01": 900})
    text = "gi|696447993|gb|JRIU01000414.1|\t300\t400\tDEL:one\n"
    text += "HLA-DRB1*15:01:01:01\t100\t150\tINV\n"
    edits = read_edits(write(tmp_path, "e.bed", text), chromsizes=sizes)
    assert [e.chrom for e in edits] == list(sizes.index)
    assert [e.edit for e in edits] == ["one", "inversion_HLA-DRB1-15-01-01-01_100_150"]
    assert lay_out(edits[1], Bins(make_bins(sizes, 10), 10)).span == (100 // 10, 150 // 10)


def test_names_are_safe_unique_and_the_same_every_time(tmp_path):
    names = ["a.b", "a:b", "a-b", "a b", "../x", "", ".", "é", "_", "x" * 300, "x" * 300 + "y"]
    rows = [
        f"chr1\t500\t501\tchr1\t{700 + i}\t{701 + i}\t{n}\t.\t+\t-" for i, n in enumerate(names)
    ]
    path = write(tmp_path, "e.bedpe", "\n".join(rows) + "\n")
    edits = read_edits(path)
    assert edits == read_edits(path)
    made = [e.edit for e in edits]
    assert len(set(made)) == len(names)
    assert all(re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{,90}", name) for name in made)
    assert made[:5] == ["a-b-2", "a-b-3", "a-b", "a-b-4", "x"]
    assert made[5] == "deletion_chr1_500_705"
    assert [e.id for e in edits][:7] == ["a.b", "a:b", "a-b", "a b", "../x", "", ""]


def test_tabs_separate_quotes_and_hashes_are_letters(tmp_path):
    text = '\ufefftrack name="x"\nchr1\t100\t300\tDEL:my "first" #1\textra\r\nchr1\t0\t50\t\t0\n'
    edits = read_edits(write(tmp_path, "e.bed", text))
    assert [(e.edit, e.id, e.kind) for e in edits] == [
        ("my-first-1", 'my "first" #1', "deletion"),
        ("knockout_chr1_0_50", "", "knockout"),
    ]


def test_tables_of_edits_are_read_as_they_were_written(tmp_path):
    text = "chr1\t500\t501\tchr2\t100\t101\tsv.1\t.\t+\t-\n"
    text += "chr1\t100\t101\tchr2\t10\t90\tsv:1\t.\t+\t-\tINS\n"
    rows = read_rows(write(tmp_path, "e.bedpe", text), chromsizes=SIZES)
    write_tsv(edit_table(rows), tmp_path / "again.tsv")
    again = read_rows(tmp_path / "again.tsv", chromsizes=SIZES)
    assert [row.edit for row in again] == [row.edit for row in rows]


def test_a_summary_counts_what_was_left_out(tmp_path):
    text = "chr1\t500\t501\tchr1\t700\t701\ta\t.\t+\t-\n"
    text += "chr1\t500\t501\tchr1\t504\t505\tb\t.\t+\t-\n"
    text += "chr1\t500\t501\tchr9\t504\t505\tc\t.\t+\t-\n"
    rows = read_rows(write(tmp_path, "e.bedpe", text), chromsizes=SIZES)
    assert summary(rows[:1]) == "1 edits"
    fitted = fit_bins(rows, SIZES, 10)
    assert summary(fitted) == "1 edits; 2 records left out (size 1, place 1)"
    assert "4 bp are less than one bin of 10 bp" in fitted[1].detail
    assert list(skipped_table(fitted)["id"]) == ["b", "c"]
