"""`weave` on a simulated genome, whose truth is known: unseen chromosomes, CTCF peaks gone."""

from dataclasses import replace

import numpy as np
import pytest

from chromloom.models.predictor import Constants
from chromloom.models.registry import model_settings
from chromloom.models.weave.fitted import FittedWeave
from chromloom.simulate.contacts import expected_contacts, reads_per_intensity
from chromloom.simulate.elements import SIGNALS, find_boundaries, signal_track
from chromloom.simulate.plan import make_plan
from chromloom.training.stretches import Stretch
from chromloom.training.weave import fit_weave

RESOLUTION, N_DISTANCES = 10_000, 40
NAMES = [*SIGNALS, "+", "-"]
MIRRORED = np.array([*range(len(SIGNALS)), len(SIGNALS) + 1, len(SIGNALS), len(NAMES)])


@pytest.fixture(scope="module")
def plan():
    return make_plan(3, chromsizes={"chr1": 12_000_000, "chr2": 2_000_000, "chr3": 5_000_000})


@pytest.fixture(scope="module")
def read(plan):
    """Largest signal of each bin and its motifs by strand, (n_names, n), by chromosome."""
    tracks = {name: signal_track(plan, name) for name in SIGNALS}
    features = {}
    for chrom, length in plan.chromsizes.items():
        n = length // RESOLUTION
        rows = [np.log1p(tracks[name][chrom]).reshape(n, -1).max(axis=1) for name in SIGNALS]
        sites = plan.rows("sites", chrom)
        for strand in "+-":
            own = sites["start"][sites["strand"] == strand] // RESOLUTION
            rows.append(np.bincount(own, minlength=n))
        features[chrom] = np.array(rows, np.float32)
    return features


def log_strength(plan, chrom):
    """Log of noise-free contact strength, (N_DISTANCES, n); NaN where masked."""
    return np.log(expected_contacts(plan, chrom, RESOLUTION, visible=False)[:N_DISTANCES])


@pytest.fixture(scope="module")
def predict(plan, read):
    """Log ratios of features, by a network that has seen chr1 and chr2."""
    scale, rng = reads_per_intensity(plan, 2_000_000), np.random.default_rng(0)
    means = {chrom: scale * np.exp(log_strength(plan, chrom)) for chrom in ("chr1", "chr2")}
    expected = np.nanmean(np.concatenate([*means.values()], axis=1), axis=1)
    constants = Constants.of(NAMES, read["chr1"], expected, n_signals=len(NAMES))
    stretches = []
    for chrom, mean in means.items():
        counts = np.where(np.isfinite(mean), rng.poisson(np.nan_to_num(mean)), np.nan)
        counts[:2] = np.nan
        n = mean.shape[1]
        stretches.append(
            Stretch(
                "A",
                chrom,
                constants.prepare(read[chrom]),
                counts.astype(np.float32),
                np.zeros(n, np.float32),
                np.log(expected).astype(np.float32),
                np.full(n, chrom == "chr2"),
            )
        )
    settings = model_settings("weave", epochs=24, channels=24, refit=False)
    tensors, _ = fit_weave(stretches, settings, mirrored=MIRRORED, seed=1)
    fitted = FittedWeave.of_tensors(settings, tensors, mirrored=MIRRORED, n_distances=N_DISTANCES)
    return lambda features: fitted.log_ratio(constants.prepare(features))


def test_an_unseen_chromosome_is_predicted(plan, read, predict):
    predicted, truth = predict(read["chr3"]), log_strength(plan, "chr3")
    known = np.isfinite(predicted) & np.isfinite(truth)
    rows = zip(predicted[2:], truth[2:], known[2:])
    r = np.mean([np.corrcoef(one[own], other[own])[0, 1] for one, other, own in rows])
    assert r > 0.7


def test_a_boundary_goes_with_its_ctcf_peaks_and_another_bin_changes_nothing(plan, read, predict):
    features, ctcf = read["chr3"], NAMES.index("CTCF")
    boundaries = find_boundaries(plan).query("chrom == 'chr3' and ctcf and score > 0.9")
    places = [(row.start // RESOLUTION, row.end // RESOLUTION) for row in boundaries.itertuples()]
    n_boundaries, near = len(places), {k for a, b in places for k in range(a - 3, b + 4)}
    places += [(k, k) for k in range(30, features.shape[1] - 30, 60) if k not in near]
    intact, truth, changes = predict(features), log_strength(plan, "chr3"), []
    for first, last in places:
        peaks = features.copy()
        peaks[ctcf, first : last + 1] = np.median(features[ctcf])
        sites = plan.sites
        inside = sites["start"].between(first * RESOLUTION, (last + 1) * RESOLUTION)
        without = replace(plan, sites=sites[~(inside & (sites["chrom"] == "chr3"))])
        both = predict(peaks) - intact, log_strength(without, "chr3") - truth
        changes.append([_across(change, (first + last) // 2) for change in both])
    predicted, simulated = np.array(changes).T
    gained = np.nanmean(changes[:n_boundaries], axis=0)
    assert gained[0] > 0.45 * gained[1] > 0.1
    assert np.abs(np.nanmean(predicted[n_boundaries:])) < 0.05 * gained[0]
    known = np.isfinite(predicted) & np.isfinite(simulated)
    assert np.corrcoef(predicted[known], simulated[known])[0, 1] > 0.8


def _across(change, k, reach=15):
    """Mean change of pairs of bins on either side of bin k, log."""
    pairs = [(i, j) for i in range(max(k - reach, 0), k) for j in range(k + 1, k + reach + 1)]
    values = [change[j - i, i] for i, j in pairs if i < change.shape[1]]
    return np.mean(values) if values else np.nan
