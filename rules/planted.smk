# Models of planted genomes held to what was planted, and all genomes in one picture; by target, `snakemake planted`.

JUDGED = [run for run in SCREENED if truth_of(run.split(".")[0])]


rule judge_model:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
        truth=lambda wildcards: truth_of(wildcards.sample),
    output:
        "results/planted/{sample}.{resolution}.{norm}.{model}.tsv",
    log:
        "logs/judge_model/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/judge_model/{sample}.{resolution}.{norm}.{model}.tsv"
    wildcard_constraints:
        sample=one_of(run.split(".")[0] for run in JUDGED),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        cell_type=lambda wildcards: SAMPLES.cell_type[wildcards.sample],
        max_sites=config["perturbation"]["max_sites"],
        seed=config["seed"],
        device=config["device"],
        version=VERSIONS["perturbation"],
    message:
        "Holding {wildcards.model} of {wildcards.sample} to what was planted"
    script:
        "../workflow/scripts/judge_model.py"


rule planted:
    input:
        needed(
            ["results/tables/planted.tsv"] if JUDGED else [],
            "planted judges models that predict maps of planted genomes: name results/simulated/contacts/A.hic, or that of a "
            "folder results/simulated/seedN, as the contacts of a sample, and give the config the key simulate",
        ),
    output:
        pdf="results/figures/planted.pdf",
        png=report(
            "results/figures/planted.png",
            caption="../workflow/report/planted.rst",
            category="Planted genomes",
            labels={"show": "picture"},
        ),
        tsv=report(
            "results/figures/planted.tsv",
            caption="../workflow/report/planted.rst",
            category="Planted genomes",
            labels={"show": "numbers"},
        ),
    log:
        "logs/planted.log",
    benchmark:
        "benchmarks/planted.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    message:
        "Drawing what models say of planted genomes beside what was planted"
    script:
        "../workflow/scripts/planted.py"
