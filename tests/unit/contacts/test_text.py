"""Read pairs and dumps as people have them: other programs' lists, compression, marks in rows."""

import bz2
import gzip
import lzma

import numpy as np
import pytest

from chromloom.contacts.qc import contacts_qc
from chromloom.contacts.sources import open_source
from chromloom.contacts.text import files_of
from chromloom.errors import InputError


def rows_of(files):
    """chr1, pos1, chr2, pos2 of every contact."""
    lines = files.pairs("rows.pairs", header=False).read_text().splitlines()
    return [line.split("\t")[1:5] for line in lines]


def write(files, name, rows, *, sep="\t", head=""):
    path = files.folder / name
    path.write_text(head + "".join(sep.join(map(str, row)) + "\n" for row in rows))
    return path


def hicpro(k, a, p, b, q):
    return f"r{k}", a, p, "+", b, q, "-", 300, "HIC_1", "HIC_2", 42, 42


LISTS = {
    "s.allValidPairs": (hicpro, "\t", "hicpro"),
    "renamed.pairs": (hicpro, "\t", "hicpro"),
    "allele.txt": (lambda *r: (*hicpro(*r), "1-1", "x"), "\t", "hicpro"),
    "merged_nodups.txt": (
        lambda k, a, p, b, q: (0, a, p, 0, 16, b, q, 1, 42, "50M", "AC", 42, "50M", "AC", k, k),
        " ",
        "juicer",
    ),
    "medium.txt": (lambda k, a, p, b, q: (k, 0, a, p, 0, 16, b, q, 1, 9, 9), " ", "juicer"),
    "short.txt": (lambda k, a, p, b, q: (0, a, p, 0, 16, b, q, 1), "\t", "juicer"),
    "score.txt": (lambda k, a, p, b, q: (0, a, p, 0, 16, b, q, 1, 1), " ", "juicer"),
    "extra_short.txt": (lambda k, a, p, b, q: (a, p, b, q), " ", "juicer"),
    "no_strand.txt": (lambda k, a, p, b, q: (k, a, p, b, q), "\t", "pairs"),
    "blanks.pairs": (lambda k, a, p, b, q: (k, a, p, b, q, "+", "-"), " ", "pairs"),
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("prefix", ["chr", ""])
def test_lists_of_other_programs_give_the_same_map(name, prefix, files, extract):
    make, sep, kind = LISTS[name]
    rows = [
        make(k, a.replace("chr", prefix), p, b.replace("chr", prefix), q)
        for k, (a, p, b, q) in enumerate(rows_of(files))
    ]
    path = write(files, name, rows, sep=sep)
    assert open_source(path).format == kind
    np.testing.assert_array_equal(extract(path).dense(10_000), files.dense)


def test_scores_count(files, extract):
    row = (0, "chr1", 5, 0, 0, "chr1", 45_000, 1, 7)
    assert extract(write(files, "s.txt", [row, row])).dense(10_000)[0, 4] == 14


@pytest.mark.parametrize(
    ("name", "opener"),
    [
        ("x.pairs", gzip.open),
        ("x.pairs.bgz", gzip.open),
        ("x.valid.gz", gzip.open),
        ("x.pairs.gz", open),
        ("x.pairs.bz2", bz2.open),
        ("x.bin", lzma.open),
    ],
)
def test_compression_is_told_by_content(name, opener, files, extract):
    text = files.pairs("plain.pairs").read_text()
    path = files.folder / name
    with opener(path, "wt") as handle:
        handle.write(text)
    np.testing.assert_array_equal(extract(path).dense(10_000), files.dense)


def test_a_dump_may_be_compressed_and_mislabelled(files, extract):
    folder = files.dump()
    plain = extract(folder).dense(10_000)
    path = folder / "hic_chr1.txt"
    path.write_bytes(bz2.compress(path.read_bytes()))
    np.testing.assert_array_equal(extract(folder).dense(10_000), plain)


@pytest.mark.parametrize("mark", ['"', "#", "'", '"#', 'a"b', "\\", " ", ";", "é"])
@pytest.mark.parametrize("where", [0, 7])
def test_marks_in_a_row_lose_none(mark, where, files, extract):
    rows = []
    for k, row in enumerate(rows_of(files)):
        cells = [f"r{k}", *row, "+", "-", "UU"]
        cells[where] = f"x{mark}" if where == 0 else mark if k % 7 == 0 else "II"
        rows.append(cells)
    head = "## pairs format v1.0\n#columns: readID chr1 pos1 chr2 pos2 strand1 strand2 OQ\n"
    result = extract(write(files, "q.pairs", rows, head=head))
    np.testing.assert_array_equal(result.dense(10_000), files.dense)


def test_comments_and_blank_lines_between_the_rows(files, extract):
    lines = files.pairs("a.pairs").read_text().splitlines()
    lines[20:20] = ["#a comment\twith\ttabs", "", "# another"]
    path = files.folder / "b.pairs"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n")
    np.testing.assert_array_equal(extract(path).dense(10_000), files.dense)


def test_an_extra_tab_is_told_with_its_line(files, extract):
    lines = files.pairs("a.pairs").read_text().splitlines()
    lines[30] = lines[30].replace("\t", "\t\t", 1)
    path = files.folder / "b.pairs"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="line 31"):
        extract(path)


def test_rows_of_a_sequence_that_the_header_does_not_list(files, extract):
    path = files.pairs("a.pairs")
    path.write_text(path.read_text().replace("#chromsize: chr2 250000\n", ""))
    np.testing.assert_array_equal(extract(path).dense(10_000), files.dense)


def test_read_pairs_that_are_left_out_are_counted(files, extract):
    extra = ["u1\t!\t0\tchr1\t500", "u2\tchr1\t5\t!\t0", "u3\tchrUn_1\t5\tchr1\t7"]
    table = contacts_qc(str(extract(files.pairs(extra=extra)).path)).set_index("chrom")
    assert table.loc["all", "reading"] == (
        "2 read pairs left out: a side is not mapped; 1 read pairs left out: their sequence is not "
        "in the assembly, or not kept"
    )


BAM = gzip.compress(b"BAM\1\0\0\0\0")
FOREIGN = {
    "reads.bam": (BAM, "BAM file of alignments; make read pairs of it: pairtools parse"),
    "reads.pairs.gz": (BAM, "BAM file"),
    "reads.cram": (b"CRAM\3\0", "CRAM file"),
    "x.sam": (b"@HD\tVN:1.6\n", "SAM file"),
    "x.fastq.gz": (gzip.compress(b"@r0\nACGT\n+\nIIII\n"), "file of sequences"),
    "x.pairs.zst": (b"\x28\xb5\x2f\xfd\0\0", "compressed by zstd"),
    "x.lz4": (b"\x04\x22\x4d\x18\0", "compressed by lz4"),
    "x.zip": (b"PK\x03\x04\0", "zip archive"),
    "old.hic": (b"HIC\0\5\0\0\0", r"\.hic of version 5; expected 6 to 9"),
    "x.hic": (gzip.compress(b"HIC\0\x08\0\0\0"), "hic file within gzip"),
    "x.bg2": (b"chr1\t0\t10000\tchr1\t10000\t20000\t5\n", "cooler load -f bg2"),
    "x.matrix": (b"1\t1\t5\n1\t2\t7\n2\t3\t1\n", "number bins.*hicConvertFormat"),
    "dense.txt": (b"0\t1.5\t2\t4\t0\t1\n", "dense matrix"),
    "page.mcool": (b"<!DOCTYPE html><html>", "a web page"),
    "header.pairs": (b"#chromsize: chr1\nr\tchr1\t1\tchr1\t2\n", "expected a name and a length"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_not_read_is_named(name, files, extract):
    content, message = FOREIGN[name]
    path = files.folder / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        extract(path)
    assert "\n" not in str(error.value)


def test_a_bomb_is_not_unpacked(files, extract, monkeypatch):
    path = files.folder / "bomb.pairs.gz"
    with gzip.open(path, "wb") as handle:
        for _ in range(64):
            handle.write(b"a" * (1 << 20))
    with pytest.raises(InputError, match="a line of more than"):
        extract(path)
    monkeypatch.setattr("chromloom.contacts.text.BLOCK", 1 << 20)
    with gzip.open(path, "wb") as handle:
        handle.write(b"r\tchr1\t1\tchr1\t2\n" + b"a" * (1 << 23))
    with pytest.raises(InputError, match="a line of over"):
        extract(path)


def test_files_of_a_map(files):
    folder = files.dump(chroms=["chr1", "chr2"])
    (folder / ".hidden").touch()
    expected = [str(folder / "hic_chr1.txt"), str(folder / "hic_chr2.txt")]
    for source in (
        folder,
        folder / "*.txt",
        folder / "hic_{chrom}.txt",
        folder / "hic_chr[12].txt",
    ):
        assert files_of(source) == expected
    assert files_of("absent.mcool::/resolutions/5000") == ["absent.mcool"]
    odd = files.cool("a[1].cool")
    assert files_of(odd) == [str(odd)]
    with pytest.raises(InputError, match="no file matches"):
        files_of(folder / "{chrom}.gz")


def test_brackets_in_a_name_are_no_glob(files, extract):
    np.testing.assert_array_equal(extract(files.cool("a[1].cool")).dense(10_000), files.dense)


def test_a_dump_of_a_name_with_colons(files, extract, tmp_path):
    name = "HLA-A*01:01:01:01"
    sizes = tmp_path / "hla.chrom.sizes"
    sizes.write_text(f"chr1\t303000\n{name}\t250000\n")
    folder = files.folder / "hla"
    folder.mkdir()
    (folder / f"{name}.txt").write_text("0\t10000\t3\n")
    for source in (folder, folder / "{chrom}.txt"):
        assert extract(source, assembly=sizes, chroms=[name]).dense(10_000)[31, 32] == 3


def test_marks_in_a_cell_table(files, make_dense, extract, tmp_path):
    cells = {'a"1': make_dense(1), "b#2": make_dense(2), '"c': make_dense(3)}
    table = tmp_path / "cells.tsv"
    table.write_bytes('\ufeffcell\tcell_type\na"1\tB\nb#2\tB\n"c\tT\n'.encode())
    result = extract(files.scool(cells), cell_labels=table, cell_type="B")
    np.testing.assert_array_equal(result.dense(10_000), cells['a"1'] + cells["b#2"])
