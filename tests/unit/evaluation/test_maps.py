"""Whole evaluations of tiny normalised maps."""

import cooler
import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr

from chromloom.errors import InputError
from chromloom.evaluation import maps as evaluate
from chromloom.evaluation.maps import (
    EvaluationSettings,
    evaluate_maps,
    evaluate_model,
    evaluate_sources,
)
from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.observed import ObservedMap
from chromloom.prediction.source import n_distances

FAST = EvaluationSettings(n_boot=20, rows=50, insulation_window_bins=5)


@pytest.fixture(scope="module")
def replicate(make_counts, tmp_path_factory):
    """Another draw of the tiny map's contacts, with its weights."""
    from chromloom.normalize.normalized import write_normalized

    folder = tmp_path_factory.mktemp("replicate")
    clr = make_counts(folder / "counts.cool", seed=3)
    weights = np.random.default_rng(1).uniform(0.8, 1.2, len(clr.bins()[:]))
    number = clr.bins()[:].groupby("chrom", sort=False, observed=True).cumcount()
    weights[number.isin([5, 6, 30])] = np.nan
    path = folder / "replicate.10000.ICE.cool"
    write_normalized(clr, weights, path, sample="replicate", norm="ICE", assembly="tiny")
    return path


def value_of(table, **keys):
    for column, value in keys.items():
        table = table[table[column] == value]
    assert len(table) == 1, keys
    return table["value"].iloc[0]


@pytest.fixture(scope="module")
def evaluated(tiny_map_path, replicate):
    return evaluate_maps(tiny_map_path, {}, against=[replicate], settings=FAST)


def test_the_table_has_the_columns_of_the_contract(evaluated):
    table, distances = evaluated
    assert list(table.columns) == evaluate.COLUMNS
    assert list(distances.columns[:7]) == [
        "sample", "resolution", "model", "decoder", "against", "pairs", "distance",
    ]  # fmt: skip
    assert not table.duplicated(evaluate.KEYS).any()
    assert set(table["against"]) == {"tiny", "replicate"}


def test_the_ceiling_is_the_correlation_of_the_two_maps(evaluated, tiny_map_path, replicate):
    a, b = NormalizedMap(tiny_map_path), NormalizedMap(replicate)
    x, y = [], []
    for chrom in a.chromnames:
        pixels = a.pixels(chrom).merge(b.pixels(chrom), on=["i", "j"])
        x.append(np.exp(-8 / pixels["value_x"]))
        y.append(np.exp(-8 / pixels["value_y"]))
    expected = pearsonr(np.concatenate(x), np.concatenate(y))[0]
    found = value_of(
        evaluated[0], model="ceiling", against="replicate", pairs="observed",
        metric="pearson_cp", stratum="all",
    )  # fmt: skip
    assert found == pytest.approx(expected, abs=1e-6)


def test_the_table_says_how_deep_the_map_scored_on_is(evaluated, tiny_map_path, replicate):
    depth = [
        sum(m.pixels(chrom)["value"].sum() for chrom in m.chromnames)
        for m in map(NormalizedMap, (tiny_map_path, replicate))
    ]
    ratios = evaluated[0].groupby("against")["depth_ratio"].unique()
    assert ratios["tiny"] == [1]
    assert ratios["replicate"] == pytest.approx([depth[1] / depth[0]], rel=1e-4)


@pytest.mark.parametrize(("ratio", "warned"), [(0.76, True), (0.9, False), (1.3, True)])
def test_a_map_of_another_depth_is_logged(tiny_map_path, replicate, caplog, ratio, warned):
    evaluate._warn_of_depth(*map(NormalizedMap, (tiny_map_path, replicate)), ratio)
    assert (f"replicate has {ratio} times the contacts of tiny" in caplog.text) == warned


def test_the_mean_at_each_distance_explains_nothing_beyond_distance(evaluated, tiny_map_path):
    value = value_of(
        evaluated[0], model="distance-mean", against="tiny", pairs="all", metric="r2_distance",
        stratum="all",
    )  # fmt: skip
    assert value == pytest.approx(0, abs=1e-4)


def predict_as(observed, factor, path):
    """A predicted map that is an observed one times a factor."""
    pixels = []
    for chrom in observed.chromnames:
        first, _ = observed.extent(chrom)
        p = observed.pixels(chrom)
        value = p["value"] * factor
        pixels.append({"bin1_id": p["i"] + first, "bin2_id": p["j"] + first, "count": value})
    cooler.create_cooler(
        str(path), observed.bins[["chrom", "start", "end"]], pd.concat(map(pd.DataFrame, pixels)),
        dtypes={"count": "f4"},
    )  # fmt: skip
    return str(path)


def test_a_perfect_prediction_of_another_depth_is_perfect_at_that_depth(
    tiny_map_path, replicate, tmp_path, monkeypatch
):
    depths = {"tiny": 1.0, "replicate": 3.0}
    monkeypatch.setattr(evaluate, "_depth", lambda observed, chroms: depths[observed.sample])
    path = predict_as(NormalizedMap(replicate), 1 / 3, tmp_path / "predicted.cool")
    table, _ = evaluate_maps(tiny_map_path, {"third": path}, against=[replicate], settings=FAST)
    keys = {"model": "third", "pairs": "observed", "stratum": "all"}
    assert value_of(table, metric="r2_cp_depth", **keys) == pytest.approx(1, abs=1e-6)
    assert value_of(table, metric="r2_cp", against="replicate", **keys) < 0.5
    assert set(table.loc[table["metric"] == "r2_cp_depth", "against"]) == {"replicate"}


def test_the_better_readout_of_a_prediction_is_its_score(tiny_map_path):
    """The map's expected is a mean, for which counts are right; the map itself is no mean."""

    class Expected(ObservedMap):
        def band(self, chrom, lo, hi, **kwargs):
            band = super().band(chrom, lo, hi, **kwargs)
            expected = self.observed.expected(chrom).band(lo, hi, len(band))
            return np.where(np.isnan(band), np.nan, expected)

    observed = NormalizedMap(tiny_map_path)
    sources = [ObservedMap(observed, "copy"), Expected(observed, "mean")]
    found = {}
    for readouts in (("strength",), ("strength", "counts")):
        for source in sources:
            source.readouts = readouts
        table, distances = evaluate_sources(observed, sources, settings=FAST)
        found[readouts] = table.set_index(["model", "metric", "pairs", "stratum"]).sort_index()
    plain, both = found.values()
    key = ("r2_cp", "all", "all")
    assert both.loc[("copy", *key), "readout"] == "strength"
    assert both.loc[("copy", *key), "value"] == pytest.approx(1)
    assert both.loc[("mean", *key), "readout"] == "counts"
    assert both.loc[("mean", *key), "value_other"] == plain.loc[("mean", *key), "value"]
    assert (both["value"] >= plain["value"])[plain["value"].notna()].all()
    assert both.loc[("mean", "spearman_cp", "all", "all"), "readout"] == ""
    assert both.loc["distance-mean", "value_other"].isna().all()
    by_model = distances[distances["pairs"] == "all"].groupby("model")["readout"]
    assert {model: set(used) for model, used in by_model} == {
        "copy": {"strength"}, "mean": {"strength", "counts"}, "distance-mean": {"strength"},
    }  # fmt: skip


def test_a_map_scored_on_itself_is_perfect(tiny_map_path, tmp_path):
    path = predict_as(NormalizedMap(tiny_map_path), 1.0, tmp_path / "predicted.cool")
    table, distances = evaluate_maps(tiny_map_path, {"copy": path}, settings=FAST)
    others = ["r2_published", "nats_per_contact"]
    copy = table[(table["model"] == "copy") & ~table["metric"].isin(others)]
    # Strata in which the map says nothing (all contact probabilities 0) may be undefined.
    np.testing.assert_allclose(copy["value"].dropna(), 1, atol=1e-9)
    assert copy.groupby("metric")["value"].count().min() >= 1
    np.testing.assert_allclose(copy["ci_low"].dropna(), 1, atol=1e-9)
    assert distances.loc[distances["model"] == "copy", "mse"].max() == pytest.approx(0, abs=1e-9)


class Half(ObservedMap):
    """Predicts half of the observed contact strength, of some pairs only."""

    seed = 7

    def __init__(self, path, *, observed_only=False, max_distance=None):
        super().__init__(NormalizedMap(path), "half")
        self.observed_only, self.max_distance = observed_only, max_distance

    def band(self, chrom, lo, hi, *, max_dist=None, edited=None):
        band = super().band(chrom, lo, hi)[: n_distances(self, 10**6, lo, max_dist)]
        if self.observed_only:
            band[band == 0] = np.nan
        return band / 2


@pytest.fixture
def half(tiny_map_path):
    return Half(tiny_map_path)


def test_a_source_is_scored_on_both_maps(half, replicate):
    table, distances = evaluate_sources(
        half.observed, [half], against=[NormalizedMap(replicate)], settings=FAST
    )
    half = table[table["model"] == "half"]
    assert set(half["against"]) == {"tiny", "replicate"}
    assert (half["seed"] == 7).all()
    keys = {"model": "half", "against": "tiny", "pairs": "observed", "stratum": "all"}
    assert value_of(table, metric="spearman_cp", **keys) == pytest.approx(1, abs=1e-6)
    assert value_of(table, metric="r2_cp", **keys) < 1
    by_position = evaluate.error_by_frame_position(distances, frame=10)
    base = by_position[by_position["model"] == "distance-mean"]
    np.testing.assert_allclose(base["mse_ratio"], 1)
    assert set(by_position["position"]) == set(range(10))
    position = by_position.query("model == 'half' and against == 'tiny' and pairs == 'all'")
    rows = distances.query("model == 'half' and against == 'tiny' and pairs == 'all'")
    third = rows[rows["distance"] % 10 == 3]
    expected = np.average(third["mse"], weights=third["n"])
    assert position.set_index("position").loc[3, "mse"] == pytest.approx(expected)


def test_errors_by_position_are_compared_at_the_distances_that_a_model_predicts():
    shared = {"sample": "s", "decoder": "own", "against": "s", "pairs": "all", "n": [8, 4]}
    base = pd.DataFrame({**shared, "model": "distance-mean", "distance": [2, 12], "mse": [6, 1]})
    near = base.iloc[:1].assign(model="near", mse=3.0)
    table = evaluate.error_by_frame_position(pd.concat([base, near]), frame=10)
    ratio = table.set_index(["model", "position"])["mse_ratio"]
    assert ratio.to_dict() == {("distance-mean", 2): 1, ("near", 2): 0.5}
    other = base.iloc[:1].assign(n=4, mse=12)  # of a run that predicts fewer pairs
    table = evaluate.error_by_frame_position(pd.concat([base, other, near]), frame=10)
    ratio = table.set_index(["model", "position"])["mse_ratio"]
    assert ratio["near", 2] == 3 / 8


@pytest.mark.parametrize("options", [{"observed_only": True}, {"max_distance": 90_000}])
def test_pairs_without_prediction_are_left_out_and_counted(tiny_map_path, caplog, options):
    half = Half(tiny_map_path, **options)
    table, distances = evaluate_sources(half.observed, [half], settings=FAST)
    own = table[(table["model"] == "half") & (table["metric"] == "spearman_cp")]
    assert set(own["pairs"]) == {"all", "observed"}
    own, both = own.set_index(["pairs", "stratum"]), ("all", "all")
    n = sum(len(half.observed.pixels(chrom)) for chrom in half.observed.chromnames)
    base = table.set_index(["model", "pairs", "stratum", "metric"]).loc["distance-mean"]
    everything = base.loc[(*both, "spearman_cp"), "n"]
    assert own.loc[both, "n"] + own.loc[both, "n_unpredicted"] == everything
    assert own.loc[both, "value"] == pytest.approx(1, abs=1e-6)
    assert f"no prediction for {own.loc[both, 'n_unpredicted']} unmasked pairs" in caplog.text
    if "observed_only" in options:
        assert own.loc[both, "n"] == own.loc[("observed", "all"), "n"] == n
        assert own.loc[("observed", "all"), "n_unpredicted"] == 0
    else:
        assert set(own.index) == {(p, s) for p in ("all", "observed") for s in ("2-10", "all")}
        near = own.loc[("all", "2-10")]
        assert near["n_unpredicted"] == 0
        assert near["n"] == base.loc[("all", "2-10", "spearman_cp"), "n"]
        assert own.loc[("observed", "all"), "n_unpredicted"] > 0
    rows = distances[(distances["model"] == "half") & (distances["pairs"] == "all")]
    if "max_distance" in options:
        assert rows["distance"].tolist() == list(range(2, 10))
        assert rows["n_unpredicted"].sum() == 0
    else:
        assert (rows["n"] + rows["n_unpredicted"] >= rows["n"]).all()
        assert rows["n"].sum() == n
    smoothed = table[(table["model"] == "half") & table["metric"].isin(["scc", "insulation_r"])]
    np.testing.assert_allclose(smoothed["value"], 1, atol=1e-6)
    assert base["n_unpredicted"].max() == 0


def test_a_trained_model_is_scored_from_its_folder(
    tiny_model_dir, tiny_map_path, replicate, tmp_path
):
    out, distances_out = tmp_path / "table.tsv", tmp_path / "distances.tsv"
    table = evaluate_model(
        tiny_model_dir(seed=3), tiny_map_path, out, against=[replicate], model="mine",
        distances_out=distances_out, settings=FAST,
    )  # fmt: skip
    assert len(pd.read_csv(out, sep="\t")) == len(table)
    assert len(pd.read_csv(distances_out, sep="\t"))
    mine = table[table["model"] == "mine"]
    assert set(mine["against"]) == {"tiny", "replicate"}
    assert (mine["seed"] == 3).all()
    assert (mine["n_unpredicted"] == 0).all()


def test_far_pairs_can_be_left_out(evaluated, half, replicate):
    settings = EvaluationSettings(n_boot=20, rows=50, insulation_window_bins=5, max_distance=90_000)
    near, _ = evaluate_sources(
        half.observed, [half], against=[NormalizedMap(replicate)], settings=settings
    )
    assert set(near.loc[near["metric"] != "insulation_r", "stratum"]) == {"2-10", "all"}
    keys = {"model": "ceiling", "against": "replicate", "pairs": "all", "stratum": "2-10"}
    for metric in ("pearson_cp", "spearman_cp", "r2_distance"):
        far = value_of(evaluated[0], metric=metric, **keys)
        assert value_of(near, metric=metric, **keys) == pytest.approx(far)


def test_seeds_are_summarised_by_mean_and_spread(evaluated):
    table = evaluated[0]
    tables = [table.assign(seed=s, value=table["value"] + 0.01 * s) for s in range(3)]
    summary = evaluate.summarise_seeds(tables)
    np.testing.assert_allclose(summary["seed_spread"].dropna(), 0.02, atol=1e-12)
    assert (summary["n_seeds"] == 3).all()
    assert len(summary) == len(table)


@pytest.mark.parametrize("n", [1, 130, 600])
def test_row_blocks_cover_all_rows_once_and_respect_borders(n):
    blocks = list(evaluate.row_blocks(n, 50_000, 64))
    rows = np.concatenate([np.arange(lo, hi) for _, lo, hi in blocks])
    np.testing.assert_array_equal(rows, np.arange(n))
    for block, lo, hi in blocks:
        assert lo // 100 == (hi - 1) // 100 == block


def test_unknown_chromosomes_are_an_error(tiny_map_path):
    with pytest.raises(InputError, match="chrX"):
        evaluate_maps(tiny_map_path, {}, chroms=["chrX"])


def test_maps_of_another_resolution_are_an_error(tiny_map_path, make_counts, tmp_path):
    from chromloom.normalize.normalized import write_normalized

    clr = make_counts(tmp_path / "counts.cool", resolution=20_000)
    other = tmp_path / "other.20000.ICE.cool"
    write_normalized(
        clr, np.ones(len(clr.bins()[:])), other, sample="other", norm="ICE", assembly="tiny"
    )
    with pytest.raises(InputError, match="20000 bp"):
        evaluate_maps(tiny_map_path, {}, against=[other])
