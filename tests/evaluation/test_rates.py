import numpy as np
import pytest
from scipy import stats

from smad_jax.evaluation import rates


@pytest.mark.parametrize(("hits", "count"), [(0, 7), (3, 11), (11, 11), (480, 1000)])
def test_interval_of_a_share_is_wilsons(hits, count):
    found = rates.of(hits, count)
    expected = stats.binomtest(hits, count).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=1e-6)
    assert found.share == hits / count


def test_nothing_seen_says_nothing():
    assert rates.of(0, 0)[2:] == (0.0, 0.0, 1.0)


def test_mcnemar_counts_only_videos_on_which_the_models_differ():
    first = np.array([1] * 5 + [0] * 9 + [1] * 1 + [0] * 5, bool)
    second = np.array([1] * 5 + [1] * 9 + [0] * 1 + [0] * 5, bool)
    found = rates.mcnemar(first, second)
    assert (found.first_only, found.second_only, found.num_videos) == (1, 9, 20)
    assert found.p == pytest.approx(2 * (1 + 10) / 2**10)
    assert found.difference == pytest.approx(8 / 20)
    half = 1.959964 * np.sqrt(10 - 64 / 20) / 20
    assert (found.low, found.high) == pytest.approx((0.4 - half, 0.4 + half))
    assert rates.mcnemar(first, first).p == 1.0


def test_one_sided_test_is_fishers():
    table = [[7, 13], [4, 61]]  # hits and misses, inside and outside the group
    expected = stats.fisher_exact(table, alternative="greater").pvalue
    counts = (np.array(n) for n in (7, 20, 11, 85))
    assert float(rates.more_than_chance(*counts)) == pytest.approx(expected)


def test_discoveries_are_benjamini_and_hochbergs():
    p_values = np.random.default_rng(0).random(60) ** 4
    adjusted = stats.false_discovery_control(p_values)
    found = rates.discoveries(p_values)
    assert 0 < found.sum() < 60
    np.testing.assert_array_equal(found, adjusted <= 0.05)
    assert rates.discoveries(np.zeros(0)).shape == (0,)
