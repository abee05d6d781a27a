"""One training step of Hi-C-LSTM: a tile's loss, its gradients, Adam on what it touched.

The representations' Adam is lazy: a step moves only the rows that the tile read, each with its own
step count, so that its cost does not grow with the genome. All other parameters lie in one flat
vector, moved by the same Adam.
"""

import math

import torch
from torch import Tensor, nn

from chromloom.kernels import (
    LARGEST_LOG_RATE,
    UINT16_SCALE,
    kernel_threads_only,
    tile_gradients,
)
from chromloom.models.hiclstm.module import HiCLSTM
from chromloom.models.hiclstm.settings import Fit
from chromloom.training.tiles import Tile


class LazyAdam:
    """Adam (Kingma & Ba 2015, defaults) over rows of a matrix, a slice of them at a time.

    Parameters
    ----------
    values : Tensor, (n, d)
        Changed in place.

    Attributes
    ----------
    mean, square : Tensor, (n, d)
        Running moments of the gradient.
    steps : Tensor, (n, 1)
        Steps of each row, for the correction of its moments.
    """

    def __init__(self, values: Tensor, *, betas=(0.9, 0.999), eps: float = 1e-8):
        self.values, self.betas, self.eps = values, betas, eps
        self.mean, self.square = torch.zeros_like(values), torch.zeros_like(values)
        self.steps = torch.zeros(len(values), 1, device=values.device)

    @torch.no_grad()
    def step(self, rows: slice, gradient: Tensor, learning_rate: float) -> None:
        """Move the rows of the slice along their gradient (b, d)."""
        b1, b2 = self.betas
        steps = self.steps[rows].add_(1)
        mean = self.mean[rows].lerp_(gradient, 1 - b1)
        square = self.square[rows].mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
        root = (square / (1 - b2**steps)).sqrt_().add_(self.eps)
        self.values[rows].addcdiv_(mean / (1 - b1**steps), root, value=-learning_rate)


def learning_rate_factor(fit: Fit, progress: float) -> float:
    """Learning rate, as a share of its maximum, at `progress` in [0, 1) of the run.

    one_cycle is Smith's as torch has it: cosine from 1/25 up over the first 30 %, then down to
    1/250000.
    """
    if fit.schedule == "constant":
        return 1.0
    if fit.schedule == "steps":
        return 1.0 if progress < 0.5 else 0.1
    low, high, share = 1 / 25, 1.0, progress / 0.3
    if progress >= 0.3:
        low, high, share = 1.0, 1 / 25e4, (progress - 0.3) / 0.7
    return high + (low - high) * (1 + math.cos(math.pi * share)) / 2


@torch.no_grad()
def clip_gradients(gradients: list[Tensor], clip_norm: float) -> None:
    """Shorten gradients whose joint norm is above `clip_norm`, in place."""
    if math.isinf(clip_norm):
        return
    norm = torch.stack([torch.linalg.vector_norm(g) for g in gradients]).norm()
    factor = (clip_norm / (norm + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factor)


class TileLearner:
    """Trains a `HiCLSTM` tile by tile.

    Parameters
    ----------
    model : HiCLSTM
        On its device; changed in place.
    distance_weights : Tensor, (n_dist,), float32
        Weight of a squared error at each distance.
    freeze_decoder : bool
        Train representations only.
    backend : str
        Of `chromloom.kernels`.
    """

    def __init__(
        self,
        model: HiCLSTM,
        distance_weights: Tensor,
        *,
        freeze_decoder: bool = False,
        backend: str = "auto",
    ):
        self.model, self.settings, self.backend = model, model.settings, backend
        size = self.settings.fit.tile_rows * self.settings.architecture.frame
        self._weights = distance_weights.to(model.embedding.device) / size
        self._scale = size
        parameters = model.decoder_parameters()
        model.requires_grad_(False)
        for parameter in parameters:
            parameter.requires_grad_(not freeze_decoder)
        self._frozen = freeze_decoder or not parameters
        self._flat, self._gradient = flatten(parameters)
        self.decoder_adam = LazyAdam(self._flat)
        self.embedding_adam = LazyAdam(model.embedding.data)

    @kernel_threads_only()
    def step(self, tile: Tile, progress: float) -> Tensor:
        """Learn from one tile; returns its weighted sum of squared errors, ()."""
        block, d0, d1, _ = tile
        b = block.hi - block.lo
        window_end = min(block.hi + d1 - 1, block.n)  # columns that exist
        rows = slice(block.offset + block.lo, block.offset + block.hi)
        cols = slice(block.offset + block.lo + d0, block.offset + window_end)
        near = d0 < self.settings.architecture.barrier_reach  # the bins in between are read, too
        if cols.start <= rows.stop or near:
            spans = [slice(rows.start, max(rows.stop, cols.stop))]
        else:
            spans = [rows, cols]
        moves = self.settings.fit.embedding_learning_rate > 0
        leaves = [self.embedding_adam.values[s].detach().requires_grad_(moves) for s in spans]
        first = cols.start - spans[-1].start
        R, Q = leaves[0][:b], leaves[-1][first : first + cols.stop - cols.start]
        if block.hi + d1 - 1 > block.n:
            Q = torch.cat([Q, Q.new_zeros(block.hi + d1 - 1 - block.n, Q.shape[1])])
        between = None
        if near:
            barriers = torch.where(block.col_ok[: len(leaves[0])], leaves[0][:, -1], 0.0)
            between = torch.cat([barriers, barriers.new_zeros(b + d1 - 1 - len(barriers))])
        if self.settings.fit.dropout:
            R, Q = self._drop_out(progress, R, Q)
        read = R, Q
        if self.model.spread is not None:
            read = self._blur(progress, read, (rows, cols))
        self._gradient.zero_()
        loss = self.backward(block, R, Q, d0, d1, between=between, read=read)
        gradients = [(s, leaf.grad) for s, leaf in zip(spans, leaves) if leaf.grad is not None]
        clip_gradients(
            [*(grad for _, grad in gradients), self._gradient], self.settings.fit.clip_norm
        )
        fit = self.settings.fit
        factor = learning_rate_factor(fit, progress)
        for span, gradient in gradients:
            self.embedding_adam.step(span, gradient, factor * fit.embedding_learning_rate)
        if not self._frozen:
            self.decoder_adam.step(slice(None), self._gradient, factor * fit.learning_rate)
        return loss * self._scale

    def _drop_out(self, progress: float, *tables: Tensor) -> tuple[Tensor, ...]:
        """Representations with a share of their numbers set to 0, the others scaled up.

        Drawn by the place in the run, so that a run that goes on draws what it would have.
        """
        generator = torch.Generator(tables[0].device).manual_seed(int(progress * 2**52))
        keep = 1 - self.settings.fit.dropout
        masks = [torch.rand(t.shape, generator=generator, device=t.device) < keep for t in tables]
        return tuple(table * mask / keep for table, mask in zip(tables, masks))

    def _blur(
        self, progress: float, tables: tuple[Tensor, Tensor], spans: tuple[slice, slice]
    ) -> tuple[Tensor, Tensor]:
        """Rows and columns drawn from what they may be, given the map.

        The fit has put a little of each count's noise into the vectors of its two bins, where the
        LSTM, trained on the same counts, would find it. Drawn by the place in the run.
        """
        spread = self.model.spread
        assert spread is not None
        generator = torch.Generator(spread.device).manual_seed(int(progress * 2**52) + 1)
        drawn = []
        for table, span in zip(tables, spans):
            noise = torch.randn(table.shape, generator=generator, device=spread.device)
            known = spread[span]
            noise[: len(known)] *= known
            noise[len(known) :] = 0  # beyond the chromosome
            drawn.append(table + noise)
        return drawn[0], drawn[1]

    def backward(
        self,
        block,
        rows: Tensor,
        cols: Tensor,
        d0: int,
        d1: int,
        *,
        between: Tensor | None = None,
        read: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Loss of a tile, (); gradients are added to those of all that it was computed from.

        `read` are the rows and columns that the LSTM is given, the same by default; a second layer
        or direction gets the same in any case.

        One LSTM's come from the kernels directly: a graph of it would cost as much as half the
        kernel itself. Only what makes its inputs is left to torch.
        """
        model, settings = self.model, self.settings
        made = settings.architecture
        lone = len(model.directions) == made.layers == 1 and not made.carry_state
        if not (lone and model.reads(d0)):
            loss = self._loss(block, rows, cols, d0, d1, between)
            if loss.requires_grad:
                loss.backward()
            return loss.detach()
        (direction,) = model.directions
        P, Q = model.project(direction, *(read or (rows, cols)), d0)
        A, C = model.bilinear_factors(rows, cols, block.chrom)
        varies = model.offset is not None  # the bilinear term, with distance
        offset = None
        if varies:
            offset = model.bilinear(rows, cols, block.chrom, d0, between=between)
        loss, of_inputs, of_weights = tile_gradients(
            P,
            Q,
            direction.weights(),
            direction.spec,
            block.row_ok,
            block.col_ok[d0 : d0 + len(cols)],
            block.target[d0:d1],
            self._weights[d0:d1],
            A=A,
            C=C,
            sigmoid=settings.objective.target == "cp",
            exposure=block.exposure[d0:d1] if settings.objective.loss == "poisson" else None,
            offset=offset,
            backend=self.backend,
        )
        # a sum whose gradient is theirs: where torch is given gradients it imports sympy, for 0.8 s
        terms = [
            torch.dot(value.flatten(), gradient.flatten())
            for value, gradient in zip((P, Q, A, C, offset), of_inputs)
            if value is not None and gradient is not None and value.requires_grad
        ]
        if terms:
            sum(terms[1:], terms[0]).backward()
        for parameter, gradient in zip(direction.weights(), of_weights):
            if parameter is not None and parameter.requires_grad:
                assert parameter.grad is not None  # a part of `_gradient`
                assert gradient is not None
                parameter.grad.add_(gradient)
        return loss

    def _loss(self, block, rows, cols, d0, d1, between) -> Tensor:
        """Loss of a tile in plain torch, over the pairs of a full one, ()."""
        model, sigmoid = self.model, self.settings.objective.target == "cp"
        row_ok, col_ok = block.row_ok, block.col_ok[d0 : d0 + len(cols)]
        target, weights = block.target[d0:d1], self._weights[d0:d1]
        more = {} if between is None else {"between": between}  # other decoders do not know it
        y = model.tile(rows, cols, row_ok, col_ok, block.chrom, d0, backend=self.backend, **more)
        if self.settings.objective.loss == "poisson":
            # minus the log likelihood of counts, exposure * target being the count
            exposure, ratio = block.exposure[d0:d1], target.float()
            known = ~torch.isnan(ratio)
            ratio = torch.where(known, ratio, 0.0)
            terms = exposure * (torch.exp(y.clamp(max=LARGEST_LOG_RATE)) - ratio * y)
            return (weights[:, None] * torch.where(known, terms, 0.0)).sum()
        if target.dtype == torch.uint16:
            code = target.int()
            target = torch.where(code == 0xFFFF, torch.nan, code / UINT16_SCALE)
        error = (torch.sigmoid(y) if sigmoid else y) - target.float()
        return (weights[:, None] * torch.where(torch.isnan(error), 0.0, error) ** 2).sum()

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, by name."""
        state = {}
        for name, adam in (("decoder", self.decoder_adam), ("embedding", self.embedding_adam)):
            for part in ("values", "mean", "square", "steps"):
                state[f"{name}.{part}"] = getattr(adam, part)
        return state

    @torch.no_grad()
    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state` returned."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])


def flatten(parameters: list[nn.Parameter]) -> tuple[Tensor, Tensor]:
    """Move parameters (and their gradients) into one vector each, (1, n); they become views."""
    like = parameters[0] if parameters else torch.zeros(0)
    flat = like.new_zeros(1, sum(p.numel() for p in parameters))
    gradient = torch.zeros_like(flat)
    at = 0
    for parameter in parameters:
        place = slice(at, at := at + parameter.numel())
        flat[0, place] = parameter.detach().flatten()
        parameter.data = flat[0, place].view_as(parameter)
        if parameter.requires_grad:
            parameter.grad = gradient[0, place].view_as(parameter)
    return flat, gradient
