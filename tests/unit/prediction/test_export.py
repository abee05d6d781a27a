"""Predicted maps as files."""

import cooler
import numpy as np
import pytest

from chromloom.errors import InputError
from chromloom.models.trained import TrainedModel
from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.export import predict_map


class ExpectedModel:
    """Predicts twice the expected."""

    def __init__(self, path):
        self.map = NormalizedMap(path)

    def predict_band(self, chrom, lo, hi, max_dist=None):
        return self.map.expected(chrom).band(lo, hi)[:max_dist]

    def to_value(self, target, expected):
        return target + expected


@pytest.fixture(autouse=True)
def model(tiny_map_path, monkeypatch):
    monkeypatch.setattr(TrainedModel, "load", staticmethod(lambda _: ExpectedModel(tiny_map_path)))


def test_a_predicted_map_opens_and_holds_the_prediction(tiny_map_path, tmp_path):
    out = tmp_path / "predicted.mcool"
    predict_map("tiny.10000.ICE.twice", tiny_map_path, out, zoomify=[20_000])
    observed = NormalizedMap(tiny_map_path)
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


def test_distance_and_support_limit_the_file(tiny_map_path, tmp_path):
    observed = NormalizedMap(tiny_map_path)
    n_observed = sum(len(observed.pixels(chrom)) for chrom in observed.chromnames)
    predict_map("m", tiny_map_path, tmp_path / "o.mcool", support="observed", zoomify=False)
    clr = cooler.Cooler(str(tmp_path / "o.mcool::resolutions/10000"))
    assert clr.info["nnz"] == n_observed
    predict_map("m", tiny_map_path, tmp_path / "n.mcool", max_distance=50_000, zoomify=False)
    pixels = cooler.Cooler(str(tmp_path / "n.mcool::resolutions/10000")).pixels()[:]
    assert (pixels["bin2_id"] - pixels["bin1_id"]).max() == 5
    predict_map("m", tiny_map_path, tmp_path / "v.mcool", min_value=5.0, zoomify=False)
    pixels = cooler.Cooler(str(tmp_path / "v.mcool::resolutions/10000")).pixels()[:]
    assert pixels["count"].min() > 5


def test_a_region_holds_the_pixels_of_the_whole_map(tiny_map_path, tmp_path):
    paths = {"whole": None, "chromosome": "chr2", "part": "chr1:205,000-900,000"}
    pixels = {}
    for name, region in paths.items():
        out = tmp_path / f"{name}.mcool"
        predict_map("m", tiny_map_path, out, region=region, zoomify=False)
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
def test_what_cannot_be_written_is_an_error(tiny_map_path, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        predict_map("m", tiny_map_path, tmp_path / "x.mcool", **options)
    assert not list(tmp_path.iterdir())
