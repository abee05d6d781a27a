"""SCI: embedding of the contact graph by LINE (Tang et al. 2015; Ashoor et al. 2020).

Bins are vertices, contacts are edges of weight log(1 + value), and vectors are learnt by drawing
edges in proportion to their weight (alias table) and setting each against negative vertices drawn
in proportion to degree ** 0.75. First order: sigmoid(u_i . u_j) for neighbours; second order:
sigmoid(u_i . c_j) with a context vector c of each vertex. `sci` embeds the contacts between
chromosomes, all in one graph, as SCI does; `sci-intra` each chromosome's own. Written from the
articles. SCI weighs an edge by log(value) and leaves values below 1 out, so that a single contact
counts nothing; log(1 + value) keeps shallow maps connected.
"""

import logging
from itertools import pairwise

import numpy as np
import pandas as pd
from numba import njit

from chromloom.models.baselines.rows import cis_pixels, trans_pixels
from chromloom.models.baselines.settings import SCISettings
from chromloom.models.baselines.vectors import Fitted
from chromloom.models.registry import find_model
from chromloom.normalize.maps import NormalizedMap

logger = logging.getLogger(__name__)

NOISE_POWER = 0.75
STEPS_LOGGED = 10


def fit_sci(
    normalized: NormalizedMap, settings: SCISettings, *, seed: int = 0, device: object = "cpu"
) -> Fitted:
    """Embed the contact graph (`sci`) or the graph of each chromosome (`sci-intra`).

    Parameters
    ----------
    normalized : NormalizedMap
    settings : SCISettings
    seed : int
        Of initial vectors and draws. One thread: the same seed gives the same bits.
    device
        Not used.

    Returns
    -------
    Fitted
        `embedding` has rows of length 1; a vertex without an edge keeps its random start. `history`
        has the mean loss of an edge and its negatives over each tenth of a run.

    Raises
    ------
    InputError
        `sci` of a map without contacts between chromosomes.
    """
    graphs = []
    if find_model(settings.preset).needs_trans:
        pixels = trans_pixels(normalized)
        graphs.append(("genome", 0, len(normalized.bins), pixels))
    else:
        for chrom in normalized.chromnames:
            first, last = normalized.extent(chrom)
            graphs.append((chrom, first, last - first, cis_pixels(normalized, chrom)))
    n_edges = sum(len(pixels) for *_, pixels in graphs)
    embedding = np.zeros((len(normalized.bins), settings.embedding_dim), dtype=np.float32)
    history = []
    orders = {"first": [1], "second": [2], "both": [1, 2]}[settings.order]
    for name, first, n, pixels in graphs:
        observed = pixels["value"].to_numpy() > 0
        i, j, value = (pixels[c].to_numpy()[observed] for c in ("i", "j", "value"))
        if not len(i):
            logger.warning("%s: no observed pair, its vectors are 0", name)
            continue
        samples = max(int(settings.samples * len(pixels) / n_edges), 1)
        parts = []
        for order in orders:
            vectors, losses = embed_graph(
                i, j, np.log1p(value), n, d=settings.embedding_dim // len(orders), order=order,
                samples=samples, negatives=settings.negatives,
                learning_rate=settings.learning_rate, seed=seed,
            )  # fmt: skip
            parts.append(vectors)
            history += [
                {"graph": name, "order": order, "step": k + 1, "loss": loss}
                for k, loss in enumerate(losses)
            ]
            logger.info("%s: order %d, %d samples, loss %.4g", name, order, samples, losses[-1])
        vectors = np.concatenate(parts, axis=1)
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        embedding[first : first + n] = vectors / np.maximum(length, 1e-12)
    return Fitted(embedding, pd.DataFrame(history))


def embed_graph(
    i: np.ndarray,
    j: np.ndarray,
    weight: np.ndarray,
    n: int,
    *,
    d: int,
    order: int,
    samples: int,
    negatives: int = 5,
    learning_rate: float = 0.025,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """LINE of one undirected graph.

    Parameters
    ----------
    i, j : ndarray, (n_edges,), int
        Vertices of each edge, given once.
    weight : ndarray, (n_edges,), float
        Above 0.
    n : int
        Vertices.
    d : int
        Numbers a vertex.
    order : {1, 2}
        Proximity.
    samples : int
        Edges drawn.
    negatives : int
        Negative vertices an edge.
    learning_rate : float
        At the start; falls linearly to a ten-thousandth.
    seed : int

    Returns
    -------
    vectors : ndarray, (n, d), float32
    losses : ndarray, (10,), float64
        Mean loss of an edge and its negatives over each tenth of the run.
    """
    rng = np.random.default_rng(seed)
    vectors = ((rng.random((n, d)) - 0.5) / d).astype(np.float32)
    context = np.zeros_like(vectors) if order == 2 else vectors
    degree = np.bincount(i, weight, n) + np.bincount(j, weight, n)
    edges, noise = alias_table(weight), alias_table(degree**NOISE_POWER)
    state = rng.integers(1, 2**63, 1, dtype=np.uint64)
    losses = np.zeros(STEPS_LOGGED)
    ends = np.linspace(0, samples, STEPS_LOGGED + 1).astype(np.int64)
    i, j = i.astype(np.int32), j.astype(np.int32)
    for k, (start, stop) in enumerate(pairwise(ends)):
        loss = _draw(
            i, j, *edges, *noise, vectors, context, start, stop, samples, negatives,
            np.float32(learning_rate), state,
        )  # fmt: skip
        losses[k] = loss / max(stop - start, 1)
    return vectors, losses


def alias_table(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Walker's alias table: draws k with probability weight_k / sum in constant time (Vose 1991).

    A place k drawn evenly gives k with probability `accept[k]`, else `alias[k]`.

    Returns
    -------
    accept : ndarray, (n,), float32
    alias : ndarray, (n,), int32
    """
    return _alias_table(np.asarray(weight, dtype=np.float64))


@njit(cache=True)
def _alias_table(weight):
    n = len(weight)
    share = weight * (n / weight.sum())
    accept, alias = np.ones(n, np.float32), np.arange(n).astype(np.int32)
    small, large = np.empty(n, np.int64), np.empty(n, np.int64)
    n_small = n_large = 0
    for k in range(n):
        if share[k] < 1:
            small[n_small] = k
            n_small += 1
        else:
            large[n_large] = k
            n_large += 1
    while n_small and n_large:
        n_small -= 1
        low, high = small[n_small], large[n_large - 1]
        accept[low], alias[low] = share[low], high
        share[high] -= 1 - share[low]
        if share[high] < 1:
            n_large -= 1
            small[n_small] = high
            n_small += 1
    return accept, alias


@njit(cache=True)
def _uniform(state):
    """Next number of [0, 1) of a xorshift64 generator whose state is state[0]."""
    x = state[0]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    state[0] = x
    return (x >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(cache=True)
def _pick(accept, alias, state):
    k = int(_uniform(state) * len(accept))
    return k if _uniform(state) < accept[k] else alias[k]


@njit(cache=True, fastmath=True)
def _draw(
    i, j, accept, alias, noise_accept, noise_alias, vectors, context, start, stop, samples,
    negatives, learning_rate, state,
):  # fmt: skip
    """Learn from the draws [start, stop) of `samples`; returns their summed loss."""
    d = vectors.shape[1]
    change = np.empty(d, np.float32)
    total = 0.0
    for s in range(start, stop):
        rate = learning_rate * np.float32(max(1 - s / samples, 1e-4))
        edge = _pick(accept, alias, state)
        a, b = i[edge], j[edge]
        if _uniform(state) < 0.5:
            a, b = b, a
        change[:] = 0
        for k in range(negatives + 1):
            label, vertex = np.float32(1), b
            if k:
                label, vertex = np.float32(0), _pick(noise_accept, noise_alias, state)
                if vertex in (a, b):
                    continue
            product = np.float32(0)
            for c in range(d):
                product += vectors[a, c] * context[vertex, c]
            signed = product if k else -product
            total += max(signed, np.float32(0)) + np.log1p(np.exp(-abs(signed)))
            step = rate * (label - np.float32(1) / (np.float32(1) + np.exp(-product)))
            for c in range(d):
                change[c] += step * context[vertex, c]
                context[vertex, c] += step * vectors[a, c]
        for c in range(d):
            vectors[a, c] += change[c]
    return total
