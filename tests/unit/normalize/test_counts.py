"""The regression of counts, held to counts that were drawn from it."""

import numpy as np
import pytest

from chromloom.errors import InputError
from chromloom.normalize.counts import CountModel, fit_counts

N = 150


def draw(alpha, seed=0, effect=0.8):
    """Pairs of 150 bins with a covariate: counts, distances, covariate of the pair, means."""
    rng = np.random.default_rng(seed)
    gc = rng.normal(size=N)
    i, j = np.triu_indices(N, 2)
    near = j - i <= 60
    i, j = i[near], j[near]
    dist = j - i
    mean = 60 / dist * np.exp(effect * (gc[i] + gc[j]) * 0.5 - 0.1 * np.log(dist) ** 2)
    if not alpha:
        return rng.poisson(mean), dist, (gc[i] + gc[j])[None], mean
    shape = 1 / alpha
    return rng.negative_binomial(shape, shape / (shape + mean)), dist, (gc[i] + gc[j])[None], mean


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_means_and_dispersion_are_those_that_counts_were_drawn_from(alpha):
    counts, dist, covariates, mean = draw(alpha)
    model = fit_counts(counts, dist, covariates)
    assert model.alpha == pytest.approx(alpha, abs=0.05)
    assert model.coefficients[-1] == pytest.approx(0.4, abs=0.04)
    found = model.mean(dist, covariates)
    assert np.corrcoef(np.log(found), np.log(mean))[0, 1] > 0.999
    np.testing.assert_allclose(np.median(found / mean), 1, atol=0.03)
    z = (counts - found) / model.deviation(found)
    assert abs(z.mean()) < 0.02
    assert z.std() == pytest.approx(1, abs=0.03)


def test_without_its_covariate_what_it_explains_is_dispersion():
    counts, dist, covariates, _ = draw(0.0)
    assert fit_counts(counts, dist).alpha > 10 * max(
        fit_counts(counts, dist, covariates).alpha, 0.01
    )


def test_pairs_that_are_enriched_stand_out_by_as_much():
    counts, dist, covariates, mean = draw(0.1, seed=1)
    rng = np.random.default_rng(2)
    loops = rng.random(len(counts)) < 0.01
    counts = np.where(loops, rng.poisson(3 * mean), counts)
    found = fit_counts(counts, dist, covariates).mean(dist, covariates)
    assert (counts[loops].sum() / found[loops].sum()) == pytest.approx(3, rel=0.1)


def test_drawn_pairs_give_nearly_the_same():
    counts, dist, covariates, _ = draw(0.3)
    whole, part = (fit_counts(counts, dist, covariates, n_pairs=n) for n in (10**6, 4_000))
    assert part.alpha == pytest.approx(whole.alpha, rel=0.15)
    d = np.array([2, 10, 50])
    zero = np.zeros((1, 3))
    np.testing.assert_allclose(part.mean(d, zero), whole.mean(d, zero), rtol=0.1)
    again = fit_counts(counts, dist, covariates, n_pairs=4_000)
    np.testing.assert_array_equal(part.coefficients, again.coefficients)


def test_distances_beyond_those_of_the_fit_are_treated_as_the_last():
    counts, dist, covariates, _ = draw(0.3)
    model = fit_counts(counts, dist, covariates)
    zero = np.zeros((1, 2))
    far = model.mean(np.array([60, 500]), zero)
    assert far[0] == pytest.approx(far[1])


def test_no_pairs_have_no_means():
    model = CountModel(np.zeros(8), np.zeros(4), 0.0)
    assert model.mean(np.zeros(0), np.zeros((0, 0))).shape == (0,)


def test_too_few_contacts_are_refused():
    with pytest.raises(InputError, match="40 pairs with 0 contacts are too few"):
        fit_counts(np.zeros(40), np.arange(2, 42))
