"""Calls of a real caller: every record an edit or a reason, names and places of the assembly."""

from collections import Counter

import pytest

from chromloom.edits.bins import lay_out
from chromloom.edits.read import fit_bins, read_rows
from chromloom.genome.assembly import load_assembly
from chromloom.genome.bins import Bins, make_bins

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
