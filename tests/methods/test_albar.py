import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from smad_jax import errors
from smad_jax.methods import albar, base
from smad_jax.models import layers, recognizer
from smad_jax.training import schedules, train_state
from tests.helpers import debiasing, networks

B, T, H, W, K, D = 6, 3, 5, 2, 9, 7


class Affine(nnx.Module):
    """Logits of the mean pixel of each frame, normalised, and nothing between."""

    def __init__(self):
        self.head = layers.Linear(3 * T, K, scale=1.0, rngs=nnx.Rngs(0))

    def __call__(self, video, *, train, key=None):
        if video.dtype == jnp.uint8:
            mean, std = (
                jnp.array(v) for v in (recognizer.PIXEL_MEAN, recognizer.PIXEL_STD)
            )
            video = (video - mean) / std
        features = video.mean(axis=(2, 3)).reshape(len(video), -1)
        return recognizer.Output(
            self.head(features), features, features[:, None, None, None], None
        )


def batch(still=False):
    rng = np.random.default_rng(0)
    video = rng.integers(0, 256, (B, T, H, W, 3), dtype=np.uint8)
    video = np.broadcast_to(video[:, :1], video.shape) if still else video
    return {"train": {"video": video, "label": np.arange(B) % K}}


def step(model, data, name="albar", ramp=schedules.constant_strength, **settings):
    """Gradient, metrics and batch statistics."""
    method = debiasing.build(name, D, ramp=ramp, **settings)
    graph, params, batch_stats = train_state.split(base.Trained(model, method))

    def objective(params):
        modules = train_state.merge(graph, params, batch_stats)
        loss, metrics = base.loss(
            modules, data, key=jax.random.key(0), step=jnp.asarray(0)
        )
        return loss, (metrics, train_state.batch_stats_of(modules))

    gradient = jax.grad(objective, has_aux=True)
    found, rest = jax.jit(gradient, compiler_options=networks.QUICKLY)(params)
    return flat(found), rest[0], flat(rest[1])


def flat(tree):
    leaves = [np.ravel(leaf) for leaf in jax.tree.leaves(tree)]
    return np.concatenate(leaves) if leaves else np.zeros(0)


def test_norm_of_the_gradient_is_that_of_an_affine_network():
    _, metrics, _ = step(Affine(), batch(), gradient_weight=10.0)
    kernel = np.asarray(Affine().head.kernel[...])  # [3 T, K]
    # each of H W pixels of a frame has a share of 1 / H W in its mean
    expected = np.sqrt((kernel.sum(axis=1) ** 2).sum() / (H * W))
    assert float(metrics["loss/gradient"]) == pytest.approx(10 * expected, rel=1e-5)


def test_penalty_descends_the_norm_and_nothing_else():
    gradient, _, _ = step(Affine(), batch(), gradient_weight=2.0)
    plain, _, _ = step(Affine(), batch(), "baseline")
    kernel = np.asarray(Affine().head.kernel[...])
    total = kernel.sum(axis=1)
    norm = np.sqrt((total**2).sum() / (H * W))
    expected = np.repeat(2.0 * total / (H * W) / norm, K)  # by every weight
    found = gradient - plain
    bias = slice(0, K)  # comes first in the tree, and has no part in it
    np.testing.assert_allclose(found[bias], 0, atol=1e-5)
    np.testing.assert_allclose(found[K:], expected, atol=1e-5)


def test_action_of_a_still_clip_is_unlearned_as_fast_as_learned():
    gradient, metrics, _ = step(Affine(), batch(still=True), still_weight=1.0)
    np.testing.assert_allclose(gradient, 0, atol=1e-6)
    assert float(metrics["loss"]) == pytest.approx(0, abs=1e-6)
    assert float(metrics["accuracy/still"]) == float(metrics["accuracy/action"])
    moving, _, _ = step(Affine(), batch(), still_weight=1.0)
    assert np.abs(moving).max() > 1e-2


def test_entropy_of_still_clips_is_at_most_log_k_and_rises():
    model = Affine()
    model.head.kernel[...] *= 0
    _, metrics, _ = step(model, batch(), entropy_weight=4.25)
    assert float(metrics["loss/entropy"]) == pytest.approx(-4.25 * np.log(K), rel=1e-6)
    without, _, _ = step(Affine(), batch(), "baseline")
    with_it, before, _ = step(Affine(), batch(), entropy_weight=1.0)
    model = Affine()
    change = 0.05 * (with_it - without)  # of this term alone
    model.head.bias[...] -= change[:K]
    model.head.kernel[...] -= change[K:].reshape(-1, K)
    _, after, _ = step(model, batch(), entropy_weight=1.0)
    assert float(after["loss/entropy"]) < float(before["loss/entropy"]) < 0


def test_still_clips_leave_no_trace_in_running_statistics():
    weights = {"still_weight": 1.0, "entropy_weight": 1.0, "gradient_weight": 1.0}
    found, metrics, statistics = step(networks.Little(D, K), batch(), **weights)
    plain, _, expected = step(networks.Little(D, K), batch(), "baseline")
    np.testing.assert_allclose(statistics, expected, rtol=1e-6)
    assert np.abs(found - plain).max() > 1e-2
    terms = sum(
        metrics[f"loss/{t}"] for t in ("action", "still", "entropy", "gradient")
    )
    assert float(metrics["loss"]) == pytest.approx(float(terms), rel=1e-5)


def test_ramp_multiplies_what_still_clips_add():
    weights = {"still_weight": 1.0, "entropy_weight": 1.0, "gradient_weight": 1.0}
    found, _, _ = step(Affine(), batch(), ramp=lambda step: 0.25, **weights)
    whole, _, _ = step(Affine(), batch(), **weights)
    plain, _, _ = step(Affine(), batch(), "baseline")
    np.testing.assert_allclose(found - plain, 0.25 * (whole - plain), atol=1e-5)


def test_middle_frame_stands_for_all():
    video = jnp.arange(2 * 4).reshape(2, 4, 1, 1, 1)
    found = albar.stand_still(video)[:, :, 0, 0, 0]
    assert found.tolist() == [[2] * 4, [6] * 4]


def test_negative_weight_is_refused():
    with pytest.raises(errors.ConfigError, match=r"still_weight .* -1\.0"):
        step(Affine(), batch(), still_weight=-1.0)
