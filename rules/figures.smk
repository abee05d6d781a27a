# The article's figures, one rule a figure, one file a panel, the plotted numbers beside each; and the tables behind them.

TABLES = expand("results/classification/{run}.tsv", run=CLASSIFIED) + expand(
    "results/reconstruction/{run}.tsv", run=RUNS
)
FIGURES = []
