from pathlib import Path

from chromloom.logs import job_log
from chromloom.plotting.reconstruction import plot_costs
from chromloom.plotting.style import apply_style, save_figure
from chromloom.runtime import read_benchmarks, summarise_costs

STEPS = {
    "train_model": "training",
    "fine_tune_model": "fine-tuning",
    "predict_map": "prediction",
    "train_decoder": "decoder",
}
with job_log(snakemake.log[0]):
    apply_style()
    jobs = read_benchmarks(snakemake.input)
    jobs["method"] = jobs["job"].str.split(".").str[3:].str.join("-")
    jobs["step"] = jobs["rule"].map(STEPS)
    costs = summarise_costs(jobs, ["method", "step"]).reset_index()
    costs = costs.rename(columns={"median_s": "run_s"}).drop(columns=["jobs", "longest_s"])
    figure = plot_costs(costs)[0].figure
    save_figure(figure, costs, Path(snakemake.output.png).with_suffix(""))
