"""Akita applied to a sample, as a map source: sequence of the assembly in, contact strength out.

The folder of a run is what `prediction.predicted` says, without features: sequence is read from the
file that `sequence.fasta.write_genome` wrote, window by window, so that memory does not grow with
the chromosome.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from chromloom.edits.bins import EditedChromosome
from chromloom.edits.pieces import Piece
from chromloom.errors import CheckpointError, InputError
from chromloom.files import atomic_path, read_parquet, read_tsv, write_json
from chromloom.genome.assembly import Assembly
from chromloom.genome.bins import Bins, blank_band, make_bins
from chromloom.models.akita.fitted import FittedAkita
from chromloom.models.predictor import Predictor
from chromloom.models.registry import model_settings
from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.source import EditableMap, n_distances
from chromloom.representations.neutral import AVERAGE_BINS
from chromloom.sequence.fasta import Genome, N, reverse_complement

FOLDER = ("model.safetensors", "config.json", "bins.parquet")
KNOWN = 0.5
"""Share of a bin's bases that has to be known for the bin to be predicted."""


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
    folds = dict(enumerate(map(Predictor.load, folders)))
    first = folds[0]
    config, inputs = first.config, first.inputs
    if inputs["assembly"] != assembly.name:
        raise InputError(
            f"predictor '{predictor}' was trained on the assembly {inputs['assembly']}, sample "
            f"'{sample}' is of {assembly.name}; train on maps of one"
        )
    resolution = config["resolution"]
    table = make_bins(assembly.chromsizes, resolution).astype({"chrom": str})
    masked = np.ones(len(table), bool)
    held_out, fold_of = [], {}
    splits = {fold: read_tsv(Path(folder) / "splits.tsv") for fold, folder in enumerate(folders)}
    with Genome(genome_path) as genome:
        for chrom in genome.chromsizes.index:
            if chroms is not None and chrom not in chroms:
                continue
            rows = np.flatnonzero((table["chrom"] == chrom).to_numpy())
            masked[rows] = [
                (genome.read(chrom, a, b) < N).mean() < KNOWN
                for a, b in zip(table["start"].iloc[rows], table["end"].iloc[rows])
            ]
            fold_of[chrom] = 0
            for fold, split in splits.items():
                own = split[(split["role"] == "test") & (split["chrom"] == chrom)]
                if len(own):
                    fold_of[chrom] = fold
                    held_out += [(chrom, int(a), int(b)) for a, b in zip(own["start"], own["end"])]
    samples = inputs["samples"]
    written = {
        "model": config["model"],
        "predictor": predictor,
        "sample": sample,
        "assembly": assembly.name,
        "norm": norm,
        "resolution": resolution,
        "ignore_diags": config["ignore_diags"],
        "seed": config["seed"],
        "max_distance": config["max_distance"],
        "held_out": held_out,
        "fold_of": fold_of,
        "targets": [samples.index(sample)] if sample in samples else list(range(len(samples))),
        "genome": str(genome_path),
        "folds": {str(fold): own.config for fold, own in folds.items()},
        "inputs": inputs,
    }
    tensors: dict[str, torch.Tensor] = {}
    for fold, own in folds.items():
        tensors[f"{fold}.expected"] = torch.as_tensor(own.constants.expected)
        tensors |= {f"{fold}.{name}": tensor.contiguous() for name, tensor in own.tensors.items()}
    out_dir = Path(out_dir)
    with atomic_path(out_dir / FOLDER[0]) as path:
        save_file(tensors, path)
    with atomic_path(out_dir / FOLDER[2]) as path:
        table.assign(masked=masked).to_parquet(path, index=False)
    write_json(written, out_dir / FOLDER[1])


class AkitaMap(EditableMap):
    """Akita applied to a sample.

    A pair is its expected, of the training maps at its distance, times what the network makes of
    the windows that hold it, on the mean. An edited chromosome is predicted from its sequence as
    cut and joined. Where an edit replaces bins, they become N (`zero`) or random bases of the
    composition of ten bins on either side (`average`; the article replaces motifs by random bases);
    an edit of kind orientation reverses and complements its bins in place (the article's inversion
    of motifs).

    Parameters
    ----------
    folder : path
        Written by `apply_akita`.
    observed : NormalizedMap, optional
        The sample's own map: its masked bins are masked.
    name : str
    device : str

    Raises
    ------
    CheckpointError
        The folder is not whole.
    InputError
        The map has other bins.
    """

    cuts_bins = True

    def __init__(
        self,
        folder: str | Path,
        observed: NormalizedMap | None = None,
        *,
        name: str,
        device: str = "cpu",
    ) -> None:
        folder = Path(folder)
        try:
            config = json.loads((folder / FOLDER[1]).read_text())
            tensors = load_file(folder / FOLDER[0])
            table = read_parquet(folder / FOLDER[2])
            self._targets, genome_path = config["targets"], config["genome"]
            self._expected, self._fitted = {}, {}
            for fold, own in config["folds"].items():
                state = {
                    k.partition(".")[2]: t for k, t in tensors.items() if k.startswith(f"{fold}.")
                }
                self._expected[int(fold)] = state.pop("expected").numpy()
                self._fitted[int(fold)] = FittedAkita.of_tensors(
                    _settings(own),
                    state,
                    mirrored=np.array([]),
                    n_distances=own["n_distances"],
                    device=device,
                )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise CheckpointError(
                f"{folder} is no predictor applied to a sample ({error!r}); expected "
                f"{', '.join(FOLDER)}: apply it again"
            ) from error
        self._genome = Genome(genome_path)
        self.bins = Bins(table, int(config["resolution"]), source=str(folder))
        self.observed = observed
        if observed is not None:
            if not self.bins.match(observed.bins):
                raise InputError(
                    f"{observed.path} has bins of {observed.resolution} bp ({observed.assembly}), "
                    f"{folder} of {self.bins.resolution} bp ({config['assembly']}); a predictor "
                    "is applied at the resolution and on the assembly that it was trained at"
                )
            self.bins = self.bins.with_mask(self.bins.masked | observed.bins.masked)
        self.name, self.sample, self.norm = name, config["sample"], config["norm"]
        self.assembly, self.ignore_diags = config["assembly"], int(config["ignore_diags"])
        self.seed, self.max_distance = float(config["seed"]), int(config["max_distance"])
        self.held_out = tuple(map(tuple, config["held_out"])) or None
        self.fold_of: dict[str, int] = config["fold_of"]
        self.context = max(f.context for f in self._fitted.values()) * self.bins.resolution
        self._edited: tuple[EditedChromosome | None, np.ndarray] = (None, np.array([]))

    def band(self, chrom, lo, hi, *, max_dist=None, edited=None):
        """Predicted contact strength; see `MapSource.band`."""
        source = np.arange(*self.bins.extent(chrom)) if edited is None else edited.source
        mask = self.bins.masked[source]
        n_dist = n_distances(self, len(mask), lo, max_dist)
        fold, fitted = self.fold_of.get(chrom, 0), self.fitted(chrom)
        window, resolution = fitted.settings.window, self.bins.resolution
        ends = self._ends(chrom, edited)

        def read(first: int) -> np.ndarray:
            # A window begins where its first bin does; what an edit leaves of cut bins shifts the
            # others by half a bin at most.
            start = ends[min(max(first, 0), len(ends) - 1)] + min(first, 0) * resolution
            return self.read(chrom, int(start), window * resolution, edited)

        ratio = fitted.log_ratio_rows(
            read,
            len(mask),
            lo,
            hi,
            n_dist,
            targets=self._targets,
            key=(chrom, edited),
        )
        band = self._expected[fold][:n_dist, None].astype(np.float32) * np.exp(ratio)
        blank_band(band, mask, lo, hi, self.ignore_diags)
        return band

    def fitted(self, chrom: str) -> FittedAkita:
        """The network that predicts a chromosome."""
        return self._fitted[self.fold_of.get(chrom, 0)]

    def own_target(self, maps: np.ndarray) -> np.ndarray:
        """The sample's map (size, size) of those of all heads (n_targets, size, size)."""
        return maps[self._targets].mean(axis=0)

    def read(
        self, chrom: str, start: int, length: int, edited: EditedChromosome | None = None
    ) -> np.ndarray:
        """Codes (length,), uint8, of a window of a chromosome, or of its edited form."""
        if edited is None:
            return self._genome.read(chrom, start, start + length)
        codes = np.full(length, N, np.uint8)
        at = 0
        for piece in edited.pieces:
            a, b = max(start, at), min(start + length, at + piece.end - piece.start)
            if a < b:
                codes[a - start : b - start] = self._spell(piece, a - at, b - at)
            at += piece.end - piece.start
        if edited.replaced.any():
            self._replace(codes, start, chrom, edited)
        return codes

    def layout(self, edited):
        """The edited chromosome itself; see `EditableMap.layout`."""
        return edited

    def _ends(self, chrom: str, edited: EditedChromosome | None) -> np.ndarray:
        """First bp of each position, and one past the last."""
        if edited is None:
            first, last = self.bins.extent(chrom)
            starts = self.bins["start"].to_numpy()[first:last]
            return np.append(starts, self.bins["end"].to_numpy()[last - 1])
        if self._edited[0] is not edited:
            length = (self.bins["end"] - self.bins["start"]).to_numpy()[edited.source]
            for position, pieces in edited.parts.items():
                length[position] = sum(piece.end - piece.start for piece in pieces)
            self._edited = edited, np.append(0, np.cumsum(length))
        return self._edited[1]

    def _spell(self, piece: Piece, lo: int, hi: int) -> np.ndarray:
        """Codes of the bases [lo, hi) of a piece."""
        if piece.strand == "+":
            return self._genome.read(piece.chrom, piece.start + lo, piece.start + hi)
        return reverse_complement(self._genome.read(piece.chrom, piece.end - hi, piece.end - lo))

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
            raise InputError(
                f"edit '{edit.edit}': method {edit.method} replaces a vector that the predictor "
                f"'{self.name}' does not have; use average, zero or shift"
            )


def open_akita(
    model_dir: str | Path,
    map_path: str | Path | None,
    *,
    name: str,
    device: str = "cpu",
    mode: str = "lifted",
    motifs: pd.DataFrame | None = None,
) -> AkitaMap:
    """Open the folder of a run of Akita; parameters as for `open.open_source`.

    Sequence moves with its bins in every mode; `motifs` are not read.

    Raises
    ------
    InputError
        A mode of representations.
    """
    if mode != "lifted":
        raise InputError(f"perturbation mode '{mode}' is of representations; '{name}' takes lifted")
    observed = NormalizedMap(map_path) if map_path else None
    return AkitaMap(model_dir, observed, name=name, device=device)


def _settings(config: dict):
    options = {k: v for k, v in config["settings"].items() if k != "preset"}
    return model_settings(config["model"], **options)
