"""Training, prediction of what was held out, and that nothing held out is learnt from."""

import json
from dataclasses import replace

import numpy as np
import pytest

from chromloom.errors import CheckpointError, InputError
from chromloom.expression.elements import gather_elements
from chromloom.expression.features import open_marks
from chromloom.expression.fit import (
    fold_dirs,
    predict_expression,
    random_folds,
    read_features,
    train_fold,
    train_folds,
)
from chromloom.files import read_tsv, write_tsv

TINY = {
    "bin_sizes": [500, 2000], "reach": 10_000, "size": 16, "feedforward": 16, "hidden": 16,
    "epochs": 12,     "learning_rate": 0.01, "batch_size": 32, "schedule": "one-cycle",
}  # fmt: skip
SMALL = TINY | {
    "pair_feedforward": 16, "regulation_layers": 1, "regulation_heads": 2,
    "regulation_head_size": 8, "regulation_feedforward": 16,
}  # fmt: skip
MODELS = {
    "marks-elements": {"edges": [-10_000, -1_000, 0, 1_000, 10_000]},
    "chromoformer": SMALL,
    "hm-crnn": {"epochs": 2, "keep": "best"},
    "marks-network": {"edges": [-10_000, -1_000, 0, 1_000, 10_000], "passes": 40, "hidden": 32},
    "marks-ridge": {"edges": [-10_000, -1_000, 0, 1_000, 10_000]},
    "marks-mean": {"edges": [-10_000, -1_000, 0, 1_000, 10_000]},
    "chromoformer-embedding": TINY,
    "chromoformer-windows": TINY | {"windows": 4, "dropout": 0.1},
}


@pytest.fixture
def files(genes, marks, element_table, store, tmp_path):
    elements = gather_elements(store, genes, element_table, signals=store.signals, longest=20_000)
    replace(marks, elements=elements).save(tmp_path / "marks.h5")
    write_tsv(genes.astype({"high": int}), tmp_path / "genes.tsv")
    return tmp_path


def train(folder, model, fold, out="model", **options):
    train_fold(
        *read_features(folder / "genes.tsv", folder / "marks.h5"), folder / f"{out}{fold}",
        model=model.replace("windows", "embedding"), fold=fold, options=MODELS[model] | options,
    )  # fmt: skip


def predict(folder, out="model", folds=(0, 1, 2)):
    predict_expression(
        folder / "genes.tsv", folder / "marks.h5", [folder / f"{out}{k}" for k in folds],
        folder / "predictions.tsv",
    )  # fmt: skip
    return read_tsv(folder / "predictions.tsv")


@pytest.mark.parametrize(
    "model",
    [
        "marks-elements", "marks-mean", "marks-network", "chromoformer-embedding",
        "chromoformer-windows",
    ],
)  # fmt: skip
def test_expression_of_held_out_chromosomes_is_told_from_marks(files, model):
    for fold in range(3):
        train(files, model, fold)
    table = predict(files)
    assert np.corrcoef(table["predicted_level"], table["level"])[0, 1] > 0.8
    high = table.groupby("high")["predicted_high"].mean()
    assert high[1] - high[0] > 0.4
    assert table["predicted_high"].between(0, 1).all()
    splits = read_tsv(files / "model1" / "splits.tsv").set_index("chrom")
    assert splits.index[splits["part"] == "test"].tolist() == ["chr3", "chr4"]


@pytest.mark.parametrize("model", MODELS)
def test_nothing_of_a_held_out_chromosome_enters(files, genes, marks, model):
    """Other values and marks of the test genes leave the model as it is; of others they do not."""
    test = (genes["fold"] == 0).to_numpy()
    options = {"epochs": 2} if "epochs" in MODELS[model] else {}
    train(files, model, 0, **options)
    before = _weights(files / "model0")
    for changed, same in ((test, True), (~test, False)):
        other = genes.copy()
        other.loc[changed, "level"] = other.loc[changed, "level"].to_numpy()[::-1]
        other.loc[changed, "high"] = other.loc[changed, "high"].to_numpy()[::-1]
        leaky = open_marks(files / "marks.h5")
        leaky.around[test] *= 3
        leaky.save(files / "marks.h5")
        write_tsv(other.astype({"high": int}), files / "genes.tsv")
        train(files, model, 0, out="other", **options)
        after = _weights(files / "other0")
        assert (before == after) is same


def _weights(folder):
    """Contents of a model's files, but for archives' dates."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".npz":
            with np.load(path) as file:
                found[path.name] = {name: file[name].tolist() for name in file.files}
        elif path.suffix in (".ubj", ".safetensors"):
            found[path.name] = path.read_bytes()
    return found


def test_a_chromosome_in_two_folds_is_a_leak_and_refused(files, genes):
    """A gene would be trained on beside its neighbours that are tested."""
    leaky = genes.astype({"high": int})
    leaky.loc[3, "fold"] = 2
    write_tsv(leaky, files / "genes.tsv")
    with pytest.raises(InputError, match="chr1 is in folds 0, 2; genes are held out"):
        train(files, "marks-ridge", 0)


def test_permuted_marks_and_the_promoter_alone_know_less(files, genes, marks):
    edges = MODELS["marks-ridge"]["edges"]
    for fold in range(3):
        train(files, "marks-ridge", fold)
        train(files, "marks-ridge", fold, out="promoter", body=False)
    whole = _r(predict(files))
    promoter = _r(predict(files, "promoter"))
    assert promoter < whole
    marks.permuted(marks.signals, seed=1).save(files / "marks.h5")
    for fold in range(3):
        train(files, "marks-ridge", fold, out="permuted", edges=edges)
    assert abs(_r(predict(files, "permuted"))) < 0.3 < promoter


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_model_of_permuted_marks_knows_nothing(files, marks, seed):
    """Marks that rise and fall together would rank genes also by chance weights."""
    level = np.repeat(marks.body[:, 1:2], 3, axis=1)
    around = np.repeat(marks.around[:, 1:2], 3, axis=1)
    replace(marks, around=around, body=level).save(files / "marks.h5")
    train_folds(
        files / "genes.tsv", files / "marks.h5", files / "all",
        model="marks-ridge", options=MODELS["marks-ridge"] | {"permute": ["all"]}, seed=seed,
    )  # fmt: skip
    predict_expression(
        files / "genes.tsv", files / "marks.h5", fold_dirs(files / "all"), files / "p.tsv"
    )
    table = read_tsv(files / "p.tsv")
    for _, part in table.groupby("fold"):
        assert abs(_r(part)) < 0.35


def _r(table):
    return np.corrcoef(table["predicted_level"], table["level"])[0, 1]


def test_a_network_that_predicts_one_number_is_said_to(files, marks, caplog):
    train(files, "chromoformer-embedding", 0, epochs=1)
    assert read_tsv(files / "model0" / "history.tsv")["task"].tolist() == ["clf", "reg"]
    assert "predicts the same" not in caplog.text
    config = json.loads((files / "model0" / "config.json").read_text())
    assert config["signals"] == ["active", "body", "noise"]
    assert config["settings"]["parts"] == "embedding"
    replace(marks, around=np.ones_like(marks.around)).save(files / "marks.h5")
    train(files, "chromoformer-embedding", 0, epochs=1)
    assert "reg predicts the same for all genes" in caplog.text
    assert read_tsv(files / "model0" / "history.tsv")["constant"].all()


def test_what_does_not_fit_is_refused(files, genes, marks):
    with pytest.raises(InputError, match="does not predict expression"):
        train_folds(files / "genes.tsv", files / "marks.h5", files / "m", model="eig")
    with pytest.raises(InputError, match=r"no gene is in fold 7; there are \[0, 1, 2\]"):
        train(files, "marks-ridge", 7)
    with pytest.raises(InputError, match="setting 'depths' is unknown"):
        train(files, "marks-ridge", 0, depths=3)
    with pytest.raises(InputError, match=r"edges .* features reach 10,000 bp"):
        train(files, "marks-ridge", 0, edges=[-20_000, 0])
    with pytest.raises(CheckpointError, match="model0 is not a trained model"):
        predict(files)
    train(files, "marks-ridge", 0)
    with pytest.raises(InputError, match=r"genes of chr3, chr4, chr7, chr9 are held out by none"):
        predict(files, folds=[0])
    write_tsv(genes.assign(high=1), files / "genes.tsv")
    with pytest.raises(InputError, match="training genes of fold 0: 160 genes, 160 of them above"):
        train(files, "marks-ridge", 0)
    write_tsv(genes.iloc[1:].astype({"high": int}), files / "genes.tsv")
    with pytest.raises(InputError, match="are not of the same genes"):
        train(files, "marks-ridge", 0)


def test_all_folds_are_trained_in_one_folder_beside_files_of_others(files):
    train_folds(
        files / "genes.tsv", files / "marks.h5", files / "all",
        model="marks-ridge", options=MODELS["marks-ridge"] | {"permute": ["noise"]},
    )  # fmt: skip
    (files / "all" / ".snakemake_timestamp").touch()
    assert fold_dirs(files / "all") == [files / "all" / str(k) for k in range(3)]
    predict_expression(
        files / "genes.tsv", files / "marks.h5", fold_dirs(files / "all"), files / "p.tsv"
    )
    assert _r(read_tsv(files / "p.tsv")) > 0.8
    assert json.loads((files / "all" / "0" / "config.json").read_text())["permuted"] == ["noise"]
    with pytest.raises(InputError, match="signal 'x' cannot be permuted; there are active"):
        train(files, "marks-ridge", 0, permute=["x"])


def test_a_split_that_was_cut_at_the_end_of_a_line_is_refused(files):
    train(files, "marks-ridge", 0)
    path = files / "model0" / "splits.tsv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(InputError, match=r"splits\.tsv has .* it was cut or changed"):
        predict(files, folds=[0])


def test_the_epoch_kept_is_the_best_on_chromosomes_held_out_of_training(files, genes):
    level = np.random.default_rng(1).permutation(genes["level"])  # nothing can be learnt
    write_tsv(genes.assign(level=level).astype({"high": int}), files / "genes.tsv")
    train(files, "hm-crnn", 0, epochs=6, learning_rate=0.01)
    history = read_tsv(files / "model0" / "history.tsv")
    losses = history.loc[history["task"] == "reg", "held_out_loss"]
    assert losses.notna().all()
    best = int(losses.argmin()) + 1
    assert best < 6
    train(files, "hm-crnn", 0, out="short", epochs=best, learning_rate=0.01)
    weights = [_weights(files / name)["reg.safetensors"] for name in ("model0", "short0")]
    assert weights[0] == weights[1]


def test_weights_of_other_shapes_are_refused(files):
    train(files, "chromoformer-embedding", 0, epochs=1)
    path = files / "model0" / "config.json"
    config = json.loads(path.read_text())
    config["options"]["size"] = 8
    path.write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="weights do not fit 3 signals"):
        predict(files, folds=[0])
    train(files, "marks-network", 1)
    (files / "model1" / "member2.safetensors").unlink()
    with pytest.raises(CheckpointError, match="weights do not fit the settings beside them"):
        predict(files, folds=[1])
    (files / "model1" / "encoding.npz").write_bytes(b"PK\3\4 cut")
    with pytest.raises(CheckpointError, match=r"encoding\.npz cannot be read"):
        predict(files, folds=[1])


@pytest.mark.parametrize("model", ["marks-elements", "chromoformer"])
def test_what_enhancers_do_is_told_with_them_and_not_with_those_of_other_genes(
    files, genes, driven, model
):
    """Expression follows the elements alone: without them, or with others, nothing is known."""
    told, marks, _ = driven
    told, elements = told.astype({"high": int}), marks.elements
    write_tsv(told, files / "genes.tsv")
    unlike = replace(marks, around=marks.around[::-1].copy(), body=marks.body[::-1].copy())
    unlike.save(files / "marks.h5")
    held = (genes["fold"] == 0).to_numpy()
    some = np.bincount(elements.gene, minlength=len(genes))[held] > 0
    found = {}
    for control in ("", "shuffled-elements"):
        options = {"control": control}
        if model == "chromoformer":
            options |= {"epochs": 20, "bin_sizes": [2000]}
        train(files, model, 0, out=f"x{control}", **options)
        write_tsv(told[held], files / "held.tsv")
        open_marks(files / "marks.h5").of(held).save(files / "held.h5")
        predict_expression(files / "held.tsv", files / "held.h5", [files / f"x{control}0"],
                           files / "p.tsv")  # fmt: skip
        found[control] = _r(read_tsv(files / "p.tsv")[some])
    assert found[""] > 0.5, found
    assert found["shuffled-elements"] < found[""] - 0.25, found


def test_signals_can_be_left_out_of_a_model(files, genes, marks):
    for fold in range(3):
        train(files, "marks-ridge", fold)
        train(files, "marks-ridge", fold, out="less", without=["active", "body"])
    config = json.loads((files / "less0" / "config.json").read_text())
    assert config["signals"] == ["noise"]
    assert abs(_r(predict(files, "less"))) < 0.3 < _r(predict(files))
    with pytest.raises(InputError, match="option without: signal 'H3K4me3' is not there"):
        train(files, "marks-ridge", 0, out="x", without=["H3K4me3"])
    with pytest.raises(InputError, match="option without: no signal is left"):
        train(files, "marks-ridge", 0, out="x", without=["active", "body", "noise"])


@pytest.mark.parametrize("split", ["chromosome", "random"])
def test_of_further_cell_types_too_nothing_held_out_is_trained_on(files, genes, split):
    """Levels of their held-out genes do not enter a model; those of other genes do."""
    own = read_features(files / "genes.tsv", files / "marks.h5")
    options = MODELS["marks-elements"] | {"split": split, "cell_types": ["B"]}
    held = own[0]["fold"] == 1 if split == "chromosome" else random_folds(genes["gene"], 3, 1) == 1
    found = []
    for changed in (held & False, held, ~held):
        others = own[0].copy()
        others.loc[changed, "level"] = others.loc[changed, "level"].to_numpy()[::-1] + 1
        train_fold(*own, files / "pool", model="marks-elements", fold=1, options=options,
                   others=[(others, own[1])])  # fmt: skip
        found.append(_weights(files / "pool"))
    assert found[0] == found[1] != found[2]
    train(files, "marks-elements", 1, split=split)
    assert found[0] != _weights(files / "model1")
    less = own[0], own[1].select(["body"], ["none"], 100)
    with pytest.raises(InputError, match="the features lack signal 'active'"):
        train_fold(*own, files / "pool", model="marks-elements", fold=1, options=options,
                   others=[less])  # fmt: skip


def test_genes_of_another_assembly_are_predicted_by_all_folds(files, genes):
    for fold in range(3):
        train(files, "marks-ridge", fold)
    other = genes.assign(chrom=genes["chrom"].replace("chr1", "chrA")).astype({"high": int})
    write_tsv(other, files / "other.tsv")
    dirs = [files / f"model{k}" for k in range(3)]
    args = (files / "other.tsv", files / "marks.h5", dirs)
    with pytest.raises(InputError, match="chrA are held out by none of the trained folds"):
        predict_expression(*args, files / "p.tsv")
    predict_expression(*args, files / "p.tsv", unseen=True)
    found = read_tsv(files / "p.tsv")["predicted_level"]
    each = []
    for fold in dirs:
        predict_expression(*args[:2], [fold], files / "q.tsv", unseen=True)
        each.append(read_tsv(files / "q.tsv")["predicted_level"])
    np.testing.assert_allclose(found, np.mean(each, axis=0), rtol=1e-5)


def test_a_model_with_elements_asks_for_them(files, marks):
    marks.save(files / "marks.h5")
    for model in ("marks-elements", "chromoformer"):
        with pytest.raises(InputError, match="reads elements, and the genes have none"):
            train(files, model, 0)


def test_a_random_split_leaves_a_gene_out_and_not_its_neighbours(files, genes):
    train_folds(files / "genes.tsv", files / "marks.h5", files / "all",
                model="marks-ridge", options=MODELS["marks-ridge"] | {"split": "random"},
                seed=3)  # fmt: skip
    folds = random_folds(genes["gene"], 3, 3)
    assert (np.bincount(folds) > 60).all()
    for fold in range(3):
        splits = read_tsv(files / "all" / str(fold) / "splits.tsv")
        assert splits.groupby("part")["chrom"].nunique().tolist() == [6, 6]
        test = splits[splits["part"] == "test"]
        assert test["n_genes"].sum() == (folds == fold).sum()
    predict_expression(files / "genes.tsv", files / "marks.h5", fold_dirs(files / "all"),
                       files / "p.tsv")  # fmt: skip
    table = read_tsv(files / "p.tsv")
    assert table["predicted_level"].notna().all()
    assert _r(table) > 0.8
    with pytest.raises(InputError, match="split 'genes' of 'marks-ridge'; expected chromosome or"):
        train(files, "marks-ridge", 0, split="genes")
