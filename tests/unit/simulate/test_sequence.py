"""The sequence: length, GC by compartment, motifs where the plan has them."""

import numpy as np
import pytest

from chromloom.simulate.contacts import compartment_property
from chromloom.simulate.sequence import CTCF_COUNTS, reverse_complement, sequence, write_fasta


@pytest.fixture(scope="module")
def chr1(simulated):
    return sequence(simulated, "chr1")


def log_odds(motif):
    index = np.frombuffer(motif.translate(bytes.maketrans(b"ACGT", bytes(range(4)))), np.uint8)
    frequency = (CTCF_COUNTS + 0.5) / (CTCF_COUNTS + 0.5).sum(axis=0)
    return np.log2(frequency[index, np.arange(19)] / 0.25).sum()


def test_length_gaps_and_repeat(simulated, chr1):
    assert len(chr1) == simulated.chromsizes["chr1"]
    assert chr1 == sequence(simulated, "chr1")
    for gap in simulated.rows("gaps", "chr1").itertuples():
        assert set(chr1[gap.start : gap.end]) == {ord("N")}


def test_gc_follows_the_landscape_and_the_compartments(simulated, chr1):
    bases = np.frombuffer(chr1, np.uint8).reshape(-1, 20_000)
    gc = np.isin(bases, [ord("G"), ord("C")]).mean(axis=1)
    known = ~(bases == ord("N")).all(axis=1)
    planned = simulated.rows("landscape", "chr1")["gc"].to_numpy()
    np.testing.assert_allclose(gc[known], planned[known], atol=0.025)
    assert np.corrcoef(gc[known], compartment_property(simulated, "chr1", 2)[known])[0, 1] > 0.7


def test_motifs_stand_on_their_strand_and_strong_ones_score_higher(simulated, chr1):
    sites = simulated.rows("sites", "chr1")
    scores, wrong = [], []
    for site in sites.itertuples():
        spelled = chr1[site.start : site.end]
        turned = reverse_complement(spelled)
        right = spelled if site.strand == "+" else turned
        scores.append(log_odds(right))
        wrong.append(log_odds(turned if right is spelled else spelled))
    assert np.mean(np.array(scores) > np.array(wrong)) > 0.98
    strong = (sites["strength"] > 0.6).to_numpy()
    assert np.mean(np.array(scores)[strong]) > np.mean(np.array(scores)[~strong]) + 2
    elsewhere = [log_odds(chr1[k : k + 19]) for k in range(500_000, 560_000, 300)]
    assert np.mean(elsewhere) < np.mean(scores) - 20


def test_fasta_reads_back(simulated, tmp_path):
    write_fasta(simulated, tmp_path / "x.fa", chroms=["chr2"])
    name, *lines = (tmp_path / "x.fa").read_bytes().split(b"\n")
    assert name == b">chr2"
    assert {len(line) for line in lines[:-2]} == {60}
    assert b"".join(lines) == sequence(simulated, "chr2")
