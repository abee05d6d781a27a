# Chromosomes as chains in three dimensions, fitted to observed and predicted maps; made on request.


rule fit_structure:
    input:
        cool=lambda wildcards: STUDY.map_path(wildcards.map),
    output:
        coordinates="results/structure/{map}.parquet",
        scores="results/structure/{map}.scores.tsv",
        molecules=directory("results/structure/{map}.molecules"),
    log:
        "logs/fit_structure/{map}.log",
    benchmark:
        "benchmarks/fit_structure/{map}.tsv"
    wildcard_constraints:
        map=one_of(STUDY.analysed),
    conda:
        "../envs/hic.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        column=lambda wildcards: "value" if wildcards.map in STUDY.maps else "count",
        exponent=config["structure"]["exponent"],
        max_bins=config["structure"]["max_bins"],
        version=VERSIONS["structure"],
    message:
        "Fitting chains to the chromosomes of {wildcards.map}"
    script:
        "../workflow/scripts/fit_structure.py"


rule draw_structure:
    input:
        coordinates="results/structure/{map}.parquet",
        scores="results/structure/{map}.scores.tsv",
    output:
        pdf="results/figures/structure/{map}.pdf",
        png=report(
            "results/figures/structure/{map}.png",
            caption="../workflow/report/structure.rst",
            category="Structure",
            labels={"map": "{map}"},
        ),
        tsv="results/figures/structure/{map}.tsv",
    log:
        "logs/draw_structure/{map}.log",
    benchmark:
        "benchmarks/draw_structure/{map}.tsv"
    wildcard_constraints:
        map=one_of(STUDY.analysed),
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        version=VERSIONS["plotting"],
    message:
        "Drawing the chains of {wildcards.map}"
    script:
        "../workflow/scripts/draw_structure.py"
