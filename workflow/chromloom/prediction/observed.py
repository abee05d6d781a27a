"""Observed maps as map sources: as they are, and reduced to the mean at each distance."""

import numpy as np

from chromloom.errors import InputError
from chromloom.genome.bins import blank_band, pairs_by_distance
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.probability import READOUTS, contact_probability, contact_strength
from chromloom.prediction.source import MapSource, n_distances


class ObservedMap(MapSource):
    """An observed map as a prediction of another: the ceiling that replicates set.

    Parameters
    ----------
    observed : NormalizedMap
    name : str
    """

    def __init__(self, observed: NormalizedMap, name: str = "observed"):
        self.observed, self.name, self.bins = observed, name, observed.bins
        self.sample, self.norm, self.assembly = observed.sample, observed.norm, observed.assembly
        self.ignore_diags, self.readouts = observed.ignore_diags, READOUTS[:1]

    def band(self, chrom, lo, hi, *, max_dist=None, edited=None):
        """Observed contact strength; see `MapSource.band`."""
        refuse_edit(self, edited)
        return self.observed.band(chrom, lo, hi, max_dist=max_dist)


class DistanceMean(ObservedMap):
    """Contact strength whose probability is the mean at its distance in an observed map.

    The baseline of tables: what follows from distance alone.
    """

    def __init__(self, observed: NormalizedMap, name: str = "distance-mean"):
        super().__init__(observed, name)
        self._curves: dict[str, np.ndarray] = {}

    def band(self, chrom, lo, hi, *, max_dist=None, edited=None):
        """The curve of the chromosome in every row; see `MapSource.band`."""
        refuse_edit(self, edited)
        if chrom not in self._curves:
            self._curves[chrom] = self._curve(chrom)
        mask = self.bins.mask(chrom)
        curve = self._curves[chrom][: n_distances(self, len(mask), lo, max_dist)]
        band = np.repeat(curve[:, None], hi - lo, axis=1)
        blank_band(band, mask, lo, hi, self.ignore_diags)
        return band

    def _curve(self, chrom: str) -> np.ndarray:
        """Contact strength whose probability is the mean over unmasked pairs, (n,) float32."""
        pixels, ok = self.observed.pixels(chrom), ~self.bins.mask(chrom)
        cp = contact_probability(pixels["value"].to_numpy(np.float64), self.observed.cp_a)
        total = np.bincount(pixels["j"] - pixels["i"], cp, minlength=len(ok))
        mean = total / np.maximum(pairs_by_distance(ok), 1)
        return contact_strength(mean, self.observed.cp_a).astype(np.float32)


def refuse_edit(source: MapSource, edited) -> None:
    """Raise InputError where a source that cannot be edited is asked for an edited chromosome."""
    if edited is not None:
        raise InputError(f"'{source.name}' cannot predict edit '{edited.edit.edit}'; use a model")
