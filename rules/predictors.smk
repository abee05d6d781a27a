# Predictors of maps from signals and sequence: trained on some samples and chromosomes, by fold, and applied to samples.

EPIPHANY_PANELS = STUDY.predictor_panels
# What each is drawn from.
EPIPHANY_TABLES = {
    "fig2b": "distances",
    "fig2c": "insulation",
    "fig2e": "curves",
    "fig3a": "submatrices",
    "fig5a": "distances",
}
EPIPHANY_MAPS = ["fig2a", "fig2d", "fig3b", "figS2"]


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
        more=lambda wildcards: STUDY.application(wildcards.model, wildcards.sample),
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
        curves="results/predictors/{sample}.{resolution}.{norm}.curves.tsv",
        insulation="results/predictors/{sample}.{resolution}.{norm}.insulation.tsv",
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


# What predictors say of the difference between two cell types.
rule compare_cell_types:
    input:
        maps=lambda wildcards: [
            f"results/normalized/{map}.cool" for map in cell_types(wildcards)
        ],
        expected=lambda wildcards: [
            f"results/normalized/{map}.expected.tsv" for map in cell_types(wildcards)
        ],
        runs=lambda wildcards: [
            f"results/models/{map}.{name}/model.safetensors"
            for name in STUDY.compared_cell_types[cell_types(wildcards)]
            for map in cell_types(wildcards)
        ],
        own=lambda wildcards: sorted(
            {
                path
                for run in STUDY.predictor_runs
                if run.map in cell_types(wildcards)
                for path in STUDY.read_by(run)
            }
        ),
    output:
        report(
            "results/predictors/{sample}.{resolution}.{norm}.against.{other}.tsv",
            caption="../workflow/report/epiphany/fig4.rst",
            category="Epiphany",
            labels={"sample": "{sample} against {other}", "kind": "table"},
        ),
    log:
        "logs/compare_cell_types/{sample}.{resolution}.{norm}.against.{other}.log",
    benchmark:
        "benchmarks/compare_cell_types/{sample}.{resolution}.{norm}.against.{other}.tsv"
    wildcard_constraints:
        other=one_of(SAMPLES.index),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        predictors=lambda wildcards: STUDY.compared_cell_types[cell_types(wildcards)],
        bootstraps=config["reconstruction"]["bootstraps"],
        seed=config["seed"],
        version=VERSIONS["predictors"],
    message:
        "Comparing {wildcards.sample} with {wildcards.other} as predictors see them"
    script:
        "../workflow/scripts/compare_cell_types.py"


rule epiphany_fig4:
    input:
        needed(
            [
                f"results/predictors/{one}.against.{other.split('.')[0]}.tsv"
                for one, other in STUDY.compared_cell_types
            ],
            "epiphany_fig4 has nothing to show: it needs a predictor on two samples with contacts, of two cell types",
        ),
    output:
        multiext("results/figures/epiphany/fig4", ".pdf", ".tsv"),
        png=report(
            "results/figures/epiphany/fig4.png",
            caption="../workflow/report/epiphany/fig4.rst",
            category="Epiphany",
            labels={"panel": "fig4"},
        ),
    log:
        "logs/epiphany_fig4.log",
    benchmark:
        "benchmarks/epiphany_fig4.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        pairs=[
            f"{one.split('.')[0]} - {other.split('.')[0]}"
            for one, other in STUDY.compared_cell_types
        ],
        version=VERSIONS["plotting"],
    message:
        "Drawing epiphany_fig4: differences between cell types"
    script:
        "../workflow/scripts/epiphany_fig4.py"


# Regions of the observed map and of those of all its predictors.
rule epiphany_maps:
    input:
        cool=needed(
            (
                [f"results/normalized/{STUDY.shown_predictors[0]}.cool"]
                if STUDY.shown_predictors[1]
                else []
            ),
            "figures 2a, 2d, 3b and S2 of Epiphany have nothing to show: they need predictors on samples with contacts",
        ),
        expected=f"results/normalized/{STUDY.shown_predictors[0]}.expected.tsv",
        predicted=[
            f"results/predictions/{STUDY.shown_predictors[0]}.{name}.mcool"
            for name in STUDY.shown_predictors[1]
        ],
        submatrices=f"results/predictors/{STUDY.shown_predictors[0]}.submatrices.tsv",
    output:
        multiext("results/figures/epiphany/{panel}", ".pdf", ".tsv"),
        png=report(
            "results/figures/epiphany/{panel}.png",
            caption="../workflow/report/epiphany/maps.rst",
            category="Epiphany",
            labels={"panel": "{panel}"},
        ),
    log:
        "logs/epiphany_maps/{panel}.log",
    benchmark:
        "benchmarks/epiphany_maps/{panel}.tsv"
    wildcard_constraints:
        panel=one_of(EPIPHANY_MAPS),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        predictors=STUDY.shown_predictors[1],
        reach=min(
            [
                STUDY.predictors[name].max_distance
                for name in STUDY.shown_predictors[1]
            ],
            default=0,
        ),
        region=config["figures"]["region"],
        version=VERSIONS["plotting"],
    message:
        "Drawing {wildcards.panel} of Epiphany: regions of maps"
    script:
        "../workflow/scripts/epiphany_maps.py"


# What a discriminator takes for an observed map.
rule epiphany_figS3:
    input:
        cool=needed(
            (
                [f"results/normalized/{STUDY.shown_predictors[0]}.cool"]
                if STUDY.judge
                else []
            ),
            "epiphany_figS3 has nothing to show: it needs a predictor with a discriminator (adversarial) on a sample with contacts",
        ),
        expected=f"results/normalized/{STUDY.shown_predictors[0]}.expected.tsv",
        runs=[
            f"results/models/{STUDY.shown_predictors[0]}.{name}/model.safetensors"
            for name in STUDY.shown_predictors[1]
        ],
        own=sorted(
            {
                path
                for run in STUDY.predictor_runs
                if run.map == STUDY.shown_predictors[0]
                for path in STUDY.read_by(run)
            }
        ),
    output:
        multiext("results/figures/epiphany/figS3", ".pdf", ".tsv"),
        png=report(
            "results/figures/epiphany/figS3.png",
            caption="../workflow/report/epiphany/figS3.rst",
            category="Epiphany",
            labels={"panel": "figS3"},
        ),
    log:
        "logs/epiphany_figS3.log",
    benchmark:
        "benchmarks/epiphany_figS3.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        judge=STUDY.judge,
        predictors=STUDY.shown_predictors[1],
        version=VERSIONS["plotting"],
    message:
        "Drawing epiphany_figS3: perceptual scores"
    script:
        "../workflow/scripts/epiphany_figS3.py"


# What edited signals change in the predicted map.
rule epiphany_fig6:
    input:
        before=needed(
            [
                f"results/predictions/{before}.mcool"
                for _, before in STUDY.edited_signals
            ],
            "epiphany_fig6 has nothing to show: it needs signal_edits, and samples of the edited cell type and of that it is of",
        ),
        after=[
            f"results/predictions/{after}.mcool" for after, _ in STUDY.edited_signals
        ],
        edits=[STUDY.edits_of_signals(after) for after, _ in STUDY.edited_signals],
    output:
        multiext("results/figures/epiphany/fig6", ".pdf", ".tsv"),
        png=report(
            "results/figures/epiphany/fig6.png",
            caption="../workflow/report/epiphany/fig6.rst",
            category="Epiphany",
            labels={"panel": "fig6"},
        ),
    log:
        "logs/epiphany_fig6.log",
    benchmark:
        "benchmarks/epiphany_fig6.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        runs=[str(after) for after, _ in STUDY.edited_signals],
        reach=[
            STUDY.predictors[after.model].max_distance
            for after, _ in STUDY.edited_signals
        ],
        version=VERSIONS["plotting"],
    message:
        "Drawing epiphany_fig6: maps after edits of signals"
    script:
        "../workflow/scripts/epiphany_fig6.py"


# The panels of the article that the tables of compared predictors have, each a target by name.
rule epiphany_panels:
    input:
        lambda wildcards: expand(
            "results/predictors/{map}.{table}.tsv",
            map=EPIPHANY_PANELS[wildcards.panel],
            table=EPIPHANY_TABLES[wildcards.panel],
        ),
    output:
        multiext("results/figures/epiphany/{panel}", ".pdf", ".tsv"),
        png=report(
            "results/figures/epiphany/{panel}.png",
            caption="../workflow/report/epiphany/panels.rst",
            category="Epiphany",
            labels={"panel": "{panel}"},
        ),
    log:
        "logs/epiphany_panels/{panel}.log",
    benchmark:
        "benchmarks/epiphany_panels/{panel}.tsv"
    wildcard_constraints:
        panel=one_of(EPIPHANY_TABLES),
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        predictors=lambda wildcards: EPIPHANY_PANELS[wildcards.panel],
        version=VERSIONS["plotting"],
    message:
        "Drawing {wildcards.panel} of Epiphany"
    script:
        "../workflow/scripts/epiphany_panels.py"


ruleorder: apply_predictor > train_model > fine_tune_model
