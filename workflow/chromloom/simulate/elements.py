"""What follows from a plan: loops, boundaries, domains, expression, timing, states, peaks, signals.

Each function derives one table of labels, for a wild-type, other cell type's or edited plan alike,
by the mechanism of the contact model, so that labels and contacts never disagree.
"""

import itertools

import numpy as np
import pandas as pd

from chromloom.simulate.contacts import (
    bin_edges,
    bin_features,
    bin_mean,
    compartment_property,
    extrusion_band,
    passage_band,
    promoter_activity,
    tss,
)
from chromloom.simulate.plan import Plan, once_per_plan

SIGNAL_STEP = 1_000
"""Step of signal tracks (bp)."""

SIGNALS = ("DNase", "H3K4me3", "H3K27ac", "H3K27me3", "CTCF")
"""The five tracks that predictors of maps read (Epiphany), which follow from the plan."""


@once_per_plan
def find_loops(plan: Plan, *, enrichment: float = 1.5, max_bp: int = 2_000_000) -> pd.DataFrame:
    """Pairs of bins with convergent CTCF whose contacts stand out from their neighbourhood.

    Returns
    -------
    DataFrame
        chrom1, start1, end1, chrom2, start2, end2 (bins of the grain), name, score (intensity over
        the intensity if legs did not wait at sites), motif1, motif2 (start of the strongest site).
    """
    tables = []
    for chrom in plan.chromsizes.index:
        features = bin_features(plan, chrom)
        n = len(features.mask)
        band = extrusion_band(plan, features, 0, n, int(max_bp / plan.resolution))
        i = np.flatnonzero((features.plus > 0.25) & ~features.mask)
        j = np.flatnonzero((features.minus > 0.25) & ~features.mask)
        i, j = (x.ravel() for x in np.meshgrid(i, j, indexing="ij"))
        near = (j - i >= 4) & (j - i < len(band))
        i, j = i[near], j[near]
        with_dot = band[j - i, i]
        r = plan.physics.residence
        without = with_dot / ((1 + r * features.plus[i]) * (1 + r * features.minus[j]))
        score = (1 + plan.physics.extrusion * with_dot) / (1 + plan.physics.extrusion * without)
        kept = score >= enrichment
        i, j, score = i[kept], j[kept], score[kept]
        edges = bin_edges(plan, chrom)
        tables.append(
            pd.DataFrame(
                {
                    "chrom1": chrom,
                    "start1": edges[i],
                    "end1": edges[i + 1],
                    "chrom2": chrom,
                    "start2": edges[j],
                    "end2": edges[j + 1],
                    "score": score,
                    "motif1": _strongest(plan, chrom, "+")[i],
                    "motif2": _strongest(plan, chrom, "-")[j],
                }
            )
        )
    loops = pd.concat(tables, ignore_index=True)
    loops.insert(6, "name", [f"loop{k}" for k in range(len(loops))])
    return loops


def _strongest(plan: Plan, chrom: str, strand: str) -> np.ndarray:
    """Start of the strongest site of a strand in each bin, (n,), -1 where there is none."""
    sites = plan.rows("sites", chrom)
    sites = sites[sites["strand"] == strand].sort_values("strength")
    start = np.full(plan.n_bins(chrom), -1, dtype=np.int64)
    start[sites["start"] // plan.resolution] = sites["start"]  # the last one written is strongest
    return start


@once_per_plan
def find_boundaries(plan: Plan, *, join_bp: int = 30_000) -> pd.DataFrame:
    """Domain boundaries: clusters of CTCF sites, and switches between A and B.

    Returns
    -------
    DataFrame
        chrom, start, end, name, score (sum of -ln(1 - strength) over the sites), level (`TAD`:
        score >= 0.9 or a switch; `subTAD`: score >= 0.5), ctcf (bool, sites or a bare switch).
    """
    tables = []
    for chrom in plan.chromsizes.index:
        sites = plan.rows("sites", chrom)
        sites = sites[sites["strength"] >= 0.25]
        cluster = (sites["start"].diff() > join_bp).cumsum()
        score = -np.log1p(-sites["strength"])
        found = pd.DataFrame(
            {
                "start": sites["start"].groupby(cluster).min(),
                "end": sites["end"].groupby(cluster).max(),
                "score": score.groupby(cluster).sum(),
                "ctcf": True,
            }
        )
        in_a = plan.rows("compartments", chrom)["name"].str.startswith("A").to_numpy()
        edges = plan.rows("compartments", chrom)["start"].to_numpy()[1:]
        switches = edges[in_a[1:] != in_a[:-1]]
        middle = ((found["start"] + found["end"]) // 2).to_numpy()
        at_switch = np.abs(middle[:, None] - switches) <= join_bp
        found["level"] = np.where(
            (found["score"] >= 0.9) | at_switch.any(axis=1),
            "TAD",
            np.where(found["score"] >= 0.5, "subTAD", "none"),
        )
        bare = switches[~at_switch.any(axis=0)]
        bare = pd.DataFrame(
            {"start": bare - 5_000, "end": bare + 5_000, "score": 0.0, "ctcf": False}
        ).assign(level="TAD")
        found = pd.concat([found[found["level"] != "none"], bare]).sort_values("start")
        tables.append(found.assign(chrom=chrom))
    boundaries = pd.concat(tables, ignore_index=True)
    boundaries["name"] = [f"boundary{k}" for k in range(len(boundaries))]
    return boundaries[["chrom", "start", "end", "name", "score", "level", "ctcf"]]


@once_per_plan
def find_domains(plan: Plan) -> pd.DataFrame:
    """Domains between consecutive boundaries, outside gaps.

    Returns
    -------
    DataFrame
        chrom, start, end (middles of the boundaries), name, level (TAD; or subTAD, which lie in a
        TAD that they share with another), loop (bool: a simulated loop joins both ends).
    """
    boundaries, loops, rows = find_boundaries(plan), find_loops(plan), []
    for chrom in plan.chromsizes.index:
        at = boundaries[boundaries["chrom"] == chrom]
        middle = ((at["start"] + at["end"]) // 2).to_numpy()
        tads = middle[(at["level"] == "TAD").to_numpy()]
        spans = {"TAD": list(itertools.pairwise(tads))}
        spans["subTAD"] = [s for s in itertools.pairwise(middle) if s not in set(spans["TAD"])]
        if len(tads):
            spans["subTAD"] = [s for s in spans["subTAD"] if s[0] >= tads[0] and s[1] <= tads[-1]]
        gaps = plan.rows("gaps", chrom)
        own = loops[loops["chrom1"] == chrom]
        left = ((own["start1"] + own["end1"]) // 2).to_numpy()
        right = ((own["start2"] + own["end2"]) // 2).to_numpy()
        reach = max(20_000, plan.resolution)
        for level, pairs in spans.items():
            for start, end in pairs:
                if end - start < 4 * plan.resolution:
                    continue
                if ((gaps["start"] < end) & (gaps["end"] > start)).any():
                    continue
                joined = (np.abs(left - start) <= reach) & (np.abs(right - end) <= reach)
                rows.append((chrom, int(start), int(end), level, bool(joined.any())))
    domains = pd.DataFrame(rows, columns=["chrom", "start", "end", "level", "loop"])
    domains = domains.sort_values(["chrom", "start", "end"], ignore_index=True)
    domains.insert(3, "name", [f"domain{k}" for k in range(len(domains))])
    return domains


@once_per_plan
def gene_expression(plan: Plan) -> pd.DataFrame:
    """Expression of every gene: its promoter in its compartment, driven by enhancers in reach.

    expression = propensity * transcription(subcompartment) * (1 + 2 sum_e activity_e M_eg), where M
    is the passage of extruders (`contacts.passage_band`) times exp(-s / processivity): an enhancer
    beyond a boundary does little.

    Returns
    -------
    DataFrame
        chrom, tss, strand, name, expression (arbitrary, TPM-like), expressed (bool, > 1).
    """
    tables = []
    for chrom in plan.chromsizes.index:
        genes = plan.rows("genes", chrom)
        features = bin_features(plan, chrom)
        n = len(features.mask)
        enhancers = plan.rows("enhancers", chrom)
        active = np.bincount(
            enhancers["start"] // plan.resolution, weights=enhancers["activity"], minlength=n
        )
        band = passage_band(plan, features, 0, n)
        distance = np.arange(len(band))[:, None] * plan.resolution
        band *= np.exp(-distance / plan.physics.processivity_bp)
        reached = np.zeros(n)
        for d, row in enumerate(band):
            reached[: n - d] += row[: n - d] * active[d:]
            if d:
                reached[d:] += row[: n - d] * active[: n - d]
        start = tss(genes)
        expression = promoter_activity(plan, chrom) * (1 + 2 * reached[start // plan.resolution])
        tables.append(
            pd.DataFrame(
                {
                    "chrom": chrom,
                    "tss": start,
                    "strand": genes["strand"].to_numpy(),
                    "name": genes["name"].to_numpy(),
                    "expression": expression,
                    "expressed": expression > 1,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


@once_per_plan
def find_enhancer_promoter_pairs(
    plan: Plan, *, min_bp: int = 30_000, max_bp: int = 600_000
) -> pd.DataFrame:
    """Active enhancers and expressed genes in reach of each other, with the truth.

    Returns
    -------
    DataFrame
        chrom, enhancer_start, enhancer_end, promoter_start, promoter_end (TSS -1500 … +500),
        enhancer, gene, passage (chance that an extruder joins them unhindered, 0 … 1), label
        (1: passage >= 0.5 and one of the gene's two best enhancers by activity * passage *
        exp(-s / processivity); 0: passage < 0.2; other pairs are left out).
    """
    expressed, tables = gene_expression(plan), []
    for chrom in plan.chromsizes.index:
        genes = expressed[(expressed["chrom"] == chrom) & expressed["expressed"]]
        enhancers = plan.rows("enhancers", chrom)
        enhancers = enhancers[enhancers["activity"] >= 0.4]
        e, g = (x.ravel() for x in np.indices((len(enhancers), len(genes))))
        enhancer, gene = enhancers.iloc[e].reset_index(), genes.iloc[g].reset_index()
        distance = (enhancer["start"] - gene["tss"]).abs()
        kept = (distance >= min_bp) & (distance <= max_bp)
        enhancer, gene = enhancer[kept], gene[kept]
        bins = [enhancer["start"] // plan.resolution, gene["tss"] // plan.resolution]
        i, j = np.minimum(*bins).to_numpy(), np.maximum(*bins).to_numpy()
        features = bin_features(plan, chrom)
        free = passage_band(plan, features, 0, len(features.mask), max_bp // plan.resolution + 2)
        upstream = np.where(gene["strand"] == "+", 1500, 500)
        tables.append(
            pd.DataFrame(
                {
                    "chrom": chrom,
                    "enhancer_start": enhancer["start"],
                    "enhancer_end": enhancer["end"],
                    "promoter_start": (gene["tss"] - upstream).clip(lower=0),
                    "promoter_end": (gene["tss"] + 2000 - upstream).clip(
                        upper=plan.chromsizes[chrom]
                    ),
                    "enhancer": enhancer["name"],
                    "gene": gene["name"],
                    "passage": free[j - i, i],
                    "drive": enhancer["activity"]
                    * free[j - i, i]
                    * np.exp(-distance[kept] / plan.physics.processivity_bp),
                }
            )
        )
    pairs = pd.concat(tables, ignore_index=True)
    best = pairs.groupby("gene")["drive"].rank(ascending=False, method="first") <= 2
    pairs["label"] = ((pairs["passage"] >= 0.5) & best).astype(int)
    kept = (pairs["label"] == 1) | (pairs["passage"] < 0.2)
    return pairs[kept].drop(columns="drive").reset_index(drop=True)


@once_per_plan
def replication_timing(plan: Plan, *, smooth_bp: int = 150_000) -> pd.DataFrame:
    """Replication timing of each unmasked bin of the grain: its subcompartments', smoothed.

    Returns
    -------
    DataFrame
        chrom, start, end, timing (z-score-like; positive is early, as in Koren 2012).
    """
    tables = []
    for chrom in plan.chromsizes.index:
        edges = bin_edges(plan, chrom)
        half = max(1, round(2 * smooth_bp / plan.resolution))
        kernel = np.exp(-0.5 * (np.arange(-half, half + 1) * plan.resolution / smooth_bp) ** 2)
        timing = np.convolve(
            np.pad(compartment_property(plan, chrom, 2), half, mode="edge"),
            kernel / kernel.sum(),
            "valid",
        )
        table = pd.DataFrame(
            {"chrom": chrom, "start": edges[:-1], "end": edges[1:], "timing": timing}
        )
        tables.append(table[~bin_features(plan, chrom).mask])
    return pd.concat(tables, ignore_index=True)


def find_fires(plan: Plan, *, activity: float = 0.6) -> pd.DataFrame:
    """Frequently interacting regions: runs of bins whose enhancer activity is at least `activity`.

    Returns
    -------
    DataFrame
        chrom, start, end, name, score (mean activity, 0 … 1).
    """
    tables = []
    for chrom in plan.chromsizes.index:
        features, edges = bin_features(plan, chrom), bin_edges(plan, chrom)
        high = (features.enhancer >= activity) & ~features.mask
        first = np.flatnonzero(high & ~np.append(False, high[:-1]))
        last = np.flatnonzero(high & ~np.append(high[1:], False))
        score = [float(features.enhancer[a : b + 1].mean()) for a, b in zip(first, last)]
        tables.append(
            pd.DataFrame(
                {"chrom": chrom, "start": edges[first], "end": edges[last + 1], "score": score}
            )
        )
    fires = pd.concat(tables, ignore_index=True)
    fires.insert(3, "name", [f"fire{k}" for k in range(len(fires))])
    return fires


def paint_states(plan: Plan, *, step: int = 200) -> pd.DataFrame:
    """Chromatin states like ChromHMM's 25, run by run of `step` bp.

    1_TssA around expressed starts, 13_EnhA1 at active enhancers, 6_Tx in expressed genes; elsewhere
    8_TxWk in A1, 25_Quies in A2 and B2, 24_ReprPC in B1, 21_Het in B3.

    Returns
    -------
    DataFrame
        chrom, start, end, name; gaps are left out.
    """
    names = np.array(
        ["gap", "25_Quies", "8_TxWk", "24_ReprPC", "21_Het", "6_Tx", "13_EnhA1", "1_TssA"]
    )
    ground = {"A1": 2, "A2": 1, "B1": 3, "B2": 1, "B3": 4}
    expressed, tables = gene_expression(plan), []
    for chrom in plan.chromsizes.index:
        length = int(plan.chromsizes[chrom])
        state = np.zeros(-(-length // step), dtype=np.int8)
        for row in plan.rows("compartments", chrom).itertuples():
            state[row.start // step : -(-row.end // step)] = ground[row.name]
        on = expressed.loc[(expressed["chrom"] == chrom) & expressed["expressed"]]
        genes = plan.rows("genes", chrom)
        for row in genes[genes["name"].isin(on["name"])].itertuples():
            state[row.start // step : -(-row.end // step)] = 5
        enhancers = plan.rows("enhancers", chrom)
        for row in enhancers[enhancers["activity"] >= 0.4].itertuples():
            state[row.start // step : -(-row.end // step)] = 6
        for start in on["tss"]:
            state[max(0, start - 800) // step : (start + 1_000) // step] = 7
        for row in plan.rows("gaps", chrom).itertuples():
            state[row.start // step : -(-row.end // step)] = 0
        first = np.flatnonzero(np.diff(state, prepend=-1))
        end = np.minimum(np.append(first[1:], len(state)) * step, length)
        table = pd.DataFrame(
            {"chrom": chrom, "start": first * step, "end": end, "name": names[state[first]]}
        )
        tables.append(table[table["name"] != "gap"])
    return pd.concat(tables, ignore_index=True)


@once_per_plan
def find_peaks(plan: Plan) -> dict[str, pd.DataFrame]:
    """Peaks of CTCF, of the cohesin that waits there (RAD21, SMC3), and of open or active sites.

    Returns
    -------
    dict
        Name -> DataFrame with chrom, start, end, signal, summit (bp from start). CTCF lies at bound
        sites (strength >= 0.03), RAD21 at those that hold cohesin (>= 0.15) and weakly at very
        active enhancers, SMC3 likewise (>= 0.2), H3K27ac at active enhancers and expressed starts,
        DNase at all of these and at CTCF sites, H3K4me3 at expressed starts.
    """
    sites, enhancers = plan.sites, plan.enhancers
    middle = (enhancers["start"] + enhancers["end"]) // 2
    strong = enhancers["activity"] >= 0.85
    expressed = gene_expression(plan).query("expressed")
    centre = sites["start"] + 9

    def cohesin(threshold: float, width: int) -> pd.DataFrame:
        held = sites["strength"] >= threshold
        return _peaks(
            plan,
            pd.concat([sites.loc[held, "chrom"], enhancers.loc[strong, "chrom"]]),
            pd.concat([centre[held], middle[strong]]),
            pd.concat([100 * sites.loc[held, "strength"], 12 * enhancers.loc[strong, "activity"]]),
            width,
        )

    bound, active = sites["strength"] >= 0.03, enhancers["activity"] >= 0.3
    level = np.log1p(expressed["expression"])
    return {
        "CTCF": _peaks(
            plan, sites["chrom"][bound], centre[bound], 150 * sites["strength"][bound], 360
        ),
        "RAD21": cohesin(0.15, 190),
        "SMC3": cohesin(0.2, 270),
        "H3K27ac": _peaks(
            plan,
            pd.concat([enhancers["chrom"][active], expressed["chrom"]]),
            pd.concat([middle[active], expressed["tss"]]),
            pd.concat([30 * enhancers["activity"][active], 8 * level]),
            1_600,
        ),
        "DNase": _peaks(
            plan,
            pd.concat([sites["chrom"][bound], enhancers["chrom"][active], expressed["chrom"]]),
            pd.concat([centre[bound], middle[active], expressed["tss"]]),
            pd.concat(
                [30 * sites["strength"][bound], 20 * enhancers["activity"][active], 8 * level]
            ),
            150,
        ),
        "H3K4me3": _peaks(plan, expressed["chrom"], expressed["tss"], 15 * level, 1_200),
    }


def _peaks(
    plan: Plan, chrom: pd.Series, centre: pd.Series, signal: pd.Series, width: int
) -> pd.DataFrame:
    table = pd.DataFrame({"chrom": chrom, "start": centre - width // 2, "signal": signal})
    table["end"] = table["start"] + width
    table["start"] = table["start"].clip(lower=0)
    table["end"] = np.minimum(table["end"], table["chrom"].map(plan.chromsizes))
    table["summit"] = centre - table["start"]
    order = {name: k for k, name in enumerate(plan.chromsizes.index)}
    table = table.sort_values(
        ["chrom", "start"], key=lambda c: c.map(order) if c.name == "chrom" else c
    )
    return table[["chrom", "start", "end", "signal", "summit"]].reset_index(drop=True)


def signal_track(plan: Plan, name: str) -> dict[str, np.ndarray]:
    """Signal of one of `SIGNALS` in steps of `SIGNAL_STEP` bp: peaks on a floor.

    Peaks are those of `find_peaks`. H3K27me3 has none: it is raised all over subcompartment B1, the
    Polycomb-repressed one, as on real chromosomes.

    Returns
    -------
    dict
        Chromosome -> ndarray, (ceil(length / SIGNAL_STEP),), float32; NaN in gaps. The floor is
        noise seeded by the plan and its cell type, 1 on average.
    """
    peaks, tracks = None if name == "H3K27me3" else find_peaks(plan)[name], {}
    for number, chrom in enumerate(plan.chromsizes.index):
        rng = np.random.default_rng([plan.seed, number, *f"{name} {plan.cell_type}".encode()])
        n = -(-int(plan.chromsizes[chrom]) // SIGNAL_STEP)
        edges = np.arange(n + 1) * SIGNAL_STEP
        track = rng.gamma(4, 0.25, n)
        if peaks is None:
            repressed = plan.rows("compartments", chrom).query("name == 'B1'")
            track *= 1 + 5 * bin_mean(repressed, np.ones(len(repressed)), edges)
        else:
            own = peaks[peaks["chrom"] == chrom]
            step = ((own["start"] + own["summit"]) // SIGNAL_STEP).to_numpy()
            np.add.at(track, step, own["signal"])
        gaps = plan.rows("gaps", chrom)
        track[bin_mean(gaps, np.ones(len(gaps)), edges) >= 0.5] = np.nan
        tracks[chrom] = track.astype(np.float32)
    return tracks
