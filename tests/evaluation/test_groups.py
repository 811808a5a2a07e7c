import math

import numpy as np
import pytest

from smad_jax import errors
from smad_jax.evaluation import groups


def example():
    """Class 0 with 6 + 2 videos in scenes 1 and 3, class 2 with 5 in scene 0."""
    label = np.array([0] * 8 + [2] * 5)
    secondary = np.array([1] * 6 + [3] * 2 + [0] * 5)
    predicted = np.array([0, 0, 0, 1, 1, 1, 0, 2, 2, 2, 2, 2, 0])
    return label, predicted, secondary


def test_every_group_that_occurs_is_counted():
    found = groups.group_accuracy(*example())
    assert found.label.tolist() == [0, 0, 2]
    assert found.aspect.tolist() == [1, 3, 0]
    assert found.num_videos.tolist() == [6, 2, 5]
    assert found.num_correct.tolist() == [3, 1, 4]
    np.testing.assert_allclose(found.accuracy, [0.5, 0.5, 0.8])


def planted():
    """Two classes in three scenes of 20 videos, and one scene of 2; see below."""
    right = {(0, 0): 19, (0, 1): 8, (0, 2): 12, (1, 0): 20, (1, 1): 18, (1, 2): 20}
    rows = [
        (label, scene, label if n < hits else 9)
        for (label, scene), hits in right.items()
        for n in range(20)
    ]
    rows += [(1, 3, 9)] * 2
    label, secondary, predicted = np.array(rows).T
    return groups.group_accuracy(label, predicted, secondary)


def listed(found, **options):
    """The worst groups that are so beyond chance, which come first."""
    rows, sure = groups.worst_groups(found, **options)
    assert sure.tolist() == sorted(sure.tolist(), reverse=True)
    worst = found.take(rows[sure])
    return list(zip(worst.label.tolist(), worst.aspect.tolist(), strict=True))


def test_worst_groups_are_surely_low_the_lowest_first():
    found = planted()
    assert listed(found) == [(0, 1)]
    # of the class in scene 2 twelve of twenty are right, which may be chance
    rows, sure = groups.worst_groups(found)
    assert found.aspect[rows].tolist() == [1, 2]
    assert sure.tolist() == [True, False]
    # two of two are wrong: low, but weaker evidence than eight of twenty
    assert listed(found, min_videos=1) == [(0, 1), (1, 3)]
    assert listed(found, min_videos=1, count=1) == [(0, 1)]
    assert groups.worst_group(found) == 1
    assert found.aspect[groups.worst_group(found, min_videos=1)] == 3


def test_groups_are_rarely_listed_where_the_scene_does_not_matter():
    surprises = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        label, secondary = rng.integers(5, size=(2, 2000))
        predicted = np.where(rng.random(2000) < 0.5 + 0.1 * label, label, 9)
        surprises += bool(listed(groups.group_accuracy(label, predicted, secondary)))
    # one set in twenty may list one; more than 8 of 60 have a chance below 1 %
    assert surprises <= 8


def test_class_of_one_scene_is_compared_with_all_other_videos():
    label = np.repeat([0, 1], 40)
    predicted = np.where(label == 0, 9, label)
    found = groups.group_accuracy(label, predicted, label)
    assert listed(found) == [(0, 0)]


def test_group_of_a_hard_class_is_no_finding_of_its_own():
    label, secondary = np.repeat([0, 1], 40), np.tile([0, 1], 40)
    predicted = np.where((label == 0) & (np.arange(80) % 4 < 2), 9, label)
    found = groups.group_accuracy(label, predicted, secondary)
    assert found.accuracy.tolist() == [0.5, 0.5, 1.0, 1.0]
    assert listed(found) == []


def test_where_all_groups_are_small_the_largest_are_taken():
    found = planted()
    assert listed(found, min_videos=1000) == [(0, 1)]
    assert listed(groups.group_accuracy(*np.zeros((3, 0), int))) == []


def test_rest_of_a_class_is_what_a_plain_loop_counts():
    found = planted()
    videos, right = groups.elsewhere(found)
    for row, label in enumerate(found.label):
        others = (found.label == label) & (np.arange(len(found.label)) != row)
        assert videos[row] == found.num_videos[others].sum()
        assert right[row] == found.num_correct[others].sum()


def test_worst_class_is_that_of_the_lowest_accuracy():
    label, predicted, _ = example()
    assert groups.worst_class(label, predicted) == (0, 0.5)
    unread = np.where(label == 2, -1, predicted)
    assert groups.worst_class(label, unread) == (2, 0.0)
    with pytest.raises(errors.DataError, match="no video"):
        groups.worst_class(label - 9, predicted)


def test_spread_is_the_deviation_of_a_classs_accuracy_over_scenes():
    label = np.repeat([0, 1], [30, 20])
    secondary = np.repeat([0, 1, 2, 0, 1], 10)
    right = np.concatenate([np.arange(10) < n for n in (10, 5, 0, 7, 7)])
    found = groups.equalised_odds(label, np.where(right, label, 3), secondary)
    assert found.label.tolist() == [0, 1]
    expected = [math.sqrt(1 / 6), 0]  # of 1, 0.5 and 0
    np.testing.assert_allclose(found.deviation, expected)
    assert found.mean == pytest.approx(math.sqrt(1 / 6) / 2)
    assert found.chance < found.mean


def test_spread_of_accuracies_that_ignore_the_scene_is_what_chance_shows():
    rng = np.random.default_rng(0)
    label, secondary = rng.integers(6, size=(2, 3000))
    predicted = np.where(rng.random(3000) < 0.7, label, 9)
    found = groups.equalised_odds(label, predicted, secondary, seed=1)
    assert found.mean == pytest.approx(found.chance, rel=0.25)
    secondary[::3] = -1
    sparse = groups.equalised_odds(label, predicted, secondary, seed=1)
    assert sparse.mean > found.mean, "smaller groups, more chance"
    assert sparse.mean == pytest.approx(sparse.chance, rel=0.25)


def test_without_two_large_groups_there_is_no_spread():
    label, predicted, secondary = example()
    found = groups.equalised_odds(label, predicted, secondary)
    assert len(found.label) == 0
    assert math.isnan(found.mean)
    assert math.isnan(found.chance)


@pytest.mark.parametrize(
    ("size", "parts"),
    [
        (1, (0, 0, 1)),
        (2, (0, 1, 1)),
        (3, (1, 1, 1)),
        (7, (2, 2, 3)),
        (8, (2, 3, 3)),
        (9, (3, 3, 3)),
        (10, (3, 3, 4)),
    ],
)
def test_thirds_have_the_sizes_of_omnidebias(size, parts):
    third = groups.equal_thirds(np.full(size, 4), np.arange(size) % 5)
    assert tuple(np.bincount(third, minlength=3)) == parts


def test_thirds_go_from_usual_to_unusual_scenes_of_each_class():
    label = np.array([0] * 6 + [1] * 6)
    secondary = np.array([2, 2, 2, 5, 5, 0, 0, 0, 0, 5, 5, 2])
    third = groups.equal_thirds(label, secondary)
    assert third.tolist() == [0, 0, 1, 1, 2, 2] * 2
    order = np.random.default_rng(0).permutation(12)
    ids = np.array([f"v{row:02}" for row in range(12)])
    moved = groups.equal_thirds(label[order], secondary[order], ids=ids[order])
    assert moved.tolist() == third[order].tolist()
    secondary[3] = -1
    assert groups.equal_thirds(label, secondary)[3] == -1


def test_training_set_may_decide_what_is_rare():
    label = np.array([0, 0, 0, 1, 1, 1, 1])
    secondary = np.array([0, 1, 2, 0, 0, 2, -1])
    train = np.array([[1, 9, 5], [4, 0, 8]])
    third = groups.equal_thirds(label, secondary, usual=train)
    assert third.tolist() == [2, 0, 1, 1, 2, 0, -1]


def test_accuracy_of_each_third_and_its_worst_class():
    label = np.repeat([0, 1], 6)
    third = np.tile([0, 0, 1, 1, 2, 2], 2)
    predicted = np.array([0, 0, 0, 0, 0, 9, 1, 1, 9, 1, 9, 9])
    usual, medium, rare = groups.accuracy_by_third(label, predicted, third)
    assert usual == ("usual", 4, 1.0, 0, 1.0)
    assert medium == ("medium", 4, 0.75, 1, 0.5)
    assert rare == ("rare", 4, 0.25, 1, 0.0)


def test_third_without_videos_has_no_accuracy():
    empty = groups.accuracy_by_third(np.array([1]), np.array([1]), np.array([2]))[0]
    assert empty.num_videos == 0
    assert math.isnan(empty.accuracy)


def test_labels_of_different_length_are_refused():
    label, predicted, secondary = example()
    with pytest.raises(errors.DataError, match=r"not \[13\], \[12\], \[13\]"):
        groups.group_accuracy(label, predicted[1:], secondary)
