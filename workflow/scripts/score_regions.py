from pathlib import Path

from chromloom.evaluation.regions import measure_seams, score_regions
from chromloom.files import write_tsv
from chromloom.genome.intervals import read_intervals
from chromloom.logs import job_log
from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.open import open_source

source, params = snakemake.input, snakemake.params
with job_log(snakemake.log[0]):
    own = open_source(Path(source.weights).parent, source.cool, device=params.device)
    observed, masked = NormalizedMap(source.cool), None
    if source.masked:
        masked = read_intervals(source.masked, "bed", observed.bins.chromsizes, what="masked")
    regions = score_regions(
        own,
        observed,
        tracks=dict(zip(params.tracks, source.tracks)),
        masked=masked,
        draws=params.draws,
        seed=params.seed,
    )
    write_tsv(regions, snakemake.output.regions)
    write_tsv(measure_seams(own), snakemake.output.seams)
