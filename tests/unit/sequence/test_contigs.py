"""Contigs, their roles and windows, in Akita's published form."""

import json

import numpy as np
import pandas as pd
import pytest

from chromloom.errors import InputError
from chromloom.sequence.contigs import (
    check_apart,
    cut_windows,
    deal_contigs,
    make_contigs,
    read_sequences_bed,
    unusable_bins,
    write_sequences_bed,
    write_statistics,
)

SIZES = pd.Series({"chr1": 40_000_000, "chr2": 20_000_000})


def test_long_runs_of_filtered_bins_break_a_chromosome_and_short_ones_do_not():
    filtered = np.zeros(60, bool)
    filtered[[5, 20, 21, 22, 40]] = True
    filtered[50:] = True
    assert np.flatnonzero(unusable_bins(filtered, 3)).tolist() == [20, 21, 22, *range(50, 60)]
    assert not unusable_bins(filtered[:50], 4).any()
    contigs = make_contigs({"chr1": ~unusable_bins(filtered, 3)}, 100, shortest=500, longest=1500)
    expected = [["chr1", 0, 1000], ["chr1", 1000, 2000], ["chr1", 2300, 3600], ["chr1", 3600, 5000]]
    assert contigs.to_numpy().tolist() == expected
    assert make_contigs({"chr1": np.zeros(5, bool)}, 100, shortest=100).empty


def test_contigs_are_dealt_by_bp_and_windows_keep_apart():
    usable = {chrom: np.ones(size // 2048, bool) for chrom, size in SIZES.items()}
    contigs = make_contigs(usable, 2048, shortest=1 << 18, longest=1 << 20)
    dealt = deal_contigs(contigs, seed=1)
    length = (dealt["end"] - dealt["start"]).groupby(dealt["role"]).sum() / SIZES.sum()
    assert length.to_dict() == pytest.approx(
        {"train": 0.8, "validation": 0.1, "test": 0.1}, abs=0.03
    )
    assert not dealt.equals(deal_contigs(contigs, seed=2))
    strides = {"train": 1 << 16, "validation": 1 << 17, "test": 1 << 17}
    windows = cut_windows(dealt, 1 << 18, strides)
    assert (windows["end"] - windows["start"] == 1 << 18).all()
    for role, own in windows.groupby("role"):
        steps = np.diff(own.sort_values(["chrom", "start"])["start"])
        assert pd.Series(steps).mode()[0] == strides[role]
    check_apart(windows)
    with pytest.raises(InputError, match="no window of 4,194,304 bp is left for train"):
        cut_windows(dealt, 1 << 22, strides)


def test_what_is_written_is_read_and_says_what_akita_says(tmp_path):
    windows = pd.DataFrame(
        {
            "chrom": ["chr1", "chr2", "chr2"],
            "start": [0, 0, 2 << 20],
            "end": [1 << 20, 1 << 20, 3 << 20],
            "role": ["train", "validation", "test"],
        }
    )
    write_sequences_bed(windows, tmp_path / "sequences.bed")
    assert (tmp_path / "sequences.bed").read_text().split("\n")[1] == "chr2\t0\t1048576\tvalid"
    pd.testing.assert_frame_equal(read_sequences_bed(tmp_path / "sequences.bed", SIZES), windows)
    write_statistics(windows, tmp_path / "s.json", num_targets=5, bin_size=2048, crop=32,
                     ignore_diags=2, target_length=99681)  # fmt: skip
    published = {
        "num_targets": 5, "train_seqs": 1, "valid_seqs": 1, "test_seqs": 1,
        "seq_length": 1048576, "pool_width": 2048, "crop_bp": 65536, "diagonal_offset": 2,
        "target_length": 99681,
    }  # fmt: skip
    assert json.loads((tmp_path / "s.json").read_text()) == published


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("chr1 0 100 train\nchr1 50 150 test\n", "the test window chr1:50-150 shares bases with a"),
        ("chr1 0 100 train\nchr1 200 250 test\n", "line 2: a window of 50 bp, the first has 100"),
        ("chr1 100 0 train\n", "line 1: the window ends at 0, before its start 100"),
        ("chr1 0 100 training\n", "line 1: role 'training'; expected train, valid, test"),
        ("chr2 19999990 20000090 train\n", "line 1: the window ends beyond chr2"),
    ],
)
def test_sequences_that_cannot_be_are_refused(tmp_path, rows, message):
    (tmp_path / "s.bed").write_text(rows.replace(" ", "\t"))
    with pytest.raises(InputError, match=message):
        read_sequences_bed(tmp_path / "s.bed", SIZES)
