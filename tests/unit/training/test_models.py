"""What the names of models stand for."""

import pytest

from chromloom.errors import InputError
from chromloom.models.baselines.vectors import MODELS
from chromloom.models.hiclstm.module import PRESETS
from chromloom.training.models import MODEL_NAMES, resolve_model

OPTIONS = {
    "hiclstm-paper": {"epochs": 3, "frame": 100},
    "wide": {"model": "hiclstm-paper", "embedding_dim": 32, "epochs": 5},
    "wide-seed2": {"model": "wide", "seed": 2},
    "loop": {"model": "pool"},
    "pool": {"model": "loop"},
    "lost": {"model": "hiclstm-papers"},
}


def test_every_name_is_that_of_a_preset_or_a_table_of_vectors():
    presets = {name if name == "eig" else f"hiclstm-{name}" for name in PRESETS}
    assert set(MODEL_NAMES) == presets | set(MODELS)


@pytest.mark.parametrize(
    ("name", "model", "settings"),
    [
        ("eig", "eig", {}),
        ("hiclstm-paper", "hiclstm-paper", {"epochs": 3, "frame": 100}),
        ("wide", "hiclstm-paper", {"embedding_dim": 32, "epochs": 5, "frame": 100}),
        (
            "wide-seed2", "hiclstm-paper",
            {"embedding_dim": 32, "epochs": 5, "frame": 100, "seed": 2},
        ),
    ],
)  # fmt: skip
def test_a_variant_is_its_model_with_other_settings(name, model, settings):
    assert resolve_model(name, OPTIONS) == (model, settings)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hiclstm-refind", "did you mean 'hiclstm-refined'"),
        ("lost", "'hiclstm-papers' is unknown; did you mean 'hiclstm-paper'"),
        ("loop", "loop -> pool -> loop"),
    ],
)
def test_names_that_stand_for_nothing_are_refused(name, message):
    with pytest.raises(InputError, match=message):
        resolve_model(name, OPTIONS)
