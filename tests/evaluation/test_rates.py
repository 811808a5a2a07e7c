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


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((56, 70, 48, 80), (0.0528, 0.3382)),
        ((9, 10, 3, 10), (0.1700, 0.8406)),
        ((6, 7, 2, 7), (0.0342, 0.8534)),
        ((5, 56, 0, 29), (-0.0326, 0.1933)),
        ((0, 10, 0, 20), (-0.1658, 0.2844)),
        ((10, 10, 0, 10), (0.6636, 1.0000)),
    ],
)
def test_interval_of_one_stratum_is_miettinens_and_nurminens(counts, expected):
    # Newcombe, Statistics in Medicine 17 (1998), Table II, method 6
    hits, size, other_hits, other_size = counts
    hit = np.repeat(
        [True, False, True, False],
        [hits, size - hits, other_hits, other_size - other_hits],
    )
    found = rates.stratified(hit, np.arange(len(hit)) < size, np.zeros(len(hit), int))
    assert (found.low, found.high) == pytest.approx(expected, abs=6e-5)


def test_shares_of_a_given_difference_are_the_likeliest():
    rng = np.random.default_rng(0)
    for _ in range(200):
        n, m = rng.integers(1, 30, 2)
        x, y, shift = rng.integers(n + 1), rng.integers(m + 1), rng.uniform(-0.9, 0.9)

        def cost(low, x=x, n=n, y=y, m=m, shift=shift):
            high = low + shift
            return -stats.binom.logpmf(x, n, high) - stats.binom.logpmf(y, m, low)

        counts = (np.array([count]) for count in (x, n, y, m))
        [found] = rates._restricted(*counts, shift)
        shares = np.linspace(max(0, -shift), min(1, 1 - shift), 1001)
        assert cost(found) <= np.nanmin(cost(shares)) + 1e-6


def test_interval_of_stratified_differences_holds_0_unless_the_test_rejects_it():
    rng, rejected = np.random.default_rng(0), 0
    for _ in range(1500):
        size = rng.integers(2, 80)
        hit = rng.random(size) < rng.choice([0.5, 0.9, 0.97])
        first = rng.random(size) < rng.choice([0.2, 0.5, 0.8])
        found = rates.stratified(
            hit, first, rng.integers(rng.integers(1, 30), size=size)
        )
        if found.num_videos:
            assert (found.p < 0.05) == (not found.low <= 0 <= found.high), found
            assert found.low <= found.difference <= found.high
            rejected += found.p < 0.05
    assert rejected > 20


def test_interval_of_stratified_differences_holds_the_truth_19_times_of_20():
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):  # strata of four videos
        first, chance = rng.random(800) < 0.4, rng.uniform(0.2, 0.7, 200).repeat(4)
        hit = rng.random(800) < chance + 0.2 * first
        found = rates.stratified(hit, first, np.arange(800) // 4)
        held += found.low <= 0.2 <= found.high
    assert 365 <= held <= 392  # 95 % of 400, and three standard deviations


def test_interval_holds_the_truth_where_strata_have_hardly_any_mistakes():
    # an interval by the estimate's own variance (Sato) holds it in 91 % of such draws
    rng, held = np.random.default_rng(1), 0
    for _ in range(1000):
        chance = rng.uniform(0.9, 0.95, 30).repeat(20)
        found = rates.stratified(
            rng.random(600) < chance, np.arange(600) % 20 > 1, np.arange(600) // 20
        )
        held += found.low <= 0 <= found.high
    assert 930 <= held <= 970  # 95 % of 1000, and three standard deviations


def test_interval_of_a_difference_is_newcombes():
    # Newcombe, Statistics in Medicine 17 (1998), Table II (a), method 10
    found = rates.difference_interval(rates.of(56, 70), rates.of(48, 80))
    assert found == pytest.approx((0.0524, 0.3339), abs=5e-5)
