"""Writing the store of a cell type's binned signals; `store` says what stands in it."""

import hashlib
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from chromloom.errors import InputError
from chromloom.files import atomic_path
from chromloom.genome.assembly import Assembly
from chromloom.genome.names import select_chromosomes
from chromloom.signals.read import find_format, read_signal
from chromloom.signals.sheet import FORMATS, SignalSource
from chromloom.signals.store import FORMAT, VERSION, SignalStore
from chromloom.signals.transform import find_quantiles, match_quantiles, transform_values

logger = logging.getLogger(__name__)

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
        Bins are those of all its chromosomes; its blacklist is missing in every signal.
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
                "format": FORMAT,
                "version": VERSION,
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
                        f"signal {signal!r} of {cell_types[0]!r} has {chrom} from two files; leave "
                        "out or rename one"
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
    for signal, chrom, values in read_signal(source, assembly, bin_size):
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
            "source": ",".join(Path(path).name for path in source.paths),
            "sha256": ",".join(map(_checksum, source.paths)),
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
