"""What a store of binned signals holds: a table of quality, and a stretch to look at."""

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.genome.regions import parse_region
from chromloom.signals.store import SignalStore
from chromloom.signals.transform import restore_values

QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99, 1.0)
COLUMNS = ["signal", "chrom", "n_bins", "coverage", "mean", "sd",
           *(f"q{100 * q:g}" for q in QUANTILES), "zeros"]  # fmt: skip
UNLIKE = 4  # ratio of means of two cell types from which on a track looks normalized otherwise
_SOURCE = ("file_format", "column", "absent")


def signals_qc(store: SignalStore, sisters: list[SignalStore]) -> pd.DataFrame:
    """One row per signal and chromosome that its file names, and one over all (`chrom` = all).

    Parameters
    ----------
    store : SignalStore
    sisters : list of SignalStore
        Those of other cell types, of the same assembly and bins.

    Returns
    -------
    DataFrame
        signal, chrom, n_bins; coverage, the share of bins with a value; over these mean, sd, q1 to
        q100 (quantiles in %), zeros (share of zeros), of transformed values; in the rows over all
        also `r_NAME`, Pearson correlation with every signal over the bins that both have; warning,
        "" where there is none: a chromosome without any value but zero, and a signal that looks
        normalized unlike a sister's (`compare_sisters`).
    """
    rows, products = [], _Products(len(store.signals))
    chroms = {signal: store.chroms([signal]) for signal in store.signals}
    for chrom in store.chromsizes.index:
        if any(chrom in own for own in chroms.values()):
            products.add(store.read_chrom(chrom))
    correlations = products.correlations()
    for number, signal in enumerate(store.signals):
        held = [store.read_chrom(chrom, [signal])[0] for chrom in chroms[signal]]
        own = [_describe(signal, c, values) for c, values in zip(chroms[signal], held)]
        everything = np.concatenate([*held, np.zeros(0, np.float32)])
        row = _describe(signal, "all", everything)
        row |= {f"r_{other}": r for other, r in zip(store.signals, correlations[number])}
        row["warning"] = "; ".join(compare_sisters(store, sisters, signal))
        rows += [*own, row]
    table = pd.DataFrame(rows)
    return table[[*COLUMNS, *(f"r_{signal}" for signal in store.signals), "warning"]]


def _describe(signal: str, chrom: str, values: np.ndarray) -> dict:
    known = values[np.isfinite(values)]
    row = {"signal": signal, "chrom": chrom, "n_bins": len(values), "warning": ""}
    row |= dict.fromkeys(COLUMNS[4:], np.nan)
    row["coverage"] = len(known) / max(len(values), 1)
    if len(known):
        row |= {
            "mean": known.mean(dtype=float),
            "sd": known.std(dtype=float),
            "zeros": float((known == 0).mean()),
        }
        row |= dict(zip(COLUMNS[6:], np.quantile(known, QUANTILES).astype(float)))
    if chrom != "all" and len(known) == 0:
        row["warning"] = "no value on this chromosome"
    elif chrom != "all" and not known.any():
        row["warning"] = "zero in every bin of this chromosome"
    return row


class _Products:
    """Sums of products of pairs of signals over the bins that both have."""

    def __init__(self, n: int) -> None:
        self.n, self.x, self.xx, self.xy = (np.zeros((n, n)) for _ in range(4))

    def add(self, values: np.ndarray) -> None:
        known = np.isfinite(values)
        values, known = np.where(known, values, 0).astype(float), known.astype(float)
        self.n += known @ known.T
        self.x += values @ known.T  # of the first over the bins of the second
        self.xx += values**2 @ known.T
        self.xy += values @ values.T

    def correlations(self) -> np.ndarray:
        """(n, n), NaN where either does not vary."""
        n = np.maximum(self.n, 1)
        x, y = self.x / n, self.x.T / n
        variance = self.xx / n - x**2
        with np.errstate(invalid="ignore", divide="ignore"):
            r = (self.xy / n - x * y) / np.sqrt(variance * variance.T)
        return np.where(np.minimum(variance, variance.T) > 1e-12 * (self.xx / n), r, np.nan)


def compare_sisters(store: SignalStore, sisters: list[SignalStore], signal: str) -> list[str]:
    """Why a signal looks normalized unlike the signal of the same name in other cell types.

    Means before the transform are compared over the chromosomes that both files name; a ratio of
    4 or more in either direction is told (not of states of segmentations, whose shares are what
    differs between cells), and so are negative values in one alone, another transform, format,
    column, or meaning of bases without data.

    Returns
    -------
    list of str
        One line per difference.
    """
    lines = []
    for other in sisters:
        if signal not in other.signals:
            continue
        name = other.cell_type
        if store.transforms[signal] != other.transforms[signal]:
            lines.append(f"transform {store.transforms[signal]}, {name} {other.transforms[signal]}")
        for key in _SOURCE:
            mine, theirs = store.sources[signal][key], other.sources[signal][key]
            if mine != theirs:
                lines.append(f"{key} {mine or 'none'}, {name} {theirs or 'none'}")
        if store.sources[signal]["file_format"] == "segmentation":
            continue
        chroms = [chrom for chrom in store.chroms([signal]) if chrom in other.chroms([signal])]
        (mine, low), (theirs, other_low) = (_level(s, signal, chroms) for s in (store, other))
        ratio = mine / theirs if theirs > 0 else np.nan
        if ratio >= UNLIKE or ratio <= 1 / UNLIKE:
            lines.append(f"mean {ratio:.3g} times that of {name}: normalized alike?")
        if (low < 0) != (other_low < 0):
            negative = store.cell_type if low < 0 else name
            lines.append(f"negative values in {negative} alone: normalized alike?")
    return lines


def _level(store: SignalStore, signal: str, chroms: list[str]) -> tuple[float, float]:
    """Mean and lowest value before the transform; NaN and 0 without any."""
    total, n, low = 0.0, 0, 0.0
    for chrom in chroms:
        values = store.read_chrom(chrom, [signal])[0]
        values = restore_values(values[np.isfinite(values)], store.transforms[signal])
        total, n = total + values.sum(dtype=float), n + len(values)
        low = min(low, float(values.min(initial=0)))
    return (total / n if n else np.nan), low


def shown_region(store: SignalStore, region: str = "", *, length: int = 1_000_000) -> tuple:
    """A region to look at: the one asked for, else where most bins of the signals have a value.

    Parameters
    ----------
    store : SignalStore
    region : str
        `chrom:start-end`, or "".
    length : int
        bp of the region that is chosen: that in which the first signal varies most, of the first
        chromosome on which most signals have values.

    Returns
    -------
    tuple
        chrom, start, end (bp), on whole bins.
    """
    if region:
        chrom, start, end = parse_region(region, store.chromsizes)
        size = store.bin_size
        return chrom, start // size * size, min(-(-end // size) * size, store.chromsizes[chrom])
    named = pd.Series(
        [chrom for signal in store.signals for chrom in store.chroms([signal])], dtype=object
    ).value_counts(sort=False)
    if named.empty:
        raise InputError(f"{store.path} holds no values; check the files of its signals")
    chrom = named.idxmax()
    step = max(1, length // store.bin_size)
    values = store.read_chrom(chrom)
    known = np.nan_to_num(values).astype(float)
    spread = np.std(known, axis=1, keepdims=True)
    energy = np.square(known / np.where(spread > 0, spread, 1)).mean(0)
    starts = np.arange(0, len(energy), step)
    best = int(starts[np.argmax(np.add.reduceat(energy, starts))])
    end = min((best + step) * store.bin_size, int(store.chromsizes[chrom]))
    return chrom, best * store.bin_size, end


def region_values(store: SignalStore, region: tuple) -> pd.DataFrame:
    """Values of the bins of a region: chrom, start, end, one column per signal."""
    chrom, start, end = region
    lo, hi = start // store.bin_size, -(-end // store.bin_size)
    starts = np.arange(lo, hi) * store.bin_size
    ends = np.minimum(starts + store.bin_size, int(store.chromsizes[chrom]))
    table = pd.DataFrame({"chrom": chrom, "start": starts, "end": ends})
    return table.assign(**dict(zip(store.signals, store.read(chrom, lo, hi))))
