"""Calls of a real caller: every record an edit or a reason, names and places of the assembly."""

from collections import Counter

import pytest

from chromloom.edits.bins import lay_out
from chromloom.edits.pieces import edited_chromosomes, take
from chromloom.edits.read import fit_bins, read_rows
from chromloom.edits.reference import check_reference
from chromloom.edits.signals import edited_codes
from chromloom.errors import InputError
from chromloom.genome.assembly import load_assembly
from chromloom.genome.bins import Bins, make_bins
from chromloom.sequence.fasta import Genome, write_genome

CALLS = "tumor.illumina.manta.EA_T_1.vcf.gz"
N_RECORDS = 1548


@pytest.fixture(scope="module")
def chromsizes():
    return load_assembly("hg38").chromsizes


@pytest.fixture(scope="module")
def rows(real_data, chromsizes):
    return read_rows(real_data / "variants" / CALLS, chromsizes=chromsizes)


def test_every_record_is_an_edit_or_says_why_not(rows):
    assert len(rows) == N_RECORDS
    assert len({row.line for row in rows}) == N_RECORDS
    assert all((row.edit is None) == bool(row.reason and row.detail) for row in rows)
    reasons = Counter(row.reason for row in rows if row.edit is None)
    assert set(reasons) == {"filter", "mate", "sequence", "place", "event"}
    assert reasons["filter"] == sum(row.reason == "filter" for row in rows) == 195


def test_breakends_are_one_edit_for_each_pair_of_mates(rows):
    ends = [row for row in rows if "BND" in row.id and row.reason not in ("filter", "place")]
    assert len(ends) == 2 * sum(row.reason == "mate" for row in ends)


def test_names_are_unique_and_ids_are_the_callers(rows):
    edits = [row.edit for row in rows if row.edit]
    assert len({edit.edit for edit in edits}) == len(edits)
    assert all(edit.id.startswith("Manta") for edit in edits)


@pytest.mark.parametrize("resolution", [10_000, 50_000])
def test_every_edit_that_is_left_can_be_laid_out(rows, chromsizes, resolution):
    bins = Bins(make_bins(chromsizes, resolution), resolution)
    edits = [row.edit for row in fit_bins(rows, chromsizes, resolution) if row.edit]
    assert {edit.kind for edit in edits} == {
        "deletion", "duplication", "inversion", "translocation", "compound",
    }  # fmt: skip
    for edit in edits[:: len(edits) // 40]:
        assert len(lay_out(edit, bins).source) > 1


def test_small_variants_of_yeast_are_spelled_as_their_vcf_says(real_data, repo_root, tmp_path):
    """SNVs, deletions and insertions with the bases of the sequence, and one with others."""
    sizes = load_assembly(repo_root / "config" / "yeast" / "R64.chrom.sizes").chromsizes
    fasta = real_data / "sequence" / "sacCer3_R64-1-1.fa.gz"
    write_genome(fasta, tmp_path / "R64.fa.gz", sizes)
    lines = ["##fileformat=VCFv4.3", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    with Genome(tmp_path / "R64.fa.gz") as genome:
        chrom = genome.chromsizes.index[3]
        letters = "".join("ACGTN"[code] for code in genome.read(chrom, 0, 600_000))
        expected = {}
        for number, at in enumerate(range(50_000, 600_000, 50_000)):
            first = letters[at]
            other = "ACGT"[("ACGT".index(first) + 1) % 4]
            ref, alt = [(first, other), (letters[at : at + 4], first), (first, first + "GATTACA")][
                number % 3
            ]
            lines.append(f"{chrom}\t{at + 1}\tv{number}\t{ref}\t{alt}\t.\tPASS\t.")
            spelled = letters[at - 20 : at] + alt + letters[at + len(ref) : at + len(ref) + 20]
            expected[f"v{number}"] = at, spelled
        wrong = "ACGT"[("ACGT".index(letters[50_000]) + 2) % 4]
        lines.append(f"{chrom}\t50001\twrong\t{wrong}\tGG\t.\tPASS\t.")
        (tmp_path / "v.vcf").write_text("\n".join(lines) + "\n")
        rows = read_rows(tmp_path / "v.vcf", chromsizes=sizes)
        checked = check_reference(rows, genome, on_mismatch="skip")
        assert [row.id for row in checked if row.reason == "reference"] == ["wrong"]
        with pytest.raises(InputError, match=r"1 of 12 variants .* do not match the reference"):
            check_reference(rows, genome, on_mismatch="refuse")
        for row in checked[:-1]:
            at, spelled = expected[row.id]
            pieces = edited_chromosomes(row.edit, sizes)[row.edit.chrom]
            codes = edited_codes(genome, take(pieces, at - 20, at - 20 + len(spelled)))
            assert "".join("ACGTN"[code] for code in codes) == spelled
