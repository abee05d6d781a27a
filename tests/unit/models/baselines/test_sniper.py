"""SNIPER: its layers, what it reads and reproduces, its errors."""

import numpy as np
import pandas as pd
import pytest
import torch

from chromloom.errors import ChromloomError, InputError
from chromloom.models.baselines.sniper import decoder, encoder, fit_sniper
from chromloom.models.baselines.vectors import VectorModule
from chromloom.models.registry import MODELS, VECTORS, find_model, model_settings
from chromloom.models.trained import TrainedModel
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.normalized import write_normalized
from chromloom.training.models import train_model

SMALL = {"embedding_dim": 4, "epochs": 3}


@pytest.fixture(autouse=True)
def _small_layers(monkeypatch):
    monkeypatch.setattr("chromloom.models.baselines.sniper.HIDDEN", (32, 24, 16))
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def tiny_map(tiny_map_path):
    return NormalizedMap(tiny_map_path)


@pytest.fixture(scope="module")
def cis_map_path(tmp_path_factory):
    """Two chromosomes, no contacts between them."""
    import cooler

    folder = tmp_path_factory.mktemp("cis")
    chromsizes = pd.Series({"chr1": 300_000, "chr2": 300_000})
    bins = cooler.util.binnify(chromsizes, 10_000)
    i, j = np.triu_indices(30)
    pixels = pd.DataFrame({"bin1_id": np.r_[i, i + 30], "bin2_id": np.r_[j, j + 30], "count": 3})
    cooler.create_cooler(str(folder / "c.cool"), bins, pixels, dtypes={"count": np.int32})
    path = folder / "cis.10000.ICE.cool"
    clr = cooler.Cooler(str(folder / "c.cool"))
    write_normalized(clr, np.ones(60), path, sample="cis", norm="ICE", assembly="tiny")
    return path


def test_published_layers(monkeypatch):
    monkeypatch.setattr("chromloom.models.baselines.sniper.HIDDEN", (1024, 512, 256))
    sizes = [m.out_features for m in encoder(50, 128) if hasattr(m, "out_features")]
    assert sizes == [1024, 512, 256, 128]
    layers = list(decoder(50, 128, 0.25))
    assert [m.out_features for m in layers if hasattr(m, "out_features")] == [256, 512, 1024, 50]


def test_intra_rows_are_learnt(tiny_map):
    settings = model_settings("sniper-intra-fc", **{**SMALL, "epochs": 12}, learning_rate=0.02)
    history = fit_sniper(tiny_map, settings).history
    assert set(history["rows"]) == {"chr1", "chr2", "chr3"}
    loss = history.pivot_table(index="epoch", columns="rows", values="loss")
    assert (loss.iloc[-1] < loss.iloc[0] - 0.03).all()


def test_seed_decides(tiny_map):
    settings = model_settings("sniper-intra", **SMALL)
    first, again = (fit_sniper(tiny_map, settings, seed=3).embedding for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - fit_sniper(tiny_map, settings, seed=4).embedding).max() > 1e-3


def test_folder_predicts_what_its_decoder_says(tiny_map_path, tmp_path):
    train_model("sniper-intra", tiny_map_path, tmp_path / "m", options=SMALL)
    trained = TrainedModel.load(tmp_path / "m")
    R = torch.from_numpy(np.nan_to_num(trained.representation("chr2")))
    with torch.no_grad():
        rows = torch.sigmoid(trained.module.rows.decoders[1](R)).numpy()
    band = trained.predict_band("chr2", 10, 14)
    assert band.shape == (70, 4)
    np.testing.assert_allclose(band[9, 2], rows[12, 21], rtol=1e-5)
    assert np.isnan(band[:2]).all()
    assert np.isnan(band[20, 0])  # bin 30 is masked
    value = trained.to_value(band, band)
    np.testing.assert_allclose(np.exp(-1 / value[9, 2]), band[9, 2], rtol=1e-4)


def test_input_map_is_what_is_encoded(tiny_map, tiny_map_path):
    settings = model_settings("sniper-intra", **SMALL)
    own = fit_sniper(tiny_map, settings, input_map=tiny_map).embedding
    reproduced = fit_sniper(tiny_map, model_settings("sniper-intra-fc", **SMALL)).embedding
    np.testing.assert_array_equal(own, reproduced)
    assert np.abs(own - fit_sniper(tiny_map, settings).embedding).max() > 1e-3  # thinned input


def test_inter_covers_both_halves_and_predicts_nothing_in_cis(tiny_map, tiny_map_path, tmp_path):
    train_model("sniper-inter", tiny_map_path, tmp_path / "m", options=SMALL)
    trained = TrainedModel.load(tmp_path / "m")
    for chrom in tiny_map.chromnames:
        assert np.isfinite(trained.representation(chrom)[~tiny_map.mask(chrom)]).all()
        assert trained.representation(chrom)[~tiny_map.mask(chrom)].std(axis=0).max() > 0
    with pytest.raises(ChromloomError, match="train a decoder"):
        trained.predict_band("chr1", 0, 5)


@pytest.mark.parametrize("model", ["sniper-inter", "sniper-inter-fc", "sci"])
def test_models_of_trans_contacts_say_that_there_are_none(cis_map_path, tmp_path, model):
    assert find_model(model).needs_trans
    with pytest.raises(InputError, match="no contacts between chromosomes"):
        train_model(model, cis_map_path, tmp_path / "m", options={"embedding_dim": 4})


def test_intra_models_do_not_need_trans():
    models = ("sniper-intra", "sniper-intra-fc", "sci-intra", "pca", "sbcid", "hiclstm-refined")
    assert not any(find_model(name).needs_trans for name in models)


@pytest.mark.parametrize(
    "name", [name for name, model in MODELS.items() if model.module == VECTORS["module"]]
)
def test_models_that_predict_maps_are_those_with_a_decoder(name):
    module = VectorModule(model_settings(name, embedding_dim=4), [6, 5])
    assert find_model(name).predicts_maps == (module.rows is not None)


def test_other_bins_and_bad_settings_are_refused(tiny_map, cis_map_path):
    settings = model_settings("sniper-intra", **SMALL)
    with pytest.raises(InputError, match="other bins"):
        fit_sniper(tiny_map, settings, input_map=NormalizedMap(cis_map_path))
    with pytest.raises(InputError, match="input_fraction=0"):
        model_settings("sniper-intra", input_fraction=0.0)
