"""What networks of bases learn from, in one file per fold: written once, and read by the window.

Of loss mse the file has a target for every window, made in the documented order
(`training.windows`); of loss poisson the counts of whole chromosomes in band layout, of which any
window is a slice. Nothing of a test region is in it.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.files import OpenedFile, atomic_path
from chromloom.genome.bins import find_runs
from chromloom.models.akita.settings import AkitaSettings
from chromloom.models.registry import model_settings
from chromloom.normalize.maps import NormalizedMap
from chromloom.sequence.fasta import Genome, N
from chromloom.training.fold import open_maps
from chromloom.training.splits import bins_of_role
from chromloom.training.stretches import expected_strength, read_counts
from chromloom.training.windows import TargetSettings, learnable_map

logger = logging.getLogger(__name__)

COLUMNS = 256
"""Bins of a chromosome in a chunk of counts."""
FEWEST = 9
"""Bins that a target is made of at least; cooltools coarse-grains no smaller map."""
ROLES = ("train", "validation")


def write_base_targets(
    model: str,
    maps: Sequence[str | Path],
    split: pd.DataFrame,
    path: str | Path,
    *,
    genome_path: str | Path,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Write what one fold of a network of bases learns from.

    Parameters
    ----------
    model : str
        A line of `chromloom.models.registry`.
    maps : sequence of path
        Normalised maps of the training samples, of one bin size and assembly.
    split : DataFrame
        Rows of one fold, see `training.splits`.
    path : path
        HDF5 file, see `BaseTargets`.
    genome_path : path
        Sequence, as `sequence.fasta.write_genome` writes it.
    options : mapping, optional
        Settings that differ from the model's own.

    Raises
    ------
    InputError
        Maps of two bin sizes or assemblies, a map without the chromosomes, a chromosome without a
        sequence or of another length, or no window that can be learnt from: the message names the
        first and the cause.
    """
    settings: AkitaSettings = model_settings(model, **(options or {}))
    opened, genome = open_maps(maps), Genome(genome_path)
    first, size = opened[0], settings.size
    learnt = set(split["chrom"][split["role"] != "test"])
    curves, chroms = [], []
    for observed in opened:
        own = [c for c in observed.chromnames if c in learnt]
        if not own:
            raise InputError(
                f"predictors: sample {observed.sample} has no contacts on "
                f"{', '.join(sorted(learnt))}; name chromosomes that it has, or another sample"
            )
        curves.append(expected_strength(read_counts(observed, c, split, size) for c in own))
        chroms += own
    chroms = list(dict.fromkeys(chroms))
    for chrom in chroms:
        _check_sequence(genome, chrom, first)
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["resolution"], file.attrs["ignore_diags"] = first.resolution, first.ignore_diags
        file.attrs["loss"], file.attrs["size"] = settings.windows.loss, size
        file.attrs["samples"] = json.dumps([observed.sample for observed in opened])
        file.attrs["chroms"] = json.dumps(chroms)
        file["expected"] = np.array(curves)
        if settings.windows.loss == "mse":
            _write_windows(file, opened, genome, chroms, split, settings)
        else:
            for chrom in chroms:
                _write_counts(file, opened, chrom, split, size)


class BaseTargets(OpenedFile):
    """A file that `write_base_targets` wrote, opened in every process that reads it.

    Attributes
    ----------
    loss : {"mse", "poisson"}
    resolution, ignore_diags, size : int
        Bin size, bp; diagonals that are left out; bins of a window that are predicted.
    samples, chroms : list of str
    expected : ndarray, (n_maps, size), float64
        Contact strength by distance of training pairs.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        attrs = dict(self._file.attrs)
        self.loss = str(attrs["loss"])
        self.resolution, self.ignore_diags = int(attrs["resolution"]), int(attrs["ignore_diags"])
        self.size = int(attrs["size"])
        self.samples: list[str] = json.loads(attrs["samples"])
        self.chroms: list[str] = json.loads(attrs["chroms"])
        self.expected: np.ndarray = self._file["expected"][:]

    def _open(self) -> h5py.File:
        try:
            return h5py.File(self.path, "r")
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be read ({error}); write the targets again"
            ) from error

    @cached_property
    def validates(self) -> dict[str, np.ndarray]:
        """Of poisson: chromosome -> (n,), bool, bins of the role validation."""
        return {chrom: self._file[chrom]["validates"][:] for chrom in self.chroms}

    @cached_property
    def log_weight(self) -> dict[str, np.ndarray]:
        """Of poisson: chromosome -> (n_maps, n), float32, log of the weights; 0 where masked."""
        return {chrom: self._file[chrom]["log_weight"][:] for chrom in self.chroms}

    def counts(self, chrom: str, lo: int, hi: int) -> np.ndarray:
        """Of poisson: counts (n_maps, size, hi - lo), float32, band layout; NaN = not learnt."""
        return self._file[chrom]["counts"][:, :, lo:hi]

    @cached_property
    def windows(self) -> pd.DataFrame:
        """Of mse: chrom, first (first predicted bin), validates; one row per window."""
        table = self._file["windows"]
        return pd.DataFrame(
            {
                "chrom": np.array(self.chroms, object)[table["chrom"][:]],
                "first": table["first"][:],
                "validates": table["validates"][:],
            }
        )

    def target(self, number: int) -> np.ndarray:
        """Of mse: log O/E (n_maps, n_pairs), float32, of a window; NaN = not learnt."""
        return self._file["windows"]["targets"][number].astype(np.float32)

    def arrays(self) -> Iterator[np.ndarray]:
        """All that is learnt, in parts."""
        yield self.expected
        if self.loss == "mse":
            yield self.windows["first"].to_numpy()
            for number in range(len(self.windows)):
                yield self.target(number)
            return
        for chrom in self.chroms:
            yield from (self.log_weight[chrom], self.validates[chrom])
            for lo in range(0, len(self.validates[chrom]), COLUMNS):
                yield self.counts(chrom, lo, lo + COLUMNS)


def window_starts(n: int, size: int, stride: int) -> list[int]:
    """First bins of windows of `size` bins that cover a chromosome of n bins."""
    last = n - size
    if last <= 0:
        return [last // 2]
    return [*range(0, last, stride), last]


def window_stride(settings: AkitaSettings, *, validation: bool) -> int:
    """Bins from one window to the next."""
    size = settings.size
    return size if validation else settings.windows.stride or max(size // 4, 1)


def _write_counts(file, opened, chrom: str, split: pd.DataFrame, size: int) -> None:
    """Counts, weights and roles of a chromosome; NaN in a map that lacks it."""
    read = [
        read_counts(observed, chrom, split, size) if chrom in observed.chromnames else None
        for observed in opened
    ]
    shape, validates = next((own[0].shape, own[3]) for own in read if own is not None)
    group = file.create_group(chrom)
    counts = group.create_dataset(
        "counts", (len(opened), *shape), np.float32, compression="lzf",
        chunks=(len(opened), shape[0], min(shape[1], COLUMNS)),
    )  # fmt: skip
    weights = np.zeros((len(opened), shape[1]), np.float32)
    for k, own in enumerate(read):
        counts[k] = np.nan if own is None else own[0]
        if own is not None:
            weights[k] = np.log(np.where(np.isfinite(own[2]), own[2], 1))
    group["log_weight"], group["validates"] = weights, validates


def _write_windows(
    file, opened, genome: Genome, chroms, split: pd.DataFrame, settings: AkitaSettings
) -> None:
    """Targets of all windows of both roles, each checked."""
    size, ignore_diags = settings.size, opened[0].ignore_diags
    own = settings.windows
    making = TargetSettings(
        ignore_diags=ignore_diags, crop=0, coarse_grain=own.coarse_grain, cutoff=own.cutoff,
        max_levels=own.max_levels, clip=own.clip, sigma=own.sigma, width=own.width,
        most_filtered=own.most_filtered,
    )  # fmt: skip
    pairs = np.triu_indices(size, ignore_diags)
    group = file.create_group("windows")
    shape = (len(opened), len(pairs[0]))
    targets = group.create_dataset(
        "targets", (0, *shape), np.float16, maxshape=(None, *shape), chunks=(1, *shape),
        compression="lzf",
    )  # fmt: skip
    places: list[tuple[int, int, bool]] = []
    causes: list[str] = []
    for chrom in chroms:
        starts = opened[0].bins["start"].to_numpy()[slice(*opened[0].extent(chrom))]
        for role in ROLES:
            allowed = bins_of_role(split, role, chrom, starts)
            for first in _first_bins(split, role, chrom, len(starts), opened[0], settings):
                inside = allowed[max(first, 0) : first + size]
                if not inside.any():
                    continue
                lo, hi = max(first - settings.crop, 0), first + size + settings.crop
                end = min(hi * opened[0].resolution, int(genome.chromsizes[chrom]))
                bases = genome.read(chrom, lo * opened[0].resolution, end)
                unknown = (bases == N).mean()
                if unknown > own.most_filtered:
                    causes.append(
                        f"window {chrom}, bins {first} to {first + size}: {unknown:.0%} of its "
                        f"bases are unknown, at most {own.most_filtered:.0%} may be"
                    )
                    continue
                made = [
                    _window(observed, chrom, first, allowed, settings, making)
                    for observed in opened
                ]
                squares = [square for square in made if not isinstance(square, str)]
                if wrong := [cause for cause in made if isinstance(cause, str)]:
                    causes.append(f"window {chrom}, bins {first} to {first + size}: {wrong[0]}")
                    continue
                targets.resize(len(places) + 1, axis=0)
                targets[len(places)] = np.stack([square[pairs] for square in squares])
                places.append((chroms.index(chrom), first, role == "validation"))
    if causes:
        logger.info("%d windows are left out; the first: %s", len(causes), causes[0])
    if not places:
        raise InputError(
            "predictors: no window can be learnt from"
            + (f"; {causes[0]}" if causes else "")
            + ": give other regions, a shorter window, or a larger most_filtered"
        )
    for name, column in zip(("chrom", "first", "validates"), zip(*places)):
        group[name] = np.array(column)


def _first_bins(split, role: str, chrom: str, n: int, observed, settings) -> list[int]:
    """First predicted bins of windows: regions as long as one are windows as they stand."""
    own = split[(split["role"] == role) & (split["chrom"] == chrom)]
    length = settings.window * observed.resolution
    if len(own) and (own["end"] - own["start"] == length).all():
        if not (own["start"] % observed.resolution == 0).all():
            raise InputError(
                f"predictors: windows of {chrom} begin within bins of {observed.resolution:,} bp "
                f"of {observed.path}; give those of its bin size"
            )
        return (own["start"] // observed.resolution + settings.crop).tolist()
    stride = window_stride(settings, validation=role == "validation")
    return window_starts(n, settings.size, stride)


def _window(
    observed: NormalizedMap,
    chrom: str,
    first: int,
    allowed: np.ndarray,
    settings: AkitaSettings,
    making: TargetSettings,
) -> np.ndarray | str:
    """Target (size, size) of a window, NaN where it is not learnt; or why there is none.

    Made of the longest run of bins of the role in the window and its crops, so that no contact of
    another role enters by coarse-graining, expected or smoothing.
    """
    n, size, crop = len(allowed), settings.size, settings.crop
    lo, hi = max(first - crop, 0), min(first + size + crop, n)
    runs = find_runs(allowed[lo:hi])
    a, b = (lo + max(runs, key=lambda run: run[1] - run[0])).tolist()
    square = np.full((size, size), np.nan)
    if chrom not in observed.chromnames:
        return square
    i, j = max(a, first), min(b, first + size)
    if j - i <= making.ignore_diags or b - a < FEWEST:
        return "too few of its bins are of one role"
    values = learnable_map(observed, chrom, a, b, making)
    if isinstance(values, str):
        return f"{values} ({observed.path})"
    if making.clip and np.abs(values).max() > making.clip * (1 + 1e-6):
        return f"values are beyond the clip of {making.clip} ({observed.path})"
    if not values.any():
        return f"it is 0 throughout ({observed.path})"
    square[i - first : j - first, i - first : j - first] = values[i - a : j - a, i - a : j - a]
    return square


def _check_sequence(genome: Genome, chrom: str, observed: NormalizedMap) -> None:
    """The chromosome has a sequence, as long as in the map's assembly."""
    genome.read(chrom, 0, 1)
    size = int(observed.bins.chromsizes[chrom])
    if abs(int(genome.chromsizes[chrom]) - size) >= observed.resolution:
        raise InputError(
            f"{genome.path}: {chrom} has {int(genome.chromsizes[chrom]):,} bp, in "
            f"{observed.path} {size:,}; give the sequence of the map's assembly"
        )
