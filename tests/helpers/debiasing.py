"""Methods as a config would build them, with fresh parameters."""

from flax import nnx

from smad_jax import methods
from smad_jax.training import schedules


def build(
    name,
    num_features,
    aspects=(),
    *,
    ramp=schedules.constant_strength,
    total_steps=1,
    **settings,
):
    """The method called `name`, against some aspects, with these settings."""
    against = {aspect.name: aspect for aspect in aspects}
    given = methods.Given(num_features, against, ramp, nnx.Rngs(1), total_steps)
    return methods.build(name, given, settings)
