"""What the impact of elements goes with: expression, marks and kinds of elements, cell types."""

from collections.abc import Mapping
from pathlib import Path

import bioframe
import numpy as np
import pandas as pd
from scipy.stats import mannwhitneyu, spearmanr

from chromloom.errors import InputError
from chromloom.evaluation.expression import holm
from chromloom.expression.features import Marks
from chromloom.genome.genes import match_genes
from chromloom.genome.names import harmonise_names
from chromloom.tables import Column, read_table

TEST_COLUMNS = ["test", "group", "n_genes", "statistic", "value", "p", "p_corrected"]
MARK_COLUMNS = ["group", "n_genes", "signal", "mean"]


def assess_impact(
    impact: pd.DataFrame,
    genes: pd.DataFrame,
    counts: Mapping[str, np.ndarray] | None = None,
    tested: pd.DataFrame | None = None,
    *,
    column: str = "reg",
) -> pd.DataFrame:
    """Tests of the predicted cis-regulatory impact (article, Figs 5 and 7).

    Parameters
    ----------
    impact : DataFrame
        gene, n_elements, level, and further ones of which one is `column`, as of
        `effects.screen_elements`.
    genes : DataFrame
        gene, high; rows as of `impact`.
    counts : mapping of str to ndarray, (n_genes,), int
        Kind of elements -> how many of a gene's elements are of this kind.
    tested : DataFrame, optional
        gene, regulated (bool): pairs of enhancer and gene that were tested.
    column : str
        Which impact.

    Returns
    -------
    DataFrame
        `TEST_COLUMNS`, of genes with elements: Spearman's correlation (rho) of impact and level
        among genes above the median (high), below it (low), and all; the area under the ROC curve
        of impact for high against low genes (Mann-Whitney); rho of impact, and of level, with the
        number of elements of each kind, and of the other elements as a control; with `tested`, the
        area under the ROC curve of each further column of `impact` (the group) for genes that a
        tested enhancer regulates against those that none does. p two-sided, corrected over the
        rows (Holm). NaN where fewer than ten genes or one value.
    """
    known = (impact["n_elements"] > 0) & impact[column].notna()
    own, high = impact[known], genes["high"].to_numpy(dtype=bool)[known.to_numpy()]
    value, level = own[column].to_numpy(), own["level"].to_numpy()
    rows = []
    for group, chosen in (("all", np.ones(len(own), bool)), ("high", high), ("low", ~high)):
        rows.append(_correlation("impact and level", group, value[chosen], level[chosen]))
    rows.append(_ranking("impact of high against low", "all", value, high))
    for kind, number in (counts or {}).items():
        of_kind = np.asarray(number)[known.to_numpy()]
        others = own["n_elements"].to_numpy() - of_kind
        for group, n in ((kind, of_kind), (f"not {kind}", others)):
            rows.append(_correlation("impact and number", group, value, n))
            rows.append(_correlation("level and number", group, level, n))
    if tested is not None:
        with_elements = impact[impact["n_elements"] > 0]
        truth = with_elements["gene"].map(tested.groupby("gene")["regulated"].any())
        for name in impact.columns.drop(["gene", "n_elements", "level"]):
            known = truth.notna() & with_elements[name].notna()
            positive = truth[known].to_numpy(dtype=bool)
            value = with_elements.loc[known, name].to_numpy()
            rows.append(_ranking("regulated against not", name, value, positive))
    table = pd.DataFrame(rows, columns=TEST_COLUMNS[:-1])
    table["p_corrected"] = holm(table["p"])
    return table


def _ranking(test: str, group: str, value: np.ndarray, positive: np.ndarray) -> tuple:
    auc, p = np.nan, np.nan
    if min(positive.sum(), (~positive).sum()) >= 10:
        found = mannwhitneyu(value[positive], value[~positive])
        auc, p = found.statistic / (positive.sum() * (~positive).sum()), found.pvalue
    return test, group, len(value), "auc", auc, p


def _correlation(test: str, group: str, x: np.ndarray, y: np.ndarray) -> tuple:
    if len(x) < 10 or len(set(x)) < 2 or len(set(y)) < 2:
        return test, group, len(x), "rho", np.nan, np.nan
    found = spearmanr(x, y)
    return test, group, len(x), "rho", found.statistic, found.pvalue


def read_tested(path: str | Path, genes: pd.DataFrame, chromsizes: pd.Series) -> pd.DataFrame:
    """Read pairs of enhancer and gene that were tested, such as those of a CRISPRi screen.

    Parameters
    ----------
    path : str or Path
        Table with a header: chrom, start, end (0-based, half-open), gene (id or name), regulated (0
        or 1).
    genes : DataFrame
        gene, name.
    chromsizes : Series
        Chromosome -> length in bp.

    Returns
    -------
    DataFrame
        chrom, start, end, gene (id), regulated (bool), of the genes of the table alone.

    Raises
    ------
    InputError
        The file is missing or malformed, or fewer than half of its genes are known.
    """
    columns = {"chrom": Column(), "start": Column(int, low=0), "end": Column(int, low=1)}
    columns |= {"gene": Column(), "regulated": Column(int, low=0, high=1)}
    table = read_table(path, columns, what="table of tested pairs")
    ids = table["gene"].drop_duplicates()
    rows = match_genes(list(ids), genes, source=f"table of tested pairs {path}")
    known = {id: genes["gene"].iloc[row] for id, row in zip(ids, rows) if row >= 0}
    names = harmonise_names(table["chrom"].unique(), chromsizes, source=str(path))
    table = table.assign(
        gene=table["gene"].map(known),
        chrom=table["chrom"].map(names),
        regulated=table["regulated"].astype(bool),
    )
    table = table.dropna(subset=["gene", "chrom"])
    sizes = table["chrom"].map(chromsizes)
    for line in table.index[(table["end"] <= table["start"]) | (table["end"] > sizes)]:
        chrom, start, end = table.loc[line, ["chrom", "start", "end"]]
        raise InputError(
            f"table of tested pairs {path}, line {line}: {chrom}:{start}-{end} is not a region of "
            f"the {chromsizes[chrom]:,} bp of {chrom}; is the table of another assembly?"
        )
    return table[list(columns)].reset_index(drop=True)


def count_elements(
    elements: pd.DataFrame, genes: pd.DataFrame, intervals: pd.DataFrame
) -> np.ndarray:
    """How many elements of each gene overlap intervals, (n_genes,), int64.

    Parameters
    ----------
    elements : DataFrame
        gene, chrom, start, end.
    genes : DataFrame
        gene.
    intervals : DataFrame
        chrom, start, end.
    """
    if elements.empty or intervals.empty:  # which bioframe cannot count
        return np.zeros(len(genes), dtype=np.int64)
    place = ["chrom", "start", "end"]
    over = bioframe.count_overlaps(elements[place], intervals[place])["count"].to_numpy() > 0
    number = elements["gene"][over].value_counts()
    return genes["gene"].map(number).fillna(0).to_numpy(dtype=np.int64)


def mean_marks(
    impact: pd.DataFrame,
    genes: pd.DataFrame,
    marks: Marks,
    *,
    most: int = 1000,
    column: str = "reg",
) -> pd.DataFrame:
    """Mean marks at the elements of genes with extreme impact (article, Fig. 5).

    Parameters
    ----------
    impact, genes, column
        As for `assess_impact`.
    marks : Marks
        Of the genes, with elements.
    most : int
        Genes of a group, at most the tenth part of the genes with elements.

    Returns
    -------
    DataFrame
        `MARK_COLUMNS`: groups are the high and the low genes with the highest impact, those with
        the lowest, and all genes with elements; mean over their elements, on the scale that models
        see.
    """
    elements = marks.known_elements()
    known = (impact["n_elements"] > 0) & impact[column].notna()
    order = impact[known].sort_values(column, kind="stable").index.to_numpy()
    high = genes["high"].to_numpy(dtype=bool)
    n = max(min(most, len(order) // 10), 1)
    groups = {
        "high, most impact": order[high[order]][-n:],
        "low, most impact": order[~high[order]][-n:],
        "least impact": order[:n],
        "all": order,
    }
    values = elements.means(marks.linear)  # (n_signals, E)
    rows = []
    for group, chosen in groups.items():
        own = np.isin(elements.gene, chosen)
        for signal, row in zip(marks.signals, values):
            mean = row[own].mean() if own.any() else np.nan
            rows.append((group, len(chosen), signal, mean))
    return pd.DataFrame(rows, columns=MARK_COLUMNS)


def compare_impact(
    first: pd.DataFrame, second: pd.DataFrame, *, column: str = "reg"
) -> pd.DataFrame:
    """Impact of the same genes in two cell types (article, Fig. 6).

    Parameters
    ----------
    first, second : DataFrame
        gene, n_elements, level and `column`.

    Returns
    -------
    DataFrame
        gene, change_level, first, second (impact, standardised within the cell type, as the article
        clusters it), change_impact; genes with elements in both, the largest change first.

    Raises
    ------
    InputError
        They share no gene with elements.
    """
    parts = []
    for table, name in ((first, "first"), (second, "second")):
        own = table[(table["n_elements"] > 0) & table[column].notna()].set_index("gene")
        spread = own[column].std(ddof=0)
        scaled = (own[column] - own[column].mean()) / (spread if spread > 0 else 1)
        parts.append(pd.DataFrame({name: scaled, f"level_{name}": own["level"]}))
    both = parts[0].join(parts[1], how="inner")
    if both.empty:
        raise InputError(
            "the two cell types have no gene with elements and an impact in common; give both "
            "interactions, and a chromoformer in expression.screen"
        )
    both["change_level"] = both["level_second"] - both["level_first"]
    both["change_impact"] = both["second"] - both["first"]
    order = both["change_impact"].abs().sort_values(ascending=False, kind="stable").index
    columns = ["change_level", "first", "second", "change_impact"]
    return both.loc[order, columns].rename_axis("gene").reset_index()
