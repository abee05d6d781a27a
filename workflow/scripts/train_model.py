from chromloom.logs import job_log
from chromloom.models.hiclstm import HiCLSTMSettings
from chromloom.training.fit import train

params = snakemake.params
with job_log(snakemake.log[0]):
    train(
        snakemake.input.cool,
        params.folder,
        HiCLSTMSettings.from_preset(snakemake.wildcards.model.removeprefix("hiclstm-"), **params.options),
        seed=params.seed,
        device=params.device,
        resume_dir=params.resume,
    )
