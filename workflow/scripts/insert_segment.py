from pathlib import Path

from chromloom.files import write_tsv
from chromloom.logs import job_log
from chromloom.perturbation.sequence import insert_segments, read_segment
from chromloom.prediction.akita import held_out_chromosomes
from chromloom.prediction.open import open_source

params, source = snakemake.params, snakemake.input
with job_log(snakemake.log[0]):
    own = open_source(Path(source.weights).parent, None, device=params.device)
    asked = dict(params.insertion)
    segment = read_segment(own, asked.pop("segment"))
    chrom = held_out_chromosomes(own)[0]
    write_tsv(insert_segments(own, chrom, segment, seed=params.seed, **asked), snakemake.output[0])
