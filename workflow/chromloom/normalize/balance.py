"""Balancing of a map, chromosome by chromosome: ICE, KR, VC, VC_SQRT, or vectors stored in a file.

All give a multiplicative `weight` on the scale of counts: value = count * w_i * w_j, with the sum
of `value` equal to the sum of `count` over the chromosome's unmasked pairs at distance >=
`ignore_diags`. NaN is the only mask.

References
----------
Imakaev et al. 2012 (ICE), as in cooler; Knight & Ruiz 2013, IMA J Numer Anal 33:1029 (KR), the
inner-outer Newton iteration of its appendix; Rao et al. 2014 (KR, VC, VC_SQRT for Hi-C).
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import cooler
import numpy as np
import pandas as pd
from scipy import sparse

from chromloom.errors import ConvergenceError, InputError
from chromloom.genome.names import select_chromosomes
from chromloom.normalize.maps import PIXEL_CHUNK, iterate_cis_pixels

logger = logging.getLogger(__name__)

NORMS = ("ICE", "KR", "VC", "VC_SQRT")
MIN_CHROM_BINS = 20
# A bin with hardly a partner gets flat marginals in the limit of an infinite weight: that counts as
# not converged. Weights of mappable bins lie within a factor of 100.
MAX_WEIGHT_RATIO = 1e4
_UNCONVERGED = "did not converge"
# Share of a chromosome's bins, the sparsest, that is dropped as well at each further attempt.
RETRY_QUANTILES = (0.0, 0.01, 0.02, 0.05, 0.1)


@dataclass(frozen=True)
class BalanceSettings:
    """How a map is balanced.

    Attributes
    ----------
    ignore_diags : int
        Pairs nearer than this many bins take no part.
    mad_max : int
        Bins whose log coverage is this many median absolute deviations below the median are
        masked (cooler's filter); 0 is off.
    min_nnz : int
        Bins with fewer contacting bins are masked (cooler's filter).
    max_iters : int
        Sweeps (ICE) or matrix-vector products (KR) after which a chromosome did not converge.
    tol : float
        Largest relative deviation of a balanced marginal from their mean.
    allow_unconverged : bool
        Keep the last vector of a chromosome that does not converge, instead of masking it.
    """

    ignore_diags: int = 2
    mad_max: int = 5
    min_nnz: int = 10
    max_iters: int = 500
    tol: float = 1e-5
    allow_unconverged: bool = False


DEFAULT_SETTINGS = BalanceSettings()


def balance(
    clr: cooler.Cooler,
    norm: str,
    settings: BalanceSettings = DEFAULT_SETTINGS,
    *,
    sample: str = "",
    chroms: Iterable[str] | None = None,
    blacklist: pd.DataFrame | None = None,
    stored: np.ndarray | None = None,
    required: bool = True,
) -> tuple[np.ndarray, pd.DataFrame]:
    """Balancing weights of a map.

    Bins that touch the blacklist are masked, whatever the source of the weights. A chromosome
    with fewer than 20 unmasked bins is masked whole. One that does not converge is tried again
    without its sparsest bins (1, 2, 5, 10 %), then masked whole. All this is logged and listed.

    Parameters
    ----------
    clr : cooler.Cooler
        Raw counts.
    norm : {"ICE", "KR", "VC", "VC_SQRT"}
        Method.
    settings : BalanceSettings
        Filters and limits.
    sample : str
        Name for messages.
    chroms : iterable of str, optional
        Chromosomes that the user named: the others are masked, and these must have contacts and
        converge. None or empty takes all, and the run goes on as long as one chromosome is left.
    blacklist : DataFrame, optional
        chrom, start, end.
    stored : ndarray, (n_bins,), float64, optional
        Ready multiplicative weights (of a .hic, converted), NaN = masked. They are rescaled and
        used as they are, without the filters; chromosomes without any are computed.
    required : bool
        False masks, logs and lists named chromosomes that fail, too, and never raises for them.

    Returns
    -------
    weights : ndarray, (n_bins,), float64
        NaN = masked.
    stats : DataFrame
        One row per chromosome: chrom, norm, source ("stored" or "computed"), converged (bool),
        iterations (int), residual (largest relative deviation of a marginal from their mean),
        n_bins, n_blacklisted, n_masked (int), masked_share (float), note (why it is masked whole,
        or how it was saved; "" otherwise).

    Raises
    ------
    InputError
        Unknown norm or chromosome; a named chromosome without contacts; no chromosome left; a
        stored vector of another length.
    ConvergenceError
        A named chromosome does not converge, or none does.
    """
    if norm not in NORMS:
        raise InputError(f"norm '{norm}' is not known; choose one of {', '.join(NORMS)}")
    named = list(chroms or [])
    selected = select_chromosomes(named or None, clr.chromsizes, source=f"sample '{sample}'")
    nnz, coverage = _coverage(clr, settings.ignore_diags)
    if stored is not None and len(stored) != len(nnz):
        raise InputError(
            f"sample '{sample}': the stored {norm} vector has {len(stored)} bins, the map "
            f"{len(nnz)} at {clr.binsize} bp; take both at one resolution and from one assembly"
        )
    passed = _passes_filters(clr, nnz, coverage, settings)
    black = _touches(clr, blacklist)
    weights = np.full(len(nnz), np.nan)
    rows = []
    for chrom in selected:
        first, last = clr.extent((chrom, None, None))
        square = slice(first, last)
        ready = None if stored is None or np.isnan(stored[square]).all() else stored[square]
        empty = coverage[square].sum() == 0
        good = (passed[square] if ready is None else ~np.isnan(ready)) & ~black[square]
        row = {
            "chrom": chrom,
            "norm": norm,
            "source": "computed" if ready is None else "stored",
            "converged": False,
            "iterations": 0,
            "residual": np.nan,
            "n_bins": last - first,
            "n_blacklisted": int(black[square].sum()),
            "note": "",
        }
        if empty:
            row["note"] = f"no contacts at distance >= {settings.ignore_diags} bins"
        elif good.sum() < MIN_CHROM_BINS:
            row["note"] = f"fewer than {MIN_CHROM_BINS} unmasked bins"
        else:
            if stored is not None and ready is None:
                logger.warning(
                    "sample '%s', %s: no stored %s, computed instead", sample, chrom, norm
                )
            matrix = _cis_matrix(clr, chrom, settings.ignore_diags)
            vector = _balance_chromosome(matrix, norm, good, nnz[square], ready, settings, row)
            weights[square] = vector
        failed = empty or row["note"] == _UNCONVERGED
        if failed and required and named:
            raise _failure(sample, chrom, norm, row, settings)
        row["n_masked"] = int(np.isnan(weights[square]).sum())
        row["masked_share"] = row["n_masked"] / row["n_bins"]
        rows.append(row)
    stats = pd.DataFrame(rows)
    for note, lost in stats[stats["masked_share"] == 1].groupby("note")["chrom"]:
        logger.warning("sample '%s', masked whole, %s: %s", sample, note, ", ".join(lost))
    if required and np.isnan(weights).all():
        unconverged = [row for row in rows if row["note"] == _UNCONVERGED]
        raise _failure(sample, "every chromosome", norm, (unconverged or rows)[-1], settings)
    return weights, stats


def _failure(sample: str, chrom: str, norm: str, row: dict, settings: BalanceSettings) -> Exception:
    """Error of a chromosome that had to be balanced and could not be."""
    if row["note"] == _UNCONVERGED:
        return ConvergenceError(
            f"sample '{sample}', {chrom}: {norm} did not converge in {settings.max_iters} "
            f"iterations (marginals still {row['residual']:.2g} off, {settings.tol:g} asked for), "
            "without its sparsest bins neither; lower mad_max or raise min_nnz so that sparse bins "
            "are masked, raise max_iters, use a coarser resolution or another norm, or set "
            "allow_unconverged"
        )
    return InputError(
        f"sample '{sample}', {chrom}: {row['note']}, nothing to balance; expected a map with "
        "contacts there. Take the chromosome out of the config, lower min_nnz, or use a coarser "
        "resolution"
    )


def _coverage(clr: cooler.Cooler, ignore_diags: int) -> tuple[np.ndarray, np.ndarray]:
    """Number of contacting bins and sum of counts of each bin, in cis, near diagonals left out."""
    n_bins = int(clr.info["nbins"])
    chrom = clr.bins()["chrom"][:].cat.codes.to_numpy()
    nnz, total = np.zeros(n_bins), np.zeros(n_bins)
    with clr.open("r") as group:
        pixels = group["pixels"]
        for lo in range(0, len(pixels["count"]), PIXEL_CHUNK):
            hi = lo + PIXEL_CHUNK
            try:
                i, j, count = (pixels[name][lo:hi] for name in ("bin1_id", "bin2_id", "count"))
            except OSError as error:  # a block that cannot be decompressed
                raise InputError(
                    f"{clr.filename} cannot be read ({error}): it is damaged; write it again"
                ) from error
            kept = (chrom[i] == chrom[j]) & (j - i >= ignore_diags) & (count != 0)
            i, j, count = i[kept], j[kept], count[kept].astype(float)
            other = j > i  # cooler counts the main diagonal once
            nnz += np.bincount(i, minlength=n_bins) + np.bincount(j[other], minlength=n_bins)
            total += np.bincount(i, count, n_bins) + np.bincount(j[other], count[other], n_bins)
    return nnz, total


def _passes_filters(
    clr: cooler.Cooler, nnz: np.ndarray, coverage: np.ndarray, settings: BalanceSettings
) -> np.ndarray:
    """Bins that keep enough contacts: the filters of `cooler.balance_cooler`."""
    passed = (nnz >= max(settings.min_nnz, 1)) & (coverage > 0)
    if settings.mad_max:
        relative = coverage.copy()
        for chrom in clr.chromnames:
            square = slice(*clr.extent((chrom, None, None)))
            covered = relative[square][relative[square] > 0]
            if len(covered):
                relative[square] /= np.median(covered)
        if (relative > 0).any():
            log_relative = np.log(relative[relative > 0])
            centre = np.median(log_relative)
            deviation = np.median(np.abs(log_relative - centre))
            passed &= relative >= np.exp(centre - settings.mad_max * deviation)
    return passed


def _touches(clr: cooler.Cooler, intervals: pd.DataFrame | None) -> np.ndarray:
    """Bins that overlap one of the intervals by at least a base."""
    touched = np.zeros(int(clr.info["nbins"]), dtype=bool)
    if intervals is not None:
        for chrom, start, end in intervals[["chrom", "start", "end"]].itertuples(index=False):
            if chrom in clr.chromnames and end > start:
                lo, hi = clr.extent((chrom, start, min(end, int(clr.chromsizes[chrom]))))
                touched[lo:hi] = True
    return touched


class _Symmetric:
    """Sparse symmetric matrix, of which the upper triangle is held, seen at some of its bins.

    The others count as 0: what is seen is not copied.
    """

    def __init__(self, upper: sparse.csr_matrix, seen: np.ndarray | None = None):
        self.upper = upper
        self.seen = np.ones(upper.shape[0], dtype=bool) if seen is None else seen
        self.diagonal = upper.diagonal()

    def __len__(self) -> int:
        return int(self.seen.sum())

    def __matmul__(self, x: np.ndarray) -> np.ndarray:
        x = self._whole(x)
        return (self.upper @ x + self.upper.T @ x - self.diagonal * x)[self.seen]

    def subset(self, good: np.ndarray) -> "_Symmetric":
        return _Symmetric(self.upper, good)

    def sum_upper(self, x: np.ndarray) -> float:
        """Sum of x_i A_ij x_j over i <= j."""
        return float(x @ (self.upper @ self._whole(x))[self.seen])

    def _whole(self, x: np.ndarray) -> np.ndarray:
        whole = np.zeros(len(self.seen))
        whole[self.seen] = x
        return whole


def _cis_matrix(clr: cooler.Cooler, chrom: str, ignore_diags: int) -> _Symmetric:
    """Counts of a chromosome, filled in as they are read: 12 bytes a pixel."""
    first, last = clr.extent((chrom, None, None))
    n = last - first
    with clr.open("r") as group:
        offsets = group["indexes/bin1_offset"]
        most = int(offsets[last]) - int(offsets[first])
    # Memory that is not written to is not taken.
    columns, counts, row_sizes = np.empty(most, np.int32), np.empty(most), np.zeros(n, np.int64)
    filled = 0
    chunks = iterate_cis_pixels(
        clr, chrom, 0, n, columns=["count"], keep=lambda i, j: j - i >= ignore_diags
    )
    for i, j, count in chunks:
        columns[filled : filled + len(j)], counts[filled : filled + len(j)] = j, count
        row_sizes += np.bincount(i, minlength=n)
        filled += len(j)
    pointer = np.append(0, np.cumsum(row_sizes))
    return _Symmetric(sparse.csr_matrix((counts[:filled], columns[:filled], pointer), shape=(n, n)))


def _balance_chromosome(
    matrix: _Symmetric,
    norm: str,
    good: np.ndarray,
    nnz: np.ndarray,
    ready: np.ndarray | None,
    settings: BalanceSettings,
    row: dict,
) -> np.ndarray:
    """Weights (n,) of one chromosome, NaN = masked; fills in the row of the stats."""
    weights = np.full(len(good), np.nan)
    if ready is not None:
        part, x = matrix.subset(good), ready[good]
        row.update(converged=True, residual=_residual(part, x))
        weights[good] = _to_count_scale(part, x)
        return weights
    for quantile in RETRY_QUANTILES:
        kept = good.copy()
        bins = np.flatnonzero(good)
        sparsest = np.argsort(nnz[bins], kind="stable")[: int(np.ceil(quantile * len(bins)))]
        kept[bins[sparsest]] = False
        kept = _drop_isolated(matrix, kept)
        if kept.sum() < MIN_CHROM_BINS:
            if quantile:
                break
            row["note"] = f"fewer than {MIN_CHROM_BINS} bins that contact each other"
            return weights
        part = matrix.subset(kept)
        x, iterations = _METHODS[norm](part, settings.tol, settings.max_iters)
        residual = _residual(part, x)
        degenerate = x.max() > MAX_WEIGHT_RATIO * np.median(x)
        converged = norm in ("VC", "VC_SQRT") or (residual <= settings.tol and not degenerate)
        row.update(converged=bool(converged), iterations=iterations, residual=residual)
        if converged or settings.allow_unconverged:
            if quantile:
                row["note"] = f"converged without its {quantile:.0%} sparsest bins"
            elif not converged:
                row["note"] = "did not converge, kept as allow_unconverged asks"
            weights[kept] = _to_count_scale(part, x)
            return weights
    row["note"] = _UNCONVERGED
    return weights


def _drop_isolated(matrix: _Symmetric, kept: np.ndarray) -> np.ndarray:
    """Take out bins whose partners are all masked, until none is left."""
    while True:
        linked = kept & ((matrix @ kept.astype(float)) > 0)
        if linked.sum() == kept.sum():
            return linked
        kept = linked


def _residual(matrix: _Symmetric, x: np.ndarray) -> float:
    """Largest relative deviation of the marginals of diag(x) A diag(x) from their mean."""
    marginals = x * (matrix @ x)
    return float(np.abs(marginals / marginals.mean() - 1).max())


def _to_count_scale(matrix: _Symmetric, x: np.ndarray) -> np.ndarray:
    """Scale a vector so that the balanced sum is the sum of counts."""
    return x * np.sqrt(matrix.sum_upper(np.ones_like(x)) / matrix.sum_upper(x))


def iterative_correction(matrix: _Symmetric, tol: float, max_iters: int) -> tuple[np.ndarray, int]:
    """ICE: divide by the marginals until they are flat; the steps of `cooler.balance_cooler`.

    cooler stops when the variance of the marginals, on the scale of counts, falls below 1e-5; here
    the largest relative deviation has to, whatever the depth.
    """
    x = np.ones(len(matrix))
    for iteration in range(1, max_iters + 1):
        marginals = x * (matrix @ x)
        marginals /= marginals.mean()
        if np.abs(marginals - 1).max() < tol:
            return x, iteration
        x = x / marginals
    return x, max_iters


def knight_ruiz(matrix: _Symmetric, tol: float, max_iters: int) -> tuple[np.ndarray, int]:
    """KR: Newton's method for x * (A x) = 1, its linear systems by conjugate gradients.

    The names are those of the algorithm `bnewt` in the article's appendix: `y` is the factor
    on x of one outer step, kept within (delta, Delta) of 1; `rk` the residual, `Z` the
    preconditioned one, `eta` the forcing term. Starts at x = 1 / sqrt(marginals) instead of 1,
    which is nearer when counts are large. Iterations are matrix-vector products.
    """
    delta, Delta, eta_max, g = 0.1, 3.0, 0.1, 0.9
    x = 1 / np.sqrt(matrix @ np.ones(len(matrix)))
    v = x * (matrix @ x)
    rk = 1 - v
    rho = rho_outer = rk @ rk
    eta, products = eta_max, 1
    while np.abs(rk).max() > tol / 2 and products < max_iters:
        y, p, rho_z = np.ones_like(x), np.zeros_like(x), np.inf
        inner_tol = max(eta**2 * rho_outer, (tol / 4) ** 2)
        while rho > inner_tol and products < max_iters:
            Z = rk / v
            previous, rho_z = rho_z, rk @ Z
            p = Z + (rho_z / previous) * p
            w = x * (matrix @ (x * p)) + v * p
            products += 1
            alpha = rho_z / (p @ w)
            step = alpha * p
            new = y + step
            if new.min() <= delta:
                inside = step < 0
                y = y + ((delta - y[inside]) / step[inside]).min() * step
                break
            if new.max() >= Delta:
                inside = new > Delta
                y = y + ((Delta - y[inside]) / step[inside]).min() * step
                break
            y, rk = new, rk - alpha * w
            rho = rk @ rk
        x = x * y
        v = x * (matrix @ x)
        products += 1
        rk = 1 - v
        rho = rk @ rk
        ratio, rho_outer = rho / rho_outer, rho
        previous_eta, eta = eta, g * ratio
        if g * previous_eta**2 > 0.1:
            eta = max(eta, g * previous_eta**2)
        eta = max(min(eta, eta_max), tol / 4 / np.sqrt(rho)) if rho > 0 else eta
    return x, products


def _vanilla(power: float):
    """VC (power 1) or VC_SQRT (power 0.5): divide once by the marginals, or by their roots."""

    def coverage(matrix: _Symmetric, tol: float, max_iters: int) -> tuple[np.ndarray, int]:
        return (matrix @ np.ones(len(matrix))) ** -power, 1

    return coverage


_METHODS = {
    "ICE": iterative_correction,
    "KR": knight_ruiz,
    "VC": _vanilla(1.0),
    "VC_SQRT": _vanilla(0.5),
}
