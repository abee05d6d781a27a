"""The model of CONTRIBUTING.md in a study of its own: rules, report and command line."""

import json
import os
import re
import subprocess
import sys

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


def test_it_is_planned_with_what_it_has_a_use_for(snakemake, study):
    config = ["--configfile", str(study / "config.yaml"), "--config", "device=auto"]
    done = snakemake(study, *config, "--dry-run", "--cores", "2", "--", "all")
    job = done.stdout.split("rule train_model:")[1].split("\n\n")[0]
    assert "gpu=0" in job
    assert "threads" not in job  # one
    assert str(study / "my_models.py") in job
    assert str(study / "marginal.py") in job
    for rule in ("predict_map", "evaluate_reconstruction", "export_representations"):
        assert f"rule {rule}:" in done.stdout
    assert "rule screen_bins:" not in done.stdout  # it does not say that it can be


@pytest.mark.slow
def test_it_is_trained_exported_predicted_and_scored(results):
    scores = pd.read_table(results / "reconstruction" / f"{RUN}.tsv")
    assert "marginal" in set(scores["model"])
    assert pd.read_parquet(results / "representations" / f"{RUN}.parquet")["r0"].notna().any()
    clr = cooler.Cooler(f"{results}/predictions/{RUN}.mcool::resolutions/10000")
    assert clr.pixels()["count"][:].gt(0).any()
    assert "marginal" in set(pd.read_table(results / "tables" / "reconstruction.tsv")["model"])
    assert "marginal" in (results / "report.html").read_text()


@pytest.mark.slow
def test_the_command_line_finds_it_by_the_environment(results, study, tmp_path):
    words = [results / "models" / RUN, results / "normalized" / "A.10000.ICE.cool"]
    command = [sys.executable, "-m", "chromloom.cli", "predict", *words, tmp_path / "p.mcool"]
    environment = os.environ | {"CHROMLOOM_PLUGINS": str(study / "my_models.py")}
    subprocess.run(list(map(str, command)), check=True, env=environment)
    assert cooler.fileops.list_coolers(str(tmp_path / "p.mcool"))
