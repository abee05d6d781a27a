# Files of signals in; one store of binned values per cell type and bin size out, with its table of quality and a picture.

SIGNALS = expand("results/signals/{store}.qc.tsv", store=STUDY.signal_stores) + expand(
    "results/figures/signals/{store}.{suffix}",
    store=STUDY.signal_stores,
    suffix=["pdf", "png", "tsv"],
)


rule bin_signals:
    input:
        signals=given(
            lambda wildcards: STUDY.signal_files(wildcards.cell_type),
            "results/signals/{cell_type}.{bin_size}.h5",
        ),
        assembly=lambda wildcards: STUDY.files_of_assembly(
            STUDY.signal_assembly[wildcards.cell_type]
        ),
        references=lambda wildcards: expand(
            "results/signals/{other}.{{bin_size}}.h5",
            other=STUDY.signal_references(wildcards.cell_type),
        ),
    output:
        "results/signals/{cell_type}.{bin_size}.h5",
    log:
        "logs/bin_signals/{cell_type}.{bin_size}.log",
    benchmark:
        "benchmarks/bin_signals/{cell_type}.{bin_size}.tsv"
    wildcard_constraints:
        cell_type=one_of(STUDY.binned),
    conda:
        "../envs/hic.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        sources=lambda wildcards: list(map(vars, STUDY.signals[wildcards.cell_type])),
        assembly=lambda wildcards: STUDY.signal_assembly[wildcards.cell_type],
        references=lambda wildcards: STUDY.signal_references(wildcards.cell_type),
        quantile_chroms=config["bin_signals"]["quantile_chromosomes"],
        version=VERSIONS["signals"],
    message:
        "Binning signals of {wildcards.cell_type} at {wildcards.bin_size} bp"
    script:
        "../workflow/scripts/bin_signals.py"


# A cell type whose signals are those of another one with some peaks masked, deleted, inserted or moved.
rule edit_signals:
    input:
        store=lambda wildcards: f"results/signals/{STUDY.signal_edits[wildcards.cell_type]['of']}.{wildcards.bin_size}.h5",
        edits=lambda wildcards: STUDY.find_path(
            STUDY.signal_edits[wildcards.cell_type]["edits"]
        ),
    output:
        store="results/signals/{cell_type}.{bin_size}.h5",
        table="results/signals/{cell_type}.{bin_size}.edits.tsv",
    log:
        "logs/edit_signals/{cell_type}.{bin_size}.log",
    benchmark:
        "benchmarks/edit_signals/{cell_type}.{bin_size}.tsv"
    wildcard_constraints:
        cell_type=one_of(STUDY.signal_edits),
    conda:
        "../envs/hic.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        version=VERSIONS["signals"],
    message:
        "Editing signals of {wildcards.cell_type} at {wildcards.bin_size} bp"
    script:
        "../workflow/scripts/edit_signals.py"


rule check_signals:
    input:
        store="results/signals/{cell_type}.{bin_size}.h5",
        sisters=lambda wildcards: expand(
            "results/signals/{other}.{{bin_size}}.h5",
            other=STUDY.signal_sisters(wildcards.cell_type),
        ),
    output:
        report(
            "results/signals/{cell_type}.{bin_size}.qc.tsv",
            caption="../workflow/report/signals_qc.rst",
            category="Signals",
            labels={
                "cell type": "{cell_type}",
                "bin size": "{bin_size}",
                "kind": "table",
            },
        ),
    log:
        "logs/check_signals/{cell_type}.{bin_size}.log",
    benchmark:
        "benchmarks/check_signals/{cell_type}.{bin_size}.tsv"
    wildcard_constraints:
        cell_type=one_of(STUDY.signals),
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        version=VERSIONS["signals"],
    message:
        "Checking signals of {wildcards.cell_type} at {wildcards.bin_size} bp"
    script:
        "../workflow/scripts/check_signals.py"


rule draw_signals:
    input:
        store="results/signals/{cell_type}.{bin_size}.h5",
        qc="results/signals/{cell_type}.{bin_size}.qc.tsv",
    output:
        multiext(
            "results/figures/signals/{cell_type}.{bin_size}", pdf=".pdf", tsv=".tsv"
        ),
        png=report(
            "results/figures/signals/{cell_type}.{bin_size}.png",
            caption="../workflow/report/signals.rst",
            category="Signals",
            labels={
                "cell type": "{cell_type}",
                "bin size": "{bin_size}",
                "kind": "picture",
            },
        ),
    log:
        "logs/draw_signals/{cell_type}.{bin_size}.log",
    benchmark:
        "benchmarks/draw_signals/{cell_type}.{bin_size}.tsv"
    wildcard_constraints:
        cell_type=one_of(STUDY.signals),
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        version=VERSIONS["plotting"],
    message:
        "Drawing signals of {wildcards.cell_type} at {wildcards.bin_size} bp"
    script:
        "../workflow/scripts/draw_signals.py"
