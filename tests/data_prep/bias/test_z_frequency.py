import numpy as np
import pytest
from sklearn import metrics

from data_prep.bias import z_frequency
from smad_jax import errors

ACTIONS = np.array([0, 0, 0, 0, 1, 1, 1])
FACTORS = np.array([2, 2, 2, 0, 1, 2, -1])


def test_counts_are_of_each_label_in_each_class():
    counts = z_frequency.label_counts(ACTIONS, FACTORS, num_labels=5)
    assert counts.tolist() == [[1, 0, 3, 0, 0], [0, 1, 1, 0, 0]]


def test_z_frequency_is_the_share_of_the_class_with_the_same_label():
    found = z_frequency.z_frequency(ACTIONS, FACTORS)
    np.testing.assert_allclose(found, [0.75, 0.75, 0.75, 0.25, 0.5, 0.5, 0])


def test_the_papers_example_of_abseiling():
    factors = np.repeat([5, 1, 2], [164, 400, 425])
    found = z_frequency.z_frequency(np.zeros(989, int), factors)
    assert found[0] == pytest.approx(0.166, abs=0.0005)


def test_ranking_goes_from_frequent_to_rare_with_ties_by_label_then_id():
    ids = np.array(["d", "b", "c", "a", "f", "e"])
    factors = np.array([4, 4, 1, 1, 0, 4])
    order = z_frequency.rank(np.zeros(6, int), factors, ids)
    assert ids[order].tolist() == ["b", "d", "e", "a", "c", "f"]


def test_ranking_keeps_classes_apart():
    ids = np.array(list("abcde"))
    order = z_frequency.rank(np.array([1, 0, 1, 0, 1]), np.array([0, 0, 1, 0, 1]), ids)
    assert ids[order].tolist() == ["b", "d", "c", "e", "a"]


@pytest.mark.parametrize("seed", range(3))
def test_normalised_mutual_information_agrees_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    actions = rng.integers(0, 7, 300)
    factors = (actions + rng.integers(0, 5, 300)) % 11
    expected = metrics.normalized_mutual_info_score(actions, factors)
    found = z_frequency.normalized_mutual_information(actions, factors)
    assert found == pytest.approx(expected, abs=1e-12)


def test_normalised_mutual_information_of_equal_labels_is_one():
    labels = np.array([0, 1, 2, 2])
    found = z_frequency.normalized_mutual_information(labels, labels)
    assert found == pytest.approx(1)


def test_a_constant_factor_carries_no_information():
    zeros = np.zeros(4, int)
    assert z_frequency.normalized_mutual_information(ACTIONS[1:5], zeros) == 0
    assert z_frequency.normalized_mutual_information(zeros[:0], zeros[:0]) == 0


def test_missing_labels_do_not_count_in_the_information():
    known = FACTORS >= 0
    assert z_frequency.normalized_mutual_information(
        ACTIONS, FACTORS
    ) == z_frequency.normalized_mutual_information(ACTIONS[known], FACTORS[known])


def test_a_million_videos_take_no_time():
    rng = np.random.default_rng(0)
    actions, factors = rng.integers(0, 400, 10**6), rng.integers(0, 365, 10**6)
    assert z_frequency.z_frequency(actions, factors).shape == (10**6,)


@pytest.mark.parametrize(
    ("actions", "factors", "message"),
    [
        ([0, 1, 2], [0, 1], "3 action labels but 2 factor labels"),
        ([0, -1], [0, 1], "-1 is negative"),
        ([0, 1], [0, 9], "9 must be below"),
    ],
)
def test_labels_that_do_not_fit_are_refused(actions, factors, message):
    with pytest.raises(errors.DataError, match=message):
        z_frequency.label_counts(np.array(actions), np.array(factors), num_labels=5)


@pytest.mark.parametrize("letter", ["z", "ż"])
def test_rows_are_ordered_by_id_as_python_orders_them(letter):
    ids = ["b", f"-a{letter}", "", "B 2", f"{letter}b", "_", "b0"]
    expected = sorted(range(7), key=lambda row: ids[row])
    assert z_frequency.order_by_id(ids).tolist() == expected
    assert z_frequency.order_by_id(np.array(ids)).tolist() == expected
    as_bytes = np.array([id.encode() for id in ids])
    assert z_frequency.order_by_id(as_bytes).tolist() == expected


def test_an_id_that_comes_twice_is_named():
    with pytest.raises(errors.DataError, match="id 'b' comes twice"):
        z_frequency.order_by_id(["a", "b", "c", "b"])


def test_rows_of_each_class_keep_their_order():
    found = z_frequency.by_class(np.array([2, -1, 0, 2, 5, 0]), 4)
    assert [rows.tolist() for rows in found] == [[2, 5], [], [0, 3], []]
