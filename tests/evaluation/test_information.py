import numpy as np
import pytest

from smad_jax.evaluation import information

A = np.array([0, 0, 0, 0, 1, 1, 1, 1])
B = np.array([0, 0, 0, 1, 1, 1, 1, 1])


@pytest.mark.parametrize(
    ("mean", "expected"),
    [
        ("arithmetic", 0.561590),
        ("geometric", 0.561742),
        ("min", 0.574995),
        ("max", 0.548795),
    ],
)
def test_the_worked_example_comes_out_with_every_mean(mean, expected):
    found = information.normalized_mutual_information(A, B, mean=mean)
    assert found == pytest.approx(expected, abs=5e-7)
    assert information.mutual_information(A, B) == pytest.approx(0.380396, abs=5e-7)


@pytest.mark.parametrize(
    ("num_videos", "num_a", "num_b", "spread"),
    [(50, 10, 20, 1), (5000, 10, 20, 1), (300, 3, 200, 10**12), (2000, 900, 700, 7)],
)
def test_it_agrees_with_scikit_learn(num_videos, num_a, num_b, spread):
    from sklearn import metrics

    rng = np.random.default_rng(num_videos)
    a = rng.integers(num_a, size=num_videos) * spread - 5
    b = np.where(rng.random(num_videos) < 0.3, a % 7, rng.integers(num_b)) + spread
    assert information.mutual_information(a, b) == pytest.approx(
        metrics.mutual_info_score(a, b), rel=1e-9, abs=1e-12
    )
    for mean in information.MEANS:
        expected = metrics.normalized_mutual_info_score(a, b, average_method=mean)
        found = information.normalized_mutual_information(a, b, mean=mean)
        assert found == pytest.approx(expected, rel=1e-9)
        swapped = information.normalized_mutual_information(b, a, mean=mean)
        assert swapped == pytest.approx(found, rel=1e-12)


def test_entropy_agrees_with_scipy():
    from scipy import stats

    labels = np.random.default_rng(0).integers(-9, 90, 400)
    counts = np.unique(labels, return_counts=True)[1]
    assert information.entropy(labels) == pytest.approx(stats.entropy(counts))


@pytest.mark.parametrize("num_labels", [1, 2, 7])
def test_the_entropy_of_equally_frequent_labels_is_the_logarithm_of_their_number(
    num_labels,
):
    labels = np.repeat(np.arange(num_labels) * 11, 3)
    assert information.entropy(labels) == pytest.approx(np.log(num_labels))


def test_entropies_of_groups_are_those_of_their_labels_alone():
    labels = np.array([4, 4, 4, 4, 4, 8, 9, 1, 2, 3, 4, 5])
    groups = np.array([3, 3, 3, 0, 0, 0, 0, 4, 4, 4, 4, 4])
    found = information.group_entropies(labels, groups, num_groups=6)
    # (.5, .25, .25), empty, empty, one label, five equal ones, empty
    expected = [1.039721, np.nan, np.nan, 0, np.log(5), np.nan]
    np.testing.assert_allclose(found, expected, atol=5e-7)
    assert found[3] == 0


def test_constant_labels_share_no_information():
    still = np.zeros(5, int)
    varied = np.arange(5)
    for mean in information.MEANS:
        for a, b in ((still, varied), (varied, still), (still, still)):
            nmi = information.normalized_mutual_information(a, b, mean=mean)
            assert nmi == 0
    assert information.mutual_information(still, varied) == 0


def test_renamed_labels_share_all_information_and_never_more():
    rng = np.random.default_rng(1)
    for _ in range(20):
        a = rng.integers(17, size=101)
        names = rng.permutation(1000)[:17]
        found = information.normalized_mutual_information(a, names[a])
        assert found <= 1
        assert found == pytest.approx(1)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (A, B[:5], "8 and 5"),
        (A[None], B, r"\[1, 8\]"),
        (A, B * 1.0, "float64"),
        (A[:0], B[:0], "at least one"),
    ],
)
def test_other_arrays_are_refused(a, b, message):
    with pytest.raises(ValueError, match=message):
        information.mutual_information(a, b)


def test_other_means_and_groups_are_refused():
    with pytest.raises(ValueError, match="'middle'; known: arithmetic, geometric"):
        information.normalized_mutual_information(A, B, mean="middle")
    with pytest.raises(ValueError, match="0 to 0, but they are 0 to 1"):
        information.group_entropies(A, B, num_groups=1)
