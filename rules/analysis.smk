# What a Hi-C user looks at first, for observed maps and, by the same rule, for predicted ones.

ANALYSES = expand("results/analysis/{map}/insulation.tsv", map=MAPS + MAP_RUNS)


rule analyse_map:
    input:
        cool=map_to_analyse,
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
        map="|".join(map(re.escape, MAPS + MAP_RUNS)),
    conda:
        "../envs/hic.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        windows_bins=config["analysis"]["insulation_windows_bins"],
        phasing=config["analysis"]["phasing"]
        and find_path(config["analysis"]["phasing"]),
        version=VERSIONS["analysis"],
    message:
        "Analysing {wildcards.map}"
    script:
        "../workflow/scripts/analyse_map.py"
