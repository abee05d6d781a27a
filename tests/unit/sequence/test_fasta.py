"""Files of genomes, and windows of them."""

import gzip
import pickle
import struct

import numpy as np
import pandas as pd
import pytest

from chromloom.errors import InputError
from chromloom.sequence.fasta import Genome, encode, reverse_complement, write_genome

LETTERS = {"chr1": b"ACGTNacgtnRyACGT" * 40 + b"GAT", "chr2": b"TTTTT"}
SIZES = pd.Series({"chr1": 643, "chr2": 5, "chr3": 9})
CODES = [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 4, 4, 0, 1, 2, 3]


def fasta(letters, width=50):
    lines = []
    for name, bases in letters.items():
        lines.append(b">" + name.encode() + b" described")
        lines += [bases[k : k + width] for k in range(0, len(bases), width)]
    return b"\n".join(lines) + b"\n"


def two_bit(letters):
    """A 2bit file (UCSC: T, C, A, G are 0 to 3; N and lower case are blocks)."""
    names, bodies = list(letters), []
    for bases in letters.values():
        known = np.frombuffer(bases, np.uint8)
        upper = np.frombuffer(bases.upper(), np.uint8)
        code = np.zeros(-(-len(bases) // 4) * 4, np.uint8)
        for value, letter in enumerate(b"TCAG"):
            code[: len(bases)][upper == letter] = value
        packed = (code.reshape(-1, 4) << np.array([6, 4, 2, 0], np.uint8)).sum(1).astype(np.uint8)
        blocks = b""
        for inside in (~np.isin(upper, list(b"ACGT")), known != upper):
            edges = np.flatnonzero(np.diff(np.r_[False, inside, False]))
            starts, sizes = edges[::2], edges[1::2] - edges[::2]
            blocks += struct.pack("<I", len(starts)) + starts.astype("<u4").tobytes()
            blocks += sizes.astype("<u4").tobytes()
        bodies.append(
            struct.pack("<I", len(bases)) + blocks + struct.pack("<I", 0) + packed.tobytes()
        )
    index_size = sum(1 + len(name) + 4 for name in names)
    offset, index = 16 + index_size, b""
    for name, body in zip(names, bodies):
        index += bytes([len(name)]) + name.encode() + struct.pack("<I", offset)
        offset += len(body)
    return struct.pack("<IIII", 0x1A412743, 0, len(names), 0) + index + b"".join(bodies)


@pytest.mark.parametrize("kind", ["plain", "gzip", "2bit"])
def test_windows_are_the_same_of_every_format(tmp_path, kind):
    path = tmp_path / "genome"
    content = two_bit(LETTERS) if kind == "2bit" else fasta(LETTERS)
    path.write_bytes(gzip.compress(content) if kind == "gzip" else content)
    out = tmp_path / "results" / "genome.fa.gz"
    write_genome(path, out, SIZES)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["genome", "results"]  # nothing beside it
    with Genome(out) as genome:
        assert genome.chromsizes.to_dict() == {"chr1": 643, "chr2": 5}
        assert genome.read("chr1", 0, 643).tolist() == CODES * 40 + [2, 0, 3]
        assert genome.read("chr1", 100, 116).tolist() == CODES[4:] + CODES[:4]
        assert genome.read("chr2", -2, 7).tolist() == [4, 4, 3, 3, 3, 3, 3, 4, 4]
        assert genome.read("chr2", 9, 11).tolist() == [4, 4]
        copy = pickle.loads(pickle.dumps(genome))
        assert copy.read("chr2", 0, 2).tolist() == [3, 3]
        with pytest.raises(InputError, match="has no sequence of chr3; it has chr1, chr2"):
            genome.read("chr3", 0, 5)


def test_the_other_strand():
    assert reverse_complement(encode(b"AACGNT")).tolist() == encode(b"ANCGTT").tolist()


def test_names_are_those_of_the_assembly(tmp_path):
    (tmp_path / "g.fa").write_bytes(
        fasta({"I": b"AC", "II": b"GGG", "scaffold": b"A", "Mito": b"T"})
    )
    write_genome(tmp_path / "g.fa", tmp_path / "o.fa.gz", pd.Series({"chr1": 2, "chr2": 3}))
    with Genome(tmp_path / "o.fa.gz") as genome:
        assert genome.read("chr2", 0, 3).tolist() == [2, 2, 2]
        assert list(genome.chromsizes.index) == ["chr1", "chr2"]


def test_sequence_of_another_assembly(tmp_path):
    (tmp_path / "g.fa").write_bytes(fasta(LETTERS))
    with pytest.raises(
        InputError, match=r"sequence of hg19.*chromosome chr1 has 643 bp, chr1 of the"
    ):
        write_genome(tmp_path / "g.fa", tmp_path / "o.fa.gz", SIZES + 1, assembly="hg19")
    assert not (tmp_path / "o.fa.gz").exists()
    write_genome(tmp_path / "g.fa", tmp_path / "o.fa.gz", SIZES + 1, length_tolerance=1)
    (tmp_path / "g.fa").write_bytes(fasta(LETTERS) + fasta(LETTERS))
    with pytest.raises(InputError, match="sequence 'chr1' occurs twice"):
        write_genome(tmp_path / "g.fa", tmp_path / "o.fa.gz", SIZES)


def test_files_that_are_no_genome(tmp_path):
    (tmp_path / "a").write_bytes(two_bit(LETTERS)[:40])
    with pytest.raises(InputError, match="cannot be read as 2bit"):
        write_genome(tmp_path / "a", tmp_path / "o.fa.gz", SIZES)
    with pytest.raises(InputError, match="missing cannot be read as FASTA"):
        write_genome(tmp_path / "missing", tmp_path / "o.fa.gz", SIZES)
    (tmp_path / "b").write_bytes(fasta(LETTERS))
    with pytest.raises(InputError, match=r"b\.fai does not exist; make it"):
        Genome(tmp_path / "b")
    for suffix in (".fai", ".gzi"):
        (tmp_path / f"b{suffix}").write_text("")
    (tmp_path / "b").write_bytes(b"")
    with pytest.raises(InputError, match=r"cannot be read as bgzipped FASTA|no sequence"):
        Genome(tmp_path / "b").read("chr1", 0, 5)


@pytest.mark.parametrize(
    ("letters", "message"),
    [
        (b"ACGT ACGT", "holds ' ' at base 5; expected letters of DNA"),
        (b"MKLVACGT", "holds 'L' at base 3"),
        (b"acgu", "holds 'u' at base 4"),
    ],
)
def test_letters_that_are_no_bases_are_named(tmp_path, letters, message):
    (tmp_path / "g.fa").write_bytes(fasta({"chr2": letters}))
    with pytest.raises(InputError, match=f"sequence 'chr2' {message}"):
        write_genome(tmp_path / "g.fa", tmp_path / "o.fa.gz", SIZES)


def test_a_sequence_without_a_known_base_is_told(tmp_path, caplog):
    (tmp_path / "g.fa").write_bytes(fasta({"chr1": b"N" * 643, "chr2": b"ANNNN"}))
    write_genome(tmp_path / "g.fa", tmp_path / "o.fa.gz", SIZES)
    assert [record.args[1] for record in caplog.records] == ["chr1"]
