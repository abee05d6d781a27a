"""Open reading frames against reading the codons one by one."""

import numpy as np
import pytest

from chromloom.sequence.fasta import encode, reverse_complement
from chromloom.sequence.orfs import ORF_MIRRORED, find_orfs, orf_features


def by_hand(letters, shortest):
    found = []
    other = letters[::-1].translate(str.maketrans("ACGT", "TGCA"))
    for strand, read in (("+", letters), ("-", other)):
        for frame in range(3):
            opened = None
            for k in range(frame, len(read) - 2, 3):
                codon = read[k : k + 3]
                if codon in ("TAA", "TAG", "TGA"):
                    if opened is not None and k + 3 - opened >= shortest:
                        span = opened, k + 3
                        if strand == "-":
                            span = len(read) - span[1], len(read) - span[0]
                        found.append((*span, strand))
                    opened = None
                elif codon == "ATG" and opened is None:
                    opened = k
    return sorted(found)


@pytest.mark.parametrize("shortest", [6, 30])
@pytest.mark.parametrize("seed", range(4))
def test_frames_equal_those_read_by_hand(seed, shortest):
    rng = np.random.default_rng(seed)
    letters = "".join(rng.choice(list("ACGTN"), 3000 + seed, p=[0.3, 0.19, 0.2, 0.3, 0.01]))
    table = find_orfs(encode(letters.encode()), shortest)
    expected = by_hand(letters, shortest)
    assert list(table.itertuples(index=False, name=None)) == expected
    assert len(expected) > 5


def test_features_are_shares_and_ends_by_strand():
    codes = encode(b"CCATGAAATAACC" + b"C" * 7 + b"TTACATCCCC" + b"NNNNNNNNCC" + b"CC")
    table = find_orfs(codes, 6)
    assert table.to_numpy().tolist() == [[2, 11, "+"], [20, 26, "-"]]
    features = orf_features(codes, 6, 10)
    np.testing.assert_allclose(features[:, 0], [0.8, 0, 0, 0])
    np.testing.assert_allclose(features[:, 1], [0.1, 0, 1, 0])
    np.testing.assert_allclose(features[:, 2], [0, 0.6, 0, 1])
    assert np.isnan(features[:, 3]).all()
    np.testing.assert_array_equal(features[:, 4], 0)


def test_strands_change_places_where_the_chromosome_is_read_backwards():
    codes = encode("".join(np.random.default_rng(5).choice(list("ACGT"), 6000)).encode())
    features = orf_features(codes, 30, 1000)
    np.testing.assert_allclose(
        orf_features(reverse_complement(codes), 30, 1000)[:, ::-1],
        features[ORF_MIRRORED],
        rtol=1e-6,
    )
    assert orf_features(codes[:0], 30, 1000).shape == (4, 0)
