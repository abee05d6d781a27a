"""The reader of normalised maps against dense matrices."""

import numpy as np
import pytest

from chromloom.errors import InputError
from chromloom.normalize.maps import Expected, NormalizedMap


@pytest.fixture(scope="module")
def tiny(tiny_map_path):
    return NormalizedMap(tiny_map_path)


def dense(tiny, chrom, field):
    """Square symmetric matrix of one chromosome, from cooler."""
    return tiny.clr.matrix(balance=False, field=field).fetch(chrom).astype(float)


@pytest.mark.parametrize("field", ["value", "oe", "count"])
@pytest.mark.parametrize(
    ("chrom", "lo", "hi"), [("chr1", 0, 120), ("chr1", 20, 52), ("chr2", 79, 80)]
)
def test_band_is_the_dense_matrix_sheared(tiny, chrom, lo, hi, field):
    matrix, mask = dense(tiny, chrom, field), tiny.mask(chrom)
    n = len(mask)
    band = tiny.band(chrom, lo, hi, field)
    assert band.shape == (n - lo, hi - lo)
    for i in range(lo, hi):
        for d in range(n - lo):
            got = band[d, i - lo]
            if d < 2 or i + d >= n or mask[i] or mask[min(i + d, n - 1)]:
                assert np.isnan(got)
            else:
                np.testing.assert_allclose(got, matrix[i, i + d], rtol=1e-6)
    np.testing.assert_array_equal(tiny.band(chrom, lo, hi, field, max_dist=9), band[:9])


def test_pixels_are_chromosome_relative_and_unmasked(tiny):
    pixels = tiny.pixels("chr2", 3, 40)
    assert pixels["i"].between(3, 39).all()
    assert (pixels["j"] - pixels["i"] >= 2).all()
    assert not tiny.mask("chr2")[pixels["i"]].any()
    assert not tiny.mask("chr2")[pixels["j"]].any()
    whole = tiny.pixels("chr2")
    np.testing.assert_array_equal(pixels, whole[whole["i"].between(3, 39)])
    assert tiny.pixels("chr2", 7, 7).empty


def test_value_and_oe_follow_their_definitions(tiny):
    pixels, weight = tiny.pixels("chr1"), tiny.bins["weight"].to_numpy()
    i, j = pixels["i"].to_numpy(), pixels["j"].to_numpy()
    np.testing.assert_allclose(pixels["value"], pixels["count"] * weight[i] * weight[j], rtol=1e-6)
    np.testing.assert_allclose(
        pixels["oe"], pixels["value"] / tiny.expected("chr1").at(i, j), rtol=1e-5
    )


def test_expected_band_has_a_value_wherever_a_pair_is_unmasked(tiny):
    expected = tiny.expected("chr1")
    observed, band = tiny.band("chr1", 10, 60), expected.band(10, 60)
    np.testing.assert_array_equal(np.isnan(observed), np.isnan(band))
    assert band[7, 3] == expected.at(13, 20) == expected.at(20, 13)
    assert not np.isclose(expected.at(10, 20), expected.at(45, 55))  # p arm, across the arms


def test_what_is_no_normalized_map(tiny, tmp_path, make_counts):
    with pytest.raises(InputError, match=r"map \S+absent.cool does not exist"):
        NormalizedMap(tmp_path / "absent.cool")
    make_counts(tmp_path / "raw.cool", chromsizes={"chr1": 300_000})
    with pytest.raises(InputError, match="is not a normalised map"):
        NormalizedMap(tmp_path / "raw.cool")
    with pytest.raises(InputError, match="no chromosome 'chr9'"):
        tiny.mask("chr9")


def test_a_map_without_its_expected(tiny, tmp_path):
    copy = tmp_path / "copy.cool"
    copy.write_bytes(tiny.path.read_bytes())
    with pytest.raises(InputError, match=r"copy.expected.tsv is missing"):
        NormalizedMap(copy).expected("chr1")
    view_df = tiny.view_df[tiny.view_df["chrom"] == "chr1"]
    with pytest.raises(InputError, match="chromosome 'chr2' has no expected"):
        Expected(tiny.expected_table, view_df, "chr2", np.zeros(1), np.zeros(1, bool), 2)
