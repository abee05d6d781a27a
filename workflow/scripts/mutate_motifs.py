from pathlib import Path

from chromloom.files import atomic_path, write_tsv
from chromloom.logs import job_log
from chromloom.normalize.maps import NormalizedMap
from chromloom.perturbation.motifs import map_loci, mutate_motifs, rank_motifs, read_sites
from chromloom.prediction.open import open_source

source, params = snakemake.input, snakemake.params
drawn = {"draws": params.draws, "seed": params.seed}
with job_log(snakemake.log[0]):
    own = open_source(Path(source.weights).parent, source.cool, device=params.device)
    sites = read_sites(own, source.motifs or None, threshold=params.threshold)
    windows = mutate_motifs(own, sites, **drawn)
    ranked = rank_motifs(windows, sites)
    write_tsv(windows, snakemake.output.windows)
    write_tsv(ranked, snakemake.output.ranked)
    first = sites[sites["name"] == ranked["name"].iloc[0]]
    loci = map_loci(own, NormalizedMap(source.cool), first, params.loci, **drawn)
    with atomic_path(snakemake.output.loci) as path:
        loci.to_parquet(path, index=False)
