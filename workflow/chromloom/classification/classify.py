"""Classification of bins and of pairs of bins from their representations (Fig. 4).

For every task of the label sheet: samples by protocol (`negatives`), held-out blocks (`splits`),
classifiers, metrics on the predictions of all folds together, and bootstrap intervals over blocks.

Protocols in the table:

=============  ===================================================================================
`honest`       folds of blocks of at least 5 Mb, negatives drawn at random
`shuffled`     the control of `honest`: the same with the labels permuted
`chromosome`   trained on the other chromosomes, tested on each; where two or more have labels
`retrained`    `honest`, of circular tasks, with representations that were trained without the pairs
               inside the held-out blocks
`published`    as the released code: 3 folds of shuffled rows (one tests, one stops the training,
               one trains), the first N unlabelled bins as negatives, 11-point mAP
`from-SAMPLE`  trained on labels of another map, tested on this one; where both have a chromosome,
               on blocks that are not tested, as `honest`
=============  ===================================================================================
"""

import logging
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.classification.classifiers import CLASSIFIERS, ClassifierSettings, fit_predict
from chromloom.classification.labels import BinLabels, PairLabels, load_labels, read_label_sheet
from chromloom.classification.metrics import (
    METRICS,
    confusion_matrix,
    precision_recall_curve,
    resample,
    score_binary,
    score_multiclass,
)
from chromloom.classification.negatives import PROTOCOLS, sample_bins, sample_pairs
from chromloom.classification.splits import (
    assign_bins,
    make_splits,
    read_splits,
    write_splits,
)
from chromloom.errors import InputError
from chromloom.files import atomic_path, write_tsv
from chromloom.representations.parquet import read_representations, representation_columns

logger = logging.getLogger(__name__)

COLUMNS = [
    "sample", "resolution", "norm", "model", "classifier", "task", "circular", "protocol", "metric",
    "value", "ci_low", "ci_high", "n_positive", "n_negative", "few",
]  # fmt: skip
NAMES = ["sample", "resolution", "norm", "model"]
PUBLISHED_FOLDS = 3
VALIDATION_SHARE = 0.2  # of the training blocks, for early stopping


@dataclass(frozen=True)
class ClassificationSettings:
    """How representations are classified.

    Attributes
    ----------
    classifiers, protocols : tuple of str
        `honest` brings its control and, with several chromosomes, `chromosome`.
    n_folds, n_boot, seed : int
        Folds of blocks; resamplings of blocks; seed of every draw.
    min_positives : int
        Tasks with fewer positive or fewer negative rows (with several classes: fewer rows) are
        scored and marked as `few`, and left out of means over tasks.
    classifier : ClassifierSettings
    """

    classifiers: tuple[str, ...] = CLASSIFIERS
    protocols: tuple[str, ...] = PROTOCOLS
    n_folds: int = 5
    n_boot: int = 200
    seed: int = 0
    min_positives: int = 25
    classifier: ClassifierSettings = field(default_factory=ClassifierSettings)


@dataclass
class ClassificationTables:
    """Results of one representation.

    Attributes
    ----------
    metrics : DataFrame
        `COLUMNS`; `n_positive`, `n_negative` are rows scored (multi-class: all rows, 0); `few` is
        yes where they are too few for the score to count in means over tasks, else no.
    predictions : DataFrame
        sample, resolution, norm, model, classifier, task, protocol, bin1, bin2, block, y, score:
        held-out predictions of the binary tasks, for paired comparison of models.
    curves : DataFrame
        The same names, recall, precision.
    confusion : DataFrame
        The same names, true, called, n, of multi-class tasks.
    splits : DataFrame
        chrom, start, end, block, fold.
    """

    metrics: pd.DataFrame
    predictions: pd.DataFrame
    curves: pd.DataFrame
    confusion: pd.DataFrame
    splits: pd.DataFrame

    def write(self, out: str | Path | None, details: str | Path | None) -> None:
        """Write the metrics as TSV, and the other tables into the folder `details`."""
        if out is not None:
            write_tsv(self.metrics, out)
        if details is not None:
            with atomic_path(details) as folder:
                folder.mkdir()
                self.predictions.to_parquet(folder / "predictions.parquet", index=False)
                write_tsv(self.curves, folder / "curves.tsv")
                write_tsv(self.confusion, folder / "confusion.tsv")
                write_splits(self.splits, folder / "splits.tsv")


@dataclass(frozen=True)
class Tasks:
    """One map's representations and labels.

    Attributes
    ----------
    names : dict
        sample, resolution, norm, model.
    table : DataFrame
        The representations as read.
    bins : DataFrame
        chrom, start, end, masked.
    features : ndarray, (n_bins, d), float32
    labels : dict
        task -> BinLabels or PairLabels.
    splits : DataFrame
        Blocks and folds.
    """

    names: dict
    table: pd.DataFrame
    bins: pd.DataFrame
    features: np.ndarray
    labels: dict
    splits: pd.DataFrame


def open_tasks(
    parquet: str | Path,
    label_sheet: str | Path,
    *,
    cell_type: str | None = None,
    assembly: str | None = None,
    splits: str | Path | None = None,
    settings: ClassificationSettings,
) -> Tasks:
    """Read representations, their labels and folds; parameters of `classify_representations`."""
    names = _names(parquet)
    table = read_representations(parquet)
    bins, features = _split_table(table)
    labels = load_labels(
        read_label_sheet(label_sheet, cell_type=cell_type, assembly=assembly), bins
    )
    folds = (
        read_splits(splits)
        if splits is not None
        else make_splits(bins, n_folds=settings.n_folds, seed=settings.seed)
    )
    return Tasks(names, table, bins, features, labels, folds)


def sample_task(
    tasks: Tasks, labels: BinLabels | PairLabels, *, seed: int
) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of a task in the `honest` protocol.

    Returns
    -------
    samples : DataFrame
        bin1, bin2, y, block, fold1, fold2 (of either end).
    X : ndarray, (n, d) or (n, 2d) for pairs, float32
    """
    samples = _draw(labels, tasks.bins, "honest", seed)
    block, fold = assign_bins(tasks.bins, tasks.splits)
    first, second = samples["bin1"], samples["bin2"]
    samples = samples.assign(block=block[first], fold1=fold[first], fold2=fold[second])
    samples = samples[(samples["fold1"] >= 0) & (samples["fold2"] >= 0)]
    return samples, _features(tasks.features, samples)


def classify_representations(
    parquet: str | Path,
    label_sheet: str | Path,
    out: str | Path | None = None,
    details: str | Path | None = None,
    *,
    cell_type: str | None = None,
    assembly: str | None = None,
    splits: str | Path | None = None,
    retrained: Mapping[int, str | Path] | None = None,
    settings: ClassificationSettings | None = None,
) -> ClassificationTables:
    """Classify the bins of one map by their representations.

    Parameters
    ----------
    parquet : str or Path
        `{sample}.{resolution}.{norm}.{model}.parquet`: the table's names come from it.
    label_sheet : str or Path
        See `chromloom.classification.labels`.
    out : str or Path, optional
        TSV of the metrics.
    details : str or Path, optional
        Folder for predictions.parquet, curves.tsv, confusion.tsv, splits.tsv.
    cell_type, assembly : str, optional
        Rows of the sheet to take, and what their assembly must be.
    splits : str or Path, optional
        Table of blocks and folds; by default blocks are cut and dealt with the seed.
    retrained : mapping int -> path, optional
        Fold -> representations trained without the pairs inside its blocks (`withhold`): the
        circular tasks, and they alone, are classified as they are and repeated with these.
    settings : ClassificationSettings, optional

    Raises
    ------
    InputError
        See `read_label_sheet`, `load_labels`, `read_splits`.
    """
    settings = settings or ClassificationSettings()
    tasks = open_tasks(
        parquet, label_sheet, cell_type=cell_type, assembly=assembly, splits=splits,
        settings=settings,
    )  # fmt: skip
    others = {
        fold: _same_bins(read_representations(path), tasks.table, path)
        for fold, path in (retrained or {}).items()
    }
    collected = _Collector(tasks.names, settings)
    wanted = [labels for labels in tasks.labels.values() if labels.circular or not retrained]
    for number, labels in enumerate(wanted, 1):
        started = time.monotonic()
        _classify_task(collected, labels, tasks.bins, tasks.features, tasks.splits, others)
        logger.info(
            "task %s (%d of %d) classified in %.0f s",
            labels.task, number, len(wanted), time.monotonic() - started,
        )  # fmt: skip
    tables = collected.tables(tasks.splits)
    tables.write(out, details)
    return tables


def classify_transfer(
    train_parquet: str | Path,
    test_parquet: str | Path,
    label_sheet: str | Path,
    out: str | Path | None = None,
    details: str | Path | None = None,
    *,
    train_cell_type: str | None = None,
    test_cell_type: str | None = None,
    assembly: str | None = None,
    settings: ClassificationSettings | None = None,
) -> ClassificationTables:
    """Train on the labels of one map, test on those of another (chromosome or cell type).

    Where both maps have a chromosome, labels of one place are alike in both, and so are vectors of
    a joint fit: every block of 5 Mb is then told by what was learnt elsewhere.

    Parameters
    ----------
    train_parquet, test_parquet : str or Path
        Representations whose axes mean the same: of one model, or of one way of fixing axes.
    label_sheet : str or Path
        Tasks that have labels on both maps are taken.
    out, details, settings
        As in `classify_representations`; protocol is `from-` and the training sample.
    train_cell_type, test_cell_type, assembly : str, optional
        Rows of the sheet for each map.
    """
    settings = settings or ClassificationSettings()
    protocol = f"from-{_names(train_parquet)['sample']}"
    sides = []
    for path, cell_type in ((train_parquet, train_cell_type), (test_parquet, test_cell_type)):
        bins, X = _split_table(read_representations(path))
        sheet = read_label_sheet(label_sheet, cell_type=cell_type, assembly=assembly)
        sides.append((bins, X, sheet))
    if sides[0][1].shape[1] != sides[1][1].shape[1]:
        raise InputError(
            f"{train_parquet} has {sides[0][1].shape[1]} dimensions, {test_parquet} "
            f"{sides[1][1].shape[1]}; a classifier needs the same on both maps"
        )
    common = sides[0][2].index.intersection(sides[1][2].index)
    labels = [load_labels(sheet.loc[common], bins) for bins, _, sheet in sides]
    splits = make_splits(sides[1][0], n_folds=settings.n_folds, seed=settings.seed)
    own_block = assign_bins(sides[0][0], make_splits(sides[0][0], seed=settings.seed))[0]
    folds = [assign_bins(bins, splits)[1] for bins, _, _ in sides]
    if not set(sides[0][0]["chrom"]) & set(sides[1][0]["chrom"]):
        folds[1] = np.zeros_like(folds[1])  # nothing to hold out: one classifier tells all
    collected = _Collector(_names(test_parquet), settings)
    for task in [task for task in common if task in labels[0] and task in labels[1]]:
        samples = []
        for (bins, _, _), side_labels in zip(sides, labels):
            samples.append(_draw(side_labels[task], bins, "honest", settings.seed))
        classes = [getattr(side[task], "classes", ("negative", "positive")) for side in labels]
        shared = [name for name in classes[0] if name in classes[1]]
        for sample, names in zip(samples, classes):
            number = {k: shared.index(name) for k, name in enumerate(names) if name in shared}
            sample["y"] = sample["y"].map(number)
        samples = [sample.dropna(subset="y").astype({"y": int}) for sample in samples]
        features = [_features(X, sample) for (_, X, _), sample in zip(sides, samples)]
        samples[0]["block"] = own_block[samples[0]["bin1"]]
        samples[1]["block"] = assign_bins(sides[1][0], splits)[0][samples[1]["bin1"]]
        for classifier in settings.classifiers:
            found = _transfer(classifier, samples, features, folds, len(shared), settings)
            collected.add(labels[1][task], tuple(shared), classifier, protocol, samples[1], found)
    tables = collected.tables(splits)
    tables.write(out, details)
    return tables


def _classify_task(collected, labels, bins, features, splits, retrained) -> None:
    """All protocols and classifiers of one task."""
    settings, classes = collected.settings, getattr(labels, "classes", ("negative", "positive"))
    block, fold = assign_bins(bins, splits)
    chrom = pd.factorize(bins["chrom"])[0]
    for protocol in settings.protocols:
        samples = _draw(labels, bins, protocol, settings.seed)
        samples["block"] = block[samples["bin1"]]
        rng = np.random.default_rng([settings.seed, zlib.crc32(labels.task.encode())])
        if protocol == "published":
            folds = rng.permutation(np.arange(len(samples)) % PUBLISHED_FOLDS)
            runs: list[tuple] = [("published", samples, folds, folds, {})]
        else:
            samples = samples[(fold[samples["bin1"]] >= 0) & (fold[samples["bin2"]] >= 0)]
            ends = [fold[samples[name]] for name in ("bin1", "bin2")]
            shuffled = samples.assign(y=rng.permutation(samples["y"]))
            runs = [("honest", samples, *ends, {}), ("shuffled", shuffled, *ends, {})]
            on = chrom[samples["bin1"]]
            if len(np.unique(on)) > 1 and _each_has_classes(samples["y"], on):
                runs.append(("chromosome", samples, on, on, {}))
            if retrained and labels.circular:
                runs.append(("retrained", samples, *ends, retrained))
        for name, rows, first, second, others in runs:
            for classifier in settings.classifiers:
                found = _cross_predict(
                    classifier, rows, first, second, features, others, len(classes), settings,
                    by_rows=name == "published",
                )  # fmt: skip
                collected.add(labels, classes, classifier, name, rows, found)


def _draw(labels, bins, protocol, seed) -> pd.DataFrame:
    """Samples of a task, the same for every representation of the map."""
    rng = np.random.default_rng([seed, 1, zlib.crc32(labels.task.encode())])
    if isinstance(labels, BinLabels):
        return sample_bins(labels, protocol=protocol, rng=rng)
    return sample_pairs(labels, bins, protocol=protocol, rng=rng)


def _each_has_classes(y, chrom) -> bool:
    return all(len(np.unique(y[chrom == c])) > 1 for c in np.unique(chrom))


def _features(features: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
    """Representations of bins, side by side for pairs, (n, d) or (n, 2d) float32."""
    first, second = rows["bin1"].to_numpy(), rows["bin2"].to_numpy()
    if (first == second).all():
        return features[first]
    return np.concatenate([features[first], features[second]], axis=1)


def _cross_predict(
    classifier, rows, first, second, features, others, n_classes, settings, *, by_rows
) -> np.ndarray:
    """Held-out probabilities, (n, n_classes); NaN for pairs whose ends lie in two folds.

    A pair is tested when both ends lie in the fold and trains when neither does.
    """
    y, block = rows["y"].to_numpy(), rows["block"].to_numpy()
    found = np.full((len(rows), n_classes), np.nan)
    X = _features(features, rows)
    for number, fold in enumerate(folds := np.unique(first)):
        test = (first == fold) & (second == fold)
        if fold in others:
            X = _features(others[fold], rows)
        if not test.any():
            continue
        if by_rows:
            held = first == folds[(number + 1) % len(folds)]
            train = ~test & ~held
        else:
            train = (first != fold) & (second != fold)
            held = np.zeros(len(rows), dtype=bool)
            held[train] = _validation(block[train], settings.seed + number)
            train &= ~held
        found[test] = fit_predict(
            classifier, (X[train], y[train]), (X[held], y[held]), X[test], n_classes,
            replace(settings.classifier, seed=settings.seed),
        )  # fmt: skip
    return found


def _transfer(classifier, samples, features, folds, n_classes, settings) -> np.ndarray:
    """Probabilities of the second map's rows by classifiers of the first, (n, n_classes).

    Folds are those of the second map's blocks, for the bins of both; as in `_cross_predict`.
    """
    (train, test), y = samples, samples[0]["y"].to_numpy()
    ends, own = ([fold[rows[name]] for name in ("bin1", "bin2")]
                 for fold, rows in zip(folds, samples))  # fmt: skip
    found = np.full((len(test), n_classes), np.nan)
    for fold in np.unique(own[0]):
        tested = (own[0] == fold) & (own[1] == fold)
        used = (ends[0] != fold) & (ends[1] != fold)
        held = np.zeros(len(train), dtype=bool)
        held[used] = _validation(train["block"].to_numpy()[used], settings.seed)
        used &= ~held
        found[tested] = fit_predict(
            classifier, (features[0][used], y[used]), (features[0][held], y[held]),
            features[1][tested], n_classes, replace(settings.classifier, seed=settings.seed),
        )  # fmt: skip
    return found


def _validation(block: np.ndarray, seed: int) -> np.ndarray:
    """Rows of a fifth of the blocks, at least one, that stop the training."""
    present = np.unique(block)
    n = max(round(VALIDATION_SHARE * len(present)), 1)
    return np.isin(block, np.random.default_rng([seed, 2]).permutation(present)[:n])


class _Collector:
    """Gathers rows of all tables."""

    def __init__(self, names: dict, settings: ClassificationSettings):
        self.names, self.settings = names, settings
        self._metrics: list[dict] = []
        self._predictions: list[pd.DataFrame] = []
        self._curves: list[pd.DataFrame] = []
        self._confusion: list[dict] = []

    def add(self, labels, classes, classifier, protocol, rows, found) -> None:
        scored = np.isfinite(found).all(axis=1)
        rows, found = rows[scored], found[scored]
        key = self.names | {"classifier": classifier, "task": labels.task, "protocol": protocol}
        y, published = rows["y"].to_numpy(), protocol == "published"
        binary = len(classes) == 2 and getattr(labels, "kind", "pairs") != "multiclass"
        if len(np.unique(y)) < 2:
            logger.warning(
                "task %s, %s: %d rows of one class could be tested; no metrics",
                labels.task, protocol, len(y),
            )  # fmt: skip
            return
        rng = np.random.default_rng([self.settings.seed, 3])
        blocks = resample(rows["block"].to_numpy(), self.settings.n_boot, rng)
        if binary:
            values = score_binary(y, found[:, 1], *blocks, published=published)
            recall, precision = precision_recall_curve(y, found[:, 1])
            curve = pd.DataFrame({"recall": recall, "precision": precision}).assign(**key)
            self._curves.append(curve)
            kept = rows[["bin1", "bin2", "block", "y"]].assign(score=found[:, 1], **key)
            self._predictions.append(kept)
        else:
            values = score_multiclass(y, found, *blocks, published=published)
            counts = confusion_matrix(y, found.argmax(axis=1), len(classes))
            for k, called in np.ndindex(counts.shape):
                self._confusion.append(
                    key | {"true": classes[k], "called": classes[called], "n": counts[k, called]}
                )
        n_positive = int(y.sum()) if binary else len(y)
        rarer = min(n_positive, len(y) - n_positive) if binary else len(y)
        for k, metric in enumerate(METRICS):
            resampled = values[1:, k][np.isfinite(values[1:, k])]
            low, high = np.percentile(resampled, [2.5, 97.5]) if len(resampled) > 1 else (
                np.nan, np.nan,
            )  # fmt: skip
            self._metrics.append(
                key
                | {
                    "circular": "yes" if labels.circular else "no",
                    "metric": metric,
                    "value": values[0, k],
                    "ci_low": low,
                    "ci_high": high,
                    "n_positive": n_positive,
                    "n_negative": len(y) - n_positive if binary else 0,
                    "few": "yes" if rarer < self.settings.min_positives else "no",
                }
            )

    def tables(self, splits: pd.DataFrame) -> ClassificationTables:
        key = [*NAMES, "classifier", "task", "protocol"]
        names = {
            "predictions": [*key, "bin1", "bin2", "block", "y", "score"],
            "curves": [*key, "recall", "precision"],
            "confusion": [*key, "true", "called", "n"],
        }
        empty = [pd.DataFrame(columns=names["predictions"])]
        return ClassificationTables(
            metrics=pd.DataFrame(self._metrics, columns=COLUMNS),
            predictions=pd.concat(self._predictions or empty)[names["predictions"]],
            curves=pd.concat(self._curves or [pd.DataFrame(columns=names["curves"])])[
                names["curves"]
            ],
            confusion=pd.DataFrame(self._confusion, columns=names["confusion"]),
            splits=splits,
        )


def _split_table(table: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Bins, masked where the representation is missing too, and features (n, d) float32."""
    features = table[representation_columns(table)].to_numpy(dtype=np.float32)
    masked = table["masked"].to_numpy(dtype=bool) | np.isnan(features).any(axis=1)
    return table[["chrom", "start", "end"]].assign(masked=masked), features


def _same_bins(table: pd.DataFrame, reference: pd.DataFrame, path) -> np.ndarray:
    if not table[["chrom", "start"]].equals(reference[["chrom", "start"]]):
        raise InputError(f"{path} has other bins than the representations that it repeats")
    return _split_table(table)[1]


def _names(parquet: str | Path) -> dict:
    """sample, resolution, norm, model from the file's name."""
    parts = Path(parquet).name.removesuffix(".parquet").split(".")
    if len(parts) != 4 or not parts[1].isdigit():
        raise InputError(
            f"{parquet}: expected a file {{sample}}.{{resolution}}.{{norm}}.{{model}}.parquet"
        )
    return dict(zip(NAMES, [parts[0], int(parts[1]), *parts[2:]]))
