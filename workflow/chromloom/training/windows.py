"""Windows and targets as Akita's data were made, for training on contigs of a genome.

Targets follow Fudenberg et al. 2020 (Methods, Training data) and the published code, in this order,
each step a setting of `TargetSettings`: the balanced map of a window; diagonals below
`ignore_diags` set to the median of the next one and everything clipped to it; adaptive
coarse-graining; observed over expected within the window; natural logarithm; clipping; missing
values interpolated; the same diagonals set to 0; a Gaussian; cropping. Where they differ from the
published code: a window that the map does not cover, or of which too much is filtered, is refused
and not made of zeros.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.files import atomic_path
from chromloom.normalize.maps import NormalizedMap
from chromloom.sequence.contigs import (
    STRIDES,
    cut_windows,
    deal_contigs,
    make_contigs,
    unusable_bins,
    write_sequences_bed,
    write_statistics,
)
from chromloom.sequence.fasta import Genome, N
from chromloom.training.fold import open_maps

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TargetSettings:
    """How the map of a window becomes a target.

    Attributes
    ----------
    ignore_diags : int
    coarse_grain : bool
        Adaptive coarse-graining by cooltools, down to `cutoff` counts over at most `max_levels`
        doublings.
    cutoff, max_levels : int
    clip : float
        Largest absolute log O/E; 0 for no limit.
    sigma, width : float, int
        Of the Gaussian, bins; sigma 0 for none.
    crop : int
        Bins that are cut off on each side.
    most_filtered : float
        Largest share of the bins of a window that may be filtered.
    """

    ignore_diags: int = 2
    coarse_grain: bool = True
    cutoff: int = 2
    max_levels: int = 8
    clip: float = 2.0
    sigma: float = 1.0
    width: int = 5
    crop: int = 32
    most_filtered: float = 0.5


def target_map(
    balanced: np.ndarray, counts: np.ndarray, settings: TargetSettings = TargetSettings()
) -> np.ndarray:
    """Log O/E of one window, before it is cropped.

    Parameters
    ----------
    balanced, counts : ndarray, (n, n), float
        Symmetric; `balanced` is NaN in filtered bins.
    settings : TargetSettings

    Returns
    -------
    ndarray, (n, n), float64
        Without NaN.
    """
    from cooltools.lib.numutils import (
        adaptive_coarsegrain,
        interp_nan,
        observed_over_expected,
        set_diag,
    )
    from scipy.ndimage import gaussian_filter

    values, counts = balanced.astype(float), counts.astype(float)
    filtered = np.isnan(balanced).all(axis=0)
    near = range(1 - settings.ignore_diags, settings.ignore_diags)
    level = float(np.nanmedian(np.diagonal(values, settings.ignore_diags)))
    for diagonal in near:
        set_diag(values, level, diagonal)
        set_diag(counts, settings.cutoff, diagonal)  # a normalised map does not count them
    values[filtered], values[:, filtered] = np.nan, np.nan
    values = np.clip(values, 0, level)
    if settings.coarse_grain:
        with np.errstate(invalid="ignore"):  # it divides by the number of known pairs of a square
            values = adaptive_coarsegrain(
                values, counts, cutoff=settings.cutoff, max_levels=settings.max_levels
            )
    values = observed_over_expected(values, np.isfinite(values))[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.log(values)
    values[np.isneginf(values)] = np.nanmin(values, where=np.isfinite(values), initial=0)
    # What neither counts nor coarse-graining tell outside of filtered bins is as expected.
    values[np.isnan(values) & ~(filtered | filtered[:, None])] = 0
    if settings.clip:
        values = np.clip(values, -settings.clip, settings.clip)
    values = interp_nan(values)
    for diagonal in near:
        set_diag(values, 0, diagonal)
    if settings.sigma:
        values = gaussian_filter(
            values, settings.sigma, truncate=settings.width // 2 / settings.sigma
        )
    return values


def crop_map(values: np.ndarray, settings: TargetSettings = TargetSettings()) -> np.ndarray:
    """Target (n_targets,), float16: the upper triangle of a cropped map (n, n), by rows."""
    inside = slice(settings.crop, len(values) - settings.crop)
    cropped = values[inside, inside]
    return cropped[np.triu_indices(len(cropped), settings.ignore_diags)].astype(np.float16)


def write_windows(
    maps: Sequence[str | Path],
    genome_path: str | Path,
    out_dir: str | Path,
    *,
    length: int,
    settings: TargetSettings = TargetSettings(),
    windows: pd.DataFrame | None = None,
    seed: int = 0,
    run: int = 10,
) -> pd.DataFrame:
    """Write `sequences.bed`, `statistics.json` and `targets.h5` of maps of one assembly.

    Parameters
    ----------
    maps : sequence of path
        Normalised maps of one bin size: one target each.
    genome_path : path
        Sequence, as `sequence.fasta.write_genome` writes it.
    out_dir : path
        Folder. `targets.h5` has `targets`, (n_windows, n_targets, n_maps), float16, in the order of
        `sequences.bed`, and attributes `bin_size`, `maps`.
    length : int
        bp of a window.
    settings : TargetSettings
    windows : DataFrame, optional
        Windows with roles, such as the published ones (`contigs.read_sequences_bed`); by default
        contigs without unknown bases and without `run` filtered bins in a row in any map are dealt
        80/10/10 and cut at Akita's strides, scaled with the length of the window.
    seed : int
        Of the dealing.
    run : int

    Returns
    -------
    DataFrame
        Windows: chrom, start, end, role.

    Raises
    ------
    InputError
        Maps of two assemblies or bin sizes, a window that is no multiple of bins, or targets that
        cannot be learnt from: the message names the first window and the cause.
    """
    opened = open_maps(maps)
    first = opened[0]
    size = first.resolution
    if length % size:
        raise InputError(
            f"{first.path} has bins of {size} bp, which do not fill a window of {length:,} bp; "
            "make the map at a size that does (Akita: 2,048 bp, from pairs, .hic or a cooler at a "
            "size that divides it), or take another window"
        )
    if windows is None:
        with Genome(genome_path) as genome:
            contigs = make_contigs(_usable(opened, genome, run), size, shortest=length)
        strides = {role: stride * length // (1 << 20) for role, stride in STRIDES.items()}
        windows = cut_windows(deal_contigs(contigs, seed=seed), length, strides)
    target_length = _write_targets(opened, windows, Path(out_dir) / "targets.h5", settings)
    write_sequences_bed(windows, Path(out_dir) / "sequences.bed")
    write_statistics(
        windows,
        Path(out_dir) / "statistics.json",
        num_targets=len(opened),
        bin_size=size,
        crop=settings.crop,
        ignore_diags=settings.ignore_diags,
        target_length=target_length,
    )
    logger.info("%d windows of %d maps, %d targets each", len(windows), len(opened), target_length)
    return windows


def _usable(opened, genome, run: int) -> dict[str, np.ndarray]:
    """Bins that every map may be learnt from and whose bases are known, by chromosome."""
    usable, size = {}, opened[0].resolution
    for chrom in opened[0].chromnames:
        if chrom not in genome.chromsizes.index:
            continue
        n = len(opened[0].mask(chrom))
        codes = genome.read(chrom, 0, n * size).reshape(n, size)
        own = ~(codes == N).any(axis=1)
        for observed in opened:
            own &= ~unusable_bins(observed.mask(chrom), run)
        usable[chrom] = own
    return usable


def _write_targets(opened, windows, path: Path, settings: TargetSettings) -> int:
    """Write the targets window by window, each checked; returns their number per window."""
    size = opened[0].resolution
    n = int(windows["end"].iloc[0] - windows["start"].iloc[0]) // size
    inside = n - 2 * settings.crop - settings.ignore_diags
    if inside < 1:
        raise InputError(f"a window of {n} bins cropped by {settings.crop} on each side is empty")
    shape = (len(windows), inside * (inside + 1) // 2, len(opened))
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["bin_size"] = size
        file.attrs["maps"] = [observed.sample for observed in opened]
        store = file.create_dataset(
            "targets", shape, np.float16, chunks=(1, *shape[1:]), compression="lzf"
        )
        for number, (chrom, start, end) in enumerate(
            windows[["chrom", "start", "end"]].itertuples(index=False)
        ):
            for k, observed in enumerate(opened):
                where = f"{observed.path}, window {chrom}:{start}-{end}"
                lo, hi = start // size, end // size
                if start % size or hi > len(observed.mask(chrom)):
                    raise InputError(
                        f"{where}: it is no whole number of the map's bins of {size} bp; make the "
                        "map at the bin size of the windows, or other windows"
                    )
                made = learnable_map(observed, chrom, lo, hi, settings)
                if isinstance(made, str):
                    raise InputError(f"{where}: {made}; leave the window out")
                store[number, :, k] = crop_map(made, settings)
    return shape[1]


def learnable_map(
    observed: NormalizedMap, chrom: str, lo: int, hi: int, settings: TargetSettings
) -> np.ndarray | str:
    """`target_map` of the bins [lo, hi), or why it cannot be learnt from."""
    filtered = observed.mask(chrom)[lo:hi].mean()
    if filtered > settings.most_filtered:
        return (
            f"{filtered:.0%} of its bins are filtered, at most {settings.most_filtered:.0%} may be"
        )
    balanced, counts = read_window(observed, chrom, lo, hi)
    if not counts.any():
        return "it has no contacts"
    values = target_map(balanced, counts, settings)
    if not np.isfinite(values).all():
        return "values stay missing after interpolation"
    return values


def read_window(
    observed: NormalizedMap, chrom: str, lo: int, hi: int
) -> tuple[np.ndarray, np.ndarray]:
    """Contact strength, NaN where filtered, and counts of the bins [lo, hi), (n, n), float64."""
    pixels, n = observed.pixels(chrom, lo, hi), hi - lo
    own = pixels[pixels["j"] < hi]
    i, j = own["i"].to_numpy() - lo, own["j"].to_numpy() - lo
    balanced, counts = np.zeros((n, n)), np.zeros((n, n))
    for matrix, column in ((balanced, "value"), (counts, "count")):
        matrix[i, j] = matrix[j, i] = own[column].to_numpy(float)
    masked = observed.mask(chrom)[lo:hi]
    balanced[masked], balanced[:, masked] = np.nan, np.nan
    return balanced, counts
