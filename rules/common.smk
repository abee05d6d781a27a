# The study, wildcards and the few functions that rules ask for inputs or parameters. No rules.
import re
import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import InputFunctionException, WorkflowError
from snakemake.io import is_flagged
from snakemake.iocontainers import Wildcards
from snakemake.logging import logger

# `current_basedir` is this folder also when the workflow is included or used as a module.
ROOT = Path(str(workflow.current_basedir)).parent
sys.path.insert(0, str(ROOT / "workflow"))

from chromloom.errors import ChromloomError
from chromloom.files import link_folders
from chromloom.models.registry import DECODERS
from chromloom.study import Study
from chromloom.versions import VERSIONS


# One training at a time on the local GPU; on a cluster every job asks for its own. Said here and not in
# profiles/default, whose `resources` would replace those of the command line's own profile.
resource_scopes:
    gpu="local",


workflow.global_resources.setdefault("gpu", 1)

try:
    # Files that come with the workflow are named by links in the working directory: Snakemake keeps the names of
    # inputs, and a study has to be the same study where the workflow lies somewhere else.
    shipped = link_folders(ROOT, ["config", "resources"], ".workflow")
    STUDY = Study(config, ROOT, shipped)
except ChromloomError as error:
    raise WorkflowError(str(error)) from None
config.update(STUDY.config)
SAMPLES, FOCUS = STUDY.samples, STUDY.focus
COMPARED_EDITS = [f"results/perturbation/{stem}" for stem in STUDY.compared_edits]
# In the order of their names, whatever that of the config: a parameter in another order is another parameter.
BALANCE = {
    key: value
    for key, value in sorted(config["normalization"].items())
    if key not in ("norms", "cp_a")
}


wildcard_constraints:
    sample="[A-Za-z0-9][A-Za-z0-9_-]*",
    resolution="[0-9]+",
    norm="ICE|KR|VC|VC_SQRT",
    model="[a-z][a-z0-9-]*",
    edit="[A-Za-z0-9][A-Za-z0-9_-]*",
    decoder="|".join(DECODERS),
    origin="[A-Za-z0-9][A-Za-z0-9_-]*",
    fold="[0-9]+",
    seed="[0-9]+",
    cell_type="[A-Za-z0-9][A-Za-z0-9_-]*",
    bin_size="[0-9]+",
    assembly="[A-Za-z0-9][A-Za-z0-9._-]*",


def one_of(values):
    """Constraint of a wildcard to some values; what never matches where there are none."""
    return "|".join(map(re.escape, values)) or "$^"


def needed(paths, message):
    """Input function of a figure that is not made by default, with a message for when it has nothing to show."""

    def check(wildcards):
        if not paths:
            raise WorkflowError(message)
        return paths

    return check


def trans_required(wildcards):
    """Proof that a map has contacts between chromosomes, for the models that read them."""
    reads = STUDY.model(wildcards.model).needs_trans
    return f"results/qc/trans/{wildcards.sample}.tsv" if reads else []


def training_threads(wildcards):
    """Threads that training of a model has a use for."""
    return STUDY.model(wildcards.model).threads


def training_gpus(wildcards):
    """GPUs that training of a model has a use for, where the config allows one."""
    return int(config["device"] != "cpu" and STUDY.model(wildcards.model).gpu)


def memory(base, per_pair):
    """Memory (MB) that a job on one map asks for; again as much at each further attempt.

    `base` is what it takes without data, `per_pair` the bytes for each pair of bins of the longest chromosome
    (measured: docs/scaling.md).
    """

    def mem_mb(wildcards, attempt):
        name = wildcards.get("map") or "{sample}.{resolution}".format(**wildcards)
        sample, resolution = name.split(".")[:2]
        pairs = STUDY.largest_pairs(sample, int(resolution))
        return attempt * round(base + per_pair * pairs / 1e6)

    return mem_mb


def classified_runs(wildcards):
    """Runs of a map whose bins are classified."""
    map = "{sample}.{resolution}.{norm}".format(**wildcards)
    return [str(run) for run in STUDY.classified if run.map == map]


def hic_source(wildcards):
    """The sample's .hic, whose stored vectors are taken where the norm is one of juicer's."""
    source = STUDY.hic_source(wildcards.sample)
    return source if source and wildcards.norm != "ICE" else []


def observed_map(wildcards):
    """Normalised map of the sample; none of one that predictors alone know."""
    map = "{sample}.{resolution}.{norm}".format(**wildcards)
    return f"results/normalized/{map}.cool" if wildcards.sample in STUDY.mapped else []


def predictor(wildcards):
    """The predictor that wildcards speak of: its own, or the model of a run."""
    return STUDY.predictors[
        wildcards.get("predictor", "") or wildcards.get("model", "")
    ]


def genome_of(plan):
    """Sequence that a predictor reads; none where it reads none."""
    name = STUDY.assembly_name(plan.samples[0])
    return f"results/sequence/{name}.fa.gz" if plan.reads_sequence else []


def compared_predictors(wildcards):
    """Predictors that are compared on a map."""
    map = "{sample}.{resolution}.{norm}".format(**wildcards)
    return STUDY.compared_predictors.get(map, [])


def compared_genome(wildcards):
    """Sequence that some of the predictors that are compared on a map read; none where none does."""
    plans = [STUDY.predictors[name] for name in compared_predictors(wildcards)]
    return sorted({genome_of(plan) for plan in plans if plan.reads_sequence})


def control_stores(wildcards):
    """Predictor -> other cell type -> store of the signals that it reads."""
    return {
        name: STUDY.control_stores(STUDY.predictors[name], wildcards.sample)
        for name in compared_predictors(wildcards)
    }


def denoised_model(wildcards):
    """Weights of the model that gives a map with less noise, where it is trained."""
    run = STUDY.denoised_run(
        wildcards.sample, int(wildcards.resolution), wildcards.norm
    )
    return f"results/models/{run}/model.safetensors" if run else []


def against_map(wildcards):
    """Normalised map of the sample that this one's predictions are scored on too."""
    other = SAMPLES.against[wildcards.sample]
    return (
        f"results/normalized/{other}.{wildcards.resolution}.{wildcards.norm}.cool"
        if other
        else []
    )


def map_to_analyse(wildcards):
    """An observed map, or where the name ends in a model's, its predicted one."""
    observed = wildcards.map in STUDY.maps
    stem = f"results/normalized/{wildcards.map}.cool"
    return stem if observed else f"results/predictions/{wildcards.map}.mcool"


def compared(key):
    """Input function of a panel that compares runs: its tables."""

    def paths(wildcards):
        stems = STUDY.agreement_panels.get(wildcards.panel, {"stems": []})["stems"]
        if not stems:
            raise WorkflowError(
                f"{wildcards.panel} has nothing to show: it needs another cell type (fig3c, figS1a, figS1c), "
                "a sample in the column against (fig3b, fig3d, fig3f, figS1b, figS1d) or a model of the sample shown"
            )
        return expand(f"results/reconstruction/{{stem}}.{key}", stem=stems)

    return paths


def quality_scored_on(wildcards):
    """Quality of the map that all lines of a panel of models are scored on."""
    panel = STUDY.agreement_panels.get(wildcards.panel, {"by": ""})
    pairs = panel["scored"] if panel["by"] == "model" else []
    return sorted({f"results/qc/{against}.tsv" for _, against in pairs})


# Reports of unfinished studies. Snakemake's reports need every file that a job of theirs marks for the report.


@cache
def job_of(path):
    """Name of the rule, outputs, inputs and log of the job that makes a file; None for a file that no job makes."""
    makers = [maker for maker in workflow.rules if maker.is_producer(path)]
    for maker in sorted(makers, reverse=True):
        wildcards = Wildcards(fromdict=maker.get_wildcards(path))
        try:
            inputs = list(maker.expand_input(wildcards)[0])
        except (InputFunctionException, WorkflowError):
            continue  # the rule makes no such file in this study
        outputs = list(maker.expand_output(wildcards)[0])
        log = str(next(iter(maker.expand_log(wildcards)), ""))
        return maker.name, outputs, inputs, log


@cache
def unreportable(path):
    """Files that a report of `path` needs and that are not there."""
    job = job_of(path)
    marked = [f for f in (*job[1], *job[2]) if is_flagged(f, "report")] if job else []
    missing = {str(f) for f in (path, *marked) if not Path(f).exists()}
    return missing.union(
        *(unreportable(str(f)) - {str(f)} for f in (job[2] if job else []))
    )


@cache
def reasons(path):
    """Jobs without which a missing file cannot be made, each with what its log says."""
    job = job_of(path)
    if not job:
        return {f"no file {path}"}
    name, _, inputs, log = job
    missing = [str(f) for f in inputs if not Path(f).exists()]
    if missing:
        return set().union(*map(reasons, missing))
    if not Path(log).is_file():
        return {f"{name} has not run"}
    lines = Path(log).read_text(errors="replace").strip().splitlines()
    failed = any(" ERROR " in line for line in lines)
    said = f": {lines[-1].split(' ERROR ')[-1]}" if failed else ""
    state = "failed" if failed else "was not finished"
    return {f"{name} {state} ({log}){said}"}


def finished(wildcards):
    """What is there of a study, to be reported; what is not goes to the front page of the report."""
    asked = list(dict.fromkeys(map(str, rules.all.input)))
    panels = [
        f"results/figures/hiclstm/{panel}.png"
        for panel in sum(FIGURE_PANELS.values(), [])
    ]
    there = [path for path in asked + panels if not unreportable(path)]
    config["missing"] = {}
    for path in set().union(*map(unreportable, asked)):
        for reason in reasons(path):
            # The report reads reStructuredText.
            plain = re.sub(r"([\\*`|_])", r"\\\1", reason)
            config["missing"].setdefault(plain, set()).add(path)
    return there
