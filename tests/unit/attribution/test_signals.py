"""Attribution of a predictor's pairs to signals: complete, by signal, and where it should be."""

import numpy as np
import pandas as pd
import pyBigWig
import pytest
import torch
from captum.attr import GradientShap

from chromloom.attribution.gradients import attribute_score
from chromloom.attribution.signals import attribute_signals
from chromloom.errors import InputError
from chromloom.genome.assembly import Assembly
from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.predicted import PredictedMap, apply_predictor
from chromloom.training.predictor import train_predictor
from chromloom.training.splits import split_chromosomes

SIGNALS = ["mark", "CTCF+", "CTCF-"]
OPTIONS = {
    "weave": {"embedding_dim": 4, "channels": 8, "blocks": 2, "window": 40, "epochs": 2},
    "epiphany-released": {
        **{"width": 0.05, "hidden_size": 4, "layers": 2, "head_size": 0, "window": 2.5},
        **{"stripes": 20, "adversarial": False, "epochs": 2, "learning_rate": 0.01},
    },
    "distance": {},
}
NONE = pd.DataFrame(columns=["chrom", "start", "end"]).astype({"start": int, "end": int})


@pytest.fixture(scope="module")
def open_model(tiny_map_path, tiny_signals_path, tmp_path_factory):
    made = {}

    def make(model):
        if model not in made:
            torch.set_num_threads(1)
            folder = tmp_path_factory.mktemp("attributed")
            sizes = NormalizedMap(tiny_map_path).bins.chromsizes
            split = split_chromosomes(sizes, test=["chr1"])
            train_predictor(
                model, [tiny_map_path], [tiny_signals_path], split, folder / "trained",
                signals=SIGNALS, max_distance=200_000, options=OPTIONS[model],
            )  # fmt: skip
            named = {"sample": "tiny", "norm": "ICE", "predictor": model}
            assembly = Assembly("tiny", sizes, NONE, NONE)
            trained = [folder / "trained"]
            apply_predictor(trained, tiny_signals_path, assembly, folder / "run", **named)
            made[model] = PredictedMap(folder / "run", NormalizedMap(tiny_map_path), name=model)
        return made[model]

    return make


def read(path, chrom="chr1"):
    with pyBigWig.open(str(path)) as track:
        return pd.DataFrame(track.intervals(chrom), columns=["start", "end", "value"])


MODELS = ["weave", "epiphany-released"]


@pytest.mark.parametrize("model", MODELS)
def test_gradients_are_of_what_is_predicted(model, open_model):
    source = open_model(model)
    first, features, fitted, constants = source.around("chr1", 50, 60)
    prepared = constants.prepare(features)
    ratio = fitted.ratio(torch.as_tensor(prepared)).detach().numpy()
    whole = source.band("chr1", 0, 120) / constants.expected[:, None]
    for d, i in ((2, 50), (5, 52), (9, 50)):
        assert np.exp(ratio[d, i - first]) == pytest.approx(whole[d, i], rel=1e-3)


@pytest.mark.parametrize(
    ("model", "regions", "n_pairs"),
    [
        ("weave", ["chr1:500000-520000", "chr1:580000-590000"], 2),
        ("weave", ["chr1:500000-540000"], 3),
        ("weave", ["chr1:500000-510000"], None),
        ("epiphany-released", ["chr1:500000-520000", "chr1:580000-590000"], 2),
    ],
)
def test_integrated_gradients_add_up_to_the_difference(
    model, regions, n_pairs, open_model, tmp_path
):
    source = open_model(model)
    attribute_signals(source, regions, tmp_path, steps=16)
    table = pd.read_csv(tmp_path / "completeness.tsv", sep="\t").iloc[0]
    assert table["n_pairs"] == n_pairs or (n_pairs is None and table["n_pairs"] > 10)
    assert table["error"] < 0.05
    parts = [read(tmp_path / f"{signal}.bw")["value"].sum() for signal in SIGNALS]
    assert sum(parts) == pytest.approx(table["sum"], rel=1e-3, abs=1e-5)
    size = 10_000 if model == "weave" else 1_000
    own = read(tmp_path / "mark.bw")
    assert (own["end"] - own["start"]).iloc[0] == size
    context = source.context + 10_000 * 30
    assert own["start"].min() >= 500_000 - context
    assert own["value"].abs().max() > 0


def test_the_score_is_the_mean_over_the_pairs(open_model, tmp_path):
    source = open_model("weave")
    attribute_signals(source, ["chr1:500000-540000"], tmp_path, method="saliency")
    table = pd.read_csv(tmp_path / "completeness.tsv", sep="\t").iloc[0]
    band = (
        source.band("chr1", 50, 54, max_dist=4) / source.predictors[0].constants.expected[:4, None]
    )
    expected = np.log([band[2, 0], band[2, 1], band[3, 0]]).mean()
    assert table["score"] == pytest.approx(expected, rel=1e-4)
    assert np.isnan(table["error"])


def test_a_saliency_is_the_change_by_a_small_step(open_model, tmp_path):
    """Of the mean over the bin, and of its maximum: both are moved by the same step."""
    source = open_model("weave")
    attribute_signals(source, ["chr1:500000-540000"], tmp_path, method="saliency")
    own = read(tmp_path / "mark.bw").set_index("start")["value"]
    plain = source._features.copy()
    means = []
    for step in (-0.01, 0.01):
        source._features = plain.copy()
        source._features[[0, 3], 51] += step
        source._known.clear()
        attribute_signals(source, ["chr1:500000-540000"], tmp_path, method="saliency")
        means.append(pd.read_csv(tmp_path / "completeness.tsv", sep="\t")["score"].iloc[0])
    source._features = plain
    source._known.clear()
    assert own[510_000] == pytest.approx((means[1] - means[0]) / 0.02, rel=0.05, abs=1e-4)


def test_integrated_gradients_are_the_shap_values_from_no_signal(tmp_path):
    """GradientShap of one baseline draws points of the path that integrated gradients divide."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Softplus(), torch.nn.Linear(8, 1))
    given, nothing = 2 * torch.randn(1, 2, 3), torch.zeros(1, 2, 3)

    def score(features):
        return net(features.flatten(1))[:, 0]

    drawn = GradientShap(score).attribute(given, baselines=nothing, n_samples=20_000)
    own = attribute_score(
        score, given, nothing, tmp_path / "t.tsv", method="integrated", steps=50, n_pairs=1
    )
    assert own.ravel() == pytest.approx(drawn.detach().numpy().ravel(), abs=0.01)
    assert np.abs(own).max() > 0.1


def test_what_cannot_be_attributed_is_refused(open_model, tmp_path):
    source = open_model("weave")
    for regions, message in (
        (["chr1:0-10000", "chr2:0-10000"], "one or two on one chromosome"),
        (["chr1:0-10000", "chr1:900000-910000"], "no predicted pair lies there"),
        (["chr7:0-10"], "no chromosome 'chr7'"),
    ):
        with pytest.raises(InputError, match=message):
            attribute_signals(source, regions, tmp_path)
    with pytest.raises(InputError, match="'distance' has no gradients"):
        attribute_signals(open_model("distance"), ["chr1:500000-540000"], tmp_path)
