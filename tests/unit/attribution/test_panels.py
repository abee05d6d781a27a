"""Element reports and locus figures as files; contrast and local baseline."""

import numpy as np
import pandas as pd
import pytest

from chromloom.attribution.attribute import attribute_chromosome
from chromloom.attribution.panels import draw_locus, explain_elements, peak_files
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
    sites = table[np.arange(len(table)) % 25 == 0]
    others = table[np.arange(len(table)) % 25 == 7]
    for name, own in (("sites.bed", sites), ("others.narrowPeak.gz", others)):
        own[["chrom", "start", "end"]].assign(
            name="x", score=0, strand="+", a=0, b=0, c=0, d=0
        ).to_csv(tmp_path / name, sep="\t", header=False, index=False)
    domains = pd.DataFrame(
        {"chrom": "chr1", "start": [500_000, 1_500_000], "end": [1_000_000, 2_500_000]}
    )
    domains.to_csv(tmp_path / "domains.txt", sep="\t", header=False, index=False)
    track = table[["chrom", "start", "end", "z"]].dropna()
    track.to_csv(tmp_path / "t.bedgraph", sep="\t", header=False, index=False)
    return tmp_path


def test_elements_are_ranked_compared_and_drawn(attribution):
    elements = {**peak_files(attribution), "domains": attribution / "domains.txt"}
    assert list(elements) == ["others", "sites", "domains"]
    explain_elements(
        attribution / "a.parquet",
        elements,
        attribution / "out",
        domains="domains",
        comparisons={"sites": ("sites", "others"), "in": ("sites&domains", "sites-domains")},
    )
    out = attribution / "out"
    assert {p.name for p in out.iterdir()} == {
        f"{name}.{suffix}"
        for name in ("ranking", "violins", "profile")
        for suffix in ("pdf", "png", "tsv")
    } | {"comparisons.tsv"}
    ranking = pd.read_csv(out / "ranking.tsv", sep="\t")
    assert ranking["name"][0] == "sites"
    assert ranking["q_value"][0] < 0.05
    comparisons = pd.read_csv(out / "comparisons.tsv", sep="\t").set_index("name")
    assert comparisons.loc["sites", "p_value"] < 0.05
    assert (
        comparisons.loc["in", "n_first"] + comparisons.loc["in", "n_second"] == ranking["n_bins"][0]
    )
    assert len(pd.read_csv(out / "profile.tsv", sep="\t")) == 20


def test_a_locus_is_drawn(attribution):
    draw_locus(
        attribution / "a.parquet",
        "chr1:500,000-1,500,000",
        attribution / "locus",
        tracks={"signal": attribution / "t.bedgraph"},
        elements={"sites": attribution / "sites.bed"},
    )
    table = pd.read_csv(attribution / "locus.tsv", sep="\t")
    assert len(table) == 100
    np.testing.assert_allclose(table["signal"], table["z"], rtol=1e-6)
    assert (attribution / "locus.png").stat().st_size > 1000


def test_reports_that_cannot_be_made(attribution):
    sites = {"sites": attribution / "sites.bed"}
    parquet = attribution / "a.parquet"
    with pytest.raises(InputError, match="no column 'w'"):
        explain_elements(parquet, sites, attribution / "o", column="w")
    with pytest.raises(InputError, match="'TADs' is none of sites"):
        explain_elements(parquet, sites, attribution / "o", comparisons={"a": ("sites", "TADs")})
    with pytest.raises(InputError, match="is not chrom:start-end"):
        draw_locus(parquet, "chr9:1-2", attribution / "o")
    with pytest.raises(InputError, match="holds no bin"):
        draw_locus(parquet, "chr1:9000000-9100000", attribution / "o")
    whole = parquet.read_bytes()
    for damage in (b"", whole[: len(whole) // 2], b"x" * 999):
        parquet.write_bytes(damage)
        with pytest.raises(InputError, match=r"a.parquet cannot be read"):
            explain_elements(parquet, sites, attribution / "o")
    (attribution / "empty").mkdir()
    with pytest.raises(InputError, match="holds no peak files"):
        peak_files(attribution / "empty")
