"""What a discriminator takes for an observed map."""

from types import SimpleNamespace

import numpy as np
import pytest

from chromloom.errors import InputError
from chromloom.evaluation.perception import _local_mean, score_perception
from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.observed import ObservedMap

SIZE, DEPTH = 20, 10


class Judge(ObservedMap):
    """Takes for observed what varies within a distance."""

    def __init__(self, observed, chroms=("chr1",)):
        super().__init__(observed, "judge")
        fitted = SimpleNamespace(settings=SimpleNamespace(stripes=SIZE), perceive=self.perceive)
        fold = SimpleNamespace(fitted=lambda: fitted, config={"n_distances": DEPTH})
        self.predictors, self.fold_of = {0: fold}, dict.fromkeys(chroms, 0)
        self.held_out = tuple((chrom, 0, 10**9) for chrom in chroms)

    @staticmethod
    def perceive(ratio):
        n = ratio.shape[1] // SIZE
        frames = ratio[:, : n * SIZE].reshape(DEPTH, n, SIZE)
        return np.array([min(1, np.nanstd(frames[:, k])) if np.isfinite(frames[:, k]).any() else 0
                         for k in range(n)])  # fmt: skip


@pytest.fixture(scope="module")
def observed(tiny_map_path):
    return NormalizedMap(tiny_map_path)


def test_maps_made_of_the_observed_one_have_less_error_the_less_they_are_smoothed(observed):
    judge = Judge(observed)
    table = score_perception(observed, judge, {"same": ObservedMap(observed, "same")})
    assert set(table["chrom"]) == {"chr1"}, "only what the judge was tested on"
    assert (table["end"] - table["start"] == SIZE * 10_000).all()
    means = table.groupby("model")[["mse", "score"]].mean()
    assert means.loc["observed", "mse"] == means.loc["same", "mse"] == 0
    assert means.loc["same", "score"] == means.loc["observed", "score"] > 0
    names = ["local mean by distance", "local mean", "mean by distance"]
    assert (means.loc[names, "mse"] > 0).all()
    assert means.loc["mean by distance", "score"] == 0
    assert (means.loc[names, "score"] < means.loc["observed", "score"]).all()


def test_a_local_mean_is_of_the_known_pairs_around():
    ratio = np.arange(12.0).reshape(2, 6)
    ratio[0, 1] = np.nan
    mean = _local_mean(ratio, (1, 3))
    assert np.isnan(mean[0, 1])
    assert mean[0, 2] == pytest.approx((2 + 3) / 2)
    assert mean[1, 3] == pytest.approx((8 + 9 + 10) / 3)


def test_without_a_frame_in_common_nothing_is_scored(observed):
    with pytest.raises(InputError, match="no frame of judge is held out"):
        score_perception(observed, Judge(observed, ()), {})
