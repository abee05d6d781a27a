"""The table of models: what is in it, what names stand for, and how it is added to."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import chromloom
from chromloom.errors import InputError
from chromloom.models import registry
from chromloom.models.registry import (
    MODELS,
    Model,
    find_model,
    load,
    reads_elements,
    register,
    resolve_model,
)

OPTIONS = {
    "hiclstm-paper": {"epochs": 3, "frame": 100},
    "wide": {"model": "hiclstm-paper", "embedding_dim": 32, "epochs": 5},
    "wide-seed2": {"model": "wide", "seed": 2},
    "loop": {"model": "pool"},
    "pool": {"model": "loop"},
    "lost": {"model": "hiclstm-papers"},
}


def test_asking_what_a_model_can_is_light():
    code = "import sys, chromloom.models.registry; sys.exit('torch' in sys.modules)"
    folder = str(Path(chromloom.__file__).parents[1])
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": folder})


PREDICTORS = [n for n, m in MODELS.items() if m.scope == "study" and "map" in m.gives]


@pytest.mark.parametrize("name", PREDICTORS)
def test_every_line_of_a_predictor_leads_to_code(name):
    model = MODELS[name]
    settings = registry.model_settings(name)
    assert registry.model_named(settings.preset) == name
    for path in (model.train, model.fit, model.trained, model.source, model.module):
        assert callable(load(path))
    assert callable(load(model.trained).of_tensors)
    assert model.predicts_maps
    assert "contacts" not in model.reads
    assert not model.screenable
    assert not model.attributed


@pytest.mark.parametrize("name", [n for n, m in MODELS.items() if m.scope == "map"])
def test_every_line_leads_to_code_that_fits_it(name):
    model = MODELS[name]
    settings = registry.model_settings(name, embedding_dim=4)
    assert registry.model_named(settings.preset) == name
    module = load(model.module)(settings, [6, 5])
    assert module.embedding.shape == (11, 4)
    for path in filter(None, (model.train, model.trained, model.fit, model.decoder)):
        assert callable(load(path))
    assert model.predicts_maps or not (model.editable or model.screenable or model.attributed)


@pytest.mark.parametrize("name", [name for name in MODELS if "expression" in MODELS[name].gives])
def test_every_model_of_expression_can_be_trained_and_used(name):
    model = MODELS[name]
    assert registry.model_named(registry.model_settings(name).preset) == name
    assert callable(load(model.train))
    for method in ("fit", "predict", "save", "load"):
        assert callable(load(f"{model.trained}.{method}"))
    assert model.scope == "study"
    assert {"signals"} <= model.reads <= {"signals", "contacts"}


def test_models_without_use_for_a_gpu_do_not_wait_for_it():
    assert {name for name, model in MODELS.items() if not model.gpu} == {
        "eig", "pca", "sci", "sci-intra", "sbcid", "marks-mean", "marks-ridge", "marks-xgboost",
        "marks-network", "marks-elements", "difference-ridge", "distance",
        "pairs-ridge", "pairs-xgboost",
    }  # fmt: skip
    shared = [m for m in MODELS.values() if m.gpu and not m.gives & {"expression", "difference"}]
    assert all(model.threads > 2 for model in shared)


@pytest.fixture
def toy(monkeypatch) -> Model:
    """A line that no model has; the table is as before in the end."""
    monkeypatch.setattr(registry, "MODELS", dict(MODELS))
    return replace(MODELS["pca"], preset="", colour="#123456")


def test_a_model_can_be_registered(toy):
    register("toy", toy)
    assert find_model("toy").preset == "toy"
    assert resolve_model("toy", {}) == ("toy", {})


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("Toy", {}, "lower-case letters"),
        ("eig", {}, "the name 'eig' is that of 'eig'"),
        ("toy", {"colour": "#0072B2"}, "the colour '#0072B2' is that of 'hiclstm-refined'"),
        ("toy", {"preset": "paper"}, "the preset 'paper' is that of 'hiclstm-paper'"),
        ("toy", {"reads": frozenset({"smell"})}, "reads smell; expected some of contacts"),
        ("toy", {"gives": frozenset({"hope"})}, "gives hope"),
        ("toy", {"scope": "world"}, "scope world; expected some of map, study"),
    ],
)
def test_a_line_that_does_not_fit_the_table_is_refused(toy, name, changes, message):
    with pytest.raises(InputError, match=message):
        register(name, replace(toy, **changes))


def test_a_plugin_registers_models_by_the_environment(toy, tmp_path, monkeypatch):
    (tmp_path / "my_models.py").write_text(
        "from chromloom.models.registry import PCA, Model, register\n"
        "register('toy', Model(**PCA | {'fit': 'toy_fit:fit'}, colour='#123456'))\n"
    )
    (tmp_path / "toy_fit.py").write_text("def fit(): return 5\n")
    monkeypatch.setenv(registry.PLUGINS, str(tmp_path / "my_models.py"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert load(find_model("toy").fit)() == 5
    assert registry.code_of("toy") == [str(tmp_path / f) for f in ("my_models.py", "toy_fit.py")]
    assert registry.code_of("pca") == []


def test_a_plugin_may_look_models_up_while_it_registers_its_own(toy, tmp_path, monkeypatch):
    (tmp_path / "first.py").write_text(
        "from dataclasses import replace\n"
        "from chromloom.models.registry import find_model, register\n"
        "assert find_model('eig').editable\n"
        "register('toy', replace(find_model('pca'), preset='', colour='#123456'))\n"
    )
    (tmp_path / "second.py").write_text(
        "from dataclasses import replace\n"
        "from chromloom.models.registry import find_model, register\n"
        "toy = find_model('toy')\n"
        "register('toy-two', replace(toy, preset='', colour='#123457', plugin=None))\n"
    )
    files = [str(tmp_path / name) for name in ("first.py", "second.py")]
    monkeypatch.setenv(registry.PLUGINS, os.pathsep.join(files))
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert find_model("toy-two").fit == find_model("pca").fit
    assert [str(registry.MODELS[name].plugin) for name in ("toy", "toy-two")] == files


def test_a_plugin_that_fails_is_run_again_when_asked_again(toy, tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text("1 / 0\n")
    monkeypatch.setenv(registry.PLUGINS, str(tmp_path / "broken.py"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            find_model("eig")


def test_a_plugin_that_is_not_there_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv(registry.PLUGINS, str(tmp_path / "none.py"))
    with pytest.raises(InputError, match=r"none\.py: no such file; training\.plugins"):
        find_model("eig")


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


@pytest.mark.parametrize(
    ("model", "options", "reads"),
    [
        ("gc-merge", {}, True), ("chromoformer", {}, True), ("chromoformer-embedding", {}, False),
        ("chromoformer", {"parts": "embedding"}, False), ("marks-elements", {}, True),
        ("marks-ridge", {}, False), ("marks-ridge", {"parts": "all"}, True),
    ],
)  # fmt: skip
def test_what_reads_elements_is_told_by_the_setting_parts_or_the_table(model, options, reads):
    assert reads_elements(model, options) is reads
