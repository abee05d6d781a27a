"""Edits of signals: what each kind makes of its bins, and that nothing else is changed."""

import numpy as np
import pytest

from chromloom.errors import InputError
from chromloom.signals.edit import edit_signals
from chromloom.signals.store import SignalStore

SIGNALS = ["mark", "CTCF+", "CTCF-"]


@pytest.fixture
def edit(tiny_signals_path, tmp_path):
    """Edit the tiny signals; returns those of before and after, and the table."""

    def make(*rows):
        bed, out = tmp_path / "edits.bed", tmp_path / "B.1000.h5"
        bed.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
        table = edit_signals(tiny_signals_path, bed, out, cell_type="B")
        with SignalStore(tiny_signals_path) as old, SignalStore(out) as new:
            assert (new.cell_type, new.signals, new.bin_size) == ("B", old.signals, 1000)
            chroms = old.chroms()
            before, after = ({c: s.read_chrom(c, SIGNALS) for c in chroms} for s in (old, new))
        return before, after, table

    return make


def others_are_the_same(before, after, *changed):
    for chrom in before:
        same = np.ones(before[chrom].shape, bool)
        for name, row, lo, hi in changed:
            if name == chrom:
                same[row, lo:hi] = False
        np.testing.assert_array_equal(before[chrom][same], after[chrom][same])


def test_masked_bins_get_the_mean_of_the_chromosome(edit):
    before, after, table = edit(("chr1", 100_500, 120_000, "mask:mark"))
    np.testing.assert_allclose(after["chr1"][0, 100:120], before["chr1"][0].mean(), rtol=1e-5)
    others_are_the_same(before, after, ("chr1", 0, 100, 120))
    row = table.iloc[0]
    assert (row["start"], row["end"]) == (100_000, 120_000)
    assert row["before"] == pytest.approx(before["chr1"][0, 100:120].mean(), rel=1e-5)


def test_deleted_bins_have_no_signal_of_any_kind(edit):
    before, after, _ = edit(("chr2", 0, 5_000, "delete:*"))
    assert (after["chr2"][:, :5] == 0).all()
    others_are_the_same(before, after, *(("chr2", row, 0, 5) for row in range(3)))


def test_an_inserted_peak_stands_where_it_is_higher_and_stays_where_it_was(edit):
    before, after, _ = edit(("chr1", 0, 10_000, "insert:mark:chr2:50,000-60,000"))
    both = before["chr1"][0, :10], before["chr2"][0, 50:60]
    np.testing.assert_array_equal(after["chr1"][0, :10], np.maximum(*both))
    others_are_the_same(before, after, ("chr1", 0, 0, 10))


def test_a_moved_peak_leaves_the_background(edit):
    before, after, _ = edit(("chr1", 0, 10_000, "move:mark:chr1:500000-510000"))
    both = before["chr1"][0, :10], before["chr1"][0, 500:510]
    np.testing.assert_array_equal(after["chr1"][0, :10], np.maximum(*both))
    np.testing.assert_allclose(after["chr1"][0, 500:510], before["chr1"][0].mean(), rtol=1e-5)
    others_are_the_same(before, after, ("chr1", 0, 0, 10), ("chr1", 0, 500, 510))


def test_edits_are_made_in_their_order(edit):
    rows = [("chr1", 0, 1_000, "delete:mark"), ("chr1", 1_000, 2_000, "move:mark:chr1:0-1000")]
    before, after, table = edit(*rows)
    assert after["chr1"][0, 1] == before["chr1"][0, 1]
    assert table["kind"].tolist() == ["delete", "move"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("DEL:gone", r"line 1: 'DEL:gone'; expected KIND:SIGNAL"),
        ("mask:H3K9me3", r"no signal 'H3K9me3' in .*; it has mark, CTCF\+, CTCF-"),
        ("move:mark", "expected move:SIGNAL:chrom:start-end"),
        ("move:mark:chr1:0-500", "of other length"),
        ("move:mark:chr9:0-10000", r"line 1: .*no chromosome 'chr9'"),
    ],
)
def test_edits_that_are_none_are_refused(edit, name, message):
    with pytest.raises(InputError, match=message):
        edit(("chr1", 0, 10_000, name))
