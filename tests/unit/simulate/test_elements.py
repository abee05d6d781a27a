"""Labels follow from the plan, and from the edited plan."""

import numpy as np
import pytest

from chromloom.simulate import elements
from chromloom.simulate.contacts import bin_edges, compartment_property
from chromloom.simulate.edits import remove_sites
from chromloom.simulate.plan import make_plan, other_cell_type


def test_loops_have_convergent_anchors(simulated):
    loops = elements.find_loops(simulated)
    assert len(loops) > 10
    strand = simulated.sites.set_index(["chrom", "start"])["strand"]
    assert (strand.loc[list(zip(loops["chrom1"], loops["motif1"]))] == "+").all()
    assert (strand.loc[list(zip(loops["chrom2"], loops["motif2"]))] == "-").all()
    for side in "12":
        motif = loops[f"motif{side}"]
        assert ((motif >= loops[f"start{side}"]) & (motif < loops[f"end{side}"])).all()
    assert (loops["score"] >= 1.5).all()
    assert (loops["start2"] - loops["start1"] <= 2_000_000).all()


def test_there_are_boundaries_with_and_without_ctcf_and_both_levels():
    plan = make_plan(0, chromsizes={"x": 20_000_000, "y": 20_000_000}, resolution=20_000)
    boundaries = elements.find_boundaries(plan)
    assert set(boundaries["level"]) == {"TAD", "subTAD"}
    assert set(boundaries["ctcf"]) == {True, False}
    domains = elements.find_domains(plan)
    assert set(domains["level"]) == {"TAD", "subTAD"}
    assert 0.2 < domains["loop"].mean() < 0.95
    assert 150_000 < (domains["end"] - domains["start"]).median() < 800_000


def test_domains_of_one_level_do_not_overlap_and_subtads_lie_in_tads(simulated):
    domains = elements.find_domains(simulated)
    for _, rows in domains.groupby(["chrom", "level"]):
        assert (rows["start"].to_numpy()[1:] >= rows["end"].to_numpy()[:-1]).all()
    tads = domains[domains["level"] == "TAD"]
    assert (domains["level"] == "subTAD").any()
    for row in domains[domains["level"] == "subTAD"].itertuples():
        own = tads[(tads["chrom"] == row.chrom) & (tads["start"] <= row.start)]
        crossed = own[(own["end"] > row.start) & (own["end"] < row.end)]
        assert crossed.empty


def test_expression_is_higher_in_a_and_rises_with_enhancers_in_reach(simulated):
    genes = elements.gene_expression(simulated)
    transcription = np.concatenate(
        [
            compartment_property(simulated, chrom, 1)[
                genes.query("chrom == @chrom")["tss"] // 20_000
            ]
            for chrom in simulated.chromsizes.index
        ]
    )
    active = transcription > 0.5
    assert genes["expression"][active].mean() > 4 * genes["expression"][~active].mean()
    silent = simulated.enhancers.assign(activity=0.0)
    without = elements.gene_expression(
        type(simulated)(**{**_fields(simulated), "enhancers": silent})
    )
    assert (genes["expression"] >= without["expression"] - 1e-9).all()
    assert (genes["expression"] > 1.2 * without["expression"]).mean() > 0.3


def _fields(plan):
    return {
        name: getattr(plan, name) for name in plan.__dataclass_fields__ if not name.startswith("_")
    }


def test_losing_boundaries_lets_enhancers_reach_further(simulated):
    opened = remove_sites(simulated, "chr1", 0, 8_000_000)
    before = elements.gene_expression(simulated)["expression"]
    after = elements.gene_expression(opened)["expression"]
    assert (after >= before - 1e-9).all()
    assert after.sum() > 1.02 * before.sum()


def test_enhancer_promoter_pairs(simulated):
    pairs = elements.find_enhancer_promoter_pairs(simulated)
    share = pairs["label"].mean()
    assert 0.02 < share < 0.6
    assert (pairs.loc[pairs["label"] == 1, "passage"] >= 0.5).all()
    assert (pairs.loc[pairs["label"] == 0, "passage"] < 0.2).all()
    assert pairs[pairs["label"] == 1].groupby("gene").size().max() <= 2
    assert not pairs.duplicated(["enhancer", "gene"]).any()


def test_replication_timing_follows_compartments(simulated):
    timing = elements.replication_timing(simulated).query("chrom == 'chr1'")
    planned = compartment_property(simulated, "chr1", 2)[timing["start"] // 20_000]
    assert np.corrcoef(timing["timing"], planned)[0, 1] > 0.85


def test_states_tile_all_but_the_gaps(simulated):
    states = elements.paint_states(simulated)
    covered = (states["end"] - states["start"]).sum()
    gaps = (simulated.gaps["end"] - simulated.gaps["start"]).sum()
    assert covered == simulated.chromsizes.sum() - gaps
    for _, rows in states.groupby("chrom"):
        assert (rows["start"].to_numpy()[1:] >= rows["end"].to_numpy()[:-1]).all()
    assert "1_TssA" in set(states["name"])


def test_noise_of_a_mark_is_that_of_its_cell_type(simulated):
    """Else a track of one cell type tells another's."""
    other = other_cell_type(simulated, "other", seed=1)
    tracks = [elements.signal_track(plan, "H3K4me3")["chr1"] for plan in (simulated, other)]
    low = np.all([track < 2 for track in tracks], axis=0)  # away from peaks
    assert abs(np.corrcoef(*(track[low] for track in tracks))[0, 1]) < 0.1


def test_the_five_marks_follow_from_the_plan(simulated):
    """Each is higher where its cause lies than elsewhere, and missing in gaps."""
    expressed = elements.gene_expression(simulated).query("expressed and chrom == 'chr1'")["tss"]
    sites = simulated.rows("sites", "chr1").query("strength > 0.5")["start"]
    enhancers = simulated.rows("enhancers", "chr1").query("activity > 0.5")
    enhancers = (enhancers["start"] + enhancers["end"]) // 2
    causes = {
        "DNase": [expressed, sites, enhancers],
        "H3K4me3": [expressed],
        "H3K27ac": [expressed, enhancers],
        "CTCF": [sites],
    }
    assert {*causes, "H3K27me3"} == set(elements.SIGNALS)
    for name, places in causes.items():
        track = elements.signal_track(simulated, name)["chr1"]
        for place in places:
            there = track[(place // elements.SIGNAL_STEP).to_numpy()]
            assert np.nanmean(there) > 3 * np.nanmedian(track), name
    track = elements.signal_track(simulated, "H3K27me3")["chr1"]
    name = np.empty(len(track), dtype=object)
    for row in simulated.rows("compartments", "chr1").itertuples():
        name[row.start // elements.SIGNAL_STEP : -(-row.end // elements.SIGNAL_STEP)] = row.name
    assert np.nanmean(track[name == "B1"]) > 4 * np.nanmean(track[name != "B1"])
    assert np.isnan(track).any()


def test_peaks_lie_on_the_chromosome_and_signal_has_them(simulated):
    for name, peaks in elements.find_peaks(simulated).items():
        assert (peaks["start"] >= 0).all()
        assert (peaks["end"] <= peaks["chrom"].map(simulated.chromsizes)).all()
        assert len(peaks) > 20, name
    track = elements.signal_track(simulated, "CTCF")["chr1"]
    peaks = elements.find_peaks(simulated)["CTCF"].query("chrom == 'chr1'")
    at = (peaks["start"] + peaks["summit"]) // elements.SIGNAL_STEP
    assert track[at].mean() > 10 * np.nanmedian(track)
    assert np.isnan(track[0])  # the telomere


def test_cohesin_is_a_subset_of_ctcf_and_enhancers(simulated):
    peaks = elements.find_peaks(simulated)
    assert len(peaks["SMC3"]) < len(peaks["RAD21"])


def test_other_cell_type_differs_in_its_labels(simulated):
    other = other_cell_type(simulated, "B", seed=1)
    here, there = elements.find_loops(simulated), elements.find_loops(other)
    key = ["chrom1", "start1", "start2"]
    shared = here.merge(there, on=key)
    assert 0.3 * len(here) < len(shared) < len(here)
    changed = (
        elements.gene_expression(simulated)["expression"]
        != elements.gene_expression(other)["expression"]
    )
    assert changed.mean() > 0.1


@pytest.mark.parametrize("chrom", ["chr1", "chr2"])
def test_fires_are_whole_bins(simulated, chrom):
    fires = elements.find_fires(simulated).query("chrom == @chrom")
    assert np.isin(fires["start"], bin_edges(simulated, chrom)).all()
    assert (fires["score"] >= 0.6).all()
