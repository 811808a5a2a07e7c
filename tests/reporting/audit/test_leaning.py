import numpy as np
import pytest

from smad_jax.reporting.audit import leaning

K, Z = 5, 7


def draw(count=4000, seed=0):
    rng = np.random.default_rng(seed)
    labels, values = rng.integers(K, size=count), rng.integers(Z, size=count)
    noise = rng.integers(K, size=count)
    return labels, np.where(rng.random(count) < 0.8, labels, noise), values


def test_counts_are_those_of_a_plain_loop():
    labels, predicted, values = draw(300)
    predicted[3], values[5] = -1, -1
    found = leaning.count(labels, predicted, values, K, Z)
    shown, right, mistaken = (np.zeros((K, Z), int) for _ in range(3))
    for y, p, z in zip(labels, predicted, values, strict=True):
        if z >= 0:
            shown[y, z] += 1
            right[y, z] += y == p
            if p >= 0:
                mistaken[p, z] += y != p
    for counts, expected in zip(
        (found.shown, found.right, found.mistaken),
        (shown, right, mistaken),
        strict=True,
    ):
        np.testing.assert_array_equal(counts, expected)


def test_expected_mistakes_are_those_of_a_plain_loop():
    labels, predicted, values = draw(300)
    predicted[3], values[5] = -1, -1
    other = np.arange(300) % 3
    other[7:9] = 9, -1  # a label of one video, and none: these count as one
    found = leaning.count(labels, predicted, values, K, Z, [other])
    assert len(found.traits) == 2
    known = values >= 0
    alone = np.isin(other, (9, -1))
    for trait, of in zip(
        found.traits, (labels, np.where(alone, 77, other)), strict=True
    ):
        expected = np.zeros((K, Z))
        for row in np.flatnonzero(known):
            alike = known & (of == of[row])
            for label in set(range(K)) - {labels[row]}:
                others = alike & (labels != label)
                share = np.mean(predicted[others] == label)
                expected[label, values[row]] += share
        np.testing.assert_allclose(trait.expected, expected, atol=1e-9)
        assert trait.missed.sum() == (known & (predicted != labels)).sum()


def test_planted_lean_is_found_and_no_other():
    labels, predicted, values = draw()
    fooled = (values == 6) & (np.random.default_rng(1).random(len(labels)) < 0.3)
    predicted[fooled] = 2
    found, count = leaning.leans(leaning.count(labels, predicted, values, K, Z), 9)
    assert count == len(found) == 1
    [lean] = found
    assert (lean.label, lean.value) == (2, 6)
    others = (labels != 2) & (values == 6)
    assert lean.here.num_videos == others.sum()
    assert lean.here.share == pytest.approx(np.mean(predicted[others] == 2))
    expected = sum(
        (others & (labels == y)).sum() * np.mean(predicted[labels == y] == 2)
        for y in range(K)
        if y != 2
    )
    assert lean.expected == pytest.approx(expected / others.sum())
    assert lean.extra == pytest.approx(np.sum(predicted[others] == 2) - expected)
    rows = lean.rows(labels, predicted, values)
    assert rows.tolist() == np.flatnonzero(others & (predicted == 2)).tolist()


def test_lean_that_another_aspect_explains_is_not_found():
    labels, predicted, values = draw()
    rng = np.random.default_rng(2)
    other = rng.integers(7, size=len(labels))
    cause = other == 3  # fools the model, and often shows label 6
    values = np.where(cause & (rng.random(len(labels)) < 0.8), 6, values)
    predicted = np.where(cause & (rng.random(len(labels)) < 0.3), 2, predicted)
    alone = leaning.count(labels, predicted, values, K, Z)
    assert [(one.label, one.value) for one in leaning.leans(alone, 9)[0]] == [(2, 6)]
    assert leaning.hard_values(alone, labels, predicted, values)
    given = leaning.count(labels, predicted, values, K, Z, [other])
    assert leaning.leans(given, 9) == ([], 0)
    assert leaning.hard_values(given, labels, predicted, values) == []
    # and the cause itself is found, whatever the aspect that goes with it
    itself = leaning.count(labels, predicted, other, K, 7, [values])
    assert [(one.label, one.value) for one in leaning.leans(itself, 9)[0]] == [(2, 3)]


def test_leans_are_rarely_found_where_there_are_none():
    tables = [leaning.count(*draw(2000, seed), K, Z) for seed in range(60)]
    # one set in twenty may hold one; more than 8 of 60 have a chance below 1 %
    assert sum(leaning.leans(counts, 9)[1] > 0 for counts in tables) <= 8


def test_class_that_is_mistaken_anywhere_is_no_lean_of_its_scene():
    rng = np.random.default_rng(0)
    labels = rng.integers(K, size=4000)
    # class 1 shows scene 3, and is taken for class 0 as often in every scene
    values = np.where(rng.random(4000) < 0.7, labels + 2, rng.integers(Z, size=4000))
    predicted = np.where((labels == 1) & (rng.random(4000) < 0.4), 0, labels)
    counts = leaning.count(labels, predicted, values, K, Z)
    assert counts.mistaken[0, 3] > 10 * counts.mistaken[0, 2]
    assert leaning.leans(counts, 9) == ([], 0)


def test_worst_group_is_large_and_surely_low():
    labels, predicted, values = draw()
    labels[:3], values[:3], predicted[:3] = 4, 0, 1
    values[3:][(labels[3:] == 4) & (values[3:] == 0)] = 1  # three videos are left
    bad = np.flatnonzero((labels == 1) & (values == 5))
    predicted[bad[: len(bad) // 2]] = 0
    found = leaning.worst_groups(labels, predicted, values, limit=3)
    assert (found[0].label, found[0].value) == (1, 5)
    assert (predicted[found[0].wrong] != 1).all()
    assert found[0].rate.num_videos - found[0].rate.hits == len(found[0].wrong)
    rest = (labels == 1) & (values != 5)
    assert found[0].class_rate.share == pytest.approx(np.mean(predicted[rest] == 1))


def test_label_that_is_hard_for_all_classes_is_found_and_a_hard_class_is_not():
    rng = np.random.default_rng(0)
    labels = rng.integers(K, size=4000)
    # class 1 is hard, and mostly has label 3; label 5 is hard for every class
    values = np.where((labels == 1) & (rng.random(4000) < 0.8), 3, labels)
    values = np.where(rng.random(4000) < 0.4, rng.integers(Z, size=4000), values)
    missed = np.where(labels == 1, 0.5, 0.1) + 0.25 * (values == 5)
    predicted = np.where(rng.random(4000) < missed, (labels + 2) % K, labels)
    counts = leaning.count(labels, predicted, values, K, Z)
    [pool] = leaning.hard_values(counts, labels, predicted, values)
    assert pool.value == 5
    here = values == 5
    assert pool.rate.share == pytest.approx(np.mean((predicted == labels)[here]))
    # as accurate as the same classes are with all other labels, and not with this one
    accuracy = [np.mean((predicted == labels)[(labels == y) & ~here]) for y in range(K)]
    assert pool.expected == pytest.approx(np.mean(np.take(accuracy, labels[here])))
    wrong = here & (predicted != labels)
    assert pool.wrong.tolist() == np.flatnonzero(wrong).tolist()
    assert pool.extra == pytest.approx(wrong.sum() - (1 - pool.expected) * here.sum())
    overall = [np.mean((predicted != labels)[labels == y]) for y in range(K)]
    mean = np.sum(np.take(overall, labels[here]))
    assert pool.tested == pytest.approx(wrong.sum() - mean) and pool.tested < pool.extra


def test_class_that_always_has_a_label_does_not_add_to_its_excess():
    labels = np.repeat([0, 1, 1], (30, 40, 60))
    values = np.repeat([0, 0, 1], (30, 40, 60))
    predicted = labels.copy()
    predicted[:15] = 1  # class 0 has label 0 alone, and is half wrong
    predicted[30:60] = 0
    counts = leaning.count(labels, predicted, values, 2, 2)
    [pool] = leaning.hard_values(counts, labels, predicted, values)
    assert pool.expected == pytest.approx((15 + 40) / 70)
    assert pool.extra == pytest.approx(30)


def test_lean_states_how_usual_its_label_is():
    labels, predicted, values = draw()
    predicted[values == 6] = 2
    [lean] = leaning.leans(leaning.count(labels, predicted, values, K, Z), 1)[0]
    assert lean.own_share == pytest.approx(np.mean(values[labels == 2] == 6))
    assert lean.others_share == pytest.approx(np.mean(values[labels != 2] == 6))
    training = np.arange(K * Z).reshape(K, Z)
    counts = leaning.count(labels, predicted, values, K, Z, usual=training)
    [lean] = leaning.leans(counts, 1)[0]
    assert lean.own_share == pytest.approx(20 / training[2].sum())
    assert lean.others_share == pytest.approx((6 + 13 + 27 + 34) / 476)
    assert lean.before_share == 0
    counts = leaning.count(labels, predicted, values, K, Z, usual=600 - training)
    [lean] = leaning.leans(counts, 1)[0]
    assert lean.before_share == pytest.approx(1 - lean.own_share), "all are before it"


def test_usual_labels_are_frequent_in_the_class_and_more_so_than_elsewhere():
    table = np.array(
        [[50, 0, 30, 30, 10], [40, 40, 40, 40, 40], [0, 9, 0, 0, 0], [2, 2, 0, 0, 90]]
    )
    rows = [(y, z) for y in range(4) for z in range(5) for _ in range(table[y, z])]
    labels, values = np.array(rows).T
    found = leaning.count(labels, labels, values, 4, 5).usual
    assert found.astype(int).tolist() == [
        [1, 0, 0, 0, 0],
        [0, 1, 1, 1, 0],  # all tie; 0 and 4 are more frequent elsewhere
        [0, 1, 0, 0, 0],
        [0, 0, 0, 0, 1],
    ]
    other = leaning.count(labels, labels, values, 4, 5, usual=table[:, ::-1])
    assert (other.usual == found[:, ::-1]).all()
