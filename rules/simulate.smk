# Simulated genomes, in the formats of real data; asked for by the key `simulate` alone.

SIMULATED = STUDY.simulated_files

if config["simulate"]:

    rule simulate_genome:
        output:
            expand("results/simulated/{path}", path=SIMULATED),
            truth=directory("results/simulated/truth"),
        log:
            "logs/simulate_genome.log",
        benchmark:
            "benchmarks/simulate_genome.tsv"
        conda:
            "../envs/hic.yaml"
        threads: 2
        resources:
            mem_mb=4000,
            runtime=30,
        params:
            seed=config["simulate"]["seed"],
            chromsizes=config["simulate"]["chromsizes"],
            depth=config["simulate"]["depth"],
            others=STUDY.other_simulated_maps,
            expression=any(path.startswith("expression/") for path in SIMULATED),
            version=VERSIONS["simulate"],
        message:
            "Simulating a genome"
        script:
            "../workflow/scripts/simulate_genome.py"

    # Further genomes of the same sizes, depth and maps: the folder says the seed.
    use rule simulate_genome as simulate_seed with:
        output:
            expand("results/simulated/seed{{seed}}/{path}", path=SIMULATED),
            truth=directory("results/simulated/seed{seed}/truth"),
        log:
            "logs/simulate_seed/{seed}.log",
        benchmark:
            "benchmarks/simulate_seed/{seed}.tsv"
        params:
            seed=lambda wildcards: int(wildcards.seed),
            chromsizes=config["simulate"]["chromsizes"],
            depth=config["simulate"]["depth"],
            others=STUDY.other_simulated_maps,
            expression=any(path.startswith("expression/") for path in SIMULATED),
            version=VERSIONS["simulate"],
        message:
            "Simulating a genome with seed {wildcards.seed}"
