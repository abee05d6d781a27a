# One table of what every model says of every variant, beside random ones; what variants hit; VCF out.

VARIANTS = (
    [
        "results/variants/variants.tsv",
        *(f"results/variants/{sample}.hits.tsv" for sample in STUDY.with_variants),
        *(f"results/variants/{sample}.vcf.gz" for sample in STUDY.with_variants),
    ]
    if STUDY.variant_runs
    else []
)


rule read_variants:
    input:
        edits=lambda wildcards: STUDY.edits_path(wildcards.sample),
        assembly=lambda wildcards: STUDY.assembly_files(wildcards.sample),
    output:
        variants="results/variants/{sample}.edits.tsv",
        skipped="results/variants/{sample}.skipped.tsv",
    log:
        "logs/read_variants/{sample}.log",
    benchmark:
        "benchmarks/read_variants/{sample}.tsv"
    conda:
        "../envs/hic.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        assembly=lambda wildcards: STUDY.assembly(wildcards.sample),
        chromosomes=lambda wildcards: STUDY.chromosomes(wildcards.sample),
        options=STUDY.edit_options,
        version=VERSIONS["edits"],
    message:
        "Reading the variants of {wildcards.sample} from {input.edits}"
    script:
        "../workflow/scripts/read_variants.py"


rule score_variants:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
        variants="results/variants/{sample}.edits.tsv",
        genes=STUDY.variant_genes or [],
        motifs=STUDY.find_path(config["perturbation"]["motifs"]) or [],
    output:
        "results/variants/{sample}.{resolution}.{norm}.{model}.tsv",
    log:
        "logs/score_variants/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/score_variants/{sample}.{resolution}.{norm}.{model}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=720,
    params:
        flank=config["variants"]["flank"],
        controls=config["variants"]["controls"],
        mode=config["perturbation"]["mode"],
        seed=config["seed"],
        version=VERSIONS["variants"],
    message:
        "Scoring the variants of {wildcards.sample} by {wildcards.model}"
    script:
        "../workflow/scripts/score_variants.py"


rule join_variants:
    input:
        scores=[f"results/variants/{run}.tsv" for run in STUDY.variant_models],
        skipped=expand(
            "results/variants/{sample}.skipped.tsv", sample=STUDY.with_variants
        ),
    output:
        table=report(
            "results/variants/variants.tsv",
            caption="../workflow/report/variants.rst",
            category="Variants",
            labels={"show": "scores"},
        ),
        skipped=report(
            "results/variants/skipped.tsv",
            caption="../workflow/report/variants.rst",
            category="Variants",
            labels={"show": "left out"},
        ),
    log:
        "logs/join_variants.log",
    benchmark:
        "benchmarks/join_variants.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        models=list(STUDY.variant_models.values()),
        samples=STUDY.with_variants,
        version=VERSIONS["variants"],
    message:
        "Joining the scores of variants by all models"
    script:
        "../workflow/scripts/join_variants.py"


rule annotate_variants:
    input:
        edits=lambda wildcards: STUDY.edits_path(wildcards.sample),
        assembly=lambda wildcards: STUDY.assembly_files(wildcards.sample),
        scores="results/variants/variants.tsv",
        boundaries=lambda wildcards: [
            f"results/analysis/{map}/boundaries.bed"
            for map in STUDY.maps
            if map.split(".")[0] == wildcards.sample
        ][:1],
        genes=STUDY.variant_genes or [],
        sheet=STUDY.label_sheet or [],
        labels=lambda wildcards: STUDY.labels_of(wildcards.sample),
    output:
        hits="results/variants/{sample}.hits.tsv",
        vcf="results/variants/{sample}.vcf.gz",
        index="results/variants/{sample}.vcf.gz.tbi",
    log:
        "logs/annotate_variants/{sample}.log",
    benchmark:
        "benchmarks/annotate_variants/{sample}.tsv"
    conda:
        "../envs/hic.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        assembly=lambda wildcards: STUDY.assembly(wildcards.sample),
        chromosomes=lambda wildcards: STUDY.chromosomes(wildcards.sample),
        cell_type=lambda wildcards: SAMPLES.cell_type[wildcards.sample],
        options=STUDY.edit_options,
        version=VERSIONS["variants"],
    message:
        "Annotating the variants of {wildcards.sample}"
    script:
        "../workflow/scripts/annotate_variants.py"
