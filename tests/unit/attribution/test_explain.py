"""Tables of attributed sets and along a region; contrast and local baseline."""

import numpy as np
import pandas as pd
import pytest

from chromloom.attribution.attribute import attribute_chromosome
from chromloom.attribution.explain import explain_sets, read_locus
from chromloom.attribution.scores import contrast_directions
from chromloom.errors import InputError
from chromloom.genome.bins import make_bins
from chromloom.models.trained import TrainedModel
from chromloom.representations.neutral import average_neighbours


def test_the_contrast_jumps_where_contacts_turn():
    """Domains of ten bins: left halves act as rows, right halves as columns."""
    place = np.tile(np.arange(10), 5)
    row, column = 9.0 - place, place.astype(float)
    row[17] = np.nan
    contrast = contrast_directions(row, column)
    assert np.isnan(contrast[17])
    assert np.isnan(contrast[0])
    direction = row - column
    for k in (5, 20, 29, 33):
        expected = direction[k + 1 : k + 3].mean() - direction[k - 2 : k].mean()
        np.testing.assert_allclose(contrast[k], expected)
    assert set(np.flatnonzero(contrast > 0) % 10) == {8, 9, 0, 1}
    assert np.nanargmax(contrast) % 10 in (9, 0)


def test_the_local_baseline_is_the_mean_of_the_neighbours(tiny_model_dir):
    model = TrainedModel.load(tiny_model_dir())
    R, mask = model.representation("chr3"), model.mask("chr3")
    null = average_neighbours(R, mask)
    around = [k for k in range(2, 23) if k != 12 and not mask[k]]
    np.testing.assert_allclose(null[12], R[around].mean(axis=0), rtol=1e-5)
    result = attribute_chromosome(model, "chr3", baseline="local")
    filled = np.where(mask[:, None], 0, null)
    base = model.predict_band("chr3", 0, 30, representation=filled, mask=mask)
    assert result.baseline_total == pytest.approx(np.nansum(base), rel=1e-4)
    assert result.completeness_error <= 0.01


@pytest.fixture
def attribution(tmp_path):
    rng = np.random.default_rng(0)
    table = make_bins(pd.Series({"chr1": 3_000_000, "chr2": 2_000_000}), 10_000)
    table["z"] = rng.standard_normal(len(table)) + 2.0 * (np.arange(len(table)) % 25 == 0)
    table["normalised"] = table["z"] / 5
    table.loc[::31, ["z", "normalised"]] = np.nan
    table.to_parquet(tmp_path / "a.parquet")
    track = table[["chrom", "start", "end", "z"]].dropna()
    track.to_csv(tmp_path / "t.bedgraph", sep="\t", header=False, index=False)
    return tmp_path


DOMAINS = pd.DataFrame(
    {"chrom": "chr1", "start": [500_000, 1_500_000], "end": [1_000_000, 2_500_000]}
)


def sets_of(folder):
    bins = pd.read_parquet(folder / "a.parquet")
    place = np.arange(len(bins)) % 25
    inside = (bins["chrom"] == "chr1") & bins["start"].between(500_000, 990_000)
    return {"sites": place == 0, "others": place == 7, "domains": inside.to_numpy()}


def test_sets_are_ranked_and_compared(attribution):
    out, sets = attribution / "out", sets_of(attribution)
    explain_sets(
        attribution / "a.parquet",
        sets,
        out,
        domains=DOMAINS,
        comparisons={"sites": ("sites", "others"), "in": ("sites&domains", "sites-domains")},
    )
    names = {"ranking.tsv", "comparisons.tsv", "profile.tsv", "values.parquet"}
    assert {path.name for path in out.iterdir()} == names
    ranking = pd.read_csv(out / "ranking.tsv", sep="\t")
    assert ranking["name"][0] == "sites"
    assert ranking["q_value"][0] < 0.05
    comparisons = pd.read_csv(out / "comparisons.tsv", sep="\t").set_index("name")
    assert comparisons.loc["sites", "p_value"] < 0.05
    assert (
        comparisons.loc["in", "n_first"] + comparisons.loc["in", "n_second"] == ranking["n_bins"][0]
    )
    assert len(pd.read_csv(out / "profile.tsv", sep="\t")) == 20
    values = pd.read_parquet(out / "values.parquet").groupby("name")["value"]
    assert values.mean()["sites"] == pytest.approx(ranking["mean"][0], rel=1e-5)
    sizes = values.size()
    assert sizes["sites"] == ranking["n_bins"][0]
    assert sizes["in: 1"] == comparisons.loc["in", "n_first"]


def test_without_sets_comparisons_and_domains_the_tables_are_empty(attribution):
    explain_sets(attribution / "a.parquet", {}, attribution / "out")
    for name in ("ranking", "comparisons", "profile"):
        table = pd.read_csv(attribution / "out" / f"{name}.tsv", sep="\t")
        assert table.empty
        assert len(table.columns) > 4
    assert pd.read_parquet(attribution / "out" / "values.parquet").empty


def test_a_locus_has_its_tracks(attribution):
    table = read_locus(
        attribution / "a.parquet",
        ("chr1", 500_000, 1_500_000),
        tracks={"signal": attribution / "t.bedgraph"},
    )
    assert len(table) == 100
    np.testing.assert_allclose(table["signal"], table["z"], rtol=1e-6)


def test_reports_that_cannot_be_made(attribution):
    sets, parquet, out = sets_of(attribution), attribution / "a.parquet", attribution / "o"
    with pytest.raises(InputError, match="no column 'w'"):
        explain_sets(parquet, sets, out, column="w")
    with pytest.raises(InputError, match="'TADs' is none of sites"):
        explain_sets(parquet, sets, out, comparisons={"a": ("sites", "TADs")})
    with pytest.raises(InputError, match="holds no bin"):
        read_locus(parquet, ("chr1", 9_000_000, 9_100_000))
    whole = parquet.read_bytes()
    for damage in (b"", whole[: len(whole) // 2], b"x" * 999):
        parquet.write_bytes(damage)
        with pytest.raises(InputError, match=r"a.parquet cannot be read"):
            explain_sets(parquet, sets, out)
