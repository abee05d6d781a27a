"""Signals of any format as values of bins.

*Value of a bin*: the mean over its bases that are known. A base that the file does not name is
missing, or 0 where the source says `absent: zero` (peaks, motifs and reads by default) and the file
names its chromosome at all; a base of the assembly's blacklist is missing, and for a source with
`absent: zero` one of a centromere. A bin more than half of which is missing is NaN.

So a peak that covers half of a bin gives half of its value. Where peaks or motifs overlap, the
highest counts; the states of a segmentation are signals of their own, the share of a bin that each
covers; reads are counted, each over all the bases that it is aligned to.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.genome.assembly import Assembly
from chromloom.genome.names import harmonise_names, match_names
from chromloom.signals.sheet import FORMATS, PEAK_COLUMNS, PRESENCE, SignalSource, check_column
from chromloom.signals.tracks import open_bigwig
from chromloom.tables import Column, open_text, read_chunks, read_table

BLOCK = 1 << 22  # bp of a bigWig held at a time
# Alignments that are not counted: unmapped, secondary, duplicates, supplementary.
_NOT_COUNTED = 4 + 256 + 1024 + 2048
# What other files start with, which may be mistaken for tracks.
_OTHERS = {
    "fixedStep": ("wiggle text", "make a bigWig of it (wigToBigWig), or bedGraph"),
    "variableStep": ("wiggle text", "make a bigWig of it (wigToBigWig), or bedGraph"),
    "CRAM": ("a CRAM file", "make a sorted BAM of it (samtools view -b)"),
    "@": ("a SAM file", "make a sorted BAM of it (samtools sort)"),
    "<": ("a web page, which a download left", "fetch the file again"),
}
_PLACE = {"chrom": Column(), "start": Column(int, low=0), "end": Column(int, low=1)}


class _Grid:
    """Bins of a chromosome and the parts of it that the blacklist names."""

    def __init__(self, size: int, bin_size: int, blacklist: np.ndarray) -> None:
        """`blacklist`: (n, 2) bp, start and end, in any order."""
        self.size, self.bin_size, self.n = size, bin_size, -(-size // bin_size)
        rows = blacklist[np.argsort(blacklist[:, 0], kind="stable")]
        reached = np.maximum.accumulate(rows[:, 1])
        apart = np.append(True, rows[1:, 0] > reached[:-1])[: len(rows)]
        last = np.append(np.flatnonzero(apart)[1:] - 1, len(rows) - 1)[: apart.sum()]
        self.listed = np.column_stack([rows[apart, 0], reached[last]])  # disjoint, sorted
        self.length = np.full(self.n, bin_size, dtype=np.int32)  # bases of each bin
        self.length[-1] = size - (self.n - 1) * bin_size
        first, end = self.listed.T
        self.usable = self.length - self._share(first, end, np.ones(len(first)))[1]

    def add(
        self, starts: np.ndarray, ends: np.ndarray, values: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sum of value x bases, and bases, that intervals have in each bin, (n,) each.

        What the blacklist names is left out.
        """
        if len(self.listed):
            edges = self.listed.ravel()  # after an odd number of edges the blacklist has it
            first = np.searchsorted(edges, starts, "right")
            row, part = _parts(first, np.searchsorted(edges, ends, "left"))
            edges = np.concatenate([[0], edges, [self.size]])
            starts = np.maximum(starts[row], edges[part])
            ends, values = np.minimum(ends[row], edges[part + 1]), values[row]
            kept = part % 2 == 0
            starts, ends, values = starts[kept], ends[kept], values[kept]
        return self._share(starts, ends, values)

    def _share(self, starts, ends, values) -> tuple[np.ndarray, np.ndarray]:
        row, bins = _parts(starts // self.bin_size, (ends - 1) // self.bin_size)
        bases = np.minimum(ends[row], (bins + 1) * self.bin_size)
        bases -= np.maximum(starts[row], bins * self.bin_size)
        total = np.bincount(bins, bases * values[row], self.n)
        return total, np.bincount(bins, bases, self.n).astype(np.int32)

    def mean(self, total: np.ndarray, known: np.ndarray, *, zero: bool) -> np.ndarray:
        """Values of bins, (n_bins,), float32, from what `add` gives."""
        known = self.usable if zero else known
        kept = 2 * known >= self.length
        means = np.divide(total, known, out=np.zeros(len(total)), where=known > 0)
        return np.where(kept & (known > 0), means, np.nan).astype(np.float32)


def read_signal(
    source: SignalSource, assembly: Assembly, bin_size: int
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Values of the bins of one signal, before any transform.

    Parameters
    ----------
    source : SignalSource
    assembly : Assembly
        Chromosome names of the file are matched to its own.
    bin_size : int
        bp.

    Yields
    ------
    signal : str
        Name of the channel: that of the source, for motifs with `+` or `-`, for a segmentation with
        `:` and the state.
    chrom : str
        A chromosome that the file names.
    values : ndarray, (n_bins,), float32
        NaN = missing.

    Raises
    ------
    InputError
        The file is missing, damaged, cut off, of another format or of another assembly, or holds
        values that are not numbers.
    """
    for path in source.paths:
        read = _read_file(replace(source, path=path), assembly, bin_size)
        for signal, chrom, values in read:
            # The header of a bigWig of one chromosome may name them all.
            if len(source.paths) == 1 or np.isfinite(values).any():
                yield signal, chrom, values


def _read_file(source, assembly, bin_size) -> Iterator[tuple[str, str, np.ndarray]]:
    place = f"{_what(source)} {source.path}"
    format = find_format(source)
    check_column(source, format, place)
    column, absent = FORMATS[format]
    column, zero = source.column or column, (source.absent or absent) == "zero"

    chromsizes, left_out = assembly.chromsizes, [assembly.blacklist]
    if zero:  # where nothing can be mapped, nothing is no zero
        left_out.append(assembly.centromeres)
    left_out = pd.concat(left_out)[["chrom", "start", "end"]]

    @lru_cache(maxsize=2)  # files are sorted by chromosome, as a rule
    def grids(chrom: str) -> _Grid:
        own = left_out.loc[left_out["chrom"] == chrom, ["start", "end"]].to_numpy(np.int64)
        return _Grid(int(chromsizes[chrom]), bin_size, own)

    if format == "bigwig":
        for chrom, values in _read_bigwig(source, chromsizes, bin_size, grids, zero, place):
            yield source.signal, chrom, values
    elif format in ("bedgraph", "tagAlign", "bam"):
        reader = {"bedgraph": _read_bedgraph, "tagAlign": _read_tags, "bam": _read_bam}[format]
        for chrom, values in reader(source, chromsizes, grids, zero, column, place):
            yield source.signal, chrom, values
    else:
        yield from _read_intervals(source, format, chromsizes, grids, zero, column, place)


def find_format(source: SignalSource) -> str:
    """Format of a source's (first) file: what its row says, else what its content shows.

    bigWig and BAM are told by their first bytes, tagAlign by its suffix; text of four columns with
    a number is bedGraph, of ten with the numbers of a narrowPeak or nine with those of a broadPeak
    these. Anything else has to be named.

    Raises
    ------
    InputError
        The file is missing, or of a format that has to be named.
    """
    path = Path(source.paths[0])
    if not path.is_file():
        raise InputError(
            f"{_what(source)} {path} does not exist; mend its path in the sheet of signals"
        )
    if source.format:
        return source.format
    with path.open("rb") as file:
        magic = file.read(4)
    if magic in (b"\x26\xfc\x8f\x88", b"\x88\x8f\xfc\x26"):
        return "bigwig"
    if magic[:2] == b"\x1f\x8b" and path.suffix.lower() == ".bam":
        return "bam"
    if ".tagalign" in path.name.lower():
        return "tagAlign"
    cells = _first_cells(path, source)
    numbers = [_is_number(cell) for cell in cells]
    if len(cells) == 4 and numbers[3]:
        return "bedgraph"
    if len(cells) in (9, 10) and all(numbers[6:]) and cells[5] in ("+", "-", "."):
        return "narrowPeak" if len(cells) == 10 else "broadPeak"
    for start, (kind, remedy) in _OTHERS.items():
        if cells[0].startswith(start):
            raise InputError(f"{_what(source)} {path} is {kind}; {remedy}")
    raise InputError(
        f"{_what(source)} {path} has {len(cells)} columns, which do not tell its format; name it "
        f"in the column format: {', '.join(FORMATS)}"
    )


def _what(source: SignalSource) -> str:
    """What a file of a source is to the user, for messages; its path follows."""
    return f"signal {source.signal!r} of {source.cell_type!r}:"


def _first_cells(path: Path, source: SignalSource) -> list[str]:
    with open_text(path, what=_what(source)) as file:
        for line in file:
            if line.strip() and not line.startswith(("#", "track", "browser")):
                return line.split("\t") if "\t" in line else line.split()
    raise InputError(f"{_what(source)} {path} holds no rows; expected a track")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _read_bigwig(source, chromsizes, bin_size, grids, zero, place):
    block = max(1, BLOCK // bin_size) * bin_size
    with open_bigwig(source.path, what=place) as handle:
        names = harmonise_names(handle.chroms(), chromsizes, source=place)
        for name, chrom in names.items():
            grid, size = grids(chrom), int(chromsizes[chrom])
            total, known = np.zeros(grid.n), np.zeros(grid.n, dtype=np.int32)
            for lo in range(0, size, block):
                hi = min(lo + block, size)
                values = handle.values(name, lo, hi, numpy=True)
                if len(values) == 0:  # a file without a single value
                    continue
                for start, end in grid.listed:
                    if start < hi and end > lo:
                        values[max(0, start - lo) : end - lo] = np.nan
                _refuse_infinite(values, f"{place}: {chrom}:{lo}-{hi}")
                here = slice(lo // bin_size, -(-hi // bin_size))
                total[here], known[here] = _sum_bins(values, bin_size)
            yield chrom, grid.mean(total, known, zero=zero)


def _refuse_infinite(values: np.ndarray, place: str) -> None:
    if np.isinf(values).any():
        raise InputError(f"{place} holds infinite values; expected numbers: write the track again")


def _sum_bins(values: np.ndarray, bin_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the finite values of each bin; the last bin may be shorter."""
    values = np.append(values, np.full(-len(values) % bin_size, np.nan, values.dtype))
    known = ~np.isnan(values)
    values[~known] = 0
    shape = (-1, bin_size)
    return values.reshape(shape).sum(1, dtype=float), known.reshape(shape).sum(1)


def _on_assembly(table, names, chromsizes, place) -> pd.DataFrame:
    """Rows on the assembly's chromosomes, under its names; none beyond an end."""
    table = table.assign(chrom=table["chrom"].map(names)).dropna(subset="chrom")
    size = table["chrom"].map(chromsizes)
    for line, chrom, start, end in table.loc[
        (table["end"] > size) | (table["end"] <= table["start"]), ["chrom", "start", "end"]
    ].itertuples():
        raise InputError(
            f"{place}, line {line}: {chrom}:{start}-{end} is not a region of the "
            f"{chromsizes[chrom]:,} bp of {chrom}; is the file of another assembly?"
        )
    return table


def _parts(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each row once for each of first[row], ..., last[row]; and these numbers."""
    number = last - first + 1
    row = np.repeat(np.arange(len(first)), number)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(number) - number, number) + first[row]


class _Sums:
    """Sums over a file that is read in parts."""

    def __init__(self, grids, chromsizes, place):
        self.grids, self.chromsizes, self.place = grids, chromsizes, place
        self.names: dict[str, str | None] = {}
        self.total: dict[str, np.ndarray] = {}
        self.known: dict[str, np.ndarray] = {}

    def add(self, table: pd.DataFrame) -> None:
        """Add rows: chrom, start, end, value."""
        new = [name for name in table["chrom"].unique() if name not in self.names]
        self.names |= match_names(new, self.chromsizes)
        table = _on_assembly(table, self.names, self.chromsizes, self.place)
        for chrom, rows in table.groupby("chrom", sort=False):
            total, known = self.grids(chrom).add(
                rows["start"].to_numpy(), rows["end"].to_numpy(), rows["value"].to_numpy(float)
            )
            if chrom in self.total:
                self.total[chrom] += total
                self.known[chrom] += known
            else:
                self.total[chrom], self.known[chrom] = total, known

    def means(self, *, zero: bool, scale: float = 1.0):
        """chrom, values of its bins; of every chromosome that the file named."""
        harmonise_names(list(self.names), self.chromsizes, source=self.place)
        for chrom in self.chromsizes.index:
            if chrom in self.total:
                grid = self.grids(chrom)
                yield chrom, grid.mean(scale * self.total[chrom], self.known[chrom], zero=zero)


def _read_bedgraph(source, chromsizes, grids, zero, column, place, scale=1.0):
    contract = {**_PLACE, "value": Column(float)}
    sums = _Sums(grids, chromsizes, place)
    for table in read_chunks(
        source.path, contract, what=_what(source), names=list(contract), sep=None
    ):
        values = table["value"]
        wrong = values.index[np.isinf(values)]
        if source.transform == "log1p" and not len(wrong):
            wrong = values.index[values.isna()]
        if len(wrong):
            raise InputError(
                f"{place}, line {wrong[0]}: value {values[wrong[0]]} under transform "
                f"{source.transform}; expected numbers: leave out rows that have none"
            )
        sums.add(table[values.notna()])
    for chrom, known in sums.known.items():
        twice = np.flatnonzero(known > grids(chrom).usable)
        if len(twice):
            start = twice[0] * grids(chrom).bin_size
            raise InputError(
                f"{place}: intervals overlap near {chrom}:{start}; expected one value per base: "
                "join them first (bedtools merge, or bedGraphToBigWig of sorted rows)"
            )
    yield from sums.means(zero=zero, scale=scale)


def _read_tags(source, chromsizes, grids, zero, column, place):
    """Reads as BED: each over its bases."""
    sums, n_reads, n_bases = _Sums(grids, chromsizes, place), 0, 0
    for table in read_chunks(source.path, _PLACE, what=_what(source), names=list(_PLACE), sep=None):
        sums.add(table.assign(value=1.0))
        n_reads += len(table)
        n_bases += int((table["end"] - table["start"]).sum())
    scale = _depth_scale(source, column, n_reads, n_bases, chromsizes, grids, place)
    yield from sums.means(zero=zero, scale=scale)


def _depth_scale(source, column, n_reads, n_bases, chromsizes, grids, place) -> float:
    """What a depth of one read is: per million reads (CPM), or over the mean depth (RPGC)."""
    if not n_reads:
        raise InputError(f"{place} has no aligned reads; give a file that has")
    if column == "CPM":
        return 1e6 / n_reads
    size = source.effective_genome_size
    return (size or sum(int(grids(chrom).usable.sum()) for chrom in chromsizes.index)) / n_bases


def _read_bam(source, chromsizes, grids, zero, column, place):
    """Depth by bedtools' genomecov, of reads that are mapped, first and no duplicates."""
    import pybedtools
    import pysam

    path = str(source.path)
    try:
        with pysam.AlignmentFile(path, "rb") as handle:
            lengths = dict(zip(handle.references, handle.lengths))
            order = handle.header.to_dict().get("HD", {}).get("SO", "unknown")
        harmonise_names(lengths, chromsizes, source=place)
        if order != "coordinate":
            raise InputError(
                f"{place}: its reads are in order {order!r}; expected 'coordinate': samtools sort"
            )
        with tempfile.TemporaryDirectory(prefix="signals-") as folder:
            counted, depth = Path(folder) / "counted.bam", Path(folder) / "depth.bedgraph"
            pysam.view("-b", "-F", str(_NOT_COUNTED), "-o", str(counted), path, catch_stdout=False)
            n_reads = int(str(pysam.view("-c", str(counted))))
            pybedtools.BedTool(str(counted)).genome_coverage(bg=True, output=str(depth))
            bases = sum(
                int((part["value"] * (part["end"] - part["start"])).sum())
                for part in read_chunks(
                    depth,
                    {**_PLACE, "value": Column(float)},
                    names=[*_PLACE, "value"],
                )
            )
            scale = _depth_scale(source, column, n_reads, bases, chromsizes, grids, place)
            read = SignalSource(source.signal, source.cell_type, str(depth))
            yield from _read_bedgraph(read, chromsizes, grids, zero, "", place, scale)
    except (OSError, ValueError, pysam.SamtoolsError, pybedtools.helpers.BEDToolsError) as error:
        raise InputError(
            f"{place} cannot be read as BAM ({_last_line(error)}); expected a whole file, sorted "
            "by coordinate: fetch or write it again"
        ) from error


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _read_intervals(source, format, chromsizes, grids, zero, column, place):
    """Peaks, motifs and segmentations: tables that fit in memory."""
    number = {**PEAK_COLUMNS, "name": 4, "color": 9}.get(column, 0)
    number = number or (int(column) if column.isdigit() else 0)
    width = max(number, 6 if format == "motifs" else 3)
    names = [*_PLACE, *(f"column{k}" for k in range(4, width + 1))]
    contract = dict(_PLACE)
    contract["end"] = Column(int, low=0)
    if format == "motifs":
        contract["column6"] = Column(among=("+", "-"))
    if number:
        contract[f"column{number}"] = Column(str if format == "segmentation" else float)
    contract = {name: contract[name] for name in names if name in contract}
    table = read_table(source.path, contract, what=_what(source), names=names, sep=None)
    table["end"] = table["end"].where(table["end"] > table["start"], table["start"] + 1)
    matched = harmonise_names(table["chrom"].unique(), chromsizes, source=place)
    table = _on_assembly(table, matched, chromsizes, place)
    value = table[f"column{number}"] if number and format != "segmentation" else 1.0
    table = table.assign(value=value)
    wrong = table.index[~np.isfinite(table["value"])]
    if format in ("narrowPeak", "broadPeak") and number in (8, 9):
        for line in table.index[table["value"] == -1]:
            raise InputError(
                f"{place}, line {line}: {column} is -1, which says that there is none; use the "
                "column signalValue or presence"
            )
    if len(wrong):
        raise InputError(
            f"{place}, line {wrong[0]}: column {column} is {table['value'][wrong[0]]}; expected a "
            f"number, or the column {PRESENCE!r}"
        )
    channels = {
        "segmentation": table[f"column{number}"] if format == "segmentation" else None,
        "motifs": table.get("column6"),
    }.get(format)
    mark = {"segmentation": ":", "motifs": ""}.get(format, "")
    names_of_channels = [""] if channels is None else sorted(channels.unique())
    if format == "motifs":
        names_of_channels = ["+", "-"]
    for chrom in chromsizes.index:
        here = table["chrom"] == chrom
        if not here.any():
            continue
        rows, grid = table[here], grids(chrom)
        everywhere = _sum_highest(rows, grid)[1]
        for name in names_of_channels:
            own = rows if channels is None else rows[channels[here] == name]
            total, known = _sum_highest(own, grid)
            if format == "segmentation":
                known = everywhere
            yield f"{source.signal}{mark}{name}", chrom, grid.mean(total, known, zero=zero)


def _sum_highest(rows: pd.DataFrame, grid: _Grid) -> tuple[np.ndarray, np.ndarray]:
    """`_Grid.add` of intervals that may overlap; the highest value counts."""
    rows = rows.sort_values("start", kind="stable")
    starts, ends, values = (rows[name].to_numpy() for name in ("start", "end", "value"))
    if (starts[1:] < np.maximum.accumulate(ends)[:-1]).any():
        cuts = np.unique(np.append(starts, ends))
        painted = np.full(len(cuts) - 1, np.nan)
        first, last = np.searchsorted(cuts, starts), np.searchsorted(cuts, ends)
        for row in np.argsort(values, kind="stable"):  # the last to be painted is the highest
            painted[first[row] : last[row]] = values[row]
        kept = ~np.isnan(painted)
        starts, ends, values = cuts[:-1][kept], cuts[1:][kept], painted[kept]
    return grid.add(starts, ends, values)
