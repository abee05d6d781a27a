"""Edits, knockouts and attribution on a real map: chr22 at 50 kb."""

import cooler
import numpy as np
import pandas as pd
import pytest

from chromloom.attribution.aggregate import bins_overlapping
from chromloom.attribution.attribute import attribute
from chromloom.attribution.explain import explain_sets
from chromloom.contacts.extract import extract_contacts
from chromloom.genome.assembly import load_assembly
from chromloom.genome.intervals import read_intervals
from chromloom.models.hiclstm.settings import HiCLSTMSettings
from chromloom.models.trained import TrainedModel
from chromloom.normalize.normalized import normalize_contacts
from chromloom.perturbation.perturb import perturb
from chromloom.perturbation.screen import screen_chromosome
from chromloom.training.fit import train

EDITS = "chr22\t30000000\t31000000\tDEL:del\nchr22\t30000000\t31000000\tDUP:dup\n"


@pytest.fixture(scope="module")
def trained(real_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("chr22")
    source = real_data / "contacts" / "GM12878_prim_chr22_50kb.cool"
    options = {"assembly": load_assembly("hg19"), "sample": "GM12878"}
    extract_contacts(source, folder / "map.mcool", resolutions=[50_000], **options)
    normalize_contacts(
        folder / "map.mcool", folder / "map.cool", resolution=50_000, norm="ICE", **options
    )
    settings = HiCLSTMSettings.from_preset("refined", epochs=2)
    train(folder / "map.cool", folder / "model", settings, device="cpu")
    return folder


def test_a_deletion_and_a_duplication_of_a_real_locus(trained):
    (trained / "edits.bed").write_text(EDITS)
    perturb(
        trained / "model",
        trained / "map.cool",
        trained / "edits.bed",
        trained / "out",
        flank=5_000_000,
    )
    clr = cooler.Cooler(f"{trained / 'out' / 'del' / 'difference.mcool'}::resolutions/50000")
    pixels = clr.pixels(join=True)[:]
    spanning = (pixels["end1"] <= 30_000_000) & (pixels["start2"] >= 31_000_000)
    assert spanning.all()
    assert pixels["count"].mean() > 0  # what a deletion brings together has more contacts
    summary = pd.read_csv(trained / "out" / "dup" / "summary.tsv", sep="\t")
    values = summary.set_index("metric")["value"]
    assert values["mean_log2_change_1Mb"] > 0  # both copies' reads are on the reference
    assert 0 < values["scc"] < 1


def test_attribution_of_a_real_map_is_complete_and_explains_elements(trained, real_data):
    report = attribute(trained / "model", trained / "a.bw", trained / "a.parquet")
    assert (report["completeness_error"] <= 0.01).all()
    labels = real_data / "labels"
    bins = pd.read_parquet(trained / "a.parquet")
    sizes = bins.groupby("chrom", sort=False)["end"].max()
    peaks = {name: labels / f"GM12878_{name}.narrowPeak.gz" for name in ("CTCF", "RAD21", "EZH2")}
    explain_sets(
        trained / "a.parquet",
        {
            name: bins_overlapping(read_intervals(path, "bed", sizes), bins)
            for name, path in peaks.items()
        },
        trained / "elements",
        comparisons={"cohesin": ("CTCF&RAD21", "CTCF-RAD21")},
    )
    ranking = pd.read_csv(trained / "elements" / "ranking.tsv", sep="\t")
    assert ranking["p_value"].between(0, 1).all()
    assert (ranking["n_bins"] > 20).all()


def test_every_bin_of_a_real_chromosome_can_be_knocked_out(trained):
    model = TrainedModel.load(trained / "model")
    impact, change = screen_chromosome(model, "chr22", reach=2_000_000)
    assert (np.isfinite(impact) == ~model.mask("chr22")).all()
    assert (impact[np.isfinite(impact)] > 0).all()
    assert (np.abs(change) <= impact + 1e-9)[np.isfinite(impact)].all()
