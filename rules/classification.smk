# Labels of bins told from their representations; across maps, between models, and without the held-out blocks' contacts.

CLASSIFICATION = dict(
    classifiers=config["classification"]["classifiers"],
    folds=config["classification"]["folds"],
    bootstraps=config["reconstruction"]["bootstraps"],
    min_positives=config["classification"]["min_positives"],
    seed=config["seed"],
    version=VERSIONS["classification"],
)


rule classify_bins:
    input:
        parquet="results/representations/{sample}.{resolution}.{norm}.{model}.parquet",
        sheet=STUDY.label_sheet or [],
        labels=labels_for(
            "results/classification/{sample}.{resolution}.{norm}.{model}.tsv"
        ),
    output:
        table="results/classification/{sample}.{resolution}.{norm}.{model}.tsv",
        details=multiext(
            "results/classification/{sample}.{resolution}.{norm}.{model}/",
            "predictions.parquet",
            "curves.tsv",
            "confusion.tsv",
            "splits.tsv",
        ),
    log:
        "logs/classify_bins/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/classify_bins/{sample}.{resolution}.{norm}.{model}.tsv"
    conda:
        "../envs/ml.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        **CLASSIFICATION,
        cell_type=lambda wildcards: SAMPLES.cell_type[wildcards.sample],
        assembly=lambda wildcards: STUDY.assembly_name(wildcards.sample),
        protocols=config["classification"]["protocols"],
    message:
        "Classifying bins of {wildcards.sample} by {wildcards.model}"
    script:
        "../workflow/scripts/classify_bins.py"


rule classify_transfer:
    input:
        train="results/representations/{origin}.{resolution}.{norm}.{model}.parquet",
        test="results/representations/{sample}.{resolution}.{norm}.{model}.parquet",
        sheet=STUDY.label_sheet or [],
        labels=given(
            lambda wildcards: STUDY.labels_of(wildcards.sample)
            + STUDY.labels_of(wildcards.origin),
            "results/classification/{sample}.{resolution}.{norm}.{model}.from.{origin}.tsv",
        ),
    output:
        "results/classification/{sample}.{resolution}.{norm}.{model}.from.{origin}.tsv",
    log:
        "logs/classify_transfer/{sample}.{resolution}.{norm}.{model}.from.{origin}.log",
    benchmark:
        "benchmarks/classify_transfer/{sample}.{resolution}.{norm}.{model}.from.{origin}.tsv"
    conda:
        "../envs/ml.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        **CLASSIFICATION,
        train_cell_type=lambda wildcards: SAMPLES.cell_type[wildcards.origin],
        test_cell_type=lambda wildcards: SAMPLES.cell_type[wildcards.sample],
        assembly=lambda wildcards: STUDY.assembly_name(wildcards.sample),
    message:
        "Classifying bins of {wildcards.sample} by classifiers trained on {wildcards.origin}"
    script:
        "../workflow/scripts/classify_transfer.py"


rule search_xgboost:
    input:
        parquet="results/representations/{sample}.{resolution}.{norm}.{model}.parquet",
        sheet=STUDY.label_sheet or [],
        labels=labels_for(
            "results/classification/{sample}.{resolution}.{norm}.{model}.search.tsv"
        ),
    output:
        "results/classification/{sample}.{resolution}.{norm}.{model}.search.tsv",
    log:
        "logs/search_xgboost/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/search_xgboost/{sample}.{resolution}.{norm}.{model}.tsv"
    conda:
        "../envs/ml.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        folds=config["classification"]["folds"],
        min_positives=config["classification"]["min_positives"],
        seed=config["seed"],
        cell_type=lambda wildcards: SAMPLES.cell_type[wildcards.sample],
        assembly=lambda wildcards: STUDY.assembly_name(wildcards.sample),
        version=VERSIONS["classification"],
    message:
        "Searching depth and trees of XGBoost on {wildcards.sample} by {wildcards.model}"
    script:
        "../workflow/scripts/search_xgboost.py"


rule compare_models:
    input:
        predictions=lambda wildcards: expand(
            "results/classification/{run}/predictions.parquet",
            run=[run for run in STUDY.classified if run.map == map_of(wildcards)],
        ),
        tables=lambda wildcards: expand(
            "results/classification/{run}.tsv",
            run=[run for run in STUDY.classified if run.map == map_of(wildcards)],
        ),
    output:
        tasks="results/comparisons/{sample}.{resolution}.{norm}.tasks.tsv",
        models="results/comparisons/{sample}.{resolution}.{norm}.models.tsv",
    log:
        "logs/compare_models/{sample}.{resolution}.{norm}.log",
    benchmark:
        "benchmarks/compare_models/{sample}.{resolution}.{norm}.tsv"
    conda:
        "../envs/ml.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        seed=config["seed"],
        version=VERSIONS["classification"],
    message:
        "Comparing the models of {wildcards.sample} on held-out bins"
    script:
        "../workflow/scripts/compare_models.py"


rule train_withheld:
    input:
        cool="results/normalized/{sample}.{resolution}.{norm}.cool",
        expected="results/normalized/{sample}.{resolution}.{norm}.expected.tsv",
        splits="results/classification/{sample}.{resolution}.{norm}.{model}/splits.tsv",
        code=lambda wildcards: STUDY.model_code(wildcards.model),
    output:
        "results/withheld/{sample}.{resolution}.{norm}.{model}.{fold}.parquet",
    log:
        "logs/train_withheld/{sample}.{resolution}.{norm}.{model}.{fold}.log",
    benchmark:
        "benchmarks/train_withheld/{sample}.{resolution}.{norm}.{model}.{fold}.tsv"
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
        version=VERSIONS["training"],
    message:
        "Training {wildcards.model} without the contacts inside the blocks of fold {wildcards.fold}"
    script:
        "../workflow/scripts/train_withheld.py"


rule classify_withheld:
    input:
        parquet="results/representations/{sample}.{resolution}.{norm}.{model}.parquet",
        splits="results/classification/{sample}.{resolution}.{norm}.{model}/splits.tsv",
        withheld=lambda wildcards: expand(
            "results/withheld/{sample}.{resolution}.{norm}.{model}.{fold}.parquet",
            fold=range(config["classification"]["folds"]),
            **wildcards,
        ),
        sheet=STUDY.label_sheet or [],
        labels=labels_for(
            "results/classification/{sample}.{resolution}.{norm}.{model}.withheld.tsv"
        ),
    output:
        "results/classification/{sample}.{resolution}.{norm}.{model}.withheld.tsv",
    log:
        "logs/classify_withheld/{sample}.{resolution}.{norm}.{model}.log",
    benchmark:
        "benchmarks/classify_withheld/{sample}.{resolution}.{norm}.{model}.tsv"
    conda:
        "../envs/ml.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        **CLASSIFICATION,
        cell_type=lambda wildcards: SAMPLES.cell_type[wildcards.sample],
        assembly=lambda wildcards: STUDY.assembly_name(wildcards.sample),
    message:
        "Classifying circular tasks of {wildcards.sample} by {wildcards.model}, trained without the contacts of held-out blocks"
    script:
        "../workflow/scripts/classify_withheld.py"
