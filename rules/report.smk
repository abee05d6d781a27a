# Reports of unfinished studies. Snakemake's reports need every file that a job of theirs marks for the report.
from snakemake.exceptions import InputFunctionException
from snakemake.io import is_flagged
from snakemake.iocontainers import Wildcards

# Files that cannot be made for want of one that a sheet names, and what is said of it.
REFUSED = {}


@cache
def job_of(path):
    """Name of the rule, outputs, inputs and log of the job that makes a file; None for a file that no job makes."""
    makers = [maker for maker in workflow.rules if maker.is_producer(path)]
    for maker in sorted(makers, reverse=True):
        wildcards = Wildcards(fromdict=maker.get_wildcards(path))
        try:
            inputs = list(maker.expand_input(wildcards)[0])
        except (InputFunctionException, WorkflowError) as error:
            if isinstance(error.__context__, MissingFile):
                REFUSED[path] = str(error.__context__)
            continue  # the rule makes no such file in this study
        outputs = list(maker.expand_output(wildcards)[0])
        log = str(next(iter(maker.expand_log(wildcards)), ""))
        return maker.name, outputs, inputs, log


@cache
def unreportable(path):
    """Files that a report of `path` needs and that are not there."""
    job = job_of(path)
    marked = [f for f in (*job[1], *job[2]) if is_flagged(f, "report")] if job else []
    missing = {str(f) for f in (path, *marked) if not Path(f).exists()}
    return missing.union(
        *(unreportable(str(f)) - {str(f)} for f in (job[2] if job else []))
    )


@cache
def reasons(path):
    """Jobs without which a missing file cannot be made, each with what its log says."""
    job = job_of(path)
    if not job:
        return {REFUSED.get(path, f"no file {path}")}
    name, _, inputs, log = job
    missing = [str(f) for f in inputs if not Path(f).exists()]
    if missing:
        return set().union(*map(reasons, missing))
    if not Path(log).is_file():
        return {f"{name} has not run"}
    lines = Path(log).read_text(errors="replace").strip().splitlines()
    failed = any(" ERROR " in line for line in lines)
    said = f": {lines[-1].split(' ERROR ')[-1]}" if failed else ""
    state = "failed" if failed else "was not finished"
    return {f"{name} {state} ({log}){said}"}


def finished(wildcards):
    """What is there of a study, to be reported; what is not goes to the front page of the report."""
    # The report of a study of which nothing is there yet is written, too; Snakemake makes no folder for it.
    Path("results").mkdir(exist_ok=True)
    asked = list(dict.fromkeys(map(str, rules.all.input)))
    panels = [
        f"results/figures/hiclstm/{panel}.png"
        for panel in dict.fromkeys(
            p for shown, _ in FIGURE_PANELS.values() for p in shown
        )
    ]
    there = [path for path in asked + panels if not unreportable(path)]
    config["missing"] = {}
    for path in set().union(*map(unreportable, asked)):
        for reason in reasons(path):
            # The report reads reStructuredText.
            plain = re.sub(r"([\\*`|_])", r"\\\1", reason)
            config["missing"].setdefault(plain, set()).add(path)
    return there
