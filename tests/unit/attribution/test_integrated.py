"""Integrated gradients against captum and autograd on the whole map at once."""

import numpy as np
import pandas as pd
import pyBigWig
import pytest
import torch
from captum.attr import IntegratedGradients

from chromloom.attribution import integrated
from chromloom.attribution.attribute import attribute, attribute_chromosome
from chromloom.attribution.integrated import integrate_gradients
from chromloom.errors import InputError
from chromloom.models.trained import TrainedModel


@pytest.fixture(scope="module")
def model(tiny_model_dir):
    return TrainedModel.load(tiny_model_dir())


def dense_scalar(model, chrom, *, lo=0, hi=None, squared=False):
    """Sum of the predicted target over all pairs, in one graph, of R in each of its roles."""
    n = len(model.mask(chrom))

    def scalar(rows, columns, between):
        totals = []
        for r, c, b in zip(rows, columns, between):
            y = model.predict_torch(chrom, r, 0, n, 0, n, columns=c, between=b)
            y = y[lo:hi]
            totals.append((y.square() if squared else y).sum(dtype=torch.float64))
        return torch.stack(totals)

    return scalar


def block_of(model, chrom):
    """Predicted target of a tile, of R in each of its roles."""
    return lambda r, c, b, *tile: model.predict_torch(chrom, r, *tile, columns=c, between=b)


WAYS = [{}, {"directions": 2}, {"carry_state": True, "lstm_frames": 0}]


@pytest.mark.parametrize("overrides", WAYS)
def test_roles_are_told_apart(tiny_model_dir, overrides):
    """One pair (10, 16): only bin 10 acts as row; as columns those that were read on the way."""
    model = TrainedModel.load(tiny_model_dir(**overrides))
    R = torch.from_numpy(np.nan_to_num(model.representation("chr2")))
    rows, columns, between = (R.clone().requires_grad_() for _ in range(3))
    y = model.predict_torch("chr2", rows, 10, 11, 6, 7, columns=columns, between=between)
    together = model.predict_torch("chr2", R, 10, 11, 6, 7)
    np.testing.assert_allclose(y.detach(), together, rtol=1e-6)
    y.sum().backward()
    acting = [np.flatnonzero(x.grad.abs().sum(dim=1)) for x in (rows, columns, between)]
    last = 30 if overrides.get("directions") else 17
    assert acting[0].tolist() == [10]
    assert acting[1].tolist() == list(range(10, last))
    unmasked = [k for k in range(11, 16) if not model.mask("chr2")[k]]
    assert acting[2].tolist() == unmasked


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("window", [(2, None), (5, 37)])
def test_tiles_give_what_captum_gives_on_the_whole_map(model, squared, window):
    R = np.nan_to_num(model.representation("chr2"))
    mask = model.mask("chr2")
    baseline = R[~mask].mean(axis=0)
    got = integrate_gradients(
        block_of(model, "chr2"),
        R,
        mask,
        baseline=baseline,
        min_dist=window[0],
        max_dist=window[1],
        squared=squared,
        n_steps=8,
        max_steps=8,
        row_block=17,
        frame=model.settings.architecture.frame,
    )
    scalar = dense_scalar(model, "chr2", lo=window[0], hi=window[1], squared=squared)
    end = torch.from_numpy(R)[None]
    begin = torch.from_numpy(np.where(mask[:, None], 0, baseline).astype(np.float32))[None]
    parts = IntegratedGradients(scalar).attribute((end,) * 3, (begin,) * 3, n_steps=8)
    for part, own in zip(parts, (got.row, got.column, got.between)):
        expected = part[0].sum(dim=1).numpy()
        np.testing.assert_allclose(
            own[~mask], expected[~mask], rtol=1e-3, atol=1e-4 * np.abs(expected).max()
        )
        assert np.isnan(own[mask]).all()
    np.testing.assert_allclose(got.total, float(scalar(end, end, end)), rtol=1e-5)


@pytest.mark.parametrize("overrides", WAYS)
def test_attributions_sum_to_the_change_of_the_scalar(tiny_model_dir, overrides):
    """Random weights of 4 units through a layer norm bend too sharply; trained ones do not."""
    model = TrainedModel.load(tiny_model_dir(norm_cell=False, **overrides))
    result = attribute_chromosome(model, "chr1")
    assert result.completeness_error <= 0.01
    scalar = dense_scalar(model, "chr1")
    R = torch.from_numpy(np.nan_to_num(model.representation("chr1")))[None]
    np.testing.assert_allclose(result.total, float(scalar(R, R, R)), rtol=1e-5)
    assert np.nansum(result.score) == pytest.approx(result.total - result.baseline_total, rel=0.01)


def test_gradient_of_the_scalar_is_autograd_s(model):
    """One step at the end of the path: attribution = gradient x difference."""
    R = np.nan_to_num(model.representation("chr3"))
    mask = model.mask("chr3")
    got = integrate_gradients(
        block_of(model, "chr3"),
        R,
        mask,
        baseline=np.zeros(4),
        n_steps=1,
        max_steps=1,
        frame=20,
    )
    half = torch.tensor(R / 2, requires_grad=True)  # Gauss-Legendre with one point: the middle
    dense_scalar(model, "chr3")(*[half[None]] * 3).sum().backward()
    expected = (half.grad.numpy() * R).sum(axis=1)
    np.testing.assert_allclose(
        got.score[~mask], expected[~mask], rtol=1e-3, atol=1e-4 * np.abs(expected).max()
    )


def test_steps_are_doubled_until_the_error_is_small_or_they_run_out(model, caplog):
    one = attribute_chromosome(model, "chr3", baseline="zero", n_steps=1, tolerance=10)
    assert one.n_steps == 1
    wanted = one.completeness_error / 10
    more = attribute_chromosome(model, "chr3", baseline="zero", n_steps=1, tolerance=wanted)
    assert more.n_steps > 1
    assert more.completeness_error <= wanted
    end = attribute_chromosome(model, "chr3", n_steps=128, tolerance=1e-12)
    assert end.n_steps == 128


def test_a_part_of_a_chromosome_costs_that_part_and_long_work_is_told(monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr(integrated, "TELL_SECONDS", -1)
    n, visited = 400, []
    mask = np.ones(n, bool)
    mask[150:190] = False

    def block(rows, columns, between, lo, hi, d0, d1):
        visited.append((lo, hi, d0, d1))
        pairs = columns[lo + d0 : hi + d1 - 1].sum(dim=1)
        padded = torch.nn.functional.pad(pairs, (0, hi - lo + d1 - d0 - 1 - len(pairs)))
        return padded.unfold(0, hi - lo, 1) * rows[lo:hi].sum(dim=1)

    R = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    found = integrate_gradients(
        block, R, mask, baseline=np.zeros(3, np.float32), row_block=50, frame=30
    )
    assert {(lo, d0) for lo, _, d0, _ in visited} == {(150, 0), (150, 30)}
    strength = R[150:190].sum(axis=1).astype(float)
    assert found.total == pytest.approx(np.triu(np.outer(strength, strength), 2).sum(), rel=1e-5)
    assert found.completeness_error < 1e-5
    assert "18 passes over the map" in caplog.text


def test_attribution_is_deterministic(model):
    first, second = (attribute_chromosome(model, "chr2").score for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_tracks_are_written(tiny_model_dir, tmp_path):
    out = [tmp_path / name for name in ("a.bw", "a.parquet", "raw.bw", "normalised.bw")]
    folder = tiny_model_dir(norm_cell=False)
    chosen = {"out_raw_bw": out[2], "out_normalised_bw": out[3], "chroms": ["chr1", "chr2"]}
    report = attribute(folder, *out[:2], **chosen)
    assert report["chrom"].tolist() == ["chr1", "chr2"]
    assert (report["completeness_error"] <= 0.01).all()
    table = pd.read_parquet(out[1])
    assert len(table) == 230
    unknown = table["masked"] | (table["chrom"] == "chr3")
    assert (table["score"].isna() == unknown).all()
    parts = table[["row", "column", "between"]].sum(axis=1, skipna=False)
    np.testing.assert_allclose(table["score"], parts, rtol=1e-4, atol=1e-3)
    assert table["normalised"].max() == 1
    assert table["normalised"].min() == -1
    for path, column in ((out[0], "between"), (out[2], "score"), (out[3], "normalised")):
        handle = pyBigWig.open(str(path))
        assert handle.chroms()["chr3"] == 300_000
        values = np.array(handle.values("chr2", 0, 800_000, numpy=True))[::10_000]
        np.testing.assert_allclose(values, table.loc[table["chrom"] == "chr2", column], rtol=1e-6)
        handle.close()


def test_the_track_of_a_model_without_barriers_is_the_normalised_score(tiny_model_dir, tmp_path):
    out = tmp_path / "a.bw", tmp_path / "a.parquet"
    attribute(tiny_model_dir(norm_cell=False, barrier=False), *out, chroms=["chr2"])
    table = pd.read_parquet(out[1]).query("chrom == 'chr2'")
    assert not table["between"].any()
    with pyBigWig.open(str(out[0])) as handle:
        values = np.array(handle.values("chr2", 0, 800_000, numpy=True))[::10_000]
    np.testing.assert_allclose(values, table["normalised"], rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"baseline": "median"}, "baseline 'median'"),
        ({"baseline": "padding"}, "padding vector"),
        ({"chroms": ["chr9"]}, "chr9"),
        ({"min_distance": 50_000, "max_distance": 20_000}, "is empty"),
    ],
)
def test_attributions_that_cannot_be_made(tiny_model_dir, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        attribute(tiny_model_dir(), tmp_path / "a.bw", tmp_path / "a.parquet", **options)
    assert not list(tmp_path.iterdir())
