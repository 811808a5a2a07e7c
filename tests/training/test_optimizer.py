import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from smad_jax import errors
from smad_jax.training import optimizer


def test_clip_scales_by_the_reference_factor():
    clip = optimizer.clip_by_global_norm(5.0)
    gradient = {"a": jnp.array([6.0]), "b": jnp.array([[8.0]])}  # norm 10
    clipped, _ = clip.update(gradient, clip.init(gradient))
    np.testing.assert_allclose(clipped["a"], 6.0 * 5 / (10 + 1e-6), rtol=1e-7)


def test_clip_leaves_a_small_gradient_alone():
    clip = optimizer.clip_by_global_norm(40.0)
    gradient = jnp.array([3.0, -4.0])
    clipped, _ = clip.update(gradient, clip.init(gradient))
    np.testing.assert_array_equal(clipped, gradient)


def test_sgd_takes_the_reference_steps():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=7), rng.normal(size=(4, 7)) * 30
    theirs = torch.nn.Parameter(torch.tensor(start))
    sgd = torch.optim.SGD([theirs], lr=0.2, momentum=0.9, weight_decay=1e-4)
    with jax.enable_x64(True):
        ours = jnp.asarray(start)
        direction = optimizer.build(
            "sgd", weight_decay=1e-4, momentum=0.9, clip_norm=40.0
        )
        memory = direction.init(ours)
        for gradient in gradients:
            theirs.grad = torch.tensor(gradient)
            torch.nn.utils.clip_grad_norm_([theirs], 40.0)
            sgd.step()
            update, memory = direction.update(jnp.asarray(gradient), memory, ours)
            ours = optax.apply_updates(ours, -0.2 * update)
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-12)


def test_weight_decay_reaches_biases_and_scales_too():
    params = {"kernel": jnp.ones((2, 3)), "bias": jnp.ones(3)}
    direction = optimizer.build("sgd", weight_decay=0.1)
    nothing = jax.tree.map(jnp.zeros_like, params)
    update, _ = direction.update(nothing, direction.init(params), params)
    assert all(np.allclose(leaf, 0.1) for leaf in jax.tree.leaves(update))


def test_unknown_optimizer_is_refused_with_the_known_ones():
    with pytest.raises(errors.ConfigError, match="known: sgd, adamw"):
        optimizer.build("lion")
