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
from chromloom.kernels import Edits, kernel_threads_only, lanes_forward, lanes_of_bins
from chromloom.models.hiclstm.module import knot_positions
from chromloom.models.trained import TrainedModel
from chromloom.representations.neutral import average_neighbours
from chromloom.signals.tracks import write_bigwig

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
        logger.info("%s: %d knockouts in %.1f s, %.0f per minute", chrom, n, seconds, rate)
    write_tsv(table, out_tsv)
    write_bigwig(table, "impact", out_bw, table.groupby("chrom", sort=False)["end"].max())


@kernel_threads_only()
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
    made = model.settings.architecture
    if (
        made.directions != 1
        or made.layers != 1
        or made.carry_state
        or made.head != "step"
        or made.distance_input
    ):
        raise InputError(
            "the screen needs a model of one layer that reads one way from a zero state at each "
            "frame's start, without distance input (presets paper, refined, eig); "
            "knock single sites out with perturb"
        )
    n, reach_bins = len(model.mask(chrom)), min(reach // model.resolution, len(model.mask(chrom)))
    impact, change = np.full(n, np.nan), np.full(n, np.nan)
    ok = ~model.mask(chrom)
    wanted = np.flatnonzero(ok) if bins is None else np.asarray(bins)[ok[bins]]
    R = np.where(ok[:, None], model.representation(chrom), 0).astype(np.float32)
    null = null_vectors(R, ~ok, method)
    wild_type = torch.from_numpy(model.predict_band(chrom, 0, n, max_dist=reach_bins)).to(
        model.device
    )  # (reach, n)
    n_pairs = _pairs_across(np.isfinite(wild_type.cpu().numpy()))
    predict = _Knockouts(model, chrom, R, null, ok, wild_type, backend)
    for part in np.array_split(wanted, max(1, -(-len(wanted) // BATCH))):
        if not len(part):
            continue
        absolute, signed = predict(torch.from_numpy(part))
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
    return average_neighbours(R, mask)


class _Knockouts:
    """Sums of |change| and change of the target for a batch of knocked-out bins.

    The LSTM's part changes in the lanes that read the bin, the bilinear part in its own pairs, and
    the bin's barrier in the pairs that span it.
    """

    def __init__(self, model, chrom, R, null, ok, wild_type, backend):
        module, number = model.module, model._numbers[chrom]
        self.settings, self.backend, device = model.settings, backend, model.device
        self.frame = self.settings.architecture.frame
        self.n, self.reach = len(ok), len(wild_type)
        self.ok = torch.from_numpy(ok).to(device)
        self.R, self.null = (torch.from_numpy(x).to(device) for x in (R, null))
        self.known = torch.isfinite(wild_type)
        self.lstm = wild_type
        with torch.no_grad():
            self.direction = next(iter(module.directions), None)
            self.lstm_reach = 0
            if self.direction is not None:
                frames = [d0 for d0 in range(0, self.reach, self.frame) if module.reads(d0)]
                self.lstm_reach = min(self.reach, frames[-1] + self.frame)
                self.projections = [
                    module.project(self.direction, x, x, 0) for x in (self.R, self.null)
                ]
            self.S = self.height = None
            if module.S is not None:
                self.S = _by_distance(module.S[number], self.reach)
                cols = torch.cat([self.R, self.R.new_zeros(self.reach - 1, self.R.shape[1])])
                between = cols[:, -1]
                self.lstm = wild_type - module.bilinear(self.R, cols, number, 0, between=between)
            if module.barrier is not None:
                self.height = _by_distance(module.barrier[number], self.reach)
                self.n_spanning = _spanning_pairs(self.known)

    @torch.no_grad()
    def __call__(self, bins):
        """(2, n_bins): sums over known pairs across each bin."""
        at = bins.to(self.R.device)
        own = [at.new_zeros((len(at), self.reach), dtype=self.R.dtype) for _ in range(2)]
        dist = torch.arange(self.reach, device=at.device)
        right, left = at[:, None] + dist, at[:, None] - dist  # (E, reach)
        known = [
            self.known[dist, at[:, None]] & (right < self.n),
            self.known[dist, left.clamp(min=0)] & (left >= 0),
        ]
        if self.S is not None:
            moved = self.null[at] - self.R[at]
            own[0] = torch.einsum(
                "ea,dac,edc->ed", moved, self.S, self.R[right.clamp(max=self.n - 1)]
            )
            own[1] = torch.einsum("eda,dac,ec->ed", self.R[left.clamp(min=0)], self.S, moved)
        spanning = at.new_zeros((len(at), self.reach), dtype=self.R.dtype)
        if self.height is not None:
            spanning = (self.R[at, -1] - self.null[at, -1])[:, None] * self.height
        sums = torch.zeros(2, len(bins), dtype=torch.float64)
        for change, exists in zip(own, known):  # beyond the LSTM, the bilinear part alone
            far = torch.where(exists, change, 0.0)[:, self.lstm_reach :].double().cpu()
            sums[0] += far.abs().sum(dim=1)
            sums[1] += far.sum(dim=1)
        if self.height is not None:
            far = (spanning * self.n_spanning[:, at].T)[:, self.lstm_reach :].double().cpu()
            sums[0] += far.abs().sum(dim=1)
            sums[1] += far.sum(dim=1)
        if self.direction is not None:
            self._add_lanes(sums, self.direction, bins, at, own, spanning)
        return sums.numpy()

    def _add_lanes(self, sums, direction, bins, at, own, spanning):
        (P, Q), (P_null, Q_null) = self.projections
        lanes = lanes_of_bins(bins, self.n, reach=self.lstm_reach, frame=self.frame)
        y = lanes_forward(
            P,
            Q,
            direction.weights(),
            direction.spec,
            lanes,
            self.ok,
            self.ok,
            edits=Edits(at, P_null[at], Q_null[at]),
            backend=self.backend,
        )  # (L, N)
        if self.settings.objective.target == "cp":
            y = torch.sigmoid(y)
        step = torch.arange(len(y), device=y.device)[:, None]
        dist = (step + (lanes.starts - lanes.rows)).clamp(max=self.reach - 1)
        column, bin_of = lanes.rows + dist, bins[lanes.edits]
        change = y - self.lstm[dist, lanes.rows]
        is_row = lanes.rows == bin_of
        change += torch.where(is_row, own[0][lanes.edits, dist], 0.0)
        change += torch.where(~is_row & (column == bin_of), own[1][lanes.edits, dist], 0.0)
        change += torch.where(~is_row & (column > bin_of), spanning[lanes.edits, dist], 0.0)
        counted = self.known[dist, lanes.rows] & (column >= bin_of) & (step < lanes.lengths)
        change = torch.where(counted, change, 0.0)
        sums[0].index_add_(0, lanes.edits, change.abs().sum(dim=0).double().cpu())
        sums[1].index_add_(0, lanes.edits, change.sum(dim=0).double().cpu())


def _by_distance(at_knots, reach):
    """What is given at the knots (K, …), at every distance below `reach`, (reach, …)."""
    below, to_next = knot_positions(np.arange(reach), len(at_knots))
    share = torch.from_numpy(to_next).to(at_knots).view(-1, *[1] * (at_knots.dim() - 1))
    return (1 - share) * at_knots[below] + share * at_knots[
        np.minimum(below + 1, len(at_knots) - 1)
    ]


def _spanning_pairs(known):
    """Number of known pairs (i, i + d) with i < bin < i + d, for every d and bin, (reach, n)."""
    reach, n = known.shape
    before = torch.nn.functional.pad(known.long().cumsum(1), (1, 0))  # (reach, n + 1)
    bins, dist = torch.arange(n), torch.arange(reach)[:, None]
    bins, dist = bins.to(known.device), dist.to(known.device)
    first = torch.minimum((bins - dist + 1).clamp(min=0), bins)
    return before[:, :n] - before.gather(1, first)


def _pairs_across(known):
    """Number of known pairs (i, i + d) with i <= bin <= i + d, for every bin, (n,)."""
    reach, n = known.shape
    count = np.zeros(n + 1)
    for d in range(reach):
        count[:n] += known[d]
        count[d + 1 :] -= known[d, : n - d]
    return np.maximum(np.cumsum(count)[:n], 1)
