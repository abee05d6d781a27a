"""Scores of predictors against the same written out over pairs."""

import numpy as np
import pytest
from scipy.stats import norm, poisson, spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score

from chromloom.analysis.insulation import score_diamonds
from chromloom.errors import InputError
from chromloom.evaluation.predictors import OWN, _agreement, score_predictors
from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.observed import ObservedMap

DEPTH = 21


class Changed(ObservedMap):
    """The observed map times something that was drawn; `without` has no prediction."""

    max_distance = 200_000

    def __init__(self, observed, noise, *, without=(), held_out=None, depth=None):
        super().__init__(observed, "changed")
        self.noise, self.without, self.held_out = noise, without, held_out
        self.depth = depth or {}

    def band(self, chrom, lo, hi, *, max_dist=None, edited=None):
        band = super().band(chrom, lo, hi, max_dist=max_dist).astype(float)
        rng = np.random.default_rng(sum(map(ord, chrom)))
        band = (
            (band + 0.2)
            * self.depth.get(chrom, 1)
            * np.exp(self.noise * rng.normal(size=band.shape))
        )
        if chrom in self.without:
            band[:, :30] = np.nan
        return band


@pytest.fixture(scope="module")
def observed(tiny_map_path):
    return NormalizedMap(tiny_map_path)


def scores_of(observed, **sources):
    named = {(name, OWN): source for name, source in sources.items()}
    return score_predictors(observed, named, denoised=ObservedMap(observed, "x"), n_boot=50,
                            block=200_000)  # fmt: skip


def test_scores_are_those_of_the_pairs_written_out(observed):
    source = Changed(observed, 0.5, held_out=(("chr1", 0, 10**9),), without=("chr1",))
    result = scores_of(observed, changed=source)
    table = result.scores.set_index(["chrom", "metric"])["value"]
    n = len(observed.mask("chr1"))
    predicted = source.band("chr1", 0, n, max_dist=DEPTH)
    seen = ObservedMap(observed, "x").band("chr1", 0, n, max_dist=DEPTH)
    weight = observed.bins["weight"].to_numpy()[:n]
    rs, rank_rs, gained, contacts, level, tail = [], [], 0.0, 0.0, [], []
    bands = np.full((2, DEPTH, n), np.nan)
    assert table_n(result) == (
        (np.isfinite(seen[2:]) & np.isfinite(predicted[2:])).sum(),
        (np.isfinite(seen[2:]) & np.isnan(predicted[2:])).sum(),
    )
    for d in range(2, DEPTH):
        i = np.flatnonzero(np.isfinite(seen[d]) & np.isfinite(predicted[d]))
        x, y, w = predicted[d, i], seen[d, i].astype(float), weight[i] * weight[i + d]
        x = x * y.mean() / x.mean()
        bands[:, d, i] = x, y
        rs.append(np.corrcoef(np.log(x + 0.5), np.log(y + 0.5))[0, 1])
        rank_rs.append(spearmanr(x, y)[0])
        base = y.mean() / w
        scaled = x / w * (base.sum() / (x / w).sum())
        gained += (y / w * np.log(scaled / base)).sum()
        contacts += (y / w).sum()
        level += list((np.argsort(np.argsort(x)) + 0.5) / len(x))
        tail += list(poisson.sf(np.rint(y / w) - 1, base))
    assert table["all", "r"] == pytest.approx(np.mean(rs))
    assert table["chr1", "r"] == table["all", "r"]
    assert table["all", "r_denoised"] == table["all", "r"]
    assert table["all", "spearman"] == pytest.approx(np.mean(rank_rs))
    assert table["all", "nats_per_contact"] == pytest.approx(gained / contacts)
    steps = np.floor(np.array(level) * 100)
    for name, p in (("p01", 0.01), ("z2", norm.sf(2)), ("z3", norm.sf(3))):
        positive = np.array(tail) < p
        assert positive.any()
        area, precision = (f(positive, steps) for f in (roc_auc_score, average_precision_score))
        assert table["all", f"auc_{name}"] == pytest.approx(area)
        assert table["all", f"ap_{name}"] == pytest.approx(precision)
        curve = result.curves.query("significant == @name")
        assert curve["precision"].iloc[-1] == pytest.approx(positive.mean())
        called = steps >= 90
        at = curve.iloc[9]  # the highest ten levels
        assert at["precision"] == pytest.approx(positive[called].mean())
        assert at["true_positive_rate"] == pytest.approx(called[positive].mean())
        assert at["false_positive_rate"] == pytest.approx(called[~positive].mean())
    told, own = (score_diamonds(band, 25, ignore_diags=2) for band in bands)
    known = np.isfinite(told + own)
    r = np.corrcoef(told[known], own[known])[0, 1]
    assert table["all", "insulation_r"] == pytest.approx(r)
    error = np.log((bands[0] + 0.5) / (bands[1] + 0.5)) ** 2
    last = np.arange(n) + np.arange(DEPTH)[:, None]
    for row in result.submatrices.itertuples():
        lo, hi = row.start // 10_000, row.end // 10_000
        inside = np.isfinite(error) & (np.arange(n) >= lo) & (last < hi)
        assert row.n == inside.sum()
        assert row.mse == pytest.approx(error[inside].mean())
    assert len(result.submatrices) == 5  # of six, one has no prediction
    assert result.distances["r"].dropna().mean() == pytest.approx(np.mean(rs))
    assert (result.scores["low"] <= result.scores["value"] + 1e-9).all()


def table_n(result):
    return tuple(result.scores[["n", "n_unpredicted"]].iloc[0])


def test_pairs_have_both_ends_in_what_was_held_out(observed):
    result = scores_of(observed, one=Changed(observed, 0.5, held_out=(("chr1", 0, 600_000),)))
    seen = ObservedMap(observed, "x").band("chr1", 0, 60, max_dist=DEPTH)
    inside = np.arange(60) + np.arange(DEPTH)[:, None] < 60
    assert table_n(result) == ((np.isfinite(seen) & inside).sum(), 0)


def test_more_noise_is_a_lower_score_and_a_model_differs_from_itself_by_nothing(observed):
    table = scores_of(
        observed,
        good=Changed(observed, 0.1),
        bad=Changed(observed, 1.0),
        same=Changed(observed, 0.1),
    ).scores
    own = table[table["chrom"] == "all"].set_index(["model", "metric"])
    for metric in ("r", "spearman", "nats_per_contact", "auc_p01", "insulation_r"):
        assert own.loc[("bad", metric), "difference_high"] < 0, metric
        assert own.loc[("same", metric), "difference"] == 0
        assert own.loc[("same", metric), "difference_high"] == 0


def test_the_depth_that_each_chromosome_was_predicted_at_changes_no_score(observed):
    one, other = (
        scores_of(observed, one=Changed(observed, 0.5, depth=depth)).scores["value"]
        for depth in ({}, {"chr1": 0.1, "chr2": 8.0})
    )
    np.testing.assert_allclose(one, other, rtol=1e-6)


def test_all_are_scored_on_the_pairs_that_all_predict(observed):
    whole = scores_of(observed, one=Changed(observed, 0.3))
    both = scores_of(observed, one=Changed(observed, 0.3),
                     two=Changed(observed, 0.3, without=["chr1"]))  # fmt: skip
    n = [table.scores.query("chrom == 'all'").set_index("model") for table in (whole, both)]
    assert (n[1]["n"] == n[1]["n"].iloc[0]).all()
    assert n[1]["n"].iloc[0] < n[0]["n"].iloc[0]
    lost = n[1]["n_unpredicted"].iloc[0] - n[0]["n_unpredicted"].iloc[0]
    assert lost == n[0]["n"].iloc[0] - n[1]["n"].iloc[0]


def test_submatrices_of_a_perfect_prediction_agree(observed):
    table = scores_of(observed, one=Changed(observed, 0.0)).submatrices
    assert table["insulation_r"].dropna().min() > 0.99
    assert (
        table["mse"].max()
        < scores_of(observed, one=Changed(observed, 1.0)).submatrices["mse"].min()
    )


def test_predictors_that_were_tested_on_nothing_in_common_are_refused(observed):
    one, two = (Changed(observed, 0.3, held_out=((c, 0, 10**9),)) for c in ("chr1", "chr2"))
    with pytest.raises(InputError, match="no pair is held out from all of one, two"):
        scores_of(observed, one=one, two=two)


def test_curves_and_insulation_by_window_are_those_of_all_pairs(observed):
    source = Changed(observed, 0.5)
    result = scores_of(observed, changed=source, perfect=Changed(observed, 0.0))
    for name in ("z2", "p01"):
        own = result.curves.query("model == 'changed' and significant == @name")
        area = np.trapezoid(
            np.r_[0, own["true_positive_rate"]], np.r_[0, own["false_positive_rate"]]
        )
        score = result.scores.query("model == 'changed' and chrom == 'all'").set_index("metric")
        assert area == pytest.approx(score.loc[f"auc_{name}", "value"])
    assert result.curves.groupby(["model", "significant"])["true_positive_rate"].last().eq(1).all()
    table = result.insulation
    assert set(table["window"]) == {10}, "wider diamonds need pairs that are not predicted"
    perfect = table[table["model"] == "perfect"]
    assert perfect["r"].min() > 0.99
    assert (perfect["found"] > 0.9).all()
    changed = table.query("model == 'changed' and chrom == 'all'").iloc[0]
    assert 0.5 < changed["r"] < perfect["r"].min()
    assert 0 < changed["by_chance"] < changed["found"] <= 1
    chroms = table.query("model == 'changed' and chrom != 'all'")
    assert changed["n_boundaries"] == chroms["n_boundaries"].sum() > 0
    assert changed["n"] == chroms["n"].sum()


def test_boundaries_are_as_many_of_the_strongest_minima_as_the_observed_map_has():
    x = np.arange(200)
    seen = np.where(x % 50 == 25, -1.0, 0.0)
    told = np.roll(np.where(x % 50 == 25, -0.01, 0.0), 2) + np.where(x == 100, -0.001, 0)
    own = _agreement(seen, told)
    assert (own["n_boundaries"], own["n_found"], own["n_near"]) == (4, 4, 20)
    assert _agreement(seen, np.roll(told, 1))["n_found"] == 0
    assert _agreement(seen, np.zeros(200))["n_found"] == 0
