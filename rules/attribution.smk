# Which bins the predicted contacts hang on.

ATTRIBUTIONS = expand(
    "results/attribution/{run}.{suffix}", run=RUNS, suffix=["bw", "parquet"]
)


rule attribute_bins:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
    output:
        bigwig="results/attribution/{sample}.{resolution}.{norm}.{model}.bw",
        parquet="results/attribution/{sample}.{resolution}.{norm}.{model}.parquet",
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
        settings=config["attribution"],
        version=VERSIONS["attribution"],
    message:
        "Attributing predicted contacts of {wildcards.sample} by {wildcards.model}"
    script:
        "../workflow/scripts/attribute_bins.py"
