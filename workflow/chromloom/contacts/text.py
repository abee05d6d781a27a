"""Reading contacts from text: 4DN `.pairs(.gz)` and the output of juicer's `dump`."""

import glob
import gzip
import logging
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from chromloom.contacts.pixels import Target, reading, upper
from chromloom.errors import InputError
from chromloom.genome.names import harmonise_names, match_names

logger = logging.getLogger(__name__)

ROWS = 1 << 20
_DEFAULT_COLUMNS = ["readID", "chr1", "pos1", "chr2", "pos2", "strand1", "strand2"]


class PairsReader:
    """A list of read pairs (4DN pairs format 1.0), binned at any resolution.

    Positions are 1-based in the file. Rows with an unmapped side (`!`, position 0) are left out.
    """

    format = "pairs"
    norms: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    resolutions: tuple[int, ...] | None = None
    unique = False

    def __init__(self, path: str) -> None:
        self.path = str(path)
        self.notes: Counter = Counter()
        self.assembly = "unknown"
        self._columns = _DEFAULT_COLUMNS
        sizes: dict[str, int] = {}
        with reading(path), _open_text(path) as handle:
            for line in handle:
                if not line.startswith("#"):
                    break
                fields = line.lstrip("#").split()
                if line.startswith("#chromsize:"):
                    sizes[fields[1]] = int(fields[2])
                elif line.startswith("#columns:"):
                    self._columns = fields[1:]
                elif line.startswith("#genome_assembly:"):
                    self.assembly = fields[1]
            else:
                raise InputError(f"{path} holds no read pairs; expected rows below its header")
        self.sizes: dict[str, int] | None = sizes or None
        missing = {"chr1", "pos1", "chr2", "pos2"} - {_plain(c) for c in self._columns}
        if missing or len(line.rstrip("\n").split("\t")) < 5:
            raise InputError(
                f"{path} is not in pairs format (its first row is '{line.strip()[:80]}'); expected "
                "tab-separated readID, chr1, pos1, chr2, pos2 or a #columns line that names them"
            )

    def names(self, target: Target) -> dict[str, str] | None:
        """Name in the header -> name in the assembly; None without chromosome sizes in it."""
        if self.sizes is None:
            return None
        names = harmonise_names(
            self.sizes,
            target.chromsizes,
            source=self.path,
            length_tolerance=target.length_tolerance,
        )
        return {name: chrom for name, chrom in names.items() if chrom in target.chroms}

    def is_ordered(self, target: Target, names: dict[str, str]) -> bool:
        """False: the same pair of bins comes up in many chunks."""
        return False

    def pixels(
        self, target: Target, names: dict[str, str] | None, resolution: int
    ) -> Iterator[pd.DataFrame]:
        """Stream the read pairs as counts of 1 in bins of the assembly."""
        known: dict[str, str | None] = dict(names or {})
        offsets = target.offsets(resolution)
        seen: set[str] = set()
        for table in self._chunks():
            sides = []
            for side in "12":
                chrom = table[f"chr{side}"].astype("category")
                here = [str(name) for name in chrom.cat.categories]
                if names is None:
                    new = match_names(set(here) - known.keys(), target.chromsizes)
                    known |= {
                        name: match if match in target.chroms else None
                        for name, match in new.items()
                    }
                seen.update(here)
                matched = [known.get(name) for name in here]
                code = chrom.cat.codes.to_numpy()
                first = np.array([-1 if m is None else offsets[m] for m in matched] + [-1])
                length = np.array([0 if m is None else target.chromsizes[m] for m in matched] + [0])
                position = table[f"pos{side}"].to_numpy() - 1
                mapped = (first[code] >= 0) & (position >= 0)
                beyond = np.flatnonzero(mapped & (position >= length[code]))
                if len(beyond):
                    row = beyond[0]
                    raise InputError(
                        f"{self.path}: position {chrom.iloc[row]}:{position[row] + 1:,} lies "
                        f"beyond the {length[code[row]]:,} bp of {matched[code[row]]}; name the "
                        "assembly that the reads were aligned to"
                    )
                sides.append(np.where(mapped, first[code] + position // resolution, -1))
            yield upper(*sides, np.ones(len(table), dtype=np.int64))
        if names is None:
            harmonise_names(sorted(seen - {"!"}), target.chromsizes, source=self.path)

    def _chunks(self) -> Iterator[pd.DataFrame]:
        columns = [_plain(c) for c in self._columns]
        wanted = ["chr1", "pos1", "chr2", "pos2"]
        with reading(self.path):
            yield from pd.read_csv(
                self.path,
                sep="\t",
                comment="#",
                header=None,
                chunksize=ROWS,
                usecols=[columns.index(c) for c in wanted],
                names=sorted(wanted, key=columns.index),
                dtype={"chr1": "category", "chr2": "category", "pos1": np.int64, "pos2": np.int64},
            )


def _plain(column: str) -> str:
    """pairtools writes chrom1, the specification chr1."""
    return column.replace("chrom", "chr")


class DumpReader:
    """juicer `dump` text: `i j v` in bp, one chromosome a file, one triangle of the matrix.

    Parameters
    ----------
    path : str
        A file, a folder, a glob, or a path with `{chrom}`. The chromosome is what `{chrom}` stands
        for, else the part of the file's name that is a chromosome of the assembly.
    resolution : int, optional
        Bin size in bp; by default the greatest common divisor of the coordinates.
    """

    format = "dump"
    norms: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    assembly = "unknown"
    unique = True

    def __init__(self, path: str, *, resolution: int | None = None) -> None:
        self.path = str(path)
        self.notes: Counter = Counter()
        pattern = self.path.replace("{chrom}", "*")
        if Path(pattern).is_dir():
            files = sorted(str(file) for file in Path(pattern).iterdir() if file.is_file())
        else:
            files = [pattern] if Path(pattern).is_file() else sorted(glob.glob(pattern))
        if not files:
            raise InputError(f"no file matches {path}; expected juicer dump text, one a chromosome")
        self._files = files
        self._names = [self._chromosome(file) for file in files]
        self.sizes: dict[str, int] | None = None
        self._resolution = resolution or self._infer_resolution()
        self.resolutions: tuple[int, ...] | None = (self._resolution,)

    def _chromosome(self, file: str) -> list[str]:
        """Parts of a file's name that may be its chromosome, the likeliest first."""
        if "{chrom}" in self.path:
            before, _, after = self.path.partition("{chrom}")
            after = after.replace("{chrom}", "*")
            tail = re.escape(after).replace(r"\*", ".*?")
            return re.findall(f"^{re.escape(before)}(.+?){tail}$", file)
        parts = re.split(r"[^A-Za-z0-9-]+", Path(file).name)
        return sorted(parts, key=lambda part: not part.lower().startswith("chr"))

    def _infer_resolution(self) -> int:
        divisor = 0
        for file in self._files:
            for table in self._chunks(file):
                divisor = int(
                    np.gcd.reduce([divisor, *np.unique(table["i"]), *np.unique(table["j"])])
                )
                break
        if not divisor:
            raise InputError(
                f"{self.path}: its coordinates do not tell the bin size; give source_resolution"
            )
        return divisor

    def names(self, target: Target) -> dict[str, str]:
        """File -> chromosome of the assembly."""
        names: dict[str, str] = {}
        for file, parts in zip(self._files, self._names):
            matches = match_names(parts, target.chromsizes).values()
            chrom = next((match for match in matches if match is not None), None)
            if chrom is None:
                raise InputError(
                    f"{file}: no part of the file's name is a chromosome of the assembly "
                    f"('{target.chromsizes.index[0]}', …); name it like chr1.txt, or give the path "
                    "with {chrom} in place of the chromosome"
                )
            if chrom in names.values():
                raise InputError(f"{self.path}: two files are {chrom}, {file} the second; keep one")
            names[file] = chrom
        return {file: chrom for file, chrom in names.items() if chrom in target.chroms}

    def is_ordered(self, target: Target, names: dict[str, str]) -> bool:
        """False: juicer writes columns first."""
        return False

    def pixels(
        self, target: Target, names: dict[str, str], resolution: int
    ) -> Iterator[pd.DataFrame]:
        """Stream the pixels in bins of the assembly; NaN values (masked by juicer) are left out."""
        offsets = target.offsets(resolution)
        self.notes.clear()
        for file, chrom in names.items():
            above = below = False
            for table in self._chunks(file):
                i, j, value = (table[column].to_numpy() for column in "ijv")
                above, below = above or bool((i < j).any()), below or bool((i > j).any())
                if above and below:
                    raise InputError(
                        f"{file} lists pairs above and below the diagonal; expected one triangle, "
                        "as juicer dumps it"
                    )
                length = target.chromsizes[chrom]
                self._refuse(
                    file,
                    i,
                    j,
                    (i % resolution != 0) | (j % resolution != 0),
                    f"is no multiple of the bin size {resolution:,} bp; give source_resolution",
                )
                self._refuse(
                    file,
                    i,
                    j,
                    (np.maximum(i, j) >= length) | (np.minimum(i, j) < 0),
                    f"lies outside the {length:,} bp of {chrom}; name the assembly that the reads "
                    "were aligned to",
                )
                keep = np.isfinite(value) & (value != 0)
                yield upper(
                    offsets[chrom] + i[keep] // resolution,
                    offsets[chrom] + j[keep] // resolution,
                    value[keep],
                )

    @staticmethod
    def _refuse(file: str, i: np.ndarray, j: np.ndarray, bad: np.ndarray, what: str) -> None:
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise InputError(f"{file}: pair {i[row]}, {j[row]} {what}")

    def _chunks(self, file: str) -> Iterator[pd.DataFrame]:
        try:
            yield from pd.read_csv(
                file,
                sep=r"\s+",
                header=None,
                names=["i", "j", "v"],
                chunksize=ROWS,
                index_col=False,
                dtype={"i": np.int64, "j": np.int64, "v": np.float64},
            )
        except pd.errors.EmptyDataError:
            return
        except (ValueError, OSError, EOFError) as error:
            raise InputError(
                f"{file} is not juicer dump text ({' '.join(str(error).split())}); expected three "
                "columns, bp, bp and value, one chromosome a file"
            ) from error


def _open_text(path: str) -> IO[str]:
    return gzip.open(path, "rt") if path.endswith(".gz") else open(path)
