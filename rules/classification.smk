# Labels of bins told from their representations.



rule classify_bins:
    input:
        parquet="results/representations/{sample}.{resolution}.{norm}.{model}.parquet",
        labels=label_files,
    output:
        table="results/classification/{sample}.{resolution}.{norm}.{model}.tsv",
        curves="results/classification/{sample}.{resolution}.{norm}.{model}.curves.tsv",
        confusion="results/classification/{sample}.{resolution}.{norm}.{model}.confusion.tsv",
    log:
        "logs/classify_bins/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/classify_bins/{sample}.{resolution}.{norm}.{model}.tsv"
    conda:
        "../envs/ml.yaml"
    threads: 2
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        sheet=find_path(config["labels"]),
        cell_type=lambda wildcards: SAMPLES.cell_type[wildcards.sample],
        assembly=assembly_of,
        settings=config["classification"],
        seed=config["seed"],
        version=VERSIONS["classification"],
    message:
        "Classifying bins of {wildcards.sample} by {wildcards.model}"
    script:
        "../workflow/scripts/classify_bins.py"
