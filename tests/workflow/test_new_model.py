"""The model of CONTRIBUTING.md in a study of its own: rules, report and command line."""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cooler
import pandas as pd
import pytest
from study import CONFIG, write_study

RUN = "A.10000.ICE.marginal"
TARGETS = [
    f"results/reconstruction/{RUN}.tsv",
    f"results/predictions/{RUN}.mcool",
    f"results/representations/{RUN}.parquet",
    "results/tables/reconstruction.tsv",
]


@pytest.fixture(scope="module")
def study(repo_root, tmp_path_factory):
    """Folder of the small study with the page's model in place of its own."""
    folder = write_study(tmp_path_factory.mktemp("new_model"))
    page = (repo_root / "CONTRIBUTING.md").read_text().split("## A new model")[1]
    model, line = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (folder / "marginal.py").write_text(model)
    (folder / "my_models.py").write_text(line)
    training = {"models": ["marginal"], "plugins": ["my_models.py"]}
    (folder / "config.yaml").write_text(json.dumps(CONFIG | {"training": training}))
    return folder


@pytest.fixture(scope="module")
def results(snakemake, study):
    config = ["--configfile", str(study / "config.yaml")]
    snakemake(study, *config, "--cores", "2", *TARGETS)
    snakemake(study, *config, "--report", "results/report.html", *TARGETS)
    return study / "results"


def test_it_is_planned_with_what_it_has_a_use_for(repo_root, study, tmp_path):
    config = json.loads((study / "config.yaml").read_text())
    config["training"]["models"] = ["marginal", "hiclstm-paper"]
    (tmp_path / "config.yaml").write_text(json.dumps(config | {"device": "auto"}))
    script = Path(__file__).with_name("jobs.py")
    words = [script, tmp_path / "jobs.json", repo_root / "Snakefile", study]
    command = [sys.executable, *map(str, words), str(tmp_path / "config.yaml")]
    subprocess.run(command, check=True, cwd=repo_root, capture_output=True)
    jobs = json.loads((tmp_path / "jobs.json").read_text())["jobs"]
    of_model = {m: [j for j in jobs if m in str(j["output"])] for m in ("marginal", "hiclstm")}
    trained = {m: next(j for j in of_model[m] if j["rule"] == "train_model") for m in of_model}
    assert (trained["marginal"]["gpu"], trained["marginal"]["threads"]) == (0, 1)
    assert (trained["hiclstm"]["gpu"], trained["hiclstm"]["threads"]) == (1, 2)  # of 2 cores
    own = {str(study / name) for name in ("my_models.py", "marginal.py")}
    assert own <= set(trained["marginal"]["input"])
    assert not own & set(trained["hiclstm"]["input"])
    rules = {m: {j["rule"] for j in of_model[m]} for m in of_model}
    assert {"export_representations", "predict_map", "evaluate_reconstruction"} <= rules["marginal"]
    assert "screen_bins" in rules["hiclstm"] - rules["marginal"]


@pytest.mark.slow
def test_it_is_trained_exported_predicted_and_scored(results):
    scores = pd.read_table(results / "reconstruction" / f"{RUN}.tsv")
    assert "marginal" in set(scores["model"])
    assert pd.read_parquet(results / "representations" / f"{RUN}.parquet")["r0"].notna().any()
    clr = cooler.Cooler(f"{results}/predictions/{RUN}.mcool::resolutions/10000")
    assert clr.pixels()["count"][:].gt(0).any()
    assert "marginal" in set(pd.read_table(results / "tables" / "reconstruction.tsv")["model"])
    page = (results / "report.html").read_text()
    files = [base64.b64decode(data) for data in re.findall(r"base64,([A-Za-z0-9+/=]+)", page)]
    assert any(b"marginal" in file for file in files), "the table of scores"


@pytest.mark.slow
def test_the_command_line_finds_it_by_the_environment(results, study, tmp_path):
    words = [results / "models" / RUN, results / "normalized" / "A.10000.ICE.cool"]
    command = [sys.executable, "-m", "chromloom.cli", "predict", *words, tmp_path / "p.mcool"]
    environment = os.environ | {"CHROMLOOM_PLUGINS": str(study / "my_models.py")}
    subprocess.run(list(map(str, command)), check=True, env=environment)
    assert cooler.fileops.list_coolers(str(tmp_path / "p.mcool"))
