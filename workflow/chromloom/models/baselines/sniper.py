"""SNIPER: an autoencoder of the rows of the contact matrix (Xiong & Ma 2019).

`sniper-inter` reads a bin's contacts with the other half of the genome: chromosomes at odd places
of its order against those at even places, and the transpose, one autoencoder each (so that axes of
odd and even chromosomes are not the same). `sniper-intra` (the Hi-C-LSTM article's) reads the row
within the chromosome, one autoencoder a chromosome. Both turn rows of low coverage into rows of
full coverage; the `-fc` models reproduce their input. Written from the articles; contact
probability has coefficient 1 here.
"""

import logging
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from chromloom.errors import InputError
from chromloom.models.baselines.rows import cis_pixels, symmetric_matrix, trans_pixels
from chromloom.models.baselines.settings import SniperSettings
from chromloom.models.baselines.vectors import Fitted
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.probability import contact_probability

logger = logging.getLogger(__name__)

HIDDEN = (1024, 512, 256)
"""Hidden layers of the encoder; the decoder has them in reverse."""


class Rows(NamedTuple):
    """Rows that one autoencoder is trained on."""

    name: str
    number: int  # chromosome's number (intra)
    bins: np.ndarray  # (n_rows,), genome-wide bin of each row
    low: csr_matrix  # (n_rows, width) input
    high: csr_matrix  # (n_rows, width) target


def encoder(width: int, d: int) -> nn.Sequential:
    """width -> 1024 -> 512 -> 256 (ReLU) -> d (linear)."""
    sizes = (width, *HIDDEN)
    layers = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], d))


def decoder(width: int, d: int, dropout: float) -> nn.Sequential:
    """d -> 256 -> 512 -> 1024 (ReLU, dropout after the first two) -> width (before the sigmoid)."""
    a, b, c = HIDDEN[::-1]
    return nn.Sequential(
        nn.Linear(d, a), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(a, b), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(b, c), nn.ReLU(), nn.Linear(c, width),
    )  # fmt: skip


class DecoderRows(nn.Module):
    """Decoders of all chromosomes: a bin's row of contact probability from its vector."""

    def __init__(self, settings: SniperSettings, lengths: list[int]):
        super().__init__()
        d = settings.embedding_dim
        self.decoders = nn.ModuleList(decoder(n, d, settings.dropout) for n in lengths).eval()

    def forward(self, R: Tensor, chrom: int) -> Tensor:
        """Rows (B, n) of the bins with representations R (B, d)."""
        return torch.sigmoid(self.decoders[chrom](R))


def fit_sniper(
    normalized: NormalizedMap,
    settings: SniperSettings,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    input_map: NormalizedMap | None = None,
) -> Fitted:
    """Train the autoencoders and encode every unmasked bin.

    Parameters
    ----------
    normalized : NormalizedMap
        Rows to predict.
    settings : SniperSettings
    seed : int
        Of weights, order of rows, dropout and thinning.
    device : torch.device
    input_map : NormalizedMap, optional
        Rows to encode: a map of low coverage with the same bins. Without it they are thinned from
        `normalized` to `input_fraction`, their contact strength scaled back.

    Returns
    -------
    Fitted
        `embedding` is the latent layer, without the sigmoid that SNIPER's own classifier puts on
        it; `history` has the mean binary cross-entropy of each autoencoder and epoch.

    Raises
    ------
    InputError
        An inter-chromosomal model of a map without such contacts or with one half of the genome
        masked, or an `input_map` with other bins.
    """
    if input_map is not None and not input_map.bins.match(normalized.bins):
        raise InputError(
            f"{input_map.path} has other bins than {normalized.path}; normalise the map of low "
            "coverage at the same resolution and assembly"
        )
    rng = np.random.default_rng(seed)
    embedding = np.zeros((len(normalized.bins), settings.embedding_dim), dtype=np.float32)
    history, tensors = [], {}
    if not settings.inter:
        tensors = DecoderRows(settings, normalized.bins.lengths).state_dict()
    parts = _inter_rows if settings.inter else _intra_rows
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for rows in parts(normalized, input_map, settings, rng):
            width = rows.high.shape[1]
            encode = encoder(width, settings.embedding_dim).to(device)
            decode = decoder(width, settings.embedding_dim, settings.dropout).to(device)
            history += _train(encode, decode, rows, settings, rng, device)
            with torch.inference_mode():
                for batch in _batches(np.arange(len(rows.bins)), 256):
                    embedding[rows.bins[batch]] = encode(_dense(rows.low, batch, device)).cpu()
            if not settings.inter:
                prefix = f"decoders.{rows.number}."
                tensors |= {prefix + k: v.cpu() for k, v in decode.state_dict().items()}
    tensors = {f"rows.{name}": tensor for name, tensor in tensors.items()}
    return Fitted(embedding, pd.DataFrame(history), tensors)


def _train(encode, decode, rows, settings, rng, device) -> list[dict]:
    """RMSprop on the binary cross-entropy of shuffled batches; history rows."""
    parameters = [*encode.parameters(), *decode.parameters()]
    squares = [torch.zeros_like(p) for p in parameters]
    cross_entropy = nn.BCEWithLogitsLoss()
    history = []
    for epoch in range(settings.epochs):
        total = 0.0
        for batch in _batches(rng.permutation(len(rows.bins)), settings.batch_size):
            logits = decode(encode(_dense(rows.low, batch, device)))
            loss = cross_entropy(logits, _dense(rows.high, batch, device))
            gradients = torch.autograd.grad(loss, parameters)
            with torch.no_grad():  # by hand: torch.optim takes seconds to import
                for p, gradient, square in zip(parameters, gradients, squares):
                    square.mul_(0.9).addcmul_(gradient, gradient, value=0.1)
                    p.addcdiv_(gradient, square.sqrt().add_(1e-7), value=-settings.learning_rate)
            total += loss.item() * len(batch)
        loss = total / len(rows.bins)
        history.append({"rows": rows.name, "epoch": epoch + 1, "loss": loss})
        logger.info("%s: epoch %d/%d, loss %.5g", rows.name, epoch + 1, settings.epochs, loss)
    decode.eval()
    return history


def _batches(order: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (order[a : a + size] for a in range(0, len(order), size))


def _dense(matrix: csr_matrix, rows: np.ndarray, device) -> Tensor:
    return torch.from_numpy(matrix[rows].toarray()).to(device)


def _probabilities(pixels, low_pixels, settings, rng):
    """Pairs with their contact probability, of input and target."""
    high = pixels["value"].to_numpy()
    if low_pixels is not None:
        sources = [(low_pixels, low_pixels["value"].to_numpy()), (pixels, high)]
    elif settings.input_fraction < 1:
        count = pixels["count"].to_numpy()
        kept = rng.binomial(np.rint(count).astype(np.int64), settings.input_fraction)
        sources = [(pixels, high * kept / (count * settings.input_fraction)), (pixels, high)]
    else:
        sources = [(pixels, high)] * 2
    for table, value in sources:
        observed = value > 0
        cp = contact_probability(value[observed], *settings.objective.coefficients)
        yield table["i"].to_numpy()[observed], table["j"].to_numpy()[observed], cp


def _intra_rows(normalized, input_map, settings, rng) -> Iterator[Rows]:
    """Each chromosome's symmetric matrix; rows of unmasked bins."""
    for number, chrom in enumerate(normalized.clr.chromnames):
        if chrom not in normalized.chromnames:
            continue
        first, last = normalized.extent(chrom)
        kept = np.flatnonzero(~normalized.mask(chrom))
        low_pixels = None if input_map is None else cis_pixels(input_map, chrom)
        sources = _probabilities(cis_pixels(normalized, chrom), low_pixels, settings, rng)
        low, high = (symmetric_matrix(i, j, cp, last - first)[kept] for i, j, cp in sources)
        yield Rows(chrom, number, first + kept, low, high)


def _inter_rows(normalized, input_map, settings, rng) -> Iterator[Rows]:
    """Rows of odd chromosomes over even ones, and the transpose."""
    bins, n = normalized.bins, len(normalized.bins)
    place = bins["chrom"].map({name: k for k, name in enumerate(normalized.chromnames, 1)})
    unmasked = ~bins["masked"].to_numpy()
    halves = [np.flatnonzero(unmasked & (place % 2 == odd).to_numpy()) for odd in (1, 0)]
    if min(map(len, halves)) == 0:
        raise InputError(
            f"{normalized.path} has unmasked bins on {', '.join(normalized.chromnames)} only; "
            f"{settings.preset} needs two chromosomes or more: take "
            f"{settings.preset.replace('inter', 'intra')}"
        )
    low_pixels = None if input_map is None else trans_pixels(input_map)
    sources = _probabilities(trans_pixels(normalized), low_pixels, settings, rng)
    low, high = (symmetric_matrix(i, j, cp, n) for i, j, cp in sources)
    for name, own, other in (("odd", halves[0], halves[1]), ("even", halves[1], halves[0])):
        yield Rows(name, 0, own, low[own][:, other], high[own][:, other])
