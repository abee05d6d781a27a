"""Diamond scores of bands, against cooltools."""

import cooler
import cooltools
import numpy as np
import pandas as pd

from chromloom.analysis.insulation import score_diamonds

N = 60


def near_of(matrix, n_dist):
    """(n_dist, N): pair (i, i + d) at [d, i], NaN beyond the end."""
    near = np.full((n_dist, N), np.nan, dtype=np.float32)
    for d in range(n_dist):
        near[d, : N - d] = np.diagonal(matrix, d)
    return near


def test_insulation_equals_cooltools(tmp_path):
    rng = np.random.default_rng(3)
    bins = cooler.util.binnify(pd.Series({"chr1": N * 1000}), 1000)
    i, j = np.triu_indices(N)
    pixels = pd.DataFrame({"bin1_id": i, "bin2_id": j, "count": rng.poisson(40 / (1 + j - i))})
    bins["weight"] = rng.uniform(0.5, 1.5, N)
    bins.loc[[9, 30], "weight"] = np.nan
    path = str(tmp_path / "map.cool")
    cooler.create_cooler(path, bins, pixels[pixels["count"] > 0])
    clr = cooler.Cooler(path)
    theirs = cooltools.insulation(clr, [8000], ignore_diags=2)["log2_insulation_score_8000"]
    matrix = clr.matrix()[:]
    matrix[np.abs(np.subtract.outer(np.arange(N), np.arange(N))) < 2] = np.nan
    ours = score_diamonds(near_of(matrix, 20), 8)
    defined = ~np.isnan(ours)
    assert defined.sum() > 50
    difference = ours[defined] - theirs.to_numpy()[defined]
    np.testing.assert_allclose(difference, np.median(difference), atol=1e-5)
