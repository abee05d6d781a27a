# The bins x d table of a trained model, in the formats that other tools read.

REPRESENTATIONS = expand(
    "results/representations/{run}.{suffix}",
    run=STUDY.runs,
    suffix=["parquet", "h5ad", "bigwig"],
)


rule export_representations:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
    output:
        parquet="results/representations/{sample}.{resolution}.{norm}.{model}.parquet",
        h5ad="results/representations/{sample}.{resolution}.{norm}.{model}.h5ad",
        bigwig=directory(
            "results/representations/{sample}.{resolution}.{norm}.{model}.bigwig"
        ),
    log:
        "logs/export_representations/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/export_representations/{sample}.{resolution}.{norm}.{model}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        version=VERSIONS["training"],
    message:
        "Exporting representations of {wildcards.sample} by {wildcards.model}"
    script:
        "../workflow/scripts/export_representations.py"
