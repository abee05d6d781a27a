"""Genes from every kind of file, with their TSS and strand."""

import pandas as pd
import pytest

from chromloom.errors import InputError
from chromloom.genome.genes import COLUMNS, match_genes, read_genes

SIZES = pd.Series({"chr1": 1_000_000, "chr2": 9_000_000, "chrX": 100_000})
GTF = """#!genome
1\tHAVANA\tgene\t101\t900\t.\t+\t.\tgene_id "ENSG1.4"; gene_name "AAA"; level 2;
1\tHAVANA\ttranscript\t151\t900\t.\t+\t.\tgene_id "ENSG1.4"; transcript_id "T1"; gene_name "AAA";
1\tHAVANA\ttranscript\t101\t300\t.\t+\t.\tgene_id "ENSG1.4"; transcript_id "T2"; gene_name "AAA";
1\tHAVANA\texon\t101\t300\t.\t+\t.\tgene_id "ENSG1.4"; transcript_id "T2";
2\tHAVANA\ttranscript\t1001\t2000\t.\t-\t.\tgene_id "ENSG2.1"; gene_name "BBB";
2\tHAVANA\ttranscript\t1101\t2500\t.\t-\t.\tgene_id "ENSG2.1"; gene_name "BBB";
"""
GFF = """##gff-version 3
1\tx\tgene\t101\t900\t.\t+\t.\tID=gene:ENSG1;Name=AAA
1\tx\tmRNA\t151\t900\t.\t+\t.\tID=transcript:T1;Parent=gene:ENSG1
1\tx\tmRNA\t101\t300\t.\t+\t.\tID=transcript:T2;Parent=gene:ENSG1
2\tx\tmRNA\t1001\t2000\t.\t-\t.\tID=transcript:T3;Parent=gene:ENSG2
2\tx\tmRNA\t1101\t2500\t.\t-\t.\tID=transcript:T4;Parent=gene:ENSG2
"""
BED = """chr1\t150\t900\tENSG1\t0\t+
chr1\t100\t300\tENSG1\t0\t+
chr2\t1000\t2000\tENSG2\t0\t-
chr2\t1100\t2500\tENSG2\t0\t-
"""
REFSEQ = BED.replace("\t0\t", "\t")
REFSEQ = "\n".join(f"{line}\t100,120,\t110,130," for line in REFSEQ.splitlines()) + "\n"
TABLE = """gene_id\tsymbol\tchr\tstart\tend\tstrand
ENSG1\tAAA\tchr1\t150\t900\t1
ENSG1\tAAA\tchr1\t100\t300\t1
ENSG2\tBBB\tchr2\t1000\t2000\t-1
ENSG2\tBBB\tchr2\t1100\t2500\t-1
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "genes"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    "text", [GTF, GFF, BED, REFSEQ, TABLE], ids=["gtf", "gff", "bed", "refseq", "tsv"]
)
def test_formats_are_told_by_content_and_agree(written, text):
    genes = read_genes(written(text), SIZES)
    assert list(genes.columns) == COLUMNS
    ids = genes["gene"].str.replace(r"\..*", "", regex=True)
    assert ids.tolist() == ["ENSG1", "ENSG2"]
    assert genes["chrom"].tolist() == ["chr1", "chr2"]
    assert genes[["start", "end"]].to_numpy().tolist() == [[100, 900], [1000, 2500]]
    assert genes["tss"].tolist() == [100, 2499]  # the 5' ends
    longest = read_genes(written(text), SIZES, transcript="longest")
    assert longest["tss"].tolist() == [150, 2499]
    assert longest[["start", "end"]].to_numpy().tolist() == [[150, 900], [1100, 2500]]


def test_a_tss_alone_is_1_based_and_our_own_table_is_read_again(written, tmp_path):
    genes = read_genes(written("gene\tchrom\ttss\tstrand\nA\t1\t101\t-\n"), SIZES)
    assert genes[["tss", "start", "end"]].to_numpy().tolist() == [[100, 100, 101]]
    own = read_genes(written(GTF), SIZES)
    own.to_csv(tmp_path / "own.tsv", sep="\t", index=False)
    pd.testing.assert_frame_equal(read_genes(tmp_path / "own.tsv", SIZES), own)


def test_names_are_kept_beside_ids(written):
    assert read_genes(written(GTF), SIZES)["name"].tolist() == ["AAA", "BBB"]
    gencode = "chr1\t10\t90\t+\tENSG1\tAAA\nchr1\t200\t290\t-\tENSG2\tBB,1\n"
    genes = read_genes(written(gencode), SIZES)
    assert genes[["gene", "name"]].to_numpy().tolist() == [["ENSG1", "AAA"], ["ENSG2", "BB,1"]]


def test_a_second_copy_of_a_gene_is_left_out(written):
    far = BED + "chrX\t10\t90\tENSG1\t0\t+\nchr2\t8000000\t8000100\tENSG2\t0\t-\n"
    assert read_genes(written(far), SIZES)["end"].tolist() == [900, 2500]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gene\tchrom\ttss\tstrand\nA\t1\t5\t+\nB\t1\t5\t\nC\t1\t9\t.\n",
         r"2 of 3 rows have no strand, \+ or - \(B, C\)"),
        ("chr1\t10\t90\tA\t0\n", "1 of 1 rows have no strand"),
        ("chr1\t10\t1000001\tA\t0\t+\n", "line 1: A at chr1:10-1,000,001 lies beyond"),
        ("chr1\t10\t90\t3\t4\t+\n", "no column with the ids of genes"),
        ("gene\tchrom\tstart\nA\t1\t5\n", "column 'strand' is missing"),
        ("gene\tchrom\tstrand\nA\t1\t+\n", "column 'tss' is missing"),
        ("# nothing\n", "is empty; expected GTF"),
        ("chrUn\t10\t90\tA\t0\t+\n", "none of its chromosome names"),
        (GTF.replace('gene_id "ENSG2.1"', 'gene_ "ENSG2.1"'), "line 6: the row has no gene id"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(written, text, message):
    with pytest.raises(InputError, match=message) as error:
        read_genes(written(text), SIZES)
    assert "\n" not in str(error.value)


def test_an_unknown_choice_of_transcript_is_refused(written):
    with pytest.raises(InputError, match="expected one of outermost, longest"):
        read_genes(written(BED), SIZES, transcript="first")


def test_ids_are_matched_with_or_without_versions_or_by_name(written):
    genes = read_genes(written(GTF), SIZES)
    for ids in (["ENSG2.1", "ENSG1.4"], ["ENSG2", "ENSG1"], ["BBB", "AAA"], ["ENSG2.9", "ENSG1.1"]):
        assert match_genes(ids, genes, source="x").tolist() == [1, 0]
    assert match_genes(["ENSG2", "ENSG1", "ENSG7"], genes, source="x").tolist() == [1, 0, -1]


def test_ids_of_another_annotation_are_counted_and_named(written):
    genes = read_genes(written(GTF), SIZES)
    ids = ["100", "101", "102", "103", "AAA"]
    message = r"x: 4 of 5 ids are not genes .*\(100, 101, 102, …; there"
    with pytest.raises(InputError, match=message):
        match_genes(ids, genes, source="x")
    with pytest.raises(InputError, match=r"rows of the same gene \(ENSG1\.4\)"):
        match_genes(["ENSG1.1", "ENSG1.2"], genes, source="x")
