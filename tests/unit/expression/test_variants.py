"""The change of expression that variants are told with."""

import numpy as np
import pandas as pd
import pytest

from chromloom.edits.edit import Edit, put_together
from chromloom.expression.edited import predict_edited
from chromloom.expression.fit import fold_dirs, open_fold, train_fold, train_folds
from chromloom.files import write_tsv
from chromloom.genome.bins import Bins, make_bins
from chromloom.perturbation.predict import predict_edit
from chromloom.prediction.source import EditableMap, lay_out_for, n_distances
from chromloom.variants.expression import ExpressionModel
from chromloom.variants.scores import COLUMNS

SIZES = pd.Series({f"chr{k}": 2_000_000 for k in (1, 2, 3, 4, 7, 9)})
EDGES = [-10_000, -1_000, 0, 1_000, 10_000]
FLANK = 100_000


class Decay(EditableMap):
    """Contacts by distance alone."""

    name, sample, norm, assembly, ignore_diags = "decay", "s", "ICE", "a", 1
    context, cuts_bins = 0, True
    bins = Bins(make_bins(SIZES, 20_000).assign(masked=False), 20_000)

    def band(self, chrom, lo, hi, *, max_dist=None, edited=None):
        n = len(self.bins.mask(chrom)) if edited is None else len(edited.source)
        dist = np.arange(n_distances(self, n, lo, max_dist))[:, None]
        band = np.repeat(100 / (1.0 + dist), hi - lo, axis=1)
        band[(dist + np.arange(lo, hi) >= n) | (dist < 1)] = np.nan
        return band

    def layout(self, edited):
        return edited


@pytest.fixture(scope="module")
def model(genes, marks, store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("m")
    marks.save(folder / "marks.h5")
    write_tsv(genes.astype({"high": int}), folder / "genes.tsv")
    train_folds(
        folder / "genes.tsv", folder / "marks.h5", folder / "m", model="marks-ridge",
        options={"edges": EDGES},
    )  # fmt: skip
    return ExpressionModel([open_fold(path) for path in fold_dirs(folder / "m")], genes, store)


def told(model, edit, zygosity="homozygous"):
    source = Decay()
    prediction = predict_edit(source, lay_out_for(source, edit), flank=200_000)
    table = model.score(prediction, source, flank=FLANK, zygosity=zygosity)
    assert list(table.columns) == COLUMNS
    return table.set_index("item")["value"], prediction


def test_a_deletion_is_told_as_of_its_chromosome_alone(model):
    edit = Edit("d", "deletion", "chr2", 400_000, 600_000)
    change, prediction = told(model, edit)
    pieces = prediction.edited.pieces
    alone = predict_edited(
        model.folds, model.genes, model.store, pieces, chrom="chr2", flank=FLANK
    ).set_index("name")
    np.testing.assert_allclose(change[alone.index], alone["change"], atol=1e-9)
    lost = alone.index[alone["copies"] == 0]
    assert len(lost)
    assert (change[lost] < 0).any()
    half, _ = told(model, edit, zygosity="heterozygous")
    assert (half[lost].abs() <= change[lost].abs()).all()
    assert not half[lost].equals(change[lost])


def test_genes_of_both_derivative_chromosomes_keep_their_copies(model):
    edit = Edit("t", "translocation", "chr2", 500_000, 500_000, "chr4", 700_000, 700_000, "+", "-")
    change, _ = told(model, edit)
    tss = model.genes.set_index("name").loc[change.index, "tss"]
    chrom = model.genes.set_index("name").loc[change.index, "chrom"]
    assert set(chrom) == {"chr2", "chr4"}
    far = (tss - np.where(chrom == "chr2", 500_000, 700_000)).abs() > 40_000
    assert far.any()
    np.testing.assert_allclose(change[far], 0, atol=1e-6)


@pytest.mark.parametrize("method", ["average", "shift"])  # edits of a file have that of knockouts
def test_what_no_signal_shows_says_so(model, method):
    source = Decay()
    snv = Edit("s", "substitution", "chr2", 500_000, 500_001, method=method, alt="T")
    prediction = predict_edit(source, lay_out_for(source, snv), flank=200_000)
    (row,) = model.score(prediction, source, flank=FLANK, zygosity="homozygous").itertuples()
    assert np.isnan(row.value)
    assert "changes bases" in row.reason


def test_elements_are_those_of_the_predicted_map(model):
    """Of a map of distance alone nothing stands out, but where an edit brings pairs together."""
    source = Decay()
    steps = [Edit("", "deletion", "chr2", 500_000, 900_000)]
    prediction = predict_edit(source, lay_out_for(source, put_together("c", steps)), flank=200_000)
    before, after = model._interactions(prediction, prediction.chromosomes[0], source)
    np.testing.assert_allclose(before["frequency"], 1, rtol=1e-6)
    np.testing.assert_allclose(after["frequency"], 1, rtol=1e-6)
    assert after["end2"].max() <= before["end2"].max() - 400_000


def test_a_graph_of_genes_is_given_elements_without_a_setting_for_them(driven, store, tmp_path):
    genes, marks, _ = driven
    options = {"epochs": 1}
    train_fold(genes, marks, tmp_path / "0", model="gc-merge", fold=0, options=options)
    graph = ExpressionModel([open_fold(tmp_path / "0")], genes, store)
    change, _ = told(graph, Edit("d", "deletion", genes["chrom"][0], 400_000, 600_000))
    assert len(change)
