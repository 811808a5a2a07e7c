import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smad_jax import errors
from smad_jax.methods import base, frame_shuffle, sava
from smad_jax.training import train_state
from tests.helpers import debiasing, networks

B, TARGETS, M, T, H, W, K, D = 6, 4, 3, 2, 5, 7, 9, 8
STEPS = 10  # of the run
ALL = {
    "num_clips": M,
    "weight": 0.7,
    "hidden": (5,),
    "order_weight": 1.0,
    "attention_weight": 0.1,
}
# the two domains do not touch
APART = {"num_clips": M, "weight": 0.0, "attention_weight": 0.1, "passes": "separate"}


def batch(num_clips=M, identical=False):
    rng = np.random.default_rng(0)
    video = rng.integers(0, 256, (B + TARGETS, num_clips, T, H, W, 3), dtype=np.uint8)
    if identical:
        video[:] = video[:, :1]
    video = video.reshape(len(video), num_clips * T, H, W, 3)
    label = rng.integers(0, K, B).astype(np.int32)
    return {
        "train": {"video": video[:B], "label": label},
        "target": {"video": video[B:]},
    }


def build(name="sava", **settings):
    method = debiasing.build(name, D, total_steps=STEPS, **settings)
    return train_state.split(base.Trained(networks.Little(D, K, T), method))


@functools.partial(jax.jit, static_argnames="graph", compiler_options=networks.QUICKLY)
def compiled(graph, params, batch_stats, data, step):
    def objective(params):
        modules = train_state.merge(graph, params, batch_stats)
        return base.loss(modules, data, key=jax.random.key(0), step=step)

    return jax.grad(objective, has_aux=True)(params)


def gradients(parts, data, step=STEPS):
    return compiled(*parts, data, jnp.asarray(step))


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


@pytest.mark.parametrize("num_clips", [2, 3, 4])
def test_every_order_is_a_permutation_of_its_own_and_can_be_undone(num_clips):
    orders = frame_shuffle.all_orders(num_clips)
    assert len({tuple(order) for order in orders}) == math.factorial(num_clips)
    assert orders[0].tolist() == list(range(num_clips))
    clips = jnp.arange(len(orders) * num_clips * 5.0).reshape(-1, num_clips, 5)
    moved = frame_shuffle.reorder(clips, jnp.arange(len(orders)))
    back = jnp.take_along_axis(moved, np.argsort(orders)[..., None], axis=1)
    np.testing.assert_array_equal(back, clips)
    np.testing.assert_array_equal(moved[1, 0], clips[1, orders[1, 0]])


def test_head_that_knows_no_order_costs_log_6():
    graph, params, stats = build(**ALL)
    params["method"]["order_head"]["fc"]["kernel"] *= 0
    _, metrics = gradients((graph, params, stats), batch())
    assert float(metrics["loss/order"]) == pytest.approx(1.791759, rel=1e-6)
    assert 0 <= float(metrics["accuracy/order"]) <= 1


@functools.partial(jax.jit, static_argnums=1, compiler_options=networks.QUICKLY)
def attended(features, graph, params, stats):
    """[B, D] of videos, by the attention."""
    return train_state.merge(graph, params, stats).method._videos(features)


def test_attention_starts_as_the_mean_and_always_sums_to_one():
    features = jax.random.normal(jax.random.key(0), (B, M, D))
    graph, params, stats = build(**ALL)
    np.testing.assert_allclose(
        attended(features, graph, params, stats), features.mean(axis=1), atol=1e-6
    )
    kernel = params["method"]["attention"]["fc"]["kernel"]
    params["method"]["attention"]["fc"]["kernel"] = kernel + 5 * jax.random.normal(
        jax.random.key(1), kernel.shape
    )
    moved = attended(features, graph, params, stats)
    assert np.abs(moved - features.mean(axis=1)).max() > 0.05
    same = jnp.broadcast_to(features[:, :1], features.shape)
    np.testing.assert_allclose(
        attended(same, graph, params, stats), features[:, 0], atol=1e-5
    )


def test_one_clip_a_video_is_dann():
    given = {"hidden": (5,), "weight": 0.7}
    found, metrics = gradients(build(**given), batch(num_clips=1))
    expected, plain = gradients(build("dann", **given), batch(num_clips=1))
    np.testing.assert_array_equal(flat(found), flat(expected))
    assert metrics == plain


def test_action_is_learned_from_every_clip_of_the_source_alone():
    data, other = batch(), batch()
    parts = build(**APART)
    clips = data["train"]["video"].reshape(B * M, T, H, W, 3)
    logits = jax.jit(
        lambda graph, *arrays: (
            train_state.merge(graph, *arrays).model(clips, train=True).logits
        ),
        static_argnums=0,
    )(*parts)
    label = np.repeat(data["train"]["label"], M)
    expected = -jax.nn.log_softmax(logits)[np.arange(B * M), label].mean()
    gradient, metrics = gradients(parts, data)
    assert float(metrics["loss/action"]) == pytest.approx(float(expected), rel=1e-5)
    other["target"]["video"] = 255 - other["target"]["video"]
    again, _ = gradients(parts, other)
    np.testing.assert_array_equal(flat(gradient["model"]), flat(again["model"]))


def test_attention_learns_alone_and_after_three_tenths_of_the_training():
    parts = build(**APART)
    early, before = gradients(parts, batch(), step=2)
    late, metrics = gradients(parts, batch(), step=3)
    assert float(before["loss/attention"]) == 0
    assert float(metrics["loss/attention"]) > 0
    assert not flat(early["method"]).any()
    assert flat(late["method"]["attention"]).any()
    np.testing.assert_array_equal(flat(early["model"]), flat(late["model"]))


def test_clips_weigh_by_how_sure_the_network_is_of_them():
    source = np.array([[[0.2, 0.8], [0.6, 0.4]], [[0.5, 0.5], [0.5, 0.5]]])
    # sure on average, and not quite: 0.85 and 0.8
    target = np.array(
        [[[0.9, 0.1], [0.2, 0.8]], [[0.9, 0.1], [0.3, 0.7]], [[0.6, 0.4], [0.9, 0.1]]]
    )
    label = jnp.array([0, 1])
    weights, sure = sava.attention_targets(jnp.log(source), jnp.log(target), label)
    np.testing.assert_allclose(weights[0], [0.25, 0.75], rtol=1e-5)
    np.testing.assert_allclose(weights[1], [0.5, 0.5], rtol=1e-5)
    np.testing.assert_allclose(weights[2], [9 / 17, 8 / 17], rtol=1e-5)
    assert sure[jnp.array([0, 1, 2, 4])].tolist() == [True, True, True, False]


def test_terms_add_up():
    _, metrics = gradients(build(**ALL), batch())
    total = sum(v for name, v in metrics.items() if name.startswith("loss/"))
    assert float(metrics["loss"]) == pytest.approx(float(total), rel=1e-6)
    assert {"loss/action", "loss/domain", "loss/order"} < set(metrics)


def test_frames_that_do_not_make_clips_are_refused():
    with pytest.raises(errors.ConfigError, match=r"3 clips a video, but .* 4 frames"):
        gradients(build(**ALL), batch(num_clips=2))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"num_clips": 0}, "num_clips .* at least 1 and at most 5"),
        ({"num_clips": 6}, "num_clips .* at least 1 and at most 5"),
        ({"order_weight": 1.0}, "order_weight .* num_clips"),
        ({"attention_weight": 1.0}, "attention_weight .* num_clips"),
        ({"steps": 3}, "'steps'"),
    ],
)
def test_setting_that_does_not_exist_is_refused(settings, named):
    with pytest.raises(errors.ConfigError, match=named):
        build(**settings)
