"""A simulated genome on disk: maps, assembly, labels, signals, edits and the truth.

File formats are those that real data comes in, down to missing `chr` prefixes in the lists of
loops and domains (which come so from juicer's tools), so that one reader reads both.
"""

import gzip
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chromloom.edits.edit import Edit
from chromloom.edits.pieces import Piece, lift_pieces
from chromloom.errors import InputError
from chromloom.files import atomic_path, write_json, write_tsv
from chromloom.genome.bins import make_bins
from chromloom.signals.tracks import write_bigwig, write_steps
from chromloom.simulate import elements
from chromloom.simulate.contacts import reads_per_intensity, sample_pixels
from chromloom.simulate.edits import edited_genome, rearrange
from chromloom.simulate.plan import (
    COVERS,
    POINTS,
    SUBCOMPARTMENTS,
    Plan,
    make_plan,
    other_cell_type,
)
from chromloom.simulate.sequence import write_fasta
from chromloom.simulate.write_expression import write_expression

logger = logging.getLogger(__name__)

RAO_SCORE = {"A1": 2, "A2": 1, "B1": -1, "B2": -2, "B3": -3, "NA": 0}
"""Column 5 of Rao's subcompartment BED."""


@dataclass(frozen=True)
class Sample:
    """One map to write.

    Attributes
    ----------
    sample : str
        File name without suffix.
    cell_type : str
        The first cell type of a genome is the plan as drawn, others are derived from it.
    contacts : int
        Reads on average.
    form : str
        hic (version 9), mcool, cool, or pairs (gzipped text; keep it shallow).
    replicate : int
        Samples of one cell type with different numbers are independent.
    edit : mapping, optional
        Fields of `Edit` but its name: the genome is edited so, and its reads are mapped to the
        reference, where copies of a locus fall together.
    """

    sample: str
    cell_type: str
    contacts: int
    form: str
    replicate: int = 0
    edit: Mapping | None = None


SAMPLES = (
    Sample("A", "A", 6_000_000, "hic"),
    Sample("A_rep2", "A", 6_000_000, "mcool", 1),
    Sample("B", "B", 400_000, "pairs"),
)
"""Default maps: two replicates of one cell type and a shallow map of another."""


def simulate_genome(
    out_dir: str | Path,
    *,
    seed: int,
    chromsizes: Mapping[str, int] | None = None,
    resolution: int = 10_000,
    resolutions: Sequence[int] | None = None,
    samples: Iterable[Sample | Mapping] = SAMPLES,
    fasta: bool | Iterable[str] = False,
    expression: bool = False,
    name: str = "simulated",
) -> None:
    """Simulate a genome and write it as a study would find it.

    Parameters
    ----------
    out_dir : Path
        Gets `{name}/` (chrom.sizes, centromeres.bed, blacklist.bed: an assembly folder; and
        `genome.fa`), `contacts/`, `labels/`, `signals/`, `edits.bed` and `truth/` (whose README
        names every column).
    seed : int
        The same seed and sizes give the same genome and the same reads.
    chromsizes : mapping, optional
        Chromosome name -> length (bp).
    resolution : int
        Bins of the contact model (bp), the finest of the maps.
    resolutions : sequence of int, optional
        Bins in .hic and .mcool files; by default `resolution` alone.
    samples : iterable of Sample (or of mappings with its fields)
    fasta : bool or iterable of str
        Write the sequence of all chromosomes (True), of some, or of none (the default: it takes a
        byte a base).
    expression : bool
        Write the folder `expression` (`write_expression`), in which enhancers act through contacts.
    name : str
        Assembly name.

    Raises
    ------
    InputError
        An unknown form, a sample named twice, a resolution that is not a multiple of the finest.
    """
    out_dir = Path(out_dir)
    drawn = [s if isinstance(s, Sample) else Sample(**s) for s in samples]
    resolutions = sorted(resolutions or [resolution])
    _check(drawn, resolution, resolutions)
    plans = plan_cell_types(
        seed, [s.cell_type for s in drawn], chromsizes=chromsizes, resolution=resolution
    )
    first = next(iter(plans.values()))
    write_assembly(first, out_dir / name)
    if fasta:
        write_fasta(first, out_dir / name / "genome.fa", chroms=None if fasta is True else fasta)
    scales = {}
    for sample in drawn:
        plan = plans[sample.cell_type]
        scales[sample.sample] = reads_per_intensity(plan, sample.contacts)
        options: dict[str, Any] = {"scale": scales[sample.sample], "seed": seed}
        options["replicate"] = sample.replicate
        if sample.edit:
            pixels = edited_pixels(plan, Edit(sample.sample, **sample.edit), **options)
        else:
            pixels = pd.concat(sample_pixels(plan, **options), ignore_index=True)
        write_map(plan, pixels, out_dir / "contacts", sample, resolutions, assembly=name)
        logger.info("%s: %d reads in %d pixels", sample.sample, pixels["count"].sum(), len(pixels))
    for plan in plans.values():
        write_labels(plan, out_dir / "labels")
        write_signals(plan, out_dir / "signals")
        write_truth(plan, out_dir / "truth" / plan.cell_type)
    table = pd.DataFrame([asdict(sample) for sample in drawn])
    write_tsv(table.assign(scale=table["sample"].map(scales)), out_dir / "truth" / "samples.tsv")
    with atomic_path(out_dir / "truth" / "README.md") as path:
        path.write_text(TRUTH_README)
    write_edits(first, out_dir / "edits.bed")
    if expression:
        write_expression(plans, out_dir / "expression")


def edited_pixels(
    plan: Plan, edit: Edit, *, scale: float, seed: int, replicate: int = 0
) -> pd.DataFrame:
    """Draw reads of the edited genome and map them to the reference.

    Parameters
    ----------
    plan : Plan
        Before the edit.
    edit : Edit
        See `edited_genome`.
    scale, seed, replicate
        As for `sample_pixels`; the same scale gives a copy as many reads as the wild type has.

    Returns
    -------
    DataFrame
        bin1_id, bin2_id (reference, bin1_id <= bin2_id), count; sorted. Bins whose middle lies in
        a reference bin are taken for that bin.
    """
    pieces = edited_genome(plan, edit)
    changed = rearrange(plan, pieces)
    reads = pd.concat(sample_pixels(changed, scale=scale, seed=seed, replicate=replicate))
    lift = pd.concat(
        lift_pieces(pieces.get(chrom, [Piece(chrom, 0, int(size))]), chrom, plan.resolution)
        for chrom, size in changed.chromsizes.items()
    )
    offsets = dict(
        zip(plan.chromsizes.index, np.cumsum([0, *map(plan.n_bins, plan.chromsizes.index)]))
    )
    bin_id = (lift["ref_start"] // plan.resolution + lift["ref_chrom"].map(offsets)).to_numpy()
    ends = np.sort(bin_id[reads[["bin1_id", "bin2_id"]].to_numpy()], axis=1)
    pixels = pd.DataFrame(
        {"bin1_id": ends[:, 0], "bin2_id": ends[:, 1], "count": reads["count"].to_numpy()}
    )
    return pixels.groupby(["bin1_id", "bin2_id"], as_index=False, sort=True)["count"].sum()


def plan_cell_types(
    seed: int,
    cell_types: Iterable[str],
    *,
    chromsizes: Mapping[str, int] | None = None,
    resolution: int = 10_000,
) -> dict[str, Plan]:
    """Cell type -> plan: the first as drawn from the seed, the others derived from it."""
    names = list(dict.fromkeys(cell_types))
    first = make_plan(seed, chromsizes=chromsizes, resolution=resolution, cell_type=names[0])
    others = {
        name: other_cell_type(first, name, seed=k) for k, name in enumerate(names[1:], start=1)
    }
    return {names[0]: first, **others}


def _check(samples: list[Sample], resolution: int, resolutions: Sequence[int]) -> None:
    names = [s.sample for s in samples]
    if not names or len(set(names)) < len(names):
        raise InputError(f"simulated samples are {names}; expected one or more different names")
    for sample in samples:
        if sample.form not in WRITERS:
            raise InputError(
                f"sample '{sample.sample}': form '{sample.form}' is not known; expected one of "
                f"{', '.join(WRITERS)}"
            )
    for value in resolutions:
        if value % resolution:
            raise InputError(
                f"resolution {value} is not a multiple of the simulated bins of {resolution} bp; "
                "choose finer bins or another resolution"
            )


def write_assembly(plan: Plan, folder: Path) -> None:
    """chrom.sizes, centromeres.bed (the longest gap of each chromosome), blacklist.bed."""
    _write_table(plan.chromsizes.reset_index(), folder / "chrom.sizes")
    gaps = plan.gaps.assign(length=plan.gaps["end"] - plan.gaps["start"])
    longest = gaps.loc[gaps.groupby("chrom", sort=False)["length"].idxmax()]
    _write_table(longest[["chrom", "start", "end"]], folder / "centromeres.bed")
    _write_table(plan.blacklist[["chrom", "start", "end"]], folder / "blacklist.bed")


def write_map(
    plan: Plan,
    pixels: pd.DataFrame,
    folder: Path,
    sample: Sample,
    resolutions: Sequence[int],
    *,
    assembly: str,
) -> Path:
    """Write one map (`pixels` at the plan's grain) in the sample's form; returns its path."""
    suffix = {"pairs": "pairs.gz"}.get(sample.form, sample.form)
    path = folder / f"{sample.sample}.{suffix}"
    with atomic_path(path) as temporary:
        WRITERS[sample.form](plan, pixels, temporary, resolutions, assembly)
    return path


def coarsen(plan: Plan, pixels: pd.DataFrame, resolution: int) -> pd.DataFrame:
    """Sum pixels at the plan's grain into those of a coarser resolution, sorted."""
    if resolution == plan.resolution:
        return pixels
    fine = make_bins(plan.chromsizes, plan.resolution)
    coarse = make_bins(plan.chromsizes, resolution)
    first = coarse.groupby("chrom", sort=False, observed=True).head(1)
    offset = dict(zip(first["chrom"], first.index))
    bin_id = fine["start"].to_numpy() // resolution + fine["chrom"].map(offset).to_numpy(dtype=int)
    key = bin_id[pixels["bin1_id"]] * len(coarse) + bin_id[pixels["bin2_id"]]
    key, where = np.unique(key, return_inverse=True)
    count = np.bincount(where, weights=pixels["count"]).astype(np.int32)
    bin1, bin2 = np.divmod(key, len(coarse))
    return pd.DataFrame({"bin1_id": bin1, "bin2_id": bin2, "count": count})


def _write_cool(
    plan: Plan, pixels: pd.DataFrame, path: Path, resolutions: Sequence[int], assembly: str
) -> None:
    import cooler

    cooler.create_cooler(
        str(path),
        make_bins(plan.chromsizes, plan.resolution),
        pixels,
        ordered=True,
        assembly=assembly,
    )


def _write_mcool(
    plan: Plan, pixels: pd.DataFrame, path: Path, resolutions: Sequence[int], assembly: str
) -> None:
    import cooler

    for resolution in resolutions:
        cooler.create_cooler(
            f"{path}::resolutions/{resolution}",
            make_bins(plan.chromsizes, resolution),
            coarsen(plan, pixels, resolution),
            ordered=True,
            assembly=assembly,
            mode="a",
        )
    _mark_mcool(path)


def _mark_mcool(path: Path) -> None:
    import h5py

    with h5py.File(path, "r+") as file:
        file.attrs.update({"format": "HDF5::MCOOL", "format-version": 2})


def _write_hic(
    plan: Plan, pixels: pd.DataFrame, path: Path, resolutions: Sequence[int], assembly: str
) -> None:
    import hictkpy

    sizes = {name: int(length) for name, length in plan.chromsizes.items()}
    with hictkpy.hic.FileWriter(
        path,
        sizes,
        list(resolutions),
        assembly=assembly,
        compression_lvl=1,
        tmpdir=path.parent,
        skip_all_vs_all_matrix=True,
    ) as writer:
        writer.add_pixels(coarsen(plan, pixels, min(resolutions)), validate=False)


def _write_pairs(
    plan: Plan, pixels: pd.DataFrame, path: Path, resolutions: Sequence[int], assembly: str
) -> None:
    """One line per read, 1-based positions drawn within the bins, sorted by position."""
    rng = np.random.default_rng([plan.seed, 3])
    bins = make_bins(plan.chromsizes, plan.resolution)
    reads = pixels.loc[pixels.index.repeat(pixels["count"]), ["bin1_id", "bin2_id"]].to_numpy()
    start, end = (bins[column].to_numpy()[reads] for column in ("start", "end"))
    position = rng.integers(start, end) + 1
    number = {name: k for k, name in enumerate(plan.chromsizes.index)}
    code = bins["chrom"].astype(str).map(number).to_numpy()[reads]
    same = reads[:, 0] == reads[:, 1]
    position[same] = np.sort(position[same], axis=1)
    order = np.lexsort([position[:, 1], position[:, 0], code[:, 1], code[:, 0]])
    names = plan.chromsizes.index.to_numpy()
    strand = np.array(["+", "-"])[rng.integers(0, 2, (len(reads), 2))]
    header = ["## pairs format v1.0", "#sorted: chr1-chr2-pos1-pos2", "#shape: upper triangle"]
    header += [f"#genome_assembly: {assembly}"]
    header += [f"#chromsize: {name} {length}" for name, length in plan.chromsizes.items()]
    header += ["#columns: readID chr1 pos1 chr2 pos2 strand1 strand2"]
    table = pd.DataFrame(
        {
            "readID": ".",
            "chrom1": names[code[order, 0]],
            "pos1": position[order, 0],
            "chrom2": names[code[order, 1]],
            "pos2": position[order, 1],
            "strand1": strand[:, 0],
            "strand2": strand[:, 1],
        }
    )
    text = "\n".join(header) + "\n" + table.to_csv(sep="\t", index=False, header=False)
    _gzip(text, path)


WRITERS = {"cool": _write_cool, "mcool": _write_mcool, "hic": _write_hic, "pairs": _write_pairs}
"""Form -> function(plan, pixels, path, resolutions, assembly)."""


def write_labels(plan: Plan, folder: Path) -> None:
    """Label files of one cell type, named and laid out as their real counterparts.

    `CTCF_motifs_MA0139.1.bed.gz` holds all motifs, bound or not; everything else is prefixed by
    the cell type.
    """

    def put(table: pd.DataFrame, name: str, **options: Any) -> None:
        _write_table(table, folder / name, **options)

    cell, sites = plan.cell_type, plan.sites
    motifs = sites.assign(name="CTCF_MA0139.1", score=(10 + 10 * sites["strength"]).round(2))
    put(motifs[[*_BED, "name", "score", "strand"]], "CTCF_motifs_MA0139.1.bed.gz")
    for mark, peaks in elements.find_peaks(plan).items():
        score = (10 * peaks["signal"]).clip(upper=1000).astype(int)
        table = peaks[_BED].assign(
            name=".", score=score, strand=".", signal=peaks["signal"].round(4), p=-1, q=3.0
        )
        narrow = not mark.startswith("H3")
        if narrow:
            table["summit"] = peaks["summit"]
        put(table, f"{cell}_{mark}.{'narrow' if narrow else 'broad'}Peak.gz")
    put(_rao_subcompartments(plan), f"{cell}_subcompartments.bed.gz")
    domains = elements.find_domains(plan)
    put(_arrowhead(domains[domains["level"] == "TAD"]), f"{cell}_domainlist.txt.gz", header=True)
    loop_domains = domains[domains["loop"]]
    put(loop_domains[[*_BED, "name"]], f"{cell}_loop_domains.bed.gz")
    level = (domains["level"] == "subTAD").astype(int)
    hitad = domains[_BED].assign(chrom=_no_prefix(domains["chrom"]), level=level)
    put(hitad, f"{cell}_domains.txt.gz")
    loops = elements.find_loops(plan)
    put(_hiccups(loops), f"{cell}_looplist_with_motifs.txt.gz", header=True)
    put(loops[[*_BEDPE, "name", "score"]].round({"score": 4}), f"{cell}_loops.bedpe.gz")
    boundaries = elements.find_boundaries(plan).round({"score": 4})
    boundaries["name"] = boundaries["level"]
    put(boundaries[[*_BED, "name", "score"]], f"{cell}_boundaries.bed.gz")
    put(elements.paint_states(plan), f"{cell}_ChromHMM_25states.bed.gz")
    put(elements.find_fires(plan).round({"score": 4}), f"{cell}_fires.bed.gz")
    enhancers = plan.enhancers[plan.enhancers["activity"] >= 0.4].round({"activity": 4})
    put(enhancers[[*_BED, "name", "activity"]], f"{cell}_enhancers.bed.gz")
    _write_expression(plan, put)
    pairs = elements.find_enhancer_promoter_pairs(plan)
    named = pd.DataFrame(
        {
            f"{side}_name": [
                f"{cell}|{chrom}:{start}-{end}"
                for chrom, start, end in zip(
                    pairs["chrom"], pairs[f"{side}_start"], pairs[f"{side}_end"]
                )
            ]
            for side in ("enhancer", "promoter")
        }
    ).assign(label=pairs["label"])
    put(named, f"{cell}_TargetFinder_pairs.csv.gz", header=True, sep=",")
    timing = elements.replication_timing(plan)
    point = (timing["start"] + timing["end"]) // 2
    table = pd.DataFrame({"chrom": timing["chrom"], "start": point, "end": point + 1})
    put(table.assign(timing=timing["timing"].round(6)), f"{cell}_replication_timing.bed.gz")


_BED = ["chrom", "start", "end"]
_BEDPE = ["chrom1", "start1", "end1", "chrom2", "start2", "end2"]


def _no_prefix(chrom: pd.Series) -> pd.Series:
    return chrom.str.removeprefix("chr")


def _rao_subcompartments(plan: Plan) -> pd.DataFrame:
    """BED9 with gaps as NA."""
    rows = []
    for chrom in plan.chromsizes.index:
        cuts = plan.rows("compartments", chrom)[[*_BED, "name"]]
        gaps = plan.rows("gaps", chrom)[["start", "end"]].to_numpy()
        for row in cuts.itertuples(index=False):
            start = row.start
            for gap_start, gap_end in gaps[(gaps[:, 0] < row.end) & (gaps[:, 1] > row.start)]:
                if gap_start > start:
                    rows.append((chrom, start, gap_start, row.name))
                start = min(max(start, gap_end), row.end)
            if start < row.end:
                rows.append((chrom, start, row.end, row.name))
        rows += [(chrom, start, end, "NA") for start, end in gaps]
    table = pd.DataFrame(rows, columns=[*_BED, "name"])
    order = table["chrom"].map({c: k for k, c in enumerate(plan.chromsizes.index)})
    table = table.iloc[np.lexsort([table["start"], order])]
    colour = {name: row[5] for name, row in SUBCOMPARTMENTS.items()} | {"NA": "255,255,255"}
    return table.assign(
        score=table["name"].map(RAO_SCORE),
        strand=".",
        thick_start=table["start"],
        thick_end=table["end"],
        rgb=table["name"].map(colour),
    )


def _arrowhead(domains: pd.DataFrame) -> pd.DataFrame:
    """Juicer's domain list: both ends twice, colour, five scores (here 1)."""
    chrom, start, end = _no_prefix(domains["chrom"]), domains["start"], domains["end"]
    columns = {"chr1": chrom, "x1": start, "x2": end, "chr2": chrom, "y1": start, "y2": end}
    scores = {f"f{k}": 1.0 for k in range(1, 6)}
    return pd.DataFrame({**columns, "color": "255,255,0"}).assign(**scores)


def _hiccups(loops: pd.DataFrame) -> pd.DataFrame:
    """Juicer's loop list with motifs; columns that the plan cannot know are NA."""
    table = loops[_BEDPE].set_axis(["chr1", "x1", "x2", "chr2", "y1", "y2"], axis=1)
    table["chr1"], table["chr2"] = _no_prefix(table["chr1"]), _no_prefix(table["chr2"])
    table["color"] = "0,255,255"
    unknown = ["o", "e_bl", "e_donut", "e_h", "e_v", "fdr_bl", "fdr_donut", "fdr_h", "fdr_v"]
    table[unknown] = "NA"
    table = table.assign(
        num_collapsed=1,
        centroid1=(loops["start1"] + loops["end1"]) // 2,
        centroid2=(loops["start2"] + loops["end2"]) // 2,
        radius=0,
    )
    for side, motif, orientation, tail in (("x", "motif1", "p", "_1"), ("y", "motif2", "n", "_2")):
        table[f"motif_{side}1"], table[f"motif_{side}2"] = loops[motif], loops[motif] + 19
        table[f"sequence{'_1' if tail == '_1' else '2'}"] = "NA"
        table[f"orientation{tail}"], table[f"uniqueness{tail}"] = orientation, "u"
    return table


def _write_expression(plan: Plan, put: Callable[..., None]) -> None:
    """Gene starts (1-based, as in the real table) with counts; starts of expressed genes (BED)."""
    genes = elements.gene_expression(plan)
    rng = np.random.default_rng([plan.seed, 4])
    count = rng.poisson(200 * genes["expression"])
    table = pd.DataFrame(
        {
            "chrom": genes["chrom"],
            "tss": genes["tss"] + 1,  # 1-based, as such tables are
            "strand": genes["strand"],
            "ensg": genes["name"],
            "symbol": genes["name"],
            "count": count,
            "cpm": (1e6 * count / count.sum()).round(4),
            "expressed": genes["expressed"].astype(int),
        }
    )
    put(table, f"{plan.cell_type}_gene_tss_expression.tsv.gz", header=True)
    on = genes[genes["expressed"]]
    starts = pd.DataFrame({"chrom": on["chrom"], "start": on["tss"], "end": on["tss"] + 1})
    put(starts.assign(name=on["name"]), f"{plan.cell_type}_expressed_tss.bed.gz")


def write_signals(plan: Plan, folder: Path) -> None:
    """bigWig tracks: `elements.SIGNALS`, replication timing, GC content."""
    step = elements.SIGNAL_STEP
    for mark in elements.SIGNALS:
        path = folder / f"{plan.cell_type}_{mark}.bw"
        write_steps(elements.signal_track(plan, mark), step, path, plan.chromsizes)
    path = folder / f"{plan.cell_type}_replication_timing.bw"
    write_bigwig(elements.replication_timing(plan), "timing", path, plan.chromsizes)
    write_bigwig(plan.landscape, "gc", folder / "gc.bw", plan.chromsizes)


def write_edits(plan: Plan, path: Path) -> None:
    """BED of a deletion of a strong boundary and a tandem duplication across another one.

    Both lie on the first chromosome, on whole bins, outside gaps; column 4 is `KIND:name`.
    """
    chrom, grain = plan.chromsizes.index[0], plan.resolution
    boundaries = elements.find_boundaries(plan)
    boundaries = boundaries[(boundaries["chrom"] == chrom) & (boundaries["level"] == "TAD")]
    reach = min(1_000_000, int(plan.chromsizes[chrom]) // 10)
    ranked = _clear_of_gaps(plan, boundaries, reach)
    while ranked.empty and reach > 4 * grain:
        reach //= 2
        ranked = _clear_of_gaps(plan, boundaries, reach)
    if ranked.empty:
        raise InputError(
            f"simulated chromosome '{chrom}' has no boundary away from its gaps to edit; expected "
            "a longer chromosome or another seed"
        )
    ranked = ranked.sort_values("score", ascending=False)
    first = ranked.iloc[0]
    apart = (ranked["start"] - first["start"]).abs() >= reach
    second = ranked[apart].iloc[0] if apart.any() else first
    wide = max(2 * grain, reach // 5 // grain * grain)
    rows = [
        (
            chrom,
            first["start"] // grain * grain - grain,
            -(-first["end"] // grain) * grain + grain,
            "DEL:boundary_deletion",
        ),
        (
            chrom,
            second["start"] // grain * grain - wide,
            -(-second["end"] // grain) * grain + wide,
            "DUP:boundary_duplication",
        ),
    ]
    _write_table(pd.DataFrame(rows), path)


def _clear_of_gaps(plan: Plan, boundaries: pd.DataFrame, reach: int) -> pd.DataFrame:
    """Boundaries of one chromosome at least `reach` from its gaps and ends."""
    middle = (boundaries["start"] + boundaries["end"]) // 2
    chrom = boundaries["chrom"].iloc[0]
    clear = (middle >= reach) & (middle <= plan.chromsizes[chrom] - reach)
    for gap in plan.rows("gaps", chrom).itertuples():
        clear &= (middle <= gap.start - reach) | (middle >= gap.end + reach)
    return boundaries[clear]


def write_truth(plan: Plan, folder: Path) -> None:
    """The plan's tables and settings, and everything derived from it, as TSV."""
    for name in (*COVERS, *POINTS):
        write_tsv(getattr(plan, name), folder / f"{name}.tsv")
    settings = {
        "chromsizes": {name: int(length) for name, length in plan.chromsizes.items()},
        "resolution": plan.resolution,
        "physics": asdict(plan.physics),
        "cell_type": plan.cell_type,
        "seed": plan.seed,
    }
    write_json(settings, folder / "plan.json")
    write_tsv(elements.find_loops(plan), folder / "loops.tsv")
    write_tsv(elements.find_boundaries(plan), folder / "boundaries.tsv")
    write_tsv(elements.find_domains(plan), folder / "domains.tsv")
    write_tsv(elements.gene_expression(plan), folder / "expression.tsv")
    write_tsv(elements.find_enhancer_promoter_pairs(plan), folder / "enhancer_promoter.tsv")


def _write_table(table: pd.DataFrame, path: Path, *, header: bool = False, sep: str = "\t") -> None:
    """Text without an index; gzipped (the same bytes each time) where the name ends in .gz."""
    text = table.to_csv(sep=sep, index=False, header=header, na_rep="NA")
    with atomic_path(path) as temporary:
        if path.suffix == ".gz":
            _gzip(text, temporary)
        else:
            temporary.write_text(text)


def _gzip(text: str, path: Path) -> None:
    path.write_bytes(gzip.compress(text.encode(), compresslevel=3, mtime=0))


TRUTH_README = """\
# The truth of a simulated genome

One folder per cell type. Coordinates are 0-based half-open bp. `plan.json`: lengths, bins
of the contact model, its constants, seed.

| table | columns |
|---|---|
| compartments.tsv | chrom, start, end, name (A1 A2 B1 B2 B3), strength (of its affinity) |
| sites.tsv | CTCF motifs: chrom, start, end, name, strength (chance to stop an extruder), strand |
| genes.tsv | chrom, start, end, name, propensity (expression in full A1), strand |
| enhancers.tsv | chrom, start, end, name, activity (0 to 1) |
| gaps.tsv, blacklist.tsv | chrom, start, end |
| landscape.tsv | chrom, start, end, visibility (reads per contact), gc (0 to 1) |
| loops.tsv | chrom1 … end2 (bins), name, score (dot over surroundings), motif1 (+), motif2 (-) |
| boundaries.tsv | chrom, start, end, name, score (sum of -ln(1 - strength)), level, ctcf |
| domains.tsv | chrom, start, end, name, level (TAD, subTAD), loop (a loop joins its ends) |
| expression.tsv | chrom, tss, strand, name, expression, expressed |
| enhancer_promoter.tsv | chrom, both elements, names, passage (of extruders, 0 to 1), label |

The first seven are causes, the others follow from them; a motif of strength 0 is not bound.
`samples.tsv`: sample, cell_type, contacts, form, replicate, scale (reads per unit of the model's
intensity: the `scale` of `expected_contacts`).
"""
