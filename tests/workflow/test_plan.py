"""What Snakemake makes of the rules without running them: lint, dry runs, targets, bad input."""

import itertools
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from chromloom.study.figures import PANELS

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "config").glob("**/config.yaml"))
DEMO = ["--configfile", "config/demo/config.yaml"]


@pytest.fixture(scope="module")
def demo(snakemake, tmp_path_factory) -> str:
    """What the dry run of the demo says."""
    folder = tmp_path_factory.mktemp("demo")
    return snakemake(folder, *DEMO, "--dry-run", "--cores", "2").stdout


def test_rules_are_formatted(repo_root):
    command = [sys.executable, "-m", "snakefmt", "--check", "Snakefile", "rules"]
    subprocess.run(command, cwd=repo_root, check=True)


def test_lint_is_clean(snakemake, tmp_path):
    done = snakemake(tmp_path, *DEMO, "--lint")
    assert "Congratulations" in done.stdout + done.stderr


@pytest.mark.parametrize("config", CONFIGS)
def test_a_dry_run_of_a_shipped_config_passes(snakemake, repo_root, tmp_path, config, request):
    if "$CHROMLOOM_REAL_DATA" in (Path(config).parent / "samples.tsv").read_text():
        request.getfixturevalue("real_data")
    # As in a clone, where the default study lies beside the others.
    shutil.copytree(repo_root / "config", tmp_path / "config")
    done = snakemake(tmp_path, "--configfile", config, "--dry-run", "--cores", "2")
    assert "train_" in done.stdout
    assert "contains double" not in done.stdout


def test_a_figure_is_a_target_by_name_and_by_file(plan, repo_root, tmp_path):
    names = {"fig3", "fig3a", "hiclstm_fig3", "hiclstm_fig3a", "fig4", "loops", "higlass"}
    names |= {"structure", "simulated"}
    files = {f"results/figures/{name}.pdf" for name in ("hiclstm/fig3a", "simulated/judged")}
    config = repo_root / "config" / "demo" / "config.yaml"
    jobs = plan(tmp_path, config, *sorted(names | files))["jobs"]
    assert names <= {job["rule"] for job in jobs}
    written = [name for job in jobs for name in job["output"]]
    assert files <= set(written)
    assert len(written) == len(set(written))
    assert all(job["input"] for job in jobs if job["rule"] in names)


@pytest.mark.parametrize(("config", "name", "region"), [("akita", "akita", "chr3"),
                                                       ("predict", "weave", "")])  # fmt: skip
def test_a_map_is_shown_where_it_was_held_out(plan, repo_root, tmp_path, config, name, region):
    path = repo_root / "config" / config / "config.yaml"
    target = f"results/figures/unseen/A.10000.ICE.{name}.png"
    (job,) = (j for j in plan(tmp_path, path, target)["jobs"] if j["rule"] == "draw_unseen")
    assert job["params"][0] == region, "of folds, all was held out"


def test_simulated_genomes_are_judged_by_target_one_job_a_genome(snakemake, demo, tmp_path):
    config = ["--configfile", "config/simulated/config.yaml"]
    done = snakemake(tmp_path, *config, "--dry-run", "--cores", "2", "simulated")
    for seed in ("11", "12", "13", "21", "22", "23"):
        assert f"Simulating a genome with seed {seed}" in done.stdout
        assert f"Comparing hiclstm-refined of genome{seed} with the truth" in done.stdout
    assert len(re.findall("Comparing .* with the truth of the simulation", done.stdout)) == 6
    variant = "training={models: [both-directions]}"
    done = snakemake(tmp_path, *config, "--config", variant, "--dry-run", "simulated")
    assert "Comparing both-directions of genome11" in done.stdout
    assert "judge_model" not in demo


def test_edited_and_fine_tuned_maps_are_not_judged(snakemake, tmp_path):
    config = ["--configfile", "config/edits/config.yaml"]
    done = snakemake(tmp_path, *config, "--dry-run", "--cores", "2", "simulated")
    assert re.findall(r"Comparing \S+ of (\S+) with the truth", done.stdout) == ["A"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("simulated", "simulated judges models that predict maps of simulated genomes"),
        ("results/tables/classification.tsv", "the table needs a sheet of labels"),
        ("fig6a", "fig6a has nothing to show in this study: it needs attribution.domains"),
        ("fig8", "fig8 has nothing to show in this study: it needs sites in perturbation.knock"),
        ("hiclstm_fig6", "figure 6 needs a model that can be edited, and labels (key labels)"),
        ("hiclstm_fig8", "figure 8 needs sites in perturbation.knockouts"),
    ],
)
def test_a_target_that_a_study_has_nothing_for_says_what_it_needs(
    snakemake, tmp_path, target, message
):
    config = ["--configfile", "config/quickstart/config.yaml"]
    done = snakemake(tmp_path, target, *config, "--dry-run", "--cores", "2", check=False)
    assert done.returncode
    assert message in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("target", "model", "message"),
    [
        ("loops", "hiclstm-refined", "loops are called in bins of 4 to 28 kb"),
        ("fig5", "sbcid", "fig5 has nothing to show in this study: it needs a model that predicts"),
        ("hiclstm_fig5a", "sbcid", "fig5a needs a model that predicts maps"),
        ("higlass", "sbcid", "it needs a model or a predictor that predicts maps"),
    ],
)
def test_a_target_without_maps_of_its_kind_says_what_it_needs(
    snakemake, tmp_path, target, model, message
):
    (tmp_path / "a.cool").touch()
    (tmp_path / "samples.tsv").write_text(
        "sample\tcell_type\tassembly\tcontacts\nA\tA\thg38\ta.cool\n"
    )
    config = {"samples": "samples.tsv", "contacts": {"resolutions": [50_000]}}
    config["training"] = {"models": [model], "resolutions": [50_000]}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    command = [target, "--configfile", str(tmp_path / "config.yaml"), "--dry-run"]
    done = snakemake(tmp_path, *command, check=False)
    assert done.returncode
    assert message in done.stdout + done.stderr


def test_every_panel_and_figure_is_a_target_of_every_study(snakemake, tmp_path):
    config = ["--configfile", "config/quickstart/config.yaml"]
    listed = snakemake(tmp_path, *config, "--list-target-rules").stdout.split()
    names = {
        *PANELS,
        *itertools.chain(*PANELS.values()),
        "fig5",
        "fig5a",
        "fig5d",
        "fig5e",
        "figS13",
    }
    assert names <= set(listed)
    assert {f"hiclstm_{name}" for name in names} <= set(listed)


def test_a_file_that_a_sheet_names_and_nothing_makes_is_refused_by_its_row(snakemake, tmp_path):
    sheets = {
        "samples": "sample\tcell_type\tassembly\tcontacts\nA\tA\thg38\tmaps/a.cool\n",
        "labels": "task\tpath\tformat\tkind\tcell_type\tassembly\tcircular\n"
        "CTCF\tpeaks.bed\tbed\tbinary\tA\thg38\tno\n",
        "signals": "signal\tcell_type\tassembly\tpath\nATAC\tA\thg38\tatac.bw\n",
    }
    for name, text in sheets.items():
        (tmp_path / f"{name}.tsv").write_text(text)
    sources = {name: f"{name}.tsv" for name in sheets}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(sources))
    command = ["--configfile", str(tmp_path / "config.yaml")]
    places = {
        "results/qc/A.tsv": "samples.tsv, sample 'A', column contacts: maps/a.cool does not exist",
        "results/signals/A.1000.h5": "signals.tsv, signal 'ATAC', column path: atac.bw does not",
        "results/classification/A.10000.ICE.eig.tsv": "labels.tsv, task 'CTCF', column path: peaks",
    }
    for target, message in places.items():
        done = snakemake(tmp_path, target, *command, "--dry-run", check=False)
        assert done.returncode
        assert message in done.stdout + done.stderr
        (tmp_path / "maps").mkdir(exist_ok=True)
        (tmp_path / "maps" / "a.cool").touch()
    (tmp_path / "maps" / "a.cool").unlink()
    snakemake(tmp_path, "finished", "--report", "results/report.html", *command)
    page = (tmp_path / "results" / "report.html").read_text()
    assert "column contacts: maps/a.cool does not exist" in page
    # What was made of a file stays in use without it, and so does what another rule makes.
    (tmp_path / "results" / "contacts").mkdir()
    (tmp_path / "results" / "contacts" / "A.mcool").touch()
    target = "results/normalized/A.10000.ICE.cool"
    snakemake(tmp_path, target, *command, "--dry-run")
    (tmp_path / "results" / "contacts" / "A.mcool").unlink()
    (tmp_path / "Snakefile").write_text(
        f'configfile: "config.yaml"\nmodule chromloom:\n    snakefile: "{ROOT}/Snakefile"\n'
        "    config: config\nuse rule * from chromloom\n"
        'rule map:\n    output: "maps/a.cool"\n    shell: "touch {output}"\n'
    )
    snakefile = ["--snakefile", str(tmp_path / "Snakefile")]
    assert "rule map:" in snakemake(tmp_path, target, "--dry-run", *snakefile).stdout


def test_the_study_of_the_article_has_its_figures(snakemake, repo_root, tmp_path):
    shutil.copytree(repo_root / "config", tmp_path / "config")
    config = ["--configfile", "config/article/config.yaml", "--dry-run"]
    shown = ("fig3", "fig4", "fig5", "fig6", "fig6a", "fig7", "fig8", "fig8c", "figS13", "tableS3")
    done = snakemake(tmp_path, *shown, *config)
    assert all(f"rule {name}:" in done.stdout for name in shown)


def test_a_study_of_which_nothing_has_run_has_a_report(snakemake, tmp_path):
    config = ["--configfile", "config/quickstart/config.yaml"]
    snakemake(tmp_path, "finished", "--report", "results/report.html", *config)
    page = (tmp_path / "results" / "report.html").read_text()
    assert re.search(r"download\\*_dataset has not run", page)


def test_a_measured_edit_is_a_row_of_the_sample_sheet(snakemake, tmp_path):
    config = ["--configfile", "config/edits/config.yaml"]
    done = snakemake(tmp_path, *config, "--dry-run", "fig7", "fig8c", "fig9")
    assert done.stdout.count("Comparing the edit boundary_deletion") == 2  # of A, and of B_deep
    assert "Fine-tuning hiclstm-refined on B_deep" in done.stdout
    assert "results/figures/hiclstm/fig7d.pdf" in done.stdout


def test_panels_that_compare_are_targets_and_bring_their_variants(snakemake, tmp_path):
    targets = ["fig3b", "fig3e", "fig5e", "figS13", "tableS3", "summarise_seeds"]
    done = snakemake(tmp_path, *DEMO, "--dry-run", "--cores", "2", *targets)
    trained = set(re.findall(r"Training (\S+) on A at", done.stdout))
    sizes = {f"hiclstm-paper-d{size}" for size in (4, 8, 16, 32, 64)}
    variants = {"bidirectional", "no-norm", "dropout", "two-layers"}
    assert trained == {
        "hiclstm-refined", "hiclstm-refined-seed2", "hiclstm-refined-seed3", *sizes,
        *(f"{size}-{variant}" for size in sizes for variant in variants),
    }  # fmt: skip


def test_a_variant_is_asked_for_what_its_model_can(snakemake, tmp_path):
    training = "{models: [one, two], options: {one: {model: hiclstm-released}, two: {model: eig}}}"
    done = snakemake(
        tmp_path, *DEMO, "--dry-run", "--cores", "2", "--config", f"training={training}"
    )
    assert set(re.findall(r"results/attribution/A\.\S+?\.(one|two)\.bw", done.stdout)) == {"one"}
    assert set(re.findall(r"results/perturbation/A\.\S+?\.(one|two)\.screen", done.stdout)) == {
        "two"
    }


def test_a_study_of_vectors_alone_is_planned_with_what_they_can_show(
    snakemake, tmp_path, repo_root
):
    config = yaml.safe_load((repo_root / "config" / "demo" / "config.yaml").read_text())
    del config["predictors"]
    config["training"] = {"models": ["pca"]}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    command = ["--configfile", str(tmp_path / "config.yaml"), "--dry-run"]
    done = snakemake(tmp_path, *command)
    assert "Drawing figure 3" in done.stdout
    assert "Drawing figure 4" in done.stdout
    assert not re.search("Drawing figure 6|perturb_map|knock_out|attribute_bins", done.stdout)
    done = snakemake(tmp_path, "fig6", *command, check=False)
    assert "fig6 has nothing to show in this study" in done.stdout + done.stderr


def test_a_sample_without_contacts_is_not_planned(snakemake, tmp_path):
    sheet = "sample\tcell_type\tassembly\tcontacts\nA\tA\thg38\t-\nB\tB\thg38\tb.cool\n"
    (tmp_path / "samples.tsv").write_text(sheet)
    (tmp_path / "b.cool").touch()
    (tmp_path / "config.yaml").write_text("samples: samples.tsv")
    command = ["--configfile", str(tmp_path / "config.yaml"), "--dry-run"]
    done = snakemake(tmp_path, *command)
    assert "Training hiclstm-refined on B" in done.stdout
    assert not re.search(r"results/\w+/A\.", done.stdout)
    (tmp_path / "samples.tsv").write_text("\n".join(sheet.splitlines()[:2]))
    assert re.search(r"^total +1$", snakemake(tmp_path, *command).stdout, re.MULTILINE)


def test_calls_of_structural_variants_are_planned_as_edits(snakemake, tmp_path):
    lines = ["##fileformat=VCFv4.2", "#CHROM POS ID REF ALT QUAL FILTER INFO"]
    lines += ["20 5000000 Manta:1:2 N <DEL> . PASS END=5400000", "20 9 snv A C . PASS ."]
    (tmp_path / "calls.vcf").write_text("\n".join(lines).replace(" ", "\t") + "\n")
    sheet = "sample\tcell_type\tassembly\tcontacts\nA\tA\thg38\ta.cool\n"
    (tmp_path / "samples.tsv").write_text(sheet)
    (tmp_path / "a.cool").touch()
    (tmp_path / "config.yaml").write_text("{samples: samples.tsv, edits: calls.vcf}")
    done = snakemake(tmp_path, "--configfile", str(tmp_path / "config.yaml"), "--dry-run")
    said = "calls.vcf, A at 10000 bp: 1 edits; 1 records left out (sequence 1)"
    assert (done.stdout + done.stderr).count(said) == 1
    assert "results/perturbation/A.10000.ICE.hiclstm-refined/Manta-1-2/summary.tsv" in done.stdout
    (tmp_path / "edits.bed").write_text("chr77\t5000000\t5400000\tDEL\n")
    command = ["--configfile", str(tmp_path / "config.yaml"), "--config", "edits=edits.bed"]
    done = snakemake(tmp_path, *command, "--dry-run", check=False)
    assert (
        "edits.bed, line 1: chromosome 'chr77' is not in the assembly" in done.stdout + done.stderr
    )


def test_a_panel_without_anything_to_show_says_what_it_needs(snakemake, tmp_path):
    done = snakemake(tmp_path, *DEMO, "--dry-run", "--cores", "2", "fig3c", check=False)
    assert done.returncode
    assert "fig3c has nothing to show: it needs another cell type" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("panel", "message"),
    [
        ("fig4f", "figure 4f compares models; it needs two on the map shown"),
        ("fig6b", "figure 6b shows an attribution; no model of this study has one"),
    ],
)
def test_a_panel_of_models_that_are_not_there_says_what_it_needs(
    snakemake, repo_root, tmp_path, panel, message
):
    sheet = pd.read_csv(repo_root / "config/demo/samples.tsv", sep="\t", comment="#", dtype=str)
    sheet.assign(models="pca").to_csv(tmp_path / "samples.tsv", sep="\t", index=False)
    command = [*DEMO, "--dry-run", "--config", f"samples={tmp_path / 'samples.tsv'}"]
    done = snakemake(tmp_path, f"hiclstm_{panel}", *command, check=False)
    assert done.returncode
    assert message in done.stdout + done.stderr


def test_circular_tasks_are_repeated_without_the_blocks_of_each_fold(snakemake, tmp_path):
    done = snakemake(tmp_path, *DEMO, "--dry-run", "--cores", "2", "fig4g", "figS15")
    folds = set(re.findall(r"without the contacts inside the blocks of fold (\d)", done.stdout))
    assert folds == set("01234")


def test_a_classifier_of_another_map_needs_its_resolution(snakemake, repo_root, tmp_path):
    sheet = pd.read_csv(repo_root / "config/demo/samples.tsv", sep="\t", comment="#", dtype=str)
    sheet["models"], sheet["classify_from"], sheet["resolutions"] = "eig", ["", "A", ""], ""
    sheet.to_csv(tmp_path / "samples.tsv", sep="\t", index=False)
    command = [*DEMO, "--dry-run", "--config", f"samples={tmp_path / 'samples.tsv'}"]
    done = snakemake(tmp_path, "fig4c", *command)
    assert "Classifying bins of A_rep2 by classifiers trained on A" in done.stdout
    sheet["resolutions"], sheet["against"] = ["20000", "", ""], ""
    sheet.to_csv(tmp_path / "samples.tsv", sep="\t", index=False)
    done = snakemake(tmp_path, *command, check=False)
    assert "classify_from 'A' has no map at 10000 bp and ICE" in done.stdout + done.stderr


def test_the_shim_of_the_workflow_folder_is_the_same_workflow(demo, repo_root, tmp_path):
    command = [sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile"]
    command += ["--directory", str(tmp_path), *DEMO, "--dry-run", "--cores", "2"]
    done = subprocess.run(command, cwd=repo_root, check=True, capture_output=True, text=True)
    assert done.stdout.count("train_model") == demo.count("train_model") > 0


def test_a_rule_and_its_script_have_one_name(repo_root):
    scripts = {path.stem for path in (repo_root / "workflow" / "scripts").glob("*.py")}
    named = set()
    for path in (repo_root / "rules").glob("*.smk"):
        for rule in re.split(r"\n *rule ", path.read_text())[1:]:
            name = rule.split(":")[0]
            assert f'"../workflow/scripts/{name}.py"' in rule, name
            named.add(name)
    assert scripts == named


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--config", "trainng={}"], "unknown key 'trainng'; did you mean 'training'?"),
        (["--config", "samples=none.tsv"], "none.tsv does not exist"),
        (["--config", "device=tpu"], "'device': 'tpu' is not one of"),
        (
            ["--config", "perturbation={boundaries: CTCF}", "attribution={domains: ''}"],
            "perturbation.boundaries needs domains",
        ),
        (
            ["--config", "training={models: [hiclstm-refind]}"],
            "model 'hiclstm-refind' is unknown; did you mean 'hiclstm-refined'?",
        ),
        (
            ["--config", "training={models: [sci]}", "contacts={chromosomes: [chr1]}"],
            "model 'sci' reads contacts between chromosomes and only chr1 is kept",
        ),
    ],
)
def test_a_wrong_config_stops_with_one_message(snakemake, tmp_path, change, message):
    done = snakemake(tmp_path, *DEMO, "--dry-run", *change, check=False)
    assert done.returncode
    shown = done.stdout + done.stderr
    assert message in shown
    assert "Traceback" not in shown
    assert not (tmp_path / "results").exists()


def test_the_graph_of_rules_in_the_docs_is_that_of_the_demo(repo_root):
    script = repo_root / "docs" / "build_rulegraph.py"
    graph = runpy.run_path(str(script))["rule_graph"]()
    assert graph.count("-->") > 10
    page = (repo_root / "docs" / "architecture.md").read_text()
    assert page.endswith(graph), "run python docs/build_rulegraph.py"
