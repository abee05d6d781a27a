"""Reading contacts from text: lists of read pairs, and the output of juicer's `dump`."""

import glob
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.contacts.pixels import Target, upper
from chromloom.contacts.sniff import sniff_text
from chromloom.errors import InputError
from chromloom.genome.names import harmonise_names, match_names
from chromloom.tables import Column, read_chunks

BLOCK = 1 << 25  # characters read at a time
_SIDES = {"chr1": Column("category"), "pos1": Column(int)}
_SIDES |= {"chr2": Column("category"), "pos2": Column(int)}
_DUMP = {"i": Column(int), "j": Column(int), "value": Column(float, required=False)}


class PairsReader:
    """A list of read pairs, binned at any resolution.

    4DN pairs (format 1.0), `allValidPairs` of HiC-Pro, and the lists of juicer (`merged_nodups.txt`
    and its shorter forms, of which the one with a score counts by it). Positions are 1-based in all
    of them. Rows with an unmapped side (`!`, position 0) are left out.
    """

    norms: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    resolutions: tuple[int, ...] | None = None
    unique = False

    def __init__(self, path: str) -> None:
        self.path = str(path)
        self.notes: Counter = Counter()
        self._text = sniff_text(path)
        self.format = self._text.kind
        self.assembly = self._text.assembly
        self.sizes: dict[str, int] | None = self._text.sizes or None

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
        self, target: Target, names: dict[str, str], resolution: int
    ) -> Iterator[pd.DataFrame]:
        """Stream the read pairs as counts of 1 (or their score) in bins of the assembly."""
        known: dict[str, str | None] = dict(names)
        offsets = target.offsets(resolution)
        seen: set[str] = set()
        self.notes.clear()
        for table in self._chunks():
            sides: list[np.ndarray] = []
            mapped = np.ones(len(table), dtype=bool)
            for side in "12":
                chrom = table[f"chr{side}"].cat
                here = [str(name) for name in chrom.categories]
                # a header need not list every sequence that the rows name
                new = set(here) - known.keys() - (self.sizes or {}).keys()
                known |= {
                    name: match if match in target.chroms else None
                    for name, match in match_names(new, target.chromsizes).items()
                }
                seen.update(here)
                matched = [known.get(name) for name in here]
                code = chrom.codes.to_numpy()
                first = np.array([-1 if m is None else offsets[m] for m in matched] + [-1])
                length = np.array([0 if m is None else target.chromsizes[m] for m in matched] + [0])
                unmapped = np.array([name in {"!", "*"} for name in here] + [True])
                position = table[f"pos{side}"].to_numpy() - 1
                mapped &= ~unmapped[code] & (position >= 0)
                placed = (first[code] >= 0) & (position >= 0)
                beyond = np.flatnonzero(placed & (position >= length[code]))
                if len(beyond):
                    row = beyond[0]
                    raise InputError(
                        f"{self.path}, line {table.index[row]}: position {here[code[row]]}:"
                        f"{position[row] + 1:,} lies beyond the {length[code[row]]:,} bp of "
                        f"{matched[code[row]]}; name the assembly that the reads were aligned to"
                    )
                sides.append(np.where(placed, first[code] + position // resolution, -1))
            kept = (sides[0] >= 0) & (sides[1] >= 0)
            for lost, reason in (
                (~mapped, "read pairs left out: a side is not mapped"),
                (
                    mapped & ~kept,
                    "read pairs left out: their sequence is not in the assembly, or not kept",
                ),
            ):
                if lost.any():
                    self.notes[reason] += int(lost.sum())
            count = table["count"] if "count" in table else np.ones(len(table), dtype=np.int64)
            yield upper(sides[0], sides[1], np.asarray(count))
        if self.sizes is None:
            harmonise_names(sorted(seen - {"!", "*"}), target.chromsizes, source=self.path)

    def _chunks(self) -> Iterator[pd.DataFrame]:
        count = {"count": Column(float)} if "count" in self._text.columns else {}
        yield from read_chunks(
            self.path,
            _SIDES | count,
            what="read pairs",
            names=self._text.columns,
            sep=self._text.sep,
            block=BLOCK,
        )


def files_of(source: str | Path) -> list[str]:
    """The files of a contact map: one, or those of a folder, a glob or a path with `{chrom}`.

    A file that does not exist (yet) is given back as it is; of `file::/group` it is the file.

    Raises
    ------
    InputError
        No file matches.
    """
    path = str(source).partition("::")[0]
    if Path(path).is_file():
        return [path]
    if Path(path).is_dir():
        held = [file for file in Path(path).iterdir() if file.is_file()]
        files = sorted(str(file) for file in held if not file.name.startswith("."))
    elif "{chrom}" in path or re.search(r"[*?[]", path):
        files = sorted(glob.glob(path.replace("{chrom}", "*")))
    else:
        return [path]
    if not files:
        raise InputError(
            f"no file matches {source}; expected juicer dump text, one file per chromosome"
        )
    return files


class DumpReader:
    """juicer `dump` text: i, j (bp) and value, one chromosome per file, one triangle of the matrix.

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
        files = files_of(self.path)
        self._files = files
        self._seps = {}
        for file in files:
            text = sniff_text(file)
            if text.kind != "dump":
                raise InputError(
                    f"{file} is a list of read pairs ({text.kind}); give it alone, as the path of "
                    "one file: a folder, glob or {chrom} is for juicer dump text"
                )
            self._seps[file] = text.sep
        self._names = [self._chromosome(file) for file in files]
        self.sizes: dict[str, int] | None = None
        self._resolution = resolution or self._infer_resolution()
        self.resolutions: tuple[int, ...] = (self._resolution,)

    def _chromosome(self, file: str) -> list[str]:
        """Parts of a file's name that may be its chromosome, the likeliest first."""
        if "{chrom}" in self.path:
            before, _, after = self.path.partition("{chrom}")
            after = after.replace("{chrom}", "*")
            tail = re.escape(after).replace(r"\*", ".*?")
            return re.findall(f"^{re.escape(before)}(.+?){tail}$", file)
        name = Path(file).name
        parts = re.split(r"[^A-Za-z0-9-]+", name)
        stems = [name[: dot.start()] for dot in re.finditer(r"\.", name)]
        return [*stems, *sorted(parts, key=lambda part: not part.lower().startswith("chr"))]

    def _infer_resolution(self) -> int:
        divisor = 0
        for file in self._files:
            for table in self._chunks(file):
                divisor = int(
                    np.gcd.reduce([divisor, *np.unique(table["i"]), *np.unique(table["j"])])
                )
                break
        if divisor == 1:
            raise InputError(
                f"{self.path}: its first two columns number bins and are not in bp, as in a "
                ".matrix of HiC-Pro; convert it: hicConvertFormat -m x.matrix --bedFileHicpro "
                "x_abs.bed --inputFormat hicpro --outputFormat cool -o x.cool"
            )
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
                i, j, value = (table[column].to_numpy() for column in _DUMP)
                above, below = above or bool((i < j).any()), below or bool((i > j).any())
                if above and below:
                    raise InputError(
                        f"{file} lists pairs above and below the diagonal; expected one triangle, "
                        "as written by juicer dump"
                    )
                length = target.chromsizes[chrom]
                self._refuse(
                    file,
                    table,
                    (i % resolution != 0) | (j % resolution != 0),
                    f"is not a multiple of the bin size {resolution:,} bp; give source_resolution",
                )
                self._refuse(
                    file,
                    table,
                    (np.maximum(i, j) >= length) | (np.minimum(i, j) < 0),
                    f"lies outside the {length:,} bp of {chrom}; name the assembly that the reads "
                    "were aligned to",
                )
                keep = np.isfinite(value) & (value != 0)
                self.notes["pixels without a number left out"] += int((~np.isfinite(value)).sum())
                yield upper(
                    offsets[chrom] + i[keep] // resolution,
                    offsets[chrom] + j[keep] // resolution,
                    value[keep],
                )

    @staticmethod
    def _refuse(file: str, table: pd.DataFrame, bad: np.ndarray, what: str) -> None:
        if bad.any():
            row = table[bad].iloc[0]
            raise InputError(f"{file}, line {row.name}: pair {int(row.i)}, {int(row.j)} {what}")

    def _chunks(self, file: str) -> Iterator[pd.DataFrame]:
        yield from read_chunks(
            file,
            _DUMP,
            what="juicer dump text",
            names=list(_DUMP),
            sep=self._seps[file],
            block=BLOCK,
        )
