from pathlib import Path

from chromloom.files import write_tsv
from chromloom.genome.regions import parse_region
from chromloom.logs import job_log
from chromloom.perturbation.sequence import saturate
from chromloom.prediction.open import open_source
from chromloom.signals.tracks import write_bigwig

output, source = snakemake.output, snakemake.input
with job_log(snakemake.log[0]):
    own = open_source(Path(source.weights).parent, None, device=snakemake.params.device)
    sizes = own.bins.chromsizes
    table = saturate(own, *parse_region(snakemake.params.region, sizes.to_dict()))
    write_tsv(table, output.table)
    mean = table.groupby(["chrom", "start", "end"], sort=False)["disruption"].mean().reset_index()
    write_bigwig(mean, "disruption", output.disruption, sizes)
