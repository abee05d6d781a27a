"""Predicted maps that lie in files, whatever made them."""

import logging

import cooler
import numpy as np

from chromloom.errors import InputError
from chromloom.genome.bins import Bins, blank_band
from chromloom.normalize.maps import PIXEL_CHUNK, NormalizedMap, read_cis_pixels
from chromloom.prediction.observed import refuse_edit
from chromloom.prediction.source import MapSource, n_distances

logger = logging.getLogger(__name__)


class ExportedMap(MapSource):
    """A cooler of contact strengths (pixel column `count`) as a prediction of an observed map.

    An absent pixel is a predicted 0 where the file speaks of the pair, and no prediction where it
    does not: a bin whose `weight` is NaN, a pair beyond the file's distance, outside its region, or
    absent from a file that holds observed pairs alone. `chromloom.prediction.export` writes in the
    metadata how far a file goes; of any other file it is the largest distance of a pixel.

    Parameters
    ----------
    uri : str
        Cooler, or .mcool with the resolution of `observed`.
    observed : NormalizedMap
        The map that it is a prediction of.
    name : str
        Of the model.

    Raises
    ------
    InputError
        The file lacks the resolution, or has other bins.
    """

    def __init__(self, uri: str, observed: NormalizedMap, name: str):
        self.name = name
        self.sample, self.norm, self.assembly = observed.sample, observed.norm, observed.assembly
        self.ignore_diags = observed.ignore_diags
        resolution = observed.resolution
        if "::" not in uri and (groups := cooler.fileops.list_coolers(uri)) != ["/"]:
            group = next((g for g in groups if g.split("/")[-1] == str(resolution)), None)
            if group is None:
                raise InputError(f"{uri} has no resolution {resolution}; it has {groups}")
            uri = f"{uri}::{group}"
        self.clr = cooler.Cooler(uri)
        table = self.clr.bins()[:]
        masked = table["weight"].isna() if "weight" in table else False
        table = table.assign(chrom=table["chrom"].astype(str), masked=masked)
        self.bins = Bins(table, int(self.clr.binsize or 0), source=uri)
        if not self.bins.match(observed.bins):
            raise InputError(
                f"{uri} ({self.bins.resolution} bp) has other bins than {observed.path} "
                f"({resolution} bp); predict the map at its own resolution and assembly"
            )
        metadata = self.clr.info.get("metadata", {})
        self._absent = np.nan if metadata.get("support") == "observed" else 0.0
        self._region = metadata.get("region")
        if "max_distance" in metadata:
            self.max_distance = metadata["max_distance"]
        else:
            self.max_distance = self._farthest() * resolution
            logger.info("%s: pixels up to %d bp; farther pairs are treated as not predicted", uri,
                        self.max_distance)  # fmt: skip

    def band(self, chrom, lo, hi, *, max_dist=None, edited=None):
        """Contact strength in the file; see `MapSource.band`."""
        refuse_edit(self, edited)
        mask = self.bins.mask(chrom)
        if self._region is not None:
            mask = mask | self._outside(chrom)
        n_dist = n_distances(self, len(mask), lo, max_dist)
        band = np.full((n_dist, hi - lo), self._absent, dtype=np.float32)
        pixels = read_cis_pixels(
            self.clr, chrom, lo, hi, columns=["count"], keep=lambda i, j: j - i < n_dist
        )
        band[pixels["j"] - pixels["i"], pixels["i"] - lo] = pixels["count"]
        blank_band(band, mask, lo, hi, self.ignore_diags)
        return band

    def _outside(self, chrom: str) -> np.ndarray:
        """Bins of a chromosome outside of the file's region, (n,), bool."""
        name, start, end = self._region
        own = self.bins.table.iloc[slice(*self.bins.extent(chrom))]
        inside = (own["chrom"] == name) & (own["end"] > start) & (own["start"] < end)
        return ~inside.to_numpy()

    def _farthest(self) -> int:
        """Largest distance in bins of a pixel within a chromosome."""
        ends = np.repeat([b for _, b in self.bins.extents.values()], self.bins.lengths)
        farthest = 0
        with self.clr.open("r") as group:
            pixels = group["pixels"]
            for a in range(0, len(pixels["bin1_id"]), PIXEL_CHUNK):
                i, j = (pixels[name][a : a + PIXEL_CHUNK] for name in ("bin1_id", "bin2_id"))
                cis = j < ends[i]
                if cis.any():
                    farthest = max(farthest, int((j[cis] - i[cis]).max()))
        return farthest
