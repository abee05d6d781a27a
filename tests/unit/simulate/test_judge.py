"""What the judge on simulated genomes counts, checked against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from chromloom.models.trained import TrainedModel
from chromloom.normalize.maps import NormalizedMap
from chromloom.simulate.judge import area_under_curve, knock_out_and_simulate
from chromloom.simulate.plan import make_plan


def test_the_area_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    score, positive = rng.integers(0, 5, 200).astype(float), rng.random(200) < 0.2
    score[:10] = np.nan
    expected = roc_auc_score(positive[10:], score[10:])
    assert area_under_curve(score, positive) == pytest.approx(expected)


def test_removing_the_site_of_a_bin_lowers_its_own_contacts_in_the_simulation(
    tiny_model_dir, tiny_map_path
):
    model, observed = TrainedModel.load(tiny_model_dir()), NormalizedMap(tiny_map_path)
    plan = make_plan(1, chromsizes={"chr1": 1_195_000}, resolution=10_000)
    sites = plan.rows("sites", "chr1").sort_values("strength")
    bins = np.array([sites["start"].iloc[-1] // 10_000, 40])
    bare = not (plan.rows("sites", "chr1")["start"] // 10_000 == 40).any()
    table = knock_out_and_simulate(model, observed, plan, bins)
    assert table.loc[0, "simulated, own"] < -0.01
    assert not bare or table.loc[1, "simulated, all"] == 0
    assert np.isnan(table["shift, own"]).all()  # the bin is gone
    assert (table["average, own"] != 0).all()
