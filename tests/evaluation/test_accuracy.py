import numpy as np
import pytest

from smad_jax.evaluation import accuracy

PROBABILITIES = np.array(
    [
        [0.6, 0.3, 0.1],
        [0.2, 0.5, 0.3],
        [0.4, 0.4, 0.2],
        [0.1, 0.2, 0.7],
    ]
)


def test_top_k_counts_labels_among_the_k_likeliest():
    labels = np.array([0, 2, 1, 2])
    assert accuracy.top_k(PROBABILITIES, labels) == 0.5
    assert accuracy.top_k(PROBABILITIES, labels, 2) == 1.0


def test_tie_goes_to_the_lower_class():
    assert accuracy.hits(PROBABILITIES[2:3], np.array([0])).tolist() == [True]
    assert accuracy.hits(PROBABILITIES[2:3], np.array([1])).tolist() == [False]


def test_video_that_could_not_be_read_is_never_right():
    nothing = np.zeros((1, 3))
    assert not accuracy.hits(nothing, np.array([0])).any()
    assert not accuracy.hits(nothing, np.array([0]), 3).any()


def test_mean_class_weighs_classes_alike():
    labels = np.array([0, 0, 0, 2])
    found = accuracy.mean_class(PROBABILITIES, labels)
    assert found == pytest.approx((2 / 3 + 1) / 2)


def test_accuracies_agree_with_scikit_learn():
    from sklearn import metrics

    rng = np.random.default_rng(0)
    probabilities, labels = rng.dirichlet(np.ones(9), 200), rng.integers(0, 9, 200)
    found = accuracy.summary(probabilities, labels, np.arange(200).astype(str))
    assert found["top1"] == pytest.approx(
        metrics.accuracy_score(labels, probabilities.argmax(1))
    )
    assert found["top5"] == pytest.approx(
        metrics.top_k_accuracy_score(labels, probabilities, k=5)
    )
    assert found["mean_class"] == pytest.approx(
        metrics.balanced_accuracy_score(labels, probabilities.argmax(1))
    )


def test_rank_is_that_of_a_stable_sort():
    rng = np.random.default_rng(0)
    probabilities = rng.integers(0, 4, (300, 8)) / 4  # many ties
    probabilities[::9] = 0
    labels = rng.integers(0, 8, 300)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    for k in (1, 3, 5):
        expected = (order[:, :k] == labels[:, None]).any(axis=1)
        expected &= probabilities.any(axis=1)
        np.testing.assert_array_equal(accuracy.hits(probabilities, labels, k), expected)


def test_repeated_video_counts_once_in_the_distinct_accuracy():
    ids = np.array(["a", "b", "a", "a"])
    labels = np.array([0, 0, 0, 1])
    assert accuracy.distinct(ids, labels).tolist() == [0, 1, 3]
    probabilities = np.eye(2)[[0, 1, 0, 0]]
    found = accuracy.summary(probabilities, labels, ids)
    assert found["top1"] == 0.5
    assert found["top1_distinct"] == pytest.approx(1 / 3)
    assert "top1_distinct" not in accuracy.summary(probabilities, labels, np.arange(4))


def test_label_that_is_no_class_is_never_right():
    probabilities = np.array([[0.1, 0.9], [0.1, 0.9], [0.1, 0.9]])
    found = accuracy.hits(probabilities, np.array([-1, 2, 1]), 2)
    assert found.tolist() == [False, False, True]
