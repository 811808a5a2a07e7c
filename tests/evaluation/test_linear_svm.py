import numpy as np
import pytest
from sklearn import pipeline, preprocessing, svm

from smad_jax import errors
from smad_jax.evaluation import linear_svm

V, D, K = 120, 9, 4


def videos(seed=0, num_videos=V):
    rng = np.random.default_rng(seed)
    labels = np.arange(num_videos) % K
    features = rng.normal(size=(num_videos, D)) + 1.5 * np.eye(K, D)[labels]
    return features * rng.uniform(0.1, 10, (num_videos, 1)), labels


def test_predictions_are_scikit_learns_on_vectors_of_length_one():
    features, labels = videos()
    others, _ = videos(1, 70)
    reference = pipeline.make_pipeline(
        preprocessing.Normalizer(), svm.LinearSVC(C=1.0, random_state=0)
    )
    expected = reference.fit(features, labels).predict(others)
    found = linear_svm.predict(features, labels, others)
    np.testing.assert_array_equal(found, expected)
    scaled = linear_svm.predict(features * 7, labels, others * 0.01)
    np.testing.assert_array_equal(scaled, expected)


def test_accuracy_is_the_share_that_is_right_and_an_unreadable_video_is_wrong():
    features, labels = videos()
    others, truth = videos(1, 70)
    predicted = linear_svm.predict(features, labels, others)
    found = linear_svm.accuracy(features, labels, others, truth)
    assert found == pytest.approx((predicted == truth).mean())
    assert found > 0.5
    right = np.flatnonzero(predicted == truth)[0]
    others[right] = 0
    truth[right] = linear_svm.predict(features, labels, others)[right]
    less = linear_svm.accuracy(features, labels, others, truth)
    assert less == pytest.approx(found - 1 / 70)


def test_c_is_chosen_on_a_held_out_tenth():
    features, labels = videos(num_videos=400)
    chosen = linear_svm.choose_c(features, labels)
    assert chosen in linear_svm.SEARCHED_C
    assert chosen == linear_svm.choose_c(features, labels)
    # so small that the tiny weights of many machines all predict the same class
    assert linear_svm.choose_c(features, labels, candidates=(1.0, 1e-9)) == 1.0
    assert linear_svm.choose_c(features, labels, candidates=(3.0, 3.0001)) == 3.0


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((np.ones((3, 2)), [0, 1, 1], np.ones((2, 5))), r"\[3, 2\] and \[2, 5\]"),
        ((np.ones((3, 2)), [0, 1], np.ones((2, 2))), "3 videos to train on have 2"),
        ((np.ones((3, 2)), [1, 1, 1], np.ones((2, 2))), "two classes"),
    ],
)
def test_arrays_that_do_not_go_together_are_refused(arrays, message):
    with pytest.raises(errors.DataError, match=message):
        linear_svm.predict(*arrays)


def test_c_that_cannot_be_is_refused():
    with pytest.raises(errors.ConfigError, match="C must be above 0"):
        linear_svm.predict(*videos(), videos()[0], c=0)
    with pytest.raises(errors.DataError, match="cannot be held out to choose C"):
        linear_svm.choose_c(np.ones((5, 2)), np.arange(5))
