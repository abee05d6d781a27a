# What predictors of bases make of single windows of sequence: regions, motifs, deletions, insertions. On request.


rule score_regions:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
        bins="results/models/{sample}.{resolution}.{norm}.{model}/bins.parquet",
        predictor=STUDY.read_by,
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
        tracks=list(STUDY.region_tracks.values()),
        masked=STUDY.masked_elements or [],
    output:
        regions="results/sequence_analysis/{sample}.{resolution}.{norm}.{model}/regions.tsv",
        seams="results/sequence_analysis/{sample}.{resolution}.{norm}.{model}/seams.tsv",
    log:
        "logs/score_regions/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/score_regions/{sample}.{resolution}.{norm}.{model}.tsv"
    wildcard_constraints:
        model=one_of(STUDY.predictors),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        tracks=list(STUDY.region_tracks),
        draws=config["sequence_analysis"]["draws"],
        seed=config["seed"],
        device=config["device"],
        version=VERSIONS["sequence_analysis"],
    message:
        "Scoring regions of {wildcards.sample} by {wildcards.model}"
    script:
        "../workflow/scripts/score_regions.py"


rule mutate_motifs:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
        bins="results/models/{sample}.{resolution}.{norm}.{model}/bins.parquet",
        genome=STUDY.read_by,
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
        motifs=STUDY.dataset_path(config["sequence_analysis"]["motifs"]) or [],
    output:
        windows="results/sequence_analysis/{sample}.{resolution}.{norm}.{model}/motifs.tsv",
        ranked="results/sequence_analysis/{sample}.{resolution}.{norm}.{model}/motifs.ranked.tsv",
        loci="results/sequence_analysis/{sample}.{resolution}.{norm}.{model}/loci.parquet",
    log:
        "logs/mutate_motifs/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/mutate_motifs/{sample}.{resolution}.{norm}.{model}.tsv"
    wildcard_constraints:
        model=one_of(STUDY.predictors),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=720,
    params:
        loci=config["sequence_analysis"]["loci"],
        threshold=config["sequence_analysis"]["motif_threshold"],
        draws=config["sequence_analysis"]["draws"],
        seed=config["seed"],
        device=config["device"],
        version=VERSIONS["sequence_analysis"],
    message:
        "Mutating motifs in the sequence that {wildcards.model} reads"
    script:
        "../workflow/scripts/mutate_motifs.py"


rule saturate_region:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
        bins="results/models/{sample}.{resolution}.{norm}.{model}/bins.parquet",
        genome=STUDY.read_by,
    output:
        table="results/sequence_analysis/{sample}.{resolution}.{norm}.{model}/saturation/{target}.tsv",
        disruption="results/sequence_analysis/{sample}.{resolution}.{norm}.{model}/saturation/{target}.bw",
    log:
        "logs/saturate_region/{sample}.{resolution}.{norm}.{model}.{target}.log",
    benchmark:
        "benchmarks/saturate_region/{sample}.{resolution}.{norm}.{model}.{target}.tsv"
    wildcard_constraints:
        model=one_of(STUDY.predictors),
        target=one_of(config["sequence_analysis"]["saturation"]),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=720,
    params:
        region=lambda wildcards: config["sequence_analysis"]["saturation"][
            wildcards.target
        ],
        device=config["device"],
        version=VERSIONS["sequence_analysis"],
    message:
        "Changing every base of {wildcards.target}"
    script:
        "../workflow/scripts/saturate_region.py"


rule delete_combinations:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
        bins="results/models/{sample}.{resolution}.{norm}.{model}/bins.parquet",
        genome=STUDY.read_by,
    output:
        table="results/sequence_analysis/{sample}.{resolution}.{norm}.{model}/deletions/{target}.tsv",
        maps="results/sequence_analysis/{sample}.{resolution}.{norm}.{model}/deletions/{target}.parquet",
    log:
        "logs/delete_combinations/{sample}.{resolution}.{norm}.{model}.{target}.log",
    benchmark:
        "benchmarks/delete_combinations/{sample}.{resolution}.{norm}.{model}.{target}.tsv"
    wildcard_constraints:
        model=one_of(STUDY.predictors),
        target=one_of(config["sequence_analysis"]["deletions"]),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        regions=lambda wildcards: config["sequence_analysis"]["deletions"][
            wildcards.target
        ],
        device=config["device"],
        version=VERSIONS["sequence_analysis"],
    message:
        "Deleting all sets of regions of {wildcards.target}"
    script:
        "../workflow/scripts/delete_combinations.py"


rule insert_segment:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
        bins="results/models/{sample}.{resolution}.{norm}.{model}/bins.parquet",
        genome=STUDY.read_by,
    output:
        "results/sequence_analysis/{sample}.{resolution}.{norm}.{model}/insertions/{target}.tsv",
    log:
        "logs/insert_segment/{sample}.{resolution}.{norm}.{model}.{target}.log",
    benchmark:
        "benchmarks/insert_segment/{sample}.{resolution}.{norm}.{model}.{target}.tsv"
    wildcard_constraints:
        model=one_of(STUDY.predictors),
        target=one_of(config["sequence_analysis"]["insertions"]),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        insertion=lambda wildcards: config["sequence_analysis"]["insertions"][
            wildcards.target
        ],
        seed=config["seed"],
        device=config["device"],
        version=VERSIONS["sequence_analysis"],
    message:
        "Inserting {wildcards.target} into background sequence"
    script:
        "../workflow/scripts/insert_segment.py"


NO_BASES = (
    "needs a predictor of bases (akita-paper, akita-small) on a sample with contacts"
)


rule akita_fig1:
    input:
        regions=needed(
            expand("results/sequence_analysis/{run}/regions.tsv", run=STUDY.base_runs),
            f"akita_fig1 {NO_BASES}",
        ),
    output:
        multiext("results/figures/akita/fig1", ".pdf", ".tsv"),
        png=report(
            "results/figures/akita/fig1.png",
            caption="../workflow/report/akita/fig1.rst",
            category="Akita",
            labels={"panel": "fig1"},
        ),
    log:
        "logs/akita_fig1.log",
    benchmark:
        "benchmarks/akita_fig1.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        runs=[str(run) for run in STUDY.base_runs],
        version=VERSIONS["plotting"],
    message:
        "Drawing akita_fig1: scores of regions"
    script:
        "../workflow/scripts/akita_fig1.py"


rule akita_fig2:
    input:
        needed(
            [
                f"results/sequence_analysis/{run}/loci.parquet"
                for run in STUDY.base_runs
                if config["sequence_analysis"]["loci"]
            ],
            f"akita_fig2 {NO_BASES}, and regions in sequence_analysis.loci",
        ),
    output:
        multiext("results/figures/akita/fig2", ".pdf", ".tsv"),
        png=report(
            "results/figures/akita/fig2.png",
            caption="../workflow/report/akita/fig2.rst",
            category="Akita",
            labels={"panel": "fig2"},
        ),
    log:
        "logs/akita_fig2.log",
    benchmark:
        "benchmarks/akita_fig2.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        runs=[str(run) for run in STUDY.base_runs],
        version=VERSIONS["plotting"],
    message:
        "Drawing akita_fig2: motifs mutated and turned round"
    script:
        "../workflow/scripts/akita_fig2.py"


rule akita_fig3:
    input:
        ranked=needed(
            expand(
                "results/sequence_analysis/{run}/motifs.ranked.tsv",
                run=STUDY.base_runs,
            ),
            f"akita_fig3 {NO_BASES}",
        ),
        insertions=[
            f"results/sequence_analysis/{run}/insertions/{name}.tsv"
            for run in STUDY.base_runs
            for name in config["sequence_analysis"]["insertions"]
        ],
    output:
        multiext("results/figures/akita/fig3", ".pdf", ".tsv"),
        png=report(
            "results/figures/akita/fig3.png",
            caption="../workflow/report/akita/fig3.rst",
            category="Akita",
            labels={"panel": "fig3"},
        ),
    log:
        "logs/akita_fig3.log",
    benchmark:
        "benchmarks/akita_fig3.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        runs=[str(run) for run in STUDY.base_runs],
        insertions=list(config["sequence_analysis"]["insertions"]),
        version=VERSIONS["plotting"],
    message:
        "Drawing akita_fig3: motifs ranked, and inserted"
    script:
        "../workflow/scripts/akita_fig3.py"


rule akita_figS7:
    input:
        maps=needed(
            [
                f"results/sequence_analysis/{run}/deletions/{name}.parquet"
                for run in STUDY.base_runs
                for name in config["sequence_analysis"]["deletions"]
            ],
            f"akita_figS7 {NO_BASES}, and regions in sequence_analysis.deletions",
        ),
        tables=[
            f"results/sequence_analysis/{run}/deletions/{name}.tsv"
            for run in STUDY.base_runs
            for name in config["sequence_analysis"]["deletions"]
        ],
    output:
        multiext("results/figures/akita/figS7", ".pdf", ".tsv"),
        png=report(
            "results/figures/akita/figS7.png",
            caption="../workflow/report/akita/figS7.rst",
            category="Akita",
            labels={"panel": "figS7"},
        ),
    log:
        "logs/akita_figS7.log",
    benchmark:
        "benchmarks/akita_figS7.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        titles=[
            f"{run} {name}"
            for run in STUDY.base_runs
            for name in config["sequence_analysis"]["deletions"]
        ],
        version=VERSIONS["plotting"],
    message:
        "Drawing akita_figS7: all sets of deletions"
    script:
        "../workflow/scripts/akita_figS7.py"


rule akita_saturation:
    input:
        needed(
            [
                f"results/sequence_analysis/{run}/saturation/{name}.tsv"
                for run in STUDY.base_runs
                for name in config["sequence_analysis"]["saturation"]
            ],
            f"akita_saturation {NO_BASES}, and regions in sequence_analysis.saturation",
        ),
    output:
        multiext("results/figures/akita/saturation", ".pdf", ".tsv"),
        png=report(
            "results/figures/akita/saturation.png",
            caption="../workflow/report/akita/saturation.rst",
            category="Akita",
            labels={"panel": "saturation"},
        ),
    log:
        "logs/akita_saturation.log",
    benchmark:
        "benchmarks/akita_saturation.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        titles=[
            f"{run} {name}"
            for run in STUDY.base_runs
            for name in config["sequence_analysis"]["saturation"]
        ],
        version=VERSIONS["plotting"],
    message:
        "Drawing akita_saturation: every base changed"
    script:
        "../workflow/scripts/akita_saturation.py"
