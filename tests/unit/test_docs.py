"""The documentation says what the code says."""

import importlib
import re
import shlex
import subprocess
import sys

import pytest
import yaml

from chromloom import cli
from chromloom.classification.labels import read_label_sheet
from chromloom.edits.read import read_edits
from chromloom.sheets import check_config, read_sheet
from chromloom.study.figures import PANELS


def test_the_configuration_page_is_the_schemas(repo_root):
    page = repo_root / "docs" / "configuration.md"
    before = page.read_text()
    try:
        subprocess.run([sys.executable, "docs/build_configuration.py"], cwd=repo_root, check=True)
        assert page.read_text() == before, "run python docs/build_configuration.py"
    finally:
        page.write_text(before)


def test_every_row_of_a_table_has_the_cells_of_its_head(repo_root):
    for page in repo_root.glob("docs/*.md"):
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
        for block in re.split(r"\n\s*\n", text):
            lines = block.strip().splitlines()
            first = next(
                (k for k, line in enumerate(lines) if re.match(r"\|[-:|]+\|$", line)), None
            )
            if first is None:
                continue
            cells = [len(re.findall(r"(?<!\\)\|", line)) for line in lines[first - 1 :]]
            assert len(set(cells)) == 1, (page.name, lines[first - 1])


FIGURE_SUFFIXES = ("pdf", "png", "tsv")


def _expand(path):
    """`a.{x,y}` is two paths; wildcards have no comma."""
    found = re.search(r"\{([^{}]*,[^{}]*)\}", path)
    if not found:
        return {path}
    before, after = path[: found.start()], path[found.end() :]
    return {p for item in found[1].split(",") for p in _expand(before + item + after)}


def _rule_outputs(text):
    """Output paths of a rule file, `multiext` written out."""
    paths = set()
    for block in re.findall(r"^ +output:\n(.*?)^ +log:", text, re.DOTALL | re.MULTILINE):
        for prefix, rest in re.findall(r'multiext\(\s*"([^"]+)"(.*?)\)', block, re.DOTALL):
            paths |= {prefix + suffix for suffix in re.findall(r'"([^"]+)"', rest)}
        block = re.sub(r"(multiext|expand)\(.*?\)", "", block, flags=re.DOTALL)
        paths |= set(re.findall(r'"((?:results|resources)/[^"]+)"', block))
    return paths


def _documented_outputs(page):
    headings = re.findall(r"^### (.*)$", page, re.MULTILINE)
    return set().union(*(_expand(p) for line in headings for p in re.findall(r"`([^`]+)`", line)))


def test_paths_of_outputs_are_read_from_rules():
    text = """
rule a:
    output:
        multiext(
            "results/a/{x}/",
            one="one.tsv",
            two="two.bw",
        ),
        report("results/b.png", caption="../report/b.rst"),
        folder=directory("results/c"),
    log:
        "logs/a.log",
"""
    assert _rule_outputs(text) == {
        "results/a/{x}/one.tsv", "results/a/{x}/two.bw", "results/b.png", "results/c",
    }  # fmt: skip
    page = "### `results/{f}.{pdf,png}`\n\ntext `results/other`\n"
    assert _documented_outputs(page) == {"results/{f}.pdf", "results/{f}.png"}


def test_the_outputs_page_has_what_the_rules_write(repo_root):
    rules = set().union(*(_rule_outputs(p.read_text()) for p in repo_root.glob("rules/*.smk")))
    rules |= {
        f"results/figures/hiclstm/{panel}.{suffix}"
        for panels in PANELS.values()
        for panel in panels
        for suffix in FIGURE_SUFFIXES
    }
    documented = _documented_outputs((repo_root / "docs" / "outputs.md").read_text())
    assert rules - documented == set(), "outputs of rules that docs/outputs.md lacks"
    assert documented - rules == set(), "headings of docs/outputs.md that no rule writes"


def _documented_columns(page, heading):
    """Names in the first column of the table below a heading of the outputs page."""
    section = page.split(f"### `{heading}`\n", 1)[1].split("\n### ", 1)[0]
    first = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    return [name for cell in first for name in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize(
    ("heading", "module", "constant"),
    [
        ("results/reconstruction/{run}.tsv", "evaluation.maps", "COLUMNS"),
        ("results/classification/{run}.tsv", "classification.classify", "COLUMNS"),
        ("results/perturbation/{run}/{edit}/summary.tsv", "perturbation.perturb", "TABLE_COLUMNS"),
        ("results/judged/{run}.tsv", "simulate.judge", "COLUMNS"),
    ],
)
def test_the_outputs_page_has_the_columns_of_the_tables(repo_root, heading, module, constant):
    page = (repo_root / "docs" / "outputs.md").read_text()
    heading = heading.replace("{run}", "{sample}.{resolution}.{norm}.{model}")
    columns = getattr(importlib.import_module(f"chromloom.{module}"), constant)
    assert _documented_columns(page, heading) == columns


def _anchors(page):
    """Names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_between_pages_lead_somewhere(repo_root):
    for page in [
        *repo_root.glob("*.md"),
        *repo_root.glob("docs/*.md"),
        *repo_root.glob("config/*.md"),
    ]:
        for target, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", page.read_text()):
            if "://" not in target:
                other = page.parent / target if target else page
                assert other.exists(), f"{page.name} links to {target}"
                assert not anchor or anchor in _anchors(other), f"{page.name}: {target}#{anchor}"


def _run_time_page(repo_root, folder):
    script = repo_root / "docs" / "build_runtime.py"
    return subprocess.run(
        [sys.executable, script, folder, folder / "page.md"], capture_output=True, text=True
    )


def test_the_run_time_page_sums_up_benchmark_files(repo_root, tmp_path):
    columns = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    for rule, seconds, memory, cpu in [
        ("train_model/A", 30.0, 700.0, 50.0),
        ("train_model/B", 10.0, 900.5, 15.0),
        ("train_model/C", 12.0, "-", 16.0),  # Snakemake's mark of a job too short to be measured
        ("fig3", 4.0, 100.0, 1.0),
    ]:
        path = tmp_path / "benchmarks" / f"{rule}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{columns}{seconds}\t0:00:01\t{memory}\t1\t1\t1\t1\t1\t1\t{cpu}\n")
    qc = tmp_path / "results" / "qc" / "A.tsv"
    qc.parent.mkdir(parents=True)
    qc.write_text(
        "sample\tresolution\tchrom\tn_bins\tcontacts\n"
        "A\t10000\tchr1\t3000\t5.0\nA\t10000\tall\t7500\t6002545.0\n"
    )
    run = _run_time_page(repo_root, tmp_path)
    assert run.returncode == 0, run.stderr
    rows = [line for line in (tmp_path / "page.md").read_text().splitlines() if "|" in line]
    assert "| A | 10,000 | 7,500 | 6,002,545 |" in rows
    assert "chr1" not in "".join(rows)
    assert rows[-2:] == [
        "| `train_model` | 3 | 12.0 | 30.0 | 81.0 | 900 |",
        "| `fig3` | 1 | 4.0 | 4.0 | 1.0 | 100 |",
    ]


def test_the_run_time_page_refuses_a_folder_without_a_run(repo_root, tmp_path):
    run = _run_time_page(repo_root, tmp_path)
    assert run.returncode
    assert "no benchmarks" in run.stderr


def test_the_configuration_page_has_the_presets_as_coded(repo_root):
    from chromloom.models.hiclstm.settings import PRESETS, HiCLSTMSettings

    page = (repo_root / "docs" / "configuration.md").read_text()
    table = page.split("## Settings of Hi-C-LSTM")[1]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| [A-Z0-9].*\|$", table, re.MULTILINE)
    presets = [HiCLSTMSettings.from_preset(name) for name in PRESETS]
    assert {name for name, _ in rows} == set(presets[0].to_dict()) - {"preset"}
    for name, cells in rows:
        assert re.findall("`(.*?)`", cells) == [str(p.to_dict()[name]) for p in presets], name


def _blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def test_the_study_of_the_tutorial_is_accepted(repo_root, tmp_path):
    page = (repo_root / "docs" / "tutorial.md").read_text()
    schemas = repo_root / "workflow" / "schemas"
    first, second = map(yaml.safe_load, _blocks(page, "yaml"))
    check_config(dict(first), schemas / "config.schema.yaml")
    config = check_config(first | second, schemas / "config.schema.yaml")
    names = ["samples.tsv", "edits.bed", "labels.tsv", "signals.tsv"]
    for name, text in zip(names, _blocks(page, "text"), strict=True):
        (tmp_path / name).write_text(text)
    sheet = read_sheet(tmp_path / config["samples"], schemas / "samples.schema.yaml", key="sample")
    assert list(sheet.index) == ["liver"]
    kinds = [edit.kind for edit in read_edits(tmp_path / config["edits"])]
    assert kinds == ["deletion", "inversion", "knockout"]
    tasks = read_label_sheet(tmp_path / "labels.tsv", cell_type="liver", must_exist=False)
    assert list(tasks["kind"]) == ["binary", "multiclass"]
    schema = schemas / "signals.schema.yaml"
    signals = read_sheet(tmp_path / config["signals"], schema, key="signal", unique=False)
    assert list(signals.index) == config["predictors"]["from-signals"]["signals"]


def test_the_compound_edits_of_the_faq_are_read(repo_root, tmp_path):
    (text,) = _blocks((repo_root / "docs" / "faq.md").read_text(), "text")
    (tmp_path / "edits.tsv").write_text(text)
    edits = read_edits(tmp_path / "edits.tsv")
    assert [(edit.edit, edit.kind) for edit in edits] == [
        ("case1", "compound"),
        ("case2", "compound"),
    ]


def test_commands_of_the_pages_are_understood(repo_root):
    pages = [path.read_text() for path in (repo_root / "README.md", *repo_root.glob("docs/*.md"))]
    blocks = "\n".join(block for page in pages for block in _blocks(page, "bash"))
    commands = re.findall(r"^chromloom (.*)$", blocks, re.MULTILINE)
    assert len(commands) >= 4
    for command in commands:
        cli._parser().parse_args(shlex.split(command, comments=True))


def _snakemake_commands(path):
    """Commands of Snakemake in a page, in its text and its blocks, or in the comments of a file."""
    text = path.read_text()
    if path.suffix != ".md":
        text = re.sub(r"\s+", " ", " ".join(re.findall(r"^\s*#(.*)$", text, re.MULTILINE)))
    blocks = "\n".join(_blocks(text, "bash"))
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    inline = re.findall(r"`(snakemake [^`]+)`", text)
    return [*inline, *re.findall(r"^(?:run\(\) \{ )?(snakemake [^;\n]*)", blocks, re.MULTILINE)]


def test_commands_of_snakemake_run_as_they_are_written(repo_root):
    places = [*repo_root.glob("*.md"), *repo_root.glob("docs/*.md"), repo_root / "Snakefile"]
    places += [*repo_root.glob("config/**/*.md"), *repo_root.glob("config/**/*.yaml")]
    places += repo_root.glob("rules/*.smk")
    commands = {(p, c) for p in places for c in _snakemake_commands(p)}
    assert len({place for place, _ in commands}) >= 10
    ready = ("--cores", "--profile", "-n", "--dry-run", "--lint", "--unlock", "--report")
    for place, command in commands:
        words = shlex.split(command, comments=True)
        # What is cut short stands for options.
        options = {word for word in words if word.startswith("-")}
        assert options.intersection(ready) or "…" in words, (place, command)
        # --configfile takes every word that follows it, targets too.
        after = words[words.index("--configfile") + 2 :] if "--configfile" in words else []
        assert not after or after[0].startswith("-"), (place, command)


def test_the_page_of_configs_lists_every_study(repo_root):
    folder = repo_root / "config"
    listed = re.findall(r"^\| `([^`]+)`", (folder / "README.md").read_text(), re.MULTILINE)
    studies = {str(path.relative_to(folder)) for path in folder.glob("**/config.yaml")}
    assert studies - set(listed) == set()
    assert all((folder / name).exists() for name in listed)


def test_the_architecture_page_knows_the_rules(repo_root):
    texts = [path.read_text() for path in repo_root.glob("rules/*.smk")]
    rules = {name for text in texts for name in re.findall(r"^ *rule (\w+):", text, re.MULTILINE)}
    table, _, graph = (repo_root / "docs" / "architecture.md").read_text().partition("## Rules")
    missing = {name for name in rules if f"`{name}`" not in table}
    assert missing == set(), "rules that the table of docs/architecture.md lacks"
    drawn = set(re.findall(r"^    (\w+) --> ", graph, re.MULTILINE))
    assert drawn  # tests/workflow/test_plan.py holds the graph to the rules
    assert drawn <= rules, "run python docs/build_rulegraph.py"
