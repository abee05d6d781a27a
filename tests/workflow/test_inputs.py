"""What rules depend on: files as inputs, the code behind them as a version, nothing else unseen."""

import json
import os
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

# Files of a study that names every path that config and sheets have a key for. What is read while
# a study is planned has content.
CONFIG = {
    "samples": "samples.tsv",
    "datasets": "datasets.tsv",
    "labels": "labels.tsv",
    "edits": "edits.bed",
    "signals": "signals.tsv",
    "signal_edits.*.edits": "peaks.bed",
    "analysis.phasing": "gc.bw",
    "expression.genes": "genes.gtf",
    "expression.table": "rpkm.tsv",
    "expression.genes_of.*": "genes_of.gtf",
    "expression.tables.*": "rpkm_of.tsv",
    "expression.interactions.*": "capture.bedpe",
    "expression.added.*.*": "E1.bw",
    "expression.tested.*": "tested.tsv",
    "expression.domains.*": "domains.bed",
    "expression.kinds_of_elements.*": "active.bed",
    "sequences.*": "my.fa",
    "predictors.*.weights": "akita.h5",
    "predictors.*.windows": "windows.bed",
    "sequence_analysis.motifs": "matrices.meme",
    "sequence_analysis.tracks.*": "dnase.bw",
    "sequence_analysis.masked": "sine.bed",
    "training.plugins[]": "toy.py",
    "perturbation.motifs": "motifs.bed",
    "variants.genes": "near.gtf",
    "perturbation.knockouts.*": "sites.bed",
}
COLUMNS = {
    "assembly": "my.chrom.sizes",
    "contacts": "a.hic",
    "cell_labels": "cells.tsv",
    "edits": "own.bed",
}
# Read while the study is planned; what rules use of them are parameters.
SHEETS = {"samples.tsv", "datasets.tsv", "signals.tsv"}
# Parts of what a key names.
PARTS = ["genome/chrom.sizes", "genome/centromeres.bed", "genome/blacklist.bed", "x.bed", "y.bed"]
PARTS += ["one.bw", "two.bw", "three.bw", "four.bw"]
PLUGIN = """
from dataclasses import replace
from chromloom.models.registry import MODELS, register
register("toy", replace(MODELS["pca"], preset="", colour="#123456"))
register("toy-pairs", replace(MODELS["pairs-ridge"], preset="", colour="#123457"))
register("toy-marks", replace(MODELS["marks-ridge"], preset="", colour="#123458"))
"""
SAMPLES = [
    {"sample": "A", "assembly": "my.chrom.sizes", "contacts": "a.hic", "edits": "own.bed"},
    {"sample": "B", "assembly": "genome", "contacts": "b.scool", "cell_labels": "cells.tsv"},
    {"sample": "C", "assembly": "genome", "contacts": "-", "thin_of": "B", "fraction": ".5"},
]
LABELS = """\
task	path	format	kind	cell_type	assembly	circular
X	x.bed	bed	binary	A	my.chrom.sizes	no
Y	y.bed	bed	boundaries	A	my	yes
"""


SIGNALS = """\
signal	cell_type	assembly	path	reference
one	A	my.chrom.sizes	one.bw
one	B	genome	two.bw
two	B	genome	three.bw	D
two	D	genome	four.bw
"""


def keys(schema, path=""):
    """Every key of a schema with its rule; `a[]` are the items of a list, `a.*` any key below."""
    for name, rule in schema["properties"].items():
        yield path + name, rule
        if "properties" in rule:
            yield from keys(rule, f"{path}{name}.")
        below, place = rule, f"{path}{name}"
        while isinstance(below := below.get("additionalProperties"), dict):
            place += ".*"
            yield place, below
            if "properties" in below:
                yield from keys(below, f"{place}.")
        if isinstance(rule.get("items"), dict):
            yield f"{path}{name}[]", rule["items"]


@pytest.fixture(scope="module")
def schemas(repo_root) -> dict[str, dict]:
    folder = repo_root / "workflow" / "schemas"
    return {
        name: dict(keys(yaml.safe_load((folder / f"{name}.schema.yaml").read_text())))
        for name in ("config", "samples", "signals")
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Folder of a study with a file for every path that config and sheets may name."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "genome").mkdir()
    for name in [*CONFIG.values(), *COLUMNS.values(), *PARTS, "b.scool"]:
        (folder / name).touch()
    (folder / "a.hic").write_bytes(b"HIC\0")  # told by content
    lengths = "chr1\t2000000\nchr2\t1000000\n"
    for name in ("my.chrom.sizes", "genome/chrom.sizes"):
        (folder / name).write_text(lengths)
    table = pd.DataFrame(SAMPLES).assign(cell_type=lambda t: t["sample"]).fillna("")
    table.to_csv(folder / "samples.tsv", sep="\t", index=False)
    (folder / "datasets.tsv").write_text("dataset\tfile\nnone\tnone.hic\n")
    (folder / "labels.tsv").write_text(LABELS)
    (folder / "signals.tsv").write_text(SIGNALS)
    (folder / "toy.py").write_text(PLUGIN)
    for name, kind in {"edits.bed": "DEL", "own.bed": "DUP"}.items():
        (folder / name).write_text(f"chr1\t100000\t300000\t{kind}:one\n")
    config = {
        **{key: CONFIG[key] for key in ("samples", "datasets", "labels", "edits", "signals")},
        "signal_edits": {"E": {"of": "A", "edits": "peaks.bed"}},
        "bin_signals": {"quantile_chromosomes": ["chr1"]},
        "normalization": {"norms": ["KR"]},
        "analysis": {"phasing": "gc.bw"},
        "expression": {
            "genes": "genes.gtf",
            "table": "rpkm.tsv",
            "models": ["toy-marks", "chromoformer"],
            "genes_of": {"D": "genes_of.gtf"},
            "tables": {"D": "rpkm_of.tsv"},
            "columns": {"A": "A", "D": "D"},
            "interactions": {"A": "capture.bedpe", "D": "capture.bedpe"},
            "added": {"A": {"E1": "E1.bw"}},
            "screen": ["chromoformer"],
            "tested": {"A": "tested.tsv"},
            "domains": {"A": "domains.bed"},
            "kinds_of_elements": {"active": "active.bed"},
        },
        "sequences": {"my": "my.fa"},
        "predictors": {
            "spelled": {
                "model": "toy-pairs",
                "samples": ["A"],
                "sequence": {"kmers": 2},
                "test": ["chr2"],
            },
            "published": {
                "model": "akita-small",
                "samples": ["A"],
                "weights": "akita.h5",
                "windows": "windows.bed",
            },
        },
        "sequence_analysis": {
            "motifs": "matrices.meme",
            "tracks": {"DNase": "dnase.bw"},
            "masked": "sine.bed",
        },
        "training": {"models": ["hiclstm-refined", "toy"], "plugins": ["toy.py"]},
        "attribution": {"domains": "Y"},
        "perturbation": {
            "motifs": "motifs.bed",
            "knockouts": {"sites": "sites.bed"},
            "boundaries": "X",
            "loops": "Y",
        },
        "variants": {"genes": "near.gtf"},
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def everything(plan, folder) -> dict[str, list[dict]]:
    targets = [
        "all",
        "loops",
        "higlass",
        "intervals",
        "fig4g",
        "figS15",
        "figS13",
        "summarise_seeds",
        "chromoformer",
        "akita_fig1",
        "akita_fig3",
    ]
    found = plan(folder, folder / "config.yaml", *targets)
    for job in found["jobs"]:
        job["input"] = [os.path.relpath(folder / path, folder) for path in job["input"]]
    return found


@pytest.fixture(scope="module")
def rules(everything, plan, tmp_path_factory, repo_root) -> list[dict]:
    """All rules that have a script, those of simulated genomes too."""
    config = repo_root / "config" / "simulated" / "config.yaml"
    simulated = plan(tmp_path_factory.mktemp("simulated"), config)["rules"]
    every = {rule["rule"]: rule for rule in [*everything["rules"], *simulated] if rule["script"]}
    assert len(every) > 40
    return list(every.values())


# Dependencies


def test_every_string_of_the_schemas_says_what_it_is(schemas):
    """So that a new key that names a file is seen to be one."""
    for sheet, rules in schemas.items():
        for key, rule in rules.items():
            if rule.get("type") == "string":
                assert {"enum", "pattern", "format"} & set(rule), f"{sheet}, {key}: add a format"


def test_the_study_of_these_tests_has_every_path(schemas):
    known_signals = {"assembly": "genome", "path": "one.bw"}
    sheets = {"config": CONFIG, "samples": COLUMNS, "signals": known_signals}
    for sheet, known in sheets.items():
        rules = schemas[sheet]
        assert {key for key, rule in rules.items() if rule.get("format") == "path"} == set(known)


def test_every_file_that_config_and_sheets_name_is_an_input(everything):
    inputs = {path for job in everything["jobs"] for path in job["input"]}
    named = {*CONFIG.values(), *COLUMNS.values(), *PARTS}
    assert named - SHEETS <= inputs, named - SHEETS - inputs


def test_no_parameter_is_a_file_that_is_no_input(everything, folder):
    def strings(value):
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict | list):
            for item in value.values() if isinstance(value, dict) else value:
                yield from strings(item)

    seen = set()
    for job in everything["jobs"]:
        for value in strings(job["params"]):
            if not value or not (folder / value).exists():
                continue
            seen.add(value)
            # A folder stands for the files in it.
            inside = any(Path(path).is_relative_to(value) for path in job["input"])
            assert inside, f"{job['rule']}: {value} is a parameter and no input"
    assert {"my.chrom.sizes", "genome", "sites.bed"} <= seen


def test_what_a_rule_reads_of_a_study_is_its_own_input(everything):
    """Rule by rule, so that a file that one rule has as input cannot be lacking in another."""
    wanted = {
        "extract_contacts": {"my.chrom.sizes", "a.hic"},
        "normalize_contacts": {"my.chrom.sizes", "a.hic"},
        "thin_contacts": {"genome/chrom.sizes", "genome/centromeres.bed", "genome/blacklist.bed"},
        "analyse_map": {"gc.bw"},
        "bin_signals": {"genome/blacklist.bed", "two.bw", "results/signals/D.100.h5"},
        "train_model": {"toy.py"},
        "index_sequence": {"my.fa", "my.chrom.sizes"},
        "train_predictor": {"results/sequence/my.fa.gz", "akita.h5"},
        "apply_predictor": {"results/sequence/my.fa.gz", "toy.py"},
        "predict_map": {"results/sequence/my.fa.gz"},
        "evaluate_reconstruction": {"results/sequence/my.fa.gz"},
        "calibrate_intervals": {"results/sequence/my.fa.gz"},
        "build_genes": {"E1.bw", "capture.bedpe"},
        "train_expression": {"toy.py"},
        "classify_bins": {"labels.tsv", "x.bed", "y.bed"},
        "classify_withheld": {"labels.tsv", "x.bed", "y.bed"},
        "read_edits": {"own.bed"},
        "perturb_map": {"labels.tsv", "motifs.bed", "x.bed", "y.bed", "results/sequence/my.fa.gz"},
        "read_variants": {"own.bed"},
        "score_variants": {"motifs.bed", "near.gtf", "results/sequence/my.fa.gz"},
        "annotate_variants": {"own.bed", "labels.tsv", "near.gtf", "x.bed", "y.bed"},
        "draw_variant": {"motifs.bed", "near.gtf", "results/sequence/my.fa.gz"},
        "knock_out_sites": {"sites.bed"},
        "knock_out_boundaries": {"labels.tsv", "x.bed", "y.bed"},
        "rank_elements": {"labels.tsv", "x.bed", "y.bed"},
        "search_xgboost": {"labels.tsv", "x.bed", "y.bed"},
    }
    for rule, files in wanted.items():
        jobs = [set(job["input"]) for job in everything["jobs"] if job["rule"] == rule]
        assert any(files <= inputs for inputs in jobs), (rule, [files - have for have in jobs])


CHANGES = {
    "labels.tsv": {"classify_bins", "perturb_map", "annotate_variants"},
    "my.chrom.sizes": {"extract_contacts", "normalize_contacts"},
    "genome/blacklist.bed": {"thin_contacts", "normalize_contacts"},
}


def test_a_changed_file_makes_again_what_it_was_used_for(snakemake, everything, folder):
    """A finished study, as its files have it, has nothing to do; with a newer input it has."""
    finished = max(path.stat().st_mtime for path in folder.iterdir()) + 10
    for path in (folder / name for job in everything["jobs"] for name in job["output"]):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(exist_ok=True) if path.suffix == ".bigwig" else path.touch()
        os.utime(path, (finished, finished))
    command = ["all", "--configfile", str(folder / "config.yaml"), "--dry-run"]
    command += ["--rerun-triggers", "mtime"]
    assert "Nothing to be done" in snakemake(folder, *command).stdout
    for changed, again in CHANGES.items():
        before = (folder / changed).stat().st_mtime
        os.utime(folder / changed, (finished + 10, finished + 10))
        done = snakemake(folder, *command)
        os.utime(folder / changed, (before, before))
        planned = set(re.findall(r"^(\w+) +\d+$", done.stdout, re.MULTILINE))
        assert again <= planned, changed


def test_memory_follows_the_longest_chromosome_of_the_map(plan, tmp_path):
    (tmp_path / "samples.tsv").write_text(
        "sample\tcell_type\tassembly\tcontacts\tchromosomes\nA\tA\thg19\ta.cool\t\n"
        "B\tA\thg19\ta.cool\tchr21\n"
    )
    (tmp_path / "a.cool").touch()
    config = tmp_path / "config.yaml"
    config.write_text("{samples: samples.tsv, contacts: {resolutions: [10000]}}")
    normalizing = [
        job for job in plan(tmp_path, config)["jobs"] if job["rule"] == "normalize_contacts"
    ]
    asked = {Path(job["output"][0]).name[0]: job["mem_mb"] for job in normalizing}
    assert asked == {"A": 1000 + round(6 * 24_926 * 24_927 / 2e6), "B": 1000 + 70}


# Rules


def test_every_rule_with_a_script_is_complete(rules):
    for rule in rules:
        for directive in ("log", "benchmark", "conda", "message"):
            assert rule[directive], f"{rule['rule']}: no {directive}"
        assert {"mem_mb", "runtime"} <= set(rule["resources"]), rule["rule"]


def test_no_two_rules_write_one_log(rules):
    logs = [path for rule in rules for path in [*rule["log"], rule["benchmark"]]]
    assert len(logs) == len(set(logs))


def test_every_rule_with_a_script_carries_the_version_of_the_code_behind_it(rules):
    lacking = {rule["rule"] for rule in rules if "version" not in rule["params"]}
    # What is downloaded is what its row says, whatever the code: its checksum is in the row.
    assert lacking == {"download_dataset"}
