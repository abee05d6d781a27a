"""What is refused before anything runs: contradictions of config, sheets and assemblies."""

from pathlib import Path

from chromloom.attribution.sets import parse_expression
from chromloom.classification.labels import ELEMENTS, read_label_sheet
from chromloom.errors import InputError
from chromloom.expression.table import deal_chromosomes
from chromloom.genome.names import match_names, select_chromosomes
from chromloom.genome.regions import parse_region
from chromloom.models.expression.settings import TRAINING_OPTIONS
from chromloom.models.registry import model_settings, models
from chromloom.study.figures import Figures
from chromloom.study.runs import Run
from chromloom.study.samples import REFERENCES, listed, simulated_path
from chromloom.training.splits import split_chromosomes

TRACKS = ("E1", "insulation")
"""Tracks of a map that genes can be given beside their marks."""

CHAINED = ("thin_of", "fine_tune_of")
"""Columns of the sample sheet by which a sample is made of another."""


def check_study(study: Figures) -> None:
    """Refuse what a study contradicts itself in.

    Raises
    ------
    InputError
        Names that nothing has, chromosomes that the assembly does not have, models that cannot be
        trained on a map, splits that cannot be.
    """
    check_partners(study)
    check_resolutions(study)
    check_options(study)
    check_measured_edits(study)
    check_boundaries(study)
    check_joint(study)
    for run in study.runs:
        check_scope(study, run)
        check_trans(study, run)
        check_joint_run(study, run)
    check_assemblies(study)
    check_splits(study)
    check_tasks(study)
    check_comparisons(study)
    check_orientations(study)
    check_figures(study)
    check_targets(study)
    check_windows(study)
    check_expression(study)
    _ = study.transfers  # checked as they are listed


def check_partners(study: Figures) -> None:
    """Refuse samples that are compared with, or made of, themselves or maps of another kind."""
    samples = study.samples
    for sample, row in samples.iterrows():
        for column in REFERENCES:
            where = f"{study.config['samples']}, sample {sample!r}: {column}"
            seen = [str(sample)]
            while column in CHAINED and (origin := samples.loc[seen[-1], column]):
                if origin in seen:
                    way = " -> ".join([*seen, origin])
                    raise InputError(f"{where} leads back to itself ({way}); mend it")
                seen.append(origin)
            others = [] if column == "classify_from" else listed(row[column])
            for other in others:
                if other == sample:
                    raise InputError(f"{where} is the sample itself; name another, or none")
                if study.assembly_name(other) != study.assembly_name(sample):
                    raise InputError(
                        f"{where} {other!r} is on {study.assembly_name(other)}, the sample on "
                        f"{study.assembly_name(sample)}; name a sample of the same assembly"
                    )
    for run in study.runs:
        for column in ("against", "edit_of"):
            other = samples[column][run.sample]
            if other and run.resolution not in study.resolutions(other):
                raise InputError(
                    f"{study.config['samples']}, sample {run.sample!r}: {column} {other!r} has no "
                    f"map at {run.resolution} bp; add it to its resolutions"
                )


def check_resolutions(study: Figures) -> None:
    """Refuse bin sizes to train at that no map is written at."""
    written = {size for sample in study.mapped for size in study.resolutions(sample)}
    for size in study.config["training"]["resolutions"]:
        if written and size not in written:
            raise InputError(
                f"training.resolutions: no map is written at {size} bp; expected some of "
                f"{', '.join(map(str, sorted(written)))}, or add it to contacts.resolutions"
            )


def check_options(study: Figures) -> None:
    """Refuse settings that models do not have."""
    kinds = {"training": study.training, "expression": study.expression_training}
    for key, training in kinds.items():
        for name in study.config[key]["options"]:
            asked = training(name)
            own = {k: v for k, v in asked["options"].items() if k not in TRAINING_OPTIONS}
            try:
                model_settings(asked["model"], **own)
            except InputError as error:
                raise InputError(f"{key}.options, {name!r}: {error}") from None


def check_boundaries(study: Figures) -> None:
    """Refuse a boundary experiment where no task gives the domains."""
    if not study.config["perturbation"]["boundaries"]:
        return
    if not study.config["attribution"]["domains"]:
        raise InputError(
            "perturbation.boundaries needs domains: name their task of the label sheet in "
            "attribution.domains"
        )
    if not study.label_sheet:
        raise InputError(
            "perturbation.boundaries is a task of the label sheet, and there is none; name one "
            "(key labels), or leave boundaries empty"
        )


def check_measured_edits(study: Figures) -> None:
    for sample in study.samples.index[study.samples.edit_of != ""]:
        origin, name = study.samples.edit_of[sample], study.samples.edit[sample]
        names = [edit.edit for edit in study.edits[origin]]
        if name in names:
            continue
        left_out = [row.detail for row in study.edit_rows[origin] if row.id == name]
        raise InputError(
            f"{study.config['samples']}, sample {sample!r}: {origin!r} has no edit {name!r}"
            + (f" ({left_out[0]})" if left_out and left_out[0] else "")
            + f"; it has {', '.join(names[:20]) or 'none'} (columns edit_of, edit)"
        )


def check_scope(study: Figures, run: Run) -> None:
    model = study.model(run.model)
    if model.scope != "map":
        place = "as the model of a predictor (key predictors)"
        raise InputError(
            f"training.models: model {run.model!r} is learnt on a study, not on one map; name it "
            f"{place if 'map' in model.gives else 'in the part expression of the config'}"
        )


def check_trans(study: Figures, run: Run) -> None:
    kept = study.chromosomes(run.sample) or []
    if study.model(run.model).needs_trans and len(kept) == 1:
        raise InputError(
            f"{study.config['samples']}, sample {run.sample!r}: model {run.model!r} reads "
            f"contacts between chromosomes and only {kept[0]} is kept; keep more, or give this "
            "sample models without it in the column models"
        )


def check_joint(study: Figures) -> None:
    """Refuse joint fits of samples or of a model that have none."""
    for joint, asked in study.config["joint"].items():
        where, samples = f"joint, {joint!r}", asked["samples"]
        if joint in models() or joint in study.config["predictors"]:
            raise InputError(f"{where}: this is the name of a model; give the joint fit another")
        for sample in samples:
            if sample not in study.mapped:
                raise InputError(
                    f"{where}: sample {sample!r} has no contacts; expected samples of "
                    f"{study.config['samples']} that have: {', '.join(study.mapped)}"
                )
            if study.assembly_name(sample) != study.assembly_name(samples[0]):
                raise InputError(
                    f"{where}: samples {samples[0]!r} and {sample!r} are of two assemblies; fit "
                    "maps of one"
                )
            if study.samples.fine_tune_of[sample]:
                raise InputError(
                    f"{where}: sample {sample!r} is fine-tuned from another; leave it out, or its "
                    "fine_tune_of empty"
                )
            if study.samples.thin_of[sample] in samples:
                raise InputError(
                    f"{where}: {sample!r} holds reads of {study.samples.thin_of[sample]!r}, which "
                    "would count twice; leave one of them out"
                )


def check_joint_run(study: Figures, run: Run) -> None:
    """Refuse a run whose joint fit lacks its sample, has no map of its kind, or fits no counts."""
    if not (partners := study.joint_samples(run.model)):
        return
    where = f"joint, {study.joint_of(run.model)!r}"
    training = study.training(run.model)
    fit = getattr(model_settings(training["model"], **training["options"]), "fit", None)
    if getattr(fit, "start", "") != "likelihood":
        raise InputError(
            f"{where}: model {training['model']!r} is not fitted to counts; expected "
            "hiclstm-refined, or a variant of it with start=likelihood"
        )
    if run.sample not in partners:
        raise InputError(
            f"{where}: sample {run.sample!r} has the model {run.model!r} and is not among the "
            f"samples of the joint fit ({', '.join(partners)}); add it, or give it other models"
        )
    for sample in partners:
        if f"{sample}.{run.resolution}.{run.norm}" not in study.maps:
            raise InputError(
                f"{where}: sample {sample!r} has no map at {run.resolution} bp and {run.norm}, as "
                f"{run.sample!r} has; add them to its columns resolutions and norms"
            )


def check_assemblies(study: Figures) -> None:
    """Refuse assemblies that are not there, and chromosomes and labels that are not theirs."""
    path = study.config["samples"]
    for sample in study.mapped:
        if (chromsizes := study.chromsizes(sample)) is not None:
            source = f"{path}, sample {sample!r} (or contacts.chromosomes of the config)"
            select_chromosomes(study.chromosomes(sample), chromsizes, source=source)
            if region := study.samples.fine_tune_region[sample]:
                parse_region(region, chromsizes.to_dict())
    kinds = {(run.sample, study.samples.cell_type[run.sample]) for run in study.classified}
    for sample, cell_type in sorted(kinds):
        read_label_sheet(
            study.label_sheet,
            cell_type=cell_type,
            assembly=study.assembly_name(sample),
            must_exist=False,
        )


def check_tasks(study: Figures) -> None:
    """Refuse names of tasks that the label sheet does not have for the samples they are for."""
    shown = {study.focus_sample} if study.shown(study.pair_runs) else set()
    edited = {run.sample for run in study.pair_runs if study.edits[run.sample]}
    boundaries = study.config["perturbation"]["boundaries"]
    wanted = {
        "attribution.domains": (study.config["attribution"]["domains"], shown),
        "perturbation.boundaries": (boundaries, shown),
        "perturbation.loops": (study.config["perturbation"]["loops"], edited),
    }
    for key, (task, samples) in wanted.items():
        for sample in sorted(samples):
            tasks = study.tasks[study.samples.cell_type[sample]]
            if task and tasks and task not in tasks:
                raise InputError(
                    f"{key}: {study.label_sheet} has no task {task!r} for cell type "
                    f"{study.samples.cell_type[sample]!r}; it has {', '.join(tasks)}"
                )


def check_comparisons(study: Figures) -> None:
    """Refuse comparisons of elements that the label sheet does not have."""
    if not (study.shown(study.pair_runs) and study.labels_of(study.focus_sample)):
        return
    cell_type = study.samples.cell_type[study.focus_sample]
    known = study.elements[cell_type]
    for name, pair in study.config["attribution"]["comparisons"].items():
        for expression in pair:
            for _, task in parse_expression(expression):
                if task not in known:
                    raise InputError(
                        f"attribution.comparisons, {name}: {expression!r} names {task!r}, "
                        f"which is no task of single bins ({', '.join(ELEMENTS)}) of cell type "
                        f"{cell_type!r} in {study.label_sheet}; it has {', '.join(known)}"
                    )


def check_orientations(study: Figures) -> None:
    """Refuse edits of the orientation of motifs where no motifs are named."""
    if study.config["perturbation"]["motifs"]:
        return
    for sample, resolution in study.edited:
        for row in study.fitted_rows(sample, resolution):
            if row.edit and row.edit.kind == "orientation":
                raise InputError(
                    f"{study.edits_path(sample)}: edit {row.edit.edit!r} turns motifs, and "
                    "perturbation.motifs names none; give it a BED6 file of stranded CTCF "
                    "motifs (`chromloom motifs` writes one), or take the edit out"
                )


def check_figures(study: Figures) -> None:
    """Refuse a region of figures that the sample shown does not have."""
    region = study.config["figures"]["region"]
    chromsizes = study.chromsizes(study.focus_sample) if region and study.focus else None
    if chromsizes is None:
        return
    kept = select_chromosomes(
        study.chromosomes(study.focus_sample), chromsizes, source=study.config["samples"]
    )
    try:
        parse_region(region, chromsizes[kept].to_dict())
    except InputError as error:
        raise InputError(f"figures.region, for sample {study.focus_sample!r}: {error}") from None


def check_windows(study: Figures) -> None:
    """Refuse windows of sequence that are not there, or that no predictor of bases reads."""
    asked = study.config["sequence_analysis"]
    regions = {f"{key}, {name}": [region] for key in ("loci", "saturation")
               for name, region in asked[key].items()}  # fmt: skip
    regions |= {f"deletions, {name}": own for name, own in asked["deletions"].items()}
    if regions and not study.base_runs:
        raise InputError(
            f"sequence_analysis, {next(iter(regions))}: no predictor reads bases; name one of "
            "akita-paper or akita-small in predictors, on a sample with contacts"
        )
    for run in study.base_runs:
        if (sizes := study.chromsizes(run.sample)) is None:
            continue
        for key, own in regions.items():
            for region in own:
                try:
                    parse_region(region, sizes.to_dict())
                except InputError as error:
                    raise InputError(f"sequence_analysis.{key}: {error}") from None


def check_targets(study: Figures) -> None:
    """Refuse targets of attribution that no predictor can have."""
    for name, regions in study.attribution_targets.items():
        for run in study.predictor_runs:
            if (chromsizes := study.chromsizes(run.sample)) is None:
                continue
            try:
                for region in regions:
                    parse_region(region, chromsizes.to_dict())
            except InputError as error:
                raise InputError(f"attribution.targets, {name}, {run.sample!r}: {error}") from None


def check_expression(study: Figures) -> None:
    asked = study.config["expression"]
    for key, other in (("genes", "table"), ("table", "genes")):
        if asked[key] and not asked[other]:
            raise InputError(f"expression.{key} is given and expression.{other} is not; give both")
    if asked["genes"] and not study.signals:
        raise InputError(
            "expression.genes is given and there are no signals to tell expression from; name "
            "a sheet of them (key signals)"
        )
    for cell_type in study.expressed:
        if cell_type not in study.signals:
            raise InputError(
                f"expression.columns: cell type {cell_type!r} has no signals; it has to be one "
                f"of {', '.join(study.signals)}"
            )
    for name in study.expression_trained:
        if "expression" not in study.expression_model(name).gives:
            can = [key for key, model in models().items() if "expression" in model.gives]
            key = "screen" if name in asked["screen"] else "models"
            raise InputError(
                f"expression.{key}: {name!r} does not predict expression; expected some of "
                f"{', '.join(can)}, or variants of them in expression.options"
            )
    told = study.config["variants"]["expression"]
    if told and told not in study.expression_trained:
        raise InputError(
            f"variants.expression: {told!r} is not trained; expected one of expression.models "
            f"({', '.join(study.expression_trained)})"
        )
    for name in asked["screen"]:
        if control := study.expression_training(name)["options"].get("control"):
            raise InputError(
                f"expression.screen: {name!r} is the control {control}, which sees other elements "
                "or marks than the genes have; name the model itself"
            )
    reading = [name for name in asked["models"] if study.reads_elements(name)]
    for cell_type in study.expressed:
        path, strength = study.interactions_of(cell_type)
        if reading and not path:
            raise InputError(
                f"expression.models: {reading[0]!r} reads elements, and {cell_type!r} has no "
                "interactions; name their file or a map of the study in expression.interactions"
            )
        simulated = simulated_path(path)[1]
        named = asked["interactions"].get(cell_type, "").startswith("dataset:")
        if path and not (strength or simulated or named or Path(path).is_file()):
            known = [*study.maps, *map(str, study.predicted_runs)]
            raise InputError(
                f"expression.interactions: {path!r} of {cell_type!r} is neither a file nor a map "
                f"of the study; maps are {', '.join(known) or 'none'}"
            )
        if asked["screen"] and not path:
            raise InputError(
                f"expression.screen takes elements away, and {cell_type!r} has no interactions; "
                "name them in expression.interactions"
            )
    for name, pair in asked["differences"].items():
        for cell_type in pair:
            if cell_type not in study.expressed:
                raise InputError(
                    f"expression.differences, {name}: no expression of {cell_type!r} is predicted; "
                    f"expected two of {', '.join(study.expressed)}"
                )
    for name in asked["difference_models"]:
        if "difference" not in study.expression_model(name).gives:
            can = [key for key, model in models().items() if "difference" in model.gives]
            raise InputError(
                f"expression.difference_models: {name!r} does not predict the change between two "
                f"cell types; expected some of {', '.join(can)}, or variants of them"
            )
    for key in ("interactions", "added", "tested", "domains", "genes_of", "tables"):
        for cell_type in asked[key]:
            if study.expressed and cell_type not in study.expressed:
                raise InputError(
                    f"expression.{key}: no expression of {cell_type!r} is predicted; expected "
                    f"some of {', '.join(study.expressed)}"
                )
    check_folds(study)
    check_added(study)
    check_pools(study)


def check_folds(study: Figures) -> None:
    """Refuse folds of genes that chromosomes cannot be dealt to, or that name none of them."""
    folds = study.config["expression"]["folds"]
    assemblies = {study.signal_assembly[cell_type] for cell_type in study.expressed}
    sizes = [study.chromsizes_of(assembly) for assembly in sorted(assemblies)]
    known = [own for own in sizes if own is not None]
    for own in known:
        deal_chromosomes(own.index, folds)
    if isinstance(folds, str) or len(known) < len(sizes):
        return
    for chrom in (chrom for fold in folds for chrom in fold):
        if known and not any(match_names([chrom], own)[chrom] for own in known):
            raise InputError(
                f"expression.folds: no chromosome {chrom!r}; known are "
                f"{', '.join(chrom for own in known for chrom in own.index[:30])}"
            )


def check_pools(study: Figures) -> None:
    """Refuse cell types to train on together that are unknown or of different assemblies."""
    for model in study.expression_trained:
        for cell_type in study.expressed:
            for other in study.pooled_with(cell_type, model):
                if other not in study.expressed:
                    raise InputError(
                        f"expression.options: cell_types of {model!r} has {other!r}, whose "
                        f"expression is not predicted; expected some of "
                        f"{', '.join(study.expressed)}"
                    )
                assemblies = [study.signal_assembly[name] for name in (cell_type, other)]
                if assemblies[0] != assemblies[1]:
                    raise InputError(
                        f"expression.options: {model!r} is trained on {cell_type!r} and {other!r} "
                        f"together, of {' and '.join(assemblies)}; genes are held out by "
                        "chromosome: name cell types of one assembly"
                    )


def check_added(study: Figures) -> None:
    """Refuse features beside the marks that are no files or results, or that no cell type has."""
    made = [f"results/analysis/{map}/{name}.bw" for map in study.analysed for name in TRACKS]
    made += [f"results/representations/{run}.parquet" for run in study.runs]
    for cell_type, named in study.config["expression"]["added"].items():
        for name, path in study.added_to(cell_type).items():
            elsewhere = simulated_path(path)[1] or named[name].startswith("dataset:")
            if not (elsewhere or path in made or Path(path).is_file()):
                raise InputError(
                    f"expression.added: {path!r} ({name!r} of {cell_type!r}) is neither a file nor "
                    f"a result of the study; those are {', '.join(made) or 'none'}"
                )
    for model in study.expression_trained:
        for name in study.expression_training(model)["options"].get("added", []):
            for cell_type in study.expressed:
                known = study.added_to(cell_type)
                if name not in known:
                    raise InputError(
                        f"expression.options: {model!r} reads the added feature {name!r}, which "
                        f"{cell_type!r} has not; expression.added names "
                        f"{', '.join(known) or 'none'}"
                    )


def check_splits(study: Figures) -> None:
    """Refuse splits that cannot be, where the lengths of chromosomes are known."""
    for plan in study.predictors.values():
        if plan.windows:  # their roles are checked where the file is read
            continue
        first = plan.samples[0]
        if (chromsizes := study.chromsizes(first)) is None:
            if bool(plan.test) == bool(plan.n_folds):
                raise InputError(f"predictors, {plan.name!r}: give either test or folds")
            continue
        kept = select_chromosomes(
            study.learnt_chromosomes(plan), chromsizes, source=f"predictors, {plan.name!r}"
        )
        try:
            split_chromosomes(chromsizes[kept], **plan.split)
        except InputError as error:
            raise InputError(f"predictors, {plan.name!r}: {error}") from None
