"""Impact of elements beside expression, marks and kinds of elements, where it is known."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from chromloom.errors import InputError
from chromloom.evaluation.regulation import (
    assess_impact,
    compare_impact,
    count_elements,
    mean_marks,
    read_tested,
)
from chromloom.expression.elements import ElementMarks
from chromloom.expression.features import Marks


@pytest.fixture
def told():
    """200 genes; among high ones the impact rises with the level, and with `active` elements."""
    rng = np.random.default_rng(1)
    level, n_elements = rng.normal(3, 2, 200), rng.integers(0, 6, 200)
    high = level >= np.median(level)
    active = rng.binomial(n_elements, 0.5)
    reg = np.where(high, level, 0) + active + rng.normal(0, 0.3, 200)
    ids = [f"g{k}" for k in range(200)]
    impact = pd.DataFrame({"gene": ids, "n_elements": n_elements, "level": level, "reg": reg})
    return impact, pd.DataFrame({"gene": ids, "high": high}), active


def test_impact_is_tested_among_genes_with_elements(told):
    impact, genes, active = told
    table = assess_impact(impact, genes, {"active": active}).set_index(["test", "group"])
    own = (impact["n_elements"] > 0).to_numpy() & genes["high"].to_numpy()
    rho, p = spearmanr(impact["reg"][own], impact["level"][own])
    row = table.loc[("impact and level", "high")]
    assert (row["n_genes"], row["value"], row["p"]) == (own.sum(), pytest.approx(rho), p)
    assert abs(table.loc[("impact and level", "low"), "value"]) < 0.3
    assert table.loc[("impact of high against low", "all"), "value"] > 0.8
    assert table.loc[("impact and number", "active"), "value"] > 0.3
    assert table.loc[("impact and number", "not active"), "value"] < 0.2
    assert (table["p_corrected"] >= table["p"]).all()
    assert "regulated against not" not in table.index
    few = assess_impact(impact.head(8), genes.head(8))
    assert few[["value", "p", "p_corrected"]].isna().all(axis=None)


def test_genes_that_a_tested_enhancer_regulates_are_ranked_by_each_impact(told):
    """One regulated pair makes a gene regulated; genes that were not tested are left out."""
    impact, genes, _ = told
    raised = impact["gene"].to_numpy()[:60]
    impact = impact.assign(clf=np.nan, elements_level=np.where(np.arange(200) < 60, 5.0, 1.0))
    impact.loc[:9, "elements_level"] = 0.5
    tested = pd.DataFrame({"gene": impact["gene"][:150], "regulated": False})
    tested = pd.concat([tested, pd.DataFrame({"gene": raised, "regulated": True})])
    table = assess_impact(impact, genes, {}, tested).set_index(["test", "group"])
    rows = table.loc["regulated against not"]
    own = (impact["n_elements"] > 0).to_numpy()[:150]
    assert rows.loc["elements_level", "n_genes"] == own.sum()
    assert rows.loc["elements_level", "value"] == own[10:60].sum() / own[:60].sum()
    assert rows.loc["clf", "n_genes"] == 0
    assert np.isnan(rows.loc["clf", "value"])
    assert list(rows.index) == ["reg", "clf", "elements_level"]


def test_elements_that_overlap_intervals_are_counted():
    names = ["gene", "chrom", "start", "end"]
    rows = [("a", "chr1", 0, 100), ("a", "chr1", 500, 600), ("b", "chr1", 100, 200),
            ("b", "chr2", 0, 50)]  # fmt: skip
    intervals = pd.DataFrame({"chrom": "chr1", "start": [150, 20, 90], "end": [160, 30, 100]})
    genes = pd.DataFrame({"gene": ["a", "b", "c"]})
    elements = pd.DataFrame(rows, columns=names)
    assert count_elements(elements, genes, intervals).tolist() == [1, 1, 0]
    assert count_elements(elements, genes, intervals.head(0)).tolist() == [0, 0, 0]


def test_tested_pairs_are_read_with_ids_or_names(tmp_path):
    genes = pd.DataFrame({"gene": ["ENSG1", "ENSG2"], "name": ["MYC", "GATA1"]})
    sizes = pd.Series({"chr1": 1000})
    path = tmp_path / "tested.tsv"
    path.write_text("chrom\tstart\tend\tgene\tregulated\n1\t5\t9\tMYC\t1\n1\t5\t9\tGATA1\t0\n")
    table = read_tested(path, genes, sizes)
    assert table.to_numpy().tolist() == [
        ["chr1", 5, 9, "ENSG1", True],
        ["chr1", 5, 9, "ENSG2", False],
    ]
    path.write_text("chrom\tstart\tend\tgene\tregulated\nchr1\t5\t9\tMYC\t2\n")
    with pytest.raises(InputError, match="regulated"):
        read_tested(path, genes, sizes)
    for place in ("9\t5", "5\t1001"):
        path.write_text(f"chrom\tstart\tend\tgene\tregulated\nchr1\t{place}\tMYC\t1\n")
        with pytest.raises(InputError, match=r"line 2: chr1:.* is not a region of the 1,000 bp"):
            read_tested(path, genes, sizes)


def test_marks_at_elements_of_extreme_genes(told):
    impact, genes, _ = told
    n = impact["n_elements"].to_numpy()
    gene = np.repeat(np.arange(200), n)
    first = np.arange(len(gene) + 1)
    values = np.stack([impact["reg"].to_numpy()[gene], np.ones(len(gene))]).astype("f4")
    zero = np.zeros(len(gene), dtype=int)
    elements = ElementMarks(
        gene, zero, np.ones(len(gene), "f4"), zero, zero, zero.astype(bool), first, values
    )
    marks = Marks(
        impact["gene"].to_numpy(), ["x", "y"], ["log1p", "log1p"], 100,
        np.zeros((200, 2, 4), "f4"), np.zeros((200, 2), "f4"), elements,
    )  # fmt: skip
    table = mean_marks(impact, genes, marks).set_index(["group", "signal"])["mean"]
    assert table["least impact", "x"] < table["all", "x"] < table["high, most impact", "x"]
    assert (table[:, "y"] == 1).all()


def test_impact_is_compared_between_cell_types(told):
    impact, _, _ = told
    other = impact.iloc[::-1].assign(level=impact["level"] + 1, reg=3 * impact["reg"] + 5)
    other.loc[7, "reg"] += 60
    other.loc[7, "n_elements"] = impact.loc[7, "n_elements"] = 2
    table = compare_impact(impact, other)
    assert table["gene"].iloc[0] == "g7"
    assert table["change_level"].to_numpy() == pytest.approx(1)
    assert len(table) == (impact["n_elements"] > 0).sum()
    with pytest.raises(InputError, match="no gene with elements and an impact in common"):
        compare_impact(impact, other.assign(n_elements=0))
