from pathlib import Path

import pandas as pd

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.reconstruction import plot_resolutions
from chromloom.plotting.style import apply_style, save_figure

with job_log(snakemake.log[0]):
    apply_style()
    scores = pd.concat(map(read_tsv, snakemake.input))
    first = scores["classifier"] == scores["classifier"].iloc[0]
    scores = scores[first & (scores["protocol"] == "honest") & (scores["metric"] == "mAP")]
    figure = plot_resolutions(scores, "mAP").figure
    save_figure(figure, scores, Path(snakemake.output.png).with_suffix(""))
