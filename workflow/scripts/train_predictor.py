from pathlib import Path

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.models.registry import find_model, load

params = snakemake.params
with job_log(snakemake.log[0]):
    splits = read_tsv(snakemake.input.splits)
    load(find_model(params.model).train)(
        params.model,
        snakemake.input.maps,
        snakemake.input.stores,
        splits[splits["fold"] == int(snakemake.wildcards.fold)].reset_index(drop=True),
        Path(snakemake.output.weights).parent,
        signals=params.signals,
        genome_path=snakemake.input.get("genome"),
        **({"targets_path": targets} if (targets := snakemake.input.get("targets")) else {}),
        sequence=params.sequence,
        max_distance=params.max_distance,
        options=params.options,
        seed=params.seed,
        device=params.device,
        resume_dir=params.resume,
        weights=snakemake.input.get("published"),
    )
