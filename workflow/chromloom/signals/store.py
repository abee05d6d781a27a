"""Binned signals of a cell type on disk: written by `write.bin_signals`, read by `SignalStore`.

An HDF5 file. Attributes of the file: `format`, `version`, `cell_type`, `assembly`, `bin_size` (bp),
`quantile_chroms`. `chromosomes/name` and `chromosomes/length` (bp) are the assembly's, in order.
One group per signal, `signals/0` ...: attributes `name`, `transform`, `reference`, `source`,
`sha256`, `file_format`, `column`, `absent`, and one array per chromosome that the source names,
under its name: (n_bins,), float16 or float32, NaN = missing.

*float16* is taken for a signal of a chromosome where no rounding moves a value by more than 0.05 %
of itself plus 0.01 % of the mean absolute value; float32 elsewhere (values above 65,504, or all of
them tiny).
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.files import OpenedFile

FORMAT, VERSION = "chromloom-signals", 1


class SignalStore(OpenedFile):
    """Binned signals of one cell type, read by name.

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
        super().__init__(path)
        file = self._file
        attrs = file.attrs
        if attrs.get("format") != FORMAT or attrs.get("version") != VERSION:
            raise InputError(
                f"{path} is not a store of signals of version {VERSION}; make it by the rule "
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

    def _open(self) -> h5py.File:
        if not self.path.is_file():
            raise InputError(
                f"{self.path} does not exist; make it by the rule bin_signals (a cell type with "
                "rows in the sheet of signals)"
            )
        try:
            return h5py.File(self.path, "r")
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be read as HDF5 ({error}); make it again"
            ) from error

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
                    f"expected {transform!r}: correct its row in the sheet of signals"
                )
