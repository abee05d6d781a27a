# The article's figures, one rule a figure, one file a panel, the plotted numbers beside each; and the tables behind them.

TABLES = expand("results/tables/{table}.tsv", table=[])
FIGURES = []
