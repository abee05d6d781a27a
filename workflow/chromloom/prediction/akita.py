"""Akita applied to a sample, as a map source: sequence of the assembly in, contact strength out.

Sequence is read from the file that `sequence.fasta.write_genome` wrote, window by window, so that
memory does not grow with the chromosome.
"""

import copy
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from chromloom.edits.bins import EditedChromosome
from chromloom.edits.pieces import length, take
from chromloom.edits.signals import edited_codes
from chromloom.errors import InputError
from chromloom.genome.assembly import Assembly
from chromloom.genome.bins import blank_band, make_bins
from chromloom.models.akita.fitted import FittedAkita
from chromloom.models.akita.module import upper_triangle
from chromloom.models.akita.variants import Window
from chromloom.prediction.applied import AppliedMap, Folds, write_applied
from chromloom.prediction.source import MapSource, n_distances
from chromloom.representations.neutral import AVERAGE_BINS
from chromloom.sequence.fasta import Genome, N, reverse_complement

KNOWN = 0.5
"""Share of a bin's bases that has to be known for the bin to be predicted."""
ROWS = 1000
"""Bins whose bases are read at once."""


def apply_akita(
    folders: Sequence[str | Path],
    store_path: str | Path | None,
    assembly: Assembly,
    out_dir: str | Path,
    *,
    genome_path: str | Path,
    sample: str,
    norm: str,
    predictor: str,
    chroms: Sequence[str] | None = None,
) -> None:
    """Apply Akita to the sequence of a sample's assembly and write the folder of the run.

    Parameters
    ----------
    folders : sequence of path
        Folder of each fold, see `models.predictor`.
    store_path : None
        What other predictors read.
    assembly : Assembly
        Of the sample.
    out_dir : path
        Folder to write.
    genome_path : path
        Sequence, as `sequence.fasta.write_genome` writes it.
    sample, norm, predictor : str
        Of the run. A sample that was learnt from is predicted by its own head, another one by the
        mean of all heads.
    chroms : sequence of str, optional
        Chromosomes to predict; by default those that have a sequence.

    Raises
    ------
    CheckpointError
        A fold's folder is not whole.
    InputError
        The assembly is another one.
    """
    folds = Folds.read(folders)
    inputs, resolution = folds.first.inputs, folds.first.config["resolution"]
    if inputs["assembly"] != assembly.name:
        raise InputError(
            f"predictor '{predictor}' was trained on the assembly {inputs['assembly']}, sample "
            f"'{sample}' is of {assembly.name}; train on maps of one"
        )
    table = make_bins(assembly.chromsizes, resolution).astype({"chrom": str})
    masked = np.ones(len(table), bool)
    with Genome(genome_path) as genome:
        own = [c for c in genome.chromsizes.index if chroms is None or c in chroms]
        for chrom in own:
            rows = np.flatnonzero((table["chrom"] == chrom).to_numpy())
            for block in np.array_split(rows, -(-len(rows) // ROWS)):
                starts = table["start"].to_numpy()[block]
                end = table["end"].iloc[block[-1]]
                known = genome.read(chrom, starts[0], end) < N
                share = np.add.reduceat(known, starts - starts[0], dtype=int)
                masked[block] = share < KNOWN * np.diff(starts, append=end)
    samples = inputs["samples"]
    write_applied(
        out_dir,
        folds,
        table.assign(masked=masked),
        own,
        assembly,
        sample=sample,
        norm=norm,
        predictor=predictor,
        more={
            "targets": [samples.index(sample)] if sample in samples else [*range(len(samples))],
            "genome": str(genome_path),
        },
    )


class AkitaMap(AppliedMap):
    """Akita applied to a sample.

    A pair is its expected, of the training maps at its distance, times what the network makes of
    the windows that hold it, on the mean. An edited chromosome is predicted from its sequence as
    cut and joined. Where an edit replaces bins, they become N (`zero`) or random bases of the
    composition of ten bins on either side (`average`; the article replaces motifs by random bases);
    an edit of kind orientation reverses and complements its bins in place (the article's inversion
    of motifs).
    """

    def _set_up(self, device: str) -> None:
        super()._set_up(device)
        self._targets = self.config["targets"]
        self._reading: tuple[int, str] = (0, "")
        self._genome = Genome(self.config["genome"])
        self._edited: tuple[EditedChromosome | None, np.ndarray] = (None, np.array([]))

    def readings(self, shifts: Sequence[int] = (0,)) -> list["AkitaMap"]:
        """Itself with windows moved by each shift (bp), on each strand that it was trained on."""
        both = all(fitted.settings.windows.mirror for fitted in self._fitted.values())
        made = []
        for shift, strand in itertools.product(shifts, "+-" if both else "+"):
            one = copy.copy(self)
            one._reading = (shift, strand)
            made.append(one)
        return made

    def band(self, chrom, lo, hi, *, max_dist=None, edited=None):
        """Predicted contact strength; see `MapSource.band`."""
        source = np.arange(*self.bins.extent(chrom)) if edited is None else edited.source
        mask = self.bins.masked[source]
        n_dist = n_distances(self, len(mask), lo, max_dist)
        window, resolution = self.fitted(chrom).settings.window, self.bins.resolution
        ends = self._ends(chrom, edited)
        shift, strand = self._reading

        def read(first: int) -> np.ndarray:
            # A window begins where its first bin does; what an edit leaves of cut bins shifts the
            # others by half a bin at most.
            start = ends[min(max(first, 0), len(ends) - 1)] + min(first, 0) * resolution
            return self.read(chrom, int(start) + shift, window * resolution, edited)

        band = np.full((n_dist, hi - lo), np.nan, np.float32)
        for name, rows in self.by_fold(chrom, edited).items():
            own = np.ones(hi - lo, bool) if rows is None else rows[lo:hi]
            if not own.any():
                continue
            ratio = self.fitted(name).log_ratio_rows(
                read,
                len(mask),
                lo,
                hi,
                n_dist,
                targets=self._targets,
                key=(chrom, edited, shift, strand),
                strand=strand,
            )
            expected = self.predictors[self.fold_of.get(name, 0)].constants.expected
            found = expected[:n_dist, None].astype(np.float32) * np.exp(ratio)
            band[:, own] = found[:, own]
        blank_band(band, mask, lo, hi, self.ignore_diags)
        return band

    def fitted(self, chrom: str) -> FittedAkita:
        """The network that predicts a chromosome."""
        return self._fitted[self.fold_of.get(chrom, 0)]

    def own_target(self, maps: np.ndarray) -> np.ndarray:
        """The sample's map (size, size) of those of all heads (n_targets, size, size)."""
        return maps[self._targets].mean(axis=0)

    def read(
        self, chrom: str, start: int, size: int, edited: EditedChromosome | None = None
    ) -> np.ndarray:
        """Codes (size,), uint8, of a window of a chromosome, or of its edited form."""
        if edited is None:
            return self._genome.read(chrom, start, start + size)
        codes = np.full(size, N, np.uint8)
        own = edited_codes(self._genome, take(edited.pieces, start, start + size))
        first = max(-start, 0)
        codes[first : first + len(own)] = own
        if edited.replaced.any():
            self._replace(codes, start, chrom, edited)
        return codes

    def _ends(self, chrom: str, edited: EditedChromosome | None) -> np.ndarray:
        """First bp of each position, and one past the last."""
        if edited is None:
            first, last = self.bins.extent(chrom)
            starts = self.bins["start"].to_numpy()[first:last]
            return np.append(starts, self.bins["end"].to_numpy()[last - 1])
        if self._edited[0] is not edited:
            sizes = (self.bins["end"] - self.bins["start"]).to_numpy()[edited.source]
            for position, pieces in edited.parts.items():
                sizes[position] = length(pieces)
            self._edited = edited, np.append(0, np.cumsum(sizes))
        return self._edited[1]

    def _replace(self, codes: np.ndarray, start: int, chrom: str, edited: EditedChromosome) -> None:
        """Put in place of an edit's bins what it replaces them by."""
        edit, ends = edited.edit, self._ends(chrom, edited)
        lo, hi = int(ends[edited.span[0]]), int(ends[edited.span[1]])
        a, b = max(lo, start), min(hi, start + len(codes))
        if a >= b:
            return
        own = slice(a - start, b - start)
        if edit.kind == "orientation":
            codes[own] = reverse_complement(self._genome.read(chrom, lo, hi))[a - lo : b - lo]
        elif edit.method == "zero":
            codes[own] = N
        elif edit.method == "average":
            around = AVERAGE_BINS * self.bins.resolution
            near = np.concatenate(
                [
                    self._genome.read(chrom, lo - around, lo),
                    self._genome.read(chrom, hi, hi + around),
                ]
            )
            share = np.bincount(near[near < N], minlength=N) + 1.0
            drawn = np.random.default_rng([lo, hi]).choice(N, hi - lo, p=share / share.sum())
            codes[own] = drawn[a - lo : b - lo]
        else:
            raise self.no_vector(edit)


class SequenceWindow:
    """One window of sequence, and the maps of the sample for variants of it.

    Parameters
    ----------
    source : AkitaMap
    chrom : str
        Chromosome, whose fold predicts.
    codes : ndarray, (window * bin_size,), uint8
        Bases.
    start : int
        bp of the chromosome where the sequence begins.

    Attributes
    ----------
    chrom, codes, start
    unchanged : ndarray, (size, size), float64
        Log of observed over expected of the sequence as it is, for the bins inside of the crop.
    """

    def __init__(self, source: AkitaMap, chrom: str, codes: np.ndarray, start: int = 0) -> None:
        fitted = source.fitted(chrom)
        self.chrom, self.codes, self.start = chrom, codes, start
        self._own_target = source.own_target
        self._crop = fitted.settings.crop * source.bins.resolution
        self._pairs = upper_triangle(fitted.settings.size, source.ignore_diags)
        bins = np.arange(fitted.settings.size)
        self._near = np.abs(bins - bins[:, None]) < source.ignore_diags
        strands = (False, True) if fitted.settings.windows.mirror else (False,)
        self._strands = [Window(fitted.network, codes, turned=turned) for turned in strands]
        self.unchanged = next(self.maps([codes]))

    @classmethod
    def at(cls, source: AkitaMap, chrom: str, first: int) -> "SequenceWindow":
        """The window of a chromosome whose first predicted bin is `first`."""
        settings, resolution = source.fitted(chrom).settings, source.bins.resolution
        start = (first - settings.crop) * resolution
        codes = source.read(chrom, start, settings.window * resolution)
        return cls(source, chrom, codes, start)

    @property
    def predicted(self) -> tuple[int, int]:
        """bp of the chromosome where what is predicted begins and ends."""
        return self.start + self._crop, self.start + len(self.codes) - self._crop

    def maps(self, variants: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        """Maps (size, size), float64, of variants of the sequence, in order.

        0 on the diagonals that are not learnt, as in targets.
        """
        for own in zip(*(strand.maps(variants) for strand in self._strands)):
            values = self._own_target(np.mean(own, axis=0)).astype(float)
            values[self._near] = 0
            yield values

    def pairs(self, values: np.ndarray) -> np.ndarray:
        """The pairs (n_pairs,) of a map that count: above the diagonals that are left out."""
        i, j = self._pairs
        return values[i, j]

    def scores(self, changed: np.ndarray) -> dict[str, float]:
        """How far a map is from the unchanged one, by the article's two measures.

        Returns
        -------
        dict
            disruption, mean((p - p')^2), and signal_change, mean(p^2) - mean(p'^2), over pairs.
        """
        before, after = self.pairs(self.unchanged), self.pairs(changed)
        return {
            "disruption": float(((after - before) ** 2).mean()),
            "signal_change": float((before**2).mean() - (after**2).mean()),
        }


def held_out_windows(
    source: AkitaMap, chroms: Sequence[str] | None = None, *, most_masked: float = 0.5
) -> Iterator[SequenceWindow]:
    """Windows whose predicted parts lie side by side along `held_out_chromosomes`.

    Those of which more than `most_masked` of the predicted bins are masked are left out.

    Raises
    ------
    InputError
        As `held_out_chromosomes`, or no window is left.
    """
    own, size, n = held_out_chromosomes(source, chroms), 0, 0
    for chrom in own:
        mask, size = source.bins.mask(chrom), source.fitted(chrom).settings.size
        for first in range(0, len(mask) - size + 1, size):
            if mask[first : first + size].mean() <= most_masked:
                n += 1
                yield SequenceWindow.at(source, chrom, first)
    if not n:
        raise InputError(
            f"'{source.name}': {', '.join(own)} have no window of {size} bins of which "
            f"{1 - most_masked:.0%} are known; hold longer chromosomes out"
        )


def require_bases(source: MapSource) -> AkitaMap:
    """The source, where it reads bases.

    Raises
    ------
    InputError
        It reads no sequence.
    """
    if not isinstance(source, AkitaMap):
        raise InputError(
            f"'{source.name}' reads no sequence; give the run of a predictor of akita-paper or "
            "akita-small"
        )
    return source


def held_out_chromosomes(source: AkitaMap, chroms: Sequence[str] | None = None) -> list[str]:
    """The chromosomes that are asked for; by default those of which something was held out.

    Raises
    ------
    InputError
        None was held out, or one has no prediction.
    """
    held = list(dict.fromkeys(chrom for chrom, _, _ in source.held_out or ()))
    wanted = held if chroms is None else list(chroms)
    if not wanted:
        raise InputError(f"'{source.name}' held no chromosome out; name some to look at")
    for chrom in wanted:
        if chrom not in source.fold_of:
            raise InputError(
                f"'{source.name}' does not predict {chrom}; expected some of "
                f"{', '.join(source.fold_of)}"
            )
    return wanted
