"""The one reader of tab-separated text."""

import bz2
import gzip
import lzma
import re

import numpy as np
import pandas as pd
import pytest

from chromloom.edits.vcf import read_records
from chromloom.errors import InputError
from chromloom.tables import BED, BEDGRAPH, BEDPE, Column, open_text, read_chunks, read_table

SHEET = {"sample": Column(), "depth": Column(int), "note": Column(required=False)}
PLAIN = "sample\tdepth\tnote\nA\t3\tx\nNA\t4\t\n"


def write(tmp_path, content, name="t.tsv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def bed(path, **options):
    return read_table(path, BED, names=list(BED), sep=None, **options)


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.rstrip(),
        b"\xef\xbb\xbf" + PLAIN.encode(),
        PLAIN.encode("utf-16"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace("\n", "\t\n"),
        PLAIN.replace("\n", "\t\t\n", 1),
        PLAIN.replace("3\tx\n", "3\tx\t\n"),
        PLAIN.replace("4\t\n", "4\n"),
        PLAIN.replace("\nA\t", "\n A \t").replace("NA", "NA "),
        "# a comment\n\n" + PLAIN.replace("\nNA", "\n#B\t1\n\t\t\nNA"),
        "#" + PLAIN,
        gzip.compress(PLAIN.encode(), mtime=0),
        gzip.compress(PLAIN[:10].encode(), mtime=0) + gzip.compress(PLAIN[10:].encode(), mtime=0),
        bz2.compress(PLAIN.encode()),
        lzma.compress(PLAIN.encode()),
    ],
)
def test_one_table_in_many_guises(tmp_path, content):
    for name in ("t.tsv", "t.tsv.gz"):
        table = read_table(write(tmp_path, content, name), SHEET)
        assert table["sample"].tolist() == ["A", "NA"]
        assert table["depth"].tolist() == [3, 4]
        assert table["note"].tolist() == ["x", ""]
        assert table["depth"].dtype == np.int64


def test_lines_are_those_of_the_file(tmp_path):
    path = write(tmp_path, "# x\nsample\tdepth\n\nA\t3\n# y\nB\t4\n")
    assert read_table(path, SHEET).index.tolist() == [4, 6]


def test_quotes_and_hashes_within_a_row_are_letters(tmp_path):
    path = write(tmp_path, 'sample\tdepth\tnote\nA"\t1\t"#\nB\t2\tit"s #1\nC\t3\t"\n')
    table = read_table(path, SHEET)
    assert table["sample"].tolist() == ['A"', "B", "C"]
    assert table["note"].tolist() == ['"#', 'it"s #1', '"']
    rows = write(tmp_path, 'chr1\t0\t5\t"a\nchr1\t5\t9\t#b"\nchr1\t9\t10\t"\n')
    assert bed(rows)["name"].tolist() == ['"a', '#b"', '"']


def test_names_with_blanks_and_empty_names_stay_where_tabs_are(tmp_path):
    path = write(
        tmp_path,
        'track name="x y"\nbrowser position chr1:1-2\nchr1\t0\t5\tActive TSS\t7\t+\n'
        "track_1\t1\t2\t\t8\t-\nchr 2\t3\t4\tb\n",
    )
    table = bed(path)
    assert table["chrom"].tolist() == ["chr1", "track_1", "chr 2"]
    assert table["name"].tolist() == ["Active TSS", "", "b"]
    assert table["score"].tolist() == ["7", "8", ""]
    assert table["strand"].tolist() == ["+", "-", ""]
    assert table.index.tolist() == [3, 4, 5]


def test_blanks_separate_where_there_is_no_tab(tmp_path):
    table = bed(write(tmp_path, "track name=x\n# a\tb\nchr1 0   5 a\n  chr2 1 2\n"))
    assert table["chrom"].tolist() == ["chr1", "chr2"]
    assert table["name"].tolist() == ["a", ""]


@pytest.mark.parametrize("above", ["", "chrom\tstart\tend\tGC\n", "#chrom\tstart\tend\tGC\n"])
def test_a_line_of_names_above_rows_is_no_row(tmp_path, above):
    path = write(tmp_path, above + "chr1\t0\t5\t0.5\nchr1\t5\t9\tNA\nchr1\t9\t10\tnan\n")
    table = read_table(path, BEDGRAPH, names=list(BEDGRAPH), sep=None)
    np.testing.assert_array_equal(table["value"], [0.5, np.nan, np.nan])
    assert table["start"].tolist() == [0, 5, 9]


def test_whole_numbers_in_scientific_notation(tmp_path):
    table = bed(write(tmp_path, "chr1\t1e+05\t200000.0\nchr1\t3000000000\t4e9\tx y\n"))
    assert table["start"].tolist() == [100_000, 3_000_000_000]
    assert table["end"].tolist() == [200_000, 4_000_000_000]


def test_chunks_are_the_table(tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"chr{k % 3}\t{k}\t{k + 1}\t{rng.random():.3f}" for k in range(1000)]
    lines[500:500] = ["# chr9\t1", "", "track type=bedGraph"]
    path = write(tmp_path, "\r\n".join(lines))
    whole = read_table(path, BEDGRAPH, names=list(BEDGRAPH))
    assert len(whole) == 1000
    assert whole.index[-1] == 1003
    parts = list(read_chunks(path, BEDGRAPH, names=list(BEDGRAPH), block=97))
    assert len(parts) > 100
    pd.testing.assert_frame_equal(pd.concat(parts), whole)


def test_categories_for_large_files(tmp_path):
    contract = {"chr1": Column("category"), "pos1": Column(int)}
    names = ["readID", "chr1", "pos1", "quality"]
    path = write(tmp_path, 'r1\tchr1\t5\t"#\nr2\tchr2\t6\t#\nr3\tchr1\t7\t"\n')
    (table,) = read_chunks(path, contract, names=names)
    assert list(table["chr1"].cat.categories) == ["chr1", "chr2"]
    assert table["pos1"].tolist() == [5, 6, 7]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("sample\tdepth\nA\t3\nB\n", "line 3: 'B' has 1 columns; expected sample, depth"),
        ("sample\tdepth\nA\t3\tz\n", "line 2: 'z' stands beyond the 2 columns"),
        ("sample\tdepth\n\nA\t3.5\n", "line 3: depth '3.5' is not a whole number"),
        ("sample\tdepth\nA\tx\n", "line 2: depth 'x' is not a whole number"),
        ("sample\tdepth\nA\tNA\n", "line 2: depth 'NA' is not a whole number"),
        ("sample\tdepth\nA\t\n", "line 2: column 'depth' is empty"),
        ("sample\tdepth\nA\t1e30\n", "line 2: depth '1e30' is not a whole number"),
        ("sample depth\nA 3\n", "column 'sample' is missing .found sample depth.*tabs"),
        ("sample\tsample\tdepth\nA\tB\t3\n", "column 'sample' twice"),
        ("sample\tdepth\tnotes\nA\t3\tx\n", "unknown column 'notes'; did you mean 'note'"),
        ("sample\tdepth\n", "holds no rows"),
        ("", "is empty; expected a header with sample, depth"),
        ("sample\tdepth\nå\t3\n".encode("latin-1"), "is not UTF-8 text .byte 0xe5.*; save it"),
        (b"PK\x03\x04xxxxxxxx", "is a zip archive or a spreadsheet"),
        (b"\x28\xb5\x2f\xfdxxxxx", "compressed by zstd"),
        (gzip.compress(PLAIN.encode(), mtime=0)[:-12], "cannot be read"),
        (gzip.compress(b"\x89HDF\r\n\x1a\nxx", mtime=0), "is an HDF5 file"),
        (b"sample\tdepth\nA\t\x003\n", "is not text"),
    ],
)
def test_what_is_wrong_is_said_with_the_line(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(InputError, match=message) as error:
        read_table(path, SHEET, what="sheet", strict=True)
    assert str(error.value).startswith(f"sheet {path}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("chr1\t0\t5\nchr1\t7\n", "line 2: .* has 2 columns; expected chrom, start, end"),
        ("chr1\t0\t5\nchr1 7 9\n", "line 2: .* has 1 columns; expected .* tabs"),
        ("chr1\tabc\t5\nchr1\t7\t9\n", "line 1: start 'abc' is not a whole number"),
        ("chr1\t0\t5\nchr1\t-7\t9\n", "line 2: start '-7' is not a whole number from 0"),
        ("chr1\t0\t5\n\t7\t9\n", "line 2: column 'chrom' is empty"),
        ("# nothing\n", "holds no rows"),
        ("chrom\tstart\tend\n", "holds no rows"),
        ("chr1\t0\t5\nchr1\t1.5\t9\n", "line 2: start '1.5' is not a whole number"),
        ("chr1\t0\t5\nchr1\tNA\t9\n", "line 2: start 'NA' is not a whole number"),
        ("chr1\t0\t9223372036854775808\n", "line 1: end '9223372036854775808' is not a whole"),
        ("chr1\t1,000\t2,000\n", "line 1: start '1,000' is not a whole number"),
        ("chr1\t0\t5\nchrom\tstart\tend\n", "line 2: start 'start' is not a whole number"),
        ("chr1,0,5\n", "has 1 columns"),
    ],
)
def test_rows_without_header_that_are_wrong(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        bed(write(tmp_path, content))


def test_a_header_whose_names_hold_digits_is_one(tmp_path):
    path = write(tmp_path, "chrom1\tstart1\tend1\nchr1\t0\t5\n")
    assert bed(path)["end"].tolist() == [5]


def test_a_file_without_rows_where_that_is_allowed(tmp_path):
    table = bed(write(tmp_path, "# nothing\n"), may_be_empty=True)
    assert list(table.columns) == list(BED)
    assert table["start"].dtype == np.int64
    assert table.empty


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_table(tmp_path / "none.tsv", SHEET)
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path, SHEET)


def test_values_among_known_ones(tmp_path):
    contract = {"x": Column(among=("yes", "no")), "y": Column(float, low=0, high=1)}
    with pytest.raises(InputError, match="line 3: x 'maybe' is not one of yes, no"):
        read_table(write(tmp_path, "x\ty\nyes\t0\nmaybe\t1\n"), contract)
    with pytest.raises(InputError, match="line 2: y '2' is not a number from 0 to 1"):
        read_table(write(tmp_path, "x\ty\nyes\t2\n"), contract)


def test_text_is_read_without_mark_and_carriage_returns(tmp_path):
    with open_text(write(tmp_path, "\ufeffé\r\nb\r\n")) as handle:
        assert handle.read() == "é\nb\n"


def test_large_files_do_not_take_the_slow_way(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("parsed row by row")

    monkeypatch.setattr("chromloom.tables._parse", refuse)
    wide = write(tmp_path, 'r1\tchr1\t5\t1\t"#\textra\n# x\nr2\tchr2\t6\t.\t#\textra\n')
    contract = {"chr1": Column("category"), "pos1": Column(int), "value": Column(float)}
    (table,) = read_chunks(wide, contract, names=["readID", "chr1", "pos1", "value"])
    assert table["pos1"].tolist() == [5, 6]
    assert bed(write(tmp_path, "chr1\t0\t5\nchr1\t5\t9\tname\n"))["name"].tolist() == ["", "name"]
    assert bed(write(tmp_path, "chr1 0 5 a\nchr1 5 9 b c d e f\n"))["name"].tolist() == ["a", "b"]


def test_quotation_marks_of_a_spreadsheet(tmp_path):
    path = write(tmp_path, 'sample\tdepth\tnote\n"a,b"\t3\tc"d"\nA\t4\t"x"\t\n')
    table = read_table(path, SHEET, spreadsheet=True)
    assert table["sample"].tolist() == ["a,b", "A"]
    assert table["note"].tolist() == ['c"d"', "x"]


def test_a_header_whose_names_hold_digits_is_no_row(tmp_path):
    header = "\t".join(BEDPE)
    path = write(tmp_path, header + "\nchr1\t1\t2\tchr2\t5\t6\ta b\t.\t+\t-\n")
    table = read_table(path, BEDPE, names=list(BEDPE), sep=None)
    assert table.iloc[0].tolist() == ["chr1", 1, 2, "chr2", 5, 6, "a b", ".", "+", "-"]


def test_a_value_that_is_missing_is_not_an_empty_cell(tmp_path):
    path = write(tmp_path, "chr1\t0\t5\t.\nchr1\t5\t9\t\n")
    with pytest.raises(InputError, match="line 2: column 'value' is empty"):
        read_table(path, BEDGRAPH, names=list(BEDGRAPH))
    path = write(tmp_path, "chr1\t0\t5\t0,5\n")
    with pytest.raises(InputError, match="line 1: value '0,5' is not a number"):
        read_table(path, BEDGRAPH, names=list(BEDGRAPH))


@pytest.mark.parametrize("opener", [gzip.open, bz2.open, lzma.open])
@pytest.mark.parametrize("content", [b"a" * 4096, b"chr1\t0\t5\t1\n" * 400])
def test_text_that_unpacks_without_end_is_refused(tmp_path, monkeypatch, opener, content):
    monkeypatch.setattr("chromloom.tables.FREE_BYTES", 1 << 20)
    path = tmp_path / "bomb.bed"
    with opener(path, "wb") as file:
        for _ in range(600):
            file.write(content)
    for read in (
        lambda: read_table(path, BEDGRAPH, names=list(BEDGRAPH)),
        lambda: list(read_records(path)),
    ):
        with pytest.raises(InputError, match=r"bomb\.bed unpacks to over 200 times its size"):
            read()


def test_the_library_reads_text_nowhere_else(repo_root):
    """pandas' own defaults take a sample called NA for missing and quotes for marks."""
    library = repo_root / "workflow" / "chromloom"
    own = {"tables.py", "files.py", "runtime.py", "simulate/plan.py"}  # of users; written by us
    found = {
        str(path.relative_to(library))
        for path in library.rglob("*.py")
        if re.search(r"pd\.read_(csv|table)\b", path.read_text())
    }
    assert found == own


def test_an_old_header_in_a_comment_is_not_the_header(tmp_path):
    path = write(tmp_path, "#sample\tdepth\nsample\tdepth\tnote\nA\t3\tx\n")
    assert read_table(path, SHEET)["note"].tolist() == ["x"]


def test_a_header_of_any_columns_may_be_a_comment_and_quoted(tmp_path):
    path = write(tmp_path, '# of 2026\n#"gene"\t"K562"\nG1\t5\nG2\t1.5e3\n')
    table = read_table(path, None)
    assert list(table) == ["gene", "K562"]
    assert table["gene"].tolist() == ["G1", "G2"]
    assert table.index.tolist() == [3, 4]
    named = write(tmp_path, "#made\tby\nname\tkind\nG1\tx\n")
    assert list(read_table(named, None)) == ["name", "kind"]  # the first line is no row of numbers
    numbered = write(tmp_path, "#a\t1\nG1\t2\nG2\t3\n")
    assert list(read_table(numbered, None)) == ["G1", "2"]
