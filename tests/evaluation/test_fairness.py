import numpy as np
import pytest
from sklearn import metrics

from smad_jax import errors
from smad_jax.evaluation import fairness, information

V, K, Z = 900, 7, 5
LABEL = np.array([0, 0, 0, 0, 1, 1, 1, 1])
SECONDARY = np.array([0, 0, 1, 1, 0, 1, 2, 2])
PREDICTED = np.array([0, 0, 1, 1, 1, 1, 0, 1])


def biased(seed=0, num_videos=V):
    """Labels, predictions and scenes that all depend on each other."""
    rng = np.random.default_rng(seed)
    label = rng.integers(K, size=num_videos)
    secondary = np.where(
        rng.random(num_videos) < 0.5, label % Z, rng.integers(Z, size=num_videos)
    )
    predicted = np.where(rng.random(num_videos) < 0.6, label, secondary)
    return label, predicted, secondary


def grouped(group, first, second, mean):
    """The definition, group by group, with scikit-learn's NMI."""
    total = 0.0
    for value in np.unique(group):
        a, b = first[group == value], second[group == value]
        if min(len(np.unique(a)), len(np.unique(b))) > 1:
            nmi = metrics.normalized_mutual_info_score(a, b, average_method=mean)
            total += len(a) * nmi
    return total / len(group)


def test_worked_example_of_all_three_measures():
    found = fairness.measures(LABEL, PREDICTED, SECONDARY, num_bootstrap=0, seed=0)
    assert found.independence.value == pytest.approx(0.286259, abs=5e-7)
    assert found.separation.value == pytest.approx(0.634678, abs=5e-7)
    assert found.sufficiency.value == pytest.approx(0.599162, abs=5e-7)
    for name, expected in (("separation", 0.634678), ("sufficiency", 0.599162)):
        alone = getattr(fairness, name)(LABEL, PREDICTED, SECONDARY)
        assert alone == pytest.approx(expected, abs=5e-7)


def test_worked_examples_groups():
    first = LABEL == 0
    separation = [
        fairness.independence(PREDICTED[part], SECONDARY[part])
        for part in (first, ~first)
    ]
    assert separation == pytest.approx([1.0, 0.269356], abs=5e-7)
    none = PREDICTED == 0
    sufficiency = [
        fairness.independence(LABEL[part], SECONDARY[part]) for part in (none, ~none)
    ]
    assert sufficiency == pytest.approx([1.0, 0.358660], abs=5e-7)
    assert none.mean() == 3 / 8


@pytest.mark.parametrize("mean", information.MEANS)
def test_measures_agree_with_scikit_learn_group_by_group(mean):
    label, predicted, secondary = biased()
    found = fairness.measures(
        label, predicted, secondary, num_bootstrap=0, seed=0, mean=mean
    )
    assert found.independence.value == pytest.approx(
        metrics.normalized_mutual_info_score(predicted, secondary, average_method=mean)
    )
    assert found.oracle.value == pytest.approx(
        metrics.normalized_mutual_info_score(label, secondary, average_method=mean)
    )
    expected = grouped(label, predicted, secondary, mean)
    assert found.separation.value == pytest.approx(expected)
    expected = grouped(predicted, label, secondary, mean)
    assert found.sufficiency.value == pytest.approx(expected)
    assert found.amplified.value == pytest.approx(
        found.independence.value - found.oracle.value
    )
    alone = fairness.independence(predicted, secondary, mean=mean)
    assert alone == pytest.approx(found.independence.value)


def test_ratio_divides_the_averaged_information_by_the_averaged_entropies():
    label, predicted, secondary = biased()
    total = np.zeros(3)
    for value in range(K):
        a, b = predicted[label == value], secondary[label == value]
        entropies = information.entropy(a) + information.entropy(b)
        shared = information.mutual_information(a, b)
        total += len(a) * np.array([shared, entropies / 2, 1])
    found = fairness.separation(label, predicted, secondary, average="ratio")
    assert found == pytest.approx(total[0] / total[1])
    assert found != pytest.approx(fairness.separation(label, predicted, secondary))


def test_flawless_predictions_are_as_dependent_as_the_labels_and_no_more():
    label, _, secondary = biased()
    found = fairness.measures(label, label, secondary, num_bootstrap=9, seed=0)
    assert found.independence == found.oracle
    assert found.separation.value == found.sufficiency.value == 0
    assert found.separation.control == found.amplified.high == 0


def test_reading_the_action_off_the_scene_separates_fully():
    label, _, secondary = biased()
    assert fairness.separation(label, secondary * 3 + 1, secondary) == pytest.approx(1)
    assert fairness.independence(secondary * 3 + 1, secondary) == pytest.approx(1)


def test_constant_prediction_is_independent():
    label, _, secondary = biased()
    constant = np.full(V, 3)
    assert fairness.independence(constant, secondary) == 0
    assert fairness.separation(label, constant, secondary) == 0
    oracle = fairness.independence(label, secondary)
    assert fairness.sufficiency(label, constant, secondary) == pytest.approx(oracle)


def test_group_of_one_video_counts_as_nothing_but_is_weighed():
    label = np.append(LABEL, 2)
    found = fairness.separation(label, np.append(PREDICTED, 2), np.append(SECONDARY, 0))
    assert found == pytest.approx(0.634678 * 8 / 9, abs=5e-7)


def test_what_is_not_known_is_left_out():
    gaps = [np.append(part, [0, 1, 0]) for part in (LABEL, PREDICTED, SECONDARY)]
    for part, row in zip(gaps, (-3, -2, -1), strict=True):
        part[row] = -1
    found = fairness.measures(*gaps, num_bootstrap=0, seed=0)
    assert found.num_videos == 8
    assert found.sufficiency.value == pytest.approx(0.599162, abs=5e-7)


def test_numbers_of_the_labels_do_not_matter():
    label, predicted, secondary = biased()
    plain = fairness.measures(label, predicted, secondary, num_bootstrap=4, seed=1)
    moved = fairness.measures(
        label * 10**12, predicted * 10**12, 7 * secondary + 2, num_bootstrap=4, seed=1
    )
    assert plain == moved


def test_control_shows_what_chance_alone_would():
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(40), 48)
    secondary = rng.integers(30, size=len(label))
    predicted = np.where(
        rng.random(len(label)) < 0.75, label, rng.integers(40, size=len(label))
    )
    found = fairness.measures(label, predicted, secondary, num_bootstrap=0, seed=0)
    assert found.separation.value > 0.25, "though predictions ignore the scene"
    assert found.separation.control == pytest.approx(found.separation.value, abs=0.02)
    assert found.independence.control == pytest.approx(
        found.independence.value, abs=0.02
    )
    label, predicted, secondary = biased()
    found = fairness.measures(label, predicted, secondary, num_bootstrap=0, seed=0)
    assert found.separation.control < 0.3 * found.separation.value


def test_interval_covers_the_spread_over_other_draws_of_videos():
    values = np.array([fairness.separation(*biased(seed)) for seed in range(1, 60)])
    found = fairness.measures(*biased(), num_bootstrap=200, seed=0).separation
    assert found.low < found.value < found.high
    width = (found.high - found.low) / (2 * 1.96)
    assert width == pytest.approx(values.std(), rel=0.25)


def test_seed_decides_all_draws():
    first, again, other = (
        fairness.measures(*biased(), num_bootstrap=20, seed=seed) for seed in (3, 3, 4)
    )
    assert first == again
    assert first.separation.low != other.separation.low
    assert first.separation.control != other.separation.control


def test_large_test_set_is_measured_whole():
    rng = np.random.default_rng(0)
    label = rng.integers(400, size=250_000)
    secondary = (rng.exponential(8, len(label)).astype(int) + 7 * label) % 365
    predicted = np.where(rng.random(len(label)) < 0.7, label, secondary)
    found = fairness.measures(label, predicted, secondary, num_bootstrap=25, seed=0)
    assert found.num_videos == len(label)


@pytest.mark.parametrize(
    ("arrays", "error", "message"),
    [
        ((LABEL[:5], PREDICTED, SECONDARY), errors.DataError, "5 of label, 8 of pred"),
        ((LABEL, PREDICTED, SECONDARY - 9), errors.DataError, "no video has labels of"),
        ((LABEL, PREDICTED + 0.5, SECONDARY), ValueError, r"predicted must be \[V\]"),
    ],
)
def test_arrays_that_do_not_go_together_are_refused(arrays, error, message):
    with pytest.raises(error, match=message):
        fairness.separation(*arrays)


def test_unknown_choices_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="known: arithmetic, geometric, min, max"):
        fairness.separation(LABEL, PREDICTED, SECONDARY, mean="harmonic")
    with pytest.raises(ValueError, match="known: groups, ratio"):
        fairness.sufficiency(LABEL, PREDICTED, SECONDARY, average="sum")
