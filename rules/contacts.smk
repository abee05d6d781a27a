# Maps in any format in; one .mcool per sample out, at every configured resolution, with its QC table.

QC_TABLES = expand("results/qc/{sample}.tsv", sample=STUDY.mapped)


rule extract_contacts:
    input:
        contacts=given(
            lambda wildcards: STUDY.contact_files(wildcards.sample),
            "results/contacts/{sample}.mcool",
        ),
        assembly=lambda wildcards: STUDY.assembly_files(wildcards.sample),
        cell_labels=given(
            lambda wildcards: list(
                filter(None, [STUDY.cell_labels(wildcards.sample)])
            ),
            "results/contacts/{sample}.mcool",
        ),
    output:
        mcool="results/contacts/{sample}.mcool",
        qc=report(
            "results/qc/{sample}.tsv",
            caption="../workflow/report/contacts_qc.rst",
            category="Quality of contacts",
            labels={"sample": "{sample}"},
        ),
    log:
        "logs/extract_contacts/{sample}.log",
    benchmark:
        "benchmarks/extract_contacts/{sample}.tsv"
    wildcard_constraints:
        sample=one_of(STUDY.sources),
    conda:
        "../envs/hic.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        source=lambda wildcards: STUDY.sources[wildcards.sample],
        assembly=lambda wildcards: STUDY.assembly(wildcards.sample),
        resolutions=lambda wildcards: STUDY.resolutions(wildcards.sample),
        chromosomes=lambda wildcards: STUDY.chromosomes(wildcards.sample),
        cell_type=lambda wildcards: STUDY.pooled_cell_type(wildcards.sample),
        source_resolution=config["contacts"]["source_resolution"] or None,
        float_counts=config["contacts"]["float_counts"],
        length_tolerance=config["contacts"]["length_tolerance"],
        norm=lambda wildcards: STUDY.norms(wildcards.sample)[0],
        balance=BALANCE,
        version=VERSIONS["contacts"],
    message:
        "Extracting contacts of {wildcards.sample} at {params.resolutions} bp"
    script:
        "../workflow/scripts/extract_contacts.py"


rule thin_contacts:
    input:
        mcool=lambda wildcards: f"results/contacts/{SAMPLES.thin_of[wildcards.sample]}.mcool",
        assembly=lambda wildcards: STUDY.assembly_files(wildcards.sample),
    output:
        mcool="results/contacts/{sample}.mcool",
        qc=report(
            "results/qc/{sample}.tsv",
            caption="../workflow/report/contacts_qc.rst",
            category="Quality of contacts",
            labels={"sample": "{sample}"},
        ),
    log:
        "logs/thin_contacts/{sample}.log",
    benchmark:
        "benchmarks/thin_contacts/{sample}.tsv"
    wildcard_constraints:
        sample=one_of(SAMPLES.index[SAMPLES.thin_of != ""]),
    conda:
        "../envs/hic.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        fraction=lambda wildcards: float(SAMPLES.fraction[wildcards.sample]),
        complement=lambda wildcards: SAMPLES.part[wildcards.sample] == "rest",
        seed=config["seed"],
        assembly=lambda wildcards: STUDY.assembly(wildcards.sample),
        chromosomes=lambda wildcards: STUDY.chromosomes(wildcards.sample),
        norm=lambda wildcards: STUDY.norms(wildcards.sample)[0],
        balance=BALANCE,
        version=VERSIONS["contacts"],
    message:
        "Thinning {input.mcool} for {wildcards.sample}"
    script:
        "../workflow/scripts/thin_contacts.py"
