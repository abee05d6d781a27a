"""The network of `weave`: signals around a bin give it numbers, and numbers of two bins a contact.

    log mu_ij = log E(d) - log w_i w_j + R_i' S(d) R_j + u(d)' R_i + v(d)' R_j + c(d) - h(d) B_ij,
    d = j - i

R_i (d numbers) and the barriers are what the encoder, dilated convolutions along the chromosome,
reads from the signals within its reach. S, u, v, c and h are given at 2, 4, 8, ... bins,
interpolated in log d, and shared by all bins of all chromosomes, as in `refined`, which fits R_i to
a map instead.
A barrier has two numbers, of what comes from its left and from its right: with extruders that start
anywhere between i and j, one that reaches j has passed a bin k from the left with probability
(k - i) / d or so, and one that reaches i from the right with (j - k) / d,

    B_ij = sum over k between of  a_k (k - i) / d + b_k (j - k) / d,

which running sums of a, b, k a and k b give, so that the cost is linear in pairs.

No layer of the encoder adds a constant: where no signal is within reach, R_i and the barriers are 0
and contacts are E(d) exp(c(d)). A chromosome of long stretches without signals is thereby predicted
well by a network that learnt on one with hardly any.
"""

import math

import torch
from torch import Tensor, nn

from chromloom.models.weave.settings import WeaveSettings


class Weave(nn.Module):
    """One network.

    Parameters
    ----------
    settings : WeaveSettings
    n_features : int
        Rows of the input.
    n_distances : int
        Distances from 0 that are predicted, bins.
    """

    knots: Tensor  # (n_distances, n_knots)

    def __init__(self, settings: WeaveSettings, n_features: int, n_distances: int) -> None:
        super().__init__()
        width, size = settings.channels, settings.embedding_dim
        self.settings, self.n_distances, self.size = settings, n_distances, size
        self.spared = nn.Dropout1d(settings.feature_dropout)
        self.inlet = nn.Conv1d(n_features, width, 1, bias=False)
        self.blocks = nn.Sequential(
            *(_Block(width, 2**k, settings.dropout) for k in range(settings.blocks))
        )
        self.outlet = nn.Conv1d(width, size + 2, 1, bias=False)
        n_knots = max(1, math.ceil(math.log2(max(n_distances - 1, 2))))
        self.S = nn.Parameter(torch.eye(size).repeat(n_knots, 1, 1) / size)
        self.u = nn.Parameter(torch.zeros(n_knots, size))
        self.v = nn.Parameter(torch.zeros(n_knots, size))
        self.c = nn.Parameter(torch.zeros(n_knots))
        self.h = nn.Parameter(torch.full((n_knots,), 0.1))
        self.register_buffer("knots", _interpolation(n_distances, n_knots), persistent=False)

    @property
    def reach(self) -> int:
        """Bins on each side of a bin that its numbers depend on."""
        return 2 ** len(self.blocks) - 1

    def encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers and barriers of bins.

        Parameters
        ----------
        features : Tensor, (n_features, n), float32

        Returns
        -------
        numbers : Tensor, (n, embedding_dim)
        barriers : Tensor, (n, 2)
            For what comes from the left, from the right.
        """
        x = self.blocks(self.inlet(self.spared(features[None])))
        out = self.outlet(nn.functional.gelu(x))[0].T
        return out[:, : self.size], out[:, self.size :]

    def log_ratio(self, numbers: Tensor, barriers: Tensor, n_rows: int) -> Tensor:
        """Log of contact over expected for the first rows of consecutive bins.

        Parameters
        ----------
        numbers, barriers : Tensor, (n, embedding_dim), (n, 2)
        n_rows : int
            Rows that are wanted, at most n.

        Returns
        -------
        Tensor, (n_distances, n_rows)
            Band layout; without meaning where i + d >= n.
        """
        wanted = n_rows + self.n_distances - 1
        numbers, barriers = (_fill(values, wanted) for values in (numbers, barriers))
        form: tuple[Tensor, Tensor, Tensor] = self.S, self.u, self.v
        if not self.settings.oriented:
            mean = (self.u + self.v) / 2
            form = (self.S + self.S.transpose(1, 2)) / 2, mean, mean
        S, u, v = form
        first = numbers[:n_rows]
        products = (first @ S + v[:, None]) @ numbers.T  # (n_knots, n_rows, wanted)
        ratio = torch.einsum("dk,kdi->di", self.knots, _band(products))
        ratio = ratio + self.knots @ (u @ first.T + self.c[:, None])
        if not self.settings.barriers:
            return ratio
        k = torch.arange(wanted, device=numbers.device, dtype=numbers.dtype)
        i, d = k[:n_rows], k[: self.n_distances, None]
        from_left, from_right = (
            _between(values, k, n_rows, self.n_distances) for values in barriers.T
        )
        spanned = from_left[1] - i * from_left[0] + (i + d) * from_right[0] - from_right[1]
        height = (self.knots @ self.h)[:, None] / d.clamp(min=1)
        return ratio - torch.where(d > 1, height * spanned, 0.0)


def _fill(values: Tensor, n: int) -> Tensor:
    """The first n rows, zeros where there are fewer."""
    return nn.functional.pad(values[:n], (0, 0, 0, max(n - len(values), 0)))


def _band(products: Tensor) -> Tensor:
    """Pairs (i, i + d) of matrices (..., r, r + D - 1), (..., D, r)."""
    *others, rows, columns = products.shape
    flat = nn.functional.pad(products.reshape(*others, -1), (0, rows))
    return flat.reshape(*others, rows, columns + 1)[..., : columns - rows + 1].transpose(-1, -2)


def _between(values: Tensor, k: Tensor, n_rows: int, n_distances: int) -> tuple[Tensor, Tensor]:
    """Sums of values and of k times values over what lies between i and i + d, (D, n_rows)."""
    sums = [nn.functional.pad(x.cumsum(0), (1, 0)) for x in (values, k * values)]
    first, second = (x[:-1].unfold(0, n_distances, 1).T - x[1 : n_rows + 1] for x in sums)
    return first, second


class _Block(nn.Module):
    """A dilated convolution and one of single bins, added to what came in."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.around = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.within = nn.Conv1d(width, width, 1, bias=False)
        self.dropout = nn.Dropout1d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y = self.around(nn.functional.gelu(x))
        return x + self.dropout(self.within(nn.functional.gelu(y)))


def _interpolation(n_distances: int, n_knots: int) -> Tensor:
    """Weights of the knots 2, 4, 8, ... at distances from 0, (n_distances, n_knots)."""
    place = torch.arange(n_distances).clamp(min=2).log2() - 1
    place = place.clamp(max=n_knots - 1)
    return (1 - (place[:, None] - torch.arange(n_knots)).abs()).clamp(min=0).float()
