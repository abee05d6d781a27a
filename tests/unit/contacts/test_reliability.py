"""How far a map holds more than noise, against counts drawn from known rates."""

import numpy as np
import pytest

from chromloom.contacts.reliability import LIMIT, CountSums

N = 1200


@pytest.fixture(scope="module")
def simulated():
    """Rates by distance and coverage, rates with structure, weights; the second 40 bins masked."""
    rng = np.random.default_rng(0)
    i, j = np.triu_indices(N, 2)
    weight = rng.uniform(0.7, 1.4, N)
    weight[40:80] = np.nan
    expected = 600 / (j - i) / (weight[i] * weight[j])
    shape = 4 + 2 * np.sin(i / 50) * np.sin(j / 70)
    structure = rng.gamma(shape, 1 / shape)
    return i, j, weight, expected, expected * structure


def sums_of(i, j, weight, counts, offsets=(0,)):
    sums = CountSums(weight, np.array(offsets), 2)
    chrom = np.searchsorted(offsets, i, side="right") - 1
    seen = counts > 0
    for part in np.array_split(np.flatnonzero(seen), 3):
        sums.add(chrom[part], i[part], j[part], counts[part])
    return sums


@pytest.mark.parametrize("depth", [1.0, 0.05, 0.01])
def test_the_limit_is_the_correlation_of_a_perfect_prediction(simulated, depth):
    i, j, weight, expected, rate = simulated
    counts = np.random.default_rng(1).poisson(np.nan_to_num(rate * depth))
    last, r = sums_of(i, j, weight, counts).limits([0])
    first = np.concatenate([[2], last[:-1] + 1])
    for k in np.flatnonzero((last > 20) & (last < 1000)):
        inside = (j - i >= first[k]) & (j - i <= last[k]) & np.isfinite(rate)
        mu, true, n = expected[inside] * depth, rate[inside] * depth, counts[inside]
        found = np.corrcoef(true - mu, n - mu)[0, 1]
        assert r[k] == pytest.approx(found, abs=0.03 if found > 0.3 else 0.2)


def test_a_deeper_map_is_reliable_farther(simulated):
    i, j, weight, _, rate = simulated
    reach = []
    for depth in (1.0, 0.05, 0.01, 0.0005):
        counts = np.random.default_rng(1).poisson(np.nan_to_num(rate * depth))
        sums = sums_of(i, j, weight, counts)
        last, r = sums.limits([0])
        reach.append(sums.reliable_distance([0]))
        assert (r[last <= reach[-1]] >= LIMIT).all()
    assert reach == sorted(reach, reverse=True)
    assert reach[0] > 300 > reach[1] > reach[2] > 2 >= reach[3]


def test_chromosomes_are_told_apart_and_taken_together(simulated):
    i, j, weight, _, rate = simulated
    counts = np.random.default_rng(1).poisson(np.nan_to_num(rate * 0.05))
    within = (i < 700) == (j < 700)
    sums = sums_of(i[within], j[within], weight, counts[within], offsets=(0, 700))
    alone = sums_of(
        i[within & (i < 700)], j[within & (i < 700)], weight[:700], counts[within & (i < 700)]
    )
    np.testing.assert_allclose(sums.limits([0])[1], alone.limits([0])[1], rtol=1e-6)
    assert len(sums.limits([0, 1])[0]) == len(sums.limits([0])[0])
    assert sums.reliable_distance([0, 1]) > 0
    assert sums.reliable_distance([]) == 0


def test_noise_alone_is_reliable_nowhere(simulated):
    i, j, weight, expected, _ = simulated
    counts = np.random.default_rng(1).poisson(np.nan_to_num(expected))
    assert sums_of(i, j, weight, counts).reliable_distance([0]) == 0
