"""`chromloom`: what a trained model can do, without Snakemake. The same library calls as the rules.

    chromloom predict MODEL MAP OUT.mcool [--region chr21:30,000,000-32,000,000]
    chromloom attribute MODEL OUT_FOLDER
    chromloom edit MODEL MAP EDITS OUT_FOLDER
    chromloom compare MAP MAP OUT.tsv
    chromloom motifs GENOME.fa OUT.bed
    chromloom windows MAP GENOME.fa.gz OUT_FOLDER
    chromloom mutate MODEL SITES.bed OUT.tsv
    chromloom import PUBLISHED.pth hg19.chrom.sizes OUT_FOLDER
    chromloom view STUDY_FOLDER

MODEL is the folder of a trained model, MAP a normalized map.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from chromloom import __version__
from chromloom.errors import InputError, explain
from chromloom.logs import setup_logging


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status, 1 after an error that has been shown."""
    options = _parser().parse_args(arguments)
    setup_logging()
    try:
        _check_files(options)
        options.run(options)
    except Exception as error:
        reason = explain(error)
        if reason is None:
            raise
        sys.stderr.write(f"chromloom: {reason}\n")
        return 1
    return 0


def _check_files(options: argparse.Namespace) -> None:
    """Refuse files and folders that are to be read and are not there."""
    for name, value in vars(options).items():
        for path in value if isinstance(value, list) else [value]:
            if isinstance(path, Path) and name != "out" and not path.exists():
                raise InputError(f"{name} {path} does not exist; correct its path")


def _whole(low: int) -> Callable[[str], int]:
    """Reader of a whole number from `low` on."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < low:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low}")
        return int(text)

    return read


def _p_value(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a p-value, above 0 and at most 1")
    return value


def _predict(options: argparse.Namespace) -> None:
    from chromloom.prediction.export import predict_map

    predict_map(
        options.model,
        options.map,
        options.out,
        region=options.region,
        max_distance=options.max_distance,
    )


def _attribute(options: argparse.Namespace) -> None:
    from chromloom.attribution.attribute import attribute

    attribute(
        options.model,
        options.out / "importance.bw",
        options.out / "importance.parquet",
        out_normalised_bw=options.out / "importance.normalised.bw",
        out_raw_bw=options.out / "importance.raw.bw",
        chroms=options.chrom or None,
        baseline=options.baseline,
        max_distance=options.max_distance,
        device=options.device,
    )


def _edit(options: argparse.Namespace) -> None:
    from chromloom.perturbation.perturb import perturb

    perturb(
        options.model,
        options.map,
        options.edits,
        options.out,
        flank=options.flank,
        device=options.device,
    )
    _draw_edits(options.out)


def _draw_edits(folder: Path) -> None:
    from chromloom.files import read_tsv
    from chromloom.plotting.perturbation import plot_edit
    from chromloom.plotting.style import apply_style, save_figure

    apply_style()
    for edit in read_tsv(folder / "perturbation.tsv")["edit"].unique():
        table = read_tsv(folder / edit / "maps.tsv")
        save_figure(plot_edit(table, title=edit), None, folder / edit / "maps")


def _motifs(options: argparse.Namespace) -> None:
    from chromloom.sequence.motifs import find_motifs

    find_motifs(options.fasta, options.out, matrices=options.matrices, threshold=options.threshold)


def _windows(options: argparse.Namespace) -> None:
    from chromloom.normalize.maps import NormalizedMap
    from chromloom.sequence.contigs import read_sequences_bed
    from chromloom.training.windows import TargetSettings, write_windows

    windows = None
    if options.sequences:
        chromsizes = NormalizedMap(options.map).bins.chromsizes
        windows = read_sequences_bed(options.sequences, chromsizes)
    write_windows(
        [options.map, *(options.also or [])],
        options.genome,
        options.out,
        length=options.length,
        settings=TargetSettings(crop=options.crop),
        windows=windows,
        seed=options.seed,
    )


def _mutate(options: argparse.Namespace) -> None:
    from chromloom.files import write_tsv
    from chromloom.genome.intervals import read_intervals
    from chromloom.perturbation.motifs import mutate_motifs, rank_motifs
    from chromloom.prediction.open import open_source

    source = open_source(options.model, None, device=options.device)
    sites = read_intervals(options.sites, "bed", source.bins.chromsizes, what="motif file")
    table = mutate_motifs(source, sites, chroms=options.chrom, draws=options.draws)
    write_tsv(table, options.out)
    write_tsv(rank_motifs(table), options.out.with_suffix(".ranked.tsv"))


def _import(options: argparse.Namespace) -> None:
    from chromloom.genome.assembly import read_chromsizes
    from chromloom.models.hiclstm.released import import_published

    import_published(options.checkpoint, options.out, chromsizes=read_chromsizes(options.sizes))


def _compare(options: argparse.Namespace) -> None:
    from chromloom.evaluation.maps import evaluate_maps
    from chromloom.files import write_tsv

    table, _ = evaluate_maps(options.map, {}, against=[options.other])
    write_tsv(table, options.out)


def _view(options: argparse.Namespace) -> None:
    from chromloom.viewer.server import view

    view(options.study, genes=options.genes, port=options.port, open_browser=options.browser)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="chromloom", description=__doc__.splitlines()[0])
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, run, text, *positional):
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        for name_, help_ in positional:
            sub.add_argument(name_, type=Path, help=help_)
        return sub

    model = ("model", "folder of a trained model")
    observed = ("map", "normalized map (.cool) that the model was trained on")
    some_map = ("map", "normalized map (results/normalized/….cool)")
    distance = {"type": _whole(1), "metavar": "BP", "help": "only pairs up to this distance"}
    device = {"choices": ("auto", "cpu", "cuda"), "default": "auto"}

    sub = command(
        "predict", _predict, "predict contact strength to .mcool", model, observed,
        ("out", ".mcool to write"),
    )  # fmt: skip
    sub.add_argument("--region", metavar="CHROM[:START-END]", help="by default the whole genome")
    sub.add_argument("--max-distance", **distance)

    sub = command(
        "attribute", _attribute, "importance of every bin for the predicted map, as bigWig", model,
        ("out", "folder for importance.bw, .normalised.bw, .raw.bw and .parquet"),
    )  # fmt: skip
    sub.add_argument("--chrom", action="append", help="chromosome, may be repeated; default all")
    sub.add_argument("--baseline", choices=("mean", "local", "zero", "padding"), default="mean")
    sub.add_argument("--max-distance", **distance)
    sub.add_argument("--device", **device)

    sub = command(
        "edit", _edit, "predict the map after edits of the genome", model, observed,
        ("edits", "BED, BEDPE, VCF or TSV"), ("out", "folder, one folder per edit in it"),
    )  # fmt: skip
    sub.add_argument(
        "--flank", type=_whole(0), default=2_000_000, metavar="BP", help="default 2,000,000"
    )
    sub.add_argument("--device", **device)

    command(
        "compare", _compare, "agreement of two samples' maps by distance", some_map,
        ("other", "normalized map of the same assembly and resolution"), ("out", ".tsv to write"),
    )  # fmt: skip

    sub = command(
        "motifs", _motifs, "find CTCF motifs, for perturbation.motifs and edits of orientation",
        ("fasta", "genome sequence, gzipped or not"), ("out", "BED6 file to write"),
    )  # fmt: skip
    sub.add_argument(
        "--matrices", type=Path, metavar="PATH",
        help="other motifs: MEME, JASPAR or HOMER text, or a folder of such files",
    )  # fmt: skip
    sub.add_argument(
        "--threshold", type=_p_value, default=1e-4, help="largest p-value, default 1e-4"
    )

    sub = command(
        "windows", _windows, "windows and targets of maps as Akita published them", some_map,
        ("genome", "results/sequence/….fa.gz"),
        ("out", "folder for sequences.bed, statistics.json and targets.h5"),
    )  # fmt: skip
    sub.add_argument("--also", type=Path, action="append", help="a further map; may be repeated")
    sub.add_argument(
        "--length", type=_whole(1), default=1 << 20, metavar="BP", help="default 1,048,576"
    )
    sub.add_argument(
        "--crop", type=_whole(0), default=32, metavar="BINS", help="on each side, default 32"
    )
    sub.add_argument("--sequences", type=Path, metavar="BED", help="windows to take, as published")
    sub.add_argument("--seed", type=_whole(0), default=1, help="of dealing contigs to roles")

    sub = command(
        "mutate", _mutate, "mutate motifs in the sequence that Akita reads, and rank them",
        ("model", "folder of a run of akita-paper or akita-small"),
        ("sites", "BED of motifs with their names, as `chromloom motifs` writes it"),
        ("out", ".tsv to write, by window; means by motif go to ….ranked.tsv beside it"),
    )  # fmt: skip
    sub.add_argument("--chrom", action="append", help="may be repeated; default what was held out")
    sub.add_argument(
        "--draws", type=_whole(1), default=3, help="random sequences of a motif, default 3"
    )
    sub.add_argument("--device", **{**device, "default": "cpu"})

    command(
        "import", _import, "turn the published Hi-C-LSTM of GM12878 into the folder of a model",
        ("checkpoint", "published .pth file"),
        ("sizes", "chromosome lengths of hg19 (name and bp, tab-separated)"), ("out", "folder"),
    )  # fmt: skip

    sub = command(
        "view", _view, "look at the maps, tracks, genes and variants of a study in the browser",
        ("study", "folder that the workflow ran in, with results/"),
    )  # fmt: skip
    sub.add_argument("--genes", type=Path, metavar="FILE", help="GTF, GFF3, BED or table")
    sub.add_argument("--port", type=_whole(0), default=8890, help="default 8890; 0 for any")
    sub.add_argument(
        "--no-browser", dest="browser", action="store_false", help="only say the address"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
