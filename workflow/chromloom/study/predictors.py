"""Predictors of a study: what each is trained on and which samples it is applied to."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from chromloom.errors import InputError
from chromloom.models.registry import find_model, model_settings, models
from chromloom.study.samples import Samples, listed


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
        bp, of the signals; 0 where it reads none.
    sequence : dict
        What it reads of the sequence, `sequence.features.SequenceFeatures`; empty for nothing.
    test, validation : tuple of str
    n_folds : int
        0 for one fold, whose test is given.
    weights : str
        File of published weights that are taken in place of training; "" where it is trained.
    windows : str
        File of windows with their roles in place of test, validation and folds; "" for none.
    other_assemblies : tuple of str
        Names of assemblies, beside that of training, that it is applied to.
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
    sequence: dict[str, int]
    test: tuple[str, ...]
    validation: tuple[str, ...]
    n_folds: int
    weights: str
    windows: str
    other_assemblies: tuple[str, ...]

    @property
    def reads_bases(self) -> bool:
        """Whether it reads the bases of the assembly's sequence."""
        return "sequence" in find_model(self.model).reads

    @property
    def reads_sequence(self) -> bool:
        """Whether it reads the sequence of the assembly: features of bins, or bases."""
        return bool(self.sequence) or self.reads_bases

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


def plan_predictor(
    study: Samples, name: str, asked: Mapping[str, Any], *, taken: Collection[str]
) -> PredictorPlan:
    """A predictor as the config asks for it; `taken` are names that models have.

    Raises
    ------
    InputError
        The model, samples, signals or bin sizes cannot be.
    """
    where = f"predictors, {name!r}"
    model, samples = find_model(asked["model"]), asked["samples"]
    if model.scope != "study" or "map" not in model.gives:
        can = [
            key for key, line in models().items() if line.scope == "study" and "map" in line.gives
        ]
        raise InputError(
            f"{where}: model {asked['model']!r} learns no maps from signals or sequence; expected "
            f"one of {', '.join(can)}"
        )
    if name in taken or (name in models() and find_model(name).scope == "map"):
        raise InputError(f"{where}: this is the name of a model; give the predictor another")
    for sample in samples:
        if sample not in study.mapped:
            raise InputError(
                f"{where}: sample {sample!r} has no contacts to learn from; expected samples "
                f"of {study.config['samples']} that have: {', '.join(study.mapped)}"
            )
    first = samples[0]
    resolution = asked.get("resolution", min(study.resolutions(first)))
    norm = study.norms(first)[0]
    for sample in samples:
        if resolution not in study.resolutions(sample) or norm not in study.norms(sample):
            raise InputError(
                f"{where}: sample {sample!r} has no map at {resolution} bp and {norm}; add "
                "them to its columns resolutions and norms"
            )
        if study.assembly_name(sample) != study.assembly_name(first):
            raise InputError(
                f"{where}: samples {first!r} and {sample!r} are of two assemblies; train a "
                "predictor on one"
            )
    if asked["weights"] and not model.published:
        can = [key for key, line in models().items() if line.published]
        raise InputError(
            f"{where}: no weights of model {asked['model']!r} are published; leave weights out "
            f"(they can be given of {', '.join(can)})"
        )
    if asked["windows"] and (asked["test"] or asked["validation"] or asked["folds"]):
        raise InputError(
            f"{where}: windows have their roles in their file; leave test, validation and folds out"
        )
    sequence = {key: value for key, value in asked["sequence"].items() if value}
    reads_bases = "sequence" in model.reads
    if reads_bases and (asked["signals"] or sequence):
        raise InputError(
            f"{where}: model {asked['model']!r} reads the bases of the sequence and nothing else; "
            "leave signals and sequence out"
        )
    if not (reads_bases or asked["signals"] or sequence):
        raise InputError(
            f"{where}: it reads nothing; name signals, or what it reads of the sequence"
        )
    sizes = study.config["bin_signals"]["bin_sizes"] if asked["signals"] else [0]
    fitting = [size for size in sizes if not size or resolution % size == 0]
    if not fitting:
        raise InputError(
            f"{where}: signals are binned at {', '.join(map(str, sizes))} bp, which do not "
            f"fill bins of {resolution} bp; add a size that divides it to bin_signals.bin_sizes"
        )
    plan = PredictorPlan(
        name=name,
        model=asked["model"],
        seed=asked.get("seed", study.config["seed"]),
        options=asked["options"],
        samples=tuple(samples),
        signals=tuple(asked["signals"]),
        resolution=resolution,
        max_distance=asked["max_distance"],
        norm=norm,
        bin_size=fitting[0],
        sequence=sequence,
        test=tuple(asked["test"]),
        validation=tuple(asked["validation"]),
        n_folds=asked["folds"],
        weights=study.find_path(asked["weights"]),
        windows=study.dataset_path(asked["windows"]),
        other_assemblies=tuple(asked["other_assemblies"]),
    )
    try:
        model_settings(plan.model, **plan.options)
    except InputError as error:
        raise InputError(f"{where}, options: {error}") from None
    for sample in samples:
        if missing := missing_signals(study, plan, study.samples.cell_type[sample]):
            raise InputError(
                f"{where}: cell type {study.samples.cell_type[sample]!r} of sample {sample!r} "
                f"has no signal {missing[0]!r}; add its row to the sheet of signals"
            )
    if plan.sequence and model.inputs == "signals":
        raise InputError(
            f"{where}: sequence is read as features, and model {plan.model!r} reads signals in "
            "their own bins; leave sequence out, or take another model"
        )
    if plan.other_assemblies and plan.reads_sequence:
        raise InputError(
            f"{where}: it reads the sequence and is applied to its own assembly alone; leave "
            "other_assemblies out"
        )
    assembly = study.assembly_name(first)
    if plan.reads_sequence and not study.sequence(assembly):
        raise InputError(
            f"{where}: there is no sequence of assembly {assembly!r}; name its file in "
            "the config (key sequences), or put genome.fa.gz into the assembly's folder"
        )
    return plan


def missing_signals(study: Samples, plan: PredictorPlan, cell_type: str) -> list[str]:
    """Signals of a predictor that no file of a cell type gives."""
    own = {source.signal for source in study.signals.get(cell_type, [])}
    return [
        name
        for name in plan.signals
        if not {name, name.removesuffix("+").removesuffix("-"), name.partition(":")[0]} & own
    ]


def applies(study: Samples, plan: PredictorPlan, sample: str) -> bool:
    """Whether a predictor is applied to a sample: an assembly of its, its signals, not excluded."""
    row, named = study.samples.loc[sample], listed(study.samples.models[sample])
    if row.fine_tune_of or row.edit_of or (named and plan.name not in named):
        return False
    if study.assembly_name(sample) not in (
        study.assembly_name(plan.samples[0]),
        *plan.other_assemblies,
    ):
        return False
    has = plan.resolution in study.resolutions(sample) and plan.norm in study.norms(sample)
    lacks = missing_signals(study, plan, row.cell_type)
    return (has or sample not in study.mapped) and not lacks
