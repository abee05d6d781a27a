# Edits of the genome and what they would do to the map.


rule perturb_map:
    input:
        weights="results/models/{sample}.{resolution}.{norm}.{model}/model.safetensors",
        settings="results/models/{sample}.{resolution}.{norm}.{model}/config.json",
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
    output:
        multiext(
            "results/perturbation/{sample}.{resolution}.{norm}.{model}/{edit}/",
            wild_type="wild_type.mcool",
            edited="edited.mcool",
            difference="difference.mcool",
            lift="lift.tsv",
            summary="summary.tsv",
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
        edits=find_path(config["edits"]),
        flank=config["perturbation"]["flank"],
        version=VERSIONS["perturbation"],
    message:
        "Editing {wildcards.sample} by {wildcards.model}: {wildcards.edit}"
    script:
        "../workflow/scripts/perturb_map.py"
