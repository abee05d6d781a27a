# One model a sample, resolution, norm and preset.


rule train_model:
    input:
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
        expected="results/normalized/{sample}.{resolution}.{norm}.expected.tsv",
    output:
        multiext(
            "results/models/{sample}.{resolution}.{norm}.{model}/",
            weights="model.safetensors",
            config="config.json",
            bins="bins.parquet",
            expected="expected.tsv",
            history="history.tsv",
        ),
    log:
        "logs/train_model/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/train_model/{sample}.{resolution}.{norm}.{model}.tsv"
    wildcard_constraints:
        sample=one_of(s for s in SAMPLES.index if not SAMPLES.fine_tune_of[s]),
    conda:
        "../envs/torch.yaml"
    threads: 8
    resources:
        mem_mb=16000,
        runtime=720,
        gpu=0 if config["device"] == "cpu" else 1,
    params:
        options=lambda wildcards: config["training"]["options"].get(wildcards.model, {}),
        seed=config["seed"],
        device=config["device"],
        # Outside the declared outputs, which Snakemake wipes when a job starts: a killed run goes on from here.
        resume="results/.resume/{sample}.{resolution}.{norm}.{model}",
        version=VERSIONS["training"],
    message:
        "Training {wildcards.model} on {wildcards.sample} at {wildcards.resolution} bp"
    script:
        "../workflow/scripts/train_model.py"


rule fine_tune_model:
    input:
        weights=lambda wildcards: expand(
            "results/models/{origin}.{resolution}.{norm}.{model}/model.safetensors",
            origin=SAMPLES.fine_tune_of[wildcards.sample],
            **wildcards,
        ),
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
        expected="results/normalized/{sample}.{resolution}.{norm}.expected.tsv",
    output:
        multiext(
            "results/models/{sample}.{resolution}.{norm}.{model}/",
            weights="model.safetensors",
            config="config.json",
            bins="bins.parquet",
            expected="expected.tsv",
            history="history.tsv",
        ),
    log:
        "logs/fine_tune_model/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/fine_tune_model/{sample}.{resolution}.{norm}.{model}.tsv"
    wildcard_constraints:
        sample=one_of(s for s in SAMPLES.index if SAMPLES.fine_tune_of[s]),
    conda:
        "../envs/torch.yaml"
    threads: 8
    resources:
        mem_mb=16000,
        runtime=720,
        gpu=0 if config["device"] == "cpu" else 1,
    params:
        region=lambda wildcards: SAMPLES.fine_tune_region[wildcards.sample],
        seed=config["seed"],
        device=config["device"],
        resume="results/.resume/{sample}.{resolution}.{norm}.{model}",
        version=VERSIONS["training"],
    message:
        "Fine-tuning {wildcards.model} on {wildcards.sample} at {wildcards.resolution} bp"
    script:
        "../workflow/scripts/fine_tune_model.py"
