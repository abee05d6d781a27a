"""The rivals: as large as they were published, and that they read what they say."""

import pytest
import torch

from chromloom.errors import InputError
from chromloom.models.chromoformer import Elements
from chromloom.models.expression.deepdiff import VARIANTS
from chromloom.models.registry import MODELS, load, model_settings

# Parameters with five marks (DeepChrome, AttentiveChrome) or seven (HM-CRNN, GC-MERGE), worked out
# by hand from the layers.
N_PARAMETERS = {
    "deepchrome": (5, 5 * 50 * 10 + 50 + (900 * 625 + 625) + (625 * 125 + 125) + (125 * 2 + 2)),
    "attentivechrome": (
        5,
        5 * (2 * (4 * 32 * (1 + 32) + 8 * 32) + 64) + 2 * (4 * 16 * (64 + 16) + 8 * 16) + 32
        + (32 * 2 + 2),
    ),
    "hm-crnn": (
        7,
        (7 * 7 * 20 + 20) + 2 * 20 + 2 * (4 * 40 * (20 + 40) + 8 * 40) + (80 * 16 + 16) + 16
        + (80 * 32 + 32) + (32 * 2 + 2),
    ),
    "gc-merge": (
        7, (2 * 7 * 256 + 256) + (512 * 256 + 256) + 2 * (256 * 256 + 256) + (256 * 2 + 2),
    ),
}  # fmt: skip


def new_network(name, n_marks, task="clf", **options):
    settings = model_settings(name, **options)
    torch.manual_seed(1)
    return load(MODELS[name].module)(settings, n_marks, task).eval()


@pytest.mark.parametrize("name", N_PARAMETERS)
def test_networks_are_as_large_as_published(name):
    n_marks, n = N_PARAMETERS[name]
    network = new_network(name, n_marks)
    assert sum(x.numel() for x in network.parameters()) == n
    marks = torch.rand(3, n_marks, network.settings.n_bins)
    assert network([marks]).shape == (3, 2)
    assert new_network(name, 2, "reg")([marks[:, :2]]).shape == (3, 1)


@pytest.mark.parametrize("name", N_PARAMETERS)
def test_every_mark_and_gene_matters_by_itself(name):
    network = new_network(name, 4)
    marks = torch.rand(3, 4, network.settings.n_bins, requires_grad=True)
    network([marks])[0, 0].backward()
    assert (marks.grad[0].abs().sum(dim=1) > 0).all()
    assert not marks.grad[1:].any()


def marks_size(n):
    """Parameters of attention over the bins of n marks, then over marks."""
    return n * (2 * (4 * 32 * (1 + 32) + 8 * 32) + 64) + 2 * (4 * 16 * (64 + 16) + 8 * 16) + 32


@pytest.mark.parametrize(("variant", "parts"), VARIANTS.items())
def test_variants_of_deepdiff_are_as_large_as_what_they_read(variant, parts):
    network = new_network("deepdiff", 5, "diff", variant=variant)
    aux = "aux" in parts
    expected = ("difference" in parts) * marks_size(5) + ("both" in parts) * marks_size(10)
    expected += aux * (marks_size(5) + 2 * 33)
    n = ("difference" in parts) + ("both" in parts) + 2 * aux
    assert sum(x.numel() for x in network.parameters()) == expected + 32 * n + 1
    cells = [([torch.rand(4, 5, 200)], None) for _ in range(2)]
    found = network(*cells)
    assert found.shape == (4, 3)
    assert found[:, 1:].isnan().all() == (not aux)
    truth = torch.tensor([[3.0, 1.0, 4.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [-2.5, 3.0, 0.5]])
    assert torch.isfinite(network.loss(found, truth))
    with pytest.raises(InputError, match="variant 'x' of 'deepdiff'; expected one of raw_d"):
        new_network("deepdiff", 5, "diff", variant="x")


def test_the_siamese_network_has_one_trunk_and_three_heads():
    options = {"parts": "embedding", "bin_sizes": [2000]}
    trunk = new_network("chromoformer", 5, "reg", **options)
    network = new_network("chromoformer-diff", 5, "diff", **options)
    heads = (256 * 128 + 128 + 129) + 2 * (128 * 128 + 128 + 129)
    own = sum(x.numel() for name, x in trunk.named_parameters() if not name.startswith("head"))
    assert sum(x.numel() for x in network.parameters()) == own + heads
    first, second = [([torch.rand(3, 5, 20)], None) for _ in range(2)]
    found, turned = network(first, second), network(second, first)
    assert found.shape == (3, 3)
    assert not torch.allclose(found[:, 0], turned[:, 0])  # a change has a direction
    truth = torch.rand(3, 3)
    expected = sum(torch.nn.functional.mse_loss(found[:, k], truth[:, k]) for k in range(3))
    torch.testing.assert_close(network.loss(found, truth), expected)


def test_a_graph_reads_the_elements_of_its_own_gene():
    network = new_network("gc-merge", 2, "reg")
    marks = torch.rand(2, 2, 100)
    own = torch.rand(3, 2, 50, requires_grad=True)
    elements = Elements(
        torch.tensor([0, 0, 1]), torch.tensor([0, 1, 0]), torch.ones(3), own,
        torch.ones(3, 50, dtype=torch.bool),
    )  # fmt: skip
    network([marks], [elements])[0, 0].backward()
    assert own.grad[:2].any()
    assert not own.grad[2].any()
    none = Elements(*(x[:0] for x in (elements.gene, elements.rank, elements.frequency, own,
                                      elements.known)))  # fmt: skip
    torch.testing.assert_close(network([marks], [none]), network([marks]))


def test_schedules_are_the_published_or_the_common_one():
    assert model_settings("deepchrome").batch_size == 1
    common = model_settings("deepchrome", training="common")
    assert (common.optimizer, common.batch_size, common.schedule) == ("adamw", 64, "one-cycle")
    assert model_settings("deepchrome", training="common", epochs=3).epochs == 3
    with pytest.raises(InputError, match="setting 'depth' is unknown"):
        model_settings("hm-crnn", depth=1)
    with pytest.raises(InputError, match="optimizer='lion' is unknown; expected one of sgd, adam"):
        model_settings("hm-crnn", optimizer="lion")
    with pytest.raises(InputError, match="reach 150 of 'hm-crnn' with bins of 100 bp"):
        model_settings("hm-crnn", reach=150)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("deepchrome", {"batch_size": -1}, "batch_size=-1 is out of range"),
        ("attentivechrome", {"dropout": 1.5}, "dropout=1.5 is out of range"),
        ("hm-crnn", {"bin_size": 0}, "bin_size=0 is out of range"),
        ("gc-merge", {"learning_rate": 0.0}, "learning_rate=0.0 must be above 0"),
        ("marks-xgboost", {"depth": 0}, "depth=0 is out of range"),
    ],
)
def test_settings_out_of_range_are_refused(name, options, message):
    with pytest.raises(InputError, match=message):
        model_settings(name, **options)
