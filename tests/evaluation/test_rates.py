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


def test_rate_of_no_videos_has_the_widest_interval():
    found = rates.of(0, 0)
    assert np.isnan(found.share)
    assert (found.low, found.high) == (0, 1)
    assert rates.differ(found, rates.of(3, 4)) == 1


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


def test_exact_tests_are_fishers():
    table = [[7, 13], [24, 41]]  # hits and misses, inside and outside the group
    expected = stats.fisher_exact(table, alternative="less").pvalue
    counts = (np.array(n) for n in (7, 20, 31, 85))
    assert float(rates.fewer_than_chance(*counts)) == pytest.approx(expected)
    found = rates.differ(rates.of(7, 20), rates.of(24, 65))
    assert found == pytest.approx(stats.fisher_exact(table).pvalue)


def test_bound_is_above_the_tail_of_a_sum_of_hypergeometric_counts():
    strata = [(60, 9, 20), (45, 3, 12), (80, 25, 5), (30, 1, 1)]  # N, hits, drawn
    tail = np.ones(1)
    for total, hits, drawn in strata:
        one = stats.hypergeom.pmf(np.arange(min(hits, drawn) + 1), total, hits, drawn)
        tail = np.convolve(tail, one)
    trials = np.array(sum(min(hits, drawn) for _, hits, drawn in strata))
    expected = np.array(sum(hits * drawn / total for total, hits, drawn in strata))
    assert len(tail) == trials + 1
    found = [
        float(rates.more_than_expected(np.array(k), trials, expected))
        for k in range(trials + 1)
    ]
    exact = tail[::-1].cumsum()[::-1]
    assert all(bound >= p - 1e-12 for bound, p in zip(found, exact, strict=True))
    # and not by much, where it decides
    k = next(k for k in range(trials) if exact[k] < 0.01)
    assert exact[k] < found[k] < 8 * exact[k]
    assert found[int(expected)] == 1


def test_holm_gives_a_worked_example():
    # .01 x 4, then max(.04, .02 x 3), then .03 x 2, then .04 x 1
    assert rates.holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx(
        [0.06, 0.04, 0.06, 0.06]
    )


def test_holm_never_exceeds_one():
    assert max(rates.holm([0.9, 0.8])) == 1.0


def test_discoveries_are_benjamini_and_hochbergs():
    p_values = np.random.default_rng(0).random(60) ** 4
    adjusted = stats.false_discovery_control(p_values)
    found = rates.discoveries(p_values)
    assert 0 < found.sum() < 60
    np.testing.assert_array_equal(found, adjusted <= 0.05)
    assert rates.discoveries(np.zeros(0)).shape == (0,)


# Admitted and rejected applicants of Berkeley's six largest departments in 1973, men
# first: the standard example of Simpson's paradox, R's `UCBAdmissions`.
ADMISSIONS = (
    *((512, 313, 89, 19), (353, 207, 17, 8), (120, 205, 202, 391)),
    *((138, 279, 131, 244), (53, 138, 94, 299), (22, 351, 24, 317)),
)


def test_stratified_difference_is_that_of_a_known_paradox():
    counts = np.array(ADMISSIONS).ravel()
    hit, man = np.tile([True, False], 12), np.tile([True, True, False, False], 6)
    hit, man, department = (
        np.repeat(column, counts) for column in (hit, man, np.arange(24) // 4)
    )
    found = rates.stratified(hit, man, department)
    assert found.num_videos == 4526
    # R: mantelhaen.test(UCBAdmissions, correct = FALSE), M^2 = 1.5246
    assert found.p == pytest.approx(stats.chi2.sf(1.5246, 1), abs=1e-4)
    assert found.low < found.difference < 0 < found.high
    # without strata men are ahead: the chi-squared test, times (N - 1) / N
    whole = rates.stratified(hit, man, np.zeros(4526, int))
    table = [[np.sum(hit & who), np.sum(~hit & who)] for who in (man, ~man)]
    statistic = stats.chi2_contingency(table, correction=False).statistic
    assert whole.p == pytest.approx(stats.chi2.sf(statistic * 4525 / 4526, 1))
    assert whole.difference == pytest.approx(hit[man].mean() - hit[~man].mean())


def test_stratified_difference_is_the_weighted_mean_worked_by_hand():
    # 2 of 4 against 1 of 4, weight 2; 1 of 1 against 1 of 2, weight 2/3; one group only
    hit = np.array([1, 1, 0, 0, 1, 0, 0, 0, 1, 1, 0, 1], bool)
    first = np.array([1, 1, 1, 1, 0, 0, 0, 0, 1, 0, 0, 1], bool)
    stratum = np.array([5] * 8 + [2] * 3 + [9])
    found = rates.stratified(hit, first, stratum)
    assert found.num_videos == 11
    assert found.difference == pytest.approx((2 / 4 + (2 / 3) / 2) / (2 + 2 / 3))
    alone = rates.stratified(hit, first, np.arange(12))
    assert alone.num_videos == 0 and alone.p == 1 and np.isnan(alone.difference)


def test_interval_of_stratified_differences_holds_the_truth_19_times_of_20():
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):  # strata of four videos
        first, chance = rng.random(800) < 0.4, rng.uniform(0.2, 0.7, 200).repeat(4)
        hit = rng.random(800) < chance + 0.2 * first
        found = rates.stratified(hit, first, np.arange(800) // 4)
        held += found.low <= 0.2 <= found.high
    assert 365 <= held <= 392  # 95 % of 400, and three standard deviations


def test_interval_of_a_difference_is_newcombes():
    # Newcombe, Statistics in Medicine 17 (1998), Table II (a), method 10
    found = rates.difference_interval(rates.of(56, 70), rates.of(48, 80))
    assert found == pytest.approx((0.0524, 0.3339), abs=5e-5)
