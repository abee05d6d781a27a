from pathlib import Path

from chromloom.evaluation.predictors import evaluate_predictors
from chromloom.files import write_tsv
from chromloom.genome.assembly import load_assembly
from chromloom.logs import job_log

source, params = snakemake.input, snakemake.params
with job_log(snakemake.log[0]):
    # Folders of the runs are named by the run, those of folds by predictor and fold.
    runs = dict(zip(params.predictors, [Path(path).parent for path in source.runs]))
    folds = iter(source.folds)
    stores = {Path(path).name.removesuffix(".h5"): path for path in source.get("stores", [])}
    result = evaluate_predictors(
        source.cool,
        runs,
        folds={name: [Path(next(folds)).parent for _ in own] for name, own in params.folds.items()},
        others={
            name: {cell_type: stores[store] for cell_type, store in own.items()}
            for name, own in params.controls.items()
        },
        assembly=load_assembly(params.assembly),
        genome=source.genome[0] if source.get("genome") else None,
        denoised=Path(source.denoised).parent if source.get("denoised") else None,
        n_boot=params.bootstraps,
        seed=params.seed,
    )
    for name in ("scores", "distances", "submatrices", "curves", "insulation"):
        table = getattr(result, name)
        table.insert(0, "sample", snakemake.wildcards.sample)
        write_tsv(table, snakemake.output[name])
