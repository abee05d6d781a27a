"""Changes of single windows of sequence: saturation mutagenesis, sets of deletions, insertions.

After Akita's article (Fudenberg et al. 2020; Methods, "In silico deletions"; Supplemental Fig. 7).
Disruption and change of signal are those of `perturbation.motifs`.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.genome.regions import parse_region
from chromloom.prediction.akita import (
    AkitaMap,
    SequenceWindow,
    held_out_chromosomes,
    require_bases,
)
from chromloom.prediction.source import MapSource
from chromloom.sequence.fasta import BASES, N, encode, reverse_complement

MOST_DELETIONS = 8
"""Regions of which all sets are deleted: 255."""
LETTERS = BASES.decode()


def saturate(source: MapSource, chrom: str, start: int, end: int) -> pd.DataFrame:
    """Every base of a region changed to each of the three others, by itself.

    Parameters
    ----------
    source : MapSource
        Of Akita.
    chrom, start, end : str, int, int
        bp; the window that is read has the region in its middle.

    Returns
    -------
    DataFrame
        chrom, start, end (bp, of the base), reference, alternative, disruption, signal_change.
        Bases that are not known have no rows.

    Raises
    ------
    InputError
        The source reads no sequence, or the region does not fit into the middle of a window.
    """
    window = _around(require_bases(source), chrom, start, end)
    codes = window.codes
    places = [at for at in range(start - window.start, end - window.start) if codes[at] < N]
    changes = [(at, base) for at in places for base in range(N) if base != codes[at]]
    variants = _Lazy(codes, changes)
    rows = [
        {
            "chrom": chrom,
            "start": window.start + at,
            "end": window.start + at + 1,
            "reference": LETTERS[codes[at]],
            "alternative": LETTERS[base],
            **window.scores(changed),
        }
        for (at, base), changed in zip(changes, window.maps(variants))
    ]
    if not rows:
        raise InputError(f"{chrom}:{start}-{end}: no base is known; name a region with sequence")
    return pd.DataFrame(rows)


def delete_combinations(
    source: MapSource, chrom: str, regions: Sequence[tuple[int, int]]
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """All sets of some regions deleted, as in the article's Lmo2 panel.

    What is deleted is made up for by as much sequence at either end of the window, half on each
    side (Methods, "In silico deletions").

    Parameters
    ----------
    source : MapSource
        Of Akita.
    chrom : str
    regions : sequence of (start, end)
        bp; not overlapping. The window is centred on them.

    Returns
    -------
    table : DataFrame
        deleted (numbers of the regions from 1, joined by +; none for the sequence as it is),
        n_deleted, bp, crossing (mean predicted log O/E of the pairs that cross the middle of the
        regions, within a quarter of the window on either side), crossing_change (less that of the
        sequence as it is), mean_square (of the map).
    maps : dict
        deleted -> (size, size), float64: log O/E in the coordinates of the edited sequence.

    Raises
    ------
    InputError
        The source reads no sequence or does not predict the chromosome; no region, too many,
        overlapping ones, or ones that are not within half a window.
    """
    source = require_bases(source)
    held_out_chromosomes(source, [chrom])
    regions = sorted(regions)
    if not 1 <= len(regions) <= MOST_DELETIONS:
        raise InputError(
            f"deletions: {len(regions)} regions; expected 1 to {MOST_DELETIONS}, of which all sets "
            "are deleted"
        )
    for (_, last), (first, _) in pairwise(regions):
        if first < last:
            raise InputError(f"deletions: regions overlap at {chrom}:{first}; give them apart")
    lo, hi = regions[0][0], regions[-1][1]
    length = source.fitted(chrom).settings.window * source.bins.resolution
    if hi - lo > length // 2:
        raise InputError(
            f"deletions: {chrom}:{lo}-{hi} spans {hi - lo:,} bp; expected at most half of a window "
            f"of {length:,} bp"
        )
    middle, crop = (lo + hi) // 2, source.fitted(chrom).settings.crop
    rows, maps = [], {}
    for n in range(len(regions) + 1):
        for chosen in combinations(range(len(regions)), n):
            codes, place = _without(source, chrom, [regions[k] for k in chosen], middle, length)
            values = SequenceWindow(source, chrom, codes).unchanged
            name = "+".join(str(k + 1) for k in chosen) or "none"
            maps[name] = values
            rows.append(
                {
                    "deleted": name,
                    "n_deleted": n,
                    "bp": sum(regions[k][1] - regions[k][0] for k in chosen),
                    "crossing": crossing(values, place // source.bins.resolution - crop),
                    "mean_square": float((values**2).mean()),
                }
            )
    table = pd.DataFrame(rows)
    table.insert(4, "crossing_change", table["crossing"] - table["crossing"].iloc[0])
    return table, maps


def maps_table(maps: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Maps by what is deleted as one table: deleted, size, i, j (i <= j), value."""
    tables = []
    for name, values in maps.items():
        i, j = np.triu_indices(len(values))
        own = {"deleted": name, "size": len(values), "i": i, "j": j, "value": values[i, j]}
        tables.append(pd.DataFrame(own))
    return pd.concat(tables, ignore_index=True)


def crossing(values: np.ndarray, middle: int) -> float:
    """Mean of a map (size, size) over pairs across a bin, within a quarter of the map each side."""
    reach = len(values) // 4
    return float(values[middle - reach : middle, middle : middle + reach].mean())


def read_segment(source: MapSource, text: str) -> np.ndarray:
    """Codes (length,), uint8, of letters, or of a region of the genome (`chrom:start-end`).

    Raises
    ------
    InputError
        Neither; or the source reads no sequence.
    """
    source = require_bases(source)
    if text and not set(text.upper()) - set(LETTERS):
        return encode(text.encode())
    if ":" not in text:
        raise InputError(f"segment {text!r}; expected letters A, C, G, T, or chrom:start-end")
    chrom, start, end = parse_region(text, source.bins.chromsizes.to_dict())
    return source.read(chrom, start, end - start)


def insert_segments(
    source: MapSource,
    chrom: str,
    segment: np.ndarray,
    *,
    copies: Sequence[int] = (1, 2, 4, 8),
    spacing: int = 100,
    backgrounds: int = 3,
    seed: int = 0,
) -> pd.DataFrame:
    """A motif or segment put into background sequence: what it makes of a map by itself.

    Backgrounds are random bases of the composition of the chromosome's known bases. Copies are put
    side by side around the middle of the window, as they are, turned round, and by turns towards
    one another.

    Parameters
    ----------
    source : MapSource
        Of Akita.
    chrom : str
        Whose fold predicts, and whose composition backgrounds have.
    segment : ndarray, (length,), uint8
        Codes of what is inserted.
    copies : sequence of int
    spacing : int
        bp between copies.
    backgrounds : int
        Draws.
    seed : int

    Returns
    -------
    DataFrame
        background (from 0), orientation (forward, reverse, convergent, divergent; the last two of
        even numbers of copies, the left half and the right half turned towards or from one
        another), copies, disruption, signal_change, crossing_change (see `delete_combinations`).

    Raises
    ------
    InputError
        The source reads no sequence, the segment is empty, or copies do not fit into the window.
    """
    source = require_bases(source)
    length = source.fitted(chrom).settings.window * source.bins.resolution
    most = max(copies) * (len(segment) + spacing)
    if not len(segment) or most > length // 2:
        raise InputError(
            f"insertion of {max(copies)} copies of {len(segment):,} bp, {spacing:,} bp apart; "
            f"expected a segment, and at most {length // 2:,} bp in all"
        )
    known = source.read(chrom, 0, int(source.bins.chromsizes[chrom]))
    share = np.bincount(known[known < N], minlength=N) + 1.0
    turned = reverse_complement(segment)
    rows = []
    for number in range(backgrounds):
        rng = np.random.default_rng([seed, number])
        codes = rng.choice(N, length, p=share / share.sum()).astype(np.uint8)
        window = SequenceWindow(source, chrom, codes)
        before = crossing(window.unchanged, len(window.unchanged) // 2)
        plans = [(name, n) for n in copies for name in _orientations(n)]
        variants = []
        for name, n in plans:
            spelled = {
                "forward": [segment] * n,
                "reverse": [turned] * n,
                "convergent": [segment] * (n // 2) + [turned] * (n // 2),
                "divergent": [turned] * (n // 2) + [segment] * (n // 2),
            }[name]
            changed, step = codes.copy(), len(segment) + spacing
            first = (length - n * step + spacing) // 2
            for k, own in enumerate(spelled):
                changed[first + k * step : first + k * step + len(own)] = own
            variants.append(changed)
        for (name, n), values in zip(plans, window.maps(variants)):
            across = crossing(values, len(values) // 2)
            rows.append(
                {
                    "background": number,
                    "orientation": name,
                    "copies": n,
                    **window.scores(values),
                    "crossing_change": across - before,
                }
            )
    return pd.DataFrame(rows)


def _orientations(n: int) -> list[str]:
    return ["forward", "reverse", *(["convergent", "divergent"] if n % 2 == 0 else [])]


def _around(source: AkitaMap, chrom: str, start: int, end: int) -> SequenceWindow:
    """The window that has a region in the middle of what it predicts."""
    held_out_chromosomes(source, [chrom])
    size, resolution = source.fitted(chrom).settings.size, source.bins.resolution
    if not 0 < end - start <= size * resolution // 2:
        raise InputError(
            f"{chrom}:{start}-{end}: expected a region of 1 to {size * resolution // 2:,} bp, half "
            "of what a window predicts"
        )
    return SequenceWindow.at(source, chrom, (start + end) // 2 // resolution - size // 2)


def _without(
    source: AkitaMap, chrom: str, gone: Sequence[tuple[int, int]], middle: int, length: int
) -> tuple[np.ndarray, int]:
    """Bases (length,) around a place, without some regions, and where the place is then.

    As much as is missing comes in at the ends, half on either side.
    """
    missing = sum(end - start for start, end in gone)
    start = middle - length // 2 - missing // 2
    codes = source.read(chrom, start, length + missing)
    kept = np.ones(len(codes), bool)
    for a, b in gone:
        kept[a - start : b - start] = False
    left = sum(min(b, middle) - a for a, b in gone if a < middle)
    return codes[kept], middle - start - left


class _Lazy(Sequence):
    """Variants of one base each, spelled when they are asked for."""

    def __init__(self, codes: np.ndarray, changes: Sequence[tuple[int, int]]) -> None:
        self._codes, self._changes = codes, changes

    def __len__(self) -> int:
        return len(self._changes)

    def __getitem__(self, key):
        if isinstance(key, slice):
            return [self[k] for k in range(*key.indices(len(self)))]
        changed = self._codes.copy()
        at, base = self._changes[key]
        changed[at] = base
        return changed
