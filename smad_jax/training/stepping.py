"""One update, the same for every method (Eq. 1 and 2 by one descent).

A method is only a loss; gradient reversal inside it makes the heads descend and
the backbone ascend. The step knows neither.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from smad_jax.training import schedules, train_state

Batch = Mapping[str, Mapping[str, Any]]
Metrics = dict[str, jax.Array]
Loss = Callable[..., tuple[jax.Array, Metrics]]


class Step(Protocol):
    """A compiled update, see `make_train_step`."""

    def __call__(
        self,
        state: train_state.TrainState,
        batch: Batch,
        key: jax.Array,
        advance: int = 1,
    ) -> tuple[train_state.TrainState, Metrics]:
        """Returns the state after the step, and its metrics."""
        ...


def make_train_step(
    graph: nnx.GraphDef,
    loss: Loss,
    optimizer: optax.GradientTransformation,
    learning_rate: schedules.Schedule,
) -> Step:
    """Returns `step(state, batch, key, advance=1) -> (state, metrics)`, compiled.

    The state is donated: the one passed in may not be used again. `state.step` grows
    by `advance`, 0 for those of several updates that share a learning rate
    (`joint.py`); keys differ for them. A step whose loss or gradient is not finite
    changes nothing but the count, so that one bad batch cannot destroy a run;
    `metrics["non_finite"]` is 1 for it.

    Args:
        graph: Structure of the trained modules, from `state.split`.
        loss: `loss(modules, batch, key=, step=)` gives a scalar and metrics, all
            of them means over the global batch.
        optimizer: Direction of descent, from `optimizer.build`.
        learning_rate: Rate as a function of `state.step`.

    Returns:
        The step. Its metrics hold the loss's own, `gradient_norm` before
        clipping, `learning_rate` and `non_finite`.
    """

    def train_step(state, batch, key, advance=1):
        def objective(params):
            modules = train_state.merge(graph, params, state.batch_stats)
            own_key = jax.random.fold_in(key, state.step)
            value, metrics = loss(modules, batch, key=own_key, step=state.step)
            return value, (metrics, train_state.batch_stats_of(modules))

        gradient, (metrics, batch_stats) = jax.grad(objective, has_aux=True)(
            state.params
        )
        norm = optax.tree.norm(gradient)
        updates, optimizer_state = optimizer.update(
            gradient, state.optimizer_state, state.params
        )
        rate = learning_rate(state.step)
        updates = jax.tree.map(lambda leaf: -rate * leaf, updates)
        after = (
            optax.apply_updates(state.params, updates),
            batch_stats,
            optimizer_state,
        )
        before = (state.params, state.batch_stats, state.optimizer_state)
        finite = jnp.isfinite(metrics["loss"]) & jnp.isfinite(norm)
        kept = jax.tree.map(lambda a, b: jnp.where(finite, a, b), after, before)
        metrics = metrics | {
            "gradient_norm": norm,
            "learning_rate": rate,
            "non_finite": 1.0 - finite,
        }
        return train_state.TrainState(state.step + advance, *kept), metrics

    return jax.jit(train_step, donate_argnums=0)
