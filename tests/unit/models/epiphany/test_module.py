"""The network of Epiphany: its sizes, its shared convolutions, its geometry, published weights."""

import numpy as np
import pytest
import torch

from chromloom.errors import CheckpointError, InputError
from chromloom.models.epiphany.fitted import FittedEpiphany
from chromloom.models.epiphany.module import Discriminator, Epiphany, band_of, stripes_of
from chromloom.models.epiphany.published import read_published
from chromloom.models.registry import model_settings

TINY = {"width": 0.1, "hidden_size": 6, "head_size": 5, "adversarial": False}


def new(n_signals=2, n_distances=20, step=25, seed=0, **options):
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    options = {**TINY, "stripes": 30, **options}
    settings = model_settings("epiphany-released", **options)
    return Epiphany(settings, n_signals, n_distances, step)


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("model", "n_distances", "step", "options", "parameters"),
    [
        ("epiphany-released", 100, 100, {}, 91_677_400),
        (
            "epiphany-released",
            200,
            50,
            {"hidden_size": 2400, "layers": 2, "head_size": 1200},
            207_767_000,
        ),
        ("epiphany-paper", 100, 100, {}, 52_152_100),
    ],
)
def test_sizes_of_article_and_code(model, n_distances, step, options, parameters):
    with torch.device("meta"):
        settings = model_settings(model, adversarial=False, **options)
        network = Epiphany(settings, 5, n_distances, step)
    assert network.window == 14_000
    assert count(network) == parameters


def test_the_discriminator_is_that_of_the_code_and_refuses_small_maps():
    assert count(Discriminator(200, 100)) == 32_551
    assert Discriminator(68, 68)(torch.zeros(2, 68, 68)).shape == (2,)
    with pytest.raises(InputError, match="maps of 68 x 68 bins and more"):
        Discriminator(200, 67)


@pytest.mark.parametrize("step", [20, 25, 50])
def test_shared_convolutions_are_those_of_each_window_by_itself(step):
    """20 and 50 bins give other versions of the maxima than 25, the article's 100 / 4."""
    network = new(step=step).eval()
    signals = torch.rand(2, 2, network.window + 29 * step)
    with torch.no_grad():
        shared, naive = network.encode(signals), network.encode_windows(signals)
    assert shared.shape == naive.shape == (2, 30, 2 * 45)
    np.testing.assert_array_equal(shared, naive)


def test_shared_convolutions_have_the_same_gradients():
    network = new(dropout=0.0)
    signals = torch.rand(1, 2, network.window + 9 * 25)
    gradients = []
    for encode in (network.encode, network.encode_windows):
        network.zero_grad()
        encode(signals).square().sum().backward()
        gradients.append(network.conv1.conv.weight.grad.clone())
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_stripes_are_a_zigzag_and_give_the_band_back():
    n, n_distances = 9, 4
    band = np.full((n_distances, n), np.nan)
    for k in range(n_distances):
        band[k, : n - k] = 10 * np.arange(n - k) + np.arange(k, n)  # the pair (i, j) as 10 i + j
    stripes = stripes_of(band)
    assert stripes[5].tolist() == [55, 45, 46, 36]
    assert np.isnan(stripes[0, 1:]).all()
    np.testing.assert_array_equal(band_of(torch.as_tensor(stripes)), band)


def test_skips_add_what_an_lstm_was_given():
    network = new(layers=2, head_size=0).eval()
    numbers = torch.rand(1, 7, 90)
    with torch.no_grad():
        first = network.rnn1(numbers)[0]
        expected = network.fc(first + network.rnn2(first)[0])
        torch.testing.assert_close(network.decode(numbers), expected)


def test_unknown_pairs_are_no_error():
    network = new()
    stripes, target = torch.zeros(1, 2, 3), torch.full((1, 2, 3), torch.nan)
    target[0, 0] = 2
    assert network.squared_error(stripes, target) == 4
    summed = new(mse_sum=True)
    assert summed.squared_error(stripes, target) == 12


@pytest.fixture(scope="module")
def fitted():
    network = new(n_signals=3)
    return FittedEpiphany(network, np.linspace(2, 1, 20))


@pytest.fixture(scope="module")
def signals():
    return np.random.default_rng(0).random((3, 200 * 25), dtype=np.float32)


def test_frames_that_overlap_are_averaged(fitted, signals):
    network, n = fitted.network, 140
    signals = signals[:, : n * 25]
    half = network.window // 2
    padded = torch.as_tensor(np.pad(signals, ((0, 0), (half, half + 50 * 25))))
    total, times = np.zeros((200, 20)), np.zeros((200, 1))
    with torch.no_grad():
        for lo in range(0, 160, 15):
            own = padded[None, :, lo * 25 : (lo + 29) * 25 + network.window]
            if lo + 30 <= 150:
                total[lo : lo + 30] += network(own)[0].numpy()
                times[lo : lo + 30] += 1
    mean = (total / np.maximum(times, 1))[:n]
    expected = np.log(np.maximum(2 ** band_of(torch.as_tensor(mean)).numpy() - 1, 1e-6))
    ratio = fitted.log_ratio(signals)
    assert ratio.shape == (20, n)
    np.testing.assert_allclose(ratio, expected, rtol=1e-3, atol=1e-4)
    assert np.isfinite(ratio[:, :120]).all()
    assert np.isnan(ratio[19, -19:]).all()


def test_a_window_that_begins_at_a_stride_is_predicted_as_the_whole(fitted, signals):
    whole = fitted.log_ratio(signals)
    reach = fitted.context
    assert reach == 30 + 14
    first = fitted.stride * 2
    part = fitted.log_ratio(signals[:, first * 25 : 190 * 25])
    lo, hi = first + reach, 190 - reach - 20
    assert hi > lo
    np.testing.assert_allclose(part[:, lo - first : hi - first], whole[:, lo:hi], rtol=1e-4)


def test_contact_strength_is_brought_over_the_expected(signals):
    network = new(n_signals=3, target="value", log2=False)
    with torch.no_grad():
        network.fc2.bias.fill_(5.0)
    expected = np.linspace(2, 1, 20)
    once, twice = (FittedEpiphany(network, f * expected).log_ratio(signals) for f in (1, 2))
    np.testing.assert_allclose(once - twice, np.where(np.isnan(once), np.nan, np.log(2)), 1e-4)


def test_short_chromosomes_are_one_frame(fitted, signals):
    ratio = fitted.log_ratio(signals[:, : 8 * 25])
    assert ratio.shape == (20, 8)
    assert np.isfinite(ratio[0]).all()


def published_names(layers=3, head=True):
    """Names in the published files, as their page of layers has them."""
    names = [f"conv{k}.conv.{kind}" for k in (1, 2, 3, 4) for kind in ("weight", "bias")]
    for k in range(1, layers + 1):
        for way in ("", "_reverse"):
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                names.append(f"rnn{k}.{kind}_l0{way}")
    return names + [f"{fc}.{kind}" for fc in ("fc", "fc2") for kind in ("weight", "bias")]


def test_weights_of_the_published_layout_load(tmp_path):
    author, network = new(seed=1), new(seed=2)
    state = {name: author.state_dict()[name].double() for name in published_names()}
    torch.save(state, tmp_path / "published.pt_model")
    network.load_state_dict(read_published(tmp_path / "published.pt_model", network))
    signals = torch.rand(1, 2, network.window + 25)
    with torch.no_grad():
        assert torch.equal(network.eval()(signals), author.eval()(signals))


def test_other_weights_are_refused(tmp_path):
    network, path = new(), tmp_path / "other.pt"
    path.write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match=r"other\.pt is no file of weights"):
        read_published(path, network)
    for other, message in (
        (new(n_signals=5), r"conv1\.conv\.weight is \(7, 5, 17\); expected \(7, 2, 17\)"),
        (new(layers=2), r"rnn3\.weight_ih_l0 is nothing"),
        (new(layers=4), r"rnn4\.\w+ belongs to no layer"),
    ):
        state = other.state_dict()
        del state["step"]
        torch.save(state, path)
        with pytest.raises(CheckpointError, match=message):
            read_published(path, network)


def test_windows_that_the_convolutions_cannot_shorten_are_refused():
    with pytest.raises(InputError, match="280 bins of signals, 10 for each bin"):
        new(step=10)
