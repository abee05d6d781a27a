"""Chromoformer: its size, and that the fast path gives the numbers of the whole network."""

from dataclasses import replace

import pytest
import torch

from chromloom.errors import InputError
from chromloom.models.chromoformer import (
    Chromoformer,
    ChromoformerSettings,
    Elements,
    positions,
)  # fmt: skip

SMALL = ChromoformerSettings.of(
    "chromoformer", bin_sizes=[100, 500], size=16, heads=2, feedforward=12, pair_feedforward=20,
    regulation_layers=2, regulation_heads=4, regulation_head_size=6, regulation_feedforward=20,
    hidden=32,
)  # fmt: skip
N_BINS = (40, 8)


def norm(d):
    return 2 * d


def linear(a, b, bias=True):
    return a * b + b * bias


def attention(d, ff):
    return 3 * linear(d, d, False) + linear(d, d) + 2 * norm(d) + linear(d, ff) + linear(ff, d)


@pytest.mark.parametrize("n_marks", [7, 5])
@pytest.mark.parametrize(("task", "outputs"), [("clf", 2), ("reg", 1)])
def test_numbers_of_parameters_are_those_of_the_article(n_marks, task, outputs):
    gated = 4 * linear(128, 256, False) + 1 + linear(256, 128) + 2 * norm(128)
    gated += linear(128, 256) + linear(256, 128)
    embedding = linear(n_marks, 128, False) + attention(128, 128)
    rest = linear(n_marks, 128, False) + 2 * attention(128, 256) + 6 * gated
    head = linear(128, outputs)
    for parts, one in (("embedding", embedding), ("all", embedding + rest)):
        for sizes in ((100, 500, 2000), (2000,)):
            settings = ChromoformerSettings.of("chromoformer", parts=parts, bin_sizes=sizes)
            network = Chromoformer(settings, n_marks, task)
            expected = len(sizes) * one + linear(128 * len(sizes), 128) + head
            assert sum(p.numel() for p in network.parameters()) == expected


def test_positions_depend_on_distance_alone():
    table = positions(30, 16).double()
    assert table[3, :2].tolist() == pytest.approx([0.1411200, -0.9899925], abs=1e-6)
    assert float(table[2] @ table[7]) == pytest.approx(float(table[12] @ table[17]), abs=1e-5)


@pytest.fixture
def batch():
    """Five genes with none to three elements of several lengths, at two bin sizes."""
    generator = torch.Generator().manual_seed(1)
    marks = [torch.rand(5, 3, n, generator=generator) * 4 for n in N_BINS]
    gene, rank = torch.tensor([0, 1, 1, 4, 4, 4]), torch.tensor([0, 0, 1, 0, 1, 2])
    frequency = torch.tensor([1.5, 2.0, 1.0, 3.0, 2.0, 0.5])
    elements = []
    for n in N_BINS:
        known = torch.zeros(6, n, dtype=torch.bool)
        for row, half in enumerate([1, 2, n // 4, 1, 3, 2]):
            known[row, n // 2 - half : n // 2 + half] = True
        values = torch.rand(6, 3, n, generator=generator) * known[:, None]
        elements.append(Elements(gene, rank, frequency, values, known, most=4))
    return marks, elements


@pytest.mark.parametrize("variant", [{}, {"add_promoter": True, "frequency_per_head": True}])
@pytest.mark.parametrize("parts", ["all", "embedding"])
def test_the_fast_path_gives_the_numbers_and_gradients_of_the_whole(batch, parts, variant):
    torch.manual_seed(2)
    marks, elements = batch
    network = Chromoformer(replace(SMALL, parts=parts, **variant), 3, "reg")
    given = elements if parts == "all" else None
    found = {}
    for name, path in (("fast", network), ("full", network.forward_full)):
        network.zero_grad()
        result = path(marks, given)
        (result**2).sum().backward()
        found[name] = [result.detach(), *(p.grad.clone() for p in network.parameters())]
    for fast, full in zip(found["fast"], found["full"]):
        torch.testing.assert_close(fast, full, atol=1e-5, rtol=1e-4)


def test_windows_are_read_beside_the_bins_by_both_paths(batch):
    torch.manual_seed(2)
    marks, elements = batch
    settings = replace(SMALL, windows=4, dropout=0.5)
    network = Chromoformer(settings, 3, "reg", n_windows=7).eval()
    windows = torch.rand(5, 7)
    told = network(marks, elements, windows)
    torch.testing.assert_close(told, network.forward_full(marks, elements, windows))
    assert (told - network(marks, elements, windows.roll(1, dims=0))).abs().min() > 0
    names = Chromoformer(replace(SMALL, dropout=0.5), 3, "reg").state_dict()
    assert list(names) == list(Chromoformer(SMALL, 3, "reg").state_dict())


def test_a_wrong_query_would_be_seen(batch):
    torch.manual_seed(2)
    marks, _ = batch
    network = Chromoformer(replace(SMALL, parts="embedding"), 3, "reg")
    rolled = [x.roll(1, dims=2) for x in marks]
    assert (network(marks) - network.forward_full(rolled)).abs().max() > 1e-3


def test_padding_of_elements_has_no_influence(batch):
    torch.manual_seed(2)
    marks, elements = batch
    network = Chromoformer(SMALL, 3)
    wild = [
        replace(part, marks=torch.where(part.known[:, None], part.marks, 1e3)) for part in elements
    ]
    for path in (network, network.forward_full):
        torch.testing.assert_close(path(marks, elements), path(marks, wild), atol=1e-5, rtol=1e-5)
    more = [replace(part, most=8) for part in elements]
    torch.testing.assert_close(network(marks, elements), network(marks, more), atol=1e-5, rtol=1e-5)


def test_elements_change_only_genes_that_have_them_and_by_their_frequency(batch):
    torch.manual_seed(2)
    marks, elements = batch
    network = Chromoformer(SMALL, 3)
    without = network(marks)
    with_them = network(marks, elements)
    changed = ((without - with_them).abs().max(dim=1).values > 1e-5).tolist()
    assert changed == [True, True, False, False, True]
    stronger = [replace(part, frequency=part.frequency * 2) for part in elements]
    changed = (network(marks, stronger) - with_them).abs().max(dim=1).values
    assert (changed[[0, 1, 4]] > 1e-6).all()


def test_attention_of_bins_sums_to_one(batch):
    maps = Chromoformer(SMALL, 3).attention(batch[0])
    assert [tuple(x.shape) for x in maps] == [(5, 2, 40, 40), (5, 2, 8, 8)]
    torch.testing.assert_close(maps[0].sum(dim=3), torch.ones(5, 2, 40))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": 3}, "setting 'sizes' is unknown"),
        ({"parts": "pairs"}, "expected one of embedding, all"),
        ({"schedule": "cosine"}, "expected one of decay, one-cycle"),
        ({"bin_sizes": [100, 100]}, "expected some, once"),
        ({"bin_sizes": [100.0]}, r"is of the wrong type; expected tuple\[int, \.\.\.\]"),
        ({"bin_sizes": 100}, "bin_sizes=100 is of the wrong type"),
        ({"size": 30, "heads": 4}, "not a multiple of its heads"),
        ({"heads": 0}, "heads=0 is out of range"),
        ({"bin_sizes": [-100]}, "expected bp above 0"),
        ({"epochs": 0}, "epochs=0 is out of range"),
        ({"batch_size": 0}, "batch_size=0 is out of range"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0 must be above 0"),
        ({"regulation_layers": -1}, "regulation_layers=-1 is out of range"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        ChromoformerSettings.of("chromoformer", **options)
