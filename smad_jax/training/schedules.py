"""Learning rates and the adversarial ramp, as functions of the step.

A step is a batch of the training set (`joint`).

Both learning-rate schedules change once an epoch, as those of the reference do
(App. C); only the warm-up moves with every step.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

Schedule = Callable[[jax.Array], jax.Array]


def cosine(
    base: float,
    *,
    epochs: int,
    steps_per_epoch: int,
    warmup_epochs: int = 0,
    warmup_ratio: float = 0.1,
) -> Schedule:
    """Half a cosine over all epochs, times a linear ramp during the first ones.

    The cosine's value belongs to a whole epoch and counts epochs from 0, warm-up
    included; `base` is its top and `epochs` its half-period (n_max of App. C). The ramp
    multiplies it by `warmup_ratio` at step 0 up to 1 at the end of `warmup_epochs`.
    """
    warmup_steps = warmup_epochs * steps_per_epoch

    def rate(step: jax.Array) -> jax.Array:
        # Cut off at the end: past it the cosine would rise again.
        epoch = jnp.minimum(step // steps_per_epoch, epochs)
        value = base * 0.5 * (jnp.cos(jnp.pi * epoch / epochs) + 1)
        if not warmup_steps:
            return value
        done = jnp.minimum(jnp.asarray(step, float) / warmup_steps, 1.0)
        return value * (1 - (1 - done) * (1 - warmup_ratio))

    return rate


def steps(
    base: float, *, milestones: Sequence[int], steps_per_epoch: int, factor: float = 0.1
) -> Schedule:
    """Multiplies `base` by `factor` at the end of each milestone epoch.

    Milestone 40 means that epoch 40, counted from 0, is the first one at the
    lower rate ("at the end of the 40th epoch", App. C).
    """
    borders = jnp.asarray(milestones, jnp.int32)

    def rate(step: jax.Array) -> jax.Array:
        # Whole epochs: the rate changes between two epochs, as the reference's does.
        passed = jnp.sum(step // steps_per_epoch >= borders)
        return base * factor**passed

    return rate


def constant_strength(step: jax.Array) -> jax.Array:
    """Returns 1: the adversarial gradient at full strength from the first step."""
    return jnp.ones((), jnp.float32) + 0 * step


def dann_ramp(total_steps: int, *, gamma: float = 10.0) -> Schedule:
    """Returns 2 / (1 + exp(-gamma p)) - 1, with p the share of training done.

    The ramp of Ganin et al. (DANN): 0 at the first step, 0.46 after a tenth of
    the steps, 0.9999 at the end.
    """

    def strength(step: jax.Array) -> jax.Array:
        progress = jnp.clip(jnp.asarray(step, float) / total_steps, 0.0, 1.0)
        return 2 / (1 + jnp.exp(-gamma * progress)) - 1

    return strength
