"""Maps, models and runs of a study."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from chromloom.edits.read import summary
from chromloom.errors import InputError
from chromloom.genome.assembly import assembly_name
from chromloom.models.akita.settings import WindowFit
from chromloom.models.registry import (
    Model,
    code_of,
    find_model,
    model_settings,
    reads_elements,
    resolve_model,
)
from chromloom.study.predictors import PredictorPlan, applies, missing_signals, plan_predictor
from chromloom.study.samples import Samples, listed, simulated_path

# HiCCUPS knows the surroundings of a loop at these bin sizes (bp).
LOOP_RESOLUTIONS = range(4_000, 28_001)


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


class Runs(Samples):
    """Which models are trained on which maps, and what follows for each of them.

    Attributes
    ----------
    predictors : dict
        name -> PredictorPlan.
    """

    def __init__(
        self, config: Mapping[str, Any], root: str | Path, shipped: str | Path | None = None
    ) -> None:
        super().__init__(config, root, shipped)
        self.predictors = {
            name: plan_predictor(self, name, asked, taken=self.variants)
            for name, asked in self.config["predictors"].items()
        }

    # Expression

    @cached_property
    def expressed(self) -> dict[str, str]:
        """Cell types whose expression is predicted -> their column of the table."""
        asked = self.config["expression"]
        if not asked["genes"]:
            return {}
        return dict(asked["columns"]) or {cell_type: cell_type for cell_type in self.signals}

    @cached_property
    def expression_controls(self) -> dict[str, dict[str, Any]]:
        """Controls of the models that read elements: name -> settings."""
        asked = self.config["expression"]
        controlled = [name for name in asked["models"] if self.reads_elements(name)]
        return {
            f"{name}-{control}": {"model": name, "control": control}
            for name in controlled
            for control in asked["controls"]
        }

    def reads_elements(self, name: str) -> bool:
        """Whether a model of expression, or a variant of one, reads elements."""
        return reads_elements(*resolve_model(name, self.config["expression"]["options"]))

    @property
    def expression_models(self) -> list[str]:
        """Models of expression and their controls, the one that others are compared with first."""
        return list(
            dict.fromkeys([*self.config["expression"]["models"], *self.expression_controls])
        )

    @property
    def expression_shown(self) -> str:
        """Model whose predicted levels are drawn: the first network of an article, or the first."""
        names = self.config["expression"]["models"]
        own = [name for name in names if self.expression_model(name).article]
        return next(iter(own or names), "")

    @property
    def expression_trained(self) -> list[str]:
        """`expression_models`, and those that elements are taken away by alone."""
        return list(dict.fromkeys([*self.expression_models, *self.config["expression"]["screen"]]))

    @property
    def expression_options(self) -> dict[str, dict[str, Any]]:
        """Settings by name: of the controls, and of expression.options."""
        return {**self.expression_controls, **self.config["expression"]["options"]}

    def interactions_of(self, cell_type: str) -> tuple[str, str]:
        """Interactions of a cell type: path, and the column of pixels where it is a map.

        "" and "" where none are given.
        """
        name = self.config["expression"]["interactions"].get(cell_type, "")
        if name in self.maps:
            return self.map_path(name), "value"
        if name in map(str, self.predicted_runs):
            return self.map_path(name), "count"
        return self.dataset_path(name), ""

    def added_to(self, cell_type: str) -> dict[str, str]:
        """Files of the features that are read beside the marks of a cell type, by name."""
        named = self.config["expression"]["added"].get(cell_type, {})
        return {name: self.dataset_path(path) for name, path in named.items()}

    def expression_model(self, name: str) -> Model:
        """The line of the model of expression that a name stands for."""
        return find_model(resolve_model(name, self.expression_options)[0])

    def genes_of(self, cell_type: str) -> tuple[str, str]:
        """Files of the genes of a cell type and of their expression."""
        asked = self.config["expression"]
        genes = asked["genes_of"].get(cell_type, asked["genes"])
        table = asked["tables"].get(cell_type, asked["table"])
        return self.dataset_path(genes), self.dataset_path(table)

    @property
    def attentive(self) -> list[str]:
        """Models of expression that have attention by bin."""
        module = find_model("chromoformer").module
        return [
            name
            for name in self.expression_trained
            if self.expression_model(name).module == module and name not in self.expression_controls
        ]

    @property
    def attributed_expression(self) -> list[str]:
        """Those of `attentive` whose predictions can be attributed to bins: all that they read."""
        training = {name: self.expression_training(name)["options"] for name in self.attentive}
        return [name for name, options in training.items() if not options.get("windows")]

    def expression_code(self, name: str) -> list[str]:
        """Files of a model of expression that a plugin registers; none for one of the library."""
        return code_of(resolve_model(name, self.expression_options)[0])

    def expression_training(self, name: str) -> dict[str, Any]:
        """The model that a name stands for, its seed, and the settings that differ from its own."""
        model, options = resolve_model(name, self.expression_options)
        seed = options.pop("seed", self.config["seed"])
        return {"model": model, "seed": seed, "options": options}

    def pooled_with(self, cell_type: str, name: str) -> list[str]:
        """Further cell types whose genes a model of expression is trained on."""
        asked = self.expression_training(name)["options"].get("cell_types", [])
        return [other for other in asked if other != cell_type]

    # Edits

    def edits_of(self, sample: str, resolution: int) -> list[str]:
        """Names of the edits of a sample that bins of a size can show."""
        return [row.edit.edit for row in self.fitted_rows(sample, resolution) if row.edit]

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
            f"{summary(self.fitted_rows(sample, resolution))}"
            for sample, resolution in self.edited
        ]

    # Variants

    @cached_property
    def variant_runs(self) -> list[Run]:
        """Runs that score variants: those that predict edits, of samples with edits."""
        return [run for run in self.pair_runs if self.edits_path(run.sample)]

    @cached_property
    def variant_models(self) -> dict[str, str]:
        """Runs that score variants, also by other seeds where the config asks -> their model."""
        trained = self.config["variants"]["seeds"]
        return {
            f"{run.map}.{name}": run.model
            for run in self.variant_runs
            for name in (
                self.seeds_of(run.model)
                if trained and run.model not in self.predictors
                else [run.model]
            )
        }

    @cached_property
    def with_variants(self) -> list[str]:
        """Samples whose variants are scored."""
        return list(dict.fromkeys(run.sample for run in self.variant_runs))

    @property
    def variant_genes(self) -> str:
        """Genes that variants are told of; "" for none."""
        return self.find_path(
            self.config["variants"]["genes"] or self.config["expression"]["genes"]
        )

    def variant_sequence(self, sample: str) -> str:
        """Sequence that a model of a sample's variants reads; "" where none does."""
        models = dict.fromkeys(run.model for run in self.variant_runs if run.sample == sample)
        read = [self.genome_of(model) for model in models if model in self.predictors]
        return next(filter(None, read), "")

    def variant_expression(self, sample: str) -> list[str]:
        """Model of expression, genes and signals that variants of a sample are told by, or none."""
        asked, cell_type = self.config["expression"], self.samples.cell_type[sample]
        if cell_type not in self.expressed:
            return []
        model = self.config["variants"]["expression"] or asked["models"][0]
        if added := self.expression_training(model)["options"].get("added"):
            raise InputError(
                f"variants.expression: {model!r} reads added features ({', '.join(added)}), which "
                "edited chromosomes have not; name a model without"
            )
        return [
            f"results/expression/{cell_type}.{model}",
            f"results/expression/{cell_type}.genes.tsv",
            f"results/signals/{cell_type}.{asked['bin_size']}.h5",
        ]

    def store_to_show(self, sample: str) -> str:
        """Store of signals whose tracks pictures of a sample show; "" where it has none."""
        own = f"{self.samples.cell_type[sample]}."
        stores = [store for store in self.signal_stores if store.startswith(own)]
        return f"results/signals/{stores[0]}.h5" if stores else ""

    # Maps and models

    def models(self, sample: str) -> list[str]:
        """Names of the models that are trained on a sample."""
        own = self.samples.models[sample]
        named = [] if own == "-" else listed(own) or self.config["training"]["models"]
        joint = [name for name, asked in self.config["joint"].items() if sample in asked["samples"]]
        return [
            name
            for name in dict.fromkeys([*named, *joint])
            if name not in self.config["predictors"]
        ]

    @cached_property
    def maps(self) -> list[str]:
        """Names of the maps that models are trained on."""
        return [
            f"{sample}.{resolution}.{norm}"
            for sample in self.mapped
            for resolution in self.trained_resolutions(sample)
            for norm in self.norms(sample)
        ]

    def map_path(self, name: str) -> str:
        """Path of an observed map, or where the name is a run's, of its predicted one."""
        if name in self.maps:
            return f"results/normalized/{name}.cool"
        return f"results/predictions/{name}.mcool"

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
            if applies(self, plan, sample)
        ]

    def page(self, model: str, otherwise: str) -> str:
        """Page of the report for what a predictor says: that of its system, else `otherwise`."""
        return (model in self.predictors and self.model(model).article) or otherwise

    @cached_property
    def unseen(self) -> list[Run]:
        """Predicted maps to show beside the observed ones: those of systems, not of baselines.

        Windows of a file are pieces of chromosomes with roles: none of their maps is shown.
        """
        return [
            run
            for run in self.predictor_runs
            if run.map in self.maps
            and self.model(run.model).article
            and not self.predictors[run.model].windows
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
    def calibrated(self) -> list[Run]:
        """Runs whose intervals can be calibrated: predictors, and models with a second map."""
        return [
            run
            for run in self.map_runs
            if run.model in self.predictors or self.samples.against[run.sample]
        ]

    @cached_property
    def compared_predictors(self) -> dict[str, list[str]]:
        """Observed map (`{sample}.{resolution}.{norm}`) -> predictors that are compared on it."""
        compared: dict[str, list[str]] = {}
        for run in self.predictor_runs:
            if run.sample in self.mapped:
                compared.setdefault(run.map, []).append(run.model)
        return compared

    @cached_property
    def compared_cell_types(self) -> dict[tuple[str, str], list[str]]:
        """Two observed maps of different cell types -> predictors that were applied to both.

        The second map has the bin size, norm and assembly of the first.
        """
        maps = self.compared_predictors
        compared = {}
        for k, one in enumerate(maps):
            sample, *shape = one.split(".")
            for other in list(maps)[k + 1 :]:
                another, *its_shape = other.split(".")
                cell_types = {self.samples.cell_type[name] for name in (sample, another)}
                assemblies = {self.assembly_name(name) for name in (sample, another)}
                both = [name for name in maps[one] if name in maps[other]]
                if shape == its_shape and len(cell_types) == 2 and len(assemblies) == 1 and both:
                    compared[one, other] = both
        return compared

    @cached_property
    def pair_runs(self) -> list[Run]:
        """Runs whose prediction of a pair is a function of vectors, so that edits can move them."""
        return [run for run in self.map_runs if self.model(run.model).editable]

    @cached_property
    def attributed(self) -> list[Run]:
        """Runs whose predicted contacts are attributed to bins by default."""
        return [run for run in self.pair_runs if self.model(run.model).attributed]

    @cached_property
    def signal_attributions(self) -> list[str]:
        """`{run}.signals/{target}` of predictors with gradients, by attribution.targets.

        Predictors of bases have those targets that one window holds. Targets are regions of the
        assembly that the predictor was trained on.
        """
        return [
            f"{run}.signals/{name}"
            for run in self.predictor_runs
            if self.model(run.model).gradients and not self.application(run.model, run.sample)
            for name, regions in self.attribution_targets.items()
            if self._holds(self.predictors[run.model], regions)
        ]

    def _holds(self, plan: PredictorPlan, regions: list[str]) -> bool:
        """Whether regions lie within what one window of a predictor of bases predicts."""
        if not plan.reads_bases:
            return True
        # Lengths of chromosomes may not be known yet: a whole one has no end here, and is too long.
        ends = [region.rpartition(":")[2].replace(",", "").split("-") for region in regions]
        if not all(len(own) == 2 and own[0].isdigit() and own[1].isdigit() for own in ends):
            return False
        span = max(int(end) for _, end in ends) - min(int(start) for start, _ in ends)
        settings: Any = model_settings(plan.model, **plan.options)
        return -(-span // plan.resolution) < settings.size

    @cached_property
    def base_runs(self) -> list[Run]:
        """Predictors of bases on samples with a map."""
        return [run for run in self.map_runs if run.model in self.base_predictors]

    @property
    def region_tracks(self) -> dict[str, str]:
        """Name -> file of what is set against the signal strength of regions."""
        tracks = self.config["sequence_analysis"]["tracks"]
        return {name: self.dataset_path(path) for name, path in tracks.items()}

    @property
    def masked_elements(self) -> str:
        """Elements whose bases are drawn anew; "" for none."""
        return self.dataset_path(self.config["sequence_analysis"]["masked"])

    @property
    def attribution_targets(self) -> dict[str, list[str]]:
        """Target -> its one or two regions."""
        return self.config["attribution"]["targets"]

    @cached_property
    def screened(self) -> list[Run]:
        """Runs in which one bin can be knocked out by itself."""
        return [run for run in self.pair_runs if self.model(run.model).screenable]

    @cached_property
    def judged(self) -> list[Run]:
        """Runs that can be compared with the truth of their simulated genome."""
        return [
            run
            for run in self.pair_runs
            if self.truth(run.sample) and (run in self.screened or run.model in self.predictors)
        ]

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
        options = self.config["training"]["options"]
        joint = {
            name: {"model": asked["model"], **options.get(name, {})}
            for name, asked in self.config["joint"].items()
        }
        return {**seeds, **sizes, **options, **joint}

    # Joint fits

    def joint_of(self, model: str) -> str:
        """Joint fit (key joint) that a model is a map's part of, itself or as a variant; or ""."""
        if model in self.predictors:
            return ""
        resolve_model(model, self.variants)  # not a variant of itself
        while model and model not in self.config["joint"]:
            model = self.variants.get(model, {}).get("model", "")
        return model

    def joint_samples(self, model: str) -> list[str]:
        """Samples whose maps are fitted jointly by a model; none where it is fitted to one map."""
        joint = self.joint_of(model)
        return self.config["joint"][joint]["samples"] if joint else []

    def joint_maps(
        self, model: str, resolution: str, norm: str, *, suffix: str = "cool"
    ) -> list[str]:
        """Normalised maps that a model is fitted to jointly, or the files beside them."""
        return [
            f"results/normalized/{sample}.{resolution}.{norm}.{suffix}"
            for sample in self.joint_samples(model)
        ]

    def joint_fit(self, model: str, resolution: str, norm: str) -> str:
        """Joint fit that runs of a model start from; "" where it is fitted to one map."""
        fit = f"results/joint/{model}.{resolution}.{norm}.safetensors"
        return fit if self.joint_of(model) else ""

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
        """Names of a model's trainings by all seeds, its own first; a predictor has one."""
        if model in self.config["predictors"]:
            return [model]
        seeds = [s for s in self.config["training"]["seeds"] if s != self.config["seed"]]
        return [model, *(f"{model}-seed{seed}" for seed in seeds)]

    def model(self, name: str) -> Model:
        """What the model or predictor that a name in a run stands for reads, gives and can do."""
        if name in self.predictors:
            return find_model(self.predictors[name].model)
        return find_model(resolve_model(name, self.variants)[0])

    def model_code(self, name: str) -> list[str]:
        """Files of a model or predictor that a plugin registers; none for one of the library."""
        if name in self.predictors:
            return code_of(self.predictors[name].model)
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

    def predictor_maps(self, plan: PredictorPlan, suffix: str = "cool") -> list[str]:
        """Normalised maps that a predictor learns from, or what else is written of them."""
        return [
            f"results/normalized/{sample}.{plan.resolution}.{plan.norm}.{suffix}"
            for sample in plan.samples
        ]

    @property
    def base_predictors(self) -> list[str]:
        """Predictors of bases."""
        return [name for name, plan in self.predictors.items() if plan.reads_bases]

    def target_options(self, plan: PredictorPlan) -> dict[str, Any]:
        """Options that what a predictor of bases learns from depends on."""
        named = {"window", "crop", *(field.name for field in fields(WindowFit))}
        own = {name: value for name, value in plan.options.items() if name in named}
        return own | {"loss": "poisson"} if plan.weights else own  # of which the expected is read

    def control_stores(self, plan: PredictorPlan, sample: str) -> dict[str, str]:
        """Other cell type that has the signals of a predictor -> its store, as `store_of`."""
        if not plan.signals:
            return {}
        own, assembly = self.samples.cell_type[sample], self.assembly_name(sample)
        return {
            cell_type: f"{cell_type}.{plan.bin_size}"
            for cell_type in self.binned
            if cell_type != own
            and assembly_name(self.signal_assembly[cell_type]) == assembly
            and not missing_signals(self, plan, cell_type)
        }

    def application(self, predictor: str, sample: str) -> dict[str, bool]:
        """What `apply_predictor` is told beside the files; nothing on the assembly of training."""
        trained = self.predictors[predictor].samples[0]
        other = self.assembly_name(trained) != self.assembly_name(sample)
        return {"other_assembly": True} if other else {}

    def compared_controls(self, map: str) -> dict[str, dict[str, str]]:
        """Predictor that is compared on a map -> its `control_stores` there."""
        return {
            name: self.control_stores(self.predictors[name], map.split(".")[0])
            for name in self.compared_predictors.get(map, [])
        }

    def genome_of(self, predictor: str) -> str:
        """Sequence that a predictor reads; "" where it reads none."""
        plan = self.predictors[predictor]
        name = self.assembly_name(plan.samples[0])
        return f"results/sequence/{name}.fa.gz" if plan.reads_sequence else ""

    def edits_of_signals(self, run: Run) -> str:
        """What was edited in the signals of a run's cell type, as `edit_signals` writes it."""
        store = self.store_of(self.predictors[run.model], run.sample)
        return f"results/signals/{store}.edits.tsv"

    def read_by(self, run: Run) -> list[str]:
        """Signals and sequence that the predictor of a run reads; none of another model."""
        plan = self.predictors.get(run.model)
        if plan is None:
            return []
        store = f"results/signals/{self.store_of(plan, run.sample)}.h5" if plan.signals else ""
        return [path for path in (store, self.genome_of(run.model)) if path]

    def denoised_model(self, map: str) -> str:
        """Weights of `hiclstm-refined` of a map; "" where it is not trained on it."""
        runs = [run for run in self.runs if run.map == map and run.model == "hiclstm-refined"]
        return f"results/models/{runs[0]}/model.safetensors" if runs else ""

    def learnt_chromosomes(self, plan: PredictorPlan) -> list[str] | None:
        """Chromosomes that a predictor is trained and tested on; None is all of the assembly."""
        kept = [self.chromosomes(sample) for sample in plan.samples]
        return None if None in kept else list(dict.fromkeys(c for own in kept for c in own or []))

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
            self.config["expression"]["genes"],
            self.config["expression"]["table"],
            *self.config["expression"]["genes_of"].values(),
            *self.config["expression"]["tables"].values(),
            self.config["variants"]["genes"],
            *self.config["expression"]["interactions"].values(),
            *self.config["expression"]["tested"].values(),
            *(path for own in self.config["expression"]["added"].values() for path in own.values()),
            *self.config["sequences"].values(),
            *self.region_tracks.values(),
            self.masked_elements,
            self.config["sequence_analysis"]["motifs"],
        }
        return sorted({path for _, path in map(simulated_path, named) if path})

    @cached_property
    def other_simulated_maps(self) -> list[dict[str, Any]]:
        """Maps of a simulated genome beyond its default ones: file, cell type, edit of the row."""
        maps = []
        for _, row in self.samples.iterrows():
            if not simulated_path(row.contacts)[1].startswith("contacts/"):
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
            for origin in listed(self.samples.classify_from[run.sample]):
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
