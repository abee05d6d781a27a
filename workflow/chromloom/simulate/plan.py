"""The plan of a simulated genome: what is put where, drawn from a seed.

A plan holds only causes: subcompartments, CTCF sites, genes, enhancers, gaps, the visibility of
each bin, and the constants of the contact model. Whatever follows from them (contacts in
`contacts`; loops, domains, expression, replication timing in `elements`) is computed, so
that an edited plan (`edits`) needs no bookkeeping of consequences. Coordinates are 0-based
half-open bp.
"""

import functools
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.genome.bins import make_bins

CHROMSIZES = {"chr1": 30_000_000, "chr2": 25_000_000, "chr3": 20_000_000}
"""Default chromosomes (bp)."""

SUBCOMPARTMENTS = {
    #      loading on three affinity axes, transcription, replication timing, GC, share, colour
    "A1": ((1.0, 0.5, 0.0), 1.0, 1.6, 0.47, 0.22, "34,139,34"),
    "A2": ((0.8, -0.5, 0.0), 0.6, 0.7, 0.44, 0.25, "152,251,152"),
    "B1": ((-0.4, 0.0, 0.7), 0.15, -0.1, 0.41, 0.17, "220,20,60"),
    "B2": ((-1.0, 0.2, -0.3), 0.05, -1.0, 0.39, 0.20, "255,255,0"),
    "B3": ((-0.9, -0.3, -0.6), 0.03, -1.5, 0.38, 0.16, "112,128,144"),
}
"""Class -> loading, transcription factor, replication timing, GC content, share, RGB (as Rao's)."""

COVERS = ("compartments", "gaps", "blacklist", "landscape")
"""Tables that cover stretches; an edit cuts their rows."""

POINTS = ("sites", "genes", "enhancers")
"""Tables of elements; an edit drops those it breaks."""


@dataclass(frozen=True)
class Physics:
    """Constants of the contact model; `contacts` says how they enter.

    Attributes
    ----------
    polymer_bp, exponent : float
        P(s) = (1 + s / polymer_bp) ** -exponent.
    extrusion, processivity_bp : float
        Weight of contacts made by extruded loops beside the polymer's, and the mean loop size of
        an unobstructed extruder.
    residence : float
        Extra time that an extruder's leg spends at a site that blocks fully, relative to passing.
    affinity, affinity_bp : float
        Energy of compartment affinity, and the distance at which half of it is felt.
    pairing : float
        Energy of active enhancers with active promoters inside an extruded loop.
    local, local_bp : float
        Energy and range of the short-range contacts of active enhancers (FIREs).
    trans : float
        Intensity of a pair on two chromosomes, relative to P(0).
    """

    polymer_bp: float = 20_000
    exponent: float = 1.05
    extrusion: float = 3.0
    processivity_bp: float = 500_000
    residence: float = 1.8
    affinity: float = 0.6
    affinity_bp: float = 150_000
    pairing: float = 0.5
    local: float = 0.25
    local_bp: float = 60_000
    trans: float = 6e-4


@dataclass(frozen=True)
class Plan:
    """Causes of a simulated genome in one cell type; every table is sorted by chrom and start.

    Attributes
    ----------
    chromsizes : pandas.Series, int64
        Chromosome name -> length (bp).
    resolution : int
        Grain of the contact model (bp): its intensities are defined on bins of this size, coarser
        maps are sums.
    compartments : DataFrame
        chrom, start, end, name (a key of `SUBCOMPARTMENTS`), strength (about 1).
    sites : DataFrame
        CTCF motifs, 19 bp: chrom, start, end, name, strength (probability to stop an extruder's
        leg, 0 = not bound), strand. A `+` site stops the leg that moves to lower coordinates,
        a `-` site the other, so that a `+` … `-` pair (convergent) holds a loop.
    genes : DataFrame
        chrom, start, end, name, propensity (expression in full A1, arbitrary), strand.
    enhancers : DataFrame
        chrom, start, end, name, activity (0 … 1).
    gaps, blacklist : DataFrame
        chrom, start, end: nothing is mapped there; reads are artefacts there.
    landscape : DataFrame
        chrom, start, end, visibility (reads per contact, about 1), gc (0 … 1).
    physics : Physics
    cell_type : str
    seed : int
    """

    chromsizes: pd.Series
    resolution: int
    compartments: pd.DataFrame
    sites: pd.DataFrame
    genes: pd.DataFrame
    enhancers: pd.DataFrame
    gaps: pd.DataFrame
    blacklist: pd.DataFrame
    landscape: pd.DataFrame
    physics: Physics = field(default_factory=Physics)
    cell_type: str = "A"
    seed: int = 0
    _derived: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    def rows(self, table: str, chrom: str) -> pd.DataFrame:
        """The rows of one of the plan's tables on one chromosome."""
        rows = getattr(self, table)
        return rows[rows["chrom"] == chrom]

    def n_bins(self, chrom: str) -> int:
        """Number of bins of the model's grain on a chromosome; the last may be short."""
        return -(-int(self.chromsizes[chrom]) // self.resolution)


def once_per_plan(function: Callable) -> Callable:
    """Keep what `function(plan, …)` returns with the plan; callers must not change it in place."""

    @functools.wraps(function)
    def remembered(plan: Plan, *args, **options):
        key = (function.__qualname__, args, tuple(sorted(options.items())))
        if key not in plan._derived:
            plan._derived[key] = function(plan, *args, **options)
        return plan._derived[key]

    return remembered


def make_plan(
    seed: int,
    *,
    chromsizes: Mapping[str, int] | None = None,
    resolution: int = 10_000,
    physics: Physics | None = None,
    cell_type: str = "A",
) -> Plan:
    """Draw a plan.

    Parameters
    ----------
    seed : int
        The same seed, sizes and resolution give the same plan, bit for bit.
    chromsizes : mapping, optional
        Chromosome name -> length (bp), by default `CHROMSIZES`; each at least 100 bins long.
    resolution : int
        Grain of the contact model (bp).
    physics : Physics, optional
    cell_type : str

    Raises
    ------
    InputError
        A chromosome is too short to hold domains at this resolution.
    """
    sizes = pd.Series(dict(chromsizes or CHROMSIZES), dtype="int64", name="length")
    short = sizes[sizes < 100 * resolution]
    if len(short):
        raise InputError(
            f"simulated chromosome '{short.index[0]}' is {short.iloc[0]:,} bp long; expected at "
            f"least 100 bins of {resolution:,} bp; make it longer or the bins finer"
        )
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in (*COVERS, *POINTS)}
    for number, (chrom, length) in enumerate(sizes.items()):
        rng = np.random.default_rng([seed, number])
        for name, table in _plan_chromosome(rng, int(length), resolution).items():
            table.insert(0, "chrom", chrom)
            tables[name].append(table)
    joined = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
    for name in POINTS:
        joined[name].insert(3, "name", [f"{name[:-1]}{k}" for k in range(len(joined[name]))])
    return Plan(
        chromsizes=sizes,
        resolution=resolution,
        physics=physics or Physics(),
        cell_type=cell_type,
        seed=seed,
        **joined,
    )


def read_plan(folder: str | Path) -> Plan:
    """Read a plan that `write_truth` wrote (`truth/{cell_type}`), equal to the one written."""
    folder = Path(folder)
    if not (folder / "plan.json").is_file():
        raise InputError(
            f"{folder} holds no plan.json; expected the folder truth/{{cell_type}} of a simulated "
            "genome, as simulate_genome writes it"
        )
    settings = json.loads((folder / "plan.json").read_text())
    tables = {
        name: pd.read_csv(folder / f"{name}.tsv", sep="\t", float_precision="round_trip")
        for name in (*COVERS, *POINTS)
    }
    sizes = pd.Series(settings.pop("chromsizes"), dtype="int64", name="length")
    physics = Physics(**settings.pop("physics"))
    return Plan(chromsizes=sizes, physics=physics, **settings, **tables)


def other_cell_type(plan: Plan, name: str, *, seed: int, changed: float = 0.2) -> Plan:
    """Another cell type on the same genome.

    A share of the compartment segments changes class (half of these between A and B), a share of
    the bound CTCF sites is lost and some silent motifs are bound, a share of genes and enhancers
    changes. Sequence, gaps and visibility stay.

    Parameters
    ----------
    plan : Plan
    name : str
        The new cell type's name.
    seed : int
    changed : float
        Share of each table that changes.
    """
    rng = np.random.default_rng([seed, plan.seed, 1])
    compartments = plan.compartments.copy()
    flips = rng.random(len(compartments)) < changed
    classes = np.array(list(SUBCOMPARTMENTS))
    compartments.loc[flips, "name"] = rng.choice(classes, flips.sum(), p=_shares())
    sites = plan.sites.copy()
    draw = rng.random(len(sites))
    silent = (sites["strength"] == 0).to_numpy()
    sites.loc[~silent & (draw < changed), "strength"] = 0.0
    sites.loc[silent & (draw < changed), "strength"] = rng.uniform(
        0.3, 0.8, (silent & (draw < changed)).sum()
    )
    genes = plan.genes.copy()
    moved = rng.random(len(genes)) < changed
    genes.loc[moved, "propensity"] = _propensities(rng, moved.sum())
    enhancers = plan.enhancers.copy()
    moved = rng.random(len(enhancers)) < changed
    enhancers.loc[moved, "activity"] = rng.random(moved.sum())
    return replace(
        plan,
        compartments=compartments,
        sites=sites,
        genes=genes,
        enhancers=enhancers,
        cell_type=name,
    )


def _plan_chromosome(
    rng: np.random.Generator, length: int, resolution: int
) -> dict[str, pd.DataFrame]:
    edges = _domain_edges(rng, length)
    gaps = _gaps(length, resolution)
    bare = rng.random(len(edges)) < 0.12  # boundaries without CTCF: there A meets B
    compartments = _compartments(rng, edges, bare)
    tables = {
        "compartments": compartments,
        "gaps": gaps,
        "blacklist": _blacklist(rng, length, resolution),
        "sites": _sites(rng, edges, bare),
        "genes": _genes(rng, compartments),
        "enhancers": _enhancers(rng, compartments),
    }
    for name in POINTS:
        tables[name] = _outside(tables[name].sort_values("start"), gaps, length)
    tables["landscape"] = _landscape(rng, length, resolution, compartments)
    return tables


def _domain_edges(rng: np.random.Generator, length: int) -> np.ndarray:
    """Edges of the domains that tile a chromosome: sizes log-normal around 400 kb."""
    sizes = np.clip(rng.lognormal(np.log(400_000), 0.45, length // 120_000 + 1), 120_000, 1_200_000)
    edges = np.cumsum(sizes).astype(np.int64) // 1000 * 1000
    edges = edges[edges < length - 120_000]
    return np.concatenate([[0], edges, [length]])


def _gaps(length: int, resolution: int) -> pd.DataFrame:
    """A telomere bin and a centromere of 3 % of the chromosome, on whole bins."""
    start = round(0.35 * length / resolution)
    end = start + max(2, round(0.03 * length / resolution))
    return pd.DataFrame({"start": [0, start * resolution], "end": [resolution, end * resolution]})


def _blacklist(rng: np.random.Generator, length: int, resolution: int) -> pd.DataFrame:
    """One artefact of two bins in the first quarter and one in the last."""
    starts = (rng.uniform([0.1, 0.8], [0.25, 0.95]) * length / resolution).astype(np.int64)
    return pd.DataFrame({"start": starts * resolution, "end": (starts + 2) * resolution})


def _shares() -> np.ndarray:
    return np.array([row[4] for row in SUBCOMPARTMENTS.values()])


def _compartments(rng: np.random.Generator, edges: np.ndarray, bare: np.ndarray) -> pd.DataFrame:
    """Runs of domains of one class; at the first change, and at bare edges, A meets B."""
    names, shares = np.array(list(SUBCOMPARTMENTS)), _shares()
    in_a = np.char.startswith(names, "A")
    starts, classes = [0], [str(rng.choice(names[in_a]))]
    for edge, must in zip(edges[1:-1], bare[1:-1]):
        if must or rng.random() < 0.6:
            if must or len(classes) == 1:
                allowed = shares * (in_a != classes[-1].startswith("A"))
            else:
                allowed = shares * (names != classes[-1])
            starts.append(int(edge))
            classes.append(str(rng.choice(names, p=allowed / allowed.sum())))
    return pd.DataFrame(
        {
            "start": starts,
            "end": [*starts[1:], int(edges[-1])],
            "name": classes,
            "strength": rng.uniform(0.8, 1.2, len(starts)),
        }
    )


def _sites(rng: np.random.Generator, edges: np.ndarray, bare: np.ndarray) -> pd.DataFrame:
    """CTCF motifs: convergent pairs around domains and sub-domains, and others."""
    position, strength, strand = [], [], []

    def add(where: float, how_strong: float, which: str) -> None:
        position.append(int(where))
        strength.append(how_strong)
        strand.append(which)

    for k, (start, end) in enumerate(itertools.pairwise(edges)):
        if not bare[k] and rng.random() < 0.85:
            add(start + rng.uniform(2_000, 8_000), rng.uniform(0.6, 0.95), "+")
        if not bare[k + 1] and rng.random() < 0.85:
            add(end - rng.uniform(2_000, 8_000), rng.uniform(0.6, 0.95), "-")
        if end - start > 300_000 and rng.random() < 0.5:
            middle = start + rng.uniform(0.3, 0.7) * (end - start)
            add(middle - 4_000, rng.uniform(0.25, 0.4), "-")
            add(middle + 4_000, rng.uniform(0.25, 0.4), "+")
    for every, low, high in ((2_000_000, 0.5, 0.8), (150_000, 0.03, 0.2), (200_000, 0.0, 0.0)):
        for _ in range(int(edges[-1]) // every):  # lone strong, weak, silent
            add(rng.uniform(0, edges[-1]), rng.uniform(low, high), str(rng.choice(["+", "-"])))
    table = pd.DataFrame({"start": position, "strength": strength, "strand": strand})
    table = table.sort_values("start", ignore_index=True)
    table = table[table["start"].diff().fillna(1000) >= 50]
    table.insert(1, "end", table["start"] + 19)
    return table


def _scatter(
    rng: np.random.Generator, compartments: pd.DataFrame, spacing: Mapping[str, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Random positions, one every `spacing[class]` bp on average, and the row each lies in."""
    positions, rows = [], []
    for row, segment in enumerate(compartments.itertuples()):
        n = rng.poisson((segment.end - segment.start) / spacing[segment.name])
        positions.append(rng.integers(segment.start, segment.end, n))
        rows.append(np.full(n, row))
    return np.concatenate(positions), np.concatenate(rows)


def _propensities(rng: np.random.Generator, n: int) -> np.ndarray:
    """Expression in full A1: a third of the genes silent in any compartment."""
    return rng.lognormal(1.5, 1.0, n) * (rng.random(n) < 0.7)


def _genes(rng: np.random.Generator, compartments: pd.DataFrame) -> pd.DataFrame:
    spacing = {"A1": 40_000, "A2": 70_000, "B1": 200_000, "B2": 300_000, "B3": 300_000}
    starts, _ = _scatter(rng, compartments, spacing)
    lengths = np.clip(rng.lognormal(np.log(15_000), 0.9, len(starts)), 1_000, 200_000)
    return pd.DataFrame(
        {
            "start": starts,
            "end": starts + lengths.astype(np.int64),
            "propensity": _propensities(rng, len(starts)),
            "strand": rng.choice(["+", "-"], len(starts)),
        }
    )


def _enhancers(rng: np.random.Generator, compartments: pd.DataFrame) -> pd.DataFrame:
    spacing = {"A1": 40_000, "A2": 60_000, "B1": 250_000, "B2": 500_000, "B3": 500_000}
    starts, rows = _scatter(rng, compartments, spacing)
    in_a = compartments["name"].str.startswith("A").to_numpy()[rows]
    return pd.DataFrame(
        {
            "start": starts,
            "end": starts + rng.integers(400, 2_000, len(starts)),
            "activity": rng.uniform(0.3, 1.0, len(starts)) * np.where(in_a, 1.0, 0.4),
        }
    )


def _outside(table: pd.DataFrame, gaps: pd.DataFrame, length: int) -> pd.DataFrame:
    """Rows that lie on the chromosome and touch no gap."""
    start, end = table["start"].to_numpy()[:, None], table["end"].to_numpy()[:, None]
    touches = (start < gaps["end"].to_numpy()) & (end > gaps["start"].to_numpy())
    return table[~touches.any(axis=1) & (table["end"].to_numpy() <= length)]


def _landscape(
    rng: np.random.Generator, length: int, resolution: int, compartments: pd.DataFrame
) -> pd.DataFrame:
    """Visibility and GC content of each bin; one bin in 70 is all but invisible."""
    bins = make_bins(pd.Series({"": length}), resolution)[["start", "end"]]
    n = len(bins)
    middle = (bins["start"] + bins["end"]) // 2
    row = np.searchsorted(compartments["start"], middle, side="right") - 1
    level = np.array([SUBCOMPARTMENTS[name][3] for name in compartments["name"]])[row]
    slow = np.convolve(rng.standard_normal(n + 20), np.full(21, 21**-0.5), "valid")
    bins["visibility"] = np.exp(0.15 * slow + 0.15 * rng.standard_normal(n) + 2 * (level - 0.42))
    bins.loc[rng.random(n) < 1 / 70, "visibility"] *= 0.03
    bins["gc"] = np.clip(level + 0.012 * slow + 0.01 * rng.standard_normal(n), 0.3, 0.65)
    return bins
