"""The whole chain on a small simulated genome, and every kind of output opened as users open it."""

import json
import re
import shutil
from pathlib import Path

import anndata
import cooler
import h5py
import numpy as np
import pandas as pd
import pyBigWig
import pytest

MODELS = ["hiclstm-refined", "eig", "pca"]
# Of another network, the replicate has all that needs no edit; that of the article is in study.py.
TRAINED = [*(("A", model) for model in MODELS), ("A_rep2", "hiclstm-released")]
CONFIG = {
    "samples": "samples.tsv",
    "labels": "config/demo/labels.tsv",
    "signals": "config/demo/signals.tsv",
    "simulate": {"seed": 1, "chromsizes": {"chr1": 6_500_000, "chr2": 3_500_000}, "depth": 0.15},
    "device": "cpu",
    "training": {
        "models": MODELS,
        "options": {f"hiclstm-{name}": {"epochs": 1} for name in ("released", "refined")},
    },
    "reconstruction": {"bootstraps": 20},
    "attribution": {"domains": "TAD_boundaries", "max_distance": 2_000_000},
    "perturbation": {
        "flank": 1_000_000,
        "max_sites": 5,
        "knockouts": {"CTCF": "results/simulated/labels/A_CTCF.narrowPeak.gz"},
    },
    "variants": {"controls": 3},
}
SAMPLES = """\
sample	cell_type	assembly	contacts	thin_of	fraction	against	models	fine_tune_of	fine_tune_region	edits
A	A	results/simulated/simulated	results/simulated/contacts/A.hic			A_rep2				edits.bed
A_rep2	A	results/simulated/simulated	results/simulated/contacts/A_rep2.mcool				hiclstm-released			-
A_thin	A	results/simulated/simulated	-	A	0.5		hiclstm-refined	A	chr1:1,000,000-4,000,000	-
B	B	results/simulated/simulated	results/simulated/contacts/B.pairs.gz				-			-
"""  # noqa: E501
EDITS = "chr1\t4000000\t4100000\tDEL:cut\nchr1\t5000000\t5300000\tDUP:copy\n"
RUN = "A.10000.ICE.hiclstm-refined"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results(snakemake, tmp_path_factory) -> Path:
    """Folder of results of the finished study, with its report."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "config.yaml").write_text(json.dumps(CONFIG))
    (folder / "samples.tsv").write_text(SAMPLES)
    (folder / "edits.bed").write_text(EDITS)
    config = ["--configfile", str(folder / "config.yaml")]
    snakemake(folder, *config, "--cores", "2", "--", "all", "simulated")
    snakemake(folder, *config, "--report", "results/report.html", "--", "all", "simulated")
    return folder / "results"


def test_contacts_and_normalized_maps_open_in_cooler(results):
    assert {f"A{s}.mcool" for s in ("", "_rep2", "_thin")} <= {
        path.name for path in (results / "contacts").iterdir()
    }
    raw = cooler.Cooler(f"{results}/contacts/A.mcool::resolutions/10000")
    thin = cooler.Cooler(f"{results}/contacts/A_thin.mcool::resolutions/10000")
    assert thin.info["sum"] / raw.info["sum"] == pytest.approx(0.5, abs=0.01)
    normalized = cooler.Cooler(f"{results}/normalized/A.10000.ICE.cool")
    assert {"count", "value", "oe"} <= set(normalized.pixels().columns)
    assert normalized.pixels()["count"][:].sum() == raw.info["sum"]


@pytest.mark.parametrize(("sample", "model"), TRAINED)
def test_representations_open_in_pandas_anndata_and_pybigwig(results, sample, model):
    stem = f"{results}/representations/{sample}.10000.ICE.{model}"
    table = pd.read_parquet(f"{stem}.parquet")
    bins = cooler.Cooler(f"{results}/normalized/{sample}.10000.ICE.cool").bins()[:]
    assert (table["start"] == bins["start"]).all()
    assert (table["r0"].isna() == bins["weight"].isna()).all()
    assert anndata.read_h5ad(f"{stem}.h5ad").n_obs == len(table)
    with pyBigWig.open(f"{stem}.bigwig/r0.bw") as track:
        assert track.chroms() == {"chr1": 6_500_000, "chr2": 3_500_000}


def test_predicted_and_edited_maps_open_in_cooler(results):
    predicted = cooler.Cooler(f"{results}/predictions/{RUN}.mcool::resolutions/10000")
    assert predicted.pixels()[:1]["count"].dtype == np.float32
    wild, edited = (
        cooler.Cooler(f"{results}/perturbation/{RUN}/cut/{name}.mcool::resolutions/10000")
        for name in ("wild_type", "edited_on_reference")
    )
    left = ("chr1", 3_500_000, 4_000_000)
    kept = [clr.matrix(balance=False).fetch(left) for clr in (wild, edited)]
    np.testing.assert_allclose(*kept, rtol=1e-5)
    lift = pd.read_table(f"{results}/perturbation/{RUN}/copy/lift.tsv")
    assert lift.groupby(["ref_chrom", "ref_start"]).size().value_counts()[2] == 30


def test_importance_opens_in_pybigwig_and_is_complete(results):
    for name in (f"{RUN}.bw", f"{RUN}.normalised.bw", f"{RUN}.raw.bw"):
        with pyBigWig.open(f"{results}/attribution/{name}") as track:
            assert track.header()["nBasesCovered"] > 0
    completeness = pd.read_table(f"{results}/attribution/{RUN}.completeness.tsv")
    assert (completeness["completeness_error"] <= 0.01).all()


def test_tables_have_the_columns_that_are_documented(results):
    columns = {
        "reconstruction": "sample resolution norm model decoder against pairs metric stratum value "
        "ci_low ci_high n n_unpredicted seed depth_ratio readout value_other",
        "classification": "sample resolution norm model classifier task circular protocol metric "
        "value ci_low ci_high n_positive n_negative few",
        "perturbation": "sample resolution norm model edit kind region metric value ci_low ci_high",
    }
    for name, expected in columns.items():
        table = pd.read_table(results / "tables" / f"{name}.tsv")
        assert list(table.columns) == expected.split()
        assert len(table)
    scored = pd.read_table(results / "tables" / "reconstruction.tsv")
    assert {"A", "A_rep2", "A_thin"} == set(scored["against"])
    models = {model for _, model in TRAINED}
    assert {*models, "ceiling", "distance-mean"} == set(scored["model"])
    assert not scored.duplicated().any()


def test_analyses_stand_beside_observed_and_predicted_maps(results):
    for name in ("A.10000.ICE", RUN):
        folder = results / "analysis" / name
        assert np.isfinite(pd.read_table(folder / "ps.tsv").iloc[:, -1]).any()
        assert (folder / "boundaries.bed").read_text()


def test_models_of_the_simulated_genome_are_held_to_it(results):
    table = pd.read_table(results / "tables" / "simulated.tsv")
    assert set(table["sample"]) == {"A"}  # the others are not judged, or fine-tuned
    assert set(table["model"]) == {"hiclstm-refined", "eig"}
    own = table[table["model"] == "hiclstm-refined"]
    assert (own.loc[own["method"] == "between", "value"] > 0.8).all()
    assert (own.loc[own["method"] == "model, lifted", "value"] > 0.7).all()
    assert (own.loc[own["measure"] == "completeness_error", "value"] < 0.01).all()


def test_signals_of_both_cell_types_are_stored_by_name(results):
    marks = ["DNase", "H3K4me3", "H3K27ac", "H3K27me3", "CTCF", "CTCF_motifs+", "CTCF_motifs-"]
    for cell_type in "AB":
        with h5py.File(results / "signals" / f"{cell_type}.100.h5") as file:
            groups = [file[f"signals/{k}"] for k in range(len(marks))]
            assert [group.attrs["name"] for group in groups] == marks
            assert groups[0]["chr1"].shape == (65_000,)
        table = pd.read_csv(results / "signals" / f"{cell_type}.100.qc.tsv", sep="\t")
        assert table["warning"].isna().all()
        assert set(table["chrom"]) == {"chr1", "chr2", "all"}


def test_quality_table_lists_every_chromosome_and_the_balancing(results):
    table = pd.read_table(results / "qc" / "A.tsv")
    assert set(table["chrom"]) == {"chr1", "chr2", "all"}
    assert table["converged"].dropna().astype(bool).all()


def test_every_figure_has_picture_and_numbers(results):
    pictures = {path.stem for path in (results / "figures" / "hiclstm").glob("*.png")}
    assert {"fig3a", "fig3b", "fig3g", "figS14", "fig4a", "fig6a", "fig7", "fig8a"} <= pictures
    for picture in pictures:
        assert len(pd.read_table(results / "figures" / "hiclstm" / f"{picture}.tsv"))
        assert (results / "figures" / "hiclstm" / f"{picture}.pdf").stat().st_size > 1000


def test_the_report_is_one_page_that_works_offline(results):
    page = (results / "report.html").read_text()
    assert "Figure 3" in page
    assert "Simulated genomes" in page
    assert not re.search(r"<(script|link)[^>]+(src|href)=[\"']https?://", page)


def test_the_report_of_an_unfinished_study_says_what_is_missing_and_why(
    snakemake, results, tmp_path
):
    shutil.copytree(results.parent, tmp_path, symlinks=True, dirs_exist_ok=True)
    scores = "results/reconstruction/A.10000.ICE.hiclstm-refined.tsv"
    for lost in [scores, "results/tables/reconstruction.tsv", "results/figures/hiclstm/fig3a.png"]:
        (tmp_path / lost).unlink()
    log = next((tmp_path / "logs" / "evaluate_reconstruction").glob("*hiclstm-refined*.log"))
    log.write_text("2026-01-01T00:00:00Z ERROR chromloom: too few pairs in `|a*_b`\n")
    report = ["--configfile", str(tmp_path / "config.yaml"), "--report", "results/part.html"]
    assert "does not exist" in snakemake(tmp_path, *report, check=False).stderr
    snakemake(tmp_path, *report, "--", "finished")
    page = (tmp_path / "results" / "part.html").read_text()
    front = page[page.index("not finished") :].split("Maps were balanced")[0]
    assert "too few pairs in `|a*_b`" in front
    assert "evaluate_reconstruction failed" in front
    assert "fig3a.png" in front
    assert "tables/reconstruction.tsv" in front
    assert "fig3g.png" not in front
    assert "fig3g.png" in page


def test_nothing_half_written_is_left(results):
    hidden = [p.name for p in results.rglob(".*") if p.is_file() and "snakemake" not in p.name]
    assert not hidden
    assert not (results / ".resume").exists() or not any((results / ".resume").iterdir())
