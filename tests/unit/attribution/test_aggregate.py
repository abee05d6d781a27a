"""Scores, element aggregates and motifs, against loops and simulated answers."""

import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chromloom.attribution.aggregate import (
    bins_overlapping,
    compare_sets,
    profile_domains,
    rank_sets,
)
from chromloom.attribution.scores import min_max_signed, z_score
from chromloom.errors import InputError
from chromloom.genome.bins import make_bins
from chromloom.sequence.motifs import CTCF_COUNTS, find_motifs

BINS = make_bins(pd.Series({"chr1": 4_000, "chr2": 2_005}), 10)


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    table = BINS.copy()
    table["z"] = rng.standard_normal(len(table))
    table.loc[::13, "z"] = np.nan
    return table


numbers = st.floats(-5, 5, allow_subnormal=False) | st.just(np.nan)
floats = st.lists(numbers, min_size=1, max_size=30).map(np.array)


@given(floats)
@example(np.array([2.2250738585072014e-308, -4.0]))
@example(np.array([-2.2250738585072014e-308, np.nan, 4.0, 0.0]))
def test_signed_min_max_keeps_sign_and_order(score):
    got = min_max_signed(score)
    known = np.isfinite(score)
    assert (np.isnan(got) == ~known).all()
    assert (np.sign(got[known]) == np.sign(score[known])).all()
    assert (np.abs(got[known]) <= 1).all()
    for sign in (1, -1):
        own = score[known] * sign > 0
        if own.any():
            assert np.abs(got[known][own]).max() == 1
            order = np.argsort(score[known][own])
            assert (np.diff(got[known][own][order]) >= 0).all()


def test_z_scores_ignore_masked_bins():
    got = z_score(np.array([1.0, 3.0, np.nan, 5.0]))
    np.testing.assert_allclose(got, np.array([-1, 0, np.nan, 1]) * 1.5**0.5)
    assert (z_score(np.array([2.0, 2.0])) == 0).all()
    assert np.isnan(z_score(np.array([np.nan]))).all()


def test_bins_overlapping_counts_one_base():
    regions = pd.DataFrame(
        {"chrom": ["chr1", "chr1", "chr2"], "start": [19, 40, 2000], "end": [21, 50, 2004]}
    )
    touched = bins_overlapping(regions, BINS)
    assert np.flatnonzero(touched).tolist() == [1, 2, 4, 600]
    assert not bins_overlapping(regions.iloc[:0], BINS).any()
    assert not bins_overlapping(regions.assign(chrom="chr9"), BINS).any()


def test_a_simulated_set_ranks_first_and_random_ones_are_not_significant(scores):
    rng = np.random.default_rng(1)
    simulated = rng.random(len(scores)) < 0.1
    scores.loc[simulated, "z"] += 1.5
    sets = {f"random{k}": rng.random(len(scores)) < 0.1 for k in range(8)}
    sets |= {"simulated": simulated, "none": np.zeros(len(scores), bool)}
    table = rank_sets(scores, sets, n_permutations=500).set_index("name")
    assert table.index[0] == "simulated"
    assert table.loc["simulated", "q_value"] < 0.05
    assert (table.filter(like="random", axis=0)["p_value"] > 0.01).all()
    assert table.loc["none", "n_bins"] == 0
    assert np.isnan(table.loc["none", "p_value"])
    kept = simulated & scores["z"].notna()
    assert table.loc["simulated", "n_bins"] == kept.sum()
    np.testing.assert_allclose(table.loc["simulated", "mean"], scores.loc[kept, "z"].mean())


def test_the_null_is_the_set_rotated_along_each_chromosome(scores):
    """With every rotation drawn many times its mean and spread are those of all rotations."""
    members = np.zeros(len(scores), bool)
    members[[3, 4, 5, 90]] = True
    one = scores[scores["chrom"] == "chr1"]
    table = rank_sets(one, {"set": members[: len(one)]}, n_permutations=20_000)
    values = one["z"].dropna().to_numpy()
    own = np.flatnonzero(members[: len(one)][one["z"].notna()])
    every = [values[(own + s) % len(values)].mean() for s in range(1, len(values))]
    np.testing.assert_allclose(table["random_mean"][0], np.mean(every), atol=0.01)
    np.testing.assert_allclose(table["random_sd"][0], np.std(every), rtol=0.05)


def test_p_values_hold_for_smooth_scores():
    """A slow wave and clustered sets: a shuffle of single bins would call most of them."""
    rng = np.random.default_rng(3)
    table = BINS[BINS["chrom"] == "chr1"].copy()
    slow = np.convolve(rng.standard_normal(len(table) + 60), np.ones(61), "valid")
    table["z"] = z_score(slow)
    low = 0
    for _ in range(60):
        start = rng.integers(0, len(table) - 20)
        members = np.zeros(len(table), bool)
        members[start : start + 20] = True
        low += rank_sets(table, {"set": members}, n_permutations=200)["p_value"][0] < 0.05
    assert low <= 9


def test_two_sets_are_compared(scores):
    rng = np.random.default_rng(2)
    first, second = rng.random((2, len(scores))) < 0.15
    scores.loc[first, "z"] += 1
    table = compare_sets(
        scores, {"simulated": (first, second), "empty": (first, first)}, n_permutations=500
    ).set_index("name")
    assert table.loc["simulated", "p_value"] < 0.05
    known = scores["z"].notna()
    expected = (
        scores.loc[first & known, "z"].mean() - scores.loc[second & ~first & known, "z"].mean()
    )
    np.testing.assert_allclose(table.loc["simulated", "difference"], expected)
    assert table.loc["empty", "n_second"] == 0
    assert np.isnan(table.loc["empty", "p_value"])


def test_domains_of_any_size_share_one_profile():
    """The score is the position inside the domain: the profile is the line 0.05 … 0.95."""
    table = BINS.copy()
    table["z"] = np.nan
    domains = pd.DataFrame(
        {"chrom": ["chr1", "chr1", "chr2"], "start": [500, 1500, 600], "end": [1000, 3500, 800]}
    )
    for row in domains.itertuples():
        inside = (table["chrom"] == row.chrom) & table["start"].between(row.start, row.end - 1)
        table.loc[inside, "z"] = (table["start"] + 5 - row.start) / (row.end - row.start)
    profile = profile_domains(table, domains, inside=10, flank=30)
    middle = profile[profile["part"] == "inside"]
    np.testing.assert_allclose(middle["mean"], np.arange(0.05, 1, 0.1))
    assert profile[profile["part"] != "inside"]["n"].sum() == 0
    assert profile["position"].tolist()[:3] == ["-0.03", "-0.02", "-0.01"]


def consensus():
    return "".join("ACGT"[k] for k in CTCF_COUNTS.argmax(axis=0))


def test_motifs_are_found_with_their_strand(tmp_path):
    rng = np.random.default_rng(0)
    letters = rng.choice(list("ACGT"), 3000)
    letters[100:119] = list(consensus())
    reverse = consensus()[::-1].translate(str.maketrans("ACGT", "TGCA"))
    letters[2000:2019] = list(reverse.lower())
    (tmp_path / "g.fa.gz").write_bytes(
        gzip.compress(
            (
                ">chr1 x\n"
                + "\n".join("".join(letters[a : a + 60]) for a in range(0, 3000, 60))
                + "\n>chr2\nNNNNN\n"
            ).encode()
        )
    )
    table = find_motifs(tmp_path / "g.fa.gz", tmp_path / "motifs.bed")
    best = table.nsmallest(2, "p_value").sort_values("start")
    assert best[["start", "end", "strand"]].to_numpy().tolist() == [
        [100, 119, "+"],
        [2000, 2019, "-"],
    ]
    assert (table["p_value"] < 1e-4).all()
    written = pd.read_csv(tmp_path / "motifs.bed", sep="\t", header=None)
    assert written.shape == (len(table), 7)
    assert (written[0] == "chr1").all()


def test_files_without_sequence_or_motif(tmp_path):
    (tmp_path / "a.fa").write_text("no fasta\n")
    with pytest.raises(InputError, match="holds no sequence"):
        find_motifs(tmp_path / "a.fa", tmp_path / "o.bed")
    with pytest.raises(InputError, match="cannot be read as FASTA"):
        find_motifs(tmp_path / "missing.fa", tmp_path / "o.bed")
    (tmp_path / "a.meme").write_text("MEME version 4\n")
    (tmp_path / "b.fa").write_text(">chr1\nACGT\n")
    with pytest.raises(InputError, match="holds no motif"):
        find_motifs(tmp_path / "b.fa", tmp_path / "o.bed", matrices=tmp_path / "a.meme")
