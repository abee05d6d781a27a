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
VARIANT_PICTURES = [
    f"results/variants/{map}/{edit.edit}.png"
    for map in dict.fromkeys(run.map for run in STUDY.variant_runs)
    for edit in STUDY.edits[map.split(".")[0]][: config["variants"]["pictures"]]
]
UNSEEN = expand("results/figures/unseen/{run}.png", run=STUDY.unseen)
# The run whose map is drawn beside the observed one.
LOCUS_RUN = STUDY.shown(STUDY.map_runs)[:1]


rule read_variants:
    input:
        edits=lambda wildcards: STUDY.edits_path(wildcards.sample),
        assembly=lambda wildcards: STUDY.assembly_files(wildcards.sample),
        genome=lambda wildcards: STUDY.variant_sequence(wildcards.sample) or [],
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
        reference=config["variants"]["reference"],
        version=VERSIONS["edits"],
    message:
        "Reading the variants of {wildcards.sample} from {input.edits}"
    script:
        "../workflow/scripts/read_variants.py"


rule score_variants:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
        predictor=STUDY.read_by,
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
        variants="results/variants/{sample}.edits.tsv",
        genes=STUDY.variant_genes or [],
        motifs=STUDY.find_path(config["perturbation"]["motifs"]) or [],
        expression=lambda wildcards: STUDY.variant_expression(wildcards.sample)[:1],
        expressed=lambda wildcards: STUDY.variant_expression(wildcards.sample)[1:2],
        signals=lambda wildcards: STUDY.variant_expression(wildcards.sample)[2:],
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
        shifts=config["variants"]["shifts"],
        interactions={
            key: config["expression"][key] for key in ("min_frequency", "max_elements")
        },
        zygosity=config["variants"]["zygosity"],
        mode=config["perturbation"]["mode"],
        seed=config["seed"],
        device=config["device"],
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
        labels=labels_for("results/variants/{sample}.hits.tsv"),
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


rule draw_variant:
    input:
        weights=lambda wildcards: [
            f"results/models/{run}/model.safetensors"
            for run in STUDY.variant_runs
            if run.map == map_of(wildcards)
        ],
        predictors=lambda wildcards: sorted(
            {
                path
                for run in STUDY.variant_runs
                if run.map == map_of(wildcards)
                for path in STUDY.read_by(run)
            }
        ),
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
        variants="results/variants/{sample}.edits.tsv",
        E1="results/analysis/{sample}.{resolution}.{norm}/E1.bw",
        insulation="results/analysis/{sample}.{resolution}.{norm}/insulation.bw",
        signals=lambda wildcards: STUDY.store_to_show(wildcards.sample) or [],
        genes=STUDY.variant_genes or [],
        motifs=STUDY.find_path(config["perturbation"]["motifs"]) or [],
    output:
        pdf="results/variants/{sample}.{resolution}.{norm}/{edit}.pdf",
        png=report(
            "results/variants/{sample}.{resolution}.{norm}/{edit}.png",
            caption="../workflow/report/variant.rst",
            category="Variants",
            labels={"sample": "{sample}", "edit": "{edit}"},
        ),
        tsv="results/variants/{sample}.{resolution}.{norm}/{edit}.tsv",
    log:
        "logs/draw_variant/{sample}.{resolution}.{norm}.{edit}.log",
    benchmark:
        "benchmarks/draw_variant/{sample}.{resolution}.{norm}.{edit}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        models=lambda wildcards, input: [
            Path(path).parent.name.split(".")[-1] for path in input.weights
        ],
        flank=config["variants"]["flank"],
        zygosity=config["variants"]["zygosity"],
        mode=config["perturbation"]["mode"],
        device=config["device"],
        version=VERSIONS["variants"],
    message:
        "Drawing the variant {wildcards.edit} of {wildcards.sample} by all models"
    script:
        "../workflow/scripts/draw_variant.py"


# Any region of the map that figures show, as a target: results/figures/locus/chr21-28000000-30000000.pdf.
rule draw_locus:
    input:
        observed=needed(
            [f"results/normalized/{run.map}.cool" for run in LOCUS_RUN],
            "a locus is drawn of a map with a predicted one beside it; no model of this study predicts maps",
        ),
        predicted=[f"results/predictions/{run}.mcool" for run in LOCUS_RUN],
        E1=[f"results/analysis/{run.map}/E1.bw" for run in LOCUS_RUN],
        insulation=[f"results/analysis/{run.map}/insulation.bw" for run in LOCUS_RUN],
        signals=[
            store for run in LOCUS_RUN if (store := STUDY.store_to_show(run.sample))
        ],
        genes=STUDY.variant_genes or [],
        loops=[
            f"results/analysis/{map}/loops.bedpe"
            for run in LOCUS_RUN
            for map in (run.map, str(run))
            if map in STUDY.searched_for_loops
        ],
    output:
        pdf="results/figures/locus/{region}.pdf",
        png="results/figures/locus/{region}.png",
        tsv="results/figures/locus/{region}.tsv",
    log:
        "logs/draw_locus/{region}.log",
    benchmark:
        "benchmarks/draw_locus/{region}.tsv"
    wildcard_constraints:
        region="[^/]+-[0-9]+-[0-9]+",
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        region=lambda wildcards: "{}:{}-{}".format(*wildcards.region.rsplit("-", 2)),
        width=0,
        version=VERSIONS["plotting"],
    message:
        "Drawing the locus {wildcards.region}"
    script:
        "../workflow/scripts/draw_locus.py"


# The same of a map that was not seen in training, for the page of its system.
use rule draw_locus as draw_unseen with:
    input:
        observed=["results/normalized/{sample}.{resolution}.{norm}.cool"],
        predicted=["results/predictions/{sample}.{resolution}.{norm}.{model}.mcool"],
        E1=["results/analysis/{sample}.{resolution}.{norm}/E1.bw"],
        insulation=["results/analysis/{sample}.{resolution}.{norm}/insulation.bw"],
        signals=lambda wildcards: list(
            filter(None, [STUDY.store_to_show(wildcards.sample)])
        ),
        genes=STUDY.variant_genes or [],
        loops=[],
    output:
        pdf="results/figures/unseen/{sample}.{resolution}.{norm}.{model}.pdf",
        png=report(
            "results/figures/unseen/{sample}.{resolution}.{norm}.{model}.png",
            caption="../workflow/report/unseen.rst",
            category=lambda wildcards: STUDY.page(wildcards.model, "Predicted maps"),
            labels={"sample": "{sample}", "model": "{model}", "panel": "unseen map"},
        ),
        tsv="results/figures/unseen/{sample}.{resolution}.{norm}.{model}.tsv",
    log:
        "logs/draw_unseen/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/draw_unseen/{sample}.{resolution}.{norm}.{model}.tsv"
    wildcard_constraints:
        model=one_of(STUDY.predictors),
    params:
        # What was held out; of folds, every chromosome was by the one that predicts it.
        region=lambda wildcards: (*predictor(wildcards).test, "")[0],
        width=lambda wildcards: min(2 * predictor(wildcards).max_distance, 3_000_000),
        version=VERSIONS["plotting"],
    message:
        "Drawing a map of {wildcards.sample} that {wildcards.model} has not seen"
