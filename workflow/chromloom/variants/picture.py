"""What a picture of a variant or of a locus shows beside maps: tracks, genes, pieces."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.edits.edit import Edit
from chromloom.edits.pieces import Piece, length, take
from chromloom.perturbation.perturb import contiguous_maps
from chromloom.prediction.open import open_source
from chromloom.signals.store import SignalStore
from chromloom.signals.tracks import read_track
from chromloom.variants.score import predict_variant

MOST_SIGNALS = 4
MOST_BASES = 12  # in a title


def variant_maps(
    models: Mapping[str, tuple[str | Path, str | Path]],
    edit: Edit,
    *,
    flank: int,
    zygosity: str = "homozygous",
    mode: str = "lifted",
    motifs: pd.DataFrame | None = None,
    device: str = "cpu",
) -> tuple[dict[str, tuple[np.ndarray, np.ndarray] | str], pd.DataFrame, list[list[Piece]]]:
    """Predict a variant by several models, on the reference bins around its first end.

    Parameters
    ----------
    models : mapping
        Name -> folder of the model, map of the sample.
    edit : Edit
    flank, zygosity, mode, motifs, device
        See `score.score_variants`.

    Returns
    -------
    maps : dict
        Name -> wild type and edited, (k, k) of contact strength, upper triangle; or the reason why
        the model cannot say.
    bins : DataFrame
        chrom, start, end of the k bins.
    pieces : list of lists of Piece
        Of each edited chromosome; empty where no model can say.
    """
    found: dict[str, tuple[np.ndarray, np.ndarray] | str] = {}
    windows: dict[str, tuple[np.ndarray, list[np.ndarray]]] = {}
    bins, pieces = pd.DataFrame(columns=["chrom", "start", "end"]), list[list[Piece]]()
    for name, (folder, map_path) in models.items():
        source = open_source(folder, map_path, name=name, device=device, mode=mode, motifs=motifs)
        prediction = predict_variant(source, edit, flank=flank, zygosity=zygosity)
        if isinstance(prediction, str):
            found[name] = prediction
            continue
        found[name] = ""  # keeps its place
        windows[name] = contiguous_maps(prediction, source)
        pieces = [list(one.edited.pieces) for one in prediction.chromosomes]
        table = source.bins.table
    if windows:
        # Cut bins make windows of one model a bin longer or shorter than those of another.
        common = sorted(set.intersection(*(set(run.tolist()) for run, _ in windows.values())))
        bins = table.iloc[common][["chrom", "start", "end"]].reset_index(drop=True)
        for name, (run, maps) in windows.items():
            at = np.searchsorted(run, common)
            wild_type, edited = (values[np.ix_(at, at)] for values in maps)
            found[name] = (wild_type, edited)
    return found, bins, pieces


def variant_table(
    maps: Mapping[str, tuple[np.ndarray, np.ndarray] | str], bins: pd.DataFrame
) -> pd.DataFrame:
    """The numbers of a picture: model, start1, start2 (bp), wild_type, edited, of known pairs."""
    start = bins["start"].to_numpy()
    tables = []
    for model, pair in maps.items():
        if isinstance(pair, str):
            continue
        i, j = np.nonzero(np.isfinite(pair[0]) | np.isfinite(pair[1]))
        columns = {"start1": start[i], "start2": start[j], "wild_type": pair[0][i, j]}
        tables.append(pd.DataFrame({"model": model, **columns, "edited": pair[1][i, j]}))
    names = ["model", "start1", "start2", "wild_type", "edited"]
    return pd.concat(tables) if tables else pd.DataFrame(columns=names)


def variant_title(edit: Edit, zygosity: str) -> str:
    """What a picture of a variant is called: its name, kind, places and, if few, its bases."""
    places = f"{edit.chrom}:{edit.start:,}-{edit.end:,}"
    if edit.kind == "translocation":
        places = f"{edit.chrom}:{edit.start:,} and {edit.chrom2}:{edit.start2:,}"
    elif edit.kind == "insertion":
        places = f"of {edit.chrom2}:{edit.start2:,}-{edit.end2:,} at {edit.chrom}:{edit.start:,}"
    bases = ""
    if edit.kind == "substitution" and max(len(edit.ref), len(edit.alt)) <= MOST_BASES:
        bases = f", {edit.ref or '-'} to {edit.alt or '-'}"
    return f"{edit.edit}: {zygosity} {edit.kind} {places}{bases}"


def shown_pieces(pieces: Sequence[Piece], bins: pd.DataFrame) -> list[tuple[int, str]]:
    """Length and label of the pieces of an edited chromosome around a variant.

    Of the outer pieces only what lies next to the variant is shown, and named: a third of the
    picture's width. A chromosome of one piece is shown where the picture is.
    """
    if not pieces or not len(bins):
        return []
    start, end = int(bins["start"].iloc[0]), int(bins["end"].iloc[-1])
    reach = (end - start) // 3
    if len(pieces) == 1:
        shown = take(pieces, start, end) or pieces
    else:
        left = max(length(pieces[:1]) - reach, 0)
        shown = take(pieces, left, length(pieces[:-1]) + reach)
    named = []
    for piece in shown:
        turned = " -" if piece.strand == "-" else ""
        text = f"{piece.chrom}\n{piece.start / 1e6:.2f}-\n{piece.end / 1e6:.2f}{turned}"
        if piece.bases:
            text = piece.bases if len(piece.bases) <= 10 else f"{piece.bases[:9]}…"
        named.append((piece.end - piece.start, text))
    return named


def add_tracks(
    bins: pd.DataFrame,
    files: Mapping[str, str | Path],
    chromsizes: pd.Series,
    store_path: str | Path | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Bins of one region with a column per track.

    Parameters
    ----------
    bins : DataFrame
        chrom, start, end.
    files : mapping
        Name -> bigWig or bedGraph.
    chromsizes : Series
    store_path : path, optional
        Store of signals, of which the first four are shown.

    Returns
    -------
    bins : DataFrame
    tracks : list of str
        Names of the columns that were added.
    """
    columns = {name: read_track(path, bins, chromsizes) for name, path in files.items()}
    if store_path and len(bins):
        chrom, lo = bins["chrom"].iloc[0], int(bins["start"].iloc[0])
        with SignalStore(store_path) as store:
            size, names = store.bin_size, store.signals[:MOST_SIGNALS]
            step = int((bins["end"] - bins["start"]).max()) // size
            values = store.read(chrom, lo // size, lo // size + len(bins) * step, names)
        highest = np.fmax.reduce(values.reshape(len(names), len(bins), step), axis=2)
        columns |= dict(zip(names, highest))
    return bins.assign(**columns), list(columns)


def inside(table: pd.DataFrame, bins: pd.DataFrame) -> pd.DataFrame:
    """Rows of a table (chrom, start, end) that touch the region of some bins."""
    if not len(bins):
        return table.iloc[:0]
    on = table["chrom"].astype(str) == str(bins["chrom"].iloc[0])
    return table[
        on & (table["end"] > bins["start"].iloc[0]) & (table["start"] < bins["end"].iloc[-1])
    ]
