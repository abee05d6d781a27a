"""Training and applying a model of expression, fold by fold, from the files of `build_genes`.

The folder of a fold holds the model's own files, `config.json` (model, settings, seed, and what it
read: signals by name, transforms, size of bins) and `splits.tsv` (chromosome, genes, train or
test).
"""

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chromloom.errors import CheckpointError, InputError
from chromloom.expression.baselines import SimpleModel, average
from chromloom.expression.controls import apply_control
from chromloom.expression.encoded import EncodedModel
from chromloom.expression.features import Marks, open_marks
from chromloom.expression.network import NetworkModel
from chromloom.expression.table import COLUMNS, check_two_classes
from chromloom.files import atomic_path, read_tsv, write_json, write_tsv
from chromloom.models.expression.settings import TRAINING_OPTIONS
from chromloom.models.registry import find_model, load, model_settings

Fitted = SimpleModel | NetworkModel | EncodedModel
"""What a model of the table leads to (`trained`); one that is registered has the same methods."""
SPLITS = ("chromosome", "random")
PREDICTION_COLUMNS = [*COLUMNS, "predicted_level", "predicted_high"]


def train_fold(
    genes: pd.DataFrame,
    marks: Marks,
    out_dir: str | Path,
    *,
    model: str,
    fold: int,
    options: Mapping[str, Any] | None = None,
    seed: int = 1,
    device: str = "cpu",
    others: Sequence[tuple[pd.DataFrame, Marks]] = (),
) -> None:
    """Train a model on the genes of all folds but one.

    Parameters
    ----------
    genes, marks
        As of `read_features`.
    out_dir : str or Path
        Folder to write.
    model : str
        That gives "expression".
    fold : int
        Held out.
    options : mapping, optional
        Settings that differ from the model's own, and those of the notes.
    seed, device
        Of the training.
    others : sequence of (DataFrame, Marks)
        Genes and marks of further cell types, which are trained on too: those on chromosomes that
        are not held out (of a random split, the genes that are not).

    Raises
    ------
    InputError
        The model does not predict expression, there is no such fold, the training genes are of
        one class, or further cell types lack a signal.

    Notes
    -----
    The option `permute` names signals that are exchanged between genes, as a control: between the
    training genes, and between the held-out ones where they are predicted. `["all"]` is all of
    them. Marks of training genes alone would not do: marks rise and fall together, so that
    weights of chance rank held-out genes well, or in reverse. The option `control` names one of
    `controls.CONTROLS`, and `split: random` deals genes to folds by chance and not by chromosome:
    neighbours of held-out genes are then trained on. `without` names signals that are left out, and
    `cell_types` the cell types that `others` are of.
    """
    line = find_model(model)
    if "expression" not in line.gives:
        raise InputError(f"model '{model}' does not predict expression; name one that does")
    options = dict(options or {})
    asked = {name: options.pop(name, usual) for name, usual in TRAINING_OPTIONS.items()}
    split, permute, control = asked["split"], list(asked["permute"]), str(asked["control"])
    if split not in SPLITS:
        raise InputError(f"split '{split}' of '{model}'; expected {' or '.join(SPLITS)}")
    n_folds = int(genes["fold"].nunique())
    if split == "random":
        genes = genes.assign(fold=random_folds(genes["gene"], n_folds, seed))
    if fold not in set(genes["fold"]):
        raise InputError(f"no gene is in fold {fold}; there are {sorted(set(genes['fold']))}")
    held = genes["fold"] == fold
    check_two_classes(genes[~held], f"training genes of fold {fold}")
    marks = _without(marks, asked["without"])
    settings = model_settings(model, **options)
    told, seen = [], []
    for own_genes, own_marks in [(genes, marks), *others]:
        if split == "random":
            train = random_folds(own_genes["gene"], n_folds, seed) != fold
        else:
            train = ~own_genes["chrom"].isin(genes.loc[held, "chrom"]).to_numpy()
        own = own_marks.of(train).select(marks.signals, marks.transforms, marks.bin_size)
        seen.append(apply_control(_permuted(own, permute, seed), control, seed=seed))
        told.append(own_genes[train])
    kind: type[Fitted] = load(line.trained)
    fitted = kind.fit(
        Marks.join(seen), pd.concat(told, ignore_index=True), settings, seed=seed, device=device
    )
    splits = genes.groupby(["chrom", "fold"], sort=False).size().rename("n_genes").reset_index()
    splits["part"] = np.where(splits["fold"] == fold, "test", "train")
    with atomic_path(out_dir) as folder:
        folder.mkdir()
        fitted.save(folder)
        write_tsv(splits[["chrom", "n_genes", "fold", "part"]], folder / "splits.tsv")
        write_json(
            {
                "model": model,
                "options": options,
                "permuted": permute,
                "control": control,
                "split": split,
                "cell_types": list(asked["cell_types"]),
                "n_folds": n_folds,
                "settings": settings.to_dict(),
                "seed": seed,
                "fold": fold,
                "signals": marks.signals,
                "transforms": marks.transforms,
                "bin_size": marks.bin_size,
                "rows": {"splits.tsv": len(splits)},
            },
            folder / "config.json",
        )


def train_folds(
    table_path: str | Path,
    marks_path: str | Path,
    out_dir: str | Path,
    *,
    model: str,
    options: Mapping[str, Any] | None = None,
    seed: int = 1,
    device: str = "cpu",
    others: Sequence[tuple[str | Path, str | Path]] = (),
) -> None:
    """Train a model for every fold of the genes, `out_dir`/0, 1, …; see `train_fold`.

    `others` are the tables and marks of further cell types.
    """
    genes, marks = read_features(table_path, marks_path)
    pool = [read_features(*paths) for paths in others]
    with atomic_path(out_dir) as folder:
        for fold in sorted(set(genes["fold"])):
            train_fold(
                genes,
                marks,
                folder / str(fold),
                model=model,
                fold=fold,
                options=options,
                seed=seed,
                device=device,
                others=pool,
            )


def fold_dirs(model_dir: str | Path) -> list[Path]:
    """Folders of the folds that `train_folds` wrote; Snakemake leaves files of its own there."""
    return sorted(path for path in Path(model_dir).iterdir() if path.name.isdigit())


def predict_expression(
    table_path: str | Path,
    marks_path: str | Path,
    model_dirs: Sequence[str | Path],
    path: str | Path,
    *,
    unseen: bool = False,
) -> None:
    """Predict every gene by the model of the fold that held its chromosome out.

    Parameters
    ----------
    table_path, marks_path : str or Path
        As `build_genes` wrote them; of the cell type trained on, or of another.
    model_dirs : sequence of str or Path
        As `train_folds` wrote them.
    path : str or Path
        Table to write, `PREDICTION_COLUMNS`.
    unseen : bool
        No fold was trained on any of these genes, which are of another assembly: levels and log
        odds are means over all folds.

    Raises
    ------
    InputError
        A model does not fit the features, or genes are held out by no model.
    """
    genes, marks = read_features(table_path, marks_path)
    level, high = np.full(len(genes), np.nan), np.full(len(genes), np.nan)
    if unseen:
        folds = map(open_fold, model_dirs)
        level, high = average([fold.model.predict(fold.seen(marks)) for fold in folds])
    else:
        for held, own, model in open_folds(genes, marks, model_dirs):
            level[held], high[held] = model.predict(own)
    lost = np.isnan(level)
    if lost.any():
        raise InputError(
            f"genes of {', '.join(genes.loc[lost, 'chrom'].unique())} are held out by none of the "
            "trained folds; give the folders of all folds"
        )
    table = genes.assign(predicted_level=level, predicted_high=high).astype({"high": int})
    write_tsv(table[PREDICTION_COLUMNS], path)


@dataclass(frozen=True, eq=False)
class Fold:
    """A trained fold.

    Attributes
    ----------
    model : Fitted
    config : dict
        What `train_fold` wrote beside it.
    chroms : list of str
        That it held out.
    """

    model: Fitted
    config: dict[str, Any]
    chroms: list[str]

    def held_out(self, genes: pd.DataFrame) -> np.ndarray:
        """Numbers of the genes (gene, chrom) that it was not trained on."""
        c = self.config
        if c["split"] == "random":
            own = random_folds(genes["gene"], c["n_folds"], c["seed"]) == c["fold"]
            return np.flatnonzero(own)
        return np.flatnonzero(genes["chrom"].isin(self.chroms))

    def seen(self, marks: Marks) -> Marks:
        """What the model sees of genes: its signals, in its order.

        Raises
        ------
        InputError
            The features lack one, or have it in another form.
        """
        c = self.config
        own = marks.select(c["signals"], c["transforms"], c["bin_size"])
        if not len(own):
            return own
        own = _permuted(own, c["permuted"], c["seed"])
        return apply_control(own, c["control"], seed=c["seed"])


def open_fold(folder: str | Path) -> Fold:
    """Open what `train_fold` wrote.

    Raises
    ------
    CheckpointError
        The folder is no trained model.
    """
    folder, config = Path(folder), read_config(folder)
    splits = read_tsv(folder / "splits.tsv", rows=config.get("rows", {}).get("splits.tsv"))
    settings = model_settings(config["model"], **config["options"])
    kind: type[Fitted] = load(find_model(config["model"]).trained)
    model = kind.load(folder, settings, n_signals=len(config["signals"]))
    return Fold(model, config, splits.loc[splits["part"] == "test", "chrom"].tolist())


def read_config(folder: str | Path) -> dict[str, Any]:
    """What was written beside a trained model, its `config.json`.

    Raises
    ------
    CheckpointError
        The folder has none.
    """
    try:
        return json.loads((Path(folder) / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder} is not a trained model ({error}); train it") from error


def open_folds(
    genes: pd.DataFrame, marks: Marks, model_dirs: Sequence[str | Path]
) -> Iterator[tuple[np.ndarray, Marks, Fitted]]:
    """Trained folds with the genes that each held out.

    Parameters
    ----------
    genes, marks
        As of `read_features`.
    model_dirs : sequence of str or Path
        As `train_folds` wrote them.

    Yields
    ------
    held : ndarray, (n_genes,), int64
        Numbers of the genes, at least one.
    marks : Marks
        What the model sees of them.
    model : Fitted

    Raises
    ------
    CheckpointError, InputError
        A folder is no trained model, or the model does not fit the features.
    """
    for fold in map(open_fold, model_dirs):
        held = fold.held_out(genes)
        own = fold.seen(marks.of(held))
        if len(held):
            yield held, own, fold.model


def random_folds(genes: Sequence[str], n_folds: int, seed: int) -> np.ndarray:
    """Folds of genes by chance, the same of a gene in whatever table it stands; (n_genes,), int64.

    What GC-MERGE's article did: shown beside folds of chromosomes for what it is worth.
    """
    return np.array([zlib.crc32(f"{seed} {gene}".encode()) % n_folds for gene in genes])


def _without(marks: Marks, names: Sequence[str]) -> Marks:
    """The marks without some signals."""
    missing = [name for name in names if name not in marks.signals]
    kept = [k for k, name in enumerate(marks.signals) if name not in names]
    if missing or not kept:
        what = f"signal {missing[0]!r} is not there" if missing else "no signal is left"
        raise InputError(
            f"option without: {what}; name some of {', '.join(marks.signals)}, not all of them"
        )
    if not names:
        return marks
    signals, transforms = ([own[k] for k in kept] for own in (marks.signals, marks.transforms))
    return marks.select(signals, transforms, marks.bin_size)


def _permuted(marks: Marks, signals: Sequence[str], seed: int) -> Marks:
    if not signals:
        return marks
    return marks.permuted(marks.signals if list(signals) == ["all"] else signals, seed=seed)


def read_features(table_path: str | Path, marks_path: str | Path) -> tuple[pd.DataFrame, Marks]:
    """Genes and their marks, row by row the same.

    Raises
    ------
    InputError
        They are not of the same genes, or a chromosome is in two folds.
    """
    genes, marks = read_tsv(table_path), open_marks(marks_path)
    if list(genes["gene"].astype(str)) != list(marks.genes):
        raise InputError(
            f"{table_path} and {marks_path} are not of the same genes; make both again"
        )
    for chrom, folds in genes.groupby("chrom", sort=False)["fold"].unique().items():
        if len(folds) > 1:
            raise InputError(
                f"{table_path}: {chrom} is in folds {', '.join(map(str, folds))}; genes are held "
                "out by whole chromosomes: put it in one"
            )
    return genes.assign(high=genes["high"].astype(bool)), marks
