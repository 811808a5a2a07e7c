import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smad_jax.models import pooling

B, T, H, W, C = 2, 3, 7, 5, 4


def _random(*shape):
    return jnp.asarray(np.random.default_rng(0).standard_normal(shape))


def test_max_pool_pads_with_minus_infinity_on_both_sides():
    x = -1 - jnp.abs(_random(B, 4, 6, W, C))
    got = pooling.max_pool(x, (3, 3, 3), (2, 2, 2))
    padded = np.pad(
        np.asarray(x), [(0, 0)] + [(1, 1)] * 3 + [(0, 0)], constant_values=-np.inf
    )
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3, 3), (1, 2, 3))
    expected = windows[:, ::2, ::2, ::2].max(axis=(-3, -2, -1))
    np.testing.assert_array_equal(got, expected)


def test_max_pool_of_single_frames_pools_each_by_itself():
    x = _random(B, T, H, W, C)
    got = pooling.max_pool(x, (1, 3, 3), (1, 2, 2))
    each = [pooling.max_pool(x[:, t : t + 1], (3, 3, 3), (2, 2, 2)) for t in range(T)]
    np.testing.assert_array_equal(got, jnp.concatenate(each, axis=1))


@pytest.mark.parametrize(
    ("window", "strides"),
    [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (2, 2, 2)), ((1, 5, 3), (1, 3, 1))],
)
def test_gradient_is_pytorchs_where_numbers_are_equal_too(window, strides):
    torch = pytest.importorskip("torch")
    # After a ReLU half of the numbers are equal; whole numbers make more of them so.
    x = np.maximum(np.round(2 * np.asarray(_random(B, T, H, W, C), np.float64)), 0)
    theirs = torch.tensor(x.transpose(0, 4, 1, 2, 3), requires_grad=True)
    padding = [extent // 2 for extent in window]
    pooled = torch.nn.functional.max_pool3d(theirs, window, strides, padding)
    weights = torch.randn(pooled.shape, dtype=torch.float64)
    (pooled * weights).sum().backward()
    with jax.enable_x64(True):
        pool = functools.partial(pooling.max_pool, window=window, strides=strides)
        got, gradient = jax.vjp(pool, jnp.asarray(x))
        np.testing.assert_array_equal(got, _channels_last(pooled))
        (got,) = gradient(jnp.asarray(_channels_last(weights)))
        np.testing.assert_allclose(got, _channels_last(theirs.grad), rtol=1e-12)


def _channels_last(tensor):
    return tensor.detach().numpy().transpose(0, 2, 3, 4, 1)


def test_accelerators_reduce_windows_to_the_same(monkeypatch):
    x = _random(B, T, H, W, C)
    for window, strides in (((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (2, 2, 2))):
        ours = pooling.max_pool(x, window, strides)
        with monkeypatch.context() as patch:
            patch.setattr(jax, "default_backend", lambda: "tpu")
            np.testing.assert_array_equal(pooling.max_pool(x, window, strides), ours)
