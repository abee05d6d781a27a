"""Features of the bins of a sequence: frequencies of k-mers, open reading frames."""

from dataclasses import dataclass

import numpy as np

from chromloom.sequence.kmers import kmer_frequencies, kmer_names
from chromloom.sequence.orfs import ORF_MIRRORED, ORF_NAMES, orf_features


@dataclass(frozen=True)
class SequenceFeatures:
    """What is read of a sequence.

    Attributes
    ----------
    kmers : int
        Length of the k-mers; 0 for none.
    orfs : int
        bp of the shortest open reading frame; 0 for none.
    """

    kmers: int = 0
    orfs: int = 0

    @property
    def names(self) -> list[str]:
        """Names of the rows of `read`."""
        return [*(kmer_names(self.kmers) if self.kmers else []), *(ORF_NAMES if self.orfs else [])]

    @property
    def mirrored(self) -> np.ndarray:
        """Which row each becomes where the chromosome is read backwards, (n_rows,), int64."""
        first = len(kmer_names(self.kmers)) if self.kmers else 0
        turned = [first + row for row in ORF_MIRRORED] if self.orfs else []
        return np.array([*range(first), *turned], dtype=np.int64)

    def read(self, codes: np.ndarray, bin_size: int) -> np.ndarray:
        """Features of the bins of a sequence.

        Parameters
        ----------
        codes : ndarray, (length,), uint8
            Bases, see `sequence.fasta`.
        bin_size : int
            bp.

        Returns
        -------
        ndarray, (n_rows, n_bins), float32
            NaN where less than half of a bin is known.
        """
        parts = []
        if self.kmers:
            parts.append(kmer_frequencies(codes, self.kmers, bin_size))
        if self.orfs:
            parts.append(orf_features(codes, self.orfs, bin_size))
        return np.concatenate(parts)
