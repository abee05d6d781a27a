# Genes, their expression, marks and elements in; predicted expression of held-out chromosomes and its scores out.

EXPRESSION = expand(
    "results/expression/{cell_type}.scores.tsv", cell_type=STUDY.expressed
) + expand(
    "results/figures/chromoformer/fig2.{suffix}",
    suffix=["pdf", "png", "tsv"] if STUDY.expressed else [],
)
EXPRESSION += expand(
    "results/expression/differences/{pair}.scores.tsv",
    pair=config["expression"]["differences"],
)
if config["expression"]["screen"]:
    EXPRESSION += expand(
        "results/figures/chromoformer/fig5.{cell_type}.png", cell_type=STUDY.expressed
    )


rule build_genes:
    input:
        genes=lambda wildcards: STUDY.genes_of(wildcards.cell_type)[0],
        table=lambda wildcards: STUDY.genes_of(wildcards.cell_type)[1],
        signals=f"results/signals/{{cell_type}}.{config['expression']['bin_size']}.h5",
        interactions=lambda wildcards: STUDY.interactions_of(wildcards.cell_type)[0]
        or [],
        added=lambda wildcards: list(STUDY.added_to(wildcards.cell_type).values()),
    output:
        table="results/expression/{cell_type}.genes.tsv",
        marks="results/expression/{cell_type}.marks.h5",
        elements="results/expression/{cell_type}.elements.tsv",
    log:
        "logs/build_genes/{cell_type}.log",
    benchmark:
        "benchmarks/build_genes/{cell_type}.tsv"
    wildcard_constraints:
        cell_type=one_of(STUDY.expressed),
    conda:
        "../envs/hic.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        column=lambda wildcards: STUDY.expressed[wildcards.cell_type],
        unit=config["expression"]["unit"],
        transcript=config["expression"]["transcript"],
        signals=config["expression"]["signals"],
        folds=config["expression"]["folds"],
        strength=lambda wildcards: STUDY.interactions_of(wildcards.cell_type)[1],
        min_frequency=config["expression"]["min_frequency"],
        max_elements=config["expression"]["max_elements"],
        max_distance=config["expression"]["max_distance"],
        added=lambda wildcards: list(STUDY.added_to(wildcards.cell_type)),
        version=VERSIONS["expression"],
    message:
        "Gathering genes of {wildcards.cell_type} and the marks around them"
    script:
        "../workflow/scripts/build_genes.py"


rule train_expression:
    input:
        table="results/expression/{cell_type}.genes.tsv",
        marks="results/expression/{cell_type}.marks.h5",
        tables=lambda wildcards: expand(
            "results/expression/{other}.genes.tsv",
            other=STUDY.pooled_with(wildcards.cell_type, wildcards.model),
        ),
        others=lambda wildcards: expand(
            "results/expression/{other}.marks.h5",
            other=STUDY.pooled_with(wildcards.cell_type, wildcards.model),
        ),
        code=lambda wildcards: STUDY.expression_code(wildcards.model),
    output:
        directory("results/expression/{cell_type}.{model}"),
    log:
        "logs/train_expression/{cell_type}.{model}.log",
    benchmark:
        "benchmarks/train_expression/{cell_type}.{model}.tsv"
    wildcard_constraints:
        cell_type=one_of(STUDY.expressed),
        model=one_of(STUDY.expression_trained),
    conda:
        "../envs/torch.yaml"
    threads: lambda wildcards: STUDY.expression_model(wildcards.model).threads
    resources:
        mem_mb=16000,
        runtime=480,
        gpu=lambda wildcards: int(
            config["device"] != "cpu" and STUDY.expression_model(wildcards.model).gpu
        ),
    params:
        training=lambda wildcards: STUDY.expression_training(wildcards.model),
        device=config["device"],
        version=VERSIONS["expression"],
    message:
        "Training {wildcards.model} on genes of {wildcards.cell_type}, fold by fold"
    script:
        "../workflow/scripts/train_expression.py"


rule predict_expression:
    input:
        table="results/expression/{cell_type}.genes.tsv",
        marks="results/expression/{cell_type}.marks.h5",
        model="results/expression/{cell_type}.{model}",
    output:
        "results/expression/{cell_type}.{model}.predictions.tsv",
    log:
        "logs/predict_expression/{cell_type}.{model}.log",
    benchmark:
        "benchmarks/predict_expression/{cell_type}.{model}.tsv"
    wildcard_constraints:
        cell_type=one_of(STUDY.expressed),
        model=one_of(STUDY.expression_trained),
    conda:
        "../envs/torch.yaml"
    threads: 2
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        version=VERSIONS["expression"],
    message:
        "Predicting genes of {wildcards.cell_type} by {wildcards.model}, each by the fold that held it out"
    script:
        "../workflow/scripts/predict_expression.py"


rule evaluate_expression:
    input:
        expand(
            "results/expression/{{cell_type}}.{model}.predictions.tsv",
            model=STUDY.expression_models,
        ),
    output:
        report(
            "results/expression/{cell_type}.scores.tsv",
            caption="../workflow/report/expression.rst",
            category="Expression",
            labels={"cell type": "{cell_type}", "kind": "table"},
        ),
    log:
        "logs/evaluate_expression/{cell_type}.log",
    benchmark:
        "benchmarks/evaluate_expression/{cell_type}.tsv"
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
        "Scoring predicted expression of {wildcards.cell_type}"
    script:
        "../workflow/scripts/evaluate_expression.py"


rule predict_difference:
    input:
        tables=lambda wildcards: expand(
            "results/expression/{cell_type}.genes.tsv",
            cell_type=config["expression"]["differences"][wildcards.pair],
        ),
        marks=lambda wildcards: expand(
            "results/expression/{cell_type}.marks.h5",
            cell_type=config["expression"]["differences"][wildcards.pair],
        ),
        code=lambda wildcards: STUDY.expression_code(wildcards.model),
    output:
        table="results/expression/differences/{pair}.{model}.tsv",
        models=directory("results/expression/differences/{pair}.{model}"),
    log:
        "logs/predict_difference/{pair}.{model}.log",
    benchmark:
        "benchmarks/predict_difference/{pair}.{model}.tsv"
    wildcard_constraints:
        pair=one_of(config["expression"]["differences"]),
        model=one_of(config["expression"]["difference_models"]),
    conda:
        "../envs/torch.yaml"
    threads: lambda wildcards: STUDY.expression_model(wildcards.model).threads
    resources:
        mem_mb=16000,
        runtime=480,
        gpu=lambda wildcards: int(
            config["device"] != "cpu" and STUDY.expression_model(wildcards.model).gpu
        ),
    params:
        training=lambda wildcards: STUDY.expression_training(wildcards.model),
        device=config["device"],
        version=VERSIONS["expression"],
    message:
        "Predicting {wildcards.pair} by {wildcards.model}, fold by fold"
    script:
        "../workflow/scripts/predict_difference.py"


rule evaluate_difference:
    input:
        expand(
            "results/expression/differences/{{pair}}.{model}.tsv",
            model=config["expression"]["difference_models"],
        ),
    output:
        report(
            "results/expression/differences/{pair}.scores.tsv",
            caption="../workflow/report/expression_differences.rst",
            category="Expression",
            labels={"cell type": "{pair}", "kind": "table"},
        ),
    log:
        "logs/evaluate_difference/{pair}.log",
    benchmark:
        "benchmarks/evaluate_difference/{pair}.tsv"
    wildcard_constraints:
        pair=one_of(config["expression"]["differences"]),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        models=config["expression"]["difference_models"],
        bootstraps=config["reconstruction"]["bootstraps"],
        seed=config["seed"],
        version=VERSIONS["expression"],
    message:
        "Scoring predicted changes of {wildcards.pair}"
    script:
        "../workflow/scripts/evaluate_difference.py"


# Every element and every mark taken from every gene, by the models of expression.screen.
rule screen_expression:
    input:
        table="results/expression/{cell_type}.genes.tsv",
        marks="results/expression/{cell_type}.marks.h5",
        elements="results/expression/{cell_type}.elements.tsv",
        models=expand(
            "results/expression/{{cell_type}}.{model}",
            model=config["expression"]["screen"],
        ),
    output:
        screen="results/expression/{cell_type}.screen.tsv",
        signals="results/expression/{cell_type}.screen_signals.tsv",
        impact="results/expression/{cell_type}.impact.tsv",
    log:
        "logs/screen_expression/{cell_type}.log",
    benchmark:
        "benchmarks/screen_expression/{cell_type}.tsv"
    wildcard_constraints:
        cell_type=one_of(STUDY.expressed),
    conda:
        "../envs/torch.yaml"
    threads: 2
    resources:
        mem_mb=16000,
        runtime=240,
    params:
        models=config["expression"]["screen"],
        version=VERSIONS["expression"],
    message:
        "Taking elements and marks from genes of {wildcards.cell_type}"
    script:
        "../workflow/scripts/screen_expression.py"


rule chromoformer_fig2:
    input:
        predictions=expand(
            "results/expression/{cell_type}.{model}.predictions.tsv",
            cell_type=STUDY.expressed,
            model=STUDY.expression_shown,
        ),
        scores=needed(
            expand(
                "results/expression/{cell_type}.scores.tsv", cell_type=STUDY.expressed
            ),
            "chromoformer_fig2 has nothing to show: it needs expression.genes, expression.table and signals",
        ),
    output:
        multiext("results/figures/chromoformer/fig2", ".pdf", ".tsv"),
        png=report(
            "results/figures/chromoformer/fig2.png",
            caption="../workflow/report/chromoformer/fig2.rst",
            category="Chromoformer",
            labels={"panel": "fig2"},
        ),
    log:
        "logs/chromoformer_fig2.log",
    benchmark:
        "benchmarks/chromoformer_fig2.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        cell_types=list(STUDY.expressed),
        model=STUDY.expression_shown,
        version=VERSIONS["plotting"],
    message:
        "Drawing chromoformer_fig2: expression by model"
    script:
        "../workflow/scripts/chromoformer_fig2.py"


rule draw_impact:
    input:
        screen="results/expression/{cell_type}.screen.tsv",
        signals="results/expression/{cell_type}.screen_signals.tsv",
        impact="results/expression/{cell_type}.impact.tsv",
    output:
        multiext("results/figures/chromoformer/fig5.{cell_type}", ".pdf", ".tsv"),
        png=report(
            "results/figures/chromoformer/fig5.{cell_type}.png",
            caption="../workflow/report/chromoformer/fig5.rst",
            category="Chromoformer",
            labels={"panel": "fig5", "cell type": "{cell_type}"},
        ),
    log:
        "logs/draw_impact/{cell_type}.log",
    benchmark:
        "benchmarks/draw_impact/{cell_type}.tsv"
    wildcard_constraints:
        cell_type=one_of(STUDY.expressed),
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        version=VERSIONS["plotting"],
    message:
        "Drawing chromoformer_fig5 of {wildcards.cell_type}: what elements and marks do"
    script:
        "../workflow/scripts/draw_impact.py"
