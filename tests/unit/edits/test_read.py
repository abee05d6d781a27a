"""Readers of edits: what each form of file means."""

import gzip

import pytest

from chromloom.edits.read import read_edits
from chromloom.errors import InputError


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
