# Edits of the genome and what they would do to the map, one job an edit.

PERTURBATIONS = [
    f"results/perturbation/{run}/{edit}/summary.tsv"
    for run in MAP_RUNS
    for edit in edits_of(run.split(".")[0])
]


rule perturb_map:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
        edits=lambda wildcards: edits_path(wildcards.sample),
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
        ),
        report(
            "results/perturbation/{sample}.{resolution}.{norm}.{model}/{edit}/maps.png",
            caption="../workflow/report/edit.rst",
            category="Perturbation",
            labels={"sample": "{sample}", "model": "{model}", "edit": "{edit}"},
        ),
    log:
        "logs/perturb_map/{sample}.{resolution}.{norm}.{model}.{edit}.log",
    benchmark:
        "benchmarks/perturb_map/{sample}.{resolution}.{norm}.{model}.{edit}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 2
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        flank=config["perturbation"]["flank"],
        version=VERSIONS["perturbation"],
    message:
        "Editing {wildcards.sample} by {wildcards.model}: {wildcards.edit}"
    script:
        "../workflow/scripts/perturb_map.py"
