"""One region of an observed and of a predicted map, read from their files for a picture."""

from pathlib import Path

import cooler
import numpy as np
import pandas as pd

from chromloom.genome.regions import parse_region

WIDTH = 3_000_000


def choose_region(
    clr: cooler.Cooler, region: str = "", *, width: int = WIDTH
) -> tuple[str, int, int]:
    """The region that was asked for, or else the middle of what is covered.

    Parameters
    ----------
    clr : cooler.Cooler
        Normalised map, bins with `weight`.
    region : str
        `chrom`, `chrom:start-end` or "" (the first chromosome with unmasked bins). Without start
        and end, `width` around the middle unmasked bin.
    width : int
        bp; 60 bins, if that is more.

    Returns
    -------
    chrom, start, end : str, int, int
        bp, within the chromosome.

    Raises
    ------
    InputError
        The region is malformed, or of a chromosome that the map lacks or has masked whole.
    """
    bins = clr.bins()[["chrom", "start", "weight"]][:]
    covered = bins[bins["weight"].notna()]
    sizes = {chrom: int(clr.chromsizes[chrom]) for chrom in covered["chrom"].unique()}
    chrom, start, end = parse_region(region or next(iter(sizes)), sizes)
    if region and region not in sizes:
        return chrom, start, end
    starts = covered.loc[covered["chrom"] == chrom, "start"].to_numpy()
    half = max(width, 60 * clr.binsize) // 2
    middle = int(starts[len(starts) // 2])
    return chrom, max(middle - half, 0), min(middle + half, sizes[chrom])


def read_split(
    observed: str | Path, predicted: str | Path, chrom: str, start: int, end: int
) -> tuple[np.ndarray, np.ndarray]:
    """Contact strength of one region in both maps.

    Parameters
    ----------
    observed : str or Path
        Normalised map (pixels `value`).
    predicted : str or Path
        Predicted `.mcool`.
    chrom, start, end : str, int, int
        bp.

    Returns
    -------
    observed, predicted : ndarray, (m, m), float64
        Symmetric; NaN where a bin is masked, in the observed map nearer the diagonal than
        `ignore_diags`, in the predicted one where the model predicts nothing.
    """
    region = (chrom, start, end)
    clr = cooler.Cooler(str(observed))
    masked = clr.bins()["weight"].fetch(region).isna().to_numpy()
    own = clr.matrix(field="value", balance=False).fetch(region).astype(float)
    bins = np.arange(len(own))
    near = np.abs(bins[:, None] - bins) < clr.info["metadata"]["ignore_diags"]
    own[masked[:, None] | masked | near] = np.nan
    theirs = read_predicted(predicted, clr.binsize, chrom, start, end)
    theirs[masked[:, None] | masked] = np.nan
    return own, theirs


def read_predicted(
    predicted: str | Path, resolution: int, chrom: str, start: int, end: int
) -> np.ndarray:
    """Contact strength of one region of a predicted `.mcool`, (m, m), symmetric.

    NaN where nothing is predicted: what is predicted is above 0, and a pair without a pixel has no
    prediction.
    """
    clr = cooler.Cooler(f"{predicted}::resolutions/{resolution}")
    values = clr.matrix(field="count", balance=False).fetch((chrom, start, end)).astype(float)
    return np.where(values > 0, values, np.nan)


def split_table(observed: np.ndarray, predicted: np.ndarray) -> pd.DataFrame:
    """Both maps of a region, (m, m) each, as bin1, bin2 (from its start), observed, predicted."""
    bins = np.indices(observed.shape).reshape(2, -1)
    columns = {"bin1": bins[0], "bin2": bins[1], "observed": observed, "predicted": predicted}
    return pd.DataFrame({name: np.ravel(values) for name, values in columns.items()})
