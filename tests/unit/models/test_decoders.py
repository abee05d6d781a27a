"""Decoders of frozen representations: against slow loops, their training, what is held out."""

import json

import numpy as np
import pytest
import torch

from chromloom.errors import InputError
from chromloom.evaluation.maps import EvaluationSettings, evaluate_model
from chromloom.models.decoders import decoder_settings, new_decoder
from chromloom.models.trained import TrainedModel
from chromloom.normalize.maps import NormalizedMap
from chromloom.training.decode import TrainingRows, split_rows, train_decoder
from chromloom.training.models import train_model

DENSE = {"frame": 20, "hidden_size": 4, "epochs": 2, "tile_rows": 32}


@pytest.fixture(scope="module")
def tiny_map(tiny_map_path):
    return NormalizedMap(tiny_map_path)


@pytest.fixture(scope="module")
def pca_dir(tiny_map_path, tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("pca") / "tiny.10000.ICE.pca"
    train_model("pca", tiny_map_path, folder, options={"embedding_dim": 4})
    return folder


def randomised(decoder, variant="dense", **options):
    """A decoder of 40 bins with random parameters and representations, float64."""
    settings = decoder_settings(decoder, 3, variant, frame=8, hidden_size=4, **options)
    module = new_decoder(settings, [40])
    module.reset(1)
    with torch.no_grad():
        module.embedding.normal_(generator=torch.Generator().manual_seed(2))
    return module.double().requires_grad_(False)


@pytest.mark.parametrize("decoder", ["fc", "cnn"])
def test_dense_decoders_are_their_formula(decoder):
    module = randomised(decoder, kernel=3) if decoder == "cnn" else randomised(decoder)
    R = module.embedding
    n, frame, i0, n_rows, d0 = 40, 8, 26, 3, 8
    cols = torch.cat([R[i0 + d0 :], R.new_ones(10, 3)])[: n_rows + frame - 1]
    ok = torch.arange(i0 + d0, i0 + d0 + len(cols)) < n
    ok[4] = False
    y = module.tile(R[i0 : i0 + n_rows], cols, torch.ones(n_rows).bool(), ok, 0, d0)
    assert y.shape == (frame, n_rows)
    p = {name: value.numpy() for name, value in module.named_parameters()}
    soft = lambda z: z / (1 + abs(z))  # noqa: E731
    known = np.where(ok[:, None], cols, 0)
    for b in range(n_rows):
        read = known[b : b + frame]
        base = p["W_row"] @ R[i0 + b].numpy() + p["b"]
        for t in range(frame):
            if decoder == "fc":
                h = soft(base + np.einsum("hds,sd->h", p["W_col"], read))
                expected = p["W_out"][t] @ h + p["bias"][t]
            else:
                z = base.copy()
                for s in (-1, 0, 1):
                    if 0 <= t + s < frame:
                        z += p["W_col"][:, :, 0, s + 1] @ read[t + s]
                expected = p["W_out"] @ soft(z) + p["bias"][t]
            np.testing.assert_allclose(y[t, b], expected, atol=1e-12)


@pytest.mark.parametrize("decoder", ["fc", "cnn"])
def test_a_cut_frame_reads_as_one_filled_with_the_mean(decoder):
    module, frame, n_rows = randomised(decoder), 8, 3
    R = module.embedding[:n_rows]
    cols = module.embedding[10 : 10 + n_rows + 3]  # four distances
    full = torch.cat([cols, cols.new_zeros(frame - 4, 3)])
    ok = torch.ones(len(full)).bool()
    short = module.tile(R, cols, ok[:n_rows], ok[: len(cols)], 0, 0)
    np.testing.assert_allclose(short, module.tile(R, full, ok[:n_rows], ok, 0, 0)[:4])


def test_published_decoders_have_the_released_layers():
    embedding = torch.randn(5, 3, dtype=torch.float64)
    index = torch.tensor([[1, 1, 1, 1, 1, 1, 0, 0]]), torch.tensor([[1, 2, 3, 4, 1, 2, 0, 0]])
    fc = randomised("fc", "published")
    pairs = np.stack([embedding[k[0]].numpy() for k in index])  # (2, 8, 3)
    z = fc.W_out.numpy() @ pairs.ravel() + fc.bias.numpy()
    np.testing.assert_allclose(fc(embedding, *index, None)[0], 1 / (1 + np.exp(-z)))
    cnn = randomised("cnn", "published")
    padded = np.pad(pairs, ((0, 0), (1, 1), (1, 1)))
    kernel = cnn.W_conv.numpy()[0, :, :, 0]  # (2 channels, 2)
    filtered = np.einsum("ck,cktd->td", kernel, np.stack([padded[:, :-1], padded[:, 1:]], axis=1))
    filtered = 1 / (1 + np.exp(-(filtered + cnn.b_conv.numpy())))  # (9, 5)
    pooled = filtered[:8, :4].reshape(4, 2, 2, 2).max(axis=(1, 3))
    z = cnn.W_out.numpy() @ pooled.ravel() + cnn.bias.numpy()
    np.testing.assert_allclose(cnn(embedding, *index, None)[0], 1 / (1 + np.exp(-z)))


@pytest.mark.parametrize("decoder", ["lstm", "cnn", "fc"])
@pytest.mark.parametrize("variant", ["dense", "published"])
def test_trained_folder(pca_dir, tiny_map_path, tmp_path, decoder, variant):
    options = DENSE if variant == "dense" else {"epochs": 1, "frame": 20, "hidden_size": 4}
    train_decoder(
        pca_dir, tiny_map_path, tmp_path / decoder, decoder=decoder, variant=variant,
        options=options,
    )  # fmt: skip
    trained, source = TrainedModel.load(tmp_path / decoder), TrainedModel.load(pca_dir)
    kept = ~source.mask("chr1")
    found, given = (m.representation("chr1")[kept] for m in (trained, source))
    if variant == "published":
        np.testing.assert_array_equal(found, given)
    else:  # standardised by dimension over the genome: the same up to an affine map
        r = [np.corrcoef(a, b)[0, 1] for a, b in zip(found.T, given.T)]
        np.testing.assert_allclose(r, 1, atol=1e-5)
    band = trained.predict_band("chr1", 40, 44)
    assert np.isfinite(band[2:70]).mean() > 0.9
    part = trained.predict_band("chr1", 40, 44, max_dist=27)
    np.testing.assert_allclose(part, band[:27], atol=1e-5)
    assert trained.config["model"] == "pca"
    assert trained.config["held_out"] == [["chr3", 0, 300_000]]
    history = np.genfromtxt(tmp_path / decoder / "history.tsv", names=True)
    assert np.isfinite(np.atleast_1d(history["loss"])).all()


def test_what_is_held_out_does_not_enter(pca_dir, tiny_map_path, tmp_path, monkeypatch):
    """Other contacts in the held-out rows leave the decoder as it is."""
    for name in ("a", "b"):
        train_decoder(pca_dir, tiny_map_path, tmp_path / name, decoder="fc", options=DENSE)
        original = NormalizedMap.pixels

        def pixels(self, chrom, lo=0, hi=None, original=original):
            table = original(self, chrom, lo, hi)
            return table.assign(value=table["value"] * 9) if chrom == "chr3" else table

        monkeypatch.setattr(NormalizedMap, "pixels", pixels)
    first, second = (TrainedModel.load(tmp_path / name) for name in "ab")
    assert torch.equal(first.module.W_col, second.module.W_col)
    np.testing.assert_array_equal(first.recalibration, second.recalibration)


def test_lstm_decoder_learns(pca_dir, tiny_map_path, tmp_path):
    options = {**DENSE, "epochs": 15, "frame": 40}
    train_decoder(pca_dir, tiny_map_path, tmp_path / "m", decoder="lstm", options=options)
    loss = np.genfromtxt(tmp_path / "m" / "history.tsv", names=True)["loss"]
    assert loss[-1] < 0.9 * loss[0]


def test_rows_are_split_by_chromosome_or_block(tiny_map, monkeypatch):
    rows, regions = split_rows(tiny_map)
    assert regions == [("chr3", 0, 300_000)]
    assert rows["chr1"].all()
    assert not rows["chr3"].any()
    rows, regions = split_rows(tiny_map, ["chr1", "chr2"])
    assert [region[0] for region in regions] == ["chr1", "chr2"]
    monkeypatch.setattr(tiny_map, "chromnames", ["chr1"])
    rows, regions = split_rows(tiny_map)
    assert regions == [("chr1", 400_000, 600_000), ("chr1", 1_000_000, 1_195_000)]
    for _, start, end in regions:
        assert not rows["chr1"][start // 10_000 : -(-end // 10_000)].any()
    assert rows["chr1"].sum() == 80


def test_training_rows_show_no_other(tiny_map, tiny_map_path):
    rows, _ = split_rows(tiny_map, ["chr2"])
    rows["chr1"][10:20] = False
    known = TrainingRows(tiny_map_path, rows)
    assert known.chromnames == ["chr1", "chr3"]
    assert not known.pixels("chr1")["i"].between(10, 19).any()
    band, whole = known.band("chr1", 8, 25), tiny_map.band("chr1", 8, 25)
    assert np.isnan(band[:, 2:12]).all()
    kept = [0, 1, *range(12, 17)]
    np.testing.assert_array_equal(band[:, kept], whole[:, kept])


def test_evaluator_scores_what_was_held_out(pca_dir, tiny_map, tiny_map_path, tmp_path):
    train_decoder(pca_dir, tiny_map_path, tmp_path / "fc", decoder="fc", options=DENSE)
    settings = EvaluationSettings(n_boot=2)
    table = evaluate_model(tmp_path / "fc", tiny_map_path, settings=settings)
    assert set(table["model"]) == {"pca", "distance-mean"}
    assert set(table.loc[table["model"] == "pca", "decoder"]) == {"fc"}
    row = table[(table["pairs"] == "all") & (table["metric"] == "r2_cp")]
    row = row[row["stratum"].isin(["all"])]
    band = tiny_map.band("chr3", 0, 30)
    assert set(row["n"]) == {np.isfinite(band).sum()}
    own = evaluate_model(pca_dir, tiny_map_path, settings=settings, regions=[("chr1", 0, 100_000)])
    row = own[(own["pairs"] == "all") & (own["metric"] == "r2_cp") & (own["stratum"] == "all")]
    assert set(row["n"]) == {np.isfinite(tiny_map.band("chr1", 0, 10)).sum()}
    with pytest.raises(InputError, match="no row lies in the regions"):
        evaluate_model(pca_dir, tiny_map_path, settings=settings, regions=[("chr9", 0, 1)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"decoder": "transformer"}, "decoder='transformer' is unknown"),
        ({"variant": "sparse"}, "variant 'sparse' is unknown"),
        ({"options": {"bilinear": True}}, "has no settings bilinear"),
        ({"options": {"kernel": 4}}, "kernel=4"),
        ({"held_out": ["chrX"]}, "chromosomes chrX cannot be held out"),
        ({"held_out": ["chr1", "chr2", "chr3"]}, "one at least must be left"),
    ],
)
def test_bad_requests_are_refused(pca_dir, tiny_map_path, tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        train_decoder(pca_dir, tiny_map_path, tmp_path / "m", **arguments)


def test_bins_of_another_map_are_refused(pca_dir, tiny_map_path, tmp_path):
    import shutil

    import pandas as pd

    other = shutil.copytree(pca_dir, tmp_path / "other")
    bins = pd.read_parquet(other / "bins.parquet")
    bins["start"] += 1
    bins.to_parquet(other / "bins.parquet")
    with pytest.raises(InputError, match="normalise the map as the model's was"):
        train_decoder(other, tiny_map_path, tmp_path / "m")
    assert json.loads((other / "config.json").read_text())["settings"]["preset"] == "pca"
