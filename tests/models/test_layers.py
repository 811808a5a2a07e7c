import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import sharding

from smad_jax.models import layers

B, T, H, W, C, D = 2, 3, 7, 5, 4, 6

# These programs run once; most of their time would go into compiling them well.
QUICKLY = {"xla_backend_optimization_level": 0}


def _random(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


def test_kernels_start_with_kaiming_deviation_of_the_fan_out():
    conv = layers.Conv(16, 64, (3, 3, 3), rngs=nnx.Rngs(0))
    kernel = conv.kernel[...]
    assert kernel.shape == (3, 3, 3, 16, 64)
    np.testing.assert_allclose(kernel.std(), np.sqrt(2 / (64 * 27)), rtol=0.02)
    np.testing.assert_allclose(kernel.mean(), 0, atol=1e-3)


def test_kernels_may_start_with_pytorchs_own_deviation():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs = torch.nn.Conv3d(16, 64, (3, 3, 3)).weight.std().item()
    conv = layers.Conv(16, 64, (3, 3, 3), kernel_start="pytorch", rngs=nnx.Rngs(0))
    np.testing.assert_allclose(conv.kernel[...].std(), theirs, rtol=0.02)


def test_linear_starts_small_and_without_bias():
    linear = layers.Linear(64, 200, rngs=nnx.Rngs(0))
    np.testing.assert_allclose(linear.kernel[...].std(), 0.01, rtol=0.02)
    np.testing.assert_array_equal(linear.bias[...], np.zeros(200))


def test_batch_norm_normalises_by_the_biased_variance_and_remembers_the_unbiased():
    norm = layers.GhostBatchNorm(1)
    x = jnp.array([1.0, 3.0, 5.0, 7.0]).reshape(2, 1, 1, 2, 1)
    y = norm(x, train=True)
    # mean 4; biased variance 5, unbiased 20/3
    expected = (np.array([1, 3, 5, 7]) - 4) / np.sqrt(5 + 1e-5)
    np.testing.assert_allclose(y.ravel(), expected, rtol=1e-6)
    np.testing.assert_allclose(norm.mean[...], [0.1 * 4], rtol=1e-6)
    np.testing.assert_allclose(norm.var[...], [0.9 + 0.1 * 20 / 3], rtol=1e-6)


def test_batch_norm_tests_with_the_running_statistics_and_leaves_them():
    norm = layers.GhostBatchNorm(2)
    norm.mean[...] = jnp.array([1.0, -2.0])
    norm.var[...] = jnp.array([4.0, 0.25])
    norm.scale[...] = jnp.array([3.0, 1.0])
    norm.bias[...] = jnp.array([0.5, 0.0])
    x = jnp.array([[5.0, 0.0], [1.0, -2.0]])
    y = norm(x, train=False)
    np.testing.assert_allclose(y, [[6.5, 4.0], [0.5, 0.0]], rtol=1e-4)
    np.testing.assert_array_equal(norm.mean[...], [1, -2])


def _ghost_result(norm, x):
    """Output, gradient and statistics of a training pass with a fixed loss."""
    graph, params, stats = nnx.split(norm, nnx.Param, nnx.BatchStat)

    @functools.partial(jax.jit, compiler_options=QUICKLY)
    def run(params, stats, x):
        def loss(params, x):
            module = nnx.merge(graph, params, stats, copy=True)
            y = module(x, train=True)
            weight = jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape)
            return jnp.sum(y * weight), (y, nnx.state(module, nnx.BatchStat))

        gradients, (y, stats) = jax.grad(loss, (0, 1), has_aux=True)(params, x)
        return y, gradients, stats

    y, gradients, stats = run(params, stats, x)
    return y, gradients[0], gradients[1], stats


def test_ghost_groups_equal_separate_batches():
    with jax.enable_x64(True):
        x = _random(6, T, H, W, C)
        norm = layers.GhostBatchNorm(C, ghost_size=2, dtype="float64")
        y = norm(x, train=True)
        alone = [layers.GhostBatchNorm(C, dtype="float64") for _ in range(3)]
        parts = [n(x[2 * i : 2 * i + 2], train=True) for i, n in enumerate(alone)]
        np.testing.assert_allclose(y, jnp.concatenate(parts), rtol=1e-12, atol=1e-12)
        for name in ("mean", "var"):
            expected = np.mean([getattr(n, name)[...] for n in alone], axis=0)
            np.testing.assert_allclose(getattr(norm, name)[...], expected, rtol=1e-12)


def test_a_ghost_size_of_zero_or_more_than_the_batch_is_one_group():
    x = _random(4, T, H, W, C)
    expected = layers.GhostBatchNorm(C)(x, train=True)
    for ghost_size in (0, 4, 9):
        got = layers.GhostBatchNorm(C, ghost_size=ghost_size)(x, train=True)
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("ghost_size", [0, 1, 2, 4, 8])
def test_ghost_norm_on_one_device_equals_four(ghost_size):
    if len(jax.devices()) < 4:
        pytest.skip("needs four devices; set --xla_force_host_platform_device_count")
    with jax.enable_x64(True):
        x = _random(8, T, H, W, C)
        norm = layers.GhostBatchNorm(C, ghost_size=ghost_size, dtype="float64")
        one = _ghost_result(norm, x)
        mesh = jax.make_mesh(
            (4,),
            ("data",),
            axis_types=(sharding.AxisType.Auto,),
            devices=jax.devices()[:4],
        )
        spec = sharding.NamedSharding(mesh, sharding.PartitionSpec("data"))
        four = _ghost_result(norm, jax.device_put(x, spec))
        assert four[0].sharding.device_set == set(jax.devices()[:4])
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(four), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


def test_batch_norm_keeps_bfloat16_but_counts_in_float32():
    norm = layers.GhostBatchNorm(C, dtype="bfloat16")
    x = (100 + _random(B, T, H, W, C)).astype(jnp.bfloat16)
    y = norm(x, train=True)
    assert y.dtype == jnp.bfloat16
    assert norm.mean[...].dtype == norm.scale[...].dtype == jnp.float32
    mean = x.astype(jnp.float32).mean((0, 1, 2, 3))
    np.testing.assert_allclose(norm.mean[...], 0.1 * mean, rtol=1e-5)


def test_batch_norm_refuses_what_it_cannot_normalise():
    norm = layers.GhostBatchNorm(C, ghost_size=2)
    with pytest.raises(ValueError, match="ghost size 2, but it holds 3 videos"):
        norm(jnp.zeros((3, T, H, W, C)), train=True)
    with pytest.raises(ValueError, match="at least two values"):
        norm(jnp.zeros((1, 1, 1, 1, C)), train=True)
    assert norm(jnp.zeros((3, T, H, W, C)), train=False).shape == (3, T, H, W, C)
