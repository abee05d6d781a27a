"""Matrices of motifs from files of JASPAR and MEME, and their instances."""

import gzip

import numpy as np
import pytest

from chromloom.errors import InputError
from chromloom.sequence.ctcf import CTCF_COUNTS
from chromloom.sequence.fasta import Genome
from chromloom.sequence.motifs import find_sites, read_matrices, scan

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


def test_rows_are_those_of_their_letters_and_numbers_may_be_scientific(tmp_path):
    lines = JASPAR.splitlines()
    turned = [lines[0], *reversed(lines[1:])]
    texts = ["\n".join(turned), JASPAR.replace("87 ", "8.7E+01 "), "\ufeff" + JASPAR,
             JASPAR.replace("A  [", "A|").replace(" ]", "").replace("\n", "\r\n")]  # fmt: skip
    (tmp_path / "a").write_text(JASPAR)
    plain = read_matrices(tmp_path / "a")["CTCF"]
    for text in texts:
        (tmp_path / "b").write_text(text)
        np.testing.assert_allclose(read_matrices(tmp_path / "b")["CTCF"], plain)


def test_homer_s_rows_are_positions(tmp_path):
    rows = "0.2\t0.8\t0\t0\n0.95\t0\t0.05\t0\n0.25\t0.25\t0.25\t0.25\n0\t0\t0\t1\n"
    (tmp_path / "h.motif").write_text(">CAGT\tmine/x\t6.04\t-12\n" + rows)
    (found,) = read_matrices(tmp_path / "h.motif").items()
    assert found[0] == "mine/x"
    np.testing.assert_allclose(found[1][:, 0], [0.2, 0.8, 0, 0])


def test_hidden_files_of_a_folder_are_no_motifs(tmp_path):
    (tmp_path / "m.meme.gz").write_bytes(gzip.compress(MEME.encode()))
    (tmp_path / ".DS_Store").write_bytes(b"\0\1\xff")
    assert list(read_matrices(tmp_path)) == ["Arnt"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no motif; expected MEME"),
        ("A 1 2\n", "holds no motif"),
        (">M1\n1 2\n1 2\n1 2\n", "matrix 'M1' has rows of 2, 2, 2 numbers; expected four"),
        (">M1\n1 2\n1 2\n1 2\n1\n", "rows of 2, 2, 2, 1 numbers"),
        (">\n1\n1\n1\n1\n", "a matrix has no name"),
        (JASPAR + JASPAR, "motif 'CTCF MA0139.1' is there twice; keep one"),
        (JASPAR.replace("[ 87", "[ -87"), "matrix 'MA0139.1 CTCF' has .*none of them negative"),
        (
            JASPAR.replace("[ 87", "[ 8,7"),
            "to float: '8,7'; expected numbers",
        ),
        (MEME.replace("w= 2", "w= 3"), "matrix 'MA0004.1 Arnt' has rows of 4, 4 numbers; .* 3 of"),
        (MEME.replace("alength= 4", "alength= 5").replace(" 0.0\n", " 0.0 0.0\n"), "rows of 5, 5"),
        (
            MEME.replace("0.2 0.8", "2 8"),
            r"has \[2.0, 8.0, 0.0, 0.0\] at position 1",
        ),
        (MEME.replace("0.2", "a"), "could not convert string to float: 'a'"),
        (
            MEME.replace(" w= 2", ""),
            "Arnt' has no letter-probability matrix with a width",
        ),
    ],
)
def test_files_without_a_whole_matrix_are_refused(tmp_path, text, message):
    (tmp_path / "m.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_matrices(tmp_path / "m.txt")


def test_missing_and_binary_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="none does not exist"):
        read_matrices(tmp_path / "none")
    (tmp_path / "b").write_bytes(b"\xfa\xfe\x00\x80")
    with pytest.raises(InputError, match="is not UTF-8 text"):
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


def test_a_narrow_motif_at_the_border_of_two_parts_is_found_once(monkeypatch):
    monkeypatch.setattr("chromloom.sequence.motifs.CHUNK", 1_000)
    codes = np.random.default_rng(0).integers(0, 4, 3_000).astype(np.uint8)
    narrow = np.where(np.arange(4)[:, None] == [0, 1, 0, 2, 2, 3, 0, 1], 0.97, 0.01)
    starts = [995, 1_003, 2_000]
    for start in starts:
        codes[start : start + 8] = narrow.argmax(axis=0)
    found = scan("chr1", codes, {"wide": np.full((4, 19), 0.25), "narrow": narrow}, 1e-4)
    assert sorted(found[found["strand"] == "+"]["start"]) == starts


def test_unknown_bases_hold_no_instance_of_a_matrix_that_nothing_else_fits():
    sharp = np.full((4, 18), 0.0009)
    sharp[[2, 2, 0, 0] * 4 + [2, 2], range(18)] = 1 - 3 * 0.0009
    codes = np.random.default_rng(0).integers(0, 4, 20_000, dtype=np.uint8)
    codes[5_000:6_000] = 4
    codes[8_000:8_018] = sharp.argmax(axis=0)
    codes[9_000:9_018] = sharp.argmax(axis=0)
    codes[9_017] = 4
    found = scan("c", codes, {"sharp": sharp}, 1e-5)
    assert 8_000 in set(found["start"])
    assert not any((codes[row.start : row.end] == 4).any() for row in found.itertuples())
