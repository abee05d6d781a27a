"""Predicted maps as files."""

import cooler
import numpy as np
import pandas as pd
import pytest

from chromloom.errors import InputError
from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.export import predict_map, write_map
from chromloom.prediction.exported import ExportedMap
from chromloom.prediction.observed import ObservedMap


class Twice(ObservedMap):
    """Predicts twice the expected."""

    def band(self, chrom, lo, hi, *, max_dist=None, edited=None):
        return 2 * self.observed.expected(chrom).band(lo, hi, max_dist)


@pytest.fixture
def twice(tiny_map_path):
    return Twice(NormalizedMap(tiny_map_path), "twice")


def write(source, out, **options):
    write_map(source, out, **{"observed": source.observed, "zoomify": False, **options})


def test_a_predicted_map_opens_and_holds_the_prediction(twice, tmp_path):
    out = tmp_path / "predicted.mcool"
    write(twice, out, zoomify=[20_000])
    observed = twice.observed
    assert [p.name for p in tmp_path.iterdir()] == ["predicted.mcool"]
    clr = cooler.Cooler(f"{out}::resolutions/10000")
    assert clr.info["metadata"]["model"] == "twice"
    for chrom in observed.chromnames:
        n = len(observed.mask(chrom))
        expected = 2 * observed.expected(chrom).band(0, n)
        matrix = clr.matrix(balance=False).fetch(chrom)
        i, j = np.triu_indices(n)
        np.testing.assert_allclose(matrix[i, j], np.nan_to_num(expected[j - i, i]), rtol=1e-6)
        balanced = clr.matrix(balance=True).fetch(chrom)
        assert np.isnan(balanced[observed.mask(chrom)]).all()
        assert np.isfinite(balanced[~observed.mask(chrom)][:, ~observed.mask(chrom)]).all()
    coarse = cooler.Cooler(f"{out}::resolutions/20000")
    assert coarse.pixels()[:]["count"].sum() == pytest.approx(
        clr.pixels()[:]["count"].sum(), rel=1e-5
    )
    assert coarse.bins()[:]["weight"].isna().sum() < clr.bins()[:]["weight"].isna().sum()


def test_distance_and_support_limit_the_file(twice, tmp_path):
    observed = twice.observed
    n_observed = sum(len(observed.pixels(chrom)) for chrom in observed.chromnames)
    write(twice, tmp_path / "o.mcool", support="observed")
    clr = cooler.Cooler(str(tmp_path / "o.mcool::resolutions/10000"))
    assert clr.info["nnz"] == n_observed
    write(twice, tmp_path / "n.mcool", max_distance=50_000)
    pixels = cooler.Cooler(str(tmp_path / "n.mcool::resolutions/10000")).pixels()[:]
    assert (pixels["bin2_id"] - pixels["bin1_id"]).max() == 5
    write(twice, tmp_path / "v.mcool", min_value=5.0)
    pixels = cooler.Cooler(str(tmp_path / "v.mcool::resolutions/10000")).pixels()[:]
    assert pixels["count"].min() > 5


def test_a_region_holds_the_pixels_of_the_whole_map(twice, tmp_path):
    paths = {"whole": None, "chromosome": "chr2", "part": "chr1:205,000-900,000"}
    pixels = {}
    for name, region in paths.items():
        out = tmp_path / f"{name}.mcool"
        write(twice, out, region=region)
        clr = cooler.Cooler(f"{out}::resolutions/10000")
        pixels[name] = clr.pixels(join=True)[:]
    whole = pixels["whole"]
    wanted = whole[(whole["chrom1"] == "chr2").to_numpy()].reset_index(drop=True)
    assert wanted.equals(pixels["chromosome"])
    inside = (whole["chrom1"] == "chr1") & (whole["start1"] >= 200_000) & (whole["end2"] <= 900_000)
    assert whole[inside.to_numpy()].reset_index(drop=True).equals(pixels["part"])
    assert len(pixels["part"])


@pytest.mark.parametrize(
    ("options", "message"),
    [({"support": "some"}, "some"), ({"zoomify": [15_000]}, "15000"), ({"region": "chr9"}, "chr9")],
)
def test_what_cannot_be_written_is_an_error(twice, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        write(twice, tmp_path / "x.mcool", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "predicted"),
    [
        ({}, lambda i, j, seen: True),
        ({"max_distance": 50_000}, lambda i, j, seen: j - i <= 5),
        ({"support": "observed"}, lambda i, j, seen: seen),
        ({"region": "chr1:205,000-900,000"}, lambda i, j, seen: i >= 20 and j < 90),
    ],
)
def test_a_file_is_read_back_with_what_it_says_nothing_of(twice, tmp_path, options, predicted):
    """An absent pixel is no prediction where the file does not speak of the pair."""
    out, observed = tmp_path / "o.mcool", twice.observed
    write(twice, out, min_value=1.0, **options)
    band = ExportedMap(str(out), observed, "read").band("chr1", 0, 120)
    truth, seen = twice.band("chr1", 0, 120), observed.band("chr1", 0, 120) > 0
    for d in range(120):
        for i in range(120 - d):
            value = band[d, i] if d < len(band) else np.nan
            if np.isnan(truth[d, i]) or not predicted(i, i + d, seen[d, i]):
                assert np.isnan(value)
            elif truth[d, i] > 1:
                assert value == pytest.approx(truth[d, i], rel=1e-6)
            else:  # below min_value
                assert value == 0 or "support" in options


def test_of_a_foreign_file_the_farthest_pixel_is_the_limit(twice, tmp_path):
    i = np.arange(100)
    pixels = pd.DataFrame({"bin1_id": i, "bin2_id": i + 7, "count": np.ones(100)})
    cooler.create_cooler(
        str(tmp_path / "f.cool"), twice.bins[["chrom", "start", "end"]], pixels,
        dtypes={"count": "f4"},
    )  # fmt: skip
    source = ExportedMap(str(tmp_path / "f.cool"), twice.observed, "foreign")
    assert source.max_distance == 70_000
    band = source.band("chr1", 0, 120)
    assert band.shape == (8, 120)
    assert band[7, 3] == 1
    assert band[4, 3] == 0


def test_a_file_of_other_bins_is_an_error(twice, tmp_path):
    write(twice, tmp_path / "o.mcool", zoomify=[20_000])
    with pytest.raises(InputError, match="20000 bp"):
        ExportedMap(f"{tmp_path}/o.mcool::resolutions/20000", twice.observed, "coarse")
    write(twice, tmp_path / "p.mcool")
    coarse = cooler.Cooler(f"{tmp_path}/o.mcool::resolutions/20000")
    del coarse
    other = ObservedMap(twice.observed)
    other.resolution = 5
    with pytest.raises(InputError, match="has no resolution 5"):
        ExportedMap(str(tmp_path / "p.mcool"), other, "fine")


def test_a_trained_model_is_written_under_its_name(tiny_model_dir, tiny_map_path, tmp_path):
    predict_map(tiny_model_dir(), tiny_map_path, tmp_path / "m.mcool", zoomify=False)
    clr = cooler.Cooler(f"{tmp_path}/m.mcool::resolutions/10000")
    assert clr.info["metadata"]["model"] == "hiclstm-refined"
    assert clr.info["nnz"] > 1000
