"""Readers of label files."""

import gzip

import pandas as pd
import pytest

from chromloom.errors import InputError
from chromloom.genome.intervals import read_intervals

CHROMSIZES = pd.Series({"chr1": 1_000_000, "chr21": 500_500})

JUICER = "chr1\tx1\tx2\tchr2\ty1\ty2\tcolor\n"
EXAMPLES = {
    "bed": ("chr1\t10\t20\nchr1\t30\t30\tname\t7\t+\n", [(10, 20, -1), (30, 31, -1)]),
    "narrowPeak": (
        "track name=x\nchr1\t10\t20\t.\t150\t.\t23.6\t-1\t3.1\t180\n", [(10, 20, -1)],
    ),
    "bedgraph": ("#comment\n1 10 20 -1.5\n", [(10, 20, -1)]),
    "arrowhead": (JUICER + "1\t5000\t9000\t1\t5000\t9000\t0,0,0\n", [(5000, 9000, -1)]),
    "hiccups": (JUICER + "1\t5000\t6000\t1\t9000\t10000\t0,0,0\n", [(5000, 6000, 9000)]),
    "bedpe": ("chr1\t10\t20\tchr1\t50\t60\t6.34\n", [(10, 20, 50)]),
    "ibed": (
        "bait_chr bait_start bait_end otherEnd_chr otherEnd_start otherEnd_end score\n".replace(
            " ", "\t") + "1\t10\t20\t1\t50\t60\t5.25\n",
        [(10, 20, 50)],
    ),
    "targetfinder": (
        "enhancer_name,promoter_name,label,prediction\nA|chr1:10-20,A|chr1:50-60,1,0\n",
        [(10, 20, 50)],
    ),
    "expression": ("chrom\ttss\tstrand\tcpm\nchr1\t100\t+\t2.5\n", [(99, 100, -1)]),
}  # fmt: skip


@pytest.mark.parametrize("format", EXAMPLES)
@pytest.mark.parametrize("zipped", [False, True])
def test_formats(tmp_path, format, zipped):
    text, expected = EXAMPLES[format]
    path = tmp_path / "labels"
    path.write_bytes(gzip.compress(text.encode()) if zipped else text.encode())
    table = read_intervals(path, format, CHROMSIZES)
    assert list(zip(table["start"], table["end"], table["start2"])) == expected
    assert set(table["chrom"]) == {"chr1"}


def test_scores_and_names(tmp_path):
    path = tmp_path / "labels"
    path.write_text("1\t10\t20\tA1\t3.5\n")
    row = read_intervals(path, "bed", CHROMSIZES).iloc[0]
    assert (row["name"], row["score"]) == ("A1", 3.5)
    for format, score in (("bedgraph", -1.5), ("bedpe", 6.34), ("ibed", 5.25), ("targetfinder", 1)):
        path.write_text(EXAMPLES[format][0])
        assert read_intervals(path, format, CHROMSIZES)["score"].iloc[0] == score
    path.write_text(EXAMPLES["expression"][0])
    assert read_intervals(path, "expression", CHROMSIZES)["score"].iloc[0] == 2.5


def test_other_chromosomes_are_left_out(tmp_path):
    path = tmp_path / "labels.bedpe"
    path.write_text("chr1\t1\t2\tchr21\t5\t6\nchr1\t1\t2\tchr1\t5\t6\nchrUn\t1\t2\tchrUn\t5\t6\n")
    assert len(read_intervals(path, "bedpe", CHROMSIZES)) == 1


def test_an_end_rounded_to_the_grid_is_cut(tmp_path):
    path = tmp_path / "labels.bed"
    path.write_text("chr21\t400000\t510000\n")
    assert read_intervals(path, "bed", CHROMSIZES)["end"].iloc[0] == 500_500


FAILURES = {
    "beyond": ("bed", "chr21\t1\t2\nchr21\t400000\t900000\n", r"line 2: chr21:400000-900000"),
    "start_beyond": ("bed", "chr21\t600000\t601000\n", "500,500 bp"),
    "reversed": ("bed", "chr1\t20\t10\n", "chr1:20-10"),
    "second_beyond": ("bedpe", "chr1\t1\t2\tchr1\t5\t2000001\n", "2000001"),
    "text": ("bed", "chr1\t1\t2\nchr1\tx\t2\n", "line 2: start 'x'"),
    "columns": ("bed", "chr1\t1\n", "2 columns"),
    "names": ("bed", "scaffold_9\t1\t2\n", "scaffold_9"),
    "value": ("bedgraph", "chr1\t1\t2\thigh\n", "value 'high'"),
    "header": ("hiccups", "chr1\tx1\tx2\n1\t2\t3\n", "column 'chr2'"),
    "no_rows": ("hiccups", JUICER, "no rows"),
    "coordinates": ("targetfinder", "enhancer_name,promoter_name,label\na,b,1\n", "'a' holds no"),
    "empty": ("bed", "# nothing\n", "holds no rows"),
    "format": ("xls", "chr1\t1\t2\n", "'xls' is unknown"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_what_cannot_be_read_is_named(tmp_path, case):
    format, text, message = FAILURES[case]
    path = tmp_path / "labels.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_intervals(path, format, CHROMSIZES)
    assert str(path) in str(error.value)


def test_a_truncated_gzip_and_binary_text_are_errors(tmp_path):
    path = tmp_path / "labels.bed.gz"
    path.write_bytes(gzip.compress(b"chr1\t1\t2\n" * 1000)[:-20])
    with pytest.raises(InputError, match="cannot be read"):
        read_intervals(path, "bed", CHROMSIZES)
    path.write_bytes(b"\xfa\xfe\x00\x81" * 10)
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_intervals(path, "bed", CHROMSIZES)
    with pytest.raises(InputError, match="does not exist"):
        read_intervals(tmp_path / "absent", "bed", CHROMSIZES)


def test_a_byte_order_mark_costs_no_row(tmp_path):
    path = tmp_path / "sites.bed"
    path.write_bytes(b"\xef\xbb\xbfchr1\t0\t200000\r\nchr1\t20000\t30000\r\n")
    assert read_intervals(path, "bed", CHROMSIZES)["end"].tolist() == [200_000, 30_000]


def test_names_with_blanks_and_empty_names_keep_their_column(tmp_path):
    path = tmp_path / "states.bed"
    rows = ["Active TSS\t0", "Active enhancer\t100", "\t200", "Weak #1\t.", 'it"s\t300']
    path.write_text(
        'track name="states"\n'
        + "".join(f"chr1\t{k}\t{k + 1}\t{row}\t.\t0,0,0\n" for k, row in enumerate(rows))
    )
    table = read_intervals(path, "bed", CHROMSIZES)
    assert table["name"].tolist() == ["Active TSS", "Active enhancer", "", "Weak #1", 'it"s']
    assert table["score"].tolist()[:3] == [0, 100, 200]
    assert table["score"].isna().tolist() == [False, False, False, True, False]
    assert table["line"].tolist() == [2, 3, 4, 5, 6]


def test_a_name_with_blanks_leaves_the_score_of_a_pair_in_place(tmp_path):
    path = tmp_path / "pairs.bedpe"
    path.write_text("chr1\t1\t2\tchr1\t5\t6\ta loop\t7\nchr1\t1\t2\tchr1\t5\t6\t\t8\n")
    assert read_intervals(path, "bedpe", CHROMSIZES)["score"].tolist() == [7, 8]


def test_a_header_may_be_a_comment(tmp_path):
    path = tmp_path / "loops.bedpe"
    path.write_text("#" + JUICER + "# juicer_tools 1.22\n1\t5000\t6000\t1\t9000\t10000\t0,0,0\n")
    assert read_intervals(path, "hiccups", CHROMSIZES)["end2"].tolist() == [10_000]


def test_a_contig_with_a_colon_is_a_name(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("enhancer_name,promoter_name,label\nA|H*01:02:1-2,A|H*01:02:5-9,1\n")
    table = read_intervals(path, "targetfinder", pd.Series({"H*01:02": 100}))
    assert table[["chrom", "start", "end2"]].to_numpy().tolist() == [["H*01:02", 1, 9]]


def test_expression_without_a_column_of_numbers_is_refused(tmp_path):
    path = tmp_path / "genes.tsv"
    path.write_text("chrom\ttss\tcounts\nchr1\t100\t2\n")
    with pytest.raises(InputError, match="expected one of cpm, rpkm"):
        read_intervals(path, "expression", CHROMSIZES)


def test_a_file_without_bytes_is_allowed_where_an_analysis_wrote_it(tmp_path):
    path = tmp_path / "loops.bedpe"
    path.touch()
    table = read_intervals(path, "bedpe", CHROMSIZES, may_be_empty=True)
    assert table.empty
    path.write_text("chr1\t100\t200\tchr1\t600\t700\tloop_1\t2.5\n")  # one loop, no header
    full = read_intervals(path, "bedpe", CHROMSIZES, may_be_empty=True)
    assert len(full) == 1
    assert list(full.columns) == list(table.columns)
    path.write_text("")
    with pytest.raises(InputError, match="loops"):
        read_intervals(path, "bedpe", CHROMSIZES)


def test_pairs_of_which_an_end_is_not_known_are_left_out(tmp_path):
    path = tmp_path / "pairs.bedpe"
    known = "chr1\t10\t20\tchr1\t50\t60\n"
    path.write_text("chr21\t10\t20\tchr21\t-1\t-1\nchr1\t-1\t-1\tchr1\t10\t20\n" + known)
    assert read_intervals(path, "bedpe", CHROMSIZES)["line"].tolist() == [3]


def test_scores_of_pairs_are_numbers_or_there_are_none(tmp_path):
    path = tmp_path / "pairs.bedpe"
    row = "chr1\t10\t20\tchr1\t50\t60\tx\t{}\n".format
    path.write_text(row("3") + row(".") + row("3,5"))
    with pytest.raises(InputError, match="line 3: score '3,5' is not a number, and others are"):
        read_intervals(path, "bedpe", CHROMSIZES)
    path.write_text(row("high") + row("low"))
    assert read_intervals(path, "bedpe", CHROMSIZES)["score"].isna().all()
