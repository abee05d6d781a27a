"""Attention of the TSS and attribution by bin of networks whose answer is known."""

import numpy as np
import pyBigWig
import pytest
import torch

from chromloom.errors import InputError
from chromloom.expression.explain import attend_gene, attend_genes, attribute_genes
from chromloom.expression.fit import fold_dirs, train_folds
from chromloom.files import read_tsv, write_tsv
from chromloom.models.registry import find_model, load, model_settings

from .conftest import SIZES

TINY = {
    "bin_sizes": [500, 2000], "reach": 10_000, "size": 8, "feedforward": 8, "hidden": 8,
    "pair_feedforward": 8, "regulation_layers": 1, "regulation_heads": 2,
    "regulation_head_size": 4, "regulation_feedforward": 8, "epochs": 2, "learning_rate": 0.01,
}  # fmt: skip


@pytest.fixture
def trained(driven, tmp_path):
    genes, marks, _ = driven
    marks.save(tmp_path / "marks.h5")
    write_tsv(genes.astype({"high": int}), tmp_path / "genes.tsv")
    files = (tmp_path / "genes.tsv", tmp_path / "marks.h5")

    def train(model, options):
        train_folds(*files, tmp_path / model, model=model, options=options)
        return *files, fold_dirs(tmp_path / model)

    return train


def test_attention_of_the_tss_is_that_of_the_whole_map():
    torch.manual_seed(1)
    settings = model_settings("chromoformer-embedding", **TINY)
    network = load(find_model("chromoformer-embedding").module)(settings, 3, "clf")
    marks = [torch.rand(4, 3, 40), torch.rand(4, 3, 10)]
    for whole, one in zip(network.attention(marks), network.attention(marks, tss=True)):
        middle = whole.shape[2] // 2
        torch.testing.assert_close(whole[:, :, middle : middle + 1], one)


def test_attention_and_marks_are_averaged_by_class(trained, driven, tmp_path):
    genes, marks, _ = driven
    paths = (tmp_path / "attention.tsv", tmp_path / "profile.tsv")
    attend_genes(*trained("chromoformer-embedding", TINY), *paths)
    table, profile = map(read_tsv, paths)
    assert set(table["task"]) == {"clf", "reg"}
    sums = table.groupby(["task", "bin_size", "head"])[["all", "high", "low"]].sum()
    np.testing.assert_allclose(sums, 1, atol=1e-5)
    assert table.loc[table["bin_size"] == 2000, "position"].min() == -10_000
    share = genes["high"].mean()
    mixed = share * table["high"] + (1 - share) * table["low"]
    np.testing.assert_allclose(mixed, table["all"], atol=1e-9)
    at_tss = profile[(profile["signal"] == "active") & (profile["position"] == 0)].iloc[0]
    want = marks.binned(100)[genes["high"].to_numpy(), 0, 100].mean()
    assert at_tss["high"] == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("model", ["chromoformer-embedding", "chromoformer"])
def test_attributions_sum_to_what_marks_do(trained, driven, tmp_path, model):
    genes, marks, _ = driven
    attribute_genes(*trained(model, TINY), tmp_path / "out", SIZES, steps=24)
    told = read_tsv(tmp_path / "out" / "completeness.tsv")
    assert sorted(told["gene"]) == sorted(genes["gene"])
    spread = (told["with_marks"] - told["without_marks"]).abs().mean()
    assert told["error"].median() < 0.02 * spread
    total = 0.0
    for signal in marks.signals:
        with pyBigWig.open(str(tmp_path / "out" / f"{signal}.bw")) as file:
            for chrom in SIZES.index:
                total += sum(value * (end - start) / 100 for start, end, value in
                             file.intervals(chrom) or ())  # fmt: skip
    assert total == pytest.approx(told["sum"].sum(), rel=0.02, abs=0.05)


def test_models_without_attention_are_refused(trained, tmp_path):
    files = trained("marks-ridge", {"edges": [-10_000, 0, 10_000]})
    with pytest.raises(InputError, match="no attention and no gradients by bin; name chromoformer"):
        attend_genes(*files, tmp_path / "a.tsv", tmp_path / "b.tsv")
    files = trained("chromoformer-embedding", TINY | {"windows": 2})
    attend_genes(*files, tmp_path / "a.tsv", tmp_path / "b.tsv")
    with pytest.raises(InputError, match=r"beside its bins \(windows=2\), which attributions"):
        attribute_genes(*files, tmp_path / "out", SIZES)


def test_one_gene_has_its_maps_and_tracks(trained, driven):
    genes, marks, _ = driven
    files = trained("chromoformer-embedding", TINY)
    found = attend_gene(*files, "ENSG7")
    assert {size: x.shape for size, x in found.maps.items()} == {
        500: (2, 40, 40), 2000: (2, 10, 10)
    }  # fmt: skip
    np.testing.assert_allclose(found.maps[500].sum(axis=2), 1, atol=1e-5)
    np.testing.assert_allclose(found.tracks, marks.binned(100)[7], rtol=1e-6)
    assert found.gene["tss"] == genes["tss"][7]
    with pytest.raises(InputError, match="has no gene 'MYC'"):
        attend_gene(*files, "MYC")
