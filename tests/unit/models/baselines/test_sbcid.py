"""Subcompartments as one-hot vectors, from a BED file or a hidden Markov model."""

import logging

import numpy as np
import pandas as pd
import pytest

from chromloom.errors import ChromloomError, InputError
from chromloom.models.baselines.sbcid import infer_subcompartments, read_subcompartments
from chromloom.models.trained import TrainedModel
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.normalized import write_normalized
from chromloom.training.models import train_model


@pytest.fixture(scope="module")
def tiny_map(tiny_map_path):
    return NormalizedMap(tiny_map_path)


@pytest.fixture(scope="module")
def two_compartments(tmp_path_factory):
    """Map of two chromosomes whose trans contacts follow two alternating compartments."""
    import cooler

    folder, rng = tmp_path_factory.mktemp("ab"), np.random.default_rng(0)
    bins = cooler.util.binnify(pd.Series({"chr1": 600_000, "chr2": 600_000}), 10_000)
    side = np.arange(120) // 10 % 2
    i, j = np.triu_indices(120)
    mean = np.where(side[i] == side[j], 4.0, 1.0) * np.where((i < 60) == (j < 60), 5, 1)
    pixels = pd.DataFrame({"bin1_id": i, "bin2_id": j, "count": rng.poisson(mean)})
    pixels = pixels[pixels["count"] > 0]
    cooler.create_cooler(str(folder / "c.cool"), bins, pixels, dtypes={"count": np.int32})
    path = folder / "ab.10000.ICE.cool"
    clr = cooler.Cooler(str(folder / "c.cool"))
    write_normalized(clr, np.ones(120), path, sample="ab", norm="ICE", assembly="tiny")
    return NormalizedMap(path), side


@pytest.fixture
def bed(tmp_path):
    path = tmp_path / "subcompartments.bed"
    lines = ["1 0 104000 A1", "1 104000 400000 B1", "1 400000 500000 NA", "2 0 800000 A1"]
    path.write_text("".join(line.replace(" ", "\t") + "\t0\t.\n" for line in lines))
    return path


def test_bin_takes_what_covers_most_of_it(tiny_map, bed):
    labels = read_subcompartments(bed, tiny_map)
    # A1 covers 40 % of bin 10
    assert list(labels[[0, 9, 10, 11, 39]]) == ["A1", "A1", "B1", "B1", "B1"]
    assert labels[40] is None
    assert labels[119] is None
    assert set(labels[120:200]) == {"A1"}


def test_one_hot_of_an_annotation(tiny_map, tiny_map_path, bed, tmp_path):
    options = {"subcompartments": str(bed)}
    train_model("sbcid", tiny_map_path, tmp_path / "m", options=options)
    trained = TrainedModel.load(tmp_path / "m")
    assert trained.config["classes"] == ["A1", "B1"]
    values = trained.representation("chr1")
    np.testing.assert_array_equal(values[3], [1, 0])
    np.testing.assert_array_equal(values[20], [0, 1])
    np.testing.assert_array_equal(values[60], [0, 0])
    assert np.isnan(values[5]).all()
    with pytest.raises(ChromloomError, match="train a decoder"):
        trained.predict_band("chr1", 0, 5)


def test_hidden_states_are_the_simulated_compartments(two_compartments):
    normalized, side = two_compartments
    labels = infer_subcompartments(normalized, 2, features=2)
    assert set(labels) == {"H1", "H2"}
    agreement = np.mean((labels == "H1") == (side == 0))
    assert max(agreement, 1 - agreement) > 0.95  # over both chromosomes with the same names


def test_without_trans_states_come_from_the_chromosome(tiny_map, monkeypatch, caplog):
    monkeypatch.setattr("chromloom.models.baselines.sbcid.has_trans", lambda _: False)
    with caplog.at_level(logging.WARNING):
        labels = infer_subcompartments(tiny_map, 2, features=2)
    assert "within chromosomes" in caplog.text
    masked = tiny_map.bins["masked"].to_numpy()
    assert all(label is None for label in labels[masked])
    side = np.sin(2 * np.pi * np.arange(120) / 24) > -0.01
    kept = ~tiny_map.mask("chr1")
    agreement = np.mean((labels[:120] == "H1")[kept] == side[kept])
    assert max(agreement, 1 - agreement) > 0.8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr1\tzer0\t100\tA\n", "line 1: start 'zer0' is not a whole number"),
        ("chr1\t0\t100\tNA\n", "has no names of subcompartments"),
        ("chr1\t0\t100\n", "has no names of subcompartments"),
        (None, "does not exist"),
    ],
)
def test_a_file_that_is_no_annotation_is_refused(tiny_map, tmp_path, text, message):
    if text is not None:
        (tmp_path / "x.bed").write_text(text)
    with pytest.raises(InputError, match=message):
        read_subcompartments(tmp_path / "x.bed", tiny_map)


def test_names_with_blanks_are_subcompartments(tiny_map, tmp_path):
    text = "\ufefftrack name=x\nchr1\t0\t200000\tA 1\nchr1\t200000\t400000\tA 2\n"
    (tmp_path / "x.bed").write_text(text)
    labels = read_subcompartments(tmp_path / "x.bed", tiny_map)
    assert set(labels) == {"A 1", "A 2", None}
