# Predicted maps and how well they agree with observed ones.

PREDICTIONS = expand("results/predictions/{run}.mcool", run=MAP_RUNS)


rule predict_map:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
    output:
        mcool="results/predictions/{sample}.{resolution}.{norm}.{model}.mcool",
    log:
        "logs/predict_map/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/predict_map/{sample}.{resolution}.{norm}.{model}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 2
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        max_distance=config["reconstruction"]["max_distance"] or None,
        version=VERSIONS["reconstruction"],
    message:
        "Predicting the map of {wildcards.sample} by {wildcards.model}"
    script:
        "../workflow/scripts/predict_map.py"


rule evaluate_reconstruction:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
        against=against_map,
    output:
        table="results/reconstruction/{sample}.{resolution}.{norm}.{model}.tsv",
        distances="results/reconstruction/{sample}.{resolution}.{norm}.{model}.distances.tsv",
    log:
        "logs/evaluate_reconstruction/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/evaluate_reconstruction/{sample}.{resolution}.{norm}.{model}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 2
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        max_distance=config["reconstruction"]["max_distance"] or None,
        bootstraps=config["reconstruction"]["bootstraps"],
        seed=config["seed"],
        version=VERSIONS["reconstruction"],
    message:
        "Scoring {wildcards.model} on {wildcards.sample}"
    script:
        "../workflow/scripts/evaluate_reconstruction.py"
