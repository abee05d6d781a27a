# Files of the table of data sets, fetched to resources/downloads.


rule download_dataset:
    output:
        "resources/downloads/{file}",
    log:
        "logs/download_dataset/{file}.log",
    benchmark:
        "benchmarks/download_dataset/{file}.tsv"
    wildcard_constraints:
        file="[A-Za-z0-9][A-Za-z0-9._-]*",
    retries: 2
    conda:
        "../envs/hic.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=240,
    params:
        dataset=lambda wildcards: STUDY.dataset_of_file(wildcards.file),
    message:
        "Downloading {wildcards.file}"
    script:
        "../workflow/scripts/download_dataset.py"
