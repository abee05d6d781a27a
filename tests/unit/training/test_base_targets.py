"""What networks of bases learn from, as it is written and read."""

import pickle

import numpy as np
import pandas as pd
import pytest

from chromloom.errors import InputError
from chromloom.normalize.maps import NormalizedMap
from chromloom.sequence.fasta import write_genome
from chromloom.training.base_targets import BaseTargets, write_base_targets
from chromloom.training.windows import TargetSettings, read_window, target_map

SIZE, CROP = 12, 2


@pytest.fixture
def write(tiny_map_path, tiny_genome_path, tiny_akita, tmp_path):
    def make(split, name="t.h5", maps=None, **options):
        path = tmp_path / name
        write_base_targets(
            "akita-small", maps or [tiny_map_path], split, path, genome_path=tiny_genome_path,
            options={**tiny_akita, **options},
        )  # fmt: skip
        return BaseTargets(path)

    return make


def regions(*rows):
    return pd.DataFrame(rows, columns=["role", "chrom", "start", "end"])


SPLIT = regions(
    ("train", "chr1", 0, 800_000),
    ("test", "chr1", 800_000, 1_000_000),
    ("validation", "chr1", 1_000_000, 1_195_000),
    ("train", "chr3", 0, 300_000),
)


def test_targets_are_made_in_the_documented_order_of_the_bins_of_one_role(write, tiny_map_path):
    store, observed = write(SPLIT, loss="mse"), NormalizedMap(tiny_map_path)
    table = store.windows
    assert set(table["chrom"][table["validates"]]) == {"chr1"}
    number = int(table.index[(table["chrom"] == "chr1") & (table["first"] == 36)][0])
    made = target_map(*read_window(observed, "chr1", 34, 50), TargetSettings(crop=0))
    pairs = np.triu_indices(SIZE, 2)
    inner = made[CROP : CROP + SIZE, CROP : CROP + SIZE][pairs]
    np.testing.assert_allclose(store.target(number)[0], inner, atol=2e-3)
    # A window across the border of the role: what lies beyond is neither read nor learnt.
    number = int(table.index[(table["chrom"] == "chr1") & (table["first"] == 72)][0])
    made = target_map(*read_window(observed, "chr1", 70, 80), TargetSettings(crop=0))[2:, 2:]
    own = np.full((SIZE, SIZE), np.nan)
    own[:8, :8] = made
    np.testing.assert_allclose(store.target(number)[0], own[pairs], atol=2e-3)


def test_windows_that_are_given_are_taken_as_they_stand(write):
    split = regions(
        ("train", "chr1", 30_000, 190_000),
        ("train", "chr1", 70_000, 230_000),
        ("validation", "chr1", 600_000, 760_000),
    )
    table = write(split, loss="mse").windows
    assert table["first"].tolist() == [5, 9, 62]
    assert table["validates"].tolist() == [False, False, True]
    split["start"] += 5_000
    split["end"] += 5_000
    with pytest.raises(InputError, match="windows of chr1 begin within bins of 10,000 bp"):
        write(split, "other.h5", loss="mse")


def test_counts_are_read_by_the_window_and_in_another_process(write, tiny_map_path):
    store, observed = write(SPLIT), NormalizedMap(tiny_map_path)
    matrix = observed.clr.matrix(balance=False).fetch("chr1")
    again = pickle.loads(pickle.dumps(store))
    counts = again.counts("chr1", 36, 48)
    assert counts.shape == (1, SIZE, 12)
    assert counts[0, 5, 3] == matrix[39, 44]
    assert np.isnan(again.counts("chr1", 80, 100)).all()
    assert np.isnan(again.counts("chr1", 79, 80)[0, 1:]).all()


@pytest.mark.parametrize("loss", ["mse", "poisson"])
def test_contacts_of_test_regions_are_not_read(write, loss, altered_map, tiny_map_path):
    split = regions(
        ("train", "chr1", 0, 1_195_000),
        ("validation", "chr3", 0, 300_000),
        ("test", "chr2", 0, 800_000),
    )
    plain, other, trained = (
        list(write(split, f"{k}.h5", maps=[path], loss=loss).arrays())
        for k, path in enumerate([tiny_map_path, altered_map("chr2"), altered_map("chr1")])
    )
    for a, b in zip(plain, other):
        np.testing.assert_array_equal(a, b)
    assert any(
        a.shape != b.shape or not np.array_equal(a, b, equal_nan=True)
        for a, b in zip(plain, trained)
    )


def test_windows_that_cannot_be_learnt_from_are_left_out_and_named(write, caplog):
    caplog.set_level("INFO")
    full = write(SPLIT, loss="mse").windows
    caplog.clear()
    store = write(SPLIT, "few.h5", loss="mse", most_filtered=0.1)
    assert 0 < len(store.windows) < len(full)
    (message,) = [m for m in caplog.messages if "left out" in m]
    assert "the first: window chr1, bins 0 to 12: " in message
    assert "of its bins are filtered" in message or "of its bases are unknown" in message
    with pytest.raises(InputError, match="no window can be learnt from; window chr3, bins 0 to 12"):
        write(regions(("train", "chr3", 0, 150_000)), "none.h5", loss="mse", most_filtered=0)


def test_damaged_files_and_samples_without_the_chromosomes_are_refused(write, tmp_path):
    (tmp_path / "x.h5").write_bytes(b"no targets")
    with pytest.raises(InputError, match="cannot be read"):
        BaseTargets(tmp_path / "x.h5")
    with pytest.raises(InputError, match="has no contacts on chr9"):
        write(regions(("train", "chr9", 0, 100_000)), "y.h5")


def test_windows_of_unknown_bases_are_left_out(tiny_map_path, tiny_akita, tmp_path, caplog):
    path = tmp_path / "n.fa"
    letters = {"chr1": "N" * 600_000 + "ACGTT" * 119_000, "chr3": "ACGGT" * 60_000}
    path.write_text("".join(f">{name}\n{text}\n" for name, text in letters.items()))
    sizes = NormalizedMap(tiny_map_path).bins.chromsizes[["chr1", "chr3"]]
    write_genome(path, tmp_path / "n.fa.gz", sizes)
    caplog.set_level("INFO")
    split = regions(("train", "chr1", 0, 1_195_000), ("validation", "chr3", 0, 300_000))
    write_base_targets(
        "akita-small", [tiny_map_path], split, tmp_path / "t.h5",
        genome_path=tmp_path / "n.fa.gz", options={**tiny_akita, "loss": "mse"},
    )  # fmt: skip
    (message,) = [m for m in caplog.messages if "left out" in m]
    assert "window chr1, bins 0 to 12: 100% of its bases are unknown, at most 50%" in message
    table = BaseTargets(tmp_path / "t.h5").windows
    assert table["first"][table["chrom"] == "chr1"].min() > 50
