"""Training of predictors: models of scope `study`, learnt on some samples and chromosomes."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd

from chromloom.errors import InputError
from chromloom.models.predictor import Predictor
from chromloom.models.registry import find_model, load, model_settings
from chromloom.models.trained import resolve_device
from chromloom.sequence.fasta import Genome
from chromloom.sequence.features import SequenceFeatures
from chromloom.signals.features import INPUTS, BinInputs
from chromloom.signals.store import SignalStore
from chromloom.training.fold import fingerprint, fold_config, open_maps, write_fold
from chromloom.training.resume import owns_resume_dir
from chromloom.training.stretches import read_covariates, read_stretches

logger = logging.getLogger(__name__)


@owns_resume_dir
def train_predictor(
    model: str,
    maps: Sequence[str | Path],
    stores: Sequence[str | Path],
    split: pd.DataFrame,
    out_dir: str | Path,
    *,
    max_distance: int,
    signals: Sequence[str] = (),
    genome_path: str | Path | None = None,
    sequence: Mapping[str, int] | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    resume_dir: str | Path | None = None,
    weights: str | Path | None = None,
) -> None:
    """Train a predictor on one fold and write its folder.

    Parameters
    ----------
    model : str
        A name of `chromloom.models.registry` of scope `study`.
    maps, stores : sequence of path
        Normalised maps of the training samples, and the store of signals of each one's cell type;
        no stores where it reads no signals.
    split : DataFrame
        Rows of one fold, see `training.splits`. Nothing of its test regions is read but names.
    out_dir : path
        Folder, see `models.predictor`.
    max_distance : int
        bp; farther pairs are not learnt nor predicted.
    signals : sequence of str
        Names of what the predictor reads of the stores; the order is kept with it.
    genome_path : path, optional
        Sequence of the assembly, as `sequence.fasta.write_genome` writes it.
    sequence : mapping, optional
        What the predictor reads of it: the attributes of `sequence.features.SequenceFeatures`.
    options : mapping, optional
        Settings that differ from the model's own.
    seed, device, resume_dir
        As in `training.weave.fit_weave`.
    weights : path, optional
        File of weights as the authors publish them, which are taken in place of training: the maps
        give the expected at each distance alone. Of models whose line of the table has `published`.

    Raises
    ------
    InputError
        Maps of two bin sizes or assemblies, signals that are not there or transformed in another
        way, or a model of one map.
    """
    line = find_model(model)
    if line.scope != "study":
        raise InputError(f"model '{model}' is fitted to one map; name it in training.models")
    settings, reads = model_settings(model, **(options or {})), INPUTS[line.inputs]
    opened = open_maps(maps)
    own = [SignalStore(path) for path in stores]
    first, bin_size = opened[0], own[0].bin_size if own else 0
    transforms = {name: own[0].transforms.get(name, "none") for name in signals}
    covariates = getattr(settings, "covariates", ())
    for each in own:
        each.check(
            [*signals, *covariates],
            assembly=first.assembly,
            bin_size=bin_size,
            transforms=transforms,
        )
        _refuse_leak(each, signals, split)
    n_distances = max_distance // first.resolution + 1
    stores_of: Sequence[SignalStore | None] = own or [None] * len(opened)
    genome = Genome(genome_path) if genome_path else None
    of_sequence = SequenceFeatures(**(sequence or {}))
    read = {
        observed.sample: BinInputs(
            first.resolution,
            reads,
            store=each,
            signals=signals,
            genome=genome,
            sequence=of_sequence,
        )
        for observed, each in zip(opened, stores_of)
    }
    stretches, constants = read_stretches(
        {observed.sample: observed for observed in opened}, read, split, n_distances
    )
    if covariates:
        store_of = dict(zip(read, own))
        stretches = [
            replace(s, covariates=read_covariates(
                store_of[s.sample], s.chrom, covariates, first.resolution
            ))
            for s in stretches
        ]  # fmt: skip
    mirrored = read[first.sample].mirrored.tolist()
    if not reads.own_bins:
        mirrored.append(len(mirrored))  # the last row says that a bin has no feature
    config = fold_config(
        model,
        settings,
        first,
        split,
        seed=seed,
        n_distances=n_distances,
        max_distance=max_distance,
        mirrored=mirrored,
    )
    inputs = {
        "signals": list(signals),
        "transforms": transforms,
        "assembly": first.assembly,
        "bin_size": bin_size,
        "sequence": asdict(of_sequence),
        "samples": [observed.sample for observed in opened],
        "sources": {each.cell_type: {s: each.sources[s] for s in signals} for each in own},
    }
    tensors, history = load(line.fit)(
        stretches,
        settings,
        mirrored=config["mirrored"],
        seed=seed,
        device=str(resolve_device(device)),
        resume_dir=resume_dir,
        fingerprint=fingerprint(
            config,
            inputs,
            (
                array
                for s in stretches
                for array in (s.features, s.counts, s.log_weight, s.validates, s.covariates)
                if array is not None
            ),
        ),
        **({"weights": weights} if weights else {}),
    )
    write_fold(out_dir, split, history, Predictor(config, inputs, constants, tensors))


def _refuse_leak(store: SignalStore, signals: Sequence[str], split: pd.DataFrame) -> None:
    """Quantiles of a test chromosome must not have entered the signals."""
    matched = [name for name in signals if store.references.get(name)]
    test = set(split["chrom"][split["role"] == "test"])
    if matched and (leaked := sorted(test & set(store.quantile_chroms))):
        raise InputError(
            f"{store.path}: signal {matched[0]!r} was matched by the quantiles of {leaked[0]}, "
            "which this fold is tested on; name chromosomes that no predictor is tested on "
            "(bin_signals.quantile_chromosomes)"
        )
