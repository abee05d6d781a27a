# chromloom: learn, explain and edit 3D-genome maps. The table of contents; README.md says how to run it.
from snakemake.utils import min_version

min_version("9.0")


# The default study. A study of its own (--configfile) inherits nothing of it, wherever Snakemake is started.
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "rules/common.smk"
include: "rules/download.smk"
include: "rules/simulate.smk"
include: "rules/contacts.smk"
include: "rules/sequence.smk"
include: "rules/signals.smk"
include: "rules/normalize.smk"
include: "rules/training.smk"
include: "rules/predictors.smk"
include: "rules/representations.smk"
include: "rules/analysis.smk"
include: "rules/structure.smk"
include: "rules/reconstruction.smk"
include: "rules/classification.smk"
include: "rules/attribution.smk"
include: "rules/perturbation.smk"
include: "rules/variants.smk"
include: "rules/sequence_analysis.smk"
include: "rules/expression.smk"
include: "rules/chromoformer.smk"
include: "rules/judge.smk"
include: "rules/figures.smk"
include: "rules/comparisons.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        QC_TABLES,
        SIGNALS,
        ANALYSES,
        REPRESENTATIONS,
        PREDICTIONS,
        ATTRIBUTIONS,
        EDITS_LEFT_OUT,
        PERTURBATIONS,
        EDIT_PICTURES,
        PERTURBATION_TRACKS,
        VARIANTS,
        VARIANT_PICTURES,
        UNSEEN,
        EXPRESSION,
        TABLES,
        FIGURES,


# What there is of it, for a report of a study that is not finished: `snakemake --report results/report.html finished`.
rule finished:
    input:
        finished,


# Figures and panels by article and name (`hiclstm_fig3`, `hiclstm_fig3a`); Hi-C-LSTM's also as its article has them (`fig3a`).
for figure, (panels, needs) in FIGURE_PANELS.items():
    for name in (f"hiclstm_{figure}", figure):
        if not workflow.is_rule(name):

            rule:
                name:
                    name
                input:
                    needed(
                        expand(
                            "results/figures/hiclstm/{panel}.{suffix}",
                            panel=panels,
                            suffix=["pdf", "png", "tsv"],
                        ),
                        f"{figure} has nothing to show in this study: it needs {needs}",
                    ),


# The family: every panel that the config gives the means to make, of the first model where a panel shows one.
rule chromoformer:
    input:
        EXPRESSION,
        needed(
            CHROMOFORMER,
            "chromoformer has nothing to show: it needs expression.genes, expression.table and signals",
        ),


# Epiphany's panels (`epiphany_fig2c`); S5 is 2c and S6 is 2e with predictors of both losses.
for panel, shown in {
    **EPIPHANY_PANELS,
    **dict.fromkeys(EPIPHANY_MAPS, STUDY.shown_predictors[1]),
}.items():

    rule:
        name:
            f"epiphany_{panel}"
        input:
            needed(
                expand(
                    f"results/figures/epiphany/{panel}.{{suffix}}",
                    suffix=["pdf", "png", "tsv"] if shown else [],
                ),
                f"epiphany_{panel} has nothing to show in this study; docs/outputs.md says what it needs",
            ),


for panel, drawn in CHROMOFORMER_PANELS.items():

    rule:
        name:
            f"chromoformer_{panel}"
        input:
            needed(
                drawn,
                f"chromoformer_{panel} has nothing to show in this study; docs/outputs.md says what it needs",
            ),


# By name only.
rule loops:
    input:
        needed(
            LOOPS,
            "loops are called in bins of 4 to 28 kb, which no map of this study has: add one to contacts.resolutions and training.resolutions",
        ),


rule higlass:
    input:
        needed(
            VIEWS,
            "higlass shows observed and predicted maps: it needs a model or a predictor that predicts maps",
        ),


rule intervals:
    input:
        needed(
            [f"results/intervals/{run}.tsv" for run in STUDY.calibrated],
            "intervals are calibrated on pairs that were not trained on: predictors, or samples with another map in the column against",
        ),


rule structure:
    input:
        needed(
            expand(
                "results/figures/structure/{map}.{suffix}",
                map=STUDY.analysed,
                suffix=["pdf", "png", "tsv"],
            ),
            "structure draws chromosomes of observed and predicted maps: it needs a sample with contacts",
        ),
