from pathlib import Path

import matplotlib.pyplot as plt

from chromloom.evaluation.perception import evaluate_perception
from chromloom.logs import job_log
from chromloom.plotting.predictors import plot_perception
from chromloom.plotting.style import apply_style, save_figure

source, params = snakemake.input, snakemake.params
with job_log(snakemake.log[0]):
    apply_style()
    runs = dict(zip(params.predictors, [Path(path).parent for path in source.runs]))
    table = evaluate_perception(source.cool[0], params.judge, runs)
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    plot_perception(table, axes[0])
    plot_perception(table, axes[1], against="mse").legend(
        loc="center left", bbox_to_anchor=(1, 0.5)
    )
    axes[0].set_title(f"perceptual score by {params.judge}")
    save_figure(figure, table, Path(snakemake.output.png).with_suffix(""))
