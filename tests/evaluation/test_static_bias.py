import numpy as np
import pytest

from smad_jax import errors
from smad_jax.evaluation import predictions, static_bias


def answers(right, part, order=None):
    """Predictions of four videos of classes 0 to 3; None is an unreadable one."""
    rows = [0, 1, 2, 3] if order is None else order
    probabilities = np.zeros((4, 5))
    for place, row in enumerate(rows):
        if right[row] is not None:
            probabilities[place, row if right[row] else 4] = 1
    ids = np.array([f"a|b{row}|{part}" for row in rows])
    return predictions.Predictions(ids, np.array(rows), probabilities, np.zeros((4, 2)))


def test_contrasted_accuracy_counts_what_only_the_motion_reveals():
    moving = answers([True, True, False, False], "scuba")
    frozen = answers([True, False, True, False], "scufo", order=[2, 0, 3, 1])
    found = static_bias.contrast(moving, frozen)
    assert found == static_bias.Result(0.5, 0.5, 0.25, 4)


def test_pair_with_an_unreadable_half_is_left_out():
    moving = answers([True, True, None, False], "scuba")
    frozen = answers([None, False, True, False], "scufo")
    found = static_bias.contrast(moving, frozen)
    assert found == static_bias.Result(0.5, 0.0, 0.5, 2)
    with pytest.raises(errors.DataError, match="no video of SCUBA has a twin"):
        static_bias.contrast(moving, answers([None] * 4, "scufo"))
