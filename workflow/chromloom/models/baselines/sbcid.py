"""Subcompartment of each bin as a one-hot vector: perfect on subcompartments by construction.

Subcompartments come from an annotation (BED), or, where a cell type has none, from a Gaussian
hidden Markov model. Rao et al. (2014) fit one to the rows of the odd x even inter-chromosomal
matrix and another to its transpose, and match the states; here both are read off one singular value
decomposition of that matrix, whose left and right vectors share their axes, so that one model
covers all chromosomes. A map without contacts between chromosomes gives leading eigenvectors of log
observed/expected instead, which is weaker: their axes differ between chromosomes but for the sign.
"""

import logging
from pathlib import Path

import bioframe
import numpy as np
import pandas as pd
from hmmlearn.hmm import GaussianHMM
from scipy.sparse.linalg import svds

from chromloom.errors import InputError
from chromloom.genome.intervals import read_intervals
from chromloom.models.baselines.eig import eigen_representation
from chromloom.models.baselines.rows import has_trans, symmetric_matrix, trans_pixels
from chromloom.models.baselines.settings import SBCIDSettings
from chromloom.models.baselines.vectors import Fitted
from chromloom.normalize.maps import NormalizedMap
from chromloom.tables import MISSING

logger = logging.getLogger(__name__)


def fit_sbcid(
    normalized: NormalizedMap, settings: SBCIDSettings, *, seed: int = 0, device: object = "cpu"
) -> Fitted:
    """One-hot subcompartments of all bins.

    Parameters
    ----------
    normalized : NormalizedMap
    settings : SBCIDSettings
    seed : int
        Of the hidden Markov model's start.
    device
        Not used.

    Returns
    -------
    Fitted
        `embedding` (n_bins, classes) is 0 or 1, all 0 where a bin has no annotation;
        `config["classes"]` names the columns, `config["subcompartments"]` their source.
    """
    if settings.subcompartments:
        labels = read_subcompartments(settings.subcompartments, normalized)
        source = Path(settings.subcompartments).name
    else:
        labels = infer_subcompartments(
            normalized, settings.embedding_dim, features=settings.features, seed=seed
        )
        source = "hidden Markov model"
    codes, classes = pd.factorize(labels, sort=True)  # -1 where there is no label
    one_hot = np.zeros((len(codes), max(len(classes), 1)), dtype=np.float32)
    known = np.flatnonzero(codes >= 0)
    one_hot[known, codes[known]] = 1
    unmasked = ~normalized.bins["masked"].to_numpy()
    logger.info("%s: %d of %d unmasked bins", source, unmasked[known].sum(), unmasked.sum())
    config = {"classes": list(map(str, classes)), "subcompartments": source}
    return Fitted(one_hot, pd.DataFrame(), config=config)


def read_subcompartments(path: str | Path, normalized: NormalizedMap) -> np.ndarray:
    """Subcompartment that covers most of each bin.

    Parameters
    ----------
    path : path
        BED file: chrom, start, end, name; further columns are not read. `NA` is no annotation.
    normalized : NormalizedMap

    Returns
    -------
    ndarray, (n_bins,), object
        Name, None without annotation.

    Raises
    ------
    InputError
        The file is missing, is not such a table, or speaks of other chromosomes.
    """
    table = read_intervals(path, "bed", normalized.clr.chromsizes, what="BED of subcompartments")
    table = table[~table["name"].isin(MISSING)]
    if table.empty:
        raise InputError(
            f"{path} has no names of subcompartments; expected names in column 4 of a BED file"
        )
    bins = normalized.bins[["chrom", "start", "end"]].reset_index(names="bin")
    found = bioframe.overlap(bins, table, how="inner", suffixes=("", "_"), return_overlap=True)
    covered = (found["overlap_end"] - found["overlap_start"]).astype(np.int64)
    found = found.assign(covered=covered).groupby(["bin", "name_"])["covered"].sum()
    found = found.sort_values(kind="stable").reset_index().drop_duplicates("bin", keep="last")
    labels = np.full(len(bins), None, dtype=object)
    labels[found["bin"].astype(np.int64)] = found["name_"].astype(str)
    return labels


def infer_subcompartments(
    normalized: NormalizedMap, n_states: int, *, features: int = 6, seed: int = 0
) -> np.ndarray:
    """States of a Gaussian hidden Markov model along the unmasked bins of all chromosomes.

    Parameters
    ----------
    normalized : NormalizedMap
    n_states : int
    features : int
        Vectors that it observes.
    seed : int

    Returns
    -------
    ndarray, (n_bins,), object
        H1, H2, … in the order of the states' mean along the first vector; None at masked bins.
    """
    observed = _trans_features if has_trans(normalized) else _cis_features
    values = observed(normalized, features, seed)
    chroms, masked = normalized.bins["chrom"].to_numpy(), normalized.bins["masked"].to_numpy()
    kept = np.flatnonzero(~masked)
    lengths = pd.Series(chroms[kept]).groupby(chroms[kept], sort=False).size().to_numpy()
    values = values[kept]
    values = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-6)
    logging.getLogger("hmmlearn").setLevel(logging.ERROR)
    model = GaussianHMM(
        n_states, covariance_type="full", min_covar=1e-2, n_iter=50, random_state=seed
    )
    states = model.fit(values, lengths).predict(values, lengths)
    rank = np.argsort(np.argsort(-model.means_[:, 0]))
    labels = np.full(len(chroms), None, dtype=object)
    labels[kept] = [f"H{rank[state] + 1}" for state in states]
    return labels


def _trans_features(normalized, features, seed) -> np.ndarray:
    """Singular vectors of log(1 + value), odd x even chromosomes, of every bin, (n_bins, k)."""
    pixels, n = trans_pixels(normalized), len(normalized.bins)
    matrix = symmetric_matrix(pixels["i"], pixels["j"], np.log1p(pixels["value"]), n)
    number = pd.factorize(normalized.bins["chrom"])[0]
    odd, even = (np.flatnonzero(number % 2 == k) for k in (0, 1))
    half = matrix[odd][:, even]
    k = min(features + 1, min(half.shape) - 1)
    left, size, right = svds(half, k=k, rng=np.random.default_rng(seed))
    order = np.argsort(-size)[1:]  # the first is coverage
    values = np.zeros((n, len(order)))
    values[odd] = left[:, order] * np.sqrt(len(odd))
    values[even] = right[order].T * np.sqrt(len(even))
    return values


def _cis_features(normalized, features, seed) -> np.ndarray:
    """Leading eigenvectors of log observed/expected of every bin, (n_bins, k)."""
    logger.warning(
        "%s has no contacts between chromosomes: subcompartments are inferred within chromosomes",
        normalized.path,
    )
    values = np.zeros((len(normalized.bins), features))
    for chrom in normalized.chromnames:
        R, _ = eigen_representation(normalized, chrom, features, seed=seed)
        values[slice(*normalized.extent(chrom))] = R
    return values
