"""The screen against knockouts one by one."""

import numpy as np
import pandas as pd
import pyBigWig
import pytest

from chromloom.errors import InputError
from chromloom.models.trained import TrainedModel
from chromloom.perturbation.screen import null_vectors, screen, screen_chromosome


@pytest.mark.parametrize(
    ("preset", "overrides", "reach"),
    [
        ("refined", {}, 50),
        ("refined", {}, 15),
        ("paper", {}, 45),
        ("eig", {"hidden_size": 0}, 30),
    ],
)
def test_a_screen_is_every_knockout_in_turn(tiny_model_dir, preset, overrides, reach):
    model = TrainedModel.load(tiny_model_dir(preset, **overrides))
    n, mask = 80, model.mask("chr2")
    impact, change = screen_chromosome(model, "chr2", reach=reach * 10_000)
    wild_type = model.predict_band("chr2", 0, n, max_dist=reach)
    R = model.representation("chr2")
    for b in (0, 3, 12, 29, 31, 50, 79):
        around = [k for k in range(max(b - 10, 0), min(b + 11, n)) if k != b and not mask[k]]
        edited = R.copy()
        edited[b] = R[around].mean(axis=0)
        moved = model.predict_band("chr2", 0, n, representation=edited, max_dist=reach) - wild_type
        d, i = np.nonzero(np.isfinite(moved))
        own = (i <= b) & (i + d >= b)
        assert np.abs(moved[d[~own], i[~own]]).max() < 1e-5
        np.testing.assert_allclose(impact[b], np.abs(moved[d[own], i[own]]).mean(), rtol=1e-3)
        np.testing.assert_allclose(change[b], moved[d[own], i[own]].mean(), rtol=1e-2, atol=1e-5)
    assert (np.isnan(impact) == mask).all()


def test_some_bins_can_be_picked(tiny_model_dir):
    model = TrainedModel.load(tiny_model_dir())
    some, _ = screen_chromosome(model, "chr3", bins=np.array([4, 5, 20]))
    every, _ = screen_chromosome(model, "chr3")
    assert np.flatnonzero(np.isfinite(some)).tolist() == [4, 20]  # 5 is masked
    np.testing.assert_allclose(some[[4, 20]], every[[4, 20]], rtol=1e-4)


def test_null_vectors_average_ten_unmasked_bins_each_side():
    rng = np.random.default_rng(0)
    R, mask = rng.standard_normal((40, 3)), rng.random(40) < 0.2
    null = null_vectors(R, mask, "average")
    for b in range(40):
        around = [k for k in range(max(b - 10, 0), min(b + 11, 40)) if k != b and not mask[k]]
        np.testing.assert_allclose(null[b], R[around].mean(axis=0), atol=1e-6)
    assert (null_vectors(R, mask, "zero") == 0).all()


def test_a_screen_is_written(tiny_model_dir, tmp_path):
    screen(tiny_model_dir(), tmp_path / "s.bw", tmp_path / "s.tsv", chroms=["chr3"])
    table = pd.read_csv(tmp_path / "s.tsv", sep="\t")
    assert len(table) == 230
    assert table["impact"].notna().sum() == 28
    with pyBigWig.open(str(tmp_path / "s.bw")) as handle:
        np.testing.assert_allclose(
            handle.values("chr3", 0, 1)[0],
            table.loc[table["chrom"] == "chr3", "impact"].iloc[0],
            rtol=1e-6,
        )


@pytest.mark.parametrize(
    ("overrides", "options", "message"),
    [
        ({"directions": 2}, {}, "reads one way"),
        ({}, {"method": "shift"}, "cannot be screened"),
    ],
)
def test_what_cannot_be_screened(tiny_model_dir, overrides, options, message):
    model = TrainedModel.load(tiny_model_dir(**overrides))
    with pytest.raises(InputError, match=message):
        screen_chromosome(model, "chr3", **options)
