"""Every bin knocked out in turn: an impact score a bin, on the kernels' lanes.

A knockout in place changes only the frames that read the bin, so only those are computed, many
bins at once (`chromloom.kernels.lanes_forward`). Needs a model that reads in one direction from a
zero state at each frame's start (`paper`, `refined`).
"""

import logging
import time
from pathlib import Path

import numpy as np
import torch

from chromloom.errors import InputError
from chromloom.files import write_tsv
from chromloom.kernels import Edits, lanes_forward, lanes_of_bins
from chromloom.models.trained import TrainedModel
from chromloom.perturbation.predict import AVERAGE_BINS
from chromloom.tracks import write_bigwig

logger = logging.getLogger(__name__)

REACH = 2_000_000
BATCH = 64


def screen(
    model_dir: str | Path,
    out_bw: str | Path,
    out_tsv: str | Path,
    *,
    chroms: list[str] | None = None,
    method: str = "average",
    reach: int = REACH,
    device: str = "cpu",
) -> None:
    """Knock out every bin of a genome in turn and write how much the predicted map moves.

    Parameters
    ----------
    model_dir : str or Path
        Trained model.
    out_bw : str or Path
        bigWig of `impact`.
    out_tsv : str or Path
        chrom, start, end, impact, change (see `screen_chromosome`); NaN = masked or not asked for.
    chroms : list of str, optional
        All by default.
    method : {"average", "zero"}
        What replaces a bin: the mean of 10 unmasked bins each side, or zeros.
    reach : int
        Pairs at distances below this count, bp.
    device : str
    """
    model = TrainedModel.load(model_dir, device)
    table = model.bins[["chrom", "start", "end"]].assign(impact=np.nan, change=np.nan)
    for chrom in model.chromnames if chroms is None else chroms:
        at = table.index[slice(*model.extent(chrom))]
        began = time.perf_counter()
        table.loc[at, ["impact", "change"]] = np.column_stack(
            screen_chromosome(model, chrom, method=method, reach=reach)
        )
        seconds = time.perf_counter() - began
        n = int((~model.mask(chrom)).sum())
        rate = 60 * n / seconds
        logger.info("%s: %d knockouts in %.1f s, %.0f a minute", chrom, n, seconds, rate)
    write_tsv(table, out_tsv)
    write_bigwig(table, "impact", out_bw, table.groupby("chrom", sort=False)["end"].max())


def screen_chromosome(
    model: TrainedModel,
    chrom: str,
    *,
    method: str = "average",
    reach: int = REACH,
    bins: np.ndarray | None = None,
    backend: str = "auto",
) -> tuple[np.ndarray, np.ndarray]:
    """Knock out bins of one chromosome, one at a time.

    Parameters
    ----------
    model : TrainedModel
    chrom : str
    method, reach
        See `screen`.
    bins : ndarray, int, optional
        Bins to knock out, counted from the chromosome's start; all by default.
    backend : str
        Of `chromloom.kernels`.

    Returns
    -------
    impact, change : ndarray, (n,), float64
        Mean |change| and mean change of the predicted target over the unmasked pairs (i, j) with
        i <= bin <= j at distances below `reach`; NaN for masked bins and bins not asked for.
    """
    settings = model.settings
    if settings.directions != 1 or settings.carry_state or settings.head != "step" \
            or settings.distance_input:
        raise InputError("the screen needs a model that reads one way from a zero state at each "
                         "frame's start, without distance input (presets paper, refined, eig); "
                         "knock single sites out with perturb")
    n, reach_bins = len(model.mask(chrom)), min(reach // model.resolution, len(model.mask(chrom)))
    impact, change = np.full(n, np.nan), np.full(n, np.nan)
    ok = ~model.mask(chrom)
    wanted = np.flatnonzero(ok) if bins is None else np.asarray(bins)[ok[bins]]
    R = np.where(ok[:, None], model.representation(chrom), 0).astype(np.float32)
    null = null_vectors(R, ~ok, method)
    wild_type = torch.from_numpy(
        model.predict_band(chrom, 0, n, max_dist=reach_bins)).to(model.device)  # (reach, n)
    n_pairs = _pairs_across(np.isfinite(wild_type.cpu().numpy()))
    predict = _Knockouts(model, chrom, R, null, ok, backend)
    for part in np.array_split(wanted, max(1, -(-len(wanted) // BATCH))):
        if not len(part):
            continue
        absolute, signed = predict(torch.from_numpy(part), wild_type)
        impact[part] = absolute / n_pairs[part]
        change[part] = signed / n_pairs[part]
    return impact, change


def null_vectors(R: np.ndarray, mask: np.ndarray, method: str) -> np.ndarray:
    """What replaces every bin when it alone is knocked out, (n, d) float32.

    Parameters
    ----------
    R : ndarray, (n, d)
        Masked bins hold anything.
    mask : ndarray, (n,), bool
    method : {"average", "zero"}
        `average`: mean of the unmasked bins within 10 bins each side; 0 where there is none.
    """
    if method == "zero":
        return np.zeros(R.shape, np.float32)
    if method != "average":
        raise InputError(f"knockout method '{method}' cannot be screened; use average or zero")
    padded = np.pad(np.where(mask[:, None], 0, R).astype(float), ((AVERAGE_BINS + 1, AVERAGE_BINS),
                                                                  (0, 0)))
    counted = np.pad((~mask).astype(float), (AVERAGE_BINS + 1, AVERAGE_BINS))
    width = 2 * AVERAGE_BINS + 1
    sums, counts = padded.cumsum(axis=0), counted.cumsum()
    total = sums[width:] - sums[:-width] - padded[AVERAGE_BINS + 1 : -AVERAGE_BINS]
    number = counts[width:] - counts[:-width] - counted[AVERAGE_BINS + 1 : -AVERAGE_BINS]
    return (total / np.maximum(number, 1)[:, None]).astype(np.float32)


class _Knockouts:
    """Sums of |change| and change of the target for a batch of knocked-out bins."""

    def __init__(self, model, chrom, R, null, ok, backend):
        module, number = model.module, model._numbers[chrom]
        self.settings, self.backend = model.settings, backend
        self.ok = torch.from_numpy(ok).to(model.device)
        self.n = len(ok)
        tables = [torch.from_numpy(x).to(model.device) for x in (R, null)]
        with torch.no_grad():
            self.factors = [module.bilinear_factors(x, x, number) for x in tables]
            self.direction = next(iter(module.directions), None)
            if self.direction is not None:
                self.projections = [module.project(self.direction, x, x, 0) for x in tables]

    @torch.no_grad()
    def __call__(self, bins, wild_type):
        reach = len(wild_type)
        if self.direction is None:
            return self._bilinear(bins, wild_type)
        (P, Q), (P_null, Q_null) = self.projections
        (A, C), (A_null, C_null) = self.factors
        at = bins.to(P.device)
        edits = Edits(at, P_null[at], Q_null[at], None if A is None else A_null[at],
                      None if C is None else C_null[at])
        lanes = lanes_of_bins(bins, self.n, reach=reach, frame=self.settings.frame)
        y = lanes_forward(P, Q, self.direction.weights(), self.direction.spec, lanes, self.ok,
                          self.ok, A=A, C=C, edits=edits, backend=self.backend)  # (L, N)
        if self.settings.target == "cp":
            y = torch.sigmoid(y)
        dist = torch.arange(len(y))[:, None] + (lanes.starts - lanes.rows)
        change = y - wild_type[dist.clamp(max=reach - 1), lanes.rows]
        column = lanes.rows + dist
        bin_of = bins[lanes.edits]
        read = (column >= bin_of) & (dist < reach) & torch.isfinite(change) \
            & (torch.arange(len(y))[:, None] < lanes.lengths)
        change = torch.where(read, change, 0.0)
        sums = torch.zeros(2, len(bins), dtype=torch.float64)
        sums[0].index_add_(0, lanes.edits, change.abs().sum(dim=0).double())
        sums[1].index_add_(0, lanes.edits, change.sum(dim=0).double())
        return sums.numpy()

    def _bilinear(self, bins, wild_type):
        """Without an LSTM only the pairs of the bin itself change."""
        reach, ((A, C), (A_null, C_null)) = len(wild_type), self.factors
        sums = torch.zeros(2, len(bins), dtype=torch.float64)
        for k, b in enumerate(bins.tolist()):
            right = torch.arange(b, min(b + reach, self.n))
            left = torch.arange(max(b - reach + 1, 0), b)
            row = C[right] @ (A_null[b] - A[b]) + torch.where(
                right == b, A_null[b] @ (C_null[b] - C[b]), 0.0)
            column = A[left] @ (C_null[b] - C[b])
            change = torch.cat([
                torch.where(torch.isfinite(wild_type[right - b, b]), row, 0.0),
                torch.where(torch.isfinite(wild_type[b - left, left]), column, 0.0),
            ])
            sums[0, k], sums[1, k] = change.abs().sum(), change.sum()
        return sums.numpy()


def _pairs_across(known):
    """Number of known pairs (i, i + d) with i <= bin <= i + d, for every bin, (n,)."""
    reach, n = known.shape
    count = np.zeros(n + 1)
    for d in range(reach):
        count[:n] += known[d]
        count[d + 1 :] -= known[d, : n - d]
    return np.maximum(np.cumsum(count)[:n], 1)
