"""Print every rule and every job of a study as JSON, one per line, without running any.

`python jobs.py SNAKEFILE FOLDER CONFIGFILE [TARGET …]`, from a process of its own, since Snakemake
changes the working directory.
"""

import json
import sys
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings


def plain(value):
    """A parameter as JSON has it."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if isinstance(value, int | float | str | None) else str(value)


def main(snakefile: str, folder: str, configfile: str, *targets: str) -> None:
    with SnakemakeApi(OutputSettings(dryrun=True)) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=2),
            config_settings=ConfigSettings(configfiles=[Path(configfile)]),
            snakefile=Path(snakefile),
            workdir=Path(folder),
        )
        dag = workflow.dag(DAGSettings(targets=set(targets), forceall=True))
        dag.execute_workflow(executor="dryrun")
        for rule in workflow._workflow.rules:
            line = {
                "rule": rule.name,
                "script": rule.script,
                "log": [str(path) for path in rule.log],
                "benchmark": str(rule.benchmark or ""),
                "conda": str(rule.conda_env or ""),
                "message": rule.message or "",
                "resources": list(rule.resources),
                "params": list(rule.params.keys()),
            }
            print("RULE", json.dumps(line))
        for job in workflow._workflow_store.dag.jobs:
            params = {key or str(k): plain(v) for k, (key, v) in enumerate(job.params._allitems())}
            line = {"rule": job.rule.name, "input": list(job.input), "params": params}
            print("JOB", json.dumps(line))


if __name__ == "__main__":
    main(*sys.argv[1:])
