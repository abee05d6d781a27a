"""PCA and decoders of chr22, primary map against replicate; trans models of human and yeast."""

import cooler
import numpy as np
import pandas as pd
import pytest

from chromloom.errors import InputError
from chromloom.evaluation.maps import EvaluationSettings, evaluate_model
from chromloom.genome.assembly import Assembly
from chromloom.models.trained import TrainedModel
from chromloom.normalize.normalized import normalize_contacts
from chromloom.training.decode import train_decoder
from chromloom.training.models import train_model

SETTINGS = EvaluationSettings(n_boot=2)


def normalised(source, path, sample, resolution):
    empty = pd.DataFrame(columns=["chrom", "start", "end"])
    assembly = Assembly("as found", cooler.Cooler(str(source)).chromsizes, empty, empty)
    normalize_contacts(
        source, path, sample=sample, resolution=resolution, norm="ICE", assembly=assembly
    )
    return path


@pytest.fixture(scope="module")
def maps(real_data, tmp_path_factory):
    folder, contacts = tmp_path_factory.mktemp("maps"), real_data / "contacts"
    return {
        sample: normalised(
            contacts / f"GM12878_{sample}_chr22_50kb.cool", folder / f"{sample}.50000.ICE.cool",
            sample, 50_000,
        )
        for sample in ("prim", "rep")
    }  # fmt: skip


def scores(folder, maps, **options):
    """R2 of contact probability over observed pairs of the replicate, by model."""
    table = evaluate_model(
        folder, maps["prim"], against=[maps["rep"]], settings=SETTINGS, **options
    )
    chosen = "against == 'rep' and pairs == 'observed' and metric == 'r2_cp' and stratum == 'all'"
    return table.query(chosen).set_index("model")["value"]


def test_an_lstm_decodes_what_no_other_decoder_does(maps, tmp_path):
    """The article's order of decoders, on rows that none of them has seen."""
    eig = tmp_path / "prim.50000.ICE.eig"
    train_model("eig", maps["prim"], eig, device="cpu")
    found = {}
    for decoder in ("lstm", "fc"):
        train_decoder(eig, maps["prim"], tmp_path / decoder, decoder=decoder, device="cpu")
        found[decoder] = scores(tmp_path / decoder, maps)
    assert found["lstm"]["eig"] > 0.55
    assert found["lstm"]["eig"] > found["fc"]["eig"] + 0.3
    assert found["lstm"]["distance-mean"] == found["fc"]["distance-mean"]
    held_out = TrainedModel.load(tmp_path / "lstm").config["held_out"]
    starts = [10_000_000, 25_000_000, 40_000_000]
    assert [region[1:] for region in held_out] == [[a, a + 5_000_000] for a in starts]
    own = scores(eig, maps, regions=held_out)
    assert own["ceiling"] == pytest.approx(found["lstm"]["ceiling"])


def test_principal_components_are_above_the_replicate_far_off_and_nothing_near(maps, tmp_path):
    folder = tmp_path / "prim.50000.ICE.pca"
    train_model("pca", maps["prim"], folder)
    table = evaluate_model(folder, maps["prim"], against=[maps["rep"]], settings=SETTINGS)
    table = table.query("against == 'rep' and pairs == 'observed' and metric == 'pearson_cp'")
    r = table.pivot_table(index="stratum", columns="model", values="value")
    assert (r["pca"] > r["ceiling"])[["40-100", "100-200", "200-400", "400-1000"]].all()
    assert r.loc["2-10", "pca"] < 0.3  # contact probability saturates there


def test_trans_models_stop_on_a_human_map_and_run_on_yeast(maps, real_data, tmp_path):
    with pytest.raises(InputError, match="no contacts between chromosomes"):
        train_model("sci", maps["prim"], tmp_path / "none")
    yeast = normalised(
        real_data / "contacts" / "yeast_genomewide_10kb.cool", tmp_path / "yeast.10000.ICE.cool",
        "yeast", 10_000,
    )  # fmt: skip
    train_model("sci", yeast, tmp_path / "m", options={"embedding_dim": 8, "samples": 1_000_000})
    trained = TrainedModel.load(tmp_path / "m")
    assert len(trained.chromnames) == 16
    vectors = np.concatenate([trained.representation(chrom) for chrom in trained.chromnames])
    lengths = np.linalg.norm(vectors[np.isfinite(vectors).all(axis=1)], axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-4)
    assert len(lengths) > 1100
