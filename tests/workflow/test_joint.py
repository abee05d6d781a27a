"""A joint fit of two cell types of a small simulated genome, taken through the workflow."""

import json

import pandas as pd
import pytest
from study import CONFIG, SAMPLES

TARGETS = [
    "results/joint/both.10000.ICE.differences.tsv",
    "results/models/B.10000.ICE.both/config.json",
]
OTHER = "B\tB\tresults/simulated/simulated\tresults/simulated/contacts/B.pairs.gz\n"
OPTIONS = {"epochs": 1, "embedding_dim": 5, "hidden_size": 4, "knots": 4, "sweeps": 3}


@pytest.mark.slow
def test_two_cell_types_are_fitted_jointly(snakemake, tmp_path):
    config = CONFIG | {
        "joint": {"both": {"samples": ["A", "B"]}},
        "training": {"models": ["eig"], "options": {"both": OPTIONS}},
        "simulate": {"chromsizes": {"chr1": 3_000_000, "chr2": 2_000_000}, "depth": 0.1},
    }
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    (tmp_path / "samples.tsv").write_text(SAMPLES + OTHER)
    options = ["--configfile", str(tmp_path / "config.yaml"), "--cores", "2", "--"]
    snakemake(tmp_path, *options, *TARGETS)
    table = pd.read_csv(tmp_path / TARGETS[0], sep="\t")
    assert set(table["chrom"]) == {"chr1", "chr2"}
    assert set(zip(table["sample"], table["other"])) == {("A", "B")}
    assert table["q_value"].between(0, 1).all()
    model = json.loads((tmp_path / TARGETS[1]).read_text())
    assert model["model"] == "hiclstm-refined"
    assert model["settings"]["embedding_dim"] == 5
    assert model["joint_fit"]
