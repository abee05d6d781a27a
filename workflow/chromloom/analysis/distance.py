"""P(s): contact strength against distance, pooled in logarithmic bins."""

import numpy as np
import pandas as pd

BINS_PER_DECADE = 10


def contacts_by_distance(
    expected: pd.DataFrame, view_df: pd.DataFrame, resolution: int
) -> pd.DataFrame:
    """Pool the expected of the regions in ten bins of distance a decade, zeros included.

    Parameters
    ----------
    expected : DataFrame
        region1, region2, dist, n_valid, value_sum (see `compute_expected`). Pairs across two
        regions (arms) of a chromosome are left out, as is usual for P(s).
    view_df : DataFrame
        chrom, start, end, name.
    resolution : int
        bp.

    Returns
    -------
    DataFrame
        region (chromosome, or "all"), dist_bp (float64, mean over the pairs), n_valid (int64),
        value (float64, mean strength), slope (float64, d log value / d log dist; NaN at less than
        two bins or where a neighbour has no contact).
    """
    own = expected[(expected["region1"] == expected["region2"]) & (expected["n_valid"] > 0)]
    own = own.assign(
        chrom=own["region1"].map(view_df.set_index("name")["chrom"]),
        pooled=np.floor(np.log10(own["dist"]) * BINS_PER_DECADE + 1e-9),
        dist_sum=own["dist"] * own["n_valid"],
    )
    tables = []
    for name, part in [("all", own), *own.groupby("chrom", sort=False)]:
        sums = part.groupby("pooled")[["n_valid", "value_sum", "dist_sum"]].sum()
        table = pd.DataFrame(
            {
                "region": name,
                "dist_bp": sums["dist_sum"] / sums["n_valid"] * resolution,
                "n_valid": sums["n_valid"],
                "value": sums["value_sum"] / sums["n_valid"],
            }
        )
        table["slope"] = _slope(table["dist_bp"].to_numpy(), table["value"].to_numpy())
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _slope(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Gradient in log-log; NaN beside zeros."""
    if len(x) < 2:
        return np.full(len(x), np.nan)
    log_y = np.log(y, out=np.full(len(y), np.nan), where=y > 0)
    return np.gradient(log_y, np.log(x))
