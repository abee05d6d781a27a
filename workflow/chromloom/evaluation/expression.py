"""How well predicted expression agrees with measured expression, with intervals over genes.

Genes are resampled in blocks of `genome.bins.BLOCK`, since neighbours share marks and contacts;
models are compared on the same resamplings (a paired bootstrap).
"""

import logging
from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from chromloom.errors import InputError
from chromloom.evaluation.statistics import interval, resample_blocks
from chromloom.genome.bins import BLOCK

logger = logging.getLogger(__name__)

METRICS = ("auc", "average_precision", "r", "spearman", "r2")
COLUMNS = ["model", "chrom", "n_genes", "metric", "value", "low", "high", "against", "difference",
           "difference_low", "difference_high", "p", "p_corrected", "note"]  # fmt: skip


def evaluate_expression(
    predictions: Mapping[str, pd.DataFrame], *, against: str = "", n_boot: int = 1000, seed: int = 1
) -> pd.DataFrame:
    """Score models on the genes that all of them predict.

    Parameters
    ----------
    predictions : mapping of str to DataFrame
        Model -> gene, chrom, tss, level (measured log2(value + 1)), high (bool),
        predicted_level and predicted_high (probability); one row per gene.
    against : str
        Model that the others are compared with; by default the first.
    n_boot, seed : int

    Returns
    -------
    DataFrame
        `COLUMNS`: for each model, of all genes ("all") and, without intervals, of each chromosome:
        AUC and average precision of high against low genes by predicted_high; r, Spearman and R2
        of the level by predicted_level; 95 % interval; difference from `against` with its interval.
        NaN where a metric is not defined (one class only, a constant prediction); `note` says so.
        Resamplings keep the ranks that genes have among all, for Spearman's.

    Raises
    ------
    InputError
        No gene is predicted by all models, or `against` is none of them.
    """
    against = against or next(iter(predictions))
    if against not in predictions:
        raise InputError(f"no predictions of '{against}'; there are {', '.join(predictions)}")
    genes = set.intersection(*(set(table["gene"]) for table in predictions.values()))
    if not genes:
        raise InputError(f"models {', '.join(predictions)} have no gene in common to score")
    tables = {
        model: table[table["gene"].isin(genes)].sort_values("gene").reset_index(drop=True)
        for model, table in predictions.items()
    }
    first = tables[against]
    block = first.groupby(["chrom", first["tss"] // BLOCK], sort=False).ngroup().to_numpy()
    multiplicity = resample_blocks(np.ones(block.max() + 1, dtype=bool), n_boot, seed)[:, block]
    samples = {model: _resampled(table, multiplicity) for model, table in tables.items()}
    rows = []
    for model, table in tables.items():
        note = _note(table)
        if note:
            logger.warning("%s: %s", model, note)
        for metric in METRICS:
            own, other = samples[model][metric], samples[against][metric]
            low, high = interval(own[:, None])
            d_low, d_high = interval((own - other)[:, None])
            rows.append(
                {
                    "model": model,
                    "chrom": "all",
                    "n_genes": len(table),
                    "metric": metric,
                    "value": own[0],
                    "low": low[0],
                    "high": high[0],
                    "against": against,
                    "difference": own[0] - other[0],
                    "difference_low": d_low[0],
                    "difference_high": d_high[0],
                    "p": np.nan if model == against else two_sided(own[1:] - other[1:]),
                    "note": note,
                }
            )
        for chrom, part in table.groupby("chrom", sort=False):
            values = _metrics(part, np.ones((1, len(part))))
            rows += [
                {"model": model, "chrom": chrom, "n_genes": len(part), "metric": metric}
                | {"value": values[metric][0], "against": against, "note": _note(part)}
                for metric in METRICS
            ]
    scores = pd.DataFrame(rows, columns=COLUMNS)
    scores["p_corrected"] = scores.groupby("metric")["p"].transform(holm)
    return scores


def gene_strata(
    genes: pd.DataFrame, elements: pd.DataFrame, domains: pd.DataFrame | None = None
) -> dict[str, np.ndarray]:
    """Sets of genes that models are compared on.

    Parameters
    ----------
    genes : DataFrame
        gene, chrom, tss, value.
    elements : DataFrame
        gene, chrom, start, end.
    domains : DataFrame, optional
        chrom, start, end; such as topologically associating domains.

    Returns
    -------
    dict of str to ndarray of str
        Name -> ids. `expressed`: value of 1 or more. With elements: `without elements`, `with
        elements`, `many elements` (as many as the fourth part of genes with most). With domains,
        too: `within domain`, genes with an element whose middle lies in a domain of their TSS, and
        `beyond domain`, the other ones with elements.
    """
    ids = genes["gene"].to_numpy()
    strata = {"expressed": ids[genes["value"] >= 1]}
    number = genes["gene"].map(elements.groupby("gene").size()).fillna(0).to_numpy()
    if not number.any():
        return strata
    many = np.quantile(number[number > 0], 0.75)
    strata |= {
        "without elements": ids[number == 0],
        "with elements": ids[number > 0],
        "many elements": ids[number >= many],
    }
    if domains is None:
        return strata
    places = genes.set_index("gene")["tss"]
    pairs = pd.DataFrame(
        {
            "gene": elements["gene"].to_numpy(),
            "chrom": elements["chrom"].to_numpy(),
            "tss": elements["gene"].map(places).to_numpy(),
            "middle": ((elements["start"] + elements["end"]) // 2).to_numpy(),
        }
    )
    both = np.zeros(len(pairs), dtype=bool)
    for chrom, rows in pairs.groupby("chrom").indices.items():
        own = domains[domains["chrom"] == chrom]
        start, end = own["start"].to_numpy(), own["end"].to_numpy()
        low = pairs[["tss", "middle"]].to_numpy()[rows].min(axis=1)[:, None]
        high = pairs[["tss", "middle"]].to_numpy()[rows].max(axis=1)[:, None]
        both[rows] = ((start <= low) & (high < end)).any(axis=1)
    within = np.isin(ids, pairs.loc[both, "gene"])
    return strata | {
        "within domain": ids[within],
        "beyond domain": ids[(number > 0) & ~within],
    }


def evaluate_strata(
    predictions: Mapping[str, pd.DataFrame],
    strata: Mapping[str, np.ndarray],
    *,
    against: str = "",
    n_boot: int = 1000,
    seed: int = 1,
) -> pd.DataFrame:
    """Score models on sets of genes; see `evaluate_expression`.

    Parameters
    ----------
    predictions, against, n_boot, seed
        As for `evaluate_expression`.
    strata : mapping of str to ndarray of str
        Name -> ids, as of `gene_strata`.

    Returns
    -------
    DataFrame
        stratum, then `COLUMNS`, of all genes of a stratum; strata of fewer than ten genes have no
        rows.
    """
    tables = []
    for name, ids in strata.items():
        own = {model: table[table["gene"].isin(ids)] for model, table in predictions.items()}
        if min(len(table) for table in own.values()) < 10:
            logger.warning("%s: fewer than ten genes, not scored", name)
            continue
        scores = evaluate_expression(own, against=against, n_boot=n_boot, seed=seed)
        scores = scores[scores["chrom"] == "all"].copy()
        scores.insert(0, "stratum", name)
        tables.append(scores)
    empty = pd.DataFrame(columns=["stratum", *COLUMNS])
    return pd.concat(tables, ignore_index=True) if tables else empty


def evaluate_screen(screen: pd.DataFrame, tested: pd.DataFrame) -> pd.DataFrame:
    """How well a screen of elements ranks pairs of enhancer and gene that were tested.

    Parameters
    ----------
    screen : DataFrame
        gene, chrom, start, end, distance, frequency, change_level, as of
        `expression.effects.screen_elements`.
    tested : DataFrame
        chrom, start, end, gene, regulated (bool).

    Returns
    -------
    DataFrame
        ranking (`screen`, the loss of level when the element is taken away; `frequency` of the
        interaction; `distance`, the nearest first; `product` of loss and frequency), n_pairs,
        n_regulated, auc, average_precision, precision_at_chance (the share that is regulated). A
        pair has the elements of its gene that overlap it, of several the highest; pairs without
        one are not ranked. NaN where all pairs are of one kind.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    tested = tested.reset_index(drop=True)
    pairs = tested.reset_index(names="pair").merge(
        screen, on=["gene", "chrom"], suffixes=("", "_element")
    )
    over = (pairs["start_element"] < pairs["end"]) & (pairs["end_element"] > pairs["start"])
    pairs = pairs[over]
    loss = -pairs["change_level"]
    rankings = {
        "screen": loss,
        "frequency": pairs["frequency"],
        "distance": -pairs["distance"].abs(),
        "product": loss * pairs["frequency"],
    }
    rows = []
    for name, value in rankings.items():
        best = value.groupby(pairs["pair"]).max()
        truth = tested["regulated"].to_numpy(dtype=bool)[best.index]
        both = 0 < truth.sum() < len(truth)
        rows.append(
            {
                "ranking": name,
                "n_pairs": len(truth),
                "n_regulated": int(truth.sum()),
                "auc": roc_auc_score(truth, best) if both else np.nan,
                "average_precision": average_precision_score(truth, best) if both else np.nan,
                "precision_at_chance": truth.mean() if len(truth) else np.nan,
            }
        )
    return pd.DataFrame(rows)


def two_sided(differences: np.ndarray) -> float:
    """p of resampled differences, (n_resamplings,), under no difference; NaN where undefined."""
    known = differences[np.isfinite(differences)]
    if not len(known):
        return np.nan
    beyond = min((known <= 0).sum(), (known >= 0).sum())
    return float(min(1.0, 2 * (beyond + 1) / (len(known) + 1)))


def holm(p: pd.Series) -> pd.Series:
    """p corrected by Holm's method; NaN stays and is not counted."""
    from statsmodels.stats.multitest import multipletests

    known = p.dropna()
    if known.empty:
        return p
    return pd.Series(multipletests(known, method="holm")[1], known.index).reindex(p.index)


def is_constant(values: np.ndarray) -> bool:
    """Whether predictions do not differ between genes beyond rounding."""
    return bool(np.ptp(values) <= 1e-6 * max(1.0, float(np.abs(values).max(initial=0))))


def _note(table: pd.DataFrame) -> str:
    notes = [
        f"{column} is the same for all genes"
        for column in ("predicted_level", "predicted_high")
        if is_constant(table[column].to_numpy())
    ]
    if table["high"].nunique() < 2:
        notes.append("all genes are on one side of the median")
    return "; ".join(notes)


def _resampled(table: pd.DataFrame, multiplicity: np.ndarray) -> dict[str, np.ndarray]:
    """`_metrics` of many resamplings, some at a time, so that little memory is needed."""
    parts = [_metrics(table, multiplicity[k : k + 64]) for k in range(0, len(multiplicity), 64)]
    return {metric: np.concatenate([part[metric] for part in parts]) for metric in METRICS}


def _metrics(table: pd.DataFrame, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Every metric by resampling, (n_resamplings,) each; weights (n_resamplings, n_genes)."""
    high = table["high"].to_numpy(dtype=float)
    level = table["level"].to_numpy(dtype=float)
    predicted = table["predicted_level"].to_numpy(dtype=float)
    probability = table["predicted_high"].to_numpy(dtype=float)
    nothing = np.full(len(weights), np.nan)
    constant = is_constant(predicted)
    auc, precision = (nothing, nothing)
    if not is_constant(probability) and 0 < high.sum() < len(high):
        auc, precision = _ranking(high, probability, weights)
    residual = weights @ (predicted - level) ** 2
    n, mean = weights.sum(axis=1), (weights @ level) / np.maximum(weights.sum(axis=1), 1)
    total = weights @ level**2 - n * mean**2
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = np.where(total > 0, 1 - residual / total, np.nan)
    return {
        "auc": auc,
        "average_precision": precision,
        "r": nothing if constant else _pearson(predicted, level, weights),
        "spearman": nothing
        if constant
        else _pearson(rankdata(predicted), rankdata(level), weights),
        "r2": r2,
    }


def _ranking(
    high: np.ndarray, score: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Area under the ROC curve and average precision, weighted; equal scores count as one step."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)  # of equal scores
    positive = np.cumsum((weights * high)[:, order], axis=1)[:, last]
    negative = np.cumsum((weights * (1 - high))[:, order], axis=1)[:, last]
    gained = np.diff(positive, axis=1, prepend=0)
    all_positive, all_negative = positive[:, -1], negative[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        # Of each positive, the negatives that score lower, and half of those that score the same.
        lower = all_negative[:, None] - (negative + np.hstack([0 * negative[:, :1],
                                                               negative[:, :-1]])) / 2  # fmt: skip
        auc = (gained * lower).sum(axis=1) / (all_positive * all_negative)
        seen = positive + negative
        precision = np.divide(positive, seen, out=np.zeros_like(seen), where=seen > 0)
        average = (gained * precision).sum(axis=1) / all_positive
    return auc, average


def _pearson(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted correlation, (n_resamplings,); NaN where a side does not vary."""
    n = weights.sum(axis=1)
    x, y = x - x.mean(), y - y.mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        mx, my = weights @ x / n, weights @ y / n
        covariance = weights @ (x * y) / n - mx * my
        return covariance / np.sqrt((weights @ x**2 / n - mx**2) * (weights @ y**2 / n - my**2))
