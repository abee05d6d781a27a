"""Attribution of predicted pairs to the bases of a window."""

import numpy as np
import pandas as pd
import pyBigWig
import pytest
import torch

from chromloom.attribution.bases import attribute_bases
from chromloom.errors import InputError
from chromloom.models.akita.module import one_hot

REGIONS = ["chr3:100000-120000", "chr3:150000-170000"]


def test_attributions_of_bases_add_up_and_lie_on_known_bases(tiny_akita_source, tmp_path):
    attribute_bases(tiny_akita_source, REGIONS, tmp_path, steps=200)
    row = pd.read_table(tmp_path / "completeness.tsv").iloc[0]
    assert row["n_pairs"] == 4
    change = row["score"] - row["score_without"]
    assert row["sum"] == pytest.approx(change, rel=0.05)
    start = (13 - 6 - 2) * 10_000
    with pyBigWig.open(str(tmp_path / "bases.bw")) as track:
        values = track.values("chr3", start, start + 160_000, numpy=True)
        assert np.isfinite(values).all()
    codes = tiny_akita_source.read("chr3", start, 160_000)
    assert (values[codes == 4] == 0).all()
    assert values.sum() == pytest.approx(row["sum"], rel=1e-3)
    network = tiny_akita_source.fitted("chr3").network
    both = torch.as_tensor(np.stack([codes, codes]))
    with torch.no_grad():
        own = network(both, torch.tensor([False, True])).mean(0)[0].numpy()
    score = own[10 - 7 : 12 - 7, 15 - 7 : 17 - 7].mean()
    assert row["score"] == pytest.approx(score, rel=1e-4)


def test_saliency_is_the_gradient_at_the_base_that_is_there(tiny_akita_source, tmp_path):
    attribute_bases(tiny_akita_source, REGIONS, tmp_path, method="saliency")
    start = 50_000
    codes = torch.as_tensor(tiny_akita_source.read("chr3", start, 160_000))[None]
    network = tiny_akita_source.fitted("chr3").network
    bases = one_hot(codes).requires_grad_()
    turned = torch.tensor([True])
    both = network.fold(network.mix(network.pool_bases(bases)))
    both = both + network.fold(network.mix(network.pool_bases(bases.flip(1, 2))), turned)
    (both[0, 0, 3:5, 8:10].mean() / 2).backward()
    expected = (bases.grad * bases).sum(1)[0].detach().numpy()
    with pyBigWig.open(str(tmp_path / "bases.bw")) as track:
        values = track.values("chr3", start, start + 160_000, numpy=True)
    np.testing.assert_allclose(values, expected, rtol=1e-3, atol=1e-7)


def test_regions_that_no_window_holds_are_refused(tiny_akita_source, tmp_path):
    with pytest.raises(InputError, match=r"predicted pair|a window of 'mine'"):
        attribute_bases(tiny_akita_source, ["chr3:0-10000", "chr3:250000-260000"], tmp_path)
    with pytest.raises(InputError, match="span 16 bins; a window of 'mine' predicts 12"):
        attribute_bases(tiny_akita_source, ["chr3:70000-230000"], tmp_path)
