# Configuration, sheets, wildcards and the few functions that rules ask for inputs or parameters. No rules.
import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# `current_basedir` is this folder also when the workflow is included or used as a module.
ROOT = Path(str(workflow.current_basedir)).parent
sys.path.insert(0, str(ROOT / "workflow"))

from chromloom.classification.labels import read_label_sheet
from chromloom.errors import ChromloomError
from chromloom.edits.read import read_edits
from chromloom.sheets import check_config, check_references, read_sheet
from chromloom.training.models import needs_trans, predicts_maps, resolve_model
from chromloom.versions import VERSIONS

SCHEMAS = ROOT / "workflow" / "schemas"


# One training at a time on the local GPU; on a cluster every job asks for its own. Said here and not in
# profiles/default, whose `resources` would replace those of the command line's own profile.
resource_scopes:
    gpu="local",


workflow.global_resources.setdefault("gpu", 1)


def find_path(path):
    """A path of the config or of a sheet: as seen from the working directory, else from the Snakefile's folder."""
    path = os.path.expandvars(os.path.expanduser(path))
    if "$" in path:
        raise ChromloomError(
            f"{path}: no such environment variable; set it (for example: export CHROMLOOM_REAL_DATA=/path/to/maps)"
        )
    return (
        path if os.path.exists(path) or not (ROOT / path).exists() else str(ROOT / path)
    )


def load_sheet(key, index):
    """The sheet that the config names under `key`, checked; None where it names none."""
    if not config[key]:
        return None
    return read_sheet(find_path(config[key]), SCHEMAS / f"{key}.schema.yaml", key=index)


def listed(value):
    """The items of a comma-separated cell of a sheet."""
    return [item.strip() for item in value.split(",") if item.strip()]


def resolutions(sample):
    """Bin sizes (bp) that a sample is extracted at."""
    own = SAMPLES.resolutions[sample] or SAMPLES.resolutions.get(
        SAMPLES.thin_of[sample], ""
    )
    return [int(item) for item in listed(own)] or config["contacts"]["resolutions"]


def trained_resolutions(sample):
    """Bin sizes (bp) that models of a sample are trained at: those asked for, else its finest."""
    chosen = [r for r in config["training"]["resolutions"] if r in resolutions(sample)]
    return chosen or [min(resolutions(sample))]


def norms(sample):
    """Balancing methods of a sample; its contact map carries the weights of the first."""
    return listed(SAMPLES.norms[sample]) or config["normalization"]["norms"]


def trained_models(sample):
    """Names of the models that are trained on a sample."""
    own = SAMPLES.models[sample]
    return [] if own == "-" else listed(own) or config["training"]["models"]


def seeds_of(model):
    """Names of a model's trainings by all seeds, its own first."""
    return [model] + [
        f"{model}-seed{seed}"
        for seed in config["training"]["seeds"]
        if seed != config["seed"]
    ]


def ablation():
    """Variants that figure S13 compares: name to size, name of the variant and settings."""
    chosen = config["figures"]["ablation"]
    return {
        "-".join([chosen["model"], f"d{size}", *filter(None, [variant])]): (
            size,
            variant or "as it is",
            {"model": chosen["model"], "embedding_dim": size, **settings},
        )
        for variant, settings in {"": {}, **chosen["variants"]}.items()
        for size in chosen["sizes"]
    }


def declare_variants():
    """Variants of models by name: those of training.options, further seeds, and those that figure S13 compares."""
    models = {model for sample in SAMPLES.index for model in trained_models(sample)}
    seeds = {
        name: {"model": model, "seed": int(name.rsplit("-seed", 1)[1])}
        for model in models
        for name in seeds_of(model)[1:]
    }
    sizes = {name: settings for name, (_, _, settings) in ablation().items()}
    return {**seeds, **sizes, **config["training"]["options"]}


def training_of(wildcards):
    """What a model's name stands for: the model, its seed and the settings that differ from its own."""
    model, options = resolve_model(wildcards.model, VARIANTS)
    seed = options.pop("seed", config["seed"])
    return {"model": model, "seed": seed, "options": options}


def base_model(run):
    """The model that the name in a run stands for."""
    return resolve_model(run.rsplit(".", 1)[1], VARIANTS)[0]


def check_trans(run):
    """Refuse a model of contacts between chromosomes where the sheet or the config keeps one chromosome."""
    sample = run.split(".")[0]
    kept = listed(SAMPLES.chromosomes[sample]) or config["contacts"]["chromosomes"]
    if needs_trans(base_model(run)) and len(kept) == 1:
        raise ChromloomError(
            f"{config['samples']}, sample {sample!r}: model {run.rsplit('.', 1)[1]!r} reads contacts between chromosomes and only "
            f"{kept[0]} is kept; keep more, or give this sample models without it in the column models"
        )


def trans_required(wildcards):
    """Proof that a map has contacts between chromosomes, for the models that read them."""
    reads = needs_trans(training_of(wildcards)["model"])
    return f"results/qc/trans/{wildcards.sample}.tsv" if reads else []


def edits_path(sample):
    """File of the edits of a sample: its own, else the one of the config; "" for none."""
    own = SAMPLES.edits[sample]
    return (
        ""
        if own == "-"
        else find_path(own or config["edits"]) if own or config["edits"] else ""
    )


def edits_of(sample):
    """Names of the edits of a sample."""
    return [edit.edit for edit in EDITS[edits_path(sample)]]


def site_sets(named):
    """Files of the sets of sites to knock out, by name; a folder is one set a file."""
    sets = {}
    for name, path in named.items():
        path = find_path(path)
        if os.path.isdir(path):
            files = sorted(Path(path).glob("[!.]*"))
            sets.update({file.name.split(".")[0]: str(file) for file in files})
        else:
            sets[name] = path
    return sets


def read_labels(cell_type):
    """Label files of a cell type; none where the config names no sheet or the sheet no such cell type."""
    if not config["labels"]:
        return []
    sheet = read_label_sheet(find_path(config["labels"]), must_exist=False)
    return [
        str(path)
        for paths in sheet.path[sheet.cell_type.isin([cell_type, "*"])]
        for path in paths
    ]


def simulated_genome(path):
    """Folder of the simulated genome that a file is of, and its path there; two empty strings for other files."""
    found = re.fullmatch(r"(results/simulated(?:/seed[0-9]+)?)/(.+)", path)
    return found.groups() if found else ("", "")


def simulated_files():
    """What the config and the sheets name in the folders of simulated genomes, by path there."""
    named = {
        *SOURCES.values(),
        *sum(LABELS.values(), []),
        config["analysis"]["phasing"],
    }
    return sorted({path for _, path in map(simulated_genome, named) if path})


def other_simulated_maps():
    """Maps of a simulated genome beyond its default ones, as the sample sheet asks for them, with the edit of the row."""
    maps = []
    for sample, row in SAMPLES.iterrows():
        if simulated_genome(row.contacts)[1].startswith("contacts/"):
            edits = EDITS[edits_path(row.edit_of)] if row.edit_of else []
            edit = next((vars(e) for e in edits if e.edit == row.edit), {})
            keys = ["kind", "chrom", "start", "end"]
            keys += (
                ["chrom2", "start2", "end2", "strand", "strand2"]
                if edit.get("chrom2")
                else []
            )
            maps.append(
                {
                    "file": Path(row.contacts).name,
                    "cell_type": row.cell_type,
                    "edit": {key: edit[key] for key in keys if edit},
                }
            )
    return maps


def truth_of(sample):
    """What was simulated in the genome of a sample; "" for other maps, and for what is edited or fine-tuned."""
    row = SAMPLES.loc[sample]
    genome, _ = simulated_genome(row.contacts)
    return f"{genome}/truth" if genome and not (row.edit_of or row.fine_tune_of) else ""


def dataset_path(reference):
    """Where the file of `dataset:NAME` is downloaded to; any other path as it is."""
    kind, _, name = reference.partition("dataset:")
    if not name:
        return find_path(reference)
    if DATASETS is None or name not in DATASETS.index:
        raise ChromloomError(
            f"{reference}: no such row in the table of data sets ({config['datasets'] or 'none is configured'})"
        )
    return f"resources/downloads/{DATASETS.file[name]}"


try:
    config.update(check_config(config, SCHEMAS / "config.schema.yaml"))
    SAMPLES = load_sheet("samples", "sample")
    DATASETS = load_sheet("datasets", "dataset")
    LABELS = {cell_type: read_labels(cell_type) for cell_type in SAMPLES.cell_type}
    for column in ("against", "thin_of", "fine_tune_of", "classify_from", "edit_of"):
        check_references(SAMPLES, column, list(SAMPLES.index), path=config["samples"])
    SOURCES = {
        sample: dataset_path(row.contacts)
        for sample, row in SAMPLES.iterrows()
        if not row.thin_of
    }
    KNOCKOUTS = site_sets(config["perturbation"]["knockouts"])
    EDITS = {
        path: read_edits(path) if path else []
        for path in map(edits_path, SAMPLES.index)
    }
    for sample in SAMPLES.index[SAMPLES.edit_of != ""]:
        if SAMPLES.edit[sample] not in edits_of(SAMPLES.edit_of[sample]):
            raise ChromloomError(
                f"{config['samples']}, sample {sample!r}: {SAMPLES.edit_of[sample]!r} has no edit {SAMPLES.edit[sample]!r}; "
                f"it has {', '.join(edits_of(SAMPLES.edit_of[sample])) or 'none'} (columns edit_of, edit)"
            )
    if config["perturbation"]["boundaries"] and not config["attribution"]["domains"]:
        raise ChromloomError(
            "perturbation.boundaries needs domains: name their task of the label sheet in attribution.domains"
        )
except ChromloomError as error:
    raise WorkflowError(str(error)) from None

BALANCE = {
    key: config["normalization"][key]
    for key in (
        "ignore_diags",
        "mad_max",
        "min_nnz",
        "max_iters",
        "tol",
        "allow_unconverged",
    )
}
MAPS = [
    f"{s}.{r}.{n}"
    for s in SAMPLES.index
    for r in trained_resolutions(s)
    for n in norms(s)
]
RUNS = [f"{map}.{model}" for map in MAPS for model in trained_models(map.split(".")[0])]
CLASSIFIED = [run for run in RUNS if LABELS[SAMPLES.cell_type[run.split(".")[0]]]]
try:
    VARIANTS = declare_variants()
    for run in RUNS:
        check_trans(run)
except ChromloomError as error:
    raise WorkflowError(str(error)) from None
# Models that predict maps by themselves; the others are representations alone and need a decoder.
MAP_RUNS = [run for run in RUNS if predicts_maps(base_model(run))]
# Models whose prediction of a pair is a function of vectors that can be moved: Hi-C-LSTM and its baseline.
PAIR_RUNS = [run for run in MAP_RUNS if base_model(run).startswith(("hiclstm-", "eig"))]


wildcard_constraints:
    sample="[A-Za-z0-9][A-Za-z0-9_-]*",
    resolution="[0-9]+",
    norm="ICE|KR|VC|VC_SQRT",
    model="[a-z][a-z0-9-]*",
    edit="[A-Za-z0-9][A-Za-z0-9_-]*",
    decoder="lstm|cnn|fc",
    origin="[A-Za-z0-9][A-Za-z0-9_-]*",
    fold="[0-9]+",
    seed="[0-9]+",


def one_of(samples):
    """Constraint of a wildcard to some samples; what never matches where there are none."""
    return "|".join(samples) or "$^"


def needed(paths, message):
    """Input function of a figure that is not made by default, with a message for when it has nothing to show."""

    def check(wildcards):
        if not paths:
            raise WorkflowError(message)
        return paths

    return check


def classified_runs(wildcards):
    """Runs of a map whose bins are classified."""
    return [run for run in CLASSIFIED if run.rsplit(".", 1)[0] == ".".join(wildcards)]


def transfers_of(run):
    """Names of the classifications of a run by what was learnt on other samples."""
    sample, resolution, norm, _ = run.split(".")
    origins = listed(SAMPLES.classify_from[sample])
    for origin in origins:
        if int(resolution) not in resolutions(origin) or norm not in norms(origin):
            raise WorkflowError(
                f"{config['samples']}, sample {sample!r}: classify_from {origin!r} has no map at {resolution} bp and {norm}; "
                f"add them to its columns resolutions and norms"
            )
    return [f"{run}.from.{origin}" for origin in origins]


def assembly_of(wildcards):
    """Shipped name, chromsizes file or folder of a sample's assembly."""
    assembly = SAMPLES.assembly[wildcards.sample]
    return assembly if (ROOT / "resources" / assembly).is_dir() else find_path(assembly)


def chromosomes_of(wildcards):
    """Chromosomes that the sheet or the config asks for; None is all of them."""
    return (
        listed(SAMPLES.chromosomes[wildcards.sample])
        or config["contacts"]["chromosomes"]
        or None
    )


def pooled_cell_type(wildcards):
    """The cell type whose cells of a .scool are pooled; None for other maps."""
    row = SAMPLES.loc[wildcards.sample]
    return row.cell_type if row.cell_labels else None


def hic_source(wildcards):
    """The sample's .hic, whose stored vectors are taken where the norm is one of juicer's."""
    source = SOURCES.get(wildcards.sample, "")
    return source if source.endswith(".hic") and wildcards.norm != "ICE" else []


def agreement_of(map, replicate=False):
    """What a panel shows of a map: stems of tables, and the samples that decoders were trained and scored on."""
    sample, decoders = map.split(".")[0], config["reconstruction"]["decoders"]
    other = SAMPLES.against[sample]
    runs = [run for run in RUNS if run.startswith(f"{map}.")]
    ending = "-replicate" if replicate else ""
    return {
        "by": "model",
        "stems": [f"{run}.{decoder}{ending}" for run in runs for decoder in decoders]
        or [run for run in runs if run in MAP_RUNS],
        "scored": [[sample, other], [other, other]] if replicate else [[sample] * 2],
    }


def samples_like(run, replicate=False):
    """The same model, bin size and norm on every sample, scored on its own map or on its replicate."""
    runs = [r for r in MAP_RUNS if r.split(".")[1:] == run.split(".")[1:]]
    scored = [[r.split(".")[0]] * 2 for r in runs]
    if replicate:
        scored = [[sample, SAMPLES.against[sample]] for sample, _ in scored]
    return {
        "by": "sample",
        "stems": [r for r, pair in zip(runs, scored) if all(pair)],
        "scored": scored,
    }


def other_maps(focus):
    """The first map with models of every other cell type, thinned and fine-tuned samples apart."""
    shown, maps = {SAMPLES.cell_type[focus.split(".")[0]]}, []
    for run in MAP_RUNS:
        row = SAMPLES.loc[run.split(".")[0]]
        if row.cell_type not in shown and not (row.thin_of or row.fine_tune_of):
            shown.add(row.cell_type)
            maps.append(run.rsplit(".", 1)[0])
    return maps


def compared(key):
    """Input function of a panel that compares runs: its tables."""

    def paths(wildcards):
        stems = COMPARED.get(wildcards.panel, {"stems": []})["stems"]
        if not stems:
            raise WorkflowError(
                f"{wildcards.panel} has nothing to show: it needs another cell type (fig3c, figS1a, figS1c), "
                "a sample in the column against (fig3b, fig3d, fig3f, figS1b, figS1d) or a model of the sample shown"
            )
        return expand(f"results/reconstruction/{{stem}}.{key}", stem=stems)

    return paths


def against_map(wildcards):
    """Normalised map of the sample that this one's predictions are scored on too."""
    other = SAMPLES.against[wildcards.sample]
    return (
        f"results/normalized/{other}.{wildcards.resolution}.{wildcards.norm}.cool"
        if other
        else []
    )


def dataset_of_file(wildcards):
    """Row of the table of data sets that gives a downloaded file, as a plain dictionary."""
    return next(
        row for row in DATASETS.to_dict("records") if row["file"] == wildcards.file
    )


def assembly_name(wildcards):
    """Name of a sample's assembly, as its normalised map and the label sheet have it."""
    return Path(assembly_of(wildcards)).name.split(".")[0]


def map_to_analyse(wildcards):
    """An observed map, or where the name ends in a model's, its predicted one."""
    return f"results/{'normalized' if wildcards.map in MAPS else 'predictions'}/{wildcards.map}.{'cool' if wildcards.map in MAPS else 'mcool'}"


def files_to_view(wildcards):
    """What a view of a run shows, under the names that it gives them: two maps, tracks, loops."""
    map = "{sample}.{resolution}.{norm}".format(**wildcards)
    run = f"{map}.{wildcards.model}"
    files = {
        "observed": f"results/contacts/{wildcards.sample}.mcool",
        "predicted": f"results/predictions/{run}.mcool",
        "cool": f"results/normalized/{map}.cool",
        "E1": f"results/analysis/{map}/E1.bw",
        "insulation": f"results/analysis/{map}/insulation.bw",
    }
    if run in ATTRIBUTED:
        files["importance"] = f"results/attribution/{run}.bw"
    for name, path in {"observed_loops": map, "predicted_loops": run}.items():
        if (bedpe := f"results/analysis/{path}/loops.bedpe") in LOOPS:
            files[name] = bedpe
    return files


def focus_map():
    """The map that figures show: the first trained one of the sample that the config names, or of all."""
    wanted = config["figures"]["sample"]
    maps = [
        run.rsplit(".", 1)[0] for run in PAIR_RUNS if wanted in ("", run.split(".")[0])
    ]
    if not maps:
        raise WorkflowError(
            f"figures.sample {wanted!r}: no sample with a model; name one of {sorted({r.split('.')[0] for r in RUNS})}"
        )
    return maps[0]
