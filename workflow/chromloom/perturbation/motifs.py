"""What motifs mean to a model of sequence: all instances in a window mutated, or turned round.

As in Akita's article (Methods, "In silico motif mutagenesis" and "In silico CTCF motif
inversions"): bases of the instances are drawn anew, on the mean over several draws, or instances,
merged where they overlap, are replaced by their reverse complement. Disruption is the mean squared
difference from the unchanged map, and the change of signal the mean square of the unchanged map
less that of the changed one.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.models.akita.module import upper_triangle
from chromloom.models.akita.variants import Window
from chromloom.prediction.akita import AkitaMap
from chromloom.prediction.source import MapSource
from chromloom.sequence.fasta import reverse_complement


def randomise_sites(
    codes: np.ndarray, sites: Iterable[tuple[int, int]], rng: np.random.Generator
) -> np.ndarray:
    """Codes (length,), uint8, with random bases at the sites [start, end)."""
    changed = codes.copy()
    for start, end in sites:
        changed[start:end] = rng.integers(0, 4, end - start)
    return changed


def invert_sites(codes: np.ndarray, sites: Iterable[tuple[int, int]]) -> np.ndarray:
    """Codes (length,), uint8, with the reverse complement at the sites, overlapping ones merged."""
    changed = codes.copy()
    merged: list[list[int]] = []
    for start, end in sorted(sites):
        if merged and start < merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    for start, end in merged:
        changed[start:end] = reverse_complement(codes[start:end])
    return changed


def mutate_motifs(
    source: MapSource,
    sites: pd.DataFrame,
    *,
    chroms: Sequence[str] | None = None,
    draws: int = 3,
    seed: int = 0,
) -> pd.DataFrame:
    """How the instances of motifs matter to the maps of windows, side by side along chromosomes.

    Parameters
    ----------
    source : MapSource
        Of Akita. Each chromosome is predicted by the fold that held it out.
    sites : DataFrame
        chrom, start, end (bp), name: instances of motifs.
    chroms : sequence of str, optional
        By default those of which something was held out.
    draws : int
        Random sequences of a motif and window.
    seed : int

    Returns
    -------
    DataFrame
        chrom, start, end (bp, of the predicted part of a window), name, n_sites (that lie in the
        window's sequence), disruption, signal_change (means over draws), signal (mean square of the
        unchanged map), and for all instances turned round inverted_disruption, inverted_signal and
        inverted_pearson (correlation with the unchanged map). Windows without an instance have a
        row with 0 changes; windows of which less than half of the bins are known have none.

    Raises
    ------
    InputError
        The source reads no sequence, no chromosome was held out, or one has no prediction.
    """
    if not isinstance(source, AkitaMap):
        raise InputError(
            f"'{source.name}' reads no sequence; give the run of a predictor of akita-paper or "
            "akita-small"
        )
    held = list(dict.fromkeys(chrom for chrom, _, _ in source.held_out or ()))
    wanted = held if chroms is None else list(chroms)
    if not wanted:
        raise InputError(f"'{source.name}' held no chromosome out; name some to look at")
    rows = []
    for chrom in wanted:
        if chrom not in source.fold_of:
            raise InputError(
                f"'{source.name}' does not predict {chrom}; expected some of "
                f"{', '.join(source.fold_of)}"
            )
        own = sites[sites["chrom"] == chrom]
        rows += _mutate_chromosome(source, chrom, own, sorted(set(sites["name"])), draws, seed)
    return pd.DataFrame(rows)


def _mutate_chromosome(
    source: AkitaMap,
    chrom: str,
    sites: pd.DataFrame,
    names: Sequence[str],
    draws: int,
    seed: int,
) -> list[dict]:
    fitted, resolution = source.fitted(chrom), source.bins.resolution
    size, crop = fitted.settings.size, fitted.settings.crop
    mask = source.bins.mask(chrom)
    i, j = upper_triangle(size, source.ignore_diags)
    rows = []
    for first in range(0, len(mask) - size + 1, size):
        if mask[first : first + size].mean() > 0.5:
            continue
        start = (first - crop) * resolution
        codes = source.read(chrom, start, fitted.settings.window * resolution)
        window = Window(fitted.network, codes)
        unchanged = source.own_target(next(window.maps([codes])))[i, j].astype(float)
        inside = sites[(sites["start"] >= start) & (sites["end"] <= start + len(codes))]
        for name in names:
            named = inside[inside["name"] == name]
            places = list(zip((named["start"] - start).tolist(), (named["end"] - start).tolist()))
            drawn, turned = [unchanged] * draws, unchanged
            if places:
                rng = np.random.default_rng([seed, first, draws])
                variants = [randomise_sites(codes, places, rng) for _ in range(draws)]
                variants.append(invert_sites(codes, places))
                maps = window.maps(variants)
                *drawn, turned = (source.own_target(m)[i, j].astype(float) for m in maps)
            constant = turned.std() == 0 or unchanged.std() == 0
            rows.append(
                {
                    "chrom": chrom,
                    "start": first * resolution,
                    "end": (first + size) * resolution,
                    "name": name,
                    "n_sites": len(places),
                    "disruption": np.mean([((m - unchanged) ** 2).mean() for m in drawn]),
                    "signal_change": np.mean(
                        [(unchanged**2).mean() - (m**2).mean() for m in drawn]
                    ),
                    "signal": (unchanged**2).mean(),
                    "inverted_disruption": ((turned - unchanged) ** 2).mean(),
                    "inverted_signal": (turned**2).mean(),
                    "inverted_pearson": np.nan
                    if constant
                    else np.corrcoef(turned, unchanged)[0, 1],
                }
            )
    return rows


def rank_motifs(table: pd.DataFrame) -> pd.DataFrame:
    """Motifs by their mean disruption over windows, strongest first.

    Parameters
    ----------
    table : DataFrame
        As `mutate_motifs` gives it.

    Returns
    -------
    DataFrame
        name, windows, n_sites (sums), disruption, signal_change, inverted_disruption,
        inverted_pearson (means over windows).
    """
    grouped = table.groupby("name", sort=False)
    ranked = grouped[
        ["disruption", "signal_change", "inverted_disruption", "inverted_pearson"]
    ].mean()
    ranked.insert(0, "windows", grouped.size())
    ranked.insert(1, "n_sites", grouped["n_sites"].sum())
    return ranked.sort_values("disruption", ascending=False).reset_index()
