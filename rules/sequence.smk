# Sequences of assemblies: files of users in, one bgzipped FASTA file with its index out.


rule index_sequence:
    input:
        sequence=lambda wildcards: STUDY.sequence(wildcards.assembly),
        assembly=lambda wildcards: STUDY.files_of_assembly(
            STUDY.assembly_called(wildcards.assembly)
        ),
    output:
        fasta="results/sequence/{assembly}.fa.gz",
        fai="results/sequence/{assembly}.fa.gz.fai",
        gzi="results/sequence/{assembly}.fa.gz.gzi",
    log:
        "logs/index_sequence/{assembly}.log",
    benchmark:
        "benchmarks/index_sequence/{assembly}.tsv"
    conda:
        "../envs/hic.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        assembly=lambda wildcards: STUDY.assembly_called(wildcards.assembly),
        length_tolerance=config["contacts"]["length_tolerance"],
        version=VERSIONS["sequence"],
    message:
        "Indexing the sequence of {wildcards.assembly}"
    script:
        "../workflow/scripts/index_sequence.py"
