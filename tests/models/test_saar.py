import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from smad_jax.models import layers, saar

B, T, H, W, C = 2, 3, 5, 7, 4


def _feature_map():
    return jax.random.normal(jax.random.key(0), (B, T, H, W, C))


def test_reweight_is_equation_5():
    feature_map = jnp.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 1, 2, 2, 1)
    actionness = jnp.log(jnp.array([[1.0, 2.0], [4.0, 1.0]])).reshape(1, 1, 2, 2)
    got = saar.reweight(feature_map, actionness)
    # shares 1/8, 2/8, 4/8, 1/8, times H W = 4
    np.testing.assert_allclose(got.ravel(), [0.5, 2, 6, 2], rtol=1e-6)


def test_constant_actionness_leaves_the_feature_map_unchanged():
    constant = jnp.arange(6.0).reshape(B, T, 1, 1) * jnp.ones((B, T, H, W))
    got = saar.reweight(_feature_map(), constant)  # another constant in each frame
    np.testing.assert_allclose(got, _feature_map(), rtol=1e-6)


def test_factors_average_to_one_in_every_frame():
    actionness = 3 * jax.random.normal(jax.random.key(1), (B, T, H, W))
    factor = saar.reweight(jnp.ones((B, T, H, W, C)), actionness)
    np.testing.assert_allclose(factor.mean((2, 3)), np.ones((B, T, C)), rtol=1e-6)
    assert factor.std() > 1


def test_extreme_scores_stay_finite():
    actionness = jnp.zeros((B, T, H, W)).at[:, :, 1, 2].set(1e4)
    got = saar.reweight(jnp.ones((B, T, H, W, C)), actionness)
    expected = np.zeros((B, T, H, W, C))
    expected[:, :, 1, 2] = H * W
    np.testing.assert_allclose(got, expected)


def test_a_score_pulls_the_feature_towards_its_location():
    def first_location(actionness):
        return saar.reweight(_feature_map(), actionness)[0, 0, 0, 0, 0]

    gradient = jax.grad(first_location)(jnp.zeros((B, T, H, W)))
    value = _feature_map()[0, 0, 0, 0, 0]
    share = 1 / (H * W)
    np.testing.assert_allclose(gradient[0, 0, 0, 0], value * (1 - share), rtol=1e-5)
    np.testing.assert_allclose(gradient[0, 0, 2, 3], -value * share, rtol=1e-5)
    np.testing.assert_array_equal(gradient[1:], 0)
    np.testing.assert_array_equal(gradient[:, 1:], 0)


def test_reweight_names_the_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"\(2, 3, 5, 7\).*\(2, 3, 7, 5\)"):
        saar.reweight(_feature_map(), jnp.zeros((B, T, W, H)))


def test_reweight_keeps_bfloat16():
    got = saar.reweight(_feature_map().astype(jnp.bfloat16), jnp.zeros((B, T, H, W)))
    assert got.dtype == jnp.bfloat16


def test_scores_start_at_zero_and_their_head_learns_from_the_first_step():
    module = saar.Saar(C, 2, layers.Factory(nnx.Rngs(0)), num_blocks=2)
    graph, params, stats = nnx.split(module, nnx.Param, nnx.BatchStat)

    def loss(params):
        score = nnx.merge(graph, params, stats, copy=True)(_feature_map(), train=True)
        return jnp.square(saar.reweight(_feature_map(), score)).sum(), score

    gradient, score = jax.jit(jax.grad(loss, has_aux=True))(params)
    np.testing.assert_array_equal(score, 0)
    assert np.abs(gradient["score"]["kernel"][...]).max() > 1e-3


def test_every_frame_is_scored_by_itself():
    module = saar.Saar(C, 2, layers.Factory(nnx.Rngs(0)))
    module.score.kernel[...] = jax.random.normal(
        jax.random.key(2), module.score.kernel.shape
    )
    whole = module(_feature_map(), train=False)
    assert whole.shape == (B, T, H, W)
    assert whole.dtype == jnp.float32
    for t in range(T):
        alone = module(_feature_map()[:, t : t + 1], train=False)
        np.testing.assert_allclose(alone[:, 0], whole[:, t], rtol=1e-4, atol=1e-5)
