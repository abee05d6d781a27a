"""What genes express, read from tables as they come, and folds of chromosomes."""

import numpy as np
import pandas as pd
import pytest

from chromloom.errors import InputError
from chromloom.expression.table import (
    add_folds,
    check_two_classes,
    inner_groups,
    read_expression,
)

GENES = pd.DataFrame(
    {
        "gene": ["G1", "G2", "G3", "G4"],
        "name": ["A", "B", "C", "D"],
        "chrom": ["chr1", "chr1", "chr2", "chr21"],
        "start": [0, 10, 0, 0],
        "end": [5, 20, 9, 9],
        "tss": [0, 10, 0, 8],
        "strand": ["+", "+", "+", "-"],
    }
)
ROADMAP = (
    "gene_id\tE003\tE116\nG4\t1.0\t0.000\t\nG3\t1\tNA\t\nG2\t2.0\t7.000\t\n"
    "G1\t0.0\t1.000\t\nG9\t0\t9\t\n"
)


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "rpkm.tsv"
        path.write_text(text)
        return path

    return write


def test_roadmaps_table_is_read_as_it_comes(written):
    table = read_expression(written(ROADMAP), GENES, column="E116")
    assert table["gene"].tolist() == ["G1", "G2", "G4"]  # in the order of the genes
    assert table["value"].tolist() == [1, 7, 0]
    assert table["level"].tolist() == [1, 3, 0]
    assert table["high"].tolist() == [True, True, False]


def test_tables_of_r_and_with_a_header_in_a_comment_lose_no_gene(written):
    for text in ('"id"\t"x"\n"G1"\t1\n"G2"\t2\n', "#id\tx\nG1\t1\nG2\t2\n"):
        assert read_expression(written(text), GENES)["value"].tolist() == [1, 2]


def test_a_table_of_one_cell_type_needs_no_column_and_counts_become_per_million(written):
    table = read_expression(written("id\tcounts\nG1\t30\nG2\t10\n"), GENES, unit="counts")
    assert table["value"].tolist() == [750_000, 250_000]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            ROADMAP,
            {"column": "E117"},
            "'E117'; it has E003, E116: name .* in expression.columns",
        ),
        (ROADMAP, {}, "no column ''; it has E003, E116"),
        (ROADMAP, {"column": "E116", "unit": "fpk"}, "unit 'fpk' is unknown"),
        ("id\tx\nNM_1\t3\nNM_2\t4\nG1\t1\n", {}, r"2 of 3 ids are not genes .*\(NM_1, NM_2; there"),
        ("id\tx\nG1\t-1\nG2\t4\n", {}, "x '-1' is not a number from 0"),
        ("id\tx\nG1\t0\nG2\t0\nG3\t4\n", {}, "no median divides them"),
        ("id\tx\nG1\t1\nG1\t2\n", {}, "rows of the same gene"),
        ("id\tx\nG1\tinf\nG2\t2\n", {}, "line 2: x is inf; expected numbers, or NA"),
        ("G1\t1\nG2\t2\n", {}, "starts with the row G1 1; expected a line with the names"),
        ("id,x\nG1,2\n", {"column": "x"}, "has one column, 'id,x'; expected .* by tabs"),
        ("id\tx\nG1\tNA\n", {}, "has no number in column 'x'"),
    ],
)
def test_bad_tables_are_refused_in_one_line(written, text, options, message):
    with pytest.raises(InputError, match=message) as error:
        read_expression(written(text), GENES, **options)
    assert "\n" not in str(error.value)


def test_folds_are_the_articles_or_those_given_or_one_per_chromosome():
    assert add_folds(GENES)["fold"].tolist() == [0, 0, 2, 1]
    given = add_folds(GENES, [["2"], ["chrX"], ["chr1"]])
    assert given["fold"].tolist() == [1, 1, 0]  # chr21 is in none, X has no genes
    assert add_folds(GENES, "chromosome")["fold"].tolist() == [0, 0, 1, 2]


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        ([["1"], ["2", "chr1"]], "chr1 is in two folds"),
        ([["1", "2", "21"]], "fewer than two have any"),
        ([["3"], ["4"]], "fewer than two have any"),
    ],
)
def test_folds_that_do_not_divide_are_refused(folds, message):
    with pytest.raises(InputError, match=message):
        add_folds(GENES, folds)


def test_groups_within_training_are_whole_chromosomes_of_even_size():
    genes = pd.DataFrame({"chrom": ["a"] * 40 + ["b"] * 30 + ["c"] * 20 + ["d"] * 15 + ["e"] * 5})
    groups = inner_groups(genes)
    assert genes.assign(group=groups).groupby("chrom")["group"].nunique().max() == 1
    assert np.bincount(groups).tolist() == [40, 30, 20, 20]
    alone = inner_groups(pd.DataFrame({"chrom": ["a"] * 8}))
    assert alone.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_one_class_is_refused():
    with pytest.raises(InputError, match="20 genes, 20 of them above the median"):
        check_two_classes(pd.DataFrame({"high": [True] * 20}), "training genes of fold 1")
