# Balancing and observed/expected: one file per sample, resolution and norm that every later rule reads.


rule normalize_contacts:
    input:
        mcool="results/contacts/{sample}.mcool",
        source=lambda wildcards: (
            STUDY.hic_vectors(wildcards.sample, wildcards.norm) or []
        ),
        assembly=lambda wildcards: STUDY.assembly_files(wildcards.sample),
    output:
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
        expected="results/normalized/{sample}.{resolution}.{norm}.expected.tsv",
        balancing="results/normalized/{sample}.{resolution}.{norm}.balancing.tsv",
    log:
        "logs/normalize_contacts/{sample}.{resolution}.{norm}.log",
    benchmark:
        "benchmarks/normalize_contacts/{sample}.{resolution}.{norm}.tsv"
    conda:
        "../envs/hic.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_pair=6),
        runtime=120,
    params:
        assembly=lambda wildcards: STUDY.assembly(wildcards.sample),
        chromosomes=lambda wildcards: STUDY.chromosomes(wildcards.sample),
        balance=BALANCE,
        cp_a=config["normalization"]["cp_a"],
        length_tolerance=config["contacts"]["length_tolerance"],
        version=VERSIONS["normalize"],
    message:
        "Normalizing {wildcards.sample} at {wildcards.resolution} bp by {wildcards.norm}"
    script:
        "../workflow/scripts/normalize_contacts.py"
