from pathlib import Path

from chromloom.errors import InputError
from chromloom.files import atomic_path, write_tsv
from chromloom.genome.regions import parse_region
from chromloom.logs import job_log
from chromloom.perturbation.sequence import delete_combinations, maps_table
from chromloom.prediction.open import open_source

output, source = snakemake.output, snakemake.input
with job_log(snakemake.log[0]):
    own = open_source(Path(source.weights).parent, None, device=snakemake.params.device)
    sizes = own.bins.chromsizes.to_dict()
    parsed = [parse_region(region, sizes) for region in snakemake.params.regions]
    if len(chroms := sorted({chrom for chrom, *_ in parsed})) > 1:
        raise InputError(
            f"sequence_analysis.deletions, {snakemake.wildcards.target}: regions of "
            f"{', '.join(chroms)}; give those of one chromosome"
        )
    table, maps = delete_combinations(own, chroms[0], [region[1:] for region in parsed])
    write_tsv(table, output.table)
    with atomic_path(output.maps) as path:
        maps_table(maps).to_parquet(path, index=False)
