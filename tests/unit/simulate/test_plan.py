"""The plan: drawn from its seed, consistent, within its chromosomes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromloom.errors import InputError
from chromloom.simulate.plan import COVERS, POINTS, make_plan, other_cell_type

SIZES = {"chr1": 8_000_000, "chr2": 4_050_000}


def test_same_seed_same_plan(simulated):
    again = make_plan(3, chromsizes=SIZES, resolution=20_000)
    other = make_plan(4, chromsizes=SIZES, resolution=20_000)
    for name in (*COVERS, *POINTS):
        pd.testing.assert_frame_equal(getattr(simulated, name), getattr(again, name))
    assert not simulated.sites["start"].equals(other.sites["start"])


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), length=st.integers(2_000_000, 5_000_000))
def test_tables_lie_on_the_chromosome_sorted_and_covers_do_not_overlap(seed, length):
    plan = make_plan(seed, chromsizes={"x": length}, resolution=20_000)
    for name in (*COVERS, *POINTS):
        table = getattr(plan, name)
        assert (table["start"] >= 0).all(), name
        assert (table["start"] < table["end"]).all(), name
        assert (table["end"] <= length).all(), name
        assert table["start"].is_monotonic_increasing, name
        if name in COVERS:
            assert (table["start"].to_numpy()[1:] >= table["end"].to_numpy()[:-1]).all(), name
    for name in ("compartments", "landscape"):
        table = getattr(plan, name)
        assert (table["end"] - table["start"]).sum() == length
    assert plan.sites["strength"].between(0, 0.95).all()
    assert plan.landscape["gc"].between(0.3, 0.65).all()


def test_no_element_in_a_gap(simulated):
    assert len(simulated.gaps)
    for name in POINTS:
        for gap in simulated.gaps.itertuples():
            rows = simulated.rows(name, gap.chrom)
            assert not ((rows["start"] < gap.end) & (rows["end"] > gap.start)).any()


def test_domains_end_in_convergent_sites(simulated):
    strong = simulated.sites[simulated.sites["strength"] >= 0.6]
    strand = strong["strand"].to_numpy()
    following = strand[1:] + strand[:-1]
    # around a domain "+ … -", across a boundary "- +": both far likelier than "++" and "--"
    assert np.isin(following, ["+-", "-+"]).mean() > 0.7


def test_other_cell_type_shares_most_of_the_plan(simulated):
    other = other_cell_type(simulated, "B", seed=1)
    pd.testing.assert_frame_equal(other.landscape, simulated.landscape)
    pd.testing.assert_frame_equal(
        other.sites.drop(columns="strength"), simulated.sites.drop(columns="strength")
    )
    bound = simulated.sites["strength"] > 0
    lost = (other.sites["strength"][bound] == 0).mean()
    assert 0.1 < lost < 0.3
    assert (other.sites["strength"][~bound] > 0).any()
    changed = (other.genes["propensity"] != simulated.genes["propensity"]).mean()
    assert 0.05 < changed < 0.3
    assert simulated.cell_type == "A"
    assert other.cell_type == "B"


def test_too_short_a_chromosome_is_an_error():
    with pytest.raises(InputError, match=r"'tiny' is 900,000 bp.*100 bins of 10,000"):
        make_plan(0, chromsizes={"tiny": 900_000}, resolution=10_000)
