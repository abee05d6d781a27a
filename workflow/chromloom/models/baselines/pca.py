"""Principal components of the contact matrix, chromosome by chromosome: a baseline.

The article's repository decomposes the dense symmetric matrix of contact probability with
scikit-learn's PCA; here the same is taken of the sparse matrix, centred implicitly, so that cost
grows with observed pairs. Masked bins are left out, pairs at distance < `ignore_diags` are 0.
"""

import logging

import numpy as np
import pandas as pd
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from chromloom.models.baselines.rows import cis_pixels, symmetric_matrix
from chromloom.models.baselines.settings import PCASettings
from chromloom.models.baselines.vectors import Fitted
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.probability import contact_probability

logger = logging.getLogger(__name__)


class ComponentRows(nn.Module):
    """Row of a bin from its principal components: mean_j + R_i . V_j."""

    def __init__(self, settings: PCASettings, lengths: list[int]):
        super().__init__()
        d = settings.embedding_dim
        self.edges = np.append(0, np.cumsum(lengths))
        self.components = nn.Parameter(torch.zeros(sum(lengths), d))
        self.mean = nn.Parameter(torch.zeros(sum(lengths)))

    def forward(self, R: Tensor, chrom: int) -> Tensor:
        """Rows (B, n) of the bins with representations R (B, d)."""
        own = slice(int(self.edges[chrom]), int(self.edges[chrom + 1]))
        return self.mean[own] + R @ self.components[own].T


def fit_pca(
    normalized: NormalizedMap,
    settings: PCASettings,
    *,
    seed: int = 0,
    device: object = "cpu",
) -> Fitted:
    """Principal components of each chromosome.

    Parameters
    ----------
    normalized : NormalizedMap
    settings : PCASettings
    seed : int
        Of the vector that Lanczos starts from.
    device
        Not used.

    Returns
    -------
    Fitted
        `embedding` are scores (rows projected on the components); `tensors` hold components and
        mean, by which a row is reconstructed. A chromosome with fewer unmasked bins than
        components has zeros in those it lacks.
    """
    d, n_bins = settings.embedding_dim, len(normalized.bins)
    scores, components = np.zeros((2, n_bins, d), dtype=np.float32)
    mean, history = np.zeros(n_bins, dtype=np.float32), []
    for chrom in normalized.chromnames:
        first, last = normalized.extent(chrom)
        kept = np.flatnonzero(~normalized.mask(chrom))
        pixels = cis_pixels(normalized, chrom)
        cp = contact_probability(pixels["value"].to_numpy(), *settings.objective.coefficients)
        matrix = symmetric_matrix(pixels["i"], pixels["j"], cp, last - first)[kept][:, kept]
        k = min(d, len(kept) - 1)
        pca = PCA(k, svd_solver="arpack", random_state=seed)
        if not matrix.nnz:
            logger.warning("%s: no observed pair, its principal components are 0", chrom)
            continue
        scores[first + kept, :k] = pca.fit_transform(matrix)
        components[first + kept, :k] = pca.components_.T
        mean[first + kept] = np.ravel(pca.mean_)
        explained = float(pca.explained_variance_ratio_.sum())
        history.append({"chrom": chrom, "bins": len(kept), "explained_variance": explained})
        logger.info("%s: %d components explain %.3f of the variance", chrom, k, explained)
    tensors = {"rows.components": torch.from_numpy(components), "rows.mean": torch.from_numpy(mean)}
    return Fitted(scores, pd.DataFrame(history), tensors)
