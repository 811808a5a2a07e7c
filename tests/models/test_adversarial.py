import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from smad_jax.models import adversarial

B, D, Z = 3, 5, 4


def test_reverse_gradient_is_the_identity_forwards():
    x = jnp.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(adversarial.reverse_gradient(x, 0.5), x)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_reverse_gradient_flips_and_scales_only_the_backbone_side(strength):
    backbone = jnp.arange(1.0, 7.0).reshape(2, 3)
    head = jnp.array([2.0, -1.0, 3.0])

    def loss(backbone, head, reverse):
        return jnp.sum(jnp.square(reverse(backbone**2) @ head))

    plain = jax.grad(loss, (0, 1))(backbone, head, lambda x: x)
    adversary = jax.grad(loss, (0, 1))(
        backbone, head, lambda x: adversarial.reverse_gradient(x, strength)
    )
    np.testing.assert_allclose(adversary[0], -strength * plain[0])
    np.testing.assert_allclose(adversary[1], plain[1])


def test_reverse_gradient_takes_a_traced_strength_and_keeps_the_dtype():
    @jax.jit
    def gradient(x, strength):
        return jax.grad(
            lambda x: adversarial.reverse_gradient(x, strength).sum(dtype=jnp.float32)
        )(x)

    result = gradient(jnp.ones(3, jnp.bfloat16), jnp.float32(0.25))
    assert result.dtype == jnp.bfloat16
    np.testing.assert_array_equal(result.astype(jnp.float32), [-0.25] * 3)


def test_a_strength_has_no_gradient():
    x = jnp.arange(3.0)
    gradient = jax.grad(lambda s: adversarial.reverse_gradient(x, s).sum())(2.0)
    assert gradient == 0


def test_one_descent_step_helps_the_head_and_hinders_the_backbone():
    backbone, head, x, target = jnp.array([1.0, 0.5]), jnp.array(0.7), 1.5, 3.0

    def loss(backbone, head, reverse):
        feature = reverse(backbone @ jnp.array([x, 1.0]))
        return jnp.square(feature * head - target)

    gradients = jax.grad(loss, (0, 1))(
        backbone, head, lambda feature: adversarial.reverse_gradient(feature, 1.0)
    )
    before = loss(backbone, head, lambda x: x)
    step = 1e-3
    head_moved = loss(backbone, head - step * gradients[1], lambda x: x)
    backbone_moved = loss(backbone - step * gradients[0], head, lambda x: x)
    assert head_moved < before < backbone_moved


def test_a_head_without_hidden_layers_is_linear():
    head = adversarial.AdversarialHead(D, Z, rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(1), (B, D))
    expected = x @ head.fc.kernel[...] + head.fc.bias[...]
    np.testing.assert_allclose(head(x, train=True), expected)
    assert head(x, train=False).shape == (B, Z)


def test_hidden_layers_are_linear_batch_norm_relu():
    head = adversarial.AdversarialHead(D, Z, hidden=(7, 6), rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(1), (B, D))
    expected = x
    for layer in head.hidden:
        y = expected @ layer.fc.kernel[...] + layer.fc.bias[...]
        y = (y - y.mean(0)) / jnp.sqrt(y.var(0) + 1e-5)
        expected = jax.nn.relu(y)
    expected = expected @ head.fc.kernel[...] + head.fc.bias[...]
    np.testing.assert_allclose(head(x, train=True), expected, rtol=1e-4, atol=1e-6)
    paths = {
        "/".join(map(str, path))
        for path, _ in nnx.to_flat_state(nnx.state(head, nnx.Param))
    }
    assert {"hidden/0/fc/kernel", "hidden/1/bn/scale", "fc/bias"} <= paths
