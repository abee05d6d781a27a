"""What a joint fit of several maps gives: a shallow map with and without the others, and changes.

*Thinning*: the map of one cell type, thinned, fitted alone and jointly with the whole maps of the
other cell types (GM12878, IMR90, K562; 25 kb, pairs up to 5 Mb, KR-normalised values rounded to
counts, since counts are not to be had), scored on its own whole map. The LSTM is left out: it
changes next to nothing (docs/refined.md).
*Changes*: simulated genomes of two cell types, whose changed bins (another compartment class or
CTCF strength) are known, and a replicate, in which nothing changes.

Writes joint.tsv and joint_changes.tsv. The maps lie in CHROMLOOM_REAL_DATA; without them that part
is skipped.

    python benchmarks/joint.py --out results/bench
"""

import argparse
import logging
import os
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import cooler  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402

from chromloom.files import read_tsv, write_tsv  # noqa: E402
from chromloom.genome.assembly import Assembly, load_assembly  # noqa: E402
from chromloom.models.hiclstm.settings import HiCLSTMSettings  # noqa: E402
from chromloom.normalize.balance import BalanceSettings  # noqa: E402
from chromloom.normalize.maps import NormalizedMap  # noqa: E402
from chromloom.normalize.normalized import normalize_contacts  # noqa: E402
from chromloom.normalize.probability import (  # noqa: E402
    contact_probability,
    mean_contact_probability,
)
from chromloom.prediction.open import open_source  # noqa: E402
from chromloom.simulate.plan import Plan, read_plan  # noqa: E402
from chromloom.simulate.write import Sample, simulate_genome  # noqa: E402
from chromloom.training.fit import train  # noqa: E402
from chromloom.training.joint import fit_joint  # noqa: E402

logger = logging.getLogger("joint")
CELL_TYPES = ("GM12878", "IMR90", "K562")
LENGTHS = {"chr19": 59_128_983, "chr21": 48_129_895, "chr22": 51_304_566}
RESOLUTION, REACH = 25_000, 4_900_000
FRACTIONS = (0.01, 0.02, 0.05, 0.1, 1.0)
# Marginals of a band of 5 Mb converge slowly; the values are balanced already.
BALANCE = BalanceSettings(tol=1e-3, max_iters=200, allow_unconverged=True)
EMPTY = pd.DataFrame(columns=["chrom", "start", "end"])


def counts(data: Path, chrom: str, cell_type: str) -> pd.DataFrame:
    """Values of one map, rounded: bin1_id, bin2_id, count."""
    path = data / f"{chrom}.5MB.{cell_type}.contacts.gz"
    table = pd.read_csv(path, sep=r"\s+", names=["start1", "start2", "value"])
    table = table.apply(pd.to_numeric, errors="coerce").dropna()
    pixels = pd.DataFrame(
        {
            "bin1_id": (table["start1"] // RESOLUTION).astype(int),
            "bin2_id": (table["start2"] // RESOLUTION).astype(int),
            "count": table["value"].round().astype(int),
        }
    )
    pixels = pixels[pixels["bin1_id"] <= pixels["bin2_id"]]
    return pixels.groupby(["bin1_id", "bin2_id"], as_index=False)["count"].sum()


def write_map(pixels: pd.DataFrame, chrom: str, sample: str, folder: Path) -> Path:
    """Balance pixels of one chromosome."""
    starts = np.arange(0, LENGTHS[chrom], RESOLUTION)
    ends = np.minimum(starts + RESOLUTION, LENGTHS[chrom])
    bins = pd.DataFrame({"chrom": chrom, "start": starts, "end": ends})
    raw, path = folder / f"{sample}.cool", folder / f"{sample}.{RESOLUTION}.ICE.cool"
    cooler.create_cooler(str(raw), bins, pixels[pixels["count"] > 0], ordered=True)
    sizes = pd.Series({chrom: LENGTHS[chrom]})
    normalize_contacts(
        raw,
        path,
        sample=sample,
        resolution=RESOLUTION,
        norm="ICE",
        assembly=Assembly("bench", sizes, EMPTY, EMPTY),
        settings=BALANCE,
    )
    return path


def score(model: Path, trained_on: Path, whole: Path) -> dict[str, float]:
    """Scores of a model's strengths, brought to the depth of the whole map, by name.

    Pearson correlation of contact probability by distance in bins, and one R2 over all pairs,
    zeros included (predicted probabilities are means over counts).
    """
    observed = NormalizedMap(whole)
    (chrom,) = observed.chromnames
    n, reach = len(observed.mask(chrom)), REACH // RESOLUTION
    value = observed.band(chrom, 0, n)[:reach].astype(float)
    predicted = open_source(model, trained_on).band(chrom, 0, n)[:reach].astype(float)
    known = np.isfinite(value) & np.isfinite(predicted)
    dist, value, predicted = np.nonzero(known)[0], value[known], predicted[known]
    found = contact_probability(value)
    told = mean_contact_probability(predicted * (value.sum() / predicted.sum()))
    strata = {f"{a}-{b}": (dist >= a) & (dist < b) for a, b in pairwise((2, 10, 40, 100, reach))}
    by = {name: np.corrcoef(found[own], told[own])[0, 1] for name, own in strata.items()}
    return {"R2": 1 - ((found - told) ** 2).mean() / found.var(), **by}


def thinning(data: Path, chrom: str, target: str, seeds: int, fractions) -> pd.DataFrame:
    """Rows chrom, cell_type, fraction, seed, fit and scores."""
    settings, rows = HiCLSTMSettings.from_preset("refined", epochs=0), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        maps = {c: write_map(counts(data, chrom, c), chrom, c, folder) for c in CELL_TYPES}
        others = {c: path for c, path in maps.items() if c != target}
        for fraction in fractions:
            for seed in range(seeds):
                own = maps[target]
                if fraction < 1:
                    pixels = counts(data, chrom, target)
                    drawn = np.random.default_rng(seed).binomial(pixels["count"], fraction)
                    own = write_map(pixels.assign(count=drawn), chrom, "thin", folder)
                sample = own.name.split(".")[0]
                fit = folder / "joint.safetensors"
                options = {"epochs": 0}
                fit_joint(
                    {**others, sample: own}, fit, folder / "joint.tsv", options=options, seed=seed
                )
                for name, joint in {"alone": None, "joint": fit}.items():
                    out = folder / "model"
                    train(own, out, settings, seed=seed, device="cpu", joint_path=joint)
                    found = score(out, own, maps[target])
                    rows.append([chrom, target, fraction, seed, name, *found.values()])
                    logger.info("%s", rows[-1])
    return pd.DataFrame(rows, columns=["chrom", "cell_type", "fraction", "seed", "fit", *found])


def changed_bins(first: Plan, second: Plan, chrom: str) -> np.ndarray:
    """Bins of another compartment class or CTCF strength, (n,), bool."""
    changed, size = np.zeros(first.n_bins(chrom), dtype=bool), first.resolution
    for table, column in (("compartments", "name"), ("sites", "strength")):
        a, b = first.rows(table, chrom), second.rows(table, chrom)
        for start, end in a.loc[(a[column] != b[column]).to_numpy(), ["start", "end"]].to_numpy():
            changed[start // size : -(-end // size)] = True
    return changed


def changes(depth: int, seed: int) -> pd.DataFrame:
    """How well changed bins are told from the others, in one simulated genome."""
    drawn = [Sample("A", "A", depth, "mcool"), Sample("A_rep2", "A", depth, "mcool", 1)]
    drawn.append(Sample("B", "B", depth, "mcool"))
    with tempfile.TemporaryDirectory() as name:
        folder, maps = Path(name), {}
        simulate_genome(folder, seed=seed, samples=drawn)
        for sample in drawn:
            path = folder / f"{sample.sample}.10000.ICE.cool"
            normalize_contacts(
                folder / "contacts" / f"{sample.sample}.mcool",
                path,
                sample=sample.sample,
                resolution=10_000,
                norm="ICE",
                assembly=load_assembly(str(folder / "simulated")),
            )
            maps[sample.sample] = path
        fit_joint(maps, folder / "joint.safetensors", folder / "joint.tsv", seed=seed)
        table = read_tsv(folder / "joint.tsv")
        plans = [read_plan(folder / "truth" / cell_type) for cell_type in "AB"]
    truth = {chrom: changed_bins(*plans, chrom) for chrom in plans[0].chromsizes.index}
    rows = []
    for (sample, other), own in table.groupby(["sample", "other"]):
        called = own["q_value"] < 0.05
        row = [depth, seed, sample, other, len(own), called.mean()]
        if other == "B":
            bins = zip(own["chrom"], own["start"] // 10_000)
            changed = np.array([truth[chrom][at] for chrom, at in bins])
            row += [changed.mean(), roc_auc_score(changed, -own["p_value"])]
            row += [(called & ~changed).sum() / max(called.sum(), 1), called[changed].mean()]
        else:
            row += [0.0, np.nan, np.nan, np.nan]
        rows.append(row)
        logger.info("%s", row)
    columns = ["depth", "seed", "sample", "other", "bins", "called", "changed", "auroc", "false"]
    return pd.DataFrame(rows, columns=[*columns, "power"])


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = os.environ.get("CHROMLOOM_REAL_DATA", ROOT.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=data)
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--chroms", nargs="*", default=["chr22"], choices=list(LENGTHS))
    parser.add_argument("--targets", nargs="*", default=["IMR90", "K562"], choices=CELL_TYPES)
    parser.add_argument("--fractions", nargs="*", type=float, default=list(FRACTIONS))
    parser.add_argument("--depths", nargs="*", type=int, default=[6_000_000, 20_000_000])
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    logger.setLevel(logging.INFO)
    options.out.mkdir(parents=True, exist_ok=True)
    folder = Path(options.data) / "contacts_4cells_25kb"
    if not folder.is_dir():
        logger.warning("thinning skipped: %s is absent", folder)
    elif options.chroms and options.targets:
        tables = [
            thinning(folder, chrom, target, options.seeds, options.fractions)
            for chrom in options.chroms
            for target in options.targets
        ]
        write_tsv(pd.concat(tables), options.out / "joint.tsv")
    tables = [changes(depth, seed) for depth in options.depths for seed in range(options.seeds)]
    if tables:
        write_tsv(pd.concat(tables), options.out / "joint_changes.tsv")


if __name__ == "__main__":
    main()
