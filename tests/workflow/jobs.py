"""Write every rule and every job of a study as JSON, without running any.

`python jobs.py OUT SNAKEFILE FOLDER CONFIGFILE [TARGET …]`, as a process of its own, since
Snakemake changes the working directory.
"""

import json
import sys
from pathlib import Path
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings


def plain(value: Any) -> Any:
    """A parameter as JSON has it."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if isinstance(value, int | float | str | None) else str(value)


def main(out: str, snakefile: str, folder: str, configfile: str, *targets: str) -> None:
    with SnakemakeApi(OutputSettings(dryrun=True)) as api:
        asked = api.workflow(
            resource_settings=ResourceSettings(cores=2),
            config_settings=ConfigSettings(configfiles=[Path(configfile)]),
            snakefile=Path(snakefile),
            workdir=Path(folder),
        )
        dag = asked.dag(DAGSettings(targets=set(targets), forceall=True))
        dag.execute_workflow(executor="dryrun")
        workflow = asked._workflow_store
        rules = [
            {
                "rule": rule.name,
                "script": rule.script,
                "log": list(map(str, rule.log)),
                "benchmark": str(rule.benchmark or ""),
                "conda": str(rule.conda_env or ""),
                "message": rule.message,
                "resources": list(rule.resources),
                "params": list(rule.params.keys()),
            }
            for rule in workflow.rules
        ]
        jobs = [
            {
                "rule": job.rule.name,
                "input": list(map(str, job.input)),
                "output": list(map(str, job.output)),
                "params": [plain(value) for value in job.params],
                "threads": job.threads,
                "mem_mb": job.resources.get("mem_mb"),
                "gpu": job.resources.get("gpu", 0),
            }
            for job in workflow.dag.jobs
        ]
    Path(out).write_text(json.dumps({"rules": rules, "jobs": jobs}))


if __name__ == "__main__":
    main(*sys.argv[1:])
