import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smad_jax.methods import mmd

S, N, D = 6, 4, 3


def _features(seed):
    rng = np.random.default_rng(seed)
    source, target = rng.normal(size=(S, D)), 0.5 + rng.normal(size=(N, D))
    return jnp.asarray(source, jnp.float32), jnp.asarray(target, jnp.float32)


@pytest.mark.parametrize("distance", [1e-3, 1.0, 300.0])
def test_mmd_of_two_single_features_is_the_same_at_any_distance(distance):
    source, target = jnp.zeros((1, 2)), jnp.array([[0.6, 0.8]]) * distance
    # each Gaussian i of five: 1 + 1 - 2 exp(-4 / 2^i)
    np.testing.assert_allclose(mmd.discrepancy(source, target), 6.186276, rtol=1e-5)


def test_mmd_is_the_mean_of_gaussians_over_all_pairs():
    source, target = (np.asarray(part, np.float64) for part in _features(0))
    joined = [*source, *target]
    pairs = [
        (a, b) for i, a in enumerate(joined) for j, b in enumerate(joined) if i - j
    ]
    middle = np.mean([((a - b) ** 2).sum() for a, b in pairs])

    def mean(first, second):
        widths = [middle / 4, middle / 2, middle, 2 * middle, 4 * middle]
        return np.mean(
            [
                sum(np.exp(-((a - b) ** 2).sum() / width) for width in widths)
                for a in first
                for b in second
            ]
        )

    expected = mean(source, source) + mean(target, target) - 2 * mean(source, target)
    np.testing.assert_allclose(mmd.discrepancy(*_features(0)), expected, rtol=1e-5)
    np.testing.assert_allclose(
        mmd.discrepancy(*_features(0)[::-1]), expected, rtol=1e-5
    )


def test_mmd_of_equal_sets_is_zero_in_any_order_and_positive_otherwise():
    source, target = _features(1)
    assert abs(float(mmd.discrepancy(source, source[::-1]))) < 1e-6
    assert float(mmd.discrepancy(source, target)) > 0.1


def test_mmd_of_equal_features_is_zero_in_value_and_gradient():
    equal = jnp.ones((S, D))
    value, gradient = jax.value_and_grad(mmd.discrepancy)(equal, equal[:N])
    assert abs(float(value)) < 1e-6
    np.testing.assert_array_equal(gradient, np.zeros((S, D)))


def test_mmd_does_not_change_when_all_features_move_turn_and_grow():
    source, target = _features(2)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(D, D)))[0]
    moved = [
        3 * (part @ jnp.asarray(turn, jnp.float32)) + 5 for part in (source, target)
    ]
    np.testing.assert_allclose(
        mmd.discrepancy(*moved), mmd.discrepancy(source, target), rtol=1e-4
    )


def test_mmd_of_far_sets_with_a_fixed_bandwidth_is_twice_the_number_of_kernels():
    source, target = jnp.zeros((1, D)), jnp.full((1, D), 1e3)
    for kernels in (1, 5):
        value = mmd.discrepancy(source, target, num_kernels=kernels, bandwidth=2.0)
        assert float(value) == 2 * kernels


def test_no_gradient_flows_through_the_bandwidth():
    with jax.enable_x64(True):
        source, target = (jnp.asarray(part, jnp.float64) for part in _features(3))
        joined = np.concatenate([source, target])
        distance = ((joined[:, None] - joined) ** 2).sum(-1)
        middle = float(distance.sum() / (len(joined) * (len(joined) - 1)))
        gradient = jax.grad(mmd.discrepancy)(source, target)
        nudge = np.zeros((S, D))
        nudge[4, 1] = 1e-6
        up, down = (
            mmd.discrepancy(source + sign * nudge, target, bandwidth=middle)
            for sign in (1, -1)
        )
        np.testing.assert_allclose(gradient[4, 1], (up - down) / 2e-6, rtol=1e-6)


def test_linear_mmd_is_the_squared_distance_of_the_means():
    source, target = jnp.array([[0.0, 2.0], [4.0, 0.0]]), jnp.array([[-1.0, 1.0]])
    np.testing.assert_allclose(mmd.linear_discrepancy(source, target), 9.0)


@pytest.mark.parametrize("distance", [mmd.discrepancy, mmd.linear_discrepancy])
def test_sets_of_features_of_different_size_are_refused(distance):
    with pytest.raises(ValueError, match=r"they are \(6, 3\) and \(4, 2\)"):
        distance(jnp.zeros((6, 3)), jnp.zeros((4, 2)))
