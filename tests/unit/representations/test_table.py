"""The representation table in each of its forms."""

import json

import anndata
import numpy as np
import pandas as pd
import pyBigWig
import pytest

from chromloom.errors import InputError
from chromloom.models.hiclstm.settings import HiCLSTMSettings
from chromloom.models.trained import TrainedModel
from chromloom.representations.parquet import (
    read_representations,
    representation_columns,
    write_representations,
)
from chromloom.representations.table import export_representations
from chromloom.training.fit import train


@pytest.fixture(scope="module")
def exported(tiny_map_path, tmp_path_factory):
    """Folder of a model and its exports."""
    folder = tmp_path_factory.mktemp("exports")
    settings = HiCLSTMSettings.from_preset("eig", embedding_dim=12)
    train(tiny_map_path, folder / "model", settings, device="cpu")
    export_representations(
        folder / "model", folder / "r.parquet", folder / "r.h5ad", folder / "bigwig"
    )
    return folder


def test_table_has_one_row_a_bin_and_nan_where_masked(exported):
    table = read_representations(exported / "r.parquet")
    model = TrainedModel.load(exported / "model")
    columns = representation_columns(table)
    assert table.columns.tolist() == ["chrom", "start", "end", "masked", *columns]
    assert columns == [f"r{k}" for k in range(12)]  # r10 after r9
    assert len(table) == 230
    assert (table[columns].dtypes == np.float32).all()
    np.testing.assert_array_equal(table[columns].isna().all(axis=1), table["masked"])
    own = table.loc[table["chrom"] == "chr2", columns].to_numpy()
    np.testing.assert_array_equal(own, model.representation("chr2"))


def test_h5ad_opens_with_bins_as_observations(exported):
    data = anndata.read_h5ad(exported / "r.h5ad")
    table = read_representations(exported / "r.parquet")
    assert data.shape == (230, 12)
    assert data.obs_names[1] == "chr1:10000-20000"
    assert data.obs["masked"].tolist() == table["masked"].tolist()
    np.testing.assert_array_equal(data.X, table[representation_columns(table)])
    assert json.loads(data.uns["model"])["sample"] == "tiny"


def test_bigwigs_hold_each_dimension_and_the_length(exported):
    table = read_representations(exported / "r.parquet")
    columns = representation_columns(table)
    names = {path.name for path in (exported / "bigwig").iterdir()}
    assert names == {f"{column}.bw" for column in columns} | {"norm.bw"}
    for name, track in [("r3", table["r3"]), ("norm", np.linalg.norm(table[columns], axis=1))]:
        file = pyBigWig.open(str(exported / "bigwig" / f"{name}.bw"))
        assert file.chroms() == {"chr1": 1_195_000, "chr2": 800_000, "chr3": 300_000}
        for chrom, size in file.chroms().items():
            own = np.asarray(track)[table["chrom"] == chrom]
            read = file.values(chrom, 0, size)[::10_000]
            np.testing.assert_allclose(read, own, rtol=1e-6)
        file.close()


@pytest.mark.parametrize("how", ["missing", "text", "other"])
def test_bad_tables_are_named(tmp_path, how):
    path = tmp_path / "table.parquet"
    if how == "text":
        path.write_text("chrom start end")
    elif how == "other":
        pd.DataFrame({"chrom": ["chr1"], "start": [0]}).to_parquet(path)
    message = "lacks the columns end, masked, r0" if how == "other" else "cannot be read"
    with pytest.raises(InputError, match=message):
        read_representations(path)


def test_a_table_without_dimensions_is_not_written(tmp_path):
    table = pd.DataFrame({"chrom": ["chr1"], "start": [0], "end": [1], "masked": [False]})
    with pytest.raises(InputError, match="lacks the columns r0"):
        write_representations(table, tmp_path / "t.parquet")
    assert not list(tmp_path.iterdir())
