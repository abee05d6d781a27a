"""The quality table against a dense count, thinning and halves against binomial draws."""

import cooler
import numpy as np
import pandas as pd
import pytest

from chromloom.contacts.qc import contacts_qc, require_trans
from chromloom.contacts.thin import thin_contacts
from chromloom.errors import InputError


@pytest.fixture
def mcool(files, extract):
    return extract(files.cool(), resolutions=[10_000, 50_000]).path


def dense(path, resolution=10_000):
    return cooler.Cooler(f"{path}::/resolutions/{resolution}").matrix(balance=False)[:]


def test_table_equals_a_dense_count(files, mcool):
    table = contacts_qc(str(mcool))
    assert list(table["chrom"].unique()) == [*files.sizes.index, "all"]
    for resolution in (10_000, 50_000):
        matrix = files.coarse(resolution)
        clr = cooler.Cooler(f"{mcool}::/resolutions/{resolution}")
        chrom = clr.bins()["chrom"][:].astype(str).to_numpy()
        rows = table[table["resolution"] == resolution].set_index("chrom")
        covered = matrix.any(axis=1)
        for name in files.sizes.index:
            on = chrom == name
            block = matrix[np.ix_(on, on)]
            cis, trans = np.triu(block).sum(), matrix[np.ix_(on, ~on)].sum()
            row = rows.loc[name]
            assert (row["cis_contacts"], row["trans_contacts"]) == (cis, trans)
            assert row["contacts"] == cis + trans
            assert row["cis_share"] == pytest.approx(cis / (cis + trans))
            assert (row["n_bins"], row["covered_bins"]) == (on.sum(), covered[on].sum())
            assert row["depth"] == pytest.approx((cis + trans) / covered[on].sum())
            pair = np.triu(np.outer(covered[on], covered[on]), k=2)
            if pair.any():
                assert row["sparsity"] == pytest.approx((block[pair] == 0).mean())
            else:
                assert np.isnan(row["sparsity"])
        assert rows.loc["all", "contacts"] == np.triu(matrix).sum()
        assert rows["masked_bins"].isna().all()
        assert rows["reliable_distance"].isna().all()
    assert (table["sample"] == "s").all()


def test_the_table_says_how_far_pairs_are_more_than_noise(tmp_path):
    rng = np.random.default_rng(0)
    i, j = np.triu_indices(400, 0)
    rate = 4000 / (1 + j - i) * rng.gamma(4, 1 / 4, len(i))
    bins = pd.DataFrame({"chrom": "chr1", "start": np.arange(400) * 1000})
    bins = bins.assign(end=bins["start"] + 1000, weight=1.0)
    found = {}
    for name, depth, dtype in [("deep", 1, int), ("thin", 0.005, int), ("normalized", 1, float)]:
        pixels = pd.DataFrame({"bin1_id": i, "bin2_id": j, "count": rng.poisson(rate * depth)})
        path = str(tmp_path / f"{name}.mcool::/resolutions/1000")
        cooler.create_cooler(path, bins, pixels.astype({"count": dtype}), dtypes={"count": dtype})
        found[name] = contacts_qc(path).set_index("chrom")["reliable_distance"]
    assert found["deep"]["chr1"] == found["deep"]["all"] == 399_000
    assert 4000 < found["thin"]["chr1"] < 200_000
    assert found["normalized"].isna().all()


def test_a_map_without_trans_contacts_is_refused_by_its_table(mcool, tmp_path):
    table = contacts_qc(str(mcool))
    table.to_csv(tmp_path / "qc.tsv", sep="\t", index=False)
    require_trans(tmp_path / "qc.tsv", tmp_path / "trans.tsv")
    assert (pd.read_table(tmp_path / "trans.tsv")["trans_contacts"] > 0).all()
    table["trans_contacts"] = 0
    table.to_csv(tmp_path / "qc.tsv", sep="\t", index=False)
    with pytest.raises(InputError, match="sample 's' has no contacts between chromosomes"):
        require_trans(tmp_path / "qc.tsv", tmp_path / "none.tsv")
    assert not (tmp_path / "none.tsv").exists()


def test_masked_bins_and_status(files, extract):
    files.dense[31:56, 31:56] = 0
    path = extract(files.cool()).path
    uri = f"{path}::/resolutions/10000"
    assert contacts_qc(uri).set_index("chrom")["status"].to_dict() == {
        "chr1": "ok",
        "chr2": "empty",
        "chrX": "masked",
        "chrM": "masked",
        "all": "ok",
    }
    clr = cooler.Cooler(uri)
    weight = np.ones(len(clr.bins()))
    weight[:12] = np.nan
    cooler.create.append(uri, "bins", {"weight": weight})
    table = contacts_qc(uri).set_index("chrom")
    assert table["masked_bins"].to_dict() == {
        "chr1": 12,
        "chr2": 0,
        "chrX": 0,
        "chrM": 0,
        "all": 12,
    }
    assert table.loc["chr1", "status"] == "masked"


def test_empty_map_has_no_shares(files, extract):
    files.dense[:] = 0
    table = contacts_qc(str(files.cool()))
    assert (table["status"] == "empty").all()
    assert (table["contacts"] == 0).all()
    assert table[["cis_share", "sparsity", "depth"]].isna().all(axis=None)


def test_many_chunks_give_the_same_table_and_draws(mcool, tmp_path, monkeypatch):
    expected = contacts_qc(str(mcool))
    thin_contacts(mcool, tmp_path / "a.mcool", 0.4, 7)
    monkeypatch.setattr("chromloom.contacts.coolers.CHUNK", 37)
    pd.testing.assert_frame_equal(contacts_qc(str(mcool)), expected)
    thin_contacts(mcool, tmp_path / "b.mcool", 0.4, 7)
    np.testing.assert_array_equal(dense(tmp_path / "a.mcool"), dense(tmp_path / "b.mcool"))


def test_thinning_draws_binomially(files, mcool, tmp_path):
    thin_contacts(mcool, tmp_path / "t.mcool", 0.3, 3, sample="thin")
    drawn = dense(tmp_path / "t.mcool")
    i, j = np.nonzero(np.triu(files.dense))
    expected = np.random.default_rng(3).binomial(files.dense[i, j], 0.3)
    np.testing.assert_array_equal(drawn[i, j], expected)
    assert np.triu(drawn).sum() == expected.sum()
    clr = cooler.Cooler(f"{tmp_path / 't.mcool'}::/resolutions/50000")
    assert clr.info["sum"] == expected.sum()
    metadata = clr.info["metadata"]
    assert metadata["sample"] == "thin"
    assert metadata["assembly"] == "small"
    assert metadata["thinned"] == {"fraction": 0.3, "seed": 3, "complement": False}
    thin_contacts(mcool, tmp_path / "u.mcool", 0.3, 4)
    assert (dense(tmp_path / "u.mcool") != drawn).any()


def test_keeping_everything_changes_nothing(files, mcool, tmp_path):
    thin_contacts(mcool, tmp_path / "t.mcool", 1, 0)
    np.testing.assert_array_equal(dense(tmp_path / "t.mcool"), files.dense)


def test_halves_sum_to_the_map(files, mcool, tmp_path):
    a, b = tmp_path / "a.mcool", tmp_path / "b.mcool"
    thin_contacts(mcool, a, 0.5, 0)
    thin_contacts(mcool, b, 0.5, 0, complement=True, sample="half2")
    for resolution in (10_000, 50_000):
        np.testing.assert_array_equal(
            dense(a, resolution) + dense(b, resolution), files.coarse(resolution)
        )
    total = np.triu(files.dense).sum()
    assert abs(np.triu(dense(a)).sum() - total / 2) < 5 * np.sqrt(total / 4)
    assert cooler.Cooler(f"{b}::/resolutions/10000").info["metadata"]["sample"] == "half2"


def test_the_rest_and_the_drawn_share_no_read(files, mcool, tmp_path):
    thin_contacts(mcool, tmp_path / "a.mcool", 0.3, 4)
    thin_contacts(mcool, tmp_path / "b.mcool", 0.3, 4, complement=True, sample="rest")
    drawn, rest = dense(tmp_path / "a.mcool"), dense(tmp_path / "b.mcool")
    np.testing.assert_array_equal(drawn + rest, files.dense)
    share = np.triu(rest).sum() / np.triu(files.dense).sum()
    assert 0.65 < share < 0.75
    info = cooler.Cooler(f"{tmp_path}/b.mcool::/resolutions/10000").info["metadata"]
    assert info["thinned"] == {"fraction": 0.3, "seed": 4, "complement": True}


@pytest.mark.parametrize("fraction", [0, -0.1, 1.5])
def test_a_fraction_outside_zero_and_one_is_refused(mcool, tmp_path, fraction):
    with pytest.raises(InputError, match=r"expected one in \(0, 1\]"):
        thin_contacts(mcool, tmp_path / "t.mcool", fraction, 0)


def test_only_raw_coolers_can_be_thinned(files, extract, tmp_path):
    with pytest.raises(InputError, match="raw counts"):
        thin_contacts(files.hic(), tmp_path / "t.mcool", 0.5, 0)
    path = extract(files.dump(factor=0.5), float_counts=True).path
    with pytest.raises(InputError, match="float64 values"):
        thin_contacts(path, tmp_path / "t.mcool", 0.5, 0)
    assert not (tmp_path / "t.mcool").exists()
