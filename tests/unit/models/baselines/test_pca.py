"""PCA against scikit-learn's on the dense matrix; the folder it is written in."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from chromloom.errors import InputError
from chromloom.models.baselines.pca import fit_pca
from chromloom.models.baselines.rows import cis_pixels, has_trans, trans_pixels
from chromloom.models.registry import model_settings
from chromloom.models.trained import TrainedModel
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.probability import contact_probability
from chromloom.training.models import train_model


@pytest.fixture(scope="module")
def tiny_map(tiny_map_path):
    return NormalizedMap(tiny_map_path)


@pytest.fixture(scope="module")
def model_dir(tiny_map_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pca") / "model"
    train_model("pca", tiny_map_path, folder, options={"embedding_dim": 6})
    return folder


def dense_probability(tiny_map, chrom):
    """Symmetric matrix of the unmasked bins, with 0 where there is no pair."""
    band = np.nan_to_num(tiny_map.band(chrom, 0, len(tiny_map.mask(chrom))))
    n = band.shape[1]
    upper = np.zeros((n, n))
    for i in range(n):
        upper[i, i:] = band[: n - i, i]
    cp = contact_probability(upper + upper.T)
    kept = ~tiny_map.mask(chrom)
    return cp[kept][:, kept], kept


def test_scores_are_those_of_dense_pca_up_to_sign(tiny_map):
    fitted = fit_pca(tiny_map, model_settings("pca", embedding_dim=6))
    for chrom in tiny_map.chromnames:
        dense, kept = dense_probability(tiny_map, chrom)
        expected = PCA(6, svd_solver="full").fit_transform(dense)
        found = fitted.embedding[slice(*tiny_map.extent(chrom))][kept]
        signs = np.sign((found * expected).sum(axis=0))
        np.testing.assert_allclose(found * signs, expected, atol=2e-4)


def test_its_own_decoder_is_the_inverse_of_the_projection(tiny_map, model_dir):
    trained = TrainedModel.load(model_dir)
    for chrom in tiny_map.chromnames:
        dense, kept = dense_probability(tiny_map, chrom)
        pca = PCA(6, svd_solver="full").fit(dense)
        rebuilt = np.zeros((len(kept), len(kept)))
        rebuilt[np.ix_(kept, kept)] = pca.inverse_transform(pca.transform(dense)).clip(0, 1)
        lo, hi = 3, 20
        band = trained.predict_band(chrom, lo, hi)
        i = np.arange(lo, hi)
        j = i + np.arange(len(band))[:, None]
        inside = np.isfinite(band)
        expected = rebuilt[np.broadcast_to(i, j.shape)[inside], j[inside]]
        np.testing.assert_allclose(band[inside], expected, atol=2e-4)
        assert inside.sum() > 100


def test_folder_has_representations_and_mask(tiny_map, model_dir):
    trained = TrainedModel.load(model_dir)
    assert trained.chromnames == tiny_map.chromnames
    for chrom in trained.chromnames:
        values = trained.representation(chrom)
        assert values.shape == (len(tiny_map.mask(chrom)), 6)
        np.testing.assert_array_equal(np.isnan(values).all(axis=1), tiny_map.mask(chrom))
        np.testing.assert_array_equal(trained.mask(chrom), tiny_map.mask(chrom))


def test_more_components_than_bins_leave_zeros(tiny_map):
    fitted = fit_pca(tiny_map, model_settings("pca", embedding_dim=40))
    small = fitted.embedding[slice(*tiny_map.extent("chr3"))]  # 28 unmasked bins
    assert not small[:, 27:].any()
    assert small[:, :20].any(axis=0).all()


def test_own_decoder_refuses_an_edited_chromosome(tiny_map, model_dir):
    trained = TrainedModel.load(model_dir)
    edited = np.nan_to_num(trained.representation("chr1"))[:-3]
    with pytest.raises(InputError, match="train a decoder"):
        trained.predict_band("chr1", 0, 10, representation=edited)


def test_cis_pixels_are_pairs_of_two_bins(tiny_map):
    pixels = cis_pixels(tiny_map, "chr2")
    assert (pixels["j"] - pixels["i"]).min() == tiny_map.ignore_diags


def test_trans_pixels_are_unmasked_and_scaled_by_pair_of_chromosomes(tiny_map):
    assert has_trans(tiny_map)
    pixels = trans_pixels(tiny_map)
    chrom, masked = tiny_map.bins["chrom"].to_numpy(), tiny_map.bins["masked"].to_numpy()
    a, b = chrom[pixels["i"]], chrom[pixels["j"]]
    assert (a != b).all()
    assert not masked[pixels["i"]].any()
    assert not masked[pixels["j"]].any()
    raw = tiny_map.clr.pixels()[:]
    c1, c2 = chrom[raw["bin1_id"]], chrom[raw["bin2_id"]]
    kept = (c1 != c2) & ~masked[raw["bin1_id"]] & ~masked[raw["bin2_id"]]
    assert pixels["count"].sum() == raw["count"][kept].sum()
    sums = pixels.groupby([a, b])[["count", "value"]].sum()
    assert len(sums) == 3
    np.testing.assert_allclose(sums["value"], sums["count"], rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embeding_dim": 4}, "'embeding_dim' is unknown; did you mean 'embedding_dim'"),
        ({"embedding_dim": 0}, "out of range"),
        ({"embedding_dim": "4"}, "wrong type"),
        ({"cp_a": -1.0}, "cp_a=-1.0 must be above 0"),
    ],
)
def test_options_are_checked(tiny_map_path, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        train_model("pca", tiny_map_path, tmp_path / "m", options=options)


def test_unknown_model_and_second_map_are_refused(tiny_map_path, tmp_path):
    with pytest.raises(InputError, match="unknown; expected one of"):
        train_model("word2vec", tiny_map_path, tmp_path / "m")
    with pytest.raises(InputError, match="reads one map"):
        train_model("pca", tiny_map_path, tmp_path / "m", input_path=tiny_map_path)
