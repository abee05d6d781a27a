"""Structural variants as callers write them: every record is an edit, or says why it is none."""

import bz2
import gzip
import sys

import pandas as pd
import pysam
import pytest

from chromloom.edits.read import fit_bins, read_edits, read_rows, skipped_table
from chromloom.edits.vcf import Fault, contig_lengths, read_records
from chromloom.errors import InputError

SIZES = pd.Series({"chr1": 2_000_000, "chr2": 1_205_000})
TITLES = "#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT S1".replace(" ", "\t")


def vcf(folder, *records, name="e.vcf", meta=("##fileformat=VCFv4.3",), titles=TITLES):
    """A VCF of records whose columns are separated by blanks."""
    lines = [*meta, titles, *(record.replace(" ", "\t") for record in records)]
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines if line))
    return path


def record(alt, info, *, position=500_000, id="x", ref="N", passed="PASS", genotype="0/1"):
    return f"chr1 {position} {id} {ref} {alt} 39 {passed} {info} GT {genotype}"


def row_of(folder, *args, **kwargs):
    (row,) = read_rows(vcf(folder, record(*args, **kwargs)), chromsizes=SIZES)
    return row


def kind_and_place(edit):
    second = (edit.chrom2, edit.start2, edit.strand + edit.strand2) if edit.chrom2 else ()
    return (edit.kind, edit.chrom, edit.start, edit.end, *second)


DELETION = ("deletion", "chr1", 500_000, 700_000)
DUPLICATION = ("duplication", "chr1", 500_000, 700_000)
INSERTION = ("insertion", "chr1", 500_000, 500_000, "chr2", 10, "++")
INVERSION = ("inversion", "chr1", 500_000, 700_000)


@pytest.mark.parametrize(
    ("alt", "info", "expected"),
    [
        # SVIM, Sniffles, Manta and DRAGEN, cuteSV, Delly, Lumpy
        ("<DUP:TANDEM>", "SVTYPE=DUP:TANDEM;END=700000;SVLEN=400000", DUPLICATION),
        ("<DEL>", "SVTYPE=DEL;END=700000;SVLEN=-200000", DELETION),
        ("<DUP:TANDEM>", "END=700000;SVTYPE=DUP;SVLEN=200000;CIPOS=0,1", DUPLICATION),
        ("<DEL>", "PRECISE;SVTYPE=DEL;SVLEN=-200000;END=700000;RE=12", DELETION),
        ("<INV>", "IMPRECISE;SVTYPE=INV;CHR2=chr1;END=700000;CT=3to3", INVERSION),
        ("<DUP>", "SVTYPE=DUP;STRANDS=-+:5;SVLEN=200000;END=700000", DUPLICATION),
        ("<DEL>", "SVTYPE=DEL;SVLEN=-200000", DELETION),
        ("<DEL>", "SVTYPE=DEL;SVLEN=200000", DELETION),
        ("<DEL>", "END=700000;SVLEN=-200000", DELETION),
        ("<DEL>", "SVLEN=-200000;END=.", DELETION),
        ("<DEL>", "SVTYPE=DEL;END=499999;SVLEN=-200000", DELETION),
        ("<DEL:ME:ALU>", "SVTYPE=DEL;END=700000", DELETION),
        ("<DUP>", "SVTYPE=DUP_TAN;END=700000", DUPLICATION),
        # graphtyper, copy number alleles, BreakDancer-like ALT columns
        ("<DEL:SVSIZE=200000:AGGREGATED>", "SVTYPE=DEL;SVLEN=-200000;SVSIZE=200000", DELETION),
        ("<CN0>", "SVTYPE=CNV;END=700000", DELETION),
        ("N", "SVTYPE=DEL;END=700000", DELETION),
        (".", "SVTYPE=INV;END=700000", INVERSION),
        ("DUP", "SVTYPE=DUP;END=700000", DUPLICATION),
        ("<INS>", "SVTYPE=INS;SOURCE=chr2:11-30", INSERTION),
    ],
)
def test_symbolic_alleles(tmp_path, alt, info, expected):
    assert kind_and_place(row_of(tmp_path, alt, info).edit) == expected


@pytest.mark.parametrize(
    ("alt", "info", "reason", "detail"),
    [
        ("<DUP:INT>", "SVTYPE=DUP:INT;END=600000;SVLEN=100000", "type", "the copy lies elsewhere"),
        ("<DUP>", "SVTYPE=DUP:INT;END=600000", "type", "the copy lies elsewhere"),
        ("<DUP:INV>", "SVTYPE=DUP:INV;END=600000", "type", "elsewhere or is turned"),
        ("<DUP:DISPERSED>", "SVTYPE=DUP;END=600000", "type", "the copy lies elsewhere"),
        ("<DUP/INS>", "SVTYPE=DUP/INS;END=600000", "type", "the copy lies elsewhere"),
        ("<INVDUP>", "SVTYPE=INVDUP;END=600000", "type", "type 'INVDUP' is none of"),
        ("<DEL/INV>", "SVTYPE=DEL/INV;END=600000", "type", "is none of"),
        ("<CNV>", "SVTYPE=CNV;END=700000", "type", "copy number"),
        ("<CN2>", "SVTYPE=DUP;END=700000", "type", "copy number"),
        ("<CPX>", "SVTYPE=CPX;END=700000", "type", "is none of"),
        ("<INS>", "SVTYPE=INS;SVLEN=300;END=500000", "sequence", "not in the map"),
        ("<INS:ME:L1>", "SVTYPE=INS;SVLEN=6000", "sequence", "not in the map"),
        ("<INS:NOVEL>", "SVTYPE=INS", "sequence", "not in the map"),
        ("<NON_REF>", "END=700000", "type", "no variant of its own"),
        ("<*>", "END=700000", "type", "no variant of its own"),
        ("*", ".", "type", "no variant of its own"),
        (".", ".", "type", "no allele but the reference's"),
        ("<DEL>", "SVTYPE=DEL", "place", "no END, no SVLEN"),
        ("<DEL>", "SVTYPE=DEL;END=x7", "place", "END=x7: no end is known"),
        ("<DEL>", "SVTYPE=DEL;END=400000", "place", "END=400000"),
        ("<DEL>", "SVTYPE=DEL;SVLEN=-100,-200", "place", "SVLEN=-100,-200"),
        ("<DEL>", "SVTYPE=DEL;END=9000000", "place", "does not lie inside chr1"),
        ("T.", "SVTYPE=BND", "place", "a single breakend"),
        (".T", "SVTYPE=BND", "place", "a single breakend"),
        (".ACGTACGT", "SVTYPE=BND", "place", "a single breakend"),
        ("T[chr2:[", "SVTYPE=BND", "type", "no breakend"),
        ("[chr2:400000[", "SVTYPE=BND", "type", "no breakend"),
        ("T[chr9:400[", "SVTYPE=BND", "place", "chromosome 'chr9' is not in the assembly"),
        ("T]<ctg1>:400]", "SVTYPE=BND", "place", "chromosome '<ctg1>' is not in the assembly"),
        ("<TRA>", "SVTYPE=TRA;CHR2=chr2;END=400000", "type", "which sides are joined"),
        ("<TRA>", "SVTYPE=TRA;CT=3to5", "place", "the other end is not known"),
        ("NNN", "SVTYPE=BND", "place", "the other end is not known"),
        ("<BND>", "SVTYPE=BND;CHR2=chr2;POS2=400000", "type", "which sides are joined"),
    ],
)
def test_what_cannot_be_expressed_says_so(tmp_path, alt, info, reason, detail):
    row = row_of(tmp_path, alt, info)
    assert row.edit is None
    assert (row.reason, row.id, row.position) == (reason, "x", 500_000)
    assert detail in row.detail


@pytest.mark.parametrize(
    ("ref", "alt", "info", "expected"),
    [
        ("A" * 30, "A", "SVTYPE=DEL;END=500029;SVLEN=-29", ("deletion", "chr1", 500_000, 500_029)),
        ("CAGG", "CG", ".", ("deletion", "chr1", 500_000, 500_002)),
        ("ca", "c", ".", ("deletion", "chr1", 500_000, 500_001)),
        ("A" + "C" * 60, "ATTT", ".", ("deletion", "chr1", 500_000, 500_060)),
        ("ACCGT" * 20, "ACGGT" * 20, "SVTYPE=INV", ("inversion", "chr1", 499_999, 500_099)),
        ("A", "AC" * 40, "SVTYPE=DUP;END=500900", ("duplication", "chr1", 500_000, 500_900)),
        ("A", "C", ".", ("substitution", "chr1", 499_999, 500_000)),
        ("AC", "GT", ".", ("substitution", "chr1", 499_999, 500_001)),
        ("A", "ACGTACGT", "SVTYPE=INS;SVLEN=7", ("substitution", "chr1", 499_999, 500_000)),
        ("A", "C" * 3000, "SVTYPE=INS", ("substitution", "chr1", 499_999, 500_000)),
        ("A" * 60, "C" * 60, ".", ("substitution", "chr1", 499_999, 500_059)),
        ("A", "A", ".", "type"),
    ],
)
def test_alleles_given_by_their_bases(tmp_path, ref, alt, info, expected):
    row = row_of(tmp_path, alt, info, ref=ref)
    assert (kind_and_place(row.edit) if row.edit else row.reason) == expected


def test_small_variants_are_edits_in_bp_that_bins_leave_out(tmp_path):
    """A model that reads sequence sees what a model of bins cannot."""
    rows = read_rows(vcf(tmp_path, record("A", "SVTYPE=DEL", ref="A" * 30)), chromsizes=SIZES)
    assert rows[0].edit.end - rows[0].edit.start == 29
    (row,) = fit_bins(rows, SIZES, 10_000)
    assert (row.edit, row.reason) == (None, "size")
    assert "29 bp are less than one bin of 10,000 bp" in row.detail
    assert fit_bins(rows, SIZES, 20)[0].edit == rows[0].edit


@pytest.mark.parametrize(
    ("alt", "position", "expected"),
    [
        # positions are 1-based bases, borders lie before or after them by what is kept
        ("N[chr2:401[", 100, ("translocation", "chr1", 100, 100, "chr2", 400, "+-")),
        ("N]chr2:400]", 100, ("translocation", "chr1", 100, 100, "chr2", 400, "++")),
        ("]chr2:400]N", 101, ("translocation", "chr1", 100, 100, "chr2", 400, "-+")),
        ("[chr2:401[N", 101, ("translocation", "chr1", 100, 100, "chr2", 400, "--")),
        ("ACAGTGC]2:400]", 100, ("translocation", "chr1", 100, 100, "chr2", 400, "++")),
        # within a chromosome, read from either end
        ("N[chr1:301[", 100, ("deletion", "chr1", 100, 300)),
        ("]chr1:100]N", 301, ("deletion", "chr1", 100, 300)),
        ("]chr1:300]N", 101, ("duplication", "chr1", 100, 300)),
        ("N[chr1:101[", 300, ("duplication", "chr1", 100, 300)),
        ("N]chr1:300]", 100, ("inversion", "chr1", 100, 300)),
        ("[chr1:101[N", 301, ("inversion", "chr1", 100, 300)),
    ],
)
def test_breakends(tmp_path, alt, position, expected):
    row = row_of(tmp_path, alt, "SVTYPE=BND", position=position)
    assert kind_and_place(row.edit) == expected


def test_breakends_to_contigs_with_colons(tmp_path):
    sizes = pd.Series({"chr1": 2_000_000, "HLA-A*01:01": 3_000})
    path = vcf(tmp_path, record("N[HLA-A*01:01:401[", "SVTYPE=BND"))
    (edit,) = read_edits(path, chromsizes=sizes)
    assert (edit.chrom2, edit.start2) == ("HLA-A*01:01", 400)


def test_a_breakend_and_its_mate_are_one_edit(tmp_path):
    first = "chr1 500000 g1 TA T]chr2:400000] 39 PASS SVTYPE=BND;MATEID=g2;END=499999 GT 0/1"
    mate = "chr2 400000 g2 G G]chr1:500000] 39 PASS SVTYPE=BND;MATEID=g1 GT 0/1"
    rows = read_rows(vcf(tmp_path, first, mate), chromsizes=SIZES)
    assert kind_and_place(rows[0].edit)[-3:] == ("chr2", 400_000, "++")
    assert (rows[1].edit, rows[1].reason) == (None, "mate")
    assert "line 3 (g1)" in rows[1].detail
    # by their ids where imprecise ends differ, by their ends where there are no ids
    moved = mate.replace("chr2 400000", "chr2 400350")
    assert read_rows(vcf(tmp_path, first, moved))[1].reason == "mate"
    unnamed = [
        "chr1 500000 . T T]chr2:400000] 39 PASS SVTYPE=BND GT 0/1",
        "chr2 400000 . G G]chr1:500000] 39 PASS SVTYPE=BND GT 0/1",
    ]
    assert [row.reason for row in read_rows(vcf(tmp_path, *unnamed))] == ["", "mate"]
    # a mate whose first end was left out stands for both
    failed = first.replace("PASS", "LowQual")
    assert [row.reason for row in read_rows(vcf(tmp_path, failed, mate))] == ["filter", ""]
    # both junctions of an inversion are two
    both = [
        record("N]chr1:700000]", "SVTYPE=BND", id="one"),
        record("[chr1:700101[N", "SVTYPE=BND", id="two", position=500_101),
    ]
    assert [row.reason for row in read_rows(vcf(tmp_path, *both))] == ["", ""]


@pytest.mark.parametrize(
    ("info", "strands"),
    [
        ("SVTYPE=TRA;CHR2=chr2;END=400000;CT=3to5", "+-"),
        ("SVTYPE=TRA;CHR2=chr2;END=400000;CT=5to5", "--"),
        ("SVTYPE=TRA;CHR2=chr2;END=400000;STRANDS=-+", "-+"),
        ("SVTYPE=BND;CHR2=chr2;POS2=400000;END=500001;STRANDS=++:12", "++"),
        ("SVTYPE=CTX;CHR2=2;END=400000;STRANDS=++", "++"),
    ],
)
def test_translocations_by_tags(tmp_path, info, strands):
    edit = row_of(tmp_path, f"<{info[7:10]}>", info).edit
    border = 400_000 - (strands[1] == "-")
    start = 500_000 - (strands[0] == "-")
    assert kind_and_place(edit)[2:] == (start, start, "chr2", border, strands)


def test_every_allele_counts(tmp_path):
    several = record("<DEL>,<DUP>", "SVTYPE=DEL;END=700000", id="i1", genotype="1/2")
    rows = read_rows(vcf(tmp_path, several), chromsizes=SIZES)
    assert [kind_and_place(row.edit) for row in rows] == [DELETION, DUPLICATION]
    assert [(row.edit.edit, row.edit.id) for row in rows] == [("i1-1", "i1"), ("i1-2", "i1")]
    # 4.4: one SVLEN for each, END is that of the longest
    several = record("<DEL>,<DUP>", "END=700000;SVLEN=100000,200000", genotype="1/2")
    edits = read_edits(vcf(tmp_path, several, meta=["##fileformat=VCFv4.4"]))
    assert [edit.end for edit in edits] == [600_000, 700_000]
    mixed = record("<DEL>,C,<INS>", "END=700000", ref="A", genotype="1/3")
    rows = read_rows(vcf(tmp_path, mixed))
    assert [row.reason for row in rows] == ["", "genotype", "sequence"]
    assert rows[0].edit.kind == "deletion"


@pytest.mark.parametrize(
    ("genotypes", "carried"),
    [
        (["0/1"], True),
        (["1|1"], True),
        (["1"], True),
        (["0/0"], False),
        (["0"], False),
        (["./."], True),  # nothing is said against it
        (["."], True),
        (["./1"], True),
        (["0/0", "./."], False),
        (["0/0", "0/1"], True),
        (["0/2"], False),
    ],
)
def test_alleles_that_no_sample_carries_are_left_out(tmp_path, genotypes, carried):
    titles = TITLES + "\tS2" * (len(genotypes) - 1)
    alleles = record("<DEL>,<DUP>", "END=700000", genotype=" ".join(genotypes))
    path = vcf(tmp_path, alleles, titles=titles)
    row = read_rows(path)[0]
    assert (row.edit is not None) == carried
    assert row.reason == ("" if carried else "genotype")
    assert read_rows(path, vcf_genotype="any")[0].edit is not None


def test_records_without_genotypes_or_samples_are_taken(tmp_path):
    somatic = "chr1 500000 a N <DEL> . PASS SVTYPE=DEL;END=700000;SOMATIC PR:SR 88,0:61,0"
    assert read_rows(vcf(tmp_path, somatic))[0].edit is not None
    sites = "chr1 500000 a N <DEL> . . SVTYPE=DEL;END=700000"
    assert read_rows(vcf(tmp_path, sites, titles=TITLES[:-10]))[0].edit is not None


@pytest.mark.parametrize(
    ("passed", "taken"),
    [("PASS", True), (".", True), ("LowQual", False), ("MaxDepth;MinQUAL", False)],
)
def test_records_that_failed_a_filter_are_left_out(tmp_path, passed, taken):
    path = vcf(tmp_path, record("<DEL>", "END=700000", passed=passed))
    (row,) = read_rows(path)
    assert (row.reason == "filter") != taken
    assert passed in row.detail or taken
    assert read_rows(path, vcf_filter="all")[0].edit is not None


def test_one_bad_record_does_not_refuse_the_others(tmp_path):
    good = record("<DEL>", "SVTYPE=DEL;END=700000", id="good")
    path = vcf(
        tmp_path,
        good.replace("500000", "5e5"),
        good,
        "chr1 500000 short N",
        record("<DEL>", "SVTYPE=DEL;END=700000", id="é"),
    )
    with path.open("a") as file:
        file.write("\nchr1 500000 p1 N <DEL> 39 PASS SVTYPE=DEL;END=700000\n")
    rows = read_rows(path, chromsizes=SIZES)
    assert [row.line for row in rows] == [3, 4, 5, 6, 8]
    assert [row.edit and row.edit.edit for row in rows] == [None, "good", None, "deletion", None]
    assert rows[3].id == "é"
    assert [row.reason for row in rows] == ["format", "", "format", "", "format"]
    assert rows[4].detail == "not separated by tabs"
    table = skipped_table(rows)
    assert list(table["line"]) == [3, 5, 8]
    assert not table["type"].str.contains("\t").any()


def test_headers_that_htslib_would_refuse(tmp_path):
    text = f"{record('<DEL>', 'END=700000')}\n".replace(" ", "\t")
    bodies = {
        "no-header.vcf": text,
        "bom.vcf": f"\ufeff##fileformat=VCFv4.2\n{TITLES}\n{text}",
        "crlf.vcf": f"##fileformat=VCFv4.2\n{TITLES}\n{text}".replace("\n", "\r\n"),
        "no-format.vcf": f"##source=tool\n{TITLES}\n{text}",
        "no-titles.vcf": f"##fileformat=VCFv4.2\n{text}",
        "same-samples.vcf": f"##fileformat=VCFv4.2\n{TITLES}\tS1\n{text[:-1]}\t0/0\n",
        "two-headers.vcf": f"{TITLES}\n{text}{TITLES}\n{text}",
    }
    for name, body in bodies.items():
        (tmp_path / name).write_text(body, newline="")
        rows = read_rows(tmp_path / name, chromsizes=SIZES)
        assert {kind_and_place(row.edit) for row in rows} == {DELETION}, name


def test_compressed_vcf(tmp_path):
    plain = vcf(tmp_path, record("<DEL>", "END=700000"))
    pysam.tabix_compress(str(plain), str(tmp_path / "s.vcf.bgz"))
    (tmp_path / "g.vcf.gz").write_bytes(gzip.compress(plain.read_bytes()))
    (tmp_path / "b.vcf.bz2").write_bytes(bz2.compress(plain.read_bytes()))
    (tmp_path / "mislabelled.vcf").write_bytes(gzip.compress(plain.read_bytes()))
    for name in ("s.vcf.bgz", "g.vcf.gz", "b.vcf.bz2", "mislabelled.vcf"):
        assert read_edits(tmp_path / name) == read_edits(plain)
    (tmp_path / "cut.vcf.gz").write_bytes(gzip.compress(plain.read_bytes())[:-20])
    with pytest.raises(InputError, match="cannot be read"):
        read_edits(tmp_path / "cut.vcf.gz")


def test_a_bcf_is_the_vcf_it_was_made_of(tmp_path):
    meta = (
        "##fileformat=VCFv4.3",
        "##contig=<ID=chr1,length=2000000>",
        '##ALT=<ID=DEL,Description="">',
        '##INFO=<ID=END,Number=1,Type=Integer,Description="">',
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="">',
    )
    records = [record("<DEL>", "END=700000"), record("<DUP>", "END=900000", id="y")]
    plain = vcf(tmp_path, *records, meta=meta)
    bcf = str(tmp_path / "s.bcf")
    with (
        pysam.VariantFile(str(plain)) as reader,
        pysam.VariantFile(bcf, "wb", header=reader.header) as out,
    ):
        for found in reader:
            out.write(found)
    assert read_edits(tmp_path / "s.bcf") == read_edits(plain)
    assert contig_lengths(tmp_path / "s.bcf") == contig_lengths(plain)
    (tmp_path / "cut.bcf").write_bytes((tmp_path / "s.bcf").read_bytes()[:-40])
    with pytest.raises(InputError, match="cannot be read"):
        read_edits(tmp_path / "cut.bcf")


def test_without_pysam_the_remedy_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pysam", None)
    with pytest.raises(InputError, match="needs pysam in the environment that runs Snakemake"):
        read_edits(vcf(tmp_path, record("<DEL>", "END=700000")))


def test_a_file_without_records_has_no_edits(tmp_path):
    assert read_rows(vcf(tmp_path)) == []


def test_ids_are_kept_and_names_made_of_them(tmp_path):
    ids = ["svim.DUP_TAN.511", "Sniffles2.DEL.1S0", "MantaDEL:12:0:1:0:0:0", "gridss0bf_12o", "."]
    records = [record("<DEL>", f"END={700_000 + i}", id=id) for i, id in enumerate(ids)]
    edits = read_edits(vcf(tmp_path, *records))
    assert [(edit.edit, edit.id) for edit in edits] == [
        ("svim-DUP_TAN-511", ids[0]),
        ("Sniffles2-DEL-1S0", ids[1]),
        ("MantaDEL-12-0-1-0-0-0", ids[2]),
        ("gridss0bf_12o", ids[3]),
        ("deletion_chr1_500000_700004", ""),
    ]


def test_unnamed_records_of_one_place_have_names_of_their_own(tmp_path):
    records = [record(alt, "END=700000", id=".") for alt in ("<DEL>", "<DUP>", "<DEL>")]
    names = [edit.edit for edit in read_edits(vcf(tmp_path, *records))]
    assert names == [
        "deletion_chr1_500000_700000",
        "duplication_chr1_500000_700000",
        "deletion_chr1_500000_700000-2",
    ]


def test_a_vcf_of_another_assembly_is_refused(tmp_path):
    meta = ["##fileformat=VCFv4.3", "##contig=<ID=1,length=1999999,assembly=x>"]
    path = vcf(tmp_path, record("<DEL>", "END=700000"), meta=meta)
    with pytest.raises(InputError, match=r"chromosome 1 has 1,999,999 bp .* assembly 2,000,000 bp"):
        read_edits(path, chromsizes=SIZES)
    assert len(read_edits(path)) == 1


def test_records_say_what_the_file_holds(tmp_path):
    text = record("<DEL>,<DUP>", "IMPRECISE;END=7;SVLEN=-5", passed="a;b", genotype="./1")
    first, second = read_records(vcf(tmp_path, text, "chr1 x"))
    assert (first.line, first.position, first.alts) == (3, 500_000, ("<DEL>", "<DUP>"))
    assert first.filters == ("a", "b")
    assert first.info == {"IMPRECISE": "", "END": "7", "SVLEN": "-5"}
    assert first.genotypes == ((None, 1),)
    assert second == Fault(4, "chr1\tx", second.detail)


def test_a_mate_that_names_another_junction_is_told(tmp_path):
    titles = TITLES.removesuffix("\tFORMAT\tS1")
    for alt, same in (("]1:100]N", True), ("]1:130]N", True), ("N[1:100[", False)):
        records = ["1 100 a N N[2:500[ . PASS MATEID=b", f"2 500 b N {alt} . PASS MATEID=a"]
        first, second = read_rows(vcf(tmp_path, *records, titles=titles))
        assert first.edit.kind == "translocation"
        assert second.reason == "mate"
        assert ("whose junction is another" in second.detail) != same


def test_a_phase_may_lead_a_genotype(tmp_path):
    records = [
        "1 100 |1 N <DEL> . PASS END=900 GT:DP |0|1:3 /0/0:5",
        "1 100 b N <DEL> . PASS END=900 GT /0|0 .",
    ]
    meta = ["##fileformat=VCFv4.4"]
    rows = read_rows(vcf(tmp_path, *records, meta=meta, titles=f"{TITLES}\tS2"))
    assert [(row.id, row.reason) for row in rows] == [("|1", ""), ("b", "genotype")]
