from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.judge import plot_edits, plot_simulated
from chromloom.plotting.style import apply_style, save_figure

with job_log(snakemake.log[0]):
    apply_style()
    table = read_tsv(snakemake.input[0])
    figure, summary = plot_simulated(table)
    save_figure(figure, summary, snakemake.output.pdf.removesuffix(".pdf"))
    figure, medians = plot_edits(table)
    save_figure(figure, medians, snakemake.output.edits_pdf.removesuffix(".pdf"))
