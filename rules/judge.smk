# Comparison of models with the truth of simulated genomes, and a figure over all genomes; on request (target `simulated`).


rule judge_model:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
        predictor=STUDY.read_by,
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
        truth=lambda wildcards: STUDY.truth(wildcards.sample),
    output:
        "results/judged/{sample}.{resolution}.{norm}.{model}.tsv",
    log:
        "logs/judge_model/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/judge_model/{sample}.{resolution}.{norm}.{model}.tsv"
    wildcard_constraints:
        sample=one_of(dict.fromkeys(run.sample for run in STUDY.judged)),
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
        "Comparing {wildcards.model} of {wildcards.sample} with the truth of the simulation"
    script:
        "../workflow/scripts/judge_model.py"


rule simulated:
    input:
        needed(
            ["results/tables/simulated.tsv"] if STUDY.judged else [],
            "simulated judges models that predict maps of simulated genomes: name results/simulated/contacts/A.hic, or that of a "
            "folder results/simulated/seedN, as the contacts of a sample, and give the config the key simulate",
        ),
    output:
        pdf="results/figures/simulated/judged.pdf",
        png=report(
            "results/figures/simulated/judged.png",
            caption="../workflow/report/simulated.rst",
            category="Simulated genomes",
            labels={"show": "picture"},
        ),
        tsv=report(
            "results/figures/simulated/judged.tsv",
            caption="../workflow/report/simulated.rst",
            category="Simulated genomes",
            labels={"show": "numbers"},
        ),
        edits_pdf="results/figures/simulated/edits.pdf",
        edits_png=report(
            "results/figures/simulated/edits.png",
            caption="../workflow/report/simulated_edits.rst",
            category="Simulated genomes",
            labels={"show": "edits by all models"},
        ),
        edits_tsv="results/figures/simulated/edits.tsv",
    log:
        "logs/simulated.log",
    benchmark:
        "benchmarks/simulated.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        version=VERSIONS["plotting"],
    message:
        "Drawing the comparison of models with simulated genomes"
    script:
        "../workflow/scripts/simulated.py"
