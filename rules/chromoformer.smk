# Panels of expression that are made on request: sets of genes, attention, attribution, impact, other cell types.

SCREENED = bool(config["expression"]["screen"])
# Of each cell type, model or pair of cell types; targets by name are in the Snakefile.
CHROMOFORMER_PANELS = {
    panel: expand(f"results/figures/chromoformer/{panel}.{{of}}.png", of=shown)
    for panel, shown in {
        "fig3": STUDY.expressed,
        "fig4": expand(
            "{cell_type}.{model}",
            cell_type=STUDY.expressed,
            model=STUDY.attentive[:1],
        ),
        "fig5": STUDY.expressed if SCREENED else [],
        "fig6": config["expression"]["differences"] if SCREENED else [],
        "fig7": STUDY.expressed if SCREENED else [],
    }.items()
}
CHROMOFORMER = sum(CHROMOFORMER_PANELS.values(), []) + expand(
    "results/expression/{cell_type}.{model}.attribution",
    cell_type=STUDY.expressed,
    model=STUDY.attributed_expression[:1],
)
if len(STUDY.expressed) > 1:
    CHROMOFORMER += expand(
        "results/figures/chromoformer/transfer.{model}.png",
        model=config["expression"]["models"][:1],
    )


rule evaluate_strata:
    input:
        predictions=expand(
            "results/expression/{{cell_type}}.{model}.predictions.tsv",
            model=STUDY.expression_models,
        ),
        elements="results/expression/{cell_type}.elements.tsv",
        domains=lambda wildcards: STUDY.find_path(
            config["expression"]["domains"].get(wildcards.cell_type, "")
        )
        or [],
        signals=f"results/signals/{{cell_type}}.{config['expression']['bin_size']}.h5",
    output:
        "results/expression/{cell_type}.strata.tsv",
    log:
        "logs/evaluate_strata/{cell_type}.log",
    benchmark:
        "benchmarks/evaluate_strata/{cell_type}.tsv"
    wildcard_constraints:
        cell_type=one_of(STUDY.expressed),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        models=STUDY.expression_models,
        bootstraps=config["reconstruction"]["bootstraps"],
        seed=config["seed"],
        version=VERSIONS["expression"],
    message:
        "Scoring sets of genes of {wildcards.cell_type}"
    script:
        "../workflow/scripts/evaluate_strata.py"


rule draw_strata:
    input:
        strata="results/expression/{cell_type}.strata.tsv",
        scores="results/expression/{cell_type}.scores.tsv",
        models=expand(
            "results/expression/{{cell_type}}.{model}",
            model=config["expression"]["models"],
        ),
    output:
        multiext("results/figures/chromoformer/fig3.{cell_type}", ".pdf", ".tsv"),
        png=report(
            "results/figures/chromoformer/fig3.{cell_type}.png",
            caption="../workflow/report/chromoformer/fig3.rst",
            category="Chromoformer",
            labels={"panel": "fig3", "cell type": "{cell_type}"},
        ),
    log:
        "logs/draw_strata/{cell_type}.log",
    benchmark:
        "benchmarks/draw_strata/{cell_type}.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        models=config["expression"]["models"],
        version=VERSIONS["plotting"],
    message:
        "Drawing chromoformer_fig3 of {wildcards.cell_type}: windows and sets of genes"
    script:
        "../workflow/scripts/draw_strata.py"


rule attend_genes:
    input:
        table="results/expression/{cell_type}.genes.tsv",
        marks="results/expression/{cell_type}.marks.h5",
        model="results/expression/{cell_type}.{model}",
    output:
        attention="results/expression/{cell_type}.{model}.attention.tsv",
        profile="results/expression/{cell_type}.{model}.profile.tsv",
    log:
        "logs/attend_genes/{cell_type}.{model}.log",
    benchmark:
        "benchmarks/attend_genes/{cell_type}.{model}.tsv"
    wildcard_constraints:
        cell_type=one_of(STUDY.expressed),
        model=one_of(STUDY.attentive),
    conda:
        "../envs/torch.yaml"
    threads: 2
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        version=VERSIONS["expression"],
    message:
        "Averaging the attention of {wildcards.model} at TSSs of {wildcards.cell_type}"
    script:
        "../workflow/scripts/attend_genes.py"


rule draw_attention:
    input:
        attention="results/expression/{cell_type}.{model}.attention.tsv",
        profile="results/expression/{cell_type}.{model}.profile.tsv",
    output:
        multiext(
            "results/figures/chromoformer/fig4.{cell_type}.{model}", ".pdf", ".tsv"
        ),
        png=report(
            "results/figures/chromoformer/fig4.{cell_type}.{model}.png",
            caption="../workflow/report/chromoformer/fig4.rst",
            category="Chromoformer",
            labels={
                "panel": "fig4",
                "cell type": "{cell_type}",
                "model": "{model}",
            },
        ),
    log:
        "logs/draw_attention/{cell_type}.{model}.log",
    benchmark:
        "benchmarks/draw_attention/{cell_type}.{model}.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        version=VERSIONS["plotting"],
    message:
        "Drawing chromoformer_fig4: attention of {wildcards.model} in {wildcards.cell_type}"
    script:
        "../workflow/scripts/draw_attention.py"


# One gene by its id or name: attention of all bins, and its tracks.
rule chromoformer_gene:
    input:
        table="results/expression/{cell_type}.genes.tsv",
        marks="results/expression/{cell_type}.marks.h5",
        model="results/expression/{cell_type}.{model}",
    output:
        multiext(
            "results/figures/chromoformer/genes/{cell_type}.{model}.{gene}",
            ".pdf",
            ".tsv",
        ),
        png=report(
            "results/figures/chromoformer/genes/{cell_type}.{model}.{gene}.png",
            caption="../workflow/report/chromoformer/gene.rst",
            category="Chromoformer",
            labels={
                "panel": "{gene}",
                "cell type": "{cell_type}",
                "model": "{model}",
            },
        ),
    log:
        "logs/chromoformer_gene/{cell_type}.{model}.{gene}.log",
    benchmark:
        "benchmarks/chromoformer_gene/{cell_type}.{model}.{gene}.tsv"
    wildcard_constraints:
        cell_type=one_of(STUDY.expressed),
        model=one_of(STUDY.attentive),
        gene="[A-Za-z0-9][A-Za-z0-9._-]*",
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        version=VERSIONS["expression"],
    message:
        "Drawing what {wildcards.model} looks at in {wildcards.gene} of {wildcards.cell_type}"
    script:
        "../workflow/scripts/chromoformer_gene.py"


rule attribute_genes:
    input:
        table="results/expression/{cell_type}.genes.tsv",
        marks="results/expression/{cell_type}.marks.h5",
        model="results/expression/{cell_type}.{model}",
        signals=f"results/signals/{{cell_type}}.{config['expression']['bin_size']}.h5",
    output:
        directory("results/expression/{cell_type}.{model}.attribution"),
    log:
        "logs/attribute_genes/{cell_type}.{model}.log",
    benchmark:
        "benchmarks/attribute_genes/{cell_type}.{model}.tsv"
    wildcard_constraints:
        cell_type=one_of(STUDY.expressed),
        model=one_of(STUDY.attributed_expression),
    conda:
        "../envs/torch.yaml"
    threads: 2
    resources:
        mem_mb=16000,
        runtime=240,
    params:
        version=VERSIONS["expression"],
    message:
        "Attributing levels of {wildcards.cell_type} by {wildcards.model} to marks"
    script:
        "../workflow/scripts/attribute_genes.py"


rule assess_impact:
    input:
        impact="results/expression/{cell_type}.impact.tsv",
        screen="results/expression/{cell_type}.screen.tsv",
        table="results/expression/{cell_type}.genes.tsv",
        marks="results/expression/{cell_type}.marks.h5",
        elements="results/expression/{cell_type}.elements.tsv",
        signals=f"results/signals/{{cell_type}}.{config['expression']['bin_size']}.h5",
        tested=lambda wildcards: STUDY.find_path(
            config["expression"]["tested"].get(wildcards.cell_type, "")
        )
        or [],
        kinds=[
            STUDY.find_path(path)
            for path in config["expression"]["kinds_of_elements"].values()
        ],
    output:
        tests="results/expression/{cell_type}.impact_tests.tsv",
        marks="results/expression/{cell_type}.impact_marks.tsv",
        counts="results/expression/{cell_type}.impact_counts.tsv",
        tested="results/expression/{cell_type}.tested.tsv",
    log:
        "logs/assess_impact/{cell_type}.log",
    benchmark:
        "benchmarks/assess_impact/{cell_type}.tsv"
    wildcard_constraints:
        cell_type=one_of(STUDY.expressed),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        kinds=list(config["expression"]["kinds_of_elements"]),
        version=VERSIONS["expression"],
    message:
        "Testing the impact of elements in {wildcards.cell_type}"
    script:
        "../workflow/scripts/assess_impact.py"


rule draw_impact_kinds:
    input:
        marks="results/expression/{cell_type}.impact_marks.tsv",
        counts="results/expression/{cell_type}.impact_counts.tsv",
    output:
        multiext("results/figures/chromoformer/fig7.{cell_type}", ".pdf", ".tsv"),
        png=report(
            "results/figures/chromoformer/fig7.{cell_type}.png",
            caption="../workflow/report/chromoformer/fig7.rst",
            category="Chromoformer",
            labels={"panel": "fig7", "cell type": "{cell_type}"},
        ),
    log:
        "logs/draw_impact_kinds/{cell_type}.log",
    benchmark:
        "benchmarks/draw_impact_kinds/{cell_type}.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        kinds=list(config["expression"]["kinds_of_elements"]),
        version=VERSIONS["plotting"],
    message:
        "Drawing chromoformer_fig7 of {wildcards.cell_type}: impact by marks and kinds of elements"
    script:
        "../workflow/scripts/draw_impact_kinds.py"


rule draw_impact_differences:
    input:
        lambda wildcards: expand(
            "results/expression/{cell_type}.impact.tsv",
            cell_type=config["expression"]["differences"][wildcards.pair],
        ),
    output:
        multiext("results/figures/chromoformer/fig6.{pair}", ".pdf", ".tsv"),
        png=report(
            "results/figures/chromoformer/fig6.{pair}.png",
            caption="../workflow/report/chromoformer/fig6.rst",
            category="Chromoformer",
            labels={"panel": "fig6", "pair": "{pair}"},
        ),
    log:
        "logs/draw_impact_differences/{pair}.log",
    benchmark:
        "benchmarks/draw_impact_differences/{pair}.tsv"
    wildcard_constraints:
        pair=one_of(config["expression"]["differences"]),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        version=VERSIONS["plotting"],
    message:
        "Drawing chromoformer_fig6 of {wildcards.pair}: change of impact between cell types"
    script:
        "../workflow/scripts/draw_impact_differences.py"


rule transfer_expression:
    input:
        table="results/expression/{cell_type}.genes.tsv",
        marks="results/expression/{cell_type}.marks.h5",
        model="results/expression/{trained_on}.{model}",
    output:
        "results/expression/transfer/{trained_on}.{model}.{cell_type}.tsv",
    log:
        "logs/transfer_expression/{trained_on}.{model}.{cell_type}.log",
    benchmark:
        "benchmarks/transfer_expression/{trained_on}.{model}.{cell_type}.tsv"
    wildcard_constraints:
        cell_type=one_of(STUDY.expressed),
        trained_on=one_of(STUDY.expressed),
        model=one_of(STUDY.expression_trained),
    conda:
        "../envs/torch.yaml"
    threads: 2
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        unseen=lambda wildcards: STUDY.signal_assembly[wildcards.cell_type]
        != STUDY.signal_assembly[wildcards.trained_on],
        version=VERSIONS["expression"],
    message:
        "Predicting genes of {wildcards.cell_type} by {wildcards.model} of {wildcards.trained_on}"
    script:
        "../workflow/scripts/transfer_expression.py"


rule chromoformer_transfer:
    input:
        needed(
            expand(
                "results/expression/transfer/{trained_on}.{{model}}.{cell_type}.tsv",
                trained_on=STUDY.expressed,
                cell_type=STUDY.expressed,
            ),
            "chromoformer_transfer has nothing to show: it needs expression.genes, expression.table and signals",
        ),
    output:
        multiext("results/figures/chromoformer/transfer.{model}", ".pdf", ".tsv"),
        png=report(
            "results/figures/chromoformer/transfer.{model}.png",
            caption="../workflow/report/chromoformer/transfer.rst",
            category="Chromoformer",
            labels={"panel": "transfer", "model": "{model}"},
        ),
    log:
        "logs/chromoformer_transfer/{model}.log",
    benchmark:
        "benchmarks/chromoformer_transfer/{model}.tsv"
    wildcard_constraints:
        model=one_of(STUDY.expression_trained),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        cell_types=list(STUDY.expressed),
        bootstraps=config["reconstruction"]["bootstraps"],
        seed=config["seed"],
        version=VERSIONS["expression"],
    message:
        "Drawing chromoformer_transfer: {wildcards.model} trained on one cell type, applied to others"
    script:
        "../workflow/scripts/chromoformer_transfer.py"
