"""The network of Akita (Fudenberg et al., Nature Methods 2020; Methods, "Model architecture").

Convolutions over bases with max-pooling until a position is a bin (the *tower*), dilated residual
convolutions over bins and a bottleneck (with the tower, the *trunk*), then the mean of two bins and
their distance, dilated residual convolutions over pairs, made symmetric after each (the *head*).
Layers, their order and initial values are those of the public code, as its print-out of layers has
them: rectifier, convolution, batch normalisation, dropout, pooling; He's initial values (a normal
cut at two standard deviations); 0 as the scale of the second normalisation of a residual block.
Where the article differs (bottleneck of 48 channels and width 1, "a (1,1) convolution block" for
pairs), the code is followed: 64 and width 5, 3 x 3.

What is computed in another order, with the same result but for rounding:

* A convolution over the mean of two bins is a sum of convolutions over each (`PairInlet`), so that
  the first layer over pairs costs next to nothing in place of 29 % of the head.
* The reverse complement is read with the bins of the trunk turned back before the head, as the code
  does; the article flips the map, and so do networks that are told which bin is on the left
  (`ordered`).
* The rectifier in front of the first convolution is left out: bases are 0 or 1.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from chromloom.errors import InputError
from chromloom.models.akita.settings import AkitaSettings

BASES = 4
"""A C G T, coded 0 to 3; another code (N) is none of them."""
EPSILON = 1e-3  # Keras's, in the variance of batch normalisation
LARGEST_PRIME = 13


def pool_sizes(bin_size: int, widest: int = 2) -> list[int]:
    """Max-poolings that make bins of bases, widest first.

    The prime factors of the bin size, multiplied as far as `widest`: 2,048 bp are eleven poolings
    by two, as published; 2,000 bp are 5, 5, 5, 2, 2, 2, 2, or 20, 20, 5 where `widest` is 20.

    Raises
    ------
    InputError
        A prime factor above 13.
    """
    left, primes, p = bin_size, [], 2
    while left > 1 and p <= LARGEST_PRIME:
        if left % p:
            p += 1
        else:
            primes.append(p)
            left //= p
    if left > 1 or not primes:
        raise InputError(
            f"bins of {bin_size} bp cannot be made of bases by poolings of 2 to {LARGEST_PRIME}; "
            "use bins of 2,048, 2,000, 1,000 or 10,000 bp, say"
        )
    sizes = []
    while primes:
        size = primes.pop()
        for prime in sorted(primes, reverse=True):
            if size * prime <= widest:
                size *= prime
                primes.remove(prime)
        sizes.append(size)
    return sorted(sizes, reverse=True)


def reverse_complement(codes: Tensor) -> Tensor:
    """Codes (..., length) of the other strand; N stays N."""
    return torch.where(codes < BASES, BASES - 1 - codes, codes).flip(-1)


class Akita(nn.Module):
    """The network.

    Parameters
    ----------
    settings : AkitaSettings
    bin_size : int
        bp.
    n_targets : int
        Maps that are predicted at once.
    """

    distances: Tensor  # (1, window, window)

    def __init__(self, settings: AkitaSettings, bin_size: int, n_targets: int) -> None:
        super().__init__()
        s, pools = settings, pool_sizes(bin_size, settings.widest_pool)
        self.settings, self.bin_size, self.n_targets, self.pools = s, bin_size, n_targets, pools
        norm = s.norm_memory
        self.tower = nn.Sequential(
            _Block(BASES, s.filters, s.kernel, norm, pool=pools[0], rectified=True),
            *(_Block(s.filters, s.filters, s.tower_kernel, norm, pool=pool) for pool in pools[1:]),
        )
        rates = [round(s.rate**k) for k in range(max(s.residual_blocks, s.pair_blocks))]
        self.rates = rates[: s.residual_blocks]
        width = s.filters + (BASES if s.composition else 0)
        self.dilated = nn.Sequential(
            *(
                _Residual(width, s.residual_filters, rate, s.residual_dropout, norm)
                for rate in self.rates
            )
        )
        self.bottleneck = _Block(width, s.bottleneck, s.bottleneck_kernel, norm)
        self.inlet: nn.Module
        if s.ordered:
            self.inlet = OrderedInlet(s.bottleneck, s.pair_filters, norm, between=s.between)
        else:
            self.inlet = PairInlet(s.bottleneck, s.pair_filters, norm)
        self.pairs = nn.Sequential(
            *(
                _Residual(s.pair_filters, s.pair_residual_filters, rate, s.pair_dropout, norm, 2)
                for rate in rates[: s.pair_blocks]
            )
        )
        self.head = nn.Conv2d(s.pair_filters, n_targets, 1)
        bins = torch.arange(s.window, dtype=torch.float32)
        distances = (bins[:, None] - bins).abs()[None]
        if s.distance == "log":
            distances = torch.log1p(distances)
        self.register_buffer("distances", distances, persistent=False)
        self.apply(_initialise)
        for block in [*self.dilated, *self.pairs]:
            nn.init.zeros_(block.widen.norm.weight)

    @property
    def tower_reach(self) -> int:
        """bp beyond either end of a bin that the tower's value of the bin depends on."""
        step, reach = 1, self.settings.kernel // 2
        for pool, _ in pairwise(self.pools):
            step *= pool
            reach += self.settings.tower_kernel // 2 * step
        return reach

    @property
    def trunk_reach(self) -> int:
        """bp beyond either end of a bin that the trunk's value of the bin depends on."""
        bins = sum(self.rates) + self.settings.bottleneck_kernel // 2
        return self.tower_reach + bins * self.bin_size

    def forward(self, codes: Tensor, turned: Tensor | None = None) -> Tensor:
        """Predicted maps of windows.

        Parameters
        ----------
        codes : Tensor, (n, window * bin_size), uint8
            Bases, 0 to 3 for A C G T, 4 for N.
        turned : Tensor, (n,), bool, optional
            Which windows are read as the other strand; their maps are those of the first strand.

        Returns
        -------
        Tensor, (n, n_targets, size, size), float32
            Log of observed over expected, symmetric, for the inner bins of the window.
        """
        if turned is not None:
            codes = torch.where(turned[:, None], reverse_complement(codes), codes)
        return self.fold(self.mix(self.pool(codes)), turned)

    def pool(self, codes: Tensor) -> Tensor:
        """The tower: codes (n, any number of bins * bin_size) to (n, channels, bins).

        Channels are the filters, and with `composition` the shares of A, C, G and T in each bin.
        """
        return self.pool_bases(one_hot(codes, self.head.weight.dtype))

    def pool_bases(self, x: Tensor) -> Tensor:
        """`pool` of bases (n, 4, length), one-hot or between one-hot and nothing."""
        shares = [composition(x, self.bin_size)] if self.settings.composition else []
        first, *others = self.tower
        kept = self.training and self.settings.windows.frozen
        with torch.set_grad_enabled(torch.is_grad_enabled() and not kept):
            x = self._run(first, x)
        for block in others:
            x = self._run(block, x)
        return torch.cat([x, *shares], dim=1)

    def mix(self, tower: Tensor) -> Tensor:
        """Dilated blocks and bottleneck: (n, channels, window) to (n, bottleneck, window)."""
        x = tower
        for block in self.dilated:
            x = self._run(block, x)
        return torch.relu(self.bottleneck(x))

    def fold(self, bins: Tensor, turned: Tensor | None = None) -> Tensor:
        """The head: (n, bottleneck, window) to maps (n, n_targets, size, size).

        Where `turned` (n,), bool, the bins are those of the other strand, and the map is that of
        the first one.
        """
        if turned is not None and not self.settings.ordered:
            bins = torch.where(turned[:, None, None], bins.flip(-1), bins)
        x = symmetrise(self.inlet(bins, self.distances))  # (n, pair_filters, window, window)
        for block in self.pairs:
            x = symmetrise(self._run(block, x))
        crop = self.settings.crop
        inner = slice(crop, self.settings.window - crop)
        maps = self.head(x[:, :, inner, inner])
        if turned is not None and self.settings.ordered:
            maps = torch.where(turned[:, None, None, None], maps.flip(-1, -2), maps)
        return maps

    def _run(self, block: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        if self.settings.checkpointing and torch.is_grad_enabled():
            return checkpoint(block, x, use_reentrant=False)
        return block(x)


def one_hot(codes: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Codes (n, length), uint8, as (n, 4, length); N is 0 in all four."""
    known = torch.arange(BASES, dtype=codes.dtype, device=codes.device)
    return (codes[:, None] == known[:, None]).to(dtype)


def composition(bases: Tensor, bin_size: int) -> Tensor:
    """Shares of A, C, G and T in each bin, less a quarter of those of known bases.

    Parameters
    ----------
    bases : Tensor, (n, 4, bins * bin_size)
        As `one_hot` gives them.
    bin_size : int

    Returns
    -------
    Tensor, (n, 4, bins)
        Ten times, about 1 at most; 0 where no base is known.
    """
    share = bases.unflatten(-1, (-1, bin_size)).mean(-1)
    return 10 * (share - share.mean(1, keepdim=True))


def symmetrise(x: Tensor) -> Tensor:
    """The mean of maps (..., m, m) and their transposes."""
    return (x + x.transpose(-1, -2)) / 2


def upper_triangle(size: int, ignore_diags: int = 2) -> tuple[Tensor, Tensor]:
    """Rows and columns of the pairs of a map that are learnt and scored, row by row.

    Parameters
    ----------
    size : int
        Bins of the map.
    ignore_diags : int
        Nearer pairs are left out; 2 as published, 99,681 pairs of 448 bins.
    """
    i, j = torch.triu_indices(size, size, offset=ignore_diags)
    return i, j


class PairInlet(nn.Module):
    """A 3 x 3 convolution over the means of two bins and their distance, and its normalisation.

    With x_ij = (r_i + r_j) / 2 the convolution is, for weights w_ab and o = 1 where a bin exists,
    sum over a, b of  w_ab (r_{i+a} + r_{j+b}) / 2 o_{i+a} o_{j+b}  =  F_i . O_j + O_i . G_j,
    F_ib = sum over a of w_ab r_{i+a} / 2, G_ja = sum over b of w_ab r_{j+b} / 2, O_j = (o_{j-1},
    o_j, o_{j+1}): convolutions over bins in place of one over pairs, at the edges of the window,
    too.

    Parameters
    ----------
    channels, filters : int
    norm_memory : float
    """

    def __init__(self, channels: int, filters: int, norm_memory: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels + 1, filters, 3, padding=1, bias=False)
        self.norm = _norm(filters, norm_memory, 2)

    def forward(self, bins: Tensor, distances: Tensor) -> Tensor:
        """Bins (n, channels, m) and distances (1, m, m) to pairs (n, filters, m, m)."""
        weight = self.conv.weight  # (filters, channels + 1, 3, 3)
        own, filters, m = weight[:, :-1] / 2, len(weight), bins.shape[-1]
        rows = own.permute(0, 3, 1, 2).reshape(filters * 3, -1, 3)  # kernel over a, for each b
        columns = own.transpose(1, 2).reshape(filters * 3, -1, 3)  # kernel over b, for each a
        F = nn.functional.conv1d(bins, rows, padding=1).unflatten(1, (filters, 3))
        G = nn.functional.conv1d(bins, columns, padding=1).unflatten(1, (filters, 3))
        O = bins.new_ones(3, m)  # noqa: E741
        O[0, 0] = O[2, -1] = 0
        x = F.transpose(-1, -2) @ O + O.T @ G  # (n, filters, m, m)
        far = nn.functional.conv2d(distances.to(weight.dtype), weight[:, -1:], padding=1)
        return self.norm(x + far)


class OrderedInlet(nn.Module):
    """Two bins and their distance, of which one is on the left, and their normalisation.

    x_ij = L_i + R_j + D_ij (+ B_ij) for i <= j, with convolutions of width 3 over bins for either
    side: the mean of two bins does not tell + before - from - before +, and no map of the mean does
    where half of the windows are read as the other strand. B is `spanned` of two numbers of each
    bin per filter.

    Parameters
    ----------
    channels, filters : int
    norm_memory : float
    between : bool
        With B.
    """

    def __init__(
        self, channels: int, filters: int, norm_memory: float, *, between: bool = False
    ) -> None:
        super().__init__()
        self.left, self.right = (
            nn.Conv1d(channels, filters, 3, padding=1, bias=False) for _ in range(2)
        )
        self.far = nn.Conv2d(1, filters, 1, bias=False)
        self.between = nn.Conv1d(channels, 2 * filters, 1, bias=False) if between else None
        self.norm = _norm(filters, norm_memory, 2)

    def forward(self, bins: Tensor, distances: Tensor) -> Tensor:
        """Bins (n, channels, m) and distances (1, m, m) to pairs (n, filters, m, m)."""
        x = self.left(bins)[..., :, None] + self.right(bins)[..., None, :]
        m = bins.shape[-1]
        if self.between is not None:
            told = self.between(bins)
            # Sums over a window are too long for half precision.
            told = told.to(torch.promote_types(told.dtype, torch.float32))
            x = x + spanned(*told.chunk(2, dim=1)) / math.sqrt(m)
        upper = torch.ones(m, m, dtype=torch.bool, device=bins.device).triu()
        x = torch.where(upper, x, x.transpose(-1, -2))
        return self.norm(x + self.far(distances.to(self.far.weight.dtype)))


def spanned(from_left: Tensor, from_right: Tensor) -> Tensor:
    """What lies between two bins, as extruders meet it that start anywhere between them.

    One that reaches j has passed a bin k from the left with probability (k - i) / d or so, and one
    that reaches i from the right with (j - k) / d (`models.weave.module`).

    Parameters
    ----------
    from_left, from_right : Tensor, (n, filters, m)
        a and b, numbers of the bins.

    Returns
    -------
    Tensor, (n, filters, m, m)
        sum over i < k < j of (a_k (k - i) + b_k (j - k)) / (j - i); 0 where nothing is between,
        and below the diagonal.
    """
    m = from_left.shape[-1]
    # Counted from the middle, so that products with k, whose differences are taken, stay small.
    k = torch.arange(m, device=from_left.device, dtype=from_left.dtype) - m / 2
    a, ka = (values.cumsum(-1) for values in (from_left, k * from_left))
    b, kb = (values.cumsum(-1) for values in (from_right, k * from_right))
    a_before, ka_before = a - from_left, ka - k * from_left
    b_before, kb_before = b - from_right, kb - k * from_right
    column = ka_before - kb_before + k * b_before
    row = kb - ka + k * a
    cross = k[:, None] * a_before[..., None, :] + k * b[..., :, None]
    d = k - k[:, None]
    return torch.where(
        d > 1, (column[..., None, :] + row[..., :, None] - cross) / d.clamp(min=1), 0.0
    )


class _Block(nn.Module):
    """Rectifier, convolution of the same length, normalisation, pooling."""

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel: int,
        norm_memory: float,
        *,
        rate: int = 1,
        pool: int = 1,
        dims: int = 1,
        dropout: float = 0.0,
        rectified: bool = False,
    ) -> None:
        super().__init__()
        conv = nn.Conv1d if dims == 1 else nn.Conv2d
        padding = rate * (kernel // 2)
        self.conv = conv(channels, filters, kernel, padding=padding, dilation=rate, bias=False)
        self.norm = _norm(filters, norm_memory, dims)
        self.dropout, self.pool, self.rectified = nn.Dropout(dropout), pool, rectified

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x if self.rectified else torch.relu(x))
        x = self.dropout(self.norm(x))
        return nn.functional.max_pool1d(x, self.pool) if self.pool > 1 else x


class _Residual(nn.Module):
    """A dilated block and one of width 1 that leads back, added to what came in."""

    def __init__(
        self,
        channels: int,
        filters: int,
        rate: int,
        dropout: float,
        norm_memory: float,
        dims: int = 1,
    ) -> None:
        super().__init__()
        self.narrow = _Block(channels, filters, 3, norm_memory, rate=rate, dims=dims)
        self.widen = _Block(filters, channels, 1, norm_memory, dims=dims, dropout=dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.widen(self.narrow(x))


def _norm(channels: int, memory: float, dims: int) -> nn.Module:
    kind = nn.BatchNorm1d if dims == 1 else nn.BatchNorm2d
    return kind(channels, eps=EPSILON, momentum=1 - memory)


def _initialise(module: nn.Module) -> None:
    """He's initial values, as Keras draws them; biases 0."""
    if isinstance(module, nn.Conv1d | nn.Conv2d):
        fan_in = module.weight[0].numel()
        # 0.8796… is the standard deviation of a standard normal cut at two.
        scale = math.sqrt(2 / fan_in) / 0.8796256610342398
        nn.init.trunc_normal_(module.weight, std=scale, a=-2 * scale, b=2 * scale)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
