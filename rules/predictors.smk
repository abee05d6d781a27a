# Predictors of maps from signals and sequence: trained on some samples and chromosomes, by fold, and applied to samples.


rule split_chromosomes:
    input:
        assembly=lambda wildcards: STUDY.assembly_files(predictor(wildcards).samples[0]),
        windows=lambda wildcards: predictor(wildcards).windows or [],
    output:
        "results/predictors/{predictor}/splits.tsv",
    log:
        "logs/split_chromosomes/{predictor}.log",
    benchmark:
        "benchmarks/split_chromosomes/{predictor}.tsv"
    wildcard_constraints:
        predictor=one_of(STUDY.predictors),
    conda:
        "../envs/hic.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        assembly=lambda wildcards: STUDY.assembly(predictor(wildcards).samples[0]),
        chromosomes=lambda wildcards: STUDY.learnt_chromosomes(predictor(wildcards)),
        split=lambda wildcards: predictor(wildcards).split,
        version=VERSIONS["predictors"],
    message:
        "Splitting chromosomes for {wildcards.predictor}"
    script:
        "../workflow/scripts/split_chromosomes.py"


# What predictors of bases learn from, which training reads window by window.
rule write_base_targets:
    input:
        splits="results/predictors/{predictor}/splits.tsv",
        maps=lambda wildcards: STUDY.predictor_maps(predictor(wildcards)),
        expected=lambda wildcards: STUDY.predictor_maps(
            predictor(wildcards), "expected.tsv"
        ),
        genome=lambda wildcards: STUDY.genome_of(predictor(wildcards).name),
    output:
        "results/predictors/{predictor}/{fold}.targets.h5",
    log:
        "logs/write_base_targets/{predictor}.{fold}.log",
    benchmark:
        "benchmarks/write_base_targets/{predictor}.{fold}.tsv"
    wildcard_constraints:
        predictor=one_of(STUDY.base_predictors),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        model=lambda wildcards: predictor(wildcards).model,
        options=lambda wildcards: STUDY.target_options(predictor(wildcards)),
        version=VERSIONS["predictors"],
    message:
        "Writing the targets of fold {wildcards.fold} of {wildcards.predictor}"
    script:
        "../workflow/scripts/write_base_targets.py"


rule train_predictor:
    input:
        splits="results/predictors/{predictor}/splits.tsv",
        maps=lambda wildcards: STUDY.predictor_maps(predictor(wildcards)),
        expected=lambda wildcards: STUDY.predictor_maps(
            predictor(wildcards), "expected.tsv"
        ),
        stores=lambda wildcards: [
            f"results/signals/{STUDY.store_of(predictor(wildcards), sample)}.h5"
            for sample in predictor(wildcards).samples
            if predictor(wildcards).signals
        ],
        genome=lambda wildcards: STUDY.genome_of(predictor(wildcards).name) or [],
        targets=branch(
            lambda wildcards: wildcards.predictor in STUDY.base_predictors,
            then="results/predictors/{predictor}/{fold}.targets.h5",
        ),
        code=lambda wildcards: STUDY.model_code(wildcards.predictor),
        published=lambda wildcards: predictor(wildcards).weights or [],
    output:
        multiext(
            "results/predictors/{predictor}/{fold}/",
            weights="model.safetensors",
            config="config.json",
            splits="splits.tsv",
            inputs="inputs.json",
            history="history.tsv",
        ),
    log:
        "logs/train_predictor/{predictor}.{fold}.log",
    benchmark:
        "benchmarks/train_predictor/{predictor}.{fold}.tsv"
    wildcard_constraints:
        predictor=one_of(STUDY.predictors),
    conda:
        "../envs/torch.yaml"
    threads: lambda wildcards: STUDY.model(wildcards.predictor).threads
    resources:
        mem_mb=16000,
        runtime=720,
        gpu=lambda wildcards: int(
            config["device"] != "cpu" and STUDY.model(wildcards.predictor).gpu
        ),
    params:
        model=lambda wildcards: predictor(wildcards).model,
        options=lambda wildcards: predictor(wildcards).options,
        seed=lambda wildcards: predictor(wildcards).seed,
        signals=lambda wildcards: list(predictor(wildcards).signals),
        sequence=lambda wildcards: predictor(wildcards).sequence,
        max_distance=lambda wildcards: predictor(wildcards).max_distance,
        device=config["device"],
        resume="results/.resume/predictors/{predictor}.{fold}",
        version=VERSIONS["predictors"],
    message:
        "Training fold {wildcards.fold} of {wildcards.predictor}"
    script:
        "../workflow/scripts/train_predictor.py"


# A predictor applied to a sample is what a trained model is: all that reads models reads it, too.
rule apply_predictor:
    input:
        weights=lambda wildcards: expand(
            "results/predictors/{predictor}/{fold}/model.safetensors",
            predictor=wildcards.model,
            fold=predictor(wildcards).folds,
        ),
        splits=lambda wildcards: expand(
            "results/predictors/{predictor}/{fold}/splits.tsv",
            predictor=wildcards.model,
            fold=predictor(wildcards).folds,
        ),
        store=lambda wildcards: (
            f"results/signals/{STUDY.store_of(predictor(wildcards), wildcards.sample)}.h5"
            if predictor(wildcards).signals
            else []
        ),
        genome=lambda wildcards: STUDY.genome_of(predictor(wildcards).name) or [],
        code=lambda wildcards: STUDY.model_code(wildcards.model),
        assembly=lambda wildcards: STUDY.assembly_files(wildcards.sample),
    output:
        multiext(
            "results/models/{sample}.{resolution}.{norm}.{model}/",
            weights="model.safetensors",
            config="config.json",
            bins="bins.parquet",
        ),
    log:
        "logs/apply_predictor/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/apply_predictor/{sample}.{resolution}.{norm}.{model}.tsv"
    wildcard_constraints:
        model=one_of(STUDY.predictors),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        model=lambda wildcards: predictor(wildcards).model,
        assembly=lambda wildcards: STUDY.assembly(wildcards.sample),
        chromosomes=lambda wildcards: STUDY.chromosomes(wildcards.sample),
        version=VERSIONS["predictors"],
    message:
        "Applying {wildcards.model} to {wildcards.sample}"
    script:
        "../workflow/scripts/apply_predictor.py"


# All predictors on what none of them has seen of a map, each with the signals of other cell types as a control.
rule evaluate_predictors:
    input:
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
        expected="results/normalized/{sample}.{resolution}.{norm}.expected.tsv",
        runs=lambda wildcards: expand(
            "results/models/{map}.{model}/model.safetensors",
            map=map_of(wildcards),
            model=compared_predictors(wildcards),
        ),
        folds=lambda wildcards: [
            f"results/predictors/{name}/{fold}/model.safetensors"
            for name in compared_predictors(wildcards)
            for fold in STUDY.predictors[name].folds
        ],
        stores=lambda wildcards: [
            f"results/signals/{store}.h5"
            for store in sorted(
                {
                    store
                    for own in STUDY.compared_controls(map_of(wildcards)).values()
                    for store in own.values()
                }
            )
        ],
        genome=lambda wildcards: sorted(
            {*filter(None, map(STUDY.genome_of, compared_predictors(wildcards)))}
        ),
        own=lambda wildcards: sorted(
            {
                path
                for run in STUDY.predictor_runs
                if run.map == map_of(wildcards)
                and run.model in compared_predictors(wildcards)
                for path in STUDY.read_by(run)
            }
        ),
        denoised=lambda wildcards: STUDY.denoised_model(map_of(wildcards)) or [],
        assembly=lambda wildcards: STUDY.assembly_files(wildcards.sample),
    output:
        scores=report(
            "results/predictors/{sample}.{resolution}.{norm}.scores.tsv",
            caption="../workflow/report/predictors.rst",
            category="Epiphany",
            labels={"sample": "{sample}", "kind": "table"},
        ),
        distances="results/predictors/{sample}.{resolution}.{norm}.distances.tsv",
        submatrices="results/predictors/{sample}.{resolution}.{norm}.submatrices.tsv",
    log:
        "logs/evaluate_predictors/{sample}.{resolution}.{norm}.log",
    benchmark:
        "benchmarks/evaluate_predictors/{sample}.{resolution}.{norm}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        predictors=compared_predictors,
        folds=lambda wildcards: {
            name: STUDY.predictors[name].folds
            for name in compared_predictors(wildcards)
        },
        controls=lambda wildcards: STUDY.compared_controls(map_of(wildcards)),
        assembly=lambda wildcards: STUDY.assembly(wildcards.sample),
        bootstraps=config["reconstruction"]["bootstraps"],
        seed=config["seed"],
        version=VERSIONS["predictors"],
    message:
        "Comparing predictors on {wildcards.sample}"
    script:
        "../workflow/scripts/evaluate_predictors.py"


rule epiphany_fig2:
    input:
        scores=needed(
            expand(
                "results/predictors/{map}.scores.tsv", map=STUDY.compared_predictors
            ),
            "epiphany_fig2 has nothing to show: it needs predictors on samples with contacts",
        ),
        distances=expand(
            "results/predictors/{map}.distances.tsv", map=STUDY.compared_predictors
        ),
        submatrices=expand(
            "results/predictors/{map}.submatrices.tsv", map=STUDY.compared_predictors
        ),
    output:
        multiext("results/figures/epiphany/fig2", ".pdf", ".tsv"),
        png=report(
            "results/figures/epiphany/fig2.png",
            caption="../workflow/report/epiphany/fig2.rst",
            category="Epiphany",
            labels={"panel": "fig2"},
        ),
    log:
        "logs/epiphany_fig2.log",
    benchmark:
        "benchmarks/epiphany_fig2.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        maps=list(STUDY.compared_predictors),
        version=VERSIONS["plotting"],
    message:
        "Drawing epiphany_fig2: maps predicted from signals"
    script:
        "../workflow/scripts/epiphany_fig2.py"


ruleorder: apply_predictor > train_model > fine_tune_model
