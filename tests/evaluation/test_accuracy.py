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
    found = accuracy.summary(probabilities, labels)
    assert found["top1"] == pytest.approx(
        metrics.accuracy_score(labels, probabilities.argmax(1))
    )
    assert found["top5"] == pytest.approx(
        metrics.top_k_accuracy_score(labels, probabilities, k=5)
    )
    assert found["mean_class"] == pytest.approx(
        metrics.balanced_accuracy_score(labels, probabilities.argmax(1))
    )
