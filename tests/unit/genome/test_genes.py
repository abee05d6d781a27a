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
        (GFF.replace("mRNA", "CDS").replace("gene\t", "region\t"),
         "has rows of region, CDS; expected transcript, mRNA, gene or exon in column 3"),
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


def test_quoted_values_may_hold_semicolons_and_names_of_other_tags(written):
    odd = 'note "see; gene_id X";  gene_id  "ENSG1" ;gene_name "A;B"'
    row = "1\tx\ttranscript\t101\t900\t.\t+\t.\t"
    assert read_genes(written(row + odd + "\n"), SIZES)[["gene", "name"]].to_numpy().tolist() == [
        ["ENSG1", "A;B"]
    ]
    bare = "gene_id G1 ; gene_name a b"
    genes = read_genes(written(f"{row}{bare}\n"), SIZES)
    assert genes[["gene", "name"]].to_numpy().tolist() == [["G1", "a b"]]
    coded = "ID=x;Parent=gene-A%2C1"
    assert read_genes(written(f"{row}{coded}\n"), SIZES)["gene"].tolist() == ["A,1"]


def test_genes_whose_transcripts_are_of_other_kinds_are_genes(written):
    other = "2\tx\tgene\t5001\t6000\t.\t+\t.\tID=gene:ENSG3\n"
    other += "2\tx\tlnc_RNA\t5001\t6000\t.\t+\t.\tID=transcript:T5;Parent=gene:ENSG3\n"
    genes = read_genes(written(GFF + other), SIZES)
    assert genes["gene"].tolist() == ["ENSG1", "ENSG2", "ENSG3"]
    assert genes["start"].tolist() == [100, 1000, 5000]  # ENSG1 is that of its transcripts


def test_tables_of_the_browser_are_read_with_their_symbols(written):
    text = "#bin\tname\tchrom\tstrand\ttxStart\ttxEnd\tname2\n"
    text += "585\tNM_1\tchr1\t+\t100\t900\tAAA\n585\tNM_2\tchr1\t-\t200\t800\tBBB\n"
    genes = read_genes(written(text), SIZES)
    assert genes[["gene", "tss"]].to_numpy().tolist() == [["AAA", 100], ["BBB", 799]]
    named = read_genes(written("chrom\tstart\tend\tname\tscore\tstrand\n" + BED), SIZES)
    assert named["gene"].tolist() == ["ENSG1", "ENSG2"]


def test_rows_elsewhere_of_a_gene_are_counted(written, caplog):
    with caplog.at_level("INFO"):
        read_genes(written(BED + "chr1\t10\t90\tENSG1\t0\t-\n"), SIZES)
    assert "1 rows on a second chromosome or strand" in caplog.text
