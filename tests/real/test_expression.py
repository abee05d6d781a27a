"""Expression of GM12878 on chromosomes of its own, from ENCODE's peaks and Roadmap's RPKM."""

import gzip
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from chromloom.evaluation.expression import evaluate_expression
from chromloom.expression.baselines import SimpleModel
from chromloom.expression.difference import DifferenceRidge, pair_genes
from chromloom.expression.elements import gather_elements
from chromloom.expression.features import Marks, gather_marks
from chromloom.expression.interactions import find_elements, read_interactions
from chromloom.expression.network import NetworkModel
from chromloom.expression.settings import SimpleSettings
from chromloom.expression.table import add_folds, read_expression
from chromloom.genome.assembly import load_assembly
from chromloom.genome.genes import read_genes
from chromloom.models.registry import model_settings
from chromloom.signals.sheet import SignalSource
from chromloom.signals.store import SignalStore
from chromloom.signals.write import bin_signals

MARKS = ("H3K4me1", "H3K4me3", "H3K9me3", "H3K27me3", "H3K36me3", "H3K27ac", "H3K9ac")
PEAKS = "E116_broadPeaks_genome"
CHROMS = ["chr18", "chr19", "chr21", "chr22"]


@pytest.fixture(scope="module")
def genes(real_data):
    folder = real_data / "expression"
    found = read_genes(folder / "gencode_v10_genes_hg19.tsv.gz", load_assembly("hg19").chromsizes)
    table = read_expression(folder / "57epigenomes.RPKM.pc.gz", found, column="E116")
    assert len(table) == 19_795
    assert table["high"].mean() == pytest.approx(0.5, abs=0.001)
    table = table[table["chrom"].isin(CHROMS)]
    return add_folds(table, [["19"], ["18", "21", "22"]]).reset_index(drop=True)


@pytest.fixture(scope="module")
def marks(real_data, genes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("signals")
    sources = []
    for mark in MARKS:
        path = folder / f"{mark}.broadPeak"
        path.write_text(_rows(real_data / "expression" / PEAKS / f"GM12878_{path.name}.gz"))
        sources.append(SignalSource(mark, "GM12878", str(path), "broadPeak", transform="log1p"))
    assembly = load_assembly("hg19")
    bin_signals(sources, assembly, folder / "store.h5", bin_size=100)
    with SignalStore(folder / "store.h5") as store:
        return gather_marks(store, genes)


def _rows(path):
    """Rows of the chromosomes that are used."""
    with gzip.open(path, "rt") as handle:
        return "".join(line for line in handle if line.split("\t")[0] in CHROMS)


def test_ridge_of_windows_tells_genes_of_held_out_chromosomes(genes, marks):
    """Trained on about 1,300 genes: AUC 0.92, r 0.757 when this was written."""
    settings = SimpleSettings.of("marks-ridge")
    level, high = np.zeros(len(genes)), np.zeros(len(genes))
    for fold in range(2):
        test = (genes["fold"] == fold).to_numpy()
        model = SimpleModel.fit(marks.of(~test), genes[~test], settings, seed=1)
        level[test], high[test] = model.predict(marks.of(test))
    auc, r = roc_auc_score(genes["high"], high), np.corrcoef(level, genes["level"])[0, 1]
    assert auc > 0.91, (auc, r)
    assert r > 0.74, (auc, r)


@pytest.mark.parametrize(
    ("cell_type", "n", "auc", "r"),
    [("E116", 2504, 0.852, 0.762), ("E122", 2502, 0.835, 0.755), ("E123", 2503, 0.854, 0.787)],
)
def test_published_predictions_of_gc_merge_are_scored_by_the_same_code(
    real_data, cell_type, n, auc, r
):
    """Its test genes, a random split. The files have classes, not probabilities: one step of a ROC
    curve, below the 0.906, 0.903 and 0.919 that its article has for them."""
    folder = real_data / "expression" / "gcmerge" / cell_type
    known = read_genes(
        real_data / "expression" / "gencode_v10_genes_hg19.tsv.gz", load_assembly("hg19").chromsizes
    )
    kinds = {}
    for kind in ("classification", "regression"):
        (path,) = folder.glob(f"{kind}_*.csv")
        table = pd.read_csv(path)
        kinds[kind] = table[table["Dataset"] == "Testing"].set_index("ENSEMBL_ID")
    classes, levels = kinds["classification"], kinds["regression"]
    assert len(classes) == n
    table = pd.DataFrame(
        {
            "gene": classes.index,
            "high": classes["True Label"].to_numpy() == 1,
            "predicted_high": classes["Predicted Label"].to_numpy(float),
            "level": levels["True Label"].reindex(classes.index).to_numpy(),
            "predicted_level": levels["Predicted Label"].reindex(classes.index).to_numpy(),
        }
    ).dropna()  # the two networks have splits of their own
    places = known.set_index(known["gene"].str.replace(r"\.\d+$", "", regex=True))[["chrom", "tss"]]
    table = table.join(places, on="gene").dropna()
    scores = evaluate_expression({"gc-merge": table}, n_boot=100)
    scores = scores[scores["chrom"] == "all"].set_index("metric")
    assert scores.loc["auc", "value"] == pytest.approx(auc, abs=0.02)
    assert scores.loc["auc", "low"] < auc < scores.loc["auc", "high"]
    whole = np.corrcoef(levels["True Label"], levels["Predicted Label"])[0, 1]
    assert whole == pytest.approx(r, abs=0.001)


def test_published_predictions_of_chromoformer_are_scored_by_the_same_code(demo):
    classes = pd.read_csv(demo / "demo_meta.predicted.csv")
    levels = pd.read_csv(demo / "prediction.reg.out")
    table = pd.DataFrame(
        {
            "gene": classes["gene_id"],
            "chrom": classes["chrom"],
            "tss": classes["start"],
            "high": classes["label"] == 1,
            "predicted_high": classes["prediction"],
            "level": np.log2(levels["expression"] + 1),
            "predicted_level": levels["prediction"],
        }
    )
    scores = evaluate_expression({"chromoformer": table}, n_boot=100)
    scores = scores[scores["chrom"] == "all"].set_index("metric")
    assert scores.loc["auc", "value"] == pytest.approx(0.933, abs=0.0005)
    assert scores.loc["r", "value"] == pytest.approx(0.794, abs=0.0005)


@pytest.fixture(scope="module")
def demo(real_data):
    return real_data / "expression" / "chromoformer_demo"


class Regions:
    """Depth by base around genes and at elements, asked as a store of signals is."""

    def __init__(self, path, chroms):
        self.signals, self.bin_size = list(MARKS), 100
        self.transforms = dict.fromkeys(self.signals, "none")
        sizes = load_assembly("hg19").chromsizes
        self.chromsizes = sizes[sizes.index.isin(chroms)]
        self.values = {
            chrom: np.full((7, -(-int(n) // 100)), np.nan, np.float32)
            for chrom, n in self.chromsizes.items()
        }
        with np.load(path) as file:
            for key in file.files:
                chrom, start, end = re.split("[:-]", key)
                depth = file[key].astype(np.float32)
                bins = np.arange(int(start), int(end)) // 100
                lo, n = bins[0], np.bincount(bins - bins[0])
                sums = np.stack([np.bincount(bins - lo, row) for row in depth])
                self.values[chrom][:, lo : lo + len(n)] = sums / n

    def read(self, chrom, lo, hi, signals=None):
        return self.values[chrom][:, lo:hi]


def test_elements_and_depth_of_the_demo_genes_are_read_as_published(demo, tmp_path):
    """100 genes of H1 with promoter capture and depth by base. AUC and r of the published network,
    trained on other genes: 0.933 and 0.794; of ridge, each gene left out: 0.894 and 0.738."""
    meta = pd.read_csv(demo / "demo_meta.csv")
    store = Regions(demo / "demo_data.npz", set(meta["chrom"]))
    genes = meta.rename(columns={"gene_id": "gene", "start": "tss"})
    genes["name"], genes["start"] = genes["gene"], genes["tss"] - 2_000
    genes["end"] = genes["tss"] + 2_000
    rows = [
        (f"{g.chrom}:{g.tss}-{g.tss + 1}", place, score)
        for g in genes.dropna(subset="neighbors").itertuples()
        for place, score in zip(g.neighbors.split(";"), g.scores.split(";"))
    ]
    path = tmp_path / "3div.tsv"
    pd.DataFrame(rows, columns=["frag1", "frag2", "freq"]).to_csv(path, sep="\t", index=False)
    elements = find_elements(genes, read_interactions(path, store.chromsizes))
    assert len(elements) == len(rows)
    assert elements["frequency"].min() > 1.5
    marks = gather_marks(store, genes)
    own = gather_elements(store, genes, elements, signals=MARKS, longest=40_000)
    assert (np.isnan(own.values).mean(axis=1) < 0.05).all()
    marks = replace(marks, elements=own)
    genes["level"] = np.log2(genes["expression"] + 1)
    genes["high"] = genes["label"] == 1
    order = np.random.default_rng(1).permutation(len(genes)) % 10
    level, high = np.zeros(len(genes)), np.zeros(len(genes))
    settings = model_settings("marks-ridge")
    for part in range(10):
        test = order == part
        model = SimpleModel.fit(marks.of(~test), genes[~test].reset_index(), settings, seed=1)
        level[test], high[test] = model.predict(marks.of(test))
    auc, r = roc_auc_score(genes["high"], high), np.corrcoef(level, genes["level"])[0, 1]
    assert auc > 0.87, (auc, r)
    assert r > 0.70, (auc, r)
    network = NetworkModel.fit(
        marks, genes, model_settings("chromoformer", epochs=1, bin_sizes=[2000]), seed=1
    )
    assert np.isfinite(network.predict(marks)).all()


def test_change_between_k562_and_h1_is_told_from_deepdiffs_features(real_data):
    """400 genes, five marks; levels of Roadmap."""
    folder = real_data / "expression"
    names = ["bin", "H3K4me1", "H3K4me3", "H3K9me3", "H3K27me3", "H3K36me3"]
    known = read_genes(folder / "gencode_v10_genes_hg19.tsv.gz", load_assembly("hg19").chromsizes)
    cells = []
    for cell, column in (("Cell1", "E123"), ("Cell2", "E003")):
        rows = pd.concat(
            pd.read_csv(folder / "deepdiff" / f"{cell}.{part}.csv.gz", header=None, names=names)
            for part in ("train", "valid")
        )
        ids = rows["bin"].str.split("_").str[0].drop_duplicates().to_numpy()
        around = rows[names[1:]].to_numpy(np.float32).reshape(len(ids), 200, 5).transpose(0, 2, 1)
        table = read_expression(folder / "57epigenomes.RPKM.pc.gz", known, column=column)
        table["gene"] = table["gene"].str.replace(r"\\.\\d+$", "", regex=True)
        table = table.set_index("gene").reindex(ids).dropna(subset="level").reset_index()
        marks = Marks(ids, names[1:], ["none"] * 5, 100, around.copy(),
                      np.full((len(ids), 5), np.nan, np.float32))  # fmt: skip
        cells.append((table, marks.of(pd.Index(ids).get_indexer(table["gene"]))))
    genes, one, two = pair_genes(*cells)
    assert len(genes) > 380
    folds = np.random.default_rng(1).permutation(len(genes)) % 5
    edges = [-10_000, -5_000, -2_000, -1_000, 0, 1_000, 2_000, 5_000, 10_000]
    settings = model_settings("difference-ridge", edges=edges)
    change = np.zeros(len(genes))
    for fold in range(5):
        test = folds == fold
        train = [one.of(~test), two.of(~test), genes[~test].reset_index(drop=True)]
        model = DifferenceRidge.fit(*train, settings, seed=1)
        change[test] = model.predict(one.of(test), two.of(test))
    r = np.corrcoef(change, genes["change"])[0, 1]
    assert r > 0.57, r  # 0.613 when this was written
