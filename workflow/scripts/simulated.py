from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.judge import plot_simulated
from chromloom.plotting.style import apply_style, save_figure

with job_log(snakemake.log[0]):
    apply_style()
    figure, summary = plot_simulated(read_tsv(snakemake.input[0]))
    save_figure(figure, summary, snakemake.output.pdf.removesuffix(".pdf"))
