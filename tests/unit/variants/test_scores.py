"""Scores of predicted variants, against plain re-implementations and windows made by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from chromloom.analysis.insulation import depths, is_boundary
from chromloom.edits.edit import Edit
from chromloom.evaluation import scc
from chromloom.perturbation.perturb import contiguous_bands
from chromloom.perturbation.predict import Prediction, predict_edit
from chromloom.prediction.open import open_source
from chromloom.prediction.source import lay_out_for
from chromloom.variants.scores import (
    NO_CHANGE,
    _boundary_change,
    count_peaks,
    directionality,
    fast_scc,
    score_prediction,
)

GENES = pd.DataFrame(
    {"name": ["near", "far", "elsewhere"], "chrom": ["chr1", "chr1", "chr9"],
     "tss": [520_000, 1_190_000, 5]}
)  # fmt: skip


@pytest.fixture(scope="module")
def source(tiny_model_dir, tiny_map_path):
    return open_source(tiny_model_dir(), tiny_map_path)


def predicted(source, kind, start, end, **more):
    edited = lay_out_for(source, Edit("e", kind, "chr1", start, end, **more))
    return predict_edit(source, edited, flank=400_000, inside=400_000)


def unchanged(prediction):
    wild_type = prediction.wild_type
    return Prediction(
        prediction.edited, prediction.bins, wild_type, wild_type.copy(), prediction.positions,
        prediction.in_edited, 0,
    )  # fmt: skip


def test_a_variant_that_changes_nothing_has_the_scores_of_no_change(source):
    same = unchanged(predicted(source, "deletion", 500_000, 560_000))
    table = score_prediction(same, source, GENES)
    assert set(table["score"]) == set(NO_CHANGE) - {"expression"}
    np.testing.assert_allclose(table["value"], table["score"].map(NO_CHANGE), atol=1e-9)
    assert (table["reason"] == "").all()
    assert table.loc[table["score"] == "virtual_4c", "item"].tolist() == ["near"]


def test_a_variant_whose_pairs_are_not_predicted_has_no_scores(source):
    """Copies that lie farther apart than a model predicts: what is left has not changed."""
    same = unchanged(predicted(source, "duplication", 500_000, 600_000))
    copied = np.isin(same.bins, np.arange(50, 60))
    same.on_reference[copied[:, None] | copied[None, :]] = np.nan
    table = score_prediction(same, source, GENES)
    assert table["value"].isna().all()
    assert (
        table["reason"].str.fullmatch(r"of [\d,]+ pairs .* alters, 0 are predicted both .*").all()
    )
    whole = predicted(source, "duplication", 500_000, 600_000)
    assert score_prediction(whole, source)["value"].notna().all()


def test_mean_changes_are_those_of_known_pairs(source):
    prediction = predicted(source, "inversion", 500_000, 600_000)
    table = score_prediction(prediction, source, GENES).set_index("score")
    change = np.log2((prediction.on_reference + 0.5) / (prediction.wild_type + 0.5))
    known = change[np.isfinite(change)]
    assert table["value"]["mean_square_change"] == pytest.approx((known**2).mean())
    assert table["value"]["mean_abs_change"] == pytest.approx(np.abs(known).mean())
    assert known.any()
    assert table["value"]["correlation"] < 1
    at = np.searchsorted(prediction.bins, 52)
    own = np.abs(np.concatenate([change[at], change[:, at]]))
    assert table["value"]["virtual_4c"] == pytest.approx(own[np.isfinite(own)].mean())


@pytest.mark.parametrize("seed", [0, 1])
def test_scores_are_those_of_plain_matrices(source, seed):
    """Every score that is told around the variant, or of pairs known in both maps."""
    prediction, rng = predicted(source, "inversion", 500_000, 560_000), np.random.default_rng(seed)
    n = len(prediction.bins)
    assert (np.diff(prediction.bins) == 1).all()
    dist = np.subtract(*np.indices((n, n))[::-1])
    side = np.sign(np.sin(np.arange(n) / 5))
    base = 100 / (1 + np.abs(dist)) * np.exp(0.5 * np.outer(side, side))
    maps = [base * rng.lognormal(0, 0.3, (n, n)) for _ in range(2)]
    maps[1][60:, 60:] *= 1.5
    for values, (i, j) in zip(maps, ((20, 44), (30, 50))):
        values[i, j] *= 8
    maps[0][25, 38:] = np.nan  # a bin of which few pairs are known
    for values, gone in zip(maps, (7, 50)):
        values[gone], values[:, gone] = np.nan, np.nan
        values[dist < source.ignore_diags] = np.nan
    scored = replace(prediction, wild_type=maps[0], on_reference=maps[1])
    table = score_prediction(scored, source).set_index("score")["value"]
    logs = [np.log2(values + 0.5) for values in maps]
    known = np.isfinite(logs[0] + logs[1])
    mean = np.full((n, n), np.nan)
    for d in range(n):
        own = known & (dist == d)
        mean[dist == d] = logs[0][own].mean() if own.any() else np.nan
    oe = [values - mean for values in logs]
    assert table["correlation"] == pytest.approx(np.corrcoef(*(v[known] for v in oe))[0, 1])
    start = 10_000 * (prediction.bins - source.bins.extent("chr1")[0])
    beside = (start + 10_000 > 300_000) & (start < 760_000)
    assert 0 < beside.sum() < n - 10

    def insulation(values):
        rows, columns = np.indices((n, n))
        diamonds = [
            values[(rows <= b) & (rows > b - 10) & (columns >= b) & (columns < b + 10)]
            for b in range(n)
        ]
        return np.array([np.nanmean(own) for own in diamonds])

    means = [insulation(values) for values in maps]
    scores = [np.log2(values / np.nanmedian(means[0])) for values in means]
    change = np.abs(scores[1] - scores[0])[beside]
    assert table["insulation"] == pytest.approx(np.nanmean(change))
    deeper = (depths(scores[1]) - depths(scores[0]))[is_boundary(scores[0])]
    assert table["boundary"] == pytest.approx(deeper[np.nanargmax(np.abs(deeper))])
    bands = [np.full((n, n), np.nan) for _ in maps]
    for band, values in zip(bands, maps):
        for d in range(n):
            band[d, : n - d] = np.diagonal(values, d)
    change = np.subtract(*(directionality(band, 10_000) for band in bands))
    assert table["directionality"] == pytest.approx(np.nanmean(np.abs(change)[beside]))
    squares = [np.where(known, v, 0) + np.where(known, v, 0).T for v in oe]
    used = (known | known.T).mean(axis=1) > 0.5
    leading = [np.linalg.eigh(v[np.ix_(used, used)])[1][:, -1] for v in squares]
    assert table["E1"] == pytest.approx(abs(np.corrcoef(*leading)[0, 1]))
    full = [np.where(dist >= 0, 2**v, (2**v).T) for v in oe]
    assert (table["loops_lost"], table["loops_gained"]) == count_peaks(*full)
    assert table["loops_lost"] > 0


def test_pairs_of_lost_bins_do_not_count_as_not_predicted(source):
    long = predicted(source, "deletion", 400_000, 900_000)
    assert score_prediction(long, source)["reason"].eq("").all()


def test_genes_are_looked_up_on_their_chromosome(source):
    edited = lay_out_for(source, Edit("e", "inversion", "chr2", 300_000, 400_000))
    prediction = predict_edit(source, edited, flank=200_000)
    genes = pd.DataFrame({"name": ["a"], "chrom": ["chr2"], "tss": [352_000]})
    table = score_prediction(prediction, source, genes).set_index("score")
    change = np.log2((prediction.on_reference + 0.5) / (prediction.wild_type + 0.5))
    at = np.searchsorted(prediction.bins, source.bins.extent("chr2")[0] + 35)
    own = np.abs(np.concatenate([change[at], change[:, at]]))
    assert table["value"]["virtual_4c"] == pytest.approx(own[np.isfinite(own)].mean())


def test_boundaries_that_cannot_be_told_and_those_that_are_not_there():
    flat, unknown = np.zeros(40), np.full(40, np.nan)
    assert np.isnan(_boundary_change(flat, unknown))
    assert _boundary_change(flat, flat) == 0
    assert _boundary_change(unknown, flat) == 0


def test_eigenvectors_of_a_band_limited_map_are_not_told(source, monkeypatch):
    monkeypatch.setattr(source, "max_distance", 200_000, raising=False)
    prediction = predicted(source, "deletion", 500_000, 560_000)
    row = score_prediction(prediction, source).set_index("score").loc["E1"]
    assert np.isnan(row["value"])
    assert row["reason"] == "the model predicts pairs up to 200,000 bp only"


def test_the_scc_of_predicted_maps_is_that_of_the_evaluator(source):
    prediction = predicted(source, "duplication", 500_000, 600_000)
    _, bands = contiguous_bands(prediction, source)
    x, y = (np.where(np.isfinite(bands[0] * bands[1]), band, np.nan) for band in bands)
    h = min(scc.smoothing_half_width(10_000), (len(x) - 1) // 4)
    ones = np.zeros(x.shape[1], int), np.ones((1, 1))
    terms = scc.scc_terms(scc.smooth(x, h), scc.smooth(y, h), *ones)
    assert 0 < terms[0].sum() / terms[1].sum() < 1
    assert fast_scc(*bands, 10_000) == pytest.approx(terms[0].sum() / terms[1].sum(), abs=1e-9)


def test_directionality_is_the_share_of_one_side():
    rng = np.random.default_rng(0)
    band = rng.uniform(1, 2, (8, 30))
    band[:, 7] = np.nan
    for d in range(8):
        band[d, 30 - d :] = np.nan
    found = directionality(band, 100_000)  # five bins each side
    for i in (0, 3, 12, 29):
        pairs = [(band[d, i], band[d, i - d]) for d in range(1, 6) if i - d >= 0]
        pairs = np.array([p for p in pairs if np.isfinite(p).all()]).reshape(-1, 2)
        down, up = pairs.sum(axis=0)
        expected = (down - up) / (down + up) if len(pairs) else np.nan
        assert found[i] == pytest.approx(expected, nan_ok=True)


def test_depths_are_below_the_lower_peak_of_ten_bins_each_side():
    score = np.zeros(40)
    score[20], score[15], score[26], score[5] = -1.0, 0.5, 0.3, 9.0
    assert depths(score)[20] == pytest.approx(1.3)
    assert np.isnan(depths(score)[0])


def test_peaks_that_go_and_come_are_counted_and_those_that_stay_are_not():
    wild_type = np.ones((40, 40))
    edited = wild_type.copy()
    for values, (i, j) in ((wild_type, (5, 20)), (edited, (8, 30)), (wild_type, (15, 33)),
                           (edited, (15, 33)), (wild_type, (20, 22))):  # fmt: skip
        values[i, j] = values[j, i] = 4.0
    assert count_peaks(wild_type, edited) == (1.0, 1.0)
    assert count_peaks(wild_type, wild_type) == (0.0, 0.0)
    assert np.isnan(count_peaks(np.full((9, 9), np.nan), np.ones((9, 9)))).all()


@pytest.mark.parametrize(
    ("pairs", "other", "lost"),
    [
        ({(12, 25): 1.505}, 1.0, 1),  # 1.5 times the ring without the pair
        ({(12, 25): 1.49}, 1.0, 0),
        ({(12, 25): 4.0}, 1.3, 0),  # weaker, but still there
        ({(12, 25): 4.0}, 1.2, 1),
        ({(12, 25): 4.0, (14, 27): 3.0}, 1.0, 1),  # the second is on the first one's flank
        ({(12, 25): 4.0, (12, 28): 3.0}, 1.0, 2),
        ({(12, 16): 4.0}, 1.0, 0),  # too near the diagonal
        ({(12, 17): 4.0}, 1.0, 1),
        ({(0, 39): 4.0}, 1.0, 0),  # most of its ring is not known
        ({(3, 36): 4.0}, 1.0, 1),
    ],
)
def test_a_peak_stands_out_of_its_ring_alone(pairs, other, lost):
    wild_type, edited = np.ones((40, 40)), np.ones((40, 40))
    for (i, j), height in pairs.items():
        wild_type[i, j] = wild_type[j, i] = height
        edited[i, j] = edited[j, i] = other
    assert count_peaks(wild_type, edited) == (lost, 0)
    assert count_peaks(edited, wild_type) == (0, lost)
