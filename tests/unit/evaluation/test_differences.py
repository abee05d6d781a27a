"""Predicted against observed differences of two maps."""

import numpy as np
import pytest

from chromloom.errors import InputError
from chromloom.evaluation.differences import score_differences
from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.observed import ObservedMap

DEPTH = 21


class Shifted(ObservedMap):
    """A map of which each pair was multiplied by something that was drawn, by the seed."""

    max_distance = 200_000

    def __init__(self, observed, seed, *, share=1.0, noise=0.0, held_out=None):
        super().__init__(observed, "shifted")
        self.drawn, self.share, self.noise, self.held_out = seed, share, noise, held_out

    def band(self, chrom, lo, hi, *, max_dist=None, edited=None):
        whole = super().band(chrom, 0, len(self.bins.mask(chrom)), max_dist=DEPTH).astype(float)
        n, size = whole.shape[1], 50  # blocks of 500 kb have a level of their own
        rng = np.random.default_rng(self.drawn)
        level = np.repeat(rng.normal(size=n // size + 1), size)[:n]
        level = level + self.noise * rng.normal(size=whole.shape)
        return ((whole + 3) * np.exp(self.share * level))[:max_dist, lo:hi]


@pytest.fixture(scope="module")
def observed(tiny_map_path):
    return NormalizedMap(tiny_map_path)


@pytest.fixture
def compared(observed, monkeypatch):
    """The scores of predictors, where the second map is the first one shifted."""
    from chromloom.evaluation import differences

    other = NormalizedMap(observed.path)
    seen = {id(observed): Shifted(observed, 5, share=0.0), id(other): Shifted(observed, 5)}
    monkeypatch.setattr(differences, "ObservedMap", lambda m, _: seen[id(m)])

    def compare(**sources):
        return score_differences((observed, other), sources, n_boot=50, block=200_000)

    return compare


def test_what_is_told_of_the_difference_is_scored_and_a_predictor_of_the_region_has_none(
    observed, compared
):
    flat = Shifted(observed, 9)
    table = compared(
        perfect=(Shifted(observed, 5, share=0.0), Shifted(observed, 5)),
        swapped=(Shifted(observed, 5), Shifted(observed, 5, share=0.0)),
        noisy=(Shifted(observed, 5, share=0.0), Shifted(observed, 5, noise=1.0)),
        region=(flat, flat),
    )
    whole = table[table["over"] != "region"].set_index(["model", "over"])
    assert whole.loc[("perfect", "pairs"), "r"] > 0.9
    assert whole.loc[("perfect", "regions"), "r"] > 0.95
    assert whole.loc[("swapped", "pairs"), "r"] < -0.9
    assert 0.1 < whole.loc[("noisy", "pairs"), "r"] < 0.9
    assert whole.loc[("region", "pairs"), "r"] == 0
    assert np.isnan(whole.loc[("region", "regions"), "r"])
    own = whole.loc["perfect"]
    assert (own["low"] <= own["r"]).all()
    assert (own["r"] <= own["high"]).all()


def test_regions_hold_the_mean_difference_of_their_squares(observed, compared):
    table = compared(perfect=(Shifted(observed, 5, share=0.0), Shifted(observed, 5)))
    regions = table[table["over"] == "region"]
    first = regions.iloc[0]
    assert (first["chrom"], first["start"], first["end"]) == ("chr1", 0, 500_000)
    np.testing.assert_allclose(regions["observed"], regions["predicted"], atol=0.1)
    assert regions["observed"].std() > 0.3
    assert regions["n"].sum() < table[table["over"] == "pairs"]["n"].iloc[0]


def test_predictors_without_a_test_chromosome_in_common_are_refused(observed, compared):
    one, two = (Shifted(observed, 1, held_out=((c, 0, 10**9),)) for c in ("chr1", "chr2"))
    with pytest.raises(InputError, match="no pair is held out from all of one, two"):
        compared(one=(one, one), two=(two, two))
