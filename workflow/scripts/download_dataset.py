from chromloom.download import download
from chromloom.logs import job_log

dataset = snakemake.params.dataset
with job_log(snakemake.log[0]):
    download(
        [url for url in (dataset["url"], dataset["archive_url"]) if url],
        snakemake.output[0],
        checksum=dataset["checksum"] or None,
        size=int(dataset["size"]) if dataset["size"] else None,
    )
