import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smad_jax import errors
from smad_jax.methods import base, frame_shuffle
from smad_jax.training import train_state
from tests.helpers import debiasing, networks

B, T, H, W, C, K, D = 6, 8, 5, 2, 3, 9, 7
FRAMES = np.arange(B * T).reshape(B, T)


def numbered_video():
    """Every pixel of a frame is the frame's number over the whole batch."""
    number = FRAMES.astype(np.uint8)[..., None, None, None]
    return jnp.asarray(np.broadcast_to(number, (B, T, H, W, C)))


def numbers(video):
    """[B, T], having checked that frames are whole."""
    found = np.asarray(video)
    assert found.shape == (B, T, H, W, C)
    assert (found == found[:, :, :1, :1, :1]).all()
    return found[:, :, 0, 0, 0]


def batch(num_frames=T):
    rng = np.random.default_rng(0)
    video = rng.integers(0, 256, (B, num_frames, H, W, C), dtype=np.uint8)
    return {"train": {"video": video, "label": np.arange(B) % K}}


def build(name="frame_shuffle", num_frames=T, **settings):
    method = debiasing.build(name, D, **settings)
    return train_state.split(base.Trained(networks.Little(D, K, num_frames), method))


def gradient_function(parts, data, seed=0):
    """Gradient and metrics as a compiled function of the parameters."""
    graph, _, batch_stats = parts

    def objective(params):
        modules = train_state.merge(graph, params, batch_stats)
        return base.loss(modules, data, key=jax.random.key(seed), step=jnp.asarray(0))

    gradient = jax.grad(objective, has_aux=True)
    return jax.jit(gradient, compiler_options=networks.QUICKLY)


def gradients(parts, data, seed=0):
    return gradient_function(parts, data, seed)(parts[1])


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def test_orders_are_all_permutations_of_four_and_the_first_is_none():
    assert len({tuple(order) for order in frame_shuffle.ORDERS}) == 24
    assert (np.sort(frame_shuffle.ORDERS, axis=1) == np.arange(4)).all()
    assert frame_shuffle.ORDERS[0].tolist() == [0, 1, 2, 3]


def test_segments_move_whole_and_within_their_clip():
    order = jnp.array([0, 23, 1, 6, 0, 5])
    found = numbers(frame_shuffle.reorder_segments(numbered_video(), order))
    np.testing.assert_array_equal(found[[0, 4]], FRAMES[[0, 4]])
    # the last of all orders is 3, 2, 1, 0; the second 0, 1, 3, 2
    np.testing.assert_array_equal(found[1] - FRAMES[1, 0], [6, 7, 4, 5, 2, 3, 0, 1])
    np.testing.assert_array_equal(found[2] - FRAMES[2, 0], [0, 1, 2, 3, 6, 7, 4, 5])
    np.testing.assert_array_equal(np.sort(found, axis=1), FRAMES)


@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
def test_orders_are_drawn_with_their_probability_and_equally_often(probability):
    orders = np.asarray(
        frame_shuffle.draw_orders(24_000, jax.random.key(0), probability)
    )
    shares = np.bincount(orders, minlength=24) / len(orders)
    assert shares[0] == pytest.approx(1 - probability, abs=0.02)
    np.testing.assert_allclose(shares[1:], probability / 23, atol=0.006)


@pytest.mark.parametrize(("probability", "moved"), [(0.0, 0), (1.0, B)])
def test_shuffled_frames_are_the_frames_of_the_clip(probability, moved):
    video = frame_shuffle.shuffle_frames(
        numbered_video(), jax.random.key(3), probability
    )
    found = numbers(video)
    np.testing.assert_array_equal(np.sort(found, axis=1), FRAMES)
    assert (found != FRAMES).any(axis=1).sum() == moved
    offsets = found - FRAMES[:, :1]
    assert len({tuple(clip) for clip in offsets}) == (moved or 1)


@pytest.mark.parametrize(
    "settings", [{"mode": "augment"}, {"mode": "confuse", "weight": 1.0}, {}]
)
def test_without_shuffling_and_order_loss_the_step_is_the_baselines(settings):
    gradient, metrics = gradients(build(probability=0.0, **settings), batch())
    expected, plain = gradients(build("baseline"), batch())
    np.testing.assert_allclose(
        flat(gradient["model"]), flat(expected["model"]), atol=1e-6
    )
    assert float(metrics["loss"]) == pytest.approx(float(plain["loss"]), rel=1e-6)


def test_order_of_clips_that_are_never_shuffled_is_still_predicted():
    parts = build(probability=0.0, weight=0.5)
    _, metrics = gradients(parts, batch())
    _, plain = gradients(build("baseline"), batch())
    assert float(metrics["loss/action"]) == pytest.approx(
        float(plain["loss"]), rel=1e-6
    )
    assert float(metrics["loss/order"]) > 0


def test_head_that_knows_nothing_costs_log_24():
    graph, params, stats = build(probability=0.5, weight=0.5)
    params["method"]["head"]["fc"]["kernel"] *= 0
    _, metrics = gradients((graph, params, stats), batch())
    assert float(metrics["loss/order"]) == pytest.approx(0.5 * 3.178054, rel=1e-6)
    total = float(metrics["loss/action"] + metrics["loss/order"])
    assert float(metrics["loss"]) == pytest.approx(total, rel=1e-6)


@pytest.mark.parametrize("mode", ["order", "confuse"])
def test_the_action_is_not_learned_from_shuffled_clips(mode):
    gradient, metrics = gradients(build(mode=mode, probability=1.0), batch())
    assert float(metrics["loss/action"]) == 0
    assert np.abs(flat(gradient["model"])).max() == 0
    gradient, metrics = gradients(build(mode="augment", probability=1.0), batch())
    assert float(metrics["loss/action"]) > 0
    assert np.abs(flat(gradient["model"])).max() > 0


def test_confusion_raises_the_entropy_on_shuffled_clips():
    parts = build(mode="confuse", probability=1.0, weight=1.0)
    descend, params = gradient_function(parts, batch()), parts[1]
    lowest = -np.log(K)
    for _ in range(60):
        gradient, metrics = descend(params)
        assert float(metrics["loss/confusion"]) >= lowest - 1e-5
        params = jax.tree.map(lambda p, g: p - 0.5 * g, params, gradient)
    assert float(metrics["loss/confusion"]) == pytest.approx(lowest, abs=0.02)


def test_clips_that_do_not_make_segments_are_refused():
    with pytest.raises(
        errors.ConfigError, match=r"multiple of 4 frames .* they have 3"
    ):
        gradients(build(num_frames=3, probability=0.5), batch(num_frames=3))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"mode": "reverse"}, r"\.mode .*order, augment, confuse"),
        ({"probability": 1.5}, r"\.probability .* 1\.5"),
        ({"mode": "augment", "weight": 1.0}, "weight must be 0"),
    ],
)
def test_setting_that_does_not_exist_is_refused(settings, named):
    with pytest.raises(errors.ConfigError, match=named):
        build(**settings)
