import numpy as np
import pytest

from data_prep.bias import redistribution, z_frequency
from smad_jax import errors

CLASSES = ("climbing", "juggling", "zumba")


def long_tailed(num_videos=3000, seed=0):
    """Videos of three classes, each with its own long-tailed scenes."""
    rng = np.random.default_rng(seed)
    actions = rng.integers(0, 3, num_videos)
    rank = rng.geometric(0.25, num_videos) - 1
    factors = (rank + 4 * actions) % 17
    return [f"v{row:05}" for row in range(num_videos)], actions, factors


@pytest.fixture(scope="module")
def parts():
    ids, actions, factors = long_tailed()
    sizes = redistribution.Sizes(50, 400)
    return redistribution.redistribute(ids, actions, factors, CLASSES, sizes, seed=0)


@pytest.mark.parametrize(
    ("num_val", "labels"),
    [(4, [5, 3, 4]), (5, [5, 3, 4]), (6, [5, 3, 4, 2]), (1, [5]), (2, [5, 3])],
)
def test_worked_example_of_held_out_labels(num_val, labels):
    counts = np.array([10, 5, 3, 2, 2, 1])
    assert redistribution.held_out_labels(counts, num_val) == labels


def test_labels_that_do_not_occur_are_never_held_out():
    assert redistribution.held_out_labels(np.array([0, 4, 0, 3]), 2) == [3]


def test_no_label_of_a_class_is_on_both_sides(parts):
    _, actions, factors = long_tailed()
    for label in range(3):
        train = set(factors[parts.train[actions[parts.train] == label]])
        val = set(factors[parts.val[actions[parts.val] == label]])
        assert train and val and not train & val


def test_every_val_label_is_at_most_as_frequent_as_every_train_label(parts):
    _, actions, factors = long_tailed()
    counts = z_frequency.label_counts(actions, factors)
    for label in range(3):
        train = factors[parts.train[actions[parts.train] == label]]
        val = factors[parts.val[actions[parts.val] == label]]
        assert counts[label, val].max() <= counts[label, train].min()


def test_val_has_at_least_and_train_exactly_the_given_sizes(parts):
    _, actions, _ = long_tailed()
    assert np.bincount(actions[parts.train]).tolist() == [400, 400, 400]
    assert np.bincount(actions[parts.val]).min() >= 50
    assert not set(parts.train) & set(parts.val)


def test_train_is_more_and_val_less_biased_than_chance():
    # each of 40 classes has six scenes of its own and a tail that all classes share
    rng = np.random.default_rng(0)
    actions = np.repeat(np.arange(40), 500)
    own = (rng.geometric(0.4, 20_000) - 1) % 6 + 5 * actions
    factors = np.where(rng.random(20_000) < 0.8, own, rng.integers(0, 210, 20_000))
    parts = redistribution.redistribute(
        [f"v{row:05}" for row in range(20_000)],
        actions,
        factors,
        [f"class {label:02}" for label in range(40)],
        redistribution.Sizes(50, 400),
        seed=0,
    )
    for rows, sign in ((parts.train, 1), (parts.val, -1)):
        control = z_frequency.random_control(actions, rows, seed=0)
        here, random = (
            z_frequency.normalized_mutual_information(actions[part], factors[part])
            for part in (rows, control)
        )
        assert sign * (here - random) > 0.01
        np.testing.assert_array_equal(
            np.bincount(actions[control]), np.bincount(actions[rows])
        )


def test_the_order_of_the_input_has_no_influence(parts):
    ids, actions, factors = long_tailed()
    shuffled = np.random.default_rng(1).permutation(len(ids))
    again = redistribution.redistribute(
        [ids[row] for row in shuffled],
        actions[shuffled],
        factors[shuffled],
        CLASSES,
        redistribution.Sizes(50, 400),
        seed=0,
    )
    assert shuffled[again.train].tolist() == parts.train.tolist()
    assert shuffled[again.val].tolist() == parts.val.tolist()


def test_another_seed_changes_train_only(parts):
    ids, actions, factors = long_tailed()
    other = redistribution.redistribute(
        ids, actions, factors, CLASSES, redistribution.Sizes(50, 400), seed=1
    )
    assert other.val.tolist() == parts.val.tolist()
    assert other.train.tolist() != parts.train.tolist()


def test_other_classes_have_no_influence_on_a_class(parts):
    ids, actions, factors = long_tailed()
    fewer = redistribution.redistribute(
        ids,
        np.where(actions == 1, 0, -1),
        factors,
        CLASSES[1:2],
        redistribution.Sizes(50, 400),
        seed=0,
    )
    assert fewer.train.tolist() == parts.train[actions[parts.train] == 1].tolist()


def small(counts, sizes, factors=None):
    labels = np.repeat(np.arange(len(counts)), counts) if factors is None else factors
    ids = [f"v{row:03}" for row in range(len(labels))]
    actions = np.zeros(len(labels), int)
    return redistribution.redistribute(ids, actions, labels, ("zumba",), sizes, seed=0)


def test_too_few_videos_to_train_on_is_an_error_unless_allowed():
    with pytest.raises(errors.DataError, match="'zumba' has 10 videos left"):
        small([10, 3], redistribution.Sizes(2, 11))
    parts = small([10, 3], redistribution.Sizes(2, 11, allow_short=True))
    assert (len(parts.train), len(parts.val), parts.short) == (10, 3, ("zumba",))


@pytest.mark.parametrize("allow_short", [False, True])
def test_a_class_with_one_label_cannot_be_split(allow_short):
    with pytest.raises(errors.DataError, match="all 13 videos"):
        small([13], redistribution.Sizes(2, 5, allow_short))


def test_a_class_smaller_than_validation_cannot_be_split():
    with pytest.raises(errors.DataError, match="13 videos, but 14 go to validation"):
        small([10, 3], redistribution.Sizes(14, 1, allow_short=True))


def test_videos_without_a_label_are_left_out_and_counted():
    factors = np.array([0] * 10 + [-1] * 4 + [1] * 3)
    parts = small([], redistribution.Sizes(2, 10), factors)
    assert parts.num_unlabelled == 4
    assert len(parts.train) + len(parts.val) == 13


def test_an_id_that_comes_twice_is_refused():
    with pytest.raises(errors.DataError, match="'b' comes twice"):
        redistribution.redistribute(
            ["b", "a", "b"],
            np.zeros(3, int),
            np.arange(3),
            ("zumba",),
            redistribution.Sizes(1, 1),
            seed=0,
        )


def two_factors(num_videos=4000, seed=3):
    """As `long_tailed`, with a second factor that goes its own way."""
    ids, actions, first = long_tailed(num_videos, seed)
    rng = np.random.default_rng(seed + 1)
    second = (rng.geometric(0.3, num_videos) - 1 + 5 * actions) % 23
    return ids, actions, first, second


def both(mode, seed=0, order=None):
    ids, actions, first, second = two_factors()
    order = np.arange(len(ids)) if order is None else order
    parts = redistribution.redistribute(
        [ids[row] for row in order],
        actions[order],
        first[order],
        CLASSES,
        redistribution.Sizes(50, 400),
        seed=seed,
        second=second[order],
        mode=mode,
    )
    return order[parts.train], order[parts.val]


def held_out(factor):
    """[V] bool, what the split by this factor alone puts into validation."""
    ids, actions, _, _ = two_factors()
    parts = redistribution.redistribute(
        ids, actions, factor, CLASSES, redistribution.Sizes(50, 400), seed=0
    )
    return np.isin(np.arange(len(ids)), parts.val)


@pytest.mark.parametrize("mode", ["strict", "remaining"])
def test_both_split_draws_exact_sizes_and_validates_on_what_either_split_holds_out(
    mode,
):
    _, actions, first, second = two_factors()
    train, val = both(mode)
    assert np.bincount(actions[val]).tolist() == [50, 50, 50]
    assert np.bincount(actions[train]).tolist() == [400, 400, 400]
    assert not set(train) & set(val)
    either = held_out(first) | held_out(second)
    assert either[val].all()
    assert either[train].any() == (mode == "remaining")


def test_strict_both_split_validates_on_scenes_or_objects_that_training_lacks():
    _, actions, first, second = two_factors()
    train, val = both("strict")
    for label in range(3):
        ours, theirs = train[actions[train] == label], val[actions[val] == label]
        rare_first = set(first[theirs]) - set(first[ours])
        rare_second = set(second[theirs]) - set(second[ours])
        # each validation video has a scene or an object that training lacks
        assert all(
            first[row] in rare_first or second[row] in rare_second for row in theirs
        )


def test_both_split_does_not_depend_on_the_order_but_on_the_seed():
    shuffled = np.random.default_rng(5).permutation(4000)
    for one, other in zip(both("strict"), both("strict", order=shuffled), strict=True):
        assert one.tolist() == other.tolist()
    assert both("strict")[1].tolist() != both("strict", seed=1)[1].tolist()


def test_both_split_leaves_out_videos_that_lack_either_label():
    ids, actions, first, second = two_factors()
    first[:7], second[5:10] = -1, -1
    sizes = redistribution.Sizes(50, 400)
    parts = redistribution.redistribute(
        ids, actions, first, CLASSES, sizes, seed=0, second=second
    )
    assert parts.num_unlabelled == 10
    assert min(parts.train.min(), parts.val.min()) >= 10
    with pytest.raises(ValueError, match="known: strict, remaining"):
        redistribution.redistribute(
            ids, actions, first, CLASSES, sizes, seed=0, second=second, mode="strickt"
        )
