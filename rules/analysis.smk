# What a Hi-C user looks at first, for observed maps and, by the same rule, for predicted ones.

ANALYSES = expand("results/analysis/{map}/insulation.tsv", map=STUDY.analysed)
# By target: HiCCUPS knows the surroundings of a loop at 4 to 28 kb.
LOOPS = expand(
    "results/analysis/{map}/loops.bedpe",
    map=STUDY.searched_for_loops,
)
VIEWS = expand("results/higlass/{run}.json", run=STUDY.map_runs)


rule analyse_map:
    input:
        cool=lambda wildcards: STUDY.map_path(wildcards.map),
        phasing=STUDY.find_path(config["analysis"]["phasing"]) or [],
    output:
        multiext(
            "results/analysis/{map}/",
            expected="expected.tsv",
            ps="ps.tsv",
            eigs="eigs.tsv",
            eigs_track="E1.bw",
            saddle="saddle.tsv",
            insulation="insulation.tsv",
            insulation_track="insulation.bw",
            boundaries="boundaries.bed",
            summary="summary.tsv",
        ),
    log:
        "logs/analyse_map/{map}.log",
    benchmark:
        "benchmarks/analyse_map/{map}.tsv"
    wildcard_constraints:
        map=one_of(STUDY.analysed),
    conda:
        "../envs/hic.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_pair=3),
        runtime=120,
    params:
        windows_bins=config["analysis"]["insulation_windows_bins"],
        version=VERSIONS["analysis"],
    message:
        "Analysing {wildcards.map}"
    script:
        "../workflow/scripts/analyse_map.py"


rule call_loops:
    input:
        cool=lambda wildcards: STUDY.map_path(wildcards.map),
    output:
        bedpe="results/analysis/{map}/loops.bedpe",
    log:
        "logs/call_loops/{map}.log",
    benchmark:
        "benchmarks/call_loops/{map}.tsv"
    wildcard_constraints:
        map=one_of(STUDY.analysed),
    conda:
        "../envs/hic.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        max_distance=config["analysis"]["loops"]["max_distance"],
        fdr=config["analysis"]["loops"]["fdr"],
        depth=config["analysis"]["loops"]["depth"],
        version=VERSIONS["analysis"],
    message:
        "Calling loops of {wildcards.map}"
    script:
        "../workflow/scripts/call_loops.py"


rule view_in_higlass:
    input:
        unpack(lambda wildcards: STUDY.files_to_view(**wildcards)),
    output:
        multiext(
            "results/higlass/{sample}.{resolution}.{norm}.{model}",
            view=".json",
            script=".sh",
            chromsizes=".chrom.sizes",
        ),
    log:
        "logs/view_in_higlass/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/view_in_higlass/{sample}.{resolution}.{norm}.{model}.tsv"
    conda:
        "../envs/hic.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        version=VERSIONS["reconstruction"],
    message:
        "Writing a HiGlass view of {wildcards.sample} and its prediction by {wildcards.model}"
    script:
        "../workflow/scripts/view_in_higlass.py"
