"""Binned signals of a cell type on disk: written by `bin_signals`, read by `SignalStore`.

An HDF5 file. Attributes of the file: `format`, `version`, `cell_type`, `assembly`, `bin_size` (bp),
`quantile_chroms`. `chromosomes/name` and `chromosomes/length` (bp) are the assembly's, in order.
One group per signal, `signals/0` ...: attributes `name`, `transform`, `reference`, `source`,
`sha256`, `file_format`, `column`, `absent`, and one array per chromosome that the source names,
under its name: (n_bins,), float16 or float32, NaN = missing.

*float16* is taken for a signal of a chromosome where no rounding moves a value by more than 0.05 %
of itself plus 0.01 % of the mean absolute value; float32 elsewhere (values above 65,504, or all of
them tiny).
"""

import hashlib
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.files import atomic_path
from chromloom.genome.assembly import Assembly
from chromloom.genome.names import select_chromosomes
from chromloom.signals.read import find_format, read_signal
from chromloom.signals.sheet import FORMATS, SignalSource
from chromloom.signals.transform import find_quantiles, match_quantiles, transform_values

logger = logging.getLogger(__name__)

_FORMAT, _VERSION = "chromloom-signals", 1
_CHUNK = 1 << 14  # bins
_ROUNDING, _OF_MEAN = 2.0**-11, 1e-4


def bin_signals(
    sources: Iterable[SignalSource],
    assembly: Assembly,
    path: str | Path,
    *,
    bin_size: int = 100,
    references: Mapping[str, str | Path] | None = None,
    quantile_chroms: Sequence[str] = (),
) -> None:
    """Write the signals of one cell type as values of bins, file by file, atomically.

    Parameters
    ----------
    sources : iterable of SignalSource
        Files of one cell type.
    assembly : Assembly
        Its bins are those of all its chromosomes; its blacklist is missing in every signal.
    path : str or Path
        File to write.
    bin_size : int
        bp.
    references : mapping, optional
        Cell type -> its store, of the same assembly and bins, for sources with a reference.
    quantile_chroms : sequence of str
        Chromosomes whose quantiles are matched with a reference: never those of a test.

    Raises
    ------
    InputError
        A file cannot be used (`read_signal`), two give a signal of the same name, or a reference is
        asked for without chromosomes.
    """
    sources = list(sources)
    cell_types = sorted({source.cell_type for source in sources})
    if len(cell_types) != 1:
        raise InputError(f"signals of cell types {cell_types}; expected the files of one")
    matched = [source for source in sources if source.reference]
    chroms = []
    if matched:
        if not quantile_chroms:
            raise InputError(
                f"signal {matched[0].signal!r} of {cell_types[0]!r} is matched with "
                f"{matched[0].reference!r}, but no chromosomes are named whose quantiles are; name "
                "some that no predictor is tested on (bin_signals.quantile_chromosomes)"
            )
        chroms = select_chromosomes(
            quantile_chroms, assembly.chromsizes, source="bin_signals.quantile_chromosomes"
        )
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update(
            {
                "format": _FORMAT,
                "version": _VERSION,
                "cell_type": cell_types[0],
                "assembly": assembly.name,
                "bin_size": int(bin_size),
                "quantile_chroms": list(map(str, chroms)),
            }
        )
        file["chromosomes/name"] = [str(name) for name in assembly.chromsizes.index]
        file["chromosomes/length"] = assembly.chromsizes.to_numpy(np.int64)
        groups: dict[str, h5py.Group] = {}
        for source in sources:
            started = time.monotonic()
            values = _transformed(source, assembly, bin_size)
            if source.reference:
                values = _matched(source, values, references or {}, assembly, bin_size, chroms)
            n_values = 0
            for signal, chrom, binned in values:
                group = groups.get(signal)
                if group is None:
                    group = groups[signal] = _new_group(file, signal, len(groups), source)
                if chrom in group:
                    raise InputError(
                        f"signal {signal!r} of {cell_types[0]!r} is given by two files; rename one"
                    )
                group.create_dataset(
                    chrom,
                    data=_packed(binned),
                    chunks=(min(_CHUNK, len(binned)),),
                    shuffle=True,
                    compression="lzf",
                )
                n_values += int(np.isfinite(binned).sum())
            logger.info(
                "%s of %s: %d values of bins in %.1f s",
                source.signal, cell_types[0], n_values, time.monotonic() - started,
            )  # fmt: skip


def _transformed(source, assembly, bin_size) -> Iterator[tuple[str, str, np.ndarray]]:
    place = f"signal {source.signal!r} of {source.cell_type!r}: {source.path}"
    for signal, chrom, values in read_signal(
        source, assembly.chromsizes, bin_size, assembly.blacklist
    ):
        yield signal, chrom, transform_values(values, source.transform, source=f"{place}, {chrom}")


def _matched(source, values, references, assembly, bin_size, chroms):
    """Values with the quantiles of the reference; those of one file are held in memory."""
    if source.reference not in references:
        raise InputError(
            f"signal {source.signal!r} of {source.cell_type!r}: the store of its reference "
            f"{source.reference!r} is not given"
        )
    held: dict[str, dict[str, np.ndarray]] = {}
    for signal, chrom, binned in values:
        held.setdefault(signal, {})[chrom] = binned
    with SignalStore(references[source.reference]) as reference:
        reference.check(
            list(held),
            assembly=assembly.name,
            bin_size=bin_size,
            transforms=dict.fromkeys(held, source.transform),
        )
        for signal, own in held.items():
            theirs = np.concatenate([reference.read_chrom(chrom, [signal])[0] for chrom in chroms])
            ours = [own[chrom] for chrom in chroms if chrom in own]
            quantiles = [find_quantiles(np.concatenate([*ours, [np.nan]])), find_quantiles(theirs)]
            for chrom, binned in own.items():
                yield signal, chrom, match_quantiles(binned, *quantiles)


def _new_group(file: h5py.File, signal: str, number: int, source: SignalSource) -> h5py.Group:
    group = file.create_group(f"signals/{number}")
    format = find_format(source)
    column, absent = FORMATS[format]
    group.attrs.update(
        {
            "name": signal,
            "transform": source.transform,
            "reference": source.reference,
            "source": Path(source.path).name,
            "sha256": _checksum(source.path),
            "file_format": format,
            "column": source.column or column,
            "absent": source.absent or absent,
        }
    )
    return group


def _checksum(path: str | Path) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _packed(values: np.ndarray) -> np.ndarray:
    """The values as float16 where that is exact enough (see above), else as float32."""
    values = values.astype(np.float32)
    known = np.abs(values[np.isfinite(values)])
    with np.errstate(over="ignore"):
        packed = values.astype(np.float16)
        error = np.abs(packed.astype(np.float32) - values)[np.isfinite(values)]
    allowed = _ROUNDING * known + _OF_MEAN * (known.mean(dtype=float) if len(known) else 0)
    return packed if (error <= allowed).all() else values


class SignalStore:
    """Binned signals of one cell type, read by name.

    Opened when first read, and anew in every process that it is sent to. A context manager closes
    it.

    Parameters
    ----------
    path : str or Path
        File that `bin_signals` wrote.

    Attributes
    ----------
    path : Path
    cell_type : str
    assembly : str
        Name of the assembly.
    bin_size : int
        bp.
    chromsizes : Series
        Chromosome name -> bp, of the whole assembly.
    signals : list of str
        Names.
    transforms : dict
        signal -> none, log1p or arcsinh.
    references : dict
        signal -> cell type whose quantiles it was given, "" for its own.
    quantile_chroms : list of str
        Chromosomes of which these quantiles are; none of them may be a predictor's test.
    sources : dict
        signal -> source, sha256, file_format, column, absent (text).

    Raises
    ------
    InputError
        The file is missing, damaged or not such a store.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._open: h5py.File | None = None
        file = self._file
        attrs = file.attrs
        if attrs.get("format") != _FORMAT or attrs.get("version") != _VERSION:
            raise InputError(
                f"{path} is not a store of signals of version {_VERSION}; make it by the rule "
                "bin_signals"
            )
        self.cell_type, self.assembly = str(attrs["cell_type"]), str(attrs["assembly"])
        self.bin_size = int(attrs["bin_size"])
        self.quantile_chroms = [str(chrom) for chrom in attrs["quantile_chroms"]]
        self.chromsizes = pd.Series(
            file["chromosomes/length"][:], file["chromosomes/name"].asstr()[:], name="length"
        )
        number = len(file["signals"]) if "signals" in file else 0
        rows = [dict(file[f"signals/{k}"].attrs) for k in range(number)]
        self.signals = [row["name"] for row in rows]
        self.transforms = {row["name"]: row["transform"] for row in rows}
        self.references = {row["name"]: row["reference"] for row in rows}
        kept = ("source", "sha256", "file_format", "column", "absent")
        self.sources = {row["name"]: {key: row[key] for key in kept} for row in rows}

    @property
    def _file(self) -> h5py.File:
        if self._open is None:
            if not self.path.is_file():
                raise InputError(
                    f"{self.path} does not exist; make it by the rule bin_signals (a cell type "
                    "with rows in the sheet of signals)"
                )
            try:
                self._open = h5py.File(self.path, "r")
            except OSError as error:
                raise InputError(
                    f"{self.path} cannot be read as HDF5 ({error}); make it again"
                ) from error
        return self._open

    def close(self) -> None:
        """Close the file; it is opened again when it is read."""
        if self._open is not None:
            self._open.close()
        self._open = None

    def __enter__(self) -> "SignalStore":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_open": None}

    @cached_property
    def _number(self) -> dict[str, int]:
        return {signal: k for k, signal in enumerate(self.signals)}

    def n_bins(self, chrom: str) -> int:
        """Bins of a chromosome; the last may be shorter than the others.

        Raises
        ------
        InputError
            The assembly has no such chromosome.
        """
        if chrom not in self.chromsizes.index:
            raise InputError(
                f"{self.path} has no chromosome {chrom!r}; it has "
                f"{', '.join(self.chromsizes.index)}"
            )
        return -(-int(self.chromsizes[chrom]) // self.bin_size)

    def chroms(self, signals: Sequence[str] | None = None) -> list[str]:
        """Chromosomes that the files of all these signals name, in the assembly's order."""
        groups = [self._file[f"signals/{self._number[name]}"] for name in self._named(signals)]
        return [chrom for chrom in self.chromsizes.index if all(chrom in g for g in groups)]

    def read(
        self, chrom: str, lo: int, hi: int, signals: Sequence[str] | None = None
    ) -> np.ndarray:
        """Values of bins [lo, hi) of a chromosome.

        Parameters
        ----------
        chrom : str
        lo, hi : int
            Bins of the store, not bp. They may lie beyond the chromosome's ends, where values are
            NaN.
        signals : sequence of str, optional
            Names, in the order wanted; all of the store by default.

        Returns
        -------
        ndarray, (n_signals, hi - lo), float32
            NaN = missing, masked, or beyond the chromosome.

        Raises
        ------
        InputError
            There is no such chromosome or signal; the message names what there is.
        """
        n, names = self.n_bins(chrom), self._named(signals)
        values = np.full((len(names), hi - lo), np.nan, dtype=np.float32)
        first, last = max(lo, 0), min(hi, n)
        if first >= last:
            return values
        for row, name in zip(values, names):
            group = self._file[f"signals/{self._number[name]}"]
            if chrom in group:
                row[first - lo : last - lo] = group[chrom][first:last]
        return values

    def read_chrom(self, chrom: str, signals: Sequence[str] | None = None) -> np.ndarray:
        """Values of all bins of a chromosome, (n_signals, n_bins), float32; as `read`."""
        return self.read(chrom, 0, self.n_bins(chrom), signals)

    def _named(self, signals: Sequence[str] | None) -> list[str]:
        if signals is None:
            return self.signals
        missing = [name for name in signals if name not in self._number]
        if missing:
            raise InputError(
                f"{self.path}: cell type {self.cell_type!r} has no signal {missing[0]!r}; it has "
                f"{', '.join(self.signals)}: add its row to the sheet of signals"
            )
        return list(signals)

    def check(
        self,
        signals: Sequence[str] | None = None,
        *,
        assembly: str | None = None,
        bin_size: int | None = None,
        transforms: Mapping[str, str] | None = None,
    ) -> None:
        """Refuse a store that is not what a predictor was trained on.

        Parameters
        ----------
        signals : sequence of str, optional
            Names that have to be there.
        assembly : str, optional
        bin_size : int, optional
            bp.
        transforms : mapping, optional
            signal -> transform it has to have.

        Raises
        ------
        InputError
            Something is otherwise.
        """
        self._named(signals)
        if assembly is not None and assembly != self.assembly:
            raise InputError(
                f"{self.path}: signals of cell type {self.cell_type!r} are on assembly "
                f"{self.assembly!r}; expected {assembly!r}: lift the files over, or name another "
                "cell type"
            )
        if bin_size is not None and bin_size != self.bin_size:
            raise InputError(
                f"{self.path} has bins of {self.bin_size} bp; expected {bin_size} bp: make a store "
                "of these (bin_signals.bin_sizes)"
            )
        for signal, transform in (transforms or {}).items():
            if self.transforms.get(signal, transform) != transform:
                raise InputError(
                    f"{self.path}: signal {signal!r} has transform {self.transforms[signal]!r}; "
                    f"expected {transform!r}: mend its row in the sheet of signals"
                )
