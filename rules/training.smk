# One model a sample, resolution, norm and name; a name is a model's own or a variant's.


rule require_trans:
    input:
        qc="results/qc/{sample}.tsv",
    output:
        "results/qc/trans/{sample}.tsv",
    log:
        "logs/require_trans/{sample}.log",
    benchmark:
        "benchmarks/require_trans/{sample}.tsv"
    # Before anything else is made of the map.
    priority: 100
    conda:
        "../envs/hic.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        version=VERSIONS["contacts"],
    message:
        "Looking for contacts between chromosomes in {wildcards.sample}"
    script:
        "../workflow/scripts/require_trans.py"


rule fit_joint:
    input:
        cool=lambda wildcards: STUDY.joint_maps(**wildcards),
        expected=lambda wildcards: STUDY.joint_maps(**wildcards, suffix="expected.tsv"),
    output:
        fit="results/joint/{model}.{resolution}.{norm}.safetensors",
        differences="results/joint/{model}.{resolution}.{norm}.differences.tsv",
    log:
        "logs/fit_joint/{model}.{resolution}.{norm}.log",
    benchmark:
        "benchmarks/fit_joint/{model}.{resolution}.{norm}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 8
    resources:
        mem_mb=16000,
        runtime=720,
    params:
        samples=lambda wildcards: STUDY.joint_samples(wildcards.model),
        training=lambda wildcards: STUDY.training(wildcards.model),
        version=VERSIONS["training"],
    message:
        "Fitting {wildcards.model} to several maps at {wildcards.resolution} bp"
    script:
        "../workflow/scripts/fit_joint.py"


rule train_model:
    input:
        trans=trans_required,
        joint=lambda wildcards: (
            STUDY.joint_fit(wildcards.model, wildcards.resolution, wildcards.norm)
            or []
        ),
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
        expected="results/normalized/{sample}.{resolution}.{norm}.expected.tsv",
        code=lambda wildcards: STUDY.model_code(wildcards.model),
    output:
        multiext(
            "results/models/{sample}.{resolution}.{norm}.{model}/",
            weights="model.safetensors",
            config="config.json",
            bins="bins.parquet",
            expected="expected.tsv",
            history="history.tsv",
        ),
    log:
        "logs/train_model/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/train_model/{sample}.{resolution}.{norm}.{model}.tsv"
    wildcard_constraints:
        sample=one_of(SAMPLES.index[SAMPLES.fine_tune_of == ""]),
    conda:
        "../envs/torch.yaml"
    threads: lambda wildcards: STUDY.model(wildcards.model).threads
    resources:
        mem_mb=16000,
        runtime=720,
        gpu=training_gpus,
    params:
        training=lambda wildcards: STUDY.training(wildcards.model),
        device=config["device"],
        # Outside the declared outputs, which Snakemake wipes when a job starts: a killed run goes on from here.
        resume="results/.resume/{sample}.{resolution}.{norm}.{model}",
        version=VERSIONS["training"],
    message:
        "Training {wildcards.model} on {wildcards.sample} at {wildcards.resolution} bp"
    script:
        "../workflow/scripts/train_model.py"


rule fine_tune_model:
    input:
        weights=lambda wildcards: expand(
            "results/models/{origin}.{resolution}.{norm}.{model}/model.safetensors",
            origin=SAMPLES.fine_tune_of[wildcards.sample],
            **wildcards,
        ),
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
        expected="results/normalized/{sample}.{resolution}.{norm}.expected.tsv",
        code=lambda wildcards: STUDY.model_code(wildcards.model),
    output:
        multiext(
            "results/models/{sample}.{resolution}.{norm}.{model}/",
            weights="model.safetensors",
            config="config.json",
            bins="bins.parquet",
            expected="expected.tsv",
            history="history.tsv",
        ),
    log:
        "logs/fine_tune_model/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/fine_tune_model/{sample}.{resolution}.{norm}.{model}.tsv"
    wildcard_constraints:
        sample=one_of(SAMPLES.index[SAMPLES.fine_tune_of != ""]),
    conda:
        "../envs/torch.yaml"
    threads: lambda wildcards: STUDY.model(wildcards.model).threads
    resources:
        mem_mb=16000,
        runtime=720,
        gpu=training_gpus,
    params:
        region=lambda wildcards: SAMPLES.fine_tune_region[wildcards.sample],
        seed=lambda wildcards: STUDY.training(wildcards.model)["seed"],
        device=config["device"],
        resume="results/.resume/{sample}.{resolution}.{norm}.{model}",
        version=VERSIONS["training"],
    message:
        "Fine-tuning {wildcards.model} on {wildcards.sample} at {wildcards.resolution} bp"
    script:
        "../workflow/scripts/fine_tune_model.py"
