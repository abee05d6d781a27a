"""The model of CONTRIBUTING.md, as it stands there: registered, trained, predicting, edited."""

import re
import sys

import numpy as np
import pandas as pd
import pytest
import yaml

from chromloom.cli import main
from chromloom.models import registry
from chromloom.models.trained import TrainedModel
from chromloom.normalize.maps import NormalizedMap
from chromloom.training.models import train_model


@pytest.fixture
def plugin(repo_root, tmp_path, monkeypatch):
    """Environment in which the page's model is registered; the table is as before in the end."""
    page = (repo_root / "CONTRIBUTING.md").read_text().split("## A new model")[1]
    model, line = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "marginal.py").write_text(model)
    (tmp_path / "my_models.py").write_text(line)
    monkeypatch.setattr(registry, "MODELS", dict(registry.MODELS))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv(registry.PLUGINS, str(tmp_path / "my_models.py"))
    yield tmp_path
    sys.modules.pop("marginal", None)


@pytest.fixture
def folder(plugin, tiny_map_path):
    train_model("marginal", tiny_map_path, plugin / "model", options={"prior": 1.0}, device="cpu")
    return plugin / "model"


def test_it_predicts_the_mean_at_each_distance_times_the_factors_of_two_bins(folder, tiny_map_path):
    model, observed = TrainedModel.load(folder), NormalizedMap(tiny_map_path)
    assert (model.name, model.settings.prior, model.embedding_dim) == ("marginal", 1.0, 1)
    expected = observed.expected("chr1").band(10, 50)
    value = model.to_value(model.predict_band("chr1", 10, 50), expected)
    factor = np.exp(model.representation("chr1")[:, 0])
    i, dist = np.arange(10, 50), np.arange(len(expected))[:, None]
    j = np.minimum(i + dist, len(factor) - 1)
    known = np.isfinite(value)
    assert known.any()
    np.testing.assert_allclose(value[known], (expected * factor[i] * factor[j])[known], rtol=1e-5)
    bands = observed.band("chr1", 0, 120), observed.expected("chr1").band(0, 120)
    ends = [(d, 20 - d) for d in range(20)] + [(d, 20) for d in range(100)]
    of_bin = [np.nansum([band[at] for at in ends]) for band in bands]
    assert factor[20] == pytest.approx((of_bin[0] + 1) / (of_bin[1] + 1), rel=0.03)


def test_the_command_line_knows_it(folder, tiny_map_path, tmp_path):
    assert main(["predict", str(folder), str(tiny_map_path), str(tmp_path / "p.mcool")]) == 0
    (tmp_path / "e.bed").write_text("chr1\t500000\t600000\tDEL:a\n")
    words = [folder, tiny_map_path, tmp_path / "e.bed", tmp_path / "out"]
    assert main(["edit", *map(str, words)]) == 0
    table = pd.read_table(tmp_path / "out" / "perturbation.tsv")
    assert set(table["model"]) == {"marginal"}
    assert table.set_index("metric")["value"]["mean_abs_difference_2Mb"] > 0


def test_without_its_plugin_it_is_unknown(folder, tiny_map_path, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv(registry.PLUGINS)
    monkeypatch.delitem(registry.MODELS, "marginal")
    assert main(["predict", str(folder), str(tiny_map_path), str(tmp_path / "p.mcool")]) == 1
    shown = capsys.readouterr().err
    assert "model 'marginal' is unknown" in shown
    assert "training.plugins" in shown


def test_the_study_of_the_page_names_the_files_of_the_page(repo_root, plugin):
    page = (repo_root / "CONTRIBUTING.md").read_text().split("## A new model")[1]
    config = yaml.safe_load(re.search(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)[1])
    assert config["training"]["plugins"] == ["my_models.py"]
    for name in config["training"]["models"]:
        registry.model_settings(name, **config["training"]["options"].get(name, {}))
    assert registry.code_of("marginal") == [
        str(plugin / f) for f in ("marginal.py", "my_models.py")
    ]
