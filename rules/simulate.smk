# The planted genome of the demo, in the formats of real data; asked for by the key `simulate` alone.

SIMULATED = "results/simulated"

if config["simulate"]:

    rule simulate_genome:
        output:
            *simulated_files(),
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
            others=other_simulated_maps(),
        message:
            "Simulating the planted genome"
        script:
            "../workflow/scripts/simulate_genome.py"
