"""Genes, signals and elements of an edited chromosome are those of one that is edited by hand."""

import numpy as np
import pandas as pd
import pytest

from chromloom.edits.edit import Edit
from chromloom.edits.pieces import Piece, edited_chromosomes
from chromloom.errors import InputError
from chromloom.expression.edited import (
    COLUMNS,
    EditedSignals,
    contact_interactions,
    lift_genes,
    lift_interactions,
    predict_edited,
)
from chromloom.expression.features import gather_marks
from chromloom.expression.fit import fold_dirs, open_fold, train_folds
from chromloom.files import write_tsv

SIZES = {f"chr{k}": 2_000_000 for k in (1, 2, 3, 4, 7, 9)}
EDGES = [-10_000, -1_000, 0, 1_000, 10_000]


def pieces_of(kind, start, end, **more):
    return edited_chromosomes(Edit("e", kind, "chr2", start, end, **more), SIZES)["chr2"]


def train(genes, marks, folder, model, options):
    marks.save(folder / "marks.h5")
    write_tsv(genes.astype({"high": int}), folder / "genes.tsv")
    train_folds(
        folder / "genes.tsv", folder / "marks.h5", folder / "m", model=model, options=options
    )
    return [open_fold(path) for path in fold_dirs(folder / "m")]


@pytest.fixture(scope="module")
def folds(genes, marks, tmp_path_factory):
    return train(genes, marks, tmp_path_factory.mktemp("m"), "marks-ridge", {"edges": EDGES})


def test_signals_are_those_of_the_chromosome_cut_and_joined(store):
    active = store.values["chr2"]["active"]
    inverted = EditedSignals(store, pieces_of("inversion", 300_000, 500_000), "chr2")
    want = np.concatenate([active[:3000], active[3000:5000][::-1], active[5000:]])
    np.testing.assert_array_equal(inverted.read("chr2", 0, 20_000, ["active"])[0], want)
    doubled = EditedSignals(store, pieces_of("duplication", 300_000, 500_000), "chr2")
    assert doubled.chromsizes["chr2"] == 2_200_000
    want = np.concatenate([active[:5000], active[3000:]])
    np.testing.assert_array_equal(doubled.read("chr2", 0, 22_000, ["active"])[0], want)
    beyond = doubled.read("chr2", 21_990, 22_010)
    assert np.isfinite(beyond[:, :10]).all()
    assert np.isnan(beyond[:, 10:]).all()


def test_genes_move_turn_and_lose_or_double_their_copies():
    rows = [
        ("a", 100, 200, "+"),
        ("b", 400, 900, "+"),
        ("c", 400, 900, "-"),
        ("d", 1200, 1300, "-"),
    ]
    genes = pd.DataFrame(rows, columns=["gene", "start", "end", "strand"])
    genes = genes.assign(name=genes["gene"], chrom="chr1")
    genes["tss"] = np.where(genes["strand"] == "+", genes["start"], genes["end"] - 1)

    def lifted(*pieces):
        table = lift_genes(genes, [Piece("chr1", *piece) for piece in pieces], "chr1")
        return [tuple(row) for row in table[["gene", "start", "end", "tss", "strand"]].to_numpy()]

    # a deletion within b and c leaves both ends; one of the end of b ends it there
    assert lifted((0, 500), (700, 2000)) == [
        ("a", 100, 200, 100, "+"), ("b", 400, 700, 400, "+"), ("c", 400, 700, 699, "-"),
        ("d", 1000, 1100, 1099, "-"),
    ]  # fmt: skip
    assert lifted((0, 500), (1000, 2000))[1:] == [
        ("b", 400, 500, 400, "+"), ("d", 700, 800, 799, "-")
    ]  # fmt: skip
    # of a tandem duplication of 300-1000, each copy
    assert [row[:4] for row in lifted((0, 1000), (300, 1000), (1000, 2000))] == [
        ("a", 100, 200, 100), ("b", 400, 900, 400), ("c", 400, 900, 899),
        ("b", 1100, 1600, 1100), ("c", 1100, 1600, 1599), ("d", 1900, 2000, 1999),
    ]  # fmt: skip
    # an inversion of 300-1000 turns both round
    assert lifted((0, 300), (300, 1000, "-"), (1000, 2000))[1:3] == [
        ("c", 400, 900, 400, "+"), ("b", 400, 900, 899, "-"),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["deletion", "inversion", "duplication"])
def test_levels_are_those_of_a_chromosome_edited_by_hand(folds, genes, store, new_store, kind):
    own = genes[genes["chrom"] == "chr2"].reset_index(drop=True)
    start = 100 * (own["tss"].iloc[8] // 100 + 3)  # near a TSS
    end, lo = start + 200_000, start // 100
    hi = lo + 2_000
    table = predict_edited(folds, genes, store, pieces_of(kind, start, end), chrom="chr2")
    assert list(table.columns) == COLUMNS
    order = {
        "deletion": [*range(lo), *range(hi, 20_000)],
        "inversion": [*range(lo), *range(hi - 1, lo - 1, -1), *range(hi, 20_000)],
        "duplication": [*range(hi), *range(lo, 20_000)],
    }[kind]
    values = {name: signal[order] for name, signal in store.values["chr2"].items()}
    by_hand = new_store({"chr2": values})
    by_hand.chromsizes = pd.Series({"chr2": 100 * len(order)})
    pieces = pieces_of(kind, start, end)
    lifted = lift_genes(own, pieces, "chr2")
    marks = gather_marks(by_hand, lifted)
    model = next(fold for fold in folds if "chr2" in fold.chroms)
    want = pd.Series(model.model.predict(model.seen(marks))[0], lifted["gene"])
    copies = want.groupby(level=0).size()
    once = table[table["copies"] == 1]
    assert len(once) > 15
    np.testing.assert_allclose(once["level_after"], want[once["gene"]], atol=1e-4)
    for row in table[table["copies"] != 1].itertuples():
        assert row.copies == copies.get(row.gene, 0) == {"deletion": 0, "duplication": 2}[kind]
        both = 2 ** np.maximum(want.get([row.gene], pd.Series(dtype=float)), 0) - 1
        assert row.level_after == pytest.approx(np.log2(1 + both.sum()), abs=1e-4)
    far = (table["tss"] - start).abs().clip(upper=(table["tss"] - end).abs()) > 60_000
    outside = ~table["tss"].between(start, end - 1)
    assert np.allclose(table.loc[far & outside, "change"], 0, atol=1e-4)
    assert table["change"].abs().max() > 0.05


def test_flank_and_zygosity(folds, genes, store):
    pieces = pieces_of("deletion", 400_000, 600_000)
    table = predict_edited(folds, genes, store, pieces, chrom="chr2", flank=100_000)
    assert table["tss"].between(300_000, 700_000).all()
    lost = table["copies"] == 0
    assert lost.any()
    assert (table.loc[lost, "level_after"] == 0).all()
    half = predict_edited(
        folds, genes, store, pieces, chrom="chr2", flank=100_000, zygosity="heterozygous"
    )
    want = np.log2((2 ** table["level_before"] + 2 ** table["level_after"]) / 2)
    np.testing.assert_allclose(half["level_after"], want)


def test_interactions_are_lifted_with_their_frequencies():
    names = ["chrom", "start1", "end1", "start2", "end2", "frequency"]
    rows = [("chr1", 0, 100, 500, 700, 2.0), ("chr1", 0, 100, 1500, 1600, 3.0)]
    table = pd.DataFrame(rows, columns=names)

    def lifted(*pieces):
        found = lift_interactions(table, [Piece("chr1", *piece) for piece in pieces], "chr1")
        return found.drop(columns="chrom").to_numpy().tolist()

    assert lifted((0, 400), (800, 2000)) == [[0, 100, 1100, 1200, 3.0]]
    assert lifted((0, 400), (400, 800, "-"), (800, 2000))[0] == [0, 100, 500, 700, 2.0]
    assert lifted((0, 800), (400, 800), (800, 2000))[0] == [0, 100, 500, 700, 2.0]


def test_an_element_that_is_deleted_lowers_its_gene(
    driven, element_table, store, new_store, tmp_path
):
    genes, marks, high = driven
    options = {"edges": EDGES, "parts": "elements"}
    folds = train(genes, marks, tmp_path, "marks-elements", options)
    # the marks of elements that were drawn, in a store
    values = {
        chrom: {name: x.copy() for name, x in own.items()} for chrom, own in store.values.items()
    }
    store = new_store(values)
    for k, row in enumerate(element_table.itertuples()):
        lo = marks.elements.first[k], marks.elements.first[k + 1]
        middle = (row.start // 100 + -(-row.end // 100)) // 2
        first = max(row.start // 100, middle - 20)
        store.values[row.chrom]["active"][first : first + lo[1] - lo[0]] = marks.elements.values[
            0, lo[0] : lo[1]
        ]
    k = next(
        k for k, row in enumerate(element_table.itertuples())
        if high[k] and row.chrom == "chr2" and row.rank == 0
        and 300_000 < abs(row.distance) < 900_000
    )  # fmt: skip
    element = element_table.iloc[k]
    gene = genes.set_index("gene").loc[element["gene"]]
    near = {"start1": gene["tss"] - 10, "end1": gene["tss"] + 10}
    contacts = pd.DataFrame(
        [{"chrom": "chr2", **near, "start2": element["start"], "end2": element["end"],
          "frequency": 5.0}]
    )  # fmt: skip
    pieces = pieces_of("deletion", int(element["start"]) - 100, int(element["end"]) + 100)
    pair = (contacts, lift_interactions(contacts, pieces, "chr2"))
    found = predict_edited(folds, genes, store, pieces, chrom="chr2", interactions=pair)
    change = found.set_index("gene")["change"]
    assert change[element["gene"]] < -0.5
    assert change.drop(element["gene"]).abs().max() < 1e-6
    with pytest.raises(InputError, match="the genes have none; give interactions"):
        predict_edited(folds, genes, store, pieces, chrom="chr2")


def test_contacts_of_a_window_are_told_over_the_mean_at_their_distance():
    values = np.full((3, 3), np.nan)
    values[0, 1], values[0, 2] = 8.0, 6.0
    starts = np.array([0, 100, 300])
    found = contact_interactions(values, np.array([9, 4, 2, 3.0]), "chr1", starts, 100)
    assert found[["start1", "start2", "frequency"]].to_numpy().tolist() == [
        [0, 100, 2],
        [0, 300, 2],
    ]
    assert (found["end2"] == found["start2"] + 100).all()
