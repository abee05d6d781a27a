"""The profile for SLURM, on a real SLURM of one node: the same results as a run without it."""

import re
import subprocess

import pytest
import slurm
import yaml
from study import NORMALIZED, RUN, TARGETS, WEIGHTS, copy_study, differences, write_study

JOBS = ["squeue", "--all", "--states=all", "--noheader", "--format=%k|%P|%T|%m|%C"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    if reason := slurm.why_not():
        pytest.skip(reason)
    with slurm.running_slurm(tmp_path_factory.mktemp("slurm")):
        yield


@pytest.mark.slow
def test_a_study_on_slurm_gives_the_results_of_a_local_run(
    cluster, snakemake, undisturbed, repo_root, tmp_path
):
    """From the contact map on, since every rule waits for the daemons for half a minute."""
    made = [NORMALIZED, WEIGHTS, *TARGETS]
    folder = copy_study(undisturbed, tmp_path / "study", without=made)
    snakemake(
        folder, "--configfile", str(folder / "config.yaml"),
        "--profile", str(repo_root / "profiles" / "slurm"),
        # What a node without an accounting database, and without waiting, asks for:
        "--slurm-no-account", "--slurm-status-command", "squeue",
        "--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5", *TARGETS,
    )  # fmt: skip
    assert differences(folder, undisturbed) == []
    listed = subprocess.run(JOBS, capture_output=True, text=True, check=True).stdout.splitlines()
    jobs = {name: rest for name, *rest in (line.split("|") for line in listed)}
    assert len(jobs) == len(listed) == 3
    # Training asks for its own memory and cores; without a GPU it is kept off that partition.
    assert jobs[f"rule_train_model_wildcards_{RUN.replace('.', '_')}"] == [
        "cpu", "COMPLETED", "16000M", "8",
    ]  # fmt: skip
    # By the size of the map: at 10 kb, the longest chromosome may have 5,000 bins.
    assert jobs["rule_normalize_contacts_wildcards_A_10000_ICE"][2] == "1075M"
    # Two short rules travelled as one job.
    assert jobs["rule_short_analyse_map_export_representations"][1] == "COMPLETED"


def test_a_gpu_is_asked_for_in_training_only(repo_root):
    rules = [
        rule
        for path in (repo_root / "rules").glob("*.smk")
        for rule in path.read_text().split("\nrule ")[1:]
    ]
    asking = [rule.split(":")[0] for rule in rules if "gpu=" in rule]
    assert {"fine_tune_model", "train_decoder", "train_model"} <= set(asking)
    # predict_difference trains a network for each fold and keeps its predictions alone.
    training = ("train_", "fine_tune_", "predict_difference")
    assert all(rule.startswith(training) for rule in asking)


def test_every_rule_that_asks_for_much_stands_in_the_profile(repo_root):
    profile = yaml.safe_load((repo_root / "profiles" / "slurm" / "config.yaml").read_text())
    text = "".join(path.read_text() for path in (repo_root / "rules").glob("*.smk"))
    for rule in re.split(r"\n *(?:use )?rule ", text)[1:]:
        memory = re.search(r"mem_mb=(\d+)", rule)
        if memory and int(memory[1]) >= 8000:
            for key in ("mem_mb", "runtime"):
                asked = profile["set-resources"][rule.split(":")[0]][key]
                assert re.fullmatch(r"attempt \* \d+", asked), rule


def test_no_key_stands_in_two_profiles(repo_root):
    """profiles/default is in force beside any other, and wins."""
    default, slurm_ = (
        yaml.safe_load((repo_root / "profiles" / name / "config.yaml").read_text())
        for name in ("default", "slurm")
    )
    assert not set(default) & set(slurm_)
    assert not set(default) & {"resources", "set-resources", "jobs", "cores"}


@pytest.mark.parametrize("limit", [None, 3])
def test_a_profile_may_allow_more_gpus(snakemake, tmp_path, limit):
    study = write_study(tmp_path / "study")
    (tmp_path / "site").mkdir()
    site = f"resources: [gpu={limit}]" if limit else "latency-wait: 5"
    (tmp_path / "site" / "config.yaml").write_text(site)
    done = snakemake(
        study, "--configfile", str(study / "config.yaml"), "--profile", str(tmp_path / "site"),
        "--cores", "1", "--touch",
    )  # fmt: skip
    assert re.search(r"Provided resources: gpu=\D*(\d+)", done.stderr)[1] == str(limit or 1)


def test_every_rule_of_the_profile_exists(repo_root):
    profile = yaml.safe_load((repo_root / "profiles" / "slurm" / "config.yaml").read_text())
    text = "".join(path.read_text() for path in (repo_root / "rules").glob("*.smk"))
    rules = set(re.findall(r"(?:rule|as) (\w+)(?: with)?:", text))
    assert set(profile["set-resources"]) <= rules
    assert {entry.split("=")[0] for entry in profile["groups"]} <= rules


def test_every_key_of_a_profile_is_explained(repo_root):
    for path in (repo_root / "profiles").glob("*/config.yaml"):
        above = ""
        for line in path.read_text().splitlines():
            if line[:1].isalpha():
                # A comment may be that of two keys that belong together.
                assert above.startswith("#") or above[:1].isalpha(), (path, line)
            above = line
