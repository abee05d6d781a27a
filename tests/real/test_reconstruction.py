"""The evaluator on chr22 at 50 kb: the ceiling as measured elsewhere, and the eigenvectors."""

import cooler
import numpy as np
import pandas as pd
import pytest

from chromloom.evaluation.maps import evaluate_model
from chromloom.genome.assembly import Assembly
from chromloom.models.hiclstm.settings import HiCLSTMSettings
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.normalized import normalize_contacts
from chromloom.prediction.export import predict_map
from chromloom.training.fit import train

STRATA = ["2-10", "10-40", "40-100", "100-200", "200-400", "400-1000"]


@pytest.fixture(scope="module")
def maps(real_data, tmp_path_factory):
    """Primary and replicate, normalised."""
    folder, paths = tmp_path_factory.mktemp("maps"), {}
    for sample in ("prim", "rep"):
        source = real_data / "contacts" / f"GM12878_{sample}_chr22_50kb.cool"
        empty = pd.DataFrame(columns=["chrom", "start", "end"])
        assembly = Assembly("hg19", cooler.Cooler(str(source)).chromsizes, empty, empty)
        paths[sample] = folder / f"{sample}.50000.ICE.cool"
        normalize_contacts(
            source, paths[sample], sample=sample, resolution=50_000, norm="ICE", assembly=assembly
        )
    return paths


@pytest.fixture(scope="module")
def eig(maps, tmp_path_factory):
    """Eigenvectors of log observed/expected of the primary map, as a model."""
    folder = tmp_path_factory.mktemp("models") / "prim.50000.ICE.eig"
    train(maps["prim"], folder, HiCLSTMSettings.from_preset("eig"), device="cpu")
    return folder


def test_ceiling_and_eigenvectors_on_the_replicate(maps, eig):
    table = evaluate_model(eig, maps["prim"], against=[maps["rep"]])
    table = table.query("against == 'rep' and pairs == 'observed'")
    pearson = table[table["metric"] == "pearson_cp"].pivot_table(
        index="stratum", columns="model", values="value"
    )
    # Measured apart from this library: README of the data.
    np.testing.assert_allclose(
        pearson.loc[STRATA, "ceiling"], [0.988, 0.932, 0.839, 0.825, 0.756, 0.721], atol=0.003
    )
    np.testing.assert_allclose(
        pearson.loc[STRATA, "eig"], [0.867, 0.947, 0.896, 0.883, 0.836, 0.804], atol=0.01
    )
    assert (pearson.loc[STRATA, "eig"] > pearson.loc[STRATA, "distance-mean"] + 0.2).all()
    r2 = table.query("metric == 'r2_cp' and stratum == 'all'").set_index("model")["value"]
    assert r2["ceiling"] == pytest.approx(0.637, abs=0.005)
    assert r2["eig"] > r2["ceiling"]
    intervals = table[(table["model"] == "ceiling") & (table["metric"] == "pearson_cp")]
    assert (intervals["ci_low"] < intervals["value"]).all()
    assert (intervals["value"] < intervals["ci_high"]).all()


def test_the_predicted_map_is_on_the_scale_of_the_observed(maps, eig, tmp_path):
    out = tmp_path / "prim.mcool"
    predict_map(eig, maps["prim"], out)
    observed = NormalizedMap(maps["prim"])
    clr = cooler.Cooler(f"{out}::resolutions/50000")
    (chrom,) = observed.chromnames
    matrix = clr.matrix().fetch(chrom)
    pixels = observed.pixels(chrom)
    predicted = np.nansum(np.triu(matrix, 2))
    assert predicted == pytest.approx(pixels["value"].sum(), rel=0.05)
    r = np.corrcoef(np.log(matrix[pixels["i"], pixels["j"]] + 0.5), np.log(pixels["value"] + 0.5))
    assert r[0, 1] > 0.95
    assert np.isnan(matrix[observed.mask(chrom)]).all()
