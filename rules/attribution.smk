# Which bins the predicted contacts hang on.

ATTRIBUTIONS = expand(
    "results/attribution/{run}.{suffix}", run=STUDY.attributed, suffix=["bw", "parquet"]
)

ATTRIBUTIONS += expand("results/attribution/{target}", target=STUDY.signal_attributions)


rule attribute_bins:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
    output:
        track="results/attribution/{sample}.{resolution}.{norm}.{model}.bw",
        normalised="results/attribution/{sample}.{resolution}.{norm}.{model}.normalised.bw",
        raw="results/attribution/{sample}.{resolution}.{norm}.{model}.raw.bw",
        parquet="results/attribution/{sample}.{resolution}.{norm}.{model}.parquet",
        completeness="results/attribution/{sample}.{resolution}.{norm}.{model}.completeness.tsv",
    log:
        "logs/attribute_bins/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/attribute_bins/{sample}.{resolution}.{norm}.{model}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 2
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        baseline=config["attribution"]["baseline"],
        min_distance=config["attribution"]["min_distance"],
        max_distance=config["attribution"]["max_distance"] or None,
        squared=config["attribution"]["squared"],
        tolerance=config["attribution"]["tolerance"],
        device=config["device"],
        version=VERSIONS["attribution"],
    message:
        "Attributing predicted contacts of {wildcards.sample} by {wildcards.model}"
    script:
        "../workflow/scripts/attribute_bins.py"


# Elements are the labels that single bins have or lack.
rule rank_elements:
    input:
        attribution="results/attribution/{sample}.{resolution}.{norm}.{model}.parquet",
        sheet=STUDY.label_sheet or [],
        labels=labels_for(
            "results/attribution/{sample}.{resolution}.{norm}.{model}.elements"
        ),
    output:
        multiext(
            "results/attribution/{sample}.{resolution}.{norm}.{model}.elements/",
            ranking="ranking.tsv",
            comparisons="comparisons.tsv",
            profile="profile.tsv",
            values="values.parquet",
        ),
    log:
        "logs/rank_elements/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/rank_elements/{sample}.{resolution}.{norm}.{model}.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        cell_type=lambda wildcards: SAMPLES.cell_type[wildcards.sample],
        domains=config["attribution"]["domains"],
        column=config["attribution"]["column"],
        comparisons=config["attribution"]["comparisons"],
        seed=config["seed"],
        version=VERSIONS["attribution"],
    message:
        "Ranking elements of {wildcards.sample} by their attribution by {wildcards.model}"
    script:
        "../workflow/scripts/rank_elements.py"


# Which signals the predicted contacts of a predictor hang on.
rule attribute_signals:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
        bins="results/models/{sample}.{resolution}.{norm}.{model}/bins.parquet",
        predictor=STUDY.read_by,
        observed=observed_map,
    output:
        directory(
            "results/attribution/{sample}.{resolution}.{norm}.{model}.signals/{target}"
        ),
    log:
        "logs/attribute_signals/{sample}.{resolution}.{norm}.{model}.{target}.log",
    benchmark:
        "benchmarks/attribute_signals/{sample}.{resolution}.{norm}.{model}.{target}.tsv"
    wildcard_constraints:
        model=one_of(STUDY.predictors),
        target=one_of(STUDY.attribution_targets),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        regions=lambda wildcards: STUDY.attribution_targets[wildcards.target],
        method=config["attribution"]["method"],
        steps=config["attribution"]["steps"],
        version=VERSIONS["attribution"],
    message:
        "Attributing {wildcards.target} of {wildcards.sample} by {wildcards.model} to signals"
    script:
        "../workflow/scripts/attribute_signals.py"
