import math

import jax.numpy as jnp
import numpy as np
import pytest

from smad_jax.training import schedules


def test_cosine_starts_at_a_tenth_and_climbs_with_every_step():
    rate = schedules.cosine(0.2, epochs=196, steps_per_epoch=5, warmup_epochs=34)
    values = [float(rate(jnp.asarray(step))) for step in range(3)]
    np.testing.assert_allclose(values, [0.02, 0.021059, 0.022118], atol=5e-7)


def test_cosine_leaves_warm_up_at_the_plain_value_of_its_epoch():
    rate = schedules.cosine(0.2, epochs=196, steps_per_epoch=5, warmup_epochs=34)
    expected = 0.2 * 0.5 * (math.cos(math.pi * 34 / 196) + 1)
    assert float(rate(jnp.asarray(34 * 5))) == pytest.approx(expected, rel=1e-6)


def test_cosine_is_constant_within_an_epoch_after_warm_up():
    rate = schedules.cosine(0.1, epochs=10, steps_per_epoch=7)
    assert len({float(rate(jnp.asarray(step))) for step in range(14, 21)}) == 1


def test_steps_change_at_the_end_of_the_milestone_epoch():
    rate = schedules.steps(0.01, milestones=(40, 80), steps_per_epoch=3)
    at = {epoch: float(rate(jnp.asarray(epoch * 3))) for epoch in (39, 40, 79, 80)}
    expected = {39: 0.01, 40: 0.001, 79: 0.001, 80: 0.0001}
    assert at == pytest.approx(expected, rel=1e-5)
    assert float(rate(jnp.asarray(40 * 3 - 1))) == pytest.approx(0.01)


def test_dann_ramp_has_the_published_values():
    ramp = schedules.dann_ramp(100)
    values = [float(ramp(jnp.asarray(step))) for step in (0, 10, 25, 50, 100, 200)]
    expected = [0, 0.4621, 0.8483, 0.9866, 0.9999, 0.9999]
    np.testing.assert_allclose(values, expected, atol=5e-5)
