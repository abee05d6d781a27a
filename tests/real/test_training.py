"""Training on real maps: what the eigenvectors and `refined` reach, and at what speed."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from chromloom.contacts.extract import extract_contacts
from chromloom.genome.assembly import load_assembly
from chromloom.models.hiclstm.settings import HiCLSTMSettings
from chromloom.models.trained import TrainedModel
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.normalized import normalize_contacts
from chromloom.normalize.probability import contact_probability
from chromloom.training.fit import train

STRATA = [2, 10, 40, 100, 200, 400, 1000]


@pytest.fixture(scope="module")
def normalize(real_data, tmp_path_factory):
    """Normalise a real map once; returns its path."""
    assembly, done = load_assembly("hg19"), {}

    def make(name, resolution):
        if name not in done:
            folder = tmp_path_factory.mktemp(name.split(".")[0])
            extract_contacts(
                real_data / "contacts" / name,
                folder / "m.mcool",
                assembly=assembly,
                resolutions=[resolution],
                sample=name,
            )
            done[name] = folder / "m.cool"
            normalize_contacts(
                folder / "m.mcool",
                done[name],
                sample=name,
                resolution=resolution,
                norm="ICE",
                assembly=assembly,
            )
        return done[name]

    return make


@pytest.fixture(scope="module")
def correlations(normalize):
    """Pearson r of contact probability by stratum of a prediction with the chr22 replicate."""
    primary = NormalizedMap(normalize("GM12878_prim_chr22_50kb.cool", 50_000))
    replicate = NormalizedMap(normalize("GM12878_rep_chr22_50kb.cool", 50_000))
    n = len(primary.mask("chr22"))
    trained_on, scored_on = (m.band("chr22", 0, n) for m in (primary, replicate))
    both = (trained_on > 0) & (scored_on > 0)
    dist = np.broadcast_to(np.arange(n)[:, None], both.shape)
    expected = primary.expected("chr22").band(0, n)

    def score(predicted_cp):
        r = []
        for low, high in pairwise(STRATA):
            pairs = both & (dist >= low) & (dist < high)
            x, y = predicted_cp[pairs], contact_probability(scored_on[pairs])
            r.append(np.corrcoef(x, y)[0, 1])
        return np.array(r)

    score.ceiling = score(contact_probability(trained_on))
    score.model = lambda folder: score(_predict_cp(TrainedModel.load(folder), expected))
    return score


def _predict_cp(model, expected):
    return model.to_cp(model.predict_band("chr22", 0, expected.shape[1]), expected)


def test_ceiling_is_the_published_one(correlations):
    wanted = [0.988, 0.932, 0.839, 0.825, 0.756, 0.721]
    np.testing.assert_allclose(correlations.ceiling, wanted, atol=0.005)


def test_eigenvectors_predict_the_replicate_better_than_its_twin_far_out(
    normalize, correlations, tmp_path
):
    path = normalize("GM12878_prim_chr22_50kb.cool", 50_000)
    train(path, tmp_path / "eig", HiCLSTMSettings.from_preset("eig"), device="cpu")
    r = correlations.model(tmp_path / "eig")
    wanted = [0.867, 0.947, 0.896, 0.883, 0.836, 0.804]
    np.testing.assert_allclose(r, wanted, atol=0.01)
    assert (r[1:] > correlations.ceiling[1:]).all()


@pytest.mark.slow
def test_refined_is_at_or_above_the_ceiling_beyond_the_first_stratum(
    normalize, correlations, tmp_path
):
    path = normalize("GM12878_prim_chr22_50kb.cool", 50_000)
    train(path, tmp_path / "refined", HiCLSTMSettings.from_preset("refined"), device="cpu")
    r = correlations.model(tmp_path / "refined")
    assert (r[1:] > correlations.ceiling[1:]).all(), r
    assert r[0] > 0.94, r


@pytest.mark.slow
def test_paper_learns_chr21(normalize, tmp_path):
    path = normalize("GM12878_chr21_10kb.cool", 10_000)
    train(path, tmp_path / "paper", HiCLSTMSettings.from_preset("paper"), device="cpu")
    history = pd.read_csv(tmp_path / "paper" / "history.tsv", sep="\t")
    assert history["loss"].iloc[-1] < 0.3 * history["loss"].iloc[0]
    assert history["loss"].iloc[-1] < 1.02 * history["loss"].min()
