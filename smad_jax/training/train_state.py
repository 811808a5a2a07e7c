"""What training carries from step to step, as nested dicts of arrays.

The only file that knows how Flax modules are taken apart and put together.
Everything downstream (optimiser, checkpoints, evaluation) sees plain dicts.
"""

import dataclasses
from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
import optax
from flax import nnx

Tree = dict
M = TypeVar("M", bound=nnx.Module)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """All that a step reads and writes.

    Attributes:
        step: [] int32, batches of the training set taken so far. It equals the updates
            unless web streams take further ones (`joint.py`).
        params: Trained arrays, under the names of the modules that hold them.
        batch_stats: Running statistics of batch norm, under the same names.
        optimizer_state: Whatever the optimiser keeps.
        average: `params` and `batch_stats` averaged over the updates, under these two
            names; empty without `training.ema` (`averaging.py`).
    """

    step: jax.Array
    params: Tree
    batch_stats: Tree
    optimizer_state: optax.OptState
    average: Tree = dataclasses.field(default_factory=dict)


def split(module: M) -> tuple[nnx.GraphDef[M], Tree, Tree]:
    """Takes a module apart into its structure, parameters and batch statistics."""
    # Once, before the loop: passing modules through jit would flatten them every step.
    graph, params, batch_stats = nnx.split(module, nnx.Param, nnx.BatchStat)
    return graph, nnx.to_pure_dict(params), nnx.to_pure_dict(batch_stats)


def merge(graph: nnx.GraphDef[M], params: Tree, batch_stats: Tree) -> M:
    """Puts a module together from its structure and its arrays."""
    # Copied: batch norm would otherwise write into arrays that the surrounding
    # gradient trace does not own, which NNX refuses with a trace error.
    return nnx.merge(graph, params, batch_stats, copy=True)


def batch_stats_of(module: nnx.Module) -> Tree:
    """Returns the batch statistics that a forward pass left in `module`."""
    return nnx.to_pure_dict(nnx.state(module, nnx.BatchStat))


def create(
    make: Callable[[], M], optimizer: optax.GradientTransformation
) -> tuple[nnx.GraphDef[M], TrainState]:
    """Returns the structure of what `make` builds, and the state before step 1."""
    graph, params, batch_stats = split(make())
    state = TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        batch_stats=batch_stats,
        optimizer_state=optimizer.init(params),
    )
    return graph, state
