"""What a study consists of, worked out from its configuration and sheets.

`Study` says which maps there are, which models are trained on them, which files they read and
which of them the figures show. The rules ask it and add nothing but paths; it knows no Snakemake
and reads no data but the sheets (samples, data sets, labels, edits) that it checks.

A *map* is named `{sample}.{resolution}.{norm}`, a *run* `{sample}.{resolution}.{norm}.{model}`:
the map of this sample as this model sees it.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from chromloom.attribution.sets import parse_expression
from chromloom.classification.labels import ELEMENTS, read_label_sheet
from chromloom.contacts.sniff import is_hic
from chromloom.contacts.text import files_of
from chromloom.edits.edit import Edit
from chromloom.edits.read import Row, fit_bins, read_rows, summary
from chromloom.errors import InputError
from chromloom.genome.assembly import assembly_files, assembly_name, read_chromsizes
from chromloom.genome.names import select_chromosomes
from chromloom.genome.regions import parse_region
from chromloom.models.registry import (
    Model,
    code_of,
    find_model,
    model_settings,
    models,
    resolve_model,
    use_plugins,
)
from chromloom.sheets import NAME, check_config, check_references, read_sheet
from chromloom.signals.sheet import SignalSource, signal_sources
from chromloom.training.splits import split_chromosomes

# Columns of the sample sheet that name other samples of it.
REFERENCES = ("against", "thin_of", "fine_tune_of", "classify_from", "edit_of")
# HiCCUPS knows the surroundings of a loop at these bin sizes (bp).
LOOP_RESOLUTIONS = range(4_000, 28_001)
# Files of the assembly of a simulated genome.
SIMULATED_ASSEMBLY = ("chrom.sizes", "centromeres.bed", "blacklist.bed")
# Panels of the figures that are made by default, by the figure that draws them.
PANELS = {
    "fig3": ["fig3a", "fig3b", "fig3g", "figS14"],
    "fig4": ["fig4a", "fig4d", "fig4e", "figS3"],
    "fig4f": ["fig4f"],
    "fig6": ["fig6a", "fig6c", "fig6e"],
    "fig6b": ["fig6b"],
    "fig7": ["fig7", "fig7d"],
    "fig8": ["fig8a", "fig8b"],
    "fig8c": ["fig8c"],
    "fig9": ["fig9"],
}


@dataclass(frozen=True)
class Run:
    """One model on one map; as text `{sample}.{resolution}.{norm}.{model}`.

    Attributes
    ----------
    sample, norm, model : str
    resolution : int
        Bin size in bp.
    """

    sample: str
    resolution: int
    norm: str
    model: str

    @property
    def map(self) -> str:
        """Name of the map, `{sample}.{resolution}.{norm}`."""
        return f"{self.sample}.{self.resolution}.{self.norm}"

    def __str__(self) -> str:
        return f"{self.map}.{self.model}"


@dataclass(frozen=True)
class PredictorPlan:
    """A predictor of the config, with every default.

    Attributes
    ----------
    name, model : str
    seed : int
    options : dict
        Settings that differ from the model's own.
    samples, signals : tuple of str
    resolution, max_distance : int
        bp.
    norm : str
        Of the maps: the first of the first sample.
    bin_size : int
        bp, of the signals.
    test, validation : tuple of str
    n_folds : int
        0 for one fold, whose test is given.
    """

    name: str
    model: str
    seed: int
    options: dict[str, Any]
    samples: tuple[str, ...]
    signals: tuple[str, ...]
    resolution: int
    max_distance: int
    norm: str
    bin_size: int
    test: tuple[str, ...]
    validation: tuple[str, ...]
    n_folds: int

    @property
    def folds(self) -> list[int]:
        """Numbers of the folds."""
        return list(range(max(self.n_folds, 1)))

    @property
    def split(self) -> dict[str, Any]:
        """Arguments of `training.splits.split_chromosomes`."""
        return {
            "test": list(self.test),
            "validation": list(self.validation),
            "folds": self.n_folds,
            "gap": self.max_distance,
        }


class Study:
    """A study: what its config and sheets ask for.

    Parameters
    ----------
    config : mapping
        The user's configuration; checked and completed with defaults.
    root : str or Path
        Folder of the workflow, which holds `workflow/schemas` and `resources`. Paths of config and
        sheets are those of the working directory, else of this folder.

    Attributes
    ----------
    config : dict
        With every default.
    samples : DataFrame
        Sample sheet, indexed by sample; str, "" where a cell is empty.
    datasets : DataFrame or None
        Table of data sets, indexed by dataset.
    labels : dict
        cell type -> files of its labels (list of str).
    tasks : dict
        cell type -> names of its tasks in the label sheet (list of str).
    edits : dict
        sample -> its edits (list of Edit), whatever the size of the bins.
    signals : dict
        cell type -> files of its signals (list of SignalSource); those of the sheet alone.
    sources : dict
        sample -> its contact map; not of samples that are thinned or have no contacts.
    knockouts : dict
        name -> file of a set of sites to knock out.
    predictors : dict
        name -> PredictorPlan.

    Raises
    ------
    InputError
        Config or sheets are not as they should be, or contradict each other.
    """

    def __init__(self, config: Mapping[str, Any], root: str | Path) -> None:
        self.root = Path(root)
        schemas = self.root / "workflow" / "schemas"
        self.config = check_config(dict(config), schemas / "config.schema.yaml")
        use_plugins(map(self.find_path, self.config["training"]["plugins"]))
        self.samples = self._sheet("samples", "sample")
        self.datasets = self._sheet("datasets", "dataset") if self.config["datasets"] else None
        if self.datasets is not None:
            self._check_datasets(self.datasets)
        for column in REFERENCES:
            check_references(
                self.samples, column, list(self.samples.index), path=self.config["samples"]
            )
        self._read_labels()
        self._read_signals()
        self.predictors = {
            name: self._plan_predictor(name, dict(asked))
            for name, asked in self.config["predictors"].items()
        }
        self._check_contacts()
        self.sources = {
            sample: self.dataset_path(row.contacts)
            for sample, row in self.samples.iterrows()
            if row.contacts != "-"
        }
        for sample in self.sources:
            self.contact_files(sample)
        self.knockouts = self._site_sets(self.config["perturbation"]["knockouts"])
        self._edit_rows = self._read_edits()
        self.edits: dict[str, list[Edit]] = {
            sample: [row.edit for row in rows if row.edit]
            for sample, rows in self._edit_rows.items()
        }
        self._check_measured_edits()
        if self.config["perturbation"]["boundaries"] and not self.config["attribution"]["domains"]:
            raise InputError(
                "perturbation.boundaries needs domains: name their task of the label sheet in "
                "attribution.domains"
            )
        for run in self.runs:
            self._check_scope(run)
            self._check_trans(run)
        self._check_assemblies()
        self._check_splits()
        self._check_tasks()
        self._check_comparisons()
        self._check_orientations()
        self._check_figures()
        self._check_expression()
        _ = self.transfers  # checked as they are listed

    # Files

    def find_path(self, path: str) -> str:
        """A path of the config or of a sheet, as seen from the working directory.

        Environment variables and `~` are filled in; a relative path that is not in the working
        directory and is in the folder of the workflow is that one. "" stays "".

        Raises
        ------
        InputError
            An environment variable is not set.
        """
        path = os.path.expandvars(os.path.expanduser(path))
        if not path:
            return ""
        if "$" in path:
            raise InputError(
                f"{path}: no such environment variable; set it (for example: "
                "export CHROMLOOM_REAL_DATA=/path/to/maps)"
            )
        beside = self.root / path
        return str(beside) if not os.path.exists(path) and beside.exists() else path

    def dataset_path(self, reference: str) -> str:
        """Where the file of `dataset:NAME` is downloaded to; any other path as `find_path` has it.

        Raises
        ------
        InputError
            The table of data sets has no such row.
        """
        kind, _, name = reference.partition("dataset:")
        if kind or not name:
            return self.find_path(reference)
        if self.datasets is None or name not in self.datasets.index:
            raise InputError(
                f"{reference}: no such row in the table of data sets "
                f"({self.config['datasets'] or 'none is configured'})"
            )
        return f"resources/downloads/{self.datasets.file[name]}"

    def contact_files(self, sample: str) -> list[str]:
        """Files of a sample's map: one, or those of a folder, a glob or a path with `{chrom}`.

        Raises
        ------
        InputError
            No file matches.
        """
        try:
            return files_of(self.sources[sample])
        except InputError as error:
            raise InputError(f"{self.config['samples']}, sample {sample!r}: {error}") from None

    def hic_source(self, sample: str) -> str:
        """A sample's contact map where that is a .hic, told by content once it is there; or ""."""
        source = self.sources.get(sample, "")
        return source if source and is_hic(source) else ""

    def dataset_of_file(self, file: str) -> dict[str, str]:
        """Row of the table of data sets that gives a downloaded file."""
        rows = [] if self.datasets is None else self.datasets.to_dict("records")
        return next(row for row in rows if row["file"] == file)

    @property
    def label_sheet(self) -> str:
        """Path of the label sheet; "" where the config names none."""
        return self.find_path(self.config["labels"])

    def labels_of(self, sample: str) -> list[str]:
        """Files of the labels of a sample's cell type."""
        return self.labels[self.samples.cell_type[sample]]

    # Signals

    @cached_property
    def signal_stores(self) -> list[str]:
        """Stores of binned signals that are made by default, as `{cell_type}.{bin_size}`."""
        sizes = self.config["bin_signals"]["bin_sizes"]
        return [f"{cell_type}.{size}" for cell_type in self.signals for size in sizes]

    def signal_files(self, cell_type: str) -> list[str]:
        """Files of the signals of a cell type."""
        return [path for source in self.signals[cell_type] for path in source.paths]

    def signal_references(self, cell_type: str) -> list[str]:
        """Cell types whose quantiles signals of a cell type are given."""
        names = [source.reference for source in self.signals[cell_type] if source.reference]
        return list(dict.fromkeys(names))

    def signal_sisters(self, cell_type: str) -> list[str]:
        """Other cell types of the same assembly with a file of a signal of the same name."""
        own = {source.signal for source in self.signals[cell_type]}
        return [
            other
            for other, sources in self.signals.items()
            if other != cell_type
            and own & {source.signal for source in sources}
            and self.signal_assembly[other] == self.signal_assembly[cell_type]
        ]

    # Expression

    @cached_property
    def expressed(self) -> dict[str, str]:
        """Cell types whose expression is predicted -> their column of the table."""
        asked = self.config["expression"]
        if not asked["genes"]:
            return {}
        return dict(asked["columns"]) or {cell_type: cell_type for cell_type in self.signals}

    def expression_model(self, name: str) -> Model:
        """The line of the model of expression that a name stands for."""
        return find_model(resolve_model(name, self.config["expression"]["options"])[0])

    def expression_training(self, name: str) -> dict[str, Any]:
        """The model that a name stands for, its seed, and the settings that differ from its own."""
        model, options = resolve_model(name, self.config["expression"]["options"])
        seed = options.pop("seed", self.config["seed"])
        return {"model": model, "seed": seed, "options": options}

    def edits_path(self, sample: str) -> str:
        """File of the edits of a sample: its own, else the one of the config; "" for none."""
        own = self.samples.edits[sample]
        return "" if own == "-" else self.find_path(own or self.config["edits"])

    def edits_of(self, sample: str, resolution: int) -> list[str]:
        """Names of the edits of a sample that bins of a size can show."""
        return [row.edit.edit for row in self._fitted(sample, resolution) if row.edit]

    @cached_property
    def edited(self) -> list[tuple[str, int]]:
        """Samples and bin sizes (bp) that edits are made at."""
        pairs = [(run.sample, run.resolution) for run in self.pair_runs]
        return [pair for pair in dict.fromkeys(pairs) if self.edits_path(pair[0])]

    @cached_property
    def edit_summaries(self) -> list[str]:
        """What becomes of the files of edits, one line for each of `edited`."""
        return [
            f"{self.edits_path(sample)}, {sample} at {resolution} bp: "
            f"{summary(self._fitted(sample, resolution))}"
            for sample, resolution in self.edited
        ]

    @property
    def edit_options(self) -> dict[str, str]:
        """Which records of a VCF are taken, arguments of `edits.read.read_rows`."""
        return {key: self.config["perturbation"][key] for key in ("vcf_filter", "vcf_genotype")}

    # Samples, maps, models

    @cached_property
    def mapped(self) -> list[str]:
        """Samples with a contact map; the others have signals or a sequence alone."""
        rows = self.samples
        return list(rows.index[(rows.contacts != "-") | (rows.thin_of != "")])

    def resolutions(self, sample: str) -> list[int]:
        """Bin sizes (bp) that a sample is extracted at."""
        rows = self.samples.resolutions
        own = rows[sample] or rows.get(self.samples.thin_of[sample], "")
        return [int(item) for item in _listed(own)] or self.config["contacts"]["resolutions"]

    def trained_resolutions(self, sample: str) -> list[int]:
        """Bin sizes (bp) that models are trained at: those asked for, else the sample's finest."""
        has = self.resolutions(sample)
        return [r for r in self.config["training"]["resolutions"] if r in has] or [min(has)]

    def norms(self, sample: str) -> list[str]:
        """Balancing methods of a sample; its contact map carries the weights of the first."""
        return _listed(self.samples.norms[sample]) or self.config["normalization"]["norms"]

    def chromosomes(self, sample: str) -> list[str] | None:
        """Chromosomes that the sheet or the config asks for; None is all of them."""
        own = _listed(self.samples.chromosomes[sample])
        return own or self.config["contacts"]["chromosomes"] or None

    def models(self, sample: str) -> list[str]:
        """Names of the models that are trained on a sample."""
        own = self.samples.models[sample]
        named = [] if own == "-" else _listed(own) or self.config["training"]["models"]
        return [name for name in named if name not in self.config["predictors"]]

    def assembly(self, sample: str) -> str:
        """Shipped name, chromsizes file or folder of a sample's assembly."""
        return self.find_assembly(self.samples.assembly[sample])

    def find_assembly(self, assembly: str) -> str:
        """Shipped name, chromsizes file or folder of an assembly that a sheet names."""
        shipped = (self.root / "resources" / assembly).is_dir()
        return assembly if shipped else self.find_path(assembly)

    def assembly_name(self, sample: str) -> str:
        """Name of a sample's assembly, as its normalised map and the label sheet have it."""
        return assembly_name(self.assembly(sample))

    def assembly_files(self, sample: str) -> list[str]:
        """Files of a sample's assembly: lengths and, where it has them, centromeres and blacklist.

        Raises
        ------
        InputError
            The assembly is neither shipped nor a file or folder.
        """
        return self.files_of_assembly(self.assembly(sample))

    def files_of_assembly(self, assembly: str) -> list[str]:
        """Files of an assembly, as `find_assembly` has it; see `assembly_files`."""
        if _simulated(assembly)[0]:  # yet to be made
            return [f"{assembly}/{name}" for name in SIMULATED_ASSEMBLY]
        found = assembly_files(assembly, self.root / "resources").values()
        here = Path.cwd()
        return [str(p.relative_to(here) if p.is_relative_to(here) else p) for p in found]

    def chromsizes(self, sample: str) -> pd.Series | None:
        """Lengths (bp) of a sample's chromosomes by name; None while the genome is to be simulated.

        Raises
        ------
        InputError
            The assembly is neither shipped nor a file or folder, or the file is malformed.
        """
        simulated = _simulated(self.assembly(sample))[0]
        return None if simulated else read_chromsizes(self.assembly_files(sample)[0])

    def cell_labels(self, sample: str) -> str:
        """Table of the cells of a sample's .scool; "" for other maps."""
        return self.find_path(self.samples.cell_labels[sample])

    def pooled_cell_type(self, sample: str) -> str | None:
        """The cell type whose cells of a .scool are pooled; None for other maps."""
        row = self.samples.loc[sample]
        return row.cell_type if row.cell_labels else None

    @cached_property
    def maps(self) -> list[str]:
        """Names of the maps that models are trained on."""
        return [
            f"{sample}.{resolution}.{norm}"
            for sample in self.mapped
            for resolution in self.trained_resolutions(sample)
            for norm in self.norms(sample)
        ]

    @cached_property
    def runs(self) -> list[Run]:
        """Every model on every map that it is trained on."""
        return [
            Run(sample, resolution, norm, model)
            for sample in self.mapped
            for resolution in self.trained_resolutions(sample)
            for norm in self.norms(sample)
            for model in self.models(sample)
        ]

    @cached_property
    def classified(self) -> list[Run]:
        """Runs whose bins are classified: those of cell types with labels."""
        return [run for run in self.runs if self.labels_of(run.sample)]

    @cached_property
    def predictor_runs(self) -> list[Run]:
        """Every predictor on every sample that it is applied to.

        Those are samples of its assembly whose cell type has files of its signals; where the column
        models names models, the predictor is among them.
        """
        return [
            Run(sample, plan.resolution, plan.norm, plan.name)
            for sample in self.samples.index
            for plan in self.predictors.values()
            if self._applies(plan, sample)
        ]

    @cached_property
    def map_runs(self) -> list[Run]:
        """Runs that predict the observed map of a sample, by models or predictors.

        Models that give vectors alone need a decoder and are not among them.
        """
        own = [run for run in self.runs if self.model(run.model).predicts_maps]
        return own + [run for run in self.predictor_runs if run.sample in self.mapped]

    @cached_property
    def predicted_runs(self) -> list[Run]:
        """`map_runs`, and predictors on samples that have no observed map."""
        return list(dict.fromkeys([*self.map_runs, *self.predictor_runs]))

    @cached_property
    def pair_runs(self) -> list[Run]:
        """Runs whose prediction of a pair is a function of vectors, so that edits can move them."""
        return [run for run in self.map_runs if self.model(run.model).editable]

    @cached_property
    def attributed(self) -> list[Run]:
        """Runs whose predicted contacts are attributed to bins by default."""
        return [run for run in self.pair_runs if self.model(run.model).attributed]

    @cached_property
    def screened(self) -> list[Run]:
        """Runs in which one bin can be knocked out by itself."""
        return [run for run in self.pair_runs if self.model(run.model).screenable]

    @cached_property
    def judged(self) -> list[Run]:
        """Runs that can be compared with the truth of their simulated genome."""
        return [run for run in self.screened if self.truth(run.sample)]

    @cached_property
    def analysed(self) -> list[str]:
        """Names of the observed and the predicted maps that are analysed."""
        return [*self.maps, *map(str, self.map_runs)]

    @cached_property
    def searched_for_loops(self) -> list[str]:
        """Those of `analysed` whose bins are of a size at which loops can be called."""
        return [map for map in self.analysed if int(map.split(".")[1]) in LOOP_RESOLUTIONS]

    def files_to_view(self, sample: str, resolution: str, norm: str, model: str) -> dict[str, str]:
        """What a view of a run shows, by the names it gives them: two maps, tracks, loops."""
        name = f"{sample}.{resolution}.{norm}"
        run = f"{name}.{model}"
        files = {
            "observed": f"results/contacts/{sample}.mcool",
            "predicted": f"results/predictions/{run}.mcool",
            "cool": f"results/normalized/{name}.cool",
            "E1": f"results/analysis/{name}/E1.bw",
            "insulation": f"results/analysis/{name}/insulation.bw",
        }
        if run in map(str, self.attributed):
            files["importance"] = f"results/attribution/{run}.bw"
        for kind, path in {"observed_loops": name, "predicted_loops": run}.items():
            if path in self.searched_for_loops:
                files[kind] = f"results/analysis/{path}/loops.bedpe"
        return files

    # Variants of models

    @cached_property
    def variants(self) -> dict[str, dict[str, Any]]:
        """Settings by name: of training.options, of further seeds, and of figure S13's variants."""
        models = {model for sample in self.mapped for model in self.models(sample)}
        seeds = {
            name: {"model": model, "seed": int(name.rsplit("-seed", 1)[1])}
            for model in models
            for name in self.seeds_of(model)[1:]
        }
        sizes = {name: settings for name, (_, _, settings) in self.ablation.items()}
        return {**seeds, **sizes, **self.config["training"]["options"]}

    @cached_property
    def ablation(self) -> dict[str, tuple[int, str, dict[str, Any]]]:
        """Models of figure S13: name -> numbers per bin, name of the variant and settings."""
        chosen = self.config["figures"]["ablation"]
        return {
            "-".join([chosen["model"], f"d{size}", *filter(None, [variant])]): (
                size,
                variant or "as it is",
                {"model": chosen["model"], "embedding_dim": size, **settings},
            )
            for variant, settings in {"": {}, **chosen["variants"]}.items()
            for size in chosen["sizes"]
        }

    def seeds_of(self, model: str) -> list[str]:
        """Names of a model's trainings by all seeds, its own first."""
        seeds = [s for s in self.config["training"]["seeds"] if s != self.config["seed"]]
        return [model, *(f"{model}-seed{seed}" for seed in seeds)]

    def model(self, name: str) -> Model:
        """What the model or predictor that a name in a run stands for reads, gives and can do."""
        if name in self.predictors:
            return find_model(self.predictors[name].model)
        return find_model(resolve_model(name, self.variants)[0])

    def model_code(self, name: str) -> list[str]:
        """Files of a model that a plugin registers; none for a model of the library."""
        return code_of(resolve_model(name, self.variants)[0])

    def training(self, model: str) -> dict[str, Any]:
        """The model that a name stands for, its seed, and the settings that differ from its own."""
        name, options = resolve_model(model, self.variants)
        seed = options.pop("seed", self.config["seed"])
        return {"model": name, "seed": seed, "options": options}

    # Predictors

    def store_of(self, plan: PredictorPlan, sample: str) -> str:
        """Store of the signals of a sample that a predictor reads, as `{cell_type}.{bin_size}`."""
        return f"{self.samples.cell_type[sample]}.{plan.bin_size}"

    def learnt_chromosomes(self, plan: PredictorPlan) -> list[str] | None:
        """Chromosomes that a predictor is trained and tested on; None is all of the assembly."""
        kept = [self.chromosomes(sample) for sample in plan.samples]
        return None if None in kept else list(dict.fromkeys(c for own in kept for c in own or []))

    def _plan_predictor(self, name: str, asked: dict[str, Any]) -> PredictorPlan:
        where = f"predictors, {name!r}"
        model, samples = find_model(asked["model"]), asked["samples"]
        if model.scope != "study" or "map" not in model.gives:
            raise InputError(
                f"{where}: model {asked['model']!r} learns no maps from signals; take weave, "
                "distance, pairs-ridge or pairs-xgboost"
            )
        if name in self.variants or (name in models() and find_model(name).scope == "map"):
            raise InputError(f"{where}: this is the name of a model; give the predictor another")
        for sample in samples:
            if sample not in self.mapped:
                raise InputError(
                    f"{where}: sample {sample!r} has no contacts to learn from; expected samples "
                    f"of {self.config['samples']} that have: {', '.join(self.mapped)}"
                )
        first = samples[0]
        resolution = asked.get("resolution", min(self.resolutions(first)))
        norm = self.norms(first)[0]
        for sample in samples:
            if resolution not in self.resolutions(sample) or norm not in self.norms(sample):
                raise InputError(
                    f"{where}: sample {sample!r} has no map at {resolution} bp and {norm}; add "
                    "them to its columns resolutions and norms"
                )
            if self.assembly_name(sample) != self.assembly_name(first):
                raise InputError(
                    f"{where}: samples {first!r} and {sample!r} are of two assemblies; train a "
                    "predictor on one"
                )
        sizes = self.config["bin_signals"]["bin_sizes"]
        fitting = [size for size in sizes if resolution % size == 0]
        if not fitting:
            raise InputError(
                f"{where}: signals are binned at {', '.join(map(str, sizes))} bp, which do not "
                f"fill bins of {resolution} bp; add a size that divides it to bin_signals.bin_sizes"
            )
        plan = PredictorPlan(
            name=name,
            model=asked["model"],
            seed=asked.get("seed", self.config["seed"]),
            options=asked["options"],
            samples=tuple(samples),
            signals=tuple(asked["signals"]),
            resolution=resolution,
            max_distance=asked["max_distance"],
            norm=norm,
            bin_size=fitting[0],
            test=tuple(asked["test"]),
            validation=tuple(asked["validation"]),
            n_folds=asked["folds"],
        )
        model_settings(plan.model, **plan.options)  # refused here where they are none
        for sample in samples:
            if missing := self._missing_signals(plan, sample):
                raise InputError(
                    f"{where}: cell type {self.samples.cell_type[sample]!r} of sample {sample!r} "
                    f"has no signal {missing[0]!r}; add its row to the sheet of signals"
                )
        return plan

    def _missing_signals(self, plan: PredictorPlan, sample: str) -> list[str]:
        """Signals of a predictor that no file of a sample's cell type gives."""
        own = {source.signal for source in self.signals.get(self.samples.cell_type[sample], [])}
        return [
            name
            for name in plan.signals
            if not {name, name.removesuffix("+").removesuffix("-"), name.partition(":")[0]} & own
        ]

    def _applies(self, plan: PredictorPlan, sample: str) -> bool:
        row, named = self.samples.loc[sample], _listed(self.samples.models[sample])
        if row.fine_tune_of or row.edit_of or (named and plan.name not in named):
            return False
        if self.assembly_name(sample) != self.assembly_name(plan.samples[0]):
            return False
        has = plan.resolution in self.resolutions(sample) and plan.norm in self.norms(sample)
        return (has or sample not in self.mapped) and not self._missing_signals(plan, sample)

    def _check_splits(self) -> None:
        """Refuse splits that cannot be, where the lengths of chromosomes are known."""
        for plan in self.predictors.values():
            first = plan.samples[0]
            if (chromsizes := self.chromsizes(first)) is None:
                if bool(plan.test) == bool(plan.n_folds):
                    raise InputError(f"predictors, {plan.name!r}: give either test or folds")
                continue
            kept = select_chromosomes(
                self.learnt_chromosomes(plan), chromsizes, source=f"predictors, {plan.name!r}"
            )
            try:
                split_chromosomes(chromsizes[kept], **plan.split)
            except InputError as error:
                raise InputError(f"predictors, {plan.name!r}: {error}") from None

    def _check_scope(self, run: Run) -> None:
        if self.model(run.model).scope != "map":
            raise InputError(
                f"training.models: model {run.model!r} is learnt on a study, not on one map; name "
                "it as the model of a predictor (key predictors)"
            )

    # Simulated genomes

    @cached_property
    def simulated_files(self) -> list[str]:
        """What config and sheets name in the folders of simulated genomes, by path there."""
        named = {
            *self.sources.values(),
            *(path for paths in self.labels.values() for path in paths),
            *(path for sample in self.mapped for path in self.assembly_files(sample)),
            *(path for cell_type in self.signals for path in self.signal_files(cell_type)),
            *(p for path in self.signal_assembly.values() for p in self.files_of_assembly(path)),
            self.config["analysis"]["phasing"],
        }
        return sorted({path for _, path in map(_simulated, named) if path})

    @cached_property
    def other_simulated_maps(self) -> list[dict[str, Any]]:
        """Maps of a simulated genome beyond its default ones: file, cell type, edit of the row."""
        maps = []
        for _, row in self.samples.iterrows():
            if not _simulated(row.contacts)[1].startswith("contacts/"):
                continue
            edits = {edit.edit: vars(edit) for edit in self.edits.get(row.edit_of, [])}
            edit = edits.get(row.edit, {})
            keys = ["kind", "chrom", "start", "end"]
            keys += ["chrom2", "start2", "end2", "strand", "strand2"] if edit.get("chrom2") else []
            maps.append(
                {
                    "file": Path(row.contacts).name,
                    "cell_type": row.cell_type,
                    "edit": {key: edit[key] for key in keys if edit},
                }
            )
        return maps

    def truth(self, sample: str) -> str:
        """Folder with the truth of the simulated genome of a sample.

        "" for other maps, and for those that are edited or fine-tuned.
        """
        row = self.samples.loc[sample]
        genome, _ = _simulated(row.contacts)
        return f"{genome}/truth" if genome and not (row.edit_of or row.fine_tune_of) else ""

    # Comparisons between samples

    @cached_property
    def transfers(self) -> list[str]:
        """Classifications of a run by what was learnt on other samples, `{run}.from.{sample}`.

        Raises
        ------
        InputError
            Another sample has no such map.
        """
        transfers = []
        for run in self.classified:
            for origin in _listed(self.samples.classify_from[run.sample]):
                has = run.resolution in self.resolutions(origin) and run.norm in self.norms(origin)
                if not has:
                    raise InputError(
                        f"{self.config['samples']}, sample {run.sample!r}: classify_from "
                        f"{origin!r} has no map at {run.resolution} bp and {run.norm}; add them to "
                        "its columns resolutions and norms"
                    )
                transfers.append(f"{run}.from.{origin}")
        return transfers

    @cached_property
    def compared_edits(self) -> list[str]:
        """Predicted edits that were measured, as `{run}/{edit}.against.{sample}`."""
        return [
            f"{run}/{self.samples.edit[other]}.against.{other}"
            for other in self.samples.index
            for run in self.pair_runs
            if run.sample == self.samples.edit_of[other]
            and self.samples.edit[other] in self.edits_of(run.sample, run.resolution)
        ]

    # What figures show

    @cached_property
    def focus(self) -> str:
        """The map that figures show: the first trained one of the sample that the config names.

        The sample may be any where the config names none. A map with a model that can be edited
        comes first, then one with a predicted map. "" where no model is trained at all.

        Raises
        ------
        InputError
            The sample that the config names has no model.
        """
        wanted = self.config["figures"]["sample"]
        runs = [*self.pair_runs, *self.map_runs, *self.runs]
        shown = [run.map for run in runs if wanted in ("", run.sample)]
        if wanted and not shown:
            raise InputError(
                f"figures.sample {wanted!r}: no sample with a model; name one of "
                f"{sorted({run.sample for run in runs})}"
            )
        return shown[0] if shown else ""

    @property
    def focus_sample(self) -> str:
        """Sample of the map that figures show; "" where there is none."""
        return self.focus.split(".")[0]

    def shown(self, runs: Iterable[Run]) -> list[Run]:
        """Those of some runs that are of the map that figures show."""
        return [run for run in runs if run.map == self.focus]

    @cached_property
    def focus_run(self) -> Run | None:
        """The run that is compared with those of other samples and bin sizes; None without one."""
        return next(iter(self.shown([*self.pair_runs, *self.map_runs])), None)

    @cached_property
    def shown_duplications(self) -> list[str]:
        """Names of the duplications among the edits of the sample that figures show."""
        if not self.focus:
            return []
        sample, resolution = self.focus.split(".")[:2]
        rows = self._fitted(sample, int(resolution))
        return [row.edit.edit for row in rows if row.edit and row.edit.kind == "duplication"]

    @cached_property
    def shown_compared_edits(self) -> list[str]:
        """Those of `compared_edits` that are of the run and the duplication that figures show."""
        edits = [f"{self.focus_run}/{edit}.against." for edit in self.shown_duplications[:1]]
        return [stem for stem in self.compared_edits if stem.startswith(tuple(edits))]

    @cached_property
    def panels(self) -> dict[str, list[str]]:
        """Those of `PANELS` that have something to show in this study."""
        editable, predicted = self.shown(self.pair_runs), self.shown(self.map_runs)
        classified = self.shown(self.classified)
        labelled = editable and self.labels_of(self.focus_sample)
        duplicated = editable and self.shown_duplications
        has = {
            "fig3b": predicted and self.samples.against[self.focus_sample],
            "fig3": predicted,
            "fig4": classified,
            "fig4f": len(classified) > 1,
            "fig6a": labelled and self.config["attribution"]["domains"],
            "fig6": labelled,
            "fig6b": self.shown(self.attributed),
            "fig7": duplicated,
            "fig7d": duplicated and self.shown_compared_edits,
            "fig8": editable and self.knockouts,
            "fig8c": editable and self.config["perturbation"]["boundaries"],
            "fig9": self.compared_edits,
        }
        return {
            figure: [panel for panel in panels if has.get(panel, has[figure])]
            for figure, panels in PANELS.items()
        }

    @cached_property
    def agreement_panels(self) -> dict[str, dict[str, Any]]:
        """What every panel of agreement by distance shows, of those that have something to show.

        Returns
        -------
        dict
            panel -> by (model, sample or resolution); stems of the tables; scored, the pairs of
            samples that decoders were trained and scored on.
        """
        if not self.focus:
            return {}
        panels = {}
        names = [("fig3a", "fig3b"), ("fig3c", "fig3d"), ("figS1a", "figS1b"), ("figS1c", "figS1d")]
        for (own, replicate), shown in zip(names, [self.focus, *self._other_maps()]):
            panels[own] = self._by_model(shown)
            if self.samples.against[shown.split(".")[0]]:
                panels[replicate] = self._by_model(shown, replicate=True)
        if self.focus_run:
            panels["fig3e"] = self._by_sample(self.focus_run)
            panels["fig3f"] = self._by_sample(self.focus_run, replicate=True)
            panels["fig5e"] = {
                "by": "resolution",
                "stems": list(map(str, self.other_resolutions)),
                "scored": [[self.focus_sample] * 2],
            }
        return {panel: shown for panel, shown in panels.items() if shown["stems"]}

    @cached_property
    def other_resolutions(self) -> list[Run]:
        """The run that figures show, at every bin size that it was trained at."""
        own = self.focus_run
        return [
            run
            for run in self.map_runs
            if own and (run.sample, run.norm, run.model) == (own.sample, own.norm, own.model)
        ]

    def _by_model(self, map: str, *, replicate: bool = False) -> dict[str, Any]:
        """Models of a map, by their decoders where there are any; scored on it or its replicate."""
        sample, decoders = map.split(".")[0], self.config["reconstruction"]["decoders"]
        other = self.samples.against[sample]
        ending = "-replicate" if replicate else ""
        runs = [run for run in self.runs if run.map == map]
        return {
            "by": "model",
            "stems": [f"{run}.{decoder}{ending}" for run in runs for decoder in decoders]
            or [str(run) for run in runs if run in self.map_runs],
            "scored": [[sample, other], [other, other]] if replicate else [[sample] * 2],
        }

    def _by_sample(self, own: Run, *, replicate: bool = False) -> dict[str, Any]:
        """The model, bin size and norm of a run, on every sample."""
        samples = self.samples
        kind = (own.resolution, own.norm, own.model)
        runs = [run for run in self.map_runs if (run.resolution, run.norm, run.model) == kind]
        others = samples.against if replicate else samples["sample"]
        scored = [[run.sample, others[run.sample]] for run in runs]
        return {
            "by": "sample",
            "stems": [str(run) for run, pair in zip(runs, scored) if all(pair)],
            "scored": scored,
        }

    def _other_maps(self) -> list[str]:
        """The first predicted map of every other cell type; none thinned or fine-tuned."""
        shown, maps = {self.samples.cell_type[self.focus_sample]}, []
        for run in self.map_runs:
            row = self.samples.loc[run.sample]
            if row.cell_type not in shown and not (row.thin_of or row.fine_tune_of):
                shown.add(row.cell_type)
                maps.append(run.map)
        return maps

    # Reading and checking

    def _sheet(self, key: str, index: str) -> pd.DataFrame:
        schema = self.root / "workflow" / "schemas" / f"{key}.schema.yaml"
        return read_sheet(self.find_path(self.config[key]), schema, key=index)

    def _read_labels(self) -> None:
        cell_types = dict.fromkeys(self.samples.cell_type)
        self.labels: dict[str, list[str]] = {cell_type: [] for cell_type in cell_types}
        self.tasks: dict[str, list[str]] = {cell_type: [] for cell_type in cell_types}
        self._elements: dict[str, list[str]] = {cell_type: [] for cell_type in cell_types}
        if not self.config["labels"]:
            return
        # Files may still have to be made when the study is planned.
        sheet = read_label_sheet(self.label_sheet, must_exist=False)
        for cell_type in cell_types:
            rows = sheet[sheet.cell_type.isin([cell_type, "*"])]
            self.labels[cell_type] = [str(path) for paths in rows.path for path in paths]
            self.tasks[cell_type] = list(rows.task)
            self._elements[cell_type] = list(rows.task[rows.kind.isin(ELEMENTS)])

    def _read_signals(self) -> None:
        """Signals by cell type, and the assembly of each cell type's signals."""
        self.signals: dict[str, list[SignalSource]] = {}
        self.signal_assembly: dict[str, str] = {}
        if not self.config["signals"]:
            return
        path = self.config["signals"]
        schema = self.root / "workflow" / "schemas" / "signals.schema.yaml"
        sheet = read_sheet(self.find_path(path), schema, key="signal", unique=False)
        for source in signal_sources(sheet, path=path, find=self.dataset_path):
            if not NAME.fullmatch(source.cell_type):
                raise InputError(
                    f"{path}: cell_type {source.cell_type!r} cannot be part of a file name; use "
                    "letters, digits, '_' and '-', starting with a letter or digit"
                )
            if source.reference and not self.config["bin_signals"]["quantile_chromosomes"]:
                raise InputError(
                    f"{path}: {source.signal!r} of {source.cell_type!r} is given the quantiles of "
                    f"{source.reference!r}, of no chromosomes; name some that no predictor is "
                    "tested on in bin_signals.quantile_chromosomes"
                )
            self.signals.setdefault(source.cell_type, []).append(source)
        own = zip(self.samples["cell_type"], self.samples["assembly"])
        rows = [*zip(sheet["cell_type"], sheet["assembly"]), *own]
        for cell_type, assembly in rows:
            if cell_type not in self.signals:
                continue
            found = self.find_assembly(assembly)
            self.files_of_assembly(found)  # refused here where it is none
            first = self.signal_assembly.setdefault(cell_type, found)
            if assembly_name(found) != assembly_name(first):
                raise InputError(
                    f"{path}: signals of cell type {cell_type!r} are on assembly "
                    f"{assembly_name(first)!r}, others of it, or its samples, on "
                    f"{assembly_name(found)!r}; lift the files over to one assembly"
                )

    def _read_edits(self) -> dict[str, list[Row]]:
        """Rows of the file of edits of each sample; those of one assembly are read once."""
        read: dict[tuple, list[Row]] = {}
        rows: dict[str, list[Row]] = {}
        for sample in self.samples.index:
            path, kept = self.edits_path(sample), self.chromosomes(sample)
            if not path:
                rows[sample] = []
                continue
            key = path, self.assembly(sample), *(kept or [])
            if key not in read:
                read[key] = read_rows(
                    path,
                    chromsizes=self.chromsizes(sample),
                    chromosomes=kept,
                    **self.edit_options,
                )
            rows[sample] = read[key]
        return rows

    def _fitted(self, sample: str, resolution: int) -> list[Row]:
        """Rows of the edits of a sample, without those that bins of a size cannot show."""
        key = sample, resolution
        if key not in self._fitted_rows:
            rows, chromsizes = self._edit_rows[sample], self.chromsizes(sample)
            if rows and chromsizes is not None:
                rows = fit_bins(rows, chromsizes, resolution)
            self._fitted_rows[key] = rows
        return self._fitted_rows[key]

    @cached_property
    def _fitted_rows(self) -> dict[tuple[str, int], list[Row]]:
        return {}

    def _site_sets(self, named: Mapping[str, str]) -> dict[str, str]:
        """Files of sets of sites by name; a folder is one set a file."""
        sets: dict[str, str] = {}
        for name, path in named.items():
            found = Path(self.find_path(path))
            if found.is_dir():
                for file in sorted(found.glob("[!.]*")):
                    own = file.name.split(".")[0]
                    if own in sets:
                        raise InputError(
                            f"perturbation.knockouts: {file} and {sets[own]} are both called "
                            f"{own}, after the first part of their names; rename one"
                        )
                    sets[own] = str(file)
            else:
                sets[name] = str(found)
        return sets

    def _check_datasets(self, rows: pd.DataFrame) -> None:
        """Refuse two data sets that would be downloaded to one file."""
        for file, names in rows.groupby("file").groups.items():
            if len(names) > 1:
                raise InputError(
                    f"{self.config['datasets']}: data sets {', '.join(names)} have the file "
                    f"{file!r}; give each its own name"
                )

    def _check_contacts(self) -> None:
        """Refuse what a sample without a contact map cannot be, and a thinned one with a map."""
        path = self.config["samples"]
        for sample, row in self.samples.iterrows():
            where = f"{path}, sample {sample!r}"
            if row.thin_of and row.contacts != "-":
                raise InputError(
                    f"{where}: it is thinned from {row.thin_of!r} and has contacts "
                    f"{row.contacts!r}; write '-' for contacts, or empty the column thin_of"
                )
            for column in REFERENCES:
                for other in _listed(row[column]):
                    if other not in self.mapped:
                        raise InputError(
                            f"{where}: {column} {other!r} has no contacts; name a sample that has"
                        )
            if sample in self.mapped:
                continue
            for column in (*REFERENCES, "fine_tune_region", "cell_labels", "models"):
                if column == "models" and set(_listed(row[column])) <= set(self.predictors):
                    continue
                if row[column] not in ("", "-"):
                    raise InputError(
                        f"{where}: it has no contacts, which {column} {row[column]!r} needs; leave "
                        f"the column {column} empty, or give the sample a contact map"
                    )

    def _check_measured_edits(self) -> None:
        for sample in self.samples.index[self.samples.edit_of != ""]:
            origin, name = self.samples.edit_of[sample], self.samples.edit[sample]
            names = [edit.edit for edit in self.edits[origin]]
            if name in names:
                continue
            left_out = [row.detail for row in self._edit_rows[origin] if row.id == name]
            raise InputError(
                f"{self.config['samples']}, sample {sample!r}: {origin!r} has no edit {name!r}"
                + (f" ({left_out[0]})" if left_out and left_out[0] else "")
                + f"; it has {', '.join(names[:20]) or 'none'} (columns edit_of, edit)"
            )

    def _check_expression(self) -> None:
        asked = self.config["expression"]
        for key, other in (("genes", "table"), ("table", "genes")):
            if asked[key] and not asked[other]:
                raise InputError(
                    f"expression.{key} is given and expression.{other} is not; give both"
                )
        if asked["genes"] and not self.signals:
            raise InputError(
                "expression.genes is given and there are no signals to tell expression from; name "
                "a sheet of them (key signals)"
            )
        for cell_type in self.expressed:
            if cell_type not in self.signals:
                raise InputError(
                    f"expression.columns: cell type {cell_type!r} has no signals; it has to be one "
                    f"of {', '.join(self.signals)}"
                )
        for name in asked["models"]:
            if "expression" not in self.expression_model(name).gives:
                can = [key for key, model in models().items() if "expression" in model.gives]
                raise InputError(
                    f"expression.models: {name!r} does not predict expression; expected some of "
                    f"{', '.join(can)}, or variants of them in expression.options"
                )

    def _check_assemblies(self) -> None:
        """Refuse assemblies that are not there, and chromosomes and labels that are not theirs."""
        path = self.config["samples"]
        for sample in self.mapped:
            if (chromsizes := self.chromsizes(sample)) is not None:
                source = f"{path}, sample {sample!r} (or contacts.chromosomes of the config)"
                select_chromosomes(self.chromosomes(sample), chromsizes, source=source)
                if region := self.samples.fine_tune_region[sample]:
                    parse_region(region, chromsizes.to_dict())
        kinds = {(run.sample, self.samples.cell_type[run.sample]) for run in self.classified}
        for sample, cell_type in sorted(kinds):
            read_label_sheet(
                self.label_sheet,
                cell_type=cell_type,
                assembly=self.assembly_name(sample),
                must_exist=False,
            )

    def _check_tasks(self) -> None:
        """Refuse names of tasks that the label sheet does not have for the samples they are for."""
        shown = {self.focus_sample} if self.shown(self.pair_runs) else set()
        edited = {run.sample for run in self.pair_runs if self.edits[run.sample]}
        boundaries = self.config["perturbation"]["boundaries"]
        if boundaries and shown and not self.labels_of(self.focus_sample):
            raise InputError(
                f"perturbation.boundaries: there are no labels of cell type "
                f"{self.samples.cell_type[self.focus_sample]!r}; give it rows in a label sheet "
                "(key labels), or leave boundaries empty"
            )
        wanted = {
            "attribution.domains": (self.config["attribution"]["domains"], shown),
            "perturbation.boundaries": (boundaries, shown),
            "perturbation.loops": (self.config["perturbation"]["loops"], edited),
        }
        for key, (task, samples) in wanted.items():
            for sample in sorted(samples):
                tasks = self.tasks[self.samples.cell_type[sample]]
                if task and tasks and task not in tasks:
                    raise InputError(
                        f"{key}: {self.label_sheet} has no task {task!r} for cell type "
                        f"{self.samples.cell_type[sample]!r}; it has {', '.join(tasks)}"
                    )

    def _check_comparisons(self) -> None:
        """Refuse comparisons of elements that the label sheet does not have."""
        if not (self.shown(self.pair_runs) and self.labels_of(self.focus_sample)):
            return
        cell_type = self.samples.cell_type[self.focus_sample]
        known = self._elements[cell_type]
        for name, pair in self.config["attribution"]["comparisons"].items():
            for expression in pair:
                for _, task in parse_expression(expression):
                    if task not in known:
                        raise InputError(
                            f"attribution.comparisons, {name}: {expression!r} names {task!r}, "
                            f"which is no task of single bins ({', '.join(ELEMENTS)}) of cell type "
                            f"{cell_type!r} in {self.label_sheet}; it has {', '.join(known)}"
                        )

    def _check_orientations(self) -> None:
        """Refuse edits of the orientation of motifs where no motifs are named."""
        if self.config["perturbation"]["motifs"]:
            return
        for sample, resolution in self.edited:
            for row in self._fitted(sample, resolution):
                if row.edit and row.edit.kind == "orientation":
                    raise InputError(
                        f"{self.edits_path(sample)}: edit {row.edit.edit!r} turns motifs, and "
                        "perturbation.motifs names none; give it a BED6 file of stranded CTCF "
                        "motifs (`chromloom motifs` writes one), or take the edit out"
                    )

    def _check_figures(self) -> None:
        """Refuse a region of figures that the sample shown does not have."""
        region = self.config["figures"]["region"]
        chromsizes = self.chromsizes(self.focus_sample) if region and self.focus else None
        if chromsizes is None:
            return
        kept = select_chromosomes(
            self.chromosomes(self.focus_sample), chromsizes, source=self.config["samples"]
        )
        try:
            parse_region(region, chromsizes[kept].to_dict())
        except InputError as error:
            raise InputError(f"figures.region, for sample {self.focus_sample!r}: {error}") from None

    def _check_trans(self, run: Run) -> None:
        kept = self.chromosomes(run.sample) or []
        if self.model(run.model).needs_trans and len(kept) == 1:
            raise InputError(
                f"{self.config['samples']}, sample {run.sample!r}: model {run.model!r} reads "
                f"contacts between chromosomes and only {kept[0]} is kept; keep more, or give this "
                "sample models without it in the column models"
            )


def _listed(cell: str) -> list[str]:
    """The items of a comma-separated cell of a sheet."""
    return [item.strip() for item in cell.split(",") if item.strip()]


def _simulated(path: str) -> tuple[str, str]:
    """Folder of the simulated genome that a file is of, and its path there; "" for other files."""
    found = re.fullmatch(r"(results/simulated(?:/seed[0-9]+)?)/(.+)", path)
    return (found[1], found[2]) if found else ("", "")
