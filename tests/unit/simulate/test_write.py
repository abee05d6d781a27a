"""The files of a simulated genome open in common tools and agree with the simulation."""

import gzip
from pathlib import Path

import bioframe
import cooler
import hictkpy
import numpy as np
import pandas as pd
import pyBigWig
import pytest
import yaml

from chromloom.errors import InputError
from chromloom.genome.assembly import load_assembly
from chromloom.simulate.plan import COVERS, POINTS, make_plan, read_plan
from chromloom.simulate.write import (
    Sample,
    plan_cell_types,
    simulate_genome,
    write_edits,
)

SIZES = {"chr1": 5_000_000, "chr2": 4_050_000}
SAMPLES = [
    Sample("deep", "A", 200_000, "hic"),
    Sample("same", "A", 200_000, "mcool"),
    Sample("flat", "A", 200_000, "cool"),
    Sample("text", "A", 200_000, "pairs"),
    Sample("other", "B", 50_000, "mcool"),
]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated")
    simulate_genome(
        folder,
        seed=7,
        chromsizes=SIZES,
        resolution=25_000,
        resolutions=[25_000, 100_000],
        samples=SAMPLES,
        fasta=["chr2"],
        expression=True,
    )
    return folder


@pytest.fixture(scope="module")
def pixels(written):
    return cooler.Cooler(str(written / "contacts/flat.cool")).pixels()[:]


def test_genes_that_enhancers_raise_are_written_for_every_cell_type(written):
    found = {path.name for path in (written / "expression").iterdir()}
    assert {"genes.bed", "expression.tsv"} <= found
    for cell_type in "AB":
        assert {f"{cell_type}_capture.bedpe", f"{cell_type}_H3K27ac.bw"} <= found
    values = pd.read_csv(written / "expression" / "expression.tsv", sep="\t")
    assert list(values) == ["gene_id", "A", "B"]
    assert not np.allclose(values["A"], values["B"])


def test_every_form_holds_the_same_reads(written, pixels):
    """Four samples of one cell type, seed and replicate differ in their form only."""
    bins = cooler.Cooler(str(written / "contacts/flat.cool")).bins()[:]
    mcool = cooler.Cooler(f"{written}/contacts/same.mcool::resolutions/25000")
    pd.testing.assert_frame_equal(mcool.pixels()[:], pixels)
    assert mcool.chromsizes.to_dict() == SIZES

    hic = hictkpy.File(str(written / "contacts/deep.hic"), 25_000)
    assert dict(hic.chromosomes()) == SIZES
    stored = hic.fetch().to_df()
    stored = stored.sort_values(["bin1_id", "bin2_id"], ignore_index=True)
    np.testing.assert_array_equal(stored["bin1_id"], pixels["bin1_id"])
    np.testing.assert_array_equal(stored["bin2_id"], pixels["bin2_id"])
    np.testing.assert_array_equal(stored["count"], pixels["count"])

    with gzip.open(written / "contacts/text.pairs.gz", "rt") as file:
        header = [line for line in file if line.startswith("#")]
    assert header[0] == "## pairs format v1.0\n"
    assert "#chromsize: chr1 5000000\n" in header
    names = header[-1].split()[1:]
    reads = pd.read_csv(written / "contacts/text.pairs.gz", sep="\t", comment="#", names=names)
    assert len(reads) == pixels["count"].sum()
    offset = {"chr1": 0, "chr2": 200}
    ids = [reads[f"chr{side}"].map(offset) + (reads[f"pos{side}"] - 1) // 25_000 for side in (1, 2)]
    assert (reads["pos1"] <= reads["pos2"])[reads["chr1"] == reads["chr2"]].all()
    counted = pd.Series(ids[0] * len(bins) + ids[1]).value_counts().sort_index()
    np.testing.assert_array_equal(counted.index, pixels["bin1_id"] * len(bins) + pixels["bin2_id"])
    np.testing.assert_array_equal(counted, pixels["count"])


def test_coarse_maps_are_those_of_cooler(written, tmp_path):
    cooler.coarsen_cooler(
        str(written / "contacts/flat.cool"), str(tmp_path / "coarse.cool"), 4, chunksize=10**7
    )
    want = cooler.Cooler(str(tmp_path / "coarse.cool"))
    got = cooler.Cooler(f"{written}/contacts/same.mcool::resolutions/100000")
    pd.testing.assert_frame_equal(got.pixels()[:], want.pixels()[:])
    assert [uri.split("/")[-1] for uri in cooler.fileops.list_coolers(
        str(written / "contacts/same.mcool"))] == ["25000", "100000"]  # fmt: skip
    assert hictkpy.MultiResFile(str(written / "contacts/deep.hic")).resolutions().tolist() == [
        25_000,
        100_000,
    ]


def test_assembly_folder_loads(written):
    assembly = load_assembly("simulated", resources=written)
    assert assembly.chromsizes.to_dict() == SIZES
    assert len(assembly.centromeres) == 2
    assert len(assembly.blacklist) == 4


@pytest.mark.parametrize("name", ["chr1", "chr2"])
def test_signals_open_and_follow_the_plan(written, name):
    plan = read_plan(written / "truth/A")
    with pyBigWig.open(str(written / "signals/A_CTCF.bw")) as track:
        assert track.chroms() == SIZES
        bound = plan.rows("sites", name).query("strength > 0.5")
        at = np.mean([track.stats(name, s, e)[0] for s, e in zip(bound["start"], bound["end"])])
        assert at > 20 * np.nanmedian(track.values(name, 0, SIZES[name], numpy=True)[::1000])
    with pyBigWig.open(str(written / "signals/gc.bw")) as track:
        gc = plan.rows("landscape", name)["gc"]
        assert track.stats(name, 0, 25_000)[0] == pytest.approx(gc.iloc[0], abs=1e-4)
    for mark in ("B_H3K27ac", "A_replication_timing"):
        with pyBigWig.open(str(written / f"signals/{mark}.bw")) as track:
            assert track.header()["nBasesCovered"] > 0.8 * sum(SIZES.values())


@pytest.mark.parametrize("cell", ["A", "B"])
def test_labels_are_sound_intervals(written, cell):
    labels = written / "labels"
    files = [
        "CTCF_motifs_MA0139.1.bed.gz",
        *(path.name for path in labels.glob(f"{cell}_*.bed.gz")),
        *(path.name for path in labels.glob(f"{cell}_*Peak.gz")),
    ]
    assert len(files) >= 12
    for name in files:
        table = pd.read_csv(labels / name, sep="\t", header=None)
        table = table[[0, 1, 2]].set_axis(["chrom", "start", "end"], axis=1)
        assert bioframe.is_bedframe(table), name
        assert (table["start"] < table["end"]).all(), name
        assert bioframe.is_contained(table, bioframe.make_viewframe(SIZES)), name
    narrow = bioframe.read_table(str(labels / f"{cell}_CTCF.narrowPeak.gz"), schema="narrowPeak")
    assert (narrow["start"] + narrow["relSummit"] < narrow["end"]).all()
    broad = pd.read_csv(labels / f"{cell}_H3K27ac.broadPeak.gz", sep="\t", header=None)
    assert broad.shape[1] == 9
    rao = pd.read_csv(
        labels / f"{cell}_subcompartments.bed.gz", sep="\t", header=None, keep_default_na=False
    )
    assert rao.shape[1] == 9
    assert "NA" in set(rao[3])
    assert (rao[2] - rao[1]).sum() == sum(SIZES.values())


def test_lists_look_like_those_of_juicer_and_targetfinder(written):
    labels = written / "labels"
    loops = pd.read_csv(labels / "A_looplist_with_motifs.txt.gz", sep="\t", dtype={"chr1": str})
    assert loops.shape[1] == 30
    assert set(loops["chr1"]) <= {"1", "2"}
    assert set(loops["orientation_1"]) == {"p"}
    assert set(loops["orientation_2"]) == {"n"}
    domains = pd.read_csv(labels / "A_domainlist.txt.gz", sep="\t", dtype={"chr1": str})
    assert domains.columns.tolist()[:6] == ["chr1", "x1", "x2", "chr2", "y1", "y2"]
    assert domains.shape[1] == 12
    pairs = pd.read_csv(labels / "A_TargetFinder_pairs.csv.gz")
    assert pairs["enhancer_name"].str.fullmatch(r"A\|chr\d:\d+-\d+").all()
    assert set(pairs["label"]) == {0, 1}
    genes = pd.read_csv(labels / "A_gene_tss_expression.tsv.gz", sep="\t")
    assert {"chrom", "tss", "strand", "ensg", "count", "cpm"} <= set(genes)
    starts = pd.read_csv(labels / "A_expressed_tss.bed.gz", sep="\t", names=[*"cse", "name"])
    both = genes.merge(starts, left_on="ensg", right_on="name")
    assert len(both) == len(starts) == genes["expressed"].sum()
    assert (both["tss"] == both["e"]).all()
    assert genes["cpm"].sum() == pytest.approx(1e6, rel=1e-3)


def test_edits_lie_on_whole_bins_outside_gaps(written):
    edits = pd.read_csv(written / "edits.bed", sep="\t", names=["chrom", "start", "end", "name"])
    assert [name.split(":")[0] for name in edits["name"]] == ["DEL", "DUP"]
    assert (edits[["start", "end"]] % 25_000 == 0).all(axis=None)
    assert (edits["end"] > edits["start"]).all()
    gaps = read_plan(written / "truth/A").gaps
    assert len(bioframe.overlap(edits, gaps, how="inner")) == 0


def test_the_truth_is_the_plan(written):
    want = plan_cell_types(7, ["A", "B"], chromsizes=SIZES, resolution=25_000)
    for cell, plan in want.items():
        got = read_plan(written / "truth" / cell)
        for name in (*COVERS, *POINTS):
            pd.testing.assert_frame_equal(getattr(got, name), getattr(plan, name), check_exact=True)
        assert got.physics == plan.physics
        assert (got.seed, got.resolution, got.cell_type) == (7, 25_000, cell)
    scales = pd.read_csv(written / "truth/samples.tsv", sep="\t").set_index("sample")["scale"]
    assert scales["deep"] == scales["flat"] > scales["other"]
    readme = (written / "truth/README.md").read_text()
    for path in (written / "truth/A").glob("*.tsv"):
        assert path.name in readme


def test_same_seed_same_bytes(written, tmp_path):
    simulate_genome(
        tmp_path, seed=7, chromsizes=SIZES, resolution=25_000, samples=SAMPLES[3:], fasta=["chr2"]
    )
    kinds = ("labels", "signals", "truth/B", "simulated")
    paths = [p for kind in kinds for p in (tmp_path / kind).iterdir()]
    paths += [tmp_path / "contacts/text.pairs.gz", tmp_path / "edits.bed"]
    assert len(paths) > 40
    for path in paths:
        assert path.read_bytes() == (written / path.relative_to(tmp_path)).read_bytes(), path


def test_bad_requests_are_errors_before_anything_is_written(tmp_path):
    small = {"seed": 0, "chromsizes": SIZES, "resolution": 25_000}
    with pytest.raises(InputError, match=r"'x': form 'bam' is not known; expected one of cool"):
        simulate_genome(tmp_path, samples=[Sample("x", "A", 10, "bam")], **small)
    twice = [Sample("x", "A", 10, "cool"), Sample("x", "B", 10, "cool")]
    with pytest.raises(InputError, match="one or more different names"):
        simulate_genome(tmp_path, samples=twice, **small)
    with pytest.raises(InputError, match=r"30000 is not a multiple of the simulated bins of 25000"):
        simulate_genome(tmp_path, resolutions=[30_000], samples=twice[:1], **small)
    with pytest.raises(InputError, match=r"holds no plan.json"):
        read_plan(tmp_path)
    assert list(Path(tmp_path).iterdir()) == []


def test_edits_of_the_demo_are_those_of_its_genome(repo_root, tmp_path):
    """The demo's edits stand in the configuration, since rules must know their names."""
    config = yaml.safe_load((repo_root / "config/demo/config.yaml").read_text())
    write_edits(make_plan(config["simulate"]["seed"]), tmp_path / "edits.bed")
    assert (tmp_path / "edits.bed").read_text() == (repo_root / "config/demo/edits.bed").read_text()
