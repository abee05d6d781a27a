"""All real label files on bins, against what is known of them; classification by eigenvectors."""

import time

import cooler
import numpy as np
import pandas as pd
import pytest

from chromloom.classification.classify import classify_representations
from chromloom.classification.labels import BinLabels, load_labels, read_label_sheet
from chromloom.genome.assembly import load_assembly
from chromloom.genome.bins import make_bins
from chromloom.genome.intervals import read_intervals

RESOLUTION = 10_000


@pytest.fixture(scope="module")
def sheet(repo_root, real_data):
    """The sheet of the real study."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHROMLOOM_REAL_DATA", str(real_data))
        yield read_label_sheet(
            repo_root / "config" / "real" / "labels.tsv", cell_type="GM12878", assembly="hg19"
        )


@pytest.fixture(scope="module")
def chromsizes():
    return load_assembly("hg19").chromsizes[["chr21", "chr22"]]


@pytest.fixture(scope="module")
def labels(sheet, chromsizes):
    return load_labels(sheet, make_bins(chromsizes, RESOLUTION).assign(masked=False))


def test_every_label_file_is_in_the_sheet(sheet, real_data):
    named = {path.name for paths in sheet["path"] for path in paths}
    present = {path.name for path in (real_data / "labels").glob("*.gz")}
    assert present - named == {"CTCF_motifs_MA0139.1.bed.gz"}


def test_all_tasks_have_labels_on_both_chromosomes(labels, chromsizes):
    bins = make_bins(chromsizes, RESOLUTION)
    for task, found in labels.items():
        labelled = found.y >= 0 if isinstance(found, BinLabels) else bins.index.isin(
            found.pairs["bin1"]
        )  # fmt: skip
        assert set(bins.loc[labelled, "chrom"]) == {"chr21", "chr22"}, task


def test_targetfinder_pairs_are_counted(real_data, chromsizes):
    pairs = read_intervals(
        real_data / "labels" / "GM12878_TargetFinder_pairs.csv.gz", "targetfinder", chromsizes
    )
    counts = pairs.groupby("chrom")["score"].agg(["size", "sum"])
    assert counts.to_numpy().tolist() == [[492, 23], [1243, 61]]


def test_genes_are_counted(real_data, chromsizes):
    genes = read_intervals(
        real_data / "labels" / "E116_gene_tss_expression.tsv.gz", "expression", chromsizes
    )
    assert genes["chrom"].value_counts().to_dict() == {"chr21": 193, "chr22": 395}


def test_subcompartments_cover_what_they_cover(labels, chromsizes):
    found = labels["subcompartments"]
    chrom = make_bins(chromsizes, RESOLUTION)["chrom"].to_numpy()
    megabases = {
        (c, name): (found.y[chrom == c] == k).sum() * RESOLUTION / 1e6
        for c in chromsizes.index
        for k, name in enumerate(found.classes)
    }
    expected = {
        ("chr21", "A1"): 5.8, ("chr21", "A2"): 0.5, ("chr21", "B1"): 6.1, ("chr21", "B2"): 21.1,
        ("chr22", "A1"): 20.5, ("chr22", "A2"): 0, ("chr22", "B1"): 10.2, ("chr22", "B2"): 2.7,
    }  # fmt: skip
    for key, value in expected.items():
        assert megabases[key] == pytest.approx(value, abs=0.11), key


def test_early_replication_goes_with_compartment_a(labels):
    timing, compartment = labels["replication_timing"], labels["subcompartments"]
    both = (timing.y >= 0) & (compartment.y >= 0)
    in_a = np.char.startswith(np.array(compartment.classes, dtype=str), "A")[compartment.y[both]]
    assert timing.y[both][in_a].mean() > timing.y[both][~in_a].mean() + 0.3


def test_boundaries_with_and_without_ctcf_add_up(labels):
    all_, with_, without = (
        labels[task].y == 1
        for task in ("TAD_boundaries", "TAD_boundaries_CTCF", "TAD_boundaries_no_CTCF")
    )
    assert not (with_ & without).any()
    np.testing.assert_array_equal(all_, with_ | without)
    assert with_.sum() > without.sum()


def test_eigenvectors_of_chr21_know_its_labels(real_data, chromsizes, sheet, repo_root, tmp_path):
    """A dense stand-in for trained models: 16 eigenvectors of log observed/expected at 50 kb."""
    clr = cooler.Cooler(str(real_data / "contacts" / "GM12878_chr21_10kb.cool"))
    n, coarse = clr.shape[0], 5
    dense = np.pad(clr.matrix(balance=False)[:].astype(float), (0, -n % coarse))
    dense = dense.reshape(len(dense) // coarse, coarse, -1, coarse).sum(axis=(1, 3))
    covered = (dense > 0).sum(axis=0) > 10
    dense /= np.sqrt(np.outer(*[np.maximum(dense.sum(axis=0), 1)] * 2)) / dense.sum(axis=0).mean()
    i, j = np.indices(dense.shape)
    ok = covered[i] & covered[j]
    distance = np.abs(i - j)
    total, count = (np.bincount(distance[ok], w, len(dense)) for w in (dense[ok], None))
    expected = total / np.maximum(count, 1)
    log_oe = np.where(ok, np.log((dense + 0.5) / (expected[distance] + 0.5)), 0)
    value, vector = np.linalg.eigh(log_oe)
    R = vector[:, np.argsort(-np.abs(value))[:16]] * np.sqrt(len(dense))
    bins = make_bins(chromsizes, 50_000)
    table = pd.DataFrame(np.nan, index=bins.index, columns=[f"r{k}" for k in range(16)])
    table.iloc[: len(R)] = np.where(covered[:, None], R, np.nan)
    bins["masked"] = table["r0"].isna()
    path = tmp_path / "chr21.50000.raw.eig.parquet"
    pd.concat([bins, table.astype(np.float32)], axis=1).to_parquet(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHROMLOOM_REAL_DATA", str(real_data))
        start = time.process_time()
        tables = classify_representations(
            path, repo_root / "config" / "real" / "labels.tsv", cell_type="GM12878",
            assembly="hg19",
        )  # fmt: skip
        seconds = time.process_time() - start
    metrics = tables.metrics.query("metric == 'AuROC' and classifier == 'linear'")
    area = metrics.pivot_table(index="task", columns="protocol", values="value")
    assert set(area.index) == set(sheet.index)
    active = ["expression", "replication_timing", "H3K27ac", "H3K4me1", "POL2"]
    assert area.loc[active, "honest"].min() > 0.7
    assert abs(area["shuffled"].mean() - 0.5) < 0.06
    assert seconds < 60
