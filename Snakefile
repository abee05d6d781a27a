# chromloom: learn, explain and edit 3D-genome maps. The table of contents; README.md says how to run it.
from snakemake.utils import min_version

min_version("9.0")


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "rules/common.smk"
include: "rules/download.smk"
include: "rules/simulate.smk"
include: "rules/contacts.smk"
include: "rules/normalize.smk"
include: "rules/training.smk"
include: "rules/representations.smk"
include: "rules/analysis.smk"
include: "rules/reconstruction.smk"
include: "rules/classification.smk"
include: "rules/attribution.smk"
include: "rules/perturbation.smk"
include: "rules/judge.smk"
include: "rules/figures.smk"
include: "rules/comparisons.smk"


rule all:
    default_target: True
    input:
        QC_TABLES,
        ANALYSES,
        REPRESENTATIONS,
        PREDICTIONS,
        ATTRIBUTIONS,
        PERTURBATIONS,
        PERTURBATION_TRACKS,
        TABLES,
        FIGURES,


# Every panel by its name, beside those that are rules of their own.
for panel in [*sum(PANELS.values(), []), *AGREEMENT]:
    if not workflow.is_rule(panel):

        rule:
            name:
                panel
            input:
                expand(
                    "results/figures/{panel}.{suffix}",
                    panel=panel,
                    suffix=["pdf", "png", "tsv"],
                ),


# By name only: `snakemake loops`, `snakemake higlass`.
rule loops:
    input:
        LOOPS,


rule higlass:
    input:
        VIEWS,
