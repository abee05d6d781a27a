"""Windows and targets as Akita's were made."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest
from cooltools.lib.numutils import adaptive_coarsegrain, interp_nan, observed_over_expected
from scipy.ndimage import gaussian_filter

from chromloom.errors import InputError
from chromloom.normalize.maps import NormalizedMap
from chromloom.sequence.contigs import read_sequences_bed
from chromloom.sequence.fasta import write_genome
from chromloom.training.windows import (
    TargetSettings,
    crop_map,
    read_window,
    target_map,
    write_windows,
)

N = 64
DIST = np.abs(np.subtract.outer(np.arange(N), np.arange(N)))
PLAIN = TargetSettings(coarse_grain=False, sigma=0, crop=0)
DECAY = 100 / (1 + DIST)


def make_target(balanced, counts, settings):
    return crop_map(target_map(balanced, counts, settings), settings)


def square(target, ignore_diags=2, crop=0):
    n = N - 2 * crop
    full = np.zeros((n, n))
    full[np.triu_indices(n, ignore_diags)] = target
    return full + full.T


def test_the_map_of_distance_alone_is_zero():
    for settings in (PLAIN, TargetSettings(crop=0)):  # cooltools smooths the expected
        target = make_target(DECAY, DECAY.round(), settings)
        assert target.dtype == np.float16
        np.testing.assert_allclose(target, 0, atol=0.02)


def test_domains_are_kept_clipped_smoothed_and_cropped():
    inside = np.arange(N) // 16
    pattern = np.where(np.equal.outer(inside, inside), 3.0, 1.0)
    target = square(make_target(DECAY * pattern, DECAY, PLAIN))
    for d in (4, 8, 12):
        own, given = np.diagonal(target, d), np.diagonal(np.log(pattern), d)
        np.testing.assert_allclose(own - own.min(), given, atol=5e-3)
    clipped = make_target(DECAY * pattern**9, DECAY, PLAIN)
    assert np.abs(clipped).max() == 2
    smooth = square(make_target(DECAY * pattern, DECAY, TargetSettings(coarse_grain=False, crop=0)))
    assert np.abs(np.diff(smooth, axis=0)).max() < np.abs(np.diff(target, axis=0)).max()
    cropped = make_target(DECAY * pattern, DECAY, TargetSettings(coarse_grain=False, crop=5))
    np.testing.assert_array_equal(square(cropped, crop=5)[0, 2:], smooth[5, 7 : N - 5])


def test_filtered_bins_are_interpolated_and_thin_pairs_joined():
    filtered = DECAY.copy()
    filtered[20], filtered[:, 20] = np.nan, np.nan
    np.testing.assert_allclose(make_target(filtered, DECAY, PLAIN), 0, atol=0.02)
    counts = np.random.default_rng(0).poisson(DECAY / 20)
    counts = np.triu(counts) + np.triu(counts, 1).T
    rough = make_target(counts.astype(float), counts, PLAIN)
    joined = make_target(counts.astype(float), counts, TargetSettings(sigma=0, crop=0))
    assert np.isfinite(joined).all()
    assert joined.astype(float).std() < 0.8 * rough.astype(float).std()


@pytest.mark.parametrize(
    "settings", [PLAIN, TargetSettings(ignore_diags=3), TargetSettings(cutoff=5, width=9, clip=0.5)]
)
def test_a_target_is_that_of_the_steps_one_by_one(settings):
    """With filtered bins, unknown pairs, pairs without contacts and pairs above the diagonal."""
    rng = np.random.default_rng(0)
    counts = np.triu(rng.poisson(DECAY / 5)).astype(float)
    counts[4, 20] = 500
    counts = counts + np.triu(counts, 1).T
    balanced = counts * 0.01
    balanced[30:32], balanced[:, 30:32] = np.nan, np.nan
    balanced[8, 40] = balanced[40, 8] = np.nan
    k = settings.ignore_diags
    values, near = balanced.copy(), k > DIST
    level = np.nanmedian([balanced[i, i + k] for i in range(N - k)])
    values[near], thin = level, np.where(near, settings.cutoff, counts)
    gone = np.isin(np.arange(N), [30, 31])
    gone = gone | gone[:, None]
    values = np.where(gone, np.nan, np.minimum(values, level))
    if settings.coarse_grain:
        with np.errstate(invalid="ignore"):
            values = adaptive_coarsegrain(values, thin, cutoff=settings.cutoff, max_levels=8)
    values = observed_over_expected(values, np.isfinite(values))[0]
    lowest, unknown = np.log(values[values > 0].min()), np.isnan(values)
    values = np.where(values > 0, np.log(np.where(values > 0, values, 1)), lowest)
    values[unknown] = 0
    values = np.clip(values, -settings.clip, settings.clip)
    values = interp_nan(np.where(gone, np.nan, values))
    values[near] = 0
    if settings.sigma:
        values = gaussian_filter(values, settings.sigma, radius=settings.width // 2)
    np.testing.assert_allclose(target_map(balanced, counts, settings), values, atol=1e-12)


def test_a_window_of_a_map_is_symmetric_masked_and_counted(tiny_map_path):
    observed = NormalizedMap(tiny_map_path)
    balanced, counts = read_window(observed, "chr1", 20, 60)
    for matrix, column in ((balanced, "value"), (counts, "count")):
        whole = observed.clr.matrix(balance=False, field=column).fetch("chr1")[20:60, 20:60]
        whole = np.where(whole != 0, whole, 0.0)
        whole[np.abs(np.subtract(*np.indices(whole.shape))) < observed.ignore_diags] = 0
        if column == "value":
            whole[10], whole[:, 10] = np.nan, np.nan
        np.testing.assert_allclose(matrix, whole)


@pytest.fixture
def genome(tiny_map_path, tmp_path):
    """Bases of the tiny map; one of them in bin 20 of chr2 is unknown."""
    sizes = NormalizedMap(tiny_map_path).bins.chromsizes
    bases = {chrom: "ACGT" * (size // 4) for chrom, size in sizes.items()}
    bases["chr2"] = bases["chr2"][:205_000] + "N" + bases["chr2"][205_001:]
    text = [f">{chrom}\n{own}\n" for chrom, own in bases.items()]
    (tmp_path / "g.fa").write_text("".join(text))
    write_genome(tmp_path / "g.fa", tmp_path / "g.fa.gz", sizes)
    return tmp_path / "g.fa.gz"


def test_windows_are_written_in_the_published_form(tiny_map_path, genome, tmp_path):
    settings, out = TargetSettings(crop=2), tmp_path / "out"
    sizes = NormalizedMap(tiny_map_path).bins.chromsizes
    windows = pd.DataFrame(
        {"chrom": ["chr1", "chr2"], "start": [100_000, 0], "end": [420_000, 320_000]}
    ).assign(role=["train", "test"])
    maps = [tiny_map_path, tiny_map_path]
    write_windows(maps, genome, out, length=320_000, settings=settings, windows=windows)
    pd.testing.assert_frame_equal(read_sequences_bed(out / "sequences.bed", sizes), windows)
    statistics = json.loads((out / "statistics.json").read_text())
    assert (statistics["num_targets"], statistics["target_length"]) == (2, 26 * 27 // 2)
    with h5py.File(out / "targets.h5") as file:
        targets = file["targets"][:]
        assert targets.shape == (2, 351, 2)
        assert np.isfinite(targets).all()
        assert targets.std() > 0.05
        np.testing.assert_array_equal(targets[..., 0], targets[..., 1])


def test_windows_lie_where_bases_and_bins_are_known_at_the_strides_of_the_roles(
    tiny_map_path, genome, tmp_path
):
    settings = TargetSettings(crop=0, coarse_grain=False)
    windows = write_windows(
        [tiny_map_path], genome, tmp_path, length=80_000, settings=settings, run=2
    )
    # chr1 and chr2 from bin 7, behind two filtered ones, chr2 without bin 20; one is filtered in
    # each; the last bin of chr1 is cut short.
    contigs = {("chr1", 7, 119), ("chr2", 7, 20), ("chr2", 21, 80), ("chr3", 7, 30)}
    wanted = set()
    for chrom, start, end in contigs:
        own = windows[(windows["chrom"] == chrom) & windows["start"].between(
            10_000 * start, 10_000 * end)]  # fmt: skip
        (role,) = own["role"].unique()
        stride = 2 if role == "train" else 4
        wanted |= {(chrom, 10_000 * at, role) for at in range(start, end - 7, stride)}
    found = windows[["chrom", "start", "role"]].itertuples(index=False, name=None)
    assert {*found} == wanted
    assert (windows["end"] - windows["start"] == 80_000).all()


def test_windows_that_cannot_be_learnt_from_are_named(tiny_map_path, genome, tmp_path):
    with pytest.raises(InputError, match="bins of 10000 bp, which do not fill a window of 2,048"):
        write_windows([tiny_map_path], genome, tmp_path / "o", length=2048)
    with pytest.raises(InputError, match="no window of 600,000 bp is left"):
        write_windows([tiny_map_path], genome, tmp_path / "o", length=600_000)
    windows = pd.DataFrame({"chrom": ["chr1"], "start": [5000], "end": [325_000], "role": ["test"]})
    own = {"length": 320_000, "windows": windows}
    with pytest.raises(InputError, match="window chr1:5000-325000: it is no whole number"):
        write_windows(
            [tiny_map_path], genome, tmp_path / "o", **own, settings=TargetSettings(crop=2)
        )
    with pytest.raises(InputError, match="32 bins cropped by 32 on each side is empty"):
        write_windows([tiny_map_path], genome, tmp_path / "o", **own)
    windows[["start", "end"]] = [0, 320_000]
    settings = TargetSettings(crop=2, most_filtered=0)
    with pytest.raises(InputError, match=r"window chr1:0-320000: .*% of its bins are filtered"):
        write_windows([tiny_map_path], genome, tmp_path / "o", **own, settings=settings)
