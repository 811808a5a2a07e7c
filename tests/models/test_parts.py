"""A step in parts is the step of the whole batch, for every method."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from smad_jax import errors, methods
from smad_jax.base import aspect_table
from smad_jax.methods import base
from smad_jax.models import layers, parts, recognizer, resnet
from smad_jax.training import optimizer, stepping, train_state
from tests.helpers import debiasing, networks
from tests.methods import test_every_method as every

B, T, H, W, K, Z = 8, 4, 8, 10, every.K, every.Z
GROUP = 2


def pixels(seed):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (B, T, H, W, 3), np.uint8)


def batch_of(method):
    rng = np.random.default_rng(0)
    label = rng.integers(0, K, B).astype(np.int32)
    train = {"video": pixels(1), "label": label, "aspects": {}, "aspect_mask": {}}
    if method.uses_aspects:
        train["aspects"]["scene"] = rng.dirichlet(np.ones(Z), B)
        # the parts have labels for different numbers of videos
        train["aspect_mask"]["scene"] = np.arange(B) < 3
    batch = {"train": train}
    if base.UNLABELLED in method.streams:
        batch[base.UNLABELLED] = {"video": pixels(2)}
    if method.uses_masked:
        batch[base.MASKED] = {"video": pixels(3), "label": label}
    return batch


def make(name, count, statistics="mean", settings=None):
    method = methods.METHODS[name]
    scene = [aspect_table.Aspect("scene", "soft", Z, "test")]
    factory = layers.Factory(nnx.Rngs(0), "kaiming", GROUP, statistics, "float64")
    model = recognizer.Recognizer(
        resnet.ResNet(every.NETWORKS["slowonly"], factory),
        *(K, factory),
        saar_width=2,
        dropout=0.5,
        num_parts=count,
    )
    chosen = every.SETTINGS.get(name, {}) | (settings or {})
    aspects = scene if method.uses_aspects else ()
    built = debiasing.build(
        name, model.backbone.width, aspects, total_steps=2, **chosen
    )
    return base.Trained(model, built)


def after_steps(name, count, steps=1, **given):
    """The state after steps of a large rate, and all metrics."""
    graph, *arrays = networks.drawn(lambda: make(name, count, **given))
    direction = optimizer.build("sgd", momentum=0.9)
    state = train_state.TrainState(jnp.asarray(0), *arrays, direction.init(arrays[0]))
    take = stepping.make_train_step(graph, base.loss, direction, lambda step: 0.1)
    batch, key = batch_of(methods.METHODS[name]), jax.random.key(0)
    take = take.lower(state, batch, key, 1).compile(networks.QUICKLY)
    logged = []
    for _ in range(steps):
        state, metrics = take(state, batch, key, 1)
        logged.append(metrics)
    assert not any(float(metrics["non_finite"]) for metrics in logged)
    return state, logged


def assert_same(one, other):
    pairs = zip(jax.tree.leaves_with_path(one), jax.tree.leaves(other), strict=True)
    for (path, a), b in pairs:
        # SAAR's bias has no gradient but rounding, of 1e-17
        scale = 1e-13 + 1e-10 * np.abs(a).max()
        np.testing.assert_allclose(
            b, a, rtol=1e-10, atol=scale, err_msg=jax.tree_util.keystr(path)
        )


@pytest.mark.parametrize("name", ["baseline", "smad"])
def test_steps_in_parts_are_those_of_the_whole_batch(name):
    with jax.enable_x64(True):
        whole = after_steps(name, 1, steps=3)
        for count in (2, 4):
            assert_same(whole, after_steps(name, count, steps=3))


# Pairs of videos, partners in the batch, and masked means; the others by hand, for
# compiling all of them takes minutes.
OFTEN = ("mmd", "fame", "frame_shuffle")
OTHERS = [
    pytest.param(name, marks=[] if name in OFTEN else [pytest.mark.by_hand])
    for name in methods.METHODS
    if name not in ("baseline", "smad")
]


@pytest.mark.parametrize("name", OTHERS)
def test_step_of_every_method_is_exact_in_parts(name):
    with jax.enable_x64(True):
        assert_same(after_steps(name, 1), after_steps(name, 2))


@pytest.mark.by_hand
@pytest.mark.parametrize("name", ["dann", "mmd", "sava"])
def test_domains_that_pass_separately_are_exact_in_parts(name):
    given = {"settings": {"passes": "separate"}}
    with jax.enable_x64(True):
        assert_same(after_steps(name, 1, **given), after_steps(name, 2, **given))


def test_statistics_of_the_first_group_are_exact_in_parts():
    with jax.enable_x64(True):
        first = [after_steps("baseline", n, statistics="first")[0] for n in (1, 2)]
        assert_same(*first)
        mean = after_steps("baseline", 1)[0].batch_stats
        a, b = (jax.tree.leaves(s)[0] for s in (mean, first[0].batch_stats))
        assert not np.allclose(a, b)


def test_memory_of_a_step_falls_with_the_number_of_parts():
    def needed(count):
        graph, *arrays = networks.drawn(lambda: make("baseline", count))
        direction = optimizer.build("sgd")
        zero, kept = jnp.asarray(0), direction.init(arrays[0])
        state = train_state.TrainState(zero, *arrays, kept)
        take = stepping.make_train_step(graph, base.loss, direction, lambda step: 0.1)
        batch = {
            "video": jax.ShapeDtypeStruct((16, T, 32, 32, 3), np.uint8),
            "label": jax.ShapeDtypeStruct((16,), np.int32),
        }
        lowered = take.lower(state, {"train": batch}, jax.random.key(0), 1)
        compiled = lowered.compile(networks.QUICKLY)
        return compiled.memory_analysis().temp_size_in_bytes

    with jax.enable_x64(True):
        whole = needed(1)
        assert needed(2) < 0.6 * whole
        assert needed(8) < 0.2 * whole


@pytest.mark.parametrize(("size", "rows"), [(0, 8), (3, 8), (2, 6), (8, 8)])
def test_parts_that_are_no_whole_groups_are_refused(size, rows):
    with pytest.raises(errors.ConfigError, match=rf"accumulate=2 .* but {rows} pass"):
        parts.InParts(2, size)(lambda model, x: x, layers.Linear, jnp.ones((rows, 3)))
