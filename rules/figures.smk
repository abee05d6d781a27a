# The tables over all runs, and the article's figures: one rule per figure, one file per panel, the plotted numbers beside each.
# Figures show the models of one map, the one that the config names under figures or the first that has models.

TABLE_PARTS = {
    "reconstruction": expand("results/reconstruction/{run}.tsv", run=STUDY.map_runs)
    + expand(
        "results/reconstruction/{run}.{decoder}.tsv",
        run=STUDY.runs,
        decoder=config["reconstruction"]["decoders"],
    ),
    "classification": expand("results/classification/{run}.tsv", run=STUDY.classified),
    "perturbation": PERTURBATIONS,
    "simulated": expand("results/judged/{run}.tsv", run=STUDY.judged),
}
TABLE_NEEDS = {
    "reconstruction": "the table needs a model or a predictor that predicts maps; no sample has one",
    "classification": "the table needs a sheet of labels (key labels) of the cell type of a sample with models",
    "perturbation": "the table needs edits (key edits) that a model predicts, and perturbation.maps: true",
    "simulated": "the table needs models of a simulated genome (key simulate)",
}
TABLES = expand(
    "results/tables/{table}.tsv",
    # That of simulated genomes belongs to its figure, a target by name.
    table=[t for t, parts in TABLE_PARTS.items() if parts and t != "simulated"],
)
FOCUS_RUNS = STUDY.shown(STUDY.runs)
FOCUS_PAIR_RUNS = STUDY.shown(STUDY.pair_runs)
FOCUS_MAP_RUNS = STUDY.shown(STUDY.map_runs)
FOCUS_CLASSIFIED = STUDY.shown(STUDY.classified)
OTHER_CLASSIFIED = [run for run in STUDY.classified if run not in FOCUS_RUNS]
# The run whose map is drawn.
FOCUS_SHOWN = [STUDY.focus_run] if STUDY.focus_run else []
FOCUS_CELL_TYPE = SAMPLES.cell_type.get(STUDY.focus_sample, "")
FOCUS_LABELS = STUDY.labels.get(FOCUS_CELL_TYPE, [])
LABELS_OF_SHOWN = (
    f"labels of cell type {FOCUS_CELL_TYPE!r} of the map shown: give it rows in a label sheet, "
    "or name another sample in figures.sample"
)
FOCUS_DUPLICATIONS = STUDY.shown_duplications
FOCUS_COMPARED = [f"results/perturbation/{stem}" for stem in STUDY.shown_compared_edits]
DOMAINS = config["attribution"]["domains"]
PANELS = STUDY.panels
FIGURES = expand(
    "results/figures/hiclstm/{panel}.{suffix}",
    panel=sum(PANELS.values(), []),
    suffix=["pdf", "png", "tsv"],
)


rule gather_table:
    input:
        lambda w: needed(TABLE_PARTS[w.table], TABLE_NEEDS[w.table])(w),
    output:
        report(
            "results/tables/{table}.tsv",
            caption="../workflow/report/table.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
    log:
        "logs/gather_table/{table}.log",
    benchmark:
        "benchmarks/gather_table/{table}.tsv"
    wildcard_constraints:
        table="|".join(TABLE_PARTS),
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        version=VERSIONS["reconstruction"],
    message:
        "Gathering the {wildcards.table} table"
    script:
        "../workflow/scripts/gather_table.py"


# Figures 3a and 3b are panels of hiclstm_agreement (comparisons.smk).
rule hiclstm_fig3g:
    input:
        predicted=expand("results/predictions/{run}.mcool", run=FOCUS_SHOWN),
        settings=expand("results/models/{run}/config.json", run=FOCUS_SHOWN),
        observed=needed(
            [f"results/normalized/{FOCUS}.cool"] if FOCUS_SHOWN else [],
            "figure 3 shows a predicted map; no model of this study predicts one",
        ),
    output:
        multiext("results/figures/hiclstm/fig3g", ".pdf", ".tsv"),
        fig3g=report(
            "results/figures/hiclstm/fig3g.png",
            caption="../workflow/report/hiclstm/fig3g.rst",
            category="Hi-C-LSTM",
            subcategory="Figure 3",
            labels={"panel": "g"},
        ),
    log:
        "logs/hiclstm_fig3g.log",
    benchmark:
        "benchmarks/hiclstm_fig3g.tsv"
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
        "Drawing figure 3g: observed and predicted map"
    script:
        "../workflow/scripts/hiclstm_fig3g.py"


rule hiclstm_figS14:
    input:
        distances=expand(
            "results/reconstruction/{run}.distances.tsv", run=FOCUS_MAP_RUNS
        ),
        settings=needed(
            expand("results/models/{run}/config.json", run=FOCUS_SHOWN),
            "figure S14 shows errors of predicted maps; no model of this study predicts one",
        ),
    output:
        multiext("results/figures/hiclstm/figS14", ".pdf", ".tsv"),
        figS14=report(
            "results/figures/hiclstm/figS14.png",
            caption="../workflow/report/hiclstm/figS14.rst",
            category="Hi-C-LSTM",
            subcategory="Figure 3",
            labels={"panel": "S14"},
        ),
    log:
        "logs/hiclstm_figS14.log",
    benchmark:
        "benchmarks/hiclstm_figS14.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        version=VERSIONS["plotting"],
    message:
        "Drawing figure S14: error by position in the frame"
    script:
        "../workflow/scripts/hiclstm_figS14.py"


rule hiclstm_fig4:
    input:
        tables=needed(
            expand("results/classification/{run}.tsv", run=FOCUS_CLASSIFIED),
            f"figure 4 needs {LABELS_OF_SHOWN}",
        ),
        curves=expand("results/classification/{run}/curves.tsv", run=FOCUS_CLASSIFIED),
        confusion=expand(
            "results/classification/{run}/confusion.tsv", run=FOCUS_CLASSIFIED
        ),
    output:
        multiext("results/figures/hiclstm/fig4a", ".pdf", ".tsv"),
        multiext("results/figures/hiclstm/fig4d", ".pdf", ".tsv"),
        multiext("results/figures/hiclstm/fig4e", ".pdf", ".tsv"),
        multiext("results/figures/hiclstm/figS3", ".pdf", ".tsv"),
        fig4a=report(
            "results/figures/hiclstm/fig4a.png",
            caption="../workflow/report/hiclstm/fig4a.rst",
            category="Hi-C-LSTM",
            subcategory="Figure 4",
            labels={"panel": "a"},
        ),
        fig4d=report(
            "results/figures/hiclstm/fig4d.png",
            caption="../workflow/report/hiclstm/fig4d.rst",
            category="Hi-C-LSTM",
            subcategory="Figure 4",
            labels={"panel": "d"},
        ),
        fig4e=report(
            "results/figures/hiclstm/fig4e.png",
            caption="../workflow/report/hiclstm/fig4e.rst",
            category="Hi-C-LSTM",
            subcategory="Figure 4",
            labels={"panel": "e"},
        ),
        figS3=report(
            "results/figures/hiclstm/figS3.png",
            caption="../workflow/report/hiclstm/figS3.rst",
            category="Hi-C-LSTM",
            subcategory="Figure 4",
            labels={"panel": "S3"},
        ),
        sentence="results/figures/hiclstm/fig4e.txt",
    log:
        "logs/hiclstm_fig4.log",
    benchmark:
        "benchmarks/hiclstm_fig4.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        version=VERSIONS["plotting"],
    message:
        "Drawing figure 4: classification"
    script:
        "../workflow/scripts/hiclstm_fig4.py"


rule hiclstm_fig4b:
    input:
        needed(
            expand("results/classification/{run}.tsv", run=OTHER_CLASSIFIED),
            "fig4b shows the classified maps besides that of figures.sample; the sheets have no other",
        ),
    output:
        multiext("results/figures/hiclstm/fig4b", ".pdf", ".tsv"),
        fig4b=report(
            "results/figures/hiclstm/fig4b.png",
            caption="../workflow/report/hiclstm/fig4b.rst",
            category="Hi-C-LSTM",
            subcategory="Figure 4",
            labels={"panel": "b"},
        ),
    log:
        "logs/hiclstm_fig4b.log",
    benchmark:
        "benchmarks/hiclstm_fig4b.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        version=VERSIONS["plotting"],
    message:
        "Drawing figure 4b: classification of the other maps"
    script:
        "../workflow/scripts/hiclstm_fig4b.py"


rule hiclstm_fig4c:
    input:
        needed(
            expand(
                "results/classification/{run}.tsv",
                run=[*STUDY.classified, *STUDY.transfers],
            ),
            "fig4c compares maps; none of the sheet is classified",
        ),
    output:
        multiext("results/figures/hiclstm/fig4c", ".pdf", ".tsv"),
        fig4c=report(
            "results/figures/hiclstm/fig4c.png",
            caption="../workflow/report/hiclstm/fig4c.rst",
            category="Hi-C-LSTM",
            subcategory="Figure 4",
            labels={"panel": "c"},
        ),
    log:
        "logs/hiclstm_fig4c.log",
    benchmark:
        "benchmarks/hiclstm_fig4c.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        version=VERSIONS["plotting"],
    message:
        "Drawing figure 4c: classification across maps"
    script:
        "../workflow/scripts/hiclstm_fig4c.py"


rule hiclstm_fig4f:
    input:
        tasks=needed(
            (
                f"results/comparisons/{FOCUS}.tasks.tsv"
                if len(FOCUS_CLASSIFIED) > 1
                else ""
            ),
            "figure 4f compares models; it needs two on the map shown, and labels of its cell type",
        ),
        models=f"results/comparisons/{FOCUS}.models.tsv",
        scores=expand("results/classification/{run}.tsv", run=FOCUS_CLASSIFIED[:1]),
    output:
        multiext("results/figures/hiclstm/fig4f", ".pdf", ".tsv"),
        fig4f=report(
            "results/figures/hiclstm/fig4f.png",
            caption="../workflow/report/hiclstm/fig4f.rst",
            category="Hi-C-LSTM",
            subcategory="Figure 4",
            labels={"panel": "f"},
        ),
    log:
        "logs/hiclstm_fig4f.log",
    benchmark:
        "benchmarks/hiclstm_fig4f.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        version=VERSIONS["plotting"],
    message:
        "Drawing figure 4f: paired tests between models"
    script:
        "../workflow/scripts/hiclstm_fig4f.py"


rule hiclstm_fig4g:
    input:
        needed(
            expand("results/classification/{run}.withheld.tsv", run=FOCUS_CLASSIFIED),
            f"fig4g needs {LABELS_OF_SHOWN}",
        ),
    output:
        multiext("results/figures/hiclstm/fig4g", ".pdf", ".tsv"),
        fig4g=report(
            "results/figures/hiclstm/fig4g.png",
            caption="../workflow/report/hiclstm/fig4g.rst",
            category="Hi-C-LSTM",
            subcategory="Figure 4",
            labels={"panel": "g"},
        ),
    log:
        "logs/hiclstm_fig4g.log",
    benchmark:
        "benchmarks/hiclstm_fig4g.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        version=VERSIONS["plotting"],
    message:
        "Drawing figure 4g: circular tasks without the contacts of held-out blocks"
    script:
        "../workflow/scripts/hiclstm_fig4g.py"


rule hiclstm_figS15:
    input:
        needed(
            expand(
                "results/classification/{run}.search.tsv", run=FOCUS_CLASSIFIED[:1]
            ),
            f"figS15 needs {LABELS_OF_SHOWN}",
        ),
    output:
        multiext("results/figures/hiclstm/figS15", ".pdf", ".tsv"),
        figS15=report(
            "results/figures/hiclstm/figS15.png",
            caption="../workflow/report/hiclstm/figS15.rst",
            category="Hi-C-LSTM",
            subcategory="Figure 4",
            labels={"panel": "S15"},
        ),
    log:
        "logs/hiclstm_figS15.log",
    benchmark:
        "benchmarks/hiclstm_figS15.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        version=VERSIONS["plotting"],
    message:
        "Drawing figure S15: depth and trees of XGBoost"
    script:
        "../workflow/scripts/hiclstm_figS15.py"


rule hiclstm_fig6:
    input:
        **{
            name: needed(
                expand(
                    "results/attribution/{run}.elements/{file}",
                    run=FOCUS_PAIR_RUNS[:1] if PANELS["fig6"] else [],
                    file=file,
                ),
                f"figure 6 needs {NEEDS['fig6']}",
            )
            for name, file in {
                "ranking": "ranking.tsv",
                "profile": "profile.tsv",
                "values": "values.parquet",
            }.items()
        },
    output:
        multiext("results/figures/hiclstm/fig6c", ".pdf", ".tsv"),
        multiext("results/figures/hiclstm/fig6e", ".pdf", ".tsv"),
        multiext("results/figures/hiclstm/fig6a", ".pdf", ".tsv") if DOMAINS else [],
        fig6a=(
            report(
                "results/figures/hiclstm/fig6a.png",
                caption="../workflow/report/hiclstm/fig6.rst",
                category="Hi-C-LSTM",
                subcategory="Figure 6",
                labels={"panel": "a"},
            )
            if DOMAINS
            else []
        ),
        fig6c=report(
            "results/figures/hiclstm/fig6c.png",
            caption="../workflow/report/hiclstm/fig6.rst",
            category="Hi-C-LSTM",
            subcategory="Figure 6",
            labels={"panel": "c"},
        ),
        fig6e=report(
            "results/figures/hiclstm/fig6e.png",
            caption="../workflow/report/hiclstm/fig6.rst",
            category="Hi-C-LSTM",
            subcategory="Figure 6",
            labels={"panel": "e"},
        ),
    log:
        "logs/hiclstm_fig6.log",
    benchmark:
        "benchmarks/hiclstm_fig6.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        column=config["attribution"]["column"],
        version=VERSIONS["plotting"],
    message:
        "Drawing figure 6: attribution by element"
    script:
        "../workflow/scripts/hiclstm_fig6.py"


rule hiclstm_fig6b:
    input:
        attribution=needed(
            expand("results/attribution/{run}.parquet", run=FOCUS_PAIR_RUNS[:1]),
            "figure 6b shows an attribution; no model of this study has one on the map shown",
        ),
        observed=expand("results/normalized/{map}.cool", map=[FOCUS] if FOCUS else []),
        E1=expand("results/analysis/{map}/E1.bw", map=[FOCUS] if FOCUS else []),
        insulation=expand(
            "results/analysis/{map}/insulation.bw", map=[FOCUS] if FOCUS else []
        ),
        sheet=STUDY.label_sheet or [],
        labels=FOCUS_LABELS,
    output:
        multiext("results/figures/hiclstm/fig6b", ".pdf", ".tsv"),
        fig6b=report(
            "results/figures/hiclstm/fig6b.png",
            caption="../workflow/report/hiclstm/fig6b.rst",
            category="Hi-C-LSTM",
            subcategory="Figure 6",
            labels={"panel": "b"},
        ),
    log:
        "logs/hiclstm_fig6b.log",
    benchmark:
        "benchmarks/hiclstm_fig6b.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        region=config["figures"]["region"],
        cell_type=FOCUS_CELL_TYPE,
        version=VERSIONS["plotting"],
    message:
        "Drawing figure 6b: attribution along a region"
    script:
        "../workflow/scripts/hiclstm_fig6b.py"


rule hiclstm_fig7:
    input:
        maps=needed(
            [
                f"results/perturbation/{run}/{edit}/maps.tsv"
                for run in FOCUS_PAIR_RUNS[:1]
                for edit in FOCUS_DUPLICATIONS[:1]
            ],
            "figure 7 shows a duplication, and the edits of the sample shown have none",
        ),
        pairs=[f"{stem}.tsv" for stem in FOCUS_COMPARED[:1]],
        scores=[f"{stem}.scores.tsv" for stem in FOCUS_COMPARED[:1]],
    output:
        multiext("results/figures/hiclstm/fig7", ".pdf", ".tsv"),
        expand(
            "results/figures/hiclstm/{panel}.{suffix}",
            panel=PANELS["fig7"][1:],
            suffix=["pdf", "tsv", "png"],
        ),
        fig7=report(
            "results/figures/hiclstm/fig7.png",
            caption="../workflow/report/hiclstm/fig7.rst",
            category="Hi-C-LSTM",
            subcategory="Figure 7",
        ),
    log:
        "logs/hiclstm_fig7.log",
    benchmark:
        "benchmarks/hiclstm_fig7.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        edit=(FOCUS_DUPLICATIONS or [None])[0],
        version=VERSIONS["plotting"],
    message:
        "Drawing figure 7: a duplication"
    script:
        "../workflow/scripts/hiclstm_fig7.py"


rule hiclstm_fig8:
    input:
        distance=needed(
            expand(
                "results/perturbation/{run}.knockouts/distance.tsv",
                run=FOCUS_PAIR_RUNS[:1] if PANELS["fig8"] else [],
            ),
            f"figure 8 needs {NEEDS['fig8']}",
        ),
        pileups=expand(
            "results/perturbation/{run}.knockouts/pileups.tsv", run=FOCUS_PAIR_RUNS[:1]
        ),
    output:
        multiext("results/figures/hiclstm/fig8a", ".pdf", ".tsv"),
        multiext("results/figures/hiclstm/fig8b", ".pdf", ".tsv"),
        fig8a=report(
            "results/figures/hiclstm/fig8a.png",
            caption="../workflow/report/hiclstm/fig8.rst",
            category="Hi-C-LSTM",
            subcategory="Figure 8",
            labels={"panel": "a"},
        ),
        fig8b=report(
            "results/figures/hiclstm/fig8b.png",
            caption="../workflow/report/hiclstm/fig8.rst",
            category="Hi-C-LSTM",
            subcategory="Figure 8",
            labels={"panel": "b"},
        ),
    log:
        "logs/hiclstm_fig8.log",
    benchmark:
        "benchmarks/hiclstm_fig8.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        version=VERSIONS["plotting"],
    message:
        "Drawing figure 8: knockouts"
    script:
        "../workflow/scripts/hiclstm_fig8.py"


rule hiclstm_fig8c:
    input:
        needed(
            (
                [f"results/perturbation/{FOCUS_PAIR_RUNS[0]}.boundaries.tsv"]
                if PANELS["fig8c"]
                else []
            ),
            f"figure 8c needs perturbation.boundaries, a model with edits, and {LABELS_OF_SHOWN}",
        ),
    output:
        multiext("results/figures/hiclstm/fig8c", ".pdf", ".tsv"),
        fig8c=report(
            "results/figures/hiclstm/fig8c.png",
            caption="../workflow/report/hiclstm/fig8c.rst",
            category="Hi-C-LSTM",
            subcategory="Figure 8",
            labels={"panel": "c"},
        ),
    log:
        "logs/hiclstm_fig8c.log",
    benchmark:
        "benchmarks/hiclstm_fig8c.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        version=VERSIONS["plotting"],
    message:
        "Drawing figure 8c: knockouts of boundaries"
    script:
        "../workflow/scripts/hiclstm_fig8c.py"


rule hiclstm_fig9:
    input:
        pairs=needed(
            [f"{stem}.tsv" for stem in COMPARED_EDITS],
            "figure 9 shows edits that were measured: name such a sample's wild type and edit in its columns edit_of and edit",
        ),
        scores=[f"{stem}.scores.tsv" for stem in COMPARED_EDITS],
    output:
        multiext("results/figures/hiclstm/fig9", ".pdf", ".tsv"),
        report(
            "results/figures/hiclstm/fig9.png",
            caption="../workflow/report/hiclstm/fig9.rst",
            category="Hi-C-LSTM",
            subcategory="Figure 9",
        ),
    log:
        "logs/hiclstm_fig9.log",
    benchmark:
        "benchmarks/hiclstm_fig9.tsv"
    conda:
        "../envs/plot.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        version=VERSIONS["plotting"],
    message:
        "Drawing figure 9: predicted against observed change"
    script:
        "../workflow/scripts/hiclstm_fig9.py"
