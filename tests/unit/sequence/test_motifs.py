"""Matrices of motifs from files of JASPAR and MEME, and their instances."""

import numpy as np
import pytest

from chromloom.errors import InputError
from chromloom.sequence.ctcf import CTCF_COUNTS
from chromloom.sequence.fasta import Genome
from chromloom.sequence.motifs import find_sites, read_matrices

JASPAR = """\
>MA0139.1 CTCF
A  [ 87 167 281 ]
C  [ 291 145 49 ]
G  [ 76 414 449 ]
T  [ 459 187 134 ]
"""
MEME = """MEME version 4

ALPHABET= ACGT

MOTIF MA0004.1 Arnt
letter-probability matrix: alength= 4 w= 2 nsites= 20
0.2 0.8 0.0 0.0
0.95 0.0 0.05 0.0
"""


def test_jaspar_meme_and_folders_of_both_are_read(tmp_path):
    (tmp_path / "a.jaspar").write_text(JASPAR)
    (tmp_path / "b.pfm").write_text(
        ">M1 plain\n1 0\n0 2\n0 0\n9 8\n>M2 plain\n1 0\n0 2\n0 0\n9 8\n"
    )
    (tmp_path / "c.meme").write_text(MEME)
    found = read_matrices(tmp_path)
    assert sorted(found) == ["Arnt", "CTCF", "plain M1", "plain M2"]
    counts = CTCF_COUNTS[:, :3] + 0.1
    np.testing.assert_allclose(found["CTCF"], counts / counts.sum(axis=0))
    np.testing.assert_allclose(found["Arnt"], [[0.2, 0.95], [0.8, 0], [0, 0.05], [0, 0]])
    assert list(read_matrices()) == ["CTCF"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no motif; expected MEME"),
        ("A 1 2\n", "holds no motif"),
        (">M1\n1 2\n1 2\n1 2\n", "matrix 'M1' has rows of 2, 2, 2 numbers; expected four"),
        (">M1\n1 2\n1 2\n1 2\n1\n", "rows of 2, 2, 2, 1 numbers"),
        (">\n1\n1\n1\n1\n", "a matrix has no name|rows of"),
    ],
)
def test_files_without_a_whole_matrix_are_refused(tmp_path, text, message):
    (tmp_path / "m.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_matrices(tmp_path / "m.txt")


def test_missing_and_binary_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read as text"):
        read_matrices(tmp_path / "none")
    (tmp_path / "b").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(InputError, match="cannot be read as text"):
        read_matrices(tmp_path / "b")


def test_instances_of_several_motifs_have_their_name_and_strand(tmp_path, write_tiny_genome):
    path = write_tiny_genome({"chr1": 20_000})
    genome = Genome(path)
    codes = genome.read("chr1", 0, 20_000)
    place = next(k for k in range(5_000, 20_000) if (codes[k : k + 12] < 4).all())
    matrix = np.full((4, 12), 0.01)
    matrix[codes[place : place + 12], np.arange(12)] = 0.97
    sites = find_sites(genome, ["chr1"], {"mine": matrix, "other": matrix[::-1, ::-1]})
    mine = sites[(sites["name"] == "mine") & (sites["strand"] == "+")]
    assert place in mine["start"].tolist()
    turned = sites[(sites["name"] == "other") & (sites["strand"] == "-")]
    assert mine["start"].tolist() == turned["start"].tolist()
