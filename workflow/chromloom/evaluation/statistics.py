"""Sufficient statistics of reconstruction metrics, and the metrics that follow from them.

A metric is a function of sums over pairs, kept by 5-Mb block and stratum of distance. Sums of a
resampled genome are a matrix product of block multiplicities with these sums, so that a bootstrap
costs no second look at the pairs. Reading maps is done in `chromloom.evaluation.maps`.
"""

from dataclasses import dataclass, field

import numba
import numpy as np

from chromloom.normalize.probability import PSEUDOCOUNT, READOUTS

# Half-open intervals of distance in bins.
STRATUM_EDGES = np.array([2, 10, 40, 100, 200, 400, 1000])
STRATA = ("2-10", "10-40", "40-100", "100-200", "200-400", "400-1000", "1000-", "all")
PAIRS = ("all", "observed")
PUBLISHED_WINDOW = 10  # distances that the released code averages into one point

N_LEVELS = 65536
_LEVEL_SHIFT = 13  # keeps 10 bits of a float32's mantissa: 1,024 levels an octave
_LEVEL_BASE = (127 - 40) << 23  # bits of 2**-40: everything below is level 0

# Columns of the sums: contact probability x (predicted, by strength), y (observed), log obs/exp u,
# v, and z, which is x at the depth of the map scored on; w and q are x and z by counts.
_N, _X, _Y, _XX, _YY, _XY, _U, _V, _UU, _VV, _UV, _TOTAL, _ZZ, _ZY = range(14)
_W, _WW, _WY, _QQ, _QY = range(14, 19)
_COLUMNS = 19
# By read-out: n, x, y, xx, yy, xy of contact probability, and zz, zy.
_PROBABILITY = {
    "strength": [_N, _X, _Y, _XX, _YY, _XY],
    "counts": [_N, _W, _Y, _WW, _YY, _WY],
}
_BY_DISTANCE = {"strength": [0, 1, 2, 3, 4, 5], "counts": [0, 6, 2, 7, 4, 8]}
_AT_DEPTH = {"strength": [_ZZ, _ZY], "counts": [_QQ, _QY]}


def stratum_of(distances: np.ndarray) -> np.ndarray:
    """Number of the stratum of each distance in bins; -1 below the first."""
    return np.searchsorted(STRATUM_EDGES, distances, side="right") - 1


@dataclass
class PairSums:
    """Sums over the pairs of two maps, filled block by block.

    Parameters
    ----------
    n_blocks, n_distances : int
        Blocks of the genome; bins of its longest chromosome.
    cp_a : float
        Coefficient of contact probability.
    ignore_diags : int
        Nearer pairs are left out.
    keep : int
        Pairs whose levels are held in memory for the ranks; beyond it the pairs are read twice.
    """

    n_blocks: int
    n_distances: int
    cp_a: float
    ignore_diags: int = 2
    keep: int = 20_000_000
    by_block: np.ndarray = field(init=False)  # (2 PAIRS, n_blocks, strata, _COLUMNS)
    by_distance: np.ndarray = field(
        init=False
    )  # (2, n_distances, 9): n, x, y, xx, yy, xy, w, ww, wy
    levels: np.ndarray = field(init=False)  # (2, strata, 2 predicted/observed, N_LEVELS)
    ranks: np.ndarray = field(init=False)  # (2, n_blocks, strata + all, 6)
    unpredicted: np.ndarray = field(init=False)  # (2, n_distances): pairs left out

    def __post_init__(self):
        n_strata = len(STRATUM_EDGES)
        self.by_block = np.zeros((2, self.n_blocks, n_strata, _COLUMNS))
        self.by_distance = np.zeros((2, self.n_distances, 9))
        self.unpredicted = np.zeros((2, self.n_distances), dtype=np.int64)
        self.levels = np.zeros((2, n_strata, 2, N_LEVELS), dtype=np.int64)
        self.ranks = np.zeros((2, self.n_blocks, n_strata + 1, 6))
        self._kept: list[tuple] | None = []
        self._n_kept = 0
        self._tables: np.ndarray | None = None
        self._has_depth = False
        self.readouts: tuple[str, ...] = READOUTS[:1]
        self.start_chromosome(0, 0, 0)

    def n_unpredicted(self) -> np.ndarray:
        """Unmasked pairs that were left out for want of a prediction, (2 PAIRS, strata + all)."""
        strata = stratum_of(np.arange(self.n_distances))
        by_stratum = [self.unpredicted[:, strata == k].sum(axis=1) for k in range(len(STRATA) - 1)]
        return np.stack([*by_stratum, self.unpredicted[:, strata >= 0].sum(axis=1)], axis=1)

    @property
    def needs_second_pass(self) -> bool:
        """Whether there were too many pairs to keep, so that `add_ranks` wants them again."""
        return self._kept is None

    def start_chromosome(self, first_block: int, n_blocks: int, n: int) -> None:
        """Make room for the sums by block and distance of a chromosome of n bins."""
        self._first_block = first_block
        self._distance_sums = np.zeros((2, n_blocks, n, 2))  # pairs, sum of y

    def add(
        self, block, predicted, observed, trained, predicted_expected, observed_expected,
        by_counts=None, at_depth=None, by_counts_at_depth=None,
    ):  # fmt: skip
        """Add rows of one block.

        Parameters
        ----------
        block : int
            Block of the genome that the rows lie in.
        predicted, observed, trained : ndarray, (n_dist, rows), float32
            Contact strengths in band layout; `trained` is the map trained on, pairs without contact
            in it are not among the `observed` ones. Where `predicted` is NaN the pair is left out
            and counted (`n_unpredicted`).
        predicted_expected, observed_expected : ndarray, (n_dist, rows), float32
            Expected of each, in band layout.
        by_counts : ndarray, (n_dist, rows), float32, optional
            Contact probability by counts of the prediction; gives the second read-out.
        at_depth, by_counts_at_depth : ndarray, (n_dist, rows), float32, optional
            Contact probability of the prediction at the depth of `observed`, by strength and by
            counts; gives `r2_cp_depth`.
        """
        self._has_depth = at_depth is not None
        self.readouts = READOUTS[: 1 if by_counts is None else 2]
        given = (by_counts, at_depth, by_counts_at_depth)
        nothing = np.empty((0, 0), np.float32)
        strata = stratum_of(np.arange(len(observed)))
        out = np.empty((3, observed.size if self._kept is not None else 0), dtype=np.uint16)
        n = _add_pairs(
            predicted, observed, trained, predicted_expected, observed_expected,
            *(nothing if band is None else band for band in given),
            *_bits(predicted, observed), strata, self.cp_a, self.ignore_diags,
            self.by_block[:, block], self.by_distance,
            self._distance_sums[:, block - self._first_block], self.levels, out, self.unpredicted,
        )  # fmt: skip
        if self._kept is not None:
            self._n_kept += n
            self._kept.append((block, out[:, :n].copy()))
            if self._n_kept > self.keep:
                self._kept = None

    def finish_chromosome(self) -> None:
        """Turn the chromosome's sums by distance into sums of squares around its distance means."""
        n, y = self._distance_sums[..., 0], self._distance_sums[..., 1]  # (2, blocks, n)
        total_n = n.sum(axis=1)
        mean = np.divide(y.sum(axis=1), total_n, out=np.zeros_like(total_n), where=total_n > 0)
        explained = 2 * mean[:, None] * y - n * mean[:, None] ** 2
        strata = stratum_of(np.arange(n.shape[2]))
        blocks = slice(self._first_block, self._first_block + n.shape[1])
        for k in range(len(STRATUM_EDGES)):
            self.by_block[:, blocks, k, _TOTAL] = self.by_block[:, blocks, k, _YY] - explained[
                ..., strata == k
            ].sum(axis=2)
        self._distance_sums = np.zeros((2, 0, 0, 2))

    def add_ranks(self, block, predicted, observed, trained) -> None:
        """Add the ranks of rows of one block, in a second pass after all pairs were seen."""
        strata = stratum_of(np.arange(len(observed)))
        out = np.empty((3, observed.size), dtype=np.uint16)
        bits = _bits(predicted, observed)
        n = _list_levels(predicted, observed, trained, *bits, strata, self.ignore_diags, out)
        _add_ranks(out[:, :n], self._rank_tables(), self.ranks[:, block])

    def finish(self) -> None:
        """Rank the pairs that were kept."""
        for block, levels in self._kept or ():
            _add_ranks(levels, self._rank_tables(), self.ranks[:, block])
        self._kept, self._tables = [], None

    def _rank_tables(self) -> np.ndarray:
        """Mid-rank of each level in [0, 1], (2 PAIRS, strata + all, 2, N_LEVELS) float64."""
        if self._tables is None:
            levels = np.concatenate([self.levels, self.levels.sum(axis=1, keepdims=True)], axis=1)
            total = levels.sum(axis=-1, keepdims=True)
            middle = np.cumsum(levels, axis=-1) - levels / 2
            self._tables = middle / np.maximum(total, 1)
        return self._tables

    def metrics(
        self, multiplicity: np.ndarray, readout: str = READOUTS[0]
    ) -> dict[tuple[str, str], np.ndarray]:
        """Metrics of the genome and of its resamplings.

        Parameters
        ----------
        multiplicity : ndarray, (n_samples, n_blocks)
            How often each block is counted.
        readout : str
            One of `readouts`; of metrics of contact probability.

        Returns
        -------
        dict
            (pairs, metric) -> (n_samples, strata with all), NaN where undefined; metric "n" is
            the number of pairs.
        """
        result = {}
        for k, pairs in enumerate(PAIRS):
            sums = np.einsum("sb,bkc->skc", multiplicity, self.by_block[k])
            sums = np.concatenate([sums, sums.sum(axis=1, keepdims=True)], axis=1)
            ranks = np.einsum("sb,bkc->skc", multiplicity, self.ranks[k])
            probability = sums[..., _PROBABILITY[readout]]
            n, _, y, xx, yy, xy = np.moveaxis(probability, -1, 0)
            residual = xx - 2 * xy + yy
            with np.errstate(invalid="ignore", divide="ignore"):
                around_mean = yy - y**2 / n
                result[pairs, "r2_cp"] = _finite(1 - residual / around_mean)
                if self._has_depth:
                    zz, zy = np.moveaxis(sums[..., _AT_DEPTH[readout]], -1, 0)
                    residual_z = zz - 2 * zy + yy
                    result[pairs, "r2_cp_depth"] = _finite(1 - residual_z / around_mean)
                result[pairs, "r2_distance"] = _finite(1 - residual / sums[..., _TOTAL])
            result[pairs, "n"] = n
            result[pairs, "pearson_cp"] = pearson(probability)
            result[pairs, "spearman_cp"] = pearson(ranks)
            result[pairs, "pearson_logoe"] = pearson(sums[..., [_N, *range(_U, _UV + 1)]])
        return result

    def distance_sums(self, readout: str = READOUTS[0]) -> np.ndarray:
        """Sums n, x, y, xx, yy, xy of contact probability, (2 PAIRS, n_distances, 6)."""
        return self.by_distance[..., _BY_DISTANCE[readout]]

    def r2_published(self, seed: int, readout: str = READOUTS[0]) -> np.ndarray:
        """R2 as the released code computes it, over observed pairs, by stratum.

        At each distance, 1 - residual sum of squares / sum of squares around the mean of a
        distance drawn at random (here with a seed); averaged over windows of 10 distances, of
        which those below -1 count as 0; then over the windows of a stratum. The sum of squares is
        inflated whenever the drawn distance is another one, so the value is optimistic.

        Returns
        -------
        ndarray, (strata with all,)
        """
        n, _, y, xx, yy, xy = self.distance_sums(readout)[PAIRS.index("observed")].T
        seen = np.flatnonzero(n > 0)
        values = np.full(len(STRATA), np.nan)
        if not len(seen):
            return values
        n, y, xx, yy, xy = (column[seen] for column in (n, y, xx, yy, xy))
        drawn = np.random.default_rng(seed).choice(y / n, size=len(seen))
        total = yy - 2 * drawn * y + n * drawn**2
        r2 = 1 - (xx - 2 * xy + yy) / np.maximum(total, np.finfo(float).tiny)
        window = seen // PUBLISHED_WINDOW
        count = np.bincount(window)
        means = np.bincount(window, r2) / np.maximum(count, 1)
        means[means < -1] = 0
        window_stratum = stratum_of(np.maximum(np.arange(len(means)) * PUBLISHED_WINDOW, 2))
        for k in range(len(STRATA)):
            chosen = (count > 0) & ((window_stratum == k) | (STRATA[k] == "all"))
            if chosen.any():
                values[k] = means[chosen].mean()
        return values


def pearson(sums: np.ndarray) -> np.ndarray:
    """Pearson correlation from sums (…, [n, x, y, xx, yy, xy]); NaN where a side is constant."""
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        var_x, var_y = xx - x * x / n, yy - y * y / n
        r = (xy - x * y / n) / np.sqrt(var_x * var_y)
    # Differences of sums leave about 1e-13 of their size: below that, nothing varies.
    flat = (var_x <= 1e-12 * np.abs(xx)) | (var_y <= 1e-12 * np.abs(yy)) | (n < 3)
    return np.where(flat, np.nan, np.clip(r, -1, 1))


def resample_blocks(has_data: np.ndarray, n_boot: int, seed: int) -> np.ndarray:
    """Block multiplicities: the genome as it is, then `n_boot` resamplings of its blocks.

    Parameters
    ----------
    has_data : ndarray, (n_blocks,), bool
        Blocks to draw from; the others keep 0 in the resamplings.
    n_boot, seed : int

    Returns
    -------
    ndarray, (1 + n_boot, n_blocks), float64
        Row 0 is all ones. Fewer than 2 blocks with data give row 0 alone: no interval.
    """
    multiplicity = np.ones((1, len(has_data)))
    k = int(has_data.sum())
    if k < 2:
        return multiplicity
    drawn = np.zeros((n_boot, len(has_data)))
    drawn[:, has_data] = np.random.default_rng(seed).multinomial(k, np.full(k, 1 / k), size=n_boot)
    return np.concatenate([multiplicity, drawn])


def interval(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """2.5 and 97.5 percentiles of resamplings (rows 1 …); NaN where there are none."""
    low_high = np.full((2, *samples.shape[1:]), np.nan)
    usable = np.isfinite(samples[1:]).sum(axis=0) > 1
    low_high[:, usable] = np.nanpercentile(samples[1:][:, usable], [2.5, 97.5], axis=0)
    return low_high[0], low_high[1]


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, np.nan)


def _bits(*arrays: np.ndarray) -> list[np.ndarray]:
    return [np.ascontiguousarray(array, dtype=np.float32).view(np.int32) for array in arrays]


@numba.njit(inline="always")
def _level(bits):
    return min(max((bits - _LEVEL_BASE) >> _LEVEL_SHIFT, 0), N_LEVELS - 1)


@numba.njit(cache=True, nogil=True)
def _add_pairs(
    predicted, observed, trained, predicted_expected, observed_expected,
    by_counts, at_depth, by_counts_at_depth, predicted_bits, observed_bits, strata, a, ignore_diags,
    by_block, by_distance, distance_sums, levels, out, unpredicted,
):  # fmt: skip
    n_out = 0
    n_distances, rows = observed.shape
    for d in range(ignore_diags, n_distances):
        k = strata[d]
        if k < 0:
            continue
        for r in range(rows):
            y_value = observed[d, r]
            if np.isnan(y_value):
                continue
            x_value = predicted[d, r]
            if np.isnan(x_value):
                if not np.isnan(trained[d, r]):
                    unpredicted[0, d] += 1
                    unpredicted[1, d] += y_value > 0 and trained[d, r] > 0
                continue
            x_value = max(x_value, 0.0)
            x, y = np.exp(-a / (x_value + 1e-10)), np.exp(-a / (y_value + 1e-10))
            w = float(by_counts[d, r]) if by_counts.size else 0.0
            z = float(at_depth[d, r]) if at_depth.size else 0.0
            q = float(by_counts_at_depth[d, r]) if by_counts_at_depth.size else 0.0
            u = np.log((x_value + PSEUDOCOUNT) / (predicted_expected[d, r] + PSEUDOCOUNT))
            v = np.log((y_value + PSEUDOCOUNT) / (observed_expected[d, r] + PSEUDOCOUNT))
            level_x, level_y = _level(predicted_bits[d, r]), _level(observed_bits[d, r])
            seen = y_value > 0 and trained[d, r] > 0
            for p in range(1 + seen):
                sums = by_block[p, k]
                sums[_N] += 1
                sums[_X] += x
                sums[_Y] += y
                sums[_XX] += x * x
                sums[_YY] += y * y
                sums[_XY] += x * y
                sums[_U] += u
                sums[_V] += v
                sums[_UU] += u * u
                sums[_VV] += v * v
                sums[_UV] += u * v
                sums[_ZZ] += z * z
                sums[_ZY] += z * y
                sums[_W] += w
                sums[_WW] += w * w
                sums[_WY] += w * y
                sums[_QQ] += q * q
                sums[_QY] += q * y
                sums = by_distance[p, d]
                sums[_N] += 1
                sums[_X] += x
                sums[_Y] += y
                sums[_XX] += x * x
                sums[_YY] += y * y
                sums[_XY] += x * y
                sums[6] += w
                sums[7] += w * w
                sums[8] += w * y
                distance_sums[p, d, 0] += 1
                distance_sums[p, d, 1] += y
                levels[p, k, 0, level_x] += 1
                levels[p, k, 1, level_y] += 1
            if out.shape[1]:
                out[0, n_out], out[1, n_out], out[2, n_out] = level_x, level_y, 2 * k + seen
            n_out += 1
    return n_out


@numba.njit(cache=True, nogil=True)
def _list_levels(
    predicted, observed, trained, predicted_bits, observed_bits, strata, ignore_diags, out
):
    n_out = 0
    for d in range(ignore_diags, observed.shape[0]):
        for r in range(observed.shape[1]):
            if strata[d] < 0 or np.isnan(observed[d, r]) or np.isnan(predicted[d, r]):
                continue
            seen = observed[d, r] > 0 and trained[d, r] > 0
            out[0, n_out] = _level(predicted_bits[d, r])
            out[1, n_out] = _level(observed_bits[d, r])
            out[2, n_out] = 2 * strata[d] + seen
            n_out += 1
    return n_out


@numba.njit(cache=True, nogil=True)
def _add_ranks(levels, tables, ranks):
    n_strata = tables.shape[1] - 1
    for q in range(levels.shape[1]):
        k, seen = levels[2, q] // 2, levels[2, q] % 2
        for p in range(1 + seen):
            for s in (k, n_strata):
                x = tables[p, s, 0, levels[0, q]]
                y = tables[p, s, 1, levels[1, q]]
                sums = ranks[p, s]
                sums[0] += 1
                sums[1] += x
                sums[2] += y
                sums[3] += x * x
                sums[4] += y * y
                sums[5] += x * y
