import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smad_jax.models import batch_norm

G, N, T, H, W, C = 2, 3, 4, 6, 5, 7


def _random(*shape, seed):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


def _plain(x, scale, bias):
    axes = tuple(range(1, x.ndim - 1))
    mean = x.mean(axes, keepdims=True)
    var = jnp.square(x - mean).mean(axes, keepdims=True)
    return (x - mean) / jnp.sqrt(var + batch_norm.EPSILON) * scale + bias, mean, var


def test_one_pass_has_the_gradient_of_the_formula():
    # float32 around float64 is as bfloat16 around float32, with digits to compare
    x = (3 + _random(G, N, T, H, W, C, seed=0)).astype(jnp.float32)
    with jax.enable_x64(True):
        scale, bias, near = (_random(C, seed=seed) for seed in (1, 2, 3))
        expected, pull_back = jax.vjp(_plain, x.astype(float), scale, bias)
        got, own_pull_back = jax.vjp(batch_norm.normalise_groups, x, scale, bias, near)
        for a, b, rtol in zip(got, expected, (1e-5, 1e-12, 1e-12), strict=True):
            np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6)
        # of all three results: a mean and a variance may be used, too
        weights = [_random(*y.shape, seed=4).astype(y.dtype) for y in got]
        *gradient, of_near = own_pull_back(tuple(weights))
        weights[0] = weights[0].astype(float)
        for a, b in zip(gradient, pull_back(tuple(weights)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        assert not of_near.any()


@pytest.mark.parametrize(("near", "error"), [(0, 1e-3), (50, 1e-6)])
def test_one_pass_over_bfloat16_loses_less_than_bfloat16(near, error):
    exact = 50 + np.asarray(_random(G, 8, 9, 10, C, seed=0))
    x = jnp.asarray(exact, jnp.bfloat16)
    rounded = np.asarray(x, np.float64)
    one = jnp.ones(C, jnp.float32)
    y, mean, var = batch_norm.normalise_groups(x, one, 0 * one, near * one)
    assert y.dtype == jnp.bfloat16
    expected = rounded.var((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(mean, rounded.mean((1, 2, 3), keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(var, expected, rtol=error)
    # what rounding the input has cost
    assert np.abs(expected / exact.var((1, 2, 3), keepdims=True) - 1).max() > 1e-3


def test_constant_bfloat16_has_no_negative_variance():
    x = jnp.full((G, N, H, W, C), 123.5, jnp.bfloat16)
    one = jnp.ones(C, jnp.float32)
    y, _, var = batch_norm.normalise_groups(x, one, one, 0 * one)
    assert (var >= 0).all() and jnp.isfinite(y.astype(jnp.float32)).all()
