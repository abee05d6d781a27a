# Labels of bins told from their representations.

CLASSIFIED = [run for run in RUNS if LABELS[SAMPLES.cell_type[run.split(".")[0]]]]


rule classify_bins:
    input:
        parquet="results/representations/{sample}.{resolution}.{norm}.{model}.parquet",
        labels=lambda wildcards: LABELS[SAMPLES.cell_type[wildcards.sample]],
    output:
        table="results/classification/{sample}.{resolution}.{norm}.{model}.tsv",
        details=multiext(
            "results/classification/{sample}.{resolution}.{norm}.{model}/",
            "predictions.parquet",
            "curves.tsv",
            "confusion.tsv",
            "splits.tsv",
        ),
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
        assembly=assembly_name,
        classifiers=config["classification"]["classifiers"],
        protocols=config["classification"]["protocols"],
        folds=config["classification"]["folds"],
        bootstraps=config["reconstruction"]["bootstraps"],
        seed=config["seed"],
        version=VERSIONS["classification"],
    message:
        "Classifying bins of {wildcards.sample} by {wildcards.model}"
    script:
        "../workflow/scripts/classify_bins.py"
