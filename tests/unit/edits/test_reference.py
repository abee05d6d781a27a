"""Bases of variants against those of the reference."""

import logging

import pandas as pd
import pytest

from chromloom.edits.read import read_rows
from chromloom.edits.reference import check_reference, leave_out_bases
from chromloom.errors import InputError
from chromloom.sequence.fasta import Genome, write_genome

SIZES = pd.Series({"chr1": 20, "chr2": 8})
LINES = [
    ("chr1", 3, "snv", "G", "T"), ("chr1", 3, "wrong", "A", "T"), ("chr1", 5, "del", "ACG", "A"),
    ("chr1", 11, "unknown", "A", "C"), ("1", 1, "any", "N", "C"), ("chr2", 2, "other", "TT", "T"),
    ("chr1", 1, "symbolic", "T", "<DEL>"),
]  # fmt: skip


@pytest.fixture
def rows(tmp_path):
    lines = ["##fileformat=VCFv4.3", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    lines += [f"{c}\t{at}\t{name}\t{ref}\t{alt}\t.\t.\tSVLEN=-5" for c, at, name, ref, alt in LINES]
    (tmp_path / "v.vcf").write_text("\n".join(lines) + "\n")
    return read_rows(tmp_path / "v.vcf", chromsizes=SIZES)


@pytest.fixture
def genome(tmp_path):
    (tmp_path / "g.fa").write_text(">chr1\nACGTACGTACNNACGTACGT\n>chr2\nACGTACGT\n")
    write_genome(tmp_path / "g.fa", tmp_path / "g.fa.gz", SIZES)
    with Genome(tmp_path / "g.fa.gz") as genome:
        yield genome


def test_bases_that_differ_are_counted_and_the_first_is_named(rows, genome, caplog):
    with pytest.raises(InputError, match=r"^2 of 6 variants .*; line 4: chr1:3 is G in the ref"):
        check_reference(rows, genome, on_mismatch="refuse")
    with caplog.at_level(logging.WARNING):
        checked = check_reference(rows, genome, on_mismatch="skip")
    assert "2 of 6 variants" in caplog.text
    assert [row.reason for row in checked] == ["", "reference", "", "", "", "reference", ""]
    assert "REF is A" in checked[1].detail
    kept = [row for row in checked if row.edit]
    assert check_reference(kept, genome, on_mismatch="refuse") == kept


def test_without_a_model_of_sequence_changes_of_bases_are_left_out(rows):
    left = leave_out_bases(rows)
    kinds = [row.edit.kind for row in left if row.edit]
    assert kinds == ["deletion", "deletion", "deletion"]
    assert left[0].reason == "sequence"
    assert "no model of this study reads sequence" in left[0].detail


def test_bases_are_left_out_of_steps_and_counted_where_the_file_does_not_tell_them(tmp_path):
    (tmp_path / "e.tsv").write_text(
        "compound\tkind\tchrom\tstart\tend\talt\n"
        "case\tdeletion\tchr1\t2\t4\t\ncase\tsubstitution\tchr1\t8\t11\tA\n"
    )
    (row,) = leave_out_bases(read_rows(tmp_path / "e.tsv", chromsizes=SIZES))
    assert (row.edit, row.reason) == (None, "sequence")
    assert row.detail.startswith("replaces 3 bp by 1 bp, and no model")
