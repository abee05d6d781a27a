"""Marks around genes: they run with the gene, and windows are means of what is known."""

from dataclasses import fields, replace

import numpy as np
import pytest

from chromloom.errors import InputError
from chromloom.expression.features import Marks, gather_marks, open_marks
from chromloom.expression.settings import SimpleSettings


def slow_marks(store, genes, reach):
    """Gene by gene, base by base."""
    rows = []
    for gene in genes.itertuples():
        bins = gene.tss // 100 + np.arange(-reach // 100, reach // 100) * (
            1 if gene.strand == "+" else -1
        )
        values = store.read(gene.chrom, 0, 20_000)
        inside = (bins >= 0) & (bins < 20_000)
        rows.append(np.where(inside, values[:, np.where(inside, bins, 0)], np.nan))
    return np.stack(rows)


def test_features_are_those_of_each_gene_by_itself(store, genes, marks):
    np.testing.assert_array_equal(marks.around, slow_marks(store, genes, 10_000))
    assert marks.around.shape == (240, 3, 200)
    gene = genes.iloc[17]
    body = store.read(gene["chrom"], gene["start"] // 100, -(-gene["end"] // 100))
    np.testing.assert_allclose(marks.body[17], body.mean(axis=1), rtol=1e-5)


def test_the_tss_is_in_the_same_bin_on_both_strands(new_store, new_genes):
    genes, store = new_genes(6), new_store(0)
    for gene in genes.itertuples():
        row = store.values[gene.chrom]["x"]
        row[gene.tss // 100] = 8
        row[gene.tss // 100 + (3 if gene.strand == "+" else -3)] = 2
    marks = gather_marks(store, genes, reach=2_000)
    assert (marks.around[:, 0, 20] >= 8).all()
    assert (marks.around[:, 0, 23] >= 2).all()
    assert set(genes["strand"]) == {"+", "-"}
    assert marks.binned(500)[:, 0, 4].min() >= np.log2(1 + 10 / 5) - 1e-6


def test_windows_are_means_on_the_scale_of_logarithms(marks, new_store, new_genes):
    names = marks.window_names((-1000, 0, 2000))
    assert names[:3] == ["active:-1000..0", "active:0..2000", "active:body"]
    windows = marks.windows((-1000, 0, 2000))
    assert windows.shape == (240, 9)
    known = marks.around[:, 1, 90:100]
    rows = np.isfinite(known).all(axis=1)
    expected = np.log2(1 + known[rows].mean(axis=1))
    np.testing.assert_allclose(windows[rows, 3], expected, rtol=1e-5)
    linear = gather_marks(new_store(3.0, "log1p"), new_genes(5), reach=1_000)
    assert (linear.windows((-500, 500)) == 3).all()


def test_missing_bins_are_left_out_and_nothing_known_is_0(new_store, new_genes):
    store = new_store(3.0)
    genes = new_genes(5).iloc[[2]].reset_index(drop=True)
    row, tss = store.values[genes.loc[0, "chrom"]]["x"], genes.loc[0, "tss"] // 100
    row[tss - 4 : tss + 5] = np.nan
    marks = gather_marks(store, genes, reach=2_000)
    assert marks.windows((-300, 300))[0, 0] == 0
    assert marks.windows((-2_000, 2_000))[0, 0] == 2
    assert marks.binned(2_000)[0, 0].tolist() == [2, 2]


def test_marks_are_read_as_they_were_written(marks, tmp_path):
    marks.save(tmp_path / "marks.h5")
    again = open_marks(tmp_path / "marks.h5")
    np.testing.assert_array_equal(again.around, marks.around)
    np.testing.assert_array_equal(again.body, marks.body)
    assert list(again.genes) == list(marks.genes)
    assert (again.signals, again.transforms, again.bin_size) == (
        marks.signals, marks.transforms, marks.bin_size,
    )  # fmt: skip
    (tmp_path / "marks.h5").write_text("no")
    with pytest.raises(InputError, match="cannot be read as features of genes"):
        open_marks(tmp_path / "marks.h5")


def test_a_model_that_reaches_less_far_sees_as_many_bins_on_either_side(marks):
    np.testing.assert_array_equal(marks.within(2_000).around, marks.around[:, :, 80:120])
    with pytest.raises(InputError, match="features reach 10,000 bp"):
        marks.within(10_100)


def test_signals_are_taken_by_name_and_refused_where_they_differ(marks):
    chosen = marks.select(["noise", "active"], ["none", "none"], 100)
    np.testing.assert_array_equal(chosen.around[:, 1], marks.around[:, 0])
    np.testing.assert_array_equal(chosen.body[:, 0], marks.body[:, 2])
    with pytest.raises(InputError, match="lack signal 'H3K4me3' that the model reads"):
        marks.select(["H3K4me3"], ["none"], 100)
    with pytest.raises(InputError, match="has transform 'none', the model was trained on 'log1p'"):
        marks.select(["noise"], ["log1p"], 100)
    with pytest.raises(InputError, match="bins of 100 bp, the model was trained on 50"):
        marks.select(["noise"], ["none"], 50)


def test_permuted_marks_are_those_of_other_genes(marks):
    other = marks.permuted(["active"], seed=1)
    np.testing.assert_array_equal(other.around[:, 1:], marks.around[:, 1:])
    assert (other.body[:, 0] != marks.body[:, 0]).mean() > 0.9
    np.testing.assert_array_equal(np.sort(other.body[:, 0]), np.sort(marks.body[:, 0]))


def test_what_does_not_fit_is_refused(store, genes, marks, new_store, new_genes):
    with pytest.raises(InputError, match="features at 150 bp cannot be made"):
        marks.binned(150)
    with pytest.raises(InputError, match="genes on chr21, which the signals have not"):
        gather_marks(store, genes.assign(chrom="chr21"))
    with pytest.raises(InputError, match="signal 'x' has no value around any of the 30 genes"):
        gather_marks(new_store(np.nan), new_genes(5))


def test_marks_of_two_sets_of_genes_are_joined_one_after_another(driven):
    marks = replace(driven[1], added={"E1": np.arange(len(driven[1]), dtype="f4")[:, None]})
    again = Marks.join([marks.of(np.arange(100)), marks.of(np.arange(100, len(marks)))])
    for part in ("genes", "around", "body"):
        np.testing.assert_array_equal(getattr(again, part), getattr(marks, part))
    for part in fields(marks.elements):
        found, expected = (getattr(own.elements, part.name) for own in (again, marks))
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(again.added["E1"], marks.added["E1"])
    less = Marks.join([marks, replace(marks, elements=None, added={})])
    assert less.elements is None
    assert less.added == {}


def test_added_features_follow_their_genes(marks, tmp_path):
    numbers = np.arange(2.0 * len(marks)).reshape(-1, 2).astype(np.float32)
    numbers[5] = np.nan
    marks = replace(marks, added={"vectors": numbers, "E1": -numbers[:, :1]})
    marks.save(tmp_path / "marks.h5")
    for own in (marks, open_marks(tmp_path / "marks.h5"), marks.of(np.arange(len(marks)))):
        settings = SimpleSettings.of("marks-ridge", parts="added", added=["E1", "vectors"])
        features = own.seen_by(settings)
        np.testing.assert_array_equal(features[7], [-14, 14, 15])
        assert (features[5] == 0).all()
    np.testing.assert_array_equal(marks.of([7, 3]).added["vectors"], numbers[[7, 3]])
    edges = [-10_000, 0, 10_000]
    beside = marks.seen_by(SimpleSettings.of("marks-ridge", edges=edges, added=["vectors"]))
    np.testing.assert_array_equal(beside[:, :-2], marks.windows(edges))
    np.testing.assert_array_equal(beside[7, -2:], [14, 15])
    moved = marks.permuted(["vectors"], seed=1)
    np.testing.assert_array_equal(moved.around, marks.around)
    np.testing.assert_array_equal(np.sort(moved.added["vectors"], axis=0), np.sort(numbers, axis=0))
    assert not np.array_equal(moved.added["vectors"], numbers, equal_nan=True)
    np.testing.assert_array_equal(moved.added["E1"], marks.added["E1"])
    with pytest.raises(InputError, match="reads the added feature 'PC2', which these genes have n"):
        marks.of_added(["PC2"])
    with pytest.raises(InputError, match=r"added features alone .* and names none"):
        SimpleSettings.of("marks-ridge", parts="added")
