"""One update, the same for every method (Eq. 1 and 2 by one descent).

A method is only a loss; gradient reversal inside it makes the heads descend and
the backbone ascend. The step knows neither.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from smad_jax.training import averaging, schedules, train_state

Batch = Mapping[str, Mapping[str, Any]]
Metrics = dict[str, jax.Array]
M = TypeVar("M", bound=nnx.Module)
Modules = TypeVar("Modules", bound=nnx.Module, contravariant=True)


class Loss(Protocol[Modules]):
    """A scalar to descend and metrics, all of them means over the global batch."""

    def __call__(
        self, modules: Modules, batch: Batch, /, *, key: jax.Array, step: jax.Array
    ) -> tuple[jax.Array, Metrics]:
        """Returns the loss and the metrics of a batch."""
        ...


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

    def lower(
        self,
        state: train_state.TrainState,
        batch: Mapping[str, object],
        key: jax.Array,
        advance: int = 1,
    ) -> jax.stages.Lowered:
        """Returns the program for arguments of these shapes, not yet compiled."""
        ...


def make_train_step(
    graph: nnx.GraphDef[M],
    loss: Loss[M],
    optimizer: optax.GradientTransformation,
    learning_rate: schedules.Schedule,
    *,
    ema: float = 0.0,
    layout: train_state.TrainState | None = None,
    compiler_options: Mapping[str, str] | None = None,
) -> Step:
    """Returns `step(state, batch, key, advance=1) -> (state, metrics)`, compiled.

    The state is donated: do not use the one passed in again. `state.step` grows by
    `advance`, which is 0 for updates that share their learning rate with a later one
    (`joint.py`); their keys differ. A step whose loss or gradient is not finite changes
    nothing but the count, and its `metrics["non_finite"]` is 1. The metrics hold the
    loss's own, `gradient_norm` before clipping, and `learning_rate`, too.

    Args:
        graph: Structure of the trained modules, from `train_state.split`.
        loss: Of the modules on a batch.
        optimizer: Direction of descent, from `optimizer.build`.
        learning_rate: Rate as a function of `state.step`.
        ema: Decay of the state's average, if it has one.
        layout: Where the state is placed; None lets the compiler decide.
        compiler_options: Of XLA, by name.
    """

    def train_step(
        state: train_state.TrainState, batch: Batch, key: jax.Array, advance: int = 1
    ) -> tuple[train_state.TrainState, Metrics]:
        def objective(
            params: train_state.Tree,
        ) -> tuple[jax.Array, tuple[Metrics, train_state.Tree]]:
            modules = train_state.merge(graph, params, state.batch_stats)
            # The key depends on nothing but the step: a run that resumes draws what it
            # would have drawn, and no random state has to be saved. Folded in here, it
            # costs no transfer to the device.
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
        # Outside optax, whose own count would also count the updates on web streams:
        # all updates of a step share its rate, and the log shows the rate in use.
        rate = learning_rate(state.step)
        updates = jax.tree.map(lambda leaf: -rate * leaf, updates)
        after = dataclasses.replace(
            state,
            params=optax.apply_updates(state.params, updates),
            batch_stats=batch_stats,
            optimizer_state=optimizer_state,
        )
        after = averaging.moved(after, decay=ema)
        finite = jnp.isfinite(metrics["loss"]) & jnp.isfinite(norm)
        kept = _either(finite, after, state)
        metrics = metrics | {
            "gradient_norm": norm,
            "learning_rate": rate,
            "non_finite": 1.0 - finite,
        }
        return dataclasses.replace(kept, step=state.step + advance), metrics

    return jax.jit(
        train_step,
        donate_argnums=0,  # parameters and momentum are updated in place, not twice
        out_shardings=(layout, None),
        compiler_options=dict(compiler_options or {}),
    )


def _either(
    finite: jax.Array, after: train_state.TrainState, before: train_state.TrainState
) -> train_state.TrainState:
    """Returns the state after a step, or before it if the step was not finite.

    One bad batch must not destroy a run, so it changes no array. Decided on the device:
    reading the loss would stop the host from running ahead. The norm counts too, since
    a finite loss can have an infinite gradient.
    """
    return jax.tree.map(lambda a, b: jnp.where(finite, a, b), after, before)
