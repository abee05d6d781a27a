# Predicted maps and how well they agree with observed ones.

PREDICTIONS = expand("results/predictions/{run}.mcool", run=STUDY.predicted_runs)


rule predict_map:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
        cool=observed_map,
        predictor=STUDY.read_by,
    output:
        mcool="results/predictions/{sample}.{resolution}.{norm}.{model}.mcool",
    log:
        "logs/predict_map/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/predict_map/{sample}.{resolution}.{norm}.{model}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
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
        predictor=STUDY.read_by,
    output:
        table="results/reconstruction/{sample}.{resolution}.{norm}.{model}.tsv",
        distances="results/reconstruction/{sample}.{resolution}.{norm}.{model}.distances.tsv",
    log:
        "logs/evaluate_reconstruction/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/evaluate_reconstruction/{sample}.{resolution}.{norm}.{model}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
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


rule train_decoder:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
    output:
        multiext(
            "results/models/{sample}.{resolution}.{norm}.{model}/decoders/{decoder}/",
            weights="model.safetensors",
            config="config.json",
            bins="bins.parquet",
            expected="expected.tsv",
            history="history.tsv",
        ),
    log:
        "logs/train_decoder/{sample}.{resolution}.{norm}.{model}.{decoder}.log",
    benchmark:
        "benchmarks/train_decoder/{sample}.{resolution}.{norm}.{model}.{decoder}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 8
    resources:
        mem_mb=16000,
        runtime=720,
        gpu=0 if config["device"] == "cpu" else 1,
    params:
        variant=config["reconstruction"]["decoder_variant"],
        seed=config["seed"],
        device=config["device"],
        resume="results/.resume/{sample}.{resolution}.{norm}.{model}.{decoder}",
        version=VERSIONS["training"],
    message:
        "Training the {wildcards.decoder} decoder of {wildcards.model} on {wildcards.sample}"
    script:
        "../workflow/scripts/train_decoder.py"


use rule evaluate_reconstruction as evaluate_decoder with:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/decoders/{decoder}/model.safetensors",
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
        against=against_map,
    output:
        table="results/reconstruction/{sample}.{resolution}.{norm}.{model}.{decoder}.tsv",
        distances="results/reconstruction/{sample}.{resolution}.{norm}.{model}.{decoder}.distances.tsv",
    log:
        "logs/evaluate_decoder/{sample}.{resolution}.{norm}.{model}.{decoder}.log",
    benchmark:
        "benchmarks/evaluate_decoder/{sample}.{resolution}.{norm}.{model}.{decoder}.tsv"
    message:
        "Scoring the {wildcards.decoder} decoder of {wildcards.model} on {wildcards.sample}"


# The article's second experiment: vectors of one map, decoders trained on its replicate.
use rule train_decoder as train_replicate_decoder with:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
        cool=against_map,
    output:
        multiext(
            "results/models/{sample}.{resolution}.{norm}.{model}/decoders/{decoder}-replicate/",
            weights="model.safetensors",
            config="config.json",
            bins="bins.parquet",
            expected="expected.tsv",
            history="history.tsv",
        ),
    log:
        "logs/train_replicate_decoder/{sample}.{resolution}.{norm}.{model}.{decoder}.log",
    benchmark:
        "benchmarks/train_replicate_decoder/{sample}.{resolution}.{norm}.{model}.{decoder}.tsv"
    params:
        variant=config["reconstruction"]["decoder_variant"],
        seed=config["seed"],
        device=config["device"],
        resume="results/.resume/{sample}.{resolution}.{norm}.{model}.{decoder}-replicate",
        version=VERSIONS["training"],
    message:
        "Training the {wildcards.decoder} decoder of {wildcards.model} on the replicate of {wildcards.sample}"


use rule evaluate_decoder as evaluate_replicate_decoder with:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/decoders/{decoder}-replicate/model.safetensors",
        cool=against_map,
    output:
        table="results/reconstruction/{sample}.{resolution}.{norm}.{model}.{decoder}-replicate.tsv",
        distances="results/reconstruction/{sample}.{resolution}.{norm}.{model}.{decoder}-replicate.distances.tsv",
    log:
        "logs/evaluate_replicate_decoder/{sample}.{resolution}.{norm}.{model}.{decoder}.log",
    benchmark:
        "benchmarks/evaluate_replicate_decoder/{sample}.{resolution}.{norm}.{model}.{decoder}.tsv"
    message:
        "Scoring the {wildcards.decoder} decoder of {wildcards.model} on the replicate of {wildcards.sample}"


rule calibrate_intervals:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
        against=against_map,
        predictor=STUDY.read_by,
    output:
        table="results/intervals/{sample}.{resolution}.{norm}.{model}.tsv",
        scores="results/intervals/{sample}.{resolution}.{norm}.{model}.scores.tsv",
        width="results/intervals/{sample}.{resolution}.{norm}.{model}.width.mcool",
    log:
        "logs/calibrate_intervals/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/calibrate_intervals/{sample}.{resolution}.{norm}.{model}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        seed=config["seed"],
        version=VERSIONS["reconstruction"],
    message:
        "Calibrating intervals of the map of {wildcards.sample} by {wildcards.model}"
    script:
        "../workflow/scripts/calibrate_intervals.py"
