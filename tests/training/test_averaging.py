import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from smad_jax import errors
from smad_jax.training import averaging, checkpoint, stepping, train_state
from tests.training.test_stepping import Line, batch, squared_error

DECAY = 0.25  # reached at the third step: (1 + 2) / (10 + 2)


def start():
    graph, state = train_state.create(Line, optax.trace(0.9))
    take = stepping.make_train_step(
        graph, squared_error, optax.trace(0.9), lambda step: 0.01, ema=DECAY
    )
    return averaging.started(state), take


def plain(state):
    return dataclasses.replace(state, average={})


def test_average_is_that_of_the_networks_after_the_updates():
    state, take = start()
    expected = np.array([1.0, 0.0])  # slope and mean before the first step
    for step, kept in enumerate([1 / 10, 2 / 11, 1 / 4, 1 / 4, 1 / 4]):
        state, _ = take(state, batch([1.0, 2.0 + step], [0.0, 0.0]), jax.random.key(0))
        network = np.array([state.params["slope"], state.batch_stats["mean"]])
        expected = kept * expected + (1 - kept) * network
        params, batch_stats = averaging.tested(state)
        found = params["slope"], batch_stats["mean"]
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        assert not np.allclose(found, network, rtol=1e-3)


def test_average_changes_nothing_in_training():
    one, take = start()
    other = plain(start()[0])
    for _ in range(3):
        one, _ = take(one, batch([1.0, 3.0], [0.0, 1.0]), jax.random.key(0))
        other, _ = take(other, batch([1.0, 3.0], [0.0, 1.0]), jax.random.key(0))
    assert not other.average
    for a, b in zip(jax.tree.leaves(plain(one)), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_skipped_step_leaves_the_average_as_it_is():
    state, take = start()
    state, _ = take(state, batch([1.0, 3.0], [0.0, 0.0]), jax.random.key(0))
    before = jax.tree.map(np.array, state.average)
    bad = batch([jnp.inf, 1.0], [0.0, 0.0])
    state, metrics = take(state, bad, jax.random.key(0))
    assert float(metrics["non_finite"]) == 1
    for a, b in zip(
        jax.tree.leaves(before), jax.tree.leaves(state.average), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_checkpoints_keep_the_average_and_it_is_what_they_are_read_for(tmp_path):
    state, take = start()
    state, _ = take(state, batch([1.0, 3.0], [0.0, 0.0]), jax.random.key(0))
    with checkpoint.Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state, {})
    with checkpoint.Checkpoints(tmp_path) as checkpoints:
        restored, _ = checkpoints.restore(start()[0])
        with pytest.raises(errors.DataError, match=r"does not fit .* average/"):
            checkpoints.restore(plain(start()[0]))
    for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(restored), strict=True):
        np.testing.assert_array_equal(a, b)
    _, params, batch_stats = checkpoint.read_trained(tmp_path)
    assert params == {"slope": state.average["params"]["slope"]}
    assert batch_stats == {"mean": state.average["batch_stats"]["mean"]}
    assert params["slope"] != state.params["slope"]


def test_checkpoint_without_an_average_has_the_arrays_of_older_ones(tmp_path):
    with checkpoint.Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(plain(start()[0]), {})
    with checkpoint.Checkpoints(tmp_path) as checkpoints:
        names = set(checkpoints._manager.item_metadata(0).state)
        assert names == {"step", "params", "batch_stats", "optimizer_state"}
        assert checkpoints.restore(plain(start()[0]))[0].average == {}
