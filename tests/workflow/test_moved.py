"""A study that was copied, or is run by another clone of the workflow, is the same study."""

import os
import shutil
from pathlib import Path

import pytest
from study import TARGETS

SAMPLES = "sample\tcell_type\tassembly\tcontacts\nA\tGM12878\thg19\ta.cool\n"
SHIPPED = "labels: config/article/labels.tsv, datasets: config/datasets.tsv"
PARTS = ["Snakefile", "rules", "workflow", "config", "resources", "envs", "profiles"]


def clone_workflow(repo_root: Path, folder: Path) -> Path:
    """A copy of the workflow, every file of it newer than any result."""
    folder.mkdir()
    ignore = shutil.ignore_patterns("__pycache__", "downloads")
    for name in PARTS:
        if (repo_root / name).is_dir():
            shutil.copytree(repo_root / name, folder / name, ignore=ignore)
        else:
            shutil.copy(repo_root / name, folder / name)
    later = max(path.stat().st_mtime for path in folder.rglob("*")) + 10**6
    for path in folder.rglob("*"):
        os.utime(path, (later, later))
    return folder


def test_files_of_the_workflow_are_named_without_where_it_lies(plan, repo_root, tmp_path):
    (tmp_path / "samples.tsv").write_text(SAMPLES)
    (tmp_path / "a.cool").touch()
    config = tmp_path / "config.yaml"
    config.write_text(f"{{samples: samples.tsv, {SHIPPED}, contacts: {{resolutions: [50000]}}}}")
    jobs = plan(tmp_path, config)["jobs"]
    named = [path for job in jobs for path in job["input"]]
    assert ".workflow/resources/hg19/chrom.sizes" in named
    assert ".workflow/config/article/labels.tsv" in named
    for job in jobs:
        assert not [path for path in job["input"] if Path(path).is_absolute()], job["rule"]
        assert str(repo_root) not in str(job["params"]), job["rule"]


@pytest.mark.slow
def test_a_copied_study_and_a_fresh_clone_plan_nothing_again(
    snakemake, undisturbed, repo_root, tmp_path
):
    study = shutil.copytree(undisturbed, tmp_path / "study")  # links are followed
    clone = clone_workflow(repo_root, tmp_path / "clone")
    command = ["--configfile", str(study / "config.yaml"), "--dry-run", *TARGETS]
    done = snakemake(study, "--snakefile", str(clone / "Snakefile"), *command, cwd=clone)
    assert "Nothing to be done" in done.stdout, done.stdout
    # What a study is made of counts by content.
    sizes = study / "results" / "simulated" / "simulated" / "chrom.sizes"
    sizes.write_text(sizes.read_text() + "chr3\t1000000\n")
    done = snakemake(study, "--snakefile", str(clone / "Snakefile"), *command, cwd=clone)
    assert "extract_contacts" in done.stdout
