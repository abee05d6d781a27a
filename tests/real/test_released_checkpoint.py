"""The checkpoint published for GM12878 at 100 kb, against maps it has not seen at this resolution.

Its bins are numbered cumulatively over the autosomes. The published code's own count (each
chromosome's length in 10-kb bins rounded down, summed, divided by 10) would start chr21 at 27,814
and chr22 at 28,296; what the checkpoint was trained with starts them at 27,800 and 28,292, the same
in every part of either chromosome. How the other chromosomes are shifted is not known.
"""

import cooler
import numpy as np
import pandas as pd
import pytest

from chromloom.models.hiclstm.released import PUBLISHED_STARTS, import_published, read_published
from chromloom.models.trained import TrainedModel

MAPS = {
    "chr21": ("GM12878_chr21_10kb.cool", "21", 10),
    "chr22": ("GM12878_prim_chr22_50kb.cool", "22", 2),
}
SIZES = pd.Series({"chr1": 249_250_621, "chr21": 48_129_895, "chr22": 51_304_566})


@pytest.fixture(scope="module")
def checkpoint(real_data):
    return real_data / "models" / "hiclstm_released_GM12878_100kb.pth"


@pytest.fixture(scope="module")
def observed(real_data):
    """Maps at 100 kb, balanced once by the roots of their marginals; NaN where nothing is known."""
    maps = {}
    for chrom, (name, own_name, factor) in MAPS.items():
        fine = cooler.Cooler(str(real_data / "contacts" / name)).matrix(balance=False)
        fine = fine.fetch(own_name).astype(float)
        n = -(-len(fine) // factor)
        fine = np.pad(fine, (0, n * factor - len(fine)))
        coarse = fine.reshape(n, factor, n, factor).sum((1, 3))
        marginals = coarse.sum(1)
        good = marginals > 0.1 * np.median(marginals[marginals > 0])
        weights = np.where(good, 1 / np.sqrt(np.maximum(marginals, 1)), np.nan)
        maps[chrom] = np.where(coarse > 0, coarse, np.nan) * np.outer(weights, weights)
    return maps


def predict(checkpoint, folder, chrom, start, matrix):
    """Prediction for one chromosome whose first bin is `start`, over bins that have contacts."""
    masked = {chrom: np.isnan(matrix).all(axis=1)}
    starts = {"chr1": 0, chrom: start}
    import_published(checkpoint, folder, chromsizes=SIZES, chrom_starts=starts, masked=masked)
    return TrainedModel.load(folder).predict_band(chrom, 0, len(matrix))


def agreement(band, matrix):
    """Correlation of log prediction and log map, each around its mean at a distance, 2-150 bins."""
    n = len(matrix)
    pairs = []
    for d in range(2, min(150, n)):
        predicted, seen = band[d, : n - d], np.diagonal(matrix, d)
        known = (predicted > 0) & np.isfinite(seen)  # 0: rows too short to be read
        if known.sum() > 10:
            x, y = np.log(predicted[known]), np.log(seen[known])
            pairs.append((x - x.mean(), y - y.mean()))
    x, y = (np.concatenate(part) for part in zip(*pairs))
    return np.corrcoef(x, y)[0, 1]


def test_shapes_are_those_of_the_released_preset(checkpoint):
    shapes = {name: tuple(tensor.shape) for name, tensor in read_published(checkpoint).items()}
    assert shapes == {
        "embedding": (28_809, 16),
        "i2h.weight": (32, 32),
        "i2h.bias": (32,),
        "h2h.weight": (32, 8),
        "h2h.bias": (32,),
        "out.weight": (150, 1200),
        "out.bias": (150,),
    }


@pytest.mark.parametrize(("chrom", "least"), [("chr21", 0.70), ("chr22", 0.75)])
def test_bin_ids_start_where_the_prediction_fits_best(checkpoint, observed, tmp_path, chrom, least):
    start = PUBLISHED_STARTS[chrom]
    scores = {
        start + shift: agreement(
            predict(checkpoint, tmp_path / str(shift), chrom, start + shift, observed[chrom]),
            observed[chrom],
        )
        for shift in (-20, -4, -2, -1, 0, 1, 2, 4, 20)
        if start + shift + len(observed[chrom]) <= 28_809 or shift <= 4
    }
    assert max(scores, key=scores.get) == start, scores
    assert scores[start] > least
    assert scores[start] > scores[start + 4] + 0.05


def test_prediction_is_seeded(checkpoint, observed, tmp_path):
    first, second = (
        predict(checkpoint, tmp_path / name, "chr22", 28_292, observed["chr22"]) for name in "ab"
    )
    np.testing.assert_array_equal(first, second)
