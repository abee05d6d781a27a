from dataclasses import replace
from pathlib import Path

from chromloom.logs import job_log
from chromloom.simulate.write import SAMPLES, Sample, simulate_genome

params = snakemake.params
with job_log(snakemake.log[0]):
    samples = {sample.sample: sample for sample in SAMPLES}
    for k, other in enumerate(params.others):
        name, form = other["file"].split(".")[:2]
        deep = Sample(name, other["cell_type"], SAMPLES[0].contacts, form, k + 2, other["edit"])
        samples[name] = replace(samples.get(name, deep), form=form)
    simulate_genome(
        Path(snakemake.output.truth).parent,
        seed=params.seed,
        chromsizes=params.chromsizes or None,
        expression=params.expression,
        fasta=any(path.endswith("/genome.fa") for path in snakemake.output),
        samples=[replace(s, contacts=round(s.contacts * params.depth)) for s in samples.values()],
    )
