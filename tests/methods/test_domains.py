import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from smad_jax import errors
from smad_jax.methods import base, domains
from smad_jax.training import schedules, train_state
from tests.helpers import debiasing, networks

B, TARGETS, T, H, W, K, D = 6, 4, 3, 5, 2, 9, 7


def batch(seed=0):
    rng = np.random.default_rng(seed)
    pixels = {
        name: rng.integers(0, 256, (size, T, H, W, 3), dtype=np.uint8)
        for name, size in (("train", B), ("target", TARGETS))
    }
    label = rng.integers(0, K, B).astype(np.int32)
    source = {"video": pixels["train"], "label": label}
    return {"train": source, "target": {"video": pixels["target"]}}


def build(name, ramp=schedules.constant_strength, **settings):
    method = debiasing.build(name, D, ramp=ramp, **settings)
    return train_state.split(base.Trained(networks.Little(D, K), method))


def gradients(parts, data, step=0):
    graph, params, batch_stats = parts

    def objective(params):
        modules = train_state.merge(graph, params, batch_stats)
        return base.loss(modules, data, key=jax.random.key(0), step=jnp.asarray(step))

    gradient = jax.grad(objective, has_aux=True)
    return jax.jit(gradient, compiler_options=networks.QUICKLY)(params)


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


@pytest.mark.parametrize(("source", "target"), [(6, 4), (4, 6), (3, 3), (5, 2)])
def test_interleaved_videos_come_apart_again(source, target):
    first = jnp.arange(source * 2.0).reshape(source, 2)
    second = 100 + jnp.arange(target * 2.0).reshape(target, 2)
    mixed = domains.interleave(first, second)
    assert mixed.shape == (source + target, 2)
    apart = domains.deinterleave(mixed, source)
    np.testing.assert_array_equal(apart[0], first)
    np.testing.assert_array_equal(apart[1], second)


def test_every_ghost_group_holds_its_part_of_either_domain():
    source, target = jnp.zeros(8), jnp.ones(4)
    for group in domains.interleave(source, target).reshape(4, 3):
        assert group.tolist() == [0, 0, 1]
    pairs = domains.interleave(source, jnp.ones(8)).reshape(4, 4)
    np.testing.assert_array_equal(pairs.sum(axis=1), 2)


def test_domains_share_batch_statistics_only_in_one_pass():
    data, other = batch(), batch()
    other["target"]["video"] = 255 - other["target"]["video"]
    for passes, moves in (("joint", True), ("separate", False)):
        found = [
            gradients(build("mmd", weight=0.0, passes=passes), each)[1]["loss/action"]
            for each in (data, other)
        ]
        assert (float(found[0]) != float(found[1])) is moves


def test_action_is_learned_from_the_source_alone():
    parts = build("mmd", weight=0.0, passes="separate")
    baseline, plain = gradients(build("baseline"), batch())
    gradient, metrics = gradients(parts, batch())
    np.testing.assert_allclose(
        flat(gradient["model"]), flat(baseline["model"]), atol=1e-6
    )
    assert float(metrics["loss"]) == pytest.approx(float(plain["loss"]), rel=1e-6)


def test_discriminator_that_knows_nothing_costs_log_two():
    graph, params, stats = build("dann", hidden=(D,))
    params["method"]["discriminator"]["fc"]["kernel"] *= 0
    _, metrics = gradients((graph, params, stats), batch())
    assert float(metrics["loss/domain"]) == pytest.approx(np.log(2), rel=1e-6)
    assert float(metrics["accuracy/domain"]) == 0.5  # ties are called target


def test_each_domain_counts_half_however_many_videos_it_has():
    graph, params, stats = build("dann", weight=2.0)
    params["method"]["discriminator"]["fc"]["kernel"] *= 0
    params["method"]["discriminator"]["fc"]["bias"] += np.log(3).astype(np.float32)
    _, metrics = gradients((graph, params, stats), batch())
    # sigmoid(log 3) = 3/4 for all: source pays -log(3/4), target -log(1/4)
    expected = 2.0 * (np.log(4 / 3) + np.log(4)) / 2
    assert float(metrics["loss/domain"]) == pytest.approx(expected, rel=1e-6)


def test_ramp_starts_with_the_backbone_of_the_baseline():
    parts = build("dann", schedules.dann_ramp(10), hidden=(D,), passes="separate")
    start, _ = gradients(parts, batch(), step=0)
    end, _ = gradients(parts, batch(), step=10)
    action, _ = gradients(build("baseline"), batch())
    np.testing.assert_allclose(flat(start["model"]), flat(action["model"]), atol=1e-6)
    assert np.abs(flat(end["model"]) - flat(action["model"])).max() > 1e-4
    np.testing.assert_allclose(flat(start["method"]), flat(end["method"]), atol=1e-7)


def test_backbone_ascends_what_the_discriminator_descends():
    graph, params, stats = build("dann")

    def domain_loss(params):
        """The discriminator's loss, without any reversal."""
        modules = train_state.merge(graph, params, stats)
        outputs = modules.method.outputs(modules.model, batch(), jax.random.key(0))
        head = params["method"]["discriminator"]["fc"]
        source, target = (
            (output.features @ head["kernel"] + head["bias"])[:, 0]
            for output in outputs
        )
        values = jax.nn.softplus(-source).mean(), jax.nn.softplus(target).mean()
        return sum(values) / 2

    plain = jax.jit(jax.grad(domain_loss))(params)
    action, _ = gradients(build("dann", weight=0.0), batch())
    adversarial, _ = gradients((graph, params, stats), batch())
    added = flat(adversarial["model"]) - flat(action["model"])
    assert np.abs(added).max() > 1e-4
    np.testing.assert_allclose(added, -flat(plain["model"]), atol=1e-6)
    np.testing.assert_allclose(
        flat(adversarial["method"]), flat(plain["method"]), atol=1e-6
    )


class Shift(nnx.Module):
    """A linear backbone and an action head on points of the plane."""

    def __init__(self):
        self.kernel = nnx.Param(jnp.eye(2))
        self.head = nnx.Param(jnp.array([[-1.0, 1.0], [0.0, 0.0]]))


def test_adversary_hides_a_shift_and_keeps_what_separates_the_classes():
    rng = np.random.default_rng(0)
    label = np.arange(64) % 2
    points = rng.normal(size=(2, 64, 2)) * 0.3
    points[..., 0] += 2.0 * label - 1  # the class, in both domains
    points[1, :, 1] += 2.0  # the domain
    points = jnp.asarray(points, jnp.float32)
    method = debiasing.build("dann", 2, weight=1.0)
    graph, params, stats = train_state.split(nnx.Dict(model=Shift(), method=method))

    def objective(params):
        modules = train_state.merge(graph, params, stats)
        source, target = points @ modules["model"].kernel[...]
        logits = source @ modules["model"].head[...]
        action = -jax.nn.log_softmax(logits)[jnp.arange(64), label].mean()
        domain, accuracy = modules["method"].domain_loss(source, target, jnp.ones(()))
        right = (logits.argmax(-1) == label).mean()
        shift = jnp.abs(source.mean(0) - target.mean(0)) / source.std(0)
        return action + domain, (accuracy, right, shift.max())

    def descend(params, _):
        gradient, watched = jax.grad(objective, has_aux=True)(params)
        # with decay, or the two go around each other for ever
        return jax.tree.map(
            lambda p, g: p - 0.2 * (g + 0.1 * p), params, gradient
        ), watched

    accuracy, right, shift = jax.jit(
        lambda params: jax.lax.scan(descend, params, length=600)[1]
    )(params)
    assert accuracy.max() > 0.95  # at first it separates them
    assert shift[0] > 5
    assert accuracy[-100:].mean() < 0.6
    assert shift[-1] < 1
    assert right[-1] > 0.95


def test_linear_kernel_pulls_the_means_together():
    graph, params, stats = build("mmd", weight=3.0, kernel="linear")
    _, metrics = gradients((graph, params, stats), batch())
    modules = train_state.merge(graph, params, stats)
    data = batch()
    source, target = modules.method.outputs(modules.model, data, jax.random.key(0))
    distance = source.features.mean(axis=0) - target.features.mean(axis=0)
    expected = 3.0 * float((distance**2).sum())
    assert float(metrics["loss/mmd"]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "settings", "named"),
    [
        ("dann", {"passes": "both"}, r"\.passes .*joint, separate"),
        ("mmd", {"passes": "both"}, r"\.passes .*joint, separate"),
        ("mmd", {"kernel": "cubic"}, r"\.kernel .*rbf, linear"),
        ("mmd", {"bandwidth": -1.0}, "bandwidth .* at least 0"),
        (
            "mmd",
            {"kernel": "linear", "bandwidth": 1.0},
            "bandwidth must be 0 with a linear",
        ),
    ],
)
def test_setting_that_does_not_exist_is_refused(name, settings, named):
    with pytest.raises(errors.ConfigError, match=named):
        build(name, **settings)
