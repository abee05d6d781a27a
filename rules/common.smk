# The study, wildcards and the few functions that rules ask for inputs or parameters. No rules.
import re
import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

# `current_basedir` is this folder also when the workflow is included or used as a module.
ROOT = Path(str(workflow.current_basedir)).parent
sys.path.insert(0, str(ROOT / "workflow"))

from chromloom.errors import ChromloomError
from chromloom.files import link_folders
from chromloom.models.registry import DECODERS
from chromloom.study import Study
from chromloom.study.figures import NEEDS
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


class MissingFile(WorkflowError):
    """A file that a sheet names is not there."""


# As a module with a prefix, outputs are not where their rules say.
MOVED = workflow.modifier.modify_path("results") != "results"


@cache
def is_made(path):
    """Whether a rule makes a file; not to be asked before all rules are known."""
    return any(maker.is_producer(path) for maker in workflow.rules)


def given(files, output):
    """Input function: files that rows of a sheet name.

    One that is not there and that no rule makes is refused by its row, unless `output` is there, for which it is read.
    """

    def check(wildcards):
        paths = files(wildcards)
        if not MOVED and not Path(output.format(**wildcards)).exists():
            for path in paths:
                if not (Path(path).exists() or is_made(path)):
                    raise MissingFile(
                        f"{STUDY.named_files[path]}: {path} does not exist; correct the path "
                        f"(relative ones are below {Path.cwd()})"
                    )
        return paths

    return check


def labels_for(output):
    """Input function: files of the labels of a sample's cell type."""
    return given(lambda wildcards: STUDY.labels_of(wildcards.sample), output)


def map_of(wildcards):
    """Name of the map that wildcards speak of."""
    return "{sample}.{resolution}.{norm}".format(**wildcards)


def trans_required(wildcards):
    """Proof that a map has contacts between chromosomes, for the models that read them."""
    reads = STUDY.model(wildcards.model).needs_trans
    return f"results/qc/trans/{wildcards.sample}.tsv" if reads else []


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


def observed_map(wildcards):
    """Normalised map of the sample; none of one that predictors alone know."""
    stem = f"results/normalized/{map_of(wildcards)}"
    return f"{stem}.cool" if wildcards.sample in STUDY.mapped else []


def predictor(wildcards):
    """The predictor that wildcards speak of: its own, or the model of a run."""
    return STUDY.predictors[wildcards.get("predictor") or wildcards.model]


def cell_types(wildcards):
    """The two maps whose difference is compared."""
    return map_of(wildcards), "{other}.{resolution}.{norm}".format(**wildcards)


def compared_predictors(wildcards):
    """Predictors that are compared on a map."""
    return STUDY.compared_predictors.get(map_of(wildcards), [])


def against_map(wildcards):
    """Normalised map of the sample that this one's predictions are scored on too."""
    other = SAMPLES.against[wildcards.sample]
    path = "results/normalized/{other}.{resolution}.{norm}.cool"
    return expand(path, other=other, **wildcards)[0] if other else []


def compared(key):
    """Input function of a panel that compares runs: its tables."""

    def paths(wildcards):
        stems = STUDY.agreement_panels.get(wildcards.panel, {"stems": []})["stems"]
        return needed(
            expand(f"results/reconstruction/{{stem}}.{key}", stem=stems),
            f"{wildcards.panel} has nothing to show: it needs another cell type (fig3c, figS1a, figS1c), "
            "a sample in the column against (fig3b, fig3d, fig3f, figS1b, figS1d) or a model of the sample shown",
        )(wildcards)

    return paths
