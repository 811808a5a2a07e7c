import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from smad_jax.models import efficientnet, labellers
from smad_jax.training import train_state


def test_it_has_the_published_number_of_parameters():
    build = labellers.build_labeller
    module = nnx.eval_shape(lambda: build("efficientnet_lite0", 1000, rngs=nnx.Rngs(0)))
    _, params, _ = train_state.split(module)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 4_652_008
    assert len(module.backbone.blocks) == 16
    assert (module.backbone.width, module.backbone.seam_width) == (1280, 192)


def test_same_padding_puts_the_odd_pixel_to_the_right_and_below():
    conv = efficientnet.SameConv(1, 1, 3, 2, rngs=nnx.Rngs(0))
    conv.kernel[...] = jnp.ones((1, 3, 3, 1, 1))
    even = conv(jnp.ones((1, 1, 4, 4, 1)))[0, 0, :, :, 0]
    np.testing.assert_array_equal(even, [[9, 6], [6, 4]])
    odd = conv(jnp.ones((1, 1, 3, 3, 1)))[0, 0, :, :, 0]
    np.testing.assert_array_equal(odd, [[4, 4], [4, 4]])


def test_a_depthwise_convolution_keeps_channels_apart():
    conv = efficientnet.SameConv(2, 2, 3, groups=2, rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(0), (1, 1, 5, 6, 2))
    changed = conv(x.at[..., 1].add(1.0))
    np.testing.assert_array_equal(changed[..., 0], conv(x)[..., 0])
    assert np.abs(changed[..., 1] - conv(x)[..., 1]).max() > 0


def test_the_norm_has_tensorflow_s_epsilon():
    norm = efficientnet.FrozenNorm(1)
    norm.var[...] = jnp.zeros(1)
    np.testing.assert_allclose(norm(jnp.ones((1, 1))), 1000**0.5, rtol=1e-6)


def test_it_refuses_to_be_trained():
    make = efficientnet.layers.Factory
    build = efficientnet.EfficientNetLite0
    backbone = nnx.eval_shape(lambda: build(make(nnx.Rngs(0))))
    with pytest.raises(ValueError, match="only labels"):
        backbone.before_seam(jnp.ones((1, 1, 32, 32, 3)), train=True)
