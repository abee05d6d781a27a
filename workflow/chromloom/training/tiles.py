"""Tiles: which pairs make one training step, in which order, and their targets in memory.

A tile is (block of rows) x (one frame of distances; all of them with `carry_state`) of one
chromosome. Blocks' targets are built
by chromosome and kept as 16-bit numbers; chromosomes that do not fit the memory allowed together
are visited group by group and built again in each epoch. The order of groups and tiles depends on
(seed, epoch) alone.
"""

import logging
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from chromloom.genome.bins import pairs_by_distance
from chromloom.models.hiclstm.settings import HiCLSTMSettings
from chromloom.training.targets import encode, smooth_by_distance

logger = logging.getLogger(__name__)

CHUNK_ROWS = 512
"""Rows that are turned into targets at once."""


class Block(NamedTuple):
    """Rows [lo, hi) of the chromosome number `chrom`, its masks and 16-bit targets."""

    chrom: int
    offset: int
    n: int
    lo: int
    hi: int
    row_ok: Tensor  # (B,)
    col_ok: Tensor  # (n - lo + tile_rows,): columns lo …, False beyond the chromosome
    target: Tensor  # (n - lo, B), band layout; no more distances than the LSTM reads
    exposure: Tensor | None = None  # likewise, for loss poisson: count expected of each pair


class Tile(NamedTuple):
    """Distances [d0, d1) of a block, with their number of pairs."""

    block: Block
    d0: int
    d1: int
    n_pairs: int


class TileLoader:
    """Tiles of one epoch after another.

    Parameters
    ----------
    source
        `MapTargets`, or anything like it.
    settings : HiCLSTMSettings
    chrom_numbers : dict
        Number of each chromosome in the model.
    seed : int
    max_target_gb : float
        Memory for targets; one chromosome is always held whole.
    device : torch.device
        Where targets are kept.

    Attributes
    ----------
    epoch, position : int
        Of the next tile; set both to go on in the middle of an epoch.
    n_tiles, n_pairs : int
        Of one epoch.
    """

    def __init__(
        self,
        source: Any,
        settings: HiCLSTMSettings,
        chrom_numbers: dict[str, int],
        *,
        seed: int,
        max_target_gb: float = 5.0,
        device: torch.device | None = None,
    ):
        self.source, self.settings, self.seed = source, settings, seed
        self._numbers, self._device = chrom_numbers, device or torch.device("cpu")
        self.epoch = self.position = 0
        self._plans = {chrom: self._plan(chrom) for chrom in source.chromnames}
        self.groups = self._group(max_target_gb * 1e9)
        self._held: tuple[int, list[Tile]] | None = None
        tiles = [t for plan in self._plans.values() for _, _, spans in plan for t in spans]
        self.n_tiles, self.n_pairs = len(tiles), sum(n for _, _, n in tiles)
        self._moments: dict[str, np.ndarray] = {}

    def _plan(self, chrom: str) -> list[tuple[int, int, list[tuple[int, int, int]]]]:
        """(lo, hi, [(d0, d1, n_pairs), …]) of the blocks of a chromosome that hold pairs."""
        unmasked = ~self.source.mask(chrom)
        n, rows = len(unmasked), self.settings.fit.tile_rows
        frame = n if self.settings.architecture.carry_state else self.settings.architecture.frame
        plan = []
        for lo in range(0, n, rows):
            hi = min(lo + rows, n)
            counts = pairs_by_distance(unmasked, lo, hi, ignore_diags=self.source.ignore_diags)
            starts = np.arange(0, self._n_read(n - lo), frame)
            counts = counts[: self._n_read(n - lo)]
            sums = np.add.reduceat(counts, starts)
            spans = [
                (int(d0), min(int(d0) + frame, n - lo), int(total))
                for d0, total in zip(starts, sums)
                if total
            ]
            if spans:
                plan.append((lo, hi, spans))
        return plan

    def _n_read(self, n_dist: int) -> int:
        """Distances that the LSTM reads, of so many."""
        reach = self.settings.architecture.lstm_reach
        return min(n_dist, reach) if reach else n_dist

    def _group(self, budget: float) -> list[list[str]]:
        """Chromosomes in their order, cut into groups whose targets fit the budget (bytes)."""
        groups: list[list[str]] = []
        used = np.inf
        for chrom, plan in self._plans.items():
            first, last = self.source.extent(chrom)
            each = 6 if self.settings.objective.loss == "poisson" else 2
            size = sum(each * self._n_read(last - first - lo) * (hi - lo) for lo, hi, _ in plan)
            if used + size > budget:
                groups.append([])
                used = 0
            groups[-1].append(chrom)
            used += size
        return groups

    def _build(self, chrom: str) -> list[Tile]:
        """Targets of a chromosome, as tiles; its moments by distance are noted in passing."""
        first, last = self.source.extent(chrom)
        n = last - first
        beyond = np.zeros(self.settings.fit.tile_rows, dtype=bool)
        ok = torch.from_numpy(np.concatenate([~self.source.mask(chrom), beyond])).to(self._device)
        moments, noted = np.zeros((3, n)), chrom in self._moments
        tiles = []
        for lo, hi, spans in self._plans[chrom]:
            parts, n_read, exposure = [], self._n_read(n - lo), None
            for a in range(lo, hi, CHUNK_ROWS):
                b = min(a + CHUNK_ROWS, hi)
                target = self.source.block(chrom, a, b)  # (n - a, b - a)
                if not noted:
                    moments[:, : n - a] += _moments(target)
                nothing = np.full((a - lo, b - a), np.nan, dtype=np.float32)
                target = np.concatenate([target, nothing])[:n_read]
                parts.append(encode(target, self.settings.objective))
            targets = torch.from_numpy(np.concatenate(parts, axis=1)).to(self._device)
            if self.settings.objective.loss == "poisson":
                counts = self.source.exposure(chrom, lo, hi)[:n_read]
                exposure = torch.from_numpy(counts).to(self._device)
            block = Block(
                self._numbers[chrom], first, n, lo, hi, ok[lo:hi], ok[lo:], targets, exposure
            )
            tiles += [Tile(block, *span) for span in spans]
        self._moments.setdefault(chrom, moments)
        return tiles

    def _tiles(self, group: int) -> list[Tile]:
        """Tiles of a group; only one group is in memory at a time."""
        if self._held is None or self._held[0] != group:
            self._held = None
            tiles = [tile for chrom in self.groups[group] for tile in self._build(chrom)]
            self._held = (group, tiles)
        return self._held[1]

    @cached_property
    def moments(self) -> np.ndarray:
        """Number, sum and sum of squares of the targets at each distance, (3, n_dist), float64."""
        for group, chroms in enumerate(self.groups):
            if not set(chroms) <= set(self._moments):
                self._tiles(group)
        total = np.zeros((3, max(m.shape[1] for m in self._moments.values())))
        for chrom in self.source.chromnames:
            total[:, : self._moments[chrom].shape[1]] += self._moments[chrom]
        return total

    def distance_weights(self) -> np.ndarray:
        """Weight of a squared error at each distance, (n_dist,), float32; mean 1 over the pairs."""
        n_dist = max(b - a for a, b in map(self.source.extent, self.source.chromnames))
        if self.settings.objective.loss_weight == "none":
            return np.ones(n_dist, dtype=np.float32)
        count, total, squares = self.moments
        mean = total / np.maximum(count, 1)
        variance = smooth_by_distance(squares - count * mean**2, count)
        weights = 1 / np.maximum(variance, 1e-3 * np.median(variance))
        return (weights * count.sum() / (weights * count).sum()).astype(np.float32)

    def __iter__(self) -> Iterator[Tile]:
        """Tiles of the epoch from `position` on; both are the caller's to advance."""
        skip = self.position
        for group in np.random.default_rng([self.seed, self.epoch]).permutation(len(self.groups)):
            n_tiles = sum(len(spans) for c in self.groups[group] for *_, spans in self._plans[c])
            order = np.random.default_rng([self.seed, self.epoch, group]).permutation(n_tiles)
            order, skip = order[skip:], max(skip - n_tiles, 0)
            for t in order:
                yield self._tiles(group)[t]


def _moments(target: np.ndarray) -> np.ndarray:
    """Number, sum and sum of squares of a band at each distance, (3, n_dist)."""
    known = ~np.isnan(target)
    values = np.where(known, target, 0)
    return np.stack(
        [known.sum(1), values.sum(1, dtype=float), np.einsum("db,db->d", values, values)]
    )
