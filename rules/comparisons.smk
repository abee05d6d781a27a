# What compares maps, bin sizes, sizes of the representation, seeds and costs: targets by name and by file, of which only
# those in PANELS (figures.smk) belong to `all`.

SAME_SAMPLE = STUDY.other_resolutions
COMPARED = STUDY.agreement_panels
FIG5 = ["fig5a", "fig5e"] if SAME_SAMPLE else []
if any(run in STUDY.classified for run in SAME_SAMPLE):
    FIG5.append("fig5d")
# Every panel of agreement can be asked for; without anything to show it says what it needs.
AGREEMENT = [
    *(f"fig3{x}" for x in "abcdef"),
    *(f"figS1{x}" for x in "abcd"),
    "fig5e",
]
# Every figure and panel as a target: its panels in this study, and what it needs where there are none. Panels that are made
# on request alone say themselves what they need.
FIGURE_PANELS = (
    STUDY.panel_targets
    | {
        panel: ([panel], "")
        for panel in [
            *AGREEMENT,
            *["fig4b", "fig4c", "fig4g", "fig5a", "fig5d"],
            *["figS13", "figS15", "tableS3"],
        ]
    }
    | {"fig5": (FIG5, NEEDS["fig5"])}
)


rule hiclstm_agreement:
    input:
        tables=compared("tsv"),
        distances=compared("distances.tsv"),
        quality=lambda wildcards: expand(
            "results/qc/{sample}.tsv", sample=STUDY.scored_on(wildcards.panel)
        ),
    output:
        multiext("results/figures/hiclstm/{panel}", ".pdf", ".tsv"),
        png=report(
            "results/figures/hiclstm/{panel}.png",
            caption="../workflow/report/hiclstm/agreement.rst",
            category="Hi-C-LSTM",
            subcategory="Agreement by distance",
            labels={"panel": "{panel}"},
        ),
    log:
        "logs/hiclstm_agreement/{panel}.log",
    benchmark:
        "benchmarks/hiclstm_agreement/{panel}.tsv"
    wildcard_constraints:
        panel=one_of(AGREEMENT),
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        scored=lambda wildcards: COMPARED[wildcards.panel]["scored"],
        by=lambda wildcards: COMPARED[wildcards.panel]["by"],
        version=VERSIONS["plotting"],
    message:
        "Drawing {wildcards.panel}: agreement by distance"
    script:
        "../workflow/scripts/hiclstm_agreement.py"


rule hiclstm_fig5a:
    input:
        predicted=needed(
            expand("results/predictions/{run}.mcool", run=SAME_SAMPLE),
            f"fig5a needs {NEEDS['fig5']}",
        ),
        observed=[f"results/normalized/{run.map}.cool" for run in SAME_SAMPLE],
        settings=expand("results/models/{run}/config.json", run=SAME_SAMPLE),
    output:
        multiext("results/figures/hiclstm/fig5a", ".pdf", ".tsv"),
        png=report(
            "results/figures/hiclstm/fig5a.png",
            caption="../workflow/report/hiclstm/fig5a.rst",
            category="Hi-C-LSTM",
            subcategory="Comparisons",
            labels={"panel": "5a"},
        ),
    log:
        "logs/hiclstm_fig5a.log",
    benchmark:
        "benchmarks/hiclstm_fig5a.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        region=config["figures"]["region"],
        version=VERSIONS["plotting"],
    message:
        "Drawing figure 5a: observed and predicted maps by bin size"
    script:
        "../workflow/scripts/hiclstm_fig5a.py"


rule hiclstm_fig5d:
    input:
        needed(
            expand(
                "results/classification/{run}.tsv",
                run=[run for run in SAME_SAMPLE if run in STUDY.classified],
            ),
            "fig5d needs a label sheet with rows for the cell type of the sample shown",
        ),
    output:
        multiext("results/figures/hiclstm/fig5d", ".pdf", ".tsv"),
        png=report(
            "results/figures/hiclstm/fig5d.png",
            caption="../workflow/report/hiclstm/fig5d.rst",
            category="Hi-C-LSTM",
            subcategory="Comparisons",
            labels={"panel": "5d"},
        ),
    log:
        "logs/hiclstm_fig5d.log",
    benchmark:
        "benchmarks/hiclstm_fig5d.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        version=VERSIONS["plotting"],
    message:
        "Drawing figure 5d: classification by bin size"
    script:
        "../workflow/scripts/hiclstm_fig5d.py"


rule hiclstm_figS13:
    input:
        tables=needed(
            expand(
                f"results/reconstruction/{FOCUS}.{{name}}.tsv",
                name=STUDY.ablation if FOCUS else [],
            ),
            "figS13 trains variants of a model on the map shown: it needs a sample with models",
        ),
        classified=expand(
            f"results/classification/{FOCUS}.{{name}}.tsv",
            name=STUDY.ablation if FOCUS_CLASSIFIED else [],
        ),
    output:
        multiext("results/figures/hiclstm/figS13", ".pdf", ".tsv"),
        png=report(
            "results/figures/hiclstm/figS13.png",
            caption="../workflow/report/hiclstm/figS13.rst",
            category="Hi-C-LSTM",
            subcategory="Comparisons",
            labels={"panel": "S13"},
        ),
    log:
        "logs/hiclstm_figS13.log",
    benchmark:
        "benchmarks/hiclstm_figS13.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        variants={
            name: [size, variant]
            for name, (size, variant, _) in STUDY.ablation.items()
        },
        version=VERSIONS["plotting"],
    message:
        "Drawing figure S13: sizes of the representation and variants of the LSTM"
    script:
        "../workflow/scripts/hiclstm_figS13.py"


rule hiclstm_tableS3:
    input:
        needed(
            expand(
                "benchmarks/{rule}/{run}.tsv",
                rule=(
                    "fine_tune_model"
                    if SAMPLES.fine_tune_of.get(STUDY.focus_sample)
                    else "train_model"
                ),
                run=FOCUS_RUNS,
            ),
            "tableS3 has the costs of models of the map shown: it needs a sample with models",
        ),
        expand("benchmarks/predict_map/{run}.tsv", run=FOCUS_MAP_RUNS),
        expand(
            "benchmarks/train_decoder/{run}.{decoder}.tsv",
            run=FOCUS_RUNS,
            decoder=config["reconstruction"]["decoders"],
        ),
    output:
        multiext("results/figures/hiclstm/tableS3", ".pdf", ".tsv"),
        png=report(
            "results/figures/hiclstm/tableS3.png",
            caption="../workflow/report/hiclstm/tableS3.rst",
            category="Hi-C-LSTM",
            subcategory="Comparisons",
            labels={"panel": "table S3"},
        ),
    log:
        "logs/hiclstm_tableS3.log",
    benchmark:
        "benchmarks/hiclstm_tableS3.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        version=VERSIONS["plotting"],
    message:
        "Drawing table S3: run time and memory of every method"
    script:
        "../workflow/scripts/hiclstm_tableS3.py"


rule summarise_seeds:
    input:
        needed(
            [
                f"results/reconstruction/{run.map}.{name}.tsv"
                for run in STUDY.map_runs
                for name in STUDY.seeds_of(run.model)
            ],
            "the table of seeds needs a model or a predictor that predicts maps; no sample has one",
        ),
    output:
        report(
            "results/tables/seeds.tsv",
            caption="../workflow/report/seeds.rst",
            category="Tables",
            labels={"table": "seeds"},
        ),
    log:
        "logs/summarise_seeds.log",
    benchmark:
        "benchmarks/summarise_seeds.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        version=VERSIONS["reconstruction"],
    message:
        "Gathering the scores of every seed"
    script:
        "../workflow/scripts/summarise_seeds.py"
