import dataclasses

import numpy as np

from data_prep.bias import z_frequency
from smad_jax.base import aspect_table
from smad_jax.data import catalog, groups

SCENE = aspect_table.Aspect("scene", "soft", 7, "test")


def test_thirds_by_hand():
    # class 0: scene 4 five times, scene 1 three times, scenes 0 and 2 once each: the
    # first of 4 stands at 0, of 1 at 5, of 0 at 8, of 2 at 9, of ten
    factors = np.array([4, 1, 4, 0, 4, 2, 1, 4, 1, 4, 6, 6, -1])
    labels = np.array([0] * 10 + [2] * 3)
    found = groups.whole_label_thirds(labels, factors)
    expected = [0, 1, 0, 2, 0, 2, 1, 0, 1, 0, 0, 0, -1]
    assert found.tolist() == expected
    order = np.random.default_rng(0).permutation(len(labels))
    moved = groups.whole_label_thirds(labels[order], factors[order])
    np.testing.assert_array_equal(moved, found[order])


def test_label_is_where_the_first_of_its_videos_ranks_by_z_frequency():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 5, 400)
    factors = rng.geometric(0.3, 400).clip(1, 9) - 1
    found = groups.whole_label_thirds(labels, factors)
    ranked = z_frequency.rank(labels, factors, np.arange(400))
    for label in range(5):
        rows = ranked[labels[ranked] == label]
        for factor in np.unique(factors[rows]):
            place = np.flatnonzero(factors[rows] == factor)[0]
            own = found[(labels == label) & (factors == factor)]
            assert set(own) == {3 * place // len(rows)}
        frequency = z_frequency.z_frequency(labels, factors)[labels == label]
        assert (np.diff(found[labels == label][np.argsort(-frequency)]) >= 0).all()


def test_groups_are_an_aspect_of_the_split_of_class_and_third():
    labels = np.array([0, 0, 0, 1, 1, 1], np.int32)
    scene = np.eye(7, dtype=np.float16)[[3, 3, 5, 2, 2, 2]]
    mask = np.array([True, True, True, True, True, False])
    split = catalog.Split(
        *("demo", "train", tuple("abcdef"), labels, ("x", "y")),
        *({"scene": SCENE}, {"scene": scene}, {"scene": mask}),
        *(None, np.arange(6)),
    )
    found = groups.with_groups(split, "scene")
    assert found.aspects["group"].num_labels == 2 * 3
    values = found.aspect_labels["group"]
    assert values.sum(axis=1).tolist() == [1, 1, 1, 1, 1, 0]
    assert values.argmax(axis=1)[:5].tolist() == [0, 0, 2, 3, 3]
    np.testing.assert_array_equal(found.aspect_mask["group"], mask)
    alone = groups.without_aspect(found, "scene")
    assert list(alone.aspects) == list(alone.aspect_labels) == ["group"]
    assert dataclasses.replace(alone, aspects={}).ids == split.ids
