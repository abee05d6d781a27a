import json
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from chromloom.evaluation.maps import error_by_frame_position
from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.reconstruction import plot_frame_error
from chromloom.plotting.style import apply_style, save_figure, say_empty

with job_log(snakemake.log[0]):
    apply_style()
    settings = json.loads(Path(snakemake.input.settings[0]).read_text())["settings"]
    distances = pd.concat(map(read_tsv, snakemake.input.distances)).drop_duplicates()
    own = distances["against"] == distances["sample"]
    distances = distances[(distances["pairs"] == "all") & own]
    figure, ax = plt.subplots(figsize=(4, 2.6), layout="constrained")
    if settings.get("frame"):
        positions = error_by_frame_position(distances, settings["frame"])
        plot_frame_error(positions, ax)
    else:
        positions = pd.DataFrame(columns=["model", "position", "mse", "mse_ratio"])
        say_empty(ax, "The model reads no frames.")
    save_figure(figure, positions, Path(snakemake.output.figS14).with_suffix(""))
