# Edits of the genome and what they would do to the map, one job per edit.

PERTURBATIONS = [
    f"results/perturbation/{run}/{edit}/summary.tsv"
    for run in STUDY.pair_runs
    for edit in STUDY.edits_of(run.sample, run.resolution)
    if config["perturbation"]["maps"]
]
# What was left out of a file of edits, also where nothing else is left of it.
EDITS_LEFT_OUT = [
    f"results/edits/{sample}.{resolution}.skipped.tsv"
    for sample, resolution in STUDY.edited
]
if workflow.is_main_process:
    for line in STUDY.edit_summaries:
        logger.info(line)

# The screen replaces a bin in its place; "shift" would move all that follow.
SCREEN_METHOD = "zero" if config["perturbation"]["method"] == "zero" else "average"
PERTURBATION_TRACKS = expand(
    "results/perturbation/{run}.screen.bw",
    run=STUDY.screened if config["perturbation"]["screen"] else [],
)


# Pictures of every edit, and beside the map that was measured after it.
EDIT_PICTURES = [
    *(path.replace("summary.tsv", "maps.png") for path in PERTURBATIONS),
    *(f"{stem}.png" for stem in COMPARED_EDITS),
]


rule read_edits:
    input:
        edits=lambda wildcards: STUDY.edits_path(wildcards.sample),
        assembly=lambda wildcards: STUDY.assembly_files(wildcards.sample),
    output:
        edits="results/edits/{sample}.{resolution}.tsv",
        skipped="results/edits/{sample}.{resolution}.skipped.tsv",
    log:
        "logs/read_edits/{sample}.{resolution}.log",
    benchmark:
        "benchmarks/read_edits/{sample}.{resolution}.tsv"
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
        "Reading the edits of {wildcards.sample} at {wildcards.resolution} bp from {input.edits}"
    script:
        "../workflow/scripts/read_edits.py"


rule perturb_map:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
        predictor=STUDY.read_by,
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
        edits="results/edits/{sample}.{resolution}.tsv",
        motifs=STUDY.find_path(config["perturbation"]["motifs"]) or [],
        sheet=STUDY.label_sheet if config["perturbation"]["loops"] else [],
        loops=(
            labels_for(
                "results/perturbation/{sample}.{resolution}.{norm}.{model}/{edit}/summary.tsv"
            )
            if config["perturbation"]["loops"]
            else []
        ),
    output:
        multiext(
            "results/perturbation/{sample}.{resolution}.{norm}.{model}/{edit}/",
            wild_type="wild_type.mcool",
            edited="edited.mcool",
            edited_on_reference="edited_on_reference.mcool",
            difference="difference.mcool",
            lift="lift.tsv",
            summary="summary.tsv",
            virtual_4c="virtual_4c.tsv",
            insulation="insulation.tsv",
            loops="loops.tsv",
            maps="maps.tsv",
        ),
    log:
        "logs/perturb_map/{sample}.{resolution}.{norm}.{model}.{edit}.log",
    benchmark:
        "benchmarks/perturb_map/{sample}.{resolution}.{norm}.{model}.{edit}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        flank=config["perturbation"]["flank"],
        mode=config["perturbation"]["mode"],
        cell_type=lambda wildcards: SAMPLES.cell_type[wildcards.sample],
        loops=config["perturbation"]["loops"],
        device=config["device"],
        version=VERSIONS["perturbation"],
    message:
        "Predicting the edit {wildcards.edit} of {wildcards.sample} by {wildcards.model}"
    script:
        "../workflow/scripts/perturb_map.py"


rule draw_edit:
    input:
        "results/perturbation/{sample}.{resolution}.{norm}.{model}/{edit}/maps.tsv",
    output:
        pdf="results/perturbation/{sample}.{resolution}.{norm}.{model}/{edit}/maps.pdf",
        png=report(
            "results/perturbation/{sample}.{resolution}.{norm}.{model}/{edit}/maps.png",
            caption="../workflow/report/edit.rst",
            category=lambda wildcards: STUDY.page(wildcards.model, "Perturbation"),
            labels={"sample": "{sample}", "model": "{model}", "edit": "{edit}"},
        ),
    log:
        "logs/draw_edit/{sample}.{resolution}.{norm}.{model}.{edit}.log",
    benchmark:
        "benchmarks/draw_edit/{sample}.{resolution}.{norm}.{model}.{edit}.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        version=VERSIONS["plotting"],
    message:
        "Drawing the edit {wildcards.edit} of {wildcards.sample} by {wildcards.model}"
    script:
        "../workflow/scripts/draw_edit.py"


rule compare_edit:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
        predictor=STUDY.read_by,
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
        against="results/normalized/{against}.{resolution}.{norm}.cool",
        edits="results/edits/{sample}.{resolution}.tsv",
        motifs=STUDY.find_path(config["perturbation"]["motifs"]) or [],
    output:
        multiext(
            "results/perturbation/{sample}.{resolution}.{norm}.{model}/{edit}.against.{against}",
            scores=".scores.tsv",
            pairs=".tsv",
        ),
    log:
        "logs/compare_edit/{sample}.{resolution}.{norm}.{model}.{edit}.against.{against}.log",
    benchmark:
        "benchmarks/compare_edit/{sample}.{resolution}.{norm}.{model}.{edit}.against.{against}.tsv"
    wildcard_constraints:
        against=one_of(SAMPLES.index[SAMPLES.edit_of != ""]),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        flank=config["perturbation"]["flank"],
        mode=config["perturbation"]["mode"],
        device=config["device"],
        version=VERSIONS["perturbation"],
    message:
        "Comparing the edit {wildcards.edit} of {wildcards.sample} by {wildcards.model} with {wildcards.against}"
    script:
        "../workflow/scripts/compare_edit.py"


rule draw_measured_edit:
    input:
        multiext(
            "results/perturbation/{sample}.{resolution}.{norm}.{model}/{edit}.against.{against}",
            scores=".scores.tsv",
            pairs=".tsv",
        ),
    output:
        pdf="results/perturbation/{sample}.{resolution}.{norm}.{model}/{edit}.against.{against}.pdf",
        png=report(
            "results/perturbation/{sample}.{resolution}.{norm}.{model}/{edit}.against.{against}.png",
            caption="../workflow/report/compare_edit.rst",
            category="Perturbation",
            labels={"sample": "{sample}", "model": "{model}", "edit": "{edit}"},
        ),
    log:
        "logs/draw_measured_edit/{sample}.{resolution}.{norm}.{model}.{edit}.against.{against}.log",
    benchmark:
        "benchmarks/draw_measured_edit/{sample}.{resolution}.{norm}.{model}.{edit}.against.{against}.tsv"
    wildcard_constraints:
        against=one_of(SAMPLES.index[SAMPLES.edit_of != ""]),
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        version=VERSIONS["plotting"],
    message:
        "Drawing the edit {wildcards.edit} of {wildcards.sample} by {wildcards.model} beside {wildcards.against}"
    script:
        "../workflow/scripts/draw_measured_edit.py"


rule rank_edits:
    input:
        lambda wildcards: expand(
            "results/perturbation/{sample}.{resolution}.{norm}.{model}/{edit}/summary.tsv",
            sample=wildcards.sample,
            resolution=wildcards.resolution,
            norm=wildcards.norm,
            model=STUDY.seeds_of(wildcards.model),
            edit=STUDY.edits_of(wildcards.sample, int(wildcards.resolution)),
        ),
    output:
        "results/perturbation/{sample}.{resolution}.{norm}.{model}.ranking.tsv",
    log:
        "logs/rank_edits/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/rank_edits/{sample}.{resolution}.{norm}.{model}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        version=VERSIONS["perturbation"],
    message:
        "Ranking the edits of {wildcards.sample} by {wildcards.model}"
    script:
        "../workflow/scripts/rank_edits.py"


rule screen_bins:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
    output:
        bigwig="results/perturbation/{sample}.{resolution}.{norm}.{model}.screen.bw",
        table="results/perturbation/{sample}.{resolution}.{norm}.{model}.screen.tsv",
    log:
        "logs/screen_bins/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/screen_bins/{sample}.{resolution}.{norm}.{model}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 2
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        method=SCREEN_METHOD,
        flank=config["perturbation"]["flank"],
        device=config["device"],
        version=VERSIONS["perturbation"],
    message:
        "Knocking out every bin of {wildcards.sample} by {wildcards.model}"
    script:
        "../workflow/scripts/screen_bins.py"


rule knock_out_sites:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
        predictor=STUDY.read_by,
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
        sites=list(STUDY.knockouts.values()),
    output:
        multiext(
            "results/perturbation/{sample}.{resolution}.{norm}.{model}.knockouts/",
            comparison="comparison.tsv",
            distance="distance.tsv",
            pileups="pileups.tsv",
        ),
    log:
        "logs/knock_out_sites/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/knock_out_sites/{sample}.{resolution}.{norm}.{model}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        groups=STUDY.knockouts,
        method=config["perturbation"]["method"],
        mode=config["perturbation"]["mode"],
        max_sites=config["perturbation"]["max_sites"],
        reach=config["perturbation"]["flank"],
        seed=config["seed"],
        device=config["device"],
        version=VERSIONS["perturbation"],
    message:
        "Knocking out {params.groups} in {wildcards.sample} by {wildcards.model}"
    script:
        "../workflow/scripts/knock_out_sites.py"


rule draw_knockouts:
    input:
        multiext(
            "results/perturbation/{sample}.{resolution}.{norm}.{model}.knockouts/",
            comparison="comparison.tsv",
            distance="distance.tsv",
            pileups="pileups.tsv",
        ),
    output:
        multiext(
            "results/perturbation/{sample}.{resolution}.{norm}.{model}.knockouts/",
            "distance.pdf",
            "distance.png",
            "pileups.pdf",
            "pileups.png",
            "ranking.pdf",
        ),
        ranking="results/perturbation/{sample}.{resolution}.{norm}.{model}.knockouts/ranking.png",
    log:
        "logs/draw_knockouts/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/draw_knockouts/{sample}.{resolution}.{norm}.{model}.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        version=VERSIONS["plotting"],
    message:
        "Drawing the knockouts of sites in {wildcards.sample} by {wildcards.model}"
    script:
        "../workflow/scripts/draw_knockouts.py"


rule knock_out_boundaries:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
        predictor=STUDY.read_by,
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
        sheet=STUDY.label_sheet or [],
        labels=labels_for(
            "results/perturbation/{sample}.{resolution}.{norm}.{model}.boundaries.tsv"
        ),
    output:
        multiext(
            "results/perturbation/{sample}.{resolution}.{norm}.{model}.boundaries",
            comparison=".comparison.tsv",
            table=".tsv",
        ),
    log:
        "logs/knock_out_boundaries/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/knock_out_boundaries/{sample}.{resolution}.{norm}.{model}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        cell_type=lambda wildcards: SAMPLES.cell_type[wildcards.sample],
        domains=config["attribution"]["domains"],
        boundaries=config["perturbation"]["boundaries"],
        max_domains=config["perturbation"]["max_sites"],
        seed=config["seed"],
        device=config["device"],
        version=VERSIONS["perturbation"],
    message:
        "Knocking out boundaries of {params.domains} with and without {params.boundaries} in {wildcards.sample}"
    script:
        "../workflow/scripts/knock_out_boundaries.py"
