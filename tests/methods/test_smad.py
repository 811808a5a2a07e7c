import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from smad_jax import errors, methods, models
from smad_jax.base import aspect_table
from smad_jax.methods import base
from smad_jax.training import schedules, train_state
from tests.helpers import debiasing

B, T, H, W, K = 6, 4, 10, 12, 3
SCENE = aspect_table.Aspect("scene", "soft", 5, "test")
OBJECT = aspect_table.Aspect("object", "soft", 7, "test")
EVENT = aspect_table.Aspect("event", "tags", 4, "test")


def batch(seed=0, **masks):
    rng = np.random.default_rng(seed)
    tags = rng.integers(0, 2, (B, EVENT.num_labels)).astype(np.float32)
    labels = {
        "scene": rng.dirichlet(np.ones(SCENE.num_labels), B).astype(np.float32),
        "object": rng.dirichlet(np.ones(OBJECT.num_labels), B).astype(np.float32),
        "event": tags,
    }
    full = {name: np.ones(B, bool) for name in labels}
    return {
        "train": {
            "video": rng.integers(0, 256, (B, T, H, W, 3), dtype=np.uint8),
            "label": rng.integers(0, K, B).astype(np.int32),
            "aspects": labels,
            "aspect_mask": full | masks,
        }
    }


def build(*chosen, ramp=schedules.constant_strength, **settings):
    model = models.build_model("slowonly_tiny", K, rngs=nnx.Rngs(0))
    method = debiasing.build(
        "smad", model.backbone.width, chosen, ramp=ramp, **settings
    )
    return train_state.split(base.Trained(model, method))


def gradients(parts, data, step=0):
    graph, params, batch_stats = parts

    def objective(params):
        modules = train_state.merge(graph, params, batch_stats)
        return base.loss(modules, data, key=jax.random.key(0), step=jnp.asarray(step))

    return jax.jit(jax.grad(objective, has_aux=True))(params)


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


SOFT = {"soft_ce_weight": 0.5, "kl_weight": 0.5}


def test_loss_is_the_action_and_the_weighted_terms():
    parts = build(SCENE, EVENT, soft_ce_weight=0.5, kl_weight=0.25, tags_weight=5.0)
    _, metrics = gradients(parts, batch())
    total = sum(metrics[f"loss/{name}"] for name in ("action", "scene", "event"))
    assert float(metrics["loss"]) == pytest.approx(float(total), rel=1e-6)


def test_every_weight_is_divided_by_the_number_of_aspects():
    _, one = gradients(build(SCENE, **SOFT), batch())
    _, two = gradients(build(SCENE, OBJECT, **SOFT), batch())
    _, each = gradients(build(SCENE, OBJECT, **SOFT, weights="each"), batch())
    assert float(two["loss/scene"]) == pytest.approx(float(one["loss/scene"]) / 2)
    assert float(each["loss/scene"]) == pytest.approx(float(one["loss/scene"]))


def test_backbone_ascends_what_the_heads_descend():
    data, parts = batch(), build(SCENE, soft_ce_weight=0.5)
    graph, params, batch_stats = parts
    stream = data["train"]

    def scene_loss(params):
        """The weighted loss of the head, without any reversal."""
        modules = train_state.merge(graph, params, batch_stats)
        features = modules.model(stream["video"], train=True).features
        head = params["method"]["heads"]["scene"]["fc"]
        log_probabilities = jax.nn.log_softmax(features @ head["kernel"] + head["bias"])
        return -0.5 * (stream["aspects"]["scene"] * log_probabilities).sum(1).mean()

    plain = jax.jit(jax.grad(scene_loss))(params)
    adversarial, _ = gradients(parts, data)
    action, _ = gradients(build(SCENE), data)  # weight 0
    added = flat(adversarial["model"]) - flat(action["model"])
    assert np.abs(added).max() > 1e-4
    np.testing.assert_allclose(added, -flat(plain["model"]), atol=1e-5)
    np.testing.assert_allclose(
        flat(adversarial["method"]), flat(plain["method"]), atol=1e-6
    )


def test_ramp_weakens_the_backbones_side_only():
    data = batch()
    ramp = schedules.dann_ramp(10)
    start, _ = gradients(build(SCENE, **SOFT, ramp=ramp), data, step=0)
    end, _ = gradients(build(SCENE, **SOFT, ramp=ramp), data, step=10)
    action, _ = gradients(build(SCENE), data)
    np.testing.assert_allclose(flat(start["model"]), flat(action["model"]), atol=1e-6)
    np.testing.assert_allclose(flat(start["method"]), flat(end["method"]), atol=1e-6)


def test_soft_cross_entropy_and_kl_pull_alike():
    data = batch()
    soft, _ = gradients(build(SCENE, soft_ce_weight=1.0), data)
    kl, _ = gradients(build(SCENE, kl_weight=1.0), data)
    np.testing.assert_allclose(flat(soft), flat(kl), atol=1e-5)


def test_mean_reduction_divides_kl_by_the_number_of_labels():
    _, summed = gradients(build(SCENE, kl_weight=1.0), batch())
    _, mean = gradients(build(SCENE, kl_weight=1.0, kl_reduction="mean"), batch())
    expected = float(summed["loss/scene"]) / SCENE.num_labels
    assert float(mean["loss/scene"]) == pytest.approx(expected, rel=1e-6)


def test_videos_without_labels_are_left_out_of_the_mean():
    some = np.array([True, False, True, True, False, True])
    data = batch(event=some)
    other = batch(event=some)
    other["train"]["aspects"]["event"][~some] = (
        1 - data["train"]["aspects"]["event"][~some]
    )
    first, metrics = gradients(build(EVENT, tags_weight=5.0), data)
    second, _ = gradients(build(EVENT, tags_weight=5.0), other)
    np.testing.assert_array_equal(flat(first), flat(second))
    assert float(metrics["loss/event"]) > 0


def test_batch_without_any_label_leaves_the_action_alone():
    data = batch(event=np.zeros(B, bool))
    gradient, metrics = gradients(build(EVENT, tags_weight=5.0), data)
    assert float(metrics["loss/event"]) == 0
    assert np.abs(flat(gradient["method"])).max() == 0


@pytest.mark.parametrize(
    ("name", "chosen", "settings", "named"),
    [
        ("smat", [], {}, "'smat'.*baseline, smad, adabn"),
        ("smad", [], {}, "'smad' .*method.aspects"),
        ("smad", [SCENE], {"weights": "dividid"}, "'dividid'.*divided, each"),
        ("smad", [SCENE], {"kl_reduction": "sum"}, "'sum'.*batchmean, mean"),
        ("smad", [SCENE], {"kl": 1.0}, "'kl'.* kl_weight"),
        ("baseline", [], {"kl_weight": 1.0}, "'kl_weight'"),
        ("baseline", [SCENE], {}, "method.aspects=.'scene'"),
    ],
)
def test_method_that_cannot_be_built_is_refused(name, chosen, settings, named):
    with pytest.raises(errors.ConfigError, match=named):
        debiasing.build(name, 8, chosen, **settings)


@pytest.mark.parametrize("name", methods.METHODS)
def test_every_method_combines_views_to_distributions(name):
    method = debiasing.build(
        name, 8, [SCENE] if methods.METHODS[name].uses_aspects else ()
    )
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, K)))
    probabilities = method.predict(logits, jnp.zeros((2, 3, 8)))
    assert probabilities.shape == (2, K)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)


def test_baseline_averages_the_views_after_the_softmax():
    method = debiasing.build("baseline", 8)
    logits = jnp.log(jnp.array([[[0.9, 0.1], [0.2, 0.8]]]))
    probabilities = method.predict(logits, jnp.zeros((1, 2, 8)))
    np.testing.assert_allclose(probabilities, [[0.55, 0.45]], rtol=1e-6)
