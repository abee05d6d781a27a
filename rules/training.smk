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
