"""Coordinates of the bins of a chromosome, from an observed or a predicted map.

One chain per chromosome, fitted to its contacts alone. Contacts are taken for Poisson counts whose
mean falls with a power of the distance in space (Varoquaux et al. 2014, doi:10.1093/bioinformatics/
btu268, model PM1 with a given exponent), which weighs pairs by how much their contacts say. The fit
starts with few large bins, from classical multidimensional scaling of shortest paths along contacts
(Lesne et al. 2014, doi:10.1038/nmeth.3104), and halves them.

A chain is one conformation that a population's mean map agrees with, not that of a cell; and a map
does not tell a chain from its mirror image.
"""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.interpolate import CubicSpline
from scipy.linalg import eigh
from scipy.optimize import minimize
from scipy.sparse.csgraph import connected_components, shortest_path
from scipy.stats import spearmanr

from chromloom.errors import InputError
from chromloom.files import atomic_path, write_tsv
from chromloom.normalize.square import covered, read_square
from chromloom.structure.write import write_cif, write_pdb

logger = logging.getLogger(__name__)

FEWEST = 50  # bins that are fitted at once
MIN_BINS = 20  # of a chromosome with contacts
MIN_PAIRS = 10  # of a genomic distance that is correlated by itself


def fit_structure(
    map_path: str | Path,
    out_parquet: str | Path,
    out_scores: str | Path,
    out_folder: str | Path,
    *,
    column: str,
    exponent: float = 3.0,
    max_bins: int = 500,
) -> None:
    """Write the chains of all chromosomes of a map.

    Parameters
    ----------
    map_path : str or Path
        Normalised or predicted map.
    out_parquet : str or Path
        chrom, start, end (bp), x, y, z (float64; 1 is the median distance between neighbouring
        bins; NaN = masked or without contacts).
    out_scores : str or Path
        One row per chromosome, `score_chain`.
    out_folder : str or Path
        For {chrom}.pdb and {chrom}.cif.
    column : str
        Pixel column of the map that has contact strength.
    exponent, max_bins
        As of `fit_chain`; bins are doubled until a chromosome has at most so many.

    Raises
    ------
    InputError
        No chromosome has enough bins with contacts.
    """
    chains, scores = [], []
    for chrom, length in covered(map_path).items():
        contacts, _, resolution = read_square(
            map_path, chrom, 0, length, column=column, max_bins=max_bins
        )
        known = int((np.nansum(contacts, axis=1) > 0).sum())
        if known < MIN_BINS:
            logger.warning("%s: %d bins have contacts; left out", chrom, known)
            continue
        chain = fit_chain(contacts, exponent=exponent)
        start = np.arange(len(chain)) * resolution
        end = np.minimum(start + resolution, length)
        table = pd.DataFrame({"chrom": chrom, "start": start, "end": end})
        chains.append(table.assign(x=chain[:, 0], y=chain[:, 1], z=chain[:, 2]))
        scores.append({"chrom": chrom, "resolution": resolution, **score_chain(chain, contacts)})
        logger.info("%s: %d bins of %d bp", chrom, len(chain), resolution)
    if not chains:
        raise InputError(
            f"{map_path}: no chromosome has {MIN_BINS} bins with contacts; use a finer resolution"
        )
    with atomic_path(out_folder) as folder:
        folder.mkdir()
        for table in chains:
            write_pdb(table, folder / f"{table['chrom'][0]}.pdb")
            write_cif(table, folder / f"{table['chrom'][0]}.cif")
    write_tsv(pd.DataFrame(scores), out_scores)
    with atomic_path(out_parquet) as temporary:
        pd.concat(chains, ignore_index=True).to_parquet(temporary, index=False)


def fit_chain(contacts: np.ndarray, *, exponent: float = 3.0, max_steps: int = 100) -> np.ndarray:
    """Coordinates whose distances to the power of -exponent are as the contacts are.

    Parameters
    ----------
    contacts : ndarray, (n, n), float
        Symmetric contact strength on the scale of counts; NaN = unknown, also of masked bins. The
        diagonal is not looked at.
    exponent : float
        3 is that of contacts with distance in an equilibrium or fractal globule as Varoquaux et
        al. take it.
    max_steps : int
        Of L-BFGS.

    Returns
    -------
    ndarray, (n, 3), float64
        Centred, along its principal axes, each turned so that the first bin is at its positive
        side; 1 is the median distance between neighbouring bins. NaN for bins without contacts,
        or with none to the largest part of the chromosome that contacts connect.
    """
    contacts = np.array(contacts, dtype=float)
    np.fill_diagonal(contacts, np.nan)
    kept = _connected(contacts)
    chain = np.full((len(contacts), 3), np.nan)
    chain[kept] = _turn(_fit(contacts[np.ix_(kept, kept)], exponent, max_steps))
    steps = np.linalg.norm(np.diff(chain, axis=0), axis=1)
    return chain / np.nanmedian(steps)


def _connected(contacts: np.ndarray) -> np.ndarray:
    """Bins of the largest part of a chromosome that contacts connect."""
    _, part = connected_components(np.nan_to_num(contacts) > 0, directed=False)
    return np.flatnonzero(part == np.bincount(part).argmax())


def _fit(contacts: np.ndarray, exponent: float, max_steps: int) -> np.ndarray:
    """Coordinates of connected bins, (n, 3), at any scale.

    The shape at large is fitted first, to bins of twice the size, and so on: the likelihood of all
    bins hardly moves it, and shortest paths of many bins follow the noise of their contacts.
    """
    n = len(contacts)
    known = np.isfinite(contacts)
    counts = np.where(known, contacts, 0.0)
    if n <= FEWEST:
        start = _scale(_paths(counts, exponent))
    else:
        half = -(-n // 2)
        blocks = np.pad(contacts, (0, 2 * half - n), constant_values=np.nan)
        blocks = blocks.reshape(half, 2, half, 2)
        pairs = np.isfinite(blocks).sum((1, 3))
        means = np.where(pairs > 0, np.nansum(blocks, axis=(1, 3)) / pairs.clip(1), np.nan)
        np.fill_diagonal(means, np.nan)
        middle = np.minimum(np.arange(half) * 2 + 0.5, n - 1)
        start = CubicSpline(middle, _fit(means, exponent, max_steps))(np.arange(n))

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        """Negative log-likelihood per contact, at the best factor of the mean, and its gradient."""
        x = flat.reshape(-1, 3)
        square = ((x**2).sum(1)[:, None] + (x**2).sum(1) - 2 * x @ x.T).clip(1e-6)
        log = np.log(square)
        near = np.where(known, np.exp(-exponent / 2 * log), 0.0)
        total = counts.sum()
        value = (counts * log).sum() * exponent / 2 / total + np.log(near.sum())
        pull = exponent * (counts / total - near / near.sum()) / square  # (n, n)
        return value, (2 * (pull.sum(1)[:, None] * x - pull @ x)).ravel()

    start = start / np.median(np.linalg.norm(np.diff(start, axis=0), axis=1))
    options = {"maxiter": max_steps, "maxcor": 30}
    return minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options=options).x.reshape(
        -1, 3
    )


def _paths(contacts: np.ndarray, exponent: float) -> np.ndarray:
    """Shortest paths along contacts, each as long as its contacts say; inf where there is none."""
    lengths = np.zeros(contacts.shape)  # 0: no edge
    there = contacts > 0
    lengths[there] = contacts[there] ** (-1 / exponent)
    return shortest_path(lengths, directed=False)


def _scale(distances: np.ndarray) -> np.ndarray:
    """Classical multidimensional scaling: (n, 3)."""
    n = len(distances)
    squares = distances**2
    middle = squares.mean(axis=0)
    product = -(squares - middle - middle[:, None] + squares.mean()) / 2
    values, vectors = eigh(product, subset_by_index=[n - 3, n - 1])
    return vectors * np.sqrt(values.clip(1e-12))


def _turn(x: np.ndarray) -> np.ndarray:
    """Centred, along the principal axes, the first bin at the positive side of each."""
    x = x - x.mean(axis=0)
    x = x @ np.linalg.svd(x, full_matrices=False)[2].T
    return x * np.where(x[0] < 0, -1, 1)


def score_chain(chain: np.ndarray, contacts: np.ndarray) -> dict[str, float]:
    """How well a chain agrees with the contacts that it was fitted to.

    Returns
    -------
    dict
        `n_bins` with coordinates; `spearman` of contact strength with the inverse of the distance
        in space, over known pairs; `spearman_distance`, the same of the distance along the
        chromosome, which a chain has to beat; `within_distance`, the mean of `spearman` over pairs
        of the same distance along the chromosome, weighted by pairs (0 for a chain that knows no
        more than that); `radius_of_gyration`, in distances between neighbours.
    """
    i, j = np.nonzero(np.triu(np.isfinite(contacts), 1))
    placed = np.isfinite(chain).all(axis=1)
    i, j = i[placed[i] & placed[j]], j[placed[i] & placed[j]]
    pairs = pd.DataFrame(
        {
            "along": j - i,
            "value": contacts[i, j],
            "near": -np.linalg.norm(chain[i] - chain[j], axis=1),
        }
    )
    ranks = pairs.groupby("along")[["value", "near"]].rank().assign(along=pairs["along"])
    groups = [g for _, g in ranks.groupby("along") if len(g) >= MIN_PAIRS and g["value"].std() > 0]
    within = [np.corrcoef(g["value"], g["near"])[0, 1] for g in groups]
    x = chain[placed]
    return {
        "n_bins": int(placed.sum()),
        "spearman": spearmanr(pairs["value"], pairs["near"])[0],
        "spearman_distance": spearmanr(pairs["value"], -pairs["along"])[0],
        "within_distance": np.average(within, weights=[len(g) for g in groups])
        if groups
        else np.nan,
        "radius_of_gyration": float(np.sqrt(((x - x.mean(0)) ** 2).sum(1).mean())),
    }
