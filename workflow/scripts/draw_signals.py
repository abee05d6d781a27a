from pathlib import Path

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.signals import plot_signals
from chromloom.plotting.style import apply_style, save_figure
from chromloom.signals.qc import region_values, shown_region
from chromloom.signals.store import SignalStore

with job_log(snakemake.log[0]):
    apply_style()
    store = SignalStore(snakemake.input.store)
    tracks = region_values(store, shown_region(store))
    qc = read_tsv(snakemake.input.qc)
    figure = plot_signals(tracks, qc, title=f"{store.cell_type}, {store.bin_size} bp")
    save_figure(figure, tracks, Path(snakemake.output.png).with_suffix(""))
