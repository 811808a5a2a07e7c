import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smad_jax import errors
from smad_jax.methods import base, mixing
from smad_jax.models import motion
from smad_jax.training import train_state
from tests.helpers import debiasing, networks

B, T, H, W, C, K, D = 6, 4, 8, 10, 3, 9, 7


def batch():
    rng = np.random.default_rng(0)
    video = rng.integers(0, 256, (B, T, H, W, C), dtype=np.uint8)
    return {"train": {"video": video, "label": np.arange(B) % K}}


def method_of(name="actor_cut_mix", **settings):
    return debiasing.build(name, D, **settings)


def step(objective, method):
    """Value and gradient of `objective(modules)`."""
    modules = base.Trained(networks.Little(D, K, T), method)
    graph, params, batch_stats = train_state.split(modules)

    def of(params):
        return objective(train_state.merge(graph, params, batch_stats))

    gradient = jax.jit(jax.value_and_grad(of), compiler_options=networks.QUICKLY)
    value, found = gradient(params)
    return float(value), np.concatenate([np.ravel(x) for x in jax.tree.leaves(found)])


def own_loss(modules):
    return base.loss(modules, batch(), key=jax.random.key(6), step=jnp.asarray(0))[0]


@pytest.mark.parametrize("foreground", [0.3, 0.5])
def test_loss_is_of_both_labels_by_their_weights(foreground):
    _, chosen_key, mix_key = jax.random.split(jax.random.key(6), 3)
    chosen = np.asarray(mixing.draw_clips(B, chosen_key, 0.5))
    partners = np.asarray(mixing.draw_partners(B, mix_key))
    assert 0 < chosen.sum() < B
    stream = batch()["train"]
    share = int(foreground * H * W) / (H * W)
    weight = np.where(chosen, 1 - (1 - share) ** 4, 1)
    target = weight[:, None] * np.eye(K)[stream["label"]]
    target += (1 - weight)[:, None] * np.eye(K)[stream["label"][partners]]

    def by_hand(modules):
        video = jnp.asarray(stream["video"])
        mask = motion.foreground(video, foreground)
        mixed = mixing.in_scene_of(video, mask, jnp.asarray(partners))
        video = jnp.where(chosen[:, None, None, None, None], mixed, video)
        logits = modules.model(video, train=True).logits
        return -(target * jax.nn.log_softmax(logits)).sum(axis=1).mean()

    method = method_of(probability=0.5, foreground=foreground)
    value, gradient = step(own_loss, method)
    expected, plain = step(by_hand, method)
    assert value == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(gradient, plain, atol=1e-5)


def test_without_mixing_the_step_is_the_baselines():
    value, gradient = step(own_loss, method_of(probability=0.0))
    expected, plain = step(own_loss, method_of("baseline"))
    assert value == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(gradient, plain, atol=1e-5)


def test_weight_of_the_label_by_hand():
    mask = np.zeros((4, 2, 5), bool)
    mask[1, 0] = mask[2] = True  # a half, all; the last a tenth
    mask[3, 1, 1] = True
    found = mixing.label_weight(jnp.asarray(mask))
    np.testing.assert_allclose(found, [0, 0.9375, 1, 1 - 0.9**4], rtol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "paint"), [(np.uint8, (124, 116, 104)), (np.float32, (0, 0, 0))]
)
def test_actor_stands_in_a_scene_without_its_own_actor(dtype, paint):
    video = jnp.asarray(np.arange(1, 4).reshape(3, 1, 1, 1, 1), dtype)
    video = jnp.broadcast_to(video, (3, 2, 1, 4, 3))
    mask = np.zeros((3, 1, 4), bool)
    mask[0, 0, :2], mask[1, 0, 1:3], mask[2, 0, 3] = True, True, True
    mixed = mixing.in_scene_of(video, jnp.asarray(mask), jnp.array([1, 2, 0]))
    mixed = np.asarray(mixed)
    assert mixed.dtype == dtype
    one, two, three = ([value] * 3 for value in (1, 2, 3))
    expected = [
        [one, one, list(paint), two],
        [three, two, two, list(paint)],
        [list(paint), list(paint), one, three],
    ]
    for t in range(2):
        np.testing.assert_array_equal(mixed[:, t, 0], expected)


def test_setting_that_does_not_exist_is_refused():
    with pytest.raises(
        errors.ConfigError, match=r"foreground .* below 1, but it is 1\.0"
    ):
        method_of(foreground=1.0)
