"""What methods share that adapt to a test set's unlabelled videos: both in one pass.

A batch holds `train`, the labelled source, and `target`, videos of the test set with
nothing but pixels. DANN and MMD differ in how they pull the features of the two
together. Comparisons of such methods with others are not quite fair: they have seen
the videos that they are tested on, though no label of theirs (Table 3, "access").
"""

import math
from collections.abc import Callable, Mapping
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from smad_jax import errors
from smad_jax.aspect_table import Aspect
from smad_jax.methods import base
from smad_jax.models import recognizer

Passes = Literal["joint", "separate"]


class TwoDomains(base.Method):
    """The action's cross-entropy on the source; what else, a subclass says."""

    streams = ("train", base.UNLABELLED)
    sees_target_data = True

    def __init__(
        self,
        num_features: int,
        aspects: Mapping[str, Aspect],
        *,
        ramp: Callable[[jax.Array], jax.Array],
        rngs: nnx.Rngs,
        passes: Passes = "joint",
    ) -> None:
        """Takes what every method is offered, and how videos pass the network.

        Args:
            num_features: D.
            aspects: None of use.
            ramp: Strength of reversed gradients as a function of the step.
            rngs: For initial parameters.
            passes: `joint`, source and target share batch statistics, half and half
                in every ghost group where they are equally many; `separate`, each
                domain has its own.

        Raises:
            ConfigError: if there is no such way to pass.
        """
        if passes not in ("joint", "separate"):
            raise errors.ConfigError(
                f"unknown method.settings.passes {passes!r}; known: joint, separate"
            )
        super().__init__(num_features, aspects, ramp=ramp, rngs=rngs)
        self.passes = passes

    def outputs(
        self,
        model: recognizer.Recognizer,
        batch: Mapping[str, base.Stream],
        key: jax.Array,
    ) -> tuple[recognizer.Output, recognizer.Output]:
        """Returns what the network says of the source, and of the target.

        Args:
            model: The recogniser in training.
            batch: `train` and `target`, see `base.Method.loss`.
            key: For dropout.
        """
        source, target = (batch[name]["video"] for name in self.streams)
        if self.passes == "separate":
            keys = jax.random.split(key)
            first = model(source, train=True, key=keys[0])
            return first, model(target, train=True, key=keys[1])
        output = model(interleave(source, target), train=True, key=key)

        def of(domain: int) -> recognizer.Output:
            return jax.tree.map(
                lambda rows: deinterleave(rows, len(source))[domain], output
            )

        return of(0), of(1)


def interleave(source: jax.Array, target: jax.Array) -> jax.Array:
    """Returns [S, ...] and [T, ...] as [S + T, ...], evenly mixed: s, t, s, t, ...

    Consecutive videos share batch statistics, so each ghost group gets its part of
    either; and a batch that is split over devices stays where it is.
    """
    groups = math.gcd(len(source), len(target))
    parts = [rows.reshape(groups, -1, *rows.shape[1:]) for rows in (source, target)]
    return jnp.concatenate(parts, axis=1).reshape(-1, *source.shape[1:])


def deinterleave(rows: jax.Array, num_source: int) -> tuple[jax.Array, jax.Array]:
    """Returns the [S, ...] and [T, ...] that `interleave` made the rows of."""
    num_target = len(rows) - num_source
    groups = math.gcd(num_source, num_target)
    mixed = rows.reshape(groups, -1, *rows.shape[1:])
    border = num_source // groups
    return (
        mixed[:, :border].reshape(num_source, *rows.shape[1:]),
        mixed[:, border:].reshape(num_target, *rows.shape[1:]),
    )
