import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from smad_jax.training import sharding, stepping, train_state


class Line(nnx.Module):
    """y = slope x, and the mean of what it saw."""

    def __init__(self):
        self.slope = nnx.Param(jnp.ones(()))
        self.mean = nnx.BatchStat(jnp.zeros(()))

    def __call__(self, x):
        self.mean[...] = 0.9 * self.mean[...] + 0.1 * jnp.mean(x)
        return self.slope[...] * x


def squared_error(line, batch, *, key, step):
    value = jnp.mean((line(batch["train"]["x"]) - batch["train"]["y"]) ** 2)
    return value, {"loss": value, "loss/error": value}


def start(learning_rate=0.1, loss=squared_error):
    descend = optax.identity()
    graph, state = train_state.create(Line, descend)
    return state, stepping.make_train_step(
        graph, loss, descend, lambda step: learning_rate
    )


def batch(x, y):
    return {"train": {"x": jnp.asarray(x), "y": jnp.asarray(y)}}


def test_step_descends_updates_statistics_and_counts():
    state, take = start()
    state, metrics = take(state, batch([1.0, 3.0], [0.0, 0.0]), jax.random.key(0))
    # d/ds mean((s x)^2) = 2 s mean(x^2) = 10
    np.testing.assert_allclose(state.params["slope"], 1 - 0.1 * 10, atol=1e-6)
    np.testing.assert_allclose(state.batch_stats["mean"], 0.2, rtol=1e-6)
    assert int(state.step) == 1
    assert float(metrics["gradient_norm"]) == pytest.approx(10)
    assert float(metrics["learning_rate"]) == pytest.approx(0.1)


def test_step_that_is_not_finite_changes_nothing_but_the_count():
    state, take = start()
    state, metrics = take(state, batch([jnp.inf, 1.0], [0.0, 0.0]), jax.random.key(0))
    assert float(metrics["non_finite"]) == 1
    assert float(state.params["slope"]) == 1
    assert float(state.batch_stats["mean"]) == 0
    assert int(state.step) == 1


def test_every_step_has_its_own_key():
    def loss(line, batch, *, key, step):
        value = line.slope[...] * jax.random.normal(key)
        return value, {"loss": value}

    state, take = start(0.0, loss)
    seen = set()
    for _ in range(3):
        state, metrics = take(state, batch([1.0], [1.0]), jax.random.key(5))
        seen.add(float(metrics["loss"]))
    assert len(seen) == 3


def test_four_devices_take_the_same_step_as_one():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 8)).astype(np.float32)
    slopes = []
    for devices in (jax.devices()[:1], jax.devices()):
        mesh = sharding.make_mesh(devices)
        state, take = start()
        state = sharding.replicate(state, mesh)
        placed = {"train": sharding.shard({"x": x, "y": y}, mesh)}
        state, _ = take(state, placed, jax.random.key(0))
        slopes.append(float(state.params["slope"]))
    assert len(jax.devices()) == 4
    assert slopes[0] == pytest.approx(slopes[1], abs=1e-6)
