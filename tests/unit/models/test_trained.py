"""Model folders: written, read, predicted from; and what is said of bad ones."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from chromloom.errors import CheckpointError, InputError
from chromloom.models.hiclstm.settings import HiCLSTMSettings
from chromloom.models.trained import TrainedModel, resolve_device
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.probability import contact_probability, mean_contact_probability
from chromloom.training.fit import train
from chromloom.training.targets import transform

SMALL = {"embedding_dim": 4, "frame": 25, "tile_rows": 32, "epochs": 1}


@pytest.fixture(scope="module")
def tiny_map(tiny_map_path):
    return NormalizedMap(tiny_map_path)


@pytest.fixture(scope="module")
def folders(tiny_map_path, tmp_path_factory):
    """A trained model of each preset."""
    root = tmp_path_factory.mktemp("models")
    for preset, changes in {
        "paper": {"hidden_size": 4},
        "refined": {"hidden_size": 4},
        "eig": {"epochs": 0},
        "released": {"frame": 20},
    }.items():
        settings = HiCLSTMSettings.from_preset(preset, **(SMALL | changes))
        train(tiny_map_path, root / preset, settings, seed=5, device="cpu")
    return root


@pytest.fixture(scope="module", params=["paper", "refined", "eig", "released"])
def trained(request, folders):
    return TrainedModel.load(folders / request.param)


def test_folder_holds_what_the_contract_says(folders, tiny_map):
    folder = folders / "refined"
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "model.safetensors",
        "config.json",
        "bins.parquet",
        "expected.tsv",
        "history.tsv",
    }
    config = json.loads((folder / "config.json").read_text())
    assert config["seed"] == 5
    assert config["device"] == "cpu"
    assert config["versions"]["torch"] == torch.__version__
    assert config["settings"]["preset"] == "refined"
    model = TrainedModel.load(folder)
    assert model.chromnames == tiny_map.chromnames
    assert model.bins[["chrom", "start", "end"]].equals(tiny_map.bins[["chrom", "start", "end"]])
    np.testing.assert_array_equal(model.mask("chr2"), tiny_map.mask("chr2"))


def test_representation_is_nan_exactly_where_masked(trained):
    R = trained.representation("chr1")
    assert R.shape == (120, 4)
    assert R.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(R).all(1), trained.mask("chr1"))
    np.testing.assert_array_equal(np.isnan(R).any(1), trained.mask("chr1"))


def test_band_has_values_exactly_where_there_are_pairs(trained, tiny_map):
    for chrom, lo, hi in [("chr1", 0, 120), ("chr1", 37, 60), ("chr3", 20, 30)]:
        band = trained.predict_band(chrom, lo, hi)
        observed = tiny_map.band(chrom, lo, hi)
        assert band.shape == observed.shape
        assert band.dtype == np.float32
        np.testing.assert_array_equal(np.isnan(band), np.isnan(observed))


def test_prediction_does_not_depend_on_the_block_of_rows(trained):
    whole = trained.predict_band("chr1", 0, 120)
    for lo, hi, max_dist in [(40, 41, None), (40, 70, 33), (0, 120, 3), (110, 120, 400)]:
        part = trained.predict_band("chr1", lo, hi, max_dist=max_dist)
        assert len(part) == min(120 - lo, max_dist or 120)
        np.testing.assert_allclose(part, whole[: len(part), lo:hi], atol=2e-6)


def test_torch_prediction_is_the_same_with_zeros_where_there_is_no_pair(trained):
    R = torch.from_numpy(np.nan_to_num(trained.representation("chr1"), nan=7.0)).requires_grad_()
    y = trained.predict_torch("chr1", R, 10, 60, 5, 71)
    band = trained.predict_band("chr1", 10, 60)[5:71]
    np.testing.assert_allclose(y.detach().numpy(), np.nan_to_num(band), atol=2e-6)
    y.sum().backward()
    gradient = R.grad.numpy()
    assert np.isfinite(gradient).all()
    assert (gradient[trained.mask("chr1")] == 0).all()
    assert (gradient[~trained.mask("chr1")] != 0).any()


def test_gradient_of_the_prediction_is_its_slope(folders):
    trained = TrainedModel.load(folders / "refined")
    R = torch.from_numpy(np.nan_to_num(trained.representation("chr2"))).requires_grad_()
    trained.predict_torch("chr2", R, 0, 80, 0, 80).sum().backward()
    step = np.random.default_rng(0).normal(size=R.shape).astype(np.float32)
    ends = [
        np.nansum(
            trained.predict_band("chr2", 0, 80, representation=R.detach().numpy() + e * step),
            dtype=float,
        )
        for e in (1e-2, -1e-2)
    ]
    slope = float((R.grad * torch.from_numpy(step)).sum())
    np.testing.assert_allclose((ends[0] - ends[1]) / 2e-2, slope, rtol=2e-3)


def test_edited_chromosome_of_another_length(trained):
    R = trained.representation("chr2")
    mask = trained.mask("chr2")
    same = trained.predict_band("chr2", 0, 80, representation=R)
    np.testing.assert_array_equal(same, trained.predict_band("chr2", 0, 80))
    kept = np.delete(np.arange(80), np.arange(50, 60))
    edited = trained.predict_band("chr2", 0, 70, representation=R[kept], mask=mask[kept])
    assert edited.shape == (70, 70)
    doubled = np.concatenate([R, R])
    longer = trained.predict_band("chr2", 0, 20, representation=doubled)
    assert longer.shape == (160, 20)
    np.testing.assert_array_equal(np.isnan(longer[60, :20]), mask[:20] | mask[60:80])


def test_a_deletion_changes_only_pairs_that_span_it(folders):
    for preset in ("paper", "refined", "eig"):
        trained = TrainedModel.load(folders / preset)
        R, mask = trained.representation("chr2"), trained.mask("chr2")
        kept = np.delete(np.arange(80), np.arange(50, 60))
        edited = trained.predict_band("chr2", 0, 70, representation=R[kept], mask=mask[kept])
        before = trained.predict_band("chr2", 0, 80)
        i, d = np.meshgrid(np.arange(70), np.arange(70))
        right, left = i >= 50, i + d < 50
        np.testing.assert_allclose(edited[left], before[d[left], i[left]], atol=2e-6)
        inside = right & (i + d < 70)
        np.testing.assert_allclose(edited[inside], before[d[inside], i[inside] + 10], atol=2e-6)


def test_value_and_target_are_inverse_up_to_the_recalibration(trained, tiny_map):
    value = tiny_map.band("chr1", 0, 120)
    expected = tiny_map.expected("chr1").band(0, 120)
    target = transform(value, expected, trained.settings.objective)
    counts = trained.settings.objective.loss == "poisson"
    if counts:
        target = np.log(np.maximum(target, 1e-30))
    factor = trained.recalibration[np.minimum(np.arange(120), len(trained.recalibration) - 1)]
    back = trained.to_value(target, expected)
    k = 0.0 if counts or trained.settings.objective.target == "cp" else trained.settings.objective.k
    wanted = np.maximum((value + k) * factor[:, None] - k, 0)
    kept = value > 1 if trained.settings.objective.target == "cp" else ~np.isnan(value)
    np.testing.assert_allclose(back[kept], wanted[kept], rtol=2e-3, atol=1e-5)
    later = trained.to_value(target[40:], expected[40:], first_dist=40)
    np.testing.assert_array_equal(later, back[40:])
    cp = trained.to_cp(target, expected)
    probability = mean_contact_probability if counts else contact_probability
    np.testing.assert_allclose(cp[kept], probability(wanted[kept]), rtol=5e-3, atol=1e-5)


def test_recalibrated_sums_are_those_of_the_map(folders, tiny_map):
    for preset in ("refined", "eig"):
        trained = TrainedModel.load(folders / preset)
        sums = np.zeros((2, 120))
        for chrom in tiny_map.chromnames:
            n = len(tiny_map.mask(chrom))
            expected = tiny_map.expected(chrom).band(0, n)
            predicted = trained.to_value(trained.predict_band(chrom, 0, n), expected)
            for row, band in zip(sums, (tiny_map.band(chrom, 0, n), predicted)):
                row[:n] += np.nansum(band, axis=1)
        np.testing.assert_allclose(sums[1, 2:10], sums[0, 2:10], rtol=1e-3)  # nothing is clipped
        np.testing.assert_allclose(sums[1, 10:90].sum(), sums[0, 10:90].sum(), rtol=0.05)


def _damage(folder, name, how):
    path = folder / name
    if how == "remove":
        path.unlink()
    elif how == "truncate":
        path.write_bytes(path.read_bytes()[:-100])
    elif how == "text":
        path.write_text("not what it should be")


@pytest.mark.parametrize(
    ("name", "how", "message"),
    [
        ("model.safetensors", "remove", "model.safetensors is missing; train the model"),
        ("model.safetensors", "truncate", "cannot be read as safetensors"),
        ("model.safetensors", "text", "cannot be read as safetensors"),
        ("config.json", "remove", "not a whole model folder"),
        ("config.json", "truncate", "not a whole model folder"),
        ("bins.parquet", "text", "not a whole model folder"),
        ("expected.tsv", "remove", "not a whole model folder"),
    ],
)
def test_damaged_folders_are_named(folders, tmp_path, name, how, message):
    shutil.copytree(folders / "paper", tmp_path / "model")
    _damage(tmp_path / "model", name, how)
    with pytest.raises(CheckpointError, match=message):
        TrainedModel.load(tmp_path / "model")


def test_a_table_that_was_cut_at_the_end_of_a_line_is_named(folders, tmp_path):
    path = shutil.copytree(folders / "paper", tmp_path / "model") / "expected.tsv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(InputError, match=r"expected\.tsv has .* it was cut or changed"):
        TrainedModel.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embedding": torch.zeros(7, 4)}, r"'embedding' has shape \(7, 4\), expected \(230, 4\)"),
        ({"directions.0.w": None}, r"no parameter 'directions.0.w' \(expected shape \(4,\)\)"),
        ({"S": torch.zeros(2)}, "has the parameters S, which these model settings lack"),
        ({"recalibration": None}, "not a whole model folder"),
    ],
)
def test_checkpoint_of_another_shape_is_named(folders, tmp_path, change, message):
    shutil.copytree(folders / "paper", tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    tensors = load_file(path) | change
    save_file({k: v for k, v in tensors.items() if v is not None}, path)
    with pytest.raises(CheckpointError, match=message):
        TrainedModel.load(tmp_path / "model")


def test_settings_of_another_version_are_named(folders, tmp_path):
    shutil.copytree(folders / "paper", tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text())
    config["settings"]["colour"] = "blue"
    path.write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="colour"):
        TrainedModel.load(tmp_path / "model")


def test_a_folder_of_an_older_version_is_to_be_trained_again(folders, tmp_path):
    shutil.copytree(folders / "paper", tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text())
    del config["model"]
    path.write_text(json.dumps(config))
    with pytest.raises(
        CheckpointError, match=r"written by an older version.*train the model again"
    ):
        TrainedModel.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("preset", "name"), [("eig", "eig"), ("paper", "hiclstm-paper"), ("refined", "hiclstm-refined")]
)
def test_a_model_is_called_as_in_the_registry(folders, preset, name):
    assert TrainedModel.load(folders / preset).name == name


def test_unknown_chromosome_and_device_are_named(folders):
    model = TrainedModel.load(folders / "eig")
    with pytest.raises(InputError, match="no chromosome 'chr9'; it has chr1, chr2, chr3"):
        model.representation("chr9")
    with pytest.raises(InputError, match="device 'tpu' is unknown"):
        TrainedModel.load(folders / "eig", device="tpu")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="torch sees no GPU"):
            resolve_device("cuda")
    assert resolve_device("cpu") == torch.device("cpu")
