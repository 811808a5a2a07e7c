import numpy as np
import pytest

from smad_jax import errors
from smad_jax.evaluation import probe

V, D, Z = 400, 6, 5


def videos(strength, seed=0):
    """Features with a trace of the scene, which is often the same one."""
    rng = np.random.default_rng(seed)
    scene = np.where(rng.random(V) < 0.4, 2, rng.integers(Z, size=V))
    features = rng.normal(size=(V, D)) + strength * np.eye(Z, D)[scene]
    return features * [1, 1e3, 1e-3, 1, 1, 0] + 5, scene


def test_trace_of_the_scene_is_found_above_majority_and_chance():
    found = probe.evaluate(*videos(4))
    assert found.accuracy > 0.9 > found.majority > found.chance
    assert found.chance == 1 / Z
    assert (found.num_train, found.num_test, found.num_labels) == (V / 2, V / 2, Z)
    assert found.low < found.accuracy < found.high


def test_features_without_a_trace_leave_the_majority():
    found = probe.evaluate(*videos(0))
    assert found.accuracy == pytest.approx(found.majority, abs=0.08)
    assert found.majority == pytest.approx(0.4 + 0.6 / Z, abs=0.08)


def test_held_out_half_is_not_learnt():
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(80, 200)), rng.integers(2, size=80)
    found = probe.evaluate(features, labels, strength=1e3)
    assert found.accuracy < 0.8, "there are more features than videos to learn from"


def test_unknown_labels_rare_ones_and_unreadable_videos_are_left_out():
    features, scene = videos(4)
    scene = scene.copy()
    scene[:30] = -1
    features[30:50] = 0
    scene[50] = 77
    found = probe.evaluate(features, scene)
    assert found.num_train + found.num_test == V - 51
    assert found.num_labels == Z
    fewer = probe.evaluate(features, scene, max_videos=100)
    assert fewer.num_train + fewer.num_test == pytest.approx(100, abs=2)


def test_one_label_or_arrays_of_different_length_are_refused():
    features, scene = videos(1)
    with pytest.raises(errors.DataError, match="1 of their labels have two"):
        probe.evaluate(features, np.where(scene == 2, 2, -1))
    with pytest.raises(errors.DataError, match="but there are 399"):
        probe.evaluate(features, scene[1:])
