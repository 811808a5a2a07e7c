"""The moving average of a network over the updates of its training.

Where it is on, the average is what is tested, exported and shown; training itself never
reads it. Batch statistics are averaged with the parameters: those of the last update
belong to other parameters.
"""

import dataclasses

import jax
import jax.numpy as jnp
import optax

from smad_jax.training import train_state


def started(state: train_state.TrainState) -> train_state.TrainState:
    """Returns the state with its own network as the average so far."""
    network = {"params": state.params, "batch_stats": state.batch_stats}
    # Copied: the step is given its state for good, and no array of it twice.
    return dataclasses.replace(state, average=jax.tree.map(jnp.copy, network))


def moved(state: train_state.TrainState, *, decay: float) -> train_state.TrainState:
    """Returns the state after an update with its network taken into its average.

    Of itself the average keeps min(decay, (1 + t) / (10 + t)), t the steps so far.
    Without the second term the random start would count for 1 / (1 - decay) updates.
    A state without an average stays without one.
    """
    if not state.average:
        return state
    kept = jnp.minimum(decay, (1 + state.step) / (10 + state.step))
    network = {"params": state.params, "batch_stats": state.batch_stats}
    average = optax.incremental_update(network, state.average, 1 - kept)
    return dataclasses.replace(state, average=average)


def tested(
    state: train_state.TrainState,
) -> tuple[train_state.Tree, train_state.Tree]:
    """Returns the parameters and batch statistics to test: the average, if any."""
    if not state.average:
        return state.params, state.batch_stats
    return state.average["params"], state.average["batch_stats"]


def with_tested(
    state: train_state.TrainState, params: train_state.Tree
) -> train_state.TrainState:
    """Returns the state with other parameters to test."""
    if not state.average:
        return dataclasses.replace(state, params=params)
    return dataclasses.replace(state, average=state.average | {"params": params})
