import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smad_jax import errors
from smad_jax.base import aspect_table
from smad_jax.methods import base
from smad_jax.training import train_state
from tests.helpers import debiasing, networks

B, T, H, W, K, D, Z = 6, 3, 5, 2, 9, 7, 4
SCENE = aspect_table.Aspect("scene", "soft", Z, "test")
OBJECT = aspect_table.Aspect("object", "soft", Z, "test")
TAGS = aspect_table.Aspect("scene", "tags", Z, "test")
WHOLE = {"hidden": (5,), "reversal": 0.5, "confusion_weight": 0.7}


def batch(mask=(True,) * B):
    rng = np.random.default_rng(0)
    return {
        "train": {
            "video": rng.integers(0, 256, (B, T, H, W, 3), dtype=np.uint8),
            "label": np.arange(B) % K,
            "aspects": {"scene": rng.dirichlet(np.ones(Z), B).astype(np.float32)},
            "aspect_mask": {"scene": np.array(mask)},
        }
    }


def masked_clips(size=4):
    """Clips for the second stream; how many differs from the whole ones."""
    rng = np.random.default_rng(1)
    video = rng.integers(0, 256, (size, T, H, W, 3), dtype=np.uint8)
    return {"video": video, "label": np.arange(size) % K}


def method_of(chosen, **settings):
    return debiasing.build("sdn", D, chosen, **settings)


def gradients(data, **settings):
    method = method_of([SCENE], **settings)
    modules = base.Trained(networks.Little(D, K), method)
    graph, params, batch_stats = train_state.split(modules)

    def objective(params):
        modules = train_state.merge(graph, params, batch_stats)
        return base.loss(modules, data, key=jax.random.key(0), step=jnp.asarray(0))

    gradient = jax.grad(objective, has_aux=True)
    return jax.jit(gradient, compiler_options=networks.QUICKLY)(params)


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def test_reversal_scales_the_backbones_side_alone():
    found = {a: gradients(batch(), reversal=a, hidden=(5,))[0] for a in (0.0, 0.5, 1.0)}
    half, whole = (
        flat(found[a]["model"]) - flat(found[0.0]["model"]) for a in (0.5, 1.0)
    )
    assert np.abs(whole).max() > 1e-3
    np.testing.assert_allclose(half, 0.5 * whole, atol=1e-6)
    for a in (0.5, 1.0):
        np.testing.assert_allclose(
            flat(found[a]["method"]), flat(found[0.0]["method"]), atol=1e-7
        )


def test_backbone_climbs_the_loss_that_the_head_descends():
    method = method_of([SCENE], hidden=(5,))
    modules = base.Trained(networks.Little(D, K), method)
    graph, params, batch_stats = train_state.split(modules)
    stream = batch()["train"]

    def scene_loss(params):
        modules = train_state.merge(graph, params, batch_stats)
        features = modules.model(stream["video"], train=True).features
        logits = modules.method.scene_head(features, train=True)
        return -(stream["aspects"]["scene"] * jax.nn.log_softmax(logits)).sum(1).mean()

    plain = jax.jit(jax.grad(scene_loss), compiler_options=networks.QUICKLY)(params)
    with_scene, metrics = gradients(batch(), hidden=(5,))
    without, _ = gradients(batch(), hidden=(5,), reversal=0.0)
    np.testing.assert_allclose(
        flat(with_scene["model"]) - flat(without["model"]),
        -flat(plain["model"]),
        atol=1e-6,
    )
    np.testing.assert_allclose(
        flat(with_scene["method"]), flat(plain["method"]), atol=1e-6
    )
    total = float(metrics["loss/action"] + metrics["loss/scene"])
    assert float(metrics["loss"]) == pytest.approx(total, rel=1e-6)


def test_videos_without_a_scene_label_are_left_out():
    data, other = (batch(mask=[True, False, True, True, False, True]) for _ in "ab")
    other["train"]["aspects"]["scene"][1] = [0, 0, 0, 1]
    (first, metrics), (second, _) = (
        gradients(each, hidden=(5,)) for each in (data, other)
    )
    np.testing.assert_array_equal(flat(first), flat(second))
    assert float(metrics["loss/scene"]) > 0


def parts_of(num_classes=K, **settings):
    method = method_of([SCENE], **settings)
    modules = base.Trained(networks.Little(D, num_classes), method)
    return train_state.split(modules)


@functools.partial(jax.jit, static_argnames="graph", compiler_options=networks.QUICKLY)
def descent(graph, params, batch_stats, data):
    """The gradient and metrics of a batch."""

    def objective(params):
        modules = train_state.merge(graph, params, batch_stats)
        return base.loss(modules, data, key=jax.random.key(0), step=jnp.asarray(0))

    return jax.grad(objective, has_aux=True)(params)


def test_confusion_is_lowest_and_at_rest_where_all_actions_are_as_likely():
    graph, params, stats = parts_of(200, confusion_weight=1.0)
    params["model"]["head"]["kernel"] *= 0
    gradient, metrics = descent(graph, params, stats, {"masked": masked_clips()})
    # a sum of 200 numbers of 24 bits
    assert float(metrics["loss/confusion"]) == pytest.approx(-5.298317, rel=2e-6)
    assert float(metrics["loss"]) == float(metrics["loss/confusion"])
    np.testing.assert_allclose(flat(gradient), 0, atol=1e-7)


def test_updates_on_masked_clips_raise_their_entropy_and_leave_the_scene_head():
    graph, params, stats = parts_of(**WHOLE)
    entropies = []
    for _ in range(8):
        gradient, metrics = descent(graph, params, stats, {"masked": masked_clips()})
        assert not flat(gradient["method"]).any()
        entropies.append(-float(metrics["loss/confusion"]) / 0.7)
        params = jax.tree.map(lambda p, g: p - 0.1 * g, params, gradient)
    assert (np.diff(entropies) > 0).all()
    assert entropies[-1] > entropies[0] + 0.1
    assert entropies[-1] < np.log(K)


def test_labels_of_masked_clips_move_nothing():
    data, other = ({"masked": masked_clips()} for _ in "ab")
    other["masked"]["label"] = (other["masked"]["label"] + 1) % K
    parts = parts_of(**WHOLE)
    (one, first), (two, second) = (descent(*parts, each) for each in (data, other))
    np.testing.assert_array_equal(flat(one), flat(two))
    assert first["loss"] == second["loss"]


def test_joint_update_is_the_sum_of_the_two_alternating_ones():
    parts = parts_of(**WHOLE)
    whole, masked = batch(), {"masked": masked_clips()}
    (first, _), (second, alone), (both, metrics) = (
        descent(*parts, data) for data in (whole, masked, whole | masked)
    )
    summed = jax.tree.map(lambda a, b: a + b, first, second)
    np.testing.assert_allclose(flat(both), flat(summed), atol=1e-6)
    assert float(metrics["loss/confusion"]) == pytest.approx(float(alone["loss"]))
    parts = ("loss/action", "loss/scene", "loss/confusion")
    total = sum(float(metrics[name]) for name in parts)
    assert float(metrics["loss"]) == pytest.approx(total, rel=1e-6)
    assert metrics["accuracy/masked"] == alone["accuracy/action"]


@pytest.mark.parametrize(
    ("chosen", "settings", "named"),
    [
        ((), {}, r"needs method\.aspects=\('scene',\)"),
        ([TAGS], {}, "with soft labels"),
        ([SCENE, OBJECT], {}, "object"),
        ([SCENE], {"reversal": -1.0}, "reversal .* at least 0"),
        ([SCENE], {"confusion_weight": -1.0}, "confusion_weight .* at least 0"),
    ],
)
def test_what_sdn_cannot_work_with_is_refused(chosen, settings, named):
    with pytest.raises(errors.ConfigError, match=named):
        method_of(chosen, **settings)
