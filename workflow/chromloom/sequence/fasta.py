"""Sequence of an assembly: files of users in, one indexed file out, and windows of it as codes.

A base is one byte: 0, 1, 2, 3 for A, C, G, T, soft-masked (lower case) or not, and 4 for N and
every other letter. `write_genome` makes of a FASTA file (plain, gzipped, bgzipped) or a 2bit file
one bgzipped FASTA file with the assembly's names and its index beside it; `Genome` reads windows.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pysam

from chromloom.errors import InputError
from chromloom.files import OpenedFile, atomic_path
from chromloom.genome.names import harmonise_names

logger = logging.getLogger(__name__)

BASES = b"ACGT"
N = 4
"""Code of a base that is not known."""
COMPLEMENT = np.array([3, 2, 1, 0, N], dtype=np.uint8)
"""Code of the base opposite to each."""
INDEX = (".fai", ".gzi")
"""What the names of the files of an index add to that of the FASTA file."""
LINE = 60
LETTERS = b"ACGTNRYSWKMBDHVX-.*"
"""What a sequence of bases may hold, in either case."""
TWO_BIT = (b"\x43\x27\x41\x1a", b"\x1a\x41\x27\x43")
_CODES = np.full(256, N, dtype=np.uint8)
for _letters in (BASES, BASES.lower()):
    _CODES[list(_letters)] = range(4)


def encode(letters: bytes | np.ndarray) -> np.ndarray:
    """Codes (length,), uint8, of letters: 0-3 for ACGT and acgt, 4 for every other."""
    return _CODES[np.frombuffer(letters, np.uint8)]


def reverse_complement(codes: np.ndarray) -> np.ndarray:
    """The other strand, read in its own direction; codes (length,), uint8."""
    return COMPLEMENT[codes[::-1]]


class Genome(OpenedFile):
    """Sequence of an assembly.

    Parameters
    ----------
    path : str or Path
        File that `write_genome` wrote.

    Attributes
    ----------
    path : Path
    chromsizes : Series
        Chromosome name -> bp, of those that have a sequence.

    Raises
    ------
    InputError
        The file or its index is missing or damaged.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        file = self._file
        self.chromsizes = pd.Series(file.lengths, file.references, dtype=np.int64, name="length")

    def _open(self) -> pysam.FastaFile:
        for suffix in ("", *INDEX):
            if not (name := Path(f"{self.path}{suffix}")).is_file():
                raise InputError(
                    f"{name} does not exist; make it and the files beside it by the rule "
                    "index_sequence"
                )
        try:
            return pysam.FastaFile(str(self.path))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.path} cannot be read as bgzipped FASTA ({error}); make it again"
            ) from error

    def read(self, chrom: str, start: int, end: int) -> np.ndarray:
        """Codes of the bases of a window.

        Parameters
        ----------
        chrom : str
        start, end : int
            bp; they may lie beyond the chromosome's ends.

        Returns
        -------
        ndarray, (end - start,), uint8
            4 where the base is not known or lies beyond the chromosome.

        Raises
        ------
        InputError
            The chromosome has no sequence.
        """
        if chrom not in self.chromsizes.index:
            raise InputError(
                f"{self.path} has no sequence of {chrom}; it has "
                f"{', '.join(self.chromsizes.index)}: give a file that has, or leave the "
                "chromosome out (contacts.chromosomes)"
            )
        codes = np.full(end - start, N, dtype=np.uint8)
        first, last = max(start, 0), min(end, int(self.chromsizes[chrom]))
        if first < last:
            letters = self._file.fetch(chrom, first, last).encode()
            codes[first - start : last - start] = encode(letters)
        return codes


def read_sequences(path: str | Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and letters, as they stand, of every sequence of a file.

    FASTA (plain or gzipped) or 2bit, told by content.

    Raises
    ------
    InputError
        The file cannot be read, or has no sequence.
    """
    if _is_two_bit(path):
        with _open_two_bit(path) as file:
            for name in file.chroms():
                yield name, file.sequence(name).encode()
        return
    empty = True
    try:
        with pysam.FastxFile(str(path)) as file:
            for sequence in file:
                empty = False
                yield sequence.name or "", (sequence.sequence or "").encode()
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as FASTA: {error}") from error
    if empty:
        raise InputError(f"{path} holds no sequence; a FASTA file starts with '>name'")


def write_genome(
    path: str | Path,
    out_path: str | Path,
    chromsizes: pd.Series,
    *,
    assembly: str = "",
    length_tolerance: int = 0,
) -> None:
    """Write the sequence of an assembly as one bgzipped FASTA file, with its index.

    Parameters
    ----------
    path : str or Path
        As for `read_sequences`.
    out_path : str or Path
        File to write; its index is written beside it (`INDEX`).
    chromsizes : Series
        Chromosome name -> bp, of the assembly. Names are matched, and lengths have to agree.
    assembly : str
        Its name, for messages.
    length_tolerance : int
        bp by which lengths may differ; the sequence is kept as it is.

    Raises
    ------
    InputError
        The file cannot be read, or is of another assembly.

    Notes
    -----
    Sequences that the assembly lacks are left out; chromosomes without a sequence are allowed
    (a file of one chromosome), and an error where they are read.
    """
    names = harmonise_names(
        _lengths(path),
        chromsizes,
        source=f"sequence of {assembly or 'the assembly'}, {path}",
        length_tolerance=length_tolerance,
    )
    with atomic_path(out_path) as temporary:
        with pysam.BGZFile(str(temporary), "w", None) as file:
            for name, letters in read_sequences(path):
                if name in names:
                    if not letters.strip(b"Nn"):
                        logger.warning("%s: sequence '%s' holds no known base", path, name)
                    file.write(f">{names[name]}\n".encode())
                    file.write(_lines(letters))
        pysam.faidx(str(temporary))
        for suffix in INDEX:
            Path(f"{temporary}{suffix}").replace(f"{out_path}{suffix}")


def _lengths(path: str | Path) -> dict[str, int]:
    """bp of every sequence of a file, by name."""
    if _is_two_bit(path):
        with _open_two_bit(path) as file:
            return dict(file.chroms())
    lengths: dict[str, int] = {}
    for name, letters in read_sequences(path):
        if name in lengths:
            raise InputError(f"{path}: sequence '{name}' occurs twice; keep one")
        if other := letters.translate(None, LETTERS + LETTERS.lower()):
            raise InputError(
                f"{path}: sequence '{name}' holds {chr(other[0])!r} at base "
                f"{letters.index(other[:1]) + 1:,}; expected letters of DNA: give the genome's "
                "sequence, one name for each chromosome"
            )
        lengths[name] = len(letters)
    return lengths


def _is_two_bit(path: str | Path) -> bool:
    try:
        with Path(path).open("rb") as file:
            return file.read(4) in TWO_BIT
    except OSError as error:
        raise InputError(f"{path} cannot be read as FASTA: {error}") from error


def _open_two_bit(path: str | Path):
    import py2bit

    try:
        return py2bit.open(str(path))
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read as 2bit ({error}); fetch it again") from error


def _lines(letters: bytes) -> bytes:
    """Letters in lines of `LINE`, each ended."""
    whole = len(letters) // LINE * LINE
    lines = np.full((whole // LINE, LINE + 1), ord("\n"), dtype=np.uint8)
    lines[:, :LINE] = np.frombuffer(letters[:whole], np.uint8).reshape(-1, LINE)
    rest = letters[whole:]
    return lines.tobytes() + (rest + b"\n" if rest else b"")
