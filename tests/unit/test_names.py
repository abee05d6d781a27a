"""A name is a name: chromosomes called like regions give the same numbers as others."""

import cooler
import numpy as np
import pandas as pd
import pytest

from chromloom.attribution.attribute import attribute
from chromloom.contacts.extract import extract_contacts
from chromloom.evaluation.maps import EvaluationSettings, evaluate_model
from chromloom.files import read_tsv
from chromloom.genome.assembly import load_assembly
from chromloom.normalize.normalized import normalize_contacts
from chromloom.perturbation.perturb import perturb
from chromloom.perturbation.screen import screen
from chromloom.prediction.export import predict_map
from chromloom.representations.table import export_representations
from chromloom.training.models import train_model

PLAIN = {"a": 1_195_000, "b": 800_000, "c": 700_000}
# The last would be a region of the second.
ODD = dict(zip(["gi|69|gb|J1.1|", "HLA-DRB1*15:01", "HLA-DRB1*15:01:5-9"], PLAIN.values()))


@pytest.fixture(scope="module")
def studies(make_counts, tmp_path_factory):
    """Folders of the same study under plain and odd names."""
    folders = []
    for sizes in (PLAIN, ODD):
        folder = tmp_path_factory.mktemp("study")
        make_counts(folder / "n.cool", chromsizes=sizes)
        (folder / "s.chrom.sizes").write_text("".join(f"{c}\t{n}\n" for c, n in sizes.items()))
        assembly = load_assembly(folder / "s.chrom.sizes")
        extract_contacts(
            folder / "n.cool",
            folder / "A.mcool",
            assembly=assembly,
            resolutions=[10_000, 20_000],
            sample="A",
        )
        common = {"sample": "A", "resolution": 10_000, "norm": "ICE", "assembly": assembly}
        path = folder / "A.10000.ICE.cool"
        normalize_contacts(folder / "A.mcool", path, **common)
        train_model("eig", path, folder / "A.10000.ICE.eig")
        folders.append(folder)
    return folders


def same(studies, name):
    """A table of both studies."""
    plain, odd = (read_tsv(folder / name) for folder in studies)
    back = dict(zip(ODD, PLAIN))
    for column in odd.select_dtypes("object"):
        for name, plain_name in reversed(back.items()):
            odd[column] = odd[column].str.replace(name, plain_name, regex=False)
    pd.testing.assert_frame_equal(plain, odd)
    assert len(plain)


def test_maps_and_their_expected(studies):
    same(studies, "A.10000.ICE.expected.tsv")
    for uri in ("A.mcool::resolutions/20000", "A.10000.ICE.cool"):
        plain, odd = (cooler.Cooler(f"{folder}/{uri}").pixels()[:] for folder in studies)
        pd.testing.assert_frame_equal(plain, odd)


def test_predictions_and_their_scores(studies):
    settings = EvaluationSettings(n_boot=3)
    for folder in studies:
        model, path = folder / "A.10000.ICE.eig", folder / "A.10000.ICE.cool"
        predict_map(model, path, folder / "p.mcool", zoomify=[20_000])
        evaluate_model(model, path, folder / "scores.tsv", against=[path], settings=settings)
        export_representations(model, folder / "r.parquet", folder / "r.h5ad", folder / "bw")
    same(studies, "scores.tsv")
    plain, odd = (cooler.Cooler(f"{f}/p.mcool::resolutions/10000") for f in studies)
    np.testing.assert_array_equal(plain.bins()["weight"][:], odd.bins()["weight"][:])
    pd.testing.assert_frame_equal(plain.pixels()[:], odd.pixels()[:])


def test_screens_edits_and_attributions(studies):
    for folder, sizes in zip(studies, (PLAIN, ODD)):
        model = folder / "A.10000.ICE.eig"
        screen(model, folder / "screen.bw", folder / "screen.tsv")
        attribute(model, folder / "attribution.bw", folder / "attribution.parquet")
        kinds = zip(sizes, ("DEL:one", "INV:two", "KO:three"))
        rows = [f"{chrom}\t300000\t400000\t{kind}\n" for chrom, kind in kinds]
        (folder / "edits.bed").write_text("".join(rows))
        perturb(model, folder / "A.10000.ICE.cool", folder / "edits.bed", folder / "edits")
    same(studies, "screen.tsv")
    same(studies, "edits/perturbation.tsv")
